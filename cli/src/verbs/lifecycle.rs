//! Verbs that change one domain.

use clap::Args;
use serde_json::{Map, Value, json};
use xenith::Result;
use xenith::driver::{Connection, Domain};

use super::describe::DomainArg;
use crate::answer::{Answer, visible};
use crate::failure::Failure;
use crate::shape;

pub(crate) const ACT_JSON: &str = "\
With --json: {\"action\": the verb, \"id\": N or null, \"name\": TEXT or null, \"uuid\": TEXT}; id is that of the life that was acted on or \
begun, null where there was none.";

/// What to start, and how.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// Leave it paused; a host with xend can do that for `create` only
    #[arg(long)]
    paused: bool,
}

/// `start`
pub(crate) fn start(connection: &Connection, args: &StartArgs) -> Result<Answer, Failure> {
    act(connection, &args.domain, "start", "started", |domain| domain.start(args.paused))
}

/// `undefine`
pub(crate) fn undefine(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "undefine", "has been undefined", Domain::undefine)
}

/// `suspend`
pub(crate) fn suspend(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "suspend", "suspended", Domain::suspend)
}

/// `resume`
pub(crate) fn resume(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "resume", "resumed", Domain::resume)
}

/// `shutdown`
pub(crate) fn shutdown(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "shutdown", "is being shutdown", Domain::shutdown)
}

/// `reboot`
pub(crate) fn reboot(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "reboot", "is being rebooted", Domain::reboot)
}

/// `destroy`
pub(crate) fn destroy(connection: &Connection, args: &DomainArg) -> Result<Answer, Failure> {
    act(connection, args, "destroy", "destroyed", Domain::destroy)
}

/// Finds the domain, asks its name while it still has one, and acts.
pub(super) fn act(
    connection: &Connection,
    args: &DomainArg,
    verb: &str,
    outcome: &str,
    operation: impl FnOnce(&Domain) -> Result<()>,
) -> Result<Answer, Failure> {
    let domain = args.find(connection)?;
    // The name is for the message alone: a domain without one, or whose name is slow to come, can be acted on all the same.
    let name = domain.name().ok();
    operation(&domain)?;
    let shown = name.as_deref().unwrap_or(&args.domain);
    let text = format!("Domain '{}' {outcome}", visible(shown));
    Ok(Answer::new(text, object(verb, &domain, name.as_deref())))
}

/// The answer of a verb that made `domain`: it is there now, and its name is what it was given.
pub(super) fn done(verb: &str, domain: &Domain, text: impl FnOnce(&str) -> String) -> Answer {
    let name = domain.name().ok();
    let shown = name.clone().unwrap_or_else(|| domain.uuid().to_string());
    Answer::new(text(&visible(&shown)), object(verb, domain, name.as_deref()))
}

/// The JSON of a verb that acted on `domain`.
pub(super) fn object(verb: &str, domain: &Domain, name: Option<&str>) -> Value {
    let identity = domain.identity();
    let mut object = Map::from_iter([("action".to_owned(), json!(verb))]);
    object.extend(shape::reference(identity.domid, name, identity.uuid));
    Value::Object(object)
}
