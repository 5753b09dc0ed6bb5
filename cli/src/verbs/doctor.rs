//! `xenith doctor`: what the host offers, also where nothing of it can be reached.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};
use xenith::driver::HostReport;
use xenith::format::capture::Capture;
use xenith::{Error, Road, Status};

use crate::answer::{Answer, visible};
use crate::args::Global;
use crate::failure::{Exit, Failure};
use crate::{session, shape};

pub(crate) const ABOUT: &str = "\
Show which roads lead into the host, what serves each operation, and what is wrong.

It works where no connection can be opened: that is when it is needed most. Nothing is changed on the host.

With --capture it writes instead what the host answers, as a file for somebody who does not have such a host: hypercalls' answers byte for \
byte, the shape of xenstore's tree, what xend says, which toolstacks are there. Names, uuids and addresses are replaced, of most values only \
the kind and the length is told; read the file before you send it.";

pub(crate) const AFTER: &str = "\
Exit status: 0 when the host can be managed; 7 when it can be looked at but has no toolstack (neither xl nor xend) to start domains with; \
that of the failure (`xenith --help`) when no connection can be opened. Problems alone do not change it.

With --capture and --json: {\"capture\": FILE, \"records\": {KIND: N}}; the exit status is 0 once the file is written, whatever the host has.

With --json, an object with these keys:
  host      what kind of host it was taken for, a sentence
  failure   null, or {\"status\": TEXT, \"message\": TEXT}
  roads     [{\"road\": TEXT, \"found\": true or false,
              \"version\": TEXT or null, \"detail\": TEXT}]
  routes    [{\"operation\": TEXT, \"active\": ROAD or null,
              \"inactive\": ROAD or null}]; empty without a connection
  problems  [TEXT]
Roads are hypercall, xenstore, xend, xl, store and remote.";

/// What to do beside looking.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Write what the host answers to a new file, without names, for somebody who does not have such a host
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    capture: Option<PathBuf>,
    /// Replace a file that is there already
    #[arg(long, requires = "capture")]
    force: bool,
}

/// `doctor`
pub(crate) fn doctor(global: &Global, args: &DoctorArgs) -> Result<Answer, Failure> {
    if let Some(file) = &args.capture {
        return capture(global, file, args.force);
    }
    let report = HostReport::of(global.connect.as_deref(), &session::options(global))?;
    let exit = exit(&report);
    Ok(Answer::new(text(&report), json(&report)).with_exit(exit))
}

fn capture(global: &Global, file: &Path, force: bool) -> Result<Answer, Failure> {
    let (capture, cost) = Capture::of(global.connect.as_deref(), &session::options(global))?;
    capture.write(file, force).map_err(|error| match error.status {
        Status::Exists => Failure::from(Error {
            message: format!("{} is there already: name another file, or say --force", file.display()),
            ..error
        }),
        _ => error.into(),
    })?;
    let counts = capture.counts();
    let told: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let shown = visible(&file.to_string_lossy());
    let text = format!(
        "{shown} holds {} (it took {} hypercalls, {} round trips to xenstored and {} requests to xend).\n\
         Only you can read it. Read it before you send it: docs/capture.md says what each line is.",
        told.join(", "),
        cost.hypercalls,
        cost.xenstore_round_trips,
        cost.xend_requests
    );
    let records: Map<String, Value> =
        counts.into_iter().map(|(kind, count)| (kind.to_owned(), json!(count))).collect();
    Ok(Answer::new(text, json!({ "capture": file.to_string_lossy(), "records": records })))
}

/// None: the host can be managed.
fn exit(report: &HostReport) -> Option<Exit> {
    if let Some(failure) = &report.failure {
        return Some(failure.status.into());
    }
    let toolstack = |road: Option<Road>| matches!(road, Some(Road::Xl | Road::Xend));
    let managed = report.routes.iter().any(|route| toolstack(route.active) || toolstack(route.inactive));
    (!managed).then_some(Exit::NotSupported)
}

fn text(report: &HostReport) -> String {
    let mut text = format!("Host: {}\n", visible(&report.host));
    if let Some(failure) = &report.failure {
        // The error of a host without a road says why of each road, and so does the table.
        let told = report.roads.iter().any(|row| !row.found && failure.message.contains(&row.detail));
        let why = if told { "the roads below say why".into() } else { visible(&failure.to_string()) };
        text.push_str(&format!("No connection can be opened: {why}\n"));
    }
    let or_dash = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), visible);
    text.push('\n');
    text.push_str(&table(
        ["Road", "Found", "Version", "Where, or why not"],
        report.roads.iter().map(|row| {
            let found = if row.found { "yes" } else { "no" };
            [
                row.road.name().to_owned(),
                found.to_owned(),
                or_dash(row.version.as_deref()),
                visible(&row.detail),
            ]
        }),
    ));
    if !report.routes.is_empty() {
        let road = |road: Option<Road>| or_dash(road.map(Road::name));
        text.push('\n');
        text.push_str(&table(
            ["Operation", "Running", "Not running"],
            report.routes.iter().map(|row| [row.operation.to_owned(), road(row.active), road(row.inactive)]),
        ));
    }
    if report.problems.is_empty() {
        if report.failure.is_none() {
            text.push_str("\nNo problems found.\n");
        }
    } else {
        text.push_str("\nProblems:\n");
        for problem in &report.problems {
            text.push_str(&format!(" - {}\n", visible(problem)));
        }
    }
    text
}

/// The table of `xenith list`: a blank before each row, three between columns, a line of dashes.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    let mut widths = head.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!(" {}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    let mut text = line(head);
    // Not as wide as the last column, which can hold a sentence.
    let width =
        widths.iter().take(N - 1).sum::<usize>() + head.last().map_or(0, |last| last.len()) + 3 * (N - 1) + 2;
    text.push_str(&"-".repeat(width));
    text.push('\n');
    for row in &rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

fn json(report: &HostReport) -> Value {
    let failure = report
        .failure
        .as_ref()
        .map(|error| json!({ "status": shape::status(error.status), "message": error.to_string() }));
    let roads: Vec<Value> = report
        .roads
        .iter()
        .map(|row| {
            json!({
                "road": row.road.name(),
                "found": row.found,
                "version": row.version,
                "detail": row.detail,
            })
        })
        .collect();
    let routes: Vec<Value> = report
        .routes
        .iter()
        .map(|row| {
            json!({
                "operation": row.operation,
                "active": row.active.map(Road::name),
                "inactive": row.inactive.map(Road::name),
            })
        })
        .collect();
    json!({
        "host": report.host,
        "failure": failure,
        "roads": roads,
        "routes": routes,
        "problems": report.problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xenith::driver::{RoadReport, RouteReport};

    fn report() -> HostReport {
        HostReport {
            host: "Xen 4.17 with the xl toolstack".into(),
            failure: None,
            roads: vec![
                RoadReport {
                    road: Road::Hypercall,
                    found: true,
                    version: Some("4.17.5".into()),
                    detail: "/dev/xen/privcmd".into(),
                },
                RoadReport {
                    road: Road::Xend,
                    found: false,
                    version: None,
                    detail: "nobody listens at /var/lib/xend/xend-socket".into(),
                },
            ],
            routes: vec![RouteReport { operation: "start", active: None, inactive: Some(Road::Xl) }],
            problems: vec!["/etc/xen/bad.cfg:3:1: a\u{1b}[2J".into()],
        }
    }

    #[test]
    fn a_person_sees_roads_routes_and_problems() {
        assert_eq!(
            text(&report()),
            "Host: Xen 4.17 with the xl toolstack\n\n \
             Road        Found   Version   Where, or why not\n\
             -------------------------------------------------\n \
             hypercall   yes     4.17.5    /dev/xen/privcmd\n \
             xend        no      -         nobody listens at /var/lib/xend/xend-socket\n\n \
             Operation   Running   Not running\n\
             -----------------------------------\n \
             start       -         xl\n\n\
             Problems:\n - /etc/xen/bad.cfg:3:1: a\\u{1b}[2J\n"
        );
        let well = HostReport { problems: Vec::new(), ..report() };
        assert!(text(&well).ends_with("\n\nNo problems found.\n"));
        let failed = |message: &str| {
            let failure = Some(Error::new(Status::NoConnect, message).on(Road::Xend));
            text(&HostReport { failure, ..well.clone() })
        };
        let said = failed("nobody listens at /var/lib/xend/xend-socket; so no road is open");
        assert!(
            said.contains("opened: the roads below say why\n") && !said.contains("No problems"),
            "{said}"
        );
        assert!(failed("it is Tuesday").contains("opened: xend: it is Tuesday\n"));
    }

    #[test]
    fn the_exit_status_says_whether_the_host_can_be_managed() {
        assert_eq!(exit(&report()), None);
        let road = |road| RouteReport { operation: "list", active: Some(road), inactive: Some(Road::Store) };
        let bare = HostReport { routes: vec![road(Road::Hypercall), road(Road::Xenstore)], ..report() };
        assert_eq!(exit(&bare), Some(Exit::NotSupported));
        let failure = Some(Error::new(Status::AccessDenied, "be root"));
        assert_eq!(exit(&HostReport { failure, ..report() }), Some(Exit::Unreachable));
    }

    #[test]
    fn no_failure_is_told_in_words_that_scripts_can_match() {
        let failure = Some(Error::new(Status::NoConnect, "no Xen").on(Road::Hypercall));
        let object = json(&HostReport { failure, ..report() });
        assert_eq!(object["failure"], json!({ "status": "no_connect", "message": "hypercall: no Xen" }));
        assert_eq!(object["roads"][0]["road"], "hypercall");
        assert_eq!(object["routes"][0]["active"], Value::Null);
        for key in object.as_object().unwrap().keys() {
            assert!(AFTER.contains(&format!("\n  {key} ")), "{key}");
        }
    }
}
