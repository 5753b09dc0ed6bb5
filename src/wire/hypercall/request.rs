//! Requests: a toolstack's question as bytes and back. The near end encodes them, the far end decodes.

use super::layout::{self, Field, Layout, domctl, sysctl};

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
    /// End it.
    Destroy,
    /// Count its pauses up.
    Pause,
    /// Count its pauses down.
    Unpause,
    /// Its record.
    GetDomainInfo,
    /// Limit its memory, KiB.
    MaxMem {
        /// KiB.
        kib: u64,
    },
    /// One vcpu's state. Its layout never changed, so this is also the probe for the interface version.
    GetVcpuInfo {
        /// Which.
        vcpu: u32,
    },
    /// How many vcpus it may have.
    MaxVcpus {
        /// How many.
        max: u32,
    },
}

/// A domctl and the domain that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomctlCall {
    /// The domain.
    pub domain: u16,
    /// What to do.
    pub op: Domctl,
}

/// The list operation's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCall {
    /// Domains from this number on.
    pub first: u16,
    /// Room for so many.
    pub max: u32,
    /// The address of an array of records.
    pub buffer: u64,
}

/// Operations on the host (public/sysctl.h, `XEN_SYSCTL_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sysctl {
    /// Processors and memory.
    PhysInfo,
    /// The scheduler. It is in every sysctl version and changes nothing: the probe.
    SchedId,
    /// Records of many domains.
    GetDomainInfoList(ListCall),
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
}

/// Bytes of a domctl.
pub const DOMCTL_SIZE: usize = 144;
/// Bytes of a sysctl.
pub const SYSCTL_SIZE: usize = 136;

impl DomctlCall {
    /// Fills `bytes` (all of them; the rest is zero, as newer Xens insist) with the request for interface version `version`.
    pub fn encode(&self, version: u32, bytes: &mut [u8; DOMCTL_SIZE]) {
        bytes.fill(0);
        let (cmd, payload): (u64, Option<(&Field, u64)>) = match self.op {
            Domctl::Destroy => (2, None),
            Domctl::Pause => (3, None),
            Domctl::Unpause => (4, None),
            Domctl::GetDomainInfo => (5, None),
            Domctl::MaxMem { kib } => (11, Some((&layout::max_mem::MAX_MEMKB, kib))),
            Domctl::GetVcpuInfo { vcpu } => (14, Some((&layout::getvcpuinfo::VCPU, vcpu.into()))),
            Domctl::MaxVcpus { max } => (15, Some((&layout::max_vcpus::MAX, max.into()))),
        };
        CONTAINER.set(bytes, &domctl::CMD, cmd);
        CONTAINER.set(bytes, &domctl::INTERFACE_VERSION, version.into());
        CONTAINER.set(bytes, &domctl::DOMAIN, self.domain.into());
        if let (Some((field, value)), Some(place)) = (payload, payload_mut(bytes)) {
            CONTAINER.set(place, field, value);
        }
    }

    /// What `bytes` ask of a hypervisor that speaks interface version `version`.
    pub fn decode(version: u32, bytes: &[u8]) -> Result<Self, Refusal> {
        let read = |field| CONTAINER.get32(bytes, field).ok_or(Refusal::Short);
        let asked = read(&domctl::INTERFACE_VERSION)?;
        if asked != version {
            return Err(Refusal::Version(asked));
        }
        let payload = CONTAINER.bytes(bytes, &domctl::PAYLOAD).ok_or(Refusal::Short)?;
        let value = |field| CONTAINER.get32(payload, field).ok_or(Refusal::Short);
        let op = match read(&domctl::CMD)? {
            2 => Domctl::Destroy,
            3 => Domctl::Pause,
            4 => Domctl::Unpause,
            5 => Domctl::GetDomainInfo,
            11 => Domctl::MaxMem {
                kib: CONTAINER.get(payload, &layout::max_mem::MAX_MEMKB).ok_or(Refusal::Short)?,
            },
            14 => Domctl::GetVcpuInfo { vcpu: value(&layout::getvcpuinfo::VCPU)? },
            15 => Domctl::MaxVcpus { max: value(&layout::max_vcpus::MAX)? },
            other => return Err(Refusal::Unknown(other)),
        };
        let domain = CONTAINER.get(bytes, &domctl::DOMAIN).ok_or(Refusal::Short)?;
        Ok(DomctlCall { domain: u16::try_from(domain).map_err(|_| Refusal::Short)?, op })
    }
}

