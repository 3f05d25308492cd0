//! AUTH and enhanced authentication, by a broker that knows no method (chapters 3.15 and 4.12 of
//! version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::outgoing::auth;
use crate::support::wire::reason::{
    BAD_AUTHENTICATION_METHOD, CONTINUE_AUTHENTICATION, MALFORMED_PACKET, NOT_AUTHORIZED,
    PROTOCOL_ERROR, RE_AUTHENTICATE, SUCCESS,
};
use crate::support::wire::{Connect, Properties, Publish, Version, first_byte, packet, property};

fn method(name: &str) -> Properties {
    Properties::new().text(property::AUTHENTICATION_METHOD, name)
}

// [MQTT-4.12.0-1] [MQTT-4.12.0-4] [MQTT-3.2.2-7]
fn mqtt_4_12_0_1_an_unknown_method_is_refused(broker: &Broker) {
    for properties in [
        method("SCRAM-UNHEARD-OF"),
        method("SCRAM-UNHEARD-OF").binary(property::AUTHENTICATION_DATA, b"data"),
    ] {
        let connect = Connect::v5(&unique("c")).with(properties);
        let mut client = Client::start(broker, &connect);
        let answer = client.expect_connack();
        assert!([BAD_AUTHENTICATION_METHOD, NOT_AUTHORIZED].contains(&answer.code));
        client.expect_end();
    }
}

// [MQTT-4.12.0-1] [MQTT-3.1.4-6]
fn mqtt_4_12_0_1_nothing_after_the_refused_connect_is_processed(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 1);
    let connect = Connect::v5(&unique("c")).with(method("none"));
    let publish = Publish::new(&topic, "never").encode(Version::V5);
    let mut client = Client::open(broker, Version::V5);
    client.send([connect.encode(), publish].concat());
    client.read_to_end();
    Client::v5(broker).publish(&topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-4.12.0-6]
fn mqtt_4_12_0_6_without_a_method_the_broker_names_none(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).username("u").password(b"p");
    // The first packet is CONNACK, not AUTH.
    let (_client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.properties.has(property::AUTHENTICATION_METHOD));
    assert!(!answer.properties.has(property::AUTHENTICATION_DATA));
}

// [MQTT-4.12.1-2] [MQTT-4.12.0-7] [MQTT-4.13.1-1]
fn mqtt_4_12_1_2_auth_without_a_method_in_connect_ends_the_connection(broker: &Broker) {
    for reason in [SUCCESS, CONTINUE_AUTHENTICATION, RE_AUTHENTICATE] {
        let mut client = Client::v5(broker);
        client.send(auth(reason, &method("any")));
        let reasons = [PROTOCOL_ERROR, NOT_AUTHORIZED, BAD_AUTHENTICATION_METHOD];
        client.expect_error(&reasons);
    }
}

// [MQTT-3.15.1-1]
fn mqtt_3_15_1_1_reserved_flags_of_auth_are_malformed(broker: &Broker) {
    for flags in [1, 2, 4, 8] {
        let mut client = Client::v5(broker);
        let body = [vec![RE_AUTHENTICATE], method("any").encode()].concat();
        client.send(packet(first_byte::AUTH | flags, &body));
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-3.15.2-1]
fn mqtt_3_15_2_1_reasons_that_auth_does_not_know_are_refused(broker: &Broker) {
    for reason in [0x01, 0x80] {
        let mut client = Client::v5(broker);
        client.send(auth(reason, &method("any")));
        client.expect_error(&[MALFORMED_PACKET, PROTOCOL_ERROR]);
    }
}

promises!(
    mqtt_3_15_1_1_reserved_flags_of_auth_are_malformed,
    mqtt_3_15_2_1_reasons_that_auth_does_not_know_are_refused,
    mqtt_4_12_0_1_an_unknown_method_is_refused,
    mqtt_4_12_0_1_nothing_after_the_refused_connect_is_processed,
    mqtt_4_12_0_6_without_a_method_the_broker_names_none,
    mqtt_4_12_1_2_auth_without_a_method_in_connect_ends_the_connection,
);
