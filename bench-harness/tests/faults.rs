//! The harness finds exactly what a broker did wrong, and nothing else.
//!
//! Each test runs a short scenario against a scripted broker in this process.

#[expect(dead_code, reason = "each test program uses another part of it")]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use ringmq::protocol::ProtocolVersion;
use ringmq_bench::clock::nanos;
use ringmq_bench::fault::Fault;
use ringmq_bench::plan::{Pace, Target, TrafficPlan};
use ringmq_bench::progress::Progress;
use ringmq_bench::result::Run;
use ringmq_bench::scenario::{RunError, traffic};
use ringmq_bench::topology::Topology;
use support::{Action, Answer, GOOD, Manners, Script, Welcome};

const MILLISECOND: u64 = 1_000_000;

fn plan(address: SocketAddr, version: ProtocolVersion, qos: u8, topology: Topology) -> TrafficPlan {
    TrafficPlan {
        target: Target {
            address,
            version,
            pid: Some(std::process::id()),
            count_syscalls: false,
            connector: None,
        },
        qos,
        retain: false,
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
fn fan_out(script: Script) -> Run {
    let address = support::start(Manners { script, ..GOOD });
    let plan = plan(
        address,
        ProtocolVersion::V3_1_1,
        0,
        Topology::fan_out("b", 1, 3),
    );
    traffic::run(&plan, &Progress::silent()).expect("the run takes place")
}

fn counts(run: &Run) -> [u64; 5] {
    let keys = [
        "lost",
        "duplicated",
        "reordered",
        "stray",
        "subscribers_affected",
    ];
    keys.map(|key| run.counted(key).expect("every run has it"))
}

#[test]
fn a_broker_without_fault_passes_at_every_version_and_quality() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        for qos in 0..=2 {
            for topology in [
                Topology::fan_out("b", 2, 3),
                Topology::fan_in("b", 3, 2),
                Topology::pairs("b", 3),
            ] {
                let deliveries_each = u64::from(topology.publishers[0].audience);
                let plan = plan(support::start(GOOD), version, qos, topology);
                let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
                assert_eq!(run.failures, [""; 0], "{run:?}");
                let published = run.counted("published").expect("it is told");
                assert!(published > 8, "{run:?}");
                let delivered = run.counted("delivered").expect("it is told");
                assert_eq!(delivered, published * deliveries_each);
                let samples = run.counted("latency_samples").expect("it is told");
                assert_eq!(samples, delivered, "no warm-up: every delivery is timed");
            }
        }
    }
}

#[test]
fn lost_messages_are_counted_exactly() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 5 | 6) | (2, 20) => Action::Lose,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&run), [3, 0, 0, 0, 2], "{run:?}");
    assert_eq!(run.failures, ["3 lost"]);
}

#[test]
fn repeated_messages_are_counted_exactly() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 3 | 9) | (2, 0) => Action::Repeat,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&run), [0, 3, 0, 0, 2], "{run:?}");
    assert_eq!(run.failures, ["3 duplicated"]);
}

#[test]
fn reordered_messages_are_counted_exactly() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 3 | 9) => Action::Postpone,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&run), [0, 0, 2, 0, 1], "{run:?}");
    assert_eq!(run.failures, ["2 reordered"]);
}

#[test]
fn a_message_that_was_altered_is_stray_and_the_true_one_is_lost() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 4) => Action::Cut,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&run), [1, 0, 0, 1, 1], "{run:?}");
}

#[test]
fn everything_at_once_is_told_apart() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (0, 2) => Action::Lose,
        (0, 4) | (1, 4) => Action::Repeat,
        (0, 6) | (2, 10) => Action::Postpone,
        _ => Action::Deliver,
    });
    assert_eq!(counts(&run), [1, 2, 2, 0, 3], "{run:?}");
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
    let mut plan = plan(
        address,
        ProtocolVersion::V3_1_1,
        0,
        Topology::fan_out("b", 1, 2),
    );
    plan.duration = 4500 * MILLISECOND;
    let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
    assert_eq!(counts(&run), [16, 0, 0, 0, 2], "{run:?}");
    assert_eq!(run.counted("stalls"), Some(1));
    let published = run.counted("published").expect("it is told");
    assert!(published > 100, "{run:?}");
}

