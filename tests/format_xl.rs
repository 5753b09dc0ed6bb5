//! xl's configuration language against a real xl's reading of what this library writes.

// A test that cannot read its data or its own output has failed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use xenith::format::{xl, xml};

fn names(folder: &Path, ending: &str) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|other| other == ending))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Each NAME.cfg there is for a real xl to read (`xl create --dryrun`). Where this test fails, write the file anew (XENITH_WRITE=1) and
/// ask one again.
#[test]
fn what_is_written_for_xl_is_what_is_kept_for_a_real_one_to_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/xl/dryrun");
    let names = names(&folder, "xml");
    assert!(names.len() >= 19, "only {}", names.len());
    for name in names {
        let document = fs::read_to_string(folder.join(format!("{name}.xml"))).unwrap();
        let text = xl::to_xl(&xml::parse(&document).unwrap()).unwrap();
        let path = folder.join(format!("{name}.cfg"));
        if std::env::var_os("XENITH_WRITE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
    }
}
