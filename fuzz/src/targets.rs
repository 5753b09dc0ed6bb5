//! A function for each reader. It takes any bytes; a panic is a defect of xenith.

// A target panics where a promise is broken; it has nothing else to say.
#![allow(clippy::panic)]

use std::sync::Arc;

use xenith::channel::hypercall;
use xenith::error::Status;
use xenith::format::capture::{Capture, Disguise, disguised_path, disguised_value};
use xenith::format::convert::{self, Native, Options};
use xenith::format::sxpr::XendFormat;
use xenith::format::validate::Language;
use xenith::format::{Examined, Severity, capabilities, libxl_json, sxpr, xl, xm, xml};
use xenith::log::Log;
use xenith::model::Guest;
use xenith::model::guest::Live;
use xenith::sim::{SimConfig, SimHost};
use xenith::store::sidecar::Sidecar;
use xenith::uri;
use xenith::wire::hypercall::{
    Arch, Dialect as Hypervisor, Dom0Op, DomainRecord, DomctlCall, GENERATIONS, PhysInfo, Sysctl, tables,
};
use xenith::wire::saved::Head;
use xenith::wire::sexpr::{Dialect, Limits, Sexpr};
use xenith::wire::xend_http::{RequestReader, ResponseReader, interpret};
use xenith::wire::xenstore::{self, Decoder, Kind, Request};

/// A reader.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Reads any bytes.
    pub run: fn(&[u8]),
    /// Words of its language.
    pub words: &'static [&'static [u8]],
}

/// All readers.
pub const TARGETS: [Target; 16] = [
    Target { name: "xml", run: xml_text, words: XML_WORDS },
    Target { name: "xl", run: xl_text, words: XL_WORDS },
    Target { name: "xenvm", run: xenvm_text, words: XENVM_WORDS },
    Target { name: "sxpr", run: sxpr_text, words: SXPR_WORDS },
    Target { name: "libxl_json", run: libxl_json_text, words: JSON_WORDS },
    Target {
        name: "sidecar",
        run: sidecar_text,
        words: &[b"<title>", b"</title>", b"<xenith uuid='", b"&#13;"],
    },
    Target {
        name: "sexpr",
        run: sexpr_bytes,
        words: &[b"(", b")", b"'", b"\"", b"\\x", b"\\777", b"!", b"(@ "],
    },
    Target { name: "xend_answer", run: xend_answer, words: HTTP_WORDS },
    Target { name: "xend_request", run: xend_request, words: HTTP_WORDS },
    Target {
        name: "xenstore",
        run: xenstore_bytes,
        words: &[b"\0", b"/local/domain/0", b"@introduceDomain", b"r0"],
    },
    Target { name: "hypercall", run: hypercall_bytes, words: &[b"\xff\xff\xff\xff", b"\0\0\0\0"] },
    Target {
        name: "saved",
        run: saved_head,
        words: &[b"LinuxGuestRecord", b"\0\0\0\x10", b"\x04\x03\x02\x01"],
    },
    Target { name: "uri", run: uri_text, words: &[b"xen+", b"://", b"?xen=", b"%2f", b"[::1]", b"&dir="] },
    Target {
        name: "cpuinfo",
        run: cpuinfo,
        words: &[b"flags\t\t: ", b"vmx", b"xen-3.0-x86_64", b"hvm-3.0-x86_32p "],
    },
    Target {
        name: "capture",
        run: capture,
        words: &[
            b"\"record\":",
            b"\"hypercall\"",
            b"\"buffers\":[\"",
            b"\"record_bytes\":80",
            b"\"errno\":13",
            b"ffffffff",
            b"\"node\"",
            b"}\n{",
        ],
    },
    Target { name: "xm", run: xm_text, words: XM_WORDS },
];

