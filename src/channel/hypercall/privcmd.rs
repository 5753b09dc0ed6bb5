//! The kernel's door to the hypervisor: an ioctl on the privcmd device that passes a hypercall through.
//!
//! `unsafe` here: that ioctl.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::arena::Pages;
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::wire::port::{Hypercall, Memory};

/// The device, in the kernel since Linux 3.3; before that, and without udev, xenfs has it.
const DEVICES: [&str; 2] = ["/dev/xen/privcmd", "/proc/xen/privcmd"];

/// What this kernel may control: `control_d` in dom0.
const CAPABILITIES: &str = "/proc/xen/capabilities";

/// How long opening the device may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// IOCTL_PRIVCMD_HYPERCALL (linux/include/uapi/xen/privcmd.h): `_IOC(_IOC_NONE, 'P', 0, 48)`.
const IOCTL_HYPERCALL: libc::Ioctl = 0x0030_5000;

/// `struct privcmd_hypercall`.
#[repr(C)]
struct Request {
    op: u64,
    args: [u64; 5],
}

/// An open privcmd device.
#[derive(Debug)]
pub(super) struct Privcmd {
    device: File,
    path: PathBuf,
}

impl Privcmd {
    /// Opens `path`, or the first of the usual devices that is there.
    pub(super) fn open(path: Option<&Path>, log: &Log) -> Result<Self> {
        let candidates: Vec<PathBuf> = match path {
            Some(path) => vec![path.into()],
            None => DEVICES.iter().map(PathBuf::from).collect(),
        };
        let mut missing: Option<(PathBuf, io::Error)> = None;
        for path in candidates {
            match open_in_time(&path) {
                Ok(device) => {
                    log.say(Level::Info, format_args!("hypercalls through {}", path.display()));
                    return Ok(Privcmd { device, path });
                }
                Err(error) if is_missing(&error) => {
                    missing.get_or_insert((path, error));
                }
                Err(error) => return Err(cannot_open(&path, &error)),
            }
        }
        // The first one is the one to expect.
        Err(missing.map_or_else(
            || Error::new(Status::Internal, "no privcmd device to try").on(Road::Hypercall),
            |(path, error)| cannot_open(&path, &error),
        ))
    }
}

impl Privcmd {
    /// Where its requests should live: the kernel's own buffers, whose device stands beside this one (/dev/xen/hypercall) from Linux 4.18
    /// on; else locked memory.
    pub(super) fn pages(&self, log: &Log) -> Pages {
        let path = self.path.with_file_name("hypercall");
        match open_device(&path) {
            Ok(device) => {
                log.say(Level::Info, format_args!("buffers for hypercalls from {}", path.display()));
                Pages::Kernel(Arc::new(device))
            }
            Err(error) => {
                log.say(
                    Level::Info,
                    format_args!("buffers for hypercalls in locked memory: {}: {error}", path.display()),
                );
                Pages::Locked
            }
        }
    }
}

impl Hypercall for Privcmd {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        let mut request = Request { op, args };
        // Xen reads and writes the memory behind the compiler's back.
        std::hint::black_box(memory.bytes().as_mut_ptr());
        // SAFETY: `request` is the structure that this ioctl reads. The addresses in it and in the request proper lie in `memory`, which
        // is borrowed for the whole call, so whatever Xen writes there it writes into memory that is ours to lend. A device that is
        // not privcmd refuses the ioctl.
        let result = unsafe { libc::ioctl(self.device.as_raw_fd(), IOCTL_HYPERCALL, &raw mut request) };
        std::hint::black_box(memory.bytes().as_mut_ptr());
        if result >= 0 {
            return Ok(result.into());
        }
        Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(path)
}

/// Opens the device. Kernels of 2026 (XSA-482) let a guest that opens it wait until its xenstore is there, which may be never: where the
/// kernel does not say that it is dom0's, a thread waits in our place, and one at most.
fn open_in_time(path: &Path) -> io::Result<File> {
    if std::fs::read(CAPABILITIES).is_ok_and(|told| told.windows(9).any(|word| word == b"control_d")) {
        return open_device(path);
    }
    static WAITING: AtomicBool = AtomicBool::new(false);
    let device = path.to_owned();
    in_time(&WAITING, PATIENCE, move || open_device(&device))
}

