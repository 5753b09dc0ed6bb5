//! A capture as text: one JSON object a line, the first says what it is. Keys stand in the order in which a person wants to read them.

use serde_json::{Map, Value as Json, json};

use super::{
    Answered, Capture, Failure, Files, Kind, Machine, Node, Probe, Record, Toolstack, Value, XendAnswer,
};
use crate::format::{Place, SyntaxError};

/// The version of the form. Readers refuse newer ones: what a newer one means they cannot know.
pub const FORMAT: u64 = 1;

/// The most bytes of a capture that are read.
pub const MAX_CAPTURE: usize = 64 << 20;
/// And the most lines.
const MAX_LINES: usize = 400_000;

/// What the first line tells whoever opens the file.
const NOTE: &str = "Answers of a Xen host to questions that change nothing. Names, uuids, addresses and unknown words are replaced, other values \
                    only measured. Read it before you send it; docs/capture.md says what each line is";

impl Capture {
    /// The text, with a line end behind each line.
    pub fn to_text(&self) -> String {
        let mut text =
            line(&[("xenith_capture", json!(FORMAT)), ("xenith", json!(self.xenith)), ("note", json!(NOTE))]);
        for record in &self.records {
            text.push_str(&line(&fields(record)));
        }
        text
    }

    /// Reads a text. Keys that are not known are passed over, and so are records of a kind that is not.
    ///
    /// Errors: a text that is too large, that is no capture or one of a newer form, and a line that cannot be understood, by its number.
    pub fn from_text(text: &str) -> Result<Capture, SyntaxError> {
        if text.len() > MAX_CAPTURE {
            return Err(error(None, format!("it has more than {MAX_CAPTURE} bytes")));
        }
        let mut lines = text.lines().enumerate();
        let head = lines.next().map(|(_, head)| head).unwrap_or_default();
        let head: Json = serde_json::from_str(head).map_err(|_| {
            error(Some(1), "it does not begin as a capture does: {\"xenith_capture\":1,...}".into())
        })?;
        match head.get("xenith_capture").and_then(Json::as_u64) {
            Some(FORMAT) => {}
            Some(newer) => {
                let message = format!(
                    "it has the form {newer}, and this version of xenith reads {FORMAT}: use a newer one"
                );
                return Err(error(Some(1), message));
            }
            None => {
                return Err(error(
                    Some(1),
                    "it does not begin as a capture does: {\"xenith_capture\":1,...}".into(),
                ));
            }
        }
        let mut capture =
            Capture { xenith: text_of(&head, "xenith").unwrap_or_default(), records: Vec::new() };
        for (index, line) in lines {
            let number = index + 1;
            if number > MAX_LINES {
                return Err(error(Some(number), format!("it has more than {MAX_LINES} lines")));
            }
            if line.trim().is_empty() {
                continue;
            }
            let value: Json = serde_json::from_str(line)
                .map_err(|fault| error(Some(number), format!("no JSON object: {fault}")))?;
            let record = record(&value).map_err(|what| error(Some(number), what.to_owned()))?;
            capture.records.extend(record);
        }
        Ok(capture)
    }
}

fn error(line: Option<usize>, message: String) -> SyntaxError {
    SyntaxError { language: "capture", place: line.map(|line| Place { line, column: 1 }), message }
}

