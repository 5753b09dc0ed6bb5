//! xl's configuration language against what others say of it: a real xl's reading of what this library writes, and libvirt's own conversion cases.

// A test that cannot read its data or its own output has failed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use xenith::format::{xl, xml};
use xenith::model::guest::Controller;

fn names(folder: &Path, ending: &str) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|other| other == ending))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Each NAME.cfg there is for a real xl to read (`xl create --dryrun`). Where this test fails, write the file anew (XENITH_WRITE=1) and
/// ask one again.
#[test]
fn what_is_written_for_xl_is_what_is_kept_for_a_real_one_to_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/xl/dryrun");
    let names = names(&folder, "xml");
    assert!(names.len() >= 19, "only {}", names.len());
    for name in names {
        let document = fs::read_to_string(folder.join(format!("{name}.xml"))).unwrap();
        let text = xl::to_xl(&xml::parse(&document).unwrap()).unwrap();
        let path = folder.join(format!("{name}.cfg"));
        if std::env::var_os("XENITH_WRITE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
    }
}

/// libvirt's cases of this language: how many pass (fewer is a step back), and how many there are. They are LGPL data and no part of this
/// repository.
const FROM_XL: (usize, usize) = (22, 35);
const TO_XL: (usize, usize) = (15, 28);

#[test]
fn libvirts_cases_are_answered_as_libvirt_does() {
    let shared = std::env::var_os("XENITH_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("vectors/libvirt");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.json")) else {
        eprintln!("SKIPPED: no libvirt cases at {}; xl's were not compared", folder.display());
        return;
    };
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for case in manifest.as_array().unwrap().iter().filter(|case| case["kind"] == "xl") {
        let name = case["case"].as_str().unwrap();
        let read = |ending: &str| fs::read_to_string(folder.join(format!("xl/{name}.{ending}"))).unwrap();
        let (document, config) = (read("xml"), read("cfg"));
        let direction = case["direction"].as_str().unwrap();
        if direction != "xml->cfg" {
            from.push((name, from_xl(&config, &document)));
        }
        if direction != "cfg->xml" {
            to.push((name, to_xl(&document, &config)));
        }
    }
    for (what, cases, (least, all)) in [("cfg->xml", from, FROM_XL), ("xml->cfg", to, TO_XL)] {
        let passed = cases.iter().filter(|(_, result)| result.is_ok()).count();
        println!("xl {what}: {passed} of {}", cases.len());
        for (name, why) in cases.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?))) {
            println!("  {name}: {why}");
        }
        assert_eq!(cases.len(), all, "{what}: the number of cases has changed");
        assert!(passed >= least, "{what}: {passed} pass, {least} did before");
    }
}

/// Compared as guests: the documents' form is the XML tests' matter. libvirt fills in what is its host's.
fn from_xl(config: &str, document: &str) -> Result<(), String> {
    let mut guest = xl::from_xl(config).map_err(|error| error.to_string())?;
    let mut expected = xml::parse(document).map_err(|error| format!("their XML: {error}"))?;
    guest.sort_disks();
    (expected.os.arch, expected.os.machine) = (None, None);
    // Every guest has it, and libvirt says so.
    expected.controllers.retain(|controller| *controller != Controller::XENBUS);
    // The firmware that libvirt names where nobody chose one.
    let usual = "/usr/lib/xen/boot/hvmloader";
    expected.os.loader = expected.os.loader.filter(|loader| loader.path != usual);
    // The firmware's folder of the host that they were made on.
    if let Some(loader) = &mut expected.os.loader {
        loader.path = loader.path.replace("/LIBXL_FIRMWARE_DIR", "/usr/lib/xen/boot");
    }
    same(&format!("{guest:#?}"), &format!("{expected:#?}"))
}

fn to_xl(document: &str, config: &str) -> Result<(), String> {
    let guest = xml::parse(document).map_err(|error| format!("their XML: {error}"))?;
    let sorted = |text: &str| {
        // Each statement of these is on a line of its own, and only blanks differ within it.
        let mut lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.retain(|line| !line.is_empty() && !line.starts_with('#'));
        lines.sort();
        lines.join("\n")
    };
    let got = sorted(&xl::to_xl(&guest).map_err(|error| error.to_string())?);
    let expected = sorted(&rates_in_bytes(config));
    same(&got, &expected)
}

/// libvirt writes the KiB of domain XML as KB, which are 1000 bytes to xl; ours are written in bytes.
fn rates_in_bytes(config: &str) -> String {
    let mut parts = config.split("rate=");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (kib, rest) = part.split_once("KB/s").unwrap();
        text.push_str(&format!("rate={}B/s{rest}", kib.parse::<u64>().unwrap() * 1024));
    }
    text
}

/// The error shows the first line that differs.
fn same(got: &str, expected: &str) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    let at = got.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").trim().to_owned();
    Err(format!("\n    got      {}\n    expected {}", line(got), line(expected)))
}
