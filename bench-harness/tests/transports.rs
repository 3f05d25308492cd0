//! Over TLS, WebSocket and both, the harness finds what it finds over TCP, and says
//! why a connection cannot be made.
//!
//! The scripted broker is behind doors of other people's code.

#[path = "support/doors.rs"]
mod doors;
#[expect(dead_code, reason = "each test program uses another part of it")]
mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use doors::Doors;
use ringmq::protocol::ProtocolVersion;
use ringmq::transport::client::Connector;
use ringmq_bench::fault::Fault;
use ringmq_bench::layers::{self, Wanted, WantedTls};
use ringmq_bench::plan::{ConnectPlan, Pace, Target, TrafficPlan};
use ringmq_bench::progress::Progress;
use ringmq_bench::result::Run;
use ringmq_bench::scenario::{RunError, connect, traffic};
use ringmq_bench::topology::Topology;
use support::{Action, GOOD, Manners};

const MILLISECOND: u64 = 1_000_000;

/// TLS and WebSocket, each or both.
const WAYS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

/// A file that is gone with its test.
struct Pem(PathBuf);

impl Pem {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("ringmq-bench-{name}-{}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn wanted<'a>(tls: Option<&'a Pem>, websocket: bool, version: ProtocolVersion) -> Wanted<'a> {
    Wanted {
        host: "127.0.0.1",
        port: 1883,
        version,
        tls: tls.map(|authorities| WantedTls {
            authorities: Some(&authorities.0),
            any_name: false,
        }),
        path: websocket.then_some("/mqtt"),
    }
}

fn target(address: SocketAddr, wanted: &Wanted<'_>) -> Target {
    let connector: Option<Connector> = layers::connector(wanted).expect("the file is right");
    Target {
        address,
        version: wanted.version,
        pid: None,
        count_syscalls: false,
        connector: connector.map(Arc::new),
    }
}

fn fan_out(target: Target, qos: u8) -> Result<Run, RunError> {
    let plan = TrafficPlan {
        target,
        qos,
        retain: false,
        payload: 64,
        pace: Pace::Window(8),
        warmup: 0,
        duration: 150 * MILLISECOND,
        in_flight: 10,
        quiet: 800 * MILLISECOND,
        tolerate_loss: false,
        topology: Topology::fan_out("b", 1, 3),
    };
    traffic::run(&plan, &Progress::silent())
}

#[test]
fn streams_are_whole_at_every_version_and_quality() {
    let (authority, config) = doors::certificate("127.0.0.1");
    let authority = Pem::new("whole", &authority);
    for (tls, websocket) in WAYS {
        for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            for qos in 0..=2 {
                let doors = Doors {
                    tls: tls.then(|| Arc::clone(&config)),
                    websocket,
                };
                let address = doors::before(support::start(GOOD), doors);
                let wanted = wanted(tls.then_some(&authority), websocket, version);
                let run = fan_out(target(address, &wanted), qos).expect("the run takes place");
                assert_eq!(run.failures, [""; 0], "{run:?}");
                let published = run.counted("published").expect("it is told");
                assert!(published >= 8, "{run:?}");
                assert_eq!(run.counted("delivered"), Some(published * 3));
            }
        }
    }
}

#[test]
fn what_is_lost_or_repeated_is_counted_exactly() {
    let (authority, config) = doors::certificate("127.0.0.1");
    let authority = Pem::new("lost", &authority);
    for (tls, websocket) in WAYS {
        let broker = support::start(Manners {
            script: |subscriber, sequence| match (subscriber, sequence) {
                (1, 2 | 3) => Action::Lose,
                (2, 4) => Action::Repeat,
                _ => Action::Deliver,
            },
            ..GOOD
        });
        let doors = Doors {
            tls: tls.then(|| Arc::clone(&config)),
            websocket,
        };
        let wanted = wanted(tls.then_some(&authority), websocket, ProtocolVersion::V5);
        let target = target(doors::before(broker, doors), &wanted);
        let run = fan_out(target, 0).expect("the run takes place");
        assert_eq!(run.failures, ["2 lost", "1 duplicated"], "{run:?}");
    }
}

#[test]
fn a_storm_of_connections_counts_their_handshakes() {
    let (authority, config) = doors::certificate("127.0.0.1");
    let authority = Pem::new("storm", &authority);
    for (tls, websocket) in WAYS {
        let doors = Doors {
            tls: tls.then(|| Arc::clone(&config)),
            websocket,
        };
        let address = doors::before(support::start(GOOD), doors);
        let wanted = wanted(tls.then_some(&authority), websocket, ProtocolVersion::V5);
        let plan = ConnectPlan {
            target: target(address, &wanted),
            connections: 20,
            rate: None,
            concurrent: 5,
        };
        let run = connect::run(&plan, &Progress::silent()).expect("the run takes place");
        assert_eq!(run.failures, [""; 0], "{run:?}");
        assert_eq!(run.counted("connected"), Some(20));
    }
}

/// Why a client does not come in.
fn complaint(doors: Doors, wanted: &Wanted<'_>) -> String {
    let address = doors::before(support::start(GOOD), doors);
    match fan_out(target(address, wanted), 0) {
        Err(RunError::Open(_, Fault::Transport(why))) => why.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_ends_the_run_with_the_reason() {
    let (_, config) = doors::certificate("127.0.0.1");
    let (stranger, _) = doors::certificate("127.0.0.1");
    let stranger = Pem::new("stranger", &stranger);
    let doors = Doors {
        tls: Some(config),
        websocket: false,
    };
    let wanted = wanted(Some(&stranger), false, ProtocolVersion::V5);
    let why = complaint(doors, &wanted);
    assert!(
        why.contains("UnknownIssuer") || why.contains("BadSignature"),
        "{why}"
    );
}

#[test]
fn a_certificate_for_another_host_is_taken_only_where_that_is_allowed() {
    let (authority, config) = doors::certificate("broker.example");
    let authority = Pem::new("name", &authority);
    let doors = Doors {
        tls: Some(config),
        websocket: false,
    };
    let mut wanted = wanted(Some(&authority), false, ProtocolVersion::V5);
    let why = complaint(doors.clone(), &wanted);
    assert!(why.to_lowercase().contains("name"), "{why}");
    wanted.tls.as_mut().expect("it was asked for").any_name = true;
    let address = doors::before(support::start(GOOD), doors);
    let run = fan_out(target(address, &wanted), 0).expect("the run takes place");
    assert_eq!(run.failures, [""; 0], "{run:?}");
}

#[test]
fn a_refused_upgrade_ends_the_run_with_the_answer() {
    let doors = Doors {
        tls: None,
        websocket: true,
    };
    let mut wanted = wanted(None, true, ProtocolVersion::V5);
    wanted.path = Some("/elsewhere");
    let why = complaint(doors, &wanted);
    assert!(why.contains("404"), "{why}");
}
