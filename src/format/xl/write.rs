//! The model -> settings, in a fixed order, and settings -> text.

use super::read::OVMF;
use super::{disk, dm, screen, vif};
use crate::error::{Error, Result, Status};
use crate::format::beyond::beyond_xend;
use crate::format::chardev::to_words;
pub(super) use crate::format::config::items::Items;
use crate::format::cpuset::cpu_ranges;
use crate::format::error::shown;
use crate::model::guest::{
    BootDevice, CharDevice, Clock, ClockBasis, ClockOffset, DiskDevice, Features, Loader,
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
pub(super) fn check(guest: &Guest) -> Result<()> {
    if let Some(what) = beyond_xend(guest) {
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
        if guest.os.bootloader.is_some() {
            return Err(unsupported("<bootloader> in an HVM guest"));
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
        ("<disk device='floppy'>", guest.disks.iter().any(|disk| disk.device == DiskDevice::Floppy)),
    ];
    match hvm_only.into_iter().find(|(_, present)| *present) {
        Some((what, _)) => Err(unsupported(format!("{what} in a guest that is not HVM"))),
        None => Ok(()),
    }
}

/// All that a guest's file says.
pub(super) fn items(guest: &Guest) -> Result<Items> {
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
    items.some("cpus", guest.vcpus.cpuset.as_ref().map(cpu_ranges));
    os(&mut items, guest)?;
    features(&mut items, guest.os.kind, &guest.features);
    clock(&mut items, &guest.clock, guest.is_hvm())?;
    items.text("on_poweroff", guest.on_poweroff.name());
    items.text("on_reboot", guest.on_reboot.name());
    items.text("on_crash", guest.on_crash.name());
    match guest.emulator.as_deref() {
        None => {}
        Some(path) if QEMU_DMS.contains(&path) => {}
        Some(path) if QEMUS.contains(&path) => items.text("device_model", path),
        Some(path) => items.text("device_model_override", path),
    }
    let disks = guest.disks.iter().filter(|disk| disk.device != DiskDevice::Floppy);
    let disks = disks.map(|one| disk::write(one, guest.is_hvm())).collect::<Result<Vec<_>>>()?;
    if !disks.is_empty() {
        items.list("disk", disks);
    }
    let vifs =
        guest.interfaces.iter().map(|one| vif::write(one, guest.is_hvm())).collect::<Result<Vec<_>>>()?;
    if !vifs.is_empty() {
        items.list("vif", vifs);
    }
    let pci = guest.pci_devices.iter().map(|device| {
        // xl takes it from the host's driver, and gives it back.
        let seize = if device.managed { ",seize=1" } else { "" };
        format!("{}{seize}", device.address)
    });
    let pci: Vec<String> = pci.collect();
    if !pci.is_empty() {
        items.list("pci", pci);
    }
    screen::write(&mut items, guest)?;
    if guest.is_hvm() {
        hvm_devices(&mut items, guest)?;
    }
    Ok(items)
}

/// KiB in whole MiB, rounded up.
fn mib(kib: u64) -> i64 {
    i64::try_from(kib.div_ceil(1024)).unwrap_or(i64::MAX)
}

fn os(items: &mut Items, guest: &Guest) -> Result<()> {
    let os = &guest.os;
    items.some(
        "bootloader",
        os.bootloader.as_deref().map(|path| if path == PYGRUB { "pygrub" } else { path }),
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
        None => {}
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
}

fn clock(items: &mut Items, clock: &Clock, is_hvm: bool) -> Result<()> {
    let is_local = clock.basis == ClockBasis::Localtime;
    match clock.offset {
        ClockOffset::Seconds(seconds) => {
            items.number("rtc_timeoffset", seconds);
            items.flag("localtime", is_local);
        }
        ClockOffset::Reset => items.flag("localtime", is_local),
        ClockOffset::Zero if is_local => items.flag("localtime", true),
        ClockOffset::Zero => {}
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
    let mut inputs: Vec<String> = guest.inputs.iter().map(|input| input.kind.name().to_owned()).collect();
    if !inputs.is_empty() {
        items.flag("usb", true);
        match inputs.len() {
            1 => items.text("usbdevice", inputs.swap_remove(0)),
            _ => items.list("usbdevice", inputs),
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
