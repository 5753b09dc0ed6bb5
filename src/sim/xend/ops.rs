//! The operations of POST, on all domains and on one.

use super::checks::{check_name, python_int};
use super::config::{Config, Refusal, Writer};
use super::habits::{Credit, Habits};
use super::{Found, Parts, Xend, life};
use crate::model::Uuid;
use crate::wire::sexpr::{Dialect, Fault, Limits, ParseError, Sexpr, python_repr};
use crate::wire::xend_http::{Received, Reply, SXP};

/// What an operation answers when it is done.
pub(super) enum Done {
    /// 200, empty.
    Nothing,
    /// 200 and a value.
    Value(Sexpr),
    /// 202, with a Location.
    Accepted,
    /// 201, with the new domain.
    Created(Uuid),
    /// 201 without a value, with the name of the domain.
    Restored(String),
}

/// What Python says of a domid that is None.
pub(super) const NO_DOMID: &str = "int() argument must be a string or a number, not 'NoneType'";

/// After these the connection stays open, also where they succeed (recorded, from 3.1 on).
const LINGERING: [&str; 13] = [
    "save",
    "restore",
    "migrate",
    "create",
    "destroy",
    "delete",
    "pause",
    "unpause",
    "start",
    "set_vcpus",
    "wait_for_devices",
    "device_create",
    "device_destroy",
];

/// What answers 202: its failures have that status, too, where it runs in a thread.
const ACCEPTED: [&str; 9] =
    ["rename", "shutdown", "delete", "start", "sysrq", "wait_for_devices", "destroy", "save", "dump"];

/// What runs in a thread, and the status of its failures.
const THREADED: [(&str, u16); 4] = [("save", 202), ("dump", 202), ("restore", 200), ("migrate", 200)];

/// Operations that real xends have and this one does not.
const NOT_SIMULATED: [&str; 1] = ["reset"];

/// The operations that came with managed domains, and what came with the release of the number.
const CAME: [(&str, (u16, u16)); 2] = [("reset", (3, 3)), ("domain_sched_credit2", (4, 1))];

/// Operations that fail in every real xend with the credit scheduler, and how.
const ALWAYS_FAIL: [(&str, &str); 6] = [
    ("configure", "domain_configure() takes exactly 2 arguments (3 given)"),
    ("vif_limit_set", "XendDomain instance has no attribute 'domain_vif_limit_set'"),
    ("cpu_sedf_get", "(22, 'Invalid argument')"),
    ("cpu_sedf_set", "(22, 'Invalid argument')"),
    ("domain_sched_credit2_get", "(22, 'Invalid argument')"),
    ("domain_sched_credit2_set", "(22, 'Invalid argument')"),
];

/// The one operation that a form asks for.
pub(super) fn operation(request: &Received) -> Option<&str> {
    let mut ops = request.field("op");
    match (ops.next(), ops.next()) {
        (Some(op), None) => Some(op),
        _ => None,
    }
}

/// 406: no operation, or two.
pub(super) fn invalid_request(xend: &Xend) -> Reply {
    Reply { status: 406, reason: "Invalid request".into(), ..xend.tailed(Vec::new()) }
}

/// 501: no such operation.
pub(super) fn not_implemented(xend: &Xend, op: &str) -> Reply {
    let reason = format!("Operation not implemented: {op}");
    Reply { status: 501, reason: reason.clone(), ..xend.tailed(reason.into_bytes()) }
}

impl Xend {
    /// POST /xend/domain.
    pub(super) fn operate_on_all(&mut self, request: &Received, parts: &mut Parts<'_>) -> (Reply, bool) {
        let Some(op) = operation(request) else { return (invalid_request(self), false) };
        let done = match op {
            "list" => {
                let running = self.in_state("running", parts.machine);
                Ok(Done::Value(self.describe_all(&running, parts.machine)))
            }
            "new" if self.habits.manages => self.define(request).map(|()| Done::Nothing),
            "create" => self.create(request, parts).map(Done::Created),
            "restore" => self.restore(request, parts).map(Done::Restored),
            _ => return (not_implemented(self, op), false),
        };
        self.reply(op, None, done, request, parts)
    }

