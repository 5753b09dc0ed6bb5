//! The model -> lines, in the README's order.

use crate::error::{Error, Result, Status};
use crate::format::beyond::beyond_xend;
use crate::format::chardev::to_words;
use crate::format::error::shown;
use crate::model::guest::{
    Arguments, BootDevice, Clock, ClockBasis, ClockOffset, Disk, DiskBus, DiskDevice, DiskKind, Graphics,
    Interface, InterfaceKind, Lifecycle, Os, Vcpus,
};
use crate::model::{Guest, GuestType};

/// Programs that are the usual device model, whose place in the host xenvm knows by itself.
const QEMUS: [&str; 2] = ["qemu-dm", "qemu-system-i386"];
/// The phystypes: what the source is, who serves it, how its data is laid out.
const DISK_KINDS: [(&str, DiskKind, Option<&str>, Option<&str>); 5] = [
    ("phy", DiskKind::Block, Some("phy"), None),
    ("file", DiskKind::File, Some("file"), None),
    ("qcow", DiskKind::File, Some("tap"), Some("qcow")),
    ("vhd", DiskKind::File, Some("tap"), Some("vhd")),
    ("aio", DiskKind::File, Some("tap"), Some("raw")),
];

fn unsupported(what: impl AsRef<str>) -> Error {
    Error::new(Status::NotSupported, format!("xenvm's configuration has no place for {}", what.as_ref()))
}

/// What a phystype means.
pub(super) fn disk_kind(word: &str) -> Option<(DiskKind, Option<&'static str>, Option<&'static str>)> {
    let (_, kind, driver, format) = DISK_KINDS.iter().find(|(name, ..)| *name == word)?;
    Some((*kind, *driver, *format))
}

/// Whether a text can stand between commas and `=`, where blanks around it do not count.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| matches!(c, ',' | '=') || c.is_control() || c.is_whitespace())
}

/// Lines that grow.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    /// Nothing quotes in this language: a value goes to the end of its line, without the blanks around it.
    fn text(&mut self, key: &str, value: &str) -> Result<()> {
        if value.contains(|c: char| c.is_control() && c != '\t') {
            return Err(unsupported(format!("a line break or control character in '{key}'")));
        }
        if value.trim_matches([' ', '\t']) != value {
            return Err(unsupported(format!("blanks around the value of '{key}'")));
        }
        self.put(key, value);
        Ok(())
    }

    fn some(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        value.map_or(Ok(()), |value| self.text(key, value))
    }
}

pub(super) fn text(guest: &Guest) -> Result<String> {
    refuse(guest)?;
    let is_hvm = guest.is_hvm();
    let mut lines = Lines::default();
    if let Some(uuid) = guest.uuid {
        lines.put("uuid", uuid);
    }
    lines.text("name", &guest.name)?;
    lines.put("hvm", is_hvm);
    os(&mut lines, &guest.os)?;
    lines.put("memory", guest.memory_kib.div_ceil(1024));
    lines.put("vcpus", guest.vcpus.max);
    // The sources of the older version know `on_restart`, its README `on_reboot`; what is there is what runs.
    for (key, action) in
        [("on_halt", guest.on_poweroff), ("on_restart", guest.on_reboot), ("on_crash", guest.on_crash)]
    {
        lines.put(key, lifecycle(key, action)?);
    }
    let features = &guest.features;
    for (key, feature) in [
        ("pae", features.pae),
        ("acpi", features.acpi),
        ("apic", features.apic),
        ("viridian", features.viridian),
    ] {
        if feature {
            lines.put(key, true);
        }
    }
    for one in &guest.disks {
        lines.text("disk", &disk(one)?)?;
    }
    for one in &guest.interfaces {
        lines.put("nic", nic(one)?);
    }
    for (id, device) in guest.pci_devices.iter().enumerate() {
        let bind = if device.managed { ",true" } else { "" };
        lines.put("pci", format!("{id}{bind},{}", device.address));
    }
    for serial in &guest.serials {
        let words =
            to_words(&serial.source).map_err(|what| unsupported(format!("a serial port on {what}")))?;
        lines.text("serial", &words)?;
    }
    match guest.graphics.first() {
        None => {}
        Some(screen) => lines.text("display", &display(screen)?)?,
    }
    if let ClockOffset::Seconds(seconds) = guest.clock.offset {
        lines.put("timeoffset", seconds);
    }
    if let Some(arguments) = &guest.arguments {
        extra(&mut lines, arguments, is_hvm)?;
    }
    Ok(lines.0)
}

