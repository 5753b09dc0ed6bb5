//! Hypercalls over a socket, for processes that join a served host: the two ends of a small framed protocol.
//!
//! A request is its length, then operation, five arguments, the memory's address and size, and the memory up to its last byte
//! that is not zero. A reply is its length, then value, errno, and the one range of the memory that the call changed. All
//! numbers are little-endian. Both ends are of one version of xenith: the host's `host` file says which.

use crate::wire::port::Memory;

/// The version of the protocol and of the directory's layout; stands in the `host` file.
pub(super) const VERSION: u32 = 2;

/// The most memory that a hypercall may point into.
const MAX_MEMORY: usize = 16 << 20;

/// Operation, arguments, base and size.
const REQUEST_HEAD: usize = 8 * (1 + 5 + 1) + 4;

/// Value, errno and offset.
const REPLY_HEAD: usize = 8 + 4 + 4;

/// What came is not of this protocol: the connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// A hypercall, as it is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) op: u64,
    pub(super) args: [u64; 5],
    pub(super) base: u64,
    /// All of the memory.
    pub(super) memory: Vec<u8>,
}

/// Writes a request. Errors: the memory is too large to be carried.
pub(super) fn encode_request(op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<Vec<u8>, Garbled> {
    let base = memory.base();
    let bytes = memory.bytes();
    let size = u32::try_from(bytes.len()).map_err(|_| Garbled)?;
    if bytes.len() > MAX_MEMORY {
        return Err(Garbled);
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut frame = Vec::with_capacity(4 + REQUEST_HEAD + used);
    frame.extend_from_slice(&((REQUEST_HEAD + used) as u32).to_le_bytes());
    for number in [op].into_iter().chain(args).chain([base]) {
        frame.extend_from_slice(&number.to_le_bytes());
    }
    frame.extend_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(bytes.get(..used).unwrap_or_default());
    Ok(frame)
}

/// Takes the first request out of what was received, if all of it is there.
pub(super) fn take_request(received: &mut Vec<u8>) -> Result<Option<Request>, Garbled> {
    let Some(body) = take_frame(received, REQUEST_HEAD)? else { return Ok(None) };
    let mut reader = Reader(&body);
    let op = reader.u64()?;
    let mut args = [0; 5];
    for arg in &mut args {
        *arg = reader.u64()?;
    }
    let (base, size) = (reader.u64()?, reader.u32()? as usize);
    if size > MAX_MEMORY || reader.0.len() > size {
        return Err(Garbled);
    }
    let mut memory = reader.0.to_vec();
    memory.resize(size, 0);
    Ok(Some(Request { op, args, base, memory }))
}

/// Writes the reply to a request whose memory was `before` and is `after` now; both are of one length.
pub(super) fn encode_reply(result: Result<i64, i32>, before: &[u8], after: &[u8]) -> Vec<u8> {
    let differs = |(old, new): (&u8, &u8)| old != new;
    let from = before.iter().zip(after).position(differs).unwrap_or(0);
    let to = before.iter().zip(after).rposition(differs).map_or(from, |last| last + 1);
    let changed = after.get(from..to).unwrap_or_default();
    let mut frame = Vec::with_capacity(4 + REPLY_HEAD + changed.len());
    frame.extend_from_slice(&((REPLY_HEAD + changed.len()) as u32).to_le_bytes());
    frame.extend_from_slice(&result.unwrap_or(0).to_le_bytes());
    frame.extend_from_slice(&result.err().unwrap_or(0).to_le_bytes());
    frame.extend_from_slice(&(from as u32).to_le_bytes());
    frame.extend_from_slice(changed);
    frame
}

/// Takes the reply out of what was received, if all of it is there, and writes what changed into `memory`.
pub(super) fn take_reply(
    received: &mut Vec<u8>,
    memory: &mut Memory<'_>,
) -> Result<Option<Result<i64, i32>>, Garbled> {
    let Some(body) = take_frame(received, REPLY_HEAD)? else { return Ok(None) };
    let mut reader = Reader(&body);
    let (value, errno, from) = (reader.u64()? as i64, reader.u32()? as i32, reader.u32()? as usize);
    let changed = reader.0;
    let place = from.checked_add(changed.len()).and_then(|to| memory.bytes().get_mut(from..to));
    place.ok_or(Garbled)?.copy_from_slice(changed);
    Ok(Some(if errno == 0 { Ok(value) } else { Err(errno) }))
}

/// Takes one frame's body out of what was received.
fn take_frame(received: &mut Vec<u8>, head: usize) -> Result<Option<Vec<u8>>, Garbled> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if !(head..=head + MAX_MEMORY).contains(&length) {
        return Err(Garbled);
    }
    let Some(body) = received.get(4..4 + length) else { return Ok(None) };
    let body = body.to_vec();
    received.drain(..4 + length);
    Ok(Some(body))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Garbled)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u64(&mut self) -> Result<u64, Garbled> {
        self.take().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Garbled> {
        self.take().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_the_memory_that_is_used_and_arrives_whole() {
        let mut arena = vec![0u8; 1 << 20];
        arena[..3].copy_from_slice(&[1, 2, 3]);
        let sent = encode_request(36, [1, 2, 3, 4, 5], &mut Memory::new(0x1000, &mut arena)).unwrap();
        assert_eq!(sent.len(), 4 + REQUEST_HEAD + 3);
        let mut received = Vec::new();
        for byte in &sent[..sent.len() - 1] {
            received.push(*byte);
            assert_eq!(take_request(&mut received), Ok(None));
        }
        received.push(sent[sent.len() - 1]);
        received.push(9);
        let request = take_request(&mut received).unwrap().unwrap();
        assert_eq!((request.op, request.args, request.base), (36, [1, 2, 3, 4, 5], 0x1000));
        assert_eq!(request.memory, arena);
        assert_eq!(received, [9], "the next frame's bytes stay");
    }

    #[test]
    fn a_reply_changes_what_the_call_changed_and_nothing_else() {
        let before = vec![7u8; 100];
        let mut after = before.clone();
        after[40] = 0;
        after[50] = 1;
        let mut reply = encode_reply(Ok(-5), &before, &after);
        assert_eq!(reply.len(), 4 + REPLY_HEAD + 11);
        let mut bytes = before.clone();
        let got = take_reply(&mut reply, &mut Memory::new(0, &mut bytes)).unwrap().unwrap();
        assert_eq!((got, bytes), (Ok(-5), after.clone()));
        let mut reply = encode_reply(Err(3), &after, &after);
        let mut bytes = after.clone();
        assert_eq!(take_reply(&mut reply, &mut Memory::new(0, &mut bytes)), Ok(Some(Err(3))));
        assert_eq!(bytes, after);
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused_without_taking_room() {
        for bytes in [vec![0xff; 8], vec![0; 8], b"GET / HTTP/1.1\r\n".to_vec()] {
            assert_eq!(take_request(&mut bytes.clone()), Err(Garbled));
        }
        // Says that the memory is 1 byte and sends 2.
        let mut frame = ((REQUEST_HEAD + 2) as u32).to_le_bytes().to_vec();
        frame.resize(4 + REQUEST_HEAD - 4, 0);
        frame.extend_from_slice(&[1, 0, 0, 0, 8, 8]);
        assert_eq!(take_request(&mut frame), Err(Garbled));
        // A range outside the memory.
        let mut reply = encode_reply(Ok(0), &[0; 64], &[1; 64]);
        assert_eq!(take_reply(&mut reply, &mut Memory::new(0, &mut [0; 63])), Err(Garbled));
    }
}
