//! Which Xen is it? At most four hypercalls on one that is known.
//!
//! `xen_version` needs no privilege and no interface version: it names the release, and the release names a row of the known
//! [`Generation`]s. That is a guess (a vendor's build can differ), so both interfaces are then probed with requests that change
//! nothing and mean the same in every version. What the answers mean (facts: xen-abi.md 1.3):
//!
//! - EPERM: no right. Newer Xens look at the version first, older ones at the caller first, so this is always about rights.
//! - EACCES: a wrong interface version, or a security policy (XSM) that denies the request. Which of the two, the other known versions tell: they
//!   are tried then, and only then. One that is taken is what this build speaks. When all are refused, a known release means a policy,
//!   and a newer one a version that nobody here knows; the next few numbers are tried to name it.
//! - ENOSYS to a sysctl: compiled out (4.21 and later can be built so). What needs none goes on.

use super::door::{Door, FIRST_VCPU, Kind};
use super::errors::{garbled, refused};
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::model::XenVersion;
use crate::wire::hypercall::generation::release;
use crate::wire::hypercall::{
    Arch, DOM0_OPS, Dialect, Generation, Known, Release, Sysctl, VersionOp,
    errno::{EACCES, ENOSYS, EPERM},
    request,
    tables::getvcpuinfo,
};

/// What was found out, once per connection.
pub(super) struct Detected {
    /// The release.
    pub(super) version: XenVersion,
    /// The generation whose words it understands.
    pub(super) generation: &'static Generation,
    /// Whether it has sysctls.
    pub(super) has_sysctl: bool,
}

/// The first release whose sysctls can be compiled out.
const OPTIONAL_SYSCTL: Release = (4, 21, 0);

/// The first release on Arm that is known.
const FIRST_ON_ARM: Release = (4, 5, 0);

/// How many numbers past the newest known one are tried to name an unknown version.
const LOOK_AHEAD: u32 = 16;

/// Finds out the release and the generation. Errors: see [`super::Hypervisor::open`].
pub(super) fn detect(door: &Door, known: Known, log: &Log) -> Result<Detected> {
    let number = door.version().map_err(no_version)?;
    let half = |shift: u32| u16::try_from(number >> shift & 0xffff).unwrap_or(0);
    let extra = door.version_text(VersionOp::ExtraVersion).map_err(no_version)?;
    let version = XenVersion { major: half(16), minor: half(0), extra };
    // There was a Xen 1 and a Xen 2, but not with this hypercall.
    if version.major < 3 {
        return Err(garbled("its version"));
    }
    let row =
        known.nearest(release(&version)).filter(|row| Arch::HERE != Arch::Arm64 || row.since(FIRST_ON_ARM));
    let row = row.ok_or_else(|| {
        unsupported(format!("Xen {version} is too old for this version of xenith, which knows Xen {known}"))
    })?;

    let probed = probe(door, row)?;
    let (generation, has_sysctl) = match (probed.sysctl, probed.domctl) {
        (Ok(()), Ok(())) => (row, true),
        (Err(ENOSYS), Ok(())) if row.since(OPTIONAL_SYSCTL) => {
            log.say(
                Level::Warning,
                format_args!(
                    "Xen {version} was built without sysctls: there are no figures of the host, and domains are listed by xenstore"
                ),
            );
            (row, false)
        }
        (sysctl, domctl) => {
            let told = [sysctl, domctl].into_iter().filter_map(Result::err);
            let mut told = told.filter(|errno| !matches!(*errno, EACCES | ENOSYS));
            if let Some(errno) = told.next() {
                return Err(refused(format_args!("asking Xen {version} in the words of Xen {row}"), errno));
            }
            refuse_i386(door, &version)?;
            (search(door, known, row, &version, &Probed { sysctl, domctl })?, true)
        }
    };
    if known.at(release(&version)) != Some(generation) {
        log.say(
            Level::Warning,
            format_args!(
                "Xen {version} does not speak the interface of that release, but that of Xen {generation}; using that"
            ),
        );
    }
    log.say(
        Level::Info,
        format_args!(
            "Xen {version}: domctl version {:#x}, sysctl version {:#x}",
            generation.domctl, generation.sysctl
        ),
    );
    Ok(Detected { version, generation, has_sysctl })
}

/// What both interfaces of a row answered.
struct Probed {
    sysctl: Result<(), i32>,
    domctl: Result<(), i32>,
}

/// Asks both interfaces of `row` something harmless: the scheduler's number, and Domain-0's first vcpu. dom0_op is one interface; with the
/// question that this saves, it is asked what it runs, because the structures of an i386 hypervisor of that age are others.
fn probe(door: &Door, row: &'static Generation) -> Result<Probed> {
    let dialect = Dialect::here(row);
    let sysctl = match row.has_dom0_op() {
        true => {
            refuse_i386(door, &XenVersion { major: row.from.0, minor: row.from.1, extra: String::new() })?;
            Ok(())
        }
        false => door.sysctl(dialect, Sysctl::SchedId, |_| ()),
    };
    let domctl = door.domctl(dialect, FIRST_VCPU, |bytes| {
        let layout = dialect.layout(&getvcpuinfo::TABLE)?;
        layout.get(request::payload(dialect, bytes)?, &getvcpuinfo::VCPU)
    });
    // The answer to a question about vcpu 0 is about vcpu 0. Up to 3.0.4 an i386 hypervisor, whose structures are shorter, answers elsewhere.
    match domctl {
        Ok(Some(0)) => Ok(Probed { sysctl, domctl: Ok(()) }),
        Ok(_) => {
            refuse_i386(door, &XenVersion { major: row.from.0, minor: row.from.1, extra: String::new() })?;
            Err(garbled("a question about Domain-0's first processor"))
        }
        Err(errno) => Ok(Probed { sysctl, domctl: Err(errno) }),
    }
}

