//! What xend checks in a configuration, and its words for what it refuses.

use super::config::{Refusal, Writer};
use super::habits::Habits;
use crate::wire::sexpr::{Sexpr, python_repr};

/// xend's rule for names: letters, digits and `_ - . : +`, and before 4.0 `/`.
pub(super) fn check_name(name: &str, habits: &Habits) -> Result<(), Refusal> {
    let old = !habits.manages;
    if name.is_empty() {
        return Err(if old { "missing vm name" } else { "Missing VM Name" }.into());
    }
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"_-.:+".contains(&byte) || (byte == b'/' && !habits.at_least(4, 0))
    };
    match name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(if old { "invalid vm name" } else { "Invalid VM Name" }.into()),
    }
}

/// What old xends say of memory that is none.
pub(super) const INVALID_MEMORY: &str = "Invalid memory size";

/// xend's rules for memory and maxmem, MiB, from 3.1 on.
pub(super) fn check_memory(memory: i64, maxmem: i64) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(format!("Invalid Configuration: {what}"));
    if maxmem < 0 {
        return wrong("memory_static_min must be less than or equal to memory_static_max");
    }
    if memory <= 0 {
        return wrong("memory_dynamic_max must be greater than zero");
    }
    if memory > maxmem {
        return wrong("memory_dynamic_max must be less than or equal to memory_static_max");
    }
    Ok(())
}

/// xend reads a uuid byte by byte, and complains about the first that is none.
pub(super) fn uuid_words(text: &str) -> Refusal {
    let digits: Vec<char> = text.chars().filter(|c| *c != '-').collect();
    let mut pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    let wrong = pairs.find(|pair| u8::from_str_radix(pair, 16).is_err()).unwrap_or_default();
    format!("invalid literal for int() with base 16: {}", python_repr(&wrong))
}

/// What Python's int() takes.
pub(super) fn python_int(text: &str) -> Result<i64, Refusal> {
    text.trim().parse().map_err(|_| format!("invalid literal for int() with base 10: {}", python_repr(text)))
}

/// `(cpus '0-3,^1')` for all vcpus, or from 3.2 on `(cpus ((0) (0 1)))` for each.
pub(super) fn cpus(vm: &Sexpr, vcpus: u32, habits: &Habits, from: Writer) -> Result<Vec<Vec<u32>>, Refusal> {
    let Some(cpus) = vm.child("cpus").and_then(|cpus| cpus.args().first()) else {
        return Ok(vec![Vec::new(); vcpus as usize]);
    };
    let mut each = match cpus {
        Sexpr::Atom(text) => vec![cpu_list(text)?; vcpus as usize],
        Sexpr::List(_) if from == Writer::Client && habits.format <= 3 => {
            return Err("'list' object has no attribute 'split'".into());
        }
        Sexpr::List(vcpus) => vcpus
            .iter()
            .map(|vcpu| match vcpu {
                Sexpr::Atom(text) => cpu_list(text),
                Sexpr::List(cpus) => {
                    cpu_list(&cpus.iter().filter_map(Sexpr::as_atom).collect::<Vec<_>>().join(","))
                }
            })
            .collect::<Result<_, _>>()?,
    };
    each.resize(vcpus as usize, Vec::new());
    Ok(each)
}

/// `0-3,^1,7`.
fn cpu_list(text: &str) -> Result<Vec<u32>, Refusal> {
    /// More processors than any Xen of that age has.
    const MOST: i64 = 4096;
    let number = |text: &str| python_int(text).map(|number| number.clamp(0, MOST) as u32);
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(not) = part.strip_prefix('^') {
            let not = number(not)?;
            cpus.retain(|cpu| *cpu != not);
        } else if let Some((from, to)) = part.split_once('-') {
            cpus.extend(number(from)?..=number(to)?);
        } else {
            cpus.push(number(part)?);
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}
