//! PINGREQ and PINGRESP (chapters 3.12 and 3.13 of version 5.0).

use crate::support::broker::Broker;
use crate::support::client::Client;
use crate::support::wire::Packet;
use crate::support::wire::outgoing::pingreq;
use crate::support::wire::reason::{MALFORMED_PACKET, PROTOCOL_ERROR};

// [MQTT-3.12.4-1]
fn mqtt_3_12_4_1_every_pingreq_is_answered(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.send(pingreq().repeat(50));
    for _ in 0..50 {
        assert!(matches!(client.next(), Packet::PingResp));
    }
}

// [MQTT-2.1.3-1]
fn mqtt_2_1_3_1_a_pingreq_with_flags_or_a_body_is_malformed(broker: &Broker) {
    for bytes in [&[0xC1_u8, 0][..], &[0xC8, 0], &[0xC0, 1, 0]] {
        let mut client = Client::v5(broker);
        client.send(bytes);
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-4.13.1-1]
fn mqtt_4_13_1_1_packets_that_only_a_server_sends_are_protocol_errors(broker: &Broker) {
    for bytes in [
        &[0x20_u8, 3, 0, 0, 0][..],
        &[0x90, 4, 0, 1, 0, 0],
        &[0xB0, 4, 0, 1, 0, 0],
        &[0xD0, 0],
        &[0x00, 0],
    ] {
        let mut client = Client::v5(broker);
        client.send(bytes);
        client.expect_error(&[PROTOCOL_ERROR, MALFORMED_PACKET]);
    }
}

promises!(
    mqtt_2_1_3_1_a_pingreq_with_flags_or_a_body_is_malformed,
    mqtt_3_12_4_1_every_pingreq_is_answered,
    mqtt_4_13_1_1_packets_that_only_a_server_sends_are_protocol_errors,
);
