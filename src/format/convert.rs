//! Guest definitions from one language into another, for people who have years of them. No host is needed.

use super::complete::complete;
use super::problem::{Examined, Problem, Severity, more};
use super::reduce::write_what_fits;
use super::sxpr::XendFormat;
use super::{sxpr, xenvm, xl, xm, xml};
use crate::error::{Error, Result, Status};
use crate::model::Guest;

/// A language of a toolstack, by the name that libvirt's users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Native {
    /// The files of xl.
    Xl,
    /// The files of xm.
    Xm,
    /// What xend takes and answers.
    Sxpr,
    /// The files of the single-domain monitor.
    Xenvm,
}

impl Native {
    /// All, with their names.
    pub const ALL: [(Native, &'static str); 4] = [
        (Native::Xl, "xen-xl"),
        (Native::Xm, "xen-xm"),
        (Native::Sxpr, "xen-sxpr"),
        (Native::Xenvm, "xenvm"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(native, _)| *native == self).map_or("", |(_, name)| name)
    }

    /// From its name.
    ///
    /// Errors: [`Status::InvalidArg`] for another word, with those that there are.
    pub fn from_name(name: &str) -> Result<Native> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(native, _)| *native).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(_, word)| *word).collect();
            Error::invalid_arg(format!(
                "the format '{}' is not known; expected {}",
                super::error::shown(name),
                known.join(", ")
            ))
        })
    }

    /// Reads a text in this language, of that age of xend where that matters, and says all that is wrong with it.
    pub fn examine(self, text: &str, xend_format: XendFormat) -> Examined {
        match self {
            Native::Xl => xl::examine(text),
            Native::Xm => xm::examine(text, xend_format),
            Native::Sxpr => sxpr::examine(text),
            Native::Xenvm => xenvm::examine(text),
        }
    }
}

/// How a definition is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The age of xend that it is for, where that matters.
    pub xend_format: XendFormat,
    /// What the other language has no place for is left out with a warning, instead of being an error.
    pub lenient: bool,
}

impl Default for Options {
    /// For the newest xend; strict.
    fn default() -> Self {
        Options { xend_format: XendFormat::V4, lenient: false }
    }
}

/// A definition in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The text.
    pub text: String,
    /// What is not in it; empty where conversion is strict.
    pub warnings: Vec<Problem>,
}

/// Domain XML for a definition in a toolstack's language, passwords included. What such a file leaves to the host is said as libvirt says it: the
/// instruction set and machine, the usual firmware, and who serves a disk.
///
/// Errors: [`Status::InvalidConfig`] with line and column for a text that is malformed or says something impossible;
/// [`Status::NotSupported`], likewise, for what has no place in a guest's description, unless conversion is lenient.
pub fn from_native(native: Native, text: &str, options: Options) -> Result<Converted> {
    let (mut guest, warnings) = read(native.examine(text, options.xend_format), options)?;
    let form = complete(native, &mut guest, options.xend_format);
    Ok(Converted { text: xml::write_as(&guest, form), warnings })
}

/// A definition in a toolstack's language for domain XML.
///
/// Errors: [`Status::InvalidConfig`] with line and column for XML that is malformed or says something impossible, and for a guest that the
/// language's toolstack cannot start; [`Status::NotSupported`] for what that language has no place for, unless conversion is lenient and the guest
/// can be without.
pub fn to_native(native: Native, document: &str, options: Options) -> Result<Converted> {
    let (guest, mut warnings) = read(xml::examine(document), options)?;
    let write = |guest: &Guest| write(native, guest, options.xend_format);
    if !options.lenient {
        return Ok(Converted { text: write(&guest)?, warnings });
    }
    let (text, losses) = write_what_fits(&guest, &write)?;
    warnings.extend(losses.into_iter().map(|message| Problem {
        severity: Severity::Warning,
        language: native.name(),
        place: None,
        length: 1,
        message,
    }));
    Ok(Converted { text, warnings })
}

fn read(examined: Examined, options: Options) -> Result<(Guest, Vec<Problem>)> {
    let (guest, warnings) = examined.into_guest()?;
    match warnings.split_first() {
        Some((first, others)) if !options.lenient => {
            Err(Error::new(Status::NotSupported, format!("{first}{}", more(others.len()))))
        }
        _ => Ok((guest, warnings)),
    }
}

