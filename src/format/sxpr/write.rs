//! The model -> `(vm ...)`, key by key in the order of libvirt, whose xends have taken it for ten years.

use super::XendFormat;
use crate::error::{Error, Result, Status};
use crate::format::beyond::beyond_xend;
use crate::format::chardev::to_words;
use crate::format::cpuset::cpu_ranges;
use crate::model::guest::{
    BootDevice, CharDevice, Clock, ClockBasis, ClockOffset, Disk, DiskDevice, DiskKind, Graphics, Input,
    Interface, InterfaceKind, PciDevice,
};
use crate::model::{Guest, GuestType};
use crate::wire::sexpr::Sexpr;

/// The firmware, where the configuration names none: where xend's own packages put it.
const HVMLOADER: &str = "/usr/lib/xen/boot/hvmloader";
/// The device model, where the configuration names none.
const QEMU_DM: &str = "/usr/lib/xen/bin/qemu-dm";
/// The script for bridges, where the configuration names none.
const VIF_BRIDGE: &str = "vif-bridge";
/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;
/// What libvirt says of each emulated card whose memory nobody chose.
const USUAL_VRAM_KIB: u32 = 16384;

fn unsupported(what: impl AsRef<str>) -> Error {
    Error::new(Status::NotSupported, format!("xend's configuration has no place for {}", what.as_ref()))
}

/// The children of a list that grows.
struct Items(Vec<Sexpr>);

impl Items {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(Sexpr::pair(name, value));
    }

    fn some(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.put(name, u8::from(value));
    }

    fn into_node(self, name: &str) -> Sexpr {
        Sexpr::node(name, self.0)
    }
}

pub(super) fn vm(guest: &Guest, format: XendFormat) -> Result<Sexpr> {
    check(guest)?;
    let mut vm = Items(Vec::new());
    vm.put("name", &guest.name);
    vm.put("memory", guest.memory_kib.div_ceil(1024));
    vm.put("maxmem", guest.max_memory_kib.div_ceil(1024));
    vm.put("vcpus", guest.vcpus.max);
    let available = vcpu_mask(guest)?;
    vm.some("vcpu_avail", available);
    vm.some("cpus", guest.vcpus.cpuset.as_ref().map(cpu_ranges));
    vm.some("uuid", guest.uuid);
    vm.some("description", guest.description.as_ref());
    vm.some("bootloader", guest.os.bootloader.as_ref());
    vm.some("bootloader_args", guest.os.bootloader_args.as_ref());
    vm.put("on_poweroff", guest.on_poweroff.name());
    vm.put("on_reboot", guest.on_reboot.name());
    vm.put("on_crash", guest.on_crash.name());

    let image = if guest.is_hvm() { hvm(guest, format, available)? } else { pv(guest, format)? };
    // With a bootloader, there is nothing to say to an old xend about what is booted.
    if !image.0.is_empty() {
        let kind = if guest.is_hvm() { "hvm" } else { "linux" };
        vm.0.push(Sexpr::node("image", [image.into_node(kind)]));
    }
    vm.flag("localtime", guest.clock.basis == ClockBasis::Localtime);

    for one in &guest.disks {
        check_disk(one, guest.is_hvm(), format)?;
        if let Some(value) = disk(one, guest.is_hvm(), format) {
            vm.0.push(device(value));
        }
    }
    for one in &guest.interfaces {
        vm.0.push(device(interface(one, guest.is_hvm(), format)?));
    }
    if let Some(device) = guest.pci_devices.iter().find(|device| device.managed) {
        return Err(managed(device));
    }
    if !guest.pci_devices.is_empty() {
        vm.0.push(device(pci(&guest.pci_devices)));
    }
    if !guest.is_hvm() && format >= XendFormat::V3 {
        for one in &guest.graphics {
            vm.0.push(device(Items(Vec::new()).into_node("vkbd")));
            vm.0.push(device(framebuffer(one)?));
        }
    }
    Ok(vm.into_node("vm"))
}

