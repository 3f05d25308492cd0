//! Topic names, filters and wildcards (chapter 4.7 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{subscribe, unsubscribe};
use crate::support::wire::reason::MALFORMED_PACKET;
use crate::support::wire::{Properties, Publish, Version};

/// Filters in which a wildcard does not stand where it may.
const MISPLACED: &[&str] = &[
    "#a", "a#", "a/#/b", "#/a", "a/b#", "##", "+a", "a+", "a/+b", "a/b+/c", "++", "a/+#", "+#",
];

/// Filter, topic, whether they match; `%` stands for a prefix of the test's own.
const CASES: &[(&str, &str, bool)] = &[
    ("%/a/b", "%/a/b", true),
    ("%/a/b", "%/a", false),
    ("%/a", "%/a/b", false),
    ("%/a", "%/A", false),
    ("%/a", "%/a/", false),
    ("%/#", "%", true),
    ("%/#", "%/a", true),
    ("%/#", "%/a/b/c", true),
    ("%/#", "%/", true),
    ("%/a/#", "%/b", false),
    ("%/+", "%/a", true),
    ("%/+", "%", false),
    ("%/+", "%/", true),
    ("%/+", "%/a/b", false),
    ("%/+/b", "%/a/b", true),
    ("%/+/b", "%//b", true),
    ("%/+/+", "%/a/b", true),
    ("%/+/+", "%/a", false),
    ("%/+/#", "%/a", true),
    ("%/+/#", "%", false),
    ("%/+/c/+", "%/b/c/d", true),
    ("%/+/c/+", "%/b/x/d", false),
    ("+/%/a", "x/%/a", true),
    ("+/%/a", "/%/a", true),
    ("/%", "/%", true),
    ("/%", "%", false),
    ("+/%", "/%", true),
    ("%/a b/ü", "%/a b/ü", true),
    ("%/+/ü", "%/\u{1F600}/ü", true),
    ("%/$x", "%/$x", true),
    ("%/+", "%/$x", true),
    ("%//", "%//", true),
    ("%/+/+", "%//", true),
];

// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-3.3.2-3]
fn mqtt_4_7_1_1_filters_match_level_by_level(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    for (filter, topic, matches) in CASES {
        let base = unique("t");
        let topic = topic.replace('%', &base);
        let filter = filter.replace('%', &base);
        subscriber.subscribe(&filter, 1);
        publisher.publish(&topic, "x", 1);
        if *matches {
            assert_eq!(subscriber.receive().topic, topic, "{filter} matches");
        }
        subscriber.expect_nothing();
        subscriber.unsubscribe(&[&filter]);
    }
}

// [MQTT-4.7.1-1]
fn mqtt_4_7_1_1_number_sign_alone_gets_everything(broker: &Broker) {
    let mut everything = Client::v5(broker);
    everything.subscribe("#", 0);
    let mut level = Client::v5(broker);
    level.subscribe("+/+/+/+", 0);
    let base = unique("t");
    let topics = [format!("/{base}"), base.clone(), format!("{base}/a/b/c")];
    let mut publisher = Client::v5(broker);
    for topic in &topics {
        publisher.publish(topic, &base, 1);
    }
    // Other tests publish too; only this test's messages count.
    for wanted in &topics {
        while everything.receive().topic != *wanted {}
    }
    while level.receive().topic != topics[2] {}
}

