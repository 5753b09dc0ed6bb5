//! The model -> a document, in libvirt's order and with what libvirt adds.

use std::fmt::Display;

use crate::format::cpuset::cpu_ranges;
use crate::model::Guest;
use crate::model::guest::{
    BootDevice, CharDevice, CharSource, Clock, ClockBasis, ClockOffset, Disk, DiskBus, DiskDevice, DiskKind,
    Features, Graphics, InterfaceKind, Live, Os, Vcpus, Video,
};

/// The document.
pub(super) fn document(guest: &Guest, live: &Live, secrets: bool) -> String {
    let mut out = Out::default();
    out.tag("domain").attr("type", "xen").some("id", live.domid).open();
    out.leaf("name", &guest.name);
    if let Some(uuid) = guest.uuid {
        out.leaf("uuid", uuid);
    }
    out.some_leaf("title", guest.title.as_ref());
    out.some_leaf("description", guest.description.as_ref());
    out.tag("memory").attr("unit", "KiB").text(guest.max_memory_kib);
    out.tag("currentMemory").attr("unit", "KiB").text(guest.memory_kib);
    vcpus(&mut out, &guest.vcpus);
    os(&mut out, &guest.os);
    features(&mut out, guest.features);
    clock(&mut out, &guest.clock);
    out.leaf("on_poweroff", guest.on_poweroff.name());
    out.leaf("on_reboot", guest.on_reboot.name());
    out.leaf("on_crash", guest.on_crash.name());
    devices(&mut out, guest, live, secrets);
    out.close("domain");
    out.text
}

fn vcpus(out: &mut Out, vcpus: &Vcpus) {
    out.tag("vcpu")
        .attr("placement", "static")
        .some("cpuset", vcpus.cpuset.as_ref().map(cpu_ranges))
        .some("current", vcpus.current)
        .text(vcpus.max);
}

fn os(out: &mut Out, os: &Os) {
    out.some_leaf("bootloader", os.bootloader.as_ref());
    out.some_leaf("bootloader_args", os.bootloader_args.as_ref());
    out.tag("os").open();
    out.tag("type")
        .some("arch", os.arch.as_ref())
        .some("machine", os.machine.as_ref())
        .text(os.kind.os_type());
    if let Some(loader) = &os.loader {
        out.tag("loader")
            .some("readonly", loader.readonly.map(yes_no))
            .attr("type", if loader.is_pflash { "pflash" } else { "rom" })
            .text(&loader.path);
    }
    out.some_leaf("kernel", os.kernel.as_ref());
    out.some_leaf("initrd", os.initrd.as_ref());
    out.some_leaf("cmdline", os.cmdline.as_ref());
    out.some_leaf("root", os.root.as_ref());
    for device in &os.boot {
        let word = match device {
            BootDevice::Floppy => "fd",
            BootDevice::HardDisk => "hd",
            BootDevice::Cdrom => "cdrom",
            BootDevice::Network => "network",
        };
        out.tag("boot").attr("dev", word).empty();
    }
    out.close("os");
}

fn features(out: &mut Out, features: Features) {
    if features == Features::default() {
        return;
    }
    out.tag("features").open();
    for (name, present) in [("acpi", features.acpi), ("apic", features.apic), ("pae", features.pae)] {
        if present {
            out.tag(name).empty();
        }
    }
    match features.hap {
        Some(true) => out.tag("hap").empty(),
        Some(false) => out.tag("hap").attr("state", "off").empty(),
        None => {}
    }
    if features.viridian {
        out.tag("viridian").empty();
    }
    out.close("features");
}

fn clock(out: &mut Out, clock: &Clock) {
    let basis = match clock.basis {
        ClockBasis::Utc => "utc",
        ClockBasis::Localtime => "localtime",
    };
    let tag = out.tag("clock");
    let tag = match clock.offset {
        ClockOffset::Zero => tag.attr("offset", basis),
        ClockOffset::Reset => tag.attr("offset", basis).attr("adjustment", "reset"),
        ClockOffset::Seconds(seconds) => {
            tag.attr("offset", "variable").attr("adjustment", seconds).attr("basis", basis)
        }
    };
    if clock.timers.is_empty() {
        return tag.empty();
    }
    tag.open();
    for timer in &clock.timers {
        out.tag("timer")
            .attr("name", &timer.name)
            .some("present", timer.present.map(yes_no))
            .some("mode", timer.mode.as_ref())
            .empty();
    }
    out.close("clock");
}

