//! What a host does, whatever it is made of: one list of behaviours, each a function on the driver's public face, run here on the
//! embedded host of every age. Nothing in a behaviour knows that the host is a simulation, so the same list fits a real one: it
//! needs a guest's description ([`Lab::guest`]) and a way to order a crash ([`Lab::crash`]), and cleans up after itself.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::{AGES, ALL, LIVE, eventually, guest};
use xenith::Status;
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, Domain, ListFilter, OpenOptions};
use xenith::log::Log;
use xenith::model::{DomId, Reason, State};

/// A host to try behaviours on.
struct Lab<'a> {
    host: &'a Connection,
    /// A connection of somebody else's.
    other: &'a Connection,
    /// A small guest of that name that runs on this host.
    guest: &'a dyn Fn(&str) -> String,
    /// Makes the guest of that number crash, as `xm sysrq N c` does.
    crash: &'a dyn Fn(DomId),
}

type Behaviour = (&'static str, fn(&Lab<'_>));

const BEHAVIOURS: &[Behaviour] = &[
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
];

#[test]
fn the_embedded_host_of_every_age_behaves() {
    for age in AGES {
        let dir = std::env::temp_dir().join(format!("xenith-behaviours-{age}-{}", std::process::id()));
        let config = xenith::sim::SimConfig::from_query([("xen", age)]).unwrap();
        let server = xenith::sim::serve(config, &dir).unwrap();
        let far = xenith::sim::SimHost::join(&dir).unwrap();
        let xenstore = Xenstore::over(far.xenstore_dial(), Log::default());
        let crash = |id: DomId| {
            let deadline = Deadline::after(Duration::from_secs(10));
            xenstore.write(&format!("/local/domain/{id}/control/sysrq"), "c", deadline).unwrap();
        };
        let open = || {
            let uri = format!("xen+sim:///?dir={}", dir.display());
            Connection::open(Some(&uri), &OpenOptions::default()).unwrap()
        };
        let (host, other) = (open(), open());
        let lab = Lab { host: &host, other: &other, guest: &|name| guest(name, None), crash: &crash };
        for (name, behaviour) in BEHAVIOURS {
            eprintln!("Xen {age}: {name}");
            let before = host.list(ALL).unwrap().len();
            behaviour(&lab);
            assert_eq!(
                host.list(ALL).unwrap().len(),
                before,
                "Xen {age}: what was made is still there: {name}"
            );
        }
        drop(server);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

impl Lab<'_> {
    fn define(&self, name: &str) -> Domain {
        self.host.define(&(self.guest)(name)).unwrap()
    }

    fn start(&self, name: &str) -> Domain {
        let domain = self.define(name);
        domain.start(false).unwrap();
        domain
    }

    fn free_kib(&self) -> u64 {
        self.host.node_info().unwrap().free_memory_kib.unwrap()
    }
}

/// Ends and forgets a domain, whichever life it is in.
fn forget(domain: &Domain) {
    let now = domain.connection().lookup_by_uuid(domain.uuid()).unwrap();
    if now.is_active().unwrap() {
        now.destroy().unwrap();
    }
    now.undefine().unwrap();
    assert_eq!(now.info().unwrap_err().status, Status::NotFound);
}

fn defined(lab: &Lab<'_>) {
    let domain = lab.define("b-defined");
    assert_eq!(lab.host.lookup_by_name("b-defined").unwrap().identity(), domain.identity());
    assert_eq!(lab.host.lookup_by_uuid(domain.uuid()).unwrap().identity(), domain.identity());
    let info = domain.info().unwrap();
    assert_eq!((info.domid, info.state, info.reason), (None, State::Shutoff, Reason::Inactive));
    assert_eq!(info.cpu_time_ns, None, "no life, no time");
    assert!(domain.is_persistent().unwrap());
    assert_eq!(domain.suspend().unwrap_err().status, Status::InvalidState);
    forget(&domain);
    assert_eq!(lab.host.lookup_by_name("b-defined").err().unwrap().status, Status::NotFound);
}

fn boots(lab: &Lab<'_>) {
    let domain = lab.start("b-boots");
    let time = || domain.info().unwrap().cpu_time_ns.unwrap();
    let first = time();
    eventually("it uses its processor", || time() > first);
    assert!(matches!(domain.info().unwrap().state, State::Running | State::Blocked));
    assert_eq!(domain.start(false).unwrap_err().status, Status::InvalidState);
    assert_eq!(domain.undefine().unwrap_err().status, Status::InvalidState);
    forget(&domain);
}

fn figures(lab: &Lab<'_>) {
    let domain = lab.start("b-figures");
    let described = xenith::format::xml::parse(&domain.xml(false).unwrap()).unwrap();
    let info = domain.info().unwrap();
    assert_eq!(info.vcpus_max, Some(described.vcpus.max));
    assert!(info.vcpus_online.is_some_and(|online| online <= described.vcpus.max));
    assert!(info.memory_kib.is_some_and(|kib| kib > 0));
    assert!(info.max_memory_kib >= Some(described.memory_kib), "{info:?}");
    assert_eq!(info.guest_type, Some(described.os.kind));
    let rows = lab.host.list(LIVE).unwrap();
    let row = rows.iter().find(|row| row.info.uuid == domain.uuid()).unwrap();
    assert_eq!((row.name.as_deref(), row.info.domid), (Some("b-figures"), info.domid));
    forget(&domain);
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
    forget(&domain);
}

fn shuts_down(lab: &Lab<'_>) {
    let domain = lab.start("b-shuts");
    domain.shutdown().unwrap();
    eventually("it is down", || !domain.is_active().unwrap());
    let info = domain.info().unwrap();
    assert_eq!((info.state, info.reason), (State::Shutoff, Reason::Inactive));
    domain.start(false).unwrap();
    assert!(domain.is_active().unwrap(), "and can be started again");
    forget(&domain);
}

fn reboots(lab: &Lab<'_>) {
    let domain = lab.start("b-reboots");
    let first = domain.id().unwrap().unwrap();
    domain.reboot().unwrap();
    eventually("its next life", || domain.id().unwrap().is_some_and(|id| id != first));
    assert_eq!(domain.name().unwrap(), "b-reboots");
    assert_eq!(lab.host.lookup_by_id(first).err().unwrap().status, Status::NotFound);
    forget(&domain);
}

fn crashes(lab: &Lab<'_>) {
    let orders = |order: &str| {
        (lab.guest)("b-crashes").replace("</os>", &format!("</os><on_crash>{order}</on_crash>"))
    };
    let domain = lab.host.define(&orders("preserve")).unwrap();
    domain.start(false).unwrap();
    (lab.crash)(domain.id().unwrap().unwrap());
    eventually("it has crashed", || domain.info().unwrap().state == State::Crashed);
    assert_eq!(domain.info().unwrap().reason, Reason::Crash);
    assert!(domain.is_active().unwrap(), "preserved");
    domain.destroy().unwrap();

    lab.host.define(&orders("destroy")).unwrap();
    domain.start(false).unwrap();
    (lab.crash)(domain.id().unwrap().unwrap());
    eventually("it is destroyed", || !domain.is_active().unwrap());

    lab.host.define(&orders("restart")).unwrap();
    domain.start(false).unwrap();
    let first = domain.id().unwrap().unwrap();
    (lab.crash)(first);
    eventually("it runs again", || domain.id().unwrap().is_some_and(|id| id != first));
    forget(&domain);
}

fn destroys(lab: &Lab<'_>) {
    let domain = lab.define("b-destroys");
    let free = lab.free_kib();
    domain.start(false).unwrap();
    assert!(lab.free_kib() < free);
    domain.destroy().unwrap();
    assert!(!domain.is_active().unwrap(), "at once");
    eventually("its memory is free", || lab.free_kib() == free);
    forget(&domain);
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
    eventually("nothing is taken", || lab.free_kib() == free);
    assert_eq!(lab.host.lookup_by_name("b-finite").err().unwrap().status, Status::NotFound);
}

fn numbers(lab: &Lab<'_>) {
    let domain = lab.define("b-numbers");
    let mut last = None;
    for _ in 0..3 {
        domain.start(false).unwrap();
        let id = domain.id().unwrap();
        assert!(id.is_some() && id > last, "{id:?} after {last:?}");
        last = id;
        domain.destroy().unwrap();
    }
    forget(&domain);
}

fn others(lab: &Lab<'_>) {
    lab.host.list(ALL).unwrap();
    let theirs = lab.other.define(&(lab.guest)("b-others")).unwrap();
    assert_eq!(lab.host.lookup_by_name("b-others").unwrap().uuid(), theirs.uuid());
    theirs.start(false).unwrap();
    let fresh = lab.host.list(ListFilter { fresh: true, ..LIVE }).unwrap();
    let row = fresh.iter().find(|row| row.info.uuid == theirs.uuid()).unwrap();
    assert_eq!(row.name.as_deref(), Some("b-others"));
    let ours = lab.host.lookup_by_name("b-others").unwrap();
    assert_eq!(ours.identity(), theirs.identity());
    theirs.destroy().unwrap();
    assert_eq!(ours.suspend().unwrap_err().status, Status::Stale);
    assert!(!ours.is_active().unwrap());
    forget(&ours);
}

fn renames(lab: &Lab<'_>) {
    let domain = lab.define("b-renames");
    let uuid = domain.uuid();
    let renamed = (lab.guest)("b-renamed").replace("</name>", &format!("</name><uuid>{uuid}</uuid>"));
    assert_eq!(lab.host.define(&renamed).unwrap().uuid(), uuid);
    assert_eq!(domain.name().unwrap(), "b-renamed");
    assert_eq!(lab.host.lookup_by_name("b-renames").err().unwrap().status, Status::NotFound);
    domain.start(false).unwrap();
    let rows = lab.host.list(LIVE).unwrap();
    assert!(rows.iter().any(|row| row.name.as_deref() == Some("b-renamed") && row.info.uuid == uuid));
    forget(&domain);
}

fn stale(lab: &Lab<'_>) {
    let domain = lab.start("b-stale");
    let old = lab.host.lookup_by_id(domain.id().unwrap().unwrap()).unwrap();
    domain.destroy().unwrap();
    domain.start(false).unwrap();
    for act in [Domain::suspend, Domain::resume, Domain::shutdown, Domain::reboot, Domain::destroy] {
        assert_eq!(act(&old).unwrap_err().status, Status::Stale);
    }
    assert_eq!(old.id().unwrap(), domain.id().unwrap(), "reads follow the uuid");
    assert_eq!(old.name().unwrap(), "b-stale");
    forget(&domain);
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
        assert_eq!(lab.host.define(&xml).unwrap().uuid(), domain.uuid(), "{xml}");
        assert_eq!(domain.name().unwrap(), "b-describes");
    }
    domain.start(false).unwrap();
    forget(&domain);
}

fn lists(lab: &Lab<'_>) {
    let domains: Vec<Domain> = (0..4).map(|n| lab.define(&format!("b-lists-{n}"))).collect();
    let end = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|scope| {
        for domain in &domains {
            scope.spawn(move || {
                while Instant::now() < end {
                    domain.start(false).unwrap();
                    domain.destroy().unwrap();
                }
            });
        }
        while Instant::now() < end {
            let rows = lab.other.list(ALL).unwrap();
            for domain in &domains {
                let times = rows.iter().filter(|row| row.info.uuid == domain.uuid()).count();
                // One that stops during the list may be in neither half only where the list begins with live ones.
                assert_eq!(times, 1, "{rows:?}");
            }
        }
    });
    domains.iter().for_each(forget);
}
