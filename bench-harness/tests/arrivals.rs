//! What the harness says of clients that arrive: a storm of them, idle ones, and
//! newcomers to whom retained messages are due.
//!
//! Each test runs a small scenario against a scripted broker in this process.

#[expect(dead_code, reason = "each test program uses another part of it")]
mod support;

use std::net::{Ipv4Addr, SocketAddr};

use ringmq::protocol::ProtocolVersion;
use ringmq_bench::fault::Fault;
use ringmq_bench::plan::{ConnectPlan, IdlePlan, ReplayPlan, Target};
use ringmq_bench::progress::Progress;
use ringmq_bench::result::Run;
use ringmq_bench::scenario::{RunError, connect, idle, replay};
use socket2::{Domain, Socket, Type};
use support::{Action, Answer, GOOD, Manners, Retained, Script, Welcome};

const MILLISECOND: u64 = 1_000_000;
const TOPICS: u32 = 50;
const NEWCOMERS: u32 = 2;
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V3_1_1, ProtocolVersion::V5];

fn target(address: SocketAddr, version: ProtocolVersion) -> Target {
    Target {
        address,
        version,
        pid: Some(std::process::id()),
        count_syscalls: false,
        connector: None,
    }
}

fn counts<const N: usize>(run: &Run, keys: [&str; N]) -> [u64; N] {
    keys.map(|key| run.counted(key).expect("every run has it"))
}

fn replay_plan(target: Target, qos: u8) -> ReplayPlan {
    ReplayPlan {
        target,
        qos,
        payload: 64,
        topics: TOPICS,
        subscribers: NEWCOMERS,
        root: "b/retained".to_owned(),
        quiet: 400 * MILLISECOND,
    }
}

/// Replays to two newcomers; newcomer n is the script's subscriber n.
fn replayed(script: Script) -> Run {
    let address = support::start(Manners { script, ..GOOD });
    let plan = replay_plan(target(address, ProtocolVersion::V5), 1);
    replay::run(&plan, &Progress::silent()).expect("the run takes place")
}

/// Delivered, lost, duplicated, stray.
fn streams(run: &Run) -> [u64; 4] {
    counts(run, ["delivered", "lost", "duplicated", "stray"])
}

/// What the broker says to be taken away is: nobody has to wait for it.
fn assert_nothing_is_retained(retained: &Retained) {
    assert_eq!(retained.lock().expect("no thread panics").len(), 0);
}

#[test]
fn every_newcomer_gets_everything_and_it_is_taken_away_again() {
    for version in VERSIONS {
        for qos in 0..=2 {
            let (address, retained) = support::start_with_retained(GOOD);
            let plan = replay_plan(target(address, version), qos);
            let run = replay::run(&plan, &Progress::silent()).expect("the run takes place");
            assert_eq!(run.failures, [""; 0], "{run:?}");
            let all = u64::from(TOPICS * NEWCOMERS);
            assert_eq!(streams(&run), [all, 0, 0, 0]);
            let each = run.distributions.get("latency").expect("it is told");
            assert_eq!(each.samples, all);
            let spans = run.distributions.get("replay").expect("it is told");
            assert_eq!(spans.samples, u64::from(NEWCOMERS));
            assert_nothing_is_retained(&retained);
        }
    }
}

#[test]
fn retained_messages_that_a_newcomer_does_not_get_are_lost() {
    let run = replayed(|newcomer, sequence| match (newcomer, sequence) {
        (0, 7) | (1, 0 | 49) => Action::Lose,
        _ => Action::Deliver,
    });
    assert_eq!(streams(&run), [97, 3, 0, 0], "{run:?}");
    assert_eq!(run.failures, ["3 lost"]);
}

#[test]
fn retained_messages_that_come_twice_are_duplicated() {
    let run = replayed(|newcomer, sequence| match (newcomer, sequence) {
        (0, 3 | 4) | (1, 3) => Action::Repeat,
        _ => Action::Deliver,
    });
    assert_eq!(streams(&run), [100, 0, 3, 0], "{run:?}");
    assert_eq!(run.failures, ["3 duplicated"]);
}

#[test]
fn a_retained_message_that_was_altered_is_stray_and_the_true_one_is_lost() {
    let run = replayed(|newcomer, sequence| match (newcomer, sequence) {
        (1, 5) => Action::Cut,
        _ => Action::Deliver,
    });
    assert_eq!(streams(&run), [99, 1, 0, 1], "{run:?}");
    assert_eq!(run.failures, ["1 lost", "1 stray"]);
}

