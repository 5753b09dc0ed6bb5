//! What is wrong with a text, item by item, and the call that asks.
//!
//! Unsafe: reads and writes through the caller's pointers.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};

use super::args::{Out, flags as only, handle, optional_out, optional_text, text as text_arg};
use super::boundary::{call, guard};
use super::constants::xenith_status;
use super::error::{c_string, xenith_error};
use crate::error::Error;
use crate::format::Problem;
use crate::format::validate::Language;

/// What is wrong with a text, in the order of the text. Belongs to the caller, who frees it with
/// `xenith_problem_list_free`. Never changes; any thread may read it.
pub struct xenith_problem_list {
    rows: Vec<Row>,
}

struct Row {
    severity: u32,
    line: u32,
    column: u32,
    length: u32,
    message: CString,
}

impl xenith_problem_list {
    pub(super) fn new(problems: Vec<Problem>) -> *mut Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let row = |problem: Problem| Row {
            severity: problem.severity as u32,
            line: problem.place.map_or(0, |place| number(place.line)),
            column: problem.place.map_or(0, |place| number(place.column)),
            length: number(problem.length),
            message: c_string(&problem.message),
        };
        Box::into_raw(Box::new(xenith_problem_list { rows: problems.into_iter().map(row).collect() }))
    }
}

/// Says everything that is wrong with a guest's definition, in whichever language it is. No host is
/// needed.
///
/// Road: none.
///
/// @param format    the language: "domain-xml", "xen-xl", "xen-xm", "xen-sxpr", "xenvm", "libxl-json";
/// NULL to
///                  have it guessed from the text
/// @param text      the definition
/// @param flags     0
/// @param language  receives the language that it was read as, one of the names above, which lives as
///                  long as the process; may be NULL
/// @param out       receives the problems, none for a good text, freed with
///                  `xenith_problem_list_free`. At most some hundred; the last one says how many more.
/// @param err       receives NULL or an error object; may be NULL
/// @return `XENITH_OK`, whatever is wrong with the text; `XENITH_ERR_INVALID_ARG` for a format that is
///         not known
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_validate(
    format: *const c_char,
    text: *const c_char,
    flags: u64,
    language: *mut *const c_char,
    out: *mut *mut xenith_problem_list,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (format, text) = (optional_text(format, "format")?, text_arg(text, "text")?);
            let (named, out) = (optional_out(language, "language")?, Out::new(out, "out")?);
            only(flags, 0)?;
            let language = format.map_or_else(|| Ok(Language::guess(text, None)), Language::from_name)?;
            let problems = language.examine(text).problems;
            if let Some(named) = named {
                named.put(c_name(language).as_ptr());
            }
            out.put(xenith_problem_list::new(problems));
            Ok(())
        })
    }
}

/// [`Language::name`] as C holds it.
fn c_name(language: Language) -> &'static CStr {
    NAMES.iter().find(|name| name.to_bytes() == language.name().as_bytes()).copied().unwrap_or_default()
}

/// A test holds these to being all.
const NAMES: [&CStr; 6] = [c"domain-xml", c"xen-xl", c"xen-xm", c"xen-sxpr", c"xenvm", c"libxl-json"];

/// How many problems are in a list.
///
/// Road: none, this reads the list.
///
/// @param list  a list, or NULL
/// @return the number; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_problem_list_count(list: *const xenith_problem_list) -> usize {
    // SAFETY: NULL, or a list that the caller has not freed.
    guard(0, || unsafe { list.as_ref() }.map_or(0, |list| list.rows.len()))
}

/// One problem.
///
/// Road: none, this reads the list.
///
/// @param list      a list
/// @param index     which, from 0
/// @param severity  receives one of `XENITH_SEVERITY_*`
/// @param line      receives its line in the text, from 1; 0 for a problem of the text as a whole; may
///                  be NULL
/// @param column    receives its column in characters, from 1, likewise; may be NULL
/// @param length    receives how many characters are meant from there on; may be NULL
/// @param message   receives what was found and what is expected, UTF-8 that lives as long as the
///                  list; may be NULL
/// @param err       receives NULL or an error object; may be NULL
/// @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_problem_list_get(
    list: *const xenith_problem_list,
    index: usize,
    severity: *mut u32,
    line: *mut u32,
    column: *mut u32,
    length: *mut u32,
    message: *mut *const c_char,
    err: *mut *mut xenith_error,
) -> xenith_status {
    // SAFETY: the caller's promises, at the top of the header.
    unsafe {
        call(err, || {
            let (list, severity) = (handle(list, "list")?, Out::new(severity, "severity")?);
            let (line, column) = (optional_out(line, "line")?, optional_out(column, "column")?);
            let (length, message) = (optional_out(length, "length")?, optional_out(message, "message")?);
            let row = list.rows.get(index).ok_or_else(|| {
                Error::invalid_arg(format!("index is {index}, and the list has {} problems", list.rows.len()))
            })?;
            severity.put(row.severity);
            for (out, value) in [(line, row.line), (column, row.column), (length, row.length)] {
                if let Some(out) = out {
                    out.put(value);
                }
            }
            if let Some(message) = message {
                message.put(row.message.as_ptr());
            }
            Ok(())
        })
    }
}

/// Frees a list of problems and the strings in it.
///
/// Road: none.
///
/// @param list  a list; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xenith_problem_list_free(list: *mut xenith_problem_list) {
    if !list.is_null() {
        // SAFETY: made by `xenith_problem_list::new`, and not freed before.
        guard((), || drop(unsafe { Box::from_raw(list) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_name_for_c() {
        for language in Language::all() {
            assert_eq!(c_name(language).to_str().unwrap(), language.name());
        }
    }
}
