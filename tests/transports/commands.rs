//! `ringmq pub` and `ringmq sub` through every door.

use std::process::Command;

use crate::process::{Broker, Ended, binary, run};
use crate::serve;
use crate::support::authority::Authority;
use crate::support::broker::unique;
use crate::support::stream::Way;

fn command(verb: &str, how: &[String], arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg(verb).args(how).args(arguments);
    command
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A message with QoS 2 and one that no single record or frame carries, published by `how`
/// and read again by `how`.
fn talks(how: &[String]) {
    let topic = unique("door");
    let large = "x".repeat(120_000);
    for (text, version) in [("hello", "5"), (large.as_str(), "311")] {
        let published = run(command(
            "pub",
            how,
            &["-V", version, "-q", "2", "-r", "-t", &topic, "-m", text],
        ));
        assert_eq!(published.code, Some(0), "{how:?}: {published:?}");
        let read = run(command(
            "sub",
            how,
            &[
                "-V", version, "-q", "2", "-t", &topic, "-C", "1", "-W", "20",
            ],
        ));
        assert_eq!(read.code, Some(0), "{how:?}");
        assert_eq!(read.stdout.trim_end().len(), text.len(), "{how:?}");
    }
}

fn refused(how: &[&str]) -> Ended {
    let ended = run(command("pub", &words(how), &["-t", "t", "-m", "m"]));
    assert_ne!(ended.code, Some(0), "{how:?}: {ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "one line: {ended:?}");
    ended
}

/// A broker with a door of each kind; its ports: plain, TLS, WebSocket, both.
fn every_door(socket: &str) -> (Broker, [String; 4]) {
    let server = Authority::shared().server("commands", &["localhost", "127.0.0.1"]);
    let mut options = vec!["--tcp", "127.0.0.1:0", "--tls", "127.0.0.1:0"];
    options.extend([
        "--ws",
        "127.0.0.1:0",
        "--wss",
        "127.0.0.1:0",
        "--unix",
        socket,
    ]);
    options.extend(["--ws-path", "/mqtt"]);
    options.extend(server.options());
    let broker = serve(&options, 5);
    let mut ports = ["", "", "", ""].map(str::to_owned);
    for way in crate::ways(&broker) {
        let (place, address) = match way {
            Way::Tcp(address) => (0, address),
            Way::Tls(address, _) => (1, address),
            Way::WebSocket(address) => (2, address),
            Way::SecureWebSocket(address, _) => (3, address),
            Way::Unix(_) => continue,
        };
        ports[place] = address.port().to_string();
    }
    (broker, ports)
}

#[test]
fn pub_and_sub_speak_through_every_door() {
    let socket = std::env::temp_dir().join(unique("commands"));
    let socket = socket.to_str().expect("a path of ours");
    let (broker, [tcp, tls, ws, wss]) = every_door(socket);
    let ca = Authority::shared().file.to_str().expect("a path of ours");
    talks(&words(&["-h", "127.0.0.1", "-p", &tcp]));
    talks(&words(&["--unix", socket]));
    talks(&words(&["-h", "127.0.0.1", "-p", &tls, "--cafile", ca]));
    talks(&words(&["-h", "127.0.0.1", "-p", &ws, "--ws"]));
    talks(&words(&[
        "-h",
        "127.0.0.1",
        "-p",
        &wss,
        "--ws",
        "--cafile",
        ca,
    ]));
    for (scheme, port) in [("mqtt", &tcp), ("mqtts", &tls), ("ws", &ws), ("wss", &wss)] {
        let url = format!("{scheme}://localhost:{port}/{}", unique("url"));
        let mut how = words(&["-L", &url, "-m", "m"]);
        if scheme.ends_with('s') && scheme != "ws" {
            how.extend(words(&["--cafile", ca]));
        }
        let ended = run(command("pub", &how, &[]));
        assert_eq!(ended.code, Some(0), "{url}: {ended:?}");
    }

    // What goes wrong is said in a line.
    let other = Authority::new("commands-other");
    let other = other.file.to_str().expect("a path of ours");
    let unknown = refused(&["-p", &tls, "--cafile", other]);
    assert_eq!(unknown.code, Some(8), "libmosquitto's number for TLS");
    assert!(unknown.stderr.contains("UnknownIssuer"), "{unknown:?}");
    let path = refused(&["-p", &ws, "--ws", "--ws-path", "/elsewhere"]);
    assert!(path.stderr.contains("404"), "{path:?}");
    refused(&["-p", &tcp, "--ws"]);
    refused(&["-p", &tls]);
    refused(&["-p", &tcp, "--cafile", ca]);
    broker.stop();
}

#[test]
fn a_name_that_differs_is_believed_with_insecure_only() {
    let server = Authority::shared().server("commands-name", &["broker.example.org"]);
    let mut options = vec!["--tls", "127.0.0.1:0"];
    options.extend(server.options());
    let broker = serve(&options, 1);
    let port = broker.address().port().to_string();
    let ca = Authority::shared().file.to_str().expect("a path of ours");
    let ended = refused(&["-p", &port, "--cafile", ca]);
    assert!(ended.stderr.contains("not valid for name"), "{ended:?}");
    talks(&words(&["-p", &port, "--cafile", ca, "--insecure"]));
    broker.stop();
}
