//! The broker that the foreign clients talk to: ours, or one that is already running.
//!
//! Owns the process where it started one. `RINGMQ_TEST_BROKER=host:port` points the
//! clients at somebody else's broker, which shows whether a scenario is right before
//! it accuses ours.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process;

/// What a scenario needs to know of a broker.
pub struct Broker {
    pub address: SocketAddr,
    _process: Option<process::Broker>,
}

impl Broker {
    pub fn start(shards: usize) -> Self {
        if let Ok(name) = std::env::var("RINGMQ_TEST_BROKER") {
            let mut addresses = name
                .to_socket_addrs()
                .expect("RINGMQ_TEST_BROKER is host:port");
            let address = addresses.next().expect("a name stands for an address");
            return Self {
                address,
                _process: None,
            };
        }
        let process = process::Broker::start(shards, &["--log", "warn"]);
        Self {
            address: process.address(),
            _process: Some(process),
        }
    }
}

/// A prefix of topics and client ids that no other test uses, short enough for MQTT 3.1's ids.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("interop/{:x}x{number:x}", std::process::id())
}
