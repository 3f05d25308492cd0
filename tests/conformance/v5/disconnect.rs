//! DISCONNECT (chapter 3.14 of version 5.0). What it does to the will is in `wills.rs`.

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::outgoing::{disconnect, disconnect_with};
use crate::support::wire::reason::{
    DISCONNECT_WITH_WILL, MALFORMED_PACKET, PROTOCOL_ERROR, SESSION_TAKEN_OVER, SUCCESS,
};
use crate::support::wire::{Connect, Properties, Publish, Version, first_byte, packet, property};

// [MQTT-3.14.1-1]
fn mqtt_3_14_1_1_reserved_flags_of_disconnect_are_malformed(broker: &Broker) {
    for flags in [1, 2, 4, 8] {
        let mut client = Client::v5(broker);
        client.send(packet(first_byte::DISCONNECT | flags, &[]));
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-3.14.2-1]
fn mqtt_3_14_2_1_reasons_that_disconnect_does_not_know_are_refused(broker: &Broker) {
    for reason in [0x01, 0x18, 0x92] {
        let mut client = Client::v5(broker);
        client.send(disconnect_with(reason, &Properties::new()));
        client.expect_error(&[MALFORMED_PACKET, PROTOCOL_ERROR]);
    }
}

// [MQTT-3.14.2-1]
fn mqtt_3_14_2_1_every_form_of_disconnect_ends_the_connection(broker: &Broker) {
    let wordy = Properties::new()
        .text(property::REASON_STRING, "enough")
        .user("a", "b");
    for bytes in [
        disconnect(),
        packet(first_byte::DISCONNECT, &[SUCCESS]),
        disconnect_with(SUCCESS, &Properties::new()),
        disconnect_with(DISCONNECT_WITH_WILL, &Properties::new()),
        disconnect_with(0x80, &wordy),
        disconnect_with(0x93, &Properties::new()),
    ] {
        let mut client = Client::v5(broker);
        client.send(bytes);
        client.expect_end();
    }
}

// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-2]
fn mqtt_3_14_4_1_after_its_disconnect_the_broker_says_nothing_and_closes(broker: &Broker) {
    // `expect_error` reads to the end, and the reader knows what a server's DISCONNECT may carry;
    // messages for the old connection stay unsent.
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut old = Client::connect(broker, &connect);
    old.subscribe(&topic, 1);
    let mut new = Client::connect(broker, &connect);
    Client::v5(broker).publish(&topic, "for the new one", 1);
    old.expect_error(&[SESSION_TAKEN_OVER]);
    new.expect_message("for the new one");
}

// [MQTT-3.14.4-1]
fn mqtt_3_14_4_1_what_follows_a_clients_disconnect_is_not_processed(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 1);
    let mut client = Client::v5(broker);
    let late = Publish::new(&topic, "too late").encode(Version::V5);
    client.send([disconnect(), late].concat());
    client.expect_end();
    Client::v5(broker).publish(&topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_a_session_expiry_of_zero_cannot_be_raised(broker: &Broker) {
    let raise = Properties::new().four(property::SESSION_EXPIRY, 60);
    for connect in [
        Connect::v5(&unique("c")),
        Connect::v5(&unique("c")).expiry(0),
    ] {
        let mut client = Client::connect(broker, &connect);
        client.send(disconnect_with(SUCCESS, &raise));
        client.expect_error(&[PROTOCOL_ERROR]);
        let (_client, answer) = Client::handshake(broker, &connect.resume());
        assert!(!answer.session_present);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_properties_that_disconnect_may_not_carry_are_refused(broker: &Broker) {
    for (properties, reasons) in [
        (
            Properties::new().two(property::RECEIVE_MAXIMUM, 1),
            &[MALFORMED_PACKET][..],
        ),
        (
            Properties::new()
                .text(property::REASON_STRING, "a")
                .text(property::REASON_STRING, "b"),
            &[PROTOCOL_ERROR],
        ),
    ] {
        let mut client = Client::v5(broker);
        client.send(disconnect_with(SUCCESS, &properties));
        client.expect_error(reasons);
    }
}

promises!(
    mqtt_3_14_1_1_reserved_flags_of_disconnect_are_malformed,
    mqtt_3_14_2_1_every_form_of_disconnect_ends_the_connection,
    mqtt_3_14_2_1_reasons_that_disconnect_does_not_know_are_refused,
    mqtt_3_14_4_1_after_its_disconnect_the_broker_says_nothing_and_closes,
    mqtt_3_14_4_1_what_follows_a_clients_disconnect_is_not_processed,
    mqtt_4_13_1_1_a_session_expiry_of_zero_cannot_be_raised,
    mqtt_4_13_1_1_properties_that_disconnect_may_not_carry_are_refused,
);
