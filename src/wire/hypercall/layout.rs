//! Where each field of each structure stands, in each generation: the tables, and the one reader and writer over them.
//!
//! A table has a column per generation of its structure; a column begins at an interface version and holds until the next one
//! begins. The numbers were measured by compiling each release's public headers (domctl.h and sysctl.h) for x86_64, and are
//! checked against that measurement by the tests below.

/// Where a field stands in one generation, in bytes from the start of its structure; [`NO`] where it is missing.
type Offset = i16;

/// This generation has no such field.
const NO: Offset = -1;

/// One field of a structure.
#[derive(Debug)]
pub struct Field {
    /// Its name in Xen's header.
    pub name: &'static str,
    /// Its width in bytes.
    pub width: usize,
    at: &'static [Offset],
}

/// A structure through its generations.
#[derive(Debug)]
pub struct Table {
    /// Its name in Xen's header, less its prefix.
    pub name: &'static str,
    /// The interface version (domctl's or sysctl's) that each column begins with.
    pub since: &'static [u32],
    size: &'static [usize],
    /// All fields.
    pub fields: &'static [&'static Field],
}

impl Table {
    /// The structure as interface version `version` has it; None when it is older than the first column.
    pub fn layout(&'static self, version: u32) -> Option<Layout> {
        let column = self.since.partition_point(|&since| since <= version).checked_sub(1)?;
        Some(Layout { column, size: *self.size.get(column)? })
    }
}

/// A structure in one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    column: usize,
    size: usize,
}

impl Layout {
    /// The first column of any table: what the structures that never changed are read and written with.
    pub(super) const FIRST: Layout = Layout { column: 0, size: 0 };

    /// Bytes that it takes; also the stride of an array of them.
    pub fn size(self) -> usize {
        self.size
    }

    /// Where `field` stands; None where this generation does not have it.
    pub fn offset(self, field: &Field) -> Option<usize> {
        usize::try_from(*field.at.get(self.column)?).ok()
    }

    /// The bytes of `field`; None where this generation does not have it, or `bytes` ends before it.
    pub fn bytes<'a>(self, bytes: &'a [u8], field: &Field) -> Option<&'a [u8]> {
        let at = self.offset(field)?;
        bytes.get(at..at + field.width)
    }

    /// As [`Layout::bytes`], to write.
    pub fn bytes_mut<'a>(self, bytes: &'a mut [u8], field: &Field) -> Option<&'a mut [u8]> {
        let at = self.offset(field)?;
        bytes.get_mut(at..at + field.width)
    }

    /// The value of an integer field; None as for [`Layout::bytes`].
    #[inline(always)]
    pub fn get(self, bytes: &[u8], field: &Field) -> Option<u64> {
        // A list of 10,000 domains reads 150,000 fields: inlined, the field's width is known and one arm is left, which is one load.
        let rest = bytes.get(self.offset(field)?..)?;
        match field.width {
            8 => rest.first_chunk().copied().map(u64::from_le_bytes),
            4 => rest.first_chunk().copied().map(u32::from_le_bytes).map(u64::from),
            2 => rest.first_chunk().copied().map(u16::from_le_bytes).map(u64::from),
            1 => rest.first().copied().map(u64::from),
            _ => None,
        }
    }

    /// As [`Layout::get`], for a field of at most 32 bits.
    #[inline(always)]
    pub fn get32(self, bytes: &[u8], field: &Field) -> Option<u32> {
        u32::try_from(self.get(bytes, field)?).ok()
    }

    /// Writes an integer field, cut to its width. None, and nothing written, as for [`Layout::bytes`]: a writer of a structure that
    /// knows more than this generation ignores that.
    #[inline]
    pub fn set(self, bytes: &mut [u8], field: &Field, value: u64) -> Option<()> {
        let rest = bytes.get_mut(self.offset(field)?..)?;
        let value = value.to_le_bytes();
        match field.width {
            8 => *rest.first_chunk_mut()? = value,
            4 => *rest.first_chunk_mut()? = *value.first_chunk::<4>()?,
            2 => *rest.first_chunk_mut()? = *value.first_chunk::<2>()?,
            1 => *rest.first_mut()? = *value.first()?,
            _ => return None,
        }
        Some(())
    }
}