/// The error of a device that is to be taken from the host's driver: left out, the guest would fail to start, or start with a device that the
/// host still drives.
pub(in crate::format) fn managed(device: &PciDevice) -> Error {
    unsupported(format!(
        "managed='yes' of the PCI device {}: xend takes none from the host's drivers; give it to pciback yourself and say \
         managed='no'",
        device.address
    ))
}

fn device(value: Sexpr) -> Sexpr {
    Sexpr::node("device", [value])
}

/// What no xend can hold.
pub(in crate::format) fn check(guest: &Guest) -> Result<()> {
    if let Some(what) = beyond_xend(guest) {
        return Err(unsupported(what));
    }
    match guest.os.kind {
        GuestType::Pv | GuestType::Hvm => {}
        GuestType::Pvh => {
            return Err(unsupported("a PVH guest (<os><type>xenpvh): it needs Xen 4.10 and xl"));
        }
    }
    if guest.title.is_some() {
        return Err(unsupported("<title>; <description> is kept"));
    }
    if guest.os.loader.as_ref().is_some_and(|loader| loader.is_pflash) {
        return Err(unsupported("<loader type='pflash'>: UEFI needs Xen 4.4 and xl"));
    }
    if guest.graphics.len() > 1 {
        return Err(unsupported("more than one <graphics>"));
    }
    if guest.videos.len() > 1 || guest.videos.iter().any(|video| video.heads.is_some_and(|heads| heads != 1))
    {
        return Err(unsupported("more than one <video>, or more than one head"));
    }
    if let Some(video) =
        guest.videos.iter().find(|video| video.model == "qxl" || (video.model == "xen") == guest.is_hvm())
    {
        return Err(unsupported(format!("<video> of type '{}' in this kind of guest", video.model)));
    }
    if !guest.is_hvm() {
        if guest.os.kernel.is_none() && guest.os.bootloader.is_none() {
            let message = "a PV guest needs <kernel>, or a <bootloader> such as /usr/bin/pygrub to find one in its disk";
            return Err(Error::new(Status::InvalidConfig, message));
        }
        let hvm_only = [
            ("<loader>", guest.os.loader.is_some()),
            ("<boot>", !guest.os.boot.is_empty()),
            ("<serial>", !guest.serials.is_empty()),
            ("<parallel>", !guest.parallels.is_empty()),
            ("<sound>", !guest.sounds.is_empty()),
            ("<disk device='floppy'>", guest.disks.iter().any(|disk| disk.device == DiskDevice::Floppy)),
        ];
        if let Some((what, _)) = hvm_only.into_iter().find(|(_, present)| *present) {
            return Err(unsupported(format!("{what} in a PV guest")));
        }
    } else if guest.os.bootloader.is_some() || guest.os.root.is_some() {
        return Err(unsupported("<bootloader> or <root> in an HVM guest"));
    }
    Ok(())
}

/// The bits of the vcpus that it starts with; None where that is all.
fn vcpu_mask(guest: &Guest) -> Result<Option<u128>> {
    match guest.vcpus.current {
        Some(count) if count >= guest.vcpus.max => Ok(None),
        Some(count) => match 1u128.checked_shl(count) {
            Some(bit) => Ok(Some(bit - 1)),
            None => Err(unsupported(format!("{count} of {} vcpus", guest.vcpus.max))),
        },
        None => Ok(None),
    }
}

fn pv(guest: &Guest, format: XendFormat) -> Result<Items> {
    let mut image = Items(Vec::new());
    if guest.os.bootloader.is_none() {
        image.some("kernel", guest.os.kernel.as_ref());
        image.some("ramdisk", guest.os.initrd.as_ref());
    }
    image.some("root", guest.os.root.as_ref());
    image.some("args", guest.os.cmdline.as_ref());
    if format >= XendFormat::V3 {
        image.some("device_model", guest.emulator.as_ref());
    }
    if matches!(guest.clock.offset, ClockOffset::Seconds(seconds) if seconds != 0) {
        return Err(unsupported("a <clock> adjustment in a PV guest"));
    }
    timers(&mut image, &guest.clock, false, format)?;
    if format == XendFormat::V2 {
        for screen in &guest.graphics {
            old_screen(&mut image, screen, format)?;
        }
    }
    if format >= XendFormat::V4 {
        image.flag("localtime", guest.clock.basis == ClockBasis::Localtime);
    }
    Ok(image)
}

