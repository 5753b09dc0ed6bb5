//! Nodes: reading, writing, listing, alone or in a transaction.

use std::sync::Arc;
use std::time::Duration;

use super::Xenstore;
use super::mux::{Link, Outgoing};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::wire::xenstore::{
    Kind, MAX_PAYLOAD, Malformed, Permission, Request, check_path, errno_name, parse_directory_part,
    parse_names, parse_number, parse_perms,
};

/// How often a transaction is tried before its caller hears that the nodes never held still.
const TRIES: u32 = 50;
/// How often a long list is begun anew because it changed meanwhile, and how long it may be.
const RESTARTS: u32 = 50;
const MAX_LIST: u32 = 4 << 20;

/// The nodes as one caller sees them until its deadline: as they are, or within a transaction.
pub struct Nodes<'a> {
    xs: &'a Xenstore,
    transaction: Option<(Arc<Link>, u32)>,
    deadline: Deadline,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(xs: &'a Xenstore, deadline: Deadline) -> Self {
        Nodes { xs, transaction: None, deadline }
    }

    /// A node's value: any bytes, no NUL at the end. [`Status::NotFound`] where there is no such node.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.ask(&Request::Read(path))
    }

    /// As [`Self::read`]; None where there is no such node.
    pub fn read_optional(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.read(path) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.status == Status::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a node's value, making it and what is missing above it.
    pub fn write(&self, path: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.ask(&Request::Write { path, value: value.as_ref() }).map(drop)
    }

    /// Makes an empty node; nothing happens when it exists.
    pub fn mkdir(&self, path: &str) -> Result<()> {
        self.ask(&Request::Mkdir(path)).map(drop)
    }

    /// Removes a node and all below it; nothing happens when it does not exist.
    pub fn rm(&self, path: &str) -> Result<()> {
        match self.ask(&Request::Rm(path)) {
            Err(error) if error.status == Status::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    /// A node's permissions, the owner first.
    pub fn get_perms(&self, path: &str) -> Result<Vec<Permission>> {
        let request = Request::GetPerms(path);
        let reply = self.ask(&request)?;
        parse_perms(&reply).map_err(|fault| rubbish(&request, fault))
    }

    /// Sets a node's permissions, the owner first.
    pub fn set_perms(&self, path: &str, perms: &[Permission]) -> Result<()> {
        if perms.is_empty() {
            return Err(Error::invalid_arg("a node's permissions need at least its owner").on(Road::Xenstore));
        }
        self.ask(&Request::SetPerms { path, perms: perms.to_vec() }).map(drop)
    }

    /// The names of a node's children. A list that does not fit into one reply is had in pieces, where the daemon can
    /// (C xenstored since Xen 4.9; [`Status::NotSupported`] elsewhere).
    pub fn directory(&self, path: &str) -> Result<Vec<String>> {
        let request = Request::Directory(path);
        match self.ask(&request) {
            Ok(reply) => parse_names(&reply).map_err(|fault| rubbish(&request, fault)),
            Err(error) if error.errno == Some(libc::E2BIG) => self.long_directory(path),
            Err(error) => Err(error),
        }
    }

    fn long_directory(&self, path: &str) -> Result<Vec<String>> {
        'again: for _ in 0..RESTARTS {
            let (mut names, mut offset, mut generation) = (Vec::new(), 0u32, None);
            while offset <= MAX_LIST {
                let request = Request::DirectoryPart { path, offset };
                let reply = match self.ask(&request) {
                    Err(error) if matches!(error.errno, Some(libc::ENOSYS | libc::EINVAL)) && offset == 0 => {
                        return Err(Error {
                            status: Status::NotSupported,
                            message: format!(
                                "cannot list {path}: its children's names take more than {MAX_PAYLOAD} bytes, and \
                                 this xenstored cannot give them in pieces"
                            ),
                            ..error
                        });
                    }
                    reply => reply?,
                };
                let part = parse_directory_part(&reply).map_err(|fault| rubbish(&request, fault))?;
                if *generation.get_or_insert_with(|| part.generation.clone()) != part.generation {
                    continue 'again;
                }
                names.extend(part.names);
                if part.complete {
                    return Ok(names);
                }
                offset = offset.saturating_add(part.bytes);
            }
            let message = format!("the list of {path}'s children does not end");
            return Err(Error::new(Status::Protocol, message).on(Road::Xenstore));
        }
        let message =
            format!("cannot list {path}: it changed at each of {RESTARTS} attempts; try again later");
        Err(Error::new(Status::OperationFailed, message).on(Road::Xenstore))
    }

    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Vec<u8>> {
        check(request)?;
        let outcome = match &self.transaction {
            None => self.xs.send(&[Outgoing::new(0, request)], self.deadline)?,
            // A transaction lives and dies with its connection.
            Some((link, id)) => self
                .xs
                .mux
                .exchange(link, &[Outgoing::new(*id, request)], self.deadline)
                .map_err(|failed| failed.error)?,
        };
        match outcome.into_iter().next().map(|reply| reply.outcome) {
            Some(Ok(payload)) => Ok(payload),
            Some(Err(errno)) => Err(refused(request, errno)),
            None => Err(Error::new(Status::Internal, "a request without a reply").on(Road::Xenstore)),
        }
    }
}

/// See [`Xenstore::transaction`].
pub(super) fn transaction<T>(
    xs: &Xenstore,
    deadline: Deadline,
    mut body: impl FnMut(&Nodes<'_>) -> Result<T>,
) -> Result<T> {
    for attempt in 0..TRIES {
        // Others who try the same get out of each other's way.
        if attempt > 0 {
            let pause = Duration::from_micros(100 << attempt.min(7));
            std::thread::sleep(pause.min(deadline.remaining()));
        }
        let (link, id) = begin(xs, deadline)?;
        let nodes = Nodes { xs, transaction: Some((link, id)), deadline };
        match body(&nodes) {
            Ok(value) => match nodes.ask(&Request::TransactionEnd { commit: true }) {
                Ok(_) => return Ok(value),
                Err(error) if error.errno == Some(libc::EAGAIN) => {}
                Err(error) => return Err(error),
            },
            Err(error) => {
                // The body's error is the one to tell; if the connection is gone, so is the transaction.
                let _ = nodes.ask(&Request::TransactionEnd { commit: false });
                return Err(error);
            }
        }
        if deadline.is_over() {
            let message = "the transaction's nodes were changed by others at each attempt until the deadline";
            return Err(Error::new(Status::Timeout, message).on(Road::Xenstore).with_errno(libc::EAGAIN));
        }
    }
    let message =
        format!("the transaction's nodes were changed by others at each of {TRIES} attempts; try again");
    Err(Error::new(Status::OperationFailed, message).on(Road::Xenstore).with_errno(libc::EAGAIN))
}

fn begin(xs: &Xenstore, deadline: Deadline) -> Result<(Arc<Link>, u32)> {
    let request = Request::TransactionStart;
    let (link, replies) = xs.send_on(&[Outgoing::new(0, &request)], deadline)?;
    match replies.into_iter().next().map(|reply| reply.outcome) {
        Some(Ok(payload)) => match parse_number(&payload) {
            Ok(id) if id != 0 => Ok((link, id)),
            _ => Err(rubbish(&request, Malformed)),
        },
        Some(Err(errno)) => Err(refused(&request, errno)),
        None => Err(rubbish(&request, Malformed)),
    }
}

/// What can be said about a request before it is sent.
pub(super) fn check(request: &Request<'_>) -> Result<()> {
    if let Some(path) = request.path() {
        check_path(path)
            .map_err(|fault| Error::invalid_arg(format!("{path:?}: {fault}")).on(Road::Xenstore))?;
    }
    let length = request.payload().len();
    if length > MAX_PAYLOAD {
        let message = format!(
            "cannot {}: path and value have {length} bytes together, and xenstore takes {MAX_PAYLOAD}",
            doing(request)
        );
        return Err(Error::invalid_arg(message).on(Road::Xenstore));
    }
    Ok(())
}

/// The daemon said no.
pub(super) fn refused(request: &Request<'_>, errno: i32) -> Error {
    let (status, why) = match errno {
        libc::ENOENT => (Status::NotFound, "there is no such thing in xenstore"),
        libc::EACCES | libc::EPERM | libc::EROFS => (
            Status::AccessDenied,
            "xenstored does not allow it: this needs domain 0, or the rights that the node's permissions give",
        ),
        libc::EEXIST => (Status::Exists, "it exists already"),
        libc::ENOSYS => (Status::NotSupported, "this xenstored is too old or of a kind that cannot do it"),
        libc::ENOMEM => (Status::NoMemory, "xenstored is out of memory"),
        libc::ENOSPC => (Status::OperationFailed, "a quota of xenstored is used up"),
        libc::E2BIG => (Status::OperationFailed, "it is larger than xenstored allows"),
        libc::EAGAIN => (Status::OperationFailed, "others changed the same nodes"),
        libc::EINVAL => (Status::OperationFailed, "xenstored calls the request invalid"),
        _ => (Status::OperationFailed, "xenstored refused"),
    };
    let message = format!("cannot {}: {why} ({})", doing(request), errno_name(errno));
    Error::new(status, message).on(Road::Xenstore).with_errno(errno)
}

pub(super) fn rubbish(request: &Request<'_>, _fault: Malformed) -> Error {
    let message = format!("cannot {}: xenstored's answer cannot be understood", doing(request));
    Error::new(Status::Protocol, message).on(Road::Xenstore)
}

/// The request in words: "read /local/domain/5/name".
fn doing(request: &Request<'_>) -> String {
    let verb = match request.kind() {
        Kind::Read => "read",
        Kind::Write => "write",
        Kind::Directory | Kind::DirectoryPart => "list",
        Kind::Mkdir => "make",
        Kind::Rm => "remove",
        Kind::GetPerms => "get the permissions of",
        Kind::SetPerms => "set the permissions of",
        Kind::Watch => "watch",
        Kind::Unwatch => "stop watching",
        Kind::TransactionStart => "begin a transaction",
        Kind::TransactionEnd => "end the transaction",
        other => other.name(),
    };
    let object = match request {
        Request::Release(domid)
        | Request::GetDomainPath(domid)
        | Request::IsDomainIntroduced(domid)
        | Request::Resume(domid)
        | Request::Introduce { domid, .. } => Some(format!("domain {domid}")),
        _ => request.path().map(str::to_owned),
    };
    object.map_or_else(|| verb.to_owned(), |object| format!("{verb} {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_node_and_what_to_do() {
        let error = refused(&Request::Read("/local/domain/5/name"), libc::EACCES);
        assert_eq!((error.status, error.road), (Status::AccessDenied, Road::Xenstore));
        assert!(error.message.contains("cannot read /local/domain/5/name"), "{error}");
        assert!(error.message.contains("EACCES"), "{error}");
        let error = refused(&Request::Release(9), libc::ENOENT);
        assert_eq!(error.status, Status::NotFound);
        assert!(error.message.contains("RELEASE domain 9"), "{error}");
    }

    #[test]
    fn what_the_daemon_would_hang_up_on_is_not_sent() {
        let value = vec![b'x'; 4094];
        assert_eq!(
            check(&Request::Write { path: "/a", value: &value }).unwrap_err().status,
            Status::InvalidArg
        );
        assert!(check(&Request::Write { path: "/a", value: &value[..4093] }).is_ok());
        for path in ["/a b", "", "/a\0b", "/a/"] {
            assert_eq!(check(&Request::Read(path)).unwrap_err().status, Status::InvalidArg, "{path:?}");
        }
    }
}
