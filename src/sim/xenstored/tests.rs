//! The daemon, spoken to as a client does: in frames.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::xenstore::{errno_from_name, parse_directory_part, parse_event, parse_names};

/// A client that decodes what it is sent.
struct Client {
    id: ConnId,
    decoder: Decoder,
    events: Vec<(String, Vec<u8>)>,
}

impl Client {
    fn new(host: &mut Xenstored, domid: u16) -> Self {
        Client { id: host.connect(domid), decoder: Decoder::default(), events: Vec::new() }
    }

    fn ask(&mut self, host: &mut Xenstored, tx_id: u32, request: &Request<'_>) -> Result<Vec<u8>, i32> {
        let mut bytes = Vec::new();
        let frame = Frame { kind: request.kind().number(), req_id: 77, tx_id, payload: request.payload() };
        frame.encode(&mut bytes);
        host.feed(self.id, &bytes).unwrap();
        let mut replies = self.receive(host);
        assert_eq!(replies.len(), 1, "one reply to one request");
        let reply = replies.remove(0);
        assert_eq!((reply.req_id, reply.tx_id), (77, tx_id));
        match reply.known_kind() {
            Some(Kind::Error) => Err(errno_from_name(&reply.payload)),
            kind => {
                assert_eq!(kind, Some(request.kind()));
                Ok(reply.payload)
            }
        }
    }

    fn receive(&mut self, host: &mut Xenstored) -> Vec<Frame> {
        self.decoder.push(&host.take_output(self.id));
        let mut replies = Vec::new();
        while let Some(frame) = self.decoder.next_frame().unwrap() {
            if frame.known_kind() == Some(Kind::WatchEvent) {
                assert_eq!((frame.req_id, frame.tx_id), (0, 0));
                let (path, token) = parse_event(&frame.payload).unwrap();
                self.events.push((path.to_owned(), token.to_vec()));
            } else {
                replies.push(frame);
            }
        }
        replies
    }

    fn events(&mut self, host: &mut Xenstored) -> Vec<String> {
        assert!(self.receive(host).is_empty());
        std::mem::take(&mut self.events).into_iter().map(|(path, _)| path).collect()
    }

    fn watch(&mut self, host: &mut Xenstored, path: &str) {
        self.ask(host, 0, &Request::Watch { path, token: b"t", depth: None }).unwrap();
    }

    fn begin(&mut self, host: &mut Xenstored) -> u32 {
        let payload = self.ask(host, 0, &Request::TransactionStart).unwrap();
        crate::wire::xenstore::parse_number(&payload).unwrap()
    }
}

fn host() -> Xenstored {
    Xenstored::new(XenstoredAge::newest())
}

fn write<'a>(path: &'a str, value: &'a str) -> Request<'a> {
    Request::Write { path, value: value.as_bytes() }
}

#[test]
fn a_value_is_written_read_listed_and_removed() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    assert_eq!(dom0.ask(&mut host, 0, &write("/a/b/c", "v")), Ok(b"OK\0".to_vec()));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Read("/a/b/c")), Ok(b"v".to_vec()));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Read("/a/b")), Ok(vec![]));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Directory("/a")), Ok(b"b\0".to_vec()));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Rm("/a/b")), Ok(b"OK\0".to_vec()));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Read("/a/b/c")), Err(libc::ENOENT));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Directory("/a")), Ok(vec![]));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Rm("/a/b")), Ok(b"OK\0".to_vec()), "gone is gone");
    assert_eq!(dom0.ask(&mut host, 0, &Request::Rm("/x/y/z")), Err(libc::ENOENT));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Rm("/")), Err(libc::EINVAL));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Read("relative")), Err(libc::EINVAL));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Read("/a/")), Err(libc::EINVAL));
}

