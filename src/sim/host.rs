//! The embedded host as a whole: the world behind its lock, the thread that serves it, and the ports of its roads.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::config::{SimConfig, Tools};
use super::reactor::{self, Shared};
use super::release::Release;
use super::serve::{self, Joined};
use super::world::{FarRoad, World};
use super::xend::StateDir;
use super::xl::XlPort;
use super::{replay, scratch, sys};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::capture::Capture;
use crate::wire::port::{Dial, Hypercall, Memory, Toolstack};

/// An embedded Xen host, in this process or served by another one. Cheap to clone; one of this process ends with its last
/// clone and its last port.
///
/// After fork the child's copies are dead: hypercalls and dials fail, and dropping them touches nothing.
#[derive(Debug, Clone)]
pub struct SimHost(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Here(Arc<Running>),
    Joined(Arc<Joined>),
}

impl SimHost {
    /// Starts a host in this process: a thread, and nothing on the file system until xend has a domain to keep.
    ///
    /// Errors: [`Status::NoMemory`] where the ordered guests do not fit, and system calls that fail.
    pub fn start(config: SimConfig) -> Result<SimHost> {
        Ok(SimHost(Kind::Here(Arc::new(Running::start(config, Vec::new())?))))
    }

    /// Joins the host that another process (or thread) serves in `dir`: see [`crate::sim::serve`].
    ///
    /// Errors: [`Status::NoConnect`] where none is served there.
    pub fn join(dir: &Path) -> Result<SimHost> {
        Ok(SimHost(Kind::Joined(Arc::new(Joined::find(dir)?))))
    }

    /// What `xen+sim:///?...` means: joins the host in `dir` where the configuration names one, else starts one.
    pub fn open(config: SimConfig) -> Result<SimHost> {
        match &config.dir {
            Some(dir) => SimHost::join(dir),
            None => SimHost::start(config),
        }
    }

    pub(super) fn of(running: Arc<Running>) -> SimHost {
        SimHost(Kind::Here(running))
    }

    /// The hypervisor.
    pub fn hypercall_port(&self) -> Arc<dyn Hypercall> {
        match &self.0 {
            Kind::Here(running) => Arc::new(HypercallPort(running.clone())),
            Kind::Joined(joined) => joined.hypercall_port(),
        }
    }

    /// xenstored's socket.
    pub fn xenstore_dial(&self) -> Arc<dyn Dial> {
        match &self.0 {
            Kind::Here(running) => Arc::new(PairDial { running: running.clone(), road: FarRoad::Xenstore }),
            Kind::Joined(joined) => joined.xenstore_dial(),
        }
    }

    /// xend's socket.
    pub fn xend_dial(&self) -> Arc<dyn Dial> {
        match &self.0 {
            Kind::Here(running) => Arc::new(PairDial { running: running.clone(), road: FarRoad::Xend }),
            Kind::Joined(joined) => joined.xend_dial(),
        }
    }

    /// Where xend keeps its managed domains, as a real one does in /var/lib/xend: `domains/UUID/config.sxp` in here.
    pub fn xend_state_dir(&self) -> PathBuf {
        match &self.0 {
            Kind::Here(running) => running.state.path().to_owned(),
            Kind::Joined(joined) => joined.state_dir(),
        }
    }

    /// The capture whose host this one stands in for.
    pub fn replayed(&self) -> Option<&Capture> {
        match &self.0 {
            Kind::Here(running) => running.config.capture.as_deref(),
            Kind::Joined(_) => None,
        }
    }

    /// Why a road is not there on a host that stands in for a captured one, which had not got it either.
    pub fn missing(&self, road: Road) -> Option<Error> {
        replay::missing(self.replayed()?, road)
    }

    /// The xl command; None on a host that has none.
    pub fn toolstack(&self) -> Option<Arc<dyn Toolstack>> {
        if let Some(capture) = self.replayed() {
            return replay::has_xl(capture).then(|| Arc::new(replay::NoXl) as Arc<dyn Toolstack>);
        }
        self.xl_port().map(|port| Arc::new(port) as Arc<dyn Toolstack>)
    }

    fn xl_port(&self) -> Option<XlPort> {
        let (tools, dial) = match &self.0 {
            Kind::Here(running) => {
                let dial = PairDial { running: running.clone(), road: FarRoad::Xl };
                (running.config.tools(), Arc::new(dial) as Arc<dyn Dial>)
            }
            Kind::Joined(joined) => (joined.tools(), joined.xl_dial()),
        };
        (tools == Tools::Xl).then(|| XlPort::new(dial))
    }

    /// Kills one of xl's monitors, as `kill -9` would. False where there is none of that number.
    ///
    /// Errors: a host that does not answer, and one without xl.
    pub fn kill_monitor(&self, pid: u32) -> Result<bool> {
        let none = || Error::new(Status::NotSupported, "this embedded host has no xl, and so no monitors");
        let port = self.xl_port().ok_or_else(none)?;
        port.kill_monitor(pid).map_err(|error| failed(format_args!("cannot kill monitor {pid}"), &error))
    }

    /// What /etc/xen is on a real host: a folder of this host's own for the domain files, with `auto` in it. It is made now where it
    /// is missing, and goes with the host unless that is served. A host whose xend keeps the domains itself has
    /// only the path, and nothing there.
    ///
    /// Errors: those of the file system.
    pub fn etc_xen(&self) -> Result<PathBuf> {
        match &self.0 {
            Kind::Here(running) => running.etc_xen(),
            Kind::Joined(joined) => Ok(joined.etc_xen()),
        }
    }

    /// The host's name, which says that it is a simulation.
    pub fn host_name(&self) -> &str {
        match &self.0 {
            Kind::Here(running) => &running.config.name,
            Kind::Joined(joined) => joined.host_name(),
        }
    }

