//! Both documents' keys, what is refused and where, and what goes through both directions.

use proptest::prelude::*;

use super::*;
use crate::Status;
use crate::format::arbitrary::guests;
use crate::format::problem::Severity;
use crate::format::reduce::write_what_fits;
use crate::format::xml;
use crate::model::GuestType;
use crate::model::guest::{
    BootDevice, ClockOffset, DiskDevice, DiskKind, Graphics, InterfaceKind, Lifecycle, Live,
};

/// The README's two examples.
const PV: &str = "uuid = 00000000-0000-0000-0000-000000000001\nhvm = false\nkernel = /boot/vmlinuz-2.6.18-xenU\n\
                  cmdline = root=/dev/sda1 ro\nmemory = 64\ndisk = /dev/vg/test:phy:sda:w:disk\nvif =\n";
const HVM: &str = "uuid = 00000000-0000-0000-0000-000000000002\nhvm = true\nmemory = 256\n\
                   disk = /dev/vg/testhvm:phy:hda:w:disk\n\
                   disk = /var/opt/xen/iso_import/w2k3eesp2.iso:file:hdd:r:cdrom\nboot = dc\npae = true\nacpi = true\n\
                   apic = true\n";

/// All problems as `e LINE:COLUMN MESSAGE`.
fn problems(text: &str) -> Vec<String> {
    let one = |problem: &crate::format::Problem| {
        let place = problem.place.map_or("-".into(), |place| format!("{}:{}", place.line, place.column));
        let severity = if problem.severity == Severity::Error { 'e' } else { 'w' };
        format!("{severity} {place} {}", problem.message)
    };
    examine(text).problems.iter().map(one).collect()
}

/// Says what is wrong with one line more in the PV example (line 8) or the HVM one (line 10).
#[track_caller]
fn refused(example: &str, line: &str, expected: &str) {
    let said = problems(&format!("{example}{line}\n"));
    assert!(
        matches!(said.as_slice(), [one] if one.contains(expected)),
        "{line}: {said:#?} is not {expected}"
    );
}

#[test]
fn the_readmes_examples_are_read() {
    let pv = from_xenvm(PV).unwrap();
    assert_eq!((pv.name.as_str(), pv.os.kind), ("vm-00000000-0000-0000-0000-000000000001", GuestType::Pv));
    assert_eq!((pv.memory_kib, pv.vcpus.max), (64 * 1024, 1));
    assert_eq!(pv.os.cmdline.as_deref(), Some("root=/dev/sda1 ro"));
    let disk = &pv.disks[0];
    assert_eq!(
        (disk.kind, disk.source.as_deref(), disk.readonly),
        (DiskKind::Block, Some("/dev/vg/test"), false)
    );
    assert_eq!(pv.interfaces.len(), 1);
    assert_eq!(
        (pv.on_poweroff, pv.on_reboot, pv.on_crash),
        (Lifecycle::Destroy, Lifecycle::Restart, Lifecycle::Destroy)
    );

    let hvm = from_xenvm(HVM).unwrap();
    assert!(hvm.is_hvm() && hvm.features.pae && hvm.features.acpi && hvm.features.apic);
    assert_eq!(hvm.os.boot, [BootDevice::Cdrom, BootDevice::HardDisk]);
    assert_eq!((hvm.disks[1].device, hvm.disks[1].readonly), (DiskDevice::Cdrom, true));
}

