//! What the embedded host is like: its release, its size, how fast its guests are, and which faults were ordered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::replay;
use crate::error::{Error, Result, Status};
use crate::format::capture::Capture;
use crate::sim::release::Release;

/// The embedded host's configuration; `xen+sim:///?KEY=VALUE&...` writes it down ([`SimConfig::from_query`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// The hypervisor's release, and with it the age of the whole host.
    pub release: Release,
    /// Its toolstack; None: the one that a host of that age usually has.
    pub tools: Option<Tools>,
    /// The host's memory, KiB. None: enough for what `domains` asks, and never less than [`DEFAULT_MEMORY_KIB`].
    pub memory_kib: Option<u64>,
    /// Physical processors.
    pub cpus: u32,
    /// How many transient guests run from the start.
    pub domains: u32,
    /// How long a guest boots once it is unpaused.
    pub boot: Duration,
    /// How long a guest takes from seeing control/shutdown to being down.
    pub shutdown: Duration,
    /// Faults on order.
    pub faults: Faults,
    /// The directory of a host that serves many processes; None: a host of this process alone.
    pub dir: Option<PathBuf>,
    /// The host's own name.
    pub name: String,
    /// A capture whose host this one stands in for; nothing but its directory counts beside it.
    pub capture: Option<Arc<Capture>>,
}

/// The host's memory when nobody says otherwise: 16 GiB.
pub const DEFAULT_MEMORY_KIB: u64 = 16 << 20;

/// The memory of each guest that `domains` asks for, KiB.
pub const BENCH_GUEST_KIB: u64 = 64 << 10;

const MAX_CPUS: u64 = 512;
const MAX_DOMAINS: u64 = 20_000;
const MAX_MEMORY_KIB: u64 = 16 << 30;
const MIN_MEMORY_KIB: u64 = 512 << 10;
const MAX_DELAY_MS: u64 = 600_000;

impl Default for SimConfig {
    fn default() -> Self {
        SimConfig {
            release: Release::XEN_4_17,
            tools: None,
            memory_kib: None,
            cpus: 4,
            domains: 0,
            boot: Duration::from_millis(20),
            shutdown: Duration::from_millis(50),
            faults: Faults::default(),
            dir: None,
            name: "xenith-sim".into(),
            capture: None,
        }
    }
}

impl SimConfig {
    /// Reads the query of a `xen+sim:///` URI.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `xen` | a word of [`AGES`](crate::sim::release::AGES): `3.0.1` to `4.22`; `4.17` is the default |
    /// | `toolstack` | `xend` (up to 4.4; their default), `xl` (from 4.1; the default from 4.5) or `none` |
    /// | `memory` | the host's memory: KiB, or a number with M or G behind it (512M to 16384G) |
    /// | `cpus` | physical processors, 1 to 512 |
    /// | `domains` | transient guests that run from the start, 0 to 20,000 |
    /// | `boot`, `shutdown` | how long a guest takes to do so, ms |
    /// | `fault` | `ROAD:KIND[,ROAD:KIND]`, see [`Faults`] |
    /// | `capture` | a capture's file: a host that answers as that one did; no other key goes with it |
    /// | `dir` | a directory where `xenith sim --dir` serves a host; no other key goes with it |
    ///
    /// Errors: [`Status::InvalidUri`] for an unknown key or a value out of range, naming both.
    pub fn from_query<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<SimConfig> {
        let mut config = SimConfig::default();
        let mut others = Vec::new();
        for (key, value) in query {
            if !matches!(key, "dir" | "capture") {
                others.push(key);
            }
            match key {
                "capture" if value.starts_with('/') => {
                    let capture = replay::read(Path::new(value))?;
                    config.tools = Some(match () {
                        () if replay::has_xend(&capture) => Tools::Xend,
                        () if replay::has_xl(&capture) => Tools::Xl,
                        () => Tools::None,
                    });
                    config.capture = Some(capture);
                }
                "capture" => {
                    return Err(bad(format!(
                        "capture={value} is not an absolute path: write capture=/absolute/path"
                    )));
                }
                "xen" => config.release = Release::of_age(value)?,
                "toolstack" => config.tools = Some(Tools::named(value)?),
                "memory" => config.memory_kib = Some(memory(value)?),
                "cpus" => config.cpus = number(key, value, 1, MAX_CPUS)? as u32,
                "domains" => config.domains = number(key, value, 0, MAX_DOMAINS)? as u32,
                "boot" => config.boot = Duration::from_millis(number(key, value, 0, MAX_DELAY_MS)?),
                "shutdown" => config.shutdown = Duration::from_millis(number(key, value, 0, MAX_DELAY_MS)?),
                "fault" => config.faults = Faults::parse(value)?,
                "dir" if value.starts_with('/') => config.dir = Some(PathBuf::from(value)),
                "dir" => {
                    return Err(bad(format!(
                        "dir={value} is not an absolute path: write dir=/absolute/path"
                    )));
                }
                _ => {
                    return Err(bad(format!(
                        "xen+sim has no option '{key}': it has xen, toolstack, memory, cpus, domains, boot, shutdown, fault, dir and capture"
                    )));
                }
            }
        }
        if let (Some(_), [first, ..]) = (&config.dir, others.as_slice()) {
            return Err(bad(format!(
                "dir joins a host that is served already: '{first}' is for who serves it, with xenith sim"
            )));
        }
        if config.capture.is_some() {
            if let Some(other) = others.first().copied().or(config.dir.is_some().then_some("dir")) {
                return Err(bad(format!("capture is a host of its own: '{other}' does not go with it")));
            }
            config.name = format!("{}-capture", config.name);
            return Ok(config);
        }
        config.check_tools()?;
        Ok(config)
    }

