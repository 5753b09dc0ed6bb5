//! The embedded xend: bytes in, bytes out, acting on the embedded machine and xenstored. It does no I/O on the road; whoever
//! serves it moves the bytes. On disk it keeps its managed domains, as a real one does.
//!
//! It behaves as the xends of Xen 3.0.2 to 4.4 were recorded: HTTP, S-expressions, the checks and their words, which keys an
//! answer has. What differs between the ages is in one table, `habits`. Where it knowingly differs from all of them:
//! - kernels, disks, device models and scripts are not looked for: an embedded host has no such files. Every file is there but
//!   those below `/nonexistent`;
//! - there is no HTML, and xend's log is empty;
//! - a saved domain's file has no memory, and a guest that is restored boots; a dump has none either;
//! - a domain migrates to this host itself and to no other;
//! - a domain that reboots is always restarted; a real xend destroys one that lived less than 60 seconds (20 before 3.4),
//!   which every guest in here does. [`Xend::refuse_short_lives`] makes it do so;
//! - Domain-0 gives no memory away for a new domain.

mod answers;
mod checks;
mod config;
mod devices;
mod habits;
mod life;
mod limits;
mod looks;
mod migrate;
mod ops;
mod save;
mod store;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::config::{Config, Writer};
use self::habits::{Habits, Unknown};
pub(in crate::sim) use self::life::disk_number;
use self::looks::Past;
pub use self::store::StateDir;
use crate::model::{DomId, Uuid};
use crate::sim::machine::{Event, Happened, Machine, PAGE_KIB, reason};
use crate::sim::release::Release;
use crate::sim::xenstored::Xenstored;
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
    habits: &'static Habits,
    host_name: String,
    /// Domain-0 can be renamed, too.
    dom0_name: String,
    /// Whether a domain that reboots too soon is destroyed.
    refuses_short_lives: bool,
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
    /// What its last life left, while xend remembers.
    past: Option<Past>,
}

#[derive(Debug)]
struct Live {
    domid: DomId,
    config: Config,
    start_time: f64,
    /// The same by the machine's clock.
    began: Duration,
    console_uuid: Uuid,
    migrated: bool,
}

impl Live {
    fn new(domid: DomId, config: Config, began: Duration) -> Self {
        Live {
            domid,
            config,
            start_time: seconds_since_1970(),
            began,
            console_uuid: Uuid::new_v4(),
            migrated: false,
        }
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
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
            habits: Habits::of(release),
            host_name: host_name.to_owned(),
            dom0_name: "Domain-0".to_owned(),
            refuses_short_lives: false,
            store: store::Folder::new(state),
            domains: BTreeMap::new(),
            live: BTreeMap::new(),
            conns: HashMap::new(),
            next_conn: 0,
            saves: Vec::new(),
        };
        for config in xend.store.load(xend.habits) {
            let uuid = config.uuid;
            xend.domains.entry(uuid).or_default().managed = Some(config);
        }
        xend.adopt(parts);
        xend
    }

    /// From now on, it destroys a domain that reboots within a minute of its start (20 seconds before 3.4), as a real one does
    /// to avoid loops.
    pub fn refuse_short_lives(&mut self) {
        self.refuses_short_lives = true;
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
            let Ok(config) = Config::from_sexpr(&vm, self.habits, Writer::Client) else { continue };
            self.live.insert(domain.domid, config.uuid);
            let known = self.domains.entry(config.uuid).or_default();
            known.live = Some(Live::new(domain.domid, config, parts.machine.now()));
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
    fn begin(&mut self, mut config: Config, parts: &mut Parts<'_>) -> Result<DomId, String> {
        let domid = life::build(&mut config, self.habits, parts)?;
        self.live.insert(domid, config.uuid);
        let known = self.domains.entry(config.uuid).or_default();
        if let Some(managed) = &mut known.managed {
            managed.take_numbers(&config);
        }
        known.past = None;
        known.live = Some(Live::new(domid, config, parts.machine.now()));
        Ok(domid)
    }

    /// Ends a life; a managed domain stays, and xend remembers what the life was like.
    fn end(&mut self, domid: DomId, parts: &mut Parts<'_>) -> Result<Option<Live>, String> {
        let past = self.past_of(domid, parts.machine);
        let Some(live) = self.take_life(domid) else { return Ok(None) };
        life::destroy(domid, &live.config, parts)?;
        if let Some(known) = self.domains.get_mut(&live.config.uuid) {
            known.past = past;
        }
        Ok(Some(live))
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
        let Ok(Some(Live { config: old, began, .. })) = self.end(domid, parts) else { return };
        let is_short = parts.machine.now().saturating_sub(began) < self.habits.shortest_life;
        if policy.ends_with("restart") && !(self.refuses_short_lives && is_short) {
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
        Config::domain_0(&self.dom0_name, memory, vcpus, physical, self.habits)
    }

    /// Whom a path's element means: a name, then a domid, then from 3.0.4 on a uuid.
    fn find(&self, key: &str) -> Option<Found> {
        if key == self.dom0_name {
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
        let uuid = Uuid::try_parse(key).ok().filter(|_| self.habits.manages)?;
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
                (None, _) => self.unknown(key),
                (_, Some(deeper)) => not_found(&format!("Not found: {deeper}")),
                (Some(whom), None) if is_post => return self.operate(whom, request, parts),
                (Some(whom), None) if request.field("op").any(|op| op == "vcpuinfo") => {
                    match self.vcpu_info(whom, parts.machine) {
                        Ok(value) => self.value(&value),
                        Err(words) => return self.reply("vcpuinfo", None, Err(words), request, parts),
                    }
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
        self.habits.quotes_empty
    }

    /// What is said of a domain that is not there.
    fn unknown(&self, key: &str) -> Reply {
        // The texts of the oldest have the name's bytes as they are.
        let named = |before: &str, after: &str| {
            let mut words = before.as_bytes().to_vec();
            words.extend(crate::wire::sexpr::raw_bytes(key));
            words.extend_from_slice(after.as_bytes());
            Reply::with(404, "Not found", "text/plain", words)
        };
        match self.habits.unknown {
            Unknown::NoSuchDomain => named("No such domain ", ""),
            Unknown::NoDomainNamed => named("No domain named '", "'."),
            Unknown::InternalError => Reply::empty(500, "Internal server error"),
            Unknown::Fault => not_found(&format!("<Fault 3: {}>", python_repr(key))),
        }
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

fn not_found(words: &str) -> Reply {
    Reply::with(404, "Not found", "text/plain", words.as_bytes().to_vec())
}
