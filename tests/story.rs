//! The main job on the embedded host, for every age and every guest: define, start, look up, inspect, stop.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::{AGES, ALL, LIVE, SEEDS, Scratch, XEND_AGES, eventually, guest, open, seed};
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, ListFilter, OpenOptions};
use xenith::log::Log;
use xenith::model::guest::{BootDevice, DiskDevice};
use xenith::model::{Guest, GuestType, Reason, State, Uuid};
use xenith::sim::SimConfig;
use xenith::{Road, Status};

/// Whether the host of that age has xend; the others have xl.
fn is_xend(age: &str) -> bool {
    XEND_AGES.contains(&age)
}

#[test]
fn the_four_guests_live_through_the_whole_story_on_every_age() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        for name in SEEDS {
            let what = format!("{name} on {age}");
            let domain = host.define(&seed(name)).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!domain.is_active().unwrap() && domain.is_persistent().unwrap(), "{what}");
            let info = domain.info().unwrap();
            assert_eq!(
                (info.state, info.reason, info.domid),
                (State::Shutoff, Reason::Inactive, None),
                "{what}"
            );

            domain.start(false).unwrap_or_else(|error| panic!("{what}: {error}"));
            let id = domain.id().unwrap().expect("started");
            let title = domain.name().unwrap();
            for found in [
                host.lookup_by_id(id).unwrap(),
                host.lookup_by_name(&title).unwrap(),
                host.lookup_by_uuid(domain.uuid()).unwrap(),
            ] {
                assert_eq!(found.identity(), domain.identity(), "{what}");
            }
            let info = domain.info().unwrap();
            let hvm = name.starts_with("hvm");
            assert_eq!(info.guest_type, Some(if hvm { GuestType::Hvm } else { GuestType::Pv }), "{what}");
            assert_eq!(info.vcpus_max, Some(1), "{what}");
            let kib = if hvm { 524_288 } else { 131_072 };
            // libxl takes the video memory out of an HVM guest's target: once its balloon has heard of that, it has so much less.
            let video = if hvm { 8 << 10 } else { 0 };
            assert!(
                info.memory_kib.unwrap() >= kib - video && info.max_memory_kib.unwrap() >= kib,
                "{what}: {info:?}"
            );
            assert!(domain.is_persistent().unwrap(), "{what}");
            eventually("the guest uses its processor", || domain.info().unwrap().cpu_time_ns > Some(0));

            domain.suspend().unwrap();
            assert_eq!(domain.info().unwrap().state, State::Paused, "{what}");
            let used = domain.info().unwrap().cpu_time_ns;
            assert_eq!(domain.info().unwrap().cpu_time_ns, used, "{what}: a paused guest uses no processor");
            domain.resume().unwrap();
            assert_ne!(domain.info().unwrap().state, State::Paused, "{what}");

            domain.shutdown().unwrap();
            eventually("the guest powers itself off", || !domain.is_active().unwrap());
            assert_eq!(domain.info().unwrap().state, State::Shutoff, "{what}");
            domain.undefine().unwrap();
            assert_eq!(domain.info().unwrap_err().status, Status::NotFound, "{what}");
            assert_eq!(host.list(ALL).unwrap().len(), 1, "{what}: only Domain-0 is left");
        }
    }
}

#[test]
fn the_description_of_a_guest_comes_back_as_it_was_given() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        for name in SEEDS {
            let what = format!("{name} on {age}");
            let mut given = xenith::format::xml::parse(&seed(name)).unwrap();
            if is_xend(age) {
                // A file without a driver is read by the loop driver: xend's description says so.
                given.disks.iter_mut().for_each(|disk| disk.driver = Some("file".into()));
                // xend completes the path of a script.
                for interface in &mut given.interfaces {
                    interface.script = Some("/etc/xen/scripts/vif-bridge".into());
                }
            }
            if !is_xend(age) {
                as_xl_says_it(&mut given);
            }
            let domain = host.define(&seed(name)).unwrap();
            let mut inactive = xenith::format::xml::parse(&domain.xml(false).unwrap()).unwrap();
            domain.start(false).unwrap();
            let live_xml = domain.xml(false).unwrap();
            let mut live = xenith::format::xml::parse(&live_xml).unwrap();
            if !is_xend(age) {
                as_xl_says_it(&mut inactive);
                as_xl_says_it(&mut live);
            }
            // xend boots a fully virtualized guest from its disk where nothing is said.
            if is_xend(age) && given.is_hvm() && given.os.boot.is_empty() {
                given.os.boot = vec![BootDevice::HardDisk];
            }
            // A running domain's script has the whole path that xend found it under.
            for interface in
                given.interfaces.iter_mut().chain(&mut live.interfaces).chain(&mut inactive.interfaces)
            {
                let script = interface.script.take().unwrap();
                interface.script = script.rsplit('/').next().map(str::to_owned);
            }
            for got in [&inactive, &live] {
                assert_eq!(got.name, given.name, "{what}");
                assert_eq!(got.os, given.os, "{what}");
                assert_eq!(got.disks, given.disks, "{what}");
                assert_eq!(got.interfaces, given.interfaces, "{what}");
                assert_eq!(
                    (got.on_poweroff, got.on_reboot, got.on_crash),
                    (given.on_poweroff, given.on_reboot, given.on_crash),
                    "{what}"
                );
                assert_eq!(
                    (got.max_memory_kib, got.vcpus.max),
                    (given.max_memory_kib, given.vcpus.max),
                    "{what}"
                );
            }
            let id = domain.id().unwrap().unwrap();
            assert!(
                live_xml.contains(&format!("id='{id}'")) || live_xml.contains(&format!("id=\"{id}\"")),
                "{live_xml}"
            );
            domain.destroy().unwrap();
            domain.undefine().unwrap();
        }
    }
}

