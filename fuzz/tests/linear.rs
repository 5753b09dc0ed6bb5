//! Time and memory of each reader grow with its input, and no faster: megabytes of texts that are made to be dear, held against texts of a quarter
//! of the length.
//!
//! Unsafe: an allocator that counts, and the clock of the thread's own time.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use xenith::format::capabilities::read_cpuinfo;
use xenith::format::validate::Language;
use xenith::store::sidecar::Sidecar;
use xenith::uri;
use xenith::wire::saved::Head;
use xenith::wire::sexpr::Sexpr;
use xenith::wire::xend_http::{MAX_ANSWER, RequestReader, ResponseReader};
use xenith::wire::xenstore::{Decoder, parse_directory_part, parse_names, parse_perms};

const LONG: usize = 1 << 20;
const SHORT: usize = LONG / 4;
/// Four times the text may take so many times as long: what is linear takes 4 and a little, what is quadratic 16.
const MOST: f64 = 8.0;
/// Below this the short text's time is told by the machine's noise: nothing that a megabyte could make slow, ns.
const FAST: u64 = 2_000_000;
/// Bytes of memory for each byte of text: a tree of it, and its words.
const MOST_MEMORY: usize = 400;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What this thread has computed, ns: others on the machine do not count.
fn own_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// Time and peak memory of one reading.
fn cost(read: &dyn Fn(&[u8]), text: &[u8]) -> (u64, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = own_time();
    read(text);
    (own_time() - start, PEAK.load(Ordering::Relaxed) - before)
}

/// `piece` again and again between two ends, up to a length. `@` in it is a number that differs.
fn filled(head: &str, piece: &str, tail: &str, length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(length);
    text.push_str(head);
    if !piece.contains('@') {
        text.push_str(&piece.repeat((length - head.len() - tail.len()) / piece.len()));
        text.push_str(tail);
        return text.into_bytes();
    }
    for number in 0.. {
        let piece = piece.replace('@', &number.to_string());
        if text.len() + piece.len() + tail.len() > length {
            break;
        }
        text.push_str(&piece);
    }
    text.push_str(tail);
    text.into_bytes()
}

fn language(name: &str) -> Reader {
    let language = Language::from_name(name).unwrap();
    Box::new(move |text| {
        let _ = language.examine_bytes(text);
    })
}

