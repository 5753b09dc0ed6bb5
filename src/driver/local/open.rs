//! Finds the roads into a host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::routes::HostKind;
use super::{LocalDriver, Roads};
use crate::channel::hypercall::Hypervisor;
use crate::channel::stream::{TcpDial, UnixDial};
use crate::channel::xend::{DEFAULT_DOMAINS_DIR, DEFAULT_SOCKET, NodeFacts, Xend};
use crate::channel::xenstore::Xenstore;
use crate::deadline::Deadline;
use crate::driver::OpenOptions;
use crate::error::{Error, Result, Road, Status};
use crate::log::Level;
use crate::sim::{SimConfig, SimHost};
use crate::uri::{Local, XendAddress};
use crate::wire::port::Dial;

/// The first xend_config_format whose xend manages inactive domains (Xen 3.0.4; facts: xend.md 7).
const FIRST_MANAGED_FORMAT: u32 = 3;

/// Opens this machine's roads, or those that the URI names.
pub(in super::super) fn local(local: &Local, options: &OpenOptions) -> Result<LocalDriver> {
    let elsewhere = local.xend.as_ref().is_some_and(|xend| !xend.is_local());
    let roads = Roads {
        hypervisor: if elsewhere {
            Err(other_machine(Road::Hypercall))
        } else {
            unless_left_out(options, Road::Hypercall, || {
                Hypervisor::open(local.privcmd.as_deref(), &options.log)
            })
        },
        xenstore: if elsewhere {
            Err(other_machine(Road::Xenstore))
        } else {
            unless_left_out(options, Road::Xenstore, || {
                reach_xenstore(Xenstore::open(local.xenstore.as_deref(), options.log.clone())?, options)
            })
        },
        xend: unless_left_out(options, Road::Xend, || {
            let dial: Arc<dyn Dial> = match &local.xend {
                None => Arc::new(UnixDial(DEFAULT_SOCKET.into())),
                Some(XendAddress::Unix(path)) => Arc::new(UnixDial(path.clone())),
                Some(XendAddress::Tcp { host, port }) => {
                    Arc::new(TcpDial { host: host.clone(), port: *port })
                }
            };
            let domains = (!elsewhere)
                .then(|| local.xend_domains.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DOMAINS_DIR)));
            open_xend(dial, domains, options.timeout)
        }),
    };
    assemble(roads, options, None)
}

/// Opens the embedded host that the URI's options describe.
pub(in super::super) fn embedded(
    parameters: &[(String, String)],
    options: &OpenOptions,
) -> Result<LocalDriver> {
    let config = SimConfig::from_query(parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
    let host = match &config.dir {
        Some(dir) => SimHost::join(dir)?,
        None => SimHost::start(config)?,
    };
    let roads = Roads {
        hypervisor: unless_left_out(options, Road::Hypercall, || {
            Hypervisor::over(host.hypercall_port(), &options.log)
        }),
        xenstore: unless_left_out(options, Road::Xenstore, || {
            reach_xenstore(Xenstore::over(host.xenstore_dial(), options.log.clone()), options)
        }),
        xend: unless_left_out(options, Road::Xend, || {
            open_xend(host.xend_dial(), Some(host.xend_state_dir().join("domains")), options.timeout)
        }),
    };
    assemble(roads, options, Some(host))
}

/// Dials now: a daemon that is not there is worth knowing at open.
fn reach_xenstore(xenstore: Xenstore, options: &OpenOptions) -> Result<Arc<Xenstore>> {
    xenstore.connect(Deadline::after(options.timeout))?;
    Ok(Arc::new(xenstore))
}

fn open_xend(dial: Arc<dyn Dial>, domains: Option<PathBuf>, timeout: Duration) -> Result<(Xend, NodeFacts)> {
    let xend = Xend::new(dial, domains);
    let node = xend.node(Deadline::after(timeout))?;
    if node.config_format < FIRST_MANAGED_FORMAT {
        return Err(Error::new(
            Status::NotSupported,
            format!(
                "this xend has configuration format {} (Xen 3.0.3 or older), which this version of xenith does not know yet",
                node.config_format
            ),
        )
        .on(Road::Xend));
    }
    Ok((xend, node))
}

fn assemble(roads: Roads, options: &OpenOptions, host: Option<SimHost>) -> Result<LocalDriver> {
    let kind = match (&roads.hypervisor, &roads.xend) {
        (Ok(_), Ok(_)) => HostKind::Xend,
        (Ok(_), Err(_)) => HostKind::Bare,
        (Err(_), Ok(_)) => HostKind::XendAlone,
        (Err(hypervisor), Err(xend)) => return Err(no_road(hypervisor, roads.xenstore.as_ref().err(), xend)),
    };
    options.log.say(Level::Info, format_args!("this is a host of the kind {kind:?}"));
    let missing = [roads.hypervisor.as_ref().err(), roads.xenstore.as_ref().err(), roads.xend.as_ref().err()];
    for error in missing.into_iter().flatten() {
        options.log.say(Level::Info, format_args!("without a road: {error}"));
    }
    Ok(LocalDriver::new(kind, roads, options, host))
}

/// Neither hypercalls nor a toolstack: say why of each, and let the status be what the caller can do something about.
fn no_road(hypervisor: &Error, xenstore: Option<&Error>, xend: &Error) -> Error {
    let mut reasons = vec![hypervisor.to_string()];
    reasons.extend(xenstore.map(ToString::to_string));
    reasons.push(xend.to_string());
    let denied = [Some(hypervisor), Some(xend)]
        .into_iter()
        .flatten()
        .find(|error| error.status == Status::AccessDenied);
    let first = denied.unwrap_or(hypervisor);
    Error {
        status: if denied.is_some() { Status::AccessDenied } else { hypervisor.status },
        road: first.road,
        errno: first.errno,
        message: format!("no road into this host is open; {}", reasons.join("; ")),
    }
}

fn unless_left_out<T>(options: &OpenOptions, road: Road, open: impl FnOnce() -> Result<T>) -> Result<T> {
    if options.without.contains(&road) {
        return Err(Error::new(Status::NotSupported, "left out by the options of this connection").on(road));
    }
    open()
}

fn other_machine(road: Road) -> Error {
    Error::new(Status::NotSupported, "the URI's xend is on another machine").on(road)
}

/// The machine's host name, as gethostname(2) gives it.
pub(super) fn host_name() -> Result<String> {
    let name = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .map_err(|error| Error::from_io(Road::None, "cannot read /proc/sys/kernel/hostname", &error))?;
    Ok(name.trim_end().to_owned())
}