impl Sysctl {
    /// Fills `bytes` with the request for interface version `version`.
    pub fn encode(&self, version: u32, bytes: &mut [u8; SYSCTL_SIZE]) {
        bytes.fill(0);
        let cmd = match self {
            Sysctl::PhysInfo => 3,
            Sysctl::SchedId => 4,
            Sysctl::GetDomainInfoList(_) => 6,
        };
        CONTAINER.set(bytes, &sysctl::CMD, cmd);
        CONTAINER.set(bytes, &sysctl::INTERFACE_VERSION, version.into());
        if let (Sysctl::GetDomainInfoList(list), Some(payload)) = (self, sysctl_payload_mut(bytes)) {
            CONTAINER.set(payload, &layout::getdomaininfolist::FIRST_DOMAIN, list.first.into());
            CONTAINER.set(payload, &layout::getdomaininfolist::MAX_DOMAINS, list.max.into());
            CONTAINER.set(payload, &layout::getdomaininfolist::BUFFER, list.buffer);
        }
    }

    /// What `bytes` ask of a hypervisor that speaks interface version `version`.
    pub fn decode(version: u32, bytes: &[u8]) -> Result<Self, Refusal> {
        let read = |field| CONTAINER.get32(bytes, field).ok_or(Refusal::Short);
        let asked = read(&sysctl::INTERFACE_VERSION)?;
        if asked != version {
            return Err(Refusal::Version(asked));
        }
        let payload = CONTAINER.bytes(bytes, &sysctl::PAYLOAD).ok_or(Refusal::Short)?;
        let value = |field| CONTAINER.get(payload, field).ok_or(Refusal::Short);
        Ok(match read(&sysctl::CMD)? {
            3 => Sysctl::PhysInfo,
            4 => Sysctl::SchedId,
            6 => Sysctl::GetDomainInfoList(ListCall {
                first: u16::try_from(value(&layout::getdomaininfolist::FIRST_DOMAIN)?)
                    .map_err(|_| Refusal::Short)?,
                max: u32::try_from(value(&layout::getdomaininfolist::MAX_DOMAINS)?)
                    .map_err(|_| Refusal::Short)?,
                buffer: value(&layout::getdomaininfolist::BUFFER)?,
            }),
            other => return Err(Refusal::Unknown(other)),
        })
    }
}

/// The domain number in a domctl: what was asked, and in an answer what was found.
pub fn domain(bytes: &[u8]) -> Option<u16> {
    u16::try_from(CONTAINER.get(bytes, &domctl::DOMAIN)?).ok()
}

/// Writes the domain number of a domctl's answer.
pub fn set_domain(bytes: &mut [u8], domain: u16) {
    CONTAINER.set(bytes, &domctl::DOMAIN, domain.into());
}

/// The operation's own structure in a domctl.
pub fn payload(bytes: &[u8]) -> Option<&[u8]> {
    CONTAINER.bytes(bytes, &domctl::PAYLOAD)
}

/// As [`payload`], to write.
pub fn payload_mut(bytes: &mut [u8]) -> Option<&mut [u8]> {
    CONTAINER.bytes_mut(bytes, &domctl::PAYLOAD)
}

/// The operation's own structure in a sysctl.
pub fn sysctl_payload(bytes: &[u8]) -> Option<&[u8]> {
    CONTAINER.bytes(bytes, &sysctl::PAYLOAD)
}

/// As [`sysctl_payload`], to write.
pub fn sysctl_payload_mut(bytes: &mut [u8]) -> Option<&mut [u8]> {
    CONTAINER.bytes_mut(bytes, &sysctl::PAYLOAD)
}

/// How many records a list's answer says that it wrote.
pub fn num_domains(bytes: &[u8]) -> Option<u32> {
    CONTAINER.get32(sysctl_payload(bytes)?, &layout::getdomaininfolist::NUM_DOMAINS)
}

/// Writes the number of records into a list's answer.
pub fn set_num_domains(bytes: &mut [u8], count: u32) {
    if let Some(payload) = sysctl_payload_mut(bytes) {
        CONTAINER.set(payload, &layout::getdomaininfolist::NUM_DOMAINS, count.into());
    }
}

