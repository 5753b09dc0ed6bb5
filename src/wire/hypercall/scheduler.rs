//! Schedulers: their numbers, and what can be set about a domain, a vcpu, or a cpupool.

use super::generation::Dialect;
use super::layout::{Layout, record};

/// Numbers of the schedulers (domctl.h, `XEN_SCHEDULER_*`).
pub mod id {
    /// Borrowed virtual time (3.0.0 to 3.0.2).
    pub const BVT: u32 = 0;
    /// Simple earliest deadline first (up to 4.5).
    pub const SEDF: u32 = 4;
    /// Credit.
    pub const CREDIT: u32 = 5;
    /// Credit, second version (4.1 and later; the usual one from 4.12 on).
    pub const CREDIT2: u32 = 6;
    /// ARINC 653 (4.1 and later).
    pub const ARINC653: u32 = 7;
    /// Real time deferrable server (4.5 and later).
    pub const RTDS: u32 = 8;
    /// A processor for each vcpu (4.9 and later).
    pub const NULL: u32 = 9;
}

/// The toolstacks' word for a scheduler; None for a number that nobody knows.
pub fn name(sched_id: u32) -> Option<&'static str> {
    Some(match sched_id {
        id::BVT => "bvt",
        id::SEDF => "sedf",
        id::CREDIT => "credit",
        id::CREDIT2 => "credit2",
        id::ARINC653 => "arinc653",
        id::RTDS => "rtds",
        id::NULL => "null",
        _ => return None,
    })
}

record! {
    /// A domain's share under credit.
    CreditParams of scheduler_op {
        /// Its weight; 256 is the usual one.
        weight: u16 = CREDIT_WEIGHT,
        /// Percent of one processor that it gets at most; 0: no limit.
        cap: u16 = CREDIT_CAP,
    }
}

record! {
    /// A domain's share under credit2.
    Credit2Params of scheduler_op {
        /// As under credit.
        weight: u16 = CREDIT2_WEIGHT,
        /// As under credit (4.10 and later).
        cap: Option<u16> = CREDIT2_CAP,
    }
}

record! {
    /// A domain's share under sedf; times in ns.
    SedfParams of scheduler_op {
        /// How often it gets its slice.
        period: u64 = SEDF_PERIOD,
        /// How much it gets.
        slice: u64 = SEDF_SLICE,
        /// How late it may get it.
        latency: u64 = SEDF_LATENCY,
        /// Whether it also gets what others leave.
        extratime: u32 = SEDF_EXTRATIME,
        /// Its weight, instead of period and slice.
        weight: u32 = SEDF_WEIGHT,
    }
}

record! {
    /// A domain's share under rtds; times in us.
    RtdsParams of scheduler_op {
        /// How often it gets its budget.
        period: u32 = RTDS_PERIOD,
        /// How much it gets.
        budget: u32 = RTDS_BUDGET,
        /// `XEN_DOMCTL_SCHEDRT_*` (4.10 and later).
        flags: Option<u32> = RTDS_FLAGS,
    }
}

/// A domain's share, by scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulerParams {
    /// Of [`id::CREDIT`].
    Credit(CreditParams),
    /// Of [`id::CREDIT2`].
    Credit2(Credit2Params),
    /// Of [`id::SEDF`].
    Sedf(SedfParams),
    /// Of [`id::RTDS`].
    Rtds(RtdsParams),
}

impl SchedulerParams {
    /// Reads what scheduler `sched_id` says; None for one that has nothing to say, or not in this layout.
    pub fn decode(layout: Layout, sched_id: u32, payload: &[u8]) -> Option<Self> {
        match sched_id {
            id::CREDIT => CreditParams::decode(layout, payload).map(SchedulerParams::Credit),
            id::CREDIT2 => Credit2Params::decode(layout, payload).map(SchedulerParams::Credit2),
            id::SEDF => SedfParams::decode(layout, payload).map(SchedulerParams::Sedf),
            id::RTDS => RtdsParams::decode(layout, payload).map(SchedulerParams::Rtds),
            _ => None,
        }
    }

    /// Writes them. None when `payload` is too short.
    pub fn encode(&self, layout: Layout, payload: &mut [u8]) -> Option<()> {
        match self {
            SchedulerParams::Credit(params) => params.encode(layout, payload),
            SchedulerParams::Credit2(params) => params.encode(layout, payload),
            SchedulerParams::Sedf(params) => params.encode(layout, payload),
            SchedulerParams::Rtds(params) => params.encode(layout, payload),
        }
    }
}

