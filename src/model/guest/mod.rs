//! A guest as its configuration describes it. What a configuration language does not say is None or empty, so that no
//! language's defaults leak into another.

mod chardev;
mod controller;
mod cpu;
mod disk;
mod interface;
mod numa;
mod other;
mod tuning;

use std::collections::BTreeSet;

pub use chardev::{Channel, CharDevice, CharSource, Endpoint};
pub use controller::{Controller, UsbModel};
pub use cpu::{Cpu, CpuFeature, CpuMode, FeaturePolicy};
pub use disk::{Disk, DiskBus, DiskDevice, DiskKind, DriveAddress, NetworkHost, NetworkSource, Protocol};
pub use interface::{Interface, InterfaceKind, IpNet, Mac, Tagging, VirtualPort, Vlan, VlanTag};
pub use numa::{NumaCell, NumaMode, NumaPlace, NumaTuning};
pub use other::{
    Arguments, Graphics, Input, InputBus, InputKind, PciAddress, PciDevice, UsbDevice, UsbHost, Video,
};
pub use tuning::{CpuTuning, Passthrough, PowerManagement};

use super::{DomId, GuestType, Uuid};

/// Everything that a domain's configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The domain's name; see [`super::identity::check_name`].
    pub name: String,
    /// None: one is made up when the domain is defined or created ([`Guest::fill_in`]).
    pub uuid: Option<Uuid>,
    /// A short title for people.
    pub title: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// What other programs keep with the guest.
    pub metadata: Option<Metadata>,
    /// The most memory it may have, KiB.
    pub max_memory_kib: u64,
    /// The memory it has now, or starts with, KiB.
    pub memory_kib: u64,
    /// Virtual processors.
    pub vcpus: Vcpus,
    /// How the hypervisor's scheduler treats them.
    pub cpu_tuning: CpuTuning,
    /// From which of the host's NUMA nodes its memory comes.
    pub numa_tuning: NumaTuning,
    /// What is booted, and how.
    pub os: Os,
    /// What the virtual hardware has.
    pub features: Features,
    /// What kind of processor the guest sees; None: what the hypervisor gives.
    pub cpu: Option<Cpu>,
    /// What the guest's clock starts with.
    pub clock: Clock,
    /// When the guest powers itself off.
    pub on_poweroff: Lifecycle,
    /// When the guest reboots itself.
    pub on_reboot: Lifecycle,
    /// When the guest crashes.
    pub on_crash: Lifecycle,
    /// Whether the guest can go to sleep (HVM).
    pub power_management: PowerManagement,
    /// The device model's program.
    pub emulator: Option<String>,
    /// Disks, in the order of their targets on each bus ([`Guest::sort_disks`]) or in the toolstack's.
    pub disks: Vec<Disk>,
    /// Controllers that do not follow from the disks.
    pub controllers: Vec<Controller>,
    /// Network interfaces, in order: the guest numbers them so.
    pub interfaces: Vec<Interface>,
    /// Serial ports (HVM).
    pub serials: Vec<CharDevice>,
    /// Parallel ports (HVM).
    pub parallels: Vec<CharDevice>,
    /// Named channels between the host and programs in the guest.
    pub channels: Vec<Channel>,
    /// Input devices beyond the mouse and keyboard that every guest has.
    pub inputs: Vec<Input>,
    /// Screens.
    pub graphics: Vec<Graphics>,
    /// Sound cards, by the device model's names: `es1370`, `sb16`.
    pub sounds: Vec<String>,
    /// Video cards; empty: what the toolstack gives.
    pub videos: Vec<Video>,
    /// The host's PCI devices that the guest gets.
    pub pci_devices: Vec<PciDevice>,
    /// The host's USB devices that the guest gets.
    pub usb_devices: Vec<UsbDevice>,
    /// How many USB devices of whoever looks at the guest's spice screen it can get (HVM).
    pub usb_redirections: u32,
    /// More for the device model's command line.
    pub arguments: Option<Arguments>,
}

