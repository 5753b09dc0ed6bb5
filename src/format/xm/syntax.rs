//! The language itself: a Python program, of which what is plain data is read, and nothing is run.
//!
//! xm runs a configuration as Python and looks at the variables afterwards. What they come to can be known without running it where a variable
//! gets a string, a number, True, False, None, or a list of such, at the top of the file. Everything else is *code*: it is passed over, and what
//! it may change is marked, so that nothing is said to be known that is not:
//!
//! - a variable that code assigns to (in whatever block or form), deletes or imports over is unreadable from there on, until it gets a plain value
//!   again at the top of the file; a list also when code so much as mentions it, since code can change a list without assigning to it;
//! - what a function or class mentions is unreadable altogether, since nobody knows when it is called;
//! - code that can assign to any variable (`exec`, `execfile`, `globals`, `from x import *`) makes the file as a whole unreadable.
//!
//! A variable that is unreadable is no fault by itself. It becomes one when it is a key that the guest depends on
//! ([`Settings::take`](crate::format::config::settings::Settings::take)).

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Class, Lines, Token, number_of, text_of};
use crate::format::config::{Fault, Kind, Result, Statement, Value, fault};
use crate::format::error::shown;

/// The longest text that is read, as xend's own examples stay below a thousandth of it.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// The most values in all lists of one statement.
const MAX_ITEMS: usize = 16 << 10;
/// Lists in lists.
const MAX_DEPTH: usize = 8;

/// What a text comes to.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// The assignments that count, in order.
    pub statements: Vec<Statement>,
    /// The variables that only running the file would tell, and why.
    pub unreadable: BTreeMap<String, Fault>,
    /// What is passed over: how it begins, and where.
    pub code: Vec<(String, usize)>,
}

/// Python's words that begin a block.
const HEADERS: [&str; 12] =
    ["if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async"];
/// Words after which any variable can have any value.
const OPAQUE: [&str; 9] =
    ["exec", "execfile", "eval", "compile", "globals", "locals", "vars", "setattr", "__dict__"];

pub(super) fn parse(text: &str) -> Result<Program> {
    if text.len() > MAX_TEXT {
        return fault(0, format!("{} bytes are more than a configuration's {MAX_TEXT}", text.len()));
    }
    let mut lines = Lines::of(text.strip_prefix('\u{feff}').unwrap_or(text));
    let offset = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let mut reader = Reader::default();
    let mut tokens = Vec::new();
    let moved = |fault: Fault| Fault { at: fault.at + offset, ..fault };
    while let Some(is_indented) = lines.next(&mut tokens).map_err(moved)? {
        if offset > 0 {
            tokens.iter_mut().for_each(|token| token.at += offset);
        }
        reader.line(&tokens, is_indented)?;
    }
    let Reader { program: mut found, is_live, .. } = reader;
    let mut index = 0;
    found.statements.retain(|_| {
        index += 1;
        is_live.get(index - 1).copied().unwrap_or(true)
    });
    Ok(found)
}

/// What block the lines that follow belong to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Block {
    /// None: the top of the file.
    #[default]
    Top,
    /// One that may or may not run.
    Branch,
    /// A function or class.
    Function,
}

#[derive(Debug, Default)]
struct Reader {
    program: Program,
    /// Of each statement: whether it still says what its variable is.
    is_live: Vec<bool>,
    values: BTreeMap<String, Known>,
    /// Variables that functions can change at any time.
    shared: BTreeSet<String>,
    block: Block,
}

/// What is known of a variable.
#[derive(Debug)]
struct Known {
    /// Those that assign to it since code last did.
    statements: Vec<usize>,
    sort: Sort,
}

/// What kind of value a variable has, for `+=` and for what can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Number,
    List,
}

