//! xenstored, the near end: one connection that any number of threads use at once.
//!
//! | file | what it is |
//! | --- | --- |
//! | `dial` | where the daemon is on this host |
//! | `mux` | one connection, many callers: replies to whom they belong, events to their subscribers, reconnecting |
//! | `nodes` | reading, writing, listing, transactions |
//! | `watch` | what became of a watch since its subscriber last looked |
//!
//! A connection that breaks fails the calls that wait on it with [`Status::Closed`]; the next call connects anew, asks for
//! all watches again (each fires once by that) and counts [`Xenstore::generation`] up.

mod dial;
mod mux;
mod nodes;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use dial::locate;
pub use mux::Reply;
use mux::{Link, Mux, Outgoing};
pub use nodes::Nodes;
use nodes::{check, refused, rubbish};
pub use watch::{Event, Subscriber, WatchId};

use crate::deadline::{Deadline, Due};
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::model::DomId;
use crate::wire::port::Dial;
use crate::wire::xenstore::{Kind, Permission, Request, parse_boolean, parse_text};

/// A connection to xenstored; made when it is first needed. See the module's description.
pub struct Xenstore {
    mux: Mux,
}

impl Xenstore {
    /// xenstored at `path`, or wherever it is on this host: see [`locate`]. Nothing is connected yet.
    pub fn open(path: Option<&Path>, log: Log) -> Result<Self> {
        Ok(Self::over(locate(path)?, log))
    }

    /// xenstored as `dial` reaches it.
    pub fn over(dial: Arc<dyn Dial>, log: Log) -> Self {
        Xenstore { mux: Mux::new(dial, log) }
    }

    /// What is dialled, for messages.
    pub fn describe(&self) -> String {
        self.mux.describe()
    }

    /// Connects when there is no connection.
    pub fn connect(&self, deadline: Deadline) -> Result<()> {
        self.mux.link(deadline).map(drop)
    }

    /// How many connections were made. When it has changed, whatever was concluded from watches must be asked again.
    pub fn generation(&self) -> u64 {
        self.mux.generation()
    }

    /// How often a caller waited for the daemon: a batch counts once.
    pub fn round_trips(&self) -> u64 {
        self.mux.round_trips.load(Ordering::Relaxed)
    }

    /// How many reads of the descriptor were made.
    pub fn reads(&self) -> u64 {
        self.mux.reads.load(Ordering::Relaxed)
    }

    /// The number of replies and events that have arrived.
    pub fn arrivals(&self) -> u64 {
        self.mux.arrivals()
    }

    /// Whether replies and events arrive in the order in which the daemon made them. A socket keeps it; the kernel's device
    /// delivers events from a thread of its own, and so may let a reply overtake one.
    pub fn is_ordered(&self) -> bool {
        self.mux.is_ordered()
    }

