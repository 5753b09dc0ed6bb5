//! What libxl keeps about a domain, as `xl list -l` and `xl create --dryrun` print it and libxl's own files hold it: JSON -> model.
//!
//! The form follows from libxl's types (libxl_types.idl, one for each release): a domain's configuration is an object of `c_info`
//! (identity), `b_info` (what the guest consists of), lists of devices, and `on_*` actions. Since Xen 4.5 what is at its default is left out;
//! older releases write everything, absent texts as null. What only one kind of guest has is in `b_info` under `type.hvm`, `type.pv`,
//! `type.pvh`; before Xen 4.5 under `u`. Kernels and bootloaders stood there too before 4.10. All of these are read.
//!
//! **Absent** means libxl's default, and that is what is given: HVM guests have ACPI, an APIC, PAE and a VNC screen unless they say otherwise.
//! **Left out** is what the model has no place for, and keys that are not known: each release adds some. docs/agreement.md lists what
//! libxl says otherwise than domain XML. A known key with a value of the wrong type is an error that names its place.

mod devices;
mod guest;
mod hardware;
mod locate;
mod value;

use super::SyntaxError;
use super::error::{Place, shown};
use super::problem::{Examined, Problem, Sink};
use crate::model::{DomId, Guest};
use locate::{Step, locate};
use value::{Fault, Faults, Node};

const LANGUAGE: &str = "libxl's JSON";
/// The longest text that is read; a domain's configuration has some kilobytes.
const MAX_TEXT: usize = 16 << 20;
/// The highest domid (docs/model.md).
const MAX_DOMID: DomId = 0x7fef;

/// A domain in libxl's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its number, where it runs.
    pub domid: Option<DomId>,
    /// Its configuration.
    pub guest: Guest,
}

/// Reads the list of domains that `xl list -l` prints, or the one object that `xl create --dryrun` and libxl's own files hold.
///
/// Unknown keys are passed over: each release adds some. Errors: text that is not JSON (with line and column), longer than 16 MiB or
/// deeper than 127 levels; a domain without a name or kind; a known key with a value of the wrong type or out of range (with its place,
/// such as `[1].config.b_info.max_memkb`).
pub fn from_json(text: &str) -> Result<Vec<Described>, SyntaxError> {
    let (domains, faults) = read(text)?;
    let Some(Fault { path, message }) = faults.0.into_iter().next() else { return Ok(domains) };
    let at = locate(text, &[&path]).into_iter().flatten().next();
    let place = at.map(|at| Place::of(text, at.start));
    Err(SyntaxError { language: LANGUAGE, place, message })
}

/// Reads a text as [`from_json`] does and says all that is wrong with it; the guest is the first.
pub fn examine(text: &str) -> Examined {
    let (domains, Faults(faults)) = match read(text) {
        Ok(read) => read,
        Err(error) => return Examined { guest: None, problems: vec![Problem::of(error)] },
    };
    let mut found = Sink::default();
    let paths: Vec<&[Step<'_>]> = faults.iter().map(|fault| fault.path.as_slice()).collect();
    let places = locate(text, &paths);
    for (fault, place) in faults.iter().zip(places) {
        match place {
            Some(at) => found.error(at, &fault.message),
            None => found.error_of_all(&fault.message),
        }
    }
    let guest = domains.into_iter().next().map(|domain| domain.guest);
    if guest.is_none() && faults.is_empty() {
        found.error_of_all("no domain in it");
    }
    Examined::new(guest, found, LANGUAGE, text)
}

/// The domains, and what is wrong; they are such only where nothing is.
fn read(text: &str) -> Result<(Vec<Described>, Faults), SyntaxError> {
    let fault = |place, message| SyntaxError { language: LANGUAGE, place, message };
    if text.len() > MAX_TEXT {
        let message = format!("{} bytes are more than the {MAX_TEXT} that are read", text.len());
        return Err(fault(None, message));
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        // The library counts bytes, and 0 for what stands before the first.
        let line = error.line().max(1);
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let place = Place::of(text, start + error.column().saturating_sub(1));
        let words = error.to_string();
        let why = words.split(" at line ").next().unwrap_or(&words);
        fault(Some(place), format!("not JSON from here on: {}", shown(why)))
    })?;
    let root = Node::root(&value);
    let mut faults = Faults::default();
    let nodes = match &value {
        serde_json::Value::Array(_) => faults.keep(root.elements()),
        _ => vec![root],
    };
    let domains = nodes.iter().map(|node| domain(node, &mut faults)).collect();
    Ok((domains, faults))
}

/// `{"domid": 5, "config": {...}}`, or a configuration by itself.
fn domain(node: &Node<'_>, faults: &mut Faults) -> Described {
    let Some(config) = node.child("config") else {
        return Described { domid: None, guest: guest::guest(node, faults) };
    };
    let domid = faults.keep(domid(node));
    Described { domid, guest: guest::guest(&config, faults) }
}

fn domid(node: &Node<'_>) -> value::Result<Option<DomId>> {
    let Some(number) = node.child("domid") else { return Ok(None) };
    match number.integer()? {
        // -1 and its unsigned form stand for none.
        -1 | 0xffff_ffff => Ok(None),
        domid => match DomId::try_from(domid) {
            Ok(domid) if domid <= MAX_DOMID => Ok(Some(domid)),
            _ => number.fault(format!("no domain has the number {domid}")),
        },
    }
}

#[cfg(test)]
mod tests;