// [MQTT-4.7.1-1] [MQTT-4.7.1-2]
fn mqtt_4_7_1_2_misplaced_wildcards_are_malformed(broker: &Broker) {
    for filter in MISPLACED {
        let mut client = Client::v5(broker);
        client.send(subscribe(
            Version::V5,
            1,
            &[(filter, 0)],
            &Properties::new(),
        ));
        client.expect_error(&[MALFORMED_PACKET]);
        let mut client = Client::v5(broker);
        client.send(unsubscribe(Version::V5, 1, &[filter], &Properties::new()));
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-4.7.2-1]
fn mqtt_4_7_2_1_wildcards_do_not_match_topics_that_begin_with_a_dollar_sign(broker: &Broker) {
    let base = unique("$t");
    let topic = format!("{base}/a");
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    // A $-topic may be refused to clients; then there is nothing to match.
    let marker = unique("t");
    subscriber.subscribe("+/a", 1);
    subscriber.subscribe("+/+", 1);
    subscriber.subscribe("#", 1);
    subscriber.subscribe("+/#", 1);
    let mut exact = Client::v5(broker);
    exact.subscribe(&topic, 1);
    exact.subscribe(&format!("{base}/#"), 1);
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

// [MQTT-4.7.2-1]
fn mqtt_4_7_2_1_the_same_is_true_of_retained_messages(broker: &Broker) {
    let topic = unique("$t");
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    publisher.publish_with(Publish::new(&topic, "hidden").qos(1).retain());
    subscriber.subscribe("+", 0);
    subscriber.subscribe("#", 0);
    subscriber.ping();
    for got in subscriber.take_set_aside() {
        assert!(!got.topic.starts_with('$'), "{got:?}");
    }
    let mut exact = Client::v5(broker);
    exact.subscribe(&topic, 0);
    exact.expect_message("hidden");
    publisher.publish_with(Publish::new(&topic, "").qos(1).retain());
}

// [MQTT-4.7.3-1]
fn mqtt_4_7_3_1_an_empty_filter_is_malformed(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.send(subscribe(Version::V5, 1, &[("", 0)], &Properties::new()));
    client.expect_error(&[MALFORMED_PACKET]);
    let mut client = Client::v5(broker);
    client.send(unsubscribe(Version::V5, 1, &[""], &Properties::new()));
    client.expect_error(&[MALFORMED_PACKET]);
}

// [MQTT-4.7.3-2]
fn mqtt_4_7_3_2_u_0000_is_malformed(broker: &Broker) {
    for filter in ["a\0b", "\0"] {
        let mut client = Client::v5(broker);
        client.send(subscribe(
            Version::V5,
            1,
            &[(filter, 0)],
            &Properties::new(),
        ));
        client.expect_error(&[MALFORMED_PACKET]);
        let mut client = Client::v5(broker);
        client.send_publish(&Publish::new(filter, "x"));
        client.expect_error(&[MALFORMED_PACKET, 0x90]);
    }
}

// [MQTT-4.7.3-3]
fn mqtt_4_7_3_3_long_topic_names_are_taken(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    for length in [1000, 10_000, 65_535] {
        let base = unique("t");
        let topic = format!("{base}/{}", "x".repeat(length - base.len() - 1));
        subscriber.subscribe(&format!("{base}/+"), 1);
        publisher.publish(&topic, "x", 1);
        assert_eq!(subscriber.receive().topic.len(), length);
    }
}

// [MQTT-4.7.3-4] [MQTT-1.5.4-3]
fn mqtt_4_7_3_4_names_are_not_normalized(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let base = unique("t");
    // Composed and decomposed forms, case, white space, a byte order mark: all different topics.
    let names = [
        "\u{E9}",
        "e\u{301}",
        "E",
        "e",
        " e",
        "e ",
        "\u{FEFF}e",
        "e\u{FEFF}",
        "/e",
        "//e",
        "./e",
        "../e",
        "%65",
    ];
    for name in names {
        let topic = format!("{base}{name}");
        subscriber.subscribe(&topic, 1);
        for other in names {
            let other_topic = format!("{base}{other}");
            publisher.publish(&other_topic, other, 1);
            if name == other {
                assert_eq!(subscriber.expect_message(name).topic, topic);
            }
        }
        subscriber.expect_nothing();
        subscriber.unsubscribe(&[&topic]);
    }
}

promises!(
    mqtt_4_7_1_1_filters_match_level_by_level,
    mqtt_4_7_1_1_number_sign_alone_gets_everything,
    mqtt_4_7_1_2_misplaced_wildcards_are_malformed,
    mqtt_4_7_2_1_the_same_is_true_of_retained_messages,
    mqtt_4_7_2_1_wildcards_do_not_match_topics_that_begin_with_a_dollar_sign,
    mqtt_4_7_3_1_an_empty_filter_is_malformed,
    mqtt_4_7_3_2_u_0000_is_malformed,
    mqtt_4_7_3_3_long_topic_names_are_taken,
    mqtt_4_7_3_4_names_are_not_normalized,
);
