//! S-expressions as xend speaks them (facts: xend's `sxp.py` of 3.0.2 to 4.4, and recordings of eight versions).
//!
//! A value is an atom or a list. There are no numbers, no nil and no booleans: every atom is text, quoted or not.
//!
//! xend's strings are bytes. Here an atom is a `String`: bytes that are UTF-8 are that text, and each byte that is not
//! becomes one character of U+10FF80..=U+10FFFF (the byte is its low eight bits), which is written back as that byte. So
//! what is read is written back byte for byte, whatever it was. (Text that really holds one of those 128 private
//! characters is read as four such bytes.)

use std::fmt;
use std::ops::Range;

/// An atom or a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sexpr {
    /// Text. See the module about bytes that are not UTF-8.
    Atom(String),
    /// Values in order; the first is usually an atom, the list's name.
    List(Vec<Sexpr>),
}

/// How much a reader accepts. Beyond it the input is an error, never a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of input.
    pub bytes: usize,
    /// Lists within lists.
    pub depth: usize,
    /// Atoms and lists together.
    pub values: usize,
}

impl Default for Limits {
    /// 16 MiB, 100 levels, a million values: a detailed list of a thousand domains has some 100,000 values and 8 levels.
    fn default() -> Self {
        Limits { bytes: 16 << 20, depth: 100, values: 1_000_000 }
    }
}

/// Whose reader it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Reads what xend writes (Python's repr strings), and what people write: escapes mean what they say.
    Client,
    /// Reads as xend does, with its faults: the letters of `\xHH` count as 0 to 5, an unknown escape is a backslash and
    /// loses its character, and an atom cannot start with a byte beyond ASCII.
    Xend {
        /// Up to Xen 3.4 `!` separates values; from 4.0 it is an ordinary character.
        bang_separates: bool,
    },
}

/// What is wrong with the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No value at all: nothing, or blanks and comments only.
    #[error("no value")]
    Empty,
    /// A list or a string that is not closed.
    #[error("unexpected end of input")]
    UnexpectedEnd,
    /// A `)` that closes nothing.
    #[error("unexpected ')'")]
    UnexpectedClose,
    /// A byte that cannot start a value.
    #[error("invalid character: code {0}")]
    InvalidByte(u8),
    /// An octal escape beyond `\377`.
    #[error("octal escape out of range")]
    OctalRange,
    /// `\x` without two hex digits.
    #[error("\\x without two hexadecimal digits")]
    ShortHex,
    /// More bytes than [`Limits::bytes`].
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// Deeper than [`Limits::depth`].
    #[error("lists nested deeper than {0}")]
    TooDeep(usize),
    /// More values than [`Limits::values`].
    #[error("more than {0} values")]
    TooMany(usize),
}

/// A [`Fault`] and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column} (byte {offset}): {fault}")]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Bytes before the place.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in bytes, from 1.
    pub column: usize,
}

impl Sexpr {
    /// Reads the first value of `input` and ignores the rest, as every reader of xend's answers must: from Xen 4.1 on,
    /// many have a `''` behind the value.
    pub fn parse_first(input: &[u8]) -> Result<Sexpr, ParseError> {
        Sexpr::parse_first_with(input, Dialect::Client, Limits::default())
    }

    /// [`Sexpr::parse_first`] in a given dialect, with given limits.
    pub fn parse_first_with(input: &[u8], dialect: Dialect, limits: Limits) -> Result<Sexpr, ParseError> {
        let mut reader = Reader::new(input, dialect, limits)?;
        reader.next_value()?.ok_or_else(|| reader.error_at(reader.at, Fault::Empty))
    }

    /// [`Sexpr::parse_first`], and where each value stands: the bytes of the value itself, then of those in it, in the order in which they
    /// begin.
    pub fn parse_first_with_places(input: &[u8]) -> Result<(Sexpr, Vec<Range<usize>>), ParseError> {
        let mut reader = Reader::new(input, Dialect::Client, Limits::default())?;
        reader.places = Some(Vec::new());
        let value = reader.next_value()?.ok_or_else(|| reader.error_at(reader.at, Fault::Empty))?;
        Ok((value, reader.places.unwrap_or_default()))
    }

