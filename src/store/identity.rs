//! Who a domain is whose file does not say it: docs/model.md, "Domain files", "Identity".

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::model::{Guest, Uuid};

/// The namespace of all that is derived here. Made up once, at random; another would give every such domain another uuid.
const NAMESPACE: Uuid = Uuid::from_u128(0x7b1f_52a9_6c0e_4d83_9a57_e2c4_08d1_b36f);

/// Where a machine's id is: systemd's file, and D-Bus's on hosts without systemd (machine-id(5), dbus-uuidgen(1)).
const MACHINE_ID_FILES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// The host's name, as the kernel knows it.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";
/// More than any of these files holds.
const LONGEST: usize = 1024;

/// What tells this machine from others: the machine's id, or where there is none the host's name, which everybody can read as well.
/// (The board's own number would be better, but only root can read it: the same file would be another domain to another user.)
pub(super) fn machine() -> String {
    let id = MACHINE_ID_FILES.iter().find_map(|file| machine_id(&small_file(file)?));
    id.unwrap_or_else(|| format!("host {}", small_file(HOST_NAME_FILE).unwrap_or_default().trim_end()))
}

/// The 32 digits that a machine-id file holds; None for `uninitialized`, zeroes, or anything else.
fn machine_id(text: &str) -> Option<String> {
    let id = text.trim_end();
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0');
    is_id.then(|| id.to_ascii_lowercase())
}

fn small_file(path: &str) -> Option<String> {
    let (bytes, _) = super::file::read(Path::new(path), LONGEST).ok()?;
    String::from_utf8(bytes).ok()
}

/// The uuid of the domain whose file is called `file_name` in `folder`, which is canonical.
pub(super) fn derived_uuid(machine: &str, folder: &Path, file_name: &OsStr) -> Uuid {
    let path = folder.join(file_name);
    let name = [machine.as_bytes(), b"\0", path.as_os_str().as_bytes()].concat();
    version_5(NAMESPACE, &name)
}

/// Gives `guest` its uuid, and to each interface without a MAC address one that follows from the uuid and the interface's place
/// among the others: prefix 00:16:3e, the first bit of the rest 0.
pub(super) fn fill_in(guest: &mut Guest, uuid: Uuid) {
    guest.uuid = Some(uuid);
    let interfaces = guest.interfaces.iter().enumerate();
    let missing: Vec<usize> =
        interfaces.filter(|(_, interface)| interface.mac.is_none()).map(|(at, _)| at).collect();
    let mut missing = missing.into_iter();
    guest.fill_in(|bytes| {
        let at = missing.next().unwrap_or_default();
        let hash = version_5(uuid, format!("interface {at}").as_bytes());
        for (byte, derived) in bytes.iter_mut().zip(hash.as_bytes()) {
            *byte = *derived;
        }
    });
}

/// A uuid of version 5 (RFC 9562, section 5.5).
fn version_5(namespace: Uuid, name: &[u8]) -> Uuid {
    let digest: [u8; 20] = Sha1::new_with_prefix(namespace.as_bytes()).chain_update(name).finalize().into();
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(digest) {
        *byte = hashed;
    }
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::guest::Interface;

    #[test]
    fn version_5_gives_the_example_of_the_rfc() {
        // RFC 9562, appendix A.4: www.example.com in the namespace of DNS names.
        let dns: Uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap();
        let expected = "2ed6657d-e927-568b-95e1-2665a8aea6a2";
        assert_eq!(version_5(dns, b"www.example.com").to_string(), expected);
    }

    #[test]
    fn a_derived_uuid_depends_on_machine_folder_and_name_only() {
        let of = |machine, folder: &str, name: &str| derived_uuid(machine, Path::new(folder), name.as_ref());
        let uuid = of("m", "/etc/xen", "web.cfg");
        assert_eq!(uuid, of("m", "/etc/xen", "web.cfg"));
        assert_eq!(uuid.get_version_num(), 5);
        for other in
            [of("n", "/etc/xen", "web.cfg"), of("m", "/etc", "web.cfg"), of("m", "/etc/xen", "web2.cfg")]
        {
            assert_ne!(uuid, other);
        }
        // Written down: what was derived once must be derived for ever.
        assert_eq!(uuid.to_string(), "81d6eedd-dd47-5fc2-8b79-d024b238be32");
    }

    #[test]
    fn what_is_no_machine_id_is_not_taken_for_one() {
        let id = "3D1219C7C4C5404AAA1F6D2A48ADFDA4\n";
        assert_eq!(machine_id(id).as_deref(), Some("3d1219c7c4c5404aaa1f6d2a48adfda4"));
        for other in ["", "uninitialized\n", "00000000000000000000000000000000", "3d12"] {
            assert_eq!(machine_id(other), None, "{other}");
        }
        assert!(!machine().is_empty());
    }

    #[test]
    fn derived_addresses_are_the_same_each_time_and_differ_within_a_guest() {
        let with = |count| Guest { interfaces: vec![Interface::default(); count], ..Guest::default() };
        let macs = |guest: &Guest| -> Vec<String> {
            guest.interfaces.iter().map(|interface| interface.mac.unwrap().to_string()).collect()
        };
        let (mut three, mut two) = (with(3), with(2));
        fill_in(&mut three, Uuid::from_u128(7));
        fill_in(&mut two, Uuid::from_u128(7));
        let derived = macs(&three);
        assert_eq!(derived[..2], macs(&two));
        assert!(derived.iter().all(|mac| mac.starts_with("00:16:3e:") && &mac[9..10] < "8"), "{derived:?}");
        assert_eq!(derived.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);

        // An address that the file has does not shift those of the interfaces behind it.
        let mut mixed = with(3);
        mixed.interfaces[0].mac = Some("00:16:3e:00:00:01".parse().unwrap());
        fill_in(&mut mixed, Uuid::from_u128(7));
        assert_eq!(macs(&mixed)[1..], derived[1..]);
    }
}
