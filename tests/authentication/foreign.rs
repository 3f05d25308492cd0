//! Foreign clients with user name and password: mosquitto's and paho.
//!
//! Owns nothing but their command lines; what is not installed is skipped loudly.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use crate::files::{Folder, users};
use crate::mosquitto;
use crate::support::broker::Broker;
use crate::support::stream::Way;

fn broker(folder: &Folder) -> Broker {
    let passwords = users(folder, &[("alice", "secret"), ("bob", "other")]);
    let acl = folder.write(
        "acl",
        "user alice\ntopic readwrite a/#\nuser bob\ntopic read a/b\n",
    );
    let options = ["--password-file", &passwords, "--acl-file", &acl];
    Broker::start(2, &options).expect("a broker of ours")
}

fn address(broker: &Broker) -> SocketAddr {
    match broker.way() {
        Way::Tcp(address) => *address,
        other => panic!("these clients are told a TCP address, not {other:?}"),
    }
}

fn run(program: &str, broker: &Broker, arguments: &[&str]) -> Output {
    let address = address(broker);
    Command::new(program)
        .args([
            "-h",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ])
        .args(arguments)
        .output()
        .expect("it was found before")
}

#[test]
fn mosquitto_clients_log_in_and_are_told_no() {
    if !mosquitto::has("mosquitto_pub") || !mosquitto::has("mosquitto_sub") {
        return;
    }
    let folder = Folder::new();
    let broker = broker(&folder);
    for version in ["31", "311", "5"] {
        let publish = |user: &str, password: &str, topic: &str| {
            let who = ["-V", version, "-u", user, "-P", password];
            let what = ["-t", topic, "-m", "kept", "-r", "-q", "1"];
            run("mosquitto_pub", &broker, &[&who[..], &what].concat())
        };
        assert!(
            publish("alice", "secret", "a/b").status.success(),
            "{version}"
        );
        assert!(
            !publish("alice", "wrong", "a/b").status.success(),
            "{version}"
        );
        assert!(
            !publish("nobody", "secret", "a/b").status.success(),
            "{version}"
        );
        let refused = publish("bob", "other", "a/b");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(
            said.contains("Not authorized"),
            version == "5",
            "{version}: {said}"
        );
        let subscribe = |filter: &str| {
            let who = ["-V", version, "-u", "bob", "-P", "other"];
            let what = ["-t", filter, "-C", "1", "-W", "5"];
            run("mosquitto_sub", &broker, &[&who[..], &what].concat())
        };
        assert_eq!(subscribe("a/#").stdout, b"kept\n", "{version}");
        if version != "31" {
            let refused = subscribe("z/#");
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(said.contains("denied"), "{version}: {said}");
        }
    }
}

/// Connects as told and prints the reason code of CONNACK.
const PAHO: &str = "
import sys
import paho.mqtt.client as mqtt
host, port, version, user, password = sys.argv[1:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=int(version))
client.username_pw_set(user, password)
def told(client, userdata, flags, reason, properties):
    print(reason.value)
    client.disconnect()
client.on_connect = told
client.connect(host, int(port))
client.loop_forever(retry_first_connection=False)
";

#[test]
fn paho_logs_in_and_is_told_no() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/interop-venv/bin/python");
    let there = python.is_file();
    let required = std::env::var("RINGMQ_REQUIRE_INTEROP").is_ok_and(|value| value == "1");
    assert!(there || !required, "paho-mqtt is required here");
    if !there {
        eprintln!("!!! SKIPPED: paho-mqtt is not installed (tests/run does it)");
        return;
    }
    let folder = Folder::new();
    let broker = broker(&folder);
    let address = address(&broker);
    for version in ["3", "4", "5"] {
        for (user, password, good) in [("alice", "secret", true), ("alice", "x", false)] {
            let output = Command::new(&python)
                .args(["-c", PAHO, &address.ip().to_string()])
                .args([&address.port().to_string(), version, user, password])
                .output()
                .expect("it was found before");
            let text = String::from_utf8_lossy(&output.stdout);
            let code: Option<u8> = text.lines().next().and_then(|line| line.parse().ok());
            assert_eq!(
                code.map(|code| code == 0),
                Some(good),
                "{version}: {output:?}"
            );
        }
    }
}
