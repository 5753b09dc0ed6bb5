//! Requests: a toolstack's question as bytes and back. The near end encodes them, the far end decodes.

use super::create::CreateDomain;
use super::generation::{Dialect, Release};
use super::host::{
    AvailHeap, CpuInfoCall, CpuNodes, CpuTopoInfo, ListCall, NumaInfo, ReadConsole, TopologyInfo,
};
use super::layout::{Field, Layout, Table};
use super::scheduler::{HostSchedulerOp, SchedulerOp};
use super::tables::{self, domctl, sysctl};
use super::vcpu::VcpuAffinity;

/// Sub-operations of `xen_version` (public/version.h): their number is the first argument, a buffer's address the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum VersionOp {
    /// No buffer; the result is major << 16 | minor.
    Version = 0,
    /// What follows the version: 16 bytes.
    ExtraVersion = 1,
    /// Guest types that it runs: 1024 bytes.
    Capabilities = 3,
}

impl VersionOp {
    /// Which one `cmd` is.
    pub fn from_number(cmd: u64) -> Option<Self> {
        [VersionOp::Version, VersionOp::ExtraVersion, VersionOp::Capabilities]
            .into_iter()
            .find(|op| *op as u64 == cmd)
    }

    /// Bytes of its buffer.
    pub fn buffer_size(self) -> usize {
        match self {
            VersionOp::Version => 0,
            VersionOp::ExtraVersion => 16,
            VersionOp::Capabilities => 1024,
        }
    }
}

/// Operations on one domain (public/domctl.h, `XEN_DOMCTL_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domctl {
    /// Make one.
    Create(CreateDomain),
    /// End it.
    Destroy,
    /// Count its pauses up.
    Pause,
    /// Count its pauses down.
    Unpause,
    /// Its record.
    GetDomainInfo,
    /// Say which processors one vcpu may run on.
    SetVcpuAffinity(VcpuAffinity),
    /// Limit its memory, KiB.
    MaxMem {
        /// KiB.
        kib: u64,
    },
    /// One vcpu's state. Its layout never changed since 3.0.3, so this is also the probe for the interface version.
    GetVcpuInfo {
        /// Which.
        vcpu: u32,
    },
    /// How many vcpus it may have.
    MaxVcpus {
        /// How many.
        max: u32,
    },
    /// Set or ask for its share of the processors (3.0.3 and later).
    Scheduler(SchedulerOp),
    /// Give it another uuid.
    SetHandle {
        /// The uuid.
        handle: [u8; 16],
    },
    /// Ask which processors one vcpu may run on (3.0.3 and later).
    GetVcpuAffinity(VcpuAffinity),
    /// Its state, by the stable interface (4.21 and later).
    GetDomainState,
}

/// A domctl and the domain that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomctlCall {
    /// The domain.
    pub domain: u16,
    /// What to do.
    pub op: Domctl,
}

/// Operations on the host (public/sysctl.h, `XEN_SYSCTL_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sysctl {
    /// What the hypervisor wrote on its console.
    ReadConsole(ReadConsole),
    /// Processors and memory.
    PhysInfo,
    /// The same, with the processors' nodes (3.2 to 4.0).
    CpuNodes(CpuNodes),
    /// The scheduler. It is in every sysctl version and changes nothing: the probe.
    SchedId,
    /// Records of many domains.
    GetDomainInfoList(ListCall),
    /// Processors' idle times (3.2 and later).
    CpuInfo(CpuInfoCall),
    /// Free memory (3.2 and later).
    AvailHeap(AvailHeap),
    /// Where processors are (4.1 to 4.5).
    TopologyInfo(TopologyInfo),
    /// Where processors are (4.6 and later).
    CpuTopoInfo(CpuTopoInfo),
    /// NUMA nodes (4.1 and later).
    NumaInfo(NumaInfo),
    /// A cpupool's scheduler (4.1 and later).
    Scheduler(HostSchedulerOp),
}

/// A dom0_op (3.0.0 to 3.0.2), which is either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dom0Op {
    /// About a domain.
    Domain(DomctlCall),
    /// About the host.
    Host(Sysctl),
}

