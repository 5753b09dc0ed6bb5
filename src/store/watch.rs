//! Whether a folder has changed since it was last looked at, as the kernel tells it (inotify(7)): two system calls, however many files there are.
//!
//! The kernel queues an event before the call that changes something returns, so an empty queue proves that nothing has been changed since, on file
//! systems whose changes all go through this kernel. On others, where there is no inotify, and for files that have other names elsewhere, nothing is
//! proven, and the folder is looked at.
//!
//! `unsafe` for inotify's calls and statfs, which the standard library does not offer.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::fork::Epoch;

/// Whatever changes what a look at the folder finds, and the folder's own end.
const EVENTS: u32 = libc::IN_MODIFY
    | libc::IN_ATTRIB
    | libc::IN_CLOSE_WRITE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_CREATE
    | libc::IN_DELETE
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;

/// File systems that only this machine's kernel changes (statfs(2) and linux/magic.h): ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, JFS,
/// ReiserFS, ZFS, bcachefs.
const LOCAL: [u32; 11] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0xf2f5_2010,
    0x3153_464a,
    0x5265_4973,
    0x2fc1_2fc1,
    0xca45_1a4e,
];

/// The longest batch of events that is read at once, bytes.
const BATCH: usize = 4096;

/// A folder that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// inotify's descriptor, which holds this one watch.
    events: File,
    folder: (u64, u64),
    /// A child after a fork has the same queue, and would take its parent's events.
    process: Epoch,
}

impl Watch {
    /// Begins to watch; None where that proves nothing.
    pub(super) fn begin(folder: &Path) -> Option<Watch> {
        let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
        // SAFETY: a call without pointers.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if descriptor < 0 {
            return None;
        }
        // SAFETY: the call above made the descriptor, and nothing else has it.
        let events = unsafe { File::from_raw_fd(descriptor) };
        // SAFETY: the path ends with a NUL and outlives the call.
        let watch = unsafe { libc::inotify_add_watch(events.as_raw_fd(), path.as_ptr(), EVENTS) };
        // After the watch is there, so that a folder that takes this one's place meanwhile is another one.
        let folder = identity(folder)?;
        (watch >= 0 && is_local(&path)).then(|| Watch { events, folder, process: Epoch::now() })
    }

    /// Whether nothing has changed since the last call, or since it began. Takes the events out of the queue.
    pub(super) fn is_quiet(&mut self, folder: &Path) -> bool {
        self.is_of(folder) && self.is_empty()
    }

    /// Whether it is this process's own, and of the folder that is there now.
    fn is_of(&self, folder: &Path) -> bool {
        !self.process.is_over() && identity(folder) == Some(self.folder)
    }

    fn is_empty(&mut self) -> bool {
        let mut batch = [0; BATCH];
        let mut is_empty = true;
        loop {
            match self.events.read(&mut batch) {
                Ok(length) if length > 0 => is_empty = false,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return is_empty,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
    }
}

/// The folder itself, whatever it is called.
fn identity(folder: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(folder).ok().map(|found| (found.dev(), found.ino()))
}

fn is_local(path: &CString) -> bool {
    // SAFETY: all zeroes are a value of this struct of integers.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a NUL, and both outlive the call.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut found) };
    // The numbers have 32 bits, which some machines extend with their sign.
    result == 0 && u32::try_from(found.f_type & 0xffff_ffff).is_ok_and(|kind| LOCAL.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_heard_of_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("xenith-watch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        assert!(Watch::begin(&folder).is_none(), "there is no folder yet");
        std::fs::create_dir_all(&folder).unwrap();
        let (a, b) = (folder.join("a"), folder.join("b"));
        std::fs::write(&a, "1").unwrap();
        let Some(mut watch) = Watch::begin(&folder) else {
            eprintln!("SKIPPED: {} is on a file system that is not watched", folder.display());
            return;
        };
        let mut is_heard = |what: &str, change: &dyn Fn()| {
            assert!(watch.is_quiet(&folder), "before {what}");
            change();
            assert!(!watch.is_quiet(&folder), "{what}");
        };
        is_heard("a write", &|| std::fs::write(&a, "2").unwrap());
        is_heard("a new name", &|| std::fs::rename(&a, &b).unwrap());
        is_heard("other rights", &|| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&b, mode).unwrap();
        });
        is_heard("an end", &|| std::fs::remove_file(&b).unwrap());
        is_heard("a new file", &|| std::fs::write(&a, "3").unwrap());
        // Reading is no change.
        std::fs::read(&a).unwrap();
        assert!(std::fs::read_dir(&folder).unwrap().count() == 1 && watch.is_quiet(&folder));
        // Another folder of that name is another folder.
        let away = folder.with_extension("away");
        std::fs::rename(&folder, &away).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!watch.is_quiet(&folder) && !watch.is_quiet(&folder));
        for folder in [folder, away] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