#[test]
fn a_newcomer_that_is_refused_ends_the_replay() {
    let (address, retained) = support::start_with_retained(Manners {
        // The second newcomer, which is the third connection.
        welcome: |number| match number {
            1 => Welcome::Refuse(5),
            _ => Welcome::Accept,
        },
        ..GOOD
    });
    let plan = replay_plan(target(address, ProtocolVersion::V3_1_1), 0);
    let error = replay::run(&plan, &Progress::silent()).expect_err("it is not let in");
    assert!(
        matches!(error, RunError::Open(2, Fault::Refused(0x87))),
        "{error}"
    );
    assert_nothing_is_retained(&retained);
}

/// Answers of the broker to what is retained; what the run says of it, and what
/// is left when it is over.
fn answered(answer: fn(u64) -> Answer) -> Run {
    let (address, retained) = support::start_with_retained(Manners { answer, ..GOOD });
    let plan = replay_plan(target(address, ProtocolVersion::V5), 1);
    let run = replay::run(&plan, &Progress::silent()).expect("the run takes place");
    assert_nothing_is_retained(&retained);
    assert_eq!(run.warnings, [""; 0]);
    run
}

/// Retained, unacknowledged, refused, unsent.
fn fates(run: &Run) -> [u64; 4] {
    counts(run, ["retained", "unacknowledged", "refused", "unsent"])
}

#[test]
fn what_the_broker_never_acknowledged_is_neither_lost_nor_left_behind() {
    // As many as may be in flight; the others wait for them in vain.
    let run = answered(|_| Answer::Silence);
    assert_eq!(fates(&run), [0, 20, 0, 30], "{run:?}");
    assert_eq!(streams(&run), [0, 0, 0, 0], "{run:?}");
    assert_eq!(run.failures, ["20 unacknowledged", "30 unsent"]);
    // The fake broker delivers these two, and newcomers are owed the others only.
    let run = answered(|sequence| match sequence {
        4 | 49 => Answer::Silence,
        _ => Answer::Acknowledge,
    });
    assert_eq!(fates(&run), [48, 2, 0, 0], "{run:?}");
    assert_eq!(streams(&run), [96, 0, 0, 0], "{run:?}");
    assert_eq!(run.failures, ["2 unacknowledged"]);
}

#[test]
fn what_the_broker_refused_to_retain_is_refused_and_not_lost() {
    let run = answered(|sequence| match sequence {
        0 | 1 | 30 => Answer::Refuse(0x97),
        _ => Answer::Acknowledge,
    });
    assert_eq!(fates(&run), [47, 0, 3, 0], "{run:?}");
    assert_eq!(streams(&run), [94, 0, 0, 0], "{run:?}");
    assert_eq!(run.failures, ["3 refused"]);
}

#[test]
fn a_run_that_ends_early_takes_away_what_it_has_retained() {
    let (address, retained) = support::start_with_retained(Manners {
        answer: |sequence| match sequence {
            25 => Answer::HangUp,
            _ => Answer::Acknowledge,
        },
        ..GOOD
    });
    let plan = replay_plan(target(address, ProtocolVersion::V5), 1);
    let error = replay::run(&plan, &Progress::silent()).expect_err("nobody is left to retain");
    assert!(
        matches!(error, RunError::Open(0, Fault::Closed | Fault::Io(_))),
        "{error}"
    );
    assert_nothing_is_retained(&retained);
}

fn storm(manners: Manners, version: ProtocolVersion, rate: Option<u64>) -> Run {
    let plan = ConnectPlan {
        target: target(support::start(manners), version),
        connections: 40,
        rate,
        // One after the other, so that it is known who is the first to be lost.
        concurrent: 1,
    };
    connect::run(&plan, &Progress::silent()).expect("the run takes place")
}

const ARRIVALS: [&str; 3] = ["connections", "connected", "connections_lost"];

#[test]
fn a_storm_that_is_let_in_is_timed_connection_by_connection() {
    for version in VERSIONS {
        let run = storm(GOOD, version, None);
        assert_eq!(run.failures, [""; 0], "{run:?}");
        assert_eq!(counts(&run, ARRIVALS), [40, 40, 0]);
        assert_eq!(counts(&run, ["latency_samples"]), [40]);
    }
}