fn devices(out: &mut Out, guest: &Guest, live: &Live, secrets: bool) {
    let is_hvm = guest.is_hvm();
    out.tag("devices").open();
    out.some_leaf("emulator", guest.emulator.as_ref());
    for (index, one) in guest.disks.iter().enumerate() {
        disk(out, one, live.disk_backends.get(index).and_then(Option::as_ref));
    }
    controllers(out, &guest.disks);
    for index in 0..guest.interfaces.len() {
        interface(out, guest, index, live);
    }
    for (index, device) in guest.serials.iter().enumerate() {
        port(out, "serial", device, live.serial_ttys.get(index).and_then(Option::as_ref));
    }
    for device in &guest.parallels {
        port(out, "parallel", device, None);
    }
    console(out, guest, live);
    for input in &guest.inputs {
        out.tag("input").attr("type", input.kind.name()).attr("bus", input.bus.name()).empty();
    }
    for kind in ["mouse", "keyboard"] {
        out.tag("input").attr("type", kind).attr("bus", if is_hvm { "ps2" } else { "xen" }).empty();
    }
    for screen in &guest.graphics {
        graphics(out, screen, live, secrets);
    }
    for model in &guest.sounds {
        out.tag("sound").attr("model", model).empty();
    }
    if !guest.videos.is_empty() {
        for (index, one) in guest.videos.iter().enumerate() {
            video(out, one, index == 0);
        }
    } else if !guest.graphics.is_empty() {
        video(out, &Video::usual(is_hvm), true);
    }
    for device in &guest.pci_devices {
        out.tag("hostdev")
            .attr("mode", "subsystem")
            .attr("type", "pci")
            .attr("managed", yes_no(device.managed))
            .open();
        out.tag("source").open();
        let at = device.address;
        out.tag("address")
            .attr("domain", format_args!("0x{:04x}", at.domain))
            .attr("bus", format_args!("0x{:02x}", at.bus))
            .attr("slot", format_args!("0x{:02x}", at.slot))
            .attr("function", format_args!("0x{:x}", at.function))
            .empty();
        out.close("source");
        out.close("hostdev");
    }
    out.tag("memballoon").attr("model", "xen").empty();
    out.close("devices");
}

/// `backend` serves the disk, where the configuration leaves it to the toolstack.
fn disk(out: &mut Out, disk: &Disk, backend: Option<&String>) {
    let (kind, attribute) = match disk.kind {
        DiskKind::File => ("file", "file"),
        DiskKind::Block => ("block", "dev"),
    };
    out.tag("disk").attr("type", kind).attr("device", disk.device.name()).open();
    let driver = disk.driver.as_ref().or(backend);
    if driver.is_some() || disk.format.is_some() {
        out.tag("driver").some("name", driver).some("type", disk.format.as_ref()).empty();
    }
    if let Some(source) = &disk.source {
        out.tag("source").attr(attribute, source).empty();
    }
    out.tag("target").attr("dev", &disk.target).attr("bus", disk.bus().name()).empty();
    if disk.readonly || disk.device == DiskDevice::Cdrom {
        out.tag("readonly").empty();
    }
    if disk.shareable {
        out.tag("shareable").empty();
    }
    if let Some(address) = disk.address() {
        out.tag("address")
            .attr("type", "drive")
            .attr("controller", address.controller)
            .attr("bus", address.bus)
            .attr("target", 0)
            .attr("unit", address.unit)
            .empty();
    }
    out.close("disk");
}

fn controllers(out: &mut Out, disks: &[Disk]) {
    for bus in [DiskBus::Ide, DiskBus::Scsi, DiskBus::Fdc] {
        let on_bus = disks.iter().filter(|disk| disk.bus() == bus);
        if let Some(last) = on_bus.filter_map(|disk| disk.address()).map(|address| address.controller).max() {
            // One that a disk is on needs those before it. Targets are bounded, and so is their number on a screen.
            for index in 0..=last.min(63) {
                out.tag("controller").attr("type", bus.name()).attr("index", index).empty();
            }
        }
    }
}

