//! `xl create`: a domain begins a life. The steps are libxl's, in its order, so that a failure leaves the words and the used-up number
//! that a real one leaves.

use super::args::Args;
use super::messages::Cause;
use super::{Ended, Life, Parts, Refused, Text, Waits, Xl, lifecycle, seconds, tree};
use crate::format::xl::from_xl;
use crate::model::guest::Graphics;
use crate::model::{DomId, Guest, GuestType};
use crate::sim::config::Fault;
use crate::sim::machine::{NewDomain, PAGE_KIB};
use crate::wire::port::CONFIG_PATH;

/// What a guest has that says nothing of its memory, KiB.
const USUAL_MEMORY_KIB: u64 = 32 << 10;

/// How much more than its memory libxl lets a guest have, KiB.
const SLACK_KIB: u64 = 1024;

/// A configuration without a name.
const NAMELESS: &str = "Domain name must be specified.\n";

/// Nothing is there of what has a path below this; of every other path it is taken for granted that it is: the embedded host opens no files.
pub(super) const NOWHERE: &str = "/nonexistent/";

/// And no bridge has this name.
const NO_BRIDGE: &str = "nonexistent";

impl Xl {
    /// `create [-pqe] FILE [KEY=VALUE...]`
    pub(super) fn create(
        &mut self,
        words: &[String],
        args: &Args,
        config: Option<&[u8]>,
        parts: &mut Parts<'_>,
    ) -> Result<Ended, Refused> {
        if args.has('c') {
            return Err(Refused(1, Text::err("the embedded xl has no terminal for a console\n")));
        }
        let [file, assignments @ ..] = args.rest.as_slice() else {
            return Err(Refused(6, Text::err("Config file not specified and none in save file\n")));
        };
        // The embedded host has no files but the one that is handed over.
        let Some(text) = config.filter(|_| file == CONFIG_PATH) else {
            let words = format!("Failed to read config file: {file}: No such file or directory\n");
            return Err(Refused(3, Text::err(words)));
        };
        let said =
            if args.has('q') { Text::default() } else { Text::err(format!("Parsing config from {file}\n")) };
        let guest = match configuration(&String::from_utf8_lossy(text), assignments, file) {
            Ok(guest) => guest,
            Err(words) => return Err(Refused(1, Text::err(words).after(said))),
        };
        let failed = |words: String| Refused(3, Text::err(words).after(said.clone()));
        let name = guest.name.clone();
        let domid = match self.fault {
            Some(fault @ (Fault::Half | Fault::Stuck)) => {
                self.build(guest, false, parts).map_err(failed)?;
                let is_stuck = fault == Fault::Stuck;
                return Ok(if is_stuck { Ended::Later(Waits::Forever) } else { Ended::killed() });
            }
            _ => self.begin(guest, false, parts).map_err(failed)?,
        };
        if !args.has('e') {
            self.mind(domid, &name, words.iter().map(Into::into).collect());
        }
        if !args.has('p') {
            // It is there, and paused once.
            let _ = parts.machine.unpause(domid);
        }
        Ok(said.exits(0))
    }

    /// Begins a life, paused. Errors: xl's words; then nothing is left of it.
    pub(super) fn begin(
        &mut self,
        guest: Guest,
        restoring: bool,
        parts: &mut Parts<'_>,
    ) -> Result<DomId, String> {
        let domid = self.build(guest, restoring, parts)?;
        self.complete(domid, parts).inspect_err(|_| self.end(domid, parts))?;
        Ok(domid)
    }

    /// The first half: the domain with its memory.
    fn build(&mut self, guest: Guest, restoring: bool, parts: &mut Parts<'_>) -> Result<DomId, String> {
        let order = NewDomain {
            max_vcpus: Some(guest.vcpus.max),
            ..NewDomain::new(guest.uuid.unwrap_or_default(), guest.os.kind)
        };
        let domid = parts.machine.create(&order).map_err(|errno| {
            format!(
                "libxl: error: libxl_create.c:703:libxl__domain_make: domain creation fail: {}\n",
                super::messages::strerror(errno)
            )
        })?;
        // It may have them: createdomain agreed.
        let _ = parts.machine.set_max_vcpus(domid, guest.vcpus.max);
        if restoring {
            parts.guests.restore(domid);
        }
        if lifecycle::by_name(&guest.name, parts).is_some() {
            let words = Cause::NameTaken { name: &guest.name, restoring }.words(domid);
            // ESRCH cannot be.
            let _ = parts.machine.destroy_all(domid);
            return Err(words);
        }
        let facts = tree::Facts { domid, start_time: seconds(), display: self.display(&guest) };
        tree::begin(&guest, facts, parts.store);
        let fits = if restoring { None } else { missing(&guest) };
        let words = match (fits, give_memory(domid, &guest, parts)) {
            (Some(cause), _) => Some(cause.words(domid)),
            (None, Err(_)) => Some(Cause::NoMemory.words(domid)),
            (None, Ok(())) => None,
        };
        self.lives.insert(domid, Life { guest, is_kept: false, display: facts.display });
        match words {
            None => Ok(domid),
            Some(words) => {
                self.end(domid, parts);
                Err(words)
            }
        }
    }

