//! NUMA: the nodes that a guest sees, and the host's nodes that its memory comes from.

use std::collections::BTreeMap;

use super::CpuSet;

/// A NUMA node that the guest sees. Its number is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumaCell {
    /// The vcpus that belong to it; None: not said.
    pub vcpus: Option<CpuSet>,
    /// Its memory, KiB.
    pub memory_kib: u64,
    /// How far the others are, by their numbers: 10 is here, 20 is twice as far. What is not said is told by [`NumaCell::distances_from`].
    pub distances: BTreeMap<u32, u32>,
}

impl NumaCell {
    /// How far a node is from itself.
    pub const LOCAL: u32 = 10;
    /// How far another one is where nothing is said.
    pub const REMOTE: u32 = 20;

    /// How far each node of `cells` is from the one numbered `from`. Where one direction is not said it is that of the other.
    pub fn distances_from(cells: &[NumaCell], from: u32) -> Vec<u32> {
        let said = |from: u32, to: u32| -> Option<u32> {
            cells.get(usize::try_from(from).ok()?)?.distances.get(&to).copied()
        };
        let usual = |to: u32| if from == to { Self::LOCAL } else { Self::REMOTE };
        let all = (0..).take(cells.len());
        all.map(|to| said(from, to).or_else(|| said(to, from)).unwrap_or(usual(to))).collect()
    }
}

/// From which of the host's nodes a guest's memory comes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumaTuning {
    /// All of it.
    pub memory: Option<NumaPlace>,
    /// That of single nodes that the guest sees, by their numbers.
    pub cells: BTreeMap<u32, NumaPlace>,
}

/// Nodes of the host, and how strictly they are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaPlace {
    /// How strictly.
    pub mode: NumaMode,
    /// Which.
    pub nodes: CpuSet,
}

/// How strictly nodes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumaMode {
    /// From nowhere else.
    Strict,
    /// From elsewhere where they have no more.
    Preferred,
    /// From all of them in turn.
    Interleave,
}

impl NumaMode {
    /// All, with domain XML's words.
    pub const ALL: [(NumaMode, &'static str); 3] = [
        (NumaMode::Strict, "strict"),
        (NumaMode::Preferred, "preferred"),
        (NumaMode::Interleave, "interleave"),
    ];

    /// domain XML's word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_that_is_not_said_is_that_of_the_other_direction_or_the_usual_one() {
        let cell = |distances: &[(u32, u32)]| NumaCell {
            distances: distances.iter().copied().collect(),
            ..NumaCell::default()
        };
        let cells = [cell(&[(1, 31)]), cell(&[(2, 41)]), cell(&[(1, 42)])];
        assert_eq!(NumaCell::distances_from(&cells, 0), [10, 31, 20]);
        assert_eq!(NumaCell::distances_from(&cells, 1), [31, 10, 41]);
        assert_eq!(NumaCell::distances_from(&cells, 2), [20, 42, 10]);
    }
}
