//! The connection that a verb works on, as the global options want it.

use std::time::Duration;

use xenith::driver::{Connection, OpenOptions};
use xenith::log::{Level, Log};
use xenith::uri::{self, Target};
use xenith::{Result, Status};

use crate::answer::visible;
use crate::args::Global;
use crate::failure::{Failure, say};

/// Opens the connection.
pub(crate) fn connect(global: &Global) -> Result<Connection, Failure> {
    let mut options = OpenOptions { log: log(global.verbose), ..OpenOptions::default() };
    if let Some(seconds) = global.timeout {
        options.timeout = Duration::from_secs(seconds);
        options.toolstack_timeout = options.timeout;
    }
    Connection::open(global.connect.as_deref(), &options).map_err(|error| {
        let unasked = global.connect.as_deref().unwrap_or_default().is_empty();
        let unreachable = matches!(error.status, Status::NoConnect | Status::AccessDenied);
        let failure = Failure::from(error);
        if unasked && unreachable {
            failure.hint(
                "another host is named with -c URI; `xenith -c xen+sim:/// list` works on an embedded one",
            )
        } else {
            failure
        }
    })
}

/// Says that a change will not outlive this command, where the host lives in this very process.
pub(crate) fn warn_if_fleeting(connection: &Connection) {
    if let Ok(Target::Sim(options)) = uri::parse(Some(connection.uri()))
        && !options.iter().any(|(key, _)| key == "dir")
    {
        say(
            "note: this embedded host ends with this command, and what it knows with it; `xenith sim --dir DIR` serves one that \
             stays\n",
        );
    }
}

fn log(verbose: u8) -> Log {
    let most = match verbose {
        0 => return Log::default(),
        1 => Level::Info,
        _ => Level::Debug,
    };
    Log::to(move |level, line| {
        if level <= most {
            say(&format!("{}: {}\n", name(level), visible(line)));
        }
    })
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}
