//! `(domain ...)` of any xend -> the model.

use std::str::FromStr;

use crate::format::chardev::from_words;
use crate::format::cpuset::cpu_set;
use crate::format::error::shown;
use crate::model::guest::{
    BootDevice, CharDevice, ClockBasis, ClockOffset, CpuSet, Disk, DiskDevice, DiskKind, Graphics, Input,
    InputBus, InputKind, Interface, InterfaceKind, IpNet, Lifecycle, Live, Loader, PciAddress, PciDevice,
    Timer, Video,
};
use crate::model::{Guest, GuestType, Uuid};
use crate::wire::sexpr::Sexpr;

/// What is wrong, and with which value.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    pub(super) at: &'a Sexpr,
    pub(super) message: String,
}

type Result<'a, T> = std::result::Result<T, Fault<'a>>;

/// All that is wrong with a configuration.
#[derive(Debug, Default)]
pub(super) struct Faults<'a>(pub(super) Vec<Fault<'a>>);

impl<'a> Faults<'a> {
    /// What was read, or its kind's default where a fault is kept in its place.
    fn keep<T: Default>(&mut self, result: Result<'a, T>) -> T {
        match result {
            Ok(value) => value,
            Err(fault) => {
                self.0.push(fault);
                T::default()
            }
        }
    }
}

/// About `(key ...)` in a value; about the value where that is missing.
fn fault<'a, T>(value: &'a Sexpr, key: &str, message: impl Into<String>) -> Result<'a, T> {
    Err(Fault { at: value.child(key).unwrap_or(value), message: message.into() })
}

/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;

/// The guest, and what is known of its life; they are such only where there are no faults.
pub(super) fn domain<'a>(value: &'a Sexpr, faults: &mut Faults<'a>) -> (Guest, Live) {
    let mut live = Live { domid: faults.keep(number(value, "domid")), ..Live::default() };
    let name = text(value, "name").map_or_else(|| fault(value, "name", "(name ...) is missing"), Ok);
    let mut guest = Guest {
        name: faults.keep(name),
        uuid: faults.keep(uuid(value)),
        description: text(value, "description"),
        ..Guest::default()
    };
    faults.keep(memory(value, &mut guest));
    faults.keep(vcpus(value, &mut guest));
    guest.os.bootloader = text(value, "bootloader");
    guest.os.bootloader_args = text(value, "bootloader_args");
    for (key, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        let Some(word) = text(value, key) else { continue };
        // xend has a second spelling with underscores for those of crashes.
        match Lifecycle::from_name(&word.replace('_', "-")) {
            Some(known) => *action = known,
            None => {
                let known: Vec<&str> = Lifecycle::ALL.iter().map(|(_, word)| *word).collect();
                let message = format!("({key} {}) is not known; expected {}", shown(&word), known.join(", "));
                faults.keep(fault::<()>(value, key, message));
            }
        }
    }
    let image = value.child("image").and_then(|image| image.args().first()).unwrap_or(&NOTHING);
    guest.os.kind = match image.name() {
        Some("hvm") => GuestType::Hvm,
        _ => GuestType::Pv,
    };
    faults.keep(clock(value, image, &mut guest));
    guest.emulator = text(image, "device_model");
    if guest.is_hvm() {
        hvm(image, &mut guest, faults);
    } else {
        guest.os.kernel = text(image, "kernel");
        guest.os.initrd = text(image, "ramdisk");
        guest.os.cmdline = text(image, "args");
        guest.os.root = text(image, "root");
        // 3.0.4 puts it behind the command line as well, where one is enough.
        let is_told = |root: &String| {
            let told = format!("root={root}");
            guest
                .os
                .cmdline
                .as_ref()
                .is_some_and(|line| line.ends_with(&told) || line.contains(&format!("{told} ")))
        };
        if guest.os.root.as_ref().is_some_and(is_told) {
            guest.os.root = None;
        }
    }
    let devices = || value.children("device").filter_map(|device| device.args().first());
    for device in devices() {
        match device.name() {
            Some("vbd" | "tap" | "tap2") => guest.disks.extend(disk(device)),
            Some("vif") => guest.interfaces.push(interface(device, guest.is_hvm(), faults)),
            Some("pci") => pci(device, &mut guest, faults),
            // 3.0.4 leaves the name out.
            None if device.child("dev").is_some() => pci(device, &mut guest, faults),
            _ => {}
        }
    }
    if guest.is_hvm() {
        drives_of_image(image, &mut guest);
    }
    let framebuffer = devices().find(|device| device.name() == Some("vfb"));
    faults.keep(graphics(image, framebuffer, &mut guest, &mut live));
    (guest, live)
}