#[test]
fn every_key_that_the_model_carries_is_read() {
    let text = "name = web\nuuid = 00000000-0000-0000-0000-000000000001\nhvm = true\nstartup = started\ndebug = false\n\
                kernel = /usr/lib/xen/boot/hvmloader\nmemory = 0x100\nvcpus = 2\non_halt = preserve\non_reboot = reboot\n\
                on_crash = restart\ndisk = /a:qcow:hda:w:disk\ndisk = /b:vhd:hdb:w:disk:none\ndisk = /c:aio:sda:r:disk\n\
                disk = :file:hdc:r:cdrom\nnic = bridge=xen-br0,mac=ab:de:fe:dc:ba:ab,id=1\nvif = mac=00:16:3e:00:00:01\n\
                pci = 1,bind,0000:01:13.0\npci = 0,0000:01:12.1\nserial = tcp:1.2.3.4:1234\n\
                display = vnc:port=5901,keymap=de\nviridian = true\nextra-hvm = std-vga\nextra-hvm = net=nic model=e1000\nboot = n\ntimeoffset = -3600\ninject-sci = 0\n";
    assert_eq!(problems(text), [""; 0]);
    let guest = from_xenvm(text).unwrap();
    assert_eq!((guest.name.as_str(), guest.memory_kib, guest.vcpus.max), ("web", 256 * 1024, 2));
    assert_eq!(
        (guest.on_poweroff, guest.on_reboot, guest.on_crash),
        (Lifecycle::Preserve, Lifecycle::Restart, Lifecycle::Restart)
    );
    let formats: Vec<_> = guest.disks.iter().map(|disk| disk.format.as_deref()).collect();
    assert_eq!(formats, [Some("qcow"), Some("vhd"), Some("raw"), None]);
    assert_eq!(guest.disks[3].source, None);
    // The one without a number gets the lowest that is free.
    assert_eq!(guest.interfaces[0].mac.unwrap().to_string(), "00:16:3e:00:00:01");
    assert_eq!(guest.interfaces[1].kind, InterfaceKind::Bridge(Some("xen-br0".into())));
    let devices: Vec<_> =
        guest.pci_devices.iter().map(|one| (one.address.to_string(), one.managed)).collect();
    assert_eq!(devices, [("0000:01:12.1".into(), false), ("0000:01:13.0".into(), true)]);
    assert_eq!(guest.serials.len(), 1);
    let keymap = Some("de".into());
    assert_eq!(guest.graphics, [Graphics::Vnc { port: Some(5901), listen: None, password: None, keymap }]);
    assert_eq!(guest.clock.offset, ClockOffset::Seconds(-3600));
    assert_eq!(guest.arguments.unwrap().words, ["-std-vga", "-net", "nic model=e1000"]);
    // The older version's words for a screen.
    let old = from_xenvm(&format!("{HVM}vnc = 3\nvnc_keymap = fr\n")).unwrap();
    let keymap = Some("fr".into());
    assert_eq!(old.graphics, [Graphics::Vnc { port: Some(5903), listen: None, password: None, keymap }]);
}

