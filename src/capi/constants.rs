//! The numbers that cross the border, and the compiler's proof that they are the library's own.

use crate::error::{Road, Status};
use crate::format::Severity;
use crate::log::Level;
use crate::model::{GuestType, Reason, State};

/// The outcome of a call: `XENITH_OK`, or one of `XENITH_ERR_*`. A later version may answer numbers
/// that are not in this header: treat them as errors.
pub type xenith_status = u32;

/// Success.
pub const XENITH_OK: u32 = 0;
/// A defect of xenith itself. Please report it.
pub const XENITH_ERR_INTERNAL: u32 = 1;
/// An argument is NULL, out of range or not UTF-8, a size is impossible, or a flag is unknown. The
/// message names it.
pub const XENITH_ERR_INVALID_ARG: u32 = 10;
/// The connection URI cannot be understood.
pub const XENITH_ERR_INVALID_URI: u32 = 11;
/// A description (domain XML) is malformed or says something impossible. The message says where.
pub const XENITH_ERR_INVALID_CONFIG: u32 = 12;
/// The process or the host ran out of memory.
pub const XENITH_ERR_NO_MEMORY: u32 = 20;
/// A road into the host is not there: no Xen, no daemon, no such socket.
pub const XENITH_ERR_NO_CONNECT: u32 = 30;
/// The road is there but this process may not take it.
pub const XENITH_ERR_ACCESS_DENIED: u32 = 31;
/// No domain answers to that name, id or uuid.
pub const XENITH_ERR_NOT_FOUND: u32 = 40;
/// Something of that name or uuid exists already.
pub const XENITH_ERR_EXISTS: u32 = 41;
/// The life of the domain that this handle was pinned to is over. Look the domain up again.
pub const XENITH_ERR_STALE: u32 = 42;
/// The domain is in the wrong state for the operation: starting a running one, for example.
pub const XENITH_ERR_INVALID_STATE: u32 = 43;
/// This host, its age, or this version of xenith cannot do it.
pub const XENITH_ERR_NOT_SUPPORTED: u32 = 50;
/// The deadline passed. The operation may still happen on the host.
pub const XENITH_ERR_TIMEOUT: u32 = 60;
/// The connection was closed, or belongs to another process (after fork).
pub const XENITH_ERR_CLOSED: u32 = 61;
/// The other end answered something that cannot be understood.
pub const XENITH_ERR_PROTOCOL: u32 = 62;
/// The host understood and refused. The message holds its own words.
pub const XENITH_ERR_OPERATION_FAILED: u32 = 70;

/// No road: the call failed before one was taken.
pub const XENITH_ROAD_NONE: u32 = 0;
/// Hypercalls, through privcmd.
pub const XENITH_ROAD_HYPERCALL: u32 = 1;
/// xenstored.
pub const XENITH_ROAD_XENSTORE: u32 = 2;
/// The xend daemon.
pub const XENITH_ROAD_XEND: u32 = 3;
/// The xl toolstack.
pub const XENITH_ROAD_XL: u32 = 4;
/// Domain configuration files.
pub const XENITH_ROAD_STORE: u32 = 5;
/// Another host.
pub const XENITH_ROAD_REMOTE: u32 = 6;

/// The state is not known.
pub const XENITH_STATE_NOSTATE: u32 = 0;
/// Executing, or ready to (the reason says which).
pub const XENITH_STATE_RUNNING: u32 = 1;
/// Alive, every vcpu waiting for something: an idle guest.
pub const XENITH_STATE_BLOCKED: u32 = 2;
/// Stopped by the toolstack; can be resumed.
pub const XENITH_STATE_PAUSED: u32 = 3;
/// Being torn down.
pub const XENITH_STATE_SHUTDOWN: u32 = 4;
/// Not running.
pub const XENITH_STATE_SHUTOFF: u32 = 5;
/// Not running because it crashed; it may be kept for inspection.
pub const XENITH_STATE_CRASHED: u32 = 6;
/// Suspended by itself.
pub const XENITH_STATE_SUSPENDED: u32 = 7;