fn line(fields: &[(&str, Json)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    format!("{{{}}}\n", fields.join(","))
}

fn fields(record: &Record) -> Vec<(&'static str, Json)> {
    match record {
        Record::Machine(machine) => vec![
            ("record", json!("machine")),
            ("simulation", json!(machine.simulation)),
            ("arch", json!(machine.arch)),
            ("kernel", json!(machine.kernel)),
            ("control", json!(machine.control)),
            ("found", json!(machine.found)),
        ],
        Record::Toolstack(toolstack) => {
            vec![("record", json!("toolstack")), ("xl", json!(toolstack.xl)), ("xend", json!(toolstack.xend))]
        }
        Record::Files(files) => {
            let endings: Map<String, Json> =
                files.endings.iter().map(|(ending, count)| (ending.clone(), json!(count))).collect();
            vec![
                ("record", json!("files")),
                ("endings", Json::Object(endings)),
                ("folders", json!(files.folders)),
                ("links", json!(files.links)),
                ("domains", json!(files.domains)),
                ("broken", json!(files.broken)),
            ]
        }
        Record::Probe(probe) => vec![
            ("record", json!("probe")),
            ("interface", json!(probe.interface)),
            ("version_errno", json!(probe.answers)),
        ],
        Record::Hypercall(answered) => {
            let mut fields = vec![
                ("record", json!("hypercall")),
                ("op", json!(answered.op)),
                ("number", json!(answered.number)),
            ];
            fields.extend(answered.cmd.map(|cmd| ("cmd", json!(cmd))));
            if !answered.request.is_empty() {
                fields.push(("request", json!(to_hex(&answered.request))));
            }
            if answered.errno != 0 {
                fields.push(("errno", json!(answered.errno)));
                return fields;
            }
            if !answered.reply.is_empty() {
                fields.push(("reply", json!(to_hex(&answered.reply))));
            }
            if !answered.buffers.is_empty() {
                let buffers: Vec<String> = answered.buffers.iter().map(|bytes| to_hex(bytes)).collect();
                fields.push(("buffers", json!(buffers)));
            }
            fields.extend(answered.record_bytes.map(|bytes| ("record_bytes", json!(bytes))));
            fields.push(("value", json!(answered.value)));
            fields
        }
        Record::Node(node) => {
            let mut fields = vec![("record", json!("node")), ("path", json!(node.path))];
            match &node.value {
                Value::Kept(text) => fields.push(("value", json!(text))),
                Value::Shape(kind, bytes) => {
                    fields.extend([("kind", json!(kind.name())), ("bytes", json!(bytes))]);
                }
                Value::Unread(errno) => fields.push(("errno", json!(errno))),
            }
            fields
        }
        Record::Xend(answer) => {
            vec![("record", json!("xend")), ("path", json!(answer.path)), ("body", json!(answer.body))]
        }
        Record::Failure(failure) => vec![
            ("record", json!("failure")),
            ("road", json!(failure.road)),
            ("doing", json!(failure.doing)),
            ("status", json!(failure.status)),
            ("errno", json!(failure.errno)),
        ],
    }
}

/// None: a record of a kind that this version does not know.
fn record(value: &Json) -> Result<Option<Record>, &'static str> {
    let text = |key| text_of(value, key);
    let count = |key| value.get(key).and_then(Json::as_u64);
    let errno = || value.get("errno").and_then(Json::as_i64).and_then(|errno| i32::try_from(errno).ok());
    let bytes = |key| match value.get(key) {
        None => Ok(Vec::new()),
        Some(hex) => hex.as_str().and_then(from_hex).ok_or("bytes that are no hexadecimal digits"),
    };
    let is_true = |key| value.get(key).and_then(Json::as_bool).unwrap_or(false);
    Ok(Some(match value.get("record").and_then(Json::as_str).ok_or("no \"record\"")? {
        "machine" => Record::Machine(Machine {
            simulation: is_true("simulation"),
            arch: text("arch").unwrap_or_default(),
            kernel: text("kernel"),
            control: text("control"),
            found: strings(value.get("found")),
        }),
        "toolstack" => Record::Toolstack(Toolstack { xl: text("xl"), xend: is_true("xend") }),
        "files" => {
            let endings = value.get("endings").and_then(Json::as_object).ok_or("no \"endings\"")?;
            Record::Files(Files {
                endings: endings
                    .iter()
                    .map(|(ending, count)| (ending.clone(), count.as_u64().unwrap_or(0)))
                    .collect(),
                folders: count("folders").unwrap_or(0),
                links: count("links").unwrap_or(0),
                domains: count("domains").unwrap_or(0),
                broken: count("broken").unwrap_or(0),
            })
        }
        "probe" => {
            let answers =
                value.get("version_errno").and_then(Json::as_array).ok_or("no \"version_errno\"")?;
            let pair = |answer: &Json| {
                let version = answer.get(0)?.as_u64().and_then(|version| u32::try_from(version).ok())?;
                let errno = answer.get(1)?.as_i64().and_then(|errno| i32::try_from(errno).ok())?;
                Some((version, errno))
            };
            let answers: Option<Vec<_>> = answers.iter().map(pair).collect();
            Record::Probe(Probe {
                interface: text("interface").ok_or("no \"interface\"")?,
                answers: answers.ok_or("an answer that is no pair of numbers")?,
            })
        }
        "hypercall" => {
            let buffers: Option<Vec<Vec<u8>>> =
                strings(value.get("buffers")).iter().map(|hex| from_hex(hex)).collect();
            Record::Hypercall(Answered {
                op: text("op").ok_or("no \"op\"")?,
                number: count("number").ok_or("no \"number\"")?,
                cmd: count("cmd"),
                request: bytes("request")?,
                reply: bytes("reply")?,
                buffers: buffers.ok_or("bytes that are no hexadecimal digits")?,
                record_bytes: count("record_bytes").and_then(|bytes| usize::try_from(bytes).ok()),
                value: value.get("value").and_then(Json::as_i64).unwrap_or(0),
                errno: errno().unwrap_or(0),
            })
        }
        "node" => Record::Node(Node {
            path: text("path").ok_or("no \"path\"")?,
            value: match (text("value"), text("kind"), count("bytes"), errno()) {
                (Some(text), ..) => Value::Kept(text),
                (None, Some(kind), Some(bytes), _) => Value::Shape(
                    Kind::named(&kind).ok_or("a kind of value that is not known")?,
                    usize::try_from(bytes)
                        .ok()
                        .filter(|bytes| *bytes <= 4096)
                        .ok_or("a value of too many bytes")?,
                ),
                (None, _, _, Some(errno)) => Value::Unread(errno),
                _ => return Err("a node without a value"),
            },
        }),
        "xend" => Record::Xend(XendAnswer {
            path: text("path").ok_or("no \"path\"")?,
            body: text("body").ok_or("no \"body\"")?,
        }),
        "failure" => Record::Failure(Failure {
            road: text("road").ok_or("no \"road\"")?,
            doing: text("doing").unwrap_or_default(),
            status: text("status").unwrap_or_default(),
            errno: errno(),
        }),
        _ => return Ok(None),
    }))
}

