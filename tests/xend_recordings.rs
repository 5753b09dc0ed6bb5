//! Every recorded answer of eight real xends goes through the reader, whole and in random pieces, and must be found to be what
//! the rule says: a value, an error in xend's own words, or no answer.
//!
//! The rule and the values are stated here once more, simply and without the crate's readers, so that a mistake in those shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::PathBuf;

use xenith::wire::sexpr::{Sexpr, raw_bytes};
use xenith::wire::xend_http::{Answer, MAX_ANSWER, ResponseError, ResponseReader, interpret};

/// File, exchanges, and how many of them are: values, texts, empty successes, errors, no answer.
const RECORDINGS: [(&str, usize, [usize; 5]); 8] = [
    ("3.0.2", 360, [104, 10, 28, 218, 0]),
    ("3.0.4", 281, [112, 4, 60, 104, 1]),
    ("3.1", 422, [169, 9, 74, 169, 1]),
    ("3.2", 83, [47, 2, 10, 23, 1]),
    ("3.4", 468, [183, 10, 95, 178, 2]),
    ("4.0", 221, [101, 3, 35, 81, 1]),
    ("4.1", 544, [207, 12, 96, 227, 2]),
    ("4.4", 544, [207, 12, 95, 228, 2]),
];

#[derive(Debug, PartialEq)]
enum Expected {
    Value(Tree),
    Text(Vec<u8>),
    Empty,
    Error(u16, String),
    NoAnswer,
}

#[derive(Debug, PartialEq)]
enum Tree {
    Atom(Vec<u8>),
    List(Vec<Tree>),
}

#[test]
fn every_recorded_answer_is_what_the_rule_says() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut total = 0;
    let mut wrong = Vec::new();
    for (version, exchanges, counts) in RECORDINGS {
        let mut found = [0; 5];
        let cases = recording(version);
        assert_eq!(cases.len(), exchanges, "exchanges in the recording of xend {version}");
        for case in &cases {
            let expected = expect(&case.request, &case.response);
            found[match expected {
                Expected::Value(_) => 0,
                Expected::Text(_) => 1,
                Expected::Empty => 2,
                Expected::Error(..) => 3,
                Expected::NoAnswer => 4,
            }] += 1;
            for split in [false, true] {
                let mut pieces = Vec::new();
                let mut rest = &case.response[..];
                while split && rest.len() > 1 {
                    let (piece, others) = rest.split_at(1 + random.below(rest.len().min(700)));
                    pieces.push(piece);
                    rest = others;
                }
                pieces.push(rest);
                let read = read(&case.request, &pieces);
                if read != expected {
                    wrong.push(format!("xend {version} {}: {read:?}, not {expected:?}", case.name));
                    break;
                }
            }
        }
        println!(
            "xend {version}: {} exchanges: {} values, {} texts, {} empty, {} errors, {} without an answer",
            cases.len(),
            found[0],
            found[1],
            found[2],
            found[3],
            found[4]
        );
        total += cases.len();
        assert_eq!(found, counts, "kinds of answers of xend {version}");
    }
    assert!(wrong.is_empty(), "{} of {total} differ:\n{}", wrong.len(), wrong.join("\n"));
    println!("{total} recorded answers read as they should be");
}

#[test]
fn what_xend_wrote_is_written_the_same_way() {
    // What xend quotes although it need not: None, and what Python calls a long. And `(ls  node ...)` has a blank more.
    let mut compared = 0;
    for (version, ..) in RECORDINGS {
        // The empty string is `''` from 4.1 on and nothing before.
        let empty_quoted = matches!(version, "4.1" | "4.4");
        for case in recording(version) {
            let Expected::Value(_) = expect(&case.request, &case.response) else { continue };
            let (_, body) = split(&case.response);
            let value = Sexpr::parse_first(&body).unwrap();
            let written = value.to_xend_bytes(empty_quoted);
            let known = contains(&body, b"'None'") || contains(&body, b"(ls ") || has_quoted_number(&body);
            // `(features )` is read as a list of one, and written so.
            let body = String::from_utf8(body).unwrap().replace(" )", ")").into_bytes();
            let tail = body.strip_prefix(&written[..]);
            assert!(
                known || matches!(tail, Some(b"" | b"''")),
                "xend {version} {}:\n{}\n{}",
                case.name,
                String::from_utf8_lossy(&body),
                String::from_utf8_lossy(&written)
            );
            compared += usize::from(!known);
        }
    }
    println!("{compared} values written as xend wrote them");
    assert!(compared > 500, "{compared}");
}

