//! A document's tree -> the model.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::tree::{Element, Result};
use crate::format::cpuset::cpu_set;
use crate::format::error::shown;
use crate::model::guest::{
    BootDevice, CharDevice, CharSource, Clock, ClockBasis, ClockOffset, Disk, DiskBus, DiskDevice, DiskKind,
    DriveAddress, Endpoint, Features, Graphics, Input, InputBus, InputKind, Interface, InterfaceKind, IpNet,
    Lifecycle, Loader, Mac, Os, PciAddress, PciDevice, Timer, Vcpus, Video,
};
use crate::model::identity::check_name;
use crate::model::{Guest, GuestType, Uuid};

/// More memory than any machine can address (2^53 bytes): numbers beyond it are mistakes.
const MAX_MEMORY_KIB: u64 = 1 << 43;
/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// The highest number of a serial or parallel port.
const MAX_PORT: u32 = 15;

const YES_NO: &[(bool, &str)] = &[(true, "yes"), (false, "no")];

/// The guest that `<domain>` says.
pub(super) fn guest(mut domain: Element) -> Result<Guest> {
    if domain.name != "domain" {
        return domain.fault("the document is no domain's description; expected <domain>");
    }
    domain.choice("type", &[((), "xen")])?;
    // The number of a life is no part of the configuration.
    domain.attribute("id");

    let mut guest = Guest { name: name(&mut domain)?, uuid: uuid(&mut domain)?, ..Guest::default() };
    guest.title = domain.text_of("title")?;
    guest.description = domain.text_of("description")?;
    (guest.max_memory_kib, guest.memory_kib) = memory(&mut domain)?;
    guest.vcpus = vcpus(&mut domain)?;
    guest.os = os(&mut domain)?;
    guest.features = features(&mut domain)?;
    guest.clock = clock(&mut domain)?;
    for (element, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        lifecycle(&mut domain, element, action)?;
    }
    if let Some(mut list) = domain.child("devices")? {
        devices(&mut list, &mut guest)?;
    }
    domain.done()?;
    Ok(guest)
}

fn name(domain: &mut Element) -> Result<String> {
    let Some(mut element) = domain.child("name")? else { return domain.fault("<name> is missing") };
    let name = element.take_text()?;
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(why) => element.fault(why),
    }
}

fn uuid(domain: &mut Element) -> Result<Option<Uuid>> {
    let Some(mut element) = domain.child("uuid")? else { return Ok(None) };
    let text = element.take_text()?;
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    match Uuid::try_parse(&digits) {
        Ok(uuid) if digits.len() == 32 && !uuid.is_nil() => Ok(Some(uuid)),
        Ok(uuid) if uuid.is_nil() => {
            element.fault("a uuid of all zeroes is Domain-0's; leave <uuid> out to get a new one")
        }
        _ => element.fault(format!(
            "'{}' is no uuid: expected 32 hexadecimal digits, with or without dashes",
            shown(&text)
        )),
    }
}

/// The most memory, and the current.
fn memory(domain: &mut Element) -> Result<(u64, u64)> {
    let Some(mut element) = domain.child("memory")? else { return domain.fault("<memory> is missing") };
    let max = kib(&mut element)?;
    match domain.child("currentMemory")? {
        None => Ok((max, max)),
        Some(mut element) => {
            let current = kib(&mut element)?;
            if current > max {
                return element.fault(format!("{current} KiB are more than <memory> allows, {max} KiB"));
            }
            Ok((max, current))
        }
    }
}

