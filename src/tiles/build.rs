//! One tile from the city: select by box, cut the zoom's borders, close rings, encode. Deterministic: the same city makes the
//! same bytes, so the hash of the bytes is the tile's tag on every server.

use super::encode::{Frame, LayerWriter};
use super::footprints::{Footprints, Shown};
use super::layer::{Field, Fields, Layer, Layers};
use crate::city::clusters::POINT_ZOOM;
use crate::city::{City, Facility, Sight};
use crate::domain::category::CodeProfile;
use crate::domain::id::{GridIx, RegionIx, TileTag};
use crate::domain::scope::{Hidden, Scope};
use crate::geom::clip::{DirectedLine, Edge, Rings, Tracer, Window};
use crate::geom::mercator::{EXTENT, MercatorPoint, Pixel, TilePlaces, tile_bounds};
use crate::geom::{LatticePoint, TileId};
use crate::territory::Territory;
use crate::territory::drawn::{DrawnZoom, Feature, MOST_STEPS, Piece};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TileRequest {
    /// Which tile.
    pub tile: TileId,
    /// Which layers.
    pub layers: Layers,
    /// Which attributes.
    pub fields: Fields,
    /// What the caller may see.
    pub scope: Scope,
    /// And which facilities not.
    pub hidden: Hidden,
}

/// Most bytes of a tile before compression. What is over loses names, then points come as clusters, then borders lose detail;
/// never a region.
pub const MOST_BYTES: usize = 500_000;

/// What a tile leaves out to become smaller; each also what those before it leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Savings {
    None,
    /// Names of facilities, organizations, buildings and of the lowest level shown; with them its labels where the same tile has the area.
    Names,
    Points,
    /// Borders as of so many zooms farther out.
    Detail(u8),
    /// Names of all levels.
    AllNames,
}

impl Savings {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Names,
        Self::Points,
        Self::Detail(1),
        Self::Detail(2),
        Self::Detail(3),
        Self::Detail(MOST_STEPS),
        Self::AllNames,
    ];

    /// Whether a layer must be made anew when this is saved too. Names only need not be written.
    fn changes(self, layer: Layer) -> bool {
        match self {
            Self::None => false,
            Self::Names => layer == Layer::Labels,
            Self::Points => matches!(layer, Layer::Facilities | Layer::Buildings),
            Self::Detail(_) => layer.is_boundaries(),
            Self::AllNames => matches!(layer, Layer::Regions | Layer::Labels),
        }
    }
}

/// The tag of a tile with these bytes.
pub fn tag(bytes: &[u8]) -> TileTag {
    TileTag(xxh3_64(bytes))
}

/// The uncompressed bytes of a tile; none when there is nothing in it. With the first savings with which it is small enough, or all.
pub fn build(city: &City, request: &TileRequest) -> Vec<u8> {
    build_within(city, request, MOST_BYTES)
}

fn build_within(city: &City, request: &TileRequest, most_bytes: usize) -> Vec<u8> {
    /// A layer as far as it was needed to tell that the tile is too large, kept while nothing is saved that it would feel.
    struct Written<'a> {
        layer: Layer,
        writer: Option<LayerWriter<'a>>,
        bytes: Option<Vec<u8>>,
    }
    let sight = Sight::of(&city.territory, &city.about.profile, &request.scope, &request.hidden);
    let mut layers: Vec<Written<'_>> = request.layers.iter().map(|layer| Written { layer, writer: None, bytes: None }).collect();
    let last = Savings::AllNames;
    for savings in Savings::ALL {
        let build = Build { city, request, sight: &sight, savings };
        for written in &mut layers {
            if savings.changes(written.layer) {
                (written.writer, written.bytes) = (None, None);
            }
            if savings == Savings::Names {
                written.bytes = None;
            }
        }
        let mut size = 0;
        for Written { layer, writer, bytes } in &mut layers {
            let writer = || writer.get_or_insert_with(|| build.layer(*layer)).bytes(savings == Savings::None);
            size += bytes.get_or_insert_with(writer).len();
            if size > most_bytes && savings != last {
                break;
            }
        }
        if size <= most_bytes {
            break;
        }
    }
    layers.into_iter().filter_map(|written| written.bytes).collect::<Vec<_>>().concat()
}

