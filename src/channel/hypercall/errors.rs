//! What an errno from the hypervisor means to the caller.

use std::fmt::Display;

use super::arena::FORKED;
use crate::error::{Error, Road, Status};
use crate::wire::hypercall::errno::{
    EACCES, EAGAIN, EBUSY, EFAULT, EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, EOVERFLOW, EPERM, ESRCH, EUSERS,
};

/// Xen refused; `doing` says what was asked ("pausing domain 3").
pub(super) fn refused(doing: impl Display, errno: i32) -> Error {
    let (status, why) = match errno {
        EPERM => (Status::AccessDenied, "not permitted: run as root in a control domain (dom0)"),
        EACCES => (Status::AccessDenied, "a security policy of the hypervisor (XSM) denies it"),
        ESRCH => (Status::NotFound, "there is no such domain"),
        EAGAIN => (Status::OperationFailed, "the hypervisor is busy; try again"),
        ENOMEM => (Status::NoMemory, "the hypervisor is out of memory"),
        EBUSY => (Status::InvalidState, "it cannot be changed any more"),
        EINVAL => (Status::OperationFailed, "the hypervisor finds it invalid in the domain's present state"),
        ENOSYS | EOPNOTSUPP => (Status::NotSupported, "this hypervisor cannot do it"),
        EUSERS | EOVERFLOW => (Status::InvalidState, "it has been paused too many times already"),
        EFAULT => (Status::Internal, "the hypervisor cannot reach the request's memory"),
        FORKED => (
            Status::Closed,
            "the hypervisor was opened before fork: the child process must open its own connection",
        ),
        libc::ENOTTY => (Status::NoConnect, "this is no privcmd device"),
        // Of none of Xen's operations here: the embedded hypervisor's process has ended, or hangs.
        libc::ENODEV => (Status::Closed, "the hypervisor is gone"),
        libc::ETIMEDOUT => (Status::Timeout, "the hypervisor does not answer"),
        _ => (Status::OperationFailed, "the hypervisor refused"),
    };
    let system = std::io::Error::from_raw_os_error(errno);
    Error::new(status, format!("{doing}: {why} ({system})")).on(Road::Hypercall).with_errno(errno)
}

/// Xen answered `what`, and it makes no sense.
pub(super) fn garbled(what: &str) -> Error {
    Error::new(Status::Protocol, format!("the hypervisor's answer for {what} makes no sense"))
        .on(Road::Hypercall)
}
