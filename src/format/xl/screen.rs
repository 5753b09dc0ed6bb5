//! Screens and video cards <-> the keys for those of an HVM guest and the strings of `vfb` for the others'.

use super::settings::{Settings, number};
use super::syntax::{Result, fault};
use super::write::{Items, unsupported};
use crate::error;
use crate::format::error::shown;
use crate::model::Guest;
use crate::model::guest::{Graphics, Video};

/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;
/// What the emulated cards have where nobody chooses, KiB (xl.cfg(5), for the device model of today).
const CIRRUS_KIB: u32 = 8192;
const VGA_KIB: u32 = 16384;
/// What libvirt says of the other memories of a qxl that nobody chose, KiB.
const QXL_RAM_KIB: u32 = 65536;
const QXL_VGAMEM_KIB: u32 = 16384;

pub(super) fn read(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let is_hvm = guest.is_hvm();
    let nographic = settings.flag("nographic")?.unwrap_or(false);
    // The same keys give an HVM guest its screen, and another one a framebuffer. xl gives an HVM guest a screen unasked.
    let vnc = settings.flag("vnc")?.unwrap_or(is_hvm && !nographic);
    let sdl = settings.flag("sdl")?.unwrap_or(false);
    let mut words = Words::default();
    for (key, place) in words.places() {
        *place = settings.text_at(key)?;
    }
    if vnc {
        guest.graphics.push(words.vnc()?);
    }
    if sdl {
        guest.graphics.push(words.sdl());
    }
    if is_hvm {
        let spice = spice(settings, word(&words.keymap))?;
        guest.graphics.extend(spice);
        return video(settings, guest);
    }
    for (spec, at) in settings.list("vfb")? {
        let graphics = framebuffer(&spec, at, settings)?;
        guest.graphics.extend(graphics);
    }
    Ok(())
}

/// What is said of a screen, with places.
#[derive(Default)]
struct Words {
    listen: Option<(String, usize)>,
    display_number: Option<(String, usize)>,
    unused: Option<(String, usize)>,
    password: Option<(String, usize)>,
    keymap: Option<(String, usize)>,
    display: Option<(String, usize)>,
    xauthority: Option<(String, usize)>,
}

impl Words {
    fn places(&mut self) -> [(&'static str, &mut Option<(String, usize)>); 7] {
        [
            ("vnclisten", &mut self.listen),
            ("vncdisplay", &mut self.display_number),
            ("vncunused", &mut self.unused),
            ("vncpasswd", &mut self.password),
            ("keymap", &mut self.keymap),
            ("display", &mut self.display),
            ("xauthority", &mut self.xauthority),
        ]
    }

    fn vnc(&self) -> Result<Graphics> {
        // `127.0.0.1:4` says the display as well.
        let listen = self.listen.as_ref().map(|(text, at)| (text.as_str(), *at));
        let (listen, of_listen) = match listen.and_then(|(text, at)| Some((text.rsplit_once(':')?, at))) {
            Some(((address, display), at)) if display.bytes().all(|b| b.is_ascii_digit()) => {
                (Some(address), Some((display, at)))
            }
            _ => (listen.map(|(text, _)| text), None),
        };
        let given = self.display_number.as_ref().map(|(text, at)| (text.as_str(), *at)).or(of_listen);
        let display = match given {
            None => 0,
            Some((text, at)) => match number(text).map(u16::try_from) {
                Some(Ok(display)) if display <= u16::MAX - VNC_PORT => display,
                _ => return fault(at, format!("vncdisplay: '{}' is no display", shown(text))),
            },
        };
        let unused = match &self.unused {
            None => true,
            Some((text, at)) => match number(text) {
                Some(number) => number != 0,
                None => return fault(*at, format!("vncunused: '{}' is neither 0 nor 1", shown(text))),
            },
        };
        Ok(Graphics::Vnc {
            // Where a free one is looked for, the display is only where the search begins.
            port: (!unused).then_some(VNC_PORT + display),
            listen: listen.filter(|listen| !listen.is_empty()).map(str::to_owned),
            password: word(&self.password),
            keymap: word(&self.keymap),
        })
    }

    fn sdl(&self) -> Graphics {
        Graphics::Sdl { display: word(&self.display), xauth: word(&self.xauthority) }
    }
}

fn word(place: &Option<(String, usize)>) -> Option<String> {
    place.as_ref().map(|(text, _)| text.clone())
}

/// `vnc=1,vncunused=1,vnclisten=127.0.0.1`; xm's `type=vnc` as well.
fn framebuffer(spec: &str, at: usize, settings: &mut Settings) -> Result<Vec<Graphics>> {
    let mut words = Words::default();
    let (mut vnc, mut sdl) = (None, None);
    for option in spec.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let (key, value) = (key.trim(), value.trim());
        match (key, value) {
            ("vnc", _) => vnc = Some(value != "0"),
            ("sdl", _) => sdl = Some(value != "0"),
            ("type", "vnc") => vnc = Some(true),
            ("type", "sdl") => (vnc, sdl) = (Some(false), Some(true)),
            _ => match words.places().into_iter().find(|(name, _)| *name == key) {
                Some((_, place)) => *place = (!value.is_empty()).then(|| (value.to_owned(), at)),
                None => settings.leave(&format!("vfb ({})", shown(key)), at),
            },
        }
    }
    let mut graphics = Vec::new();
    if vnc.unwrap_or(true) {
        graphics.push(words.vnc()?);
    }
    if sdl.unwrap_or(false) {
        graphics.push(words.sdl());
    }
    Ok(graphics)
}

