//! Processors: `cpus`, `cpu_weight`, `cap`, `nestedhvm`, `cpuid`, `vnuma` (xl.cfg(5)) <-> model.

use std::collections::BTreeMap;

use super::options::Options;
use super::syntax::{Kind, Result, fault};
use super::write::{Items, unsupported};
use crate::error;
use crate::format::config::Value;
use crate::format::config::settings::{Settings, number};
use crate::format::cpuset::{MAX_PINNED, cpu_ranges, cpu_set};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{
    Cpu, CpuFeature, CpuMode, CpuSet, FeaturePolicy, NumaCell, NumaMode, NumaPlace, Vcpus,
};

/// What xl and domain XML call a processor's feature, where they do not agree: xl's name, domain XML's.
const NAMES: [(&str, &str); 17] = [
    ("cmpxchg16", "cx16"),
    ("cmpxchg8", "cx8"),
    ("cntxid", "cid"),
    ("dscpl", "ds_cpl"),
    ("pclmulqdq", "pclmuldq"),
    ("sse3", "pni"),
    ("htt", "ht"),
    ("psn", "pn"),
    ("clfsh", "clflush"),
    ("sysenter", "sep"),
    ("nodeid", "nodeid_msr"),
    ("altmovcr8", "cr8legacy"),
    ("lahfsahf", "lahf_lm"),
    ("cmplegacy", "cmp_legacy"),
    ("ffxsr", "fxsr_opt"),
    ("page1gb", "pdpe1gb"),
    ("ibrsb", "spec-ctrl"),
];
/// More NUMA nodes than any guest has.
const MAX_CELLS: usize = 128;

pub(super) fn read(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    cpus(settings, guest)?;
    guest.cpu_tuning.weight = positive(settings, "cpu_weight", 65_535)?;
    // 0 is no limit.
    guest.cpu_tuning.cap_percent = settings.number("cap")?.filter(|cap| *cap != 0);
    let nested = if guest.is_hvm() { settings.flag("nestedhvm")? } else { None };
    let features = features(settings)?;
    if nested.is_some() || features.is_some() {
        let mut features = features.unwrap_or_default();
        // A guest whose file does not say so has no guests of its own, and domain XML's host-passthrough means that it can.
        if guest.is_hvm() && nested != Some(true) {
            let name = Cpu::VIRTUALIZATION[0].to_owned();
            features.push(CpuFeature { name, policy: FeaturePolicy::Disable });
        }
        guest.cpu = Some(Cpu { mode: Some(CpuMode::HostPassthrough), features, numa: Vec::new() });
    }
    vnuma(settings, guest)
}

/// A number from 1 on.
fn positive(settings: &mut Settings, key: &str, most: u32) -> Result<Option<u32>> {
    let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
    match number(&text).map(u32::try_from) {
        Some(Ok(number)) if (1..=most).contains(&number) => Ok(Some(number)),
        _ => fault(at, format!("{key} = '{}': expected 1 to {most}", shown(&text))),
    }
}

/// One set for all vcpus; a list gives each its own, and is the same where its sets are.
fn cpus(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let Some(value) = settings.take("cpus") else { return Ok(()) };
    let is_list = matches!(value.kind, Kind::List(_));
    let texts: Vec<(&str, usize)> = match &value.kind {
        Kind::Text(text) => vec![(text.as_str(), value.span.start)],
        Kind::List(items) => {
            items.iter().map(|item| Ok((item.text("cpus")?, item.span.start))).collect::<Result<_>>()?
        }
    };
    // xl's own words for sets that depend on the host.
    if texts.iter().any(|(text, _)| text.contains("node") || text.contains("all,")) {
        settings.leave("cpus", value.span.start);
        return Ok(());
    }
    // What stands behind the last vcpu has no effect.
    let max = usize::try_from(guest.vcpus.max).unwrap_or(usize::MAX);
    let mut pinned = 0;
    let mut sets = Vec::new();
    for (text, at) in texts.into_iter().take(max) {
        match (text.trim(), cpu_set(text)) {
            ("all" | "", _) => sets.push(None),
            (_, Some(set)) => {
                pinned += set.len();
                if pinned > MAX_PINNED {
                    // About all of them together.
                    return fault(
                        value.span.start,
                        format!("cpus: more than {MAX_PINNED} processors in all"),
                    );
                }
                sets.push(Some(set));
            }
            (_, None) => {
                let message =
                    format!("cpus: '{}' names no processors; expected such as 0-3,^2,5", shown(text));
                return fault(at, message);
            }
        }
    }
    let all_same = sets.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    // Vcpus behind the end of a list are free.
    if all_same && (!is_list || sets.len() >= max) {
        guest.vcpus.cpuset = sets.into_iter().next().flatten();
    } else {
        let pins = (0..).zip(sets).take(max);
        guest.cpu_tuning.pins = pins.filter_map(|(vcpu, set)| Some((vcpu, set?))).collect();
    }
    Ok(())
}

