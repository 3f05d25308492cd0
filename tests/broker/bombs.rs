//! Subscriptions made to hurt: very many, very deep, and in every shape of wildcards.

use crate::process::Broker;
use crate::vitals::{Vitals, serve};
use crate::wait::PATIENCE;
use crate::wire::{Client, SUBACK, packet, publish, text};

/// SUBSCRIBE packets on their way before the answers are read.
const WINDOW: usize = 64;

/// SUBSCRIBE for many filters in packets of many; all must be granted.
fn subscribe_all(client: &mut Client, filters: impl Iterator<Item = String>) {
    let filters: Vec<String> = filters.collect();
    let packets: Vec<&[String]> = filters.chunks(100).collect();
    for window in packets.chunks(WINDOW) {
        for (id, filters) in (1..).zip(window) {
            client.send(&subscribe(id, filters));
        }
        for filters in window {
            let answer = client.expect(SUBACK);
            let reasons = &answer.body[answer.body.len() - filters.len()..];
            assert!(reasons.iter().all(|reason| *reason == 0), "{reasons:02x?}");
        }
    }
}

fn subscribe(id: u16, filters: &[String]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    for filter in filters {
        text(&mut body, filter);
        body.push(0);
    }
    packet(0x82, &body)
}

/// Every combination of `a` and `+` on so many levels: filters that all match one topic.
fn combinations(levels: usize) -> impl Iterator<Item = String> {
    (0..1 << levels).map(move |number| combination(levels, number))
}

/// `a` and `+` in the order that the bits of `number` say.
fn combination(levels: usize, number: usize) -> String {
    let levels = (0..levels).map(|level| if number >> level & 1 == 1 { "+" } else { "a" });
    levels.collect::<Vec<_>>().join("/")
}

#[test]
fn filters_of_every_shape_that_all_match_one_topic_hold_nobody_up() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let vitals = Vitals::of(&broker);
        let mut bomber = Client::v5(broker.address(), "bomber");
        subscribe_all(&mut bomber, combinations(14));
        vitals.hold(16 << 20, "16,384 wildcard filters");
        let mut publisher = Client::v5(broker.address(), "publisher");
        let topic = ["a"; 14].join("/");
        for round in 0..5_u8 {
            publisher.publish(&topic, &[round], false);
            assert_eq!(bomber.message().payload, [round], "one copy, in order");
        }
        vitals.hold(16 << 20, "16,384 filters that match");
        drop(bomber);
        publisher.publish(&topic, b"nobody", false);
        vitals.recover(16 << 20, "16,384 wildcard filters");
        broker.stop();
    }
}

#[test]
fn tens_of_thousands_of_filters_come_and_go() {
    let broker = Broker::start(4, &[]);
    let bomb = |round: usize| {
        let mut bomber = Client::v5(broker.address(), &format!("bomber-{round}"));
        let filters = (0..20_000).map(|number| match number % 4 {
            0 => format!("plain/{round}/{number}"),
            1 => format!("one/+/{number}/{round}"),
            2 => format!("{number}/{round}/#"),
            _ => format!("$share/group-{number}/shared/{round}/+"),
        });
        subscribe_all(&mut bomber, filters);
        bomber
    };
    let cold = Vitals::of(&broker);
    let first = bomb(0);
    // At most 1,000 bytes for each.
    cold.hold(20 << 20, "20,000 filters");
    drop(first);
    // What is freed stays with the shard that had it, so most shards have their bomb before.
    for round in 1..5 {
        drop(bomb(round));
    }
    let vitals = Vitals::of(&broker);
    for round in 5..7 {
        let bomber = bomb(round);
        vitals.hold(12 << 20, "20,000 filters again");
        drop(bomber);
    }
    vitals.recover(12 << 20, "40,000 filters");
    broker.stop();
}

#[test]
fn topics_and_filters_of_any_depth_are_refused_or_served() {
    let broker = Broker::start(2, &[]);
    let vitals = Vitals::of(&broker);
    for levels in [100, 128, 129, 1_000, 65_000] {
        let topic = "/".repeat(levels - 1);
        let filter = format!("{}#", "+/".repeat(levels.min(32_000) - 1));
        for bomb in [
            publish(5, &topic, b"deep", 0, false, 0),
            subscribe(1, std::slice::from_ref(&topic)),
            subscribe(1, &[filter]),
        ] {
            let mut client = Client::v5(broker.address(), "bomber");
            for _ in 0..20 {
                client.try_send(&bomb);
            }
            // Served or sent away: an answer of some kind comes.
            client.try_send(&[0xC0, 0]);
            assert!(
                client.next(PATIENCE).is_ok(),
                "no word about {levels} levels"
            );
        }
    }
    vitals.recover(8 << 20, "deep topics");
    broker.stop();
}

#[test]
fn a_burst_into_filters_that_all_match_holds_nobody_up() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let bombers: Vec<Client> = (0..4)
            .map(|number| {
                let mut bomber = Client::v5(broker.address(), &format!("bomber-{number}"));
                subscribe_all(&mut bomber, combinations(13));
                bomber
            })
            .collect();
        let mut publisher = Client::v5(broker.address(), "publisher");
        let message = publish(5, &["a"; 13].join("/"), b"bang", 0, false, 0);
        publisher.send(&message.repeat(1_000));
        // Seconds of work are under way, some of it on every shard.
        for _ in 0..8 {
            serve(&broker);
        }
        drop(bombers);
    }
}
