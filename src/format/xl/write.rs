//! The model -> settings, in a fixed order, and settings -> text.

use super::read::OVMF;
use super::{channel, cpu, disk, dm, screen, usb, vif};
use crate::error::{Error, Result, Status};
use crate::format::beyond::only_xml;
use crate::format::chardev::to_words;
pub(super) use crate::format::config::items::Items;
use crate::format::error::shown;
use crate::model::guest::{
    BootDevice, CharDevice, Clock, ClockBasis, ClockOffset, Controller, DiskDevice, Features, Firmware,
    Graphics, Interface, InterfaceKind, Loader, Passthrough, PciDevice, PowerManagement,
};
use crate::model::{Guest, GuestType};

/// Where xend's packages put the firmware: a configuration that names it means the usual one, which xl finds by itself.
const HVMLOADERS: [&str; 2] = ["/usr/lib/xen/boot/hvmloader", "/usr/lib64/xen/boot/hvmloader"];
/// Where xend's packages put the device model: named, it means the usual one, and no host of today has that file.
const QEMU_DMS: [&str; 2] = ["/usr/lib/xen/bin/qemu-dm", "/usr/lib64/xen/bin/qemu-dm"];
/// What libvirt names where nobody chose a device model. It is kept under a key that xl steps over with a warning.
const QEMUS: [&str; 2] = ["/usr/lib/xen/bin/qemu-system-i386", "/usr/lib64/xen/bin/qemu-system-i386"];
/// Where xend's packages put pygrub. xl finds its own by the bare name; this path fails on hosts of today.
const PYGRUB: &str = "/usr/bin/pygrub";
/// The highest number of a serial port.
const MAX_PORT: u32 = 15;

pub(super) fn unsupported(what: impl AsRef<str>) -> Error {
    Error::new(Status::NotSupported, format!("xl's configuration has no place for {}", what.as_ref()))
}

/// What no file that xl takes can say, or what no guest can start with.
pub(super) fn check(guest: &Guest, as_libvirt: bool) -> Result<()> {
    let beside = [("<title>", &guest.title), ("<description>", &guest.description)];
    if let Some((what, _)) = beside.into_iter().find(|(_, text)| as_libvirt && text.is_some()) {
        return Err(unsupported(what));
    }
    if let Some(what) = only_xml(guest) {
        return Err(unsupported(what));
    }
    if guest.graphics.len() > 1 && guest.is_hvm() {
        return Err(unsupported("more than one <graphics>"));
    }
    if guest.videos.len() > 1 || guest.videos.iter().any(|video| video.heads.is_some_and(|heads| heads != 1))
    {
        return Err(unsupported("more than one <video>, or more than one head"));
    }
    if guest.is_hvm() {
        if guest.os.bootloader.is_some() || guest.os.bootloader_args.is_some() {
            return Err(unsupported("<bootloader> or <bootloader_args> in an HVM guest"));
        }
        return Ok(());
    }
    if guest.os.kernel.is_none() && guest.os.bootloader.is_none() {
        let message =
            "a PV or PVH guest needs <kernel>, or a <bootloader> such as pygrub to find one in its disk";
        return Err(Error::new(Status::InvalidConfig, message));
    }
    let hvm_only = [
        ("<loader>", guest.os.loader.is_some()),
        ("<boot>", !guest.os.boot.is_empty()),
        ("<serial>", !guest.serials.is_empty()),
        ("<parallel>", !guest.parallels.is_empty()),
        ("<sound>", !guest.sounds.is_empty()),
        ("<input bus='usb'>", !guest.inputs.is_empty()),
        ("<graphics type='spice'>", guest.graphics.iter().any(|one| matches!(one, Graphics::Spice { .. }))),
        ("<pm>", guest.power_management != PowerManagement::default()),
        ("<os firmware=...>", guest.os.firmware.is_some()),
        ("<table> of <acpi>", guest.os.acpi_table.is_some()),
        ("<disk device='floppy'>", guest.disks.iter().any(|disk| disk.device == DiskDevice::Floppy)),
    ];
    match hvm_only.into_iter().find(|(_, present)| *present) {
        Some((what, _)) => Err(unsupported(format!("{what} in a guest that is not HVM"))),
        None => Ok(()),
    }
}

