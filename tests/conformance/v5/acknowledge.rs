//! PUBACK, PUBREC, PUBREL and PUBCOMP: the QoS flows and what is sent again
//! (chapters 3.4 to 3.7, 4.3 and 4.4 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{ack, ack_with_reason};
use crate::support::wire::reason::{
    MALFORMED_PACKET, PACKET_ID_NOT_FOUND, PROTOCOL_ERROR, SUCCESS, UNSPECIFIED_ERROR,
};
use crate::support::wire::{
    Connect, Packet, Properties, Publish, Version, first_byte, packet, property,
};

/// A client with a session that lives on, subscribed to a topic of its own.
fn durable(broker: &Broker, qos: u8) -> (Connect, Client, String) {
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let topic = unique("t");
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, qos);
    (connect, client, topic)
}

/// The same session on a new connection.
fn resumed(broker: &Broker, connect: &Connect) -> Client {
    let (client, answer) = Client::handshake(broker, connect);
    assert!(answer.session_present, "the session is gone");
    client
}

// [MQTT-4.3.2-5]
fn mqtt_4_3_2_5_after_puback_the_identifier_means_a_new_message(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    publisher.publish_with(Publish::new(&topic, "one").qos(1).id(9));
    publisher.publish_with(Publish::new(&topic, "two").qos(1).id(9).dup());
    subscriber.expect_message("one");
    subscriber.expect_message("two");
}

// [MQTT-4.3.3-10]
fn mqtt_4_3_3_10_until_pubrel_a_repeated_publish_is_no_new_message(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    let publish = Publish::new(&topic, "once").qos(2).id(9);
    publisher.send_publish(&publish);
    publisher.expect_pubrec(9);
    for _ in 0..3 {
        publisher.send_publish(&publish.clone().dup());
        assert!(publisher.expect_pubrec(9).reason < 0x80);
    }
    publisher.pubrel(9);
    publisher.expect_pubcomp(9);
    publisher.publish(&topic, "marker", 2);
    subscriber.expect_message("once");
    subscriber.expect_message("marker");
}

// [MQTT-4.3.3-10] [MQTT-4.1.0-1]
fn mqtt_4_3_3_10_the_identifier_is_remembered_across_connections(broker: &Broker) {
    let topic = unique("t");
    let mut subscriber = Client::v5(broker);
    subscriber.subscribe(&topic, 2);
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut publisher = Client::connect(broker, &connect);
    let publish = Publish::new(&topic, "once").qos(2).id(77);
    publisher.send_publish(&publish);
    publisher.expect_pubrec(77);
    publisher.vanish();
    let mut publisher = resumed(broker, &connect);
    publisher.send_publish(&publish.dup());
    publisher.expect_pubrec(77);
    publisher.pubrel(77);
    assert_eq!(publisher.expect_pubcomp(77).reason, SUCCESS);
    publisher.publish(&topic, "marker", 2);
    subscriber.expect_message("once");
    subscriber.expect_message("marker");
}

// [MQTT-4.3.3-12]
fn mqtt_4_3_3_12_after_pubcomp_the_identifier_means_a_new_message(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    publisher.publish_with(Publish::new(&topic, "one").qos(2).id(9));
    publisher.publish_with(Publish::new(&topic, "two").qos(2).id(9).dup());
    subscriber.expect_message("one");
    subscriber.expect_message("two");
}

// [MQTT-4.3.3-11] [MQTT-3.7.2-1]
fn mqtt_4_3_3_11_a_pubrel_for_nothing_is_answered(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.pubrel(1234);
    let reason = client.expect_pubcomp(1234).reason;
    assert!([SUCCESS, PACKET_ID_NOT_FOUND].contains(&reason));
    client.ping();
}

// [MQTT-4.3.3-4] [MQTT-2.2.1-5] [MQTT-3.6.2-1]
fn mqtt_4_3_3_4_pubrec_is_answered_with_pubrel(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    publisher.publish(&topic, "x", 2);
    let id = subscriber.expect_publish().id.expect("QoS 2 has one");
    subscriber.send(ack_with_reason(first_byte::PUBREC, id, 0x10));
    assert_eq!(subscriber.expect_pubrel(id).reason, SUCCESS);
    subscriber.pubcomp(id);
    subscriber.expect_nothing();
}

// [MQTT-3.6.2-1]
fn mqtt_3_6_2_1_a_pubrec_for_nothing_is_answered(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.pubrec(4321);
    let reason = client.expect_pubrel(4321).reason;
    assert!([SUCCESS, PACKET_ID_NOT_FOUND].contains(&reason));
    client.ping();
}