/// What a configuration without an image has for one.
static NOTHING: Sexpr = Sexpr::List(Vec::new());

/// The text of a key; None where it is missing, empty, or Python's None.
fn text(value: &Sexpr, key: &str) -> Option<String> {
    value.value(key).filter(|text| !text.is_empty() && *text != "None").map(str::to_owned)
}

fn number<'a, N: FromStr>(value: &'a Sexpr, key: &str) -> Result<'a, Option<N>> {
    match text(value, key) {
        None => Ok(None),
        Some(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => fault(value, key, format!("({key} {}) is no number, or out of range", shown(&text))),
        },
    }
}

/// Whether a key is there and true; xend takes numbers and Python's words.
fn flag(value: &Sexpr, key: &str) -> bool {
    text(value, key).is_some_and(|text| !matches!(text.as_str(), "0" | "False" | "no"))
}

fn uuid(value: &Sexpr) -> Result<'_, Option<Uuid>> {
    let Some(text) = text(value, "uuid") else { return Ok(None) };
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match Uuid::try_parse(&digits) {
        Ok(uuid) if digits.len() == 32 => Ok(Some(uuid)),
        _ => {
            let message = format!("(uuid {}) is no uuid: expected 32 hexadecimal digits", shown(&text));
            fault(value, "uuid", message)
        }
    }
}

fn memory<'a>(value: &'a Sexpr, guest: &mut Guest) -> Result<'a, ()> {
    let kib = |key| match number::<u64>(value, key)? {
        None => Ok(None),
        Some(mib) => match mib.checked_mul(1024) {
            Some(kib) => Ok(Some(kib)),
            None => fault(value, key, format!("({key} {mib}) is more memory than any machine has")),
        },
    };
    let Some(memory) = kib("memory")? else { return fault(value, "memory", "(memory ...) is missing") };
    guest.memory_kib = memory;
    // Some xends took a maxmem below memory, and it had no effect.
    guest.max_memory_kib = kib("maxmem")?.unwrap_or(memory).max(memory);
    Ok(())
}

fn vcpus<'a>(value: &'a Sexpr, guest: &mut Guest) -> Result<'a, ()> {
    // A domain that is rebooting has 0 of them for a moment.
    let max = number::<u32>(value, "vcpus")?.unwrap_or(1).max(1);
    if max > MAX_VCPUS {
        return fault(value, "vcpus", format!("(vcpus {max}) are more than {MAX_VCPUS}"));
    }
    guest.vcpus.max = max;
    if let Some(mask) = number::<u128>(value, "vcpu_avail")? {
        let possible = 1u128.checked_shl(max).map_or(u128::MAX, |bit| bit - 1);
        let count = (mask & possible).count_ones();
        guest.vcpus.current = Some(count).filter(|count| *count > 0 && *count < max);
    }
    guest.vcpus.cpuset = value.child("cpus").and_then(cpus);
    Ok(())
}

/// `(cpus 0-3)` as it was given; `(cpus ((0 1) (0 1)))`, a list per vcpu, and `(cpus (0 1))` as xends answer. Where the vcpus
/// differ, somebody pinned them one by one: that is asked for by its own call.
fn cpus(value: &Sexpr) -> Option<CpuSet> {
    let plain = |list: &Sexpr| -> Option<CpuSet> {
        let set =
            list.as_list()?.iter().map(|cpu| cpu.as_atom()?.parse().ok()).collect::<Option<CpuSet>>()?;
        (!set.is_empty()).then_some(set)
    };
    let given = value.args().first()?;
    match given {
        Sexpr::Atom(text) => cpu_set(text),
        Sexpr::List(items) if items.iter().all(|item| item.as_list().is_some()) => {
            let first = plain(items.first()?)?;
            items.iter().all(|item| plain(item).as_ref() == Some(&first)).then_some(first)
        }
        Sexpr::List(_) => plain(given),
    }
}

