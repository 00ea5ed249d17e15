//! Which grids of one set lie in which of another: by share of land, from boundaries alone.

use super::imports::{ImportError, set_at};
use super::view::View;
use super::{App, AppError};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, GridIx, GridSet};
use crate::geom::LonLat;
use crate::store::Store;
use crate::territory::Territory;
use crate::territory::overlap::{Link, Linked, Overlap};
use jiff::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A grid whose main link has less of its land is split between grids of the other set.
pub const SPLIT_BELOW: f64 = 0.95;

/// Two sets laid over each other.
#[derive(Debug)]
pub struct Links {
    /// The one that is read.
    pub from: Arc<Territory>,
    /// The one it is linked to.
    pub to: Arc<Territory>,
    overlap: Overlap,
}

impl Links {
    /// Lays them over each other.
    pub fn of(from: Arc<Territory>, to: Arc<Territory>) -> Result<Self, Fault> {
        let overlap = Overlap::of(&from, &to).map_err(|error| Fault {
            place: Some(error.place.lonlat()),
            ..Fault::new(FaultKind::Corrupt, format!("laying {} over {}: {error}", to.set, from.set))
        })?;
        Ok(Self { from, to, overlap })
    }

    /// The links of a grid of `from`.
    pub fn linked(&self, ix: GridIx) -> &Linked {
        &self.overlap.from[ix.at()]
    }

    /// The links of a grid of `from` as if `to` were only the grids that are seen.
    pub fn seen(&self, ix: GridIx, to: &View) -> Cow<'_, Linked> {
        self.linked(ix).among(|other| to.sees_grid(other))
    }

    /// How many grids of `to` have their main link to this one of `from`, as if there were only those that are seen.
    pub fn main_of(&self, ix: GridIx, from: &View, to: &View) -> u32 {
        let others = self.linked(ix).links.iter().map(|link| link.other).filter(|other| to.sees_grid(*other));
        let main = |other: GridIx| self.overlap.to[other.at()].links.iter().find(|link| from.sees_grid(link.other));
        others.filter(|other| main(*other).is_some_and(|main| main.other == ix)).count() as u32
    }

    /// The share of the other grid's land that is common.
    pub fn share_of_other(&self, link: &Link) -> f64 {
        self.overlap.to[link.other.at()].share(link.area_m2)
    }

    /// What a person has to look at.
    pub fn report(&self, split_below: f64, range: Option<&RangeInclusive<u32>>) -> LinkReport {
        let grids = || (0..self.from.grids.len()).map(|at| GridIx(at as u32));
        let is_split = |ix: &GridIx| !self.linked(*ix).links.is_empty() && self.linked(*ix).main_share() < split_below;
        let part = |ix: GridIx, link: &Link| Part {
            code: self.to.grid(link.other).code.clone(),
            share: rounded(self.linked(ix).share(link.area_m2)),
            area_m2: (link.area_m2 * 10.0).round() / 10.0,
            place: link.place.lonlat(),
        };
        let named = |territory: &Territory, ix: GridIx| (territory.grid(ix).code.clone(), territory.grid(ix).name.clone());
        let splits = grids().filter(is_split).map(|ix| {
            let (code, name) = named(&self.from, ix);
            let parts = self.linked(ix).links.iter().map(|link| part(ix, link)).collect();
            Split { code, name, parts, beyond_share: rounded(self.linked(ix).share(self.linked(ix).beyond_m2)) }
        });
        let mut counts = vec![0_u32; self.to.grids.len()];
        for link in grids().filter_map(|ix| self.linked(ix).main()) {
            counts[link.other.at()] += 1;
        }
        let counted = counts.iter().enumerate().map(|(at, count)| {
            let (code, name) = named(&self.to, GridIx(at as u32));
            Counted { code, name, count: *count }
        });
        let unlinked = grids().filter(|ix| self.linked(*ix).links.is_empty());
        LinkReport {
            from: self.from.set.clone(),
            from_epoch: self.from.epoch,
            from_grids: self.from.grids.len(),
            to: self.to.set.clone(),
            to_epoch: self.to.epoch,
            to_grids: self.to.grids.len(),
            split_below,
            least: counts.iter().copied().min().unwrap_or(0),
            most: counts.iter().copied().max().unwrap_or(0),
            range: range.cloned().map(RangeInclusive::into_inner),
            outside_range: counted.filter(|counted| range.is_some_and(|range| !range.contains(&counted.count))).collect(),
            unlinked: unlinked.map(|ix| self.from.grid(ix).code.clone()).collect(),
            splits: splits.collect(),
        }
    }
}

