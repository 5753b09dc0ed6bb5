//! Who wants to hear about what: found by path, never by looking at every watch.

use std::collections::HashMap;
use std::sync::Arc;

use super::ConnId;

#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) conn: ConnId,
    pub(super) token: Arc<[u8]>,
    /// How many bytes of a path to leave out when telling this watch: it was made with a relative path.
    pub(super) strip: usize,
    /// How many levels below its path it looks; None: all of them.
    pub(super) depth: Option<u32>,
    /// How many levels its path has: 0 for the root.
    pub(super) level: u32,
}

impl Watch {
    /// Whether `path`, which is its own or below it, is near enough.
    fn reaches(&self, path: &str) -> bool {
        self.depth.is_none_or(|depth| level(path) <= self.level.saturating_add(depth))
    }
}

/// How many levels a path has: 0 for the root, 2 for `/local/domain`.
pub(super) fn level(path: &str) -> u32 {
    path.split('/').filter(|name| !name.is_empty()).count() as u32
}

#[derive(Debug, Default)]
pub(super) struct Watches(HashMap<Arc<str>, Vec<Watch>>);

impl Watches {
    /// False when the connection has this very watch already.
    pub(super) fn add(&mut self, path: &Arc<str>, watch: Watch) -> bool {
        let here = self.0.entry(path.clone()).or_default();
        if here.iter().any(|other| other.conn == watch.conn && other.token == watch.token) {
            return false;
        }
        here.push(watch);
        true
    }

    /// False when there was none.
    pub(super) fn remove(&mut self, path: &str, conn: ConnId, token: &[u8]) -> bool {
        self.retain(path, |watch| watch.conn != conn || *watch.token != *token)
    }

    /// Removes all that `conn` has on `path`.
    pub(super) fn remove_all(&mut self, path: &str, conn: ConnId) {
        self.retain(path, |watch| watch.conn != conn);
    }

    fn retain(&mut self, path: &str, keep: impl FnMut(&Watch) -> bool) -> bool {
        let Some(here) = self.0.get_mut(path) else { return false };
        let before = here.len();
        here.retain(keep);
        let removed = here.len() < before;
        if here.is_empty() {
            self.0.remove(path);
        }
        removed
    }

    /// The watches on exactly this path.
    pub(super) fn on(&self, path: &str) -> &[Watch] {
        self.0.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// The watches on this path and on every path above it.
    pub(super) fn at_and_above<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Watch> {
        let root = if path.len() > 1 && path.starts_with('/') { self.on("/") } else { &[] };
        let ends = path.char_indices().filter(|(at, c)| *c == '/' && *at > 0).map(|(at, _)| at);
        let above = ends.chain([path.len()]).filter_map(move |end| path.get(..end));
        let all = root.iter().chain(above.flat_map(|prefix| self.on(prefix)));
        all.filter(|watch| watch.reaches(path))
    }
}
