//! The embedding process publishes, subscribes, lists and disconnects.
//!
//! Owns nothing.

use std::sync::Mutex;
use std::time::Duration;

use ringmq::broker::{Publication, PublishError, Remote, SubscribeError, Subscription, WhenFull};
use ringmq::protocol::{QoS, ReasonCode};

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::{Connect, Publish, Will};
use crate::wait::until;
use crate::with_brokers;

#[test]
fn messages_go_in_and_out_of_the_process_whatever_shard_their_peers_live_on() {
    with_brokers(
        |builder| builder,
        |broker, target| {
            let remote = broker.remote();
            let inside = remote
                .subscribe("a/#", Subscription::default())
                .expect("a filter");
            for number in 0..8 {
                let mut client = Client::v5(target);
                client.subscribe("b/#", 1);
                client.publish("a/b", &format!("in {number}"), number % 3);
                let received = inside.recv().expect("the subscription goes on");
                assert_eq!(received.topic(), "a/b");
                assert_eq!(received.payload(), format!("in {number}").as_bytes());
                let out = Publication::new("b/c", format!("out {number}"));
                remote.publish(&out).expect("a topic");
                client.expect_message(&format!("out {number}"));
            }
        },
    );
}

#[test]
fn retained_messages_come_first_and_in_process_ones_are_retained_too() {
    with_brokers(
        |builder| builder,
        |broker, target| {
            let remote = broker.remote();
            Client::v5(target).publish_with(Publish::new("r/1", "by a client").qos(1).retain());
            let mine = Publication::new("r/2", "by the process").retain(true);
            remote.publish(&mine).expect("a topic");
            until("both are retained", || {
                let inside = remote
                    .subscribe("r/#", Subscription::default())
                    .expect("a filter");
                let mut seen: Vec<String> = std::iter::from_fn(|| inside.try_recv().ok().flatten())
                    .map(|received| {
                        assert!(received.retain());
                        String::from_utf8_lossy(received.payload()).into_owned()
                    })
                    .collect();
                seen.sort();
                seen == ["by a client", "by the process"]
            });
            let mut late = Client::v5(target);
            late.subscribe("r/2", 1);
            late.expect_message("by the process");
        },
    );
}

#[test]
fn a_subscriber_that_does_not_keep_up_holds_up_nobody() {
    with_brokers(
        |builder| builder,
        |broker, target| {
            let remote = broker.remote();
            let few = Subscription::default().capacity(2);
            let dropping = remote.subscribe("t", few).expect("a filter");
            let ending = remote
                .subscribe("t", few.when_full(WhenFull::End))
                .expect("a filter");
            let mut client = Client::v5(target);
            for number in 0..5 {
                client.publish("t", &number.to_string(), 1);
            }
            until("three are missed", || dropping.missed() == 3);
            for subscriber in [&dropping, &ending] {
                for number in ["0", "1"] {
                    let received = subscriber.recv().expect("the first two");
                    assert_eq!(received.payload(), number.as_bytes());
                }
            }
            assert!(ending.recv().is_err(), "it has ended");
            assert_eq!(dropping.try_recv().map(|r| r.is_none()), Ok(true));
        },
    );
}

#[test]
fn a_dropped_subscriber_leaves_nothing_behind() {
    with_brokers(
        |builder| builder,
        |broker, _| {
            let count = || -> u64 { broker.stats().iter().map(|s| s.engine.subscriptions).sum() };
            let inside = broker
                .remote()
                .subscribe("t", Subscription::default())
                .expect("a filter");
            assert_eq!(count(), 1);
            drop(inside);
            until("it is gone", || count() == 0);
        },
    );
}

#[test]
fn nobody_can_name_himself_like_a_local_subscription() {
    with_brokers(
        |builder| builder,
        |broker, target| {
            let inside = broker
                .remote()
                .subscribe("t", Subscription::default())
                .expect("a filter");
            // U+0000 in a client identifier is malformed [MQTT-1.5.4-2].
            let mut client = Client::start(target, &Connect::v5("\u{0}1"));
            client.read_to_end();
            Client::v5(target).publish("t", "still there", 1);
            assert_eq!(inside.recv().expect("goes on").payload(), b"still there");
        },
    );
}

#[test]
fn clients_are_listed_and_disconnected_with_their_wills_published() {
    with_brokers(
        |builder| builder.authenticator(|_| ringmq::hooks::Verdict::Allow),
        |broker, target| {
            let remote = broker.remote();
            let wills = remote
                .subscribe("will", Subscription::default())
                .expect("a filter");
            let id = unique("c");
            let connect = Connect::v5(&id)
                .username("ann")
                .password(b"p")
                .will(Will::new("will", "gone"));
            let mut client = Client::connect(target, &connect);
            client.subscribe("x", 1);
            let listed = remote.clients();
            assert_eq!(listed.len(), 1, "{listed:?}");
            assert_eq!(listed[0].client_id, id);
            assert_eq!(listed[0].user_name.as_deref(), Some("ann"));
            assert_eq!(listed[0].subscriptions, 1);
            assert!(listed[0].peer.is_some());
            let reason = ReasonCode::AdministrativeAction;
            assert!(!remote.disconnect("nobody", reason).expect("it runs"));
            assert!(remote.disconnect(&id, reason).expect("it runs"));
            client.expect_error(&[0x98]);
            let will = wills
                .recv_timeout(Duration::from_secs(10))
                .expect("goes on");
            assert_eq!(will.expect("the will").payload(), b"gone");
            assert!(remote.disconnect(&id, ReasonCode::GrantedQoS1).is_err());
        },
    );
}

#[test]
fn what_is_wrong_is_told_and_a_broker_that_has_stopped_says_so() {
    let remotes = Mutex::new(Vec::new());
    with_brokers(
        |builder| builder,
        |broker, _| {
            let remote = broker.remote();
            let wrong = remote.publish(&Publication::new("a/+", ""));
            assert!(matches!(wrong, Err(PublishError::Topic(_))));
            let wrong = remote.subscribe("a/#/b", Subscription::default());
            assert!(matches!(wrong, Err(SubscribeError::Filter(_))));
            let large = vec![0; Publication::BYTES_MAX];
            let wrong = remote.publish(&Publication::new("t", large));
            assert!(matches!(wrong, Err(PublishError::TooLarge { .. })));
        },
    );
    with_brokers(
        |builder| builder,
        |broker, _| {
            remotes.lock().expect("not poisoned").push(broker.remote());
        },
    );
    let remotes: Vec<Remote> = remotes.into_inner().expect("not poisoned");
    for remote in remotes {
        let outcome = remote.publish(&Publication::new("t", "x").qos(QoS::AtMostOnce));
        assert!(matches!(outcome, Err(PublishError::Stopped)), "{outcome:?}");
        assert!(remote.clients().is_empty());
    }
}
