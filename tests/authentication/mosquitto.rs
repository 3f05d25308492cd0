//! mosquitto as an oracle: its broker with a configuration of ours, and mosquitto_passwd.
//!
//! Owns the broker's process: it is killed when dropped. Finds it where Debian puts it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::files::Folder;
use crate::support::broker::Broker;
use crate::support::client::let_pass;

pub const PASSWD: &str = "mosquitto_passwd";
const BROKER: &str = "/usr/sbin/mosquitto";

/// Whether a program of mosquitto is there; if not, says so, or fails where it must be.
pub fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    let there = command
        .arg("-h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let required = std::env::var("RINGMQ_REQUIRE_INTEROP").is_ok_and(|value| value == "1");
    assert!(there || !required, "{program} is required here");
    if !there {
        eprintln!("!!! SKIPPED: {program} is not installed");
    }
    there
}

/// mosquitto's broker, running.
pub struct Mosquitto {
    child: Child,
    pub broker: Broker,
}

impl Mosquitto {
    /// Starts it with these lines of configuration; `None` where it is not installed.
    pub fn start(folder: &Folder, lines: &str) -> Option<Self> {
        if !has(BROKER) {
            return None;
        }
        // Free until somebody else takes it, which fails the test and no other way is offered.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let port = address.port();
        let user = "user root\n";
        let configuration = format!("{user}listener {port} 127.0.0.1\n{lines}\n");
        let path = folder.write("mosquitto.conf", &configuration);
        let child = Command::new(BROKER)
            .args(["-c", &path])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it was found before");
        let mut mosquitto = Self {
            child,
            broker: Broker::at(address),
        };
        mosquitto.wait(address);
        Some(mosquitto)
    }

    fn wait(&mut self, address: SocketAddr) {
        for _ in 0..1000 {
            if TcpStream::connect(address).is_ok() {
                return;
            }
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "mosquitto refuses its configuration");
            let_pass(Duration::from_millis(10));
        }
        panic!("mosquitto does not listen");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
