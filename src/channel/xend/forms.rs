//! Requests that xends of different ages want in different forms. Each looks into the table of [`abilities`](super::abilities) first: what a xend
//! cannot do is not asked of it.

use super::abilities::Age;
use super::{Xend, path_of};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::wire::sexpr::Sexpr;

/// What happens to a domain whose memory is dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDump {
    /// It goes on.
    GoesOn,
    /// It ends, as if it had crashed.
    Crashes,
}

/// Where the daemon of a destination listens for domains that come (`xend-relocation-port`).
pub const RELOCATION_PORT: u16 = 8002;

impl Xend {
    /// Writes the memory of a live domain into a file of xend's machine; with `live` the domain runs meanwhile.
    ///
    /// Errors: [`NotSupported`](crate::Status::NotSupported) before xend_config_format 3.
    pub fn dump(
        &self,
        age: &Age,
        domain: &str,
        file: &str,
        live: bool,
        after: AfterDump,
        deadline: Deadline,
    ) -> Result<()> {
        age.needs(age.abilities.dumps, "dumping a domain's memory", "use 'xm dump-core' there")?;
        let mut fields = vec![("file", file)];
        for flag in age.abilities.dump_flags() {
            let set = match *flag {
                "live" => live,
                "crash" => after == AfterDump::Crashes,
                _ => false,
            };
            fields.push((flag, if set { "1" } else { "0" }));
        }
        self.operate(domain, "dump", &fields, deadline)
    }

    /// Moves a live domain to the xend of another host, which has to allow it (`xend-relocation-server`).
    pub fn migrate(
        &self,
        age: &Age,
        domain: &str,
        destination: &str,
        port: Option<u16>,
        live: bool,
        deadline: Deadline,
    ) -> Result<()> {
        let port = port.unwrap_or(RELOCATION_PORT).to_string();
        let mut fields = vec![
            ("destination", destination),
            ("live", if live { "1" } else { "0" }),
            ("port", port.as_str()),
        ];
        fields.extend_from_slice(age.abilities.migration_fields());
        self.operate(domain, "migrate", &fields, deadline)
    }

    /// Says which processors a vcpu may use.
    ///
    /// Errors: [`NotSupported`](crate::Status::NotSupported) before Xen 3.4, where the operation is there and never succeeds.
    pub fn pin_vcpu(
        &self,
        age: &Age,
        domain: &str,
        vcpu: u32,
        cpus: &[u32],
        deadline: Deadline,
    ) -> Result<()> {
        age.needs(age.abilities.pins, "pinning a vcpu over HTTP", "use 'xm vcpu-pin' on that host")?;
        let list = cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.operate(domain, "pincpu", &[("vcpu", &vcpu.to_string()), ("cpumap", &list)], deadline)
    }

    /// Sets a domain's share of the processors in the credit scheduler: its weight (1 to 65535), and with a cap the hundredths of a processor
    /// that it may have at most (0: any).
    ///
    /// Errors: [`NotSupported`](crate::Status::NotSupported) before Xen 3.0.3, and for a cap before 3.2, which would be left out silently.
    pub fn set_credit(
        &self,
        age: &Age,
        domain: &str,
        weight: u16,
        cap: Option<u32>,
        deadline: Deadline,
    ) -> Result<()> {
        let scheduler = "the credit scheduler's weight";
        age.needs(
            age.abilities.weighs,
            scheduler,
            "its hypervisor has another scheduler; use 'xm sched-sedf'",
        )?;
        let caps = age.abilities.caps || cap.is_none();
        age.needs(caps, "the credit scheduler's cap over HTTP", "use 'xm sched-credit' on that host")?;
        let (weight, cap) = (weight.to_string(), cap.map(|cap| cap.to_string()));
        let mut fields = vec![("weight", weight.as_str())];
        match &cap {
            Some(cap) => fields.push(("cap", cap)),
            // It has to be said where it can be.
            None if age.abilities.caps => fields.push(("cap", "0")),
            None => {}
        }
        self.operate(domain, "domain_sched_credit_set", &fields, deadline)
    }

    /// Adds a device such as `(vbd (dev xvdb) (uname phy:/dev/b) (mode w))`, and waits until its backend is there. A domain that does not run
    /// has it when it starts.
    pub fn add_device(&self, domain: &str, device: &Sexpr, deadline: Deadline) -> Result<()> {
        let config = device.to_bytes();
        let fields: [(&str, &[u8]); 2] = [("op", b"device_create"), ("config", &config)];
        self.post(&path_of(domain), &fields, &format!("add a device to the domain '{domain}'"), deadline)?;
        Ok(())
    }

    /// Takes a device away: `kind` is `vbd`, `vif`, ..., `device` its number. From Xen 3.3 on this waits until the guest has let it go
    /// (xend gives up after 100 s); before, it returns when the guest was asked.
    pub fn remove_device(
        &self,
        age: &Age,
        domain: &str,
        kind: &str,
        device: &str,
        deadline: Deadline,
    ) -> Result<()> {
        let mut fields = vec![("type", kind), ("dev", device)];
        fields.extend_from_slice(age.abilities.removal_fields());
        self.operate(domain, "device_destroy", &fields, deadline)
    }

    /// Changes the disc in a CD-ROM drive: the whole drive as `(vbd (dev hdc:cdrom) (uname file:/iso) (mode r))`, and its name.
    ///
    /// Errors: [`NotSupported`](crate::Status::NotSupported) where this never succeeds: before Xen 3.0.3, in 3.0.4, and from 4.0 on.
    pub fn change_disc(
        &self,
        age: &Age,
        domain: &str,
        drive: &Sexpr,
        name: &str,
        deadline: Deadline,
    ) -> Result<()> {
        let can = age.abilities.changes_discs;
        age.needs(can, "changing a disc over HTTP", "use 'xm block-configure' on that host")?;
        let config = drive.to_bytes();
        let fields: [(&str, &[u8]); 3] =
            [("op", b"device_configure"), ("config", &config), ("dev", name.as_bytes())];
        self.post(&path_of(domain), &fields, &format!("change a disc of the domain '{domain}'"), deadline)?;
        Ok(())
    }
}