/// Why the far end cannot even look at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer bytes than the container has.
    Short,
    /// Another interface version than the one spoken.
    Version(u32),
    /// An operation that is not known, by its number.
    Unknown(u32),
    /// An operation that is known, with arguments that are none.
    Invalid,
}

/// Bytes of a domctl, which a dom0_op fits into.
pub const DOMCTL_SIZE: usize = 144;
/// Bytes of a sysctl, and of a dom0_op.
pub const SYSCTL_SIZE: usize = 136;

/// The numbers of an operation.
struct Number {
    /// As a domctl or a sysctl.
    now: u32,
    /// As a dom0_op.
    dom0_op: Option<u32>,
    /// The first release that has it.
    since: Release,
}

const fn number(now: u32, dom0_op: u32) -> Number {
    Number { now, dom0_op: Some(dom0_op), since: (3, 0, 0) }
}

const fn newer(now: u32, since: Release) -> Number {
    Number { now, dom0_op: None, since }
}

const DOMCTLS: &[Number] = &[
    number(1, 8),
    number(2, 9),
    number(3, 10),
    number(4, 11),
    number(5, 12),
    number(9, 20),
    number(11, 28),
    number(14, 43),
    number(15, 41),
    newer(16, (3, 0, 3)),
    number(17, 44),
    newer(25, (3, 0, 3)),
    newer(GET_DOMAIN_STATE, (4, 21, 0)),
];

const SYSCTLS: &[Number] = &[
    number(1, 19),
    number(3, 22),
    number(4, 24),
    number(6, 38),
    newer(8, (3, 2, 0)),
    newer(9, (3, 2, 0)),
    newer(16, (4, 1, 0)),
    newer(17, (4, 1, 0)),
    newer(19, (4, 1, 0)),
];

/// The stable operation: its interface version is 0, and only its.
const GET_DOMAIN_STATE: u32 = 90;

/// The number of operation `now` in that dialect; None where it has no such operation.
fn number_in(dialect: Dialect, numbers: &[Number], now: u32) -> Option<u32> {
    let found = numbers.iter().find(|number| number.now == now)?;
    match dialect.generation.has_dom0_op() {
        true => found.dom0_op,
        false => dialect.generation.since(found.since).then_some(found.now),
    }
}

/// The reverse: which operation `cmd` is.
fn operation_of(dialect: Dialect, numbers: &[Number], cmd: u32) -> Option<u32> {
    let found = numbers.iter().find(|number| match dialect.generation.has_dom0_op() {
        true => number.dom0_op == Some(cmd),
        false => number.now == cmd && dialect.generation.since(number.since),
    });
    found.map(|number| number.now)
}

/// The interface version that operation `cmd` carries: the generation's, and none where the operation is a stable one.
fn version_of(dialect: Dialect, cmd: u32) -> u32 {
    let stable = cmd == GET_DOMAIN_STATE && dialect.generation.since((4, 21, 0));
    if stable { 0 } else { dialect.generation.domctl }
}