/// Whether a layer of a tile is the same in two cities for callers who see everything, whatever fields and other layers they ask
/// for.
pub(super) fn alike(old: &City, new: &City, tile: TileId, layer: Layer) -> bool {
    let same = |savings: Savings| {
        let request =
            TileRequest { tile, layers: layer.into(), fields: Fields::ALL, scope: Scope::All, hidden: Hidden::default() };
        built(old, &request, &Sight::ALL, savings) == built(new, &request, &Sight::ALL, savings)
    };
    if !same(Savings::None) {
        return false;
    }
    // Points that do not move on the map may move the middle of a cluster; borders that are the same may not be with less detail.
    let coarser = |steps: &u8| old.territory.is_drawn_with_less_detail(tile.z(), *steps);
    let shown_when_too_large: Vec<Savings> = match layer {
        Layer::Cases | Layer::Organizations => vec![],
        Layer::Facilities if tile.z() < POINT_ZOOM => vec![],
        Layer::Facilities | Layer::Buildings => vec![Savings::Points],
        Layer::Regions | Layer::Grids | Layer::Labels => (1..=MOST_STEPS).filter(coarser).map(Savings::Detail).collect(),
    };
    let all = Layer::ALL.into_iter().map(Layers::from).reduce(Layers::and).expect("there are layers");
    let whole = TileRequest { tile, layers: all, fields: Fields::ALL, scope: Scope::All, hidden: Hidden::default() };
    let too_large = |city: &City| built(city, &whole, &Sight::ALL, Savings::None).len() > MOST_BYTES;
    shown_when_too_large.into_iter().all(same) || !(too_large(old) || too_large(new))
}

/// A tile with these savings, however large.
fn built(city: &City, request: &TileRequest, sight: &Sight, savings: Savings) -> Vec<u8> {
    let build = Build { city, request, sight, savings };
    request.layers.iter().flat_map(|layer| build.layer(layer).bytes(savings == Savings::None)).collect()
}

struct Build<'a> {
    city: &'a City,
    request: &'a TileRequest,
    sight: &'a Sight,
    savings: Savings,
}

