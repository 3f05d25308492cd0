//! Data types: UTF-8 strings, variable byte integers, lengths (chapters 1.5, 2 and 4.13 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::reason::{MALFORMED_PACKET, PROTOCOL_ERROR};
use crate::support::wire::{
    Properties, Publish, Version, binary, first_byte, packet, property, text,
};

fn thrown_out(broker: &Broker, bytes: &[u8], reasons: &[u8]) {
    let mut client = Client::v5(broker);
    client.send(bytes);
    client.expect_error(reasons);
}

/// A PUBLISH whose topic is these bytes.
fn publish_to(topic: &[u8]) -> Vec<u8> {
    packet(first_byte::PUBLISH, &[binary(topic), vec![0]].concat())
}

// [MQTT-1.5.4-1]
fn mqtt_1_5_4_1_strings_must_be_well_formed_utf_8(broker: &Broker) {
    for bad in [
        &[0x80_u8][..],
        &[0xC3],
        &[0xC0, 0xAF],
        &[0xE0, 0x80, 0x80],
        &[0xED, 0xA0, 0x80],
        &[0xED, 0xBF, 0xBF],
        &[0xF4, 0x90, 0x80, 0x80],
        &[0xF8, 0x88, 0x80, 0x80, 0x80],
        &[b'a', 0xFF],
    ] {
        thrown_out(broker, &publish_to(bad), &[MALFORMED_PACKET, 0x90]);
    }
}

// [MQTT-1.5.4-2]
fn mqtt_1_5_4_2_strings_must_not_include_u_0000(broker: &Broker) {
    thrown_out(broker, &publish_to(b"a\0"), &[MALFORMED_PACKET, 0x90]);
    let properties = Properties::new().text(property::CONTENT_TYPE, "a\0b");
    let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
    thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
}

// [MQTT-1.5.4-3]
fn mqtt_1_5_4_3_a_byte_order_mark_is_a_character_like_others(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    subscriber.subscribe(&format!("{base}/+"), 1);
    for name in ["\u{FEFF}", "\u{FEFF}a", "a\u{FEFF}", "a"] {
        let properties = Properties::new()
            .text(property::CONTENT_TYPE, name)
            .user(name, name);
        let publish = Publish::new(&format!("{base}/{name}"), name).qos(1);
        publisher.publish_with(publish.with(properties));
        let got = subscriber.expect_message(name);
        assert_eq!(got.topic, format!("{base}/{name}"));
        assert_eq!(got.properties.get_text(property::CONTENT_TYPE), Some(name));
        assert_eq!(got.properties.users(), [(name, name)]);
    }
}

// [MQTT-1.5.4-1]
fn mqtt_1_5_4_1_all_other_characters_pass(broker: &Broker) {
    // Control characters and non-characters may be refused (1.5.4 SHOULD); what is plain must pass.
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    subscriber.subscribe(&format!("{base}/#"), 1);
    for name in [
        "ä",
        "€",
        "\u{10348}",
        "\u{10FFFD}",
        "\u{D7FF}",
        "\u{E000}",
        "中文",
        " ",
    ] {
        let topic = format!("{base}/{name}/x");
        publisher.publish(&topic, name, 1);
        assert_eq!(subscriber.expect_message(name).topic, topic);
    }
}

// [MQTT-1.5.5-1]
fn mqtt_1_5_5_1_a_length_of_more_than_four_bytes_is_malformed(broker: &Broker) {
    for endless in [
        &[0x30_u8, 0xFF, 0xFF, 0xFF, 0xFF, 0x01][..],
        &[0xC0, 0x80, 0x80, 0x80, 0x80, 0x00],
    ] {
        let reasons = [MALFORMED_PACKET, PROTOCOL_ERROR, 0x95];
        thrown_out(broker, endless, &reasons);
    }
}

// [MQTT-1.5.5-1]
fn mqtt_1_5_5_1_a_length_with_superfluous_bytes_is_malformed(broker: &Broker) {
    thrown_out(broker, &[0xC0, 0x80, 0x00], &[MALFORMED_PACKET]);
    // The same for the length of the properties.
    let body = [text("a"), vec![0x80, 0x00], b"x".to_vec()].concat();
    let bytes = packet(first_byte::PUBLISH, &body);
    thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
}

// [MQTT-2.2.2-1] [MQTT-4.13.1-1]
fn mqtt_2_2_2_1_lengths_inside_a_packet_must_fit(broker: &Broker) {
    let bodies: [Vec<u8>; 8] = [
        vec![],
        vec![0],
        vec![0, 5, b'a'],
        text("a"),
        [text("a"), vec![5, 1]].concat(),
        [text("a"), vec![2, property::PAYLOAD_FORMAT]].concat(),
        [text("a"), vec![3, property::CONTENT_TYPE, 0, 9]].concat(),
        [text("a"), vec![0xFF, 0xFF, 0xFF, 0xFF, 0x7F]].concat(),
    ];
    for body in bodies {
        let bytes = packet(first_byte::PUBLISH, &body);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-2.1.3-1]
fn mqtt_2_1_3_1_reserved_packet_types_and_flags_are_malformed(broker: &Broker) {
    for first in [0x00, 0x0F, 0xC1, 0xE8, 0xF1, 0x83, 0xA0] {
        let mut client = Client::v5(broker);
        client.send(packet(first, &[0, 1, 0, 0, 1, b'a', 0]));
        client.expect_error(&[MALFORMED_PACKET, PROTOCOL_ERROR]);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_what_is_left_over_in_a_packet_is_malformed(broker: &Broker) {
    let id = [0, 1];
    for bytes in [
        packet(first_byte::PUBACK, &[&id[..], &[0, 0, 9]].concat()),
        packet(first_byte::DISCONNECT, &[0, 0, 9]),
        packet(first_byte::PINGREQ, b"x"),
        packet(
            first_byte::UNSUBSCRIBE,
            &[&id[..], &[0], &text("a"), &[0]].concat(),
        ),
        packet(
            first_byte::SUBSCRIBE,
            &[&id[..], &[0], &text("a"), &[0, 0]].concat(),
        ),
    ] {
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-4.13.2-1] [MQTT-4.13.1-1]
fn mqtt_4_13_2_1_a_malformed_packet_harms_only_its_own_connection(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    for _ in 0..50 {
        let mut broken = Client::v5(broker);
        let good = Publish::new(&topic, "before the break").qos(1).id(1);
        let bad = Publish::new(&topic, "the break").qos(3).id(2);
        broken.send([good.encode(Version::V5), bad.encode(Version::V5)].concat());
        // What was whole before the break may have been acknowledged.
        broken.read_to_end();
        subscriber.expect_message("before the break");
    }
    publisher.publish(&topic, "alive", 1);
    subscriber.expect_message("alive");
}

promises!(
    mqtt_1_5_4_1_all_other_characters_pass,
    mqtt_1_5_4_1_strings_must_be_well_formed_utf_8,
    mqtt_1_5_4_2_strings_must_not_include_u_0000,
    mqtt_1_5_4_3_a_byte_order_mark_is_a_character_like_others,
    mqtt_1_5_5_1_a_length_of_more_than_four_bytes_is_malformed,
    mqtt_1_5_5_1_a_length_with_superfluous_bytes_is_malformed,
    mqtt_2_1_3_1_reserved_packet_types_and_flags_are_malformed,
    mqtt_2_2_2_1_lengths_inside_a_packet_must_fit,
    mqtt_4_13_1_1_what_is_left_over_in_a_packet_is_malformed,
    mqtt_4_13_2_1_a_malformed_packet_harms_only_its_own_connection,
);
