//! Files without a name: what xl reads its configuration from and writes its words to.
//!
//! `unsafe` here: memfd_create, which the standard library does not offer, and the seals.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{c_long, c_uint};

/// memfd_create(2), Linux 3.17.
const CLOEXEC: c_uint = 1;
const ALLOW_SEALING: c_uint = 2;
/// Linux 6.3, which notes in its log when it is missing.
const NOEXEC_SEAL: c_uint = 8;

/// Where a file is made that loses its name at once, on kernels without memfd_create: a folder in memory first.
const FOLDERS: [&str; 2] = ["/run", "/tmp"];

/// An empty file, readable and writable through its descriptor only.
pub(super) fn file() -> io::Result<File> {
    memory_file().or_else(|_| unnamed_file())
}

/// A file that holds `content`. Where the kernel can, nobody changes it any more.
pub(super) fn holding(content: &[u8]) -> io::Result<File> {
    let mut file = file()?;
    file.write_all(content)?;
    file.seek(SeekFrom::Start(0))?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: no pointers. A file that is not in memory refuses, and stays readable by this user alone.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    Ok(file)
}

/// The first `limit` bytes.
pub(super) fn content(file: &mut File, limit: usize) -> io::Result<Vec<u8>> {
    // The place in the file is shared with whoever writes to it, who has ended.
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn memory_file() -> io::Result<File> {
    let mut last = io::Error::from_raw_os_error(libc::ENOSYS);
    for flags in [CLOEXEC | NOEXEC_SEAL, CLOEXEC | ALLOW_SEALING] {
        // By number: the C library has had a function for it only since 2018.
        // SAFETY: the name is a C string that outlives the call.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_create, c"xenith".as_ptr(), flags as c_long) };
        if fd >= 0 {
            // SAFETY: the kernel just returned this descriptor and nobody else has it.
            return Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd as i32) }));
        }
        last = io::Error::last_os_error();
    }
    Err(last)
}

fn unnamed_file() -> io::Result<File> {
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for folder in FOLDERS {
        match unnamed_in(folder) {
            Ok(file) => return Ok(file),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unnamed_in(folder: &str) -> io::Result<File> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut how = OpenOptions::new();
    how.read(true).write(true).mode(0o600);
    // Linux 3.11, and not every file system.
    if let Ok(file) = how.clone().custom_flags(libc::O_TMPFILE).open(folder) {
        return Ok(file);
    }
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let path = format!("{folder}/.xenith-{}-{made}", std::process::id());
    // A file that is there already, left or laid by somebody else, is not taken.
    let file = how.create_new(true).custom_flags(libc::O_NOFOLLOW).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_configuration_cannot_be_changed_once_it_is_handed_over() {
        let mut file = holding(b"name = \"a\"").unwrap();
        assert_eq!(content(&mut file, 100).unwrap(), b"name = \"a\"");
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn without_files_in_memory_an_unnamed_one_serves() {
        for folder in FOLDERS {
            let Ok(mut file) = unnamed_in(folder) else {
                assert_ne!(folder, "/tmp");
                continue;
            };
            file.write_all(b"words").unwrap();
            assert_eq!(content(&mut file, 3).unwrap(), b"wor");
            let metadata = file.metadata().unwrap();
            assert!(metadata.is_file());
            assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
        }
    }
}
