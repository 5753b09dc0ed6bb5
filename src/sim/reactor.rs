//! The host's one thread: it carries bytes between connected sockets and the [`World`], and wakes when a timer of the world
//! is due or the bell rings.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::config::Fault;
use super::sys::{self, Bell, Interest};
use super::world::{FarId, FarRoad, World};

/// What the thread and the rest of the process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) bell: Bell,
    stop: AtomicBool,
    /// The thread has ended: nobody would answer a dial.
    over: AtomicBool,
    /// Connections that were dialled since the thread last looked.
    arrivals: Mutex<Vec<(FarRoad, UnixStream)>>,
}

impl Shared {
    pub(super) fn new(world: World) -> io::Result<Shared> {
        Ok(Shared {
            world: Mutex::new(world),
            bell: Bell::new()?,
            stop: AtomicBool::new(false),
            over: AtomicBool::new(false),
            arrivals: Mutex::new(Vec::new()),
        })
    }

    /// Hands the far end of a connection to the thread. It is non-blocking already.
    ///
    /// Errors: `ConnectionRefused` where the thread has ended.
    pub(super) fn arrive(&self, road: FarRoad, stream: UnixStream) -> io::Result<()> {
        let mut arrivals = self.arrivals.lock();
        if self.over.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        arrivals.push((road, stream));
        self.bell.ring();
        Ok(())
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// One read takes at most this.
const CHUNK: usize = 64 << 10;

/// A connection whose answers are not read is not read from either, from so many bytes on.
const SLOW: usize = 1 << 20;

/// And is closed from so many on: events that nobody reads.
const HOPELESS: usize = 64 << 20;

/// How long the thread rests when it cannot accept a connection.
const BREATH: Duration = Duration::from_millis(10);

/// What a road on fault `rubbish` says.
const RUBBISH: [u8; 64] = [0xa5; 64];

struct Connection {
    road: FarRoad,
    stream: UnixStream,
    /// Who it is at the far end; None where a fault stands in its place.
    far: Option<FarId>,
    /// What is still to be written, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// Nothing more is read; closed once everything is written.
    closing: bool,
}

/// Refuses who dials once the thread has ended, for whatever reason, and closes on who has dialled.
struct Epilogue<'a>(&'a Shared);

impl Drop for Epilogue<'_> {
    fn drop(&mut self) {
        let mut arrivals = self.0.arrivals.lock();
        self.0.over.store(true, Ordering::Release);
        arrivals.clear();
    }
}

/// Runs until [`Shared::stop`]. `listeners` are the sockets of a served host.
pub(super) fn run(shared: &Arc<Shared>, listeners: &[(FarRoad, UnixListener)]) {
    let _epilogue = Epilogue(shared);
    let mut connections: Vec<Connection> = Vec::new();
    let mut buffer = vec![0; CHUNK];
    while !shared.stop.load(Ordering::Acquire) {
        let wait = {
            let world = shared.world.lock();
            world.next_timer().map(|at| at.saturating_sub(world.now()))
        };
        let mut interests = vec![Interest { fd: shared.bell.fd(), read: true, write: false }];
        interests.extend(listeners.iter().map(|(_, socket)| Interest {
            fd: socket.as_fd(),
            read: true,
            write: false,
        }));
        interests.extend(connections.iter().map(Connection::interest));
        let Ok(ready) = sys::poll(&interests, wait) else {
            // ENOMEM, or a defect; a thread that spins would be worse than one that is gone.
            break;
        };
        let mut ready = ready.into_iter();
        if ready.next() == Some(true) {
            shared.bell.hush();
        }
        let mut world = shared.world.lock();
        let mut out_of_breath = false;
        for (road, listener) in listeners {
            if ready.next() == Some(true) {
                out_of_breath |= accept(*road, listener, &mut connections, &mut world).is_err();
            }
        }
        for connection in &mut connections {
            // Those accepted just now are at the end and have no answer yet; their bytes come in the next round.
            if ready.next() == Some(true) {
                connection.receive(&mut buffer, &mut world);
            }
        }
        for (road, stream) in std::mem::take(&mut *shared.arrivals.lock()) {
            connections.push(Connection::new(road, stream, &mut world));
        }
        world.tick();
        for connection in &mut connections {
            connection.collect(&mut world);
        }
        drop(world);
        if out_of_breath {
            // No descriptors left, most likely: whoever waits at the door makes poll return at once.
            std::thread::sleep(BREATH);
        }
        for connection in &mut connections {
            connection.transmit();
        }
        let (alive, gone): (Vec<_>, Vec<_>) =
            connections.into_iter().partition(|connection| !connection.is_done());
        connections = alive;
        if !gone.is_empty() {
            let mut world = shared.world.lock();
            for far in gone.iter().filter_map(|connection| connection.far) {
                world.disconnect(far);
            }
        }
    }
}

