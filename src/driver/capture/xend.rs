//! What xend answers: its host, and its domains with all names replaced.

use super::failure;
use crate::channel::xend::Xend;
use crate::deadline::Deadline;
use crate::error::Status;
use crate::format::capture::{Disguise, Failure, Record, XendAnswer, disguised_tree};
use crate::wire::sexpr::Sexpr;

/// Domains that are asked for one by one.
const MAX_DOMAINS: usize = 256;

/// The states that xend lists domains by.
const STATES: [&str; 5] = ["all", "halted", "paused", "running", "suspended"];

/// Asks for the host, the names in each state, all running domains, and each domain.
pub(super) fn ask(
    xend: &Xend,
    deadline: impl Fn() -> Deadline,
    disguise: &mut Disguise,
    records: &mut Vec<Record>,
    failures: &mut Vec<Failure>,
) {
    let mut names = Vec::new();
    let mut questions = vec![(vec!["xend", "node"], Vec::new())];
    questions.extend(STATES.iter().map(|state| (vec!["xend", "domain"], vec![("state", *state)])));
    questions.push((vec!["xend", "domain"], vec![("detail", "1")]));
    for (path, query) in &questions {
        match xend.ask_raw(path, query, deadline()) {
            Ok(answer) => {
                if query.first() == Some(&("state", "all")) {
                    let items = answer.as_list().unwrap_or_default();
                    names = items.iter().filter_map(Sexpr::as_atom).map(str::to_owned).collect();
                }
                records.push(told(path, query, &answer, disguise));
            }
            Err(error) => {
                failures.push(failure("xend", "asking", &error));
                if error.status != Status::OperationFailed {
                    return;
                }
            }
        }
    }
    for name in names.iter().take(MAX_DOMAINS) {
        match xend.ask_raw(&["xend", "domain", name], &[], deadline()) {
            Ok(answer) => {
                records.push(told(&["xend", "domain", &disguise.name(name)], &[], &answer, disguise))
            }
            Err(error) => failures.push(failure("xend", "asking for a domain", &error)),
        }
    }
}

fn told(path: &[&str], query: &[(&str, &str)], answer: &Sexpr, disguise: &mut Disguise) -> Record {
    let query: Vec<String> = query.iter().map(|(key, value)| format!("?{key}={value}")).collect();
    Record::Xend(XendAnswer {
        path: format!("/{}{}", path.join("/"), query.concat()),
        body: String::from_utf8_lossy(&disguised_tree(answer, disguise).to_bytes()).into_owned(),
    })
}
