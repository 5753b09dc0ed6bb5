//! The language itself: `key = value` and `key += value`, line by line, as the scanner of Xen 4.17's libxlutil takes it (measured by asking it).
//!
//! A key begins with a small letter; small letters, digits, `_` and `.` follow. A value is a string in either kind of quotes, a number without
//! quotes, or a list in brackets, which may hold lists, go over several lines and end with a comma. Statements end with the line or with `;`.
//! What xl reads otherwise than anybody means is an error here: an escape by number (`"\101"` becomes a NUL in xl), a carriage return
//! (xl calls it a lexical error). One thing is taken that xl takes in a whole file only when something is appended to it, as it is at each
//! start by this library: a comment on a last line that does not end.

pub(super) use crate::format::config::{Kind, Result, Statement, Value, fault};
use crate::format::error::shown;

/// The longest text that is read, as xend and xl's own examples stay below a thousandth of it.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// The most values in all lists of one statement.
const MAX_ITEMS: usize = 16 << 10;
/// The deepest list in lists. xl's own keys need two.
const MAX_DEPTH: usize = 8;

/// The statements of a text, in order.
pub(in crate::format) fn parse(text: &str) -> Result<Vec<Statement>> {
    if text.len() > MAX_TEXT {
        return fault(0, format!("{} bytes are more than a configuration's {MAX_TEXT}", text.len()));
    }
    let mut scanner = Scanner { text, at: 0, items: 0 };
    let mut statements = Vec::new();
    loop {
        scanner.blanks_and_lines(true)?;
        if scanner.peek().is_none() {
            return Ok(statements);
        }
        statements.push(scanner.statement()?);
        scanner.end_of_statement()?;
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Values in the lists of this statement so far.
    items: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// What `accepts` lets through.
    fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &str {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.take_while(|byte| byte == b' ' || byte == b'\t');
    }

    /// A comment, up to the end of its line.
    fn comment(&mut self) {
        if self.take(b'#') {
            self.take_while(|byte| byte != b'\n');
        }
    }

    /// Blanks, comments and ends of lines, and between statements `;`.
    fn blanks_and_lines(&mut self, between_statements: bool) -> Result<()> {
        loop {
            self.blanks();
            self.comment();
            if self.peek() == Some(b'\r') {
                return self.carriage_return();
            }
            let goes_on = self.take(b'\n') || between_statements && self.take(b';');
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn carriage_return<T>(&self) -> Result<T> {
        fault(self.at, "a carriage return, which xl refuses: lines end with a line feed alone")
    }

    fn statement(&mut self) -> Result<Statement> {
        let start = self.at;
        if !self.peek().is_some_and(|byte| byte.is_ascii_lowercase()) {
            return self.unexpected("a key, which begins with a small letter");
        }
        let key = self
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
            .to_owned();
        self.blanks();
        let appends = self.take(b'+');
        if !self.take(b'=') {
            return self.unexpected(if appends { "'=' after '+'" } else { "'=' or '+='" });
        }
        self.items = 0;
        self.blanks();
        let value = self.value(0)?;
        Ok(Statement { key, appends, span: start..value.span.end, value })
    }

    fn end_of_statement(&mut self) -> Result<()> {
        self.blanks();
        match self.peek() {
            None | Some(b'\n' | b';' | b'#') => Ok(()),
            _ => self.unexpected("the end of the line, or ';'"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let start = self.at;
        let kind = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Kind::Text(self.string(quote)?),
            Some(b'0'..=b'9') => {
                Kind::Text(self.take_while(|byte| byte.is_ascii_hexdigit() || byte == b'x').to_owned())
            }
            Some(b'[') => Kind::List(self.list(depth)?),
            _ => return self.unexpected("a value: a string in quotes, a number, or a list in brackets"),
        };
        Ok(Value { kind, span: start..self.at })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>> {
        if depth == MAX_DEPTH {
            return fault(self.at, format!("lists are nested more than {MAX_DEPTH} deep"));
        }
        self.take(b'[');
        let mut items = Vec::new();
        loop {
            self.blanks_and_lines(false)?;
            if self.take(b']') {
                return Ok(items);
            }
            self.items += 1;
            if self.items > MAX_ITEMS {
                return fault(self.at, format!("more than {MAX_ITEMS} values in one list"));
            }
            items.push(self.value(depth + 1)?);
            self.blanks_and_lines(false)?;
            if !self.take(b',') && self.peek() != Some(b']') {
                return self.unexpected("',' or ']'");
            }
        }
    }

    fn string(&mut self, quote: u8) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let plain = self.take_while(|b| b != quote && !matches!(b, b'\\' | b'\n' | b'\r' | b'\0'));
            out.push_str(plain);
            match self.peek() {
                Some(b'\\') => out.push(self.escape()?),
                Some(b'\r') => return self.carriage_return(),
                Some(b'\0') => return fault(self.at, "a NUL, which no value can hold"),
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(out);
                }
                _ => return fault(start, "this string does not end on its line"),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let escaped = match self.peek() {
            Some(b'\\') => '\\',
            Some(b'"') => '"',
            Some(b'\'') => '\'',
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'a') => '\x07',
            Some(b'b') => '\x08',
            Some(b'v') => '\x0b',
            Some(b'f') => '\x0c',
            Some(b'0'..=b'9' | b'x') => {
                return fault(
                    start,
                    "an escape by number, which xl reads as a NUL: write the character itself",
                );
            }
            _ => {
                return fault(start, "an escape that xl does not know; a backslash itself is written '\\\\'");
            }
        };
        self.at += 1;
        Ok(escaped)
    }

    /// What stands here instead of what is expected.
    fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word: String = rest.chars().take_while(|c| !c.is_whitespace()).take(61).collect();
        match rest.chars().next() {
            None => fault(self.at, format!("the text ends here; expected {expected}")),
            Some('\r') => self.carriage_return(),
            Some('\n') => fault(self.at, format!("the line ends here; expected {expected}")),
            Some(c) if c.is_whitespace() => {
                fault(self.at, format!("a blank of another kind; expected {expected}"))
            }
            Some(_) => {
                fault(self.at, format!("'{}' is not expected here; expected {expected}", shown(&word)))
            }
        }
    }
}

/// `text` in double quotes; None where it holds a NUL, which no string of xl's can.
pub(super) fn quoted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\0' => return None,
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('"');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values as text: `a=[x,[y]]`.
    fn said(text: &str) -> String {
        fn shown(value: &Value) -> String {
            match &value.kind {
                Kind::Text(text) => text.clone(),
                Kind::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            }
        }
        match parse(text) {
            Err(fault) => format!("{}: {}", fault.at, fault.message),
            Ok(statements) => {
                let one = |s: &Statement| {
                    format!("{}{}={}", s.key, if s.appends { "+" } else { "" }, shown(&s.value))
                };
                statements.iter().map(one).collect::<Vec<_>>().join(";")
            }
        }
    }

    #[test]
    fn what_xl_takes_is_taken() {
        for (text, expected) in [
            ("", ""),
            ("a=1", "a=1"),
            ("\ta\t=\t0x1F\t\n", "a=0x1F"),
            ("a=12ab\n", "a=12ab"),
            ("a.b_2='x'\n", "a.b_2=x"),
            ("a='x#y' # c\n#d\nb=2", "a=x#y;b=2"),
            (";a=1;;b=2;#c\n", "a=1;b=2"),
            ("a=[]", "a=[]"),
            ("a=[ #c\n'x'\n,\n\"y\",0x1, [ 'z' ],\n\n]\n", "a=[x,y,0x1,[z]]"),
            ("a=['x']\na+=['y']\na += 'z'", "a=[x];a+=[y];a+=z"),
            (r#"a="x\n\t\"\'\\y\r""#, "a=x\n\t\"'\\y\r"),
            (r"a='it\'s'", "a=it's"),
            ("a=\"\t\x01ä\"", "a=\t\x01ä"),
            ("a=1 # no end", "a=1"),
        ] {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_xl_refuses_is_refused_with_its_place() {
        for (text, at) in [
            ("a", 1),
            ("a=", 2),
            ("a\n=1", 1),
            ("a=\n1", 2),
            ("a=abc", 2),
            ("a=-1", 2),
            ("a=True", 2),
            ("Ab=1", 0),
            ("aB=1", 1),
            ("_a=1", 0),
            ("1a=1", 0),
            ("a-b=1", 1),
            ("a=1 b=2", 4),
            ("a=1b=2", 4),
            ("a=0X1F", 3),
            ("a='x''y'", 5),
            ("a='x'+'y'", 5),
            ("a=(1,2)", 2),
            ("a='x", 2),
            ("a='x\ny'", 2),
            ("a='x\\", 4),
            (r"a='\q'", 3),
            (r"a='\x41'", 3),
            (r"a='\101'", 3),
            ("a=1\r\n", 3),
            ("\r\n", 0),
            ("a='x\ry'", 4),
            ("a=[\r\n1]", 3),
            ("a=[1", 4),
            ("a=[,]", 3),
            ("a=[1,,2]", 5),
            ("a=['x' 'y']", 7),
            ("a=[1;2]", 4),
            ("import os", 7),
            ("a+ =1", 2),
            ("\u{feff}a=1", 0),
            ("a=1\u{c}", 3),
        ] {
            assert_eq!(parse(text).map_err(|fault| fault.at), Err(at), "{text:?}: {}", said(text));
        }
    }

    #[test]
    fn limits_hold() {
        let deep = |depth: usize| format!("a={}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert!(parse(&deep(MAX_DEPTH + 1)).is_err());
        assert!(parse(&deep(100_000)).is_err());
        assert!(parse(&format!("a=[{}]", "1,".repeat(MAX_ITEMS + 1))).is_err());
        assert!(parse(&"#".repeat(MAX_TEXT + 1)).is_err());
        assert!(parse(&"#".repeat(MAX_TEXT)).is_ok());
    }

    #[test]
    fn spans_are_those_of_key_and_value() {
        let text = " a = [ 'x', \"yz\" ] ; b=2";
        let statements = parse(text).unwrap();
        assert_eq!(&text[statements[0].span.clone()], "a = [ 'x', \"yz\" ]");
        let Kind::List(items) = &statements[0].value.kind else { panic!("a list") };
        assert_eq!(&text[items[1].span.clone()], "\"yz\"");
        assert_eq!(&text[statements[1].span.clone()], "b=2");
    }

    #[test]
    fn every_string_can_be_quoted_but_one_with_a_nul() {
        assert_eq!(quoted("a\0"), None);
        for text in ["", "a'\"\\\n\r\t\x01ä", r"C:\new"] {
            let statements = parse(&format!("a={}", quoted(text).unwrap())).unwrap();
            assert_eq!(statements[0].value.kind, Kind::Text(text.into()));
        }
    }
}
