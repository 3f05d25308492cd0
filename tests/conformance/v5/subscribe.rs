//! SUBSCRIBE and SUBACK (chapters 3.8 and 3.9 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{option, subscribe};
use crate::support::wire::reason::{MALFORMED_PACKET, PROTOCOL_ERROR};
use crate::support::wire::{
    Connect, Packet, Properties, Publish, Version, binary, first_byte, packet, property, text,
};

/// A client sends these bytes and is thrown out for one of these reasons.
fn thrown_out(broker: &Broker, bytes: &[u8], reasons: &[u8]) {
    let mut client = Client::v5(broker);
    client.send(bytes);
    client.expect_error(reasons);
}

fn request(filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe(Version::V5, 1, filters, &Properties::new())
}

// [MQTT-3.8.1-1]
fn mqtt_3_8_1_1_the_flags_of_subscribe_must_be_2(broker: &Broker) {
    for flags in [0, 1, 3, 6, 10] {
        let mut bytes = request(&[("a", 0)]);
        bytes[0] = 0x80 | flags;
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.8.3-1]
fn mqtt_3_8_3_1_topic_filters_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xED, 0xB0, 0x80], b"a\0b"] {
        let body = [vec![0, 1, 0], binary(bad), vec![0]].concat();
        let bytes = packet(first_byte::SUBSCRIBE, &body);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.8.3-2]
fn mqtt_3_8_3_2_a_subscribe_needs_a_topic_filter(broker: &Broker) {
    let reasons = [PROTOCOL_ERROR, MALFORMED_PACKET];
    thrown_out(broker, &request(&[]), &reasons);
    let without_options = [vec![0, 1, 0], text("a")].concat();
    let bytes = packet(first_byte::SUBSCRIBE, &without_options);
    thrown_out(broker, &bytes, &reasons);
}

// [MQTT-2.2.1-3]
fn mqtt_2_2_1_3_the_packet_identifier_of_subscribe_must_not_be_zero(broker: &Broker) {
    let bytes = subscribe(Version::V5, 0, &[("a", 0)], &Properties::new());
    thrown_out(broker, &bytes, &[PROTOCOL_ERROR, MALFORMED_PACKET]);
}

// [MQTT-3.8.3-3]
fn mqtt_3_8_3_3_no_local_keeps_a_clients_own_messages_away(broker: &Broker) {
    let (mut client, mut other) = pair(broker, Version::V5);
    let topic = unique("t");
    client.subscribe_options(&topic, 1 | option::NO_LOCAL, None);
    other.subscribe(&topic, 1);
    client.publish(&topic, "own", 1);
    client.expect_nothing();
    other.expect_message("own");
    other.publish(&topic, "foreign", 1);
    client.expect_message("foreign");
}

// [MQTT-3.8.3-3]
fn mqtt_3_8_3_3_no_local_counts_only_for_its_own_subscription(broker: &Broker) {
    let mut client = Client::v5(broker);
    let base = unique("t");
    let (exact, wild) = (format!("{base}/a"), format!("{base}/+"));
    client.subscribe_options(&wild, 2 | option::NO_LOCAL, Some(1));
    client.subscribe_options(&exact, 1, Some(2));
    client.publish(&exact, "own", 2);
    let got = client.expect_message("own");
    assert_eq!((got.qos, got.properties.subscription_ids()), (1, vec![2]));
    client.expect_nothing();
    client.unsubscribe(&[&exact]);
    client.publish(&exact, "own", 2);
    client.expect_nothing();
}

// [MQTT-3.8.3-4]
fn mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error(broker: &Broker) {
    let bytes = request(&[("$share/g/a", option::NO_LOCAL)]);
    thrown_out(broker, &bytes, &[PROTOCOL_ERROR]);
}

// [MQTT-3.8.3-5]
fn mqtt_3_8_3_5_reserved_option_bits_are_malformed(broker: &Broker) {
    for options in [0x40, 0x80, 0xC1] {
        thrown_out(broker, &request(&[("a", options)]), &[MALFORMED_PACKET]);
    }
    // QoS 3 and retain handling 3 are protocol errors by the text of 3.8.3.1.
    for options in [0x03, 0x30] {
        let reasons = [PROTOCOL_ERROR, MALFORMED_PACKET];
        thrown_out(broker, &request(&[("a", options)]), &reasons);
    }
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6]
fn mqtt_3_8_4_1_suback_answers_with_the_same_identifier(broker: &Broker) {
    let mut client = Client::v5(broker);
    for id in [1, 2, 255, 256, 40_000, 65_535] {
        let topic = unique("t");
        client.send(subscribe(
            Version::V5,
            id,
            &[(&topic, 0)],
            &Properties::new(),
        ));
        assert_eq!(client.expect_suback().id, id);
    }
}

// [MQTT-3.8.4-3]
fn mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    let topic = unique("t");
    client.subscribe_options(&topic, 2, Some(1));
    client.subscribe_options(&topic, 1 | option::RETAIN_AS_PUBLISHED, Some(2));
    publisher.publish_with(Publish::new(&topic, "x").qos(2).retain());
    let got = client.receive();
    assert_eq!((got.qos, got.retain), (1, true));
    assert_eq!(got.properties.subscription_ids(), [2]);
    client.expect_nothing();
    client.subscribe_options(&topic, option::NO_RETAINED, None);
    publisher.publish(&topic, "y", 2);
    let got = client.receive();
    assert_eq!((got.qos, got.properties.subscription_ids()), (0, vec![]));
    client.expect_nothing();
    publisher.publish_with(Publish::new(&topic, "").retain());
}

