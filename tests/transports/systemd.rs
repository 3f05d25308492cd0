//! Sockets that a socket unit hands over, and what the unit's manager is told.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Broker, binary, run, scratch, skipped};
use crate::programs::{find, inherit};
use crate::support::broker::unique;
use crate::{client, readme_block, ways};

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
    inherit(&mut command, sockets);
    command
}

/// The unit's manager, and the path where it is told.
fn manager() -> (UnixDatagram, PathBuf) {
    let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("manager")));
    let manager = UnixDatagram::bind(&path).expect("a free path");
    manager
        .set_read_timeout(Some(crate::wait::PATIENCE))
        .expect("more than zero");
    (manager, path)
}

/// What the manager is told next.
fn heard(manager: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let size = manager.recv(&mut message).expect("a notification");
    String::from_utf8_lossy(&message[..size]).into_owned()
}

#[test]
fn every_shard_accepts_on_inherited_sockets_and_the_manager_is_told() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = tcp.local_addr().expect("it is bound");
    let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("inherited")));
    let unix = UnixListener::bind(&path).expect("a free path");
    let (manager, manager_path) = manager();
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
    assert!(heard(&manager).contains("READY=1"));
    let mut clients: Vec<_> = (0..16)
        .flat_map(|_| ways(&broker))
        .map(|way| client(&way))
        .collect();
    for client in &mut clients {
        client.ping();
    }
    broker.stop();
    assert!(heard(&manager).contains("STOPPING=1"));
    assert!(path.exists(), "the socket belongs to the manager");
    for path in [path, manager_path] {
        let _ = std::fs::remove_file(path);
    }
}

/// systemd's own program in the place of the socket unit: it listens, and becomes the broker
/// at the first connection.
#[test]
fn systemds_own_activation_hands_over_named_sockets() {
    let Some(activate) = find("systemd-socket-activate") else {
        return skipped("systemd-socket-activate", "install the package systemd");
    };
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("activated")));
    let (manager, manager_path) = manager();
    let mut command = Command::new(activate);
    command
        .args(["-l", &address.to_string(), "-l"])
        .arg(&path)
        .arg("--fdname=web:local")
        .args([
            "-E",
            &format!("NOTIFY_SOCKET={}", manager_path.display()),
            "--",
        ])
        .arg(binary())
        .args([
            "--shards",
            "2",
            "--ws",
            "systemd:web",
            "--tcp",
            "systemd:local",
        ]);
    let first = std::thread::spawn(move || {
        crate::wait::for_some("systemd to listen", crate::wait::PATIENCE, || {
            TcpStream::connect(address).ok()
        })
    });
    let broker = Broker::serve(command, 2);
    drop(first.join().expect("it connects"));
    let mut said = broker.announced().to_vec();
    said.sort_by_key(|line| !line.contains(" ws "));
    let expected = [
        format!("listening ws {address}"),
        format!("listening unix {}", path.display()),
    ];
    assert_eq!(said, expected);
    assert!(heard(&manager).contains("READY=1"));
    for way in ways(&broker) {
        client(&way).ping();
    }
    broker.stop();
    assert!(heard(&manager).contains("STOPPING=1"));
    for path in [path, manager_path] {
        let _ = std::fs::remove_file(path);
    }
}

/// The units of README.md, which name the binary where it will be installed.
#[test]
fn systemd_finds_nothing_wrong_with_the_units_of_the_readme() {
    let Some(analyze) = find("systemd-analyze") else {
        return skipped("systemd-analyze", "install the package systemd");
    };
    let folder = scratch("units");
    let units = readme_block("ini");
    let mut names = Vec::new();
    for unit in units.split("# /etc/systemd/system/").skip(1) {
        let (name, content) = unit.split_once('\n').expect("a unit behind its name");
        let installed = binary().display().to_string();
        let content = content.replace("/usr/local/bin/ringmq", &installed);
        std::fs::write(folder.join(name), content).expect("the folder is writable");
        names.push(folder.join(name));
    }
    assert_eq!(names.len(), 2, "a socket and a service: {units}");
    let mut command = Command::new(analyze);
    command.args(["verify", "--man=no"]).args(&names);
    let ended = run(command);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{units}"
    );
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
