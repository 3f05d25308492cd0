//! Retained messages on their way to a subscription while things change around it.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::world::{Client, KEPT, PLAIN, Seen, Wish, World};
use super::{SHARD_COUNTS, acknowledged};
use crate::engine::{Inbox, Limits, Offered};
use crate::message::Message;
use crate::protocol::{Packet, QoS, TopicFilter};

const TOPICS: usize = 500;

/// Worlds with small out-buffers, many retained messages, and a client that has
/// subscribed to all of them and reads nothing yet.
fn in_stalled_replays(qos: QoS, test: impl Fn(&mut World, Client)) {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_outbox_bytes: 1_000,
            max_inflight: 0,
            ..Limits::default()
        };
        let world = &mut World::new(shards, limits);
        let publisher = world.connect("publisher", PLAIN);
        for number in 0..TOPICS {
            let topic = format!("r/{number}");
            let payload = number.to_string();
            world.publish_with(publisher, &topic, &payload, QoS::AtLeastOnce, 1, true);
            world.settle();
        }
        let client = world.connect("client", KEPT);
        world.seen(client);
        world.set_reading(client, false);
        world.subscribe(client, "r/+", qos);
        world.settle();
        test(world, client);
    }
}

#[test]
fn nothing_retained_comes_after_unsuback() {
    in_stalled_replays(QoS::AtMostOnce, |world, client| {
        world.unsubscribe(client, "r/+");
        world.set_reading(client, true);
        world.settle();
        let seen = world.seen(client);
        let unsuback = seen.iter().position(|s| matches!(s, Seen::UnsubAck(..)));
        assert_eq!(unsuback, Some(seen.len() - 1), "[MQTT-3.10.4-2]");
        assert!(seen.len() < TOPICS);
    });
}

#[test]
fn a_subscription_made_again_begins_its_replay_anew_and_only_once() {
    in_stalled_replays(QoS::AtMostOnce, |world, client| {
        for _ in 0..20 {
            world.subscribe(client, "r/+", QoS::AtMostOnce);
        }
        world.set_reading(client, true);
        world.settle();
        let payloads = world.payloads(client);
        let complete = payloads.len() - TOPICS;
        assert!(complete < TOPICS, "{}", payloads.len());
        let mut last: Vec<usize> = payloads[complete..]
            .iter()
            .map(|payload| payload.parse().expect("a number"))
            .collect();
        last.sort_unstable();
        assert!(last.into_iter().eq(0..TOPICS));
    });
}

#[test]
fn a_replay_goes_on_with_the_next_connection_of_its_session() {
    in_stalled_replays(QoS::AtLeastOnce, |world, client| {
        world.lose(client);
        let client = world.connect("client", KEPT);
        let mut numbers: Vec<usize> = world
            .payloads(client)
            .iter()
            .map(|payload| payload.parse().expect("a number"))
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..TOPICS), "each once");
    });
}

#[test]
fn a_replay_ends_with_its_session() {
    in_stalled_replays(QoS::AtLeastOnce, |world, client| {
        world.lose(client);
        let wish = Wish {
            clean: true,
            ..KEPT
        };
        let client = world.connect("client", wish);
        assert!(world.payloads(client).is_empty());
        assert!(world.engines.iter().all(|engine| engine.replays.is_empty()));
    });
}

#[test]
fn a_replay_waits_for_the_window_and_not_for_the_clients_own_packets() {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_inflight: 3,
            ..Limits::default()
        };
        let world = &mut World::new(shards, limits);
        let publisher = world.connect("publisher", PLAIN);
        for number in 0..10 {
            let topic = format!("r/{number}");
            world.publish_with(publisher, &topic, "x", QoS::AtLeastOnce, 1, true);
            world.settle();
        }
        assert_eq!(acknowledged(&world.seen(publisher), "PUBACK"), 10);
        let client = world.connect("client", PLAIN);
        world.subscribe(client, "r/#", QoS::AtLeastOnce);
        world.settle();
        let mut got = 0;
        loop {
            let ids: Vec<u16> = world
                .seen(client)
                .into_iter()
                .filter_map(|seen| match seen {
                    Seen::Publish { id, retain, .. } => {
                        assert!(retain, "[MQTT-3.3.1-8]");
                        Some(id)
                    }
                    _ => None,
                })
                .collect();
            if ids.is_empty() {
                break;
            }
            assert!(ids.len() <= 3, "[MQTT-4.9.0-2]");
            got += ids.len();
            for id in ids {
                world.acknowledge(client, Packet::PubAck, id);
            }
            world.settle();
        }
        assert_eq!(got, 10);
    }
}