    /// POST /xend/domain/X.
    pub(super) fn operate(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> (Reply, bool) {
        let Some(op) = operation(request) else { return (invalid_request(self), false) };
        let accepted = |done: Result<(), Refusal>| done.map(|()| Done::Accepted);
        let name = self.name(whom);
        let later = |(prefix, (major, minor)): &(&str, (u16, u16))| {
            op.starts_with(prefix) && !self.habits.at_least(*major, *minor)
        };
        let is_managing = matches!(op, "start" | "delete" | "dump");
        let is_credit = op.starts_with("domain_sched_credit");
        if CAME.iter().any(later)
            || is_managing && !self.habits.manages
            || is_credit && self.habits.credit == Credit::None
        {
            return (not_implemented(self, op), false);
        }
        let done = match op {
            "pause" => self.pause(whom, parts).map(|()| Done::Nothing),
            "unpause" => self.unpause(whom, parts).map(|()| Done::Nothing),
            "start" => accepted(self.start(whom, parts)),
            "shutdown" => accepted(self.shutdown(whom, request, parts)),
            "destroy" => accepted(self.destroy(whom, parts)),
            "delete" => accepted(self.delete(whom)),
            "rename" => accepted(self.rename(whom, request, parts)),
            "sysrq" => accepted(self.sysrq(whom, request, parts)),
            "wait_for_devices" => accepted(self.wait_for_devices(whom)),
            "dump" => accepted(self.dump(whom, request, parts)),
            "migrate" => self.migrate(whom, request, parts).map(|()| Done::Nothing),
            "maxmem_set" => self.set_maxmem(whom, request, parts),
            "mem_target_set" => self.set_target(whom, request, parts).map(|()| Done::Nothing),
            "set_vcpus" => self.set_vcpus(whom, request, parts).map(|()| Done::Nothing),
            "pincpu" => self.pin(whom, request, parts),
            "vcpuinfo" => self.vcpu_info(whom, parts.machine).map(Done::Value),
            "domain_sched_credit_get" => self.credit(whom, parts.machine).map(Done::Value),
            "domain_sched_credit_set" => self.set_credit(whom, request, parts).map(Done::Value),
            "devices" => self.devices(whom, request, parts),
            "device_create" => self.create_device(whom, request, parts),
            "device_configure" => self.configure_device(whom, request, parts).map(|()| Done::Nothing),
            "device_destroy" => self.destroy_device(whom, request, parts).map(|()| Done::Nothing),
            _ if NOT_SIMULATED.contains(&op) => Err(not_simulated(op)),
            _ => match ALWAYS_FAIL.iter().find(|(name, _)| *name == op) {
                Some((_, words)) => Err((*words).into()),
                None => return (not_implemented(self, op), false),
            },
        };
        self.reply(op, Some(&name), done, request, parts)
    }

    pub(super) fn reply(
        &self,
        op: &str,
        name: Option<&str>,
        done: Result<Done, Refusal>,
        request: &Received,
        parts: &Parts<'_>,
    ) -> (Reply, bool) {
        let location = name
            .map(|name| format!("http://{}/xend/domain/{name}/..", request.host))
            .filter(|_| ACCEPTED.contains(&op));
        let lingers = self.habits.lingers && (done.is_err() || LINGERING.contains(&op));
        let reply = match done {
            Ok(Done::Nothing) => Reply::empty(200, "OK"),
            Ok(Done::Value(value)) => self.value(&value),
            Ok(Done::Accepted) => Reply { location, ..Reply::empty(202, "Accepted") },
            Ok(Done::Created(uuid)) => {
                let value = self.describe(Found::Guest(uuid), false, parts.machine);
                let name = value.value("name").unwrap_or_default();
                Reply {
                    status: 201,
                    reason: "created".into(),
                    location: Some(format!("http://{}/xend/domain/{name}", request.host)),
                    ..self.value(&value)
                }
            }
            Ok(Done::Restored(name)) => Reply {
                location: Some(format!("http://{}/xend/domain/{name}", request.host)),
                ..Reply::empty(201, "Created")
            },
            Err(words) => {
                let thread = THREADED.iter().find(|(name, _)| *name == op);
                let (status, reason) = match thread {
                    Some((_, 202)) => (202, "Accepted".to_owned()),
                    Some((_, status)) => (*status, "OK".to_owned()),
                    None if !self.habits.fails_with_500 && location.is_some() => (202, "Accepted".to_owned()),
                    None if !self.habits.fails_with_500 => (200, "OK".to_owned()),
                    None => (500, format!("Request failed: {op}")),
                };
                let error = format!("(xend.err {})", python_repr(&words));
                Reply { location, ..Reply::with(status, reason, SXP, error.into_bytes()) }
            }
        };
        (reply, lingers)
    }

    pub(super) fn name(&self, whom: Found) -> String {
        match whom {
            Found::Domain0 => self.dom0_name.clone(),
            Found::Guest(uuid) => {
                let config = self.domains.get(&uuid).and_then(|known| known.config());
                config.map_or(String::new(), |config| config.name.clone())
            }
        }
    }

    /// The configuration in a form, checked.
    fn configuration(&self, request: &Received, op: &str) -> Result<Config, Refusal> {
        let text = request.field("config").next();
        let text = text.ok_or("Configuration error 'NoneType' object has no attribute '__getitem__'")?;
        let bytes: Vec<u8> = crate::wire::sexpr::raw_bytes(text).collect();
        let all = Sexpr::parse_all_with(&bytes, self.dialect(), Limits::default());
        let all = all.map_err(|error| parse_words(&error, &bytes, op))?;
        let vm = all.first().ok_or("Configuration error list index out of range")?;
        let creating = |words: Refusal| format!("Error creating domain: {words}");
        Config::from_sexpr(vm, self.habits, Writer::Client).map_err(creating)
    }

    /// How this xend reads S-expressions.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect::Xend { bang_separates: !self.habits.at_least(4, 0) }
    }

