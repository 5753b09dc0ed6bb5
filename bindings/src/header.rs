//! The header: cbindgen's layout of `src/capi`, the version macros, a line of title above each subject.

use std::fmt::Write as _;
use std::path::Path;

use super::Result;

/// The files of `src/capi` that C sees, in the header's order, and what each is about.
const SUBJECTS: [(&str, &str); 13] = [
    ("constants", ""),
    ("options", ""),
    ("info", ""),
    ("library", "The library"),
    ("error", "Errors and strings"),
    ("connect", "Connections"),
    ("domain", "Domains"),
    ("lives", "From one life to the next: save and restore, autostart, monitors"),
    ("list", "Lists of domains"),
    ("report", "Reports on a host"),
    ("capture", "Captures: what a host answers, to send"),
    ("convert", "Definitions from one language into another"),
    ("problems", "What is wrong with a definition"),
];

/// The whole header's text.
pub(crate) fn generate(root: &Path) -> Result<String> {
    let capi = root.join("src/capi");
    let mut config = cbindgen::Config::from_file(root.join("bindings/cbindgen.toml"))?;
    config.after_includes = Some(version_macros()?);
    let mut builder = cbindgen::Builder::new().with_config(config);
    for (file, _) in SUBJECTS {
        builder = builder.with_src(capi.join(file).with_extension("rs"));
    }
    let mut bytes = Vec::new();
    builder.generate()?.write(&mut bytes);
    let mut text = String::from_utf8(bytes)?;
    for (file, title) in SUBJECTS.into_iter().filter(|(_, title)| !title.is_empty()) {
        let source = std::fs::read_to_string(capi.join(file).with_extension("rs"))?;
        let first = first_function(&source).ok_or_else(|| format!("{file}.rs exports no function"))?;
        text = titled(&text, first, title).ok_or_else(|| format!("{first} is not in the header"))?;
    }
    Ok(compact(&text))
}

/// The names of all functions that the header declares, in its order.
pub(crate) fn functions(header: &str) -> Vec<String> {
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/', '#', ' ']));
    code.filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("xenith_"))
        .map(str::to_owned)
        .collect()
}

fn version_macros() -> Result<String> {
    let mut text =
        String::from("\n/** The version of this header; xenith_library_version() is the library's. */\n");
    for (part, number) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("MICRO", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        writeln!(text, "#define XENITH_VERSION_{part} {number}")?;
    }
    text.push_str(
        "#define XENITH_VERSION \\\n    (XENITH_VERSION_MAJOR * 1000000 + XENITH_VERSION_MINOR * 1000 + XENITH_VERSION_MICRO)\n",
    );
    Ok(text)
}

fn first_function(source: &str) -> Option<&str> {
    let (_, after) = source.split_once("extern \"C\" fn ")?;
    after.split_once('(').map(|(name, _)| name)
}

/// `text` with a line of title above the comment of `function`.
fn titled(text: &str, function: &str, title: &str) -> Option<String> {
    let is_declaration = |line: &str| {
        let before = line.split_once(&format!("{function}(")).map(|(before, _)| before);
        before.is_some_and(|before| before.ends_with([' ', '*']) && !line.starts_with([' ', '/']))
    };
    let mut at = 0;
    let mut lines = text.split_inclusive('\n');
    at += lines.by_ref().take_while(|line| !is_declaration(line)).map(str::len).sum::<usize>();
    let comment = text.get(..at)?.rfind("/**")?;
    let (before, after) = text.split_at_checked(comment)?;
    let rule = "-".repeat(88 - title.len());
    Some(format!("{before}/* ---- {title} {rule} */\n\n{after}"))
}

/// `text` with each comment of one line on one line.
fn compact(text: &str) -> String {
    let mut compact = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/**\n") {
        compact.push_str(before);
        let mut lines = after.splitn(3, '\n');
        rest = match (lines.next(), lines.next(), lines.next()) {
            (Some(line), Some(end), Some(behind)) if end.trim() == "*/" && line.len() < 105 => {
                let line = line.trim_start().trim_start_matches('*');
                compact.push_str(&format!("/**{line} */\n"));
                behind
            }
            _ => {
                compact.push_str("/**\n");
                after
            }
        };
    }
    compact + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_comment_of_one_line_is_made_short() {
        let text = "a\n/**\n * One.\n */\n#define X 1\n/**\n * Two\n * lines.\n */\nb\n";
        assert_eq!(compact(text), "a\n/** One. */\n#define X 1\n/**\n * Two\n * lines.\n */\nb\n");
    }

    #[test]
    fn a_title_stands_above_the_declaration_and_not_above_a_mention() {
        let text = "/** See f(). */\n#define X\n\n/** F. */\nint f(void);\n";
        let titled = titled(text, "f", "T").unwrap();
        assert!(titled.starts_with("/** See f(). */\n#define X\n\n/* ---- T "));
    }

    #[test]
    fn declarations_are_found_however_they_are_broken() {
        let header = " * xenith_no(x)\nxenith_status xenith_a(int x,\n           int y);\nconst char *xenith_b(void);\n";
        assert_eq!(functions(header), ["xenith_a", "xenith_b"]);
    }
}
