//! What comes in from C, checked: each helper names the argument that is wrong.
//!
//! Unsafe: reads and writes through the caller's pointers. What the caller promises for a pointer that is not NULL
//! stands at the top of `include/xenith.h`; NULL, alignment and UTF-8 are checked here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr::NonNull;

use crate::error::{Error, Result, Status};
use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::{DomId, Uuid};

/// A pointer that is neither NULL nor misaligned.
pub(super) fn pointer<T>(ptr: *const T, name: &str) -> Result<NonNull<T>> {
    let there = NonNull::new(ptr.cast_mut()).ok_or_else(|| Error::invalid_arg(format!("{name} is NULL")))?;
    if !ptr.is_aligned() {
        return Err(Error::invalid_arg(format!(
            "{name} is not aligned: it cannot be what the function asks for"
        )));
    }
    Ok(there)
}

/// A handle or another thing of the library's that the caller holds.
///
/// # Safety
/// `ptr` is NULL, or was given by the library and not yet released.
pub(super) unsafe fn handle<'a, T>(ptr: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: promised by the caller; handles are only ever shared, never borrowed mutably.
    Ok(unsafe { pointer(ptr, name)?.as_ref() })
}

/// A string.
///
/// # Safety
/// `ptr` is NULL or points to bytes that end with NUL and do not change during the call.
pub(super) unsafe fn text<'a>(ptr: *const c_char, name: &str) -> Result<&'a str> {
    let ptr = pointer(ptr, name)?;
    // SAFETY: promised by the caller.
    let bytes = unsafe { CStr::from_ptr(ptr.as_ptr()) };
    bytes.to_str().map_err(|e| {
        Error::invalid_arg(format!(
            "{name} is not UTF-8: the first bad byte is at offset {}",
            e.valid_up_to()
        ))
    })
}

/// A string that may be NULL.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn optional_text<'a>(ptr: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: the same promise.
    unsafe { text(ptr, name) }.map(Some)
}

/// The path of a file. UTF-8 as every text here, although a path could be any bytes: what a message says of it, and what a
/// toolstack is told over a road that speaks UTF-8, is then the file that is meant.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn file<'a>(ptr: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the same promise.
    match unsafe { text(ptr, name) }? {
        "" => Err(Error::invalid_arg(format!("{name} is empty: it is the path of a file"))),
        path => Ok(Path::new(path)),
    }
}

/// The sixteen bytes of a uuid, in the order in which they are written.
///
/// # Safety
/// `ptr` is NULL or points to 16 bytes.
pub(super) unsafe fn uuid(ptr: *const u8, name: &str) -> Result<Uuid> {
    let ptr = pointer(ptr, name)?.cast::<[u8; 16]>();
    // SAFETY: promised by the caller; an array of bytes has no alignment.
    Ok(Uuid::from_bytes(unsafe { ptr.read() }))
}

/// The number of a life: what Xen keeps for itself is refused before any road is taken.
pub(super) fn domid(id: u32) -> Result<DomId> {
    if id >= FIRST_RESERVED_DOMID {
        let last = FIRST_RESERVED_DOMID - 1;
        return Err(Error::invalid_arg(format!("id is {id}: the ids of domains are 0 to {last}")));
    }
    Ok(id)
}

/// Refuses every bit that is not in `known`.
pub(super) fn flags(given: u64, known: u64) -> Result<()> {
    match given & !known {
        0 => Ok(()),
        unknown => Err(Error::invalid_arg(format!(
            "flags has bits that this function of xenith {} does not know: {unknown:#x}",
            env!("CARGO_PKG_VERSION")
        ))),
    }
}

/// A place that the caller gave for an output.
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Checks it before anything is done.
    ///
    /// # Safety
    /// `ptr` is NULL or a `T` can be written there for the length of the call.
    pub(super) unsafe fn new(ptr: *mut T, name: &str) -> Result<Self> {
        pointer(ptr, name).map(Out)
    }

    /// Writes the output: the last thing that a call does.
    pub(super) fn put(self, value: T) {
        // SAFETY: `new` was promised that this can be written. What was there is not dropped: it is C's.
        unsafe { self.0.write(value) };
    }
}

/// A place for an output that the caller may not want.
///
/// # Safety
/// As for [`Out::new`].
pub(super) unsafe fn optional_out<T>(ptr: *mut T, name: &str) -> Result<Option<Out<T>>> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: the same promise.
    unsafe { Out::new(ptr, name) }.map(Some)
}

impl Out<*mut c_char> {
    /// Gives a string, which the caller frees with `xenith_string_free`.
    pub(super) fn put_string(self, text: String) -> Result<()> {
        let text = CString::new(text).map_err(|e| {
            let at = e.nul_position();
            Error::new(
                Status::Protocol,
                format!("the host's answer has a NUL byte at offset {at}: C cannot hold it"),
            )
        })?;
        self.put(text.into_raw());
        Ok(())
    }
}
