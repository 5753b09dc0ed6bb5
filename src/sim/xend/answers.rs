//! What xend answers to questions: the host, the lists, a domain.

use super::config::{Config, Refusal};
use super::looks::{Life, Past, Shown};
use super::{Found, Known, Xend, life, seconds_since_1970};
use crate::model::{DomId, Uuid};
use crate::sim::machine::{Machine, PAGE_KIB, reason};
use crate::wire::hypercall::CpuidWords;
use crate::wire::sexpr::Sexpr;
use crate::wire::xend_http::{Received, Reply};

impl Xend {
    /// `(node ...)`.
    pub(super) fn node(&self, machine: &Machine) -> Sexpr {
        let info = machine.physinfo();
        let since = |major, minor| self.habits.at_least(major, minor);
        let mib = |pages: u64| pages * PAGE_KIB / 1024;
        let cpus: Vec<String> = (0..info.cpus).map(|cpu| cpu.to_string()).collect();
        let range = if info.cpus > 1 { format!("0-{}", info.cpus - 1) } else { "0".into() };
        let rows = cpus.iter().map(|cpu| format!("\n{cpu:>3}:{cpu:>8}{:>9}{:>9}", 0, 0));
        let topology = format!("\ncpu:    core    socket     node{}", rows.collect::<String>());
        let caps = "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
        // Each key, its value, and whether a xend of that age says it.
        let all: Vec<(&str, String, bool)> = vec![
            ("system", "Linux".into(), true),
            ("host", self.host_name.clone(), true),
            ("release", "2.6.32-simulated".into(), true),
            ("version", "embedded Xen host, simulated by xenith".into(), true),
            ("machine", "x86_64".into(), true),
            ("nr_cpus", info.cpus.to_string(), true),
            ("nr_nodes", info.nodes.to_string(), true),
            ("sockets_per_node", info.sockets_per_node.to_string(), !since(3, 2)),
            ("cores_per_socket", info.cores_per_socket.to_string(), true),
            ("threads_per_core", info.threads_per_core.to_string(), true),
            ("cpu_mhz", (info.cpu_khz / 1000).to_string(), true),
            ("hw_caps", hw_caps(info.cpuid), true),
            ("virt_caps", "hvm".into(), since(3, 3)),
            ("total_memory", mib(info.total_pages).to_string(), true),
            ("free_memory", mib(info.free_pages).to_string(), true),
            ("free_cpus", "0".into(), since(4, 1)),
            ("max_node_id", info.nodes.saturating_sub(1).to_string(), since(4, 0) && !since(4, 1)),
            ("cpu_topology", topology, since(4, 1)),
            ("numa_info", "none".into(), since(4, 1)),
            ("node_to_cpu", format!("node0:{range}"), since(3, 2) && !since(4, 1)),
            ("node_to_memory", format!("node0:{}", mib(info.free_pages)), since(3, 3) && !since(4, 1)),
            ("node_to_dma32_mem", "node0:0".into(), since(4, 0) && !since(4, 1)),
            ("xen_major", self.release.major.to_string(), true),
            ("xen_minor", self.release.minor.to_string(), true),
            ("xen_extra", self.release.extra.to_owned(), true),
            ("xen_caps", caps.into(), true),
            ("xen_scheduler", "credit".into(), since(3, 1)),
            ("xen_pagesize", "4096".into(), self.habits.format >= 2),
            ("platform_params", "virt_start=0xffff800000000000".into(), true),
            ("xen_changeset", "unavailable".into(), true),
            ("xen_commandline", "simulated".into(), since(4, 0)),
            ("cc_compiler", "xenith simulation".into(), true),
            ("cc_compile_by", String::new(), true),
            ("cc_compile_domain", String::new(), true),
            ("cc_compile_date", String::new(), true),
            ("xend_config_format", self.habits.format.to_string(), self.habits.format >= 2),
        ];
        let said = all.into_iter().filter(|(.., is_said)| *is_said);
        Sexpr::node("node", said.map(|(key, value, _)| Sexpr::pair(key, value)))
    }

    /// GET of the list: the names of the domains in a state, or with detail=1 the domains themselves. Paused ones are not
    /// running ones, also with detail=1 (recorded; only xends before 3.0.4 list them all).
    pub(super) fn list(&self, request: &Received, machine: &Machine) -> Reply {
        let whom = self.in_state(request.field("state").next().unwrap_or("running"), machine);
        if request.field("detail").next() == Some("1") {
            return self.value(&self.describe_all(&whom, machine));
        }
        self.value(&Sexpr::List(whom.into_iter().map(|(name, _)| Sexpr::atom(name)).collect()))
    }

