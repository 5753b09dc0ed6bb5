//! Guests made up for the tests of the languages: all that the model can hold, in the form that readers give.

mod beyond;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::model::guest::{
    BootDevice, CharDevice, CharSource, Clock, ClockBasis, ClockOffset, CpuSet, Disk, DiskBus, DiskDevice,
    DiskKind, Endpoint, Features, Graphics, Input, InputBus, InputKind, Interface, InterfaceKind, IpNet,
    Lifecycle, Loader, Mac, Os, PciAddress, PciDevice, Timer, Vcpus, Video,
};
use crate::model::{Guest, GuestType, Uuid};

/// Any guest, with all that the model can hold.
pub(crate) fn whole_guests() -> impl Strategy<Value = Guest> {
    (guests().boxed(), beyond::beyond().boxed()).prop_map(|(guest, beyond)| beyond.over(guest))
}

/// Any guest of what all languages have some word for.
pub(crate) fn guests() -> impl Strategy<Value = Guest> {
    (base(), os(), hardware(), disks(), vec(interfaces(), 0..4), screens()).prop_map(
        |(base, os, hardware, disks, interfaces, (graphics, videos))| {
            let is_hvm = os.kind == GuestType::Hvm;
            let mut guest = Guest { os, disks, interfaces, graphics, videos, ..base };
            guest.sort_disks();
            // The card that nobody chose is not said.
            if !guest.graphics.is_empty() && guest.videos == [Video::usual(is_hvm)] {
                guest.videos.clear();
            }
            Guest {
                features: hardware.features,
                clock: hardware.clock,
                serials: hardware.serials,
                parallels: hardware.parallels,
                inputs: if is_hvm { hardware.inputs } else { Vec::new() },
                sounds: hardware.sounds,
                pci_devices: hardware.pci_devices,
                emulator: hardware.emulator,
                ..guest
            }
        },
    )
}

/// Text that every language can hold, with all that needs care in one.
fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ()'\"<>&;#\\\\äß\u{20ac}=,.-]{1,24}"
}

fn path() -> impl Strategy<Value = String> {
    "/[a-zA-Z0-9 ()'\"<>&:;#\\\\äß@=,.-]{1,24}"
}

fn base() -> impl Strategy<Value = Guest> {
    let memory = (1..1u64 << 32, 0..100u64).prop_map(|(max, part)| (max, (max * part / 100).max(1)));
    let vcpus =
        (1..100u32, option::of(1..100u32), option::of(proptest::collection::btree_set(0..64u32, 1..9)));
    let vcpus = vcpus.prop_map(|(max, current, cpuset): (u32, Option<u32>, Option<CpuSet>)| Vcpus {
        max,
        current: current.filter(|count| *count < max),
        cpuset,
    });
    let action = || select(Lifecycle::ALL.map(|(action, _)| action).to_vec());
    let uuid = option::of((1..u128::MAX).prop_map(Uuid::from_u128));
    let name = "[a-zA-Z0-9_.:+][a-zA-Z0-9 _.:+äß<&'\"()-]{0,20}[a-zA-Z0-9]";
    (name, uuid, option::of(words()), option::of(words()), memory, vcpus, [action(), action(), action()])
        .prop_map(
            |(name, uuid, title, description, (max, current), vcpus, [on_poweroff, on_reboot, on_crash])| {
                Guest {
                    name,
                    uuid,
                    title,
                    description,
                    max_memory_kib: max,
                    memory_kib: current,
                    vcpus,
                    on_poweroff,
                    on_reboot,
                    on_crash,
                    ..Guest::default()
                }
            },
        )
}

