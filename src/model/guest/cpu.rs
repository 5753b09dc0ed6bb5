//! What kind of processor a guest sees.

use super::NumaCell;

/// What kind of processor a guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// Where it is taken from; None: nothing is said but what follows.
    pub mode: Option<CpuMode>,
    /// What it has, or has not, otherwise than that.
    pub features: Vec<CpuFeature>,
    /// The NUMA nodes that the guest sees; empty: one.
    pub numa: Vec<NumaCell>,
}

/// Where a guest's processor is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CpuMode {
    /// The host's own, with all that it has; with virtualization in the guest (HVM).
    HostPassthrough,
}

/// What a processor has or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFeature {
    /// domain XML's name: `pni`, `vmx`.
    pub name: String,
    /// Whether the guest sees it.
    pub policy: FeaturePolicy,
}

/// Whether a guest sees what a processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeaturePolicy {
    /// Also where the host has it not.
    Force,
    /// Yes; without it the guest does not start.
    Require,
    /// If the host has it.
    Optional,
    /// No.
    Disable,
    /// No; where the host has it the guest does not start.
    Forbid,
}

impl FeaturePolicy {
    /// All, with domain XML's words.
    pub const ALL: [(FeaturePolicy, &'static str); 5] = [
        (FeaturePolicy::Force, "force"),
        (FeaturePolicy::Require, "require"),
        (FeaturePolicy::Optional, "optional"),
        (FeaturePolicy::Disable, "disable"),
        (FeaturePolicy::Forbid, "forbid"),
    ];

    /// domain XML's word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(policy, _)| *policy == self).map_or("", |(_, name)| name)
    }

    /// Whether it takes something away.
    pub fn is_without(self) -> bool {
        matches!(self, FeaturePolicy::Disable | FeaturePolicy::Forbid)
    }
}

impl Cpu {
    /// The features that stand for virtualization in the guest: Intel's and AMD's.
    pub const VIRTUALIZATION: [&'static str; 2] = ["vmx", "svm"];

    /// Whether the guest can run guests of its own; None: nothing is said of it.
    pub fn nested(&self) -> Option<bool> {
        self.mode.map(|_| {
            !self.features.iter().any(|feature| {
                feature.policy.is_without() && Self::VIRTUALIZATION.contains(&feature.name.as_str())
            })
        })
    }
}
