//! Many callers on one connection, without a thread of our own.
//!
//! A caller registers its requests under ids, writes them, and waits. Of those who wait, one leads: it polls the connection,
//! reads what comes and hands each reply to whoever asked, until its own are complete or its deadline is over; then another one
//! leads. The leader also writes what did not fit into the socket at once, so that a large batch cannot deadlock with a daemon
//! that waits for us to read.
//!
//! Locks, in the order in which they may be held together: `Link::reader`, then `state`, then `Link::queue`; and `Link::writer`, then
//! `Link::queue`. None of them is held while waiting, except `writer`, which nobody waits for: a write of a watch to the xenbus device
//! takes until the daemon has answered.
//!
//! The kernel's device is asked one thing at a time. It holds a mutex of the open file while a watch is being made, and its one
//! thread that takes replies wants that mutex for each reply to the same file: a watch written while a reply is outstanding
//! stops xenstore for the whole machine (seen on Linux 6.1 under Xen 4.17; drivers/xen/xenbus/xenbus_dev_frontend.c).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use super::watch::{Event, Queue, WatchId};
use crate::channel::stream::{Stream, poll};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::wire::port::Dial;
use crate::wire::xenstore::{
    Decoder, Frame, Kind, Request, errno_from_name, errno_name, parse_event, parse_number,
};

/// What the daemon owes us at most, and what may wait to be written: beyond, it is taken for dead. Fifty threads that ask for the names
/// of ten thousand domains at once, with a watch for each, stay below.
const MAX_OWED: usize = 1 << 20;
const MAX_UNSENT: usize = 64 << 20;

/// Reads of 64 KiB that take all that a socket's buffer can hold, several times over.
const MAX_DRAIN: u32 = 256;

/// What the daemon answered to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The payload, or the errno.
    pub outcome: Result<Vec<u8>, i32>,
    /// When it arrived, in the count of all that this client received. An event with a smaller number than a read's reply was
    /// caused before that read was served (where [`super::Xenstore::is_ordered`]).
    pub arrival: u64,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) kind: Kind,
    pub(super) tx_id: u32,
    pub(super) payload: Vec<u8>,
    /// The watch that it makes.
    pub(super) watch: Option<WatchId>,
    /// Nobody waits for the answer.
    pub(super) quiet: bool,
}

impl Outgoing {
    pub(super) fn new(tx_id: u32, request: &Request<'_>) -> Self {
        Outgoing { kind: request.kind(), tx_id, payload: request.payload(), watch: None, quiet: false }
    }

    fn quiet(tx_id: u32, request: &Request<'_>) -> Self {
        Outgoing { quiet: true, ..Outgoing::new(tx_id, request) }
    }
}

/// Why an exchange failed.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Not a byte of it left this process, so that it can be tried on a new connection.
    pub(super) unsent: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, unsent: false }
    }
}

pub(super) struct Mux {
    dial: Arc<dyn Dial>,
    log: Log,
    dialing: Mutex<()>,
    state: Mutex<State>,
    pub(super) round_trips: AtomicU64,
    pub(super) reads: AtomicU64,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    generation: u64,
    arrivals: u64,
    next_id: u32,
    next_call: u64,
    /// What the daemon owes: by request id. The call may have been given up since; then the reply is dropped.
    owed: HashMap<u32, Owed>,
    /// On a device: the ids of watches and unwatches in order. Kernels before 4.11 answer these themselves, without the id.
    watch_order: VecDeque<u32>,
    calls: HashMap<u64, Call>,
    /// Somebody polls the connection.
    led: bool,
    followers: Vec<Arc<Condvar>>,
    watches: HashMap<WatchId, Registered>,
    next_watch: u64,
}

struct Owed {
    kind: Kind,
    /// The call and the place in it; None for quiet requests.
    place: Option<(u64, usize)>,
    watch: Option<WatchId>,
}

