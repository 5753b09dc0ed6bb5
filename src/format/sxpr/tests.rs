//! What xend cannot hold is refused by name, what it answers is understood, and guests go there and back.

use proptest::prelude::*;

use super::*;
use crate::Status;
use crate::format::arbitrary::guests;
use crate::format::xml;
use crate::model::GuestType;
use crate::model::guest::{
    BootDevice, CharSource, ClockOffset, DiskDevice, DiskKind, Graphics, InterfaceKind, Loader, Timer,
};

const PV: &str = "<domain type='xen'><name>g</name><memory>65536</memory>
  <os><type>linux</type><kernel>/k</kernel></os><devices></devices></domain>";

/// The PV guest of `PV` with one part replaced, as that xend gets it.
fn sent(part: &str, other: &str, format: XendFormat) -> Result<Sexpr> {
    assert_eq!(PV.matches(part).count(), 1, "{part}");
    to_sxpr(&xml::parse(&PV.replace(part, other)).expect("the document is good"), format)
}

#[track_caller]
fn refused(part: &str, other: &str, format: XendFormat, words: &str) {
    let error = sent(part, other, format).expect_err(words);
    assert!(matches!(error.status, Status::NotSupported | Status::InvalidConfig), "{error}");
    assert!(error.message.contains(words), "{error}\nhas no {words}");
}

#[test]
fn what_xend_cannot_hold_is_refused_by_name() {
    use XendFormat::V4;
    let os = "<type>linux</type><kernel>/k</kernel>";
    refused("linux", "xenpvh", V4, "PVH guest");
    refused("<kernel>/k</kernel>", "", V4, "needs <kernel>, or a <bootloader>");
    refused("<memory>", "<title>t</title><memory>", V4, "<title>");
    refused(os, "<type>hvm</type><loader type='pflash'>/ovmf</loader>", V4, "UEFI");
    refused(os, "<type>hvm</type><initrd>/i</initrd>", V4, "need a <kernel>");
    let network = "<devices><interface type='network'><source network='default'/></interface>";
    refused("<devices>", network, V4, "the network 'default'");
    refused("<devices>", "<devices><sound model='sb16'/>", V4, "<sound> in a PV guest");
    refused("<devices>", "<devices><serial type='pty'/>", V4, "<serial> in a PV guest");
    refused(
        "<devices>",
        "<devices><graphics type='vnc'/><graphics type='sdl'/>",
        V4,
        "more than one <graphics>",
    );
    refused("<devices>", "<devices><graphics type='vnc' port='80'/>", V4, "first port is 5900");
    refused("<os>", "<clock offset='variable' adjustment='60'/><os>", V4, "<clock> adjustment");
}

#[test]
fn what_an_old_xend_cannot_hold_is_refused_by_it_alone() {
    let hvm = PV.replace("linux", "hvm");
    let with =
        |devices: &str| xml::parse(&hvm.replace("<devices>", &format!("<devices>{devices}"))).expect("good");
    let cdrom = with("<disk device='cdrom'><source file='/c'/><target dev='hdd'/></disk>");
    let secret = with("<graphics type='vnc' passwd='p'/>");
    for (guest, words) in [(cdrom, "has hdc only"), (secret, "the password or listening address")] {
        assert!(to_sxpr(&guest, XendFormat::V1).expect_err(words).message.contains(words));
        to_sxpr(&guest, XendFormat::V2).expect("Xen 3.0.3 can");
    }
    let clock = hvm.replace("<os>", "<clock offset='variable' adjustment='60'/><os>");
    let guest = xml::parse(&clock).expect("good");
    assert!(to_sxpr(&guest, XendFormat::V3).expect_err("no place").message.contains("before Xen 3.1"));
    let sent = to_sxpr(&guest, XendFormat::V4).expect("Xen 3.1 can");
    assert_eq!(sent.lookup("vm/image/hvm/rtc_timeoffset"), Some("60"));
}