fn hvm(guest: &Guest, format: XendFormat, available: Option<u128>) -> Result<Items> {
    let os = &guest.os;
    let loader = os.loader.as_ref().map_or(HVMLOADER, |loader| loader.path.as_str());
    let mut image = Items(Vec::new());
    match &os.kernel {
        None if os.initrd.is_some() || os.cmdline.is_some() => {
            let message = "an HVM guest's <initrd> and <cmdline> need a <kernel>";
            return Err(Error::new(Status::InvalidConfig, message));
        }
        None => image.put("kernel", loader),
        Some(kernel) => {
            image.put("kernel", kernel);
            image.some("ramdisk", os.initrd.as_ref());
            image.some("args", os.cmdline.as_ref());
            image.put("loader", loader);
        }
    }
    image.put("vcpus", guest.vcpus.max);
    image.some("vcpu_avail", available);
    let letters: String = os.boot.iter().map(|device| boot_letter(*device)).collect();
    image.put("boot", if letters.is_empty() { "c" } else { &letters });
    for disk in &guest.disks {
        match (&disk.source, disk.device) {
            (Some(source), DiskDevice::Floppy) if ["fda", "fdb"].contains(&disk.target.as_str()) => {
                image.put(&disk.target, source);
            }
            (Some(_), DiskDevice::Floppy) => {
                return Err(unsupported(format!("a floppy drive '{}': expected fda or fdb", disk.target)));
            }
            (Some(source), DiskDevice::Cdrom) if format == XendFormat::V1 => {
                if disk.target != "hdc" {
                    return Err(unsupported(format!(
                        "a CD-ROM drive '{}': Xen 3.0.2 has hdc only",
                        disk.target
                    )));
                }
                image.put("cdrom", source);
            }
            _ => {}
        }
    }
    let features = &guest.features;
    for (name, present) in [("acpi", features.acpi), ("apic", features.apic), ("pae", features.pae)] {
        if present {
            image.flag(name, true);
        }
    }
    image.some("hap", features.hap.map(u8::from));
    if features.viridian {
        image.flag("viridian", true);
    }
    image.flag("usb", true);
    for Input { kind, .. } in &guest.inputs {
        image.put("usbdevice", kind.name());
    }
    image.0.push(ports("parallel", &guest.parallels)?);
    image.0.push(ports("serial", &guest.serials)?);
    if !guest.sounds.is_empty() {
        image.put("soundhw", guest.sounds.join(","));
    }
    image.put("device_model", guest.emulator.as_deref().unwrap_or(QEMU_DM));
    timers(&mut image, &guest.clock, true, format)?;
    for video in &guest.videos {
        if video.model == "vga" {
            image.flag("stdvga", true);
        }
        if let Some(vram) = video.vram_kib.filter(|vram| *vram != USUAL_VRAM_KIB) {
            image.put("videoram", vram.div_ceil(1024));
        }
    }
    for screen in &guest.graphics {
        old_screen(&mut image, screen, format)?;
    }
    let seconds = match guest.clock.offset {
        ClockOffset::Seconds(seconds) => seconds,
        ClockOffset::Zero | ClockOffset::Reset => 0,
    };
    if format >= XendFormat::V4 {
        image.put("rtc_timeoffset", seconds);
        image.flag("localtime", guest.clock.basis == ClockBasis::Localtime);
    } else if seconds != 0 {
        return Err(unsupported("a <clock> adjustment before Xen 3.1"));
    }
    Ok(image)
}

fn boot_letter(device: BootDevice) -> char {
    match device {
        BootDevice::Floppy => 'a',
        BootDevice::HardDisk => 'c',
        BootDevice::Cdrom => 'd',
        BootDevice::Network => 'n',
    }
}

