//! `domxml-from-native`, `domxml-to-native` and `validate`: no host, exit statuses, what goes where.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{run, run_with_input};
use serde_json::Value;

const XML: &[u8] =
    b"<domain type='xen'>\n  <name>web1</name>\n  <title>web</title>\n  <memory unit='MiB'>64</memory>\n  \
    <os><type>linux</type><kernel>/k</kernel></os>\n</domain>\n";

#[test]
fn a_definition_goes_from_one_language_into_another_through_a_pipe() {
    let plain = String::from_utf8(XML.to_vec()).unwrap().replace("  <title>web</title>\n", "");
    let config = run_with_input(["domxml-to-native", "xen-xl", "-"], plain.as_bytes()).good();
    assert!(config.contains("name = \"web1\"\n") && config.contains("kernel = \"/k\"\n"), "{config}");
    let xml = run_with_input(["domxml-from-native", "xen-xl", "-"], config.as_bytes()).good();
    assert!(xml.starts_with("<domain type='xen'>") && xml.contains("<name>web1</name>"), "{xml}");
    let described = run_with_input(["--json", "domxml-from-native", "xen-xl", "-"], config.as_bytes()).good();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(
        (described["xml"].as_str(), &described["warnings"]),
        (Some(xml.as_str()), &Value::Array(vec![]))
    );
}

#[test]
fn the_age_of_xend_is_an_option() {
    let xml = String::from_utf8(XML.to_vec()).unwrap().replace("  <title>web</title>\n", "");
    let xml = xml.replace("</domain>", "<devices><graphics type='vnc'/></devices></domain>");
    let of = |number: &str| {
        run_with_input(["domxml-to-native", "xen-sxpr", "-", "--xend-config-format", number], xml.as_bytes())
            .good()
    };
    assert!(of("4").contains("(vfb ") && !of("1").contains("(vfb "));
    run_with_input(["domxml-to-native", "xen-sxpr", "-", "--xend-config-format", "5"], xml.as_bytes()).bad(2);
}

#[test]
fn what_is_lost_ends_with_7_or_is_a_warning_beside_the_text() {
    let refused = run_with_input(["domxml-to-native", "xenvm", "-"], XML).bad(7);
    assert!(refused.contains("<title>") && refused.contains("hint: --lenient"), "{refused}");
    let said = run_with_input(["domxml-to-native", "xenvm", "-", "--lenient"], XML);
    assert_eq!(said.code, Some(0));
    assert!(said.out.starts_with("name = web1\n"), "{}", said.out);
    assert_eq!(said.err, "standard input: warning: xenvm's configuration has no place for <title>\n");
    let said = run_with_input(
        ["domxml-from-native", "xen-xl", "-", "--lenient"],
        b"name = 'g'\nkernel = '/k'\nfrob = 1\n",
    );
    assert_eq!(
        said.err,
        "standard input:3:8: warning: 'frob' has no place in a guest's description\n    3 | frob = 1\n      |        ^\n"
    );
}

#[test]
fn a_wrong_file_or_format_is_refused() {
    let said = run_with_input(["domxml-from-native", "xen-xl", "-"], b"name = g\n").bad(1);
    assert!(said.contains("line 1, column 8") && said.contains("hint: `xenith validate`"), "{said}");
    run_with_input(["domxml-from-native", "vmx", "-"], b"").bad(2);
    run(["domxml-from-native", "xen-xl", "/nonexistent/file"]).bad(1);
}

#[test]
fn validate_says_everything_and_points_at_it() {
    let text = b"name = g\nhvm = maybe\nmemory = lots\nstartup = paused\n";
    let said = run_with_input(["validate", "-"], text);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert_eq!(
        said.out,
        "standard input:2:7: error: hvm = 'maybe': expected true or false\n    2 | hvm = maybe\n      |       ^~~~~\n\
         standard input:3:10: error: memory = 'lots': expected a number of MiB that a guest can have\n    \
         3 | memory = lots\n      |          ^~~~\n\
         standard input:4:11: warning: 'startup' has no place in a guest's description: it says what the monitor does when it begins\n    \
         4 | startup = paused\n      |           ^~~~~~\n\
         standard input: 2 errors, 1 warning (xenvm)\n"
    );
    let said = run_with_input(["--json", "validate", "-"], text);
    let described: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, &described["valid"], &described["format"]),
        (Some(1), &Value::Bool(false), &"xenvm".into())
    );
    let problem = &described["problems"][1];
    assert_eq!(
        (
            problem["severity"].as_str(),
            problem["line"].as_u64(),
            problem["column"].as_u64(),
            problem["length"].as_u64()
        ),
        (Some("error"), Some(3), Some(10), Some(4))
    );
}

#[test]
fn validate_is_content_with_a_good_file() {
    assert_eq!(run_with_input(["validate", "-"], XML).good(), "standard input: good (domain-xml)\n");
    assert_eq!(
        run_with_input(["validate", "--format", "xen-xl", "-"], b"name = 'g'\nkernel = '/k'\n").good(),
        "standard input: good (xen-xl)\n"
    );
    let said = run_with_input(["validate", "-"], b"<domain>\n\xff").out;
    assert!(said.starts_with("standard input:2:1: error: not UTF-8 from here on\n"), "{said}");
    run_with_input(["validate", "--format", "frob", "-"], b"").bad(2);
}
