//! The four guests of the Xen driver's documentation: what the library understands of each, what it sends to xend, and that xend's form gives
//! the same guest and description back. All expectations are written by hand.

// A test that cannot read its data has failed.
#![allow(clippy::expect_used)]

use std::path::Path;

use xenith::format::sxpr::{XendFormat, from_sxpr, to_sxpr};
use xenith::format::xml;
use xenith::model::guest::{
    BootDevice, Clock, ClockBasis, ClockOffset, Disk, DiskDevice, DiskKind, Features, Graphics, Guest,
    Interface, InterfaceKind, Lifecycle, Live, Loader, Os, Vcpus,
};
use xenith::model::{GuestType, Uuid};
use xenith::wire::sexpr::Sexpr;

fn seed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seeds").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> Guest {
    xml::parse(&seed(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn file_disk(device: DiskDevice, source: &str, target: &str, readonly: bool) -> Disk {
    Disk {
        device,
        kind: DiskKind::File,
        source: Some(source.into()),
        target: target.into(),
        readonly,
        ..Disk::default()
    }
}

fn bridged(mac: &str, script: &str) -> Interface {
    Interface {
        kind: InterfaceKind::Bridge(Some("xenbr0".into())),
        mac: Some(mac.parse().expect("a MAC address")),
        script: Some(script.into()),
        ..Interface::default()
    }
}

fn vnc(port: Option<u16>) -> Graphics {
    Graphics::Vnc { port, listen: None, password: None, keymap: None }
}

/// The PV guest that both PV seeds share.
fn pv() -> Guest {
    Guest {
        name: "fc8".into(),
        max_memory_kib: 131_072,
        memory_kib: 131_072,
        vcpus: Vcpus { max: 1, current: None, cpuset: None },
        disks: vec![file_disk(DiskDevice::Disk, "/var/lib/xen/images/fc4.img", "sda1", false)],
        interfaces: vec![bridged("aa:00:00:00:00:11", "/etc/xen/scripts/vif-bridge")],
        ..Guest::default()
    }
}

/// The HVM guest that both HVM seeds share.
fn hvm() -> Guest {
    Guest {
        name: "fv0".into(),
        uuid: Some(Uuid::from_u128(0x4dea22b3_1d52_d8f3_2516_782e98ab3fa0)),
        max_memory_kib: 524_288,
        memory_kib: 524_288,
        os: Os {
            kind: GuestType::Hvm,
            loader: Some(Loader::rom("/usr/lib/xen/boot/hvmloader")),
            ..Os::default()
        },
        features: Features { pae: true, acpi: true, apic: true, ..Features::default() },
        clock: Clock { basis: ClockBasis::Localtime, ..Clock::default() },
        on_poweroff: Lifecycle::Destroy,
        on_reboot: Lifecycle::Restart,
        on_crash: Lifecycle::Restart,
        emulator: Some("/usr/lib/xen/bin/qemu-dm".into()),
        disks: vec![
            file_disk(DiskDevice::Disk, "/var/lib/xen/images/fv0", "hda", false),
            file_disk(DiskDevice::Cdrom, "/var/lib/xen/images/fc5-x86_64-boot.iso", "hdc", true),
            file_disk(DiskDevice::Floppy, "/root/fd.img", "fda", false),
        ],
        interfaces: vec![bridged("00:16:3e:5d:c7:9e", "vif-bridge")],
        graphics: vec![vnc(Some(5904))],
        ..Guest::default()
    }
}

fn with_kernel(mut guest: Guest) -> Guest {
    guest.os.kernel = Some("/var/lib/xen/install/vmlinuz-fedora8-x86_64".into());
    guest.os.initrd = Some("/var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64".into());
    guest.os.cmdline = Some(" kickstart=http://example.com/myguest.ks ".into());
    guest
}

fn pv_bootloader() -> Guest {
    let mut guest = pv();
    guest.os.bootloader = Some("/usr/bin/pygrub".into());
    guest
}

fn pv_direct_kernel() -> Guest {
    let mut guest = with_kernel(pv());
    guest.graphics = vec![vnc(None)];
    guest
}

fn hvm_bios() -> Guest {
    let mut guest = hvm();
    guest.os.boot = vec![BootDevice::HardDisk];
    guest
}

#[test]
fn everything_in_the_four_seeds_is_understood() {
    assert_eq!(read("pv-bootloader.xml"), pv_bootloader());
    assert_eq!(read("pv-direct-kernel.xml"), pv_direct_kernel());
    assert_eq!(read("hvm-bios.xml"), hvm_bios());
    assert_eq!(read("hvm-direct-kernel.xml"), with_kernel(hvm()));
}

/// What xend gets for each, and what comes back of it in the order of the library's own form.
const SENT: [(&str, &str); 4] = [
    (
        "pv-bootloader.xml",
        "(vm (name fc8) (memory 128) (maxmem 128) (vcpus 1) (bootloader /usr/bin/pygrub)
          (on_poweroff destroy) (on_reboot restart) (on_crash destroy)
          (image (linux (localtime 0))) (localtime 0)
          (device (vbd (dev sda1) (uname file:/var/lib/xen/images/fc4.img) (mode w)))
          (device (vif (mac aa:00:00:00:00:11) (bridge xenbr0) (script /etc/xen/scripts/vif-bridge))))",
    ),
    (
        "pv-direct-kernel.xml",
        "(vm (name fc8) (memory 128) (maxmem 128) (vcpus 1)
          (on_poweroff destroy) (on_reboot restart) (on_crash destroy)
          (image (linux (kernel /var/lib/xen/install/vmlinuz-fedora8-x86_64)
                        (ramdisk /var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64)
                        (args ' kickstart=http://example.com/myguest.ks ') (localtime 0))) (localtime 0)
          (device (vbd (dev sda1) (uname file:/var/lib/xen/images/fc4.img) (mode w)))
          (device (vif (mac aa:00:00:00:00:11) (bridge xenbr0) (script /etc/xen/scripts/vif-bridge)))
          (device (vkbd)) (device (vfb (type vnc) (vncunused 1))))",
    ),
    (
        "hvm-bios.xml",
        "(vm (name fv0) (memory 512) (maxmem 512) (vcpus 1) (uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0)
          (on_poweroff destroy) (on_reboot restart) (on_crash restart)
          (image (hvm (kernel /usr/lib/xen/boot/hvmloader) (vcpus 1) (boot c) (fda /root/fd.img)
                      (acpi 1) (apic 1) (pae 1) (usb 1) (parallel none) (serial none)
                      (device_model /usr/lib/xen/bin/qemu-dm) (vnc 1) (vncunused 0) (vncdisplay 4)
                      (rtc_timeoffset 0) (localtime 1))) (localtime 1)
          (device (vbd (dev hda:disk) (uname file:/var/lib/xen/images/fv0) (mode w)))
          (device (vbd (dev hdc:cdrom) (uname file:/var/lib/xen/images/fc5-x86_64-boot.iso) (mode r)))
          (device (vif (mac 00:16:3e:5d:c7:9e) (bridge xenbr0) (script vif-bridge))))",
    ),
    (
        "hvm-direct-kernel.xml",
        "(vm (name fv0) (memory 512) (maxmem 512) (vcpus 1) (uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0)
          (on_poweroff destroy) (on_reboot restart) (on_crash restart)
          (image (hvm (kernel /var/lib/xen/install/vmlinuz-fedora8-x86_64)
                      (ramdisk /var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64)
                      (args ' kickstart=http://example.com/myguest.ks ')
                      (loader /usr/lib/xen/boot/hvmloader) (vcpus 1) (boot c) (fda /root/fd.img)
                      (acpi 1) (apic 1) (pae 1) (usb 1) (parallel none) (serial none)
                      (device_model /usr/lib/xen/bin/qemu-dm) (vnc 1) (vncunused 0) (vncdisplay 4)
                      (rtc_timeoffset 0) (localtime 1))) (localtime 1)
          (device (vbd (dev hda:disk) (uname file:/var/lib/xen/images/fv0) (mode w)))
          (device (vbd (dev hdc:cdrom) (uname file:/var/lib/xen/images/fc5-x86_64-boot.iso) (mode r)))
          (device (vif (mac 00:16:3e:5d:c7:9e) (bridge xenbr0) (script vif-bridge))))",
    ),
];

