//! The nodes: values, owners and permissions, and transactions on them.
//!
//! A flat table of paths, as the C daemon has it. A transaction keeps its own copy of each node that it looked at or changed,
//! with the generation that it saw; it commits when the generations are still those.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::wire::xenstore::Permission;

/// An errno, as everywhere in xenstored.
pub(super) type Answer<T> = Result<T, i32>;

/// The most nodes that a guest may own, and the most bytes in one value of its (the C daemon's defaults).
const GUEST_NODES: usize = 1000;
const GUEST_VALUE: usize = 2048;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Vec<u8>,
    /// Never empty; the owner first.
    pub(super) perms: Vec<Permission>,
    pub(super) children: BTreeSet<Arc<str>>,
    /// Grows with each change of the value, the permissions or the set of children.
    pub(super) generation: u64,
}

/// Whose rights count: domain 0 may everything; a device model's domain has those of its target as well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    pub(super) domid: u16,
    pub(super) target: Option<u16>,
}

impl Rights {
    pub(super) fn privileged(self) -> bool {
        self.domid == 0
    }

    fn is(self, domid: u16) -> bool {
        self.domid == domid || self.target == Some(domid)
    }

    pub(super) fn may_read(self, node: &Node) -> bool {
        self.on(node).0
    }

    fn may_write(self, node: &Node) -> bool {
        self.on(node).1
    }

    fn owns(self, node: &Node) -> bool {
        self.privileged() || node.perms.first().is_some_and(|owner| self.is(owner.domid))
    }

    /// (may read, may write)
    fn on(self, node: &Node) -> (bool, bool) {
        let Some((owner, others)) = node.perms.split_first() else { return (false, false) };
        if self.privileged() || self.is(owner.domid) {
            return (true, true);
        }
        let entry = others.iter().find(|perm| self.is(perm.domid)).unwrap_or(owner);
        (entry.read, entry.write)
    }
}

/// A node that changed: whom it concerns is the watches' business.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    pub(super) path: Arc<str>,
    /// The node as it is now, or as it was before it was removed: for who may hear of it.
    pub(super) node: Arc<Node>,
    /// Removed together with a node above it: watches above have been told of that one.
    pub(super) below_removed: bool,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: HashMap<Arc<str>, Arc<Node>>,
    generation: u64,
    /// How many nodes each guest owns.
    owned: HashMap<u16, usize>,
}

#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The whole tree's generation when it began.
    began: u64,
    seen: HashMap<Arc<str>, Seen>,
    touched: Vec<Touched>,
}

#[derive(Debug)]
struct Seen {
    /// The generation in the tree at first sight; None: there was no such node.
    base: Option<u64>,
    /// The node as this transaction sees it.
    node: Option<Arc<Node>>,
    written: bool,
}

impl Tree {
    pub(super) fn new() -> Self {
        let root = Node {
            value: Vec::new(),
            perms: vec![Permission::none(0)],
            children: BTreeSet::new(),
            generation: 1,
        };
        Tree {
            nodes: HashMap::from([(Arc::from("/"), Arc::new(root))]),
            generation: 1,
            owned: HashMap::new(),
        }
    }

    pub(super) fn begin(&self) -> Transaction {
        Transaction { began: self.generation, ..Transaction::default() }
    }

    /// Makes the transaction's changes true, or says EAGAIN when what it saw is no longer so.
    pub(super) fn commit(&mut self, transaction: Transaction, by_node: bool) -> Answer<Vec<Touched>> {
        let stale = if by_node {
            let now = |path: &Arc<str>| self.nodes.get(path).map(|node| node.generation);
            transaction.seen.iter().any(|(path, seen)| now(path) != seen.base)
        } else {
            transaction.began != self.generation
        };
        if stale {
            return Err(libc::EAGAIN);
        }
        let changes = transaction.seen.into_iter().filter(|(_, seen)| seen.written);
        changes.for_each(|(path, seen)| self.replace(path, seen.node));
        Ok(transaction.touched)
    }