    /// What /proc/cpuinfo is in a real dom0: one processor, by a maker that does not exist. As there, the hypervisor keeps hardware
    /// virtualization for itself.
    pub fn cpuinfo(&self) -> &'static str {
        "processor\t: 0\nvendor_id\t: SimulatedByXenith\nmodel name\t: xenith-sim, a simulated processor\n\
         cpu MHz\t\t: 2400.000\nflags\t\t: fpu tsc msr pae cx8 apic pge cmov pat clflush mmx fxsr sse sse2 syscall nx lm hypervisor\n\n"
    }

    /// The hypervisor's release.
    pub fn release(&self) -> Release {
        match &self.0 {
            Kind::Here(running) => running.config.release,
            Kind::Joined(joined) => joined.release(),
        }
    }
}

/// A host that runs in this process.
#[derive(Debug)]
pub(super) struct Running {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    config: SimConfig,
    state: StateDir,
    /// What /etc/xen is, and what says that it is in use; made when somebody asks for it.
    etc: OnceCell<(PathBuf, Option<File>)>,
    /// The process that has the thread.
    pid: u32,
}

impl Running {
    /// Starts the thread. `listeners` are the sockets of a served host; without `config.dir` there are none.
    pub(super) fn start(config: SimConfig, listeners: Vec<(FarRoad, UnixListener)>) -> Result<Running> {
        let state = match &config.dir {
            Some(dir) => StateDir::Kept(dir.join("xend")),
            None => StateDir::Scratch(scratch::path()),
        };
        let world = World::new(&config, state.clone())?;
        let shared = Shared::new(world).map_err(|error| failed("cannot make an eventfd", &error))?;
        let shared = Arc::new(shared);
        let for_thread = shared.clone();
        let thread = sys::spawn_without_signals("xenith-sim", move || reactor::run(&for_thread, &listeners))
            .map_err(|error| failed("cannot start the embedded host's thread", &error))?;
        Ok(Running {
            shared,
            thread: Mutex::new(Some(thread)),
            config,
            state,
            etc: OnceCell::new(),
            pid: std::process::id(),
        })
    }

    fn is_of_this_process(&self) -> bool {
        self.pid == std::process::id()
    }

    fn etc_xen(&self) -> Result<PathBuf> {
        // Never made: making a folder costs, and nobody would look into it.
        if !self.config.keeps_files() {
            return Ok(serve::etc_xen(self.state.path()));
        }
        let made = self.etc.get_or_try_init(|| {
            let (path, lock) = match &self.config.dir {
                Some(dir) => (serve::etc_xen(dir), None),
                None => {
                    let path = scratch::path();
                    let lock = scratch::make(&path);
                    let lock =
                        lock.map_err(|error| failed(format_args!("cannot make {}", path.display()), &error))?;
                    (path, Some(lock))
                }
            };
            for folder in [path.clone(), path.join("auto")] {
                make_private(&folder)
                    .map_err(|error| failed(format_args!("cannot make {}", folder.display()), &error))?;
            }
            Ok::<_, Error>((path, lock))
        })?;
        Ok(made.0.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In a forked child there is no thread to join, and the lock may have been held when it was copied.
        if !self.is_of_this_process() {
            std::mem::forget(self.thread.get_mut().take());
            return;
        }
        self.shared.stop();
        if let Some(thread) = self.thread.get_mut().take() {
            // Its panic was reported where it happened; there is nobody to tell here.
            let _ = thread.join();
        }
        let is_scratch = self.config.dir.is_none();
        let etc = if is_scratch { self.etc.get().map(|(path, _)| path.as_path()) } else { None };
        let state = matches!(self.state, StateDir::Scratch(_)).then(|| self.state.path());
        for path in etc.into_iter().chain(state) {
            // Not there is as good as removed, and what is left in spite of this the next host sweeps away.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Makes a directory for the owner alone, if it is not there.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// A system call that failed while a host was started or served.
pub(super) fn failed(what: impl std::fmt::Display, error: &io::Error) -> Error {
    let status = match error.kind() {
        io::ErrorKind::PermissionDenied => Status::AccessDenied,
        io::ErrorKind::OutOfMemory => Status::NoMemory,
        _ => Status::OperationFailed,
    };
    let mut failed = Error::new(status, format!("{what}: {error}"));
    failed.errno = error.raw_os_error();
    failed
}

/// Hypercalls run on the caller's thread, under the world's lock, as a trap into a real hypervisor would.
#[derive(Debug)]
struct HypercallPort(Arc<Running>);

impl Hypercall for HypercallPort {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> std::result::Result<i64, i32> {
        if !self.0.is_of_this_process() {
            return Err(libc::ENODEV);
        }
        let (result, acted) = self.0.shared.world.lock().hypercall(op, args, memory);
        if acted {
            self.0.shared.bell.ring();
        }
        result
    }
}

/// Each dial is a socket pair; the far end goes to the thread.
#[derive(Debug)]
struct PairDial {
    running: Arc<Running>,
    road: FarRoad,
}

impl Dial for PairDial {
    fn dial(&self, _deadline: Deadline) -> io::Result<OwnedFd> {
        if !self.running.is_of_this_process() || self.road.is_refused(&self.running.config) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        self.running.shared.arrive(self.road, far)?;
        Ok(near.into())
    }

    fn describe(&self) -> String {
        match self.road {
            FarRoad::Relay => "the embedded hypervisor".into(),
            FarRoad::Xenstore => "the embedded xenstored".into(),
            FarRoad::Xend => "the embedded xend".into(),
            FarRoad::Xl => "the embedded xl".into(),
        }
    }
}
