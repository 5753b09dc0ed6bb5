//! Sets of processors as all languages write them: `0-3,^2,5`.

use crate::model::guest::CpuSet;

/// The highest number of a host's processor that is accepted.
const MAX_CPU: u32 = 4095;

/// The most processors in all sets of one guest's vcpus: each of 4096 vcpus on 256 of them. Eight bytes of text can name 4096.
pub(crate) const MAX_PINNED: usize = 1 << 20;

/// `0-3,^2,5`; None for anything else, and for none at all.
pub(crate) fn cpu_set(text: &str) -> Option<CpuSet> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|cpu| *cpu <= MAX_CPU);
    let mut set = CpuSet::new();
    for part in text.split(',') {
        let part = part.trim();
        if let Some(without) = part.strip_prefix('^') {
            set.remove(&number(without)?);
        } else if let Some((first, last)) = part.split_once('-') {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            set.extend(first..=last);
        } else {
            set.insert(number(part)?);
        }
    }
    (!set.is_empty()).then_some(set)
}

/// `0-3,5`: the inverse of [`cpu_set`].
pub(crate) fn cpu_ranges(set: &CpuSet) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for cpu in set {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => ranges.push((*cpu, *cpu)),
        }
    }
    let words: Vec<String> = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_both_ways() {
        assert_eq!(cpu_set("0-3,^2, 5").map(|set| cpu_ranges(&set)), Some("0-1,3,5".into()));
        for bad in ["", "a", "3-1", "0-4294967295", "4096", "0,^0", "-1", "1,,2"] {
            assert_eq!(cpu_set(bad), None, "{bad}");
        }
    }
}
