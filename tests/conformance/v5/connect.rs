//! CONNECT: what the broker accepts, what it refuses (chapter 3.1 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{disconnect, pingreq, subscribe};
use crate::support::wire::reason::{
    BAD_AUTHENTICATION_METHOD, CLIENT_ID_NOT_VALID, MALFORMED_PACKET, PROTOCOL_ERROR,
    SESSION_TAKEN_OVER, TOPIC_NAME_INVALID, UNSUPPORTED_VERSION,
};
use crate::support::wire::{
    Connect, Packet, Properties, Publish, Version, Will, binary, first_byte, packet, property, text,
};

/// What a CONNECT that breaks the format may be answered with, if it is answered.
const BROKEN: &[u8] = &[MALFORMED_PACKET, PROTOCOL_ERROR];

/// Sends these bytes as the first ones and expects to be refused.
fn refused(broker: &Broker, bytes: &[u8], codes: &[u8]) {
    let mut client = Client::open(broker, Version::V5);
    client.send(bytes);
    client.expect_refusal(codes);
}

// [MQTT-3.1.0-1] [MQTT-3.14.0-1]
fn mqtt_3_1_0_1_the_first_packet_must_be_connect(broker: &Broker) {
    let publish = Publish::new(&unique("t"), "x").encode(Version::V5);
    let subscribe = subscribe(Version::V5, 1, &[("a", 0)], &Properties::new());
    for bytes in [pingreq(), publish, subscribe, disconnect()] {
        let mut client = Client::open(broker, Version::V5);
        client.send(bytes);
        client.expect_end();
    }
}

// [MQTT-3.1.0-2] [MQTT-3.2.0-2]
fn mqtt_3_1_0_2_a_second_connect_is_a_protocol_error(broker: &Broker) {
    let connect = Connect::v5(&unique("c"));
    let mut client = Client::connect(broker, &connect);
    client.send(connect.encode());
    client.expect_error(&[PROTOCOL_ERROR]);
}

// [MQTT-3.1.2-1]
fn mqtt_3_1_2_1_the_protocol_name_must_be_mqtt(broker: &Broker) {
    for name in ["MQTX", "mqtt", "", "MQTTT"] {
        let connect = Connect::v5(&unique("c"));
        let body = [text(name), vec![5, connect.flags()], connect.after_flags()].concat();
        let codes = [UNSUPPORTED_VERSION, MALFORMED_PACKET, PROTOCOL_ERROR];
        refused(broker, &packet(first_byte::CONNECT, &body), &codes);
    }
}

// [MQTT-3.1.2-2]
fn mqtt_3_1_2_2_another_protocol_version_is_refused(broker: &Broker) {
    for version in [0, 2, 6, 127] {
        let connect = Connect::v5(&unique("c"));
        let head = [text("MQTT"), vec![version, connect.flags()]].concat();
        let body = [head, connect.after_flags()].concat();
        // The answer may be in the form of either version: only its end is looked at.
        let mut client = Client::open(broker, Version::V311);
        client.send(packet(first_byte::CONNECT, &body));
        let refused = client.read_to_end();
        let known: [&[u8]; 3] = [&[], &[0x20, 3, 0, 0x84, 0], &[0x20, 2, 0, 1]];
        assert!(known.contains(&refused.as_slice()), "{refused:02x?}");
    }
}

// [MQTT-3.1.2-3]
fn mqtt_3_1_2_3_the_reserved_connect_flag_must_be_zero(broker: &Broker) {
    let connect = Connect::v5(&unique("c"));
    let bytes = connect.encode_with_flags(connect.flags() | 1);
    refused(broker, &bytes, BROKEN);
}

// [MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13]
fn mqtt_3_1_2_11_the_will_flags_must_fit_together(broker: &Broker) {
    let plain = Connect::v5(&unique("c"));
    for flags in [0x08, 0x10, 0x18, 0x20] {
        refused(broker, &plain.encode_with_flags(0x02 | flags), BROKEN);
    }
    let willing = plain.clone().will(Will::new(&unique("w"), "x"));
    let qos_3 = willing.encode_with_flags(0x02 | 0x04 | 0x18);
    refused(broker, &qos_3, BROKEN);
    // A will is announced and not there; it is there and not announced.
    refused(broker, &plain.encode_with_flags(0x02 | 0x04), BROKEN);
    refused(broker, &willing.encode_with_flags(0x02), BROKEN);
}

