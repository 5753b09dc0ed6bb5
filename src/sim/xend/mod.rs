//! The embedded xend: bytes in, bytes out, acting on the embedded machine and xenstored. It does no I/O on the road; whoever
//! serves it moves the bytes. On disk it keeps its managed domains, as a real one does.
//!
//! It behaves as the xends of Xen 3.4, 4.1 and 4.4 were recorded: HTTP, S-expressions, the checks and their words, which keys an
//! answer has. Where it knowingly differs:
//! - kernels, disks, device models and scripts are not looked for: an embedded host has no such files;
//! - there is no HTML, and xend's log is empty;
//! - a saved domain's file has no memory, and a guest that is restored boots;
//! - dump, migrate, pinning, and adding and removing devices fail as an operation of a xend fails, and say that the
//!   embedded one cannot do them;
//! - a domain that reboots is always restarted; a real xend destroys one that lived less than 60 seconds, which every
//!   guest in here does;
//! - Domain-0 gives no memory away for a new domain.

mod config;
mod life;
mod ops;
mod save;
mod store;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use self::config::{Config, Life};
pub(in crate::sim) use self::life::disk_number;
pub use self::store::StateDir;
use crate::model::{DomId, Uuid};
use crate::sim::machine::{Event, Happened, Machine, PAGE_KIB, reason};
use crate::sim::release::Release;
use crate::sim::xenstored::Xenstored;
use crate::wire::hypercall::CpuidWords;
use crate::wire::sexpr::{Sexpr, python_repr, text_of};
use crate::wire::xend_http::{Received, Reply, RequestReader, SXP};

/// What xend acts on.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The hypervisor.
    pub machine: &'a mut Machine,
    /// xenstored.
    pub store: &'a mut Xenstored,
    /// Gets the paths of nodes that xend wrote and guests watch: the caller lets the guests look at them.
    pub told: &'a mut Vec<String>,
}

/// One client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct XendConn(u64);

/// See the module's description.
#[derive(Debug)]
pub struct Xend {
    release: Release,
    host_name: String,
    store: store::Folder,
    domains: BTreeMap<Uuid, Known>,
    /// Which uuid each live domain has.
    live: BTreeMap<DomId, Uuid>,
    conns: HashMap<u64, Conn>,
    next_conn: u64,
    /// Saves whose guests have not suspended yet.
    saves: Vec<save::Saving>,
}

/// A domain that xend knows: managed, live, or both.
#[derive(Debug, Default)]
struct Known {
    /// What it starts with next; None for one that is gone when its life ends.
    managed: Option<Config>,
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    domid: DomId,
    config: Config,
    start_time: f64,
    console_uuid: Uuid,
}

impl Live {
    fn new(domid: DomId, config: Config) -> Self {
        let start_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Live { domid, config, start_time, console_uuid: Uuid::new_v4() }
    }
}

#[derive(Debug, Default)]
struct Conn {
    reader: RequestReader,
    out: Vec<u8>,
    /// Answers nothing any more: the one request of a connection is served.
    deaf: bool,
    close: bool,
    /// Its request is not done yet.
    waits: bool,
}

impl Conn {
    fn answer(&mut self, reply: &Reply, request: &Received, lingers: bool) {
        self.out.extend(reply.to_bytes(request.keep_alive, request.method == "HEAD"));
        self.deaf = !request.keep_alive;
        // After these, real xends leave the connection open although they serve it no more.
        self.close = self.deaf && !lingers;
    }
}

impl Xend {
    /// A xend that has just started on a host of that release: it finds the managed domains that are in `state`. Nothing
    /// is made there before a domain is defined. A domain there that cannot be read is left where it is and not listed.
    pub fn new(release: Release, host_name: &str, state: StateDir, parts: &mut Parts<'_>) -> Self {
        let mut xend = Xend {
            release,
            host_name: host_name.to_owned(),
            store: store::Folder::new(state),
            domains: BTreeMap::new(),
            live: BTreeMap::new(),
            conns: HashMap::new(),
            next_conn: 0,
            saves: Vec::new(),
        };
        for config in xend.store.load(release) {
            let uuid = config.uuid;
            xend.domains.entry(uuid).or_default().managed = Some(config);
        }
        xend.adopt(parts);
        xend
    }