#[test]
fn xend_gets_every_word_of_the_four_seeds() {
    for (name, expected) in SENT {
        let expected = Sexpr::parse_first(expected.as_bytes()).expect("the expectation is an S-expression");
        let sent = to_sxpr(&read(name), XendFormat::V4).expect("xend can hold it");
        assert_eq!(sent, expected, "{name}\n{sent}");
    }
}

/// What a seed's guest has become by its way through xend: what libvirt leaves to xend is said, and the clock in xend's terms.
fn as_xend_holds(mut guest: Guest) -> Guest {
    for disk in &mut guest.disks {
        disk.driver = Some("file".into());
    }
    guest.clock.offset =
        if guest.os.kind == GuestType::Hvm { ClockOffset::Seconds(0) } else { ClockOffset::Reset };
    if guest.os.kind == GuestType::Hvm && guest.os.boot.is_empty() {
        guest.os.boot.push(BootDevice::HardDisk);
    }
    guest
}

#[test]
fn what_xend_holds_is_the_same_guest() {
    for (name, _) in SENT {
        let guest = read(name);
        let bytes = to_sxpr(&guest, XendFormat::V4).expect("xend can hold it").to_bytes();
        let answer = Sexpr::parse_first(&bytes).expect("what is written can be read");
        let (held, live) = from_sxpr(&answer).expect("what is sent can be understood");
        assert_eq!(held, as_xend_holds(guest), "{name}");
        assert_eq!(live, Live::default(), "{name}");
    }
}

