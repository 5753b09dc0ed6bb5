//! Which domains start with the host: the links in the folder `auto`, each of which the xendomains service starts.
//!
//! That is where the service looks unless XENDOMAINS_AUTO in /etc/default/xendomains (or /etc/sysconfig/xendomains) says otherwise. These files are
//! programs of the shell, and not read here.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::{MAX_FILES, atomic, fault};
use crate::error::{Error, Result, Road, Status};

/// The folder's name within the store's.
const AUTO: &str = "auto";

/// The links that start the file `file_name` of `folder`: what in `auto` leads to that file, whatever it is called and however its target is
/// written, and links that would lead to it if it were there.
pub(super) fn links(folder: &Path, file_name: &OsStr) -> Result<Vec<PathBuf>> {
    let auto = folder.join(AUTO);
    let cannot_read = |error: &io::Error| fault(format_args!("cannot read {}", auto.display()), error);
    let entries = match std::fs::read_dir(&auto) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot_read(&error)),
    };
    let here = folder.canonicalize().map_err(|error| cannot_read(&error))?;
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let file = inode(&folder.join(file_name));
    let mut links = Vec::new();
    for (count, entry) in entries.enumerate() {
        if count == MAX_FILES {
            let message = format!("{} holds more than {MAX_FILES} files", auto.display());
            return Err(Error::new(Status::OperationFailed, message).on(Road::Store));
        }
        let path = entry.map_err(|error| cannot_read(&error))?.path();
        let leads_there = file.is_some() && inode(&path) == file;
        if leads_there || names_it(&auto, &path, &here, file_name) {
            links.push(path);
        }
    }
    links.sort();
    Ok(links)
}

/// Whether the target that is written in a link is that file of that (canonical) folder.
fn names_it(auto: &Path, link: &Path, folder: &Path, file_name: &OsStr) -> bool {
    let Ok(target) = std::fs::read_link(link) else { return false };
    let target = auto.join(target);
    let its_folder = target.parent().and_then(|parent| parent.canonicalize().ok());
    target.file_name() == Some(file_name) && its_folder.as_deref() == Some(folder)
}

/// Makes a link to the file, under the first of `names` that is free. Made before the file is there, it leads nowhere until then.
pub(super) fn add(folder: &Path, file_name: &OsStr, names: &[String]) -> Result<()> {
    let auto = folder.join(AUTO);
    let cannot =
        |path: &Path, error: &io::Error| fault(format_args!("cannot make {}", path.display()), error);
    match DirBuilder::new().mode(0o755).create(&auto) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(&auto, &error)),
        _ => {}
    }
    let target = std::path::absolute(folder.join(file_name)).map_err(|error| cannot(&auto, &error))?;
    let own_name = auto.join(file_name);
    let others = names.iter().map(|name| auto.join(name));
    for link in [own_name].into_iter().chain(others) {
        match symlink(&target, &link) {
            Ok(()) => return sync(&auto),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot(&link, &error)),
        }
    }
    let message = format!(
        "{} holds other things of all names that a link to {} can have: remove one",
        auto.display(),
        target.display()
    );
    Err(Error::new(Status::Exists, message).on(Road::Store))
}

/// Removes links that [`links`] found.
pub(super) fn remove(links: &[PathBuf]) -> Result<()> {
    for link in links {
        match std::fs::remove_file(link) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(fault(format_args!("cannot remove {}", link.display()), &error));
            }
            _ => {}
        }
    }
    match links.first().and_then(|link| link.parent()) {
        Some(auto) => sync(auto),
        None => Ok(()),
    }
}

fn sync(auto: &Path) -> Result<()> {
    atomic::sync_folder(auto).map_err(|error| fault(format_args!("cannot sync {}", auto.display()), &error))
}
