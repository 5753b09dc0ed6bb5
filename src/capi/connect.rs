//! Connections: open, what the host is, its domains.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::sync::{Arc, Weak};

use super::args::{self, Out, flags as only, handle, optional_text, text};
use super::boundary::{call, guard};
use super::constants::{
    XENITH_CREATE_PAUSED, XENITH_LIST_ACTIVE, XENITH_LIST_FRESH, XENITH_LIST_INACTIVE, xenith_status,
};
use super::domain::xenith_domain;
use super::error::xenith_error;
use super::info::{put, xenith_node_info};
use super::library::VERSION;
use super::list::xenith_domain_list;
use super::options::xenith_open_options;
use super::sized::{self, SizedOut};
use crate::driver::{Connection, Domain, ListFilter, OpenOptions};
use crate::error::{Error, Result};
use crate::model::{GuestType, Uuid};

/// A connection to a host: reference-counted, usable from any thread. Its domains hold it open.
pub struct xenith_connect {
    connection: Connection,
    /// So that a domain made from a borrowed handle can hold the connection.
    me: Weak<xenith_connect>,
}

impl xenith_connect {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        Arc::new_cyclic(|me| xenith_connect { connection, me: me.clone() })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A reference of one's own.
    fn share(&self) -> Result<Arc<Self>> {
        self.me.upgrade().ok_or_else(|| Error::invalid_arg("conn was released while it was in use"))
    }

    /// Gives what `find` returns, as a handle that holds this connection.
    pub(super) fn put_domain(
        &self,
        out: Out<*mut xenith_domain>,
        find: impl FnOnce(&Connection) -> Result<Domain>,
    ) -> Result<()> {
        let domain = xenith_domain::new(find(&self.connection)?, self.share()?);
        out.put(Arc::into_raw(domain).cast_mut());
        Ok(())
    }
}

/// Opens a connection to a host. Nothing is changed on it.
///
/// Road: looks for each road that the URI allows, and keeps those that are there.
///
/// @param uri           the host: "xen:///" or NULL is this one, "xen+sim:///" one that is
///                      simulated in this process; README.md lists all forms
/// @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
/// @param options_size  `sizeof *options`
/// @param flags         0
/// @param out           receives the connection, released with `xenith_connect_unref`
/// @param err           receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_URI`; `XENITH_ERR_NO_CONNECT` and
///         `XENITH_ERR_ACCESS_DENIED` name the road, why, and what to do;
///         `XENITH_ERR_NOT_SUPPORTED` for a road or a Xen that this version does not know;
///         `XENITH_ERR_TIMEOUT`; `XENITH_ERR_INVALID_ARG` for options from a newer header that ask
///         for something
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_open(
    uri: *const c_char,
    options: *const xenith_open_options,
    options_size: usize,
    flags: u64,
    out: *mut *mut xenith_connect,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            only(flags, 0)?;
            let (uri, out) = (optional_text(uri, "uri")?, Out::new(out, "out")?);
            let options = OpenOptions::try_from(sized::read(options, "options", options_size)?)?;
            let connection = xenith_connect::new(Connection::open(uri, &options)?);
            out.put(Arc::into_raw(connection).cast_mut());
            Ok(())
        })
    }
}

/// Takes one more reference to a connection.
///
/// Road: none.
///
/// @param conn  a connection; NULL does nothing
/// @return `conn`, for convenience
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_ref(conn: *mut xenith_connect) -> *mut xenith_connect {
    if !conn.is_null() {
        // SAFETY: from `Arc::into_raw`, and the caller holds a reference.
        guard((), || unsafe { Arc::increment_strong_count(conn.cast_const()) });
    }
    conn
}

/// Releases a reference to a connection. With the last one, and with no domain left that holds it,
/// the connection is closed. In a child process after fork this frees the child's memory and
/// disturbs the parent in nothing.
///
/// Road: none.
///
/// @param conn  a connection; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_unref(conn: *mut xenith_connect) {
    if !conn.is_null() {
        // SAFETY: from `Arc::into_raw`, and the caller gives its reference away.
        guard((), || drop(unsafe { Arc::from_raw(conn.cast_const()) }));
    }
}

/// The kind of host, by the name that libvirt gives it.
///
/// Road: none.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives "Xen", freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_type(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let _ = conn;
            out.put_string("Xen".to_owned())
        })
    }
}

/// The host's name. A simulated host says in it that it is one.
///
/// Road: none on this host.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives the name, freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_hostname(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(conn.connection.hostname()?)
        })
    }
}

