//! What the program answers before it speaks to any broker: exit code and words.

use std::process::Command;

#[test]
fn a_transport_that_is_not_built_is_refused_in_one_line() {
    let cases: [&[&str]; 3] = [&["--tls"], &["--cafile", "ca.pem"], &["--ws"]];
    for flags in cases {
        for scenario in ["fan-out", "idle"] {
            let output = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"))
                .arg(scenario)
                .args(flags)
                .output()
                .expect("the program starts");
            let said = String::from_utf8(output.stderr).expect("it speaks text");
            let expected = format!("ringmq-bench: {} is not built yet: TCP only\n", flags[0]);
            assert_eq!(said, expected);
            assert_eq!(output.status.code(), Some(2));
            assert!(output.stdout.is_empty());
        }
    }
}