/// Spells a table as the facts have it: a line per field, a column per generation.
macro_rules! table {
    ($(#[$doc:meta])* $module:ident($name:literal): since $since:tt size $size:tt
     $($field:ident $text:literal $width:literal $at:tt;)*) => {
        $(#[$doc])*
        pub mod $module {
            #[allow(unused_imports)]
            use super::{Field, NO, Table};

            /// The table.
            pub static TABLE: Table = Table { name: $name, since: &$since, size: &$size, fields: &[$(&$field),*] };
            $(
                #[doc = concat!("`", $text, "`")]
                pub static $field: Field = Field { name: $text, width: $width, at: &$at };
            )*
        }
    };
}

table! {
    /// The container of every domctl (domctl.h, `struct xen_domctl`); `u` is the operation's own structure.
    domctl("xen_domctl"): since [3] size [144]
    CMD               "cmd"                4 [0];
    INTERFACE_VERSION "interface_version"  4 [4];
    DOMAIN            "domain"             2 [8];
    PAYLOAD           "u"                128 [16];
}

table! {
    /// The container of every sysctl (sysctl.h, `struct xen_sysctl`).
    sysctl("xen_sysctl"): since [2] size [136]
    CMD               "cmd"                4 [0];
    INTERFACE_VERSION "interface_version"  4 [4];
    PAYLOAD           "u"                128 [8];
}

table! {
    /// `struct xen_domctl_getdomaininfo`: domctl 5's answer, and an element of sysctl 6's list. The columns go by domctl's version in
    /// both. Version 0xf is 4.10.1: this one changed within a stable series.
    getdomaininfo("getdomaininfo"):
    since [3, 6, 7, 8, 9, 0xf, 0x13, 0x14]
    size  [72, 80, 80, 88, 96, 104, 104, 112]
    DOMAIN            "domain"            2 [ 0,  0,  0,  0,  0,  0,  0,  0];
    FLAGS             "flags"             4 [ 4,  4,  4,  4,  4,  4,  4,  4];
    TOT_PAGES         "tot_pages"         8 [ 8,  8,  8,  8,  8,  8,  8,  8];
    MAX_PAGES         "max_pages"         8 [16, 16, 16, 16, 16, 16, 16, 16];
    OUTSTANDING_PAGES "outstanding_pages" 8 [NO, NO, NO, NO, 24, 24, 24, 24];
    SHR_PAGES         "shr_pages"         8 [NO, 24, 24, 24, 32, 32, 32, 32];
    PAGED_PAGES       "paged_pages"       8 [NO, NO, NO, 32, 40, 40, 40, 40];
    SHARED_INFO_FRAME "shared_info_frame" 8 [24, 32, 32, 40, 48, 48, 48, 48];
    CPU_TIME          "cpu_time"          8 [32, 40, 40, 48, 56, 56, 56, 56];
    NR_ONLINE_VCPUS   "nr_online_vcpus"   4 [40, 48, 48, 56, 64, 64, 64, 64];
    MAX_VCPU_ID       "max_vcpu_id"       4 [44, 52, 52, 60, 68, 68, 68, 68];
    SSIDREF           "ssidref"           4 [48, 56, 56, 64, 72, 72, 72, 72];
    HANDLE            "handle"           16 [52, 60, 60, 68, 76, 76, 76, 76];
    CPUPOOL           "cpupool"           4 [NO, NO, 76, 84, 92, 92, 92, 92];
    GPADDR_BITS       "gpaddr_bits"       1 [NO, NO, NO, NO, NO, NO, NO, 96];
    EMULATION_FLAGS   "arch_config.emulation_flags" 4 [NO, NO, NO, NO, NO, 96, 96, 104];
    MISC_FLAGS        "arch_config.misc_flags"      4 [NO, NO, NO, NO, NO, NO, 100, 108];
}

table! {
    /// `struct xen_sysctl_physinfo`: sysctl 3's answer. Sysctl 6 was two layouts, 3.2's without `capabilities` at its end; in a
    /// zeroed buffer the longer one reads both.
    physinfo("physinfo"):
    since [2, 6, 7, 8, 0xa, 0x10, 0x15]
    size  [80, 104, 104, 96, 104, 104, 112]
    THREADS_PER_CORE  "threads_per_core"  4 [ 0,  0,  0,  0,  0,  0,  0];
    CORES_PER_SOCKET  "cores_per_socket"  4 [ 4,  4,  4,  4,  4,  4,  4];
    NR_CPUS           "nr_cpus"           4 [NO,  8,  8,  8,  8,  8,  8];
    MAX_NODE_ID       "max_node_id"       4 [NO, NO, 12, 20, 20, 20, 20];
    SOCKETS_PER_NODE  "sockets_per_node"  4 [ 8, NO, NO, NO, NO, NO, NO];
    NR_NODES          "nr_nodes"          4 [12, 12, NO, 16, 16, 16, 16];
    CPU_KHZ           "cpu_khz"           4 [16, 16, 16, 24, 24, 24, 24];
    TOTAL_PAGES       "total_pages"       8 [24, 24, 24, 32, 32, 32, 40];
    FREE_PAGES        "free_pages"        8 [32, 32, 32, 40, 40, 40, 48];
    SCRUB_PAGES       "scrub_pages"       8 [40, 40, 40, 48, 48, 48, 56];
    OUTSTANDING_PAGES "outstanding_pages" 8 [NO, NO, NO, NO, 56, 56, 64];
    MAX_MFN           "max_mfn"           8 [NO, NO, NO, NO, NO, 64, 72];
    HW_CAP            "hw_cap"           32 [48, 48, 48, 56, 64, 72, 80];
    MAX_CPU_ID        "max_cpu_id"        4 [NO, 80, 80, 12, 12, 12, 12];
    CAPABILITIES      "capabilities"      4 [NO, 96, 96, 88, 96, 28, 28];
    ARCH_CAPABILITIES "arch_capabilities" 4 [NO, NO, NO, NO, NO, NO, 32];
}

table! {
    /// `struct xen_sysctl_getdomaininfolist`, sysctl 6.
    getdomaininfolist("getdomaininfolist"): since [2] size [24]
    FIRST_DOMAIN "first_domain" 2 [0];
    MAX_DOMAINS  "max_domains"  4 [4];
    BUFFER       "buffer"       8 [8];
    NUM_DOMAINS  "num_domains"  4 [16];
}

table! {
    /// `struct xen_sysctl_sched_id`, sysctl 4.
    sched_id("sched_id"): since [2] size [4]
    SCHED_ID "sched_id" 4 [0];
}

table! {
    /// `struct xen_domctl_getvcpuinfo`, domctl 14.
    getvcpuinfo("getvcpuinfo"): since [3] size [24]
    VCPU     "vcpu"     4 [0];
    ONLINE   "online"   1 [4];
    BLOCKED  "blocked"  1 [5];
    RUNNING  "running"  1 [6];
    CPU_TIME "cpu_time" 8 [8];
    CPU      "cpu"      4 [16];
}

table! {
    /// `struct xen_domctl_max_mem`, domctl 11.
    max_mem("max_mem"): since [3] size [8]
    MAX_MEMKB "max_memkb" 8 [0];
}

table! {
    /// `struct xen_domctl_max_vcpus`, domctl 15.
    max_vcpus("max_vcpus"): since [3] size [4]
    MAX "max" 4 [0];
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What was measured: an extract for the structures here of the offsets of every release (tests/data/README.md).
    fn measured() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/xen-abi.json")).unwrap()
    }

    fn versions(measured: &Value, kind: &str) -> Vec<(String, u32, Value)> {
        let releases = measured["releases"].as_array().unwrap().iter();
        let rows = releases.filter_map(|row| {
            let version = row[kind].as_u64()? as u32;
            Some((row["release"].as_str()?.to_owned(), version, row["x86_64"].clone()))
        });
        rows.collect()
    }

    /// Each release's column has the measured size, and every field of the table stands where it was measured. `absent` are the
    /// measured fields that no table reads.
    fn check(table: &'static Table, kind: &str, absent: &[&str]) {
        let measured = measured();
        let mut checked = 0;
        for (release, version, generations) in versions(&measured, kind) {
            let generation = generations[table.name].as_str().unwrap();
            let truth = &measured["layouts"]["x86_64"][table.name][generation];
            let layout = table.layout(version).unwrap();
            // 3.2's physinfo is read with 3.3's layout; see the table.
            if !(table.name == "physinfo" && generation == "G2") {
                assert_eq!(
                    layout.size() as u64,
                    truth["size"].as_u64().unwrap(),
                    "{} in {release}",
                    table.name
                );
            }
            for field in table.fields {
                let Some(place) = truth["fields"].get(field.name) else {
                    let newer =
                        table.name == "physinfo" && generation == "G2" && field.name == "capabilities";
                    assert!(layout.offset(field).is_none() || newer, "{release} has no {}", field.name);
                    continue;
                };
                assert_eq!(
                    layout.offset(field).map(|at| at as u64),
                    place[0].as_u64(),
                    "{}, {release}",
                    field.name
                );
                assert_eq!(field.width as u64, place[1].as_u64().unwrap(), "{}, {release}", field.name);
                checked += 1;
            }
            for (name, _) in truth["fields"].as_object().unwrap() {
                let known =
                    table.fields.iter().any(|field| field.name == name) || absent.contains(&name.as_str());
                assert!(known, "{}.{name} of {release} is in no table", table.name);
            }
        }
        assert!(checked > 1000, "only {checked} places of {} were checked", table.name);
    }

    #[test]
    fn getdomaininfo_stands_as_it_was_measured_in_every_release() {
        check(&getdomaininfo::TABLE, "domctl", &["pad1", "pad2"]);
    }

    #[test]
    fn physinfo_stands_as_it_was_measured_in_every_release() {
        check(&physinfo::TABLE, "sysctl", &["cpu_to_node", "pad"]);
    }

    #[test]
    fn containers_stand_as_they_were_measured() {
        let measured = measured();
        for table in [&domctl::TABLE, &sysctl::TABLE] {
            let truth = &measured["headers"][table.name];
            let layout = table.layout(0x15).unwrap();
            assert_eq!(layout.size() as u64, truth["size"].as_u64().unwrap());
            for field in table.fields {
                let place = [layout.offset(field).unwrap() as u64, field.width as u64];
                assert_eq!(truth["fields"][field.name], serde_json::json!(place), "{}", field.name);
            }
        }
    }

    #[test]
    fn a_field_that_a_generation_lacks_is_neither_read_nor_written() {
        let old = getdomaininfo::TABLE.layout(5).unwrap();
        let mut bytes = [0xaa; 112];
        assert_eq!(old.get(&bytes, &getdomaininfo::CPUPOOL), None);
        assert_eq!(old.set(&mut bytes, &getdomaininfo::CPUPOOL, 7), None);
        assert_eq!(bytes, [0xaa; 112]);
        assert_eq!(getdomaininfo::TABLE.layout(2), None);
    }

    #[test]
    fn a_structure_that_ends_early_gives_none() {
        let layout = getdomaininfo::TABLE.layout(9).unwrap();
        for len in 0..96 {
            assert_eq!(layout.get(&vec![0; len], &getdomaininfo::CPUPOOL), None);
        }
    }
}
