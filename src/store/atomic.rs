//! Replacing a file so that a crash, a full disk or a killed process leaves the old one or the new one.
//!
//! `unsafe` for renameat2, which the standard library does not offer: one call.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::model::Uuid;

/// How the names of files begin that are being written. They are dotfiles, so no domains.
const BEGINNING: &str = ".xenith.";
/// The permission bits, with those for other user's rights.
const MODE: u32 = 0o7777;

/// What is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A domain's file.
    Config,
    /// Its sidecar.
    Sidecar,
}

impl Part {
    /// The end of the name that it is written under.
    fn end(self) -> &'static str {
        match self {
            Part::Config => ".cfg.new",
            Part::Sidecar => ".xml.new",
        }
    }
}

/// A file that has been written beside the one it is to replace, and synced. Removed again when it is dropped.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    is_moved: bool,
}

impl Beside {
    /// Writes `bytes` into a new file in `folder`, a part of the domain `uuid`, by the holder of the store's lock. It has the owner and mode of
    /// `like`, or is readable by its owner only.
    pub(super) fn write(
        folder: &Path,
        (uuid, part): (Uuid, Part),
        bytes: &[u8],
        like: Option<&Metadata>,
    ) -> io::Result<Beside> {
        let path = folder.join(format!("{BEGINNING}{}{}", uuid.simple(), part.end()));
        // What stands there was left by a writer that was killed, since the lock is ours.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
        let beside = Beside { path, is_moved: false };
        file.write_all(bytes)?;
        if let Some(like) = like {
            let ours = file.metadata()?;
            if (ours.uid(), ours.gid()) != (like.uid(), like.gid()) {
                fchown(&file, Some(like.uid()), Some(like.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(like.mode() & MODE))?;
        }
        file.sync_all()?;
        Ok(beside)
    }

    /// Puts it in the place of `target`, in the same folder.
    pub(super) fn replace(mut self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)?;
        self.is_moved = true;
        Ok(())
    }

    /// Gives it the name `target`, which nothing may have yet (`AlreadyExists`).
    pub(super) fn become_new(mut self, target: &Path) -> io::Result<()> {
        rename_new(&self.path, target)?;
        self.is_moved = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_moved {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What killed writers left in the folder: whose part it was to be, and where it is. Its lock is held, so nobody is writing there.
pub(super) fn left(folder: &Path) -> Vec<(Uuid, Part, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let left = files.filter_map(|entry| {
        let name = entry.file_name();
        let (uuid, end) = name.to_str()?.strip_prefix(BEGINNING)?.split_at_checked(32)?;
        let part = [Part::Config, Part::Sidecar].into_iter().find(|part| part.end() == end)?;
        Some((Uuid::try_parse(uuid).ok()?, part, entry.path()))
    });
    left.collect()
}

/// Renames a file; where there is one of the new name already nothing happens but `AlreadyExists`.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let path = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (old, new) = (path(from)?, path(to)?);
    // The system call itself: C libraries have a function for it since 2018 only.
    // SAFETY: both are strings that end with a NUL and outlive the call, which keeps neither; the rest are numbers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // A kernel before 3.15, or a file system that cannot: then only xenith's own writers are kept from a race.
        Some(libc::ENOSYS | libc::EINVAL) => match std::fs::symlink_metadata(to) {
            Ok(_) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
            Err(error) => Err(error),
        },
        _ => Err(error),
    }
}

/// Makes what happened to a folder's names last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems do not sync folders, and say so: they have no way to do better.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP | libc::EBADF)) => {
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xenith-atomic-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_new_file_is_private_and_replaces_nothing() {
        let folder = scratch("new");
        let target = folder.join("a.cfg");
        let write = |text: &str| {
            Beside::write(&folder, (Uuid::from_u128(1), Part::Config), text.as_bytes(), None).unwrap()
        };
        write("one").become_new(&target).unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().mode() & MODE, 0o600);
        let error = write("two").become_new(&target).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "one");
        write("two").replace(&target).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "two");
        assert_eq!(names(&folder), ["a.cfg"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_killed_writers_left_is_found_and_nothing_else() {
        let folder = scratch("clean");
        std::mem::forget(Beside::write(&folder, (Uuid::from_u128(1), Part::Config), b"half", None).unwrap());
        for other in [".xenith.lock", ".xenith.notes.cfg.new", "a.cfg", ".a.cfg.new"] {
            std::fs::write(folder.join(other), "").unwrap();
        }
        // A left file does not keep the next writer of the same domain from writing either.
        drop(Beside::write(&folder, (Uuid::from_u128(1), Part::Config), b"again", None).unwrap());
        std::mem::forget(Beside::write(&folder, (Uuid::from_u128(2), Part::Sidecar), b"half", None).unwrap());
        let mut found: Vec<_> =
            left(&folder).into_iter().map(|(uuid, part, _)| (uuid.as_u128(), part)).collect();
        found.sort_by_key(|(uuid, _)| *uuid);
        // The first one's second writer took it away.
        assert_eq!(found, [(2, Part::Sidecar)]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
