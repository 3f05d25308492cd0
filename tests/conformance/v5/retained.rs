//! Retained messages (chapters 3.3.1.3 and 3.8.3.1 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::option;
use crate::support::wire::{Connect, Properties, Publish, Version, property};

/// Leaves a retained message behind.
fn retain(client: &mut Client, topic: &str, payload: &str) {
    client.publish_with(Publish::new(topic, payload).qos(1).retain());
}

/// What a new subscriber of this filter is told.
fn told(broker: &Broker, filter: &str) -> Vec<String> {
    let mut client = Client::v5(broker);
    client.subscribe(filter, 2);
    client.ping();
    let mut texts: Vec<String> = client
        .take_set_aside()
        .iter()
        .map(|each| {
            assert!(each.retain, "not marked as retained: {each:?}");
            format!("{}={}", each.topic, each.text())
        })
        .collect();
    texts.sort();
    texts
}

// [MQTT-3.3.1-5]
fn mqtt_3_3_1_5_the_last_retained_message_of_a_topic_is_kept(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v5(broker);
    assert!(told(broker, &topic).is_empty());
    for (payload, qos) in [("one", 1), ("two", 2), ("three", 0), ("four", 1)] {
        client.publish_with(Publish::new(&topic, payload).qos(qos).retain());
        if qos > 0 {
            assert_eq!(told(broker, &topic), [format!("{topic}={payload}")]);
        }
    }
    retain(&mut client, &topic, "");
}

// [MQTT-3.3.1-6] [MQTT-3.3.1-7]
fn mqtt_3_3_1_6_an_empty_retained_message_removes_and_is_not_kept(broker: &Broker) {
    let topic = unique("t");
    let (mut publisher, mut live) = pair(broker, Version::V5);
    live.subscribe(&topic, 1);
    retain(&mut publisher, &topic, "x");
    live.expect_message("x");
    retain(&mut publisher, &topic, "");
    assert!(live.expect_message("").payload.is_empty());
    assert!(told(broker, &topic).is_empty());
    // Where there was none, none is made.
    retain(&mut publisher, &topic, "");
    assert!(told(broker, &topic).is_empty());
}

// [MQTT-3.3.1-8]
fn mqtt_3_3_1_8_a_message_without_retain_changes_nothing_retained(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v5(broker);
    client.publish(&topic, "passing", 1);
    assert!(told(broker, &topic).is_empty());
    retain(&mut client, &topic, "kept");
    client.publish(&topic, "passing", 1);
    client.publish(&topic, "", 1);
    assert_eq!(told(broker, &topic), [format!("{topic}=kept")]);
    retain(&mut client, &topic, "");
}

// [MQTT-3.3.1-9]
fn mqtt_3_3_1_9_retain_handling_0_sends_them_with_every_subscribe(broker: &Broker) {
    let topic = unique("t");
    let (mut publisher, mut client) = pair(broker, Version::V5);
    retain(&mut publisher, &topic, "x");
    for _ in 0..3 {
        client.subscribe(&topic, 1);
        assert!(client.expect_message("x").retain);
        client.expect_nothing();
    }
    retain(&mut publisher, &topic, "");
}

// [MQTT-3.3.1-10]
fn mqtt_3_3_1_10_retain_handling_1_sends_them_only_for_a_new_subscription(broker: &Broker) {
    let topic = unique("t");
    let (mut publisher, mut client) = pair(broker, Version::V5);
    retain(&mut publisher, &topic, "x");
    let options = 1 | option::RETAINED_IF_NEW;
    client.subscribe_options(&topic, options, None);
    assert!(client.expect_message("x").retain);
    client.subscribe_options(&topic, options, Some(9));
    client.expect_nothing();
    client.unsubscribe(&[&topic]);
    client.subscribe_options(&topic, options, None);
    client.expect_message("x");
    retain(&mut publisher, &topic, "");
}