/// The reason is not known.
pub const XENITH_REASON_UNKNOWN: u32 = 0;
/// Running: a vcpu is on a processor at this moment.
pub const XENITH_REASON_ON_CPU: u32 = 1;
/// Running: ready, waiting for a processor.
pub const XENITH_REASON_RUNNABLE: u32 = 2;
/// Blocked: all vcpus wait.
pub const XENITH_REASON_IDLE: u32 = 3;
/// Paused by a toolstack.
pub const XENITH_REASON_PAUSED_BY_TOOLSTACK: u32 = 4;
/// Shut off: the guest powered itself off.
pub const XENITH_REASON_POWEROFF: u32 = 5;
/// Shut off: the guest asked for a reboot.
pub const XENITH_REASON_REBOOT: u32 = 6;
/// Suspended: by the guest (a save, a migration).
pub const XENITH_REASON_SUSPEND: u32 = 7;
/// Crashed: the guest reported a crash.
pub const XENITH_REASON_CRASH: u32 = 8;
/// Shut off: the guest's watchdog fired.
pub const XENITH_REASON_WATCHDOG: u32 = 9;
/// Shut off: the guest asked for a soft reset.
pub const XENITH_REASON_SOFT_RESET: u32 = 10;
/// In shutdown: the hypervisor is freeing what the domain held.
pub const XENITH_REASON_TEARING_DOWN: u32 = 11;
/// Shut off: defined, and not running.
pub const XENITH_REASON_INACTIVE: u32 = 12;

/// A paravirtualized guest.
pub const XENITH_GUEST_PV: u32 = 1;
/// A fully virtualized guest with firmware and a device model.
pub const XENITH_GUEST_HVM: u32 = 2;
/// A hardware-virtualized guest without a device model.
pub const XENITH_GUEST_PVH: u32 = 3;

/// Log: something failed that no call's error can tell.
pub const XENITH_LOG_ERROR: u32 = 1;
/// Log: something is odd and was worked around.
pub const XENITH_LOG_WARNING: u32 = 2;
/// Log: what was chosen at open, and why.
pub const XENITH_LOG_INFO: u32 = 3;
/// Log: each step.
pub const XENITH_LOG_DEBUG: u32 = 4;

/// `xenith_connect_list_domains`: live domains.
pub const XENITH_LIST_ACTIVE: u64 = 1;
/// `xenith_connect_list_domains`: defined domains that are not running.
pub const XENITH_LIST_INACTIVE: u64 = 2;
/// `xenith_connect_list_domains`: make one round trip to xenstored first, and so see every change,
/// whoever made it, that was done before the call.
pub const XENITH_LIST_FRESH: u64 = 4;

/// `xenith_domain_create`, `xenith_domain_create_xml`, `xenith_domain_restore`: leave the domain
/// paused. xend can do so for the second only.
pub const XENITH_CREATE_PAUSED: u64 = 1;

/// `xenith_capture_write`: replace a file of that name.
pub const XENITH_CAPTURE_REPLACE: u64 = 1;

/// `xenith_domain_get_xml`: the configuration, without what only a running domain has.
pub const XENITH_XML_INACTIVE: u64 = 1;

/// `xenith_domain_xml_from_native`, `xenith_domain_xml_to_native`: what the other language has no
/// place for is left out with a warning, instead of being an error.
pub const XENITH_CONVERT_LENIENT: u64 = 1;

/// A problem for which a text describes no guest.
pub const XENITH_SEVERITY_ERROR: u32 = 1;
/// Something in a text that has no place in a guest's description, which is good without it.
pub const XENITH_SEVERITY_WARNING: u32 = 2;

/// Each line: a number above is the number of that variant.
macro_rules! same {
    ($($number:ident == $variant:path;)*) => { $(const _: () = assert!($number == $variant as u32);)* };
}