impl Default for Guest {
    /// Nameless, without memory and devices, one vcpu, PV.
    fn default() -> Self {
        Guest {
            name: String::new(),
            uuid: None,
            title: None,
            description: None,
            metadata: None,
            max_memory_kib: 0,
            memory_kib: 0,
            vcpus: Vcpus::default(),
            cpu_tuning: CpuTuning::default(),
            numa_tuning: NumaTuning::default(),
            os: Os::default(),
            features: Features::default(),
            cpu: None,
            clock: Clock::default(),
            on_poweroff: Lifecycle::Destroy,
            on_reboot: Lifecycle::Restart,
            on_crash: Lifecycle::Destroy,
            power_management: PowerManagement::default(),
            emulator: None,
            disks: Vec::new(),
            controllers: Vec::new(),
            interfaces: Vec::new(),
            serials: Vec::new(),
            parallels: Vec::new(),
            channels: Vec::new(),
            inputs: Vec::new(),
            graphics: Vec::new(),
            sounds: Vec::new(),
            videos: Vec::new(),
            pci_devices: Vec::new(),
            usb_devices: Vec::new(),
            usb_redirections: 0,
            arguments: None,
        }
    }
}

impl Guest {
    /// Whether it is fully virtualized with a device model.
    pub fn is_hvm(&self) -> bool {
        self.os.kind == GuestType::Hvm
    }

    /// Makes up what identifies the guest and its interfaces, where the configuration does not say it: the uuid (random, version 4) and
    /// MAC addresses (Xen's prefix 00:16:3e, the rest random and different from the guest's others).
    /// `random` fills a buffer with random bytes.
    pub fn fill_in(&mut self, mut random: impl FnMut(&mut [u8])) {
        if self.uuid.is_none() {
            let mut bytes = [0; 16];
            random(&mut bytes);
            self.uuid = Some(uuid::Builder::from_random_bytes(bytes).into_uuid());
        }
        let mut taken: BTreeSet<Mac> = self.interfaces.iter().filter_map(|interface| interface.mac).collect();
        for interface in self.interfaces.iter_mut().filter(|interface| interface.mac.is_none()) {
            let mut tail = [0; 3];
            random(&mut tail);
            let mut number = u32::from_be_bytes([0, tail[0], tail[1], tail[2]]);
            // Counts on from the random start: ends even when `random` does not vary.
            let mac = loop {
                // The first bit of the last three bytes is 0 in the addresses that Xen's tools make up.
                let mac = Mac::xen(number & 0x7f_ffff);
                if taken.insert(mac) {
                    break mac;
                }
                number = number.wrapping_add(1);
            };
            interface.mac = Some(mac);
        }
    }

    /// Puts the disks in libvirt's order: those of a bus together, by their targets' numbers; buses in the order of their first disks.
    pub fn sort_disks(&mut self) {
        let mut buses = Vec::new();
        for disk in &self.disks {
            if !buses.contains(&disk.bus()) {
                buses.push(disk.bus());
            }
        }
        let rank = |disk: &Disk| buses.iter().position(|bus| *bus == disk.bus());
        self.disks.sort_by_cached_key(|disk| (rank(disk), disk.target_index()));
    }
}

/// What is known of a guest only while it runs, and shown in its description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The number of this life; None for an inactive guest.
    pub domid: Option<DomId>,
    /// The terminal of its console in the host: `/dev/pts/5`.
    pub console_tty: Option<String>,
    /// The TCP port on which its screen can be seen.
    pub vnc_port: Option<u16>,
    /// The terminals of its serial ports in the host, in the order of [`Guest::serials`].
    pub serial_ttys: Vec<Option<String>>,
    /// The names of its interfaces in the host, in the order of [`Guest::interfaces`]: `vif3.0`.
    pub vifs: Vec<Option<String>>,
    /// Who serves its disks, in the order of [`Guest::disks`]: `phy` (the kernel), `qemu`, `tap`.
    pub disk_backends: Vec<Option<String>>,
}