/// One port by its words, several as a list in which `none` stands for a port that is not there.
fn ports(name: &str, devices: &[CharDevice]) -> Result<Sexpr> {
    let words = |device: &CharDevice| to_words(&device.source).map_err(unsupported);
    Ok(match devices {
        [] => Sexpr::pair(name, "none"),
        [one] if one.port == 0 => Sexpr::pair(name, words(one)?),
        several => {
            let last = several.iter().map(|device| device.port).max().unwrap_or(0);
            let mut list = Vec::new();
            for port in 0..=last {
                list.push(Sexpr::atom(match several.iter().find(|device| device.port == port) {
                    Some(device) => words(device)?,
                    None => "none".into(),
                }));
            }
            Sexpr::node(name, [Sexpr::List(list)])
        }
    })
}

fn timers(image: &mut Items, clock: &Clock, is_hvm: bool, format: XendFormat) -> Result<()> {
    for timer in &clock.timers {
        match (timer.name.as_str(), timer.present) {
            (_, None) if timer.mode.is_none() => {}
            ("hpet", Some(present)) if is_hvm => image.flag("hpet", present),
            ("hpet", Some(false)) => {}
            ("tsc", None | Some(true)) if format >= XendFormat::V4 => match timer.mode.as_deref() {
                None => {}
                Some("emulate") => image.put("tsc_mode", 1),
                Some("native") => image.put("tsc_mode", 2),
                Some("paravirt") => image.put("tsc_mode", 3),
                Some(other) => return Err(unsupported(format!("<timer name='tsc' mode='{other}'>"))),
            },
            (name, _) => return Err(unsupported(format!("this <timer name='{name}'> in this guest"))),
        }
    }
    Ok(())
}

/// A screen in the image: of HVM guests, and of PV guests in Xen 3.0.3.
fn old_screen(image: &mut Items, screen: &Graphics, format: XendFormat) -> Result<()> {
    match screen {
        Graphics::Vnc { listen, password, .. } => {
            image.flag("vnc", true);
            // Xen 3.0.2 derives the port from the domain's number, and protects it in no way.
            if format > XendFormat::V1 {
                vnc(image, screen)?;
            } else if listen.is_some() || password.is_some() {
                return Err(unsupported("the password or listening address of <graphics> on Xen 3.0.2"));
            }
        }
        Graphics::Spice { .. } => return Err(unsupported("<graphics type='spice'>")),
        Graphics::Sdl { display, xauth } => {
            image.flag("sdl", true);
            image.some("display", display.as_ref());
            image.some("xauthority", xauth.as_ref());
        }
    }
    Ok(())
}

fn framebuffer(screen: &Graphics) -> Result<Sexpr> {
    let mut vfb = Items(Vec::new());
    match screen {
        Graphics::Vnc { .. } => {
            vfb.put("type", "vnc");
            vnc(&mut vfb, screen)?;
        }
        Graphics::Spice { .. } => return Err(unsupported("<graphics type='spice'>")),
        Graphics::Sdl { display, xauth } => {
            vfb.put("type", "sdl");
            vfb.some("display", display.as_ref());
            vfb.some("xauthority", xauth.as_ref());
        }
    }
    Ok(vfb.into_node("vfb"))
}

fn vnc(items: &mut Items, screen: &Graphics) -> Result<()> {
    let Graphics::Vnc { port, listen, password, keymap } = screen else { return Ok(()) };
    items.flag("vncunused", port.is_none());
    if let Some(port) = port {
        match port.checked_sub(VNC_PORT) {
            Some(display) => items.put("vncdisplay", display),
            None => {
                return Err(unsupported(format!("<graphics port='{port}'>: VNC's first port is {VNC_PORT}")));
            }
        }
    }
    items.some("vnclisten", listen.as_ref());
    items.some("vncpasswd", password.as_ref());
    items.some("keymap", keymap.as_ref());
    Ok(())
}

/// What the oldest xend would take for something else.
fn check_disk(disk: &Disk, is_hvm: bool, format: XendFormat) -> Result<()> {
    if format == XendFormat::V1 && !is_hvm && disk.device == DiskDevice::Cdrom {
        return Err(unsupported(format!("a CD-ROM drive in a PV guest ('{}') on Xen 3.0.2", disk.target)));
    }
    Ok(())
}

