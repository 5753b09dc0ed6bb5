//! The configuration that the library writes for xl means what the domain XML says: what a real xl understands of it (`xl create
//! --dryrun`) is compared with the model of the XML, field by field. So is what xl keeps of a running domain (`xl list -l`).
//! docs/agreement.md lists the differences that there may be; each of its rows is a rule here.
//!
//! `tests/data/libxl/agreement` and `tests/data/xl/dryrun` hold, for each guest, NAME.cfg (what the library writes) and NAME.json (what xl 4.17 made
//! of it), and NAME.list.json for those that ran. Their XML is beside them or in `tests/data/seeds`. The same is done with folders that the environment names:
//! XENITH_AGREEMENT=FOLDER..., with NAME.xml and NAME.json, NAME.list.json or both; XENITH_AGREEMENT_WRITE=FOLDER... writes NAME.cfg beside each
//! NAME.xml there. The lab does both with a real xl in between (lab/tests/63-dryrun.sh).

// A test that cannot read its data has failed.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xenith::format::libxl_json::from_json;
use xenith::format::xl::to_xl;
use xenith::format::xml;
use xenith::model::GuestType;
use xenith::model::guest::{
    Clock, ClockOffset, Disk, DiskDevice, DiskKind, Features, Guest, Interface, InterfaceKind, Os, Vcpus,
    Video,
};

/// A row of the table: makes both models say the same where the row explains the difference. First the XML's, then xl's.
struct Rule {
    row: &'static str,
    explain: fn(&mut Guest, &mut Guest),
}

