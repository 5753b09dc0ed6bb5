//! Settings -> the model, with xl's own defaults where they are definite.

use std::collections::BTreeSet;

use super::screen;
use super::settings::Settings;
use super::syntax::{Kind, Result, fault};
use super::{channel, cpu, disk, dm, usb, vif};
use crate::format::chardev::from_words;
use crate::format::error::shown;
use crate::model::guest::{
    Arguments, BootDevice, CharDevice, ClockBasis, ClockOffset, Controller, Lifecycle, Loader, Passthrough,
    PciAddress, PciDevice, Timer, Vcpus,
};
use crate::model::identity::check_name;
use crate::model::{Guest, GuestType, Uuid};

/// More memory than any machine can address (2^53 bytes), in MiB.
const MAX_MEMORY_MIB: u64 = 1 << 33;
/// What xl gives a guest whose memory nobody says, in MiB.
const USUAL_MEMORY_MIB: u64 = 32;
/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// The highest number of a serial port.
const MAX_PORTS: usize = 16;
/// Where libxl looks for the UEFI firmware that `bios="ovmf"` means.
pub(super) const OVMF: &str = "/usr/lib/xen/boot/ovmf.bin";

/// The guest; what has no place in it is left in `settings`' others.
pub(super) fn guest(settings: &mut Settings) -> Result<Guest> {
    let mut guest = Guest { name: name(settings)?, uuid: uuid(settings)?, ..Guest::default() };
    guest.os.kind = kind(settings)?;
    memory(settings, &mut guest)?;
    vcpus(settings, &mut guest.vcpus)?;
    cpu::read(settings, &mut guest)?;
    os(settings, &mut guest)?;
    features(settings, &mut guest)?;
    xenbus(settings, &mut guest)?;
    clock(settings, &mut guest)?;
    for (key, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        lifecycle(settings, key, action)?;
    }
    let words: Vec<String> = settings.list("device_model_args")?.into_iter().map(|(word, _)| word).collect();
    guest.arguments = (!words.is_empty()).then_some(Arguments { of_qemu: false, words });
    let device_model = settings.text("device_model")?;
    guest.emulator = settings.text("device_model_override")?.or(device_model);
    disks(settings, &mut guest)?;
    interfaces(settings, &mut guest)?;
    if guest.is_hvm() {
        guest.serials = serials(settings)?;
        dm::read(settings, &mut guest)?;
        match settings.text("soundhw")?.as_deref() {
            None => {}
            // What libvirt makes of it.
            Some("all") => guest.sounds = vec!["sb16".into(), "es1370".into()],
            Some(list) => guest.sounds.extend(list.split(',').map(|name| name.trim().to_owned())),
        }
    }
    usb::read(settings, &mut guest)?;
    for (spec, at) in settings.list("channel")? {
        let (channel, others) = channel::read(&spec, at)?;
        for other in others {
            settings.leave(&format!("channel ({})", shown(other)), at);
        }
        guest.channels.push(channel);
    }
    screen::read(settings, &mut guest)?;
    pci(settings, &mut guest)?;
    settings.leave_rest();
    Ok(guest)
}

fn name(settings: &mut Settings) -> Result<String> {
    let Some((name, at)) = settings.text_at("name")? else {
        return fault(0, "the key 'name' is missing");
    };
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(why) => fault(at, why),
    }
}

fn uuid(settings: &mut Settings) -> Result<Option<Uuid>> {
    let Some((text, at)) = settings.text_at("uuid")? else { return Ok(None) };
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match Uuid::try_parse(&digits) {
        Ok(uuid) if digits.len() == 32 && !uuid.is_nil() => Ok(Some(uuid)),
        Ok(uuid) if uuid.is_nil() => {
            fault(at, "a uuid of all zeroes is Domain-0's; leave the key out to get a new one")
        }
        _ => fault(at, format!("uuid = '{}' is no uuid: expected 32 hexadecimal digits", shown(&text))),
    }
}

/// `type`, or what came before it: `builder`, whose other values all mean PV.
fn kind(settings: &mut Settings) -> Result<GuestType> {
    let builder = settings.text_at("builder")?;
    if let Some((word, at)) = settings.text_at("type")? {
        return match word.as_str() {
            "pv" => Ok(GuestType::Pv),
            "pvh" => Ok(GuestType::Pvh),
            "hvm" => Ok(GuestType::Hvm),
            _ => fault(at, format!("type = '{}' is not known; expected pv, pvh or hvm", shown(&word))),
        };
    }
    match builder {
        None => Ok(GuestType::Pv),
        Some((word, at)) => match word.as_str() {
            "hvm" => Ok(GuestType::Hvm),
            "generic" | "linux" => Ok(GuestType::Pv),
            _ => fault(at, format!("builder = '{}' is not known; expected hvm or generic", shown(&word))),
        },
    }
}

