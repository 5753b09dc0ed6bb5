//! A file that only its owner can read. One that is replaced is there all the while.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Road, Status};

/// Writes `bytes` into a new file at `path`, or with `replace` in the place of one that is there.
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(
            Status::Exists,
            format!("{} is there already: name another file, or say that it may be replaced", path.display()),
        ),
        _ => Error::from_io(Road::None, format_args!("cannot write {}", path.display()), &error),
    };
    let name = path.file_name().ok_or_else(|| {
        Error::invalid_arg(format!("'{}' names no file to write the capture into", path.display()))
    })?;
    if !replace {
        let mut unfinished = New::create(path).map_err(failed)?;
        return unfinished.fill(bytes).map_err(failed);
    }
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let mut unfinished = New::create(&beside).map_err(failed)?;
    unfinished.fill(bytes).and_then(|()| fs::rename(&beside, path)).map_err(failed)
}

/// A file that is being written. It is removed again unless that succeeds.
struct New {
    path: PathBuf,
    file: File,
    is_whole: bool,
}

impl New {
    fn create(path: &Path) -> io::Result<New> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(New { path: path.to_owned(), file, is_whole: false })
    }

    fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_all()?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_its_owners_and_is_not_overwritten_unasked() {
        let folder = std::env::temp_dir().join(format!("xenith-capture-file-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("capture.jsonl");
        write(&path, b"one", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = write(&path, b"two", false).unwrap_err();
        assert_eq!(error.status, Status::Exists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Not through a link either, and nothing is left beside it.
        let link = folder.join("link");
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        assert_eq!(write(&link, b"x", false).unwrap_err().status, Status::Exists);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert_eq!(write(Path::new("/"), b"x", false).unwrap_err().status, Status::InvalidArg);
        assert!(write(&folder.join("none/x"), b"x", false).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