impl DomctlCall {
    /// Fills `bytes` (all of them; the rest is zero, as newer Xens insist) with the request in that dialect. None, and nothing to send, where
    /// the dialect has no such operation or no place for its arguments.
    pub fn encode(&self, dialect: Dialect, bytes: &mut [u8; DOMCTL_SIZE]) -> Option<()> {
        bytes.fill(0);
        let cmd = number_in(dialect, DOMCTLS, self.op.number())?;
        CONTAINER.set(bytes, &domctl::CMD, cmd.into());
        let version = version_of(dialect, cmd);
        CONTAINER.set(bytes, &domctl::INTERFACE_VERSION, version.into());
        let place = payload_mut(dialect, bytes)?;
        match &self.op {
            Domctl::Create(new) => new.encode(dialect.layout(CreateDomain::TABLE)?, place)?,
            Domctl::SetVcpuAffinity(affinity) | Domctl::GetVcpuAffinity(affinity) => {
                affinity.encode(dialect.layout(VcpuAffinity::TABLE)?, place)?;
            }
            Domctl::MaxMem { kib } => {
                put(dialect, &tables::max_mem::TABLE, &tables::max_mem::MAX_MEMKB, *kib, place)?;
            }
            Domctl::GetVcpuInfo { vcpu } => {
                put(dialect, &tables::getvcpuinfo::TABLE, &tables::getvcpuinfo::VCPU, (*vcpu).into(), place)?;
            }
            Domctl::MaxVcpus { max } => {
                put(dialect, &tables::max_vcpus::TABLE, &tables::max_vcpus::MAX, (*max).into(), place)?;
            }
            Domctl::Scheduler(op) => op.encode(dialect, place)?,
            Domctl::SetHandle { handle } => dialect
                .layout(&tables::setdomainhandle::TABLE)?
                .bytes_mut(place, &tables::setdomainhandle::HANDLE)?
                .copy_from_slice(handle),
            Domctl::Destroy
            | Domctl::Pause
            | Domctl::Unpause
            | Domctl::GetDomainInfo
            | Domctl::GetDomainState => {}
        }
        set_domain(dialect, bytes, self.domain);
        Some(())
    }

    /// What `bytes` ask of a hypervisor that speaks `dialect`.
    pub fn decode(dialect: Dialect, bytes: &[u8]) -> Result<Self, Refusal> {
        let cmd = command(bytes, |cmd| version_of(dialect, cmd))?;
        let op = operation_of(dialect, DOMCTLS, cmd).ok_or(Refusal::Unknown(cmd))?;
        let payload = payload(dialect, bytes).ok_or(Refusal::Short)?;
        let get = |table, field| {
            let layout = dialect.layout(table).ok_or(Refusal::Unknown(cmd))?;
            layout.get(payload, field).ok_or(Refusal::Short)
        };
        let half = |table, field| Ok(u32::try_from(get(table, field)?).unwrap_or(u32::MAX));
        let affinity = || read(dialect, VcpuAffinity::TABLE, payload, VcpuAffinity::decode);
        let op = match op {
            1 => Domctl::Create(read(dialect, CreateDomain::TABLE, payload, CreateDomain::decode)?),
            2 => Domctl::Destroy,
            3 => Domctl::Pause,
            4 => Domctl::Unpause,
            5 => Domctl::GetDomainInfo,
            9 => Domctl::SetVcpuAffinity(affinity()?),
            11 => Domctl::MaxMem { kib: get(&tables::max_mem::TABLE, &tables::max_mem::MAX_MEMKB)? },
            14 => {
                Domctl::GetVcpuInfo { vcpu: half(&tables::getvcpuinfo::TABLE, &tables::getvcpuinfo::VCPU)? }
            }
            15 => Domctl::MaxVcpus { max: half(&tables::max_vcpus::TABLE, &tables::max_vcpus::MAX)? },
            16 => Domctl::Scheduler(SchedulerOp::decode(dialect, payload).ok_or(Refusal::Invalid)?),
            17 => {
                let layout = dialect.layout(&tables::setdomainhandle::TABLE).ok_or(Refusal::Unknown(cmd))?;
                let handle = layout.bytes(payload, &tables::setdomainhandle::HANDLE);
                let handle = handle.and_then(|handle| handle.try_into().ok()).ok_or(Refusal::Short)?;
                Domctl::SetHandle { handle }
            }
            25 => Domctl::GetVcpuAffinity(affinity()?),
            GET_DOMAIN_STATE => Domctl::GetDomainState,
            _ => return Err(Refusal::Unknown(cmd)),
        };
        Ok(DomctlCall { domain: domain(dialect, bytes).ok_or(Refusal::Short)?, op })
    }
}

impl Domctl {
    /// Its number as a domctl.
    fn number(&self) -> u32 {
        match self {
            Domctl::Create(_) => 1,
            Domctl::Destroy => 2,
            Domctl::Pause => 3,
            Domctl::Unpause => 4,
            Domctl::GetDomainInfo => 5,
            Domctl::SetVcpuAffinity(_) => 9,
            Domctl::MaxMem { .. } => 11,
            Domctl::GetVcpuInfo { .. } => 14,
            Domctl::MaxVcpus { .. } => 15,
            Domctl::Scheduler(_) => 16,
            Domctl::SetHandle { .. } => 17,
            Domctl::GetVcpuAffinity(_) => 25,
            Domctl::GetDomainState => GET_DOMAIN_STATE,
        }
    }
}