/// Memory in KiB, rounded up; never 0.
fn kib(element: &mut Element) -> Result<u64> {
    const UNITS: &[(u64, &str)] = &[
        (1 << 10, "KiB"),
        (1 << 10, "k"),
        (1, "b"),
        (1, "bytes"),
        (1000, "KB"),
        (1_000_000, "MB"),
        (1 << 20, "MiB"),
        (1 << 20, "M"),
        (1_000_000_000, "GB"),
        (1 << 30, "GiB"),
        (1 << 30, "G"),
        (1_000_000_000_000, "TB"),
        (1 << 40, "TiB"),
        (1 << 40, "T"),
    ];
    let unit = element.choice("unit", UNITS)?.unwrap_or(1 << 10);
    let text = element.take_text()?;
    let number: u64 = match text.trim().parse() {
        Ok(0) => return element.fault("a guest cannot have 0 bytes of memory"),
        Ok(number) => number,
        Err(_) => return element.fault(format!("'{}' is no number of bytes", shown(&text))),
    };
    match number.checked_mul(unit).map(|bytes| bytes.div_ceil(1 << 10)) {
        Some(kib) if kib <= MAX_MEMORY_KIB => Ok(kib),
        _ => element.fault(format!("{number} is more memory than any machine has")),
    }
}

fn vcpus(domain: &mut Element) -> Result<Vcpus> {
    let Some(mut element) = domain.child("vcpu")? else { return Ok(Vcpus::default()) };
    element.choice("placement", &[((), "static")])?;
    let current: Option<u32> = element.number("current")?;
    let cpuset = match element.attribute("cpuset") {
        Some(text) => match cpu_set(&text) {
            Some(set) => Some(set),
            None => {
                return element.fault(format!(
                    "cpuset='{}' names no processors; expected such as 0-3,^2,5",
                    shown(&text)
                ));
            }
        },
        None => None,
    };
    let text = element.take_text()?;
    let max = match text.trim().parse() {
        Ok(count @ 1..=MAX_VCPUS) => count,
        Ok(count) => return element.fault(format!("{count} vcpus: expected 1 to {MAX_VCPUS}")),
        Err(_) => return element.fault(format!("'{}' is no number of vcpus", shown(&text))),
    };
    match current {
        Some(count) if count == 0 || count > max => {
            element.fault(format!("current='{count}': expected 1 to {max}"))
        }
        _ => Ok(Vcpus { max, current: current.filter(|count| *count != max), cpuset }),
    }
}

fn os(domain: &mut Element) -> Result<Os> {
    let mut os = Os::default();
    if let Some(mut element) = domain.child("bootloader")? {
        let text = element.take_text()?;
        if text.is_empty() {
            return element.fault("which one? expected a program such as /usr/bin/pygrub");
        }
        os.bootloader = Some(text);
    }
    os.bootloader_args = domain.text_of("bootloader_args")?;
    let Some(mut element) = domain.child("os")? else {
        // A bootloader is for PV guests only: libvirt's old descriptions stop there.
        return if os.bootloader.is_some() { Ok(os) } else { domain.fault("<os> is missing") };
    };
    let Some(mut kind) = element.child("type")? else { return element.fault("<type> is missing") };
    os.arch = kind.attribute("arch");
    os.machine = kind.attribute("machine");
    let text = kind.take_text()?;
    os.kind = match text.trim() {
        "linux" | "xen" => GuestType::Pv,
        "hvm" => GuestType::Hvm,
        "xenpvh" => GuestType::Pvh,
        other => {
            return kind.fault(format!("'{}' is not known; expected linux, hvm or xenpvh", shown(other)));
        }
    };
    if let Some(mut loader) = element.child("loader")? {
        let is_pflash = loader.choice("type", &[(false, "rom"), (true, "pflash")])?.unwrap_or(false);
        let readonly = loader.choice("readonly", YES_NO)?;
        let path = loader.take_text()?;
        os.loader = (!path.is_empty()).then_some(Loader { path, is_pflash, readonly });
    }
    os.kernel = element.text_of("kernel")?;
    os.initrd = element.text_of("initrd")?;
    os.cmdline = element.text_of("cmdline")?;
    os.root = element.text_of("root")?;
    for mut boot in element.children("boot") {
        let words = &[
            (BootDevice::Floppy, "fd"),
            (BootDevice::HardDisk, "hd"),
            (BootDevice::Cdrom, "cdrom"),
            (BootDevice::Network, "network"),
        ];
        match boot.choice("dev", words)? {
            Some(device) if os.boot.contains(&device) => return boot.fault("stands here a second time"),
            Some(device) => os.boot.push(device),
            None => return boot.fault("the attribute 'dev' is missing"),
        }
        boot.done()?;
    }
    element.done()?;
    Ok(os)
}