struct Call {
    replies: Vec<Option<Reply>>,
    missing: usize,
    failure: Option<Error>,
    wake: Arc<Condvar>,
}

/// What is to be done when no lock is held any more.
#[derive(Default)]
struct Aftermath {
    replies: usize,
    post: Vec<Outgoing>,
    notes: Vec<String>,
}

struct Registered {
    path: String,
    key: u64,
    subscriber: Weak<Queue>,
    /// Asked for, so a new connection must ask again.
    asked: bool,
}

/// One connection.
pub(super) struct Link {
    stream: Stream,
    is_socket: bool,
    reader: Mutex<Reader>,
    /// Whole frames that wait to be written.
    queue: Mutex<Vec<u8>>,
    /// What is being written. Held by one who never waits for room, but may wait for the device of an old kernel: others leave
    /// their frames in `queue`, and it takes them along.
    writer: Mutex<Outbox>,
    /// Bytes wait in `writer` for room in the socket.
    congested: AtomicBool,
    /// On a device: frames that were written whole, less replies. For a moment a reply may be counted before its frame.
    unanswered: AtomicI64,
    /// Written to wake the leader from its poll; read by the leader.
    alarm: UnixStream,
    bell: UnixStream,
}

struct Reader {
    decoder: Decoder,
    buffer: Vec<u8>,
}

/// A write failed.
struct Broken {
    error: io::Error,
    /// Some of what was queued had been written.
    begun: bool,
}

#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    at: usize,
    /// On a device: what is left of the frame that is being written. The kernel takes one frame per write.
    frame_left: usize,
}

