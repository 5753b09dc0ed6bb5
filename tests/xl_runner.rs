//! Runs of the xl command, with stand-ins for it: what it is given, and what becomes of it when something goes wrong.

#![allow(unsafe_code, reason = "SIGCHLD and waiting for any child have no safe wrapper")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use xenith::channel::xl::{LocalXl, Xl};
use xenith::deadline::Deadline;
use xenith::log::Log;
use xenith::model::Uuid;
use xenith::wire::port::{CONFIG_PATH, ToolExit, ToolOutcome, ToolRun, Toolstack};
use xenith::{Road, Status};

/// A folder with a stand-in for xl.
struct StandIn {
    folder: PathBuf,
}

impl StandIn {
    fn new(script: &str) -> StandIn {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("xenith-runner-{}-{made}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let stand_in = StandIn { folder };
        stand_in.script("xl", script);
        stand_in
    }

    /// Written by another process: a script that this one has open for writing while another test's thread starts a
    /// process cannot be run ("text file busy").
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        let source = self.folder.join(format!("{name}.source"));
        let text = text.replace("FOLDER", self.folder.to_str().unwrap());
        fs::write(&source, format!("#!/bin/bash\n{text}\n")).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new("cp").arg("-p").args([&source, &path]).status().unwrap().success());
        path
    }

    fn tool(&self) -> LocalXl {
        LocalXl::find(Some(&self.folder.join("xl")), &Log::default()).unwrap().with_scopes(None)
    }

    fn xl(&self) -> Xl {
        Xl::over(Arc::new(self.tool()))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Waits for a file that the stand-in writes.
    fn wait_for(&self, name: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.read(name);
            if text.ends_with('\n') {
                return text.trim_end().to_owned();
            }
            assert!(Instant::now() < until, "the stand-in never wrote {name}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn run(tool: &LocalXl, args: &[&str], config: Option<&str>, deadline: Deadline) -> ToolOutcome {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    tool.run(ToolRun { args: &args, config: config.map(str::as_bytes) }, deadline).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn is_alive(pid: &str) -> bool {
    // A zombie has no command line.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn arguments_arrive_as_they_are_and_the_configuration_as_descriptor_three() {
    let stand_in = StandIn::new(r#"printf '[%s]\n' "$@"; cat "${@: -1}"; cat /proc/self/fd/3"#);
    let odd = ["a b", "", "$HOME `id` \"'", "\u{fc}\n;", "*"];
    let mut args = odd.to_vec();
    args.push(CONFIG_PATH);
    let outcome = run(&stand_in.tool(), &args, Some("name = 'x'\n"), soon());
    let expected: String = args.iter().map(|arg| format!("[{arg}]\n")).collect();
    assert_eq!(outcome.exit, ToolExit::Code(0));
    assert_eq!(text(&outcome.stdout), format!("{expected}name = 'x'\nname = 'x'\n"));
    assert_eq!(text(&outcome.stderr), "");
}

#[test]
fn the_command_gets_a_small_world_and_nothing_of_the_callers() {
    // Other programs take the shell's place, which has descriptors and signals of its own.
    let stand_in = StandIn::new(
        r#"case $1 in
        fds) exec ls -l /proc/self/fd;;
        rest) umask; pwd; echo $$; exec cat /proc/self/stat /proc/self/status /proc/self/environ;;
        esac"#,
    );
    // A descriptor that is not closed on exec, and a signal that is ignored, as careless programs have them.
    let leaked = fs::File::open("/dev/zero").unwrap();
    // SAFETY: no pointers; the descriptor is open. SIGUSR1 means nothing to the tests beside this one.
    let leaked = unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        libc::dup(std::os::fd::AsRawFd::as_raw_fd(&leaked))
    };
    let fds = run(&stand_in.tool(), &["fds"], Some("x"), soon());
    let rest = run(&stand_in.tool(), &["rest"], Some("x"), soon());
    // SAFETY: the descriptor is this test's own.
    unsafe { libc::close(leaked) };

    let fds: Vec<&str> =
        text(&fds.stdout).lines().filter_map(|line| line.split_once(" -> ")).map(|(_, to)| to).collect();
    assert_eq!(fds[0], "/dev/null");
    assert_eq!(fds.len(), 5, "the fifth is the folder that ls reads: {fds:?}");
    assert!(fds[4].starts_with("/proc/"), "{fds:?}");

    let rest = text(&rest.stdout);
    let lines: Vec<&str> = rest.lines().collect();
    assert_eq!(lines[..2], ["0077", "/"]);
    let pid = lines[2];
    let stat: Vec<&str> = lines[3].rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(stat[2..4], [pid, pid], "process group and session");
    for quiet in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(lines.contains(&quiet), "{rest}");
    }
    let mut environ: Vec<&str> =
        lines.last().unwrap().split('\0').filter(|entry| !entry.is_empty()).collect();
    environ.retain(|entry| {
        !["_=", "PWD=", "OLDPWD=", "SHLVL="].iter().any(|of_bash| entry.starts_with(of_bash))
    });
    environ.sort_unstable();
    assert_eq!(
        environ,
        ["HOME=/", "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    );
}

#[test]
fn how_it_ended_is_told_by_status_or_signal() {
    let stand_in = StandIn::new("echo out; echo err >&2; [ \"$1\" = kill ] && kill -9 $$; exit $1");
    let tool = stand_in.tool();
    for status in [0, 1, 3, 255] {
        let outcome = run(&tool, &[&status.to_string()], None, soon());
        assert_eq!(outcome.exit, ToolExit::Code(status));
        assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("out\n", "err\n"));
    }
    assert_eq!(run(&tool, &["kill"], None, soon()).exit, ToolExit::Signal(9));
}