// [MQTT-3.8.4-4]
fn mqtt_3_8_4_4_replacing_loses_no_message_and_sends_retained_ones_again(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    let topic = unique("t");
    publisher.publish_with(Publish::new(&topic, "kept").qos(1).retain());
    for _ in 0..3 {
        client.subscribe(&topic, 1);
        assert!(client.expect_message("kept").retain);
    }
    for number in 0..20 {
        publisher.send_publish(
            &Publish::new(&topic, number.to_string())
                .qos(1)
                .id(number + 1),
        );
        client.subscribe_options(&topic, 1 | option::NO_RETAINED, None);
    }
    for number in 0..20 {
        client.expect_message(&number.to_string());
    }
    client.expect_nothing();
}

// [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2]
fn mqtt_3_8_4_5_many_filters_get_one_suback_with_a_reason_for_each(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    let base = unique("t");
    let names: Vec<String> = (0..30).map(|n| format!("{base}/{n}")).collect();
    let filters: Vec<(&str, u8)> = (0_u8..30)
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

// [MQTT-3.8.4-5]
fn mqtt_3_8_4_5_the_same_filter_twice_in_one_subscribe_counts_the_last(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    let topic = unique("t");
    let filters = [(topic.as_str(), 2), (topic.as_str(), 0)];
    let answer = client.subscribe_with(&filters, &Properties::new());
    assert_eq!(answer.reasons, [2, 0]);
    publisher.publish(&topic, "x", 2);
    assert_eq!(client.receive().qos, 0);
    client.expect_nothing();
}

// [MQTT-3.8.4-1]
fn mqtt_3_8_4_1_what_is_published_after_suback_arrives(broker: &Broker) {
    let mut publisher = Client::v5(broker);
    for _ in 0..50 {
        let topic = unique("t");
        let mut client = Client::v5(broker);
        client.subscribe(&topic, 0);
        publisher.send_publish(&Publish::new(&topic, "x"));
        client.expect_message("x");
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_a_subscription_identifier_is_one_number_above_zero(broker: &Broker) {
    let id = property::SUBSCRIPTION_ID;
    for properties in [
        Properties::new().varint(id, 0),
        Properties::new().varint(id, 1).varint(id, 2),
    ] {
        let bytes = subscribe(Version::V5, 1, &[("a", 0)], &properties);
        thrown_out(broker, &bytes, &[PROTOCOL_ERROR]);
    }
    let endless = Properties::new().raw(id, &[0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    let bytes = subscribe(Version::V5, 1, &[("a", 0)], &endless);
    thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    let foreign = Properties::new().text(property::REASON_STRING, "no");
    let bytes = subscribe(Version::V5, 1, &[("a", 0)], &foreign);
    thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
}

// [MQTT-3.9.2-1] [MQTT-3.9.2-2]
fn mqtt_3_9_2_1_suback_fits_into_the_clients_maximum_packet_size(broker: &Broker) {
    // Fifteen reasons make the shortest SUBACK as long as this client can take.
    let connect = Connect::v5(&unique("c")).maximum_packet_size(60);
    let mut client = Client::connect(broker, &connect);
    let names: Vec<String> = (0..15).map(|_| unique("t")).collect();
    let filters: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let properties = Properties::new().user("name", &"v".repeat(500));
    let answer = client.subscribe_with(&filters, &properties);
    assert_eq!(answer.reasons, [1; 15]);
}

// [MQTT-3.8.4-2]
fn mqtt_3_8_4_2_several_subscribes_in_one_write_are_all_answered(broker: &Broker) {
    let mut client = Client::v5(broker);
    let topic = unique("t");
    let mut bytes = Vec::new();
    for id in 1..=100 {
        let filter = format!("{topic}/{id}");
        bytes.extend(subscribe(
            Version::V5,
            id,
            &[(&filter, 1)],
            &Properties::new(),
        ));
    }
    client.send(bytes);
    let mut answered: Vec<u16> = (0..100)
        .map(|_| match client.next() {
            Packet::SubAck(answer) => answer.id,
            other => panic!("SUBACK wanted, got {other:?}"),
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=100).collect::<Vec<u16>>());
}

promises!(
    mqtt_2_2_1_3_the_packet_identifier_of_subscribe_must_not_be_zero,
    mqtt_3_8_1_1_the_flags_of_subscribe_must_be_2,
    mqtt_3_8_3_1_topic_filters_must_be_utf_8,
    mqtt_3_8_3_2_a_subscribe_needs_a_topic_filter,
    mqtt_3_8_3_3_no_local_counts_only_for_its_own_subscription,
    mqtt_3_8_3_3_no_local_keeps_a_clients_own_messages_away,
    mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error,
    mqtt_3_8_3_5_reserved_option_bits_are_malformed,
    mqtt_3_8_4_1_suback_answers_with_the_same_identifier,
    mqtt_3_8_4_1_what_is_published_after_suback_arrives,
    mqtt_3_8_4_2_several_subscribes_in_one_write_are_all_answered,
    mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription,
    mqtt_3_8_4_4_replacing_loses_no_message_and_sends_retained_ones_again,
    mqtt_3_8_4_5_many_filters_get_one_suback_with_a_reason_for_each,
    mqtt_3_8_4_5_the_same_filter_twice_in_one_subscribe_counts_the_last,
    mqtt_3_9_2_1_suback_fits_into_the_clients_maximum_packet_size,
    mqtt_4_13_1_1_a_subscription_identifier_is_one_number_above_zero,
);
