//! The command on an embedded host that another process serves: what a user does in a day.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Folder, Sim, run};

const UUID: &str = "9f1c1b5e-0f7c-4b8e-8a57-3a0b9d2c4e11";

fn guest(name: &str, uuid: &str) -> String {
    format!(
        "<domain type='xen'>
           <name>{name}</name>
           <uuid>{uuid}</uuid>
           <memory>131072</memory>
           <vcpu>2</vcpu>
           <os>
             <type>linux</type>
             <kernel>/boot/vmlinuz</kernel>
           </os>
           <devices>
             <disk type='file'>
               <source file='/var/lib/xen/images/{name}.img'/>
               <target dev='xvda'/>
             </disk>
           </devices>
         </domain>"
    )
}

/// The table's rows as (id, name, state).
fn rows(table: &str) -> Vec<(String, String, String)> {
    let mut lines = table.lines();
    assert!(lines.next().unwrap().trim_start().starts_with("Id "));
    assert!(lines.next().unwrap().chars().all(|c| c == '-'));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let cells: Vec<&str> = line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned())
        })
        .collect()
}

/// Hosts with the xl toolstack, with xend, and what the embedded host is when nothing is said.
const AGES: [Option<&str>; 3] = [Some("4.17"), Some("3.4"), None];

#[test]
fn a_guest_is_defined_started_looked_at_stopped_and_forgotten() {
    for age in AGES {
        a_day(&Sim::of_age("story", age));
    }
}

fn a_day(sim: &Sim) {
    let folder = Folder::new("story-files");
    let file = folder.file("web1.xml", guest("web1", UUID).as_bytes());

    assert_eq!(sim.run(["define", &file]).good(), format!("Domain 'web1' defined from {file}\n"));
    assert_eq!(rows(&sim.run(["list"]).good()).len(), 1, "only Domain-0 runs");
    let all = rows(&sim.run(["list", "--all"]).good());
    assert_eq!(all[0].1, "Domain-0");
    assert_eq!(all[1], ("-".into(), "web1".into(), "shut off".into()));
    assert_eq!(sim.run(["list", "--inactive", "--name"]).good(), "web1\n");
    assert_eq!(sim.run(["list", "--inactive", "--uuid"]).good(), format!("{UUID}\n"));
    assert_eq!(sim.run(["domstate", "web1", "--reason"]).good(), "shut off (not running)\n");
    assert_eq!(sim.run(["domid", "web1"]).good(), "-\n");
    assert_eq!(sim.run(["domuuid", "web1"]).good(), format!("{UUID}\n"));

    assert_eq!(sim.run(["start", "web1"]).good(), "Domain 'web1' started\n");
    let id = sim.run(["domid", "web1"]).good().trim().to_owned();
    assert_ne!(id, "-");
    sim.wait_for_state("web1", &["running", "blocked"]);
    for way in [id.as_str(), UUID, &UUID.replace('-', ""), "web1"] {
        assert_eq!(sim.run(["domname", way]).good(), "web1\n", "{way}");
    }
    assert!(rows(&sim.run(["list"]).good()).iter().any(|row| row.0 == id && row.1 == "web1"));

    let info = sim.run(["dominfo", "web1"]).good();
    let line = |key: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(key));
        found.unwrap_or_else(|| panic!("no {key} in {info}")).trim().to_owned()
    };
    assert_eq!(line("Id:"), id);
    assert_eq!(line("UUID:"), UUID);
    assert_eq!(line("OS Type:"), "linux");
    assert_eq!(line("CPU(s):"), "2");
    // xl gives each guest 1 MiB more than it asks for.
    assert!(["131072 KiB", "132096 KiB"].contains(&line("Max memory:").as_str()), "{info}");
    assert_eq!(line("Persistent:"), "yes");

    let xml = sim.run(["dumpxml", "web1"]).good();
    assert!(xml.contains("<name>web1</name>") && xml.contains("web1.img"), "{xml}");

    assert_eq!(sim.run(["suspend", "web1"]).good(), "Domain 'web1' suspended\n");
    assert_eq!(sim.run(["domstate", "web1"]).good(), "paused\n");
    assert_eq!(sim.run(["unpause", "web1"]).good(), "Domain 'web1' resumed\n");
    sim.wait_for_state("web1", &["running", "blocked"]);

    assert_eq!(sim.run(["shutdown", "web1"]).good(), "Domain 'web1' is being shutdown\n");
    sim.wait_for_state("web1", &["shutoff"]);
    assert_eq!(sim.run(["undefine", "web1"]).good(), "Domain 'web1' has been undefined\n");
    assert!(sim.run(["domstate", "web1"]).bad(3).contains("'web1'"));
}

