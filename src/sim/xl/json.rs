//! What `xl list -l` prints: libxl's JSON of a running domain, key by key as a real xl 4.17 has it.

use crate::format::xl::dm;
use crate::model::{
    DomId, Guest, GuestType,
    guest::{
        BootDevice, CharDevice, CharSource, ClockBasis, Disk, DiskDevice, Endpoint, Graphics, Interface,
        InterfaceKind, Lifecycle,
    },
};
use crate::sim::machine::{Domain, PAGE_KIB};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Text(String),
    Number(u64),
    List(Vec<Json>),
    Map(Map),
}

type Map = Vec<(&'static str, Json)>;

impl Json {
    /// As libxl's generator lays it out: each member on a line of its own, also where there is none.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        match self {
            Json::Text(text) => quote(text, out),
            Json::Number(number) => out.push_str(&number.to_string()),
            Json::List(items) => {
                out.push_str("[\n");
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n > 0 { ",\n" } else { "" });
                    indent(depth + 1, out);
                    item.write(depth + 1, out);
                }
                close(depth, ']', out);
            }
            Json::Map(members) => {
                out.push_str("{\n");
                for (n, (key, value)) in members.iter().enumerate() {
                    out.push_str(if n > 0 { ",\n" } else { "" });
                    indent(depth + 1, out);
                    quote(key, out);
                    out.push_str(": ");
                    value.write(depth + 1, out);
                }
                close(depth, '}', out);
            }
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("    ", depth));
}

fn close(depth: usize, bracket: char, out: &mut String) {
    out.push('\n');
    indent(depth, out);
    out.push(bracket);
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn text(text: impl Into<String>) -> Json {
    Json::Text(text.into())
}

fn yes() -> Json {
    text("True")
}

fn maybe(key: &'static str, value: Option<&str>, map: &mut Map) {
    if let Some(value) = value {
        map.push((key, text(value)));
    }
}

/// One member of the list: the number, and the configuration.
pub(super) fn listed(domid: DomId, config: Json) -> Json {
    Json::Map(vec![("domid", Json::Number(domid.into())), ("config", config)])
}

/// Domain-0, of which libxl keeps next to nothing, not even a uuid.
pub(super) fn domain_0(dom0: &Domain) -> Json {
    let b_info = vec![
        ("max_memkb", Json::Number(dom0.max_pages * PAGE_KIB)),
        ("target_memkb", Json::Number(dom0.tot_pages * PAGE_KIB)),
        ("sched_params", scheduling()),
        ("type.pv", Json::Map(Vec::new())),
        ("arch_arm", Json::Map(Vec::new())),
        ("arch_x86", Json::Map(Vec::new())),
    ];
    Json::Map(vec![
        ("c_info", Json::Map(vec![("type", text("pv")), ("name", text("Domain-0"))])),
        ("b_info", Json::Map(b_info)),
    ])
}

fn scheduling() -> Json {
    Json::Map(vec![("sched", text("credit2")), ("weight", Json::Number(256)), ("cap", Json::Number(0))])
}

/// libxl's word for a kind of guest.
pub(super) fn kind(kind: GuestType) -> &'static str {
    match kind {
        GuestType::Pv => "pv",
        GuestType::Hvm => "hvm",
        GuestType::Pvh => "pvh",
    }
}

/// The video memory that a guest gets which says nothing of it, KiB.
pub(super) fn video_kib(guest: &Guest) -> u64 {
    if guest.is_hvm() { 8192 } else { 0 }
}

/// The disks that libxl knows of: a floppy drive is among the arguments for the device model.
pub(super) fn disks(guest: &Guest) -> impl Iterator<Item = &Disk> {
    guest.disks.iter().filter(|disk| disk.device != DiskDevice::Floppy)
}

