//! The tables of the hypercall layouts against what was measured by compiling Xen's headers (tests/data/xen-abi.json): each field of each
//! structure in each generation is written by the tables and looked for where it was measured, and the reverse; and every record that
//! is read and written through them finds its fields there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use xenith::wire::hypercall::domain::DomainArch;
use xenith::wire::hypercall::host::*;
use xenith::wire::hypercall::layout::{Layout, Table};
use xenith::wire::hypercall::scheduler::*;
use xenith::wire::hypercall::state::DomainState;
use xenith::wire::hypercall::{
    Arch, CreateDomain, Dialect, DomainRecord, GENERATIONS, Generation, PhysInfo, Release, VcpuAffinity,
    VcpuInfo, tables,
};

/// Measured fields that no table has: padding, what a header declares for padding's sake, and unions under the name of their whole.
const ABSENT: [&str; 11] = [
    "pad",
    "pad0",
    "pad1",
    "pad2",
    "arch.dummy",
    "arch.pad",
    "arch_config.pad",
    "u.credit",
    "u.credit2",
    "u.rtds",
    "u.v.padding",
];

/// Where one structure's measurement is in the committed extract, by table and kind of hypercall: its name among those that were measured
/// for each release (`layouts`), or among those with a range of releases (`structures`).
const STRUCTURES: [(&str, &str, Option<&str>); 24] = [
    ("getdomaininfo", "xen_domctl_getdomaininfo — ", Some("dom0_op getdomaininfo —")),
    ("createdomain", "xen_domctl_createdomain — ", Some("dom0_op createdomain —")),
    ("physinfo", "physinfo — ", Some("dom0_op physinfo —")),
    ("pausedomain", "", Some("dom0_op pausedomain —")),
    ("getvcpuinfo", "getvcpuinfo — ", Some("dom0_op getvcpuinfo —")),
    ("max_mem", "max_mem — ", Some("dom0_op setdomainmaxmem —")),
    ("max_vcpus", "max_vcpus — ", Some("dom0_op max_vcpus —")),
    ("setdomainhandle", "setdomainhandle — ", Some("dom0_op setdomainhandle —")),
    ("vcpuaffinity", "vcpuaffinity — ", Some("dom0_op setvcpuaffinity —")),
    ("scheduler_op", "scheduler_op — domctl 16", None),
    ("schedule_vcpu", "element of scheduler_op.u.v.vcpus", None),
    ("get_domain_state", "get_domain_state — ", None),
    ("getdomaininfolist", "getdomaininfolist — ", Some("dom0_op getdomaininfolist —")),
    ("sched_id", "sched_id — ", Some("dom0_op sched_id —")),
    ("readconsole", "readconsole — ", Some("dom0_op readconsole —")),
    ("getcpuinfo", "getcpuinfo — ", None),
    ("cpuinfo", "cpuinfo — ", None),
    ("availheap", "availheap — ", None),
    ("topologyinfo", "topologyinfo — ", None),
    ("cputopoinfo", "cputopoinfo — ", None),
    ("cputopo", "cputopo — ", None),
    ("numainfo", "numainfo — ", None),
    ("meminfo", "meminfo — ", None),
    ("sysctl_scheduler_op", "scheduler_op — sysctl 19", None),
];

/// Those that were also measured release by release and on Arm, which is where they differ.
const BY_RELEASE: [&str; 3] = ["getdomaininfo", "createdomain", "physinfo"];

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/xen-abi.json")
}

fn measured() -> Value {
    serde_json::from_str(&std::fs::read_to_string(committed()).unwrap()).unwrap()
}

/// 4.10.1 in "4.10.1"; a `*` marks a release that was measured at its branch point.
fn release(text: &str) -> Release {
    let parts: Vec<u32> = text.trim_end_matches('*').split('.').map(|part| part.parse().unwrap()).collect();
    (parts[0] as u16, parts[1] as u16, parts.get(2).copied().unwrap_or(0))
}

/// One structure of one generation as it was measured.
struct Measured {
    table: &'static Table,
    dialect: Dialect,
    size: usize,
    /// Name, offset, width.
    fields: Vec<(String, usize, usize)>,
}

