//! The roads of a capture, or why each is not there. They are opened without the questions that a connection asks to find out how to
//! speak with its host: a capture is for hosts where nobody knows that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::channel::hypercall::capture::Questions;
use crate::channel::stream::{TcpDial, UnixDial};
use crate::channel::xend::{DEFAULT_SOCKET, Xend};
use crate::channel::xenstore::Xenstore;
use crate::channel::xl::Xl;
use crate::deadline::Deadline;
use crate::driver::OpenOptions;
use crate::error::{Error, Result, Road, Status};
use crate::sim::{SimConfig, SimHost};
use crate::store::{DEFAULT_FOLDER, Store};
use crate::uri::{Local, XendAddress};
use crate::wire::port::Dial;

/// See the module's description.
pub(super) struct Places {
    pub(super) hypervisor: Result<Questions>,
    pub(super) xenstore: Result<Xenstore>,
    pub(super) xend: Result<Xend>,
    /// What xl is, in words.
    pub(super) xl: Result<String>,
    pub(super) store: Result<Store>,
    /// The embedded host that they lead to. Declared last: the roads are let go before it.
    pub(super) embedded: Option<SimHost>,
}

impl Places {
    /// This machine's roads, or those that the URI names. Of another machine there is xend alone.
    pub(super) fn of_local(local: Local, options: &OpenOptions) -> Places {
        let elsewhere = local.xend.as_ref().is_some_and(|xend| !xend.is_local());
        let here = |road| {
            if elsewhere { Err(left_out(road)) } else { unless_left_out(options, road) }
        };
        Places {
            hypervisor: here(Road::Hypercall)
                .and_then(|()| Questions::open(local.privcmd.as_deref(), &options.log)),
            xenstore: here(Road::Xenstore)
                .and_then(|()| Xenstore::open(local.xenstore.as_deref(), options.log.clone()))
                .and_then(|xenstore| reach(xenstore, options)),
            xend: unless_left_out(options, Road::Xend).and_then(|()| {
                let dial: Arc<dyn Dial> = match local.xend {
                    None => Arc::new(UnixDial(DEFAULT_SOCKET.into())),
                    Some(XendAddress::Unix(path)) => Arc::new(UnixDial(path)),
                    Some(XendAddress::Tcp { host, port }) => Arc::new(TcpDial { host, port }),
                };
                listening(Xend::new(dial, None), options)
            }),
            xl: here(Road::Xl)
                .and_then(|()| Xl::find(local.xl.as_deref(), &options.log))
                .map(|xl| xl.describe()),
            store: here(Road::Store).map(|()| {
                let folder = local.store.unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
                Store::new(&folder, options.log.clone())
            }),
            embedded: None,
        }
    }

    /// The roads of the embedded host that the URI's options describe.
    ///
    /// Errors: options that cannot be understood, and a host that cannot be made.
    pub(super) fn of_embedded(parameters: &[(String, String)], options: &OpenOptions) -> Result<Places> {
        let query = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let host = SimHost::open(SimConfig::from_query(query)?)?;
        let here = |road| match host.missing(road) {
            Some(error) => Err(error),
            None => unless_left_out(options, road),
        };
        Ok(Places {
            hypervisor: here(Road::Hypercall)
                .and_then(|()| Questions::over(host.hypercall_port(), &options.log)),
            xenstore: here(Road::Xenstore)
                .map(|()| Xenstore::over(host.xenstore_dial(), options.log.clone()))
                .and_then(|xenstore| reach(xenstore, options)),
            xend: here(Road::Xend).and_then(|()| listening(Xend::new(host.xend_dial(), None), options)),
            xl: here(Road::Xl).and_then(|()| {
                let none = || Error::new(Status::NoConnect, "this embedded host has no xl").on(Road::Xl);
                Ok(host.toolstack().ok_or_else(none)?.describe())
            }),
            store: here(Road::Store)
                .and_then(|()| Ok(Store::new(Path::new(&host.etc_xen()?), options.log.clone()))),
            embedded: Some(host),
        })
    }
}

fn reach(xenstore: Xenstore, options: &OpenOptions) -> Result<Xenstore> {
    xenstore.connect(Deadline::after(options.timeout)).map(|()| xenstore)
}

fn listening(xend: Xend, options: &OpenOptions) -> Result<Xend> {
    let nobody = || Error::new(Status::NoConnect, "nobody listens where xend does").on(Road::Xend);
    if xend.listens(Deadline::after(options.timeout))? { Ok(xend) } else { Err(nobody()) }
}

fn unless_left_out(options: &OpenOptions, road: Road) -> Result<()> {
    if options.without.contains(&road) { Err(left_out(road)) } else { Ok(()) }
}

fn left_out(road: Road) -> Error {
    Error::new(Status::NotSupported, "left out by who takes the capture").on(road)
}