fn os() -> impl Strategy<Value = Os> {
    let loader = (path(), any::<bool>(), option::of(any::<bool>()))
        .prop_map(|(path, is_pflash, readonly)| Loader { path, is_pflash, readonly });
    let devices = vec![BootDevice::Floppy, BootDevice::HardDisk, BootDevice::Cdrom, BootDevice::Network];
    let boot = subsequence(devices, 0..=4).prop_shuffle();
    let kind = select(vec![GuestType::Pv, GuestType::Hvm, GuestType::Pvh]);
    let names = (option::of("i686|x86_64"), option::of("xen[a-z]{2}"));
    let loading = (option::of(path()), option::of(words()), option::of(loader));
    let kernel = (option::of(path()), option::of(path()), option::of(words()), option::of(words()));
    (kind, names, loading, kernel, boot).prop_map(
        |(
            kind,
            (arch, machine),
            (bootloader, bootloader_args, loader),
            (kernel, initrd, cmdline, root),
            boot,
        )| Os {
            kind,
            arch,
            machine,
            bootloader,
            bootloader_args,
            loader,
            kernel,
            initrd,
            cmdline,
            root,
            boot,
            ..Os::default()
        },
    )
}

#[derive(Debug)]
struct Hardware {
    features: Features,
    clock: Clock,
    serials: Vec<CharDevice>,
    parallels: Vec<CharDevice>,
    inputs: Vec<Input>,
    sounds: Vec<String>,
    pci_devices: Vec<PciDevice>,
    emulator: Option<String>,
}

fn hardware() -> impl Strategy<Value = Hardware> {
    let features =
        (any::<[bool; 4]>(), option::of(any::<bool>())).prop_map(|([acpi, apic, pae, viridian], hap)| {
            Features { acpi, apic, pae, hap, viridian, ..Features::default() }
        });
    let kind = select(InputKind::ALL.map(|(kind, _)| kind).to_vec());
    let inputs = vec(kind.prop_map(|kind| Input { kind, bus: InputBus::Usb }), 0..3);
    let place = (any::<u16>(), any::<u8>(), 0..32u8, 0..8u8)
        .prop_map(|(domain, bus, slot, function)| PciAddress { domain, bus, slot, function });
    let pci = proptest::collection::btree_map(place, any::<bool>(), 0..3).prop_map(|devices| {
        devices
            .into_iter()
            .map(|(address, managed)| PciDevice { address, managed, permissive: false })
            .collect::<Vec<_>>()
    });
    let sounds = vec("[a-z0-9]{2,6}", 0..3);
    (features, clock(), ports(), ports(), inputs, sounds, pci, option::of(path())).prop_map(
        |(features, clock, serials, parallels, inputs, sounds, pci_devices, emulator)| Hardware {
            features,
            clock,
            serials,
            parallels,
            inputs,
            sounds,
            pci_devices,
            emulator,
        },
    )
}

fn clock() -> impl Strategy<Value = Clock> {
    let basis = select(vec![ClockBasis::Utc, ClockBasis::Localtime]);
    let offset = prop_oneof![
        Just(ClockOffset::Zero),
        Just(ClockOffset::Reset),
        (-100_000..100_000i64).prop_map(ClockOffset::Seconds)
    ];
    let hpet = option::of(any::<bool>()).prop_map(|present| Timer {
        name: "hpet".into(),
        present,
        ..Timer::default()
    });
    let tsc = (option::of(any::<bool>()), option::of("native|emulate|paravirt"))
        .prop_map(|(present, mode)| Timer { name: "tsc".into(), present, mode, ..Timer::default() });
    (basis, offset, option::of(hpet), option::of(tsc)).prop_map(|(basis, offset, hpet, tsc)| Clock {
        basis,
        offset,
        timers: hpet.into_iter().chain(tsc).collect(),
    })
}

