//! The processes that act when a domain's life ends: xl's own, and xenith's where one took the place of a lost one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::model::{DomId, Uuid};
use crate::wire::port::ToolMonitor;

/// The longest command line that is read: a domain's whole configuration may stand there.
const MAX_COMMAND_LINE: u64 = 256 << 10;

/// How much of the end of xl's log is looked at.
const MAX_LOG: u64 = 64 << 10;

/// The verbs of xl that go on as a monitor.
const XL_VERBS: [&str; 3] = ["create", "restore", "migrate-receive"];

/// The verb of the xenith command that is one.
const OWN_VERB: &str = "monitor";

/// A life of a domain, as far as a monitor can be told by it.
#[derive(Debug, Clone, Copy)]
pub struct Minded<'a> {
    /// The domain.
    pub uuid: Uuid,
    /// Its life.
    pub domid: DomId,
    /// Its name, where it has one.
    pub name: Option<&'a str>,
}

/// The process that minds that life; None where there is none.
///
/// What tells a monitor, the surest first: the uuid among its arguments (xenith starts every domain so); the number in its log, which xl writes
/// each time that it begins to wait; and where neither says anything, the name of its log, `xl-NAME.log`. That one is the name of the
/// first life: it does not follow a rename.
pub fn who_minds<'m>(monitors: &'m [ToolMonitor], life: &Minded<'_>) -> Option<&'m ToolMonitor> {
    monitors.iter().find(|monitor| minds(monitor, life))
}

fn minds(monitor: &ToolMonitor, life: &Minded<'_>) -> bool {
    if let Some(what) = own_domain(&monitor.args) {
        return names_domain(what, life);
    }
    if let Some(uuid) = uuid_among(&monitor.args) {
        // Also while it starts the next life, when its log still has the number of the last.
        return uuid == life.uuid;
    }
    match monitor.domid {
        Some(domid) => domid == life.domid,
        None => monitor
            .log
            .as_deref()
            .and_then(name_of_log)
            .is_some_and(|name| life.name.is_some_and(|wanted| name == wanted.as_bytes())),
    }
}

/// The uuid that stands among the arguments as an assignment, `uuid="..."`; the last one counts, as it does for xl.
pub(super) fn uuid_among(args: &[OsString]) -> Option<Uuid> {
    args.iter().rev().find_map(|arg| {
        let (key, value) = arg.to_str()?.split_once('=')?;
        if key.trim() != "uuid" {
            return None;
        }
        let value = value.trim().trim_end_matches(';').trim_end();
        Uuid::try_parse(value.trim_matches(['"', '\''])).ok()
    })
}

/// The NAME of `.../xl-NAME.log`, also of one that xl or logrotate has moved aside since (`.log.1`), or removed.
fn name_of_log(log: &OsStr) -> Option<&[u8]> {
    let file = log.as_bytes().rsplit(|byte| *byte == b'/').next()?;
    let file = file.strip_suffix(b" (deleted)").unwrap_or(file);
    let digits = file.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let bare = match digits {
        0 => file,
        _ => file.get(..file.len() - digits)?.strip_suffix(b".").unwrap_or(file),
    };
    bare.strip_prefix(b"xl-")?.strip_suffix(b".log").filter(|name| !name.is_empty())
}

/// The domain that a monitor of our own minds, as it was given on its command line: `xenith --connect URI monitor DOMAIN`. With
/// `--detach` it only starts one.
fn own_domain(args: &[OsString]) -> Option<&OsStr> {
    if args.iter().any(|arg| arg == "--detach") {
        return None;
    }
    let mut words =
        args.iter().map(OsString::as_os_str).skip_while(|arg| *arg != OsStr::new(OWN_VERB)).skip(1);
    words.find(|arg| !arg.as_bytes().starts_with(b"-"))
}

fn names_domain(what: &OsStr, life: &Minded<'_>) -> bool {
    let Some(what) = what.to_str() else { return false };
    Uuid::try_parse(what).is_ok_and(|uuid| uuid == life.uuid)
        || life.name == Some(what)
        || what.parse() == Ok(life.domid)
}

/// The monitors among the processes that `proc` shows. Processes that end meanwhile, or that this user may not look at, are passed
/// over; an own monitor counts also where it is this very process.
pub(super) fn running(proc: &Path) -> io::Result<Vec<ToolMonitor>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(proc)? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        found.extend(look_at(&entry.path(), pid));
    }
    Ok(found)
}