    /// By name.
    pub(super) fn in_state(&self, state: &str, machine: &Machine) -> Vec<(&str, Found)> {
        let wanted: &[u32] = match state {
            "running" => &[status::RUNNING],
            "paused" => &[status::PAUSED],
            "halted" => &[status::HALTED],
            "suspended" => &[status::SUSPENDED],
            "all" => &[status::HALTED, status::PAUSED, status::RUNNING, status::SUSPENDED, status::CRASHED],
            _ => &[],
        };
        // The oldest know no states: to them, everything is there.
        let knows = self.habits.manages;
        let is_wanted = |known: &Known| !knows || wanted.contains(&known.status(machine));
        let guests = self.domains.iter().filter(|(_, known)| is_wanted(known));
        let mut found: Vec<(&str, Found)> = guests
            .filter_map(|(uuid, known)| Some((known.config()?.name.as_str(), Found::Guest(*uuid))))
            .collect();
        if !knows || wanted.contains(&status::RUNNING) {
            found.push((&self.dom0_name, Found::Domain0));
        }
        found.sort_unstable_by_key(|(name, _)| *name);
        found
    }

    pub(super) fn describe_all(&self, whom: &[(&str, Found)], machine: &Machine) -> Sexpr {
        Sexpr::List(whom.iter().map(|(_, whom)| self.describe(*whom, true, machine)).collect())
    }

    /// `(domain ...)`. Without `figures` as in the answer to create, which from 3.0.4 on knows less.
    pub(super) fn describe(&self, whom: Found, figures: bool, machine: &Machine) -> Sexpr {
        let figures = figures || !self.habits.manages;
        let (config, known) = match whom {
            Found::Domain0 => (Some(self.domain_0(machine)), None),
            Found::Guest(uuid) => {
                let known = self.domains.get(&uuid);
                (known.and_then(|known| known.config().cloned()), known)
            }
        };
        let Some(config) = config else { return Sexpr::node("domain", []) };
        let live = known.and_then(|known| known.live.as_ref());
        let domid = match (whom, live) {
            (Found::Domain0, _) => 0,
            (_, Some(live)) => live.domid,
            (_, None) => {
                let past = known.and_then(|known| known.past.as_ref());
                return config.to_sexpr(self.habits, &Shown::Inactive(past));
            }
        };
        let (state, status) = state_of(domid, machine);
        let domain = machine.get(domid);
        let seconds = domain.map_or(0, |domain| machine.cpu_time_ns(domain)) as f64 / 1e9;
        let online = domain.map_or(0, |domain| domain.online_vcpus);
        let start_time = live.map_or(0.0, |live| live.start_time);
        let life = Life {
            domid,
            start_time,
            up_time: (seconds_since_1970() - start_time).max(0.0),
            figures: figures.then_some((seconds, online)),
            memory: domain.map_or(config.memory, |domain| domain.tot_pages * PAGE_KIB / 1024),
            status,
            state: if figures { &state } else { "------" },
            shutdown_reason: match domain.map(|domain| machine.bits(domain)) {
                Some(bits) if bits.shutdown => reason_word(bits.shutdown_reason),
                _ => "?",
            },
            store_mfn: life::store_mfn(domid),
            console_mfn: life::console_mfn(domid),
            console_uuid: live.map_or(Uuid::nil(), |live| live.console_uuid),
            migrated: live.is_some_and(|live| live.migrated),
        };
        config.to_sexpr(self.habits, &Shown::Live(life))
    }

    /// What a life that ends now leaves, where it is remembered.
    pub(super) fn past_of(&self, domid: DomId, machine: &Machine) -> Option<Past> {
        let known = self.domains.get(self.live.get(&domid)?)?;
        known.managed.as_ref()?;
        let live = known.live.as_ref()?;
        let domain = machine.get(domid);
        Some(Past {
            start_time: live.start_time,
            cpu_time: domain.map_or(0, |domain| machine.cpu_time_ns(domain)) as f64 / 1e9,
            online: domain.map_or(0, |domain| domain.online_vcpus),
            store_mfn: life::store_mfn(domid),
            console_mfn: life::console_mfn(domid),
            console_uuid: live.console_uuid,
        })
    }

