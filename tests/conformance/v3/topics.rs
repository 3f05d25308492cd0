//! Topic names, filters and strings (chapters 1.5.3 and 4.7 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{subscribe, unsubscribe};
use crate::support::wire::{Properties, Publish, Version, binary, first_byte, packet};

fn closed(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::v311(broker);
    client.send(bytes);
    client.expect_end();
}

/// Neither to subscribe nor to unsubscribe.
fn no_filter(broker: &Broker, filter: &str) {
    let filters = [(filter, 0)];
    let none = Properties::new();
    closed(broker, &subscribe(Version::V311, 1, &filters, &none));
    closed(broker, &unsubscribe(Version::V311, 1, &[filter], &none));
}

// [MQTT-1.5.3-1]
fn mqtt_1_5_3_1_strings_must_be_well_formed_utf_8(broker: &Broker) {
    for bad in [
        &[0x80_u8][..],
        &[0xC0, 0xAF],
        &[0xED, 0xA0, 0x80],
        &[0xED, 0xBF, 0xBF],
        &[0xF4, 0x90, 0x80, 0x80],
    ] {
        closed(broker, &packet(first_byte::PUBLISH, &binary(bad)));
    }
}

// [MQTT-1.5.3-2] [MQTT-4.7.3-2]
fn mqtt_1_5_3_2_strings_must_not_include_u_0000(broker: &Broker) {
    closed(broker, &packet(first_byte::PUBLISH, &binary(b"a\0")));
    no_filter(broker, "a\0b");
}

// [MQTT-1.5.3-3] [MQTT-4.7.3-4]
fn mqtt_4_7_3_4_names_are_not_normalized(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let base = unique("t");
    let names = [
        "\u{E9}",
        "e\u{301}",
        "E",
        "e",
        " e",
        "\u{FEFF}e",
        "e\u{FEFF}",
        "./e",
    ];
    for name in names {
        let topic = format!("{base}{name}");
        subscriber.subscribe(&topic, 1);
        for other in names {
            publisher.publish(&format!("{base}{other}"), other, 1);
        }
        assert_eq!(subscriber.expect_message(name).topic, topic);
        subscriber.expect_nothing();
        subscriber.unsubscribe(&[&topic]);
    }
}

// [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-3.3.2-3]
fn mqtt_4_7_1_2_filters_match_level_by_level(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    for (filter, topic, matches) in [
        ("/#", "", true),
        ("/#", "/a/b/c", true),
        ("/#", "/", true),
        ("/+", "/a", true),
        ("/+", "", false),
        ("/+", "/", true),
        ("/+", "/a/b", false),
        ("/+/b", "//b", true),
        ("/+/+", "/a", false),
        ("/+/#", "/a", true),
        ("/a", "/a/", false),
        ("/a", "/A", false),
        ("/$a", "/$a", true),
    ] {
        let base = unique("t");
        let (filter, topic) = (format!("{base}{filter}"), format!("{base}{topic}"));
        subscriber.subscribe(&filter, 1);
        publisher.publish(&topic, "x", 1);
        if matches {
            assert_eq!(subscriber.receive().topic, topic, "{filter} matches");
        }
        subscriber.expect_nothing();
        subscriber.unsubscribe(&[&filter]);
    }
}

// [MQTT-4.7.1-2] [MQTT-4.7.1-3]
fn mqtt_4_7_1_2_misplaced_wildcards_end_the_connection(broker: &Broker) {
    for filter in ["#a", "a#", "a/#/b", "+a", "a+", "a/+b", "++"] {
        no_filter(broker, filter);
    }
}

// [MQTT-4.7.1-1] [MQTT-4.7.3-1]
fn mqtt_4_7_1_1_names_have_no_wildcards_and_are_not_empty(broker: &Broker) {
    for topic in ["a/+", "#", ""] {
        closed(broker, &Publish::new(topic, "x").encode(Version::V311));
    }
    no_filter(broker, "");
}

// [MQTT-4.7.2-1]
fn mqtt_4_7_2_1_wildcards_do_not_match_topics_that_begin_with_a_dollar_sign(broker: &Broker) {
    let topic = unique("$t");
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let marker = unique("t");
    subscriber.subscribe("+", 1);
    subscriber.subscribe("#", 1);
    let mut exact = Client::v311(broker);
    exact.subscribe(&format!("{topic}/#"), 1);
    publisher.publish(&topic, "hidden", 1);
    publisher.publish(&marker, "marker", 1);
    loop {
        let got = subscriber.receive();
        assert!(!got.topic.starts_with('$'), "{got:?}");
        if got.topic == marker {
            break;
        }
    }
    exact.expect_message("hidden");
}

// [MQTT-4.7.3-3]
fn mqtt_4_7_3_3_long_topic_names_are_taken(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let base = unique("t");
    let topic = format!("{base}/{}", "x".repeat(65_535 - base.len() - 1));
    subscriber.subscribe(&format!("{base}/+"), 1);
    publisher.publish(&topic, "x", 1);
    assert_eq!(subscriber.receive().topic.len(), 65_535);
}

// [MQTT-4.8.0-1]
fn mqtt_4_8_0_1_lengths_inside_a_packet_must_fit(broker: &Broker) {
    for body in [&[][..], &[0], &[0, 5, b'a']] {
        closed(broker, &packet(first_byte::PUBLISH, body));
    }
    closed(broker, &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
}

promises!(
    mqtt_1_5_3_1_strings_must_be_well_formed_utf_8,
    mqtt_1_5_3_2_strings_must_not_include_u_0000,
    mqtt_4_7_1_1_names_have_no_wildcards_and_are_not_empty,
    mqtt_4_7_1_2_filters_match_level_by_level,
    mqtt_4_7_1_2_misplaced_wildcards_end_the_connection,
    mqtt_4_7_2_1_wildcards_do_not_match_topics_that_begin_with_a_dollar_sign,
    mqtt_4_7_3_3_long_topic_names_are_taken,
    mqtt_4_7_3_4_names_are_not_normalized,
    mqtt_4_8_0_1_lengths_inside_a_packet_must_fit,
);
