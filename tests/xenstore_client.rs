//! The xenstore client against the embedded daemon, and against daemons that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod xenstored;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use xenith::Status;
use xenith::channel::stream::Dialled;
use xenith::channel::xenstore::{Subscriber, Xenstore};
use xenith::deadline::Deadline;
use xenith::error::Error;
use xenith::log::Log;
use xenith::sim::xenstored::XenstoredAge;
use xenith::wire::port::Dial;
use xenith::wire::xenstore::{Decoder, Frame, Kind, Permission};
use xenstored::{Host, in_millis, soon};

#[test]
fn every_operation_reaches_the_daemon() {
    let host = Host::new();
    let xs = host.client();
    xs.write("/a/b", b"va\0lue", soon()).unwrap();
    assert_eq!(xs.read("/a/b", soon()).unwrap(), b"va\0lue");
    assert_eq!(xs.nodes(soon()).read_optional("/a/c").unwrap(), None);
    xs.mkdir("/a/c", soon()).unwrap();
    assert_eq!(xs.directory("/a", soon()).unwrap(), ["b", "c"]);
    let perms = [Permission::none(0), Permission::read(5)];
    xs.set_perms("/a/b", &perms, soon()).unwrap();
    assert_eq!(xs.get_perms("/a/b", soon()).unwrap(), perms);
    xs.rm("/a", soon()).unwrap();
    xs.rm("/a", soon()).unwrap();
    assert_eq!(xs.domain_path(7, soon()).unwrap(), "/local/domain/7");
    assert!(!xs.is_domain_introduced(7, soon()).unwrap());
    xs.introduce(7, -5, 3, soon()).unwrap();
    assert!(xs.is_domain_introduced(7, soon()).unwrap());
    xs.resume(7, soon()).unwrap();
    xs.release(7, soon()).unwrap();
    xs.barrier(soon()).unwrap();

    let error = xs.read("/a/b", soon()).unwrap_err();
    assert_eq!((error.status, error.errno), (Status::NotFound, Some(libc::ENOENT)));
    assert!(error.message.contains("/a/b"), "{error}");
    assert_eq!(xs.release(7, soon()).unwrap_err().status, Status::NotFound);
    let trips = xs.round_trips();
    assert_eq!(xs.read("/a b", soon()).unwrap_err().status, Status::InvalidArg);
    assert_eq!(xs.write("/a", vec![b'x'; 4096], soon()).unwrap_err().status, Status::InvalidArg);
    assert_eq!(xs.round_trips(), trips, "what the daemon would hang up on is not sent");
}

#[test]
fn a_list_longer_than_a_reply_is_had_in_pieces_where_the_daemon_can() {
    let fill = |host: &Host| {
        host.with(|store| (0..3000).for_each(|n| store.mkdir(0, &format!("/dir/node-{n}")).unwrap()));
    };
    let host = Host::new();
    fill(&host);
    assert_eq!(host.client().directory("/dir", soon()).unwrap().len(), 3000);
    let host = Host::of_age(XenstoredAge::oxenstored());
    fill(&host);
    assert_eq!(host.client().directory("/dir", soon()).unwrap_err().status, Status::NotSupported);
}

#[test]
fn a_transaction_is_tried_again_until_nobody_is_in_its_way() {
    let host = Host::new();
    let xs = host.client();
    host.write("/counter", "0");
    let mut runs = 0;
    xs.transaction(soon(), |nodes| {
        runs += 1;
        let value = nodes.read("/counter")?;
        if runs < 4 {
            host.write("/counter", &format!("{runs}"));
        }
        nodes.write("/copy", value)
    })
    .unwrap();
    assert_eq!(runs, 4);
    assert_eq!(xs.read("/copy", soon()).unwrap(), b"3");

    let error = xs
        .transaction(soon(), |nodes| {
            nodes.write("/copy", "never")?;
            Err::<(), _>(Error::invalid_arg("changed my mind"))
        })
        .unwrap_err();
    assert_eq!(error.message, "changed my mind");
    assert_eq!(xs.read("/copy", soon()).unwrap(), b"3");

    let error = xs
        .transaction(soon(), |nodes| {
            nodes.read("/counter")?;
            host.write("/counter", "again");
            nodes.write("/copy", "x")
        })
        .unwrap_err();
    assert_eq!(error.errno, Some(libc::EAGAIN));
}