    /// Takes over the guests that are there already, with what the machine and xenstore know of them.
    fn adopt(&mut self, parts: &mut Parts<'_>) {
        for domain in parts.machine.domains_from(1) {
            let name =
                parts.store.read(0, &format!("/local/domain/{}/name", domain.domid)).unwrap_or_default();
            let vm = Sexpr::node(
                "vm",
                [
                    Sexpr::pair("name", text_of(name)),
                    Sexpr::pair("uuid", domain.handle),
                    Sexpr::pair("memory", domain.tot_pages * PAGE_KIB / 1024),
                    Sexpr::pair("maxmem", domain.max_pages * PAGE_KIB / 1024),
                    Sexpr::pair("vcpus", domain.max_vcpus),
                ],
            );
            // A domain without a proper name, or of another toolstack's making, is not xend's to list.
            let Ok(config) = Config::from_sexpr(&vm, self.release) else { continue };
            self.live.insert(domain.domid, config.uuid);
            let known = self.domains.entry(config.uuid).or_default();
            known.live = Some(Live::new(domain.domid, config));
        }
    }

    /// A new connection.
    pub fn connect(&mut self) -> XendConn {
        self.next_conn += 1;
        self.conns.insert(self.next_conn, Conn::default());
        XendConn(self.next_conn)
    }

    /// Takes what a client sent and answers what is whole.
    pub fn feed(&mut self, XendConn(id): XendConn, bytes: &[u8], parts: &mut Parts<'_>) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        let mut bytes = bytes;
        while !conn.deaf && !conn.waits {
            match conn.reader.feed(bytes) {
                Ok(None) => break,
                Ok(Some(request)) => {
                    let begun = self.is_save(&request).map(|whom| {
                        let begun = self.begin_save(whom, &request, id, parts);
                        (self.name(whom), begun)
                    });
                    let (reply, lingers) = match begun {
                        None => self.answer(&request, parts),
                        Some((name, save::Begun::Refused(words))) => {
                            self.reply("save", Some(&name), Err(words), &request, parts)
                        }
                        Some((_, save::Begun::Waits(saving))) => {
                            self.saves.push(saving);
                            conn.waits = true;
                            break;
                        }
                        Some((_, save::Begun::Silence)) => {
                            conn.deaf = true;
                            break;
                        }
                    };
                    conn.answer(&reply, &request, lingers);
                }
                Err(refusal) => {
                    conn.out.extend(refusal.reply().to_bytes(false, false));
                    (conn.deaf, conn.close) = (true, true);
                }
            }
            bytes = &[];
        }
        self.conns.insert(id, conn);
    }

    /// Moves what a client is to be sent into `out`.
    pub fn take_output(&mut self, XendConn(id): XendConn, out: &mut Vec<u8>) {
        if let Some(conn) = self.conns.get_mut(&id) {
            out.append(&mut conn.out);
        }
    }

    /// Whether the connection is to be closed once its output is written.
    pub fn wants_close(&self, XendConn(id): XendConn) -> bool {
        self.conns.get(&id).is_none_or(|conn| conn.close)
    }

    /// The client is gone.
    pub fn disconnect(&mut self, XendConn(id): XendConn) {
        self.conns.remove(&id);
    }

    /// Something happened to a domain: one that shut down is treated as its configuration says, and one that is gone is forgotten.
    pub fn happened(&mut self, event: Event, parts: &mut Parts<'_>) {
        match event.what {
            Happened::Shutdown(reason) => {
                self.go_on_saving(event.domid, Some(reason), parts);
                self.shut_down(event.domid, reason, parts);
            }
            // By a hypercall, behind xend's back.
            Happened::Destroyed => {
                self.go_on_saving(event.domid, None, parts);
                self.ended(event.domid, parts);
            }
            Happened::Created | Happened::Runs | Happened::Paused | Happened::PowerButton => {}
        }
    }

