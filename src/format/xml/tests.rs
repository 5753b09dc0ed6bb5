//! What is refused and where, what is accepted in its older spellings, and that no input breaks the reader.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::Status;
use crate::format::arbitrary::whole_guests;
use crate::model::GuestType;
use crate::model::guest::{CharDevice, CharSource, ClockBasis};

const SEEDS: [&str; 4] = [
    include_str!("../../../tests/data/seeds/pv-bootloader.xml"),
    include_str!("../../../tests/data/seeds/pv-direct-kernel.xml"),
    include_str!("../../../tests/data/seeds/hvm-bios.xml"),
    include_str!("../../../tests/data/seeds/hvm-direct-kernel.xml"),
];

/// A good HVM guest; lines 2 to 8 are its elements, line 7 its devices.
const GOOD: &str = "<domain type='xen'>
  <name>g</name>
  <uuid>4dea22b31d52d8f32516782e98ab3fa0</uuid>
  <memory>65536</memory>
  <vcpu>2</vcpu>
  <os><type>hvm</type></os>
  <devices><disk><source file='/a'/><target dev='hda'/></disk></devices>
  <clock offset='utc'/>
</domain>";

/// `GOOD` with one part replaced.
fn with(part: &str, other: &str) -> String {
    assert_eq!(GOOD.matches(part).count(), 1, "{part}");
    GOOD.replace(part, other)
}

#[track_caller]
fn refused(document: &str, line: usize, column: usize, words: &str) {
    let error = parse(document).expect_err(words);
    assert_eq!(error.status, Status::InvalidConfig, "{error}");
    let place = format!("domain XML, line {line}, column {column}: ");
    let rest =
        error.message.strip_prefix(&place).unwrap_or_else(|| panic!("not at {line}:{column}: {error}"));
    assert!(rest.contains(words), "{error}\nhas no {words}");
    assert!(error.message.len() < 500 && !error.message.contains('\n'), "{error}");
}

#[test]
fn the_good_one_is_good() {
    let guest = parse(GOOD).expect("it is good");
    assert_eq!((guest.name.as_str(), guest.memory_kib, guest.vcpus.max), ("g", 65536, 2));
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    refused("", 1, 1, "no <domain>");
    refused("\n  \n", 3, 1, "no <domain>");
    refused("hello", 1, 1, "'hello' stands outside");
    refused("<domain type='xen'>\n <name>g</name>\n", 1, 1, "<domain> is not closed");
    refused("<domain>\n <name>g\n</domain>", 3, 1, "expected `</name>`");
    refused("<domain>\n</domain></domain>", 2, 10, "does not match any open tag");
    refused("<domain>\n <name", 2, 2, "tag not closed: `>` not found");
    refused("<domain type='xen", 1, 1, "attribute value not closed");
    refused("<domain type=xen/>", 1, 1, "<domain>");
    refused("<domain a='1' a='2'/>", 1, 15, "two attributes 'a'");
    refused(&format!("{GOOD}<domain/>"), 9, 10, "<domain> stands behind the end");
    refused(&format!("{GOOD}x"), 9, 10, "'x' stands outside");
    refused("<domain>&#1;</domain>", 1, 9, "U+0001");
    refused("<domain>\u{1}</domain>", 1, 9, "U+0001");
    refused("<domain type='&#x8;'/>", 1, 9, "U+0008");
    refused("<domain type='a<b'/>", 1, 9, "'<' in the attribute 'type'");
    refused("<?xml version='1.0' encoding='UTF-16'?><domain/>", 1, 1, "only UTF-8");
}

#[test]
fn a_root_or_type_of_another_kind_is_refused() {
    refused("<network>\n</network>", 1, 1, "<network>: the document is no domain's description");
    refused("<!-- a -->\n<pool/>", 2, 1, "<pool>");
    refused(&with("type='xen'", "type='kvm'"), 1, 9, "type='kvm' is not known; expected xen");
}