#[test]
fn a_guest_sees_and_changes_what_it_may() {
    let mut host = host();
    host.write(0, "/local/domain/5/name", "web").unwrap();
    for path in ["/local/domain/5", "/local/domain/5/name"] {
        host.set_perms(0, path, &[Permission::none(0), Permission::read(5)]).unwrap();
    }
    host.mkdir(0, "/local/domain/5/data").unwrap();
    host.set_perms(0, "/local/domain/5/data", &[Permission::none(5)]).unwrap();
    host.write(0, "/secret", "x").unwrap();
    host.introduce(5);
    let mut guest = Client::new(&mut host, 5);
    assert_eq!(guest.ask(&mut host, 0, &Request::Read("name")), Ok(b"web".to_vec()));
    assert_eq!(guest.ask(&mut host, 0, &write("name", "evil")), Err(libc::EACCES));
    assert_eq!(guest.ask(&mut host, 0, &Request::Rm("name")), Err(libc::EACCES));
    assert_eq!(guest.ask(&mut host, 0, &write("data/mine", "1")), Ok(b"OK\0".to_vec()));
    assert_eq!(guest.ask(&mut host, 0, &Request::GetPerms("data/mine")), Ok(b"n5\0".to_vec()));
    assert_eq!(guest.ask(&mut host, 0, &Request::Read("/secret")), Err(libc::EACCES));
    assert_eq!(guest.ask(&mut host, 0, &Request::Read("/nothing")), Err(libc::EACCES), "no hint either");
    assert_eq!(guest.ask(&mut host, 0, &Request::Release(5)), Err(libc::EACCES));
    let mut other = Client::new(&mut host, 6);
    assert_eq!(other.ask(&mut host, 0, &Request::Read("/local/domain/5/data/mine")), Err(libc::EACCES));
    let give_away = Request::SetPerms { path: "data/mine", perms: vec![Permission::none(6)] };
    assert_eq!(guest.ask(&mut host, 0, &give_away), Err(libc::EPERM));
    let share =
        Request::SetPerms { path: "data/mine", perms: vec![Permission::none(5), Permission::read(6)] };
    assert_eq!(guest.ask(&mut host, 0, &share), Ok(b"OK\0".to_vec()));
    assert_eq!(other.ask(&mut host, 0, &Request::Read("/local/domain/5/data/mine")), Ok(b"1".to_vec()));
}

#[test]
fn a_device_model_has_the_rights_of_its_target() {
    let mut host = host();
    host.introduce(5);
    host.introduce(7);
    host.write(0, "/local/domain/5/x", "1").unwrap();
    host.set_perms(0, "/local/domain/5/x", &[Permission::none(5)]).unwrap();
    let (mut dom0, mut stub) = (Client::new(&mut host, 0), Client::new(&mut host, 7));
    assert_eq!(stub.ask(&mut host, 0, &write("/local/domain/5/x", "2")), Err(libc::EACCES));
    assert_eq!(
        stub.ask(&mut host, 0, &Request::SetTarget { domid: 7, target: 5 }),
        Err(libc::EACCES),
        "only domain 0 may"
    );
    assert!(dom0.ask(&mut host, 0, &Request::SetTarget { domid: 7, target: 5 }).is_ok());
    assert!(stub.ask(&mut host, 0, &write("/local/domain/5/x", "2")).is_ok());
}

#[test]
fn a_guest_that_writes_too_much_is_stopped() {
    let mut host = host();
    host.mkdir(0, "/local/domain/5/data").unwrap();
    host.set_perms(0, "/local/domain/5/data", &[Permission::none(5)]).unwrap();
    let mut made = 0;
    while host.write(5, &format!("data/n{made}"), "x").is_ok() {
        made += 1;
    }
    assert_eq!(made, 999, "1000 nodes with the folder itself");
    assert_eq!(host.write(5, "data/more", "x"), Err(libc::ENOSPC));
    assert_eq!(host.write(5, "data/n1", vec![b'x'; 2049]), Err(libc::ENOSPC));
    host.rm(5, "data/n1").unwrap();
    assert_eq!(host.write(5, "data/more", "x"), Ok(()));
}

