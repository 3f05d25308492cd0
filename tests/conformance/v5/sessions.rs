//! Session state: clean start, expiry, resumption, takeover (chapters 3.1.2.4, 3.1.2.11.2 and 4.1 of
//! version 5.0).

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, let_pass};
use crate::support::wire::outgoing::disconnect_with;
use crate::support::wire::reason::{SESSION_TAKEN_OVER, SUCCESS};
use crate::support::wire::{Connect, Properties, property};

/// Longer than a session of one second lives, whatever the granularity of the broker's clock.
const PAST_ONE_SECOND: Duration = Duration::from_millis(2500);

fn session_present(broker: &Broker, connect: &Connect) -> bool {
    let (client, answer) = Client::handshake(broker, &connect.clone().resume());
    client.disconnect();
    answer.session_present
}

// [MQTT-3.1.2-4] [MQTT-3.1.4-4]
fn mqtt_3_1_2_4_clean_start_discards_the_session(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    client.disconnect();
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "queued", 2);
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    publisher.publish(&topic, "unsubscribed", 2);
    client.expect_nothing();
}

// [MQTT-3.1.2-4] [MQTT-3.1.4-3]
fn mqtt_3_1_2_4_clean_start_discards_the_session_of_a_connected_client(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).expiry(60);
    let mut old = Client::connect(broker, &connect);
    old.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "open", 1);
    old.expect_publish();
    let (mut new, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    old.expect_error(&[SESSION_TAKEN_OVER]);
    publisher.publish(&topic, "unsubscribed", 1);
    new.expect_nothing();
}

// [MQTT-3.1.2-5] [MQTT-3.1.2-23]
fn mqtt_3_1_2_5_a_session_is_resumed_with_subscriptions_and_messages(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe_options(&format!("{topic}/+"), 2, Some(42));
    client.vanish();
    let mut publisher = Client::v5(broker);
    for number in 0..10_u8 {
        let qos = 1 + number % 2;
        publisher.publish(&format!("{topic}/{number}"), &number.to_string(), qos);
    }
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    for number in 0..10_u8 {
        let got = client.expect_message(&number.to_string());
        assert_eq!((got.qos, got.dup), (1 + number % 2, false));
        assert_eq!(got.properties.subscription_ids(), [42]);
    }
    publisher.publish(&format!("{topic}/a"), "live", 2);
    client.expect_message("live");
    client.expect_nothing();
}

// [MQTT-3.1.2-5]
fn mqtt_3_1_2_5_qos_0_is_not_kept_for_a_client_that_is_away(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    client.disconnect();
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "lost", 0);
    publisher.publish(&topic, "kept", 1);
    let mut client = Client::connect(broker, &connect);
    client.expect_message("kept");
    client.expect_nothing();
}

// [MQTT-3.1.2-6]
fn mqtt_3_1_2_6_without_a_session_a_new_one_is_made(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume();
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    client.subscribe(&topic, 1);
    client.publish(&topic, "works", 1);
    client.expect_message("works");
}

// [MQTT-3.1.2-23] [MQTT-4.1.0-2]
fn mqtt_4_1_0_2_without_expiry_interval_the_session_ends_with_the_connection(broker: &Broker) {
    for connect in [
        Connect::v5(&unique("c")),
        Connect::v5(&unique("c")).expiry(0),
    ] {
        let client = Client::connect(broker, &connect);
        client.disconnect();
        assert!(!session_present(broker, &connect));
        let mut client = Client::connect(broker, &connect);
        client.subscribe(&unique("t"), 1);
        client.vanish();
        assert!(!session_present(broker, &connect));
    }
}

// [MQTT-4.1.0-2]
fn mqtt_4_1_0_2_the_session_ends_when_its_expiry_interval_has_passed(broker: &Broker) {
    let topic = unique("t");
    let short = Connect::v5(&unique("c")).resume().expiry(1);
    let long = Connect::v5(&unique("c")).resume().expiry(30);
    let forever = Connect::v5(&unique("c")).resume().expiry(u32::MAX);
    for connect in [&short, &long, &forever] {
        let mut client = Client::connect(broker, connect);
        client.subscribe(&topic, 1);
        client.vanish();
    }
    let_pass(PAST_ONE_SECOND);
    Client::v5(broker).publish(&topic, "x", 1);
    let (mut client, answer) = Client::handshake(broker, &short);
    assert!(!answer.session_present);
    client.expect_nothing();
    for connect in [&long, &forever] {
        let (mut client, answer) = Client::handshake(broker, connect);
        assert!(answer.session_present);
        client.expect_message("x");
    }
}

