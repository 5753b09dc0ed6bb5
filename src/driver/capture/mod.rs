//! Captures: what a host answers to questions that change nothing, without names, so that it can be sent to somebody who does not
//! have such a host (docs/capture.md). Each road is asked by itself, so that there is a capture where no connection can be opened.
//!
//! | file | subject |
//! | --- | --- |
//! | `places` | the roads, or why each is not there |
//! | `hypercalls` | what the hypervisor answers |
//! | `nodes` | xenstore's tree |
//! | `xend` | what xend answers |
//! | `machine` | the machine, its toolstacks, the kinds of files in /etc/xen |
//! | `file` | into a file that only its owner can read |

mod file;
mod hypercalls;
mod machine;
mod nodes;
mod places;
mod xend;

use std::path::Path;

use self::places::Places;
use super::OpenOptions;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Status};
use crate::format::capture::{Capture, Disguise, Failure, Record};
use crate::uri::{self, Target};

/// What a capture cost its host: nothing but reads are among these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureCost {
    /// Hypercalls issued.
    pub hypercalls: u64,
    /// xenstore round trips made.
    pub xenstore_round_trips: u64,
    /// Requests sent to xend.
    pub xend_requests: u64,
}

impl Capture {
    /// Takes a capture of the host that `uri` names. Roads that `options` leave out are not asked.
    ///
    /// Errors: a URI that cannot be understood, or that names another host; everything else is in the capture.
    pub fn of(uri: Option<&str>, options: &OpenOptions) -> Result<(Capture, CaptureCost)> {
        let places = match uri::parse(uri)? {
            Target::Local(local) => Places::of_local(local, options),
            Target::Sim(parameters) => Places::of_embedded(&parameters, options)?,
            Target::Remote(remote) => return Err(super::connection::not_built(&remote)),
        };
        Ok(take(places, options))
    }

    /// Writes it into a file that only its owner can read. With `replace`, a file that is there is replaced, else it stays.
    ///
    /// Errors: [`Status::Exists`] where there is one; [`Status::AccessDenied`] and [`Status::OperationFailed`] from the file system.
    pub fn write(&self, path: &Path, replace: bool) -> Result<()> {
        file::write(path, self.to_text().as_bytes(), replace)
    }

    /// How many records of each kind there are, in the order in which kinds first come: for a person who is told what was taken.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for record in &self.records {
            let kind = kind_of(record);
            match counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => counts.push((kind, 1)),
            }
        }
        counts
    }
}

fn kind_of(record: &Record) -> &'static str {
    match record {
        Record::Machine(_) => "machine",
        Record::Toolstack(_) => "toolstack",
        Record::Files(_) => "files",
        Record::Probe(_) => "probe",
        Record::Hypercall(_) => "hypercall",
        Record::Node(_) => "node",
        Record::Xend(_) => "xend",
        Record::Failure(_) => "failure",
    }
}

fn take(places: Places, options: &OpenOptions) -> (Capture, CaptureCost) {
    let Places { hypervisor, xenstore, xend, xl, store, embedded } = places;
    let mut disguise = Disguise::new();
    let (mut cost, mut failures, mut told) = (CaptureCost::default(), Vec::new(), Vec::new());
    let deadline = || Deadline::after(options.timeout);

    // First: it knows the uuids that the hypervisor's records may hold at places that no table tells.
    let mut nodes = Vec::new();
    match &xenstore {
        Ok(xenstore) => {
            nodes::walk(xenstore, deadline, &mut disguise, &mut nodes, &mut failures);
            cost.xenstore_round_trips = xenstore.round_trips();
        }
        Err(error) => failures.push(failure("xenstore", "opening", error)),
    }
    let domids = nodes::domids(&nodes);
    match hypervisor {
        Ok(mut questions) => {
            match hypercalls::ask(&mut questions, &domids, &mut disguise) {
                Ok(answered) => told.extend(answered),
                Err(error) => failures.push(failure("hypercall", "asking", &error)),
            }
            cost.hypercalls = questions.calls();
        }
        Err(error) => failures.push(failure("hypercall", "opening", &error)),
    }
    let mut xend_answers = false;
    match &xend {
        Ok(xend) => {
            let before = told.len();
            xend::ask(xend, deadline, &mut disguise, &mut told, &mut failures);
            xend_answers = told.len() > before;
            cost.xend_requests = xend.requests();
        }
        Err(error) => failures.push(failure("xend", "opening", error)),
    }
    for (road, error) in [("xl", xl.as_ref().err()), ("store", store.as_ref().err())] {
        failures.extend(error.map(|error| failure(road, "opening", error)));
    }

    let mut records = match embedded.as_ref().and_then(|host| host.replayed()) {
        // A capture stands in for that machine: what it says of files and devices is what is there.
        Some(replayed) => replayed
            .records
            .iter()
            .filter(|record| {
                matches!(
                    record,
                    Record::Machine(_) | Record::Toolstack(_) | Record::Files(_) | Record::Failure(_)
                )
            })
            .cloned()
            .collect(),
        None => {
            let mut records = vec![
                Record::Machine(machine::look(embedded.is_some())),
                Record::Toolstack(machine::toolstack(xl.as_deref().ok(), xend_answers)),
            ];
            if let Ok(store) = &store {
                match machine::files(store) {
                    Ok(files) => records.push(Record::Files(files)),
                    Err(error) => failures.push(failure("store", "reading", &error)),
                }
            }
            records.extend(failures.into_iter().map(Record::Failure));
            records
        }
    };
    records.extend(told);
    records.extend(nodes.into_iter().map(Record::Node));
    (Capture { xenith: env!("CARGO_PKG_VERSION").to_owned(), records }, cost)
}