impl Measured {
    fn new(name: &str, generation: &'static Generation, arch: Arch, truth: &Value) -> Measured {
        let table = tables::ALL.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("{name}"));
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let fields = truth["fields"].as_object().unwrap().iter();
        Measured {
            table,
            dialect: Dialect { generation, arch },
            size: number(&truth["size"]),
            fields: fields
                .map(|(name, place)| (name.clone(), number(&place[0]), number(&place[1])))
                .filter(|(name, ..)| !ABSENT.contains(&name.as_str()))
                .collect(),
        }
    }

    fn layout(&self) -> Layout {
        let layout = self.dialect.layout(self.table);
        let layout = layout.unwrap_or_else(|| panic!("{self} has no {}", self.table.name));
        assert_eq!(layout.size(), self.size, "{self}");
        layout
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of Xen {} on {:?}", self.table.name, self.dialect.generation, self.dialect.arch)
    }
}

/// Every measurement of every structure that has a table, for every generation.
fn all() -> Vec<Measured> {
    let truth = measured();
    let mut all = Vec::new();
    for row in truth["releases"].as_array().unwrap() {
        // "master" is no release.
        let text = row["release"].as_str().unwrap();
        let Some(generation) = (text != "master").then(|| Generation::at(release(text)).unwrap()) else {
            continue;
        };
        let versions = [("domctl", generation.domctl), ("sysctl", generation.sysctl)];
        for (kind, version) in versions {
            let measured = row[kind].as_u64().or_else(|| row["dom0_ops"].as_u64());
            assert_eq!(Some(u64::from(version)), measured, "{kind} of {text}");
        }
        for (key, arch) in [("x86_64", Arch::X86_64), ("arm64", Arch::Arm64)] {
            if arch == Arch::Arm64 && !generation.since((4, 5, 0)) {
                continue;
            }
            for (name, id) in row[key].as_object().into_iter().flatten() {
                let layout = &truth["layouts"][key][name][id.as_str().unwrap()];
                all.push(Measured::new(name.trim_start_matches("dom0_"), generation, arch, layout));
            }
        }
    }
    for (name, columns) in truth["structures"].as_object().unwrap() {
        for column in columns.as_array().unwrap() {
            let to = column["to"].as_str().unwrap();
            let (from, to) = (
                release(column["from"].as_str().unwrap()),
                if to == "master" { (u16::MAX, 0, 0) } else { release(to) },
            );
            for generation in GENERATIONS.iter().filter(|row| row.from <= to && from < row.before) {
                all.push(Measured::new(name, generation, Arch::X86_64, column));
                if generation.since((4, 5, 0)) {
                    all.push(Measured::new(name, generation, Arch::Arm64, column));
                }
            }
        }
    }
    all
}

/// Bytes that no two fields share, none of them zero.
fn pattern(salt: usize, width: usize) -> Vec<u8> {
    (0..width).map(|byte| ((salt * 37 + byte * 11) % 255 + 1) as u8).collect()
}