impl Mux {
    pub(super) fn new(dial: Arc<dyn Dial>, log: Log) -> Self {
        Mux {
            dial,
            log,
            dialing: Mutex::new(()),
            state: Mutex::new(State::default()),
            round_trips: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }

    pub(super) fn describe(&self) -> String {
        self.dial.describe()
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.dial.is_socket()
    }

    pub(super) fn generation(&self) -> u64 {
        self.state.lock().generation
    }

    pub(super) fn arrivals(&self) -> u64 {
        self.state.lock().arrivals
    }

    /// The connection, made when there is none. On a new one all watches are asked for again before anybody can use it.
    pub(super) fn link(&self, deadline: Deadline) -> Result<Arc<Link>> {
        if let Some(link) = self.standing() {
            return Ok(link);
        }
        let _dialing = self.dialing.try_lock_until(deadline.instant()).ok_or_else(|| self.late())?;
        if let Some(link) = self.standing() {
            return Ok(link);
        }
        let link = Stream::connect(&*self.dial, deadline)
            .and_then(|stream| Link::new(stream, self.dial.is_socket()))
            .map_err(|error| self.cannot_connect(&error))?;
        let link = Arc::new(link);
        let mut state = self.state.lock();
        state.generation += 1;
        let asked = state.watches.iter().filter(|(_, watch)| watch.asked);
        let again: Vec<Outgoing> = asked.map(|(id, watch)| watch.request(*id)).collect();
        state.watch_order.clear();
        let bytes = state.register(&again, None, link.is_socket);
        *link.queue.lock() = bytes;
        state.link = Some(link.clone());
        let generation = state.generation;
        drop(state);
        self.log.say(
            Level::Info,
            format_args!(
                "xenstore: connected to {} (connection {generation}, {} watches)",
                self.describe(),
                again.len()
            ),
        );
        if let Err(broken) = link.flush() {
            self.write_failed(&link, &broken.error);
        }
        Ok(link)
    }

    /// The connection that there is.
    pub(super) fn standing(&self) -> Option<Arc<Link>> {
        self.state.lock().link.clone()
    }

    /// Sends the requests together and collects the replies of those that are not quiet, in order.
    pub(super) fn exchange(
        &self,
        link: &Arc<Link>,
        requests: &[Outgoing],
        deadline: Deadline,
    ) -> Result<Vec<Reply>, Failed> {
        let wake = Arc::new(Condvar::new());
        let missing = requests.iter().filter(|request| !request.quiet).count();
        let mut state = self.state.lock();
        if !state.is_current(link) {
            return Err(Failed { error: self.closed("the connection was closed"), unsent: true });
        }
        if state.owed.len() + requests.len() > MAX_OWED {
            drop(state);
            let error = self.closed("xenstored no longer answers: too many requests are waiting for it");
            self.fail(link, &error);
            return Err(error.into());
        }
        state.next_call += 1;
        let call = state.next_call;
        let bytes = state.register(requests, Some(call), link.is_socket);
        if missing > 0 {
            let entry = Call { replies: vec![None; missing], missing, failure: None, wake: wake.clone() };
            state.calls.insert(call, entry);
        }
        drop(state);

        if let Err(error) = self.send(link, &bytes) {
            self.state.lock().calls.remove(&call);
            return Err(error);
        }
        if missing == 0 {
            return Ok(Vec::new());
        }
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let done = self.wait(&wake, deadline, |state| {
            let entry = state.calls.get_mut(&call)?;
            // A call that was answered in full is a success, whatever became of the connection since.
            if entry.missing == 0 {
                Some(Ok(std::mem::take(&mut entry.replies)))
            } else {
                entry.failure.take().map(Err)
            }
        });
        self.state.lock().calls.remove(&call);
        match done {
            Some(Ok(replies)) => Ok(replies.into_iter().flatten().collect()),
            Some(Err(error)) => Err(error.into()),
            None => Err(self.late().into()),
        }
    }

    /// Puts bytes behind what waits to be written, and writes what can be written now.
    fn send(&self, link: &Arc<Link>, bytes: &[u8]) -> Result<(), Failed> {
        let mut queue = link.queue.lock();
        let first = queue.is_empty();
        let too_much = queue.len() + bytes.len() > MAX_UNSENT;
        if !too_much {
            queue.extend_from_slice(bytes);
        }
        drop(queue);
        if too_much {
            let error = self.closed("xenstored no longer reads what it is sent");
            self.fail(link, &error);
            return Err(error.into());
        }
        let Err(broken) = link.flush() else { return Ok(()) };
        self.write_failed(link, &broken.error);
        if first && !broken.begun {
            return Err(Failed { error: self.broken(&broken.error), unsent: true });
        }
        // What was answered before the daemon closed has been handed out; the wait will tell.
        Ok(())
    }

    /// Waits until `ready` answers; None when the deadline passed first.
    pub(super) fn wait_event(&self, queue: &Arc<Queue>, deadline: Deadline) -> Result<bool> {
        let link = self.link(deadline)?;
        let wake = Arc::new(Condvar::new());
        let done = self.wait(&wake, deadline, |state| {
            if !queue.is_empty() {
                Some(true)
            } else if state.is_current(&link) {
                None
            } else {
                Some(false)
            }
        });
        done.ok_or_else(|| self.late())
    }

    fn wait<T>(
        &self,
        wake: &Arc<Condvar>,
        deadline: Deadline,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(value) = ready(&mut state) {
                state.hand_over();
                return Some(value);
            }
            if deadline.is_over() {
                state.hand_over();
                return None;
            }
            if state.led {
                state.followers.push(wake.clone());
                wake.wait_until(&mut state, deadline.instant());
                state.followers.retain(|follower| !Arc::ptr_eq(follower, wake));
                continue;
            }
            // Without a connection every call has failed already, so this is nobody's case.
            let link = state.link.clone()?;
            state.led = true;
            drop(state);
            let leading = Leading(&self.state);
            self.turn(&link, deadline);
            drop(leading);
            state = self.state.lock();
        }
    }

