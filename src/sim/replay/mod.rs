//! A host that stands in for one of which there is a capture (docs/capture.md): it answers what that one answered, and nothing else. Nothing
//! can be changed on it.
//!
//! The hypervisor answers from the recorded calls ([`hypervisor`]); xenstored is the embedded one, with the recorded tree; xend answers the
//! requests that were recorded. Values that the capture only measured are filled with letters and digits that say nothing.

mod hypervisor;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::xenstored::Xenstored;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::capture::{Capture, MAX_CAPTURE, Record, Value};
use crate::wire::port::{Memory, ToolMonitor, ToolOutcome, ToolRun, Toolstack};
use crate::wire::xend_http::{Received, Reply, RequestReader, SXP};

/// See the module's description.
#[derive(Debug)]
pub(super) struct Replay {
    capture: Arc<Capture>,
    hypervisor: hypervisor::Recorded,
    conns: HashMap<u64, Conn>,
    next_conn: u64,
}

/// A connection to xend.
#[derive(Debug, Default)]
struct Conn {
    reader: RequestReader,
    out: Vec<u8>,
    is_over: bool,
}

/// The capture in a file.
///
/// Errors: those of the file system, and a file that is no capture, by its line.
pub(super) fn read(path: &Path) -> Result<Arc<Capture>> {
    let shown = path.display();
    let failed = |error| Error::from_io(Road::None, format_args!("cannot read the capture {shown}"), &error);
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_CAPTURE as u64 {
        return Err(Error::new(Status::InvalidConfig, format!("{shown} is too large to be a capture")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let capture = Capture::from_text(&text).map_err(Error::from)?;
    Ok(Arc::new(capture))
}

/// Why a road was not there when the capture was taken, if it was not.
pub(super) fn missing(capture: &Capture, road: Road) -> Option<Error> {
    let failure = capture.records.iter().find_map(|record| match record {
        Record::Failure(failure) if failure.road == road.name() && failure.doing == "opening" => {
            Some(failure)
        }
        _ => None,
    })?;
    let message = format!("it was not there when the capture was taken ({})", failure.status);
    let status = if failure.status == "access_denied" { Status::AccessDenied } else { Status::NoConnect };
    Some(Error { errno: failure.errno, ..Error::new(status, message).on(road) })
}

/// Whether there are answers of a xend.
pub(super) fn has_xend(capture: &Capture) -> bool {
    capture.records.iter().any(|record| matches!(record, Record::Xend(_)))
}

/// Whether there was a xl.
pub(super) fn has_xl(capture: &Capture) -> bool {
    capture.records.iter().any(|record| matches!(record, Record::Toolstack(tools) if tools.xl.is_some()))
}

impl Replay {
    pub(super) fn new(capture: Arc<Capture>) -> Replay {
        let hypervisor = hypervisor::Recorded::new(&capture);
        Replay { capture, hypervisor, conns: HashMap::new(), next_conn: 1 }
    }

    /// What the hypervisor answered to that.
    pub(super) fn hypercall(
        &self,
        op: u64,
        args: [u64; 5],
        memory: &mut Memory<'_>,
    ) -> std::result::Result<i64, i32> {
        self.hypervisor.call(op, args, memory)
    }

    /// Makes the recorded tree.
    pub(super) fn fill(&self, store: &mut Xenstored) {
        for record in &self.capture.records {
            let Record::Node(node) = record else { continue };
            let value = match &node.value {
                Value::Kept(text) => text.clone().into_bytes(),
                Value::Shape(kind, bytes) => kind.filling(*bytes),
                Value::Unread(_) => Vec::new(),
            };
            // A path that no xenstored would take is not in a capture that was taken from one.
            let _ = store.write(0, &node.path, value);
            let domid = node.path.strip_prefix("/local/domain/").and_then(|rest| rest.parse().ok());
            domid.into_iter().for_each(|domid| store.introduce(domid));
        }
    }

    /// A connection to xend.
    pub(super) fn connect(&mut self) -> u64 {
        let id = self.next_conn;
        self.next_conn += 1;
        self.conns.insert(id, Conn::default());
        id
    }

    /// Answers what is whole.
    pub(super) fn feed(&mut self, id: u64, bytes: &[u8]) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        if !conn.is_over {
            let reply = match conn.reader.feed(bytes) {
                Ok(None) => None,
                Ok(Some(request)) => Some(self.answer(&request)),
                Err(refusal) => Some(refusal.reply()),
            };
            if let Some(reply) = reply {
                conn.out.extend(reply.to_bytes(false, false));
                conn.is_over = true;
            }
        }
        self.conns.insert(id, conn);
    }

    fn answer(&self, request: &Received) -> Reply {
        if request.method != "GET" {
            return Reply::empty(501, "This xend is a capture: nothing can be changed");
        }
        let fields: Vec<String> =
            request.fields.iter().map(|(key, value)| format!("?{key}={value}")).collect();
        let path = format!("/{}{}", request.path.join("/"), fields.concat());
        let answer = self.capture.records.iter().find_map(|record| match record {
            Record::Xend(answer) if answer.path == path => Some(answer),
            _ => None,
        });
        match answer {
            Some(answer) => Reply::with(200, "OK", SXP, answer.body.clone().into_bytes()),
            None => Reply::empty(404, "Not found"),
        }
    }

    /// What waits to be written.
    pub(super) fn take_output(&mut self, id: u64, out: &mut Vec<u8>) {
        if let Some(conn) = self.conns.get_mut(&id) {
            out.append(&mut conn.out);
        }
    }

    /// Each connection is for one request.
    pub(super) fn wants_close(&self, id: u64) -> bool {
        self.conns.get(&id).is_none_or(|conn| conn.is_over)
    }

    pub(super) fn disconnect(&mut self, id: u64) {
        self.conns.remove(&id);
    }
}

/// The xl of a capture: there, and of no use.
#[derive(Debug)]
pub(super) struct NoXl;

impl Toolstack for NoXl {
    fn run(&self, _run: ToolRun<'_>, _deadline: Deadline) -> std::io::Result<ToolOutcome> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "this host is a capture: nothing runs on it",
        ))
    }

    fn monitors(&self) -> std::io::Result<Vec<ToolMonitor>> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "this host is a capture: nothing runs on it",
        ))
    }

    fn describe(&self) -> String {
        "the xl of a capture".into()
    }
}
