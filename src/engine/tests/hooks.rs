//! What hooks decide about clients, messages and subscriptions, version by version.
//!
//! Owns nothing; the worlds are those of `world`, the opinions those of `rules`. Pure.

use super::SHARD_COUNTS;
use super::rules::Rules;
use super::world::{Client, KEPT, PLAIN, Seen, Wish, World};
use crate::engine::Limits;
use crate::hooks::Phases;
use crate::peer::Identity;
use crate::protocol::{Auth, Connect, ConnectProperties, Packet, ProtocolVersion, QoS, ReasonCode};

const V3: Wish<'static> = Wish {
    version: ProtocolVersion::V3_1_1,
    ..PLAIN
};

fn world(shards: u16, rules: &Rules) -> World {
    World::with_rules(shards, Limits::default(), rules.chain(), Some(true))
}

fn in_worlds(phases: Phases, test: impl Fn(&mut World, &Rules)) {
    for shards in SHARD_COUNTS {
        let rules = Rules::new(phases);
        test(&mut world(shards, &rules), &rules);
    }
}

/// A CONNECT with a user name, and what CONNACK says.
pub fn greet_as(world: &mut World, version: ProtocolVersion, user: Option<&str>) -> Client {
    greet_named(world, version, user, "client")
}

pub fn greet_named(
    world: &mut World,
    version: ProtocolVersion,
    user: Option<&str>,
    client_id: &str,
) -> Client {
    let client = world.open(0, version);
    let connect = Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id,
        will: None,
        username: user,
        password: user.map(|_| &b"password"[..]),
    };
    world.send(client, &Packet::Connect(connect));
    world.settle();
    client
}

pub fn connack(world: &mut World, client: Client) -> Option<ReasonCode> {
    world.seen(client).into_iter().find_map(|seen| match seen {
        Seen::ConnAck { reason, .. } => Some(reason),
        _ => None,
    })
}

#[test]
fn who_is_let_in_depends_on_credentials_rules_and_the_listeners_policy() {
    use ProtocolVersion::{V3_1_1, V5};
    use ReasonCode::{BadUserNameOrPassword, ImplementationSpecific, NotAuthorized, Success};
    // 3.x has return code 3 for what is nobody's fault.
    let unavailable = ReasonCode::ServerUnavailable;
    for (rules, policy, user, in_5, in_3) in [
        (false, None, None, Success, Success),
        (false, None, Some("any"), Success, Success),
        (false, Some(true), Some("any"), Success, Success),
        (false, Some(false), None, NotAuthorized, NotAuthorized),
        (
            false,
            Some(false),
            Some("any"),
            BadUserNameOrPassword,
            NotAuthorized,
        ),
        (true, None, None, NotAuthorized, NotAuthorized),
        (true, Some(false), None, NotAuthorized, NotAuthorized),
        (true, Some(true), None, Success, Success),
        (true, Some(true), Some("good"), Success, Success),
        (
            true,
            Some(true),
            Some("stranger"),
            BadUserNameOrPassword,
            NotAuthorized,
        ),
        (true, Some(true), Some("deny"), NotAuthorized, NotAuthorized),
        (
            true,
            Some(true),
            Some("panic"),
            ImplementationSpecific,
            unavailable,
        ),
    ] {
        for (version, expected) in [(V5, in_5), (V3_1_1, in_3)] {
            let phases = if rules {
                Phases::AUTHENTICATE
            } else {
                Phases::NONE
            };
            let chain = if rules {
                Rules::new(phases).chain()
            } else {
                std::sync::Arc::default()
            };
            let mut world = World::with_rules(1, Limits::default(), chain, policy);
            let client = greet_as(&mut world, version, user);
            let reason = connack(&mut world, client);
            let case = format!("{rules} {policy:?} {user:?} {version:?}");
            assert_eq!(reason, Some(expected), "{case}");
            assert_eq!(world.is_closed(client), expected != Success, "{case}");
            let denied = world.engines[0].stats().denied_connects;
            assert_eq!(denied, u64::from(expected != Success), "{case}");
        }
    }
}

