//! A list of domains: one snapshot, read row by row.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;

use super::args::{Out, handle};
use super::boundary::{call, guard};
use super::constants::xenith_status;
use super::error::xenith_error;
use super::info::{put, xenith_domain_info};
use super::sized::SizedOut;
use crate::error::{Error, Result};
use crate::model::{DomainInfo, DomainRow};

/// A list of domains as they were at one moment. Belongs to the caller, who frees it with
/// `xenith_domain_list_free`. Never changes; any thread may read it; it does not hold its
/// connection open.
pub struct xenith_domain_list {
    rows: Vec<Row>,
    /// All names, each with a NUL after it: one allocation, however many domains there are.
    names: Vec<u8>,
}

struct Row {
    /// Where the name starts in `names`.
    name: Option<usize>,
    info: DomainInfo,
}

impl xenith_domain_list {
    pub(super) fn new(rows: Vec<DomainRow>) -> Self {
        let bytes = rows.iter().filter_map(|row| row.name.as_ref()).map(|name| name.len() + 1).sum();
        let mut names = Vec::with_capacity(bytes);
        let rows = rows
            .into_iter()
            .map(|DomainRow { name, info }| {
                let name = name.map(|name| {
                    let at = names.len();
                    // A name that C cannot hold whole ends at its NUL, as a C reader of xenstore would see it.
                    let end = name.bytes().position(|byte| byte == 0).unwrap_or(name.len());
                    names.extend_from_slice(name.as_bytes().get(..end).unwrap_or_default());
                    names.push(0);
                    at
                });
                Row { name, info }
            })
            .collect();
        xenith_domain_list { rows, names }
    }

    fn row(&self, index: usize) -> Result<&Row> {
        self.rows.get(index).ok_or_else(|| {
            Error::invalid_arg(format!("index is {index}, and the list has {} rows", self.rows.len()))
        })
    }

    fn name(&self, row: &Row) -> *const c_char {
        let name = row.name.and_then(|at| self.names.get(at..));
        name.map_or(std::ptr::null(), |name| name.as_ptr().cast())
    }
}

/// How many domains are in a list.
///
/// Road: none, this reads the list.
///
/// @param list  a list, or NULL
/// @return the number of rows; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_list_count(list: *const xenith_domain_list) -> usize {
    // SAFETY: NULL, or a list that the caller has not freed.
    guard(0, || unsafe { list.as_ref() }.map_or(0, |list| list.rows.len()))
}

/// The name of a row's domain.
///
/// Road: none, this reads the list.
///
/// @param list   a list
/// @param index  the row, from 0
/// @param out    receives the name, UTF-8, which lives as long as the list; NULL for a domain that
///               has none yet or any more (half made, or being torn down) or whose name could not
///               be read
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_list_get_name(
    list: *const xenith_domain_list,
    index: usize,
    out: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (list, out) = (handle(list, "list")?, Out::new(out, "out")?);
            out.put(list.name(list.row(index)?));
            Ok(())
        })
    }
}

/// Id, uuid, state and figures of a row's domain.
///
/// Road: none, this reads the list.
///
/// @param list   a list
/// @param index  the row, from 0
/// @param info   receives the figures
/// @param size   `sizeof *info`
/// @param err    receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL, an index beyond the end, or an
///         impossible size
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_list_get_info(
    list: *const xenith_domain_list,
    index: usize,
    info: *mut xenith_domain_info,
    size: usize,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (list, out) = (handle(list, "list")?, SizedOut::new(info, "info", size)?);
            put(out, xenith_domain_info::from(&list.row(index)?.info));
            Ok(())
        })
    }
}

/// Frees a list and the names in it.
///
/// Road: none.
///
/// @param list  a list; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_list_free(list: *mut xenith_domain_list) {
    if !list.is_null() {
        // SAFETY: made by `Box::into_raw` in `xenith_connect_list_domains`, and not freed before.
        guard((), || drop(unsafe { Box::from_raw(list) }));
    }
}
