//! Which road serves which operation: one table, made of rows by kind of host (docs/model.md, "Routes").
//!
//! A road is looked up, not searched for: nothing here tries one and falls back on another.

use crate::error::Road;

/// The kinds of host that this version knows, by the roads that were found at open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKind {
    /// Hypercalls and a xend on the same machine: the classic host, Xen 3.0.4 to 4.4.
    Xend,
    /// The same of Xen 3.0.1 to 3.0.3, whose xend remembers no domain that does not run: xm's files do.
    OldXend,
    /// A xend alone: another machine's, or this one's without the right to issue hypercalls.
    XendAlone,
    /// Such an old one alone.
    OldXendAlone,
    /// Hypercalls, xenstore, xl and domain files: hosts of today.
    Xl,
    /// xl and domain files alone: a hypervisor whose interface is newer than any known, or hypercalls that the caller left out.
    XlAlone,
    /// Hypercalls, perhaps xenstore, and no toolstack.
    Bare,
}

/// The operations that take a road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Version,
    Capabilities,
    NodeInfo,
    List,
    Info,
    Xml,
    Suspend,
    Resume,
    Shutdown,
    Reboot,
    Destroy,
    Create,
    Define,
    Undefine,
    Start,
    /// Save and restore.
    Save,
    /// Reading and setting it.
    Autostart,
    /// Looking for a life's monitor, and starting one.
    Monitor,
}

impl Op {
    /// All, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Op> {
        TABLE.iter().map(|(op, ..)| *op)
    }

    /// The word for it in messages and reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Op::Version => "version",
            Op::Capabilities => "capabilities",
            Op::NodeInfo => "node info",
            Op::List => "list",
            Op::Info => "info",
            Op::Xml => "XML",
            Op::Suspend => "suspend",
            Op::Resume => "resume",
            Op::Shutdown => "shutdown",
            Op::Reboot => "reboot",
            Op::Destroy => "destroy",
            Op::Create => "create",
            Op::Define => "define",
            Op::Undefine => "undefine",
            Op::Start => "start",
            Op::Save => "save and restore",
            Op::Autostart => "autostart",
            Op::Monitor => "monitor",
        }
    }
}

/// The two roads of an operation: for a live domain (or the host itself) and for an inactive one. `None`: no road of this kind of
/// host can do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// For live domains, and for operations on the host.
    pub active: Option<Road>,
    /// For inactive domains.
    pub inactive: Option<Road>,
}

const fn route(active: Option<Road>, inactive: Option<Road>) -> Route {
    Route { active, inactive }
}

const HYPERCALL: Option<Road> = Some(Road::Hypercall);
const XENSTORE: Option<Road> = Some(Road::Xenstore);
const XEND: Option<Road> = Some(Road::Xend);
const XL: Option<Road> = Some(Road::Xl);
const STORE: Option<Road> = Some(Road::Store);
const NONE: Option<Road> = None;