    /// Begins a life of a known or new domain, paused.
    fn begin(&mut self, config: Config, parts: &mut Parts<'_>) -> Result<DomId, String> {
        let domid = life::build(&config, parts)?;
        self.live.insert(domid, config.uuid);
        let known = self.domains.entry(config.uuid).or_default();
        known.live = Some(Live::new(domid, config));
        Ok(domid)
    }

    /// Ends a life; a managed domain stays.
    fn end(&mut self, domid: DomId, parts: &mut Parts<'_>) -> Result<Option<Config>, String> {
        let Some(live) = self.take_life(domid) else { return Ok(None) };
        life::destroy(domid, &live.config, parts)?;
        Ok(Some(live.config))
    }

    fn take_life(&mut self, domid: DomId) -> Option<Live> {
        let uuid = self.live.remove(&domid)?;
        let known = self.domains.get_mut(&uuid)?;
        let live = known.live.take();
        if known.managed.is_none() {
            self.domains.remove(&uuid);
        }
        live
    }

    fn ended(&mut self, domid: DomId, parts: &mut Parts<'_>) {
        if let Some(live) = self.take_life(domid) {
            life::forget(domid, &live.config, parts.store);
        }
    }

    /// The guest went down: destroy, restart or preserve, as it was configured.
    fn shut_down(&mut self, domid: DomId, why: u8, parts: &mut Parts<'_>) {
        let Some(config) = self.live_config(domid) else { return };
        let policy = match why {
            reason::POWEROFF => config.on_poweroff.clone(),
            reason::REBOOT => config.on_reboot.clone(),
            reason::SUSPEND => return,
            _ => config.on_crash.clone(),
        };
        if policy == "preserve" {
            return;
        }
        // The domain is there, so that ending it cannot fail.
        let Ok(Some(old)) = self.end(domid, parts) else { return };
        if policy.ends_with("restart") {
            // What was saved meanwhile is what starts. It can fail: somebody else may have taken the memory.
            let next = self.domains.get(&old.uuid).and_then(|known| known.managed.clone()).unwrap_or(old);
            if let Ok(domid) = self.begin(next, parts) {
                let _ = parts.machine.unpause(domid);
            }
        }
    }

    fn live_config(&self, domid: DomId) -> Option<&Config> {
        let known = self.domains.get(self.live.get(&domid)?)?;
        known.live.as_ref().map(|live| &live.config)
    }

    fn domain_0(&self, machine: &Machine) -> Config {
        let physical = machine.physinfo().cpus;
        let (memory, vcpus) =
            machine.get(0).map_or((0, 1), |dom0| (dom0.tot_pages * PAGE_KIB / 1024, dom0.max_vcpus));
        Config::domain_0(memory, vcpus, physical, self.release)
    }

    /// Whom a path's element means: a name, then a domid, then a uuid.
    fn find(&self, key: &str) -> Option<Found> {
        if key == "Domain-0" {
            return Some(Found::Domain0);
        }
        if let Some(uuid) = self.by_name(key) {
            return Some(Found::Guest(uuid));
        }
        if key == "0" {
            return Some(Found::Domain0);
        }
        if let Some(uuid) = key.parse().ok().and_then(|domid: DomId| self.live.get(&domid)) {
            return Some(Found::Guest(*uuid));
        }
        let uuid = Uuid::try_parse(key).ok()?;
        if uuid.is_nil() {
            return Some(Found::Domain0);
        }
        self.domains.contains_key(&uuid).then_some(Found::Guest(uuid))
    }

    /// The domain of that name: a live one before one that is not.
    fn by_name(&self, name: &str) -> Option<Uuid> {
        let named = |(_, known): &(&Uuid, &Known)| known.config().is_some_and(|config| config.name == name);
        let mut found: Vec<_> = self.domains.iter().filter(named).collect();
        found.sort_by_key(|(_, known)| known.live.is_none());
        found.first().map(|(uuid, _)| **uuid)
    }

