//! HTTP as xend speaks it, both ends (facts: xend 3.0.2 to 4.4, read and recorded).
//!
//! What is particular: a request's body has at most 10,000 bytes; an answer ends where its Content-length says, and the
//! connection can stay open for minutes behind it; the status code alone does not tell success from failure
//! ([`interpret`] has the rule); nothing is ever chunked or compressed.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::sexpr::{self, Sexpr};

/// The largest request body that any xend accepts, in bytes. Beyond it the answer is 413 and a reset connection.
pub const MAX_BODY: usize = 10_000;

/// The type of S-expressions.
pub const SXP: &str = "application/sxp";

/// The type of form bodies.
const FORM: &str = "application/x-www-form-urlencoded";

/// Bytes of a head, either way, that are looked at before giving up.
const MAX_HEAD: usize = 64 << 10;

/// Bytes of an answer's body, unless the caller says otherwise: a detailed list of a thousand domains has some 2 MB.
pub const MAX_ANSWER: usize = 16 << 20;

// ---- near end: requests ------------------------------------------------------------------------------------------

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    path: String,
    form: Option<Vec<u8>>,
}

/// A body beyond [`MAX_BODY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the request would have {0} bytes and xend accepts at most 10,000: make the configuration shorter \
     (letters and digits count one byte, everything else three)"
)]
pub struct TooLarge(pub usize);

/// Everything but the characters that need no escape anywhere in a URL.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Request {
    /// GET of the path with these elements, and a query.
    pub fn get(path: &[&str], query: &[(&str, &str)]) -> Request {
        let mut path = join(path);
        for (index, (name, value)) in query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            path.extend(percent_encode(value.as_bytes(), NON_ALPHANUMERIC));
        }
        Request { path, form: None }
    }

    /// POST of a form with these fields, in this order; the first is `op`.
    pub fn post(path: &[&str], fields: &[(&str, &[u8])]) -> Request {
        let mut form = Vec::new();
        for (name, value) in fields {
            if !form.is_empty() {
                form.push(b'&');
            }
            form.extend_from_slice(name.as_bytes());
            form.push(b'=');
            form.extend(percent_encode(value, NON_ALPHANUMERIC).flat_map(str::bytes));
        }
        Request { path: join(path), form: Some(form) }
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TooLarge> {
        let method = if self.form.is_some() { "POST" } else { "GET" };
        // Host only matters for xend's Location header, which nobody reads. xend sends HTML to clients that send User-Agent
        // and do not accept S-expressions.
        let mut head =
            format!("{method} {} HTTP/1.1\r\nHost: localhost:8000\r\nAccept: {SXP}\r\n", self.path);
        let body = self.form.as_deref().unwrap_or_default();
        if self.form.is_some() {
            if body.len() > MAX_BODY {
                return Err(TooLarge(body.len()));
            }
            head.push_str(&format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        Ok(bytes)
    }
}

impl fmt::Display for Request {
    /// `POST /xend/domain/web1`, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.form.is_some() { "POST" } else { "GET" }, self.path)
    }
}

fn join(elements: &[&str]) -> String {
    let mut path = String::new();
    for element in elements {
        path.push('/');
        let bytes: Vec<u8> = sexpr::raw_bytes(element).collect();
        path.extend(percent_encode(&bytes, SEGMENT));
    }
    path
}

// ---- near end: responses -----------------------------------------------------------------------------------------

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// The words behind it: `Request failed: new`.
    pub reason: String,
    /// Its Content-type; HTML and empty answers have none.
    pub content_type: Option<String>,
    /// Exactly Content-length bytes.
    pub body: Vec<u8>,
}

/// Why bytes are no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The connection ended before the first byte.
    #[error("the connection was closed without an answer")]
    NoAnswer,
    /// It ended in the middle.
    #[error("the connection was closed in the middle of the answer, after {0} bytes")]
    Truncated(usize),
    /// The head is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// No head within a bounded number of bytes.
    #[error("the answer's head has more than {0} bytes")]
    HeadTooLarge(usize),
    /// Neither a Content-length nor a reason to have none; xend always sends it.
    #[error("the answer does not say how long it is (Content-length {0})")]
    NoLength(String),
    /// A body beyond the caller's limit.
    #[error("the answer has {0} bytes, more than the {1} that are accepted")]
    BodyTooLarge(u64, usize),
}

