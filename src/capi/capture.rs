//! A capture: what a host answers to questions that change nothing, as a file to send.
//!
//! Unsafe: reads through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;

use super::args::{file, flags as only, optional_text};
use super::boundary::call;
use super::constants::{XENITH_CAPTURE_REPLACE, xenith_status};
use super::error::xenith_error;
use super::options::xenith_open_options;
use super::sized;
use crate::driver::OpenOptions;
use crate::error::Result;
use crate::format::capture::Capture;

/// Writes what a host answers to questions that change nothing into a file, for somebody who does not
/// have such a host: versions, hypercalls' answers, the shape of xenstore's tree, which toolstacks are
/// there. It works where no connection can be opened: each road is asked by itself, and one that is
/// not there is told as such. Nothing is changed on the host.
///
/// Names of domains, uuids, MAC addresses and words that are on no list are replaced, the same by the
/// same; of other values only the kind and the length are told (docs/capture.md). The file is text,
/// one JSON object a line, and is made to be read before it is sent. Only its owner can read it.
///
/// "xen+sim:///?capture=FILE" is a host that stands in for the one that a capture was taken of.
///
/// Road: hypercall, xenstore, xend; each by itself.
///
/// @param uri           the host, as for `xenith_connect_open`
/// @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
/// @param options_size  `sizeof *options`
/// @param path          the file
/// @param flags         0 or `XENITH_CAPTURE_REPLACE`
/// @param err           receives NULL or an error object; may be NULL
/// @return `XENITH_OK`, whatever the host has; `XENITH_ERR_EXISTS` where there is a file of that name and
///         flags do not say that it may be replaced; `XENITH_ERR_INVALID_URI`; `XENITH_ERR_NOT_SUPPORTED`
///         for another host's URI; `XENITH_ERR_ACCESS_DENIED` and `XENITH_ERR_OPERATION_FAILED` from
///         the file system
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_capture_write(
    uri: *const c_char,
    options: *const xenith_open_options,
    options_size: usize,
    path: *const c_char,
    flags: u64,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || -> Result<()> {
            only(flags, XENITH_CAPTURE_REPLACE)?;
            let (uri, path) = (optional_text(uri, "uri")?, file(path, "path")?);
            let options = OpenOptions::try_from(sized::read(options, "options", options_size)?)?;
            Capture::of(uri, &options)?.0.write(path, flags & XENITH_CAPTURE_REPLACE != 0)
        })
    }
}