    /// Answers a request. True beside it: the connection is left open.
    fn answer(&mut self, request: &Received, parts: &mut Parts<'_>) -> (Reply, bool) {
        let is_post = match request.method.as_str() {
            "GET" | "HEAD" => false,
            "POST" => true,
            other => {
                let words = format!("Request method not supported ({other})");
                let reply = Reply::with(501, "Not implemented", "text/plain", words.into_bytes());
                return (Reply { accept: Some("GET,HEAD,POST"), ..reply }, false);
            }
        };
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let found = match path.as_slice() {
            [] | ["xend"] if is_post => Reply::with(200, "OK", "text/plain", b"POST".to_vec()),
            [] => self.page("(ls )"),
            ["xend"] => self.page("(ls  node domain vnet)"),
            ["xend", "node"] if !is_post => self.value(&self.node(parts.machine)),
            ["xend", "node", "dmesg" | "log"] if !is_post => {
                Reply::with(200, "OK", "text/plain", self.log(path.last()))
            }
            ["xend", "node", "dmesg"] if ops::operation(request) == Some("clear") => Reply::empty(200, "OK"),
            ["xend", "vnet"] if !is_post => self.value(&Sexpr::List(Vec::new())),
            ["xend", "node", "dmesg" | "log"] => {
                let reply = self.without_operations(request);
                // This page's answers are plain text, without a tail.
                let body = reply.reason.clone().into_bytes();
                Reply { content_type: Some("text/plain"), body, ..reply }
            }
            ["xend", "node" | "vnet"] => self.without_operations(request),
            ["xend", "domain"] if is_post => return self.operate_on_all(request, parts),
            ["xend", "domain"] => self.list(request, parts.machine),
            ["xend", "domain", key, rest @ ..] => match (self.find(key), rest.first()) {
                (None, _) => not_found(&format!("<Fault 3: {}>", python_repr(key))),
                (_, Some(deeper)) => not_found(&format!("Not found: {deeper}")),
                (Some(whom), None) if is_post => return self.operate(whom, request, parts),
                (Some(whom), None) if request.field("op").any(|op| op == "vcpuinfo") => {
                    self.value(&self.vcpu_info(whom, parts.machine))
                }
                (Some(whom), None) => {
                    let domain = self.describe(whom, true, parts.machine);
                    self.tailed(domain.to_xend_bytes(self.quotes_empty()))
                }
            },
            ["xend", "node", other, ..] | ["xend", "vnet", other, ..] | ["xend", other, ..] | [other, ..] => {
                not_found(&format!("Not found: {other}"))
            }
        };
        (found, false)
    }

    /// From 4.1 on the empty string is written as `''`, and so many answers have one behind them.
    fn quotes_empty(&self) -> bool {
        self.release.at_least(4, 1)
    }

    fn value(&self, value: &Sexpr) -> Reply {
        Reply::with(200, "OK", SXP, value.to_xend_bytes(self.quotes_empty()))
    }

    fn page(&self, text: &str) -> Reply {
        self.tailed(text.as_bytes().to_vec())
    }

    /// What the handler wrote, and the empty string that it returned.
    fn tailed(&self, mut body: Vec<u8>) -> Reply {
        if self.quotes_empty() {
            body.extend(b"''");
        }
        Reply::with(200, "OK", SXP, body)
    }

    fn without_operations(&self, request: &Received) -> Reply {
        match ops::operation(request) {
            Some(op) => ops::not_implemented(self, op),
            None => ops::invalid_request(self),
        }
    }

    fn log(&self, which: Option<&&str>) -> Vec<u8> {
        match which {
            Some(&"dmesg") => {
                format!("(XEN) Xen version {}, simulated by xenith\n", self.release).into_bytes()
            }
            _ => Vec::new(),
        }
    }

