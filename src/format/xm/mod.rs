//! xm's configuration language <-> model: what xend's own command ran as a Python program, in the forms of all its ages ([`XendFormat`]).
//!
//! **Reading** executes nothing. Strings in all of Python's quotings, numbers, True, False, None and lists of such are read where they stand at the
//! top of the file (`syntax` says what else is passed over, and when a key cannot be known); a key that the guest depends on and that code decides is
//! an error with its place. Keys that the model has no place for, unknown keys and code are no error: [`read`] names them.
//!
//! **Writing** gives what xm of that age takes and libvirt wrote for it. What it has no place for is an error of status NotSupported that names
//! it, with the exceptions of S-expressions ([`super::sxpr`]), since xm makes those of it, and of title and description, which the caller keeps
//! elsewhere.
//!
//! | where ages differ | 1 (3.0.2) | 2 (3.0.3) | 3 (3.0.4) | 4 (3.1 and later) |
//! | --- | --- | --- | --- | --- |
//! | a CD-ROM drive | `cdrom = "/path"` | in `disk` | in `disk` | in `disk` |
//! | a disk of an HVM guest | `ioemu:hda` | `hda` | `hda` | `hda` |
//! | a PV guest's screen | `vnc`, `sdl` | `vnc`, `sdl` | `vfb` | `vfb` |
//! | an emulated card | `type=ioemu` | `type=ioemu` | `type=ioemu` | nothing |
//! | fewer vcpus than there can be | `vcpu_avail`, a mask | the same | the same | `maxvcpus` |
//! | the clock of an HVM guest | `localtime` | `localtime` | `localtime` | and `rtc_timeoffset` |
//! | acpi, apic and pae unsaid | off | off | off | on |

mod device;
mod language;
mod read;
mod screen;
mod syntax;
mod tokens;
mod write;

use super::config::{self, edit};
pub use super::config::{Other, Reading};
use super::error::SyntaxError;
use super::problem::Examined;
use super::sxpr::XendFormat;
use crate::error::Result;
#[cfg(doc)]
use crate::error::Status;
use crate::model::Guest;
use language::Xm;

/// Reads a configuration of that age, and says what is in it besides the guest.
///
/// Errors: with line and column, what is malformed, what a known key says that is impossible, and a known key that only running the file would
/// tell. At most 1 MiB is read.
pub fn read(text: &str, format: XendFormat) -> Result<Reading, SyntaxError> {
    config::read(&Xm(format), text)
}

/// Reads a configuration and says what is wrong with it; what has no place in the model, and code, is a warning.
pub fn examine(text: &str, format: XendFormat) -> Examined {
    config::examine(&Xm(format), text)
}

/// The guest that a configuration says.
///
/// Errors: as [`read`].
pub fn from_xm(text: &str, format: XendFormat) -> Result<Guest, SyntaxError> {
    config::guest(&Xm(format), text)
}

/// Writes a configuration anew. Memory is rounded up to whole MiB.
///
/// Errors: [`Status::NotSupported`] for what xm of that age cannot say, by name; [`Status::InvalidConfig`] for a guest that cannot be (no kernel
/// and no bootloader). A title and description are left to the caller.
pub fn to_xm(guest: &Guest, format: XendFormat) -> Result<String> {
    config::write(&Xm(format), guest)
}

/// `old` with what `guest` says: only statements whose meaning changes are changed, added or removed. Comments, order, unknown keys, code and
/// unknown options of interfaces stay, and a text that says the same already is left as it is, byte for byte.
///
/// Errors: those of [`read`] for `old`, those of [`to_xm`] for `guest`.
pub fn update(old: &str, guest: &Guest, format: XendFormat) -> Result<String> {
    edit::update(&Xm(format), old, guest)
}

/// Whether a text that [`read`] refuses is a domain's configuration all the same, and not a script or somebody's notes: it assigns to a name and to
/// what a guest is made of.
pub fn looks_like_domain(text: &str) -> bool {
    let Ok(program) = syntax::parse(text) else { return false };
    let assigns = |key: &str| {
        program.unreadable.contains_key(key)
            || program.statements.iter().any(|statement| statement.key == key)
    };
    assigns("name") && ["memory", "kernel", "bootloader", "builder", "disk"].into_iter().any(assigns)
}

#[cfg(test)]
mod tests;
