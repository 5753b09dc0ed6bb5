//! The road to the xl toolstack: its command, run with an argument vector (docs/model.md, "The xl road").

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::model::{DomId, Uuid};
use crate::wire::port::{ToolMonitor, ToolOutcome, ToolRun, Toolstack};

/// A host's xl.
///
/// Errors of every call, besides what each says: [`Status::Timeout`] when xl did not end in time (it was ended then),
/// [`Status::Protocol`] for an answer that cannot be understood, and xl's own words as [`Status::NotFound`], [`Status::Exists`],
/// [`Status::NoMemory`], [`Status::InvalidConfig`] or else [`Status::OperationFailed`].
pub struct Xl {
    tool: Arc<dyn Toolstack>,
    runs: AtomicU64,
}

impl Xl {
    /// This machine's xl: `path`, or where it usually is. `log` hears what had to be worked around.
    ///
    /// Errors: [`Status::NoConnect`] where there is none; [`Status::AccessDenied`] where it may not be run.
    pub fn find(_path: Option<&Path>, _log: &Log) -> Result<Xl> {
        Err(not_yet())
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
    /// runs (or is there, paused). When this fails, xl has usually taken away what it had made; after
    /// [`Status::Timeout`] it could not, and the caller looks for the uuid and destroys.
    pub fn create(
        &self,
        _config: &str,
        _uuid: Uuid,
        _overrides: &[String],
        _paused: bool,
        _deadline: Deadline,
    ) -> Result<()> {
        Err(not_yet())
    }

    /// Ends a life at once, with its devices, device model and monitor.
    pub fn destroy(&self, _domid: DomId, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Lets a paused life go on, device model included. xl says 0 even when this fails: the caller looks whether it did.
    pub fn unpause(&self, _domid: DomId, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Asks a guest to power off, an HVM guest without Xen's drivers by its ACPI power button.
    pub fn shutdown(&self, _domid: DomId, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Asks a guest to reboot, an HVM guest without Xen's drivers by its ACPI reset.
    pub fn reboot(&self, _domid: DomId, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Saves a life into a file, and ends it. The file is xl's own format.
    pub fn save(&self, _domid: DomId, _file: &Path, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Begins a life from a saved one.
    pub fn restore(&self, _file: &Path, _paused: bool, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// What xl keeps about a running domain: the JSON of `xl list -l DOMID` ([`crate::format::libxl_json`] reads it).
    pub fn configuration(&self, _domid: DomId, _deadline: Deadline) -> Result<String> {
        Err(not_yet())
    }

    /// The monitors that run now.
    pub fn monitors(&self) -> Result<Vec<ToolMonitor>> {
        self.tool.monitors().map_err(|error| Error::from_io(Road::Xl, "cannot list the monitors", &error))
    }

    #[allow(dead_code, reason = "the calls above come to stand on it")]
    fn run(&self, args: &[OsString], config: Option<&[u8]>, deadline: Deadline) -> Result<ToolOutcome> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.tool
            .run(ToolRun { args, config }, deadline)
            .map_err(|error| Error::from_io(Road::Xl, format_args!("cannot run {}", self.describe()), &error))
    }
}

fn not_yet() -> Error {
    Error::new(Status::NotSupported, "the xl road is being built").on(Road::Xl)
}