#[test]
fn eight_threads_share_one_connection_with_watches_between_their_replies() {
    let host = Host::of_age(XenstoredAge::of(4, 4));
    let xs = host.client();
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (xs, seen) = (&xs, &seen);
            scope.spawn(move || {
                let subscriber = Subscriber::default();
                let path = format!("/threads/{thread}");
                let watch = xs.watch(&subscriber, &path, thread, soon()).unwrap();
                for n in 0..300 {
                    let value = format!("{thread}:{n}");
                    xs.write(&format!("{path}/{}", n % 10), &value, soon()).unwrap();
                    assert_eq!(xs.read(&format!("{path}/{}", n % 10), soon()).unwrap(), value.as_bytes());
                    // Somebody else's node: the reply must still be this one's.
                    let other = format!("/threads/{}/none", (thread + 1) % 8);
                    assert_eq!(xs.read(&other, soon()).unwrap_err().status, Status::NotFound);
                }
                xs.barrier(soon()).unwrap();
                let events = subscriber.take();
                assert_eq!(events.len(), 1, "one entry per watch");
                assert!(events[0].several && events[0].key == thread && events[0].path.starts_with(&path));
                seen.fetch_add(1, Ordering::Relaxed);
                xs.unwatch(watch, soon()).unwrap();
                xs.write(&path, "after", soon()).unwrap();
                xs.barrier(soon()).unwrap();
                assert!(subscriber.take().is_empty());
            });
        }
    });
    assert_eq!(seen.load(Ordering::Relaxed), 8);
    assert_eq!(host.dials(), 1);
}

