//! Serial and parallel ports, the console, channels.

use super::Out;
use crate::model::Guest;
use crate::model::guest::{Channel, CharDevice, CharSource, Live};

pub(super) fn port(out: &mut Out, element: &str, device: &CharDevice, tty: Option<&String>) {
    out.tag(element).attr("type", source_type(&device.source)).open();
    if let Some(tty) = tty.filter(|_| device.source == CharSource::Pty) {
        out.tag("source").attr("path", tty).empty();
    }
    char_source(out, &device.source);
    out.tag("target").attr("port", device.port).empty();
    out.close(element);
}

pub(super) fn console(out: &mut Out, guest: &Guest, live: &Live) {
    if !guest.is_hvm() {
        let tty = live.console_tty.as_ref();
        out.tag("console").attr("type", "pty").some("tty", tty).open();
        if let Some(tty) = tty {
            out.tag("source").attr("path", tty).empty();
        }
        out.tag("target").attr("type", "xen").attr("port", 0).empty();
        out.close("console");
    } else if let Some(serial) = guest.serials.first() {
        // The terminal of the port, where it was looked for: libxl's guests have a console of Xen's beside it.
        let tty = match live.serial_ttys.first() {
            Some(tty) => tty.as_ref(),
            None => live.console_tty.as_ref(),
        };
        let tty = tty.filter(|_| serial.source == CharSource::Pty);
        out.tag("console").attr("type", source_type(&serial.source)).some("tty", tty).open();
        if let Some(tty) = tty {
            out.tag("source").attr("path", tty).empty();
        }
        char_source(out, &serial.source);
        out.tag("target").attr("type", "serial").attr("port", serial.port).empty();
        out.close("console");
    }
}

fn source_type(source: &CharSource) -> &'static str {
    match source {
        CharSource::Null => "null",
        CharSource::Stdio => "stdio",
        CharSource::Vc => "vc",
        CharSource::Pty => "pty",
        CharSource::Dev(_) => "dev",
        CharSource::File(_) => "file",
        CharSource::Pipe(_) => "pipe",
        CharSource::Tcp { .. } => "tcp",
        CharSource::Udp { .. } => "udp",
        CharSource::Unix { .. } => "unix",
    }
}

fn char_source(out: &mut Out, source: &CharSource) {
    let mode = |listen: bool| if listen { "bind" } else { "connect" };
    match source {
        CharSource::Null | CharSource::Stdio | CharSource::Vc | CharSource::Pty => {}
        CharSource::Dev(path) | CharSource::File(path) | CharSource::Pipe(path) => {
            out.tag("source").attr("path", path).empty();
        }
        CharSource::Tcp { endpoint, listen, telnet } => {
            out.tag("source")
                .attr("mode", mode(*listen))
                .attr("host", &endpoint.host)
                .attr("service", &endpoint.service)
                .empty();
            out.tag("protocol").attr("type", if *telnet { "telnet" } else { "raw" }).empty();
        }
        CharSource::Udp { connect, bind } => {
            for (mode, end) in [("bind", bind), ("connect", connect)] {
                if mode == "bind" && end.host.is_empty() && end.service.is_empty() {
                    continue;
                }
                out.tag("source")
                    .attr("mode", mode)
                    .some("host", Some(&end.host).filter(|host| !host.is_empty()))
                    .some("service", Some(&end.service).filter(|service| !service.is_empty()))
                    .empty();
            }
        }
        CharSource::Unix { path, listen } => {
            out.tag("source").attr("mode", mode(*listen)).attr("path", path).empty();
        }
    }
}

pub(super) fn channel(out: &mut Out, channel: &Channel) {
    out.tag("channel").attr("type", source_type(&channel.source)).open();
    char_source(out, &channel.source);
    out.tag("target").attr("type", "xen").attr("name", &channel.name).empty();
    out.close("channel");
}
