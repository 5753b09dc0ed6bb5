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
    open(global, &options(global))
}

/// Opens the connection for a verb that shows all there is: what it has to leave out (a broken domain file, names that cannot be read)
/// is said on standard error, without having to be asked for.
pub(crate) fn connect_and_warn(global: &Global) -> Result<Connection, Failure> {
    open(global, &OpenOptions { log: log(global.verbose, Some(Level::Warning)), ..options(global) })
}

/// The options of a connection, and of a report.
pub(crate) fn options(global: &Global) -> OpenOptions {
    let mut options = OpenOptions { log: log(global.verbose, None), ..OpenOptions::default() };
    if let Some(seconds) = global.timeout {
        options.timeout = Duration::from_secs(seconds);
        options.toolstack_timeout = options.timeout;
    }
    options
}

fn open(global: &Global, options: &OpenOptions) -> Result<Connection, Failure> {
    Connection::open(global.connect.as_deref(), options).map_err(|error| {
        let unasked = global.connect.as_deref().unwrap_or_default().is_empty();
        let unreachable = matches!(error.status, Status::NoConnect | Status::AccessDenied);
        let failure = Failure::from(error);
        if unasked && unreachable {
            failure.hint(
                "`xenith doctor` shows each road and what it lacks; another host is named with -c URI; `xenith -c xen+sim:/// list` works \
                 on an embedded one",
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

/// What is heard: `unasked` without -v.
fn log(verbose: u8, unasked: Option<Level>) -> Log {
    let most = match (verbose, unasked) {
        (0, None) => return Log::default(),
        (0, Some(level)) => level,
        (1, _) => Level::Info,
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