fn clock<'a>(value: &'a Sexpr, image: &'a Sexpr, guest: &mut Guest) -> Result<'a, ()> {
    if flag(image, "localtime") || flag(value, "localtime") {
        guest.clock.basis = ClockBasis::Localtime;
    }
    guest.clock.offset = if guest.is_hvm() {
        ClockOffset::Seconds(number(image, "rtc_timeoffset")?.unwrap_or(0))
    } else {
        ClockOffset::Reset
    };
    if guest.is_hvm() && image.child("hpet").is_some() {
        let present = Some(flag(image, "hpet"));
        guest.clock.timers.push(Timer { name: "hpet".into(), present, ..Timer::default() });
    }
    let mode = match number::<u32>(image, "tsc_mode")? {
        Some(1) => "emulate",
        Some(2) => "native",
        Some(3) => "paravirt",
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

fn hvm<'a>(image: &'a Sexpr, guest: &mut Guest, faults: &mut Faults<'a>) {
    let (kernel, loader) = (text(image, "kernel"), text(image, "loader"));
    // What is called kernel is the firmware, unless a loader is named too; and some xends name the firmware twice.
    let is_firmware = |path: &String| path.rsplit('/').next() == Some("hvmloader");
    (guest.os.kernel, guest.os.loader) = match (kernel, loader) {
        (Some(kernel), Some(loader)) if !is_firmware(&kernel) => (Some(kernel), Some(Loader::rom(loader))),
        (kernel, loader) => (None, loader.or(kernel).map(Loader::rom)),
    };
    if guest.os.kernel.is_some() {
        guest.os.initrd = text(image, "ramdisk");
        guest.os.cmdline = text(image, "args");
    }
    for letter in text(image, "boot").unwrap_or_default().chars() {
        let device = match letter {
            'a' => BootDevice::Floppy,
            'c' => BootDevice::HardDisk,
            'd' => BootDevice::Cdrom,
            'n' => BootDevice::Network,
            _ => {
                let message = format!(
                    "'{}' in (boot ...) is no device; expected a, c, d or n",
                    shown(&letter.to_string())
                );
                // One is as good as many.
                faults.keep(fault::<()>(image, "boot", message));
                break;
            }
        };
        if !guest.os.boot.contains(&device) {
            guest.os.boot.push(device);
        }
    }
    guest.features.acpi = flag(image, "acpi");
    guest.features.apic = flag(image, "apic");
    guest.features.pae = flag(image, "pae");
    guest.features.viridian = flag(image, "viridian");
    guest.features.hap = image.child("hap").map(|_| flag(image, "hap"));
    for device in image.children("usbdevice") {
        // Other words are the host's devices and disks, which have no element yet.
        if let Some(kind) = device.text().and_then(InputKind::from_name) {
            guest.inputs.push(Input { kind, bus: InputBus::Usb });
        }
    }
    guest.serials = faults.keep(ports(image, "serial"));
    guest.parallels = faults.keep(ports(image, "parallel"));
    match text(image, "soundhw").as_deref() {
        None => {}
        // What libvirt makes of it.
        Some("all") => guest.sounds = vec!["sb16".into(), "es1370".into()],
        Some(list) => guest.sounds.extend(list.split(',').map(|name| name.trim().to_owned())),
    }
    let vram_kib = faults.keep(number::<u32>(image, "videoram")).and_then(|mib| mib.checked_mul(1024));
    if flag(image, "stdvga") || vram_kib.is_some() {
        let model = if flag(image, "stdvga") { "vga" } else { "cirrus" };
        guest.videos.push(Video { model: model.into(), vram_kib, ..Video::default() });
    }
}

fn ports<'a>(image: &'a Sexpr, key: &str) -> Result<'a, Vec<CharDevice>> {
    let Some(value) = image.child(key).and_then(|ports| ports.args().first()) else { return Ok(Vec::new()) };
    let words = match value {
        Sexpr::Atom(_) => std::slice::from_ref(value),
        Sexpr::List(list) => list,
    };
    let mut devices = Vec::new();
    for (port, word) in (0..).zip(words) {
        let Some(word) = word.as_atom() else {
            return fault(image, key, format!("({key} ...) holds no list of ports"));
        };
        match from_words(word) {
            Ok(Some(source)) => devices.push(CharDevice { port, source }),
            Ok(None) => {}
            Err(message) => return fault(image, key, message),
        }
    }
    Ok(devices)
}