// [MQTT-3.3.1-10]
fn mqtt_3_3_1_10_a_subscription_of_a_resumed_session_is_not_new(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v5(broker);
    retain(&mut publisher, &topic, "x");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let options = 1 | option::RETAINED_IF_NEW;
    let mut client = Client::connect(broker, &connect);
    client.subscribe_options(&topic, options, None);
    client.expect_message("x");
    client.disconnect();
    let mut client = Client::connect(broker, &connect);
    client.subscribe_options(&topic, options, None);
    client.expect_nothing();
    retain(&mut publisher, &topic, "");
}

// [MQTT-3.3.1-11]
fn mqtt_3_3_1_11_retain_handling_2_never_sends_them(broker: &Broker) {
    let topic = unique("t");
    let (mut publisher, mut client) = pair(broker, Version::V5);
    retain(&mut publisher, &topic, "x");
    for _ in 0..2 {
        client.subscribe_options(&topic, 1 | option::NO_RETAINED, None);
        client.expect_nothing();
    }
    publisher.publish(&topic, "live", 1);
    client.expect_message("live");
    retain(&mut publisher, &topic, "");
}

// [MQTT-3.3.1-12] [MQTT-3.3.1-13]
fn mqtt_3_3_1_12_retain_as_published_decides_about_the_flag(broker: &Broker) {
    let topic = unique("t");
    let (mut plain, mut as_published) = pair(broker, Version::V5);
    let mut publisher = Client::v5(broker);
    plain.subscribe_options(&topic, 1, None);
    as_published.subscribe_options(&topic, 1 | option::RETAIN_AS_PUBLISHED, None);
    publisher.publish(&topic, "passing", 1);
    assert!(!plain.expect_message("passing").retain);
    assert!(!as_published.expect_message("passing").retain);
    retain(&mut publisher, &topic, "kept");
    assert!(!plain.expect_message("kept").retain);
    assert!(as_published.expect_message("kept").retain);
    retain(&mut publisher, &topic, "");
    assert!(!plain.receive().retain);
    assert!(as_published.receive().retain);
}

// [MQTT-3.3.1-9]
fn mqtt_3_3_1_9_a_wildcard_gets_all_that_match_and_no_others(broker: &Broker) {
    let base = unique("t");
    let mut client = Client::v5(broker);
    let topics = ["a", "a/b", "a/b/c", "x/b", "a//c"].map(|tail| format!("{base}/{tail}"));
    for topic in &topics {
        retain(&mut client, topic, "r");
    }
    retain(&mut client, &base, "r");
    let wanted = |tails: &[&str]| -> Vec<String> {
        let mut all: Vec<String> = tails.iter().map(|tail| format!("{base}{tail}=r")).collect();
        all.sort();
        all
    };
    let all = ["", "/a", "/a/b", "/a/b/c", "/x/b", "/a//c"];
    assert_eq!(told(broker, &format!("{base}/#")), wanted(&all));
    assert_eq!(told(broker, &format!("{base}/+")), wanted(&["/a"]));
    assert_eq!(
        told(broker, &format!("{base}/+/b")),
        wanted(&["/a/b", "/x/b"])
    );
    assert_eq!(
        told(broker, &format!("{base}/a/+/c")),
        wanted(&["/a/b/c", "/a//c"])
    );
    assert_eq!(
        told(broker, &format!("{base}/a/b/c/#")),
        wanted(&["/a/b/c"])
    );
    for topic in topics.iter().chain([&base]) {
        retain(&mut client, topic, "");
    }
}

// [MQTT-3.3.1-9]
fn mqtt_3_3_1_9_many_retained_messages_all_arrive(broker: &Broker) {
    let base = unique("t");
    let mut publisher = Client::v5(broker);
    for number in 0..1500 {
        let topic = format!("{base}/{}/{number}", number % 10);
        publisher.publish_with(Publish::new(&topic, number.to_string()).retain());
    }
    // The last one is acknowledged; the order of different topics is the broker's choice.
    retain(&mut publisher, &format!("{base}/last/0"), "last");
    let mut client = Client::v5(broker);
    client.subscribe(&format!("{base}/+/+"), 0);
    let mut seen: Vec<String> = (0..1501).map(|_| client.receive().text()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1501);
    client.expect_nothing();
    for number in 0..1500 {
        let topic = format!("{base}/{}/{number}", number % 10);
        publisher.publish_with(Publish::new(&topic, "").retain());
    }
    retain(&mut publisher, &format!("{base}/last/0"), "");
}