fn answer(text: &str) -> Result<(Guest, Live)> {
    from_sxpr(&Sexpr::parse_first(text.as_bytes()).expect("an S-expression"))
}

#[test]
fn values_that_are_no_configuration_are_refused() {
    for (text, words) in [
        ("(domain (memory 1))", "(name ...) is missing"),
        ("(domain (name g))", "(memory ...) is missing"),
        ("(domain (name g) (memory x))", "(memory x) is no number"),
        ("(domain (name g) (memory -1))", "(memory -1) is no number"),
        ("(domain (name g) (memory 18446744073709551615))", "more memory than any machine has"),
        ("(domain (name g) (memory 1) (vcpus 5000))", "more than 4096"),
        ("(domain (name g) (memory 1) (uuid zzz))", "(uuid zzz) is no uuid"),
        ("(domain (name g) (memory 1) (on_crash frob))", "(on_crash frob) is not known"),
        ("(domain (name g) (memory 1) (image (hvm (boot x))))", "'x' in (boot ...)"),
        ("(domain (name g) (memory 1) (image (hvm (serial frob))))", "'frob' is no port's connection"),
        ("(domain (name g) (memory 1) (device (vif (mac 1:2))))", "(mac 1:2) is no MAC address"),
        ("(domain (name g) (memory 1) (device (pci (dev (slot 0x20)))))", "no such address"),
        ("atom", "(name ...) is missing"),
        ("()", "(name ...) is missing"),
    ] {
        let error = answer(text).expect_err(words);
        assert_eq!(error.status, Status::InvalidConfig);
        assert!(error.message.starts_with("xend's configuration: "), "{error}");
        assert!(error.message.contains(words), "{error}\nhas no {words}");
    }
}

#[test]
fn the_oddities_of_real_answers_are_understood() {
    // Xen 3.0.4 while it reboots a domain: no vcpus, numbers quoted, empty strings as nothing.
    let (guest, live) = answer(
        "(domain (domid 3) (name g) (memory '128') (maxmem 64) (vcpus 0) (vcpu_avail 0) (bootloader )
          (cpus (0 1)) (cpus (0 1)) (image (linux (kernel ))) (device (vif (backend 0))) (device (vbd (backend 0))))",
    )
    .expect("a real answer");
    assert_eq!((guest.vcpus.max, guest.vcpus.current, live.domid), (1, None, Some(3)));
    assert_eq!((guest.memory_kib, guest.max_memory_kib), (131_072, 131_072));
    assert_eq!((guest.os.bootloader, guest.os.kernel), (None, None));
    assert_eq!(guest.vcpus.cpuset, Some([0, 1].into()));
    assert_eq!((guest.interfaces.len(), guest.disks.len()), (1, 0));
    // Xen 4.1: a list per vcpu; None as a string.
    let (guest, live) = answer("(domain (domid 'None') (name g) (memory 1) (vcpus 2) (cpus ((0) ())))")
        .expect("a real answer");
    assert_eq!((guest.vcpus.cpuset, live.domid), (None, None));
    // Xen 3.4: the firmware twice, the screen twice.
    let (guest, _) = answer(
        "(domain (name g) (memory 1) (image (hvm (kernel hvmloader) (loader /usr/lib/xen/boot/hvmloader) (vnc 1)
          (vncunused 1) (vncpasswd a))) (device (vfb (vncunused 1) (vnc 1) (vncpasswd a))))",
    )
    .expect("a real answer");
    assert_eq!((guest.os.kernel, guest.os.loader), (None, Some(Loader::rom("/usr/lib/xen/boot/hvmloader"))));
    let password = Some("a".into());
    assert_eq!(guest.graphics, [Graphics::Vnc { port: None, listen: None, password, keymap: None }]);
}