    /// The leader's work: one wait, and what is there then.
    fn turn(&self, link: &Arc<Link>, deadline: Deadline) {
        let congested = link.congested.load(Ordering::Acquire);
        let events = libc::POLLIN | if congested { libc::POLLOUT } else { 0 };
        let mut entries = [
            libc::pollfd { fd: link.stream.raw_fd(), events, revents: 0 },
            libc::pollfd { fd: link.alarm.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        ];
        if let Err(error) = poll(&mut entries, deadline) {
            self.fail(link, &self.broken(&error));
            return;
        }
        let [stream, alarm] = entries;
        if alarm.revents != 0 {
            link.silence();
        }
        let over = stream.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        if stream.revents & !libc::POLLOUT != 0 && !self.receive(link, true) && over {
            // Nothing to read, and never will be.
            self.fail(link, &self.closed("xenstored closed the connection"));
        }
        if stream.revents & libc::POLLOUT != 0
            && let Err(broken) = link.flush()
        {
            self.write_failed(link, &broken.error);
        }
    }

    /// Reads everything that is there now, without waiting: one read more than there is to read. What is there at once fits into
    /// the socket's buffer; a daemon that goes on sending, because a guest floods it, does not keep the caller here.
    pub(super) fn drain(&self, link: &Arc<Link>) {
        for _ in 0..MAX_DRAIN {
            if !self.receive(link, false) {
                break;
            }
        }
    }

    /// One read, and what it brings. False when nothing was there, or the connection is over.
    fn receive(&self, link: &Arc<Link>, leading: bool) -> bool {
        let mut reader = link.reader.lock();
        let Reader { decoder, buffer } = &mut *reader;
        self.reads.fetch_add(1, Ordering::Relaxed);
        let count = match link.stream.read_now(buffer) {
            Ok(0) => {
                self.fail(link, &self.closed("xenstored closed the connection"));
                return false;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                self.fail(link, &self.broken(&error));
                return false;
            }
        };
        decoder.push(buffer.get(..count).unwrap_or_default());
        let mut after = Aftermath::default();
        let fault = self.dispatch(link, decoder, leading, &mut after);
        drop(reader);
        if let Err(broken) = link.answered(after.replies) {
            self.fail(link, &self.broken(&broken.error));
            return false;
        }
        for note in &after.notes {
            self.log.say(Level::Warning, format_args!("xenstore: {note}"));
        }
        if let Err(what) = fault {
            let message = format!("what {} answered cannot be understood: {what}", self.describe());
            self.fail(link, &Error::new(Status::Protocol, message).on(Road::Xenstore));
            return false;
        }
        if !after.post.is_empty() {
            // Nobody waits for these, and a connection that breaks over them is found out by its next user.
            let _ = self.exchange(link, &after.post, Deadline::after(std::time::Duration::ZERO));
        }
        true
    }

    /// Hands each frame to whom it belongs. The error says what is wrong with one.
    fn dispatch(
        &self,
        link: &Arc<Link>,
        decoder: &mut Decoder,
        leading: bool,
        after: &mut Aftermath,
    ) -> Result<(), String> {
        let mut state = self.state.lock();
        if !state.is_current(link) {
            return Ok(());
        }
        let mut completed = false;
        while let Some(frame) = decoder.next_frame().map_err(|fault| fault.to_string())? {
            state.arrivals += 1;
            if frame.known_kind() == Some(Kind::WatchEvent) {
                state.event(&frame, after)?;
                completed = true;
            } else {
                after.replies += 1;
                completed |= state.reply(frame, after)?;
            }
        }
        // Whoever read this need not lead: then the leader is woken, perhaps it has all it waits for.
        if completed && state.led && !leading {
            link.ring();
        }
        Ok(())
    }

    fn write_failed(&self, link: &Arc<Link>, error: &io::Error) {
        // The daemon may have answered before it closed.
        self.drain(link);
        self.fail(link, &self.broken(error));
    }

    /// The connection is over: everyone who waits on it is told why.
    fn fail(&self, link: &Arc<Link>, error: &Error) {
        let mut state = self.state.lock();
        if !state.is_current(link) {
            return;
        }
        state.link = None;
        state.owed.clear();
        for call in state.calls.values_mut() {
            call.failure = Some(error.clone());
            call.wake.notify_one();
        }
        state.followers.iter().for_each(|follower| {
            follower.notify_one();
        });
        link.ring();
        drop(state);
        self.log.say(Level::Warning, format_args!("{error}"));
    }

    pub(super) fn add_watch(&self, path: &str, key: u64, subscriber: &Arc<Queue>) -> WatchId {
        let mut state = self.state.lock();
        state.next_watch += 1;
        let id = WatchId(state.next_watch);
        let registered =
            Registered { path: path.to_owned(), key, subscriber: Arc::downgrade(subscriber), asked: false };
        state.watches.insert(id, registered);
        id
    }

    /// The next connection asks for these watches, although this one could not.
    pub(super) fn keep_watches(&self, requests: &[Outgoing]) {
        let mut state = self.state.lock();
        for id in requests.iter().filter_map(|request| request.watch) {
            if let Some(watch) = state.watches.get_mut(&id) {
                watch.asked = true;
            }
        }
    }

    /// Forgets a watch; answers the request that ends it in the daemon, unless it is unknown here.
    pub(super) fn remove_watch(&self, id: WatchId) -> Option<Outgoing> {
        let registered = self.state.lock().watches.remove(&id)?;
        Some(registered.end(id))
    }

    /// The request that makes a registered watch.
    pub(super) fn watch_request(&self, id: WatchId) -> Option<Outgoing> {
        self.state.lock().watches.get(&id).map(|registered| registered.request(id))
    }

    fn late(&self) -> Error {
        let message = format!(
            "xenstored ({}) did not answer in time: see whether the daemon hangs, or allow more time",
            self.describe()
        );
        Error::new(Status::Timeout, message).on(Road::Xenstore)
    }

    fn closed(&self, what: &str) -> Error {
        let message = format!("{what} ({}): the next call connects anew", self.describe());
        Error::new(Status::Closed, message).on(Road::Xenstore)
    }

    fn broken(&self, error: &io::Error) -> Error {
        let broken = self.closed(&format!("the connection to xenstored broke: {error}"));
        Error { errno: error.raw_os_error(), ..broken }
    }

    fn cannot_connect(&self, error: &io::Error) -> Error {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => " (xenstored admits root only)",
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => " (is xenstored running?)",
            _ => "",
        };
        Error::from_io(
            Road::Xenstore,
            format_args!("cannot connect to xenstored at {}{hint}", self.describe()),
            error,
        )
    }
}

