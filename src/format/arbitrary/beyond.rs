//! What only some languages have a word for.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{path, words};
use crate::model::guest::{
    Arguments, Channel, CharSource, Controller, Cpu, CpuFeature, CpuMode, CpuSet, CpuTuning, DiskKind,
    FeaturePolicy, Firmware, Graphics, InterfaceKind, Metadata, NetworkHost, NetworkSource, NumaCell,
    NumaMode, NumaPlace, NumaTuning, Nvram, Passthrough, PciAddress, PowerManagement, Protocol, Tagging,
    Timer, UsbDevice, UsbHost, UsbModel, Video, VirtualPort, Vlan, VlanTag,
};
use crate::model::{Guest, Uuid};

/// What only some languages have a word for.
#[derive(Debug)]
pub(super) struct Beyond {
    metadata: Option<Metadata>,
    cpu_tuning: CpuTuning,
    numa_tuning: Option<NumaPlace>,
    cpu: Option<Cpu>,
    cell_places: bool,
    os: (Option<Nvram>, Option<Firmware>, Option<String>),
    features: (bool, Option<bool>, Option<Passthrough>),
    timers: Vec<Timer>,
    power_management: PowerManagement,
    disk: DiskOptions,
    network: Option<(String, NetworkSource)>,
    controllers: Vec<Controller>,
    interface: InterfaceOptions,
    host_card: Option<(PciAddress, bool)>,
    channels: Vec<Channel>,
    spice: Option<Graphics>,
    qxl: Option<Video>,
    permissive: bool,
    usb_devices: Vec<UsbDevice>,
    usb_redirections: u32,
    arguments: Option<Arguments>,
}

impl Beyond {
    pub(super) fn over(self, mut guest: Guest) -> Guest {
        guest.metadata = self.metadata;
        guest.cpu_tuning = self.cpu_tuning;
        guest.cpu_tuning.pins.retain(|vcpu, _| *vcpu < guest.vcpus.max);
        guest.cpu = self.cpu;
        let cells = guest.cpu.as_ref().map_or(0, |cpu| cpu.numa.len());
        guest.numa_tuning = NumaTuning { memory: self.numa_tuning.clone(), ..NumaTuning::default() };
        if let Some(place) = self.numa_tuning.filter(|_| self.cell_places) {
            guest.numa_tuning.cells = (0..).take(cells).map(|cell| (cell, place.clone())).collect();
        }
        (guest.os.nvram, guest.os.firmware, guest.os.acpi_table) = self.os;
        let features = &mut guest.features;
        (features.privnet, features.e820_host, features.passthrough) = self.features;
        guest.clock.timers.extend(self.timers);
        guest.power_management = self.power_management;
        if let Some(disk) = guest.disks.first_mut() {
            (disk.discard, disk.backend, disk.boot_order, disk.cache, disk.io) = self.disk;
        }
        if let (Some(disk), Some((name, network))) = (guest.disks.last_mut(), self.network) {
            (disk.kind, disk.source, disk.network) = (DiskKind::Network, Some(name), Some(network));
        }
        guest.controllers = self.controllers;
        if let Some(interface) = guest.interfaces.first_mut() {
            (
                interface.vlan,
                interface.virtual_port,
                interface.backend,
                interface.mtu,
                interface.boot_order,
            ) = self.interface;
        }
        if let (Some(interface), Some((address, managed))) = (guest.interfaces.last_mut(), self.host_card) {
            interface.kind = InterfaceKind::HostDevice { address, managed };
        }
        guest.channels = self.channels;
        guest.graphics.extend(self.spice);
        guest.videos.extend(self.qxl);
        // The card that nobody chose is not said.
        if !guest.graphics.is_empty() && guest.videos == [Video::usual(guest.is_hvm())] {
            guest.videos.clear();
        }
        for device in &mut guest.pci_devices {
            device.permissive = self.permissive;
        }
        guest.usb_devices = self.usb_devices;
        guest.usb_redirections = self.usb_redirections;
        guest.arguments = self.arguments;
        guest
    }
}

fn cpu_sets() -> impl Strategy<Value = CpuSet> {
    proptest::collection::btree_set(0..64u32, 1..6)
}

