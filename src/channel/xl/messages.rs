//! What xl says when something goes wrong -> an error that says it to people who do not know xl's insides.
//!
//! xl writes one line for each floor of libxl that a failure passes through, the cause first, and then what it met while it tidied up.
//! The lines carry the file, line and function of libxl's source; `tests/data/xl` has recorded ones.

use crate::error::{Error, Road, Status};
use crate::wire::port::{CONFIG_PATH, ToolExit, ToolOutcome};

/// How much of what xl wrote is looked at, and how long an error's text may become, in bytes.
const MAX_READ: usize = 64 << 10;
const MAX_TEXT: usize = 1000;
/// How many causes are told.
const MAX_CAUSES: usize = 6;

/// The error of a run that did not end with status 0.
pub(super) fn failure(verb: &str, outcome: &ToolOutcome) -> Error {
    let said = causes(&outcome.stderr).or_else(|| causes(&outcome.stdout));
    let so_far = |said: Option<String>| match said {
        Some(said) => format!("; it had said: {said}"),
        None => String::new(),
    };
    let (status, message) = match outcome.exit {
        ToolExit::Code(code) => match said {
            Some(said) => {
                let status = match status_of(verb, &said) {
                    // xl's own end is 1 where it did not like what it read, and 3 where libxl could not do it.
                    Status::OperationFailed if verb == "create" && code == 1 => Status::InvalidConfig,
                    status => status,
                };
                (status, format!("{verb} failed: {said}{}", advice(status, &said)))
            }
            None => {
                (Status::OperationFailed, format!("{verb} failed with status {code}, and xl said nothing"))
            }
        },
        ToolExit::Signal(libc::SIGXFSZ) => (
            Status::OperationFailed,
            format!("{verb} wrote more than anybody could read, and was ended{}", so_far(said)),
        ),
        ToolExit::Signal(signal) => {
            (Status::OperationFailed, format!("xl {verb} was ended by signal {signal}{}", so_far(said)))
        }
        ToolExit::Late => (
            Status::Timeout,
            format!("xl {verb} had not ended by the deadline, and was ended{}", so_far(said)),
        ),
    };
    Error::new(status, message).on(Road::Xl)
}

/// What to do next, where xl does not say it.
fn advice(status: Status, said: &str) -> &'static str {
    match status {
        Status::AccessDenied => "; xl needs root's rights",
        _ if said.contains("device model did not start") => {
            "; qemu's own words are in /var/log/xen/qemu-dm-NAME.log (a VNC port that is taken, for one)"
        }
        _ => "",
    }
}

/// The error of a run that ended with status 0 and complained all the same.
pub(super) fn complaint(verb: &str, outcome: &ToolOutcome) -> Option<Error> {
    let text = String::from_utf8_lossy(outcome.stderr.get(..MAX_READ).unwrap_or(&outcome.stderr));
    if !text.lines().any(|line| line.contains(": error: ")) {
        return None;
    }
    let said = causes(&outcome.stderr)?;
    Some(Error::new(status_of(verb, &said), format!("{verb} failed: {said}")).on(Road::Xl))
}

/// The causes in what xl wrote, the first one first; None where it wrote nothing of use.
fn causes(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.get(..MAX_READ).unwrap_or(bytes));
    let mut causes: Vec<String> = Vec::new();
    let mut consequences: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.split(['\n', '\r']) {
        let (level, words) = without_place(line.trim());
        let words = readable(words.trim_end_matches('.'));
        if words.is_empty() || matches!(level, Level::Chatter) || is_progress(&words) {
            continue;
        }
        // A hotplug script's words may have several lines.
        if goes_on && matches!(level, Level::None) {
            goes_on = words.ends_with(',');
            if let Some(last) = causes.last_mut() {
                last.push(' ');
                last.push_str(&words);
                continue;
            }
        }
        let list = if matches!(level, Level::Warning) || is_consequence(&words) {
            &mut consequences
        } else {
            goes_on = words.ends_with(',');
            &mut causes
        };
        if !list.contains(&words) {
            list.push(words);
        }
    }
    let told = if causes.is_empty() { consequences.into_iter().take(1).collect() } else { causes };
    let told = told.into_iter().take(MAX_CAUSES).collect::<Vec<_>>().join("; ");
    (!told.is_empty()).then(|| cut(told))
}

/// Who is meant to read a line.
enum Level {
    /// xl's own words, without a level.
    None,
    Error,
    Warning,
    /// Information, progress, debugging.
    Chatter,
}