#[test]
fn eight_threads_count_in_transactions_and_none_is_lost() {
    let host = Host::new();
    let xs = host.client();
    host.write("/counter", "0");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    loop {
                        let done = xs.transaction(soon(), |nodes| {
                            let value = nodes.read("/counter")?;
                            let value: u32 = String::from_utf8(value).unwrap().parse().unwrap();
                            nodes.write("/counter", (value + 1).to_string())
                        });
                        match done {
                            Ok(()) => break,
                            Err(error) => assert_eq!(error.errno, Some(libc::EAGAIN), "{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(xs.read("/counter", soon()).unwrap(), b"80");
}

#[test]
fn a_batch_larger_than_both_socket_buffers_is_one_round_trip_and_no_deadlock() {
    let host = Host::new();
    let xs = host.client();
    let value = "x".repeat(3000);
    host.write("/big", &value);
    let mut batch = xs.batch();
    for n in 0..3000 {
        batch.write(&format!("/many/{n}"), value.as_bytes()).unwrap();
        batch.read("/big").unwrap();
    }
    let replies = batch.send(soon()).unwrap();
    assert_eq!(replies.len(), 6000);
    assert!(replies.chunks(2).all(|pair| {
        pair[0].outcome.as_deref() == Ok(b"OK\0".as_slice())
            && pair[1].outcome.as_deref() == Ok(value.as_bytes())
            && pair[0].arrival < pair[1].arrival
    }));
    assert_eq!(xs.round_trips(), 1);
}

#[test]
fn large_batches_and_small_calls_of_many_threads_do_not_block_each_other() {
    let host = Host::new();
    let xs = host.client();
    let value = "y".repeat(2000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (xs, value) = (&xs, &value);
            scope.spawn(move || {
                for _ in 0..3 {
                    let mut batch = xs.batch();
                    for n in 0..500 {
                        batch.write(&format!("/b{thread}/{n}"), value.as_bytes()).unwrap();
                        batch.read(&format!("/b{thread}/{n}")).unwrap();
                    }
                    let replies = batch.send(soon()).unwrap();
                    assert!(
                        replies.iter().skip(1).step_by(2).all(|r| r.outcome.as_ref().unwrap().len() == 2000)
                    );
                }
            });
            scope.spawn(move || {
                for n in 0..200 {
                    let path = format!("/s{thread}/{n}");
                    xs.write(&path, "1", soon()).unwrap();
                    assert_eq!(xs.read(&path, soon()).unwrap(), b"1");
                }
            });
        }
    });
}

#[test]
fn draining_reads_once_when_nothing_is_there_and_takes_all_that_is() {
    let host = Host::new();
    let xs = host.client();
    let subscriber = Subscriber::default();
    xs.watch(&subscriber, "/w", 1, soon()).unwrap();
    xs.barrier(soon()).unwrap();
    assert_eq!(subscriber.take().len(), 1);
    let (reads, trips) = (xs.reads(), xs.round_trips());
    xs.drain(&soon().into()).unwrap();
    assert_eq!((xs.reads(), xs.round_trips()), (reads + 1, trips));
    assert!(subscriber.take().is_empty());

    host.write("/w/x", "1");
    let until = Instant::now() + Duration::from_secs(10);
    let mut events = Vec::new();
    while events.is_empty() && Instant::now() < until {
        xs.drain(&soon().into()).unwrap();
        events = subscriber.take();
    }
    assert_eq!(events[0].path, "/w/x");
    assert_eq!(xs.round_trips(), trips);
}

#[test]
fn a_reply_drained_by_one_thread_wakes_the_one_that_waits_for_it() {
    let host = Host::new();
    let xs = host.client();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                xs.drain(&soon().into()).unwrap();
            }
        });
        for n in 0..2000 {
            let deadline = in_millis(5000);
            xs.write("/x", n.to_string(), deadline).unwrap();
            assert!(!deadline.is_over());
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_event_is_waited_for_also_while_another_thread_reads() {
    let host = Host::new();
    let xs = host.client();
    let subscriber = Subscriber::default();
    xs.watch(&subscriber, "/w", 9, soon()).unwrap();
    assert_eq!(xs.wait_event(&subscriber, soon()).unwrap()[0].path, "/w");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| xs.wait_event(&subscriber, soon()).unwrap());
        for n in 0..50 {
            xs.write(&format!("/other/{n}"), "1", soon()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(30));
        host.write("/w", "1");
        assert_eq!(waiter.join().unwrap()[0].key, 9);
    });
    let began = Instant::now();
    let error = xs.wait_event(&subscriber, in_millis(50)).unwrap_err();
    assert_eq!(error.status, Status::Timeout);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_hanging_daemon_costs_each_caller_its_own_deadline_and_late_replies_are_dropped() {
    let host = Host::new();
    let xs = host.client();
    xs.write("/a", "1", soon()).unwrap();
    host.hang(true);
    std::thread::scope(|scope| {
        for millis in [50, 100, 150, 200] {
            let xs = &xs;
            scope.spawn(move || {
                let began = Instant::now();
                let error = xs.read("/a", in_millis(millis)).unwrap_err();
                assert_eq!(error.status, Status::Timeout);
                let took = began.elapsed();
                assert!(took >= Duration::from_millis(millis) && took < Duration::from_millis(millis + 3000));
            });
        }
        // One with time enough follows those that give up, leads in the end, and gets its answer.
        let patient = scope.spawn(|| xs.read("/a", soon()).unwrap());
        std::thread::sleep(Duration::from_millis(400));
        host.hang(false);
        assert_eq!(patient.join().unwrap(), b"1");
    });
    host.write("/a", "2");
    assert_eq!(xs.read("/a", soon()).unwrap(), b"2", "not one of the late replies");
    assert_eq!(host.dials(), 1);
}