impl<'a> Build<'a> {
    fn layer(&self, layer: Layer) -> LayerWriter<'a> {
        let mut writer = LayerWriter::new(layer.as_str());
        if layer.zooms(self.city).is_some_and(|(first, last)| (first..=last).contains(&self.tile().z())) {
            match layer {
                Layer::Regions => self.areas(&mut writer, false),
                Layer::Grids => self.areas(&mut writer, true),
                Layer::Labels => self.labels(&mut writer),
                Layer::Facilities => self.facilities(&mut writer),
                Layer::Cases => self.cases(&mut writer),
                Layer::Organizations => self.organizations(&mut writer),
                Layer::Buildings => self.buildings(&mut writer),
            }
        }
        writer
    }

    fn tile(&self) -> TileId {
        self.request.tile
    }

    fn wants<T>(&self, field: Field, value: T) -> Option<T> {
        self.request.fields.holds(field).then_some(value)
    }

    /// A name, unless it is empty or unwanted.
    fn name<'t>(&self, name: &'t str) -> Option<&'t str> {
        self.wants(Field::Name, name).filter(|name| !name.is_empty())
    }

    /// A name that stays when those of the lowest level go.
    fn name_above<'t>(&self, name: &'t str) -> Option<&'t str> {
        self.name(name).filter(|_| self.savings < Savings::AllNames)
    }

    fn drawn(&self) -> &'a DrawnZoom {
        let territory = &self.city.territory;
        match self.savings {
            Savings::None | Savings::Names | Savings::Points => territory.drawn(self.tile().z()),
            Savings::Detail(less) => territory.drawn_with_less_detail(self.tile().z(), less),
            Savings::AllNames => territory.drawn_with_less_detail(self.tile().z(), MOST_STEPS),
        }
    }

    /// The lowest level that the tile shows.
    fn lowest(&self) -> Option<usize> {
        self.city.territory.levels_at(self.tile().z()).last()
    }

    /// Areas of grids, or of all other levels the zoom shows.
    fn areas(&self, writer: &mut LayerWriter<'a>, grids: bool) {
        let territory = &*self.city.territory;
        let (drawn, lowest) = (self.drawn(), self.lowest());
        let grid = drawn.grid();
        let window = drawn.window(self.tile());
        let frame = Frame { origin: grid.origin(self.tile()), scale: grid.units_per_pixel() };
        let mut cut = Cut::new(drawn, window);
        let mut rings = Rings::default();
        for level in territory.levels_at(self.tile().z()).filter(|level| (*level == territory.scheme.grid_level()) == grids) {
            cut.level(territory, level);
            for at in 0..cut.faces.len() {
                let feature = cut.faces[at].feature;
                if !self.sight.unit(feature.into()) {
                    continue;
                }
                cut.rings(at, &mut rings);
                if rings.is_empty() {
                    continue;
                }
                match feature {
                    Feature::Region(ix) => {
                        let region = territory.region(ix);
                        let (above, name) = match lowest == Some(level) {
                            true => (None, self.name(&region.name)),
                            false => (self.name_above(&region.name), None),
                        };
                        writer
                            .feature(region.code.feature_id())
                            .polygon(&rings, frame)
                            .tag_some("code", self.wants(Field::Code, region.code.as_str()))
                            .tag_some("level", self.wants(Field::Level, territory.scheme.levels()[level].name.as_str()))
                            .tag_some("name", above)
                            .name("name", name)
                            .tag_some("parent", self.parent(territory, region.parent));
                    }
                    Feature::Grid(ix) => {
                        let grid = territory.grid(ix);
                        writer
                            .feature(grid.code.feature_id())
                            .polygon(&rings, frame)
                            .tag_once("code", self.wants(Field::Code, grid.code.as_str()))
                            .name("name", self.name(&grid.name))
                            .tag_some("kind", self.wants(Field::Kind, grid.kind.as_str()))
                            .tag_some("parent", self.parent(territory, grid.parent));
                    }
                }
            }
        }
    }

    fn parent<'t>(&self, territory: &'t Territory, parent: Option<RegionIx>) -> Option<&'t str> {
        parent.and_then(|ix| self.wants(Field::Parent, territory.region(ix).code.as_str()))
    }

    fn labels(&self, writer: &mut LayerWriter<'a>) {
        let territory = &*self.city.territory;
        let (drawn, lowest) = (self.drawn(), self.lowest());
        for level in territory.levels_at(self.tile().z()) {
            let areas = if level == territory.scheme.grid_level() { Layer::Grids } else { Layer::Regions };
            // A label without a name says nothing that the area does not say, where there is one.
            let nameless = self.savings >= Savings::AllNames || self.savings >= Savings::Names && lowest == Some(level);
            let only_collapsed = nameless && self.request.layers.holds(areas);
            for label in territory.labels_in(level, self.tile()).iter().filter(|label| self.sight.unit(label.feature.into())) {
                let collapsed = drawn.is_collapsed(label.feature);
                if only_collapsed && !collapsed {
                    continue;
                }
                let (code, name) = match label.feature {
                    Feature::Region(ix) => (&territory.region(ix).code, &territory.region(ix).name),
                    Feature::Grid(ix) => (&territory.grid(ix).code, &territory.grid(ix).name),
                };
                let [x, y] = place_in_tile(label.at, self.tile());
                writer
                    .feature(code.feature_id())
                    .point(x, y)
                    .tag_once("code", self.wants(Field::Code, code.as_str()))
                    .tag_some("level", self.wants(Field::Level, territory.scheme.levels()[level].name.as_str()))
                    .tag_some("name", self.name(name).filter(|_| !nameless))
                    .tag_some("collapsed", self.wants(Field::Collapsed, true).filter(|_| collapsed));
            }
        }
    }

    fn facilities(&self, writer: &mut LayerWriter<'a>) {
        let facilities = &self.city.facilities;
        let clustered = self.tile().z() < POINT_ZOOM;
        match (clustered, self.sight.is_all()) {
            (true, true) => {
                for cell in facilities.clusters().in_tile(self.tile()) {
                    self.cluster(writer, cell.centre(), cell.count(), cell.by_major());
                }
            }
            (false, _) if self.savings < Savings::Points => {
                let profile = &self.city.about.profile;
                self.facilities_here().for_each(|(at, facility)| self.facility(writer, profile, at, facility));
            }
            // Cells counted here: of what a caller sees, or of more points than a tile holds.
            _ => {
                let mut cells: BTreeMap<(i32, i32), Sums> = BTreeMap::new();
                for ([x, y], facility) in self.facilities_here() {
                    let cell = cells.entry((y * CELLS / EXTENT, x * CELLS / EXTENT)).or_default();
                    cell.0 += i64::from(facility.at.x);
                    cell.1 += i64::from(facility.at.y);
                    *cell.2.entry(facilities.major(facility.category)).or_default() += 1;
                }
                for (sum_x, sum_y, by_major) in cells.into_values() {
                    let by_major: Vec<(u8, u32)> = by_major.into_iter().collect();
                    let count: u32 = by_major.iter().map(|(_, count)| count).sum();
                    let mean = |sum: i64| sum.div_euclid(i64::from(count)) as i32;
                    self.cluster(writer, LatticePoint::new(mean(sum_x), mean(sum_y)), count, &by_major);
                }
            }
        }
    }

    /// Visible facilities in the visible extent, with their place in it.
    fn facilities_here(&self) -> impl Iterator<Item = ([i32; 2], &'a Facility)> + use<'a> {
        let Self { city, sight, .. } = *self;
        let places = TilePlaces::new(self.tile());
        let rows = places.into_iter().flat_map(|places| city.facilities.in_box(places.bounds()).map(move |row| (places, row)));
        rows.filter(|(_, row)| sight.facility(row, row.leaf)).map(|(places, row)| (places.place(row.at), row))
    }

    fn facility(&self, writer: &mut LayerWriter<'a>, profile: &'a CodeProfile, [x, y]: [i32; 2], facility: &'a Facility) {
        let category = profile.categories.get(usize::from(facility.category)).map(|category| category.code.as_str());
        writer
            .feature(u64::try_from(facility.id.0).ok())
            .point(x, y)
            .tag_once("id", self.wants(Field::Id, facility.id.0))
            .tag_some("category", category.and_then(|code| self.wants(Field::Category, code)))
            .tag_some("state", self.wants(Field::State, facility.state.as_str()))
            .name("name", self.name(&facility.name));
    }

    fn cluster(&self, writer: &mut LayerWriter<'a>, centre: LatticePoint, count: u32, by_major: &[(u8, u32)]) {
        let [x, y] = place_in_tile(MercatorPoint::of(centre), self.tile());
        let mut feature = writer.feature(None).point(x, y);
        if self.request.fields.holds(Field::Count) {
            feature = feature.tag("count", count);
            for (major, count) in by_major {
                feature = feature.tag(&MAJORS[usize::from(*major)], *count);
            }
        }
    }

    fn cases(&self, writer: &mut LayerWriter<'a>) {
        let Some(places) = TilePlaces::new(self.tile()) else { return };
        for case in self.city.cases.in_box(places.bounds()).filter(|case| self.sight.at(case.leaf)) {
            let record = &case.record;
            let Some(at) = record.at else { continue };
            let [x, y] = places.place(at);
            writer
                .feature(u64::try_from(record.id.0).ok())
                .point(x, y)
                .tag_once("id", self.wants(Field::Id, record.id.0))
                .tag_some("category", self.wants(Field::Category, record.category.as_str()))
                .tag_some("state", self.wants(Field::State, record.state.as_str()))
                .tag_some("overdue", self.wants(Field::Overdue, record.overdue))
                .tag_some("due_at", record.due_at.and_then(|due| self.wants(Field::DueAt, due.as_second())));
        }
    }
}

