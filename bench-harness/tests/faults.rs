//! The harness finds exactly what a broker did wrong, and nothing else.
//!
//! Each test runs a short scenario against a scripted broker in this process.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use ringmq_bench::clock::nanos;
use ringmq_bench::encode::Version;
use ringmq_bench::fault::Fault;
use ringmq_bench::plan::{Pace, Target, Topology, TrafficPlan};
use ringmq_bench::report::Report;
use ringmq_bench::scenario::{RunError, traffic};
use support::{Action, GOOD, Manners, Script};

const MILLISECOND: u64 = 1_000_000;

fn plan(address: SocketAddr, version: Version, qos: u8, topology: Topology) -> TrafficPlan {
    TrafficPlan {
        scenario: "test",
        target: Target {
            address,
            version,
            pid: Some(std::process::id()),
        },
        version,
        qos,
        payload: 64,
        pace: Pace::Window(8),
        warmup: 0,
        duration: 150 * MILLISECOND,
        in_flight: 10,
        quiet: 400 * MILLISECOND,
        tolerate_loss: false,
        topology,
    }
}

/// Runs a fan-out of one publisher to three subscribers.
fn fan_out(script: Script) -> Report {
    let address = support::start(Manners { script, ..GOOD });
    let plan = plan(address, Version::V311, 0, Topology::fan_out(1, 3));
    traffic::run(&plan).expect("the run takes place")
}

fn counts(report: &Report) -> [u64; 5] {
    let keys = [
        "lost",
        "duplicated",
        "reordered",
        "stray",
        "subscribers_affected",
    ];
    keys.map(|key| report.counted(key).expect("every report has it"))
}

#[test]
fn a_broker_without_fault_passes_at_every_version_and_quality() {
    for version in [Version::V311, Version::V5] {
        for qos in 0..=2 {
            for topology in [
                Topology::fan_out(2, 3),
                Topology::fan_in(3, 2),
                Topology::pairs(3),
            ] {
                let deliveries_each = u64::from(topology.audience);
                let plan = plan(support::start(GOOD), version, qos, topology);
                let report = traffic::run(&plan).expect("the run takes place");
                assert_eq!(report.failures(), [""; 0], "{}", report.table());
                let published = report.counted("published").expect("it is told");
                assert!(published > 8, "{}", report.table());
                let delivered = report.counted("delivered").expect("it is told");
                assert_eq!(delivered, published * deliveries_each);
                let samples = report.counted("latency_samples").expect("it is told");
                assert_eq!(samples, delivered, "no warm-up: every delivery is timed");
            }
        }
    }
}

#[test]
fn lost_messages_are_counted_exactly() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 5 | 6) | (2, 20) => Action::Lose,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&report), [3, 0, 0, 0, 2], "{}", report.table());
    assert_eq!(report.failures(), ["3 lost"]);
}

#[test]
fn repeated_messages_are_counted_exactly() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 3 | 9) | (2, 0) => Action::Repeat,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&report), [0, 3, 0, 0, 2], "{}", report.table());
    assert_eq!(report.failures(), ["3 duplicated"]);
}

#[test]
fn reordered_messages_are_counted_exactly() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 3 | 9) => Action::Postpone,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&report), [0, 0, 2, 0, 1], "{}", report.table());
    assert_eq!(report.failures(), ["2 reordered"]);
}

#[test]
fn a_message_that_was_altered_is_stray_and_the_true_one_is_lost() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 4) => Action::Cut,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&report), [1, 0, 0, 1, 1], "{}", report.table());
}

#[test]
fn everything_at_once_is_told_apart() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 2) => Action::Lose,
        (0, 4) | (1, 4) => Action::Repeat,
        (0, 6) | (2, 10) => Action::Postpone,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&report), [1, 2, 2, 0, 3], "{}", report.table());
}

#[test]
fn a_window_that_is_lost_as_a_whole_is_written_off_and_the_run_goes_on() {
    let address = support::start(Manners {
        script: |_, sequence| match sequence {
            10..18 => Action::Lose,
            _ => Action::Deliver,
        },
        ..GOOD
    });
    let mut plan = plan(address, Version::V311, 0, Topology::fan_out(1, 2));
    plan.duration = 4500 * MILLISECOND;
    let report = traffic::run(&plan).expect("the run takes place");
    assert_eq!(counts(&report), [16, 0, 0, 0, 2], "{}", report.table());
    assert_eq!(report.counted("stalls"), Some(1));
    let published = report.counted("published").expect("it is told");
    assert!(published > 100, "{}", report.table());
}

#[test]
fn acknowledgements_that_never_come_are_missed() {
    let address = support::start(Manners {
        acknowledges: false,
        ..GOOD
    });
    for qos in 1..=2 {
        let plan = plan(address, Version::V5, qos, Topology::fan_out(1, 1));
        let report = traffic::run(&plan).expect("the run takes place");
        assert_eq!(report.failures(), ["10 unacknowledged"], "in flight: 10");
        assert_eq!(counts(&report), [0; 5]);
    }
}

#[test]
fn a_connection_that_is_closed_is_told() {
    let report = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 7) => Action::HangUp,
        _ => Action::Deliver,
    });
    assert_eq!(report.counted("connections_lost"), Some(1));
    let failures = report.failures().join("\n");
    assert!(failures.contains("connection 1:"), "{failures}");
    assert_eq!(report.counted("subscribers_affected"), Some(1));
}

#[test]
fn a_refused_connection_ends_the_run() {
    let address = support::start(Manners { connack: 5, ..GOOD });
    let plan = plan(address, Version::V311, 0, Topology::fan_out(1, 1));
    let error = traffic::run(&plan).expect_err("nobody is let in");
    assert!(matches!(error, RunError::Open(_, Fault::Refused(5))));
}

#[test]
fn an_open_loop_charges_a_stall_to_every_message_that_was_due() {
    let address = support::start(Manners {
        script: |_, sequence| match sequence {
            100 => Action::Stall(Duration::from_millis(300)),
            _ => Action::Deliver,
        },
        ..GOOD
    });
    let mut plan = plan(address, Version::V311, 0, Topology::fan_out(1, 1));
    plan.pace = Pace::Rate(1000);
    plan.duration = nanos(Duration::from_secs(1));
    let report = traffic::run(&plan).expect("the run takes place");
    assert_eq!(report.failures(), [""; 0], "{}", report.table());
    assert_eq!(report.counted("published"), Some(1000));
    let latency = |key: &str| report.counted(key).expect("it is told");
    assert!(latency("latency_max_us") >= 299_000, "{}", report.table());
    // 300 of 1000 messages were due while it stalled, so the 90th percentile is
    // about 200 ms; a clock that starts at the real send would show next to
    // nothing there.
    let p90 = latency("latency_p90_us");
    assert!((190_000..260_000).contains(&p90), "{}", report.table());
    assert!(latency("latency_p50_us") < 100_000, "{}", report.table());
}
