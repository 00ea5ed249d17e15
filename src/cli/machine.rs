//! What the system under the program allows and has: open files, disks, kinds of file systems.

use crate::domain::secret::Secret;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Raises the number of files that this process may have open as far as it may; what it is then. `None`: the system does not tell.
#[cfg(unix)]
pub(super) fn raise_open_files() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(MOST_FILES, |most| most.min(MOST_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let before = limit;
        limit.current = Some(wanted);
        if setrlimit(Resource::Nofile, limit).is_err() {
            return before.current;
        }
    }
    limit.current
}

#[cfg(not(unix))]
pub(super) fn raise_open_files() -> Option<u64> {
    None
}

/// Enough for all connections that one process would have.
#[cfg(unix)]
const MOST_FILES: u64 = 1 << 17;

/// The disk that a path is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    /// Bytes that are left for us.
    pub(super) free: u64,
    /// What the file system is called, and whether it lies on another machine.
    pub(super) kind: Option<(&'static str, bool)>,
}

/// Kinds by the numbers of statfs(2), and whether other machines hold the files: there the locks and the shared memory that SQLite's log
/// needs do not work (sqlite.org/wal.html).
#[cfg(target_os = "linux")]
const KINDS: [(u64, &str, bool); 16] = [
    (0xEF53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683E, "btrfs", false),
    (0x2FC1_2FC1, "zfs", false),
    (0x0102_1994, "tmpfs", false),
    (0x794C_7630, "overlay", false),
    (0xF2F5_2010, "f2fs", false),
    (0x6969, "nfs", true),
    (0x517B, "smb", true),
    (0xFF53_4D42, "cifs", true),
    (0xFE53_4D42, "smb2", true),
    (0x0102_1997, "9p", true),
    (0x00C3_6400, "ceph", true),
    (0x0BD0_0BD0, "lustre", true),
    (0x0116_1970, "gfs2", true),
    (0x6573_5546, "fuse", true),
];

#[cfg(target_os = "linux")]
pub(super) fn disk(path: &Path) -> std::io::Result<Disk> {
    let known = rustix::fs::statfs(path)?;
    let free = (known.f_bavail as u64).saturating_mul(known.f_bsize as u64);
    let number = known.f_type as u64 & 0xFFFF_FFFF;
    Ok(Disk { free, kind: KINDS.iter().find(|(of, _, _)| *of == number).map(|(_, name, remote)| (*name, *remote)) })
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn disk(path: &Path) -> std::io::Result<Disk> {
    let known = rustix::fs::statvfs(path)?;
    Ok(Disk { free: known.f_bavail.saturating_mul(known.f_frsize), kind: None })
}

#[cfg(not(unix))]
pub(super) fn disk(_: &Path) -> std::io::Result<Disk> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

/// Whether others than the owner read a file; `None`: the system has no such thing.
#[cfg(unix)]
pub(super) fn mode(path: &Path) -> std::io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    Ok(Some(std::fs::metadata(path)?.permissions().mode() & 0o777))
}

#[cfg(not(unix))]
pub(super) fn mode(path: &Path) -> std::io::Result<Option<u32>> {
    std::fs::metadata(path).map(|_| None)
}

/// A folder in `base` that only this process has, and the lock beside it that says so. Folders whose processes ended are removed.
pub(super) fn folder_of_ones_own(base: &Path) -> std::io::Result<(PathBuf, File)> {
    std::fs::create_dir_all(base)?;
    for entry in std::fs::read_dir(base)?.flatten() {
        let lock = entry.path();
        let ended = || File::options().write(true).open(&lock).is_ok_and(|file| file.try_lock().is_ok());
        if lock.extension().is_some_and(|extension| extension == "lock") && ended() {
            let _ = std::fs::remove_dir_all(lock.with_extension(""));
            let _ = std::fs::remove_file(lock);
        }
    }
    let name = Secret::random().map_err(std::io::Error::other)?.digest().to_string();
    let folder = base.join(&name[..16]);
    let lock = File::create_new(folder.with_extension("lock"))?;
    lock.try_lock().map_err(std::io::Error::other)?;
    Ok((folder, lock))
}

/// Writes a file under its name in one step; `own`: nobody but its owner reads it.
pub(super) fn write_whole(path: &Path, text: &str, own: bool) -> std::io::Result<()> {
    use std::io::Write;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let _ = std::fs::remove_file(&unfinished);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if own { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = own;
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_folder_of_its_own_and_those_of_the_ended_go() {
        let base = tempfile::tempdir().expect("a folder");
        let base = base.path().join("uploads");
        let (first, held) = folder_of_ones_own(&base).expect("a folder");
        std::fs::create_dir(&first).expect("a folder");
        let (second, _held) = folder_of_ones_own(&base).expect("a folder");
        assert!(first != second && first.exists(), "one that is in use stays");
        drop(held);
        let (_third, _also_held) = folder_of_ones_own(&base).expect("a folder");
        assert!(!first.exists() && !first.with_extension("lock").exists());
    }
}
