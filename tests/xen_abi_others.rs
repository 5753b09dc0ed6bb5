//! The tables of what only the embedded hypervisor reads (src/wire/hypercall/other_tables.rs) against the measurement in
//! ../shared/facts/xen-abi.md, where that is there: each field stands, in each generation, where it was measured. That these are the right
//! tables, tests/hypercall_replay.rs shows: recorded requests are answered through them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use xenith::wire::hypercall::layout::Table;
use xenith::wire::hypercall::{Arch, other_tables as tables};

/// Each table, and the heading that its measurement has. The structure that tsc_info points to has none of its own, and
/// multicall_entry's arguments are an array there.
const MEASURED: [(&Table, &str); 17] = [
    (&tables::vcpucontext::TABLE, "vcpucontext — domctl"),
    (&tables::setdebugging::TABLE, "setdebugging — domctl"),
    (&tables::sendtrigger::TABLE, "sendtrigger — domctl"),
    (&tables::hvmcontext::TABLE, "hvmcontext — domctl"),
    (&tables::address_size::TABLE, "address_size — domctl"),
    (&tables::shadow_op::TABLE, "shadow_op — domctl"),
    (&tables::tsc_info::TABLE, "tsc_info — domctl"),
    (&tables::nodeaffinity::TABLE, "nodeaffinity — domctl"),
    (&tables::paging_mempool::TABLE, "paging_mempool — domctl"),
    (&tables::domain_cpu_policy::TABLE, "cpu_policy — domctl"),
    (&tables::cpupool_op::TABLE, "cpupool_op — sysctl"),
    (&tables::cpu_featureset::TABLE, "cpu_featureset — sysctl"),
    (&tables::host_cpu_policy::TABLE, "cpu_policy — sysctl"),
    (&tables::memory_reservation::TABLE, "xen_memory_reservation"),
    (&tables::remote_shutdown::TABLE, "sched_remote_shutdown"),
    (&tables::alloc_unbound::TABLE, "evtchn_alloc_unbound"),
    (&tables::hvm_param::TABLE, "xen_hvm_param"),
];

/// One structure's section: the first release and the size of each column, and each field's name, width and offsets.
#[derive(Debug, Default)]
struct Section {
    columns: Vec<((u16, u16, u32), usize)>,
    fields: Vec<(String, usize, Vec<Option<usize>>)>,
}

fn release(text: &str) -> (u16, u16, u32) {
    let parts: Vec<u32> = text.trim_end_matches('*').split('.').map(|part| part.parse().unwrap()).collect();
    (parts[0] as u16, parts[1] as u16, parts.get(2).copied().unwrap_or(0))
}

fn section(text: &str, heading: &str) -> Section {
    let begin = text.find(&format!("\n#### {heading}")).unwrap_or_else(|| panic!("no section {heading}"));
    let mut section = Section::default();
    for line in text[begin + 1..].lines().skip(1).take_while(|line| !line.starts_with('#')) {
        if let Some(column) = line.strip_prefix("- **G") {
            // `1** size 24: 3.0.3* – master (domctl 0x3–0x18)`
            let (size, rest) = column.split_once(" size ").unwrap().1.split_once(": ").unwrap();
            let from = rest.split_whitespace().next().unwrap();
            section.columns.push((release(from), size.parse().unwrap()));
        } else if let Some(row) = line.strip_prefix("| ").filter(|row| !row.starts_with("field ")) {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let Some(width) = cells.get(2).and_then(|width| width.parse().ok()) else { continue };
            // A width of its own in one column stands behind the offset.
            let at = |cell: &&str| cell.split(' ').next().and_then(|at| at.parse().ok());
            section.fields.push((cells[0].to_owned(), width, cells[3..].iter().map(at).collect()));
        }
    }
    section
}

#[test]
fn each_field_stands_where_it_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts/xen-abi.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let mut proven = 0;
    for (table, heading) in MEASURED {
        let section = section(&text, heading);
        assert!(!section.columns.is_empty(), "{heading}");
        for (column, (from, size)) in section.columns.iter().enumerate() {
            let layout =
                table.layout(*from, Arch::X86_64).unwrap_or_else(|| panic!("{heading}: nothing at {from:?}"));
            assert_eq!(layout.size(), *size, "{heading} at {from:?}");
            for field in table.fields {
                let Some(at) = layout.offset(field) else { continue };
                let measured = section.fields.iter().find(|(name, ..)| name == field.name);
                let (_, width, places) =
                    measured.unwrap_or_else(|| panic!("{heading}: {} is not there", field.name));
                assert_eq!(
                    (places[column], field.width),
                    (Some(at), *width),
                    "{heading}: {} at {from:?}",
                    field.name
                );
                proven += 1;
            }
        }
    }
    assert_eq!(proven, 55);
}
