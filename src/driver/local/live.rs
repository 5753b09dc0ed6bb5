//! What xenstore knows of a running domain and its configuration does not say: terminals, the VNC port, the names of its interfaces in the
//! host, who serves each disk.
//!
//! A guest owns its side of each device (`/local/domain/N/device`), and can write there what it likes. So nothing is read from
//! there: devices are found where only the toolstack writes (`/libxl/N/device`) and among Domain-0's own backends. What
//! is read is bounded and must have the form that it should have; anything else counts as absent (facts: xen-abi.md 6).
//!
//! It takes two round trips: which devices there are, and what each of them says. One more where a backend is in a driver domain.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::xenstore::{Batch, Xenstore};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::model::guest::{CharSource, Graphics, Live, Mac};
use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::{DomId, Guest};
use crate::wire::xenstore::{Request, parse_names, parse_text};

/// More devices of a kind than any guest has.
const MAX_DEVICES: usize = 1024;
/// The longest value that is taken.
const MAX_VALUE: usize = 64;
/// The longest name of a network interface in Linux.
const MAX_IFNAME: usize = 15;
/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;

/// A kind of device, under the toolstack's name for it, with the kinds of backend that serve it.
struct Family {
    name: &'static str,
    backends: &'static [&'static str],
}

const VIF: Family = Family { name: "vif", backends: &["vif"] };
/// `vbd` is the kernel's, `qdisk` the device model's, the others those of blktap.
const VBD: Family = Family { name: "vbd", backends: &["vbd", "qdisk", "vbd3", "tap", "tap2"] };

/// The facts of the domain `domid`, whose configuration is `guest`, in the order of its devices. A MAC address that the configuration lacks
/// is added to it.
///
/// Facts that are not there, or do not have the form that they should, are absent. Errors: those of the connection to xenstored.
pub(super) fn facts(
    xenstore: &Xenstore,
    domid: DomId,
    guest: &mut Guest,
    deadline: Deadline,
) -> Result<Live> {
    let mut first = Flight::new(xenstore);
    let home = format!("/local/domain/{domid}");
    let of_libxl = first.list(&format!("/libxl/{domid}"));
    let tty = first.read(&format!("{home}/console/tty"));
    let vnc_port = first.read(&format!("{home}/console/vnc-port"));
    let framebuffer = ["location", "vncdisplay", "vncunused"]
        .map(|node| first.read(&format!("/local/domain/0/backend/vfb/{domid}/0/{node}")));
    let serials: Vec<_> =
        guest.serials.iter().map(|port| first.read(&format!("{home}/serial/{}/tty", port.port))).collect();
    let vifs = (!guest.interfaces.is_empty()).then(|| Search::begin(&mut first, domid, &VIF));
    let disks = (!guest.disks.is_empty()).then(|| Search::begin(&mut first, domid, &VBD));
    let first = first.land(deadline)?;

    let mut live = Live {
        domid: Some(domid),
        console_tty: first.text(tty).filter(|text| is_tty(text)),
        vnc_port: first.text(vnc_port).as_deref().and_then(port),
        serial_ttys: serials.into_iter().map(|place| first.text(place).filter(|text| is_tty(text))).collect(),
        ..Live::default()
    };
    if live.vnc_port.is_none() && has_vnc(guest) {
        let [location, display, unused] = framebuffer.map(|place| first.text(place));
        live.vnc_port = port_of_framebuffer(location, display, unused);
    }
    // xend's device model says the terminal of the first serial port only as the console's. libxl's has a console beside it.
    if let (Some(device), Some(first_tty)) = (guest.serials.first(), live.serial_ttys.first_mut())
        && !first.exists(of_libxl)
        && device.source == CharSource::Pty
        && first_tty.is_none()
    {
        first_tty.clone_from(&live.console_tty);
    }

    let mut vifs = vifs.map(|search| search.found(&first)).unwrap_or_default();
    let mut disks = disks.map(|search| search.found(&first)).unwrap_or_default();
    let mut second = Flight::new(xenstore);
    vifs.ask(&mut second, &VIF, domid, &["mac", "vifname"]);
    disks.ask(&mut second, &VBD, domid, &["dev"]);
    let second = second.land(deadline)?;
    vifs.take(&second, &VIF, domid);
    disks.take(&second, &VBD, domid);
    // Only what is in driver domains is still to be asked for.
    let mut third = Flight::new(xenstore);
    vifs.ask(&mut third, &VIF, domid, &["mac", "vifname"]);
    disks.ask(&mut third, &VBD, domid, &["dev"]);
    let third = third.land(deadline)?;
    vifs.take(&third, &VIF, domid);
    disks.take(&third, &VBD, domid);

    live.vifs = name_interfaces(guest, domid, &vifs);
    live.disk_backends = name_backends(guest, &disks);
    Ok(live)
}

