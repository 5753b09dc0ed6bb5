//! xl's own of what all languages of assignments share.

use super::read;
use super::syntax::{Kind, Result, Statement, parse, quoted};
use super::write::{self, Items};
use super::{disk, dm, usb, vif};
use crate::error::{self, Error};
use crate::format::config::items::{Written, value_text};
use crate::format::config::settings::Settings;
use crate::format::config::{Language, Value, syntax_error};
use crate::model::Guest;
use crate::model::guest::InputKind;

/// The language.
pub(super) struct Xl {
    /// What is written is written in the words of libvirt's own conversion.
    as_libvirt: bool,
}

/// As xl understands it best.
pub(super) const XL: Xl = Xl { as_libvirt: false };
/// As libvirt writes it.
pub(super) const LIBVIRT: Xl = Xl { as_libvirt: true };

impl Language for Xl {
    const NAME: &'static str = super::LANGUAGE;
    const GROUPS: &'static [&'static [&'static str]] = &[
        &["builder", "type"],
        &["maxvcpus", "vcpus"],
        &["cmdline", "root", "extra"],
        &["bootloader_args", "bootargs"],
        &["firmware_override", "bios", "bios_path_override", "firmware"],
        &["device_model", "device_model_override"],
        &["vga", "videoram", "stdvga", "nographic"],
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
            "spice",
            "spicehost",
            "spiceport",
            "spicetls_port",
            "spicedisable_ticketing",
            "spicepasswd",
            "spiceagent_mouse",
            "spicevdagent",
            "spice_clipboard_sharing",
        ],
        &["nestedhvm", "cpuid"],
        &["usbctrl", "usbversion"],
    ];
    const OTHER_SPELLINGS: &'static [&'static str] =
        &["root", "extra", "bootargs", "firmware", "stdvga", "nographic", "usbversion"];

    fn statements(&self, text: &str) -> Result<Vec<Statement>> {
        parse(text)
    }

    fn guest(&self, settings: &mut Settings) -> Result<Guest> {
        read::guest(settings)
    }

    fn check(&self, guest: &Guest) -> error::Result<()> {
        write::check(guest, self.as_libvirt)
    }

    fn items(&self, guest: &Guest) -> error::Result<Items> {
        write::items(guest, self.as_libvirt)
    }

    fn quoted(&self, text: &str) -> Option<String> {
        quoted(text)
    }

    /// The language has no negative numbers; what xl reads a number from can be a string.
    fn number(&self, number: i64) -> String {
        if number < 0 { format!("\"{number}\"") } else { number.to_string() }
    }

    fn unsupported(&self, what: &str) -> Error {
        write::unsupported(what)
    }

    /// A `;` may stand alone.
    fn end_of_removed(&self, _: &str, statement: &Statement) -> usize {
        statement.span.end
    }

    fn foreign(&self, key: &str, texts: Vec<String>) -> Vec<String> {
        match key {
            dm::KEY => dm::foreign(&texts),
            "usbdevice" => {
                let is_ours =
                    |text: &String| InputKind::from_name(text).is_some() || usb::host(text).is_some();
                texts.into_iter().filter(|text| !is_ours(text)).collect()
            }
            "pci" => texts.into_iter().filter(|text| read::is_whole_device(text)).collect(),
            _ => Vec::new(),
        }
    }

    fn name(&self, key: &str, text: &str) -> Option<String> {
        match key {
            "disk" => disk::read(text, 0).ok().map(|(disk, _)| disk.target),
            "vif" => vif::read(text, true, 0).ok()?.0.mac.map(|mac| mac.to_string()),
            "pci" => text.split(',').next().map(str::to_owned),
            _ => Some(text.to_owned()),
        }
    }

    fn merged(&self, key: &str, old: &str, new: &str) -> String {
        match key {
            // The new one's path stands last, and goes to the end.
            "disk" => match disk::read(old, 0) {
                Ok((_, others)) if !others.is_empty() => format!("{},{new}", others.join(",")),
                _ => new.to_owned(),
            },
            "vif" => match vif::read(old, true, 0) {
                Ok((_, others)) if !others.is_empty() => format!("{new},{}", others.join(",")),
                _ => new.to_owned(),
            },
            _ => new.to_owned(),
        }
    }
}

/// What [`super::overrides`] says.
pub(super) fn overrides(file: &str, guest: &Guest) -> error::Result<Vec<String>> {
    let statements = parse(file).map_err(|fault| syntax_error::<Xl>(file, fault))?;
    let settings = Settings::of(&statements).and_then(|mut settings| {
        let old = settings.take("vif");
        Ok((old, read::guest(&mut Settings::of(&statements)?)?))
    });
    let (old, said) = settings.map_err(|fault| syntax_error::<Xl>(file, fault))?;
    if said.interfaces.iter().all(|interface| interface.mac.is_some()) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    for (index, interface) in guest.interfaces.iter().enumerate() {
        let text = vif::write(interface, guest.is_hvm(), false)?;
        let of_file = match old.as_ref().map(|value| &value.kind) {
            Some(Kind::List(items)) if items.len() == guest.interfaces.len() => items.get(index),
            Some(Kind::Text(_)) if guest.interfaces.len() == 1 => old.as_ref(),
            _ => None,
        };
        texts.push(match of_file {
            Some(Value { kind: Kind::Text(old), .. }) => XL.merged("vif", old, &text),
            _ => text,
        });
    }
    Ok(vec![format!("vif={}", value_text(&XL, "vif", &Written::List(texts))?)])
}