fn features(domain: &mut Element) -> Result<Features> {
    let Some(mut element) = domain.child("features")? else { return Ok(Features::default()) };
    let hap = match element.child("hap")? {
        Some(mut hap) => {
            let state = hap.choice("state", &[(true, "on"), (false, "off")])?;
            hap.done()?;
            Some(state.unwrap_or(true))
        }
        None => None,
    };
    let features = Features {
        acpi: element.flag("acpi")?,
        apic: element.flag("apic")?,
        pae: element.flag("pae")?,
        hap,
        viridian: element.flag("viridian")?,
    };
    element.done()?;
    Ok(features)
}

fn clock(domain: &mut Element) -> Result<Clock> {
    #[derive(Clone, Copy, PartialEq)]
    enum Offset {
        Utc,
        Localtime,
        Variable,
    }
    let words = &[(Offset::Utc, "utc"), (Offset::Localtime, "localtime"), (Offset::Variable, "variable")];
    let Some(mut element) = domain.child("clock")? else { return Ok(Clock::default()) };
    // The Xen driver's own page writes sync for offset.
    let offset = match (element.choice("offset", words)?, element.choice("sync", words)?) {
        (Some(_), Some(_)) => return element.fault("both 'offset' and its old name 'sync' are given"),
        (offset, sync) => offset.or(sync).unwrap_or(Offset::Utc),
    };
    let basis = element.choice("basis", &[(ClockBasis::Utc, "utc"), (ClockBasis::Localtime, "localtime")])?;
    if basis.is_some() && offset != Offset::Variable {
        return element.fault("'basis' belongs to offset='variable'");
    }
    let basis = match offset {
        Offset::Utc => ClockBasis::Utc,
        Offset::Localtime => ClockBasis::Localtime,
        Offset::Variable => basis.unwrap_or_default(),
    };
    let adjustment = match element.attribute("adjustment") {
        None if offset == Offset::Variable => ClockOffset::Seconds(0),
        None => ClockOffset::Zero,
        Some(word) if word == "reset" && offset != Offset::Variable => ClockOffset::Reset,
        Some(text) => match text.trim().parse() {
            Ok(seconds) => ClockOffset::Seconds(seconds),
            Err(_) => return element.fault(format!("adjustment='{}' is no number of seconds", shown(&text))),
        },
    };
    let mut timers: Vec<Timer> = Vec::new();
    for mut timer in element.children("timer") {
        let name = timer.required("name")?;
        if !["hpet", "tsc"].contains(&name.as_str()) {
            return timer.fault(format!("name='{}' is not known; expected hpet or tsc", shown(&name)));
        }
        if timers.iter().any(|other| other.name == name) {
            return timer.fault(format!("the timer {name} stands here a second time"));
        }
        let present = timer.choice("present", YES_NO)?;
        let mode = timer.attribute("mode");
        if mode.is_some() && name != "tsc" {
            return timer.fault("only the timer tsc has a mode");
        }
        timer.done()?;
        timers.push(Timer { name, present, mode });
    }
    element.done()?;
    Ok(Clock { basis, offset: adjustment, timers })
}

fn lifecycle(domain: &mut Element, name: &str, action: &mut Lifecycle) -> Result<()> {
    let Some(mut element) = domain.child(name)? else { return Ok(()) };
    let text = element.take_text()?;
    match Lifecycle::from_name(text.trim()) {
        Some(known) => *action = known,
        None => {
            let known: Vec<&str> = Lifecycle::ALL.iter().map(|(_, word)| *word).collect();
            return element.fault(format!("'{}' is not known; expected {}", shown(&text), known.join(", ")));
        }
    }
    Ok(())
}

