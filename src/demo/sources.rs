//! What of the demo is not drawn by chance: outlines (Zhoushan's are real, the others made up), the names and codes of counties, townships and
//! communities. `geodata/demo/README.md` says where they come from.

use crate::geom::{LatticePoint, LonLat};
use serde::Deserialize;

/// The tables of one city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Atlas {
    outlines: &'static str,
    counties: &'static str,
    townships: &'static str,
    communities: &'static str,
    /// Land around it that belongs to other cities, as GeoJSON: drawn behind the map, never looked up.
    pub(super) background: Option<&'static str>,
}

/// An archipelago, real in outline.
pub(super) const ZHOUSHAN: Atlas = Atlas {
    outlines: include_str!("../../geodata/demo/zhoushan_islands_osm10m.geojson"),
    counties: include_str!("../../geodata/demo/counties.csv"),
    townships: include_str!("../../geodata/demo/township_seats_approx.csv"),
    communities: include_str!("../../geodata/demo/communities.csv"),
    background: Some(include_str!("../../geodata/demo/background_land.geojson")),
};

/// Two banks of a river about where Yichang lies: names and codes are real, the outline is made up.
pub(super) const YICHANG: Atlas = Atlas {
    outlines: include_str!("../../geodata/demo/yichang/banks_synthetic.geojson"),
    counties: include_str!("../../geodata/demo/yichang/counties.csv"),
    townships: include_str!("../../geodata/demo/yichang/township_seats_synthetic.csv"),
    communities: include_str!("../../geodata/demo/yichang/communities.csv"),
    background: None,
};

/// A whole prefecture in one piece of land about where Yichang lies: names and codes are real, the outline is made up.
pub(super) const PREFECTURE: Atlas = Atlas {
    outlines: include_str!("../../geodata/demo/prefecture/land_synthetic.geojson"),
    counties: include_str!("../../geodata/demo/prefecture/counties.csv"),
    townships: include_str!("../../geodata/demo/prefecture/township_seats_synthetic.csv"),
    communities: include_str!("../../geodata/demo/prefecture/communities.csv"),
    background: None,
};

/// A piece of land with a shore around it.
#[derive(Debug, Clone)]
pub(super) struct Island {
    /// Number in the source file.
    pub(super) id: u32,
    /// Codes of the counties it belongs to.
    pub(super) counties: Vec<&'static str>,
    /// Outline, counter-clockwise, the first point not repeated.
    pub(super) outline: Vec<LatticePoint>,
}

/// Code and name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
}

/// A township and about where its seat is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Township {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) seat: LatticePoint,
}

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize)]
struct Properties {
    id: u32,
    counties: Vec<String>,
}

#[derive(Deserialize)]
struct Geometry {
    coordinates: Vec<Vec<LonLat>>,
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).filter(|line| !line.is_empty()).map(|line| line.split(',').collect())
}

fn named(table: &'static str) -> Vec<Named> {
    rows(table).map(|row| Named { code: row[0], name: row[1] }).collect()
}

impl Atlas {
    /// The city and its counties: codes of four and six digits.
    pub(super) fn counties(self) -> Vec<Named> {
        named(self.counties)
    }

    /// Communities by code: twelve digits, the first nine are the township's.
    pub(super) fn communities(self) -> Vec<Named> {
        named(self.communities)
    }

    /// Townships by code: nine digits, the first six are the county's.
    pub(super) fn townships(self) -> Vec<Township> {
        let degrees = |text: &str| text.parse::<f64>().expect("the shipped table holds numbers");
        rows(self.townships)
            .map(|row| {
                let seat = LonLat::new(degrees(row[2]), degrees(row[3])).expect("the shipped table holds positions");
                Township { code: row[0], name: row[1], seat: LatticePoint::nearest(seat) }
            })
            .collect()
    }

    /// All islands, in the order of the file.
    pub(super) fn islands(self) -> Vec<Island> {
        let collection: Collection = serde_json::from_str(self.outlines).expect("the shipped outlines are GeoJSON polygons");
        let counties = self.counties();
        let code_of = |name: &String| counties.iter().find(|county| county.name == name).map(|county| county.code);
        collection
            .features
            .into_iter()
            .map(|feature| {
                let mut outline: Vec<LatticePoint> =
                    feature.geometry.coordinates[0].iter().map(|p| LatticePoint::nearest(*p)).collect();
                outline.pop();
                if crate::geom::area::ring_area2(&outline) < 0 {
                    outline.reverse();
                }
                Island {
                    id: feature.properties.id,
                    counties: feature.properties.counties.iter().filter_map(code_of).collect(),
                    outline,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_tables_hold_the_whole_city() {
        for (atlas, counts) in [(ZHOUSHAN, (5, 36, 428, 118)), (YICHANG, (6, 24, 160, 2)), (PREFECTURE, (14, 80, 1200, 1))] {
            let (townships, communities, islands) = (atlas.townships(), atlas.communities(), atlas.islands());
            assert_eq!((atlas.counties().len(), townships.len(), communities.len(), islands.len()), counts);
            assert!(communities.iter().all(|c| townships.iter().any(|t| c.code.starts_with(t.code))));
            assert!(islands.iter().all(|island| !island.counties.is_empty() && island.outline.len() >= 3));
        }
    }
}
