//! What changes a host through xend.

use super::LocalDriver;
use super::act::stale;
use super::routes::Op;
use super::unserved;
use super::xend_domain::XendDomain;
use super::xend_known::taken_for_a_name;
use crate::channel::xend::{ShutdownRequest, Xend};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::sxpr;
use crate::format::xm::{self, Other};
use crate::log::Level;
use crate::model::guest::Lifecycle;
use crate::model::{DomId, Guest, Identity, Uuid};
use crate::store::Entry;
use crate::wire::sexpr::Sexpr;

impl LocalDriver {
    /// What xend calls that life by. xend takes what it is asked by for a name first, so a domain that somebody named like another
    /// one's uuid (or `0`) would be hit instead: xend's own record is looked at before it is told to do anything.
    pub(super) fn xend_key_of_life(&self, uuid: Uuid, life: DomId) -> Result<String> {
        let key = self.xend_key(uuid, Some(life))?;
        let value = self.xend()?.domain(&key, self.deadline())?.ok_or_else(|| {
            let message = format!(
                "xend does not know the domain {key}, which runs as {life}: it was made behind xend's back"
            );
            Error::new(Status::OperationFailed, message).on(Road::Xend)
        })?;
        let found = XendDomain::read(&value)?;
        match found.info.domid {
            Some(domid) if found.info.uuid == uuid && domid == life => Ok(key),
            _ if found.info.uuid == uuid => Err(stale(life, uuid)),
            _ => Err(taken_for_a_name(&key, found.info.uuid)),
        }
    }

    pub(super) fn act_by_xend(&self, op: Op, key: &str) -> Result<()> {
        let xend = self.xend()?;
        let deadline = self.toolstack_deadline();
        match op {
            Op::Suspend => xend.pause(key, deadline),
            Op::Resume => xend.unpause(key, deadline),
            Op::Shutdown => xend.shutdown(key, ShutdownRequest::Poweroff, deadline),
            Op::Reboot => xend.shutdown(key, ShutdownRequest::Reboot, deadline),
            Op::Destroy => xend.destroy(key, deadline),
            op => Err(unserved(op, Road::Xend)),
        }
    }

    /// The configuration that this xend takes.
    ///
    /// Errors: [`Status::NotSupported`] for what it cannot hold, or would take for something else, with its age.
    fn config_for_xend(&self, guest: &Guest) -> Result<Sexpr> {
        let age = self.xend_node()?.age();
        if guest.is_hvm() && guest.os.kernel.is_some() && !age.abilities.boots_hvm_kernels {
            return Err(age.lacks(
                "a <kernel> in an HVM guest",
                "it would take the kernel for the firmware; let the guest boot from its disk",
            ));
        }
        let dumps = matches!(guest.on_crash, Lifecycle::CoredumpDestroy | Lifecycle::CoredumpRestart);
        if dumps && !age.abilities.dumps_cores {
            let what = format!("<on_crash>{}</on_crash>", guest.on_crash.name());
            return Err(age.lacks(&what, "choose destroy, restart, preserve or rename-restart"));
        }
        sxpr::to_sxpr(guest, self.xend_format()?).map_err(|error| match error.status {
            Status::NotSupported => {
                Error { message: format!("{} (this xend: {age})", error.message), ..error }.on(Road::Xend)
            }
            _ => error,
        })
    }

    /// Makes a domain persistent, or changes it. The guest is complete, and its name and uuid were checked: xend would rename silently.
    pub(super) fn define_by_xend(&self, guest: &Guest) -> Result<()> {
        let config = self.config_for_xend(guest)?;
        let xend = self.xend()?;
        self.change(|| xend.define(&config, self.toolstack_deadline()))
    }

    /// Starts a defined domain. xend takes `paused` only from its XML-RPC clients: over HTTP it compares text with a number (facts: xend.md 5).
    pub(super) fn start_by_xend(&self, uuid: Uuid, paused: bool) -> Result<Identity> {
        if paused {
            return Err(Error::new(
                Status::NotSupported,
                "xend cannot start a defined domain paused: create it from its XML with the paused flag instead",
            ));
        }
        let xend = self.xend()?;
        let key = self.xend_key(uuid, None)?;
        self.change(|| xend.start(&key, self.toolstack_deadline()))?;
        let life = self.life_of_uuid(uuid)?.ok_or_else(|| {
            let message = format!("xend started the domain {uuid}, and it ended at once");
            Error::new(Status::OperationFailed, message).on(Road::Xend)
        })?;
        Ok(Identity { uuid, domid: life.domid })
    }

