//! Vcpus, what kind of processor they show, scheduling, NUMA.

use std::collections::BTreeMap;

use super::super::tree::{Element, Result};
use super::{YES_NO, kib_of, set};
use crate::format::cpuset::MAX_PINNED;
use crate::format::error::shown;
use crate::model::guest::{
    Cpu, CpuFeature, CpuMode, CpuTuning, FeaturePolicy, NumaCell, NumaMode, NumaPlace, NumaTuning, Vcpus,
};

/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: u32 = 4096;
/// More NUMA nodes than any guest has.
const MAX_CELLS: usize = 128;
/// The period of a limit that says none, microseconds (libvirt's).
const USUAL_PERIOD: u64 = 100_000;

/// `<vcpu>`, and `<vcpus>`, which may say the same one by one.
pub(super) fn vcpus(domain: &mut Element<'_>) -> Result<Vcpus> {
    let Some(mut element) = domain.child("vcpu")? else { return Ok(Vcpus::default()) };
    element.choice("placement", &[((), "static")])?;
    let current: Option<u32> = element.number("current")?;
    let cpuset = set(&mut element, "cpuset", "processors")?;
    let text = element.take_text()?;
    let max = match text.trim().parse() {
        Ok(count @ 1..=MAX_VCPUS) => count,
        Ok(count) => return element.fault(format!("{count} vcpus: expected 1 to {MAX_VCPUS}")),
        Err(_) => return element.fault(format!("'{}' is no number of vcpus", shown(&text))),
    };
    let vcpus = match current {
        Some(count) if count == 0 || count > max => {
            return element.fault(format!("current='{count}': expected 1 to {max}"));
        }
        _ => Vcpus { max, current: current.filter(|count| *count != max), cpuset },
    };
    if let Some(mut list) = domain.child("vcpus")? {
        individual(&mut list, &vcpus)?;
    }
    Ok(vcpus)
}

/// The vcpus one by one: Xen starts with the first ones, which `<vcpu current=...>` says.
fn individual(list: &mut Element<'_>, vcpus: &Vcpus) -> Result<()> {
    for mut vcpu in list.children("vcpu") {
        let Some(id) = vcpu.number::<u32>("id")? else {
            return vcpu.fault("the attribute 'id' is missing");
        };
        let enabled = vcpu.choice("enabled", YES_NO)?.unwrap_or(true);
        vcpu.choice("hotpluggable", YES_NO)?;
        vcpu.number::<u32>("order")?;
        vcpu.done()?;
        if id >= vcpus.max {
            return vcpu.fault(format!("id='{id}': the guest has {} vcpus", vcpus.max));
        }
        if enabled != (id < vcpus.current.unwrap_or(vcpus.max)) {
            return vcpu.fault("Xen starts a guest with its first vcpus, as many as <vcpu current=...> says");
        }
    }
    list.done()
}

/// `<cputune>`: pins, weight and cap.
pub(super) fn tuning(domain: &mut Element<'_>, vcpus: u32) -> Result<CpuTuning> {
    let Some(mut element) = domain.child("cputune")? else { return Ok(CpuTuning::default()) };
    let mut tuning = CpuTuning { weight: number_in(&mut element, "shares")?, ..CpuTuning::default() };
    if tuning.weight.is_some_and(|weight| !(1..=65_535).contains(&weight)) {
        return element.fault("<shares> is out of range; expected 1 to 65535, where 256 is usual");
    }
    let period = number_in::<u64>(&mut element, "global_period")?;
    let quota = number_in::<i64>(&mut element, "global_quota")?;
    let period = period.filter(|period| *period != 0).unwrap_or(USUAL_PERIOD);
    // Less than 0 is no limit.
    if let Some(quota) = quota.and_then(|quota| u64::try_from(quota).ok()).filter(|quota| *quota != 0) {
        let percent = quota.checked_mul(100).filter(|parts| parts % period == 0).map(|parts| parts / period);
        match percent.map(u32::try_from) {
            Some(Ok(percent)) => tuning.cap_percent = Some(percent),
            _ => {
                return element.fault(format!(
                    "<global_quota> {quota} of {period} is no whole number of percent, which is how Xen limits"
                ));
            }
        }
    }
    let mut pinned = 0;
    for mut pin in element.children("vcpupin") {
        let Some(vcpu) = pin.number::<u32>("vcpu")? else {
            return pin.fault("the attribute 'vcpu' is missing");
        };
        let Some(cpuset) = set(&mut pin, "cpuset", "processors")? else {
            return pin.fault("the attribute 'cpuset' is missing");
        };
        pin.done()?;
        pinned += cpuset.len();
        if pinned > MAX_PINNED {
            return pin.fault(format!("more than {MAX_PINNED} processors in all pins"));
        }
        if vcpu >= vcpus {
            return pin.fault(format!("vcpu='{vcpu}': the guest has {vcpus} vcpus"));
        }
        if tuning.pins.insert(vcpu, cpuset).is_some() {
            return pin.fault(format!("vcpu='{vcpu}' stands here a second time"));
        }
    }
    element.done()?;
    Ok(tuning)
}

/// The number that a child holds.
fn number_in<N: std::str::FromStr>(element: &mut Element<'_>, name: &str) -> Result<Option<N>> {
    let Some(mut child) = element.child(name)? else { return Ok(None) };
    let text = child.take_text()?;
    match text.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => child.fault(format!("'{}' is no number, or out of range", shown(&text))),
    }
}

