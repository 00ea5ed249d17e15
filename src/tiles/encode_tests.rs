use super::*;
use crate::tiles::samples::decode;
use proptest::prelude::*;

fn square(x: i32, y: i32, size: i32) -> Rings {
    let mut rings = Rings::default();
    rings.push([[x, y], [x + size, y], [x + size, y + size], [x, y + size]]);
    rings
}

const FRAME: Frame = Frame { origin: [0, 0], scale: 1 };

/// The same through the `mvt` crate.
fn twin(name: &str, squares: &[(i32, i32, i32)], tag: impl Fn(&mut mvt::Feature, usize)) -> Vec<u8> {
    let mut tile = mvt::Tile::new(4096);
    let mut layer = tile.create_layer(name);
    for (at, &(x, y, size)) in squares.iter().enumerate() {
        let ring = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)];
        let mut geometry = mvt::GeomEncoder::<f64>::new(mvt::GeomType::Polygon);
        for (x, y) in ring {
            geometry.add_point(f64::from(x), f64::from(y)).expect("a point");
        }
        geometry.complete_geom().expect("a ring");
        let mut feature = layer.into_feature(geometry.encode().expect("geometry"));
        feature.set_id(at as u64 + 1);
        tag(&mut feature, at);
        layer = feature.into_layer();
    }
    tile.add_layer(layer).expect("a layer of another name");
    tile.to_bytes().expect("bytes")
}

#[test]
fn a_tile_says_the_same_as_one_of_the_mvt_crate() {
    let squares = [(0, 0, 10), (-64, 4000, 160), (17, 33, 1)];
    let mut writer = LayerWriter::new("grids");
    for (at, &(x, y, size)) in squares.iter().enumerate() {
        writer
            .feature(Some(at as u64 + 1))
            .polygon(&square(x, y, size), FRAME)
            .tag("code", ["01001", "01002", "01001"][at])
            .tag("count", at as i64)
            .tag("open", at == 1);
    }
    let mut ours = vec![];
    writer.finish(&mut ours);
    let theirs = twin("grids", &squares, |feature, at| {
        feature.add_tag_string("code", ["01001", "01002", "01001"][at]);
        feature.add_tag_uint("count", at as u64);
        feature.add_tag_bool("open", at == 1);
    });
    assert_eq!(decode(&ours), decode(&theirs));
    assert!(ours.len() <= theirs.len(), "{} bytes against {}", ours.len(), theirs.len());
}

#[test]
fn pixels_become_tile_units_and_a_layer_without_features_is_left_out() {
    let mut writer = LayerWriter::new("x");
    writer.feature(None).polygon(&square(1000, -2000, 5), Frame { origin: [990, -2010], scale: 2 });
    let mut bytes = vec![];
    writer.finish(&mut bytes);
    LayerWriter::new("y").finish(&mut bytes);
    let layers = decode(&bytes);
    assert_eq!(layers.len(), 1);
    assert_eq!(layers["x"][0].paths, vec![vec![[20, 20], [30, 20], [30, 30], [20, 30]]]);
    assert_eq!(layers["x"][0].id, None);
}

#[test]
fn names_can_be_left_out_and_nothing_else_changes() {
    let words: Vec<String> = (0..300).map(|at| format!("word {}", at % 70)).collect();
    let write = |named: bool| {
        let mut writer = LayerWriter::new("points");
        for (at, word) in words.iter().enumerate() {
            writer
                .feature(Some(at as u64))
                .point(at as i32, 7)
                .tag_some("word", (at % 3 > 0).then_some(word.as_str()))
                .name("name", (named && at % 5 > 0).then_some(words[at / 2].as_str()))
                .tag("at", at as i64 / 2);
        }
        writer
    };
    let named = write(true);
    let (with, without) = (decode(&named.bytes(true)), decode(&named.bytes(false)));
    assert_eq!(without, decode(&write(false).bytes(true)));
    assert_eq!(named.bytes(true), {
        let mut bytes = vec![];
        write(true).finish(&mut bytes);
        bytes
    });
    for (at, (with, without)) in with["points"].iter().zip(&without["points"]).enumerate() {
        assert_eq!(with.tags.get("name"), (at % 5 > 0).then(|| &words[at / 2]));
        assert_eq!(with.tags.get("word"), (at % 3 > 0).then(|| &words[at]));
        let mut rest = with.clone();
        rest.tags.remove("name");
        assert_eq!(rest, *without);
    }
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        features in proptest::collection::vec(
            (any::<Option<u64>>(), -300i32..5000, -300i32..5000, "[a-c]{0,3}", any::<i64>(), any::<bool>(), "\\PC{0,200}"),
            0..150,
        )
    ) {
        let mut writer = LayerWriter::new("points");
        for (id, x, y, word, number, truth, long) in &features {
            writer
                .feature(*id)
                .point(*x, *y)
                .tag("word", word.as_str())
                .tag("number", *number)
                .tag("truth", *truth)
                .tag_some("long", Some(long.as_str()).filter(|text| !text.is_empty()));
        }
        let mut bytes = vec![];
        writer.finish(&mut bytes);
        let layers = decode(&bytes);
        prop_assert_eq!(layers.is_empty(), features.is_empty());
        for (decoded, (id, x, y, word, number, truth, long)) in layers.values().flatten().zip(&features) {
            prop_assert_eq!(decoded.id, *id);
            prop_assert_eq!(&decoded.paths, &vec![vec![[*x, *y]]]);
            prop_assert_eq!(&decoded.tags["word"], word);
            prop_assert_eq!(&decoded.tags["number"], &number.to_string());
            prop_assert_eq!(&decoded.tags["truth"], &truth.to_string());
            prop_assert_eq!(decoded.tags.get("long"), Some(long).filter(|text| !text.is_empty()));
        }
    }
}
