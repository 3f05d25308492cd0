//! A large payload is kept once, whoever is owed it, and stays within the bounds.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use std::collections::BTreeSet;

use super::cuts::assert_accounts;
use super::world::{Client, KEPT, PLAIN, Wish, World};
use super::{SHARD_COUNTS, in_worlds};
use crate::engine::Limits;
use crate::engine::limits::REFER_FROM;
use crate::protocol::{Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS};

const WISHES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Where the large pieces of what a client is owed are in memory.
fn places(world: &World, client: Client) -> Vec<*const u8> {
    let outbox = &world.connection_of(client).outbox;
    outbox
        .pieces()
        .filter(|piece| piece.len() >= REFER_FROM)
        .map(<[u8]>::as_ptr)
        .collect()
}

fn subscribers(world: &mut World, count: usize, reads: bool) -> Vec<Client> {
    (0..count)
        .map(|number| {
            let version = [ProtocolVersion::V3_1_1, ProtocolVersion::V5][number / 3 % 2];
            let topic_alias_maximum = (number % 4 == 3).then_some(2);
            let wish = Wish {
                version,
                topic_alias_maximum: topic_alias_maximum.filter(|_| version.has_properties()),
                ..PLAIN
            };
            let client = world.connect(&format!("subscriber-{number}"), wish);
            world.subscribe(client, "t", WISHES[number % 3]);
            world.settle();
            world.seen(client);
            world.set_reading(client, reads);
            client
        })
        .collect()
}

#[test]
fn how_many_are_owed_a_large_payload_makes_no_copies_of_it() {
    for qos in WISHES {
        in_worlds(|world| {
            let publisher = world.connect("publisher", PLAIN);
            let clients = subscribers(world, 120, false);
            let payload = "x".repeat(REFER_FROM);
            let id = u16::from(qos > QoS::AtMostOnce);
            world.publish(publisher, "t", &payload, qos, id);
            world.settle();
            let places: Vec<_> = clients.iter().map(|&it| places(world, it)).collect();
            assert!(places.iter().all(|places| places.len() == 1));
            // The message itself, and on each shard whole packets for each version and
            // each QoS that was asked for.
            let copies: BTreeSet<_> = places.concat().into_iter().collect();
            assert!(copies.len() <= 1 + 6 * world.engines.len(), "{copies:?}");
            assert_accounts(world);
            for &client in &clients {
                world.set_reading(client, true);
            }
            world.settle();
            for &client in &clients {
                assert_eq!(world.payloads(client), [&*payload]);
            }
            let totals = world.engines.iter().map(|e| e.clients.outbox_total);
            assert_eq!(totals.sum::<usize>(), 0);
        });
    }
}

#[test]
fn what_is_the_smaller_part_of_its_message_does_not_keep_the_rest_of_it() {
    in_worlds(|world| {
        let publisher = world.connect(
            "publisher",
            Wish {
                version: ProtocolVersion::V5,
                ..PLAIN
            },
        );
        let clients = subscribers(world, 3, false);
        let (payload, content_type) = ("x".repeat(REFER_FROM), "y".repeat(REFER_FROM + 100));
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: PacketId::new(1),
            properties: PublishProperties {
                content_type: Some(&content_type),
                ..PublishProperties::default()
            },
            payload: payload.as_bytes(),
        };
        world.send(publisher, &Packet::Publish(publish));
        world.settle();
        // The second subscribed at QoS 1, with a version that is sent no properties.
        let outbox = &world.connection_of(clients[1]).outbox;
        assert_eq!(outbox.pieces().count(), 1, "copied behind its head");
        assert_accounts(world);
    });
}

#[test]
fn what_was_retained_or_queued_is_sent_from_where_it_is_kept() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let away = world.connect("away", KEPT);
        world.subscribe(away, "t", QoS::AtLeastOnce);
        world.settle();
        world.disconnect(away);
        world.settle();
        let payload = "x".repeat(REFER_FROM);
        world.publish_with(publisher, "t", &payload, QoS::AtLeastOnce, 1, true);
        world.settle();
        let newcomers = subscribers(world, 3, false);
        // Subscribing brought it at once; what is owed from now on is looked at.
        for &client in &newcomers {
            world.set_reading(client, false);
            world.subscribe(client, "t", QoS::AtLeastOnce);
        }
        let back = world.begin_connect("away", KEPT);
        world.set_reading(back, false);
        world.settle();
        let kept = places(world, back);
        assert_eq!(kept.len(), 1);
        for &client in &newcomers {
            assert_eq!(places(world, client), kept);
        }
    });
}

#[test]
fn those_who_read_slowly_hold_references_within_the_bounds() {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_outbox_bytes: 3 * REFER_FROM,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        let publisher = world.connect("publisher", PLAIN);
        let clients = subscribers(&mut world, 6, false);
        for number in 1..=10 {
            let payload = format!("{number}").repeat(REFER_FROM);
            world.publish(publisher, "t", &payload, QoS::AtLeastOnce, number);
            world.settle();
            for &client in &clients {
                // Heads come to less than that.
                assert!(world.connection_of(client).outbox.len() < 4 * REFER_FROM);
                world.read_some(client, 1_000);
            }
            assert_accounts(&world);
        }
        // What is half read counts whole.
        let outbox = &world.connection_of(clients[0]).outbox;
        let read = outbox.held() - outbox.len();
        assert!((9_900..=10_000).contains(&read), "all but its head: {read}");
        for &client in &clients {
            world.set_reading(client, true);
        }
        world.settle();
        let dropped = world.engines.iter().map(|e| e.stats().dropped_outbox_full);
        assert!(dropped.sum::<u64>() > 0, "QoS 0 is dropped and counted");
        for (number, &client) in clients.iter().enumerate() {
            let count = world.payloads(client).len();
            if WISHES[number % 3] > QoS::AtMostOnce {
                assert_eq!(count, 10, "QoS 1 and 2 wait in the queue");
            } else {
                assert!((3..10).contains(&count), "{count}");
            }
        }
    }
}