/// `<numatune>`: the host's nodes that memory comes from. `cells` is how many nodes the guest sees.
pub(super) fn numa_tuning(domain: &mut Element<'_>, cells: usize) -> Result<NumaTuning> {
    let Some(mut element) = domain.child("numatune")? else { return Ok(NumaTuning::default()) };
    let mut tuning = NumaTuning::default();
    if let Some(mut memory) = element.child("memory")? {
        memory.choice("placement", &[((), "static")])?;
        tuning.memory = Some(place(&mut memory)?);
        memory.done()?;
    }
    for mut node in element.children("memnode") {
        let Some(cell) = node.number::<u32>("cellid")? else {
            return node.fault("the attribute 'cellid' is missing");
        };
        let place = place(&mut node)?;
        node.done()?;
        if usize::try_from(cell).map_or(true, |cell| cell >= cells) {
            return node.fault(format!("cellid='{cell}': the guest sees {cells} nodes (<cpu>, <numa>)"));
        }
        if tuning.cells.insert(cell, place).is_some() {
            return node.fault(format!("cellid='{cell}' stands here a second time"));
        }
    }
    element.done()?;
    Ok(tuning)
}

fn place(element: &mut Element<'_>) -> Result<NumaPlace> {
    let mode = element.choice("mode", &NumaMode::ALL)?.unwrap_or(NumaMode::Strict);
    match set(element, "nodeset", "nodes")? {
        Some(nodes) => Ok(NumaPlace { mode, nodes }),
        None => element.fault("the attribute 'nodeset' is missing"),
    }
}

/// `<cpu>`: what kind of processor the guest sees; None where nothing is said of it.
pub(super) fn cpu(domain: &mut Element<'_>) -> Result<Option<Cpu>> {
    let Some(mut element) = domain.child("cpu")? else { return Ok(None) };
    // A custom processor without a model is one of which nothing is said.
    let modes = &[(Some(CpuMode::HostPassthrough), "host-passthrough"), (None, "custom")];
    let mode = element.choice("mode", modes)?.flatten();
    element.choice("match", &[((), "exact"), ((), "minimum")])?;
    element.choice("check", &[((), "none"), ((), "partial")])?;
    element.choice("migratable", &[((), "on")])?;
    let mut features: Vec<CpuFeature> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for mut child in element.children("feature") {
        let name = child.required("name")?;
        let is_word = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !is_word(&name) {
            return child.fault(format!("name='{}' is no processor's feature", shown(&name)));
        }
        let policy = child.choice("policy", &FeaturePolicy::ALL)?.unwrap_or(FeaturePolicy::Require);
        child.done()?;
        if !names.insert(name.clone()) {
            return child.fault(format!("name='{}' stands here a second time", shown(&name)));
        }
        features.push(CpuFeature { name, policy });
    }
    if mode.is_none() && !features.is_empty() {
        return element
            .fault("features are said of the host's own processor; expected mode='host-passthrough'");
    }
    let numa = match element.child("numa")? {
        Some(mut numa) => {
            let cells = cells(numa.children("cell"))?;
            numa.done()?;
            cells
        }
        None => Vec::new(),
    };
    element.done()?;
    let cpu = Cpu { mode, features, numa };
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// The guest's NUMA nodes, by their numbers.
fn cells(elements: Vec<Element<'_>>) -> Result<Vec<NumaCell>> {
    let count = elements.len();
    let mut cells: BTreeMap<usize, NumaCell> = BTreeMap::new();
    let mut taken = crate::model::guest::CpuSet::new();
    for (place, mut element) in elements.into_iter().enumerate() {
        let id = element.number("id")?.unwrap_or(place);
        if id >= count || count > MAX_CELLS {
            let last = count.min(MAX_CELLS) - 1;
            return element.fault(format!("id='{id}': the nodes are numbered from 0 to {last}"));
        }
        let vcpus = set(&mut element, "cpus", "vcpus")?;
        if vcpus.iter().flatten().any(|vcpu| !taken.insert(*vcpu)) {
            return element.fault("a vcpu belongs to two nodes");
        }
        let Some(memory) = element.attribute("memory") else {
            return element.fault("the attribute 'memory' is missing");
        };
        let memory_kib = kib_of(&mut element, &memory)?;
        let mut distances = BTreeMap::new();
        if let Some(mut list) = element.child("distances")? {
            for mut sibling in list.children("sibling") {
                let (Some(to), Some(value)) = (sibling.number::<u32>("id")?, sibling.number::<u32>("value")?)
                else {
                    return sibling.fault("expected the attributes 'id' and 'value'");
                };
                sibling.done()?;
                let is_local = usize::try_from(to) == Ok(id);
                if usize::try_from(to).map_or(true, |to| to >= count) {
                    return sibling.fault(format!("id='{to}': there are {count} nodes"));
                }
                if !(NumaCell::LOCAL..=254).contains(&value) || is_local != (value == NumaCell::LOCAL) {
                    return sibling
                        .fault(format!("value='{value}': expected 10 for itself, 11 to 254 for others"));
                }
                if distances.insert(to, value).is_some() {
                    return sibling.fault(format!("id='{to}' stands here a second time"));
                }
            }
            list.done()?;
        }
        element.done()?;
        if cells.insert(id, NumaCell { vcpus, memory_kib, distances }).is_some() {
            return element.fault(format!("id='{id}' stands here a second time"));
        }
    }
    Ok(cells.into_values().collect())
}