/// All that a guest's file says.
pub(super) fn items(guest: &Guest, as_libvirt: bool) -> Result<Items> {
    let mut items = Items::default();
    items.text("name", guest.name.as_str());
    items.some("uuid", guest.uuid.map(|uuid| uuid.to_string()));
    // `type` came with Xen 4.10; before it xl steps over it and makes a PV guest. All versions take `builder`, and PV is what they
    // take a guest for that says neither.
    match guest.os.kind {
        GuestType::Pv => {}
        GuestType::Hvm => items.text("builder", "hvm"),
        GuestType::Pvh => items.text("type", "pvh"),
    }
    items.number("maxmem", mib(guest.max_memory_kib));
    items.number("memory", mib(guest.memory_kib));
    if let Some(current) = guest.vcpus.current {
        items.number("maxvcpus", guest.vcpus.max);
        items.number("vcpus", current);
    } else {
        items.number("vcpus", guest.vcpus.max);
    }
    cpu::write(&mut items, guest)?;
    os(&mut items, guest, as_libvirt)?;
    features(&mut items, guest.os.kind, &guest.features);
    xenbus(&mut items, &guest.controllers);
    clock(&mut items, &guest.clock, guest.is_hvm(), as_libvirt)?;
    items.text("on_poweroff", guest.on_poweroff.name());
    items.text("on_reboot", guest.on_reboot.name());
    items.text("on_crash", guest.on_crash.name());
    match guest.emulator.as_deref() {
        None => {}
        Some(path) if QEMU_DMS.contains(&path) && !as_libvirt => {}
        Some(path) if QEMUS.contains(&path) || QEMU_DMS.contains(&path) => items.text("device_model", path),
        Some(path) => items.text("device_model_override", path),
    }
    if let Some(arguments) = &guest.arguments {
        items.list("device_model_args", arguments.words.clone());
    }
    let disks = guest.disks.iter().filter(|disk| disk.device != DiskDevice::Floppy);
    let disks = disks.map(|one| disk::write(one, guest.is_hvm())).collect::<Result<Vec<_>>>()?;
    if !disks.is_empty() {
        items.list("disk", disks);
    }
    interfaces(&mut items, guest, as_libvirt)?;
    let channels = guest.channels.iter().map(channel::write).collect::<Result<Vec<_>>>()?;
    if !channels.is_empty() {
        items.list("channel", channels);
    }
    screen::write(&mut items, guest)?;
    if guest.is_hvm() {
        hvm_devices(&mut items, guest)?;
    } else {
        usb::write(&mut items, guest)?;
    }
    Ok(items)
}

/// Network interfaces, and the host's PCI devices: some of its cards are both.
fn interfaces(items: &mut Items, guest: &Guest, as_libvirt: bool) -> Result<()> {
    let mut devices = guest.pci_devices.clone();
    let mut vifs = Vec::new();
    for interface in &guest.interfaces {
        match interface.kind {
            InterfaceKind::HostDevice { address, managed } => {
                if *interface != (Interface { kind: interface.kind.clone(), ..Interface::default() }) {
                    return Err(unsupported(format!(
                        "what is said of the host's card {address} as an interface: its MAC address and others stay its own"
                    )));
                }
                devices.push(PciDevice { address, managed, permissive: false });
            }
            _ => vifs.push(vif::write(interface, guest.is_hvm(), as_libvirt)?),
        }
    }
    if !vifs.is_empty() {
        items.list("vif", vifs);
    }
    let device = |device: &PciDevice| {
        // xl takes it from the host's driver, and gives it back.
        let seize = if device.managed { ",seize=1" } else { "" };
        let permissive = if device.permissive { ",permissive=1" } else { "" };
        format!("{}{seize}{permissive}", device.address)
    };
    if !devices.is_empty() {
        items.list("pci", devices.iter().map(device).collect());
    }
    Ok(())
}

/// KiB in whole MiB, rounded up.
fn mib(kib: u64) -> i64 {
    i64::try_from(kib.div_ceil(1024)).unwrap_or(i64::MAX)
}

fn os(items: &mut Items, guest: &Guest, as_libvirt: bool) -> Result<()> {
    let os = &guest.os;
    items.some(
        "bootloader",
        os.bootloader.as_deref().map(|path| if path == PYGRUB && !as_libvirt { "pygrub" } else { path }),
    );
    items.some("bootloader_args", os.bootloader_args.as_deref());
    // A bootloader brings its own.
    if os.bootloader.is_none() {
        items.some("kernel", os.kernel.as_deref());
        items.some("ramdisk", os.initrd.as_deref());
    }
    let cmdline = match (&os.root, &os.cmdline) {
        (Some(root), Some(cmdline)) => Some(format!("root={root} {cmdline}")),
        (Some(root), None) => Some(format!("root={root}")),
        (None, cmdline) => cmdline.clone(),
    };
    items.some("cmdline", cmdline);
    match &os.loader {
        None if os.firmware == Some(Firmware::Efi) => items.text("bios", "ovmf"),
        // A BIOS is what a guest has that says nothing.
        None => {}
        Some(Loader { is_pflash, .. })
            if os.firmware.is_some_and(|kind| (kind == Firmware::Efi) != *is_pflash) =>
        {
            return Err(unsupported("a <loader> that is not of the kind that <os firmware=...> says"));
        }
        Some(Loader { path, is_pflash: false, .. }) if HVMLOADERS.contains(&path.as_str()) => {}
        Some(Loader { path, is_pflash: false, .. }) => items.text("firmware_override", path.as_str()),
        Some(Loader { path, is_pflash: true, readonly }) => {
            if *readonly == Some(false) {
                return Err(unsupported("<loader readonly='no'>"));
            }
            items.text("bios", "ovmf");
            if path != OVMF && path.rsplit('/').next() != Some("ovmf.bin") {
                items.text("bios_path_override", path.as_str());
            }
        }
    }
    items.some("acpi_firmware", os.acpi_table.as_deref());
    let letters: String = os.boot.iter().map(|device| boot_letter(*device)).collect();
    items.some("boot", (!letters.is_empty()).then_some(letters));
    Ok(())
}

