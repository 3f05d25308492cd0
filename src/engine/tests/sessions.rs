//! What a session keeps and forgets when its connections come and go.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use super::world::{Client, KEPT, PLAIN, Seen, Wish, World};
use super::{acknowledged, clients_on_two_shards, in_worlds};
use crate::engine::{Limits, StopPhase};
use crate::protocol::{Connect, ConnectProperties, Packet, ProtocolVersion, QoS, ReasonCode};

/// A shared subscription whose group lives on another shard than its client.
pub(super) fn distant_group(world: &World, client: Client) -> String {
    let engine = &world.engines[world.shard_of(client)];
    (0..)
        .map(|number| format!("$share/g{number}/shared"))
        .find(|group| engine.homes.of_group(group) != engine.shard)
        .expect("every shard is some group's home")
}

#[test]
fn a_puback_owed_to_a_lost_connection_never_answers_a_message_of_the_next() {
    let mut world = World::new(2, Limits::default());
    let (other, subscriber) = clients_on_two_shards(&mut world);
    world.disconnect(other);
    let publisher = world.connect("client", KEPT);
    world.subscribe(subscriber, "t", QoS::AtLeastOnce);
    world.settle();
    world.publish(publisher, "t", "x", QoS::AtLeastOnce, 5);
    world.cut(publisher);
    let publisher = world.connect("client", KEPT);
    let seen = world.seen(publisher);
    assert!(
        matches!(&seen[..], [Seen::ConnAck { present: true, .. }]),
        "{seen:?}"
    );
    world.publish(publisher, "t", "x", QoS::AtLeastOnce, 5);
    world.settle();
    assert_eq!(acknowledged(&world.seen(publisher), "PUBACK"), 1);
}

#[test]
fn a_pubrec_that_waited_behind_an_answer_of_a_lost_connection_is_given_to_the_next() {
    for takeover in [false, true] {
        let mut world = World::new(2, Limits::default());
        let client = world.connect("client", KEPT);
        let group = distant_group(&world, client);
        world.subscribe(client, &group, QoS::AtLeastOnce);
        world.publish(client, "nobody/listens", "x", QoS::ExactlyOnce, 9);
        world.seen(client);
        if !takeover {
            world.cut(client);
        }
        let client = world.connect("client", KEPT);
        world.publish(client, "nobody/listens", "x", QoS::ExactlyOnce, 9);
        world.settle();
        let seen = world.seen(client);
        assert_eq!(acknowledged(&seen, "PUBREC"), 1, "{seen:?}");
    }
}