    /// The second half: everything that the guest looks for.
    fn complete(&mut self, domid: DomId, parts: &mut Parts<'_>) -> Result<(), String> {
        let Some(life) = self.lives.get_mut(&domid) else { return Ok(()) };
        let guest = &life.guest;
        // The others come up when the guest brings them up.
        let _ = parts.machine.set_online_vcpus(domid, 1);
        tree::built(guest, domid, parts.store);
        parts.store.introduce(domid as u16);
        let bridges = guest.interfaces.iter().filter_map(super::json::bridge);
        if let Some(bridge) = bridges.into_iter().find(|bridge| *bridge == NO_BRIDGE) {
            return Err(Cause::NoBridge { bridge }.words(domid));
        }
        let facts = tree::Facts { domid, start_time: 0.0, display: life.display };
        tree::devices(guest, facts, parts.store);
        life.is_kept = true;
        Ok(())
    }

    /// The number of its screen: the one that it wants, or the first that nobody has.
    fn display(&self, guest: &Guest) -> Option<u16> {
        let port = guest.graphics.iter().find_map(|graphics| match graphics {
            Graphics::Vnc { port, .. } => Some(*port),
            Graphics::Sdl { .. } | Graphics::Spice { .. } => None,
        })?;
        let wanted = port.and_then(|port| port.checked_sub(5900));
        let taken = |display: &u16| self.lives.values().any(|life| life.display == Some(*display));
        wanted.or_else(|| (0..=u16::MAX - 5900).find(|display| !taken(display)))
    }
}

/// Reads a configuration and the assignments that count over it. Errors: xl's words.
fn configuration(text: &str, assignments: &[String], file: &str) -> Result<Guest, String> {
    let mut whole = text.to_owned();
    for assignment in assignments {
        whole.push('\n');
        whole.push_str(assignment);
    }
    let mut guest = from_xl(&whole).map_err(|error| match &error.place {
        _ if error.message.contains("'name' is missing") => NAMELESS.to_owned(),
        Some(place) => {
            let near = near(&whole, place.line, place.column);
            format!(
                "{file}:{}: config parsing error near `{near}': {}\nFailed to parse config: Invalid argument\n",
                place.line, error.message
            )
        }
        None => format!("{}\n", error.message),
    })?;
    if guest.name.is_empty() {
        return Err(NAMELESS.into());
    }
    if guest.os.kind == GuestType::Pv && guest.os.kernel.is_none() && guest.os.bootloader.is_none() {
        return Err("Neither kernel nor bootloader specified\n".into());
    }
    if guest.memory_kib == 0 {
        guest.memory_kib = USUAL_MEMORY_KIB;
    }
    guest.max_memory_kib = guest.max_memory_kib.max(guest.memory_kib);
    guest.fill_in(|bytes| {
        for (byte, random) in bytes.iter_mut().zip(crate::model::Uuid::new_v4().into_bytes()) {
            *byte = random;
        }
    });
    Ok(guest)
}

/// The word at a place.
fn near(text: &str, line: usize, column: usize) -> &str {
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = line.get(start..).unwrap_or_default();
    rest.split_whitespace().next().unwrap_or("<newline>")
}

/// A path that is said and where nothing is.
fn is_nowhere(path: &Option<String>) -> Option<&str> {
    path.as_deref().filter(|path| path.starts_with(NOWHERE))
}

/// Of what the configuration names, the first thing that is not there.
fn missing(guest: &Guest) -> Option<Cause<'_>> {
    for (number, disk) in super::json::disks(guest).enumerate() {
        if let Some(path) = is_nowhere(&disk.source) {
            return Some(Cause::NoDisk { number, target: &disk.target, path });
        }
    }
    if is_nowhere(&guest.os.bootloader).is_some() {
        return Some(Cause::NoBootloader);
    }
    let is_pv = guest.os.kind == GuestType::Pv;
    let kernel = is_nowhere(&guest.os.kernel).map(|path| Cause::NoKernel { path, is_pv });
    kernel.or_else(|| is_nowhere(&guest.os.initrd).map(|path| Cause::NoRamdisk { path, is_pv }))
}

/// Gives the domain its memory, and the hypervisor what it needs for the page tables of one that is not PV (facts: xen-abi.md
/// section 7.1). Domain-0 gives nothing away.
fn give_memory(domid: DomId, guest: &Guest, parts: &mut Parts<'_>) -> Result<(), i32> {
    if guest.os.kind != GuestType::Pv {
        let pool_kib = 4 * (256 * u64::from(guest.vcpus.max) + guest.max_memory_kib / 1024);
        parts.machine.set_aside(domid, pool_kib / PAGE_KIB)?;
    }
    parts.machine.set_max_mem(domid, guest.max_memory_kib.saturating_add(SLACK_KIB) / PAGE_KIB)?;
    parts.machine.populate(domid, guest.memory_kib / PAGE_KIB)
}
