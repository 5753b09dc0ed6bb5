//! What xl does to living domains, and what it says about them.

use super::args::Args;
use super::json::{self, Json};
use super::messages;
use super::{Ended, Parts, Refused, Text, Waits, Xl, tree};
use crate::model::{DomId, GuestType};
use crate::sim::hypervisor;
use crate::sim::machine::{Domain, Machine, PAGE_KIB, reason};
use crate::sim::xenstored::Xenstored;

/// The domain of that name.
pub(super) fn by_name(name: &str, parts: &mut Parts<'_>) -> Option<DomId> {
    let Parts { machine, store, .. } = parts;
    machine
        .domains_from(0)
        .map(|domain| domain.domid)
        .find(|domid| name_of(*domid, store).as_deref() == Some(name))
}

fn name_of(domid: DomId, store: &mut Xenstored) -> Option<String> {
    let name = store.read(0, &format!("/local/domain/{domid}/name")).ok()?;
    Some(String::from_utf8_lossy(&name).into_owned())
}

/// Whom an argument means: digits are a number, whether anybody has it or not; anything else is a name.
pub(super) fn meant(word: &str, parts: &mut Parts<'_>) -> Result<DomId, Refused> {
    let number = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten();
    number
        .or_else(|| by_name(word, parts))
        .ok_or_else(|| Refused(1, Text::err(messages::invalid_domain(word))))
}

/// `pause DOM` and `unpause DOM`, which exit with 0 also where they fail.
pub(super) fn pause(verb: &str, args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
    let domid = meant(args.at(0), parts)?;
    let said = if verb == "pause" {
        parts.machine.pause(domid).map_err(|errno| messages::pausing(domid, errno))
    } else {
        parts.machine.unpause(domid).map_err(|errno| messages::unpausing(domid, errno))
    };
    Ok(Text::err(said.err().unwrap_or_default()).exits(0))
}

/// `info`
pub(super) fn info(parts: &Parts<'_>) -> Ended {
    let (release, host) = (parts.machine.release(), parts.machine.physinfo());
    let mib = |pages: u64| pages * PAGE_KIB / 1024;
    let lines = [
        ("machine", "x86_64".to_owned()),
        ("nr_cpus", host.cpus.to_string()),
        ("max_cpu_id", host.cpus.saturating_sub(1).to_string()),
        ("nr_nodes", host.nodes.to_string()),
        ("cores_per_socket", host.cores_per_socket.to_string()),
        ("threads_per_core", host.threads_per_core.to_string()),
        ("cpu_mhz", format!("{}.{:03}", host.cpu_khz / 1000, host.cpu_khz % 1000)),
        ("total_memory", mib(host.total_pages).to_string()),
        ("free_memory", mib(host.free_pages).to_string()),
        ("xen_major", release.major.to_string()),
        ("xen_minor", release.minor.to_string()),
        ("xen_extra", release.extra.to_owned()),
        ("xen_version", release.to_string()),
        ("xen_caps", hypervisor::capabilities(release).to_owned()),
    ];
    let text = lines.map(|(name, value)| format!("{name:<23}: {value}\n"));
    Text::out(text.concat()).exits(0)
}

/// `domid NAME`
pub(super) fn domid(args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
    let name = args.at(0);
    match by_name(name, parts) {
        Some(domid) => Ok(Text::out(format!("{domid}\n")).exits(0)),
        None => {
            let words =
                format!("Can't get domid of domain name '{name}', maybe this domain does not exist.\n");
            Err(Refused(1, Text::err(words)))
        }
    }
}

/// `domname ID`
pub(super) fn domname(args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
    let id = args.at(0);
    let Ok(number) = id.parse() else {
        return Err(Refused(1, Text::err("Invalid domain id.\n\n")));
    };
    match name_of(number, parts.store) {
        Some(name) => Ok(Text::out(format!("{name}\n")).exits(0)),
        None => {
            let words =
                format!("Can't get domain name of domain id '{number}', maybe this domain does not exist.\n");
            Err(Refused(1, Text::err(words)))
        }
    }
}

