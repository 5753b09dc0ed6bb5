//! The road to xend: its HTTP server on a unix socket or a TCP port.
//!
//! One connection per request, as xend does by default; so calls from several threads never wait for each other here. An answer
//! is read by its length and never to the end of the connection, which xend can leave open for minutes. Some requests are
//! never answered at all, so each call takes a deadline.

pub mod abilities;
mod error;
mod forms;
mod node;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use forms::{AfterDump, RELOCATION_PORT};
pub use node::NodeFacts;

use crate::channel::stream::Stream;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::model::Uuid;
use crate::wire::port::Dial;
use crate::wire::sexpr::Sexpr;
use crate::wire::xend_http::{self, Answer, Request, Response, ResponseReader};

/// Where xend listens when `(xend-unix-server yes)` is set; the same from 3.0.2 to 4.4.
pub const DEFAULT_SOCKET: &str = "/var/lib/xend/xend-socket";

/// Where xend listens for xm, in XML-RPC, whether or not its HTTP server is switched on (facts: xend.md 2).
pub const XM_SOCKET: &str = "/var/run/xend/xmlrpc.sock";

/// Where xend keeps the domains that it manages, one folder per uuid; the same from 3.0.4 to 4.4.
pub const DEFAULT_DOMAINS_DIR: &str = "/var/lib/xend/domains";

/// Which names [`Xend::domain_names`] asks for. xend before 3.0.3 does not know the difference and answers all that are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Running ones. A paused domain is not among them.
    Running,
    /// Paused ones.
    Paused,
    /// Managed ones that do not run.
    Halted,
    /// Suspended ones.
    Suspended,
    /// All of them.
    All,
}

impl Listed {
    fn word(self) -> &'static str {
        match self {
            Listed::Running => "running",
            Listed::Paused => "paused",
            Listed::Halted => "halted",
            Listed::Suspended => "suspended",
            Listed::All => "all",
        }
    }
}

/// What a domain is asked to do in [`Xend::shutdown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// End, and power off.
    Poweroff,
    /// Begin anew.
    Reboot,
    /// End, and halt: for most guests the same as poweroff.
    Halt,
    /// Suspend.
    Suspend,
    /// Crash.
    Crash,
}

impl ShutdownRequest {
    fn word(self) -> &'static str {
        match self {
            ShutdownRequest::Poweroff => "poweroff",
            ShutdownRequest::Reboot => "reboot",
            ShutdownRequest::Halt => "halt",
            ShutdownRequest::Suspend => "suspend",
            ShutdownRequest::Crash => "crash",
        }
    }
}

/// A xend. Domains are named by what xend understands in a path: a name, a domid or (not before xend_config_format 3) a dashed lower-case
/// uuid, looked for in this order. What only some xends do, and what they want in different forms, takes their
/// [`Age`](abilities::Age) along.
///
/// Errors of every call, besides what each says: [`Status::NoConnect`], [`Status::AccessDenied`], [`Status::Timeout`] (the operation
/// may still be under way), [`Status::Closed`], [`Status::Protocol`]; and xend's refusals with its own words, as
/// [`Status::NotFound`], [`Status::Exists`], [`Status::InvalidState`], [`Status::InvalidConfig`], [`Status::NoMemory`] or else
/// [`Status::OperationFailed`].
pub struct Xend {
    dial: Arc<dyn Dial>,
    domains_dir: Option<PathBuf>,
    requests: AtomicU64,
}

impl Xend {
    /// A xend that `dial` reaches. Nothing is asked yet. `domains_dir` is its folder of managed domains; None for one on
    /// another machine, whose folder cannot be looked at.
    pub fn new(dial: Arc<dyn Dial>, domains_dir: Option<PathBuf>) -> Self {
        Xend { dial, domains_dir, requests: AtomicU64::new(0) }
    }

    /// How many requests were sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What it dials, for messages.
    pub fn describe(&self) -> String {
        self.dial.describe()
    }

