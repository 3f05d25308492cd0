//! CONNECT and CONNACK (chapters 3.1 and 3.2 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{disconnect, pingreq, subscribe};
use crate::support::wire::{
    Connect, Packet, Properties, Publish, Version, Will, binary, first_byte, packet, text,
};

/// Sends these bytes as the first ones; the broker must close without an answer.
fn closed(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::open(broker, Version::V311);
    client.send(bytes);
    client.expect_end();
}

// [MQTT-3.1.0-1]
fn mqtt_3_1_0_1_the_first_packet_must_be_connect(broker: &Broker) {
    let publish = Publish::new(&unique("t"), "x").encode(Version::V311);
    let subscribe = subscribe(Version::V311, 1, &[("a", 0)], &Properties::new());
    for bytes in [pingreq(), publish, subscribe, disconnect()] {
        closed(broker, &bytes);
    }
}

// [MQTT-3.1.0-2] [MQTT-4.8.0-1]
fn mqtt_3_1_0_2_a_second_connect_ends_the_connection(broker: &Broker) {
    let connect = Connect::v311(&unique("c"));
    let mut client = Client::connect(broker, &connect);
    client.send(connect.encode());
    client.expect_end();
}

// [MQTT-3.1.2-1]
fn mqtt_3_1_2_1_another_protocol_name_is_not_served(broker: &Broker) {
    for name in ["MQTX", "mqtt", "", "MQTTT"] {
        let connect = Connect::v311(&unique("c"));
        let body = [text(name), vec![4, connect.flags()], connect.after_flags()].concat();
        let mut client = Client::open(broker, Version::V311);
        client.send(packet(first_byte::CONNECT, &body));
        client.expect_refusal(&[1]);
    }
}

// [MQTT-3.1.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-5]
fn mqtt_3_1_2_2_an_unknown_protocol_level_is_refused_with_code_1(broker: &Broker) {
    for level in [0, 2] {
        let connect = Connect::v311(&unique("c"));
        let head = [text("MQTT"), vec![level, connect.flags()]].concat();
        let mut client = Client::open(broker, Version::V311);
        client.send(packet(
            first_byte::CONNECT,
            &[head, connect.after_flags()].concat(),
        ));
        assert_eq!(client.expect_connack().code, 1);
        client.expect_end();
    }
}

// [MQTT-3.1.2-3]
fn mqtt_3_1_2_3_the_reserved_connect_flag_must_be_zero(broker: &Broker) {
    let connect = Connect::v311(&unique("c"));
    closed(broker, &connect.encode_with_flags(connect.flags() | 1));
}

// [MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-14] [MQTT-3.1.2-15]
fn mqtt_3_1_2_11_the_will_flags_must_fit_together(broker: &Broker) {
    let plain = Connect::v311(&unique("c"));
    for flags in [0x08, 0x10, 0x18, 0x20] {
        closed(broker, &plain.encode_with_flags(0x02 | flags));
    }
    let willing = plain.clone().will(Will::new(&unique("w"), "x"));
    closed(broker, &willing.encode_with_flags(0x02 | 0x04 | 0x18));
    closed(broker, &plain.encode_with_flags(0x02 | 0x04));
    closed(broker, &willing.encode_with_flags(0x02));
}

// [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.1.2-22]
fn mqtt_3_1_2_22_user_name_and_password_are_there_when_the_flags_say_so(broker: &Broker) {
    let plain = Connect::v311(&unique("c"));
    let named = plain.clone().username("name");
    let both = named.clone().password(b"secret");
    closed(broker, &named.encode_with_flags(0x02));
    closed(broker, &plain.encode_with_flags(0x82));
    closed(broker, &both.encode_with_flags(0x82));
    closed(broker, &named.encode_with_flags(0xC2));
    // A password needs a user name.
    closed(broker, &plain.clone().password(b"secret").encode());
    Client::connect(broker, &both).disconnect();
}

