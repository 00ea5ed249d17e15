//! Requests at random, about what is inside of a scope as well as outside.

use super::made::{Ground, Made, NOW, PAST, POLICE, Sights};
use crate::crash::Random;
use serde_json::{Value, json};
use wangge::geom::LatticeBox;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What is asked about; of each kind some answers must tell something.
    pub(super) what: &'static str,
    pub(super) uri: String,
    /// With its media type.
    pub(super) body: Option<(&'static str, String)>,
    /// With which city the answer is compared.
    pub(super) ground: Ground,
}

pub(super) struct Requests<'a> {
    random: Random,
    made: &'a Made,
    codes: Vec<String>,
    /// Of these there are answers.
    seen: Vec<String>,
    bbox: LatticeBox,
    words: Vec<String>,
}

/// A word of some, at random.
macro_rules! any {
    ($self:ident, [$($word:expr),* $(,)?]) => {{
        let words = [$($word),*];
        words[$self.below(words.len())]
    }};
}

impl<'a> Requests<'a> {
    pub(super) fn new(made: &'a Made, sights: &Sights, seed: u64) -> Self {
        let territory = &made.territories[NOW];
        let mut words: Vec<String> = made.facilities.iter().step_by(97).filter_map(|record| record.code.clone()).collect();
        for territory in &made.territories {
            words.extend(territory.grids.iter().map(|grid| grid.name.clone()));
        }
        words.extend(territory.regions.iter().map(|region| region.name.clone()));
        words.extend(
            ["1380000", "13800000003", "13900000003", "井盖", "路", "j", "sq", "1", "案", "zz", "J03"].map(str::to_owned),
        );
        words.push("122.45,30.72".to_owned());
        words.retain(|word| !word.is_empty());
        let mut codes = made.codes();
        codes.push("330000000".to_owned());
        let seen = made.seen_codes(sights);
        let bbox = territory.grids.iter().map(|grid| grid.bbox).reduce(LatticeBox::union).unwrap();
        Self { random: Random(seed), made, codes, seen, bbox, words }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.random.share() * n as f64) as usize
    }

    fn code(&mut self) -> String {
        let codes = if self.below(2) == 0 || self.seen.is_empty() { &self.codes } else { &self.seen };
        let at = (self.random.share() * codes.len() as f64) as usize;
        codes[at].clone()
    }

    /// A code of a region or of a grid, and the boundaries in which it is one, or others.
    fn code_in(&mut self, grid: bool) -> (String, &'static str) {
        let made = self.made;
        let known = |code: &str, at: usize| {
            let territory = &made.territories[at];
            if grid { territory.grid_ix(code).is_some() } else { territory.region_ix(code).is_some() }
        };
        let mut code = self.code();
        // Regions are few.
        for _ in 0..4 {
            if [NOW, PAST, POLICE].into_iter().any(|at| known(&code, at)) {
                break;
            }
            code = self.code();
        }
        let own = [NOW, PAST, POLICE].map(|at| known(&code, at));
        let odd = self.below(8) == 0;
        let boundaries = match own {
            _ if odd => any!(
                self,
                ["", "at=2010-01-01", "set=none", "epoch=9", "epoch=3", "set=police&epoch=4", "set=police", "at=2026-07-01"]
            ),
            [_, _, true] => any!(self, ["set=police", "set=police&at=2023-05-05", "set=police&epoch=3"]),
            [true, true, _] => any!(self, ["", "", "", "at=2023-05-05", "epoch=1", "epoch=2"]),
            [_, true, _] => any!(self, ["", "at=2023-05-05", "epoch=1"]),
            _ => "",
        };
        (code, boundaries)
    }

    /// Boundaries of now, mostly.
    fn boundaries(&mut self) -> &'static str {
        any!(self, ["", "", "", "", "at=2023-05-05", "epoch=1", "set=police", "set=police&epoch=3", "at=2026-07-01"])
    }

    fn set(&mut self) -> &'static str {
        any!(self, ["", "", "", "&set=police"])
    }

    fn place(&mut self) -> [f64; 2] {
        let territory = &self.made.territories[NOW];
        let (min, max) = (self.bbox.min.lonlat(), self.bbox.max.lonlat());
        // Grids are small and the sea is wide.
        let (min, max) = match self.below(5) {
            0 => (min, max),
            at => {
                // Every other one is seen, when any is.
                let code = self.code();
                let ix = territory
                    .grid_ix(&code)
                    .filter(|_| at % 2 == 0)
                    .map_or_else(|| self.below(territory.grids.len()), |ix| ix.at());
                let bbox = territory.grids[ix].bbox;
                (bbox.min.lonlat(), bbox.max.lonlat())
            }
        };
        let share = [self.random.share(), self.random.share()];
        let mix = |a: f64, b: f64, share: f64| a + (b - a) * (1.2 * share - 0.1);
        [mix(min.lon(), max.lon(), share[0]), mix(min.lat(), max.lat(), share[1])]
    }

    fn places(&mut self, most: usize) -> Vec<[f64; 2]> {
        (0..1 + self.below(most)).map(|_| self.place()).collect()
    }

    fn bbox(&mut self) -> String {
        let ([a, b], [c, d]) = (self.place(), self.place());
        format!("{:.6},{:.6},{:.6},{:.6}", a.min(c), b.min(d), a.max(c), b.max(d))
    }

    fn page(&mut self) -> String {
        format!("limit={}", any!(self, [1, 7, 100, 1000]))
    }

    fn within(&mut self) -> String {
        match self.below(3) {
            0 => {
                let code = self.code();
                format!("&within={code}")
            }
            _ => String::new(),
        }
    }

    fn id(&mut self) -> usize {
        1 + self.below(self.made.facilities.len())
    }

    /// Zoom, column and row.
    fn tile(&mut self) -> (u32, u32, u32) {
        let [lon, lat] = self.place();
        let zoom = 8 + self.below(9) as u32;
        let n = f64::from(1_u32 << zoom);
        let x = ((lon + 180.0) / 360.0 * n) as u32;
        let lat = lat.to_radians();
        let y = ((1.0 - (lat.tan() + 1.0 / lat.cos()).ln() / std::f64::consts::PI) / 2.0 * n) as u32;
        (zoom, x, y)
    }

    /// An address, some with a number that there may not be, and some cut short.
    fn address(&mut self) -> String {
        let made = self.made;
        let text = made.addresses[self.below(made.addresses.len())].text.as_str();
        let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        match self.below(4) {
            0 => format!("{}{}号", &text[..digits], 1 + self.below(60)),
            1 => text[..digits].to_owned(),
            _ => text.to_owned(),
        }
    }

    fn area(&mut self) -> Value {
        match self.below(3) {
            0 => {
                let radius_m = any!(self, [100, 1000, 30_000]);
                json!({ "circle": { "centre": self.place(), "radius_m": radius_m } })
            }
            1 => json!({ "corridor": { "line": [self.place(), self.place()], "distance_m": 200 } }),
            _ => {
                let ring = [self.place(), self.place(), self.place()];
                json!({ "type": "Polygon", "coordinates": [[ring[0], ring[1], ring[2], ring[0]]] })
            }
        }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Wanted {
        let gone = |what: &'static str, uri: String| Wanted { what, uri, body: None, ground: Ground::Gone };
        let blank = |what: &'static str, uri: String| Wanted { what, uri, body: None, ground: Ground::Blank };
        match self.below(36) {
            0 | 1 => {
                let [lon, lat] = self.place();
                let also = any!(self, ["", "&include=team,beidou,h3,distance,neighbour", "&accuracy_m=30", "&accuracy_m=300"]);
                gone("locate", format!("/api/v1/locate?lon={lon}&lat={lat}&crs=wgs84{also}&{}", self.boundaries()))
            }
            2 => self.batch(),
            3 => {
                let (address, within) = (encoded(&self.address()), self.within());
                let also = any!(self, ["", "&include=team,distance,neighbour", "&limit=3", "&limit=100"]);
                let uri = format!("/api/v1/locate?address={address}{within}{also}");
                Wanted { ground: Ground::Named, ..gone("address", uri) }
            }
            4 | 5 => {
                let [lon, lat] = self.place();
                let radius = any!(self, [50, 300, 2000, 20_000]);
                let kinds = any!(self, ["", "&kinds=facilities,cases,organizations,buildings", "&category=01050", "&state=any"]);
                gone("nearby", format!("/api/v1/nearby?lon={lon}&lat={lat}&crs=wgs84&radius_m={radius}{kinds}&{}", self.page()))
            }
            6 | 7 => {
                let kinds = ["facilities", "cases", "organizations", "buildings"];
                let body = json!({ "area": self.area(), "kinds": kinds, "limit": any!(self, [1, 5, 50]) });
                Wanted { body: Some(("application/json", body.to_string())), ..gone("select", "/api/v1/select".to_owned()) }
            }
            8 | 9 => {
                let at = self.below(self.words.len());
                let word = encoded(&self.words[at].clone());
                let (within, set) = (self.within(), self.set());
                gone("search", format!("/api/v1/search?q={word}{within}{set}&limit={}", 1 + self.below(30)))
            }
            10 => match self.below(4) {
                0 => gone("categories", "/api/v1/categories?limit=20".to_owned()),
                1 => gone("layers", "/api/v1/layers".to_owned()),
                2 => gone("collections", "/ogc/collections".to_owned()),
                _ => gone("meta", "/api/v1/meta".to_owned()),
            },
            11 => {
                let level = any!(self, ["city", "county", "township", "community", "grid"]);
                let also = any!(self, ["", "", "&epoch=1", "&set=police", "&set=police&epoch=3"]);
                gone("codes", format!("/api/v1/regions/codes?level={level}{also}"))
            }
            12 => {
                let (code, boundaries) = self.code_in(false);
                gone("region", format!("/api/v1/regions/{code}?{boundaries}"))
            }
            13 => {
                let (code, boundaries) = self.code_in(false);
                gone("children", format!("/api/v1/regions/{code}/children?{}&{boundaries}", self.page()))
            }
            14 => {
                let (code, boundaries) = self.code_in(false);
                match self.below(3) {
                    0 => gone("outlines", format!("/api/v1/regions/{code}/outlines?{boundaries}")),
                    1 => gone("outlines", format!("/api/v1/regions/{code}/outlines?level=grid&{boundaries}")),
                    _ => gone("outline", format!("/api/v1/regions/{code}/outline?{boundaries}")),
                }
            }
            15 | 16 => {
                let (code, boundaries) = self.code_in(true);
                gone("card", format!("/api/v1/grids/{code}?{boundaries}"))
            }
            17 | 18 => {
                let (code, boundaries) = self.code_in(true);
                match self.below(6) {
                    0 => gone("outline", format!("/api/v1/grids/{code}/outline?{boundaries}")),
                    1 => gone("team", format!("/api/v1/grids/{code}/team?{boundaries}")),
                    2 => gone("neighbours", format!("/api/v1/grids/{code}/neighbours?{}&{boundaries}", self.page())),
                    3 => gone(
                        "history",
                        format!("/api/v1/grids/{code}/history?{}", if boundaries == "set=police" { boundaries } else { "" }),
                    ),
                    4 => gone("grid's facilities", format!("/api/v1/grids/{code}/facilities?{}&{boundaries}", self.page())),
                    _ => gone("grid's cases", format!("/api/v1/grids/{code}/cases?{}&{boundaries}", self.page())),
                }
            }
            19 => self.links(),
            20 | 21 => {
                let category = any!(self, ["", "&category=01050", "&category=01", "&state=damaged"]);
                let place = if self.below(2) == 0 { String::new() } else { format!("&bbox={}", self.bbox()) };
                let (page, within, set) = (self.page(), self.within(), self.set());
                gone("facilities", format!("/api/v1/facilities?{page}{within}{set}{category}{place}"))
            }
            22 | 23 => match self.below(4) {
                0 => {
                    gone("organization", format!("/api/v1/organizations/{}?{}", 1 + self.below(40), &self.set().replace('&', "")))
                }
                1 => gone("building", format!("/api/v1/buildings/{}?{}", 1 + self.below(400), &self.set().replace('&', ""))),
                _ => gone("facility", format!("/api/v1/facilities/{}", self.id())),
            },
            24 => {
                let things = any!(self, ["organizations", "buildings"]);
                let place = if self.below(2) == 0 { String::new() } else { format!("&bbox={}", self.bbox()) };
                gone(things, format!("/api/v1/{things}?{}{}{}{place}", self.page(), self.within(), self.set()))
            }
            25 => {
                let also = any!(self, ["", "&overdue=true", "&category=01", "&state=dispatched"]);
                gone("cases", format!("/api/v1/cases?{}{}{}{also}", self.page(), self.within(), self.set()))
            }
            26 | 27 => self.ogc(),
            28 => {
                let layers = any!(self, ["regions,grids", "facilities", "grids,facilities,cases"]);
                blank("tilejson", format!("/tiles/{layers}"))
            }
            29..=31 => {
                let layers = any!(self, ["facilities", "cases", "organizations", "buildings", "facilities,cases"]);
                let ((z, x, y), fields) = (self.tile(), any!(self, ["", "?fields=code,name,id", "?fields=count"]));
                match self.below(4) {
                    0 => gone("OGC tile", format!("/ogc/collections/{layers}/tiles/WebMercatorQuad/{z}/{y}/{x}")),
                    _ => gone("tile", format!("/tiles/{layers}/{z}/{x}/{y}{fields}")),
                }
            }
            _ => {
                let layers = any!(self, ["regions", "grids", "labels", "regions,grids,labels", "grids,facilities"]);
                let (z, x, y) = self.tile();
                match self.below(6) {
                    0 => blank("OGC tile of areas", format!("/ogc/collections/{layers}/tiles/WebMercatorQuad/{z}/{y}/{x}")),
                    1 => blank("OGC tile of all", format!("/ogc/tiles/WebMercatorQuad/{z}/{y}/{x}")),
                    _ => {
                        let boundaries = if layers.contains("facilities") { "" } else { self.boundaries() };
                        let fields = any!(self, ["", "fields=code,name,id&", "fields=count&"]);
                        blank("tile of areas", format!("/tiles/{layers}/{z}/{x}/{y}?{fields}{boundaries}"))
                    }
                }
            }
        }
    }

    /// Many points at once.
    fn batch(&mut self) -> Wanted {
        let (points, boundaries) = (self.places(40), self.boundaries());
        let wanted = |what: &'static str, crs: &str, media: &'static str, text: String| {
            let uri = format!("/api/v1/locate?{crs}{boundaries}");
            Wanted { what, uri, body: Some((media, text)), ground: Ground::Gone }
        };
        match self.below(4) {
            0 => {
                let lines = points.iter().enumerate().map(|(id, point)| format!("{}\n", json!({ "id": id, "position": point })));
                wanted("lines", "crs=wgs84&", "application/x-ndjson", lines.collect())
            }
            1 => {
                let lines = points.iter().map(|[lon, lat]| format!("{lon},{lat}\n"));
                wanted("table", "crs=wgs84&", "text/csv", format!("lon,lat\n{}", lines.collect::<String>()))
            }
            2 => {
                let lines: String = (0..points.len()).map(|_| format!("{}\n", self.address())).collect();
                Wanted { ground: Ground::Named, ..wanted("table of addresses", "", "text/csv", format!("address\n{lines}")) }
            }
            _ => wanted("batch", "", "application/json", json!({ "crs": "wgs84", "points": points }).to_string()),
        }
    }

    /// Between the hierarchy and the police grids.
    fn links(&mut self) -> Wanted {
        let gone = |what: &'static str, uri: String| Wanted { what, uri, body: None, ground: Ground::Gone };
        let at = any!(self, ["", "", "&at=2023-05-05"]);
        match self.below(3) {
            0 => {
                let (code, _) = self.code_in(true);
                let sets = if code.starts_with('J') { "set=police&to=governance" } else { "to=police" };
                gone("grid's links", format!("/api/v1/grids/{code}/links?{sets}{at}&{}", self.page()))
            }
            1 => gone(
                "links",
                format!("/api/v1/links?to=police{at}&{}{}", self.page(), any!(self, ["", "&split=true", "&split=false"])),
            ),
            _ => {
                let also = any!(self, ["", "&least=2&most=3", "&least=1", "&split=true"]);
                gone("links of police", format!("/api/v1/links?set=police&to=governance{at}&{}{also}", self.page()))
            }
        }
    }

    fn ogc(&mut self) -> Wanted {
        let wanted = |what: &'static str, uri: String, ground: Ground| Wanted { what, uri, body: None, ground };
        let collection = any!(self, ["regions", "grids", "facilities", "cases", "buildings", "organizations"]);
        let areas = ["regions", "grids"].contains(&collection);
        match self.below(9) {
            0 => wanted("collection", format!("/ogc/collections/{collection}"), Ground::Gone),
            1 => {
                let uri = format!("/ogc/collections/{collection}/items?bbox={}&limit=20", self.bbox());
                wanted("features in a box", uri, Ground::Gone)
            }
            2 | 3 => {
                let id = [self.code(), self.id().to_string()];
                let id = &id[usize::from(!areas)];
                wanted("feature", format!("/ogc/collections/{collection}/items/{id}"), Ground::Gone)
            }
            4 if areas => {
                let uri =
                    format!("/ogc/collections/{collection}/items?datetime=2023-05-05T00:00:00Z&limit={}", 1 + self.below(50));
                wanted("features of the past", uri, Ground::Gone)
            }
            5 => {
                let ground = if areas { Ground::Blank } else { Ground::Gone };
                let set = any!(self, ["", "/WebMercatorQuad"]);
                wanted("tile sets", format!("/ogc/collections/{collection}/tiles{set}"), ground)
            }
            6 => wanted("tile sets of all", any!(self, ["/ogc/tiles", "/ogc/tiles/WebMercatorQuad"]).to_owned(), Ground::Blank),
            _ => {
                let uri = format!("/ogc/collections/{collection}/items?limit={}{}", 1 + self.below(50), self.within());
                wanted("features", uri, Ground::Gone)
            }
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
