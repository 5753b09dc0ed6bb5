//! Disks, network interfaces, screens, PCI devices.

use super::value::{Faults, Node, Result};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{
    Disk, DiskDevice, DiskKind, Graphics, Interface, InterfaceKind, IpNet, PciAddress, PciDevice,
};

/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;

/// Adds the devices of a configuration.
pub(super) fn add(config: &Node<'_>, guest: &mut Guest, faults: &mut Faults) {
    // Floppy drives are there already, and come last.
    let floppies = std::mem::take(&mut guest.disks);
    for node in faults.keep(config.list_at("disks")) {
        guest.disks.extend(faults.kept(disk(&node)));
    }
    guest.disks.extend(floppies);
    guest.sort_disks();
    for node in faults.keep(config.list_at("nics")) {
        guest.interfaces.extend(faults.kept(interface(&node, guest.is_hvm())));
    }
    for node in faults.keep(config.list_at("pcidevs")) {
        guest.pci_devices.extend(faults.kept(pci(&node)));
    }
    // An HVM guest's screens stand in its own part of b_info; libvirt repeats them here.
    if !guest.is_hvm() {
        for node in faults.keep(config.list_at("vfbs")) {
            let keymap = faults.keep(node.text_at("keymap"));
            guest.graphics.extend(faults.keep(screens(&node, keymap, true)));
        }
    }
}

fn disk(node: &Node<'_>) -> Result<Disk> {
    node.object()?;
    let Some(target) = node.text_at("vdev")? else {
        return node.fault("the name in the guest (vdev) is missing");
    };
    let is_cdrom = node.number_at::<i64>("is_cdrom")?.unwrap_or(0) != 0;
    let is_writable = node.number_at::<i64>("readwrite")?.unwrap_or(0) != 0;
    let format = node.text_at("format")?;
    // An empty drive is a format of its own.
    let source = node.text_at("pdev_path")?.filter(|_| format.as_deref() != Some("empty"));
    let driver = match node.text_at("backend")?.as_deref() {
        Some("qdisk") => Some("qemu".to_owned()),
        Some(word @ ("phy" | "tap")) => Some(word.to_owned()),
        // Not known, or of a release to come.
        _ => None,
    };
    Ok(Disk {
        device: if is_cdrom { DiskDevice::Cdrom } else { DiskDevice::Disk },
        // libxl looks at the path itself when the guest starts.
        kind: match &source {
            Some(path) if path.starts_with("/dev/") => DiskKind::Block,
            _ => DiskKind::File,
        },
        source,
        driver,
        format: format.filter(|format| format != "empty" && format != "unknown"),
        target,
        readonly: is_cdrom || !is_writable,
        ..Disk::default()
    })
}

fn interface(node: &Node<'_>, is_hvm: bool) -> Result<Interface> {
    node.object()?;
    let mac = match node.child("mac") {
        Some(mac) => {
            let text = mac.text()?;
            match text.parse() {
                Ok(address) => Some(address),
                Err(()) => return mac.fault(format!("'{}' is no MAC address", shown(&text))),
            }
        }
        None => None,
    };
    let mut ips = Vec::new();
    for word in node.text_at("ip")?.unwrap_or_default().split_whitespace() {
        match word.parse::<IpNet>() {
            Ok(ip) => ips.push(ip),
            Err(()) => return node.fault(format!("ip: '{}' is no IP address", shown(word))),
        }
    }
    let (bridge, script) = (node.text_at("bridge")?, node.text_at("script")?);
    let is_bridge = bridge.is_some() || script.as_ref().is_some_and(|script| script.contains("bridge"));
    // In a PV guest every card is netfront.
    let is_netfront = is_hvm && node.text_at("nictype")?.as_deref() == Some("vif");
    Ok(Interface {
        kind: if is_bridge { InterfaceKind::Bridge(bridge) } else { InterfaceKind::Ethernet(None) },
        mac,
        ips,
        script,
        model: if is_netfront { Some("netfront".into()) } else { node.text_at("model")? },
        // vifDOMID.N is the name that Xen itself gives in one life.
        vifname: node.text_at("ifname")?.filter(|name| !name.starts_with("vif")),
        rate_kib: rate(node)?,
        mtu: node.number_at("mtu")?.filter(|mtu| *mtu != 0),
        backend: node.text_at("backend_domname")?,
        ..Interface::default()
    })
}