fn look_at(folder: &Path, pid: u32) -> Option<ToolMonitor> {
    let mut args = command_line(&folder.join("cmdline"))?;
    let command = args.remove(0);
    let base = command.as_bytes().rsplit(|byte| *byte == b'/').next()?;
    match base {
        b"xl" => {
            let verb = args.iter().find(|arg| !arg.as_bytes().starts_with(b"-"))?;
            if !XL_VERBS.iter().any(|known| verb == known) {
                return None;
            }
            let stdout = folder.join("fd/1");
            let log = fs::read_link(&stdout).map(|link| link.into_os_string());
            match log {
                // Until the domain is there, xl writes to whoever started it; then a copy goes on that writes to its log.
                Ok(log) if name_of_log(&log).is_some() => {
                    Some(ToolMonitor { pid, args, log: Some(log), domid: waits_for(&stdout) })
                }
                // Asked not to leave a copy: it is the monitor itself, wherever it writes to.
                Ok(_) if in_foreground(&args) => Some(ToolMonitor { pid, args, log: None, domid: None }),
                Ok(_) => None,
                // Another user's process: a monitor has been left behind when init is its parent.
                Err(_) => (parent(&folder.join("stat"))? == 1).then_some(ToolMonitor {
                    pid,
                    args,
                    log: None,
                    domid: None,
                }),
            }
        }
        b"xenith" => {
            own_domain(&args)?;
            // The one that waits for a run of xl has its maker's command line, and may outlive it.
            if fs::read(folder.join("comm")).is_ok_and(|name| name == b"xenith-keeper\n") {
                return None;
            }
            Some(ToolMonitor { pid, args, log: None, domid: None })
        }
        _ => None,
    }
}

/// The command and its arguments; None for a kernel thread, or where the process is gone.
fn command_line(path: &Path) -> Option<Vec<OsString>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_COMMAND_LINE).read_to_end(&mut bytes).ok()?;
    if bytes.is_empty() {
        return None;
    }
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Some(bytes.split(|byte| *byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect())
}

/// `xl create -F`.
fn in_foreground(args: &[OsString]) -> bool {
    args.iter().any(|arg| {
        let arg = arg.as_bytes();
        arg.len() > 1 && arg.starts_with(b"-") && !arg.starts_with(b"--") && arg.contains(&b'F')
    })
}

fn parent(stat: &Path) -> Option<u32> {
    let text = fs::read(stat).ok()?;
    // The name in parentheses may hold anything.
    let after = text.rsplit(|byte| *byte == b')').next()?;
    std::str::from_utf8(after).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The life that a monitor has said to wait for, from the end of its log. xl writes
/// `Waiting for domain NAME (domid 5) to die [pid 190]`, in every release.
fn waits_for(log: &Path) -> Option<DomId> {
    let mut file = File::open(log).ok()?;
    // What a pipe or a device would say is not a log's.
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(MAX_LOG))).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut bytes).ok()?;
    last_wait(&String::from_utf8_lossy(&bytes))
}

