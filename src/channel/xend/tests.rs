//! The client against small servers that behave as xends do at their best and at their worst.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::channel::stream::UnixDial;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// A xend that serves each connection with `serve`, which gets the request as text; and the client of it.
struct Server {
    xend: Xend,
    folder: PathBuf,
}

impl Server {
    fn new(serve: impl Fn(&mut UnixStream, &str) + Send + 'static) -> Server {
        let folder = std::env::temp_dir().join(format!("xenith-xend-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("xend-socket");
        let listener = UnixListener::bind(&socket).unwrap();
        // The thread ends with the test process; it holds nothing but the socket.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = read_request(&mut stream);
                serve(&mut stream, &request);
            }
        });
        let xend = Xend::new(Arc::new(UnixDial(socket)), Some(folder.join("domains")));
        Server { xend, folder }
    }

    fn answering(answer: impl Into<String>) -> Server {
        let answer = answer.into();
        Server::new(move |stream, _| drop(stream.write_all(answer.as_bytes())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn read_request(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).unwrap_or(0);
        if length == 0 {
            return text;
        }
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let expected = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if expected.map_or(0, |length| length.parse().unwrap()) == body.len() {
                return text;
            }
        }
    }
}

fn sxp(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-type: application/sxp\r\nContent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn plain(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-length: 0\r\nExpires: -1\r\n\r\n")
}

#[test]
fn a_call_is_one_request_and_its_answer() {
    let (sent, requests) = mpsc::channel();
    let server = Server::new(move |stream, request| {
        sent.send(request.to_owned()).unwrap();
        let _ = stream.write_all(sxp("200 OK", "(web1 'a b')").as_bytes());
    });
    assert_eq!(server.xend.domain_names(Listed::Halted, soon()).unwrap(), ["web1", "a b"]);
    let request = requests.recv().unwrap();
    assert!(request.starts_with("GET /xend/domain?state=halted HTTP/1.1\r\n"), "{request}");
    assert_eq!(server.xend.requests(), 1);
}

#[test]
fn an_operation_names_its_domain_and_its_fields() {
    let (sent, requests) = mpsc::channel();
    let server = Server::new(move |stream, request| {
        sent.send(request.to_owned()).unwrap();
        let _ = stream.write_all(plain("202 Accepted").as_bytes());
    });
    let xend = &server.xend;
    xend.shutdown("a b", ShutdownRequest::Reboot, soon()).unwrap();
    xend.set_max_memory("web1", 512, soon()).unwrap();
    xend.define(&Sexpr::node("vm", [Sexpr::pair("name", "é")]), soon()).unwrap();
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /xend/domain/a%20b HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nop=shutdown&reason=reboot"), "{request}");
    assert!(requests.recv().unwrap().ends_with("op=maxmem%5Fset&memory=512"));
    assert!(requests.recv().unwrap().ends_with("config=%28vm%20%28name%20%27%C3%A9%27%29%29"));
}

#[test]
fn an_answer_is_whole_when_its_length_says_so_and_not_when_the_connection_ends() {
    let server = Server::new(|stream, _| {
        let _ = stream.write_all(sxp("200 OK", "(a)").as_bytes());
        let held = stream.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(30));
            drop(held);
        });
    });
    let start = Instant::now();
    assert_eq!(server.xend.domain_names(Listed::All, soon()).unwrap(), ["a"]);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_slow_answer_is_put_together() {
    let server = Server::new(|stream, _| {
        for byte in sxp("200 OK", "(domain (name slow))''").bytes() {
            let _ = stream.write_all(&[byte]);
            thread::sleep(Duration::from_micros(200));
        }
    });
    let domain = server.xend.domain("slow", soon()).unwrap().unwrap();
    assert_eq!(domain.value("name"), Some("slow"));
}