/// Reads responses from bytes as they arrive.
#[derive(Debug)]
pub struct ResponseReader {
    head_only: bool,
    max_body: usize,
    buffer: Vec<u8>,
    /// Up to here the buffer holds no end of a head.
    searched: usize,
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    response: Response,
    start: usize,
    length: usize,
}

impl ResponseReader {
    /// For the answer to a GET or POST, with a body of at most `max_body` bytes.
    pub fn new(max_body: usize) -> Self {
        ResponseReader { head_only: false, max_body, buffer: Vec::new(), searched: 0, head: None }
    }

    /// For the answer to a HEAD request, which is the only one without a body and without a Content-length.
    pub fn for_head_request() -> Self {
        ResponseReader { head_only: true, ..ResponseReader::new(0) }
    }

    /// Takes more bytes; the response once it is whole. What follows it is kept for the next one (`feed(&[])`).
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Response>, ResponseError> {
        self.buffer.extend_from_slice(bytes);
        if self.head.is_none() {
            // The same wherever a read ends: a head is refused for how it begins before its end is looked for.
            if self.buffer.get(..4).is_some_and(|start| start != b"HTTP") {
                return Err(ResponseError::NotHttp(describe(&self.buffer)));
            }
            let end = find_head_end(&self.buffer, self.searched);
            if end.unwrap_or(self.buffer.len()) > MAX_HEAD {
                return Err(ResponseError::HeadTooLarge(MAX_HEAD));
            }
            let Some(end) = end else {
                self.searched = self.buffer.len();
                return Ok(None);
            };
            self.head = Some(self.parse_head(end)?);
        }
        let whole = self.head.as_ref().is_some_and(|head| self.buffer.len() - head.start >= head.length);
        if !whole {
            return Ok(None);
        }
        Ok(self.head.take().map(|head| {
            let rest = self.buffer.split_off(head.start + head.length);
            let body = self.buffer.split_off(head.start);
            self.buffer = rest;
            self.searched = 0;
            Response { body, ..head.response }
        }))
    }

    /// The connection has ended: what it means for a response that is not whole.
    pub fn end(&self) -> ResponseError {
        match self.buffer.len() {
            0 => ResponseError::NoAnswer,
            length => ResponseError::Truncated(length),
        }
    }

    fn parse_head(&self, end: usize) -> Result<Head, ResponseError> {
        let head = self.buffer.get(..end).unwrap_or_default();
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let not_http = |_| ResponseError::NotHttp(describe(head));
        if parsed.parse(head).map_err(not_http)?.is_partial() {
            return Err(ResponseError::NotHttp(describe(head)));
        }
        let status = parsed.code.unwrap_or(0);
        let header = |name: &str| {
            let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
        };
        let length = if self.head_only || matches!(status, 100..=199 | 204 | 304) {
            0
        } else {
            let text =
                header("content-length").ok_or_else(|| ResponseError::NoLength("is missing".into()))?;
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let length: u64 = Some(&text)
                .filter(|_| digits)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| ResponseError::NoLength(format!("is '{text}'")))?;
            usize::try_from(length)
                .ok()
                .filter(|length| *length <= self.max_body)
                .ok_or(ResponseError::BodyTooLarge(length, self.max_body))?
        };
        let response = Response {
            status,
            reason: parsed.reason.unwrap_or_default().to_owned(),
            content_type: header("content-type"),
            body: Vec::new(),
        };
        Ok(Head { response, start: end, length })
    }
}

/// Where the empty line ends that ends a head. `searched` bytes were looked at before.
fn find_head_end(buffer: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let rest = buffer.get(from..)?;
    let lines = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    lines.map(|(at, _)| from + at + 1).find_map(|line| match buffer.get(line..) {
        Some([b'\n', ..]) => Some(line + 1),
        Some([b'\r', b'\n', ..]) => Some(line + 2),
        _ => None,
    })
}

/// The start of bytes that were not understood, for a message.
fn describe(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(60)).unwrap_or_default();
    format!("\"{}\"", start.escape_ascii())
}

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An S-expression; an atom where xend answers just `0`.
    Value(Sexpr),
    /// Success, with a text that is no S-expression: xend's log, HTML.
    Text(Vec<u8>),
    /// Success, and nothing to say.
    Empty,
    /// xend refused or failed.
    Error {
        /// xend's own words.
        message: String,
        /// Its status code, which may well be 200.
        http_status: u16,
    },
}

