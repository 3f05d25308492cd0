//! SUBSCRIBE and SUBACK (chapters 3.8 and 3.9 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::subscribe;
use crate::support::wire::{Properties, Publish, Version, binary, first_byte, packet, text};

fn closed(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::v311(broker);
    client.send(bytes);
    client.expect_end();
}

fn request(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe(Version::V311, id, filters, &Properties::new())
}

// [MQTT-3.8.1-1]
fn mqtt_3_8_1_1_the_flags_of_subscribe_must_be_2(broker: &Broker) {
    for flags in [0, 1, 3, 6, 10] {
        let mut bytes = request(1, &[("a", 0)]);
        bytes[0] = 0x80 | flags;
        closed(broker, &bytes);
    }
}

// [MQTT-3.8.3-1]
fn mqtt_3_8_3_1_topic_filters_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xED, 0xB0, 0x80], b"a\0b"] {
        let body = [vec![0, 1], binary(bad), vec![0]].concat();
        closed(broker, &packet(first_byte::SUBSCRIBE, &body));
    }
}

// [MQTT-3.8.3-3] [MQTT-2.3.1-1]
fn mqtt_3_8_3_3_a_subscribe_needs_an_identifier_and_a_topic_filter(broker: &Broker) {
    closed(broker, &request(1, &[]));
    closed(broker, &request(0, &[("a", 0)]));
    let without_qos = [vec![0, 1], text("a")].concat();
    closed(broker, &packet(first_byte::SUBSCRIBE, &without_qos));
}

// [MQTT-3.8.3-4]
fn mqtt_3_8_3_4_reserved_bits_and_qos_3_are_malformed(broker: &Broker) {
    for qos in [3, 4, 0x10, 0x20, 0x80] {
        closed(broker, &request(1, &[("a", qos)]));
    }
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.3.1-7]
fn mqtt_3_8_4_2_suback_answers_with_the_same_identifier(broker: &Broker) {
    let mut client = Client::v311(broker);
    for id in [1, 255, 256, 65_535] {
        let topic = unique("t");
        client.send(request(id, &[(&topic, 0)]));
        assert_eq!(client.expect_suback().id, id);
    }
}

// [MQTT-3.8.4-3]
fn mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V311);
    let topic = unique("t");
    publisher.publish_with(Publish::new(&topic, "kept").qos(1).retain());
    client.subscribe(&topic, 2);
    assert!(client.expect_message("kept").retain);
    client.subscribe(&topic, 0);
    // Retained messages are sent again, and the new QoS holds.
    let got = client.expect_message("kept");
    assert_eq!((got.retain, got.qos), (true, 0));
    publisher.publish(&topic, "x", 2);
    assert_eq!(client.expect_message("x").qos, 0);
    client.expect_nothing();
    // The flow of messages is not interrupted.
    publisher.publish_with(Publish::new(&topic, "").qos(1).retain());
    client.expect_message("");
    for number in 1..=20 {
        let publish = Publish::new(&topic, number.to_string());
        publisher.send_publish(&publish.qos(1).id(number));
        client.subscribe(&topic, 1);
    }
    for number in 1..=20 {
        client.expect_message(&number.to_string());
    }
}

// [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2]
fn mqtt_3_8_4_4_many_filters_get_one_suback_with_a_code_for_each(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V311);
    let base = unique("t");
    let names: Vec<String> = (0..15).map(|n| format!("{base}/{n}")).collect();
    let filters: Vec<(&str, u8)> = (0_u8..15)
        .map(|n| (names[usize::from(n)].as_str(), (n * 7) % 3))
        .collect();
    let answer = client.subscribe_with(&filters, &Properties::new());
    let wanted: Vec<u8> = filters.iter().map(|(_, qos)| *qos).collect();
    assert_eq!(answer.reasons, wanted);
    client.expect_nothing();
    for (topic, qos) in filters {
        publisher.publish(topic, topic, 2);
        assert_eq!(client.expect_message(topic).qos, qos);
    }
}

promises!(
    mqtt_3_8_1_1_the_flags_of_subscribe_must_be_2,
    mqtt_3_8_3_1_topic_filters_must_be_utf_8,
    mqtt_3_8_3_3_a_subscribe_needs_an_identifier_and_a_topic_filter,
    mqtt_3_8_3_4_reserved_bits_and_qos_3_are_malformed,
    mqtt_3_8_4_2_suback_answers_with_the_same_identifier,
    mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription,
    mqtt_3_8_4_4_many_filters_get_one_suback_with_a_code_for_each,
);
