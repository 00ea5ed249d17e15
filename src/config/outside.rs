//! Maps and layers of others, as the settings tell them: `[[basemap]]` and `[[layer]]`, each checked whole before anything is asked for.

use crate::geom::Crs;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A map that lies under ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Basemap {
    /// Stable name; stands in addresses.
    pub id: String,
    /// Chinese title.
    pub title: String,
    /// English title.
    pub title_en: String,
    /// What its tiles are in. Both that may stand here are drawn as they are.
    pub crs: Crs,
    /// Whose it is, with its own approval number; drawn in the corner while it is shown.
    pub attribution: String,
    /// Photographs: dimmed in a dark theme, where a drawn map is inverted.
    pub imagery: bool,
    /// Shown until a person chooses another.
    pub shown: bool,
    /// From the lowest up, each with its name.
    pub parts: Vec<(String, Tiles)>,
}

/// Where tiles come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Tiles {
    /// Pictures of another server.
    Remote(Remote),
    /// A PMTiles file.
    File(PathBuf),
}

/// Pictures of another server: all of the address is known but the numbers of the tile.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Its address.
    pub url: Template,
    /// First and last zoom.
    pub zooms: (u8, u8),
    /// Pixels along an edge.
    pub tile_size: u16,
    /// So long a picture is given out without asking again.
    pub fresh: Duration,
}

/// How long pictures are given out without asking again, when nothing else is told: maps of streets change seldom.
pub(super) const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// Pixels along an edge, when they may be so many.
pub(super) fn checked_size(size: u16) -> Result<u16, String> {
    if size == 256 || size == 512 { Ok(size) } else { Err(format!("tile_size {size} is neither 256 nor 512")) }
}

/// An address with places for the numbers of a tile, one of several hosts, and the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    hosts: Vec<String>,
    key: Secret,
}

/// A key: never shown, in no log.
#[derive(Clone, PartialEq, Eq, Default)]
struct Secret(String);

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("text", &self.text).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Template {
    /// `tile`: the numbers of the tile; none for an address without places for them.
    pub fn address(&self, tile: Option<(u8, u32, u32)>) -> String {
        let (z, x, y) = tile.unwrap_or_default();
        // Neighbours go to different hosts, a tile always to the same: others on the way may have kept it.
        let host = self.hosts.get((x as usize + y as usize) % self.hosts.len().max(1)).map_or("", String::as_str);
        let up = (1_u32 << z) - 1 - y;
        let numbers = [("{z}", z.to_string()), ("{x}", x.to_string()), ("{y}", y.to_string()), ("{-y}", up.to_string())];
        let text = numbers.iter().fold(self.text.replace("{s}", host), |text, (place, number)| text.replace(place, number));
        text.replace("{key}", &self.key.0)
    }

    /// The address as the settings have it: a source is the same whatever its key.
    pub fn without_key(&self) -> &str {
        &self.text
    }

    /// What its server said, without the key, should it stand there.
    pub fn censored(&self, text: &str) -> String {
        if self.key.0.is_empty() { text.to_owned() } else { text.replace(&self.key.0, "…") }
    }

    /// The host and nothing else of the address: what may be told.
    pub fn host(&self) -> &str {
        super::host(&self.text)
    }
}

/// The keys of `[[basemap]]` as people write them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasemapKeys {
    id: String,
    title: String,
    title_en: Option<String>,
    kind: BasemapKind,
    crs: String,
    #[serde(default)]
    attribution: String,
    #[serde(default)]
    shown: bool,
    imagery: Option<bool>,
    url: Option<String>,
    subdomains: Option<Vec<String>>,
    layers: Option<Vec<String>>,
    file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    minzoom: Option<u8>,
    maxzoom: Option<u8>,
    tile_size: Option<u16>,
}

