//! The embedded xl: the far end of a toolstack's command. Arguments and a configuration come in, an exit status and text go out, as with the xl
//! of Xen 4.17; in between the machine and xenstored are acted on. It does no I/O on the road; whoever serves it moves the bytes.
//!
//! | file | what it is |
//! | --- | --- |
//! | `args` | the command line |
//! | `create` | create and restore: a domain begins a life |
//! | `frame`, `port` | how a run gets from a program to here, and its outcome back |
//! | `json` | what `list -l` prints |
//! | `lifecycle` | what is done to living domains, and what is asked about them |
//! | `messages` | what a real xl prints |
//! | `monitor` | what xl leaves behind to act when a life ends |
//! | `save` | the file of a saved domain |
//! | `tree` | what libxl writes into xenstore |
//!
//! Where it knowingly differs from a real one stands in docs/embedded-host.md.

mod args;
mod create;
mod frame;
mod json;
mod lifecycle;
mod messages;
mod monitor;
mod port;
mod save;
mod tree;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::frame::{Answer, Garbled, Question};
use self::monitor::Monitor;
pub(super) use self::port::XlPort;
use super::config::Fault;
use super::guest::Guests;
use super::machine::{Event, Happened, Machine, PAGE_KIB};
use super::xenstored::Xenstored;
use crate::model::guest::Vcpus;
use crate::model::{DomId, Guest};
use crate::wire::port::{ToolExit, ToolOutcome};

/// What xl acts on.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) machine: &'a mut Machine,
    pub(super) store: &'a mut Xenstored,
    pub(super) guests: &'a mut Guests,
    /// Gets the paths of nodes that xl wrote and guests watch: the caller lets the guests look at them.
    pub(super) told: &'a mut Vec<String>,
}

/// One run's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct XlConn(u64);

/// See the module's description.
#[derive(Debug)]
pub(super) struct Xl {
    fault: Option<Fault>,
    lives: BTreeMap<DomId, Life>,
    monitors: BTreeMap<u32, Monitor>,
    next_pid: u32,
    conns: HashMap<u64, Conn>,
    next_conn: u64,
}

/// What libxl keeps about a running domain.
#[derive(Debug, Clone)]
struct Life {
    guest: Guest,
    /// Its configuration is kept: not so for a domain that xl did not finish.
    is_kept: bool,
    display: Option<u16>,
}

#[derive(Debug, Default)]
struct Conn {
    received: Vec<u8>,
    out: Vec<u8>,
    garbled: bool,
    waits: Option<Waits>,
}

/// What a run waits for.
#[derive(Debug)]
enum Waits {
    /// Nothing will come.
    Forever,
    /// These lives to end.
    Ends { domids: Vec<DomId>, said: Text },
    /// This guest to suspend, until then.
    Suspend { save: save::Save, until: Duration },
}

/// What a run printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Text {
    out: String,
    err: String,
}

impl Text {
    fn out(out: impl Into<String>) -> Text {
        Text { out: out.into(), err: String::new() }
    }

    fn err(err: impl Into<String>) -> Text {
        Text { out: String::new(), err: err.into() }
    }

    /// What was printed before, and this.
    fn after(self, before: Text) -> Text {
        Text { out: before.out + &self.out, err: before.err + &self.err }
    }

    fn exits(self, code: i32) -> Ended {
        Ended::Now(ToolOutcome {
            exit: ToolExit::Code(code),
            stdout: self.out.into_bytes(),
            stderr: self.err.into_bytes(),
        })
    }
}

/// A run that ends at once because of what it was told: its status and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused(i32, Text);

/// What becomes of a run.
#[derive(Debug)]
enum Ended {
    Now(ToolOutcome),
    Later(Waits),
}

impl Ended {
    fn killed() -> Ended {
        Ended::Now(ToolOutcome {
            exit: ToolExit::Signal(libc::SIGKILL),
            stdout: Vec::new(),
            stderr: Vec::new(),
        })
    }
}

/// Processes of the embedded host have numbers above every real one's, so that nobody hits one of the machine that it runs on.
const FIRST_PID: u32 = 1 << 30;

impl Xl {
    /// The xl of a host that has just booted, and the guests that run there already.
    pub(super) fn new(fault: Option<Fault>, parts: &mut Parts<'_>) -> Self {
        let mut xl = Xl {
            fault,
            lives: BTreeMap::new(),
            monitors: BTreeMap::new(),
            next_pid: FIRST_PID,
            conns: HashMap::new(),
            next_conn: 0,
        };
        xl.adopt(parts);
        xl
    }

    /// Takes the guests that are there for such that it started.
    fn adopt(&mut self, parts: &mut Parts<'_>) {
        let found: Vec<_> = parts.machine.domains_from(1).cloned().collect();
        for domain in found {
            let domid = domain.domid;
            let name = parts.store.read(0, &format!("/local/domain/{domid}/name")).unwrap_or_default();
            let guest = Guest {
                name: String::from_utf8_lossy(&name).into_owned(),
                uuid: Some(domain.handle),
                memory_kib: domain.tot_pages * PAGE_KIB,
                max_memory_kib: domain.tot_pages * PAGE_KIB,
                vcpus: Vcpus { max: domain.max_vcpus, ..Vcpus::default() },
                ..Guest::default()
            };
            let _ = parts.store.write(0, &format!("/libxl/{domid}/type"), json::kind(domain.guest_type));
            let args = vec!["create".into(), format!("/etc/xen/{}.cfg", guest.name).into()];
            self.mind(domid, &guest.name, args);
            self.lives.insert(domid, Life { guest, is_kept: true, display: None });
        }
    }

