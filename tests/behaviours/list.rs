//! The behaviours. None knows what its host is made of: what differs by the kind of host is said in [`Traits`]. Each cleans up after itself.

use std::path::Path;
use std::time::{Duration, Instant};

use xenith::Status;
use xenith::driver::{Connection, Domain, ListFilter};
use xenith::model::{DomId, Reason, State, Uuid};

use crate::common::{ALL, LIVE, eventually};

/// What hosts of its kind can do, and others cannot (docs/model.md).
#[derive(Clone, Copy)]
pub struct Traits {
    /// It remembers domains that do not run. One that does not refuses definitions, and all its domains are transient.
    pub remembers: bool,
    /// A running domain can be undefined, and goes on as a transient one.
    pub forgets_running: bool,
    /// A defined domain can be started paused.
    pub starts_paused: bool,
    /// A restored domain can be left paused.
    pub restores_paused: bool,
    /// A definition renames a running domain.
    pub renames_running: bool,
    /// Domains can be saved and restored.
    pub saves: bool,
    /// A process minds each life.
    pub has_monitors: bool,
    /// The hypervisor tells PV guests from others.
    pub tells_guest_type: bool,
    /// By how much the free memory may differ after everything was given back.
    pub memory_slack_kib: u64,
}

/// A host to try behaviours on.
pub struct Lab<'a> {
    pub host: &'a Connection,
    /// A connection of somebody else's.
    pub other: &'a Connection,
    /// A small guest of that name that runs on this host.
    pub guest: &'a dyn Fn(&str) -> String,
    /// Makes the guest of that number crash, as `xm sysrq N c` does.
    pub crash: &'a dyn Fn(DomId),
    pub traits: Traits,
    /// For files.
    pub folder: &'a Path,
}

pub type Behaviour = (&'static str, fn(&Lab<'_>));

pub const BEHAVIOURS: &[Behaviour] = &[
    ("a defined domain is known by name and uuid, and does not run", defined),
    ("a started domain boots and uses its processor", boots),
    ("the figures of a running domain are those of its description", figures),
    ("a paused domain uses no processor and goes on when it is resumed", pauses),
    ("a domain that is asked to shut down does so after a moment, and is inactive", shuts_down),
    ("a domain that is asked to reboot begins another life", reboots),
    ("a crash is seen as one and ends as the description orders", crashes),
    ("destroy ends a life at once and gives its memory back", destroys),
    ("a transient domain is gone with its life", transient),
    ("memory that is not there is refused, and nothing is left behind", finite),
    ("domids are never those of the life before", numbers),
    ("a change of somebody else's is seen by lookups and fresh lists", others),
    ("a rename by a definition is seen at once", renames),
    ("a handle of a life that is over is stale for acts and good for reads", stale),
    ("the description of a domain defines the same domain again", describes),
    ("a list has each domain once while domains come and go", lists),
    ("a running domain is forgotten where its host can do that, and goes on", forgets),
    ("a defined domain starts paused where its host can do that", starts_paused),
    ("a running domain has the name that it began with, or is renamed, by the kind of host", renames_running),
    ("a domain that is saved is inactive, and goes on when it is restored", saves),
    ("autostart is kept with the definition", autostarts),
    ("a life is minded where its toolstack leaves that to a process", minded),
];

