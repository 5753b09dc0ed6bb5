//! From one life to the next: save and restore, autostart, monitors.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;

use super::args::{Out, file, flags as only, handle};
use super::boundary::call;
use super::connect::xenith_connect;
use super::constants::{XENITH_CREATE_PAUSED, xenith_status};
use super::domain::xenith_domain;
use super::error::xenith_error;
use crate::error::{Error, Result};

/// Writes a live domain's state into a file and ends its life. A persistent domain is then
/// inactive, a transient one exists in the file only. When this fails, the domain goes on.
///
/// The file is written by the host's toolstack, in the toolstack's own format, and as large as the
/// domain's memory. It holds everything that the guest had in its memory: whoever can read it has
/// the guest's secrets.
///
/// Road: xl, or xend on a host that has it.
///
/// @param dom    a domain
/// @param file   the path of the file, UTF-8 and not empty; best an absolute one
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
///         `XENITH_ERR_INVALID_STATE` when it is not in a state for that;
///         `XENITH_ERR_OPERATION_FAILED` with the toolstack's words (no space, a guest that does
///         not suspend); `XENITH_ERR_NOT_SUPPORTED` on a host without a toolstack;
///         `XENITH_ERR_TIMEOUT` (the toolstack's deadline, and a second for each 8 MiB of memory);
///         `XENITH_ERR_INVALID_ARG` for Domain-0; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_save(
    dom: *mut xenith_domain,
    file: *const c_char,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (dom, file) = (handle(dom, "dom")?, self::file(file, "file")?);
            only(flags, 0)?;
            dom.domain().save(file)
        })
    }
}

/// Begins the next life of a domain that was saved, with the uuid and name that it had. The handle
/// is pinned to that life. The file stays: restoring it twice gives two guests that write to the
/// same disks, one of which will ruin them.
///
/// Road: xl, or xend on a host that has it.
///
/// @param conn   a connection
/// @param file   the path of a file that `xenith_domain_save` or the host's toolstack wrote, UTF-8
///               and not empty; best an absolute one
/// @param flags  0 or `XENITH_CREATE_PAUSED`
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` for a file that is not there;
///         `XENITH_ERR_INVALID_CONFIG` for one that holds no domain; `XENITH_ERR_EXISTS` when the
///         domain runs already, or another one has its name; `XENITH_ERR_OPERATION_FAILED` with the
///         toolstack's words (no memory, no such disk); `XENITH_ERR_NOT_SUPPORTED` for
///         `XENITH_CREATE_PAUSED` on xend, for a file of another toolstack, and on a host without
///         one; `XENITH_ERR_TIMEOUT` (the toolstack's deadline, and a second for each 8 MiB);
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_restore(
    conn: *mut xenith_connect,
    file: *const c_char,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, XENITH_CREATE_PAUSED)?;
            let file = self::file(file, "file")?;
            conn.put_domain(out, |connection| connection.restore(file, flags & XENITH_CREATE_PAUSED != 0))
        })
    }
}

/// Whether the domain is started with the host.
///
/// Road: the link in /etc/xen/auto that the xendomains service reads; xend on a host that has it.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 1 or 0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` for a transient domain; `XENITH_ERR_NOT_FOUND`
///         when the domain is gone; `XENITH_ERR_NOT_SUPPORTED` where the host has no such thing;
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_get_autostart(
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
            out.put(dom.domain().autostart()?.into());
            Ok(())
        })
    }
}

/// Sets whether a persistent domain is started with the host. It is neither started nor stopped
/// now.
///
/// Road: the link in /etc/xen/auto that the xendomains service reads; xend on a host that has it.
///
/// @param dom        a domain
/// @param autostart  1 or 0
/// @param flags      0
/// @param err        receives NULL or an error object; may be NULL
/// @return `XENITH_OK`, also when it was so already; `XENITH_ERR_INVALID_STATE` for a transient
///         domain; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_NOT_SUPPORTED` where
///         the host has no such thing; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_set_autostart(
    dom: *mut xenith_domain,
    autostart: u32,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain().set_autostart(boolean(autostart, "autostart")?)
        })
    }
}

/// Whether the process runs that acts when this life ends: on a host of the xl toolstack, each life
/// has one, which frees the domain when it powers off and starts it again when it reboots. Without
/// it the domain goes on, but is left as it is when it ends. A domain that libvirt began has none and
/// counts as having one: libvirt's daemon minds it.
///
/// Road: /proc, where the toolstack's processes are.
///
/// @param dom    a domain
/// @param flags  0
/// @param out    receives 1 or 0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_SUPPORTED` where there are no such processes: xend acts
///         itself; `XENITH_ERR_INVALID_STATE` when the domain is not running;
///         `XENITH_ERR_NOT_FOUND` when it is gone; `XENITH_ERR_CLOSED` after fork; the road's
///         errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_has_monitor(
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
            out.put(dom.domain().has_monitor()?.into());
            Ok(())
        })
    }
}

/// Starts a process that acts when this life ends, in the place of one that is missing. It is the
/// command `xenith`, which has to be installed, and it goes on when the caller ends.
///
/// Road: the domain's configuration from xl.
///
/// @param dom    a domain
/// @param flags  0
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK` when it minds the domain; `XENITH_ERR_INVALID_STATE` when another process does
///         already, or the domain is not running; `XENITH_ERR_NOT_SUPPORTED` where xend acts itself,
///         and without a toolstack; `XENITH_ERR_STALE` when the life that the handle is pinned to is
///         over; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_start_monitor(
    dom: *mut xenith_domain,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let dom = handle(dom, "dom")?;
            only(flags, 0)?;
            dom.domain().start_monitor()
        })
    }
}

/// C's idea of yes is any number that is not 0; here it must be 1, so that later versions can give others a meaning.
fn boolean(given: u32, name: &str) -> Result<bool> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::invalid_arg(format!("{name} is {other}: it is 0 or 1"))),
    }
}