/// `host,tm=0,sse3=1`; None where nothing is said.
fn features(settings: &mut Settings) -> Result<Option<Vec<CpuFeature>>> {
    let Some(value) = settings.take("cpuid") else { return Ok(None) };
    let at = value.span.start;
    let Kind::Text(text) = &value.kind else {
        // Registers and their bits, one by one.
        settings.leave("cpuid", at);
        return Ok(None);
    };
    let mut words = text.split(',').map(str::trim);
    if words.next() != Some("host") {
        return fault(at, format!("cpuid = '{}': expected host first", shown(text)));
    }
    let mut features: BTreeMap<&str, (usize, FeaturePolicy)> = BTreeMap::new();
    for (place, word) in words.filter(|word| !word.is_empty()).enumerate() {
        let Some((name, value)) = word.split_once('=') else {
            return fault(at, format!("cpuid: '{}' has no value; expected such as tm=0", shown(word)));
        };
        let policy = match value {
            "0" => FeaturePolicy::Disable,
            "1" => FeaturePolicy::Force,
            "x" => FeaturePolicy::Optional,
            // As it is, and as it was: and what has a number of its own.
            _ => {
                settings.leave(&format!("cpuid ({})", shown(name)), at);
                continue;
            }
        };
        let named = NAMES.iter().find(|(own, _)| *own == name).map_or(name, |(_, theirs)| theirs);
        features.insert(named, (place, policy));
    }
    let mut features: Vec<_> = features.into_iter().collect();
    features.sort_by_key(|(_, (place, _))| *place);
    let feature =
        |(name, (_, policy)): (&str, (usize, FeaturePolicy))| CpuFeature { name: name.to_owned(), policy };
    Ok(Some(features.into_iter().map(feature).collect()))
}

/// `vnuma = [ [ "pnode=0", "size=2048", "vcpus=0-1", "vdistances=10,20" ], ... ]`.
fn vnuma(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let Some(value) = settings.take("vnuma") else { return Ok(()) };
    let Kind::List(nodes) = &value.kind else {
        return fault(value.span.start, "vnuma: expected a list of lists");
    };
    if nodes.len() > MAX_CELLS {
        return fault(value.span.start, format!("vnuma: more than {MAX_CELLS} nodes"));
    }
    let mut cells = Vec::new();
    for (id, node) in (0..).zip(nodes) {
        let (cell, pnode) = cell(node, nodes.len())?;
        cells.push(cell);
        // Each on the host's node of its own number is what libvirt writes where nothing is said.
        if pnode != id {
            let place = NumaPlace { mode: NumaMode::Strict, nodes: [pnode].into() };
            guest.numa_tuning.cells.insert(id, place);
        }
    }
    if !cells.is_empty() {
        guest.cpu.get_or_insert_default().numa = cells;
    }
    Ok(())
}

/// A node, and the host's node that it is on.
fn cell(node: &Value, count: usize) -> Result<(NumaCell, u32)> {
    let at = node.span.start;
    let Kind::List(words) = &node.kind else {
        return fault(at, "vnuma: expected a list such as [ \"pnode=0\", \"size=1024\", \"vcpus=0-1\" ]");
    };
    let (mut pnode, mut size, mut cell) = (None, None, NumaCell::default());
    for word in words {
        let (text, at) = (word.text("vnuma")?, word.span.start);
        let Some((key, value)) = text.split_once('=') else {
            return fault(at, format!("vnuma: '{}' has no value", shown(text)));
        };
        let value = value.trim();
        let numbers = || -> Option<Vec<u32>> {
            value.split(',').map(|one| number(one.trim()).and_then(|one| u32::try_from(one).ok())).collect()
        };
        match (key.trim(), numbers()) {
            ("pnode", Some(numbers)) if numbers.len() == 1 => pnode = numbers.first().copied(),
            ("size", Some(numbers)) if numbers.len() == 1 => size = numbers.first().copied(),
            ("vcpus", _) => match cpu_set(value) {
                Some(set) => cell.vcpus = Some(set),
                None => return fault(at, format!("vnuma: '{}' names no vcpus", shown(text))),
            },
            ("vdistances", Some(numbers)) if numbers.len() <= count => {
                cell.distances = (0..).zip(numbers).collect();
            }
            ("pnode" | "size" | "vdistances", _) => {
                return fault(at, format!("vnuma: '{}' is no number, or out of range", shown(text)));
            }
            (key, _) => return fault(at, format!("vnuma: '{}' is not known", shown(key))),
        }
    }
    match (pnode, size) {
        (Some(pnode), Some(size @ 1..)) => {
            cell.memory_kib = u64::from(size) * 1024;
            Ok((cell, pnode))
        }
        _ => fault(at, "vnuma: expected pnode=, and size= in MiB"),
    }
}