/// The URI that the connection was opened with, in full form.
///
/// Road: none.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives the URI, freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_uri(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(conn.connection.uri().to_owned())
        })
    }
}

/// What the host can do, as libvirt's capabilities XML: the machine type, whether the processors have
/// hardware virtualization, and each kind of guest that the hypervisor runs, with its architecture and
/// features; PVH guests from Xen 4.10 on. An embedded host's says that it is a simulation.
///
/// Road: hypercall, and /proc/cpuinfo; xend where that is the only road.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives the XML, freed with `xenith_string_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_capabilities(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put_string(conn.connection.capabilities()?)
        })
    }
}

/// The hypervisor's version.
///
/// Road: hypercall.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives major * 1000000 + minor * 1000 + micro
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_version(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put(conn.connection.version()?.as_number());
            Ok(())
        })
    }
}

/// The version of the xenith library at the far end of the connection: this one, unless the host is
/// another machine.
///
/// Road: none on this host.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives major * 1000000 + minor * 1000 + micro
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_library_version(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let _ = conn;
            out.put(VERSION);
            Ok(())
        })
    }
}

/// The most vcpus that a guest may have.
///
/// Road: none: what Xen allows is a constant of its kind of guest.
///
/// @param conn   a connection
/// @param kind   the kind of guest as domain XML names it: "linux" or "xen" (PV), "hvm", "xenpvh";
///               NULL for the number that each of them may have
/// @param flags  0
/// @param out    receives the number
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for another kind; `XENITH_ERR_NOT_SUPPORTED` for
///         one that this host cannot run; `XENITH_ERR_CLOSED` after fork
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_max_vcpus(
    conn: *mut xenith_connect,
    kind: *const c_char,
    flags: u64,
    out: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let kind = optional_text(kind, "kind")?.map(guest_type).transpose()?;
            out.put(conn.connection.max_vcpus(kind)?);
            Ok(())
        })
    }
}

fn guest_type(word: &str) -> Result<GuestType> {
    match word {
        "linux" | "xen" => Ok(GuestType::Pv),
        "hvm" => Ok(GuestType::Hvm),
        "xenpvh" => Ok(GuestType::Pvh),
        other => Err(Error::invalid_arg(format!("kind is '{other}': it is one of linux, xen, hvm, xenpvh"))),
    }
}

/// The host's processors and memory.
///
/// Road: hypercall.
///
/// @param conn   a connection
/// @param flags  0
/// @param info   receives the figures; those that the host does not tell are absent from
///               `info->valid`
/// @param size   `sizeof *info`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for an impossible size; `XENITH_ERR_CLOSED` after
///         fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_node_info(
    conn: *mut xenith_connect,
    flags: u64,
    info: *mut xenith_node_info,
    size: usize,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, SizedOut::new(info, "info", size)?);
            only(flags, 0)?;
            put(out, xenith_node_info::from(&conn.connection.node_info()?));
            Ok(())
        })
    }
}

/// All domains, as one snapshot with id, uuid, name, state and figures of each. Live ones come
/// first, by id.
///
/// Road: hypercall, one for 1024 domains; their names from a cache that xenstore watches keep true;
/// inactive domains from the domain files in /etc/xen, or from xend on a host that has it. On a host
/// at rest no round trip is made. A live domain whose name cannot be had is listed without one. A
/// domain file that cannot be read hides no other: the log and the host's report name it.
///
/// @param conn   a connection
/// @param flags  `XENITH_LIST_ACTIVE`, `XENITH_LIST_INACTIVE`, `XENITH_LIST_FRESH`; without ACTIVE
///               and INACTIVE: both
/// @param out    receives the list, freed with `xenith_domain_list_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_list_domains(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut xenith_domain_list,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, XENITH_LIST_ACTIVE | XENITH_LIST_INACTIVE | XENITH_LIST_FRESH)?;
            let rows = conn.connection.list(list_filter(flags))?;
            out.put(Box::into_raw(Box::new(xenith_domain_list::new(rows))));
            Ok(())
        })
    }
}

fn list_filter(flags: u64) -> ListFilter {
    let (active, inactive) = (flags & XENITH_LIST_ACTIVE != 0, flags & XENITH_LIST_INACTIVE != 0);
    let both = !active && !inactive;
    ListFilter { active: active || both, inactive: inactive || both, fresh: flags & XENITH_LIST_FRESH != 0 }
}

