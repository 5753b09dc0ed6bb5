//! Settings -> the model, as xm of an age takes them.

use std::collections::BTreeSet;

use super::{device, screen};
use crate::format::chardev::from_words;
use crate::format::config::settings::Settings;
use crate::format::config::{Kind, Result, fault};
use crate::format::cpuset::cpu_set;
use crate::format::error::shown;
use crate::format::sxpr::XendFormat;
use crate::model::guest::{
    BootDevice, CharDevice, ClockBasis, ClockOffset, Disk, DiskDevice, Input, InputBus, InputKind, Lifecycle,
    Loader, Timer, Vcpus, Video,
};
use crate::model::identity::check_name;
use crate::model::{Guest, GuestType, Uuid};

/// More memory than any machine can address (2^53 bytes), in MiB.
const MAX_MEMORY_MIB: i64 = 1 << 33;
/// What xm gives a guest whose memory nobody says, in MiB.
const USUAL_MEMORY_MIB: u64 = 128;
/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// The highest number of a port.
const MAX_PORTS: usize = 16;

/// Python's `int(text)`.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The guest; what has no place in it is left in `settings`' others.
pub(super) fn guest(settings: &mut Settings, format: XendFormat) -> Result<Guest> {
    let mut guest = Guest { name: name(settings)?, uuid: uuid(settings)?, ..Guest::default() };
    guest.os.kind = kind(settings)?;
    let is_hvm = guest.is_hvm();
    memory(settings, &mut guest)?;
    vcpus(settings, &mut guest.vcpus)?;
    os(settings, &mut guest)?;
    clock(settings, &mut guest, format)?;
    for (key, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        lifecycle(settings, key, action)?;
    }
    guest.emulator = settings.text("device_model")?;
    disks(settings, &mut guest, format)?;
    for (spec, at) in settings.list("vif")? {
        let (interface, others) = device::read_interface(&spec, is_hvm, at)?;
        for other in others {
            settings.leave(&format!("vif ({})", shown(other)), at);
        }
        guest.interfaces.push(interface);
    }
    if is_hvm {
        features(settings, &mut guest, format)?;
        hvm_devices(settings, &mut guest)?;
    }
    screen::read(settings, &mut guest)?;
    device::read_pci(settings, &mut guest)?;
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

fn kind(settings: &mut Settings) -> Result<GuestType> {
    match settings.text_at("builder")? {
        None => Ok(GuestType::Pv),
        Some((word, at)) => match word.as_str() {
            "hvm" => Ok(GuestType::Hvm),
            "linux" | "generic" => Ok(GuestType::Pv),
            _ => fault(at, format!("builder = '{}' is not known; expected hvm or linux", shown(&word))),
        },
    }
}

fn memory(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let mut kib = |key: &str| -> Result<Option<u64>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match number(&text) {
            // xm takes no maximum, and one of zero, for the memory itself.
            Some(0) if key == "maxmem" => Ok(None),
            Some(mib @ 1..=MAX_MEMORY_MIB) => Ok(Some(mib.unsigned_abs() * 1024)),
            _ => fault(at, format!("{key} = '{}' is no number of MiB that a guest can have", shown(&text))),
        }
    };
    let (memory, max) = (kib("memory")?, kib("maxmem")?);
    guest.memory_kib = memory.or(max).unwrap_or(USUAL_MEMORY_MIB * 1024);
    guest.max_memory_kib = max.unwrap_or(guest.memory_kib).max(guest.memory_kib);
    Ok(())
}

/// `maxvcpus` and `vcpus`; where the first is missing, `vcpus` is how many there can be, and `vcpu_avail` says which of them are there.
fn vcpus(settings: &mut Settings, vcpus: &mut Vcpus) -> Result<()> {
    let mut count = |key: &str| -> Result<Option<(u32, usize)>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match number(&text).map(u32::try_from) {
            Some(Ok(count @ 1..=MAX_VCPUS)) => Ok(Some((count, at))),
            _ => fault(at, format!("{key} = '{}': expected 1 to {MAX_VCPUS}", shown(&text))),
        }
    };
    let (current, max) = (count("vcpus")?.map_or(1, |(count, _)| count), count("maxvcpus")?);
    vcpus.max = max.map_or(current, |(max, _)| max);
    match max {
        Some((max, at)) if current > max => {
            return fault(at, format!("maxvcpus = {max} are less than vcpus = {current}"));
        }
        _ => vcpus.current = Some(current).filter(|count| *count < vcpus.max),
    }
    if let Some((text, at)) = settings.text_at("vcpu_avail")? {
        let Ok(mask) = text.parse::<u128>() else {
            return fault(at, format!("vcpu_avail = '{}' is no mask of vcpus", shown(&text)));
        };
        let possible = 1u128.checked_shl(vcpus.max).map_or(u128::MAX, |bit| bit - 1);
        let online = (mask & possible).count_ones();
        if max.is_none() && online > 0 && online < vcpus.max {
            vcpus.current = Some(online);
        }
    }
    cpus(settings, vcpus)
}