    /// Starts a transient domain: made paused, its devices waited for, then let run. A half-made one is destroyed again.
    pub(super) fn create_by_xend(&self, guest: &Guest, uuid: Uuid, paused: bool) -> Result<Identity> {
        let config = self.config_for_xend(guest)?;
        let xend = self.xend()?;
        let deadline = self.toolstack_deadline();
        let made = self.change(|| xend.create(&config, deadline)).map_err(|mut error| {
            if matches!(error.status, Status::Timeout | Status::Closed) {
                // It cannot be told from here whether there will be a domain, so there is none to destroy.
                let left =
                    format!("; should it be made after all, it is left paused: look for the uuid {uuid}");
                error.message.push_str(&left);
            }
            error
        })?;
        let made = XendDomain::read(&made)?.info;
        let Some(life) = made.domid.filter(|_| made.uuid == uuid) else {
            let message = format!(
                "xend answered the creation of the domain {uuid} with the description of another one"
            );
            return Err(Error::new(Status::Protocol, message).on(Road::Xend));
        };
        let run = || {
            let key = match self.xend_node()?.age().abilities.remembers {
                true => self.xend_key(uuid, None)?,
                // By its number, which somebody may have named a domain.
                false => self.xend_key_of_life(uuid, life)?,
            };
            xend.wait_for_devices(&key, deadline)?;
            if paused { Ok(()) } else { xend.unpause(&key, deadline) }
        };
        match self.change(run) {
            Ok(()) => Ok(Identity { uuid, domid: Some(life) }),
            Err(error) => Err(self.clean_up(xend, uuid, life, error)),
        }
    }

    /// Starts a domain from its file. xend gets what the file says; keys that have no place in a guest's description are not among that, and the log
    /// names them.
    pub(super) fn start_stored_by_xend(&self, entry: &Entry, paused: bool) -> Result<Identity> {
        let left_out = xm::read(&entry.text, self.xend_format()?).map(|reading| reading.others);
        for Other { key, place } in left_out.unwrap_or_default() {
            let (path, line, column) = (entry.path.display(), place.line, place.column);
            let message = format_args!("{path}, line {line}, column {column}: started without '{key}'");
            self.log.say(Level::Warning, message);
        }
        // Its title stays with the file.
        let guest = Guest { title: None, ..(*entry.guest).clone() };
        self.create_by_xend(&guest, entry.uuid, paused)
    }

    /// Destroys what a failed creation left, and says so where that fails as well. Only the life that was created: xend may have
    /// ended it by itself, and somebody else may have made a domain of that uuid since.
    fn clean_up(&self, xend: &Xend, uuid: Uuid, life: DomId, mut error: Error) -> Error {
        let left = self.pinned_life(&Identity { uuid, domid: Some(life) }).and_then(|left| match left {
            None => Ok(()),
            Some(_) => {
                let key = self.xend_key_of_life(uuid, life)?;
                // A time of its own: the deadline of the creation may be what has just passed.
                self.change(|| xend.destroy(&key, Deadline::after(self.timeout)))
            }
        });
        if let Err(second) = left
            && !matches!(second.status, Status::NotFound | Status::Stale)
        {
            self.log
                .say(Level::Error, format_args!("the half-made domain {life} ({uuid}) remains: {second}"));
            error.message = format!(
                "{}; and the half-made domain {life} ({uuid}) could not be destroyed: {second}",
                error.message
            );
        }
        error
    }
}

/// What xend calls autostart: `on_xend_start`, with `start` or `ignore`.
const ON_START: &str = "on_xend_start";

impl LocalDriver {
    /// Whether xend starts the domain when it starts itself.
    pub(super) fn autostarted_by_xend(&self, uuid: Uuid) -> Result<bool> {
        Ok(self.xend_value(uuid, None)?.value(ON_START) == Some("start"))
    }

    /// Sets it: xend's own configuration of a domain is defined again with the one word changed.
    pub(super) fn set_autostarted_by_xend(&self, domain: &Identity, autostart: bool) -> Result<()> {
        if let Some(info) = self.life_of_uuid(domain.uuid)?
            && !self.xend()?.is_managed(info.uuid)?
        {
            let message = format!("the domain {} is transient: xend does not remember it", domain.uuid);
            return Err(Error::new(Status::InvalidState, message));
        }
        let word = if autostart { "start" } else { "ignore" };
        let appends = self.xend_node()?.age().abilities.appends_root;
        let config = match self.xend_value(domain.uuid, None)? {
            Sexpr::List(mut children) => {
                children.retain(|child| child.name() != Some(ON_START));
                if appends {
                    children.iter_mut().for_each(without_appended);
                }
                children.push(Sexpr::pair(ON_START, word));
                Sexpr::List(children)
            }
            atom => atom,
        };
        let xend = self.xend()?;
        self.change(|| xend.define(&config, self.toolstack_deadline()))
    }
}

/// Takes what this xend has put behind the kernel's command line, and would put there again, out of `(image (linux ...))`.
fn without_appended(child: &mut Sexpr) {
    if child.name() != Some("image") {
        return;
    }
    if let Sexpr::List(image) = child
        && let Some(Sexpr::List(fields)) = image.get_mut(1)
    {
        fields.retain(|field| !matches!(field.name(), Some("root" | "ip")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_command_line_already_is_not_sent_beside_it() {
        let text = "(image (linux (kernel /k) (args 'quiet root=/dev/xvda') (root /dev/xvda) (ip x)))";
        let mut image = Sexpr::parse_first(text.as_bytes()).unwrap();
        without_appended(&mut image);
        assert_eq!(image.to_string(), "(image (linux (kernel /k) (args 'quiet root=/dev/xvda')))");
        let mut other = Sexpr::parse_first(b"(root /dev/xvda)").unwrap();
        without_appended(&mut other);
        assert_eq!(other.to_string(), "(root /dev/xvda)");
    }
}