#[test]
fn a_port_that_xend_chose_belongs_to_the_life() {
    let vfb = |domid: &str| {
        answer(&format!(
            "(domain {domid} (name g) (memory 1) (device (vfb (type vnc) (vncunused 1) (vncdisplay 7))))"
        ))
    };
    assert_eq!(vfb("(domid 3)").expect("good").1.vnc_port, Some(5907));
    assert_eq!(vfb("").expect("good").1.vnc_port, None);
}

#[test]
fn a_device_that_the_host_is_to_give_up_is_refused() {
    let device = "<devices><hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='6' slot='2' \
                  function='0'/></source></hostdev>";
    let error =
        sent("<devices>", device, XendFormat::V4).expect_err("xend would leave it with the host's driver");
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("06:02.0") && error.message.contains("pciback"), "{error}");
    sent("<devices>", &device.replace("yes", "no"), XendFormat::V4).expect("given away by the user");
}

proptest! {
    #[test]
    fn a_guest_goes_to_xend_and_back(guest in guests()) {
        // Few guests have nothing that xend cannot hold: those that have are made to.
        let plain = plain(guest.clone());
        let sent = to_sxpr(&plain, XendFormat::V4);
        prop_assert!(sent.is_ok(), "{:?}", sent);
        for (guest, format) in [(&guest, XendFormat::V4), (&plain, XendFormat::V4), (&plain, XendFormat::V2)] {
            match to_sxpr(guest, format) {
                Ok(value) => {
                    let read = Sexpr::parse_first(&value.to_bytes()).map_err(|error| error.to_string());
                    prop_assert_eq!(read.as_ref(), Ok(&value));
                    let (held, live) = from_sxpr(&value).map_err(|error| TestCaseError::fail(error.to_string()))?;
                    prop_assert_eq!(held, as_xend_holds(guest.clone(), format), "{}", value);
                    prop_assert_eq!(live, Live::default());
                }
                Err(error) => {
                    prop_assert!(matches!(error.status, Status::NotSupported | Status::InvalidConfig), "{}", error);
                }
            }
        }
    }

    #[test]
    fn any_value_is_read_or_refused(text in "\\(domain( ?\\((name|memory|vcpus|vcpu_avail|cpus|uuid|image|device|hvm|vfb|vbd|vif|pci|dev|serial|domid|rate|ip) ?[a-z0-9:@/,.' -]{0,20}\\)?){0,30}\\){0,30}") {
        if let Ok(value) = Sexpr::parse_first(text.as_bytes()) {
            let _ = from_sxpr(&value);
        }
    }
}

/// A guest without what no xend holds.
fn plain(mut guest: Guest) -> Guest {
    guest.title = None;
    if guest.os.kind == GuestType::Pvh {
        guest.os.kind = GuestType::Hvm;
    }
    guest.os.kernel.get_or_insert("/k".into());
    if guest.is_hvm() {
        guest.os.bootloader = None;
        guest.os.root = None;
        if let Some(loader) = &mut guest.os.loader {
            loader.is_pflash = false;
        }
    } else {
        guest.os.loader = None;
        guest.os.boot.clear();
        guest.serials.clear();
        guest.parallels.clear();
        guest.sounds.clear();
        if guest.clock.offset != ClockOffset::Zero {
            guest.clock.offset = ClockOffset::Reset;
        }
    }
    guest.pci_devices.iter_mut().for_each(|device| device.managed = false);
    let is_hvm = guest.is_hvm();
    let there = |timer: &Timer| (timer.name == "tsc" && timer.present != Some(false)) || is_hvm;
    guest.clock.timers.retain(|timer| there(timer) && (timer.name == "hpet" || timer.present != Some(false)));
    guest.videos.retain(|video| (video.model == "xen") != is_hvm && video.heads != Some(2));
    guest.disks.retain(|disk| {
        disk.device != DiskDevice::Floppy
            || (is_hvm && disk.source.is_some() && disk.target.starts_with("fd"))
    });
    for interface in &mut guest.interfaces {
        if let InterfaceKind::Network(name) = &interface.kind {
            interface.kind = InterfaceKind::Bridge(Some(name.clone()));
        }
    }
    for device in guest.serials.iter_mut().chain(&mut guest.parallels) {
        if let CharSource::Unix { path, .. } = &mut device.source {
            path.retain(|c| c != ',');
        }
    }
    guest
}