#[test]
fn each_field_of_each_generation_is_written_and_read_where_it_was_measured() {
    let mut proven = 0;
    let mut expected = 0;
    let mut seen = BTreeMap::<&str, usize>::new();
    for measured in all() {
        let layout = measured.layout();
        for (salt, (name, at, width)) in measured.fields.iter().enumerate() {
            expected += 1;
            let named = measured.table.fields.iter().filter(|field| field.name == name);
            let mut there = named.filter(|field| layout.offset(field).is_some());
            let field = there.next().unwrap_or_else(|| panic!("{measured} has no {name}"));
            assert!(there.next().is_none(), "{measured}: two places for {name}");
            assert_eq!(field.width, *width, "{name} of {measured}");

            let value = pattern(salt, *width);
            let mut place = vec![0; measured.size];
            place[*at..at + width].copy_from_slice(&value);
            let mut written = vec![0; measured.size];
            if *width <= 8 {
                let mut number = [0; 8];
                number[..*width].copy_from_slice(&value);
                let number = u64::from_le_bytes(number);
                layout.set(&mut written, field, number).unwrap();
                assert_eq!(layout.get(&place, field), Some(number), "{name} of {measured}");
            } else {
                layout.bytes_mut(&mut written, field).unwrap().copy_from_slice(&value);
                assert_eq!(layout.bytes(&place, field), Some(&value[..]), "{name} of {measured}");
            }
            assert_eq!(written, place, "{name} of {measured}");
            proven += 1;
        }
        for field in measured.table.fields.iter().filter(|field| layout.offset(field).is_some()) {
            let known = measured.fields.iter().any(|(name, ..)| name == field.name);
            assert!(known, "{measured}: nobody measured {}", field.name);
        }
        *seen.entry(measured.table.name).or_default() += measured.fields.len();
    }
    println!("{proven} of {expected} places proven: {seen:?}");
    assert_eq!(proven, expected);
    assert!(proven > 12_000, "{proven}");
    // Every table but the containers, which have a test of their own.
    assert_eq!(seen.len(), tables::ALL.len() - 2, "{seen:?}");
    // And every column of each.
    for table in tables::ALL {
        let reached = GENERATIONS.iter().flat_map(|row| {
            [Arch::X86_64, Arch::Arm64].into_iter().filter_map(|arch| table.layout(row.from, arch))
        });
        let mut columns: Vec<Layout> = reached.collect();
        columns.sort_by_key(|layout| format!("{layout:?}"));
        columns.dedup();
        // 4.3 and 4.4 on Arm are not spoken, and a structure's last column can say that it is gone.
        assert!(
            columns.len() + 2 > table.since.len(),
            "{} has columns that no generation reaches",
            table.name
        );
    }
}

#[test]
fn a_structure_is_missing_where_nobody_measured_one() {
    let mut there: Vec<(&str, Release, bool)> = Vec::new();
    for measured in all() {
        let dialect = measured.dialect;
        there.push((measured.table.name, dialect.generation.from, dialect.arch == Arch::Arm64));
    }
    for table in tables::ALL.iter().filter(|table| !table.name.starts_with("xen_")) {
        for row in GENERATIONS {
            for (arch, arm) in [(Arch::X86_64, false), (Arch::Arm64, true)] {
                if arm && !row.since((4, 5, 0)) {
                    continue;
                }
                let known = there.contains(&(table.name, row.from, arm));
                assert_eq!(
                    table.layout(row.from, arch).is_some(),
                    known,
                    "{} of Xen {row}, {arch:?}",
                    table.name
                );
            }
        }
    }
}

#[test]
fn containers_stand_as_they_were_measured() {
    let truth = measured();
    let first = |table: &'static Table| Dialect::here(&GENERATIONS[1]).layout(table).unwrap();
    for (name, table) in [
        ("xen_domctl", &tables::domctl::TABLE),
        ("xen_sysctl", &tables::sysctl::TABLE),
        ("dom0_op", &tables::sysctl::TABLE),
    ] {
        let truth = &truth["headers"][name];
        assert_eq!(first(table).size() as u64, truth["size"].as_u64().unwrap());
        for field in table.fields {
            let place = [first(table).offset(field).unwrap() as u64, field.width as u64];
            assert_eq!(truth["fields"][field.name], json!(place), "{name}.{}", field.name);
        }
    }
}

/// A record as it is read from bytes: written anew, and in words.
type Read = fn(Layout, &[u8]) -> Option<(Vec<u8>, String)>;

macro_rules! reader {
    ($record:ty) => {
        |layout, bytes| {
            let record = <$record>::decode(layout, bytes)?;
            let mut back = vec![0; bytes.len()];
            record.encode(layout, &mut back)?;
            Some((back, format!("{record:?}")))
        }
    };
}

/// Which fields of its table a record reads.
enum Reads {
    /// All but these.
    But(&'static [&'static str]),
    /// Those that begin so: its part of a union.
    Only(&'static [&'static str]),
}

impl Reads {
    fn have(&self, name: &str) -> bool {
        match self {
            Reads::But(others) => !others.contains(&name),
            Reads::Only(begins) => begins.iter().any(|begin| name.starts_with(begin)),
        }
    }
}