#[test]
fn json_answers_are_objects_with_the_documented_keys() {
    for age in AGES {
        objects(&Sim::of_age("json", age));
    }
    let old = Sim::of_age("json-age", Some("3.4")).json(["version"]);
    assert_eq!((&old["hypervisor"]["major"], &old["hypervisor"]["minor"]), (&3.into(), &4.into()));
}

fn objects(sim: &Sim) {
    let version = sim.json(["version"]);
    assert_eq!(version["library"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["hypervisor"]["name"], "Xen");
    assert_eq!(sim.json(["uri"])["uri"], sim.uri.as_str());
    assert!(sim.json(["hostname"])["hostname"].as_str().unwrap().contains("sim"));
    let node = sim.json(["nodeinfo"]);
    assert!(node["cpus"].as_u64().unwrap() > 0 && node["memory_kib"].as_u64().unwrap() > 0);
    assert!(sim.json(["capabilities"])["capabilities"].as_str().unwrap().contains("<capabilities"));

    let xml = guest("web2", UUID);
    let made = run_json(sim, ["create", "-", "--paused"], &xml);
    assert_eq!(
        (&made["action"], &made["name"], &made["uuid"]),
        (&"create".into(), &"web2".into(), &UUID.into())
    );
    let id = made["id"].as_u64().unwrap();
    assert_eq!(sim.json(["domstate", "web2"])["state"], "paused");
    assert_eq!(sim.json(["domid", UUID])["id"], id);

    let info = sim.json(["dominfo", "web2"]);
    assert_eq!((&info["id"], &info["max_vcpus"], &info["os_type"]), (&id.into(), &2.into(), &"linux".into()));
    assert_eq!(info["persistent"], false);
    assert!(info.as_object().unwrap().contains_key("paged_kib"), "absent figures are null, not missing");

    let list = sim.json(["list", "--all"]);
    let row = list["domains"].as_array().unwrap().iter().find(|row| row["name"] == "web2").unwrap();
    for (key, value) in row.as_object().unwrap() {
        if key != "cpu_time_ns" {
            assert_eq!(value, &info[key], "{key}: a row and dominfo say the same");
        }
    }

    let ended = sim.json(["destroy", "web2"]);
    assert_eq!((&ended["action"], &ended["id"]), (&"destroy".into(), &id.into()));
    sim.run(["dominfo", "web2"]).bad(3);
}

#[track_caller]
fn run_json<const N: usize>(sim: &Sim, args: [&str; N], input: &str) -> serde_json::Value {
    let args = ["-c", &sim.uri, "--json"].into_iter().chain(args);
    common::json(&common::run_with_input(args, input.as_bytes()).good())
}

#[test]
fn what_a_domain_s_state_forbids_is_status_5() {
    for age in AGES {
        forbidden(&Sim::of_age("forbidden", age));
    }
}

fn forbidden(sim: &Sim) {
    sim.run_with_input(["define", "-"], &guest("web3", UUID)).good();
    let asleep = sim.run(["suspend", "web3"]).bad(5);
    assert!(asleep.starts_with("error: "), "{asleep}");
    sim.run(["start", "web3"]).good();
    sim.run(["start", "web3"]).bad(5);
    let other = "11111111-2222-4333-8444-555555555555";
    sim.run_with_input(["define", "-"], &guest("web3", other)).bad(5);
    sim.run(["destroy", "web3"]).good();
    assert_eq!(sim.run(["domstate", "web3"]).good(), "shut off\n");
}

#[test]
fn what_xend_cannot_do_is_said_and_not_done_otherwise() {
    let sim = Sim::of_age("xend", Some("3.4"));
    sim.run_with_input(["define", "-"], &guest("web5", UUID)).good();
    let paused = sim.run(["start", "web5", "--paused"]).bad(7);
    assert!(paused.contains("xend"), "{paused}");
    assert_eq!(sim.run(["domstate", "web5"]).good(), "shut off\n");
    sim.run(["start", "web5"]).good();
    sim.run(["undefine", "web5"]).bad(5);
    sim.run(["monitor", "web5"]).bad(7);
    sim.run(["monitor", "--detach", "web5"]).bad(7);
    assert!(!sim.run(["dominfo", "web5"]).good().contains("Monitor:"));
    assert_eq!(sim.json(["domstate", "web5"])["monitor"], serde_json::Value::Null);
}

#[test]
fn bad_xml_is_refused_with_its_place() {
    let sim = Sim::start("bad-xml");
    for xml in ["", "<domain", "<network/>", "<domain type='xen'>\n<name>a/b</name></domain>"] {
        let message = sim.run_with_input(["define", "-"], xml).bad(1);
        assert!(message.starts_with("error: "), "{message}");
    }
    let message = sim.run_with_input(["define", "-"], "<domain type='xen'>\n  <name>x</nam></domain>").bad(1);
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn a_host_in_the_command_itself_says_that_it_ends_with_it() {
    let said = common::run_with_input(["-c", "xen+sim:///", "define", "-"], guest("web4", UUID).as_bytes());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.starts_with("note: ") && said.err.contains("xenith sim"), "{said:?}");
    assert_eq!(run(["-c", "xen+sim:///", "list", "--all", "--name"]).good(), "Domain-0\n");
}

#[test]
fn a_served_host_is_served_once_and_ends_well_when_interrupted() {
    for signal in ["-INT", "-TERM"] {
        let sim = Sim::start(&format!("signal{signal}"));
        let dir = sim.dir().to_str().unwrap().to_owned();
        let message = run(["sim", "--dir", &dir]).bad(5);
        assert!(message.contains(&dir), "{message}");
        let sockets = || {
            std::fs::read_dir(&dir)
                .unwrap()
                .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".sock"))
                .count()
        };
        assert!(sockets() >= 3);
        let (status, _folder) = sim.interrupt(signal);
        assert_eq!(status, Some(0), "{signal}");
        assert_eq!(sockets(), 0, "a host that has ended leaves nothing to join");
    }
}

