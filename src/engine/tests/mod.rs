//! The engine's promises, tried with one shard and with several in one thread.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at one kind of packet and passes over all others"
)]

mod alterations;
mod bounds;
mod cuts;
mod expiry;
mod groups;
mod hooks;
mod hooks_cost;
mod large_payloads;
mod multitudes;
mod newcomers;
mod questions;
mod replays;
mod rules;
mod schedules;
mod sessions;
mod world;

use world::{Client, KEPT, PLAIN, Seen, Wish, World};

use super::limits::LANE_CREDIT;
use super::{Limits, StopPhase};
use crate::protocol::{Packet, ProtocolVersion, QoS, ReasonCode};

const SHARD_COUNTS: [u16; 3] = [1, 2, 4];

fn in_worlds(test: impl Fn(&mut World)) {
    for shards in SHARD_COUNTS {
        test(&mut World::new(shards, Limits::default()));
    }
}

fn acknowledged(seen: &[Seen], kind: &str) -> usize {
    seen.iter()
        .filter(|seen| matches!(seen, Seen::Ack(k, _, ReasonCode::Success) if *k == kind))
        .count()
}

#[test]
fn every_subscriber_gets_a_message_once_at_the_lower_qos() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let wishes = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let subscribers: Vec<Client> = (0..12)
            .map(|n| {
                let client = world.connect(&format!("subscriber-{n}"), PLAIN);
                world.subscribe(client, "a/+", wishes[n % 3]);
                world.settle();
                world.seen(client);
                client
            })
            .collect();
        world.publish(publisher, "a/b", "x", QoS::AtLeastOnce, 5);
        world.settle();
        for (n, client) in subscribers.into_iter().enumerate() {
            let qos = u8::try_from(n % 3).expect("small").min(1);
            let seen = world.seen(client);
            assert!(
                matches!(&seen[..], [Seen::Publish { qos: q, payload, .. }] if *q == qos && payload == "x"),
                "{seen:?}"
            );
        }
        assert_eq!(acknowledged(&world.seen(publisher), "PUBACK"), 1);
    });
}

#[test]
fn an_acknowledgement_waits_until_every_interested_shard_has_the_message() {
    let mut world = World::new(2, Limits::default());
    let (publisher, subscriber) = clients_on_two_shards(&mut world);
    world.subscribe(subscriber, "t", QoS::AtLeastOnce);
    world.settle();
    world.publish(publisher, "t", "x", QoS::AtLeastOnce, 1);
    world.seen(publisher);
    world.turn();
    assert_eq!(
        acknowledged(&world.seen(publisher), "PUBACK"),
        0,
        "nobody has it yet"
    );
    world.carry();
    world.turn();
    assert_eq!(world.payloads(subscriber), ["x"]);
    world.settle();
    assert_eq!(acknowledged(&world.seen(publisher), "PUBACK"), 1);
}

/// Two clients whose homes differ.
fn clients_on_two_shards(world: &mut World) -> (Client, Client) {
    let first = world.connect("client", PLAIN);
    let count = |world: &World| {
        world
            .engines
            .iter()
            .map(|e| e.stats().sessions)
            .collect::<Vec<_>>()
    };
    let mut number = 0;
    loop {
        let before = count(world);
        let second = world.connect(&format!("other-{number}"), PLAIN);
        let home = count(world).iter().zip(&before).position(|(a, b)| a > b);
        let firsts = before.iter().position(|&sessions| sessions == 1);
        if home != firsts {
            return (first, second);
        }
        world.disconnect(second);
        number += 1;
    }
}

#[test]
fn messages_for_an_absent_client_are_kept_in_order_and_resent_with_dup() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let subscriber = world.connect("subscriber", KEPT);
        world.subscribe(subscriber, "t", QoS::ExactlyOnce);
        world.settle();
        world.publish(publisher, "t", "sent", QoS::AtLeastOnce, 1);
        world.settle();
        world.lose(subscriber);
        for (id, payload) in [(2, "a"), (3, "b")] {
            world.publish(publisher, "t", payload, QoS::ExactlyOnce, id);
            world.settle();
        }
        let subscriber = world.connect("subscriber", KEPT);
        let seen = world.seen(subscriber);
        assert_eq!(
            seen[0],
            Seen::ConnAck {
                present: true,
                reason: ReasonCode::Success
            }
        );
        let rest: Vec<_> = seen[1..]
            .iter()
            .map(|seen| match seen {
                Seen::Publish { payload, dup, .. } => (payload.as_str(), *dup),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(rest, [("sent", true), ("a", false), ("b", false)]);
    });
}

