//! Everything behind the roads, as one value under one lock: the machine, the daemons of Domain-0 and the guests. It does no I/O
//! on the roads: bytes go in, bytes come out, and time is asked for.

use std::collections::HashMap;
use std::time::Duration;

use super::config::{Fault, Faults, SimConfig, Tools};
use super::guest::Guests;
use super::machine::{Event, Happened, Machine, MachineSize};
use super::replay::Replay;
use super::xend::{Parts, StateDir, Xend, XendConn};
use super::xenstored::{ConnId, Xenstored, XenstoredAge};
use super::xl::{self, Xl, XlConn};
use super::{hypervisor, population, relay};
use crate::error::{Error, Result, Status};
use crate::wire::hypercall::number;
use crate::wire::port::Memory;

/// A road into the host, as seen from its far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FarRoad {
    /// Hypercalls of processes that joined a served host.
    Relay,
    Xenstore,
    Xend,
    /// Runs of the xl command.
    Xl,
}

impl FarRoad {
    /// Nobody is there on such a host: whoever dials is refused.
    pub(super) fn is_refused(self, config: &SimConfig) -> bool {
        match self {
            FarRoad::Relay => false,
            FarRoad::Xenstore => config.faults.xenstore == Some(Fault::Fail),
            FarRoad::Xend => config.tools() != Tools::Xend || config.faults.xend == Some(Fault::Fail),
            FarRoad::Xl => config.tools() != Tools::Xl,
        }
    }
}

/// One connection's far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FarId {
    Relay(u64),
    Xenstore(ConnId),
    Xend(XendConn),
    Xl(XlConn),
    /// The xend of a capture.
    Replayed(u64),
    /// What the host does not have.
    Nobody,
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct World {
    machine: Machine,
    guests: Guests,
    faults: Faults,
    relays: HashMap<u64, Relay>,
    next_relay: u64,
    store: Xenstored,
    /// One of these, or none.
    xend: Option<Xend>,
    xl: Option<Xl>,
    /// Paths that a toolstack wrote and guests watch.
    told: Vec<String>,
    /// Answers in the place of the machine and of xend, and has filled the store.
    replay: Option<Replay>,
}

/// A connection over which another process makes hypercalls.
#[derive(Debug, Default)]
struct Relay {
    received: Vec<u8>,
    out: Vec<u8>,
    garbled: bool,
}

/// What garbage a hypercall answers under fault `rubbish`.
const RUBBISH: u8 = 0xa5;

impl World {
    /// A host that has just booted, with the guests that were ordered. A xend keeps managed domains in `state`.
    ///
    /// Errors: [`Status::NoMemory`] where the guests do not fit.
    pub(super) fn new(config: &SimConfig, state: StateDir) -> Result<World> {
        let size = MachineSize { memory_kib: config.host_memory_kib(), cpus: config.cpus };
        let mut machine = Machine::new(config.release, size);
        let mut guests = Guests::new(config.boot, config.shutdown);
        let mut store = Xenstored::new(XenstoredAge::of(config.release.major, config.release.minor));
        if let Some(capture) = &config.capture {
            return Ok(World::of_capture(Replay::new(capture.clone()), machine, guests, config));
        }
        population::domain_0(&machine, &mut store);
        for number in 1..=config.domains {
            let domid = population::guest(number, &mut machine, &mut store).map_err(|errno| {
                let message =
                    format!("the embedded host has no room for guest {number} of {}", config.domains);
                Error::new(Status::NoMemory, message).with_errno(errno)
            })?;
            guests.adopt(domid);
        }
        let mut told = Vec::new();
        let (mut xend, mut xl) = (None, None);
        match config.tools() {
            Tools::Xend => {
                let mut parts = Parts { machine: &mut machine, store: &mut store, told: &mut told };
                xend = Some(Xend::new(config.release, &config.name, state, &mut parts));
            }
            Tools::Xl => {
                let mut parts = xl::Parts {
                    machine: &mut machine,
                    store: &mut store,
                    guests: &mut guests,
                    told: &mut told,
                };
                xl = Some(Xl::new(config.faults.xl, &mut parts));
            }
            Tools::None => {}
        }
        // Nobody was there to hear of any of this.
        machine.take_events();
        store.observe_changes();
        Ok(World {
            machine,
            guests,
            faults: config.faults,
            relays: HashMap::new(),
            next_relay: 0,
            store,
            xend,
            xl,
            told,
            replay: None,
        })
    }

