//! Python's words: a text as logical lines of tokens (Python's language reference, chapter 2, of the Python 2 that xm ran on, and of 3 where
//! both agree).
//!
//! Nothing is understood here but where words begin and end, because what is passed over has to be passed over as Python would: a `#` or a
//! bracket in a string means nothing, and a line goes on inside of brackets and behind a backslash.

use crate::format::config::{Result, fault};
use crate::format::error::shown;

/// The most words of one logical line. The longest that xm's own examples hold has 40.
const MAX_TOKENS: usize = 64 << 10;
/// The deepest brackets in brackets. xm's own keys need two.
pub(super) const MAX_DEPTH: usize = 32;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A name or keyword.
    Name,
    Number,
    /// A string with its prefix and quotes.
    Text,
    /// Anything else; of several characters only where they change an assignment's meaning: `==`, `+=`, `**=`.
    Sign,
}

/// A word and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub class: Class,
    pub text: &'a str,
    pub at: usize,
    /// How many brackets it stands in.
    pub depth: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        self.class == Class::Sign && self.text == sign
    }
}

/// The logical lines of a text.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The brackets that are open, and where.
    open: Vec<(u8, usize)>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Lines { text, at: 0, depth: 0, open: Vec::new() }
    }

    /// The next line that holds anything, and whether it is indented; None at the end.
    pub(super) fn next(&mut self, tokens: &mut Vec<Token<'a>>) -> Result<Option<bool>> {
        tokens.clear();
        loop {
            let start = self.at;
            self.blanks();
            match self.peek() {
                None => return Ok(None),
                Some(b'#' | b'\n' | b'\r') => self.pass_line(),
                Some(_) => {
                    let is_indented = self.at > start;
                    self.line(tokens)?;
                    return Ok(Some(is_indented));
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | 0x0c)) {
            self.at += 1;
        }
    }

    /// Steps over a comment and the end of the line.
    fn pass_line(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        self.at += length;
        self.line_end();
    }

    /// Steps over one end of a line, in any system's form.
    fn line_end(&mut self) -> bool {
        let length = match (self.peek(), self.peek_at(1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            _ => 0,
        };
        self.at += length;
        length > 0
    }

    /// The tokens up to the end of the logical line.
    fn line(&mut self, tokens: &mut Vec<Token<'a>>) -> Result<()> {
        loop {
            self.blanks();
            let at = self.at;
            match self.peek() {
                None => return self.closed(),
                Some(b'#') => {
                    self.pass_line();
                    if self.depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                Some(b'\n' | b'\r') => {
                    self.line_end();
                    if self.depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                Some(b'\\') => {
                    self.at += 1;
                    if !self.line_end() {
                        return fault(at, "a backslash that does not end its line");
                    }
                    continue;
                }
                Some(byte) => {
                    let class = self.token(byte)?;
                    if tokens.len() == MAX_TOKENS {
                        return fault(at, format!("more than {MAX_TOKENS} words in one statement"));
                    }
                    let text = self.text.get(at..self.at).unwrap_or_default();
                    let depth = self.depth - usize::from(matches!(text, "(" | "[" | "{"));
                    tokens.push(Token { class, text, at, depth });
                }
            }
        }
    }

    fn closed(&self) -> Result<()> {
        match self.open.last() {
            None => Ok(()),
            Some((bracket, at)) => {
                fault(*at, format!("the bracket '{}' is not closed", char::from(*bracket)))
            }
        }
    }

    /// Steps over a token that begins with `first`.
    fn token(&mut self, first: u8) -> Result<Class> {
        match first {
            b'"' | b'\'' => {
                self.string()?;
                Ok(Class::Text)
            }
            b'0'..=b'9' => {
                self.number();
                Ok(Class::Number)
            }
            b'.' if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.number();
                Ok(Class::Number)
            }
            _ if is_name(first) => {
                let at = self.at;
                while self.peek().is_some_and(|byte| is_name(byte) || byte.is_ascii_digit()) {
                    self.at += 1;
                }
                let name = self.text.get(at..self.at).unwrap_or_default();
                let is_prefix = name.len() <= 2 && name.bytes().all(|byte| b"rRuUbB".contains(&byte));
                if is_prefix && matches!(self.peek(), Some(b'"' | b'\'')) {
                    self.string()?;
                    return Ok(Class::Text);
                }
                Ok(Class::Name)
            }
            b'\0'..=b'\x1f' | 0x7f => {
                fault(self.at, format!("the control character {first:#04x}, which no statement holds"))
            }
            _ => {
                self.sign(first)?;
                Ok(Class::Sign)
            }
        }
    }

    fn number(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.') {
            self.at += 1;
        }
    }

    fn sign(&mut self, first: u8) -> Result<()> {
        let at = self.at;
        match first {
            b'(' | b'[' | b'{' => {
                if self.depth == MAX_DEPTH {
                    return fault(at, format!("brackets are nested more than {MAX_DEPTH} deep"));
                }
                self.open.push((first, at));
                self.depth += 1;
                self.at += 1;
            }
            b')' | b']' | b'}' => {
                let opened = match first {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                match self.open.pop() {
                    Some((bracket, _)) if bracket == opened => self.depth -= 1,
                    Some(_) | None => {
                        return fault(at, format!("'{}' closes nothing here", char::from(first)));
                    }
                }
                self.at += 1;
            }
            _ => {
                let rest = self.text.get(at..).unwrap_or_default();
                let long = ["**=", "//=", ">>=", "<<=", "!=", "==", "<=", ">=", "<>", ":=", "->"];
                let long = long.into_iter().find(|long| rest.starts_with(long));
                let augmented =
                    rest.len() > 1 && rest.as_bytes().get(1) == Some(&b'=') && b"+-*/%&|^@".contains(&first);
                self.at += match long {
                    Some(long) => long.len(),
                    None if augmented => 2,
                    None => rest.chars().next().map_or(1, char::len_utf8),
                };
            }
        }
        Ok(())
    }

    /// Steps over a string, from its first quote on. In a raw one a backslash keeps a quote from ending it as well.
    fn string(&mut self) -> Result<()> {
        let start = self.at;
        let quote = self.peek().unwrap_or_default();
        let is_triple = self.peek_at(1) == Some(quote) && self.peek_at(2) == Some(quote);
        self.at += if is_triple { 3 } else { 1 };
        loop {
            match self.peek() {
                None if is_triple => return fault(start, "this string does not end"),
                None => return fault(start, "this string does not end on its line"),
                Some(b'\n' | b'\r') if !is_triple => {
                    return fault(start, "this string does not end on its line");
                }
                Some(b'\0') => return fault(self.at, "a NUL, which no value can hold"),
                Some(b'\\') => {
                    self.at += 1;
                    if !self.line_end() && self.peek().is_some() {
                        self.at += 1;
                    }
                }
                Some(byte) if byte == quote && !is_triple => {
                    self.at += 1;
                    return Ok(());
                }
                Some(byte)
                    if byte == quote && self.peek_at(1) == Some(quote) && self.peek_at(2) == Some(quote) =>
                {
                    self.at += 3;
                    return Ok(());
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// What a string token says. Escapes are those of Python 2's plain strings, whose bytes must be UTF-8 here, or of its `u` strings.
pub(super) fn text_of(token: &Token<'_>) -> Result<String> {
    let quote_at = token.text.find(['"', '\'']).unwrap_or(0);
    let (prefix, body) = token.text.split_at(quote_at);
    let has = |letter: char| prefix.contains([letter, letter.to_ascii_uppercase()]);
    let quotes = if body.starts_with("\"\"\"") || body.starts_with("'''") { 3 } else { 1 };
    let body = body.get(quotes..body.len().saturating_sub(quotes)).unwrap_or_default();
    let at = token.at + quote_at + quotes;
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(plain) = rest.find(['\\', '\r']) {
        let (before, tail) = rest.split_at(plain);
        out.extend_from_slice(before.as_bytes());
        let here = at + body.len() - tail.len();
        // Every system's end of a line is one character.
        if let Some(tail) = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix('\r')) {
            out.push(b'\n');
            rest = tail;
            continue;
        }
        let escape = tail.get(1..).unwrap_or_default();
        if has('r') {
            out.push(b'\\');
            rest = escape;
            // The quote that it kept from ending the string stays, and so does a second backslash.
            if let Some(next) = escape.chars().next().filter(|next| *next != '\r') {
                out.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
                rest = escape.get(next.len_utf8()..).unwrap_or_default();
            }
            continue;
        }
        let length = unescape(escape, has('u'), here, &mut out)?;
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    if out.contains(&0) {
        return fault(token.at, "a NUL, which no value can hold");
    }
    match String::from_utf8(out) {
        Ok(text) => Ok(text),
        Err(_) => fault(token.at, "the escapes by number in this string give no UTF-8"),
    }
}

/// Adds what an escape stands for, whose backslash is at `at`; how many bytes of `escape` it took.
fn unescape(escape: &str, is_unicode: bool, at: usize, out: &mut Vec<u8>) -> Result<usize> {
    let mut push = |character: char| {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    let Some(first) = escape.chars().next() else { return fault(at, "this string does not end") };
    let plain = match first {
        '\n' => None,
        '\r' => return Ok(if escape.starts_with("\r\n") { 2 } else { 1 }),
        '\\' | '\'' | '"' => Some(first),
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '0'..='7' => {
            let digits = escape.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            return number(escape.get(..digits), 8, digits, is_unicode, at, out);
        }
        'x' => return hex(escape, 2, is_unicode, at, out),
        'u' if is_unicode => return hex(escape, 4, true, at, out),
        'U' if is_unicode => return hex(escape, 8, true, at, out),
        'N' if is_unicode => return fault(at, "an escape by a character's name: write the character itself"),
        other => {
            push('\\');
            Some(other)
        }
    };
    plain.into_iter().for_each(&mut push);
    Ok(first.len_utf8())
}

/// An escape of a letter and so many digits.
fn hex(escape: &str, digits: usize, is_unicode: bool, at: usize, out: &mut Vec<u8>) -> Result<usize> {
    let text = escape.get(1..=digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    number(text, 16, digits + 1, is_unicode, at, out)
}

/// A character by its number, or in a plain string a byte.
fn number(
    text: Option<&str>,
    radix: u32,
    length: usize,
    is_unicode: bool,
    at: usize,
    out: &mut Vec<u8>,
) -> Result<usize> {
    let number = text.and_then(|text| u32::from_str_radix(text, radix).ok());
    match number {
        Some(number) if !is_unicode => match u8::try_from(number & 0xff) {
            Ok(byte) => out.push(byte),
            Err(_) => return fault(at, "this escape is no byte"),
        },
        Some(number) => match char::from_u32(number) {
            Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => return fault(at, "this escape is no character"),
        },
        None => return fault(at, format!("this escape needs {} digits", length.saturating_sub(1))),
    }
    Ok(length)
}

/// What a number token says, in decimal digits; as it is where it is no whole number.
pub(super) fn number_of(token: &Token<'_>) -> Result<String> {
    let text = token.text.strip_suffix(['l', 'L']).unwrap_or(token.text).replace('_', "");
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (lower.get(2..), 16),
        Some("0o") => (lower.get(2..), 8),
        Some("0b") => (lower.get(2..), 2),
        // Python 2's octal numbers; zeroes are zero in both.
        Some(_) if lower.starts_with('0') && lower.bytes().all(|byte| byte.is_ascii_digit()) => {
            (Some(lower.as_str()), 8)
        }
        _ => (Some(lower.as_str()), 10),
    };
    let digits = digits.unwrap_or_default();
    if radix == 10 && digits.contains(['.', 'e']) {
        return match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(text),
            _ => fault(token.at, format!("'{}' is no number", shown(token.text))),
        };
    }
    match u64::from_str_radix(digits, radix) {
        Ok(number) => Ok(number.to_string()),
        Err(_) => fault(token.at, format!("'{}' is no number, or too large", shown(token.text))),
    }
}
