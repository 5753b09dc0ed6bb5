//! The releases of Xen that the embedded host can be of: one table.

use crate::error::{Error, Result, Status};

/// A release of the hypervisor. Interface versions and layouts are `wire`'s tables; this is what `xen_version` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// 4 in 4.1.6.1.
    pub major: u16,
    /// 1 in 4.1.6.1.
    pub minor: u16,
    /// What the hypervisor appends: ".6.1".
    pub extra: &'static str,
}

/// One age of the embedded host: the word of the URI option `xen=`, and the release that plays it, which is the last of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// `4.1`.
    pub word: &'static str,
    /// 4.1.6.1.
    pub release: Release,
}

const fn age(word: &'static str, major: u16, minor: u16, extra: &'static str) -> Age {
    Age { word, release: Release { major, minor, extra } }
}

/// Every age, oldest first. What the hypervisors of 4.0.4, 4.1.6.1, 4.2.5 and so on call themselves was recorded from real ones
/// (4.3, 4.9, 4.15 and 4.20 were not, and have the last tag of their series; facts: xen-abi.md section 1.1); of the 3.x it is the
/// name of the last source release.
pub const AGES: &[Age] = &[
    age("3.0.1", 3, 0, ".1"),
    age("3.0.2", 3, 0, ".2-3"),
    age("3.0.3", 3, 0, ".3-1"),
    age("3.0.4", 3, 0, ".4-1"),
    age("3.1", 3, 1, ".4"),
    age("3.2", 3, 2, ".3"),
    age("3.3", 3, 3, ".2"),
    age("3.4", 3, 4, ".4"),
    age("4.0", 4, 0, ".4"),
    age("4.1", 4, 1, ".6.1"),
    age("4.2", 4, 2, ".5"),
    age("4.3", 4, 3, ".4"),
    age("4.4", 4, 4, ".4"),
    age("4.5", 4, 5, ".5"),
    age("4.6", 4, 6, ".6"),
    age("4.7", 4, 7, ".6"),
    age("4.8", 4, 8, ".5"),
    age("4.9", 4, 9, ".4"),
    // The one point release that speaks another interface than those after it.
    age("4.10.0", 4, 10, ".0"),
    age("4.10", 4, 10, ".4"),
    age("4.11", 4, 11, ".4"),
    age("4.12", 4, 12, ".4"),
    age("4.13", 4, 13, ".5"),
    age("4.14", 4, 14, ".6"),
    age("4.15", 4, 15, ".7"),
    age("4.16", 4, 16, ".7"),
    age("4.17", 4, 17, ".7"),
    age("4.18", 4, 18, ".6"),
    age("4.19", 4, 19, ".6"),
    age("4.20", 4, 20, ".4"),
    age("4.21", 4, 21, ".2"),
    age("4.22", 4, 22, ".0"),
];

impl Release {
    /// Xen 3.4.4.
    pub const XEN_3_4: Release = Release { major: 3, minor: 4, extra: ".4" };
    /// Xen 4.1.6.1.
    pub const XEN_4_1: Release = Release { major: 4, minor: 1, extra: ".6.1" };
    /// Xen 4.4.4.
    pub const XEN_4_4: Release = Release { major: 4, minor: 4, extra: ".4" };
    /// Xen 4.17.7.
    pub const XEN_4_17: Release = Release { major: 4, minor: 17, extra: ".7" };

    /// The release that the URI option `xen=TEXT` means: a word of [`AGES`], or the whole version of one, such as `4.17.7`.
    ///
    /// Errors: [`Status::InvalidUri`], naming those that there are.
    pub fn of_age(text: &str) -> Result<Release> {
        let named = |age: &&Age| age.word == text || age.release.to_string() == text;
        AGES.iter().find(named).map(|age| age.release).ok_or_else(|| {
            Error::new(
                Status::InvalidUri,
                format!("the embedded host has no Xen '{text}': it has {}", known()),
            )
        })
    }

    /// The word that [`Release::of_age`] reads as it; the whole version of a release that is in no table.
    pub fn word(&self) -> String {
        let age = AGES.iter().find(|age| age.release == *self);
        age.map_or_else(|| self.to_string(), |age| age.word.to_owned())
    }