impl BasemapKeys {
    /// The file that holds its key.
    pub(super) fn key_file(&self) -> Option<&PathBuf> {
        self.key_file.as_ref()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BasemapKind {
    Xyz,
    Pmtiles,
    Tianditu,
}

/// What Tianditu calls its layers in Web Mercator: a map, photographs, terrain, and the names on each.
const TIANDITU: [&str; 6] = ["vec", "cva", "img", "cia", "ter", "cta"];
/// Its own address. Eight hosts share the work.
const TIANDITU_URL: &str = "https://t{s}.tianditu.gov.cn";
const TIANDITU_HOSTS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
/// Behind its address: one tile of one layer (WMTS).
const TIANDITU_QUERY: &str = "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={layer}&STYLE=default&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk={key}";

/// Base maps as they are used. `folder`: what paths are relative to.
pub(super) fn basemaps(all: Vec<BasemapKeys>, folder: &Path) -> Result<Vec<Basemap>, String> {
    let mut made: Vec<Basemap> = Vec::new();
    for keys in all {
        let id = keys.id.clone();
        let basemap = basemap(keys, folder).map_err(|why| format!("[[basemap]] {id:?}: {why}"))?;
        if made.iter().any(|before| before.id == id) {
            return Err(format!("[[basemap]] {id:?} stands twice"));
        }
        if let Some(before) = made.iter().find(|before| before.shown && basemap.shown) {
            return Err(format!("[[basemap]] {:?} and {id:?} are both shown = true; one can be", before.id));
        }
        made.push(basemap);
    }
    Ok(made)
}

fn basemap(keys: BasemapKeys, folder: &Path) -> Result<Basemap, String> {
    plain_id(&keys.id)?;
    let crs = drawn_crs(&keys.crs)?;
    let absent = |key: &str, given: bool| if given { Err(format!("{key} has no meaning for this kind")) } else { Ok(()) };
    let key = secret(keys.key_file.as_deref(), keys.key_env.as_deref(), folder)?;
    let zooms = (keys.minzoom.unwrap_or(0), keys.maxzoom.unwrap_or(18));
    let remote = |url: &str, hosts: Vec<String>, tile_size: u16| -> Result<Tiles, String> {
        let url = template(url, hosts, key.clone(), true)?;
        Ok(Tiles::Remote(Remote { url, zooms: checked_zooms(zooms)?, tile_size, fresh: FRESH }))
    };
    let parts = match keys.kind {
        BasemapKind::Xyz => {
            absent("file", keys.file.is_some())?;
            absent("layers", keys.layers.is_some())?;
            let url = keys.url.as_deref().ok_or("url is missing: like https://tile.example/{z}/{x}/{y}.png")?;
            let size = checked_size(keys.tile_size.unwrap_or(256))?;
            vec![("map".to_owned(), remote(url, keys.subdomains.clone().unwrap_or_default(), size)?)]
        }
        BasemapKind::Tianditu => {
            absent("file", keys.file.is_some())?;
            absent("tile_size", keys.tile_size.is_some())?;
            if key.is_none() {
                return Err(
                    "Tianditu gives tiles only for a key (tk): name a file in key_file or a variable in key_env".to_owned()
                );
            }
            let zooms_known = 1..=18;
            let zooms = (keys.minzoom.unwrap_or(1), zooms.1);
            if !zooms_known.contains(&zooms.0) || !zooms_known.contains(&zooms.1) {
                return Err("Tianditu has zooms 1 to 18".to_owned());
            }
            let layers = keys.layers.clone().unwrap_or_else(|| vec!["vec".to_owned(), "cva".to_owned()]);
            if layers.is_empty() {
                return Err("layers is empty".to_owned());
            }
            let (base, hosts) = match &keys.url {
                Some(url) => (url.trim_end_matches('/').to_owned(), keys.subdomains.clone().unwrap_or_default()),
                None => (TIANDITU_URL.to_owned(), TIANDITU_HOSTS.map(str::to_owned).to_vec()),
            };
            let part = |layer: &String| {
                if !TIANDITU.contains(&layer.as_str()) {
                    return Err(format!("layer {layer:?} is none of {}", TIANDITU.join(", ")));
                }
                let url = format!("{base}/{layer}_w/wmts?{}", TIANDITU_QUERY.replace("{layer}", layer));
                let url = template(&url, hosts.clone(), key.clone(), true)?;
                Ok((layer.clone(), Tiles::Remote(Remote { url, zooms: checked_zooms(zooms)?, tile_size: 256, fresh: FRESH })))
            };
            layers.iter().map(part).collect::<Result<_, String>>()?
        }
        BasemapKind::Pmtiles => {
            for (word, given) in [
                ("url", keys.url.is_some()),
                ("layers", keys.layers.is_some()),
                ("subdomains", keys.subdomains.is_some()),
                ("key_file", keys.key_file.is_some()),
                ("key_env", keys.key_env.is_some()),
                ("tile_size", keys.tile_size.is_some()),
                ("minzoom", keys.minzoom.is_some()),
                ("maxzoom", keys.maxzoom.is_some()),
            ] {
                absent(word, given)?;
            }
            let file = keys.file.as_deref().ok_or("file is missing: a PMTiles file")?;
            vec![("map".to_owned(), Tiles::File(folder.join(file)))]
        }
    };
    let imagery = keys.imagery.unwrap_or(keys.kind == BasemapKind::Tianditu && parts[0].0 == "img");
    Ok(Basemap {
        title_en: keys.title_en.unwrap_or_else(|| keys.title.clone()),
        id: keys.id,
        title: keys.title,
        crs,
        attribution: keys.attribution,
        imagery,
        shown: keys.shown,
        parts,
    })
}

/// What stands in addresses and in the viewer's own.
pub(super) fn plain_id(id: &str) -> Result<(), String> {
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if id.is_empty() || id.len() > 24 || !plain || id == "none" {
        return Err("an id has 1 to 24 of a to z, digits and _, and is not \"none\"".to_owned());
    }
    Ok(())
}

/// The CRS of pictures, which nobody can convert: refused when they would lie in the wrong place.
pub(super) fn drawn_crs(name: &str) -> Result<Crs, String> {
    match name.parse::<Crs>().map_err(|error| error.to_string())? {
        crs @ (Crs::Wgs84 | Crs::Cgcs2000) => Ok(crs),
        crs @ (Crs::Gcj02 | Crs::Bd09) => Err(format!(
            "crs {crs} is refused: grids, facilities and cases are drawn in CGCS2000, and everything on a {crs} map stands some hundred metres \
             beside it, by another distance in each place; pictures cannot be converted. Take a map in cgcs2000 or wgs84, Tianditu for example"
        )),
    }
}

pub(super) fn checked_zooms((first, last): (u8, u8)) -> Result<(u8, u8), String> {
    if first > last || last > 22 {
        return Err(format!("zooms {first} to {last}: the first is at most the last, the last at most 22"));
    }
    Ok((first, last))
}

/// An address of `http` or `https` whose host is settled here; `tiles`: with places for the numbers of a tile.
pub(super) fn template(text: &str, hosts: Vec<String>, key: Option<String>, tiles: bool) -> Result<Template, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| format!("url {text:?} begins with neither http:// nor https://"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err("a url names no host, or a user; a key belongs into key_file or key_env".to_owned());
    }
    if authority.replace("{s}", "").contains('{') {
        return Err(format!("url {text:?}: only {{s}} may stand in the host, so that nobody else can be asked"));
    }
    let plain = |host: &String| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if authority.contains("{s}") == hosts.is_empty() || !hosts.iter().all(plain) {
        return Err("{s} in url and subdomains belong together: letters, digits and - each".to_owned());
    }
    let holds = |place: &str| text.contains(place);
    if tiles && !(holds("{z}") && holds("{x}") && (holds("{y}") || holds("{-y}"))) {
        return Err(format!(
            "url {text:?} has no places for the tile: {{z}}, {{x}} and {{y}} (or {{-y}}, counted from the south)"
        ));
    }
    if holds("{key}") != key.is_some() {
        return Err("{key} in url and a key (key_file or key_env) belong together".to_owned());
    }
    let places: &[&str] = if tiles { &["{s}", "{z}", "{x}", "{y}", "{-y}", "{key}"] } else { &["{s}", "{key}"] };
    let left = places.iter().fold(text.to_owned(), |left, place| left.replace(place, ""));
    if left.contains(['{', '}']) || left.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return Err(format!("url {text:?} holds what no address may, or a place that is none of {}", places.join(" ")));
    }
    Ok(Template { text: text.to_owned(), hosts, key: Secret(key.unwrap_or_default()) })
}

