//! Wills (chapter 3.1.2.5 of version 3.1.1).

use std::time::Instant;

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, PATIENCE};
use crate::support::wire::{Connect, Publish, Will};

/// A witness listening to a topic of its own, and a CONNECT with a will for that topic.
fn scene(broker: &Broker) -> (Client, Connect, String) {
    let topic = unique("w");
    let mut witness = Client::v311(broker);
    witness.subscribe(&topic, 2);
    let connect = Connect::v311(&unique("c")).will(Will::new(&topic, "will").qos(1));
    (witness, connect, topic)
}

fn no_will(broker: &Broker, witness: &mut Client, topic: &str) {
    Client::v311(broker).publish(topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-16]
fn mqtt_3_1_2_8_a_will_is_published_when_the_connection_just_ends(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    Client::connect(broker, &connect).vanish();
    let got = witness.expect_message("will");
    assert_eq!((got.topic.as_str(), got.qos), (topic.as_str(), 1));
    let mut late = Client::v311(broker);
    late.subscribe(&topic, 1);
    late.expect_nothing();
}

// [MQTT-3.1.2-8] [MQTT-4.8.0-1]
fn mqtt_3_1_2_8_a_will_is_published_when_the_broker_ends_the_connection(broker: &Broker) {
    let (mut witness, connect, _) = scene(broker);
    let mut client = Client::connect(broker, &connect);
    client.send_publish(&Publish::new("a", "x").qos(3).id(1));
    client.expect_end();
    witness.expect_message("will");
    // Likewise when it has to wait for a client that is silent, or when another takes over.
    let mut client = Client::connect(broker, &connect.clone().keep_alive(1));
    client.expect_end();
    witness.expect_message("will");
    let mut old = Client::connect(broker, &connect);
    let new = Client::connect(broker, &connect);
    old.expect_end();
    witness.expect_message("will");
    new.disconnect();
    witness.expect_nothing();
}

// [MQTT-3.14.4-3] [MQTT-3.1.2-10]
fn mqtt_3_14_4_3_disconnect_discards_the_will(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    Client::connect(broker, &connect).disconnect();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-10]
fn mqtt_3_1_2_10_a_will_is_published_once(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    let mut connect = connect.resume();
    Client::connect(broker, &connect).vanish();
    witness.expect_message("will");
    connect.will = None;
    Client::connect(broker, &connect).vanish();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-12]
fn mqtt_3_1_2_12_without_a_will_nothing_is_published(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect.will = None;
    Client::connect(broker, &connect).vanish();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-9]
fn mqtt_3_1_2_9_a_will_comes_with_its_qos(broker: &Broker) {
    for qos in 0..=2 {
        let (mut witness, mut connect, topic) = scene(broker);
        connect.will = Some(Will::new(&topic, "will").qos(qos));
        Client::connect(broker, &connect).vanish();
        assert_eq!(witness.expect_message("will").qos, qos);
    }
}

// [MQTT-3.1.2-17]
fn mqtt_3_1_2_17_a_will_is_retained_if_it_says_so(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect.will = Some(Will::new(&topic, "will").qos(1).retain());
    Client::connect(broker, &connect).vanish();
    assert!(!witness.expect_message("will").retain);
    // Nobody is told when a will has been retained everywhere: ask until it is there.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut late = Client::v311(broker);
        late.subscribe(&topic, 1);
        late.ping();
        if late.take_set_aside().iter().any(|got| got.retain) {
            break;
        }
        assert!(Instant::now() < deadline, "the will is not retained");
    }
    Client::v311(broker).publish_with(Publish::new(&topic, "").qos(1).retain());
}

// [MQTT-3.1.2-8]
fn mqtt_3_1_2_8_a_will_may_be_empty(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect.will = Some(Will::new(&topic, ""));
    Client::connect(broker, &connect).vanish();
    witness.expect_message("");
}

promises!(
    mqtt_3_1_2_8_a_will_is_published_when_the_broker_ends_the_connection,
    mqtt_3_1_2_8_a_will_is_published_when_the_connection_just_ends,
    mqtt_3_1_2_8_a_will_may_be_empty,
    mqtt_3_1_2_9_a_will_comes_with_its_qos,
    mqtt_3_1_2_10_a_will_is_published_once,
    mqtt_3_1_2_12_without_a_will_nothing_is_published,
    mqtt_3_1_2_17_a_will_is_retained_if_it_says_so,
    mqtt_3_14_4_3_disconnect_discards_the_will,
);