    /// op=new.
    fn define(&mut self, request: &Received) -> Result<(), Refusal> {
        let config = self.configuration(request, "new")?;
        self.check_name_is_free(&config.name, config.uuid)
            .map_err(|words| format!("Error creating domain: {words}"))?;
        self.manage(config)
    }

    fn manage(&mut self, config: Config) -> Result<(), Refusal> {
        self.store
            .save(&config, self.habits)
            .map_err(|error| format!("Failed to save configuration: {error}"))?;
        let uuid = config.uuid;
        self.domains.entry(uuid).or_default().managed = Some(config);
        Ok(())
    }

    /// op=create.
    fn create(&mut self, request: &Received, parts: &mut Parts<'_>) -> Result<Uuid, Refusal> {
        let config = self.configuration(request, "create")?;
        let creating = |words: Refusal| format!("Error creating domain: {words}");
        let uuid = config.uuid;
        let twin = self.by_name(&config.name).filter(|twin| self.domid(Found::Guest(*twin)).is_some());
        let lives = twin.or(Some(uuid)).and_then(|uuid| self.domid(Found::Guest(uuid)));
        if let Some(domid) = lives {
            return Err(creating(self.twin_words(&config.name, domid)));
        }
        self.check_name_is_free(&config.name, uuid).map_err(creating)?;
        check_starts(&config, self.habits, parts).map_err(creating)?;
        self.begin(config, parts).map_err(creating)?;
        Ok(uuid)
    }

    /// What is said of a domain that lives already.
    pub(super) fn twin_words(&self, name: &str, domid: u32) -> Refusal {
        let name = python_repr(name);
        match (self.habits.twins_by_id, self.habits.manages) {
            (true, _) => format!("Domain {name} already exists with ID '{domid}'"),
            (false, true) => format!("VM name {name} already exists as domain {domid}"),
            (false, false) => format!("VM name {name} already in use by domain {domid}"),
        }
    }

    pub(super) fn check_name_is_free(&self, name: &str, uuid: Uuid) -> Result<(), Refusal> {
        check_name(name, self.habits)?;
        let own = self.domid(Found::Guest(uuid));
        let taken = |by: Option<u32>| {
            let quoted = python_repr(name);
            Err(match (self.habits.manages, own, by) {
                (true, _, Some(domid)) => format!("VM name {quoted} already exists as domain {domid}"),
                (true, _, None) => format!("VM name {quoted} already exists"),
                (false, None, by) => {
                    format!("VM name {quoted} already in use by domain {}", by.unwrap_or_default())
                }
                (false, Some(own), by) => {
                    format!("VM name {quoted} is used in both domains {own} and {}", by.unwrap_or_default())
                }
            })
        };
        if name == self.dom0_name {
            return taken(Some(0));
        }
        match self.by_name(name).filter(|other| *other != uuid) {
            None => Ok(()),
            Some(other) => taken(self.domid(Found::Guest(other))),
        }
    }

    fn start(&mut self, whom: Found, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        if self.domid(whom).is_some() {
            return Err("Domain is already running".into());
        }
        let Found::Guest(uuid) = whom else { return Ok(()) };
        let config = self.domains.get(&uuid).and_then(|known| known.managed.clone());
        let config = config.ok_or("Domain is not managed")?;
        check_starts(&config, self.habits, parts)?;
        let domid = self.begin(config, parts)?;
        if let Err(words) = self.wait_for_devices(whom) {
            self.end(domid, parts)?;
            return Err(words);
        }
        parts.machine.unpause(domid).map_err(life::errno_tuple)
    }

    fn pause(&mut self, whom: Found, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let domid = self.domid(whom).ok_or(NO_DOMID)?;
        if domid == 0 {
            // 3.0.2 leaves it to the hypervisor.
            let words = if self.habits.format == 1 {
                "(22, 'Invalid argument')"
            } else {
                "Cannot pause privileged domain 0"
            };
            return Err(words.into());
        }
        // xend looks first, so that pausing twice needs one unpause, also where the hypervisor counts.
        let is_paused = parts.machine.get(domid).is_some_and(|domain| domain.pauses() > 0);
        if is_paused { Ok(()) } else { parts.machine.pause(domid).map_err(life::errno_tuple) }
    }