impl Sysctl {
    /// Fills `bytes` with the request in that dialect. None as for [`DomctlCall::encode`].
    pub fn encode(&self, dialect: Dialect, bytes: &mut [u8; SYSCTL_SIZE]) -> Option<()> {
        bytes.fill(0);
        let cmd = number_in(dialect, SYSCTLS, self.number())?;
        CONTAINER.set(bytes, &sysctl::CMD, cmd.into());
        CONTAINER.set(bytes, &sysctl::INTERFACE_VERSION, dialect.generation.sysctl.into());
        let place = sysctl_payload_mut(bytes)?;
        match self {
            Sysctl::PhysInfo | Sysctl::SchedId => Some(()),
            Sysctl::ReadConsole(call) => call.encode(dialect.layout(ReadConsole::TABLE)?, place),
            Sysctl::CpuNodes(call) => {
                let layout = dialect.layout(CpuNodes::TABLE)?;
                layout.offset(&tables::physinfo::CPU_TO_NODE)?;
                call.encode(layout, place)
            }
            Sysctl::GetDomainInfoList(call) => call.encode(dialect.layout(ListCall::TABLE)?, place),
            Sysctl::CpuInfo(call) => call.encode(dialect.layout(CpuInfoCall::TABLE)?, place),
            Sysctl::AvailHeap(call) => call.encode(dialect.layout(AvailHeap::TABLE)?, place),
            Sysctl::TopologyInfo(call) => call.encode(dialect.layout(TopologyInfo::TABLE)?, place),
            Sysctl::CpuTopoInfo(call) => call.encode(dialect.layout(CpuTopoInfo::TABLE)?, place),
            Sysctl::NumaInfo(call) => call.encode(dialect.layout(NumaInfo::TABLE)?, place),
            Sysctl::Scheduler(call) => call.encode(dialect, place),
        }
    }

    /// What `bytes` ask of a hypervisor that speaks `dialect`.
    pub fn decode(dialect: Dialect, bytes: &[u8]) -> Result<Self, Refusal> {
        let cmd = command(bytes, |_| dialect.generation.sysctl)?;
        let op = operation_of(dialect, SYSCTLS, cmd).ok_or(Refusal::Unknown(cmd))?;
        let payload = sysctl_payload(bytes).ok_or(Refusal::Short)?;
        Ok(match op {
            1 => Sysctl::ReadConsole(read(dialect, ReadConsole::TABLE, payload, ReadConsole::decode)?),
            3 => match read(dialect, CpuNodes::TABLE, payload, CpuNodes::decode) {
                Ok(call) if call.cpu_to_node != 0 => Sysctl::CpuNodes(call),
                _ => Sysctl::PhysInfo,
            },
            4 => Sysctl::SchedId,
            6 => Sysctl::GetDomainInfoList(read(dialect, ListCall::TABLE, payload, ListCall::decode)?),
            8 => Sysctl::CpuInfo(read(dialect, CpuInfoCall::TABLE, payload, CpuInfoCall::decode)?),
            9 => Sysctl::AvailHeap(read(dialect, AvailHeap::TABLE, payload, AvailHeap::decode)?),
            16 if dialect.layout(CpuTopoInfo::TABLE).is_some() => {
                Sysctl::CpuTopoInfo(read(dialect, CpuTopoInfo::TABLE, payload, CpuTopoInfo::decode)?)
            }
            16 => Sysctl::TopologyInfo(read(dialect, TopologyInfo::TABLE, payload, TopologyInfo::decode)?),
            17 => Sysctl::NumaInfo(read(dialect, NumaInfo::TABLE, payload, NumaInfo::decode)?),
            19 => Sysctl::Scheduler(HostSchedulerOp::decode(dialect, payload).ok_or(Refusal::Invalid)?),
            _ => return Err(Refusal::Unknown(cmd)),
        })
    }

