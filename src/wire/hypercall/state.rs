//! A domain's state by the stable interface (4.21 and later), which promises never to change.

use super::layout::record;

/// Bits of [`DomainState::state`] (domctl.h, `XEN_DOMCTL_GETDOMSTATE_STATE_*`).
pub mod bit {
    /// It is there.
    pub const EXIST: u16 = 0x1;
    /// It has shut down.
    pub const SHUTDOWN: u16 = 0x2;
    /// It is being torn down.
    pub const DYING: u16 = 0x4;
    /// It is torn down.
    pub const DEAD: u16 = 0x8;
}

record! {
    /// The answer (domctl.h, `struct xen_domctl_get_domain_state`).
    DomainState of get_domain_state {
        /// [`bit`]s.
        state: u16 = STATE,
        /// What it may do: 1 control, 2 hardware, 4 xenstore.
        caps: u16 = CAPS,
        /// A number that no other life on this host has, since it booted.
        unique_id: u64 = UNIQUE_ID,
    }
}
