//! libxl's JSON as a real xl 4.17 printed it: what the library understands of each, by expectations written by hand.

// A test that cannot read its data has failed.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

use xenith::format::libxl_json::{Described, from_json};
use xenith::model::guest::{
    BootDevice, Channel, CharDevice, CharSource, Clock, ClockBasis, ClockOffset, Disk, DiskDevice, DiskKind,
    Endpoint, Features, Graphics, Guest, Input, InputBus, InputKind, Interface, InterfaceKind, Lifecycle,
    Loader, Os, PciAddress, PciDevice, Timer, Vcpus, Video,
};
use xenith::model::{GuestType, Uuid};

fn recorded(name: &str) -> Vec<Described> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/libxl").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    from_json(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn one(name: &str) -> Guest {
    let mut all = recorded(name);
    assert_eq!(all.len(), 1, "{name}");
    assert_eq!(all[0].domid, None, "{name}");
    all.remove(0).guest
}

fn uuid(text: &str) -> Option<Uuid> {
    Some(text.parse().expect("a uuid"))
}

fn disk(source: &str, format: &str, target: &str) -> Disk {
    Disk {
        source: Some(source.into()),
        kind: if source.starts_with("/dev/") { DiskKind::Block } else { DiskKind::File },
        format: Some(format.into()),
        target: target.into(),
        ..Disk::default()
    }
}

fn bridged(bridge: Option<&str>, mac: Option<&str>) -> Interface {
    Interface {
        kind: InterfaceKind::Bridge(bridge.map(str::to_owned)),
        mac: mac.map(|mac| mac.parse().expect("a MAC address")),
        ..Interface::default()
    }
}

/// Nothing is said about where it leads.
fn unconnected(mac: Option<&str>) -> Interface {
    Interface { kind: InterfaceKind::Ethernet(None), ..bridged(None, mac) }
}

fn timer(name: &str, present: bool, mode: Option<&str>) -> Timer {
    Timer { name: name.into(), present: Some(present), mode: mode.map(str::to_owned), ..Timer::default() }
}

fn pci(bus: u8, slot: u8, function: u8, managed: bool) -> PciDevice {
    PciDevice { address: PciAddress { domain: 0, bus, slot, function }, managed, permissive: false }
}

fn usb(kind: InputKind) -> Input {
    Input { kind, bus: InputBus::Usb }
}

#[test]
fn all_that_a_pv_guest_can_say_is_read() {
    let expected = Guest {
        name: "fullpv".into(),
        uuid: uuid("4dea22b3-1d52-d8f3-2516-782e98ab3f01"),
        max_memory_kib: 204_800,
        memory_kib: 102_400,
        vcpus: Vcpus { max: 4, current: Some(2), cpuset: Some([0, 1, 3].into()) },
        os: Os {
            kernel: Some("/boot/vmlinuz".into()),
            initrd: Some("/boot/guest.gz".into()),
            cmdline: Some("root=/dev/xvda1 ro quiet \"x\" a=b".into()),
            ..Os::default()
        },
        clock: Clock {
            basis: ClockBasis::Localtime,
            offset: ClockOffset::Seconds(3600),
            timers: vec![timer("tsc", true, Some("native"))],
        },
        on_poweroff: Lifecycle::Preserve,
        on_reboot: Lifecycle::Destroy,
        on_crash: Lifecycle::CoredumpRestart,
        // Those of a bus together: sda1 comes last.
        disks: vec![
            disk("/tmp/disk.img", "raw", "xvda"),
            Disk { readonly: true, ..disk("/tmp/q.qcow2", "qcow2", "xvdb") },
            disk("/dev/loop7", "raw", "xvdc"),
            Disk { driver: Some("qemu".into()), ..disk("/tmp/disk2.img", "raw", "xvde") },
            Disk { driver: Some("phy".into()), ..disk("/dev/vg/x", "raw", "xvdf") },
            // xl takes all behind target= for the path.
            disk("/x,script=block-drbd", "raw", "xvdg"),
            disk("/tmp/disk2.img", "raw", "sda1"),
        ],
        interfaces: vec![
            Interface {
                ips: vec!["10.0.0.2".parse().expect("an address"), "10.0.0.3".parse().expect("an address")],
                script: Some("vif-route".into()),
                vifname: Some("tapx".into()),
                // xl's megabyte has a million bytes.
                rate_kib: Some(977),
                ..bridged(Some("xenbr0"), Some("00:16:3e:01:02:03"))
            },
            unconnected(None),
            Interface { rate_kib: Some(1221), ..bridged(Some("br1"), None) },
            Interface { mtu: Some(1400), ..unconnected(Some("00:16:3e:aa:bb:cc")) },
        ],
        graphics: vec![Graphics::Vnc {
            port: None,
            listen: Some("0.0.0.0".into()),
            password: Some("secret".into()),
            keymap: Some("de".into()),
        }],
        channels: vec![Channel { name: "org.qemu.guest_agent.0".into(), source: CharSource::Pty }],
        pci_devices: vec![pci(1, 0, 0, false), PciDevice { permissive: true, ..pci(2, 31, 7, true) }],
        ..Guest::default()
    };
    assert_eq!(one("pv-all.json"), expected);
}

