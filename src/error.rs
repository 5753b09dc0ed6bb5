//! The one error of the library: what kind, on which road, the errno where there was one, and a sentence
//! that says what happened and what to do next.

use std::fmt;

/// What went wrong, as a number that crosses the C border. The numbers are sparse and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Status {
    /// A defect of xenith itself.
    Internal = 1,
    /// An argument is NULL, out of range, not UTF-8, or a flag is unknown.
    InvalidArg = 10,
    /// The connection URI cannot be understood.
    InvalidUri = 11,
    /// A description (domain XML, a configuration file) is malformed or says something impossible.
    InvalidConfig = 12,
    /// The process or the host ran out of memory.
    NoMemory = 20,
    /// A road into the host is not there: no Xen, no daemon, no such socket.
    NoConnect = 30,
    /// The road is there but this process may not take it.
    AccessDenied = 31,
    /// No domain (or other thing) answers to that name, id or uuid.
    NotFound = 40,
    /// Something of that name or uuid exists already.
    Exists = 41,
    /// The life of the domain that this handle was pinned to is over: look the domain up again.
    Stale = 42,
    /// The domain is in the wrong state for the operation (starting a running one, for example).
    InvalidState = 43,
    /// This host, its age or this version of xenith cannot do it.
    NotSupported = 50,
    /// The deadline passed. The operation may still happen on the host.
    Timeout = 60,
    /// The connection was closed, or belongs to another process (after fork).
    Closed = 61,
    /// The other end answered something that cannot be understood.
    Protocol = 62,
    /// The host understood and refused; the message holds its own words.
    OperationFailed = 70,
}

/// The road into the host that an error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Road {
    /// No road: the call failed before one was taken.
    None = 0,
    /// Direct hypercalls through privcmd.
    Hypercall = 1,
    /// xenstored.
    Xenstore = 2,
    /// The xend daemon.
    Xend = 3,
    /// The xl toolstack.
    Xl = 4,
    /// Domain configuration files.
    Store = 5,
    /// Another host.
    Remote = 6,
}

impl Road {
    /// The road's name as it stands in messages: `hypercall`, `xenstore`, ...
    pub fn name(self) -> &'static str {
        match self {
            Road::None => "xenith",
            Road::Hypercall => "hypercall",
            Road::Xenstore => "xenstore",
            Road::Xend => "xend",
            Road::Xl => "xl",
            Road::Store => "store",
            Road::Remote => "remote",
        }
    }
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Prefix(*.road))]
pub struct Error {
    /// What kind of failure.
    pub status: Status,
    /// Which road it came from.
    pub road: Road,
    /// The errno of the system call or hypercall, where there was one.
    pub errno: Option<i32>,
    /// What happened, and what to do next. No trailing full stop, no newline.
    pub message: String,
}

/// `xend: ` before a message that came over xend; nothing where no road was taken.
struct Prefix(Road);

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Road::None => Ok(()),
            road => write!(f, "{}: ", road.name()),
        }
    }
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of no particular road.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Error { status, road: Road::None, errno: None, message: message.into() }
    }

    /// Names the road.
    #[must_use]
    pub fn on(mut self, road: Road) -> Self {
        self.road = road;
        self
    }

    /// Adds the errno.
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Self {
        self.errno = Some(errno);
        self
    }

    /// An argument is wrong.
    pub fn invalid_arg(message: impl Into<String>) -> Self {
        Error::new(Status::InvalidArg, message)
    }

    /// From a failed system call on `road`; `what` says what was being done ("cannot open /dev/xen/privcmd").
    pub fn from_io(road: Road, what: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let status = match error.kind() {
            ErrorKind::PermissionDenied => Status::AccessDenied,
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable => {
                Status::NoConnect
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Status::Timeout,
            ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof => Status::Closed,
            ErrorKind::OutOfMemory => Status::NoMemory,
            _ => Status::OperationFailed,
        };
        Error { status, road, errno: error.raw_os_error(), message: format!("{what}: {error}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_road() {
        let error = Error::new(Status::Timeout, "no answer within 5 s").on(Road::Xend);
        assert_eq!(error.to_string(), "xend: no answer within 5 s");
        assert_eq!(Error::invalid_arg("name is NULL").to_string(), "name is NULL");
    }
}
