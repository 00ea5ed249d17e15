use super::*;
use crate::tiles::layer::Fields;
use crate::tiles::samples::{decode, random_city, tiles_of};
use std::collections::BTreeSet;

fn city(seed: u64) -> Arc<City> {
    Arc::new(random_city(seed, 3))
}

fn request(tile: TileId) -> TileRequest {
    TileRequest { tile, layers: Layers::parse("grids,labels").expect("layers"), fields: Fields::ALL, scope: Scope::All }
}

fn key(city: &City, tile: TileId) -> Key {
    Key::new(&city.territory, Boundaries::InForce, &request(tile))
}

async fn ask(cache: &TileCache, compute: &Compute, city: &Arc<City>, tile: TileId) -> Outcome {
    cache.tile(compute, city, key(city, tile), &request(tile), Encoding::Gzip).await
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
    let change = Changed { layers: [(super::super::Layer::Grids, Tiles::Some([changed].into()))].into(), scopes: false };
    cache.apply(Revision(2), change);
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
    cache.apply(Revision(3), Changed { layers: [(super::super::Layer::Grids, Tiles::All)].into(), scopes: true });
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
    let code = |text: &str| crate::domain::code::Code::new(text).expect("a code");
    let within =
        |codes: &[&str]| TileRequest { scope: Scope::Within(codes.iter().map(|text| code(text)).collect()), ..base.clone() };
    assert_ne!(of(&within(&[])), of(&base));
    assert_eq!(of(&within(&["999999"])), of(&within(&[])), "a region that is nowhere near makes no difference");
    assert_ne!(of(&within(&["3309"])), of(&within(&[])));
}