const RULES: &[Rule] = &[
    Rule { row: "title, description", explain: |ours, _| (ours.title, ours.description) = (None, None) },
    Rule {
        row: "uuid",
        explain: |ours, xls| {
            if ours.uuid.is_none() {
                xls.uuid = None;
            }
        },
    },
    Rule {
        row: "memory, currentMemory",
        explain: |ours, _| {
            ours.max_memory_kib = ours.max_memory_kib.next_multiple_of(1024);
            ours.memory_kib = ours.memory_kib.next_multiple_of(1024);
        },
    },
    Rule { row: "os/type: arch, machine", explain: |ours, _| (ours.os.arch, ours.os.machine) = (None, None) },
    Rule {
        row: "bootloader",
        explain: |ours, _| {
            if ours.os.bootloader.as_deref() == Some("/usr/bin/pygrub") {
                ours.os.bootloader = Some("pygrub".into());
            }
        },
    },
    Rule {
        row: "bootloader_args",
        explain: |ours, _| {
            let words = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
            ours.os.bootloader_args = ours.os.bootloader_args.as_ref().map(words);
        },
    },
    Rule {
        row: "os/kernel, os/initrd",
        explain: |ours, _| {
            if ours.os.bootloader.is_some() {
                (ours.os.kernel, ours.os.initrd) = (None, None);
            }
        },
    },
    Rule {
        row: "os/root",
        explain: |ours, _| {
            if let Some(root) = ours.os.root.take() {
                let rest = ours.os.cmdline.take().map(|rest| format!(" {rest}")).unwrap_or_default();
                ours.os.cmdline = Some(format!("root={root}{rest}"));
            }
        },
    },
    Rule {
        row: "os/loader",
        explain: |ours, _| {
            ours.os.loader =
                ours.os.loader.take().filter(|loader| loader.path != "/usr/lib/xen/boot/hvmloader");
        },
    },
    Rule {
        row: "features",
        explain: |ours, _| match ours.os.kind {
            GuestType::Pv => ours.features = Features::default(),
            GuestType::Pvh => {
                let Features { acpi, hap, .. } = ours.features;
                ours.features = Features { acpi, hap, ..Features::default() };
            }
            _ => {}
        },
    },
    Rule {
        row: "clock: offset, adjustment",
        explain: |ours, _| {
            if matches!(ours.clock.offset, ClockOffset::Reset | ClockOffset::Seconds(0)) {
                ours.clock.offset = ClockOffset::Zero;
            }
        },
    },
    Rule {
        row: "clock/timer: present",
        explain: |ours, _| {
            for timer in ours.clock.timers.iter_mut().filter(|timer| timer.mode.is_some()) {
                timer.present = Some(true);
            }
        },
    },
    Rule {
        row: "clock/timer: their order",
        explain: |ours, xls| {
            for guest in [ours, xls] {
                guest.clock.timers.sort_by(|one, other| one.name.cmp(&other.name));
            }
        },
    },
    Rule {
        row: "devices/emulator",
        explain: |ours, _| {
            let usual = ["/usr/lib/xen/bin/qemu-dm", "/usr/lib/xen/bin/qemu-system-i386"];
            ours.emulator = ours.emulator.take().filter(|path| !usual.contains(&path.as_str()));
        },
    },
    Rule {
        row: "disk: type",
        explain: |ours, _| {
            for disk in &mut ours.disks {
                if let (Some(path), DiskKind::Block) = (&mut disk.source, disk.kind)
                    && !path.starts_with('/')
                {
                    path.insert_str(0, "/dev/");
                }
                let is_device = disk.source.as_ref().is_some_and(|path| path.starts_with("/dev/"));
                disk.kind = if is_device { DiskKind::Block } else { DiskKind::File };
            }
        },
    },
    Rule {
        row: "disk/driver: name",
        explain: |ours, _| {
            for disk in &mut ours.disks {
                disk.driver = disk.driver.take().filter(|name| name == "phy" || name == "qemu");
            }
        },
    },
    Rule {
        row: "disk/driver: type",
        explain: |ours, _| {
            for disk in ours
                .disks
                .iter_mut()
                .filter(|disk| disk.source.is_some() && disk.device != DiskDevice::Floppy)
            {
                disk.format.get_or_insert_with(|| "raw".into());
            }
        },
    },
    Rule {
        row: "disk/shareable",
        explain: |ours, _| ours.disks.iter_mut().for_each(|disk| disk.shareable = false),
    },
    Rule {
        row: "disk: device='floppy', its place",
        explain: |ours, _| ours.disks.sort_by_key(|disk| disk.device == DiskDevice::Floppy),
    },
    Rule {
        row: "interface: type='bridge' without a source",
        explain: |ours, _| {
            for interface in ours.interfaces.iter_mut() {
                if interface.kind == InterfaceKind::Bridge(None) {
                    interface.script.get_or_insert_with(|| "vif-bridge".into());
                }
            }
        },
    },
    Rule {
        row: "interface: type='ethernet', source",
        explain: |ours, _| {
            for interface in ours.interfaces.iter_mut() {
                if let InterfaceKind::Ethernet(device) = &mut interface.kind {
                    *device = None;
                }
            }
        },
    },
    Rule {
        row: "interface/mac",
        explain: |ours, xls| {
            for (ours, xls) in ours.interfaces.iter().zip(&mut xls.interfaces) {
                if ours.mac.is_none() {
                    xls.mac = None;
                }
            }
        },
    },
    Rule {
        row: "video",
        explain: |ours, _| {
            if ours.is_hvm() && ours.videos.is_empty() && !ours.graphics.is_empty() {
                ours.videos.push(Video { model: "cirrus".into(), ..Video::default() });
            }
            for video in &mut ours.videos {
                video.vram_kib.get_or_insert(8192);
                video.heads.get_or_insert(1);
            }
        },
    },
];