/// A domain's configuration, as it runs: `guest` has a uuid and MAC addresses.
pub(super) fn config(guest: &Guest) -> Json {
    let mut all = vec![("c_info", c_info(guest)), ("b_info", b_info(guest))];
    let lists = [
        ("disks", disks(guest).map(disk).collect()),
        ("nics", guest.interfaces.iter().enumerate().map(|(n, i)| nic(n, i, guest.is_hvm())).collect()),
        ("pcidevs", guest.pci_devices.iter().map(pci).collect()),
        (
            "vfbs",
            if guest.is_hvm() { Vec::new() } else { guest.graphics.iter().enumerate().map(vfb).collect() },
        ),
    ];
    for (key, list) in lists {
        let has_screen = key == "vfbs" && !list.is_empty();
        if !list.is_empty() {
            all.push((key, Json::List(list)));
        }
        if has_screen {
            all.push(("vkbs", Json::List(vec![Json::Map(vec![("devid", Json::Number(0))])])));
        }
    }
    for (key, action, usual) in [
        ("on_poweroff", guest.on_poweroff, Lifecycle::Destroy),
        ("on_reboot", guest.on_reboot, Lifecycle::Destroy),
        ("on_crash", guest.on_crash, Lifecycle::Destroy),
    ] {
        // libxl leaves out what is its first word for it.
        if action != usual {
            all.push((key, text(action.name().replace('-', "_"))));
        }
    }
    all.push(("on_soft_reset", text("soft_reset")));
    Json::Map(all)
}

fn c_info(guest: &Guest) -> Json {
    Json::Map(vec![
        ("type", text(kind(guest.os.kind))),
        ("name", text(&guest.name)),
        ("domid", Json::Number(u32::MAX.into())),
        ("uuid", text(guest.uuid.unwrap_or_default().to_string())),
        ("run_hotplug_scripts", yes()),
    ])
}

fn b_info(guest: &Guest) -> Json {
    let mut map: Map = Vec::new();
    let current = guest.vcpus.current.unwrap_or(guest.vcpus.max);
    // One vcpu is what a guest has of which nothing is said.
    if guest.vcpus.max > 1 {
        map.push(("max_vcpus", Json::Number(guest.vcpus.max.into())));
        map.push(("avail_vcpus", Json::List((0..current).map(|n| Json::Number(n.into())).collect())));
    }
    if let Some(set) = &guest.vcpus.cpuset {
        let set = || Json::List(set.iter().map(|cpu| Json::Number((*cpu).into())).collect());
        map.push(("vcpu_hard_affinity", Json::List((0..guest.vcpus.max).map(|_| set()).collect())));
    }
    map.push(("max_memkb", Json::Number(guest.max_memory_kib)));
    map.push(("target_memkb", Json::Number(guest.memory_kib)));
    map.push(("video_memkb", Json::Number(video_kib(guest))));
    if guest.clock.basis == ClockBasis::Localtime {
        map.push(("localtime", yes()));
    }
    // A floppy of a kind that xl has no words for was refused when the configuration was read.
    let arguments = dm::arguments_for(guest).unwrap_or_default();
    if guest.is_hvm() && !arguments.is_empty() {
        map.push(("extra_hvm", Json::List(arguments.into_iter().map(text).collect())));
    }
    map.push(("sched_params", scheduling()));
    map.push(("claim_mode", yes()));
    maybe("device_model", guest.emulator.as_deref(), &mut map);
    maybe("kernel", guest.os.kernel.as_deref(), &mut map);
    maybe("cmdline", guest.os.cmdline.as_deref(), &mut map);
    maybe("ramdisk", guest.os.initrd.as_deref(), &mut map);
    maybe("bootloader", guest.os.bootloader.as_deref(), &mut map);
    if let Some(args) = &guest.os.bootloader_args {
        map.push(("bootloader_args", Json::List(args.split_whitespace().map(text).collect())));
    }
    map.push(match guest.os.kind {
        GuestType::Pv => ("type.pv", Json::Map(Vec::new())),
        GuestType::Pvh => ("type.pvh", Json::Map(Vec::new())),
        GuestType::Hvm => ("type.hvm", hvm(guest)),
    });
    map.push(("arch_arm", Json::Map(Vec::new())));
    map.push(("arch_x86", Json::Map(vec![("msr_relaxed", text("False"))])));
    Json::Map(map)
}