/// A share in ten-thousandths.
pub fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// The links of one set to another, for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkReport {
    /// Whose grids are linked.
    pub from: GridSet,
    /// Its boundaries.
    pub from_epoch: Epoch,
    /// How many grids it has.
    pub from_grids: usize,
    /// To whose.
    pub to: GridSet,
    /// Its boundaries.
    pub to_epoch: Epoch,
    /// How many grids it has.
    pub to_grids: usize,
    /// A grid with a smaller main share is split.
    pub split_below: f64,
    /// Fewest grids of `from` that have their main link to one of `to`.
    pub least: u32,
    /// Most.
    pub most: u32,
    /// How many there should be.
    pub range: Option<(u32, u32)>,
    /// Grids of `to` with fewer or more.
    pub outside_range: Vec<Counted>,
    /// Grids of `from` that share no land with any of `to`.
    pub unlinked: Vec<Code>,
    /// Grids of `from` that are split.
    pub splits: Vec<Split>,
}

/// A grid and how many belong to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// The grid.
    pub code: Code,
    /// May be empty.
    pub name: String,
    /// Grids with their main link to it.
    pub count: u32,
}

/// A grid that belongs to no other wholly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// The grid.
    pub code: Code,
    /// May be empty.
    pub name: String,
    /// The largest first.
    pub parts: Vec<Part>,
    /// Share of its land in no grid of the other set.
    pub beyond_share: f64,
}

/// The part of a grid in another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The other.
    pub code: Code,
    /// Of the split grid's land, 0 to 1.
    pub share: f64,
    /// In square metres.
    pub area_m2: f64,
    /// A point in it.
    pub place: LonLat,
}

impl LinkReport {
    /// Nothing is unlinked, and every count is as it should be. Splits are no fault.
    pub fn is_in_order(&self) -> bool {
        self.unlinked.is_empty() && self.outside_range.is_empty()
    }

    /// Some lines for a person.
    pub fn text(&self) -> String {
        let Self { from, from_epoch, from_grids, to, to_epoch, to_grids, least, most, .. } = self;
        let mut text = format!(
            "{from_grids} grids of {from} (epoch {from_epoch}) over {to_grids} of {to} (epoch {to_epoch}): {least} to {most} each\n\
             {} split (less than {} % in one), {} unlinked\n",
            self.splits.len(),
            self.split_below * 100.0,
            self.unlinked.len()
        );
        for Split { code, parts, beyond_share, .. } in &self.splits {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| {
                    let (lon, lat) = (part.place.lon(), part.place.lat());
                    format!("{} {:.2} % ({} m² at {lon:.6},{lat:.6})", part.code, part.share * 100.0, part.area_m2)
                })
                .collect();
            let beyond = if *beyond_share > 0.0 { format!(", none {:.2} %", beyond_share * 100.0) } else { String::new() };
            text.push_str(&format!("split: {code}: {}{beyond}\n", parts.join(", ")));
        }
        for code in &self.unlinked {
            text.push_str(&format!("unlinked: {code}\n"));
        }
        for Counted { code, name, count } in &self.outside_range {
            let (least, most) = self.range.unwrap_or_default();
            text.push_str(&format!("{code} {name}: {count} grids, not {least} to {most}\n"));
        }
        text
    }
}

/// The links asked for last, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct KeptLinks(Arc<Mutex<Vec<Arc<Links>>>>);

/// Pairs of boundaries whose links are kept: a few sets, there and back.
const KEPT_PAIRS: usize = 6;

impl App {
    /// Two views' boundaries laid over each other; the last pairs are kept. Who asks for the same meanwhile waits for it, and who hangs
    /// up leaves it to those who ask next.
    pub async fn links(&self, from: &View, to: &View) -> Result<Arc<Links>, AppError> {
        let (kept, compute) = (Arc::clone(&self.links.0), self.compute.clone());
        let (from, to) = (Arc::clone(&from.territory), Arc::clone(&to.territory));
        let work = async move {
            let mut kept = kept.lock().await;
            let fits = |links: &Arc<Links>| Arc::ptr_eq(&links.from, &from) && Arc::ptr_eq(&links.to, &to);
            if let Some(at) = kept.iter().position(fits) {
                let links = kept.remove(at);
                kept.push(Arc::clone(&links));
                return Ok(links);
            }
            let epoch = from.epoch;
            let links = compute.run(move || Links::of(from, to)).await?;
            let links = Arc::new(links.map_err(|fault| AppError::Damaged { epoch, faults: vec![fault] })?);
            if kept.len() == KEPT_PAIRS {
                kept.remove(0);
            }
            kept.push(Arc::clone(&links));
            Ok(links)
        };
        tokio::spawn(work).await.unwrap_or(Err(AppError::Panicked))
    }
}

/// The links of two sets in force in a store; `Err` within names the set that is not there.
pub async fn links_in(store: &Store, from: &GridSet, to: &GridSet, at: Timestamp) -> Result<Result<Links, GridSet>, ImportError> {
    let Some(ours) = set_at(store, from, at).await? else { return Ok(Err(from.clone())) };
    let Some(theirs) = set_at(store, to, at).await? else { return Ok(Err(to.clone())) };
    let epoch = ours.epoch;
    let laid = tokio::task::spawn_blocking(move || Links::of(ours, theirs)).await?;
    laid.map(Ok).map_err(|fault| ImportError::Stored { epoch, fault: Box::new(fault) })
}
