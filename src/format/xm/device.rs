//! The strings of `disk`, `vif` and `pci` <-> the devices.

use super::write::unsupported;
use crate::error;
use crate::format::config::settings::Settings;
use crate::format::config::{Result, fault};
use crate::format::error::shown;
use crate::format::sxpr::{XendFormat, rate, source, uname};
use crate::model::Guest;
use crate::model::guest::{
    Disk, DiskDevice, DiskKind, Interface, InterfaceKind, IpNet, PciAddress, PciDevice,
};

/// The script that joins an interface to a bridge.
const VIF_BRIDGE: &str = "vif-bridge";

/// A disk, and what has no place in the model. `at` is where the string begins.
pub(super) fn read_disk(spec: &str, format: XendFormat, at: usize) -> Result<(Disk, Vec<&'static str>)> {
    let mut words = spec.split(',').map(str::trim);
    let (Some(path), Some(name), Some(mode)) = (words.next(), words.next(), words.next()) else {
        let message =
            format!("disk: '{}' has not three parts; expected such as phy:/dev/vg/web,xvda,w", shown(spec));
        return fault(at, message);
    };
    let name = name.strip_prefix("ioemu:").unwrap_or(name);
    let (target, device) = match name.split_once(':') {
        Some((target, "cdrom")) => (target, DiskDevice::Cdrom),
        Some((target, "disk")) => (target, DiskDevice::Disk),
        _ => (name, DiskDevice::Disk),
    };
    let is_name = |name: &str| {
        (1..=32).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'-')
    };
    if !is_name(target) {
        let message =
            format!("disk: '{}' is no disk's name; expected such as hda, sda1 or xvdb", shown(name));
        return fault(at, message);
    }
    let mut disk = Disk { device, target: target.to_owned(), ..Disk::default() };
    source(path, &mut disk);
    if disk.driver.is_none() {
        // What xend takes a bare name for.
        (disk.driver, disk.kind) = (Some("phy".into()), DiskKind::Block);
    }
    disk.source = disk.source.filter(|path| !path.is_empty());
    if disk.source.is_none() && device != DiskDevice::Cdrom {
        let message =
            format!("disk: where are the data of {}? Only a CD-ROM drive can be empty", shown(target));
        return fault(at, message);
    }
    // Libraries of that time did not say how the data of a file or device are laid out.
    if format >= XendFormat::V4 && matches!(disk.driver.as_deref(), Some("file" | "phy")) {
        disk.format = Some("raw".into());
    }
    (disk.readonly, disk.shareable) = match mode {
        "r" | "ro" => (true, false),
        "w" | "rw" => (false, false),
        "w!" | "!" => (false, true),
        _ => {
            let message = format!("disk: the access '{}' is not known; expected r, w or w!", shown(mode));
            return fault(at, message);
        }
    };
    disk.readonly |= device == DiskDevice::Cdrom;
    disk.shareable &= !disk.readonly;
    let others = if words.next().is_some() { vec!["the domain that serves it"] } else { Vec::new() };
    Ok((disk, others))
}

/// A disk as a string of `disk`; None for one that has a key of its own or no place at all.
pub(super) fn write_disk(disk: &Disk, is_hvm: bool, format: XendFormat) -> error::Result<Option<String>> {
    match (disk.device, &disk.source) {
        (DiskDevice::Floppy, _) if is_hvm => return Ok(None),
        (DiskDevice::Cdrom, _) if is_hvm && format == XendFormat::V1 => return Ok(None),
        (DiskDevice::Cdrom, _) | (_, Some(_)) => {}
        (_, None) => return Err(unsupported(format!("the disk {} without a source", disk.target))),
    }
    let has_format = matches!(disk.driver.as_deref(), Some("tap" | "tap2"));
    if let Some(other) = disk.format.as_deref().filter(|format| *format != "raw" && !has_format) {
        return Err(unsupported(format!(
            "the format '{}' of the disk {}, whose driver is neither tap nor tap2",
            shown(other),
            disk.target
        )));
    }
    let path = disk.source.as_ref().map_or_else(String::new, |source| uname(disk, source));
    let target = &disk.target;
    // A part ends at a comma, and blanks around it are lost.
    let is_whole = |part: &str| !part.contains([',', '\n', '\r']) && part.trim() == part;
    if !is_whole(&path) || !is_whole(target) {
        return Err(unsupported(format!(
            "a comma, a line's end, or a blank at an end, in the disk {}",
            shown(target)
        )));
    }
    let target = match (is_hvm, disk.device) {
        (true, _) if format == XendFormat::V1 => format!("ioemu:{target}"),
        (_, DiskDevice::Cdrom) => format!("{target}:cdrom"),
        _ => target.clone(),
    };
    let mode = match (disk.readonly, disk.shareable) {
        (true, _) => "r",
        (false, true) => "w!",
        (false, false) if disk.device == DiskDevice::Cdrom => "r",
        (false, false) => "w",
    };
    Ok(Some(format!("{path},{target},{mode}")))
}