fn interface(out: &mut Out, guest: &Guest, index: usize, live: &Live) {
    let Some(interface) = guest.interfaces.get(index) else { return };
    let (kind, attribute, source) = match &interface.kind {
        InterfaceKind::Bridge(bridge) => ("bridge", "bridge", bridge.as_ref()),
        InterfaceKind::Ethernet(device) => ("ethernet", "dev", device.as_ref()),
        InterfaceKind::Network(network) => ("network", "network", Some(network)),
    };
    out.tag("interface").attr("type", kind).open();
    if let Some(mac) = interface.mac {
        out.tag("mac").attr("address", mac).empty();
    }
    if let Some(source) = source {
        out.tag("source").attr(attribute, source).empty();
    }
    if let Some(rate) = interface.rate_kib {
        out.tag("bandwidth").open();
        out.tag("outbound").attr("average", rate).empty();
        out.close("bandwidth");
    }
    for ip in &interface.ips {
        let family = if ip.address.is_ipv6() { "ipv6" } else { "ipv4" };
        out.tag("ip").attr("address", ip.address).attr("family", family).some("prefix", ip.prefix).empty();
    }
    if let Some(script) = &interface.script {
        out.tag("script").attr("path", script).empty();
    }
    // The name that it has in this life: as it was found, else the configuration's, else, where nobody looked, as Xen would give it.
    let by_xen = || live.domid.filter(|_| live.vifs.is_empty()).map(|domid| format!("vif{domid}.{index}"));
    let found = live.vifs.get(index).cloned().flatten();
    let vifname = found.or_else(|| interface.vifname.clone()).or_else(by_xen);
    if let Some(name) = vifname {
        out.tag("target").attr("dev", name).empty();
    }
    if let Some(model) = &interface.model {
        out.tag("model").attr("type", model).empty();
    }
    out.close("interface");
}

fn port(out: &mut Out, element: &str, device: &CharDevice, tty: Option<&String>) {
    out.tag(element).attr("type", source_type(&device.source)).open();
    if let Some(tty) = tty.filter(|_| device.source == CharSource::Pty) {
        out.tag("source").attr("path", tty).empty();
    }
    char_source(out, &device.source);
    out.tag("target").attr("port", device.port).empty();
    out.close(element);
}

fn console(out: &mut Out, guest: &Guest, live: &Live) {
    if !guest.is_hvm() {
        let tty = live.console_tty.as_ref();
        out.tag("console").attr("type", "pty").some("tty", tty).open();
        if let Some(tty) = tty {
            out.tag("source").attr("path", tty).empty();
        }
        out.tag("target").attr("type", "xen").attr("port", 0).empty();
        out.close("console");
    } else if let Some(serial) = guest.serials.first() {
        // The terminal of the port, where it was looked for: libxl's guests have a console of Xen's beside it.
        let tty = match live.serial_ttys.first() {
            Some(tty) => tty.as_ref(),
            None => live.console_tty.as_ref(),
        };
        let tty = tty.filter(|_| serial.source == CharSource::Pty);
        out.tag("console").attr("type", source_type(&serial.source)).some("tty", tty).open();
        if let Some(tty) = tty {
            out.tag("source").attr("path", tty).empty();
        }
        char_source(out, &serial.source);
        out.tag("target").attr("type", "serial").attr("port", serial.port).empty();
        out.close("console");
    }
}

fn source_type(source: &CharSource) -> &'static str {
    match source {
        CharSource::Null => "null",
        CharSource::Stdio => "stdio",
        CharSource::Vc => "vc",
        CharSource::Pty => "pty",
        CharSource::Dev(_) => "dev",
        CharSource::File(_) => "file",
        CharSource::Pipe(_) => "pipe",
        CharSource::Tcp { .. } => "tcp",
        CharSource::Udp { .. } => "udp",
        CharSource::Unix { .. } => "unix",
    }
}