impl Lab<'_> {
    fn define(&self, name: &str) -> Domain {
        self.host.define(&(self.guest)(name)).unwrap()
    }

    fn start(&self, name: &str) -> Domain {
        self.run(&(self.guest)(name))
    }

    /// Has that domain running: a defined one where the host remembers domains.
    fn run(&self, xml: &str) -> Domain {
        if !self.traits.remembers {
            return self.host.create(xml, false).unwrap();
        }
        let domain = self.host.define(xml).unwrap();
        domain.start(false).unwrap();
        domain
    }

    /// The description of a guest of that name and uuid.
    fn guest_of(&self, name: &str, uuid: Uuid) -> String {
        (self.guest)(name).replace("</name>", &format!("</name><uuid>{uuid}</uuid>"))
    }

    /// Waits until the life of a domain is over: it is inactive where the host remembers it, and gone where not.
    fn is_over(&self, what: &str, domain: &Domain) {
        eventually(what, || match domain.is_active() {
            Ok(active) => !active && self.traits.remembers,
            Err(error) => !self.traits.remembers && error.status == Status::NotFound,
        });
    }

    /// Why what is about definitions cannot be done to a running domain: not now, or never on a host that has none.
    fn cannot(&self) -> Status {
        if self.traits.remembers { Status::InvalidState } else { Status::NotSupported }
    }

    /// A host that remembers nothing says so when it is asked to.
    fn refuses_definitions(&self, name: &str) {
        let error = self.host.define(&(self.guest)(name)).err().unwrap();
        assert_eq!(error.status, Status::NotSupported, "{error}");
        assert!(error.message.contains("remembers no domain"), "{error}");
        assert_eq!(self.host.lookup_by_name(name).err().unwrap().status, Status::NotFound);
    }

    /// Ends and forgets a domain, whichever life it is in.
    fn forget(&self, domain: &Domain) {
        let now = domain.connection().lookup_by_uuid(domain.uuid()).unwrap();
        assert_eq!(now.is_persistent().unwrap(), self.traits.remembers);
        if now.is_active().unwrap() {
            now.destroy().unwrap();
        }
        if self.traits.remembers {
            now.undefine().unwrap();
        }
        assert_eq!(now.info().unwrap_err().status, Status::NotFound);
    }

    fn free_kib(&self) -> u64 {
        self.host.node_info().unwrap().free_memory_kib.unwrap()
    }

    /// Waits until the host has as much free memory as it had.
    fn has_back(&self, free: u64) {
        eventually("the memory is free", || self.free_kib().abs_diff(free) <= self.traits.memory_slack_kib);
    }
}

fn defined(lab: &Lab<'_>) {
    if !lab.traits.remembers {
        return lab.refuses_definitions("b-defined");
    }
    let domain = lab.define("b-defined");
    assert_eq!(lab.host.lookup_by_name("b-defined").unwrap().identity(), domain.identity());
    assert_eq!(lab.host.lookup_by_uuid(domain.uuid()).unwrap().identity(), domain.identity());
    let info = domain.info().unwrap();
    assert_eq!((info.domid, info.state, info.reason), (None, State::Shutoff, Reason::Inactive));
    assert_eq!(info.cpu_time_ns, None, "no life, no time");
    assert!(domain.is_persistent().unwrap());
    assert_eq!(domain.suspend().unwrap_err().status, Status::InvalidState);
    lab.forget(&domain);
    assert_eq!(lab.host.lookup_by_name("b-defined").err().unwrap().status, Status::NotFound);
}

fn boots(lab: &Lab<'_>) {
    let domain = lab.start("b-boots");
    let time = || domain.info().unwrap().cpu_time_ns.unwrap();
    let first = time();
    eventually("it uses its processor", || time() > first);
    assert!(matches!(domain.info().unwrap().state, State::Running | State::Blocked));
    assert_eq!(domain.start(false).unwrap_err().status, lab.cannot());
    lab.forget(&domain);
}

fn figures(lab: &Lab<'_>) {
    let domain = lab.start("b-figures");
    let described = xenith::format::xml::parse(&domain.xml(false).unwrap()).unwrap();
    let info = domain.info().unwrap();
    assert_eq!(info.vcpus_max, Some(described.vcpus.max));
    assert!(info.vcpus_online.is_some_and(|online| online <= described.vcpus.max));
    assert!(info.memory_kib.is_some_and(|kib| kib > 0));
    assert!(info.max_memory_kib >= Some(described.memory_kib), "{info:?}");
    assert_eq!(info.guest_type, lab.traits.tells_guest_type.then_some(described.os.kind));
    let rows = lab.host.list(LIVE).unwrap();
    let row = rows.iter().find(|row| row.info.uuid == domain.uuid()).unwrap();
    assert_eq!((row.name.as_deref(), row.info.domid), (Some("b-figures"), info.domid));
    lab.forget(&domain);
}

