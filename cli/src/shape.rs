//! How the model looks in `--json`. The words are stable: they are not the ones for people, which may improve.

use serde_json::{Map, Value, json};
use xenith::Status;
use xenith::model::{DomainInfo, GuestType, Reason, State};

/// A domain's id, name and uuid.
pub(crate) fn reference(id: Option<u32>, name: Option<&str>, uuid: impl ToString) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".into(), json!(id));
    object.insert("name".into(), json!(name));
    object.insert("uuid".into(), json!(uuid.to_string()));
    object
}

/// State and figures, as `list` and `dominfo` show them.
pub(crate) fn domain(name: Option<&str>, info: &DomainInfo, kind: Option<GuestType>) -> Map<String, Value> {
    let mut object = reference(info.domid, name, info.uuid);
    let figures = [
        ("state", json!(state(info.state))),
        ("reason", json!(reason(info.reason))),
        ("os_type", json!(kind.map(GuestType::os_type))),
        ("vcpus", json!(info.vcpus_online)),
        ("max_vcpus", json!(info.vcpus_max)),
        ("cpu_time_ns", json!(info.cpu_time_ns)),
        ("memory_kib", json!(info.memory_kib)),
        ("max_memory_kib", json!(info.max_memory_kib)),
        ("shared_kib", json!(info.shared_kib)),
        ("paged_kib", json!(info.paged_kib)),
        ("outstanding_kib", json!(info.outstanding_kib)),
        ("cpupool", json!(info.cpupool)),
        ("ssidref", json!(info.ssidref)),
    ];
    object.extend(figures.map(|(key, value)| (key.to_owned(), value)));
    object
}

/// The state's word.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Blocked => "blocked",
        State::Paused => "paused",
        State::Shutdown => "shutdown",
        State::Shutoff => "shutoff",
        State::Crashed => "crashed",
        State::Suspended => "suspended",
        _ => "unknown",
    }
}

/// The reason's word.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::OnCpu => "on_cpu",
        Reason::Runnable => "runnable",
        Reason::Idle => "idle",
        Reason::PausedByToolstack => "paused_by_toolstack",
        Reason::Poweroff => "poweroff",
        Reason::Reboot => "reboot",
        Reason::Suspend => "suspend",
        Reason::Crash => "crash",
        Reason::Watchdog => "watchdog",
        Reason::SoftReset => "soft_reset",
        Reason::TearingDown => "tearing_down",
        Reason::Inactive => "inactive",
        _ => "unknown",
    }
}

/// A status's word: the name that it has in C and in Python.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::InvalidArg => "invalid_arg",
        Status::InvalidUri => "invalid_uri",
        Status::InvalidConfig => "invalid_config",
        Status::NoMemory => "no_memory",
        Status::NoConnect => "no_connect",
        Status::AccessDenied => "access_denied",
        Status::NotFound => "not_found",
        Status::Exists => "exists",
        Status::Stale => "stale",
        Status::InvalidState => "invalid_state",
        Status::NotSupported => "not_supported",
        Status::Timeout => "timeout",
        Status::Closed => "closed",
        Status::Protocol => "protocol",
        Status::OperationFailed => "operation_failed",
        _ => "internal",
    }
}

/// The keys of [`domain`], for help texts. One text: what is printed and what is documented are tested against each other.
macro_rules! domain_keys {
    () => {
        "  id              number; null when it is not running
  name            text; null for a live domain that has none
  uuid            text
  state           running, blocked, paused, shutdown (being torn down),
                  shutoff, crashed, suspended, unknown
  reason          on_cpu, runnable, idle, paused_by_toolstack, poweroff,
                  reboot, suspend, crash, watchdog, soft_reset,
                  tearing_down, inactive, unknown
  os_type         linux (PV), hvm, xenpvh, or null
  vcpus           vcpus that are online
  max_vcpus       vcpus that exist
  cpu_time_ns     processor time of this life, ns
  memory_kib      memory it has now, KiB
  max_memory_kib  the most it may have, KiB; null where there is no limit
  shared_kib      memory shared with other domains, KiB
  paged_kib       memory paged out, KiB
  outstanding_kib memory claimed and not yet there, KiB
  cpupool         the cpupool that it runs in
  ssidref         the number of its security label"
    };
}
pub(crate) use domain_keys;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented_and_absent_figures_are_null() {
        let info = DomainInfo::without_figures(xenith::model::Uuid::nil(), State::Shutoff, Reason::Inactive);
        let object = domain(None, &info, None);
        for (key, value) in &object {
            assert!(domain_keys!().contains(key.as_str()), "{key}");
            assert_eq!(value.is_null(), !["uuid", "state", "reason"].contains(&key.as_str()), "{key}");
        }
        assert_eq!(object.len(), 16);
    }
}