/// What a response says, by the rule that fits every xend: a body of type application/sxp that is headed `xend.err` is an
/// error whatever the status says, with the second value as its message; otherwise the status decides.
///
/// An error here means that xend claims success and answers what is no S-expression.
pub fn interpret(response: &Response) -> Result<Answer, sexpr::ParseError> {
    let is_sxp = response.content_type.as_deref() == Some(SXP);
    let value = if is_sxp { Some(Sexpr::parse_first(&response.body)) } else { None };
    if let Some(Ok(value)) = &value
        && value.name() == Some("xend.err")
    {
        let message = match value.args() {
            [] => response.reason.clone(),
            [Sexpr::Atom(message)] => message.clone(),
            several => several.iter().map(Sexpr::to_string).collect::<Vec<_>>().join(" "),
        };
        return Ok(Answer::Error { message, http_status: response.status });
    }
    if !(200..300).contains(&response.status) {
        let is_text = response.content_type.as_deref() == Some("text/plain");
        let message = match String::from_utf8_lossy(&response.body) {
            // xend's own words, such as `<Fault 3: 'NAME'>` or `No domain named 'NAME'.`
            words if is_text && !words.trim().is_empty() => words.trim().to_owned(),
            _ => response.reason.clone(),
        };
        return Ok(Answer::Error { message, http_status: response.status });
    }
    match value {
        _ if response.body.is_empty() => Ok(Answer::Empty),
        Some(value) => value.map(Answer::Value),
        None => Ok(Answer::Text(response.body.clone())),
    }
}

// ---- far end: requests -------------------------------------------------------------------------------------------

/// A request as xend understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// As sent; xend knows GET, HEAD and POST, in capitals.
    pub method: String,
    /// The path's elements, decoded after they were split; empty ones are left out.
    pub path: Vec<String>,
    /// The fields of the query and of the form, in order. A field of the form replaces all of that name in the query.
    pub fields: Vec<(String, String)>,
    /// Whether the connection stays open behind the answer because the client asked for it.
    pub keep_alive: bool,
    /// The Host header, which comes back in Location.
    pub host: String,
}

impl Received {
    /// The values of a field.
    pub fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A request that xend refuses before it looks at what is asked. The connection is closed behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: no request line, or too many headers.
    BadRequest,
    /// 413: a body beyond [`MAX_BODY`].
    BodyTooLarge,
}

impl Refusal {
    /// The response that says so.
    pub fn reply(self) -> Reply {
        match self {
            Refusal::BadRequest => Reply::empty(400, "Bad request"),
            Refusal::BodyTooLarge => Reply::empty(413, "Request entity too large"),
        }
    }
}

/// Reads requests as xend does, from bytes as they arrive.
///
/// Not taken over: xend also reads `multipart/form-data` (no client of it is known), bodies of a negative length up to the end
/// of the connection, and it answers to a body that ends early.
#[derive(Debug, Default)]
pub struct RequestReader {
    buffer: Vec<u8>,
    searched: usize,
}

impl RequestReader {
    /// Takes more bytes; the request once it is whole. Call again with nothing for one that was sent right behind it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Received>, Refusal> {
        self.buffer.extend_from_slice(bytes);
        let Some(end) = self.find_end()? else { return Ok(None) };
        let (head, rest) = self.buffer.split_at_checked(end).unwrap_or_default();
        let head = parse_request_head(head)?;
        let Some(body) = rest.get(..head.length) else { return Ok(None) };
        let received = head.received(body);
        self.buffer.drain(..end + received.1);
        self.searched = 0;
        Ok(Some(received.0))
    }

    /// Where the head ends. A request of two words (HTTP/0.9) ends with its line; a line that is no request line is refused at
    /// once.
    fn find_end(&mut self) -> Result<Option<usize>, Refusal> {
        if let Some(line_end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let words = words(self.buffer.get(..line_end).unwrap_or_default());
            match words.as_slice() {
                [_, _] => return Ok(Some(line_end + 1)),
                [_, _, version] if is_version(version) => {}
                _ => return Err(Refusal::BadRequest),
            }
        }
        let end = find_head_end(&self.buffer, self.searched);
        self.searched = self.buffer.len();
        if end.unwrap_or(self.buffer.len()) > MAX_HEAD {
            return Err(Refusal::BadRequest);
        }
        Ok(end)
    }
}

struct RequestHead {
    received: Received,
    is_form: bool,
    length: usize,
}

