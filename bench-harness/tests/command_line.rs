//! What the program answers before it speaks to any broker: exit code and words.

use std::process::{Command, Output};

fn fan_out(flags: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"))
        .arg("fan-out")
        .args(flags)
        .output()
        .expect("the program starts");
    let said = String::from_utf8(output.stderr.clone()).expect("it speaks text");
    (output, said)
}

#[test]
fn a_transport_that_cannot_be_is_refused_in_one_line() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let no_file = "--cafile /nowhere.pem: No such file or directory (os error 2)";
    let no_authority = format!("--tls: {manifest}: ");
    for (flags, complaint) in [
        (&["--tls", "--cafile", "/nowhere.pem"][..], no_file),
        (&["--tls", "--cafile", manifest], &no_authority),
        (
            &["--ws", "--ws-path", "mqtt"],
            "--ws-path mqtt: it begins with /",
        ),
    ] {
        let (output, said) = fan_out(flags);
        assert!(
            said.starts_with(&format!("ringmq-bench: {complaint}")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_only_tls_or_websocket_has_is_refused_without_it() {
    for (flag, needed) in [
        (&["--cafile", "ca.pem"][..], "--tls"),
        (&["--insecure"], "--tls"),
        (&["--ws-path", "/mqtt"], "--ws"),
    ] {
        let (output, said) = fan_out(flag);
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(needed), "{said}");
    }
}