    /// Puts `node` (None: nothing) at `path`, keeps the owners' accounts.
    fn replace(&mut self, path: Arc<str>, node: Option<Arc<Node>>) {
        self.generation += 1;
        let generation = self.generation;
        let owner = |node: &Node| node.perms.first().map(|owner| owner.domid).filter(|domid| *domid != 0);
        let new_owner = node.as_deref().and_then(owner);
        let old = match node {
            Some(mut node) => {
                Arc::make_mut(&mut node).generation = generation;
                self.nodes.insert(path, node)
            }
            None => self.nodes.remove(&path),
        };
        let old_owner = old.as_deref().and_then(owner);
        if old_owner != new_owner {
            if let Some(count) = old_owner.and_then(|domid| self.owned.get_mut(&domid)) {
                *count = count.saturating_sub(1);
            }
            if let Some(domid) = new_owner {
                *self.owned.entry(domid).or_default() += 1;
            }
        }
    }
}

/// The tree as one request sees it: itself, or through a transaction.
pub(super) struct View<'a> {
    pub(super) tree: &'a mut Tree,
    pub(super) transaction: Option<&'a mut Transaction>,
}

impl View<'_> {
    fn get(&mut self, path: &str) -> Option<Arc<Node>> {
        match &mut self.transaction {
            None => self.tree.nodes.get(path).cloned(),
            Some(transaction) => transaction.see(self.tree, path).node.clone(),
        }
    }

    /// Changes a node that exists, in place where nobody else holds it.
    fn update(&mut self, path: &str, change: impl FnOnce(&mut Node)) {
        match &mut self.transaction {
            None => {
                self.tree.generation += 1;
                if let Some(node) = self.tree.nodes.get_mut(path).map(Arc::make_mut) {
                    node.generation = self.tree.generation;
                    change(node);
                }
            }
            Some(transaction) => {
                let seen = transaction.see(self.tree, path);
                seen.written = true;
                if let Some(node) = &mut seen.node {
                    change(Arc::make_mut(node));
                }
            }
        }
    }

    /// Makes or removes a node; its parent's list is the caller's business.
    fn put(&mut self, path: &str, node: Option<Arc<Node>>) {
        match &mut self.transaction {
            None => self.tree.replace(Arc::from(path), node),
            Some(transaction) => {
                let seen = transaction.see(self.tree, path);
                seen.written = true;
                seen.node = node;
            }
        }
    }

    /// What the watches must be told, when this request is outside a transaction; inside, the commit tells.
    fn touched(&mut self, touched: Vec<Touched>) -> Vec<Touched> {
        match &mut self.transaction {
            None => touched,
            Some(transaction) => {
                transaction.touched.extend(touched);
                Vec::new()
            }
        }
    }

    fn find(&mut self, who: Rights, path: &str, may: fn(Rights, &Node) -> bool) -> Answer<Arc<Node>> {
        match self.get(path) {
            Some(node) if may(who, &node) => Ok(node),
            Some(_) => Err(libc::EACCES),
            // Who may not look here is not told that nothing is here.
            None => match self.nearest(path) {
                Some((_, above)) if may(who, &above) => Err(libc::ENOENT),
                _ => Err(libc::EACCES),
            },
        }
    }

    /// The nearest node above `path` that exists.
    fn nearest(&mut self, path: &str) -> Option<(String, Arc<Node>)> {
        let mut at = parent(path);
        while let Some(above) = at {
            if let Some(node) = self.get(above) {
                return Some((above.to_owned(), node));
            }
            at = parent(above);
        }
        None
    }

    pub(super) fn read(&mut self, who: Rights, path: &str) -> Answer<Arc<Node>> {
        self.find(who, path, Rights::may_read)
    }

    pub(super) fn write(&mut self, who: Rights, path: &str, value: &[u8]) -> Answer<Vec<Touched>> {
        if !who.privileged() && value.len() > GUEST_VALUE {
            return Err(libc::ENOSPC);
        }
        // Dropped at once, so that the node is changed in place.
        match self.find(who, path, Rights::may_write).map(drop) {
            Ok(()) => self.update(path, |node| node.value = value.to_vec()),
            Err(libc::ENOENT) => self.create(who, path, value)?,
            Err(errno) => return Err(errno),
        }
        Ok(self.note(path))
    }

    pub(super) fn mkdir(&mut self, who: Rights, path: &str) -> Answer<Vec<Touched>> {
        match self.find(who, path, Rights::may_write) {
            Ok(_) => Ok(Vec::new()),
            Err(libc::ENOENT) => {
                self.create(who, path, b"")?;
                Ok(self.note(path))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Makes `path` and what is missing above it; the new nodes have the permissions of the one they hang on, and a guest
    /// owns what it makes.
    fn create(&mut self, who: Rights, path: &str, value: &[u8]) -> Answer<()> {
        let (mut above, node) = self.nearest(path).ok_or(libc::EINVAL)?;
        let mut perms = node.perms.clone();
        drop(node);
        if !who.privileged() {
            if let Some(owner) = perms.first_mut() {
                owner.domid = who.domid;
            }
            if self.tree.owned.get(&who.domid).is_some_and(|count| *count >= GUEST_NODES) {
                return Err(libc::ENOSPC);
            }
        }
        let missing = path.get(above.len()..).unwrap_or_default().trim_start_matches('/');
        for name in missing.split('/') {
            self.update(&above, |parent| {
                parent.children.insert(Arc::from(name));
            });
            if above != "/" {
                above.push('/');
            }
            above.push_str(name);
            let value = if above.len() == path.len() { value.to_vec() } else { Vec::new() };
            let node = Node { value, perms: perms.clone(), children: BTreeSet::new(), generation: 0 };
            self.put(&above, Some(Arc::new(node)));
        }
        Ok(())
    }

    pub(super) fn rm(&mut self, who: Rights, path: &str) -> Answer<Vec<Touched>> {
        let Some(above) = parent(path) else { return Err(libc::EINVAL) };
        match self.find(who, path, Rights::may_write) {
            Ok(_) => {}
            // Removing what is not there succeeds where it could have been.
            Err(libc::ENOENT) => return self.read(who, above).map(|_| Vec::new()),
            Err(errno) => return Err(errno),
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        self.update(above, |parent| {
            parent.children.remove(name);
        });
        let mut touched = Vec::new();
        let mut doomed = vec![path.to_owned()];
        while let Some(path) = doomed.pop() {
            let Some(node) = self.get(&path) else { continue };
            doomed.extend(node.children.iter().map(|name| format!("{path}/{name}")));
            self.put(&path, None);
            touched.push(Touched { path: Arc::from(path), node, below_removed: !touched.is_empty() });
        }
        Ok(self.touched(touched))
    }

    pub(super) fn set_perms(
        &mut self,
        who: Rights,
        path: &str,
        perms: Vec<Permission>,
    ) -> Answer<Vec<Touched>> {
        let node = self.find(who, path, Rights::may_write)?;
        let new_owner = perms.first().ok_or(libc::EINVAL)?.domid;
        if !who.owns(&node) || (!who.privileged() && !who.is(new_owner)) {
            return Err(libc::EPERM);
        }
        let mut node = Node::clone(&node);
        node.perms = perms;
        self.put(path, Some(Arc::new(node)));
        Ok(self.note(path))
    }

    fn note(&mut self, path: &str) -> Vec<Touched> {
        let Some(node) = self.get(path) else { return Vec::new() };
        self.touched(vec![Touched { path: Arc::from(path), node, below_removed: false }])
    }
}

impl Transaction {
    fn see(&mut self, tree: &Tree, path: &str) -> &mut Seen {
        self.seen.entry(Arc::from(path)).or_insert_with(|| {
            let node = tree.nodes.get(path).cloned();
            Seen { base: node.as_ref().map(|node| node.generation), node, written: false }
        })
    }
}

/// The path above; None for `/`.
fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        at => path.get(..at),
    }
}
