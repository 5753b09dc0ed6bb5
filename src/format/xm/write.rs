//! The model -> settings, in libvirt's order.

use super::{device, screen};
use crate::error::{Error, Result, Status};
use crate::format::chardev::to_words;
use crate::format::config::items::Items;
use crate::format::cpuset::cpu_ranges;
use crate::format::error::shown;
use crate::format::sxpr::{self, XendFormat};
use crate::model::Guest;
use crate::model::guest::{BootDevice, CharDevice, Clock, ClockBasis, ClockOffset, DiskDevice, Vcpus};

/// The firmware, where the configuration names none: where xend's own packages put it.
const HVMLOADER: &str = "/usr/lib/xen/boot/hvmloader";
/// The device model, where the configuration names none.
const QEMU_DM: &str = "/usr/lib/xen/bin/qemu-dm";
/// The highest number of a port.
const MAX_PORT: u32 = 15;
/// What the emulated cards have where nobody chooses, KiB, by what libvirt has said of it over the years.
const USUAL_VRAM_KIB: [u32; 2] = [8192, 16384];

pub(super) fn unsupported(what: impl AsRef<str>) -> Error {
    Error::new(Status::NotSupported, format!("xm's configuration has no place for {}", what.as_ref()))
}

/// What xend cannot hold, xm cannot say, but for the title, which its caller keeps elsewhere.
pub(super) fn check(guest: &Guest) -> Result<()> {
    sxpr::check(&Guest { title: None, ..guest.clone() })?;
    if let Some(device) = guest.pci_devices.iter().find(|device| device.managed) {
        return Err(sxpr::managed(device));
    }
    Ok(())
}

/// All that a guest's file says.
pub(super) fn items(guest: &Guest, format: XendFormat) -> Result<Items> {
    let is_hvm = guest.is_hvm();
    let mut items = Items::default();
    items.text("name", guest.name.as_str());
    items.some("uuid", guest.uuid.map(|uuid| uuid.to_string()));
    items.number("maxmem", mib(guest.max_memory_kib));
    items.number("memory", mib(guest.memory_kib));
    vcpus(&mut items, &guest.vcpus, format)?;
    if is_hvm {
        hvm(&mut items, guest, format)?;
    } else {
        pv(&mut items, guest)?;
    }
    clock(&mut items, &guest.clock, is_hvm, format)?;
    items.text("on_poweroff", guest.on_poweroff.name());
    items.text("on_reboot", guest.on_reboot.name());
    items.text("on_crash", guest.on_crash.name());
    match &guest.emulator {
        Some(path) => items.text("device_model", path.as_str()),
        None if is_hvm => items.text("device_model", QEMU_DM),
        None => {}
    }
    screen::write(&mut items, guest, format)?;
    let mut disks = Vec::new();
    for disk in &guest.disks {
        disks.extend(device::write_disk(disk, is_hvm, format)?);
    }
    if !disks.is_empty() {
        items.list("disk", disks);
    }
    let vifs = guest.interfaces.iter().map(|one| device::write_interface(one, is_hvm, format));
    let vifs = vifs.collect::<Result<Vec<_>>>()?;
    if !vifs.is_empty() {
        items.list("vif", vifs);
    }
    let pci: Vec<String> = guest.pci_devices.iter().map(|device| device.address.to_string()).collect();
    if !pci.is_empty() {
        items.list("pci", pci);
    }
    if is_hvm {
        hvm_devices(&mut items, guest)?;
    }
    Ok(items)
}

/// KiB in whole MiB, rounded up.
fn mib(kib: u64) -> i64 {
    i64::try_from(kib.div_ceil(1024)).unwrap_or(i64::MAX)
}

fn vcpus(items: &mut Items, vcpus: &Vcpus, format: XendFormat) -> Result<()> {
    match vcpus.current.filter(|current| *current < vcpus.max) {
        None => items.number("vcpus", vcpus.max),
        Some(current) if format >= XendFormat::V4 => {
            items.number("maxvcpus", vcpus.max);
            items.number("vcpus", current);
        }
        Some(current) => {
            items.number("vcpus", vcpus.max);
            match 1i64.checked_shl(current).filter(|bit| *bit > 0) {
                Some(bit) => items.number("vcpu_avail", bit - 1),
                None => return Err(unsupported(format!("{current} of {} vcpus", vcpus.max))),
            }
        }
    }
    items.some("cpus", vcpus.cpuset.as_ref().map(cpu_ranges));
    Ok(())
}

fn pv(items: &mut Items, guest: &Guest) -> Result<()> {
    let os = &guest.os;
    items.some("bootloader", os.bootloader.as_deref());
    items.some("bootargs", os.bootloader_args.as_deref());
    // A bootloader brings its own.
    if os.bootloader.is_none() {
        items.some("kernel", os.kernel.as_deref());
        items.some("ramdisk", os.initrd.as_deref());
    }
    items.some("root", os.root.as_deref());
    items.some("extra", os.cmdline.as_deref());
    Ok(())
}

