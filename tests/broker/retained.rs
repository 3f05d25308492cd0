//! More retained messages than any queue holds.

use std::collections::HashSet;

use crate::process::Broker;
use crate::wire::{Client, publish};

const TOPICS: usize = 100_000;

#[test]
fn a_subscription_to_everything_gets_100_000_retained_messages() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let mut publisher = Client::v5(broker.address(), "publisher");
        let mut batch = Vec::new();
        for number in 0..TOPICS {
            let topic = format!("site/{}/sensor/{number}", number % 100);
            batch.extend(publish(5, &topic, b"value", 0, true, 0));
            if batch.len() > 60_000 {
                publisher.send(&batch);
                batch.clear();
            }
        }
        publisher.send(&batch);
        // Acknowledged behind all others: every shard holds them now.
        publisher.publish("site/last", b"value", true);
        for qos in [0, 1] {
            let mut subscriber = Client::v5(broker.address(), &format!("everything-{qos}"));
            subscriber.subscribe("#", qos);
            let mut topics = HashSet::new();
            while topics.len() < TOPICS + 1 {
                let message = subscriber.message();
                assert_eq!(message.payload, b"value");
                assert!(topics.insert(message.topic), "a topic came twice");
            }
            subscriber.ping();
        }
        broker.stop();
    }
}
