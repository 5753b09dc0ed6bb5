//! libvirt's own cases of capabilities against this library's: /proc/cpuinfo and a capability string -> capabilities XML.
//!
//! The cases are LGPL data and no part of this repository: they are read from `../shared/vectors/libvirt/caps` (or
//! `$XENITH_SHARED/vectors/libvirt/caps`), and without them this test says that it compared nothing. Cases of our own are beside the code.

// A test that cannot read its data has failed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use quick_xml::events::Event;
use xenith::format::capabilities::{Capabilities, read_cpuinfo};

fn folder() -> PathBuf {
    let shared = std::env::var_os("XENITH_SHARED").map(PathBuf::from);
    shared
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"))
        .join("vectors/libvirt/caps")
}

#[test]
fn libvirts_machines_have_libvirts_capabilities() {
    if !folder().is_dir() {
        eprintln!("SKIPPED: no cases at {}; nothing was compared", folder().display());
        return;
    }
    let mut cases: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "caps"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 7, "only {} cases at {}", cases.len(), folder().display());
    for case in &cases {
        let cpuinfo = fs::read(case.with_extension("cpuinfo")).unwrap();
        let xen_caps = fs::read_to_string(case).unwrap();
        // All of them are hosts of xend, of no release that the case would tell.
        let ours = Capabilities::of(read_cpuinfo(&cpuinfo), &xen_caps, None).with_xend().to_xml().unwrap();
        let theirs = fs::read_to_string(case.with_extension("xml")).unwrap();
        assert_eq!(tree(&ours), tree(&theirs), "{}", case.display());
    }
    println!("{} of {} cases", cases.len(), cases.len());
}

/// The document's elements in order: depth, name, attributes (sorted), trimmed text.
fn tree(xml: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut depth, mut seen) = (0_usize, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let mut attributes: Vec<String> = start
                    .attributes()
                    .map(|attribute| attribute.unwrap())
                    .map(|attribute| format!("{}={}", attribute.key.as_ref(), attribute.value))
                    .collect();
                attributes.sort();
                seen.push(format!("{depth} {} {}", start.name().as_ref(), attributes.join(" ")));
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if !text.trim().is_empty() => seen.push(format!("{depth} = {}", text.trim())),
            Event::Eof => return seen,
            _ => {}
        }
    }
}