#[test]
fn a_file_that_is_no_program_is_an_error_with_the_reason() {
    let stand_in = StandIn::new("");
    fs::write(stand_in.folder.join("noise"), b"\x7fnonsense").unwrap();
    fs::set_permissions(stand_in.folder.join("noise"), fs::Permissions::from_mode(0o755)).unwrap();
    let xl = Xl::find(Some(&stand_in.folder.join("noise")), &Log::default()).unwrap();
    let error = xl.destroy(5, soon()).unwrap_err();
    assert_eq!((error.road, error.errno), (Road::Xl, Some(libc::ENOEXEC)));
    assert!(error.message.contains("noise"), "{error}");
}

#[test]
fn one_that_hangs_is_ended_with_all_it_waits_for_but_not_what_it_left_on_purpose() {
    let stand_in = StandIn::new(
        r#"setsid sleep 1000 > /dev/null 2>&1 &
        echo $! > FOLDER/monitor
        (trap '' TERM; sleep 1001; sleep 1002) &
        echo $! > FOLDER/script
        echo words >&2
        wait"#,
    );
    let begun = Instant::now();
    let error = stand_in.xl().destroy(5, Deadline::after(Duration::from_millis(1500))).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(error.status, Status::Timeout);
    assert!(error.message.contains("words"), "{error}");
    let (monitor, script) = (stand_in.wait_for("monitor"), stand_in.wait_for("script"));
    wait_until("what it waited for is gone", || !is_alive(&script));
    assert!(is_alive(&monitor));
    Command::new("kill").arg(&monitor).status().unwrap();
}

#[test]
fn one_that_does_not_listen_to_term_is_killed() {
    let stand_in = StandIn::new("trap '' TERM; echo $$ > FOLDER/pid; while :; do sleep 1000; done");
    let outcome = run(&stand_in.tool(), &["list"], None, Deadline::after(Duration::from_millis(1500)));
    assert_eq!(outcome.exit, ToolExit::Late);
    wait_until("it is gone", || !is_alive(&stand_in.wait_for("pid")));
}

