//! UNSUBSCRIBE and UNSUBACK (chapters 3.10 and 3.11 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::unsubscribe;
use crate::support::wire::{Connect, Properties, Version, binary, first_byte, packet};

fn closed(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::v311(broker);
    client.send(bytes);
    client.expect_end();
}

fn request(id: u16, filters: &[&str]) -> Vec<u8> {
    unsubscribe(Version::V311, id, filters, &Properties::new())
}

// [MQTT-3.10.1-1]
fn mqtt_3_10_1_1_the_flags_of_unsubscribe_must_be_2(broker: &Broker) {
    for flags in [0, 1, 3, 6, 10] {
        let mut bytes = request(1, &["a"]);
        bytes[0] = 0xA0 | flags;
        closed(broker, &bytes);
    }
}

// [MQTT-3.10.3-1]
fn mqtt_3_10_3_1_topic_filters_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xC0, 0x80], b"\0"] {
        let body = [vec![0, 1], binary(bad)].concat();
        closed(broker, &packet(first_byte::UNSUBSCRIBE, &body));
    }
}

// [MQTT-3.10.3-2] [MQTT-2.3.1-1]
fn mqtt_3_10_3_2_an_unsubscribe_needs_an_identifier_and_a_topic_filter(broker: &Broker) {
    closed(broker, &request(1, &[]));
    closed(broker, &request(0, &["a"]));
}

// [MQTT-3.10.4-1]
fn mqtt_3_10_4_1_only_the_very_same_filter_is_unsubscribed(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V311);
    let base = unique("t");
    let topic = format!("{base}/a");
    client.subscribe(&format!("{base}/+"), 1);
    for other in ["/#", "/a", "/+/", ""] {
        client.unsubscribe(&[&format!("{base}{other}")]);
    }
    publisher.publish(&topic, "still", 1);
    client.expect_message("still");
    client.unsubscribe(&[&format!("{base}/+")]);
    publisher.publish(&topic, "no more", 1);
    client.expect_nothing();
}

// [MQTT-3.10.4-2]
fn mqtt_3_10_4_2_nothing_new_comes_after_unsuback(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V311);
    for qos in 0..=2 {
        let topic = unique("t");
        client.subscribe(&topic, qos);
        publisher.publish(&topic, "before", 2);
        client.expect_message("before");
        client.unsubscribe(&[&topic]);
        publisher.publish(&topic, "after", 2);
        client.expect_nothing();
    }
}

// [MQTT-3.10.4-3]
fn mqtt_3_10_4_3_a_delivery_begun_is_completed(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::v311(broker);
    publisher.publish(&topic, "one", 1);
    publisher.publish(&topic, "two", 2);
    let (one, two) = (client.expect_publish(), client.expect_publish());
    client.unsubscribe(&[&topic]);
    client.vanish();
    let mut client = Client::connect(broker, &connect);
    assert_eq!(client.expect_publish(), one.clone().dup());
    assert_eq!(client.expect_publish(), two.clone().dup());
    client.acknowledge(&one);
    client.acknowledge(&two);
    client.expect_nothing();
}

// [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-2.3.1-7]
fn mqtt_3_10_4_5_unsuback_answers_even_when_nothing_was_there(broker: &Broker) {
    let mut client = Client::v311(broker);
    for id in [1, 255, 256, 65_535] {
        client.send(request(id, &[&unique("t")]));
        let answer = client.expect_unsuback();
        assert_eq!((answer.id, answer.reasons), (id, vec![]));
    }
}

// [MQTT-3.10.4-6]
fn mqtt_3_10_4_6_many_filters_get_one_unsuback(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V311);
    let names: Vec<String> = (0..8).map(|_| unique("t")).collect();
    for name in &names {
        client.subscribe(name, 1);
    }
    let filters: Vec<&str> = names[1..].iter().map(String::as_str).collect();
    client.unsubscribe(&filters);
    client.expect_nothing();
    for name in names.iter().rev() {
        publisher.publish(name, name, 1);
    }
    client.expect_message(&names[0]);
    client.expect_nothing();
}

promises!(
    mqtt_3_10_1_1_the_flags_of_unsubscribe_must_be_2,
    mqtt_3_10_3_1_topic_filters_must_be_utf_8,
    mqtt_3_10_3_2_an_unsubscribe_needs_an_identifier_and_a_topic_filter,
    mqtt_3_10_4_1_only_the_very_same_filter_is_unsubscribed,
    mqtt_3_10_4_2_nothing_new_comes_after_unsuback,
    mqtt_3_10_4_3_a_delivery_begun_is_completed,
    mqtt_3_10_4_5_unsuback_answers_even_when_nothing_was_there,
    mqtt_3_10_4_6_many_filters_get_one_unsuback,
);
