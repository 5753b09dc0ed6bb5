//! xenstore's tree: every path, and of values what may be said.

use std::collections::VecDeque;

use super::failure;
use crate::channel::xenstore::Xenstore;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::format::capture::{Disguise, Failure, Node, Value, disguised_path, disguised_value};

/// The most nodes that are told, and how deep the tree is followed. Guests write below their own nodes.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 24;

/// Tells every node, sorted by what is told of its path. Two round trips for each node that has children, one for each other.
pub(super) fn walk(
    xenstore: &Xenstore,
    deadline: impl Fn() -> Deadline,
    disguise: &mut Disguise,
    nodes: &mut Vec<Node>,
    failures: &mut Vec<Failure>,
) {
    let mut folders = VecDeque::from([(String::new(), 0_usize)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let path = if folder.is_empty() { "/" } else { &folder };
        let children = match xenstore.directory(path, deadline()) {
            Ok(children) => children,
            // Gone since it was seen.
            Err(error) if error.errno == Some(libc::ENOENT) => continue,
            Err(error) if error.errno.is_some() && depth > 0 => {
                failures.push(failure("xenstore", "listing a node's children", &error));
                continue;
            }
            Err(error) => return failures.push(failure("xenstore", "listing", &error)),
        };
        if let Err(error) = read_all(xenstore, &folder, children, &deadline, |path, value| {
            nodes.push(Node { path: disguised_path(path, disguise), value: told(path, value, disguise) });
            if depth < MAX_DEPTH {
                folders.push_back((path.to_owned(), depth + 1));
            }
        }) {
            return failures.push(failure("xenstore", "reading", &error));
        }
        if nodes.len() > MAX_NODES {
            nodes.truncate(MAX_NODES);
            let error = Error::new(crate::error::Status::OperationFailed, "more nodes than a capture holds");
            failures.push(failure("xenstore", "reading all: it has more nodes than a capture holds", &error));
            break;
        }
    }
    nodes.sort_by(|one, other| one.path.cmp(&other.path));
}

/// Reads a node's children, as many as fit one batch at a time.
fn read_all(
    xenstore: &Xenstore,
    folder: &str,
    mut children: Vec<String>,
    deadline: &impl Fn() -> Deadline,
    mut found: impl FnMut(&str, Result<Vec<u8>, i32>),
) -> Result<(), Error> {
    // How many fit is bounded by what waits for its turn in the daemon.
    const BATCH: usize = 200;
    children.sort();
    for children in children.chunks(BATCH) {
        let mut batch = xenstore.batch();
        let mut paths = Vec::with_capacity(children.len());
        for child in children {
            let path = format!("{folder}/{child}");
            // A daemon that names a child which it would not take itself is passed over.
            if batch.read(&path).is_ok() {
                paths.push(path);
            }
        }
        for (path, reply) in paths.iter().zip(batch.send(deadline())?) {
            found(path, reply.outcome);
        }
    }
    Ok(())
}

fn told(path: &str, value: Result<Vec<u8>, i32>, disguise: &mut Disguise) -> Value {
    match value {
        Ok(value) => disguised_value(path, &value, disguise),
        Err(errno) => Value::Unread(errno),
    }
}

/// The domains that the tree has.
pub(super) fn domids(nodes: &[Node]) -> Vec<u16> {
    let numbers = nodes.iter().filter_map(|node| node.path.strip_prefix("/local/domain/")?.parse().ok());
    let mut numbers: Vec<u16> = numbers.collect();
    numbers.sort_unstable();
    numbers
}
