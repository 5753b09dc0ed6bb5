//! A guest's serial and parallel ports, and its named channels.

/// A serial or parallel port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharDevice {
    /// Its number in the guest, from 0.
    pub port: u32,
    /// What it is connected to in the host.
    pub source: CharSource,
}

/// A named channel between the host and a program in the guest: a console of Xen's that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// By which the guest finds it: `org.qemu.guest_agent.0`.
    pub name: String,
    /// What it is connected to in the host: a pseudo-terminal, or a unix socket.
    pub source: CharSource,
}

/// What a port is connected to in the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CharSource {
    /// Nothing.
    Null,
    /// The device model's own input and output.
    Stdio,
    /// A virtual console of the guest's screen.
    Vc,
    /// A pseudo-terminal.
    Pty,
    /// One of the host's devices.
    Dev(String),
    /// A file that is written.
    File(String),
    /// A named pipe.
    Pipe(String),
    /// TCP.
    Tcp {
        /// Where.
        endpoint: Endpoint,
        /// The host waits for a client there, and is not the client.
        listen: bool,
        /// The telnet protocol is spoken.
        telnet: bool,
    },
    /// UDP.
    Udp {
        /// Where to.
        connect: Endpoint,
        /// Where from.
        bind: Endpoint,
    },
    /// A unix socket.
    Unix {
        /// Its file.
        path: String,
        /// The host waits for a client there, and is not the client.
        listen: bool,
    },
}

/// A host and a port; each can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// The host.
    pub host: String,
    /// The port or the service's name.
    pub service: String,
}
