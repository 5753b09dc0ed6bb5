//! What kind of processor the guest sees, scheduling, NUMA.

use super::{Out, word_of};
use crate::format::cpuset::cpu_ranges;
use crate::model::guest::{Cpu, CpuMode, CpuTuning, NumaPlace, NumaTuning};

/// The period of a limit, microseconds (libvirt's own).
const PERIOD: u64 = 100_000;

pub(super) fn tuning(out: &mut Out, tuning: &CpuTuning) {
    if *tuning == CpuTuning::default() {
        return;
    }
    out.tag("cputune").open();
    out.some_leaf("shares", tuning.weight);
    if let Some(percent) = tuning.cap_percent {
        out.leaf("global_period", PERIOD);
        out.leaf("global_quota", PERIOD / 100 * u64::from(percent));
    }
    for (vcpu, cpuset) in &tuning.pins {
        out.tag("vcpupin").attr("vcpu", vcpu).attr("cpuset", cpu_ranges(cpuset)).empty();
    }
    out.close("cputune");
}

pub(super) fn numa_tuning(out: &mut Out, tuning: &NumaTuning) {
    if *tuning == NumaTuning::default() {
        return;
    }
    let nodes = |place: &NumaPlace| cpu_ranges(&place.nodes);
    out.tag("numatune").open();
    if let Some(place) = &tuning.memory {
        out.tag("memory").attr("mode", place.mode.name()).attr("nodeset", nodes(place)).empty();
    }
    for (cell, place) in &tuning.cells {
        let tag = out.tag("memnode").attr("cellid", cell);
        tag.attr("mode", place.mode.name()).attr("nodeset", nodes(place)).empty();
    }
    out.close("numatune");
}

pub(super) fn cpu(out: &mut Out, cpu: &Cpu) {
    let mode = cpu.mode.map(|mode| word_of(&[(CpuMode::HostPassthrough, "host-passthrough")], mode));
    let tag = out.tag("cpu").some("mode", mode);
    if cpu.features.is_empty() && cpu.numa.is_empty() {
        return tag.empty();
    }
    tag.open();
    for feature in &cpu.features {
        out.tag("feature").attr("policy", feature.policy.name()).attr("name", &feature.name).empty();
    }
    if !cpu.numa.is_empty() {
        out.tag("numa").open();
        for (id, cell) in cpu.numa.iter().enumerate() {
            let tag = out
                .tag("cell")
                .attr("id", id)
                .some("cpus", cell.vcpus.as_ref().map(cpu_ranges))
                .attr("memory", cell.memory_kib)
                .attr("unit", "KiB");
            if cell.distances.is_empty() {
                tag.empty();
                continue;
            }
            tag.open();
            out.tag("distances").open();
            for (to, distance) in &cell.distances {
                out.tag("sibling").attr("id", to).attr("value", distance).empty();
            }
            out.close("distances");
            out.close("cell");
        }
        out.close("numa");
    }
    out.close("cpu");
}
