//! What is bounded stays within its bound, and what is counted is counted right.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use super::sessions::distant_group;
use super::world::{KEPT, PLAIN, Seen, Wish, World};
use super::{SHARD_COUNTS, acknowledged, clients_on_two_shards, in_worlds};
use crate::engine::Limits;
use crate::engine::limits::{LANE_CREDIT, OWED_ANSWERS_MAX};
use crate::protocol::{ProtocolVersion, QoS, ReasonCode};

#[test]
fn an_out_buffer_that_is_never_quite_empty_is_charged_with_what_it_holds() {
    let limits = Limits {
        shard_outbox_bytes: 20_000,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    let (publisher, busy) = (world.connect("p", PLAIN), world.connect("busy", PLAIN));
    world.subscribe(busy, "t", QoS::AtMostOnce);
    world.settle();
    world.set_reading(busy, false);
    let payload = "x".repeat(1_000);
    for _ in 0..100 {
        world.publish(publisher, "t", &payload, QoS::AtMostOnce, 0);
        world.settle();
        world.read_some(busy, 1_000);
        assert!(world.engines[0].clients.outbox_total <= 4_000);
    }
    assert_eq!(world.engines[0].stats().dropped_outbox_full, 0);
    world.set_reading(busy, true);
    world.settle();
    assert_eq!(world.engines[0].clients.outbox_total, 0);
}

#[test]
fn no_packet_is_larger_than_the_client_accepts() {
    in_worlds(|world| {
        for maximum in 1..80 {
            let wish = Wish {
                maximum_packet_size: Some(maximum),
                topic_alias_maximum: Some(1),
                ..PLAIN
            };
            let client = world.connect("client", wish);
            world.subscribe(client, "topic/+", QoS::AtMostOnce);
            for length in [0, 5, 40] {
                let payload = "x".repeat(length);
                world.publish(client, "topic/a", &payload, QoS::AtMostOnce, 0);
            }
            world.settle();
            let sizes = world.sizes(client);
            let maximum = usize::try_from(maximum).expect("small");
            assert!(
                sizes.iter().all(|&size| size <= maximum),
                "[MQTT-3.1.2-24] {maximum}: {sizes:?}"
            );
            assert_eq!(
                world.is_closed(client),
                sizes.len() < 2,
                "{maximum}: {sizes:?}"
            );
        }
    });
}

#[test]
fn a_message_that_fits_is_delivered_however_its_topic_is_written() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        // PUBLISH of `topic/a` and 50 bytes: 2 + 2 + 7 + 1 + 50.
        for alias in [None, Some(1)] {
            let wish = Wish {
                maximum_packet_size: Some(62),
                topic_alias_maximum: alias,
                ..PLAIN
            };
            let subscriber = world.connect("subscriber", wish);
            world.subscribe(subscriber, "topic/a", QoS::AtMostOnce);
            world.settle();
            for length in [50, 51, 10, 50, 54, 55] {
                let payload = "x".repeat(length);
                world.publish(publisher, "topic/a", &payload, QoS::AtMostOnce, 0);
            }
            world.settle();
            let payloads = world.payloads(subscriber);
            let lengths: Vec<usize> = payloads.iter().map(String::len).collect();
            // The short one teaches the alias, and what uses it is shorter by four.
            let expected: &[usize] = match alias {
                None => &[50, 10, 50],
                Some(_) => &[50, 10, 50, 54],
            };
            assert_eq!(lengths, expected, "[MQTT-3.1.2-25]");
        }
    });
}

#[test]
fn a_client_that_accepts_no_connack_is_refused() {
    in_worlds(|world| {
        let wish = Wish {
            maximum_packet_size: Some(6),
            ..PLAIN
        };
        let client = world.connect("client", wish);
        let refused = Seen::ConnAck {
            present: false,
            reason: ReasonCode::PacketTooLarge,
        };
        assert_eq!(world.seen(client), [refused]);
        assert!(world.is_closed(client));
    });
}

#[test]
fn a_subscriber_with_more_messages_than_it_takes_is_still_heard() {
    in_worlds(|world| {
        let (publisher, slow) = (world.connect("p", PLAIN), world.connect("slow", PLAIN));
        world.subscribe(slow, "t", QoS::AtMostOnce);
        world.settle();
        world.set_reading(slow, false);
        let payload = "x".repeat(1_000_000);
        for _ in 0..5 {
            world.publish(publisher, "t", &payload, QoS::AtMostOnce, 0);
            world.settle();
        }
        world.unsubscribe(slow, "t");
        world.settle();
        let left: u64 = world.engines.iter().map(|e| e.stats().subscriptions).sum();
        assert_eq!(left, 0, "UNSUBSCRIBE was handled");
    });
}

