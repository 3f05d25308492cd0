//! A comparison from end to end: the real binary starts brokers, of which some
//! are slow or lose something, and says exactly so.
//!
//! The brokers are this test program itself, started with a port in its
//! environment.

#[path = "support/doors.rs"]
#[expect(dead_code, reason = "each test program uses another part of it")]
mod doors;
#[expect(dead_code, reason = "each test program uses another part of it")]
mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use doors::Doors;
use ringmq_bench::report::sources;
use ringmq_bench::result::StoredResult;
use serde_json::Value;
use support::{Action, GOOD, Manners};

const ROUNDS: usize = 2;

/// Not a test: the broker that the others start. Does nothing unless asked.
#[test]
#[ignore = "started by the other tests as a process of its own"]
fn scripted_broker() {
    let Ok(port) = env::var("SCRIPTED_PORT") else {
        return;
    };
    let manners = match env::var("SCRIPTED_MANNERS").as_deref() {
        Ok("slow") => Manners {
            script: |_, _| Action::Stall(Duration::from_millis(5)),
            ..GOOD
        },
        Ok("loses") => Manners {
            script: |subscriber, sequence| match (subscriber, sequence) {
                (1, 5 | 6) => Action::Lose,
                _ => Action::Deliver,
            },
            ..GOOD
        },
        _ => GOOD,
    };
    let port = port.parse().expect("a port");
    if env::var("SCRIPTED_MANNERS").as_deref() == Ok("websocket") {
        let doors = Doors {
            tls: None,
            websocket: true,
        };
        doors::before_at(port, support::start(manners), doors);
    } else {
        support::start_at(port, manners);
    }
    loop {
        thread::park();
    }
}

/// A `--with` for the scripted broker.
fn scripted(name: &str) -> String {
    let program = env::current_exe().expect("this program");
    format!(
        "{name}=env SCRIPTED_PORT={{port}} SCRIPTED_MANNERS={name} '{}' --ignored --exact scripted_broker",
        program.display()
    )
}