    /// The nodes, for calls that share a deadline.
    pub fn nodes(&self, deadline: Deadline) -> Nodes<'_> {
        Nodes::new(self, deadline)
    }

    /// See [`Nodes::read`].
    pub fn read(&self, path: &str, deadline: Deadline) -> Result<Vec<u8>> {
        self.nodes(deadline).read(path)
    }

    /// See [`Nodes::write`].
    pub fn write(&self, path: &str, value: impl AsRef<[u8]>, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).write(path, value)
    }

    /// See [`Nodes::directory`].
    pub fn directory(&self, path: &str, deadline: Deadline) -> Result<Vec<String>> {
        self.nodes(deadline).directory(path)
    }

    /// See [`Nodes::mkdir`].
    pub fn mkdir(&self, path: &str, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).mkdir(path)
    }

    /// See [`Nodes::rm`].
    pub fn rm(&self, path: &str, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).rm(path)
    }

    /// See [`Nodes::get_perms`].
    pub fn get_perms(&self, path: &str, deadline: Deadline) -> Result<Vec<Permission>> {
        self.nodes(deadline).get_perms(path)
    }

    /// See [`Nodes::set_perms`].
    pub fn set_perms(&self, path: &str, perms: &[Permission], deadline: Deadline) -> Result<()> {
        self.nodes(deadline).set_perms(path, perms)
    }

    /// Runs `body` in a transaction: all of it becomes true at once, or nothing. When others changed the same nodes meanwhile, it is
    /// run again, so it must not do anything besides; an error of `body` aborts and is returned.
    ///
    /// Errors: those of `body`; [`Status::OperationFailed`] or [`Status::Timeout`] with errno EAGAIN when the nodes never held still.
    pub fn transaction<T>(&self, deadline: Deadline, body: impl FnMut(&Nodes<'_>) -> Result<T>) -> Result<T> {
        nodes::transaction(self, deadline, body)
    }

    /// Where a domain's nodes are: `/local/domain/5`.
    pub fn domain_path(&self, domid: DomId, deadline: Deadline) -> Result<String> {
        let request = Request::GetDomainPath(domid);
        let reply = self.nodes(deadline).ask(&request)?;
        parse_text(&reply).map(str::to_owned).map_err(|fault| rubbish(&request, fault))
    }

    /// Tells the daemon of a new domain: its ring's frame and the event channel's port.
    pub fn introduce(&self, domid: DomId, gfn: i64, port: u32, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).ask(&Request::Introduce { domid, gfn, port }).map(drop)
    }

    /// Tells the daemon that a domain is gone.
    pub fn release(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).ask(&Request::Release(domid)).map(drop)
    }

    /// Whether the daemon knows a domain.
    pub fn is_domain_introduced(&self, domid: DomId, deadline: Deadline) -> Result<bool> {
        let request = Request::IsDomainIntroduced(domid);
        let reply = self.nodes(deadline).ask(&request)?;
        parse_boolean(&reply).map_err(|fault| rubbish(&request, fault))
    }

    /// Tells the daemon that a suspended domain runs again.
    pub fn resume(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        self.nodes(deadline).ask(&Request::Resume(domid)).map(drop)
    }

    /// Asks for events about `path` and what is below it, under a `key` of one's own. It fires once at once. The watch is kept over
    /// reconnects, until [`Self::unwatch`] or until the subscriber is dropped.
    pub fn watch(
        &self,
        subscriber: &Subscriber,
        path: &str,
        key: u64,
        deadline: Deadline,
    ) -> Result<WatchId> {
        let mut batch = self.batch();
        let id = batch.watch(subscriber, path, key)?;
        let refusal = batch.send(deadline).map(|replies| {
            replies.into_iter().find_map(|reply| reply.outcome.err()).filter(|errno| *errno != libc::EEXIST)
        });
        match refusal {
            Ok(None) => Ok(id),
            Ok(Some(errno)) => Err(refused(&Request::Watch { path, token: &id.token(), depth: None }, errno)),
            Err(error) => {
                self.mux.remove_watch(id);
                Err(error)
            }
        }
    }

    /// Ends a watch. Events of it that the subscriber has not taken yet stay there.
    pub fn unwatch(&self, id: WatchId, deadline: Deadline) -> Result<()> {
        match self.mux.remove_watch(id) {
            // ENOENT: it did not survive a reconnect.
            Some(request) => self.send(&[Outgoing { quiet: false, ..request }], deadline).map(drop),
            None => Ok(()),
        }
    }

    /// Waits until `subscriber` has news, and takes them. After a reconnect every watch has fired again.
    pub fn wait_event(&self, subscriber: &Subscriber, deadline: Deadline) -> Result<Vec<Event>> {
        loop {
            if self.mux.wait_event(&subscriber.0, deadline)? {
                let events = subscriber.take();
                if !events.is_empty() {
                    return Ok(events);
                }
            }
        }
    }

    /// A number of requests that are sent together: one round trip.
    pub fn batch(&self) -> Batch<'_> {
        Batch { xs: self, requests: Vec::new(), replies: 0 }
    }

    /// Reads what the daemon has sent so far, without waiting: one read call when it has sent nothing. When the connection
    /// turns out to be closed, or there is none, a new one is made. Answers the generation.
    pub fn drain(&self, due: &Due) -> Result<u64> {
        let link = || self.mux.standing().map_or_else(|| self.mux.link(due.deadline()), Ok);
        self.mux.drain(&link()?);
        link()?;
        Ok(self.generation())
    }

    /// One round trip that changes nothing. Where the connection [`Self::is_ordered`], all events of what was done before this
    /// call have arrived when it returns.
    pub fn barrier(&self, deadline: Deadline) -> Result<()> {
        self.domain_path(0, deadline).map(drop)
    }

    fn send(&self, requests: &[Outgoing], deadline: Deadline) -> Result<Vec<Reply>> {
        self.send_on(requests, deadline).map(|(_, replies)| replies)
    }

    /// Sends, and says on which connection. One that turns out to be closed before anything was written is replaced, once.
    fn send_on(&self, requests: &[Outgoing], deadline: Deadline) -> Result<(Arc<Link>, Vec<Reply>)> {
        let is_watch = |request: &Outgoing| matches!(request.kind, Kind::Watch | Kind::Unwatch);
        if !self.is_ordered() && requests.iter().any(is_watch) {
            // The kernel's device makes a watch while it is being written, for as long as that takes: a daemon that does not
            // answer is found out by a request that can be given up.
            self.barrier(deadline)?;
        }
        let mut second = false;
        loop {
            let link = self.mux.link(deadline)?;
            match self.mux.exchange(&link, requests, deadline) {
                Ok(replies) => return Ok((link, replies)),
                Err(failed) if failed.unsent && !second => second = true,
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

/// Requests that are sent together. Each answers the place of its reply.
pub struct Batch<'a> {
    xs: &'a Xenstore,
    requests: Vec<Outgoing>,
    replies: usize,
}

impl Batch<'_> {
    /// Reads a node.
    pub fn read(&mut self, path: &str) -> Result<usize> {
        self.push(&Request::Read(path))
    }

    /// Writes a node.
    pub fn write(&mut self, path: &str, value: &[u8]) -> Result<usize> {
        self.push(&Request::Write { path, value })
    }

    /// Any request outside transactions, but for watches.
    pub fn push(&mut self, request: &Request<'_>) -> Result<usize> {
        if matches!(request, Request::Watch { .. } | Request::Unwatch { .. }) {
            let message = "a batch takes watches by their own calls";
            return Err(Error::new(Status::Internal, message).on(Road::Xenstore));
        }
        check(request)?;
        self.requests.push(Outgoing::new(0, request));
        self.replies += 1;
        Ok(self.replies - 1)
    }

    /// Makes a watch, as [`Xenstore::watch`] does. Once the batch is sent, well or not, it is kept over reconnects;
    /// it is gone when its reply is an error (but for EEXIST, which says that a reconnect has made it already). Its reply has
    /// its place among the others.
    pub fn watch(&mut self, subscriber: &Subscriber, path: &str, key: u64) -> Result<WatchId> {
        check(&Request::Watch { path, token: b"x18446744073709551615", depth: None })?;
        let id = self.xs.mux.add_watch(path, key, &subscriber.0);
        self.requests.extend(self.xs.mux.watch_request(id));
        self.replies += 1;
        Ok(id)
    }

    /// Ends a watch. Nobody waits for the answer, and it has no place among the replies.
    pub fn unwatch(&mut self, id: WatchId) {
        self.requests.extend(self.xs.mux.remove_watch(id));
    }

    /// How many replies there will be.
    pub fn len(&self) -> usize {
        self.replies
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Sends all of it and waits for the replies: one round trip, none when nobody waits for a reply.
    pub fn send(self, deadline: Deadline) -> Result<Vec<Reply>> {
        if self.requests.is_empty() {
            return Ok(Vec::new());
        }
        self.xs.send(&self.requests, deadline).inspect_err(|_| self.xs.mux.keep_watches(&self.requests))
    }
}