#[test]
fn a_transaction_whose_beginning_came_too_late_is_ended_for_its_caller() {
    let host = Host::of_age(XenstoredAge::newest());
    let xs = host.client();
    xs.connect(soon()).unwrap();
    host.hang(true);
    for _ in 0..5 {
        let late = xs.transaction(in_millis(5), |nodes| nodes.write("/x", "1")).unwrap_err();
        assert_eq!(late.status, Status::Timeout);
    }
    host.hang(false);
    xs.barrier(soon()).unwrap();
    xs.barrier(soon()).unwrap();
    assert_eq!(host.with(|store| store.open_transactions()), 0);
}

#[test]
fn a_request_that_was_half_written_at_its_deadline_is_finished_by_the_next_caller() {
    let host = Host::new();
    let xs = host.client();
    xs.connect(soon()).unwrap();
    host.hang(true);
    let value = [b'x'; 3000];
    let mut batch = xs.batch();
    for n in 0..2000 {
        batch.write(&format!("/many/{n}"), &value).unwrap();
    }
    assert_eq!(batch.send(in_millis(100)).unwrap_err().status, Status::Timeout);
    host.hang(false);
    assert_eq!(xs.read("/many/1999", soon()).unwrap(), value, "the stream is whole, and in order");
    assert_eq!(host.dials(), 1);
}

#[test]
fn a_dropped_subscribers_watch_ends_at_its_next_event() {
    let host = Host::new();
    let xs = host.client();
    let subscriber = Subscriber::default();
    xs.watch(&subscriber, "/w", 1, soon()).unwrap();
    xs.barrier(soon()).unwrap();
    drop(subscriber);
    host.write("/w", "1");
    xs.barrier(soon()).unwrap();
    xs.barrier(soon()).unwrap();
    let arrivals = xs.arrivals();
    host.write("/w", "2");
    xs.barrier(soon()).unwrap();
    assert_eq!(xs.arrivals(), arrivals + 1, "no event");
}

#[test]
fn when_the_daemon_goes_all_waiters_hear_it_and_the_next_call_connects_with_all_watches() {
    let host = Host::new();
    let xs = host.client();
    let subscriber = Subscriber::default();
    xs.watch(&subscriber, "/w", 4, soon()).unwrap();
    xs.barrier(soon()).unwrap();
    subscriber.take();
    assert_eq!(xs.generation(), 1);
    host.hang(true);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| xs.read("/a", soon()).unwrap_err())).collect();
        std::thread::sleep(Duration::from_millis(100));
        host.hang_up();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().status, Status::Closed);
        }
    });
    host.hang(false);
    xs.write("/a", "1", soon()).unwrap();
    assert_eq!((xs.generation(), host.dials()), (2, 2));
    xs.barrier(soon()).unwrap();
    assert_eq!(subscriber.take().len(), 1, "a watch that is asked for again fires");
    host.write("/w/x", "1");
    assert_eq!(xs.wait_event(&subscriber, soon()).unwrap()[0].path, "/w/x");
}

#[test]
fn a_connection_that_died_at_rest_is_replaced_without_the_caller_noticing() {
    let host = Host::new();
    let xs = host.client();
    xs.write("/a", "1", soon()).unwrap();
    host.hang_up();
    assert_eq!(xs.read("/a", soon()).unwrap(), b"1");
    host.hang_up();
    assert_eq!(xs.drain(&soon().into()).unwrap(), 3);
}

#[test]
fn without_a_daemon_the_error_says_where_it_was_looked_for() {
    let (near, far) = UnixStream::pair().unwrap();
    let xs = Xenstore::over(Arc::new(Dialled::once(near)), Log::default());
    drop(far);
    let error = xs.read("/a", soon()).unwrap_err();
    assert_eq!(error.status, Status::NoConnect, "{error}");
    assert!(error.message.contains("is xenstored running?"), "{error}");
    let missing = Xenstore::open(Some("/nowhere/socket".as_ref()), Log::default());
    assert_eq!(missing.err().unwrap().status, Status::NoConnect);
}

