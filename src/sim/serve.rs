//! One embedded host for many processes: [`serve`] offers it in a directory, [`SimHost::join`] finds it there.
//!
//! | in the directory | what it is |
//! | --- | --- |
//! | `host` | a few lines of text: versions, the host's name, the server's pid |
//! | `hypercall.sock`, `xenstored.sock`, `xend.sock`, `xl.sock` | the roads |
//! | `xend` | xend's managed domains; stays when the server ends, as a real host's do over a reboot |
//! | `etc-xen` | what /etc/xen is on a real host without xend; stays as well |
//! | `lock` | held by the server while it lives |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::config::{SimConfig, Tools};
use super::host::{Running, SimHost, failed, make_private};
use super::relay;
use super::release::Release;
use super::sys::{self, Interest};
use super::world::FarRoad;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Status};
use crate::wire::port::{Dial, Hypercall, Memory};

const HOST: &str = "host";
const LOCK: &str = "lock";
const HYPERCALL: &str = "hypercall.sock";
const XENSTORE: &str = "xenstored.sock";
const XEND: &str = "xend.sock";
const XL: &str = "xl.sock";

/// How long a hypercall waits for the serving process: as long as a quick call may take, unless its caller says otherwise. A real one
/// has no deadline, and so its port takes none; a server that is stopped must not hold its clients for ever.
const HYPERCALL_PATIENCE: Duration = Duration::from_secs(10);

/// The largest `host` file that is read.
const MAX_HOST_FILE: u64 = 4096;

/// A host that is being served. When this is dropped its sockets are taken away; the host itself ends with the last of those who
/// hold it, which is this one unless [`Server::host`] was cloned.
#[derive(Debug)]
pub struct Server {
    host: Option<SimHost>,
    dir: PathBuf,
    /// Closing it gives the lock up.
    _lock: File,
    pid: u32,
}

/// Serves a host in `dir`, which is made, for its owner only, if it is not there.
///
/// Errors: [`Status::Exists`] where a living process serves one there already; system calls that fail.
pub fn serve(config: SimConfig, dir: &Path) -> Result<Server> {
    let dir = std::path::absolute(dir)
        .map_err(|error| failed(format_args!("cannot serve in {}", dir.display()), &error))?;
    make_private(&dir).map_err(|error| failed(format_args!("cannot make {}", dir.display()), &error))?;
    let lock = take_lock(&dir)?;
    let kept: &[PathBuf] = match config.tools() {
        Tools::Xend if config.keeps_files() => &[dir.join("xend"), etc_xen(&dir), etc_xen(&dir).join("auto")],
        Tools::Xend => &[dir.join("xend")],
        Tools::Xl | Tools::None => &[etc_xen(&dir), etc_xen(&dir).join("auto")],
    };
    for folder in kept {
        make_private(folder)
            .map_err(|error| failed(format_args!("cannot make {}", folder.display()), &error))?;
    }
    let mut listeners = vec![(FarRoad::Relay, listen(&dir, HYPERCALL)?)];
    for (road, name) in [(FarRoad::Xenstore, XENSTORE), (FarRoad::Xend, XEND), (FarRoad::Xl, XL)] {
        let listener = listen(&dir, name)?;
        // A socket that nobody listens at refuses, as that of a dead daemon does.
        if !road.is_refused(&config) {
            listeners.push((road, listener));
        }
    }
    let config = SimConfig { dir: Some(dir.clone()), ..config };
    let about = describe(&config);
    let running = Running::start(config, listeners)?;
    let server =
        Server { host: Some(SimHost::of(Arc::new(running))), dir, _lock: lock, pid: std::process::id() };
    // Last: who finds it finds everything else.
    let (path, beside) = (server.dir.join(HOST), server.dir.join("host.new"));
    fs::write(&beside, about)
        .and_then(|()| fs::rename(&beside, &path))
        .map_err(|error| failed(format_args!("cannot write {}", path.display()), &error))?;
    Ok(server)
}

impl Server {
    /// The directory, as an absolute path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The host itself, for this process.
    pub fn host(&self) -> Option<&SimHost> {
        self.host.as_ref()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A forked child neither ends its parent's host nor takes its sockets away.
        if self.pid != std::process::id() {
            return;
        }
        // The lock last: until then nobody else serves here. What cannot be removed is stale, and the next server replaces it.
        for name in [HOST, HYPERCALL, XENSTORE, XEND, XL] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        self.host = None;
        let _ = fs::remove_file(self.dir.join(LOCK));
    }
}

fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let cannot = |error: io::Error| failed(format_args!("cannot lock {}", path.display()), &error);
    loop {
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(cannot)?;
        if !sys::try_lock(&lock).map_err(cannot)? {
            break;
        }
        // A server that ended in this moment has taken the file away: then this lock is of no file, and is taken anew.
        let held = lock.metadata().map_err(cannot)?;
        if fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
            return Ok(lock);
        }
    }
    Err(Error::new(
        Status::Exists,
        format!(
            "a living process serves an embedded host in {} already: join it with xen+sim:///?dir={}",
            dir.display(),
            dir.display()
        ),
    ))
}

/// Listens at a socket of the directory. One that is there is a dead server's: the lock says so.
fn listen(dir: &Path, name: &str) -> Result<UnixListener> {
    let path = dir.join(name);
    let bind = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The directory may have been there before, and be open to others.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error| failed(format_args!("cannot listen at {}", path.display()), &error))
}

fn describe(config: &SimConfig) -> String {
    format!(
        "xenith-sim {}\nxen {}\ntoolstack {}\nname {}\npid {}\n",
        relay::VERSION,
        config.release.word(),
        config.tools().name(),
        config.name,
        std::process::id()
    )
}

/// A host that another process serves.
#[derive(Debug)]
pub(super) struct Joined {
    dir: PathBuf,
    release: Release,
    tools: Tools,
    name: String,
}

impl Joined {
    /// What the directory's description says.
    fn described(dir: &Path) -> Result<Joined> {
        let mut about = String::new();
        match File::open(dir.join(HOST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nobody(dir)),
            Err(error) => {
                return Err(failed(format_args!("cannot read {}", dir.join(HOST).display()), &error));
            }
            Ok(file) => file
                .take(MAX_HOST_FILE)
                .read_to_string(&mut about)
                .map_err(|error| failed(format_args!("cannot read {}", dir.join(HOST).display()), &error))?,
        };
        let value = |key: &str| {
            about.lines().filter_map(|line| line.split_once(' ')).find(|(k, _)| *k == key).map(|(_, v)| v)
        };
        let (Some(name), Some(version)) = (value("name"), value("xenith-sim")) else {
            return Err(Error::new(
                Status::Protocol,
                format!("{} does not describe an embedded host", dir.join(HOST).display()),
            ));
        };
        if version.parse() != Ok(relay::VERSION) {
            return Err(Error::new(
                Status::NotSupported,
                format!(
                    "the embedded host in {} is of another version of xenith (its protocol is {version}, this one's is {})",
                    dir.display(),
                    relay::VERSION
                ),
            ));
        }
        Ok(Joined {
            dir: dir.to_path_buf(),
            release: Release::of_age(value("xen").unwrap_or_default())?,
            tools: Tools::named(value("toolstack").unwrap_or_default())?,
            name: name.into(),
        })
    }

    pub(super) fn find(dir: &Path) -> Result<Joined> {
        let joined = Joined::described(dir)?;
        // The file of a server that was killed is still there; its socket refuses.
        match sys::connect_unix(&joined.dir.join(HYPERCALL)) {
            Ok(_) => Ok(joined),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(joined),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Err(nobody(dir))
            }
            Err(error) => {
                Err(failed(format_args!("cannot join the embedded host in {}", dir.display()), &error))
            }
        }
    }

    pub(super) fn hypercall_port(&self) -> Arc<dyn Hypercall> {
        Arc::new(RelayPort {
            dir: self.dir.clone(),
            release: self.release,
            idle: Mutex::new(Vec::new()),
            pid: std::process::id(),
        })
    }

    pub(super) fn xenstore_dial(&self) -> Arc<dyn Dial> {
        Arc::new(PathDial(self.dir.join(XENSTORE)))
    }

    pub(super) fn xend_dial(&self) -> Arc<dyn Dial> {
        Arc::new(PathDial(self.dir.join(XEND)))
    }

    pub(super) fn xl_dial(&self) -> Arc<dyn Dial> {
        Arc::new(PathDial(self.dir.join(XL)))
    }

    pub(super) fn tools(&self) -> Tools {
        self.tools
    }

    pub(super) fn etc_xen(&self) -> PathBuf {
        etc_xen(&self.dir)
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.dir.join("xend")
    }

    pub(super) fn host_name(&self) -> &str {
        &self.name
    }

    pub(super) fn release(&self) -> Release {
        self.release
    }
}

