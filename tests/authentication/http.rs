//! A third party decides, asked over HTTP by the real broker.
//!
//! Owns the third party: a small server on loopback with rules of its own.

use std::sync::{Arc, Mutex};

use crate::files::{client, login};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Properties, Publish, Version};

/// What was asked so far, as JSON.
pub type Asked = Arc<Mutex<Vec<String>>>;

const ALLOW: &str = r#"{"result":"allow"}"#;
const DENY: &str = r#"{"result":"deny"}"#;

/// alice with `secret` may connect, everybody may publish to `up/..` and subscribe to `down/..`.
fn decide(question: &str) -> &'static str {
    let has = |text: &str| question.contains(text);
    match () {
        () if has(r#""action":"connect""#) => {
            if has(r#""user_name":"alias""#) {
                r#"{"result":"allow","user_name":"alice"}"#
            } else if has(r#""user_name":"alice""#) && has(r#""password":"secret""#) {
                ALLOW
            } else {
                DENY
            }
        }
        () if !has(r#""user_name":"alice""#) => DENY,
        () if has(r#""action":"publish""#) && has(r#""topic":"up/"#) => ALLOW,
        () if has(r#""action":"subscribe""#) && has(r#""filter":"down/"#) => ALLOW,
        () if has("ignore") => r#"{"result":"ignore"}"#,
        () if has("broken") => "oops",
        () => DENY,
    }
}

pub fn third_party() -> (String, Asked) {
    let server = tiny_http::Server::http("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/mqtt", server.server_addr());
    let asked = Asked::default();
    let list = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut request in server.incoming_requests() {
            let mut question = String::new();
            let _ = request.as_reader().read_to_string(&mut question);
            let answer = decide(&question);
            list.lock().expect("nobody panics with it").push(question);
            let _ = request.respond(tiny_http::Response::from_string(answer));
        }
    });
    (url, asked)
}

fn publish(client: &mut Client, topic: &str) -> u8 {
    let id = client.fresh_id();
    client.send_publish(&Publish::new(topic, "x").qos(1).id(id));
    client.expect_puback(id).reason
}

#[test]
fn a_third_party_decides_about_connect_publish_and_subscribe() {
    for shards in [1, 4] {
        let (url, asked) = third_party();
        let broker = Broker::start(shards, &["--auth-http", &url]).expect("a broker of ours");
        assert_eq!(login(&broker, Version::V311, "alice", "secret"), 0);
        assert_eq!(login(&broker, Version::V5, "alice", "wrong"), 0x86);
        for user in ["alice", "alias"] {
            let mut client = client(&broker, Version::V5, &unique("h"), user, "secret");
            let filters = [("down/#", 1), ("up/#", 1), ("$share/g/down/x", 0)];
            let answer = client.subscribe_with(&filters, &Properties::new());
            assert_eq!(
                answer.reasons,
                [1, 0x87, 0x87],
                "a share is asked for as it is written"
            );
            for (topic, reason) in [
                ("up/x", 0x00),
                ("z", 0x87),
                ("ignore", 0x87),
                ("broken", 0x83),
            ] {
                let answer = publish(&mut client, topic);
                // Nobody subscribes to it, which the broker may say.
                let answer = if answer == 0x10 { 0 } else { answer };
                assert_eq!(answer, reason, "{topic}");
            }
        }
        let asked = asked.lock().expect("nobody panics with it");
        let connect = asked
            .iter()
            .find(|it| it.contains("connect"))
            .expect("asked");
        for part in [
            r#""peer":"127.0.0.1""#,
            r#""protocol":"3.1.1""#,
            r#""clean_start":true"#,
        ] {
            assert!(connect.contains(part), "{connect}");
        }
    }
}

#[test]
fn answers_are_remembered_and_refused_logins_are_not() {
    let (url, asked) = third_party();
    let broker = Broker::start(2, &["--auth-http", &url]).expect("a broker of ours");
    let id = unique("h");
    for _ in 0..3 {
        let mut client = client(&broker, Version::V5, &id, "alice", "secret");
        for _ in 0..3 {
            publish(&mut client, "up/x");
            publish(&mut client, "z");
        }
        client.disconnect();
    }
    let connect = Connect::v5(&id).username("alice").password(b"wrong");
    for _ in 0..2 {
        assert_eq!(Client::start(&broker, &connect).expect_connack().code, 0x86);
    }
    let asked = asked.lock().expect("nobody panics with it");
    let count = |text: &str| asked.iter().filter(|it| it.contains(text)).count();
    assert_eq!(count(r#""password":"secret""#), 1);
    assert_eq!(count(r#""topic":"up/x""#), 1);
    assert_eq!(count(r#""topic":"z""#), 1);
    assert_eq!(count(r#""password":"wrong""#), 2);
}

#[test]
fn nobody_gets_in_while_the_third_party_is_away() {
    let (url, _) = third_party();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    };
    let broker = Broker::start(1, &["--auth-http", &gone]).expect("a broker of ours");
    assert_eq!(login(&broker, Version::V5, "alice", "secret"), 0x88);
    broker.wait_for_log("no answer about who may do what", 1);

    // Silent, where only publications are asked about.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", silent.local_addr().expect("an address"));
    let options = [
        "--auth-http",
        &address,
        "--auth-http-for",
        "publish",
        "--auth-http-timeout",
        "100",
        "--auth-http-retries",
        "0",
    ];
    let broker = Broker::start(1, &options).expect("a broker of ours");
    let mut client = Client::v5(&broker);
    client.subscribe("anything", 1);
    assert_eq!(publish(&mut client, "up/x"), 0x83);
    drop((url, silent));
}

#[test]
fn the_acl_file_comes_first_and_the_third_party_decides_the_rest() {
    let folder = crate::files::Folder::new();
    let acl = folder.write("acl", "user alice\ntopic local\ntopic deny up/no\n");
    let (url, asked) = third_party();
    let options = ["--auth-http", &url, "--acl-file", &acl];
    let broker = Broker::start(1, &options).expect("a broker of ours");
    let mut client = client(&broker, Version::V5, &unique("h"), "alice", "secret");
    let filters = [("local", 1), ("down/#", 1), ("up/#", 1), ("other", 1)];
    let answer = client.subscribe_with(&filters, &Properties::new());
    assert_eq!(answer.reasons, [1, 1, 0x87, 0x87]);
    client.publish("local", "mine", 1);
    client.expect_message("mine");
    assert_eq!(publish(&mut client, "up/no"), 0x87);
    assert!(publish(&mut client, "up/yes") < 0x80);
    let asked = asked.lock().expect("nobody panics with it");
    assert!(
        !asked
            .iter()
            .any(|it| it.contains("local") || it.contains("up/no"))
    );
}
