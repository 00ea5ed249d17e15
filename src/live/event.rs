//! Events as they are sent: `text/event-stream` of the HTML standard, section 9.2.

use super::filter::Filter;
use crate::domain::code::Code;
use crate::domain::id::{Epoch, GridSet, Revision};
use crate::geom::TileId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Most addresses of one event; more are "all".
pub const MOST_ADDRESSES: usize = 2_000;

/// Tiles of one layer that show something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedTiles {
    /// Exactly these.
    Some(BTreeSet<TileId>),
    /// All, or too many to tell.
    All,
}

/// The changed tiles of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// Name of the layer.
    pub layer: &'static str,
    /// Its deepest zoom.
    pub deepest: u8,
    /// Which.
    pub tiles: ChangedTiles,
}

/// What one revision changed on the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision.
    pub revision: Revision,
    /// The boundaries in force with it.
    pub epoch: Epoch,
    /// Grid sets beside the hierarchy's that were published anew, and as which epochs.
    pub sets: Vec<(GridSet, Epoch)>,
    /// For those who see everything. No layer twice.
    pub layers: Vec<LayerChange>,
    /// For those who see a part: what changed on the land of whom.
    pub scoped: Vec<ScopedChange>,
}

/// The changed tiles on one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Codes of the leaf and of all regions above it; empty outside every grid.
    pub path: Arc<[Code]>,
    /// Of facilities: their category.
    pub category: Option<String>,
    /// Which.
    pub tiles: BTreeSet<TileId>,
}

/// The changed tiles of one layer, for those who see a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedChange {
    /// Name of the layer.
    pub layer: &'static str,
    /// Its deepest zoom.
    pub deepest: u8,
    /// Whose; none: all of the layer may show something else to any of them.
    pub traces: Option<Vec<Trace>>,
}

impl Change {
    /// Nothing to tell.
    pub(super) fn is_silent(&self) -> bool {
        self.layers.is_empty() && self.scoped.is_empty() && self.sets.is_empty()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let tiles = |change: &LayerChange| match &change.tiles {
            ChangedTiles::Some(tiles) => tiles.len(),
            ChangedTiles::All => 0,
        };
        // A tile in a tree of tiles, its share of the nodes included, is about 20 bytes.
        let traces = self.scoped.iter().flat_map(|change| change.traces.iter().flatten());
        128 + self.layers.iter().map(|change| 64 + 20 * tiles(change)).sum::<usize>()
            + 64 * self.scoped.len()
            + traces.map(|trace| 128 + 20 * trace.tiles.len()).sum::<usize>()
    }
}

/// Layers that a grid set has.
const SET_LAYERS: [&str; 3] = ["regions", "grids", "labels"];

#[derive(Serialize)]
struct TilesData<'a> {
    layer: &'a str,
    /// Absent: the hierarchy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'a GridSet>,
    revision: u64,
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tiles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
}

/// The events of some revisions together, the last of them `until`: one for each layer that has anything to tell. The id stands
/// on the last one. Nothing when there is nothing to tell.
pub(super) fn tiles<'c>(changes: impl Iterator<Item = &'c Change>, until: Revision, filter: &Filter) -> String {
    let mut layers: BTreeMap<&'static str, (u8, ChangedTiles)> = BTreeMap::new();
    let mut epoch = Epoch(0);
    let mut sets: BTreeMap<&GridSet, Epoch> = BTreeMap::new();
    for change in changes {
        epoch = change.epoch;
        sets.extend(change.sets.iter().map(|(set, epoch)| (set, *epoch)));
        let mut add = |layer: &'static str, deepest: u8, tiles: Option<&BTreeSet<TileId>>| {
            let (known_deepest, known) = layers.entry(layer).or_insert((deepest, ChangedTiles::Some(BTreeSet::new())));
            *known_deepest = deepest;
            match (&mut *known, tiles) {
                (ChangedTiles::Some(known), Some(tiles)) => known.extend(tiles.iter().filter(|tile| filter.holds(**tile))),
                (known, _) => *known = ChangedTiles::All,
            }
        };
        match &filter.part {
            None => change.layers.iter().for_each(|LayerChange { layer, deepest, tiles }| match tiles {
                ChangedTiles::Some(tiles) => add(layer, *deepest, Some(tiles)),
                ChangedTiles::All => add(layer, *deepest, None),
            }),
            Some(part) => change.scoped.iter().for_each(|ScopedChange { layer, deepest, traces }| match traces {
                Some(traces) => {
                    traces.iter().filter(|trace| part.sees(trace)).for_each(|trace| add(layer, *deepest, Some(&trace.tiles)));
                }
                None => add(layer, *deepest, None),
            }),
        }
    }
    let mut data = Vec::new();
    let mut tell = |told: &TilesData<'_>| data.push(serde_json::to_string(told).expect("texts and numbers are JSON"));
    for (layer, (deepest, tiles)) in layers {
        let addresses = match tiles {
            ChangedTiles::Some(tiles) if tiles.is_empty() => continue,
            ChangedTiles::Some(tiles) => Some(addresses(&tiles, deepest)).filter(|list| list.len() <= MOST_ADDRESSES),
            ChangedTiles::All => None,
        };
        let all = addresses.is_none().then_some(true);
        tell(&TilesData { layer, set: None, revision: until.0, epoch: epoch.0, tiles: addresses, all });
    }
    // Which of its tiles differ is not looked for: such a set changes once in years.
    for ((set, epoch), layer) in sets.into_iter().flat_map(|set| SET_LAYERS.map(|layer| (set, layer))) {
        tell(&TilesData { layer, set: Some(set), revision: until.0, epoch: epoch.0, tiles: None, all: Some(true) });
    }
    let mut text = String::new();
    let last = data.len().saturating_sub(1);
    for (at, data) in data.into_iter().enumerate() {
        text.push_str("event: tiles\n");
        if at == last {
            text.push_str(&format!("id: {until}\n"));
        }
        text.push_str(&format!("data: {data}\n\n"));
    }
    text
}

