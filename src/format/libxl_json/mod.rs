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
mod value;

use super::SyntaxError;
use super::error::Place;
use super::problem::{Examined, Problem};
use crate::model::{DomId, Guest};
use value::Node;

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
    let fault = |place, message| SyntaxError { language: LANGUAGE, place, message };
    if text.len() > MAX_TEXT {
        let message = format!("{} bytes are more than the {MAX_TEXT} that are read", text.len());
        return Err(fault(None, message));
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let place = Some(Place { line: error.line(), column: error.column() });
        fault(place, format!("not JSON from here on ({:?})", error.classify()))
    })?;
    let root = Node::root(&value);
    let domains = match &value {
        serde_json::Value::Array(_) => root.elements().and_then(|list| list.iter().map(domain).collect()),
        _ => domain(&root).map(|one| vec![one]),
    };
    domains.map_err(|message| fault(None, message))
}

/// Reads a text as [`from_json`] does and says what is wrong with it; the guest is the first.
pub fn examine(text: &str) -> Examined {
    match from_json(text) {
        Ok(domains) => {
            Examined { guest: domains.into_iter().next().map(|domain| domain.guest), problems: Vec::new() }
        }
        Err(error) => Examined { guest: None, problems: vec![Problem::of(error)] },
    }
}

/// `{"domid": 5, "config": {...}}`, or a configuration by itself.
fn domain(node: &Node<'_>) -> value::Result<Described> {
    let Some(config) = node.child("config") else {
        return Ok(Described { domid: None, guest: guest::guest(node)? });
    };
    config.object()?;
    let domid = match node.child("domid") {
        // -1 and its unsigned form stand for none.
        Some(number) => match number.integer()? {
            -1 | 0xffff_ffff => None,
            domid => match DomId::try_from(domid) {
                Ok(domid) if domid <= MAX_DOMID => Some(domid),
                _ => return number.fault(format!("no domain has the number {domid}")),
            },
        },
        None => None,
    };
    Ok(Described { domid, guest: guest::guest(&config)? })
}

#[cfg(test)]
mod tests;
