//! PUBLISH: flags, topic, properties that a client may not send, delivery (chapter 3.3 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::reason::{
    MALFORMED_PACKET, PAYLOAD_FORMAT_INVALID, PROTOCOL_ERROR, TOPIC_NAME_INVALID,
};
use crate::support::wire::{
    Properties, Publish, Version, binary, first_byte, packet, property, text,
};

/// A client sends these bytes and is thrown out for one of these reasons.
fn thrown_out(broker: &Broker, bytes: &[u8], reasons: &[u8]) {
    let mut client = Client::v5(broker);
    client.send(bytes);
    client.expect_error(reasons);
}

// [MQTT-3.3.1-4]
fn mqtt_3_3_1_4_qos_3_is_malformed(broker: &Broker) {
    let publish = Publish::new("a", "x").qos(3).id(1);
    thrown_out(broker, &publish.encode(Version::V5), &[MALFORMED_PACKET]);
}

// [MQTT-3.3.1-2]
fn mqtt_3_3_1_2_dup_with_qos_0_is_refused(broker: &Broker) {
    let publish = Publish::new("a", "x").dup();
    let reasons = [MALFORMED_PACKET, PROTOCOL_ERROR];
    thrown_out(broker, &publish.encode(Version::V5), &reasons);
}

// [MQTT-3.3.2-1]
fn mqtt_3_3_2_1_the_topic_name_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xC3, 0x28], &[0xED, 0xA0, 0x80], b"a\0"] {
        let body = [binary(bad), vec![0], b"x".to_vec()].concat();
        let bytes = packet(first_byte::PUBLISH, &body);
        let reasons = [MALFORMED_PACKET, TOPIC_NAME_INVALID];
        thrown_out(broker, &bytes, &reasons);
    }
}

// [MQTT-3.3.2-2] [MQTT-4.7.0-1]
fn mqtt_3_3_2_2_the_topic_name_must_not_contain_wildcards(broker: &Broker) {
    for topic in ["a/#", "+", "a/b+c", "#"] {
        let bytes = Publish::new(topic, "x").encode(Version::V5);
        let reasons = [TOPIC_NAME_INVALID, MALFORMED_PACKET, PROTOCOL_ERROR];
        thrown_out(broker, &bytes, &reasons);
    }
}

// [MQTT-4.7.3-1]
fn mqtt_4_7_3_1_a_publish_needs_a_topic_name_or_an_alias(broker: &Broker) {
    let bytes = Publish::new("", "x").encode(Version::V5);
    let reasons = [PROTOCOL_ERROR, TOPIC_NAME_INVALID];
    thrown_out(broker, &bytes, &reasons);
}

// [MQTT-2.2.1-2] [MQTT-2.2.1-3]
fn mqtt_2_2_1_3_the_packet_identifier_must_not_be_zero(broker: &Broker) {
    for qos in [1, 2] {
        let bytes = Publish::new("a", "x").qos(qos).id(0).encode(Version::V5);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET, PROTOCOL_ERROR]);
    }
}

// [MQTT-3.3.4-6]
fn mqtt_3_3_4_6_a_client_must_not_send_a_subscription_identifier(broker: &Broker) {
    let properties = Properties::new().varint(property::SUBSCRIPTION_ID, 1);
    let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
    thrown_out(broker, &bytes, &[PROTOCOL_ERROR, MALFORMED_PACKET]);
}