fn memory(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let mut kib = |key: &str| -> Result<Option<u64>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match super::settings::number(&text).map(u64::try_from) {
            Some(Ok(mib @ 1..=MAX_MEMORY_MIB)) => Ok(Some(mib * 1024)),
            _ => fault(at, format!("{key} = '{}' is no number of MiB that a guest can have", shown(&text))),
        }
    };
    let (memory, max) = (kib("memory")?, kib("maxmem")?);
    guest.memory_kib = memory.or(max).unwrap_or(USUAL_MEMORY_MIB * 1024);
    guest.max_memory_kib = max.unwrap_or(guest.memory_kib).max(guest.memory_kib);
    Ok(())
}

fn vcpus(settings: &mut Settings, vcpus: &mut Vcpus) -> Result<()> {
    let mut count = |key: &str| -> Result<Option<(u32, usize)>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match super::settings::number(&text).map(u32::try_from) {
            Some(Ok(count @ 1..=MAX_VCPUS)) => Ok(Some((count, at))),
            _ => fault(at, format!("{key} = '{}': expected 1 to {MAX_VCPUS}", shown(&text))),
        }
    };
    let (current, max) = (count("vcpus")?, count("maxvcpus")?);
    let current_count = current.map_or(1, |(count, _)| count);
    vcpus.max = max.map_or(current_count, |(max, _)| max);
    match max {
        Some((max, at)) if current_count > max => {
            return fault(at, format!("maxvcpus = {max} are less than vcpus = {current_count}"));
        }
        _ => vcpus.current = Some(current_count).filter(|count| *count < vcpus.max),
    }
    Ok(())
}

fn os(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let is_hvm = guest.is_hvm();
    let os = &mut guest.os;
    os.kernel = settings.text("kernel")?;
    // What xend's configurations named there was the firmware; xl steps over it with a warning.
    if is_hvm && os.kernel.as_ref().is_some_and(|path| path.rsplit('/').next() == Some("hvmloader")) {
        os.kernel = None;
    }
    os.initrd = settings.text("ramdisk")?;
    let (cmdline, root, extra) = (settings.text("cmdline")?, settings.text("root")?, settings.text("extra")?);
    os.cmdline = match (cmdline, root, extra) {
        (Some(cmdline), _, _) => Some(cmdline),
        (None, Some(root), Some(extra)) => Some(format!("root={root} {extra}")),
        (None, Some(root), None) => Some(format!("root={root}")),
        (None, None, extra) => extra,
    };
    if !is_hvm {
        os.bootloader = settings.text("bootloader")?;
        // xm's word, which libvirt writes for xl as well.
        let bootargs = settings.text("bootargs")?;
        let arguments: Vec<String> =
            settings.list("bootloader_args")?.into_iter().map(|(word, _)| word).collect();
        os.bootloader_args = (!arguments.is_empty()).then(|| arguments.join(" ")).or(bootargs);
        return Ok(());
    }
    os.loader = loader(settings)?;
    os.acpi_table = settings.text("acpi_firmware")?;
    if let Some((letters, at)) = settings.text_at("boot")? {
        for letter in letters.chars() {
            let device = match letter {
                'a' => BootDevice::Floppy,
                'c' => BootDevice::HardDisk,
                'd' => BootDevice::Cdrom,
                'n' => BootDevice::Network,
                _ => return fault(at, format!("boot = '{}': expected a, c, d or n", shown(&letters))),
            };
            if !os.boot.contains(&device) {
                os.boot.push(device);
            }
        }
    }
    Ok(())
}