type Reader = Box<dyn Fn(&[u8])>;
/// What stands before, what is repeated, what stands behind.
type Text = [&'static str; 3];

/// Each reader with its texts.
fn readers() -> Vec<(&'static str, Reader, Vec<Text>)> {
    let xml_head = "<domain type='xen'><name>g</name><memory>1</memory><os><type>hvm</type></os><devices>";
    let xml_tail = "</devices></domain>";
    let json_head = r#"[{"config":{"c_info":{"name":"g","type":"pv"},"b_info":{},"nics":["#;
    let http_head = "HTTP/1.1 200 OK\r\nContent-length: 900000\r\n\r\n";
    vec![
        (
            "domain-xml",
            language("domain-xml"),
            vec![
                [xml_head, "<disk><source file='/@'/><target dev='xvda'/></disk>", xml_tail],
                [xml_head, "<interface type='bridge'><mac address='@'/></interface>", xml_tail],
                [xml_head, "<a@/>", xml_tail],
                ["<domain><name>", "&amp;", "</name></domain>"],
                ["<domain a='", "&#x41;", "'/>"],
                ["<domain><description>", "<![CDATA[x]]>", "</description></domain>"],
                ["<domain>", "<a>", ""],
                ["<domain ", "a@='1' ", "/>"],
                ["<domain><metadata>", "<a:b/>", "</metadata></domain>"],
                ["", "<", ""],
                ["", "\n", "x"],
            ],
        ),
        (
            "xen-xl",
            language("xen-xl"),
            vec![
                ["name='g'\n", "a+=['x@']\n", ""],
                ["name='g'\na='x'\n", "a+='x'\n", ""],
                ["name='g'\n", "k@=1\n", ""],
                ["name='g'\n", "memory=x\n", ""],
                ["name='g'\ndisk=[", "'/a@,raw,xvda,w',", "]\n"],
                ["name='g'\nvif=[", "'mac=@',", "]\n"],
                ["name='g'\npci=[", "'0000:00:01.0',", "]\n"],
                ["name='g'\na=", "[", ""],
                ["name='", "\\\\", "'"],
                ["", "#", ""],
                ["name='g'\n", "disk='\n", ""],
            ],
        ),
        (
            "xenvm",
            language("xenvm"),
            vec![
                ["name=g\nmemory=1\n", "disk=/a:phy:sda:w:disk\n", ""],
                ["name=g\nmemory=1\n", "disk=/@:phy:sd:w:disk\n", ""],
                ["name=g\nmemory=1\n", "nic=\n", ""],
                ["name=g\nmemory=1\n", "nic=bridge=b@,x@=1\n", ""],
                ["name=g\nmemory=1\n", "pci=@,0000:00:01.0\n", ""],
                ["name=g\nmemory=1\n", "k@=1\n", ""],
                ["name=g\nmemory=1\nhvm=true\n", "extra-hvm=a@\n", ""],
                ["", "words\n", ""],
                ["disk=", ":", ""],
            ],
        ),
        (
            "xen-sxpr",
            language("xen-sxpr"),
            vec![
                ["(vm (name g) (memory 1) ", "(device (vbd (dev xvda@) (uname phy:/a)))", ")"],
                ["(vm (name g) (memory 1) ", "(device (vif (mac @)))", ")"],
                ["(vm (name g) (memory 1) ", "(device (pci (dev (slot 99))))", ")"],
                ["(vm (name g) (memory 1) (image (hvm (boot ", "c", "))))"],
                ["(vm (name g) (memory 1) (image (hvm (boot ", "x", "))))"],
                ["(vm (name g) (memory 1) (cpus (", "(0 1) ", ")))"],
                ["(vm (name '", "\\\\", "'))"],
            ],
        ),
        (
            "libxl-json",
            language("libxl-json"),
            vec![
                [json_head, r#"{"mac":"x"},"#, r#"{}]}}]"#],
                [json_head, r#"{"mac":@},"#, r#"{}]}}]"#],
                [r#"{"c_info":{"#, r#""k@":1,"#, r#""k":1}}"#],
                ["[", r#"{"config":{}},"#, "{}]"],
                ["\"", "\\u0041", "\""],
                ["", "[", ""],
            ],
        ),
        (
            "sidecar",
            Box::new(|text| {
                let _ = Sidecar::read(&String::from_utf8_lossy(text));
            }),
            vec![
                ["<xenith uuid='00000000-0000-0000-0000-000000000005'><title>", "&lt;", "</title></xenith>"],
                ["<xenith uuid='00000000-0000-0000-0000-000000000005'>", "<a/>", "</xenith>"],
                ["<xenith ", "a@='1' ", "/>"],
                ["", "\n", "<a"],
            ],
        ),
        (
            "sexpr",
            Box::new(|text| {
                let _ = Sexpr::parse_all(text);
            }),
            vec![
                ["", "(a)", ""],
                ["(", "(", ""],
                ["'", "\\x41", "'"],
                ["", "a ", ""],
                ["", "#\n", ""],
                ["(a", " '", ""],
            ],
        ),
        (
            // In small pieces, as a slow daemon sends it.
            "xend's answer",
            Box::new(|text| {
                let mut reader = ResponseReader::new(MAX_ANSWER);
                for piece in text.chunks(64) {
                    if reader.feed(piece).is_err() {
                        return;
                    }
                }
            }),
            vec![
                [http_head, "(a)", ""],
                ["HTTP/1.1 200 OK\r\n", "X: y\r\n", "\r\n"],
                ["HTTP/1.1 200 ", "x", ""],
            ],
        ),
        (
            "xend's request",
            Box::new(|text| {
                let mut reader = RequestReader::default();
                for piece in text.chunks(64) {
                    if reader.feed(piece).is_err() {
                        return;
                    }
                }
            }),
            vec![
                ["POST / HTTP/1.1\r\nContent-length: 900000\r\n\r\n", "a=@&", ""],
                ["GET / HTTP/1.1\r\n", "X: y\r\n", "\r\n"],
                ["GET /", "%41", " HTTP/1.1\r\n\r\n"],
            ],
        ),
        (
            "xenstore",
            Box::new(|text| {
                let mut decoder = Decoder::default();
                for piece in text.chunks(64) {
                    decoder.push(piece);
                    while let Ok(Some(_)) = decoder.next_frame() {}
                }
                let _ = (parse_names(text), parse_perms(text), parse_directory_part(text));
            }),
            vec![["", "\0", ""], ["", "a\0", ""], ["", "n5\0", ""], ["17\0", "b\0", ""]],
        ),
        (
            "saved domain",
            Box::new(|text| {
                let _ = Head::read(text);
            }),
            vec![["LinuxGuestRecord\0\0\u{7f}\u{7f}", "(a)", ""]],
        ),
        (
            "uri",
            Box::new(|text| {
                let _ = uri::parse(Some(&String::from_utf8_lossy(text)));
            }),
            vec![["xen:///?", "a@=1&", ""], ["xen://", "%41", ""], ["", "/", ""]],
        ),
        (
            "cpuinfo",
            Box::new(|text| {
                let _ = read_cpuinfo(text);
            }),
            vec![["", "flags : vmx\n", ""], ["flags : ", "pae ", "\n"], ["", "processor : @\n\n", ""]],
        ),
    ]
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn time_and_memory_of_every_reader_grow_with_the_text_and_no_faster() {
    let mut fallen = Vec::new();
    for (name, read, texts) in readers() {
        let mut worst: (f64, f64) = (0.0, 0.0);
        for [head, piece, tail] in texts {
            let (short, long) = (filled(head, piece, tail, SHORT), filled(head, piece, tail, LONG));
            // The best of a few: what is quadratic is so each time.
            let mut ratio = f64::INFINITY;
            let mut memory = 0;
            for _ in 0..4 {
                let (short_time, _) = cost(&*read, &short);
                let (long_time, long_memory) = cost(&*read, &long);
                memory = long_memory;
                ratio = if long_time < FAST {
                    0.0
                } else {
                    ratio.min(long_time as f64 / short_time.max(1) as f64)
                };
                if ratio < MOST {
                    break;
                }
            }
            worst = (worst.0.max(ratio), worst.1.max(memory as f64 / LONG as f64));
            if ratio >= MOST || memory > MOST_MEMORY * LONG {
                fallen.push(format!(
                    "{name}: {head:?} and {piece:?} again and again: 4 times the text takes {ratio:.1} times the time, and {} bytes \
                     for each of its own",
                    memory / LONG
                ));
            }
        }
        println!(
            "{name}: 4 times the text takes at most {:.1} times the time, and {:.0} bytes for each of its own",
            worst.0, worst.1
        );
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}
