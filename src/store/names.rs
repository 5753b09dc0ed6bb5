//! What the name of a file in the folder says about it, and what a domain's file is to be called.

use super::language::Language;
use crate::format::sxpr::XendFormat;
use crate::model::Uuid;

/// What a file is by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing of ours: not looked at.
    Skipped,
    /// It must be a domain: what cannot be read is reported.
    Config,
    /// It is a domain if it reads as one.
    Perhaps,
}

/// The end of a domain file's name.
const CONFIG: &str = ".cfg";
/// The end of a sidecar's name, behind the whole name of its file.
const SIDECAR: &str = ".xenith";
/// The longest file name that Linux's file systems hold, in bytes.
const LONGEST: usize = 255;

/// Backups, examples, the toolstacks' own files, sidecars.
const SKIPPED_ENDS: [&str; 12] =
    ["~", ".bak", ".orig", ".old", ".save", ".swp", ".example", ".conf", ".sxp", ".sh", ".xml", SIDECAR];
/// What package managers put beside a file that somebody changed, as the beginning of the last extension.
const SKIPPED_EXTENSIONS: [&str; 3] = ["dpkg-", "rpm", "ucf-"];
/// Xen's own examples and words for people.
const SKIPPED_BEGINNINGS: [&str; 4] = [".", "xlexample", "xmexample", "README"];
/// Xen's example of a pool of processors: it has a name as a domain has.
const CPUPOOL: &str = "cpupool";

/// What the file of that name is.
pub(super) fn kind(file_name: &str) -> Kind {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_skipped = SKIPPED_BEGINNINGS.iter().any(|beginning| file_name.starts_with(beginning))
        || SKIPPED_ENDS.iter().any(|end| file_name.ends_with(end))
        || SKIPPED_EXTENSIONS.iter().any(|beginning| extension.starts_with(beginning))
        || (file_name.starts_with('#') && file_name.ends_with('#'))
        || file_name == CPUPOOL;
    match file_name.strip_suffix(CONFIG) {
        _ if is_skipped => Kind::Skipped,
        Some(_) => Kind::Config,
        None => Kind::Perhaps,
    }
}

/// The file name that a domain's name asks for: `NAME.cfg`; None where that would be skipped, hidden, taken for an option by
/// careless scripts, or too long for its sidecar to be named after it.
pub(super) fn usual(name: &str) -> Option<String> {
    let file_name = format!("{name}{CONFIG}");
    let fits = file_name.len() + SIDECAR.len() <= LONGEST;
    let is_plain = !name.starts_with('-') && !name.contains(['/', '\0']);
    (fits && is_plain && kind(&file_name) == Kind::Config).then_some(file_name)
}

/// The same without an ending: `NAME`, where xm looks.
pub(super) fn usual_bare(name: &str) -> Option<String> {
    let fits = name.len() + SIDECAR.len() <= LONGEST;
    let is_plain = !name.is_empty() && !name.starts_with('-') && !name.contains(['/', '\0']);
    (fits && is_plain && kind(name) != Kind::Skipped).then(|| name.to_owned())
}

/// The names that the file of a domain can get, best first: `NAME.cfg`, `NAME.1234abcd.cfg` with the uuid's first digits where another
/// domain's file has that one, and the uuid for names that make no file name. In xm's language without the ending.
pub(super) fn candidates(language: Language, name: &str, uuid: Uuid) -> Vec<String> {
    let whole = uuid.to_string();
    let short = whole.split('-').next().unwrap_or(&whole);
    let usual = |name: &str| language.usual(name);
    let longer = usual(name).and_then(|_| usual(&format!("{name}.{short}")));
    usual(name).into_iter().chain(longer).chain([format!("{whole}{CONFIG}")]).collect()
}

/// Whether a file was named after the domain `name`: then it is renamed with it.
pub(super) fn is_named_after(file_name: &str, name: &str, uuid: Uuid) -> bool {
    // Whatever toolstack it was written for.
    let languages = [Language::Xl, Language::Xm(XendFormat::V1)];
    file_name == name
        || languages
            .iter()
            .any(|language| candidates(*language, name, uuid).iter().any(|one| one == file_name))
}

/// The name of a file's sidecar.
pub(super) fn sidecar(file_name: &str) -> String {
    format!("{file_name}{SIDECAR}")
}

/// The file name that a sidecar's name belongs to.
pub(super) fn of_sidecar(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(SIDECAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_skipped_by_their_names() {
        for name in [
            ".hidden.cfg",
            ".xenith.lock",
            "a.cfg~",
            "#a.cfg#",
            "a.cfg.bak",
            "a.cfg.orig",
            "a.old",
            "a.save",
            "a.cfg.dpkg-old",
            "a.cfg.rpmsave",
            "a.cfg.ucf-dist",
            ".a.cfg.swp",
            "xlexample.hvm",
            "xmexample1",
            "a.example",
            "xl.conf",
            "xend-config.sxp",
            "up.sh",
            "a.xml",
            "README",
            "README.incompatibilities",
            "a.cfg.xenith",
            "cpupool",
            "xlexample.cfg",
        ] {
            assert_eq!(kind(name), Kind::Skipped, "{name}");
        }
        for name in ["web.cfg", "web~.cfg", "web.rpm.cfg", "größe.cfg", "-x.cfg", "cpupool.cfg"] {
            assert_eq!(kind(name), Kind::Config, "{name}");
        }
        for name in ["web", "web.pv", "web.cfg.1", "cfg"] {
            assert_eq!(kind(name), Kind::Perhaps, "{name}");
        }
    }

    #[test]
    fn a_name_that_makes_no_good_file_name_gives_the_uuid() {
        let uuid = Uuid::from_u128(0x1234abcd_0000_0000_0000_000000000001);
        let only_uuid = ["1234abcd-0000-0000-0000-000000000001.cfg"];
        for name in [".hidden", "-rf", "xlexample1", "README", &"x".repeat(255), &"x".repeat(245)] {
            assert_eq!(candidates(Language::Xl, name, uuid), only_uuid, "{name}");
        }
        assert_eq!(candidates(Language::Xl, "web", uuid), ["web.cfg", "web.1234abcd.cfg", only_uuid[0]]);
        assert_eq!(candidates(Language::Xl, "a~", uuid)[0], "a~.cfg");
        let old = Language::Xm(XendFormat::V2);
        assert_eq!(candidates(old, "web", uuid), ["web", "web.1234abcd", only_uuid[0]]);
        assert_eq!(candidates(old, "xend-config.sxp", uuid), only_uuid);
        let longest = "x".repeat(244);
        assert_eq!(sidecar(&candidates(Language::Xl, &longest, uuid)[0]).len(), LONGEST);
    }

    #[test]
    fn a_file_is_known_to_be_named_after_its_domain() {
        let uuid = Uuid::from_u128(1);
        for file_name in ["web", "web.cfg", "web.00000000.cfg", "00000000-0000-0000-0000-000000000001.cfg"] {
            assert!(is_named_after(file_name, "web", uuid), "{file_name}");
        }
        assert!(!is_named_after("production-web.cfg", "web", uuid));
    }
}
