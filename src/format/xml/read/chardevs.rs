//! Serial and parallel ports, the console, channels.

use super::super::tree::{Element, Result};
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{Channel, CharDevice, CharSource, Endpoint};

/// The highest number of a serial or parallel port.
const MAX_PORT: u32 = 15;

/// `<serial>` or `<parallel>`; `others` are those before it.
pub(super) fn port(element: &mut Element<'_>, others: &[CharDevice]) -> Result<CharDevice> {
    let source = char_source(element)?;
    let port = match element.child("target")? {
        Some(mut target) => {
            let number: Option<u32> = target.number("port")?;
            // What a PC's port is.
            target.choice("type", &[((), "isa-serial")])?;
            if let Some(mut model) = target.child("model")? {
                model.choice("name", &[((), "isa-serial")])?;
                model.done()?;
            }
            target.done()?;
            number
        }
        None => None,
    };
    element.done()?;
    let free = || (0..).find(|number| others.iter().all(|other| other.port != *number)).unwrap_or(0);
    let port = port.unwrap_or_else(free);
    if port > MAX_PORT {
        return element.fault(format!("port {port}: the last one is {MAX_PORT}"));
    }
    if others.iter().any(|other| other.port == port) {
        return element.fault(format!("port {port} stands here a second time"));
    }
    Ok(CharDevice { port, source })
}

fn char_source(element: &mut Element<'_>) -> Result<CharSource> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Null,
        Stdio,
        Vc,
        Pty,
        Dev,
        File,
        Pipe,
        Tcp,
        Udp,
        Unix,
    }
    let words = &[
        (Kind::Null, "null"),
        (Kind::Stdio, "stdio"),
        (Kind::Vc, "vc"),
        (Kind::Pty, "pty"),
        (Kind::Dev, "dev"),
        (Kind::File, "file"),
        (Kind::Pipe, "pipe"),
        (Kind::Tcp, "tcp"),
        (Kind::Udp, "udp"),
        (Kind::Unix, "unix"),
    ];
    let kind = element.choice("type", words)?.unwrap_or(Kind::Pty);
    let mut path = None;
    let (mut listen, mut wire_telnet) = (None, None);
    let (mut connect, mut bind) = (None, None);
    for mut source in element.children("source") {
        match kind {
            Kind::Null | Kind::Stdio | Kind::Vc => return source.fault("a port of this type has no source"),
            Kind::Tcp | Kind::Udp => {
                let mode = source.choice("mode", &[(true, "bind"), (false, "connect")])?;
                let end = Endpoint {
                    host: source.attribute("host").unwrap_or_default(),
                    service: source.attribute("service").unwrap_or_default(),
                };
                wire_telnet = source.choice("wiremode", &[(false, "raw"), (true, "telnet")])?.or(wire_telnet);
                // TCP waits for a client only where that is said; a UDP source is where to send.
                let place = if mode.unwrap_or(false) { &mut bind } else { &mut connect };
                if place.replace(end).is_some() {
                    return source.fault("stands here a second time");
                }
            }
            Kind::Pty | Kind::Dev | Kind::File | Kind::Pipe | Kind::Unix => {
                if kind == Kind::Unix {
                    listen = source.choice("mode", &[(true, "bind"), (false, "connect")])?;
                }
                if path.replace(source.required("path")?).is_some() {
                    return source.fault("stands here a second time");
                }
            }
        }
        source.done()?;
    }
    let mut telnet = wire_telnet.unwrap_or(false);
    if kind == Kind::Tcp
        && let Some(mut protocol) = element.child("protocol")?
    {
        telnet = protocol.choice("type", &[(false, "raw"), (true, "telnet")])?.unwrap_or(telnet);
        protocol.done()?;
    }
    let path_of = |element: &Element<'_>| match path.clone() {
        Some(path) if !path.is_empty() => Ok(path),
        _ => element.fault("<source path=...> is missing"),
    };
    Ok(match kind {
        Kind::Null => CharSource::Null,
        Kind::Stdio => CharSource::Stdio,
        Kind::Vc => CharSource::Vc,
        // The terminal is made when the guest starts.
        Kind::Pty => CharSource::Pty,
        Kind::Dev => CharSource::Dev(path_of(element)?),
        Kind::File => CharSource::File(path_of(element)?),
        Kind::Pipe => CharSource::Pipe(path_of(element)?),
        Kind::Unix => CharSource::Unix { path: path_of(element)?, listen: listen.unwrap_or(false) },
        Kind::Udp => {
            let Some(connect) = connect else {
                return element.fault("<source mode='connect' ...> is missing");
            };
            CharSource::Udp { connect, bind: bind.unwrap_or_default() }
        }
        Kind::Tcp => match (connect, bind) {
            (Some(endpoint), None) => CharSource::Tcp { endpoint, listen: false, telnet },
            (None, Some(endpoint)) => CharSource::Tcp { endpoint, listen: true, telnet },
            (None, None) => return element.fault("<source mode=... host=... service=.../> is missing"),
            (Some(_), Some(_)) => return element.fault("TCP waits for a client or is one, not both"),
        },
    })
}

/// A PV guest always has its console. An HVM guest's is its first serial port, which a description may leave out.
pub(super) fn consoles(elements: Vec<Element<'_>>, guest: &mut Guest) -> Result<()> {
    let mut seen = false;
    for mut element in elements {
        if std::mem::replace(&mut seen, true) {
            return element.fault("a second console is not supported");
        }
        // The terminal is made when the guest starts.
        element.attribute("tty");
        let source = char_source(&mut element)?;
        let mut of_serial = guest.is_hvm();
        let mut port = None;
        if let Some(mut target) = element.child("target")? {
            of_serial = target.choice("type", &[(true, "serial"), (false, "xen")])?.unwrap_or(of_serial);
            port = target.number::<u32>("port")?;
            target.done()?;
        }
        element.done()?;
        match guest.serials.first() {
            None if of_serial && guest.is_hvm() => {
                guest.serials.push(CharDevice { port: port.unwrap_or(0).min(MAX_PORT), source })
            }
            Some(serial) if of_serial && guest.is_hvm() && serial.source == source => {}
            Some(_) if of_serial && guest.is_hvm() => {
                return element.fault("differs from the first <serial>, which is an HVM guest's console");
            }
            _ if of_serial => {
                return element.fault("a PV guest has no serial port; expected <target type='xen'/>");
            }
            _ if source == CharSource::Pty => {}
            _ => return element.fault("Xen's console is a pseudo-terminal; expected type='pty'"),
        }
    }
    Ok(())
}

/// `<channel>`: a console of Xen's that has a name.
pub(super) fn channel(element: &mut Element<'_>) -> Result<Channel> {
    let source = char_source(element)?;
    let Some(mut target) = element.child("target")? else { return element.fault("<target> is missing") };
    if target.choice("type", &[((), "xen")])?.is_none() {
        return target.fault("the attribute 'type' is missing; expected xen");
    }
    let name = target.required("name")?;
    if name.is_empty() || name.chars().any(|c| c.is_control() || c == ',') {
        return target.fault(format!("name='{}' is no channel's name", shown(&name)));
    }
    // Known only while the guest runs.
    target.choice("state", &[((), "connected"), ((), "disconnected")])?;
    target.done()?;
    element.done()?;
    match source {
        CharSource::Pty | CharSource::Unix { listen: true, .. } => Ok(Channel { name, source }),
        _ => element.fault(
            "Xen's channels are pseudo-terminals (pty) or sockets that the host opens (unix, mode='bind')",
        ),
    }
}