fn write(native: Native, guest: &Guest, format: XendFormat) -> Result<String> {
    match native {
        Native::Xl => xl::to_xl_as_libvirt(guest),
        Native::Xm => xm::to_xm(guest, format),
        Native::Sxpr => {
            let value = sxpr::to_sxpr(guest, format)?;
            let mut text = String::from_utf8_lossy(&value.to_bytes()).into_owned();
            text.push('\n');
            Ok(text)
        }
        Native::Xenvm => xenvm::to_xenvm(guest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain type='xen'><name>g</name><title>t</title><memory unit='MiB'>64</memory>\
                       <os><type>linux</type><kernel>/k</kernel></os></domain>";

    fn lenient() -> Options {
        Options { lenient: true, ..Options::default() }
    }

    #[test]
    fn a_format_has_a_name_and_an_unknown_one_is_refused_with_those_that_there_are() {
        for (native, name) in Native::ALL {
            assert_eq!((Native::from_name(name), native.name()), (Ok(native), name));
        }
        let error = Native::from_name("vmx").unwrap_err();
        assert_eq!(
            (error.status, error.message.as_str()),
            (Status::InvalidArg, "the format 'vmx' is not known; expected xen-xl, xen-xm, xen-sxpr, xenvm")
        );
    }

    #[test]
    fn a_guest_goes_into_each_language_and_back() {
        let plain = XML.replace("<title>t</title>", "<uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>");
        for (native, name) in Native::ALL {
            let there = to_native(native, &plain, Options::default()).unwrap();
            let back = from_native(native, &there.text, Options::default()).unwrap();
            assert!(there.warnings.is_empty() && back.warnings.is_empty(), "{name}");
            let (before, after) = (xml::parse(&plain).unwrap(), xml::parse(&back.text).unwrap());
            assert_eq!(
                (after.name, after.uuid, after.memory_kib, after.os.kernel),
                (before.name, before.uuid, before.memory_kib, before.os.kernel),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_lost_is_an_error_or_a_warning_as_the_caller_chose() {
        let error = to_native(Native::Xenvm, XML, Options::default()).unwrap_err();
        assert_eq!(
            (error.status, error.message.as_str()),
            (Status::NotSupported, "xenvm's configuration has no place for <title>")
        );
        let converted = to_native(Native::Xenvm, XML, lenient()).unwrap();
        assert_eq!(
            converted.text,
            "name = g\nhvm = false\nkernel = /k\nmemory = 64\nvcpus = 1\non_halt = destroy\non_restart = restart\non_crash = destroy\n"
        );
        assert_eq!(
            converted.warnings.iter().map(Problem::to_string).collect::<Vec<_>>(),
            ["xenvm: xenvm's configuration has no place for <title>"]
        );

        let file = "name = 'g'\nkernel = '/k'\nfrob = 1\nxsm_label = 'x'\n";
        let error = from_native(Native::Xl, file, Options::default()).unwrap_err();
        assert_eq!(
            error.message,
            "xl config, line 3, column 8: 'frob' has no place in a guest's description (and 1 more)"
        );
        assert_eq!(error.status, Status::NotSupported);
        let converted = from_native(Native::Xl, file, lenient()).unwrap();
        assert_eq!(converted.warnings.len(), 2);
        assert!(converted.text.contains("<name>g</name>"), "{}", converted.text);
    }

    #[test]
    fn an_error_in_the_text_stands_in_both_ways() {
        for options in [Options::default(), lenient()] {
            let error = from_native(Native::Xl, "name = g\n", options).unwrap_err();
            assert_eq!(error.status, Status::InvalidConfig);
            assert!(error.message.starts_with("xl config, line 1, column 8"), "{error}");
            assert_eq!(
                to_native(Native::Xl, "<domain/>", options).unwrap_err().status,
                Status::InvalidConfig
            );
            let error = from_native(Native::Sxpr, "(vm\n(name 'g)", options).unwrap_err();
            assert!(error.message.starts_with("xend's configuration, line 2, column"), "{error}");
        }
    }

    #[test]
    fn the_age_of_xend_decides_what_it_is_told() {
        let document = XML
            .replace("<title>t</title>", "")
            .replace("</domain>", "<devices><graphics type='vnc'/></devices></domain>");
        let of = |native, xend_format| {
            to_native(native, &document, Options { xend_format, lenient: false }).unwrap().text
        };
        assert!(of(Native::Sxpr, XendFormat::V4).contains("(vfb "));
        assert!(!of(Native::Sxpr, XendFormat::V1).contains("(vfb "));
        assert!(of(Native::Xm, XendFormat::V4).contains("vfb = ["));
        assert!(of(Native::Xm, XendFormat::V1).contains("vnc = 1\n"));
        let file = "name = 'g'\nbuilder = 'hvm'\n";
        let back = |xend_format| {
            from_native(Native::Xm, file, Options { xend_format, lenient: false }).unwrap().text
        };
        assert!(back(XendFormat::V4).contains("<acpi/>") && !back(XendFormat::V1).contains("<acpi/>"));
    }

    #[test]
    fn a_password_goes_along() {
        let file = "name = 'g'\ntype = 'hvm'\nvncpasswd = 'secret'\n";
        assert!(from_native(Native::Xl, file, Options::default()).unwrap().text.contains("passwd='secret'"));
    }
}