#[test]
fn refused_connections_are_counted_and_the_storm_goes_on() {
    let every_tenth = Manners {
        welcome: |number| match number % 10 {
            3 => Welcome::Refuse(3),
            _ => Welcome::Accept,
        },
        ..GOOD
    };
    let run = storm(every_tenth, ProtocolVersion::V3_1_1, None);
    assert_eq!(counts(&run, ARRIVALS), [40, 36, 4], "{run:?}");
    assert_eq!(counts(&run, ["latency_samples"]), [36]);
    assert_eq!(
        run.failures,
        [
            "36 of 40 connected",
            "4 connections lost; the first: connection 3: CONNECT refused with reason 0x88"
        ]
    );
}

#[test]
fn a_storm_that_nobody_lets_in_fails_and_invents_no_numbers() {
    let nobody = Manners {
        welcome: |_| Welcome::Refuse(5),
        ..GOOD
    };
    let run = storm(nobody, ProtocolVersion::V3_1_1, None);
    assert_eq!(counts(&run, ARRIVALS), [40, 0, 40], "{run:?}");
    assert_eq!(run.failures[0], "0 of 40 connected");
    assert!(run.distributions.get("latency").is_none());
    assert!(run.metrics.get("broker_cpu_us_per_connection").is_none());
}

#[test]
fn a_storm_with_a_rate_is_no_faster_than_that() {
    let run = storm(GOOD, ProtocolVersion::V5, Some(200));
    assert_eq!(run.failures, [""; 0], "{run:?}");
    assert_eq!(counts(&run, ARRIVALS), [40, 40, 0]);
    // The last of them is due 39 / 200 s after the first.
    let seconds = run.metrics.get("seconds").expect("it is told").value;
    assert!(seconds >= 0.195, "{seconds}");
}

#[test]
fn a_storm_against_a_closed_port_fails() {
    // Bound, so that nobody else takes the port; it does not listen.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    closed.bind(&any_port.into()).expect("a free port");
    let address = closed.local_addr().expect("it is bound");
    let address = address.as_socket().expect("it is of IPv4");
    let plan = ConnectPlan {
        target: target(address, ProtocolVersion::V5),
        connections: 5,
        rate: None,
        concurrent: 1,
    };
    let run = connect::run(&plan, &Progress::silent()).expect("the run takes place");
    assert_eq!(counts(&run, ARRIVALS), [5, 0, 5]);
    let words = "the first: connection 0: could not connect: connection refused";
    assert!(run.failures[1].ends_with(words), "{run:?}");
}

fn idle_run(manners: Manners, connections: u32, subscribe: bool) -> Result<Run, RunError> {
    let plan = IdlePlan {
        target: target(support::start(manners), ProtocolVersion::V5),
        pid: std::process::id(),
        connections,
        subscribe,
        keep_alive: 60,
        settle: 50 * MILLISECOND,
    };
    idle::run(&plan, &Progress::silent())
}

#[test]
fn idle_connections_are_charged_with_what_the_broker_grew_by() {
    for subscribe in [false, true] {
        let run = idle_run(GOOD, 40, subscribe).expect("the run takes place");
        assert_eq!(run.failures, [""; 0], "{run:?}");
        assert_eq!(counts(&run, ["connections", "connections_lost"]), [40, 0]);
        let value = |key: &str| run.metrics.get(key).expect("it is told").value;
        let grown = value("rss_after") - value("rss_before");
        assert!((value("rss_per_connection") - grown / 40.0).abs() < 1e-6);
        assert!(value("broker_rss_peak") >= value("rss_after"));
        assert!(value("open_seconds") > 0.0);
    }
}

#[test]
fn an_idle_connection_that_is_refused_ends_the_run() {
    let seventh = Manners {
        welcome: |number| match number {
            7 => Welcome::Refuse(0x87),
            _ => Welcome::Accept,
        },
        ..GOOD
    };
    let error = idle_run(seventh, 20, false).expect_err("one is not let in");
    assert!(
        matches!(error, RunError::Open(7, Fault::Refused(0x87))),
        "{error}"
    );
}

#[test]
fn an_idle_connection_that_is_closed_is_told() {
    let rude = Manners {
        welcome: |_| Welcome::HangUp,
        ..GOOD
    };
    let run = idle_run(rude, 1, false).expect("it was let in at first");
    assert_eq!(counts(&run, ["connections", "connections_lost"]), [1, 1]);
    assert_eq!(
        run.failures,
        ["1 connections lost; the first: connection 0: the broker closed the connection"]
    );
}