fn boot_letter(device: BootDevice) -> char {
    match device {
        BootDevice::Floppy => 'a',
        BootDevice::HardDisk => 'c',
        BootDevice::Cdrom => 'd',
        BootDevice::Network => 'n',
    }
}

fn features(items: &mut Items, kind: GuestType, features: &Features) {
    match kind {
        // xl's default is to have the first three.
        GuestType::Hvm => {
            items.flag("pae", features.pae);
            items.flag("acpi", features.acpi);
            items.flag("apic", features.apic);
            if let Some(hap) = features.hap {
                items.flag("hap", hap);
            }
            items.flag("viridian", features.viridian);
        }
        GuestType::Pvh => {
            if features.acpi {
                items.flag("acpi", true);
            }
            if let Some(hap) = features.hap {
                items.flag("hap", hap);
            }
        }
        // They have no effect there.
        GuestType::Pv => {}
    }
    if let Some(is_on) = features.e820_host {
        items.flag("e820_host", is_on);
    }
    let passthrough = features.passthrough.map(|passthrough| match passthrough {
        Passthrough::Disabled => "disabled",
        Passthrough::Enabled => "enabled",
        Passthrough::SyncPt => "sync_pt",
        Passthrough::SharePt => "share_pt",
    });
    items.some("passthrough", passthrough);
}

fn xenbus(items: &mut Items, controllers: &[Controller]) {
    for controller in controllers {
        if let Controller::Xenbus { max_grant_frames, max_event_channels } = controller {
            for (key, limit) in
                [("max_grant_frames", max_grant_frames), ("event_channels", max_event_channels)]
            {
                if let Some(limit) = limit {
                    items.number(key, *limit);
                }
            }
        }
    }
}

fn clock(items: &mut Items, clock: &Clock, is_hvm: bool, as_libvirt: bool) -> Result<()> {
    let is_local = clock.basis == ClockBasis::Localtime;
    match clock.offset {
        ClockOffset::Seconds(seconds) => {
            items.number("rtc_timeoffset", seconds);
            items.flag("localtime", is_local);
        }
        // libvirt leaves nothing open.
        _ if as_libvirt => {
            if is_hvm {
                items.number("rtc_timeoffset", 0);
            }
            items.flag("localtime", is_local);
        }
        // An HVM guest's own setting is forgotten at each start anyway.
        ClockOffset::Reset if !is_hvm => items.flag("localtime", is_local),
        _ if is_local => items.flag("localtime", true),
        ClockOffset::Zero | ClockOffset::Reset => {}
    }
    for timer in &clock.timers {
        match (timer.name.as_str(), timer.present) {
            (_, None) if timer.mode.is_none() => {}
            ("hpet", Some(present)) if is_hvm => items.flag("hpet", present),
            ("hpet", Some(false)) => {}
            ("tsc", None | Some(true)) => match timer.mode.as_deref() {
                None => {}
                Some("emulate") => items.text("tsc_mode", "always_emulate"),
                Some("native") => items.text("tsc_mode", "native"),
                Some("paravirt") => items.text("tsc_mode", "native_paravirt"),
                Some(other) => {
                    return Err(unsupported(format!("<timer name='tsc' mode='{}'>", shown(other))));
                }
            },
            (name, _) => {
                return Err(unsupported(format!("this <timer name='{}'> in this guest", shown(name))));
            }
        }
    }
    Ok(())
}

fn hvm_devices(items: &mut Items, guest: &Guest) -> Result<()> {
    // xl does not know `parallel`; libvirt writes it, and looks for it.
    items.text("parallel", "none");
    let mut serials = ports(&guest.serials)?;
    match serials.len() {
        0 => items.text("serial", "none"),
        1 => items.text("serial", serials.swap_remove(0)),
        _ => items.list("serial", serials),
    }
    usb::write(items, guest)?;
    let management = guest.power_management;
    for (key, enabled) in [("acpi_s3", management.to_memory), ("acpi_s4", management.to_disk)] {
        if let Some(enabled) = enabled {
            items.flag(key, enabled);
        }
    }
    if !guest.sounds.is_empty() {
        items.text("soundhw", guest.sounds.join(","));
    }
    dm::write(items, guest)
}

/// Ports in their places.
fn ports(devices: &[CharDevice]) -> Result<Vec<String>> {
    let Some(last) = devices.iter().map(|device| device.port).max() else { return Ok(Vec::new()) };
    if last > MAX_PORT {
        return Err(unsupported(format!("port {last}: the last one is {MAX_PORT}")));
    }
    (0..=last)
        .map(|number| match devices.iter().find(|device| device.port == number) {
            Some(device) => {
                to_words(&device.source).map_err(|what| unsupported(format!("a serial port on {what}")))
            }
            None => Ok("none".into()),
        })
        .collect()
}
