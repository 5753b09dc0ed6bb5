//! The embedded xenstored: bytes in, bytes out. It does no I/O; whoever serves it moves the bytes.
//!
//! It behaves as the C daemon does (docs/misc/xenstore.txt of Xen, and the facts it leaves open from the daemon's answers):
//! owners and permissions, watches that fire once when they are made, transactions with conflicts, quotas for guests. How old
//! it is, is [`XenstoredAge`]'s.

mod age;
mod settings;
mod tree;
mod watches;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub use age::XenstoredAge;
use settings::{Quota, Settings};
use tree::{Answer, Rights, Touched, Transaction, Tree, View};
use watches::{Watch, Watches, level};

use crate::wire::xenstore::{
    Decoder, Frame, FrameFault, Kind, MAX_PAYLOAD, Permission, Request, check_path, errno_name,
};

/// What domain 0 may have at once: a bound on memory, far above what any toolstack does.
const TRANSACTIONS: usize = 1000;
/// A connection that reads nothing is given up when this much waits for it.
const MAX_OUTPUT: usize = 64 << 20;

/// One client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

/// Why the daemon closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Hangup {
    /// The client sent what is no frame.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// The connection is closed already: its domain was released, or it let too much wait unread.
    #[error("the connection is closed")]
    Closed,
}

/// A node that a client (not the simulation itself) wrote, made, removed or gave other permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The node.
    pub path: Arc<str>,
    /// The domain whose client did it.
    pub by: u16,
}

/// See the module's description.
#[derive(Debug)]
pub struct Xenstored {
    age: XenstoredAge,
    tree: Tree,
    watches: Watches,
    conns: HashMap<ConnId, Conn>,
    next_conn: u64,
    introduced: BTreeSet<u16>,
    targets: HashMap<u16, u16>,
    settings: Settings,
    ready: Vec<ConnId>,
    changes: Option<Vec<Change>>,
}

#[derive(Debug)]
struct Conn {
    domid: u16,
    decoder: Decoder,
    out: Vec<u8>,
    /// Whether it stands in `ready`.
    ready: bool,
    transactions: HashMap<u32, Transaction>,
    next_transaction: u32,
    watched: BTreeSet<Arc<str>>,
    watch_count: usize,
}

impl Xenstored {
    /// An empty store, in which only domain 0 is known.
    pub fn new(age: XenstoredAge) -> Self {
        Xenstored {
            age,
            tree: Tree::new(),
            watches: Watches::default(),
            conns: HashMap::new(),
            next_conn: 1,
            introduced: BTreeSet::from([0]),
            targets: HashMap::new(),
            settings: Settings::default(),
            ready: Vec::new(),
            changes: None,
        }
    }

    /// A new client in domain `domid`. One of domain 0 is a socket's: it cannot use relative paths.
    pub fn connect(&mut self, domid: u16) -> ConnId {
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.insert(
            id,
            Conn {
                domid,
                decoder: Decoder::default(),
                out: Vec::new(),
                ready: false,
                transactions: HashMap::new(),
                next_transaction: 1,
                watched: BTreeSet::new(),
                watch_count: 0,
            },
        );
        id
    }

    /// The client is gone: its watches and transactions end.
    pub fn disconnect(&mut self, id: ConnId) {
        self.reset(id);
        self.conns.remove(&id);
    }

    /// Takes what the client sent. An error means that the daemon closes the connection, as a real one does for a payload of
    /// more than 4096 bytes; it is disconnected then.
    pub fn feed(&mut self, id: ConnId, bytes: &[u8]) -> Result<(), Hangup> {
        self.conns.get_mut(&id).ok_or(Hangup::Closed)?.decoder.push(bytes);
        loop {
            let conn = self.conns.get_mut(&id).ok_or(Hangup::Closed)?;
            match conn.decoder.next_frame() {
                Ok(Some(frame)) => self.serve(id, &frame),
                Ok(None) => return Ok(()),
                Err(fault) => {
                    self.disconnect(id);
                    return Err(fault.into());
                }
            }
        }
    }

    /// What the client is to be sent; empty when there is nothing.
    pub fn take_output(&mut self, id: ConnId) -> Vec<u8> {
        self.conns.get_mut(&id).map(|conn| std::mem::take(&mut conn.out)).unwrap_or_default()
    }