const XML_WORDS: &[&[u8]] = &[
    b"<disk type='file' device='cdrom'>",
    b"</disk>",
    b"<interface type='bridge'>",
    b"<target dev='xvda'/>",
    b"<source file='/a'/>",
    b"<serial type='tcp'>",
    b"<features><acpi/></features>",
    b"<graphics type='vnc' port='-1'/>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"&amp;",
    b"&#x10ffff;",
    b"<!DOCTYPE a>",
    b" unit='TiB'",
];
const XM_WORDS: &[&[u8]] = &[
    b"disk=['",
    b"vif=['",
    b"builder='hvm'\n",
    b"+=",
    b"\"\"\"",
    b"\\\n",
    b"ur'",
    b"\\x",
    b"if x:\n    memory = 1\n",
    b"def f(): disk.append(1)\n",
    b"import name\n",
    b"phy:/a,xvda,w",
    b"; ",
];
const XL_WORDS: &[&[u8]] = &[
    b"disk=['",
    b"vif=['",
    b"type='hvm'\n",
    b"+=",
    b"format=raw,vdev=hda,access=rw,target=/a",
    b"phy:/dev/a,xvda,w",
    b"mac=00:16:3e:00:00:01,bridge=b",
    b"vfb=['vnc=1']\n",
    b"cpus='0-3,^1'\n",
    b"pci=['0000:01:13.0@5']\n",
    b"serial=['pty']\n",
];
const XENVM_WORDS: &[&[u8]] = &[
    b"\ndisk = ",
    b":phy:hda:w:disk",
    b"\nnic = id=1,bridge=b",
    b"\nhvm = true\n",
    b"\npci = 0,bind,0000:01:13.0",
    b"\ndisplay = vnc:",
    b"\nvnc = 3",
    b"\nuuid = 00000000-0000-0000-0000-000000000001\n",
    b"\nextra-hvm = ",
];
const SXPR_WORDS: &[&[u8]] = &[
    b"(device (vbd (uname phy:/a) (dev xvda:disk) (mode w)))",
    b"(image (hvm (kernel /k)))",
    b"(device (vif (mac 00:16:3e:00:00:01)))",
    b"(vcpus 2)",
    b"(cpus (0 1))",
    b"(device (vfb (type vnc)))",
    b"(on_crash coredump_restart)",
    b"(domid 5)",
];
const JSON_WORDS: &[&[u8]] = &[
    b"\"c_info\":{",
    b"\"b_info\":{",
    b"\"disks\":[",
    b"\"type.hvm\":{",
    b"null",
    b"18446744073709551615",
    b"-1",
    b"1e400",
    b"\"\\ud800\"",
    b"[[[[",
];
const HTTP_WORDS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: ",
    b"Content-Type: application/sxp\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n\r\n",
    b"GET /xend/node HTTP/1.0\r\n",
    b"POST /xend/domain/x HTTP/1.1\r\n",
    b"op=create&config=",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
];

/// The checks that hold for every language of guests: its reader says either a guest or what is wrong.
fn examined(language: Language, text: &str) -> Option<Guest> {
    let Examined { guest, problems } = language.examine(text);
    let has_error = problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(guest.is_some(), !has_error, "{problems:?}");
    for problem in &problems {
        assert!(!problem.message.is_empty() && problem.message.len() < 2000, "{problem}");
        if let Some(place) = problem.place {
            let picture = problem.picture(text);
            assert!(picture.is_some() || place.line > text.lines().count(), "{problem} points nowhere");
        }
    }
    guest
}

/// A guest that is written as domain XML is read as the same, where XML can hold its characters at all.
fn survives_xml(guest: &Guest) {
    let document = xml::write_with_secrets(guest, &Live::default());
    match xml::parse(&document) {
        Ok(_) => {}
        // What a text says that XML cannot hold, or that libvirt's rules refuse, is refused with its place.
        Err(error) => assert_eq!(error.status, Status::InvalidConfig, "{error}\n{document}"),
    }
}

fn xml_text(bytes: &[u8]) {
    let _ = xml::parse_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let guest = examined(Language::DomainXml, text);
    assert_eq!(guest.is_some(), xml::parse(text).is_ok());
    let Some(guest) = guest else { return };
    let document = xml::write_with_secrets(&guest, &Live::default());
    match xml::parse(&document) {
        Ok(again) => assert!(again == guest, "{document}\nwas\n{guest:#?}\nand is\n{again:#?}"),
        Err(error) => panic!("{error}\n{document}"),
    }
    for (native, _) in Native::ALL {
        if let Ok(converted) = convert::to_native(native, text, Options::default()) {
            let Examined { problems, guest } = native.examine(&converted.text, XendFormat::V4);
            assert!(guest.is_some(), "{}: {problems:?}\n{}", native.name(), converted.text);
        }
        let _ = convert::to_native(native, text, Options { lenient: true, ..Options::default() });
    }
}

