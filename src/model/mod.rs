//! What a guest, its state and a host are: plain data. No I/O, no text formats.

pub mod figures;
pub mod guest;
pub mod host;
pub mod identity;
pub mod state;

pub use figures::{DomainInfo, DomainRow};
pub use guest::Guest;
pub use host::{CpuFeatures, CpuPlace, NodeInfo, NumaNode, XenVersion};
pub use identity::{DomId, Identity, Uuid};
pub use state::{GuestType, Reason, State};
