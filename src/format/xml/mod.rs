//! Domain XML as libvirt defines it, for Xen's guests.
//!
//! **Reading** is strict: an element or attribute that is not known is an error that names it and its place. Accepted and left out
//! is what says nothing about the configuration:
//! - what is known only while a guest runs: the domain's `id`, the terminal of a console or serial port, the name `vifN.M` of an interface,
//!   the `alias` that libvirt makes up for each device;
//! - what every guest has and libvirt writes: the mouse and keyboard of the guest's own bus, the balloon, the usual video card of a guest
//!   with a screen, disk controllers and the addresses on them that follow from the targets, a PV guest's console, and the console
//!   that repeats the first serial port.
//!
//! Older spellings are read as libvirt reads them: `<clock sync=...>` for `offset`, a disk's type `aio` for `raw`, a target `ioemu:hda`,
//! `wiremode` for a TCP port's protocol, OS type `xen` for `linux`, a console without a serial port in an HVM guest for both.
//!
//! **Writing** gives what libvirt gives: its order, its indent, and the devices and defaults above. Passwords are written only
//! by [`write_with_secrets`].

mod read;
mod refused;
mod tree;
mod write;

use super::error::{Place, SyntaxError};
use super::problem::{Examined, Sink};
use crate::error::Result;
use crate::model::Guest;
use crate::model::guest::Live;

/// The ages of libvirt's own descriptions, where they differ in what they say of every guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum Form {
    /// Of the time of Xen 3.0: nothing of controllers, the places of drives on them, video cards or the balloon.
    Early,
    /// As this module says.
    Usual,
    /// Of today: whose driver gives a PCI device to the guest as well.
    Late,
}

const LANGUAGE: &str = "domain XML";

/// The guest that a description says.
///
/// Errors: [`crate::Status::InvalidConfig`], with line and column, for a text that is no XML, larger than 4 MiB, deeper than 32 elements,
/// with a DOCTYPE or an unknown entity, with something unknown or impossible in it.
pub fn parse(text: &str) -> Result<Guest> {
    let text = without_mark(text);
    let (guest, mut faults) = read_document(text);
    match faults.first_in_text() {
        None => Ok(guest),
        Some(fault) => {
            let place = Some(Place::of(text, fault.at.start));
            Err(SyntaxError { language: LANGUAGE, place, message: fault.message }.into())
        }
    }
}

/// Reads a description and says all that is wrong with it. A text that is no XML has one fault; what is wrong within an element whose
/// other parts are wrong as well can show only when those are mended.
pub fn examine(text: &str) -> Examined {
    let text = without_mark(text);
    let (guest, faults) = read_document(text);
    let mut found = Sink::default();
    for fault in faults.0 {
        found.error(fault.at, fault.message);
    }
    Examined::new(Some(guest), found, LANGUAGE, text)
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The guest, and what is wrong; it is one only where nothing is.
fn read_document(text: &str) -> (Guest, read::Faults) {
    let mut faults = read::Faults::default();
    let guest = match tree::Element::parse(text) {
        Ok(root) => read::guest(root, &mut faults),
        Err(fault) => {
            faults.0.push(fault);
            Guest::default()
        }
    };
    (guest, faults)
}

/// [`parse`] for bytes that need not be UTF-8; such are an error with their place.
pub fn parse_bytes(bytes: &[u8]) -> Result<Guest> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let place = Some(Place::of(&String::from_utf8_lossy(good), good.len()));
            Err(SyntaxError { language: LANGUAGE, place, message: "not UTF-8 from here on".into() }.into())
        }
    }
}

/// The description of a guest, without passwords. `live` is what is known while it runs; its default for an inactive one.
pub fn write(guest: &Guest, live: &Live) -> String {
    write::document(guest, live, false, Form::Usual)
}

/// [`write()`] with passwords.
pub fn write_with_secrets(guest: &Guest, live: &Live) -> String {
    write::document(guest, live, true, Form::Usual)
}

/// [`write_with_secrets`] of an inactive guest in one of libvirt's forms.
pub(in crate::format) fn write_as(guest: &Guest, form: Form) -> String {
    write::document(guest, &Live::default(), true, form)
}

#[cfg(test)]
mod tests;