// [MQTT-3.1.3-1] [MQTT-3.1.3-3]
fn mqtt_3_1_3_1_all_fields_in_their_order_are_taken(broker: &Broker) {
    let topic = unique("w");
    let mut witness = Client::v311(broker);
    witness.subscribe(&topic, 1);
    let connect = Connect::v311(&unique("c"))
        .username("name")
        .password(b"")
        .will(Will::new(&topic, "the will").qos(1));
    Client::connect(broker, &connect).vanish();
    witness.expect_message("the will");
    let without = [text("MQTT"), vec![4, 2, 0, 0]].concat();
    closed(broker, &packet(first_byte::CONNECT, &without));
}

// [MQTT-3.1.3-2]
fn mqtt_3_1_3_2_the_client_identifier_names_the_session(broker: &Broker) {
    let topic = unique("t");
    let one = Connect::v311(&unique("Session")).resume();
    let other = Connect::v311(&unique("session")).resume();
    let mut client = Client::connect(broker, &one);
    client.subscribe(&topic, 1);
    client.disconnect();
    let (mut stranger, answer) = Client::handshake(broker, &other);
    assert!(!answer.session_present);
    Client::v311(broker).publish(&topic, "mine", 1);
    stranger.expect_nothing();
    Client::connect(broker, &one).expect_message("mine");
}

// [MQTT-3.1.3-4] [MQTT-3.1.3-10] [MQTT-3.1.3-11]
fn mqtt_3_1_3_4_strings_in_connect_must_be_utf_8(broker: &Broker) {
    let head = |flags| [text("MQTT"), vec![4, flags, 0, 0]].concat();
    let id = text(&unique("c"));
    for bad in [&[0xFF_u8, 0xFE][..], b"a\0b", &[0xED, 0xA0, 0x80]] {
        let bad = binary(bad);
        let mut client = Client::open(broker, Version::V311);
        let body = [head(0x02), bad.clone()].concat();
        client.send(packet(first_byte::CONNECT, &body));
        // A bad identifier may also be a rejected one.
        client.expect_refusal(&[2]);
        let will = [head(0x06), id.clone(), bad.clone(), text("x")].concat();
        closed(broker, &packet(first_byte::CONNECT, &will));
        let name = [head(0x82), id.clone(), bad.clone()].concat();
        closed(broker, &packet(first_byte::CONNECT, &name));
    }
}

// [MQTT-3.1.3-5]
fn mqtt_3_1_3_5_plain_client_identifiers_up_to_23_bytes_are_allowed(broker: &Broker) {
    let alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for start in [0, 11, 23, 35, 47] {
        let id = unique("") + &alphabet[start..];
        Client::connect(broker, &Connect::v311(&id[..23.min(id.len())])).disconnect();
    }
}

// [MQTT-3.1.3-6]
fn mqtt_3_1_3_6_clean_clients_without_identifier_do_not_collide(broker: &Broker) {
    let nameless = Connect::v311("");
    let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(broker, &nameless)).collect();
    for client in &mut clients {
        client.ping();
    }
}

// [MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.1.3-9] [MQTT-3.2.2-5]
fn mqtt_3_1_3_8_without_identifier_there_is_no_lasting_session(broker: &Broker) {
    let mut client = Client::start(broker, &Connect::v311("").resume());
    let answer = client.expect_connack();
    assert_eq!((answer.code, answer.session_present), (2, false));
    client.expect_end();
}

// [MQTT-3.1.4-1]
fn mqtt_3_1_4_1_a_connect_that_breaks_the_format_is_not_answered(broker: &Broker) {
    let good = Connect::v311(&unique("c")).encode();
    for kept in [10, 11, 13, good.len() - 3] {
        closed(broker, &packet(first_byte::CONNECT, &good[2..kept]));
    }
    let longer = [&good[2..], b"x"].concat();
    closed(broker, &packet(first_byte::CONNECT, &longer));
    for flags in [0x01, 0x08] {
        closed(broker, &[&[good[0] | flags], &good[1..]].concat());
    }
}

// [MQTT-3.1.4-2]
fn mqtt_3_1_4_2_a_second_connection_takes_over(broker: &Broker) {
    for connect in [
        Connect::v311(&unique("c")),
        Connect::v311(&unique("c")).resume(),
    ] {
        let mut old = Client::connect(broker, &connect);
        let mut new = Client::connect(broker, &connect);
        old.expect_end();
        new.ping();
    }
}

