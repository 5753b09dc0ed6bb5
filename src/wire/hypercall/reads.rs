//! Questions that change nothing, for every hypervisor there has been: what a capture asks.
//!
//! The tables of [`super::layout`] say how known generations answer; these requests are the same in all of them (facts: xen-abi.md 1.4,
//! 2.1, 2.4, 2.6), so that a hypervisor of no known generation can be asked as well. An operation whose number also serves a change
//! (scheduler parameters, cpupools) is not here, and neither is one that answers with what domains wrote (the console).

use super::number;

/// What carries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// `xen_version(cmd, buffer)`.
    Version,
    /// From 3.0.3 on.
    Sysctl,
    /// From 3.0.3 on.
    Domctl,
    /// Up to 3.0.2; later releases have another operation of that number.
    Dom0Op,
}

impl Carrier {
    /// The hypercall's number.
    pub fn number(self) -> u64 {
        match self {
            Carrier::Version => number::XEN_VERSION,
            Carrier::Sysctl => number::SYSCTL,
            Carrier::Domctl => number::DOMCTL,
            Carrier::Dom0Op => number::DOM0_OP,
        }
    }

    /// The carrier of that hypercall.
    pub fn of_number(number: u64) -> Option<Carrier> {
        let all = [Carrier::Version, Carrier::Sysctl, Carrier::Domctl, Carrier::Dom0Op];
        all.into_iter().find(|carrier| carrier.number() == number)
    }

    /// Its name, which is also the beginning of its operations' names.
    pub fn name(self) -> &'static str {
        match self {
            Carrier::Version => "xen_version",
            Carrier::Sysctl => "sysctl",
            Carrier::Domctl => "domctl",
            Carrier::Dom0Op => "dom0_op",
        }
    }

    /// Bytes of its request; 0 for one without.
    pub fn size(self) -> usize {
        match self {
            Carrier::Version => 0,
            Carrier::Sysctl | Carrier::Dom0Op => 136,
            Carrier::Domctl => 144,
        }
    }

    /// Where the operation's own structure begins.
    pub fn payload(self) -> usize {
        match self {
            Carrier::Version => 0,
            Carrier::Sysctl | Carrier::Dom0Op => 8,
            Carrier::Domctl => 16,
        }
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Its name in Xen's headers.
    pub name: &'static str,
    /// What carries it.
    pub carrier: Carrier,
    /// The operation's number.
    pub cmd: u32,
    /// The buffers that it points to: where in its structure the address stands, and how many bytes there are. `xen_version` has its one
    /// buffer in an argument.
    pub buffers: &'static [(usize, usize)],
    /// Numbers in its structure: where, of how many bytes, and which.
    pub numbers: &'static [(usize, usize, u64)],
}

const fn plain(name: &'static str, carrier: Carrier, cmd: u32) -> Read {
    Read { name, carrier, cmd, buffers: &[], numbers: &[] }
}

const fn text(name: &'static str, cmd: u32, buffer: &'static [(usize, usize)]) -> Read {
    Read { name, carrier: Carrier::Version, cmd, buffers: buffer, numbers: &[] }
}

/// What `xen_version` tells. The hypervisor's command line is left out: administrators write it.
pub static VERSIONS: [Read; 9] = [
    text("version", 0, &[]),
    text("extraversion", 1, &[(0, 16)]),
    text("compile_info", 2, &[(0, 144)]),
    text("capabilities", 3, &[(0, 1024)]),
    text("changeset", 4, &[(0, 64)]),
    text("platform_parameters", 5, &[(0, 8)]),
    text("get_features", 6, &[(0, 8)]),
    text("pagesize", 7, &[]),
    text("guest_handle", 8, &[(0, 16)]),
];

/// Which scheduler there is: the probe of sysctl.
pub const SCHED_ID: Read = plain("sched_id", Carrier::Sysctl, 4);
/// One vcpu: the probe of domctl.
pub static GETVCPUINFO: Read = plain("getvcpuinfo", Carrier::Domctl, 14);
/// One domain's record.
pub static GETDOMAININFO: Read = plain("getdomaininfo", Carrier::Domctl, 5);

