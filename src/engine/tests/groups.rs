//! Members of a shared group that may not have every message of it.
//!
//! Owns nothing; the worlds are those of `world`, the opinions those of `rules`. Pure.

use super::SHARD_COUNTS;
use super::rules::Rules;
use super::world::{Client, KEPT, PLAIN, Seen, World};
use crate::engine::{Limits, Stats};
use crate::hooks::Phases;
use crate::protocol::{QoS, ReasonCode};

const MEMBERS: usize = 5;

fn in_groups(limits: &Limits, test: impl Fn(&mut World, &Rules, &mut [Client], Client)) {
    let deliver = [
        Phases::DELIVER | Phases::DROPPED,
        Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED | Phases::DROPPED,
    ];
    for (shards, phases) in SHARD_COUNTS.iter().flat_map(|s| deliver.map(|p| (*s, p))) {
        let rules = Rules::new(phases);
        let mut world = World::with_rules(shards, limits.clone(), rules.chain(), Some(true));
        let mut members: Vec<Client> = (0..MEMBERS)
            .map(|number| {
                let member = world.connect(&format!("m{number}"), KEPT);
                world.subscribe(member, "$share/g/filtered/#", QoS::ExactlyOnce);
                world.settle();
                world.seen(member);
                member
            })
            .collect();
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        test(&mut world, &rules, &mut members, publisher);
    }
}

fn count(world: &World, counter: impl Fn(&Stats) -> u64) -> u64 {
    world.engines.iter().map(|e| counter(&e.stats())).sum()
}

fn drops(rules: &Rules) -> usize {
    let told = rules.told();
    told.iter().filter(|it| it.starts_with("dropped")).count()
}

#[test]
fn a_message_finds_the_one_member_that_may_have_it() {
    in_groups(&Limits::default(), |world, rules, members, publisher| {
        for round in 0..3 * MEMBERS {
            let (whom, qos) = (round % MEMBERS, QOS[round % 3]);
            let id = if qos == QoS::AtMostOnce { 0 } else { 9 };
            world.publish(publisher, &format!("filtered/for-m{whom}"), "x", qos, id);
            world.settle();
            for (place, member) in members.iter().enumerate() {
                let expected: &[&str] = if place == whom { &["x"] } else { &[] };
                let seen = world.seen(*member);
                let payloads: Vec<_> = seen.iter().filter_map(payload).collect();
                assert_eq!(payloads, expected, "m{place} of m{whom}");
                finish(world, *member, &seen);
            }
            let answer = match qos {
                QoS::AtMostOnce => vec![],
                QoS::AtLeastOnce => vec![Seen::Ack("PUBACK", 9, ReasonCode::Success)],
                QoS::ExactlyOnce => vec![Seen::Ack("PUBREC", 9, ReasonCode::Success)],
            };
            assert_eq!(world.seen(publisher), answer);
            release(world, publisher, qos);
        }
        assert_eq!(count(world, |stats| stats.denied_deliveries), 0);
        assert_eq!(drops(rules), 0, "nothing is dropped");
    });
}

#[test]
fn a_message_that_no_member_may_have_is_dropped_and_counted_once() {
    in_groups(&Limits::default(), |world, rules, members, publisher| {
        for id in 1..=4 {
            world.publish(publisher, "filtered/secret", "x", QoS::AtLeastOnce, id);
        }
        world.publish(publisher, "filtered/for-nobody", "x", QoS::AtMostOnce, 0);
        world.settle();
        assert_eq!(world.seen(publisher).len(), 4, "acknowledged all the same");
        for member in members {
            assert!(world.seen(*member).is_empty());
        }
        assert_eq!(count(world, |stats| stats.denied_deliveries), 5);
        assert_eq!(count(world, |stats| stats.dropped_no_member), 0);
        assert_eq!(drops(rules), 5, "hooks are told of each");
    });
}

#[test]
fn who_may_have_it_and_is_away_gets_it_before_who_is_there_and_may_not() {
    in_groups(&Limits::default(), |world, _, members, publisher| {
        world.lose(members[3]);
        for _ in 0..MEMBERS {
            world.publish(publisher, "filtered/for-m3", "x", QoS::AtLeastOnce, 9);
            world.settle();
        }
        // Whoever is there comes first, though.
        world.publish(publisher, "filtered/open", "open", QoS::AtLeastOnce, 10);
        world.settle();
        let back = world.connect("m3", KEPT);
        assert_eq!(world.payloads(back), ["x"; MEMBERS]);
        assert_eq!(count(world, |stats| stats.denied_deliveries), 0);
    });
}