fn xl_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(guest) = examined(Language::Native(Native::Xl), text) else { return };
    survives_xml(&guest);
    // A text that says the same already is left as it is.
    if let Ok(edited) = xl::update(text, &guest) {
        assert_eq!(edited, text);
    }
    if let Ok(written) = xl::to_xl(&guest) {
        assert!(xl::from_xl(&written).is_ok(), "{written}");
    }
    let mut other = guest;
    other.memory_kib = 64 << 10;
    other.max_memory_kib = 64 << 10;
    other.interfaces.clear();
    if let Ok(edited) = xl::update(text, &other) {
        let again = xl::from_xl(&edited).unwrap_or_else(|error| panic!("{error}\n{edited}"));
        assert_eq!((again.memory_kib, again.interfaces.len()), (64 << 10, 0), "{edited}");
    }
}

fn xm_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for age in [XendFormat::V1, XendFormat::V2, XendFormat::V3] {
        if let Ok(guest) = xm::from_xm(text, age)
            && let Ok(written) = xm::to_xm(&guest, age)
        {
            assert!(xm::from_xm(&written, age).is_ok(), "{written}");
        }
    }
    let _ = xm::looks_like_domain(text);
    let age = XendFormat::V4;
    let Some(guest) = examined(Language::Native(Native::Xm), text) else { return };
    survives_xml(&guest);
    // A text that says the same already is left as it is.
    if let Ok(edited) = xm::update(text, &guest, age) {
        assert_eq!(edited, text);
    }
    if let Ok(written) = xm::to_xm(&guest, age) {
        assert!(xm::from_xm(&written, age).is_ok(), "{written}");
    }
    let mut other = guest;
    other.memory_kib = 64 << 10;
    other.max_memory_kib = 64 << 10;
    other.interfaces.clear();
    if let Ok(edited) = xm::update(text, &other, age) {
        let again = xm::from_xm(&edited, age).unwrap_or_else(|error| panic!("{error}\n{edited}"));
        assert_eq!((again.memory_kib, again.interfaces.len()), (64 << 10, 0), "{edited}");
    }
}

fn xenvm_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(guest) = examined(Language::Native(Native::Xenvm), text) else { return };
    survives_xml(&guest);
    match xenith::format::xenvm::to_xenvm(&guest) {
        Ok(written) => {
            let again = xenith::format::xenvm::from_xenvm(&written);
            assert!(again.as_ref() == Ok(&guest), "{written}\n{again:#?}\nwas\n{guest:#?}");
        }
        Err(error) => panic!("what was read cannot be written: {error}"),
    }
}

fn sxpr_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(guest) = examined(Language::Native(Native::Sxpr), text) else { return };
    survives_xml(&guest);
    for number in 1..=4 {
        let Some(format) = sxpr::XendFormat::from_number(Some(number)) else { continue };
        if let Ok(value) = sxpr::to_sxpr(&guest, format) {
            let read = Sexpr::parse_first(&value.to_bytes());
            assert_eq!(read.as_ref(), Ok(&value), "format {number}");
            let again = sxpr::from_sxpr(&value);
            assert!(again.is_ok(), "format {number}: {value}\n{again:?}");
        }
    }
}

fn libxl_json_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for described in libxl_json::from_json(text).unwrap_or_default() {
        survives_xml(&described.guest);
    }
}

fn sidecar_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(sidecar) = Sidecar::read(text)
        && let Ok(written) = sidecar.write()
    {
        assert_eq!(Sidecar::read(&written).ok(), Some(sidecar), "{written}");
    }
}

fn sexpr_bytes(bytes: &[u8]) {
    for bang_separates in [false, true] {
        let _ = Sexpr::parse_all_with(bytes, Dialect::Xend { bang_separates }, Limits::default());
    }
    let Ok(values) = Sexpr::parse_all(bytes) else { return };
    for value in values {
        assert_eq!(Sexpr::parse_first(&value.to_bytes()).as_ref(), Ok(&value));
        for empty_quoted in [false, true] {
            let _ = Sexpr::parse_first(&value.to_xend_bytes(empty_quoted));
        }
        assert!(Sexpr::parse_first(value.to_string().as_bytes()).is_ok(), "{value}");
    }
}

/// In two pieces and in one: where a read ends must not matter.
fn xend_answer(bytes: &[u8]) {
    let mut whole = ResponseReader::new(1 << 16);
    let at_once = whole.feed(bytes);
    if let Ok(Some(response)) = &at_once {
        let _ = interpret(response);
    }
    let _ = whole.end();
    let _ = ResponseReader::for_head_request().feed(bytes);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut cut = ResponseReader::new(1 << 16);
    match (cut.feed(first), at_once) {
        (Ok(None), at_once) => assert_eq!(cut.feed(second).ok(), at_once.ok()),
        (Ok(Some(response)), at_once) => assert_eq!(at_once.ok(), Some(Some(response))),
        (Err(_), at_once) => assert!(at_once.is_err()),
    }
}