/// One set for all vcpus, or a list with one for each; where those differ, the model has no place for them.
fn cpus(settings: &mut Settings, vcpus: &mut Vcpus) -> Result<()> {
    let Some(value) = settings.take("cpus") else { return Ok(()) };
    let (specs, covers_all) = match &value.kind {
        Kind::Text(text) => (vec![(text.as_str(), value.span.start)], true),
        Kind::List(items) => {
            let specs = items.iter().map(|item| Ok((item.text("cpus")?, item.span.start)));
            let covers_all = items.len() >= usize::try_from(vcpus.max).unwrap_or(usize::MAX);
            (specs.collect::<Result<Vec<_>>>()?, covers_all)
        }
    };
    let mut sets = Vec::new();
    for (text, at) in specs {
        match (text.trim(), cpu_set(text)) {
            ("" | "all", _) => sets.push(None),
            (_, Some(set)) => sets.push(Some(set)),
            (_, None) => {
                let message =
                    format!("cpus: '{}' names no processors; expected such as 0-3,^2,5", shown(text));
                return fault(at, message);
            }
        }
    }
    let all_same = sets.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    if all_same && covers_all {
        vcpus.cpuset = sets.into_iter().next().flatten();
    } else {
        settings.leave("cpus", value.span.start);
    }
    Ok(())
}

fn os(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let is_hvm = guest.is_hvm();
    let os = &mut guest.os;
    let kernel = settings.text("kernel")?;
    let (initrd, root, extra) = (settings.text("ramdisk")?, settings.text("root")?, settings.text("extra")?);
    // What the kernel is told is one text for it.
    let cmdline = match (root, extra) {
        (Some(root), Some(extra)) => Some(format!("root={root} {extra}")),
        (Some(root), None) => Some(format!("root={root}")),
        (None, extra) => extra,
    };
    if !is_hvm {
        (os.kernel, os.initrd, os.cmdline) = (kernel, initrd, cmdline);
        os.bootloader = settings.text("bootloader")?;
        let bootargs = settings.text("bootargs")?;
        os.bootloader_args = settings.text("bootloader_args")?.or(bootargs);
        return Ok(());
    }
    // What an HVM guest's file calls kernel is the firmware, unless a loader is named too.
    let loader = settings.text("loader")?;
    let is_firmware = |path: &String| path.rsplit('/').next() == Some("hvmloader");
    (os.kernel, os.loader) = match (kernel, loader) {
        (Some(kernel), Some(loader)) if !is_firmware(&kernel) => (Some(kernel), Some(Loader::rom(loader))),
        (kernel, loader) => (None, loader.or(kernel).map(Loader::rom)),
    };
    if os.kernel.is_some() {
        (os.initrd, os.cmdline) = (initrd, cmdline);
    }
    let Some((letters, at)) = settings.text_at("boot")? else { return Ok(()) };
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
    Ok(())
}

fn features(settings: &mut Settings, guest: &mut Guest, format: XendFormat) -> Result<()> {
    let usual = format >= XendFormat::V4;
    let features = &mut guest.features;
    features.acpi = settings.flag("acpi")?.unwrap_or(usual);
    features.apic = settings.flag("apic")?.unwrap_or(usual);
    features.pae = settings.flag("pae")?.unwrap_or(usual);
    features.hap = settings.flag("hap")?;
    features.viridian = settings.flag("viridian")?.unwrap_or(false);
    Ok(())
}

fn clock(settings: &mut Settings, guest: &mut Guest, format: XendFormat) -> Result<()> {
    if settings.flag("localtime")? == Some(true) {
        guest.clock.basis = ClockBasis::Localtime;
    }
    let is_hvm = guest.is_hvm();
    guest.clock.offset = if is_hvm && format >= XendFormat::V4 {
        ClockOffset::Seconds(settings.number("rtc_timeoffset")?.unwrap_or(0))
    } else {
        ClockOffset::Reset
    };
    if is_hvm && let Some(present) = settings.flag("hpet")? {
        let hpet = Timer { name: "hpet".into(), present: Some(present), ..Timer::default() };
        guest.clock.timers.push(hpet);
    }
    let Some((text, at)) = settings.text_at("tsc_mode")? else { return Ok(()) };
    let mode = match number(&text) {
        Some(0) => return Ok(()),
        Some(1) => "emulate",
        Some(2) => "native",
        Some(3) => "paravirt",
        _ => return fault(at, format!("tsc_mode = '{}': expected 0 to 3", shown(&text))),
    };
    let tsc = Timer { name: "tsc".into(), present: Some(true), mode: Some(mode.into()), ..Timer::default() };
    guest.clock.timers.push(tsc);
    Ok(())
}