fn ports() -> impl Strategy<Value = Vec<CharDevice>> {
    let end = || ("[a-z.]{0,8}", "[0-9]{0,5}").prop_map(|(host, service)| Endpoint { host, service });
    let source = prop_oneof![
        select(vec![CharSource::Null, CharSource::Stdio, CharSource::Vc, CharSource::Pty]),
        path().prop_map(CharSource::Dev),
        path().prop_map(CharSource::File),
        path().prop_map(CharSource::Pipe),
        (path(), any::<bool>()).prop_map(|(path, listen)| CharSource::Unix { path, listen }),
        (end(), any::<bool>(), any::<bool>()).prop_map(|(endpoint, listen, telnet)| CharSource::Tcp {
            endpoint,
            listen,
            telnet
        }),
        (end(), end()).prop_map(|(connect, bind)| CharSource::Udp { connect, bind }),
    ];
    vec(option::of(source), 0..4).prop_map(|sources| {
        let numbered = (0..).zip(sources);
        numbered.filter_map(|(port, source)| Some(CharDevice { port, source: source? })).collect()
    })
}

fn disks() -> impl Strategy<Value = Vec<Disk>> {
    let device = select(vec![DiskDevice::Disk, DiskDevice::Cdrom, DiskDevice::Floppy]);
    let kind = select(vec![DiskKind::File, DiskKind::Block]);
    let bus = select(DiskBus::ALL.map(|(bus, _)| bus).to_vec());
    let driver = option::of("file|phy|tap|tap2|qemu");
    let how = (driver, option::of("raw|qcow|qcow2|vhd"), option::weighted(0.1, bus));
    let disk = (device, kind, option::weighted(0.9, path()), how, any::<bool>(), any::<bool>());
    proptest::collection::btree_map("(hd|sd|xvd)[a-p][1-4]?|fd[ab]", disk, 0..6).prop_map(|disks| {
        disks
            .into_iter()
            .map(|(target, (device, kind, source, (driver, format, bus), readonly, shareable))| Disk {
                source: source.or((device == DiskDevice::Disk).then(|| "/needed".into())),
                other_bus: bus.filter(|bus| *bus != DiskBus::of_target(&target)),
                readonly: readonly || device == DiskDevice::Cdrom,
                device,
                kind,
                driver,
                format,
                target,
                shareable,
                ..Disk::default()
            })
            .collect()
    })
}

fn interfaces() -> impl Strategy<Value = Interface> {
    let kind = prop_oneof![
        option::of("[a-z]{1,8}[0-9]").prop_map(InterfaceKind::Bridge),
        option::of("eth[0-9]").prop_map(InterfaceKind::Ethernet),
        "[a-z]{1,8}".prop_map(InterfaceKind::Network),
    ];
    let ip = (any::<std::net::IpAddr>(), option::of(0..33u8))
        .prop_filter_map("a prefix", |(address, prefix)| IpNet::new(address, prefix));
    let mac = option::of((0..1u32 << 24).prop_map(Mac::xen));
    let texts = (option::of(path()), option::of("e1000|rtl8139|netfront"), option::of("tap[0-9]"));
    (kind, mac, vec(ip, 0..3), texts, option::of(1..1_000_000u64)).prop_map(
        |(kind, mac, ips, (script, model, vifname), rate_kib)| Interface {
            kind,
            mac,
            ips,
            script,
            model,
            vifname,
            rate_kib,
            ..Interface::default()
        },
    )
}

fn screens() -> impl Strategy<Value = (Vec<Graphics>, Vec<Video>)> {
    let vnc =
        (option::of(5900..6000u16), option::of("[0-9.]{7}"), option::of(words()), option::of("[a-z-]{2,5}"))
            .prop_map(|(port, listen, password, keymap)| Graphics::Vnc { port, listen, password, keymap });
    let sdl = (option::of(words()), option::of(path()))
        .prop_map(|(display, xauth)| Graphics::Sdl { display, xauth });
    let video = ("cirrus|vga|xen", option::of(1..100_000u32), option::of(1..3u32))
        .prop_map(|(model, vram_kib, heads)| Video { model, vram_kib, heads, ..Video::default() });
    (vec(prop_oneof![3 => vnc, 1 => sdl], 0..2), vec(video, 0..2))
}