#[test]
fn a_watch_fires_at_once_and_for_what_is_below() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    dom0.watch(&mut host, "/a/b");
    assert_eq!(dom0.events(&mut host), ["/a/b"]);
    host.write(0, "/a/b/c/d", "1").unwrap();
    host.write(0, "/a/bb", "1").unwrap();
    host.write(0, "/a", "1").unwrap();
    assert_eq!(dom0.events(&mut host), ["/a/b/c/d"]);
    host.set_perms(0, "/a/b/c", &[Permission::read(0)]).unwrap();
    assert_eq!(dom0.events(&mut host), ["/a/b/c"]);
    host.mkdir(0, "/a/b/c").unwrap();
    assert!(dom0.events(&mut host).is_empty(), "nothing was made");

    assert_eq!(
        dom0.ask(&mut host, 0, &Request::Watch { path: "/a/b", token: b"t", depth: None }),
        Err(libc::EEXIST)
    );
    assert_eq!(
        dom0.ask(&mut host, 0, &Request::Unwatch { path: "/a/b", token: b"other" }),
        Err(libc::ENOENT)
    );
    dom0.ask(&mut host, 0, &Request::Unwatch { path: "/a/b", token: b"t" }).unwrap();
    host.write(0, "/a/b", "2").unwrap();
    assert!(dom0.events(&mut host).is_empty());
}

#[test]
fn the_reply_to_a_watch_comes_before_its_first_event() {
    let mut host = host();
    let id = host.connect(0);
    let request = Request::Watch { path: "@releaseDomain", token: b"r", depth: None };
    let mut bytes = Vec::new();
    Frame { kind: request.kind().number(), req_id: 1, tx_id: 0, payload: request.payload() }
        .encode(&mut bytes);
    host.feed(id, &bytes).unwrap();
    let mut decoder = Decoder::default();
    decoder.push(&host.take_output(id));
    assert_eq!(decoder.next_frame().unwrap().unwrap().known_kind(), Some(Kind::Watch));
    let event = decoder.next_frame().unwrap().unwrap();
    assert_eq!(parse_event(&event.payload), Ok(("@releaseDomain", b"r".as_slice())));
}

#[test]
fn removing_a_tree_tells_those_above_once_and_each_watch_below_of_its_own_node() {
    let mut host = host();
    host.write(0, "/t/x/1", "").unwrap();
    host.write(0, "/t/x/2", "").unwrap();
    let mut above = Client::new(&mut host, 0);
    let mut below = Client::new(&mut host, 0);
    above.watch(&mut host, "/t");
    below.watch(&mut host, "/t/x/2");
    above.events(&mut host);
    below.events(&mut host);
    host.rm(0, "/t/x").unwrap();
    assert_eq!(above.events(&mut host), ["/t/x"]);
    assert_eq!(below.events(&mut host), ["/t/x/2"]);
}

#[test]
fn a_watch_on_the_root_hears_all_and_a_guests_relative_watch_relative_paths() {
    let mut host = host();
    host.mkdir(0, "/local/domain/5/data").unwrap();
    host.set_perms(0, "/local/domain/5/data", &[Permission::none(5)]).unwrap();
    let (mut dom0, mut guest) = (Client::new(&mut host, 0), Client::new(&mut host, 5));
    dom0.watch(&mut host, "/");
    guest.watch(&mut host, "data");
    assert_eq!(dom0.events(&mut host), ["/"]);
    assert_eq!(guest.events(&mut host), ["data"]);
    host.write(0, "/local/domain/5/data/x", "1").unwrap();
    assert_eq!(dom0.events(&mut host), ["/local/domain/5/data/x"]);
    assert_eq!(guest.events(&mut host), ["data/x"]);
    guest.watch(&mut host, "/local/domain/6");
    guest.events(&mut host);
    host.write(0, "/local/domain/6/x", "1").unwrap();
    assert!(guest.events(&mut host).is_empty(), "a guest hears nothing of what it may not read");
}

