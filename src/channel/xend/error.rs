//! What went wrong on the way to xend, or what it refused, as the library's error.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Road, Status};
use crate::wire::port::Dial;
use crate::wire::xend_http::{Request, Response, ResponseError};

/// No connection.
pub(super) fn no_connection(dial: &Arc<dyn Dial>, error: &io::Error) -> Error {
    let at = dial.describe();
    let advice = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            " (is xend running, and does /etc/xen/xend-config.sxp say (xend-unix-server yes), or \
             (xend-http-server yes) for TCP? Both are off by default)"
        }
        io::ErrorKind::PermissionDenied => " (xend's socket is root's: run as root)",
        _ => "",
    };
    let mut failed = Error::from_io(Road::Xend, format!("cannot connect to xend at {at}"), error);
    failed.message.push_str(advice);
    failed
}

/// The connection failed, or the deadline passed, while a request was sent or its answer awaited.
pub(super) fn interrupted(dial: &Arc<dyn Dial>, request: &Request, error: &io::Error) -> Error {
    let at = dial.describe();
    if error.kind() == io::ErrorKind::TimedOut {
        let message = format!(
            "xend at {at} did not answer {request} in time; the operation may still be under way in xend"
        );
        return Error::new(Status::Timeout, message).on(Road::Xend);
    }
    Error::from_io(Road::Xend, format!("the connection to xend at {at} failed during {request}"), error)
}

/// The answer is no HTTP response, or none came.
pub(super) fn unreadable(dial: &Arc<dyn Dial>, request: &Request, error: &ResponseError) -> Error {
    let at = dial.describe();
    let (status, advice) = match error {
        ResponseError::NoAnswer | ResponseError::Truncated(_) => {
            (Status::Closed, " (xend may have been restarted; whether the operation was done is not known)")
        }
        _ => (Status::Protocol, " (is there a xend at all?)"),
    };
    Error::new(status, format!("{request} to xend at {at}: {error}{advice}")).on(Road::Xend)
}

/// An answer that is not what any known xend answers.
pub(super) fn not_understood(dial: &Arc<dyn Dial>, what: &str) -> Error {
    let message = format!("xend at {} answered {what}, which cannot be understood", dial.describe());
    Error::new(Status::Protocol, message).on(Road::Xend)
}

/// xend refused, in its own words. `what` completes "cannot".
pub(super) fn refused(what: &str, words: &str, http_status: u16, no_domain: bool) -> Error {
    let status = if no_domain { Status::NotFound } else { status_of(words, http_status) };
    // Line breaks of a Python message would break the log's lines.
    let mut words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.contains("Invalid VM Name") || words.contains("invalid vm name") {
        words.push_str(" (xend's names have letters, digits and _ - . : + only)");
    }
    Error::new(status, format!("cannot {what}: {words}")).on(Road::Xend)
}

/// Whether the answer says that there is no such domain. From 3.4 on, and before 3.1, that is a 404; 3.1 to 3.3 have an
/// internal error without a body instead, which they have for nothing else (recorded).
pub(super) fn means_unknown_domain(response: &Response, message: &str) -> bool {
    match response.status {
        404 => true,
        500 => response.body.is_empty() && response.reason.starts_with("Internal server error"),
        _ => message.starts_with("No such domain") || message.starts_with("No domain named"),
    }
}

/// The kind of a refusal, by the words that xends of all ages use (recorded).
fn status_of(words: &str, http_status: u16) -> Status {
    let has = |part: &str| words.contains(part);
    if has("already exists") || has("already in use by domain") || has("is used in both domains") {
        Status::Exists
    } else if has("is not halted")
        || has("is still running")
        || has("is already running")
        || has("cannot be shutdown")
        || has("is not running")
        // What pausing and destroying an inactive domain gives: it has no domid.
        || has("not 'NoneType'")
    {
        Status::InvalidState
    } else if has("I need ") && has(" KiB") || has("Not enough memory") || has("Cannot allocate memory") {
        Status::NoMemory
    } else if has("Invalid Configuration")
        || has("Invalid configuration")
        || has("Configuration error")
        || has("VM Name")
        // What the oldest say, and what all say of a kernel.
        || has("vm name")
        || has("Invalid memory size")
        || has("unknown device type")
        || has("Missing image in configuration")
        || has("Kernel image does not exist")
    {
        Status::InvalidConfig
    } else if http_status == 501 {
        Status::NotSupported
    } else {
        Status::OperationFailed
    }
}

/// The words for an operation in "cannot ... the domain".
pub(super) fn verb(op: &str) -> &str {
    match op {
        "delete" => "undefine",
        "shutdown" => "shut down",
        "wait_for_devices" => "connect the devices of",
        "maxmem_set" => "set the maximum memory of",
        "mem_target_set" => "set the memory of",
        "set_vcpus" => "set the vcpus of",
        "dump" => "dump the memory of",
        "pincpu" => "pin a vcpu of",
        "domain_sched_credit_set" => "set the scheduler parameters of",
        "device_destroy" => "remove a device from",
        other => other,
    }
}
