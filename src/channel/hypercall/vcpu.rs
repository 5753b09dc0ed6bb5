//! Questions about a domain's vcpus, and its share of the processors.

use super::errors::{garbled, refused};
use super::{Hypervisor, ordinary};
use crate::error::Result;
use crate::model::DomId;
use crate::model::guest::CpuSet;
use crate::wire::hypercall::errno::{EINVAL, ENOSYS, ESRCH};
use crate::wire::hypercall::scheduler::{Head, SchedulerAsk, SchedulerOp, SchedulerParams};
use crate::wire::hypercall::state::DomainState;
use crate::wire::hypercall::vcpu::affinity;
use crate::wire::hypercall::{Domctl, DomctlCall, VcpuAffinity, VcpuInfo, request};

/// Processors that a map has bits for.
const MAP_BITS: u32 = 4096;
const MAP_BYTES: usize = MAP_BITS as usize / 8;

/// On which processors a vcpu runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// Where it may run.
    pub hard: CpuSet,
    /// Where it should run (4.5 and later).
    pub soft: Option<CpuSet>,
}

impl Hypervisor {
    /// A vcpu's state; None when the domain has none of that number, or is not there. One hypercall.
    pub fn vcpu_info(&self, domid: DomId, vcpu: u32) -> Result<Option<VcpuInfo>> {
        let call = DomctlCall { domain: ordinary(domid)?, op: Domctl::GetVcpuInfo { vcpu } };
        let answer = self.door.domctl(self.dialect, call, |bytes| {
            let layout = self.dialect.layout(VcpuInfo::TABLE)?;
            VcpuInfo::decode(layout, request::payload(self.dialect, bytes)?)
        });
        match answer {
            Ok(Some(info)) => Ok(Some(info)),
            Ok(None) => Err(garbled("a vcpu's state")),
            // Which of these says that there is no such vcpu is the release's taste (facts: xen-abi.md 2.5).
            Err(ESRCH | EINVAL | libc::ENOENT) => Ok(None),
            Err(errno) => Err(refused(format_args!("reading vcpu {vcpu} of domain {domid}"), errno)),
        }
    }

    /// On which processors a vcpu may run, as the hypervisor has it: a map up to 4.4 can have bits for processors that the machine has
    /// not. One hypercall.
    pub fn vcpu_affinity(&self, domid: DomId, vcpu: u32) -> Result<Affinity> {
        let doing = format_args!("asking where vcpu {vcpu} of domain {domid} may run");
        if self.dialect.generation.has_dom0_op() {
            // It comes with the vcpu's state.
            let map = self.vcpu_info(domid, vcpu)?.map(|info| info.cpumap);
            let map = map.ok_or_else(|| refused(doing, ESRCH))?.ok_or_else(|| garbled("a vcpu's map"))?;
            return Ok(Affinity { hard: bits(&map.to_le_bytes()), soft: None });
        }
        let domain = ordinary(domid)?;
        let ask = |address| {
            let maps = VcpuAffinity {
                vcpu,
                cpumap: None,
                map: Some(address),
                map_bits: Some(MAP_BITS),
                flags: Some(affinity::HARD | affinity::SOFT),
                hard: Some(address),
                hard_bits: Some(MAP_BITS),
                soft: Some(address + MAP_BYTES as u64),
                soft_bits: Some(MAP_BITS),
            };
            DomctlCall { domain, op: Domctl::GetVcpuAffinity(maps) }
        };
        let has_soft = self.dialect.generation.since((4, 5, 0));
        let answer = self.door.domctl_with(self.dialect, 2 * MAP_BYTES, ask, |_, room| {
            let (hard, soft) = room.split_at_checked(MAP_BYTES)?;
            Some(Affinity { hard: bits(hard), soft: has_soft.then(|| bits(soft)) })
        });
        answer.map_err(|errno| refused(doing, errno))?.ok_or_else(|| garbled("a vcpu's maps"))
    }

    /// A domain's share of the processors under scheduler `sched_id`, which must be the one that it runs under. One hypercall.
    ///
    /// Errors: [`crate::Status::NotSupported`] for schedulers that know no shares, and before 3.0.3.
    pub fn domain_scheduler(&self, domid: DomId, sched_id: u32) -> Result<SchedulerParams> {
        let doing = format_args!("asking for the share of domain {domid}");
        let known = self.dialect.layout(Head::TABLE).filter(|layout| {
            // A scheduler that this release has no shares for.
            SchedulerParams::decode(*layout, sched_id, &[0; 128]).is_some()
        });
        let Some(layout) = known else { return Err(refused(doing, ENOSYS)) };
        let op = Domctl::Scheduler(SchedulerOp { sched_id, ask: SchedulerAsk::Get });
        let call = DomctlCall { domain: ordinary(domid)?, op };
        self.door
            .domctl(self.dialect, call, |bytes| {
                SchedulerParams::decode(layout, sched_id, request::payload(self.dialect, bytes)?)
            })
            .map_err(|errno| refused(doing, errno))?
            .ok_or_else(|| garbled("a domain's share"))
    }

    /// A domain's state and the number of its life, by the stable interface of 4.21 and later; None when there is no such domain. One
    /// hypercall.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 4.21.
    pub fn domain_state(&self, domid: DomId) -> Result<Option<DomainState>> {
        let call = DomctlCall { domain: ordinary(domid)?, op: Domctl::GetDomainState };
        let answer = self.door.domctl(self.dialect, call, |bytes| {
            let layout = self.dialect.layout(DomainState::TABLE)?;
            DomainState::decode(layout, request::payload(self.dialect, bytes)?)
        });
        match answer {
            Ok(Some(state)) => Ok(Some(state)),
            Ok(None) => Err(garbled("a domain's state")),
            Err(ESRCH) => Ok(None),
            Err(errno) => Err(refused(format_args!("reading the state of domain {domid}"), errno)),
        }
    }
}

/// The processors whose bits are set.
fn bits(map: &[u8]) -> CpuSet {
    let each = map.iter().zip((0u32..).step_by(8));
    each.flat_map(|(byte, first)| (0..8).filter(move |bit| byte >> bit & 1 != 0).map(move |bit| first + bit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_processors_from_the_lowest_on() {
        assert_eq!(bits(&[0b101, 0, 0x80]), [0, 2, 23].into());
        assert_eq!(bits(&[]), CpuSet::new());
    }
}