pub(super) fn write(items: &mut Items, guest: &Guest) -> error::Result<()> {
    pins(items, &guest.vcpus, &guest.cpu_tuning.pins);
    if let Some(weight) = guest.cpu_tuning.weight {
        items.number("cpu_weight", weight);
    }
    if let Some(cap) = guest.cpu_tuning.cap_percent {
        items.number("cap", cap);
    }
    if guest.numa_tuning.memory.is_some() {
        return Err(unsupported("<memory> of <numatune>: a guest's memory follows its vcpus' cpuset"));
    }
    let Some(cpu) = &guest.cpu else { return Ok(()) };
    if let Some(nested) = cpu.nested().filter(|_| guest.is_hvm()) {
        items.flag("nestedhvm", nested);
    }
    let is_said = |feature: &&CpuFeature| !Cpu::VIRTUALIZATION.contains(&feature.name.as_str());
    let words: Vec<String> = cpu.features.iter().filter(is_said).map(feature_word).collect();
    if !words.is_empty() {
        items.text("cpuid", format!("host,{}", words.join(",")));
    }
    if !cpu.numa.is_empty() {
        items.lists("vnuma", nodes(guest, &cpu.numa)?);
    }
    Ok(())
}

/// The processors of all vcpus, or a set for each where some have their own.
fn pins(items: &mut Items, vcpus: &Vcpus, pins: &BTreeMap<u32, CpuSet>) {
    if pins.is_empty() {
        return items.some("cpus", vcpus.cpuset.as_ref().map(cpu_ranges));
    }
    let of =
        |vcpu: u32| pins.get(&vcpu).or(vcpus.cpuset.as_ref()).map_or_else(|| "all".to_owned(), cpu_ranges);
    items.list("cpus", (0..vcpus.max).map(of).collect());
}

fn feature_word(feature: &CpuFeature) -> String {
    let name = feature.name.as_str();
    let named = NAMES.iter().find(|(_, theirs)| *theirs == name).map_or(name, |(own, _)| own);
    let value = match feature.policy {
        FeaturePolicy::Force | FeaturePolicy::Require => '1',
        FeaturePolicy::Optional => 'x',
        FeaturePolicy::Disable | FeaturePolicy::Forbid => '0',
    };
    format!("{named}={value}")
}

fn nodes(guest: &Guest, cells: &[NumaCell]) -> error::Result<Vec<Vec<String>>> {
    let mut nodes = Vec::new();
    for (id, cell) in (0..).zip(cells) {
        let pnode = match guest.numa_tuning.cells.get(&id) {
            None => id,
            Some(NumaPlace { mode: NumaMode::Strict, nodes }) if nodes.len() == 1 => {
                nodes.first().copied().unwrap_or(id)
            }
            Some(_) => {
                return Err(unsupported(format!(
                    "<memnode cellid='{id}'> but for mode='strict' with one node of the host's"
                )));
            }
        };
        let Some(vcpus) = &cell.vcpus else {
            return Err(unsupported(format!("<cell id='{id}'> without cpus")));
        };
        let distances = NumaCell::distances_from(cells, id);
        let distances: Vec<String> = distances.iter().map(u32::to_string).collect();
        nodes.push(
            Options::default()
                .put("pnode", pnode)
                .put("size", cell.memory_kib.div_ceil(1024))
                .put("vcpus", cpu_ranges(vcpus))
                .put("vdistances", distances.join(","))
                .into_words(),
        );
    }
    Ok(nodes)
}