#[test]
fn acknowledgements_that_never_come_are_missed() {
    let address = support::start(Manners {
        answer: |_| Answer::Silence,
        ..GOOD
    });
    for qos in 1..=2 {
        let plan = plan(
            address,
            ProtocolVersion::V5,
            qos,
            Topology::fan_out("b", 1, 1),
        );
        let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
        assert_eq!(run.failures, ["10 unacknowledged"], "in flight: 10");
        assert_eq!(counts(&run), [0; 5]);
    }
}

#[test]
fn a_connection_that_is_closed_is_told() {
    let run = fan_out(|subscriber, sequence| match (subscriber, sequence) {
        (1, 7) => Action::HangUp,
        _ => Action::Deliver,
    });
    assert_eq!(run.counted("connections_lost"), Some(1));
    let failures = run.failures.join("\n");
    assert!(failures.contains("connection 1:"), "{failures}");
    assert_eq!(run.counted("subscribers_affected"), Some(1));
}

#[test]
fn a_refused_connection_ends_the_run() {
    let address = support::start(Manners {
        welcome: |_| Welcome::Refuse(5),
        ..GOOD
    });
    let plan = plan(
        address,
        ProtocolVersion::V3_1_1,
        0,
        Topology::fan_out("b", 1, 1),
    );
    let error = traffic::run(&plan, &Progress::silent()).expect_err("nobody is let in");
    assert!(matches!(error, RunError::Open(_, Fault::Refused(0x87))));
}

/// A second at 1000 messages per second to a broker that stalls for 300 ms.
fn stalled_run() -> Run {
    let address = support::start(Manners {
        script: |_, sequence| match sequence {
            100 => Action::Stall(Duration::from_millis(300)),
            _ => Action::Deliver,
        },
        ..GOOD
    });
    let mut plan = plan(
        address,
        ProtocolVersion::V3_1_1,
        0,
        Topology::fan_out("b", 1, 1),
    );
    plan.pace = Pace::Rate(1000);
    plan.duration = nanos(Duration::from_secs(1));
    let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
    assert_eq!(run.failures, [""; 0], "{run:?}");
    assert_eq!(run.counted("published"), Some(1000));
    run
}

#[test]
fn an_open_loop_charges_a_stall_to_every_message_that_was_due() {
    let run = stalled_run();
    let latency = |key: &str| run.counted(key).expect("it is told");
    assert!(latency("latency_max_us") >= 299_000, "{run:?}");
    // 300 of 1000 messages were due while it stalled, so the 90th percentile is
    // about 200 ms; a clock that starts with the answer would show next to
    // nothing there.
    let p90 = latency("latency_p90_us");
    assert!((190_000..260_000).contains(&p90), "{run:?}");
    assert!(latency("latency_p50_us") < 100_000, "{run:?}");
}

#[test]
fn the_corrected_histogram_counts_each_part_of_a_stall() {
    let run = stalled_run();
    let distribution = run.distributions.get("latency").expect("it is told");
    let histogram = distribution.histogram().expect("it can be read");
    assert_eq!(histogram.len(), 1000);
    // Messages are due each millisecond, so of a stall of 300 ms about 300 - t
    // messages wait longer than t: never fewer. A busy machine may add some.
    for limit in [50_u64, 100, 150, 200, 250] {
        let longer = 1000 - histogram.count_between(0, limit * 1000);
        let right = 300 - limit;
        assert!(
            (right - 3..=right + 150).contains(&longer),
            "{longer} above {limit} ms"
        );
    }
    let uncorrected = run.distributions.get("latency_uncorrected");
    let uncorrected = uncorrected.expect("an open loop has both");
    assert_eq!(uncorrected.samples, 1000);
    assert!(uncorrected.mean_us <= distribution.mean_us);
}

