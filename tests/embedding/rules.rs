//! Who may do what, by rules of the embedding process.
//!
//! Owns nothing. The whole matrix of verdicts is tried on the engine; here it is that
//! verdicts reach it, from a shard and from a worker, in every version and QoS.

use std::net::SocketAddr;
use std::sync::Arc;

use ringmq::broker::{Access, Listener};
use ringmq::hooks::{Credentials, Hook, Phases, Treatment, Verdict};
use ringmq::protocol::ReasonCode;

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::{Connect, Publish, Version};
use crate::with_brokers;

fn connect(version: Version, user: &str, password: &[u8]) -> Connect {
    Connect::new(version, &unique("c"))
        .username(user)
        .password(password)
}

/// The reason of CONNACK.
fn reason(target: &crate::Target, connect: &Connect) -> u8 {
    Client::start(target, connect).expect_connack().code
}

#[test]
fn a_password_is_checked_in_one_line_in_every_version() {
    with_brokers(
        |builder| builder.check_password(|user, password| user == "ann" && password == b"secret"),
        |_, target| {
            for (version, wrong, anonymous) in [
                (Version::V5, 0x86, 0x87),
                (Version::V311, 5, 5),
                (Version::V31, 5, 5),
            ] {
                assert_eq!(reason(target, &connect(version, "ann", b"secret")), 0);
                assert_eq!(reason(target, &connect(version, "ann", b"Secret")), wrong);
                assert_eq!(reason(target, &connect(version, "bob", b"secret")), wrong);
                let nobody = Connect::new(version, &unique("c"));
                assert_eq!(reason(target, &nobody), anonymous);
            }
        },
    );
}

#[test]
fn several_authenticators_are_asked_in_their_order() {
    with_brokers(
        |builder| {
            builder
                .authenticator(|attempt| match attempt.user_name() {
                    Some("banned") => Verdict::Deny(ReasonCode::Banned),
                    Some("known") => Verdict::Allow,
                    _ => Verdict::Next,
                })
                .check_password(|user, _| user != "unknown")
        },
        |_, target| {
            for (user, expected) in [
                ("banned", 0x8A),
                ("known", 0),
                ("other", 0),
                ("unknown", 0x86),
            ] {
                assert_eq!(
                    reason(target, &connect(Version::V5, user, b"p")),
                    expected,
                    "{user}"
                );
            }
        },
    );
}

#[test]
fn anonymous_clients_are_let_in_where_their_listener_says_so() {
    for (allowed, expected) in [(true, 0), (false, 0x87)] {
        with_brokers(
            |builder| {
                let listener = Listener::tcp("127.0.0.1:0").allow_anonymous(allowed);
                builder.listener(listener).check_password(|_, _| false)
            },
            |broker, _| {
                let address = broker.addresses()[1].socket_address().expect("TCP");
                let second = crate::Target::at(address);
                let nobody = Connect::v5(&unique("c"));
                assert_eq!(reason(&second, &nobody), expected);
                assert_eq!(reason(&second, &connect(Version::V5, "u", b"p")), 0x86);
            },
        );
    }
}

/// Knows one user, and lets only her in where it is asked.
struct Only(&'static str);

impl Hook for Only {
    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        match attempt.user_name() {
            Some(user) if user == self.0 => Verdict::Allow,
            _ => Verdict::Next,
        }
    }
}