fn hvm(items: &mut Items, guest: &Guest, format: XendFormat) -> Result<()> {
    let os = &guest.os;
    items.text("builder", "hvm");
    let loader = os.loader.as_ref().map_or(HVMLOADER, |loader| loader.path.as_str());
    match &os.kernel {
        None if os.initrd.is_some() || os.cmdline.is_some() => {
            let message = "an HVM guest's <initrd> and <cmdline> need a <kernel>";
            return Err(Error::new(Status::InvalidConfig, message));
        }
        None => items.text("kernel", loader),
        Some(kernel) => {
            items.text("kernel", kernel.as_str());
            items.some("ramdisk", os.initrd.as_deref());
            items.some("extra", os.cmdline.as_deref());
            items.text("loader", loader);
        }
    }
    let letters: String = os.boot.iter().map(|device| boot_letter(*device)).collect();
    items.text("boot", if letters.is_empty() { "c" } else { &letters });
    let features = &guest.features;
    items.flag("pae", features.pae);
    items.flag("acpi", features.acpi);
    items.flag("apic", features.apic);
    if let Some(hap) = features.hap {
        items.flag("hap", hap);
    }
    if features.viridian || format >= XendFormat::V4 {
        items.flag("viridian", features.viridian);
    }
    for disk in &guest.disks {
        let Some(source) = &disk.source else { continue };
        match (disk.device, disk.target.as_str()) {
            (DiskDevice::Floppy, "fda") => items.text("fda", source.as_str()),
            (DiskDevice::Floppy, "fdb") => items.text("fdb", source.as_str()),
            (DiskDevice::Floppy, other) => {
                return Err(unsupported(format!("a floppy drive '{}': expected fda or fdb", shown(other))));
            }
            (DiskDevice::Cdrom, "hdc") if format == XendFormat::V1 => items.text("cdrom", source.as_str()),
            (DiskDevice::Cdrom, other) if format == XendFormat::V1 => {
                return Err(unsupported(format!(
                    "a CD-ROM drive '{}': Xen 3.0.2 has hdc only",
                    shown(other)
                )));
            }
            _ => {}
        }
    }
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

fn clock(items: &mut Items, clock: &Clock, is_hvm: bool, format: XendFormat) -> Result<()> {
    let seconds = match clock.offset {
        ClockOffset::Seconds(seconds) => seconds,
        ClockOffset::Zero | ClockOffset::Reset => 0,
    };
    if is_hvm && format >= XendFormat::V4 {
        items.number("rtc_timeoffset", seconds);
    } else if seconds != 0 {
        let where_not = if is_hvm { "before Xen 3.1" } else { "in a PV guest" };
        return Err(unsupported(format!("a <clock> adjustment {where_not}")));
    }
    items.flag("localtime", clock.basis == ClockBasis::Localtime);
    for timer in &clock.timers {
        match (timer.name.as_str(), timer.present) {
            (_, None) if timer.mode.is_none() => {}
            ("hpet", Some(present)) if is_hvm => items.flag("hpet", present),
            ("hpet", Some(false)) => {}
            ("tsc", None | Some(true)) if format >= XendFormat::V4 => match timer.mode.as_deref() {
                None => {}
                Some("emulate") => items.number("tsc_mode", 1),
                Some("native") => items.number("tsc_mode", 2),
                Some("paravirt") => items.number("tsc_mode", 3),
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
    ports(items, "parallel", &guest.parallels)?;
    ports(items, "serial", &guest.serials)?;
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
    for video in &guest.videos {
        if video.model == "vga" {
            items.flag("stdvga", true);
        }
        if let Some(vram) = video.vram_kib.filter(|vram| !USUAL_VRAM_KIB.contains(vram)) {
            items.number("videoram", vram.div_ceil(1024));
        }
    }
    Ok(())
}

/// One port by its words, several as a list in which `none` stands for a port that is not there.
fn ports(items: &mut Items, key: &'static str, devices: &[CharDevice]) -> Result<()> {
    let words = |device: &CharDevice| {
        to_words(&device.source).map_err(|what| unsupported(format!("a {key} port on {what}")))
    };
    match devices {
        [] => items.text(key, "none"),
        [one] if one.port == 0 => items.text(key, words(one)?),
        several => {
            let last = several.iter().map(|device| device.port).max().unwrap_or(0);
            if last > MAX_PORT {
                return Err(unsupported(format!("port {last}: the last one is {MAX_PORT}")));
            }
            let port = |number| match several.iter().find(|device| device.port == number) {
                Some(device) => words(device),
                None => Ok("none".into()),
            };
            items.list(key, (0..=last).map(port).collect::<Result<Vec<_>>>()?);
        }
    }
    Ok(())
}