fn pauses(lab: &Lab<'_>) {
    let domain = lab.start("b-pauses");
    domain.suspend().unwrap();
    assert_eq!(domain.info().unwrap().state, State::Paused);
    let time = domain.info().unwrap().cpu_time_ns;
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(domain.info().unwrap().cpu_time_ns, time);
    assert_eq!(
        lab.host.lookup_by_name("b-pauses").unwrap().identity(),
        domain.identity(),
        "known while paused"
    );
    domain.resume().unwrap();
    eventually("it goes on", || domain.info().unwrap().cpu_time_ns > time);
    lab.forget(&domain);
}

fn shuts_down(lab: &Lab<'_>) {
    let domain = lab.start("b-shuts");
    domain.shutdown().unwrap();
    lab.is_over("it is down", &domain);
    if !lab.traits.remembers {
        return;
    }
    let info = domain.info().unwrap();
    assert_eq!((info.state, info.reason), (State::Shutoff, Reason::Inactive));
    domain.start(false).unwrap();
    assert!(domain.is_active().unwrap(), "and can be started again");
    lab.forget(&domain);
}

fn reboots(lab: &Lab<'_>) {
    let domain = lab.start("b-reboots");
    let first = domain.id().unwrap().unwrap();
    domain.reboot().unwrap();
    eventually("its next life", || domain.id().unwrap().is_some_and(|id| id != first));
    // A life is there a moment before it has its name.
    eventually("its name", || domain.name().is_ok_and(|name| name == "b-reboots"));
    assert_eq!(lab.host.lookup_by_id(first).err().unwrap().status, Status::NotFound);
    lab.forget(&domain);
}

fn crashes(lab: &Lab<'_>) {
    let orders = |order: &str| {
        (lab.guest)("b-crashes").replace("</os>", &format!("</os><on_crash>{order}</on_crash>"))
    };
    let domain = lab.run(&orders("preserve"));
    (lab.crash)(domain.id().unwrap().unwrap());
    eventually("it has crashed", || domain.info().unwrap().state == State::Crashed);
    assert_eq!(domain.info().unwrap().reason, Reason::Crash);
    assert!(domain.is_active().unwrap(), "preserved");
    domain.destroy().unwrap();

    let domain = lab.run(&orders("destroy"));
    (lab.crash)(domain.id().unwrap().unwrap());
    lab.is_over("it is destroyed", &domain);

    let domain = lab.run(&orders("restart"));
    let first = domain.id().unwrap().unwrap();
    (lab.crash)(first);
    // A transient domain is away between two lives.
    eventually("it runs again", || domain.id().is_ok_and(|id| id.is_some_and(|id| id != first)));
    lab.forget(&domain);
}

fn destroys(lab: &Lab<'_>) {
    let free = lab.free_kib();
    let domain = lab.start("b-destroys");
    assert!(lab.free_kib() < free);
    domain.destroy().unwrap();
    match domain.is_active() {
        Ok(active) => assert!(!active && lab.traits.remembers, "at once"),
        Err(error) => assert!(error.status == Status::NotFound && !lab.traits.remembers, "{error}"),
    }
    lab.has_back(free);
    if lab.traits.remembers {
        lab.forget(&domain);
    }
}

fn transient(lab: &Lab<'_>) {
    let xml = (lab.guest)("b-transient");
    let domain = lab.host.create(&xml, true).unwrap();
    assert_eq!(domain.info().unwrap().state, State::Paused);
    assert!(!domain.is_persistent().unwrap());
    assert_eq!(lab.host.create(&xml, false).err().unwrap().status, Status::Exists);
    domain.resume().unwrap();
    domain.shutdown().unwrap();
    eventually("it is gone", || domain.info().is_err_and(|error| error.status == Status::NotFound));
    assert_eq!(domain.destroy().unwrap_err().status, Status::Stale);
    assert_eq!(domain.name().unwrap_err().status, Status::NotFound);
}

