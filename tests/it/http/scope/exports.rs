//! Exports: a file holds what its actor may see.

use super::super::city;
use super::actor;
use super::made::{Ground, IN_PROPERTIES, IN_TEXTS, demo_city};
use crate::crash::Random;
use std::collections::BTreeSet;
use std::sync::Arc;
use wangge::app::Actor;
use wangge::app::exports::{self, Format, Order, RowFormat};
use wangge::domain::rights::Right;
use wangge::store::Store;

/// Exports are read line by line, without what the two cities number on their own.
async fn exported(store: &Store, actor: &Actor, format: Format, layer: &str) -> Result<BTreeSet<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let order = Order { actor: actor.clone(), derived: true, ..Order::new(format, &[layer]) };
    let watch: exports::Watch = Arc::new(|_| {});
    let done = exports::run(store, &order, (None, &path, false), city::now(), &watch).await;
    done.map_err(|error| error.to_string())?;
    let text = std::fs::read(&path).unwrap();
    let text = String::from_utf8(text).unwrap();
    Ok(text.lines().filter(|line| !line.contains("revision")).map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_no_more_than_its_actor_may_see() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let made = demo_city();
    let codes = made.codes();
    let whole = made.store(None).await;
    let layers = ["regions", "grids", "facilities", "staff", "households", "cases", "organizations", "buildings"];
    let (mut lines, mut numbers) = (0, 0);
    for number in 0..9 {
        let actor = actor(&mut random, &codes, number);
        let gone = made.store(Some((&made.sights(&actor), Ground::Gone))).await;
        for layer in layers {
            for format in [Format::Rows(RowFormat::Csv), Format::Rows(RowFormat::GeoJsonSeq)] {
                let is = exported(&whole, &actor, format, layer).await;
                // Above what is seen there are regions, and what they came with; they are not in the file either.
                let should = exported(&gone, &actor, format, layer).await;
                assert_eq!(is, should, "{layer} {} {:?} {:?}", format.as_str(), actor.scope, actor.hidden);
                lines += is.map_or(0, |lines| lines.len());
            }
        }
        let phones = exported(&whole, &actor, Format::Rows(RowFormat::Csv), "staff").await.unwrap();
        let shown = phones.iter().any(|line| line.contains("000-"));
        assert_eq!(shown, actor.rights.has(Right::Phones) && phones.len() > 1, "{phones:?}");
        // Numbers in texts and properties are there for those who may see them.
        let mut shows = async |layer: &str, member: &str, number: &str| {
            let rows = exported(&whole, &actor, Format::Rows(RowFormat::GeoJsonSeq), layer).await.unwrap();
            let table = exported(&whole, &actor, Format::Rows(RowFormat::Csv), layer).await.unwrap();
            let with = |lines: &BTreeSet<String>, text: &str| lines.iter().filter(|line| line.contains(text)).count();
            let expected = if actor.rights.has(Right::Texts) { with(&rows, member) } else { 0 };
            assert_eq!([with(&rows, number), with(&table, number)], [expected; 2], "{layer} {number}");
            numbers += expected;
        };
        shows("cases", "联系", IN_TEXTS).await;
        shows("facilities", "contact", IN_PROPERTIES).await;
    }
    assert!(lines > 10_000 && numbers > 100, "{lines} {numbers}");
}
