//! What the hypervisor answers, with the uuids in it replaced.

use crate::channel::hypercall::capture::{Answers, Questions};
use crate::error::Result;
use crate::format::capture::{Answered, Disguise, Record};
use crate::model::{Uuid, XenVersion};
use crate::wire::hypercall::layout::Layout;
use crate::wire::hypercall::reads::Carrier;
use crate::wire::hypercall::tables::getdomaininfo;
use crate::wire::hypercall::{DOM0_OPS, Dialect, Generation};

/// Bytes of a uuid in a record.
const UUID: usize = 16;

/// The texts of `xen_version`, each as long as its buffer or as a field of that, and whether it says who built the hypervisor.
const TEXTS: [(&str, &[(usize, bool)]); 4] = [
    ("xen_version.extraversion", &[(16, false)]),
    ("xen_version.compile_info", &[(64, false), (16, true), (32, true), (32, false)]),
    ("xen_version.capabilities", &[(1024, false)]),
    ("xen_version.changeset", &[(64, false)]),
];

/// What hypervisors up to 4.2 leave behind a text is whatever lay on their stack. That there is something is kept, as this letter.
const GARBAGE: u8 = b'U';

/// Asks everything that changes nothing; `domids` are the domains that xenstore knows.
///
/// Errors: after fork only.
pub(super) fn ask(questions: &mut Questions, domids: &[u16], disguise: &mut Disguise) -> Result<Vec<Record>> {
    let mut answers =
        questions.ask_all(|xen, domctl, sysctl| layout_of(xen, domctl, sysctl).map(Layout::size), domids)?;
    let handle = handle_at(&answers);
    for answered in &mut answers.calls {
        hide(answered, answers.stride, handle, disguise);
        // Behind what was asked and answered there are only zeroes, and a person is to read this.
        trim(&mut answered.request);
        trim(&mut answered.reply);
    }
    let probes = answers.probes.into_iter().map(Record::Probe);
    Ok(probes.chain(answers.calls.into_iter().map(Record::Hypercall)).collect())
}

/// The layout of a domain's record, where the tables have a row for what was found.
fn layout_of(xen: &XenVersion, domctl: u32, sysctl: u32) -> Option<Layout> {
    let row = Generation::of(xen).filter(|row| (row.domctl, row.sysctl) == (domctl, sysctl))?;
    Dialect::here(row).layout(&getdomaininfo::TABLE)
}

/// Where a record has the domain's uuid, where that is known.
fn handle_at(answers: &Answers) -> Option<usize> {
    // Where a record's size is known, so is the rest of it; without sysctl it is one of dom0_op's.
    answers.stride?;
    let taken = |interface| answers.taken(interface).unwrap_or(DOM0_OPS);
    layout_of(answers.version.as_ref()?, taken("domctl"), taken("sysctl"))?.offset(&getdomaininfo::HANDLE)
}

fn hide(answered: &mut Answered, stride: Option<usize>, handle: Option<usize>, disguise: &mut Disguise) {
    if let Some((_, fields)) = TEXTS.iter().find(|(op, _)| *op == answered.op) {
        let mut at = 0;
        for (length, is_builder) in *fields {
            let text = answered.buffers.first_mut().and_then(|buffer| {
                let end = (at + length).min(buffer.len());
                buffer.get_mut(at..end)
            });
            text.into_iter().for_each(|text| hide_text(text, *is_builder));
            at += length;
        }
        return;
    }
    if answered.op == "xen_version.guest_handle" {
        answered.buffers.iter_mut().for_each(|buffer| hide_at(buffer, 0, disguise));
    } else if answered.op.ends_with(".getdomaininfolist") {
        for buffer in &mut answered.buffers {
            match stride.zip(handle) {
                Some((stride, handle)) => {
                    buffer.chunks_mut(stride.max(1)).for_each(|record| hide_at(record, handle, disguise));
                }
                None => hide_anywhere(buffer, disguise),
            }
        }
    } else if answered.op.ends_with(".getdomaininfo") {
        let payload = Carrier::of_number(answered.number).map_or(0, Carrier::payload);
        match handle {
            Some(handle) => hide_at(&mut answered.reply, payload + handle, disguise),
            None => hide_anywhere(&mut answered.reply, disguise),
        }
    }
}

fn trim(bytes: &mut Vec<u8>) {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end.next_multiple_of(8));
}

/// Garbage behind the NUL is told as such; who built the hypervisor is not told.
fn hide_text(text: &mut [u8], is_builder: bool) {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let (said, behind) = text.split_at_mut_checked(end).unwrap_or_default();
    if is_builder {
        said.fill(b'x');
    }
    behind.iter_mut().filter(|byte| **byte != 0).for_each(|byte| *byte = GARBAGE);
}

fn hide_at(bytes: &mut [u8], at: usize, disguise: &mut Disguise) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<UUID>()) {
        *place = disguise.uuid(Uuid::from_bytes(*place)).into_bytes();
    }
}