/// What reads each table, and the fields that it has no use for: those of requests where the record is an answer, the reverse, and
/// physinfo's counts of nodes, which are read as one figure (src/wire/hypercall/physinfo.rs has their test).
#[rustfmt::skip]
fn readers() -> Vec<(&'static str, Read, Reads)> {
    use Reads::{But, Only};
    vec![
        ("getdomaininfo", reader!(DomainRecord), But(&["gpaddr_bits", "arch_config.misc_flags", "arch_config.gic_version", "arch_config.sve_vl",
            "arch_config.tee_type", "arch_config.nr_spis", "arch_config.clock_frequency", "arch_config.arm_sci_type", "arch_config.v8r_el1_msa"])),
        ("getdomaininfo", reader!(DomainArch), But(&["domain", "flags", "tot_pages", "max_pages", "outstanding_pages", "shr_pages", "paged_pages",
            "shared_info_frame", "cpu_time", "nr_online_vcpus", "max_vcpu_id", "ssidref", "handle", "cpupool"])),
        ("createdomain", reader!(CreateDomain), But(&["domain"])),
        ("physinfo", reader!(PhysInfo), But(&["cpu_to_node", "sockets_per_node", "max_node_id", "nr_nodes"])),
        ("physinfo", reader!(CpuNodes), But(&["threads_per_core", "cores_per_socket", "nr_cpus", "max_node_id", "nr_nodes", "cpu_khz",
            "total_pages", "free_pages", "scrub_pages", "hw_cap", "capabilities"])),
        ("getvcpuinfo", reader!(VcpuInfo), But(&["domain", "vcpu"])),
        ("vcpuaffinity", reader!(VcpuAffinity), But(&["domain"])),
        ("get_domain_state", reader!(DomainState), But(&[])),
        ("getdomaininfolist", reader!(ListCall), But(&["num_domains"])),
        ("readconsole", reader!(ReadConsole), But(&[])),
        ("getcpuinfo", reader!(CpuInfoCall), But(&[])),
        ("cpuinfo", reader!(CpuInfo), But(&[])),
        ("availheap", reader!(AvailHeap), But(&[])),
        ("topologyinfo", reader!(TopologyInfo), But(&[])),
        ("cputopoinfo", reader!(CpuTopoInfo), But(&[])),
        ("cputopo", reader!(CpuTopology), But(&[])),
        ("numainfo", reader!(NumaInfo), But(&[])),
        ("meminfo", reader!(MemInfo), But(&[])),
        ("scheduler_op", reader!(Head), Only(&["sched_id", "cmd"])),
        ("scheduler_op", reader!(CreditParams), Only(&["u.credit."])),
        ("scheduler_op", reader!(Credit2Params), Only(&["u.credit2."])),
        ("scheduler_op", reader!(SedfParams), Only(&["u.sedf."])),
        ("scheduler_op", reader!(RtdsParams), Only(&["u.rtds."])),
        ("scheduler_op", reader!(VcpuList), Only(&["u.v."])),
        ("schedule_vcpu", reader!(VcpuCredit), Only(&["vcpuid", "u.credit."])),
        ("schedule_vcpu", reader!(VcpuCredit2), Only(&["vcpuid", "u.credit2."])),
        ("schedule_vcpu", reader!(VcpuRtds), Only(&["vcpuid", "u.rtds."])),
        ("sysctl_scheduler_op", reader!(HostHead), Only(&["cpupool_id", "sched_id", "cmd"])),
        ("sysctl_scheduler_op", reader!(HostCredit), Only(&["u.sched_credit."])),
        ("sysctl_scheduler_op", reader!(HostCredit2), Only(&["u.sched_credit2."])),
        ("sysctl_scheduler_op", reader!(HostArinc653), Only(&["u.sched_arinc653."])),
    ]
}

/// What a measured field is called here, where that is not the last part of its name.
fn words(name: &str) -> Vec<&str> {
    let last = name.rsplit('.').next().unwrap();
    vec![match name {
        "first_domain" => "first",
        "max_domains" => "max",
        "cpu_time" => return vec!["cpu_time", "cpu_time_ns"],
        "idletime" => "idle_ns",
        "clear" => return vec!["clear", "clear_word"],
        "cpumap.bitmap" => "map",
        "cpumap.nr_bits" => "map_bits",
        "cpumap_hard.bitmap" => "hard",
        "cpumap_hard.nr_bits" => "hard_bits",
        "cpumap_soft.bitmap" => "soft",
        "cpumap_soft.nr_bits" => "soft_bits",
        "altp2m.opts" => "altp2m_mode",
        "altp2m.nr" => "altp2m_nr",
        "u.v.nr_vcpus" => "count",
        "vcpuid" => "vcpu",
        "nr_cpus" => return vec!["nr_cpus", "cpus"],
        _ => last,
    }]
}