    /// Its number as a sysctl.
    fn number(&self) -> u32 {
        match self {
            Sysctl::ReadConsole(_) => 1,
            Sysctl::PhysInfo | Sysctl::CpuNodes(_) => 3,
            Sysctl::SchedId => 4,
            Sysctl::GetDomainInfoList(_) => 6,
            Sysctl::CpuInfo(_) => 8,
            Sysctl::AvailHeap(_) => 9,
            Sysctl::TopologyInfo(_) | Sysctl::CpuTopoInfo(_) => 16,
            Sysctl::NumaInfo(_) => 17,
            Sysctl::Scheduler(_) => 19,
        }
    }
}

impl Dom0Op {
    /// What `bytes` ask of a hypervisor of 3.0.0 to 3.0.2.
    pub fn decode(dialect: Dialect, bytes: &[u8]) -> Result<Self, Refusal> {
        match DomctlCall::decode(dialect, bytes) {
            Err(Refusal::Unknown(_)) => Sysctl::decode(dialect, bytes).map(Dom0Op::Host),
            decoded => decoded.map(Dom0Op::Domain),
        }
    }
}

/// The operation's number, once its interface version is `expected`'s for it.
fn command(bytes: &[u8], expected: impl FnOnce(u32) -> u32) -> Result<u32, Refusal> {
    let cmd = CONTAINER.get32(bytes, &domctl::CMD).ok_or(Refusal::Short)?;
    let version = CONTAINER.get32(bytes, &domctl::INTERFACE_VERSION).ok_or(Refusal::Short)?;
    if version != expected(cmd) {
        return Err(Refusal::Version(version));
    }
    Ok(cmd)
}

fn put(dialect: Dialect, table: &'static Table, field: &Field, value: u64, place: &mut [u8]) -> Option<()> {
    dialect.layout(table)?.set(place, field, value)
}

fn read<T>(
    dialect: Dialect,
    table: &'static Table,
    payload: &[u8],
    decode: impl FnOnce(Layout, &[u8]) -> Option<T>,
) -> Result<T, Refusal> {
    decode(dialect.layout(table).ok_or(Refusal::Invalid)?, payload).ok_or(Refusal::Short)
}

/// Writes another interface version into a request: what a probe for unknown ones does.
pub fn set_version(bytes: &mut [u8], version: u32) {
    CONTAINER.set(bytes, &domctl::INTERFACE_VERSION, version.into());
}

/// The domain number in a request on a domain: what was asked, and in an answer what was found.
pub fn domain(dialect: Dialect, bytes: &[u8]) -> Option<u16> {
    let number = match dialect.generation.has_dom0_op() {
        true => {
            own_domain(dialect, bytes).and_then(|(layout, field)| layout.get(payload(dialect, bytes)?, field))
        }
        false => CONTAINER.get(bytes, &domctl::DOMAIN),
    };
    u16::try_from(number?).ok()
}

/// Writes that number.
pub fn set_domain(dialect: Dialect, bytes: &mut [u8], domain: u16) {
    if !dialect.generation.has_dom0_op() {
        CONTAINER.set(bytes, &domctl::DOMAIN, domain.into());
    } else if let Some((layout, field)) = own_domain(dialect, bytes)
        && let Some(payload) = payload_mut(dialect, bytes)
    {
        layout.set(payload, field, domain.into());
    }
}

