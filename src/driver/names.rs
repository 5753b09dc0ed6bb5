//! The names of live domains: xenstore's `/local/domain/N/name`, kept by watches (docs/model.md, "Freshness").
//!
//! The hypervisor says which domains live; this says what they are called. At rest that costs one read of a socket with
//! nothing in it, whatever the number of domains.
//!
//! Each row remembers when it was last read and when it was last put in doubt, both in the client's count of arrivals
//! ([`Reply::arrival`](crate::channel::xenstore::Reply)). So the order of events and replies decides what is true, not the order in
//! which threads get to look at them. No lock is held across a round trip.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::channel::xenstore::{Batch, Event, Subscriber, WatchId, Xenstore};
use crate::deadline::Due;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::model::identity::{MAX_NAME, check_name};
use crate::model::{DomId, Uuid};

/// Two watches that tell of the set of domains as a whole, with keys that no domid has.
const SPECIAL: [(&str, u64); 2] = [("@introduceDomain", u64::MAX), ("@releaseDomain", u64::MAX - 1)];

/// How often one refresh starts over because the connection to xenstored was lost and made anew meanwhile.
const RECONNECTS: u32 = 3;

/// See the module's description.
pub struct NameCache {
    xs: Arc<Xenstore>,
    log: Log,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    rows: HashMap<DomId, Row, ByDomId>,
    events: Subscriber,
    special: [Option<WatchId>; SPECIAL.len()],
    /// The connection that the rows were last known to be watched on.
    generation: u64,
    /// Refreshes are numbered; those under way keep the rows that they have seen from being swept by another.
    last_visit: u64,
    visits: Vec<u64>,
}

/// Hashes a domid: there are 32,752 of them, and no stranger chooses them, so one multiplication spreads them well enough. A list looks
/// up each row twice.
#[derive(Default)]
struct DomIdHasher(u64);

type ByDomId = BuildHasherDefault<DomIdHasher>;

impl Hasher for DomIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u32(&mut self, domid: u32) {
        // 2^64 divided by the golden ratio: the table takes its index from the low bits and its tags from the high ones.
        self.0 = u64::from(domid).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((self.0 as u32).rotate_left(8) ^ u32::from(*byte));
        }
    }
}

struct Row {
    uuid: Uuid,
    name: Option<Arc<str>>,
    watch: Option<WatchId>,
    /// When the name was read, and when something last put it in doubt.
    known: u64,
    doubted: u64,
    /// The last visit that found the domain alive.
    seen: u64,
}

/// The names as of one refresh. Holds the cache's lock: build the rows and drop it.
pub struct Names<'a> {
    table: MutexGuard<'a, Table>,
}

impl Names<'_> {
    /// The name of the live domain of that number and uuid; None when it has none (yet, or none that can be shown).
    pub fn get(&self, domid: DomId, uuid: Uuid) -> Option<&Arc<str>> {
        self.table.rows.get(&domid).filter(|row| row.uuid == uuid)?.name.as_ref()
    }

    /// The live domains of that name. More than one for a moment at most: toolstacks see to it.
    pub fn find(&self, name: &str) -> impl Iterator<Item = (DomId, Uuid)> {
        let rows = self.table.rows.iter();
        rows.filter(move |(_, row)| row.name.as_deref() == Some(name)).map(|(domid, row)| (*domid, row.uuid))
    }
}

impl NameCache {
    /// An empty cache. Nothing is asked yet.
    pub fn new(xs: Arc<Xenstore>, log: Log) -> Self {
        NameCache { xs, log, table: Mutex::default() }
    }