/// A run that waits for lives to end.
pub(super) fn wait_for_ends(domids: Vec<DomId>, said: Text, parts: &Parts<'_>) -> Ended {
    let is_over =
        |domid: &DomId| parts.machine.get(*domid).is_none_or(|domain| domain.shutdown_reason().is_some());
    if domids.iter().all(is_over) { said.exits(0) } else { Ended::Later(Waits::Ends { domids, said }) }
}

impl Xl {
    /// `destroy DOM`
    pub(super) fn destroy(&mut self, args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
        let domid = meant(args.at(0), parts)?;
        if domid == 0 {
            return Err(Refused(1, Text::err(messages::DOMAIN_0)));
        }
        if parts.machine.get(domid).is_none() {
            return Err(Refused(1, Text::err(messages::nobody_to_destroy(domid))));
        }
        self.end(domid, parts);
        Ok(Text::default().exits(0))
    }

    /// Ends a life and removes all that was made for it. Its monitor ends when it hears of that.
    pub(super) fn end(&mut self, domid: DomId, parts: &mut Parts<'_>) {
        // ESRCH: somebody was faster.
        let handle = parts.machine.get(domid).map(|domain| domain.handle);
        let _ = parts.machine.destroy_all(domid);
        let life = self.lives.remove(&domid);
        let mut guest = life.map(|life| life.guest).unwrap_or_default();
        // One that xl did not make.
        guest.uuid = guest.uuid.or(handle);
        tree::forget(domid, &guest, parts.store);
        let _ = parts.store.release(domid as u16);
    }

    /// `shutdown [-wF] DOM` and `reboot [-wF] DOM`
    pub(super) fn ask_to_end(
        &mut self,
        verb: &'static str,
        args: &Args,
        parts: &mut Parts<'_>,
    ) -> Result<Ended, Refused> {
        if args.has('a') {
            return Err(Refused(1, Text::err("the embedded xl asks one domain at a time\n")));
        }
        let Some(word) = args.rest.first() else {
            return Err(Refused(2, Text::err("You must specify -a or a domain id.\n\n")));
        };
        let domid = meant(word, parts)?;
        let is_shutdown = verb == "shutdown";
        let doing = if is_shutdown { "Shutting down" } else { "Rebooting" };
        let mut said = Text::err(format!("{doing} domain {domid}\n"));
        let Some(kind) = parts.machine.get(domid).map(|domain| domain.guest_type) else {
            return Err(Refused(1, Text::err(messages::no_type(domid, verb)).after(said)));
        };
        let mut asks = true;
        // Its drivers come up with the guest. Before, only the virtual hardware can tell it something.
        if kind == GuestType::Hvm && !parts.guests.is_up(domid) {
            let event = if is_shutdown { "power" } else { "reset" };
            if !args.has('F') {
                return Err(Refused(1, Text::err(messages::no_pv_drivers(verb, event)).after(said)));
            }
            let button = if is_shutdown { "power button" } else { "reset" };
            said = Text::err(format!("PV control interface not available: sending ACPI {button} event.\n"))
                .after(said);
            if !is_shutdown {
                let _ = parts.machine.shutdown(domid, reason::REBOOT);
                asks = false;
            }
        }
        if asks {
            tell(domid, "control/shutdown", if is_shutdown { "poweroff" } else { "reboot" }, parts);
        }
        if !args.has('w') {
            return Ok(said.exits(0));
        }
        Ok(wait_for_ends(vec![domid], said, parts))
    }

    /// `rename DOM NAME`
    pub(super) fn rename(&mut self, args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
        let word = args.at(0);
        let domid = meant(word, parts)?;
        let cannot = || Refused(1, Text::err(format!("Can't rename domain '{word}'.\n")));
        if by_name(args.at(1), parts).is_some_and(|other| other != domid) {
            let taken = format!(
                "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain {domid}:Domain with name \"{}\" already exists.\n",
                args.at(1)
            );
            let Refused(code, words) = cannot();
            return Err(Refused(code, words.after(Text::err(taken))));
        }
        let life = self.lives.get_mut(&domid).ok_or_else(cannot)?;
        args.at(1).clone_into(&mut life.guest.name);
        tree::name(domid, &life.guest, parts.store);
        Ok(Text::default().exits(0))
    }

