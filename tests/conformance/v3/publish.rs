//! PUBLISH and the QoS flows (chapters 3.3 to 3.7, 4.3 and 4.4 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::ack;
use crate::support::wire::{Connect, Packet, Publish, Version, binary, first_byte, packet};

fn closed(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::v311(broker);
    client.send(bytes);
    client.expect_end();
}

/// A client with a lasting session, subscribed to a topic of its own.
fn durable(broker: &Broker) -> (Connect, Client, String) {
    let connect = Connect::v311(&unique("c")).resume();
    let topic = unique("t");
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    (connect, client, topic)
}

// [MQTT-3.3.1-4]
fn mqtt_3_3_1_4_qos_3_ends_the_connection(broker: &Broker) {
    let publish = Publish::new("a", "x").qos(3).id(1);
    closed(broker, &publish.encode(Version::V311));
}

// [MQTT-3.3.1-2]
fn mqtt_3_3_1_2_dup_with_qos_0_ends_the_connection(broker: &Broker) {
    closed(broker, &Publish::new("a", "x").dup().encode(Version::V311));
}

// [MQTT-3.3.1-3]
fn mqtt_3_3_1_3_dup_of_the_publisher_goes_no_further(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    for qos in [1, 2] {
        publisher.publish_with(Publish::new(&topic, "x").qos(qos).dup());
        assert!(!subscriber.receive().dup);
    }
}

// [MQTT-3.3.2-1]
fn mqtt_3_3_2_1_the_topic_name_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xC3, 0x28], &[0xED, 0xA0, 0x80]] {
        let body = [binary(bad), b"x".to_vec()].concat();
        closed(broker, &packet(first_byte::PUBLISH, &body));
    }
}

// [MQTT-3.3.2-2]
fn mqtt_3_3_2_2_the_topic_name_must_not_contain_wildcards(broker: &Broker) {
    for topic in ["a/#", "+", "a/b+c", "#"] {
        closed(broker, &Publish::new(topic, "x").encode(Version::V311));
    }
}

// [MQTT-2.3.1-1] [MQTT-2.3.1-5]
fn mqtt_2_3_1_1_the_packet_identifier_must_not_be_zero(broker: &Broker) {
    for qos in [1, 2] {
        let publish = Publish::new("a", "x").qos(qos).id(0);
        closed(broker, &publish.encode(Version::V311));
    }
}

// [MQTT-3.3.4-1] [MQTT-2.3.1-6]
fn mqtt_3_3_4_1_each_qos_has_its_answer(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v311(broker);
    client.send_publish(&Publish::new(&topic, "0"));
    client.expect_nothing();
    for id in [1, 255, 256, 65535] {
        client.send_publish(&Publish::new(&topic, "1").qos(1).id(id));
        client.expect_puback(id);
        client.send_publish(&Publish::new(&topic, "2").qos(2).id(id));
        client.expect_pubrec(id);
        client.pubrel(id);
        client.expect_pubcomp(id);
    }
}

// [MQTT-3.8.4-6] [MQTT-3.3.2-3] [MQTT-4.3.1-1] [MQTT-4.5.0-1]
fn mqtt_3_8_4_6_a_message_comes_with_the_lesser_qos(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
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

// [MQTT-3.3.5-1]
fn mqtt_3_3_5_1_overlapping_subscriptions_give_the_highest_qos(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let base = unique("t");
    subscriber.subscribe(&format!("{base}/#"), 0);
    subscriber.subscribe(&format!("{base}/+"), 2);
    subscriber.subscribe(&format!("{base}/a"), 1);
    for qos in [2, 1, 0] {
        publisher.publish(&format!("{base}/a"), "x", qos);
        assert_eq!(subscriber.receive().qos, qos);
        subscriber.expect_nothing();
    }
}

// [MQTT-4.3.2-2]
fn mqtt_4_3_2_2_after_puback_the_identifier_means_a_new_message(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    publisher.publish_with(Publish::new(&topic, "one").qos(1).id(9));
    publisher.publish_with(Publish::new(&topic, "two").qos(1).id(9).dup());
    subscriber.expect_message("one");
    subscriber.expect_message("two");
}

// [MQTT-4.3.3-2]
fn mqtt_4_3_3_2_a_qos_2_message_is_passed_on_exactly_once(broker: &Broker) {
    let topic = unique("t");
    let mut subscriber = Client::v311(broker);
    subscriber.subscribe(&topic, 2);
    let connect = Connect::v311(&unique("c")).resume();
    let mut publisher = Client::connect(broker, &connect);
    let publish = Publish::new(&topic, "once").qos(2).id(9);
    publisher.send_publish(&publish);
    publisher.expect_pubrec(9);
    publisher.send_publish(&publish.clone().dup());
    publisher.expect_pubrec(9);
    publisher.vanish();
    let mut publisher = Client::connect(broker, &connect);
    publisher.send_publish(&publish.dup());
    publisher.expect_pubrec(9);
    for _ in 0..2 {
        publisher.pubrel(9);
        publisher.expect_pubcomp(9);
    }
    publisher.publish_with(Publish::new(&topic, "new").qos(2).id(9));
    subscriber.expect_message("once");
    subscriber.expect_message("new");
    subscriber.expect_nothing();
}

// [MQTT-4.3.2-1] [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-2.3.1-4]
fn mqtt_4_4_0_1_unacknowledged_messages_come_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker);
    let mut publisher = Client::v311(broker);
    publisher.publish(&topic, "one", 1);
    publisher.publish(&topic, "two", 2);
    let (one, two) = (client.expect_publish(), client.expect_publish());
    assert!(!one.dup && !two.dup);
    client.vanish();
    let mut client = Client::connect(broker, &connect);
    assert_eq!(client.expect_publish(), one.clone().dup());
    assert_eq!(client.expect_publish(), two.clone().dup());
    client.acknowledge(&one);
    client.acknowledge(&two);
    client.expect_nothing();
    client.vanish();
    Client::connect(broker, &connect).expect_nothing();
}