#[test]
fn introducing_and_releasing_domains_fires_the_special_watches() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    dom0.watch(&mut host, "@introduceDomain");
    dom0.watch(&mut host, "@releaseDomain");
    dom0.events(&mut host);
    let introduce = Request::Introduce { domid: 9, gfn: 1234, port: 1 };
    assert!(dom0.ask(&mut host, 0, &introduce).is_ok());
    assert_eq!(dom0.ask(&mut host, 0, &Request::IsDomainIntroduced(9)), Ok(b"T\0".to_vec()));
    assert_eq!(dom0.ask(&mut host, 0, &Request::GetDomainPath(9)), Ok(b"/local/domain/9\0".to_vec()));
    let guest = host.connect(9);
    assert!(dom0.ask(&mut host, 0, &Request::Release(9)).is_ok());
    assert!(!host.is_connected(guest));
    assert_eq!(dom0.ask(&mut host, 0, &Request::Release(9)), Err(libc::ENOENT));
    assert_eq!(dom0.ask(&mut host, 0, &Request::IsDomainIntroduced(9)), Ok(b"F\0".to_vec()));
    assert_eq!(dom0.events(&mut host), ["@introduceDomain", "@releaseDomain"]);
}

#[test]
fn a_transaction_is_alone_until_it_commits_and_all_or_nothing() {
    let mut host = host();
    let (mut one, mut two) = (Client::new(&mut host, 0), Client::new(&mut host, 0));
    two.watch(&mut host, "/t");
    two.events(&mut host);
    let tx = one.begin(&mut host);
    one.ask(&mut host, tx, &write("/t/a", "1")).unwrap();
    one.ask(&mut host, tx, &write("/t/b", "1")).unwrap();
    assert_eq!(one.ask(&mut host, tx, &Request::Read("/t/a")), Ok(b"1".to_vec()));
    assert_eq!(two.ask(&mut host, 0, &Request::Read("/t/a")), Err(libc::ENOENT));
    assert_eq!(two.ask(&mut host, tx, &Request::Read("/t/a")), Err(libc::ENOENT), "another's transaction");
    assert!(two.events(&mut host).is_empty());
    one.ask(&mut host, tx, &Request::TransactionEnd { commit: true }).unwrap();
    assert_eq!(two.events(&mut host), ["/t/a", "/t/b"]);
    assert_eq!(one.ask(&mut host, tx, &Request::Read("/t/a")), Err(libc::ENOENT), "it is over");

    let tx = one.begin(&mut host);
    one.ask(&mut host, tx, &Request::Rm("/t")).unwrap();
    one.ask(&mut host, tx, &Request::TransactionEnd { commit: false }).unwrap();
    assert_eq!(two.ask(&mut host, 0, &Request::Read("/t/a")), Ok(b"1".to_vec()));
    assert!(two.events(&mut host).is_empty());
}

#[test]
fn a_transaction_whose_nodes_changed_says_again() {
    let mut host = host();
    host.write(0, "/n", "1").unwrap();
    host.write(0, "/m", "1").unwrap();
    let mut one = Client::new(&mut host, 0);
    let end = Request::TransactionEnd { commit: true };

    let tx = one.begin(&mut host);
    one.ask(&mut host, tx, &Request::Read("/n")).unwrap();
    one.ask(&mut host, tx, &write("/k", "1")).unwrap();
    host.write(0, "/n", "2").unwrap();
    assert_eq!(one.ask(&mut host, tx, &Request::Read("/n")), Ok(b"1".to_vec()), "it still sees what it saw");
    assert_eq!(one.ask(&mut host, tx, &end), Err(libc::EAGAIN));
    assert_eq!(one.ask(&mut host, 0, &Request::Read("/k")), Err(libc::ENOENT));

    let tx = one.begin(&mut host);
    one.ask(&mut host, tx, &write("/n", "3")).unwrap();
    host.write(0, "/m", "2").unwrap();
    assert!(one.ask(&mut host, tx, &end).is_ok(), "what it did not look at does not matter");

    host = Xenstored::new(XenstoredAge::of(4, 4));
    let mut one = Client::new(&mut host, 0);
    let tx = one.begin(&mut host);
    one.ask(&mut host, tx, &write("/n", "3")).unwrap();
    host.write(0, "/m", "2").unwrap();
    assert_eq!(one.ask(&mut host, tx, &end), Err(libc::EAGAIN), "an old daemon is coarser");
}