/// Finds a domain by its name, live or not. The handle is pinned to the domain, and to its life if
/// it is live.
///
/// Road: xenstore with one round trip, so that every change done before the call is seen; then, for
/// inactive ones, the domain files or xend.
///
/// @param conn   a connection
/// @param name   the name, 1 to 255 bytes
/// @param flags  0
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_CONFIG` with the place where the
///         domain file of that name is broken; `XENITH_ERR_INVALID_ARG` for a name that no domain
///         can have; `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_lookup_by_name(
    conn: *mut xenith_connect,
    name: *const c_char,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let name = text(name, "name")?;
            conn.put_domain(out, |connection| connection.lookup_by_name(name))
        })
    }
}

/// Finds a live domain by its id. The handle is pinned to that life.
///
/// Road: hypercall.
///
/// @param conn   a connection
/// @param id     the id, 0 to 32751
/// @param flags  0
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for an id out of range;
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_lookup_by_id(
    conn: *mut xenith_connect,
    id: u32,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let id = args::domid(id)?;
            conn.put_domain(out, |connection| connection.lookup_by_id(id))
        })
    }
}

/// Finds a domain by its uuid, live or not. The handle is pinned to the domain, and to its life if
/// it is live.
///
/// Road: hypercall; then, for inactive ones, the domain files or xend.
///
/// @param conn   a connection
/// @param uuid   16 bytes, in the order in which they are written
/// @param flags  0
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for NULL;
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_lookup_by_uuid(
    conn: *mut xenith_connect,
    uuid: *const u8,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let uuid = args::uuid(uuid, "uuid")?;
            conn.put_domain(out, |connection| connection.lookup_by_uuid(uuid))
        })
    }
}

/// Finds a domain by its uuid as text, live or not. The handle is pinned to the domain, and to its
/// life if it is live.
///
/// Road: hypercall; then, for inactive ones, the domain files or xend.
///
/// @param conn   a connection
/// @param uuid   32 hexadecimal digits, with or without dashes
/// @param flags  0
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for what is no uuid;
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_lookup_by_uuid_string(
    conn: *mut xenith_connect,
    uuid: *const c_char,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let uuid = uuid_of(text(uuid, "uuid")?)?;
            conn.put_domain(out, |connection| connection.lookup_by_uuid(uuid))
        })
    }
}

fn uuid_of(word: &str) -> Result<Uuid> {
    // The parser also takes braces and URNs, which no other tool of the field does.
    let plain = word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    Uuid::try_parse(word)
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| Error::invalid_arg(format!("uuid is '{word}', which is not 32 hexadecimal digits")))
}

/// Makes a domain persistent, or replaces its configuration. It is not started. The uuid decides
/// which domain is meant: without one in the XML, the persistent domain of that name, else a new
/// one.
///
/// Road: the domain files in /etc/xen, or xend on a host that has it.
///
/// @param conn   a connection
/// @param xml    domain XML, UTF-8
/// @param flags  0
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` says where the XML is wrong, or the domain file
///         that would be written over; `XENITH_ERR_EXISTS` for a name or uuid that another domain
///         has; `XENITH_ERR_NOT_SUPPORTED` for what the host's language cannot say;
///         `XENITH_ERR_OPERATION_FAILED` with the host's words; `XENITH_ERR_TIMEOUT` (the
///         toolstack's deadline); `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_define_xml(
    conn: *mut xenith_connect,
    xml: *const c_char,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let xml = text(xml, "xml")?;
            conn.put_domain(out, |connection| connection.define(xml))
        })
    }
}

/// Starts a domain that exists until its life ends. When a step fails, what was made is destroyed
/// again.
///
/// Road: xl, or xend on a host that has it.
///
/// @param conn   a connection
/// @param xml    domain XML, UTF-8
/// @param flags  0 or `XENITH_CREATE_PAUSED`
/// @param out    receives the domain, released with `xenith_domain_unref`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` says where the XML is wrong;
///         `XENITH_ERR_EXISTS` for a name or uuid that another domain has;
///         `XENITH_ERR_NOT_SUPPORTED` on a host without a toolstack; `XENITH_ERR_OPERATION_FAILED`
///         with the host's words; `XENITH_ERR_TIMEOUT` (the toolstack's deadline);
///         `XENITH_ERR_CLOSED` after fork; the road's errors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_create_xml(
    conn: *mut xenith_connect,
    xml: *const c_char,
    flags: u64,
    out: *mut *mut xenith_domain,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, XENITH_CREATE_PAUSED)?;
            let xml = text(xml, "xml")?;
            conn.put_domain(out, |connection| connection.create(xml, flags & XENITH_CREATE_PAUSED != 0))
        })
    }
}
