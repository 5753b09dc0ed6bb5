//! The head of a file that holds a saved domain: xl's and xend's. It says which domain it is; what follows (the memory, and what
//! the hypervisor knew) is the toolstack's own business.
//!
//! xl's (Xen 4.1 and later): the magic of 32 bytes, then in the machine's own byte order the number 0x01020304, flags of which each
//! must be understood (bit 0: the configuration is JSON, else xl's language; bit 1: the memory's format), flags that need not be, the
//! length of the optional data; then that data, which begins with the configuration's length and the configuration, ended by a NUL.
//!
//! xend's (Xen 3.0 to 4.4): `LinuxGuestRecord`, the configuration's length in network byte order, the configuration as an S-expression.

use crate::error::{Error, Result, Status};

/// How much of a file [`Head::read`] wants at most: a configuration is some kilobytes.
pub const MAX_HEAD: usize = 1 << 20;

const XL_MAGIC: &[u8; 32] = b"Xen saved domain, xl format\n \0 \r";
const XEND_MAGIC: &[u8; 16] = b"LinuxGuestRecord";
const BYTE_ORDER: u32 = 0x0102_0304;
const JSON: u32 = 1;
/// What xl 4.17 writes: JSON, and the format of the memory since Xen 4.6.
const TODAYS_FLAGS: u32 = 3;

/// What a file's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// xl's, with libxl's JSON.
    XlJson(String),
    /// An old xl's, with the text of the domain's file.
    XlConfig(String),
    /// xend's, with the domain's S-expression.
    Xend(Vec<u8>),
}

impl Head {
    /// Reads the first bytes of a file, up to [`MAX_HEAD`] of them.
    ///
    /// Errors: [`Status::InvalidConfig`] for what is no saved domain, or one that this machine's toolstack did not write.
    pub fn read(bytes: &[u8]) -> Result<Head> {
        if let Some(rest) = bytes.strip_prefix(XEND_MAGIC) {
            let (len, rest) = rest.split_first_chunk().ok_or_else(ends_early)?;
            return Ok(Head::Xend(taken(rest, u32::from_be_bytes(*len))?.to_vec()));
        }
        let rest =
            bytes.strip_prefix(XL_MAGIC).ok_or_else(|| bad("it is not a saved domain of xl or xend"))?;
        let (order, rest) = number(rest)?;
        let (mandatory, rest) = number(rest)?;
        let (_optional, rest) = number(rest)?;
        let (len, rest) = number(rest)?;
        if order != BYTE_ORDER {
            return Err(bad("it was saved on a machine of the other byte order"));
        }
        let data = taken(rest, len)?;
        let (len, data) = number(data)?;
        let config = taken(data, len)?;
        let config = config.strip_suffix(b"\0").unwrap_or(config);
        let config = String::from_utf8(config.to_vec()).map_err(|_| bad("its configuration is not UTF-8"))?;
        Ok(if mandatory & JSON != 0 { Head::XlJson(config) } else { Head::XlConfig(config) })
    }

    /// The head as its toolstack writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (flags, config) = match self {
            Head::Xend(config) => {
                let mut out = XEND_MAGIC.to_vec();
                out.extend(len(config).to_be_bytes());
                out.extend(config);
                return out;
            }
            Head::XlJson(config) => (TODAYS_FLAGS, config),
            Head::XlConfig(config) => (TODAYS_FLAGS & !JSON, config),
        };
        let mut data = config.clone().into_bytes();
        data.push(0);
        let mut out = XL_MAGIC.to_vec();
        for number in [BYTE_ORDER, flags, 0, len(&data).saturating_add(4), len(&data)] {
            out.extend(number.to_ne_bytes());
        }
        out.extend(data);
        out
    }
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk().ok_or_else(ends_early)?;
    Ok((u32::from_ne_bytes(*number), rest))
}

fn taken(bytes: &[u8], len: u32) -> Result<&[u8]> {
    usize::try_from(len)
        .ok()
        .filter(|len| *len <= MAX_HEAD)
        .and_then(|len| bytes.get(..len))
        .ok_or_else(ends_early)
}

fn ends_early() -> Error {
    bad("it ends, or is larger than a configuration can be, before its domain is named")
}

fn bad(message: &str) -> Error {
    Error::new(Status::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for head in [
            Head::XlJson("{}".into()),
            Head::XlConfig("name = 'a'\n".into()),
            Head::Xend(b"(domain)".to_vec()),
        ] {
            let mut bytes = head.to_bytes();
            bytes.extend([0xff; 100]);
            assert_eq!(Head::read(&bytes).unwrap(), head);
        }
    }

    #[test]
    fn a_file_that_ends_anywhere_in_its_head_is_refused() {
        for head in [Head::XlJson("{\"a\": 1}".into()), Head::Xend(b"(domain)".to_vec())] {
            let bytes = head.to_bytes();
            for len in 0..bytes.len() {
                assert_eq!(Head::read(&bytes[..len]).unwrap_err().status, Status::InvalidConfig, "{len}");
            }
        }
    }

    #[test]
    fn lengths_that_cannot_be_and_other_byte_orders_are_refused() {
        let mut bytes = Head::Xend(b"(domain)".to_vec()).to_bytes();
        bytes[16..20].fill(0xff);
        assert!(Head::read(&bytes).is_err());
        let mut bytes = Head::XlJson("{}".into()).to_bytes();
        bytes[32..36].reverse();
        assert!(Head::read(&bytes).unwrap_err().message.contains("byte order"));
    }
}
