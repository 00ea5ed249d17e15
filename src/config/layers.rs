//! Thematic layers as the settings tell them: `[[layer]]`.

use super::outside::{FRESH, Remote, Template, Tiles, checked_size, checked_zooms, drawn_crs, plain_id, secret, template};
use crate::geom::Crs;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Things of others that are drawn on our map.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Stable name; stands in addresses.
    pub id: String,
    /// Chinese title.
    pub title: String,
    /// English title.
    pub title_en: String,
    /// The branch of the tree it hangs on, in Chinese and English; empty: none.
    pub group: (String, String),
    /// One of [`COLOURS`].
    pub colour: String,
    /// Icon of its points in `styles/icons`.
    pub icon: String,
    /// Drawn from which zoom on, and up to which.
    pub zooms: (u8, u8),
    /// Whose it is.
    pub attribution: String,
    /// The property that names a thing.
    pub name_field: Option<String>,
    /// The property by which things are told apart, and its values that have a colour of their own.
    pub classes: Option<(String, Vec<Class>)>,
    /// Drawn until a person puts it away.
    pub shown: bool,
    /// For callers who see a part of the city too: nobody knows in which grid its things stand.
    pub everyone: bool,
    /// What it is made of.
    pub content: Content,
}

/// A value of the property by which the things of a layer are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// As the property has it; numbers as they are written.
    pub value: String,
    /// Chinese title.
    pub title: String,
    /// English title; the Chinese one when absent.
    pub title_en: Option<String>,
    /// One of [`COLOURS`]; the layer's when absent.
    pub colour: Option<String>,
}

/// What a layer is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// GeoJSON, read whole and again when it changes.
    Features {
        /// Where it is.
        place: Place,
        /// What its positions are in.
        crs: Crs,
        /// How often it is looked after.
        every: Duration,
    },
    /// Tiles.
    Tiles(Tiles),
}

/// Where GeoJSON is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// Another server.
    Url(Template),
}

/// Colours of layers, by their tokens in `styles/tokens.json` without the `layer-` in front. None is warm: warm means that a person is
/// needed.
pub const COLOURS: [&str; 5] = ["sky", "teal", "green", "violet", "slate"];

/// Shortest and longest time between two looks.
const EVERY_S: (u64, u64) = (2, 24 * 3600);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerKeys {
    id: String,
    title: String,
    title_en: Option<String>,
    group: Option<String>,
    group_en: Option<String>,
    kind: Kind,
    crs: String,
    file: Option<PathBuf>,
    url: Option<String>,
    subdomains: Option<Vec<String>>,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    tile_size: Option<u16>,
    every_s: Option<u64>,
    colour: Option<String>,
    icon: Option<String>,
    minzoom: Option<u8>,
    maxzoom: Option<u8>,
    #[serde(default)]
    attribution: String,
    name_field: Option<String>,
    class_field: Option<String>,
    class: Option<Vec<Class>>,
    #[serde(default)]
    shown: bool,
    #[serde(default)]
    everyone: bool,
}

impl LayerKeys {
    /// The file that holds its key.
    pub(super) fn key_file(&self) -> Option<&PathBuf> {
        self.key_file.as_ref()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Geojson,
    Pmtiles,
    Xyz,
}

/// Layers as they are used. `folder`: what paths are relative to.
pub(super) fn layers(all: Vec<LayerKeys>, folder: &Path) -> Result<Vec<Layer>, String> {
    let mut made: Vec<Layer> = Vec::new();
    for keys in all {
        let id = keys.id.clone();
        let layer = layer(keys, folder).map_err(|why| format!("[[layer]] {id:?}: {why}"))?;
        if made.iter().any(|before| before.id == id) {
            return Err(format!("[[layer]] {id:?} stands twice"));
        }
        made.push(layer);
    }
    Ok(made)
}

fn layer(keys: LayerKeys, folder: &Path) -> Result<Layer, String> {
    plain_id(&keys.id)?;
    let colour = colour(keys.colour.clone())?;
    let key = secret(keys.key_file.as_deref(), keys.key_env.as_deref(), folder)?;
    // Of pictures maxzoom is the last that their server has; they are drawn larger behind it.
    let last = if keys.kind == Kind::Xyz { 18 } else { 22 };
    let zooms = checked_zooms((keys.minzoom.unwrap_or(0), keys.maxzoom.unwrap_or(last)))?;
    let every = keys.every_s.map(|every| match (EVERY_S.0..=EVERY_S.1).contains(&every) {
        true => Ok(Duration::from_secs(every)),
        false => Err(format!("every_s is {every}; it may be {} to {}", EVERY_S.0, EVERY_S.1)),
    });
    let every = every.transpose()?;
    let hosts = keys.subdomains.clone().unwrap_or_default();
    let absent = |key: &str, given: bool| if given { Err(format!("{key} has no meaning for this kind")) } else { Ok(()) };
    if keys.kind == Kind::Pmtiles {
        absent("every_s", every.is_some())?;
    }
    if keys.kind != Kind::Xyz {
        absent("tile_size", keys.tile_size.is_some())?;
    }
    let content = match (keys.kind, &keys.file, &keys.url) {
        (_, Some(_), Some(_)) => return Err("file and url are two places; one is read".to_owned()),
        (Kind::Geojson, file, url) => {
            let crs = keys.crs.parse::<Crs>().map_err(|error| error.to_string())?;
            let place = match (file, url) {
                (Some(file), _) => {
                    absent("subdomains", keys.subdomains.is_some())?;
                    absent("a key", key.is_some())?;
                    Place::File(folder.join(file))
                }
                (None, Some(url)) => Place::Url(template(url, hosts, key, false)?),
                (None, None) => return Err("file or url is missing".to_owned()),
            };
            let every = every.unwrap_or(Duration::from_secs(if url.is_some() { 60 } else { 10 }));
            Content::Features { place, crs, every }
        }
        (Kind::Pmtiles, Some(file), _) => {
            drawn_crs(&keys.crs)?;
            absent("subdomains", keys.subdomains.is_some())?;
            absent("a key", key.is_some())?;
            Content::Tiles(Tiles::File(folder.join(file)))
        }
        (Kind::Xyz, _, Some(url)) => {
            drawn_crs(&keys.crs)?;
            absent("class_field", keys.class_field.is_some())?;
            let url = template(url, hosts, key, true)?;
            let tile_size = checked_size(keys.tile_size.unwrap_or(256))?;
            Content::Tiles(Tiles::Remote(Remote { url, zooms, tile_size, fresh: every.unwrap_or(FRESH) }))
        }
        (Kind::Pmtiles, None, _) => return Err("file is missing".to_owned()),
        (Kind::Xyz, _, None) => return Err("url is missing".to_owned()),
    };
    let classes = match (keys.class_field, keys.class) {
        (None, None) => None,
        (None, Some(_)) => return Err("[[layer.class]] needs class_field: the property whose values these are".to_owned()),
        (Some(field), classes) => {
            let classes = classes.unwrap_or_default();
            for (at, class) in classes.iter().enumerate() {
                self::colour(class.colour.clone())?;
                if classes[..at].iter().any(|before| before.value == class.value) {
                    return Err(format!("[[layer.class]] {:?} stands twice", class.value));
                }
            }
            Some((field, classes))
        }
    };
    let group = keys.group.unwrap_or_default();
    Ok(Layer {
        title_en: keys.title_en.unwrap_or_else(|| keys.title.clone()),
        group: (group.clone(), keys.group_en.unwrap_or(group)),
        id: keys.id,
        title: keys.title,
        colour,
        icon: keys.icon.unwrap_or_else(|| "disc".to_owned()),
        zooms: if keys.kind == Kind::Xyz { (zooms.0, 22) } else { zooms },
        attribution: keys.attribution,
        name_field: keys.name_field,
        classes,
        shown: keys.shown,
        everyone: keys.everyone,
        content,
    })
}

fn colour(name: Option<String>) -> Result<String, String> {
    let name = name.unwrap_or_else(|| COLOURS[0].to_owned());
    if COLOURS.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("colour {name:?} is none of {}; warm ones mean that a person is needed", COLOURS.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Vec<Layer>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, text).expect("a file");
        Config::read(&path).map(|config| config.layers).map_err(|error| error.to_string())
    }

