//! The model -> a document, in libvirt's order and with what libvirt adds.

mod chardevs;
mod cpu;
mod devices;

use std::fmt::Display;

use super::Form;
use crate::format::cpuset::cpu_ranges;
use crate::model::Guest;
use crate::model::guest::{
    Arguments, BootDevice, Clock, ClockBasis, ClockOffset, Features, Firmware, Live, Metadata, Os,
    Passthrough, PowerManagement, Vcpus,
};

/// libvirt's namespaces for the device model's arguments.
const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";
const XEN_NAMESPACE: &str = "http://libvirt.org/schemas/domain/xen/1.0";

/// The document.
pub(super) fn document(guest: &Guest, live: &Live, secrets: bool, form: Form) -> String {
    let mut out = Out::default();
    let root = out.tag("domain").attr("type", "xen").some("id", live.domid);
    let arguments = guest.arguments.as_ref();
    let (prefix, namespace) = match arguments {
        Some(Arguments { of_qemu: true, .. }) => ("qemu", QEMU_NAMESPACE),
        _ => ("xen", XEN_NAMESPACE),
    };
    root.some(&format!("xmlns:{prefix}"), arguments.map(|_| namespace)).open();
    out.leaf("name", &guest.name);
    if let Some(uuid) = guest.uuid {
        out.leaf("uuid", uuid);
    }
    out.some_leaf("title", guest.title.as_ref());
    out.some_leaf("description", guest.description.as_ref());
    if let Some(metadata) = &guest.metadata {
        out.verbatim("metadata", metadata);
    }
    out.tag("memory").attr("unit", "KiB").text(guest.max_memory_kib);
    out.tag("currentMemory").attr("unit", "KiB").text(guest.memory_kib);
    vcpus(&mut out, &guest.vcpus);
    cpu::tuning(&mut out, &guest.cpu_tuning);
    cpu::numa_tuning(&mut out, &guest.numa_tuning);
    os(&mut out, &guest.os);
    features(&mut out, guest.features);
    if let Some(cpu) = &guest.cpu {
        cpu::cpu(&mut out, cpu);
    }
    clock(&mut out, &guest.clock);
    out.leaf("on_poweroff", guest.on_poweroff.name());
    out.leaf("on_reboot", guest.on_reboot.name());
    out.leaf("on_crash", guest.on_crash.name());
    power_management(&mut out, guest.power_management);
    devices::devices(&mut out, guest, live, secrets, form);
    if let Some(arguments) = arguments {
        out.tag(&format!("{prefix}:commandline")).open();
        for word in &arguments.words {
            out.tag(&format!("{prefix}:arg")).attr("value", word).empty();
        }
        out.close(&format!("{prefix}:commandline"));
    }
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
    let firmware = os.firmware.map(|kind| word_of(&Firmware::ALL, kind));
    out.tag("os").some("firmware", firmware).open();
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
    if let Some(nvram) = &os.nvram {
        let tag = out.tag("nvram").some("template", nvram.template.as_ref());
        match &nvram.path {
            Some(path) => tag.text(path),
            None => tag.empty(),
        }
    }
    out.some_leaf("kernel", os.kernel.as_ref());
    out.some_leaf("initrd", os.initrd.as_ref());
    out.some_leaf("cmdline", os.cmdline.as_ref());
    out.some_leaf("root", os.root.as_ref());
    if let Some(table) = &os.acpi_table {
        out.tag("acpi").open();
        out.tag("table").attr("type", "slic").text(table);
        out.close("acpi");
    }
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
    for (name, present) in [("viridian", features.viridian), ("privnet", features.privnet)] {
        if present {
            out.tag(name).empty();
        }
    }
    if features.e820_host.is_some() || features.passthrough.is_some() {
        out.tag("xen").open();
        if let Some(is_on) = features.e820_host {
            out.tag("e820_host").attr("state", on_off(is_on)).empty();
        }
        if let Some(passthrough) = features.passthrough {
            let mode = match passthrough {
                Passthrough::SyncPt => Some("sync_pt"),
                Passthrough::SharePt => Some("share_pt"),
                Passthrough::Disabled | Passthrough::Enabled => None,
            };
            let is_on = passthrough != Passthrough::Disabled;
            out.tag("passthrough").attr("state", on_off(is_on)).some("mode", mode).empty();
        }
        out.close("xen");
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
            .some("tickpolicy", timer.tickpolicy.as_ref())
            .some("track", timer.track.as_ref())
            .some("frequency", timer.frequency)
            .some("mode", timer.mode.as_ref())
            .empty();
    }
    out.close("clock");
}

fn power_management(out: &mut Out, management: PowerManagement) {
    if management == PowerManagement::default() {
        return;
    }
    out.tag("pm").open();
    for (name, enabled) in [("suspend-to-mem", management.to_memory), ("suspend-to-disk", management.to_disk)]
    {
        if let Some(enabled) = enabled {
            out.tag(name).attr("enabled", yes_no(enabled)).empty();
        }
    }
    out.close("pm");
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

/// The word for one of some meanings.
fn word_of<T: PartialEq>(words: &[(T, &'static str)], meaning: T) -> &'static str {
    words.iter().find(|(known, _)| *known == meaning).map_or("", |(_, word)| word)
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

    /// An element whose content is there as text.
    fn verbatim(&mut self, name: &str, metadata: &Metadata) {
        let mut tag = self.tag(name);
        for (prefix, namespace) in &metadata.namespaces {
            tag = tag.attr(&format!("xmlns:{prefix}"), namespace);
        }
        tag.out.text.push('>');
        tag.out.text.push_str(&metadata.text);
        self.end_tag(name);
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