/// The key from the file or the variable that the settings name.
pub(super) fn secret(file: Option<&Path>, variable: Option<&str>, folder: &Path) -> Result<Option<String>, String> {
    let key = match (file, variable) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err("key_file and key_env are two keys; one is taken".to_owned()),
        (Some(file), None) => {
            let path = folder.join(file);
            std::fs::read_to_string(&path).map_err(|error| format!("key_file {}: {error}", path.display()))?
        }
        (None, Some(name)) => {
            // A key that was put here by mistake is not repeated.
            std::env::var(name).map_err(|_| "key_env names no variable of the environment, or one that is no text".to_owned())?
        }
    };
    let key = key.trim().to_owned();
    // It is put into an address as it is.
    if key.is_empty() || key.len() > 512 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return Err("the key is empty or holds something but letters, digits and -._~".to_owned());
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Vec<Basemap>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("tk"), "0a1b\n").expect("a key");
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, text).expect("a file");
        Config::read(&path).map(|config| config.basemaps).map_err(|error| error.to_string())
    }

    fn remote(tiles: &Tiles) -> &Remote {
        match tiles {
            Tiles::Remote(remote) => remote,
            Tiles::File(path) => panic!("{} is a file", path.display()),
        }
    }

    const XYZ: &str = "[[basemap]]\nid = \"osm\"\ntitle = \"街道\"\nkind = \"xyz\"\ncrs = \"wgs84\"\n";

    #[test]
    fn an_address_has_its_numbers_its_host_and_its_key_filled_in() {
        let text = format!(
            "{XYZ}url = \"https://{{s}}.tile.example/{{z}}/{{x}}/{{-y}}.png?k={{key}}\"\nsubdomains = [\"a\", \"b\"]\nkey_file = \"tk\""
        );
        let maps = read(&text).expect("a base map");
        let url = &remote(&maps[0].parts[0].1).url;
        assert_eq!(url.address(Some((3, 2, 1))), "https://b.tile.example/3/2/6.png?k=0a1b");
        assert_eq!(url.address(Some((3, 2, 2))), "https://a.tile.example/3/2/5.png?k=0a1b");
        assert!(!format!("{maps:?}").contains("0a1b"), "the key is never shown");
        assert_eq!(url.host(), "{s}.tile.example");
    }

    #[test]
    fn tianditu_is_one_sheet_for_each_layer_in_web_mercator() {
        let text = "[[basemap]]\nid = \"tdt\"\ntitle = \"天地图\"\nkind = \"tianditu\"\ncrs = \"cgcs2000\"\nkey_file = \"tk\"";
        let maps = read(text).expect("a base map");
        let names: Vec<&str> = maps[0].parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["vec", "cva"]);
        let url = remote(&maps[0].parts[1].1).url.address(Some((12, 3423, 1763)));
        assert!(url.starts_with("https://t2.tianditu.gov.cn/cva_w/wmts?SERVICE=WMTS&REQUEST=GetTile&"), "{url}");
        assert!(url.contains("&LAYER=cva&") && url.contains("&TILEMATRIXSET=w&"), "{url}");
        assert!(url.ends_with("TILEMATRIX=12&TILEROW=1763&TILECOL=3423&tk=0a1b"), "{url}");
        assert!(!maps[0].imagery);
        let photographs = read(&format!("{text}\nlayers = [\"img\"]\nurl = \"http://10.0.0.7:81/tdt/\"")).expect("photographs");
        assert!(photographs[0].imagery);
        assert!(
            remote(&photographs[0].parts[0].1).url.address(Some((1, 0, 0))).starts_with("http://10.0.0.7:81/tdt/img_w/wmts?")
        );
    }

    #[test]
    fn a_base_map_that_would_lie_beside_the_city_is_refused_with_the_reason() {
        for crs in ["gcj02", "bd09"] {
            let text = XYZ.replace("wgs84", crs) + "url = \"https://t.example/{z}/{x}/{y}\"";
            let refused = read(&text).expect_err(crs);
            assert!(refused.contains(crs) && refused.contains("hundred metres") && refused.contains("\"osm\""), "{refused}");
        }
        let unnamed = read(&XYZ.replace("crs = \"wgs84\"\n", "")).expect_err("no crs");
        assert!(unnamed.contains("crs"), "{unnamed}");
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_before_it_is() {
        for (keys, why) in [
            ("", "url is missing"),
            ("url = \"ftp://t.example/{z}/{x}/{y}\"", "neither http"),
            ("url = \"https://t.example/{z}/{x}\"", "{y}"),
            ("url = \"https://t.example/{z}/{x}/{y}?{token}\"", "{token}"),
            ("url = \"https://{x}.example/{z}/{x}/{y}\"", "only {s}"),
            ("url = \"https://{s}.example/{z}/{x}/{y}\"", "subdomains"),
            ("url = \"https://{s}.example/{z}/{x}/{y}\"\nsubdomains = [\"evil.example/\"]", "subdomains"),
            ("url = \"https://a:b@t.example/{z}/{x}/{y}\"", "a user"),
            ("url = \"https://t.example/{z}/{x}/{y}?k={key}\"", "{key}"),
            ("url = \"https://t.example/{z}/{x}/{y}\"\nkey_file = \"tk\"", "{key}"),
            ("url = \"https://t.example/{z}/{x}/{y}?k={key}\"\nkey_file = \"none\"", "key_file"),
            ("url = \"https://t.example/{z}/{x}/{y}?k={key}\"\nkey_env = \"WANGGE_NO_SUCH_KEY\"", "key_env"),
            ("url = \"https://t.example/{z}/{x}/{y}\"\nminzoom = 9\nmaxzoom = 8", "9 to 8"),
            ("url = \"https://t.example/{z}/{x}/{y}\"\ntile_size = 300", "300"),
            ("url = \"https://t.example/{z}/{x}/{y}\"\nfile = \"a\"", "file"),
        ] {
            let refused = read(&format!("{XYZ}{keys}")).expect_err(keys);
            assert!(refused.contains(why) && refused.contains("\"osm\""), "{keys}: {refused}");
        }
        let twice = format!("{XYZ}url = \"https://t.example/{{z}}/{{x}}/{{y}}\"\n");
        assert!(read(&format!("{twice}{twice}")).expect_err("twice").contains("twice"));
        let tianditu = XYZ.replace("xyz", "tianditu");
        assert!(read(&tianditu).expect_err("no key").contains("key"));
        let layer = format!("{tianditu}key_file = \"tk\"\nlayers = [\"vec_c\"]");
        assert!(read(&layer).expect_err("no such layer").contains("vec_c"));
    }
}
