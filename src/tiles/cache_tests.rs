use super::*;
use crate::city::{Facilities, Facility, Published};
use crate::domain::code::Code;
use crate::domain::records::BoundarySet;
use crate::domain::scope::Hidden;
use crate::geom::fuzz::Numbers;
use crate::geom::mercator::{MercatorPoint, tile_at};
use crate::tiles::layer::{Fields, Layer};
use crate::tiles::samples::{city_of, decode, facility, place_in, profile, random_city, random_set, random_set_where, tiles_of};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

fn city(seed: u64) -> Arc<City> {
    Arc::new(random_city(seed, 3))
}

fn request(tile: TileId) -> TileRequest {
    TileRequest {
        tile,
        layers: Layers::parse("grids,labels").expect("layers"),
        fields: Fields::ALL,
        scope: Scope::All,
        hidden: Hidden::default(),
    }
}

fn key(city: &City, tile: TileId) -> Key {
    Key::new(&city.territory, Boundaries::InForce, &request(tile))
}

async fn ask(cache: &TileCache, compute: &Compute, city: &Arc<City>, tile: TileId) -> Outcome {
    cache.tile(compute, city, key(city, tile), &request(tile), Encoding::Gzip).await
}

/// A change of one layer's tiles for everyone.
fn at_once(layer: Layer, tiles: Tiles) -> Arc<Changed> {
    Arc::new(Changed { layers: [(layer, tiles.clone())].into(), scoped: [(layer, tiles)].into(), traces: Default::default() })
}

fn some_tile(city: &City) -> TileId {
    tiles_of(city, 12)[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_are_answered_by_one_build() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(64), city(1));
    let tile = some_tile(&city);
    let asked: Vec<_> = (0..40)
        .map(|_| {
            let (cache, compute, city) = (cache.clone(), compute.clone(), Arc::clone(&city));
            tokio::spawn(async move { ask(&cache, &compute, &city, tile).await })
        })
        .collect();
    let mut bodies = BTreeSet::new();
    for answer in asked {
        let tile = answer.await.expect("no panic").expect("not busy");
        bodies.insert(tile.body.as_ptr() as usize);
    }
    assert_eq!(bodies.len(), 1, "all hold the very same bytes");
}

#[tokio::test]
async fn bodies_are_the_tile_in_each_encoding_under_one_tag() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(4), city(1));
    let tile = some_tile(&city);
    let raw = build(&city, &request(tile));
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let built = cache.tile(&compute, &city, key(&city, tile), &request(tile), encoding).await.expect("not busy");
        assert_eq!(built.tag, tag(&raw));
        let plain = decompressed(&built.body, encoding);
        assert_eq!(plain, raw);
        assert!(!decode(&plain).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_answers_every_waiter_and_the_next_who_asks_gets_the_tile() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(0), city(1));
    let tile = some_tile(&city);
    // Every slot is held until its gate is dropped.
    let (mut held, mut gates) = (vec![], vec![]);
    loop {
        let compute = compute.clone();
        let (started, running) = tokio::sync::oneshot::channel();
        let (gate, opened) = tokio::sync::oneshot::channel::<()>();
        held.push(tokio::spawn(async move {
            let work = move || {
                let _ = started.send(());
                let _ = opened.blocking_recv();
            };
            compute.run(work).await
        }));
        gates.push(gate);
        if running.await.is_err() {
            break;
        }
    }
    let (one, other) = tokio::join!(ask(&cache, &compute, &city, tile), ask(&cache, &compute, &city, tile));
    assert_eq!((one, other), (Err(NotDone::Busy), Err(NotDone::Busy)));
    drop(gates);
    for job in held {
        let _ = job.await.expect("no panic");
    }
    assert!(ask(&cache, &compute, &city, tile).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_that_leaves_does_not_stop_the_build() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(4), city(1));
    let tile = some_tile(&city);
    // Asked once, so the build is on its way, then dropped.
    let mut leaving = Box::pin(ask(&cache, &compute, &city, tile));
    tokio::select! {
        biased;
        _ = leaving.as_mut() => {}
        () = std::future::ready(()) => {}
    }
    drop(leaving);
    while cache.tag(&key(&city, tile)).is_none() {
        tokio::task::yield_now().await;
    }
    assert!(cache.cached(&key(&city, tile), Encoding::Gzip).is_some());
}