/// The table. xend pauses and destroys although a hypercall could: it keeps devices and restart policies, and must know.
#[rustfmt::skip]
const TABLE: &[(Op, Route, Route, Route, Route)] = &[
    // operation        Xend                    XendAlone           Xl                       Bare
    (Op::Version,      route(HYPERCALL, NONE), route(XEND, NONE), route(HYPERCALL, NONE),  route(HYPERCALL, NONE)),
    (Op::Capabilities, route(HYPERCALL, NONE), route(XEND, NONE), route(HYPERCALL, NONE),  route(HYPERCALL, NONE)),
    (Op::NodeInfo,     route(HYPERCALL, NONE), route(XEND, NONE), route(HYPERCALL, NONE),  route(HYPERCALL, NONE)),
    (Op::List,         route(HYPERCALL, XEND), route(XEND, XEND), route(HYPERCALL, STORE), route(HYPERCALL, STORE)),
    (Op::Info,         route(HYPERCALL, XEND), route(XEND, XEND), route(HYPERCALL, STORE), route(HYPERCALL, STORE)),
    (Op::Xml,          route(XEND, XEND),      route(XEND, XEND), route(XL, STORE),        route(NONE, STORE)),
    (Op::Suspend,      route(XEND, NONE),      route(XEND, NONE), route(HYPERCALL, NONE),  route(HYPERCALL, NONE)),
    (Op::Resume,       route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(HYPERCALL, NONE)),
    (Op::Shutdown,     route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(XENSTORE, NONE)),
    (Op::Reboot,       route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(XENSTORE, NONE)),
    (Op::Destroy,      route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(HYPERCALL, NONE)),
    (Op::Create,       route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(NONE, NONE)),
    (Op::Save,         route(XEND, NONE),      route(XEND, NONE), route(XL, NONE),         route(NONE, NONE)),
    (Op::Define,       route(NONE, XEND),      route(NONE, XEND), route(NONE, STORE),      route(NONE, STORE)),
    (Op::Undefine,     route(NONE, XEND),      route(NONE, XEND), route(NONE, STORE),      route(NONE, STORE)),
    (Op::Autostart,    route(NONE, XEND),      route(NONE, XEND), route(NONE, STORE),      route(NONE, STORE)),
    (Op::Start,        route(NONE, XEND),      route(NONE, XEND), route(NONE, XL),         route(NONE, NONE)),
    (Op::Monitor,      route(NONE, NONE),      route(NONE, NONE), route(XL, NONE),         route(NONE, NONE)),
];

/// The roads of `op` on that kind of host.
pub(super) fn of(kind: HostKind, op: Op) -> Route {
    let row = TABLE.iter().find(|(listed, ..)| *listed == op);
    // `every_operation_has_a_row` proves that there is one.
    row.map_or(route(NONE, NONE), |(_, xend, alone, xl, bare)| match kind {
        HostKind::Xend => *xend,
        // What an old one does not remember, files do, as without a toolstack; what only a toolstack can do with it, is xend's.
        HostKind::OldXend => route(xend.active, bare.inactive.or(xend.inactive)),
        HostKind::XendAlone => *alone,
        HostKind::OldXendAlone => route(alone.active, NONE),
        HostKind::Xl => *xl,
        // What hypercalls do for an xl host, xl does.
        HostKind::XlAlone => route(xl.active.map(without_hypercalls), xl.inactive),
        HostKind::Bare => *bare,
    })
}

