//! USB: `usbctrl`, `usbdev`, `usbversion`, `usbdevice`, `spiceusbredirection` (xl.cfg(5)) <-> model.

use std::collections::BTreeSet;

use super::options::{Options, options};
use super::syntax::{Result, fault};
use super::write::{Items, unsupported};
use crate::error;
use crate::format::config::settings::{Settings, number};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{Controller, Input, InputBus, InputKind, UsbDevice, UsbHost, UsbModel};

/// More sockets than a controller of Xen's has.
const MAX_PORTS: u32 = 31;
/// More devices than a spice client hands over.
const MAX_REDIRECTIONS: u32 = 256;

pub(super) fn read(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    for (spec, at) in settings.list("usbctrl")? {
        let controller = controller(&spec, at, settings)?;
        guest.controllers.push(controller);
    }
    let mut seen = BTreeSet::new();
    for (spec, at) in settings.list("usbdev")? {
        let device = device(&spec, at, settings)?;
        if !seen.insert(device.host) {
            return fault(at, "usbdev: this device stands here a second time");
        }
        guest.usb_devices.push(device);
    }
    if !guest.is_hvm() {
        return Ok(());
    }
    if let Some((text, at)) = settings.text_at("usbversion")? {
        let model = match number(&text) {
            Some(1) => UsbModel::Uhci,
            Some(2) => UsbModel::Ehci,
            Some(3) => UsbModel::Xhci,
            _ => return fault(at, format!("usbversion = '{}': expected 1, 2 or 3", shown(&text))),
        };
        guest.controllers.push(Controller::Usb { model: Some(model), ports: None });
    }
    settings.flag("usb")?;
    for (word, at) in settings.list("usbdevice")? {
        match (InputKind::from_name(&word), host(&word)) {
            (Some(kind), _) => guest.inputs.push(Input { kind, bus: InputBus::Usb }),
            (None, Some(host)) if seen.insert(host) => {
                guest.usb_devices.push(UsbDevice { host, managed: false });
            }
            (None, Some(_)) => return fault(at, "usbdevice: this device stands here a second time"),
            // Disks, serial adapters and others of the device model's.
            (None, None) => settings.leave(&format!("usbdevice ({})", shown(&word)), at),
        }
    }
    if let Some((text, at)) = settings.text_at("spiceusbredirection")? {
        guest.usb_redirections = match number(&text).map(u32::try_from) {
            Some(Ok(count @ ..=MAX_REDIRECTIONS)) => count,
            _ => {
                return fault(
                    at,
                    format!("spiceusbredirection = '{}': expected 0 to {MAX_REDIRECTIONS}", shown(&text)),
                );
            }
        };
    }
    Ok(())
}

/// `type=qusb,version=2,ports=6`.
fn controller(spec: &str, at: usize, settings: &mut Settings) -> Result<Controller> {
    let (mut kind, mut version, mut ports) = (None, None, None);
    for (key, value) in options(spec, "usbctrl", at)? {
        match (key, number(value).map(u32::try_from)) {
            ("type", _) => kind = Some(value),
            ("version", Some(Ok(version_said @ 1..=3))) => version = Some(version_said),
            ("ports", Some(Ok(count @ 1..=MAX_PORTS))) => ports = Some(count),
            ("version" | "ports", _) => {
                return fault(at, format!("usbctrl: {key}={} is out of range", shown(value)));
            }
            _ => settings.leave(&format!("usbctrl ({})", shown(key)), at),
        }
    }
    let model = match (kind.unwrap_or("auto"), version.unwrap_or(2)) {
        ("auto", 2) if version.is_none() => None,
        // Who serves Xen's own is for libxl to choose.
        ("auto" | "pv" | "vusb" | "qusb", 1) => Some(UsbModel::Qusb1),
        ("auto" | "pv" | "vusb" | "qusb", 2) => Some(UsbModel::Qusb2),
        ("devicemodel" | "auto", 3) => Some(UsbModel::Xhci),
        ("devicemodel", 1) => Some(UsbModel::Uhci),
        ("devicemodel", 2) => Some(UsbModel::Ehci),
        (other, _) => {
            return fault(
                at,
                format!("usbctrl: type={} of this version is not known; expected such as qusb", shown(other)),
            );
        }
    };
    Ok(Controller::Usb { model, ports })
}

