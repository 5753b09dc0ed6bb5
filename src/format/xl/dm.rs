//! What xl has no keys for but the device model can do: floppy drives and parallel ports, as arguments for it (`device_model_args_hvm`).

use super::settings::Settings;
use super::syntax::{Result, fault};
use super::write::{Items, unsupported};
use crate::error;
use crate::format::chardev::{from_words, to_words};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{CharDevice, Disk, DiskDevice, DiskKind};

/// The key of the arguments.
pub(super) const KEY: &str = "device_model_args_hvm";
const NAMES: [&str; 2] = ["fda", "fdb"];

pub(super) fn read(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    // xm's key, which xl does not know; libvirt still writes it.
    for (words, at) in settings.list("parallel")? {
        if !matches!(from_words(&words), Ok(None)) {
            settings.leave("parallel", at);
        }
    }
    let arguments = settings.list(KEY)?;
    let mut rest = arguments.as_slice();
    let mut port = 0;
    while let [(word, at), tail @ ..] = rest {
        rest = tail;
        match (word.as_str(), tail) {
            ("-parallel", [(words, at), tail @ ..]) => {
                match from_words(words) {
                    Ok(Some(source)) => guest.parallels.push(CharDevice { port, source }),
                    Ok(None) => {}
                    Err(message) => return fault(*at, format!("{KEY}: {message}")),
                }
                port += 1;
                rest = tail;
            }
            ("-fda" | "-fdb", [(path, _), tail @ ..]) => {
                guest.disks.push(floppy(word.trim_start_matches('-'), path, false));
                rest = tail;
            }
            ("-drive", [(drive, _), tail @ ..]) if read_drive(drive).is_some() => {
                guest.disks.extend(read_drive(drive));
                rest = tail;
            }
            _ => settings.leave(&format!("{KEY} ({})", shown(word)), *at),
        }
    }
    Ok(())
}

/// The floppy drives and parallel ports among the device model's arguments, as libxl keeps them; others are passed over.
pub(crate) fn devices_among(arguments: &[String]) -> (Vec<Disk>, Vec<CharDevice>) {
    let (mut disks, mut parallels) = (Vec::new(), Vec::new());
    let mut rest = arguments;
    let mut port = 0;
    while let [word, tail @ ..] = rest {
        rest = tail;
        let Some((value, tail)) = tail.split_first() else { break };
        match word.as_str() {
            "-parallel" => {
                if let Ok(Some(source)) = from_words(value) {
                    parallels.push(CharDevice { port, source });
                }
                port += 1;
                rest = tail;
            }
            "-fda" | "-fdb" => {
                disks.push(floppy(word.trim_start_matches('-'), value, false));
                rest = tail;
            }
            "-drive" => {
                disks.extend(read_drive(value));
                rest = tail;
            }
            _ => {}
        }
    }
    (disks, parallels)
}

/// The arguments that are none of the guest's.
pub(super) fn foreign(arguments: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = arguments;
    while let [word, tail @ ..] = rest {
        rest = tail;
        match (word.as_str(), tail) {
            ("-parallel" | "-fda" | "-fdb", [_, tail @ ..]) => rest = tail,
            ("-drive", [drive, tail @ ..]) if read_drive(drive).is_some() => rest = tail,
            _ => out.push(word.clone()),
        }
    }
    out
}

fn floppy(target: &str, path: &str, readonly: bool) -> Disk {
    Disk {
        device: DiskDevice::Floppy,
        kind: if path.starts_with("/dev/") { DiskKind::Block } else { DiskKind::File },
        source: Some(path.to_owned()),
        target: target.to_owned(),
        readonly,
        ..Disk::default()
    }
}

/// What [`write_drive`] writes.
fn read_drive(text: &str) -> Option<Disk> {
    let (head, path) = text.split_once(",file=")?;
    let (head, readonly) = match head.strip_suffix(",readonly=on") {
        Some(head) => (head, true),
        None => (head, false),
    };
    let index = head.strip_prefix("if=floppy,format=raw,index=")?;
    let target = NAMES.get(index.parse::<usize>().ok()?)?;
    Some(floppy(target, &path.replace(",,", ","), readonly))
}

/// The format is said, because the device model would otherwise guess it from what the guest wrote there.
fn write_drive(disk: &Disk, path: &str) -> error::Result<String> {
    let Some(index) = NAMES.iter().position(|name| *name == disk.target) else {
        return Err(unsupported(format!("a floppy drive '{}': expected fda or fdb", disk.target)));
    };
    if let Some(format) = disk.format.as_deref().filter(|format| *format != "raw") {
        return Err(unsupported(format!("a floppy disk of the format '{}'", shown(format))));
    }
    let options = [
        ("a source on the network", disk.kind == DiskKind::Network),
        ("<driver discard=...>", disk.discard.is_some()),
        ("<backenddomain>", disk.backend.is_some()),
    ];
    if let Some((what, _)) = options.into_iter().find(|(_, is_said)| *is_said) {
        return Err(unsupported(format!("{what} of the floppy drive {}", disk.target)));
    }
    let readonly = if disk.readonly { ",readonly=on" } else { "" };
    Ok(format!("if=floppy,format=raw,index={index}{readonly},file={}", path.replace(',', ",,")))
}

pub(super) fn write(items: &mut Items, guest: &Guest) -> error::Result<()> {
    let arguments = arguments_for(guest)?;
    if !arguments.is_empty() {
        items.list(KEY, arguments);
    }
    Ok(())
}

/// The arguments for the device model that say the guest's floppy drives and parallel ports.
pub(crate) fn arguments_for(guest: &Guest) -> error::Result<Vec<String>> {
    let mut arguments = Vec::new();
    for disk in guest.disks.iter().filter(|disk| disk.device == DiskDevice::Floppy) {
        // An empty drive is there without being asked for.
        if let Some(path) = &disk.source {
            arguments.extend(["-drive".to_owned(), write_drive(disk, path)?]);
        }
    }
    let last = guest.parallels.iter().map(|port| port.port).max();
    for number in 0..=last.unwrap_or(0).min(15) {
        match guest.parallels.iter().find(|port| port.port == number) {
            Some(port) => {
                let words = to_words(&port.source)
                    .map_err(|what| unsupported(format!("a parallel port on {what}")))?;
                arguments.extend(["-parallel".to_owned(), words]);
            }
            None if last.is_some() => arguments.extend(["-parallel".to_owned(), "none".to_owned()]),
            None => {}
        }
    }
    Ok(arguments)
}