    /// This value and all in it, in the order in which they begin.
    pub fn all(&self) -> impl Iterator<Item = &Sexpr> {
        let mut open = vec![std::slice::from_ref(self).iter()];
        std::iter::from_fn(move || {
            loop {
                match open.last_mut()?.next() {
                    Some(value) => {
                        open.extend(value.as_list().map(<[Sexpr]>::iter));
                        return Some(value);
                    }
                    None => open.pop(),
                };
            }
        })
    }

    /// Reads all values of `input`; none is no error.
    pub fn parse_all(input: &[u8]) -> Result<Vec<Sexpr>, ParseError> {
        Sexpr::parse_all_with(input, Dialect::Client, Limits::default())
    }

    /// [`Sexpr::parse_all`] in a given dialect, with given limits.
    pub fn parse_all_with(input: &[u8], dialect: Dialect, limits: Limits) -> Result<Vec<Sexpr>, ParseError> {
        let mut reader = Reader::new(input, dialect, limits)?;
        let mut values = Vec::new();
        while let Some(value) = reader.next_value()? {
            values.push(value);
        }
        Ok(values)
    }

    /// An atom.
    pub fn atom(text: impl Into<String>) -> Sexpr {
        Sexpr::Atom(text.into())
    }

    /// `(name value)`; the value is written with its Display.
    pub fn pair(name: &str, value: impl fmt::Display) -> Sexpr {
        Sexpr::List(vec![Sexpr::atom(name), Sexpr::Atom(value.to_string())])
    }

    /// `(name children...)`.
    pub fn node(name: &str, children: impl IntoIterator<Item = Sexpr>) -> Sexpr {
        let mut items = vec![Sexpr::atom(name)];
        items.extend(children);
        Sexpr::List(items)
    }

    /// The text of an atom.
    pub fn as_atom(&self) -> Option<&str> {
        match self {
            Sexpr::Atom(text) => Some(text),
            Sexpr::List(_) => None,
        }
    }

    /// The values of a list.
    pub fn as_list(&self) -> Option<&[Sexpr]> {
        match self {
            Sexpr::Atom(_) => None,
            Sexpr::List(items) => Some(items),
        }
    }

    /// The name of a list: its first value, where that is an atom.
    pub fn name(&self) -> Option<&str> {
        self.as_list()?.first()?.as_atom()
    }

    /// What follows a list's name. An attribute list `(@ ...)` directly behind the name is skipped, as xend does; empty for
    /// an atom.
    pub fn args(&self) -> &[Sexpr] {
        let rest = self.as_list().and_then(|items| items.get(1..)).unwrap_or_default();
        match rest.split_first() {
            Some((first, others)) if first.name() == Some("@") => others,
            _ => rest,
        }
    }

    /// The children that are lists named `name`, in order.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sexpr> {
        self.args().iter().filter(move |child| child.name() == Some(name))
    }

    /// The first child named `name`: where xend repeats a key, the first counts.
    pub fn child(&self, name: &str) -> Option<&Sexpr> {
        self.args().iter().find(|child| child.name() == Some(name))
    }

    /// The text of the first child `(name text)`. A child without a value, as xend before 4.1 writes the empty string, is
    /// `""`; a child whose value is a list has no text.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name)?.text()
    }

    /// The value of `(name text)` itself: see [`Sexpr::value`].
    pub fn text(&self) -> Option<&str> {
        match self.as_list()? {
            [_] => Some(""),
            _ => self.args().first()?.as_atom(),
        }
    }

    /// [`Sexpr::value`] as a number, where it is one.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.value(name)?.parse().ok()
    }

    /// The list at a path such as `domain/image/linux`: its first name is this list's own, and each further one that of the
    /// first such child.
    pub fn at(&self, path: &str) -> Option<&Sexpr> {
        let mut names = path.split('/');
        if self.name() != names.next() {
            return None;
        }
        names.try_fold(self, |node, name| node.child(name))
    }

    /// The text at a path such as `domain/image/linux/kernel`.
    pub fn lookup(&self, path: &str) -> Option<&str> {
        self.at(path)?.text()
    }

    /// The bytes to send to xend: one line, blanks between values. An atom that could be misread is quoted, and in it only
    /// the quote and the backslash are escaped: every xend reads those two and all raw bytes rightly, and some misread the others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out, &|text, out| {
            if is_bare(text) {
                out.extend_from_slice(text.as_bytes());
                return;
            }
            out.push(b'\'');
            for byte in raw_bytes(text) {
                if matches!(byte, b'\'' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'\'');
        });
        out
    }

    /// The bytes as xend itself writes them: atoms that are not bare are Python's repr. The empty string is `''` from Xen 4.1 on
    /// (`empty_quoted`) and nothing before.
    pub fn to_xend_bytes(&self, empty_quoted: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out, &|text, out| {
            if text.is_empty() && !empty_quoted {
            } else if is_bare(text) {
                out.extend_from_slice(text.as_bytes());
            } else {
                out.extend_from_slice(python_repr(text).as_bytes());
            }
        });
        out
    }
}