fn has_vnc(guest: &Guest) -> bool {
    guest.graphics.iter().any(|screen| matches!(screen, Graphics::Vnc { .. }))
}

/// The devices of one family.
#[derive(Default)]
struct Devices {
    known: BTreeMap<u32, Device>,
    /// Those whose backend only the toolstack's own nodes tell, with the place of the answer.
    elsewhere: BTreeMap<u32, Option<Place>>,
}

/// A device with its backend.
#[derive(Default)]
struct Device {
    backend: String,
    /// The backend's kind: `vbd`, `qdisk`.
    kind: String,
    /// The values of the nodes that were asked for, once they have been; their places meanwhile.
    values: Option<Vec<Option<String>>>,
    places: Vec<Place>,
}

/// The lists of one family's devices.
struct Search {
    domid: DomId,
    of_libxl: Place,
    of_backends: Vec<(&'static str, Place)>,
}

impl Search {
    fn begin(flight: &mut Flight<'_>, domid: DomId, family: &'static Family) -> Self {
        let of_libxl = flight.list(&format!("/libxl/{domid}/device/{}", family.name));
        let list =
            |kind: &&'static str| (*kind, flight.list(&format!("/local/domain/0/backend/{kind}/{domid}")));
        Search { domid, of_libxl, of_backends: family.backends.iter().map(list).collect() }
    }

    /// Where libxl has a list, what is not in it is on its way in or out. A device with several backends has one
    /// that is on its way too; libxl says which counts, and xend's hosts have no such thing for long.
    fn found(self, landed: &Landed) -> Devices {
        let listed = landed.numbers(self.of_libxl);
        let mut devices = Devices::default();
        let mut several = BTreeSet::new();
        for (kind, place) in &self.of_backends {
            for devid in landed.numbers(*place).unwrap_or_default() {
                if listed.as_ref().is_some_and(|listed| !listed.contains(&devid)) {
                    continue;
                }
                let backend = format!("/local/domain/0/backend/{kind}/{}/{devid}", self.domid);
                let device = Device { backend, kind: (*kind).to_owned(), ..Device::default() };
                if devices.known.insert(devid, device).is_some() {
                    several.insert(devid);
                }
            }
        }
        devices.known.retain(|devid, _| !several.contains(devid));
        for devid in listed.unwrap_or_default() {
            if !devices.known.contains_key(&devid) {
                devices.elsewhere.insert(devid, None);
            }
        }
        devices
    }
}

impl Devices {
    /// Asks each device that has not been asked for the values of `nodes`, and the toolstack for the backends of the others.
    fn ask(&mut self, flight: &mut Flight<'_>, family: &Family, domid: DomId, nodes: &[&str]) {
        for device in self.known.values_mut().filter(|device| device.values.is_none()) {
            device.places =
                nodes.iter().map(|node| flight.read(&format!("{}/{node}", device.backend))).collect();
        }
        for (devid, place) in self.elsewhere.iter_mut().filter(|(_, place)| place.is_none()) {
            *place = Some(flight.read(&format!("/libxl/{domid}/device/{}/{devid}/backend", family.name)));
        }
    }