#[test]
fn a_clean_start_ends_the_session_before_it() {
    in_worlds(|world| {
        let subscriber = world.connect("subscriber", KEPT);
        world.subscribe(subscriber, "t", QoS::AtLeastOnce);
        world.settle();
        world.lose(subscriber);
        let again = world.connect(
            "subscriber",
            Wish {
                clean: true,
                ..KEPT
            },
        );
        let publisher = world.connect("publisher", PLAIN);
        world.publish(publisher, "t", "x", QoS::AtLeastOnce, 1);
        world.settle();
        let seen = world.seen(again);
        assert_eq!(
            seen,
            [Seen::ConnAck {
                present: false,
                reason: ReasonCode::Success
            }]
        );
        let left: u64 = world
            .engines
            .iter()
            .map(|engine| engine.stats().subscriptions)
            .sum();
        assert_eq!(left, 0);
    });
}

#[test]
fn a_qos_2_message_that_comes_twice_is_published_once() {
    in_worlds(|world| {
        let (publisher, subscriber) = (world.connect("p", PLAIN), world.connect("s", PLAIN));
        world.subscribe(subscriber, "t", QoS::AtLeastOnce);
        world.settle();
        world.seen(publisher);
        for _ in 0..2 {
            world.publish(publisher, "t", "x", QoS::ExactlyOnce, 9);
        }
        world.settle();
        world.publish(publisher, "t", "x", QoS::ExactlyOnce, 9);
        world.settle();
        assert_eq!(world.payloads(subscriber), ["x"]);
        world.acknowledge(publisher, Packet::PubRel, 9);
        world.publish(publisher, "t", "y", QoS::ExactlyOnce, 9);
        world.settle();
        assert_eq!(world.payloads(subscriber), ["y"]);
        assert_eq!(acknowledged(&world.seen(publisher), "PUBCOMP"), 1);
    });
}

#[test]
fn a_takeover_closes_the_earlier_connection_and_publishes_a_will_without_delay() {
    in_worlds(|world| {
        let watcher = world.connect("watcher", PLAIN);
        world.subscribe(watcher, "will/#", QoS::AtMostOnce);
        world.settle();
        for (delay, expected) in [(0, vec!["gone"]), (5, vec![])] {
            let wish = Wish {
                will: Some(("will/x", "gone", delay)),
                ..KEPT
            };
            let first = world.connect("client", wish);
            let second = world.connect("client", KEPT);
            assert!(world.is_closed(first) && !world.is_closed(second));
            let seen = world.seen(first);
            assert_eq!(
                seen.last(),
                Some(&Seen::Disconnect(ReasonCode::SessionTakenOver))
            );
            world.pass(10);
            assert_eq!(world.payloads(watcher), expected, "will delay {delay}");
        }
    });
}

#[test]
fn a_will_is_sent_after_its_delay_or_with_the_sessions_end_but_not_after_disconnect() {
    in_worlds(|world| {
        let watcher = world.connect("watcher", PLAIN);
        world.subscribe(watcher, "w", QoS::AtMostOnce);
        world.settle();
        let client = world.connect(
            "a",
            Wish {
                will: Some(("w", "late", 20)),
                ..KEPT
            },
        );
        world.lose(client);
        world.pass(19);
        assert!(world.payloads(watcher).is_empty());
        world.pass(2);
        assert_eq!(world.payloads(watcher), ["late"]);
        let brief = Wish {
            expiry: Some(3),
            will: Some(("w", "with the session", 20)),
            ..KEPT
        };
        let client = world.connect("b", brief);
        world.lose(client);
        world.pass(4);
        assert_eq!(world.payloads(watcher), ["with the session"]);
        let client = world.connect(
            "c",
            Wish {
                will: Some(("w", "never", 0)),
                ..PLAIN
            },
        );
        world.disconnect(client);
        world.pass(60);
        assert!(world.payloads(watcher).is_empty(), "[MQTT-3.14.4-3]");
    });
}