const PV_BOOTLOADER: &str = "<domain type='xen' id='7'>
  <name>fc8</name>
  <memory unit='KiB'>131072</memory>
  <currentMemory unit='KiB'>131072</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <bootloader>/usr/bin/pygrub</bootloader>
  <os>
    <type>linux</type>
  </os>
  <clock offset='utc' adjustment='reset'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='file'/>
      <source file='/var/lib/xen/images/fc4.img'/>
      <target dev='sda1' bus='scsi'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <controller type='scsi' index='0'/>
    <interface type='bridge'>
      <mac address='aa:00:00:00:00:11'/>
      <source bridge='xenbr0'/>
      <script path='/etc/xen/scripts/vif-bridge'/>
      <target dev='vif7.0'/>
    </interface>
    <console type='pty' tty='/dev/pts/5'>
      <source path='/dev/pts/5'/>
      <target type='xen' port='0'/>
    </console>
    <input type='mouse' bus='xen'/>
    <input type='keyboard' bus='xen'/>
    <memballoon model='xen'/>
  </devices>
</domain>
";

const HVM_DIRECT_KERNEL: &str = "<domain type='xen'>
  <name>fv0</name>
  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
  <memory unit='KiB'>524288</memory>
  <currentMemory unit='KiB'>524288</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type>hvm</type>
    <loader type='rom'>/usr/lib/xen/boot/hvmloader</loader>
    <kernel>/var/lib/xen/install/vmlinuz-fedora8-x86_64</kernel>
    <initrd>/var/lib/xen/install/initrd-vmlinuz-fedora8-x86_64</initrd>
    <cmdline> kickstart=http://example.com/myguest.ks </cmdline>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
    <pae/>
  </features>
  <clock offset='variable' adjustment='0' basis='localtime'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <emulator>/usr/lib/xen/bin/qemu-dm</emulator>
    <disk type='file' device='disk'>
      <driver name='file'/>
      <source file='/var/lib/xen/images/fv0'/>
      <target dev='hda' bus='ide'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='file'/>
      <source file='/var/lib/xen/images/fc5-x86_64-boot.iso'/>
      <target dev='hdc' bus='ide'/>
      <readonly/>
      <address type='drive' controller='0' bus='1' target='0' unit='0'/>
    </disk>
    <disk type='file' device='floppy'>
      <driver name='file'/>
      <source file='/root/fd.img'/>
      <target dev='fda' bus='fdc'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <controller type='ide' index='0'/>
    <controller type='fdc' index='0'/>
    <interface type='bridge'>
      <mac address='00:16:3e:5d:c7:9e'/>
      <source bridge='xenbr0'/>
      <script path='vif-bridge'/>
    </interface>
    <input type='mouse' bus='ps2'/>
    <input type='keyboard' bus='ps2'/>
    <graphics type='vnc' port='5904' autoport='no'>
      <listen type='address'/>
    </graphics>
    <video>
      <model type='cirrus' vram='16384' heads='1' primary='yes'/>
    </video>
    <memballoon model='xen'/>
  </devices>
</domain>
";

#[test]
fn the_description_after_the_way_through_xend_says_everything_again() {
    let live =
        Live { domid: Some(7), console_tty: Some("/dev/pts/5".into()), vnc_port: None, ..Live::default() };
    for (name, live, expected) in [
        ("pv-bootloader.xml", live, PV_BOOTLOADER),
        ("hvm-direct-kernel.xml", Live::default(), HVM_DIRECT_KERNEL),
    ] {
        let value = to_sxpr(&read(name), XendFormat::V4).expect("xend can hold it");
        let (held, _) = from_sxpr(&value).expect("what is sent can be understood");
        assert_eq!(xml::write(&held, &live), expected, "{name}");
    }
}

#[test]
fn each_age_of_xend_gets_the_seeds_in_its_own_form() {
    for format in [XendFormat::V1, XendFormat::V2, XendFormat::V3, XendFormat::V4] {
        for (name, _) in SENT {
            let value = to_sxpr(&read(name), format).expect("every xend can hold the seeds");
            let (held, _) = from_sxpr(&value).expect("what is sent can be understood");
            let mut expected = as_xend_holds(read(name));
            if format == XendFormat::V1 {
                // Xen 3.0.2 has no screens for PV guests, and chooses the port of the others.
                expected.graphics = match expected.os.kind {
                    GuestType::Hvm => vec![vnc(None)],
                    _ => Vec::new(),
                };
            }
            assert_eq!(sorted(held), sorted(expected), "{name} {format:?}");
        }
    }
}

/// Drives that stand in the image come last.
fn sorted(mut guest: Guest) -> Guest {
    guest.disks.sort_by(|a, b| a.target.cmp(&b.target));
    guest
}

#[test]
fn a_seed_without_uuid_and_mac_gets_them_once() {
    let mut guest = read("pv-bootloader.xml");
    assert_eq!(guest.uuid, None);
    guest.fill_in(|bytes| bytes.fill(7));
    let uuid = guest.uuid;
    assert!(uuid.is_some());
    assert_eq!(guest.interfaces, pv().interfaces, "a MAC address that is there stays");
    assert_eq!(xml::parse(&xml::write(&guest, &Live::default())).expect("it is readable").uuid, uuid);
}
