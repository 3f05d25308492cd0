//! What a server may decide for itself, and then has to keep to: brokers with options of their own
//! (chapters 3.1.2.11, 3.2.2.3, 3.14 and 4.13 of version 5.0).

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, Ended, let_pass};
use crate::support::wire::reason::{PACKET_TOO_LARGE, SERVER_SHUTTING_DOWN};
use crate::support::wire::{Connect, Publish, Version, property};

// [MQTT-3.2.2-15]
fn mqtt_3_2_2_15_a_smaller_maximum_packet_size_is_announced_and_enforced(broker: &Broker) {
    let (mut client, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let announced = answer.properties.number(property::MAXIMUM_PACKET_SIZE);
    assert_eq!(announced, Some(1000));
    let topic = unique("t");
    client.subscribe(&topic, 0);
    let bare = Publish::new(&topic, "").encode(Version::V5).len() + 1;
    client.publish(&topic, &"x".repeat(1000 - bare), 0);
    assert_eq!(client.receive().payload.len(), 1000 - bare);
    client.send_publish(&Publish::new(&topic, "x".repeat(1001 - bare)));
    client.expect_error(&[PACKET_TOO_LARGE]);
    // An older client is not told, only thrown out.
    let mut old = Client::v311(broker);
    old.send_publish(&Publish::new(&topic, "x".repeat(1000)));
    old.expect_end();
}

// [MQTT-4.9.0-1]
fn mqtt_4_9_0_1_the_broker_may_send_less_than_the_receive_maximum(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v5(broker);
    for connect in [Connect::v5(&unique("c")), Connect::v311(&unique("c"))] {
        let mut client = Client::connect(broker, &connect);
        client.subscribe(&topic, 1);
        for number in 0..10 {
            publisher.publish(&topic, &number.to_string(), 1);
        }
        let mut open: Vec<Publish> = (0..3).map(|_| client.expect_publish()).collect();
        for number in 0..10 {
            client.expect_nothing();
            let next = open.remove(0);
            assert_eq!(next.text(), number.to_string());
            client.acknowledge(&next);
            if number + 3 < 10 {
                open.push(client.expect_publish());
            }
        }
        client.disconnect();
    }
}

// [MQTT-4.1.0-2]
fn mqtt_4_1_0_2_a_session_expiry_that_the_broker_lowers_is_announced_and_kept(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).resume().expiry(3600);
    let (client, answer) = Client::handshake(broker, &connect);
    let granted = answer.properties.number(property::SESSION_EXPIRY);
    assert_eq!(granted, Some(1));
    client.vanish();
    let_pass(Duration::from_millis(2500));
    let (_client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    // Nothing is announced where nothing is changed.
    let modest = Connect::v5(&unique("c")).expiry(1);
    let (_client, answer) = Client::handshake(broker, &modest);
    let granted = answer.properties.number(property::SESSION_EXPIRY);
    assert!([None, Some(1)].contains(&granted));
}

// [MQTT-3.1.0-1]
fn mqtt_3_1_0_1_a_connection_without_connect_is_closed_after_a_while(broker: &Broker) {
    let start = Instant::now();
    let mut silent = Client::open(broker, Version::V5);
    let mut slow = Client::open(broker, Version::V5);
    let connect = Connect::v5(&unique("c")).encode();
    let mut bytes = connect.iter();
    let closed = loop {
        if let Some(byte) = bytes.next() {
            slow.try_send([*byte]);
        }
        match slow.next_within(Duration::from_millis(100)) {
            Err(Ended::Closed) => break true,
            Ok(_) => break false,
            Err(Ended::TimedOut) => assert!(start.elapsed() < Duration::from_secs(8)),
        }
    };
    assert!(closed, "a CONNECT in slow pieces is no CONNECT in time");
    silent.expect_end();
}

// [MQTT-3.14.4-2] [MQTT-3.14.2-1]
fn mqtt_3_14_4_2_a_broker_that_stops_says_so_and_closes(broker: &Broker) {
    let topic = unique("t");
    let mut new = Client::v5(broker);
    let mut old = Client::v311(broker);
    new.subscribe(&topic, 1);
    Client::v5(broker).publish(&topic, "last words", 1);
    broker.terminate();
    // What was acknowledged to its publisher is still flushed.
    new.expect_publish();
    new.expect_error(&[SERVER_SHUTTING_DOWN]);
    old.expect_end();
    assert!(broker.wait_exit(Duration::from_secs(10)).success());
}

promises_with!(["--max-packet-size", "1000"];
    mqtt_3_2_2_15_a_smaller_maximum_packet_size_is_announced_and_enforced);
promises_with!(["--max-inflight", "3"];
    mqtt_4_9_0_1_the_broker_may_send_less_than_the_receive_maximum);
promises_with!(["--session-expiry-max", "1"];
    mqtt_4_1_0_2_a_session_expiry_that_the_broker_lowers_is_announced_and_kept);
promises_with!(["--connect-timeout", "1"];
    mqtt_3_1_0_1_a_connection_without_connect_is_closed_after_a_while);
promises_with!(["--allow-anonymous"];
    mqtt_3_14_4_2_a_broker_that_stops_says_so_and_closes);
