//! How the command fails: a sentence on standard error and an exit status that scripts can tell apart.

use std::io::{self, Write};
use std::process::ExitCode;

use xenith::{Error, Status};

use crate::answer::visible;

/// The exit statuses, as `xenith --help` lists them. clap ends the process with 2 by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Unreachable = 4,
    State = 5,
    Timeout = 6,
    NotSupported = 7,
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::InvalidArg | Status::InvalidUri => Exit::Usage,
            Status::NotFound => Exit::NotFound,
            Status::NoConnect | Status::AccessDenied | Status::Closed => Exit::Unreachable,
            Status::Exists | Status::Stale | Status::InvalidState => Exit::State,
            Status::Timeout => Exit::Timeout,
            Status::NotSupported => Exit::NotSupported,
            _ => Exit::Failed,
        }
    }
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), hint: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Failure::new(Exit::Failed, message)
    }

    /// Adds what to try next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on standard error. Where that is closed too, the exit status has to do.
    pub(crate) fn report(&self) -> ExitCode {
        let mut lines = format!("error: {}\n", visible(&self.message));
        if let Some(hint) = &self.hint {
            lines.push_str(&format!("hint: {hint}\n"));
        }
        say(&lines);
        ExitCode::from(self.exit as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(error.status.into(), error.to_string())
    }
}

/// Writes to standard error; a closed one is not worth a second failure.
pub(crate) fn say(lines: &str) {
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_can_tell_failures_apart() {
        for (status, exit) in [
            (Status::Internal, 1),
            (Status::InvalidUri, 2),
            (Status::InvalidConfig, 1),
            (Status::NotFound, 3),
            (Status::NoConnect, 4),
            (Status::AccessDenied, 4),
            (Status::Stale, 5),
            (Status::Exists, 5),
            (Status::InvalidState, 5),
            (Status::Timeout, 6),
            (Status::NotSupported, 7),
            (Status::OperationFailed, 1),
        ] {
            assert_eq!(Exit::from(status) as u8, exit, "{status:?}");
        }
    }
}