impl Reader {
    fn line(&mut self, tokens: &[Token<'_>], is_indented: bool) -> Result<()> {
        let Some(first) = tokens.first() else { return Ok(()) };
        if is_indented && self.block == Block::Top {
            return fault(first.at, "this line is indented, which Python takes only within a block");
        }
        if !is_indented {
            self.block = Block::Top;
        }
        if let Some(opaque) = self.opaque(tokens) {
            let message = format!(
                "'{}' can give any key any value, and is not executed: what this file says cannot be known",
                shown(opaque.text)
            );
            return fault(opaque.at, message);
        }
        let is_header = first.class == Class::Name && HEADERS.contains(&first.text) || first.is("@");
        if is_header {
            return self.header(tokens, is_indented);
        }
        for part in tokens.split(|token| token.is(";") && token.depth == 0) {
            if part.is_empty() {
                continue;
            }
            match self.block {
                Block::Top => self.simple(part)?,
                block => self.code(part, block, true),
            }
        }
        Ok(())
    }

    /// A word that makes all variables unknown.
    fn opaque<'t>(&self, tokens: &'t [Token<'t>]) -> Option<&'t Token<'t>> {
        let names = names(tokens).find(|token| OPAQUE.contains(&token.text));
        let imports_all = || {
            let is_import = tokens.first().is_some_and(|token| token.text == "from");
            tokens.last().filter(|token| is_import && token.is("*"))
        };
        names.or_else(imports_all)
    }

    /// `if x:`, alone or with what it does on the same line.
    fn header(&mut self, tokens: &[Token<'_>], is_indented: bool) -> Result<()> {
        let Some(first) = tokens.first() else { return Ok(()) };
        let is_function = matches!(first.text, "def" | "class" | "async" | "@");
        let opens = if is_function { Block::Function } else { Block::Branch };
        // A function in a branch stays one to the end of the branch: it is not told apart where it ends.
        let block = if self.block == Block::Function { Block::Function } else { opens };
        if !is_indented {
            self.report(first);
        }
        let colon = tokens.iter().position(|token| token.is(":") && token.depth == 0);
        let (head, body) = tokens.split_at(colon.unwrap_or(tokens.len()));
        // Conditions only look; the others give names to what they find.
        let only_looks = matches!(first.text, "if" | "elif" | "else" | "while" | "try" | "finally");
        self.touch(head, block, !only_looks);
        let body = body.get(1..).unwrap_or_default();
        for part in body.split(|token| token.is(";") && token.depth == 0) {
            self.touch(part, block, binds(part).is_some());
        }
        self.block = block;
        Ok(())
    }

    /// A statement at the top of the file.
    fn simple(&mut self, tokens: &[Token<'_>]) -> Result<()> {
        if let [name, sign, value @ ..] = tokens
            && name.class == Class::Name
            && (sign.is("=") || sign.is("+="))
            && !value.is_empty()
            && !is_keyword(name.text)
        {
            let mut items = 0;
            match plain(value, 0, &mut items)? {
                Some((value, sort, [])) if !self.shared.contains(name.text) => {
                    let statement = Statement {
                        key: name.text.to_owned(),
                        appends: sign.is("+="),
                        span: name.at..value.span.end,
                        value,
                    };
                    if self.assign(statement, sort) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        let is_idle = match tokens {
            // A text that stands alone is a remark.
            [only] => only.class == Class::Text || only.text == "pass",
            _ => false,
        };
        if !is_idle {
            self.code(tokens, Block::Top, false);
        }
        Ok(())
    }

    /// Takes an assignment; false where running it would do something else than it seems to.
    fn assign(&mut self, statement: Statement, sort: Sort) -> bool {
        let index = self.program.statements.len();
        match self.values.get_mut(&statement.key) {
            Some(known) if statement.appends => {
                let same = known.sort == sort && sort != Sort::Number;
                if !same {
                    return false;
                }
                known.statements.push(index);
            }
            None if statement.appends => return false,
            _ => {
                // Those before say nothing any more, but are the same variable's: a file that is edited keeps one of them.
                let known = self.values.entry(statement.key.clone());
                let known = known.or_insert_with(|| Known { statements: Vec::new(), sort });
                known.statements.push(index);
                known.sort = sort;
                self.program.unreadable.remove(&statement.key);
            }
        }
        self.program.statements.push(statement);
        self.is_live.push(true);
        true
    }

    /// Code that is passed over.
    fn code(&mut self, tokens: &[Token<'_>], block: Block, is_in_block: bool) {
        let Some(first) = tokens.first() else { return };
        if !is_in_block {
            self.report(first);
        }
        let is_function = |token: &Token<'_>| matches!(token.text, "global" | "nonlocal" | "lambda");
        let block = if names(tokens).any(is_function) { Block::Function } else { block };
        match binds(tokens) {
            Some(end) => {
                let (targets, rest) = tokens.split_at(end.min(tokens.len()));
                self.touch(targets, block, true);
                self.touch(rest, block, false);
            }
            None => self.touch(tokens, block, false),
        }
    }

    /// Marks the variables that code names as unreadable: those that it assigns to, and lists in any case.
    fn touch(&mut self, tokens: &[Token<'_>], block: Block, assigns: bool) {
        for token in names(tokens) {
            if is_keyword(token.text) {
                continue;
            }
            let is_list = self.values.get(token.text).is_some_and(|known| known.sort == Sort::List);
            if block == Block::Function {
                self.shared.insert(token.text.to_owned());
            }
            if !assigns && !is_list && block != Block::Function {
                continue;
            }
            if let Some(known) = self.values.remove(token.text) {
                for index in known.statements {
                    if let Some(live) = self.is_live.get_mut(index) {
                        *live = false;
                    }
                }
            }
            let message = format!(
                "'{}' depends on Python code here, which is not executed: give it a plain value",
                shown(token.text)
            );
            self.program.unreadable.entry(token.text.to_owned()).or_insert(Fault { at: token.at, message });
        }
    }

    /// Remembers where code stands.
    fn report(&mut self, first: &Token<'_>) {
        self.program.code.push((format!("Python code ({} ...)", shown(first.text)), first.at));
    }
}

/// The names among the tokens, without those that are attributes of something: `a` of `a.b`.
fn names<'t>(tokens: &'t [Token<'t>]) -> impl Iterator<Item = &'t Token<'t>> {
    let mut is_attribute = false;
    tokens.iter().filter(move |token| {
        let was_attribute = std::mem::replace(&mut is_attribute, token.is("."));
        token.class == Class::Name && !was_attribute
    })
}

/// How many of a simple statement's tokens stand where it assigns; None where it assigns to nothing.
fn binds(tokens: &[Token<'_>]) -> Option<usize> {
    let first = tokens.first()?;
    if matches!(first.text, "import" | "from" | "del" | "global" | "nonlocal") {
        return Some(tokens.len());
    }
    // A comprehension's variables outlive it in Python 2, and `:=` gives a name anywhere.
    if tokens.iter().any(|token| token.is(":=") || token.class == Class::Name && token.text == "for") {
        return Some(tokens.len());
    }
    let assigns = |token: &Token<'_>| {
        let is_comparison = matches!(token.text, "==" | "!=" | "<=" | ">=");
        token.depth == 0 && token.class == Class::Sign && token.text.ends_with('=') && !is_comparison
    };
    tokens.iter().rposition(assigns).map(|at| at + 1)
}

fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "as"
            | "assert"
            | "break"
            | "continue"
            | "del"
            | "elif"
            | "else"
            | "except"
            | "exec"
            | "finally"
            | "for"
            | "from"
            | "global"
            | "if"
            | "import"
            | "in"
            | "is"
            | "lambda"
            | "not"
            | "or"
            | "pass"
            | "print"
            | "raise"
            | "return"
            | "try"
            | "while"
            | "with"
            | "yield"
            | "def"
            | "class"
            | "True"
            | "False"
            | "None"
    )
}

/// A plain value, its sort, and the tokens behind it.
type Plain<'t, 'a> = Option<(Value, Sort, &'t [Token<'a>])>;

/// The plain value that the tokens begin with; None where what stands there has to be worked out.
fn plain<'t, 'a>(tokens: &'t [Token<'a>], depth: usize, items: &mut usize) -> Result<Plain<'t, 'a>> {
    let Some((first, rest)) = tokens.split_first() else { return Ok(None) };
    let text = |text: String, end: usize| Value { kind: Kind::Text(text), span: first.at..end };
    match first.class {
        Class::Text => {
            let mut all = text_of(first)?;
            let (mut rest, mut end) = (rest, first.end());
            // Strings that stand one behind the other are one.
            while let Some((next, tail)) = rest.split_first().filter(|(next, _)| next.class == Class::Text) {
                all.push_str(&text_of(next)?);
                (rest, end) = (tail, next.end());
            }
            Ok(Some((text(all, end), Sort::Text, rest)))
        }
        Class::Number => Ok(Some((text(number_of(first)?, first.end()), Sort::Number, rest))),
        Class::Name => {
            let said = match first.text {
                "True" => "1",
                "False" => "0",
                "None" => "",
                _ => return Ok(None),
            };
            Ok(Some((text(said.into(), first.end()), Sort::Number, rest)))
        }
        Class::Sign if first.text == "-" => match rest.split_first() {
            Some((number, rest)) if number.class == Class::Number => {
                Ok(Some((text(format!("-{}", number_of(number)?), number.end()), Sort::Number, rest)))
            }
            _ => Ok(None),
        },
        Class::Sign if matches!(first.text, "[" | "(") => list(first, rest, depth, items),
        Class::Sign => Ok(None),
    }
}

/// A list, or what stands in parentheses: a tuple is a list as well, and one value without a comma is itself.
fn list<'t, 'a>(
    open: &Token<'a>,
    tokens: &'t [Token<'a>],
    depth: usize,
    items: &mut usize,
) -> Result<Plain<'t, 'a>> {
    if depth == MAX_DEPTH {
        return fault(open.at, format!("lists are nested more than {MAX_DEPTH} deep"));
    }
    let (close, is_tuple) = if open.text == "[" { ("]", false) } else { (")", true) };
    let (mut rest, mut values, mut last, mut has_comma) = (tokens, Vec::new(), Sort::Text, false);
    loop {
        if let Some((end, rest)) = rest.split_first().filter(|(token, _)| token.is(close)) {
            let span = open.at..end.end();
            if is_tuple && !has_comma && values.len() == 1 {
                let value = values.pop().map(|Value { kind, .. }| Value { kind, span });
                return Ok(value.map(|value| (value, last, rest)));
            }
            return Ok(Some((Value { kind: Kind::List(values), span }, Sort::List, rest)));
        }
        *items += 1;
        if *items > MAX_ITEMS {
            return fault(open.at, format!("more than {MAX_ITEMS} values in one list"));
        }
        let Some((value, sort, tail)) = plain(rest, depth + 1, items)? else { return Ok(None) };
        values.push(value);
        (rest, last) = (tail, sort);
        match rest.split_first() {
            Some((comma, tail)) if comma.is(",") => (rest, has_comma) = (tail, true),
            Some((token, _)) if token.is(close) => {}
            _ => return Ok(None),
        }
    }
}

/// `text` as a string of Python's, in quotes that it does not hold where there are such; None where it holds a NUL.
pub(super) fn quoted(text: &str) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    let is_plain = !text.contains(|c: char| c == '\\' || c.is_ascii_control());
    let quote = match (text.contains('"'), text.contains('\'')) {
        (false, _) => "\"",
        (true, false) => "'",
        (true, true) if is_plain && !text.contains("\"\"\"") && !text.ends_with('"') => "\"\"\"",
        (true, true) => "\"",
    };
    let mut out = String::with_capacity(text.len() + 6);
    out.push_str(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' if quote == "\"" => out.push_str("\\\""),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push_str(quote);
    Some(out)
}