same! {
    XENITH_ERR_INTERNAL == Status::Internal;
    XENITH_ERR_INVALID_ARG == Status::InvalidArg;
    XENITH_ERR_INVALID_URI == Status::InvalidUri;
    XENITH_ERR_INVALID_CONFIG == Status::InvalidConfig;
    XENITH_ERR_NO_MEMORY == Status::NoMemory;
    XENITH_ERR_NO_CONNECT == Status::NoConnect;
    XENITH_ERR_ACCESS_DENIED == Status::AccessDenied;
    XENITH_ERR_NOT_FOUND == Status::NotFound;
    XENITH_ERR_EXISTS == Status::Exists;
    XENITH_ERR_STALE == Status::Stale;
    XENITH_ERR_INVALID_STATE == Status::InvalidState;
    XENITH_ERR_NOT_SUPPORTED == Status::NotSupported;
    XENITH_ERR_TIMEOUT == Status::Timeout;
    XENITH_ERR_CLOSED == Status::Closed;
    XENITH_ERR_PROTOCOL == Status::Protocol;
    XENITH_ERR_OPERATION_FAILED == Status::OperationFailed;
    XENITH_ROAD_NONE == Road::None;
    XENITH_ROAD_HYPERCALL == Road::Hypercall;
    XENITH_ROAD_XENSTORE == Road::Xenstore;
    XENITH_ROAD_XEND == Road::Xend;
    XENITH_ROAD_XL == Road::Xl;
    XENITH_ROAD_STORE == Road::Store;
    XENITH_ROAD_REMOTE == Road::Remote;
    XENITH_STATE_NOSTATE == State::NoState;
    XENITH_STATE_RUNNING == State::Running;
    XENITH_STATE_BLOCKED == State::Blocked;
    XENITH_STATE_PAUSED == State::Paused;
    XENITH_STATE_SHUTDOWN == State::Shutdown;
    XENITH_STATE_SHUTOFF == State::Shutoff;
    XENITH_STATE_CRASHED == State::Crashed;
    XENITH_STATE_SUSPENDED == State::Suspended;
    XENITH_REASON_UNKNOWN == Reason::Unknown;
    XENITH_REASON_ON_CPU == Reason::OnCpu;
    XENITH_REASON_RUNNABLE == Reason::Runnable;
    XENITH_REASON_IDLE == Reason::Idle;
    XENITH_REASON_PAUSED_BY_TOOLSTACK == Reason::PausedByToolstack;
    XENITH_REASON_POWEROFF == Reason::Poweroff;
    XENITH_REASON_REBOOT == Reason::Reboot;
    XENITH_REASON_SUSPEND == Reason::Suspend;
    XENITH_REASON_CRASH == Reason::Crash;
    XENITH_REASON_WATCHDOG == Reason::Watchdog;
    XENITH_REASON_SOFT_RESET == Reason::SoftReset;
    XENITH_REASON_TEARING_DOWN == Reason::TearingDown;
    XENITH_REASON_INACTIVE == Reason::Inactive;
    XENITH_GUEST_PV == GuestType::Pv;
    XENITH_GUEST_HVM == GuestType::Hvm;
    XENITH_GUEST_PVH == GuestType::Pvh;
    XENITH_SEVERITY_ERROR == Severity::Error;
    XENITH_SEVERITY_WARNING == Severity::Warning;
    XENITH_LOG_ERROR == Level::Error;
    XENITH_LOG_WARNING == Level::Warning;
    XENITH_LOG_INFO == Level::Info;
    XENITH_LOG_DEBUG == Level::Debug;
}

/// The match fails to compile when a status is added without a number for C.
const fn _every_status_has_a_number(status: Status) -> u32 {
    match status {
        Status::Internal => XENITH_ERR_INTERNAL,
        Status::InvalidArg => XENITH_ERR_INVALID_ARG,
        Status::InvalidUri => XENITH_ERR_INVALID_URI,
        Status::InvalidConfig => XENITH_ERR_INVALID_CONFIG,
        Status::NoMemory => XENITH_ERR_NO_MEMORY,
        Status::NoConnect => XENITH_ERR_NO_CONNECT,
        Status::AccessDenied => XENITH_ERR_ACCESS_DENIED,
        Status::NotFound => XENITH_ERR_NOT_FOUND,
        Status::Exists => XENITH_ERR_EXISTS,
        Status::Stale => XENITH_ERR_STALE,
        Status::InvalidState => XENITH_ERR_INVALID_STATE,
        Status::NotSupported => XENITH_ERR_NOT_SUPPORTED,
        Status::Timeout => XENITH_ERR_TIMEOUT,
        Status::Closed => XENITH_ERR_CLOSED,
        Status::Protocol => XENITH_ERR_PROTOCOL,
        Status::OperationFailed => XENITH_ERR_OPERATION_FAILED,
    }
}