    /// The names of the domains that live, which are `live` and no others. With `fresh`, one barrier round trip first, so
    /// that every change made before this call is seen; without, what xenstored has told so far. New and doubted
    /// names are read together, in one more round trip; at rest there is none.
    ///
    /// Errors: xenstored's. The list can be shown without names then.
    pub fn refresh(
        &self,
        live: impl IntoIterator<Item = (DomId, Uuid)> + Clone,
        fresh: bool,
        due: impl Into<Due>,
    ) -> Result<Names<'_>> {
        self.bring_up_to_date(live, true, fresh, &due.into())
    }

    /// The name of one live domain; as [`Self::refresh`], but says nothing about others.
    pub fn name(
        &self,
        domid: DomId,
        uuid: Uuid,
        fresh: bool,
        due: impl Into<Due>,
    ) -> Result<Option<Arc<str>>> {
        let names = self.bring_up_to_date([(domid, uuid)], false, fresh, &due.into())?;
        Ok(names.get(domid, uuid).cloned())
    }

    fn bring_up_to_date(
        &self,
        live: impl IntoIterator<Item = (DomId, Uuid)> + Clone,
        all: bool,
        fresh: bool,
        due: &Due,
    ) -> Result<Names<'_>> {
        self.xs.drain(due)?;
        if fresh {
            self.xs.barrier(due.deadline())?;
        }
        let visit = Visit::begin(&self.table);
        let mut reread = fresh && !self.xs.is_ordered();
        for attempt in 0.. {
            let generation = self.xs.generation();
            let mut batch = self.xs.batch();
            let questions = self.survey(&visit, live.clone(), all, reread, generation, &mut batch)?;
            let notes = if batch.is_empty() {
                Vec::new()
            } else {
                let replies = batch.send(due.deadline())?;
                let outcomes = replies.into_iter().map(|reply| (reply.arrival, reply.outcome)).collect();
                self.learn(questions, outcomes)
            };
            for note in notes {
                self.log.say(Level::Debug, format_args!("{note}"));
            }
            if self.xs.generation() == generation || attempt == RECONNECTS {
                break;
            }
            reread = false;
        }
        let names = Names { table: self.table.lock() };
        Ok(visit.end(names))
    }

    /// Takes the news, and puts into `batch` what must be watched, read, and watched no longer.
    fn survey(
        &self,
        visit: &Visit<'_>,
        live: impl IntoIterator<Item = (DomId, Uuid)>,
        all: bool,
        reread: bool,
        generation: u64,
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Question>> {
        let mut table = self.table.lock();
        let arrivals = self.xs.arrivals();
        if generation > table.generation {
            // What happened between the two connections, nobody has told.
            table.generation = generation;
            table.doubt_all(arrivals);
        }
        table.hear();
        if reread {
            table.doubt_all(arrivals);
        }
        let Table { rows, events, special, .. } = &mut *table;
        for (watch, (path, key)) in special.iter_mut().zip(SPECIAL) {
            if watch.is_none() {
                *watch = Some(batch.watch(events, path, key)?);
            }
        }
        let mut questions = Vec::new();
        let mut seen = 0;
        for (domid, uuid) in live {
            seen += 1;
            let row = rows.entry(domid).or_insert_with(|| Row::of(uuid));
            row.seen = visit.number.max(row.seen);
            if row.uuid != uuid {
                // The number's former life; the watch is on the same path.
                *row = Row { watch: row.watch, seen: row.seen, ..Row::of(uuid) };
            }
            if row.watch.is_some() && !row.is_doubtful() {
                continue;
            }
            let path = format!("/local/domain/{domid}/name");
            if row.watch.is_none() {
                row.watch = Some(batch.watch(events, &path, u64::from(domid))?);
            }
            questions.push(Question { domid, uuid, place: batch.read(&path)?, asked: arrivals });
        }
        if all && rows.len() > seen {
            table.sweep(batch);
        }
        Ok(questions)
    }

    /// Enters the answers; answers what there is to say about them.
    fn learn(
        &self,
        questions: Vec<Question>,
        outcomes: Vec<(u64, std::result::Result<Vec<u8>, i32>)>,
    ) -> Vec<String> {
        let ordered = self.xs.is_ordered();
        let mut notes = Vec::new();
        let mut table = self.table.lock();
        for question in questions {
            let Question { domid, uuid, place, asked } = question;
            let Some((arrival, outcome)) = outcomes.get(place) else { continue };
            let Some(row) = table.rows.get_mut(&domid).filter(|row| row.uuid == uuid) else { continue };
            // Where an event may arrive before a reply that was made earlier, only what had arrived when the question was
            // put is older than the answer for certain.
            let known = if ordered { *arrival } else { asked };
            if known < row.known {
                continue;
            }
            row.known = known;
            match outcome {
                Ok(value) => match readable(value) {
                    Ok(name) if row.name.as_deref() == Some(name) => {}
                    Ok(name) => row.name = Some(Arc::from(name)),
                    Err(why) => {
                        row.name = None;
                        if self.log.is_on() {
                            notes.push(format!("domain {domid} is shown without its name: {why}"));
                        }
                    }
                },
                Err(errno) => {
                    row.name = None;
                    if *errno != libc::ENOENT && self.log.is_on() {
                        notes.push(format!("domain {domid} is shown without its name: errno {errno}"));
                    }
                }
            }
        }
        notes
    }
}