#[test]
fn a_client_that_is_refused_takes_nothing_over() {
    let rules = Rules::new(Phases::AUTHENTICATE);
    let mut world = world(1, &rules);
    let first = greet_as(&mut world, ProtocolVersion::V5, Some("good"));
    for user in ["deny", "stranger", "panic"] {
        let second = greet_as(&mut world, ProtocolVersion::V5, Some(user));
        assert!(world.is_closed(second));
        assert!(!world.is_closed(first), "{user}");
    }
}

#[test]
fn a_connect_hook_refuses_before_anybody_looks_at_credentials() {
    in_worlds(Phases::CONNECT | Phases::AUTHENTICATE, |world, _| {
        let client = greet_named(world, ProtocolVersion::V5, Some("good"), "deny/x");
        assert_eq!(connack(world, client), Some(ReasonCode::NotAuthorized));
        let client = greet_named(world, ProtocolVersion::V5, Some("good"), "fine");
        assert_eq!(connack(world, client), Some(ReasonCode::Success));
    });
}

#[test]
fn a_certificate_that_names_its_user_needs_no_password() {
    let rules = Rules::new(Phases::AUTHENTICATE);
    let mut world = World::with_rules(1, Limits::default(), rules.chain(), None);
    let client = world.open(0, ProtocolVersion::V5);
    let identity = Identity {
        user_name: Some("sensor".into()),
        ..Identity::default()
    };
    world.establish(client, ([127, 0, 0, 1], 1).into(), identity);
    world.greet(client, "client", PLAIN);
    world.settle();
    assert_eq!(connack(&mut world, client), Some(ReasonCode::Success));
    let slot = world.connection_of(client).session().expect("connected");
    let profile = world.engines[0].clients.profiles.get(slot).expect("rules");
    assert_eq!(profile.client.user_name(), Some("sensor"));
}

#[test]
fn a_grant_renames_the_client_attaches_what_it_wants_and_ends() {
    let rules = Rules::new(Phases::AUTHENTICATE | Phases::DISCONNECTED);
    let mut world = world(1, &rules);
    let client = greet_as(&mut world, ProtocolVersion::V5, Some("renamed"));
    let slot = world.connection_of(client).session().expect("connected");
    let profile = world.engines[0].clients.profiles.get(slot).expect("rules");
    assert_eq!(profile.client.user_name(), Some("another"));
    assert_eq!(profile.client.attachment::<u8>(), Some(&7));
    world.pass(59);
    assert!(!world.is_closed(client));
    world.pass(2);
    assert!(world.is_closed(client), "its permission lasted a minute");
    let seen = world.seen(client);
    assert!(
        seen.contains(&Seen::Disconnect(ReasonCode::NotAuthorized)),
        "{seen:?}"
    );
    assert_eq!(rules.told(), ["disconnected client Fault(NotAuthorized)"]);
}

/// The answer to a PUBLISH: its name and reason.
fn answer(world: &mut World, client: Client) -> Option<(&'static str, ReasonCode)> {
    world.seen(client).into_iter().find_map(|seen| match seen {
        Seen::Ack(kind, _, reason) => Some((kind, reason)),
        _ => None,
    })
}

#[test]
fn a_denied_publish_is_answered_as_its_version_can_and_goes_nowhere() {
    in_worlds(Phases::AUTHORIZE_PUBLISH, |world, _| {
        let subscriber = world.connect("subscriber", PLAIN);
        world.subscribe(subscriber, "#", QoS::ExactlyOnce);
        world.settle();
        world.seen(subscriber);
        for (number, wish) in [PLAIN, V3].into_iter().enumerate() {
            for (topic, reason) in [
                ("deny/t", ReasonCode::NotAuthorized),
                ("panic/t", ReasonCode::ImplementationSpecific),
            ] {
                let publisher = world.connect(&format!("publisher-{number}"), wish);
                let told = if number == 0 {
                    reason
                } else {
                    ReasonCode::Success
                };
                world.seen(publisher);
                world.publish(publisher, topic, "x", QoS::AtMostOnce, 0);
                world.settle();
                assert_eq!(answer(world, publisher), None);
                world.publish(publisher, topic, "x", QoS::AtLeastOnce, 1);
                world.settle();
                assert_eq!(answer(world, publisher), Some(("PUBACK", told)));
                world.publish(publisher, topic, "x", QoS::ExactlyOnce, 2);
                world.settle();
                assert_eq!(answer(world, publisher), Some(("PUBREC", told)));
                assert!(!world.is_closed(publisher));
                world.publish_with(publisher, "fine", "y", QoS::AtLeastOnce, 3, true);
                world.settle();
                assert_eq!(
                    answer(world, publisher),
                    Some(("PUBACK", ReasonCode::Success))
                );
                assert_eq!(world.payloads(subscriber), ["y"], "{topic}");
                world.acknowledge(subscriber, Packet::PubAck, 1);
                world.seen(subscriber);
            }
        }
        let denied: u64 = world
            .engines
            .iter()
            .map(|e| e.stats().denied_publishes)
            .sum();
        assert_eq!(denied, 12);
    });
}

