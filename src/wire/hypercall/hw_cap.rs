//! The words of physinfo's `hw_cap`: the first processor's features, as CPUID tells them to the hypervisor. dom0's kernel is not shown
//! those that the hypervisor keeps for itself, such as hardware virtualization.
//!
//! Up to 4.6 the words stand as the hypervisor's own array had them, taken over from Linux; since 4.7 as in the
//! feature sets of the interface (public/arch-x86/cpufeatureset.h, whose words are the first of both). Seen in recordings of 20 releases
//! (tests/data/hypercall has one on either side).

use super::generation::Release;
use crate::model::CpuFeatures;

/// The words of CPUID that say something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuidWords {
    /// Leaf 1, EDX.
    pub basic_d: u32,
    /// Leaf 1, ECX.
    pub basic_c: u32,
    /// Leaf 0x80000001, EDX.
    pub extended_d: u32,
    /// Leaf 0x80000001, ECX.
    pub extended_c: u32,
}

/// The first release with the newer order.
const FEATURE_SETS_SINCE: Release = (4, 7, 0);

/// Where `hw_cap` has these words, in their order, in a release.
fn places(release: Release) -> [usize; 4] {
    if release >= FEATURE_SETS_SINCE { [0, 1, 2, 3] } else { [0, 4, 1, 6] }
}

impl CpuidWords {
    /// From `hw_cap` in a release.
    pub fn read(hw_cap: &[u32; 8], release: Release) -> CpuidWords {
        let [basic_d, basic_c, extended_d, extended_c] =
            places(release).map(|at| hw_cap.get(at).copied().unwrap_or(0));
        CpuidWords { basic_d, basic_c, extended_d, extended_c }
    }

    /// As `hw_cap` has them in a release.
    pub fn arrange(self, release: Release) -> [u32; 8] {
        let words = [self.basic_d, self.basic_c, self.extended_d, self.extended_c];
        let mut hw_cap = [0; 8];
        for (at, word) in places(release).into_iter().zip(words) {
            if let Some(place) = hw_cap.get_mut(at) {
                *place = word;
            }
        }
        hw_cap
    }

    /// What the capabilities show of them. The bits are the processor makers'.
    pub fn features(self) -> CpuFeatures {
        CpuFeatures {
            vmx: self.basic_c & 1 << 5 != 0,
            svm: self.extended_c & 1 << 2 != 0,
            pae: self.basic_d & 1 << 6 != 0,
            hap: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_read_as_it_was_recorded() {
        // QEMU's qemu64 with svm, under Xen 4.4.4 and 4.17.7.
        let old = [0x178b_f3fd, 0x2193_fbfd, 0, 0, 0x8000_2001, 0, 0x7, 0];
        let new = [0x178b_f3fd, 0x8000_2001, 0x2010_0800, 0x7, 0, 0, 0, 0];
        for (hw_cap, release) in
            [(old, (4, 4, 0)), (new, (4, 17, 0)), (new, (4, 7, 0)), (old, (4, 6, 0)), (old, (3, 0, 0))]
        {
            let words = CpuidWords::read(&hw_cap, release);
            assert_eq!((words.basic_d, words.basic_c, words.extended_c), (0x178b_f3fd, 0x8000_2001, 0x7));
            assert_eq!(words.features(), CpuFeatures { vmx: false, svm: true, pae: true, hap: false });
            assert_eq!(words.arrange(release), hw_cap);
        }
        let intel = CpuidWords { basic_c: 0x20, ..CpuidWords::default() };
        assert_eq!(intel.features(), CpuFeatures { vmx: true, ..CpuFeatures::default() });
    }
}
