//! Files that a user hands in.

use std::fs::File;
use std::io::{self, Read};

use crate::failure::Failure;

/// The largest file that is read. A domain's XML has a few KiB.
pub(crate) const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// The bytes of the file at `path`, or of standard input for `-`.
pub(crate) fn read_bytes(path: &str) -> Result<Vec<u8>, Failure> {
    let bytes = match path {
        "-" => bounded(io::stdin().lock()),
        _ => File::open(path).and_then(bounded),
    };
    bytes.map_err(|error| Failure::failed(format!("cannot read {}: {error}", describe(path))))
}

/// The text of the file at `path`, or of standard input for `-`.
pub(crate) fn read_text(path: &str) -> Result<String, Failure> {
    let what = describe(path);
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::failed(format!("{what} is not UTF-8 text: the byte at offset {at} does not fit"))
    })
}

/// What messages call it.
pub(crate) fn describe(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells "exactly full" from "too much", whatever the file's own idea of its size.
    source.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(io::Error::other(format!(
            "it has more than {} MiB, which no domain's XML needs",
            MAX_INPUT >> 20
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_bounded_at_its_limit_exactly() {
        let limit = usize::try_from(MAX_INPUT).unwrap();
        assert_eq!(bounded(io::repeat(b'x').take(MAX_INPUT)).unwrap().len(), limit);
        assert!(bounded(io::repeat(b'x')).unwrap_err().to_string().contains("4 MiB"));
    }
}
