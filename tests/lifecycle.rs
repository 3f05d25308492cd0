//! The broker as a library: started and stopped many times in one process.
//!
//! Owns the promise that a stop gives everything back. One test alone in its
//! binary, because it counts the descriptors and threads of the whole process.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ringmq::broker::Broker;

const ROUNDS: usize = 50;
const SHARDS: usize = 4;

fn count(folder: &str) -> usize {
    fs::read_dir(folder)
        .expect("the process sees itself")
        .count()
}

/// CONNECT with MQTT 3.1.1, a clean session and an assigned client identifier.
fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    stream
        .write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
        .expect("CONNECT is sent");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("CONNACK arrives");
    assert_eq!(&answer, b"\x20\x02\x00\x00");
    stream
}

#[test]
fn fifty_starts_and_stops_give_everything_back() {
    let before = count("/proc/self/fd");
    for round in 1..=ROUNDS {
        let broker = Broker::builder()
            .tcp("127.0.0.1:0")
            .shards(SHARDS)
            .start()
            .expect("the broker starts");
        let port = broker.addresses()[0]
            .socket_address()
            .expect("it is of TCP")
            .port();
        let mut clients: Vec<_> = (0..2 * SHARDS).map(|_| connect(port)).collect();
        assert_eq!(broker.connections(), clients.len());
        broker.shutdown().expect("the broker stops in order");
        for client in &mut clients {
            let mut rest = Vec::new();
            client
                .read_to_end(&mut rest)
                .expect("the end of the stream");
            assert!(rest.is_empty());
        }
        drop(clients);
        // glommio 0.9 keeps one eventfd per executor that ever ran (its `destroy`
        // of a task does not drop the header); nothing else may stay. Its
        // blocking threads end by themselves a moment later.
        let deadline = Instant::now() + Duration::from_secs(10);
        while count("/proc/self/fd") > before + round * SHARDS || count("/proc/self/task") > 2 {
            assert!(
                Instant::now() < deadline,
                "round {round} left something behind"
            );
            std::thread::yield_now();
        }
    }
}