    /// Whether somebody listens there. Says nothing about who, and asks nothing.
    ///
    /// Errors: that there may be somebody, but a connection cannot be made.
    pub fn listens(&self, deadline: Deadline) -> Result<bool> {
        match Stream::connect(&*self.dial, deadline).map_err(|error| error::no_connection(&self.dial, &error))
        {
            Ok(_) => Ok(true),
            Err(error) if error.status == Status::NoConnect => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The host as xend describes it.
    pub fn node(&self, deadline: Deadline) -> Result<NodeFacts> {
        let value = self.get_value(&["xend", "node"], &[], "describe the host", deadline)?;
        NodeFacts::from_sexpr(&value).map_err(|missing| self.not_understood(missing))
    }

    /// The names of the domains in a state.
    pub fn domain_names(&self, listed: Listed, deadline: Deadline) -> Result<Vec<String>> {
        let query = [("state", listed.word())];
        let value = self.get_value(&["xend", "domain"], &query, "list the domains", deadline)?;
        let names = value.as_list().and_then(|names| names.iter().map(Sexpr::as_atom).collect());
        let names: Vec<&str> =
            names.ok_or_else(|| self.not_understood("a list of domains without their names"))?;
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// All domains that it knows, live or managed, each as `(domain ...)`; without `halted` only those that are not halted.
    ///
    /// Each is asked about once, so that none is missed or shown twice because it starts or stops meanwhile.
    ///
    /// xend answers the running ones at once. Paused, suspended and crashed ones are not in that answer (recorded: every
    /// xend but 3.0.2), so each other name that it knows costs one request.
    pub fn domains_detailed(&self, halted: bool, deadline: Deadline) -> Result<Vec<Sexpr>> {
        let mut names = self.domain_names(Listed::All, deadline)?;
        if !halted {
            let halted: HashSet<String> = self.domain_names(Listed::Halted, deadline)?.into_iter().collect();
            names.retain(|name| !halted.contains(name));
        }
        let query = [("detail", "1")];
        let mut domains = match self.get_value(&["xend", "domain"], &query, "list the domains", deadline)? {
            Sexpr::List(domains) => domains,
            Sexpr::Atom(_) => return Err(self.not_understood("an atom for a list of domains")),
        };
        let seen: HashSet<&str> = domains.iter().filter_map(|domain| domain.value("name")).collect();
        names.retain(|name| !seen.contains(name.as_str()));
        for name in names {
            // One that is gone since is not there.
            domains.extend(self.domain(&name, deadline)?);
        }
        Ok(domains)
    }

    /// One domain, live or managed, as `(domain ...)`; None where xend does not know it. It is inactive if there is no `domid`
    /// in it.
    pub fn domain(&self, domain: &str, deadline: Deadline) -> Result<Option<Sexpr>> {
        match self.get_value(&path_of(domain), &[], &format!("describe the domain '{domain}'"), deadline) {
            Ok(value) if value.name() == Some("domain") => Ok(Some(value)),
            Ok(_) => Err(self.not_understood("something else for a domain")),
            Err(error) if error.status == Status::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a managed domain of `(vm ...)`, or changes the one with its uuid (and renames it, if the name differs).
    /// xend_config_format 3 and later.
    pub fn define(&self, config: &Sexpr, deadline: Deadline) -> Result<()> {
        let config = config.to_bytes();
        self.post(
            &["xend", "domain"],
            &[("op", b"new"), ("config", &config)],
            "define the domain",
            deadline,
        )?;
        Ok(())
    }

    /// Creates a transient domain of `(vm ...)`: it is left paused, its devices are not waited for. The new domain as `(domain ...)`.
    pub fn create(&self, config: &Sexpr, deadline: Deadline) -> Result<Sexpr> {
        let config = config.to_bytes();
        let fields: [(&str, &[u8]); 2] = [("op", b"create"), ("config", &config)];
        match self.post(&["xend", "domain"], &fields, "create the domain", deadline)? {
            Some(domain) if domain.name() == Some("domain") => Ok(domain),
            _ => Err(self.not_understood("something else for a new domain")),
        }
    }

    /// Starts a managed domain. It runs when this returns: xend cannot start one paused over HTTP.
    pub fn start(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "start", &[], deadline)
    }

    /// Forgets a managed domain that does not run.
    pub fn delete(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "delete", &[], deadline)
    }

    /// Ends a domain's life at once. A managed one becomes inactive, any other is gone.
    pub fn destroy(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "destroy", &[], deadline)
    }

    /// Pauses.
    pub fn pause(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "pause", &[], deadline)
    }

    /// Unpauses.
    pub fn unpause(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "unpause", &[], deadline)
    }

    /// Asks the guest; returns when it was asked.
    pub fn shutdown(&self, domain: &str, request: ShutdownRequest, deadline: Deadline) -> Result<()> {
        self.operate(domain, "shutdown", &[("reason", request.word())], deadline)
    }