#[tokio::test]
async fn a_change_takes_out_its_tiles_and_no_others_and_older_builds_are_not_kept() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(4), city(2));
    let tiles = tiles_of(&city, 14);
    let (changed, kept) = (tiles[0], tiles[1]);
    for tile in [changed, kept] {
        ask(&cache, &compute, &city, tile).await.expect("not busy");
    }
    cache.apply(Revision(2), at_once(Layer::Grids, Tiles::Some([changed].into())));
    assert_eq!(cache.tag(&key(&city, changed)), None);
    assert!(cache.tag(&key(&city, kept)).is_some());
    // The city of revision 1 still makes a tile for who loaded it, but not for others.
    assert!(ask(&cache, &compute, &city, changed).await.is_ok());
    assert_eq!(cache.tag(&key(&city, changed)), None);
    let next = Arc::new(City { revision: Revision(2), ..City::clone(&city) });
    assert!(ask(&cache, &compute, &next, changed).await.is_ok());
    assert!(cache.tag(&key(&city, changed)).is_some());
    // Tiles of an epoch asked for by name never change.
    let past = Key::new(&city.territory, Boundaries::Of(Epoch(1)), &request(changed));
    cache.tile(&compute, &city, past, &request(changed), Encoding::Zstd).await.expect("not busy");
    cache.apply(Revision(3), at_once(Layer::Grids, Tiles::All));
    assert!(cache.tag(&past).is_some());
    assert_eq!(cache.tag(&key(&city, kept)), None);
}

#[tokio::test]
async fn bodies_stay_within_the_limit_and_tags_outlive_them() {
    let (cache, compute, city) = (TileCache::new(2_000), Compute::new(4), city(3));
    let tiles: Vec<TileId> = (11..=15).flat_map(|zoom| tiles_of(&city, zoom).into_iter().take(12)).collect();
    let mut seen = 0;
    for tile in &tiles {
        seen += ask(&cache, &compute, &city, *tile).await.expect("not busy").body.len();
        assert!(cache.bytes() <= 2_000);
    }
    assert!(seen > 4_000, "only {seen} bytes");
    assert!(tiles.iter().all(|tile| cache.tag(&key(&city, *tile)).is_some()));
    assert!(tiles.iter().any(|tile| cache.cached(&key(&city, *tile), Encoding::Gzip).is_none()));
}

#[test]
fn keys_tell_apart_what_differs_and_join_what_does_not() {
    let city = city(1);
    let tile = some_tile(&city);
    let base = request(tile);
    let of = |request: &TileRequest| Key::new(&city.territory, Boundaries::InForce, request);
    let fields = TileRequest { fields: Fields::parse("code,overdue").expect("fields"), ..base.clone() };
    let same = TileRequest { fields: Fields::parse("code").expect("fields"), ..base.clone() };
    assert_ne!(of(&base), of(&fields));
    assert_eq!(of(&fields), of(&same), "labels and grids have no `overdue`");
    assert_ne!(of(&base), Key::new(&city.territory, Boundaries::Of(Epoch(1)), &base));
    let code = |text: &str| Code::new(text).expect("a code");
    let within =
        |codes: &[&str]| TileRequest { scope: Scope::Within(codes.iter().map(|text| code(text)).collect()), ..base.clone() };
    assert_ne!(of(&within(&[])), of(&base));
    assert_eq!(of(&within(&["999999"])), of(&within(&[])), "a region that is nowhere near makes no difference");
    assert_ne!(of(&within(&["3309"])), of(&within(&[])));
}

/// A city with facilities all over.
fn with_facilities(seed: u64, count: i64) -> City {
    let city = random_city(seed, 3);
    let mut numbers = Numbers::new(seed);
    let mut row = |id: i64| {
        let at = place_in(&city, &mut numbers);
        Facility { leaf: city.territory.leaf_at(at), ..facility(id, at, (id % 4) as u16) }
    };
    let rows = (1..=count).map(&mut row).collect();
    City { facilities: Arc::new(Facilities::new(rows, &profile(), city.territory.grids.len())), ..city }
}

fn renamed(city: &City, revision: u64) -> Change {
    let row = city.facilities.iter().next().expect("there are facilities").clone();
    Change::Facilities { put: vec![Facility { name: revision.to_string().into(), ..row }], removed: vec![] }
}

/// The tile of zoom 16 with the facility that [`renamed`] renames, and what it is asked for.
fn its_tile(city: &City) -> TileRequest {
    let row = city.facilities.iter().next().expect("there are facilities");
    let tile = tile_at(MercatorPoint::of(row.at), 16);
    TileRequest { tile, layers: Layer::Facilities.into(), fields: Fields::ALL, scope: Scope::All, hidden: Hidden::default() }
}

/// A pool whose threads all wait until the sender is dropped, with room for work behind them.
fn gated() -> (Compute, Vec<std::sync::mpsc::Sender<()>>) {
    let compute = Compute::new(1_000);
    let gates = (0..64).map(|_| {
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        let compute = compute.clone();
        tokio::spawn(async move { compute.run(move || opened.recv()).await });
        gate
    });
    let gates = gates.collect();
    (compute, gates)
}

