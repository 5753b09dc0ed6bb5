//! Hosts with a xend of every age: what each can do it does, and what it cannot is said with its age and what to do instead, before
//! anything is sent.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::{ALL, LIVE, Scratch, eventually, guest, open, seed};
use xenith::channel::xend::abilities::Age;
use xenith::channel::xend::{AfterDump, Xend};
use xenith::deadline::Deadline;
use xenith::driver::{Connection, OpenOptions};
use xenith::model::{State, Uuid};
use xenith::sim::release::AGES;
use xenith::sim::{SimConfig, SimHost};
use xenith::wire::sexpr::Sexpr;
use xenith::{Error, Road, Status};

/// The words of all ages with a xend; the first three remember nothing.
fn ages() -> impl Iterator<Item = &'static str> {
    AGES.iter().filter(|age| !age.release.at_least(4, 5)).map(|age| age.word)
}

const OLD: [&str; 3] = ["3.0.1", "3.0.2", "3.0.3"];

/// By its hypercalls and xenstore as well, and by xend alone.
fn connections(age: &str) -> [(String, Connection); 2] {
    let uri = format!("xen+sim:///?xen={age}");
    let alone = OpenOptions { without: vec![Road::Hypercall, Road::Xenstore], ..OpenOptions::default() };
    [
        (age.to_owned(), open(&uri)),
        (format!("{age}, xend alone"), Connection::open(Some(&uri), &alone).unwrap()),
    ]
}

#[test]
fn a_transient_domain_lives_its_whole_life_on_every_age() {
    for age in ages() {
        for (what, host) in connections(age) {
            let domain =
                host.create(&guest("web1", None), true).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(domain.info().unwrap().state, State::Paused, "{what}");
            assert!(!domain.is_persistent().unwrap(), "{what}");
            domain.resume().unwrap_or_else(|error| panic!("{what}: {error}"));
            eventually("it runs", || domain.info().unwrap().state == State::Blocked);
            let id = domain.id().unwrap().unwrap();
            assert_eq!(host.lookup_by_name("web1").unwrap().uuid(), domain.uuid(), "{what}");
            assert_eq!(host.lookup_by_uuid(domain.uuid()).unwrap().id().unwrap(), Some(id), "{what}");
            assert_eq!(host.lookup_by_id(id).unwrap().name().unwrap(), "web1", "{what}");
            assert_eq!(host.list(ALL).unwrap().len(), 2, "{what}");
            let xml = domain.xml(false).unwrap();
            assert!(xml.contains("<name>web1</name>") && xml.contains("<kernel>"), "{what}: {xml}");
            domain.suspend().unwrap();
            assert_eq!(domain.info().unwrap().state, State::Paused, "{what}");
            domain.resume().unwrap();
            domain.reboot().unwrap();
            eventually("another life", || {
                host.lookup_by_name("web1")
                    .is_ok_and(|next| next.id().is_ok_and(|next| next.is_some_and(|next| next != id)))
            });
            let next = host.lookup_by_name("web1").unwrap();
            let stale = domain.suspend().unwrap_err();
            assert_eq!(stale.status, Status::Stale, "{what}: {stale}");
            next.shutdown().unwrap();
            eventually("it is gone", || host.list(ALL).unwrap().len() == 1);
            let third = host.create(&guest("web1", None), false).unwrap();
            third.destroy().unwrap();
            assert_eq!(host.list(LIVE).unwrap().len(), 1, "{what}");
        }
    }
}

#[test]
fn a_domain_is_saved_and_restored_on_every_age() {
    let scratch = Scratch::new("xend-ages-save");
    std::fs::create_dir_all(&scratch.0).unwrap();
    for age in ages() {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let file = scratch.0.join(age);
        let domain = host.create(&guest("web1", None), false).unwrap();
        let uuid = domain.uuid();
        domain.save(&file).unwrap_or_else(|error| panic!("{age}: {error}"));
        assert_eq!(host.list(ALL).unwrap().len(), 1, "{age}");
        let restored = host.restore(&file, false).unwrap_or_else(|error| panic!("{age}: {error}"));
        assert_eq!((restored.uuid(), restored.name().unwrap().as_str()), (uuid, "web1"), "{age}");
        let again = host.restore(&file, false).err().unwrap();
        assert_eq!(again.status, Status::Exists, "{age}: {again}");
    }
}