#[test]
fn a_long_directory_needs_pieces() {
    let mut host = host();
    for n in 0..2000 {
        host.write(0, &format!("/local/domain/{n}/name"), format!("d{n}")).unwrap();
    }
    let mut dom0 = Client::new(&mut host, 0);
    let path = "/local/domain";
    assert_eq!(dom0.ask(&mut host, 0, &Request::Directory(path)), Err(libc::E2BIG));
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let payload = dom0.ask(&mut host, 0, &Request::DirectoryPart { path, offset }).unwrap();
        let part = parse_directory_part(&payload).unwrap();
        names.extend(part.names);
        offset += part.bytes;
        if part.complete {
            break;
        }
    }
    names.sort_by_key(|name| name.parse::<u32>().unwrap());
    assert_eq!(names, (0..2000).map(|n| n.to_string()).collect::<Vec<_>>());

    let mut old = Xenstored::new(XenstoredAge::of(3, 4));
    let mut dom0 = Client::new(&mut old, 0);
    assert_eq!(dom0.ask(&mut old, 0, &Request::DirectoryPart { path, offset: 0 }), Err(libc::EINVAL));
    assert_eq!(dom0.ask(&mut old, 0, &Request::ResetWatches), Err(libc::EINVAL));
    let mut ox = Xenstored::new(XenstoredAge::oxenstored());
    let mut dom0 = Client::new(&mut ox, 0);
    assert_eq!(dom0.ask(&mut ox, 0, &Request::DirectoryPart { path, offset: 0 }), Err(libc::ENOSYS));
    assert!(dom0.ask(&mut ox, 0, &Request::ResetWatches).is_ok());
}

#[test]
fn a_payload_that_is_too_long_ends_the_connection() {
    let mut host = host();
    let id = host.connect(0);
    let mut bytes = Vec::new();
    Frame { kind: 2, req_id: 1, tx_id: 0, payload: vec![b'a'; 4097] }.encode(&mut bytes);
    assert_eq!(host.feed(id, &bytes), Err(Hangup::Frame(FrameFault { length: 4097 })));
    assert!(!host.is_connected(id));
    assert_eq!(host.feed(id, b""), Err(Hangup::Closed));
}

#[test]
fn an_unknown_type_and_a_malformed_payload_are_answered() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    let mut bytes = Vec::new();
    Frame { kind: 65535, req_id: 5, tx_id: 0, payload: vec![] }.encode(&mut bytes);
    Frame { kind: 2, req_id: 6, tx_id: 0, payload: b"/unterminated".to_vec() }.encode(&mut bytes);
    host.feed(dom0.id, &bytes).unwrap();
    let replies = dom0.receive(&mut host);
    assert_eq!((replies[0].req_id, replies[0].payload.as_slice()), (5, b"ENOSYS\0".as_slice()));
    assert_eq!((replies[1].req_id, replies[1].payload.as_slice()), (6, b"EINVAL\0".as_slice()));
}

#[test]
fn what_a_daemon_of_each_age_does_not_know_is_refused_and_everything_else_works() {
    let newer = [
        (Request::Resume(5), (3, 1)),
        (Request::SetTarget { domid: 5, target: 6 }, (3, 3)),
        (Request::ResetWatches, (4, 2)),
        (Request::DirectoryPart { path: "/", offset: 0 }, (4, 9)),
        (Request::GetFeature(None), (4, 21)),
        (Request::SetFeature { domid: 5, value: 1 }, (4, 21)),
        (Request::GetQuota { domid: None, quota: None }, (4, 21)),
        (Request::SetQuota { domid: Some(5), quota: "watches", value: 1 }, (4, 21)),
        (Request::Watch { path: "/", token: b"d", depth: Some(1) }, (4, 22)),
    ];
    for age in crate::sim::release::AGES {
        let (major, minor) = (age.release.major, age.release.minor);
        let mut host = Xenstored::new(XenstoredAge::of(major, minor));
        let unknown = if (major, minor) >= (4, 0) { libc::ENOSYS } else { libc::EINVAL };
        let mut dom0 = Client::new(&mut host, 0);
        for domid in [5, 6] {
            dom0.ask(&mut host, 0, &Request::Introduce { domid, gfn: 1, port: 1 }).unwrap();
        }
        dom0.ask(&mut host, 0, &write("/a", "1")).unwrap();
        assert_eq!(dom0.ask(&mut host, 0, &Request::Read("/a")), Ok(b"1".to_vec()), "{}", age.word);
        for (request, since) in &newer {
            // The third word of WATCH is malformed where it is not known.
            let refusal = if matches!(request, Request::Watch { .. }) { libc::EINVAL } else { unknown };
            let expected = if (major, minor) >= *since { Ok(()) } else { Err(refusal) };
            let answer = dom0.ask(&mut host, 0, request).map(drop);
            assert_eq!(answer, expected, "{} {request:?}", age.word);
        }
        let restricts = ((4, 1)..(4, 9)).contains(&(major, minor));
        let answer = dom0.ask(&mut host, 0, &Request::Restrict(5)).map(drop);
        assert_eq!(answer, if restricts { Ok(()) } else { Err(unknown) }, "{}", age.word);
        // From then on it has domain 5's rights.
        let rights = dom0.ask(&mut host, 0, &Request::Read("/a")).map(drop);
        assert_eq!(rights, if restricts { Err(libc::EACCES) } else { Ok(()) }, "{}", age.word);
    }
}

