//! The report on a host: what `xenith doctor` shows, item by item.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr::null;

use super::args::{Out, flags as only, handle, optional_out, optional_text};
use super::boundary::{call, guard};
use super::connect::xenith_connect;
use super::constants::{XENITH_OK, XENITH_ROAD_NONE, xenith_status};
use super::error::{c_string, xenith_error};
use super::options::xenith_open_options;
use super::sized;
use crate::driver::{HostReport, OpenOptions};
use crate::error::{Error, Result, Road};

/// What a host offers, as it was at one moment: each road into it, found or not and why; which road
/// serves each operation; what is not as it should be. Belongs to the caller, who frees it with
/// `xenith_report_free`. Never changes; any thread may read it; it holds no connection open.
pub struct xenith_report {
    host: CString,
    failure: Option<(xenith_status, Road, CString)>,
    roads: Vec<RoadRow>,
    routes: Vec<RouteRow>,
    problems: Vec<CString>,
}

struct RoadRow {
    road: Road,
    found: bool,
    version: Option<CString>,
    detail: CString,
}

struct RouteRow {
    operation: CString,
    active: u32,
    inactive: u32,
}

impl xenith_report {
    fn new(report: HostReport) -> *mut Self {
        let number = |road: Option<Road>| road.map_or(XENITH_ROAD_NONE, |road| road as u32);
        Box::into_raw(Box::new(xenith_report {
            host: c_string(&report.host),
            failure: report
                .failure
                .map(|error| (error.status as u32, error.road, c_string(&error.to_string()))),
            roads: report
                .roads
                .into_iter()
                .map(|row| RoadRow {
                    road: row.road,
                    found: row.found,
                    version: row.version.as_deref().map(c_string),
                    detail: c_string(&row.detail),
                })
                .collect(),
            routes: report
                .routes
                .into_iter()
                .map(|row| RouteRow {
                    operation: c_string(row.operation),
                    active: number(row.active),
                    inactive: number(row.inactive),
                })
                .collect(),
            problems: report.problems.iter().map(|problem| c_string(problem)).collect(),
        }))
    }
}

/// The row of that index; `what` is what there are several of.
fn row<'a, T>(rows: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    rows.get(index).ok_or_else(|| {
        Error::invalid_arg(format!("index is {index}, and the report has {} {what}", rows.len()))
    })
}

/// Looks at a host and reports on it, also where no connection can be opened: that is when it is
/// needed most. Nothing is changed.
///
/// "xen+sim:///" without `dir` is a new simulated host; the report on one that a connection holds
/// is `xenith_connect_get_report`'s.
///
/// Road: looks for each road that the URI allows.
///
/// @param uri           the host, as for `xenith_connect_open`
/// @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
/// @param options_size  `sizeof *options`
/// @param flags         0
/// @param out           receives the report, freed with `xenith_report_free`
/// @param err           receives NULL or an error object; may be NULL
/// @return `XENITH_OK`, whatever the report says; `XENITH_ERR_INVALID_URI`;
///         `XENITH_ERR_INVALID_ARG` for options from a newer header that ask for something
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_open(
    uri: *const c_char,
    options: *const xenith_open_options,
    options_size: usize,
    flags: u64,
    out: *mut *mut xenith_report,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            only(flags, 0)?;
            let (uri, out) = (optional_text(uri, "uri")?, Out::new(out, "out")?);
            let options = OpenOptions::try_from(sized::read(options, "options", options_size)?)?;
            out.put(xenith_report::new(HostReport::of(uri, &options)?));
            Ok(())
        })
    }
}

/// Reports on the host of an open connection: its roads as they are now, broken domain files,
/// domains without a monitor.
///
/// Road: asks each one that the connection has.
///
/// @param conn   a connection
/// @param flags  0
/// @param out    receives the report, freed with `xenith_report_free`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`, whatever the report says; `XENITH_ERR_CLOSED` after fork
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_connect_get_report(
    conn: *mut xenith_connect,
    flags: u64,
    out: *mut *mut xenith_report,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (conn, out) = (handle(conn, "conn")?, Out::new(out, "out")?);
            only(flags, 0)?;
            out.put(xenith_report::new(conn.connection().report()?));
            Ok(())
        })
    }
}

/// What kind of host it was taken for, in a sentence for people.
///
/// Road: none, this reads the report.
///
/// @param report  a report
/// @param out     receives UTF-8 that lives as long as the report
/// @param err     receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_get_host(
    report: *const xenith_report,
    out: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (report, out) = (handle(report, "report")?, Out::new(out, "out")?);
            out.put(report.host.as_ptr());
            Ok(())
        })
    }
}