impl fmt::Display for Sexpr {
    /// As [`Sexpr::to_xend_bytes`]: ASCII.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_xend_bytes(true)))
    }
}

/// Python 2's `repr` of a byte string, which is how xend writes what is not bare: `'...'`, or `"..."` where it holds a `'` and
/// no `"`.
pub fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for byte in raw_bytes(text) {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..0x7f if char::from(byte) == quote => out.extend(['\\', quote]),
            0x20..0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}

/// The bytes that an atom stands for.
pub fn raw_bytes(text: &str) -> impl Iterator<Item = u8> {
    text.chars().flat_map(|c| {
        let mut buffer = [0; 4];
        let length = match u32::from(c) {
            code @ FIRST_RAW..=LAST_RAW => {
                buffer = [code as u8, 0, 0, 0];
                1
            }
            _ => c.encode_utf8(&mut buffer).len(),
        };
        buffer.into_iter().take(length)
    })
}

/// The text for bytes that need not be UTF-8: the inverse of [`raw_bytes`].
pub fn text_of(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_raw) => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_raw(c) {
                text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(raw_char));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(raw_char));
    }
    text
}

const FIRST_RAW: u32 = 0x10_ff80;
const LAST_RAW: u32 = 0x10_ffff;

fn is_raw(c: char) -> bool {
    (FIRST_RAW..=LAST_RAW).contains(&u32::from(c))
}

/// Only for bytes of 0x80 and more: all that can be invalid in UTF-8.
fn raw_char(byte: u8) -> char {
    char::from_u32(0x10_ff00 | u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// What xend itself writes without quotes (sxp.py): alphanumeric, or only letters, digits and `. - _ : / ~`; and `@`.
fn is_bare(text: &str) -> bool {
    text == "@"
        || (!text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'~')))
}

