//! Listeners with rates and limits of their own beside others in one broker.
//!
//! Owns nothing. That the rates themselves are kept is shown in `embedding/quotas.rs`.

use crate::refusal;
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Stream, Way};
use crate::support::wire::{Connect, Properties, Publish, Version, property};
use crate::{client, serve, ways};

/// The broker's answer to one more connection.
fn knock(way: &Way) -> u8 {
    let stream = Stream::open(way).expect("it listens");
    let mut client = Client::on(stream, Version::V5, true);
    client.send_connect(&Connect::v5(&unique("r")));
    client.expect_connack().code
}

/// Publishes so many messages in one go.
fn hurry(client: &mut Client, count: u16) {
    for id in 1..=count {
        let publish = Publish::new("hurry", "x").qos(1).id(id);
        client.try_send(publish.encode(Version::V5));
    }
}

#[test]
fn a_rate_behind_an_address_is_that_listeners_and_wins() {
    let broker = serve(
        &[
            "--connect-rate",
            "2",
            "--client-message-rate",
            "5",
            "--over-rate",
            "disconnect",
            "--tcp",
            "127.0.0.1:0",
            "--tcp",
            "127.0.0.1:0,connect-rate=100000,client-message-rate=100000",
            "--tcp",
            "127.0.0.1:0,connect-rate=100000,over-rate=pause",
        ],
        3,
    );
    let ways = ways(&broker);
    let [general, free, patient] = &ways[..] else {
        panic!("three listeners: {ways:?}");
    };
    // The strict one's bursts do not count against the others.
    let codes: Vec<u8> = (0..12).map(|_| knock(general)).collect();
    assert!(codes.contains(&0) && codes.contains(&0x9F), "{codes:?}");
    for way in [free, patient] {
        let codes: Vec<u8> = (0..12).map(|_| knock(way)).collect();
        assert_eq!(codes, [0; 12]);
    }
    let mut quick = client(free);
    hurry(&mut quick, 20);
    let mut slow = client(patient);
    hurry(&mut slow, 7);
    for (client, count) in [(&mut quick, 20), (&mut slow, 7)] {
        for id in 1..=count {
            // That nobody subscribes to it is no error.
            assert!(client.expect_puback(id).reason < 0x80);
        }
    }
    let mut cut = crate::wait::for_some(
        "a connection within the rate",
        crate::wait::PATIENCE,
        || {
            let stream = Stream::open(general).ok()?;
            let mut client = Client::on(stream, Version::V5, true);
            client.send_connect(&Connect::v5(&unique("r")));
            (client.expect_connack().code == 0).then_some(client)
        },
    );
    hurry(&mut cut, 20);
    for id in 1..=6 {
        assert!(cut.expect_puback(id).reason < 0x80);
    }
    cut.expect_error(&[0x96]);
    broker.stop();
}

#[test]
fn limits_of_one_client_behind_an_address_are_those_of_that_listeners_clients() {
    let own =
        "127.0.0.1:0,max-subscriptions=3,receive-maximum=3,max-inflight=2,max-queued-messages=2";
    let broker = serve(
        &[
            "--max-subscriptions",
            "1",
            "--tcp",
            "127.0.0.1:0",
            "--tcp",
            own,
        ],
        2,
    );
    let ways = ways(&broker);
    let none = Properties::new();
    let filters = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    let mut general = client(&ways[0]);
    let answer = general.subscribe_with(&filters, &none);
    assert_eq!(answer.reasons, [1, 0x97, 0x97, 0x97]);

    let stream = Stream::open(&ways[1]).expect("it listens");
    let mut own = Client::on(stream, Version::V5, true);
    own.send_connect(&Connect::v5(&unique("l")).resume().expiry(600));
    let answer = own.expect_connack();
    assert_eq!(answer.properties.number(property::RECEIVE_MAXIMUM), Some(3));
    let answer = own.subscribe_with(&filters, &none);
    assert_eq!(answer.reasons, [1, 1, 1, 0x97]);
    // Two in flight, two in the queue, and no more.
    for number in 1..=8 {
        general.publish("b", &number.to_string(), 1);
    }
    let first = own.expect_publish();
    let second = own.expect_publish();
    assert_eq!([first.text(), second.text()], ["1", "2"]);
    own.expect_nothing();
    for publish in [first, second] {
        own.acknowledge(&publish);
    }
    own.expect_message("3");
    own.expect_message("4");
    own.expect_nothing();
    // Nobody is there: the queue keeps its bound.
    own.vanish();
    crate::wait_for_line(&broker, &["disconnected", "connection lost"]);
    for number in 1..=8 {
        general.publish("b", &number.to_string(), 1);
    }
    broker.stop();
}

#[test]
fn a_rate_that_cannot_be_is_refused_with_its_listener_and_the_choices() {
    for (own, words) in [
        ("message-rate=0", ["--message-rate", "from 1"]),
        ("over-rate=drop", ["--over-rate", "pause or disconnect"]),
        (
            "receive-maximum=70000",
            ["--receive-maximum", "from 1 to 65535"],
        ),
        ("client-byte-rate", ["--client-byte-rate <BYTES>", "value"]),
        (
            "connect-rate=1,connect-rate=2",
            ["--connect-rate <N>", "multiple times"],
        ),
        ("speed=1", ["message-rate=N", "over-rate=ACTION"]),
    ] {
        let ended = refusal(&["--tcp", &format!("127.0.0.1:0,{own}")]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--tcp 127.0.0.1:0: "), "{ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:?}");
        }
    }
}