impl State {
    fn is_current(&self, link: &Arc<Link>) -> bool {
        self.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link))
    }

    /// Gives each request an id and a place in `call`, and makes the bytes to send.
    fn register(&mut self, requests: &[Outgoing], call: Option<u64>, is_socket: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut place = 0;
        for request in requests {
            let id = self.fresh_id();
            let quiet = request.quiet || call.is_none();
            let slot = call.filter(|_| !quiet).map(|call| (call, place));
            place += usize::from(!quiet);
            if let Some(watch) = request.watch.and_then(|watch| self.watches.get_mut(&watch)) {
                watch.asked = true;
            }
            self.owed.insert(id, Owed { kind: request.kind, place: slot, watch: request.watch });
            if !is_socket && matches!(request.kind, Kind::Watch | Kind::Unwatch) {
                self.watch_order.push_back(id);
            }
            let frame = Frame {
                kind: request.kind.number(),
                req_id: id,
                tx_id: request.tx_id,
                payload: request.payload.clone(),
            };
            frame.encode(&mut bytes);
        }
        bytes
    }

    fn fresh_id(&mut self) -> u32 {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            if self.next_id != 0 && !self.owed.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }

    /// Leadership is free: somebody who waits takes it.
    fn hand_over(&self) {
        if !self.led
            && let Some(follower) = self.followers.first()
        {
            follower.notify_one();
        }
    }

    fn event(&mut self, frame: &Frame, after: &mut Aftermath) -> Result<(), String> {
        let (path, token) =
            parse_event(&frame.payload).map_err(|_| "a watch event without path and token".to_owned())?;
        // A token that is not ours, or a watch that has ended since.
        let Some(id) = WatchId::from_token(token) else { return Ok(()) };
        let Some(registered) = self.watches.get(&id) else { return Ok(()) };
        match registered.subscriber.upgrade() {
            Some(queue) => {
                queue.push(Event {
                    watch: id,
                    key: registered.key,
                    path: path.to_owned(),
                    several: false,
                    lost: false,
                    arrival: self.arrivals,
                });
                // Some of them may wait for this very event.
                self.followers.iter().for_each(|follower| {
                    follower.notify_one();
                });
            }
            None => after.post.extend(self.watches.remove(&id).map(|gone| gone.end(id))),
        }
        Ok(())
    }

    /// Files a reply; true when it completed a call.
    fn reply(&mut self, frame: Frame, after: &mut Aftermath) -> Result<bool, String> {
        let id = match self.watch_order.front() {
            Some(_) if frame.req_id == 0 => self.oldest_watch(&frame),
            _ => frame.req_id,
        };
        let Some(owed) = self.owed.remove(&id) else {
            return Err(format!("a reply to a request that was not made (id {})", frame.req_id));
        };
        let outcome = match frame.known_kind() {
            Some(Kind::Error) => Err(errno_from_name(&frame.payload)),
            Some(kind) if kind == owed.kind => Ok(frame.payload),
            _ => {
                return Err(format!(
                    "a reply of type {} to a request of type {}",
                    frame.kind,
                    owed.kind.name()
                ));
            }
        };
        if let (Some(watch), Err(errno)) = (owed.watch, &outcome) {
            // EEXIST: it was asked for a second time while reconnecting, and is there.
            if *errno != libc::EEXIST {
                self.lose(watch, *errno, after);
            }
        }
        match owed.place.and_then(|(call, place)| Some((self.calls.get_mut(&call)?, place))) {
            Some((call, place)) => {
                if let Some(slot) = call.replies.get_mut(place) {
                    *slot = Some(Reply { outcome, arrival: self.arrivals });
                }
                call.missing = call.missing.saturating_sub(1);
                if call.missing == 0 {
                    call.wake.notify_one();
                }
                Ok(call.missing == 0)
            }
            None => {
                // Given up by its caller. A transaction that nobody will end is ended here.
                if let (Kind::TransactionStart, Ok(payload)) = (owed.kind, &outcome)
                    && let Ok(tx_id) = parse_number(payload)
                {
                    after.post.push(Outgoing::quiet(tx_id, &Request::TransactionEnd { commit: false }));
                }
                Ok(false)
            }
        }
    }

    /// Whom a reply without an id answers.
    fn oldest_watch(&mut self, frame: &Frame) -> u32 {
        let kind = frame.known_kind();
        while let Some(id) = self.watch_order.pop_front() {
            if let Some(owed) = self.owed.get(&id)
                && (kind == Some(owed.kind) || kind == Some(Kind::Error))
            {
                return id;
            }
        }
        0
    }

    fn lose(&mut self, id: WatchId, errno: i32, after: &mut Aftermath) {
        let Some(lost) = self.watches.remove(&id) else { return };
        after.notes.push(format!("the watch on {} was refused: {}", lost.path, errno_name(errno)));
        if let Some(queue) = lost.subscriber.upgrade() {
            queue.push(Event {
                watch: id,
                key: lost.key,
                path: lost.path,
                several: false,
                lost: true,
                arrival: self.arrivals,
            });
        }
    }
}