#[test]
fn the_generators_own_lateness_is_in_the_corrected_latency_alone() {
    // QoS 1 with one message in flight and a broker that stalls: the generator
    // may not send, so what was due is sent late; its real flight is short.
    let address = support::start(Manners {
        script: |_, sequence| match sequence {
            100 => Action::Stall(Duration::from_millis(300)),
            _ => Action::Deliver,
        },
        ..GOOD
    });
    let mut plan = plan(
        address,
        ProtocolVersion::V5,
        1,
        Topology::fan_out("b", 1, 1),
    );
    plan.pace = Pace::Rate(500);
    plan.duration = nanos(Duration::from_secs(1));
    plan.in_flight = 1;
    let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
    let value = |key: &str| run.counted(key).expect("it is told");
    assert!(value("send_late_max_us") >= 280_000, "{run:?}");
    assert!(value("latency_p90_us") >= 150_000, "{run:?}");
    assert!(value("latency_uncorrected_p90_us") < 100_000, "{run:?}");
}

#[test]
fn a_shared_group_is_one_stream_and_its_members_keep_the_order() {
    let address = support::start(Manners {
        script: |_, sequence| match sequence {
            7 => Action::Lose,
            9 => Action::Repeat,
            _ => Action::Deliver,
        },
        ..GOOD
    });
    let plan = plan(
        address,
        ProtocolVersion::V3_1_1,
        0,
        Topology::shared("b", 1, 3),
    );
    let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
    assert_eq!(counts(&run), [1, 1, 0, 0, 1], "{run:?}");
    assert!(
        run.warnings
            .iter()
            .any(|line| line.contains("shared group 0")),
        "{run:?}"
    );
}

#[test]
fn system_calls_are_told_where_they_are_asked_for_or_it_is_said_why_not() {
    let run_with = |count_syscalls: bool| {
        let topology = Topology::fan_out("b", 1, 1);
        let mut plan = plan(support::start(GOOD), ProtocolVersion::V5, 0, topology);
        plan.target.count_syscalls = count_syscalls;
        traffic::run(&plan, &Progress::silent()).expect("the run takes place")
    };
    let told = |run: &Run| run.metrics.get("broker_syscalls_per_delivery").is_some();
    let warned = |run: &Run, what: &str| run.warnings.iter().any(|line| line.contains(what));
    let plain = run_with(false);
    assert!(
        !told(&plain) && !warned(&plain, "system calls"),
        "{plain:?}"
    );
    let counted = run_with(true);
    let impossible = warned(&counted, "system calls could not be counted: ");
    assert!(told(&counted) != impossible, "{counted:?}");
    assert!(told(&counted) == warned(&counted, "system calls were counted"));
}

#[test]
fn subscribers_that_stop_reading_are_neither_heard_nor_waited_for() {
    // Whatever became of their messages, nobody would know; what the others lost counts.
    let lose: Script = |subscriber, sequence| match (subscriber, sequence) {
        (3 | 4, _) | (0, 7) => Action::Lose,
        _ => Action::Deliver,
    };
    for (script, failures) in [(GOOD.script, &[][..]), (lose, &["1 lost"])] {
        let address = support::start(Manners { script, ..GOOD });
        let topology = Topology::fan_out("b", 1, 3).with_stalled(2);
        let plan = TrafficPlan {
            // The scripted broker waits for sockets: they must not fill.
            pace: Pace::Rate(200),
            ..plan(address, ProtocolVersion::V3_1_1, 0, topology)
        };
        let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
        // A message that was read there would be a stray one.
        assert_eq!(run.failures, failures, "{run:?}");
        let published = run.counted("published").expect("it is told");
        assert!(published > 8, "{run:?}");
    }
}