#[test]
fn each_record_has_its_fields_where_they_were_measured() {
    let mut found = BTreeMap::<&str, usize>::new();
    let measured = all();
    for (table, read, reads) in readers() {
        for structure in measured.iter().filter(|structure| structure.table.name == table) {
            let layout = structure.layout();
            let zeroes = vec![0; structure.size];
            // A record that this generation does not have: nothing to look at.
            let Some((blank, words_of_blank)) = read(layout, &zeroes) else { continue };
            for (salt, (name, at, width)) in structure.fields.iter().enumerate() {
                // The pattern of a flag is one bit.
                let value = if *width == 1 { vec![1] } else { pattern(salt, *width) };
                let mut place = zeroes.clone();
                place[*at..at + width].copy_from_slice(&value);
                let (back, words_of_it) = read(layout, &place).unwrap();
                if !reads.have(name) {
                    continue;
                }
                // What was read of it alone comes back at its place.
                assert_eq!(&back[*at..at + width], &value[..], "{name} of {structure}: {words_of_it}");
                let changed = changed(&words_of_blank, &words_of_it);
                let named = words(name);
                assert!(
                    changed.iter().any(|word| named.contains(&word.as_str())),
                    "{name} of {structure} is read as {changed:?}"
                );
                *found.entry(table).or_default() += 1;
            }
            assert!(blank.iter().all(|byte| *byte == 0), "{structure}: {blank:x?}");
        }
    }
    println!("{} places proven in records: {found:?}", found.values().sum::<usize>());
    assert!(found.values().sum::<usize>() > 11_000, "{found:?}");
}

