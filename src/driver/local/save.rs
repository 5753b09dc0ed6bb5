//! Saving a running domain into a file, and going on from one.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::define::name_taken;
use super::find::{Inactive, Now};
use super::routes::Op;
use super::{LocalDriver, unserved};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::{libxl_json, xl};
use crate::model::identity::check_name;
use crate::model::{Identity, State, Uuid};
use crate::wire::saved::{Head, MAX_HEAD};
use crate::wire::sexpr::Sexpr;

/// The slowest disk that a save is given time for, besides the deadline for toolstacks: so much memory in a second. An xl that is
/// ended in the middle of a save can leave a guest that does not go on, so this is generous.
const SLOWEST_KIB: u64 = 8 << 10;

/// How long a monitor that leaves needs for it.
const LEAVING: Duration = Duration::from_secs(1);

impl LocalDriver {
    /// Writes a life's state into a file and ends it. A file that exists is replaced.
    pub(super) fn save_domain(&self, domain: &Identity, file: &Path, uri: &str) -> Result<()> {
        let road = self.active(Op::Save)?;
        let file = absolute(file)?;
        let (life, info) = self.life_to_act_on(domain)?;
        if life == 0 {
            return Err(Error::invalid_arg("Domain-0 cannot be saved: it is the host itself"));
        }
        let pinned = Identity { uuid: info.uuid, domid: Some(life) };
        let existed = fs::symlink_metadata(&file).is_ok();
        let minded = road == Road::Xl && self.minded(&pinned)?;
        let deadline = self.transfer_deadline(info.memory_kib.unwrap_or(0));
        let saved = match road {
            Road::Xend => {
                let key = self.xend_key_of_life(info.uuid, life)?;
                let path = utf8(&file)?;
                self.change(|| self.xend()?.save(&key, path, deadline))
            }
            Road::Xl => {
                self.no_toolstack_minds(Op::Save, life)?;
                self.change(|| self.xl()?.save(life, &file, deadline))
            }
            road => return Err(unserved(Op::Save, road)),
        };
        match saved {
            Ok(()) => match self.wait_for_end(&pinned, Deadline::after(self.timeout))? {
                Some(info) if info.state != State::Shutdown => Err(Error::new(
                    Status::OperationFailed,
                    format!("domain {life} was saved into {}, and it is still there", file.display()),
                )
                .on(road)),
                _ => Ok(()),
            },
            Err(error) => Err(self.not_saved(error, &pinned, (&file, existed), minded.then_some(uri))),
        }
    }

    /// After a save that failed: says what became of the guest, and removes half a file. Only a file that was not there before, and only
    /// while the guest still lives: else it may be all that is left of it. `minded` is where a new monitor connects to, if it had one.
    fn not_saved(
        &self,
        mut error: Error,
        life: &Identity,
        (file, existed): (&Path, bool),
        minded: Option<&str>,
    ) -> Error {
        let domid = life.domid.unwrap_or_default();
        let shown = file.display();
        let note = match self.pinned_life(life) {
            Ok(Some(info)) if info.state != State::Shutdown => {
                // A xend that was late may still be writing.
                let late_xend = error.road == Road::Xend && error.status == Status::Timeout;
                if !existed && !late_xend {
                    remove_half(file);
                }
                match info.state {
                    State::Suspended => {
                        format!(
                            "; domain {domid} is suspended and does not go on by itself: destroy it, and start it again"
                        )
                    }
                    _ => {
                        let mut note = format!("; domain {domid} goes on");
                        if let Some(uri) = minded
                            && self.monitor_leaves(life)
                        {
                            note.push_str(&match self.start_a_monitor(life, uri) {
                                Ok(()) => ", and as its monitor has left it, xenith minds it".to_owned(),
                                Err(second) => format!(
                                    ", but its monitor has left it ('xenith monitor' sets one up), and no other could be started: {second}"
                                ),
                            });
                        }
                        note
                    }
                }
            }
            Ok(_) => format!("; domain {domid} has ended meanwhile: {shown} may hold it, and is kept"),
            Err(second) => {
                format!("; what became of domain {domid} cannot be told ({second}): {shown} is kept")
            }
        };
        error.message.push_str(&note);
        error
    }

    /// Whether a life has no monitor, or loses it now: xl's takes a guest that is suspended for saved, and does not wait for what comes
    /// of it (seen with 4.17).
    fn monitor_leaves(&self, life: &Identity) -> bool {
        let deadline = Deadline::after(LEAVING);
        loop {
            match self.minded(life) {
                Ok(false) => return true,
                Ok(true) if !deadline.is_over() => std::thread::sleep(LEAVING / 10),
                _ => return false,
            }
        }
    }

