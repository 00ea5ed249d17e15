//! From the store to a city in memory.

use super::access::Access;
use super::applier::Applier;
use super::follow::Followed;
use super::history::History;
use super::imports::jobs::Jobs;
use super::links::KeptLinks;
use super::outside::Outside;
use super::reload::Source;
use super::sinks::Sinks;
use super::sources::Sources;
use super::standby::Standby;
use super::{App, AppError, WAITING_JOBS, part};
use crate::city::{About, Addresses, Buildings, Case, Cases, City, Facilities, Facility, Organizations, Published, Staff};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::config::Config;
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityRow};
use crate::domain::id::{Epoch, GridSet, Unit};
use crate::domain::records::BoundarySet;
use crate::domain::scheme::Scheme;
use crate::domain::scope::Scope;
use crate::live::hub::{Hub, Pace};
use crate::store::{Meta, Snapshot, Store};
use crate::territory::Territory;
use crate::tiles::cache::TileCache;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, RwLock};

impl App {
    /// Loads the city from its store. Cost: one read of everything and one build of the territory.
    pub async fn open(store: Store, config: Config, clock: Clock) -> Result<Self, AppError> {
        let compute = Compute::new(WAITING_JOBS);
        // First what a person may have to mend, then the large city.
        let (sources, sinks) = (Sources::of(&config)?, Sinks::of(&config));
        let outside = Outside::open(&config, &compute, &clock).await?;
        let access = Access::open(&config, &store, &clock).await?.map(Arc::new);
        // First: what another past would have meanwhile is then loaded anew.
        let past = store.stand().await?.past;
        let standby = Standby::open(config.database_read.as_deref(), &store).await?;
        let within = config.within.clone();
        if within != Scope::All && !(config.sources.is_empty() && config.sinks.is_empty()) {
            let why = "a server of a part of the city (within) has no [[source]] and no [[sink]]: they belong where the whole is";
            return Err(AppError::Outside(why.to_owned()));
        }
        let build = async |snapshot: Snapshot| {
            let of = within.clone();
            let city = compute.run(move || city(snapshot, &of)).await??;
            part::known(&within, &city).map(|()| city)
        };
        let of_standby = match standby.snapshot(clock.now(), &within).await {
            Some(snapshot) => build(snapshot).await.ok(),
            None => None,
        };
        let city = match of_standby {
            Some(city) => city,
            None => build(store.snapshot_within(clock.now(), &within).await?).await?,
        };
        let published = Arc::new(Published::new(city));
        let tiles = TileCache::new(config.tile_cache_bytes);
        let live = Hub::start(published.load().revision, Pace::default());
        let source = Source { store: store.clone(), clock: clock.clone(), within };
        let applier = Applier::start(Arc::clone(&published), tiles.clone(), live.clone(), source, past);
        let followed = store.is_shared().then(|| Followed::new(published.load().revision));
        Ok(Self {
            store,
            standby,
            published,
            applier,
            live,
            compute,
            tiles,
            outside,
            sources,
            sinks,
            access,
            followed,
            config,
            clock,
            history: History::default(),
            links: KeptLinks::default(),
            naming: Mutex::default(),
            publishing: RwLock::default(),
            imports: Jobs::default(),
        })
    }
}

/// The city of a snapshot, or that part of it.
pub(super) fn city(mut snapshot: Snapshot, within: &Scope) -> Result<City, AppError> {
    let (scheme, about) = about(snapshot.meta.clone())?;
    let epoch = snapshot.epoch.take().map_or(Epoch(0), |record| record.epoch);
    // Before the first publication there is no land, but there is a scheme.
    let boundaries = snapshot.boundaries.take().unwrap_or_else(|| BoundarySet { scheme, ..BoundarySet::default() });
    let build = |epoch: Epoch, boundaries: BoundarySet| {
        let boundaries = part::boundaries_of(within, epoch, boundaries)?;
        Territory::build(epoch, &boundaries).map_err(|faults| AppError::Damaged { epoch, faults })
    };
    let territory = Arc::new(build(epoch, boundaries)?);
    let others = std::mem::take(&mut snapshot.others).into_iter();
    let others = others.map(|(record, boundaries)| Ok((record.set.clone(), Arc::new(build(record.epoch, boundaries)?))));
    let others: BTreeMap<GridSet, Arc<Territory>> = others.collect::<Result<_, AppError>>()?;
    if let Some(part) = part::Part::of(within, std::iter::once(&territory).chain(others.values())) {
        part.keep_of_snapshot(&mut snapshot);
    }
    let Snapshot { revision, facilities, staff, cases, addresses, organizations, buildings, .. } = snapshot;
    // The store says in which grid a row stands; what stands in none may stand in a region without grids.
    let grid_leaf = |code: &Option<Code>| territory.grid_ix(code.as_ref()?.as_str()).map(Unit::Grid);
    let facilities = facilities
        .into_iter()
        .map(|row| {
            let leaf = grid_leaf(&row.grid).or_else(|| territory.leaf_at(row.at));
            facility(row, leaf)
        })
        .collect();
    let cases: Vec<Case> = cases
        .into_iter()
        .map(|record| Case {
            leaf: record.at.and_then(|at| grid_leaf(&record.grid).or_else(|| territory.leaf_at(at))),
            record: Arc::new(record),
        })
        .collect();
    let grids = territory.grids.len();
    Ok(City {
        revision,
        facilities: Arc::new(Facilities::new(facilities, &about.profile, grids)),
        cases: Arc::new(Cases::new(cases, grids)),
        staff: Arc::new(Staff::new(staff)),
        addresses: Arc::new(Addresses::new(addresses, &territory)),
        organizations: Arc::new(Organizations::new(organizations.into_iter().map(Arc::new), &territory)),
        buildings: Arc::new(Buildings::new(buildings.into_iter().map(Arc::new), &territory)),
        about: Arc::new(about),
        territory,
        others: Arc::new(others),
    })
}

/// What the city says about itself, and the scheme of its next boundaries.
pub(super) fn about(meta: Meta) -> Result<(Scheme, About), AppError> {
    if TimeZone::get(&meta.time_zone).is_err() {
        return Err(AppError::TimeZone(meta.time_zone));
    }
    let Meta { title, synthetic, attribution, time_zone, scheme, profile, background } = meta;
    Ok((scheme, About { title, synthetic, attribution, time_zone, profile, background }))
}

/// A facility of the store in memory.
pub(super) fn facility(row: FacilityRow, leaf: Option<Unit>) -> Facility {
    let FacilityRow { id, at, grid: _, code, name, version, category, state } = row;
    Facility { id, at, leaf, category, state, version, name, code }
}

/// A facility as it is stored, in memory; `None` when the profile lacks its category.
pub(super) fn facility_of(record: &FacilityRecord, profile: &CodeProfile) -> Option<Facility> {
    Some(Facility {
        id: record.id,
        at: record.at,
        leaf: None,
        category: profile.position(CategoryKind::Component, &record.category)?,
        state: record.state,
        version: record.version,
        name: record.name.as_str().into(),
        code: record.code.as_deref().map(Into::into),
    })
}