/// Load again, everything, from this revision on.
pub(super) fn resync(revision: Revision) -> String {
    format!("event: resync\nid: {revision}\ndata: {{\"revision\":{revision}}}\n\n")
}

/// Nothing happened: a comment, and how far that is true, for a client that has to come back. An id without data is no event.
pub(super) fn quiet(revision: Revision) -> String {
    format!(":\nid: {revision}\n\n")
}

/// `z/x/y` of each tile; `z/x/y/*` stands for a tile and all below it down to the deepest zoom, when they all are among them.
fn addresses(tiles: &BTreeSet<TileId>, deepest: u8) -> Vec<String> {
    let children = |tile: TileId| {
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(x, y)| TileId::new(tile.z() + 1, 2 * tile.x() + x, 2 * tile.y() + y).ok())
    };
    // From the deepest zoom up: a tile is whole when it and the whole of its children are there.
    let mut whole: HashSet<TileId> = HashSet::new();
    for tile in tiles.iter().rev() {
        let below = || children(*tile).into_iter().all(|child| child.is_some_and(|child| whole.contains(&child)));
        if tile.z() >= deepest || below() {
            whole.insert(*tile);
        }
    }
    let told = tiles.iter().filter(|tile| !tile.parent().is_some_and(|parent| whole.contains(&parent)));
    told.map(|tile| {
        let star = if whole.contains(tile) && tile.z() < deepest { "/*" } else { "" };
        format!("{}/{}/{}{star}", tile.z(), tile.x(), tile.y())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tile(z: u8, x: u32, y: u32) -> TileId {
        TileId::new(z, x, y).expect("in range")
    }

    /// The tiles that addresses stand for.
    fn expanded(addresses: &[String], deepest: u8) -> BTreeSet<TileId> {
        let mut tiles = BTreeSet::new();
        for address in addresses {
            let numbers: Vec<u32> = address.trim_end_matches("/*").split('/').map(|n| n.parse().expect("a number")).collect();
            let (z, x, y) = (numbers[0] as u8, numbers[1], numbers[2]);
            let below = if address.ends_with("/*") { deepest - z } else { 0 };
            for deeper in 0..=below {
                let side = 1 << deeper;
                let all = (0..side).flat_map(|dx| (0..side).map(move |dy| (dx, dy)));
                for (dx, dy) in all {
                    assert!(tiles.insert(tile(z + deeper, x * side + dx, y * side + dy)), "{address} tells a tile twice");
                }
            }
        }
        tiles
    }

    proptest! {
        #[test]
        fn addresses_stand_for_exactly_the_tiles_given(
            roots in proptest::collection::vec((2u8..=5, 0u32..4, 0u32..4, any::<bool>()), 1..12),
            gone in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        ) {
            let deepest = 5;
            let mut tiles = BTreeSet::new();
            for (z, x, y, with_all_below) in roots {
                let star = if with_all_below { "/*" } else { "" };
                tiles.extend(expanded(&[format!("{z}/{x}/{y}{star}")], deepest));
            }
            for index in gone {
                let tile = *index.get(&tiles.iter().copied().collect::<Vec<_>>());
                if tiles.len() > 1 {
                    tiles.remove(&tile);
                }
            }
            let told = addresses(&tiles, deepest);
            prop_assert_eq!(expanded(&told, deepest), tiles);
        }
    }

    #[test]
    fn a_whole_subtree_is_one_address() {
        let tiles = expanded(&["3/1/2/*".to_owned()], 6);
        assert_eq!(tiles.len(), 1 + 4 + 16 + 64);
        assert_eq!(addresses(&tiles, 6), ["3/1/2/*"]);
        let mut holed = tiles.clone();
        holed.remove(&tile(6, 8, 16));
        let told = addresses(&holed, 6);
        assert_eq!(told.len(), 1 + (1 + 3) + (1 + 3) + 3, "{told:?}");
    }

    #[test]
    fn the_id_stands_on_the_last_event_and_too_many_are_all() {
        let some = |tiles: &[TileId]| ChangedTiles::Some(tiles.iter().copied().collect());
        let change = |revision, layers: Vec<(&'static str, ChangedTiles)>| {
            let layers: Vec<LayerChange> =
                layers.into_iter().map(|(layer, tiles)| LayerChange { layer, deepest: 16, tiles }).collect();
            Change { revision: Revision(revision), epoch: Epoch(2), sets: vec![], scoped: vec![], layers }
        };
        let many: Vec<TileId> = (0..2001).map(|x| tile(14, 2 * x, 0)).collect();
        let changes = [
            change(7, vec![("grids", some(&[tile(12, 1, 1)])), ("labels", some(&many))]),
            change(8, vec![("grids", some(&[tile(12, 1, 1), tile(11, 0, 0)])), ("facilities", ChangedTiles::All)]),
        ];
        let text = tiles(changes.iter(), Revision(9), &Filter::default());
        assert_eq!(
            text,
            "event: tiles\ndata: {\"layer\":\"facilities\",\"revision\":9,\"epoch\":2,\"all\":true}\n\n\
             event: tiles\ndata: {\"layer\":\"grids\",\"revision\":9,\"epoch\":2,\"tiles\":[\"11/0/0\",\"12/1/1\"]}\n\n\
             event: tiles\nid: 9\ndata: {\"layer\":\"labels\",\"revision\":9,\"epoch\":2,\"all\":true}\n\n"
        );
        assert_eq!(tiles([].into_iter(), Revision(9), &Filter::default()), "");
    }
}