/// What failed, without the message: that can hold paths and names.
fn failure(road: &str, doing: &str, error: &Error) -> Failure {
    Failure {
        road: road.to_owned(),
        doing: doing.to_owned(),
        status: word_of(error.status),
        errno: error.errno,
    }
}

/// `NoConnect` as `no_connect`.
fn word_of(status: Status) -> String {
    let mut word = String::new();
    for letter in format!("{status:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::hypercall::capture::Questions;
    use crate::driver::HostReport;
    use crate::format::capture::Answered;
    use crate::log::Log;
    use crate::model::Uuid;
    use crate::sim::{SimConfig, SimHost};
    use crate::wire::hypercall::number;
    use crate::wire::port::{Hypercall, Memory};

    /// A hypervisor of a release that nobody knows: that of 4.22 under other numbers, its records with a uuid at their end.
    struct Unknown(Arc<dyn Hypercall>);

    const SECRET: Uuid = Uuid::from_u128(0x9a0d_f5b2_3c4d_4e5f_8a9b_0c1d_2e3f_4a5b);

    impl Hypercall for Unknown {
        fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> std::result::Result<i64, i32> {
            let [first, ..] = args;
            if (op, first) == (number::XEN_VERSION, 0) {
                return Ok(5 << 16 | 7);
            }
            if op == number::XEN_VERSION {
                return self.0.call(op, args, memory);
            }
            let (ours, theirs) = if op == number::DOMCTL { (0x21, 0x18) } else { (0x1f, 0x16) };
            let mut version = |from: u32, to: u32| {
                let place = memory.slice(first + 4, 4).unwrap();
                let is_it = *place == from.to_le_bytes();
                if is_it {
                    place.copy_from_slice(&to.to_le_bytes());
                }
                is_it
            };
            if !version(ours, theirs) {
                return Err(libc::EACCES);
            }
            let answer = self.0.call(op, args, memory);
            let mut swap_back = |at| memory.slice(at, 4).unwrap().copy_from_slice(&u32::to_le_bytes(ours));
            swap_back(first + 4);
            // A list of one domain's record.
            if memory.slice(first, 4).unwrap() == [6, 0, 0, 0] && op == number::SYSCTL {
                let buffer = u64::from_le_bytes(memory.slice(first + 16, 8).unwrap().try_into().unwrap());
                memory.slice(buffer + 200, 16).unwrap().copy_from_slice(SECRET.as_bytes());
            }
            answer
        }
    }

    fn nothing<T>() -> Result<T> {
        Err(Error::new(Status::NotSupported, "left out"))
    }

    #[test]
    fn a_hypervisor_of_no_known_generation_is_captured_and_stands_in_for_itself() {
        let host =
            SimHost::start(SimConfig::from_query([("xen", "4.22"), ("domains", "2")]).unwrap()).unwrap();
        let places = Places {
            hypervisor: Questions::over(Arc::new(Unknown(host.hypercall_port())), &Log::default()),
            xenstore: nothing(),
            xend: nothing(),
            xl: nothing(),
            store: nothing(),
            embedded: None,
        };
        let (capture, _) = take(places, &OpenOptions::default());
        let call = |op: &str| -> &Answered {
            capture
                .records
                .iter()
                .find_map(|record| match record {
                    Record::Hypercall(answered) if answered.op == op => Some(answered),
                    _ => None,
                })
                .unwrap()
        };
        let list = call("sysctl.getdomaininfolist");
        assert_eq!(list.record_bytes, None);
        let text = capture.to_text();
        assert!(!text.contains(&SECRET.simple().to_string()), "{text}");
        // No part of it is left either.
        let hex = SECRET.simple().to_string();
        assert!((0..16).all(|at| !text.contains(&hex[at..at + 16])), "{text}");
        assert!(text.contains("00000000000040008000"), "a uuid's replacement: {text}");
        assert_eq!(call("sysctl.physinfo").errno, 0);

        let path = std::env::temp_dir().join(format!("xenith-capture-unknown-{}.jsonl", std::process::id()));
        capture.write(&path, true).unwrap();
        let uri = format!("xen+sim:///?capture={}", path.display());
        let (again, _) = Capture::of(Some(&uri), &OpenOptions::default()).unwrap();
        let report = HostReport::of(Some(&uri), &OpenOptions::default()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let calls = |capture: &Capture| -> Vec<Record> {
            capture.records.iter().filter(|record| matches!(record, Record::Hypercall(_))).cloned().collect()
        };
        assert_eq!(calls(&again), calls(&capture));
        let failure = report.failure.unwrap();
        assert!(failure.message.contains("5.7"), "{failure}");
    }

    #[test]
    fn a_failure_says_what_kind_it_is_and_no_names() {
        let error = Error::new(Status::NoConnect, "cannot open /home/alice/privcmd").with_errno(2);
        let failure = failure("hypercall", "opening", &error);
        assert_eq!((failure.status.as_str(), failure.errno), ("no_connect", Some(2)));
        assert!(!format!("{failure:?}").contains("alice"));
        assert_eq!(word_of(Status::Timeout), "timeout");
    }
}
