//! Finds the roads into a host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::routes::HostKind;
use super::xend_road::XendRoad;
use super::{LocalDriver, Roads};
use crate::channel::hypercall::Hypervisor;
use crate::channel::stream::{TcpDial, UnixDial};
use crate::channel::xend::{DEFAULT_DOMAINS_DIR, DEFAULT_SOCKET, XM_SOCKET, Xend};
use crate::channel::xenstore::Xenstore;
use crate::channel::xl::Xl;
use crate::deadline::Deadline;
use crate::driver::OpenOptions;
use crate::error::{Error, Result, Road, Status};
use crate::log::Level;
use crate::model::DomId;
use crate::sim::{SimConfig, SimHost};
use crate::store::{DEFAULT_FOLDER, Store};
use crate::uri::{Local, XendAddress};
use crate::wire::port::Dial;

/// Opens this machine's roads, or those that the URI names.
pub(in super::super) fn local(local: &Local, options: &OpenOptions) -> Result<LocalDriver> {
    assemble(find_local(local, options), options, None)
}

/// This machine's roads, or those that the URI names.
pub(super) fn find_local(local: &Local, options: &OpenOptions) -> Roads {
    let elsewhere = local.xend.as_ref().is_some_and(|xend| !xend.is_local());
    Roads {
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
        xend: XendRoad::or_left_out(unless_left_out(options, Road::Xend, || {
            let dial: Arc<dyn Dial> = match &local.xend {
                None => Arc::new(UnixDial(DEFAULT_SOCKET.into())),
                Some(XendAddress::Unix(path)) => Arc::new(UnixDial(path.clone())),
                Some(XendAddress::Tcp { host, port }) => {
                    Arc::new(TcpDial { host: host.clone(), port: *port })
                }
            };
            let domains = (!elsewhere)
                .then(|| local.xend_domains.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DOMAINS_DIR)));
            // Where the URI names the place, xm's own xend need not be the one that is meant.
            let xm = local.xend.is_none().then(|| PathBuf::from(XM_SOCKET));
            Ok(XendRoad::find(Xend::new(dial, domains), xm, Deadline::after(options.timeout)))
        })),
        xl: if elsewhere {
            Err(other_machine(Road::Xl))
        } else {
            unless_left_out(options, Road::Xl, || Xl::find(local.xl.as_deref(), &options.log))
        },
        store: if elsewhere {
            Err(other_machine(Road::Store))
        } else {
            unless_left_out(options, Road::Store, || {
                let folder = local.store.as_deref().unwrap_or(Path::new(DEFAULT_FOLDER));
                Ok(Store::new(folder, options.log.clone()))
            })
        },
    }
}

/// Opens the embedded host that the URI's options describe.
pub(in super::super) fn embedded(
    parameters: &[(String, String)],
    options: &OpenOptions,
) -> Result<LocalDriver> {
    let (host, roads) = find_embedded(parameters, options)?;
    assemble(roads, options, Some(host))
}