#[test]
fn open_qos_2_messages_of_an_earlier_connection_do_not_exhaust_the_receive_maximum() {
    for shards in super::SHARD_COUNTS {
        let limits = Limits {
            receive_maximum: 2,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        let client = world.connect("client", KEPT);
        for id in [1, 2] {
            world.publish(client, "t", "x", QoS::ExactlyOnce, id);
        }
        world.settle();
        world.lose(client);
        let client = world.connect("client", KEPT);
        for id in [3, 4] {
            world.publish(client, "t", "x", QoS::ExactlyOnce, id);
        }
        world.settle();
        assert_eq!(acknowledged(&world.seen(client), "PUBREC"), 2);
        world.publish(client, "t", "x", QoS::ExactlyOnce, 5);
        world.settle();
        let last = world.seen(client).pop();
        let expected = Seen::Disconnect(ReasonCode::ReceiveMaximumExceeded);
        assert_eq!(last, Some(expected), "[MQTT-3.3.4-9]");
    }
}

#[test]
fn an_unsubscribe_repeated_on_another_connection_waits_for_the_first_one() {
    let mut world = World::new(2, Limits::default());
    let member = world.connect("client", KEPT);
    let group = distant_group(&world, member);
    world.subscribe(member, &group, QoS::AtMostOnce);
    world.settle();
    let home = world.shard_of(member);
    world.unsubscribe(member, &group);
    world.cut(member);
    let member = world.open(home, KEPT.version);
    let connect = Connect {
        version: KEPT.version,
        clean_start: false,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id: "client",
        will: None,
        username: None,
        password: None,
    };
    world.send(member, &Packet::Connect(connect));
    world.unsubscribe(member, &group);
    world.turn();
    let is_answer = |seen: &Seen| matches!(seen, Seen::UnsubAck(..));
    assert!(
        !world.seen(member).iter().any(is_answer),
        "the group does not know of it yet"
    );
    world.settle();
    assert!(world.seen(member).iter().any(is_answer));
}

#[test]
fn nothing_of_a_shared_subscription_comes_after_its_unsuback() {
    let mut world = World::new(2, Limits::default());
    let (first, second) = clients_on_two_shards(&mut world);
    for (member, publisher) in [(first, second), (second, first)] {
        let group = distant_group(&world, member);
        world.subscribe(member, &group, QoS::AtMostOnce);
        world.settle();
        world.seen(member);
        // The group's shard chooses the member and, in the same turn, lets it go.
        world.unsubscribe(member, &group);
        world.turn();
        world.publish(publisher, "shared", "x", QoS::AtMostOnce, 0);
        world.carry();
        world.settle();
        let seen = world.seen(member);
        let unsuback = seen.iter().position(|s| matches!(s, Seen::UnsubAck(..)));
        assert_eq!(unsuback, Some(seen.len() - 1), "{seen:?}");
    }
}

#[test]
fn a_release_that_comes_again_is_answered_again() {
    in_worlds(|world| {
        let client = world.connect("client", KEPT);
        world.publish(client, "t", "x", QoS::ExactlyOnce, 1);
        world.settle();
        world.acknowledge(client, Packet::PubRel, 1);
        world.acknowledge(client, Packet::PubRel, 1);
        world.settle();
        let seen = world.seen(client);
        let missing = ReasonCode::PacketIdentifierNotFound;
        assert_eq!(seen.last(), Some(&Seen::Ack("PUBCOMP", 1, missing)));
    });
}

#[test]
fn a_client_that_says_connect_during_the_stop_is_refused_in_its_own_version() {
    in_worlds(|world| {
        let versions = [ProtocolVersion::V3_1_1, ProtocolVersion::V5];
        let clients = versions.map(|version| world.open(0, version));
        world.stop(StopPhase::StopReading);
        for (client, version) in clients.into_iter().zip(versions) {
            world.greet(client, "late", Wish { version, ..PLAIN });
            world.settle();
            let refused = Seen::ConnAck {
                present: false,
                reason: ReasonCode::ServerUnavailable,
            };
            assert_eq!(world.seen(client), [refused], "{version:?}");
            assert!(world.is_closed(client));
        }
    });
}

/// Whether a session is still there, which a connection finds out and leaves as it
/// was, but for the time at which its absence begins.
fn is_present(world: &mut World, wish: Wish<'_>) -> bool {
    let client = world.connect("client", wish);
    let present = matches!(
        world.seen(client)[..],
        [Seen::ConnAck { present: true, .. }]
    );
    world.lose(client);
    present
}

#[test]
fn a_session_ends_when_its_expiry_counted_from_its_last_absence_has_passed() {
    in_worlds(|world| {
        let brief = Wish {
            expiry: Some(10),
            ..KEPT
        };
        assert!(!is_present(world, brief));
        for _ in 0..5 {
            world.pass(9);
            assert!(is_present(world, brief), "every connection counts anew");
        }
        world.pass(11);
        assert!(!is_present(world, brief), "[MQTT-3.1.2-23]");
        let endless = Wish {
            expiry: Some(u32::MAX),
            ..KEPT
        };
        assert!(is_present(world, endless));
        world.pass(100_000);
        assert!(is_present(world, brief));
        world.pass(11);
        assert!(!is_present(world, endless), "the last CONNECT decides");
    });
}

#[test]
fn disconnect_may_change_the_expiry_but_not_from_zero() {
    in_worlds(|world| {
        for (interval, after, present) in [(0, 0, false), (5, 4, true), (5, 6, false)] {
            let client = world.connect("client", KEPT);
            world.disconnect_with(client, interval);
            world.pass(after);
            assert_eq!(is_present(world, KEPT), present, "{interval} {after}");
        }
        let client = world.connect("other", PLAIN);
        world.disconnect_with(client, 5);
        let last = world.seen(client).pop();
        let expected = Seen::Disconnect(ReasonCode::ProtocolError);
        assert_eq!(last, Some(expected), "[MQTT-3.14.2-2]");
    });
}

#[test]
fn no_timer_is_left_behind_when_everybody_has_gone() {
    in_worlds(|world| {
        for number in 0..50 {
            let wish = Wish {
                expiry: Some(number % 7),
                keep_alive: 10,
                will: Some(("w", "gone", number % 5)),
                ..KEPT
            };
            let client = world.connect(&format!("client-{}", number % 9), wish);
            world.pass(number % 3);
            world.lose(client);
        }
        world.pass(4_000);
        assert!(world.engines.iter().all(|e| e.next_deadline().is_none()));
        assert!(world.engines.iter().all(|e| e.stats().sessions == 0));
    });
}