/// A line without what says where in libxl it comes from: `libxl: error: libxl_x.c:12:function: Domain 7:`.
fn without_place(line: &str) -> (Level, &str) {
    let Some((_, rest)) = line.split_once(": ").filter(|(who, _)| {
        matches!(*who, "libxl" | "xc" | "xencall" | "xenctrl" | "libxl-save-helper" | "xl" | "xlu")
    }) else {
        return (Level::None, line);
    };
    let (level, mut rest) = match rest.split_once(": ") {
        Some(("error" | "critical", rest)) => (Level::Error, rest),
        Some(("warning", rest)) => (Level::Warning, rest),
        Some(("info" | "notice" | "progress" | "debug" | "detail" | "verbose", rest)) => {
            (Level::Chatter, rest)
        }
        _ => (Level::None, rest),
    };
    rest = rest.strip_prefix("panic: ").unwrap_or(rest);
    // libxl writes `file.c:12:function: `, libxenguest `file.c:12: function: ` or only the first half.
    if let Some((place, after)) = rest.split_once(' ')
        && place.ends_with(':')
        && place.contains(".c:")
    {
        rest = after;
    }
    if let Some((function, after)) = rest.split_once(": ")
        && is_function(function)
    {
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("Domain ")
        && let Some((number, after)) = after.split_once(':')
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        rest = after;
    }
    // How libxenguest says that it has no number for it.
    rest = rest.strip_suffix(": Internal error").unwrap_or(rest);
    (level, rest)
}

