//! What real xends of eight versions answered, read as guests: every recorded domain, and every configuration that one of them took.
//!
//! The recordings are `tests/data/xend`.

// A test that cannot read its data or its own output has failed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use xenith::format::sxpr::{XendFormat, from_sxpr, to_sxpr};
use xenith::format::xml;
use xenith::model::guest::{BootDevice, InterfaceKind};
use xenith::model::{Guest, GuestType};
use xenith::wire::sexpr::Sexpr;

/// A recorded pair: version, case, request, response.
struct Pair {
    version: String,
    case: String,
    request: String,
    response: Vec<u8>,
}

fn recordings() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/xend")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(version) = name.strip_prefix("xend-") else { continue };
        for line in fs::read_to_string(&path).unwrap().lines() {
            let pair: serde_json::Value = serde_json::from_str(line).unwrap();
            // The recording keeps bytes as Latin-1.
            let text = |key: &str| pair.get(key).unwrap().as_str().unwrap().to_owned();
            pairs.push(Pair {
                version: version.to_owned(),
                case: text("case"),
                request: text("request"),
                response: text("response").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
            });
        }
    }
    pairs
}

/// The domains in an answer: the value itself, or the members of a detailed list.
fn domains(response: &[u8]) -> Vec<Sexpr> {
    let Some(head) = response.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Vec::new() };
    let Ok(value) = Sexpr::parse_first(&response[head + 4..]) else { return Vec::new() };
    let candidates = match value.name() {
        Some(_) => vec![value],
        None => value.as_list().unwrap_or_default().to_vec(),
    };
    // An answer about vcpus is headed `domain` too.
    candidates
        .into_iter()
        .filter(|one| one.name() == Some("domain") && one.child("memory").is_some())
        .collect()
}

#[test]
fn every_domain_that_a_real_xend_described_is_read() {
    let recordings = recordings();
    let (mut read, mut live_ones, mut kept) = (0, 0, 0);
    for pair in &recordings {
        for value in domains(&pair.response) {
            let place = format!("{} {}", pair.version, pair.case);
            let (guest, live) = from_sxpr(&value).unwrap_or_else(|error| panic!("{place}: {error}\n{value}"));
            read += 1;
            live_ones += usize::from(live.domid.is_some());
            assert_eq!(Some(guest.name.as_str()), value.value("name"), "{place}");
            assert_eq!(guest.memory_kib, value.number::<u64>("memory").unwrap() * 1024, "{place}");
            assert!(guest.memory_kib <= guest.max_memory_kib, "{place}");
            assert!(guest.uuid.is_some(), "{place}");
            // XML cannot say every byte that xend can hold.
            if value.to_string().contains("\\x") {
                continue;
            }
            // What is shown of it can be defined again, and says the same.
            let document = xml::write_with_secrets(&guest, &live);
            match xml::parse(&document) {
                Ok(again) => {
                    kept += 1;
                    assert_eq!(again, with_xml_order(guest), "{place}\n{document}");
                }
                // Domain-0 has no uuid, and some names are none for this library.
                Err(error) => {
                    let message = error.to_string();
                    let known =
                        message.contains("<uuid>: a uuid of all zeroes") || message.contains("<name>");
                    assert!(known, "{place}: {message}\n{document}");
                }
            }
        }
    }
    println!("{read} domains read, {live_ones} of them live; {kept} went to XML and back");
    assert!(
        read > 500 && live_ones > 300 && kept > 300,
        "{read} {live_ones} {kept}: the recordings were not read"
    );
}

/// xend's disks come in the order of a hash table; XML's readers sort them.
fn with_xml_order(mut guest: Guest) -> Guest {
    guest.sort_disks();
    guest
}

#[test]
fn every_configuration_that_a_real_xend_took_is_written_again_as_it_was_read() {
    let recordings = recordings();
    let mut compared = 0;
    for pair in &recordings {
        if !pair.response.starts_with(b"HTTP/1.1 20") {
            continue;
        }
        let Some((_, body)) = pair.request.split_once("\r\n\r\n") else { continue };
        let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let is = |wanted: &str| form.iter().any(|(key, value)| key == "op" && value == wanted);
        let Some((_, config)) = form.iter().find(|(key, _)| key == "config") else { continue };
        if !is("new") && !is("create") {
            continue;
        }
        let Ok(value) = Sexpr::parse_first(config.as_bytes()) else { continue };
        let place = format!("{} {}", pair.version, pair.case);
        let (guest, _) = match from_sxpr(&value) {
            Ok(read) => read,
            // Some probes are no guests on purpose: xend took what has no memory or no name.
            Err(error) if error.message.contains("is missing") => continue,
            Err(error) => panic!("{place}: {error}\n{value}"),
        };
        let format = if pair.version.starts_with("3.0.2") { XendFormat::V1 } else { XendFormat::V4 };
        match to_sxpr(&guest, format) {
            Ok(written) => {
                let (again, _) = from_sxpr(&written).unwrap();
                assert_eq!(again, filled(guest), "{place}\n{value}\n{written}");
                compared += 1;
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("a PV guest needs"), "{place}: {message}\n{value}");
            }
        }
    }
    println!("{compared} configurations written again");
    assert!(compared > 50, "{compared}: the recordings were not read");
}

/// What writing adds, the defaults that libvirt gives to xend, and what it leaves out, a kernel beside a bootloader.
fn filled(mut guest: Guest) -> Guest {
    for interface in &mut guest.interfaces {
        if matches!(interface.kind, InterfaceKind::Bridge(_)) && interface.script.is_none() {
            interface.script = Some("vif-bridge".into());
        }
    }
    if guest.os.kind == GuestType::Hvm {
        if guest.os.boot.is_empty() {
            guest.os.boot.push(BootDevice::HardDisk);
        }
        guest.emulator.get_or_insert("/usr/lib/xen/bin/qemu-dm".into());
    }
    if guest.os.bootloader.is_some() {
        (guest.os.kernel, guest.os.initrd) = (None, None);
    }
    guest
}
