//! A monitor of our own: what xl's would do when a life ends, for a domain that has lost its own (docs/model.md, "The xl road").

/// Why a monitor has nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MindEnd {
    /// The domain is gone: its last life was destroyed, by this monitor or by somebody else.
    Gone,
    /// The last life has ended and is kept as it is, for inspection, as the configuration says.
    Kept,
    /// It was asked to stop.
    Stopped,
}
