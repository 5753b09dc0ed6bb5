//! Acts on a running domain: pausing, stopping.

use super::find::{Now, gone};
use super::routes::{HostKind, Op};
use super::{LocalDriver, unserved};
use crate::error::{Error, Result, Road, Status};
use crate::model::{DomId, DomainInfo, Identity, State, Uuid};

impl LocalDriver {
    /// Suspend, resume, shutdown, reboot, destroy: acts that are meant for one life.
    pub(super) fn act_on_live(&self, op: Op, domain: &Identity) -> Result<()> {
        let road = self.active(op)?;
        let (life, info) = self.life_to_act_on(domain)?;
        // An old xend takes it for done; a later one has its own words for it.
        let is_late_xend = matches!(self.kind, HostKind::Xend | HostKind::XendAlone);
        if op == Op::Resume && !is_late_xend && info.state != State::Paused {
            let message = format!("domain {life} is not paused, it is {}", info.state.name());
            return Err(Error::new(Status::InvalidState, message));
        }
        if road != Road::Xend {
            self.no_toolstack_minds(op, life)?;
            // Pauses are counted (since Xen 4.5), and a pause for each call would take as many resumes. xend sees to this by itself.
            if op == Op::Suspend && info.state == State::Paused {
                return Ok(());
            }
        }
        match road {
            Road::Xend => {
                let key = self.xend_key_of_life(info.uuid, life)?;
                self.change(|| self.act_by_xend(op, &key))
            }
            Road::Xl => self.act_by_xl(op, &Identity { uuid: info.uuid, domid: Some(life) }, life),
            Road::Hypercall => self.change(|| self.act_by_hypercall(op, life)),
            Road::Xenstore => self.change(|| self.ask_guest(op, life)),
            road => Err(unserved(op, road)),
        }
    }

    /// Before an act that xend does not hear of: no toolstack has come, or is left out, that would have to.
    pub(super) fn no_toolstack_minds(&self, op: Op, life: DomId) -> Result<()> {
        self.roads.xend.still_absent(self.deadline())?;
        if matches!(self.kind, HostKind::Xl | HostKind::XlAlone)
            || op != Op::Destroy
            || self.xenstore().is_err()
        {
            return Ok(());
        }
        // The xl toolstack keeps this folder for each domain it made (facts: xen-abi.md 6), and its devices and device
        // model would stay behind.
        match self.xenstore()?.nodes(self.deadline()).read_optional(&format!("/libxl/{life}"))? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                Status::NotSupported,
                format!(
                    "domain {life} belongs to the xl toolstack, and a hypercall would leave its devices and device model behind, so use 'xl destroy {life}': {}",
                    self.why_without_xl()
                ),
            )),
        }
    }

    /// The life that the caller means: the pinned one, or for a handle that was never pinned the one there is.
    pub(super) fn life_to_act_on(&self, domain: &Identity) -> Result<(DomId, DomainInfo)> {
        let info = match domain.domid {
            Some(domid) => self.pinned_life(domain)?.ok_or_else(|| stale(domid, domain.uuid))?,
            None => match self.now(domain)? {
                Now::Live(info) => info,
                Now::Inactive(_) => {
                    return Err(Error::new(
                        Status::InvalidState,
                        format!("the domain {} is not running", domain.uuid),
                    ));
                }
            },
        };
        Ok((info.domid.ok_or_else(|| gone(domain.uuid))?, info))
    }

    fn act_by_hypercall(&self, op: Op, domid: DomId) -> Result<()> {
        let hypervisor = self.hypervisor()?;
        match op {
            Op::Suspend => hypervisor.pause(domid),
            Op::Resume => hypervisor.unpause(domid),
            Op::Destroy => hypervisor.destroy(domid, self.toolstack_deadline()),
            op => Err(unserved(op, Road::Hypercall)),
        }
    }

    /// Without a toolstack the guest itself is asked (facts: xen-abi.md 6.3).
    fn ask_guest(&self, op: Op, domid: DomId) -> Result<()> {
        let word: &[u8] = match op {
            Op::Shutdown => b"poweroff",
            Op::Reboot => b"reboot",
            op => return Err(unserved(op, Road::Xenstore)),
        };
        self.xenstore()?.write(&format!("/local/domain/{domid}/control/shutdown"), word, self.deadline())
    }
}

pub(super) fn stale(domid: DomId, uuid: Uuid) -> Error {
    let message =
        format!("domain {domid} ({uuid}) is not the one that this handle was taken from: look it up again");
    Error::new(Status::Stale, message)
}
