//! The embedded xenstored on socket pairs: a thread per connection moves the bytes.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::log::Log;
use xenith::sim::xenstored::{ConnId, Xenstored, XenstoredAge};
use xenith::wire::port::Dial;

/// A host that anybody may dial, as often as they like.
#[derive(Clone)]
pub(crate) struct Host(Arc<Shared>);

struct Shared {
    daemon: Mutex<Daemon>,
    awake: Condvar,
}

struct Daemon {
    store: Xenstored,
    conns: HashMap<ConnId, (UnixStream, Sender<Vec<u8>>)>,
    hung: bool,
    dials: usize,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::of_age(XenstoredAge::newest())
    }

    pub(crate) fn of_age(age: XenstoredAge) -> Self {
        let daemon = Daemon { store: Xenstored::new(age), conns: HashMap::new(), hung: false, dials: 0 };
        Host(Arc::new(Shared { daemon: Mutex::new(daemon), awake: Condvar::new() }))
    }

    pub(crate) fn client(&self) -> Arc<Xenstore> {
        Arc::new(Xenstore::over(Arc::new(self.clone()), Log::default()))
    }

    /// Acts inside the daemon, as its own simulation does.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Xenstored) -> T) -> T {
        let mut daemon = self.0.daemon.lock().unwrap();
        let result = act(&mut daemon.store);
        daemon.flush();
        result
    }

    pub(crate) fn write(&self, path: &str, value: &str) {
        self.with(|store| store.write(0, path, value)).unwrap();
    }

    /// A daemon that hangs takes requests and answers nothing until it is let go.
    pub(crate) fn hang(&self, hung: bool) {
        self.0.daemon.lock().unwrap().hung = hung;
        self.0.awake.notify_all();
    }

    /// Closes every connection.
    pub(crate) fn hang_up(&self) {
        let mut daemon = self.0.daemon.lock().unwrap();
        for (id, (stream, _)) in std::mem::take(&mut daemon.conns) {
            daemon.store.disconnect(id);
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn dials(&self) -> usize {
        self.0.daemon.lock().unwrap().dials
    }

    fn serve(&self, id: ConnId, mut stream: UnixStream) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            let mut daemon = self.0.daemon.lock().unwrap();
            while daemon.hung {
                daemon = self.0.awake.wait(daemon).unwrap();
            }
            if count == 0 || daemon.store.feed(id, &buffer[..count]).is_err() {
                daemon.store.disconnect(id);
                daemon.conns.remove(&id);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            daemon.flush();
        }
    }
}

impl Daemon {
    fn flush(&mut self) {
        for id in self.store.take_ready() {
            let output = self.store.take_output(id);
            if let Some((_, sender)) = self.conns.get(&id) {
                let _ = sender.send(output);
            }
        }
    }
}

impl Dial for Host {
    fn dial(&self, _deadline: Deadline) -> io::Result<OwnedFd> {
        let (near, far) = UnixStream::pair()?;
        let (sender, outputs) = channel::<Vec<u8>>();
        let mut writer = far.try_clone()?;
        std::thread::spawn(move || {
            for output in outputs {
                if writer.write_all(&output).is_err() {
                    return;
                }
            }
        });
        let mut daemon = self.0.daemon.lock().unwrap();
        daemon.dials += 1;
        let id = daemon.store.connect(0);
        daemon.conns.insert(id, (far.try_clone()?, sender));
        drop(daemon);
        let host = self.clone();
        std::thread::spawn(move || host.serve(id, far));
        near.set_nonblocking(true)?;
        Ok(near.into())
    }

    fn describe(&self) -> String {
        "the embedded xenstored".into()
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

pub(crate) fn in_millis(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}
