//! Keeps what the world links against in step with `src/capi`:
//!
//! | file | what it is |
//! | --- | --- |
//! | `include/xenith.h` | the header, laid out by cbindgen |
//! | `bindings/exports.txt` | each exported function and the version node that it came with: the promise |
//! | `bindings/xenith.map` | the same for the linker |
//!
//! `xenith-bindings write` brings them up to date: a new function joins the node of this version. `xenith-bindings check` changes nothing, and
//! fails when one of them has drifted. A function that vanished is dropped by `write` only while nothing is frozen, before 1.0.

mod exports;
mod header;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exports::Exports;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("write") => write(),
        Some("check") => check(),
        _ => Err("usage: xenith-bindings write|check".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xenith-bindings: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The files as they should be, each with its path.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no folder above bindings")?;
    let header = header::generate(root)?;
    let list = root.join("bindings/exports.txt");
    let pinned = Exports::read(&std::fs::read_to_string(&list).unwrap_or_default())?;
    let exports = pinned.updated(&header::functions(&header))?;
    Ok(vec![
        (root.join("include/xenith.h"), header),
        (list, exports.to_list()),
        (root.join("bindings/xenith.map"), exports.to_map()),
    ])
}

fn write() -> Result<()> {
    for (path, text) in files()? {
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            std::fs::write(&path, text)?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

fn check() -> Result<()> {
    let drifted: Vec<String> = files()?
        .into_iter()
        .filter(|(path, text)| std::fs::read_to_string(path).ok().as_ref() != Some(text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    if drifted.is_empty() {
        return Ok(());
    }
    Err(format!("drifted from src/capi: {}: run `make header` and commit the result", drifted.join(", "))
        .into())
}
