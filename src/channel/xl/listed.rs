//! The table that `xl list -v` prints: what a host without hypercalls of our own is known by.
//!
//! ```text
//! Name                                        ID   Mem VCPUs State Time(s)   UUID                            Reason-Code Security Label
//! web                                          3   256     2     -b----      12.3 4dea22b3-1d52-d8f3-2516-782e98ab3fa0        -                -
//! ```
//!
//! A name may hold blanks, so a line is read from its uuid on to the left.

use crate::model::state::LiveBits;
use crate::model::{DomainInfo, DomainRow, Uuid};

/// The rows of the table, in its order; None where it is not one.
pub(super) fn read(text: &str) -> Option<Vec<DomainRow>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Name"));
    lines.next()?;
    lines.filter(|line| !line.trim().is_empty()).map(row).collect()
}

fn row(line: &str) -> Option<DomainRow> {
    let mut words = Vec::new();
    let mut from = 0;
    for word in line.split_whitespace() {
        let at = from + line.get(from..)?.find(word)?;
        from = at + word.len();
        words.push((at, word));
    }
    let at = words.iter().rposition(|(_, word)| word.len() == 36 && word.parse::<Uuid>().is_ok())?;
    let [(begins, id), (_, mib), (_, vcpus), (_, state), (_, seconds)] =
        *words.get(at.checked_sub(5)?..at)?
    else {
        return None;
    };
    let name = line.get(..begins)?.trim_end();
    let (state, reason) = bits(state, words.get(at + 1).map(|(_, word)| *word))?.state();
    let seconds: f64 = seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
    let info = DomainInfo {
        domid: Some(id.parse().ok()?),
        memory_kib: Some(mib.parse::<u64>().ok()?.saturating_mul(1024)),
        // Tenths of a second are all that is printed.
        cpu_time_ns: Some((seconds * 1e9) as u64),
        vcpus_online: Some(vcpus.parse().ok()?),
        ..DomainInfo::without_figures(words.get(at)?.1.parse().ok()?, state, reason)
    };
    // What xl prints for a domain without a name.
    let name = Some(name).filter(|name| !name.is_empty() && *name != "(null)");
    Some(DomainRow { name: name.map(Into::into), info })
}

/// The letters of the state: r b p s c d, or `-` in their places; the reason is a number or `-`. xl shows the reason of a shutdown in the
/// fourth place in some versions.
fn bits(letters: &str, reason: Option<&str>) -> Option<LiveBits> {
    let known = letters.len() <= 8 && letters.bytes().all(|letter| b"rbpscdwS-".contains(&letter));
    if !known {
        return None;
    }
    let shutdown_reason = reason.and_then(|reason| u8::from_str_radix(reason, 16).ok());
    let crashed = letters.contains('c');
    Some(LiveBits {
        dying: letters.contains('d'),
        shutdown: letters.contains(['s', 'c', 'w', 'S']) || shutdown_reason.is_some(),
        shutdown_reason: shutdown_reason.unwrap_or(if crashed { 3 } else { 0 }),
        paused: letters.contains('p'),
        blocked: letters.contains('b'),
        running: letters.starts_with('r'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::State;
    use proptest::prelude::*;

    const HEAD: &str = "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label\n";

    fn table(lines: &[&str]) -> Option<Vec<DomainRow>> {
        read(&(HEAD.to_owned() + &lines.join("\n")))
    }

    #[test]
    fn each_line_is_a_domain() {
        let rows = table(&[
            "Domain-0                                     0   512     2     r-----      21.9 00000000-0000-0000-0000-000000000000        -                -",
            "a name of words                              3   256     1     -b----       0.5 4dea22b3-1d52-d8f3-2516-782e98ab3fa0        -                -",
            "(null)                                       4     0     0     --p---       0.0 4dea22b3-1d52-d8f3-2516-782e98ab3fa1        -                -",
            "gone                                         5   128     1     ---sc-       1.0 4dea22b3-1d52-d8f3-2516-782e98ab3fa2        3                -",
        ])
        .unwrap();
        let seen: Vec<_> =
            rows.iter().map(|row| (row.info.domid, row.name.as_deref(), row.info.state)).collect();
        assert_eq!(
            seen,
            [
                (Some(0), Some("Domain-0"), State::Running),
                (Some(3), Some("a name of words"), State::Blocked),
                (Some(4), None, State::Paused),
                (Some(5), Some("gone"), State::Crashed),
            ]
        );
        let two = rows[1].info;
        assert_eq!((two.memory_kib, two.vcpus_online), (Some(256 << 10), Some(1)));
        assert_eq!(two.cpu_time_ns, Some(500_000_000));
        assert_eq!(two.uuid.to_string(), "4dea22b3-1d52-d8f3-2516-782e98ab3fa0");
        assert_eq!(table(&[]), Some(vec![]));
    }

    #[test]
    fn a_real_one_is_read() {
        let rows = read(include_str!("../../../tests/data/xl/list-4.17.txt")).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.name.as_deref().unwrap(), row.info.state)).collect();
        let expected = [
            ("Domain-0", State::Running),
            ("pause1", State::Paused),
            ("a name of words", State::Blocked),
            ("crash1", State::Blocked),
        ];
        assert_eq!(seen, expected);
        let words = rows[2].info;
        assert_eq!(
            (words.domid, words.memory_kib, words.cpu_time_ns),
            (Some(2), Some(128 << 10), Some(10_800_000_000))
        );
        assert_eq!(words.uuid.to_string(), "dc3dc854-eb5d-11f1-8d61-cd2130c77a8a");
    }

    #[test]
    fn a_name_that_looks_like_the_table_misleads_nobody() {
        let uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";
        let name = format!("x 1 2 3 r----- 1.0 {uuid}");
        let line = format!("{name} 7 64 1 -b---- 0.1 {uuid} - -");
        let rows = table(&[&line]).unwrap();
        assert_eq!((rows[0].name.as_deref(), rows[0].info.domid), (Some(name.as_str()), Some(7)));
    }

    #[test]
    fn what_is_no_such_table_is_none() {
        assert_eq!(read(""), None);
        assert_eq!(read("xl: command not found"), None);
        for line in [
            "words",
            "Domain-0 0 512 2 r----- 21.9",
            "a 0 512 2 zzz 21.9 4dea22b3-1d52-d8f3-2516-782e98ab3fa0 -",
        ] {
            assert_eq!(table(&[line]), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}", line in "[ -~]{0,40} [0-9]{1,6} [0-9]{1,6} [0-9]{1,3} [a-z-]{1,7} [0-9.e+-]{1,9} 4dea22b3-1d52-d8f3-2516-782e98ab3fa0.{0,20}") {
            let _ = (read(&text), table(&[&line]));
        }
    }
}
