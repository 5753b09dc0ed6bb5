//! `<devices>`, and those of its elements that have no file of their own.

use std::collections::BTreeSet;

use super::super::tree::{Element, Result};
use super::{Faults, YES_NO, chardevs, disks, interfaces};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{
    Controller, Graphics, Input, InputBus, InputKind, PciAddress, PciDevice, UsbDevice, UsbHost, UsbModel,
    Video,
};

/// More sockets than a USB controller of Xen's has.
const MAX_USB_PORTS: u32 = 31;

/// Reads them into `guest`; a device that is wrong is left out, and its fault kept.
pub(super) fn devices(list: &mut Element<'_>, guest: &mut Guest, faults: &mut Faults) {
    faults.keep(list.forget_aliases());
    guest.emulator = faults.keep(list.text_of("emulator"));
    let mut targets = BTreeSet::new();
    for mut element in list.children("disk") {
        let disk = faults.keep(disks::disk(&mut element).map(Some));
        let Some(disk) = disk else { continue };
        if !targets.insert(disk.target.clone()) {
            let message = format!("the target '{}' is taken by another disk", shown(&disk.target));
            faults.keep(element.fault::<()>(message));
        }
        guest.disks.push(disk);
    }
    guest.sort_disks();
    let mut has_xenbus = false;
    for mut element in list.children("controller") {
        if let Some(controller) = faults.keep(controller(&mut element)) {
            if matches!(controller, Controller::Xenbus { .. }) && std::mem::replace(&mut has_xenbus, true) {
                faults.keep(element.fault::<()>("there is one controller of the type xenbus"));
            }
            guest.controllers.push(controller);
        }
    }
    for mut element in list.children("interface") {
        guest.interfaces.extend(faults.keep(interfaces::interface(&mut element).map(Some)));
    }
    for (name, ports) in [("serial", &mut guest.serials), ("parallel", &mut guest.parallels)] {
        for mut element in list.children(name) {
            ports.extend(faults.keep(chardevs::port(&mut element, ports).map(Some)));
        }
        ports.sort_by_key(|device| device.port);
    }
    faults.keep(chardevs::consoles(list.children("console"), guest));
    for mut element in list.children("channel") {
        guest.channels.extend(faults.keep(chardevs::channel(&mut element).map(Some)));
    }
    for mut element in list.children("input") {
        guest.inputs.extend(faults.keep(input(&mut element, guest.is_hvm())));
    }
    for mut element in list.children("graphics") {
        guest.graphics.extend(faults.keep(graphics(&mut element).map(Some)));
    }
    for mut element in list.children("sound") {
        guest.sounds.extend(faults.keep(sound(&mut element).map(Some)));
    }
    for mut element in list.children("video") {
        guest.videos.extend(faults.keep(video(&mut element).map(Some)));
    }
    // The card that the writer adds is nobody's choice.
    if !guest.graphics.is_empty() && guest.videos == [Video::usual(guest.is_hvm())] {
        guest.videos.clear();
    }
    host_devices(list, guest, faults);
    for mut element in list.children("redirdev") {
        faults.keep(redirection(&mut element));
        guest.usb_redirections = guest.usb_redirections.saturating_add(1);
    }
    if let Some(mut balloon) = faults.keep(list.child("memballoon")) {
        faults.keep(balloon.choice("model", &[((), "xen")]));
        faults.0.extend(balloon.every_left());
    }
    faults.0.extend(list.every_left());
}

fn host_devices(list: &mut Element<'_>, guest: &mut Guest, faults: &mut Faults) {
    let (mut places, mut plugged) = (BTreeSet::new(), BTreeSet::new());
    for mut element in list.children("hostdev") {
        match host_device(&mut element) {
            Ok(HostDevice::Pci(device)) => {
                if !places.insert(device.address) {
                    let message = format!("the device {} stands here a second time", device.address);
                    faults.keep(element.fault::<()>(message));
                }
                guest.pci_devices.push(device);
            }
            Ok(HostDevice::Usb(device)) => {
                if !plugged.insert(device.host) {
                    faults.keep(element.fault::<()>("this device stands here a second time"));
                }
                guest.usb_devices.push(device);
            }
            Err(fault) => faults.0.push(fault),
        }
    }
}