    /// What `op=vcpuinfo` answers.
    pub(super) fn vcpu_info(&self, whom: Found, machine: &Machine) -> Result<Sexpr, Refusal> {
        let domid = self.domid(whom);
        // From 3.2 on, a domain that does not run has vcpus as well.
        if domid.is_none() && !self.habits.at_least(3, 2) {
            return Err("an integer is required".into());
        }
        let domain = domid.and_then(|domid| machine.get(domid));
        let config = match whom {
            Found::Domain0 => Some(self.domain_0(machine)),
            Found::Guest(uuid) => self.domains.get(&uuid).and_then(Known::config).cloned(),
        };
        let Some(config) = config else { return Ok(Sexpr::node("domain", [])) };
        let bits = domain.map(|domain| machine.bits(domain)).unwrap_or_default();
        let online = domain.map_or(0, |domain| domain.online_vcpus);
        let seconds = domain.map_or(0, |domain| machine.cpu_time_ns(domain)) as f64 / 1e9;
        let physical = if domain.is_some() { machine.physinfo().cpus } else { 64 };
        let mut out = vec![
            Sexpr::pair("domid", domid.map_or("None".to_owned(), |domid| domid.to_string())),
            Sexpr::pair("name", &config.name),
            Sexpr::pair("vcpu_count", config.vcpus),
        ];
        for vcpu in 0..config.vcpus {
            let is_on = vcpu < online;
            let flag = |set: bool| u32::from(set && is_on);
            // The domain's time, shared out evenly.
            let time = if is_on { seconds / f64::from(online.max(1)) } else { 0.0 };
            let own = config.cpus.get(vcpu as usize).filter(|cpus| !cpus.is_empty()).cloned();
            let map = own.unwrap_or_else(|| (0..physical).collect());
            out.push(Sexpr::node(
                "vcpu",
                [
                    Sexpr::pair("number", vcpu),
                    Sexpr::pair("online", flag(true)),
                    Sexpr::pair("blocked", flag(bits.blocked)),
                    Sexpr::pair("running", flag(bits.running)),
                    Sexpr::pair("cpu_time", format_args!("{time:?}")),
                    Sexpr::pair("cpu", if is_on { i64::from(vcpu % physical.max(1)) } else { -1 }),
                    Sexpr::node(
                        "cpumap",
                        [Sexpr::List(map.iter().map(|cpu| Sexpr::atom(cpu.to_string())).collect())],
                    ),
                ],
            ));
        }
        Ok(Sexpr::node("domain", out))
    }
}

impl Known {
    /// What describes it now: that of its life, if it has one.
    pub(super) fn config(&self) -> Option<&Config> {
        self.live.as_ref().map(|live| &live.config).or(self.managed.as_ref())
    }

    pub(super) fn status(&self, machine: &Machine) -> u32 {
        self.live.as_ref().map_or(status::HALTED, |live| state_of(live.domid, machine).1)
    }
}

/// The words of CPUID in the order that every hypervisor with a xend had them.
fn hw_caps(cpuid: CpuidWords) -> String {
    cpuid.arrange((4, 4, 0)).map(|word| format!("{word:08x}")).join(":")
}

/// xend's words for a domain's state, as numbers.
mod status {
    pub(super) const HALTED: u32 = 0;
    pub(super) const PAUSED: u32 = 1;
    pub(super) const RUNNING: u32 = 2;
    pub(super) const SUSPENDED: u32 = 3;
    pub(super) const CRASHED: u32 = 5;
}

/// xend's word for why a domain is down.
fn reason_word(code: u8) -> &'static str {
    match code {
        reason::POWEROFF => "poweroff",
        reason::REBOOT => "reboot",
        reason::SUSPEND => "suspend",
        reason::CRASH => "crash",
        _ => "?",
    }
}

/// The six letters, and the status.
fn state_of(domid: DomId, machine: &Machine) -> (String, u32) {
    let bits = machine.get(domid).map(|domain| machine.bits(domain)).unwrap_or_default();
    let crashed = bits.shutdown && bits.shutdown_reason == reason::CRASH;
    let flags = [
        ('r', bits.running),
        ('b', bits.blocked),
        ('p', bits.paused),
        ('s', bits.shutdown),
        ('c', crashed),
        ('d', bits.dying),
    ];
    let letters = flags.map(|(letter, set)| if set { letter } else { '-' }).iter().collect();
    let status = match bits {
        _ if crashed => status::CRASHED,
        bits if bits.shutdown && bits.shutdown_reason == reason::SUSPEND => status::SUSPENDED,
        bits if bits.shutdown => status::HALTED,
        bits if bits.paused => status::PAUSED,
        _ => status::RUNNING,
    };
    (letters, status)
}
