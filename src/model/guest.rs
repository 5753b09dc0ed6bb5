//! A guest as its configuration describes it.

/// Everything that a domain's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// The domain's name.
    pub name: String,
}
