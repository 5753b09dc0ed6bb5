//! xm's own of what all languages of assignments share.

use super::syntax::{parse, quoted};
use super::{device, read, write};
use crate::error::{self, Error};
use crate::format::config::items::Items;
use crate::format::config::settings::Settings;
use crate::format::config::{Language, Result, Statement};
use crate::format::sxpr::XendFormat;
use crate::model::Guest;
use crate::model::guest::InputKind;

/// The language, as xm of an age has it.
pub(super) struct Xm(pub(super) XendFormat);

impl Language for Xm {
    const NAME: &'static str = "xm config";
    const GROUPS: &'static [&'static [&'static str]] = &[
        &["maxvcpus", "vcpus", "vcpu_avail"],
        &["root", "extra"],
        &["bootargs", "bootloader_args"],
        &["kernel", "loader"],
        &["disk", "cdrom", "fda", "fdb"],
        &[
            "vfb",
            "sdl",
            "vnc",
            "vncunused",
            "vncdisplay",
            "vnclisten",
            "vncpasswd",
            "keymap",
            "display",
            "xauthority",
        ],
    ];
    const OTHER_SPELLINGS: &'static [&'static str] = &["root", "bootloader_args", "vcpu_avail", "cdrom"];

    fn statements(&self, text: &str) -> Result<Vec<Statement>> {
        parse(text).map(|program| program.statements)
    }

    fn settings(&self, text: &str) -> Result<Settings> {
        let program = parse(text)?;
        Settings::of_program(&program.statements, program.unreadable, program.code, read::number)
    }

    fn guest(&self, settings: &mut Settings) -> Result<Guest> {
        read::guest(settings, self.0)
    }

    fn check(&self, guest: &Guest) -> error::Result<()> {
        write::check(guest)
    }

    fn items(&self, guest: &Guest) -> error::Result<Items> {
        write::items(guest, self.0)
    }

    fn quoted(&self, text: &str) -> Option<String> {
        quoted(text)
    }

    fn number(&self, number: i64) -> String {
        number.to_string()
    }

    fn unsupported(&self, what: &str) -> Error {
        write::unsupported(what)
    }

    /// A `;` goes with what it follows, because Python takes none alone, and blanks with it, because a line that begins with some is in a block.
    fn end_of_removed(&self, text: &str, statement: &Statement) -> usize {
        let rest = text.get(statement.span.end..).unwrap_or_default();
        let behind = rest.trim_start_matches([' ', '\t']);
        match behind.strip_prefix(';') {
            Some(behind) => text.len() - behind.trim_start_matches([' ', '\t']).len(),
            None => statement.span.end,
        }
    }

    fn foreign(&self, key: &str, texts: Vec<String>) -> Vec<String> {
        match key {
            "usbdevice" => texts.into_iter().filter(|text| InputKind::from_name(text).is_none()).collect(),
            _ => Vec::new(),
        }
    }

    fn name(&self, key: &str, text: &str) -> Option<String> {
        match key {
            "disk" => device::read_disk(text, self.0, 0).ok().map(|(disk, _)| disk.target),
            "vif" => device::read_interface(text, true, 0).ok()?.0.mac.map(|mac| mac.to_string()),
            "pci" => device::pci_address(text.split([',', '@']).next()?).map(|address| address.to_string()),
            _ => Some(text.to_owned()),
        }
    }

    fn merged(&self, key: &str, old: &str, new: &str) -> String {
        match key {
            "disk" => match old.splitn(4, ',').nth(3) {
                Some(backend) => format!("{new},{backend}"),
                None => new.to_owned(),
            },
            "vif" => match device::read_interface(old, true, 0) {
                Ok((_, others)) if !others.is_empty() => format!("{new},{}", others.join(",")),
                _ => new.to_owned(),
            },
            "pci" => match old.find([',', '@']) {
                Some(at) => format!("{new}{}", old.get(at..).unwrap_or_default()),
                None => new.to_owned(),
            },
            _ => new.to_owned(),
        }
    }
}
