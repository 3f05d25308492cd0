//! PINGREQ, DISCONNECT and keep alive (chapters 3.12, 3.14 and 3.1.2.10 of version 3.1.1).

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::outgoing::{disconnect, pingreq};
use crate::support::wire::{Connect, Packet, Publish, Version, first_byte, packet};

// [MQTT-3.12.4-1]
fn mqtt_3_12_4_1_every_pingreq_is_answered(broker: &Broker) {
    let mut client = Client::v311(broker);
    client.send(pingreq().repeat(50));
    for _ in 0..50 {
        assert!(matches!(client.next(), Packet::PingResp));
    }
}

// [MQTT-2.2.2-2] [MQTT-4.8.0-1]
fn mqtt_2_2_2_2_reserved_flags_and_packet_types_end_the_connection(broker: &Broker) {
    for bytes in [
        &[0xC1_u8, 0][..],
        &[0xC0, 1, 0],
        &[0x00, 0],
        &[0xF0, 0],
        &[0xD0, 0],
        &[0x20, 2, 0, 0],
        &[0x90, 3, 0, 1, 0],
    ] {
        let mut client = Client::v311(broker);
        client.send(bytes);
        client.expect_end();
    }
}

// [MQTT-3.14.1-1]
fn mqtt_3_14_1_1_a_disconnect_with_flags_or_a_body_is_none(broker: &Broker) {
    let topic = unique("w");
    let mut witness = Client::v311(broker);
    witness.subscribe(&topic, 1);
    for bytes in [packet(first_byte::DISCONNECT | 1, &[]), vec![0xE0, 1, 0]] {
        let connect = Connect::v311(&unique("c"));
        let will = crate::support::wire::Will::new(&topic, "will").qos(1);
        let mut client = Client::connect(broker, &connect.will(will));
        client.send(bytes);
        client.expect_end();
        witness.expect_message("will");
    }
}

// [MQTT-3.14.4-2]
fn mqtt_3_14_4_2_after_disconnect_the_broker_closes_and_processes_nothing(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::v311(broker);
    witness.subscribe(&topic, 1);
    let mut client = Client::v311(broker);
    let late = Publish::new(&topic, "too late").encode(Version::V311);
    client.send([disconnect(), late].concat());
    client.expect_end();
    Client::v311(broker).publish(&topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-3.1.2-24]
fn mqtt_3_1_2_24_a_silent_client_is_thrown_out_after_one_and_a_half_keep_alives(broker: &Broker) {
    let start = Instant::now();
    let mut silent = Client::connect(broker, &Connect::v311(&unique("c")).keep_alive(1));
    let mut without = Client::v311(broker);
    silent.expect_end();
    let lasted = start.elapsed();
    assert!(
        lasted >= Duration::from_millis(1400),
        "too early: {lasted:?}"
    );
    assert!(lasted <= Duration::from_secs(5), "too late: {lasted:?}");
    without.ping();
}

// [MQTT-3.1.2-24]
fn mqtt_3_1_2_24_any_packet_is_a_sign_of_life(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::v311(&unique("c")).keep_alive(1));
    let topic = unique("t");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        client.publish(&topic, "x", 1);
        let _ = client.next_within(Duration::from_millis(700));
    }
    client.ping();
}

promises!(
    mqtt_2_2_2_2_reserved_flags_and_packet_types_end_the_connection,
    mqtt_3_1_2_24_a_silent_client_is_thrown_out_after_one_and_a_half_keep_alives,
    mqtt_3_1_2_24_any_packet_is_a_sign_of_life,
    mqtt_3_12_4_1_every_pingreq_is_answered,
    mqtt_3_14_1_1_a_disconnect_with_flags_or_a_body_is_none,
    mqtt_3_14_4_2_after_disconnect_the_broker_closes_and_processes_nothing,
);