#[test]
fn nothing_denied_is_retained_or_given_to_a_shared_group() {
    in_worlds(Phases::AUTHORIZE_PUBLISH, |world, _| {
        let publisher = world.connect("publisher", PLAIN);
        let member = world.connect("member", PLAIN);
        world.subscribe(member, "$share/g/deny/t", QoS::AtLeastOnce);
        world.publish_with(publisher, "deny/t", "x", QoS::AtLeastOnce, 1, true);
        world.settle();
        let late = world.connect("late", PLAIN);
        world.subscribe(late, "deny/t", QoS::AtLeastOnce);
        world.settle();
        assert!(world.payloads(member).is_empty());
        assert!(world.payloads(late).is_empty());
    });
}

#[test]
fn a_denied_filter_is_refused_alone_in_every_version() {
    in_worlds(Phases::AUTHORIZE_SUBSCRIBE, |world, _| {
        let publisher = world.connect("publisher", PLAIN);
        for (wish, denied, panicked) in [(PLAIN, 0x87, 0x83), (V3, 0x80, 0x80)] {
            let client = world.connect("subscriber", wish);
            world.seen(client);
            for (filter, code) in [
                ("deny/t", denied),
                ("panic/t", panicked),
                ("$share/g/deny/t", denied),
                ("fine/t", 1),
            ] {
                world.subscribe(client, filter, QoS::AtLeastOnce);
                world.settle();
                let seen = world.seen(client);
                assert_eq!(seen, [Seen::SubAck(77, vec![code])], "{filter}");
            }
            world.publish(publisher, "deny/t", "no", QoS::AtMostOnce, 0);
            world.publish(publisher, "fine/t", "yes", QoS::AtMostOnce, 0);
            world.settle();
            assert_eq!(world.payloads(client), ["yes"]);
        }
    });
}

#[test]
fn a_will_is_authorized_when_it_is_left_and_when_it_is_published() {
    in_worlds(
        Phases::AUTHORIZE_PUBLISH | Phases::PUBLISH,
        |world, rules| {
            let witness = world.connect("witness", PLAIN);
            world.subscribe(witness, "#", QoS::AtMostOnce);
            world.settle();
            let will = |topic| Wish {
                will: Some((topic, "gone", 0)),
                ..PLAIN
            };
            let refused = world.connect("refused", will("deny/w"));
            assert_eq!(connack(world, refused), Some(ReasonCode::NotAuthorized));
            let client = world.connect("fine", will("rewrite"));
            assert_eq!(connack(world, client), Some(ReasonCode::Success));
            assert_eq!(
                rules.told(),
                ["publish refused deny/w", "publish fine rewrite"]
            );
            world.lose(client);
            assert_eq!(rules.told(), ["publish fine rewrite"]);
            assert_eq!(
                world.payloads(witness),
                ["gone!"],
                "and treated like any message"
            );
        },
    );
}