fn lifecycle(settings: &mut Settings, key: &str, action: &mut Lifecycle) -> Result<()> {
    let Some((word, at)) = settings.text_at(key)? else { return Ok(()) };
    // xend has a second spelling with underscores for those of crashes.
    match Lifecycle::from_name(&word.replace('_', "-")) {
        Some(known) => *action = known,
        None => {
            let known: Vec<&str> = Lifecycle::ALL.iter().map(|(_, word)| *word).collect();
            let message = format!("{key} = '{}' is not known; expected {}", shown(&word), known.join(", "));
            return fault(at, message);
        }
    }
    Ok(())
}

/// The strings of `disk`, and the drives that have keys of their own.
fn disks(settings: &mut Settings, guest: &mut Guest, format: XendFormat) -> Result<()> {
    let mut targets = BTreeSet::new();
    for (spec, at) in settings.list("disk")? {
        let (disk, others) = device::read_disk(&spec, format, at)?;
        for other in others {
            settings.leave(&format!("disk ({})", shown(other)), at);
        }
        if !targets.insert(disk.target.clone()) {
            return fault(at, format!("disk: the name {} is taken by another disk", shown(&disk.target)));
        }
        guest.disks.push(disk);
    }
    if !guest.is_hvm() {
        return Ok(());
    }
    let drives = [
        ("cdrom", "hdc", DiskDevice::Cdrom),
        ("fda", "fda", DiskDevice::Floppy),
        ("fdb", "fdb", DiskDevice::Floppy),
    ];
    for (key, target, device) in drives {
        let Some((path, at)) = settings.text_at(key)? else { continue };
        if targets.contains(target) {
            return fault(at, format!("{key}: the name {target} is taken by another disk"));
        }
        guest.disks.push(Disk {
            device,
            source: Some(path),
            driver: Some("file".into()),
            target: target.into(),
            readonly: device == DiskDevice::Cdrom,
            ..Disk::default()
        });
    }
    Ok(())
}

fn hvm_devices(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    guest.serials = ports(settings, "serial")?;
    guest.parallels = ports(settings, "parallel")?;
    settings.flag("usb")?;
    for (word, at) in settings.list("usbdevice")? {
        match InputKind::from_name(&word) {
            Some(kind) => guest.inputs.push(Input { kind, bus: InputBus::Usb }),
            // The host's devices and disks.
            None => settings.leave(&format!("usbdevice ({})", shown(&word)), at),
        }
    }
    match settings.text("soundhw")?.as_deref() {
        None => {}
        // What libvirt makes of it.
        Some("all") => guest.sounds = vec!["sb16".into(), "es1370".into()],
        Some(list) => guest.sounds.extend(list.split(',').map(|name| name.trim().to_owned())),
    }
    let is_vga = settings.flag("stdvga")?.unwrap_or(false);
    let vram_kib = match settings.text_at("videoram")? {
        None => None,
        Some((text, at)) => match number(&text).map(u32::try_from) {
            Some(Ok(mib @ 1..=4096)) => Some(mib * 1024),
            _ => return fault(at, format!("videoram = '{}' is no number of MiB", shown(&text))),
        },
    };
    if is_vga || vram_kib.is_some() {
        let model = if is_vga { "vga" } else { "cirrus" };
        guest.videos.push(Video { model: model.into(), vram_kib, ..Video::default() });
    }
    Ok(())
}

fn ports(settings: &mut Settings, key: &str) -> Result<Vec<CharDevice>> {
    let mut devices = Vec::new();
    for (port, (words, at)) in (0..).zip(settings.list(key)?) {
        if devices.len() == MAX_PORTS {
            return fault(at, format!("{key}: more than {MAX_PORTS} ports"));
        }
        match from_words(&words) {
            Ok(Some(source)) => devices.push(CharDevice { port, source }),
            Ok(None) => {}
            Err(message) => return fault(at, format!("{key}: {message}")),
        }
    }
    Ok(devices)
}
