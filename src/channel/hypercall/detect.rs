//! Which Xen is it? At most four hypercalls.
//!
//! `xen_version` needs no privilege and no interface version: it names the release, and the release names a row of
//! [`GENERATIONS`]. That is a guess (a vendor's build can differ), so both interfaces are then probed with requests that change
//! nothing and mean the same in every version. Xen answers EACCES to a wrong interface version.

use super::door::Door;
use super::errors::{garbled, refused};
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::model::XenVersion;
use crate::wire::hypercall::generation::release;
use crate::wire::hypercall::{
    Dialect, Domctl, DomctlCall, GENERATIONS, Generation, Known, Sysctl, VersionOp,
    errno::{EACCES, ENOSYS, EPERM},
};

/// Finds out the release and the generation. Errors: see [`super::Hypervisor::open`].
pub(super) fn detect(door: &Door, log: &Log) -> Result<(XenVersion, &'static Generation)> {
    let number = door.version().map_err(no_version)?;
    let half = |shift: u32| u16::try_from(number >> shift & 0xffff).unwrap_or(0);
    let extra = door.version_text(VersionOp::ExtraVersion).map_err(no_version)?;
    let version = XenVersion { major: half(16), minor: half(0), extra };
    // There was a Xen 1 and a Xen 2, but not with this hypercall.
    if version.major < 3 {
        return Err(garbled("its version"));
    }

    let row = Known(GENERATIONS).nearest(release(&version)).ok_or_else(|| {
        unsupported(format!(
            "Xen {version} is too old for this version of xenith, which knows Xen {}",
            Known(GENERATIONS)
        ))
    })?;
    probe(door, row).map_err(|probed| probed.explain(&version, row))?;
    if Generation::of(&version).is_none() {
        log.say(
            Level::Warning,
            format_args!("Xen {version} is unknown, but it speaks the interface of Xen {row}; using that"),
        );
    }
    log.say(
        Level::Info,
        format_args!("Xen {version}: domctl version {:#x}, sysctl version {:#x}", row.domctl, row.sysctl),
    );
    Ok((version, row))
}

/// A probe that failed: of which interface, and how.
struct Probed {
    interface: &'static str,
    version: u32,
    errno: i32,
}

/// Asks both interfaces of `row` something harmless: the scheduler's number, and Domain-0's first vcpu.
fn probe(door: &Door, row: &'static Generation) -> Result<(), Probed> {
    let dialect = Dialect::here(row);
    let vcpu = DomctlCall { domain: 0, op: Domctl::GetVcpuInfo { vcpu: 0 } };
    door.sysctl(dialect, Sysctl::SchedId, |_| ()).map_err(|errno| Probed {
        interface: "sysctl",
        version: row.sysctl,
        errno,
    })?;
    door.domctl(dialect, vcpu, |_| ()).map_err(|errno| Probed {
        interface: "domctl",
        version: row.domctl,
        errno,
    })
}

impl Probed {
    fn explain(self, version: &XenVersion, row: &Generation) -> Error {
        let Probed { interface, version: asked, errno } = self;
        let newest = Known(GENERATIONS).is_past(release(version));
        let message = match errno {
            // Newer Xens look at the version first, older ones at the caller's rights first: EPERM is always about rights.
            EPERM => return refused(format_args!("asking Xen {version}"), errno),
            EACCES if Generation::of(version).is_some() => format!(
                "Xen {version} refuses {interface} version {asked:#x}, which Xen {row} has: either it was built with another \
                 interface, or this domain may not use it (run as root in dom0; see the XSM policy)"
            ),
            EACCES if newest => format!(
                "Xen {version} is newer than this version of xenith, which knows Xen {} and {interface} version {asked:#x} \
                 at most; a newer xenith is needed",
                Known(GENERATIONS)
            ),
            EACCES => format!(
                "Xen {version} speaks an interface that this version of xenith does not know ({interface} is not version \
                 {asked:#x}); it knows Xen {}",
                Known(GENERATIONS)
            ),
            ENOSYS => format!("Xen {version} was built without {interface}"),
            _ => {
                return refused(
                    format_args!("asking Xen {version} with {interface} version {asked:#x}"),
                    errno,
                );
            }
        };
        unsupported(message).with_errno(errno)
    }
}

fn unsupported(message: String) -> Error {
    Error::new(Status::NotSupported, message).on(Road::Hypercall)
}

fn no_version(errno: i32) -> Error {
    refused("asking for Xen's version", errno)
}