/// Without what xl says otherwise or not at all: docs/agreement.md has the table.
fn as_xl_says_it(guest: &mut Guest) {
    // The host says these, whatever was given.
    (guest.os.arch, guest.os.machine) = (None, None);
    if guest.os.bootloader.is_some() {
        guest.os.bootloader = Some("pygrub".into());
    }
    guest.os.loader = None;
    if let Some(root) = guest.os.root.take() {
        let rest = guest.os.cmdline.take().unwrap_or_default();
        guest.os.cmdline = Some(format!("root={root} {rest}"));
    }
    guest.disks.retain(|disk| disk.device != DiskDevice::Floppy);
    for disk in &mut guest.disks {
        (disk.driver, disk.format) = (None, None);
    }
    // The card that libxl gives where none is named.
    for interface in guest.interfaces.iter_mut().filter(|interface| interface.model.is_none()) {
        interface.model = guest.os.kind.eq(&GuestType::Hvm).then(|| "rtl8139".into());
    }
}

#[test]
fn a_transient_domain_is_gone_when_its_life_ends() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let domain = host.create(&guest("brief", None), true).unwrap();
        assert_eq!(domain.info().unwrap().state, State::Paused, "{age}");
        assert!(!domain.is_persistent().unwrap(), "{age}");
        domain.resume().unwrap();
        domain.destroy().unwrap();
        assert_eq!(domain.info().unwrap_err().status, Status::NotFound, "{age}");
        assert_eq!(domain.suspend().unwrap_err().status, Status::Stale, "{age}");
        let found = host.lookup_by_name("brief").err().map(|error| error.status);
        assert_eq!(found, Some(Status::NotFound), "{age}");
    }
}

#[test]
fn an_act_meant_for_one_life_does_not_hit_the_next() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let domain = host.define(&guest("phoenix", None)).unwrap();
        domain.start(false).unwrap();
        let first = domain.id().unwrap().unwrap();
        domain.reboot().unwrap();
        eventually("the next life begins", || domain.id().unwrap().is_some_and(|id| id != first));
        assert_eq!(domain.destroy().unwrap_err().status, Status::Stale, "{age}");
        assert!(domain.is_active().unwrap(), "{age}: reads follow the uuid");
        let again = host.lookup_by_uuid(domain.uuid()).unwrap();
        again.destroy().unwrap();
        assert!(!domain.is_active().unwrap(), "{age}");
        // A handle without a life says that there is none to act on.
        let inactive = host.lookup_by_name("phoenix").unwrap();
        assert_eq!(inactive.destroy().unwrap_err().status, Status::InvalidState, "{age}");
        inactive.start(false).unwrap();
        inactive.destroy().unwrap();
    }
}

#[test]
fn define_goes_by_the_uuid_and_refuses_a_name_that_is_taken() {
    const A: &str = "11111111-1111-4111-8111-111111111111";
    const B: &str = "22222222-2222-4222-8222-222222222222";
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let first = host.define(&guest("one", Some(A))).unwrap();
        assert_eq!(
            host.define(&guest("one", Some(B))).err().map(|error| error.status),
            Some(Status::Exists),
            "{age}"
        );
        assert_eq!(
            host.define(&guest("one", None)).unwrap().uuid(),
            first.uuid(),
            "{age}: the name says which"
        );
        host.define(&guest("uno", Some(A))).unwrap();
        assert_eq!(first.name().unwrap(), "uno", "{age}: the same uuid under a new name is a rename");
        assert_eq!(
            host.create(&guest("uno", None), false).err().map(|error| error.status),
            Some(Status::Exists),
            "{age}"
        );
        assert_eq!(
            host.create(&guest("two", Some(A)), false).err().map(|error| error.status),
            Some(Status::Exists),
            "{age}"
        );
        first.start(false).unwrap();
        assert_eq!(first.start(false).unwrap_err().status, Status::InvalidState, "{age}");
        if is_xend(age) {
            assert_eq!(first.undefine().unwrap_err().status, Status::InvalidState, "{age}");
        }
        assert_eq!(
            host.create(&guest("uno", None), false).err().map(|error| error.status),
            Some(Status::Exists),
            "{age}"
        );
    }
}

