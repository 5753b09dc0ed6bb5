//! Guest definitions from one language into another.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::c_char;

use super::args::{Out, flags as only, optional_out, text as text_arg};
use super::boundary::call;
use super::constants::{XENITH_CONVERT_LENIENT, xenith_status};
use super::error::xenith_error;
use super::problems::xenith_problem_list;
use super::sized::{self, sized};
use crate::error::{Error, Result};
use crate::format::convert::{Converted, Native, Options, from_native, to_native};
use crate::format::sxpr::XendFormat;

/// How to convert a guest's definition. Start from zeroes: zero is the default, of fields that later
/// versions add too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xenith_convert_options {
    /// The age of xend that an S-expression or a configuration of xm is for: 1 is Xen 3.0.2, 2 is
    /// 3.0.3, 3 is 3.0.4, 4 is 3.1 to 4.4. 0: 4.
    pub xend_config_format: u32,
}

sized! { xenith_convert_options { xend_config_format: u32 } }

fn options(given: xenith_convert_options, flags: u64) -> Result<Options> {
    let default = Options::default();
    let xend_format = match given.xend_config_format {
        0 => default.xend_format,
        number => XendFormat::from_number(Some(number)).ok_or_else(|| {
            Error::invalid_arg(format!(
                "options.xend_config_format is {number}: xend has had 1 to 4, and 0 is the default"
            ))
        })?,
    };
    Ok(Options { xend_format, lenient: flags & XENITH_CONVERT_LENIENT != 0 })
}

/// Domain XML for a guest's definition in a toolstack's language. Passwords in it go along. No host is
/// needed.
///
/// Road: none.
///
/// @param format        the language: "xen-xl", "xen-xm", "xen-sxpr", "xenvm"
/// @param text          the definition
/// @param options       NULL (with options_size 0) for the defaults
/// @param options_size  `sizeof *options`
/// @param flags         0 or `XENITH_CONVERT_LENIENT`
/// @param out           receives the domain XML, freed with `xenith_string_free`
/// @param warnings      receives what was left out, freed with `xenith_problem_list_free`; may be NULL
/// @param err           receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` for a text that is malformed or says something
///         impossible (the message says where); `XENITH_ERR_NOT_SUPPORTED` for what has no place in
///         domain XML, unless flags say lenient; `XENITH_ERR_INVALID_ARG` for a format that is not
///         known
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_xml_from_native(
    format: *const c_char,
    text: *const c_char,
    options: *const xenith_convert_options,
    options_size: usize,
    flags: u64,
    out: *mut *mut c_char,
    warnings: *mut *mut xenith_problem_list,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        convert(from_native, (format, (text, "text")), (options, options_size), flags, out, warnings, err)
    }
}

/// A guest's definition in a toolstack's language, for domain XML. Passwords in it go along. No host is
/// needed.
///
/// Road: none.
///
/// @param format        the language: "xen-xl", "xen-xm", "xen-sxpr", "xenvm"
/// @param xml           the domain XML
/// @param options       NULL (with options_size 0) for the defaults
/// @param options_size  `sizeof *options`
/// @param flags         0 or `XENITH_CONVERT_LENIENT`
/// @param out           receives the definition, freed with `xenith_string_free`
/// @param warnings      receives what was left out, freed with `xenith_problem_list_free`; may be NULL
/// @param err           receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` for XML that is malformed or says something
///         impossible (the message says where), and for a guest that the language's toolstack could
///         not start; `XENITH_ERR_NOT_SUPPORTED` for what that language has no place for, unless flags
///         say lenient and the guest can be without; `XENITH_ERR_INVALID_ARG` for a format that is not
///         known
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_domain_xml_to_native(
    format: *const c_char,
    xml: *const c_char,
    options: *const xenith_convert_options,
    options_size: usize,
    flags: u64,
    out: *mut *mut c_char,
    warnings: *mut *mut xenith_problem_list,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe { convert(to_native, (format, (xml, "xml")), (options, options_size), flags, out, warnings, err) }
}

/// Both directions.
///
/// # Safety
/// The caller's promises, at the top of the header.
unsafe fn convert(
    how: fn(Native, &str, Options) -> Result<Converted>,
    (format, (text, name)): (*const c_char, (*const c_char, &str)),
    (given, size): (*const xenith_convert_options, usize),
    flags: u64,
    out: *mut *mut c_char,
    warnings: *mut *mut xenith_problem_list,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises.
    unsafe {
        call(err, || {
            let (format, text) = (text_arg(format, "format")?, text_arg(text, name)?);
            let (out, warnings) = (Out::new(out, "out")?, optional_out(warnings, "warnings")?);
            only(flags, XENITH_CONVERT_LENIENT)?;
            let options = options(sized::read(given, "options", size)?, flags)?;
            let converted = how(Native::from_name(format)?, text, options)?;
            out.put_string(converted.text)?;
            if let Some(warnings) = warnings {
                warnings.put(xenith_problem_list::new(converted.warnings));
            }
            Ok(())
        })
    }
}
