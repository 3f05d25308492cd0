//! Sockets that a socket unit hands over, and what the unit's manager is told.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::process::{Broker, binary, run};
use crate::support::broker::unique;
use crate::{client, ways};

/// A command that inherits these sockets as systemd would hand them over. A shell that becomes
/// the broker knows its own process id, which LISTEN_PID has to be.
fn hand_over(options: &str, sockets: Vec<(&str, OwnedFd)>) -> Command {
    let (names, sockets): (Vec<&str>, Vec<OwnedFd>) = sockets.into_iter().unzip();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("LISTEN_PID=$$ exec \"$0\" --shards 4 {options}"))
        .arg(binary())
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    // SAFETY: dup2 is async-signal-safe and takes no pointer; the closure owns the sockets. Copies
    // above the targets come first, so that none is overwritten before it was copied.
    unsafe {
        command.pre_exec(move || {
            let mut copies = [-1; 8];
            for (copy, socket) in copies.iter_mut().zip(&sockets) {
                *copy = libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 20);
            }
            for (target, copy) in (3..).zip(copies).take(sockets.len()) {
                if libc::dup2(copy, target) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command
}

#[test]
fn every_shard_accepts_on_inherited_sockets_and_the_manager_is_told() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = tcp.local_addr().expect("it is bound");
    let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("inherited")));
    let unix = UnixListener::bind(&path).expect("a free path");
    let manager_path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("manager")));
    let manager = UnixDatagram::bind(&manager_path).expect("a free path");
    manager
        .set_read_timeout(Some(crate::wait::PATIENCE))
        .expect("more than zero");
    let sockets = vec![("web", tcp.into()), ("local", unix.into())];
    let mut command = hand_over("--ws systemd:web --tcp systemd", sockets);
    command.env("NOTIFY_SOCKET", &manager_path);
    let broker = Broker::serve(command, 2);
    let announced = [
        format!("listening ws {address}"),
        format!("listening unix {}", path.display()),
    ];
    let mut said = broker.announced().to_vec();
    said.sort_by_key(|line| !line.contains(" ws "));
    assert_eq!(said, announced);
    let mut message = [0; 256];
    let mut heard = |word: &str| {
        let size = manager.recv(&mut message).expect("a notification");
        let text = String::from_utf8_lossy(&message[..size]).into_owned();
        assert!(text.contains(word), "{word}: {text}");
    };
    heard("READY=1");
    let mut clients: Vec<_> = (0..16)
        .flat_map(|_| ways(&broker))
        .map(|way| client(&way))
        .collect();
    for client in &mut clients {
        client.ping();
    }
    broker.stop();
    heard("STOPPING=1");
    assert!(path.exists(), "the socket belongs to the manager");
    for path in [path, manager_path] {
        let _ = std::fs::remove_file(path);
    }
}

#[test]
fn a_socket_unit_alone_says_where_to_listen() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = tcp.local_addr().expect("it is bound");
    let broker = Broker::serve(hand_over("", vec![("ringmq.socket", tcp.into())]), 1);
    assert_eq!(broker.announced(), [format!("listening tcp {address}")]);
    client(&ways(&broker)[0]).ping();
    broker.stop();
}

#[test]
fn a_socket_that_nobody_takes_and_one_that_nobody_gives_are_mistakes() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let ended = run(hand_over(
        "--tcp 127.0.0.1:0 --log error",
        vec![("left", tcp.into())],
    ));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--tcp systemd:left"), "{ended:?}");
    let ended = crate::refusal(&["--tcp", "systemd"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no socket"), "{ended:?}");
}
