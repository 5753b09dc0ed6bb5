use proptest::prelude::*;

use super::*;
use crate::model::GuestType;
use crate::model::guest::{
    CharSource, ClockOffset, DiskDevice, DiskKind, Graphics, InputKind, InterfaceKind, Lifecycle,
};

/// As Xen 4.2 to 4.4 print: everything, with null for absent texts, and what belongs to one kind of guest under `u`.
const OLD: &str = r#"[{"domid": 3, "config": {
    "c_info": {"type": "pv", "hap": "<default>", "oos": "<default>", "ssidref": 0, "name": "old",
               "uuid": "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "xsdata": {}, "platformdata": {}, "poolid": 0},
    "b_info": {"max_vcpus": 2, "avail_vcpus": [0], "cpumap": [1, 2], "tsc_mode": "default", "max_memkb": 131072, "target_memkb": 131072,
               "video_memkb": -1, "shadow_memkb": 2048, "rtc_timeoffset": 0, "localtime": "<default>", "device_model": null,
               "sched_params": {"weight": 1000}, "ioports": [], "irqs": [],
               "u": {"kernel": null, "slack_memkb": -1, "bootloader": "pygrub", "bootloader_args": ["--kernel=/k", "-q"],
                     "cmdline": null, "ramdisk": null}},
    "disks": [{"backend_domid": 0, "pdev_path": "/dev/vg/root", "vdev": "xvda", "backend": "phy", "format": "raw", "script": null,
               "removable": 0, "readwrite": 1, "is_cdrom": 0}],
    "nics": [], "pcidevs": [], "vfbs": [], "vkbs": [],
    "on_poweroff": "destroy", "on_reboot": "restart", "on_watchdog": "destroy", "on_crash": "coredump_destroy"}}]"#;

/// As Xen 4.5 to 4.9 keep: the kernel in the part of PV guests.
const MIDDLE: &str = r#"{"c_info": {"type": "pv", "name": "middle"},
    "b_info": {"target_memkb": 65536, "type.pv": {"kernel": "/k", "ramdisk": "/r", "cmdline": "root=/dev/xvda1"}}}"#;