fn hvm(guest: &Guest) -> Json {
    let mut map: Map = Vec::new();
    for (key, is_on) in
        [("pae", guest.features.pae), ("apic", guest.features.apic), ("acpi", guest.features.acpi)]
    {
        // They are on where nothing is said.
        if !is_on {
            map.push((key, text("False")));
        }
    }
    if guest.features.viridian {
        map.push(("viridian", yes()));
    }
    if let Some(hap) = guest.features.hap {
        map.push(("hap", text(if hap { "True" } else { "False" })));
    }
    let card = guest.videos.first().filter(|video| video.model == "vga").map(|_| ("kind", text("std")));
    map.push(("vga", Json::Map(card.into_iter().collect())));
    let vnc = guest.graphics.iter().find_map(|graphics| match graphics {
        Graphics::Vnc { .. } => Some(vnc(graphics)),
        Graphics::Sdl { .. } | Graphics::Spice { .. } => None,
    });
    map.push(("vnc", vnc.unwrap_or_else(|| Json::Map(vec![("enable", text("False"))]))));
    let keymap = guest.graphics.iter().find_map(|graphics| match graphics {
        Graphics::Vnc { keymap, .. } => keymap.as_deref(),
        Graphics::Sdl { .. } | Graphics::Spice { .. } => None,
    });
    maybe("keymap", keymap, &mut map);
    map.push(("sdl", sdl(guest.graphics.iter().find(|graphics| matches!(graphics, Graphics::Sdl { .. })))));
    map.push(("spice", Json::Map(Vec::new())));
    match guest.serials.as_slice() {
        [] => {}
        [one] => map.push(("serial", text(port(one)))),
        more => {
            map.push(("serial_list", Json::List(more.iter().map(|serial| text(port(serial))).collect())));
        }
    }
    let letters: String = guest.os.boot.iter().map(|device| boot_letter(*device)).collect();
    maybe("boot", Some(letters.as_str()).filter(|letters| !letters.is_empty()), &mut map);
    if !guest.inputs.is_empty() {
        map.push(("usb", yes()));
        let devices = guest.inputs.iter().map(|input| text(input.kind.name())).collect();
        map.push(("usbdevice_list", Json::List(devices)));
    }
    if !guest.sounds.is_empty() {
        map.push(("soundhw", text(guest.sounds.join(","))));
    }
    map.push(("rdm", Json::Map(Vec::new())));
    Json::Map(map)
}

fn boot_letter(device: BootDevice) -> char {
    match device {
        BootDevice::Floppy => 'a',
        BootDevice::HardDisk => 'c',
        BootDevice::Cdrom => 'd',
        BootDevice::Network => 'n',
    }
}

fn port(device: &CharDevice) -> String {
    let at = |endpoint: &Endpoint| format!("{}:{}", endpoint.host, endpoint.service);
    match &device.source {
        CharSource::Null => "null".into(),
        CharSource::Stdio => "stdio".into(),
        CharSource::Vc => "vc".into(),
        CharSource::Pty => "pty".into(),
        CharSource::Dev(path) => path.clone(),
        CharSource::File(path) => format!("file:{path}"),
        CharSource::Pipe(path) => format!("pipe:{path}"),
        CharSource::Tcp { endpoint, listen, telnet } => {
            let (kind, tail) =
                (if *telnet { "telnet" } else { "tcp" }, if *listen { ",server,nowait" } else { "" });
            format!("{kind}:{}{tail}", at(endpoint))
        }
        CharSource::Udp { connect, bind } => format!("udp:{}@{}", at(connect), at(bind)),
        CharSource::Unix { path, listen } => {
            format!("unix:{path}{}", if *listen { ",server,nowait" } else { "" })
        }
    }
}

fn vnc(graphics: &Graphics) -> Json {
    let Graphics::Vnc { port, listen, password, .. } = graphics else { return Json::Map(Vec::new()) };
    let mut map: Map = vec![("enable", yes())];
    maybe("listen", listen.as_deref(), &mut map);
    maybe("passwd", password.as_deref(), &mut map);
    match port.and_then(|port| port.checked_sub(5900)) {
        Some(display) => {
            map.push(("display", Json::Number(display.into())));
            map.push(("findunused", text("False")));
        }
        None => map.push(("findunused", yes())),
    }
    Json::Map(map)
}

fn sdl(graphics: Option<&Graphics>) -> Json {
    let Some(Graphics::Sdl { display, xauth }) = graphics else { return Json::Map(Vec::new()) };
    let mut map: Map = vec![("enable", yes())];
    maybe("display", display.as_deref(), &mut map);
    maybe("xauthority", xauth.as_deref(), &mut map);
    Json::Map(map)
}