/// What xend keeps of a guest: whole MiB, its own terms for the clock, and what libvirt leaves to the toolstack said; not what
/// the module's description names as left out.
fn as_xend_holds(mut guest: Guest, format: XendFormat) -> Guest {
    let is_hvm = guest.is_hvm();
    guest.memory_kib = guest.memory_kib.next_multiple_of(1024);
    guest.max_memory_kib = guest.max_memory_kib.next_multiple_of(1024);
    guest.os.arch = None;
    guest.os.machine = None;
    guest.clock.offset = match guest.clock.offset {
        _ if !is_hvm => ClockOffset::Reset,
        ClockOffset::Seconds(seconds) => ClockOffset::Seconds(seconds),
        ClockOffset::Zero | ClockOffset::Reset => ClockOffset::Seconds(0),
    };
    // A timer that is not changed, or that a guest of this kind does not have, is not said.
    guest.clock.timers.retain_mut(|timer| match timer.name.as_str() {
        "hpet" => is_hvm && timer.present.is_some(),
        _ => {
            timer.present = Some(true);
            timer.mode.is_some()
        }
    });
    if is_hvm {
        guest.emulator.get_or_insert("/usr/lib/xen/bin/qemu-dm".into());
        let path = guest.os.loader.take().map_or("/usr/lib/xen/boot/hvmloader".into(), |loader| loader.path);
        guest.os.loader = Some(Loader::rom(path));
        if guest.os.boot.is_empty() {
            guest.os.boot.push(BootDevice::HardDisk);
        }
    } else {
        guest.features = Default::default();
        guest.os.loader = None;
        if guest.os.bootloader.is_some() {
            (guest.os.kernel, guest.os.initrd) = (None, None);
        }
        if format < XendFormat::V3 {
            guest.emulator = None;
        }
        guest.videos.clear();
    }
    // Floppy drives stand in the image, behind the others, and have no driver.
    let (floppies, disks): (Vec<_>, Vec<_>) =
        guest.disks.into_iter().partition(|disk| is_hvm && disk.device == DiskDevice::Floppy);
    guest.disks = disks;
    guest.disks.extend(floppies.into_iter().filter(|disk| disk.source.is_some()));
    for disk in &mut guest.disks {
        let floppy = is_hvm && disk.device == DiskDevice::Floppy;
        disk.other_bus = None;
        let driver =
            disk.driver.clone().unwrap_or(if disk.kind == DiskKind::File { "file" } else { "phy" }.into());
        let driver = if floppy { "file".to_owned() } else { driver };
        let is_tap = driver.starts_with("tap");
        disk.kind = if driver == "phy" { DiskKind::Block } else { DiskKind::File };
        disk.format = is_tap.then(|| disk.format.clone().unwrap_or("raw".into()));
        disk.driver = Some(driver);
        if disk.source.is_none() {
            (disk.driver, disk.format, disk.kind) = (None, None, DiskKind::File);
        }
        disk.readonly &= !floppy;
        disk.shareable &= !disk.readonly && !floppy;
    }
    for interface in &mut guest.interfaces {
        let bridge = match &interface.kind {
            InterfaceKind::Bridge(bridge) => {
                interface.script.get_or_insert("vif-bridge".into());
                bridge.clone()
            }
            _ => None,
        };
        let script = interface.script.as_deref().unwrap_or_default();
        interface.kind = match bridge {
            None if !script.contains("bridge") => InterfaceKind::Ethernet(None),
            bridge => InterfaceKind::Bridge(bridge),
        };
    }
    for video in &mut guest.videos {
        video.vram_kib = video.vram_kib.filter(|vram| *vram != 16384).map(|vram| vram.next_multiple_of(1024));
        video.heads = None;
    }
    guest.videos.retain(|video| video.model == "vga" || video.vram_kib.is_some());
    guest
}

