//! The floor relays what was published, unaltered and in order, to those who
//! asked for it, at every version and quality of service.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use ringmq::protocol::ProtocolVersion;
use ringmq_bench::floor::Floor;
use ringmq_bench::plan::{Pace, Target, TrafficPlan};
use ringmq_bench::progress::Progress;
use ringmq_bench::scenario::traffic;
use ringmq_bench::topology::Topology;

const MILLISECOND: u64 = 1_000_000;

/// A floor in this process; it ends with it.
fn start(cap: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let floor = Floor::new(listener, cap).expect("descriptors are left");
    thread::spawn(move || floor.run());
    address
}

#[test]
fn every_message_arrives_once_and_in_order() {
    for cap in [1, 16, 64] {
        for (version, qos) in [
            (ProtocolVersion::V3_1_1, 0),
            (ProtocolVersion::V5, 1),
            (ProtocolVersion::V3_1_1, 2),
        ] {
            for topology in [
                Topology::fan_out("b", 2, 3),
                Topology::fan_in("b", 3, 2),
                Topology::pairs("b", 3),
            ] {
                let plan = TrafficPlan {
                    target: Target {
                        address: start(cap),
                        version,
                        pid: None,
                        count_syscalls: false,
                        connector: None,
                    },
                    qos,
                    retain: false,
                    payload: 64,
                    pace: Pace::Window(64),
                    warmup: 0,
                    duration: 50 * MILLISECOND,
                    in_flight: 100,
                    quiet: 400 * MILLISECOND,
                    tolerate_loss: false,
                    topology,
                };
                let run = traffic::run(&plan, &Progress::silent()).expect("the run takes place");
                assert_eq!(run.failures, [""; 0], "{run:?}");
                assert!(run.counted("delivered") > Some(100), "{run:?}");
            }
        }
    }
}
