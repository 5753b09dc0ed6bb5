//! The hypervisor's capability string: what guests it can run, as `KIND-ABI-ARCH` tokens.
//!
//! `xen-3.0-x86_64` is a 64-bit PV guest, `hvm-3.0-x86_32p` a fully virtualized one with PAE (XENVER_capabilities, public/version.h;
//! the hypervisor puts it together for each architecture by itself). The ABI has been 3.0 in every release since.

use crate::model::{GuestType, XenVersion};

/// The first release whose hardware-virtualized guests may be PVH as they are today: without a device model, begun at the
/// kernel's own entry (`xl.cfg`'s `type="pvh"`). Earlier ones had something else of that name, which nothing starts any more.
const PVH_SINCE: (u16, u16) = (4, 10);

/// One kind of guest on one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestAbi {
    /// How it is virtualized.
    pub kind: GuestType,
    /// libvirt's name of the architecture.
    pub arch: &'static str,
    /// Bits of a word.
    pub wordsize: u32,
    /// 32-bit guests with PAE.
    pub pae: bool,
    /// 32-bit guests without PAE.
    pub nonpae: bool,
    /// Big-endian guests, on ia64.
    pub ia64_be: bool,
}

/// How the hypervisor spells an architecture, and what that is.
struct Arch {
    token: &'static str,
    arch: &'static str,
    wordsize: u32,
    variant: Variant,
}

/// What a spelling says beside the architecture.
#[derive(PartialEq, Eq)]
enum Variant {
    Plain,
    Pae,
    NonPae,
    BigEndian,
}

/// All that Xen has had (`arch_get_xen_caps` of each port): x86, ia64 until 4.1, ppc64 until 3.2, arm since 4.3.
const ARCHITECTURES: [Arch; 8] = [
    Arch { token: "x86_32", arch: "i686", wordsize: 32, variant: Variant::NonPae },
    Arch { token: "x86_32p", arch: "i686", wordsize: 32, variant: Variant::Pae },
    Arch { token: "x86_64", arch: "x86_64", wordsize: 64, variant: Variant::Plain },
    Arch { token: "ia64", arch: "ia64", wordsize: 64, variant: Variant::Plain },
    Arch { token: "ia64be", arch: "ia64", wordsize: 64, variant: Variant::BigEndian },
    Arch { token: "powerpc64", arch: "ppc64", wordsize: 64, variant: Variant::Plain },
    Arch { token: "aarch64", arch: "aarch64", wordsize: 64, variant: Variant::Plain },
    Arch { token: "armv7l", arch: "armv7l", wordsize: 32, variant: Variant::Plain },
];

/// Reads a capability string; tokens of one kind and architecture are one guest. `xen` is the hypervisor's release, where it is known: since
/// 4.10 each HVM guest can be a PVH one as well, which the string does not say.
///
/// Tokens of kinds and architectures that are not known are passed over: a newer hypervisor may list more than this version of the
/// library can describe.
pub fn read_xen_caps(text: &str, xen: Option<&XenVersion>) -> Vec<GuestAbi> {
    let mut guests: Vec<GuestAbi> = Vec::new();
    for token in text.split_ascii_whitespace() {
        let Some((kind, arch)) = read_token(token) else { continue };
        let at = guests.iter().position(|known| known.kind == kind && known.arch == arch.arch);
        let at = at.unwrap_or_else(|| {
            guests.push(GuestAbi {
                kind,
                arch: arch.arch,
                wordsize: arch.wordsize,
                pae: false,
                nonpae: false,
                ia64_be: false,
            });
            guests.len() - 1
        });
        if let Some(guest) = guests.get_mut(at) {
            guest.pae |= arch.variant == Variant::Pae;
            guest.nonpae |= arch.variant == Variant::NonPae;
            guest.ia64_be |= arch.variant == Variant::BigEndian;
        }
    }
    if xen.is_some_and(|xen| (xen.major, xen.minor) >= PVH_SINCE) {
        guests = guests
            .into_iter()
            .flat_map(|guest| {
                let pvh = as_pvh(&guest);
                [Some(guest), pvh]
            })
            .flatten()
            .collect();
    }
    guests
}

fn as_pvh(guest: &GuestAbi) -> Option<GuestAbi> {
    (guest.kind == GuestType::Hvm).then(|| GuestAbi { kind: GuestType::Pvh, ..guest.clone() })
}