/// A name that is being read.
struct Question {
    domid: DomId,
    uuid: Uuid,
    /// Its reply's place in the batch.
    place: usize,
    /// What had arrived when it was put.
    asked: u64,
}

impl Row {
    fn of(uuid: Uuid) -> Self {
        Row { uuid, name: None, watch: None, known: 0, doubted: 0, seen: 0 }
    }

    fn is_doubtful(&self) -> bool {
        self.known <= self.doubted
    }
}

impl Table {
    /// Takes in what the watches told.
    fn hear(&mut self) {
        let mut domains_moved = 0;
        for Event { watch, key, lost, arrival, .. } in self.events.take() {
            if let Some(at) = SPECIAL.iter().position(|(_, special)| *special == key) {
                domains_moved = arrival.max(domains_moved);
                if let Some(slot) = self.special.get_mut(at).filter(|_| lost) {
                    *slot = None;
                }
                continue;
            }
            let row = DomId::try_from(key).ok().and_then(|domid| self.rows.get_mut(&domid));
            if let Some(row) = row.filter(|row| row.watch == Some(watch)) {
                row.doubted = arrival.max(row.doubted);
                if lost {
                    row.watch = None;
                }
            }
        }
        if domains_moved > 0 {
            // A domain that was half made may have its name now. Its own watch tells so too; this costs little.
            for row in self.rows.values_mut().filter(|row| row.name.is_none()) {
                row.doubted = domains_moved.max(row.doubted);
            }
        }
    }

    fn doubt_all(&mut self, arrivals: u64) {
        for row in self.rows.values_mut() {
            row.doubted = arrivals.max(row.doubted);
        }
    }

    /// Drops the rows that neither this visit nor one that is still under way has seen.
    fn sweep(&mut self, batch: &mut Batch<'_>) {
        let Some(oldest) = self.visits.iter().min().copied() else { return };
        self.rows.retain(|_, row| {
            let keep = row.seen >= oldest;
            if let Some(watch) = row.watch.filter(|_| !keep) {
                batch.unwatch(watch);
            }
            keep
        });
    }
}

/// One refresh, until it ends in whatever way.
struct Visit<'a> {
    table: &'a Mutex<Table>,
    number: u64,
    ended: bool,
}

impl<'a> Visit<'a> {
    fn begin(table: &'a Mutex<Table>) -> Self {
        let mut locked = table.lock();
        locked.last_visit += 1;
        let number = locked.last_visit;
        locked.visits.push(number);
        drop(locked);
        Visit { table, number, ended: false }
    }

    /// Ends it under the lock that its result holds: nobody sweeps in between.
    fn end(mut self, mut names: Names<'a>) -> Names<'a> {
        let number = self.number;
        names.table.visits.retain(|visit| *visit != number);
        self.ended = true;
        names
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.table.lock().visits.retain(|visit| *visit != self.number);
        }
    }
}

/// The name that stands in a node, which a guest may have written. The error says why it cannot be shown.
fn readable(value: &[u8]) -> std::result::Result<&str, String> {
    if value.len() > MAX_NAME {
        return Err(format!("it has {} bytes", value.len()));
    }
    let name = std::str::from_utf8(value).map_err(|_| "it is not UTF-8".to_owned())?;
    check_name(name)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_writes_is_a_name_or_nothing() {
        for bad in [&b"x".repeat(4096)[..], b"", b"\xff\xfe", b"a\0b", b"../x", b"new\nline"] {
            assert!(readable(bad).is_err());
        }
        assert_eq!(readable("gr\u{f6}\u{df}e".as_bytes()).unwrap(), "gr\u{f6}\u{df}e");
    }

    #[test]
    fn a_row_is_true_while_its_reading_is_newer_than_its_last_doubt() {
        let row = Row::of(Uuid::nil());
        assert!(row.is_doubtful(), "never read");
        assert!(!Row { known: 7, doubted: 6, ..Row::of(Uuid::nil()) }.is_doubtful());
        assert!(Row { known: 7, doubted: 8, ..Row::of(Uuid::nil()) }.is_doubtful());
    }
}
