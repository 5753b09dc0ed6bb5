//! The configuration language of xenvm, the monitor of a single domain: `key = value`, line by line <-> model.
//!
//! The facts: its README (the table of parameters) and its last public sources, an older and a newer version whose keys differ. Keys of both are
//! read.
//!
//! **The language.** Blanks around a line, a key and a value do not count; an empty line or one that begins with `#` says nothing; the first
//! `=` ends the key. There are no quotes and no comments behind a value. The last line of a key counts; `disk`, `nic` (and its old name `vif`),
//! `pci`, `cpuid` and `extra-hvm` say one more each time. A boolean is `true` or `false`; a number is one of OCaml's (`0x1f`, `1_000`). As in
//! xenvm a key that is not known is an error.
//!
//! **Reading** gives the guest, and warnings for what has no place in the model: what the monitor does for itself (`startup`, `debug`, `notify`, ...),
//! pass-through of the host's firmware tables (`smbios-pt`, ...), encrypted or snapshotted disks, `cpuid`, `timer-mode` and the like. A
//! value that says what xenvm does anyway (`startup = started`, `debug = false`) is no warning. A line without `=` is one: xenvm steps over it.
//! A guest without a name is called `vm-UUID`, as its monitor's socket is; without a uuid as well, that is an error.
//!
//! **Writing** gives the README's keys, and of the older version's those that it has no word for (`name`, `viridian`). What the language has no
//! place for is an error of status NotSupported that names it. Not named, because nothing of meaning is lost, are: the instruction set and machine
//! type, which are the host's own; the usual firmware and device model; the usual video card; `managed='no'` and who serves a disk.
//! A PCI device is written in the older form `ID,ADDRESS`, and with `bind` between the two where xenvm is to take it from the host's driver.

mod read;
mod syntax;
mod write;

use super::problem::{Examined, Sink};
use crate::error::Result;
#[cfg(doc)]
use crate::error::Status;
use crate::model::Guest;

const LANGUAGE: &str = "xenvm config";
/// The longest text that is read; a configuration has some hundred bytes.
const MAX_TEXT: usize = 1 << 20;

/// Reads a configuration and says all that is wrong with it. At most 1 MiB is read.
pub fn examine(text: &str) -> Examined {
    let mut found = Sink::default();
    let guest = read::guest(text, &mut found);
    Examined::new(guest, found, LANGUAGE, text)
}

/// The guest that a configuration says; what has no place in the model is left out.
///
/// Errors: [`Status::InvalidConfig`] with line and column.
pub fn from_xenvm(text: &str) -> Result<Guest> {
    examine(text).into_guest().map(|(guest, _)| guest)
}

/// Writes a configuration. Memory is rounded up to whole MiB.
///
/// Errors: [`Status::NotSupported`] for what xenvm cannot do, by name; [`Status::InvalidConfig`] for a guest that cannot be (PV without a
/// kernel).
pub fn to_xenvm(guest: &Guest) -> Result<String> {
    write::text(guest)
}

#[cfg(test)]
mod tests;