/// The fields that differ between two records in words.
fn changed(one: &str, other: &str) -> Vec<String> {
    let fields = |text: &str| {
        let inner = text.split_once('{').unwrap().1.to_owned();
        // Arrays have commas of their own: a field begins with a word and a colon.
        let mut fields = BTreeMap::<String, String>::new();
        let mut last = String::new();
        for piece in inner.split(", ") {
            match piece.split_once(": ") {
                Some((name, value)) => {
                    last = name.trim().to_owned();
                    fields.insert(last.clone(), value.to_owned());
                }
                None => fields.entry(last.clone()).or_default().push_str(piece),
            }
        }
        fields
    };
    let (one, other) = (fields(one), fields(other));
    one.iter().filter(|(name, value)| other.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect()
}

/// The extract is made of the facts that lie beside a checkout; where it is not what they say, it is made anew with XENITH_WRITE=1.
#[test]
fn the_extract_is_what_the_facts_say() {
    let shared = std::env::var_os("XENITH_SHARED").map(PathBuf::from);
    let facts =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("facts");
    let (Ok(layouts), Ok(text)) = (
        std::fs::read_to_string(facts.join("xen-abi.json")),
        std::fs::read_to_string(facts.join("xen-abi.md")),
    ) else {
        eprintln!(
            "SKIPPED: no facts at {}; whether the extract is current was not looked at",
            facts.display()
        );
        return;
    };
    let extract = extract(&serde_json::from_str(&layouts).unwrap(), &text);
    if std::env::var_os("XENITH_WRITE").is_some() {
        std::fs::write(committed(), pretty(&extract)).unwrap();
    }
    assert_eq!(measured(), extract, "write it anew with XENITH_WRITE=1");
}

/// A line for each structure's column and each release: a whole document per line would hide what changed, a line per number everything else.
fn pretty(extract: &Value) -> String {
    fn write(value: &Value, depth: usize, out: &mut String) {
        match value.as_object() {
            Some(map) if depth < 3 && !map.contains_key("fields") && !map.contains_key("release") => {
                out.push_str("{\n");
                for (index, (key, value)) in map.iter().enumerate() {
                    out.push_str(&format!("{}{}: ", " ".repeat(depth + 1), json!(key)));
                    write(value, depth + 1, out);
                    out.push_str(if index + 1 < map.len() { ",\n" } else { "\n" });
                }
                out.push_str(&format!("{}}}", " ".repeat(depth)));
            }
            _ => match value.as_array() {
                Some(rows) if depth < 3 => {
                    out.push_str("[\n");
                    for (index, row) in rows.iter().enumerate() {
                        out.push_str(&format!("{}{row}", " ".repeat(depth + 1)));
                        out.push_str(if index + 1 < rows.len() { ",\n" } else { "\n" });
                    }
                    out.push_str(&format!("{}]", " ".repeat(depth)));
                }
                _ => out.push_str(&value.to_string()),
            },
        }
    }
    let mut out = String::new();
    write(extract, 0, &mut out);
    out.push('\n');
    out
}

/// The part of the facts that the tables need: the layouts of `xen-abi.json`, and the structures that only `xen-abi.md` has.
fn extract(layouts: &Value, text: &str) -> Value {
    let archs = ["x86_64", "arm64"];
    let wanted = |name: &str| BY_RELEASE.contains(&name.trim_start_matches("dom0_"));
    let of_arch = |arch: &str| -> Map<String, Value> {
        let all = layouts["layouts"][arch].as_object().unwrap().iter();
        all.filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let releases: Vec<Value> = layouts["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let keep = ["release", "domctl", "sysctl", "dom0_ops", "x86_64", "arm64"];
            let kept = row.as_object().unwrap().iter().filter(|(key, _)| keep.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
        .collect();
    let headers = ["xen_domctl", "xen_sysctl", "dom0_op"];
    let headers: Map<String, Value> =
        headers.iter().map(|name| ((*name).to_owned(), layouts["headers"][name].clone())).collect();
    let mut structures = Map::new();
    for (name, title, dom0) in STRUCTURES {
        if BY_RELEASE.contains(&name) {
            continue;
        }
        let titles = [dom0, Some(title)].into_iter().flatten().filter(|title| !title.is_empty());
        let columns: Vec<Value> = titles.flat_map(|title| columns(text, title)).collect();
        structures.insert(name.to_owned(), Value::Array(columns));
    }
    json!({
        "headers": headers,
        "layouts": archs.iter().map(|arch| ((*arch).to_owned(), Value::Object(of_arch(arch)))).collect::<Map<_, _>>(),
        "releases": releases,
        "structures": structures,
    })
}

/// The columns of the structure under the heading that begins with `title`.
fn columns(text: &str, title: &str) -> Vec<Value> {
    let heading = format!("\n#### {title}");
    let at = text.find(&heading).unwrap_or_else(|| panic!("the facts have no '{title}'"));
    let section = &text[at + heading.len()..];
    let section = section.split("\n#").next().unwrap();
    let mut columns = Vec::new();
    let mut rows = Vec::new();
    for line in section.lines().skip(1) {
        if let Some(column) = line.strip_prefix("- **") {
            // G1** size 24: 3.0.3* – 4.4.4 (domctl 0x3–0x9)
            let (size, range) = column.split_once("size ").unwrap().1.split_once(": ").unwrap();
            let range = range.split(" (").next().unwrap();
            let (from, to) = range.split_once(" – ").unwrap_or((range, range));
            columns.push((size.parse::<u64>().unwrap(), from.to_owned(), to.to_owned()));
        } else if line.starts_with("| ") && !line.starts_with("| field") {
            rows.push(
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>(),
            );
        } else if line.is_empty() && !rows.is_empty() {
            break;
        }
    }
    assert!(!columns.is_empty() && !rows.is_empty(), "{title}");
    columns
        .into_iter()
        .enumerate()
        .map(|(index, (size, from, to))| {
            let fields: Map<String, Value> = rows
                .iter()
                .filter_map(|row| {
                    // "16", "–", or "0 (u8, 1B)" where the width is another one.
                    let cell = &row[3 + index];
                    let offset: u64 = cell.split(' ').next()?.parse().ok()?;
                    let own = cell
                        .split_once(", ")
                        .and_then(|(_, width)| width.trim_end_matches("B)").parse().ok());
                    Some((
                        row[0].clone(),
                        json!([offset, own.unwrap_or_else(|| row[2].parse::<u64>().unwrap())]),
                    ))
                })
                .collect();
            json!({ "size": size, "from": from, "to": to, "fields": fields })
        })
        .collect()
}