    const SPOTS: &str = "[[layer]]\nid = \"spots\"\ntitle = \"积水点\"\nkind = \"geojson\"\ncrs = \"gcj02\"\n";

    #[test]
    fn a_layer_says_what_differs_from_the_defaults() {
        let layers = read(&format!("{SPOTS}file = \"spots.geojson\"")).expect("a layer");
        let Content::Features { place: Place::File(path), crs: Crs::Gcj02, every } = &layers[0].content else {
            panic!("{layers:?}")
        };
        assert!(path.ends_with("spots.geojson") && every.as_secs() == 10);
        assert_eq!((layers[0].colour.as_str(), layers[0].zooms, layers[0].shown), ("sky", (0, 22), false));
        assert_eq!(layers[0].title_en, "积水点");
        let told = format!(
            "{SPOTS}url = \"https://d.example/a.json\"\nevery_s = 30\ngroup = \"防汛\"\ncolour = \"teal\"\nclass_field = \"level\"\n\
             [[layer.class]]\nvalue = \"high\"\ntitle = \"高\"\ncolour = \"violet\""
        );
        let layers = read(&told).expect("a layer");
        let Content::Features { place: Place::Url(url), every, .. } = &layers[0].content else { panic!("{layers:?}") };
        assert_eq!((url.address(None).as_str(), every.as_secs()), ("https://d.example/a.json", 30));
        assert_eq!(layers[0].group, ("防汛".to_owned(), "防汛".to_owned()));
        assert_eq!(layers[0].classes.as_ref().map(|(field, classes)| (field.as_str(), classes.len())), Some(("level", 1)));
    }

    #[test]
    fn what_makes_no_layer_is_refused_with_its_name() {
        for (keys, why) in [
            ("", "file or url"),
            ("file = \"a\"\nurl = \"https://d.example\"", "two places"),
            ("url = \"https://d.example/{z}\"", "{z}"),
            ("file = \"a\"\nevery_s = 1", "every_s"),
            ("file = \"a\"\ncolour = \"red\"", "warm"),
            (
                "file = \"a\"\nclass_field = \"c\"\n[[layer.class]]\nvalue = \"1\"\ntitle = \"a\"\n[[layer.class]]\nvalue = \"1\"\ntitle = \"b\"",
                "twice",
            ),
            ("file = \"a\"\n[[layer.class]]\nvalue = \"1\"\ntitle = \"a\"", "class_field"),
            ("file = \"a\"\nminzoom = 12\nmaxzoom = 3", "12 to 3"),
        ] {
            let refused = read(&format!("{SPOTS}{keys}")).expect_err(keys);
            assert!(refused.contains(why) && refused.contains("\"spots\""), "{keys}: {refused}");
        }
        let pictures = SPOTS.replace("geojson", "xyz") + "url = \"https://d.example/{z}/{x}/{y}\"";
        assert!(read(&pictures).expect_err("gcj02 pictures").contains("hundred metres"));
        assert!(read(&pictures.replace("gcj02", "wgs84")).is_ok());
        assert!(read(&SPOTS.replace("spots", "Spots")).expect_err("an id").contains("Spots"));
    }
}
