//! What is bounded stays within its bound, and what is counted is counted right.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use super::in_worlds;
use super::world::{PLAIN, Seen, Wish, World};
use crate::engine::Limits;
use crate::protocol::{QoS, ReasonCode};

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