// [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
fn mqtt_3_1_2_16_user_name_and_password_are_there_when_the_flags_say_so(broker: &Broker) {
    let plain = Connect::v5(&unique("c"));
    let named = plain.clone().username("name");
    let secret = plain.clone().password(b"secret");
    refused(broker, &named.encode_with_flags(0x02), BROKEN);
    refused(broker, &plain.encode_with_flags(0x82), BROKEN);
    refused(broker, &secret.encode_with_flags(0x02), BROKEN);
    refused(broker, &plain.encode_with_flags(0x42), BROKEN);
}

// [MQTT-3.1.3-1] [MQTT-3.1.3-3]
fn mqtt_3_1_3_1_all_fields_in_their_order_are_taken(broker: &Broker) {
    let topic = unique("w");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 1);
    let connect = Connect::v5(&unique("c"))
        .username("name")
        .password(b"secret")
        .will(Will::new(&topic, "the will").qos(1));
    Client::connect(broker, &connect).vanish();
    witness.expect_message("the will");

    // Without a client identifier there is no payload at all.
    let body = [text("MQTT"), vec![5, 2, 0, 0, 0]].concat();
    refused(broker, &packet(first_byte::CONNECT, &body), BROKEN);
}

// [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12]
fn mqtt_3_1_3_4_strings_in_connect_must_be_utf_8(broker: &Broker) {
    let head = |flags| [text("MQTT"), vec![5, flags, 0, 0, 0]].concat();
    let id = text(&unique("c"));
    for bad in [&[0xFF_u8, 0xFE][..], b"a\0b", &[0xED, 0xA0, 0x80]] {
        let bad = binary(bad);
        let codes = [MALFORMED_PACKET, PROTOCOL_ERROR, CLIENT_ID_NOT_VALID];
        let bodies = [
            [head(0x02), bad.clone()].concat(),
            [head(0x06), id.clone(), vec![0], bad.clone(), text("x")].concat(),
            [head(0x82), id.clone(), bad.clone()].concat(),
        ];
        for body in bodies {
            refused(broker, &packet(first_byte::CONNECT, &body), &codes);
        }
    }
}

// [MQTT-3.1.3-5]
fn mqtt_3_1_3_5_plain_client_identifiers_up_to_23_bytes_are_allowed(broker: &Broker) {
    let alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for start in [0, 11, 23, 35, 47] {
        let id = unique("") + &alphabet[start..];
        Client::connect(broker, &Connect::v5(&id[..23.min(id.len())])).disconnect();
    }
    Client::connect(broker, &Connect::v5("Z")).disconnect();
}

// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
fn mqtt_3_1_3_6_an_empty_client_identifier_is_replaced_by_a_unique_one(broker: &Broker) {
    let nameless = Connect::v5("").expiry(60);
    let (first, one) = Client::handshake(broker, &nameless);
    let (_second, other) = Client::handshake(broker, &nameless);
    let assigned = |answer: &crate::support::wire::ConnAck| {
        let id = answer.properties.get_text(property::ASSIGNED_CLIENT_ID);
        id.expect("an assigned client identifier").to_owned()
    };
    assert_ne!(assigned(&one), assigned(&other));
    assert!(!assigned(&one).is_empty());

    // It is an identifier like any other: the session is found under it again.
    first.disconnect();
    let again = Connect::v5(&assigned(&one)).resume();
    let (_third, answer) = Client::handshake(broker, &again);
    assert!(answer.session_present);
    assert!(!answer.properties.has(property::ASSIGNED_CLIENT_ID));
}

// [MQTT-3.1.4-1] [MQTT-4.13.1-1]
fn mqtt_3_1_4_1_a_connect_that_breaks_the_format_is_refused(broker: &Broker) {
    let good = Connect::v5(&unique("c")).encode();
    for kept in [10, 11, 13, good.len() - 3] {
        let body = &good[2..kept];
        refused(broker, &packet(first_byte::CONNECT, body), BROKEN);
    }
    let longer = [&good[2..], b"x"].concat();
    refused(broker, &packet(first_byte::CONNECT, &longer), BROKEN);
    for flags in [0x01, 0x08] {
        refused(broker, &[&[good[0] | flags], &good[1..]].concat(), BROKEN);
    }
}

