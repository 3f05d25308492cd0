//! A browser as a foreign client: Chromium, where it is installed.
//!
//! Owns the search for it. A machine without it skips loudly, whatever else must be installed:
//! browsers are large. What happens in it is in `browser/chromium.js`.

use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::foreign::{finish, folder, succeeds};
use crate::process;

/// Two transports, each with two scenarios and two restarts of a broker.
const DEADLINE: Duration = Duration::from_secs(180);

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

#[test]
fn chromium_over_ws_and_wss() {
    let what = "interop with a browser";
    let Some(chromium) = NAMES
        .into_iter()
        .find(|name| succeeds(Command::new(name).arg("--version")))
    else {
        return process::skipped(what, "install Debian's package chromium");
    };
    let modules = folder().join("node_modules");
    let there = modules.join("mqtt").is_dir() && modules.join("ws").is_dir();
    if !there || !succeeds(Command::new("node").arg("-v")) {
        return process::skipped(
            what,
            "needs node and `npm ci` in tests/interop (tests/run does it)",
        );
    }
    let server = Authority::shared().server("browser", &["localhost", "127.0.0.1"]);
    let mut command = Command::new("node");
    command
        .arg(folder().join("browser/chromium.js"))
        .arg(chromium)
        .arg(process::binary())
        .args([&server.certificate, &server.key]);
    let output = finish(&mut command, DEADLINE);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
    for line in [
        "ok ownPage ws",
        "ok mqttjs ws",
        "ok ownPage wss",
        "ok mqttjs wss",
    ] {
        assert!(
            said.contains(line),
            "{line} is missing: {said}\n{complained}"
        );
    }
}
