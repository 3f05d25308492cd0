//! Unix domain sockets: the file, who may use it, and who is told to be there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::broker::unique;
use crate::support::stream::Way;
use crate::{client, refusal, serve, wait, wait_for_line};

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringmq-{}.sock", unique(name)))
}

#[test]
fn a_socket_left_behind_by_a_killed_broker_is_replaced_and_one_in_use_is_not() {
    let path = path("left");
    let text = path.to_str().expect("a path of ours");
    let options = ["--unix", text];
    let broker = serve(&options, 1);
    assert_eq!(broker.announced(), [format!("listening unix {text}")]);
    let ended = refusal(&options);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(text) && ended.stderr.contains("in use"),
        "{ended:?}"
    );
    client(&Way::Unix(path.clone())).ping();
    broker.signal(libc::SIGKILL);
    drop(broker);
    assert!(path.exists(), "nobody was there to remove it");
    // The kernel lets go of a killed process's rings, and with them its sockets, a little later.
    let broker = wait::for_some("the path to be free", wait::PATIENCE, || {
        crate::process::Broker::try_serve(crate::command(&options), 1).ok()
    });
    client(&Way::Unix(path.clone())).ping();
    broker.stop();
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_stays_where_it_is() {
    let path = path("file");
    fs::write(&path, "precious").expect("the temporary folder is writable");
    let ended = refusal(&["--unix", path.to_str().expect("a path of ours")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no socket"), "{ended:?}");
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
    let _ = fs::remove_file(&path);
}

#[test]
fn mode_and_owner_are_set_and_the_peer_is_named_in_the_log() {
    let path = path("mode");
    let text = path.to_str().expect("a path of ours");
    let option = format!("{text},unix-mode=600,unix-owner={}", nix::unistd::getuid());
    let broker = serve(&["--unix", &option], 1);
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    client(&Way::Unix(path.clone())).ping();
    let own = format!(
        "peer=unix:pid={},uid={}",
        std::process::id(),
        nix::unistd::getuid()
    );
    wait_for_line(&broker, &["connected", &own, text]);
    broker.stop();
    let ended = refusal(&["--unix", text, "--unix-owner", "no-such-user-here"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no-such-user-here"), "{ended:?}");
}