#[test]
fn what_is_given_back_when_a_session_ends_goes_to_a_member_that_may_have_it() {
    in_groups(&Limits::default(), |world, rules, members, publisher| {
        // Delivered and not acknowledged, to each of them in turn; the first then ends.
        world.publish(publisher, "filtered/for-m0", "one", QoS::AtLeastOnce, 1);
        world.publish(publisher, "filtered/for-m0", "two", QoS::ExactlyOnce, 2);
        world.settle();
        assert_eq!(world.payloads(members[0]), ["one", "two"]);
        world.disconnect_with(members[0], 0);
        for member in &members[1..] {
            assert!(world.seen(*member).is_empty(), "nobody else may have it");
        }
        // At QoS 2 it had its one chance [MQTT-4.8.2-5].
        assert_eq!(count(world, |stats| stats.denied_deliveries), 1);
        assert_eq!(drops(rules), 1);
    });
}

#[test]
fn what_waited_for_a_member_that_may_not_have_it_any_more_goes_to_one_that_may() {
    // Its subscription is granted whole, so that nothing is judged before it comes back.
    let phases = Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED;
    for shards in SHARD_COUNTS {
        let rules = Rules::new(phases);
        let mut world = World::with_rules(shards, Limits::default(), rules.chain(), Some(true));
        let publisher = world.connect("publisher", PLAIN);
        let first = world.connect("m0", KEPT);
        world.subscribe(first, "$share/g/t/#", QoS::ExactlyOnce);
        world.settle();
        for (topic, qos, id) in [
            ("t/for-m1", QoS::AtLeastOnce, 1),
            ("t/for-m1", QoS::ExactlyOnce, 2),
        ] {
            world.publish(publisher, topic, "sent", qos, id);
        }
        world.settle();
        world.lose(first);
        for id in 3..=4 {
            world.publish(publisher, "t/for-m1", "queued", QoS::ExactlyOnce, id);
        }
        world.settle();
        let second = world.connect("m1", KEPT);
        world.subscribe(second, "$share/g/t/#", QoS::ExactlyOnce);
        world.settle();
        world.seen(second);
        world.engines[0].chain.reload().expect("nothing to fail");
        for engine in &mut world.engines {
            engine.handle_reload();
        }
        let back = world.connect("m0", KEPT);
        assert!(world.payloads(back).is_empty());
        let mut got = world.payloads(second);
        got.sort_unstable();
        assert_eq!(got, ["queued", "queued", "sent"]);
        // At QoS 2 it had its one chance [MQTT-4.8.2-5].
        assert_eq!(count(&world, |stats| stats.denied_deliveries), 1);
        assert!(world.engines.iter().all(crate::engine::Engine::is_quiet));
    }
}

#[test]
fn full_lanes_delay_what_goes_round_and_lose_nothing() {
    let limits = Limits {
        lane_credit: 1,
        ..Limits::default()
    };
    in_groups(&limits, |world, _, members, publisher| {
        let other = world.connect("other", PLAIN);
        world.seen(other);
        for id in 1..=40_u16 {
            let whom = usize::from(id) % MEMBERS;
            let topic = format!("filtered/for-m{whom}");
            world.publish(publisher, &topic, "x", QoS::AtLeastOnce, id);
            world.publish(other, &topic, "x", QoS::AtLeastOnce, id);
        }
        world.settle();
        let acknowledged = world.seen(publisher).len() + world.seen(other).len();
        assert_eq!(acknowledged, 80);
        for member in members {
            assert_eq!(world.payloads(*member).len(), 16);
        }
        assert!(world.engines.iter().all(crate::engine::Engine::is_quiet));
    });
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn payload(seen: &Seen) -> Option<&str> {
    match seen {
        Seen::Publish { payload, .. } => Some(payload),
        _ => None,
    }
}

/// Acknowledges what has arrived, to its end.
fn finish(world: &mut World, member: Client, seen: &[Seen]) {
    use crate::protocol::Packet;
    for seen in seen {
        if let Seen::Publish { qos, id, .. } = seen {
            match qos {
                1 => world.acknowledge(member, Packet::PubAck, *id),
                2 => {
                    world.acknowledge(member, Packet::PubRec, *id);
                    world.acknowledge(member, Packet::PubComp, *id);
                }
                _ => {}
            }
        }
    }
    world.settle();
    world.seen(member);
}

fn release(world: &mut World, publisher: Client, qos: QoS) {
    if qos == QoS::ExactlyOnce {
        world.acknowledge(publisher, crate::protocol::Packet::PubRel, 9);
        world.settle();
        world.seen(publisher);
    }
}
