//! Reading one file without trusting that it is one: bounded, never blocking, and recognised when it has not changed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How old a file's last change must be for its time stamps to tell the next one apart: file systems count in ticks of a kernel
/// clock, the oldest of them in whole seconds.
const TICK: Duration = Duration::from_secs(2);

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    /// How many names it has.
    names: u64,
    size: u64,
    /// Seconds and nanoseconds of the content's last change as the file says it, which users can set.
    modified: (i64, i64),
    /// Of its last change of any kind, which only the kernel sets.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            names: file.nlink(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// The file itself, whatever it is called and holds.
    pub(super) fn inode(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// It has no other name, here or elsewhere.
    pub(super) fn is_alone(&self) -> bool {
        self.names == 1
    }

    /// Orders files by age: the greater is the newer.
    pub(super) fn age(&self) -> impl Ord + use<> {
        (self.modified, self.changed)
    }

    /// Whether a change after `now` is sure to give other stamps.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else { return false };
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        now.checked_sub(TICK).is_some_and(|limit| changed < limit.as_secs())
    }
}

/// Opens a regular file for reading, and its metadata. What is none is not opened, or closed again at once: a named pipe never blocks, a device is
/// not touched. Links are followed.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Before it is opened, because to open some devices is to use them.
    let regular = |file: &Metadata| {
        if file.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
    };
    regular(&std::fs::metadata(path)?)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    regular(&found)?;
    Ok((file, found))
}

/// The content of a regular file of at most `longest` bytes, and what it was like before it was read.
pub(super) fn read(path: &Path, longest: usize) -> io::Result<(Vec<u8>, Stamp)> {
    let (file, found) = open(path)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > longest {
        return Err(io::Error::other(format!("it has more than {longest} bytes")));
    }
    Ok((bytes, Stamp::of(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_the_right_size_is_refused_at_once() {
        let refused = |path: &str| read(Path::new(path), 10).unwrap_err().to_string();
        assert_eq!(refused("/dev/zero"), "not a regular file");
        assert_eq!(refused("/"), "not a regular file");
        assert_eq!(refused("/proc/self/maps"), "it has more than 10 bytes");
        assert_eq!(read(Path::new("/no/such"), 10).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_change_of_a_moment_ago_is_not_settled() {
        let stamp = Stamp { device: 1, inode: 1, names: 1, size: 1, modified: (0, 0), changed: (1000, 999) };
        let at = |seconds| stamp.is_settled(UNIX_EPOCH + Duration::from_secs(seconds));
        assert!(!at(10) && !at(1000) && !at(1002));
        assert!(at(1003));
    }
}