    /// `(node ...)`.
    fn node(&self, machine: &Machine) -> Sexpr {
        let info = machine.physinfo();
        let new = self.release.at_least(4, 1);
        let mib = |pages: u64| pages * PAGE_KIB / 1024;
        let cpus: Vec<String> = (0..info.cpus).map(|cpu| cpu.to_string()).collect();
        let mut out = vec![
            Sexpr::pair("system", "Linux"),
            Sexpr::pair("host", &self.host_name),
            Sexpr::pair("release", "2.6.32-simulated"),
            Sexpr::pair("version", "embedded Xen host, simulated by xenith"),
            Sexpr::pair("machine", "x86_64"),
            Sexpr::pair("nr_cpus", info.cpus),
            Sexpr::pair("nr_nodes", info.nodes),
            Sexpr::pair("cores_per_socket", info.cores_per_socket),
            Sexpr::pair("threads_per_core", info.threads_per_core),
            Sexpr::pair("cpu_mhz", info.cpu_khz / 1000),
            Sexpr::pair("hw_caps", hw_caps(info.cpuid)),
            Sexpr::pair("virt_caps", "hvm"),
            Sexpr::pair("total_memory", mib(info.total_pages)),
            Sexpr::pair("free_memory", mib(info.free_pages)),
        ];
        if new {
            let rows = cpus.iter().map(|cpu| format!("\n{cpu:>3}:{cpu:>8}{:>9}{:>9}", 0, 0));
            let topology = format!("\ncpu:    core    socket     node{}", rows.collect::<String>());
            out.push(Sexpr::pair("free_cpus", 0));
            out.push(Sexpr::pair("cpu_topology", topology));
            out.push(Sexpr::pair("numa_info", "none"));
        } else {
            let range = if info.cpus > 1 { format!("0-{}", info.cpus - 1) } else { "0".into() };
            out.push(Sexpr::pair("node_to_cpu", format!("node0:{range}")));
            out.push(Sexpr::pair("node_to_memory", format!("node0:{}", mib(info.free_pages))));
        }
        let caps = "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
        for (key, value) in [
            ("xen_major", self.release.major.to_string()),
            ("xen_minor", self.release.minor.to_string()),
            ("xen_extra", self.release.extra.to_owned()),
            ("xen_caps", caps.into()),
            ("xen_scheduler", "credit".into()),
            ("xen_pagesize", "4096".into()),
            ("platform_params", "virt_start=0xffff800000000000".into()),
            ("xen_changeset", "unavailable".into()),
            ("cc_compiler", "xenith simulation".into()),
            ("cc_compile_by", String::new()),
            ("cc_compile_domain", String::new()),
            ("cc_compile_date", String::new()),
            ("xend_config_format", "4".into()),
        ] {
            out.push(Sexpr::pair(key, value));
        }
        Sexpr::node("node", out)
    }

    /// GET of the list: the names of the domains in a state, or with detail=1 the domains themselves. Paused ones are not
    /// running ones, also with detail=1 (recorded; only 3.0.2 lists them all).
    fn list(&self, request: &Received, machine: &Machine) -> Reply {
        let state = request.field("state").next().unwrap_or("running");
        let whom = self.in_state(state, machine);
        if request.field("detail").next() == Some("1") {
            return self.value(&self.describe_all(&whom, machine));
        }
        self.value(&Sexpr::List(whom.into_iter().map(|(name, _)| Sexpr::atom(name)).collect()))
    }

    /// By name.
    fn in_state(&self, state: &str, machine: &Machine) -> Vec<(&str, Found)> {
        let wanted: &[u32] = match state {
            "running" => &[status::RUNNING],
            "paused" => &[status::PAUSED],
            "halted" => &[status::HALTED],
            "suspended" => &[status::SUSPENDED],
            "all" => &[status::HALTED, status::PAUSED, status::RUNNING, status::SUSPENDED, status::CRASHED],
            _ => &[],
        };
        let guests = self.domains.iter().filter(|(_, known)| wanted.contains(&known.status(machine)));
        let mut found: Vec<(&str, Found)> = guests
            .filter_map(|(uuid, known)| Some((known.config()?.name.as_str(), Found::Guest(*uuid))))
            .collect();
        if wanted.contains(&status::RUNNING) {
            found.push(("Domain-0", Found::Domain0));
        }
        found.sort_unstable_by_key(|(name, _)| *name);
        found
    }