fn finite(lab: &Lab<'_>) {
    let free = lab.free_kib();
    let mut described = xenith::format::xml::parse(&(lab.guest)("b-finite")).unwrap();
    described.max_memory_kib = (free + (1 << 20)).next_multiple_of(1024);
    described.memory_kib = described.max_memory_kib;
    let xml = xenith::format::xml::write(&described, &xenith::model::guest::Live::default());
    lab.host.create(&xml, false).err().expect("there is not so much");
    lab.has_back(free);
    assert_eq!(lab.host.lookup_by_name("b-finite").err().unwrap().status, Status::NotFound);
}

fn numbers(lab: &Lab<'_>) {
    let uuid = Uuid::from_u128(0x6e75_6d62_6572_4000_8000_7300_0000_0001);
    let mut last = None;
    for _ in 0..3 {
        let domain = lab.run(&lab.guest_of("b-numbers", uuid));
        let id = domain.id().unwrap();
        assert!(id.is_some() && id > last, "{id:?} after {last:?}");
        last = id;
        domain.destroy().unwrap();
    }
    if lab.traits.remembers {
        lab.forget(&lab.host.lookup_by_uuid(uuid).unwrap());
    }
}

fn others(lab: &Lab<'_>) {
    lab.host.list(ALL).unwrap();
    let theirs = match lab.traits.remembers {
        true => {
            let theirs = lab.other.define(&(lab.guest)("b-others")).unwrap();
            assert_eq!(lab.host.lookup_by_name("b-others").unwrap().uuid(), theirs.uuid());
            theirs.start(false).unwrap();
            theirs
        }
        false => lab.other.create(&(lab.guest)("b-others"), false).unwrap(),
    };
    let fresh = lab.host.list(ListFilter { fresh: true, ..LIVE }).unwrap();
    let row = fresh.iter().find(|row| row.info.uuid == theirs.uuid()).unwrap();
    assert_eq!(row.name.as_deref(), Some("b-others"));
    let ours = lab.host.lookup_by_name("b-others").unwrap();
    assert_eq!(ours.identity(), theirs.identity());
    theirs.destroy().unwrap();
    assert_eq!(ours.suspend().unwrap_err().status, Status::Stale);
    lab.is_over("its life is over", &ours);
    if lab.traits.remembers {
        lab.forget(&ours);
    }
}

fn renames(lab: &Lab<'_>) {
    if !lab.traits.remembers {
        return lab.refuses_definitions("b-renames");
    }
    let domain = lab.define("b-renames");
    let uuid = domain.uuid();
    let renamed = lab.guest_of("b-renamed", uuid);
    assert_eq!(lab.host.define(&renamed).unwrap().uuid(), uuid);
    assert_eq!(domain.name().unwrap(), "b-renamed");
    assert_eq!(lab.host.lookup_by_name("b-renames").err().unwrap().status, Status::NotFound);
    domain.start(false).unwrap();
    let rows = lab.host.list(LIVE).unwrap();
    assert!(rows.iter().any(|row| row.name.as_deref() == Some("b-renamed") && row.info.uuid == uuid));
    lab.forget(&domain);
}

fn stale(lab: &Lab<'_>) {
    let old = lab.start("b-stale");
    old.destroy().unwrap();
    let domain = lab.run(&lab.guest_of("b-stale", old.uuid()));
    for act in [Domain::suspend, Domain::resume, Domain::shutdown, Domain::reboot, Domain::destroy] {
        assert_eq!(act(&old).unwrap_err().status, Status::Stale);
    }
    assert_eq!(old.id().unwrap(), domain.id().unwrap(), "reads follow the uuid");
    assert_eq!(old.name().unwrap(), "b-stale");
    lab.forget(&domain);
}