/// A daemon that answers each request as `answer` says.
fn daemon(answer: impl Fn(Frame) -> Vec<u8> + Send + 'static) -> Xenstore {
    let (near, mut far) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let (mut decoder, mut buffer) = (Decoder::default(), [0; 4096]);
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            decoder.push(&buffer[..count]);
            while let Ok(Some(frame)) = decoder.next_frame() {
                if far.write_all(&answer(frame)).is_err() {
                    return;
                }
            }
        }
    });
    Xenstore::over(Arc::new(Dialled::once(near)), Log::default())
}

fn bytes(kind: u32, req_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame { kind, req_id, tx_id: 0, payload: payload.to_vec() }.encode(&mut out);
    out
}

#[test]
fn rubbish_ends_the_connection_and_says_so() {
    type Answer = fn(Frame) -> Vec<u8>;
    let answers: [Answer; 6] = [
        |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        |frame| bytes(frame.kind, frame.req_id + 1, b"v"),
        |frame| bytes(Kind::Write.number(), frame.req_id, b"OK\0"),
        |frame| bytes(frame.kind, frame.req_id, &[0; 5000]),
        |_| bytes(Kind::WatchEvent.number(), 0, b"no token"),
        |_| bytes(999, 1, b""),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let xs = daemon(answer);
        let error = xs.read("/a", soon()).unwrap_err();
        assert_eq!(error.status, Status::Protocol, "{n}: {error}");
        assert_eq!(xs.read("/a", soon()).unwrap_err().status, Status::NoConnect, "it was dropped");
    }
    let xs = daemon(|frame| bytes(frame.kind, frame.req_id, b"not terminated"));
    assert_eq!(xs.directory("/a", soon()).unwrap_err().status, Status::Protocol);
    assert_eq!(xs.domain_path(0, soon()).unwrap(), "not terminated");
    assert_eq!(xs.is_domain_introduced(0, soon()).unwrap_err().status, Status::Protocol);
    assert_eq!(xs.transaction(soon(), |_| Ok(())).unwrap_err().status, Status::Protocol);
}

