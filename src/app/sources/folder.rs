//! Folders in which others put files. A file that still grows is waited for; what is read is a copy, so that it is one state of the folder.

use std::fs::Metadata;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xxhash_rust::xxh3::Xxh3;

/// Between two looks at a file that might still be written.
const LOOK: Duration = Duration::from_secs(1);

/// Most files of a source.
const MOST_FILES: usize = 1000;

/// What belongs to the `.shp` of a Shapefile.
const SIBLINGS: [&str; 4] = ["dbf", "shx", "prj", "cpg"];

/// A file as it looks from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    path: PathBuf,
    size: u64,
    changed: Option<SystemTime>,
    /// It is read with another one.
    sibling: bool,
}

fn of(path: PathBuf, about: &Metadata, sibling: bool) -> Seen {
    Seen { path, size: about.len(), changed: about.modified().ok(), sibling }
}

/// Whether a name is like a pattern in which `*` stands for any signs.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Names that programs give to files while they write them.
fn is_temporary(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with(['.', '~'])
        || name.ends_with('~')
        || [".tmp", ".part", ".crdownload", ".lock"].iter().any(|ending| lower.ends_with(ending))
}

fn look(folder: &Path, pattern: &str) -> Result<Vec<Seen>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !is_like(name, pattern) || is_temporary(name) {
            continue;
        }
        // Links are passed over: whoever may put something here could have any file of this machine read.
        let about = std::fs::symlink_metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if about.is_file() {
            let shape = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("shp"));
            let siblings = SIBLINGS.iter().flat_map(|ending| [ending.to_string(), ending.to_ascii_uppercase()]);
            for sibling in siblings.filter(|_| shape).map(|ending| path.with_extension(ending)) {
                if let Some(about) = std::fs::symlink_metadata(&sibling).ok().filter(Metadata::is_file) {
                    found.push(of(sibling, &about, true));
                }
            }
            found.push(of(path, &about, false));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path).then(a.sibling.cmp(&b.sibling).reverse()));
    found.dedup_by(|a, b| a.path == b.path);
    if found.is_empty() {
        return Err(format!("{} has no file like {pattern}", folder.display()));
    }
    if found.len() > MOST_FILES {
        return Err(format!("{} has more than {MOST_FILES} files like {pattern}", folder.display()));
    }
    Ok(found)
}

/// All files, none of which is being written: it looked the same twice.
pub(super) async fn settled(folder: &Path, pattern: &str) -> Result<Vec<Seen>, String> {
    let once = || {
        let (folder, pattern) = (folder.to_owned(), pattern.to_owned());
        async move { tokio::task::spawn_blocking(move || look(&folder, &pattern)).await.map_err(|error| error.to_string())? }
    };
    let first = once().await?;
    tokio::time::sleep(LOOK).await;
    still(&first, &once().await?)
}

fn still(first: &[Seen], second: &[Seen]) -> Result<Vec<Seen>, String> {
    let other = first.iter().find(|seen| !second.contains(seen)).or_else(|| second.iter().find(|seen| !first.contains(seen)));
    match other {
        None => Ok(second.to_vec()),
        Some(seen) => Err(format!("{} is still being written", name(&seen.path))),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Those that are read by themselves.
pub(super) fn readable(seen: Vec<Seen>) -> Vec<PathBuf> {
    seen.into_iter().filter(|file| !file.sibling).map(|file| file.path).collect()
}

/// How files look, as a word.
pub(super) fn looks(seen: &[Seen]) -> String {
    let mut hash = Xxh3::new();
    for file in seen {
        hash.update(file.path.as_os_str().as_encoded_bytes());
        hash.update(&file.size.to_le_bytes());
        let since = file.changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
        hash.update(&since.as_nanos().to_le_bytes());
    }
    format!("{:032x}", hash.digest128())
}

/// Copies the files into a folder of ours: the copies that are to be read, and a hash of names and contents.
pub(super) fn copied(seen: &[Seen], into: &Path, most: u64) -> Result<(Vec<PathBuf>, u128), String> {
    let total: u64 = seen.iter().map(|file| file.size).sum();
    if total > most {
        return Err(format!("its files are {} MB, more than {} (upload_limit_mb)", total >> 20, most >> 20));
    }
    let (mut files, mut hash, mut piece) = (Vec::new(), Xxh3::new(), vec![0; 256 << 10]);
    for file in seen {
        let told = |error: std::io::Error| format!("{}: {error}", name(&file.path));
        let target = into.join(name(&file.path));
        let (mut from, mut to) = (std::fs::File::open(&file.path).map_err(told)?, std::fs::File::create(&target).map_err(told)?);
        hash.update(name(&file.path).as_bytes());
        loop {
            let read = from.read(&mut piece).map_err(told)?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
            to.write_all(&piece[..read]).map_err(told)?;
        }
        let after = std::fs::symlink_metadata(&file.path).map_err(told)?;
        still(std::slice::from_ref(file), &[of(file.path.clone(), &after, file.sibling)])?;
        if !file.sibling {
            files.push(target);
        }
    }
    Ok((files, hash.digest128()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_signs() {
        for (name, pattern, like) in [
            ("a.geojson", "*", true),
            ("a.geojson", "*.geojson", true),
            ("a.geojson.gz", "*.geojson", false),
            ("lamps-2026.csv", "lamps-*.csv", true),
            ("lamps.csv", "lamps-*.csv", false),
            ("ab", "a*b*", true),
            ("aXbYc", "a*b*c", true),
            ("aXc", "a*b*c", false),
            ("aba", "ab*ba", false),
            ("exact", "exact", true),
            ("exactly", "exact", false),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn files_on_their_way_are_left_and_a_shapefile_brings_its_siblings() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [".hidden.csv", "~lock.csv", "b.csv.part", "b.csv", "a.csv", "s.shp", "s.dbf", "t.dbf"] {
            std::fs::write(folder.path().join(name), name).expect("a file");
        }
        let names =
            |pattern: &str| look(folder.path(), pattern).expect("files").iter().map(|seen| name(&seen.path)).collect::<Vec<_>>();
        assert_eq!(names("*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names("*.shp"), ["s.dbf", "s.shp"]);
        assert!(look(folder.path(), "*.gpkg").expect_err("none").contains("no file like *.gpkg"));
        let seen = look(folder.path(), "*.shp").expect("files");
        let into = tempfile::tempdir().expect("a folder");
        let (files, hash) = copied(&seen, into.path(), 100).expect("copied");
        assert_eq!(files, [into.path().join("s.shp")]);
        assert!(into.path().join("s.dbf").exists());
        assert!(copied(&seen, into.path(), 3).is_err());
        std::fs::write(folder.path().join("s.dbf"), "other").expect("a file");
        assert!(copied(&seen, into.path(), 100).expect_err("it changed").contains("still being written"));
        let again = look(folder.path(), "*.shp").expect("files");
        assert_ne!(looks(&seen), looks(&again));
        assert_ne!(copied(&again, into.path(), 100).expect("copied").1, hash);
    }
}
