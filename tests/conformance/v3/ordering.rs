//! Message ordering (chapter 4.6 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::{Connect, Packet, Publish, Version};

// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
fn mqtt_4_6_0_6_messages_of_a_publisher_come_in_their_order(broker: &Broker) {
    for qos in 0..=2 {
        let (mut publisher, mut subscriber) = pair(broker, Version::V311);
        let topic = unique("t");
        subscriber.subscribe(&topic, 2);
        for number in 0..200 {
            publisher.publish(&topic, &number.to_string(), qos);
        }
        for number in 0..200 {
            subscriber.expect_message(&number.to_string());
        }
    }
}

// [MQTT-4.6.0-1] [MQTT-4.6.0-6]
fn mqtt_4_6_0_1_messages_sent_again_come_in_their_order(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v311(&unique("c")).resume();
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::v311(broker);
    for number in 0..8 {
        publisher.publish(&topic, &number.to_string(), 1 + number % 2);
    }
    let first: Vec<Publish> = (0..8).map(|_| client.expect_publish()).collect();
    client.puback(first[4].id.expect("QoS 1 has one"));
    client.ping();
    client.vanish();
    publisher.publish(&topic, "while away", 1);
    let mut client = Client::connect(broker, &connect);
    for each in [0, 1, 2, 3, 5, 6, 7] {
        assert_eq!(client.expect_publish(), first[each].clone().dup());
    }
    client.expect_message("while away");
}

// [MQTT-4.6.0-4]
fn mqtt_4_6_0_4_pubrels_come_in_the_order_of_the_pubrecs(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V311);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    for number in 0..6 {
        publisher.publish(&topic, &number.to_string(), 2);
    }
    let ids: Vec<u16> = (0..6)
        .map(|_| subscriber.expect_publish().id.expect("QoS 2 has one"))
        .collect();
    // In an order of their own: that of PUBREC counts, not that of PUBLISH.
    let order = [3, 0, 5, 1, 4, 2].map(|place: usize| ids[place]);
    for id in order {
        subscriber.pubrec(id);
    }
    for id in order {
        subscriber.expect_pubrel(id);
        subscriber.pubcomp(id);
    }
    subscriber.expect_nothing();
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3]
fn mqtt_4_6_0_2_acknowledgements_come_in_the_order_of_the_messages(broker: &Broker) {
    // It is asked of clients; a server that did otherwise would only confuse them.
    let topic = unique("t");
    let mut publisher = Client::v311(broker);
    for qos in [1, 2] {
        for id in 1..=15 {
            publisher.send_publish(&Publish::new(&topic, "x").qos(qos).id(id));
        }
        for wanted in 1..=15 {
            match publisher.next() {
                Packet::PubAck(ack) | Packet::PubRec(ack) => assert_eq!(ack.id, wanted),
                other => panic!("an acknowledgement wanted, got {other:?}"),
            }
        }
    }
}

promises!(
    mqtt_4_6_0_2_acknowledgements_come_in_the_order_of_the_messages,
    mqtt_4_6_0_4_pubrels_come_in_the_order_of_the_pubrecs,
    mqtt_4_6_0_1_messages_sent_again_come_in_their_order,
    mqtt_4_6_0_6_messages_of_a_publisher_come_in_their_order,
);