/// Where a dom0_op's own structure says which domain it is about.
fn own_domain(dialect: Dialect, bytes: &[u8]) -> Option<(Layout, &'static Field)> {
    let cmd = CONTAINER.get32(bytes, &domctl::CMD)?;
    let (table, field): (&'static Table, &'static Field) = match operation_of(dialect, DOMCTLS, cmd)? {
        1 => (&tables::createdomain::TABLE, &tables::createdomain::DOMAIN),
        5 => (&tables::getdomaininfo::TABLE, &tables::getdomaininfo::DOMAIN),
        9 => (&tables::vcpuaffinity::TABLE, &tables::vcpuaffinity::DOMAIN),
        11 => (&tables::max_mem::TABLE, &tables::max_mem::DOMAIN),
        14 => (&tables::getvcpuinfo::TABLE, &tables::getvcpuinfo::DOMAIN),
        15 => (&tables::max_vcpus::TABLE, &tables::max_vcpus::DOMAIN),
        17 => (&tables::setdomainhandle::TABLE, &tables::setdomainhandle::DOMAIN),
        _ => (&tables::target::TABLE, &tables::target::DOMAIN),
    };
    Some((dialect.layout(table)?, field))
}

/// The operation's own structure in a request on a domain.
pub fn payload(dialect: Dialect, bytes: &[u8]) -> Option<&[u8]> {
    CONTAINER.bytes(bytes, payload_of(dialect))
}

/// As [`payload`], to write.
pub fn payload_mut(dialect: Dialect, bytes: &mut [u8]) -> Option<&mut [u8]> {
    CONTAINER.bytes_mut(bytes, payload_of(dialect))
}

fn payload_of(dialect: Dialect) -> &'static Field {
    // dom0_op's container is sysctl's.
    if dialect.generation.has_dom0_op() { &sysctl::PAYLOAD } else { &domctl::PAYLOAD }
}

/// The operation's own structure in a request on the host: it has stood in one place ever since.
pub fn sysctl_payload(bytes: &[u8]) -> Option<&[u8]> {
    CONTAINER.bytes(bytes, &sysctl::PAYLOAD)
}

/// As [`sysctl_payload`], to write.
pub fn sysctl_payload_mut(bytes: &mut [u8]) -> Option<&mut [u8]> {
    CONTAINER.bytes_mut(bytes, &sysctl::PAYLOAD)
}

/// How many records a list's answer says that it wrote.
pub fn num_domains(bytes: &[u8]) -> Option<u32> {
    CONTAINER.get32(sysctl_payload(bytes)?, &tables::getdomaininfolist::NUM_DOMAINS)
}

/// Writes the number of records into a list's answer.
pub fn set_num_domains(bytes: &mut [u8], count: u32) {
    if let Some(payload) = sysctl_payload_mut(bytes) {
        CONTAINER.set(payload, &tables::getdomaininfolist::NUM_DOMAINS, count.into());
    }
}

/// The scheduler's number in an answer.
pub fn sched_id(bytes: &[u8]) -> Option<u32> {
    CONTAINER.get32(sysctl_payload(bytes)?, &tables::sched_id::SCHED_ID)
}

/// Writes the scheduler's number into the answer.
pub fn set_sched_id(bytes: &mut [u8], sched_id: u32) {
    if let Some(payload) = sysctl_payload_mut(bytes) {
        CONTAINER.set(payload, &tables::sched_id::SCHED_ID, sched_id.into());
    }
}

/// The containers, and the structures that never changed, have one column.
const CONTAINER: Layout = Layout::FIRST;

#[cfg(test)]
mod tests {
    use super::super::scheduler::{CreditParams, SchedulerAsk, SchedulerParams, id};
    use super::super::{Arch, GENERATIONS};
    use super::*;
    use proptest::prelude::*;

    fn dialects() -> impl Strategy<Value = Dialect> {
        let arch = prop::sample::select(vec![Arch::X86_64, Arch::Arm64]);
        let generation = prop::sample::select(GENERATIONS.iter().collect::<Vec<_>>());
        // Arm is known from 4.5 on.
        (generation, arch)
            .prop_map(|(generation, arch)| Dialect { generation, arch })
            .prop_filter("Arm is newer", |dialect| {
                dialect.arch == Arch::X86_64 || dialect.generation.since((4, 5, 0))
            })
    }