#[test]
fn a_silent_xend_is_a_timeout_that_says_that_the_operation_may_go_on() {
    let server = Server::new(|stream, _| {
        let held = stream.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(30));
            drop(held);
        });
    });
    let start = Instant::now();
    let error = server.xend.start("web1", Deadline::after(Duration::from_millis(80))).unwrap_err();
    assert_eq!((error.status, error.road), (Status::Timeout, Road::Xend));
    assert!(error.message.contains("may still be under way"), "{error}");
    assert!(error.message.contains("POST /xend/domain/web1"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_xend_that_goes_away_is_closed() {
    let early = Server::answering("");
    let error = early.xend.pause("web1", soon()).unwrap_err();
    assert_eq!(error.status, Status::Closed, "{error}");
    let cut = Server::answering("HTTP/1.1 200 OK\r\nContent-length: 100\r\n\r\n(domain");
    let error = cut.xend.domain("web1", soon()).unwrap_err();
    assert_eq!(error.status, Status::Closed, "{error}");
    assert!(error.message.contains("in the middle"), "{error}");
}

#[test]
fn rubbish_is_a_protocol_error() {
    for rubbish in [
        "220 mail.example.org ESMTP\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\n(a)".into(),
        "HTTP/1.1 200 OK\r\nContent-length: 99999999999\r\n\r\n".into(),
        sxp("200 OK", "(((("),
        sxp("200 OK", "((a) b)"),
        sxp("200 OK", "'no list'"),
        "HTTP/1.1 200 OK\r\nContent-length: 6\r\n\r\n<html>".into(),
    ] {
        let server = Server::answering(rubbish.clone());
        let error = server.xend.domain_names(Listed::All, soon()).unwrap_err();
        assert_eq!(error.status, Status::Protocol, "{rubbish:?}: {error}");
    }
}

#[test]
fn an_unknown_domain_is_not_found_in_every_xends_way() {
    for answer in [
        "HTTP/1.1 404 Not found\r\nContent-type: text/plain\r\nContent-length: 15\r\n\r\n<Fault 3: 'x1'>"
            .to_owned(),
        plain("500 Internal server error"),
        sxp("200 OK", "(xend.err 'No such domain x1')"),
    ] {
        let server = Server::answering(answer);
        assert_eq!(server.xend.domain("x1", soon()).unwrap(), None);
        let error = server.xend.destroy("x1", soon()).unwrap_err();
        assert_eq!(error.status, Status::NotFound, "{error}");
        assert!(error.message.starts_with("cannot destroy the domain 'x1': "), "{error}");
    }
}

#[test]
fn what_xend_refuses_comes_in_its_own_words_whatever_the_status() {
    for (status, words, expected) in [
        ("500 Request failed: new", "\"Error creating domain: VM name 'x' already exists\"", Status::Exists),
        ("202 Accepted", "'Domain is not halted.'", Status::InvalidState),
        (
            "500 Request failed: pause",
            "\"int() argument must be a string or a number, not 'NoneType'\"",
            Status::InvalidState,
        ),
        ("200 OK", "'Error creating domain: I need 9 KiB, but dom0_min_mem is 7'", Status::NoMemory),
        ("500 Request failed: new", "'Error creating domain: Invalid VM Name'", Status::InvalidConfig),
        ("500 Request failed: new", "\"Error creating domain: 'vcpus'\"", Status::OperationFailed),
        // Before 3.0.3 a failure has the status of a success.
        ("200 OK", "\"Error creating domain: VM name 'x' already in use by domain 1\"", Status::Exists),
        ("202 Accepted", "\"VM name 'x' is used in both domains 1 and 0\"", Status::Exists),
        ("200 OK", "'Error creating domain: invalid vm name'", Status::InvalidConfig),
        ("200 OK", "'Error creating domain: Kernel image does not exist: /k'", Status::InvalidConfig),
        ("202 Accepted", "'Domain is still running'", Status::InvalidState),
    ] {
        let server = Server::answering(sxp(status, &format!("(xend.err {words})")));
        let error = server.xend.define(&Sexpr::node("vm", []), soon()).unwrap_err();
        assert_eq!((error.status, error.road), (expected, Road::Xend), "{error}");
        let own = &words[1..words.len() - 1];
        assert!(error.message.starts_with(&format!("cannot define the domain: {own}")), "{error}");
    }
}

#[test]
fn a_configuration_beyond_the_limit_is_refused_before_it_is_sent() {
    let server = Server::answering("");
    let config = Sexpr::node("vm", [Sexpr::pair("name", "(".repeat(4000))]);
    let error = server.xend.define(&config, soon()).unwrap_err();
    assert_eq!(error.status, Status::InvalidConfig);
    assert!(error.message.contains("12044 bytes") && error.message.contains("10,000"), "{error}");
    assert_eq!(server.xend.requests(), 0);
}

#[test]
fn a_xend_that_is_not_there_says_what_to_do() {
    let xend = Xend::new(Arc::new(UnixDial("/nonexistent/xend-socket".into())), None);
    let error = xend.node(soon()).unwrap_err();
    assert_eq!((error.status, error.errno), (Status::NoConnect, Some(libc::ENOENT)));
    assert!(error.message.contains("/nonexistent/xend-socket"), "{error}");
    assert!(error.message.contains("(xend-unix-server yes)"), "{error}");
    assert_eq!(xend.is_managed(Uuid::nil()).unwrap_err().status, Status::NotSupported);
}

#[test]
fn a_domain_is_managed_when_xend_has_a_folder_for_it() {
    let server = Server::answering("");
    let uuid = Uuid::from_u128(0x1234);
    assert!(!server.xend.is_managed(uuid).unwrap());
    let folder = server.folder.join("domains/00000000-0000-0000-0000-000000001234");
    std::fs::create_dir_all(folder).unwrap();
    assert!(server.xend.is_managed(uuid).unwrap());
    assert!(!server.xend.is_managed(Uuid::nil()).unwrap());
}