/// A directory that is gone with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("ringmq-bench-test-{name}-{}", std::process::id());
        Self(env::temp_dir().join(name))
    }

    fn comparison(&self) -> Value {
        let text = fs::read_to_string(self.0.join("comparison.json")).expect("it is stored");
        serde_json::from_str(&text).expect("it is JSON")
    }

    fn result(&self, name: &str) -> StoredResult {
        let path = self.0.join("results").join(format!("{name}.json"));
        StoredResult::load(&path).expect("every result is stored")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// As fast as the broker keeps up.
const CLOSED: [&str; 2] = ["--window", "4"];

/// So slow that a busy machine cannot make the generator the limit.
const OPEN: [&str; 2] = ["--rate", "200"];

fn compare(out: &Path, pace: [&str; 2], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringmq-bench"))
        .args(["compare", "--scenario", "fan-out", "--out"])
        .arg(out)
        .args(["--rounds", &ROUNDS.to_string()])
        .args(arguments)
        .args(["--", "--subscribers", "2"])
        .args(pace)
        .args(["--seconds", "1", "--warmup", "0", "--quiet", "1"])
        .output()
        .expect("the harness runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(value: &Value) -> Vec<&str> {
    let lines = value.as_array().expect("a list");
    lines.iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_slow_broker_and_one_that_loses_are_told_apart_from_a_good_one() {
    let directory = Directory::new("faults");
    let withs = ["good", "slow", "loses"].map(scripted);
    let output = compare(
        &directory.0,
        CLOSED,
        &[
            "--with", &withs[0], "--with", &withs[1], "--with", &withs[2],
        ],
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));

    let comparison = directory.comparison();
    assert_eq!(
        lines(&comparison["failures"]),
        ["loses, round 1: 2 lost", "loses, round 2: 2 lost"]
    );
    assert_eq!(lines(&comparison["errors"]), [""; 0]);
    let rates = &comparison["metrics"][0];
    assert_eq!(rates["metric"], "deliveries_per_second");
    assert_eq!(rates["best_peer"], "loses");
    let brokers = rates["brokers"].as_array().expect("a list");
    let names: Vec<&Value> = brokers.iter().map(|broker| &broker["name"]).collect();
    assert_eq!(names, ["good", "slow", "loses"]);
    assert_eq!(brokers[0]["ratio_to_first"], 1.0);
    let slow = brokers[1]["ratio_to_first"].as_f64().expect("a ratio");
    assert!(slow < 0.9, "{slow}");
    assert_eq!(brokers[2]["ratio_to_best_peer"], 1.0);

    for name in ["good", "slow", "loses"] {
        let result = directory.result(name);
        assert_eq!(result.broker.name, name);
        assert_eq!(result.runs.len(), ROUNDS, "every single run is stored");
        assert_eq!(result.is_right(), name != "loses");
    }
    let order: Vec<String> = text(&output.stderr)
        .lines()
        .filter_map(|line| line.strip_prefix("round "))
        .map(str::to_owned)
        .collect();
    let expected = [
        "1 of 2: good",
        "1 of 2: slow",
        "1 of 2: loses",
        "2 of 2: loses",
        "2 of 2: slow",
        "2 of 2: good",
    ];
    assert_eq!(order, expected);
    let table = text(&output.stdout);
    assert_eq!(
        fs::read_to_string(directory.0.join("comparison.txt")).ok(),
        Some(table)
    );
}

#[test]
fn a_missing_peer_is_skipped_with_a_line_and_the_others_run() {
    let directory = Directory::new("missing");
    let output = compare(
        &directory.0,
        OPEN,
        &[
            "--with",
            "mosquitto=/nowhere/mosquitto",
            "--with",
            &scripted("good"),
        ],
    );
    // On a machine that starves the generator the harness must say so instead.
    let starved = !lines(&directory.comparison()["invalid"]).is_empty();
    let expected = if starved { 4 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{output:?}");
    let skipped = "mosquitto is skipped, it is not installed: \
                   /nowhere/mosquitto is not an executable here";
    assert!(text(&output.stderr).starts_with(skipped));
    assert!(text(&output.stdout).contains(&format!("SKIPPED  {skipped}")));
    assert_eq!(lines(&directory.comparison()["skipped"]), [skipped]);
    assert!(!directory.0.join("results/mosquitto.json").exists());
}

#[test]
fn a_broker_that_does_not_start_is_told_and_the_others_run() {
    let directory = Directory::new("broken");
    let broken = "broken=sh -c 'echo port {port} is not for me; exit 9'";
    let output = compare(
        &directory.0,
        OPEN,
        &["--with", &scripted("good"), "--with", broken],
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let comparison = directory.comparison();
    let errors = lines(&comparison["errors"]);
    assert_eq!(errors.len(), ROUNDS);
    assert!(errors[0].contains("exit status: 9") && errors[0].contains("is not for me"));
    assert_eq!(directory.result("good").runs.len(), ROUNDS);
}

#[test]
fn wrong_arguments_end_it_before_anything_is_started() {
    let directory = Directory::new("arguments");
    for (arguments, complaint) in [
        (&["--with", "nonesuch"][..], "known are ringmq"),
        (&["--with", "mine=sh"], "{port}"),
        (&["--floor", "--broker-cores", "x"], "cores are written"),
        (&["--floor", "--tls"], "--cert"),
        (&[], "--with"),
    ] {
        let output = compare(&directory.0, OPEN, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(complaint), "{arguments:?}");
    }
    assert!(!directory.0.exists(), "nothing was stored");
}

#[test]
fn a_comparison_over_websocket_greets_and_measures_over_it() {
    let directory = Directory::new("websocket");
    let mut arguments = vec!["--ws", "--floor"];
    let with = scripted("websocket");
    arguments.extend(["--with", &with, "--with", "rumqttd=/bin/sh"]);
    let output = compare(&directory.0, OPEN, &arguments);
    // A busy machine may starve the generator.
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{}",
        text(&output.stderr)
    );
    let result = directory.result("websocket");
    assert_eq!(result.failures, [""; 0]);
    assert_eq!(result.broker.transport.as_deref(), Some("ws"));
    assert_eq!(directory.comparison()["transport"], "ws");
    let comparison = directory.comparison();
    let skipped = lines(&comparison["skipped"]);
    assert!(skipped[0].starts_with("rumqttd is skipped, it is not known how it listens for ws"));
    assert_eq!(skipped[1], "floor is skipped, it speaks plain TCP alone");
}

#[test]
fn the_floor_relays_everything_at_every_cap() {
    let directory = Directory::new("floor");
    let output = compare(&directory.0, OPEN, &["--floor"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for name in ["floor-1", "floor-16", "floor-64"] {
        let result = directory.result(name);
        assert_eq!(result.failures, [""; 0]);
        let delivered = result.runs[0].value("delivered").expect("it is told");
        assert!(delivered > 100.0, "{name}: {delivered}");
    }
    assert!(directory.comparison()["metrics"][0]["best_peer"].is_null());
    let stored = sources::load(&directory.0).expect("a comparison's directory is a source");
    let names: Vec<&str> = stored.iter().map(|one| one.broker.name.as_str()).collect();
    assert_eq!(names, ["floor-1", "floor-16", "floor-64"]);
    let file = directory.0.join("results/floor-16.json");
    assert_eq!(sources::load(&file).expect("so is a file").len(), 1);
    let missing = sources::load(Path::new("/nowhere")).expect_err("there is nothing");
    assert!(missing.starts_with("/nowhere: "), "{missing}");
}
