//! xend's S-expressions: the tree stays, what names something goes.

use super::Disguise;
use super::node::is_mac;
use super::words::{is_known_key, keeps, keeps_whole};
use crate::model::Uuid;
use crate::wire::sexpr::Sexpr;

/// Where the file of a disk begins with one of these, that is kept: it says how the disk is made.
const SCHEMES: [&str; 5] = ["tap:aio:", "tap:", "tap2:aio:", "file:", "phy:"];

/// The tree of an answer: a list of names, `(domain ...)`, a list of those, `(node ...)`.
pub fn disguised_tree(tree: &Sexpr, disguise: &mut Disguise) -> Sexpr {
    match tree {
        // A list of names, as `/xend/domain` gives it. `(domain ...)` and `(node ...)` have lists in them.
        Sexpr::List(items) if items.iter().all(|item| item.as_atom().is_some()) => Sexpr::List(
            items.iter().map(|item| Sexpr::atom(disguise.name(item.as_atom().unwrap_or_default()))).collect(),
        ),
        _ => walk("", "", tree, disguise),
    }
}

/// `key` is the head of the list that the value stands in, `above` that of the one around it.
fn walk(above: &str, key: &str, value: &Sexpr, disguise: &mut Disguise) -> Sexpr {
    match value {
        Sexpr::Atom(text) => Sexpr::atom(atom(above, key, text, disguise)),
        Sexpr::List(items) => {
            // The head of a list is its key; the rest are its values. A list of lists has none of its own.
            let head = items.first().and_then(Sexpr::as_atom);
            let rest = items.iter().skip(usize::from(head.is_some()));
            let mut out = Vec::with_capacity(items.len());
            out.extend(head.map(|head| {
                Sexpr::atom(if is_known_key(head) { head.to_owned() } else { disguise.key(head) })
            }));
            let (above, key) = head.map_or((above, key), |head| (key, head));
            out.extend(rest.map(|item| walk(above, key, item, disguise)));
            Sexpr::List(out)
        }
    }
}

fn atom(above: &str, key: &str, text: &str, disguise: &mut Disguise) -> String {
    if let Ok(uuid) = Uuid::parse_str(text)
        && text.len() == 36
    {
        return disguise.uuid(uuid).to_string();
    }
    if is_mac(text) {
        return disguise.mac(text);
    }
    if key == "name" && matches!(above, "domain" | "vm" | "") {
        return disguise.name(text);
    }
    if keeps(key, text) || (above == "node" && keeps_whole(key, text)) || is_decimal(key, text) {
        return text.to_owned();
    }
    // xend names a disk with what it is: `xvda:disk`.
    if let (Some((device, kind)), "dev") = (text.split_once(':'), key)
        && keeps(key, device)
        && keeps(key, kind)
    {
        return text.to_owned();
    }
    if let (Some(scheme), "uname") = (SCHEMES.iter().find(|scheme| text.starts_with(**scheme)), key) {
        return format!("{scheme}/x");
    }
    match text.bytes().next() {
        Some(b'/') => "/x".to_owned(),
        Some(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => "0".to_owned(),
        _ => "x".to_owned(),
    }
}

/// Times and weights with a fraction, which only some keys have.
fn is_decimal(key: &str, text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    key == "cpu_weight" && text.split_once('.').is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disguised(text: &str) -> String {
        let tree = Sexpr::parse_first(text.as_bytes()).unwrap();
        String::from_utf8(disguised_tree(&tree, &mut Disguise::new()).to_bytes()).unwrap()
    }

    #[test]
    fn a_domain_keeps_its_form_and_loses_its_names() {
        let first = "00000000-0000-4000-8000-000000000001";
        assert_eq!(
            disguised(
                "(domain (domid 3) (name acme-web) (uuid 9a0df5b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b) (memory 256) (state -b----) \
                 (image (linux (kernel /boot/acme) (args 'root=/dev/xvda1 acme') (vncpasswd 1234) (acme 1))) \
                 (device (vif (mac 00:16:3E:aa:bb:cc) (ip 10.0.0.7) (script vif-acme))) \
                 (device (vbd (dev xvda:disk) (uname file:/srv/acme.img) (mode w))) (bootloader) (cpus (() (0 1))))"
            ),
            format!(
                "(domain (domid 3) (name guest-1) (uuid {first}) (memory 256) (state -b----) \
                 (image (linux (kernel /x) (args x) (vncpasswd 0) (key-0001 0))) \
                 (device (vif (mac 00:16:3e:00:00:01) (ip x) (script x))) \
                 (device (vbd (dev xvda:disk) (uname file:/x) (mode w))) (bootloader) (cpus (() (0 0))))"
            )
        );
    }

    #[test]
    fn the_host_keeps_what_the_hypervisor_says() {
        assert_eq!(
            disguised(
                "(node (system Linux) (host alpha) (nr_cpus 2) (xen_caps 'xen-3.0-x86_64 ') (cc_compile_by bob) (xen_extra .4) \
                 (xen_commandline 'com1=115200 acme') (xend_config_format 4))"
            ),
            "(node (system Linux) (host x) (nr_cpus 2) (xen_caps 'xen-3.0-x86_64 ') (cc_compile_by x) (xen_extra .4) \
             (xen_commandline x) (xend_config_format 4))"
        );
        assert_eq!(disguised("(Domain-0 acme acme)"), "(Domain-0 guest-1 guest-1)");
        assert_eq!(disguised("()"), "()");
    }

    #[test]
    fn what_was_disguised_is_disguised_as_itself() {
        for text in [
            "(domain (name acme) (cpus ((0) (1))) (device (vbd (uname phy:vg/acme) (dev hda))))",
            "((domain (name a) (domid 1)) (domain (name b) (uuid 9a0df5b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b)))",
        ] {
            let once = disguised(text);
            assert_eq!(disguised(&once), once);
        }
    }
}