// [MQTT-3.1.4-1]
fn mqtt_3_1_4_1_properties_that_connect_may_not_carry_are_refused(broker: &Broker) {
    let malformed = [
        Properties::new().byte(property::PAYLOAD_FORMAT, 0),
        Properties::new().two(property::TOPIC_ALIAS, 1),
        Properties::new().four(property::WILL_DELAY, 1),
        Properties::new().raw(0x7F, &[0]),
        Properties::new().raw(property::SESSION_EXPIRY, &[0, 0]),
    ];
    for properties in malformed {
        let connect = Connect::v5(&unique("c")).with(properties);
        refused(broker, &connect.encode(), &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.1.4-1]
fn mqtt_3_1_4_1_property_values_outside_their_range_are_protocol_errors(broker: &Broker) {
    use property as p;
    let wrong = [
        Properties::new().two(p::RECEIVE_MAXIMUM, 0),
        Properties::new().four(p::MAXIMUM_PACKET_SIZE, 0),
        Properties::new().byte(p::REQUEST_PROBLEM_INFORMATION, 2),
        Properties::new().byte(p::REQUEST_RESPONSE_INFORMATION, 2),
        Properties::new()
            .four(p::SESSION_EXPIRY, 1)
            .four(p::SESSION_EXPIRY, 1),
        Properties::new()
            .two(p::TOPIC_ALIAS_MAXIMUM, 1)
            .two(p::TOPIC_ALIAS_MAXIMUM, 1),
    ];
    for properties in wrong {
        let connect = Connect::v5(&unique("c")).with(properties);
        refused(broker, &connect.encode(), &[PROTOCOL_ERROR]);
    }
    let data_only = Properties::new().binary(p::AUTHENTICATION_DATA, b"x");
    let connect = Connect::v5(&unique("c")).with(data_only);
    let codes = [PROTOCOL_ERROR, BAD_AUTHENTICATION_METHOD];
    refused(broker, &connect.encode(), &codes);
}

// [MQTT-3.1.4-2]
fn mqtt_3_1_4_2_a_will_for_a_topic_filter_is_refused(broker: &Broker) {
    for topic in ["a/#", "+/a", ""] {
        let connect = Connect::v5(&unique("c")).will(Will::new(topic, "x"));
        let codes = [MALFORMED_PACKET, PROTOCOL_ERROR, TOPIC_NAME_INVALID];
        refused(broker, &connect.encode(), &codes);
    }
}

// [MQTT-3.1.4-3]
fn mqtt_3_1_4_3_a_second_connection_takes_over(broker: &Broker) {
    let connect = Connect::v5(&unique("c"));
    let mut old = Client::connect(broker, &connect);
    let mut new = Client::connect(broker, &connect);
    old.expect_error(&[SESSION_TAKEN_OVER]);
    new.ping();
}

// [MQTT-3.1.4-3]
fn mqtt_3_1_4_3_the_last_of_many_connections_stays(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut current = Client::connect(broker, &connect);
    for _ in 0..10 {
        let mut next = Client::connect(broker, &connect);
        current.expect_error(&[SESSION_TAKEN_OVER]);
        next.ping();
        current = next;
    }
}

// [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.2-1] [MQTT-3.2.2-8]
fn mqtt_3_1_4_5_a_good_connect_is_acknowledged_first_of_all(broker: &Broker) {
    // The session has a message waiting, and still CONNACK comes first.
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    client.disconnect();
    Client::v5(broker).publish(&topic, "waiting", 1);
    let mut client = Client::start(broker, &connect);
    assert!(matches!(client.next(), Packet::ConnAck(_)));
    client.expect_message("waiting");
}

// [MQTT-3.1.4-6]
fn mqtt_3_1_4_6_nothing_after_a_refused_connect_is_processed(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 1);
    let connect = Connect::v5(&unique("c"));
    let publish = Publish::new(&topic, "never").retain().encode(Version::V5);
    let bad = connect.encode_with_flags(connect.flags() | 1);
    let mut client = Client::open(broker, Version::V5);
    client.send([bad, publish].concat());
    client.read_to_end();

    Client::v5(broker).publish(&topic, "marker", 1);
    witness.expect_message("marker");
    let mut late = Client::v5(broker);
    late.subscribe(&topic, 1);
    late.expect_nothing();
}

// [MQTT-3.1.4-5]
fn mqtt_3_1_4_5_packets_may_follow_connect_without_waiting(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).encode();
    let filters = [(topic.as_str(), 0)];
    let subscribe = subscribe(Version::V5, 1, &filters, &Properties::new());
    let publish = Publish::new(&topic, "early").encode(Version::V5);
    let mut client = Client::open(broker, Version::V5);
    client.send([connect, subscribe, publish, pingreq()].concat());
    assert_eq!(client.expect_connack().code, 0);
    assert_eq!(client.expect_suback().reasons, [0]);
    assert!(matches!(client.answer(), Packet::PingResp));
    client.expect_message("early");
}

