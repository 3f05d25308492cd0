//! Message expiry interval (chapter 3.3.2.3.3 of version 5.0).

use std::time::Duration;

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, let_pass, pair};
use crate::support::wire::{Connect, Publish, Version, Will, property};

/// Real time beyond an interval of one second.
const PAST_ONE_SECOND: Duration = Duration::from_millis(2200);

fn expiry_of(publish: &Publish) -> Option<u32> {
    publish.properties.number(property::MESSAGE_EXPIRY)
}

// [MQTT-3.3.2-6]
fn mqtt_3_3_2_6_a_message_that_did_not_wait_keeps_its_interval(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    publisher.publish_with(Publish::new(&topic, "x").qos(1).expiry(3600));
    let expiry = expiry_of(&subscriber.receive()).expect("the interval");
    assert!((3598..=3600).contains(&expiry), "{expiry}");
    publisher.publish(&topic, "y", 1);
    assert_eq!(expiry_of(&subscriber.receive()), None);
}

// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
fn mqtt_3_3_2_5_what_waits_too_long_for_a_client_is_dropped(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    client.disconnect();
    let mut publisher = Client::v5(broker);
    for (payload, qos, expiry) in [("a", 1, 1), ("b", 2, 1), ("c", 1, 100), ("d", 2, u32::MAX)] {
        publisher.publish_with(Publish::new(&topic, payload).qos(qos).expiry(expiry));
    }
    publisher.publish(&topic, "e", 2);
    let_pass(PAST_ONE_SECOND);
    let mut client = Client::connect(broker, &connect);
    let expiry = expiry_of(&client.expect_message("c")).expect("the rest of it");
    assert!((95..=98).contains(&expiry), "{expiry}");
    let expiry = expiry_of(&client.expect_message("d")).expect("the rest of it");
    assert!(expiry < u32::MAX && expiry > u32::MAX - 10, "{expiry}");
    assert_eq!(expiry_of(&client.expect_message("e")), None);
    client.expect_nothing();
}

// [MQTT-3.3.2-5]
fn mqtt_3_3_2_5_what_waits_too_long_behind_the_quota_is_dropped(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).receive_maximum(1);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "open", 1);
    publisher.publish_with(Publish::new(&topic, "short").qos(1).expiry(1));
    publisher.publish_with(Publish::new(&topic, "long").qos(1).expiry(100));
    let open = client.expect_publish();
    let_pass(PAST_ONE_SECOND);
    client.acknowledge(&open);
    let got = client.expect_message("long");
    let expiry = expiry_of(&got).expect("the rest of it");
    assert!((95..=98).contains(&expiry), "{expiry}");
    client.expect_nothing();
}

// [MQTT-3.3.2-5]
fn mqtt_3_3_2_5_a_retained_message_expires(broker: &Broker) {
    let (short, long) = (unique("t"), unique("t"));
    let mut publisher = Client::v5(broker);
    publisher.publish_with(Publish::new(&short, "x").qos(1).retain().expiry(1));
    publisher.publish_with(Publish::new(&long, "x").qos(1).retain().expiry(100));
    let mut early = Client::v5(broker);
    early.subscribe(&short, 1);
    early.expect_message("x");
    let_pass(PAST_ONE_SECOND);
    let mut late = Client::v5(broker);
    late.subscribe(&short, 1);
    late.expect_nothing();
    late.subscribe(&long, 1);
    let expiry = expiry_of(&late.expect_message("x")).expect("the rest of it");
    assert!((95..=98).contains(&expiry), "{expiry}");
    publisher.publish_with(Publish::new(&long, "").qos(1).retain());
}

// [MQTT-4.3.3-7]
fn mqtt_4_3_3_7_a_message_once_sent_does_not_expire(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::v5(broker);
    publisher.publish_with(Publish::new(&topic, "one").qos(2).expiry(1));
    publisher.publish_with(Publish::new(&topic, "two").qos(2).expiry(1));
    let (one, two) = (client.expect_publish(), client.expect_publish());
    let id = one.id.expect("QoS 2 has one");
    client.pubrec(id);
    client.expect_pubrel(id);
    client.vanish();
    let_pass(PAST_ONE_SECOND);
    let mut client = Client::connect(broker, &connect);
    let again = client.expect_publish_and_pubrel(id);
    assert_eq!((again.id, again.dup), (two.id, true));
    client.acknowledge(&again);
    client.expect_nothing();
}

// [MQTT-4.3.3-13]
fn mqtt_4_3_3_13_the_flow_goes_on_after_the_message_has_expired(broker: &Broker) {
    let mut publisher = Client::v5(broker);
    publisher.send_publish(&Publish::new(&unique("t"), "x").qos(2).id(5).expiry(1));
    publisher.expect_pubrec(5);
    let_pass(PAST_ONE_SECOND);
    publisher.pubrel(5);
    assert_eq!(publisher.expect_pubcomp(5).reason, 0);
}

// [MQTT-3.3.2-6]
fn mqtt_3_3_2_6_the_interval_of_a_will_starts_when_it_is_published(broker: &Broker) {
    let topic = unique("w");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 1);
    let mut will = Will::new(&topic, "will");
    will.properties = will.properties.four(property::MESSAGE_EXPIRY, 1);
    let client = Client::connect(broker, &Connect::v5(&unique("c")).will(will));
    let_pass(PAST_ONE_SECOND);
    client.vanish();
    let got = witness.expect_message("will");
    assert_eq!(expiry_of(&got), Some(1));
}

promises!(
    mqtt_3_3_2_5_a_retained_message_expires,
    mqtt_3_3_2_5_what_waits_too_long_behind_the_quota_is_dropped,
    mqtt_3_3_2_5_what_waits_too_long_for_a_client_is_dropped,
    mqtt_3_3_2_6_a_message_that_did_not_wait_keeps_its_interval,
    mqtt_3_3_2_6_the_interval_of_a_will_starts_when_it_is_published,
    mqtt_4_3_3_7_a_message_once_sent_does_not_expire,
    mqtt_4_3_3_13_the_flow_goes_on_after_the_message_has_expired,
);