#[test]
fn an_error_that_an_old_daemon_has_no_name_for_is_einval() {
    for ((major, minor), errno) in [((4, 1), libc::EINVAL), ((4, 4), libc::E2BIG)] {
        let mut host = Xenstored::new(XenstoredAge::of(major, minor));
        for child in 0..400 {
            host.write(0, &format!("/many/child-{child:04}"), "").unwrap();
        }
        let mut dom0 = Client::new(&mut host, 0);
        assert_eq!(dom0.ask(&mut host, 0, &Request::Directory("/many")), Err(errno));
    }
}

#[test]
fn a_watch_with_a_depth_hears_what_is_near_and_which_domain_is_gone() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    for (path, depth) in [("/local", 1), ("@releaseDomain", 1)] {
        dom0.ask(&mut host, 0, &Request::Watch { path, token: b"t", depth: Some(depth) }).unwrap();
    }
    dom0.ask(&mut host, 0, &Request::Introduce { domid: 5, gfn: 1, port: 1 }).unwrap();
    dom0.events(&mut host);
    for path in ["/local", "/local/domain", "/local/domain/5"] {
        dom0.ask(&mut host, 0, &write(path, "")).unwrap();
    }
    dom0.ask(&mut host, 0, &Request::Release(5)).unwrap();
    assert_eq!(dom0.events(&mut host), ["/local", "/local/domain", "@releaseDomain/5"]);
}

#[test]
fn features_and_quotas_of_a_domain_can_be_set_and_end_with_it() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    dom0.ask(&mut host, 0, &Request::Introduce { domid: 5, gfn: 1, port: 1 }).unwrap();
    let number = |answer: Result<Vec<u8>, i32>| String::from_utf8(answer.unwrap()).unwrap();
    assert_eq!(number(dom0.ask(&mut host, 0, &Request::GetFeature(Some(5)))), "15\0");
    dom0.ask(&mut host, 0, &Request::SetFeature { domid: 5, value: 2 }).unwrap();
    assert_eq!(number(dom0.ask(&mut host, 0, &Request::GetFeature(Some(5)))), "2\0");
    let unknown = Request::SetFeature { domid: 5, value: 0x100 };
    assert_eq!(dom0.ask(&mut host, 0, &unknown), Err(libc::EINVAL));

    let names = number(dom0.ask(&mut host, 0, &Request::GetQuota { domid: None, quota: None }));
    assert_eq!(names, "transactions watches\0");
    let watches = Request::GetQuota { domid: Some(5), quota: Some("watches") };
    assert_eq!(number(dom0.ask(&mut host, 0, &watches)), "128\0");
    dom0.ask(&mut host, 0, &Request::SetQuota { domid: Some(5), quota: "watches", value: 1 }).unwrap();
    assert_eq!(number(dom0.ask(&mut host, 0, &watches)), "1\0");
    let mut guest = Client::new(&mut host, 5);
    let watch = |token| Request::Watch { path: "/local", token, depth: None };
    assert!(guest.ask(&mut host, 0, &watch(b"1")).is_ok());
    assert_eq!(guest.ask(&mut host, 0, &watch(b"2")), Err(libc::E2BIG));
    assert_eq!(guest.ask(&mut host, 0, &watches), Err(libc::EACCES));

    dom0.ask(&mut host, 0, &Request::Release(5)).unwrap();
    dom0.ask(&mut host, 0, &Request::Introduce { domid: 5, gfn: 1, port: 1 }).unwrap();
    assert_eq!(number(dom0.ask(&mut host, 0, &watches)), "128\0");
    let moon = Request::GetQuota { domid: None, quota: Some("moons") };
    assert_eq!(dom0.ask(&mut host, 0, &moon), Err(libc::ENOENT));
}