/// Every uuid that is known, and whatever looks like one, at each word: for records of which nobody knows the form. What looks like several
/// that overlap is cleared but for one, so that no part of any is left.
fn hide_anywhere(bytes: &mut [u8], disguise: &mut Disguise) {
    let known: Vec<Uuid> = disguise.known_uuids().map(|(from, _)| from).collect();
    let is_known = |place: &[u8; UUID]| known.contains(&Uuid::from_bytes(*place));
    let places = (0..bytes.len()).step_by(4).filter_map(|at| {
        let place = bytes.get(at..)?.first_chunk::<UUID>()?;
        let is_it = is_known(place);
        (is_it || looks_like_one(place)).then_some((at, Uuid::from_bytes(*place), is_it))
    });
    // Overlapping ones together, the known one before one that only looks so.
    let mut runs: Vec<(std::ops::Range<usize>, usize, Uuid, bool)> = Vec::new();
    for (at, uuid, is_it) in places {
        match runs.last_mut() {
            Some((run, place, chosen, chosen_is_known)) if at < run.end => {
                run.end = at + UUID;
                if is_it && !*chosen_is_known {
                    (*place, *chosen, *chosen_is_known) = (at, uuid, true);
                }
            }
            _ => runs.push((at..at + UUID, at, uuid, is_it)),
        }
    }
    for (run, at, uuid, _) in runs {
        bytes.get_mut(run).unwrap_or_default().fill(0);
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<UUID>()) {
            *place = disguise.uuid(uuid).into_bytes();
        }
    }
}

/// The marks of a uuid's version and variant, in bytes that are as mixed as a uuid's are.
fn looks_like_one(bytes: &[u8; UUID]) -> bool {
    let marked = bytes.get(6).is_some_and(|byte| (0x10..0x90).contains(byte))
        && bytes.get(8).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mixed = (0u8..=255).filter(|value| bytes.contains(value)).count();
    marked && mixed >= 9
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Uuid = Uuid::from_u128(0x9a0d_f5b2_3c4d_4e5f_8a9b_0c1d_2e3f_4a5b);

    fn with(op: &str, buffer: Vec<u8>) -> Answered {
        Answered { op: op.into(), buffers: vec![buffer], ..Answered::default() }
    }

    #[test]
    fn who_built_the_hypervisor_and_what_lay_on_its_stack_is_not_told() {
        let mut info = vec![0; 144];
        for (at, text) in
            [(0, "gcc (acme) 12.2"), (64, "bob\0junk"), (80, "acme.example"), (112, "Fri Nov 20")]
        {
            info[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        let mut answered = with("xen_version.compile_info", info);
        hide(&mut answered, None, None, &mut Disguise::new());
        let told = &answered.buffers[0];
        assert_eq!(&told[..16], b"gcc (acme) 12.2\0");
        assert_eq!(&told[64..73], b"xxx\0UUUU\0");
        assert_eq!(&told[80..93], b"xxxxxxxxxxxx\0");
        assert_eq!(&told[112..122], b"Fri Nov 20");
    }

    #[test]
    fn uuids_are_replaced_where_the_table_has_them_and_else_wherever_they_are() {
        let mut record = vec![0; 80];
        record[52..68].copy_from_slice(SECRET.as_bytes());
        let mut disguise = Disguise::new();
        let replaced = disguise.uuid(SECRET);
        for (stride, handle) in [(Some(40), Some(12)), (None, None)] {
            let mut answered = with("sysctl.getdomaininfolist", record.clone());
            hide(&mut answered, stride, handle, &mut Disguise::new());
            assert_eq!(answered.buffers[0][52..68], *replaced.as_bytes(), "{stride:?}");
            assert_eq!(answered.buffers[0][..52], [0; 52]);
        }
        // Between words that make it look as if one began before it.
        let mut record = vec![0; 80];
        record[44..52].copy_from_slice(&[1, 2, 3, 4, 5, 6, 0x47, 8]);
        record[52..68].copy_from_slice(SECRET.as_bytes());
        let mut answered = with("sysctl.getdomaininfolist", record);
        hide(&mut answered, None, None, &mut Disguise::new());
        let left = &answered.buffers[0];
        assert!(
            SECRET.as_bytes().windows(4).all(|part| !left.windows(4).any(|there| there == part)),
            "{left:x?}"
        );
        // One that has not the form of a uuid, but is a domain's.
        let odd = Uuid::from_u128(0x1234);
        let mut reply = vec![0; 144];
        reply[40..56].copy_from_slice(odd.as_bytes());
        let mut answered = Answered { op: "domctl.getdomaininfo".into(), reply, ..Answered::default() };
        let replaced = disguise.uuid(odd);
        hide(&mut answered, None, None, &mut disguise);
        assert_eq!(answered.reply[40..56], *replaced.as_bytes());
    }
}
