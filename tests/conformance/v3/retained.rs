//! Retained messages (chapter 3.3.1.3 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::{Publish, Version};

fn retain(client: &mut Client, topic: &str, payload: &str, qos: u8) {
    client.publish_with(Publish::new(topic, payload).qos(qos).retain());
}

// [MQTT-3.3.1-5] [MQTT-3.3.1-8]
fn mqtt_3_3_1_5_a_retained_message_is_kept_with_its_qos(broker: &Broker) {
    let mut publisher = Client::v311(broker);
    for qos in [1, 2] {
        let topic = unique("t");
        retain(&mut publisher, &topic, "old", 1);
        retain(&mut publisher, &topic, "kept", qos);
        let mut client = Client::v311(broker);
        client.subscribe(&topic, 2);
        let got = client.expect_message("kept");
        assert_eq!((got.qos, got.retain, got.dup), (qos, true, false));
        client.expect_nothing();
        retain(&mut publisher, &topic, "", 1);
    }
}

// [MQTT-3.3.1-6]
fn mqtt_3_3_1_6_a_new_subscription_gets_the_last_of_each_topic(broker: &Broker) {
    let base = unique("t");
    let mut publisher = Client::v311(broker);
    for name in ["a", "b", "c", "a"] {
        retain(&mut publisher, &format!("{base}/{name}"), name, 1);
    }
    let mut client = Client::v311(broker);
    client.subscribe(&format!("{base}/+"), 1);
    let mut seen: Vec<String> = (0..3).map(|_| client.receive().text()).collect();
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
    client.expect_nothing();
    for name in ["a", "b", "c"] {
        retain(&mut publisher, &format!("{base}/{name}"), "", 1);
    }
}

// [MQTT-3.3.1-7]
fn mqtt_3_3_1_7_a_retained_qos_0_message_drops_the_old_one(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v311(broker);
    retain(&mut publisher, &topic, "old", 1);
    retain(&mut publisher, &topic, "new", 0);
    // QoS 0 is not acknowledged; what is retained after it is.
    retain(&mut publisher, &unique("t"), "", 1);
    let mut client = Client::v311(broker);
    client.subscribe(&topic, 1);
    client.ping();
    for got in client.take_set_aside() {
        assert_eq!(got.text(), "new");
    }
    retain(&mut publisher, &topic, "", 1);
}

// [MQTT-3.3.1-9]
fn mqtt_3_3_1_9_an_established_subscription_gets_it_without_the_flag(broker: &Broker) {
    let topic = unique("t");
    let (mut publisher, mut client) = pair(broker, Version::V311);
    client.subscribe(&topic, 1);
    retain(&mut publisher, &topic, "x", 1);
    assert!(!client.expect_message("x").retain);
    retain(&mut publisher, &topic, "", 1);
    assert!(!client.expect_message("").retain);
}

// [MQTT-3.3.1-10] [MQTT-3.3.1-11]
fn mqtt_3_3_1_10_an_empty_retained_message_removes_and_is_not_kept(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v311(broker);
    retain(&mut publisher, &topic, "x", 1);
    for _ in 0..2 {
        retain(&mut publisher, &topic, "", 1);
        let mut late = Client::v311(broker);
        late.subscribe(&topic, 1);
        late.expect_nothing();
    }
}

// [MQTT-3.3.1-12]
fn mqtt_3_3_1_12_a_message_without_retain_changes_nothing_retained(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v311(broker);
    publisher.publish(&topic, "passing", 1);
    let mut early = Client::v311(broker);
    early.subscribe(&topic, 1);
    early.expect_nothing();
    retain(&mut publisher, &topic, "kept", 1);
    publisher.publish(&topic, "passing", 1);
    publisher.publish(&topic, "", 1);
    let mut late = Client::v311(broker);
    late.subscribe(&topic, 1);
    late.expect_message("kept");
    late.expect_nothing();
    retain(&mut publisher, &topic, "", 1);
}

promises!(
    mqtt_3_3_1_5_a_retained_message_is_kept_with_its_qos,
    mqtt_3_3_1_6_a_new_subscription_gets_the_last_of_each_topic,
    mqtt_3_3_1_7_a_retained_qos_0_message_drops_the_old_one,
    mqtt_3_3_1_9_an_established_subscription_gets_it_without_the_flag,
    mqtt_3_3_1_10_an_empty_retained_message_removes_and_is_not_kept,
    mqtt_3_3_1_12_a_message_without_retain_changes_nothing_retained,
);