#[test]
fn everything_wrong_with_a_text_is_said_at_once_with_its_place() {
    let text = "(vm\n (name a/b)\n (uuid 12)\n (vcpus many)\n (on_crash maybe)\n (image (hvm (boot xy) (serial frob)))\n \
                (device (vif (mac 1) (rate fast)))\n (device (pci (dev (slot 99)))))";
    let said: Vec<String> =
        examine(text).problems.iter().map(|one| format!("{one} [{}]", one.length)).collect();
    let said: Vec<&str> =
        said.iter().map(|one| one.trim_start_matches("xend's configuration, line ")).collect();
    assert_eq!(
        said,
        [
            "1, column 1: (memory ...) is missing [3]",
            "2, column 2: the name 'a/b' has a '/', which no domain's name can have [10]",
            "3, column 2: (uuid 12) is no uuid: expected 32 hexadecimal digits [9]",
            "4, column 2: (vcpus many) is no number, or out of range [12]",
            "5, column 2: (on_crash maybe) is not known; expected destroy, restart, preserve, rename-restart, \
             coredump-destroy, coredump-restart [16]",
            "6, column 14: 'x' in (boot ...) is no device; expected a, c, d or n [9]",
            "6, column 24: 'frob' is no port's connection [13]",
            "7, column 15: (mac 1) is no MAC address [7]",
            "7, column 23: (rate fast) is no rate; expected such as 10MB/s [11]",
            "8, column 15: a (pci ...) device has no such address: domain up to 0xffff, bus to 0xff, slot to 0x1f, func to 7 [15]",
        ]
    );
    for (text, expected) in [
        ("", "line 1, column 1: no value; expected (vm ...)"),
        ("(vm (name", "unexpected end of input"),
        ("\n (frob)", "line 2, column 2: this is no guest of xend's"),
    ] {
        let said = examine(text).problems[0].to_string();
        assert!(said.contains(expected), "{said} is not {expected}");
    }
}

#[test]
fn what_3_0_4_says_twice_or_without_a_name_is_understood() {
    let text = "(domain (name a) (memory 64) (image (linux (kernel /k) (args 'quiet root=/dev/xvda ro') (root '/dev/xvda ro'))) \
                (device ((uuid b11ed229-6b5f-daeb-cb37-37b06872155b) (dev (slot 0x03) (bus 0x00) (domain 0x0000) (func 0x0)))))";
    let (guest, _) = from_sxpr(&Sexpr::parse_first(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(guest.os.cmdline.as_deref(), Some("quiet root=/dev/xvda ro"));
    assert_eq!(guest.os.root, None, "it stands in the command line");
    assert_eq!(guest.pci_devices.len(), 1);
    let other = text.replace("root=/dev/xvda ro'", "root=/dev/xvda rootwait'");
    let (guest, _) = from_sxpr(&Sexpr::parse_first(other.as_bytes()).unwrap()).unwrap();
    assert_eq!(guest.os.root.as_deref(), Some("/dev/xvda ro"));
}

#[test]
fn a_pv_guest_of_3_0_2_has_no_cdrom_drive() {
    let mut guest = Guest { name: "a".into(), ..Guest::default() };
    guest.os.kernel = Some("/k".into());
    guest.disks.push(crate::model::guest::Disk {
        device: DiskDevice::Cdrom,
        target: "hdc".into(),
        ..Default::default()
    });
    let error = to_sxpr(&guest, XendFormat::V1).unwrap_err();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("CD-ROM drive in a PV guest ('hdc') on Xen 3.0.2"), "{error}");
    assert!(to_sxpr(&guest, XendFormat::V2).is_ok());
}
