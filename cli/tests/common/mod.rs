//! What the tests of the command share: running it, and reading what it said.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command, in an environment that names no host.
pub fn xenith() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xenith"));
    command.env_remove("XENITH_URI").stdin(Stdio::null());
    command
}

/// What one run said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its standard output, if it ended well and silently.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// Its message, if it ended with `code` and no output.
    #[track_caller]
    pub fn bad(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        self.err
    }
}

pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    Said::of(xenith().args(args).output().unwrap())
}

/// Runs with `input` on standard input.
pub fn run_with_input<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, input: &[u8]) -> Said {
    let mut child = xenith()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end before it has read everything: that is what some tests are about.
    let _ = child.stdin.take().unwrap().write_all(input);
    Said::of(child.wait_with_output().unwrap())
}

/// A folder of one's own, gone when the test is over. Short: a socket's path has at most 107 bytes.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xenith-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `xenith sim` in a process of its own.
pub struct Sim {
    child: Child,
    folder: Option<Folder>,
    pub uri: String,
}

impl Sim {
    /// Starts it and waits until it says how to join.
    pub fn start(name: &str) -> Self {
        Sim::of_age(name, None)
    }

    /// The same, as that release of Xen.
    pub fn of_age(name: &str, release: Option<&str>) -> Self {
        let folder = Folder::new(name);
        let mut child = xenith()
            .args(["--json", "sim", "--dir"])
            .arg(&folder.0)
            .args(release.map(|release| format!("--xen={release}")))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while lines.read_line(&mut ready).unwrap() > 0 && !ready.contains('}') {}
        let uri = json(&ready)["uri"].as_str().unwrap().to_owned();
        Sim { child, folder: Some(folder), uri }
    }

    pub fn dir(&self) -> &Path {
        &self.folder.as_ref().unwrap().0
    }

    pub fn run<const N: usize>(&self, args: [&str; N]) -> Said {
        run(["-c", &self.uri].into_iter().chain(args))
    }

    pub fn run_with_input<const N: usize>(&self, args: [&str; N], input: &str) -> Said {
        run_with_input(["-c", &self.uri].into_iter().chain(args), input.as_bytes())
    }

    #[track_caller]
    pub fn json<const N: usize>(&self, args: [&str; N]) -> Value {
        json(&run(["-c", &self.uri, "--json"].into_iter().chain(args)).good())
    }

    /// Waits until `domain` is in one of `states`.
    #[track_caller]
    pub fn wait_for_state(&self, domain: &str, states: &[&str]) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let state = self.json(["domstate", domain])["state"].as_str().unwrap().to_owned();
            if states.contains(&state.as_str()) {
                return;
            }
            assert!(Instant::now() < end, "{domain} is {state} and not one of {states:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Interrupts it as a terminal or an init system would; returns its exit status, and the folder it was served in.
    pub fn interrupt(mut self, signal: &str) -> (Option<i32>, Folder) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        (self.child.wait().unwrap().code(), self.folder.take().unwrap())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}