fn devices(list: &mut Element, guest: &mut Guest) -> Result<()> {
    list.forget_aliases()?;
    guest.emulator = list.text_of("emulator")?;
    let mut targets = BTreeSet::new();
    for mut element in list.children("disk") {
        let disk = disk(&mut element)?;
        if !targets.insert(disk.target.clone()) {
            return element.fault(format!("the target '{}' is taken by another disk", shown(&disk.target)));
        }
        guest.disks.push(disk);
    }
    guest.sort_disks();
    for mut element in list.children("controller") {
        implied_controller(&mut element)?;
    }
    for mut element in list.children("interface") {
        guest.interfaces.push(interface(&mut element)?);
    }
    for (name, ports) in [("serial", &mut guest.serials), ("parallel", &mut guest.parallels)] {
        for mut element in list.children(name) {
            ports.push(port(&mut element, ports)?);
        }
        ports.sort_by_key(|device| device.port);
    }
    consoles(list.children("console"), guest)?;
    for mut element in list.children("input") {
        if let Some(input) = input(&mut element, guest.is_hvm())? {
            guest.inputs.push(input);
        }
    }
    for mut element in list.children("graphics") {
        guest.graphics.push(graphics(&mut element)?);
    }
    for mut element in list.children("sound") {
        let model = element.required("model")?;
        if model.is_empty() || !model.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return element.fault(format!(
                "model='{}' is not known; expected such as sb16, es1370, ac97",
                shown(&model)
            ));
        }
        guest.sounds.push(model);
        element.done()?;
    }
    for mut element in list.children("video") {
        guest.videos.push(video(&mut element)?);
    }
    // The card that the writer adds is nobody's choice.
    if !guest.graphics.is_empty() && guest.videos == [Video::usual(guest.is_hvm())] {
        guest.videos.clear();
    }
    let mut places = BTreeSet::new();
    for mut element in list.children("hostdev") {
        let device = pci_device(&mut element)?;
        if !places.insert(device.address) {
            return element.fault(format!("the device {} stands here a second time", device.address));
        }
        guest.pci_devices.push(device);
    }
    if let Some(mut balloon) = list.child("memballoon")? {
        balloon.choice("model", &[((), "xen")])?;
        balloon.done()?;
    }
    list.done()
}

fn disk(element: &mut Element) -> Result<Disk> {
    let kind = element.choice("type", &[(DiskKind::File, "file"), (DiskKind::Block, "block")])?;
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
        driver.done()?;
    }
    if let Some(mut source) = element.child("source")? {
        let attribute = match kind {
            DiskKind::File => "file",
            DiskKind::Block => "dev",
        };
        disk.source = source.attribute(attribute).filter(|path| !path.is_empty());
        source.done()?;
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
    target.done()?;
    disk.shareable = element.flag("shareable")?;
    // A CD-ROM is read-only, said or not.
    disk.readonly = element.flag("readonly")? || device == DiskDevice::Cdrom;
    if let Some(mut address) = element.child("address")? {
        implied_address(&mut address, &disk)?;
    }
    element.done()?;
    Ok(disk)
}

