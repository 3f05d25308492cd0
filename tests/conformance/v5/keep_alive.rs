//! Keep alive (chapters 3.1.2.10 and 3.2.2.3.14 of version 5.0).

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, Ended};
use crate::support::wire::outgoing::pingreq;
use crate::support::wire::reason::KEEP_ALIVE_TIMEOUT;
use crate::support::wire::{Connect, Publish, property};

// [MQTT-3.1.2-22] [MQTT-3.2.2-22]
fn mqtt_3_1_2_22_a_silent_client_is_thrown_out_after_one_and_a_half_keep_alives(broker: &Broker) {
    let start = Instant::now();
    let connect = Connect::v5(&unique("c")).keep_alive(1);
    let (mut client, answer) = Client::handshake(broker, &connect);
    // If the broker asks for another keep alive, this test proves something else.
    assert!(!answer.properties.has(property::SERVER_KEEP_ALIVE));
    client.expect_error(&[KEEP_ALIVE_TIMEOUT]);
    let lasted = start.elapsed();
    assert!(
        lasted >= Duration::from_millis(1400),
        "too early: {lasted:?}"
    );
    assert!(lasted <= Duration::from_secs(5), "too late: {lasted:?}");
}

// [MQTT-3.1.2-22]
fn mqtt_3_1_2_22_any_packet_is_a_sign_of_life(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::v5(&unique("c")).keep_alive(1));
    let topic = unique("t");
    let start = Instant::now();
    let mut turn = 0_u32;
    while start.elapsed() < Duration::from_secs(3) {
        match turn % 3 {
            0 => client.send(pingreq()),
            1 => client.send_publish(&Publish::new(&topic, "x")),
            _ => client.subscribe(&topic, 0),
        }
        turn += 1;
        // What the client would do anyway: wait for packets.
        let _ = client.next_within(Duration::from_millis(700));
    }
    client.ping();
}

// [MQTT-3.1.2-22]
fn mqtt_3_1_2_22_receiving_is_no_sign_of_life(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::connect(broker, &Connect::v5(&unique("c")).keep_alive(1));
    client.subscribe(&topic, 0);
    let mut publisher = Client::v5(broker);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        publisher.publish(&topic, "x", 0);
        match client.next_within(Duration::from_millis(200)) {
            Err(Ended::Closed) => return,
            Ok(crate::support::wire::Packet::Disconnect(why)) => {
                assert_eq!(why.reason, KEEP_ALIVE_TIMEOUT);
                return;
            }
            Ok(_) | Err(Ended::TimedOut) => {}
        }
    }
    panic!("the client is silent for five seconds and still connected");
}

// [MQTT-3.1.2-22]
fn mqtt_3_1_2_22_half_a_packet_is_no_sign_of_life(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::v5(&unique("c")).keep_alive(1));
    client.send([0x30, 200]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        client.try_send([1]);
        match client.next_within(Duration::from_millis(100)) {
            Err(Ended::TimedOut) => {}
            Err(Ended::Closed) => return,
            Ok(_) => return,
        }
    }
    panic!("bytes without a packet kept the client alive");
}

// [MQTT-3.1.2-22]
fn mqtt_3_1_2_22_keep_alive_0_means_no_limit(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::v5(&unique("c")).keep_alive(0));
    assert_eq!(
        client.next_within(Duration::from_millis(2500)),
        Err(Ended::TimedOut)
    );
    client.ping();
}

promises!(
    mqtt_3_1_2_22_a_silent_client_is_thrown_out_after_one_and_a_half_keep_alives,
    mqtt_3_1_2_22_any_packet_is_a_sign_of_life,
    mqtt_3_1_2_22_half_a_packet_is_no_sign_of_life,
    mqtt_3_1_2_22_keep_alive_0_means_no_limit,
    mqtt_3_1_2_22_receiving_is_no_sign_of_life,
);