#[test]
fn publish_hooks_alter_drop_and_refuse() {
    in_worlds(Phases::PUBLISH | Phases::DROPPED, |world, rules| {
        let subscriber = world.connect("subscriber", PLAIN);
        world.subscribe(subscriber, "#", QoS::AtMostOnce);
        let publisher = world.connect("publisher", PLAIN);
        world.settle();
        world.seen(publisher);
        for (topic, reason, arrives) in [
            ("rewrite", ReasonCode::Success, true),
            ("drop", ReasonCode::Success, false),
            ("refuse", ReasonCode::QuotaExceeded, false),
            ("bad", ReasonCode::ImplementationSpecific, false),
        ] {
            world.publish(publisher, topic, "x", QoS::AtLeastOnce, 1);
            world.settle();
            assert_eq!(
                answer(world, publisher),
                Some(("PUBACK", reason)),
                "{topic}"
            );
            let arrived = world.seen(subscriber).iter().any(|seen| {
                matches!(seen, Seen::Publish { topic, payload, .. }
                    if topic == "rewritten" && payload == "x!")
            });
            assert_eq!(arrived, arrives, "{topic}");
        }
        assert_eq!(
            rules.told(),
            [
                "dropped publisher drop Treated",
                "dropped publisher refuse Treated",
                "dropped publisher bad Treated"
            ]
        );
        let old = world.connect("old", V3);
        world.seen(old);
        world.publish(old, "refuse", "x", QoS::ExactlyOnce, 1);
        world.settle();
        assert_eq!(answer(world, old), Some(("PUBREC", ReasonCode::Success)));
    });
}

#[test]
fn a_filtered_subscription_gets_what_the_rules_let_through() {
    in_worlds(
        Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED | Phases::DROPPED,
        |world, rules| {
            let publisher = world.connect("publisher", PLAIN);
            world.publish_with(
                publisher,
                "filtered/secret",
                "old",
                QoS::AtLeastOnce,
                1,
                true,
            );
            let filtered = world.connect("filtered", KEPT);
            world.subscribe(filtered, "filtered/#", QoS::AtLeastOnce);
            let whole = world.connect("whole", PLAIN);
            world.subscribe(whole, "+/#", QoS::AtMostOnce);
            world.settle();
            assert!(world.payloads(filtered).is_empty(), "not the retained one");
            world.seen(whole);
            rules.told();
            for topic in ["filtered/secret", "filtered/open", "filtered/secret"] {
                world.publish(publisher, topic, "x", QoS::AtLeastOnce, 1);
                world.settle();
            }
            assert_eq!(world.payloads(filtered), ["x"]);
            assert_eq!(
                world.payloads(whole).len(),
                3,
                "whose filter is all its own"
            );
            assert_eq!(
                rules.told(),
                [
                    "deliver filtered filtered/secret",
                    "dropped filtered filtered/secret DeliverDenied",
                    "deliver filtered filtered/open",
                    "dropped filtered filtered/secret DeliverDenied",
                ],
                "asked once per topic, told each time"
            );
        },
    );
}

#[test]
fn decisions_are_remembered_until_a_reload() {
    in_worlds(
        Phases::AUTHORIZE_PUBLISH | Phases::DELIVER_FILTERED,
        |world, rules| {
            let publisher = world.connect("publisher", PLAIN);
            let subscriber = world.connect("subscriber", PLAIN);
            world.subscribe(subscriber, "t/#", QoS::AtMostOnce);
            world.settle();
            for _ in 0..3 {
                world.publish(publisher, "t/a", "x", QoS::AtMostOnce, 0);
            }
            world.settle();
            assert_eq!(rules.told(), ["publish publisher t/a"]);
            world.engines[0].chain.reload().expect("nothing to fail");
            for engine in &mut world.engines {
                engine.handle_reload();
            }
            for _ in 0..3 {
                world.publish(publisher, "t/a", "x", QoS::AtMostOnce, 0);
            }
            world.settle();
            assert_eq!(
                rules.told(),
                ["publish publisher t/a", "deliver subscriber t/a"],
                "a subscription that the old rules granted is judged by delivery"
            );
        },
    );
}