fn text_of(value: &Json, key: &str) -> Option<String> {
    value.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn strings(value: Option<&Json>) -> Vec<String> {
    let items = value.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let [high, low] = pair else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Some(digit(high)? << 4 | digit(low)?)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_of_each() -> Capture {
        Capture {
            xenith: "0.1.0".into(),
            records: vec![
                Record::Machine(Machine {
                    simulation: false,
                    arch: "x86_64".into(),
                    kernel: Some("6.1.0".into()),
                    control: None,
                    found: vec!["/dev/xen/privcmd".into()],
                }),
                Record::Toolstack(Toolstack { xl: Some("/usr/sbin/xl".into()), xend: false }),
                Record::Files(Files {
                    endings: vec![("cfg".into(), 2), ("none".into(), 1)],
                    folders: 1,
                    links: 0,
                    domains: 2,
                    broken: 1,
                }),
                Record::Probe(Probe { interface: "sysctl".into(), answers: vec![(1, 13), (2, 0)] }),
                Record::Hypercall(Answered {
                    op: "xen_version.version".into(),
                    number: 17,
                    cmd: Some(0),
                    value: 0x4_0011,
                    ..Answered::default()
                }),
                Record::Hypercall(Answered {
                    op: "sysctl.getdomaininfolist".into(),
                    number: 35,
                    cmd: None,
                    request: vec![0, 1, 0xff],
                    reply: vec![6],
                    buffers: vec![vec![0xab], vec![]],
                    record_bytes: Some(72),
                    value: 0,
                    errno: 0,
                }),
                Record::Hypercall(Answered {
                    op: "domctl.x".into(),
                    number: 36,
                    request: vec![1],
                    errno: 3,
                    ..Answered::default()
                }),
                Record::Node(Node { path: "/local".into(), value: Value::Kept(String::new()) }),
                Record::Node(Node { path: "/tool".into(), value: Value::Shape(Kind::Text, 7) }),
                Record::Node(Node { path: "/x".into(), value: Value::Unread(13) }),
                Record::Xend(XendAnswer { path: "/xend/node".into(), body: "(node (host x))".into() }),
                Record::Failure(Failure {
                    road: "xl".into(),
                    doing: "opening".into(),
                    status: "no_connect".into(),
                    errno: Some(2),
                }),
            ],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let text = one_of_each().to_text();
        assert_eq!(Capture::from_text(&text), Ok(one_of_each()));
        assert!(text.starts_with("{\"xenith_capture\":1,"), "{text}");
        assert!(
            text.contains("{\"record\":\"node\",\"path\":\"/tool\",\"kind\":\"text\",\"bytes\":7}\n"),
            "{text}"
        );
    }

    #[test]
    fn errors_name_the_line() {
        let good = Capture::default().to_text();
        let refused = |text: &str| Capture::from_text(text).unwrap_err().to_string();
        for text in ["", "{}", "[]", "xenith", "{\"xenith_capture\":\"1\"}"] {
            assert!(refused(text).contains("line 1, column 1: it does not begin"), "{text}");
        }
        assert!(refused("{\"xenith_capture\":2}").contains("the form 2"));
        for (line, why) in [
            ("{", "no JSON"),
            ("{}", "no \"record\""),
            ("{\"record\":\"node\",\"path\":\"/\"}", "without a value"),
            ("{\"record\":\"node\",\"path\":\"/\",\"kind\":\"text\",\"bytes\":5000}", "too many"),
            ("{\"record\":\"hypercall\",\"op\":\"x\",\"number\":1,\"request\":\"0g\"}", "hexadecimal"),
            ("{\"record\":\"hypercall\",\"op\":\"x\",\"number\":1,\"buffers\":[\"000\"]}", "hexadecimal"),
        ] {
            let said = refused(&format!("{good}{line}\n"));
            assert!(said.contains("line 2") && said.contains(why), "{line}: {said}");
        }
        let later = format!("{good}\n{{\"record\":\"of tomorrow\"}}\n");
        assert_eq!(Capture::from_text(&later).unwrap().records, []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", at in 0usize..4000, byte in any::<char>()) {
            let _ = Capture::from_text(&text);
            let mut spoilt: Vec<char> = one_of_each().to_text().chars().collect();
            if let Some(place) = spoilt.get_mut(at) {
                *place = byte;
            }
            let _ = Capture::from_text(&spoilt.into_iter().collect::<String>());
        }
    }
}