/// Domains that one list asks for.
pub const LIST_ROOM: usize = 1024;
/// Bytes that each may take: twice what any generation's record does.
pub const RECORD_ROOM: usize = 256;
/// Processors and NUMA nodes that are asked for.
const CPUS: u64 = 512;
const NODES: u64 = 32;
const CPU_WORDS: usize = 4 * CPUS as usize;
const NODE_PAIRS: usize = 4 * (NODES * NODES) as usize;

/// Records of many domains.
pub static GETDOMAININFOLIST: Read = LIST;
const LIST: Read = Read {
    name: "getdomaininfolist",
    carrier: Carrier::Sysctl,
    cmd: 6,
    buffers: &[(8, LIST_ROOM * RECORD_ROOM)],
    numbers: &[(4, 4, LIST_ROOM as u64)],
};
/// Where its structure has the first domain to tell, and where its answer has the number of records.
pub const LIST_FIRST: usize = 0;
/// See [`LIST_FIRST`].
pub const LIST_MAX: usize = 4;
/// See [`LIST_FIRST`].
pub const LIST_COUNT: usize = 16;

/// What every sysctl is asked.
pub static SYSCTLS: [Read; 4] = [
    plain("physinfo", Carrier::Sysctl, 3),
    SCHED_ID,
    Read {
        name: "getcpuinfo",
        carrier: Carrier::Sysctl,
        cmd: 8,
        buffers: &[(8, 8 * CPUS as usize)],
        numbers: &[(0, 4, CPUS)],
    },
    // Of all NUMA nodes (-1), in all widths of addresses.
    Read {
        name: "availheap",
        carrier: Carrier::Sysctl,
        cmd: 9,
        buffers: &[],
        numbers: &[(8, 4, 0xffff_ffff)],
    },
];

/// The first interface version whose topologies have one array each: 4.6.
const ARRAYS_SINCE: u32 = 0xc;
/// The first with topologies: 4.1.
const TOPOLOGIES_SINCE: u32 = 0x8;

/// The topologies, as an interface version of sysctl has them.
pub fn topologies(sysctl: u32) -> &'static [Read] {
    const OLD: [Read; 2] = [
        Read {
            name: "topologyinfo",
            carrier: Carrier::Sysctl,
            cmd: 16,
            buffers: &[(8, CPU_WORDS), (16, CPU_WORDS), (24, CPU_WORDS)],
            numbers: &[(0, 4, CPUS - 1)],
        },
        Read {
            name: "numainfo",
            carrier: Carrier::Sysctl,
            cmd: 17,
            buffers: &[(8, 8 * NODES as usize), (16, 8 * NODES as usize), (24, NODE_PAIRS)],
            numbers: &[(0, 4, NODES - 1)],
        },
    ];
    const NEW: [Read; 2] = [
        Read {
            name: "cputopoinfo",
            carrier: Carrier::Sysctl,
            cmd: 16,
            buffers: &[(8, 3 * CPU_WORDS)],
            numbers: &[(0, 4, CPUS)],
        },
        Read {
            name: "numainfo",
            carrier: Carrier::Sysctl,
            cmd: 17,
            buffers: &[(8, 16 * NODES as usize), (16, NODE_PAIRS)],
            numbers: &[(0, 4, NODES)],
        },
    ];
    match sysctl {
        ARRAYS_SINCE.. => &NEW,
        TOPOLOGIES_SINCE.. => &OLD,
        _ => &[],
    }
}

/// What a hypervisor up to 3.0.2 is asked: the host's figures and the scheduler.
pub static DOM0_OPS: [Read; 2] =
    [plain("sched_id", Carrier::Dom0Op, 24), plain("physinfo", Carrier::Dom0Op, 22)];