    fn domctls() -> impl Strategy<Value = Domctl> {
        let affinity = (any::<u32>(), any::<u64>(), any::<u32>(), any::<u64>());
        let affinity = affinity.prop_map(|(vcpu, map, bits, soft)| VcpuAffinity {
            vcpu,
            cpumap: Some(map),
            map: Some(map),
            map_bits: Some(bits),
            flags: Some(bits),
            hard: Some(map),
            hard_bits: Some(bits),
            soft: Some(soft),
            soft_bits: Some(bits),
        });
        let credit = (any::<u16>(), any::<u16>()).prop_map(|(weight, cap)| SchedulerOp {
            sched_id: id::CREDIT,
            ask: SchedulerAsk::Put(SchedulerParams::Credit(CreditParams { weight, cap })),
        });
        prop_oneof![
            any::<[u8; 16]>()
                .prop_map(|handle| Domctl::Create(CreateDomain { handle, ..CreateDomain::default() })),
            Just(Domctl::Destroy),
            Just(Domctl::Pause),
            Just(Domctl::Unpause),
            Just(Domctl::GetDomainInfo),
            affinity.clone().prop_map(Domctl::SetVcpuAffinity),
            any::<u64>().prop_map(|kib| Domctl::MaxMem { kib }),
            any::<u32>().prop_map(|vcpu| Domctl::GetVcpuInfo { vcpu }),
            any::<u32>().prop_map(|max| Domctl::MaxVcpus { max }),
            credit.prop_map(Domctl::Scheduler),
            any::<[u8; 16]>().prop_map(|handle| Domctl::SetHandle { handle }),
            affinity.prop_map(Domctl::GetVcpuAffinity),
            Just(Domctl::GetDomainState),
        ]
    }

    fn sysctls() -> impl Strategy<Value = Sysctl> {
        let numa = |number: u32, at: u64| NumaInfo {
            max_node_index: Some(number),
            node_to_memsize: Some(at),
            node_to_memfree: Some(at),
            node_to_node_distance: Some(at),
            num_nodes: Some(number),
            meminfo: Some(at),
            distance: Some(at),
        };
        (any::<u32>(), 1u64.., any::<u16>(), any::<i32>(), 0usize..11).prop_map(
            move |(number, at, first, node, which)| match which {
                0 => Sysctl::PhysInfo,
                1 => Sysctl::SchedId,
                2 => Sysctl::GetDomainInfoList(ListCall { first, max: number, buffer: at }),
                3 => Sysctl::CpuInfo(CpuInfoCall { max_cpus: number, info: at, nr_cpus: 0 }),
                4 => Sysctl::AvailHeap(AvailHeap { node, ..AvailHeap::default() }),
                5 => Sysctl::TopologyInfo(TopologyInfo {
                    max_cpu_index: number,
                    cpu_to_core: at,
                    cpu_to_socket: at / 2,
                    cpu_to_node: at / 3,
                }),
                6 => Sysctl::CpuTopoInfo(CpuTopoInfo { num_cpus: number, cputopo: at }),
                7 => Sysctl::NumaInfo(numa(number, at)),
                8 => Sysctl::ReadConsole(ReadConsole { buffer: at, count: number, ..ReadConsole::default() }),
                9 => Sysctl::CpuNodes(CpuNodes { max_cpu_id: number, cpu_to_node: at }),
                _ => Sysctl::Scheduler(HostSchedulerOp {
                    cpupool_id: number,
                    sched_id: id::CREDIT,
                    put: false,
                    params: None,
                }),
            },
        )
    }

    /// `call` as it arrives: again in bytes, in the same words.
    fn same_request(call: DomctlCall, back: DomctlCall, dialect: Dialect) -> bool {
        let (mut first, mut second) = ([0; DOMCTL_SIZE], [0xff; DOMCTL_SIZE]);
        call.encode(dialect, &mut first);
        back.encode(dialect, &mut second);
        first == second && call.domain == back.domain && call.op.number() == back.op.number()
    }

