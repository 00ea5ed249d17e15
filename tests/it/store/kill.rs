//! Killed at any moment: nothing acknowledged is lost, nothing is half there. The writer is this test binary started once more.

use super::world::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use wangge::domain::id::{Epoch, FacilityId, Revision};
use wangge::store::*;

/// Names the file for the writer; without it the writer's test has nothing to do.
const FILE: &str = "WANGGE_TEST_KILL_FILE";

/// Says every acknowledged revision on a line of its own, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_writer_that_is_killed() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = Store::open(path.as_ref(), Access::Serve).await.unwrap();
    let say = |committed: &Committed| {
        let mut out = std::io::stdout();
        writeln!(out, "acknowledged {} {}", committed.revision, committed.epoch).unwrap();
        out.flush().unwrap();
    };
    for turn in 0_u32.. {
        let keys = store.facility_keys().await.unwrap();
        let epoch = store.epochs().await.unwrap().last().map_or(0, |epoch| epoch.epoch.0);
        // A load of thousands that replaces most of what there is.
        let mut load = store.facilities_load(head()).await.unwrap();
        let ids: Vec<FacilityId> = keys.iter().map(|key| key.id).collect();
        let mut rows = store.facilities_by_ids(&ids[..ids.len() / 2]).await.unwrap();
        rows.iter_mut().for_each(|row| row.name = format!("turn {turn}"));
        load.push(rows).await.unwrap();
        load.remove(ids[ids.len() / 2..].to_vec()).await.unwrap();
        load.push((0..2500).map(facility).collect()).await.unwrap();
        say(&load.finish(import("facilities")).await.unwrap());
        // A publication that changes thousands of grids, and one that changes few.
        for few in [false, true] {
            let mut set = boundaries(0..2200);
            let changed = if few { 3 } else { 2200 };
            set.grids.iter_mut().rev().take(changed).for_each(|grid| grid.name = format!("turn {epoch} {turn} {few}"));
            say(&store.boundaries_commit(publication(epoch + u64::from(few), set)).await.unwrap());
        }
        // Small commits.
        for n in 0..3 {
            say(&store.facilities_commit(facilities(vec![facility(n)])).await.unwrap());
            say(&store.cases_commit(cases(vec![case(n)])).await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_loses_nothing_it_acknowledged() {
    let rounds = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12_u32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.gpkg");
    Store::create(&path, &meta()).await.unwrap().close().await.unwrap();
    for round in 0..rounds {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::kill::the_writer_that_is_killed", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The kill falls somewhere into the step after this many acknowledgements.
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        let wait_for = [1, 0, 2, 3, 9, 1, 10, 2, 0, 4][round as usize % 10];
        while seen.len() < wait_for {
            let line = lines.next().expect("the writer goes on until it is killed").unwrap();
            seen.extend(line.split_once("acknowledged ").map(|(_, told)| told.to_owned()));
        }
        // Not a wait for anything: it only moves the kill to another place each time.
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round) * 37 % 200));
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            seen.extend(line.split_once("acknowledged ").map(|(_, told)| told.to_owned()));
        }
        let store = Store::open(&path, Access::Serve).await.unwrap();
        assert_eq!(store.check().await.unwrap(), vec![], "round {round}");
        let snapshot = store.snapshot(now()).await.unwrap();
        if let Some((revision, epoch)) = seen.last().and_then(|told| told.split_once(' ')) {
            let acknowledged = Revision(revision.parse().unwrap());
            assert!(snapshot.revision >= acknowledged, "round {round}: {acknowledged} was acknowledged");
            assert!(snapshot.revision.0 <= acknowledged.0 + 1, "round {round}: at most one more can have been committed");
            assert!(store.epochs().await.unwrap().len() as u64 >= epoch.parse().unwrap(), "round {round}");
        }
        let last = store.epochs().await.unwrap().last().map_or(Epoch(0), |epoch| epoch.epoch);
        for epoch in 1..=last.0 {
            assert_eq!(store.boundaries_at(Epoch(epoch)).await.unwrap().unwrap().grids.len(), 2200, "round {round}");
        }
        store.close().await.unwrap();
    }
}