fn read_token(token: &str) -> Option<(GuestType, &'static Arch)> {
    let (kind, rest) = token.split_once('-')?;
    let kind = match kind {
        "xen" => GuestType::Pv,
        "hvm" => GuestType::Hvm,
        _ => return None,
    };
    let (abi, spelled) = rest.split_once('-')?;
    let (major, minor) = abi.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(major) || !is_number(minor) {
        return None;
    }
    Some((kind, ARCHITECTURES.iter().find(|arch| arch.token == spelled)?))
}

/// The machine type of a host that runs such guests: the widest architecture that the hypervisor lists. A 64-bit hypervisor runs 32-bit
/// guests, and none runs wider ones than itself.
pub fn machine_of(guests: &[GuestAbi]) -> Option<&'static str> {
    guests.iter().max_by_key(|guest| guest.wordsize).map(|guest| guest.arch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(text: &str, xen: Option<(u16, u16)>) -> Vec<(GuestType, &'static str, bool, bool)> {
        let xen = xen.map(|(major, minor)| XenVersion { major, minor, extra: ".0".into() });
        let guests = read_xen_caps(text, xen.as_ref());
        guests.iter().map(|guest| (guest.kind, guest.arch, guest.pae, guest.nonpae)).collect()
    }

    #[test]
    fn tokens_of_one_architecture_are_one_guest() {
        assert_eq!(
            seen(
                "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 new-9-arch",
                None
            ),
            [
                (GuestType::Pv, "x86_64", false, false),
                (GuestType::Pv, "i686", true, false),
                (GuestType::Hvm, "i686", true, true),
                (GuestType::Hvm, "x86_64", false, false),
            ]
        );
        for nothing in ["", "xen hvm- --- xen-3.0 \u{fffd}", "xen-a.0-x86_64 xen-3-x86_64 xen-3.0-vax"] {
            assert_eq!(seen(nothing, Some((4, 17))), [], "{nothing:?}");
        }
    }

    #[test]
    fn hardware_virtualized_guests_can_be_pvh_from_4_10_on() {
        let text = "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
        let kinds =
            |xen| -> Vec<_> { seen(text, xen).into_iter().map(|(kind, arch, ..)| (kind, arch)).collect() };
        let pv = (GuestType::Pv, "x86_64");
        assert_eq!(
            kinds(Some((4, 10))),
            [
                pv,
                (GuestType::Hvm, "i686"),
                (GuestType::Pvh, "i686"),
                (GuestType::Hvm, "x86_64"),
                (GuestType::Pvh, "x86_64")
            ]
        );
        assert_eq!(kinds(Some((4, 9))), [pv, (GuestType::Hvm, "i686"), (GuestType::Hvm, "x86_64")]);
        assert_eq!(kinds(None), kinds(Some((3, 4))));
        // Built or started without hardware virtualization.
        assert_eq!(seen("xen-3.0-x86_64 ", Some((4, 17))), [(GuestType::Pv, "x86_64", false, false)]);
    }

    #[test]
    fn arm_lists_both_word_sizes_as_one_kind() {
        let guests = read_xen_caps("xen-3.0-aarch64 xen-3.0-armv7l ", None);
        let words: Vec<_> = guests.iter().map(|guest| (guest.arch, guest.wordsize)).collect();
        assert_eq!(words, [("aarch64", 64), ("armv7l", 32)]);
        assert_eq!(machine_of(&guests), Some("aarch64"));
    }

    #[test]
    fn the_machine_is_the_widest_that_is_listed() {
        let machine = |text| machine_of(&read_xen_caps(text, None));
        assert_eq!(machine("hvm-3.0-x86_32 xen-3.0-x86_64 hvm-3.0-x86_32p"), Some("x86_64"));
        assert_eq!(machine("xen-3.0-x86_32p hvm-3.0-x86_32"), Some("i686"));
        assert_eq!(machine("xen-3.0-powerpc64"), Some("ppc64"));
        assert_eq!(machine(""), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}", tokens in prop::collection::vec("(xen|hvm|x)-[0-9.]{0,3}-(x86_32p?|x86_64|ia64(be)?|vax)", 0..40), minor: u16) {
            let xen = XenVersion { major: 4, minor, extra: String::new() };
            let _ = read_xen_caps(&text, Some(&xen));
            let guests = read_xen_caps(&tokens.join(" "), Some(&xen));
            prop_assert!(guests.len() <= 9);
            prop_assert_eq!(guests.is_empty(), machine_of(&guests).is_none());
        }
    }
}