#[test]
fn what_has_no_place_is_named_and_the_guest_is_good_without_it() {
    for line in [
        "paused = true",
        "startup = paused",
        "startup = restore /tmp/state",
        "debug = true",
        "verbose = true",
        "output = /tmp/log",
        "daemonize = true",
        "datadir = /var/xenvm",
        "notify = unix,/tmp/socket",
        "no_mem_check = true",
        "nx = true",
        "smbios-pt = true",
        "smbios-oem-type-pt = 129",
        "acpi-pt = true",
        "diskinfo-pt = true",
        "power-management = 1",
        "oem-features = 1",
        "timer-mode = 1",
        "pci-msitranslate = 1",
        "pci-power-management = 1",
        "inject-sci = 1",
        "cpuid = 0:eax=0x1",
        "display = intel",
        "disk = /x:vhd:hdb:w:disk:temporary",
        "disk = /x:vhd:hdb:w:disk:none:key-file=/k",
        "nic = id=5",
        "nic = mac=vm",
        "nic = network=n",
        "cmdline = quiet",
    ] {
        let text = format!("{HVM}{line}\n");
        let examined = examine(&text);
        let said = problems(&text);
        assert!(
            matches!(said.as_slice(), [one] if one.starts_with("w 10:") && one.contains("has no place")),
            "{line}: {said:?}"
        );
        assert!(examined.guest.is_some(), "{line}");
    }
    refused(HVM, "just words", "w 10:1 'just words' has no '='");
    refused(PV, "serial = /dev/ttyS0", "w 8:1 'serial' has no place");
    refused(PV, "boot = c", "w 8:1 'boot' has no place");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (line, expected) in [
        ("frob = 1", "e 10:1 the key 'frob' is not known"),
        ("= 1", "e 10:1 a key is missing"),
        ("  Memory = 64", "e 10:3 the key 'Memory' is not known"),
        ("memory = 64M", "e 10:10 memory = '64M': expected a number of MiB"),
        ("memory = 0", "e 10:10 memory = '0'"),
        ("vcpus = 5000", "e 10:9 vcpus = '5000': expected 1 to 4096"),
        ("hvm = yes", "e 10:7 hvm = 'yes': expected true or false"),
        ("debug = 1", "e 10:9 debug = '1': expected true or false"),
        ("inject-sci = on", "e 10:14 inject-sci = 'on': expected a number"),
        ("uuid = 1", "e 10:8 uuid = '1': expected a uuid of 36 characters"),
        ("uuid = 00000000-0000-0000-0000-000000000000", "all zeroes is Domain-0's"),
        ("name = a/b", "e 10:8 the name 'a/b' has a '/'"),
        ("boot = x", "e 10:8 boot = 'x': expected letters"),
        ("boot = cc", "expected each letter once"),
        ("on_crash = rename-restart", "expected destroy, restart or preserve"),
        ("disk = /x:file:hdb:w", "expected physpath:phystype:virtpath:mode:devtype"),
        ("disk = nbd:/x:file:hdb:w:disk", "a phystype (the second part)"),
        ("disk = /x:file:vda:w:disk", "a virtpath (the third part)"),
        ("disk = /x:file:hdb:x:disk", "a mode (the fourth part)"),
        ("disk = /x:file:hdb:w:tape", "a devtype (the fifth part)"),
        ("disk = :file:hdb:w:disk", "only a cdrom can be empty"),
        ("disk = /x:file:hda:w:disk", "e 10:8 disk: the name hda is taken"),
        ("nic = mac=1:2", "six pairs of hexadecimal digits"),
        ("nic = id=33", "expected an id of 0 to 32"),
        ("pci = 1", "devid,domain:bus:slot.function"),
        ("pci = 1,0000:01:20.0", "devid,domain:bus:slot.function"),
        ("pci = 1,maybe,0000:01:10.0", "devid,domain:bus:slot.function"),
        ("serial = frob", "expected pty, a device"),
        ("serial = tcp:a:b:1", "expected pty, a device"),
        ("nic = bridge=a b", "a bridge's name without blanks"),
        ("display = vnc\nvnc_keymap = a b", "a keymap such as de"),
        ("extra-hvm = =x", "KEY or KEY=VALUE"),
        ("display = gtk", "expected none, vnc, sdl or intel"),
        ("display = vnc:port=0", "a port of 1 to 65535"),
        ("display = vnc:listen=1", "the options use-port-unused"),
        ("timeoffset = UTC", "a number of seconds"),
        ("startup = maybe", "expected started, paused"),
        ("vnc = -1", "a display's number or a TCP port"),
        ("acpi = true\r", "e 10:12 a carriage return"),
    ] {
        refused(HVM, line, expected);
    }
    refused(HVM, "display = none\nvnc = 1", "e 11:1 both 'display' and its old name 'vnc'");
    refused(HVM, "nic = id=0\nnic = id=0", "e 11:7 nic = 'id=0': expected an id that no other has");
    refused(
        HVM,
        "pci = 0,0000:01:10.0\npci = 1,0000:01:10.0",
        "e 11:7 pci: the device 0000:01:10.0 stands here a second time",
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    assert_eq!(
        problems("hvm = maybe\nmemory = lots\n\nfrob = 1\ndisk = x\nstartup = paused\n"),
        [
            "e - the guest has neither a name nor a uuid: expected name = NAME or uuid = UUID",
            "e 1:7 hvm = 'maybe': expected true or false",
            "e 2:10 memory = 'lots': expected a number of MiB that a guest can have",
            "e 4:1 the key 'frob' is not known: xenvm refuses it as well",
            "e 5:8 disk = 'x': expected physpath:phystype:virtpath:mode:devtype",
            "w 6:11 'startup' has no place in a guest's description: it says what the monitor does when it begins",
        ]
    );
    let error = from_xenvm("memory = x\nfrob = 1\n").unwrap_err();
    assert_eq!(error.status, Status::InvalidConfig);
    assert!(error.message.ends_with("expected name = NAME or uuid = UUID (and 3 more)"), "{error}");
}

#[test]
fn what_xenvm_cannot_do_is_refused_by_name() {
    let guest = xml::parse(
        "<domain type='xen'><name>g</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>\
         <disk type='file'><source file='/a'/><target dev='hda'/></disk></devices></domain>",
    )
    .unwrap();
    assert!(to_xenvm(&guest).is_ok());
    type Change = fn(&mut Guest);
    let changes: [(&str, Change); 12] = [
        ("<title>", |guest| guest.title = Some("t".into())),
        ("<currentMemory>", |guest| guest.memory_kib /= 2),
        ("cpuset", |guest| guest.vcpus.cpuset = Some([1].into())),
        ("<hap>", |guest| guest.features.hap = Some(true)),
        ("PVH", |guest| guest.os.kind = GuestType::Pvh),
        ("<kernel>", |guest| guest.os.kernel = Some("/k".into())),
        ("rename-restart", |guest| guest.on_crash = Lifecycle::RenameRestart),
        ("blanks around the value of 'name'", |guest| guest.name = " g".into()),
        ("line break or control character in 'disk'", |guest| {
            guest.disks[0].source = Some("/a\nhvm = false".into())
        }),
        ("a ':' in the source", |guest| guest.disks[0].source = Some("/a:b".into())),
        ("format 'qcow2' of the disk hda", |guest| guest.disks[0].format = Some("qcow2".into())),
        ("the bus of the disk vda", |guest| guest.disks[0].target = "vda".into()),
    ];
    for (expected, change) in changes {
        let mut other = guest.clone();
        change(&mut other);
        let error = to_xenvm(&other).expect_err(expected);
        assert_eq!(error.status, Status::NotSupported, "{error}");
        assert!(error.message.contains(expected), "{error} has no {expected}");
    }
    let mut pv = guest;
    pv.os.kind = GuestType::Pv;
    assert_eq!(to_xenvm(&pv).unwrap_err().status, Status::InvalidConfig);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(guest in guests()) {
        let taken = std::cell::RefCell::new(None);
        let write = |part: &Guest| {
            let text = to_xenvm(part)?;
            *taken.borrow_mut() = Some(part.clone());
            Ok(text)
        };
        // The part of the guest that xenvm can do: few random ones it can do whole.
        if let Ok((text, _)) = write_what_fits(&guest, &write) {
            let examined = examine(&text);
            prop_assert!(examined.problems.is_empty(), "{text}{:?}", examined.problems);
            let again = examined.guest.unwrap();
            prop_assert_eq!(to_xenvm(&again).unwrap(), text);
            let expected = taken.into_inner().unwrap();
            let described = |guest: &Guest| xml::write_with_secrets(guest, &Live::default());
            let stripped = |guest: &Guest| strip(guest.clone());
            prop_assert_eq!(described(&stripped(&again)), described(&stripped(&expected)));
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}", line in "(disk|nic|pci|display|boot|uuid|cpuid)[ =]{1,3}[a-z0-9:,.=x-]{0,40}") {
        examine(&text);
        examine(&format!("{PV}{line}\n{text}"));
    }
}

/// Without what the module says is not kept.
fn strip(mut guest: Guest) -> Guest {
    guest.os.arch = None;
    guest.os.machine = None;
    guest.emulator = None;
    guest.memory_kib = guest.memory_kib.div_ceil(1024) * 1024;
    guest.max_memory_kib = guest.max_memory_kib.div_ceil(1024) * 1024;
    guest.os.cmdline = match (guest.os.root.take(), guest.os.cmdline.take()) {
        (Some(root), Some(words)) => Some(format!("root={root} {words}")),
        (Some(root), None) => Some(format!("root={root}")),
        (None, words) => words,
    };
    if let Some(loader) = &mut guest.os.loader {
        loader.readonly = None;
    }
    for disk in &mut guest.disks {
        (disk.driver, disk.shareable, disk.other_bus) = (None, false, None);
        disk.format =
            disk.format.take().filter(|format| format != "raw").map(|format| format.replace("vpc", "vhd"));
    }
    for interface in &mut guest.interfaces {
        interface.script = None;
    }
    guest
}