/// The embedded host that the URI's options describe, and its roads.
pub(super) fn find_embedded(
    parameters: &[(String, String)],
    options: &OpenOptions,
) -> Result<(SimHost, Roads)> {
    let config = SimConfig::from_query(parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
    let host = match &config.dir {
        Some(dir) => SimHost::join(dir)?,
        None => SimHost::start(config)?,
    };
    let roads = Roads {
        hypervisor: unless_missing(&host, options, Road::Hypercall, || {
            Hypervisor::over(host.hypercall_port(), &options.log)
        }),
        xenstore: unless_missing(&host, options, Road::Xenstore, || {
            reach_xenstore(Xenstore::over(host.xenstore_dial(), options.log.clone()), options)
        }),
        xend: XendRoad::or_left_out(unless_missing(&host, options, Road::Xend, || {
            let xend = Xend::new(host.xend_dial(), Some(host.xend_state_dir().join("domains")));
            Ok(XendRoad::find(xend, None, Deadline::after(options.timeout)))
        })),
        xl: unless_missing(&host, options, Road::Xl, || {
            let none = || Error::new(Status::NoConnect, "this embedded host has no xl").on(Road::Xl);
            Ok(Xl::over(host.toolstack().ok_or_else(none)?))
        }),
        store: unless_missing(&host, options, Road::Store, || {
            Ok(Store::new(&host.etc_xen()?, options.log.clone()))
        }),
    };
    Ok((host, roads))
}

/// Dials now: a daemon that is not there is worth knowing at open. One that is there and does not answer is kept: the client
/// dials again by itself.
fn reach_xenstore(xenstore: Xenstore, options: &OpenOptions) -> Result<Arc<Xenstore>> {
    match xenstore.connect(Deadline::after(options.timeout)) {
        Err(error) if matches!(error.status, Status::NoConnect | Status::AccessDenied) => return Err(error),
        Err(error) => options.log.say(Level::Warning, format_args!("xenstored does not answer: {error}")),
        Ok(()) => {}
    }
    Ok(Arc::new(xenstore))
}

pub(super) fn assemble(
    mut roads: Roads,
    options: &OpenOptions,
    host: Option<SimHost>,
) -> Result<LocalDriver> {
    let language = roads.xend.language_of_files();
    roads.store = roads.store.map(|store| store.in_language(language));
    let kind = kind_of(&roads, options)?;
    options.log.say(Level::Info, format_args!("this is a host of the kind {kind:?}"));
    let xend = roads.xend.absence().or(roads.xend.silence());
    let (xl, store) = (roads.xl.as_ref().err(), roads.store.as_ref().err());
    let missing = [roads.hypervisor.as_ref().err(), roads.xenstore.as_ref().err(), xend, xl, store];
    for error in missing.into_iter().flatten() {
        options.log.say(Level::Info, format_args!("without a road: {error}"));
    }
    Ok(LocalDriver::new(kind, roads, options, host))
}

/// What the roads make of this host (docs/model.md, "Routes").
///
/// Errors: that none into it is open, and why of each.
pub(super) fn kind_of(roads: &Roads, options: &OpenOptions) -> Result<HostKind> {
    // A xend that is there and cannot be spoken with is still the host's: nothing may be done behind its back.
    match (&roads.hypervisor, roads.xend.absence(), roads.xend.silence()) {
        (Ok(_), None, _) if roads.xend.forgets() => Ok(HostKind::OldXend),
        (Ok(_), None, _) => Ok(HostKind::Xend),
        (Ok(_), Some(_), _) if roads.xl.is_ok() => Ok(HostKind::Xl),
        (Ok(_), Some(_), _) => Ok(HostKind::Bare),
        (Err(_), None, None) if roads.xend.forgets() => Ok(HostKind::OldXendAlone),
        (Err(_), None, None) => Ok(HostKind::XendAlone),
        (Err(hypervisor), Some(_), _) if roads.xl.is_ok() && xl_needs_no_help(hypervisor, options) => {
            Ok(HostKind::XlAlone)
        }
        (Err(hypervisor), Some(xend), _) | (Err(hypervisor), None, Some(xend)) => {
            Err(no_road(hypervisor, roads, xend, options))
        }
    }
}

/// Whether xl can work where our hypercalls cannot: the hypervisor's interface is one that is not known here (its own tools know it), or the
/// caller left hypercalls out. Where this process has no right to them, xl has none either.
fn xl_needs_no_help(hypervisor: &Error, options: &OpenOptions) -> bool {
    let unknown = hypervisor.status == Status::NotSupported && hypervisor.errno == Some(libc::EACCES);
    unknown || options.without.contains(&Road::Hypercall)
}

/// Neither hypercalls nor a toolstack: say why of each, and let the status be what the caller can do something about.
fn no_road(hypervisor: &Error, roads: &Roads, xend: &Error, options: &OpenOptions) -> Error {
    let xenstore = roads.xenstore.as_ref().err();
    let first = if xend.status == Status::AccessDenied && hypervisor.status != Status::AccessDenied {
        xend
    } else {
        hypervisor
    };
    // The first one's road stands before the whole message.
    let mut reasons = vec![first.message.clone()];
    let others = [Some(hypervisor), xenstore, Some(xend)].into_iter().flatten();
    reasons.extend(others.filter(|other| other.road != first.road).map(ToString::to_string));
    let guest = guest_not_host(roads, options).map_or_else(String::new, |guest| format!("{guest}: "));
    Error {
        message: format!("{guest}{}; so no road into this host is open", reasons.join("; ")),
        ..first.clone()
    }
}

/// Says so where this is not a host at all, but one of its guests. Its kernel tells what it may control; where it does not (without
/// xenfs), a hypervisor that is there and permits nothing to root does.
pub(super) fn guest_not_host(roads: &Roads, options: &OpenOptions) -> Option<String> {
    let hypervisor = roads.hypervisor.as_ref().err()?;
    let told = std::fs::read_to_string("/proc/xen/capabilities").ok();
    let refused = hypervisor.errno == Some(libc::EPERM) && hypervisor.message.contains("asking for Xen")
        || hypervisor.errno == Some(libc::ETIMEDOUT);
    if !told.map_or(refused, |told| !told.contains("control_d")) {
        return None;
    }
    // A relative path is below the reader's own node.
    let own = |xenstore: &Arc<Xenstore>| {
        let value = xenstore.read("domid", Deadline::after(options.timeout)).ok()?;
        String::from_utf8(value).ok()?.parse::<DomId>().ok()
    };
    let own = roads.xenstore.as_ref().ok().and_then(own);
    if own == Some(0) {
        return None;
    }
    let number = own.map_or_else(String::new, |domid| format!(", domain {domid}"));
    Some(format!(
        "this machine is a guest of Xen (a domU{number}), not the host's own domain: open the connection in the host's dom0"
    ))
}

fn unless_left_out<T>(options: &OpenOptions, road: Road, open: impl FnOnce() -> Result<T>) -> Result<T> {
    if options.without.contains(&road) {
        return Err(Error::new(Status::NotSupported, "left out by the options of this connection").on(road));
    }
    open()
}

/// As [`unless_left_out`]; a host that stands in for a captured one lacks what that one lacked.
fn unless_missing<T>(
    host: &SimHost,
    options: &OpenOptions,
    road: Road,
    open: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match host.missing(road) {
        Some(error) => Err(error),
        None => unless_left_out(options, road, open),
    }
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
