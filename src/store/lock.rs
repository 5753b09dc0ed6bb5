//! The one lock that all writers of a folder hold, in all processes: flock on a file in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};

/// Its name; a dotfile, which is no domain.
const FILE_NAME: &str = ".xenith.lock";
/// How long to wait before asking again: flock has no deadline of its own, and a write takes milliseconds.
const PAUSE: Duration = Duration::from_millis(5);

/// The lock, while it is held. The kernel frees the lock of a process that dies.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for it, at most until the deadline.
    pub(super) fn take(folder: &Path, deadline: Deadline) -> Result<Lock> {
        let path = folder.join(FILE_NAME);
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                // Somebody may have removed the file meanwhile: then others hold another one.
                Ok(()) if is_at(&file, &path) => return Ok(Lock(file)),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(fault(format_args!("cannot lock {}", path.display()), &error));
                }
            }
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(late(&path));
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, unless the caller forked meanwhile: the child has the descriptor as well.
        let _ = self.0.unlock();
    }
}

fn open(path: &PathBuf) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path).map_err(|error| fault(format_args!("cannot open {}", path.display()), &error))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn late(path: &Path) -> Error {
    let message = format!(
        "another program has been changing domain files all the while: it holds the lock {} (fuser shows who)",
        path.display()
    );
    Error::new(Status::Timeout, message).on(Road::Store)
}
