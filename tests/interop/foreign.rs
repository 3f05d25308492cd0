//! Clients in other languages: finds their runtime and runs their scenario script.
//!
//! Owns the rule for what is not installed. The scripts print one line per scenario;
//! this file only judges their exit and shows what they said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::broker::{Broker, unique};
use crate::process;

/// A whole script takes seconds; what exceeds this hangs.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(240);

pub fn paho(version: &str, shards: usize) {
    paho_at(version, || Broker::start(shards));
}

/// The same over another transport.
pub fn paho_over(version: &str, transport: &'static str, shards: usize) {
    paho_at(version, || Broker::over(transport, shards));
}

fn paho_at(version: &str, broker: impl FnOnce() -> Broker) {
    let python = python();
    let probe = "from paho.mqtt.client import CallbackAPIVersion";
    if !succeeds(Command::new(&python).args(["-c", probe])) {
        let what = format!(
            "{} has no paho-mqtt 2 (tests/run installs it)",
            python.display()
        );
        return missing("paho-mqtt", &what);
    }
    run_script(
        Command::new(python).arg(folder().join("paho/scenarios.py")),
        version,
        &broker(),
    );
}

pub fn mqttjs(version: &str, shards: usize) {
    mqttjs_at(version, || Broker::start(shards));
}

/// The same over another transport.
pub fn mqttjs_over(version: &str, transport: &'static str, shards: usize) {
    mqttjs_at(version, || Broker::over(transport, shards));
}

fn mqttjs_at(version: &str, broker: impl FnOnce() -> Broker) {
    if !folder().join("node_modules/mqtt").is_dir() || !succeeds(Command::new("node").arg("-v")) {
        return missing(
            "MQTT.js",
            "needs node and `npm ci` in tests/interop (tests/run does it)",
        );
    }
    run_script(
        Command::new("node").arg(folder().join("mqttjs/scenarios.js")),
        version,
        &broker(),
    );
}

/// Skips loudly, or fails where everything must be installed.
pub fn missing(client: &str, why: &str) {
    let required = std::env::var("RINGMQ_REQUIRE_INTEROP").is_ok_and(|value| value == "1");
    assert!(!required, "{client} is required here, but: {why}");
    process::skipped(&format!("interop with {client}"), why);
}

/// Does this run at all, with success?
pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs to the end within the deadline.
pub fn finish(command: &mut Command, deadline: Duration) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("it was found before");
    let id = child.id();
    let (sender, result) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = result.recv_timeout(deadline).or_else(|_late| {
        // Not reaped yet, so the id is still its own. What it said is worth more than
        // how it ended, so this is no failure of its own.
        let _ = Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status();
        result.recv()
    });
    output
        .expect("a killed child ends")
        .expect("a child can be waited for")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("RINGMQ_PYTHON") {
        return python.into();
    }
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../interop-venv/bin/python");
    if own.exists() { own } else { "python3".into() }
}

fn run_script(command: &mut Command, version: &str, broker: &Broker) {
    let host = match broker.transport {
        "unix" => broker.path.display().to_string(),
        _ => broker.address.ip().to_string(),
    };
    // paho wants a port above zero, also where it uses none.
    let port = broker.address.port().max(1).to_string();
    command.args([&host, &port, version, &unique(), broker.transport]);
    command.args(&broker.authority);
    let output = finish(command, SCRIPT_DEADLINE);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
    assert!(
        said.lines().any(|line| line.starts_with("ok ")),
        "no scenario ran\n{complained}"
    );
}
