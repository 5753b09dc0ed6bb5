//! The language as a whole: guests both ways, files that people write, files that are changed.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::format::Place;
use crate::format::arbitrary::guests;
use crate::model::GuestType;
use crate::model::guest::{
    ClockBasis, ClockOffset, Disk, DiskDevice, DiskKind, Graphics, InterfaceKind, Lifecycle, Loader, Video,
};

/// What the language says of a guest: less than the model can.
pub(super) fn as_said(mut guest: Guest) -> Guest {
    let is_hvm = guest.is_hvm();
    (guest.title, guest.description) = (None, None);
    guest.max_memory_kib = guest.max_memory_kib.next_multiple_of(1024);
    guest.memory_kib = guest.memory_kib.next_multiple_of(1024);
    let os = &mut guest.os;
    (os.arch, os.machine) = (None, None);
    if os.bootloader.is_some() {
        (os.kernel, os.initrd) = (None, None);
    }
    if let Some(root) = os.root.take() {
        let rest = os.cmdline.take().map(|rest| format!(" {rest}")).unwrap_or_default();
        os.cmdline = Some(format!("root={root}{rest}"));
    }
    if let Some(loader) = &mut os.loader {
        loader.readonly = loader.is_pflash.then_some(true);
    }
    let features = &mut guest.features;
    match os.kind {
        GuestType::Hvm => {}
        GuestType::Pvh => (features.apic, features.pae, features.viridian) = (false, false, false),
        GuestType::Pv => *features = Default::default(),
    }
    let clock = &mut guest.clock;
    clock.offset = match (clock.offset, clock.basis) {
        (ClockOffset::Seconds(seconds), _) => ClockOffset::Seconds(seconds),
        (_, _) if is_hvm => ClockOffset::Zero,
        (_, ClockBasis::Localtime) => ClockOffset::Reset,
        (offset, _) => offset,
    };
    clock.timers.retain(|timer| match timer.name.as_str() {
        "hpet" => is_hvm && timer.present.is_some(),
        _ => timer.mode.is_some(),
    });
    for timer in &mut clock.timers {
        timer.present = timer.present.or(Some(true));
    }
    clock.timers.sort_by(|a, b| b.name.cmp(&a.name));
    guest.disks.retain(|disk| disk.device != DiskDevice::Floppy || disk.source.is_some());
    guest.disks.sort_by_key(|disk| disk.device == DiskDevice::Floppy);
    for disk in &mut guest.disks {
        (disk.shareable, disk.other_bus) = (false, None);
        if disk.device == DiskDevice::Floppy {
            (disk.driver, disk.format) = (None, None);
        }
        disk.driver = disk.driver.take().filter(|driver| !["file", "tap", "tap2"].contains(&driver.as_str()));
        let is_device = disk.source.as_ref().is_some_and(|source| source.starts_with("/dev/"));
        disk.kind = match disk.driver.as_deref() {
            Some("phy") => DiskKind::Block,
            None if is_device => DiskKind::Block,
            _ => DiskKind::File,
        };
    }
    for interface in &mut guest.interfaces {
        match &mut interface.kind {
            InterfaceKind::Bridge(None) if interface.script.is_some() => {
                interface.kind = InterfaceKind::Ethernet(None)
            }
            InterfaceKind::Bridge(None) => interface.script = Some("vif-bridge".into()),
            InterfaceKind::Ethernet(device) => *device = None,
            _ => {}
        }
    }
    let chosen = guest.videos.pop().filter(|_| is_hvm);
    let usual = |model: &str| if model == "vga" { 16384 } else { 8192 };
    let video = chosen.map(|video| {
        let vram = video.vram_kib.map_or(usual(&video.model), |kib| kib.next_multiple_of(1024));
        Video { vram_kib: Some(vram), heads: Some(1), ..video }
    });
    let cirrus = Video { model: "cirrus".into(), vram_kib: Some(8192), heads: Some(1), ..Video::default() };
    guest.videos = match video {
        Some(video) if video != cirrus => vec![video],
        _ if is_hvm && !guest.graphics.is_empty() => vec![cirrus],
        _ => Vec::new(),
    };
    guest
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(guest in guests()) {
        if let Ok(text) = to_xl(&guest) {
            let reading = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert!(reading.others.is_empty(), "{:?}\n{text}", reading.others);
            prop_assert_eq!(reading.guest, as_said(guest), "{}", text);
        }
    }

    #[test]
    fn a_file_that_says_the_same_is_left_as_it_is(guest in guests()) {
        if let Ok(text) = to_xl(&guest) {
            prop_assert_eq!(update(&text, &guest).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_is_changed_says_what_the_new_guest_does(old in guests(), new in guests()) {
        if let (Ok(text), Ok(anew)) = (to_xl(&old), to_xl(&new)) {
            let text = format!("# first\n{}mine = [ 'kept' ] # last", text.replace('\n', " # kept\n"));
            let changed = update(&text, &new).unwrap();
            prop_assert_eq!(from_xl(&changed).unwrap(), from_xl(&anew).unwrap(), "{}\n->\n{}", text, changed);
            prop_assert!(changed.starts_with("# first\n") && changed.contains("mine = [ 'kept' ] # last"));
            prop_assert_eq!(changed.matches("# kept").count(), text.matches("# kept").count());
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in "(name|disk|vif|vfb|cpus|pci|serial|vnc|memory|[a-z]{1,3})?[ =+\\[\\]\"',;#\n\\\\a-z0-9:/.-]{0,40}",
        head in "(name='x'\n)?((disk|vif|vfb|pci|serial|device_model_args_hvm|vnclisten) *= *\\[? *'[-a-z0-9:,=/.@* ]{0,30}' *\\]?\n){0,3}",
    ) {
        let text = format!("{head}{text}");
        if let Ok(reading) = read(&text) {
            let _ = update(&text, &Guest { memory_kib: 4096, max_memory_kib: 4096, ..reading.guest });
        }
    }
}

#[test]
fn the_seeds_are_written_for_a_host_of_today() {
    let seed = |text: &str| to_xl(&crate::format::xml::parse(text).unwrap()).unwrap();
    let bios = seed(include_str!("../../../tests/data/seeds/hvm-bios.xml"));
    for line in [
        "builder = \"hvm\"",
        "memory = 512",
        "localtime = 1",
        "boot = \"c\"",
        "vncunused = 0",
        "vncdisplay = 4",
        "vif = [ \"mac=00:16:3e:5d:c7:9e,bridge=xenbr0,script=vif-bridge\" ]",
        "device_model_args_hvm = [ \"-drive\", \"if=floppy,format=raw,index=0,file=/root/fd.img\" ]",
    ] {
        assert!(bios.lines().any(|other| other == line), "{line} is missing:\n{bios}");
    }
    assert!(!bios.contains("hvmloader") && !bios.contains("qemu-dm"), "{bios}");
    let direct = seed(include_str!("../../../tests/data/seeds/hvm-direct-kernel.xml"));
    assert!(direct.contains("cmdline = \" kickstart=http://example.com/myguest.ks \"\n"), "{direct}");
    let pv = seed(include_str!("../../../tests/data/seeds/pv-bootloader.xml"));
    assert!(pv.contains("bootloader = \"pygrub\"\n") && !pv.contains("builder"), "{pv}");
    assert!(pv.contains("disk = [ \"vdev=sda1,access=rw,target=/var/lib/xen/images/fc4.img\" ]\n"), "{pv}");
    let pv = seed(include_str!("../../../tests/data/seeds/pv-direct-kernel.xml"));
    assert!(pv.contains("vfb = [ \"vnc=1,vncunused=1\" ]\n"), "{pv}");
}

/// As xen-create-image writes them.
const OF_XEN_TOOLS: &str = "\
#
# Configuration file for the guest 'web'.
#

#
#  Kernel + memory size
#
kernel      = '/boot/vmlinuz-6.1.0-18-amd64'
extra       = 'elevator=noop'
ramdisk     = '/boot/initrd.img-6.1.0-18-amd64'

vcpus       = '2'
memory      = '256'
maxmem      = 512

#
#  Disk device(s).
#
root        = '/dev/xvda2 ro'
disk        = [
                  'file:/srv/xen/domains/web/disk.img,xvda2,w',
                  'phy:/dev/vg0/web-swap,xvda1,w',   # swap
              ]

#
#  Hostname
#
name        = 'web'

#
#  Networking
#
dhcp        = 'dhcp'
vif         = [ 'ip=192.0.2.7 ,mac=00:16:3E:11:22:33,bridge=br0' ]

#
#  Behaviour
#
on_poweroff = 'destroy'
on_reboot   = 'restart'
on_crash    = 'restart'
";

#[test]
fn a_file_of_xen_tools_is_read() {
    let Reading { guest, others } = read(OF_XEN_TOOLS).unwrap();
    assert_eq!((guest.name.as_str(), guest.uuid, guest.os.kind), ("web", None, GuestType::Pv));
    assert_eq!((guest.memory_kib, guest.max_memory_kib, guest.vcpus.max), (256 << 10, 512 << 10, 2));
    assert_eq!(guest.os.cmdline.as_deref(), Some("root=/dev/xvda2 ro elevator=noop"));
    let disks: Vec<_> = guest.disks.iter().map(|disk| (disk.target.as_str(), disk.kind)).collect();
    assert_eq!(disks, [("xvda2", DiskKind::File), ("xvda1", DiskKind::Block)]);
    assert_eq!(guest.interfaces[0].ips.len(), 1);
    assert_eq!(guest.on_crash, Lifecycle::Restart);
    assert_eq!(others, [Other { key: "dhcp".into(), place: Place { line: 33, column: 15 } }]);
}

#[test]
fn a_change_leaves_the_rest_of_a_file_alone() {
    let guest = from_xl(OF_XEN_TOOLS).unwrap();
    assert_eq!(update(OF_XEN_TOOLS, &guest).unwrap(), OF_XEN_TOOLS);

    let mut changed = Guest { memory_kib: 384 << 10, ..guest.clone() };
    changed.on_crash = Lifecycle::Destroy;
    changed.uuid = Some(crate::model::Uuid::from_u128(1));
    let expected = OF_XEN_TOOLS
        .replace("'256'", "384")
        .replace("on_crash    = 'restart'", "on_crash    = \"destroy\"")
        .replace(
            "name        = 'web'\n",
            "name        = 'web'\nuuid = \"00000000-0000-0000-0000-000000000001\"\n",
        );
    assert_eq!(update(OF_XEN_TOOLS, &changed).unwrap(), expected);

    let mut changed = guest.clone();
    changed.disks[0].source = Some("/srv/new.img".into());
    let expected = OF_XEN_TOOLS.replace(
        "'file:/srv/xen/domains/web/disk.img,xvda2,w'",
        "\"vdev=xvda2,access=rw,target=/srv/new.img\"",
    );
    assert_eq!(update(OF_XEN_TOOLS, &changed).unwrap(), expected);

    let mut changed = guest.clone();
    changed.disks.push(Disk { source: Some("/c".into()), target: "xvdc".into(), ..Disk::default() });
    let text = update(OF_XEN_TOOLS, &changed).unwrap();
    assert!(
        text.contains("    'phy:/dev/vg0/web-swap,xvda1,w',\n    \"vdev=xvdc,access=rw,target=/c\",\n]\n"),
        "{text}"
    );

    let mut changed = guest;
    changed.os.cmdline = Some("root=/dev/xvda2 rw".into());
    changed.interfaces.clear();
    let text = update(OF_XEN_TOOLS, &changed).unwrap();
    assert!(!text.contains("extra ") && !text.contains("root  ") && !text.contains("vif"), "{text}");
    assert_eq!(from_xl(&text).unwrap(), changed);
}

#[test]
fn options_that_the_model_has_no_place_for_survive_a_change() {
    let old = "name='a';builder='hvm'\n\
        disk=['/a,raw,hda,w,backend=storage,direct-io-safe','/b,raw,hdb,w']\n\
        vif=['mac=00:16:3e:00:00:01,gatewaydev=net,bridge=br0','bridge=br1,trunk=7']\n\
        usbdevice=['host:1.2','tablet']\ndevice_model_args_hvm=['-no-hpet']\npci=['01:00.*']\n";
    let mut guest = from_xl(old).unwrap();
    guest.disks[0].source = Some("/new".into());
    guest.interfaces[0].rate_kib = Some(10);
    guest.interfaces[1].mac = "00:16:3e:00:00:02".parse().ok();
    guest.inputs.clear();
    guest.disks.push(Disk {
        device: DiskDevice::Floppy,
        source: Some("/f,d".into()),
        target: "fda".into(),
        ..Disk::default()
    });
    let text = update(old, &guest).unwrap();
    for part in [
        "\"direct-io-safe,format=raw,vdev=hda,access=rw,backend=storage,target=/new\",'/b,raw,hdb,w'",
        "\"mac=00:16:3e:00:00:01,bridge=br0,rate=10240B/s,gatewaydev=net\"",
        "\"mac=00:16:3e:00:00:02,bridge=br1,trunk=7\"",
        "usbdevice=[ \"host:1.2\" ]",
        "\"-no-hpet\", \"-drive\", \"if=floppy,format=raw,index=0,file=/f,,d\"",
        "pci=['01:00.*']",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert_eq!(from_xl(&text).unwrap(), guest);
}

#[test]
fn statements_that_share_a_line_or_a_key_are_changed_as_one_would() {
    let memory = |old: &str| {
        let guest = from_xl(old).unwrap();
        update(old, &Guest { memory_kib: 2048, max_memory_kib: 2048, ..guest }).unwrap()
    };
    assert_eq!(memory("name='a';kernel='k';memory=1;b=2"), "name='a';kernel='k';memory=2;b=2");
    assert_eq!(memory("kernel='k'\nmemory=1\nmemory=3\nname='a'"), "kernel='k'\nmemory=2\nname='a'");
    assert_eq!(
        memory("kernel='k'\nmemory=1\nmemory+=3 # why\nname='a'"),
        "kernel='k'\nmemory=2\n # why\nname='a'"
    );
    assert_eq!(
        memory("name='a';b=[\n1,\n]\nkernel='k'"),
        "name='a';b=[\n1,\n]\nmaxmem = 2\nmemory = 2\nkernel='k'"
    );
}

#[test]
fn keys_that_depend_on_each_other_end_up_meaning_one_thing() {
    let old = "name='a'\ntype='hvm'\nvnc=1\nvnclisten='127.0.0.1:4'\nstdvga=1 # nice\n";
    let guest = from_xl(old).unwrap();
    assert!(matches!(&guest.graphics[..], [Graphics::Vnc { port: None, .. }]));
    let vnc =
        Graphics::Vnc { port: Some(5910), listen: Some("127.0.0.1".into()), password: None, keymap: None };
    let changed = Guest { graphics: vec![vnc], ..guest.clone() };
    let text = update(old, &changed).unwrap();
    assert_eq!(from_xl(&text).unwrap(), changed, "{text}");
    let video = Video { model: "cirrus".into(), vram_kib: Some(16384), heads: Some(1), ..Video::default() };
    let changed = Guest { videos: vec![video], ..guest.clone() };
    let text = update(old, &changed).unwrap();
    assert_eq!(from_xl(&text).unwrap(), changed, "{text}");
    assert!(text.contains("# nice") && !text.contains("stdvga"), "{text}");
    let mut changed = guest;
    changed.os.kind = GuestType::Pvh;
    changed.os.kernel = Some("/k".into());
    (changed.graphics, changed.videos, changed.features) = (Vec::new(), Vec::new(), Default::default());
    let text = update(old, &changed).unwrap();
    assert_eq!(from_xl(&text).unwrap(), changed, "{text}");
}

#[test]
fn an_error_has_its_place() {
    for (text, place) in [
        ("memory=1", (1, 1)),
        ("name='a'\nmemory='64M'", (2, 8)),
        ("name='a/b'", (1, 6)),
        ("name=['a']", (1, 6)),
        ("name='a'\nuuid='x'", (2, 6)),
        ("name='a'\n\ndisk=['/a,raw,xvda,w',\n '/b,raw']", (4, 2)),
        ("name='a'\ndisk=['/a,raw,xvda,w','/b,raw,xvda,w']", (2, 23)),
        ("name='a'\ntype='frob'", (2, 6)),
        ("name='a'\nvcpus=4\nmaxvcpus=2", (3, 10)),
        ("name='a'\non_crash='explode'", (2, 10)),
        ("name='a'\nvif=['mac=1']", (2, 6)),
        ("name='a'\nbuilder='hvm'\nboot='xyz'", (3, 6)),
        ("name='a'\nbuilder='hvm'\nserial='frob:1'", (3, 8)),
        ("name='a'\nvcpus=0", (2, 7)),
        ("name='ä', ", (1, 9)),
    ] {
        let error = from_xl(text).unwrap_err();
        assert_eq!(error.place.map(|place| (place.line, place.column)), Some(place), "{text:?}: {error}");
    }
}

#[test]
fn what_xl_does_unasked_is_said() {
    let guest = from_xl("name='a';type='hvm'").unwrap();
    assert!(guest.features.acpi && guest.features.apic && guest.features.pae);
    assert_eq!(guest.graphics.len(), 1);
    assert_eq!(from_xl("name='a';type='hvm';vnc=0").unwrap().graphics, []);
    assert_eq!(from_xl("name='a';type='pv';vnc=1").unwrap().graphics.len(), 1);
    assert_eq!(guest.memory_kib, 32 << 10);
    let vcpus = from_xl("name='a';maxvcpus=4").unwrap().vcpus;
    assert_eq!((vcpus.max, vcpus.current), (4, Some(1)));
    let set = |text: &str| from_xl(&format!("name='a';vcpus=2;cpus={text}")).unwrap().vcpus.cpuset;
    assert_eq!(set("'0-3,^1'").map(|set| set.len()), Some(3));
    assert_eq!(set("['2','2']").map(|set| set.len()), Some(1));
    assert_eq!((set("[0,1]"), set("['2']"), set("'all'"), set("'nodes:0'")), (None, None, None, None));
}

#[test]
fn a_bootloaders_arguments_are_read_under_the_words_of_xl_and_of_libvirt() {
    let arguments = |said: &str| {
        let guest = from_xl(&format!("name='a'\nbootloader='pygrub'\n{said}\n")).unwrap();
        guest.os.bootloader_args
    };
    for said in [
        "bootloader_args='-q --args=single'",
        "bootloader_args=['-q','--args=single']",
        "bootargs='-q --args=single'",
    ] {
        assert_eq!(arguments(said).as_deref(), Some("-q --args=single"), "{said}");
    }
    // xl itself knows the first alone.
    assert_eq!(arguments("bootargs='old'\nbootloader_args='new'").as_deref(), Some("new"));
    // Neither is left behind when they change.
    let file = "name='a'\nmemory=64\nbootloader='pygrub'\nbootargs='-q'\n";
    let mut guest = from_xl(file).unwrap();
    for said in [Some("-v"), None] {
        guest.os.bootloader_args = said.map(str::to_owned);
        assert_eq!(from_xl(&update(file, &guest).unwrap()).unwrap().os.bootloader_args.as_deref(), said);
    }
}

#[test]
fn firmware_is_named_where_it_is_not_the_usual_one() {
    let mut guest = from_xl("name='a';type='hvm'").unwrap();
    let mut written = |loader: Loader| {
        guest.os.loader = Some(loader);
        to_xl(&guest).unwrap()
    };
    assert!(!written(Loader::rom("/usr/lib/xen/boot/hvmloader")).contains("firmware"));
    assert!(written(Loader::rom("/opt/hvmloader")).contains("firmware_override = \"/opt/hvmloader\"\n"));
    let flash = |path: &str| Loader { path: path.into(), is_pflash: true, readonly: Some(true) };
    assert!(!written(flash("/usr/lib/xen/boot/ovmf.bin")).contains("override"));
    let text = written(flash("/usr/share/ovmf/OVMF.fd"));
    assert!(text.contains("bios = \"ovmf\"\nbios_path_override = \"/usr/share/ovmf/OVMF.fd\"\n"), "{text}");
}

#[test]
fn what_xl_cannot_do_is_refused_by_name() {
    let refused = |change: fn(&mut Guest)| {
        let mut guest = from_xl("name='a';type='hvm';disk=['/a,raw,hda,w'];vif=['']").unwrap();
        change(&mut guest);
        let error = to_xl(&guest).unwrap_err();
        assert_eq!(error.status, crate::Status::NotSupported, "{error}");
        error.to_string()
    };
    for (change, word) in [
        ((|guest| guest.disks[0].shareable = true) as fn(&mut Guest), "shareable"),
        (|guest| guest.disks[0].format = Some("vmdk".into()), "vmdk"),
        (|guest| guest.disks[0].source = Some("relative".into()), "relative"),
        (|guest| guest.interfaces[0].kind = InterfaceKind::Network("default".into()), "network"),
        (|guest| guest.os.bootloader = Some("pygrub".into()), "bootloader"),
        (|guest| guest.videos[0].heads = Some(2), "head"),
        (|guest| guest.disks[0].source = Some("/\0".into()), "NUL"),
    ] {
        let message = refused(change);
        assert!(message.contains(word), "{message}");
    }
    let pv = Guest { name: "a".into(), memory_kib: 1, max_memory_kib: 1, ..Guest::default() };
    assert_eq!(to_xl(&pv).unwrap_err().status, crate::Status::InvalidConfig);
}

#[test]
fn a_start_adds_the_addresses_that_a_file_lacks() {
    let file = "name='a';kernel='k';vif=['bridge=br0, trunk=7','mac=00:16:3e:00:00:01']";
    let mut filled = from_xl(file).unwrap();
    filled.fill_in(|bytes| bytes.fill(1));
    let given = overrides(file, &filled).unwrap();
    assert_eq!(given, ["vif=[ \"mac=00:16:3e:01:01:01,bridge=br0,trunk=7\", \"mac=00:16:3e:00:00:01\" ]"]);
    let with_these = format!("{file}\n{}\n", given[0]);
    assert_eq!(from_xl(&with_these).unwrap().interfaces, filled.interfaces);
    assert_eq!(overrides(&with_these, &filled).unwrap(), Vec::<String>::new());
}

#[test]
fn the_longest_texts_are_read_in_time_that_grows_with_them() {
    let start = Instant::now();
    let full = |piece: &str| piece.repeat(syntax::MAX_TEXT / piece.len());
    for text in [
        full("a=1\n"),
        full("a=1;"),
        full("a+='x'\n"),
        full("a+=[1]\n"),
        full("["),
        full("#"),
        full("\n"),
        full(" "),
        format!("name='x'\n{}", (0..80_000).map(|i| format!("k{i}=1;")).collect::<String>()),
        format!("a='{}'", full("\\n").get(..1000).unwrap()),
        format!("name='{}", full("x").get(..syntax::MAX_TEXT - 6).unwrap()),
        format!("name='a'\ndisk=[{}]", "'/a,raw,xvda,w',".repeat(16_000)),
        format!("name='a'\nvif=[{}]", "'frob=1',".repeat(16_000)),
        format!("name='a'\npci=['{}']", "a,".repeat(400_000)),
    ] {
        let _ = read(&text);
    }
    // A quadratic reader needs hours.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