/// What `open` gives, run by a thread, or that it took too long. `waiting` is set while a thread runs it: there is one at a time.
fn in_time(
    waiting: &'static AtomicBool,
    patience: Duration,
    open: impl FnOnce() -> io::Result<File> + Send + 'static,
) -> io::Result<File> {
    let end = Instant::now() + patience;
    while waiting.swap(true, Ordering::AcqRel) {
        if Instant::now() >= end {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // Not a channel of std's: waiting on one leaves something behind in the caller's thread for as long as that lives.
    let opened = Arc::new((Mutex::new(None), Condvar::new()));
    let done = opened.clone();
    let waiter = std::thread::Builder::new().name("xenith-privcmd".into()).spawn(move || {
        let result = open();
        waiting.store(false, Ordering::Release);
        *done.0.lock() = Some(result);
        done.1.notify_one();
    });
    let waiter = match waiter {
        Ok(waiter) => waiter,
        Err(error) => {
            waiting.store(false, Ordering::Release);
            return Err(error);
        }
    };
    let mut result = opened.0.lock();
    opened.1.wait_while_until(&mut result, |result| result.is_none(), end);
    match result.take() {
        Some(result) => {
            // It ends now. (Its panic, if any, came before the answer.)
            let _ = waiter.join();
            result
        }
        None => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENXIO | libc::ENODEV))
}

fn cannot_open(path: &Path, error: &io::Error) -> Error {
    let (status, advice) = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            (Status::AccessDenied, "run as root, or get the right to open it")
        }
        _ if is_missing(error) => (
            Status::NoConnect,
            "is this a Xen dom0? If it is, load the module xen-privcmd (or mount xenfs on /proc/xen)",
        ),
        Some(libc::ETIMEDOUT) => {
            (Status::NoConnect, "the kernel of a guest waits there for its xenstore: is this a Xen dom0?")
        }
        _ => (Status::NoConnect, "is this a Xen dom0?"),
    };
    let message = format!("cannot open {}: {error}; {advice}", path.display());
    Error { errno: error.raw_os_error(), ..Error::new(status, message).on(Road::Hypercall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_xen_is_told_what_is_missing() {
        let error = Privcmd::open(Some(Path::new("/nonexistent/privcmd")), &Log::default()).unwrap_err();
        assert_eq!(
            (error.status, error.road, error.errno),
            (Status::NoConnect, Road::Hypercall, Some(libc::ENOENT))
        );
        assert!(error.message.contains("/nonexistent/privcmd") && error.message.contains("dom0"), "{error}");
    }

    #[test]
    fn a_device_whose_opening_hangs_is_given_up_and_tried_again_when_it_no_longer_does() {
        static WAITING: AtomicBool = AtomicBool::new(false);
        let short = Duration::from_millis(30);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let hangs = move || {
            let _ = held.recv();
            File::open("/dev/null")
        };
        let error = in_time(&WAITING, short, hangs).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
        // No second thread waits meanwhile.
        let error = in_time(&WAITING, short, || panic!("opened twice")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
        drop(release);
        assert!(in_time(&WAITING, Duration::from_secs(60), || File::open("/dev/null")).is_ok());

        let error =
            cannot_open(Path::new("/dev/xen/privcmd"), &io::Error::from_raw_os_error(libc::ETIMEDOUT));
        assert_eq!(error.status, Status::NoConnect);
        assert!(error.message.contains("waits there for its xenstore"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_device_refuses_the_call() {
        let privcmd = Privcmd::open(Some(Path::new("/dev/null")), &Log::default()).unwrap();
        let mut bytes = [0; 64];
        let answer = privcmd.call(17, [0; 5], &mut Memory::new(0x1000, &mut bytes));
        assert_eq!(answer, Err(libc::ENOTTY));
    }
}
