//! Frames: a header of four 32-bit words (type, request id, transaction id, length) in the host's byte order, and a payload.

use super::{HEADER, Kind, MAX_PAYLOAD};

/// One message on the wire. `kind` stays a number, because a daemon must be able to answer one that it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Message type: a [`Kind`]'s number.
    pub kind: u32,
    /// Chosen by whoever asks; the reply carries the same. 0 in events.
    pub req_id: u32,
    /// The transaction that it belongs to; 0 for none.
    pub tx_id: u32,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// The stream holds something that is no frame: the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {length} bytes was announced where at most {MAX_PAYLOAD} are allowed")]
pub struct FrameFault {
    /// The length that the header announced.
    pub length: u32,
}

impl Frame {
    /// The frame's type, when any Xen has it.
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::from_number(self.kind)
    }

    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        for word in [self.kind, self.req_id, self.tx_id, length] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(&self.payload);
    }

    /// The number of bytes that the frame which `bytes` begin with takes, header included; None while its header is
    /// incomplete.
    pub fn length_at_head(bytes: &[u8]) -> Option<usize> {
        let length = word(bytes, 12)?;
        usize::try_from(length).ok()?.checked_add(HEADER)
    }
}

/// Cuts a stream of bytes, however it arrives, into frames. Holds at most what was pushed and not yet taken.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    at: usize,
}

impl Decoder {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; None until more bytes come. After a fault nothing more can be read from this stream.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameFault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (Some(kind), Some(req_id), Some(tx_id), Some(length)) =
            (word(rest, 0), word(rest, 4), word(rest, 8), word(rest, 12))
        else {
            return Ok(None);
        };
        let size = match usize::try_from(length) {
            Ok(size) if size <= MAX_PAYLOAD => size,
            _ => return Err(FrameFault { length }),
        };
        let Some(payload) = rest.get(HEADER..HEADER + size) else { return Ok(None) };
        let frame = Frame { kind, req_id, tx_id, payload: payload.to_vec() };
        self.at += HEADER + size;
        Ok(Some(frame))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let one = (any::<u32>(), any::<u32>(), any::<u32>(), vec(any::<u8>(), 0..200))
            .prop_map(|(kind, req_id, tx_id, payload)| Frame { kind, req_id, tx_id, payload });
        vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn frames_survive_any_splitting_of_the_stream(frames in frames(), cuts in vec(1usize..64, 1..40)) {
            let mut stream = Vec::new();
            frames.iter().for_each(|frame| frame.encode(&mut stream));
            let (mut decoder, mut seen, mut rest) = (Decoder::default(), Vec::new(), stream.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                decoder.push(head);
                while let Some(frame) = decoder.next_frame().unwrap() { seen.push(frame) }
                rest = tail;
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn any_bytes_are_frames_or_a_fault(bytes in vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let mut taken = 0;
            while let Ok(Some(frame)) = decoder.next_frame() { taken += HEADER + frame.payload.len() }
            prop_assert!(taken <= bytes.len());
        }
    }

    #[test]
    fn the_largest_payload_passes_and_one_byte_more_is_a_fault_before_it_arrives() {
        let mut bytes = Vec::new();
        Frame { kind: 2, req_id: 1, tx_id: 0, payload: vec![7; MAX_PAYLOAD] }.encode(&mut bytes);
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        assert_eq!(decoder.next_frame().unwrap().unwrap().payload.len(), MAX_PAYLOAD);

        bytes.clear();
        Frame { kind: 2, req_id: 1, tx_id: 0, payload: vec![7; MAX_PAYLOAD + 1] }.encode(&mut bytes);
        decoder.push(&bytes[..HEADER]);
        assert_eq!(decoder.next_frame(), Err(FrameFault { length: 4097 }));
    }

    #[test]
    fn a_header_is_four_words_in_the_hosts_order() {
        let mut bytes = Vec::new();
        Frame { kind: 11, req_id: 2, tx_id: 3, payload: b"/a\0b".to_vec() }.encode(&mut bytes);
        let mut expected = Vec::new();
        for word in [11u32, 2, 3, 4] {
            expected.extend_from_slice(&word.to_ne_bytes());
        }
        expected.extend_from_slice(b"/a\0b");
        assert_eq!(bytes, expected);
        assert_eq!(Frame::length_at_head(&bytes), Some(20));
        assert_eq!(Frame::length_at_head(&bytes[..15]), None);
    }
}