fn one(text: &str) -> Guest {
    let mut all = from_json(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(all.len(), 1);
    all.remove(0).guest
}

/// A guest of 64 MiB with something more in `b_info`, and something more beside it.
fn with(kind: &str, build: &str, more: &str) -> String {
    format!(
        r#"{{"c_info": {{"type": "{kind}", "name": "g"}}, "b_info": {{"max_memkb": 65536{build}}}{more}}}"#
    )
}

fn fault(text: &str) -> String {
    from_json(text).expect_err(text).to_string()
}

#[test]
fn the_forms_of_older_releases_are_read() {
    let all = from_json(OLD).unwrap();
    assert_eq!(all[0].domid, Some(3));
    let old = &all[0].guest;
    assert_eq!((old.vcpus.max, old.vcpus.current), (2, Some(1)));
    assert_eq!(old.vcpus.cpuset, Some([1, 2].into()));
    assert_eq!(old.os.bootloader.as_deref(), Some("pygrub"));
    assert_eq!(old.os.bootloader_args.as_deref(), Some("--kernel=/k -q"));
    assert_eq!(old.os.kernel, None);
    assert_eq!((old.disks[0].kind, old.disks[0].driver.as_deref()), (DiskKind::Block, Some("phy")));
    assert_eq!((old.on_reboot, old.on_crash), (Lifecycle::Restart, Lifecycle::CoredumpDestroy));

    let middle = one(MIDDLE);
    assert_eq!(middle.os.kernel.as_deref(), Some("/k"));
    assert_eq!(middle.os.initrd.as_deref(), Some("/r"));
    assert_eq!(middle.os.cmdline.as_deref(), Some("root=/dev/xvda1"));
    assert_eq!((middle.max_memory_kib, middle.memory_kib), (65536, 65536));
    // What is absent there is libxl's default.
    assert_eq!(middle.on_reboot, Lifecycle::Destroy);
}

#[test]
fn the_wrapper_of_an_older_dryrun_is_read() {
    let wrapped = format!(r#"{{"domid": null, "config": {MIDDLE}}}"#);
    let all = from_json(&wrapped).unwrap();
    assert_eq!((all[0].domid, all[0].guest.name.as_str()), (None, "middle"));
    let wrapped =
        format!(r#"[{{"domid": 4294967295, "config": {MIDDLE}}}, {{"domid": 7, "config": {MIDDLE}}}]"#);
    let domids: Vec<_> = from_json(&wrapped).unwrap().iter().map(|one| one.domid).collect();
    assert_eq!(domids, [None, Some(7)]);
    assert_eq!(from_json("[\n]\n").unwrap(), []);
}

#[test]
fn what_an_hvm_guest_leaves_out_is_libxls_default() {
    let guest = one(&with("hvm", "", ""));
    assert!(guest.features.acpi && guest.features.apic && guest.features.pae);
    assert_eq!(guest.features.hap, None);
    assert_eq!(guest.graphics, [Graphics::Vnc { port: None, listen: None, password: None, keymap: None }]);
    let silent = one(&with("hvm", r#", "type.hvm": {"vnc": {"enable": "False"}}"#, ""));
    assert_eq!(silent.graphics, []);
    let pv = one(&with("pv", "", ""));
    assert_eq!((pv.features, pv.graphics), (Default::default(), Vec::new()));
    let pvh = one(&with("pvh", "", ""));
    assert_eq!((pvh.os.kind, pvh.features), (GuestType::Pvh, Default::default()));
}

#[test]
fn one_value_or_a_list_of_them_says_the_same() {
    let one_each = r#", "type.hvm": {"serial": "pty", "usbdevice": "tablet"}"#;
    let lists = r#", "type.hvm": {"serial_list": ["pty"], "usbdevice_list": ["tablet"]}"#;
    let (one_each, lists) = (one(&with("hvm", one_each, "")), one(&with("hvm", lists, "")));
    assert_eq!(one_each, lists);
    assert_eq!((lists.serials[0].port, &lists.serials[0].source), (0, &CharSource::Pty));
    assert_eq!(lists.inputs[0].kind, InputKind::Tablet);
    // A port that is not there keeps its number.
    let gap = one(&with("hvm", r#", "type.hvm": {"serial_list": ["none", "pty"]}"#, ""));
    assert_eq!(gap.serials.iter().map(|port| port.port).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_screens_port_is_fixed_only_where_no_other_may_be_taken() {
    let screen = |vnc: &str| {
        let vfbs = format!(r#", "vfbs": [{{"vnc": {{{vnc}}}}}]"#);
        one(&with("pv", "", &vfbs)).graphics
    };
    let expected = |port, listen: Option<&str>| {
        [Graphics::Vnc { port, listen: listen.map(str::to_owned), password: None, keymap: None }]
    };
    assert_eq!(screen(r#""enable": "True", "display": 7"#), expected(None, None));
    assert_eq!(screen(r#""display": 7, "findunused": "False""#), expected(Some(5907), None));
    assert_eq!(
        screen(r#""listen": "0.0.0.0:4", "findunused": "False""#),
        expected(Some(5904), Some("0.0.0.0"))
    );
    assert_eq!(screen(r#""listen": "::1", "findunused": "False""#), expected(Some(5900), Some("::1")));
    let far = with("pv", "", r#", "vfbs": [{"vnc": {"display": 60000, "findunused": "False"}}]"#);
    assert!(fault(&far).contains("vfbs[0]: vnc: there is no display 60000"), "{}", fault(&far));
}

#[test]
fn an_offset_of_the_clock_has_a_sign() {
    let offset =
        |number: &str| one(&with("pv", &format!(r#", "rtc_timeoffset": {number}"#), "")).clock.offset;
    assert_eq!(offset("3600"), ClockOffset::Seconds(3600));
    assert_eq!(offset("4294960096"), ClockOffset::Seconds(-7200));
    assert_eq!(offset("-7200"), ClockOffset::Seconds(-7200));
    assert_eq!(offset("0"), ClockOffset::Zero);
}

#[test]
fn empty_drives_and_unknown_backends_are_told_apart_from_known_ones() {
    let disks = r#", "disks": [
        {"vdev": "hdc", "pdev_path": "", "format": "empty", "is_cdrom": 1, "removable": 1},
        {"vdev": "hda", "pdev_path": "/x", "backend": "standalone", "format": "qed", "readwrite": 1}]"#;
    let guest = one(&with("hvm", "", disks));
    let [hda, hdc] = guest.disks.as_slice() else { panic!("{:?}", guest.disks) };
    assert_eq!((hda.driver.as_deref(), hda.format.as_deref(), hda.readonly), (None, Some("qed"), false));
    assert_eq!((hdc.device, &hdc.source, &hdc.format, hdc.readonly), (DiskDevice::Cdrom, &None, &None, true));
}

#[test]
fn what_connects_an_interface_says_its_kind() {
    let kind = |nic: &str| one(&with("pv", "", &format!(r#", "nics": [{nic}]"#))).interfaces[0].kind.clone();
    assert_eq!(kind("{}"), InterfaceKind::Ethernet(None));
    assert_eq!(kind(r#"{"script": "vif-bridge"}"#), InterfaceKind::Bridge(None));
    assert_eq!(kind(r#"{"script": "vif-route"}"#), InterfaceKind::Ethernet(None));
    assert_eq!(kind(r#"{"script": "vif-route", "bridge": "b"}"#), InterfaceKind::Bridge(Some("b".into())));
}

#[test]
fn a_fault_names_its_place() {
    for (text, expected) in [
        (
            with("pv", r#", "target_memkb": "x""#, ""),
            "b_info.target_memkb: expected a whole number, found 'x'",
        ),
        (
            with("pv", r#", "target_memkb": 1.5"#, ""),
            "b_info.target_memkb: expected a whole number, found 1.5",
        ),
        (with("pv", r#", "target_memkb": -2"#, ""), "b_info.target_memkb: -2 KiB are more memory"),
        (with("xen", "", ""), "c_info.type: 'xen' is no type of guest"),
        (with("pv", "", r#", "disks": {}"#), "disks: expected a list, found an object"),
        (with("pv", "", r#", "disks": [{}]"#), "disks[0]: the name in the guest (vdev) is missing"),
        (with("pv", "", r#", "disks": [3]"#), "disks[0]: expected an object, found 3"),
        (with("pv", "", r#", "nics": [{"mac": "x"}]"#), "nics[0].mac: 'x' is no MAC address"),
        (with("pv", "", r#", "on_crash": "burn""#), "on_crash: 'burn' is no action"),
        (with("pv", r#", "localtime": "yes""#, ""), "b_info.localtime: expected True, False or <default>"),
        (
            with("pv", r#", "avail_vcpus": [0, 70000]"#, ""),
            "b_info.avail_vcpus[1]: the number is out of range",
        ),
        (with("pv", r#", "max_vcpus": 4097"#, ""), "max_vcpus: 4097 are more than 4096"),
        (with("hvm", r#", "type.hvm": {"serial": "frob:"}"#, ""), "b_info.type.hvm: serial: 'frob:'"),
        (with("pv", "", r#", "pcidevs": [{"dev": 32}]"#), "pcidevs[0]: there is no such PCI address"),
        (with("pv", "", r#", "pcidevs": [{"bus": 256}]"#), "pcidevs[0].bus: 256 is out of range"),
        (format!("[{MIDDLE}, {}]", with("pv", r#", "kernel": 1"#, "")), "[1].b_info.kernel: expected a text"),
        (r#"[{"domid": 32752, "config": {}}]"#.into(), "[0].domid: no domain has the number 32752"),
        (r#"{"domid": 1, "config": 3}"#.into(), "config: expected an object, found 3"),
        (r#"{"config": {}}"#.into(), "config: this is no domain's configuration: it has no c_info"),
        (r#"{"c_info": {"type": "pv"}, "b_info": {}}"#.into(), "c_info: the name is missing"),
        ("3".into(), "expected an object, found 3"),
        ("{\n  oops".into(), "line 2, column 3: not JSON"),
        ("".into(), "line 1, column 1: not JSON"),
    ] {
        let message = fault(&text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    assert!(fault(&" ".repeat(MAX_TEXT + 1)).contains("are more than"));
    assert!(fault(&"[".repeat(1000)).contains("not JSON"));
    let bits = vec!["0"; (1 << 16) + 1].join(",");
    assert!(fault(&with("pv", &format!(r#", "avail_vcpus": [{bits}]"#), "")).contains("is longer than"));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let keys = proptest::sample::select(vec![
        "config",
        "domid",
        "c_info",
        "b_info",
        "type",
        "name",
        "uuid",
        "u",
        "type.hvm",
        "type.pv",
        "max_memkb",
        "max_vcpus",
        "avail_vcpus",
        "vcpu_hard_affinity",
        "kernel",
        "bootloader_args",
        "disks",
        "vdev",
        "format",
        "nics",
        "mac",
        "ip",
        "rate_bytes_per_interval",
        "rate_interval_usecs",
        "vfbs",
        "vnc",
        "display",
        "findunused",
        "listen",
        "pcidevs",
        "bus",
        "serial_list",
        "usbdevice",
        "boot",
        "vga",
        "kind",
        "on_crash",
        "rtc_timeoffset",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..70000u32).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![
            "pv",
            "hvm",
            "pvh",
            "True",
            "False",
            "<default>",
            "g",
            "hda",
            "pty",
            "tcp::1,server",
            "1.2.3.4:5",
            "::",
            "restart",
            "00:16:3e:00:00:01",
            "4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
            "cdn",
            "10.0.0.1/33",
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 200, 12, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..12).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}") {
        let _ = from_json(&text);
    }

    #[test]
    fn any_values_in_known_places_are_read_or_refused(identity in any_json(), build in any_json(), rest in any_json()) {
        let mut config = match rest {
            serde_json::Value::Object(map) => map,
            other => [("disks".to_owned(), other)].into_iter().collect(),
        };
        config.insert("b_info".into(), build);
        let mut identity = identity;
        if let Some(map) = identity.as_object_mut() {
            map.insert("name".into(), "g".into());
            map.entry("type").or_insert("hvm".into());
        }
        config.insert("c_info".into(), identity);
        let _ = from_json(&serde_json::Value::Object(config).to_string());
    }

    #[test]
    fn a_damaged_document_is_read_or_refused(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}\",:0-9a-z-]", 0..4u8), 1..6),
    ) {
        let mut text: Vec<char> = OLD.chars().collect();
        for (place, with, act) in cuts {
            if text.is_empty() {
                break;
            }
            let at = place.index(text.len());
            match act {
                0 => text[at] = with.chars().next().unwrap_or(' '),
                1 => text.insert(at, with.chars().next().unwrap_or(' ')),
                2 => { text.remove(at); }
                _ => text.truncate(at),
            }
        }
        let _ = from_json(&text.into_iter().collect::<String>());
    }
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place() {
    let text = r#"[{"domid": 99999, "config": {
  "c_info": {"name": "a/b", "type": "pv"},
  "b_info": {"max_memkb": "much", "max_vcpus": 1},
  "nics": [{"mac": "1"}, {"mac": 5}],
  "on_crash": 7}}]"#;
    let said: Vec<String> = examine(text).problems.iter().map(ToString::to_string).collect();
    let said: Vec<&str> = said.iter().map(|one| one.trim_start_matches("libxl's JSON, line ")).collect();
    assert_eq!(
        said,
        [
            "1, column 12: [0].domid: no domain has the number 99999",
            "2, column 22: [0].config.c_info.name: the name 'a/b' has a '/', which no domain's name can have",
            "3, column 27: [0].config.b_info.max_memkb: expected a whole number, found 'much'",
            "4, column 20: [0].config.nics[0].mac: '1' is no MAC address",
            "4, column 34: [0].config.nics[1].mac: expected a text, found 5",
            "5, column 15: [0].config.on_crash: expected a text, found 7",
        ]
    );
    assert_eq!(
        from_json(text).unwrap_err().to_string(),
        "libxl's JSON, line 1, column 12: [0].domid: no domain has the number 99999"
    );
    let said = examine("[\n {\"a\": tru}]").problems.remove(0).to_string();
    assert!(
        said.starts_with("libxl's JSON, line 2, column 11: not JSON from here on: expected ident"),
        "{said}"
    );
    assert_eq!(examine("[]").problems.remove(0).to_string(), "libxl's JSON: no domain in it");
}

#[test]
fn processors_nodes_usb_channels_and_limits_are_read() {
    let text = r#"{"c_info":{"type":"hvm","name":"g","passthrough":"share_pt"},"b_info":{"max_vcpus":2,"avail_vcpus":[0,1],
        "vcpu_hard_affinity":[[0],[1,2]],"nested_hvm":"False","sched_params":{"weight":512,"cap":150},"max_grant_frames":64,
        "event_channels":2048,"extra":["-a"],"vnuma_nodes":[{"memkb":1024,"distances":[10,21],"pnode":1,"vcpus":[0]},
        {"memkb":2048,"distances":[21,10],"pnode":1,"vcpus":[1]}],"type.hvm":{"acpi_s3":"False","acpi_firmware":"/t","vga":{"kind":"none"},
        "vnc":{"enable":"False"},"spice":{"enable":"True","port":5901,"host":"::1","passwd":"p","vdagent":"True","clipboard_sharing":"True"}}},
        "usbctrls":[{"type":"qusb","version":1,"ports":4}],"usbdevs":[{"type.hostdev":{"hostbus":1,"hostaddr":3}}],
        "channels":[{"name":"a","connection.socket":{"path":"/s"}}]}"#;
    let guest = from_json(text).expect("it is good").remove(0).guest;
    // What xl's language says of it is what was read.
    let file = crate::format::xl::to_xl(&guest).expect("xl has keys for all");
    for part in [
        "cpus = [ \"0\", \"1-2\" ]",
        "nestedhvm = 0",
        "cpu_weight = 512\ncap = 150",
        "max_grant_frames = 64\nevent_channels = 2048",
        "passthrough = \"share_pt\"",
        "device_model_args = [ \"-a\" ]",
        "[ \"pnode=1\", \"size=1\", \"vcpus=0\", \"vdistances=10,21\" ]",
        "acpi_s3 = 0",
        "acpi_firmware = \"/t\"",
        "vga = \"none\"",
        "spicehost = \"::1\"\nspiceport = 5901\nspicedisable_ticketing = 0\nspicepasswd = \"p\"",
        "spicevdagent = 1",
        "usbctrl = [ \"type=qusb,version=1,ports=4\" ]",
        "usbdev = [ \"hostbus=1,hostaddr=3\" ]",
        "channel = [ \"connection=socket,path=/s,name=a\" ]",
    ] {
        assert!(file.contains(part), "{part} is missing:\n{file}");
    }
}
