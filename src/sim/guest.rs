//! The lives of the simulated guests: they boot when they are first unpaused, connect their devices, keep to memory/target and
//! cpu/N/availability, answer control/shutdown and control/sysrq in xenstore, and go down. A paused guest does nothing.
//!
//! What a guest reads and writes is that of a paravirtualized Linux, and an HVM one with the drivers that make it behave
//! so (facts: xen-abi.md sections 6.1 and 6.2).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use super::machine::{Event, Happened, Load, Machine, PAGE_KIB, reason};
use super::xenstored::Xenstored;
use crate::model::DomId;

/// Every guest's life.
#[derive(Debug)]
pub struct Guests {
    boot: Duration,
    shutdown: Duration,
    lives: HashMap<DomId, Life>,
    timers: BinaryHeap<Reverse<(Duration, DomId)>>,
}

#[derive(Debug)]
struct Life {
    phase: Phase,
    /// When the phase is over; None where nothing but an order ends it.
    until: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Made, and never unpaused.
    New,
    /// Made of a saved guest, and never unpaused.
    Restored,
    Booting,
    Up,
    /// On its way down, for this reason.
    Ending(u8),
    Down,
}

impl Guests {
    /// No guests yet. Each will take `boot` to come up and `shutdown` to go down.
    pub fn new(boot: Duration, shutdown: Duration) -> Self {
        Guests { boot, shutdown, lives: HashMap::new(), timers: BinaryHeap::new() }
    }

    /// A guest that has been up for long when the host starts.
    pub fn adopt(&mut self, domid: DomId) {
        self.lives.insert(domid, Life { phase: Phase::Up, until: None });
    }

    /// A domain that is about to be made: its memory is that of a guest that was saved. It goes on when it is first unpaused, and only its
    /// devices have to be connected anew.
    pub fn restore(&mut self, domid: DomId) {
        self.lives.insert(domid, Life { phase: Phase::Restored, until: None });
    }

    /// Whether the guest has booted and is not going down.
    pub fn is_up(&self, domid: DomId) -> bool {
        self.lives.get(&domid).is_some_and(|life| life.phase == Phase::Up)
    }

    /// The moment of the machine's clock at which [`Guests::tick`] has work to do.
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Something happened to a domain.
    pub fn happened(&mut self, event: Event, machine: &mut Machine, store: &mut Xenstored) {
        let Event { domid, what } = event;
        match what {
            Happened::Created => {
                // One that is restored was announced.
                self.lives.entry(domid).or_insert(Life { phase: Phase::New, until: None });
            }
            Happened::Runs => self.runs(domid, machine, store),
            Happened::Shutdown(_) => {
                if let Some(life) = self.lives.get_mut(&domid) {
                    *life = Life { phase: Phase::Down, until: None };
                }
            }
            Happened::Destroyed => {
                self.lives.remove(&domid);
            }
            Happened::PowerButton => {
                write(store, &format!("/local/domain/{domid}/control/shutdown"), b"poweroff");
                self.listen(domid, machine, store);
            }
            Happened::Paused => {}
        }
    }