/// The place on a controller follows from the target on Xen; a description may say it, but nothing else.
fn implied_address(element: &mut Element, disk: &Disk) -> Result<()> {
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

fn implied_controller(element: &mut Element) -> Result<()> {
    element.choice("type", &[((), "ide"), ((), "scsi"), ((), "fdc"), ((), "xenbus")])?;
    element.number::<u32>("index")?;
    element.done()
}

fn interface(element: &mut Element) -> Result<Interface> {
    #[derive(Clone, Copy)]
    enum Kind {
        Bridge,
        Ethernet,
        Network,
    }
    let words = &[(Kind::Bridge, "bridge"), (Kind::Ethernet, "ethernet"), (Kind::Network, "network")];
    let Some(kind) = element.choice("type", words)? else {
        return element.fault("the attribute 'type' is missing");
    };
    let source = match element.child("source")? {
        Some(mut source) => {
            let value = source.attribute(match kind {
                Kind::Bridge => "bridge",
                Kind::Ethernet => "dev",
                Kind::Network => "network",
            });
            source.done()?;
            value.filter(|value| !value.is_empty())
        }
        None => None,
    };
    let kind = match (kind, source) {
        (Kind::Bridge, bridge) => InterfaceKind::Bridge(bridge),
        (Kind::Ethernet, device) => InterfaceKind::Ethernet(device),
        (Kind::Network, Some(network)) => InterfaceKind::Network(network),
        (Kind::Network, None) => return element.fault("<source network=...> is missing"),
    };
    let mac = match element.child("mac")? {
        Some(mut mac) => {
            let text = mac.required("address")?;
            let Ok(address) = text.parse::<Mac>() else {
                return mac.fault(format!(
                    "address='{}': expected six pairs of hexadecimal digits such as 00:16:3e:5d:c7:9e",
                    shown(&text)
                ));
            };
            if address.is_multicast() {
                return mac.fault(format!(
                    "address='{address}' stands for a group; expected one whose first number is even"
                ));
            }
            mac.done()?;
            Some(address)
        }
        None => None,
    };
    let mut ips = Vec::new();
    for mut ip in element.children("ip") {
        let text = ip.required("address")?;
        let Ok(address) = text.parse::<IpAddr>() else {
            return ip.fault(format!("address='{}' is no IP address", shown(&text)));
        };
        match ip.choice("family", &[(false, "ipv4"), (true, "ipv6")])? {
            Some(v6) if v6 != address.is_ipv6() => {
                return ip.fault(format!("{address} is of the other family"));
            }
            _ => {}
        }
        let Some(net) = IpNet::new(address, ip.number("prefix")?) else {
            return ip.fault("the prefix is longer than the address");
        };
        ip.done()?;
        ips.push(net);
    }
    let script = attribute_of(element, "script", "path")?;
    let model = attribute_of(element, "model", "type")?;
    // vifDOMID.N is the name that Xen itself gives in one life.
    let vifname = attribute_of(element, "target", "dev")?.filter(|name| !name.starts_with("vif"));
    let rate_kib = match element.child("bandwidth")? {
        Some(mut bandwidth) => {
            let rate = match bandwidth.child("outbound")? {
                Some(mut outbound) => {
                    let average: Option<u64> = outbound.number("average")?;
                    outbound.done()?;
                    average
                }
                None => None,
            };
            bandwidth.done()?;
            rate
        }
        None => None,
    };
    element.done()?;
    Ok(Interface { kind, mac, ips, script, model, vifname, rate_kib })
}

/// The one attribute of a child that has nothing else.
fn attribute_of(element: &mut Element, child: &str, attribute: &str) -> Result<Option<String>> {
    let Some(mut child) = element.child(child)? else { return Ok(None) };
    let value = child.required(attribute)?;
    if value.chars().any(char::is_control) {
        return child.fault(format!("{attribute}='{}' has a control character", shown(&value)));
    }
    child.done()?;
    Ok((!value.is_empty()).then_some(value))
}

fn port(element: &mut Element, others: &[CharDevice]) -> Result<CharDevice> {
    let source = char_source(element)?;
    let port = match element.child("target")? {
        Some(mut target) => {
            let number: Option<u32> = target.number("port")?;
            target.done()?;
            number
        }
        None => None,
    };
    element.done()?;
    let free = || (0..).find(|number| others.iter().all(|other| other.port != *number)).unwrap_or(0);
    let port = port.unwrap_or_else(free);
    if port > MAX_PORT {
        return element.fault(format!("port {port}: the last one is {MAX_PORT}"));
    }
    if others.iter().any(|other| other.port == port) {
        return element.fault(format!("port {port} stands here a second time"));
    }
    Ok(CharDevice { port, source })
}

fn char_source(element: &mut Element) -> Result<CharSource> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Null,
        Stdio,
        Vc,
        Pty,
        Dev,
        File,
        Pipe,
        Tcp,
        Udp,
        Unix,
    }
    let words = &[
        (Kind::Null, "null"),
        (Kind::Stdio, "stdio"),
        (Kind::Vc, "vc"),
        (Kind::Pty, "pty"),
        (Kind::Dev, "dev"),
        (Kind::File, "file"),
        (Kind::Pipe, "pipe"),
        (Kind::Tcp, "tcp"),
        (Kind::Udp, "udp"),
        (Kind::Unix, "unix"),
    ];
    let kind = element.choice("type", words)?.unwrap_or(Kind::Pty);
    let mut path = None;
    let (mut listen, mut wire_telnet) = (None, None);
    let (mut connect, mut bind) = (None, None);
    for mut source in element.children("source") {
        match kind {
            Kind::Null | Kind::Stdio | Kind::Vc => return source.fault("a port of this type has no source"),
            Kind::Tcp | Kind::Udp => {
                let mode = source.choice("mode", &[(true, "bind"), (false, "connect")])?;
                let end = Endpoint {
                    host: source.attribute("host").unwrap_or_default(),
                    service: source.attribute("service").unwrap_or_default(),
                };
                wire_telnet = source.choice("wiremode", &[(false, "raw"), (true, "telnet")])?.or(wire_telnet);
                // TCP waits for a client only where that is said; a UDP source is where to send.
                let place = if mode.unwrap_or(false) { &mut bind } else { &mut connect };
                if place.replace(end).is_some() {
                    return source.fault("stands here a second time");
                }
            }
            Kind::Pty | Kind::Dev | Kind::File | Kind::Pipe | Kind::Unix => {
                if kind == Kind::Unix {
                    listen = source.choice("mode", &[(true, "bind"), (false, "connect")])?;
                }
                if path.replace(source.required("path")?).is_some() {
                    return source.fault("stands here a second time");
                }
            }
        }
        source.done()?;
    }
    let mut telnet = wire_telnet.unwrap_or(false);
    if kind == Kind::Tcp
        && let Some(mut protocol) = element.child("protocol")?
    {
        telnet = protocol.choice("type", &[(false, "raw"), (true, "telnet")])?.unwrap_or(telnet);
        protocol.done()?;
    }
    let path_of = |element: &Element| match path.clone() {
        Some(path) if !path.is_empty() => Ok(path),
        _ => element.fault("<source path=...> is missing"),
    };
    Ok(match kind {
        Kind::Null => CharSource::Null,
        Kind::Stdio => CharSource::Stdio,
        Kind::Vc => CharSource::Vc,
        // The terminal is made when the guest starts.
        Kind::Pty => CharSource::Pty,
        Kind::Dev => CharSource::Dev(path_of(element)?),
        Kind::File => CharSource::File(path_of(element)?),
        Kind::Pipe => CharSource::Pipe(path_of(element)?),
        Kind::Unix => CharSource::Unix { path: path_of(element)?, listen: listen.unwrap_or(false) },
        Kind::Udp => {
            let Some(connect) = connect else {
                return element.fault("<source mode='connect' ...> is missing");
            };
            CharSource::Udp { connect, bind: bind.unwrap_or_default() }
        }
        Kind::Tcp => match (connect, bind) {
            (Some(endpoint), None) => CharSource::Tcp { endpoint, listen: false, telnet },
            (None, Some(endpoint)) => CharSource::Tcp { endpoint, listen: true, telnet },
            (None, None) => return element.fault("<source mode=... host=... service=.../> is missing"),
            (Some(_), Some(_)) => return element.fault("TCP waits for a client or is one, not both"),
        },
    })
}