pub(super) fn beyond() -> impl Strategy<Value = Beyond> {
    let metadata = option::of("<a:x xmlns:a='urn:a'>[a-z ]{0,8}<!-- [a-z]{1,5} --><b/></a:x>")
        .prop_map(|text| text.map(|text: String| Metadata { namespaces: Vec::new(), text }));
    let pins = proptest::collection::btree_map(0..8u32, cpu_sets(), 0..3);
    let cpu_tuning = (pins, option::of(1..65_536u32), option::of(1..1000u32))
        .prop_map(|(pins, weight, cap_percent)| CpuTuning { pins, weight, cap_percent });
    let mode = select(NumaMode::ALL.map(|(mode, _)| mode).to_vec());
    let place = (mode, cpu_sets()).prop_map(|(mode, nodes)| NumaPlace { mode, nodes });
    let os =
        (option::of((option::of(path()), option::of(path()))), option::of(any::<bool>()), option::of(path()))
            .prop_map(|(nvram, is_efi, table)| {
                let nvram = nvram.map(|(path, template)| Nvram { path, template });
                (nvram, is_efi.map(|is_efi| if is_efi { Firmware::Efi } else { Firmware::Bios }), table)
            });
    let passthrough =
        select(vec![Passthrough::Disabled, Passthrough::Enabled, Passthrough::SyncPt, Passthrough::SharePt]);
    let features = (any::<bool>(), option::of(any::<bool>()), option::of(passthrough));
    let timer =
        (option::of("delay|catchup|merge|discard"), option::of("guest|wall"), option::of(any::<bool>()))
            .prop_map(|(tickpolicy, track, present)| Timer {
                name: "rtc".into(),
                tickpolicy,
                track,
                present,
                ..Timer::default()
            });
    let management = (option::of(any::<bool>()), option::of(any::<bool>()))
        .prop_map(|(to_memory, to_disk)| PowerManagement { to_memory, to_disk });
    let system = (option::of(place), any::<bool>(), os, features, vec(timer, 0..2), management);
    let usb_model =
        select(vec![UsbModel::Qusb1, UsbModel::Qusb2, UsbModel::Uhci, UsbModel::Ehci, UsbModel::Xhci]);
    let usb = (option::of(usb_model), option::of(1..32u32))
        .prop_map(|(model, ports)| Controller::Usb { model, ports });
    let xenbus = (option::of(1..1000u32), option::of(1..1000u32)).prop_map(|(frames, channels)| {
        Controller::Xenbus { max_grant_frames: frames, max_event_channels: channels }
    });
    let controllers = (option::of(xenbus), vec(usb, 0..3))
        .prop_map(|(xenbus, usb)| xenbus.into_iter().chain(usb).collect::<Vec<_>>());
    let channel = ("[a-z.]{1,12}", option::of(path())).prop_map(|(name, path)| Channel {
        name,
        source: match path {
            Some(path) => CharSource::Unix { path, listen: true },
            None => CharSource::Pty,
        },
    });
    let place =
        || {
            (any::<u16>(), any::<u8>(), 0..32u8, 0..8u8)
                .prop_map(|(domain, bus, slot, function)| PciAddress { domain, bus, slot, function })
        };
    let host = prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(bus, device)| UsbHost::Address { bus, device }),
        (any::<u16>(), any::<u16>()).prop_map(|(vendor, product)| UsbHost::Product { vendor, product }),
    ];
    let usb_devices = proptest::collection::btree_map(host, any::<bool>(), 0..3).prop_map(|devices| {
        devices.into_iter().map(|(host, managed)| UsbDevice { host, managed }).collect::<Vec<_>>()
    });
    let arguments = option::of((any::<bool>(), vec(words(), 1..4)))
        .prop_map(|arguments| arguments.map(|(of_qemu, words)| Arguments { of_qemu, words }));
    let devices = (
        controllers,
        vec(channel, 0..3),
        option::of((place(), any::<bool>())),
        any::<bool>(),
        usb_devices,
        0..4u32,
        arguments,
    );
    (
        (metadata, cpu_tuning, option::of(cpus()), system),
        (
            disk_options(),
            option::of(network_sources()),
            interface_options(),
            option::of(spice()),
            option::of(qxl()),
        ),
        devices,
    )
        .prop_map(
            |(
                (
                    metadata,
                    cpu_tuning,
                    cpu,
                    (numa_tuning, cell_places, os, features, timers, power_management),
                ),
                (disk, network, interface, spice, qxl),
                (controllers, channels, host_card, permissive, usb_devices, usb_redirections, arguments),
            )| Beyond {
                metadata,
                cpu_tuning,
                numa_tuning,
                cpu: cpu.filter(|cpu| *cpu != Cpu::default()),
                cell_places,
                os,
                features,
                timers,
                power_management,
                disk,
                network,
                controllers,
                interface,
                host_card,
                channels,
                spice,
                qxl,
                permissive,
                usb_devices,
                usb_redirections,
                arguments,
            },
        )
}

