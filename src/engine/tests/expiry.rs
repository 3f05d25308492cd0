//! A message that has expired goes to nobody, wherever it was when it did.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use super::clients_on_two_shards;
use super::sessions::distant_group;
use super::world::{Client, World};
use crate::engine::Limits;
use crate::protocol::{Packet, PacketId, Publish, PublishProperties, QoS};

fn publish_for_a_second(world: &mut World, client: Client, topic: &str) {
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic,
        packet_id: PacketId::new(5),
        properties: PublishProperties {
            message_expiry_interval: Some(1),
            ..PublishProperties::default()
        },
        payload: b"x",
    };
    world.send(client, &Packet::Publish(publish));
}

fn dropped_expired(world: &World) -> u64 {
    world
        .engines
        .iter()
        .map(|e| e.stats().dropped_expired)
        .sum()
}

#[test]
fn a_message_that_expires_between_shards_is_dropped_and_counted() {
    let mut world = World::new(2, Limits::default());
    let (publisher, subscriber) = clients_on_two_shards(&mut world);
    world.subscribe(subscriber, "t", QoS::AtLeastOnce);
    world.settle();
    world.seen(subscriber);
    publish_for_a_second(&mut world, publisher, "t");
    world.turn();
    world.now = world.now.plus_seconds(2);
    world.settle();
    assert_eq!(world.seen(subscriber), [], "[MQTT-3.3.2-5]");
    assert_eq!(dropped_expired(&world), 1);
}

#[test]
fn a_message_that_expires_on_its_way_to_a_groups_member_is_dropped_and_counted() {
    let mut world = World::new(2, Limits::default());
    let (member, publisher) = clients_on_two_shards(&mut world);
    let group = distant_group(&world, member);
    world.subscribe(member, &group, QoS::AtLeastOnce);
    world.settle();
    world.seen(member);
    publish_for_a_second(&mut world, publisher, "shared");
    world.turn();
    world.now = world.now.plus_seconds(2);
    world.settle();
    assert_eq!(world.seen(member), [], "[MQTT-3.3.2-5]");
    assert_eq!(dropped_expired(&world), 1);
}