#[test]
fn entities_are_not_expanded() {
    let bomb = "<?xml version='1.0'?>\n<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>\n<domain>&b;</domain>";
    refused(bomb, 2, 1, "DOCTYPE is not accepted");
    refused("<domain>\n<name>&b;</name></domain>", 2, 7, "the entity '&b;' is not known");
    refused("<domain type='&b;'/>", 1, 9, "attribute 'type'");
}

#[test]
fn what_is_unknown_is_named_with_its_place() {
    refused(&with("<vcpu>", "<cput/><vcpu>"), 5, 3, "<cput> is not known in <domain>");
    refused(&with("<vcpu>", "<vcpu frob='1'>"), 5, 9, "<vcpu>: the attribute 'frob' is not known here");
    refused(&with("<vcpu>2", "<vcpu>2<a/>"), 5, 10, "<a> is not known in <vcpu>");
    refused(&with("<os>", "<os>\n   <bios/>"), 7, 4, "<bios> is refused: Xen's firmware has no settings");
    refused(
        &with("<target", "<iotune/><target"),
        7,
        37,
        "<iotune> is refused: Xen does not limit a disk's rate",
    );
    refused(&with("<devices>", "<devices><rng/>"), 7, 12, "<rng> is refused: Xen has no device of random");
    refused(&with("<devices>", "<devices>words"), 7, 3, "<devices>: the text 'words' does not belong here");
    refused(
        &with("<clock offset='utc'/>", "<clock offset='moon'/>"),
        8,
        10,
        "expected utc, localtime, variable",
    );
    let long = format!("<{}/>", "x".repeat(100_000));
    refused(&with("<vcpu>", &format!("{long}<vcpu>")), 5, 3, "xxx...> is not known");
}

#[test]
fn numbers_are_checked() {
    refused(&with("65536", "0"), 4, 3, "<memory>: a guest cannot have 0 bytes");
    refused(&with("65536", "-1"), 4, 3, "'-1' is no number");
    refused(&with("65536", "1e9"), 4, 3, "'1e9' is no number");
    refused(&with("65536", ""), 4, 3, "'' is no number");
    refused(&with("65536", "18446744073709551616"), 4, 3, "is no number");
    refused(&with("65536", "18446744073709551615"), 4, 3, "more memory than any machine has");
    refused(&with("<memory>", "<memory unit='furlong'>"), 4, 11, "unit='furlong' is not known");
    let more = "<memory>65536</memory><currentMemory>65537</currentMemory>";
    refused(&with("<memory>65536</memory>", more), 4, 25, "65537 KiB are more than <memory> allows");
    refused(&with("<vcpu>2", "<vcpu>0"), 5, 3, "0 vcpus: expected 1 to 4096");
    refused(&with("<vcpu>2", "<vcpu>4294967296"), 5, 3, "no number of vcpus");
    refused(&with("<vcpu>2", "<vcpu current='3'>2"), 5, 3, "current='3': expected 1 to 2");
    refused(&with("<vcpu>2", "<vcpu cpuset='0-4294967295'>2"), 5, 9, "names no processors");
}

#[test]
fn identities_are_checked() {
    refused(&with("<name>g", "<name>a/b"), 2, 3, "has a '/'");
    refused(&with("<name>g", "<name>"), 2, 3, "cannot be empty");
    refused(&with("<name>g", &format!("<name>{}", "n".repeat(256))), 2, 3, "at most 255 bytes");
    refused(&with("<name>g", "<name>a\nb"), 2, 3, "control character");
    refused(&with("<name>g</name>", ""), 1, 1, "<name> is missing");
    refused(
        &with("<name>g</name>", "<name>g</name><name>h</name>"),
        2,
        17,
        "<name>: stands here a second time",
    );
    refused(&with("4dea22b31d52d8f32516782e98ab3fa0", "4dea"), 3, 3, "'4dea' is no uuid");
    refused(&with("4dea22b31d52d8f32516782e98ab3fa0", &"0".repeat(32)), 3, 3, "all zeroes");
}