fn describes(lab: &Lab<'_>) {
    let domain = lab.start("b-describes");
    let id = domain.id().unwrap().unwrap();
    let live = domain.xml(false).unwrap();
    assert!(live.contains(&format!("id='{id}'")), "{live}");
    let config = domain.xml(true).unwrap();
    assert!(!config.contains(&format!("id='{id}'")) && !config.contains("tty="), "{config}");
    domain.destroy().unwrap();
    for xml in [live, config] {
        let again = lab.run(&xml);
        assert_eq!(again.uuid(), domain.uuid(), "{xml}");
        assert_eq!(again.name().unwrap(), "b-describes");
        again.destroy().unwrap();
    }
    if lab.traits.remembers {
        lab.forget(&domain);
    }
}

fn lists(lab: &Lab<'_>) {
    let remembers = lab.traits.remembers;
    let uuids: Vec<Uuid> =
        (0..4).map(|n| Uuid::from_u128(0x6c69_7374_7300_4000_8000_0000_0000_0000 | n)).collect();
    let xmls: Vec<String> =
        uuids.iter().enumerate().map(|(n, uuid)| lab.guest_of(&format!("b-lists-{n}"), *uuid)).collect();
    if remembers {
        xmls.iter().for_each(|xml| assert!(lab.host.define(xml).is_ok()));
    }
    let (host, end) = (lab.host, Instant::now() + Duration::from_millis(300));
    std::thread::scope(|scope| {
        for (uuid, xml) in uuids.iter().zip(&xmls) {
            scope.spawn(move || {
                while Instant::now() < end {
                    let domain = match remembers {
                        true => {
                            let domain = host.lookup_by_uuid(*uuid).unwrap();
                            domain.start(false).unwrap();
                            host.lookup_by_uuid(*uuid).unwrap()
                        }
                        false => host.create(xml, false).unwrap(),
                    };
                    domain.destroy().unwrap();
                }
            });
        }
        while Instant::now() < end {
            let rows = lab.other.list(ALL).unwrap();
            for uuid in &uuids {
                let times = rows.iter().filter(|row| row.info.uuid == *uuid).count();
                // One that is remembered is there at all times, and one that is not at most once.
                assert!(times == 1 || (times == 0 && !remembers), "{rows:?}");
            }
        }
    });
    if remembers {
        uuids.iter().for_each(|uuid| lab.forget(&host.lookup_by_uuid(*uuid).unwrap()));
    }
}

fn forgets(lab: &Lab<'_>) {
    let domain = lab.start("b-forgets");
    if !lab.traits.forgets_running {
        assert_eq!(domain.undefine().unwrap_err().status, lab.cannot());
        lab.forget(&domain);
        return;
    }
    assert!(domain.is_persistent().unwrap());
    domain.undefine().unwrap();
    assert!(!domain.is_persistent().unwrap() && domain.is_active().unwrap());
    assert_eq!(domain.undefine().unwrap_err().status, Status::InvalidState, "it is transient");
    assert_eq!(domain.name().unwrap(), "b-forgets");
    // What runs can be remembered again.
    let again = lab.host.define(&domain.xml(true).unwrap()).unwrap();
    assert_eq!(again.identity(), domain.identity());
    assert!(domain.is_persistent().unwrap());
    domain.undefine().unwrap();
    domain.destroy().unwrap();
    assert_eq!(domain.info().unwrap_err().status, Status::NotFound);
}

fn starts_paused(lab: &Lab<'_>) {
    if !lab.traits.remembers {
        // Nothing is there to be started; a creation that stays paused is among the transient ones' behaviours.
        return;
    }
    let domain = lab.define("b-paused");
    if !lab.traits.starts_paused {
        assert_eq!(domain.start(true).unwrap_err().status, Status::NotSupported);
        lab.forget(&domain);
        return;
    }
    domain.start(true).unwrap();
    assert_eq!(domain.info().unwrap().state, State::Paused);
    domain.suspend().unwrap();
    domain.resume().unwrap();
    assert_ne!(domain.info().unwrap().state, State::Paused, "pauses are not piled up");
    assert_eq!(domain.resume().unwrap_err().status, Status::InvalidState);
    lab.forget(&domain);
}

