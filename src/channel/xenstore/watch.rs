//! Where watch events go: to whoever asked for them, and never more than one entry per watch.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// A watch of this client. Not the daemon's token, but found by it; it lives on over reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub(super) u64);

impl WatchId {
    pub(super) fn token(self) -> Vec<u8> {
        format!("x{}", self.0).into_bytes()
    }

    pub(super) fn from_token(token: &[u8]) -> Option<Self> {
        std::str::from_utf8(token).ok()?.strip_prefix('x')?.parse().ok().map(WatchId)
    }
}

/// News about one watch since its subscriber last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which watch.
    pub watch: WatchId,
    /// What its owner gave it to know it by.
    pub key: u64,
    /// The node that changed; where several did, the last of them.
    pub path: String,
    /// Several events came, about `path` and perhaps others at or below the watched node.
    pub several: bool,
    /// The daemon refused to take the watch up again after a reconnect: it is gone, and no more events will come.
    pub lost: bool,
    /// When it arrived, in the count of everything that this client received: see [`super::Reply::arrival`].
    pub arrival: u64,
}

/// Receives events. Dropping it ends its watches (the daemon is told at their next event).
///
/// There is no overflow: a watch that fires again before its last event was taken makes that one `several`. So a guest that
/// writes without end costs one entry per watch.
#[derive(Debug, Default)]
pub struct Subscriber(pub(super) Arc<Queue>);

#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    /// Where each watch's entry is.
    at: HashMap<WatchId, usize>,
}

impl Subscriber {
    /// What came, in the order of each watch's first event. Allocates nothing when nothing came.
    pub fn take(&self) -> Vec<Event> {
        let mut waiting = self.0.0.lock();
        waiting.at.clear();
        std::mem::take(&mut waiting.events)
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().events.is_empty()
    }

    pub(super) fn push(&self, event: Event) {
        let mut waiting = self.0.lock();
        let Waiting { events, at } = &mut *waiting;
        match at.get(&event.watch).and_then(|at| events.get_mut(*at)) {
            Some(entry) => *entry = Event { several: true, lost: entry.lost || event.lost, ..event },
            None => {
                at.insert(event.watch, events.len());
                events.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_on_one_watch_is_one_event() {
        let subscriber = Subscriber::default();
        for arrival in 1..=100_000 {
            let event = Event {
                watch: WatchId(1),
                key: 7,
                path: format!("/a/{arrival}"),
                several: false,
                lost: false,
                arrival,
            };
            subscriber.0.push(event);
        }
        let events = subscriber.take();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].several, events[0].arrival, events[0].key), (true, 100_000, 7));
        assert!(subscriber.take().is_empty());
    }

    #[test]
    fn tokens_lead_back_to_their_watch() {
        assert_eq!(WatchId::from_token(&WatchId(12).token()), Some(WatchId(12)));
        for foreign in [b"".as_slice(), b"x", b"12", b"xy", b"\xff"] {
            assert_eq!(WatchId::from_token(foreign), None);
        }
    }
}