    /// The connections that have got output since this was last asked, each once; some may be closed by now.
    pub fn take_ready(&mut self) -> Vec<ConnId> {
        for id in &self.ready {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.ready = false;
            }
        }
        std::mem::take(&mut self.ready)
    }

    /// Whether the connection stands. It falls by [`Self::disconnect`], a fault, the release of its domain, or by 64 MiB of output
    /// that nobody took.
    pub fn is_connected(&self, id: ConnId) -> bool {
        self.conns.contains_key(&id)
    }

    /// How many transactions are open, of all clients.
    pub fn open_transactions(&self) -> usize {
        self.conns.values().map(|conn| conn.transactions.len()).sum()
    }

    /// From now on [`Self::take_changes`] tells what clients do. The caller must then take them after each feed.
    pub fn observe_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// What clients changed since the last call, in order; nothing before [`Self::observe_changes`].
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A node's value, read with the rights of `domid`. Errors of this and the following: an errno.
    pub fn read(&mut self, domid: u16, path: &str) -> Result<Vec<u8>, i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        self.view().read(who, &path).map(|node| node.value.clone())
    }

    /// Sets a value, making what is missing.
    pub fn write(&mut self, domid: u16, path: &str, value: impl AsRef<[u8]>) -> Result<(), i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        let touched = self.view().write(who, &path, value.as_ref())?;
        self.fire(touched);
        Ok(())
    }

    /// Makes an empty node.
    pub fn mkdir(&mut self, domid: u16, path: &str) -> Result<(), i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        let touched = self.view().mkdir(who, &path)?;
        self.fire(touched);
        Ok(())
    }

    /// Removes a node and all below it.
    pub fn rm(&mut self, domid: u16, path: &str) -> Result<(), i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        let touched = self.view().rm(who, &path)?;
        self.fire(touched);
        Ok(())
    }

    /// The names of a node's children.
    pub fn directory(&mut self, domid: u16, path: &str) -> Result<Vec<Arc<str>>, i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        self.view().read(who, &path).map(|node| node.children.iter().cloned().collect())
    }

    /// Sets a node's permissions, owner first.
    pub fn set_perms(&mut self, domid: u16, path: &str, perms: &[Permission]) -> Result<(), i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        let touched = self.view().set_perms(who, &path, perms.to_vec())?;
        self.fire(touched);
        Ok(())
    }

    /// A node's permissions.
    pub fn get_perms(&mut self, domid: u16, path: &str) -> Result<Vec<Permission>, i32> {
        let path = absolute(domid, path)?;
        let who = self.rights(domid);
        self.view().read(who, &path).map(|node| node.perms.clone())
    }

    /// A domain is known from now on; `@introduceDomain` fires. Introducing it again changes nothing.
    pub fn introduce(&mut self, domid: u16) {
        if self.introduced.insert(domid) {
            self.fire_special("@introduceDomain", domid);
        }
    }

    /// A domain is gone: its connections are closed, `@releaseDomain` fires. ENOENT when it was not known.
    pub fn release(&mut self, domid: u16) -> Result<(), i32> {
        if domid == 0 || !self.introduced.remove(&domid) {
            return Err(if domid == 0 { libc::EINVAL } else { libc::ENOENT });
        }
        self.targets.remove(&domid);
        self.settings.forget(domid);
        let gone: Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| conn.domid == domid).map(|(id, _)| *id).collect();
        for id in gone {
            self.disconnect(id);
        }
        self.fire_special("@releaseDomain", domid);
        Ok(())
    }

    /// Whether a domain is known.
    pub fn is_introduced(&self, domid: u16) -> bool {
        self.introduced.contains(&domid)
    }

    /// Fires a special watch: `@releaseDomain` when a domain shut down, for example. Only domain 0 hears of it; a watch that looks
    /// below is told the domain.
    pub fn fire_special(&mut self, name: &str, domid: u16) {
        let hits: Vec<Watch> = self.watches.on(name).to_vec();
        for watch in hits {
            if self.conns.get(&watch.conn).is_some_and(|conn| conn.domid == 0) {
                match watch.depth {
                    None | Some(0) => self.tell(&watch, name),
                    Some(_) => self.tell(&watch, &format!("{name}/{domid}")),
                }
            }
        }
    }

    fn view(&mut self) -> View<'_> {
        View { tree: &mut self.tree, transaction: None }
    }

    fn rights(&self, domid: u16) -> Rights {
        Rights { domid, target: self.targets.get(&domid).copied() }
    }

    fn fire(&mut self, touched: Vec<Touched>) {
        for Touched { path, node, below_removed } in touched {
            let hits: Vec<Watch> = if below_removed {
                self.watches.on(&path).to_vec()
            } else {
                self.watches.at_and_above(&path).cloned().collect()
            };
            for watch in hits {
                let Some(conn) = self.conns.get(&watch.conn) else { continue };
                if self.rights(conn.domid).may_read(&node) {
                    self.tell(&watch, &path);
                }
            }
        }
    }

    fn tell(&mut self, watch: &Watch, path: &str) {
        let path = path.get(watch.strip..).unwrap_or(path);
        let payload = [path.as_bytes(), b"\0", &watch.token, b"\0"].concat();
        self.send(watch.conn, Frame { kind: Kind::WatchEvent.number(), req_id: 0, tx_id: 0, payload });
    }

    fn send(&mut self, id: ConnId, frame: Frame) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        frame.encode(&mut conn.out);
        if !conn.ready {
            conn.ready = true;
            self.ready.push(id);
        }
        if conn.out.len() > MAX_OUTPUT {
            self.disconnect(id);
        }
    }

    /// Ends a connection's watches and transactions.
    fn reset(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.transactions.clear();
        conn.watch_count = 0;
        for path in std::mem::take(&mut conn.watched) {
            self.watches.remove_all(&path, id);
        }
    }

    fn serve(&mut self, id: ConnId, frame: &Frame) {
        let mut fired = Fired::default();
        let answer = match self.answer(id, frame, &mut fired) {
            Ok(payload) if payload.len() > MAX_PAYLOAD => Err(libc::E2BIG),
            answer => answer,
        };
        let (kind, payload) = match answer {
            Ok(payload) => (frame.kind, payload),
            Err(errno) => (Kind::Error.number(), format!("{}\0", self.name(errno)).into_bytes()),
        };
        self.send(id, Frame { kind, req_id: frame.req_id, tx_id: frame.tx_id, payload });
        // The reply goes out first, as the C daemon has it.
        if let (Some(changes), Some(conn)) = (&mut self.changes, self.conns.get(&id)) {
            let by = conn.domid;
            changes.extend(fired.touched.iter().map(|touched| Change { path: touched.path.clone(), by }));
        }
        self.fire(fired.touched);
        if let Some(watch) = fired.first {
            self.tell(&watch.0, &watch.1);
        }
        if let Some((special, domid)) = fired.special {
            self.fire_special(special, domid);
        }
    }

    /// What the daemon calls an error.
    fn name(&self, errno: i32) -> &'static str {
        errno_name(if errno == libc::E2BIG && !self.age.e2big { libc::EINVAL } else { errno })
    }

    fn answer(&mut self, id: ConnId, frame: &Frame, fired: &mut Fired) -> Answer<Vec<u8>> {
        let kind = frame.known_kind().filter(|kind| self.has(*kind)).ok_or(self.age.unknown)?;
        let request = Request::parse(kind, &frame.payload).map_err(|_| libc::EINVAL)?;
        let domid = self.conns.get(&id).map(|conn| conn.domid).ok_or(libc::EIO)?;
        let who = self.rights(domid);
        match request {
            Request::Directory(path) => {
                let node = self.in_transaction(id, frame.tx_id)?.read(who, &absolute(domid, path)?)?;
                Ok(list(&node.children))
            }
            Request::DirectoryPart { path, offset } => {
                let node = self.in_transaction(id, frame.tx_id)?.read(who, &absolute(domid, path)?)?;
                directory_part(node.generation, &list(&node.children), offset)
            }
            Request::Read(path) => {
                let node = self.in_transaction(id, frame.tx_id)?.read(who, &absolute(domid, path)?)?;
                Ok(node.value.clone())
            }
            Request::GetPerms(path) => {
                let node = self.in_transaction(id, frame.tx_id)?.read(who, &absolute(domid, path)?)?;
                Ok(node.perms.iter().flat_map(|perm| format!("{perm}\0").into_bytes()).collect())
            }
            Request::Write { path, value } => {
                let path = absolute(domid, path)?;
                fired.touched = self.in_transaction(id, frame.tx_id)?.write(who, &path, value)?;
                ok()
            }
            Request::Mkdir(path) => {
                let path = absolute(domid, path)?;
                fired.touched = self.in_transaction(id, frame.tx_id)?.mkdir(who, &path)?;
                ok()
            }
            Request::Rm(path) => {
                let path = absolute(domid, path)?;
                fired.touched = self.in_transaction(id, frame.tx_id)?.rm(who, &path)?;
                ok()
            }
            Request::SetPerms { path, perms } => {
                let path = absolute(domid, path)?;
                fired.touched = self.in_transaction(id, frame.tx_id)?.set_perms(who, &path, perms)?;
                ok()
            }
            Request::Watch { path, token, depth } if depth.is_none() || self.age.depth => {
                fired.first = Some(self.watch(id, domid, path, token, depth)?);
                ok()
            }
            Request::Unwatch { path, token } => {
                let path = watched_path(domid, path)?.0;
                if !self.watches.remove(&path, id, token) {
                    return Err(libc::ENOENT);
                }
                let conn = self.conns.get_mut(&id).ok_or(libc::EIO)?;
                conn.watch_count = conn.watch_count.saturating_sub(1);
                if !self.watches.on(&path).iter().any(|watch| watch.conn == id) {
                    conn.watched.remove(path.as_str());
                }
                ok()
            }
            Request::ResetWatches => {
                self.reset(id);
                ok()
            }
            Request::TransactionStart => self.transaction_start(id, domid, frame.tx_id),
            Request::TransactionEnd { commit } => {
                let conn = self.conns.get_mut(&id).ok_or(libc::EIO)?;
                let transaction = conn.transactions.remove(&frame.tx_id).ok_or(libc::ENOENT)?;
                if commit {
                    fired.touched = self.tree.commit(transaction, self.age.conflicts_by_node)?;
                }
                ok()
            }
            Request::GetDomainPath(of) => Ok(format!("{}\0", home(ordinary(of)?)).into_bytes()),
            Request::IsDomainIntroduced(of) => {
                let known = ordinary(of).is_ok_and(|of| self.is_introduced(of));
                Ok(if known { b"T\0" } else { b"F\0" }.to_vec())
            }
            _ if !who.privileged() => Err(libc::EACCES),
            Request::Introduce { domid: new, port, .. } => {
                let new = ordinary(new)?;
                if new == 0 || port == 0 {
                    return Err(libc::EINVAL);
                }
                fired.special = self.introduced.insert(new).then_some(("@introduceDomain", new));
                ok()
            }
            Request::Release(gone) => {
                self.release(ordinary(gone)?)?;
                ok()
            }
            Request::Resume(of) => self.known(of).and_then(|_| ok()),
            Request::SetTarget { domid, target } => {
                let (domid, target) = (self.known(domid)?, self.known(target)?);
                self.targets.insert(domid, target);
                ok()
            }
            // From now on the connection is one of that domain's.
            Request::Restrict(domid) => {
                let domid = self.known(domid)?;
                self.conns.get_mut(&id).ok_or(libc::EIO)?.domid = domid;
                ok()
            }
            Request::GetFeature(of) => {
                let offered = self.age.features();
                let of = of.map(|of| self.known(of)).transpose()?;
                let seen = of.map_or(offered, |of| self.settings.features(of, offered));
                Ok(format!("{seen}\0").into_bytes())
            }
            Request::SetFeature { domid, value } => {
                let domid = self.known(domid)?;
                self.settings.set_features(domid, value, self.age.features())?;
                ok()
            }
            Request::GetQuota { domid, quota } => {
                let domid = domid.map(|domid| self.known(domid)).transpose()?;
                self.settings.get_quota(domid, quota)
            }
            Request::SetQuota { domid, quota, value } => {
                let domid = domid.map(|domid| self.known(domid)).transpose()?;
                self.settings.set_quota(domid, quota, value)?;
                ok()
            }
            Request::Control(words) => match words.as_slice() {
                [b"check" | b"print", ..] => ok(),
                _ => Err(libc::EINVAL),
            },
            _ => Err(libc::EINVAL),
        }
    }

    /// Whether a daemon of this age has the message type.
    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Resume => self.age.resume,
            Kind::SetTarget => self.age.set_target,
            Kind::ResetWatches => self.age.reset_watches,
            Kind::DirectoryPart => self.age.directory_part,
            Kind::Restrict => self.age.restrict,
            Kind::GetFeature | Kind::SetFeature | Kind::GetQuota | Kind::SetQuota => self.age.settings,
            Kind::WatchEvent | Kind::Error => false,
            _ => true,
        }
    }

    fn known(&self, domid: u32) -> Answer<u16> {
        let domid = ordinary(domid)?;
        if self.is_introduced(domid) { Ok(domid) } else { Err(libc::ENOENT) }
    }

    fn in_transaction(&mut self, id: ConnId, tx_id: u32) -> Answer<View<'_>> {
        let transaction = match tx_id {
            0 => None,
            _ => Some(
                self.conns
                    .get_mut(&id)
                    .and_then(|conn| conn.transactions.get_mut(&tx_id))
                    .ok_or(libc::ENOENT)?,
            ),
        };
        Ok(View { tree: &mut self.tree, transaction })
    }

    fn transaction_start(&mut self, id: ConnId, domid: u16, tx_id: u32) -> Answer<Vec<u8>> {
        let most = if domid == 0 { TRANSACTIONS } else { self.settings.quota(domid, Quota::Transactions) };
        let conn = self.conns.get_mut(&id).ok_or(libc::EIO)?;
        if tx_id != 0 {
            return Err(libc::EBUSY);
        }
        if conn.transactions.len() >= most {
            return Err(libc::ENOSPC);
        }
        while conn.next_transaction == 0 || conn.transactions.contains_key(&conn.next_transaction) {
            conn.next_transaction = conn.next_transaction.wrapping_add(1);
        }
        let number = conn.next_transaction;
        conn.next_transaction = number.wrapping_add(1);
        conn.transactions.insert(number, self.tree.begin());
        Ok(format!("{number}\0").into_bytes())
    }

    /// Makes a watch; answers what fires first.
    fn watch(
        &mut self,
        id: ConnId,
        domid: u16,
        path: &str,
        token: &[u8],
        depth: Option<u32>,
    ) -> Answer<(Watch, Arc<str>)> {
        let (path, strip) = watched_path(domid, path)?;
        let most = self.settings.quota(domid, Quota::Watches);
        let conn = self.conns.get_mut(&id).ok_or(libc::EIO)?;
        if domid != 0 && conn.watch_count >= most {
            return Err(libc::E2BIG);
        }
        let path: Arc<str> = Arc::from(path);
        let watch = Watch { conn: id, token: Arc::from(token), strip, depth, level: level(&path) };
        if !self.watches.add(&path, watch.clone()) {
            return Err(libc::EEXIST);
        }
        conn.watched.insert(path.clone());
        conn.watch_count += 1;
        Ok((watch, path))
    }
}