    /// The toolstack that the host has.
    pub fn tools(&self) -> Tools {
        let usual = if self.release.at_least(4, 5) { Tools::Xl } else { Tools::Xend };
        self.tools.unwrap_or(usual)
    }

    /// Whether files in /etc/xen remember the domains that do not run: xend does since Xen 3.0.4.
    pub(super) fn keeps_files(&self) -> bool {
        self.tools() != Tools::Xend || !self.release.at_least_point(3, 0, 4)
    }

    /// Whether a host of that age can have that toolstack here.
    fn check_tools(&self) -> Result<()> {
        let why = match self.tools() {
            Tools::Xend if self.release.at_least(4, 5) => "Xen 4.5 was the first without xend",
            Tools::Xl if !self.release.at_least(4, 1) => "xl came with Xen 4.1",
            Tools::Xend | Tools::Xl | Tools::None => return Ok(()),
        };
        let (tools, age) = (self.tools().name(), self.release.word());
        Err(bad(format!("toolstack={tools} does not go with xen={age}: {why}")))
    }

    /// The host's memory, KiB: as ordered, or what the ordered guests need.
    pub fn host_memory_kib(&self) -> u64 {
        let needed = u64::from(self.domains) * BENCH_GUEST_KIB;
        self.memory_kib.unwrap_or(DEFAULT_MEMORY_KIB + needed)
    }
}

/// The toolstack of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// The xend daemon (Xen 4.4 and before).
    Xend,
    /// The xl command (Xen 4.1 and later). It speaks as that of 4.17 at every age.
    Xl,
    /// None: a hypervisor and a xenstored, and domains that others made.
    None,
}

impl Tools {
    /// The word that the URI has for it.
    pub fn name(self) -> &'static str {
        match self {
            Tools::Xend => "xend",
            Tools::Xl => "xl",
            Tools::None => "none",
        }
    }

    /// From its word.
    ///
    /// Errors: [`Status::InvalidUri`].
    pub fn named(word: &str) -> Result<Tools> {
        let all = [Tools::Xend, Tools::Xl, Tools::None];
        all.into_iter()
            .find(|tools| tools.name() == word)
            .ok_or_else(|| bad(format!("toolstack={word} is none of xend, xl and none")))
    }
}

/// Which roads are broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// The hypervisor: `fail` (EPERM) or `rubbish` (success, and garbage where the answer should be).
    pub hypercall: Option<Fault>,
    /// xenstored's socket.
    pub xenstore: Option<Fault>,
    /// xend's socket.
    pub xend: Option<Fault>,
    /// The xl command.
    pub xl: Option<Fault>,
}

