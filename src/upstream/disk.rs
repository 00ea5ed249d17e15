//! What others answered, kept in a folder over restarts: a file each, up to a number of bytes, the oldest goes first. The folder is nothing
//! but a copy: it may be emptied at any time, and what cannot be read or written is as if it were not there.

use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A source, and what is asked of it.
pub type Key = (u64, u64);

#[derive(Debug, Default)]
struct State {
    files: HashMap<Key, (u64, SystemTime)>,
    order: BTreeSet<(SystemTime, Key)>,
    bytes: u64,
}

impl State {
    fn remove(&mut self, key: Key) {
        if let Some((size, at)) = self.files.remove(&key) {
            self.order.remove(&(at, key));
            self.bytes -= size;
        }
    }

    fn insert(&mut self, key: Key, size: u64, at: SystemTime) {
        self.remove(key);
        self.files.insert(key, (size, at));
        self.order.insert((at, key));
        self.bytes += size;
    }
}

/// The folder.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    most: u64,
    state: Mutex<State>,
}

const ENDING: &str = ".tile";
const UNFINISHED: &str = ".part";

impl Disk {
    /// Makes the folder if it is not there, and sees what is in it.
    pub fn open(folder: &Path, most: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut state = State::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.ends_with(UNFINISHED) && key_of(name, UNFINISHED).is_some() {
                // A run before broke off.
                let _ = fs::remove_file(entry.path());
            }
            let Some(key) = key_of(name, ENDING) else { continue };
            let about = entry.metadata()?;
            state.insert(key, about.len(), about.modified()?);
        }
        let disk = Self { folder: folder.to_owned(), most, state: Mutex::new(state) };
        disk.fit();
        Ok(disk)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, (source, what): Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{source:016x}-{what:016x}{ending}"))
    }

    /// An answer and how old it is. Reads from the disk: not for a task that others wait for.
    pub fn get(&self, key: Key) -> Option<(Bytes, Duration)> {
        let at = self.state().files.get(&key)?.1;
        match fs::read(self.path(key, ENDING)) {
            // A clock that was set back makes it new.
            Ok(bytes) => Some((bytes.into(), at.elapsed().unwrap_or_default())),
            Err(_) => {
                self.state().remove(key);
                None
            }
        }
    }

    /// Keeps an answer in place of the one before. Writes to the disk.
    pub fn put(&self, key: Key, bytes: &[u8]) {
        if bytes.len() as u64 > self.most {
            return;
        }
        let (unfinished, path) = (self.path(key, UNFINISHED), self.path(key, ENDING));
        let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
        let at = written.and_then(|()| fs::metadata(&path)?.modified());
        match at {
            Ok(at) => self.state().insert(key, bytes.len() as u64, at),
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                tracing::warn!(%error, "a tile cannot be kept on the disk");
            }
        }
        self.fit();
    }

    /// Removes the oldest until the rest fits.
    fn fit(&self) {
        loop {
            let mut state = self.state();
            if state.bytes <= self.most {
                return;
            }
            let Some((_, oldest)) = state.order.first().copied() else { return };
            state.remove(oldest);
            drop(state);
            let _ = fs::remove_file(self.path(oldest, ENDING));
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }
}

/// The key in a name of ours.
fn key_of(name: &str, ending: &str) -> Option<Key> {
    let (source, what) = name.strip_suffix(ending)?.split_once('-')?;
    let number = |text: &str| (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    Some((number(source)?, number(what)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_outlive_the_run_within_the_bound_and_strangers_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tiles");
        let disk = Disk::open(&path, 250).expect("a folder");
        for what in 0..3 {
            disk.put((7, what), &[what as u8; 100]);
            // Files of one instant have no order.
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!((disk.get((7, 0)), disk.bytes()), (None, 200), "the oldest went");
        disk.put((7, 9), &[0; 300]);
        assert_eq!(disk.get((7, 9)), None, "larger than all there is");
        fs::write(path.join("notes.txt"), "mine").expect("a file");
        fs::write(path.join(format!("{:016x}-{:016x}.part", 7, 1)), "half").expect("a file");
        let again = Disk::open(&path, 150).expect("a folder");
        assert_eq!(again.get((7, 2)).map(|(bytes, _)| bytes), Some(Bytes::from(vec![2; 100])));
        assert_eq!((again.get((7, 1)), again.bytes()), (None, 100), "a smaller bound is kept at once");
        assert!(path.join("notes.txt").exists());
        assert!(!path.join(format!("{:016x}-{:016x}.part", 7, 1)).exists());
        fs::remove_file(path.join(format!("{:016x}-{:016x}.tile", 7, 2))).expect("removed by hand");
        assert_eq!((again.get((7, 2)), again.bytes()), (None, 0), "as if it had never been there");
    }
}
