//! What the program is told when it starts, parsed into types. Nothing is read from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The city's file.
    pub data: PathBuf,
    /// Where to listen. Loopback only, until callers can be told apart.
    pub listen: SocketAddr,
    /// What links begin with behind a proxy, without a slash at the end; absent: `http://<Host>`.
    pub base_url: Option<String>,
    /// Most bytes of the tile cache.
    pub tile_cache_bytes: usize,
    /// Most bytes of a request body that is read whole.
    pub body_limit_bytes: usize,
    /// What the card draws at once.
    pub facility_groups: Vec<FacilityGroup>,
}

/// Facilities that are shown together when a grid is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityGroup {
    /// Stable name.
    pub id: &'static str,
    /// Chinese name.
    pub name: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Icon in `styles/icons`.
    pub icon: &'static str,
    /// Component categories that belong to it.
    pub categories: &'static [&'static str],
}

/// Cameras, lighting, manhole covers, hydrants: what Yichang's wall shows at a click (GB/T 47678.5 codes, then CJ/T 214).
pub const DEFAULT_FACILITY_GROUPS: [FacilityGroup; 4] = [
    FacilityGroup { id: "camera", name: "监控", name_en: "Cameras", icon: "camera", categories: &["01050", "0136"] },
    FacilityGroup {
        id: "lighting",
        name: "照明",
        name_en: "Lighting",
        icon: "lamp",
        categories: &["01037", "01038", "01039", "0118", "0119", "0120"],
    },
    FacilityGroup {
        id: "manhole",
        name: "井盖",
        name_en: "Manhole covers",
        icon: "manhole",
        categories: &[
            "01001", "01002", "01003", "01005", "01006", "01007", "01008", "01009", "01010", "01011", "01012", "01023", "0101",
            "0102", "0103", "0105", "0106", "0107", "0108", "0109", "0110", "0111", "0112", "0114",
        ],
    },
    FacilityGroup { id: "hydrant", name: "消防设施", name_en: "Hydrants", icon: "hydrant", categories: &["01013", "0113"] },
];

impl Config {
    /// Defaults for a file.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            tile_cache_bytes: 256 << 20,
            body_limit_bytes: 8 << 20,
            facility_groups: DEFAULT_FACILITY_GROUPS.to_vec(),
        }
    }
}
