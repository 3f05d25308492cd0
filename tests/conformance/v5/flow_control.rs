//! Flow control: receive maximum both ways (chapters 3.3.4 and 4.9 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, PATIENCE};
use crate::support::wire::reason::{RECEIVE_MAXIMUM_EXCEEDED, UNSPECIFIED_ERROR};
use crate::support::wire::{Connect, Packet, Publish, first_byte, property};

/// A subscriber with this receive maximum, and ten messages published for it.
fn scene(broker: &Broker, maximum: u16, qos: u8) -> (Client, Client, String) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).receive_maximum(maximum);
    let mut subscriber = Client::connect(broker, &connect);
    subscriber.subscribe(&topic, 2);
    let mut publisher = Client::v5(broker);
    for number in 0..10 {
        publisher.publish(&topic, &number.to_string(), qos);
    }
    (publisher, subscriber, topic)
}

// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
fn mqtt_3_3_4_9_no_more_than_the_receive_maximum_are_open(broker: &Broker) {
    for (maximum, qos) in [(1, 1), (3, 1), (1, 2), (3, 2)] {
        let (_publisher, mut subscriber, _) = scene(broker, maximum, qos);
        let mut open: Vec<Publish> = (0..maximum).map(|_| subscriber.expect_publish()).collect();
        for number in 0..10_usize {
            subscriber.expect_nothing();
            let next = open.remove(0);
            assert_eq!(next.text(), number.to_string());
            subscriber.acknowledge(&next);
            if number + usize::from(maximum) < 10 {
                open.push(subscriber.expect_publish());
            }
        }
        subscriber.expect_nothing();
    }
}

// [MQTT-4.9.0-2]
fn mqtt_4_9_0_2_a_qos_2_message_is_open_until_pubcomp(broker: &Broker) {
    let (_publisher, mut subscriber, _) = scene(broker, 1, 2);
    let id = subscriber.expect_publish().id.expect("QoS 2 has one");
    subscriber.pubrec(id);
    subscriber.expect_pubrel(id);
    subscriber.expect_nothing();
    subscriber.pubcomp(id);
    assert_eq!(subscriber.expect_publish().text(), "1");
}

// [MQTT-3.3.4-9]
fn mqtt_3_3_4_9_a_refusal_makes_room_too(broker: &Broker) {
    for (qos, refusal) in [(1, first_byte::PUBACK), (2, first_byte::PUBREC)] {
        let (_publisher, mut subscriber, _) = scene(broker, 1, qos);
        for number in 0..10 {
            let got = subscriber.expect_publish();
            assert_eq!(got.text(), number.to_string());
            let id = got.id.expect("QoS above 0 has one");
            subscriber.refuse(refusal, id, UNSPECIFIED_ERROR);
        }
        subscriber.expect_nothing();
    }
}

// [MQTT-3.3.4-10] [MQTT-4.9.0-3]
fn mqtt_3_3_4_10_other_packets_go_on_while_the_quota_is_used_up(broker: &Broker) {
    let (mut publisher, mut subscriber, _) = scene(broker, 1, 1);
    let first = subscriber.expect_publish();
    subscriber.ping();
    let topic = unique("t");
    subscriber.subscribe(&topic, 0);
    subscriber.publish(&unique("t"), "mine", 2);
    subscriber.publish(&unique("t"), "mine", 1);
    subscriber.unsubscribe(&[&topic]);
    subscriber.expect_nothing();
    // QoS 0 is not counted; the broker may hold it back, and then it comes later.
    subscriber.subscribe(&topic, 0);
    publisher.publish(&topic, "not counted", 0);
    subscriber.acknowledge(&first);
    let mut texts: Vec<String> = (0..10).map(|_| subscriber.receive().text()).collect();
    let place = texts.iter().position(|text| text == "not counted");
    texts.remove(place.expect("QoS 0 to a connected client arrives"));
    let wanted: Vec<String> = (1..10).map(|number| number.to_string()).collect();
    assert_eq!(texts, wanted);
}