/// None for a controller of disks, which follows from them.
fn controller(element: &mut Element<'_>) -> Result<Option<Controller>> {
    #[derive(Clone, Copy)]
    enum Kind {
        OfDisks,
        Xenbus,
        Usb,
    }
    let words = &[
        (Kind::OfDisks, "ide"),
        (Kind::OfDisks, "scsi"),
        (Kind::OfDisks, "fdc"),
        (Kind::Xenbus, "xenbus"),
        (Kind::Usb, "usb"),
    ];
    let kind = element.choice("type", words)?;
    element.number::<u32>("index")?;
    let controller = match kind {
        None | Some(Kind::OfDisks) => None,
        Some(Kind::Xenbus) => Some(Controller::Xenbus {
            max_grant_frames: element.number("maxGrantFrames")?,
            max_event_channels: element.number("maxEventChannels")?,
        }),
        Some(Kind::Usb) => {
            let model = element.choice("model", &UsbModel::ALL)?;
            let ports = element.number("ports")?;
            if ports.is_some_and(|ports| !(1..=MAX_USB_PORTS).contains(&ports)) {
                return element.fault(format!("ports=: expected 1 to {MAX_USB_PORTS}"));
            }
            Some(Controller::Usb { model, ports })
        }
    };
    element.done()?;
    Ok(controller)
}

fn sound(element: &mut Element<'_>) -> Result<String> {
    let model = element.required("model")?;
    if model.is_empty() || !model.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        let message = format!("model='{}' is not known; expected such as sb16, es1370, ac97", shown(&model));
        return element.fault(message);
    }
    element.done()?;
    Ok(model)
}

fn redirection(element: &mut Element<'_>) -> Result<()> {
    element.choice("bus", &[((), "usb")])?;
    element.choice("type", &[((), "spicevmc")])?;
    element.done()
}

/// None for the mouse and keyboard that every guest has.
fn input(element: &mut Element<'_>, is_hvm: bool) -> Result<Option<Input>> {
    let Some(kind) = element.choice("type", &InputKind::ALL)? else {
        return element.fault("the attribute 'type' is missing");
    };
    let words = &[(InputBus::Ps2, "ps2"), (InputBus::Usb, "usb"), (InputBus::Xen, "xen")];
    let own = if is_hvm { InputBus::Ps2 } else { InputBus::Xen };
    let bus =
        element.choice("bus", words)?.unwrap_or(if kind == InputKind::Tablet { InputBus::Usb } else { own });
    match (kind, bus) {
        (_, InputBus::Usb) if !is_hvm => element.fault("a PV guest has no USB devices"),
        (_, InputBus::Usb) => element.done().map(|()| Some(Input { kind, bus })),
        (InputKind::Tablet, _) => element.fault("a tablet is on the bus usb"),
        (_, bus) if bus == own => element.done().map(|()| None),
        (_, bus) => {
            element.fault(format!("this kind of guest has no bus '{}'; expected {}", bus.name(), own.name()))
        }
    }
}

fn graphics(element: &mut Element<'_>) -> Result<Graphics> {
    #[derive(Clone, Copy)]
    enum Kind {
        Vnc,
        Sdl,
        Spice,
    }
    let words = &[(Kind::Vnc, "vnc"), (Kind::Sdl, "sdl"), (Kind::Spice, "spice")];
    let Some(kind) = element.choice("type", words)? else {
        return element.fault("the attribute 'type' is missing");
    };
    let mut text = |name: &str| element.attribute(name).filter(|value| !value.is_empty());
    if matches!(kind, Kind::Sdl) {
        let graphics = Graphics::Sdl { display: text("display"), xauth: text("xauth") };
        element.choice("fullscreen", &[((), "no")])?;
        element.done()?;
        return Ok(graphics);
    }
    let mut listen = text("listen");
    let (password, keymap) = (text("passwd"), text("keymap"));
    let autoport = element.choice("autoport", YES_NO)?;
    let mut port = |name: &str| -> Result<Option<u16>> {
        let Some((text, at)) = element.attribute_at(name) else { return Ok(None) };
        match text.trim().parse::<i32>() {
            _ if autoport == Some(true) => Ok(None),
            Ok(-1) => Ok(None),
            Ok(port) if (1..=65_535).contains(&port) => Ok(u16::try_from(port).ok()),
            _ => {
                let message = format!("{name}='{}' is no TCP port; -1 stands for any free one", shown(&text));
                element.fault_at(at, message)
            }
        }
    };
    let (port, tls_port) = (port("port")?, port("tlsPort")?);
    let mut addresses = element.children("listen").into_iter();
    if let Some(mut child) = addresses.next() {
        child.choice("type", &[((), "address")])?;
        let address = child.attribute("address").filter(|value| !value.is_empty());
        if listen.is_some() && address.is_some() && listen != address {
            return child.fault("differs from the attribute 'listen'");
        }
        listen = listen.or(address);
        child.done()?;
    }
    if let Some(second) = addresses.next() {
        return second.fault("is refused: Xen's screens listen on one address");
    }
    if matches!(kind, Kind::Vnc) {
        if tls_port.is_some() {
            return element.fault("tlsPort= belongs to type='spice'");
        }
        element.done()?;
        return Ok(Graphics::Vnc { port, listen, password, keymap });
    }
    element.choice("defaultMode", &[((), "any")])?;
    let client_mouse = match element.child("mouse")? {
        Some(mut mouse) => {
            let mode = mouse.choice("mode", &[(true, "client"), (false, "server")])?;
            mouse.done()?;
            mode
        }
        None => None,
    };
    let clipboard = match element.child("clipboard")? {
        Some(mut clipboard) => {
            let copypaste = clipboard.choice("copypaste", YES_NO)?;
            clipboard.done()?;
            copypaste
        }
        None => None,
    };
    element.done()?;
    Ok(Graphics::Spice { port, tls_port, listen, password, keymap, client_mouse, clipboard })
}