/// What /etc/xen is of the host that is served in `dir`.
pub(super) fn etc_xen(dir: &Path) -> PathBuf {
    dir.join("etc-xen")
}

fn nobody(dir: &Path) -> Error {
    Error::new(
        Status::NoConnect,
        format!(
            "no embedded host is served in {}: start one with xenith sim --dir {}",
            dir.display(),
            dir.display()
        ),
    )
}

/// Dials a socket of the directory.
#[derive(Debug)]
struct PathDial(PathBuf);

impl Dial for PathDial {
    fn dial(&self, deadline: Deadline) -> io::Result<OwnedFd> {
        connect(&self.0, deadline).map(OwnedFd::from)
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }
}

/// Connects; waits while the server has no time to accept.
fn connect(path: &Path, deadline: Deadline) -> io::Result<UnixStream> {
    loop {
        match sys::connect_unix(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if deadline.is_over() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// Hypercalls of a process that joined: each takes an idle connection, or makes one.
#[derive(Debug)]
struct RelayPort {
    dir: PathBuf,
    release: Release,
    idle: Mutex<Vec<UnixStream>>,
    pid: u32,
}

/// More idle connections than threads that call at once are of no use; more than this are not kept.
const MAX_IDLE: usize = 8;

impl Hypercall for RelayPort {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> std::result::Result<i64, i32> {
        // A forked child would talk into its parent's conversations.
        if self.pid != std::process::id() {
            return Err(libc::ENODEV);
        }
        let deadline = Deadline::after(HYPERCALL_PATIENCE);
        let request = relay::encode_request(op, args, memory).map_err(|_| libc::E2BIG)?;
        let stream = match self.idle_connection() {
            Some(stream) => stream,
            None => self.connect(deadline)?,
        };
        let result = exchange(&stream, &request, memory, deadline).map_err(|error| {
            // The others are of the same server.
            self.idle.lock().clear();
            match error.raw_os_error() {
                Some(errno @ (libc::ETIMEDOUT | libc::EPROTO)) => errno,
                _ => libc::ENODEV,
            }
        })?;
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(stream);
        }
        result
    }
}

impl RelayPort {
    /// A new connection. Who serves there now may be another host than the one that was joined: one of the same release speaks the
    /// language that the caller has learnt, and shows by its domains what is new; any other is not the one that was joined.
    fn connect(&self, deadline: Deadline) -> std::result::Result<UnixStream, i32> {
        let stream = connect(&self.dir.join(HYPERCALL), deadline).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => libc::ETIMEDOUT,
            _ => libc::ENODEV,
        })?;
        match Joined::described(&self.dir) {
            Ok(there) if there.release == self.release => Ok(stream),
            _ => Err(libc::ENODEV),
        }
    }

    /// A connection that waits for use. One whose server has ended since is at its end, which a look at it tells; no request went
    /// into it, so a new one serves the caller who would have got it.
    fn idle_connection(&self) -> Option<UnixStream> {
        loop {
            let stream = self.idle.lock().pop()?;
            if matches!((&stream).read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                return Some(stream);
            }
        }
    }
}

/// Sends a request and waits for its reply.
fn exchange(
    mut stream: &UnixStream,
    mut request: &[u8],
    memory: &mut Memory<'_>,
    deadline: Deadline,
) -> io::Result<std::result::Result<i64, i32>> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match sys::send(stream.as_fd(), request) {
            Ok(sent) => request = request.get(sent..).unwrap_or_default(),
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::from_raw_os_error(libc::ENODEV)),
            Ok(read) => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        match relay::take_reply(&mut received, memory) {
            Ok(Some(result)) => return Ok(result),
            Ok(None) if deadline.is_over() => return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            Ok(None) => {}
            Err(relay::Garbled) => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
        }
        let interest = Interest { fd: stream.as_fd(), read: true, write: !request.is_empty() };
        sys::poll(&[interest], Some(deadline.remaining()))?;
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
