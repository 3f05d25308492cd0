//! Messages that hooks alter, among others that they leave as they are.
//!
//! Owns nothing; the worlds are those of `world`, the opinions those of `rules`. Pure.

use super::SHARD_COUNTS;
use super::rules::Rules;
use super::world::{PLAIN, Seen, World};
use crate::engine::Limits;
use crate::hooks::Phases;
use crate::protocol::{Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS};

/// PUBLISH packets with their place as payload, as one receive brings them.
fn together(topics: &[&str], qos: QoS) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (place, topic) in (1..).zip(topics) {
        let payload = place.to_string();
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_id: PacketId::new(place).filter(|_| qos > QoS::AtMostOnce),
            properties: PublishProperties::default(),
            payload: payload.as_bytes(),
        };
        Packet::Publish(publish)
            .encode(ProtocolVersion::V5, &mut bytes)
            .expect("a valid packet");
    }
    bytes
}

#[test]
fn altered_messages_keep_their_place_among_the_others() {
    for (shards, qos) in SHARD_COUNTS
        .iter()
        .flat_map(|shards| [QoS::AtMostOnce, QoS::AtLeastOnce].map(|qos| (*shards, qos)))
    {
        let rules = Rules::new(Phases::PUBLISH);
        let mut world = World::with_rules(shards, Limits::default(), rules.chain(), Some(true));
        let subscribers = ["one", "two", "three", "four"].map(|name| {
            let subscriber = world.connect(name, PLAIN);
            world.subscribe(subscriber, "#", QoS::AtLeastOnce);
            world.settle();
            world.seen(subscriber);
            subscriber
        });
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        let topics = [
            "rewrite",
            "rewrite",
            "rewritten",
            "rewrite",
            "fine",
            "rewrite",
            "drop",
            "rewrite",
            "rewrite",
        ];
        world.send_bytes(publisher, &together(&topics, qos));
        world.settle();
        let expected = [
            ("rewritten", "1!"),
            ("rewritten", "2!"),
            ("rewritten", "3"),
            ("rewritten", "4!"),
            ("fine", "5"),
            ("rewritten", "6!"),
            ("rewritten", "8!"),
            ("rewritten", "9!"),
        ];
        for subscriber in subscribers {
            let seen: Vec<(String, String)> = world
                .seen(subscriber)
                .into_iter()
                .filter_map(|seen| match seen {
                    Seen::Publish { topic, payload, .. } => Some((topic, payload)),
                    _ => None,
                })
                .collect();
            let seen: Vec<_> = seen.iter().map(|(t, p)| (&**t, &**p)).collect();
            assert_eq!(seen, expected, "{shards} {qos:?}");
        }
        let acknowledged = if qos == QoS::AtMostOnce {
            0
        } else {
            topics.len()
        };
        assert_eq!(world.seen(publisher).len(), acknowledged);
    }
}
