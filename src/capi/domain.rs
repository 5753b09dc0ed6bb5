//! Domains: what they are, and what can be done with them.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::sync::Arc;

use super::args::{Out, flags as only, handle, optional_out};
use super::boundary::{call, guard};
use super::connect::xenith_connect;
use super::constants::{XENITH_CREATE_PAUSED, XENITH_XML_INACTIVE, xenith_status};
use super::error::xenith_error;
use super::info::{put, xenith_domain_info};
use super::sized::SizedOut;
use crate::driver::Domain;
use crate::error::{Error, Status};

/// A domain on a connection, which it holds open: reference-counted, usable from any thread. It is
/// pinned to the domain's uuid and, where the domain was live, to that life: what acts on a live
/// domain answers `XENITH_ERR_STALE` when that life is over.
pub struct xenith_domain {
    domain: Domain,
    connect: Arc<xenith_connect>,
}

impl xenith_domain {
    pub(super) fn new(domain: Domain, connect: Arc<xenith_connect>) -> Arc<Self> {
        Arc::new(xenith_domain { domain, connect })
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.domain
    }
}

/// Takes one more reference to a domain.
///
/// Road: none.
///
/// @param dom  a domain; NULL does nothing
/// @return `dom`, for convenience
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_ref(dom: *mut xenith_domain) -> *mut xenith_domain {
    if !dom.is_null() {
        // SAFETY: from `Arc::into_raw`, and the caller holds a reference.
        guard((), || unsafe { Arc::increment_strong_count(dom.cast_const()) });
    }
    dom
}

/// Releases a reference to a domain; with the last one, its reference to the connection. The domain
/// itself goes on.
///
/// Road: none.
///
/// @param dom  a domain; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_unref(dom: *mut xenith_domain) {
    if !dom.is_null() {
        // SAFETY: from `Arc::into_raw`, and the caller gives its reference away.
        guard((), || drop(unsafe { Arc::from_raw(dom.cast_const()) }));
    }
}

/// The connection that the domain belongs to.
///
/// Road: none.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives the connection: a reference of the caller's own, released with
///               `xenith_connect_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_connect(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut *mut xenith_connect,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put(Arc::into_raw(Arc::clone(&dom.connect)).cast_mut());
            Ok(())
        })
    }
}

/// The domain's name now.
///
/// Road: xenstore (live); the domain files or xend (inactive).
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives the name, freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_name(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(dom.domain.name()?)
        })
    }
}

/// The uuid.
///
/// Road: none, the handle is pinned to it.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 16 bytes, in the order in which a uuid is written
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_uuid(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut u8,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            let out = Out::new(out.cast::<[u8; 16]>(), "out")?;
            only(flags, 0)?;
            out.put(dom.domain.uuid().into_bytes());
            Ok(())
        })
    }
}

/// The uuid as text.
///
/// Road: none, the handle is pinned to it.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 32 lower-case hexadecimal digits with dashes, freed with
///               `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_uuid_string(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(dom.domain.uuid().to_string())
        })
    }
}

/// The id: the number of the domain's life now.
///
/// Road: hypercall.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives the id
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when the domain is not active, so has none;
///         `XENITH_ERR_NOT_FOUND` when it is gone; `XENITH_ERR_CLOSED` after fork; the road's
///         errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_id(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let inactive = || Error::new(Status::InvalidState, "the domain is not running, so it has no id");
            out.put(dom.domain.id()?.ok_or_else(inactive)?);
            Ok(())
        })
    }
}

/// The kind of guest, as domain XML names it.
///
/// Road: hypercall (live); the domain files or xend (inactive).
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives "linux" (PV), "hvm" or "xenpvh", freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_os_type(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(dom.domain.os_type()?.os_type().to_owned())
        })
    }
}

/// What the domain does, and why.
///
/// Road: hypercall (live); the domain files or xend (inactive).
///
/// @param dom     a domain
/// @param flags   0
/// @param state   receives one of `XENITH_STATE_*`
/// @param reason  receives one of `XENITH_REASON_*`; may be NULL
/// @param err     receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_state(
    dom: *mut xenith_domain,
    flags: u64,
    state: *mut u32,
    reason: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, state) = (handle(dom, "dom")?, Out::new(state, "state")?);
            let reason = optional_out(reason, "reason")?;
            only(flags, 0)?;
            let info = dom.domain.info()?;
            state.put(info.state as u32);
            if let Some(reason) = reason {
                reason.put(info.reason as u32);
            }
            Ok(())
        })
    }
}