    /// `list [-lv] [DOM]`
    pub(super) fn list(&mut self, args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
        let one = args.rest.first().map(|word| meant(word, parts)).transpose()?;
        let domains: Vec<Domain> = match one {
            None => parts.machine.domains_from(0).cloned().collect(),
            Some(domid) => parts.machine.get(domid).cloned().into_iter().collect(),
        };
        if let (Some(domid), []) = (one, domains.as_slice()) {
            return Err(Refused(1, Text::err(format!("Error: Domain '{domid}' does not exist.\n"))));
        }
        if args.has('l') {
            let listed = domains.iter().filter_map(|domain| {
                let config = self.described(domain, parts.store)?;
                Some(json::listed(domain.domid, config))
            });
            let text = Json::List(listed.collect()).to_text();
            return Ok(Text::out(text + "\n").exits(0));
        }
        let mut text =
            String::from("Name                                        ID   Mem VCPUs\tState\tTime(s)");
        text.push_str(if args.has('v') {
            "   UUID                            Reason-Code\tSecurity Label\n"
        } else {
            "\n"
        });
        for domain in &domains {
            text.push_str(&row(domain, args.has('v'), parts.machine, parts.store));
        }
        Ok(Text::out(text).exits(0))
    }

    /// What is kept about a domain, with what has changed since; None where nothing is kept.
    pub(super) fn described(&self, domain: &Domain, store: &mut Xenstored) -> Option<Json> {
        if domain.domid == 0 {
            return Some(json::domain_0(domain));
        }
        let life = self.lives.get(&domain.domid).filter(|life| life.is_kept)?;
        let mut guest = life.guest.clone();
        let target = store.read(0, &format!("/local/domain/{}/memory/target", domain.domid)).ok();
        let target = target.and_then(|target| String::from_utf8(target).ok()?.parse::<u64>().ok());
        if let Some(target) = target {
            guest.memory_kib = target.saturating_add(json::video_kib(&guest));
        }
        Some(json::config(&guest))
    }
}

/// Writes a node that the guest watches.
pub(super) fn tell(domid: DomId, node: &str, text: &str, parts: &mut Parts<'_>) {
    let path = format!("/local/domain/{domid}/{node}");
    // Domain-0 may write it, and it keeps its owner.
    let _ = parts.store.write(0, &path, text);
    parts.told.push(path);
}

/// A line of `xl list`.
fn row(domain: &Domain, verbose: bool, machine: &Machine, store: &mut Xenstored) -> String {
    let bits = machine.bits(domain);
    let crashed = bits.shutdown && bits.shutdown_reason == reason::CRASH;
    let state: String = [
        (bits.running, 'r'),
        (bits.blocked, 'b'),
        (bits.paused, 'p'),
        (bits.shutdown, 's'),
        (crashed, 'c'),
        (bits.dying, 'd'),
    ]
    .map(|(is_so, letter)| if is_so { letter } else { '-' })
    .into_iter()
    .collect();
    let name = name_of(domain.domid, store).unwrap_or_else(|| "(null)".into());
    let mib = domain.tot_pages * PAGE_KIB / 1024;
    let seconds = machine.cpu_time_ns(domain) as f64 / 1e9;
    let mut row = format!(
        "{name:<40} {:>5} {mib:>5} {:>5}     {state}  {seconds:>8.1}",
        domain.domid, domain.online_vcpus
    );
    if verbose {
        row.push_str(&format!(" {}", domain.handle));
        let why = if bits.shutdown { bits.shutdown_reason.to_string() } else { "-".into() };
        row.push_str(&format!(" {why:>8} {:>16}", "-"));
    }
    row.push('\n');
    row
}