    /// Takes the answers.
    fn take(&mut self, landed: &Landed, family: &Family, domid: DomId) {
        for device in self.known.values_mut().filter(|device| device.values.is_none()) {
            let places = std::mem::take(&mut device.places);
            device.values = Some(places.into_iter().map(|place| landed.text(place)).collect());
        }
        for (devid, place) in std::mem::take(&mut self.elsewhere) {
            let Some(backend) = place.and_then(|place| landed.text(place)) else { continue };
            if let Some(kind) = backend_kind(&backend, family, domid, devid) {
                self.known.insert(devid, Device { kind, backend, ..Device::default() });
            }
        }
    }
}

impl Device {
    fn value(&self, index: usize) -> Option<&str> {
        self.values.as_ref()?.get(index)?.as_deref()
    }
}

/// The kind in `/local/domain/B/backend/KIND/N/DEVID`; None where the path is anything else.
fn backend_kind(path: &str, family: &Family, domid: DomId, devid: u32) -> Option<String> {
    let rest = path.strip_prefix("/local/domain/")?;
    let (host, rest) = rest.split_once("/backend/")?;
    let (kind, rest) = rest.split_once('/')?;
    number(host).filter(|host| *host < FIRST_RESERVED_DOMID)?;
    let same = rest == format!("{domid}/{devid}") && family.backends.contains(&kind);
    same.then(|| kind.to_owned())
}

/// The names of the interfaces in the host. Interfaces and devices belong together by their MAC addresses; where the configuration
/// has none, by their order.
fn name_interfaces(guest: &mut Guest, domid: DomId, devices: &Devices) -> Vec<Option<String>> {
    let mut left: Vec<(u32, Option<Mac>, Option<String>)> = devices
        .known
        .iter()
        .map(|(devid, device)| {
            let mac = device.value(0).and_then(|text| text.parse::<Mac>().ok());
            let name = match device.value(1) {
                Some(name) => Some(name.to_owned()).filter(|text| is_ifname(text)),
                None => Some(format!("vif{domid}.{devid}")),
            };
            (*devid, mac.filter(|mac| !mac.is_multicast()), name)
        })
        .collect();
    let mut names = vec![None; guest.interfaces.len()];
    for (interface, slot) in guest.interfaces.iter().zip(&mut names) {
        if interface.mac.is_some()
            && let Some(at) = left.iter().position(|(_, mac, _)| *mac == interface.mac)
        {
            *slot = left.remove(at).2;
        }
    }
    let mut left = left.into_iter();
    for (interface, slot) in guest.interfaces.iter_mut().zip(&mut names) {
        if interface.mac.is_none()
            && let Some((_, mac, name)) = left.next()
        {
            interface.mac = mac;
            *slot = name;
        }
    }
    names
}

/// Who serves each disk: they belong together by the disk's name in the guest.
fn name_backends(guest: &Guest, devices: &Devices) -> Vec<Option<String>> {
    let of = |target: &str| {
        devices.known.values().find(|device| {
            // xend keeps words of its own about the name.
            let name = device.value(0).unwrap_or_default();
            let name = name.strip_prefix("ioemu:").unwrap_or(name);
            name.split(':').next() == Some(target)
        })
    };
    let word = |device: &Device| match device.kind.as_str() {
        "vbd" => "phy",
        "qdisk" => "qemu",
        _ => "tap",
    };
    guest.disks.iter().map(|disk| of(&disk.target).map(|device| word(device).to_owned())).collect()
}

/// A terminal's file: `/dev/pts/5`, or `/dev/ttyp3` on NetBSD.
fn is_tty(text: &str) -> bool {
    text.strip_prefix("/dev/").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .split('/')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    })
}

fn is_ifname(text: &str) -> bool {
    text.len() <= MAX_IFNAME && text != "." && text != ".." && !text.contains(['/', ':'])
}

