//! What a domain is doing, and why.

/// The kind of guest, which is also how it is booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum GuestType {
    /// Paravirtualized.
    Pv = 1,
    /// Fully virtualized with firmware and a device model.
    Hvm = 2,
    /// Hardware-virtualized without a device model.
    Pvh = 3,
}

impl GuestType {
    /// The word that domain XML uses in `<os><type>`: `linux` for PV by xend's tradition, `hvm`, `xenpvh`.
    pub fn os_type(self) -> &'static str {
        match self {
            GuestType::Pv => "linux",
            GuestType::Hvm => "hvm",
            GuestType::Pvh => "xenpvh",
        }
    }
}

/// One word for what a domain does. The numbers are libvirt's, so that scripts can keep their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum State {
    /// Not known.
    NoState = 0,
    /// Executing, or ready to (reason says which).
    Running = 1,
    /// Alive, every vcpu waiting for something: an idle guest.
    Blocked = 2,
    /// Stopped by the toolstack, can be resumed.
    Paused = 3,
    /// Being torn down.
    Shutdown = 4,
    /// Not running.
    Shutoff = 5,
    /// Not running because it crashed (a crashed domain may be kept for inspection).
    Crashed = 6,
    /// Suspended by itself.
    Suspended = 7,
}

impl State {
    /// virsh's word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::NoState => "no state",
            State::Running => "running",
            State::Blocked => "idle",
            State::Paused => "paused",
            State::Shutdown => "in shutdown",
            State::Shutoff => "shut off",
            State::Crashed => "crashed",
            State::Suspended => "pmsuspended",
        }
    }
}

/// Why a domain is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Reason {
    /// Not known.
    Unknown = 0,
    /// Running: a vcpu is on a processor at this moment.
    OnCpu = 1,
    /// Running: ready, waiting for a processor.
    Runnable = 2,
    /// Blocked: all vcpus wait.
    Idle = 3,
    /// Paused by a toolstack.
    PausedByToolstack = 4,
    /// Shut off: the guest powered itself off.
    Poweroff = 5,
    /// Shut off: the guest asked for a reboot.
    Reboot = 6,
    /// Suspended: the guest suspended (a save, a migration).
    Suspend = 7,
    /// Crashed: the guest reported a crash.
    Crash = 8,
    /// Shut off: the guest's watchdog fired.
    Watchdog = 9,
    /// Shut off: the guest asked for a soft reset.
    SoftReset = 10,
    /// In shutdown: the hypervisor is freeing what the domain held.
    TearingDown = 11,
    /// Shut off: defined, and not running.
    Inactive = 12,
}

impl Reason {
    /// A word or two for people.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Unknown => "unknown",
            Reason::OnCpu => "on a processor",
            Reason::Runnable => "waiting for a processor",
            Reason::Idle => "idle",
            Reason::PausedByToolstack => "paused",
            Reason::Poweroff => "powered off",
            Reason::Reboot => "rebooting",
            Reason::Suspend => "suspended",
            Reason::Crash => "crashed",
            Reason::Watchdog => "watchdog",
            Reason::SoftReset => "soft reset",
            Reason::TearingDown => "tearing down",
            Reason::Inactive => "not running",
        }
    }
}

/// The hypervisor's independent bits about one live domain (facts: xen-abi.md 3.1, one meaning for every Xen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveBits {
    /// Being destroyed, or destroyed and still referenced.
    pub dying: bool,
    /// Has shut down; `shutdown_reason` says why.
    pub shutdown: bool,
    /// SHUTDOWN_* of sched.h; meaningful only with `shutdown`.
    pub shutdown_reason: u8,
    /// The toolstack's pause count is above zero.
    pub paused: bool,
    /// Every online vcpu is blocked.
    pub blocked: bool,
    /// At least one vcpu is on a processor.
    pub running: bool,
}

impl LiveBits {
    /// The one state and reason, in the order dying > shutdown > paused > running > blocked > runnable.
    pub fn state(self) -> (State, Reason) {
        if self.dying {
            return (State::Shutdown, Reason::TearingDown);
        }
        if self.shutdown {
            return match self.shutdown_reason {
                0 => (State::Shutoff, Reason::Poweroff),
                1 => (State::Shutoff, Reason::Reboot),
                2 => (State::Suspended, Reason::Suspend),
                3 => (State::Crashed, Reason::Crash),
                4 => (State::Shutoff, Reason::Watchdog),
                5 => (State::Shutoff, Reason::SoftReset),
                _ => (State::Shutoff, Reason::Unknown),
            };
        }
        match (self.paused, self.running, self.blocked) {
            (true, _, _) => (State::Paused, Reason::PausedByToolstack),
            (_, true, _) => (State::Running, Reason::OnCpu),
            (_, _, true) => (State::Blocked, Reason::Idle),
            _ => (State::Running, Reason::Runnable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_are_set_together_give_the_strongest_state() {
        let all = LiveBits {
            dying: true,
            shutdown: true,
            shutdown_reason: 3,
            paused: true,
            blocked: true,
            running: true,
        };
        assert_eq!(all.state(), (State::Shutdown, Reason::TearingDown));
        assert_eq!(LiveBits { dying: false, ..all }.state(), (State::Crashed, Reason::Crash));
        assert_eq!(
            LiveBits { dying: false, shutdown: false, ..all }.state(),
            (State::Paused, Reason::PausedByToolstack)
        );
        let runnable = LiveBits::default();
        assert_eq!(runnable.state(), (State::Running, Reason::Runnable));
    }
}