/// `hostbus=1,hostaddr=3`.
fn device(spec: &str, at: usize, settings: &mut Settings) -> Result<UsbDevice> {
    let (mut bus, mut address) = (None, None);
    for (key, value) in options(spec, "usbdev", at)? {
        match (key, number(value).map(u16::try_from)) {
            ("hostbus", Some(Ok(number))) => bus = Some(number),
            ("hostaddr", Some(Ok(number))) => address = Some(number),
            ("hostbus" | "hostaddr", _) => {
                return fault(at, format!("usbdev: {key}={} is no number", shown(value)));
            }
            ("type", _) if value == "hostdev" => {}
            _ => settings.leave(&format!("usbdev ({})", shown(key)), at),
        }
    }
    match (bus, address) {
        (Some(bus), Some(device)) => Ok(UsbDevice { host: UsbHost::Address { bus, device }, managed: false }),
        _ => fault(at, "usbdev: expected hostbus= and hostaddr="),
    }
}

/// `host:046d:c52b` of `usbdevice`. By its place, `host:1.3`, the device model takes one without a controller of Xen's: that is another thing.
pub(super) fn host(word: &str) -> Option<UsbHost> {
    let (vendor, product) = word.strip_prefix("host:")?.split_once(':')?;
    let hex = |text: &str| {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(text, 16).ok().filter(|_| is_hex)
    };
    Some(UsbHost::Product { vendor: hex(vendor)?, product: hex(product)? })
}

pub(super) fn write(items: &mut Items, guest: &Guest) -> error::Result<()> {
    let mut controllers = Vec::new();
    for controller in &guest.controllers {
        let Controller::Usb { model, ports } = controller else { continue };
        let (kind, version) = match model {
            None => ("auto", None),
            Some(UsbModel::Qusb1) => ("qusb", Some(1)),
            Some(UsbModel::Qusb2) => ("qusb", Some(2)),
            Some(UsbModel::Uhci) => ("devicemodel", Some(1)),
            Some(UsbModel::Ehci) => ("devicemodel", Some(2)),
            Some(UsbModel::Xhci) => ("devicemodel", Some(3)),
        };
        if kind == "devicemodel" && !guest.is_hvm() {
            return Err(unsupported("an emulated <controller type='usb'> in a guest that is not HVM"));
        }
        controllers.push(
            Options::default().put("type", kind).some("version", version).some("ports", *ports).into_text(),
        );
    }
    if !controllers.is_empty() {
        items.list("usbctrl", controllers);
    }
    let (mut devices, mut words) = (Vec::new(), Vec::new());
    words.extend(guest.inputs.iter().map(|input| input.kind.name().to_owned()));
    for device in &guest.usb_devices {
        match device.host {
            UsbHost::Address { bus, device } => {
                devices.push(Options::default().put("hostbus", bus).put("hostaddr", device).into_text());
            }
            UsbHost::Product { vendor, product } if guest.is_hvm() => {
                words.push(format!("host:{vendor:04x}:{product:04x}"));
            }
            UsbHost::Product { .. } => {
                return Err(unsupported(
                    "<vendor> and <product> of a USB device in a guest that is not HVM: say its <address>",
                ));
            }
        }
    }
    if !devices.is_empty() {
        items.list("usbdev", devices);
    }
    if !words.is_empty() {
        items.flag("usb", true);
        match words.len() {
            1 => items.text("usbdevice", words.swap_remove(0)),
            _ => items.list("usbdevice", words),
        }
    }
    if guest.usb_redirections > 0 {
        if !guest.is_hvm() {
            return Err(unsupported("<redirdev> in a guest that is not HVM"));
        }
        items.number("spiceusbredirection", guest.usb_redirections);
    }
    Ok(())
}