/// Writes the scheduler's number into the answer.
pub fn set_sched_id(bytes: &mut [u8], sched_id: u32) {
    if let Some(payload) = sysctl_payload_mut(bytes) {
        CONTAINER.set(payload, &layout::sched_id::SCHED_ID, sched_id.into());
    }
}

/// One vcpu's state (domctl.h, `struct xen_domctl_getvcpuinfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VcpuInfo {
    /// It is up.
    pub online: bool,
    /// It waits for an event.
    pub blocked: bool,
    /// It is on a processor now.
    pub running: bool,
    /// Processor time that it has used, ns.
    pub cpu_time_ns: u64,
    /// The processor that it is on, or was last.
    pub cpu: u32,
}

impl VcpuInfo {
    /// From a domctl's answer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        use layout::getvcpuinfo::{BLOCKED, CPU, CPU_TIME, ONLINE, RUNNING};
        let payload = payload(bytes)?;
        Some(VcpuInfo {
            online: CONTAINER.get(payload, &ONLINE)? != 0,
            blocked: CONTAINER.get(payload, &BLOCKED)? != 0,
            running: CONTAINER.get(payload, &RUNNING)? != 0,
            cpu_time_ns: CONTAINER.get(payload, &CPU_TIME)?,
            cpu: CONTAINER.get32(payload, &CPU)?,
        })
    }

    /// Into a domctl's answer.
    pub fn encode(&self, bytes: &mut [u8]) {
        use layout::getvcpuinfo::{BLOCKED, CPU, CPU_TIME, ONLINE, RUNNING};
        let Some(payload) = payload_mut(bytes) else { return };
        CONTAINER.set(payload, &ONLINE, self.online.into());
        CONTAINER.set(payload, &BLOCKED, self.blocked.into());
        CONTAINER.set(payload, &RUNNING, self.running.into());
        CONTAINER.set(payload, &CPU_TIME, self.cpu_time_ns);
        CONTAINER.set(payload, &CPU, self.cpu.into());
    }
}

/// The containers, and the operations' own structures here, have had one layout ever since: the first column.
const CONTAINER: Layout = Layout::FIRST;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domctls() -> impl Strategy<Value = Domctl> {
        prop_oneof![
            Just(Domctl::Destroy),
            Just(Domctl::Pause),
            Just(Domctl::Unpause),
            Just(Domctl::GetDomainInfo),
            any::<u64>().prop_map(|kib| Domctl::MaxMem { kib }),
            any::<u32>().prop_map(|vcpu| Domctl::GetVcpuInfo { vcpu }),
            any::<u32>().prop_map(|max| Domctl::MaxVcpus { max }),
        ]
    }

    proptest! {
        #[test]
        fn what_one_end_asks_the_other_understands(domain: u16, version: u32, op in domctls(), first: u16, max: u32, buffer: u64) {
            let call = DomctlCall { domain, op };
            let mut bytes = [0xff; DOMCTL_SIZE];
            call.encode(version, &mut bytes);
            prop_assert_eq!(DomctlCall::decode(version, &bytes), Ok(call));
            prop_assert_eq!(DomctlCall::decode(version ^ 1, &bytes), Err(Refusal::Version(version)));
            for call in [Sysctl::PhysInfo, Sysctl::SchedId, Sysctl::GetDomainInfoList(ListCall { first, max, buffer })] {
                let mut bytes = [0xff; SYSCTL_SIZE];
                call.encode(version, &mut bytes);
                prop_assert_eq!(Sysctl::decode(version, &bytes), Ok(call));
            }
        }

        #[test]
        fn no_bytes_make_the_far_end_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version: u32) {
            let _ = DomctlCall::decode(version, &bytes);
            let _ = Sysctl::decode(version, &bytes);
            // With the right version, so that what follows it is read too.
            if let Some(raw) = bytes.get(4..8) {
                let version = u32::from_le_bytes(raw.try_into().unwrap());
                let _ = DomctlCall::decode(version, &bytes);
                let _ = Sysctl::decode(version, &bytes);
            }
            let _ = (domain(&bytes), num_domains(&bytes), VcpuInfo::decode(&bytes));
        }
    }
}