#[test]
fn devices_are_checked() {
    let device = |xml: &str| with("<devices>", &format!("<devices>\n{xml}"));
    refused(&device("<disk><target dev='hdb'/></disk>"), 8, 1, "<source> is missing");
    refused(&device("<disk><source file='/b'/></disk>"), 8, 1, "<target> is missing");
    refused(&device("<disk><source file='/b'/><target dev='h da'/></disk>"), 8, 26, "is no disk's name");
    let twice = "<disk><source file='/b'/><target dev='hda'/></disk>";
    refused(&device(twice), 8, 52, "the target 'hda' is taken");
    refused(&device("<disk type='volume'/>"), 8, 7, "is refused: Xen's toolstacks know no storage pools");
    let elsewhere = "<disk><source file='/b'/><target dev='hdb'/><address type='drive' unit='3'/></disk>";
    refused(&device(elsewhere), 8, 45, "Xen has no such place");
    refused(&device("<interface/>"), 8, 1, "'type' is missing");
    refused(
        &device("<interface type='user'/>"),
        8,
        12,
        "is refused: Xen's interfaces are connected by bridges",
    );
    let mac = |mac: &str| device(&format!("<interface type='bridge'><mac address='{mac}'/></interface>"));
    refused(&mac("00:16:3e"), 8, 26, "expected six pairs");
    refused(&mac("01:00:5e:00:00:01"), 8, 26, "stands for a group");
    refused(&device("<interface type='bridge'><ip address='1.2.3'/></interface>"), 8, 26, "is no IP address");
    refused(&device("<graphics type='vnc' port='70000'/>"), 8, 22, "is no TCP port");
    refused(&device("<graphics type='rdp'/>"), 8, 11, "has no such screen; expected vnc, sdl, spice");
    refused(&device("<serial type='tcp'/>"), 8, 1, "<source mode=");
    refused(&device("<serial type='file'/>"), 8, 1, "<source path=...> is missing");
    refused(&device("<serial type='pty'><target port='99'/></serial>"), 8, 1, "the last one is 15");
    let ports = "<serial type='pty'/><serial type='pty'><target port='0'/></serial>";
    refused(&device(ports), 8, 21, "port 0 stands here a second time");
    refused(
        &device("<serial type='pty'/><console type='file'><source path='/a'/></console>"),
        8,
        21,
        "differs from the first",
    );
    refused(&device("<hostdev type='pci'><source/></hostdev>"), 8, 21, "<address> is missing");
    let usb = "<input type='tablet' bus='usb'/>";
    refused(&device(usb).replace("hvm", "linux"), 8, 1, "no USB devices");
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    let error = parse_bytes(b"<domain>\n<name>\xff</name></domain>").expect_err("no UTF-8");
    assert_eq!(error.message, "domain XML, line 2, column 7: not UTF-8 from here on");
    assert_eq!(parse_bytes(GOOD.as_bytes()).expect("it is good").name, "g");
}

#[test]
fn a_document_beyond_the_limits_costs_nothing() {
    let start = Instant::now();
    let huge = "<domain>".repeat(100 * 1024 * 1024 / 8);
    let made = start.elapsed();
    refused(&huge, 1, 1, "at most 4194304 are read");
    assert!(start.elapsed() - made < made.max(std::time::Duration::from_millis(500)));
    refused(&"<a>".repeat(100), 1, 97, "nested deeper than 32");
    let attributes: String = (0..100).map(|n| format!(" a{n}=''")).collect();
    refused(&format!("<domain{attributes}/>"), 1, 1, "more than 64 attributes");
    let elements = "<a/>".repeat(200_000);
    refused(&with("<os>", &format!("{elements}<os>")), 6, 3 + 4 * 99_995, "more than 100000 elements");
}