/// A PV guest always has its console. An HVM guest's is its first serial port, which a description may leave out.
fn consoles(elements: Vec<Element>, guest: &mut Guest) -> Result<()> {
    let mut seen = false;
    for mut element in elements {
        if std::mem::replace(&mut seen, true) {
            return element.fault("a second console is not supported");
        }
        // The terminal is made when the guest starts.
        element.attribute("tty");
        let source = char_source(&mut element)?;
        let mut of_serial = guest.is_hvm();
        let mut port = None;
        if let Some(mut target) = element.child("target")? {
            of_serial = target.choice("type", &[(true, "serial"), (false, "xen")])?.unwrap_or(of_serial);
            port = target.number::<u32>("port")?;
            target.done()?;
        }
        element.done()?;
        match guest.serials.first() {
            None if of_serial && guest.is_hvm() => {
                guest.serials.push(CharDevice { port: port.unwrap_or(0).min(MAX_PORT), source })
            }
            Some(serial) if of_serial && guest.is_hvm() && serial.source == source => {}
            Some(_) if of_serial && guest.is_hvm() => {
                return element.fault("differs from the first <serial>, which is an HVM guest's console");
            }
            _ if of_serial => {
                return element.fault("a PV guest has no serial port; expected <target type='xen'/>");
            }
            _ if source == CharSource::Pty => {}
            _ => return element.fault("Xen's console is a pseudo-terminal; expected type='pty'"),
        }
    }
    Ok(())
}

