//! The road to the xl toolstack: its command, run with an argument vector (docs/model.md, "The xl road").
//!
//! | file | what it is |
//! | --- | --- |
//! | `find` | where xl is on this machine |
//! | `run`, `keeper`, `anonymous` | one run of it: the process, who waits for it, the files without a name |
//! | `messages` | its words -> an error |
//! | `listed`, `info` | its tables -> domains, the host |
//! | `monitors` | the processes that it leaves behind, and which domain each minds |
//! | `own` | a process of our own in the place of one that is missing |

mod anonymous;
mod find;
mod info;
mod keeper;
mod listed;
mod messages;
mod monitors;
mod own;
mod run;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use info::HostFacts;
pub use monitors::{Minded, who_minds};
pub use own::{MindLock, start_monitor};
pub use run::LocalXl;

use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::model::{DomId, DomainRow, Uuid};
use crate::wire::port::{CONFIG_PATH, ToolExit, ToolMonitor, ToolOutcome, ToolRun, Toolstack};

/// A host's xl.
///
/// Errors of every call, besides what each says: [`Status::Timeout`] when xl did not end in time (it was ended then, which takes up to
/// three seconds more), [`Status::Protocol`] for an answer that cannot be understood, and xl's own words as [`Status::NotFound`],
/// [`Status::Exists`], [`Status::NoMemory`], [`Status::AccessDenied`], [`Status::InvalidConfig`] or else [`Status::OperationFailed`].
pub struct Xl {
    tool: Arc<dyn Toolstack>,
    runs: AtomicU64,
}

impl Xl {
    /// This machine's xl: `path`, or where it usually is. `log` hears what had to be worked around.
    ///
    /// Errors: [`Status::NoConnect`] where there is none; [`Status::AccessDenied`] where it may not be run.
    pub fn find(path: Option<&Path>, log: &Log) -> Result<Xl> {
        Ok(Xl::over(Arc::new(LocalXl::find(path, log)?)))
    }

    /// The xl that `tool` runs.
    pub fn over(tool: Arc<dyn Toolstack>) -> Xl {
        Xl { tool, runs: AtomicU64::new(0) }
    }

    /// What is run, for messages.
    pub fn describe(&self) -> String {
        self.tool.describe()
    }

    /// How many runs there were.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Starts a life from a configuration in xl's language. `overrides` are assignments that count over those of the
    /// text (`vif=[...]`); `uuid` is always one of them, so that the monitor can be told by it. Returns when xl says that it
    /// runs (or is there, paused).
    ///
    /// When this fails, xl has usually taken away what it had made. It could not where it was ended, late ([`Status::Timeout`]) or by
    /// somebody else: so after every failure the caller looks for the uuid, and destroys a domain that has it. xl minds names, and
    /// starts a second domain of the same uuid without a word: the caller looks before as well.
    pub fn create(
        &self,
        config: &str,
        uuid: Uuid,
        overrides: &[String],
        paused: bool,
        deadline: Deadline,
    ) -> Result<()> {
        if config.contains('\0') {
            // xl would read up to it and no further.
            return Err(Error::new(Status::InvalidConfig, "a configuration cannot hold a NUL").on(Road::Xl));
        }
        let mut args = words(&["create"]);
        if paused {
            args.push("-p".into());
        }
        args.push(CONFIG_PATH.into());
        for line in overrides {
            // xl joins its arguments to the text line by line.
            if line.contains(['\0', '\n']) {
                let message = "an assignment cannot hold a NUL or a line break";
                return Err(Error::new(Status::InvalidConfig, message).on(Road::Xl));
            }
            args.push(line.into());
        }
        args.push(format!("uuid=\"{uuid}\"").into());
        self.run(&args, Some(config.as_bytes()), deadline).map(drop)
    }

    /// Ends a life at once, with its devices, device model and monitor.
    pub fn destroy(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        self.run(&words(&["destroy", &domid.to_string()]), None, deadline).map(drop)
    }