// [MQTT-4.1.0-1]
fn mqtt_4_1_0_1_the_session_outlives_its_expiry_while_connected(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(1);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    let_pass(PAST_ONE_SECOND);
    Client::v5(broker).publish(&topic, "still here", 1);
    client.expect_message("still here");
    // The interval starts anew with each end of a connection.
    client.vanish();
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    client.expect_nothing();
}

// [MQTT-3.1.2-23]
fn mqtt_3_1_2_23_disconnect_can_change_the_expiry_interval(broker: &Broker) {
    let shorter = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &shorter);
    let zero = Properties::new().four(property::SESSION_EXPIRY, 0);
    client.send(disconnect_with(SUCCESS, &zero));
    client.expect_end();
    assert!(!session_present(broker, &shorter));

    let longer = Connect::v5(&unique("c")).resume().expiry(1);
    let mut client = Client::connect(broker, &longer);
    let minute = Properties::new().four(property::SESSION_EXPIRY, 60);
    client.send(disconnect_with(SUCCESS, &minute));
    client.expect_end();
    let_pass(PAST_ONE_SECOND);
    assert!(session_present(broker, &longer));
}

// [MQTT-3.1.2-23]
fn mqtt_3_1_2_23_a_new_connection_brings_its_own_expiry_interval(broker: &Broker) {
    let id = unique("c");
    Client::connect(broker, &Connect::v5(&id).expiry(60)).disconnect();
    let (client, answer) = Client::handshake(broker, &Connect::v5(&id).resume());
    assert!(answer.session_present);
    client.disconnect();
    assert!(!session_present(broker, &Connect::v5(&id)));
}

// [MQTT-3.1.4-3] [MQTT-3.1.2-5]
fn mqtt_3_1_4_3_a_takeover_carries_the_session_over(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut publisher = Client::v5(broker);
    let mut old = Client::connect(broker, &connect);
    old.subscribe(&topic, 2);
    publisher.publish(&topic, "one", 1);
    publisher.publish(&topic, "two", 2);
    let (one, two) = (old.expect_publish(), old.expect_publish());
    let (mut new, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    old.expect_error(&[SESSION_TAKEN_OVER]);
    assert_eq!(new.expect_publish(), one.clone().dup());
    assert_eq!(new.expect_publish(), two.clone().dup());
    new.acknowledge(&one);
    new.acknowledge(&two);
    publisher.publish(&topic, "three", 2);
    new.expect_message("three");
}

// [MQTT-3.1.4-3]
fn mqtt_3_1_4_3_no_message_is_lost_while_connections_follow_each_other(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut publisher = Client::v5(broker);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    let mut wanted = 0;
    let mut seen = Vec::new();
    let end = Instant::now() + Duration::from_secs(20);
    for round in 0..20 {
        for _ in 0..5 {
            publisher.publish(&topic, &wanted.to_string(), 1);
            wanted += 1;
        }
        // Some rounds take a message or two first.
        for _ in 0..round % 3 {
            seen.push(client.receive().text());
        }
        client = Client::connect(broker, &connect);
    }
    publisher.publish(&topic, "end", 1);
    while seen.last().is_none_or(|last| last != "end") {
        seen.push(client.receive().text());
        assert!(Instant::now() < end, "still without an end: {seen:?}");
    }
    // An acknowledgement may have been lost with its connection: doubles are allowed, gaps are not.
    seen.dedup();
    let numbers: std::collections::BTreeSet<u32> =
        seen.iter().filter_map(|text| text.parse().ok()).collect();
    assert_eq!(numbers, (0..wanted).collect());
}

promises!(
    mqtt_3_1_2_4_clean_start_discards_the_session,
    mqtt_3_1_2_4_clean_start_discards_the_session_of_a_connected_client,
    mqtt_3_1_2_5_a_session_is_resumed_with_subscriptions_and_messages,
    mqtt_3_1_2_5_qos_0_is_not_kept_for_a_client_that_is_away,
    mqtt_3_1_2_6_without_a_session_a_new_one_is_made,
    mqtt_3_1_2_23_a_new_connection_brings_its_own_expiry_interval,
    mqtt_3_1_2_23_disconnect_can_change_the_expiry_interval,
    mqtt_3_1_4_3_a_takeover_carries_the_session_over,
    mqtt_3_1_4_3_no_message_is_lost_while_connections_follow_each_other,
    mqtt_4_1_0_1_the_session_outlives_its_expiry_while_connected,
    mqtt_4_1_0_2_the_session_ends_when_its_expiry_interval_has_passed,
    mqtt_4_1_0_2_without_expiry_interval_the_session_ends_with_the_connection,
);