#[test]
fn the_largest_document_is_read_in_moderate_time() {
    // Targets in the worst order for a reader that inserts each at its place.
    let letters = |n: u32| -> String {
        [n / 676 % 26, n / 26 % 26, n % 26].iter().map(|d| char::from(b'a' + *d as u8)).collect()
    };
    let disks: String = (0..17_000)
        .rev()
        .map(|n| format!("<disk><source file='/{n}'/><target dev='xvd{}'/></disk>", letters(n)))
        .collect();
    let start = Instant::now();
    let guest = parse(&with("<devices>", &format!("<devices>{disks}"))).expect("it is good");
    assert_eq!(guest.disks.len(), 17_001);
    assert_eq!(guest.disks.first().map(|disk| disk.target.as_str()), Some("xvdaaa"));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn older_spellings_and_runtime_facts_are_understood() {
    let guest =
        parse(&with("<clock offset='utc'/>", "<clock sync=\"localtime\"/>")).expect("the seeds' spelling");
    assert_eq!(guest.clock.basis, ClockBasis::Localtime);
    let guest = parse(&with("dev='hda'", "dev='ioemu:hda'")).expect("libvirt's old prefix");
    assert_eq!(guest.disks[0].target, "hda");
    let guest =
        parse(&with("<source file", "<driver name='tap' type='aio'/><source file")).expect("blktap's name");
    assert_eq!(guest.disks[0].format.as_deref(), Some("raw"));
    let console = "<devices><console tty='/dev/pts/4'/>";
    let guest = parse(&with("<devices>", console)).expect("an HVM guest's console");
    assert_eq!(guest.serials, [CharDevice { port: 0, source: CharSource::Pty }]);
    let guest = parse(&with("<devices>", console).replace("hvm", "xen")).expect("a PV guest's console");
    assert!(guest.serials.is_empty() && guest.os.kind == GuestType::Pv);
    let vif = "<devices><interface type='bridge'><target dev='vif4.0'/></interface>";
    assert_eq!(parse(&with("<devices>", vif)).expect("a life's name").interfaces[0].vifname, None);
    let named = vif.replace("<target", "<alias name='net0'/><target");
    parse(&with("<devices>", &named)).expect("a name that libvirt made up");
    let chosen = named.replace("net0", "ua-mine");
    assert!(parse(&with("<devices>", &chosen)).expect_err("a user's name").message.contains("<alias>"));
    assert_eq!(
        parse(&with("<domain type='xen'>", "\u{feff}<domain type='xen' id='3'>"))
            .expect("a byte order mark")
            .name,
        "g"
    );
    for (memory, kib) in [
        ("<memory unit='b'>1</memory>", 1),
        ("<memory unit='KB'>1</memory>", 1),
        ("<memory unit='MiB'>64</memory>", 65536),
        ("<memory unit='G'> 1 </memory>", 1_048_576),
    ] {
        assert_eq!(parse(&with("<memory>65536</memory>", memory)).expect(memory).memory_kib, kib);
    }
}

#[test]
fn text_is_kept_to_the_blank() {
    let cmdline = "<os><kernel>/k</kernel><cmdline> a  b&amp;c <![CDATA[<d>]]> &quot;</cmdline>";
    let guest = parse(&with("<os>", cmdline)).expect("it is good");
    assert_eq!(guest.os.cmdline.as_deref(), Some(" a  b&c <d> \""));
    assert_eq!(parse(&write(&guest, &Live::default())).expect("written"), guest);
}

#[test]
fn passwords_are_written_only_on_demand() {
    let vnc = "<devices><graphics type='vnc' port='5900' passwd='se&lt;cret'/>";
    let guest = parse(&with("<devices>", vnc)).expect("it is good");
    assert!(!write(&guest, &Live::default()).contains("cret"));
    assert_eq!(parse(&write_with_secrets(&guest, &Live::default())).expect("written"), guest);
}

#[test]
fn what_is_known_of_a_running_guest_is_written_and_read_over() {
    let devices = "<devices>\
        <disk type='file'><source file='/a'/><target dev='hda'/></disk>\
        <disk type='file'><driver name='tap' type='qcow2'/><source file='/b'/><target dev='hdb'/></disk>\
        <interface type='bridge'/><interface type='bridge'><target dev='web0'/></interface>\
        <serial type='pty'/><serial type='null'/>\
        <graphics type='vnc'/></devices>";
    let document = format!(
        "<domain type='xen'><name>g</name><memory>65536</memory><os><type>hvm</type></os>{devices}</domain>"
    );
    let guest = parse(&document).expect("it is good");
    let words = |words: [&str; 2]| words.map(|word| Some(word.to_owned())).to_vec();
    let live = Live {
        domid: Some(5),
        console_tty: Some("/dev/pts/9".into()),
        vnc_port: Some(5907),
        serial_ttys: words(["/dev/pts/2", "/dev/pts/3"]),
        vifs: words(["vif5.3", "web0"]),
        disk_backends: words(["phy", "qemu"]),
    };
    let document = write(&guest, &live);
    for part in [
        "<domain type='xen' id='5'>",
        "<driver name='phy'/>",
        // What was configured is not overruled.
        "<driver name='tap' type='qcow2'/>",
        "<target dev='vif5.3'/>",
        "<target dev='web0'/>",
        "<serial type='pty'>\n      <source path='/dev/pts/2'/>\n      <target port='0'/>",
        "<serial type='null'>\n      <target port='1'/>",
        "<console type='pty' tty='/dev/pts/2'>\n      <source path='/dev/pts/2'/>\n      <target type='serial' port='0'/>",
        "<graphics type='vnc' port='5907' autoport='yes'>",
    ] {
        assert!(document.contains(part), "{part} is not in\n{document}");
    }
    // But for who serves a disk, a description of a running guest says what its configuration says.
    let mut expected = guest.clone();
    expected.disks[0].driver = Some("phy".into());
    assert_eq!(parse(&document).expect("written"), expected);

    // Nothing found is nothing written: not a name that might be another one's.
    let none = Live {
        serial_ttys: vec![None, None],
        vifs: vec![None, None],
        disk_backends: vec![None, None],
        ..live
    };
    let document = write(&guest, &none);
    assert!(
        !document.contains("vif5.") && !document.contains("/dev/pts") && !document.contains("'phy'"),
        "{document}"
    );
    assert!(document.contains("<target dev='web0'/>"), "{document}");
}

#[test]
fn what_xen_cannot_do_is_refused_with_its_reason() {
    let device = |xml: &str| with("<devices>", &format!("<devices>\n{xml}"));
    refused(
        &device("<tpm model='tpm-tis'/>"),
        8,
        1,
        "<tpm> is refused: a TPM of Xen's is a domain of its own",
    );
    refused(
        &device("<watchdog model='ib700'/>"),
        8,
        1,
        "<watchdog> is refused: Xen's watchdog is the hypervisor's",
    );
    refused(
        &device("<memballoon model='virtio'/>"),
        8,
        13,
        "every Xen guest has Xen's balloon; expected xen",
    );
    refused(&device("<redirdev bus='usb' type='tcp'/>"), 8, 21, "expected spicevmc");
    refused(
        &device("<hostdev mode='subsystem' type='scsi'/>"),
        8,
        27,
        "Xen gives guests PCI and USB devices",
    );
    refused(&device("<channel type='pty'><target type='virtio' name='a'/></channel>"), 8, 29, "expected xen");
    refused(&with("<vcpu>2", "<vcpu placement='auto'>2"), 5, 9, "Xen itself places the vcpus");
    refused(&with("<vcpu>", "<maxMemory slots='1'>9</maxMemory><vcpu>"), 5, 3, "Xen plugs in no memory");
    let cpu = |xml: &str| with("<vcpu>", &format!("<cpu {xml}</cpu>\n<vcpu>"));
    refused(&cpu("mode='host-model'>"), 5, 8, "Xen gives the host's own processor");
    refused(&cpu("><topology sockets='1' cores='2' threads='1'/>"), 5, 9, "no topology of sockets");
    refused(&cpu("><feature name='tm'/>"), 5, 3, "expected mode='host-passthrough'");
    refused(
        &cpu("><numa><cell cpus='0' memory='1'/><cell cpus='0-1' memory='1'/></numa>"),
        5,
        42,
        "two nodes",
    );
    let tune = |xml: &str| with("<vcpu>", &format!("<cputune>{xml}</cputune>\n<vcpu>"));
    refused(&tune("<vcpupin vcpu='2' cpuset='0'/>"), 5, 12, "the guest has 2 vcpus");
    refused(&tune("<period>1000</period>"), 5, 12, "<period> is refused: Xen limits the guest as a whole");
    refused(&tune("<global_quota>1234</global_quota>"), 5, 3, "no whole number of percent");
    refused(
        &with(
            "<vcpu>",
            "<cputune/><qemu:commandline><qemu:env name='a' value='b'/></qemu:commandline><vcpu>",
        ),
        5,
        31,
        "no environment",
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let document = with("<vcpu>2", "<vcpu frob='1'>x").replace("hda", "").replace("utc", "moon");
    let places: Vec<String> = examine(&document).problems.iter().map(ToString::to_string).collect();
    assert_eq!(places.len(), 3, "{places:?}");
    for (told, part) in
        places.iter().zip(["line 5, column 9: <vcpu>", "line 7, column 37: <target>", "line 8"])
    {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn metadata_is_kept_to_the_byte_with_the_prefixes_that_it_uses() {
    let document =
        with("<name>", "<metadata>\n <a:b  x='&lt;'><!-- c -->\t<![CDATA[<]]></a:b></metadata>\n<name>")
            .replace("type='xen'", "type='xen' xmlns:a='urn:a' xmlns:unused='urn:u'");
    let guest = parse(&document).expect("it is good");
    let metadata = guest.metadata.clone().expect("it is there");
    assert_eq!(metadata.text, "\n <a:b  x='&lt;'><!-- c -->\t<![CDATA[<]]></a:b>");
    assert_eq!(metadata.namespaces, [("a".to_owned(), "urn:a".to_owned())]);
    assert_eq!(parse(&write(&guest, &Live::default())).expect("written"), guest);
    refused(&with("<name>", "<metadata><a>&frob;</a></metadata><name>"), 2, 16, "'&frob;' is not known");
    refused(&with("<name>", "<metadata><a></b></metadata><name>"), 2, 16, "expected `</a>`");
}

#[test]
fn what_xml_cannot_hold_is_replaced_when_written() {
    let guest = Guest { description: Some("a\u{1}b\rc\u{ffff}".into()), ..parse(GOOD).expect("it is good") };
    let again = parse(&write(&guest, &Live::default())).expect("the document is good");
    assert_eq!(again.description.as_deref(), Some("a\u{fffd}b\rc\u{fffd}"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_bytes(&bytes);
    }

    #[test]
    fn any_markup_is_read_or_refused(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "<domain type='xen'>", "</domain>", "<name>", "</name>", "<os>", "</os>", "<type>hvm</type>", "<devices>",
                "</devices>", "<disk>", "</disk>", "<target dev='hda'/>", "<![CDATA[", "]]>", "<!--", "-->", "&amp;", "&",
                "<?", "?>", "<!", "'", "\"", ">", "<", "=", " ", "x", "<memory>1</memory>", "&#0;", "&#xD800;", "\u{feff}",
            ]),
            0..40,
        )
    ) {
        let _ = parse(&parts.concat());
    }

    #[test]
    fn a_damaged_seed_is_read_or_refused(
        seed in 0..4usize,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (place, byte, act) in cuts {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match act {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        if let Ok(guest) = parse_bytes(&bytes) {
            // What was read is written so that it is read again.
            let document = write_with_secrets(&guest, &Live::default());
            prop_assert_eq!(parse(&document).map_err(|error| format!("{error}\n{document}")), Ok(guest));
        }
    }

    #[test]
    fn a_guest_goes_to_xml_and_back(guest in whole_guests()) {
        let document = write_with_secrets(&guest, &Live::default());
        prop_assert_eq!(parse(&document).map_err(|error| format!("{error}\n{document}")), Ok(guest.clone()));
        let live = Live { domid: Some(5), console_tty: Some("/dev/pts/9".into()), vnc_port: Some(5907), ..Live::default() };
        let document = write_with_secrets(&guest, &live);
        prop_assert_eq!(parse(&document).map_err(|error| format!("{error}\n{document}")), Ok(guest));
    }
}