/// An i386 hypervisor is refused by name. (From 4.3 on there is none. A 64-bit process has a 64-bit kernel below it, and that a
/// 64-bit Xen, so only something that is not this machine's can get here.)
fn refuse_i386(door: &Door, version: &XenVersion) -> Result<()> {
    match door.version_text(VersionOp::Capabilities) {
        Ok(told) if told.contains("x86_32") && !told.contains("x86_64") => Err(unsupported(format!(
            "Xen {version} is an i386 hypervisor (it runs {told}): this library knows the interfaces of x86_64 and arm64 hosts only"
        ))),
        _ => Ok(()),
    }
}

/// The row that the hypervisor speaks, although its release is another one's or nobody's. It costs a call for each version, and is only done
/// where the connection would fail otherwise.
fn search(
    door: &Door,
    known: Known,
    row: &'static Generation,
    version: &XenVersion,
    probed: &Probed,
) -> Result<&'static Generation> {
    let taken = |kind: Kind| -> Result<Vec<u32>> {
        let of = |row: &Generation| match kind {
            Kind::Domctl => row.domctl,
            Kind::Sysctl => row.sysctl,
        };
        let mut asked = Vec::new();
        let mut taken = Vec::new();
        for row in known.0.iter().rev().filter(|row| Arch::HERE != Arch::Arm64 || row.since(FIRST_ON_ARM)) {
            if asked.contains(&of(row)) {
                continue;
            }
            asked.push(of(row));
            match door.probe(Dialect::here(row), kind, of(row)) {
                Ok(()) => taken.push(of(row)),
                Err(EPERM) => return Err(refused(format_args!("asking Xen {version}"), EPERM)),
                Err(_) => {}
            }
        }
        Ok(taken)
    };
    let (sysctls, domctls) = (taken(Kind::Sysctl)?, taken(Kind::Domctl)?);
    let mut fits: Vec<&'static Generation> =
        known.0.iter().filter(|row| domctls.contains(&row.domctl) && sysctls.contains(&row.sysctl)).collect();
    // Of rows with the same versions, the one whose release is nearest: the newest that is not newer, else the oldest.
    let not_newer = fits.iter().rposition(|fit| fit.from <= release(version)).unwrap_or(0);
    if fits.len() > not_newer {
        return Ok(fits.swap_remove(not_newer));
    }
    for (name, answer, taken) in [("domctl", probed.domctl, &domctls), ("sysctl", probed.sysctl, &sysctls)] {
        if taken.is_empty() && answer == Err(ENOSYS) {
            let message =
                format!("Xen {version} has no {name}, which every Xen of that age has: is this one?");
            return Err(unsupported(message).with_errno(ENOSYS));
        }
    }
    Err(unknown(door, known, row, version, &sysctls, &domctls))
}

/// Why no row fits.
fn unknown(
    door: &Door,
    known: Known,
    row: &'static Generation,
    version: &XenVersion,
    sysctls: &[u32],
    domctls: &[u32],
) -> Error {
    let newest = |of: fn(&Generation) -> u32| {
        known.0.iter().map(of).filter(|version| *version != DOM0_OPS).max().unwrap_or(0)
    };
    let (newest_domctl, newest_sysctl) = (newest(|row| row.domctl), newest(|row| row.sysctl));
    let rest = "What needs no hypercall still works: names and devices (xenstore), and everything that the xl toolstack does";
    if let (Some(domctl), Some(sysctl)) = (domctls.first(), sysctls.first()) {
        return unsupported(format!(
            "Xen {version} speaks domctl version {domctl:#x} and sysctl version {sysctl:#x}, which no release had together; xenith knows Xen \
             {known}. {rest}"
        ))
        .with_errno(EACCES);
    }
    let ahead = |kind: Kind, newest: u32, found: &[u32]| -> Option<u32> {
        let look = || {
            (newest + 1..=newest + LOOK_AHEAD)
                .find(|next| door.probe(Dialect::here(row), kind, *next).is_ok())
        };
        if found.is_empty() { look() } else { None }
    };
    let domctl = ahead(Kind::Domctl, newest_domctl, domctls);
    let sysctl = ahead(Kind::Sysctl, newest_sysctl, sysctls);
    if known.is_past(release(version)) || domctl.is_some() || sysctl.is_some() {
        let named: Vec<String> = [("domctl", domctl), ("sysctl", sysctl)]
            .into_iter()
            .filter_map(|(name, number)| Some(format!("{name} version {:#x}", number?)))
            .collect();
        let speaks = match named.is_empty() {
            true => "an interface".to_owned(),
            false => named.join(" and "),
        };
        return unsupported(format!(
            "Xen {version} speaks {speaks} that is newer than this version of xenith, which knows Xen {known}, up to domctl version \
             {newest_domctl:#x} and sysctl version {newest_sysctl:#x}; a newer xenith is needed. {rest}"
        ))
        .with_errno(EACCES);
    }
    Error::new(
        Status::AccessDenied,
        format!(
            "Xen {version} is known and refuses every version of its interface that there has been: a security policy of the hypervisor \
             (XSM) denies this domain {}; run as root in the control domain (dom0), or change the policy",
            if domctls.is_empty() && sysctls.is_empty() { "control calls" } else { "some of the control calls" }
        ),
    )
    .on(Road::Hypercall)
    .with_errno(EACCES)
}

fn unsupported(message: String) -> Error {
    Error::new(Status::NotSupported, message).on(Road::Hypercall)
}

fn no_version(errno: i32) -> Error {
    refused("asking for Xen's version", errno)
}
