//! xl's configuration language (xl.cfg(5)) <-> model.
//!
//! **Reading** takes what the xl of Xen 4.17 takes, and what its man pages call older spellings: `builder`, `root` and `extra`, `file:` and `phy:`
//! before a path, a screen's keys in a PV guest, `usbversion`. Where xl has a definite default that differs from what an absent element of domain XML
//! means, it is filled in: acpi, apic, pae and a VNC screen in an HVM guest, a spice client's mouse, no virtualization in an HVM guest whose
//! processor is described. Keys that xl knows and the model has no place for, and unknown keys
//! (which xl steps over without a word), are no error: [`read`] names them. A key that is read and says something impossible is one.
//!
//! **Writing** gives what xl 4.5 and later take. What xl has no place for is an error of status NotSupported that names it, with these exceptions,
//! where nothing of meaning is lost:
//! - title and description, which the caller keeps elsewhere; the instruction set and machine type, which are the host's own;
//! - features of a PV guest, a kernel beside a bootloader (which brings its own), `shareable` of a read-only disk: they have no effect;
//! - the host's device of an `ethernet` interface, which its script finds by itself, and whether an interface without a bridge is of type
//!   `bridge` or `ethernet`: its script decides;
//! - the drivers `file`, `tap` and `tap2` of xend's time: xl chooses who serves the disk;
//! - the firmware and device model of xend's packages: they mean the usual ones, which xl finds; likewise `/usr/bin/pygrub` is written `pygrub`;
//!   a BIOS by its kind, which is what a guest has that says nothing;
//! - an empty floppy drive, which an HVM guest has anyway, and the controller that Xen's own devices hang on, where it has no limits;
//! - whether what a processor has is required or forced, disabled or forbidden: xl has two words for the four; whether a USB device is managed: xl
//!   takes it from its driver;
//! - a card of the host's as an interface, which is written among the PCI devices.
//!
//! A node of `vnuma` is on the host's node of its own number where nothing else is said, as libvirt writes it, and its distances are all written.
//!
//! An interface's rate is written in bytes, because xl takes a KB for 1000 of them and domain XML means 1024. What is read is taken as libvirt means
//! it, the same number of KiB/s as there are KB/s: a guest of its making shows the rate that it was given.
//!
//! Floppy disks and parallel ports have no keys in xl; they go to the device model as arguments.

mod channel;
mod cpu;
mod disk;
pub(crate) mod dm;
mod language;
mod network;
mod options;
mod read;
mod screen;
mod syntax;
mod usb;
mod vif;
mod write;

use super::SyntaxError;
use super::config::{self, edit, settings};
pub use super::config::{Other, Reading};
use super::problem::Examined;
use crate::error::Result;
#[cfg(doc)]
use crate::error::Status;
use crate::model::Guest;
use language::{LIBVIRT, XL};
#[cfg(test)]
pub(in crate::format) use syntax::parse;

const LANGUAGE: &str = "xl config";

/// Reads a configuration, and says what is in it besides the guest.
///
/// Errors: with line and column, what is malformed, and what a known key says that is impossible. At most 1 MiB is read.
pub fn read(text: &str) -> Result<Reading, SyntaxError> {
    config::read(&XL, text)
}

/// Reads a configuration and says what is wrong with it; what has no place in the model is a warning.
pub fn examine(text: &str) -> Examined {
    config::examine(&XL, text)
}

/// The guest that a configuration says.
///
/// Errors: as [`read`].
pub fn from_xl(text: &str) -> Result<Guest, SyntaxError> {
    config::guest(&XL, text)
}

/// Writes a configuration anew. Memory is rounded up to whole MiB.
///
/// Errors: [`Status::NotSupported`] for what xl cannot do, by name; [`Status::InvalidConfig`] for a guest that cannot be (no kernel
/// and no bootloader). A title and description are left to the caller.
pub fn to_xl(guest: &Guest) -> Result<String> {
    config::write(&XL, guest)
}

/// [`to_xl`] in the words of libvirt's own conversion, for people who compare the two: an interface's rate in KB, which xl takes for 1000
/// bytes; the path of xend's pygrub and device model. A title and description are refused, as nobody keeps them beside the text.
///
/// Errors: as [`to_xl`].
pub fn to_xl_as_libvirt(guest: &Guest) -> Result<String> {
    config::write(&LIBVIRT, guest)
}

/// `old` with what `guest` says: only statements whose meaning changes are changed, added or removed. Comments, order, unknown keys and
/// unknown options of disks and interfaces stay, and a text that says the same already is left as it is, byte for byte.
///
/// Errors: those of [`read`] for `old`, those of [`to_xl`] for `guest`.
pub fn update(old: &str, guest: &Guest) -> Result<String> {
    edit::update(&XL, old, guest)
}

/// The assignments that give a started guest what its file leaves open, each `key=value` in xl's language: `vif` where a MAC address
/// is missing. `guest` is the file's, filled in; options of its interfaces that the model has no place for stay.
///
/// Errors: as [`update`].
pub fn overrides(file: &str, guest: &Guest) -> Result<Vec<String>> {
    language::overrides(file, guest)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_beyond;