#[test]
fn a_list_is_one_row_for_each_domain_active_or_not() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        host.define(&guest("asleep", None)).unwrap();
        let awake = host.define(&guest("awake", None)).unwrap();
        awake.start(false).unwrap();
        host.create(&guest("passing", None), false).unwrap();
        let names = |filter| {
            let rows = host.list(filter).unwrap();
            let mut names: Vec<String> =
                rows.iter().map(|row| row.name.as_deref().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(ALL), ["Domain-0", "asleep", "awake", "passing"], "{age}");
        assert_eq!(names(LIVE), ["Domain-0", "awake", "passing"], "{age}");
        let inactive = ListFilter { active: false, inactive: true, fresh: false };
        assert_eq!(names(inactive), ["asleep"], "{age}");
    }
}

#[test]
fn memory_is_finite_and_destroy_gives_it_back() {
    for (age, road, words) in [("3.4", Road::Xend, "dom0_min_mem"), ("4.17", Road::Xl, "Out of memory")] {
        let host = open(&format!("xen+sim:///?xen={age}&memory=1G"));
        let free = host.node_info().unwrap().free_memory_kib.unwrap();
        let big = guest("big", None).replace("65536", &(free / 3 * 2).to_string());
        let domain = host.create(&big, false).unwrap();
        assert!(host.node_info().unwrap().free_memory_kib.unwrap() < free / 2, "{age}");
        let error = host.create(&big.replace("big", "bigger"), false).err().unwrap();
        assert_eq!(error.road, road, "{age}: {error}");
        assert!(error.message.contains(words), "{age}: the toolstack's own words: {error}");
        assert_eq!(host.list(ALL).unwrap().len(), 2, "{age}: a failed creation leaves nothing");
        domain.destroy().unwrap();
        assert_eq!(host.node_info().unwrap().free_memory_kib, Some(free), "{age}");
    }
}

#[test]
fn domain_zero_is_a_domain_like_others_and_cannot_be_stopped() {
    for age in AGES {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let zero = host.lookup_by_id(0).unwrap();
        assert_eq!(zero.name().unwrap(), "Domain-0");
        assert_eq!(host.lookup_by_name("Domain-0").unwrap().identity(), zero.identity());
        assert_eq!(zero.uuid(), Uuid::nil());
        assert!(zero.is_active().unwrap());
        assert!(zero.destroy().is_err(), "{age}");
        assert!(zero.is_active().unwrap());
    }
}

#[test]
fn the_embedded_host_says_that_it_is_a_simulation() {
    let host = open("xen+sim:///?xen=4.1");
    assert!(host.hostname().unwrap().contains("sim"));
    assert!(host.capabilities().unwrap().contains("simulation"));
    let version = host.version().unwrap();
    assert_eq!((version.major, version.minor), (4, 1));
}

#[test]
fn capabilities_are_those_of_the_hosts_age() {
    for (age, xend, pvh) in [("3.4", true, false), ("4.4", true, false), ("4.17", false, true)] {
        let xml = open(&format!("xen+sim:///?xen={age}")).capabilities().unwrap();
        // The hypervisor tells of what the kernel is not shown.
        assert!(xml.contains("<vmx/>"), "{age}: {xml}");
        assert!(xml.contains("xenfv") && xml.contains("<power_management/>"), "{age}: {xml}");
        assert_eq!(xml.contains("<os_type>xenpvh</os_type>"), pvh, "{age}: {xml}");
        assert_eq!(xml.contains("qemu-dm") && xml.contains("xenmigr"), xend, "{age}: {xml}");
    }
    // Through xend alone.
    let options = OpenOptions { without: vec![Road::Hypercall], ..OpenOptions::default() };
    let xml = Connection::open(Some("xen+sim:///?xen=4.1"), &options).unwrap().capabilities().unwrap();
    assert!(xml.contains("<vmx/>") && xml.contains("<arch>x86_64</arch>"), "{xml}");
}

#[test]
fn a_crash_is_seen_as_one() {
    for age in AGES {
        a_crash_is_seen_on(age);
    }
}

fn a_crash_is_seen_on(age: &str) {
    // What a toolstack keeps outlives its host, as a real one's does.
    let scratch = Scratch::new(&format!("crash-{age}"));
    let dir = scratch.0.clone();
    let server = xenith::sim::serve(SimConfig::from_query([("xen", age)]).unwrap(), &dir).unwrap();
    let host = open(&format!("xen+sim:///?dir={}", dir.display()));
    let keeps = guest("crashy", None).replace("</os>", "</os><on_crash>preserve</on_crash>");
    let domain = host.create(&keeps, false).unwrap();
    let id = domain.id().unwrap().unwrap();
    // The magic key of `xm sysrq` is how a crash is ordered, as on a real host.
    let far = xenith::sim::SimHost::join(&dir).unwrap();
    let xenstore = Xenstore::over(far.xenstore_dial(), Log::default());
    xenstore
        .write(&format!("/local/domain/{id}/control/sysrq"), "c", Deadline::after(Duration::from_secs(10)))
        .unwrap();
    eventually("the guest has crashed", || domain.info().unwrap().state == State::Crashed);
    assert_eq!(domain.info().unwrap().reason, Reason::Crash);
    domain.destroy().unwrap();
    assert_eq!(domain.info().unwrap_err().status, Status::NotFound);
    drop(host);
    drop(server);
}