fn video(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let stdvga = settings.flag("stdvga")?;
    let vga = settings.text_at("vga")?;
    let vram = settings.number::<u32>("videoram")?;
    let model = match vga.as_ref().map(|(word, at)| (word.as_str(), *at)) {
        None => stdvga.map(|standard| if standard { "vga" } else { "cirrus" }),
        Some(("stdvga", _)) => Some("vga"),
        Some(("cirrus", _)) => Some("cirrus"),
        Some(("qxl", _)) => Some("qxl"),
        Some(("none", _)) => {
            guest.videos.push(Video { model: "none".into(), ..Video::default() });
            return Ok(());
        }
        Some((word, at)) => {
            return fault(at, format!("vga = '{}' is not known; expected stdvga or cirrus", shown(word)));
        }
    };
    // A guest with a screen has a card, and xl's is not the one of xend's time.
    if model.is_some() || vram.is_some() || !guest.graphics.is_empty() {
        let model = model.unwrap_or("cirrus");
        let usual = match model {
            "vga" => Some(VGA_KIB),
            "qxl" => None,
            _ => Some(CIRRUS_KIB),
        };
        let vram_kib = vram.and_then(|mib| mib.checked_mul(1024)).or(usual);
        guest.videos.push(Video { model: model.into(), vram_kib, heads: Some(1), ..Video::default() });
    }
    Ok(())
}

/// A spice screen, where there is one.
fn spice(settings: &mut Settings, keymap: Option<String>) -> Result<Option<Graphics>> {
    let is_there = settings.flag("spice")?.unwrap_or(false);
    let mut port = |key: &str| -> Result<Option<u16>> {
        let Some((text, at)) = settings.text_at(key)? else { return Ok(None) };
        match number(&text).map(u16::try_from) {
            Some(Ok(0)) => Ok(None),
            Some(Ok(port)) => Ok(Some(port)),
            _ => fault(at, format!("{key} = '{}' is no TCP port", shown(&text))),
        }
    };
    let (port, tls_port) = (port("spiceport")?, port("spicetls_port")?);
    let listen = settings.text("spicehost")?;
    let is_open = settings.flag("spicedisable_ticketing")?.unwrap_or(false);
    let password = settings.text_at("spicepasswd")?;
    let client_mouse = settings.flag("spiceagent_mouse")?;
    let agent = settings.text_at("spicevdagent")?;
    let shares = settings.flag("spice_clipboard_sharing")?.unwrap_or(false);
    if !is_there {
        return Ok(None);
    }
    let has_agent = agent.as_ref().is_some_and(|(text, _)| number(text).is_some_and(|number| number != 0));
    if let Some((_, at)) = agent.filter(|_| has_agent && !shares) {
        // An agent for other things than the clipboard.
        settings.leave("spicevdagent", at);
    }
    if let Some((_, at)) = password.as_ref().filter(|_| is_open) {
        settings.leave("spicepasswd", *at);
    }
    Ok(Some(Graphics::Spice {
        port,
        tls_port,
        listen,
        password: password.filter(|_| !is_open).map(|(text, _)| text),
        keymap,
        // xl's default is the client's.
        client_mouse: Some(client_mouse.unwrap_or(true)),
        clipboard: Some(has_agent && shares),
    }))
}

