//! What a host offers and what is wrong with it: `xenith doctor`. Each road is looked at by itself, so that there is a report where no
//! connection can be opened.

use std::fs;
use std::path::Path;

use super::open::{assemble, find_embedded, find_local, guest_not_host};
use super::routes::{self, HostKind, Op};
use super::{LocalDriver, Roads};
use crate::deadline::Deadline;
use crate::driver::{HostReport, OpenOptions, RoadReport, RouteReport};
use crate::error::{Error, Result, Road};
use crate::model::{DomainRow, Identity, State};
use crate::sim::SimHost;
use crate::uri::Local;

/// How many autostart links and domains are named one by one.
const MAX_NAMED: usize = 1000;

/// The report on this machine's host.
pub(in super::super) fn of_local(local: &Local, options: &OpenOptions) -> HostReport {
    of_roads(find_local(local, options), options, None)
}

/// The report on an embedded host.
///
/// Errors: options that cannot be understood, and a host that cannot be made.
pub(in super::super) fn of_embedded(
    parameters: &[(String, String)],
    options: &OpenOptions,
) -> Result<HostReport> {
    let (host, roads) = find_embedded(parameters, options)?;
    Ok(of_roads(roads, options, Some(host)))
}

fn of_roads(roads: Roads, options: &OpenOptions, host: Option<SimHost>) -> HostReport {
    let described = describe_roads(&roads, options);
    let guest = guest_not_host(&roads, options);
    match assemble(roads, options, host) {
        Ok(driver) => driver.host_report(),
        Err(error) => HostReport {
            host: guest.unwrap_or_else(|| "no host of Xen that this process can reach".into()),
            failure: Some(error),
            roads: described,
            routes: Vec::new(),
            problems: Vec::new(),
        },
    }
}

impl LocalDriver {
    pub(super) fn host_report(&self) -> HostReport {
        let options = OpenOptions { timeout: self.timeout, ..OpenOptions::default() };
        let routes = Op::all().map(|op| {
            let route = routes::of(self.kind, op);
            RouteReport { operation: op.name(), active: route.active, inactive: route.inactive }
        });
        let host = match self.kind {
            HostKind::Xend => "a host with xend",
            HostKind::OldXend => {
                "a host with a xend that remembers no domain that does not run: xm's files do"
            }
            HostKind::XendAlone => "a host that is reached through its xend alone",
            HostKind::OldXendAlone => {
                "a host that is reached through its xend alone, which remembers no domain that does not run"
            }
            HostKind::Xl => "a host of the xl toolstack",
            HostKind::XlAlone => "a host that is reached through its xl toolstack alone",
            HostKind::Bare => "a host without a toolstack",
        };
        let host = match &self.embedded {
            Some(_) => format!("{host}, embedded in xenith: a simulation"),
            None => host.to_owned(),
        };
        HostReport {
            host,
            failure: None,
            roads: describe_roads(&self.roads, &options),
            routes: routes.collect(),
            problems: self.problems(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(silent) = self.roads.xend.silence() {
            problems.push(format!("a xend is there and cannot be spoken with: {silent}"));
        }
        if let (HostKind::Xend | HostKind::OldXend, Ok(xl)) = (self.kind, &self.roads.xl) {
            problems.push(format!(
                "{} is installed as well: while xend runs, it must not be used",
                xl.describe()
            ));
        }
        if let (HostKind::XlAlone, Err(error)) = (self.kind, &self.roads.hypervisor) {
            problems.push(format!("every question is a run of xl, which is slow: {}", error.message));
        }
        if self.kind == HostKind::Bare {
            problems.push(format!("nothing here can start a domain: {}", self.why_without_xl()));
        }
        if let (Err(error), HostKind::Xl | HostKind::XlAlone | HostKind::Bare) =
            (&self.roads.xenstore, self.kind)
        {
            problems.push(format!(
                "xenstored cannot be reached ({}): domains have no names, and toolstacks cannot work",
                error.message
            ));
        }
        if let Ok(xenstore) = &self.roads.xenstore
            && let Err(error) = xenstore.barrier(self.deadline())
        {
            problems.push(format!(
                "xenstored does not answer ({error}): domains have no names, and toolstacks cannot work; it cannot be restarted \
                 without losing what it knows, so look at its log first"
            ));
        }
        if matches!(self.kind, HostKind::OldXend | HostKind::Xl | HostKind::XlAlone | HostKind::Bare) {
            self.store_problems(&mut problems);
        }
        self.domain_problems(&mut problems);
        problems
    }

    fn store_problems(&self, problems: &mut Vec<String>) {
        let Ok(store) = &self.roads.store else { return };
        match store.read() {
            Err(error) => problems.push(error.to_string()),
            Ok(snapshot) => problems.extend(snapshot.problems.iter().map(|problem| {
                let path = problem.path.display().to_string();
                let said = problem.error.to_string();
                if said.contains(&path) { said } else { format!("{path}: {said}") }
            })),
        }
        problems.extend(dangling(&store.folder().join("auto")).into_iter().map(|link| {
            format!(
                "{link} leads nowhere, so nothing is started by it: remove it, or define the domain again"
            )
        }));
    }

    fn domain_problems(&self, problems: &mut Vec<String>) {
        if matches!(self.kind, HostKind::XendAlone | HostKind::OldXendAlone) {
            return;
        }
        let rows = match self.named_lives(true) {
            Ok(rows) => rows,
            Err(error) => return problems.push(format!("the domains cannot be listed: {error}")),
        };
        for row in rows.iter().filter(|row| row.info.domid != Some(0)).take(MAX_NAMED) {
            let domid = row.info.domid.unwrap_or_default();
            if row.info.state == State::Shutdown {
                problems.push(format!(
                    "domain {domid} is being torn down; if that does not end, somebody still maps its memory (a backend that hangs)"
                ));
            } else if let Some(name) = &row.name {
                if self.misses_its_monitor(row) {
                    // Killed together with what ran it, xl leaves a domain that never began.
                    let half_made = row.info.state == State::Paused && row.info.cpu_time_ns == Some(0);
                    let instead = if half_made {
                        ", or 'xenith destroy' ends it: it never ran, and is perhaps half made"
                    } else {
                        ""
                    };
                    problems.push(format!(
                        "the domain '{name}' ({domid}) has no monitor, so nobody restarts it or frees it when it ends: \
                         'xenith monitor --detach {name}' sets one up{instead}"
                    ));
                }
            } else if self.roads.xenstore.is_ok() {
                problems.push(format!(
                    "domain {domid} ({}) has no name in xenstore: it is half made, or xenstored was restarted and has lost its \
                     store; look it up by its number or uuid",
                    row.info.uuid
                ));
            }
        }
    }

    /// Whether a life should have a monitor, and has none. A device model's stub domain ends with the domain that it serves.
    fn misses_its_monitor(&self, row: &DomainRow) -> bool {
        let Some(domid) = row
            .info
            .domid
            .filter(|_| matches!(self.kind, HostKind::Xl | HostKind::XlAlone) && !row.info.uuid.is_nil())
        else {
            return false;
        };
        let identity = Identity { uuid: row.info.uuid, domid: Some(domid) };
        if self.minded(&identity).unwrap_or(true) {
            return false;
        }
        let target = format!("/local/domain/{domid}/target");
        let read =
            self.xenstore().and_then(|xenstore| xenstore.nodes(self.deadline()).read_optional(&target));
        !matches!(read, Ok(Some(_)))
    }
}

/// The links in the folder that lead nowhere.
fn dangling(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.take(MAX_NAMED).flatten().map(|entry| entry.path());
    let mut found: Vec<String> = paths
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|link| link.is_symlink()) && !path.exists())
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found
}