/// None is the usual BIOS.
fn loader(settings: &mut Settings) -> Result<Option<Loader>> {
    let firmware = settings.text_at("firmware")?;
    let bios = settings.text_at("bios")?;
    let path = settings.text("bios_path_override")?;
    let hvmloader = settings.text("firmware_override")?;
    match firmware.as_ref().or(bios.as_ref()).map(|(word, at)| (word.as_str(), *at)) {
        Some(("ovmf" | "uefi", _)) => {
            let path = path.unwrap_or_else(|| OVMF.into());
            return Ok(Some(Loader { path, is_pflash: true, readonly: Some(true) }));
        }
        None | Some(("bios" | "seabios", _)) => {}
        Some((word, at)) if word.starts_with('/') || word == "rombios" => settings.leave("firmware", at),
        Some((word, at)) => {
            return fault(at, format!("'{}' is no firmware; expected bios, seabios or ovmf", shown(word)));
        }
    }
    Ok(hvmloader.map(Loader::rom))
}

fn features(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let features = &mut guest.features;
    match guest.os.kind {
        GuestType::Hvm => {
            // xl's default is to have them.
            features.acpi = settings.flag("acpi")?.unwrap_or(true);
            features.apic = settings.flag("apic")?.unwrap_or(true);
            features.pae = settings.flag("pae")?.unwrap_or(true);
            features.hap = settings.flag("hap")?;
            features.viridian = match settings.take("viridian") {
                None => false,
                Some(value) => match &value.kind {
                    // Groups of it.
                    Kind::List(groups) => {
                        settings.leave("viridian", value.span.start);
                        !groups.is_empty()
                    }
                    Kind::Text(text) => match super::settings::number(text) {
                        Some(number) => number != 0,
                        None => return fault(value.span.start, "viridian: expected 0, 1 or a list"),
                    },
                },
            };
        }
        GuestType::Pvh => {
            features.acpi = settings.flag("acpi")?.unwrap_or(false);
            features.hap = settings.flag("hap")?;
        }
        GuestType::Pv => {}
    }
    features.e820_host = settings.flag("e820_host")?;
    if let Some((word, at)) = settings.text_at("passthrough")? {
        features.passthrough = match word.as_str() {
            "disabled" => Some(Passthrough::Disabled),
            "enabled" => Some(Passthrough::Enabled),
            "sync_pt" => Some(Passthrough::SyncPt),
            "share_pt" => Some(Passthrough::SharePt),
            "default" | "unknown" => None,
            _ => {
                let message =
                    format!("passthrough = '{}' is not known; expected such as enabled", shown(&word));
                return fault(at, message);
            }
        };
    }
    if guest.os.kind == GuestType::Hvm {
        let management = &mut guest.power_management;
        (management.to_memory, management.to_disk) = (settings.flag("acpi_s3")?, settings.flag("acpi_s4")?);
    }
    Ok(())
}

/// The limits of what Xen's own devices hang on.
fn xenbus(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let mut limit = |key: &str| -> Result<Option<u32>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match super::settings::number(&text).map(u32::try_from) {
            Some(Ok(limit @ 1..)) => Ok(Some(limit)),
            _ => fault(at, format!("{key} = '{}' is no limit", shown(&text))),
        }
    };
    let max_grant_frames = limit("max_grant_frames")?;
    // libvirt knows xl's key by the name that libxl had for it first.
    let max_event_channels = limit("event_channels")?.or(limit("max_event_channels")?);
    let xenbus = Controller::Xenbus { max_grant_frames, max_event_channels };
    if xenbus != Controller::XENBUS {
        guest.controllers.push(xenbus);
    }
    Ok(())
}

fn clock(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let localtime = settings.flag("localtime")?;
    if localtime == Some(true) {
        guest.clock.basis = ClockBasis::Localtime;
    }
    guest.clock.offset = match settings.number("rtc_timeoffset")? {
        Some(seconds) => ClockOffset::Seconds(seconds),
        // A PV guest has no clock whose setting could last.
        None if !guest.is_hvm() && localtime.is_some() => ClockOffset::Reset,
        None => ClockOffset::Zero,
    };
    if let Some((word, at)) = settings.text_at("tsc_mode")? {
        let mode = match word.as_str() {
            "default" | "0" => None,
            "always_emulate" | "1" => Some("emulate"),
            "native" | "2" => Some("native"),
            "native_paravirt" | "3" => Some("paravirt"),
            _ => {
                return fault(
                    at,
                    format!("tsc_mode = '{}' is not known; expected such as native", shown(&word)),
                );
            }
        };
        if let Some(mode) = mode {
            let timer = Timer {
                name: "tsc".into(),
                present: Some(true),
                mode: Some(mode.into()),
                ..Timer::default()
            };
            guest.clock.timers.push(timer);
        }
    }
    if guest.is_hvm()
        && let Some(present) = settings.flag("hpet")?
    {
        guest.clock.timers.push(Timer { name: "hpet".into(), present: Some(present), ..Timer::default() });
    }
    Ok(())
}