    /// Saves a live domain into a file of xend's machine, and ends its life. A domain that does not run is never answered for.
    pub fn save(&self, domain: &str, file: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "save", &[("file", file)], deadline)
    }

    /// Begins the next life of a saved domain, which runs then. xend does not say which one it is, and never answers for a file that is
    /// not there.
    pub fn restore(&self, file: &str, deadline: Deadline) -> Result<()> {
        let fields: [(&str, &[u8]); 2] = [("op", b"restore"), ("file", file.as_bytes())];
        self.post(&["xend", "domain"], &fields, "restore a domain", deadline).map(drop)
    }

    /// Waits until the devices of a new domain are connected; xend gives up after 100 s.
    pub fn wait_for_devices(&self, domain: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "wait_for_devices", &[], deadline)
    }

    /// Renames.
    pub fn rename(&self, domain: &str, name: &str, deadline: Deadline) -> Result<()> {
        self.operate(domain, "rename", &[("name", name)], deadline)
    }

    /// Sets the most memory that a domain may have, MiB.
    pub fn set_max_memory(&self, domain: &str, mib: u64, deadline: Deadline) -> Result<()> {
        self.operate(domain, "maxmem_set", &[("memory", &mib.to_string())], deadline)
    }

    /// Sets how much memory a domain shall have, MiB.
    pub fn set_memory_target(&self, domain: &str, mib: u64, deadline: Deadline) -> Result<()> {
        self.operate(domain, "mem_target_set", &[("target", &mib.to_string())], deadline)
    }

    /// Sets how many vcpus shall be online.
    pub fn set_vcpus(&self, domain: &str, vcpus: u32, deadline: Deadline) -> Result<()> {
        self.operate(domain, "set_vcpus", &[("vcpus", &vcpus.to_string())], deadline)
    }

    /// Whether xend remembers the domain when it does not run. xend does not say so of a running domain; its folder does.
    ///
    /// Errors: [`Status::NotSupported`] for a xend on another machine, [`Status::AccessDenied`] where the folder cannot be read.
    pub fn is_managed(&self, uuid: Uuid) -> Result<bool> {
        let Some(folder) = &self.domains_dir else {
            return Err(Error::new(
                Status::NotSupported,
                "whether xend manages a running domain only shows in its folder, which is on another machine",
            )
            .on(Road::Xend));
        };
        exists(&folder.join(uuid.hyphenated().to_string()))
            .map_err(|error| Error::from_io(Road::Xend, format!("cannot read {}", folder.display()), &error))
    }

    /// An operation on one domain that answers nothing of interest.
    fn operate(&self, domain: &str, op: &str, fields: &[(&str, &str)], deadline: Deadline) -> Result<()> {
        let mut form: Vec<(&str, &[u8])> = vec![("op", op.as_bytes())];
        form.extend(fields.iter().map(|(name, value)| (*name, value.as_bytes())));
        self.post(&path_of(domain), &form, &format!("{} the domain '{domain}'", error::verb(op)), deadline)?;
        Ok(())
    }

    fn get_value(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        what: &str,
        deadline: Deadline,
    ) -> Result<Sexpr> {
        let value = self.ask(&Request::get(path, query), what, deadline)?;
        value.ok_or_else(|| self.not_understood("nothing"))
    }

    /// What xend answers to a GET of `path` with `query`, as it is: for a capture.
    pub fn ask_raw(&self, path: &[&str], query: &[(&str, &str)], deadline: Deadline) -> Result<Sexpr> {
        self.get_value(path, query, "answer", deadline)
    }

    fn post(
        &self,
        path: &[&str],
        fields: &[(&str, &[u8])],
        what: &str,
        deadline: Deadline,
    ) -> Result<Option<Sexpr>> {
        self.ask(&Request::post(path, fields), what, deadline)
    }

    /// Sends a request and finds out what the answer says. `what` completes "xend cannot".
    fn ask(&self, request: &Request, what: &str, deadline: Deadline) -> Result<Option<Sexpr>> {
        let bytes = request.to_bytes().map_err(|too_large| {
            Error::new(Status::InvalidConfig, format!("cannot {what}: {too_large}")).on(Road::Xend)
        })?;
        let response = self.exchange(&bytes, request, deadline)?;
        let answer = xend_http::interpret(&response)
            .map_err(|error| self.not_understood(&format!("what is no S-expression ({error})")))?;
        match answer {
            Answer::Value(value) => Ok(Some(value)),
            Answer::Empty => Ok(None),
            Answer::Text(_) => Err(self.not_understood("a text")),
            Answer::Error { message, http_status } => {
                let no_domain = error::means_unknown_domain(&response, &message);
                Err(error::refused(what, &message, http_status, no_domain))
            }
        }
    }

    /// One connection, one request, one response.
    fn exchange(&self, bytes: &[u8], request: &Request, deadline: Deadline) -> Result<Response> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::connect(&*self.dial, deadline)
            .map_err(|error| error::no_connection(&self.dial, &error))?;
        let interrupted = |error: io::Error| error::interrupted(&self.dial, request, &error);
        match stream.write_all(bytes, deadline) {
            // A request that xend refuses by its head is answered before all of it was read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other.map_err(interrupted)?,
        }
        let mut reader = ResponseReader::new(xend_http::MAX_ANSWER);
        let mut buffer = [0; 16 << 10];
        loop {
            let length = stream.read(&mut buffer, deadline).map_err(interrupted)?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.is_empty() {
                return Err(error::unreadable(&self.dial, request, &reader.end()));
            }
            let response =
                reader.feed(bytes).map_err(|error| error::unreadable(&self.dial, request, &error))?;
            if let Some(response) = response {
                return Ok(response);
            }
        }
    }

    /// An answer that is not what any known xend answers.
    fn not_understood(&self, what: &str) -> Error {
        error::not_understood(&self.dial, what)
    }
}

impl std::fmt::Debug for Xend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Xend({})", self.dial.describe())
    }
}

fn path_of(domain: &str) -> [&str; 3] {
    ["xend", "domain", domain]
}

/// Like `Path::try_exists`, but an unreadable folder is an error and not "no".
fn exists(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