record! {
    /// What every scheduler_op on a domain begins with.
    Head of scheduler_op {
        /// [`id`].
        sched_id: u32 = SCHED_ID,
        /// 0 sets and 1 asks; 2 and 3 the same for single vcpus.
        cmd: u32 = CMD,
    }
}

record! {
    /// An array of vcpus' shares in guest memory (4.7 and later).
    VcpuList of scheduler_op {
        /// Its address.
        vcpus: u64 = VCPUS,
        /// How many.
        count: u32 = NR_VCPUS,
    }
}

record! {
    /// One vcpu's share under rtds: an element of [`VcpuList`]'s array.
    VcpuRtds of schedule_vcpu {
        /// Which vcpu.
        vcpu: u32 = VCPUID,
        /// As of a domain.
        period: u32 = RTDS_PERIOD,
        /// As of a domain.
        budget: u32 = RTDS_BUDGET,
        /// As of a domain.
        flags: Option<u32> = RTDS_FLAGS,
    }
}

record! {
    /// The same under credit.
    VcpuCredit of schedule_vcpu {
        /// Which vcpu.
        vcpu: u32 = VCPUID,
        /// As of a domain.
        weight: u16 = CREDIT_WEIGHT,
        /// As of a domain.
        cap: u16 = CREDIT_CAP,
    }
}

record! {
    /// The same under credit2.
    VcpuCredit2 of schedule_vcpu {
        /// Which vcpu.
        vcpu: u32 = VCPUID,
        /// As of a domain.
        weight: u16 = CREDIT2_WEIGHT,
        /// As of a domain.
        cap: Option<u16> = CREDIT2_CAP,
    }
}

/// A scheduler_op on a domain (domctl 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulerOp {
    /// The scheduler that it is meant for: Xen refuses another one's.
    pub sched_id: u32,
    /// What to do.
    pub ask: SchedulerAsk,
}

/// What a [`SchedulerOp`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulerAsk {
    /// Sets the domain's share.
    Put(SchedulerParams),
    /// Asks for it.
    Get,
    /// Sets vcpus' shares (4.7 and later).
    PutVcpus(VcpuList),
    /// Asks for them (4.7 and later).
    GetVcpus(VcpuList),
}

impl SchedulerOp {
    /// Into the payload of a request. None where this generation has no such thing.
    pub fn encode(&self, dialect: Dialect, payload: &mut [u8]) -> Option<()> {
        let layout = dialect.layout(Head::TABLE)?;
        let cmd = match self.ask {
            SchedulerAsk::Put(params) => {
                // Read back: a place that this generation lacks is nowhere to put it.
                params.encode(layout, payload)?;
                SchedulerParams::decode(layout, self.sched_id, payload)?;
                0
            }
            SchedulerAsk::Get => 1,
            SchedulerAsk::PutVcpus(list) => list_into(list, layout, payload).map(|()| 2)?,
            SchedulerAsk::GetVcpus(list) => list_into(list, layout, payload).map(|()| 3)?,
        };
        Head { sched_id: self.sched_id, cmd }.encode(layout, payload)
    }

    /// From the payload of a request. None where it makes no sense in this generation.
    pub fn decode(dialect: Dialect, payload: &[u8]) -> Option<Self> {
        let layout = dialect.layout(Head::TABLE)?;
        let Head { sched_id, cmd } = Head::decode(layout, payload)?;
        let ask = match cmd {
            0 => SchedulerAsk::Put(SchedulerParams::decode(layout, sched_id, payload)?),
            1 => SchedulerAsk::Get,
            2 => SchedulerAsk::PutVcpus(VcpuList::decode(layout, payload)?),
            3 => SchedulerAsk::GetVcpus(VcpuList::decode(layout, payload)?),
            _ => return None,
        };
        Some(SchedulerOp { sched_id, ask })
    }
}

fn list_into(list: VcpuList, layout: Layout, payload: &mut [u8]) -> Option<()> {
    list.encode(layout, payload)?;
    VcpuList::decode(layout, payload).map(|_| ())
}