/// None for a drive that stands in the image.
fn disk(disk: &Disk, is_hvm: bool, format: XendFormat) -> Option<Sexpr> {
    match disk.device {
        DiskDevice::Floppy if is_hvm => return None,
        DiskDevice::Cdrom if is_hvm && format == XendFormat::V1 => return None,
        _ => {}
    }
    let mut vbd = Items(Vec::new());
    let target = &disk.target;
    match (is_hvm, disk.device) {
        (true, _) if format == XendFormat::V1 => vbd.put("dev", format_args!("ioemu:{target}")),
        (_, DiskDevice::Cdrom) => vbd.put("dev", format_args!("{target}:cdrom")),
        (true, _) => vbd.put("dev", format_args!("{target}:disk")),
        (false, _) => vbd.put("dev", target),
    }
    if let Some(source) = &disk.source {
        vbd.put("uname", uname(disk, source));
    }
    vbd.put(
        "mode",
        if disk.readonly {
            "r"
        } else if disk.shareable {
            "w!"
        } else {
            "w"
        },
    );
    Some(vbd.into_node(match disk.driver.as_deref() {
        Some(driver @ ("tap" | "tap2")) => driver,
        _ => "vbd",
    }))
}

/// Who serves a disk, and what: `file:/path`, `phy:/dev/sda`, `tap:aio:/path`.
pub(in crate::format) fn uname(disk: &Disk, source: &str) -> String {
    match (disk.driver.as_deref(), disk.kind) {
        (Some(driver @ ("tap" | "tap2")), _) => {
            let format = disk.format.as_deref().filter(|format| *format != "raw").unwrap_or("aio");
            format!("{driver}:{format}:{source}")
        }
        (Some(driver), _) => format!("{driver}:{source}"),
        (None, DiskKind::File | DiskKind::Network) => format!("file:{source}"),
        (None, DiskKind::Block) if source.starts_with('/') => format!("phy:{source}"),
        (None, DiskKind::Block) => format!("phy:/dev/{source}"),
    }
}

fn interface(interface: &Interface, is_hvm: bool, format: XendFormat) -> Result<Sexpr> {
    let mut vif = Items(Vec::new());
    vif.some("mac", interface.mac);
    vif.some("rate", interface.rate_kib.map(|rate| format!("{rate}KB/s")));
    match &interface.kind {
        InterfaceKind::Bridge(bridge) => {
            vif.some("bridge", bridge.as_ref());
            vif.put("script", interface.script.as_deref().unwrap_or(VIF_BRIDGE));
        }
        InterfaceKind::Ethernet(_) => vif.some("script", interface.script.as_ref()),
        InterfaceKind::HostDevice { .. } => return Err(unsupported("<interface type='hostdev'>")),
        InterfaceKind::Network(network) => {
            let what = format!(
                "<interface type='network'> (the network '{network}'); name its bridge with type='bridge'"
            );
            return Err(unsupported(what));
        }
    }
    if !interface.ips.is_empty() {
        let ips: Vec<String> = interface.ips.iter().map(ToString::to_string).collect();
        vif.put("ip", ips.join(" "));
    }
    vif.some("vifname", interface.vifname.as_ref());
    match interface.model.as_deref() {
        Some("netfront") if is_hvm => vif.put("type", "netfront"),
        model => {
            vif.some("model", model);
            // Later xends give both cards without it, and with it only the emulated one.
            if is_hvm && format < XendFormat::V4 {
                vif.put("type", "ioemu");
            }
        }
    }
    Ok(vif.into_node("vif"))
}

fn pci(devices: &[PciDevice]) -> Sexpr {
    let mut list = Vec::new();
    for PciDevice { address, .. } in devices {
        let mut dev = Items(Vec::new());
        dev.put("domain", format_args!("0x{:04x}", address.domain));
        dev.put("bus", format_args!("0x{:02x}", address.bus));
        dev.put("slot", format_args!("0x{:02x}", address.slot));
        dev.put("func", format_args!("0x{:x}", address.function));
        list.push(dev.into_node("dev"));
    }
    Sexpr::node("pci", list)
}