// [MQTT-3.3.4-9]
fn mqtt_3_3_4_9_the_maximum_counts_for_messages_of_a_resumed_session(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    for number in 0..10 {
        publisher.publish(&topic, &number.to_string(), 1);
    }
    let sent: Vec<Publish> = (0..10).map(|_| client.expect_publish()).collect();
    client.vanish();
    let mut client = Client::connect(broker, &connect.receive_maximum(2));
    let mut open = vec![client.expect_publish(), client.expect_publish()];
    for (number, wanted) in sent.iter().enumerate() {
        client.expect_nothing();
        let next = open.remove(0);
        assert_eq!((next.id, &next.payload), (wanted.id, &wanted.payload));
        client.acknowledge(&next);
        if number + 2 < 10 {
            open.push(client.expect_publish());
        }
    }
}

// [MQTT-3.3.4-7] [MQTT-4.13.1-1]
fn mqtt_3_3_4_7_a_client_beyond_the_brokers_receive_maximum_is_thrown_out(broker: &Broker) {
    let (mut client, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let maximum = answer.properties.number(property::RECEIVE_MAXIMUM);
    let maximum = u16::try_from(maximum.unwrap_or(65_535)).expect("it has 16 bits");
    let topic = unique("t");
    let publish = |id| Publish::new(&topic, "x").qos(2).id(id);
    // All identifiers there are cannot be exceeded.
    if maximum < u16::MAX {
        for id in 1..=maximum {
            client.send_publish(&publish(id));
        }
        for _ in 1..=maximum {
            assert!(matches!(client.next(), Packet::PubRec(_)));
        }
        client.send_publish(&publish(maximum + 1));
        client.expect_error(&[RECEIVE_MAXIMUM_EXCEEDED]);
    }
}

// [MQTT-3.3.4-7]
fn mqtt_3_3_4_7_as_many_as_the_brokers_receive_maximum_are_taken(broker: &Broker) {
    let (mut client, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let maximum = answer.properties.number(property::RECEIVE_MAXIMUM);
    let count = u16::try_from(maximum.unwrap_or(65_535).min(1000)).expect("at most 1000");
    let topic = unique("t");
    for round in 0..2 {
        for id in 1..=count {
            client.send_publish(&Publish::new(&topic, "x").qos(2).id(id));
        }
        for id in 1..=count {
            client.expect_pubrec(id);
        }
        for id in 1..=count {
            client.pubrel(id);
        }
        for id in 1..=count {
            client.expect_pubcomp(id);
        }
        assert!(round < 2);
    }
}

// [MQTT-4.9.0-3]
fn mqtt_4_9_0_3_a_client_that_never_acknowledges_disturbs_nobody(broker: &Broker) {
    let topic = unique("t");
    let mut lazy = Client::connect(broker, &Connect::v5(&unique("c")).receive_maximum(1));
    let mut eager = Client::v5(broker);
    lazy.subscribe(&topic, 1);
    eager.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    for number in 0..200 {
        publisher.publish(&topic, &number.to_string(), 1);
        eager.expect_message(&number.to_string());
    }
    let first = lazy.expect_publish_within(PATIENCE);
    lazy.expect_nothing();
    lazy.acknowledge(&first);
    assert_eq!(lazy.expect_publish().text(), "1");
}

promises!(
    mqtt_3_3_4_7_a_client_beyond_the_brokers_receive_maximum_is_thrown_out,
    mqtt_3_3_4_7_as_many_as_the_brokers_receive_maximum_are_taken,
    mqtt_3_3_4_9_a_refusal_makes_room_too,
    mqtt_3_3_4_9_no_more_than_the_receive_maximum_are_open,
    mqtt_3_3_4_9_the_maximum_counts_for_messages_of_a_resumed_session,
    mqtt_3_3_4_10_other_packets_go_on_while_the_quota_is_used_up,
    mqtt_4_9_0_2_a_qos_2_message_is_open_until_pubcomp,
    mqtt_4_9_0_3_a_client_that_never_acknowledges_disturbs_nobody,
);