// [MQTT-4.4.0-1] [MQTT-4.3.2-3] [MQTT-3.3.1-1]
fn mqtt_4_4_0_1_an_unacknowledged_qos_1_message_is_sent_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker, 1);
    Client::v5(broker).publish(&topic, "x", 1);
    let first = client.expect_publish();
    client.vanish();
    for _ in 0..2 {
        client = resumed(broker, &connect);
        let again = client.expect_publish();
        assert_eq!(again, first.clone().dup());
        client.vanish();
    }
    client = resumed(broker, &connect);
    client.expect_message("x");
    client.ping();
    client.vanish();
    resumed(broker, &connect).expect_nothing();
}

// [MQTT-4.4.0-1] [MQTT-4.3.3-3] [MQTT-3.3.1-1]
fn mqtt_4_4_0_1_a_qos_2_message_without_pubrec_is_sent_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker, 2);
    Client::v5(broker).publish(&topic, "x", 2);
    let first = client.expect_publish();
    client.vanish();
    let mut client = resumed(broker, &connect);
    let again = client.expect_publish();
    assert_eq!(again, first.dup());
    client.acknowledge(&again);
    client.expect_nothing();
}

// [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1]
fn mqtt_4_3_3_6_after_pubrel_only_the_pubrel_is_sent_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker, 2);
    Client::v5(broker).publish(&topic, "x", 2);
    let id = client.expect_publish().id.expect("QoS 2 has one");
    client.pubrec(id);
    client.expect_pubrel(id);
    client.vanish();
    for _ in 0..2 {
        let mut client = resumed(broker, &connect);
        match client.next() {
            Packet::PubRel(pubrel) => assert_eq!(pubrel.id, id),
            other => panic!("PUBREL wanted, got {other:?}"),
        }
        client.vanish();
    }
    let mut client = resumed(broker, &connect);
    client.expect_pubrel(id);
    client.pubcomp(id);
    client.expect_nothing();
    client.vanish();
    resumed(broker, &connect).expect_nothing();
}

// [MQTT-4.6.0-1] [MQTT-4.4.0-1]
fn mqtt_4_4_0_1_unacknowledged_messages_come_again_in_their_order(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker, 2);
    let mut publisher = Client::v5(broker);
    for number in 0..6 {
        publisher.publish(&topic, &number.to_string(), 1 + number % 2);
    }
    let first: Vec<Publish> = (0..6).map(|_| client.expect_publish()).collect();
    client.puback(first[2].id.expect("QoS 1 has one"));
    client.ping();
    client.vanish();
    publisher.publish(&topic, "while away", 1);
    let mut client = resumed(broker, &connect);
    for each in [0, 1, 3, 4, 5] {
        assert_eq!(client.expect_publish(), first[each].clone().dup());
    }
    client.expect_message("while away");
}

// [MQTT-4.4.0-1]
fn mqtt_4_4_0_1_nothing_is_sent_again_while_the_connection_lasts(broker: &Broker) {
    let (_connect, mut client, topic) = durable(broker, 2);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "1", 1);
    publisher.publish(&topic, "2", 2);
    client.expect_publish();
    let id = client.expect_publish().id.expect("QoS 2 has one");
    client.pubrec(id);
    client.expect_pubrel(id);
    for _ in 0..5 {
        client.expect_nothing();
    }
}

// [MQTT-4.4.0-2]
fn mqtt_4_4_0_2_a_refused_message_is_not_sent_again(broker: &Broker) {
    let (connect, mut client, topic) = durable(broker, 2);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "1", 1);
    publisher.publish(&topic, "2", 2);
    let one = client.expect_publish().id.expect("QoS 1 has one");
    let two = client.expect_publish().id.expect("QoS 2 has one");
    client.refuse(first_byte::PUBACK, one, UNSPECIFIED_ERROR);
    client.refuse(first_byte::PUBREC, two, UNSPECIFIED_ERROR);
    client.expect_nothing();
    client.vanish();
    resumed(broker, &connect).expect_nothing();
}

// [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
fn mqtt_2_2_1_4_packet_identifiers_in_use_are_not_given_out_again(broker: &Broker) {
    // The client checks it for each message; here one message stays open while others go through.
    let (_connect, mut client, topic) = durable(broker, 2);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "open", 1);
    let open = client.expect_publish();
    publisher.publish(&topic, "half open", 2);
    let half_open = client.expect_publish().id.expect("QoS 2 has one");
    client.pubrec(half_open);
    client.expect_pubrel(half_open);
    for number in 0..250 {
        publisher.publish(&topic, "x", 1 + number % 2);
        let id = client.receive().id;
        assert!(id != open.id && id != Some(half_open));
    }
}