// [MQTT-3.8.4-8]
fn mqtt_3_8_4_8_a_retained_message_comes_with_the_lesser_qos(broker: &Broker) {
    let mut publisher = Client::v5(broker);
    for published in 0..=2 {
        let topic = unique("t");
        publisher.publish_with(Publish::new(&topic, "x").qos(published).retain());
        // QoS 0 is not acknowledged; what is retained after it is.
        retain(&mut publisher, &unique("t"), "");
        for granted in 0..=2 {
            let mut client = Client::v5(broker);
            client.subscribe(&topic, granted);
            let got = client.receive();
            assert_eq!((got.qos, got.retain), (published.min(granted), true));
        }
        retain(&mut publisher, &topic, "");
    }
}

// [MQTT-3.3.2-4] [MQTT-3.3.2-17]
fn mqtt_3_3_2_17_a_retained_message_keeps_its_properties(broker: &Broker) {
    let topic = unique("t");
    let properties = Properties::new()
        .byte(property::PAYLOAD_FORMAT, 1)
        .text(property::CONTENT_TYPE, "text/plain")
        .text(property::RESPONSE_TOPIC, "answer/here")
        .binary(property::CORRELATION_DATA, &[0, 1, 2])
        .user("b", "1")
        .user("a", "2");
    let mut publisher = Client::v5(broker);
    let publish = Publish::new(&topic, "x").qos(1).retain();
    publisher.publish_with(publish.with(properties.clone()));
    let mut client = Client::v5(broker);
    client.subscribe_options(&topic, 1, Some(77));
    let got = client.receive().properties;
    assert_eq!(got.subscription_ids(), [77]);
    assert_eq!(got.users(), [("b", "1"), ("a", "2")]);
    for id in [property::CONTENT_TYPE, property::RESPONSE_TOPIC] {
        assert_eq!(got.get_text(id), properties.get_text(id));
    }
    assert_eq!(got.number(property::PAYLOAD_FORMAT), Some(1));
    assert_eq!(
        got.get_binary(property::CORRELATION_DATA),
        Some(&[0, 1, 2][..])
    );
    retain(&mut publisher, &topic, "");
}

// [MQTT-3.3.1-5]
fn mqtt_3_3_1_5_retained_messages_outlive_the_session_that_sent_them(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v5(broker);
    retain(&mut publisher, &topic, "left behind");
    publisher.disconnect();
    assert_eq!(told(broker, &topic), [format!("{topic}=left behind")]);
    retain(&mut Client::v5(broker), &topic, "");
}

promises!(
    mqtt_3_3_1_5_retained_messages_outlive_the_session_that_sent_them,
    mqtt_3_3_1_5_the_last_retained_message_of_a_topic_is_kept,
    mqtt_3_3_1_6_an_empty_retained_message_removes_and_is_not_kept,
    mqtt_3_3_1_8_a_message_without_retain_changes_nothing_retained,
    mqtt_3_3_1_9_a_wildcard_gets_all_that_match_and_no_others,
    mqtt_3_3_1_9_many_retained_messages_all_arrive,
    mqtt_3_3_1_9_retain_handling_0_sends_them_with_every_subscribe,
    mqtt_3_3_1_10_a_subscription_of_a_resumed_session_is_not_new,
    mqtt_3_3_1_10_retain_handling_1_sends_them_only_for_a_new_subscription,
    mqtt_3_3_1_11_retain_handling_2_never_sends_them,
    mqtt_3_3_1_12_retain_as_published_decides_about_the_flag,
    mqtt_3_3_2_17_a_retained_message_keeps_its_properties,
    mqtt_3_8_4_8_a_retained_message_comes_with_the_lesser_qos,
);
