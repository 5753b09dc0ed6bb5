//! The border itself: a closure's result becomes a status and an error object, a panic becomes an error.
//!
//! Unsafe: writes through the caller's `err` pointer.
#![allow(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::constants::{XENITH_OK, xenith_status};
use super::error::xenith_error;
use crate::error::{Error, Result, Status};

/// Runs `body`. Its error goes to `*err` if `err` is not NULL; on success `*err` becomes NULL.
///
/// Unwind safety is asserted because what a panic may leave half done is the driver's own state, which lies behind
/// locks of its own; the C side has seen nothing, since outputs are written last.
///
/// # Safety
/// `err` is NULL or can be written.
pub(super) unsafe fn call(err: *mut *mut xenith_error, body: impl FnOnce() -> Result<()>) -> xenith_status {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(defect(&*panic)));
    let (status, object) = match result {
        Ok(()) => (XENITH_OK, std::ptr::null_mut()),
        Err(error) if err.is_null() => (error.status as u32, std::ptr::null_mut()),
        Err(error) => (error.status as u32, xenith_error::new(error)),
    };
    if !err.is_null() {
        // SAFETY: promised by the caller. Unaligned: this pointer alone could not be refused with an error.
        unsafe { err.write_unaligned(object) };
    }
    status
}

/// Runs a body that has no way to fail; `fallback` is answered if it panics all the same.
pub(super) fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

fn defect(panic: &(dyn Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(Status::Internal, format!("a defect of xenith, please report it: {what}"))
}