record! {
    /// A cpupool's credit scheduler (4.2 and later).
    HostCredit of sysctl_scheduler_op {
        /// How long a vcpu runs at most, ms.
        tslice_ms: u32 = CREDIT_TSLICE_MS,
        /// How long it runs at least, us.
        ratelimit_us: u32 = CREDIT_RATELIMIT_US,
        /// How long its cache counts as warm, us (4.11 and later).
        vcpu_migr_delay_us: Option<u32> = CREDIT_VCPU_MIGR_DELAY_US,
    }
}

record! {
    /// A cpupool's credit2 scheduler (4.8 and later).
    HostCredit2 of sysctl_scheduler_op {
        /// How long a vcpu runs at least, us.
        ratelimit_us: u32 = CREDIT2_RATELIMIT_US,
    }
}

record! {
    /// A cpupool's ARINC 653 schedule.
    HostArinc653 of sysctl_scheduler_op {
        /// The address of the schedule.
        schedule: u64 = ARINC653_SCHEDULE,
    }
}

/// A cpupool's scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostSchedulerParams {
    /// Of [`id::CREDIT`].
    Credit(HostCredit),
    /// Of [`id::CREDIT2`].
    Credit2(HostCredit2),
    /// Of [`id::ARINC653`].
    Arinc653(HostArinc653),
}

impl HostSchedulerParams {
    /// Reads what scheduler `sched_id` says; None for one that has nothing to say, or not in this layout.
    pub fn decode(layout: Layout, sched_id: u32, payload: &[u8]) -> Option<Self> {
        match sched_id {
            id::CREDIT => HostCredit::decode(layout, payload).map(HostSchedulerParams::Credit),
            id::CREDIT2 => HostCredit2::decode(layout, payload).map(HostSchedulerParams::Credit2),
            id::ARINC653 => HostArinc653::decode(layout, payload).map(HostSchedulerParams::Arinc653),
            _ => None,
        }
    }

    /// Writes them. None when `payload` is too short.
    pub fn encode(&self, layout: Layout, payload: &mut [u8]) -> Option<()> {
        match self {
            HostSchedulerParams::Credit(params) => params.encode(layout, payload),
            HostSchedulerParams::Credit2(params) => params.encode(layout, payload),
            HostSchedulerParams::Arinc653(params) => params.encode(layout, payload),
        }
    }
}

record! {
    /// What every scheduler_op on a cpupool begins with.
    HostHead of sysctl_scheduler_op {
        /// The cpupool.
        cpupool_id: u32 = CPUPOOL_ID,
        /// [`id`].
        sched_id: u32 = SCHED_ID,
        /// 0 sets, 1 asks.
        cmd: u32 = CMD,
    }
}

/// A scheduler_op on a cpupool (sysctl 19; 4.1 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSchedulerOp {
    /// The cpupool.
    pub cpupool_id: u32,
    /// The scheduler that it is meant for.
    pub sched_id: u32,
    /// Whether it sets.
    pub put: bool,
    /// What it sets; a question about ARINC 653 needs the address for its answer here.
    pub params: Option<HostSchedulerParams>,
}

impl HostSchedulerOp {
    /// Into the payload of a request. None where this generation has no such thing.
    pub fn encode(&self, dialect: Dialect, payload: &mut [u8]) -> Option<()> {
        let layout = dialect.layout(HostHead::TABLE)?;
        if let Some(params) = self.params {
            params.encode(layout, payload)?;
            HostSchedulerParams::decode(layout, self.sched_id, payload)?;
        }
        HostHead { cpupool_id: self.cpupool_id, sched_id: self.sched_id, cmd: u32::from(!self.put) }
            .encode(layout, payload)
    }

    /// From the payload of a request. None where it makes no sense in this generation.
    pub fn decode(dialect: Dialect, payload: &[u8]) -> Option<Self> {
        let layout = dialect.layout(HostHead::TABLE)?;
        let HostHead { cpupool_id, sched_id, cmd } = HostHead::decode(layout, payload)?;
        let params = HostSchedulerParams::decode(layout, sched_id, payload);
        let (put, params) = match (cmd, sched_id) {
            (0, _) => (true, Some(params?)),
            (1, id::ARINC653) => (false, params),
            (1, _) => (false, None),
            _ => return None,
        };
        Some(HostSchedulerOp { cpupool_id, sched_id, put, params })
    }
}