#[test]
fn what_it_leaves_behind_with_its_output_open_is_not_waited_for() {
    let stand_in = StandIn::new("setsid sleep 1000 & echo $! > FOLDER/left; echo done");
    let begun = Instant::now();
    let outcome = run(&stand_in.tool(), &["create"], None, soon());
    assert!(begun.elapsed() < Duration::from_secs(50));
    assert_eq!((outcome.exit, text(&outcome.stdout)), (ToolExit::Code(0), "done\n"));
    let left = stand_in.wait_for("left");
    assert!(is_alive(&left));
    Command::new("kill").arg(&left).status().unwrap();
}

#[test]
fn much_output_is_cut_and_endless_output_is_ended() {
    let stand_in = StandIn::new("case $1 in much) head -c 20000000 /dev/zero;; *) cat /dev/zero;; esac");
    let tool = stand_in.tool();
    let outcome = run(&tool, &["much"], None, soon());
    assert_eq!((outcome.exit, outcome.stdout.len()), (ToolExit::Code(0), 16 << 20));
    let outcome = run(&tool, &["endless"], None, soon());
    assert_eq!((outcome.exit, outcome.stdout.len()), (ToolExit::Signal(libc::SIGXFSZ), 16 << 20));
}

#[test]
fn calls_say_what_xl_is_to_do() {
    let stand_in =
        StandIn::new(r#"echo "$@" >> FOLDER/said; cat /proc/self/fd/3 >> FOLDER/config 2>/dev/null; exit 0"#);
    let xl = stand_in.xl();
    let uuid = Uuid::try_parse("4dea22b3-1d52-d8f3-2516-782e98ab3fa0").unwrap();
    xl.create("name = 'a'\n", uuid, &["vif=['mac=00:16:3e:00:00:01']".into()], true, soon()).unwrap();
    xl.create("name = 'b'\n", uuid, &[], false, soon()).unwrap();
    xl.destroy(7, soon()).unwrap();
    xl.unpause(7, soon()).unwrap();
    xl.shutdown(7, soon()).unwrap();
    xl.reboot(7, soon()).unwrap();
    xl.save(7, Path::new("/tmp/-state"), soon()).unwrap();
    xl.restore(Path::new("/tmp/-state"), true, soon()).unwrap();
    xl.restore(Path::new("/tmp/-state"), false, soon()).unwrap();
    xl.dump_core(7, Path::new("/tmp/core"), soon()).unwrap();
    xl.configuration(7, soon()).unwrap();
    assert_eq!(
        stand_in.read("said"),
        "create -p /proc/self/fd/3 vif=['mac=00:16:3e:00:00:01'] uuid=\"4dea22b3-1d52-d8f3-2516-782e98ab3fa0\"\n\
         create /proc/self/fd/3 uuid=\"4dea22b3-1d52-d8f3-2516-782e98ab3fa0\"\n\
         destroy 7\nunpause 7\nshutdown -F 7\nreboot -F 7\nsave 7 /tmp/-state\nrestore -p /tmp/-state\n\
         restore /tmp/-state\ndump-core 7 /tmp/core\nlist -l 7\n"
    );
    assert_eq!(stand_in.read("config"), "name = 'a'\nname = 'b'\n");
    assert_eq!(xl.runs(), 11);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_before_xl_sees_it() {
    let stand_in = StandIn::new("echo ran > FOLDER/ran");
    let xl = stand_in.xl();
    let create = |config: &str, line: &str| {
        xl.create(config, Uuid::nil(), &[line.to_owned()], false, soon()).unwrap_err().status
    };
    assert_eq!(create("name = 'a'\0", "x=1"), Status::InvalidConfig);
    assert_eq!(create("name = 'a'", "x=1\ny=2"), Status::InvalidConfig);
    assert_eq!(xl.restore(Path::new("/tmp/a\0b"), false, soon()).unwrap_err().status, Status::InvalidArg);
    assert_eq!(stand_in.read("ran"), "");
}

#[test]
fn a_relative_file_is_meant_from_the_callers_folder() {
    let stand_in = StandIn::new(r#"printf '%s\n' "${@: -1}""#);
    let tool = Arc::new(stand_in.tool());
    let xl = Xl::over(tool);
    xl.restore(Path::new("-p"), false, soon()).unwrap();
    // What the call passed on can be seen in a run that fails.
    stand_in.script("xl", r#"echo "${@: -1}" >&2; exit 1"#);
    let error = stand_in.xl().restore(Path::new("-p"), false, soon()).unwrap_err();
    let here = std::env::current_dir().unwrap();
    assert!(error.message.contains(&format!("{}/-p", here.display())), "{error}");
}

#[test]
fn an_unpause_that_xl_ends_with_zero_fails_when_it_complained() {
    let stand_in = StandIn::new(
        "echo 'libxl: error: libxl_domain.c:688:domain_unpause_done: Domain 1:Unpausing domain: Invalid argument' >&2",
    );
    let error = stand_in.xl().unpause(1, soon()).unwrap_err();
    assert_eq!(error.status, Status::OperationFailed);
    assert_eq!(error.message, "unpause failed: Unpausing domain: Invalid argument");
}

/// A stand-in for systemd-run: notes its options, then becomes the command, or fails.
const SYSTEMD_RUN: &str = r#"printf '%s\n' "$@" >> FOLDER/options
[ -e FOLDER/broken ] && { echo 'Failed to connect to bus: No such file or directory' >&2; exit 1; }
while [ "$1" != -- ]; do [ "$1" = --expand-environment=no ] && [ -e FOLDER/old ] && { echo "unrecognized option" >&2; exit 1; }; shift; done
shift; exec "$@""#;

#[test]
fn what_leaves_a_monitor_runs_in_a_scope_and_nothing_else_does() {
    let stand_in =
        StandIn::new("echo \"$@\" >> FOLDER/said; cat /proc/self/fd/3 >> FOLDER/said; exit ${FAIL:-0}");
    let systemd_run = stand_in.script("systemd-run", SYSTEMD_RUN);
    let tool = stand_in.tool().with_scopes(Some(systemd_run));
    run(&tool, &["destroy", "5"], None, soon());
    assert_eq!(stand_in.read("options"), "");
    let uuid = "uuid=\"4dea22b3-1d52-d8f3-2516-782e98ab3fa0\"";
    let outcome = run(&tool, &["create", CONFIG_PATH, uuid], Some("config\n"), soon());
    assert_eq!(outcome.exit, ToolExit::Code(0));
    let options = stand_in.read("options");
    for option in [
        "--scope\n",
        "--collect\n",
        "--unit=xenith-4dea22b3-1d52-d8f3-2516-782e98ab3fa0-",
        "Before=xendomains.service\n",
    ] {
        assert!(options.contains(option), "{options}");
    }
    assert!(!options.contains("expand"), "{options}");
    assert!(stand_in.read("said").ends_with(&format!("create {CONFIG_PATH} {uuid}\nconfig\n")));
}

#[test]
fn without_a_scope_xl_runs_all_the_same_once_and_the_log_says_so() {
    let stand_in = StandIn::new("echo \"$@\" >> FOLDER/said; exit 3");
    let systemd_run = stand_in.script("systemd-run", SYSTEMD_RUN);
    fs::write(stand_in.folder.join("broken"), "").unwrap();
    let heard = Arc::new(parking_lot::Mutex::new(String::new()));
    let sink = heard.clone();
    let log = Log::to(move |_, line| sink.lock().push_str(line));
    let tool = LocalXl::find(Some(&stand_in.folder.join("xl")), &log)
        .unwrap()
        .with_scopes(Some(systemd_run.clone()));
    let outcome = run(&tool, &["create", "a"], None, soon());
    assert_eq!((outcome.exit, stand_in.read("said")), (ToolExit::Code(3), "create a\n".into()));
    assert!(heard.lock().contains("Failed to connect to bus"), "{}", heard.lock());

    // A failure of xl's own in a scope is not run again.
    fs::remove_file(stand_in.folder.join("broken")).unwrap();
    heard.lock().clear();
    assert_eq!(run(&tool, &["create", "b"], None, soon()).exit, ToolExit::Code(3));
    assert_eq!(stand_in.read("said"), "create a\ncreate b\n");
    assert_eq!(*heard.lock(), "");

    // The option that an older systemd-run does not know is left out there.
    fs::write(stand_in.folder.join("old"), "").unwrap();
    run(&tool, &["create", "$c"], None, soon());
    assert_eq!(stand_in.read("said"), "create a\ncreate b\ncreate $c\n");
    assert_eq!(*heard.lock(), "");
}

/// What the next test does in a process of its own, named by this variable: it changes what belongs to the whole process.
const MODE: &str = "XENITH_TEST_MODE";

#[test]
fn inside_a_process_with_other_manners() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let (kind, folder) = mode.split_once(':').unwrap();
    let tool = LocalXl::find(Some(&Path::new(folder).join("xl")), &Log::default()).unwrap().with_scopes(None);
    let stop = AtomicBool::new(false);
    let stolen = AtomicU32::new(0);
    // SAFETY: dispositions of this process, which is only here for this.
    unsafe {
        match kind {
            "ignored" => {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            }
            "killed" => {
                let args = ["create".into()];
                let _ = tool.run(ToolRun { args: &args, config: Some(b"config") }, soon());
                unreachable!("killed by then");
            }
            _ => {}
        }
    }
    std::thread::scope(|scope| {
        if kind == "waiting" {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // SAFETY: no status is asked for.
                    if unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {
                        stolen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let tool = &tool;
                scope.spawn(move || {
                    for round in 0..10 {
                        let code = (worker * 10 + round) % 200;
                        let outcome = run(tool, &[&code.to_string()], Some("config"), soon());
                        assert_eq!(outcome.exit, ToolExit::Code(code));
                        assert_eq!(text(&outcome.stdout), format!("config{code}\n"));
                    }
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(stolen.load(Ordering::Relaxed), 0, "the keepers are not the program's children");
    // SAFETY: no status is asked for.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
    assert_eq!(left, -1, "no keeper is left");
}

fn with_other_manners(kind: &str, stand_in: &StandIn) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "inside_a_process_with_other_manners", "--nocapture", "--test-threads=1"])
        .env(MODE, format!("{kind}:{}", stand_in.folder.display()));
    command
}

#[test]
fn statuses_arrive_whatever_the_program_does_with_its_children() {
    for kind in ["plain", "ignored", "waiting"] {
        let stand_in = StandIn::new("cat /proc/self/fd/3; echo $1; exit $1");
        let output = with_other_manners(kind, &stand_in).output().unwrap();
        assert!(output.status.success(), "{kind}: {}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn a_caller_that_is_killed_takes_nothing_along() {
    let stand_in = StandIn::new(
        r#"echo $$ > FOLDER/pid; echo $PPID > FOLDER/keeper
        while [ ! -e FOLDER/go ]; do sleep 0.05; done
        for i in $(seq 1000); do echo words; echo words >&2; done
        cat /proc/self/fd/3 > FOLDER/config; echo >> FOLDER/config"#,
    );
    let mut caller = with_other_manners("killed", &stand_in).spawn().unwrap();
    let pid = stand_in.wait_for("pid");
    let keeper = stand_in.wait_for("keeper");
    caller.kill().unwrap();
    caller.wait().unwrap();
    assert!(is_alive(&pid));
    fs::write(stand_in.folder.join("go"), "").unwrap();
    assert_eq!(stand_in.wait_for("config"), "config");
    wait_until("the keeper ends with its command", || !is_alive(&keeper));
}