    /// The stand-in for a host that was captured: a machine that nobody asks, and a store with that host's tree.
    fn of_capture(replay: Replay, machine: Machine, guests: Guests, config: &SimConfig) -> World {
        let mut store = Xenstored::new(XenstoredAge::newest());
        replay.fill(&mut store);
        World {
            machine,
            guests,
            faults: config.faults,
            relays: HashMap::new(),
            next_relay: 0,
            store,
            xend: None,
            xl: None,
            told: Vec::new(),
            replay: Some(replay),
        }
    }

    /// The machine's clock.
    pub(super) fn now(&self) -> Duration {
        self.machine.now()
    }

    /// When [`World::tick`] has work to do.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        let xl = self.xl.as_ref().and_then(Xl::next_timer);
        [self.guests.next_timer(), xl].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = self.machine.now();
        self.guests.tick(now, &mut self.machine, &mut self.store);
        self.settle();
        if let Some((xl, mut parts)) = self.xl() {
            xl.look(&mut parts);
        }
        self.settle();
    }

    /// The fault ordered for a road's connections. (A broken hypervisor is still reached: [`World::hypercall`].)
    pub(super) fn fault(&self, road: FarRoad) -> Option<Fault> {
        match road {
            FarRoad::Relay => None,
            FarRoad::Xenstore => self.faults.xenstore,
            FarRoad::Xend => self.faults.xend,
            // xl itself is reached: it fails by what it answers.
            FarRoad::Xl => None,
        }
    }

    /// One hypercall. True beside the result: somebody else has to hear of what it did.
    pub(super) fn hypercall(
        &mut self,
        op: u64,
        args: [u64; 5],
        memory: &mut Memory<'_>,
    ) -> (std::result::Result<i64, i32>, bool) {
        match self.faults.hypercall {
            Some(Fault::Rubbish) => {
                memory.bytes().fill(RUBBISH);
                return (Ok(i64::from(RUBBISH)), false);
            }
            Some(Fault::Newer) => {
                if let Some(refused) = hypervisor::refused_by_the_next(op, args, memory) {
                    return (refused, false);
                }
            }
            Some(Fault::NoSysctl) if op == number::SYSCTL => return (Err(libc::ENOSYS), false),
            Some(Fault::NoSysctl) | None => {}
            Some(_) => return (Err(libc::EPERM), false),
        }
        if let Some(replay) = &self.replay {
            return (replay.hypercall(op, args, memory), false);
        }
        self.machine.hold_clock();
        let result = hypervisor::call(&mut self.machine, op, args, memory);
        self.machine.let_clock_go();
        let acted = self.machine.has_events();
        if acted {
            self.settle();
        }
        (result, acted)
    }

    /// A new connection.
    pub(super) fn connect(&mut self, road: FarRoad) -> FarId {
        match road {
            FarRoad::Relay => {
                self.next_relay += 1;
                self.relays.insert(self.next_relay, Relay::default());
                FarId::Relay(self.next_relay)
            }
            FarRoad::Xenstore => FarId::Xenstore(self.store.connect(0)),
            FarRoad::Xend if self.replay.is_some() => {
                self.replay.as_mut().map_or(FarId::Nobody, |replay| FarId::Replayed(replay.connect()))
            }
            FarRoad::Xend => self.xend.as_mut().map_or(FarId::Nobody, |xend| FarId::Xend(xend.connect())),
            FarRoad::Xl => self.xl.as_mut().map_or(FarId::Nobody, |xl| FarId::Xl(xl.connect())),
        }
    }

    /// Bytes that came over a connection.
    pub(super) fn feed(&mut self, far: FarId, bytes: &[u8]) {
        match far {
            FarId::Relay(id) => self.feed_relay(id, bytes),
            // What is no frame ends the connection: `wants_close` tells.
            FarId::Xenstore(id) => drop(self.store.feed(id, bytes)),
            FarId::Xend(id) => {
                if let Some((xend, mut parts)) = self.xend() {
                    xend.feed(id, bytes, &mut parts);
                }
            }
            FarId::Xl(id) => {
                if let Some((xl, mut parts)) = self.xl() {
                    xl.feed(id, bytes, &mut parts);
                }
            }
            FarId::Replayed(id) => self.replay.iter_mut().for_each(|replay| replay.feed(id, bytes)),
            FarId::Nobody => {}
        }
        self.settle();
    }

    /// Moves what a connection has to say into `out`.
    pub(super) fn take_output(&mut self, far: FarId, out: &mut Vec<u8>) {
        match far {
            FarId::Relay(id) => {
                if let Some(relay) = self.relays.get_mut(&id) {
                    out.append(&mut relay.out);
                }
            }
            FarId::Xenstore(id) => out.append(&mut self.store.take_output(id)),
            FarId::Xend(id) => self.xend.iter_mut().for_each(|xend| xend.take_output(id, out)),
            FarId::Xl(id) => self.xl.iter_mut().for_each(|xl| xl.take_output(id, out)),
            FarId::Replayed(id) => self.replay.iter_mut().for_each(|replay| replay.take_output(id, out)),
            FarId::Nobody => {}
        }
    }

    /// Whether a connection is to be closed once its output is written.
    pub(super) fn wants_close(&self, far: FarId) -> bool {
        match far {
            FarId::Relay(id) => self.relays.get(&id).is_none_or(|relay| relay.garbled),
            FarId::Xenstore(id) => !self.store.is_connected(id),
            FarId::Xend(id) => self.xend.as_ref().is_none_or(|xend| xend.wants_close(id)),
            FarId::Xl(id) => self.xl.as_ref().is_none_or(|xl| xl.wants_close(id)),
            FarId::Replayed(id) => self.replay.as_ref().is_none_or(|replay| replay.wants_close(id)),
            FarId::Nobody => true,
        }
    }

    /// A connection is gone.
    pub(super) fn disconnect(&mut self, far: FarId) {
        match far {
            FarId::Relay(id) => drop(self.relays.remove(&id)),
            FarId::Xenstore(id) => self.store.disconnect(id),
            FarId::Xend(id) => self.xend.iter_mut().for_each(|xend| xend.disconnect(id)),
            FarId::Xl(id) => self.xl.iter_mut().for_each(|xl| xl.disconnect(id)),
            FarId::Replayed(id) => self.replay.iter_mut().for_each(|replay| replay.disconnect(id)),
            FarId::Nobody => {}
        }
        self.settle();
    }

    fn feed_relay(&mut self, id: u64, bytes: &[u8]) {
        let Some(mut relay) = self.relays.remove(&id) else { return };
        relay.received.extend_from_slice(bytes);
        loop {
            match relay::take_request(&mut relay.received) {
                Ok(Some(mut request)) => {
                    let before = request.memory.clone();
                    let mut memory = Memory::new(request.base, &mut request.memory);
                    let (result, _) = self.hypercall(request.op, request.args, &mut memory);
                    relay.out.extend(relay::encode_reply(result, &before, &request.memory));
                }
                Ok(None) => break,
                Err(relay::Garbled) => {
                    relay.garbled = true;
                    break;
                }
            }
        }
        self.relays.insert(id, relay);
    }

    /// Lets everybody hear what happened, and what happened because of that, until nothing does any more.
    fn settle(&mut self) {
        loop {
            let events = self.machine.take_events();
            let changes = self.store.take_changes();
            let told = std::mem::take(&mut self.told);
            if events.is_empty() && changes.is_empty() && told.is_empty() {
                return;
            }
            for event in events {
                self.domain_exception(event);
                self.guests.happened(event, &mut self.machine, &mut self.store);
                if let Some((xend, mut parts)) = self.xend() {
                    xend.happened(event, &mut parts);
                }
                if let Some((xl, mut parts)) = self.xl() {
                    xl.happened(event, &mut parts);
                }
            }
            for path in changes.iter().map(|change| &*change.path).chain(told.iter().map(String::as_str)) {
                self.guests.changed(path, &mut self.machine, &mut self.store);
            }
        }
    }

    /// xend, and what it acts on.
    fn xend(&mut self) -> Option<(&mut Xend, Parts<'_>)> {
        let World { machine, store, told, xend, .. } = self;
        Some((xend.as_mut()?, Parts { machine, store, told }))
    }

    /// xl, and what it acts on.
    fn xl(&mut self) -> Option<(&mut Xl, xl::Parts<'_>)> {
        let World { machine, store, guests, told, xl, .. } = self;
        Some((xl.as_mut()?, xl::Parts { machine, store, guests, told }))
    }

    /// What xenstored does when VIRQ_DOM_EXC tells that a domain is down or gone.
    fn domain_exception(&mut self, event: Event) {
        let Ok(domid) = u16::try_from(event.domid) else { return };
        match event.what {
            Happened::Shutdown(_) if self.store.is_introduced(domid) => {
                self.store.fire_special("@releaseDomain", domid);
            }
            // ENOENT: the toolstack was faster, or never introduced it.
            Happened::Destroyed => drop(self.store.release(domid)),
            Happened::Shutdown(_)
            | Happened::Created
            | Happened::Runs
            | Happened::Paused
            | Happened::PowerButton => {}
        }
    }
}
