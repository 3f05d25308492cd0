//! A session whose client comes back as another one to the rules, or under other rules.
//!
//! Owns nothing; the worlds are those of `world`, the opinions those of `rules`. Pure.

use super::SHARD_COUNTS;
use super::hooks::greet_with;
use super::rules::Rules;
use super::world::{Client, KEPT, PLAIN, Seen, World};
use crate::engine::Limits;
use crate::hooks::Phases;
use crate::protocol::{Auth, Connect, ConnectProperties, Packet, ProtocolVersion, QoS, ReasonCode};

fn in_worlds(phases: Phases, test: impl Fn(&mut World)) {
    for shards in SHARD_COUNTS {
        let chain = Rules::new(phases).chain();
        test(&mut World::with_rules(
            shards,
            Limits::default(),
            chain,
            Some(true),
        ));
    }
}

/// The client of this name is back; whether its session was there, and what else came.
fn come(world: &mut World, user: &str) -> (Client, bool, Vec<Seen>) {
    let client = world.open(0, ProtocolVersion::V5);
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: false,
        keep_alive: 0,
        properties: ConnectProperties {
            session_expiry_interval: Some(1_000),
            ..ConnectProperties::default()
        },
        client_id: "worker",
        will: None,
        username: Some(user),
        password: Some(b"password"),
    };
    world.send(client, &Packet::Connect(connect));
    world.settle();
    let mut seen = world.seen(client);
    let Seen::ConnAck { present, .. } = seen.remove(0) else {
        panic!("no CONNACK but {seen:?}");
    };
    (client, present, seen)
}

#[test]
fn a_session_ends_when_another_user_comes_and_only_subscribing_would_be_judged() {
    in_worlds(
        Phases::AUTHENTICATE | Phases::AUTHORIZE_SUBSCRIBE,
        |world| {
            let publisher = world.connect("publisher", PLAIN);
            let (alice, ..) = come(world, "alice");
            world.subscribe(alice, "t/#", QoS::AtLeastOnce);
            world.settle();
            // One is in flight, one waits.
            world.publish(publisher, "t/x", "in flight", QoS::AtLeastOnce, 1);
            world.settle();
            world.lose(alice);
            world.publish(publisher, "t/x", "queued", QoS::AtLeastOnce, 2);
            world.settle();

            let (alice, present, seen) = come(world, "alice");
            assert!(present && seen.len() == 2, "to her it is hers: {seen:?}");
            // While she is connected, and once more while she is not.
            let (mallory, present, seen) = come(world, "mallory");
            assert!(!present && seen.is_empty(), "{seen:?}");
            assert!(world.is_closed(alice));
            world.publish(publisher, "t/x", "live", QoS::AtMostOnce, 0);
            world.settle();
            assert!(world.payloads(mallory).is_empty());
            world.lose(mallory);
            let (_, present, _) = come(world, "alice");
            assert!(!present);
        },
    );
}

#[test]
fn a_session_goes_on_for_whomever_where_nothing_that_is_read_is_judged() {
    in_worlds(Phases::AUTHENTICATE | Phases::AUTHORIZE_PUBLISH, |world| {
        let (alice, ..) = come(world, "alice");
        world.lose(alice);
        assert!(come(world, "bob").1);
    });
}

#[test]
fn what_another_user_may_not_have_is_not_sent_again_and_qos_2_ends_on_both_sides() {
    in_worlds(
        Phases::AUTHENTICATE | Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED,
        |world| {
            let publisher = world.connect("publisher", PLAIN);
            let (alice, ..) = come(world, "alice");
            world.subscribe(alice, "t/#", QoS::ExactlyOnce);
            world.settle();
            world.publish(publisher, "t/secret", "one", QoS::AtLeastOnce, 1);
            world.publish(publisher, "t/secret", "two", QoS::ExactlyOnce, 2);
            world.publish(publisher, "t/open", "three", QoS::ExactlyOnce, 3);
            world.settle();
            assert_eq!(world.payloads(alice), ["one", "two", "three"]);
            world.lose(alice);

            let (bob, present, seen) = come(world, "bob");
            assert!(present, "his deliveries are judged");
            let again = Seen::Publish {
                topic: "t/open".into(),
                payload: "three".into(),
                qos: 2,
                dup: true,
                retain: false,
                id: 3,
            };
            let released = Seen::Ack("PUBREL", 2, ReasonCode::Success);
            assert_eq!(seen, [released, again]);
            let denied: u64 = (world.engines.iter())
                .map(|engine| engine.stats().denied_deliveries)
                .sum();
            assert_eq!(denied, 2);
            world.acknowledge(bob, Packet::PubComp, 2);
            world.acknowledge(bob, Packet::PubRec, 3);
            world.acknowledge(bob, Packet::PubComp, 3);
            world.settle();
            world.lose(bob);
            let (_, _, seen) = come(world, "bob");
            assert!(seen.is_empty(), "nothing is open: {seen:?}");
        },
    );
}

#[test]
fn who_authenticates_again_as_another_user_that_would_have_to_subscribe_anew_is_let_go() {
    in_worlds(Phases::EXCHANGE | Phases::AUTHORIZE_SUBSCRIBE, |world| {
        let again = |world: &mut World, client, reason, data: &[u8]| {
            let auth = Auth {
                reason,
                authentication_method: Some("COUNT"),
                authentication_data: Some(data),
                ..Auth::default()
            };
            world.send(client, &Packet::Auth(auth));
            world.settle();
        };
        let client = greet_with(world, "COUNT", b"one");
        again(world, client, ReasonCode::ContinueAuthentication, b"two");
        again(world, client, ReasonCode::ReAuthenticate, b"two");
        assert!(!world.is_closed(client), "the same user");
        world.seen(client);
        again(world, client, ReasonCode::ReAuthenticate, b"other");
        let refused = Seen::Disconnect(ReasonCode::NotAuthorized);
        assert_eq!(world.seen(client), [refused]);
        assert!(world.is_closed(client));
    });
}

#[test]
fn what_waits_when_the_rules_change_is_judged_again_by_who_judges_every_delivery() {
    for shards in SHARD_COUNTS {
        let rules = Rules::new(Phases::DELIVER);
        let mut world = World::with_rules(shards, Limits::default(), rules.chain(), Some(true));
        let publisher = world.connect("publisher", PLAIN);
        let subscriber = world.connect("subscriber", KEPT);
        world.subscribe(subscriber, "t/#", QoS::AtLeastOnce);
        world.settle();
        world.lose(subscriber);
        world.publish(publisher, "t/a", "x", QoS::AtLeastOnce, 1);
        world.settle();
        assert_eq!(rules.told(), ["deliver subscriber t/a"]);
        world.engines[0].chain.reload().expect("nothing to fail");
        for engine in &mut world.engines {
            engine.handle_reload();
        }
        let subscriber = world.connect("subscriber", KEPT);
        assert_eq!(world.payloads(subscriber), ["x"]);
        assert_eq!(rules.told(), ["deliver subscriber t/a"]);
    }
}