    /// Whether it is at least `major.minor`.
    pub fn at_least(&self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    /// Whether it is at least `major.minor.point`, for what changed within a series: 3.0.3, 4.10.1.
    pub fn at_least_point(&self, major: u16, minor: u16, point: u32) -> bool {
        (self.major, self.minor, self.point()) >= (major, minor, point)
    }

    /// The point release: 6 in 4.1.6.1, 4 in 3.0.4-1; 0 where there is none.
    pub fn point(&self) -> u32 {
        let digits = self.extra.trim_start_matches('.').split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Whether pausing counts (4.5 and later, and 4.2.5, 4.3.3, 4.4.1 and later of their branches).
    pub fn counts_pauses(&self) -> bool {
        match (self.major, self.minor) {
            (4, 2) => self.point() >= 5,
            (4, 3) => self.point() >= 3,
            (4, 4) => self.point() >= 1,
            _ => self.at_least(4, 5),
        }
    }

    /// Whether a question about domid N is answered with the next domain at or above it (before 4.18).
    pub fn scans_upwards(&self) -> bool {
        !self.at_least(4, 18)
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.extra)
    }
}

/// The words, runs of them as `FIRST to LAST`: `3.0.1 to 3.0.4, 3.1 to 3.4, 4.0 to 4.9, 4.10.0, 4.10 to 4.22`.
fn known() -> String {
    let mut runs: Vec<(&str, &str)> = Vec::new();
    for Age { word, .. } in AGES {
        match runs.last_mut() {
            Some((_, last)) if follows(last, word) => *last = word,
            _ => runs.push((word, word)),
        }
    }
    let words = runs.into_iter().map(|(first, last)| match first == last {
        true => first.to_owned(),
        false => format!("{first} to {last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Whether `word` is the one after `before`: 4.1 after 4.0.
fn follows(before: &str, word: &str) -> bool {
    let split = |word: &str| {
        let (series, number) = word.rsplit_once('.')?;
        Some((series.to_owned(), number.parse::<u32>().ok()?))
    };
    split(before).map(|(series, number)| (series, number + 1)) == split(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_age_is_found_by_its_word_and_by_its_whole_version() {
        for age in AGES {
            assert_eq!(Release::of_age(age.word).ok(), Some(age.release));
            assert_eq!(Release::of_age(&age.release.to_string()).ok(), Some(age.release));
            assert_eq!(age.release.word(), age.word);
        }
        assert!(AGES.windows(2).all(|pair| {
            let of = |age: &Age| (age.release.major, age.release.minor, age.release.point());
            of(&pair[0]) < of(&pair[1])
        }));
        assert_eq!(Release::of_age("4.17.7").ok(), Some(Release::XEN_4_17));
        assert_eq!(Release { extra: ".0", ..Release::XEN_4_4 }.word(), "4.4.0");
    }

    #[test]
    fn another_age_is_refused_and_those_that_there_are_are_named() {
        for text in ["", "9.9", "4.17.1", "4.23", "3.0", "3.0.0", "4.1.", " 4.1"] {
            let error = Release::of_age(text).unwrap_err();
            assert_eq!(error.status, Status::InvalidUri);
            assert_eq!(
                error.message,
                format!(
                    "the embedded host has no Xen '{text}': it has 3.0.1 to 3.0.4, 3.1 to 3.4, 4.0 to 4.9, 4.10.0, 4.10 to 4.22"
                )
            );
        }
    }

    #[test]
    fn what_changed_within_a_series_is_asked_by_point_release() {
        let of = |word| Release::of_age(word).unwrap();
        assert!(!of("3.0.2").at_least_point(3, 0, 3) && of("3.0.3").at_least_point(3, 0, 3));
        assert!(!of("4.10.0").at_least_point(4, 10, 1) && of("4.10").at_least_point(4, 10, 1));
        assert_eq!((of("4.1").point(), of("3.0.4").point()), (6, 4));
        assert_eq!(Release { extra: "-rc3", ..of("4.22") }.point(), 0);
        let counts = |minor, extra| Release { major: 4, minor, extra }.counts_pauses();
        for (minor, first) in [(2, [".4", ".5"]), (3, [".2", ".3"]), (4, [".0", ".1"])] {
            assert_eq!(first.map(|extra| counts(minor, extra)), [false, true], "4.{minor}");
        }
        assert!(counts(5, ".0") && !counts(1, ".6.1"));
    }
}