/// None for the mouse and keyboard that every guest has.
fn input(element: &mut Element, is_hvm: bool) -> Result<Option<Input>> {
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

fn graphics(element: &mut Element) -> Result<Graphics> {
    let is_vnc = match element.choice("type", &[(true, "vnc"), (false, "sdl")])? {
        Some(is_vnc) => is_vnc,
        None => return element.fault("the attribute 'type' is missing"),
    };
    let mut text = |name: &str| element.attribute(name).filter(|value| !value.is_empty());
    if !is_vnc {
        let graphics = Graphics::Sdl { display: text("display"), xauth: text("xauth") };
        element.done()?;
        return Ok(graphics);
    }
    let mut listen = text("listen");
    let (password, keymap) = (text("passwd"), text("keymap"));
    let port: Option<i32> = element.number("port")?;
    let autoport = element.choice("autoport", YES_NO)?;
    let port = match (port, autoport) {
        (_, Some(true)) | (None | Some(-1), _) => None,
        (Some(port), _) => match u16::try_from(port) {
            Ok(port @ 1..) => Some(port),
            _ => return element.fault(format!("port='{port}' is no TCP port; -1 stands for any free one")),
        },
    };
    if let Some(mut child) = element.child("listen")? {
        child.choice("type", &[((), "address")])?;
        let address = child.attribute("address").filter(|value| !value.is_empty());
        if listen.is_some() && address.is_some() && listen != address {
            return child.fault("differs from the attribute 'listen'");
        }
        listen = listen.or(address);
        child.done()?;
    }
    element.done()?;
    Ok(Graphics::Vnc { port, listen, password, keymap })
}

fn video(element: &mut Element) -> Result<Video> {
    let Some(mut model) = element.child("model")? else { return element.fault("<model> is missing") };
    let words = &[("cirrus", "cirrus"), ("vga", "vga"), ("qxl", "qxl"), ("xen", "xen")];
    let Some(kind) = model.choice("type", words)? else {
        return model.fault("the attribute 'type' is missing");
    };
    let (vram_kib, heads) = (model.number("vram")?, model.number("heads")?);
    model.choice("primary", &[((), "yes")])?;
    model.done()?;
    element.done()?;
    Ok(Video { model: kind.to_owned(), vram_kib, heads })
}

fn pci_device(element: &mut Element) -> Result<PciDevice> {
    element.choice("mode", &[((), "subsystem")])?;
    if element.choice("type", &[((), "pci")])?.is_none() {
        return element.fault("the attribute 'type' is missing");
    }
    let managed = element.choice("managed", YES_NO)?.unwrap_or(false);
    if let Some(mut driver) = element.child("driver")? {
        driver.choice("name", &[((), "xen")])?;
        driver.done()?;
    }
    let Some(mut source) = element.child("source")? else { return element.fault("<source> is missing") };
    let Some(mut place) = source.child("address")? else { return source.fault("<address> is missing") };
    let domain = place.attribute("domain").unwrap_or_else(|| "0".into());
    let (bus, slot, function) =
        (place.required("bus")?, place.required("slot")?, place.required("function")?);
    let Some(address) = PciAddress::from_parts(&domain, &bus, &slot, &function) else {
        return place
            .fault("no such PCI address: domain up to 0xffff, bus to 0xff, slot to 0x1f, function to 7");
    };
    place.done()?;
    source.done()?;
    element.done()?;
    Ok(PciDevice { address, managed })
}
