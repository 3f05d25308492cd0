//! Clients that ask for more than they may have.
//!
//! Owns nothing. Times are bounds from below: a slow machine makes no test fail.

use std::time::{Duration, Instant};

use ringmq::broker::{BrokerHandle, Listener, OverRate, Quotas};

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::{Connect, Publish, property};
use crate::with_brokers;

fn with_quotas(set: impl Fn(&mut Quotas), test: impl Fn(&BrokerHandle, &crate::Target)) {
    let mut quotas = Quotas::default();
    set(&mut quotas);
    with_brokers(|builder| builder.quotas(quotas), test);
}

fn sum(broker: &BrokerHandle, counter: &str) -> u64 {
    let entries = broker
        .stats()
        .into_iter()
        .flat_map(|shard| shard.engine.entries());
    entries
        .filter(|(name, _)| *name == counter)
        .map(|(_, value)| value)
        .sum()
}

/// Publishes so many messages at once; tells how long their answers took.
fn publish(client: &mut Client, count: u16, payload: &str) -> Duration {
    let began = Instant::now();
    for id in 1..=count {
        client.send_publish(&Publish::new("t", payload).qos(1).id(id));
    }
    for id in 1..=count {
        assert_eq!(client.expect_puback(id).reason, 0);
    }
    began.elapsed()
}

#[test]
fn who_publishes_too_fast_waits_and_nothing_is_lost() {
    with_quotas(
        |quotas| quotas.client_messages = Some(20),
        |broker, target| {
            let mut reader = Client::v5(target);
            reader.subscribe("t", 1);
            let mut client = Client::v5(target);
            // Twenty at once, then twenty per second.
            let took = publish(&mut client, 41, "x");
            assert!(took >= Duration::from_millis(900), "{took:?}");
            for _ in 0..41 {
                reader.receive();
            }
            assert!(sum(broker, "paused_over_rate") > 0);
            // Others have a rate of their own.
            let took = publish(&mut Client::v5(target), 10, "x");
            assert!(took < Duration::from_secs(5), "{took:?}");
        },
    );
}

#[test]
fn bytes_count_too_and_a_listeners_clients_share_its_rate() {
    with_quotas(
        |quotas| quotas.bytes = Some(10_000),
        |_, target| {
            let payload = "x".repeat(1_000);
            let mut clients = [Client::v5(target), Client::v5(target)];
            let began = Instant::now();
            for client in &mut clients {
                publish(client, 10, &payload);
            }
            assert!(began.elapsed() >= Duration::from_millis(800));
        },
    );
}

#[test]
fn the_operator_may_have_them_disconnected_instead() {
    with_quotas(
        |quotas| {
            quotas.client_messages = Some(5);
            quotas.over_rate = OverRate::Disconnect;
        },
        |broker, target| {
            let mut client = Client::v5(target);
            for id in 1..=20 {
                client.try_send(
                    Publish::new("t", "x")
                        .qos(1)
                        .id(id)
                        .encode(client.version()),
                );
            }
            for id in 1..=6 {
                assert_eq!(client.expect_puback(id).reason, 0);
            }
            client.expect_error(&[0x96]);
            assert_eq!(sum(broker, "closed_over_limit"), 1);
        },
    );
}

#[test]
fn too_many_connects_are_refused_by_listener_and_by_client() {
    with_quotas(
        |quotas| quotas.connects = Some(2),
        |broker, target| {
            let codes: Vec<u8> = (0..12)
                .map(|_| {
                    Client::start(target, &Connect::v5(&unique("c")))
                        .expect_connack()
                        .code
                })
                .collect();
            assert!(codes.contains(&0) && codes.contains(&0x9F), "{codes:?}");
            assert!(
                codes.iter().all(|code| [0, 0x9F].contains(code)),
                "{codes:?}"
            );
            assert!(sum(broker, "refused_over_rate") > 0);
        },
    );
    with_quotas(
        |quotas| quotas.client_connects = Some(2),
        |_, target| {
            let id = unique("c");
            let codes: Vec<u8> = (0..4)
                .map(|_| {
                    Client::start(target, &Connect::v5(&id))
                        .expect_connack()
                        .code
                })
                .collect();
            assert_eq!(codes, [0, 0, 0, 0x9F]);
            let mut other = Client::v5(target);
            other.ping();
            let old = Client::start(target, &Connect::v311(&id)).expect_connack();
            assert_eq!(old.code, 3, "server unavailable");
        },
    );
}

#[test]
fn one_clients_subscriptions_and_open_messages_are_bounded_by_its_listener() {
    let mut quotas = Quotas::default();
    quotas.client_subscriptions = Some(2);
    quotas.receive_maximum = Some(3);
    with_brokers(
        |builder| builder.listener(Listener::tcp("127.0.0.1:0").quotas(quotas)),
        |broker, target| {
            let address = broker.addresses()[1].socket_address().expect("TCP");
            let second = crate::Target::at(address);
            let (mut client, connack) = Client::handshake(&second, &Connect::v5(&unique("c")));
            assert_eq!(
                connack.properties.number(property::RECEIVE_MAXIMUM),
                Some(3)
            );
            let none = crate::support::wire::Properties::new();
            let granted = client.subscribe_with(&[("a", 0), ("b", 0), ("c", 0), ("a", 1)], &none);
            assert_eq!(granted.reasons, [0, 0, 0x97, 1]);
            for id in 1..=4 {
                client.send_publish(&Publish::new("t", "x").qos(2).id(id));
            }
            for id in 1..=3 {
                client.expect_pubrec(id);
            }
            client.expect_error(&[0x93]);
            assert_eq!(sum(broker, "refused_subscribes"), 1);
            assert_eq!(sum(broker, "closed_over_limit"), 1);
            // The first listener has no such bounds.
            let mut free = Client::v5(target);
            let granted = free.subscribe_with(&[("a", 0), ("b", 0), ("c", 0)], &none);
            assert_eq!(granted.reasons, [0, 0, 0]);
        },
    );
}