// [MQTT-3.3.2-13] [MQTT-3.3.2-19] [MQTT-1.5.7-1]
fn mqtt_3_3_2_13_string_properties_must_be_utf_8(broker: &Broker) {
    let bad = binary(&[0xFF, 0xFF]);
    let wrong = [
        Properties::new().raw(property::RESPONSE_TOPIC, &bad),
        Properties::new().raw(property::CONTENT_TYPE, &bad),
        Properties::new().raw(
            property::USER_PROPERTY,
            &[text("name"), bad.clone()].concat(),
        ),
        Properties::new().raw(
            property::USER_PROPERTY,
            &[bad.clone(), text("value")].concat(),
        ),
        Properties::new().user("nu\0l", "value"),
    ];
    for properties in wrong {
        let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.3.2-14]
fn mqtt_3_3_2_14_the_response_topic_must_not_contain_wildcards(broker: &Broker) {
    for topic in ["a/+", "#"] {
        let properties = Properties::new().text(property::RESPONSE_TOPIC, topic);
        let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
        let reasons = [PROTOCOL_ERROR, MALFORMED_PACKET, TOPIC_NAME_INVALID];
        thrown_out(broker, &bytes, &reasons);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_properties_that_publish_may_not_carry_are_malformed(broker: &Broker) {
    let wrong = [
        Properties::new().four(property::SESSION_EXPIRY, 1),
        Properties::new().text(property::REASON_STRING, "no"),
        Properties::new().raw(0x50, &[1]),
        Properties::new().raw(property::MESSAGE_EXPIRY, &[1, 2]),
    ];
    for properties in wrong {
        let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_a_property_of_publish_appears_at_most_once(broker: &Broker) {
    use property as p;
    let twice = [
        Properties::new()
            .byte(p::PAYLOAD_FORMAT, 1)
            .byte(p::PAYLOAD_FORMAT, 1),
        Properties::new()
            .four(p::MESSAGE_EXPIRY, 9)
            .four(p::MESSAGE_EXPIRY, 9),
        Properties::new()
            .text(p::CONTENT_TYPE, "a")
            .text(p::CONTENT_TYPE, "a"),
        Properties::new()
            .text(p::RESPONSE_TOPIC, "a")
            .text(p::RESPONSE_TOPIC, "a"),
        Properties::new()
            .binary(p::CORRELATION_DATA, b"a")
            .binary(p::CORRELATION_DATA, b"a"),
        Properties::new()
            .two(p::TOPIC_ALIAS, 1)
            .two(p::TOPIC_ALIAS, 1),
    ];
    for properties in twice {
        let bytes = Publish::new("a", "x").with(properties).encode(Version::V5);
        thrown_out(broker, &bytes, &[PROTOCOL_ERROR]);
    }
    let odd = Properties::new().byte(p::PAYLOAD_FORMAT, 2);
    let bytes = Publish::new("a", "x").with(odd).encode(Version::V5);
    let reasons = [PROTOCOL_ERROR, MALFORMED_PACKET, PAYLOAD_FORMAT_INVALID];
    thrown_out(broker, &bytes, &reasons);
}

// [MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11]
fn mqtt_3_3_4_1_each_qos_has_its_answer(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v5(broker);
    client.send_publish(&Publish::new(&topic, "0"));
    client.expect_nothing();
    for id in [1, 255, 256, 65535] {
        client.send_publish(&Publish::new(&topic, "1").qos(1).id(id));
        assert!(client.expect_puback(id).reason < 0x80);
        client.send_publish(&Publish::new(&topic, "2").qos(2).id(id));
        assert!(client.expect_pubrec(id).reason < 0x80);
        client.pubrel(id);
        assert_eq!(client.expect_pubcomp(id).reason, 0);
    }
}

// [MQTT-3.8.4-8] [MQTT-3.3.4-2] [MQTT-3.3.2-3] [MQTT-4.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
fn mqtt_3_8_4_8_a_message_comes_with_the_lesser_qos(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    for granted in 0..=2 {
        let topic = unique("t");
        subscriber.subscribe(&topic, granted);
        for published in 0..=2 {
            publisher.publish(&topic, "x", published);
            let got = subscriber.receive();
            assert_eq!(got.qos, published.min(granted));
            assert_eq!((got.dup, got.retain), (false, false));
            assert_eq!(got.topic, topic);
        }
    }
}

// [MQTT-3.3.1-3]
fn mqtt_3_3_1_3_dup_of_the_publisher_goes_no_further(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    for qos in [1, 2] {
        publisher.publish_with(Publish::new(&topic, "x").qos(qos).dup());
        assert!(!subscriber.receive().dup);
    }
}

// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]
fn mqtt_3_3_4_4_overlapping_subscriptions_give_one_copy_with_all_identifiers(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    subscriber.subscribe_options(&format!("{base}/#"), 0, Some(1));
    subscriber.subscribe_options(&format!("{base}/+"), 2, Some(200));
    subscriber.subscribe_options(&format!("{base}/a"), 1, Some(268_435_455));
    subscriber.subscribe_options(&format!("{base}/+/+"), 2, Some(4));
    for qos in [2, 1, 0] {
        publisher.publish(&format!("{base}/a"), "x", qos);
        let got = subscriber.receive();
        assert_eq!(
            got.qos, qos,
            "the highest QoS of the matching subscriptions"
        );
        assert_eq!(got.properties.subscription_ids(), [1, 200, 268_435_455]);
        subscriber.expect_nothing();
    }
}

// [MQTT-3.3.4-3]
fn mqtt_3_3_4_3_only_matching_subscriptions_with_an_identifier_are_named(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    subscriber.subscribe_options(&format!("{base}/a"), 1, None);
    publisher.publish(&format!("{base}/a"), "plain", 1);
    let got = subscriber.expect_message("plain");
    assert!(got.properties.subscription_ids().is_empty());
    subscriber.subscribe_options(&format!("{base}/+"), 1, Some(5));
    publisher.publish(&format!("{base}/a"), "both", 1);
    let got = subscriber.expect_message("both");
    assert_eq!(got.properties.subscription_ids(), [5]);
}

// [MQTT-4.5.0-1]
fn mqtt_4_5_0_1_every_matching_session_gets_the_message(broker: &Broker) {
    let topic = unique("t");
    let mut subscribers: Vec<Client> = (0..12).map(|_| Client::v5(broker)).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        let qos = u8::try_from(number % 3).expect("0, 1 or 2");
        subscriber.subscribe(&topic, qos);
    }
    let mut publisher = Client::v5(broker);
    for payload in ["one", "two", "three"] {
        publisher.publish(&topic, payload, 2);
    }
    for subscriber in &mut subscribers {
        for payload in ["one", "two", "three"] {
            subscriber.expect_message(payload);
        }
    }
}

// [MQTT-3.3.4-1]
fn mqtt_3_3_4_1_payloads_of_any_size_and_content_arrive_whole(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    for size in [0, 1, 126, 127, 128, 16_383, 16_384, 70_000, 1_000_000] {
        let payload: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0] ^ 0x5A).collect();
        publisher.publish_with(Publish::new(&topic, &payload).qos(1));
        let got = subscriber.receive();
        assert!(got.payload == payload, "{size} bytes came out differently");
    }
}

promises!(
    mqtt_2_2_1_3_the_packet_identifier_must_not_be_zero,
    mqtt_3_3_1_2_dup_with_qos_0_is_refused,
    mqtt_3_3_1_3_dup_of_the_publisher_goes_no_further,
    mqtt_3_3_1_4_qos_3_is_malformed,
    mqtt_3_3_2_1_the_topic_name_must_be_utf_8,
    mqtt_3_3_2_2_the_topic_name_must_not_contain_wildcards,
    mqtt_3_3_2_13_string_properties_must_be_utf_8,
    mqtt_3_3_2_14_the_response_topic_must_not_contain_wildcards,
    mqtt_3_3_4_1_each_qos_has_its_answer,
    mqtt_3_3_4_1_payloads_of_any_size_and_content_arrive_whole,
    mqtt_3_3_4_3_only_matching_subscriptions_with_an_identifier_are_named,
    mqtt_3_3_4_4_overlapping_subscriptions_give_one_copy_with_all_identifiers,
    mqtt_3_3_4_6_a_client_must_not_send_a_subscription_identifier,
    mqtt_3_8_4_8_a_message_comes_with_the_lesser_qos,
    mqtt_4_5_0_1_every_matching_session_gets_the_message,
    mqtt_4_7_3_1_a_publish_needs_a_topic_name_or_an_alias,
    mqtt_4_13_1_1_a_property_of_publish_appears_at_most_once,
    mqtt_4_13_1_1_properties_that_publish_may_not_carry_are_malformed,
);
