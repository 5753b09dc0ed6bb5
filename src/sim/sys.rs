//! The system calls of the embedded host that the standard library does not offer: poll, eventfd, send without
//! SIGPIPE, connect without blocking, a thread without signals, a lock on a file, who we are, an environment that can be trusted.
//!
//! `unsafe` here: each of those calls, once.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Something to wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest<'a> {
    /// On which descriptor.
    pub(super) fd: BorrowedFd<'a>,
    /// Bytes to read, a connection to accept, or the end.
    pub(super) read: bool,
    /// Room to write.
    pub(super) write: bool,
}

/// Waits until one of `interests` is there or `timeout` is over (None: for ever); true for each that is there. Errors
/// and hang-ups of a descriptor count as there: the next read or write tells.
pub(super) fn poll(interests: &[Interest<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<libc::pollfd> = interests
        .iter()
        .map(|interest| libc::pollfd {
            fd: interest.fd.as_raw_fd(),
            events: if interest.read { libc::POLLIN } else { 0 }
                | if interest.write { libc::POLLOUT } else { 0 },
            revents: 0,
        })
        .collect();
    // Rounded up, so that a wait for a timer never ends before it and spins.
    let millis =
        timeout.map_or(-1, |wait| i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    // SAFETY: `polled` is an array of as many pollfds as the second argument says, and outlives the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(polled.iter().map(|polled| polled.revents != 0).collect())
}

/// A bell that any thread rings and one polls: an eventfd, close-on-exec and non-blocking.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        // SAFETY: no pointer is passed; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: eventfd just returned this descriptor and nobody else has it.
        Ok(Bell(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Rings. It cannot fail but when 2^64 rings were not heard.
    pub(super) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: `one` is valid for reads of eight bytes; the descriptor is open as long as `self`.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silences it.
    pub(super) fn hush(&self) {
        let mut count = [0u8; 8];
        // SAFETY: `count` is valid for writes of eight bytes; the descriptor is open as long as `self`.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }
}

/// Writes what fits now into a socket; EPIPE instead of SIGPIPE.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is valid for reads of its length; the descriptor is borrowed, so it is open.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Starts a thread that receives no signal, so that the program's handlers never run on it.
pub(super) fn spawn_without_signals(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<std::thread::JoinHandle<()>> {
    // A thread inherits the mask of the one that starts it: mask, start, unmask.
    // SAFETY: sigset_t is a plain bit set, for which zeroes are a value.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `all` is a sigset_t that this thread alone uses.
    unsafe { libc::sigfillset(&mut all) };
    // SAFETY: both sets are valid; only this thread's mask changes.
    let errno = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    // SAFETY: `before` was filled by the call above; it cannot fail with a valid set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    thread
}

/// Takes the lock on a file, if nobody has it: false where somebody has. It lasts until the file is closed.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: no pointer is passed; the descriptor is open as long as `file`.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

/// The user whose rights this process has.
pub(super) fn user() -> u32 {
    // SAFETY: no pointer is passed, and it cannot fail.
    unsafe { libc::geteuid() }
}

/// Where temporary files go: TMPDIR, unless the program has more rights than who started it, or /tmp.
pub(super) fn temp_dir() -> PathBuf {
    // SAFETY: no pointer is passed.
    let trusted = unsafe { libc::getauxval(libc::AT_SECURE) } == 0;
    let dir = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|dir| trusted && dir.is_absolute());
    dir.unwrap_or_else(|| "/tmp".into())
}

/// Connects to a unix socket without blocking: `WouldBlock` while its queue is full.
pub(super) fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: sockaddr_un is plain data, for which zeroes are a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // One byte stays zero: the end of the path.
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path of a socket has at most 107 bytes",
        ));
    }
    for (place, byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = *byte as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointer is passed; the result is checked before it is owned.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: socket just returned this descriptor and nobody else has it.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let size = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: `address` is a sockaddr_un of that size and outlives the call.
    if unsafe { libc::connect(fd, (&raw const address).cast(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stream)
}
