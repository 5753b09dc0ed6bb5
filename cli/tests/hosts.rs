//! Hosts that cannot be reached: which road, why, and what to do.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{Folder, run, xenith};

#[test]
fn a_host_without_xen_is_status_4_and_the_message_names_the_road() {
    let uri = "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xenstored&xend=/nonexistent/xend";
    for verb in ["list", "version", "nodeinfo", "capabilities"] {
        let message = run(["-c", uri, verb]).bad(4);
        assert!(message.starts_with("error: ") && message.contains("/nonexistent/privcmd"), "{message}");
    }
}

#[test]
fn this_host_is_the_default_and_the_hint_says_what_else_there_is() {
    if std::path::Path::new("/proc/xen/privcmd").exists() || std::path::Path::new("/dev/xen/privcmd").exists()
    {
        // On a Xen host there is nothing to be refused; the verbs themselves are tested there.
        return;
    }
    let message = run(["list"]).bad(4);
    assert!(message.contains("hint: ") && message.contains("xen+sim:///"), "{message}");
}

#[test]
fn the_environment_names_the_host_and_the_option_wins() {
    let said = |option: &[&str]| {
        let output = xenith().env("XENITH_URI", "qemu:///system").args(option).arg("uri").output().unwrap();
        common::Said::of(output).bad(2)
    };
    assert!(said(&[]).contains("qemu"));
    assert!(said(&["-c", "xen:///option"]).contains("xen:///option"));
}

#[test]
fn remote_roads_say_that_this_version_has_none() {
    let message = run(["-c", "xen+ssh://root@xen.example.org/", "list"]).bad(7);
    assert!(message.contains("ssh"), "{message}");
}

#[test]
fn a_host_that_nobody_serves_is_named() {
    let folder = Folder::new("nobody");
    let uri = format!("xen+sim:///?dir={}", folder.0.display());
    let message = run(["-c", &uri, "list"]).bad(4);
    assert!(message.contains(folder.0.to_str().unwrap()), "{message}");
}

#[test]
fn the_doctor_tells_of_hosts_that_can_be_managed_looked_at_and_not_reached() {
    let unreachable =
        "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xenstored&xend=/nonexistent/xend";
    let said = run(["-c", unreachable, "doctor"]);
    assert_eq!((said.code, said.err.as_str()), (Some(4), ""));
    assert!(
        said.out.contains("No connection can be opened") && said.out.contains("/nonexistent/privcmd"),
        "{said:?}"
    );
    let report = common::json(&run(["-c", unreachable, "doctor", "--json"]).out);
    assert_eq!(
        (&report["failure"]["status"], &report["routes"]),
        (&"no_connect".into(), &serde_json::json!([]))
    );

    for (uri, code, road) in [
        ("xen+sim:///?xen=4.17", 0, "xl"),
        ("xen+sim:///?xen=3.4", 0, "xend"),
        ("xen+sim:///?xen=4.17&toolstack=none", 7, "none"),
    ] {
        let said = run(["--json", "-c", uri, "doctor"]);
        assert_eq!((said.code, said.err.as_str()), (Some(code), ""), "{uri}");
        let report = common::json(&said.out);
        assert!(report["failure"].is_null());
        for word in ["xl", "xend"] {
            let row = report["roads"].as_array().unwrap().iter().find(|row| row["road"] == word).unwrap();
            assert_eq!(row["found"], word == road, "{uri}: {row}");
        }
    }
    run(["-c", "qemu:///system", "doctor"]).bad(2);
}

#[test]
fn the_doctor_writes_a_capture_that_stands_in_for_its_host() {
    let folder = Folder::new("capture");
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("host.jsonl");
    let path = file.to_str().unwrap();
    let take = |more: &[&str]| {
        run([&["-c", "xen+sim:///?xen=4.4&domains=2", "doctor", "--capture", path], more].concat())
    };
    let said = take(&[]).good();
    assert!(said.contains("Read it before you send it") && said.contains("hypercall"), "{said}");
    assert!(take(&[]).bad(5).contains("--force"));
    let answer = common::json(&take(&["--force", "--json"]).good());
    assert_eq!(answer["capture"], path);
    assert_eq!(answer["records"]["machine"], 1);
    assert!(answer["records"]["node"].as_u64().unwrap() > 20, "{answer}");

    let uri = format!("xen+sim:///?capture={path}");
    let list = run(["-c", &uri, "list"]).good();
    assert!(list.contains("Domain-0") && list.contains("guest-2"), "{list}");
    run(["-c", &uri, "doctor"]).good();
    run(["-c", "xen+sim:///", "doctor", "--force"]).bad(2);
    run(["-c", "qemu:///system", "doctor", "--capture", path, "--force"]).bad(2);
    // Where nothing can be reached, that is what it holds.
    let unreachable =
        "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xenstored&xend=/nonexistent/xend";
    let nothing = folder.0.join("nothing.jsonl");
    run(["-c", unreachable, "doctor", "--capture", nothing.to_str().unwrap()]).good();
    assert!(std::fs::read_to_string(&nothing).unwrap().contains("\"failure\""));
}
