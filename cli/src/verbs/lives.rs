//! Verbs from one life to the next: save and restore, autostart, monitors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueHint};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use xenith::driver::{Connection, Domain, MindEnd};

use super::describe::DomainArg;
use super::lifecycle::{act, done, object};
use crate::answer::{Answer, visible};
use crate::failure::{Failure, say};

pub(crate) const FILE_JSON: &str = "\
With --json: {\"action\": the verb, \"id\": N or null, \"name\": TEXT or null, \"uuid\": TEXT, \"file\": TEXT}; id is that of the life that \
was saved or begun.";

/// What to save, and where.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// The file; one that exists is written over. It takes as much room as the domain has memory
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// `save`
pub(crate) fn save(connection: &Connection, args: &SaveArgs) -> Result<Answer, Failure> {
    let file = whole(&args.file)?;
    let outcome = format!("saved to {}", shown(&file));
    let answer = act(connection, &args.domain, "save", &outcome, |domain| domain.save(&file))?;
    Ok(answer.with("file", json!(file.to_string_lossy())))
}

/// What to restore, and how.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A file that `save` or the host's toolstack wrote. It stays; restoring it twice would ruin the guest's disks
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Leave it paused; a host with xend cannot
    #[arg(long)]
    paused: bool,
}

/// `restore`
pub(crate) fn restore(connection: &Connection, args: &RestoreArgs) -> Result<Answer, Failure> {
    let file = whole(&args.file)?;
    let domain = connection.restore(&file, args.paused)?;
    let answer = done("restore", &domain, |name| format!("Domain '{name}' restored from {}", shown(&file)));
    Ok(answer.with("file", json!(file.to_string_lossy())))
}

/// The path from the root: whoever opens the file may be in another folder.
fn whole(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file).map_err(|error| Failure::failed(format!("{} is no path: {error}", shown(file))))
}

fn shown(file: &Path) -> String {
    visible(&file.to_string_lossy())
}

pub(crate) const AUTOSTART_JSON: &str = "\
With --json: {\"action\": \"autostart\", \"id\": N or null, \"name\": TEXT or null, \"uuid\": TEXT, \"autostart\": true or false}.";

/// What starts with the host, or no longer does.
#[derive(Debug, Args)]
pub(crate) struct AutostartArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// Start it with the host no longer
    #[arg(long)]
    disable: bool,
}

/// `autostart`
pub(crate) fn autostart(connection: &Connection, args: &AutostartArgs) -> Result<Answer, Failure> {
    let outcome = if args.disable { "unmarked as autostarted" } else { "marked as autostarted" };
    let answer =
        act(connection, &args.domain, "autostart", outcome, |domain| domain.set_autostart(!args.disable))?;
    Ok(answer.with("autostart", json!(!args.disable)))
}

pub(crate) const MONITOR_ABOUT: &str = "\
Do for a domain what its monitor would: free it when it powers off, start it again when it reboots, and what else its configuration says.

On a host of the xl toolstack each running domain has a process that does so. One that has lost it (dominfo and doctor tell) goes on \
running, but is left as it is when its life ends, until this verb minds it. It stays in the foreground until that life has ended and \
what is to be done is done (a domain that it starts again has a monitor of xl's own), or until it is interrupted; with --detach it returns, and a process of its own minds the domain.";

pub(crate) const MONITOR_JSON: &str = "\
With --json: {\"action\": \"monitor\", \"id\": N or null, \"name\": TEXT or null, \"uuid\": TEXT, \"end\": TEXT or null}; end is gone, restarted, \
kept or stopped, and null with --detach.";

/// What to mind, and how.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    domain: DomainArg,
    /// Leave it to a process of its own, and return
    #[arg(long)]
    detach: bool,
}

/// `monitor`
pub(crate) fn monitor(connection: &Connection, args: &MonitorArgs) -> Result<Answer, Failure> {
    if args.detach {
        let answer = act(connection, &args.domain, "monitor", "has a monitor", Domain::start_monitor)?;
        return Ok(answer.with("end", Value::Null));
    }
    let domain = args.domain.find(connection)?;
    let name = domain.name().ok();
    let name_shown = visible(name.as_deref().unwrap_or(&args.domain.domain));
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::failed(format!("cannot wait for signals: {error}")))?;
    }
    say(&format!("Minding domain '{name_shown}'; interrupt to leave it alone\n"));
    let (word, text) = match domain.mind(&stop)? {
        MindEnd::Gone => ("gone", format!("Domain '{name_shown}' is gone")),
        MindEnd::Kept => {
            ("kept", format!("Domain '{name_shown}' has ended and is kept, as its configuration says"))
        }
        MindEnd::Restarted => {
            ("restarted", format!("Domain '{name_shown}' was started again, with a monitor of xl's own"))
        }
        _ => ("stopped", format!("Domain '{name_shown}' is minded no longer")),
    };
    Ok(Answer::new(text, object("monitor", &domain, name.as_deref())).with("end", json!(word)))
}