/// An interface, and the options that have no place in the model.
pub(super) fn read_interface(spec: &str, is_hvm: bool, at: usize) -> Result<(Interface, Vec<&str>)> {
    let mut interface = Interface::default();
    let mut bridge = None;
    let mut others = Vec::new();
    for word in spec.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let Some((key, value)) = word.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            return fault(at, format!("vif: '{}' is no option; expected such as bridge=xenbr0", shown(word)));
        };
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match key {
            "mac" => match value.parse() {
                Ok(mac) => interface.mac = Some(mac),
                Err(()) => return fault(at, format!("vif: mac={} is no MAC address", shown(value))),
            },
            "bridge" => bridge = text(),
            "script" => interface.script = text(),
            "ip" => {
                interface.ips.clear();
                for ip in value.split_whitespace() {
                    match ip.parse::<IpNet>() {
                        Ok(ip) => interface.ips.push(ip),
                        Err(()) => return fault(at, format!("vif: ip={} is no IP address", shown(ip))),
                    }
                }
            }
            "model" => interface.model = text(),
            "vifname" => interface.vifname = text(),
            "type" => match value {
                // In a PV guest every card is Xen's own.
                "netfront" | "vif" if is_hvm => interface.model = Some("netfront".into()),
                "netfront" | "vif" | "ioemu" => {}
                _ => {
                    let message =
                        format!("vif: type={} is not known; expected ioemu or netfront", shown(value));
                    return fault(at, message);
                }
            },
            "rate" => match rate(value) {
                Some(kib) => interface.rate_kib = Some(kib),
                None => {
                    let message = format!("vif: rate={} is no rate; expected such as 10MB/s", shown(value));
                    return fault(at, message);
                }
            },
            _ => others.push(word),
        }
    }
    let is_bridge = bridge.is_some() || interface.script.as_ref().is_some_and(|path| path.contains("bridge"));
    interface.kind = if is_bridge { InterfaceKind::Bridge(bridge) } else { InterfaceKind::Ethernet(None) };
    Ok((interface, others))
}

/// An interface as a string of `vif`.
pub(super) fn write_interface(
    interface: &Interface,
    is_hvm: bool,
    format: XendFormat,
) -> error::Result<String> {
    let mut words = Vec::new();
    let mut put = |key: &str, value: &str| {
        if value.contains([',', '\n', '\r']) || value.trim() != value {
            return Err(unsupported(format!("an interface's {key} '{}'", shown(value))));
        }
        words.push(format!("{key}={value}"));
        Ok(())
    };
    if let Some(mac) = interface.mac {
        put("mac", &mac.to_string())?;
    }
    let mut script = interface.script.as_deref();
    match &interface.kind {
        InterfaceKind::Bridge(bridge) => {
            if let Some(bridge) = bridge {
                put("bridge", bridge)?;
            }
            script = script.or(Some(VIF_BRIDGE));
        }
        InterfaceKind::Ethernet(_) => {}
        InterfaceKind::HostDevice { .. } => return Err(unsupported("<interface type='hostdev'>")),
        InterfaceKind::Network(network) => {
            return Err(unsupported(format!(
                "<interface type='network'> (the network '{}'); name its bridge with type='bridge'",
                shown(network)
            )));
        }
    }
    if !interface.ips.is_empty() {
        let ips: Vec<String> = interface.ips.iter().map(ToString::to_string).collect();
        put("ip", &ips.join(" "))?;
    }
    if let Some(script) = script {
        put("script", script)?;
    }
    match interface.model.as_deref() {
        Some("netfront") if is_hvm => put("type", "netfront")?,
        model => {
            if let Some(model) = model {
                put("model", model)?;
            }
            // Later xends give both cards without it, and with it only the emulated one.
            if is_hvm && format < XendFormat::V4 {
                put("type", "ioemu")?;
            }
        }
    }
    if let Some(name) = &interface.vifname {
        put("vifname", name)?;
    }
    if let Some(rate) = interface.rate_kib {
        put("rate", &format!("{rate}KB/s"))?;
    }
    Ok(words.join(","))
}

/// `0000:01:13.0@5,permissive=1`.
pub(super) fn read_pci(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    for (spec, at) in settings.list("pci")? {
        let (place, options) = spec.split_once([',', '@']).unwrap_or((&spec, ""));
        let Some(address) = pci_address(place.trim()) else {
            let message = format!("pci: '{}' is no address; expected such as 0000:01:13.0", shown(&spec));
            return fault(at, message);
        };
        if guest.pci_devices.iter().any(|device| device.address == address) {
            return fault(at, format!("pci: the device {address} stands here a second time"));
        }
        if !options.is_empty() {
            settings.leave(&format!("pci ({})", shown(options)), at);
        }
        guest.pci_devices.push(PciDevice { address, managed: false, permissive: false });
    }
    Ok(())
}

/// `0000:01:13.0`, or without the domain.
pub(super) fn pci_address(place: &str) -> Option<PciAddress> {
    let (place, function) = place.rsplit_once('.')?;
    let (place, slot) = place.rsplit_once(':')?;
    let (domain, bus) = place.rsplit_once(':').unwrap_or(("0", place));
    let parts = [domain, bus, slot, function];
    // The standard library would take a sign.
    if !parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return None;
    }
    let [domain, bus, slot, function] = parts.map(|part| format!("0x{part}"));
    PciAddress::from_parts(&domain, &bus, &slot, &function)
}