/// Records of many domains, there; the same structure as sysctl's.
pub static DOM0_LIST: Read = Read { name: "getdomaininfolist", carrier: Carrier::Dom0Op, cmd: 38, ..LIST };

/// One domain's record, there.
pub static DOM0_GETDOMAININFO: Read = plain("getdomaininfo", Carrier::Dom0Op, 12);
/// One vcpu, there.
pub static DOM0_GETVCPUINFO: Read = plain("getvcpuinfo", Carrier::Dom0Op, 43);

/// Buffers stand at multiples of so many bytes.
pub const ALIGNED: usize = 64;

/// The most bytes that a question's buffers take together.
pub fn largest_room() -> usize {
    let all =
        VERSIONS.iter().chain(&SYSCTLS).chain(topologies(TOPOLOGIES_SINCE)).chain(topologies(ARRAYS_SINCE));
    all.chain([&GETDOMAININFOLIST]).map(Read::room).max().unwrap_or(0)
}

/// Whether a request is one of these questions: `request` begins with the number of its operation.
pub fn is_read(number: u64, first_argument: u64, request: &[u8]) -> bool {
    let Some(carrier) = Carrier::of_number(number) else { return false };
    let cmd = match carrier {
        Carrier::Version => u32::try_from(first_argument).ok(),
        _ => request.first_chunk().copied().map(u32::from_le_bytes),
    };
    cmd.is_some_and(|cmd| read_of(carrier, cmd, u32::MAX).is_some())
}

/// The question of that number; topologies as an interface version of sysctl has them.
pub fn read_of(carrier: Carrier, cmd: u32, version: u32) -> Option<&'static Read> {
    let listed = VERSIONS.iter().chain(&SYSCTLS).chain(&DOM0_OPS).chain(topologies(version));
    let mut every = listed.chain([
        &GETDOMAININFOLIST,
        &DOM0_LIST,
        &GETDOMAININFO,
        &GETVCPUINFO,
        &DOM0_GETDOMAININFO,
        &DOM0_GETVCPUINFO,
    ]);
    every.find(|read| read.carrier == carrier && read.cmd == cmd)
}

impl Read {
    /// The bytes that its buffers take together.
    pub fn room(&self) -> usize {
        self.buffers.iter().map(|(_, bytes)| bytes.next_multiple_of(ALIGNED)).sum()
    }

    /// Its full name: `sysctl.physinfo`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.carrier.name(), self.name)
    }

    fn is_about_a_domain(&self) -> bool {
        self.name == GETDOMAININFO.name || self.name == GETVCPUINFO.name
    }

    /// Writes the request for an interface version: `addresses` are those of its buffers, in their order; `domain` and
    /// `argument` are a domctl's domain and the first word of its structure. `request` has [`Carrier::size`] bytes.
    pub fn encode(&self, version: u32, domain: u16, argument: u32, addresses: &[u64], request: &mut [u8]) {
        request.fill(0);
        if self.carrier == Carrier::Version {
            return;
        }
        put(request, 0, 4, self.cmd.into());
        put(request, 4, 4, version.into());
        // About one domain: a dom0_op has that in its own structure.
        match self.carrier {
            Carrier::Domctl => {
                put(request, 8, 2, domain.into());
                put(request, 16, 4, argument.into());
            }
            Carrier::Dom0Op if self.is_about_a_domain() => {
                put(request, 8, 2, domain.into());
                put(request, 12, 4, argument.into());
            }
            _ => {}
        }
        for (at, width, number) in self.numbers {
            put(request, self.carrier.payload() + at, *width, *number);
        }
        for ((at, _), address) in self.buffers.iter().zip(addresses) {
            put(request, self.carrier.payload() + at, 8, *address);
        }
    }
}

/// Writes the lowest `width` bytes of `value` at `at`, as far as there is room.
pub fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    let place = bytes.get_mut(at..).unwrap_or_default();
    place.iter_mut().zip(value.to_le_bytes().into_iter().take(width)).for_each(|(to, from)| *to = from);
}

