//! What xend's `(domain ...)` value says of a domain's identity and figures (facts: xend.md 6).

use std::sync::Arc;

use crate::error::{Error, Result, Road, Status};
use crate::model::state::LiveBits;
use crate::model::{DomId, DomainInfo, DomainRow, GuestType, Reason, State, Uuid};
use crate::wire::sexpr::Sexpr;

/// Domain-0's maxmem where it has no limit: this many MiB, or in 3.0.4 one more (facts: xend.md 6 and recordings).
const NO_LIMIT_MIB: u64 = 16_777_215;

/// A domain as xend sees it.
#[derive(Debug, Clone)]
pub(super) struct XendDomain {
    /// Its name.
    pub name: String,
    /// Identity, state and figures.
    pub info: DomainInfo,
}

impl XendDomain {
    /// Reads a `(domain ...)` value.
    pub(super) fn read(domain: &Sexpr) -> Result<Self> {
        let name =
            domain.value("name").filter(|name| !name.is_empty()).ok_or_else(|| strange("name", domain))?;
        let uuid = domain
            .value("uuid")
            .and_then(|text| Uuid::try_parse(text).ok())
            .ok_or_else(|| strange("uuid", domain))?;
        // The absence of a domid is the test for an inactive domain; Python's None is printed as an atom.
        let domid = match domain.value("domid") {
            None | Some("" | "None" | "-1") => None,
            Some(text) => Some(text.parse::<DomId>().map_err(|_| strange("domid", domain))?),
        };
        let (state, reason) = match domid {
            None => (State::Shutoff, Reason::Inactive),
            Some(_) => live_state(domain),
        };
        let guest_type = match domain.child("image").and_then(|image| image.args().first()?.name()) {
            Some("linux") => Some(GuestType::Pv),
            Some("hvm") => Some(GuestType::Hvm),
            // Domain-0 has no image, and is always paravirtualized on a host with xend.
            _ if domid == Some(0) => Some(GuestType::Pv),
            _ => None,
        };
        let maxmem = number(domain, "maxmem").filter(|mib| *mib < NO_LIMIT_MIB);
        let info = DomainInfo {
            domid,
            guest_type,
            memory_kib: number(domain, "memory").and_then(|mib| mib.checked_mul(1024)),
            max_memory_kib: maxmem.and_then(|mib| mib.checked_mul(1024)),
            cpu_time_ns: domid.and(domain.value("cpu_time").and_then(nanoseconds)),
            vcpus_online: domid.and(number(domain, "online_vcpus")).and_then(|n| u32::try_from(n).ok()),
            vcpus_max: number(domain, "vcpus").and_then(|n| u32::try_from(n).ok()),
            ..DomainInfo::without_figures(uuid, state, reason)
        };
        Ok(XendDomain { name: name.to_owned(), info })
    }

    /// As a row of a list.
    pub(super) fn into_row(self) -> DomainRow {
        DomainRow { name: Some(Arc::from(self.name)), info: self.info }
    }
}

/// `(state r-----)`: running, blocked, paused, shut down, crashed, dying.
fn live_state(domain: &Sexpr) -> (State, Reason) {
    let letters = domain.value("state").unwrap_or_default();
    let has = |letter: char| letters.contains(letter);
    let reason = match domain.value("shutdown_reason") {
        Some("reboot") => 1,
        Some("suspend") => 2,
        Some("crash") => 3,
        _ => 0,
    };
    LiveBits {
        dying: has('d'),
        shutdown: has('s') || has('c'),
        shutdown_reason: if has('c') { 3 } else { reason },
        paused: has('p'),
        blocked: has('b'),
        running: has('r'),
    }
    .state()
}

/// A whole number; xend prints some as `1024.0`.
fn number(domain: &Sexpr, key: &str) -> Option<u64> {
    let text = domain.value(key)?;
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// Seconds with a fraction, as nanoseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    seconds.checked_mul(1_000_000_000)?.checked_add(digits.parse().ok()?)
}

fn strange(what: &str, domain: &Sexpr) -> Error {
    let name = domain.value("name").unwrap_or("?");
    Error::new(Status::Protocol, format!("xend's answer about the domain '{name}' has no usable {what}"))
        .on(Road::Xend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<XendDomain> {
        XendDomain::read(&Sexpr::parse_first(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_live_domain_has_figures() {
        let domain = read(
            "(domain (domid 3) (name pv1) (uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0) (memory 128) (maxmem 256) \
             (vcpus 2) (online_vcpus 1) (cpu_time 5.562) (state -b----) (image (linux (kernel /k))))",
        )
        .unwrap();
        assert_eq!((domain.name.as_str(), domain.info.domid), ("pv1", Some(3)));
        assert_eq!((domain.info.memory_kib, domain.info.max_memory_kib), (Some(131_072), Some(262_144)));
        assert_eq!(domain.info.cpu_time_ns, Some(5_562_000_000));
        assert_eq!((domain.info.vcpus_online, domain.info.vcpus_max), (Some(1), Some(2)));
        assert_eq!((domain.info.state, domain.info.guest_type), (State::Blocked, Some(GuestType::Pv)));
    }

    #[test]
    fn no_domid_means_inactive_and_no_limit_is_absent() {
        let text = "(domain (name a) (uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0) (maxmem 16777215) (cpu_time 1.0) (domid 'None'))";
        let domain = read(text).unwrap();
        assert_eq!((domain.info.state, domain.info.reason), (State::Shutoff, Reason::Inactive));
        assert_eq!(
            (domain.info.domid, domain.info.max_memory_kib, domain.info.cpu_time_ns),
            (None, None, None)
        );
    }

    #[test]
    fn an_answer_without_identity_is_an_error() {
        for text in ["(domain)", "(domain (name a))", "(domain (uuid x) (name a))", "atom"] {
            assert_eq!(read(text).unwrap_err().status, Status::Protocol, "{text}");
        }
    }
}