#[test]
fn answers_that_nobody_reads_pause_reading_and_stay_within_their_bound() {
    let limits = Limits {
        max_outbox_bytes: 1_000,
        max_packet_size: 1_000,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    let client = world.connect("client", PLAIN);
    world.seen(client);
    world.set_reading(client, false);
    let pings: Vec<u8> = [0xC0, 0].repeat(5_000);
    for part in pings.chunks(1_000) {
        world.send_bytes(client, part);
        world.settle();
    }
    assert!(world.engines[0].clients.outbox_total <= 3_000 + 2);
    world.set_reading(client, true);
    world.settle();
    assert_eq!(world.seen(client).len(), 5_000, "none is forgotten");
}

#[test]
fn answers_that_wait_for_another_shard_are_bounded_and_all_are_given() {
    let mut world = World::new(2, Limits::default());
    let (publisher, subscriber) = clients_on_two_shards(&mut world);
    world.subscribe(subscriber, "t", QoS::AtMostOnce);
    world.publish(publisher, "nobody", "x", QoS::ExactlyOnce, 1);
    world.settle();
    world.seen(publisher);
    world.publish(publisher, "t", "x", QoS::AtLeastOnce, 2);
    let repeats = OWED_ANSWERS_MAX + 1_000;
    for _ in 0..repeats {
        world.publish(publisher, "nobody", "x", QoS::ExactlyOnce, 1);
    }
    for _ in 0..100 {
        world.turn();
    }
    let engine = &world.engines[world.shard_of(publisher)];
    let owed = engine.clients.sessions.iter().map(|s| s.answers.len());
    assert_eq!(owed.max(), Some(OWED_ANSWERS_MAX));
    world.settle();
    assert_eq!(acknowledged(&world.seen(publisher), "PUBREC"), repeats);
}

#[test]
fn requests_for_shared_subscriptions_wait_for_credit_and_all_are_answered() {
    let mut world = World::new(2, Limits::default());
    let client = world.connect("client", PLAIN);
    let group = distant_group(&world, client);
    world.seen(client);
    let (length, requests) = (60_000, 300);
    let filter = format!("{group}/{}", "x".repeat(length));
    let filter = (0..)
        .map(|number| format!("{filter}{number}"))
        .find(|filter| {
            let engine = &world.engines[world.shard_of(client)];
            engine.homes.of_group(filter) != engine.shard
        })
        .expect("every shard is some group's home");
    for _ in 0..requests / 2 {
        world.subscribe(client, &filter, QoS::AtMostOnce);
        world.unsubscribe(client, &filter);
    }
    let shard = world.shard_of(client);
    let engine = &mut world.engines[shard];
    let (_, batch) = engine.next_peer_batch().expect("requests");
    let most = usize::try_from(LANE_CREDIT).expect("fits") / length + 1;
    assert!(batch.items.len() <= most, "{}", batch.items.len());
    let from = engine.shard;
    let now = world.now;
    world.engines[1 - from.index()].handle_peer(from, batch, now);
    world.settle();
    assert_eq!(world.seen(client).len(), requests);
}

#[test]
fn a_publisher_that_can_not_be_told_of_a_full_retained_store_is_served_without_it() {
    for (version, delivered) in [
        (ProtocolVersion::V3_1_1, true),
        (ProtocolVersion::V5, false),
    ] {
        for shards in SHARD_COUNTS {
            let limits = Limits {
                max_retained_messages: 0,
                ..Limits::default()
            };
            let mut world = World::new(shards, limits);
            let publisher = world.connect("publisher", Wish { version, ..PLAIN });
            let subscriber = world.connect("subscriber", PLAIN);
            world.subscribe(subscriber, "t", QoS::AtMostOnce);
            world.settle();
            world.publish_with(publisher, "t", "x", QoS::AtLeastOnce, 1, true);
            world.settle();
            assert_eq!(world.payloads(subscriber).len(), usize::from(delivered));
            let acks = acknowledged(&world.seen(publisher), "PUBACK");
            assert_eq!(acks, usize::from(delivered), "[MQTT-3.3.5-2]");
            assert!(
                world
                    .engines
                    .iter()
                    .all(|e| e.stats().retained_messages == 0)
            );
        }
    }
}

#[test]
fn messages_that_expire_in_a_full_queue_make_room_for_others() {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_queued_messages: 3,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        let (publisher, away) = (world.connect("p", PLAIN), world.connect("away", KEPT));
        world.subscribe(away, "t", QoS::AtLeastOnce);
        world.settle();
        world.lose(away);
        for payload in ["a", "b", "c"] {
            world.publish_expiring(publisher, "t", payload, 5);
        }
        world.settle();
        world.pass(6);
        for payload in ["d", "e", "f", "g"] {
            world.publish(publisher, "t", payload, QoS::AtLeastOnce, 1);
            world.settle();
        }
        let away = world.connect("away", KEPT);
        assert_eq!(world.payloads(away), ["d", "e", "f"], "[MQTT-3.3.2-5]");
        assert!(world.engines.iter().all(|e| e.clients.queued_total == 0));
    }
}

