//! Message ordering (chapter 4.6 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::{Connect, Packet, Publish, Version};

/// Messages per publisher.
const COUNT: u16 = 300;

/// Publishes as fast as the connection takes them; `publish_all` waits for the answers at the end.
fn publish_all(publisher: &mut Client, topic: &str, name: &str, qos: u8) {
    // Within any broker's receive maximum.
    for chunk in (1..=COUNT).collect::<Vec<u16>>().chunks(15) {
        let bytes: Vec<u8> = chunk
            .iter()
            .flat_map(|number| {
                let publish = Publish::new(topic, format!("{name} {number}")).qos(qos);
                let id = (qos > 0).then_some(*number);
                Publish { id, ..publish }.encode(Version::V5)
            })
            .collect();
        publisher.send(bytes);
        if qos == 0 {
            continue;
        }
        for number in chunk {
            if qos == 1 {
                publisher.expect_puback(*number);
            } else {
                publisher.expect_pubrec(*number);
            }
        }
        if qos == 2 {
            for number in chunk {
                publisher.pubrel(*number);
            }
            for number in chunk {
                publisher.expect_pubcomp(*number);
            }
        }
    }
}

/// Receives everything of these publishers and checks that each one's messages come in order.
fn in_order(subscriber: &mut Client, names: &[&str]) {
    let mut next = vec![1_u16; names.len()];
    for _ in 0..usize::from(COUNT) * names.len() {
        let text = subscriber.receive().text();
        let (name, number) = text.split_once(' ').expect("two words");
        let place = names.iter().position(|each| *each == name);
        let place = place.expect("one of the publishers");
        assert_eq!(number, next[place].to_string(), "of {name}");
        next[place] += 1;
    }
}

// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
fn mqtt_4_6_0_5_messages_of_a_publisher_come_in_their_order(broker: &Broker) {
    for qos in 0..=2 {
        let topic = unique("t");
        let mut subscribers: Vec<Client> = (0..3).map(|_| Client::v5(broker)).collect();
        for subscriber in &mut subscribers {
            subscriber.subscribe(&topic, 2);
        }
        let mut publisher = Client::v5(broker);
        publish_all(&mut publisher, &topic, "a", qos);
        for subscriber in &mut subscribers {
            in_order(subscriber, &["a"]);
        }
    }
}

// [MQTT-4.6.0-5]
fn mqtt_4_6_0_5_publishers_at_the_same_time_each_keep_their_order(broker: &Broker) {
    let topic = unique("t");
    let mut subscriber = Client::v5(broker);
    subscriber.subscribe(&format!("{topic}/+"), 1);
    // All of it fits into the queue of a subscriber that is slower than they are.
    let names = ["a", "b", "c"];
    std::thread::scope(|scope| {
        for name in names {
            let topic = format!("{topic}/{name}");
            scope.spawn(move || publish_all(&mut Client::v5(broker), &topic, name, 1));
        }
        in_order(&mut subscriber, &names);
    });
}

// [MQTT-4.6.0-5]
fn mqtt_4_6_0_5_the_order_holds_across_a_reconnection(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    publish_all(&mut publisher, &topic, "a", 1);
    let mut next = 1;
    while next <= COUNT {
        // Takes some, acknowledges all of them but the last, and comes back.
        for step in 0..20 {
            let got = client.expect_publish();
            assert_eq!(got.text(), format!("a {next}"));
            if step < 19 || next == COUNT {
                client.acknowledge(&got);
                next += 1;
            }
            if next > COUNT {
                break;
            }
        }
        client.ping();
        client.take_set_aside();
        client.vanish();
        client = Client::connect(broker, &connect);
    }
    client.expect_nothing();
}

// [MQTT-4.6.0-4]
fn mqtt_4_6_0_4_pubrels_come_in_the_order_of_the_pubrecs(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
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
    let mut publisher = Client::v5(broker);
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
    mqtt_4_6_0_5_messages_of_a_publisher_come_in_their_order,
    mqtt_4_6_0_5_publishers_at_the_same_time_each_keep_their_order,
    mqtt_4_6_0_5_the_order_holds_across_a_reconnection,
);