async fn under_way(cache: &TileCache, key: &Key, revision: Revision) {
    while cache.state().building.get(&(*key, Encoding::Gzip)).is_none_or(|flight| flight.revision != revision) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_reads_the_new_city_never_joins_a_build_of_the_old_one() {
    let cache = TileCache::new(1 << 20);
    let old = Arc::new(with_facilities(1, 50));
    let change = renamed(&old, 2);
    let new = Arc::new(old.after(Revision(2), &change));
    let request = its_tile(&old);
    let key = Key::new(&old.territory, Boundaries::InForce, &request);
    let (compute, gates) = gated();
    // A few turns, so that every thread has its gate.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let ask = |city: &Arc<City>| {
        let (cache, compute, city, request) = (cache.clone(), compute.clone(), Arc::clone(city), request.clone());
        tokio::spawn(async move { cache.tile(&compute, &city, key, &request, Encoding::Gzip).await })
    };
    let before = ask(&old);
    under_way(&cache, &key, Revision(1)).await;
    assert!(!cache.take(&old, &new, &change).is_empty());
    assert!(cache.state().building.is_empty(), "who asks now begins anew");
    // This one loaded the city before it was swapped, and asks after the change was taken.
    let late = ask(&old);
    under_way(&cache, &key, Revision(1)).await;
    let after = ask(&new);
    under_way(&cache, &key, Revision(2)).await;
    let joined = ask(&new);
    drop(gates);
    let tile_of = |city: &City| tag(&build(city, &request));
    assert_ne!(tile_of(&old), tile_of(&new));
    for (asked, city) in [(before, &old), (late, &old), (after, &new), (joined, &new)] {
        assert_eq!(asked.await.expect("no panic").expect("not busy").tag, tile_of(city));
    }
    assert_eq!(cache.tag(&key), Some(tile_of(&new)), "the old ones are not kept, whichever ends last");
}

#[tokio::test]
async fn a_build_that_outlives_the_memory_of_changes_is_not_kept() {
    let cache = TileCache::new(1 << 20);
    let city = Arc::new(with_facilities(1, 50));
    let request = its_tile(&city);
    let key = Key::new(&city.territory, Boundaries::InForce, &request);
    let (compute, gates) = gated();
    let asked = {
        let (cache, compute, city, request) = (cache.clone(), compute.clone(), Arc::clone(&city), request.clone());
        tokio::spawn(async move { cache.tile(&compute, &city, key, &request, Encoding::Gzip).await })
    };
    under_way(&cache, &key, Revision(1)).await;
    let elsewhere = TileId::new(16, 0, 0).expect("a tile");
    let newest = Revision(CHANGES as u64 + 3);
    for revision in 2..=newest.0 {
        cache.apply(Revision(revision), at_once(Layer::Facilities, Tiles::Some([elsewhere].into())));
    }
    drop(gates);
    assert!(asked.await.expect("no panic").is_ok());
    assert_eq!(cache.tag(&key), None, "no one knows whether it is still right");
    let city = Arc::new(City { revision: newest, ..City::clone(&city) });
    cache.tile(&compute, &city, key, &request, Encoding::Gzip).await.expect("not busy");
    assert!(cache.tag(&key).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_find_a_tile_older_than_their_city() {
    let (cache, compute) = (TileCache::new(1 << 20), Compute::new(1_000));
    let first = with_facilities(1, 50);
    let request = its_tile(&first);
    let key = Key::new(&first.territory, Boundaries::InForce, &request);
    let id = first.facilities.iter().next().expect("there are facilities").id.0.to_string();
    let first = first.after(Revision(2), &renamed(&first, 2));
    let published = Arc::new(Published::new(first));
    let done = Arc::new(AtomicBool::new(false));
    let read = move |body: &[u8], encoding: Encoding| -> u64 {
        let mut layers = decode(&decompressed(body, encoding));
        let rows = layers.remove("facilities").expect("the layer");
        let row = rows.into_iter().find(|row| row.tags["id"] == id).expect("the facility");
        row.tags["name"].parse().expect("its name is a revision")
    };
    let readers: Vec<_> = (0..6)
        .map(|at| {
            let (cache, compute, published, done) = (cache.clone(), compute.clone(), Arc::clone(&published), Arc::clone(&done));
            let (request, read) = (request.clone(), read.clone());
            let encoding = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd][at % 3];
            tokio::spawn(async move {
                let mut answers = 0;
                while !done.load(Ordering::Relaxed) {
                    let city = published.load();
                    let tile = cache.tile(&compute, &city, key, &request, encoding).await.expect("not busy");
                    let found = read(&tile.body, encoding);
                    assert!(found >= city.revision.0, "a tile of revision {found} in the city of {}", city.revision.0);
                    answers += 1;
                    // What is there comes without waiting: others would never get a turn.
                    tokio::task::yield_now().await;
                }
                answers
            })
        })
        .collect();
    for revision in 3..400 {
        let old = published.load();
        let change = renamed(&old, revision);
        let new = Arc::new(old.after(Revision(revision), &change));
        cache.take(&old, &new, &change);
        tokio::task::yield_now().await;
        published.replace(Arc::clone(&new));
        let tile = cache.tile(&compute, &new, key, &request, Encoding::Gzip).await.expect("not busy");
        assert_eq!(read(&tile.body, Encoding::Gzip), revision);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.expect("no panic") > 0);
    }
    assert_eq!(cache.tag(&key), Some(tag(&build(&published.load(), &request))));
}

