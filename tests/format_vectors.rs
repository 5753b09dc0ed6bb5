//! libvirt's own conversion cases against this library's: domain XML <-> the configurations of xend, xm and xl.
//!
//! The cases are LGPL data and no part of this repository: they are read from `../shared/vectors/libvirt` (or `$XENITH_SHARED/vectors/libvirt`),
//! and without them this test says that it compared nothing.

// A test that cannot read its data or its own output has failed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quick_xml::events::Event;
use xenith::format::convert::{Native, Options, from_native, to_native};
use xenith::format::sxpr::{XendFormat, from_sxpr, to_sxpr};
use xenith::format::xml;
use xenith::wire::sexpr::Sexpr;

/// How many cases pass (fewer is a step back), and how many there are.
type Score = (usize, usize);

/// Of the files: their kind, language and age of xend, how many cases pass from it to XML, and to it, and how many there are of each.
const FILES: [(&str, Native, XendFormat, Score, Score); 4] = [
    ("xl", Native::Xl, XendFormat::V4, (35, 35), (28, 28)),
    ("xm", Native::Xm, XendFormat::V4, (26, 26), (23, 23)),
    ("xm-format1", Native::Xm, XendFormat::V1, (1, 1), (1, 1)),
    ("xm-format2", Native::Xm, XendFormat::V2, (1, 1), (1, 1)),
];

/// Of each kind: how many cases pass (fewer is a step back), and how many there are.
const SCORES: [(&str, usize, usize); 5] = [
    ("sexpr-to-xml", 37, 37),
    ("xml-to-sexpr", 30, 30),
    ("xml-to-sexpr-format1", 19, 19),
    ("xml-to-sexpr-format2", 17, 17),
    ("xml-to-sexpr-format3", 1, 1),
];