#[test]
fn those_who_never_read_neither_exceed_the_shards_total_nor_silence_the_others() {
    let limits = Limits {
        shard_outbox_bytes: 1_000_000,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    let publisher = world.connect("publisher", PLAIN);
    let wishes = [QoS::AtLeastOnce, QoS::AtMostOnce];
    let clients: Vec<_> = (0..40)
        .map(|number| {
            let client = world.connect(&format!("client-{number}"), PLAIN);
            world.subscribe(client, "t", wishes[number % 2]);
            world.settle();
            world.seen(client);
            world.set_reading(client, false);
            client
        })
        .collect();
    let payload = "x".repeat(100_000);
    for id in 1..=3 {
        world.publish(publisher, "t", &payload, QoS::AtLeastOnce, id);
        world.settle();
    }
    let total = world.engines[0].clients.outbox_total;
    assert!((1_000_000..1_200_000).contains(&total), "{total}");
    let dropped = world.engines[0].stats().dropped_outbox_full;
    assert!(dropped > 0, "QoS 0 is dropped and counted");
    // A client that reads is served meanwhile.
    let reader = world.connect("reader", PLAIN);
    world.subscribe(reader, "small", QoS::AtLeastOnce);
    world.publish(publisher, "small", "y", QoS::AtLeastOnce, 4);
    world.settle();
    assert_eq!(world.payloads(reader), ["y"]);
    for &client in &clients {
        world.set_reading(client, true);
    }
    world.settle();
    for client in clients.into_iter().step_by(2) {
        assert_eq!(world.payloads(client).len(), 3, "QoS 1 waits for room");
    }
    assert_eq!(world.engines[0].clients.outbox_total, 0);
}

#[test]
fn publications_that_match_very_many_filters_wait_for_the_next_pass_in_order() {
    let mut world = World::new(2, Limits::default());
    let (publisher, bomber) = clients_on_two_shards(&mut world);
    for number in 0..1 << 11 {
        let levels = (0..11).map(|level| if number >> level & 1 == 1 { "+" } else { "a" });
        let filter = levels.collect::<Vec<_>>().join("/");
        world.subscribe(bomber, &filter, QoS::AtMostOnce);
    }
    world.settle();
    world.payloads(bomber);
    let topic = ["a"; 11].join("/");
    let said: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for payload in &said {
        world.publish(publisher, &topic, payload, QoS::AtMostOnce, 0);
    }
    world.turn();
    world.carry();
    world.turn();
    let heard = world.payloads(bomber);
    assert!(!heard.is_empty() && heard.len() < 100, "{}", heard.len());
    world.settle();
    let rest = world.payloads(bomber);
    assert_eq!([heard, rest].concat(), said);
}

#[test]
fn one_publisher_of_very_many_deliveries_leaves_room_for_others() {
    let mut world = World::new(1, Limits::default());
    let (publisher, bomber) = (world.connect("p", PLAIN), world.connect("b", PLAIN));
    for number in 0..1 << 11 {
        let levels = (0..11).map(|level| if number >> level & 1 == 1 { "+" } else { "a" });
        let filter = levels.collect::<Vec<_>>().join("/");
        world.subscribe(bomber, &filter, QoS::AtMostOnce);
    }
    world.settle();
    world.payloads(bomber);
    let topic = ["a"; 11].join("/");
    let packet = [b"\x30\x19\0\x15", topic.as_bytes(), b"\0x"].concat();
    world.send_bytes(publisher, &packet.repeat(100));
    assert!(
        world.engines[0].stats().publishes_received < 50,
        "filters count"
    );
    world.settle();
    assert_eq!(world.payloads(bomber).len(), 100);
}