fn xend_request(bytes: &[u8]) {
    let at_once = RequestReader::default().feed(bytes);
    if let Err(refusal) = &at_once {
        let _ = (*refusal).reply().to_bytes(false, false);
    }
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut cut = RequestReader::default();
    match (cut.feed(first), at_once) {
        (Ok(None), at_once) => assert_eq!(cut.feed(second).ok(), at_once.ok()),
        (Ok(Some(received)), at_once) => assert_eq!(at_once.ok(), Some(Some(received))),
        (Err(_), at_once) => assert!(at_once.is_err()),
    }
}

fn xenstore_bytes(bytes: &[u8]) {
    // As a stream of frames, byte by byte and at once.
    let (mut at_once, mut by_byte) = (Decoder::default(), Decoder::default());
    at_once.push(bytes);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = at_once.next_frame() {
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(xenstore::Frame::length_at_head(&again), Some(again.len()));
        frames.push(frame);
    }
    let mut others = Vec::new();
    for byte in bytes {
        by_byte.push(&[*byte]);
        while let Ok(Some(frame)) = by_byte.next_frame() {
            others.push(frame);
        }
    }
    assert_eq!(frames, others);
    // As the payload of each request and answer.
    for number in 0..32 {
        let Some(kind) = Kind::from_number(number) else { continue };
        if let Ok(request) = Request::parse(kind, bytes) {
            let payload = request.payload();
            assert_eq!(Request::parse(kind, &payload).ok().as_ref(), Some(&request), "{request:?}");
        }
    }
    let _ = xenstore::parse_names(bytes);
    let _ = xenstore::parse_number(bytes);
    let _ = xenstore::parse_boolean(bytes);
    let _ = xenstore::parse_text(bytes);
    let _ = xenstore::parse_perms(bytes);
    let _ = xenstore::parse_event(bytes);
    let _ = xenstore::parse_directory_part(bytes);
    let _ = xenstore::errno_from_name(bytes);
}

/// Requests as a hypervisor of each age reads them, and records and answers as a toolstack does.
fn hypercall_bytes(bytes: &[u8]) {
    for generation in GENERATIONS {
        for arch in [Arch::X86_64, Arch::Arm64] {
            let hypervisor = Hypervisor { generation, arch };
            let _ = DomctlCall::decode(hypervisor, bytes);
            let _ = Sysctl::decode(hypervisor, bytes);
            let _ = Dom0Op::decode(hypervisor, bytes);
            if let Some(record) = hypervisor
                .layout(&tables::getdomaininfo::TABLE)
                .and_then(|layout| DomainRecord::decode(layout, bytes))
            {
                let _ = (record.live_bits(), record.guest_type(hypervisor), record.info(hypervisor));
            }
            if let Some(info) =
                hypervisor.layout(&tables::physinfo::TABLE).and_then(|layout| PhysInfo::decode(layout, bytes))
            {
                let _ = (info.node_info("x86_64"), info.cpu_features(generation.from));
            }
        }
    }
}

fn saved_head(bytes: &[u8]) {
    match Head::read(bytes) {
        Ok(head) => assert_eq!(Head::read(&head.to_bytes()), Ok(head)),
        Err(error) => assert_eq!(error.status, Status::InvalidConfig),
    }
}

fn uri_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = uri::parse(Some(text));
}

fn cpuinfo(bytes: &[u8]) {
    let cpu = capabilities::read_cpuinfo(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = capabilities::Capabilities::of(cpu, &text, None).with_xend().to_xml();
}

fn capture(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut disguise = Disguise::new();
    let _ = disguised_value(&text, bytes, &mut disguise);
    let _ = disguised_path(&text, &mut disguise);
    let Ok(read) = Capture::from_text(&text) else { return };
    assert_eq!(Capture::from_text(&read.to_text()).as_ref(), Ok(&read));
    // What somebody sends is also answered from.
    let config = SimConfig { capture: Some(Arc::new(read)), ..SimConfig::default() };
    let Ok(host) = SimHost::start(config) else { return };
    if let Ok(xen) = hypercall::Hypervisor::over(host.hypercall_port(), &Log::default()) {
        let _ = (xen.list(), xen.physinfo(), xen.domain_info(1), xen.capabilities());
    }
}