#[test]
fn hooks_are_told_of_sessions_subscriptions_and_ends() {
    in_worlds(
        Phases::SESSIONS | Phases::SUBSCRIPTIONS | Phases::DISCONNECTED,
        |world, rules| {
            let client = world.connect("client", KEPT);
            world.subscribe(client, "a/#", QoS::AtLeastOnce);
            world.settle();
            world.unsubscribe(client, "a/#");
            world.unsubscribe(client, "never");
            world.settle();
            let again = world.connect("client", KEPT);
            world.lose(again);
            world.pass(1_001);
            let client = world.connect("client", PLAIN);
            world.disconnect(client);
            assert_eq!(
                rules.told(),
                [
                    "opened client",
                    "subscribed client a/# 1",
                    "unsubscribed client a/#",
                    "disconnected client TakenOver",
                    "resumed client",
                    "disconnected client Lost",
                    "ended client",
                    "opened client",
                    "disconnected client Packet(Success)",
                    "ended client",
                ]
            );
        },
    );
}

fn auth(world: &mut World, client: Client, reason: ReasonCode, method: &str, data: &[u8]) {
    let auth = Auth {
        reason,
        authentication_method: Some(method),
        authentication_data: Some(data),
        ..Auth::default()
    };
    world.send(client, &Packet::Auth(auth));
    world.settle();
}

pub fn greet_with(world: &mut World, method: &str, data: &[u8]) -> Client {
    let client = world.open(0, ProtocolVersion::V5);
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties {
            authentication_method: Some(method),
            authentication_data: Some(data),
            ..ConnectProperties::default()
        },
        client_id: "client",
        will: None,
        username: None,
        password: None,
    };
    world.send(client, &Packet::Connect(connect));
    world.settle();
    client
}

#[test]
fn enhanced_authentication_goes_back_and_forth_until_it_is_done() {
    in_worlds(Phases::EXCHANGE, |world, _| {
        let client = greet_with(world, "COUNT", b"one");
        let seen = format!("{:?}", world.seen(client));
        assert!(seen.contains("ContinueAuthentication"), "{seen}");
        auth(
            world,
            client,
            ReasonCode::ContinueAuthentication,
            "COUNT",
            b"two",
        );
        assert_eq!(connack(world, client), Some(ReasonCode::Success));
        // Again, while it is connected, and messages go on.
        auth(world, client, ReasonCode::ReAuthenticate, "COUNT", b"one");
        world.publish(client, "t", "x", QoS::AtLeastOnce, 1);
        auth(
            world,
            client,
            ReasonCode::ContinueAuthentication,
            "COUNT",
            b"two",
        );
        let seen = format!("{:?}", world.seen(client));
        assert!(seen.contains("ContinueAuthentication"), "{seen}");
        assert!(
            seen.contains("PUBACK") && seen.contains("reason: Success"),
            "{seen}"
        );
        auth(world, client, ReasonCode::ReAuthenticate, "COUNT", b"wrong");
        let seen = world.seen(client);
        assert!(
            seen.contains(&Seen::Disconnect(ReasonCode::NotAuthorized)),
            "[MQTT-4.12.1-2]"
        );
        assert!(world.is_closed(client));
    });
}

#[test]
fn an_exchange_that_breaks_its_rules_ends() {
    /// Method and data of CONNECT, reason and method of AUTH, how it ends.
    type Case = (
        &'static str,
        &'static [u8],
        Option<(ReasonCode, &'static str)>,
        ReasonCode,
    );
    let cases: [Case; 5] = [
        ("UNKNOWN", b"one", None, ReasonCode::BadAuthenticationMethod),
        ("COUNT", b"wrong", None, ReasonCode::NotAuthorized),
        (
            "COUNT",
            b"one",
            Some((ReasonCode::ContinueAuthentication, "OTHER")),
            ReasonCode::ProtocolError,
        ),
        (
            "COUNT",
            b"one",
            Some((ReasonCode::ReAuthenticate, "COUNT")),
            ReasonCode::ProtocolError,
        ),
        (
            "COUNT",
            b"one",
            Some((ReasonCode::ContinueAuthentication, "COUNT")),
            ReasonCode::NotAuthorized,
        ),
    ];
    in_worlds(Phases::EXCHANGE, |world, _| {
        for (method, data, next, expected) in cases {
            let client = greet_with(world, method, data);
            if let Some((reason, method)) = next {
                auth(world, client, reason, method, b"wrong");
            }
            assert_eq!(connack(world, client), Some(expected), "{method} {next:?}");
            assert!(world.is_closed(client));
        }
    });
}
