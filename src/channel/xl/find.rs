//! Where xl is on this machine.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Road, Status};

/// Where distributions and Xen's own `make install` put it. Never the caller's PATH: what is run with a root's rights is not for
/// the environment to choose.
const USUAL: [&str; 4] = ["/usr/sbin/xl", "/usr/local/sbin/xl", "/sbin/xl", "/usr/lib/xen/bin/xl"];

/// Debian keeps one toolstack for each Xen side by side, `/usr/lib/xen-4.17/bin/xl`, behind a wrapper at /usr/sbin/xl.
const VERSIONED: (&str, &str) = ("/usr/lib", "xen-");

/// The file of xl: `path`, or the first that is there.
///
/// Errors: [`Status::NoConnect`] where there is none, [`Status::AccessDenied`] where this user may not look or run it.
pub(super) fn find(path: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = path {
        return runnable(path).map(|()| path.to_owned()).map_err(|error| unusable(path, &error));
    }
    let mut refused = None;
    for candidate in USUAL.iter().map(PathBuf::from).chain(versioned(Path::new(VERSIONED.0), running_xen())) {
        match runnable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                refused.get_or_insert_with(|| unusable(&candidate, &error));
            }
        }
    }
    Err(refused.unwrap_or_else(|| {
        let message = format!(
            "there is no xl: looked at {} and {}/{}*/bin/xl; install Xen's tools (Debian: xen-utils, Fedora and SUSE: \
             xen-tools or xen-runtime), or name it with ?xl=PATH in the connection's URI",
            USUAL.join(", "),
            VERSIONED.0,
            VERSIONED.1
        );
        Error::new(Status::NoConnect, message).on(Road::Xl).with_errno(libc::ENOENT)
    }))
}

/// Whether it is a file that somebody may run.
pub(super) fn runnable(path: &Path) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if !path.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path must begin with '/'"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not executable"));
    }
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let status = match error.kind() {
        io::ErrorKind::PermissionDenied => Status::AccessDenied,
        _ => Status::NoConnect,
    };
    let message = format!("xl at {} cannot be used: {error}", path.display());
    Error { errno: error.raw_os_error(), ..Error::new(status, message).on(Road::Xl) }
}

/// The toolstacks of Debian's kind: that of the Xen that runs first, then the newest.
fn versioned(folder: &Path, running: Option<(u32, u32)>) -> Vec<PathBuf> {
    let mut found: Vec<((u32, u32), PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = read_version(name.to_str()?.strip_prefix(VERSIONED.1)?)?;
            Some((version, entry.path().join("bin/xl")))
        })
        .collect();
    found.sort_by_key(|(version, _)| (Some(*version) != running, std::cmp::Reverse(*version)));
    found.into_iter().map(|(_, path)| path).collect()
}

fn read_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The version of the Xen that this machine runs on, where the kernel tells.
fn running_xen() -> Option<(u32, u32)> {
    let part = |name: &str| {
        fs::read_to_string(format!("/sys/hypervisor/version/{name}")).ok()?.trim().parse::<u32>().ok()
    };
    Some((part("major")?, part("minor")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xenith-find-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_toolstack_of_the_running_xen_comes_first_and_then_the_newest() {
        let folder = folder("versions");
        for version in ["xen-4.9", "xen-4.17", "xen-4.14", "xen-common", "xen-x.y", "other"] {
            fs::create_dir(folder.join(version)).unwrap();
        }
        let names = |running| -> Vec<String> {
            let name = |path: PathBuf| path.iter().rev().nth(2).unwrap().to_str().unwrap().to_owned();
            versioned(&folder, running).into_iter().map(name).collect()
        };
        assert_eq!(names(None), ["xen-4.17", "xen-4.14", "xen-4.9"]);
        assert_eq!(names(Some((4, 14))), ["xen-4.14", "xen-4.17", "xen-4.9"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        let folder = folder("kinds");
        let file = folder.join("xl");
        let said = |path: &Path| {
            let error = find(Some(path)).unwrap_err();
            (error.status, error.message)
        };
        let (status, message) = said(&file);
        assert_eq!(status, Status::NoConnect);
        assert!(message.contains("No such file"), "{message}");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let (status, message) = said(&file);
        assert_eq!(status, Status::AccessDenied);
        assert!(message.contains("not executable"), "{message}");
        let (status, message) = said(&folder);
        assert_eq!(status, Status::NoConnect);
        assert!(message.contains("not a file"), "{message}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(Some(&file)).unwrap(), file);
        fs::remove_dir_all(folder).unwrap();
    }
}
