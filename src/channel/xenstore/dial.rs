//! Where xenstored is on this host.
//!
//! `unsafe` here: one question to the kernel about this process (`getauxval`).
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::channel::stream::{DeviceDial, UnixDial};
use crate::error::{Error, Result, Road, Status};
use crate::wire::port::Dial;

/// The daemon's sockets: XenStore's RUNDIR is /var/run/xenstored unless Xen (4.8 and later) was built otherwise.
const SOCKETS: [&str; 2] = ["/var/run/xenstored/socket", "/run/xenstored/socket"];

/// The kernel's road to it, where the daemon runs elsewhere: today's Linux, older ones.
const DEVICES: [&str; 2] = ["/dev/xen/xenbus", "/proc/xen/xenbus"];

/// Finds xenstored: at `path`, a socket or a device as the file's type says; or at `$XENSTORED_PATH`,
/// `$XENSTORED_RUNDIR/socket`, the usual sockets, the kernel's devices. The environment does not count in a set-uid program.
///
/// Errors: [`Status::NoConnect`] where nothing is found, [`Status::InvalidArg`] for a file that is neither socket nor device.
pub fn locate(path: Option<&Path>) -> Result<Arc<dyn Dial>> {
    if let Some(path) = path {
        return at(path);
    }
    if let Some(path) = environment("XENSTORED_PATH") {
        return at(Path::new(&path));
    }
    if let Some(folder) = environment("XENSTORED_RUNDIR") {
        return at(&Path::new(&folder).join("socket"));
    }
    match SOCKETS.iter().chain(&DEVICES).map(Path::new).find(|path| path.exists()) {
        Some(path) => at(path),
        None => Err(Error::new(
            Status::NoConnect,
            format!(
                "xenstored was not found: neither {} nor {} exists; is this domain 0 of a Xen host, and is \
                 xenstored running? If its socket is elsewhere, say where (xenstore=PATH in the URI, or XENSTORED_PATH)",
                SOCKETS.join(", "),
                DEVICES.join(", ")
            ),
        )
        .on(Road::Xenstore)),
    }
}

fn at(path: &Path) -> Result<Arc<dyn Dial>> {
    let shown = path.display();
    let kind = std::fs::metadata(path)
        .map_err(|error| {
            Error::from_io(Road::Xenstore, format_args!("cannot find xenstored at {shown}"), &error)
        })?
        .file_type();
    let path = PathBuf::from(path);
    if kind.is_socket() {
        Ok(Arc::new(UnixDial(path)))
    } else if kind.is_char_device() || (kind.is_file() && path.starts_with("/proc/xen")) {
        // xenfs shows its interfaces as plain files.
        Ok(Arc::new(DeviceDial(path)))
    } else {
        let message = format!("{shown} is neither xenstored's socket nor the kernel's xenbus device");
        Err(Error::new(Status::InvalidArg, message).on(Road::Xenstore))
    }
}

/// The variable's value, unless this process runs with more rights than who started it.
fn environment(name: &str) -> Option<OsString> {
    // SAFETY: no pointers.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    if secure { None } else { std::env::var_os(name).filter(|value| !value.is_empty()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_given_path_is_taken_by_its_files_type() {
        let folder = std::env::temp_dir().join(format!("xenith-dial-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(locate(Some(&socket)).unwrap().is_socket());
        assert!(!locate(Some(Path::new("/dev/null"))).unwrap().is_socket());
        let plain = folder.join("plain");
        std::fs::write(&plain, "").unwrap();
        let status = |path: &Path| locate(Some(path)).err().unwrap().status;
        assert_eq!(status(&plain), Status::InvalidArg);
        assert_eq!(status(&folder.join("missing")), Status::NoConnect);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
