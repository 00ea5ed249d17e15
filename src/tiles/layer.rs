//! Which layers there are, their fields and their zooms. The names are the contract's.

use crate::city::City;
use crate::city::clusters::CLUSTER_MIN_ZOOM;
use serde::{Deserialize, Serialize};

/// A layer. Ordered as layers stand in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Areas of regions, every level that the zoom shows.
    Regions,
    /// Areas of grids.
    Grids,
    /// One point for each region and grid.
    Labels,
    /// Points, and clusters farther out.
    Facilities,
    /// Open cases with a position.
    Cases,
    /// Organizations with a position.
    Organizations,
    /// Footprints of buildings, and points of those without one.
    Buildings,
}

/// The last zoom with tiles of points. Clients show deeper zooms from it.
const LAST_POINT_ZOOM: u8 = 16;

/// The first zoom with organizations. They are a few to each grid, and grids are shown from about there on.
const FIRST_ORGANIZATION_ZOOM: u8 = 10;

/// The first zoom with buildings: one of 10 m is five pixels of 512 wide.
pub(super) const FIRST_BUILDING_ZOOM: u8 = 14;

impl Layer {
    /// All of them in their order.
    pub const ALL: [Self; 7] =
        [Self::Regions, Self::Grids, Self::Labels, Self::Facilities, Self::Cases, Self::Organizations, Self::Buildings];

    /// The word in URLs and tiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regions => "regions",
            Self::Grids => "grids",
            Self::Labels => "labels",
            Self::Facilities => "facilities",
            Self::Cases => "cases",
            Self::Organizations => "organizations",
            Self::Buildings => "buildings",
        }
    }

    /// Names and types of its attributes, as TileJSON describes them. Clusters also have `count_01` … by major category.
    pub fn fields(self) -> &'static [(Field, &'static str)] {
        match self {
            Self::Regions => &[
                (Field::Code, "String: identity"),
                (Field::Level, "String: level in the scheme"),
                (Field::Name, "String"),
                (Field::Parent, "String: code of the region above"),
            ],
            Self::Grids => &[
                (Field::Code, "String: identity"),
                (Field::Name, "String"),
                (Field::Kind, "String: what the grid is for"),
                (Field::Parent, "String: code of the region above"),
            ],
            Self::Labels => &[
                (Field::Code, "String: identity"),
                (Field::Level, "String: level in the scheme"),
                (Field::Name, "String"),
                (Field::Collapsed, "Boolean: true where the area is too small to be drawn at this zoom, else absent"),
            ],
            Self::Facilities => &[
                (Field::Id, "Number: the feature id"),
                (Field::Category, "String: component category"),
                (Field::State, "String: intact, damaged, lost, abandoned, removed"),
                (Field::Name, "String"),
                (Field::Count, "Number: facilities of a cluster; count_01 … by major category"),
            ],
            Self::Cases => &[
                (Field::Id, "Number: the feature id"),
                (Field::Category, "String: matter category"),
                (Field::State, "String: state of the workflow"),
                (Field::Overdue, "Boolean"),
                (Field::DueAt, "Number: seconds since 1970"),
            ],
            Self::Organizations => &[
                (Field::Id, "Number: the feature id"),
                (Field::Category, "String: category of organizations"),
                (Field::Name, "String"),
            ],
            Self::Buildings => &[
                (Field::Id, "Number: the feature id"),
                (Field::Name, "String"),
                (Field::Households, "Number: absent when unknown"),
                (Field::Storeys, "Number: absent when unknown"),
            ],
        }
    }

    /// Whether it is drawn from boundaries alone, so that it can be had as of another epoch.
    pub fn is_boundaries(self) -> bool {
        matches!(self, Self::Regions | Self::Grids | Self::Labels)
    }

    /// First and last zoom with tiles; `None` when the city has nothing to put into it (no grids, no regions).
    pub fn zooms(self, city: &City) -> Option<(u8, u8)> {
        let levels = city.territory.level_zooms();
        let grid_level = city.territory.scheme.grid_level();
        let hull = |zooms: &[Option<(u8, u8)>]| {
            zooms.iter().flatten().copied().reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
        };
        match self {
            Self::Regions => hull(&levels[..grid_level]),
            Self::Grids => levels[grid_level],
            Self::Labels => hull(levels),
            Self::Facilities | Self::Cases => Some((CLUSTER_MIN_ZOOM, LAST_POINT_ZOOM)),
            Self::Organizations => Some((FIRST_ORGANIZATION_ZOOM, LAST_POINT_ZOOM)),
            Self::Buildings => Some((FIRST_BUILDING_ZOOM, LAST_POINT_ZOOM)),
        }
    }
}

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `code`.
    Code,
    /// `level`.
    Level,
    /// `name`.
    Name,
    /// `parent`.
    Parent,
    /// `kind`.
    Kind,
    /// `collapsed`.
    Collapsed,
    /// `id`.
    Id,
    /// `category`.
    Category,
    /// `state`.
    State,
    /// `count` and `count_01` ….
    Count,
    /// `overdue`.
    Overdue,
    /// `due_at`.
    DueAt,
    /// `households`.
    Households,
    /// `storeys`.
    Storeys,
}

