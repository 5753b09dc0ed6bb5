//! `c_info`, `b_info` and the `on_*` actions.

use super::value::{Faults, Node, Result};
use super::{devices, hardware};
use crate::format::chardev::from_words;
use crate::format::error::shown;
use crate::format::xl::dm;
use crate::model::guest::{
    BootDevice, CharDevice, ClockBasis, ClockOffset, CpuSet, Features, Input, InputBus, InputKind, Lifecycle,
    Loader, Timer, Vcpus, Video,
};
use crate::model::identity::check_name;
use crate::model::{Guest, GuestType, Uuid};

/// What libxl gives a guest that says nothing, KiB.
const DEFAULT_MEMORY_KIB: u64 = 32 << 10;
/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// The memory of an HVM guest's card where nothing is said (xl.cfg(5), `videoram`), KiB.
const CIRRUS_KIB: u32 = 8192;
const VGA_KIB: u32 = 16384;
/// Where distributions keep the UEFI firmware that libxl finds by itself.
const OVMF: &str = "/usr/lib/xen/boot/ovmf.bin";

/// The guest of one configuration; it is one only where there are no faults.
pub(super) fn guest(config: &Node<'_>, faults: &mut Faults) -> Guest {
    let parts = config.object().and_then(|()| {
        let Some(identity) = config.object_at("c_info")? else {
            return config.fault("this is no domain's configuration: it has no c_info");
        };
        let Some(build) = config.object_at("b_info")? else {
            return config.fault("this is no domain's configuration: it has no b_info");
        };
        Ok((identity, build))
    });
    let Some((identity, build)) = faults.kept(parts) else { return Guest::default() };
    let mut guest =
        Guest { name: faults.keep(name(&identity)), uuid: faults.keep(uuid(&identity)), ..Guest::default() };
    guest.os.kind = faults.kept(kind(&identity)).unwrap_or(GuestType::Pv);
    let own = faults.kept(own_part(&build, guest.os.kind)).unwrap_or_else(|| build.clone());
    (guest.max_memory_kib, guest.memory_kib) = faults.keep(memory(&build));
    guest.vcpus = faults.keep(vcpus(&build));
    faults.keep(os(&build, &own, &mut guest));
    faults.keep(clock(&build, &mut guest));
    guest.features.hap = faults.keep(identity.flag_at("hap"));
    guest.emulator = faults.keep(build.text_at("device_model"));
    match guest.os.kind {
        GuestType::Hvm => faults.keep(hvm(&build, &own, &mut guest)),
        GuestType::Pvh => guest.features.acpi = faults.keep(build.flag_at("acpi")).unwrap_or(false),
        GuestType::Pv => {}
    }
    faults.keep(hardware::of_build(&identity, &build, &own, &mut guest));
    devices::add(config, &mut guest, faults);
    faults.keep(hardware::of_config(config, &mut guest));
    // libxl's own default is to destroy in each case.
    for (key, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        *action = faults.kept(lifecycle(config, key)).unwrap_or(Lifecycle::Destroy);
    }
    guest
}

fn name(identity: &Node<'_>) -> Result<String> {
    let Some(node) = identity.child("name") else { return identity.fault("the name is missing") };
    let name = node.text()?;
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(why) => node.fault(why),
    }
}

/// Domain-0 has none.
fn uuid(identity: &Node<'_>) -> Result<Option<Uuid>> {
    let Some(node) = identity.child("uuid") else { return Ok(None) };
    let text = node.text()?;
    match Uuid::try_parse(&text) {
        Ok(uuid) => Ok(Some(uuid).filter(|uuid| !uuid.is_nil())),
        Err(_) => node.fault(format!("'{}' is no uuid", shown(&text))),
    }
}

fn kind(identity: &Node<'_>) -> Result<GuestType> {
    let Some(node) = identity.child("type") else { return identity.fault("the type is missing") };
    match node.text()?.as_str() {
        "pv" => Ok(GuestType::Pv),
        "hvm" => Ok(GuestType::Hvm),
        "pvh" => Ok(GuestType::Pvh),
        other => node.fault(format!("'{}' is no type of guest; expected pv, hvm or pvh", shown(other))),
    }
}

/// What only one kind of guest has; an empty object where there is nothing.
fn own_part<'a>(build: &Node<'a>, kind: GuestType) -> Result<Node<'a>> {
    let key = match kind {
        GuestType::Pv => "type.pv",
        GuestType::Hvm => "type.hvm",
        GuestType::Pvh => "type.pvh",
    };
    Ok(match build.object_at(key)? {
        Some(part) => part,
        // Nothing in b_info itself has the name of something in these parts and another meaning.
        None => build.object_at("u")?.unwrap_or_else(|| build.clone()),
    })
}

