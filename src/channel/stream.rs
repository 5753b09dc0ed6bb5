//! A connected stream with a deadline on each wait: what the xenstore and xend channels read and write.
//!
//! `unsafe` here: the few system calls that the standard library does not offer (poll, send without SIGPIPE, shutdown).
#![allow(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::deadline::Deadline;
use crate::wire::port::Dial;

/// A descriptor that answers reads and writes, never blocks past a deadline and never raises SIGPIPE.
#[derive(Debug)]
pub struct Stream {
    fd: OwnedFd,
    is_socket: bool,
    /// The process that dialled.
    pid: u32,
}

impl Drop for Stream {
    /// A forked child may hold a copy of the socket for as long as it lives: closing this one alone would leave the daemon with a
    /// client that has watches and reads nothing. The child's copy is only closed: the conversation is its parent's.
    fn drop(&mut self) {
        if self.is_socket && self.pid == std::process::id() {
            // SAFETY: no pointers, and the descriptor is open. Fails where the far side has closed already.
            unsafe { libc::shutdown(self.fd.as_raw_fd(), libc::SHUT_RDWR) };
        }
    }
}

impl Stream {
    /// Dials.
    pub fn connect(dial: &dyn Dial, deadline: Deadline) -> io::Result<Self> {
        Ok(Stream { fd: dial.dial(deadline)?, is_socket: dial.is_socket(), pid: std::process::id() })
    }

    /// What is there now; `WouldBlock` when nothing is, 0 at the end of the stream.
    pub fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry_interrupted(|| {
            // SAFETY: `buffer` is valid for writes of its length, and the descriptor is open for as long as `self`.
            unsafe { libc::read(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }
        })
    }

    /// Waits for bytes until the deadline, then reads what is there. 0 is the end of the stream.
    pub fn read(&self, buffer: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        loop {
            match self.read_now(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(libc::POLLIN, deadline)?
                }
                done => return done,
            }
        }
    }

    /// Writes everything, or fails.
    pub fn write_all(&self, mut bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_now(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(libc::POLLOUT, deadline)?
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what fits now.
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        retry_interrupted(|| {
            let (data, len) = (bytes.as_ptr().cast(), bytes.len());
            if self.is_socket {
                // SAFETY: `bytes` is valid for reads of its length. MSG_NOSIGNAL: EPIPE instead of SIGPIPE.
                unsafe { libc::send(self.fd.as_raw_fd(), data, len, libc::MSG_NOSIGNAL) }
            } else {
                // SAFETY: as above; a device node raises no SIGPIPE.
                unsafe { libc::write(self.fd.as_raw_fd(), data, len) }
            }
        })
    }

    /// The descriptor, to poll.
    pub fn raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    fn wait(&self, events: i16, deadline: Deadline) -> io::Result<()> {
        wait_for(self.fd.as_raw_fd(), events, deadline)
    }
}

/// Waits until `fd` is ready for `events` (or has failed, which the next read or write reports).
pub fn wait_for(fd: i32, events: i16, deadline: Deadline) -> io::Result<()> {
    match poll(&mut [libc::pollfd { fd, events, revents: 0 }], deadline)? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Waits until one of the descriptors is ready or has failed; `revents` says which. 0 when the deadline passed first.
pub fn poll(entries: &mut [libc::pollfd], deadline: Deadline) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(entries.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: `entries` is valid for reads and writes of `count` pollfds.
        match usize::try_from(unsafe { libc::poll(entries.as_mut_ptr(), count, deadline.poll_millis()) }) {
            Ok(ready) => return Ok(ready),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

fn retry_interrupted(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// A unix stream socket by its path.
#[derive(Debug, Clone)]
pub struct UnixDial(pub PathBuf);

impl Dial for UnixDial {
    fn dial(&self, deadline: Deadline) -> io::Result<OwnedFd> {
        connect_unix(&self.0, deadline)
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }
}

/// Connects without blocking: std's connect would wait for a place in the backlog of a daemon that accepts nobody. A full
/// backlog is EAGAIN here, tried again until the deadline.
fn connect_unix(path: &std::path::Path, deadline: Deadline) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: no pointers.
    let raw = unsafe {
        libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
    };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` is a fresh descriptor that nothing else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: sockaddr_un is plain data; all zeroes is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket's path is too long for a unix socket",
        ));
    }
    for (slot, byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = *byte as libc::c_char;
    }
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    loop {
        // SAFETY: `address` is a valid sockaddr_un of `length` bytes.
        if unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) } == 0 {
            return Ok(fd);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock if deadline.is_over() => return Err(io::ErrorKind::TimedOut.into()),
            io::ErrorKind::WouldBlock => std::thread::sleep(std::time::Duration::from_millis(5)),
            io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// A TCP port.
#[derive(Debug, Clone)]
pub struct TcpDial {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Dial for TcpDial {
    fn dial(&self, deadline: Deadline) -> io::Result<OwnedFd> {
        // A name is looked up by the system's resolver, which takes no deadline but its own (resolv.conf: timeout, attempts). An address
        // needs no resolver.
        let addresses: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
        for address in addresses {
            let remaining = deadline.remaining();
            if remaining.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(&address, remaining) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    return Ok(stream.into());
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn describe(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A device node such as /dev/xen/xenbus.
#[derive(Debug, Clone)]
pub struct DeviceDial(pub PathBuf);

impl Dial for DeviceDial {
    fn dial(&self, _deadline: Deadline) -> io::Result<OwnedFd> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&self.0)?;
        Ok(file.into())
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }

    fn is_socket(&self) -> bool {
        false
    }
}

/// One end of a socket pair as if it had been dialled: for tests of the channels.
#[derive(Debug)]
pub struct Dialled(parking_lot::Mutex<Option<UnixStream>>);

impl Dialled {
    /// Hands out `stream` at the first dial; later ones are refused.
    pub fn once(stream: UnixStream) -> Self {
        Dialled(parking_lot::Mutex::new(Some(stream)))
    }
}

impl Dial for Dialled {
    fn dial(&self, _deadline: Deadline) -> io::Result<OwnedFd> {
        let stream = self.0.lock().take().ok_or(io::ErrorKind::ConnectionRefused)?;
        stream.set_nonblocking(true)?;
        Ok(stream.into())
    }

    fn describe(&self) -> String {
        "a socket pair".into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_far_side_hears_of_the_end_although_a_copy_of_the_socket_is_open() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let _as_a_child_has_it = near.try_clone().unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        drop(Stream::connect(&Dialled::once(near), deadline).unwrap());
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
    }
}
