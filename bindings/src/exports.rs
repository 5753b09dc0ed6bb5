//! What the library exports, and since which version.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Result;

/// The version node that a function joins when it is new.
const NODE: &str = concat!("XENITH_", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// Functions with the node that each belongs to, in the header's order.
pub(crate) struct Exports(Vec<(String, String)>);

impl Exports {
    /// Reads `exports.txt`: a function and its node on each line, `#` starts a comment.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| match line.split_once(' ') {
            Some((name, node)) => Ok((name.to_owned(), node.to_owned())),
            None => Err(format!("exports.txt: no version node after '{line}'").into()),
        };
        lines.map(entry).collect::<Result<_>>().map(Exports)
    }

    /// The list for these functions: known ones keep their node, new ones join this version's.
    pub(crate) fn updated(&self, functions: &[String]) -> Result<Self> {
        let gone: Vec<&str> = self
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !functions.iter().any(|f| f == name))
            .collect();
        if !gone.is_empty() && env!("CARGO_PKG_VERSION_MAJOR") != "0" {
            return Err(
                format!("exported before and gone now: {}: programs link to them", gone.join(", ")).into()
            );
        }
        let node = |name: &String| {
            let known = self.0.iter().find(|(known, _)| known == name);
            known.map_or_else(|| NODE.to_owned(), |(_, node)| node.clone())
        };
        Ok(Exports(functions.iter().map(|name| (name.clone(), node(name))).collect()))
    }

    /// The text of `exports.txt`.
    pub(crate) fn to_list(&self) -> String {
        let mut text = "# What libxenith.so exports, and the symbol version of each: `make header` adds, nothing removes\n\
                        # (from 1.0 on). ctest/installed.sh holds the installed file against this list.\n"
            .to_owned();
        for (name, node) in &self.0 {
            text.push_str(&format!("{name} {node}\n"));
        }
        text
    }

    /// The linker's version script: one node per version, each depending on the one before.
    pub(crate) fn to_map(&self) -> String {
        let mut nodes: BTreeMap<Vec<u32>, (&str, Vec<&str>)> = BTreeMap::new();
        for (name, node) in &self.0 {
            let order = node.split(['_', '.']).filter_map(|part| part.parse().ok()).collect();
            nodes.entry(order).or_insert((node, Vec::new())).1.push(name);
        }
        let mut text = "/* Made from exports.txt by `make header`. */\n".to_owned();
        let mut before: Option<&str> = None;
        for (node, names) in nodes.values() {
            let _ = writeln!(text, "{node} {{\n    global:");
            for name in names {
                let _ = writeln!(text, "        {name};");
            }
            match before {
                None => text.push_str("    local:\n        *;\n};\n"),
                Some(before) => {
                    let _ = writeln!(text, "}} {before};");
                }
            }
            before = Some(node);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_keeps_its_node_and_a_new_one_joins_this_versions() {
        let old = Exports::read("# comment\n\nxenith_a XENITH_0.0\n").unwrap();
        let new = old.updated(&["xenith_b".into(), "xenith_a".into()]).unwrap();
        assert_eq!(new.0[0], ("xenith_b".to_owned(), NODE.to_owned()));
        assert_eq!(new.0[1], ("xenith_a".to_owned(), "XENITH_0.0".to_owned()));
        assert!(Exports::read("xenith_a").is_err());
    }

    #[test]
    fn nodes_are_ordered_by_number_and_only_the_first_hides_the_rest() {
        let exports =
            Exports::read("xenith_c XENITH_1.10\nxenith_b XENITH_1.9\nxenith_a XENITH_0.1\n").unwrap();
        let map = exports.to_map();
        assert_eq!(map.matches("local:").count(), 1);
        let at = |what: &str| map.find(what).unwrap();
        assert!(at("XENITH_0.1 {") < at("XENITH_1.9 {") && at("XENITH_1.9 {") < at("XENITH_1.10 {"));
        assert!(map.contains("} XENITH_0.1;") && map.contains("} XENITH_1.9;"));
    }
}
