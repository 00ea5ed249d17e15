//! Files that are there under their name only when they are complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// `path` with something at its end.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A file under another name, removed when it is dropped.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    to: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// A name beside `to`. What an earlier try left there goes.
    pub fn new(to: &Path) -> io::Result<Self> {
        let path = beside(to, ".part");
        remove(&path)?;
        Ok(Self { path, to: to.to_owned(), finished: false })
    }

    /// The name until it is finished.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable under its own name; one that was there is replaced.
    pub fn finish(mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::rename(&self.path, &self.to)?;
        self.finished = true;
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "an unfinished file stays behind");
        }
    }
}

/// A file for what is put together later; removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Opened for reading and writing.
    pub file: File,
}

impl Scratch {
    /// A new file beside `path`.
    pub fn new(path: &Path, ending: &str) -> io::Result<Self> {
        let path = beside(path, ending);
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a file that is not needed any more stays behind");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