/// Reads `width` bytes at `at` as a number; None where they are not all there.
pub fn get(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hypercall::{
        DOM0_OPS as DOM0_OPS_VERSION, Dialect, Dom0Op, Domctl, DomctlCall, Generation, ListCall, Release,
        Sysctl,
    };

    fn of_release(release: Release) -> Dialect {
        Dialect::here(Generation::at(release).unwrap())
    }

    #[test]
    fn questions_are_the_bytes_that_the_codec_writes() {
        let xen = of_release((4, 4, 0));
        let mut request = [0xff; 136];
        SCHED_ID.encode(0xa, 0, 0, &[], &mut request);
        assert_eq!(Sysctl::decode(xen, &request), Ok(Sysctl::SchedId));
        GETDOMAININFOLIST.encode(0xa, 0, 0, &[0x1000], &mut request);
        put(&mut request, 8 + LIST_FIRST, 2, 7);
        let list = ListCall { first: 7, max: 1024, buffer: 0x1000 };
        assert_eq!(Sysctl::decode(xen, &request), Ok(Sysctl::GetDomainInfoList(list)));
        let vcpu = DomctlCall { domain: 3, op: Domctl::GetVcpuInfo { vcpu: 1 } };
        let record = DomctlCall { domain: 5, op: Domctl::GetDomainInfo };
        let mut request = [0xff; 144];
        GETVCPUINFO.encode(9, 3, 1, &[], &mut request);
        assert_eq!(DomctlCall::decode(xen, &request), Ok(vcpu));
        GETDOMAININFO.encode(9, 5, 0, &[], &mut request);
        assert_eq!(DomctlCall::decode(xen, &request), Ok(record));
        let oldest = of_release((3, 0, 2));
        let mut request = [0xff; 136];
        DOM0_GETVCPUINFO.encode(DOM0_OPS_VERSION, 3, 1, &[], &mut request);
        assert_eq!(Dom0Op::decode(oldest, &request), Ok(Dom0Op::Domain(vcpu)));
        DOM0_GETDOMAININFO.encode(DOM0_OPS_VERSION, 5, 0, &[], &mut request);
        assert_eq!(Dom0Op::decode(oldest, &request), Ok(Dom0Op::Domain(record)));
        DOM0_LIST.encode(DOM0_OPS_VERSION, 0, 0, &[0x1000], &mut request);
        let list = ListCall { first: 0, max: 1024, buffer: 0x1000 };
        assert_eq!(Dom0Op::decode(oldest, &request), Ok(Dom0Op::Host(Sysctl::GetDomainInfoList(list))));
    }

    #[test]
    fn what_changes_something_is_no_question() {
        for (carrier, cmds) in [
            // destroy, pause, unpause, maxmem, setvcpuaffinity, maxvcpus, createdomain, scheduler
            (Carrier::Domctl, &[1u32, 2, 3, 4, 9, 11, 15, 16, 27][..]),
            // readconsole (it can clear), debug keys, cpupools, scheduler, hotplug
            (Carrier::Sysctl, &[1, 7, 11, 18, 19][..]),
            (Carrier::Dom0Op, &[8, 9, 10, 11, 19, 28, 44][..]),
        ] {
            for cmd in cmds {
                assert!(!is_read(carrier.number(), 0, &cmd.to_le_bytes()), "{carrier:?} {cmd}");
            }
        }
        assert!(
            is_read(17, 3, &[]) && !is_read(17, 9, &[]) && !is_read(12, 0, &[0; 8]) && !is_read(35, 0, &[])
        );
        assert!(is_read(36, 0, &5u32.to_le_bytes()));
    }

    #[test]
    fn topologies_are_those_of_their_age() {
        assert!(topologies(6).is_empty());
        assert_eq!(topologies(0xb)[0].name, "topologyinfo");
        assert_eq!(topologies(0x15)[0].name, "cputopoinfo");
        assert!(largest_room() >= 256 << 10);
    }
}
