//! Disks.

use super::super::tree::{Element, Result};
use super::attribute_of;
use crate::format::error::shown;
use crate::model::guest::{
    Disk, DiskBus, DiskDevice, DiskKind, DriveAddress, NetworkHost, NetworkSource, Protocol,
};

/// The device model's ways to cache.
const CACHES: [&str; 6] = ["default", "none", "writethrough", "writeback", "directsync", "unsafe"];

/// `<disk>`.
pub(super) fn disk(element: &mut Element<'_>) -> Result<Disk> {
    let kinds = &[(DiskKind::File, "file"), (DiskKind::Block, "block"), (DiskKind::Network, "network")];
    let kind = element.choice("type", kinds)?;
    let kind = kind.unwrap_or(DiskKind::File);
    let words = &[(DiskDevice::Disk, "disk"), (DiskDevice::Cdrom, "cdrom"), (DiskDevice::Floppy, "floppy")];
    let device = element.choice("device", words)?.unwrap_or(DiskDevice::Disk);
    let mut disk = Disk { kind, device, ..Disk::default() };

    if let Some(mut driver) = element.child("driver")? {
        disk.driver = driver.attribute("name");
        // blktap's name for raw data with asynchronous reads.
        disk.format = driver.attribute("type").map(|name| if name == "aio" { "raw".into() } else { name });
        for word in disk.driver.iter().chain(&disk.format) {
            // They become parts of `tap:qcow:/path`.
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                return driver.fault(format!("'{}' is no driver's name or format", shown(word)));
            }
        }
        disk.cache = option(&mut driver, "cache", &CACHES)?;
        disk.io = option(&mut driver, "io", &["threads", "native", "io_uring"])?;
        disk.discard = driver.choice("discard", &[(true, "unmap"), (false, "ignore")])?;
        driver.done()?;
    }
    if let Some(mut source) = element.child("source")? {
        self::source(&mut source, &mut disk)?;
    }
    if disk.source.is_none() && device == DiskDevice::Disk {
        return element.fault("<source> is missing: only a CD-ROM or floppy drive can be empty");
    }
    let Some(mut target) = element.child("target")? else { return element.fault("<target> is missing") };
    let name = target.required("dev")?;
    // libvirt once wrote the device model's prefix.
    disk.target = name.strip_prefix("ioemu:").unwrap_or(&name).to_owned();
    if disk.target.is_empty()
        || disk.target.len() > 32
        || !disk.target.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'-')
    {
        return target
            .fault(format!("dev='{}' is no disk's name; expected such as hda, sda1 or xvdb", shown(&name)));
    }
    if let Some(bus) = target.choice("bus", &DiskBus::ALL)? {
        disk.other_bus = (bus != disk.bus()).then_some(bus);
    }
    // Where the tray is, is known only while the guest runs.
    target.choice("tray", &[((), "open"), ((), "closed")])?;
    target.done()?;
    // What the image is based on is in the image; libvirt shows it of a guest that runs.
    element.children("backingStore");
    disk.backend = attribute_of(element, "backenddomain", "name")?;
    disk.boot_order = boot_order(element)?;
    disk.shareable = element.flag("shareable")?;
    // A CD-ROM is read-only, said or not.
    disk.readonly = element.flag("readonly")? || device == DiskDevice::Cdrom;
    if let Some(mut address) = element.child("address")? {
        implied_address(&mut address, &disk)?;
    }
    element.done()?;
    Ok(disk)
}

/// An attribute that is one of some words and is kept as it is.
fn option(element: &mut Element<'_>, name: &str, words: &[&'static str]) -> Result<Option<String>> {
    let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    Ok(element.choice(name, &words)?.map(str::to_owned))
}

/// Where the data are.
fn source(source: &mut Element<'_>, disk: &mut Disk) -> Result<()> {
    // A number that libvirt gives while the guest runs.
    source.number::<u32>("index")?;
    let attribute = match disk.kind {
        DiskKind::File => "file",
        DiskKind::Block => "dev",
        DiskKind::Network => "name",
    };
    disk.source = source.attribute(attribute).filter(|path| !path.is_empty());
    if disk.kind != DiskKind::Network {
        return source.done();
    }
    let Some(protocol) = source.choice("protocol", &Protocol::ALL)? else {
        return source.fault("the attribute 'protocol' is missing");
    };
    let mut hosts = Vec::new();
    for mut host in source.children("host") {
        host.choice("transport", &[((), "tcp")])?;
        let name = host.required("name")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return host.fault(format!("name='{}' is no host's name or address", shown(&name)));
        }
        let port = host.number("port")?;
        host.done()?;
        hosts.push(NetworkHost { name, port });
    }
    match disk.source.as_deref() {
        None => return source.fault("the attribute 'name' is missing"),
        Some(name) if name.contains(|c: char| c.is_control() || c == ' ') => {
            return source.fault(format!("name='{}' has a blank or a control character", shown(name)));
        }
        Some(_) => {}
    }
    if protocol == Protocol::Iscsi && hosts.len() != 1 {
        return source.fault("expected one <host>: the portal of the iSCSI target");
    }
    source.done()?;
    disk.network = Some(NetworkSource { protocol, hosts });
    Ok(())
}

/// `<boot order='1'/>` of a device.
pub(super) fn boot_order(element: &mut Element<'_>) -> Result<Option<u32>> {
    let Some(mut boot) = element.child("boot")? else { return Ok(None) };
    match boot.number("order")? {
        Some(order @ 1..) => boot.done().map(|()| Some(order)),
        _ => boot.fault("expected order='1' or more"),
    }
}

/// The place on a controller follows from the target on Xen; a description may say it, but nothing else.
fn implied_address(element: &mut Element<'_>, disk: &Disk) -> Result<()> {
    element.choice("type", &[((), "drive")])?;
    let said = DriveAddress {
        controller: element.number("controller")?.unwrap_or(0),
        bus: element.number("bus")?.unwrap_or(0),
        unit: element.number("unit")?.unwrap_or(0),
    };
    element.number::<u32>("target")?;
    if disk.address() != Some(said) {
        return element.fault(format!(
            "Xen has no such place for the target '{}': leave the address out",
            shown(&disk.target)
        ));
    }
    element.done()
}
