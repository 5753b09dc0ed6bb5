//! A guest's disks.

/// A disk, CD-ROM or floppy drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What the guest sees.
    pub device: DiskDevice,
    /// Whether the source is a file, a block device, or elsewhere.
    pub kind: DiskKind,
    /// Where its data is in the host, or its name on the network ([`Disk::network`]); None: an empty drive.
    pub source: Option<String>,
    /// How a source on the network is reached.
    pub network: Option<NetworkSource>,
    /// Who serves it: `file`, `phy`, `tap`, `tap2`, `qemu`; None: the toolstack's choice.
    pub driver: Option<String>,
    /// How the data is laid out: `raw`, `qcow`, `qcow2`, ...
    pub format: Option<String>,
    /// Its name in the guest: `hda`, `xvda1`, `sda`.
    pub target: String,
    /// The bus, where it is not the one that the target's name says.
    pub other_bus: Option<DiskBus>,
    /// The guest cannot write to it.
    pub readonly: bool,
    /// Other guests may write to it too.
    pub shareable: bool,
    /// Whether what the guest gives up is given back to the host; None: the toolstack's choice.
    pub discard: Option<bool>,
    /// The domain that serves it, where it is not the host's.
    pub backend: Option<String>,
    /// Its place in the order of what the firmware tries, from 1 (HVM).
    pub boot_order: Option<u32>,
    /// The device model's way to cache: `none`, `writeback`, ... Xen's toolstacks have no word for it.
    pub cache: Option<String>,
    /// The device model's way to do I/O: `threads`, `native`. Xen's toolstacks have no word for it.
    pub io: Option<String>,
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            device: DiskDevice::Disk,
            kind: DiskKind::File,
            source: None,
            network: None,
            driver: None,
            format: None,
            target: String::new(),
            other_bus: None,
            readonly: false,
            shareable: false,
            discard: None,
            backend: None,
            boot_order: None,
            cache: None,
            io: None,
        }
    }
}

impl Disk {
    /// The bus it sits on.
    pub fn bus(&self) -> DiskBus {
        self.other_bus.unwrap_or_else(|| DiskBus::of_target(&self.target))
    }

    /// The number of its target among those of the bus: 0 for `hda`, 26 for `xvdaa`. A partition has its disk's number.
    pub fn target_index(&self) -> u32 {
        target_index(&self.target).unwrap_or(0)
    }

    /// Where it sits on an emulated controller; None on the buses that have none.
    pub fn address(&self) -> Option<DriveAddress> {
        let index = target_index(&self.target)?;
        let (per_bus, buses) = match self.bus() {
            DiskBus::Ide => (2, 2),
            DiskBus::Fdc => (2, 1),
            // Narrow SCSI: seven units.
            DiskBus::Scsi => (7, 1),
            DiskBus::Xen | DiskBus::Usb => return None,
        };
        Some(DriveAddress {
            controller: index / (per_bus * buses),
            bus: index / per_bus % buses,
            unit: index % per_bus,
        })
    }
}

/// What the guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskDevice {
    /// A hard disk.
    Disk,
    /// A CD-ROM drive.
    Cdrom,
    /// A floppy drive.
    Floppy,
}

impl DiskDevice {
    /// domain XML's word.
    pub fn name(self) -> &'static str {
        match self {
            DiskDevice::Disk => "disk",
            DiskDevice::Cdrom => "cdrom",
            DiskDevice::Floppy => "floppy",
        }
    }
}

/// What a disk's source is in the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskKind {
    /// A file.
    File,
    /// A block device.
    Block,
    /// On the network.
    Network,
}

/// How a disk's source on the network is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSource {
    /// What is spoken.
    pub protocol: Protocol,
    /// Who serves it; none: whom the host's own configuration names (Ceph).
    pub hosts: Vec<NetworkHost>,
}

/// What is spoken with who serves a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Ceph's block devices; the source's name is `POOL/IMAGE`.
    Rbd,
    /// iSCSI; the source's name is the target's, and `/LUN`.
    Iscsi,
}

impl Protocol {
    /// All, with domain XML's words.
    pub const ALL: [(Protocol, &'static str); 2] = [(Protocol::Rbd, "rbd"), (Protocol::Iscsi, "iscsi")];

    /// domain XML's word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(protocol, _)| *protocol == self).map_or("", |(_, name)| name)
    }
}

/// A host that serves a disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkHost {
    /// Its name or address.
    pub name: String,
    /// The TCP port; None: the protocol's usual one.
    pub port: Option<u16>,
}

/// What a disk is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskBus {
    /// Emulated IDE.
    Ide,
    /// Emulated SCSI.
    Scsi,
    /// Emulated floppy controller.
    Fdc,
    /// Xen's own.
    Xen,
    /// Emulated USB.
    Usb,
}

impl DiskBus {
    /// All, with domain XML's words.
    pub const ALL: [(DiskBus, &'static str); 5] = [
        (DiskBus::Ide, "ide"),
        (DiskBus::Scsi, "scsi"),
        (DiskBus::Fdc, "fdc"),
        (DiskBus::Xen, "xen"),
        (DiskBus::Usb, "usb"),
    ];

    /// domain XML's word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(bus, _)| *bus == self).map_or("", |(_, name)| name)
    }

    /// From domain XML's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(bus, _)| *bus)
    }

    /// The bus that a target's name says; IDE for a name of no known kind, as libvirt has it.
    pub fn of_target(target: &str) -> Self {
        match target {
            t if t.starts_with("xvd") => DiskBus::Xen,
            t if t.starts_with("sd") => DiskBus::Scsi,
            t if t.starts_with("fd") => DiskBus::Fdc,
            _ => DiskBus::Ide,
        }
    }
}

/// A drive's place on an emulated controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveAddress {
    /// Which controller of that bus.
    pub controller: u32,
    /// Which of its channels.
    pub bus: u32,
    /// Which drive on the channel.
    pub unit: u32,
}

/// The highest number that a target's letters can say: more disks than any Xen serves.
const MAX_TARGET_INDEX: u32 = 1 << 20;

/// The number that the letters behind the bus's prefix say, in the manner of `a` .. `z`, `aa`, ...; None where
/// they say none.
fn target_index(target: &str) -> Option<u32> {
    let rest = ["xvd", "hd", "sd", "fd"].iter().find_map(|prefix| target.strip_prefix(prefix))?;
    let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() || !letters.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let number = letters.bytes().try_fold(0u32, |number, letter| {
        let number = number * 26 + u32::from(letter - b'a') + 1;
        (number <= MAX_TARGET_INDEX).then_some(number)
    })?;
    Some(number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_its_bus_its_number_and_its_place() {
        let of = |target: &str| Disk { target: target.into(), ..Disk::default() };
        assert_eq!(of("xvdab").target_index(), 27);
        assert_eq!(of("sda1").target_index(), 0);
        assert_eq!(of("hdzzzzzzzzzzzzzz").target_index(), 0);
        assert_eq!(of("xvda").address(), None);
        let place = |target: &str| of(target).address().map(|a| (a.controller, a.bus, a.unit));
        assert_eq!(place("hda"), Some((0, 0, 0)));
        assert_eq!(place("hdc"), Some((0, 1, 0)));
        assert_eq!(place("hdd"), Some((0, 1, 1)));
        assert_eq!(place("sdb"), Some((0, 0, 1)));
        assert_eq!(place("fda"), Some((0, 0, 0)));
        assert_eq!(of("hda").bus(), DiskBus::Ide);
        assert_eq!(of("anything").bus(), DiskBus::Ide);
    }
}