    /// Lets a paused life go on, device model included. xl ends with 0 even when this fails, so what counts is whether it complained.
    pub fn unpause(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        let outcome = self.run(&words(&["unpause", &domid.to_string()]), None, deadline)?;
        match messages::complaint("unpause", &outcome) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Asks a guest to power off, an HVM guest without Xen's drivers by its ACPI power button.
    ///
    /// Returns when the guest has taken note. xl waits 60 s for that: a PV or PVH guest that is paused or hangs is an error after them
    /// ("guest didn't acknowledge control request").
    pub fn shutdown(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        self.run(&words(&["shutdown", "-F", &domid.to_string()]), None, deadline).map(drop)
    }

    /// Asks a guest to reboot; waits as [`Self::shutdown`] does. An HVM guest without Xen's drivers has no button for it: the hypervisor
    /// answers "Function not implemented" to xl's ACPI reset (4.17).
    pub fn reboot(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        self.run(&words(&["reboot", "-F", &domid.to_string()]), None, deadline).map(drop)
    }

    /// Saves a life into a file, and ends it. The file is xl's own format; it holds the guest's memory, and only its owner can read it.
    ///
    /// When this fails, the life goes on. But xl's monitor may be gone: it takes the suspended guest for saved (4.17, disk full), so
    /// the caller looks whether there is one and sets it up again. A deadline that passes is worse: the guest may have been stopped
    /// already for the last part, and xl cannot set it going again once it was ended. The file stays as it is: when xl was ended
    /// late, the life may be over and the file be all that is left of it, so the caller looks before it removes anything.
    pub fn save(&self, domid: DomId, file: &Path, deadline: Deadline) -> Result<()> {
        let path = absolute(file)?;
        let args = ["save".into(), domid.to_string().into(), path.into_os_string()];
        self.run(&args, None, deadline).map(drop)
    }

    /// Begins a life from a saved one.
    pub fn restore(&self, file: &Path, paused: bool, deadline: Deadline) -> Result<()> {
        let mut args = words(&["restore"]);
        if paused {
            args.push("-p".into());
        }
        args.push(absolute(file)?.into_os_string());
        self.run(&args, None, deadline).map(drop)
    }

    /// Writes the memory of a life into a file, for a debugger. The life stays as it is, paused meanwhile.
    pub fn dump_core(&self, domid: DomId, file: &Path, deadline: Deadline) -> Result<()> {
        let args = ["dump-core".into(), domid.to_string().into(), absolute(file)?.into_os_string()];
        self.run(&args, None, deadline).map(drop)
    }

    /// What xl keeps about a running domain: the JSON of `xl list -l DOMID` ([`crate::format::libxl_json`] reads it).
    pub fn configuration(&self, domid: DomId, deadline: Deadline) -> Result<String> {
        let outcome = self.run(&words(&["list", "-l", &domid.to_string()]), None, deadline)?;
        String::from_utf8(outcome.stdout).map_err(|_| {
            let message = "what 'xl list -l' wrote is not UTF-8";
            Error::new(Status::Protocol, message).on(Road::Xl)
        })
    }

    /// Every live domain with its name: `xl list -v`. Memory is in whole MiB, processor time in tenths of a second; limits and the kind of
    /// guest are not told.
    pub fn list(&self, deadline: Deadline) -> Result<Vec<DomainRow>> {
        let outcome = self.run(&words(&["list", "-v"]), None, deadline)?;
        let text = String::from_utf8_lossy(&outcome.stdout);
        listed::read(&text).ok_or_else(|| {
            let message = "what 'xl list -v' wrote is not the table that it should be";
            Error::new(Status::Protocol, message).on(Road::Xl)
        })
    }

    /// The host: `xl info`.
    pub fn info(&self, deadline: Deadline) -> Result<HostFacts> {
        let outcome = self.run(&words(&["info"]), None, deadline)?;
        info::read(&String::from_utf8_lossy(&outcome.stdout)).map_err(|missing| {
            Error::new(Status::Protocol, format!("what 'xl info' wrote is {missing}")).on(Road::Xl)
        })
    }

    /// Pauses a life. As for [`Self::unpause`], what counts is whether xl complained.
    pub fn pause(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        let outcome = self.run(&words(&["pause", &domid.to_string()]), None, deadline)?;
        messages::complaint("pause", &outcome).map_or(Ok(()), Err)
    }

    /// The monitors that run now; [`who_minds`] finds a domain's among them.
    pub fn monitors(&self) -> Result<Vec<ToolMonitor>> {
        self.tool.monitors().map_err(|error| Error::from_io(Road::Xl, "cannot list the monitors", &error))
    }

    /// Runs it; an end with another status than 0 is an error with xl's words.
    fn run(&self, args: &[OsString], config: Option<&[u8]>, deadline: Deadline) -> Result<ToolOutcome> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let outcome = self.tool.run(ToolRun { args, config }, deadline).map_err(|error| {
            Error::from_io(Road::Xl, format_args!("cannot run {}", self.describe()), &error)
        })?;
        match outcome.exit {
            ToolExit::Code(0) => Ok(outcome),
            _ => {
                let verb = args.first().map(|verb| verb.to_string_lossy()).unwrap_or_default();
                Err(messages::failure(&verb, &outcome))
            }
        }
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// xl runs in `/`, and would take a name that begins with `-` for an option.
fn absolute(file: &Path) -> Result<PathBuf> {
    if file.as_os_str().as_bytes().contains(&0) {
        return Err(Error::invalid_arg("a file's name cannot hold a NUL"));
    }
    std::path::absolute(file)
        .map_err(|error| Error::invalid_arg(format!("'{}' does not name a file: {error}", file.display())))
}