/// Each road, in the order of their numbers.
fn describe_roads(roads: &Roads, options: &OpenOptions) -> Vec<RoadReport> {
    let found = |road, version, detail: String| RoadReport { road, found: true, version, detail };
    let missing = |road, error: &Error| RoadReport {
        road,
        found: false,
        version: None,
        // The road stands beside it.
        detail: error.message.clone(),
    };
    let deadline = Deadline::after(options.timeout);
    let xend = match (roads.xend.absence(), roads.xend.reached(deadline)) {
        (Some(error), _) => missing(Road::Xend, error),
        (None, Err(error)) => missing(Road::Xend, &error),
        (None, Ok((xend, node))) => {
            found(Road::Xend, Some(format!("xend_config_format {}", node.config_format)), xend.describe())
        }
    };
    vec![
        match &roads.hypervisor {
            Ok(hypervisor) => found(
                Road::Hypercall,
                Some(hypervisor.version().to_string()),
                format!(
                    "the interface of Xen {}{}",
                    hypervisor.generation(),
                    if hypervisor.has_list() {
                        ""
                    } else {
                        ", without sysctls: domains are listed by xenstore"
                    }
                ),
            ),
            Err(error) => missing(Road::Hypercall, error),
        },
        match &roads.xenstore {
            Ok(xenstore) => match xenstore.barrier(deadline) {
                Ok(()) => found(Road::Xenstore, None, xenstore.describe()),
                Err(error) => missing(Road::Xenstore, &error),
            },
            Err(error) => missing(Road::Xenstore, error),
        },
        xend,
        match &roads.xl {
            Ok(xl) => found(Road::Xl, None, xl.describe()),
            Err(error) => missing(Road::Xl, error),
        },
        match &roads.store {
            Ok(store) => match store.read() {
                Ok(snapshot) => {
                    let count = snapshot.entries.len();
                    let domains = if count == 1 { "domain" } else { "domains" };
                    found(Road::Store, None, format!("{}: {count} {domains}", store.folder().display()))
                }
                Err(error) => missing(Road::Store, &error),
            },
            Err(error) => missing(Road::Store, error),
        },
        RoadReport {
            road: Road::Remote,
            found: false,
            version: None,
            detail: "other hosts are not built into this version of xenith".into(),
        },
    ]
}