impl Field {
    const ALL: [Self; 14] = [
        Self::Code,
        Self::Level,
        Self::Name,
        Self::Parent,
        Self::Kind,
        Self::Collapsed,
        Self::Id,
        Self::Category,
        Self::State,
        Self::Count,
        Self::Overdue,
        Self::DueAt,
        Self::Households,
        Self::Storeys,
    ];

    /// The word in tiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Level => "level",
            Self::Name => "name",
            Self::Parent => "parent",
            Self::Kind => "kind",
            Self::Collapsed => "collapsed",
            Self::Id => "id",
            Self::Category => "category",
            Self::State => "state",
            Self::Count => "count",
            Self::Overdue => "overdue",
            Self::DueAt => "due_at",
            Self::Households => "households",
            Self::Storeys => "storeys",
        }
    }
}

/// A word that names no layer or field, or names one twice or out of order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Unknown.
    #[error("unknown {what} {word:?}: one of {allowed}")]
    Unknown {
        /// `layer` or `field`.
        what: &'static str,
        /// As given.
        word: String,
        /// What there is.
        allowed: String,
    },
    /// Known, but not as it must stand: one URL for one tile.
    #[error("{what}s must stand once and in this order: {canonical}")]
    Order {
        /// `layer` or `field`.
        what: &'static str,
        /// What was meant.
        canonical: String,
    },
}

/// One or several layers, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layers(u8);

impl Layers {
    /// Comma-joined names in canonical order, none twice.
    pub fn parse(text: &str) -> Result<Self, BadList> {
        let mut bits = 0;
        let mut in_order = true;
        for word in text.split(',') {
            let at = Layer::ALL.iter().position(|layer| layer.as_str() == word).ok_or_else(|| BadList::Unknown {
                what: "layer",
                word: word.to_owned(),
                allowed: Layer::ALL.map(Layer::as_str).join(", "),
            })?;
            in_order &= bits >> at == 0;
            bits |= 1 << at;
        }
        let layers = Self(bits);
        if in_order { Ok(layers) } else { Err(BadList::Order { what: "layer", canonical: layers.to_string() }) }
    }

    /// In canonical order.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().enumerate().filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, layer)| layer)
    }

    /// These and others.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a layer is among them.
    pub fn holds(self, layer: Layer) -> bool {
        self.iter().any(|other| other == layer)
    }

    /// One bit a layer.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// First and last zoom of any of them; `None` when there is nothing to draw in any.
    pub fn zooms(self, city: &City) -> Option<(u8, u8)> {
        self.iter().filter_map(|layer| layer.zooms(city)).reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }
}

impl From<Layer> for Layers {
    fn from(layer: Layer) -> Self {
        Self(1 << layer as u8)
    }
}

impl std::fmt::Display for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.iter().map(Layer::as_str).collect::<Vec<_>>().join(","))
    }
}

/// Attributes that a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields(u16);

impl Fields {
    /// Every one.
    pub const ALL: Self = Self((1 << Field::ALL.len()) - 1);

    /// Comma-joined names in any order. An empty text is no attribute at all.
    pub fn parse(text: &str) -> Result<Self, BadList> {
        let mut bits = 0;
        for word in text.split(',').filter(|word| !word.is_empty()) {
            // `count_01` and its like come together with `count`.
            let is_count = word.strip_prefix("count_").is_some_and(|major| major.len() == 2 && major.is_ascii());
            let name = if is_count { "count" } else { word };
            let field = Field::ALL.into_iter().find(|field| field.as_str() == name).ok_or_else(|| BadList::Unknown {
                what: "field",
                word: word.to_owned(),
                allowed: Field::ALL.map(Field::as_str).join(", "),
            })?;
            bits |= 1 << field as u16;
        }
        Ok(Self(bits))
    }

    /// Whether a field is wanted.
    pub fn holds(self, field: Field) -> bool {
        self.0 >> field as u16 & 1 == 1
    }

    /// One bit a field.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// All of these but one.
    pub fn without(self, field: Field) -> Self {
        Self(self.0 & !(1 << field as u16))
    }

    /// Only those that `layers` have: two lists that make the same tile become the same.
    pub fn of(self, layers: Layers) -> Self {
        let known = layers.iter().flat_map(|layer| layer.fields()).fold(0, |bits, (field, _)| bits | 1 << *field as u16);
        Self(self.0 & known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_one_spelling() {
        assert_eq!(Layers::parse("regions,grids,labels").expect("canonical").to_string(), "regions,grids,labels");
        for bad in ["", "grid", "grids,regions", "grids,grids", "regions,", "Regions"] {
            assert!(Layers::parse(bad).is_err(), "{bad:?}");
        }
        let hint = Layers::parse("cases,grids").expect_err("out of order").to_string();
        assert!(hint.contains("grids,cases"), "{hint}");
        assert_eq!(Layers::from(Layer::Labels).to_string(), "labels");
    }

    #[test]
    fn fields_that_a_layer_has_not_make_no_difference() {
        let layers = Layers::parse("grids").expect("a layer");
        let one = Fields::parse("name,code").expect("fields");
        let other = Fields::parse("code,name,overdue").expect("fields");
        assert_eq!(one.of(layers), other.of(layers));
        assert!(Fields::parse("colour").is_err());
        assert!(!Fields::ALL.without(Field::Name).holds(Field::Name));
    }
}
