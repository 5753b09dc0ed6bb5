//! Open options: from the caller's struct to the driver's.
//!
//! Unsafe: calls the caller's log function.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::constants::{XENITH_LOG_DEBUG, XENITH_LOG_INFO};
use super::error::c_string;
use super::sized::sized;
use crate::driver::OpenOptions;
use crate::error::{Error, Result, Road};
use crate::log::{Level, Log};

/// How to open a connection. Start from zeroes: zero and NULL are the defaults, of fields that
/// later versions add too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xenith_open_options {
    /// The longest that a call may take which asks or changes something quick, ms. 0: 10 s.
    pub timeout_ms: u32,
    /// The longest that a call may take which waits for the host's toolstack (define, create,
    /// destroy), ms. 0: 180 s. Save and restore get a second more for each 8 MiB of memory.
    pub toolstack_timeout_ms: u32,
    /// Called with each log line, or NULL for silence. `level` is one of `XENITH_LOG_*`; `line` is
    /// UTF-8 without a newline and lives for the call only. It may be called from several threads
    /// at once, on any thread that is in a call on the connection. It must return (no longjmp, no
    /// C++ exception), must not call this library, and may be called until the last reference to
    /// the connection and to its domains is released.
    pub log: Option<extern "C" fn(data: *mut c_void, level: u32, line: *const c_char)>,
    /// Given to `log` as it is.
    pub log_data: *mut c_void,
    /// The least important lines that are wanted: one of `XENITH_LOG_*`. 0: `XENITH_LOG_INFO`.
    pub log_level: u32,
    /// Roads that must not be used, for tests and for hosts with a broken one: bit `1u <<
    /// XENITH_ROAD_X` for each.
    pub without_roads: u32,
}

sized! {
    xenith_open_options {
        timeout_ms: u32, toolstack_timeout_ms: u32,
        log: Option<extern "C" fn(data: *mut c_void, level: u32, line: *const c_char)>,
        log_data: *mut c_void, log_level: u32, without_roads: u32,
    }
}

impl TryFrom<xenith_open_options> for OpenOptions {
    type Error = Error;

    fn try_from(given: xenith_open_options) -> Result<Self> {
        let default = OpenOptions::default();
        Ok(OpenOptions {
            timeout: millis(given.timeout_ms).unwrap_or(default.timeout),
            toolstack_timeout: millis(given.toolstack_timeout_ms).unwrap_or(default.toolstack_timeout),
            log: log(&given)?,
            without: roads(given.without_roads)?,
        })
    }
}

fn millis(given: u32) -> Option<Duration> {
    (given != 0).then(|| Duration::from_millis(given.into()))
}

fn roads(mask: u32) -> Result<Vec<Road>> {
    const ROADS: [Road; 6] =
        [Road::Hypercall, Road::Xenstore, Road::Xend, Road::Xl, Road::Store, Road::Remote];
    let bit = |road: Road| 1 << road as u32;
    match mask & !ROADS.into_iter().fold(0, |all, road| all | bit(road)) {
        0 => Ok(ROADS.into_iter().filter(|road| mask & bit(*road) != 0).collect()),
        unknown => {
            Err(Error::invalid_arg(format!("options.without_roads has bits that are no road: {unknown:#x}")))
        }
    }
}

/// The caller's log function and what it wants with it.
struct Listener {
    log: extern "C" fn(data: *mut c_void, level: u32, line: *const c_char),
    data: *mut c_void,
}

// SAFETY: the header tells the caller that the function is called from several threads at once, with this pointer; xenith
// itself never looks behind it.
unsafe impl Send for Listener {}
// SAFETY: as above.
unsafe impl Sync for Listener {}

impl Listener {
    fn hear(&self, level: Level, line: &str) {
        (self.log)(self.data, level as u32, c_string(line).as_ptr());
    }
}

fn log(given: &xenith_open_options) -> Result<Log> {
    let least = match given.log_level {
        0 => XENITH_LOG_INFO,
        level if level <= XENITH_LOG_DEBUG => level,
        level => {
            return Err(Error::invalid_arg(format!(
                "options.log_level is {level}: the levels are 1 to {XENITH_LOG_DEBUG}, and 0 is the default"
            )));
        }
    };
    let Some(log) = given.log else { return Ok(Log::default()) };
    let listener = Listener { log, data: given.log_data };
    Ok(Log::to(move |level, line| {
        if level as u32 <= least {
            listener.hear(level, line);
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    const NOTHING: xenith_open_options = xenith_open_options {
        timeout_ms: 0,
        toolstack_timeout_ms: 0,
        log: None,
        log_data: std::ptr::null_mut(),
        log_level: 0,
        without_roads: 0,
    };

    #[test]
    fn zeroes_are_the_defaults() {
        let options = OpenOptions::try_from(NOTHING).unwrap();
        assert_eq!(options.timeout, OpenOptions::default().timeout);
        assert!(!options.log.is_on() && options.without.is_empty());
    }

    #[test]
    fn roads_are_bits_and_no_road_is_not_one() {
        let both = 1 << Road::Xend as u32 | 1 << Road::Hypercall as u32;
        assert_eq!(roads(both).unwrap(), [Road::Hypercall, Road::Xend]);
        assert!(roads(1 << Road::None as u32).is_err());
        assert!(roads(1 << 31).is_err());
    }

    #[test]
    fn log_lines_arrive_from_the_wanted_level_on_and_without_inner_nul() {
        extern "C" fn collect(data: *mut c_void, level: u32, line: *const c_char) {
            // SAFETY: the vector below, on one thread; a C string for the length of the call.
            let (lines, line) = unsafe { (&mut *data.cast::<Vec<_>>(), CStr::from_ptr(line)) };
            lines.push((level, line.to_str().unwrap().to_owned()));
        }
        let mut lines: Vec<(u32, String)> = Vec::new();
        let data = (&raw mut lines).cast();
        let options = xenith_open_options { log: Some(collect), log_data: data, log_level: 2, ..NOTHING };
        let log = OpenOptions::try_from(options).unwrap().log;
        log.say(Level::Info, format_args!("not wanted"));
        log.say(Level::Warning, format_args!("a\0b"));
        log.say(Level::Error, format_args!("bad"));
        assert_eq!(lines, [(2, "a\u{fffd}b".to_owned()), (1, "bad".to_owned())]);
        assert!(OpenOptions::try_from(xenith_open_options { log_level: 5, ..options }).is_err());
    }
}