/// A file's case against both directions that its manifest gives: libvirt's own words, on the host that a conversion stands for.
#[test]
fn libvirts_files_are_converted_as_libvirt_does() {
    let Ok(manifest) = fs::read_to_string(folder().join("manifest.json")) else {
        eprintln!("SKIPPED: no libvirt cases at {}; none of {FILES:?} was compared", folder().display());
        return;
    };
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let word = |case: &serde_json::Value, key: &str| case[key].as_str().unwrap().to_owned();
    let mut fallen = Vec::new();
    for (kind, native, xend_format, from_score, to_score) in FILES {
        let options = Options { xend_format, ..Options::default() };
        let cases = || manifest.as_array().unwrap().iter().filter(|case| word(case, "kind") == kind);
        for (direction, other, (least, all)) in
            [("cfg->xml", "xml->cfg", from_score), ("xml->cfg", "cfg->xml", to_score)]
        {
            let mut failed = BTreeMap::new();
            let mut count = 0;
            for case in cases().filter(|case| word(case, "direction") != other) {
                let name = word(case, "case");
                let read = |ending: &str| {
                    fs::read_to_string(folder().join(format!("{kind}/{name}.{ending}"))).unwrap()
                };
                count += 1;
                let result = match direction {
                    "cfg->xml" => file_to_xml(native, options, &read("cfg"), &read("xml")),
                    _ => xml_to_file(native, options, &read("xml"), &read("cfg")),
                };
                failed.extend(result.err().map(|why| (name, why)));
            }
            let passed = count - failed.len();
            println!("{kind}, {direction}: {passed} of {count}");
            for (name, why) in &failed {
                println!("  {name}: {why}");
            }
            assert_eq!(count, all, "{kind}, {direction}: the number of cases has changed");
            if passed < least {
                fallen.push(format!(
                    "{kind}, {direction}: {passed} of {all} pass, {least} did before: {:?}",
                    failed.keys()
                ));
            }
        }
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

fn file_to_xml(native: Native, options: Options, file: &str, document: &str) -> Result<(), String> {
    let got = from_native(native, file, options).map_err(|error| error.to_string())?.text;
    // The firmware's folder of the host that they were made on.
    let (got, expected) = (tree(&got), tree(&document.replace("/LIBXL_FIRMWARE_DIR", "/usr/lib/xen/boot")));
    if got == expected { Ok(()) } else { Err(first_difference(&got, &expected)) }
}

fn xml_to_file(native: Native, options: Options, document: &str, file: &str) -> Result<(), String> {
    let got = to_native(native, document, options).map_err(|error| error.to_string())?.text;
    let (got, expected) = (settings(&got), settings(file));
    let lines = |settings: &BTreeMap<String, String>| -> Vec<String> {
        settings.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    };
    if got == expected { Ok(()) } else { Err(first_difference(&lines(&got), &lines(&expected))) }
}

/// What each key of a file comes to; blanks between the parts of a list do not count. The cases have a statement on each line.
fn settings(file: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').unwrap();
        let (mut plain, mut quote) = (String::new(), None);
        for c in value.chars() {
            match quote {
                None if c.is_whitespace() => continue,
                None if c == '"' || c == '\'' => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ => {}
            }
            plain.push(c);
        }
        assert!(settings.insert(key.trim().to_owned(), plain).is_none(), "{key} twice");
    }
    settings
}

fn folder() -> PathBuf {
    let shared = std::env::var_os("XENITH_SHARED").map(PathBuf::from);
    shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("vectors/libvirt")
}

#[test]
fn libvirts_cases_are_answered_as_libvirt_does() {
    if !folder().is_dir() {
        eprintln!("SKIPPED: no libvirt cases at {}; none of {SCORES:?} was compared", folder().display());
        return;
    }
    let mut fallen = Vec::new();
    for (kind, least, all) in SCORES {
        let mut names: Vec<String> = fs::read_dir(folder().join(kind))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "sexpr"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names.len(), all, "{kind}: the number of cases has changed");
        let failed: BTreeMap<&str, String> =
            names.iter().filter_map(|name| Some((name.as_str(), run(kind, name).err()?))).collect();
        let passed = all - failed.len();
        println!("{kind}: {passed} of {all}");
        for (name, why) in &failed {
            println!("  {name}: {why}");
        }
        if passed < least {
            fallen.push(format!(
                "{kind}: {passed} of {all} pass, {least} did before; failing: {:?}",
                failed.keys()
            ));
        }
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

/// One case; the error shows both sides.
fn run(kind: &str, name: &str) -> Result<(), String> {
    let read =
        |ending: &str| fs::read_to_string(folder().join(kind).join(format!("{name}.{ending}"))).unwrap();
    let (document, expression) = (read("xml"), read("sexpr"));
    let expression = Sexpr::parse_first(expression.as_bytes()).map_err(|error| error.to_string())?;
    if kind == "sexpr-to-xml" {
        let (guest, live) = from_sxpr(&expression).map_err(|error| error.to_string())?;
        let (got, expected) = (tree(&xml::write(&guest, &live)), tree(&document));
        return if got == expected { Ok(()) } else { Err(first_difference(&got, &expected)) };
    }
    let number = kind.strip_prefix("xml-to-sexpr-format").map_or(4, |number| number.parse().unwrap());
    let guest = xml::parse(&document).map_err(|error| error.to_string())?;
    let got =
        to_sxpr(&guest, XendFormat::from_number(Some(number)).unwrap()).map_err(|error| error.to_string())?;
    if got == expression { Ok(()) } else { Err(format!("\n    got      {got}\n    expected {expression}")) }
}

/// A document as lines, one per element and text: names, sorted attributes, trimmed text, depth.
fn tree(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut lines, mut depth, mut words) = (Vec::new(), 0, String::new());
    let flush = |words: &mut String, lines: &mut Vec<String>, depth: usize| {
        if !words.trim().is_empty() {
            lines.push(format!("{}{}", " ".repeat(depth), words.trim()));
        }
        words.clear();
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                flush(&mut words, &mut lines, depth);
                let mut attributes: Vec<String> = tag
                    .attributes()
                    .map(|attribute| attribute.unwrap())
                    .map(|one| {
                        format!("{}={:?}", one.key.0, quick_xml::escape::unescape(&one.value).unwrap())
                    })
                    .collect();
                attributes.sort();
                lines.push(format!("{}<{} {}", " ".repeat(depth), tag.name().0, attributes.join(" ")));
                depth += 1;
            }
            Event::End(_) => {
                flush(&mut words, &mut lines, depth);
                depth -= 1;
            }
            Event::Text(text) => words.push_str(&text),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &*name);
                words.push_str(&quick_xml::escape::unescape(&reference).unwrap());
            }
            Event::Eof => return lines,
            _ => {}
        }
    }
}

fn first_difference(got: &[String], expected: &[String]) -> String {
    let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(the end)".into());
    format!("\n    got      {}\n    expected {}", line(got), line(expected))
}