fn vfb((devid, graphics): (usize, &Graphics)) -> Json {
    let (vnc, sdl) = match graphics {
        Graphics::Vnc { .. } => (vnc(graphics), sdl(None)),
        // A PV guest has no screen of the last kind.
        Graphics::Sdl { .. } | Graphics::Spice { .. } => {
            (Json::Map(vec![("enable", text("False"))]), sdl(Some(graphics)))
        }
    };
    let mut map: Map = vec![("devid", Json::Number(devid as u64)), ("vnc", vnc), ("sdl", sdl)];
    if let Graphics::Vnc { keymap, .. } = graphics {
        maybe("keymap", keymap.as_deref(), &mut map);
    }
    Json::Map(map)
}

fn disk(disk: &Disk) -> Json {
    let mut map: Map =
        vec![("pdev_path", text(disk.source.as_deref().unwrap_or_default())), ("vdev", text(&disk.target))];
    match disk.driver.as_deref() {
        Some("phy") => map.push(("backend", text("phy"))),
        Some("tap" | "tap2") => map.push(("backend", text("tap"))),
        Some("qemu") => map.push(("backend", text("qdisk"))),
        _ => {}
    }
    let format = match (&disk.source, disk.format.as_deref()) {
        (None, _) => "empty",
        (_, format) => format.unwrap_or("raw"),
    };
    map.push(("format", text(format)));
    let is_cdrom = disk.device == DiskDevice::Cdrom;
    if is_cdrom {
        map.push(("removable", Json::Number(1)));
    }
    if !is_cdrom && !disk.readonly {
        map.push(("readwrite", Json::Number(1)));
    }
    if is_cdrom {
        map.push(("is_cdrom", Json::Number(1)));
    }
    map.push(("colo_restore_enable", text("False")));
    Json::Map(map)
}

/// The script that xl runs for an interface, as a path.
pub(super) fn vif_script(interface: &Interface) -> String {
    match interface.script.as_deref() {
        None | Some("") => "/etc/xen/scripts/vif-bridge".into(),
        Some(script) if script.starts_with('/') => script.into(),
        Some(script) => format!("/etc/xen/scripts/{script}"),
    }
}

/// The bridge of an interface that has one.
pub(super) fn bridge(interface: &Interface) -> Option<&str> {
    match &interface.kind {
        InterfaceKind::Bridge(bridge) => Some(bridge.as_deref().unwrap_or("xenbr0")),
        InterfaceKind::Ethernet(_) | InterfaceKind::HostDevice { .. } => None,
        InterfaceKind::Network(name) => Some(name),
    }
}

fn nic(devid: usize, interface: &Interface, is_hvm: bool) -> Json {
    let mut map: Map = vec![("devid", Json::Number(devid as u64))];
    let mac = interface.mac.map(|mac| mac.to_string());
    let emulated = is_hvm && interface.model.as_deref() != Some("netfront");
    if emulated {
        map.push(("model", text(interface.model.as_deref().unwrap_or("rtl8139"))));
    }
    maybe("mac", mac.as_deref(), &mut map);
    let ips: Vec<String> = interface.ips.iter().map(ToString::to_string).collect();
    if !ips.is_empty() {
        map.push(("ip", text(ips.join(" "))));
    }
    maybe("bridge", bridge(interface), &mut map);
    maybe("ifname", interface.vifname.as_deref(), &mut map);
    map.push(("script", text(interface.script.clone().unwrap_or_else(|| vif_script(interface)))));
    map.push(("nictype", text(if emulated { "vif_ioemu" } else { "vif" })));
    if let Some(rate) = interface.rate_kib {
        // Credit for each 50 ms.
        map.push(("rate_bytes_per_interval", Json::Number(rate * 1024 / 20)));
        map.push(("rate_interval_usecs", Json::Number(50_000)));
    }
    Json::Map(map)
}

fn pci(device: &crate::model::guest::PciDevice) -> Json {
    let address = device.address;
    Json::Map(vec![
        ("func", Json::Number(address.function.into())),
        ("dev", Json::Number(address.slot.into())),
        ("bus", Json::Number(address.bus.into())),
        ("domain", Json::Number(address.domain.into())),
    ])
}
