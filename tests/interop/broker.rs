//! The broker that the foreign clients talk to: ours, or one that is already running.
//!
//! Owns the process where it started one. `RINGMQ_TEST_BROKER=host:port` points the
//! clients at somebody else's broker, which shows whether a scenario is right before
//! it accuses ours.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::authority::Authority;
use crate::process;

/// What a scenario needs to know of a broker.
pub struct Broker {
    /// Of a Unix domain socket: nothing to use.
    pub address: SocketAddr,
    /// tcp, tls, ws, wss or unix.
    pub transport: &'static str,
    /// The path of a Unix domain socket.
    pub path: PathBuf,
    /// Whose certificates the broker shows.
    pub authority: Option<PathBuf>,
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
                transport: "tcp",
                path: PathBuf::new(),
                authority: None,
                _process: None,
            };
        }
        let process = process::Broker::start(shards, &["--log", "warn"]);
        Self {
            address: process.address(),
            transport: "tcp",
            path: PathBuf::new(),
            authority: None,
            _process: Some(process),
        }
    }

    /// A broker of ours that listens for this transport alone.
    pub fn over(transport: &'static str, shards: usize) -> Self {
        let unix = transport == "unix";
        let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique().replace('/', "-")));
        let mut command = Command::new(process::binary());
        command.args(["--shards", &shards.to_string(), "--log", "warn"]);
        command.arg(format!("--{transport}"));
        if unix {
            command.arg(&path);
        } else {
            command.arg("127.0.0.1:0");
        }
        let authority = matches!(transport, "tls" | "wss").then(Authority::shared);
        if let Some(authority) = authority {
            let name = unique().replace('/', "-");
            command.args(
                authority
                    .server(&name, &["localhost", "127.0.0.1"])
                    .options(),
            );
        }
        let process = process::Broker::serve(command, 1);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self {
            address: if unix { nowhere } else { process.address() },
            transport,
            path,
            authority: authority.map(|authority| authority.file.clone()),
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
