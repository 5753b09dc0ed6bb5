//! The cache of names against the embedded xenstored: right under renames, reused numbers, floods, restarts and hangs,
//! and free at rest.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod xenstored;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use xenith::Status;
use xenith::channel::xenstore::Xenstore;
use xenith::driver::names::NameCache;
use xenith::log::{Level, Log};
use xenith::model::{DomId, Uuid};
use xenith::wire::xenstore::Permission;
use xenstored::{Host, in_millis, soon};

fn uuid(n: u32) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

struct World {
    host: Host,
    xs: Arc<Xenstore>,
    cache: NameCache,
}

impl World {
    fn new() -> Self {
        let host = Host::new();
        let xs = host.client();
        World { cache: NameCache::new(xs.clone(), Log::default()), host, xs }
    }

    fn create(&self, domid: u16, name: &str) {
        self.host.write(&format!("/local/domain/{domid}/name"), name);
        self.host.with(|store| store.introduce(domid));
    }

    /// What a list shows, in the order of `live`.
    fn list(&self, live: &[(DomId, Uuid)], fresh: bool) -> Vec<Option<String>> {
        let names = self.cache.refresh(live.iter().copied(), fresh, soon()).unwrap();
        live.iter().map(|(domid, uuid)| names.get(*domid, *uuid).map(|name| name.to_string())).collect()
    }

    fn name(&self, domid: DomId, fresh: bool) -> Option<String> {
        self.list(&[(domid, uuid(domid))], fresh).remove(0)
    }

    /// Lists without a barrier until `expected` shows: what was told is seen without asking.
    fn shows_soon(&self, domid: DomId, expected: &str) -> bool {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if self.name(domid, false).as_deref() == Some(expected) {
                return true;
            }
        }
        false
    }
}

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn a_rename_is_seen_with_a_barrier_at_once_and_without_one_soon() {
    let world = World::new();
    world.create(5, "old");
    assert_eq!(world.name(5, false), some("old"));
    world.host.write("/local/domain/5/name", "new");
    assert_eq!(world.name(5, true), some("new"));
    world.host.write("/local/domain/5/name", "newer");
    assert!(world.shows_soon(5, "newer"));
    let names = world.cache.refresh([(5, uuid(5))], true, soon()).unwrap();
    assert_eq!(names.find("newer").collect::<Vec<_>>(), [(5, uuid(5))]);
    assert_eq!(names.find("old").count(), 0);
}

#[test]
fn a_rename_between_the_watch_and_every_later_moment_is_never_lost() {
    let world = World::new();
    world.create(5, "n0");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..2000 {
                world.host.write("/local/domain/5/name", &format!("n{n}"));
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            world.name(5, false);
        }
    });
    assert_eq!(world.name(5, true), some("n1999"));
}

#[test]
fn a_number_that_is_used_again_has_the_name_of_its_new_life() {
    let world = World::new();
    world.create(5, "first");
    assert_eq!(world.name(5, false), some("first"));
    world.host.with(|store| {
        store.rm(0, "/local/domain/5").unwrap();
        store.release(5).unwrap();
        store.write(0, "/local/domain/5/name", "second").unwrap();
        store.introduce(5);
    });
    let other = uuid(999);
    let names = world.cache.refresh([(5, other)], false, soon()).unwrap();
    assert_eq!(names.get(5, other).map(|name| &**name), Some("second"));
    assert_eq!(names.get(5, uuid(5)), None, "the former life has no name any more");
    drop(names);
    // Same name node, a third uuid, no event in between: the uuid alone must be enough.
    let third = uuid(1000);
    let trips = world.xs.round_trips();
    let names = world.cache.refresh([(5, third)], false, soon()).unwrap();
    assert_eq!(names.get(5, third).map(|name| &**name), Some("second"));
    assert!(world.xs.round_trips() > trips, "it was read anew");
}

#[test]
fn a_domain_without_a_name_gets_it_when_it_is_written_before_or_after_its_introduction() {
    let world = World::new();
    assert_eq!(world.name(6, true), None);
    let trips = world.xs.round_trips();
    assert_eq!(world.name(6, false), None);
    assert_eq!(world.xs.round_trips(), trips, "that it has none is known, too");
    world.host.with(|store| store.introduce(6));
    world.host.write("/local/domain/6/name", "late");
    assert_eq!(world.name(6, true), some("late"));
    world.host.with(|store| store.rm(0, "/local/domain/6/name")).unwrap();
    assert_eq!(world.name(6, true), None);
    world.host.write("/local/domain/6/name", "later");
    assert!(world.shows_soon(6, "later"));
}

