//! Screens <-> the keys for those of an HVM guest (before Xen 3.0.4 of any), and the strings of `vfb` for a PV guest's.

use super::read::number;
use super::write::unsupported;
use crate::error;
use crate::format::config::items::Items;
use crate::format::config::settings::Settings;
use crate::format::config::{Result, fault};
use crate::format::error::shown;
use crate::format::sxpr::XendFormat;
use crate::model::Guest;
use crate::model::guest::Graphics;

/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;

/// What is said of a screen, with places.
#[derive(Default)]
struct Words([Option<(String, usize)>; 7]);

impl Words {
    const KEYS: [&str; 7] =
        ["vncunused", "vncdisplay", "vnclisten", "vncpasswd", "keymap", "display", "xauthority"];

    fn of(settings: &mut Settings) -> Result<Words> {
        let mut words = Words::default();
        for (key, place) in Self::KEYS.iter().zip(&mut words.0) {
            *place = settings.text_at(key)?;
        }
        Ok(words)
    }

    fn get(&self, key: &str) -> Option<(&str, usize)> {
        let at = Self::KEYS.iter().position(|known| *known == key)?;
        self.0.get(at)?.as_ref().map(|(text, at)| (text.as_str(), *at))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(|(text, _)| text.to_owned())
    }

    fn vnc(&self) -> Result<Graphics> {
        let display = match self.get("vncdisplay") {
            None => None,
            Some((text, at)) => match number(text).map(u16::try_from) {
                // Some write the port there.
                Some(Ok(display)) if display >= VNC_PORT => Some(display),
                Some(Ok(display)) => Some(display + VNC_PORT),
                _ => return fault(at, format!("vncdisplay: '{}' is no display", shown(text))),
            },
        };
        // xm looks for a free one unless told not to; the display is then where the search begins.
        let is_fixed = match self.get("vncunused") {
            None => false,
            Some((text, at)) => match number(text) {
                Some(number) => number == 0,
                None => return fault(at, format!("vncunused: '{}' is neither 0 nor 1", shown(text))),
            },
        };
        Ok(Graphics::Vnc {
            // Without a display, xend takes the domain's number for it.
            port: display.filter(|_| is_fixed),
            listen: self.text("vnclisten"),
            password: self.text("vncpasswd"),
            keymap: self.text("keymap"),
        })
    }

    fn sdl(&self) -> Graphics {
        Graphics::Sdl { display: self.text("display"), xauth: self.text("xauthority") }
    }
}

pub(super) fn read(settings: &mut Settings, guest: &mut Guest) -> Result<()> {
    let vnc = settings.flag("vnc")?.unwrap_or(false);
    let sdl_at = settings.text_at("sdl")?;
    let sdl = match &sdl_at {
        None => false,
        Some((text, at)) => match number(text) {
            Some(number) => number != 0,
            None => return fault(*at, format!("sdl = '{}' is neither 0 nor 1", shown(text))),
        },
    };
    let words = Words::of(settings)?;
    if vnc {
        guest.graphics.push(words.vnc()?);
        // A guest has one screen.
        if let Some((_, at)) = sdl_at.filter(|_| sdl) {
            settings.leave("sdl", at);
        }
    } else if sdl {
        guest.graphics.push(words.sdl());
    }
    for (spec, at) in settings.list("vfb")? {
        if guest.is_hvm() || !guest.graphics.is_empty() {
            settings.leave("vfb", at);
        } else {
            let screen = framebuffer(&spec, at, settings)?;
            guest.graphics.push(screen);
        }
    }
    Ok(())
}

/// `type=vnc,vncunused=1`, and since Xen 3.3 `vnc=1,vncunused=1`.
fn framebuffer(spec: &str, at: usize, settings: &mut Settings) -> Result<Graphics> {
    let mut words = Words::default();
    let mut is_sdl = false;
    for option in spec.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let (key, value) = (key.trim(), value.trim());
        match (key, value) {
            ("type", "vnc") => is_sdl = false,
            ("type", "sdl") => is_sdl = true,
            ("vnc", _) => is_sdl &= value == "0",
            ("sdl", _) => is_sdl |= value == "1",
            ("type", _) => {
                return fault(at, format!("vfb: type={} is not known; expected vnc or sdl", shown(value)));
            }
            _ => match Words::KEYS.iter().zip(&mut words.0).find(|(known, _)| **known == key) {
                Some((_, place)) => *place = (!value.is_empty()).then(|| (value.to_owned(), at)),
                None => settings.leave(&format!("vfb ({})", shown(key)), at),
            },
        }
    }
    if is_sdl { Ok(words.sdl()) } else { words.vnc() }
}

pub(super) fn write(items: &mut Items, guest: &Guest, format: XendFormat) -> error::Result<()> {
    let is_hvm = guest.is_hvm();
    let has_keys = is_hvm || format < XendFormat::V3 && !guest.graphics.is_empty();
    if has_keys {
        let is_sdl = |screen: &&Graphics| matches!(screen, Graphics::Sdl { .. });
        items.flag("sdl", guest.graphics.iter().any(|screen| is_sdl(&screen)));
        items.flag("vnc", guest.graphics.iter().any(|screen| !is_sdl(&screen)));
        for screen in &guest.graphics {
            for (key, value) in words(screen)? {
                match key {
                    "vncunused" | "vncdisplay" => items.digits(key, value),
                    _ => items.text(key, value),
                }
            }
        }
        return Ok(());
    }
    let mut framebuffers = Vec::new();
    for screen in &guest.graphics {
        let kind = if matches!(screen, Graphics::Sdl { .. }) { "sdl" } else { "vnc" };
        let mut options = vec![format!("type={kind}")];
        for (key, value) in words(screen)? {
            // An option ends at a comma, and blanks around it are lost. A password is not for messages.
            if value.contains([',', '\n', '\r']) || value.trim() != value {
                return Err(unsupported(format!(
                    "a comma, or a blank at an end, in {key} of a PV guest's screen"
                )));
            }
            options.push(format!("{key}={value}"));
        }
        framebuffers.push(options.join(","));
    }
    if !framebuffers.is_empty() {
        items.list("vfb", framebuffers);
    }
    Ok(())
}

/// What a screen's keys say, besides its kind.
fn words(screen: &Graphics) -> error::Result<Vec<(&'static str, String)>> {
    let mut words = Vec::new();
    let mut some = |key, value: &Option<String>| words.extend(value.clone().map(|value| (key, value)));
    match screen {
        Graphics::Vnc { port, listen, password, keymap } => {
            some("vncunused", &Some(u8::from(port.is_none()).to_string()));
            if let Some(port) = port {
                match port.checked_sub(VNC_PORT) {
                    Some(display) => some("vncdisplay", &Some(display.to_string())),
                    None => {
                        let message = format!("<graphics port='{port}'>: VNC's first port is {VNC_PORT}");
                        return Err(unsupported(message));
                    }
                }
            }
            some("vnclisten", listen);
            some("vncpasswd", password);
            some("keymap", keymap);
        }
        Graphics::Spice { .. } => return Err(unsupported("<graphics type='spice'>")),
        Graphics::Sdl { display, xauth } => {
            some("display", display);
            some("xauthority", xauth);
        }
    }
    Ok(words)
}