fn lifecycle(settings: &mut Settings, key: &str, action: &mut Lifecycle) -> Result<()> {
    let Some((word, at)) = settings.text_at(key)? else { return Ok(()) };
    // xm's spelling of the longer ones.
    match Lifecycle::from_name(&word.replace('_', "-")) {
        Some(known) => *action = known,
        None if word == "soft-reset" => settings.leave(key, at),
        None => {
            let known: Vec<&str> = Lifecycle::ALL.iter().map(|(_, word)| *word).collect();
            let message = format!("{key} = '{}' is not known; expected {}", shown(&word), known.join(", "));
            return fault(at, message);
        }
    }
    Ok(())
}

/// `backend` of `backend=dom1`.
fn option_name(word: &str) -> String {
    shown(word.split('=').next().unwrap_or(word))
}

fn disks(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let mut targets = BTreeSet::new();
    for (spec, at) in settings.list("disk")? {
        let (disk, others) = disk::read(&spec, at)?;
        for other in others {
            settings.leave(&format!("disk ({})", option_name(&other)), at);
        }
        if !targets.insert(disk.target.clone()) {
            return fault(at, format!("disk: the name {} is taken by another disk", shown(&disk.target)));
        }
        guest.disks.push(disk);
    }
    Ok(())
}

fn interfaces(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let is_hvm = guest.is_hvm();
    for (spec, at) in settings.list("vif")? {
        let (interface, others) = vif::read(&spec, is_hvm, at)?;
        for other in others {
            settings.leave(&format!("vif ({})", option_name(other)), at);
        }
        guest.interfaces.push(interface);
    }
    Ok(())
}

fn serials(settings: &mut Settings) -> Result<Vec<CharDevice>> {
    let mut devices = Vec::new();
    for (port, (words, at)) in (0..).zip(settings.list("serial")?) {
        if devices.len() == MAX_PORTS {
            return fault(at, format!("serial: more than {MAX_PORTS} ports"));
        }
        match from_words(&words) {
            Ok(Some(source)) => devices.push(CharDevice { port, source }),
            Ok(None) => {}
            Err(message) => return fault(at, format!("serial: {message}")),
        }
    }
    Ok(devices)
}

/// `0000:01:13.0@5,permissive=1`.
fn pci(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let mut places = BTreeSet::new();
    for (spec, at) in settings.list("pci")? {
        let mut words = spec.split(',').map(str::trim);
        let place = words.next().unwrap_or_default();
        let place = place.strip_prefix("bdf=").unwrap_or(place);
        let (place, slot) = place.split_once('@').unwrap_or((place, ""));
        if is_whole_device(&spec) {
            settings.leave("pci (all functions of a device)", at);
            continue;
        }
        let Some(address) = pci_address(place) else {
            return fault(
                at,
                format!("pci: '{}' is no address; expected such as 0000:01:13.0", shown(&spec)),
            );
        };
        if !places.insert(address) {
            return fault(at, format!("pci: the device {address} stands here a second time"));
        }
        let mut device = PciDevice { address, managed: false, permissive: false };
        if !slot.is_empty() {
            settings.leave("pci (slot)", at);
        }
        for word in words {
            match word.split_once('=') {
                // xl takes it from the host's driver, and gives it back.
                Some(("seize", value)) => device.managed = value == "1",
                Some(("permissive", value)) => device.permissive = value == "1",
                _ => settings.leave(&format!("pci ({})", shown(word)), at),
            }
        }
        guest.pci_devices.push(device);
    }
    Ok(())
}

/// Whether a string of `pci` means all functions of a device.
pub(super) fn is_whole_device(spec: &str) -> bool {
    spec.split([',', '@']).next().is_some_and(|place| place.trim().ends_with(".*"))
}

fn pci_address(place: &str) -> Option<PciAddress> {
    let (place, function) = place.rsplit_once('.')?;
    let (place, slot) = place.rsplit_once(':')?;
    let (domain, bus) = place.rsplit_once(':').unwrap_or(("0", place));
    let hex = |text: &str| format!("0x{text}");
    let has_sign = [domain, bus, slot, function].iter().any(|part| part.is_empty());
    if has_sign {
        return None;
    }
    PciAddress::from_parts(&hex(domain), &hex(bus), &hex(slot), &hex(function))
}