/// What happens after the reply.
#[derive(Default)]
struct Fired {
    touched: Vec<Touched>,
    first: Option<(Watch, Arc<str>)>,
    special: Option<(&'static str, u16)>,
}

fn ok() -> Answer<Vec<u8>> {
    Ok(b"OK\0".to_vec())
}

fn list(children: &BTreeSet<Arc<str>>) -> Vec<u8> {
    let mut names = Vec::new();
    for name in children {
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    names
}

/// The piece of `names` from byte `offset` that fits into one reply, cut between names.
fn directory_part(generation: u64, names: &[u8], offset: u32) -> Answer<Vec<u8>> {
    let rest = usize::try_from(offset).ok().and_then(|at| names.get(at..)).ok_or(libc::EINVAL)?;
    let mut payload = format!("{generation}\0").into_bytes();
    let room = MAX_PAYLOAD - payload.len();
    if rest.len() < room {
        payload.extend_from_slice(rest);
        payload.push(0);
    } else {
        let fitting = rest.get(..room).unwrap_or(rest);
        let end = fitting.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
        payload.extend_from_slice(fitting.get(..end).unwrap_or_default());
    }
    Ok(payload)
}

fn ordinary(domid: u32) -> Answer<u16> {
    u16::try_from(domid).ok().filter(|domid| *domid < 0x7ff0).ok_or(libc::EINVAL)
}

fn home(domid: u16) -> String {
    format!("/local/domain/{domid}")
}

/// A node's full path: a guest's relative one starts at its home.
fn absolute(domid: u16, path: &str) -> Answer<String> {
    check_path(path).map_err(|_| libc::EINVAL)?;
    match (path.starts_with('/'), domid) {
        (true, _) => Ok(path.to_owned()),
        (false, 0) => Err(libc::EINVAL),
        (false, _) if path.starts_with('@') => Err(libc::EINVAL),
        (false, _) => Ok(format!("{}/{path}", home(domid))),
    }
}

/// What a watch is on, and how many bytes its events leave out.
fn watched_path(domid: u16, path: &str) -> Answer<(String, usize)> {
    check_path(path).map_err(|_| libc::EINVAL)?;
    if path.starts_with('/') || path.starts_with('@') {
        return Ok((path.to_owned(), 0));
    }
    absolute(domid, path).map(|path| (path, home(domid).len() + 1))
}

#[cfg(test)]
mod tests;
