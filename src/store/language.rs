//! The language that a host's toolstack keeps domain files in.

use super::{MAX_FILE, names};
use crate::error::Result;
use crate::format::SyntaxError;
use crate::format::sxpr::XendFormat;
use crate::format::{xl, xm};
use crate::model::Guest;
use crate::model::guest::{Disk, DiskDevice};

/// The language of a folder's domain files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// xl's, on hosts without xend. A domain's file is called `NAME.cfg`.
    #[default]
    Xl,
    /// xm's of an age, on hosts whose xend remembers no domain that does not run. A domain's file is called `NAME`, which is where `xm create NAME`
    /// looks.
    Xm(XendFormat),
}

impl Language {
    /// The guest that a file says.
    pub(super) fn read(self, text: &str) -> Result<Guest, SyntaxError> {
        match self {
            Language::Xl => xl::from_xl(text),
            Language::Xm(age) => xm::from_xm(text, age),
        }
    }

    /// A new file.
    pub(super) fn write(self, guest: &Guest) -> Result<String> {
        match self {
            Language::Xl => xl::to_xl(guest),
            Language::Xm(age) => xm::to_xm(guest, age),
        }
    }

    /// A file that is there, with what a guest says now.
    pub(super) fn update(self, old: &str, guest: &Guest) -> Result<String> {
        match self {
            Language::Xl => xl::update(old, guest),
            Language::Xm(age) => xm::update(old, guest, age),
        }
    }

    /// What a guest comes to in the language: where it cannot tell two apart, they have one form.
    pub(super) fn form(self, guest: &Guest) -> Result<String> {
        match self {
            Language::Xl => xl::to_xl(guest),
            // It has two ways to say a root device, of which one is read.
            Language::Xm(age) => xm::to_xm(&xm::from_xm(&xm::to_xm(guest, age)?, age)?, age),
        }
    }

    /// Whether a drive is one that a file says: an empty floppy drive is the device model's, and so is an empty CD-ROM drive in Xen 3.0.2.
    pub(super) fn says(self, disk: &Disk) -> bool {
        let is_emptied = self == Language::Xm(XendFormat::V1) && disk.source.is_none();
        disk.device != DiskDevice::Floppy && !is_emptied
    }

    /// Whether a text that cannot be read is a domain's all the same, in a file whose name says nothing. xm's files have no ending of their own.
    pub(super) fn is_meant(self, text: &str) -> bool {
        matches!(self, Language::Xm(_)) && text.len() <= MAX_FILE && xm::looks_like_domain(text)
    }

    /// The file name that a domain's name asks for ([`names::usual`]).
    pub(super) fn usual(self, name: &str) -> Option<String> {
        match self {
            Language::Xl => names::usual(name),
            Language::Xm(_) => names::usual_bare(name),
        }
    }
}