impl<'a> Build<'a> {
    fn organizations(&self, writer: &mut LayerWriter<'a>) {
        let Some(places) = TilePlaces::new(self.tile()) else { return };
        let shown = self.city.organizations.in_box(places.bounds()).filter(|one| self.sight.at(one.unit));
        for record in shown.map(|one| &*one.record) {
            let Some(at) = record.at else { continue };
            let [x, y] = places.place(at);
            writer
                .feature(u64::try_from(record.id.0).ok())
                .point(x, y)
                .tag_once("id", self.wants(Field::Id, record.id.0))
                .tag_some("category", self.wants(Field::Category, record.category.as_str()))
                .name("name", self.name(&record.name));
        }
    }
}

impl<'a> Build<'a> {
    /// Footprints; a point of what has none, or is smaller than a pixel, or when the tile would be too large.
    fn buildings(&self, writer: &mut LayerWriter<'a>) {
        let (footprints, places) = (Footprints::of(self.tile()), TilePlaces::new(self.tile()));
        let mut rings = Rings::default();
        for one in self.city.buildings.meeting(footprints.bounds()).filter(|one| self.sight.at(one.unit)) {
            let record = &*one.record;
            let Some(site) = &record.site else { continue };
            rings.clear();
            let land = site.footprint().filter(|_| self.savings < Savings::Points);
            let shown = land.map_or(Shown::Speck, |area| footprints.rings(area, &mut rings));
            let feature = match (shown, places.filter(|places| places.bounds().holds(site.at()))) {
                (Shown::Land, _) => writer.feature(u64::try_from(record.id.0).ok()).polygon(&rings, footprints.frame),
                (Shown::Speck, Some(places)) => {
                    let [x, y] = places.place(site.at());
                    writer.feature(u64::try_from(record.id.0).ok()).point(x, y)
                }
                (Shown::Speck, None) | (Shown::Nothing, _) => continue,
            };
            feature
                .tag_once("id", self.wants(Field::Id, record.id.0))
                .tag_some("households", record.households.and_then(|count| self.wants(Field::Households, count)))
                .tag_some("storeys", record.storeys.and_then(|count| self.wants(Field::Storeys, u32::from(count))))
                .name("name", self.name(&record.name));
        }
    }
}