impl RequestHead {
    /// With the fields of the body; and the body's length.
    fn received(mut self, body: &[u8]) -> (Received, usize) {
        if self.is_form && self.received.method == "POST" {
            let form = fields(body, true);
            self.received.fields.retain(|(name, _)| !form.iter().any(|(other, _)| other == name));
            self.received.fields.extend(form);
        }
        (self.received, self.length)
    }
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).collect()
}

/// Any `HTTP/N.N`: xend answers 1.1 to all of them.
fn is_version(word: &[u8]) -> bool {
    let numbers = word.strip_prefix(b"HTTP/").unwrap_or_default();
    let mut parts = numbers.split(|byte| *byte == b'.');
    let is_number = |part: Option<&[u8]>| {
        part.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
    };
    is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none()
}

fn parse_request_head(head: &[u8]) -> Result<RequestHead, Refusal> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = words(lines.next().unwrap_or_default());
    let (method, target) = match line.as_slice() {
        [method, target, ..] => (text(method), *target),
        _ => return Err(Refusal::BadRequest),
    };
    let headers: Vec<(String, String)> = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_at(line.iter().position(|b| *b == b':').unwrap_or(line.len()));
            (text(name).to_ascii_lowercase(), text(value.strip_prefix(b":").unwrap_or_default().trim_ascii()))
        })
        .collect();
    if headers.len() > 500 {
        return Err(Refusal::BadRequest);
    }
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    // What is no number is no length, and then there is no body.
    let length: usize = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    if length > MAX_BODY {
        return Err(Refusal::BodyTooLarge);
    }
    let mut parts = target.split(|byte| *byte == b'?');
    // The first character is taken for the slash, whatever it is.
    let path = parts.next().and_then(|path| path.get(1..)).unwrap_or_default();
    let query = parts.next().unwrap_or_default();
    let content_type = header("content-type").unwrap_or_default();
    let received = Received {
        method,
        path: path
            .split(|byte| *byte == b'/')
            .filter(|element| !element.is_empty())
            .map(|element| sexpr::text_of(percent_decode(element).collect()))
            .collect(),
        fields: fields(query, false),
        keep_alive: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")),
        host: header("host").unwrap_or("localhost:8000").to_owned(),
    };
    let is_form = content_type.split(';').next().is_some_and(|kind| kind.trim() == FORM);
    Ok(RequestHead { received, is_form, length })
}

fn text(bytes: &[u8]) -> String {
    sexpr::text_of(bytes.to_vec())
}

/// The fields of a query or form; xend drops blank ones from a query and keeps them in a form.
fn fields(bytes: &[u8], keep_blank: bool) -> Vec<(String, String)> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        sexpr::text_of(percent_decode(&spaced).collect())
    };
    bytes
        .split(|byte| matches!(byte, b'&' | b';'))
        .filter_map(|pair| {
            let split = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(split)?;
            Some((decode(name), decode(value.strip_prefix(b"=")?)))
        })
        .filter(|(_, value)| keep_blank || !value.is_empty())
        .collect()
}

// ---- far end: responses ------------------------------------------------------------------------------------------