/// What kind of processor; its vcpus are shared out among the nodes.
fn cpus() -> impl Strategy<Value = Cpu> {
    let policy = select(FeaturePolicy::ALL.map(|(policy, _)| policy).to_vec());
    let features = proptest::collection::btree_map("pni|vmx|svm|tm|pdpe1gb|avx512[a-z]{1,3}", policy, 0..4);
    let cells = vec((1..1u64 << 20, proptest::collection::btree_map(0..4u32, 11..255u32, 0..4)), 0..4);
    (any::<bool>(), features, cells).prop_map(|(is_host, features, cells)| {
        let count = u32::try_from(cells.len()).unwrap_or(0);
        let numa = (0..).zip(cells).map(|(id, (memory_kib, distances))| NumaCell {
            vcpus: Some([id * 2, id * 2 + 1].into()),
            memory_kib,
            distances: distances
                .into_iter()
                .filter(|(to, _)| *to < count)
                .map(|(to, distance)| (to, if to == id { NumaCell::LOCAL } else { distance }))
                .collect(),
        });
        let features = features.into_iter().filter(|_| is_host);
        Cpu {
            mode: is_host.then_some(CpuMode::HostPassthrough),
            features: features.map(|(name, policy)| CpuFeature { name, policy }).collect(),
            numa: numa.collect(),
        }
    })
}

type DiskOptions = (Option<bool>, Option<String>, Option<u32>, Option<String>, Option<String>);

fn disk_options() -> impl Strategy<Value = DiskOptions> {
    (
        option::of(any::<bool>()),
        option::of("[a-z]{1,8}"),
        option::of(1..9u32),
        option::of("none|writeback|directsync"),
        option::of("threads|native"),
    )
}

/// The name of a source on the network, and how it is reached.
fn network_sources() -> impl Strategy<Value = (String, NetworkSource)> {
    let host = || {
        ("[a-z]{1,6}[.]example", option::of(1..u16::MAX)).prop_map(|(name, port)| NetworkHost { name, port })
    };
    prop_oneof![
        ("[a-z]{1,6}/[a-z]{1,6}", vec(host(), 0..3))
            .prop_map(|(name, hosts)| (name, NetworkSource { protocol: Protocol::Rbd, hosts })),
        ("iqn[.]2026-01[.]example:[a-z]{1,6}", host()).prop_map(|(name, host)| {
            (name, NetworkSource { protocol: Protocol::Iscsi, hosts: vec![host] })
        }),
    ]
}

type InterfaceOptions = (Option<Vlan>, Option<VirtualPort>, Option<String>, Option<u32>, Option<u32>);

fn interface_options() -> impl Strategy<Value = InterfaceOptions> {
    let native = option::of(select(Tagging::ALL.map(|(native, _)| native).to_vec()));
    let vlan = (proptest::collection::btree_set(0..4096u16, 1..4), native, any::<bool>()).prop_map(
        |(ids, native, trunk)| {
            let mut tags: Vec<VlanTag> = ids.into_iter().map(|id| VlanTag { id, native: None }).collect();
            if let Some(first) = tags.first_mut() {
                first.native = native;
            }
            Vlan { trunk: trunk || tags.len() > 1 || native.is_some(), tags }
        },
    );
    let id = option::of((1..u128::MAX).prop_map(Uuid::from_u128));
    let port = (id, option::weighted(0.3, "[a-z]{1,8}"))
        .prop_map(|(interface_id, profile)| VirtualPort { interface_id, profile });
    (
        option::of(vlan),
        option::of(port),
        option::of("[a-z]{1,8}"),
        option::of(68..9001u32),
        option::of(1..9u32),
    )
}

fn spice() -> impl Strategy<Value = Graphics> {
    let ports = (option::of(1..u16::MAX), option::of(1..u16::MAX));
    let texts = (option::of("[0-9.]{7}"), option::of(words()), option::of("[a-z-]{2,5}"));
    (ports, texts, option::of(any::<bool>()), option::of(any::<bool>())).prop_map(
        |((port, tls_port), (listen, password, keymap), client_mouse, clipboard)| Graphics::Spice {
            port,
            tls_port,
            listen,
            password,
            keymap,
            client_mouse,
            clipboard,
        },
    )
}

fn qxl() -> impl Strategy<Value = Video> {
    let memory = || option::of(1..100_000u32);
    (memory(), memory(), memory()).prop_map(|(vram_kib, ram_kib, vgamem_kib)| Video {
        model: "qxl".into(),
        vram_kib,
        ram_kib,
        vgamem_kib,
        heads: Some(1),
    })
}