#[test]
fn names_that_cannot_be_shown_are_left_out_until_they_can() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = said.clone();
    let log = Log::to(move |level, line| sink.lock().unwrap().push((level, line.to_owned())));
    let world = World::new();
    let world = World { cache: NameCache::new(world.xs.clone(), log), ..world };
    world.create(5, "good");
    world.create(6, "fine");
    let live = [(5, uuid(5)), (6, uuid(6))];
    assert_eq!(world.list(&live, false), [some("good"), some("fine")]);
    for bad in [vec![b'x'; 4000], vec![], vec![0xff, 0], b"a/b".to_vec(), b"line\nline".to_vec()] {
        world.host.with(|store| store.write(0, "/local/domain/5/name", &bad)).unwrap();
        assert_eq!(world.list(&live, true), [None, some("fine")]);
    }
    let said = said.lock().unwrap().clone();
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said.iter().all(|(level, line)| *level == Level::Debug && line.contains("domain 5")));
    world.create(5, "good again");
    assert_eq!(world.list(&live, true), [some("good again"), some("fine")]);
}

#[test]
fn a_flooding_guest_costs_no_event_and_a_flooded_name_one_entry() {
    let world = World::new();
    world.create(5, "guest");
    world.host.with(|store| {
        store.mkdir(0, "/local/domain/5/data").unwrap();
        store.set_perms(0, "/local/domain/5/data", &[Permission::none(5)]).unwrap();
        store.set_perms(0, "/local/domain/5/name", &[Permission::none(5)]).unwrap();
    });
    assert_eq!(world.name(5, true), some("guest"));
    assert_eq!(world.name(5, true), some("guest"));
    let arrivals = world.xs.arrivals();
    for n in 0..5000 {
        world.host.with(|store| store.write(5, &format!("data/{}", n % 100), "flood")).unwrap();
    }
    world.name(5, true);
    assert_eq!(world.xs.arrivals(), arrivals + 1, "the barrier's reply and nothing else");
    for n in 0..5000 {
        world.host.with(|store| store.write(5, &format!("name/{}", n % 100), "flood")).unwrap();
    }
    let trips = world.xs.round_trips();
    assert_eq!(world.name(5, true), some("guest"));
    assert!(world.xs.round_trips() <= trips + 2, "one barrier, one reading");
}

#[test]
fn at_rest_a_thousand_names_cost_one_read_and_no_round_trip() {
    let world = World::new();
    let live: Vec<_> = (1..=1000).map(|n| (n, uuid(n))).collect();
    live.iter().for_each(|(n, _)| world.create(*n as u16, &format!("d{n}")));
    let names = world.list(&live, false);
    assert!(names.iter().zip(&live).all(|(name, (n, _))| *name == Some(format!("d{n}"))));
    assert_eq!(world.xs.round_trips(), 1, "a thousand new names are read together");
    // The first events of the new watches were older than the readings: they cost nothing more.
    world.list(&live, false);
    let (trips, reads) = (world.xs.round_trips(), world.xs.reads());
    assert_eq!(trips, 1);
    for _ in 0..10 {
        world.list(&live, false);
    }
    assert_eq!((world.xs.round_trips(), world.xs.reads()), (trips, reads + 10));
    world.list(&live, true);
    assert_eq!(world.xs.round_trips(), trips + 1, "fresh is one barrier");
    for n in 1..=50 {
        world.host.write(&format!("/local/domain/{n}/name"), "renamed");
    }
    let names = world.list(&live, true);
    assert_eq!(names.iter().filter(|name| name.as_deref() == Some("renamed")).count(), 50);
    assert_eq!(world.xs.round_trips(), trips + 3, "fifty changes are read together");
}

