//! Verbs that look at one domain.

use clap::Args;
use serde_json::{Value, json};
use xenith::driver::{Connection, Domain};
use xenith::model::{DomainInfo, State};
use xenith::{Result, Road, Status};

use crate::answer::{Answer, visible};
use crate::failure::Failure;
use crate::{shape, target};

/// The domain that is meant.
#[derive(Debug, Args)]
pub(crate) struct DomainArg {
    /// Its id, uuid or name
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
}

impl DomainArg {
    pub(crate) fn find(&self, connection: &Connection) -> Result<Domain, Failure> {
        target::find(connection, &self.domain)
    }
}

pub(crate) const DOMINFO_JSON: &str = concat!(
    "With --json, an object with these keys:\n",
    shape::domain_keys!(),
    "\n  persistent      true or false; null where the host does not say\n",
    "  autostart       whether it starts with the host; null likewise\n",
    "  monitor         whether the process runs that acts when its life ends; null\n",
    "                  when it is not running, and on hosts without such"
);

/// `dominfo`
pub(crate) fn dominfo(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    let domain = args.find(connection)?;
    let info = domain.info()?;
    let name = name_of(&domain)?;
    let kind = match info.guest_type {
        Some(kind) => Some(kind),
        None => if_told(domain.os_type())?,
    };
    let persistent = if_told(domain.is_persistent())?;
    // A transient domain cannot be; asking is an error.
    let autostart = if persistent == Some(false) { Some(false) } else { if_told(domain.autostart())? };
    let monitor = monitor_of(&domain, &info)?;

    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".into());
    let kib = |figure: Option<u64>| or_dash(figure.map(|kib| format!("{kib} KiB")));
    let mut lines = vec![
        ("Id:", or_dash(info.domid.map(|id| id.to_string()))),
        ("Name:", or_dash(name.as_deref().map(visible))),
        ("UUID:", info.uuid.to_string()),
        ("OS Type:", or_dash(kind.map(|kind| kind.os_type().to_owned()))),
        ("State:", info.state.name().to_owned()),
        ("CPU(s):", or_dash(info.vcpus_online.or(info.vcpus_max).map(|vcpus| vcpus.to_string()))),
        ("CPU time:", or_dash(info.cpu_time_ns.map(seconds))),
        ("Max memory:", kib(info.max_memory_kib)),
        ("Used memory:", kib(info.memory_kib)),
        ("Persistent:", or_dash(persistent.map(|yes| if yes { "yes" } else { "no" }.to_owned()))),
        ("Autostart:", or_dash(autostart.map(|yes| if yes { "enable" } else { "disable" }.to_owned()))),
    ];
    // Where a host has no monitors there is nothing to say of one.
    lines.extend(monitor.map(|there| {
        ("Monitor:", if there { "running".to_owned() } else { missing_monitor(name.as_deref(), &info) })
    }));
    let text: String = lines.iter().map(|(key, value)| format!("{key:<15} {value}\n")).collect();
    let mut object = shape::domain(name.as_deref(), &info, kind);
    let more =
        [("persistent", json!(persistent)), ("autostart", json!(autostart)), ("monitor", json!(monitor))];
    object.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Ok(Answer::new(text, Value::Object(object)))
}

/// Whether a life's monitor runs; None where there is no life, or no such thing as a monitor.
fn monitor_of(domain: &Domain, info: &DomainInfo) -> Result<Option<bool>, Failure> {
    match info.domid {
        // Domain-0 is nobody's child, and of one that is being torn down there is nothing left to mind.
        None | Some(0) => Ok(None),
        Some(_) if info.state == State::Shutdown => Ok(None),
        Some(_) => match domain.has_monitor() {
            // The life has ended since.
            Err(error) if matches!(error.status, Status::InvalidState | Status::Stale | Status::NotFound) => {
                Ok(None)
            }
            answer => if_told(answer),
        },
    }
}

fn missing_monitor(name: Option<&str>, info: &DomainInfo) -> String {
    let domain = name.map_or_else(|| info.uuid.to_string(), visible);
    format!("missing (run: xenith monitor --detach {domain})")
}

