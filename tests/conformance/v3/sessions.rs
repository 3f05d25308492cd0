//! Clean session and what is kept without it (chapters 3.1.2.4 and 4.1 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Publish};

// [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-4.1.0-1]
fn mqtt_3_1_2_4_a_session_is_resumed_with_subscriptions_and_messages(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    client.subscribe(&format!("{topic}/+"), 2);
    client.vanish();
    let mut publisher = Client::v311(broker);
    for number in 0..10_u8 {
        let qos = 1 + number % 2;
        publisher.publish(&format!("{topic}/{number}"), &number.to_string(), qos);
    }
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    for number in 0..10_u8 {
        let got = client.expect_message(&number.to_string());
        assert_eq!((got.qos, got.dup), (1 + number % 2, false));
    }
    publisher.publish(&format!("{topic}/a"), "live", 2);
    client.expect_message("live");
    client.expect_nothing();
}

// [MQTT-3.1.2-5]
fn mqtt_3_1_2_5_qos_0_is_not_kept_for_a_client_that_is_away(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    client.disconnect();
    let mut publisher = Client::v311(broker);
    publisher.publish(&topic, "lost", 0);
    publisher.publish(&topic, "kept", 1);
    let mut client = Client::connect(broker, &connect);
    client.expect_message("kept");
    client.expect_nothing();
}

// [MQTT-3.1.2-6]
fn mqtt_3_1_2_6_a_clean_session_neither_finds_nor_leaves_anything(broker: &Broker) {
    let topic = unique("t");
    let clean = Connect::v311(&unique("c"));
    let kept = clean.clone().resume();
    let mut publisher = Client::v311(broker);
    let mut client = Client::connect(broker, &kept);
    client.subscribe(&topic, 1);
    client.disconnect();
    publisher.publish(&topic, "queued", 1);
    let (mut client, answer) = Client::handshake(broker, &clean);
    assert!(!answer.session_present);
    publisher.publish(&topic, "unsubscribed", 1);
    client.expect_nothing();
    client.subscribe(&topic, 1);
    client.vanish();
    publisher.publish(&topic, "for nobody", 1);
    let (mut client, answer) = Client::handshake(broker, &kept);
    assert!(!answer.session_present);
    client.expect_nothing();
}

// [MQTT-3.1.2-7]
fn mqtt_3_1_2_7_retained_messages_outlive_the_session_that_sent_them(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v311(broker);
    client.publish_with(Publish::new(&topic, "kept").qos(1).retain());
    client.disconnect();
    let mut client = Client::v311(broker);
    client.subscribe(&topic, 1);
    assert!(client.expect_message("kept").retain);
    client.publish_with(Publish::new(&topic, "").qos(1).retain());
}

// [MQTT-3.1.4-2] [MQTT-4.1.0-2]
fn mqtt_3_1_4_2_a_takeover_carries_the_session_over(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let mut publisher = Client::v311(broker);
    let mut old = Client::connect(broker, &connect);
    old.subscribe(&topic, 1);
    publisher.publish(&topic, "one", 1);
    let one = old.expect_publish();
    let (mut new, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    old.expect_end();
    let again = new.receive();
    assert_eq!(again, one.dup());
    publisher.publish(&topic, "two", 1);
    new.expect_message("two");
}

// [MQTT-3.1.2-4]
fn mqtt_3_1_2_4_a_session_changes_between_versions(broker: &Broker) {
    // A client that was updated from 3.1.1 to 5 finds its messages.
    let (id, topic) = (unique("c"), unique("t"));
    let mut client = Client::connect(broker, &Connect::v311(&id).resume());
    client.subscribe(&topic, 1);
    client.disconnect();
    Client::v5(broker).publish(&topic, "x", 1);
    let connect = Connect::v5(&id).resume().expiry(60);
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    client.expect_message("x");
    client.disconnect();
    Client::v5(broker).publish(&topic, "y", 1);
    let connect = Connect::v311(&id).resume();
    let (mut client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
    client.expect_message("y");
}

promises!(
    mqtt_3_1_2_4_a_session_changes_between_versions,
    mqtt_3_1_2_4_a_session_is_resumed_with_subscriptions_and_messages,
    mqtt_3_1_2_5_qos_0_is_not_kept_for_a_client_that_is_away,
    mqtt_3_1_2_6_a_clean_session_neither_finds_nor_leaves_anything,
    mqtt_3_1_2_7_retained_messages_outlive_the_session_that_sent_them,
    mqtt_3_1_4_2_a_takeover_carries_the_session_over,
);