// [MQTT-4.3.3-1] [MQTT-4.4.0-1]
fn mqtt_4_3_3_1_after_pubrel_only_the_pubrel_is_sent_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker);
    Client::v311(broker).publish(&topic, "x", 2);
    let id = client.expect_publish().id.expect("QoS 2 has one");
    client.pubrec(id);
    client.expect_pubrel(id);
    client.vanish();
    let mut client = Client::connect(broker, &connect);
    match client.next() {
        Packet::PubRel(pubrel) => assert_eq!(pubrel.id, id),
        other => panic!("PUBREL wanted, got {other:?}"),
    }
    client.pubcomp(id);
    client.expect_nothing();
}

// [MQTT-2.3.1-4]
fn mqtt_2_3_1_4_packet_identifiers_in_use_are_not_given_out_again(broker: &Broker) {
    let (_connect, mut client, topic) = durable(broker);
    let mut publisher = Client::v311(broker);
    publisher.publish(&topic, "open", 1);
    let open = client.expect_publish();
    for number in 0..250 {
        publisher.publish(&topic, "x", 1 + number % 2);
        assert_ne!(client.receive().id, open.id);
    }
}

// [MQTT-3.6.1-1] [MQTT-2.2.2-1] [MQTT-2.2.2-2]
fn mqtt_3_6_1_1_reserved_flags_of_acknowledgements_must_be_as_given(broker: &Broker) {
    for bad in [0x60, 0x61, 0x63, 0x6A, 0x41, 0x48, 0x52, 0x54, 0x71, 0x72] {
        closed(broker, &ack(bad, 1));
    }
}

// [MQTT-4.8.0-1]
fn mqtt_4_8_0_1_acknowledgements_of_the_wrong_length_end_the_connection(broker: &Broker) {
    for first in [0x40, 0x50, 0x62, 0x70] {
        for body in [&[][..], &[1], &[0, 0], &[0, 1, 0]] {
            closed(broker, &packet(first, body));
        }
    }
}

promises!(
    mqtt_2_3_1_1_the_packet_identifier_must_not_be_zero,
    mqtt_2_3_1_4_packet_identifiers_in_use_are_not_given_out_again,
    mqtt_3_3_1_2_dup_with_qos_0_ends_the_connection,
    mqtt_3_3_1_3_dup_of_the_publisher_goes_no_further,
    mqtt_3_3_1_4_qos_3_ends_the_connection,
    mqtt_3_3_2_1_the_topic_name_must_be_utf_8,
    mqtt_3_3_2_2_the_topic_name_must_not_contain_wildcards,
    mqtt_3_3_4_1_each_qos_has_its_answer,
    mqtt_3_3_5_1_overlapping_subscriptions_give_the_highest_qos,
    mqtt_3_6_1_1_reserved_flags_of_acknowledgements_must_be_as_given,
    mqtt_3_8_4_6_a_message_comes_with_the_lesser_qos,
    mqtt_4_3_2_2_after_puback_the_identifier_means_a_new_message,
    mqtt_4_3_3_1_after_pubrel_only_the_pubrel_is_sent_again,
    mqtt_4_3_3_2_a_qos_2_message_is_passed_on_exactly_once,
    mqtt_4_4_0_1_unacknowledged_messages_come_again,
    mqtt_4_8_0_1_acknowledgements_of_the_wrong_length_end_the_connection,
);