    /// A run begins.
    pub(super) fn connect(&mut self) -> XlConn {
        self.next_conn += 1;
        self.conns.insert(self.next_conn, Conn::default());
        XlConn(self.next_conn)
    }

    /// Takes what came and answers what is whole.
    pub(super) fn feed(&mut self, XlConn(id): XlConn, bytes: &[u8], parts: &mut Parts<'_>) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        conn.received.extend_from_slice(bytes);
        while conn.waits.is_none() {
            match Question::take(&mut conn.received) {
                Ok(None) => break,
                Ok(Some(Question::Run { args, config })) => {
                    let args: Vec<String> =
                        args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
                    match self.run(&args, config.as_deref(), parts) {
                        Ended::Now(outcome) => conn.out.extend(Answer::Ran(outcome).encode()),
                        Ended::Later(waits) => conn.waits = Some(waits),
                    }
                }
                Ok(Some(Question::Monitors)) => {
                    let monitors = self.monitors.values().map(Monitor::to_tool).collect();
                    conn.out.extend(Answer::Monitors(monitors).encode());
                }
                Ok(Some(Question::Kill(pid))) => {
                    let killed = self.monitors.remove(&pid).is_some();
                    conn.out.extend(Answer::Killed(killed).encode());
                }
                Err(Garbled) => {
                    conn.garbled = true;
                    break;
                }
            }
        }
        self.conns.insert(id, conn);
    }

    /// Moves what a run has to say into `out`.
    pub(super) fn take_output(&mut self, XlConn(id): XlConn, out: &mut Vec<u8>) {
        if let Some(conn) = self.conns.get_mut(&id) {
            out.append(&mut conn.out);
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn wants_close(&self, XlConn(id): XlConn) -> bool {
        self.conns.get(&id).is_none_or(|conn| conn.garbled)
    }

    /// The run is killed: what it had done stays, and what it waited for happens without it.
    pub(super) fn disconnect(&mut self, XlConn(id): XlConn) {
        self.conns.remove(&id);
    }

    /// Something happened to a domain: its monitor acts when its life is over.
    pub(super) fn happened(&mut self, event: Event, parts: &mut Parts<'_>) {
        match event.what {
            Happened::Shutdown(reason) => self.shut_down(event.domid, reason, parts),
            // By a hypercall, behind xl's back: its monitor sees that it is gone, and cleans nothing up.
            Happened::Destroyed => {
                self.monitors.retain(|_, monitor| monitor.domid != event.domid);
                self.lives.remove(&event.domid);
            }
            Happened::Created | Happened::Runs | Happened::Paused | Happened::PowerButton => {}
        }
        self.look(parts);
    }

    /// When [`Xl::look`] has work to do, whatever happens.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        let until = |conn: &Conn| match conn.waits {
            Some(Waits::Suspend { until, .. }) => Some(until),
            _ => None,
        };
        self.conns.values().filter_map(until).min()
    }

    /// Looks whether what runs wait for has come.
    pub(super) fn look(&mut self, parts: &mut Parts<'_>) {
        let waiting: Vec<u64> =
            self.conns.iter().filter(|(_, conn)| conn.waits.is_some()).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(waits) = self.conns.get_mut(&id).and_then(|conn| conn.waits.take()) else { continue };
            let ended = match waits {
                Waits::Forever => Ended::Later(Waits::Forever),
                Waits::Ends { domids, said } => lifecycle::wait_for_ends(domids, said, parts),
                Waits::Suspend { save, until } => self.go_on_saving(save, until, parts),
            };
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            match ended {
                Ended::Now(outcome) => conn.out.extend(Answer::Ran(outcome).encode()),
                Ended::Later(waits) => conn.waits = Some(waits),
            }
        }
    }

    fn run(&mut self, words: &[String], config: Option<&[u8]>, parts: &mut Parts<'_>) -> Ended {
        match self.fault {
            Some(Fault::Fail) => return Text::err(messages::NO_HYPERVISOR).exits(1),
            Some(Fault::Hang) => return Ended::Later(Waits::Forever),
            Some(Fault::Close) => return Ended::killed(),
            Some(Fault::Rubbish) => {
                let rubbish = vec![0xa5; 64];
                let exit = ToolExit::Code(0);
                return Ended::Now(ToolOutcome { exit, stdout: rubbish.clone(), stderr: rubbish });
            }
            Some(Fault::Half | Fault::Stuck | Fault::Newer | Fault::NoSysctl) | None => {}
        }
        self.obey(words, config, parts).unwrap_or_else(|Refused(code, text)| text.exits(code))
    }

    fn obey(
        &mut self,
        words: &[String],
        config: Option<&[u8]>,
        parts: &mut Parts<'_>,
    ) -> Result<Ended, Refused> {
        let (verb, rest) = args::verb_of(words)?;
        let args = args::read(verb, rest)?;
        match verb.name {
            "create" => self.create(words, &args, config, parts),
            "restore" => self.restore(words, &args, parts),
            "save" => self.save(&args, parts),
            "destroy" => self.destroy(&args, parts),
            "pause" | "unpause" => lifecycle::pause(verb.name, &args, parts),
            "shutdown" | "reboot" => self.ask_to_end(verb.name, &args, parts),
            "list" => self.list(&args, parts),
            "info" => Ok(lifecycle::info(parts)),
            "domid" => lifecycle::domid(&args, parts),
            "domname" => lifecycle::domname(&args, parts),
            "rename" => self.rename(&args, parts),
            _ => Err(Refused(1, Text::err("command not implemented\n"))),
        }
    }
}

/// Seconds since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