/// Takes everybody who waits at `listener`.
fn accept(
    road: FarRoad,
    listener: &UnixListener,
    connections: &mut Vec<Connection>,
    world: &mut World,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                connections.push(Connection::new(road, stream, world));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Connection {
    /// A forked child may hold a copy of the socket: closing it alone would not tell the near end.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Connection {
    fn new(road: FarRoad, stream: UnixStream, world: &mut World) -> Connection {
        let far = if world.fault(road).is_some() { None } else { Some(world.connect(road)) };
        Connection { road, stream, far, out: Vec::new(), sent: 0, closing: false }
    }

    fn interest(&self) -> Interest<'_> {
        let left = self.out.len() - self.sent;
        Interest { fd: self.stream.as_fd(), read: !self.closing && left < SLOW, write: left > 0 }
    }

    /// Reads once and gives that to the far end. What is left comes in the next round: the others have their turn before, and answers
    /// that nobody reads hold their reader back before they fill the memory.
    fn receive(&mut self, buffer: &mut [u8], world: &mut World) {
        if self.closing {
            return;
        }
        match self.stream.read(buffer) {
            Ok(0) => self.closing = true,
            Ok(read) => {
                let bytes = buffer.get(..read).unwrap_or_default();
                match self.far {
                    Some(far) => world.feed(far, bytes),
                    None => self.misbehave(world.fault(self.road)),
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(_) => self.abandon(),
        }
    }

    fn misbehave(&mut self, fault: Option<Fault>) {
        match fault {
            Some(Fault::Rubbish) => self.out.extend_from_slice(&RUBBISH),
            Some(Fault::Close | Fault::Fail) => self.closing = true,
            Some(Fault::Hang | Fault::Half | Fault::Stuck | Fault::Newer | Fault::NoSysctl) | None => {}
        }
    }

    /// Takes what the far end has to say.
    fn collect(&mut self, world: &mut World) {
        let Some(far) = self.far else { return };
        world.take_output(far, &mut self.out);
        if world.wants_close(far) {
            self.closing = true;
        }
        if self.out.len() - self.sent > HOPELESS {
            self.abandon();
        }
    }

    /// Writes what fits.
    fn transmit(&mut self) {
        while let Some(left) = self.out.get(self.sent..).filter(|left| !left.is_empty()) {
            match sys::send(self.stream.as_fd(), left) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A near end that always reads a little less than there is must not let what it has read pile up.
                    if self.sent > self.out.len() / 2 {
                        self.out.drain(..self.sent);
                        self.sent = 0;
                    }
                    return;
                }
                Err(_) => {
                    self.abandon();
                    return;
                }
            }
        }
        self.out.clear();
        // What one large answer needed is not kept.
        self.out.shrink_to(CHUNK);
        self.sent = 0;
    }

    /// The near end is gone or does not listen: nothing more can be said.
    fn abandon(&mut self) {
        self.closing = true;
        self.out.clear();
        self.sent = 0;
    }

    fn is_done(&self) -> bool {
        self.closing && self.out.is_empty()
    }
}