/// A response to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// The Content-type.
    pub content_type: Option<&'static str>,
    /// The Location.
    pub location: Option<String>,
    /// The methods in the Accept header of an answer to an unknown method.
    pub accept: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A response without body and type.
    pub fn empty(status: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Reply { status, reason, content_type: None, location: None, accept: None, body: Vec::new() }
    }

    /// A response with a body.
    pub fn with(status: u16, reason: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Self {
        Reply { content_type: Some(content_type), body, ..Reply::empty(status, reason) }
    }

    /// The bytes. `head_only` answers a HEAD request: no body, and alone of all answers no Content-length.
    pub fn to_bytes(&self, keep_alive: bool, head_only: bool) -> Vec<u8> {
        // A reason holds words of the request: whatever would end the line is taken out.
        let reason: String =
            self.reason.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        let mut header = |name: &str, value: &str| {
            head.push_str(&format!("{name}: {value}\r\n"));
        };
        if !head_only && !matches!(self.status, 204 | 304) {
            header("Content-length", &self.body.len().to_string());
        }
        header("Expires", "-1");
        if keep_alive {
            header("Connection", "keep-alive");
        }
        if let Some(content_type) = self.content_type {
            header("Content-type", content_type);
        }
        if let Some(location) = &self.location {
            header("Location", location);
        }
        if let Some(accept) = self.accept {
            header("Accept", accept);
        }
        header("Pragma", "no-cache");
        header("Cache-control", "no-cache");
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !head_only {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Response>, ResponseError> {
        ResponseReader::new(1000).feed(bytes)
    }

    fn answer(head: &str, body: &str) -> Answer {
        let text = format!("HTTP/1.1 {head}\r\nContent-length: {}\r\n\r\n{body}", body.len());
        interpret(&read(text.as_bytes()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn where_a_read_ends_makes_no_difference_to_what_is_refused() {
        let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; MAX_HEAD], b"\r\n\r\n".to_vec()].concat();
        for bytes in [b"\r\nHTTP/1.1 200 OK\r\nContent-length: 0\r\n\r\n".to_vec(), long] {
            let at_once = ResponseReader::new(100).feed(&bytes);
            assert!(at_once.is_err());
            let mut reader = ResponseReader::new(100);
            let by_piece = bytes.chunks(7).map(|piece| reader.feed(piece)).find(Result::is_err);
            let kind = |error: &ResponseError| std::mem::discriminant(error);
            assert_eq!(by_piece.unwrap().as_ref().map_err(kind), at_once.as_ref().map_err(kind));
        }
    }

    #[test]
    fn a_form_escapes_all_but_letters_and_digits() {
        let request =
            Request::post(&["xend", "domain", "a b/c"], &[("op", b"new"), ("config", b"(vm (name 'x'))")]);
        let text = String::from_utf8(request.to_bytes().unwrap()).unwrap();
        assert!(text.starts_with("POST /xend/domain/a%20b%2Fc HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nAccept: application/sxp\r\n"));
        assert!(
            text.ends_with("\r\nContent-Length: 45\r\n\r\nop=new&config=%28vm%20%28name%20%27x%27%29%29"),
            "{text}"
        );
        assert_eq!(request.to_string(), "POST /xend/domain/a%20b%2Fc");
    }

    #[test]
    fn a_body_beyond_ten_thousand_bytes_is_refused_before_sending() {
        let fits = Request::post(&["xend"], &[("op", &[b'a'; MAX_BODY - 3])]);
        assert!(fits.to_bytes().is_ok());
        let over = Request::post(&["xend"], &[("op", &[b'('; 3333])]);
        assert_eq!(over.to_bytes(), Err(TooLarge(10_002)));
        assert!(TooLarge(10_002).to_string().contains("10002 bytes"));
    }

    #[test]
    fn an_error_is_an_error_whatever_its_status() {
        let sxp = "\r\nContent-type: application/sxp";
        let error = |message: &str, http_status| Answer::Error { message: message.into(), http_status };
        assert_eq!(answer(&format!("200 OK{sxp}"), "(xend.err \"it's\")"), error("it's", 200));
        assert_eq!(answer(&format!("202 Accepted{sxp}"), "(xend.err 'no')"), error("no", 202));
        assert_eq!(
            answer(&format!("501 Operation not implemented: x{sxp}"), "Operation not implemented: x''"),
            error("Operation not implemented: x", 501)
        );
        assert_eq!(
            answer("404 Not found\r\nContent-type: text/plain", "<Fault 3: 'x'>"),
            error("<Fault 3: 'x'>", 404)
        );
        assert_eq!(answer("500 Internal server error", ""), error("Internal server error", 500));
        assert_eq!(answer("200 OK", ""), Answer::Empty);
        assert_eq!(answer(&format!("200 OK{sxp}"), "0"), Answer::Value(Sexpr::atom("0")));
        assert_eq!(
            answer(&format!("200 OK{sxp}"), "(a)''"),
            Answer::Value(Sexpr::List(vec![Sexpr::atom("a")]))
        );
    }

    #[test]
    fn success_without_a_value_that_can_be_read_is_neither() {
        let text = b"HTTP/1.1 200 OK\r\nContent-type: application/sxp\r\nContent-length: 3\r\n\r\n(a ";
        assert!(interpret(&read(text).unwrap().unwrap()).is_err());
    }

    #[test]
    fn the_length_decides_where_an_answer_ends() {
        let mut reader = ResponseReader::new(1000);
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-length: 2\r\n\r\nabHTTP/1.1 404 Not found\nContent-Length: 0\n\n";
        assert_eq!(reader.feed(bytes).unwrap().unwrap().body, b"ab");
        assert_eq!(reader.feed(b"").unwrap().unwrap().status, 404);
        assert_eq!(reader.feed(b"").unwrap(), None);
        assert_eq!(reader.end(), ResponseError::NoAnswer);
    }

    #[test]
    fn answers_that_are_too_large_unbounded_or_not_http_are_refused() {
        let head = |length: &str| format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n");
        assert_eq!(
            read(head("Content-length: 1001").as_bytes()),
            Err(ResponseError::BodyTooLarge(1001, 1000))
        );
        for length in [
            "Expires: -1",
            "Content-length: -1",
            "Content-length: +1",
            "Content-length: 99999999999999999999",
        ] {
            assert!(matches!(read(head(length).as_bytes()), Err(ResponseError::NoLength(_))), "{length}");
        }
        assert!(matches!(read(b"SSH-2.0-x"), Err(ResponseError::NotHttp(_))));
        assert!(matches!(read(b"HTTP/1.1 abc\r\n\r\n"), Err(ResponseError::NotHttp(_))));
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.resize(MAX_HEAD + 1, b'a');
        assert_eq!(read(&endless), Err(ResponseError::HeadTooLarge(MAX_HEAD)));
        let mut cut = ResponseReader::new(10);
        assert_eq!(cut.feed(b"HTTP/1.1 200 OK\r\nContent-length: 5\r\n\r\nab"), Ok(None));
        assert_eq!(cut.end(), ResponseError::Truncated(40));
    }

    #[test]
    fn xend_reads_what_the_near_end_writes() {
        let config = "(vm (name 'gr\u{f6}\u{df}e & co'))".as_bytes();
        let request = Request::post(&["xend", "domain", "a/b é"], &[("op", b"new"), ("config", config)]);
        let mut reader = RequestReader::default();
        let received = reader.feed(&request.to_bytes().unwrap()).unwrap().unwrap();
        assert_eq!(received.path, ["xend", "domain", "a/b é"]);
        assert_eq!(received.field("op").collect::<Vec<_>>(), ["new"]);
        assert_eq!(received.field("config").next().unwrap().as_bytes(), config);
        let get = Request::get(&["xend", "domain"], &[("state", "halted"), ("detail", "1")]);
        let received = reader.feed(&get.to_bytes().unwrap()).unwrap().unwrap();
        assert_eq!((received.method.as_str(), received.fields.len()), ("GET", 2));
    }

    #[test]
    fn xend_refuses_what_it_cannot_read() {
        let refused = |text: &str| RequestReader::default().feed(text.as_bytes()).unwrap_err();
        for bad in ["GET\r\n\r\n", "\r\n", "GET / HTPP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n"] {
            assert_eq!(refused(bad), Refusal::BadRequest, "{bad:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(501));
        assert_eq!(refused(&many), Refusal::BadRequest);
        assert_eq!(refused("POST / HTTP/1.1\r\nContent-Length: 10001\r\n\r\n"), Refusal::BodyTooLarge);
        let old = RequestReader::default().feed(b"GET //xend//domain/?a=1&b=&c=2?d\r\n").unwrap().unwrap();
        assert_eq!(old.path, ["xend", "domain"]);
        assert_eq!(old.fields, [("a".into(), "1".into()), ("c".into(), "2".into())]);
    }

    #[test]
    fn a_reply_is_read_back_whole() {
        let reply = Reply {
            location: Some("http://h/xend/domain/x".into()),
            ..Reply::with(201, "created", SXP, b"(domain)''".to_vec())
        };
        let response = read(&reply.to_bytes(false, false)).unwrap().unwrap();
        assert_eq!((response.status, response.reason.as_str()), (201, "created"));
        assert_eq!(response.body, b"(domain)''");
        let head = ResponseReader::for_head_request().feed(&reply.to_bytes(true, true)).unwrap().unwrap();
        assert!(head.body.is_empty());
        let split = Reply::empty(501, "Operation not implemented: a\r\nX: y").to_bytes(false, false);
        assert!(!split.windows(4).any(|window| window == b"\nX: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_response_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let mut text = b"HTTP/1.1 200 OK\r\n".to_vec();
            text.extend(&bytes);
            text.extend(b"\r\nContent-length: 0\r\n\r\n");
            if let Ok(Some(response)) = read(&text) {
                let _ = interpret(&response);
            }
        }

        #[test]
        fn any_bytes_are_a_request_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = RequestReader::default().feed(&bytes);
            let mut text = b"POST /xend/domain HTTP/1.1\r\n".to_vec();
            text.extend(&bytes);
            text.extend(b"\r\nContent-length: 3\r\n\r\nop=");
            let _ = RequestReader::default().feed(&text);
        }
    }
}