    fn describe_all(&self, whom: &[(&str, Found)], machine: &Machine) -> Sexpr {
        Sexpr::List(whom.iter().map(|(_, whom)| self.describe(*whom, true, machine)).collect())
    }

    /// `(domain ...)`. Without `figures` as in the answer to create, which knows less.
    fn describe(&self, whom: Found, figures: bool, machine: &Machine) -> Sexpr {
        let (config, live) = match whom {
            Found::Domain0 => (Some(self.domain_0(machine)), None),
            Found::Guest(uuid) => {
                let known = self.domains.get(&uuid);
                (known.and_then(|known| known.config().cloned()), known.and_then(|known| known.live.as_ref()))
            }
        };
        let Some(mut config) = config else { return Sexpr::node("domain", []) };
        let domid = match (whom, live) {
            (Found::Domain0, _) => 0,
            (_, Some(live)) => live.domid,
            (_, None) => return config.to_sexpr(self.release, None),
        };
        let (state, status) = state_of(domid, machine);
        let domain = machine.get(domid);
        if let Some(domain) = domain.filter(|domain| figures && domain.domid != 0 && !domain.is_torn_down()) {
            config.memory = domain.tot_pages * PAGE_KIB / 1024;
        }
        let seconds = domain.map_or(0, |domain| machine.cpu_time_ns(domain)) as f64 / 1e9;
        let online = domain.map_or(0, |domain| domain.online_vcpus);
        let life = Life {
            domid,
            start_time: live.map_or(0.0, |live| live.start_time),
            figures: figures.then_some((seconds, online)),
            status,
            state: if figures { &state } else { "------" },
            store_mfn: life::store_mfn(domid),
            console_mfn: life::console_mfn(domid),
            console_uuid: live.map_or(Uuid::nil(), |live| live.console_uuid),
        };
        config.to_sexpr(self.release, Some(&life))
    }

    /// What `op=vcpuinfo` answers.
    fn vcpu_info(&self, whom: Found, machine: &Machine) -> Sexpr {
        let domid = self.domid(whom);
        let domain = domid.and_then(|domid| machine.get(domid));
        let config = match whom {
            Found::Domain0 => Some(self.domain_0(machine)),
            Found::Guest(uuid) => self.domains.get(&uuid).and_then(Known::config).cloned(),
        };
        let Some(config) = config else { return Sexpr::node("domain", []) };
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
        Sexpr::node("domain", out)
    }

    fn domid(&self, whom: Found) -> Option<DomId> {
        match whom {
            Found::Domain0 => Some(0),
            Found::Guest(uuid) => Some(self.domains.get(&uuid)?.live.as_ref()?.domid),
        }
    }
}

/// Who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Domain0,
    Guest(Uuid),
}

impl Known {
    /// What describes it now: that of its life, if it has one.
    fn config(&self) -> Option<&Config> {
        self.live.as_ref().map(|live| &live.config).or(self.managed.as_ref())
    }

    fn status(&self, machine: &Machine) -> u32 {
        self.live.as_ref().map_or(status::HALTED, |live| state_of(live.domid, machine).1)
    }
}

/// xend's words for a domain's state, as numbers.
mod status {
    pub(super) const HALTED: u32 = 0;
    pub(super) const PAUSED: u32 = 1;
    pub(super) const RUNNING: u32 = 2;
    pub(super) const SUSPENDED: u32 = 3;
    pub(super) const CRASHED: u32 = 5;
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

/// The words of CPUID in the order that every hypervisor with a xend had them.
fn hw_caps(cpuid: CpuidWords) -> String {
    cpuid.arrange((4, 4, 0)).map(|word| format!("{word:08x}")).join(":")
}

fn not_found(words: &str) -> Reply {
    Reply::with(404, "Not found", "text/plain", words.as_bytes().to_vec())
}