pub(super) fn write(items: &mut Items, guest: &Guest) -> error::Result<()> {
    if let Some(video) = guest.videos.iter().find(|video| (video.model == "xen") == guest.is_hvm()) {
        return Err(unsupported(format!("<video> of type '{}' in this kind of guest", shown(&video.model))));
    }
    if !guest.is_hvm() {
        let framebuffers =
            guest.graphics.iter().map(|screen| spec(&words(screen)?)).collect::<error::Result<Vec<_>>>()?;
        if !framebuffers.is_empty() {
            items.list("vfb", framebuffers);
        }
        return Ok(());
    }
    if let Some(video) = guest.videos.first() {
        let usual = match video.model.as_str() {
            "vga" => Some(VGA_KIB),
            "qxl" => None,
            _ => Some(CIRRUS_KIB),
        };
        match video.model.as_str() {
            "vga" => items.text("vga", "stdvga"),
            "qxl" => items.text("vga", "qxl"),
            "none" => items.text("vga", "none"),
            _ => {}
        }
        for (what, kib, usual) in
            [("ram", video.ram_kib, QXL_RAM_KIB), ("vgamem", video.vgamem_kib, QXL_VGAMEM_KIB)]
        {
            if kib.is_some_and(|kib| kib != usual) {
                return Err(unsupported(format!("<video>'s {what}=")));
            }
        }
        if let Some(vram) = video.vram_kib.filter(|vram| Some(*vram) != usual && video.model != "none") {
            items.number("videoram", vram.div_ceil(1024));
        }
    }
    let is_sdl = |screen: &&Graphics| matches!(screen, Graphics::Sdl { .. });
    // xl would give a screen unasked.
    items.flag("sdl", guest.graphics.iter().any(|screen| is_sdl(&screen)));
    items.flag("vnc", guest.graphics.iter().any(|screen| matches!(screen, Graphics::Vnc { .. })));
    for screen in &guest.graphics {
        for (key, value) in words(screen)? {
            match (key, value) {
                ("vnc" | "sdl", _) => {}
                ("spicehost" | "spicepasswd" | "vnclisten" | "vncpasswd", value) => items.text(key, value),
                ("vncunused" | "vncdisplay", value) => items.digits(key, value),
                (key, value) if key.starts_with("spice") => items.digits(key, value),
                (_, value) => items.text(key, value),
            }
        }
    }
    Ok(())
}

/// What a screen's keys say.
fn words(screen: &Graphics) -> error::Result<Vec<(&'static str, String)>> {
    let mut words = Vec::new();
    match screen {
        Graphics::Vnc { port, listen, password, keymap } => {
            words.push(("vnc", "1".into()));
            words.push(("vncunused", if port.is_none() { "1".into() } else { "0".into() }));
            if let Some(port) = port {
                match port.checked_sub(VNC_PORT) {
                    Some(display) => words.push(("vncdisplay", display.to_string())),
                    None => {
                        let message = format!("<graphics port='{port}'>: VNC's first port is {VNC_PORT}");
                        return Err(unsupported(message));
                    }
                }
            }
            if let Some(listen) = listen {
                if listen.contains(':') {
                    return Err(unsupported(format!(
                        "the address '{}' to listen on: xl takes what follows a ':' for a display",
                        shown(listen)
                    )));
                }
                words.push(("vnclisten", listen.clone()));
            }
            words.extend(password.clone().map(|password| ("vncpasswd", password)));
            words.extend(keymap.clone().map(|keymap| ("keymap", keymap)));
        }
        Graphics::Spice { port, tls_port, listen, password, keymap, client_mouse, clipboard } => {
            let flag = |value: bool| if value { "1" } else { "0" }.to_owned();
            words.push(("spice", "1".into()));
            words.extend(listen.clone().map(|listen| ("spicehost", listen)));
            if port.is_none() && tls_port.is_none() {
                return Err(unsupported("a spice screen without a port: xl looks for no free one"));
            }
            words.extend(port.map(|port| ("spiceport", port.to_string())));
            words.extend(tls_port.map(|port| ("spicetls_port", port.to_string())));
            words.push(("spicedisable_ticketing", flag(password.is_none())));
            words.extend(password.clone().map(|password| ("spicepasswd", password)));
            words.extend(client_mouse.map(|client| ("spiceagent_mouse", flag(client))));
            if *clipboard == Some(true) {
                words.extend([("spicevdagent", flag(true)), ("spice_clipboard_sharing", flag(true))]);
            }
            words.extend(keymap.clone().map(|keymap| ("keymap", keymap)));
        }
        Graphics::Sdl { display, xauth } => {
            words.extend([("vnc", "0".into()), ("sdl", "1".into())]);
            words.extend(display.clone().map(|display| ("display", display)));
            words.extend(xauth.clone().map(|xauth| ("xauthority", xauth)));
        }
    }
    Ok(words)
}

fn spec(words: &[(&str, String)]) -> error::Result<String> {
    let mut options = Vec::new();
    for (key, value) in words {
        // An option ends at a comma, and blanks around it are lost. A password is not for messages.
        if value.contains([',', '\n']) || value.trim() != value {
            return Err(unsupported(format!(
                "a comma, or a blank at an end, in {key} of a PV guest's screen"
            )));
        }
        options.push(format!("{key}={value}"));
    }
    Ok(options.join(","))
}