/// Bytes in each of so many microseconds, as KiB per second.
fn rate(node: &Node<'_>) -> Result<Option<u64>> {
    let Some(bytes) = node.number_at::<u64>("rate_bytes_per_interval")? else { return Ok(None) };
    let Some(microseconds) = node.number_at::<u32>("rate_interval_usecs")?.filter(|interval| *interval != 0)
    else {
        return Ok(None);
    };
    // What is cut off in each interval makes a rate slightly less than was asked for: rounded to the nearest.
    let per_interval = u128::from(microseconds) * 1024;
    let kib = (u128::from(bytes) * 1_000_000 + per_interval / 2) / per_interval;
    match u64::try_from(kib) {
        Ok(0) => Ok(None),
        Ok(kib) => Ok(Some(kib)),
        Err(_) => node.fault(format!("{bytes} bytes per {microseconds} us are out of range")),
    }
}

fn pci(node: &Node<'_>) -> Result<PciDevice> {
    node.object()?;
    let address = PciAddress {
        domain: node.number_at("domain")?.unwrap_or(0),
        bus: node.number_at("bus")?.unwrap_or(0),
        slot: node.number_at("dev")?.unwrap_or(0),
        function: node.number_at("func")?.unwrap_or(0),
    };
    if address.slot >= 32 || address.function >= 8 {
        return node.fault("there is no such PCI address");
    }
    // Taken from its driver, as `managed` asks for.
    Ok(PciDevice {
        address,
        managed: node.flag_at("seize")?.unwrap_or(false),
        permissive: node.flag_at("permissive")?.unwrap_or(false),
    })
}

/// The screens of a framebuffer, or of an HVM guest.
pub(super) fn screens(
    node: &Node<'_>,
    keymap: Option<String>,
    vnc_by_default: bool,
) -> Result<Vec<Graphics>> {
    let mut screens = Vec::new();
    let vnc = node.object_at("vnc")?;
    let sdl = node.object_at("sdl")?;
    let enabled = |part: &Option<Node<'_>>| part.as_ref().map_or(Ok(None), |part| part.flag_at("enable"));
    if enabled(&vnc)?.unwrap_or(vnc_by_default) {
        let (mut listen, mut display, mut findunused, mut password) = (None, 0, true, None);
        if let Some(vnc) = &vnc {
            listen = vnc.text_at("listen")?;
            display = vnc.number_at::<u16>("display")?.unwrap_or(0);
            findunused = vnc.flag_at("findunused")?.unwrap_or(true);
            password = vnc.text_at("passwd")?;
        }
        // The address can bring the display along.
        if let Some((address, number)) = listen.as_deref().and_then(|text| text.split_once(':'))
            && let Ok(number) = number.parse()
        {
            (listen, display) = (Some(address.to_owned()).filter(|text| !text.is_empty()), number);
        }
        let port = if findunused {
            None
        } else {
            match VNC_PORT.checked_add(display) {
                Some(port) => Some(port),
                None => return node.fault(format!("vnc: there is no display {display}")),
            }
        };
        screens.push(Graphics::Vnc { port, listen, password, keymap });
    }
    if enabled(&sdl)? == Some(true)
        && let Some(sdl) = &sdl
    {
        screens.push(Graphics::Sdl { display: sdl.text_at("display")?, xauth: sdl.text_at("xauthority")? });
    }
    if let Some(spice) =
        node.object_at("spice")?.filter(|spice| matches!(spice.flag_at("enable"), Ok(Some(true))))
    {
        let port =
            |key| -> Result<Option<u16>> { Ok(spice.number_at::<u16>(key)?.filter(|port| *port != 0)) };
        let is_open = spice.flag_at("disable_ticketing")?.unwrap_or(false);
        let shares =
            spice.flag_at("vdagent")? == Some(true) && spice.flag_at("clipboard_sharing")? == Some(true);
        screens.push(Graphics::Spice {
            port: port("port")?,
            tls_port: port("tls_port")?,
            listen: spice.text_at("host")?,
            password: spice.text_at("passwd")?.filter(|_| !is_open),
            keymap: node.text_at("keymap")?,
            client_mouse: Some(spice.flag_at("agent_mouse")?.unwrap_or(true)),
            clipboard: Some(shares),
        });
    }
    Ok(screens)
}