/// How a road is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A hypercall answers EPERM; a connection is refused; xl exits with 1, because it cannot reach the hypervisor.
    Fail,
    /// A connection is accepted and never answered; xl does not end.
    Hang,
    /// The answer is garbage.
    Rubbish,
    /// A connection is closed at its first request; xl is killed at once.
    Close,
    /// `xl create` is killed half way and leaves what it had made; nothing else fails.
    Half,
    /// `xl create` stops half way and does not end; nothing else fails.
    Stuck,
    /// Hypercalls only: an interface newer than any that is known. xl, which comes with its hypervisor, works.
    Newer,
    /// Hypercalls only: built without sysctls (4.21 and later can be).
    NoSysctl,
}

impl Faults {
    /// Reads `ROAD:KIND[,ROAD:KIND]`: roads `hypercall`, `xenstore`, `xend`, `xl`; kinds `fail`, `hang`, `rubbish`, `close`, for
    /// xl also `half` and `stuck`, for hypercalls `newer` and `nosysctl`.
    pub fn parse(text: &str) -> Result<Faults> {
        let mut faults = Faults::default();
        for order in text.split(',') {
            let (road, kind) = order
                .split_once(':')
                .ok_or_else(|| bad(format!("fault={order} is not ROAD:KIND, such as xend:hang")))?;
            let kind = match kind {
                "fail" => Fault::Fail,
                "hang" => Fault::Hang,
                "rubbish" => Fault::Rubbish,
                "close" => Fault::Close,
                "half" => Fault::Half,
                "stuck" => Fault::Stuck,
                "newer" => Fault::Newer,
                "nosysctl" => Fault::NoSysctl,
                _ => {
                    return Err(bad(format!(
                        "there is no fault '{kind}': there are fail, hang, rubbish and close, for xl half and stuck, for hypercalls newer and nosysctl"
                    )));
                }
            };
            match road {
                // The kernel offers no deadline for a hypercall, and there is no connection to close.
                "hypercall" if matches!(kind, Fault::Hang | Fault::Close | Fault::Half | Fault::Stuck) => {
                    return Err(bad(
                        "a hypercall can only fail, answer rubbish, be newer or miss its sysctls".to_string(),
                    ));
                }
                "xenstore" | "xend" | "xl" if matches!(kind, Fault::Newer | Fault::NoSysctl) => {
                    return Err(bad(format!("only hypercalls have interface versions: {road} has none")));
                }
                "xenstore" | "xend" if matches!(kind, Fault::Half | Fault::Stuck) => {
                    return Err(bad(format!(
                        "only xl can be ended half way: {road} can fail, hang, answer rubbish and close"
                    )));
                }
                "hypercall" => faults.hypercall = Some(kind),
                "xenstore" => faults.xenstore = Some(kind),
                "xend" => faults.xend = Some(kind),
                "xl" => faults.xl = Some(kind),
                _ => {
                    return Err(bad(format!(
                        "there is no road '{road}' to break: there are hypercall, xenstore, xend and xl"
                    )));
                }
            }
        }
        Ok(faults)
    }
}

fn bad(message: String) -> Error {
    Error::new(Status::InvalidUri, message)
}

fn number(key: &str, value: &str, min: u64, max: u64) -> Result<u64> {
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| bad(format!("{key}={value} is not a number from {min} to {max}")))
}