fn video(element: &mut Element<'_>) -> Result<Video> {
    let Some(mut model) = element.child("model")? else { return element.fault("<model> is missing") };
    let words = &["cirrus", "vga", "qxl", "xen", "none"].map(|word| (word, word));
    let Some(kind) = model.choice("type", words)? else {
        return model.fault("the attribute 'type' is missing");
    };
    let video = Video {
        model: kind.to_owned(),
        vram_kib: model.number("vram")?,
        ram_kib: model.number("ram")?,
        vgamem_kib: model.number("vgamem")?,
        heads: model.number("heads")?,
    };
    if kind != "qxl" && (video.ram_kib.is_some() || video.vgamem_kib.is_some()) {
        return model.fault("ram= and vgamem= belong to type='qxl'");
    }
    model.choice("primary", &[((), "yes")])?;
    model.done()?;
    element.done()?;
    Ok(video)
}

/// One of the host's devices.
enum HostDevice {
    Pci(PciDevice),
    Usb(UsbDevice),
}

fn host_device(element: &mut Element<'_>) -> Result<HostDevice> {
    element.choice("mode", &[((), "subsystem")])?;
    let Some(is_pci) = element.choice("type", &[(true, "pci"), (false, "usb")])? else {
        return element.fault("the attribute 'type' is missing");
    };
    let managed = element.choice("managed", YES_NO)?.unwrap_or(false);
    if let Some(mut driver) = element.child("driver")? {
        driver.choice("name", &[((), "xen")])?;
        driver.done()?;
    }
    let Some(mut source) = element.child("source")? else { return element.fault("<source> is missing") };
    let device = if is_pci {
        let permissive = source.choice("writeFiltering", &[(true, "no"), (false, "yes")])?.unwrap_or(false);
        HostDevice::Pci(PciDevice { address: pci_address(&mut source, false)?, managed, permissive })
    } else {
        HostDevice::Usb(UsbDevice { host: usb_host(&mut source)?, managed })
    };
    source.done()?;
    element.done()?;
    Ok(device)
}

/// The `<address>` of a source on the host's PCI buses.
pub(super) fn pci_address(source: &mut Element<'_>, says_type: bool) -> Result<PciAddress> {
    let Some(mut place) = source.child("address")? else { return source.fault("<address> is missing") };
    if place.choice("type", &[((), "pci")])?.is_none() && says_type {
        return place.fault("the attribute 'type' is missing; expected pci");
    }
    let domain = place.attribute("domain").unwrap_or_else(|| "0".into());
    let (bus, slot, function) =
        (place.required("bus")?, place.required("slot")?, place.required("function")?);
    let Some(address) = PciAddress::from_parts(&domain, &bus, &slot, &function) else {
        return place
            .fault("no such PCI address: domain up to 0xffff, bus to 0xff, slot to 0x1f, function to 7");
    };
    place.done()?;
    Ok(address)
}

/// Where a USB device is, or what it is.
fn usb_host(source: &mut Element<'_>) -> Result<UsbHost> {
    let place = source.child("address")?;
    let mut id = |name: &str| -> Result<Option<u16>> {
        let Some(mut child) = source.child(name)? else { return Ok(None) };
        let text = child.required("id")?;
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = match hex {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u16::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => text.parse().ok(),
        };
        child.done()?;
        match number {
            Some(number) => Ok(Some(number)),
            None => child.fault(format!("id='{}' is no number up to 0xffff", shown(&text))),
        }
    };
    let (vendor, product) = (id("vendor")?, id("product")?);
    match (vendor, product, place) {
        (Some(vendor), Some(product), None) => Ok(UsbHost::Product { vendor, product }),
        (None, None, Some(mut place)) => {
            let (Some(bus), Some(device)) = (place.number("bus")?, place.number("device")?) else {
                return place.fault("expected the attributes 'bus' and 'device'");
            };
            place.done()?;
            Ok(UsbHost::Address { bus, device })
        }
        _ => source.fault("expected <vendor> and <product>, or <address bus=... device=...>"),
    }
}