#[test]
fn a_listeners_own_hooks_are_asked_about_its_clients_alone_and_then_those_of_all() {
    with_brokers(
        |builder| {
            let shared: Arc<dyn Hook> = Arc::new(Only("eve"));
            let staff = Listener::tcp("127.0.0.1:0").hook(Only("ann"));
            let guests = Listener::tcp("127.0.0.1:0").hook(Only("bob"));
            // A listener with two addresses counts as two places.
            let two: [SocketAddr; 2] = [([127, 0, 0, 1], 0).into(), ([127, 0, 0, 2], 0).into()];
            builder
                .tcp(&two[..])
                .listener(staff.shared_hook(Arc::clone(&shared)))
                .listener(guests.shared_hook(shared))
                .hook(Only("root"))
        },
        |broker, first| {
            let target = |place: usize| {
                let address = broker.addresses()[place].socket_address().expect("TCP");
                crate::Target::at(address)
            };
            let (second, staff, guests) = (target(2), target(3), target(4));
            for (user, expected) in [
                ("root", [0, 0, 0, 0]),
                ("eve", [0x86, 0x86, 0, 0]),
                ("ann", [0x86, 0x86, 0, 0x86]),
                ("bob", [0x86, 0x86, 0x86, 0]),
            ] {
                let connect = || connect(Version::V5, user, b"p");
                let targets = [first, &second, &staff, &guests];
                let codes = targets.map(|target| reason(target, &connect()));
                assert_eq!(codes, expected, "{user}");
            }
        },
    );
}

#[test]
fn what_is_not_allowed_is_neither_published_nor_subscribed() {
    with_brokers(
        |builder| {
            builder.authorizer(|client, access| {
                let own = client.client_id();
                let allowed = match access {
                    Access::Publish(request) => request.topic.starts_with(own),
                    Access::Subscribe(request) => !request.filter.as_str().starts_with("secret"),
                    _ => false,
                };
                if allowed {
                    Verdict::Allow
                } else {
                    Verdict::Deny(ReasonCode::NotAuthorized)
                }
            })
        },
        |_, target| {
            for (version, refused, told) in [(Version::V5, 0x87, 0x87), (Version::V311, 0x80, 0)] {
                let mut reader = Client::v5(target);
                reader.subscribe("#", 2);
                let id = unique("own");
                let mut client = Client::connect(target, &Connect::new(version, &id));
                let granted = client.subscribe_with(
                    &[("secret/#", 1), ("fine", 1)],
                    &crate::support::wire::Properties::new(),
                );
                assert_eq!(granted.reasons, [refused, 1]);
                for qos in 0..=2 {
                    client
                        .send_publish(&Publish::new("other", "no").qos(qos).id(u16::from(qos) + 9));
                    match qos {
                        1 => assert_eq!(client.expect_puback(10).reason, told),
                        2 => {
                            assert_eq!(client.expect_pubrec(11).reason, told);
                            if told == 0 {
                                client.pubrel(11);
                                client.expect_pubcomp(11);
                            }
                        }
                        _ => {}
                    }
                }
                client.publish(&format!("{id}/t"), "yes", 2);
                let arrived = reader.receive();
                assert_eq!(arrived.text(), "yes", "and nothing before it");
            }
        },
    );
}

#[test]
fn a_publish_hook_rewrites_drops_and_refuses() {
    with_brokers(
        |builder| {
            builder.on_publish(|client, message| match message.topic() {
                "in" => {
                    let payload =
                        [client.client_id().as_bytes(), b": ", message.payload()].concat();
                    message.set_payload(payload);
                    message.set_topic("out").expect("a topic name");
                    Treatment::Next
                }
                "drop" => Treatment::Drop,
                _ => Treatment::Refuse(ReasonCode::QuotaExceeded),
            })
        },
        |_, target| {
            let mut reader = Client::v5(target);
            reader.subscribe("#", 0);
            let mut writer = Client::connect(target, &Connect::v5("writer"));
            writer.send_publish(&Publish::new("other", "x").qos(1).id(7));
            assert_eq!(writer.expect_puback(7).reason, 0x97);
            writer.send_publish(&Publish::new("drop", "x").qos(1).id(8));
            assert_eq!(writer.expect_puback(8).reason, 0);
            writer.publish("in", "hello", 1);
            let arrived = reader.receive();
            assert_eq!(
                (&*arrived.topic, arrived.text()),
                ("out", "writer: hello".into())
            );
        },
    );
}