fn last_wait(log: &str) -> Option<DomId> {
    log.lines().rev().find_map(|line| {
        let line = line.strip_prefix("Waiting for domain ")?;
        // From the end: the name may hold the same words.
        let (line, _) = line.rsplit_once(") to die [pid ")?;
        line.rsplit_once(" (domid ")?.1.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    const UUID: &str = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";

    fn monitor(args: &[&str], log: Option<&str>, domid: Option<DomId>) -> ToolMonitor {
        ToolMonitor {
            pid: 1,
            args: args.iter().map(OsString::from).collect(),
            log: log.map(OsString::from),
            domid,
        }
    }

    fn web(domid: DomId) -> Minded<'static> {
        Minded { uuid: Uuid::try_parse(UUID).unwrap(), domid, name: Some("web") }
    }

    #[test]
    fn a_monitor_is_told_by_uuid_then_by_number_then_by_the_name_of_its_log() {
        let ours = format!("uuid=\"{UUID}\"");
        let log = Some("/var/log/xen/xl-web.log");
        for (what, monitor, expected) in [
            ("uuid", monitor(&["create", "/proc/self/fd/3", &ours], log, Some(5)), true),
            ("uuid while it reboots", monitor(&["create", "/proc/self/fd/3", &ours], log, Some(4)), true),
            ("another uuid", monitor(&["create", "f", &ours.replace('4', "5")], log, Some(5)), false),
            ("number", monitor(&["create", "/etc/xen/web.cfg"], None, Some(5)), true),
            ("another number", monitor(&["create", "/etc/xen/web.cfg"], log, Some(4)), false),
            ("number, renamed", monitor(&["create", "f"], Some("/var/log/xen/xl-old.log"), Some(5)), true),
            ("log", monitor(&["restore", "f"], log, None), true),
            ("rotated", monitor(&["restore", "f"], Some("/var/log/xen/xl-web.log.1"), None), true),
            ("removed", monitor(&["restore", "f"], Some("/var/log/xen/xl-web.log.12 (deleted)"), None), true),
            ("another log", monitor(&["restore", "f"], Some("/var/log/xen/xl-web2.log"), None), false),
            ("no log", monitor(&["restore", "f"], None, None), false),
            ("ours", monitor(&["--connect", "xen:///", "monitor", UUID], None, None), true),
            ("ours, by name", monitor(&["monitor", "web"], None, None), true),
            ("ours, by number", monitor(&["monitor", "5"], None, None), true),
            ("ours, only starting one", monitor(&["monitor", "--detach", "web"], None, None), false),
            ("ours, of another", monitor(&["monitor", "web2"], None, None), false),
            ("ours, of none", monitor(&["monitor"], None, None), false),
        ] {
            assert_eq!(who_minds(&[monitor], &web(5)).is_some(), expected, "{what}");
        }
    }

    #[test]
    fn a_uuid_is_read_as_xl_reads_assignments() {
        let read = |args: &[&str]| uuid_among(&args.iter().map(OsString::from).collect::<Vec<_>>());
        let expected = Uuid::try_parse(UUID).ok();
        for text in [format!("uuid=\"{UUID}\""), format!("uuid = '{UUID}' ;"), format!("uuid={UUID}")] {
            assert_eq!(read(&["create", &text]), expected, "{text}");
        }
        assert_eq!(
            read(&["create", "uuid=\"00000000-0000-0000-0000-000000000001\"", &format!("uuid='{UUID}'")]),
            expected
        );
        assert_eq!(read(&["create", "uuid=", "name='uuid'", UUID]), None);
    }

    #[test]
    fn the_last_wait_in_a_log_counts_whatever_the_name_says() {
        let log = "Waiting for domain a (domid 3) to die [pid 9]\nDomain 3 has shut down, reason code 1 0x1\n\
                   Waiting for domain x (domid 7) to die [pid 1 (domid 4) to die [pid 9]\nAction for shutdown\n";
        assert_eq!(last_wait(log), Some(4));
        assert_eq!(last_wait("Waiting for domain a (domid x) to die [pid 9]"), None);
        assert_eq!(last_wait(""), None);
    }

    struct Proc(PathBuf);

    impl Proc {
        fn new() -> Proc {
            let folder = std::env::temp_dir().join(format!("xenith-proc-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("uptime"), "1").unwrap();
            Proc(folder)
        }

        fn process(&self, pid: u32, args: &[&str], stdout: &str) {
            let folder = self.0.join(pid.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            fs::write(folder.join("cmdline"), args.iter().map(|arg| format!("{arg}\0")).collect::<String>())
                .unwrap();
            fs::write(folder.join("stat"), format!("{pid} (xl) S 1 {pid} {pid} 0 -1 4194560")).unwrap();
            if !stdout.is_empty() {
                symlink(stdout, folder.join("fd/1")).unwrap();
            }
        }
    }

    impl Drop for Proc {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn processes_that_have_become_monitors_are_found_and_others_are_not() {
        let proc = Proc::new();
        let log = proc.0.join("xl-a.log");
        fs::write(&log, "Waiting for domain a (domid 6) to die [pid 10]\n").unwrap();
        proc.process(10, &["/usr/lib/xen-4.17/bin/xl", "create", "f"], log.to_str().unwrap());
        proc.process(11, &["xl", "-v", "restore", "f"], "/var/log/xen/xl-gone.log.2");
        proc.process(12, &["xl", "create", "still-creating"], "/memfd:xenith (deleted)");
        proc.process(13, &["xl", "create", "-F", "f"], "/dev/pts/0");
        proc.process(14, &["xl", "console", "create"], "/var/log/xen/xl-no.log");
        proc.process(15, &["/usr/bin/xlock", "create", "f"], "/var/log/xen/xl-no.log");
        proc.process(16, &["/usr/local/bin/xenith", "--connect", "xen:///", "monitor", UUID], "/dev/null");
        proc.process(17, &["xenith", "list"], "/dev/null");
        proc.process(18, &[], "");
        proc.process(19, &["xl", "create", "another-users"], "");
        let mut found = running(&proc.0).unwrap();
        found.sort_by_key(|monitor| monitor.pid);
        let pids: Vec<u32> = found.iter().map(|monitor| monitor.pid).collect();
        assert_eq!(pids, [10, 11, 13, 16, 19]);
        assert_eq!(found[0].domid, Some(6));
        assert_eq!(found[0].args, ["create", "f"]);
        assert_eq!(found[1].log.as_deref(), Some(OsStr::new("/var/log/xen/xl-gone.log.2")));
    }
}