fn port(text: &str) -> Option<u16> {
    number(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// xend's framebuffers: `127.0.0.1:5901`, or the display where no other could be taken.
fn port_of_framebuffer(
    location: Option<String>,
    display: Option<String>,
    unused: Option<String>,
) -> Option<u16> {
    let of_location = location.and_then(|text| port(text.rsplit_once(':')?.1));
    of_location.or_else(|| {
        let display = display.filter(|_| unused.as_deref() != Some("1"))?;
        u16::try_from(number(&display)?).ok()?.checked_add(VNC_PORT)
    })
}

/// Digits, without a sign or leading zeros.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Requests that leave together, each with the place of its answer.
struct Flight<'a> {
    batch: Batch<'a>,
}

/// None: the request could not be made.
type Place = Option<usize>;

impl<'a> Flight<'a> {
    fn new(xenstore: &'a Xenstore) -> Self {
        Flight { batch: xenstore.batch() }
    }

    fn read(&mut self, path: &str) -> Place {
        self.batch.read(path).ok()
    }

    fn list(&mut self, path: &str) -> Place {
        self.batch.push(&Request::Directory(path)).ok()
    }

    fn land(self, deadline: Deadline) -> Result<Landed> {
        Ok(Landed(self.batch.send(deadline)?.into_iter().map(|reply| reply.outcome.ok()).collect()))
    }
}

/// What came back; None for a refusal.
struct Landed(Vec<Option<Vec<u8>>>);

impl Landed {
    fn payload(&self, place: Place) -> Option<&[u8]> {
        self.0.get(place?)?.as_deref()
    }

    fn exists(&self, place: Place) -> bool {
        self.payload(place).is_some()
    }

    /// A short printable value without blanks.
    fn text(&self, place: Place) -> Option<String> {
        let text = parse_text(self.payload(place)?).ok()?;
        let good = !text.is_empty() && text.len() <= MAX_VALUE && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| text.to_owned())
    }

    /// The numbers in a list of names; None where there is no list.
    fn numbers(&self, place: Place) -> Option<BTreeSet<u32>> {
        let names = parse_names(self.payload(place)?).ok()?;
        Some(names.iter().filter_map(|name| number(name)).take(MAX_DEVICES).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::Log;
    use crate::model::GuestType;
    use crate::model::guest::{CharDevice, Disk, Interface, Os};
    use crate::sim::{SimConfig, SimHost};

    /// The embedded host's xenstored, and nodes of a domain that only this test knows.
    struct Store {
        xs: Xenstore,
        _host: SimHost,
    }

    const N: DomId = 777;

    impl Store {
        fn with(nodes: &[(&str, &str)]) -> Self {
            let host = SimHost::start(SimConfig::default()).unwrap();
            let store = Store { xs: Xenstore::over(host.xenstore_dial(), Log::default()), _host: host };
            store.add(nodes);
            store
        }

        fn add(&self, nodes: &[(&str, &str)]) {
            for (path, value) in nodes {
                self.xs.write(path, value, soon()).unwrap();
            }
        }

        fn facts(&self, guest: &mut Guest) -> Live {
            facts(&self.xs, N, guest, soon()).unwrap()
        }
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(20))
    }

    fn disk(target: &str) -> Disk {
        Disk { target: target.into(), ..Disk::default() }
    }

    fn interface(mac: &str) -> Interface {
        Interface { mac: mac.parse().ok(), ..Interface::default() }
    }

    fn pty(port: u32) -> CharDevice {
        CharDevice { port, source: CharSource::Pty }
    }

    fn hvm() -> Os {
        Os { kind: GuestType::Hvm, ..Os::default() }
    }

    fn vnc() -> Graphics {
        Graphics::Vnc { port: None, listen: None, password: None, keymap: None }
    }

    fn some(words: &[&str]) -> Vec<Option<String>> {
        words.iter().map(|word| Some(*word).filter(|word| !word.is_empty()).map(str::to_owned)).collect()
    }

    /// As xl 4.17 leaves them for an HVM guest with two serial ports, three drives and one interface.
    const HVM: &[(&str, &str)] = &[
        ("/libxl/777/device/vif/0/backend", "/local/domain/0/backend/vif/777/0"),
        ("/libxl/777/device/vbd/768/backend", "/local/domain/0/backend/vbd/777/768"),
        ("/libxl/777/device/vbd/5632/backend", "/local/domain/0/backend/qdisk/777/5632"),
        ("/libxl/777/device/vbd/5696/backend", "/local/domain/0/backend/qdisk/777/5696"),
        ("/local/domain/0/backend/vbd/777/768/dev", "hda"),
        ("/local/domain/0/backend/qdisk/777/5632/dev", "hdc"),
        ("/local/domain/0/backend/qdisk/777/5696/dev", "hdd"),
        ("/local/domain/0/backend/vif/777/0/mac", "00:16:3e:11:22:33"),
        ("/local/domain/777/console/tty", "/dev/pts/0"),
        ("/local/domain/777/console/vnc-port", "5900"),
        ("/local/domain/777/serial/0/tty", "/dev/pts/1"),
        ("/local/domain/777/serial/1/tty", "/dev/pts/2"),
    ];

    fn hvm_guest() -> Guest {
        Guest {
            os: hvm(),
            disks: ["hda", "hdc", "hdd"].map(disk).into(),
            interfaces: vec![interface("00:16:3e:11:22:33")],
            serials: vec![pty(0), pty(1)],
            graphics: vec![vnc()],
            ..Guest::default()
        }
    }

    #[test]
    fn all_of_a_running_guest_is_found_in_two_round_trips() {
        let store = Store::with(HVM);
        let mut guest = hvm_guest();
        let before = store.xs.round_trips();
        let live = store.facts(&mut guest);
        assert_eq!(store.xs.round_trips() - before, 2);
        let expected = Live {
            domid: Some(N),
            console_tty: Some("/dev/pts/0".into()),
            vnc_port: Some(5900),
            serial_ttys: some(&["/dev/pts/1", "/dev/pts/2"]),
            vifs: some(&["vif777.0"]),
            disk_backends: some(&["phy", "qemu", "qemu"]),
        };
        assert_eq!(live, expected);
        assert_eq!(guest, hvm_guest());
    }

    #[test]
    fn a_domain_without_nodes_has_no_facts() {
        let store = Store::with(&[]);
        let mut guest = hvm_guest();
        let live = store.facts(&mut guest);
        let expected = Live {
            domid: Some(N),
            serial_ttys: some(&["", ""]),
            vifs: some(&[""]),
            disk_backends: some(&["", "", ""]),
            ..Live::default()
        };
        assert_eq!(live, expected);
    }

    #[test]
    fn interfaces_are_known_by_their_macs_and_missing_macs_are_added() {
        let store = Store::with(&[
            ("/local/domain/0/backend/vif/777/0/mac", "00:16:3e:00:00:0a"),
            ("/local/domain/0/backend/vif/777/2/mac", "00:16:3e:00:00:0c"),
            ("/local/domain/0/backend/vif/777/10/mac", "00:16:3e:00:00:0d"),
            ("/local/domain/0/backend/vif/777/10/vifname", "web0"),
        ]);
        // The one that was unplugged (1) and the order of numbers, not of names, must not lead astray.
        let mut guest = Guest {
            interfaces: vec![interface("00:16:3E:0:0:d"), interface(""), interface("")],
            ..Guest::default()
        };
        let live = store.facts(&mut guest);
        assert_eq!(live.vifs, some(&["web0", "vif777.0", "vif777.2"]));
        let macs: Vec<String> = guest.interfaces.iter().map(|one| one.mac.unwrap().to_string()).collect();
        assert_eq!(macs, ["00:16:3e:00:00:0d", "00:16:3e:00:00:0a", "00:16:3e:00:00:0c"]);
    }

    #[test]
    fn a_backend_in_a_driver_domain_costs_one_round_trip_more() {
        let store = Store::with(&[
            ("/libxl/777/device/vif/0/backend", "/local/domain/5/backend/vif/777/0"),
            ("/local/domain/5/backend/vif/777/0/mac", "00:16:3e:00:00:0a"),
            ("/libxl/777/device/vbd/51712/backend", "/local/domain/6/backend/vbd/777/51712"),
            ("/local/domain/6/backend/vbd/777/51712/dev", "xvda"),
        ]);
        let mut guest =
            Guest { interfaces: vec![interface("")], disks: vec![disk("xvda")], ..Guest::default() };
        let before = store.xs.round_trips();
        let live = store.facts(&mut guest);
        assert_eq!(store.xs.round_trips() - before, 3);
        assert_eq!((live.vifs, live.disk_backends), (some(&["vif777.0"]), some(&["phy"])));
        assert!(guest.interfaces[0].mac.is_some());
    }

    #[test]
    fn what_the_guest_says_of_its_devices_is_not_asked_for() {
        let store = Store::with(HVM);
        store.add(&[
            ("/local/domain/777/device/vif/0/backend", "/local/domain/9/backend/vif/777/0"),
            ("/local/domain/777/device/vif/1/backend", "/local/domain/9/backend/vif/777/1"),
            ("/local/domain/777/device/vbd/768/backend", "/local/domain/9/backend/qdisk/777/768"),
            ("/local/domain/9/backend/vif/777/0/vifname", "evil"),
            ("/local/domain/9/backend/vif/777/0/mac", "00:16:3e:11:22:33"),
        ]);
        let live = store.facts(&mut hvm_guest());
        assert_eq!(live.vifs, some(&["vif777.0"]));
        assert_eq!(live.disk_backends, some(&["phy", "qemu", "qemu"]));
    }

    #[test]
    fn values_of_another_form_are_absent() {
        let long = "/dev/pts/".to_owned() + &"1".repeat(4000);
        for tty in [
            "",
            "pts/1",
            "/dev/",
            "/dev/pts/",
            "/dev/../etc/passwd",
            "/dev/pts/1\n",
            "/dev/p ts",
            "/dev/\u{e9}",
            &long,
        ] {
            let store = Store::with(HVM);
            let nodes = ["console/tty", "serial/0/tty"].map(|node| format!("/local/domain/777/{node}"));
            store.add(&nodes.each_ref().map(|node| (node.as_str(), tty)));
            let live = store.facts(&mut hvm_guest());
            assert_eq!((live.console_tty, live.serial_ttys), (None, some(&["", "/dev/pts/2"])), "{tty:?}");
        }
        for port in ["", "0", "65536", "-1", "+5900", "05900", "59 00", "x"] {
            let store = Store::with(HVM);
            store.add(&[("/local/domain/777/console/vnc-port", port)]);
            assert_eq!(store.facts(&mut hvm_guest()).vnc_port, None, "{port:?}");
        }
        for (mac, name) in [("x", "a/b"), ("01:00:5e:00:00:01", "way-too-long-for-a-name")] {
            let store = Store::with(&[
                ("/local/domain/0/backend/vif/777/0/mac", mac),
                ("/local/domain/0/backend/vif/777/0/vifname", name),
            ]);
            let mut guest = Guest { interfaces: vec![interface("")], ..Guest::default() };
            assert_eq!(store.facts(&mut guest).vifs, [None], "{mac}");
            assert_eq!(guest.interfaces[0].mac, None, "{mac}");
        }
    }

    #[test]
    fn a_backends_path_has_one_form() {
        let kind = |path: &str| backend_kind(path, &VBD, 777, 768);
        assert_eq!(kind("/local/domain/0/backend/qdisk/777/768").as_deref(), Some("qdisk"));
        assert_eq!(kind("/local/domain/32751/backend/tap/777/768").as_deref(), Some("tap"));
        for bad in [
            "",
            "/local/domain/0/backend/vif/777/768",
            "/local/domain/0/backend/qdisk/777/769",
            "/local/domain/0/backend/qdisk/776/768",
            "/local/domain/0/backend/qdisk/777/768/x",
            "/local/domain/00/backend/qdisk/777/768",
            "/local/domain/32752/backend/qdisk/777/768",
            "/local/domain/1/2/backend/qdisk/777/768",
            "/vm/x/backend/qdisk/777/768",
        ] {
            assert_eq!(kind(bad), None, "{bad}");
        }
    }

    #[test]
    fn xends_hosts_say_some_things_elsewhere() {
        let store = Store::with(&[
            ("/local/domain/0/backend/vbd/777/768/dev", "hda"),
            ("/local/domain/0/backend/tap/777/5632/dev", "ioemu:hdc:cdrom"),
            ("/local/domain/0/backend/vfb/777/0/location", "127.0.0.1:5903"),
            ("/local/domain/777/console/tty", "/dev/pts/4"),
        ]);
        let live = store.facts(&mut hvm_guest());
        assert_eq!(live.disk_backends, some(&["phy", "tap", ""]));
        assert_eq!(live.vnc_port, Some(5903));
        assert_eq!(live.serial_ttys, some(&["/dev/pts/4", ""]));
        // Where libxl runs, that terminal is another one's.
        store.add(&[("/libxl/777/type", "hvm")]);
        assert_eq!(store.facts(&mut hvm_guest()).serial_ttys, some(&["", ""]));
    }

    #[test]
    fn a_flood_of_nodes_is_passed_over() {
        let store = Store::with(HVM);
        for n in 0..2000 {
            store.add(&[(&format!("/local/domain/777/device/vif/flood-{n}"), "x")]);
            store.add(&[(&format!("/local/domain/0/backend/vif/777/x{n}"), "x")]);
        }
        // Domain-0's list does not fit into one answer any more; libxl's own says where to look.
        assert_eq!(store.facts(&mut hvm_guest()).vifs, some(&["vif777.0"]));
    }
}
