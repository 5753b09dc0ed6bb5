//! A monitor of our own: what xl's would do when a life ends, for a domain that has lost its own (docs/model.md, "The xl road").

use crate::model::guest::Lifecycle;
use crate::model::{Guest, Reason, State};

/// Why a monitor has nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MindEnd {
    /// The domain's life is over: it was destroyed, by this monitor or by somebody else.
    Gone,
    /// The next life has begun. It has a monitor of the toolstack's own, as every life that the toolstack begins.
    Restarted,
    /// The last life has ended and is kept as it is, for inspection, as the configuration says.
    Kept,
    /// It was asked to stop.
    Stopped,
}

/// What there is to do about a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// It goes on.
    Wait,
    /// Somebody destroys it.
    Gone,
    /// It has ended, and its configuration says this.
    Act(Lifecycle),
}

/// What is to be done about a life in that state. A guest that is suspended is being saved: it is gone when that succeeds, and goes on when
/// it does not. A watchdog's end is freed, as xl does by default; a soft reset, which only libxl's own process can make, becomes a reboot.
pub(super) fn todo(guest: &Guest, state: State, reason: Reason) -> Todo {
    match (state, reason) {
        (State::Shutdown, _) => Todo::Gone,
        (State::Crashed, _) => Todo::Act(guest.on_crash),
        (State::Shutoff, Reason::Reboot | Reason::SoftReset) => Todo::Act(guest.on_reboot),
        (State::Shutoff, Reason::Watchdog) => Todo::Act(Lifecycle::Destroy),
        (State::Shutoff, _) => Todo::Act(guest.on_poweroff),
        _ => Todo::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_own_action_and_a_suspended_guest_is_waited_for() {
        let guest = Guest {
            on_poweroff: Lifecycle::Preserve,
            on_reboot: Lifecycle::Restart,
            on_crash: Lifecycle::CoredumpDestroy,
            ..Guest::default()
        };
        for (state, reason, expected) in [
            (State::Running, Reason::OnCpu, Todo::Wait),
            (State::Paused, Reason::PausedByToolstack, Todo::Wait),
            (State::Suspended, Reason::Suspend, Todo::Wait),
            (State::Shutdown, Reason::TearingDown, Todo::Gone),
            (State::Shutoff, Reason::Poweroff, Todo::Act(Lifecycle::Preserve)),
            (State::Shutoff, Reason::Reboot, Todo::Act(Lifecycle::Restart)),
            (State::Shutoff, Reason::SoftReset, Todo::Act(Lifecycle::Restart)),
            (State::Shutoff, Reason::Watchdog, Todo::Act(Lifecycle::Destroy)),
            (State::Crashed, Reason::Crash, Todo::Act(Lifecycle::CoredumpDestroy)),
        ] {
            assert_eq!(todo(&guest, state, reason), expected, "{state:?} {reason:?}");
        }
    }
}
