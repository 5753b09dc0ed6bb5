//! The library's own version.
//!
//! Unsafe: exports symbols.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

/// The version as one number: 1002003 is 1.2.3.
pub(super) const VERSION: u64 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

/// The number that Cargo gives as text.
const fn number(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("Cargo's version numbers are digits"),
    }
}

/// The version of the library that the program runs with; `XENITH_VERSION` is the one that it was
/// compiled with.
///
/// Road: none.
///
/// @return major * 1000000 + minor * 1000 + micro
#[unsafe(no_mangle)]
pub extern "C" fn xenith_library_version() -> u64 {
    VERSION
}

/// The version of the library that the program runs with, for people.
///
/// Road: none.
///
/// @return "major.minor.micro", which lives as long as the process. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn xenith_library_version_string() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version has no NUL"),
        };
    VERSION.as_ptr()
}