// [MQTT-3.6.1-1] [MQTT-2.1.3-1]
fn mqtt_3_6_1_1_reserved_flags_of_acknowledgements_must_be_as_given(broker: &Broker) {
    for bad in [
        0x60, 0x61, 0x63, 0x66, 0x6A, 0x41, 0x48, 0x52, 0x54, 0x71, 0x72,
    ] {
        let mut client = Client::v5(broker);
        client.send(ack(bad, 1));
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
fn mqtt_3_4_2_1_reasons_that_the_packet_does_not_know_are_refused(broker: &Broker) {
    for (first, reason) in [
        (first_byte::PUBACK, 0x01),
        (first_byte::PUBREC, 0x92),
        (first_byte::PUBREL, 0x80),
        (first_byte::PUBCOMP, 0x10),
    ] {
        let (_connect, mut client, topic) = durable(broker, 2);
        let qos = if first == first_byte::PUBACK { 1 } else { 2 };
        Client::v5(broker).publish(&topic, "x", qos);
        let id = client.expect_publish().id.expect("QoS above 0 has one");
        client.send(ack_with_reason(first, id, reason));
        client.expect_error(&[PROTOCOL_ERROR, MALFORMED_PACKET]);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_acknowledgements_without_an_identifier_are_malformed(broker: &Broker) {
    for first in [0x40, 0x50, 0x62, 0x70] {
        for body in [&[][..], &[1], &[0, 0]] {
            let mut client = Client::v5(broker);
            client.send(packet(first, body));
            client.expect_error(&[MALFORMED_PACKET, PROTOCOL_ERROR]);
        }
    }
}

// [MQTT-3.4.2-1]
fn mqtt_3_4_2_1_long_acknowledgements_with_properties_are_taken(broker: &Broker) {
    let (_connect, mut client, topic) = durable(broker, 2);
    let mut publisher = Client::v5(broker);
    let properties = Properties::new()
        .text(property::REASON_STRING, "as you like it")
        .user("a", "b")
        .user("a", "b")
        .encode();
    let long = |first, id: Option<u16>| {
        let id = id.expect("QoS above 0 has one").to_be_bytes();
        packet(first, &[&id[..], &[0], &properties].concat())
    };
    publisher.publish(&topic, "1", 1);
    publisher.publish(&topic, "2", 2);
    let (one, two) = (client.expect_publish().id, client.expect_publish().id);
    client.send(long(first_byte::PUBACK, one));
    client.send(long(first_byte::PUBREC, two));
    client.expect_pubrel(two.expect("QoS 2 has one"));
    client.send(long(first_byte::PUBCOMP, two));
    client.expect_nothing();
    publisher.send_publish(&Publish::new(&topic, "3").qos(2).id(3));
    publisher.expect_pubrec(3);
    publisher.send(long(first_byte::PUBREL, Some(3)));
    publisher.expect_pubcomp(3);
}

promises!(
    mqtt_2_2_1_4_packet_identifiers_in_use_are_not_given_out_again,
    mqtt_3_4_2_1_long_acknowledgements_with_properties_are_taken,
    mqtt_3_4_2_1_reasons_that_the_packet_does_not_know_are_refused,
    mqtt_3_6_1_1_reserved_flags_of_acknowledgements_must_be_as_given,
    mqtt_3_6_2_1_a_pubrec_for_nothing_is_answered,
    mqtt_4_3_2_5_after_puback_the_identifier_means_a_new_message,
    mqtt_4_3_3_4_pubrec_is_answered_with_pubrel,
    mqtt_4_3_3_6_after_pubrel_only_the_pubrel_is_sent_again,
    mqtt_4_3_3_10_the_identifier_is_remembered_across_connections,
    mqtt_4_3_3_10_until_pubrel_a_repeated_publish_is_no_new_message,
    mqtt_4_3_3_11_a_pubrel_for_nothing_is_answered,
    mqtt_4_3_3_12_after_pubcomp_the_identifier_means_a_new_message,
    mqtt_4_4_0_1_a_qos_2_message_without_pubrec_is_sent_again,
    mqtt_4_4_0_1_an_unacknowledged_qos_1_message_is_sent_again,
    mqtt_4_4_0_1_nothing_is_sent_again_while_the_connection_lasts,
    mqtt_4_4_0_1_unacknowledged_messages_come_again_in_their_order,
    mqtt_4_4_0_2_a_refused_message_is_not_sent_again,
    mqtt_4_13_1_1_acknowledgements_without_an_identifier_are_malformed,
);