/// Keys of the counts by major category, which is a number of two digits.
static MAJORS: LazyLock<Vec<String>> = LazyLock::new(|| (0..=u8::MAX).map(|major| format!("count_{major:02}")).collect());

/// Cluster cells across a tile.
const CELLS: i32 = 16;

/// A point in units of a tile that holds it: 0 … 4095. (The middle of a cluster is kept inside, whatever rounding did to it.)
fn place_in_tile(p: MercatorPoint, tile: TileId) -> [i32; 2] {
    let (first, _) = tile_bounds(tile);
    let unit = |at: i32, first: i32| {
        let units = (i64::from(at) - i64::from(first)) << 12 >> (32 - u32::from(tile.z()));
        units.clamp(0, i64::from(EXTENT) - 1) as i32
    };
    [unit(p.x, first.x), unit(p.y, first.y)]
}

/// The borders inside a window, and the faces of one level that they make.
struct Cut<'a> {
    drawn: &'a DrawnZoom,
    window: Window,
    pieces: Vec<Piece<'a>>,
    /// Of the level: each face that lies beside a piece, the position of the piece, and whether the face is on its left.
    beside: Vec<(Feature, u32, bool)>,
    faces: Vec<Face>,
    tracer: Tracer,
    edges: Vec<Edge>,
}