/// The most, and the current.
fn memory(build: &Node<'_>) -> Result<(u64, u64)> {
    let max = build.memory_at("max_memkb")?;
    let target = build.memory_at("target_memkb")?;
    let max = max.or(target).unwrap_or(DEFAULT_MEMORY_KIB);
    let target = target.unwrap_or(max);
    // Ballooning can leave a target above the limit for a moment.
    Ok((max.max(target), target))
}

fn vcpus(build: &Node<'_>) -> Result<Vcpus> {
    let max = match build.number_at::<u32>("max_vcpus")? {
        None | Some(0) => 1,
        Some(max) if max > MAX_VCPUS => {
            return build.fault(format!("max_vcpus: {max} are more than {MAX_VCPUS}"));
        }
        Some(max) => max,
    };
    let current = match build.child("avail_vcpus") {
        Some(set) => {
            let online: CpuSet = set.bits()?.into_iter().filter(|vcpu| *vcpu < max).collect();
            u32::try_from(online.len()).unwrap_or(max).max(1)
        }
        // Where nothing is said, the first one.
        None => 1,
    };
    Ok(Vcpus { max, current: Some(current).filter(|count| *count != max), cpuset: cpuset(build)? })
}

/// One set for all vcpus; where they differ, each is pinned by itself.
fn cpuset(build: &Node<'_>) -> Result<Option<CpuSet>> {
    let mut sets = Vec::new();
    for set in build.list_at("vcpu_hard_affinity")? {
        sets.push(set.bits()?);
    }
    if sets.is_empty()
        && let Some(set) = build.child("cpumap")
    {
        // One for all, before Xen 4.5.
        sets.push(set.bits()?);
    }
    let Some((first, others)) = sets.split_first() else { return Ok(None) };
    let same = !first.is_empty() && others.iter().all(|set| set == first);
    Ok(same.then(|| first.iter().copied().collect()))
}

/// Kernel and bootloader have stood in `b_info` since 4.10, before that in the part of PV guests (an HVM guest's kernel never did).
fn os(build: &Node<'_>, own: &Node<'_>, guest: &mut Guest) -> Result<()> {
    let either = |key: &'static str| match build.text_at(key)? {
        Some(text) => Ok(Some(text)),
        None => own.text_at(key),
    };
    let os = &mut guest.os;
    os.kernel = either("kernel")?;
    os.initrd = either("ramdisk")?;
    os.cmdline = either("cmdline")?;
    os.bootloader = either("bootloader")?;
    let arguments = if build.child("bootloader_args").is_some() { build } else { own };
    let mut words = Vec::new();
    for word in arguments.list_at("bootloader_args")? {
        words.push(word.text()?);
    }
    os.bootloader_args = (!words.is_empty()).then(|| words.join(" "));
    Ok(())
}

fn clock(build: &Node<'_>, guest: &mut Guest) -> Result<()> {
    if build.flag_at("localtime")? == Some(true) {
        guest.clock.basis = ClockBasis::Localtime;
    }
    if let Some(node) = build.child("rtc_timeoffset") {
        // Seconds with a sign, kept and printed without one.
        let number = node.integer()?;
        let seconds = match (u32::try_from(number), i32::try_from(number)) {
            (Ok(unsigned), _) => i64::from(unsigned.cast_signed()),
            (_, Ok(signed)) => i64::from(signed),
            _ => return node.fault(format!("{number} is out of range")),
        };
        if seconds != 0 {
            guest.clock.offset = ClockOffset::Seconds(seconds);
        }
    }
    let mode = match build.text_at("tsc_mode")?.as_deref() {
        Some("always_emulate") => "emulate",
        Some("native") => "native",
        Some("native_paravirt") => "paravirt",
        _ => return Ok(()),
    };
    guest.clock.timers.push(Timer {
        name: "tsc".into(),
        present: Some(true),
        mode: Some(mode.into()),
        ..Timer::default()
    });
    Ok(())
}