/// What other programs keep with a guest, as they wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The prefixes that it uses and whose declarations stand outside of it, with their names.
    pub namespaces: Vec<(String, String)>,
    /// What stands between `<metadata>` and `</metadata>`, byte for byte.
    pub text: String,
}

/// Virtual processors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcpus {
    /// How many there can be; at least 1.
    pub max: u32,
    /// How many it starts with; None: all.
    pub current: Option<u32>,
    /// The host's processors they may run on; None: any.
    pub cpuset: Option<CpuSet>,
}

impl Default for Vcpus {
    fn default() -> Self {
        Vcpus { max: 1, current: None, cpuset: None }
    }
}

/// A set of the host's processors.
pub type CpuSet = BTreeSet<u32>;

/// What is booted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// PV, HVM or PVH.
    pub kind: GuestType,
    /// The instruction set: `x86_64`, `i686`.
    pub arch: Option<String>,
    /// libvirt's name for the virtual machine: `xenpv`, `xenfv`, `xenpvh`.
    pub machine: Option<String>,
    /// The program that finds the kernel in the guest's disk (PV): `/usr/bin/pygrub`.
    pub bootloader: Option<String>,
    /// What it is told.
    pub bootloader_args: Option<String>,
    /// The firmware (HVM).
    pub loader: Option<Loader>,
    /// The file that keeps the firmware's variables (HVM).
    pub nvram: Option<Nvram>,
    /// The firmware by its kind alone, where no loader is named (HVM).
    pub firmware: Option<Firmware>,
    /// A kernel in the host's files.
    pub kernel: Option<String>,
    /// Its initial ramdisk.
    pub initrd: Option<String>,
    /// What the kernel is told. Blanks count.
    pub cmdline: Option<String>,
    /// The kernel's root device, as old configurations say it apart from the command line.
    pub root: Option<String>,
    /// What the firmware tries, in order (HVM); empty: the toolstack's choice.
    pub boot: Vec<BootDevice>,
    /// A file of ACPI tables that the firmware adds to its own (HVM); domain XML knows it as one of the type `slic`.
    pub acpi_table: Option<String>,
}

impl Default for Os {
    fn default() -> Self {
        Os {
            kind: GuestType::Pv,
            arch: None,
            machine: None,
            bootloader: None,
            bootloader_args: None,
            loader: None,
            nvram: None,
            firmware: None,
            kernel: None,
            initrd: None,
            cmdline: None,
            root: None,
            boot: Vec::new(),
            acpi_table: None,
        }
    }
}

/// A kind of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// A PC's BIOS.
    Bios,
    /// UEFI.
    Efi,
}

impl Firmware {
    /// All, with domain XML's words.
    pub const ALL: [(Firmware, &'static str); 2] = [(Firmware::Bios, "bios"), (Firmware::Efi, "efi")];
}

/// The file that keeps the firmware's variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nvram {
    /// Where it is; None: it has no place yet.
    pub path: Option<String>,
    /// What it is made from.
    pub template: Option<String>,
}

/// The firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// Its file: `/usr/lib/xen/boot/hvmloader`.
    pub path: String,
    /// A flash image (UEFI) and not a ROM.
    pub is_pflash: bool,
    /// Whether the guest may write to it, where that is said.
    pub readonly: Option<bool>,
}

impl Loader {
    /// A ROM image.
    pub fn rom(path: impl Into<String>) -> Self {
        Loader { path: path.into(), is_pflash: false, readonly: None }
    }
}

/// A kind of device that firmware boots from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootDevice {
    /// Floppy disk.
    Floppy,
    /// Hard disk.
    HardDisk,
    /// CD-ROM.
    Cdrom,
    /// Network.
    Network,
}

/// What the virtual hardware has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// ACPI tables.
    pub acpi: bool,
    /// An interrupt controller per vcpu.
    pub apic: bool,
    /// Physical address extension.
    pub pae: bool,
    /// Hardware-assisted paging; None: the hypervisor's choice.
    pub hap: Option<bool>,
    /// Microsoft's hypervisor interface.
    pub viridian: bool,
    /// A network of its own (containers); it has no effect on Xen.
    pub privnet: bool,
    /// The guest sees the host's own map of memory (PV).
    pub e820_host: Option<bool>,
    /// Whether the host's devices can be given to it later.
    pub passthrough: Option<Passthrough>,
}