#[test]
fn a_xend_that_remembers_nothing_says_so_and_is_sent_nothing() {
    for age in OLD {
        // Over xend alone: where hypercalls work, files remember.
        for (what, host) in connections(age).into_iter().skip(1) {
            let domain = host.create(&guest("web1", None), false).unwrap();
            let before = host.counters().xend_requests;
            let refusals: [(&str, Error); 5] = [
                ("define", host.define(&guest("web2", None)).err().unwrap()),
                ("undefine", domain.undefine().unwrap_err()),
                ("start", domain.start(false).unwrap_err()),
                ("autostart", domain.autostart().unwrap_err()),
                ("autostart", domain.set_autostart(true).unwrap_err()),
            ];
            for (op, error) in refusals {
                assert_eq!((error.status, error.road), (Status::NotSupported, Road::Xend), "{what}: {error}");
                let format = if age == "3.0.3" { 2 } else { 1 };
                let said =
                    format!("'{op}' of a domain that does not run is not supported by this xend (Xen {age}");
                assert!(error.message.starts_with(&said), "{what}: {error}");
                assert!(error.message.contains(&format!("xend_config_format {format})")), "{what}: {error}");
                assert!(error.message.contains("/etc/xen"), "{what}: {error}");
            }
            assert_eq!(host.counters().xend_requests, before, "{what}");
            assert_eq!(host.lookup_by_uuid(Uuid::from_u128(1)).err().unwrap().status, Status::NotFound);
            assert_eq!(host.lookup_by_name("web2").err().unwrap().status, Status::NotFound);
        }
    }
}

#[test]
fn files_of_xm_remember_the_domains_of_an_old_xend() {
    for age in OLD {
        let scratch = Scratch::new(&format!("xend-files-{age}"));
        let server = xenith::sim::serve(SimConfig::from_query([("xen", age)]).unwrap(), &scratch.0).unwrap();
        let host = open(&format!("xen+sim:///?dir={}", scratch.0.display()));
        let etc = scratch.0.join("etc-xen");
        // What an administrator wrote is there, and what is none of a domain's is not.
        let by_hand = "import os # for nothing\nname = 'hand'\nmemory = 64 # MiB\nkernel = '/boot/k'\ncpu_weight = 512\n";
        std::fs::write(etc.join("hand"), by_hand).unwrap();
        std::fs::write(etc.join("qemu-ifup"), "#!/bin/sh\nbrctl addif $2 $1\n").unwrap();
        std::fs::write(etc.join("computed"), "name = 'c' + str(1)\nmemory = 64\n").unwrap();
        let names = || -> Vec<String> {
            host.list(ALL).unwrap().iter().map(|row| row.name.as_deref().unwrap().to_owned()).collect()
        };
        assert_eq!(names(), ["Domain-0", "hand"], "{age}");
        let error = host.lookup_by_name("computed").err().unwrap();
        assert_eq!(error.status, Status::InvalidConfig, "{age}: {error}");
        assert!(error.message.contains("line 1, column 1"), "{age}: {error}");

        let hand = host.lookup_by_name("hand").unwrap();
        assert!(hand.is_persistent().unwrap() && !hand.is_active().unwrap(), "{age}");
        hand.set_autostart(true).unwrap();
        assert!(hand.autostart().unwrap() && etc.join("auto/hand").exists(), "{age}");
        // A definition changes what it changes.
        host.define(&hand.xml(true).unwrap().replace("65536", "131072")).unwrap();
        let text = std::fs::read_to_string(etc.join("hand")).unwrap();
        assert!(
            text.contains("# for nothing")
                && text.contains("memory = 128 # MiB")
                && text.contains("cpu_weight"),
            "{age}: {text}"
        );

        // A new one is where xm looks for it, starts, is the same domain, and is inactive again.
        let web =
            host.define(&guest("web1", None).replace("<memory", "<title>The web</title><memory")).unwrap();
        assert!(std::fs::read_to_string(etc.join("web1")).unwrap().contains("name = \"web1\"\n"), "{age}");
        web.start(true).unwrap_or_else(|error| panic!("{age}: {error}"));
        assert_eq!(web.info().unwrap().state, State::Paused, "{age}");
        assert!(web.is_persistent().unwrap() && web.xml(false).unwrap().contains("The web"), "{age}");
        assert_eq!(names(), ["Domain-0", "web1", "hand"], "{age}");
        web.destroy().unwrap();
        let web = host.lookup_by_name("web1").unwrap();
        assert!(!web.is_active().unwrap(), "{age}");
        let taken = host
            .define(&guest("hand", None).replace("</name>", &format!("</name><uuid>{}</uuid>", web.uuid())));
        assert_eq!(taken.err().unwrap().status, Status::Exists, "{age}");
        web.undefine().unwrap();
        assert!(!etc.join("web1").exists(), "{age}");
        // Two files of one uuid: one of them is reported.
        std::fs::write(etc.join("copy"), text.replace("'hand'", "'copy'")).unwrap();
        let problems = host.report().unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains("computed")), "{age}: {problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("uuid")), "{age}: {problems:?}");
        drop(server);
    }
}

#[test]
fn a_domain_named_like_another_ones_number_is_not_hit_instead() {
    for age in OLD {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let one = host.create(&guest("web1", None), false).unwrap();
        assert_eq!(one.id().unwrap(), Some(1));
        let decoy = host.create(&guest("1", None), false).unwrap();
        let error = one.destroy().unwrap_err();
        assert!(error.message.contains("for the name of the domain"), "{age}: {error}");
        assert!(decoy.is_active().unwrap() && one.is_active().unwrap(), "{age}");
        decoy.destroy().unwrap_or_else(|error| panic!("{age}: {error}"));
        one.destroy().unwrap();
    }
}