/// What only HVM guests have. Absent is what libxl gives.
fn hvm(build: &Node<'_>, own: &Node<'_>, guest: &mut Guest) -> Result<()> {
    let either = |key: &'static str| match build.flag_at(key)? {
        Some(flag) => Ok(Some(flag)),
        None => own.flag_at(key),
    };
    guest.features = Features {
        acpi: either("acpi")?.unwrap_or(true),
        apic: either("apic")?.unwrap_or(true),
        pae: own.flag_at("pae")?.unwrap_or(true),
        hap: guest.features.hap,
        // Since Xen 4.6 single parts of it can be chosen.
        viridian: own.flag_at("viridian")?.unwrap_or(false) || !own.list_at("viridian_enable")?.is_empty(),
        ..guest.features
    };
    guest.os.loader = match own.text_at("firmware")? {
        Some(path) => Some(Loader::rom(path)),
        None if own.text_at("bios")?.as_deref() == Some("ovmf") => {
            let path = own.text_at("system_firmware")?.unwrap_or_else(|| OVMF.into());
            Some(Loader { path, is_pflash: true, readonly: Some(true) })
        }
        None => own.text_at("system_firmware")?.map(Loader::rom),
    };
    for letter in own.text_at("boot")?.unwrap_or_default().chars() {
        let device = match letter {
            'a' => BootDevice::Floppy,
            'c' => BootDevice::HardDisk,
            'd' => BootDevice::Cdrom,
            'n' => BootDevice::Network,
            // The device model's own business.
            _ => continue,
        };
        if !guest.os.boot.contains(&device) {
            guest.os.boot.push(device);
        }
    }
    if let Some(present) = own.flag_at("hpet")? {
        guest
            .clock
            .timers
            .insert(0, Timer { name: "hpet".into(), present: Some(present), ..Timer::default() });
    }
    for word in texts(own, "usbdevice", "usbdevice_list")? {
        // Other words are the host's devices and disks, which have no element yet.
        guest.inputs.extend(InputKind::from_name(&word).map(|kind| Input { kind, bus: InputBus::Usb }));
    }
    // What xl has no keys for is among the device model's arguments.
    let arguments: Result<Vec<String>> = build.list_at("extra_hvm")?.iter().map(Node::text).collect();
    let (floppies, parallels) = dm::devices_among(&arguments?);
    guest.disks.extend(floppies);
    guest.parallels.extend(parallels);
    for (port, word) in (0..).zip(texts(own, "serial", "serial_list")?) {
        match from_words(&word) {
            Ok(Some(source)) => guest.serials.push(CharDevice { port, source }),
            Ok(None) => {}
            Err(why) => return own.fault(format!("serial: {why}")),
        }
    }
    match own.text_at("soundhw")?.as_deref() {
        None => {}
        // What libvirt makes of it.
        Some("all") => guest.sounds = vec!["sb16".into(), "es1370".into()],
        Some(list) => guest.sounds.extend(list.split(',').map(|name| name.trim().to_owned())),
    }
    // A screen for VNC is libxl's default.
    let nographic = own.flag_at("nographic")?.unwrap_or(false);
    guest.graphics = devices::screens(own, own.text_at("keymap")?, !nographic)?;
    guest.videos.extend(video(build, own, !guest.graphics.is_empty())?);
    Ok(())
}

/// A key that holds one, beside a newer one that holds a list.
fn texts(own: &Node<'_>, one: &'static str, list: &'static str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for word in own.list_at(list)? {
        words.push(word.text()?);
    }
    if words.is_empty() {
        words.extend(own.text_at(one)?);
    }
    Ok(words)
}

/// The card, where one is said or there is a screen for it; with the memory that libxl gives it where nothing is said.
fn video(build: &Node<'_>, own: &Node<'_>, has_screen: bool) -> Result<Option<Video>> {
    let vram_kib = build.memory_at("video_memkb")?.filter(|kib| *kib != 0);
    let vram_kib = vram_kib.and_then(|kib| u32::try_from(kib).ok());
    let kind = match own.object_at("vga")? {
        Some(vga) => vga.text_at("kind")?,
        None => None,
    };
    let (model, usual) = match kind.as_deref() {
        Some("std") => ("vga", Some(VGA_KIB)),
        Some("none") => return Ok(Some(Video { model: "none".into(), ..Video::default() })),
        Some("qxl") => ("qxl", None),
        // A running guest's memory is told, chosen or not.
        None if !has_screen && vram_kib.is_none_or(|kib| kib == CIRRUS_KIB) => return Ok(None),
        _ => ("cirrus", Some(CIRRUS_KIB)),
    };
    Ok(Some(Video { model: model.into(), vram_kib: vram_kib.or(usual), heads: Some(1), ..Video::default() }))
}

fn lifecycle(config: &Node<'_>, key: &'static str) -> Result<Lifecycle> {
    let Some(node) = config.child(key) else { return Ok(Lifecycle::Destroy) };
    let word = node.text()?;
    match word.as_str() {
        // Names apart from those that all languages share.
        "restart_rename" => Ok(Lifecycle::RenameRestart),
        // The guest starts again within its domain.
        "soft_reset" => Ok(Lifecycle::Restart),
        word => match Lifecycle::from_name(&word.replace('_', "-")) {
            Some(action) => Ok(action),
            None => node.fault(format!("'{}' is no action that is known", shown(word))),
        },
    }
}