fn without_hypercalls(road: Road) -> Road {
    if road == Road::Hypercall { Road::Xl } else { road }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_row() {
        use Op::*;
        let all = [
            Version,
            Capabilities,
            NodeInfo,
            List,
            Info,
            Xml,
            Suspend,
            Resume,
            Shutdown,
            Reboot,
            Destroy,
            Create,
            Define,
            Undefine,
            Start,
            Save,
            Autostart,
            Monitor,
        ];
        for op in all {
            assert_eq!(TABLE.iter().filter(|(listed, ..)| *listed == op).count(), 1, "{op:?}");
        }
        assert_eq!(TABLE.len(), all.len());
    }

    /// The table of docs/model.md: operations, the routes with xend, with xl, and without a toolstack, and the road of inactive domains with an old xend.
    fn documented() -> Vec<(Vec<Op>, [Route; 3], Option<Road>)> {
        let ops = |words: &str| match words {
            "version, free memory, node info" => vec![Op::Version, Op::Capabilities, Op::NodeInfo],
            "list, info, state, OS type, id" => vec![Op::List, Op::Info],
            // A lookup takes the roads of the list.
            "look up by id, uuid, name" => vec![Op::List],
            "XML" => vec![Op::Xml],
            "suspend" => vec![Op::Suspend],
            "resume" => vec![Op::Resume],
            "shutdown, reboot" => vec![Op::Shutdown, Op::Reboot],
            "destroy" => vec![Op::Destroy],
            "create XML" => vec![Op::Create],
            "save, restore" => vec![Op::Save],
            "define, undefine, autostart" => vec![Op::Define, Op::Undefine, Op::Autostart],
            "start" => vec![Op::Start],
            "monitor" => vec![Op::Monitor],
            other => panic!("the document names '{other}'"),
        };
        let road = |cell: &str| match cell.split([' ', '(']).next() {
            Some("hypercall") => HYPERCALL,
            Some("xend") => XEND,
            Some("xenstore") => XENSTORE,
            Some("xl") => XL,
            Some("store") => STORE,
            Some("" | "not") => NONE,
            _ => panic!("the document names the road '{cell}'"),
        };
        let text = include_str!("../../../docs/model.md");
        let (_, table) = text.split_once("| operation | active, host with xend |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let pair = |at: usize| route(road(cells[at]), road(cells[at + 1]));
            (ops(cells[1]), [pair(2), pair(4), pair(6)], road(cells[8]))
        })
        .collect()
    }

    #[test]
    fn the_document_has_the_same_table() {
        let documented = documented();
        for (ops, [xend, xl, bare], old) in &documented {
            for op in ops {
                assert_eq!(of(HostKind::Xend, *op), *xend, "{op:?}");
                assert_eq!(of(HostKind::Xl, *op), *xl, "{op:?}");
                assert_eq!(of(HostKind::OldXend, *op), route(xend.active, *old), "{op:?}");
                assert_eq!(of(HostKind::Bare, *op), *bare, "{op:?}");
                // With xl alone, everything that has a road has it without hypercalls.
                let alone = of(HostKind::XlAlone, *op);
                let no_hypercall =
                    xl.active.map(|road| if road == Road::Hypercall { Road::Xl } else { road });
                assert_eq!(alone, route(no_hypercall, xl.inactive), "{op:?}");
                assert!(![alone.active, alone.inactive].contains(&HYPERCALL), "{op:?}");
                // With xend alone, everything that has a road has that one.
                let alone = |road: Option<Road>| road.and(XEND);
                assert_eq!(
                    of(HostKind::XendAlone, *op),
                    route(alone(xend.active), alone(xend.inactive)),
                    "{op:?}"
                );
            }
        }
        for (op, ..) in TABLE {
            assert!(documented.iter().any(|(ops, ..)| ops.contains(op)), "{op:?} is not in the document");
        }
    }

    #[test]
    fn where_there_is_a_xend_it_hears_of_every_change() {
        for op in [Op::Suspend, Op::Resume, Op::Shutdown, Op::Reboot, Op::Destroy, Op::Create] {
            assert_eq!(of(HostKind::Xend, op).active, Some(Road::Xend), "{op:?}");
        }
    }

    #[test]
    fn an_old_xend_acts_on_what_lives_and_starts_what_files_remember() {
        for op in Op::all() {
            assert_eq!(of(HostKind::OldXend, op).active, of(HostKind::Xend, op).active, "{op:?}");
            assert_eq!(of(HostKind::OldXendAlone, op).active, of(HostKind::XendAlone, op).active, "{op:?}");
            assert_eq!(of(HostKind::OldXendAlone, op).inactive, None, "{op:?}");
            let files = |road: Road| if op == Op::Start { road } else { Road::Store };
            assert_eq!(
                of(HostKind::OldXend, op).inactive,
                of(HostKind::Xend, op).inactive.map(files),
                "{op:?}"
            );
        }
    }

    #[test]
    fn status_never_waits_for_a_daemon_where_hypercalls_work() {
        for kind in [HostKind::Xend, HostKind::OldXend, HostKind::Xl, HostKind::Bare] {
            assert_eq!(of(kind, Op::Info).active, Some(Road::Hypercall));
            assert_eq!(of(kind, Op::List).active, Some(Road::Hypercall));
        }
    }
}