/// All fields, each with its place and value. A field that the model gets is missing here until it is named.
fn fields(guest: &Guest) -> Vec<(String, String)> {
    let mut out = Vec::new();
    macro_rules! put {
        ($at:expr, $($field:ident),*) => { $( out.push((format!("{}{}", $at, stringify!($field)), format!("{:?}", $field))); )* };
    }
    let Guest {
        name,
        uuid,
        title,
        description,
        max_memory_kib,
        memory_kib,
        vcpus,
        os,
        features,
        clock,
        on_poweroff,
        on_reboot,
        on_crash,
        emulator,
        disks,
        interfaces,
        serials,
        parallels,
        inputs,
        graphics,
        sounds,
        videos,
        pci_devices,
        metadata,
        cpu_tuning,
        numa_tuning,
        cpu,
        power_management,
        controllers,
        channels,
        usb_devices,
        usb_redirections,
        arguments,
    } = guest;
    put!("", metadata, cpu_tuning, numa_tuning, cpu, power_management, controllers, channels);
    put!("", usb_devices, usb_redirections, arguments);
    put!(
        "",
        name,
        uuid,
        title,
        description,
        max_memory_kib,
        memory_kib,
        on_poweroff,
        on_reboot,
        on_crash,
        emulator
    );
    put!("", serials, parallels, inputs, graphics, sounds, videos, pci_devices);
    let Vcpus { max, current, cpuset } = vcpus;
    put!("vcpus.", max, current, cpuset);
    let Os {
        kind,
        arch,
        machine,
        bootloader,
        bootloader_args,
        loader,
        kernel,
        initrd,
        cmdline,
        root,
        boot,
        nvram,
        firmware,
        acpi_table,
    } = os;
    put!("os.", nvram, firmware, acpi_table);
    put!(
        "os.",
        kind,
        arch,
        machine,
        bootloader,
        bootloader_args,
        loader,
        kernel,
        initrd,
        cmdline,
        root,
        boot
    );
    let Features { acpi, apic, pae, hap, viridian, privnet, e820_host, passthrough } = features;
    put!("features.", privnet, e820_host, passthrough);
    put!("features.", acpi, apic, pae, hap, viridian);
    let Clock { basis, offset, timers } = clock;
    put!("clock.", basis, offset, timers);
    let (disk_count, interface_count) = (disks.len(), interfaces.len());
    put!("", disk_count, interface_count);
    for (index, disk) in disks.iter().enumerate() {
        let Disk {
            device,
            kind,
            source,
            driver,
            format,
            target,
            other_bus,
            readonly,
            shareable,
            network,
            discard,
            backend,
            boot_order,
            cache,
            io,
        } = disk;
        put!(format!("disks[{index}]."), network, discard, backend, boot_order, cache, io);
        put!(
            format!("disks[{index}]."),
            device,
            kind,
            source,
            driver,
            format,
            target,
            other_bus,
            readonly,
            shareable
        );
    }
    for (index, interface) in interfaces.iter().enumerate() {
        let Interface {
            kind,
            mac,
            ips,
            script,
            model,
            vifname,
            rate_kib,
            vlan,
            virtual_port,
            backend,
            mtu,
            boot_order,
        } = interface;
        put!(format!("interfaces[{index}]."), vlan, virtual_port, backend, mtu, boot_order);
        put!(format!("interfaces[{index}]."), kind, mac, ips, script, model, vifname, rate_kib);
    }
    out
}

/// Where the two differ once the rules but for `left_out` have explained what they explain; one line for each field.
fn differences(pair: &Pair, left_out: Option<&str>) -> Vec<String> {
    let (mut ours, mut xls) = (pair.ours.clone(), pair.xls.clone());
    for rule in RULES.iter().filter(|rule| Some(rule.row) != left_out) {
        (rule.explain)(&mut ours, &mut xls);
    }
    let (ours, xls) = (fields(&ours), fields(&xls));
    let value = |list: &[(String, String)], field: &str| {
        list.iter()
            .find(|(name, _)| name == field)
            .map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
    };
    let names: BTreeSet<&String> = ours.iter().chain(&xls).map(|(name, _)| name).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (ours, xls) = (value(&ours, name), value(&xls, name));
            (ours != xls).then(|| format!("{}: {name}: the XML says {ours}, xl says {xls}", pair.name))
        })
        .collect()
}

/// A guest as its XML says it, and as xl does.
struct Pair {
    name: String,
    ours: Guest,
    xls: Guest,
}

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The XML files of a folder, by name.
fn documents(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    found
}