/// None for one that is still being made.
fn disk(device: &Sexpr) -> Option<Disk> {
    let name = text(device, "dev")?;
    let name = name.strip_prefix("ioemu:").unwrap_or(&name);
    let (target, kind) = name.split_once(':').unwrap_or((name, "disk"));
    let mut disk = Disk { target: target.to_owned(), ..Disk::default() };
    if kind == "cdrom" {
        disk.device = DiskDevice::Cdrom;
    }
    if let Some(uname) = text(device, "uname") {
        source(&uname, &mut disk);
    }
    let mode = text(device, "mode").unwrap_or_default();
    disk.readonly = mode.starts_with('r') || disk.device == DiskDevice::Cdrom;
    disk.shareable = mode == "w!" && !disk.readonly;
    Some(disk)
}

/// `file:/path`, `phy:sda`, `tap:aio:/path`, `tap:tapdisk:qcow2:/path`, `nfs:...`.
pub(in crate::format) fn source(uname: &str, disk: &mut Disk) {
    let Some((driver, rest)) = uname.split_once(':').filter(|(driver, _)| !driver.contains('/')) else {
        disk.source = Some(uname.to_owned());
        return;
    };
    let mut rest = rest;
    if driver == "tap" || driver == "tap2" {
        rest = rest.strip_prefix("tapdisk:").unwrap_or(rest);
        if let Some((format, path)) = rest.split_once(':').filter(|(format, _)| !format.contains('/')) {
            disk.format = Some(if format == "aio" { "raw".into() } else { format.to_owned() });
            rest = path;
        }
    }
    if driver == "phy" {
        disk.kind = DiskKind::Block;
    }
    disk.driver = Some(driver.to_owned());
    disk.source = Some(rest.to_owned()).filter(|path| !path.is_empty());
}

/// Floppy drives stand in the image, and in Xen 3.0.2 a CD-ROM drive does.
fn drives_of_image(image: &Sexpr, guest: &mut Guest) {
    let drives = [
        ("cdrom", "hdc", DiskDevice::Cdrom),
        ("fda", "fda", DiskDevice::Floppy),
        ("fdb", "fdb", DiskDevice::Floppy),
    ];
    for (key, target, device) in drives {
        let Some(path) = text(image, key) else { continue };
        if guest.disks.iter().all(|disk| disk.target != target) {
            guest.disks.push(Disk {
                device,
                source: Some(path),
                driver: Some("file".into()),
                target: target.into(),
                readonly: device == DiskDevice::Cdrom,
                ..Disk::default()
            });
        }
    }
}

fn interface<'a>(device: &'a Sexpr, is_hvm: bool, faults: &mut Faults<'a>) -> Interface {
    let mut refused = |key: &str, text: &str, what: &str| {
        faults.keep(fault::<()>(device, key, format!("({key} {}) is no {what}", shown(text))));
    };
    let mac = text(device, "mac")
        .and_then(|text| text.parse().inspect_err(|()| refused("mac", &text, "MAC address")).ok());
    let (bridge, script) = (text(device, "bridge"), text(device, "script"));
    let is_bridge = bridge.is_some() || script.as_ref().is_some_and(|script| script.contains("bridge"));
    let mut ips = Vec::new();
    for ip in text(device, "ip").unwrap_or_default().split_whitespace() {
        match ip.parse::<IpNet>() {
            Ok(ip) => ips.push(ip),
            Err(()) => refused("ip", ip, "IP address"),
        }
    }
    let rate_kib = text(device, "rate").and_then(|text| {
        let rate = rate(&text);
        if rate.is_none() {
            refused("rate", &text, "rate; expected such as 10MB/s");
        }
        rate
    });
    // In a PV guest every card is netfront, and some xends say so.
    let netfront = || (is_hvm && device.value("type") == Some("netfront")).then(|| "netfront".to_owned());
    Interface {
        kind: if is_bridge { InterfaceKind::Bridge(bridge) } else { InterfaceKind::Ethernet(None) },
        mac,
        ips,
        script,
        model: text(device, "model").or_else(netfront),
        // vifDOMID.N is the name that Xen itself gives in one life.
        vifname: text(device, "vifname").filter(|name| !name.starts_with("vif")),
        rate_kib,
        ..Interface::default()
    }
}