fn memory(value: &str) -> Result<u64> {
    let (digits, unit) = match value.strip_suffix(['M', 'm']) {
        Some(digits) => (digits, 1 << 10),
        None => match value.strip_suffix(['G', 'g']) {
            Some(digits) => (digits, 1 << 20),
            None => (value, 1),
        },
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|kib| (MIN_MEMORY_KIB..=MAX_MEMORY_KIB).contains(kib))
        .ok_or_else(|| {
            bad(format!("memory={value} is not an amount from 512M to 16384G (a plain number is in KiB)"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::release::AGES;

    fn read(query: &[(&str, &str)]) -> Result<SimConfig> {
        SimConfig::from_query(query.iter().copied())
    }

    #[test]
    fn every_key_is_read() {
        let config = read(&[
            ("xen", "4.1"),
            ("memory", "4G"),
            ("cpus", "8"),
            ("domains", "10"),
            ("boot", "5"),
            ("shutdown", "7"),
            ("fault", "xend:hang,hypercall:fail"),
        ])
        .unwrap();
        assert_eq!(config.release, Release::XEN_4_1);
        assert_eq!(config.memory_kib, Some(4 << 20));
        assert_eq!((config.cpus, config.domains), (8, 10));
        assert_eq!((config.boot, config.shutdown), (Duration::from_millis(5), Duration::from_millis(7)));
        assert_eq!(config.faults.xend, Some(Fault::Hang));
        assert_eq!(config.faults.hypercall, Some(Fault::Fail));
        assert_eq!(config.faults.xenstore, None);
        assert_eq!(config.dir, None);
        let joined = read(&[("dir", "/tmp/x")]).unwrap();
        assert_eq!(joined.dir.as_deref(), Some(std::path::Path::new("/tmp/x")));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (key, value, said) in [
            ("colour", "red", "'colour'"),
            ("xen", "9.9", "4.10 to 4.22"),
            ("toolstack", "xm", "xend, xl and none"),
            ("memory", "1", "512M"),
            ("memory", "99999999999999999999G", "512M"),
            ("cpus", "0", "from 1 to 512"),
            ("cpus", "-1", "from 1 to 512"),
            ("domains", "1000000", "20000"),
            ("dir", "relative", "absolute"),
            ("fault", "xend", "ROAD:KIND"),
            ("fault", "xend:sulk", "'sulk'"),
            ("fault", "moon:fail", "'moon'"),
            ("fault", "hypercall:hang", "only fail"),
            ("fault", "xl:newer", "only hypercalls"),
            ("fault", "xend:half", "only xl"),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert_eq!(error.status, Status::InvalidUri);
            assert!(error.message.contains(said), "{key}={value}: {error}");
        }
    }

    #[test]
    fn each_age_has_its_toolstacks_and_no_other() {
        for (xen, tools, works) in [
            ("3.4", Tools::Xend, true),
            ("4.1", Tools::Xend, true),
            ("4.4", Tools::Xend, true),
            ("4.4", Tools::None, true),
            ("4.4", Tools::Xl, true),
            ("4.1", Tools::Xl, true),
            ("4.0", Tools::Xl, false),
            ("3.0.1", Tools::Xend, true),
            ("4.5", Tools::Xend, false),
            ("4.17", Tools::Xl, true),
            ("4.17", Tools::None, true),
            ("4.17", Tools::Xend, false),
        ] {
            for query in
                [[("xen", xen), ("toolstack", tools.name())], [("toolstack", tools.name()), ("xen", xen)]]
            {
                assert_eq!(read(&query).map(|config| config.tools()).ok(), works.then_some(tools), "{xen}");
            }
        }
        for age in AGES {
            let usual = if age.release.at_least(4, 5) { Tools::Xl } else { Tools::Xend };
            assert_eq!(read(&[("xen", age.word)]).unwrap().tools(), usual, "{}", age.word);
        }
        let usual = read(&[]).unwrap();
        assert_eq!((usual.release, usual.tools()), (Release::XEN_4_17, Tools::Xl));
    }

    #[test]
    fn a_host_that_is_joined_is_not_told_what_it_is_like() {
        for query in [[("dir", "/tmp/x"), ("xen", "4.1")], [("cpus", "2"), ("dir", "/tmp/x")]] {
            let error = read(&query).unwrap_err();
            assert!(error.message.contains("served already"), "{error}");
        }
    }

    #[test]
    fn memory_grows_with_the_guests_that_are_ordered_unless_it_is_given() {
        assert_eq!(read(&[]).unwrap().host_memory_kib(), DEFAULT_MEMORY_KIB);
        let many = read(&[("domains", "10000")]).unwrap();
        assert_eq!(many.host_memory_kib(), DEFAULT_MEMORY_KIB + 10_000 * BENCH_GUEST_KIB);
        let tight = read(&[("domains", "10000"), ("memory", "1G")]).unwrap();
        assert_eq!(tight.host_memory_kib(), 1 << 20);
    }
}