impl Registered {
    fn request(&self, id: WatchId) -> Outgoing {
        let token = id.token();
        let request = Request::Watch { path: &self.path, token: &token, depth: None };
        Outgoing { watch: Some(id), ..Outgoing::new(0, &request) }
    }

    fn end(&self, id: WatchId) -> Outgoing {
        Outgoing::quiet(0, &Request::Unwatch { path: &self.path, token: &id.token() })
    }
}

impl Link {
    fn new(stream: Stream, is_socket: bool) -> io::Result<Self> {
        let (alarm, bell) = UnixStream::pair()?;
        alarm.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Link {
            stream,
            is_socket,
            reader: Mutex::new(Reader { decoder: Decoder::default(), buffer: vec![0; 64 << 10] }),
            queue: Mutex::default(),
            writer: Mutex::default(),
            congested: AtomicBool::new(false),
            unanswered: AtomicI64::new(0),
            alarm,
            bell,
        })
    }

    /// Wakes the leader from its poll.
    fn ring(&self) {
        // A full bell rings already.
        let _ = io::Write::write(&mut &self.bell, &[1]);
    }

    fn silence(&self) {
        let mut bytes = [0; 64];
        while io::Read::read(&mut &self.alarm, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }

    /// Whether the next frame must wait for a reply. Sequentially consistent, as is the count: of a reader that has just counted a
    /// reply and a writer that is letting go of its lock, one must see the other.
    fn must_wait(&self) -> bool {
        !self.is_socket && self.unanswered.load(Ordering::SeqCst) > 0
    }

    /// Counts replies, and writes what waited for them.
    fn answered(&self, count: usize) -> Result<(), Broken> {
        if self.is_socket || count == 0 {
            return Ok(());
        }
        self.unanswered.fetch_sub(i64::try_from(count).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.flush()
    }

    /// Writes what can be written now; the leader does the rest, or whoever is writing already.
    fn flush(&self) -> Result<(), Broken> {
        while let Some(mut outbox) = self.writer.try_lock() {
            let held_back = loop {
                if outbox.bytes.is_empty() && !outbox.refill(&mut self.queue.lock()) {
                    self.congested.store(false, Ordering::Release);
                    break false;
                }
                if outbox.frame_left == 0 && self.must_wait() {
                    break true;
                }
                let written = match outbox.chunk(self.is_socket) {
                    Some(chunk) => self.stream.write_now(chunk),
                    None => Err(io::ErrorKind::InvalidData.into()),
                };
                match written {
                    Ok(count @ 1..) => {
                        outbox.written(count);
                        if !self.is_socket && outbox.frame_left == 0 {
                            self.unanswered.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        // The leader polls for room from its next turn on.
                        self.congested.store(true, Ordering::Release);
                        self.ring();
                        return Ok(());
                    }
                    failed => {
                        let error = failed.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                        return Err(Broken { error, begun: outbox.at > 0 });
                    }
                }
            };
            drop(outbox);
            // Just before the writer was let go, somebody may have found it busy who queued a frame, or took a reply.
            let nothing_to_do = if held_back { self.must_wait() } else { self.queue.lock().is_empty() };
            if nothing_to_do {
                break;
            }
        }
        Ok(())
    }
}

impl Outbox {
    /// Takes what is queued; false when nothing is.
    fn refill(&mut self, queue: &mut Vec<u8>) -> bool {
        std::mem::swap(&mut self.bytes, queue);
        !self.bytes.is_empty()
    }

    /// What to write next.
    fn chunk(&mut self, is_socket: bool) -> Option<&[u8]> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        if is_socket {
            return Some(rest);
        }
        if self.frame_left == 0 {
            self.frame_left = Frame::length_at_head(rest)?;
        }
        rest.get(..self.frame_left)
    }

    fn written(&mut self, count: usize) {
        self.at += count;
        self.frame_left = self.frame_left.saturating_sub(count);
        if self.at >= self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
            // What a large batch needed is not kept.
            self.bytes.shrink_to(64 << 10);
        }
    }
}

/// Leadership, given back however the turn ends.
struct Leading<'a>(&'a Mutex<State>);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.lock().led = false;
    }
}