/// The guest of a document.
fn guest(path: &Path) -> Guest {
    xml::parse(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A guest of the repository, and the folder where what xl said of it is.
struct Recorded {
    name: String,
    guest: Guest,
    folder: PathBuf,
}

fn guests() -> Vec<Recorded> {
    let places =
        [("libxl/agreement", "libxl/agreement"), ("seeds", "libxl/agreement"), ("xl/dryrun", "xl/dryrun")];
    let of = |(documents_in, said_in)| {
        let recorded = move |(name, path): (String, PathBuf)| Recorded {
            name,
            guest: guest(&path),
            folder: data(said_in),
        };
        documents(&data(documents_in)).into_iter().map(recorded)
    };
    places.into_iter().flat_map(of).collect()
}

/// The pairs of a guest: its JSON is in `folder`.
fn pairs(name: &str, ours: &Guest, folder: &Path) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for suffix in ["json", "list.json"] {
        let path = folder.join(format!("{name}.{suffix}"));
        if !path.exists() {
            continue;
        }
        let all = from_json(&text(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let same = all.into_iter().map(|one| one.guest).find(|guest| guest.name == ours.name);
        let xls = same.unwrap_or_else(|| panic!("{} has no domain {}", path.display(), ours.name));
        pairs.push(Pair { name: path.display().to_string(), ours: ours.clone(), xls });
    }
    pairs
}

fn recorded() -> Vec<Pair> {
    guests().iter().flat_map(|one| pairs(&one.name, &one.guest, &one.folder)).collect()
}

/// The folders that a variable of the environment names.
fn folders(variable: &str) -> Vec<PathBuf> {
    std::env::var_os(variable).map(|list| std::env::split_paths(&list).collect()).unwrap_or_default()
}

#[test]
fn every_guest_was_shown_to_xl() {
    for Recorded { name, folder, .. } in guests() {
        assert!(folder.join(format!("{name}.json")).exists(), "no {name}.json in {}", folder.display());
    }
}

#[test]
fn what_xl_was_given_is_what_is_written_today() {
    for Recorded { name, guest, folder } in guests() {
        let written = to_xl(&guest).unwrap_or_else(|error| panic!("{name}: {error}"));
        let given = text(&folder.join(format!("{name}.cfg")));
        assert_eq!(written, given, "{name}: show the new one to xl again");
    }
}

#[test]
fn xl_and_the_xml_agree_in_every_field_but_for_the_table() {
    let all: Vec<String> = recorded().iter().flat_map(|pair| differences(pair, None)).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn each_row_of_the_table_is_needed() {
    let pairs = recorded();
    for rule in RULES {
        let needed = pairs.iter().any(|pair| !differences(pair, Some(rule.row)).is_empty());
        assert!(needed, "nothing differs in '{}'", rule.row);
    }
}

#[test]
fn the_document_has_the_same_table() {
    let document = include_str!("../docs/agreement.md");
    let (_, table) = document.split_once("| in domain XML |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<String> =
        rows.map(|line| line.split('|').nth(1).unwrap_or_default().trim().replace('`', "")).collect();
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.row).collect();
    assert_eq!(rows, rules);
}

#[test]
fn the_guests_of_the_environment_are_written_for_xl() {
    for folder in folders("XENITH_AGREEMENT_WRITE") {
        let documents = documents(&folder);
        assert!(!documents.is_empty(), "{} holds no documents", folder.display());
        for (name, path) in documents {
            let written = to_xl(&guest(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
            std::fs::write(folder.join(format!("{name}.cfg")), written).expect("written");
        }
    }
}

#[test]
fn a_host_of_the_environment_agrees() {
    let folders = folders("XENITH_AGREEMENT");
    if folders.is_empty() {
        println!("skipped: XENITH_AGREEMENT names no folder with pairs of NAME.xml and NAME.json");
    }
    for folder in folders {
        let of = |(name, path): (String, PathBuf)| pairs(&name, &guest(&path), &folder);
        let pairs: Vec<Pair> = documents(&folder).into_iter().flat_map(of).collect();
        assert!(!pairs.is_empty(), "{} holds no pairs", folder.display());
        println!("{}: {} pairs", folder.display(), pairs.len());
        let all: Vec<String> = pairs.iter().flat_map(|pair| differences(pair, None)).collect();
        assert!(all.is_empty(), "{}", all.join("\n"));
    }
}