fn renames_running(lab: &Lab<'_>) {
    if lab.traits.renames_running {
        return;
    }
    let domain = lab.start("b-renamed-not");
    let uuid = domain.uuid();
    let renamed = lab.guest_of("b-renamed-to", uuid);
    assert_eq!(lab.host.define(&renamed).err().unwrap().status, Status::InvalidState);
    assert_eq!(domain.name().unwrap(), "b-renamed-not");
    assert_eq!(lab.host.lookup_by_name("b-renamed-to").err().unwrap().status, Status::NotFound);
    lab.forget(&domain);
}

fn saves(lab: &Lab<'_>) {
    if !lab.traits.saves {
        return;
    }
    let file = lab.folder.join("saved");
    let domain = lab.start("b-saves");
    eventually("it uses its processor", || domain.info().unwrap().cpu_time_ns > Some(0));
    let first = domain.id().unwrap();
    // A guest that has not booted cannot be saved: that leaves it as it is.
    eventually("it is saved", || match domain.save(&file) {
        Ok(()) => true,
        Err(error) => {
            assert!(domain.is_active().unwrap() && !file.exists(), "{error}");
            false
        }
    });
    lab.is_over("its life is over", &domain);
    assert_eq!(domain.save(&file).unwrap_err().status, Status::Stale);
    // xend can only let it run at once.
    let paused = lab.traits.restores_paused;
    let again = lab.host.restore(&file, paused).unwrap();
    assert_eq!(again.uuid(), domain.uuid());
    assert_eq!(again.info().unwrap().state == State::Paused, paused);
    assert!(again.id().unwrap().is_some_and(|id| Some(id) != first));
    assert_eq!(again.name().unwrap(), "b-saves");
    assert_eq!(again.is_persistent().unwrap(), lab.traits.remembers);
    assert_eq!(lab.host.restore(&file, paused).err().unwrap().status, Status::Exists, "it runs already");
    if paused {
        again.resume().unwrap();
    }
    let time = again.info().unwrap().cpu_time_ns;
    eventually("it goes on", || again.info().unwrap().cpu_time_ns > time);
    lab.forget(&again);
    assert_eq!(lab.host.restore(&lab.folder.join("none"), false).err().unwrap().status, Status::NotFound);
    std::fs::write(&file, "rubbish").unwrap();
    assert_eq!(lab.host.restore(&file, false).err().unwrap().status, Status::InvalidConfig);
    std::fs::remove_file(&file).unwrap();
}

fn autostarts(lab: &Lab<'_>) {
    if !lab.traits.remembers {
        let domain = lab.start("b-autostarts");
        assert_eq!(domain.autostart().unwrap_err().status, Status::NotSupported);
        assert_eq!(domain.set_autostart(true).unwrap_err().status, Status::NotSupported);
        return lab.forget(&domain);
    }
    let domain = lab.define("b-autostarts");
    assert!(!domain.autostart().unwrap());
    for wanted in [true, true, false, true] {
        domain.set_autostart(wanted).unwrap();
        assert_eq!(domain.autostart().unwrap(), wanted);
    }
    assert_eq!(lab.other.lookup_by_name("b-autostarts").unwrap().autostart().ok(), Some(true));
    lab.forget(&domain);
    let again = lab.define("b-autostarts");
    assert!(!again.autostart().unwrap(), "it went with the definition");
    lab.forget(&again);
}

fn minded(lab: &Lab<'_>) {
    let domain = lab.start("b-minded");
    if lab.traits.has_monitors {
        eventually("a monitor minds it", || domain.has_monitor().unwrap());
    } else {
        assert_eq!(domain.has_monitor().unwrap_err().status, Status::NotSupported);
    }
    lab.forget(&domain);
}