#[test]
fn what_clients_change_is_told_to_who_asked() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    host.observe_changes();
    host.write(0, "/by/the/simulation", "").unwrap();
    dom0.ask(&mut host, 0, &write("/local/domain/5/control/shutdown", "poweroff")).unwrap();
    let tx = dom0.begin(&mut host);
    dom0.ask(&mut host, tx, &write("/x", "")).unwrap();
    let paths = |changes: Vec<Change>| -> Vec<String> {
        changes.into_iter().map(|change| change.path.to_string()).collect()
    };
    assert_eq!(paths(host.take_changes()), ["/local/domain/5/control/shutdown"]);
    dom0.ask(&mut host, tx, &Request::TransactionEnd { commit: true }).unwrap();
    assert_eq!(paths(host.take_changes()), ["/x"]);
}

#[test]
fn ten_thousand_domains_and_twenty_thousand_watches_are_no_burden() {
    let mut host = host();
    let mut dom0 = Client::new(&mut host, 0);
    let began = std::time::Instant::now();
    for n in 1..=10_000u16 {
        host.write(0, &format!("/local/domain/{n}/name"), format!("d{n}")).unwrap();
        host.introduce(n);
    }
    for n in 1..=10_000u16 {
        let path = format!("/local/domain/{n}/name");
        dom0.watch(&mut host, &path);
        dom0.ask(&mut host, 0, &Request::Watch { path: &path, token: b"second", depth: None }).unwrap();
    }
    dom0.events(&mut host);
    for n in 1..=10_000u16 {
        host.write(0, &format!("/local/domain/{n}/name"), "new").unwrap();
    }
    assert_eq!(dom0.events(&mut host).len(), 20_000);
    // A scan of all watches per write would be 2 * 10^8 steps, a copy of the children per domain 10^8.
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(host.take_ready().len(), 1);
    host.disconnect(dom0.id);
    host.write(0, "/local/domain/7/name", "x").unwrap();
    assert!(host.take_ready().is_empty());
}

proptest! {
    #[test]
    fn a_client_can_send_anything(bytes in vec(vec(any::<u8>(), 0..80), 0..8), kinds in vec(0u32..28, 8)) {
        let mut host = host();
        let id = host.connect(3);
        for (payload, kind) in bytes.into_iter().zip(kinds) {
            let mut frame = Vec::new();
            Frame { kind, req_id: 1, tx_id: 0, payload }.encode(&mut frame);
            prop_assert_eq!(host.feed(id, &frame), Ok(()));
            let mut decoder = Decoder::default();
            decoder.push(&host.take_output(id));
            prop_assert!(decoder.next_frame().unwrap().is_some(), "every request is answered");
        }
    }
}

#[test]
fn names_in_a_directory_are_what_was_made() {
    let mut host = host();
    for name in ["b", "a", "c-1", "d_2"] {
        host.mkdir(0, &format!("/dir/{name}")).unwrap();
    }
    let mut dom0 = Client::new(&mut host, 0);
    let payload = dom0.ask(&mut host, 0, &Request::Directory("/dir")).unwrap();
    assert_eq!(parse_names(&payload).unwrap(), ["a", "b", "c-1", "d_2"]);
    assert_eq!(host.directory(0, "/dir").unwrap().len(), 4);
}
