//! What changes how much a domain may have: memory, vcpus, processor time. xend's words for what it refuses, by age.

use super::checks::{INVALID_MEMORY, check_memory, python_int};
use super::config::{Config, Refusal, mask};
use super::habits::{Credit, MemoryRules, Pinning, VcpuRules};
use super::ops::{Done, NO_DOMID, not_simulated, required};
use super::{Found, Parts, Xend, life};
use crate::model::{DomId, Uuid};
use crate::sim::machine::{Machine, PAGE_SIZE, Share};
use crate::wire::sexpr::Sexpr;
use crate::wire::xend_http::Received;

impl Xend {
    pub(super) fn set_maxmem(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<Done, Refusal> {
        let mib = python_int(required(request, "memory")?)?;
        let Found::Guest(uuid) = whom else { return Err(not_simulated("maxmem_set of Domain-0")) };
        match self.habits.memory {
            MemoryRules::Anything => {}
            MemoryRules::Positive | MemoryRules::PositiveThenBounded if mib <= 0 => {
                return Err(INVALID_MEMORY.into());
            }
            MemoryRules::Positive => {}
            MemoryRules::PositiveThenBounded | MemoryRules::Bounded => {
                self.check(uuid, |config| check_memory(config.memory as i64, mib))?;
            }
        }
        // The oldest tell the hypervisor alone.
        if self.habits.manages {
            self.change(uuid, |config| config.maxmem = mib.unsigned_abs())?;
        }
        let Some(domid) = self.domid(whom) else { return Ok(Done::Nothing) };
        // Less than nothing is a very large number there.
        let pages = u64::try_from(mib).map_or(u64::MAX >> 13, |mib| (mib << 20) / PAGE_SIZE);
        parts.machine.set_max_mem(domid, pages).map_err(life::errno_tuple)?;
        Ok(Done::Value(Sexpr::atom("0")))
    }

    pub(super) fn set_target(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let mib = python_int(required(request, "target")?)?;
        let Found::Guest(uuid) = whom else { return Err(not_simulated("mem_target_set of Domain-0")) };
        match self.habits.memory {
            MemoryRules::Anything => {}
            MemoryRules::Positive if mib <= 0 => return Err(INVALID_MEMORY.into()),
            MemoryRules::Positive => {}
            MemoryRules::PositiveThenBounded | MemoryRules::Bounded => {
                self.check(uuid, |config| check_memory(mib, config.maxmem as i64))?;
            }
        }
        let mib = u64::try_from(mib).unwrap_or(0);
        let grows = !self.habits.manages;
        self.change(uuid, |config| {
            config.memory = mib;
            if grows {
                config.maxmem = config.maxmem.max(mib);
            }
        })?;
        if let Some((domid, config)) = self.life_of(uuid) {
            life::write_target(domid, config, parts);
        }
        Ok(())
    }

    pub(super) fn set_vcpus(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let rules = self.habits.vcpus;
        let vcpus = python_int(required(request, "vcpus")?)?;
        let Found::Guest(uuid) = whom else { return Err(not_simulated("set_vcpus of Domain-0")) };
        let lives = self.domid(whom).is_some();
        let vcpus = match (rules, u32::try_from(vcpus).ok().filter(|vcpus| *vcpus <= 128)) {
            (VcpuRules::PositiveMask | VcpuRules::Positive, None | Some(0)) => {
                return Err("Invalid VCPUs".into());
            }
            (VcpuRules::Bounded, None | Some(0)) => return Err("Zero or less VCPUs is invalid".into()),
            (_, None) => return Err("negative shift count".into()),
            (_, Some(vcpus)) => vcpus,
        };
        self.check(uuid, |config| {
            if rules == VcpuRules::Bounded && lives && vcpus > config.vcpus {
                return Err("Cannot set vcpus greater than max vcpus on running domain".into());
            }
            Ok(())
        })?;
        let counts = match rules {
            VcpuRules::Mask | VcpuRules::PositiveMask => false,
            VcpuRules::Count => true,
            VcpuRules::Positive | VcpuRules::Bounded => !lives,
        };
        self.change(uuid, |config| {
            config.vcpu_avail = mask(vcpus);
            if counts {
                config.vcpus = vcpus;
                config.cpus.resize(vcpus as usize, Vec::new());
            }
        })?;
        if let Some((domid, config)) = self.life_of(uuid) {
            life::write_vcpus(domid, config, parts);
        }
        Ok(())
    }

    /// op=pincpu.
    pub(super) fn pin(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<Done, Refusal> {
        let pinning = self.habits.pinning;
        let (vcpu, list) = (required(request, "vcpu"), required(request, "cpumap"));
        // The first two take the fields one after the other, each read as what it shall be.
        let vcpu = vcpu?;
        if pinning == Pinning::NeverOneByOne {
            python_int(vcpu)?;
        }
        let list = list?;
        let lives = self.domid(whom).is_some();
        if !lives && !matches!(pinning, Pinning::NeverLive | Pinning::Numbers) {
            return Err(NO_DOMID.into());
        }
        let count = match whom {
            Found::Domain0 => parts.machine.get(0).map_or(1, |dom0| dom0.max_vcpus),
            Found::Guest(uuid) => {
                self.domains.get(&uuid).and_then(|known| known.config()).map_or(1, |config| config.vcpus)
            }
        };
        let vcpus = match vcpu.eq_ignore_ascii_case("all") {
            true => (0..i64::from(count)).collect(),
            false => vec![python_int(vcpu)?],
        };
        let first = vcpus.first().copied().unwrap_or_default();
        let in_words =
            |list: &str| format!("Cannot pin vcpu: {first} to cpu: {list} - (22, 'Invalid argument')");
        let numbers = match pinning {
            Pinning::NeverOneByOne | Pinning::Never => return Err("(22, 'Invalid argument')".into()),
            Pinning::NeverInWords => return Err(in_words(list)),
            Pinning::NeverLive if lives => return Err(in_words(list)),
            Pinning::NeverLive => return self.pin_to_text(whom, &vcpus, count, list),
            Pinning::Numbers => list.split(',').map(python_int).collect::<Result<Vec<i64>, _>>()?,
        };
        let physical = i64::from(parts.machine.physinfo().cpus);
        let is_there = |cpu: &i64| (0..physical).contains(cpu) || !lives;
        // The hypervisor ignores processors that are not there, unless there is no other.
        if !vcpus.iter().all(|vcpu| (0..i64::from(count)).contains(vcpu)) || !numbers.iter().any(is_there) {
            return Err(in_words(&format!(
                "[{}]",
                numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        let cpus: Vec<u32> = numbers.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect();
        if let Found::Guest(uuid) = whom {
            self.change(uuid, |config| {
                for vcpu in &vcpus {
                    if let Some(own) = usize::try_from(*vcpu).ok().and_then(|vcpu| config.cpus.get_mut(vcpu))
                    {
                        own.clone_from(&cpus);
                    }
                }
            })?;
            if let Some((domid, config)) = self.life_of(uuid) {
                life::place(domid, config, self.habits, parts.machine);
            }
        }
        Ok(Done::Value(Sexpr::atom("0")))
    }

    /// Xen 3.3 keeps the text for a domain that does not run, and fails when it starts it.
    fn pin_to_text(&mut self, whom: Found, vcpus: &[i64], count: u32, list: &str) -> Result<Done, Refusal> {
        if let Some(vcpu) = vcpus.iter().find(|vcpu| !(0..i64::from(count)).contains(*vcpu)) {
            return Err(format!(
                "Cannot pin vcpu: {vcpu} to cpu: {list} - list assignment index out of range"
            ));
        }
        if let Found::Guest(uuid) = whom {
            self.change(uuid, |config| config.cpus_are_text = true)?;
        }
        Ok(Done::Value(Sexpr::atom("0")))
    }

    /// op=domain_sched_credit_get: a Python dictionary, as text.
    pub(super) fn credit(&self, whom: Found, machine: &Machine) -> Result<Sexpr, Refusal> {
        let (weight, cap) = match (self.domid(whom).and_then(|domid| machine.get(domid)), whom) {
            (Some(domain), _) => (domain.share.weight, domain.share.cap),
            _ if self.habits.credit < Credit::Kept => return Err(NO_DOMID.into()),
            (None, Found::Domain0) => (256, 0),
            (None, Found::Guest(uuid)) => {
                let config = self.domains.get(&uuid).and_then(|known| known.config());
                let number = |key: &str, default| {
                    config.and_then(|config| config.kept(key).parse().ok()).unwrap_or(default)
                };
                (number("cpu_weight", 256), number("cpu_cap", 0))
            }
        };
        Ok(Sexpr::atom(format!("{{'cap': {cap}, 'weight': {weight}}}")))
    }

    /// op=domain_sched_credit_set.
    pub(super) fn set_credit(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<Sexpr, Refusal> {
        let kind = self.habits.credit;
        let weight = python_int(required(request, "weight")?)?;
        let cap = match kind {
            Credit::None | Credit::Weight => None,
            _ => Some(python_int(required(request, "cap")?)?),
        };
        let Found::Guest(uuid) = whom else {
            return Err(not_simulated("domain_sched_credit_set of Domain-0"));
        };
        let new = kind == Credit::KeptInOtherWords;
        self.check(uuid, |config| {
            if !(1..=65535).contains(&weight) {
                let words = "Cpu weight out of range, valid values are within range from 1 to 65535";
                return Err(if new { words } else { "weight is out of range" }.into());
            }
            let most = i64::from(config.vcpus) * 100;
            if !cap.is_none_or(|cap| (0..=most).contains(&cap)) {
                let words = format!(
                    "Cpu cap out of range, valid range is from 0 to {most} for specified number of vcpus"
                );
                return Err(if new { words } else { "cap is out of range".into() });
            }
            Ok(())
        })?;
        match self.domid(whom) {
            Some(domid) => {
                let domain = parts.machine.get_mut(domid).map_err(life::errno_tuple)?;
                let cap = cap.and_then(|cap| u16::try_from(cap).ok()).unwrap_or(domain.share.cap);
                domain.share = Share { weight: u16::try_from(weight).unwrap_or(u16::MAX), cap };
            }
            None if kind < Credit::Kept => return Err(NO_DOMID.into()),
            None => {}
        }
        if kind >= Credit::Kept {
            self.change(uuid, |config| {
                config.keep("cpu_weight", &weight.to_string());
                if let Some(cap) = cap {
                    config.keep("cpu_cap", &cap.to_string());
                }
            })?;
        }
        Ok(Sexpr::atom("0"))
    }

    pub(super) fn life_of(&self, uuid: Uuid) -> Option<(DomId, &Config)> {
        let live = self.domains.get(&uuid)?.live.as_ref()?;
        Some((live.domid, &live.config))
    }

    pub(super) fn check(
        &self,
        uuid: Uuid,
        rule: impl Fn(&Config) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.domains.get(&uuid).and_then(|known| known.config()).map_or(Ok(()), rule)
    }

    /// Changes a domain's configuration, that of its life and that it starts with next.
    pub(super) fn change(&mut self, uuid: Uuid, change: impl Fn(&mut Config)) -> Result<(), Refusal> {
        let Some(known) = self.domains.get_mut(&uuid) else { return Ok(()) };
        if let Some(managed) = &known.managed {
            let mut config = managed.clone();
            change(&mut config);
            self.store
                .save(&config, self.habits)
                .map_err(|error| format!("Failed to save configuration: {error}"))?;
            known.managed = Some(config);
        }
        if let Some(live) = &mut known.live {
            change(&mut live.config);
        }
        Ok(())
    }
}