/// What a feature covers of a window.
struct Face {
    feature: Feature,
    /// In `Cut::beside`.
    pieces: Range<usize>,
    /// Edges along the window's border.
    border: Vec<[Pixel; 2]>,
}

impl<'a> Cut<'a> {
    fn new(drawn: &'a DrawnZoom, window: Window) -> Self {
        let pieces = drawn.pieces_in(&window);
        Self { drawn, window, pieces, beside: vec![], faces: vec![], tracer: Tracer::default(), edges: vec![] }
    }

    /// Finds the faces of a level.
    fn level(&mut self, territory: &Territory, level: usize) {
        self.beside.clear();
        for (at, piece) in self.pieces.iter().enumerate() {
            let [left, right] = piece.sides.map(|side| side.and_then(|feature| territory.at_level(feature, level)));
            if left != right {
                self.beside.extend(left.map(|feature| (feature, at as u32, true)));
                self.beside.extend(right.map(|feature| (feature, at as u32, false)));
            }
        }
        // Features of one level are all of one kind, so their numbers order them; one number is quicker to compare than three parts.
        self.beside.sort_unstable_by_key(|(feature, at, left)| {
            let (Feature::Region(RegionIx(ix)) | Feature::Grid(GridIx(ix))) = *feature;
            u64::from(ix) << 32 | u64::from(*at) << 1 | u64::from(*left)
        });
        self.faces.clear();
        let (mut told, mut start) = (false, 0);
        for beside in self.beside.chunk_by(|one, other| one.0 == other.0) {
            let lines = beside.iter().map(|(_, piece, forward)| (&self.pieces[*piece as usize], *forward));
            let border = if lines.clone().all(|(piece, _)| piece.simple) {
                let ends = |(piece, forward): (&Piece<'a>, bool)| {
                    let line = DirectedLine { points: piece.points, forward };
                    (line.first(), line.last())
                };
                self.window.close(lines.map(ends))
            } else {
                self.window.close(lines.flat_map(|(piece, forward)| DirectedLine { points: piece.points, forward }.edges()))
            };
            told |= border.is_some();
            let border = border.unwrap_or_default().into_iter().map(|(from, to)| [from, to]).collect();
            self.faces.push(Face { feature: beside[0].0, pieces: start..start + beside.len(), border });
            start += beside.len();
        }
        if !told
            && let Some(around) = self.drawn.feature_inside(&self.window).and_then(|around| territory.at_level(around, level))
        {
            // The whole border lies in one face. It may have edges already: those of its holes.
            let border = self.window.all_around().map(|(from, to)| [from, to]).to_vec();
            match self.faces.binary_search_by_key(&around, |face| face.feature) {
                Ok(at) => self.faces[at].border = border,
                Err(at) => self.faces.insert(at, Face { feature: around, pieces: 0..0, border }),
            }
        }
    }

    fn rings(&mut self, face: usize, rings: &mut Rings) {
        rings.clear();
        let Face { pieces, border, .. } = &self.faces[face];
        let beside = &self.beside[pieces.clone()];
        let all_simple = beside.iter().all(|(_, piece, _)| self.pieces[*piece as usize].simple);
        let lines = beside
            .iter()
            .map(|(_, piece, forward)| DirectedLine { points: self.pieces[*piece as usize].points, forward: *forward });
        let border = border.iter().map(|edge| DirectedLine { points: edge, forward: true });
        let lines: Vec<DirectedLine<'_>> = lines.chain(border).collect();
        if all_simple && self.tracer.chain(&lines, rings) {
            return;
        }
        self.edges.clear();
        self.edges.extend(lines.iter().flat_map(|line| line.edges()));
        self.tracer.trace(&mut self.edges, rings);
    }
}

/// Sum of x, sum of y, count by major category of the facilities in a cell.
type Sums = (i64, i64, BTreeMap<u8, u32>);

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