#[test]
fn all_that_an_hvm_guest_can_say_is_read() {
    let tcp = CharSource::Tcp {
        endpoint: Endpoint { host: "127.0.0.1".into(), service: "4555".into() },
        listen: true,
        telnet: false,
    };
    let sources = [
        CharSource::Pty,
        CharSource::File("/tmp/s.log".into()),
        tcp,
        CharSource::Dev("/dev/ttyS0".into()),
        CharSource::Null,
    ];
    let drive = |disk: Disk| Disk { device: DiskDevice::Cdrom, readonly: true, ..disk };
    let expected = Guest {
        name: "fullhvm".into(),
        uuid: uuid("4dea22b3-1d52-d8f3-2516-782e98ab3f02"),
        max_memory_kib: 262_144,
        memory_kib: 131_072,
        vcpus: Vcpus { max: 3, current: Some(2), cpuset: None },
        os: Os {
            kind: GuestType::Hvm,
            boot: vec![BootDevice::Cdrom, BootDevice::HardDisk, BootDevice::Network],
            ..Os::default()
        },
        features: Features { hap: Some(false), viridian: true, ..Features::default() },
        clock: Clock {
            basis: ClockBasis::Localtime,
            offset: ClockOffset::Seconds(-7200),
            timers: vec![timer("hpet", false, None), timer("tsc", true, Some("emulate"))],
        },
        emulator: Some("/usr/libexec/xen-qemu-system-i386".into()),
        disks: vec![
            disk("/tmp/disk.img", "raw", "hda"),
            drive(disk("/tmp/cd.iso", "raw", "hdc")),
            drive(Disk { target: "hdd".into(), ..Disk::default() }),
            disk("/x.vhd,removable", "vhd", "sda"),
        ],
        interfaces: vec![
            Interface { model: Some("e1000".into()), ..bridged(Some("b"), Some("00:16:3e:00:00:01")) },
            Interface { model: Some("netfront".into()), ..bridged(Some("b"), None) },
            unconnected(None),
        ],
        serials: (0..).zip(sources).map(|(port, source)| CharDevice { port, source }).collect(),
        inputs: vec![usb(InputKind::Tablet), usb(InputKind::Mouse)],
        graphics: vec![
            Graphics::Vnc {
                port: None,
                listen: Some("127.0.0.1".into()),
                password: Some("p'w".into()),
                keymap: Some("de".into()),
            },
            Graphics::Sdl { display: Some(":1".into()), xauth: Some("/root/.X".into()) },
        ],
        sounds: vec!["es1370".into(), "sb16".into()],
        videos: vec![Video {
            model: "vga".into(),
            vram_kib: Some(32768),
            heads: Some(1),
            ..Video::default()
        }],
        pci_devices: vec![pci(1, 0, 0, false)],
        on_reboot: Lifecycle::Restart,
        ..Guest::default()
    };
    assert_eq!(one("hvm-all.json"), expected);
}