/// Id, uuid, state and figures.
///
/// Road: hypercall, one (live); the domain files or xend (inactive).
///
/// @param dom    a domain
/// @param flags  0
/// @param info   receives the figures; those that the host does not tell are absent from
///               `info->valid`
/// @param size   `sizeof *info`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for an impossible size; `XENITH_ERR_NOT_FOUND`
///         when the domain is gone; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_info(
    dom: *mut xenith_domain,
    flags: u64,
    info: *mut xenith_domain_info,
    size: usize,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, SizedOut::new(info, "info", size)?);
            only(flags, 0)?;
            put(out, xenith_domain_info::from(&dom.domain.info()?));
            Ok(())
        })
    }
}

/// Its domain XML: as it runs, or its configuration without what only a running domain has (id,
/// console, ports). Of a domain that was defined anew while it runs, xend tells the new
/// configuration only when that life is over.
///
/// Passwords are left out. A domain that is defined from this XML has none: add them first.
///
/// Road: xl (live) and the domain files (inactive), or xend on a host that has it; a live domain's
/// console and VNC port come from xenstore.
///
/// @param dom    a domain
/// @param flags  0 or `XENITH_XML_INACTIVE`
/// @param out    receives the XML, freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_NOT_SUPPORTED`
///         for a live domain of a host without a toolstack, which has no configuration to show;
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_xml(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, XENITH_XML_INACTIVE)?;
            out.put_string(dom.domain.xml(flags & XENITH_XML_INACTIVE != 0)?)
        })
    }
}

/// Whether the domain has a life now.
///
/// Road: hypercall.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 1 or 0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_is_active(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put(dom.domain.is_active()?.into());
            Ok(())
        })
    }
}

/// Whether the host remembers the domain when it is not running.
///
/// Road: the domain files, or xend's folder of managed domains.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 1 or 0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_SUPPORTED` or `XENITH_ERR_ACCESS_DENIED` where it cannot be
///         told (a running domain of another machine's xend); `XENITH_ERR_NOT_FOUND` when the
///         domain is gone; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_is_persistent(
    dom: *mut xenith_domain,
    flags: u64,
    out: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, out) = (handle(dom, "dom")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put(dom.domain.is_persistent()?.into());
            Ok(())
        })
    }
}

/// Starts an inactive persistent domain. The handle is then pinned to the new life.
///
/// Road: xl, or xend on a host that has it.
///
/// @param dom    a domain
/// @param flags  0 or `XENITH_CREATE_PAUSED`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when it is running; `XENITH_ERR_NOT_FOUND` when
///         it is gone; `XENITH_ERR_OPERATION_FAILED` with the host's words (no memory, no such
///         disk); `XENITH_ERR_NOT_SUPPORTED` for `XENITH_CREATE_PAUSED` on xend, which ignores it,
///         and on a host without a toolstack; `XENITH_ERR_TIMEOUT` (the toolstack's deadline);
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_create(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, XENITH_CREATE_PAUSED)?;
            dom.domain.start(flags & XENITH_CREATE_PAUSED != 0)
        })
    }
}

/// Forgets a persistent domain. A running one goes on as a transient one, until its life ends; xend
/// cannot forget a running one.
///
/// Road: the domain files, or xend on a host that has it.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when it is running, on a host with xend, and for
///         a transient one; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_CLOSED` after fork; the road's
///         errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_undefine(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.undefine()
        })
    }
}

/// Stops a live domain's vcpus until `xenith_domain_resume`.
///
/// Road: hypercall, or xend on a host that has it.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_suspend(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.suspend()
        })
    }
}

/// Lets a paused domain's vcpus go on.
///
/// Road: xl, or xend on a host that has it; hypercall on one without a toolstack.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_resume(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.resume()
        })
    }
}

/// Asks the guest to power off. Returns when it was asked: a guest may take its time, or not
/// listen.
///
/// Road: xl, or xend on a host that has it; xenstore on one without a toolstack.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_shutdown(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.shutdown()
        })
    }
}

/// Asks the guest to reboot. Returns when it was asked. The rebooted domain is another life: look
/// it up again.
///
/// Road: xl, or xend on a host that has it; xenstore on one without a toolstack.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_reboot(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.reboot()
        })
    }
}

/// Ends a life at once, as pulling the plug does. Returns when it is over. A persistent domain is
/// then inactive, a transient one gone.
///
/// Road: xl, or xend on a host that has it; hypercall on one without a toolstack.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_destroy(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain.destroy()
        })
    }
}