/// The process's end of a local subscription.
struct Channel(Sender<String>);

impl Inbox for Channel {
    fn offer(&mut self, message: &Message, _: QoS, retain: bool) -> Offered {
        let payload = String::from_utf8_lossy(message.payload());
        let line = format!("{}{payload}", if retain { "retained " } else { "" });
        match self.0.send(line) {
            Ok(()) => Offered::Taken,
            Err(_) => Offered::Gone,
        }
    }
}

/// A world with many retained messages of which a pass looks at few, and a local
/// subscription to them all.
fn with_local_subscription(test: impl Fn(&mut World, Receiver<String>)) {
    let limits = Limits {
        retained_steps_per_visit: 10,
        deliveries_per_pass: 10,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    let publisher = world.connect("publisher", PLAIN);
    for number in 0..TOPICS {
        let topic = format!("r/{number:03}");
        world.publish_with(publisher, &topic, "old", QoS::AtLeastOnce, 1, true);
        world.settle();
    }
    let (sender, received) = channel();
    let filter = TopicFilter::parse("r/+").expect("a filter");
    let inbox = Box::new(Channel(sender));
    let now = world.now;
    world.engines[0]
        .handle_local_subscribe(filter, QoS::AtLeastOnce, true, inbox, now)
        .expect("granted");
    test(&mut world, received);
}

#[test]
fn a_local_subscription_is_answered_whole_in_many_short_passes() {
    with_local_subscription(|world, received| {
        assert!(received.try_iter().count() < 50, "not in one go");
        // What is published meanwhile comes live and is not repeated.
        let publisher = world.connect("another", PLAIN);
        world.publish_with(publisher, "r/499", "new", QoS::AtLeastOnce, 1, true);
        world.settle();
        let rest: Vec<String> = received.try_iter().collect();
        assert_eq!(rest.iter().filter(|line| line.ends_with("new")).count(), 1);
        assert!(rest.len() > TOPICS - 50);
        assert!(!world.engines[0].has_inbox_work());
        assert!(world.engines[0].replays.is_empty());
    });
}

#[test]
fn a_local_subscription_that_takes_the_place_of_one_that_is_gone_stays() {
    let mut world = World::new(1, Limits::default());
    let subscribe = |world: &mut World| {
        let (sender, received) = channel();
        let filter = TopicFilter::parse("t").expect("a filter");
        let (inbox, now) = (Box::new(Channel(sender)), world.now);
        let session = world.engines[0]
            .handle_local_subscribe(filter, QoS::AtMostOnce, false, inbox, now)
            .expect("granted");
        (session, received)
    };
    let publisher = world.connect("publisher", PLAIN);
    let (first, received) = subscribe(&mut world);
    drop(received);
    world.publish(publisher, "t", "found it gone", QoS::AtMostOnce, 0);
    // It is given up and another one made before the next pass.
    let now = world.now;
    world.engines[0].handle_local_unsubscribe(first, now);
    let (second, received) = subscribe(&mut world);
    assert_eq!(first.slot, second.slot);
    world.settle();
    world.publish(publisher, "t", "x", QoS::AtMostOnce, 0);
    world.settle();
    assert_eq!(received.try_iter().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_local_subscription_that_ends_half_way_is_owed_nothing() {
    with_local_subscription(|world, received| {
        drop(received);
        world.settle();
        assert!(!world.engines[0].has_inbox_work());
        assert!(world.engines[0].replays.is_empty());
        assert_eq!(
            world.engines[0].clients.sessions.len(),
            1,
            "the publisher's"
        );
    });
}