#[test]
fn the_other_recorded_guests_are_read() {
    let sdl = one("pv-sdl.json");
    assert_eq!(sdl.os.bootloader_args.as_deref(), Some("--kernel=/vm linuz -q"));
    assert_eq!(
        (sdl.on_poweroff, sdl.on_reboot, sdl.on_crash),
        (Lifecycle::Restart, Lifecycle::RenameRestart, Lifecycle::RenameRestart)
    );
    // libxl gives every framebuffer a VNC screen that does not refuse one.
    assert_eq!(
        sdl.graphics,
        [
            Graphics::Vnc { port: None, listen: None, password: None, keymap: None },
            Graphics::Sdl { display: Some(":0.0".into()), xauth: Some("/root/.Xa".into()) },
        ]
    );

    let pygrub = one("pv-pygrub.json");
    assert_eq!(pygrub.os.bootloader.as_deref(), Some("/usr/bin/pygrub"));
    assert_eq!(pygrub.os.bootloader_args.as_deref(), Some("--kernel=/vm -q"));
    assert_eq!(pygrub.os.cmdline.as_deref(), Some("root=/dev/xvda1 a"));
    // Each vcpu has its own set.
    assert_eq!(pygrub.vcpus, Vcpus { max: 2, current: None, cpuset: None });

    let small = one("hvm-small.json");
    assert_eq!(
        small.features,
        Features { acpi: true, apic: true, pae: true, hap: Some(true), ..Features::default() }
    );
    assert_eq!((small.graphics, small.inputs), (Vec::new(), vec![usb(InputKind::Tablet)]));
    assert_eq!(small.serials, [CharDevice { port: 0, source: CharSource::Pty }]);
    assert_eq!(
        small.videos,
        [Video { model: "cirrus".into(), vram_kib: Some(8192), heads: Some(1), ..Video::default() }]
    );

    let kernel = one("hvm-kernel.json");
    assert_eq!(kernel.os.loader, Some(Loader::rom("/usr/lib/xen/boot/hvmloader")));
    assert_eq!(kernel.os.kernel.as_deref(), Some("/boot/vmlinuz"));
    assert_eq!(kernel.os.cmdline.as_deref(), Some("a=b c"));
    assert!(kernel.features.viridian);
    assert_eq!(kernel.clock.timers, [timer("tsc", true, Some("paravirt"))]);

    let uefi = one("hvm-uefi.json");
    assert!(uefi.os.loader.is_some_and(|loader| loader.is_pflash));
    assert_eq!(uefi.sounds, ["sb16", "es1370"]);
    assert_eq!(uefi.videos[0].model, "qxl");

    assert_eq!(one("hvm-nothing.json").graphics.len(), 1);

    let pvh = one("pvh.json");
    assert_eq!((pvh.os.kind, pvh.features.hap), (GuestType::Pvh, Some(true)));
    assert_eq!((pvh.clock.offset, pvh.on_crash), (ClockOffset::Seconds(60), Lifecycle::CoredumpDestroy));
    assert_eq!(one("pvh-pygrub.json").os.bootloader.as_deref(), Some("pygrub"));

    let cpus = one("pvh-cpus.json");
    assert_eq!(cpus.vcpus, Vcpus { max: 2, current: None, cpuset: Some([0, 1, 3].into()) });
    assert_eq!(cpus.interfaces[1].kind, InterfaceKind::Ethernet(None));
    assert_eq!(cpus.interfaces[2].rate_kib, Some(98));
}

#[test]
fn lists_of_running_domains_are_read() {
    let list = recorded("list-pv-pvh.json");
    let names: Vec<_> = list.iter().map(|one| (one.domid, one.guest.name.as_str())).collect();
    assert_eq!(names, [(Some(0), "Domain-0"), (Some(1), "pv1"), (Some(2), "pvh1")]);
    assert_eq!(list[0].guest.uuid, None);
    // No limit: 16 TiB less a page.
    assert_eq!((list[0].guest.max_memory_kib, list[0].guest.memory_kib), (17_179_869_180, 1_023_999));
    assert_eq!(list[1].guest.videos, []);
    assert_eq!(list[2].guest.os.kind, GuestType::Pvh);

    let list = recorded("list-hvm-pv.json");
    let [_, hvm, pv] = list.as_slice() else { panic!("{} domains", list.len()) };
    assert_eq!(hvm.guest.serials.len(), 2);
    assert_eq!(hvm.guest.disks[2].source, None);
    assert_eq!(
        hvm.guest.videos,
        [Video { model: "cirrus".into(), vram_kib: Some(8192), heads: Some(1), ..Video::default() }]
    );
    assert_eq!(pv.guest.interfaces[0].vifname.as_deref(), Some("foo0"));
    assert_eq!(pv.guest.interfaces[1].mac.map(|mac| mac.to_string()).as_deref(), Some("00:16:3e:06:e8:8f"));
}
