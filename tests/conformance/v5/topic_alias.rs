//! Topic aliases, both ways (chapter 3.3.2.3.4 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::reason::{MALFORMED_PACKET, PROTOCOL_ERROR, TOPIC_ALIAS_INVALID};
use crate::support::wire::{Connect, Publish, Version, property};

/// The alias maximum that this broker announces.
const ALIAS_MAXIMUM: u16 = 10;

// [MQTT-3.3.2-12]
fn mqtt_3_3_2_12_every_alias_up_to_the_maximum_is_taken(broker: &Broker) {
    let (mut subscriber, _) = pair(broker, Version::V5);
    let (mut publisher, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let maximum = answer.properties.number(property::TOPIC_ALIAS_MAXIMUM);
    assert_eq!(maximum, Some(u32::from(ALIAS_MAXIMUM)));
    let base = unique("t");
    subscriber.subscribe(&format!("{base}/#"), 1);
    for alias in 1..=ALIAS_MAXIMUM {
        let topic = format!("{base}/{alias}");
        publisher.publish_with(Publish::new(&topic, "set").qos(1).alias(alias));
        assert_eq!(subscriber.expect_message("set").topic, topic);
    }
    for alias in (1..=ALIAS_MAXIMUM).rev() {
        publisher.publish_with(Publish::new("", "used").qos(1).alias(alias));
        let got = subscriber.expect_message("used");
        assert_eq!(got.topic, format!("{base}/{alias}"));
        assert!(
            !got.properties.has(property::TOPIC_ALIAS),
            "not the publisher's"
        );
    }
}

// [MQTT-3.3.2-12]
fn mqtt_3_3_2_12_an_alias_can_be_given_another_topic(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    subscriber.subscribe(&format!("{base}/+"), 0);
    for name in ["a", "b", "a"] {
        let topic = format!("{base}/{name}");
        publisher.publish_with(Publish::new(&topic, "").alias(1));
        publisher.publish_with(Publish::new("", "").alias(1));
        assert_eq!(subscriber.receive().topic, topic);
        assert_eq!(subscriber.receive().topic, topic);
    }
}

// [MQTT-3.3.2-7]
fn mqtt_3_3_2_7_aliases_end_with_the_connection(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.publish_with(Publish::new(&unique("t"), "x").qos(1).alias(1));
    client.disconnect();
    let mut client = Client::connect(broker, &connect);
    client.send_publish(&Publish::new("", "x").alias(1));
    client.expect_error(&[PROTOCOL_ERROR, TOPIC_ALIAS_INVALID]);
}

// [MQTT-3.3.2-8]
fn mqtt_3_3_2_8_alias_0_is_refused(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.send_publish(&Publish::new("a", "x").alias(0));
    client.expect_error(&[TOPIC_ALIAS_INVALID, PROTOCOL_ERROR, MALFORMED_PACKET]);
}

// [MQTT-3.3.2-9] [MQTT-3.2.2-17]
fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_refused(broker: &Broker) {
    for alias in [ALIAS_MAXIMUM + 1, u16::MAX] {
        let mut client = Client::v5(broker);
        client.send_publish(&Publish::new("a", "x").alias(alias));
        client.expect_error(&[TOPIC_ALIAS_INVALID]);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_an_alias_that_was_never_set_is_a_protocol_error(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.publish_with(Publish::new(&unique("t"), "x").alias(2));
    client.send_publish(&Publish::new("", "x").alias(1));
    client.expect_error(&[PROTOCOL_ERROR, TOPIC_ALIAS_INVALID]);
}

// [MQTT-3.1.2-26] [MQTT-3.3.2-11]
fn mqtt_3_1_2_26_the_broker_keeps_to_the_clients_alias_maximum(broker: &Broker) {
    // The client fails at an alias above its maximum and resolves the others: every topic must come
    // out right, whether the broker uses aliases or not.
    let mut publisher = Client::v5(broker);
    for maximum in [1, 3, 65_535] {
        let connect = Connect::v5(&unique("c")).topic_alias_maximum(maximum);
        let mut subscriber = Client::connect(broker, &connect);
        let base = unique("t");
        subscriber.subscribe(&format!("{base}/#"), 1);
        for number in 0..40_u8 {
            let topic = format!("{base}/a rather long topic name/{}", number % 7);
            publisher.publish(&topic, "x", number % 2);
            assert_eq!(subscriber.receive().topic, topic);
        }
    }
}

// [MQTT-3.1.2-27]
fn mqtt_3_1_2_27_without_an_alias_maximum_the_broker_uses_none(broker: &Broker) {
    let mut publisher = Client::v5(broker);
    for connect in [
        Connect::v5(&unique("c")),
        Connect::v5(&unique("c")).topic_alias_maximum(0),
    ] {
        let mut subscriber = Client::connect(broker, &connect);
        let topic = unique("a rather long topic name");
        subscriber.subscribe(&topic, 0);
        for _ in 0..20 {
            publisher.publish(&topic, "x", 1);
            assert!(!subscriber.receive().properties.has(property::TOPIC_ALIAS));
        }
    }
}

// [MQTT-3.3.2-7]
fn mqtt_3_3_2_7_messages_sent_again_make_sense_on_the_new_connection(broker: &Broker) {
    let topic = unique("a rather long topic name");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect.clone().topic_alias_maximum(5));
    client.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    for _ in 0..5 {
        publisher.publish(&topic, "x", 1);
        client.expect_publish();
    }
    client.vanish();
    // The new connection allows no alias at all.
    let mut client = Client::connect(broker, &connect);
    for _ in 0..5 {
        let again = client.receive();
        assert_eq!((again.topic.as_str(), again.dup), (topic.as_str(), true));
    }
}

promises!(
    mqtt_3_1_2_26_the_broker_keeps_to_the_clients_alias_maximum,
    mqtt_3_1_2_27_without_an_alias_maximum_the_broker_uses_none,
    mqtt_3_3_2_7_aliases_end_with_the_connection,
    mqtt_3_3_2_7_messages_sent_again_make_sense_on_the_new_connection,
    mqtt_3_3_2_8_alias_0_is_refused,
    mqtt_3_3_2_9_an_alias_above_the_maximum_is_refused,
    mqtt_3_3_2_12_an_alias_can_be_given_another_topic,
    mqtt_3_3_2_12_every_alias_up_to_the_maximum_is_taken,
    mqtt_4_13_1_1_an_alias_that_was_never_set_is_a_protocol_error,
);