/// `10240KB/s`, `1MB/s@20ms`, `8Mb/s` (bits) in KiB per second.
pub(in crate::format) fn rate(text: &str) -> Option<u64> {
    let (rate, interval) = text.split_once('@').unwrap_or((text, ""));
    if !interval.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let rate = rate.strip_suffix("/s")?;
    let (rate, per_byte) = match rate.strip_suffix('B') {
        Some(rate) => (rate, 1),
        None => (rate.strip_suffix('b')?, 8),
    };
    let digits = rate.trim_end_matches(['K', 'k', 'M', 'G']);
    let bytes: u64 = match rate.get(digits.len()..)? {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    Some(digits.parse::<u64>().ok()?.checked_mul(bytes)? / per_byte / 1024)
}

fn pci<'a>(device: &'a Sexpr, guest: &mut Guest, faults: &mut Faults<'a>) {
    for dev in device.children("dev") {
        let part = |key: &str| dev.value(key).unwrap_or("0");
        match PciAddress::from_parts(part("domain"), part("bus"), part("slot"), part("func")) {
            Some(address) => guest.pci_devices.push(PciDevice { address, managed: false, permissive: false }),
            None => {
                let message = "a (pci ...) device has no such address: domain up to 0xffff, bus to 0xff, slot to 0x1f, func to 7";
                faults.keep(fault::<()>(dev, "", message));
            }
        }
    }
}

/// A screen stands in the image, in a framebuffer device, or in both.
fn graphics<'a>(
    image: &'a Sexpr,
    framebuffer: Option<&'a Sexpr>,
    guest: &mut Guest,
    live: &mut Live,
) -> Result<'a, ()> {
    let find = |key: &str| framebuffer.and_then(|vfb| text(vfb, key)).or_else(|| text(image, key));
    let is_on = |key: &str| find(key).is_some_and(|value| value != "0");
    let kind = framebuffer.and_then(|vfb| text(vfb, "type"));
    let is_sdl = kind.as_deref() == Some("sdl") || (kind.is_none() && is_on("sdl"));
    let is_vnc = kind.as_deref() == Some("vnc") || (kind.is_none() && is_on("vnc"));
    if is_vnc {
        let display: Option<u16> = match find("vncdisplay") {
            Some(text) => match text.trim().parse() {
                Ok(display) => Some(display),
                Err(_) => {
                    let at = framebuffer.filter(|vfb| vfb.child("vncdisplay").is_some()).unwrap_or(image);
                    let message = format!("(vncdisplay {}) is no display", shown(&text));
                    return fault(at, "vncdisplay", message);
                }
            },
            None => None,
        };
        // Some write the port there.
        let port = display.map(|display| if display < VNC_PORT { display + VNC_PORT } else { display });
        let any = find("vncunused").as_deref() == Some("1");
        if any && live.domid.is_some() {
            live.vnc_port = port;
        }
        guest.graphics.push(Graphics::Vnc {
            port: port.filter(|_| !any),
            listen: find("vnclisten"),
            password: find("vncpasswd"),
            keymap: find("keymap"),
        });
    } else if is_sdl {
        guest.graphics.push(Graphics::Sdl { display: find("display"), xauth: find("xauthority") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_all_of_xends_units() {
        assert_eq!(rate("10240KB/s"), Some(10240));
        assert_eq!(rate("1MB/s@20ms"), Some(1024));
        assert_eq!(rate("8Mb/s"), Some(1024));
        for bad in ["", "MB", "1XB/s", "-1KB/s", "99999999999999999999GB/s", "18446744073709551615GB/s"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }
}