// [MQTT-4.2.0-1]
fn mqtt_4_2_0_1_packets_may_come_in_any_pieces(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::open(broker, Version::V5);
    let connect = Connect::v5(&unique("c")).encode();
    let filters = [(topic.as_str(), 0)];
    let subscribe = subscribe(Version::V5, 1, &filters, &Properties::new());
    let publish = Publish::new(&topic, [b'x'; 300]).encode(Version::V5);
    for byte in [connect, subscribe].concat() {
        client.send([byte]);
    }
    assert_eq!(client.expect_connack().code, 0);
    assert_eq!(client.expect_suback().reasons, [0]);
    for piece in publish.chunks(7) {
        client.send(piece);
    }
    assert_eq!(client.receive().payload.len(), 300);
}

// [MQTT-3.1.3-2]
fn mqtt_3_1_3_2_the_client_identifier_names_the_session(broker: &Broker) {
    let (one, other) = (unique("Session"), unique("session"));
    let topic = unique("t");
    let connect = |id: &str| Connect::v5(id).resume().expiry(60);
    let mut client = Client::connect(broker, &connect(&one));
    client.subscribe(&topic, 1);
    client.disconnect();
    let (mut stranger, answer) = Client::handshake(broker, &connect(&other));
    assert!(!answer.session_present);
    Client::v5(broker).publish(&topic, "mine", 1);
    stranger.expect_nothing();
    let (mut client, answer) = Client::handshake(broker, &connect(&one));
    assert!(answer.session_present);
    client.expect_message("mine");
}

// [MQTT-3.1.2-28]
fn mqtt_3_1_2_28_no_response_information_unless_asked_for(broker: &Broker) {
    for properties in [
        Properties::new(),
        Properties::new().byte(property::REQUEST_RESPONSE_INFORMATION, 0),
    ] {
        let connect = Connect::v5(&unique("c")).with(properties);
        let (_client, answer) = Client::handshake(broker, &connect);
        assert!(!answer.properties.has(property::RESPONSE_INFORMATION));
    }
}

// [MQTT-4.2.0-1]
fn mqtt_4_2_0_1_the_shortest_connect_is_enough(broker: &Broker) {
    // The shortest CONNECT there is, and a message through the broker.
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    publisher.publish(&topic, "hello", 2);
    subscriber.expect_message("hello");
}

promises!(
    mqtt_3_1_0_1_the_first_packet_must_be_connect,
    mqtt_3_1_0_2_a_second_connect_is_a_protocol_error,
    mqtt_3_1_2_1_the_protocol_name_must_be_mqtt,
    mqtt_3_1_2_2_another_protocol_version_is_refused,
    mqtt_3_1_2_3_the_reserved_connect_flag_must_be_zero,
    mqtt_3_1_2_11_the_will_flags_must_fit_together,
    mqtt_3_1_2_16_user_name_and_password_are_there_when_the_flags_say_so,
    mqtt_3_1_2_28_no_response_information_unless_asked_for,
    mqtt_3_1_3_1_all_fields_in_their_order_are_taken,
    mqtt_3_1_3_2_the_client_identifier_names_the_session,
    mqtt_3_1_3_4_strings_in_connect_must_be_utf_8,
    mqtt_3_1_3_5_plain_client_identifiers_up_to_23_bytes_are_allowed,
    mqtt_3_1_3_6_an_empty_client_identifier_is_replaced_by_a_unique_one,
    mqtt_3_1_4_1_a_connect_that_breaks_the_format_is_refused,
    mqtt_3_1_4_1_properties_that_connect_may_not_carry_are_refused,
    mqtt_3_1_4_1_property_values_outside_their_range_are_protocol_errors,
    mqtt_3_1_4_2_a_will_for_a_topic_filter_is_refused,
    mqtt_3_1_4_3_a_second_connection_takes_over,
    mqtt_3_1_4_3_the_last_of_many_connections_stays,
    mqtt_3_1_4_5_a_good_connect_is_acknowledged_first_of_all,
    mqtt_3_1_4_5_packets_may_follow_connect_without_waiting,
    mqtt_3_1_4_6_nothing_after_a_refused_connect_is_processed,
    mqtt_4_2_0_1_packets_may_come_in_any_pieces,
    mqtt_4_2_0_1_the_shortest_connect_is_enough,
);