    /// Begins the next life of the domain that a file holds.
    pub(super) fn restore_domain(&self, file: &Path, paused: bool) -> Result<Identity> {
        let road = self.active(Op::Save)?;
        let file = absolute(file)?;
        let (head, bytes) = read_head(&file)?;
        let saved = Saved::of(&head).map_err(|error| in_file(&file, error))?;
        self.is_free(&saved)?;
        let deadline = self.transfer_deadline(bytes >> 10);
        match (road, head) {
            (Road::Xl, Head::XlJson(_) | Head::XlConfig(_)) => {
                self.begin_by_xl(saved.uuid, || self.xl()?.restore(&file, paused, deadline))
            }
            (Road::Xend, Head::Xend(_)) => {
                if paused {
                    return Err(Error::new(
                        Status::NotSupported,
                        "xend cannot restore a domain paused over HTTP: restore it and suspend it",
                    ));
                }
                let path = utf8(&file)?;
                self.change(|| self.xend()?.restore(path, deadline))?;
                let life = self.life_of_uuid(saved.uuid)?.ok_or_else(|| {
                    let message = format!("xend restored the domain {}, and it ended at once", saved.uuid);
                    Error::new(Status::OperationFailed, message).on(Road::Xend)
                })?;
                Ok(Identity { uuid: saved.uuid, domid: life.domid })
            }
            (Road::Xl | Road::Xend, _) => Err(in_file(
                &file,
                Error::new(
                    Status::NotSupported,
                    format!("another toolstack than this host's {} saved it", road.name()),
                ),
            )),
            (road, _) => Err(unserved(Op::Save, road)),
        }
    }

    /// A saved domain goes on under the name and uuid that it had, so nobody else may have them now.
    fn is_free(&self, saved: &Saved) -> Result<()> {
        if let Some(info) = self.life_of_uuid(saved.uuid)? {
            let id = info.domid.unwrap_or_default();
            return Err(Error::new(
                Status::Exists,
                format!("the domain {} runs already, as {id}", saved.uuid),
            ));
        }
        match self.find_by_name(&saved.name)? {
            Some(known) if known.uuid != saved.uuid && !self.is_own_file(&known)? => {
                Err(name_taken(&saved.name, known.uuid))
            }
            _ => Ok(()),
        }
    }

    /// A file without a uuid is remembered under a derived one, and was started by others under the one that was saved.
    fn is_own_file(&self, known: &Identity) -> Result<bool> {
        Ok(matches!(self.now(known)?, Now::Inactive(Inactive::Stored(entry)) if entry.uuid_is_derived))
    }

    fn transfer_deadline(&self, kib: u64) -> Deadline {
        Deadline::after(self.toolstack_timeout.saturating_add(Duration::from_secs(kib / SLOWEST_KIB)))
    }
}

/// Which domain a file holds.
#[derive(Debug)]
struct Saved {
    name: String,
    uuid: Uuid,
}

impl Saved {
    fn of(head: &Head) -> Result<Saved> {
        let (name, uuid) = match head {
            Head::XlJson(text) => {
                let mut told = libxl_json::from_json(text)?;
                let guest = told.pop().map(|described| described.guest).unwrap_or_default();
                (guest.name, guest.uuid)
            }
            Head::XlConfig(text) => {
                let guest = xl::from_xl(text)?;
                (guest.name, guest.uuid)
            }
            Head::Xend(bytes) => {
                let domain = Sexpr::parse_first(bytes)
                    .map_err(|error| Error::new(Status::InvalidConfig, error.to_string()))?;
                let uuid = domain.value("uuid").and_then(|text| Uuid::try_parse(text).ok());
                (domain.value("name").unwrap_or_default().to_owned(), uuid)
            }
        };
        check_name(&name).map_err(|why| Error::new(Status::InvalidConfig, why))?;
        let uuid = uuid.filter(|uuid| !uuid.is_nil());
        let uuid = uuid.ok_or_else(|| {
            Error::new(
                Status::NotSupported,
                format!("the domain '{name}' was saved without its uuid (by an xl before 4.4): 'xl restore' gives it a new one"),
            )
        })?;
        Ok(Saved { name, uuid })
    }
}

/// The head of a file and the file's length. Nothing is waited for: what is no file (a pipe) is refused.
fn read_head(file: &Path) -> Result<(Head, u64)> {
    let failed = |error: std::io::Error| {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => Some(Status::NotFound),
            _ => None,
        };
        let error = Error::from_io(Road::None, format_args!("cannot read {}", file.display()), &error);
        Error { status: status.unwrap_or(error.status), ..error }
    };
    let opened: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(file)
        .map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    if !metadata.is_file() && !metadata.file_type().is_block_device() {
        return Err(Error::invalid_arg(format!("{} is no file", file.display())));
    }
    let mut bytes = Vec::new();
    opened.take(MAX_HEAD as u64).read_to_end(&mut bytes).map_err(failed)?;
    let head = Head::read(&bytes).map_err(|error| in_file(file, error))?;
    Ok((head, metadata.len()))
}

fn in_file(file: &Path, error: Error) -> Error {
    Error { message: format!("{}: {}", file.display(), error.message), ..error }
}

fn remove_half(file: &Path) {
    if fs::symlink_metadata(file).is_ok_and(|metadata| metadata.is_file()) {
        // What cannot be removed stays: the error that is on its way says more.
        let _ = fs::remove_file(file);
    }
}

/// Toolstacks run elsewhere: a path means the same there only when it is absolute.
fn absolute(file: &Path) -> Result<PathBuf> {
    if file.as_os_str().is_empty() {
        return Err(Error::invalid_arg("the path of the file is empty"));
    }
    std::path::absolute(file)
        .map_err(|error| Error::from_io(Road::None, "cannot tell the current folder", &error))
}

fn utf8(file: &Path) -> Result<&str> {
    file.to_str()
        .ok_or_else(|| Error::invalid_arg(format!("{} is not UTF-8, as xend wants it", file.display())))
}
