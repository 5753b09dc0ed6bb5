//! What every reader says of a text that is wrong: the language, line and column, the text that is meant, and what is expected.

// A test that cannot read its own output has failed.
#![allow(missing_docs, clippy::unwrap_used)]

use xenith::format::validate::Language;
use xenith::format::{Examined, Severity};
use xenith::store::sidecar::Sidecar;
use xenith::wire::sexpr::Sexpr;

const XML: &str = "<domain type='xen'>\n  <name>g</name>\n  <memory>1024</memory>\n  <os><type>hvm</type></os>\n  <devices>\n\
                   @\n  </devices>\n</domain>\n";
const XL: &str = "name = 'g'\nkernel = '/k'\n@\n";
const XENVM: &str = "name = g\nhvm = true\nmemory = 64\n@\n";
const SXPR: &str = "(vm\n (name g)\n (memory 64)\n @)\n";
const JSON: &str = "{\n \"c_info\": {\"name\": \"g\", \"type\": \"pv\"},\n \"b_info\": {},\n @\n}\n";

/// Language, text, what stands for `@` in it, the piece that must be pointed at, and the words that must be said.
const WRONG: &[(&str, &str, &str, &str, &str)] = &[
    (
        "domain-xml",
        XML,
        "<disk frob='1'><source file='/a'/><target dev='hda'/></disk>",
        "frob='1'",
        "'frob' is not known here",
    ),
    ("domain-xml", XML, "<rng/>", "<rng", "<rng>"),
    ("domain-xml", XML, "<disk type='floppy'/>", "type='floppy'", "expected file"),
    (
        "domain-xml",
        XML,
        "<interface type='bridge'><mac address='x'/></interface>",
        "<mac",
        "address='x': expected six pairs",
    ),
    (
        "domain-xml",
        XML,
        "<serial type='pty'><target port='x'/></serial>",
        "port='x'",
        "port='x' is no number",
    ),
    ("domain-xml", XML, "<a", "<", "attribute key must be"),
    ("domain-xml", XML, "</c>", "<", "expected `</devices>`"),
    ("domain-xml", XML, "&frob;", "&", "'&frob;' is not known"),
    ("domain-xml", "<pool/>", "", "<pool", "expected <domain>"),
    ("domain-xml", "hello", "", "h", "'hello' stands outside"),
    ("xen-xl", XL, "memory = 'lots'", "'lots'", "memory = 'lots' is no number of MiB"),
    ("xen-xl", XL, "vcpus = 5000", "5000", "expected 1 to 4096"),
    ("xen-xl", XL, "disk = [ '/a,frob,xvda,w' ]", "'/a,frob,xvda,w'", "'frob' is not known; expected raw"),
    ("xen-xl", XL, "vif = [ 'mac=1' ]", "'mac=1'", "mac=1 is no MAC address"),
    ("xen-xl", XL, "pci = [ 'here' ]", "'here'", "expected such as 0000:01:13.0"),
    ("xen-xl", XL, "boot = 'c", "'c", "does not end on its line"),
    ("xen-xl", XL, "boot = c", "c", "'c' is not expected here; expected a value"),
    ("xen-xl", XL, "vcpus = 1 2", "2", "'2' is not expected here; expected the end of the line"),
    ("xen-xl", XL, "Boot = 'c'", "Boot", "expected a key, which begins with a small letter"),
    ("xenvm", XENVM, "frob = 1", "frob", "'frob' is not known"),
    ("xenvm", XENVM, "vcpus = many", "many", "vcpus = 'many': expected 1 to 4096"),
    ("xenvm", XENVM, "disk = /a:nbd:hda:w:disk", "/a:nbd:hda:w:disk", "expected a phystype"),
    ("xenvm", XENVM, "on_crash = maybe", "maybe", "expected destroy, restart or preserve"),
    ("xen-sxpr", SXPR, "(vcpus many)", "(vcpus many)", "(vcpus many) is no number"),
    ("xen-sxpr", SXPR, "(on_crash maybe)", "(on_crash maybe)", "expected destroy, restart"),
    ("xen-sxpr", SXPR, "(device (vif (mac 1)))", "(mac 1)", "(mac 1) is no MAC address"),
    ("xen-sxpr", "\n(frob)", "", "(", "expected (vm ...) or (domain ...)"),
    ("xen-sxpr", "(vm (memory 64))(", "", "(vm (memory 64))", "(name ...) is missing"),
    ("xen-xm", XL, "memory = lots", "memory", "depends on Python code here, which is not executed"),
    ("xen-xm", XL, "disk = [ 'phy:/a,xvda' ]", "'phy:/a,xvda'", "disk"),
    ("xen-xm", XL, "vcpus = 'x'", "'x'", "vcpus = 'x'"),
    ("libxl-json", JSON, "\"on_crash\": 7", "7", "on_crash: expected a text, found 7"),
    ("libxl-json", JSON, "\"nics\": [{\"mac\": \"x\"}]", "\"x\"", "nics[0].mac: 'x' is no MAC address"),
    ("libxl-json", JSON, "\"disks\": [3]", "3", "disks[0]: expected an object, found 3"),
    ("libxl-json", JSON, "oops", "o", "not JSON from here on: key must be a string"),
];

#[test]
fn every_reader_says_language_place_and_what_is_expected_and_points_at_the_text() {
    let mut fallen = Vec::new();
    for (name, frame, part, meant, words) in WRONG {
        let text = frame.replace('@', part);
        let language = Language::from_name(name).unwrap();
        let Examined { guest, problems } = language.examine(&text);
        let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        let Some(first) = errors.first() else {
            fallen.push(format!("{name}: {part:?} is taken"));
            continue;
        };
        let at = text.find(if part.is_empty() { meant } else { part }).unwrap();
        let offset = text[at..].find(meant).map_or(at, |more| at + more);
        let line = text[..offset].matches('\n').count() + 1;
        let column = offset - text[..offset].rfind('\n').map_or(0, |end| end + 1) + 1;
        let place = first.place.map(|place| (place.line, place.column));
        let shown = first
            .picture(&text)
            .map(|picture| picture.line.chars().skip(picture.before).take(picture.marks).collect::<String>());
        let is_good = guest.is_none()
            && first.to_string().contains(&format!("line {line}, column {column}: "))
            && first.message.contains(words)
            && shown.as_deref() == Some(*meant);
        if !is_good {
            fallen.push(format!(
                "{name}: {part:?}: {first} (at {place:?}, pointing at {shown:?}); expected {line}:{column}, {meant:?}, {words:?}"
            ));
        }
        // A reader that stops at the first says the same as one that goes on.
        if errors.len() > 1 && !part.contains('<') {
            fallen.push(format!(
                "{name}: {part:?}: one thing is wrong, and {} are said: {errors:?}",
                errors.len()
            ));
        }
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

#[test]
fn the_readers_of_other_texts_say_language_and_place_as_well() {
    let sidecar = Sidecar::read(
        "<xenith uuid='00000000-0000-0000-0000-000000000005'>\n <title>&frob;</title></xenith>",
    )
    .unwrap_err();
    assert!(sidecar.to_string().starts_with("sidecar, line 2, column 9: "), "{sidecar}");
    let sexpr = Sexpr::parse_first(b"(a\n (b").unwrap_err();
    assert_eq!(sexpr.to_string(), "line 2, column 4 (byte 6): unexpected end of input");
}