fn char_source(out: &mut Out, source: &CharSource) {
    let mode = |listen: bool| if listen { "bind" } else { "connect" };
    match source {
        CharSource::Null | CharSource::Stdio | CharSource::Vc | CharSource::Pty => {}
        CharSource::Dev(path) | CharSource::File(path) | CharSource::Pipe(path) => {
            out.tag("source").attr("path", path).empty();
        }
        CharSource::Tcp { endpoint, listen, telnet } => {
            out.tag("source")
                .attr("mode", mode(*listen))
                .attr("host", &endpoint.host)
                .attr("service", &endpoint.service)
                .empty();
            out.tag("protocol").attr("type", if *telnet { "telnet" } else { "raw" }).empty();
        }
        CharSource::Udp { connect, bind } => {
            for (mode, end) in [("bind", bind), ("connect", connect)] {
                if mode == "bind" && end.host.is_empty() && end.service.is_empty() {
                    continue;
                }
                out.tag("source")
                    .attr("mode", mode)
                    .some("host", Some(&end.host).filter(|host| !host.is_empty()))
                    .some("service", Some(&end.service).filter(|service| !service.is_empty()))
                    .empty();
            }
        }
        CharSource::Unix { path, listen } => {
            out.tag("source").attr("mode", mode(*listen)).attr("path", path).empty();
        }
    }
}

fn graphics(out: &mut Out, graphics: &Graphics, live: &Live, secrets: bool) {
    match graphics {
        Graphics::Vnc { port, listen, password, keymap } => {
            let shown = port.map(i32::from).or(live.vnc_port.map(i32::from)).unwrap_or(-1);
            out.tag("graphics")
                .attr("type", "vnc")
                .attr("port", shown)
                .attr("autoport", yes_no(port.is_none()))
                .some("listen", listen.as_ref())
                .some("keymap", keymap.as_ref())
                .some("passwd", password.as_ref().filter(|_| secrets))
                .open();
            out.tag("listen").attr("type", "address").some("address", listen.as_ref()).empty();
            out.close("graphics");
        }
        Graphics::Sdl { display, xauth } => {
            out.tag("graphics")
                .attr("type", "sdl")
                .some("display", display.as_ref())
                .some("xauth", xauth.as_ref())
                .empty();
        }
    }
}

fn video(out: &mut Out, video: &Video, primary: bool) {
    out.tag("video").open();
    out.tag("model")
        .attr("type", &video.model)
        .some("vram", video.vram_kib)
        .some("heads", video.heads)
        .some("primary", primary.then_some("yes"))
        .empty();
    out.close("video");
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// A document that grows. Each element has a line of its own, two blanks further in than its parent.
#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

/// A start tag that is being written.
struct Tag<'a> {
    out: &'a mut Out,
    name: &'a str,
}

impl Out {
    fn tag<'a>(&'a mut self, name: &'a str) -> Tag<'a> {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        Tag { out: self, name }
    }

    fn leaf(&mut self, name: &str, text: impl Display) {
        self.tag(name).text(text);
    }

    fn some_leaf(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.end_tag(name);
    }

    fn end_tag(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }

    fn escape(&mut self, text: &str, in_attribute: bool) {
        for c in text.chars() {
            match c {
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '&' => self.text.push_str("&amp;"),
                '\'' if in_attribute => self.text.push_str("&apos;"),
                // A reader takes them for blanks, or drops them, where they are not written so.
                '\t' | '\n' if in_attribute => self.text.push_str(&format!("&#{};", u32::from(c))),
                '\r' => self.text.push_str("&#13;"),
                '\t' | '\n' => self.text.push(c),
                // XML has no way to write these; a domain's name in xend can hold them.
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                _ => self.text.push(c),
            }
        }
    }
}

impl Tag<'_> {
    fn attr(self, name: &str, value: impl Display) -> Self {
        self.out.text.push(' ');
        self.out.text.push_str(name);
        self.out.text.push_str("='");
        self.out.escape(&value.to_string(), true);
        self.out.text.push('\'');
        self
    }

    fn some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    fn open(self) {
        self.out.text.push_str(">\n");
        self.out.depth += 1;
    }

    fn empty(self) {
        self.out.text.push_str("/>\n");
    }

    fn text(self, text: impl Display) {
        self.out.text.push('>');
        self.out.escape(&text.to_string(), false);
        self.out.end_tag(self.name);
    }
}