#[test]
fn what_an_age_would_take_for_something_else_is_refused_by_name() {
    for age in ages() {
        let host = open(&format!("xen+sim:///?xen={age}"));
        let release = xenith::sim::release::Release::of_age(age).unwrap();
        let create = |xml: &str| host.create(xml, true).map(|domain| domain.destroy().unwrap());
        let kernel = create(&seed("hvm-direct-kernel"));
        let cores = guest("web1", None).replace("</os>", "</os><on_crash>coredump-restart</on_crash>");
        for (what, created) in [("a <kernel> in an HVM guest", kernel), ("coredump-restart", create(&cores))]
        {
            match created {
                Ok(()) => assert!(release.at_least(3, 3), "{age}: {what}"),
                Err(error) => {
                    assert!(!release.at_least(3, 3), "{age}: {error}");
                    assert_eq!(error.status, Status::NotSupported, "{age}: {error}");
                    assert!(
                        error.message.contains(what) && error.message.contains("xend_config_format"),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn domain_0_has_no_limit_on_any_age_that_says_so() {
    for age in ages() {
        for (what, host) in connections(age) {
            let max = host.lookup_by_id(0).unwrap().info().unwrap().max_memory_kib;
            assert!(max.is_none_or(|kib| kib < 16_777_215 << 10), "{what}: {max:?}");
        }
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

#[test]
fn each_xend_is_asked_in_the_form_that_it_takes() {
    let scratch = Scratch::new("xend-ages-forms");
    std::fs::create_dir_all(&scratch.0).unwrap();
    for age in ages() {
        let sim = SimHost::start(SimConfig::from_query([("xen", age)]).unwrap()).unwrap();
        let xend = Xend::new(sim.xend_dial(), None);
        let node = xend.node(soon()).unwrap();
        let told: Age = node.age();
        let can = told.abilities;
        let vm = "(vm (name web1) (memory 64) (vcpus 2) (image (linux (kernel /k))) (device (vbd (dev xvda) (uname phy:/a) (mode w))))";
        xend.create(&Sexpr::parse_first(vm.as_bytes()).unwrap(), soon()).unwrap();
        xend.unpause("web1", soon()).unwrap();
        eventually("it has booted", || {
            let domain = xend.domain("web1", soon()).unwrap().unwrap();
            domain.value("state").is_some_and(|state| state.starts_with("-b"))
        });
        let disk = Sexpr::parse_first(b"(vbd (dev xvdb) (uname phy:/b) (mode w))").unwrap();
        xend.add_device("web1", &disk, soon()).unwrap_or_else(|error| panic!("{age}: {error}"));
        xend.remove_device(&told, "web1", "vbd", "51728", soon())
            .unwrap_or_else(|error| panic!("{age}: {error}"));
        let domain = xend.domain("web1", soon()).unwrap().unwrap();
        assert!(!domain.to_string().contains("xvdb"), "{age}: {domain}");
        let outcome = |what: &str, can: bool, done: xenith::Result<()>| match done {
            Ok(()) => assert!(can, "{age}: {what}"),
            Err(error) => {
                assert!(!can, "{age}: {what}: {error}");
                assert_eq!(error.status, Status::NotSupported, "{age}: {error}");
                assert!(error.message.contains(&told.to_string()), "{age}: {error}");
            }
        };
        outcome("pincpu", can.pins, xend.pin_vcpu(&told, "web1", 1, &[0, 2], soon()));
        outcome("weight", can.weighs, xend.set_credit(&told, "web1", 512, None, soon()));
        outcome("cap", can.caps, xend.set_credit(&told, "web1", 512, Some(50), soon()));
        let file = scratch.0.join(age);
        let file = file.to_str().unwrap();
        outcome("dump", can.dumps, xend.dump(&told, "web1", file, true, AfterDump::GoesOn, soon()));
        xend.migrate(&told, "web1", "localhost", None, false, soon())
            .unwrap_or_else(|error| panic!("{age}: {error}"));
        let drive = Sexpr::parse_first(b"(vbd (dev hdc:cdrom) (uname file:/new.iso) (mode r))").unwrap();
        if age != "3.0.1" && age != "3.0.2" {
            let first = Sexpr::parse_first(b"(vbd (dev hdc:cdrom) (uname file:/old.iso) (mode r))").unwrap();
            xend.add_device("web1", &first, soon()).unwrap();
        }
        outcome("disc", can.changes_discs, xend.change_disc(&told, "web1", &drive, "hdc", soon()));
        if can.changes_discs {
            let domain = xend.domain("web1", soon()).unwrap().unwrap();
            assert!(domain.to_string().contains("file:/new.iso"), "{age}: {domain}");
        }
    }
}