// [MQTT-3.1.4-3] [MQTT-3.1.4-4] [MQTT-3.2.0-1]
fn mqtt_3_1_4_4_a_good_connect_is_acknowledged_first_of_all(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    client.disconnect();
    Client::v311(broker).publish(&topic, "waiting", 1);
    let mut client = Client::start(broker, &connect);
    assert!(matches!(client.next(), Packet::ConnAck(_)));
    client.expect_message("waiting");
}

// [MQTT-3.1.4-5]
fn mqtt_3_1_4_5_nothing_after_a_refused_connect_is_processed(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::v311(broker);
    witness.subscribe(&topic, 1);
    let publish = Publish::new(&topic, "never").encode(Version::V311);
    let mut client = Client::open(broker, Version::V311);
    client.send([Connect::v311("").resume().encode(), publish].concat());
    client.read_to_end();
    Client::v311(broker).publish(&topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
fn mqtt_3_2_2_2_session_present_tells_whether_there_was_one(broker: &Broker) {
    let clean = Connect::v311(&unique("c"));
    let kept = clean.clone().resume();
    for (connect, present) in [
        (&kept, false),
        (&kept, true),
        (&clean, false),
        (&kept, false),
        (&kept, true),
    ] {
        let (client, answer) = Client::handshake(broker, connect);
        assert_eq!(answer.session_present, present);
        client.disconnect();
    }
}

// [MQTT-3.2.2-6] [MQTT-3.1.4-1]
fn mqtt_3_2_2_6_where_no_return_code_fits_the_broker_just_closes(broker: &Broker) {
    for topic in ["a/#", "+"] {
        let connect = Connect::v311(&unique("c")).will(Will::new(topic, "x"));
        closed(broker, &connect.encode());
    }
}

// [MQTT-7.0.0-2] [MQTT-7.1.1-1]
fn mqtt_7_1_1_1_packets_may_come_in_any_pieces(broker: &Broker) {
    let (mut publisher, _) = pair(broker, Version::V311);
    let topic = unique("t");
    let mut client = Client::open(broker, Version::V311);
    let connect = Connect::v311(&unique("c")).encode();
    let filters = [(topic.as_str(), 0)];
    let subscribe = subscribe(Version::V311, 1, &filters, &Properties::new());
    for byte in [connect, subscribe, pingreq()].concat() {
        client.send([byte]);
    }
    assert_eq!(client.expect_connack().code, 0);
    assert_eq!(client.expect_suback().reasons, [0]);
    assert!(matches!(client.next(), Packet::PingResp));
    publisher.publish(&topic, "x", 0);
    client.expect_message("x");
}

promises!(
    mqtt_3_1_0_1_the_first_packet_must_be_connect,
    mqtt_3_1_0_2_a_second_connect_ends_the_connection,
    mqtt_3_1_2_1_another_protocol_name_is_not_served,
    mqtt_3_1_2_2_an_unknown_protocol_level_is_refused_with_code_1,
    mqtt_3_1_2_3_the_reserved_connect_flag_must_be_zero,
    mqtt_3_1_2_11_the_will_flags_must_fit_together,
    mqtt_3_1_2_22_user_name_and_password_are_there_when_the_flags_say_so,
    mqtt_3_1_3_1_all_fields_in_their_order_are_taken,
    mqtt_3_1_3_2_the_client_identifier_names_the_session,
    mqtt_3_1_3_4_strings_in_connect_must_be_utf_8,
    mqtt_3_1_3_5_plain_client_identifiers_up_to_23_bytes_are_allowed,
    mqtt_3_1_3_6_clean_clients_without_identifier_do_not_collide,
    mqtt_3_1_3_8_without_identifier_there_is_no_lasting_session,
    mqtt_3_1_4_1_a_connect_that_breaks_the_format_is_not_answered,
    mqtt_3_1_4_2_a_second_connection_takes_over,
    mqtt_3_1_4_4_a_good_connect_is_acknowledged_first_of_all,
    mqtt_3_1_4_5_nothing_after_a_refused_connect_is_processed,
    mqtt_3_2_2_2_session_present_tells_whether_there_was_one,
    mqtt_3_2_2_6_where_no_return_code_fits_the_broker_just_closes,
    mqtt_7_1_1_1_packets_may_come_in_any_pieces,
);