fn is_function(word: &str) -> bool {
    ["xc_", "xg_", "libxl_", "xs_"].iter().any(|prefix| word.starts_with(prefix))
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What xl says while all is well.
fn is_progress(words: &str) -> bool {
    [
        "Parsing config from ",
        "Loading new save file",
        "Savefile contains xl domain config",
        "Saving to ",
        "Shutting down domain ",
        "Rebooting domain ",
    ]
    .iter()
    .any(|start| words.starts_with(start))
}

/// What follows from a failure and says nothing of its cause: tidying up a domain that is half made, numbers of errors.
fn is_consequence(words: &str) -> bool {
    const FOLLOWS: [&str; 12] = [
        "Non-existant domain",
        "Non-existent domain",
        "Unable to destroy guest",
        "Destruction of domain failed",
        "cannot (re-)build domain: ",
        "cannot make domain: ",
        "xenstore read failed: `/libxl/",
        "unable to get domain type for domid=",
        "failed to get own domid",
        "Failed to parse config: ",
        "initializing domain firmware failed",
        "Failed to destroy device model for ",
    ];
    FOLLOWS.iter().any(|start| words.starts_with(start))
        || (words.contains(" failed (rc=-") && words.ends_with(')'))
        // The script's own words follow, where it has any.
        || words.contains(" exited with error status ")
        || words.starts_with("script: ") && words.ends_with("failed; error detected")
        || words.starts_with("fatal error: ")
}

/// Text for an error: one line, no control characters, and the configuration called by its name.
fn readable(words: &str) -> String {
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut out = String::with_capacity(words.len());
    let mut rest = words.trim();
    while let Some((before, after)) = rest.split_once(CONFIG_PATH) {
        out.push_str(before);
        let digits =
            after.strip_prefix(':').map_or(0, |after| after.bytes().take_while(u8::is_ascii_digit).count());
        rest = match after.split_at_checked(digits + 1) {
            Some((line, after)) if digits > 0 => {
                out.push_str("line ");
                out.push_str(line.trim_start_matches(':'));
                out.push_str(" of ");
                after
            }
            _ => after,
        };
        out.push_str("the configuration");
    }
    out.push_str(rest);
    out
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn status_of(verb: &str, said: &str) -> Status {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&[
        "config parsing error",
        "is not a valid number",
        // The guest's own memory has no room for its kernel.
        "segment kernel too large",
        "segment ramdisk too large",
    ]) {
        return Status::InvalidConfig;
    }
    if said.contains("Domain with name") && said.contains("already exists") {
        return Status::Exists;
    }
    if says(&["Out of memory", "Cannot allocate memory", "failed to free memory", "not enough memory"]) {
        return Status::NoMemory;
    }
    if says(&["Permission denied", "Operation not permitted"]) {
        return Status::AccessDenied;
    }
    let of_a_domain = !matches!(verb, "create" | "restore");
    if of_a_domain
        && (says(&[
            "is an invalid domain identifier",
            "Non-existant domain",
            "Non-existent domain",
            "unable to get domain type for domid=",
            "unable to find domain info for domain ",
        ]) || said.contains("Domain '") && said.contains("does not exist"))
    {
        return Status::NotFound;
    }
    Status::OperationFailed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real xl said (tests/data/xl/README.md).
    const RECORDED: &str = include_str!("../../../tests/data/xl/messages-4.17.txt");

    fn recorded() -> impl Iterator<Item = (&'static str, ToolOutcome)> {
        RECORDED.split("### ").skip(1).map(|case| {
            let (what, rest) = case.split_once('\n').unwrap();
            let (status, words) = rest.split_once('\n').unwrap();
            let code = status.strip_prefix("status ").unwrap().parse().unwrap();
            (what, ended(ToolExit::Code(code), words))
        })
    }

    fn ended(exit: ToolExit, stderr: &str) -> ToolOutcome {
        ToolOutcome { exit, stdout: Vec::new(), stderr: stderr.into() }
    }

    #[test]
    fn what_a_real_xl_said_is_told_by_its_cause() {
        use Status::*;
        const EXPECTED: &[(&str, &str, Status, &str)] = &[
            (
                "nokernel",
                "create",
                OperationFailed,
                "failed to open file '/boot/none': No such file or directory; ",
            ),
            (
                "nokernel-pv",
                "create",
                OperationFailed,
                "failed to open file '/boot/none': No such file or directory; ",
            ),
            ("badkernel-pv", "create", OperationFailed, "no loader found: Invalid kernel; "),
            (
                "noramdisk",
                "create",
                OperationFailed,
                "failed to open file '/boot/none': No such file or directory; ",
            ),
            (
                "nodisk",
                "create",
                OperationFailed,
                "Disk vdev=xvda failed to stat: /tmp/none: No such file or directory; ",
            ),
            (
                "nobridge",
                "create",
                OperationFailed,
                "script: Could not find bridge device none0; unable to add vif devices",
            ),
            (
                "badmac",
                "create",
                OperationFailed,
                "Invalid parameter `mac'; script: Could not find bridge device xenbr0; ",
            ),
            (
                "baddisk",
                "create",
                InvalidConfig,
                "the configuration: config parsing error in disk specification: ",
            ),
            ("noname", "create", InvalidConfig, "Domain name must be specified"),
            ("notype", "create", InvalidConfig, "Invalid domain type zz"),
            (
                "syntax",
                "create",
                InvalidConfig,
                "line 2 of the configuration: config parsing error near `=': ",
            ),
            (
                "syntax2",
                "create",
                InvalidConfig,
                "line 1 of the configuration: config parsing error near `\"n': lexical error",
            ),
            (
                "badmemory",
                "create",
                InvalidConfig,
                "line 6 of the configuration: warning: parameter `memory' is not a valid number; ",
            ),
            ("baduuid", "create", InvalidConfig, "Failed to parse UUID: zz"),
            ("nomem", "create", NoMemory, "can't allocate low memory for domain: Out of memory; "),
            (
                "bootloader-missing",
                "create",
                OperationFailed,
                "bootloader failed - consult logfile /var/log/xen/bootloader.10.log",
            ),
            (
                "bootloader-fails",
                "create",
                OperationFailed,
                "bootloader failed - consult logfile /var/log/xen/bootloader.11.log",
            ),
            ("hvm-nodm", "create", OperationFailed, "error on QMP socket: Connection reset by peer; "),
            ("vcpus", "create", OperationFailed, "domain creation fail: Invalid argument"),
            ("badaction", "create", InvalidConfig, "Unknown on_reboot action \"dance\" specified"),
            ("name-exists", "create", Exists, "Domain with name \"g1\" already exists"),
            ("vnc-taken2", "create", OperationFailed, "error on QMP socket: Connection reset by peer; "),
            (
                "reboot-F-hvm",
                "reboot",
                OperationFailed,
                "PV control interface not available: sending ACPI reset button event; ",
            ),
            (
                "restore-rubbish",
                "restore",
                OperationFailed,
                "File has wrong magic number - corrupt or for a different tool?",
            ),
            (
                "restore-empty",
                "restore",
                OperationFailed,
                "file/stream truncated reading header from /tmp/empty",
            ),
            (
                "restore-none",
                "restore",
                OperationFailed,
                "Can't open restore file: No such file or directory",
            ),
            (
                "save-full",
                "save",
                OperationFailed,
                "Failed to write page data to stream (28 = No space left on device); ",
            ),
            ("save-nodir", "save", OperationFailed, "Failed to open temp file /nodir/x for writing"),
            ("destroy 99", "destroy", NotFound, "Non-existant domain"),
            ("unpause 99", "unpause", NotFound, "unable to get domain type for domid=99"),
            ("shutdown -F 99", "shutdown", NotFound, "unable to get domain type for domid=99"),
            ("reboot -F 99", "reboot", NotFound, "unable to get domain type for domid=99"),
            ("list -l 99", "list", NotFound, "Error: Domain '99' does not exist"),
            (
                "save 99",
                "save",
                NotFound,
                "unable to find domain info for domain 99: No such file or directory; ",
            ),
            ("shutdown paused", "shutdown", OperationFailed, "guest didn't acknowledge control request: -9"),
            ("unpause twice", "unpause", OperationFailed, "Unpausing domain: Invalid argument"),
            (
                "nobody",
                "list",
                AccessDenied,
                "Could not obtain handle on privileged command interface: Permission denied; ",
            ),
            (
                "xl-none-config",
                "create",
                OperationFailed,
                "Failed to read config file: /tmp/nonecfg: No such file or directory",
            ),
            (
                "disk-in-use",
                "create",
                OperationFailed,
                "script: File /tmp/disk.img is loopback-mounted through 7:0, which is mounted in a guest domain, and so cannot be mounted now; unable to add disk devices",
            ),
            (
                "guest-memory-too-small",
                "create",
                InvalidConfig,
                "segment kernel too large (0x3a00 > 0x4000 - 0x1000 pages): Out of memory; ",
            ),
        ];
        let recorded: Vec<_> = recorded().collect();
        assert_eq!(recorded.len(), EXPECTED.len());
        for ((what, outcome), (expected, verb, status, text)) in recorded.iter().zip(EXPECTED) {
            assert_eq!(what, expected);
            let error = failure(verb, outcome);
            assert_eq!((error.status, error.road), (*status, Road::Xl), "{what}: {error}");
            let begins = format!("{verb} failed: {text}");
            assert!(error.message.starts_with(&begins), "{what}: {error}");
            if !text.ends_with(' ') {
                assert_eq!(error.message, begins);
            }
            for insides in ["libxl_", ".c:", "Domain 1", "Destruction", "Parsing config", "/proc/self"] {
                assert!(!error.message.contains(insides), "{what}: {error}");
            }
        }
    }

    #[test]
    fn only_those_with_an_error_among_their_words_have_a_complaint() {
        for (what, outcome) in recorded() {
            let complains = complaint("unpause", &outcome).is_some();
            assert_eq!(complains, outcome.stderr.windows(8).any(|words| words == b": error:"), "{what}");
        }
        assert_eq!(complaint("unpause", &ended(ToolExit::Code(0), "")), None);
    }

    #[test]
    fn an_end_that_xl_did_not_choose_is_told_with_what_it_had_said() {
        let late =
            failure("create", &ended(ToolExit::Late, "Parsing config from /proc/self/fd/3\nsome words\n"));
        assert_eq!(late.status, Status::Timeout);
        assert!(late.message.ends_with("was ended; it had said: some words"), "{late}");
        let killed = failure("create", &ended(ToolExit::Signal(11), ""));
        assert_eq!(killed.message, "xl create was ended by signal 11");
        let silent = failure("create", &ended(ToolExit::Code(3), "\n\n"));
        assert_eq!(silent.message, "create failed with status 3, and xl said nothing");
    }

    #[test]
    fn whatever_is_written_becomes_one_short_line() {
        let mut noise = vec![0xff, 0x1b, b'[', b'\t', 0];
        noise.extend(
            "\u{fc}\u{85}libxl: error: libxl_x.c:1:f: Domain :: /proc/self/fd/3:/proc/self/fd/3:9"
                .repeat(9000)
                .bytes(),
        );
        for cut in [1, 7, 100, noise.len()] {
            let outcome =
                ToolOutcome { exit: ToolExit::Code(1), stdout: vec![], stderr: noise[..cut].to_vec() };
            let error = failure("create", &outcome);
            assert!(error.message.len() < MAX_TEXT + 100, "{}", error.message.len());
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
    }
}