#[test]
fn vanished_domains_are_forgotten_and_no_longer_watched() {
    let world = World::new();
    let live: Vec<_> = (1..=20).map(|n| (n, uuid(n))).collect();
    live.iter().for_each(|(n, _)| world.create(*n as u16, &format!("d{n}")));
    world.list(&live, true);
    let trips = world.xs.round_trips();
    world.list(&live[10..], false);
    assert_eq!(world.xs.round_trips(), trips, "nobody waits for the end of a watch");
    world.xs.barrier(soon()).unwrap();
    let arrivals = world.xs.arrivals();
    (1..=10).for_each(|n| world.host.write(&format!("/local/domain/{n}/name"), "unheard"));
    world.xs.barrier(soon()).unwrap();
    assert_eq!(world.xs.arrivals(), arrivals + 1);
    let names = world.cache.refresh(live[10..].iter().copied(), false, soon()).unwrap();
    assert_eq!(names.find("d3").count() + names.find("unheard").count(), 0);
    assert_eq!(names.find("d13").count(), 1);
    drop(names);
    assert_eq!(world.list(&live, false)[0], some("unheard"), "back again, read again");
}

#[test]
fn asking_for_one_domain_leaves_the_others_alone() {
    let world = World::new();
    world.create(1, "one");
    world.create(2, "two");
    let live = [(1, uuid(1)), (2, uuid(2))];
    world.list(&live, false);
    let trips = world.xs.round_trips();
    let name = world.cache.name(2, uuid(2), false, soon()).unwrap();
    assert_eq!(name.as_deref(), Some("two"));
    world.list(&live, false);
    assert_eq!(world.xs.round_trips(), trips, "domain 1 was not forgotten");
}

#[test]
fn when_xenstored_comes_back_everything_is_asked_again() {
    let world = World::new();
    let live = [(1, uuid(1)), (2, uuid(2))];
    world.create(1, "one");
    world.create(2, "two");
    world.list(&live, false);
    world.host.hang_up();
    // Nobody is connected: no watch tells of these.
    world.host.write("/local/domain/1/name", "uno");
    world.host.with(|store| store.rm(0, "/local/domain/2/name")).unwrap();
    assert_eq!(world.list(&live, false), [some("uno"), None]);
    assert_eq!(world.xs.generation(), 2);
    world.host.write("/local/domain/2/name", "due");
    assert_eq!(world.list(&live, true), [some("uno"), some("due")], "and watched again");
    let trips = world.xs.round_trips();
    world.list(&live, false);
    world.list(&live, false);
    assert_eq!(world.xs.round_trips(), trips);
}

#[test]
fn a_xenstored_that_hangs_costs_the_deadline_and_heals() {
    let world = World::new();
    world.create(1, "one");
    let live = [(1, uuid(1)), (2, uuid(2))];
    assert_eq!(world.list(&live[..1], false), [some("one")]);
    world.host.hang(true);
    assert_eq!(world.list(&live[..1], false), [some("one")], "at rest nobody asks it");
    for (live, fresh) in [(&live[..1], true), (&live[..], false)] {
        let began = Instant::now();
        let error = world.cache.refresh(live.iter().copied(), fresh, in_millis(100)).err().unwrap();
        assert_eq!(error.status, Status::Timeout);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // Another thread's list at rest does not wait for the one that hangs.
    std::thread::scope(|scope| {
        scope.spawn(|| world.cache.refresh(live.iter().copied(), false, in_millis(2000)).err().unwrap());
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        let name = world.cache.name(1, uuid(1), false, soon()).unwrap();
        assert_eq!(name.as_deref(), Some("one"));
        assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    });
    world.host.hang(false);
    world.create(2, "two");
    assert_eq!(world.list(&live, true), [some("one"), some("two")]);
}

#[test]
fn eight_threads_list_while_domains_come_go_and_change_their_names() {
    let world = World::new();
    let live: Vec<_> = (1..=40).map(|n| (n, uuid(n))).collect();
    live.iter().for_each(|(n, _)| world.create(*n as u16, "start"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (world, live, stop) = (&world, &live, &stop);
            scope.spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    // Each has its own idea of who lives.
                    round += 1;
                    let mine = &live[(thread + round) % 8..];
                    let names = world.list(mine, round % 3 == 0);
                    assert!(names.iter().all(Option::is_some), "a live domain's name was swept");
                }
            });
        }
        for round in 0..30 {
            for (n, _) in &live {
                world.host.write(&format!("/local/domain/{n}/name"), &format!("r{round}-{n}"));
            }
            if round % 10 == 9 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let names = world.list(&live, true);
    assert!(names.iter().zip(&live).all(|(name, (n, _))| *name == Some(format!("r29-{n}"))));
}