/// Whether `domstate` says why.
#[derive(Debug, Args)]
pub(crate) struct DomstateArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// Say why, too, and whether its monitor is missing
    #[arg(long)]
    reason: bool,
}

pub(crate) const DOMSTATE_JSON: &str = "\
With --json: {\"state\": TEXT, \"reason\": TEXT, \"monitor\": true, false or null}, the first two in the words that `xenith help list` \
gives, the last as `xenith help dominfo` has it.";

/// `domstate`
pub(crate) fn domstate(connection: &Connection, args: &DomstateArgs) -> Result<Answer, Failure> {
    let domain = args.domain.find(connection)?;
    let info = domain.info()?;
    let monitor = monitor_of(&domain, &info)?;
    let mut text = info.state.name().to_owned();
    if args.reason {
        text = format!("{text} ({})", info.reason.name());
        if monitor == Some(false) {
            text.push_str(&format!("\nmonitor: {}", missing_monitor(name_of(&domain)?.as_deref(), &info)));
        }
    }
    Ok(Answer::new(
        text,
        json!({ "state": shape::state(info.state), "reason": shape::reason(info.reason), "monitor": monitor }),
    ))
}

/// Which of a domain's configurations `dumpxml` shows.
#[derive(Debug, Args)]
pub(crate) struct DumpxmlArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// Its configuration, without what only a running domain has
    #[arg(long)]
    inactive: bool,
}

pub(crate) const DUMPXML_JSON: &str = "With --json: {\"xml\": TEXT}, the same XML.";

/// `dumpxml`
pub(crate) fn dumpxml(connection: &Connection, args: &DumpxmlArgs) -> Result<Answer, Failure> {
    let xml = args.domain.find(connection)?.xml(args.inactive)?;
    Ok(Answer::new(xml.clone(), json!({ "xml": xml })))
}

pub(crate) const REFERENCE_JSON: &str = "\
With --json: {\"id\": N or null, \"name\": TEXT or null, \"uuid\": TEXT}, the same for domid, domuuid and domname.";

/// `domid`
pub(crate) fn domid(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    let domain = args.find(connection)?;
    let id = domain.id()?;
    let json = shape::reference(id, name_of(&domain)?.as_deref(), domain.uuid());
    Ok(Answer::new(id.map_or_else(|| "-".into(), |id| id.to_string()), Value::Object(json)))
}

/// `domuuid`
pub(crate) fn domuuid(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    let domain = args.find(connection)?;
    let json = shape::reference(domain.id()?, name_of(&domain)?.as_deref(), domain.uuid());
    Ok(Answer::new(domain.uuid().to_string(), Value::Object(json)))
}

/// `domname`
pub(crate) fn domname(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    let domain = args.find(connection)?;
    let name = domain.name()?;
    let json = shape::reference(domain.id()?, Some(&name), domain.uuid());
    Ok(Answer::new(visible(&name), Value::Object(json)))
}

/// The name; None for a live domain that has none.
pub(crate) fn name_of(domain: &Domain) -> Result<Option<String>, Failure> {
    match domain.name() {
        Ok(name) => Ok(Some(name)),
        // A xenstored that is gone or hangs takes names with it, and nothing else that is shown.
        Err(error) if error.status == Status::NotFound || error.road == Road::Xenstore => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A figure that a host may be unable, or unwilling, to tell: then it is absent, and the rest is shown.
fn if_told<T>(answer: Result<T>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(error.status, Status::NotSupported | Status::AccessDenied | Status::NoConnect)
                || error.road == Road::Xenstore =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// virsh's one decimal: 6.1s.
fn seconds(ns: u64) -> String {
    let tenths = ns / 100_000_000;
    format!("{}.{}s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_shown_in_tenths_of_a_second() {
        assert_eq!(seconds(0), "0.0s");
        assert_eq!(seconds(6_199_999_999), "6.1s");
        assert_eq!(seconds(u64::MAX), "18446744073.7s");
    }
}
