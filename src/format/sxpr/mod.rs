//! xend's configurations: the model <-> S-expressions.
//!
//! **To xend** ([`to_sxpr`]) goes the form that each age of xend takes ([`XendFormat`]). What xend has no place for is an error of
//! status NotSupported that names it, with these exceptions, where nothing of meaning is lost:
//! - the instruction set and machine type: xend gives the host's own;
//! - features of a PV guest, a kernel beside a bootloader (which brings its own), `shareable` of a read-only disk: they have no effect;
//! - the host's device of an `ethernet` interface, which no script of xend's reads, and whether an interface without a bridge is of type
//!   `bridge` or `ethernet`: its script decides;
//! - on Xen 3.0.2 the screen of a PV guest, which has none there, and the port of an HVM guest's, which it derives from the domain's number.
//!
//! **From xend** ([`from_sxpr`]) come the answers of all its versions, live or inactive, and what people send to it. xend adds much that is no
//! configuration, differently in each version: what it measures (cpu_time, online_vcpus, store_mfn, ...), its own bookkeeping (uuids and
//! numbers of devices, status, protocol, ...), and scheduling and on_xend_start, which have calls of their own. So a key that is not
//! known is left out; a known key with an impossible value is an error. A device that lacks what makes it one (a disk without a target) is
//! still being made and left out.
//!
//! Scripts, drivers and emulators that the configuration leaves to the toolstack are what libvirt gives to xend: `vif-bridge` for
//! a bridge, `file:` and `phy:` for disks, the hvmloader and qemu-dm of xend's time for HVM guests.

mod read;
mod write;

use std::collections::BTreeMap;

pub(in crate::format) use read::{rate, source};
pub(in crate::format) use write::{check, managed, uname};

use super::error::SyntaxError;
use super::problem::{Examined, Sink};
use crate::error::Result;
use crate::model::Guest;
use crate::model::guest::Live;
use crate::model::identity::check_name;
use crate::wire::sexpr::Sexpr;
use read::Fault;

const LANGUAGE: &str = "xend's configuration";

/// How a xend wants its configurations: `xend_config_format` in its answer to `/xend/node`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XendFormat {
    /// Xen 3.0.2, which does not say a number.
    V1 = 1,
    /// Xen 3.0.3.
    V2 = 2,
    /// Xen 3.0.4.
    V3 = 3,
    /// Xen 3.1 to 4.4.
    V4 = 4,
}

impl XendFormat {
    /// From the number that xend says; None for one that no xend says. Absent is 1.
    pub fn from_number(number: Option<u32>) -> Option<Self> {
        match number {
            None | Some(1) => Some(XendFormat::V1),
            Some(2) => Some(XendFormat::V2),
            Some(3) => Some(XendFormat::V3),
            Some(4) => Some(XendFormat::V4),
            Some(_) => None,
        }
    }
}

/// The configuration `(vm ...)` to send to xend. Memory is rounded up to whole MiB.
///
/// Errors: NotSupported for what this xend cannot hold, InvalidConfig for a guest that cannot be (no kernel and no bootloader).
pub fn to_sxpr(guest: &Guest, format: XendFormat) -> Result<Sexpr> {
    write::vm(guest, format)
}

/// The guest in xend's `(domain ...)` or `(vm ...)`, and what is known of its life.
///
/// Errors: InvalidConfig for a value that is no configuration.
pub fn from_sxpr(value: &Sexpr) -> Result<(Guest, Live)> {
    let mut faults = read::Faults::default();
    let read = read::domain(value, &mut faults);
    match faults.0.into_iter().next() {
        None => Ok(read),
        Some(Fault { message, .. }) => Err(SyntaxError { language: LANGUAGE, place: None, message }.into()),
    }
}

/// The guest in xend's configuration as text, of which the first value counts, and all that is wrong with it.
pub fn examine(text: &str) -> Examined {
    let mut found = Sink::default();
    let (value, places) = match Sexpr::parse_first_with_places(text.as_bytes()) {
        Ok(read) => read,
        Err(error) => {
            let message = format!("{}; expected (vm ...) or (domain ...)", error.fault);
            found.error(error.offset..error.offset + 1, message);
            return Examined::new(None, found, LANGUAGE, text);
        }
    };
    if !matches!(value.name(), Some("vm" | "domain")) {
        let start = places.first().map_or(0, |place| place.start);
        found.error(start..start + 1, "this is no guest of xend's; expected (vm ...) or (domain ...)");
        return Examined::new(None, found, LANGUAGE, text);
    }
    let mut faults = read::Faults::default();
    let (guest, _) = read::domain(&value, &mut faults);
    if let (Some(at), Err(message)) = (value.child("name"), check_name(&guest.name)) {
        faults.0.push(Fault { at, message });
    }
    let mut wanted: BTreeMap<*const Sexpr, Vec<String>> = BTreeMap::new();
    for Fault { at, message } in faults.0 {
        wanted.entry(at).or_default().push(message);
    }
    for (value, place) in value.all().zip(places) {
        for message in wanted.remove(&std::ptr::from_ref(value)).unwrap_or_default() {
            found.error(place.clone(), message);
        }
    }
    // Values that stand nowhere in the text.
    for message in wanted.into_values().flatten() {
        found.error_of_all(message);
    }
    Examined::new(Some(guest), found, LANGUAGE, text)
}

#[cfg(test)]
mod tests;