/// Why no connection can be opened.
///
/// Road: none, this reads the report.
///
/// @param report   a report
/// @param status   receives what `xenith_connect_open` would return: `XENITH_OK`, or one of
///                 `XENITH_ERR_*`
/// @param road     receives the road that the error came from, one of `XENITH_ROAD_*`; may be NULL
/// @param message  receives the error's message, UTF-8 that lives as long as the report, or NULL
///                 for `XENITH_OK`; may be NULL
/// @param err      receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_get_failure(
    report: *const xenith_report,
    status: *mut u32,
    road: *mut u32,
    message: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (report, status) = (handle(report, "report")?, Out::new(status, "status")?);
            let (road, message) = (optional_out(road, "road")?, optional_out(message, "message")?);
            let (number, from, text) = match &report.failure {
                None => (XENITH_OK, XENITH_ROAD_NONE, null()),
                Some((number, from, text)) => (*number, *from as u32, text.as_ptr()),
            };
            status.put(number);
            if let Some(road) = road {
                road.put(from);
            }
            if let Some(message) = message {
                message.put(text);
            }
            Ok(())
        })
    }
}

/// How many roads are in a report.
///
/// Road: none, this reads the report.
///
/// @param report  a report, or NULL
/// @return the number; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_road_count(report: *const xenith_report) -> usize {
    // SAFETY: NULL, or a report that the caller has not freed.
    guard(0, || unsafe { report.as_ref() }.map_or(0, |report| report.roads.len()))
}

/// One road: whether it is there, and where or why not.
///
/// Road: none, this reads the report.
///
/// @param report   a report
/// @param index    which, from 0
/// @param road     receives one of `XENITH_ROAD_*`
/// @param found    receives 1 when it can be taken, else 0; may be NULL
/// @param version  receives what was found on it ("4.17.5"), UTF-8 that lives as long as the
///                 report, or NULL where it does not say; may be NULL
/// @param detail   receives where it was found, or why it was not and what to do, likewise; may be
///                 NULL
/// @param err      receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_get_road(
    report: *const xenith_report,
    index: usize,
    road: *mut u32,
    found: *mut u32,
    version: *mut *const c_char,
    detail: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (report, road) = (handle(report, "report")?, Out::new(road, "road")?);
            let (found, version) = (optional_out(found, "found")?, optional_out(version, "version")?);
            let detail = optional_out(detail, "detail")?;
            let row = row(&report.roads, index, "roads")?;
            road.put(row.road as u32);
            if let Some(found) = found {
                found.put(row.found.into());
            }
            if let Some(version) = version {
                version.put(row.version.as_ref().map_or(null(), |text| text.as_ptr()));
            }
            if let Some(detail) = detail {
                detail.put(row.detail.as_ptr());
            }
            Ok(())
        })
    }
}

/// How many operations are in a report; none where no connection can be opened.
///
/// Road: none, this reads the report.
///
/// @param report  a report, or NULL
/// @return the number; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_route_count(report: *const xenith_report) -> usize {
    // SAFETY: NULL, or a report that the caller has not freed.
    guard(0, || unsafe { report.as_ref() }.map_or(0, |report| report.routes.len()))
}

/// One operation, and the road that serves it.
///
/// Road: none, this reads the report.
///
/// @param report     a report
/// @param index      which, from 0
/// @param operation  receives its name ("create"), UTF-8 that lives as long as the report
/// @param active     receives the road for live domains and for the host, one of `XENITH_ROAD_*`;
///                   `XENITH_ROAD_NONE` where none does it; may be NULL
/// @param inactive   receives the road for inactive domains, likewise; may be NULL
/// @param err        receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_get_route(
    report: *const xenith_report,
    index: usize,
    operation: *mut *const c_char,
    active: *mut u32,
    inactive: *mut u32,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (report, operation) = (handle(report, "report")?, Out::new(operation, "operation")?);
            let (active, inactive) = (optional_out(active, "active")?, optional_out(inactive, "inactive")?);
            let row = row(&report.routes, index, "routes")?;
            operation.put(row.operation.as_ptr());
            if let Some(active) = active {
                active.put(row.active);
            }
            if let Some(inactive) = inactive {
                inactive.put(row.inactive);
            }
            Ok(())
        })
    }
}

/// How many problems are in a report.
///
/// Road: none, this reads the report.
///
/// @param report  a report, or NULL
/// @return the number; 0 for NULL, and where all is well
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_problem_count(report: *const xenith_report) -> usize {
    // SAFETY: NULL, or a report that the caller has not freed.
    guard(0, || unsafe { report.as_ref() }.map_or(0, |report| report.problems.len()))
}

/// One thing that is not as it should be, and what to do about it: a domain file that cannot be
/// read, a domain without a monitor.
///
/// Road: none, this reads the report.
///
/// @param report  a report
/// @param index   which, from 0
/// @param out     receives a sentence for people, UTF-8 that lives as long as the report
/// @param err     receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_get_problem(
    report: *const xenith_report,
    index: usize,
    out: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (report, out) = (handle(report, "report")?, Out::new(out, "out")?);
            out.put(row(&report.problems, index, "problems")?.as_ptr());
            Ok(())
        })
    }
}

/// Frees a report and the strings in it.
///
/// Road: none.
///
/// @param report  a report; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_report_free(report: *mut xenith_report) {
    if !report.is_null() {
        // SAFETY: made by `xenith_report::new`, and not freed before.
        guard((), || drop(unsafe { Box::from_raw(report) }));
    }
}
