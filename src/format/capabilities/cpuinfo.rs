//! /proc/cpuinfo: what the kernel tells of the processors.

use crate::model::CpuFeatures;

/// The most of it that is looked at: far more than the thousands of processors that Linux can have take.
pub const MAX_CPUINFO: usize = 16 << 20;

/// The features that any processor has. Only x86 has the line `flags`, and it is the only one that says something here: ia64's
/// `features`, Arm's `Features` and what ppc64 writes name nothing that the document shows, and a guest's kind of virtualization there
/// comes from the hypervisor alone.
///
/// Never fails: a text without such lines tells nothing. What lies beyond [`MAX_CPUINFO`] is not looked at.
pub fn read_cpuinfo(text: &[u8]) -> CpuFeatures {
    let text = text.get(..MAX_CPUINFO).unwrap_or(text);
    let flags = text.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (key, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        (key.trim_ascii() == b"flags").then_some(value)
    });
    let mut features = CpuFeatures::default();
    for word in flags.flat_map(|value| value.split(u8::is_ascii_whitespace)) {
        match word {
            b"vmx" => features.vmx = true,
            b"svm" => features.svm = true,
            b"pae" => features.pae = true,
            _ => {}
        }
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn features(vmx: bool, svm: bool, pae: bool) -> CpuFeatures {
        CpuFeatures { vmx, svm, pae, hap: false }
    }

    #[test]
    fn flags_are_whole_words_of_their_own_line() {
        let read = |text: &str| read_cpuinfo(text.as_bytes());
        assert_eq!(read("processor\t: 0\nflags\t\t: fpu pae svm\n\n"), features(false, true, true));
        assert_eq!(read("flags\t\t: vmx"), features(true, false, false));
        assert_eq!(read("flags: pae\r\n"), features(false, false, true));
        assert_eq!(
            read("flags : fpu paean vmx_x\nvmx flags : svm\nbugs : pae\nflags vmx\n"),
            features(false, false, false)
        );
        assert_eq!(read("flags : fpu\nflags : pae\n"), features(false, false, true), "any processor's");
        assert_eq!(read("features   : branchlong, 16-byte atomic ops\n"), features(false, false, false));
        assert_eq!(read("Features\t: fp asimd\nCPU implementer\t: 0x41\n"), features(false, false, false));
        assert_eq!(read(""), features(false, false, false));
    }

    #[test]
    fn what_is_beyond_the_limit_is_not_looked_at() {
        let mut text = vec![b'\n'; MAX_CPUINFO];
        text.extend_from_slice(b"flags : vmx\n");
        assert_eq!(read_cpuinfo(&text), features(false, false, false));
        assert_eq!(read_cpuinfo(text.get(1000..).unwrap()), features(true, false, false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_cpuinfo(&bytes);
        }

        #[test]
        fn any_text_of_such_lines_is_read(
            lines in prop::collection::vec(("(flags|flag|Features|)[ \t]{0,2}:{0,2}", "[ a-z]{0,20}( vmx| svm|pae)?"), 0..20),
        ) {
            let text: String = lines.iter().map(|(key, value)| format!("{key}{value}\n")).collect();
            let read = read_cpuinfo(text.as_bytes());
            prop_assert!(!read.vmx || text.contains("vmx"));
            prop_assert!(!read.hap);
        }
    }
}