#[test]
fn silence_beyond_the_keep_alive_ends_the_connection_and_traffic_prolongs_it() {
    in_worlds(|world| {
        let client = world.connect(
            "client",
            Wish {
                keep_alive: 10,
                ..PLAIN
            },
        );
        world.pass(14);
        assert!(!world.is_closed(client));
        world.send(client, &Packet::PingReq);
        world.settle();
        world.pass(14);
        assert!(!world.is_closed(client));
        world.pass(2);
        assert!(world.is_closed(client), "[MQTT-3.1.2-22]");
        let silent = world.open(0, ProtocolVersion::V5);
        world.pass(11);
        assert!(world.is_closed(silent), "CONNECT is late");
    });
}

#[test]
fn a_new_subscriber_sees_every_retained_message_once_however_many() {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_outbox_bytes: 1_000,
            ..Limits::default()
        };
        let world = &mut World::new(shards, limits);
        let publisher = world.connect("publisher", PLAIN);
        for number in 0..3_000 {
            let topic = format!("r/{number}");
            world.publish_with(publisher, &topic, "kept", QoS::AtMostOnce, 0, true);
        }
        world.publish_with(publisher, "r/7", "", QoS::AtMostOnce, 0, true);
        world.settle();
        let subscriber = world.connect("subscriber", PLAIN);
        world.set_reading(subscriber, false);
        world.subscribe(subscriber, "#", QoS::AtLeastOnce);
        world.turn();
        // While the subscriber is still being answered, a retained topic changes.
        world.publish_with(publisher, "r/2999", "live", QoS::AtLeastOnce, 1, true);
        world.settle();
        world.set_reading(subscriber, true);
        world.settle();
        let payloads = world.payloads(subscriber);
        assert_eq!(payloads.len(), 2_999);
        assert_eq!(
            payloads.iter().filter(|payload| *payload == "live").count(),
            1
        );
    }
}

#[test]
fn each_message_of_a_shared_subscription_goes_to_one_member_on_whatever_shard() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let members: Vec<Client> = (0..5)
            .map(|n| {
                let client = world.connect(&format!("member-{n}"), PLAIN);
                world.subscribe(client, "$share/g/t/#", QoS::AtLeastOnce);
                world.settle();
                client
            })
            .collect();
        for id in 1..=20 {
            world.publish(publisher, "t/x", &id.to_string(), QoS::AtLeastOnce, id);
        }
        world.settle();
        let each: Vec<usize> = members
            .iter()
            .map(|&member| world.payloads(member).len())
            .collect();
        assert_eq!(each, [4; 5]);
        let seen = world.seen(publisher);
        assert_eq!(acknowledged(&seen, "PUBACK"), 20, "{seen:?}");
    });
}

#[test]
fn a_member_that_ends_gives_unacknowledged_qos_1_to_another_but_never_qos_2_once_sent() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let first = world.connect("first", PLAIN);
        world.subscribe(first, "$share/g/t", QoS::ExactlyOnce);
        world.settle();
        world.publish(publisher, "t", "one", QoS::AtLeastOnce, 1);
        world.publish(publisher, "t", "two", QoS::ExactlyOnce, 2);
        world.settle();
        assert_eq!(world.payloads(first), ["one", "two"]);
        let second = world.connect("second", PLAIN);
        world.subscribe(second, "$share/g/t", QoS::ExactlyOnce);
        world.settle();
        world.lose(first);
        assert_eq!(world.payloads(second), ["one"], "[MQTT-4.8.2-4, -5]");
    });
}

