//! An ordinary user with 8 MiB of lockable memory, which is what most machines give.
//!
//! Rings are charged to the user, so two brokers and a quick restart share the 8 MiB;
//! root would hide that. Run as root, the broker becomes a user that nobody else is;
//! the binary is copied to where that user may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Broker, binary, command_of, limit, skipped};
use crate::wire::Client;

const LOCKABLE: u64 = 8 << 20;
const SHARDS: usize = 4;

/// Who runs the broker, and the binary that he may execute.
struct Nobody {
    binary: PathBuf,
    /// A user id to become; `None` where the test itself is an ordinary user.
    user: Option<u32>,
}

impl Nobody {
    /// `None`, loudly, where no such broker can be had.
    fn new(test: &str) -> Option<Self> {
        // SAFETY: geteuid only returns a number.
        let root = unsafe { libc::geteuid() } == 0;
        if !root {
            let nobody = Self {
                binary: binary(),
                user: None,
            };
            return nobody.works().then_some(nobody).or_else(|| {
                skipped(test, "this user may lock less than 8 MiB (ulimit -l)");
                None
            });
        }
        let folder = std::env::temp_dir().join(format!("ringmq-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let copy = folder.join("ringmq");
        fs::copy(binary(), &copy).expect("the binary is readable");
        // An id of its own: locked memory is counted per user.
        let user = 60_000 + std::process::id() % 5_000;
        let nobody = Self {
            binary: copy,
            user: Some(user),
        };
        nobody.works().then_some(nobody).or_else(|| {
            skipped(
                test,
                "cannot run as another user here (user namespace, noexec?)",
            );
            None
        })
    }

    fn works(&self) -> bool {
        let mut probe = Command::new(&self.binary);
        probe.arg("--version");
        self.confine(&mut probe);
        probe.output().is_ok_and(|output| output.status.success())
    }

    fn confine(&self, command: &mut Command) {
        if let Some(user) = self.user {
            command.uid(user).gid(user).current_dir(Path::new("/"));
        }
        limit(command, libc::RLIMIT_MEMLOCK, LOCKABLE);
    }

    fn broker(&self, address: Option<&str>) -> Broker {
        let mut command = match address {
            None => command_of(&self.binary, SHARDS, &[]),
            Some(address) => {
                let mut command = Command::new(&self.binary);
                command.args(["--tcp", address, "--shards", &SHARDS.to_string()]);
                command
            }
        };
        self.confine(&mut command);
        Broker::serve(command, 1)
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        if let (Some(_), Some(folder)) = (self.user, self.binary.parent()) {
            // A leftover in the temporary folder hurts nobody.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn assert_serves(broker: &Broker, word: &str) {
    let mut clients: Vec<Client> = (0..8)
        .map(|number| Client::v5(broker.address(), &format!("{word}-{number}")))
        .collect();
    for client in &mut clients {
        client.subscribe(word, 1);
    }
    clients[0].send(&crate::wire::publish(5, word, word.as_bytes(), 0, false, 0));
    for client in &mut clients {
        assert_eq!(client.message().payload, word.as_bytes());
    }
}

#[test]
fn two_brokers_of_four_shards_live_on_8_mib_of_lockable_memory() {
    let Some(nobody) = Nobody::new("two_brokers") else {
        return;
    };
    let (first, second) = (nobody.broker(None), nobody.broker(None));
    assert_serves(&first, "first");
    assert_serves(&second, "second");
    second.stop();
    first.stop();
}

#[test]
fn a_broker_restarts_at_once_beside_another_on_8_mib() {
    let Some(nobody) = Nobody::new("quick_restart") else {
        return;
    };
    let other = nobody.broker(None);
    let mut broker = nobody.broker(None);
    for round in 0..3 {
        let address = broker.address().to_string();
        broker.stop();
        broker = nobody.broker(Some(&address));
        assert_serves(&broker, &format!("round-{round}"));
    }
    // A crash gives the kernel no time either.
    let address = broker.address().to_string();
    drop(broker);
    let broker = nobody.broker(Some(&address));
    assert_serves(&broker, "after-a-crash");
    assert_serves(&other, "other");
    broker.stop();
    other.stop();
}

#[test]
fn too_little_lockable_memory_is_refused_in_one_line() {
    let Some(nobody) = Nobody::new("no_memlock") else {
        return;
    };
    let mut command = command_of(&nobody.binary, SHARDS, &["--log", "error"]);
    nobody.confine(&mut command);
    limit(&mut command, libc::RLIMIT_MEMLOCK, 64 << 10);
    let Err(ended) = Broker::try_serve(command, 1) else {
        panic!("4 shards cannot run on 64 KiB of lockable memory")
    };
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.to_lowercase().contains("memlock"), "{ended:?}");
}