#[test]
fn a_guest_is_saved_restored_and_started_with_the_host() {
    let sim = Sim::of_age("lives", Some("4.17"));
    let folder = Folder::new("lives-files");
    let file = folder.0.join("saved").to_str().unwrap().to_owned();
    sim.run_with_input(["define", "-"], &guest("web6", UUID)).good();
    let line = |info: &str, key: &str| {
        info.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
    };
    assert_eq!(sim.run(["autostart", "web6"]).good(), "Domain 'web6' marked as autostarted\n");
    assert_eq!(line(&sim.run(["dominfo", "web6"]).good(), "Autostart:").unwrap(), "enable");
    assert_eq!(sim.json(["autostart", "--disable", "web6"])["autostart"], false);
    assert_eq!(sim.json(["dominfo", "web6"])["autostart"], false);

    assert_eq!(sim.run(["start", "--paused", "web6"]).good(), "Domain 'web6' started\n");
    assert_eq!(line(&sim.run(["dominfo", "web6"]).good(), "Monitor:").unwrap(), "running");
    assert_eq!(sim.json(["domstate", "web6"])["monitor"], true);
    assert!(sim.run(["monitor", "web6"]).bad(5).contains("has a monitor already"));
    sim.run(["resume", "web6"]).good();
    let before = sim.json(["domid", "web6"])["id"].clone();

    assert_eq!(sim.run(["save", "web6", &file]).good(), format!("Domain 'web6' saved to {file}\n"));
    assert_eq!(sim.run(["domstate", "web6"]).good(), "shut off\n");
    let restored = sim.json(["restore", "--paused", &file]);
    assert_eq!((&restored["action"], &restored["file"]), (&"restore".into(), &file.as_str().into()));
    assert_ne!(restored["id"], before);
    assert_eq!(sim.run(["domstate", "web6"]).good(), "paused\n");
    sim.run(["restore", &file]).bad(5);
    sim.run(["restore", "/nonexistent/saved"]).bad(3);

    assert_eq!(sim.run(["undefine", "web6"]).good(), "Domain 'web6' has been undefined\n");
    let info = sim.run(["dominfo", "web6"]).good();
    assert_eq!(line(&info, "Persistent:").unwrap(), "no");
    assert_eq!(line(&info, "Autostart:").unwrap(), "disable");
    sim.run(["destroy", "web6"]).good();
    sim.run(["dominfo", "web6"]).bad(3);
}

#[test]
fn a_broken_domain_file_is_seen_and_hides_nothing() {
    let sim = Sim::of_age("broken", Some("4.17"));
    sim.run_with_input(["define", "-"], &guest("web7", UUID)).good();
    std::fs::write(sim.dir().join("etc-xen/bad.cfg"), "name = 'bad'\nmemory = [\n").unwrap();
    let said = sim.run(["list", "--all", "--name"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "Domain-0\nweb7\n"));
    assert!(said.err.starts_with("warning: ") && said.err.contains("bad.cfg"), "{said:?}");
    assert_eq!(said.err.matches("bad.cfg").count(), 1, "{said:?}");
    let report = sim.run(["doctor"]);
    assert_eq!((report.code, report.err.as_str()), (Some(0), ""));
    assert!(report.out.contains("Problems:\n - ") && report.out.contains("bad.cfg"), "{}", report.out);
    assert!(sim.run(["dumpxml", "bad"]).bad(1).contains("bad.cfg"));
    assert_eq!(sim.run(["domstate", "web7"]).good(), "shut off\n");
}