    /// A node of xenstore changed. Only the handful that a guest watches matter.
    pub fn changed(&mut self, path: &str, machine: &mut Machine, store: &mut Xenstored) {
        let Some((domid, node)) = path.strip_prefix("/local/domain/").and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        let watched = matches!(node, "control/shutdown" | "control/sysrq" | "memory/target")
            || (node.starts_with("cpu/") && node.ends_with("/availability"));
        if let (true, Ok(domid)) = (watched, domid.parse()) {
            self.listen(domid, machine, store);
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Duration, machine: &mut Machine, store: &mut Xenstored) {
        while let Some(Reverse((at, domid))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            self.due(domid, now, machine, store);
        }
    }

    /// It was unpaused or resumed: the first time it boots, later it does what came due or was asked meanwhile.
    fn runs(&mut self, domid: DomId, machine: &mut Machine, store: &mut Xenstored) {
        let now = machine.now();
        match self.lives.get(&domid).map(|life| life.phase) {
            Some(phase @ (Phase::New | Phase::Restored)) => {
                // ESRCH cannot be: the event is about a domain that runs.
                let _ = machine.set_load(domid, Load::Busy);
                open_console(domid, store);
                let needs = if phase == Phase::New { self.boot } else { Duration::ZERO };
                self.enter(domid, Phase::Booting, now + needs);
            }
            Some(Phase::Down) => {
                // Resumed after a suspend.
                let _ = machine.set_load(domid, Load::Idle);
                self.adopt(domid);
                self.listen(domid, machine, store);
            }
            Some(_) => {
                self.due(domid, now, machine, store);
                self.listen(domid, machine, store);
            }
            None => {}
        }
    }

    fn enter(&mut self, domid: DomId, phase: Phase, until: Duration) {
        self.lives.insert(domid, Life { phase, until: Some(until) });
        self.timers.push(Reverse((until, domid)));
    }

    /// Ends the guest's phase if its time has come and it can run.
    fn due(&mut self, domid: DomId, now: Duration, machine: &mut Machine, store: &mut Xenstored) {
        if !machine.get(domid).is_some_and(|domain| domain.runs()) {
            return;
        }
        let Some(life) = self.lives.get_mut(&domid) else { return };
        if life.until.is_none_or(|until| until > now) {
            return;
        }
        life.until = None;
        match life.phase {
            Phase::Booting => {
                life.phase = Phase::Up;
                let _ = machine.set_load(domid, Load::Idle);
                connect_devices(domid, store);
                self.listen(domid, machine, store);
            }
            Phase::Ending(reason) => {
                life.phase = Phase::Down;
                let _ = machine.shutdown(domid, reason);
            }
            Phase::New | Phase::Restored | Phase::Up | Phase::Down => {}
        }
    }

    /// Looks at what it was told through xenstore, if it is up and can run.
    fn listen(&mut self, domid: DomId, machine: &mut Machine, store: &mut Xenstored) {
        let up = self.lives.get(&domid).is_some_and(|life| life.phase == Phase::Up);
        if !up || !machine.get(domid).is_some_and(|domain| domain.runs()) {
            return;
        }
        keep_to_target(domid, machine, store);
        keep_to_availability(domid, machine, store);
        if let Some(reason) = take_order(domid, "sysrq", sysrq_reason, store) {
            if let Some(life) = self.lives.get_mut(&domid) {
                life.phase = Phase::Down;
            }
            let _ = machine.shutdown(domid, reason);
        } else if let Some(reason) = take_order(domid, "shutdown", shutdown_reason, store) {
            let _ = machine.set_load(domid, Load::Busy);
            self.enter(domid, Phase::Ending(reason), machine.now() + self.shutdown);
        }
    }
}

/// Reads an order from a control node and clears it, which says that it was understood. Orders that the guest does not
/// know stay as they are.
fn take_order(
    domid: DomId,
    node: &str,
    understand: fn(&[u8]) -> Option<u8>,
    store: &mut Xenstored,
) -> Option<u8> {
    let path = format!("/local/domain/{domid}/control/{node}");
    let reason = understand(&read(store, &path)?)?;
    write(store, &path, b"");
    Some(reason)
}

/// What a guest does about each word in control/shutdown.
fn shutdown_reason(word: &[u8]) -> Option<u8> {
    match word {
        b"poweroff" | b"halt" => Some(reason::POWEROFF),
        b"reboot" => Some(reason::REBOOT),
        b"suspend" => Some(reason::SUSPEND),
        _ => None,
    }
}

/// What a guest does about the keys of control/sysrq that end it.
fn sysrq_reason(key: &[u8]) -> Option<u8> {
    match key {
        b"c" => Some(reason::CRASH),
        b"o" => Some(reason::POWEROFF),
        b"b" => Some(reason::REBOOT),
        _ => None,
    }
}

/// What the console daemon does for a new guest: gives its console a terminal.
fn open_console(domid: DomId, store: &mut Xenstored) {
    let console = format!("/local/domain/{domid}/console");
    let tty = format!("{console}/tty");
    if read(store, &console).is_some() && read(store, &tty).is_none_or(|value| value.is_empty()) {
        write(store, &tty, format!("/dev/pts/{domid}").as_bytes());
    }
}

/// Brings every device to state 4 (connected) on both ends, as its driver and its backend do together.
fn connect_devices(domid: DomId, store: &mut Xenstored) {
    let devices = format!("/local/domain/{domid}/device");
    for kind in store.directory(0, &devices).unwrap_or_default() {
        for id in store.directory(0, &format!("{devices}/{kind}")).unwrap_or_default() {
            let frontend = format!("{devices}/{kind}/{id}");
            let backend =
                read(store, &format!("{frontend}/backend")).and_then(|path| String::from_utf8(path).ok());
            // A node without a backend is no device: device/suspend, for example.
            let Some(backend) = backend.filter(|path| !path.is_empty()) else { continue };
            write(store, &format!("{frontend}/event-channel"), b"9");
            for end in [frontend, backend] {
                write(store, &format!("{end}/state"), b"4");
            }
        }
    }
}

/// The balloon driver: takes or gives pages until the guest has what memory/target says (KiB), or can get no more.
fn keep_to_target(domid: DomId, machine: &mut Machine, store: &mut Xenstored) {
    let target = number(read(store, &format!("/local/domain/{domid}/memory/target")));
    let (Some(target), Some(domain)) = (target, machine.get(domid)) else { return };
    let (has, may) = (domain.tot_pages, domain.max_pages);
    let wants = (target / PAGE_KIB).min(may);
    let free = machine.physinfo().free_pages;
    if wants > has {
        let _ = machine.populate(domid, (wants - has).min(free));
    } else {
        let _ = machine.depopulate(domid, has - wants);
    }
}

/// Vcpu hotplug: as many are online as cpu/N/availability says, and never none.
fn keep_to_availability(domid: DomId, machine: &mut Machine, store: &mut Xenstored) {
    let Some(domain) = machine.get(domid) else { return };
    let wanted = (0..domain.max_vcpus)
        .filter_map(|vcpu| read(store, &format!("/local/domain/{domid}/cpu/{vcpu}/availability")))
        .filter(|value| value == b"online")
        .count();
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    if wanted > 0 && wanted != domain.online_vcpus {
        let _ = machine.set_online_vcpus(domid, wanted);
    }
}

/// A node's value; None where there is no such node.
fn read(store: &mut Xenstored, path: &str) -> Option<Vec<u8>> {
    store.read(0, path).ok()
}

/// Sets a node's value. It cannot fail: domain 0 may do anything, and the path is made here of numbers and names of nodes.
fn write(store: &mut Xenstored, path: &str, value: &[u8]) {
    let _ = store.write(0, path, value);
}

fn number(value: Option<Vec<u8>>) -> Option<u64> {
    std::str::from_utf8(&value?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::LiveBits;
    use crate::model::{GuestType, Uuid};
    use crate::sim::machine::{MachineSize, NewDomain};
    use crate::sim::release::Release;
    use crate::sim::xenstored::XenstoredAge;

    /// A machine with one unbooted guest, its xenstore, and the guests.
    struct World {
        machine: Machine,
        store: Xenstored,
        guests: Guests,
        domid: DomId,
    }

    const BOOT: Duration = Duration::from_millis(20);
    const SHUTDOWN: Duration = Duration::from_millis(50);

    impl World {
        fn new() -> World {
            let size = MachineSize { memory_kib: 4 << 20, cpus: 2 };
            let mut machine = Machine::with_stepped_clock(Release::XEN_4_1, size);
            let domid = machine.create(&NewDomain::new(Uuid::from_u128(9), GuestType::Pv)).unwrap();
            machine.set_max_mem(domid, 256 << 8).unwrap();
            machine.populate(domid, 128 << 8).unwrap();
            machine.set_max_vcpus(domid, 2).unwrap();
            machine.set_online_vcpus(domid, 1).unwrap();
            let guests = Guests::new(BOOT, SHUTDOWN);
            let mut world = World { machine, store: Xenstored::new(XenstoredAge::of(4, 1)), guests, domid };
            world.settle();
            world
        }

        fn booted() -> World {
            let mut world = World::new();
            world.machine.unpause(world.domid).unwrap();
            world.after(BOOT);
            world
        }

        fn settle(&mut self) {
            for event in self.machine.take_events() {
                self.guests.happened(event, &mut self.machine, &mut self.store);
            }
        }

        fn after(&mut self, time: Duration) {
            self.settle();
            self.machine.advance(time);
            self.guests.tick(self.machine.now(), &mut self.machine, &mut self.store);
            self.settle();
        }

        fn say(&mut self, node: &str, value: &str) {
            let path = format!("/local/domain/{}/{node}", self.domid);
            self.store.write(0, &path, value).unwrap();
            self.guests.changed(&path, &mut self.machine, &mut self.store);
        }

        fn node(&mut self, node: &str) -> String {
            let path = format!("/local/domain/{}/{node}", self.domid);
            String::from_utf8(self.store.read(0, &path).unwrap()).unwrap()
        }

        fn bits(&self) -> LiveBits {
            self.machine.bits(self.machine.get(self.domid).unwrap())
        }
    }

    #[test]
    fn a_guest_boots_when_it_is_first_unpaused_and_connects_its_devices() {
        let mut world = World::new();
        let backend = "/local/domain/0/backend/vif/1/0";
        world.say("device/vif/0/backend", backend);
        world.say("device/vif/0/state", "1");
        world.store.write(0, &format!("{backend}/state"), "2").unwrap();
        world.say("console/port", "2");
        world.store.write(0, "/local/domain/1/console", "").unwrap();
        assert_eq!(world.guests.next_timer(), None, "nothing happens to a paused guest");
        world.machine.unpause(world.domid).unwrap();
        world.settle();
        assert!(world.bits().running);
        assert_eq!(world.node("console/tty"), "/dev/pts/1");
        world.after(BOOT);
        assert!(world.bits().blocked);
        assert_eq!(world.node("device/vif/0/state"), "4");
        assert_eq!(world.store.read(0, &format!("{backend}/state")).unwrap(), b"4");
    }

    #[test]
    fn every_order_to_shut_down_is_cleared_and_obeyed_after_a_moment() {
        for (word, reason) in [("poweroff", 0), ("halt", 0), ("reboot", 1), ("suspend", 2)] {
            let mut world = World::booted();
            world.say("control/shutdown", word);
            assert_eq!(world.node("control/shutdown"), "");
            world.after(SHUTDOWN - Duration::from_millis(1));
            assert!(!world.bits().shutdown, "{word}");
            world.after(Duration::from_millis(1));
            assert!(world.bits().shutdown, "{word}");
            assert_eq!(world.bits().shutdown_reason, reason, "{word}");
        }
    }

    #[test]
    fn an_order_that_it_does_not_know_is_left_alone() {
        let mut world = World::booted();
        world.say("control/shutdown", "dance");
        world.say("control/sysrq", "x");
        world.after(SHUTDOWN * 2);
        assert_eq!(world.node("control/shutdown"), "dance");
        assert!(!world.bits().shutdown);
    }

    #[test]
    fn it_crashes_on_order_at_once() {
        let mut world = World::booted();
        world.say("control/sysrq", "c");
        assert_eq!((world.bits().shutdown, world.bits().shutdown_reason), (true, reason::CRASH));
        world.after(SHUTDOWN);
        assert_eq!(world.bits().shutdown_reason, reason::CRASH);
    }

    #[test]
    fn a_paused_guest_answers_when_it_is_unpaused() {
        let mut world = World::booted();
        world.machine.pause(world.domid).unwrap();
        world.say("control/shutdown", "poweroff");
        world.after(SHUTDOWN * 3);
        assert_eq!(world.node("control/shutdown"), "poweroff");
        world.machine.unpause(world.domid).unwrap();
        world.settle();
        assert_eq!(world.node("control/shutdown"), "");
        world.machine.pause(world.domid).unwrap();
        world.after(SHUTDOWN);
        assert!(!world.bits().shutdown, "paused again on its way down");
        world.machine.unpause(world.domid).unwrap();
        world.settle();
        assert!(world.bits().shutdown);
    }

    #[test]
    fn an_order_that_came_while_it_booted_is_obeyed_after_that() {
        let mut world = World::new();
        world.machine.unpause(world.domid).unwrap();
        world.settle();
        world.say("control/shutdown", "reboot");
        world.after(BOOT);
        world.after(SHUTDOWN);
        assert_eq!(world.bits().shutdown_reason, reason::REBOOT);
        assert!(world.bits().shutdown);
    }

    #[test]
    fn a_suspended_guest_that_is_resumed_listens_again() {
        let mut world = World::booted();
        world.say("control/shutdown", "suspend");
        world.after(SHUTDOWN);
        world.machine.resume(world.domid).unwrap();
        world.settle();
        world.say("control/shutdown", "poweroff");
        world.after(SHUTDOWN);
        assert_eq!(world.bits().shutdown_reason, reason::POWEROFF);
    }

    #[test]
    fn its_balloon_and_its_vcpus_follow_xenstore() {
        let mut world = World::booted();
        let pages = |world: &World| world.machine.get(world.domid).unwrap().tot_pages;
        world.say("memory/target", &(64 << 10).to_string());
        assert_eq!(pages(&world), 64 << 8);
        world.say("memory/target", &(1 << 30).to_string());
        assert_eq!(pages(&world), 256 << 8, "never more than it may have");
        world.say("memory/target", "plenty");
        assert_eq!(pages(&world), 256 << 8);
        world.say("cpu/0/availability", "online");
        world.say("cpu/1/availability", "online");
        assert_eq!(world.machine.get(world.domid).unwrap().online_vcpus, 2);
        world.say("cpu/1/availability", "offline");
        assert_eq!(world.machine.get(world.domid).unwrap().online_vcpus, 1);
    }

    #[test]
    fn a_life_that_ended_leaves_no_one_behind_who_acts_on_the_next() {
        let mut world = World::booted();
        world.say("control/shutdown", "poweroff");
        world.machine.destroy_all(world.domid).unwrap();
        world.after(SHUTDOWN);
        assert!(world.guests.lives.is_empty());
        assert_eq!(world.guests.next_timer(), None);
    }
}
