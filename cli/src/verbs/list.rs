//! `xenith list`

use clap::Args;
use serde_json::{Value, json};
use xenith::driver::{Connection, ListFilter};
use xenith::model::DomainRow;

use crate::answer::{Answer, visible};
use crate::failure::Failure;
use crate::shape;

pub(crate) const JSON: &str = concat!(
    "With --json: {\"domains\": [...]}, whatever --name and --uuid say, each domain with these keys:\n",
    shape::domain_keys!()
);

/// Which domains, and how they are shown.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Domains that are not running too
    #[arg(long, conflicts_with = "inactive")]
    all: bool,
    /// Only domains that are not running
    #[arg(long)]
    inactive: bool,
    /// Only names, one in a line; domains without one are left out
    #[arg(long)]
    name: bool,
    /// Only uuids, one in a line; with --name, the name follows it
    #[arg(long)]
    uuid: bool,
}

/// `list`
pub(crate) fn list(connection: &Connection, args: &ListArgs) -> Result<Answer, Failure> {
    let filter = ListFilter { active: !args.inactive, inactive: args.all || args.inactive, fresh: false };
    let mut rows = connection.list(filter)?;
    // As virsh has it: the live ones by number, then the others by name.
    rows.sort_by(|a, b| {
        let key = |row: &DomainRow| (row.info.domid.is_none(), row.info.domid);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    let text = match (args.name, args.uuid) {
        (false, false) => table(&rows),
        (name, uuid) => columns(&rows, name, uuid),
    };
    let objects: Vec<Value> = rows
        .iter()
        .map(|row| Value::Object(shape::domain(row.name.as_deref(), &row.info, row.info.guest_type)))
        .collect();
    Ok(Answer::new(text, json!({ "domains": objects })))
}

/// virsh's table: a blank before each row, three between columns, a line of dashes, an empty line at the end.
fn table(rows: &[DomainRow]) -> String {
    let cells: Vec<[String; 2]> = rows
        .iter()
        .map(|row| {
            [
                row.info.domid.map_or_else(|| "-".into(), |id| id.to_string()),
                row.name.as_deref().map_or_else(|| "-".into(), visible),
            ]
        })
        .collect();
    let width = |pick: fn(&[String; 2]) -> &String, head: &str| {
        cells.iter().map(|row| pick(row).chars().count()).max().unwrap_or(0).max(head.len())
    };
    let (id_width, name_width) = (width(|[id, _]| id, "Id"), width(|[_, name]| name, "Name"));
    let state_width =
        rows.iter().map(|row| row.info.state.name().len()).max().unwrap_or(0).max("State".len());

    let mut text = format!(" {:<id_width$}   {:<name_width$}   State\n", "Id", "Name");
    text.push_str(&"-".repeat(id_width + name_width + state_width + 9));
    text.push('\n');
    for ([id, name], row) in cells.iter().zip(rows) {
        text.push_str(&format!(" {id:<id_width$}   {name:<name_width$}   {}\n", row.info.state.name()));
    }
    text.push('\n');
    text
}

/// Names, uuids, or both, one domain in a line.
fn columns(rows: &[DomainRow], names: bool, uuids: bool) -> String {
    let line = |row: &DomainRow| {
        let name = row.name.as_deref().map(visible);
        match (uuids, names) {
            (true, true) => Some(format!("{} {}\n", row.info.uuid, name.unwrap_or_else(|| "-".into()))),
            (true, false) => Some(format!("{}\n", row.info.uuid)),
            _ => name.map(|name| format!("{name}\n")),
        }
    };
    rows.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xenith::model::{DomainInfo, Reason, State, Uuid};

    fn row(domid: Option<u32>, name: Option<&str>, state: State) -> DomainRow {
        let info = DomainInfo { domid, ..DomainInfo::without_figures(Uuid::nil(), state, Reason::Unknown) };
        DomainRow { name: name.map(Into::into), info }
    }

    #[test]
    fn the_table_is_virsh_s() {
        let rows = [
            row(Some(0), Some("Domain-0"), State::Running),
            row(Some(12), None, State::Shutdown),
            row(None, Some("größe"), State::Shutoff),
        ];
        assert_eq!(
            table(&rows),
            " Id   Name       State\n\
             ------------------------------\n \
             0    Domain-0   running\n \
             12   -          in shutdown\n \
             -    größe      shut off\n\n"
        );
        assert_eq!(table(&[]), " Id   Name   State\n--------------------\n\n");
    }

    #[test]
    fn columns_leave_out_what_is_not_there() {
        let rows = [row(Some(0), Some("a\x1bb"), State::Running), row(Some(1), None, State::Running)];
        assert_eq!(columns(&rows, true, false), "a\\u{1b}b\n");
        let nil = Uuid::nil();
        assert_eq!(columns(&rows, false, true), format!("{nil}\n{nil}\n"));
        assert_eq!(columns(&rows, true, true), format!("{nil} a\\u{{1b}}b\n{nil} -\n"));
    }
}