#[test]
fn a_subscriber_that_never_reads_neither_stops_the_others_nor_grows_beyond_its_bound() {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            max_outbox_bytes: 10_000,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        let publisher = world.connect("publisher", PLAIN);
        let (slow, fast) = (world.connect("slow", PLAIN), world.connect("fast", PLAIN));
        for client in [slow, fast] {
            world.subscribe(client, "t", QoS::AtMostOnce);
            world.settle();
            world.seen(client);
        }
        world.set_reading(slow, false);
        let payload = "x".repeat(100);
        for _ in 0..500 {
            world.publish(publisher, "t", &payload, QoS::AtMostOnce, 0);
            world.settle();
        }
        assert_eq!(world.payloads(fast).len(), 500);
        world.set_reading(slow, true);
        world.settle();
        let got = world.payloads(slow).len();
        assert!((90..=100).contains(&got), "{got}");
        let dropped: u64 = world
            .engines
            .iter()
            .map(|engine| engine.stats().dropped_outbox_full)
            .sum();
        assert_eq!(dropped, 500 - got as u64);
    }
}

#[test]
fn two_shards_that_fill_each_others_lanes_lose_nothing_and_come_through() {
    let mut world = World::new(
        2,
        Limits {
            max_inflight: 0,
            ..Limits::default()
        },
    );
    let (left, right) = clients_on_two_shards(&mut world);
    world.subscribe(left, "to/left", QoS::AtLeastOnce);
    world.subscribe(right, "to/right", QoS::AtLeastOnce);
    world.settle();
    let payload = "x".repeat(1_000_000);
    let rounds = u16::try_from(3 * LANE_CREDIT / 1_000_000).expect("few");
    for id in 1..=rounds {
        world.publish(left, "to/right", &payload, QoS::AtLeastOnce, id);
        world.publish(right, "to/left", &payload, QoS::AtLeastOnce, id);
    }
    let paused: u64 = world
        .engines
        .iter()
        .map(|e| e.stats().paused_publishers)
        .sum();
    assert!(paused > 0, "the lanes were full");
    world.settle();
    for client in [left, right] {
        let seen = world.seen(client);
        let messages = seen
            .iter()
            .filter(|s| matches!(s, Seen::Publish { .. }))
            .count();
        assert_eq!(messages, usize::from(rounds));
        assert_eq!(acknowledged(&seen, "PUBACK"), usize::from(rounds));
    }
}

#[test]
fn packets_that_arrive_byte_by_byte_mean_the_same() {
    in_worlds(|world| {
        let subscriber = world.connect("subscriber", PLAIN);
        world.subscribe(subscriber, "t", QoS::AtMostOnce);
        world.settle();
        let publisher = world.connect("publisher", PLAIN);
        let mut bytes = Vec::new();
        for payload in ["a", "b", "c"] {
            bytes.extend_from_slice(&[0x30, 5, 0, 1, b't', 0]);
            bytes.extend_from_slice(payload.as_bytes());
        }
        for byte in bytes {
            world.send_bytes(publisher, &[byte]);
        }
        world.settle();
        assert_eq!(world.payloads(subscriber), ["a", "b", "c"]);
    });
}

#[test]
fn a_stop_delivers_what_was_accepted_and_tells_every_client() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        let subscriber = world.connect(
            "subscriber",
            Wish {
                receive_maximum: Some(1),
                ..PLAIN
            },
        );
        world.subscribe(subscriber, "t", QoS::AtLeastOnce);
        world.settle();
        for id in 1..=3 {
            world.publish(publisher, "t", &id.to_string(), QoS::AtLeastOnce, id);
        }
        world.settle();
        world.stop(StopPhase::StopReading);
        world.publish(publisher, "t", "too late", QoS::AtLeastOnce, 4);
        let mut payloads = Vec::new();
        while !world.engines.iter().all(super::Engine::is_quiet) {
            world.settle();
            for seen in world.seen(subscriber) {
                if let Seen::Publish { payload, id, .. } = seen {
                    payloads.push(payload);
                    world.acknowledge(subscriber, Packet::PubAck, id);
                }
            }
        }
        assert_eq!(payloads, ["1", "2", "3"]);
        world.stop(StopPhase::Disconnect);
        world.settle();
        assert!(world.is_closed(publisher) && world.is_closed(subscriber));
        let last = world.seen(publisher).pop();
        assert_eq!(last, Some(Seen::Disconnect(ReasonCode::ServerShuttingDown)));
    });
}
