//! The command line itself: help, usage errors, files, output. None of it needs a host.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::process::{Command, Stdio};

use common::{Folder, run, run_with_input, xenith};

const VERBS: [&str; 27] = [
    "version",
    "uri",
    "hostname",
    "nodeinfo",
    "capabilities",
    "doctor",
    "list",
    "dominfo",
    "domstate",
    "dumpxml",
    "domid",
    "domuuid",
    "domname",
    "define",
    "undefine",
    "start",
    "create",
    "suspend",
    "resume",
    "shutdown",
    "reboot",
    "destroy",
    "save",
    "restore",
    "autostart",
    "monitor",
    "sim",
];

#[test]
fn help_names_every_verb_and_every_exit_status() {
    let help = run(["--help"]).good();
    for verb in VERBS {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb}");
        assert!(run(["help", verb]).good().contains("Usage: xenith "), "{verb}");
        assert_eq!(run([verb, "--help"]).good(), run(["help", verb]).good(), "{verb}");
    }
    let (_, table) = help.split_once("Exit status:").unwrap();
    for status in 0..=7 {
        assert!(table.lines().any(|line| line.starts_with(&format!("  {status}  "))), "{status}");
    }
    assert!(help.contains("XENITH_URI"));
}

#[test]
fn every_verb_that_answers_documents_its_json() {
    for verb in VERBS {
        assert!(run(["help", verb]).good().contains("With --json"), "{verb}");
    }
}

#[test]
fn the_version_option_asks_no_host() {
    assert_eq!(run(["--version"]).good(), format!("xenith {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_status_2_and_says_what_is_wrong() {
    for (args, word) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["start"], "DOMAIN"),
        (&["define"], "FILE"),
        (&["list", "--all", "--inactive"], "--inactive"),
        (&["list", "extra"], "extra"),
        (&["--timeout", "0", "list"], "--timeout"),
        (&["--timeout", "soon", "list"], "soon"),
        (&["save", "web1"], "FILE"),
        (&["restore"], "FILE"),
        (&["autostart"], "DOMAIN"),
        (&["monitor"], "DOMAIN"),
        (&["doctor", "extra"], "extra"),
        (&["sim"], "--dir"),
        (&["sim", "--dir", "/nonexistent/x", "--xen", "2.0"], "2.0"),
        (&["sim", "--dir", "/nonexistent/x", "--cpus", "many"], "cpus"),
        (&["sim", "--dir", "/nonexistent/x", "--toolstack", "xm"], "toolstack"),
    ] {
        let message = run(args).bad(2);
        assert!(message.starts_with("error: ") && message.contains(word), "{args:?}: {message}");
    }
    assert!(run([""; 0]).bad(2).contains("Usage: xenith"));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let folder = Folder::new("input");
    let binary = folder.file("binary.xml", b"<domain>\xff</domain>");
    let huge = "/dev/zero";
    for (path, word) in [
        ("/nonexistent/web1.xml", "No such file"),
        ("/", "directory"),
        (&binary, "offset 8"),
        (huge, "more than 4 MiB"),
    ] {
        for verb in ["define", "create"] {
            let message = run([verb, path]).bad(1);
            let named = message.starts_with("error: ") && message.contains(path);
            assert!(named && message.contains(word), "{message}");
        }
    }
    let endless = vec![b' '; (4 << 20) + 1];
    let message = run_with_input(["define", "-"], &endless).bad(1);
    assert!(message.contains("standard input") && message.contains("4 MiB"), "{message}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_or_a_closed_output_is_one() {
    let mut child =
        xenith().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = common::Said::of(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));

    // The shell's `>&-`: no descriptor 1 at all.
    for verb in [
        &["completions", "bash"][..],
        &["-c", "xen+sim:///", "list"],
        &["-c", "xen+sim:///", "--json", "list"],
    ] {
        let closed = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" >&-"#, env!("CARGO_BIN_EXE_xenith")])
            .args(verb)
            .env_remove("XENITH_URI")
            .output()
            .unwrap();
        let message = common::Said::of(closed).bad(1);
        assert!(message.contains("standard output: it is closed"), "{verb:?}: {message}");
    }

    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = xenith().args(["completions", "bash"]).stdout(full).output().unwrap();
    let message = common::Said::of(output).bad(1);
    assert!(message.contains("cannot write to standard output"), "{message}");
}

#[test]
fn there_is_a_manual_page_for_every_verb_and_the_command_itself() {
    let folder = Folder::new("man");
    let dir = folder.0.join("man1");
    run(["man", dir.to_str().unwrap()]).good();
    let read = |page: &str| std::fs::read_to_string(dir.join(page)).unwrap();
    assert!(read("xenith.1").contains("Exit status"));
    for verb in VERBS {
        assert!(read(&format!("xenith-{verb}.1")).contains(&format!("xenith\\-{verb}")), "{verb}");
    }
    for hidden in ["man", "completions"] {
        assert!(!dir.join(format!("xenith-{hidden}.1")).exists());
    }
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(["completions", shell]).good().contains("dumpxml"), "{shell}");
    }
}