    fn unpause(&mut self, whom: Found, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let domid = self.domid(whom).ok_or(NO_DOMID)?;
        if domid == 0 && self.habits.format >= 2 {
            return Err("Cannot unpause privileged domain 0".into());
        }
        parts
            .machine
            .unpause(domid)
            .map_err(|errno| format!("Domain unable to be unpaused: {}", life::errno_tuple(errno)))
    }

    fn shutdown(&mut self, whom: Found, request: &Received, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let reason = request.field("reason").next().ok_or("'reason'")?;
        let Some(domid) = self.domid(whom) else { return Err("Domain cannot be shutdown".into()) };
        let is_reason = matches!(reason, "poweroff" | "reboot" | "suspend" | "crash" | "halt");
        match (domid, self.habits.format) {
            (0, 3..) => return Err("Domain 0 cannot be shutdown".into()),
            _ if !is_reason => return Err(format!("Invalid reason: {reason}")),
            (0, 2) => return Err("Can't specify Domain-0".into()),
            _ => {}
        }
        life::order(domid, "shutdown", reason, parts);
        Ok(())
    }

    fn sysrq(&mut self, whom: Found, request: &Received, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let key = python_int(required(request, "key")?)?;
        let domid = self.domid(whom).ok_or(NO_DOMID)?;
        let key = u8::try_from(key).map_err(|_| "chr() arg not in range(256)")?;
        life::order(domid, "sysrq", &char::from(key).to_string(), parts);
        Ok(())
    }

    fn destroy(&mut self, whom: Found, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        match self.domid(whom).ok_or(NO_DOMID)? {
            0 => Err("Cannot destroy privileged domain 0".into()),
            domid => self.end(domid, parts).map(drop),
        }
    }

    fn delete(&mut self, whom: Found) -> Result<(), Refusal> {
        let lives = if self.habits.format == 3 { "Domain is still running" } else { "Domain is not halted." };
        let Found::Guest(uuid) = whom else { return Err(lives.into()) };
        if self.domid(whom).is_some() {
            return Err(lives.into());
        }
        self.store.remove(uuid).map_err(|error| format!("Failed to remove configuration: {error}"))?;
        self.domains.remove(&uuid);
        Ok(())
    }

    fn rename(&mut self, whom: Found, request: &Received, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        let name = request.field("name").next().ok_or("'name'")?;
        let Found::Guest(uuid) = whom else {
            self.check_name_is_free(name, Uuid::nil())?;
            name.clone_into(&mut self.dom0_name);
            life::put(parts.store, "/local/domain/0/name", name);
            return Ok(());
        };
        self.check_name_is_free(name, uuid)?;
        self.change(uuid, |config| name.clone_into(&mut config.name))?;
        if let Some(live) = self.domains.get(&uuid).and_then(|known| known.live.as_ref()) {
            life::write_name(live.domid, &live.config, parts.store);
        }
        Ok(())
    }
}

pub(super) fn required<'a>(request: &'a Received, field: &'a str) -> Result<&'a str, Refusal> {
    request.field(field).next().ok_or_else(|| format!("Missing parameter: {field}"))
}

pub(super) fn not_simulated(what: &str) -> Refusal {
    format!("the embedded xend cannot do this: {what}")
}

/// What comes out when a domain was made and is to be filled: it is destroyed again, and its number used up.
fn check_starts(config: &Config, habits: &Habits, parts: &mut Parts<'_>) -> Result<(), Refusal> {
    let checked = match config.cpus_are_text {
        true => Err("(22, 'Invalid argument')".into()),
        false => config.check_boots(habits),
    };
    checked.inspect_err(|_| {
        // Where there is no number left, there would have been none for the domain either.
        let _ = parts.machine.use_up_domid();
    })
}

/// xend's words for an S-expression that it cannot read.
fn parse_words(error: &ParseError, input: &[u8], op: &str) -> Refusal {
    match error.fault {
        // create looks at the values before it looks at the errors.
        Fault::UnexpectedEnd if op == "create" => "Configuration error list index out of range".into(),
        Fault::UnexpectedEnd => "Invalid configuration unexpected EOF".into(),
        Fault::UnexpectedClose => "Invalid configuration syntax error: )".into(),
        Fault::InvalidByte(byte) => format!("Invalid configuration invalid character: code {byte}"),
        Fault::OctalRange => {
            let digits = input.get(error.offset + 1..error.offset + 4).unwrap_or_default();
            format!(
                "Invalid configuration invalid octal escape: out of range {}",
                String::from_utf8_lossy(digits)
            )
        }
        Fault::ShortHex => "Configuration error global name 'buf' is not defined".into(),
        other => format!("Invalid configuration {other}"),
    }
}