/// What the language has no words for at all.
fn refuse(guest: &Guest) -> Result<()> {
    // Arguments for the device model are what this language has and xend's have not.
    if let Some(what) = beyond_xend(&Guest { arguments: None, ..guest.clone() }) {
        return Err(unsupported(what));
    }
    if guest.os.kind == GuestType::Pvh {
        return Err(unsupported("a PVH guest (<os><type>xenpvh)"));
    }
    let is_hvm = guest.is_hvm();
    let Vcpus { current, cpuset, .. } = &guest.vcpus;
    let Clock { basis, offset, timers } = &guest.clock;
    let is_usual = |path: &str| path.rsplit('/').next().is_some_and(|name| QEMUS.contains(&name));
    let nowhere = [
        ("<title>", guest.title.is_some()),
        ("<description>", guest.description.is_some()),
        (
            "a <currentMemory> below <memory>",
            guest.memory_kib.div_ceil(1024) != guest.max_memory_kib.div_ceil(1024),
        ),
        ("<vcpu current='...'>", current.is_some()),
        ("<vcpu cpuset='...'>", cpuset.is_some()),
        ("<hap>", guest.features.hap.is_some()),
        ("<clock> with local time", *basis == ClockBasis::Localtime),
        ("<clock adjustment='reset'>", *offset == ClockOffset::Reset),
        ("<timer>", !timers.is_empty()),
        (
            "an <emulator> of another name than qemu-dm",
            guest.emulator.as_deref().is_some_and(|path| !is_usual(path)),
        ),
        ("<serial> in a guest that is not HVM", !is_hvm && !guest.serials.is_empty()),
        (
            "a <serial> port but the first",
            guest.serials.len() > 1 || guest.serials.iter().any(|serial| serial.port != 0),
        ),
        ("<parallel>", !guest.parallels.is_empty()),
        ("<input bus='usb'>", !guest.inputs.is_empty()),
        ("<sound>", !guest.sounds.is_empty()),
        ("more than one <graphics>", guest.graphics.len() > 1),
        ("a <video> card of choice", !guest.videos.is_empty()),
    ];
    match nowhere.into_iter().find(|(_, present)| *present) {
        Some((what, _)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

fn os(lines: &mut Lines, os: &Os) -> Result<()> {
    if os.bootloader.is_some() || os.bootloader_args.is_some() {
        return Err(unsupported("<bootloader>: it boots a kernel in the host's files"));
    }
    if os.kind == GuestType::Hvm {
        if [&os.kernel, &os.initrd, &os.cmdline, &os.root].into_iter().any(Option::is_some) {
            return Err(unsupported(
                "<kernel>, <initrd> and <cmdline> in an HVM guest, which boots by its firmware",
            ));
        }
        if let Some(loader) = &os.loader {
            if loader.is_pflash {
                return Err(unsupported("<loader type='pflash'>"));
            }
            lines.text("kernel", &loader.path)?;
        }
        let letters: String = os.boot.iter().map(|device| boot_letter(*device)).collect();
        return lines.some("boot", (!letters.is_empty()).then_some(letters.as_str()));
    }
    if os.loader.is_some() {
        return Err(unsupported("<loader> in a guest that is not HVM"));
    }
    if !os.boot.is_empty() {
        return Err(unsupported("<boot> in a guest that is not HVM"));
    }
    if os.kernel.is_none() {
        return Err(Error::new(Status::InvalidConfig, "a PV guest of xenvm needs <kernel>"));
    }
    lines.some("kernel", os.kernel.as_deref())?;
    lines.some("initrd", os.initrd.as_deref())?;
    let root = os.root.as_ref().map(|root| format!("root={root}"));
    let words: Vec<&str> = root.as_deref().into_iter().chain(os.cmdline.as_deref()).collect();
    lines.some("cmdline", (!words.is_empty()).then(|| words.join(" ")).as_deref())
}

/// `-k v` is `extra-hvm = k=v`.
fn extra(lines: &mut Lines, arguments: &Arguments, is_hvm: bool) -> Result<()> {
    if !is_hvm {
        return Err(unsupported("arguments for the device model of a guest that is not HVM"));
    }
    let mut words = arguments.words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(key) = word.strip_prefix('-').filter(|key| is_word(key)) else {
            return Err(unsupported(format!("'{}' among the arguments for the device model", shown(word))));
        };
        match words.next_if(|next| !next.starts_with('-') && !next.is_empty()) {
            Some(value) => lines.text("extra-hvm", &format!("{key}={value}"))?,
            None => lines.text("extra-hvm", key)?,
        }
    }
    Ok(())
}

fn boot_letter(device: BootDevice) -> char {
    match device {
        BootDevice::Floppy => 'a',
        BootDevice::HardDisk => 'c',
        BootDevice::Cdrom => 'd',
        BootDevice::Network => 'n',
    }
}

fn lifecycle(key: &str, action: Lifecycle) -> Result<&'static str> {
    match action {
        Lifecycle::Destroy | Lifecycle::Restart | Lifecycle::Preserve => Ok(action.name()),
        Lifecycle::RenameRestart | Lifecycle::CoredumpDestroy | Lifecycle::CoredumpRestart => {
            Err(unsupported(format!("'{}' for {key}", action.name())))
        }
    }
}

fn disk(disk: &Disk) -> Result<String> {
    let target = &disk.target;
    let this = |what: &str| unsupported(format!("{what} of the disk {}", shown(target)));
    if disk.device == DiskDevice::Floppy {
        return Err(unsupported("<disk device='floppy'>"));
    }
    if disk.bus() != DiskBus::of_target(target) || !super::read::is_target(target) {
        return Err(this("the bus"));
    }
    if disk.shareable && !disk.readonly {
        return Err(this("<shareable>"));
    }
    let path = match disk.source.as_deref() {
        Some(path) if path.contains(':') => {
            return Err(this("a ':' in the source, which ends it,"));
        }
        Some(path) => path,
        None if disk.device == DiskDevice::Cdrom => "",
        None => {
            return Err(Error::new(
                Status::InvalidConfig,
                format!("the disk {} has no source", shown(target)),
            ));
        }
    };
    let is_tap = disk.driver.as_deref().is_some_and(|driver| driver.starts_with("tap"));
    let kind = match (disk.kind, disk.format.as_deref()) {
        (DiskKind::Block, None | Some("raw")) => "phy",
        (DiskKind::File, Some("raw")) if is_tap => "aio",
        (DiskKind::File, None | Some("raw")) => "file",
        (DiskKind::File, Some("qcow")) => "qcow",
        (DiskKind::File, Some("vhd" | "vpc")) => "vhd",
        (DiskKind::Network, None) => return Err(this("a source on the network")),
        (_, Some(format)) => return Err(this(&format!("the format '{}'", shown(format)))),
    };
    let mode = if disk.readonly { "r" } else { "w" };
    Ok(format!("{path}:{kind}:{target}:{mode}:{}", disk.device.name()))
}

fn nic(interface: &Interface) -> Result<String> {
    let is_usual = |script: &str| script.rsplit('/').next() == Some("vif-bridge");
    let bridge = match &interface.kind {
        InterfaceKind::Bridge(bridge) => bridge.as_deref(),
        InterfaceKind::Ethernet(_) => return Err(unsupported("<interface type='ethernet'>")),
        InterfaceKind::Network(_) => return Err(unsupported("<interface type='network'>: name its bridge")),
        InterfaceKind::HostDevice { .. } => return Err(unsupported("<interface type='hostdev'>")),
    };
    let nowhere = [
        ("<ip>", !interface.ips.is_empty()),
        ("<script>", interface.script.as_deref().is_some_and(|script| !is_usual(script))),
        ("<model>", interface.model.is_some()),
        ("<target dev='...'>", interface.vifname.is_some()),
        ("<bandwidth>", interface.rate_kib.is_some()),
    ];
    if let Some((what, _)) = nowhere.into_iter().find(|(_, present)| *present) {
        return Err(unsupported(format!("{what} of an interface")));
    }
    let mut words = Vec::new();
    if let Some(bridge) = bridge {
        if !is_word(bridge) {
            return Err(unsupported(format!("the bridge's name '{}'", shown(bridge))));
        }
        words.push(format!("bridge={bridge}"));
    }
    words.extend(interface.mac.map(|mac| format!("mac={mac}")));
    Ok(words.join(","))
}

fn display(screen: &Graphics) -> Result<String> {
    match screen {
        Graphics::Vnc { listen: Some(_), .. } => Err(unsupported("the address that a VNC screen listens on")),
        Graphics::Vnc { password: Some(_), .. } => Err(unsupported("a VNC screen's password")),
        Graphics::Vnc { keymap: Some(keymap), .. } if !is_word(keymap) => {
            Err(unsupported(format!("the keymap '{}'", shown(keymap))))
        }
        Graphics::Vnc { port, keymap, .. } => {
            let port = port.map_or_else(|| "use-port-unused".to_owned(), |port| format!("port={port}"));
            let keymap = keymap.as_ref().map(|keymap| format!(",keymap={keymap}")).unwrap_or_default();
            Ok(format!("vnc:{port}{keymap}"))
        }
        Graphics::Sdl { display: None, xauth: None } => Ok("sdl".into()),
        Graphics::Sdl { .. } => Err(unsupported("the X display of an SDL screen")),
        Graphics::Spice { .. } => Err(unsupported("<graphics type='spice'>")),
    }
}
