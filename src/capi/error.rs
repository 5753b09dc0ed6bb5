//! The error object, and the strings that the library gives away.
//!
//! Unsafe: takes back boxes and strings that C held.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};

use super::boundary::guard;
use super::constants::{XENITH_OK, XENITH_ROAD_NONE, xenith_status};
use crate::error::{Error, Road};

/// What went wrong in a call: a status, the road it came from, the errno where there was one, and a
/// sentence. Belongs to the caller, who frees it with `xenith_error_free`. Never changes; any
/// thread may read it.
pub struct xenith_error {
    status: xenith_status,
    road: Road,
    errno: i32,
    message: CString,
}

impl xenith_error {
    pub(super) fn new(error: Error) -> *mut Self {
        let message = c_string(&error.to_string());
        let Error { status, road, errno, .. } = error;
        Box::into_raw(Box::new(xenith_error {
            status: status as u32,
            road,
            errno: errno.unwrap_or(0),
            message,
        }))
    }
}

/// `text` for people, as C can hold it: a NUL byte within becomes U+FFFD rather than an early end.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// The status, which is the one that the call returned.
///
/// Road: none, this reads the object.
///
/// @param error  an error object, or NULL
/// @return one of `XENITH_ERR_*`; `XENITH_OK` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_error_get_status(error: *const xenith_error) -> xenith_status {
    // SAFETY: NULL, or an error object that the caller has not freed.
    guard(XENITH_OK, || unsafe { error.as_ref() }.map_or(XENITH_OK, |e| e.status))
}

/// The road into the host that the error came from.
///
/// Road: none, this reads the object.
///
/// @param error  an error object, or NULL
/// @return one of `XENITH_ROAD_*`; `XENITH_ROAD_NONE` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_error_get_road(error: *const xenith_error) -> u32 {
    // SAFETY: NULL, or an error object that the caller has not freed.
    guard(XENITH_ROAD_NONE, || unsafe { error.as_ref() }.map_or(XENITH_ROAD_NONE, |e| e.road as u32))
}

/// The errno of the system call or hypercall that failed.
///
/// Road: none, this reads the object.
///
/// @param error  an error object, or NULL
/// @return a positive errno; 0 where there was none, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_error_get_errno(error: *const xenith_error) -> i32 {
    // SAFETY: NULL, or an error object that the caller has not freed.
    guard(0, || unsafe { error.as_ref() }.map_or(0, |e| e.errno))
}

/// What happened and what to do next, in one sentence that starts with the road's name where there
/// was a road. For people: its wording may change in any version.
///
/// Road: none, this reads the object.
///
/// @param error  an error object, or NULL
/// @return UTF-8 that lives as long as the error object; "no error" for NULL. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_error_get_message(error: *const xenith_error) -> *const c_char {
    const NONE: &CStr = c"no error";
    // SAFETY: NULL, or an error object that the caller has not freed.
    guard(NONE.as_ptr(), || unsafe { error.as_ref() }.map_or(NONE.as_ptr(), |e| e.message.as_ptr()))
}

/// Frees an error object.
///
/// Road: none.
///
/// @param error  an error object; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_error_free(error: *mut xenith_error) {
    if !error.is_null() {
        // SAFETY: made by `xenith_error::new`, and not freed before.
        guard((), || drop(unsafe { Box::from_raw(error) }));
    }
}

/// Frees a string that a function of this library gave through a `char **`. Strings that are
/// returned as `const char *` are not freed: each says what it lives with.
///
/// Road: none.
///
/// @param string  such a string; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_string_free(string: *mut c_char) {
    if !string.is_null() {
        // SAFETY: made by `CString::into_raw` in `Out::put_string`, and not freed before.
        guard((), || drop(unsafe { CString::from_raw(string) }));
    }
}
