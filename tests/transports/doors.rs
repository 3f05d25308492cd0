//! Several listeners of every kind beside each other, each with rules of its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::support::authority::Authority;
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Stream, Way};
use crate::support::wire::{Connect, Version};
use crate::{client, refusal, serve, ways};

#[test]
fn clients_of_every_kind_and_version_hear_each_other() {
    let server = Authority::shared().server("every", &["localhost"]);
    let path = std::env::temp_dir().join(format!("ringmq-{}.sock", unique("every")));
    let path = path.to_str().expect("a path of ours");
    let mut options: Vec<&str> = server.options().to_vec();
    let local = "127.0.0.1:0";
    for kind in ["--tcp", "--tls", "--ws", "--wss"] {
        options.extend([kind, local, kind, local]);
    }
    options.extend(["--unix", path]);
    let broker = serve(&options, 9);
    let kinds: Vec<&str> = broker
        .announced()
        .iter()
        .map(|line| line.split(' ').nth(1).expect("a kind"))
        .collect();
    assert_eq!(
        kinds,
        ["tcp", "tcp", "tls", "tls", "ws", "ws", "wss", "wss", "unix"]
    );
    let mut clients = Vec::new();
    for way in &ways(&broker) {
        for version in [Version::V31, Version::V311, Version::V5] {
            let stream = Stream::open(way).expect("it listens");
            let mut client = Client::on(stream, version, true);
            client.send_connect(&Connect::new(version, &unique("e")));
            assert_eq!(client.expect_connack().code, 0, "{way:?} {version:?}");
            client.subscribe("all/+", 2);
            clients.push(client);
        }
    }
    // Small, larger than a TLS record, larger than a chunk of the wire.
    for (publisher, size) in [10, 20_000, 300_000]
        .into_iter()
        .cycle()
        .enumerate()
        .take(clients.len())
    {
        let topic = format!("all/{publisher}");
        let payload = "x".repeat(size);
        let qos = u8::try_from(publisher % 3).expect("0 to 2");
        clients[publisher].publish(&topic, &payload, qos);
        for client in &mut clients {
            let message = client.receive();
            assert_eq!(message.topic, topic);
            assert_eq!(message.payload.len(), size);
        }
    }
    for client in clients {
        client.disconnect();
    }
    broker.stop();
    assert!(
        !std::path::Path::new(path).exists(),
        "the socket's file is removed"
    );
}

#[test]
fn a_stop_says_goodbye_on_every_kind_of_listener() {
    let server = Authority::shared().server("goodbye", &["localhost"]);
    let mut options: Vec<&str> = server.options().to_vec();
    for kind in ["--tcp", "--tls", "--ws", "--wss"] {
        options.extend([kind, "127.0.0.1:0"]);
    }
    let broker = serve(&options, 4);
    let mut clients: Vec<Client> = ways(&broker).iter().map(client).collect();
    broker.stop();
    for client in &mut clients {
        client.expect_error(&[0x8B]);
    }
}

#[test]
fn a_listener_has_its_own_bound_of_connections_within_that_of_the_broker() {
    let broker = serve(
        &[
            "--max-connections",
            "4",
            "--tcp",
            "127.0.0.1:0,max-connections=2",
            "--ws",
            "127.0.0.1:0",
        ],
        2,
    );
    let ways = ways(&broker);
    let (few, rest) = (&ways[0], &ways[1]);
    let mut inside: Vec<Client> = (0..2).map(|_| client(few)).collect();
    let mut late = Client::on(Stream::open(few).expect("accepted"), Version::V5, true);
    late.try_send(Connect::v5("late").encode());
    assert!(
        late.next_within(crate::wait::PATIENCE).is_err(),
        "the third is let in"
    );
    inside.extend((0..2).map(|_| client(rest)));
    assert!(Stream::open(rest).is_err(), "the fifth of all is let in");
    inside.remove(0).disconnect();
    crate::wait::until("a place to become free", || {
        Stream::open(few).is_ok_and(|stream| {
            let mut next = Client::on(stream, Version::V5, true);
            next.try_send(Connect::v5("next").encode());
            next.next_within(crate::wait::PATIENCE).is_ok()
        })
    });
    for client in &mut inside {
        client.ping();
    }
    broker.stop();
}

#[test]
fn an_ipv6_wildcard_takes_both_families_and_separate_ones_share_a_port() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        crate::process::skipped("ipv6", "this machine has no IPv6");
        return;
    }
    let broker = serve(&["--tcp", "[::]:0", "--allow-anonymous"], 1);
    let port = broker.address().port();
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ] {
        client(&Way::Tcp(address)).ping();
    }
    broker.stop();
    let (four, six) = (format!("127.0.0.1:{port}"), format!("[::1]:{port}"));
    let broker = serve(&["--tcp", &four, "--tcp", &six], 2);
    for way in &ways(&broker) {
        client(way).ping();
    }
    broker.stop();
}

#[test]
fn an_open_listener_must_be_asked_for_one_by_one_or_for_all() {
    let ended = refusal(&["--ws", "0.0.0.0:0,allow-anonymous", "--tcp", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for word in ["tcp 0.0.0.0:0", "--allow-anonymous"] {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
    let broker = serve(
        &["--ws", "0.0.0.0:0,allow-anonymous", "--tcp", "127.0.0.1:0"],
        2,
    );
    broker.stop();
}
