//! Texts changed in the ways that break readers, the same way for the same seed.

/// The longest text that is made.
const MAX_LENGTH: usize = 8192;

/// Numbers that are as good as random and repeat: xorshift64* (Vigna, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Of a seed; 0 is taken for 1.
    pub fn new(seed: u64) -> Random {
        Random(seed.max(1))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 for an end of 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.number() >> 16) % end).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// A piece of `bytes`, which can be empty.
    fn piece<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len() + 1);
        let longest = [4, 16, 256, MAX_LENGTH].get(self.below(4)).copied().unwrap_or(4);
        let end = start + self.below((bytes.len() - start).min(longest) + 1);
        bytes.get(start..end).unwrap_or_default()
    }
}

/// Bytes that mean something in one language or another.
const SPECIAL: &[u8] = b"\0\x01\t\n\r \"'\\#;,:=+-()[]{}<>&/!?%@^.0123456789aezAZ_\x7f\x80\xc3\xff";
/// Numbers at which something often goes wrong.
const NUMBERS: [&[u8]; 8] = [
    b"-1",
    b"0",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551616",
    b"1e9",
];

/// A text of `corpus` with a few changes; `words` are those of its language.
pub fn changed(corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut text = random.of(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(8) {
            0 => {
                let byte = random.of(SPECIAL).copied().unwrap_or(0);
                if let Some(place) = text.get_mut(at) {
                    *place = byte;
                }
            }
            1 => {
                if let Some(place) = text.get_mut(at) {
                    *place ^= 1 << (random.number() >> 61);
                }
            }
            2 => insert(&mut text, at, &[random.of(SPECIAL).copied().unwrap_or(0)]),
            3 => {
                let word = random.of(words).copied().unwrap_or_default();
                insert(&mut text, at, word);
            }
            4 => {
                let number = random.of(&NUMBERS).copied().unwrap_or_default();
                insert(&mut text, at, number);
            }
            5 => {
                let end = at + random.piece(text.get(at..).unwrap_or_default()).len();
                text.drain(at..end);
            }
            6 => {
                // Of itself: what stands there a second time.
                let piece = random.piece(&text).to_vec();
                let times = if random.below(8) == 0 { 1 + random.below(64) } else { 1 };
                insert(&mut text, at, &piece.repeat(times));
            }
            _ => {
                let other = random.of(corpus).cloned().unwrap_or_default();
                let piece = random.piece(&other).to_vec();
                insert(&mut text, at, &piece);
            }
        }
        text.truncate(MAX_LENGTH);
    }
    text
}

fn insert(text: &mut Vec<u8>, at: usize, piece: &[u8]) {
    text.splice(at..at, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_texts_and_another_gives_others() {
        let corpus = [b"<domain type='xen'><name>g</name></domain>".to_vec(), b"name = 'g'\n".to_vec()];
        let some = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| changed(&corpus, &[b"<os>"], &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
        assert!(some(7).iter().all(|text| text.len() <= MAX_LENGTH));
        let differ = some(7).iter().filter(|text| !corpus.contains(text)).count();
        assert!(differ > 80, "only {differ} of 100 texts were changed");
        // An empty corpus gives texts as well.
        assert!((0..20).any(|seed| !changed(&[], &[], &mut Random::new(seed + 1)).is_empty()));
    }
}