#[test]
fn no_answer_is_too_strange() {
    let mut seed = 12345u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    for _ in 0..300 {
        // Frames that are right but for some bytes, so that every depth is reached.
        let mut answer = Vec::new();
        for n in 0..3 {
            let payload = [b"/a\0x1\0".as_slice(), b"OK\0", b"", b"\0\0", b"EAGAIN\0"][random() % 5];
            answer.extend(bytes((random() % 28) as u32, n, payload));
        }
        for _ in 0..random() % 4 {
            let at = random() % answer.len();
            answer[at] = random() as u8;
        }
        let xs = daemon(move |_| answer.clone());
        let subscriber = Subscriber::default();
        // Any outcome is fine that comes before the deadline or with it.
        let began = Instant::now();
        let _ = xs.watch(&subscriber, "/a", 1, in_millis(20));
        let _ = xs.directory("/a", in_millis(20));
        let _ = xs.drain(&in_millis(20).into());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn errors_have_the_status_of_their_errno() {
    let table = [
        ("ENOENT", Status::NotFound),
        ("EACCES", Status::AccessDenied),
        ("EPERM", Status::AccessDenied),
        ("EEXIST", Status::Exists),
        ("ENOSYS", Status::NotSupported),
        ("ENOSPC", Status::OperationFailed),
        ("EWHAT", Status::OperationFailed),
    ];
    for (name, status) in table {
        let xs =
            daemon(move |frame| bytes(Kind::Error.number(), frame.req_id, format!("{name}\0").as_bytes()));
        assert_eq!(xs.read("/a", soon()).unwrap_err().status, status, "{name}");
        xs.barrier(soon()).unwrap_err();
    }
}

#[test]
fn replies_in_another_order_and_in_crumbs_find_their_requests() {
    let (near, mut far) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let (mut decoder, mut buffer, mut held) = (Decoder::default(), [0; 4096], Vec::new());
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            decoder.push(&buffer[..count]);
            while let Ok(Some(frame)) = decoder.next_frame() {
                held.push(frame);
            }
            if held.len() == 3 {
                while let Some(frame) = held.pop() {
                    for byte in bytes(frame.kind, frame.req_id, &frame.payload) {
                        far.write_all(&[byte]).unwrap();
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
            }
        }
    });
    let xs = Xenstore::over(Arc::new(Dialled::once(near)), Log::default());
    let mut batch = xs.batch();
    for path in ["/1", "/2", "/3"] {
        batch.read(path).unwrap();
    }
    let replies = batch.send(soon()).unwrap();
    let values: Vec<_> = replies.into_iter().map(|reply| reply.outcome.unwrap()).collect();
    assert_eq!(values, [b"/1\0", b"/2\0", b"/3\0"]);
}

/// The kernel's device as far as its protocol differs from the daemon's: one frame per write, no ids in the replies to watches.
struct Device(parking_lot::Mutex<Option<UnixStream>>);

impl Dial for Device {
    fn dial(&self, _deadline: Deadline) -> std::io::Result<std::os::fd::OwnedFd> {
        let stream = self.0.lock().take().ok_or(std::io::ErrorKind::ConnectionRefused)?;
        stream.set_nonblocking(true)?;
        Ok(stream.into())
    }

    fn describe(&self) -> String {
        "/dev/xen/xenbus".into()
    }

    fn is_socket(&self) -> bool {
        false
    }
}

#[test]
fn on_a_device_each_frame_is_its_own_write_and_watches_are_matched_without_an_id() {
    // Message boundaries are kept on a seqpacket socket: each read there is one write here.
    let (near, far) = seqpacket();
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        let mut far = far;
        let mut sizes = Vec::new();
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            let mut decoder = Decoder::default();
            decoder.push(&buffer[..count]);
            let frame = decoder.next_frame().unwrap().expect("a whole frame");
            assert!(decoder.next_frame().unwrap().is_none(), "a device takes one frame per write");
            sizes.push(count);
            // A kernel's whole xenstore stops when a watch is written while a reply is outstanding.
            std::thread::sleep(Duration::from_millis(1));
            far.set_nonblocking(true).unwrap();
            let early = far.read(&mut [0; 16]);
            assert!(
                early.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
                "asked before it had answered"
            );
            far.set_nonblocking(false).unwrap();
            let answer = match frame.known_kind().unwrap() {
                kind @ (Kind::Watch | Kind::Unwatch) => bytes(kind.number(), 0, b"OK\0"),
                kind => bytes(kind.number(), frame.req_id, b"v\0"),
            };
            far.write_all(&answer).unwrap();
        }
        sizes.len()
    });
    let xs = Xenstore::over(Arc::new(Device(parking_lot::Mutex::new(Some(near)))), Log::default());
    assert!(!xs.is_ordered());
    let subscriber = Subscriber::default();
    let mut batch = xs.batch();
    let mut watches = Vec::new();
    for n in 0..20 {
        watches.push(batch.watch(&subscriber, &format!("/{n}"), n).unwrap());
        batch.read("/a").unwrap();
    }
    let replies = batch.send(soon()).unwrap();
    assert!(replies.chunks(2).all(|pair| {
        pair[0].outcome.as_deref() == Ok(b"OK\0".as_slice())
            && pair[1].outcome.as_deref() == Ok(b"v\0".as_slice())
    }));
    xs.unwatch(watches[3], soon()).unwrap();
    drop(xs);
    // Before watches are written, the daemon is asked for a sign of life.
    assert_eq!(server.join().unwrap(), 43);
}

#[allow(unsafe_code)]
fn seqpacket() -> (UnixStream, UnixStream) {
    use std::os::fd::FromRawFd;
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, fds.as_mut_ptr()) };
    assert_eq!(made, 0);
    // SAFETY: fresh descriptors that nothing else owns.
    unsafe { (UnixStream::from_raw_fd(fds[0]), UnixStream::from_raw_fd(fds[1])) }
}