/// What the guest's clock starts with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// Universal or local time.
    pub basis: ClockBasis,
    /// How far from it.
    pub offset: ClockOffset,
    /// Timers whose presence is said.
    pub timers: Vec<Timer>,
}

/// Universal or local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockBasis {
    /// Universal time.
    #[default]
    Utc,
    /// The host's local time.
    Localtime,
}

/// How far the guest's clock starts from its basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockOffset {
    /// Not; whether a guest's own setting lasts is not said.
    #[default]
    Zero,
    /// Not, at each start: a guest's own setting is forgotten.
    Reset,
    /// By so many seconds; a guest's own setting may be kept here.
    Seconds(i64),
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timer {
    /// Which: `hpet`, `tsc` (Xen's), `pit`, `rtc`, `platform` and others.
    pub name: String,
    /// What becomes of ticks that the guest missed: `delay`, `catchup`, `merge`, `discard`.
    pub tickpolicy: Option<String>,
    /// What it follows: `boot`, `guest`, `wall`, `realtime`.
    pub track: Option<String>,
    /// How fast it runs, Hz (tsc).
    pub frequency: Option<u64>,
    /// Whether the guest has it.
    pub present: Option<bool>,
    /// How it is emulated (tsc): `native`, `emulate`, `paravirt`.
    pub mode: Option<String>,
}

/// What happens when a life ends in some way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// All of it is freed.
    Destroy,
    /// It starts again with the same configuration.
    Restart,
    /// It is kept, stopped, to be looked at.
    Preserve,
    /// It is kept, renamed, and a new one starts.
    RenameRestart,
    /// Its memory is written to a file, then it is freed (crashes).
    CoredumpDestroy,
    /// Its memory is written to a file, then it starts again (crashes).
    CoredumpRestart,
}

impl Lifecycle {
    /// All, with the words that domain XML, xend and xl share.
    pub const ALL: [(Lifecycle, &'static str); 6] = [
        (Lifecycle::Destroy, "destroy"),
        (Lifecycle::Restart, "restart"),
        (Lifecycle::Preserve, "preserve"),
        (Lifecycle::RenameRestart, "rename-restart"),
        (Lifecycle::CoredumpDestroy, "coredump-destroy"),
        (Lifecycle::CoredumpRestart, "coredump-restart"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(action, _)| *action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(target: &str) -> Disk {
        Disk { target: target.into(), ..Disk::default() }
    }

    #[test]
    fn disks_are_put_in_the_order_of_their_targets_within_a_bus() {
        let disks = ["hdc", "xvdb", "hda", "fda", "xvda", "hdb"].map(disk).into();
        let mut guest = Guest { disks, ..Guest::default() };
        guest.sort_disks();
        let targets: Vec<&str> = guest.disks.iter().map(|disk| disk.target.as_str()).collect();
        assert_eq!(targets, ["hda", "hdb", "hdc", "xvda", "xvdb", "fda"]);
    }

    #[test]
    fn what_is_missing_is_made_up_once_and_differs() {
        let mut guest = Guest { interfaces: vec![Interface::default(); 3], ..Guest::default() };
        // A source of randomness that does not vary is the worst case.
        guest.fill_in(|bytes| bytes.fill(0xff));
        let uuid = guest.uuid.expect("a uuid was made up");
        assert_eq!(uuid.get_version_num(), 4);
        let macs: Vec<String> = guest.interfaces.iter().map(|i| i.mac.unwrap().to_string()).collect();
        assert_eq!(macs, ["00:16:3e:7f:ff:ff", "00:16:3e:00:00:00", "00:16:3e:00:00:01"]);
        let before = guest.clone();
        guest.fill_in(|_| panic!("nothing is missing any more"));
        assert_eq!(guest, before);
    }
}