/// Writes without recursion: a tree made by hand can be deeper than any that is read.
fn write(root: &Sexpr, out: &mut Vec<u8>, atom: &dyn Fn(&str, &mut Vec<u8>)) {
    let mut open: Vec<std::slice::Iter<'_, Sexpr>> = Vec::new();
    let mut value = root;
    loop {
        match value {
            Sexpr::Atom(text) => atom(text, out),
            Sexpr::List(items) => {
                out.push(b'(');
                open.push(items.iter());
            }
        }
        let mut first = matches!(value, Sexpr::List(_));
        value = loop {
            let Some(items) = open.last_mut() else { return };
            match items.next() {
                Some(next) => {
                    if !first {
                        out.push(b' ');
                    }
                    break next;
                }
                None => {
                    out.push(b')');
                    open.pop();
                    first = false;
                }
            }
        };
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    dialect: Dialect,
    limits: Limits,
    values: usize,
    /// Where values stand, for who wants to know it.
    places: Option<Vec<Range<usize>>>,
}

impl<'a> Reader<'a> {
    fn new(input: &'a [u8], dialect: Dialect, limits: Limits) -> Result<Self, ParseError> {
        let reader = Reader { input, at: 0, dialect, limits, values: 0, places: None };
        if input.len() > limits.bytes {
            return Err(reader.error_at(limits.bytes, Fault::TooLarge(limits.bytes)));
        }
        Ok(reader)
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// The next value, or None at the end. Lists are kept on a stack of our own, so that depth is bounded by the limit and not
    /// by the thread's stack.
    fn next_value(&mut self) -> Result<Option<Sexpr>, ParseError> {
        // Each with its place among the places.
        let mut open: Vec<(Vec<Sexpr>, usize)> = Vec::new();
        loop {
            self.skip_blanks();
            let start = self.at;
            let value = match self.peek() {
                // Byte 4 is the end of the text for xend's reader.
                None | Some(4) if open.is_empty() => return Ok(None),
                None | Some(4) => return Err(self.error_at(start, Fault::UnexpectedEnd)),
                Some(b'(') => {
                    if open.len() >= self.limits.depth {
                        return Err(self.error_at(start, Fault::TooDeep(self.limits.depth)));
                    }
                    self.at += 1;
                    open.push((Vec::new(), self.begin(start)));
                    continue;
                }
                Some(b')') => {
                    let (items, place) =
                        open.pop().ok_or_else(|| self.error_at(start, Fault::UnexpectedClose))?;
                    self.at += 1;
                    self.end(place);
                    Sexpr::List(items)
                }
                Some(quote @ (b'\'' | b'"')) => {
                    let place = self.begin(start);
                    self.at += 1;
                    let text = self.string(quote, start)?;
                    self.end(place);
                    Sexpr::Atom(text)
                }
                Some(byte) => {
                    let place = self.begin(start);
                    let text = self.bare(byte)?;
                    self.end(place);
                    Sexpr::Atom(text)
                }
            };
            self.values += 1;
            if self.values > self.limits.values {
                return Err(self.error_at(start, Fault::TooMany(self.limits.values)));
            }
            match open.last_mut() {
                Some((items, _)) => items.push(value),
                None => return Ok(Some(value)),
            }
        }
    }

    /// A value begins; the number of its place.
    fn begin(&mut self, at: usize) -> usize {
        let Some(places) = &mut self.places else { return 0 };
        places.push(at..at);
        places.len() - 1
    }

    fn end(&mut self, place: usize) {
        let at = self.at;
        if let Some(place) = self.places.as_mut().and_then(|places| places.get_mut(place)) {
            place.end = at;
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
            } else if is_blank(byte) || self.is_bang(byte) {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    fn is_bang(&self, byte: u8) -> bool {
        byte == b'!' && self.dialect == Dialect::Xend { bang_separates: true }
    }

    /// An atom without quotes. Its first byte may be any printable one; quotes inside are ordinary.
    fn bare(&mut self, first: u8) -> Result<String, ParseError> {
        let can_start = first.is_ascii_graphic() || (first >= 0x80 && self.dialect == Dialect::Client);
        if !can_start {
            return Err(self.error_at(self.at, Fault::InvalidByte(first)));
        }
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            let ends =
                matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b';' | b'#' | 4);
            if ends || is_blank(byte) || self.is_bang(byte) {
                break;
            }
            self.at += 1;
        }
        Ok(text_of(self.input.get(start..self.at).unwrap_or_default().to_vec()))
    }

    /// The rest of a string behind its opening quote.
    fn string(&mut self, quote: u8, start: usize) -> Result<String, ParseError> {
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek().ok_or_else(|| self.error_at(start, Fault::UnexpectedEnd))?;
            self.at += 1;
            match byte {
                b'\\' => self.escape(&mut bytes, start)?,
                _ if byte == quote => return Ok(text_of(bytes)),
                _ => bytes.push(byte),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>, start: usize) -> Result<(), ParseError> {
        let place = self.at.saturating_sub(1);
        let byte = self.peek().ok_or_else(|| self.error_at(start, Fault::UnexpectedEnd))?;
        self.at += 1;
        match byte {
            b'a' => bytes.push(7),
            b'b' => bytes.push(8),
            b't' => bytes.push(b'\t'),
            b'n' => bytes.push(b'\n'),
            b'v' => bytes.push(11),
            b'f' => bytes.push(12),
            b'r' => bytes.push(b'\r'),
            b'\\' | b'\'' | b'"' => bytes.push(byte),
            b'x' => {
                let (high, low) = (self.hex_digit(place)?, self.hex_digit(place)?);
                bytes.push((high << 4).wrapping_add(low));
            }
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                bytes.push(u8::try_from(value).map_err(|_| self.error_at(place, Fault::OctalRange))?);
            }
            _ => {
                bytes.push(b'\\');
                if self.dialect == Dialect::Client {
                    bytes.push(byte);
                }
            }
        }
        Ok(())
    }

    fn hex_digit(&mut self, place: usize) -> Result<u8, ParseError> {
        let byte = self.peek().unwrap_or(0);
        let digit = char::from(byte).to_digit(16).ok_or_else(|| self.error_at(place, Fault::ShortHex))?;
        self.at += 1;
        let digit = digit as u8;
        // xend computes a letter's value from 'a' and forgets to add ten.
        Ok(if self.dialect == Dialect::Client || digit < 10 { digit } else { digit - 10 })
    }

    fn error_at(&self, offset: usize, fault: Fault) -> ParseError {
        let before = self.input.get(..offset).unwrap_or(self.input);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        ParseError { fault, offset, line, column }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 11 | 12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(text: &str) -> Sexpr {
        Sexpr::parse_first(text.as_bytes()).unwrap()
    }

    fn xend(text: &[u8]) -> Result<Sexpr, Fault> {
        let dialect = Dialect::Xend { bang_separates: false };
        Sexpr::parse_first_with(text, dialect, Limits::default()).map_err(|error| error.fault)
    }

    fn list(items: &[&str]) -> Sexpr {
        Sexpr::List(items.iter().map(|item| Sexpr::atom(*item)).collect())
    }

    #[test]
    fn each_value_has_its_place() {
        let text = "# c\n(a 'b c' (d (e)) \"\") rest";
        let (value, places) = Sexpr::parse_first_with_places(text.as_bytes()).unwrap();
        let said: Vec<&str> = places.iter().map(|place| &text[place.clone()]).collect();
        assert_eq!(said, ["(a 'b c' (d (e)) \"\")", "a", "'b c'", "(d (e))", "d", "(e)", "e", "\"\""]);
        let all: Vec<String> = value.all().map(Sexpr::to_string).collect();
        assert_eq!(all, ["(a 'b c' (d (e)) '')", "a", "'b c'", "(d (e))", "d", "(e)", "e", "''"]);
    }

    #[test]
    fn a_domain_is_read_with_its_tail_ignored() {
        let domain = first("(domain (domid 3) (name 'a b') (image (linux (kernel /boot/k))) (features ))''");
        assert_eq!(domain.name(), Some("domain"));
        assert_eq!(domain.number::<u32>("domid"), Some(3));
        assert_eq!(domain.value("name"), Some("a b"));
        assert_eq!(domain.value("features"), Some(""));
        assert_eq!(domain.value("image"), None);
        assert_eq!(domain.value("uuid"), None);
        assert_eq!(domain.lookup("domain/image/linux/kernel"), Some("/boot/k"));
        assert_eq!(domain.lookup("vm/image/linux/kernel"), None);
    }

    #[test]
    fn of_two_equal_keys_the_first_counts() {
        let device = first("(vbd (bootable 1) (bootable 0) (uname phy:a))");
        assert_eq!(device.value("bootable"), Some("1"));
        assert_eq!(device.children("bootable").count(), 2);
    }

    #[test]
    fn strings_that_python_wrote_are_decoded() {
        assert_eq!(first(r"'it\'s \xc3\xa9\t\\'"), Sexpr::atom("it's é\t\\"));
        assert_eq!(first(r#""it's""#), Sexpr::atom("it's"));
        assert_eq!(
            Sexpr::parse_all(b"'a''b' ''").unwrap(),
            [Sexpr::atom("a"), Sexpr::atom("b"), Sexpr::atom("")]
        );
        assert_eq!(first(r"'\7\60\377'"), Sexpr::atom("\u{7}0\u{10ffff}"));
    }

    #[test]
    fn comments_separators_and_attribute_lists_are_read_as_xend_reads_them() {
        assert_eq!(first("# hello\n ( a#x\n b ;c [d])"), list(&["a", "b", ";c", "[d", "]"]));
        assert_eq!(first("g'1'"), Sexpr::atom("g'1'"));
        let node = first("(vm (@ (name no)) (name yes))");
        assert_eq!(node.value("name"), Some("yes"));
    }

    #[test]
    fn xends_own_faults_are_its_dialects() {
        assert_eq!(xend(br"'\xff\x4a'"), Ok(Sexpr::atom("U@")));
        assert_eq!(xend(br"'a\qb'"), Ok(Sexpr::atom(r"a\b")));
        assert_eq!(xend(br"'\xz'"), Err(Fault::ShortHex));
        assert_eq!(xend(br"'\400'"), Err(Fault::OctalRange));
        assert_eq!(xend(b"\xe9t"), Err(Fault::InvalidByte(0xe9)));
        assert_eq!(xend(b"(a!b)"), Ok(list(&["a!b"])));
        let old = Dialect::Xend { bang_separates: true };
        let split = Sexpr::parse_first_with(b"(a!b)", old, Limits::default()).unwrap();
        assert_eq!(split, list(&["a", "b"]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let error = Sexpr::parse_first(b"(a\n  (b 'c)").unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 6 (byte 8): unexpected end of input");
        assert_eq!(Sexpr::parse_first(b" # only\n").unwrap_err().fault, Fault::Empty);
        assert_eq!(Sexpr::parse_first(b") ").unwrap_err().fault, Fault::UnexpectedClose);
        assert_eq!(Sexpr::parse_first(b"\x01").unwrap_err().fault, Fault::InvalidByte(1));
    }

    #[test]
    fn limits_are_kept() {
        let limits = Limits { bytes: 1000, depth: 3, values: 5 };
        let read =
            |text: &[u8]| Sexpr::parse_first_with(text, Dialect::Client, limits).map_err(|error| error.fault);
        assert!(read(b"(((a b)))").is_ok());
        assert_eq!(read(b"((((a))))"), Err(Fault::TooDeep(3)));
        assert_eq!(read(b"(a b c d e)"), Err(Fault::TooMany(5)));
        assert_eq!(read(&[b' '; 1001]), Err(Fault::TooLarge(1000)));
        let bomb = vec![b'('; 1 << 20];
        assert_eq!(Sexpr::parse_first(&bomb).unwrap_err().fault, Fault::TooDeep(100));
    }

    #[test]
    fn what_is_sent_escapes_only_quote_and_backslash() {
        let value = Sexpr::node("vm", [Sexpr::pair("name", "a'b\\c\né"), Sexpr::pair("empty", "")]);
        assert_eq!(value.to_bytes(), "(vm (name 'a\\'b\\\\c\né') (empty ''))".as_bytes());
    }

    #[test]
    fn what_xend_writes_is_python() {
        let value = Sexpr::List(vec![
            Sexpr::pair("a", "it's"),
            Sexpr::pair("b", "é\n"),
            Sexpr::pair("c", "x/y:z~1.0-_"),
            Sexpr::pair("d", ""),
            Sexpr::List(vec![]),
        ]);
        assert_eq!(value.to_string(), "((a \"it's\") (b '\\xc3\\xa9\\n') (c x/y:z~1.0-_) (d '') ())");
        assert_eq!(value.to_xend_bytes(false), br#"((a "it's") (b '\xc3\xa9\n') (c x/y:z~1.0-_) (d ) ())"#);
    }

    fn any_sexpr() -> impl Strategy<Value = Sexpr> {
        let atom = proptest::collection::vec(any::<u8>(), 0..12).prop_map(|b| Sexpr::Atom(text_of(b)));
        atom.prop_recursive(5, 60, 6, |inner| proptest::collection::vec(inner, 0..6).prop_map(Sexpr::List))
    }

    proptest! {
        #[test]
        fn any_bytes_give_values_or_an_error(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Sexpr::parse_all(&input);
            let _ = xend(&input);
        }

        #[test]
        fn anything_like_an_s_expression_gives_values_or_an_error(input in r#"[()'"\\x0-9a-f #;!\n]{0,200}"#) {
            let _ = Sexpr::parse_all(input.as_bytes());
            let _ = xend(input.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_back(value in any_sexpr()) {
            prop_assert_eq!(Sexpr::parse_first(&value.to_bytes()).unwrap(), value.clone());
            prop_assert_eq!(xend(&value.to_bytes()).unwrap(), value.clone());
            prop_assert_eq!(Sexpr::parse_first(&value.to_xend_bytes(true)).unwrap(), value);
        }

        #[test]
        fn atoms_hold_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(raw_bytes(&text_of(bytes.clone())).collect::<Vec<u8>>(), bytes);
        }
    }

    #[test]
    fn reading_takes_time_in_proportion_to_the_input() {
        let time = |count: usize| {
            let input = "(vbd (dev xvda:disk) (mode 'w'))".repeat(count);
            let input = format!("({input})");
            let start = std::time::Instant::now();
            Sexpr::parse_first(input.as_bytes()).unwrap();
            start.elapsed()
        };
        time(100);
        let (small, large) = (time(2_000), time(40_000));
        // Twenty times the input; a quadratic reader would take 400 times as long.
        assert!(large < small * 150, "{small:?} {large:?}");
    }
}
