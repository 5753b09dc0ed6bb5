//! The language as a whole: guests both ways, files that people write, files that are changed.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::format::arbitrary::guests;
use crate::format::sxpr::to_sxpr;
use crate::model::GuestType;
use crate::model::guest::{
    CharSource, ClockBasis, ClockOffset, Disk, DiskDevice, DiskKind, Graphics, InterfaceKind,
};

const AGES: [XendFormat; 4] = [XendFormat::V1, XendFormat::V2, XendFormat::V3, XendFormat::V4];

fn from(text: &str) -> Guest {
    from_xm(text, XendFormat::V4).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> SyntaxError {
    from_xm(text, XendFormat::V4).err().unwrap_or_else(|| panic!("this was read: {text}"))
}

/// What the caller keeps elsewhere, and what has no effect in such a guest, left out; the root device where the kernel is told of it.
fn plain(mut guest: Guest) -> Guest {
    (guest.title, guest.description) = (None, None);
    if guest.is_hvm() {
        guest.os.bootloader_args = None;
    }
    // A drive with nothing in it has no driver.
    for disk in guest.disks.iter_mut().filter(|disk| disk.source.is_none()) {
        disk.driver = None;
    }
    if let Some(root) = guest.os.root.take() {
        let rest = guest.os.cmdline.take().map(|rest| format!(" {rest}")).unwrap_or_default();
        guest.os.cmdline = Some(format!("root={root}{rest}"));
    }
    guest
}

fn ages() -> impl Strategy<Value = XendFormat> {
    prop::sample::select(AGES.to_vec())
}

proptest! {
    #[test]
    fn xend_gets_the_same_guest_with_and_without_a_file_between(guest in guests(), age in ages()) {
        let guest = plain(guest);
        let (Ok(text), Ok(meant)) = (to_xm(&guest, age), to_sxpr(&guest, age)) else { return Ok(()) };
        let reading = read(&text, age).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert!(reading.others.is_empty(), "{:?}\n{}", reading.others, text);
        let said = to_sxpr(&reading.guest, age).map(|said| said.to_string());
        prop_assert_eq!(said, Ok(meant.to_string()), "{}", text);
    }

    #[test]
    fn what_is_written_is_read_again(guest in guests(), age in ages()) {
        let Ok(text) = to_xm(&guest, age) else { return Ok(()) };
        let said = from_xm(&text, age).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(to_xm(&said, age).unwrap(), to_xm(&plain(guest), age).unwrap());
        prop_assert_eq!(update(&text, &said, age).unwrap(), text);
    }

    #[test]
    fn a_file_that_is_changed_says_what_the_new_guest_does(old in guests(), new in guests(), age in ages()) {
        let (Ok(text), Ok(anew)) = (to_xm(&old, age), to_xm(&new, age)) else { return Ok(()) };
        let text = format!("import os # kept\n{}note = os.uname() # kept too\n", text.replace("name = ", "name= "));
        let changed = update(&text, &new, age).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert!(changed.contains("import os # kept\n") && changed.contains("note = os.uname() # kept too\n"));
        prop_assert_eq!(from_xm(&changed, age).unwrap(), from_xm(&anew, age).unwrap(), "{}", changed);
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in "([a-z]{0,4}[=+ ]{0,2}|[\\[\\](){},;:.\\\\#@*-]|'''|\"\"\"|['\"ur]|\\PC|[\r\n \t]|if |def |import |[0-9xL]{1,3}){0,40}"
    ) {
        let _ = read(&text, XendFormat::V4);
        let _ = looks_like_domain(&text);
    }
}

#[test]
fn strings_are_pythons() {
    for (literal, said) in [
        ("'a#b'", "a#b"),
        ("\"it's\"", "it's"),
        ("'''a\n\"b\" 'c'\n'''", "a\n\"b\" 'c'\n"),
        ("\"\"\"a'\",b\"\"\"", "a'\",b"),
        (r#""\"\'\\\a\b\f\n\r\t\v""#, "\"'\\\x07\x08\x0c\n\r\t\x0b"),
        (r"'\q\d'", r"\q\d"),
        (r"'\101\x41\60'", "AA0"),
        (r"'\xc3\xa4'", "ä"),
        (r"u'\xe4\u20ac\U0001f600'", "ä€😀"),
        (r"'\u20ac'", r"\u20ac"),
        (r"r'\n\'x'", r"\n\'x"),
        (r"R'C:\\'", r"C:\\"),
        (r"ur'\d'", r"\d"),
        ("b'x'", "x"),
        ("'a\\\nb'", "ab"),
        ("'a\\\r\nb'", "ab"),
        ("'''a\r\nb\rc'''", "a\nb\nc"),
        ("'a' \"b\"   '''c'''", "abc"),
        ("('a'\n 'b' # no\n 'c')", "abc"),
        ("'a' \\\n'b'", "ab"),
        ("''", ""),
    ] {
        let guest = from(&format!("name = 'x'\nmemory = 1\nkernel = 'k'\nextra = {literal}\n"));
        assert_eq!(guest.os.cmdline.unwrap_or_default(), said, "{literal}");
    }
    for bad in [
        "'a",
        "'a\nb'",
        "'''a",
        "'a\\",
        r"'\x4'",
        r"'\xff'",
        r"u'\ud800'",
        r"u'\N{DASH}'",
        r"'\0'",
        "'a\0'",
        r"u'\U00110000'",
    ] {
        let text = format!("name = 'x'\nextra = {bad}");
        assert!(from_xm(&text, XendFormat::V4).is_err(), "{bad}");
        assert!(refusal(&text).place.is_some_and(|place| place.line == 2), "{bad}");
    }
}

#[test]
fn numbers_are_pythons() {
    for (literal, mib) in [
        ("512", 512),
        ("512L", 512),
        ("0x200", 512),
        ("01000", 512),
        ("0o1000", 512),
        ("0b1000", 8),
        ("1_024", 1024),
        ("'512'", 512),
        ("'010'", 10),
        ("(512)", 512),
        ("True", 1),
    ] {
        let guest = from(&format!("name = 'x'\nmemory = {literal}\nkernel = 'k'"));
        assert_eq!(guest.memory_kib, mib * 1024, "{literal}");
    }
    for bad in ["0", "-1", "1.5", "'1M'", "08", "0x", "99999999999999999999", "''", "1e3", "[512]"] {
        let text = format!("name = 'x'\nmemory = {bad}");
        let read = from_xm(&text, XendFormat::V4);
        // Nothing said is xm's own default.
        assert!(
            read.is_err() || read.is_ok_and(|guest| bad == "''" && guest.memory_kib == 128 << 10),
            "{bad}"
        );
    }
    let seconds = from("name='x'\nbuilder='hvm'\nrtc_timeoffset = -3600").clock.offset;
    assert_eq!(seconds, ClockOffset::Seconds(-3600));
}

#[test]
fn what_every_writer_of_configurations_does_is_read() {
    let guest = from(
        "\u{feff}# -*- mode: python; -*-\r\n\r\n\"\"\"A remark.\r\n\"\"\"\r\nname = \"web\"; memory = 64\r\n\
         kernel = '/boot/vmlinuz'   # the kernel\r\ndisk = [ 'phy:vg/web,xvda,w',\r\n   # a second one\r\n  'file:/x.img,xvdb,r',\r\n ]\r\n\
         vif = ('mac=00:16:3e:00:00:01', 'bridge=br1, ip=192.0.2.1')\r\nroot = None\r\nacpi = True\r\npass\r\n",
    );
    assert_eq!((guest.name.as_str(), guest.memory_kib), ("web", 64 << 10));
    let sources: Vec<_> = guest.disks.iter().map(|disk| disk.source.as_deref().unwrap()).collect();
    assert_eq!(sources, ["vg/web", "/x.img"]);
    assert_eq!(guest.interfaces[1].kind, InterfaceKind::Bridge(Some("br1".into())));
    let appended = from(
        "name = 'a'\nname += 'b'\ndisk = []\ndisk += ['phy:x,xvda,w']\ndisk += ['phy:y,xvdb,w',]\nkernel='k'",
    );
    assert_eq!((appended.name.as_str(), appended.disks.len()), ("ab", 2));
}

#[test]
fn code_is_passed_over_and_named_where_no_key_depends_on_it() {
    let text = "import os, re\narch = os.uname()[4]\nif re.search('64', arch):\n    arch_libdir = 'lib64'\n    if True:\n        x = 1\n\
                else:\n    arch_libdir = 'lib'\n\ndef check(value):\n    for c in value:\n        print \"%s # no comment\" % c\n\n\
                check('a')\nprint arch\nkernel = '/boot/k'\nname = 'web'\nmemory = 64\nfoo.memory = 3\nmemory_used = memory * 2\n";
    let reading = read(text, XendFormat::V4).unwrap();
    assert_eq!((reading.guest.name.as_str(), reading.guest.memory_kib), ("web", 64 << 10));
    let others: Vec<(usize, usize, &str)> = reading
        .others
        .iter()
        .map(|other| (other.place.line, other.place.column, other.key.as_str()))
        .collect();
    let code = |line, word| (line, 1, word);
    assert_eq!(
        others,
        [
            code(1, "Python code (import ...)"),
            code(2, "Python code (arch ...)"),
            code(3, "Python code (if ...)"),
            code(7, "Python code (else ...)"),
            code(10, "Python code (def ...)"),
            code(14, "Python code (check ...)"),
            code(15, "Python code (print ...)"),
            code(19, "Python code (foo ...)"),
            code(20, "Python code (memory_used ...)"),
        ]
    );
}

#[test]
fn a_key_that_code_decides_is_refused_with_its_place() {
    let whole = "name = 'a'\nmemory = 1\nkernel = 'k'\ndisk = ['phy:x,xvda,w']\n";
    assert_eq!(from(whole).memory_kib, 1024);
    for (code, place) in [
        ("memory = 64 * 2", (5, 1)),
        ("memory = int('64')", (5, 1)),
        ("name = 'a' + 'b'", (5, 1)),
        ("name = 'web%d' % vmid", (5, 1)),
        ("name = other", (5, 1)),
        ("name = 'a',", (5, 1)),
        ("name, memory = 'a', 5", (5, 1)),
        ("x = name = 'b'", (5, 5)),
        ("name = x = 'b'", (5, 1)),
        ("if x:\n    memory = 5", (6, 5)),
        ("if x: memory = 5", (5, 7)),
        ("while x:\n  if y:\n\n    # why\n    z = 1; memory += 1", (9, 12)),
        ("for memory in range(5): pass", (5, 5)),
        ("try:\n  x\nexcept A, name:\n  x", (7, 11)),
        ("with open('x') as name:\n  pass", (5, 19)),
        ("import os as name", (5, 14)),
        ("from os import name", (5, 16)),
        ("import name.of", (5, 8)),
        ("del memory", (5, 5)),
        ("def name(): pass", (5, 5)),
        ("class kernel:\n  pass", (5, 7)),
        ("def f():\n    global memory\n    memory = 3\nf()", (6, 12)),
        ("f = lambda: disk.append('x')", (5, 13)),
        ("disk.append('phy:y,xvdb,w')", (5, 1)),
        ("disk[0] = 'phy:y,xvdb,w'", (5, 1)),
        ("fill(disk)", (5, 6)),
        ("x = [name for name in disk]", (5, 6)),
        ("disk = ['phy:' + x + ',xvda,w']", (5, 1)),
        ("disk += [x]", (5, 1)),
        ("memory += 1", (5, 1)),
        ("name += 1", (5, 1)),
        ("disk += 'x'", (5, 1)),
        ("vif += ['x']", (5, 1)),
        ("disk = {'a': 1}", (5, 1)),
        ("execfile('/etc/xen/common')", (5, 1)),
        ("exec 'name = 1'", (5, 1)),
        ("globals()['name'] = 'x'", (5, 1)),
        ("from common import *", (5, 20)),
        ("vars().update(x)", (5, 1)),
    ] {
        let error = refusal(&format!("{whole}{code}\n"));
        let found = error.place.map(|place| (place.line, place.column));
        assert_eq!(found, Some(place), "{code}: {error}");
        assert!(error.message.contains("not executed"), "{code}: {error}");
    }
    // A plain value at the top of the file says it again.
    assert_eq!(from(&format!("{whole}if x:\n    memory = 5\nmemory = 7\n")).memory_kib, 7 << 10);
    assert_eq!(from(&format!("memory = 64 * 2\n{whole}")).memory_kib, 1024);
    // But not where a function may come between.
    assert!(refusal(&format!("def f():\n    global memory\n{whole}")).message.contains("memory"));
    assert!(refusal(&format!("def f():\n    disk.append('x')\n{whole}")).message.contains("disk"));
}

#[test]
fn what_is_no_python_is_refused_with_its_place() {
    for (text, place) in [
        ("name = 'a'\ndisk = [ 'x'\n", (2, 8)),
        ("name = 'a']\n", (1, 11)),
        ("name = ('a']\n", (1, 12)),
        ("name = 'a'\n  memory = 5\n", (2, 3)),
        ("name = 'a' \\ \n", (1, 12)),
        ("name = 'a'\nmemory = \x01\n", (2, 10)),
        ("name = 'a'\nmemory = 12x\n", (2, 10)),
        ("memory = 5", (1, 1)),
        ("name = 'ä'; memory = 'x'", (1, 22)),
        ("name = 'a/b'", (1, 8)),
        ("name = ['a']", (1, 8)),
        ("name = 'a'\nuuid = 'x'", (2, 8)),
        ("name = 'a'\nbuilder = 'frob'", (2, 11)),
        ("name = 'a'\ndisk = ['phy:x,xvda,w',\n 'phy:y,xvda,w']", (3, 2)),
        ("name = 'a'\ndisk = ['phy:x,xvda']", (2, 9)),
        ("name = 'a'\ndisk = ['phy:x,xvda,q']", (2, 9)),
        ("name = 'a'\ndisk = ['phy:x,xv da,w']", (2, 9)),
        ("name = 'a'\ndisk = [',xvda,w']", (2, 9)),
        ("name = 'a'\nvif = ['mac=1']", (2, 8)),
        ("name = 'a'\nvif = ['dhcp']", (2, 8)),
        ("name = 'a'\npci = ['1']", (2, 8)),
        ("name = 'a'\nvcpus = 4\nmaxvcpus = 2", (3, 12)),
        ("name = 'a'\non_crash = 'explode'", (2, 12)),
        ("name = 'a'\nvfb = ['type=frob']", (2, 8)),
        ("name = 'a'\nbuilder = 'hvm'\nboot = 'xyz'", (3, 8)),
        ("name = 'a'\nbuilder = 'hvm'\nserial = 'frob:1'", (3, 10)),
    ] {
        let error = refusal(text);
        assert_eq!(error.place.map(|place| (place.line, place.column)), Some(place), "{text:?}: {error}");
    }
    let deep = |depth: usize| format!("name='a'\nx={}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(from_xm(&deep(tokens::MAX_DEPTH + 1), XendFormat::V4).is_err());
    assert!(from_xm(&deep(100_000), XendFormat::V4).is_err());
    assert!(from_xm(&"#".repeat(syntax::MAX_TEXT + 1), XendFormat::V4).is_err());
}

#[test]
fn ages_differ_as_the_module_says() {
    let hvm = "name='a'\nbuilder='hvm'\nmemory=1\n";
    let of = |text: &str, age| from_xm(text, age).unwrap();
    for age in AGES {
        let is_new = age == XendFormat::V4;
        let guest = of(hvm, age);
        assert_eq!((guest.features.acpi, guest.features.pae), (is_new, is_new), "{age:?}");
        assert_eq!(guest.clock.offset, if is_new { ClockOffset::Seconds(0) } else { ClockOffset::Reset });
        let mut guest =
            of(&format!("{hvm}vcpus=4\nvcpu_avail=3\nlocaltime=1\ncdrom='/i.iso'\nfda='/f'\nvif=['']"), age);
        assert_eq!((guest.vcpus.max, guest.vcpus.current), (4, Some(2)));
        assert_eq!(guest.clock.basis, ClockBasis::Localtime);
        let devices: Vec<_> = guest.disks.iter().map(|disk| (disk.target.as_str(), disk.device)).collect();
        assert_eq!(devices, [("hdc", DiskDevice::Cdrom), ("fda", DiskDevice::Floppy)]);
        let disk = Disk {
            kind: DiskKind::Block,
            source: Some("/dev/vg/x".into()),
            target: "hda".into(),
            ..Disk::default()
        };
        guest.disks.push(disk);
        let text = to_xm(&guest, age).unwrap();
        let has = |words: &str| text.contains(words);
        assert_eq!(has("cdrom = \"/i.iso\""), age == XendFormat::V1, "{text}");
        assert_eq!(has("file:/i.iso,hdc:cdrom,r"), age > XendFormat::V1, "{text}");
        assert_eq!(has("phy:/dev/vg/x,ioemu:hda,w"), age == XendFormat::V1, "{text}");
        assert_eq!(has("type=ioemu"), !is_new, "{text}");
        assert_eq!(has("vcpu_avail = 3"), !is_new, "{text}");
        assert_eq!(has("maxvcpus = 4"), is_new, "{text}");
        assert_eq!(has("rtc_timeoffset = 0"), is_new, "{text}");
        assert!(has("fda = \"/f\"\n"), "{text}");

        let pv = of("name='a'\nkernel='k'\nvfb=['type=vnc,vncunused=0,vncdisplay=3']", age);
        assert!(matches!(pv.graphics[..], [Graphics::Vnc { port: Some(5903), .. }]));
        let text = to_xm(&pv, age).unwrap();
        assert_eq!(text.contains("vfb"), age >= XendFormat::V3, "{text}");
        assert_eq!(text.contains("vncdisplay = 3\n"), age < XendFormat::V3, "{text}");
    }
}

#[test]
fn a_screen_is_read_in_the_ways_that_people_write_it() {
    let screen = |text: &str| from(&format!("name='a'\nkernel='k'\n{text}")).graphics;
    let vnc = |port| vec![Graphics::Vnc { port, listen: None, password: None, keymap: None }];
    let sdl = vec![Graphics::Sdl { display: Some(":0".into()), xauth: None }];
    assert_eq!(screen(""), []);
    assert_eq!(screen("vnc=1"), vnc(None));
    assert_eq!(screen("vnc='1'\nvncunused=0\nvncdisplay=1"), vnc(Some(5901)));
    // Where xend is to take the domain's number, the port is not known.
    assert_eq!(screen("vnc=1\nvncunused=0"), vnc(None));
    assert_eq!(screen("vnc=1\nvncdisplay=1"), vnc(None));
    assert_eq!(screen("sdl=1\ndisplay=':0'"), sdl);
    assert_eq!(screen("vfb=['vnc=1, vncunused=0, vncdisplay=5901']"), vnc(Some(5901)));
    assert_eq!(screen("vfb=['sdl=1,vnc=0,display=:0']"), sdl);
    assert_eq!(screen("vfb=['type=sdl,display=:0']"), sdl);
    let reading = read("name='a'\nbuilder='hvm'\nvnc=1\nsdl=1", XendFormat::V4).unwrap();
    assert_eq!((reading.guest.graphics, reading.others[0].key.as_str()), (vnc(None), "sdl"));
}

#[test]
fn a_kernel_of_an_hvm_guest_is_told_from_its_firmware() {
    let os = |text: &str| from(&format!("name='a'\nbuilder='hvm'\n{text}")).os;
    let firmware = os("kernel='/usr/lib/xen/boot/hvmloader'");
    assert_eq!(
        (firmware.kernel, firmware.loader.unwrap().path.as_str()),
        (None, "/usr/lib/xen/boot/hvmloader")
    );
    let direct = from("name='a'\nbuilder='hvm'\nkernel='/k'\nramdisk='/i'\nextra='quiet'\nloader='/l'");
    assert_eq!(direct.os.kernel.as_deref(), Some("/k"));
    assert_eq!(from(&to_xm(&direct, XendFormat::V4).unwrap()).os.cmdline.as_deref(), Some("quiet"));
}

#[test]
fn what_somebody_wrote_stays_when_a_key_changes() {
    let old = "# The web server.\nimport os\n\nmemory = 64  # MiB\nname='web'; dhcp = \"dhcp\"; vcpus = 2 # two\n\
               kernel = \"/boot/\" \\\n  \"vmlinuz\"\ncpu_weight = 512\n\
               disk = [ 'phy:vg/web,xvda,w',   # the system\n         'phy:vg/data,xvdb,w' ]\n\
               vif = [ 'mac=00:16:3e:00:00:01, bridge=br0, accel=1' ]\nif os.getuid() != 0:\n    print 'no root'\n";
    let guest = from(old);
    assert_eq!(update(old, &guest, XendFormat::V4).unwrap(), old);
    let mut changed = guest.clone();
    changed.vcpus.max = 4;
    changed.disks[1].readonly = true;
    changed.interfaces[0].kind = InterfaceKind::Bridge(Some("br1".into()));
    changed.os.cmdline = Some("quiet".into());
    let text = update(old, &changed, XendFormat::V4).unwrap();
    let expected = old
        .replace("vcpus = 2", "vcpus = 4")
        .replace("'phy:vg/data,xvdb,w'", "\"phy:vg/data,xvdb,r\"")
        .replace(
            "'mac=00:16:3e:00:00:01, bridge=br0, accel=1'",
            "\"mac=00:16:3e:00:00:01,bridge=br1,script=vif-bridge,accel=1\"",
        )
        .replace("  \"vmlinuz\"\n", "  \"vmlinuz\"\nextra = \"quiet\"\n");
    assert_eq!(text, expected);
    assert_eq!(from(&text).os, changed.os);
    // Statements that go leave a line that Python takes.
    let gone = Guest { vcpus: Default::default(), ..guest };
    let line = |text: &str| {
        update(text, &gone, XendFormat::V4).unwrap().lines().nth(4).unwrap_or_default().to_owned()
    };
    assert_eq!(line(old), "name='web'; dhcp = \"dhcp\"; vcpus = 1 # two");
    let two = "name='a'\nkernel='k'\nmemory=1\nroot='x';extra='y'; z=1\n";
    let mut bare = from(two);
    bare.os.cmdline = None;
    let text = update(two, &bare, XendFormat::V4).unwrap();
    assert_eq!(text, "name='a'\nkernel='k'\nmemory=1\nz=1\n");
    assert_eq!(from(&text), bare);
}

#[test]
fn a_file_whose_key_code_decides_is_not_changed() {
    let old = "name = 'a'\nkernel = 'k'\nmemory = 2 * 64\n";
    let guest = from("name = 'a'\nkernel = 'k'\nmemory = 64\n");
    let error = update(old, &guest, XendFormat::V4).unwrap_err();
    assert!(error.message.contains("line 3, column 1"), "{error}");
    // Where a plain value follows, that one is changed, and not what code comes between.
    let old = format!("{old}if x:\n    memory = 3\nmemory = 5\n");
    let text = update(&old, &guest, XendFormat::V4).unwrap();
    assert_eq!(text, old.replace("memory = 5", "memory = 64"));
}

#[test]
fn what_xm_cannot_say_is_refused_by_name() {
    let refused = |change: fn(&mut Guest)| {
        let mut guest = from("name='a'\nbuilder='hvm'\ndisk=['file:/a,hda,w']\nvif=['']\npci=['01:00.0']");
        change(&mut guest);
        let error = to_xm(&guest, XendFormat::V3).unwrap_err();
        assert_eq!(error.status, crate::Status::NotSupported, "{error}");
        error.to_string()
    };
    for (change, word) in [
        ((|guest| guest.disks[0].format = Some("qcow2".into())) as fn(&mut Guest), "qcow2"),
        (|guest| guest.disks[0].source = Some("/a,b".into()), "comma"),
        (|guest| guest.disks[0].source = None, "source"),
        (|guest| guest.disks[0].source = Some("/\0".into()), "NUL"),
        (|guest| guest.interfaces[0].kind = InterfaceKind::Network("default".into()), "network"),
        (|guest| guest.interfaces[0].vifname = Some("a,b".into()), "vifname"),
        (|guest| guest.pci_devices[0].managed = true, "managed"),
        (|guest| guest.os.kind = GuestType::Pvh, "PVH"),
        (|guest| guest.clock.offset = ClockOffset::Seconds(1), "clock"),
        (|guest| guest.os.bootloader = Some("pygrub".into()), "bootloader"),
    ] {
        let message = refused(change);
        assert!(message.contains(word), "{message}");
    }
    let pv = Guest { name: "a".into(), memory_kib: 1, max_memory_kib: 1, ..Guest::default() };
    assert_eq!(to_xm(&pv, XendFormat::V2).unwrap_err().status, crate::Status::InvalidConfig);
    let serial = from("name='a'\nbuilder='hvm'\nserial=['none','/dev/ttyS1']\nparallel='null'");
    assert_eq!((serial.serials[0].port, &serial.parallels[0].source), (1, &CharSource::Null));
    assert!(to_xm(&serial, XendFormat::V4).unwrap().contains("serial = [ \"none\", \"/dev/ttyS1\" ]\n"));
}

#[test]
fn a_script_is_told_from_a_domain_that_cannot_be_read() {
    assert!(looks_like_domain("name = 'a' + x\nmemory = 5\n"));
    assert!(looks_like_domain("if x:\n  name = 'a'\ndisk = f()\n"));
    for other in [
        "#!/bin/sh\nif [ x ]; then\n  echo 'x'\nfi\n",
        "(network-script bridge)\n",
        "name = 'pool'\ncpus = ['0']\n",
        "",
    ] {
        assert!(!looks_like_domain(other), "{other}");
    }
}

#[test]
fn time_grows_with_the_text_and_no_faster() {
    let of_size =
        |piece: &str, head: &str, size: usize| format!("{head}{}", piece.repeat(size / piece.len()));
    let time = |text: &str| {
        let start = Instant::now();
        let _ = read(text, XendFormat::V4);
        start.elapsed().as_secs_f64()
    };
    // Ten times the text: linear is ten times the time, quadratic a hundred, of which the shortest of these would be many seconds. Other programs
    // run as well: one good measurement of three proves it.
    let is_linear = |small: &str, large: &str| {
        (0..3).any(|_| {
            let (small, large) = (time(small), time(large));
            large < 0.1 || large < 40.0 * small
        })
    };
    for (head, piece) in [
        ("", "a=1\n"),
        ("", "a=1;"),
        ("a=''\n", "a+='x'\n"),
        ("a=[]\n", "a+=[1]\n"),
        ("a=[]\n", "f(a);a=[1]\n"),
        ("a=[]\n", "a=[1];a=[2]\nf(a)\n"),
        ("", "["),
        ("", "("),
        ("", "#"),
        ("", "\n"),
        ("", " "),
        ("a='''", "\\n\\x41"),
        ("a='''", "''"),
        ("a='", "\\101"),
        ("a='' ", "'x' "),
        ("name='a'\ndisk=[", "'phy:x,xvda,w',"),
        ("name='a'\nvif=[", "'frob=1',"),
        ("", "if x:\n y=1\n"),
        ("", "x.y."),
        ("", "import a,b;"),
        ("name='a'\n", "x=y;"),
        ("", "\\\n"),
    ] {
        let (small, large) = (of_size(piece, head, 100 << 10), of_size(piece, head, (1 << 20) - head.len()));
        assert!(is_linear(&small, &large), "{head:?} {piece:?}");
    }
}