    proptest! {
        #[test]
        fn what_one_end_asks_the_other_understands(dialect in dialects(), domain: u16, op in domctls(), host in sysctls()) {
            let call = DomctlCall { domain, op };
            let mut bytes = [0xff; DOMCTL_SIZE];
            if call.encode(dialect, &mut bytes).is_some() {
                let back = DomctlCall::decode(dialect, &bytes).unwrap();
                prop_assert!(same_request(call, back, dialect), "{:?} {:?}", call, back);
                let asked = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                set_version(&mut bytes, asked ^ 1);
                prop_assert_eq!(DomctlCall::decode(dialect, &bytes), Err(Refusal::Version(asked ^ 1)));
            } else {
                prop_assert!(number_in(dialect, DOMCTLS, op.number()).is_none(), "{:?}", op);
            }
            let mut bytes = [0xff; SYSCTL_SIZE];
            if host.encode(dialect, &mut bytes).is_some() {
                let back = Sysctl::decode(dialect, &bytes).unwrap();
                let mut again = [0xff; SYSCTL_SIZE];
                prop_assert!(back.encode(dialect, &mut again).is_some());
                prop_assert_eq!(bytes, again);
                prop_assert_eq!(back.number(), host.number());
            }
        }

        #[test]
        fn a_dom0_op_says_by_its_number_which_of_the_two_it_is(domain: u16, op in domctls(), host in sysctls()) {
            let dialect = Dialect { generation: &GENERATIONS[0], arch: Arch::X86_64 };
            let (mut bytes, mut whole) = ([0; SYSCTL_SIZE], [0; DOMCTL_SIZE]);
            let call = DomctlCall { domain, op };
            if call.encode(dialect, &mut whole).is_some() {
                let Ok(Dom0Op::Domain(back)) = Dom0Op::decode(dialect, &whole[..SYSCTL_SIZE]) else { panic!() };
                prop_assert!(same_request(call, back, dialect));
                prop_assert_eq!(&whole[SYSCTL_SIZE..], &[0; 8], "it is no longer than that");
            }
            if host.encode(dialect, &mut bytes).is_some() {
                let Ok(Dom0Op::Host(back)) = Dom0Op::decode(dialect, &bytes) else { panic!() };
                prop_assert_eq!(back.number(), host.number());
            }
        }

        #[test]
        fn no_bytes_make_the_far_end_panic(dialect in dialects(), mut bytes in prop::collection::vec(any::<u8>(), 0..200), cmd in 0u8..100) {
            let _ = DomctlCall::decode(dialect, &bytes);
            let _ = Sysctl::decode(dialect, &bytes);
            // With a header that is let in, so that what follows it is read too.
            for version in [dialect.generation.domctl, dialect.generation.sysctl, 0] {
                if let Some(header) = bytes.get_mut(..4) {
                    header.copy_from_slice(&[cmd, 0, 0, 0]);
                }
                set_version(&mut bytes, version);
                let _ = DomctlCall::decode(dialect, &bytes);
                let _ = Sysctl::decode(dialect, &bytes);
            }
            let _ = (domain(dialect, &bytes), num_domains(&bytes), sched_id(&bytes));
        }
    }

    #[test]
    fn what_a_release_does_not_have_is_not_asked() {
        let dialect = |release| Dialect {
            generation: super::super::Generation::at(release).unwrap(),
            arch: Arch::X86_64,
        };
        let asks = |release, op| {
            DomctlCall { domain: 0, op }.encode(dialect(release), &mut [0; DOMCTL_SIZE]).is_some()
        };
        assert!(!asks((4, 20, 0), Domctl::GetDomainState) && asks((4, 21, 0), Domctl::GetDomainState));
        let affinity = Domctl::GetVcpuAffinity(VcpuAffinity::default());
        assert!(!asks((3, 0, 1), affinity) && asks((3, 0, 3), affinity));
        let host = |release, call: Sysctl| call.encode(dialect(release), &mut [0; SYSCTL_SIZE]).is_some();
        let heap = Sysctl::AvailHeap(AvailHeap::default());
        assert!(!host((3, 1, 0), heap) && host((3, 2, 0), heap));
        let (old, new) =
            (Sysctl::TopologyInfo(TopologyInfo::default()), Sysctl::CpuTopoInfo(CpuTopoInfo::default()));
        assert!(
            host((4, 5, 0), old) && !host((4, 6, 0), old) && !host((4, 5, 0), new) && host((4, 6, 0), new)
        );
    }
}