/// Asks for every tile of some zooms.
async fn fill(cache: &TileCache, compute: &Compute, city: &Arc<City>, requests: &[TileRequest]) -> Vec<(Key, TileTag)> {
    let mut tags = vec![];
    for request in requests {
        let key = Key::new(&city.territory, Boundaries::InForce, request);
        let tile = cache.tile(compute, city, key, request, Encoding::Identity).await.expect("not busy");
        tags.push((key, tile.tag));
    }
    tags
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_tiles_that_differ_lose_their_tag_and_who_sees_a_part_finds_no_old_one() {
    let compute = Compute::new(1_000);
    for seed in 0..10 {
        let set = random_set(seed, 3);
        if set.grids.len() < 3 {
            continue;
        }
        let old = Arc::new(City { territory: city_of(&set).territory, ..with_facilities(seed, 60) });
        let other: BoundarySet = match seed % 4 {
            0 => random_set_where(seed, 3, |owner| Some(owner.max(1))),
            1 => random_set_where(seed, 3, |owner| (owner != 1).then_some(owner)),
            _ => set.clone(),
        };
        let change = match seed % 4 {
            2 => renamed(&old, 2),
            3 => {
                let row = old.facilities.iter().next().expect("there are facilities").clone();
                // By a centimetre, perhaps over a border.
                Change::Facilities {
                    put: vec![Facility { at: crate::geom::LatticePoint::new(row.at.x + 1, row.at.y + 1), ..row }],
                    removed: vec![],
                }
            }
            _ => Change::Boundaries(city_of(&other).territory),
        };
        let new = Arc::new(old.after(Revision(2), &change));
        let code = |at: usize| -> Code { set.grids[at % set.grids.len()].code.clone() };
        let county = Code::new(&code(0).as_str()[..6]).expect("a code");
        let scopes = [Scope::All, Scope::Within(vec![code(1)]), Scope::Within(vec![county]), Scope::Within(vec![])];
        let mut requests = vec![];
        for zoom in [6, 9, 11, 12, 13, 14] {
            for tile in tiles_of(&old, zoom).into_iter().take(30) {
                for layers in ["regions,grids,labels", "facilities", "grids,facilities"] {
                    let layers = Layers::parse(layers).expect("layers");
                    let of = |scope: &Scope| TileRequest {
                        tile,
                        layers,
                        fields: Fields::ALL,
                        scope: scope.clone(),
                        hidden: Hidden::default(),
                    };
                    requests.extend(scopes.iter().map(of));
                }
            }
        }
        let cache = TileCache::new(1 << 30);
        let before = fill(&cache, &compute, &old, &requests).await;
        cache.take(&old, &new, &change);
        let mut lost = 0;
        for (request, (key, was)) in requests.iter().zip(before) {
            let is = tag(&build(&new, request));
            match cache.tag(&key) {
                Some(known) => assert_eq!((known, was), (is, is), "seed {seed}: {request:?}"),
                None => {
                    lost += 1;
                    assert!(was != is || request.scope != Scope::All, "seed {seed}: {request:?} is as it was");
                }
            }
        }
        assert!(lost > 0 || seed % 4 == 3, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_tiles_do_not_fill_the_memory() {
    let (cache, compute, city) = (TileCache::new(1 << 20), Compute::new(4), city(1));
    let cache = TileCache { most_entries: 100, ..cache };
    for x in 0..1000 {
        // The middle of the Atlantic.
        let tile = TileId::new(14, 6000 + x, 8000).expect("a tile");
        assert!(ask(&cache, &compute, &city, tile).await.expect("not busy").body.is_empty());
    }
    assert!(cache.state().entries.len() <= 101 && cache.state().by_tile.len() <= 101);
}