fn read(request: &[u8], pieces: &[&[u8]]) -> Expected {
    let mut reader = match request.starts_with(b"HEAD ") {
        true => ResponseReader::for_head_request(),
        false => ResponseReader::new(MAX_ANSWER),
    };
    for piece in pieces {
        if let Some(response) = reader.feed(piece).unwrap() {
            return match interpret(&response).unwrap() {
                Answer::Value(value) => Expected::Value(tree(&value)),
                Answer::Text(text) => Expected::Text(text),
                Answer::Empty => Expected::Empty,
                Answer::Error { message, http_status } => Expected::Error(http_status, message),
            };
        }
    }
    assert_eq!(reader.end(), ResponseError::NoAnswer);
    Expected::NoAnswer
}

/// The rule, once more. The body is Content-length bytes behind the first empty line.
fn expect(request: &[u8], response: &[u8]) -> Expected {
    if response.is_empty() {
        return Expected::NoAnswer;
    }
    let (head, body) = split(response);
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next().unwrap().splitn(3, ' ');
    assert_eq!(status_line.next(), Some("HTTP/1.1"));
    let status: u16 = status_line.next().unwrap().parse().unwrap();
    let reason = status_line.next().unwrap();
    let headers: BTreeMap<&str, &str> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    assert_eq!(headers.contains_key("Content-length"), !request.starts_with(b"HEAD "));
    if headers.get("Content-type") == Some(&"application/sxp") && body.starts_with(b"(xend.err ") {
        let Tree::List(items) = value(&body) else { panic!("a list") };
        let [_, Tree::Atom(message)] = &items[..] else { panic!("two values: {items:?}") };
        return Expected::Error(status, String::from_utf8(message.clone()).unwrap());
    }
    if status >= 400 {
        let words = match headers.get("Content-type") {
            Some(&"text/plain") => String::from_utf8_lossy(&body).trim().to_owned(),
            _ => reason.to_owned(),
        };
        return Expected::Error(status, words);
    }
    match headers.get("Content-type") {
        _ if body.is_empty() => Expected::Empty,
        Some(&"application/sxp") => Expected::Value(value(&body)),
        _ => Expected::Text(body),
    }
}

/// The head without the empty line, and the body: Content-length bytes, none without it.
fn split(response: &[u8]) -> (String, Vec<u8>) {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    (head, response[end + 4..][..length].to_vec())
}

/// The first value of what xend writes: lists, bare words, Python strings.
fn value(text: &[u8]) -> Tree {
    fn next(text: &mut &[u8]) -> Option<Tree> {
        *text = text.trim_ascii_start();
        let (first, mut rest) = text.split_first()?;
        let item = match first {
            b')' => {
                *text = rest;
                return None;
            }
            b'(' => {
                let mut items = Vec::new();
                while let Some(item) = next(&mut rest) {
                    items.push(item);
                }
                Tree::List(items)
            }
            b'\'' | b'"' => {
                let mut bytes = Vec::new();
                loop {
                    let (byte, others) = rest.split_first().unwrap();
                    rest = others;
                    if byte == first {
                        break;
                    }
                    if *byte != b'\\' {
                        bytes.push(*byte);
                        continue;
                    }
                    let (escape, others) = rest.split_first().unwrap();
                    rest = others;
                    bytes.push(match escape {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'x' => {
                            let digits = std::str::from_utf8(&rest[..2]).unwrap();
                            rest = &rest[2..];
                            u8::from_str_radix(digits, 16).unwrap()
                        }
                        b'\\' | b'\'' | b'"' => *escape,
                        other => panic!("escape {other}"),
                    });
                }
                Tree::Atom(bytes)
            }
            _ => {
                let end = text.iter().position(|byte| b" ()'".contains(byte)).unwrap_or(text.len());
                rest = &text[end..];
                Tree::Atom(text[..end].to_vec())
            }
        };
        *text = rest;
        Some(item)
    }
    next(&mut &text[..]).expect("a value")
}

fn tree(value: &Sexpr) -> Tree {
    match value {
        Sexpr::Atom(text) => Tree::Atom(raw_bytes(text).collect()),
        Sexpr::List(items) => Tree::List(items.iter().map(tree).collect()),
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

fn has_quoted_number(text: &[u8]) -> bool {
    let number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    text.split(|byte| *byte == b'\'').any(number)
}

struct Case {
    name: String,
    request: Vec<u8>,
    response: Vec<u8>,
}

/// Missing recordings are a failure and not a skipped test.
fn recording(version: &str) -> Vec<Case> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/xend/xend-{version}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let latin1 = |value: &serde_json::Value| -> Vec<u8> {
        value.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    };
    text.lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            Case {
                name: json["case"].as_str().unwrap().to_owned(),
                request: latin1(&json["request"]),
                response: latin1(&json["response"]),
            }
        })
        .collect()
}

/// xorshift: the same pieces in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
