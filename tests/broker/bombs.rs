//! Subscriptions made to hurt: very many, very deep, and in every shape of wildcards.

use crate::process::Broker;
use crate::vitals::{Vitals, serve};
use crate::wait::PATIENCE;
use crate::wire::{CONNACK, Client, SUBACK, UNSUBACK, packet, publish, text};

/// Levels of filters that all match one topic; there are 65,536 of so many.
const LEVELS: usize = 16;

/// Filters of at most five bytes that fit in one packet of 2 MB.
const IN_ONE_PACKET: usize = 240_000;

/// Bytes of memory for so many: their names twice, and an entry in each of the tables.
const BOUND: u64 = 160 << 20;

/// Clients that are lost in one moment.
const DOOMED: usize = 2_000;

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

fn unsubscribe(id: u16, filters: &[String]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    for filter in filters {
        text(&mut body, filter);
    }
    packet(0xA2, &body)
}

/// CONNECT of a clean client with a will that says "gone".
fn connect_with_will(id: &str, topic: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([5, 0b110, 0, 0, 0]);
    text(&mut body, id);
    body.push(0);
    text(&mut body, topic);
    text(&mut body, "gone");
    packet(0x10, &body)
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
                subscribe_all(&mut bomber, combinations(LEVELS));
                bomber
            })
            .collect();
        let mut publisher = Client::v5(broker.address(), "publisher");
        // Two topics by turns, so that no message shares its way with the next one.
        let prefix = ["a"; LEVELS - 1].join("/");
        let [one, other] =
            ["a", "b"].map(|last| publish(5, &format!("{prefix}/{last}"), b"bang", 0, false, 0));
        publisher.send(&[one, other].concat().repeat(500));
        // Very much work is under way, some of it on every shard.
        for _ in 0..8 {
            serve(&broker);
        }
        // And more: all of it is to be taken out of the index.
        drop(bombers);
        for _ in 0..8 {
            serve(&broker);
        }
    }
}

#[test]
fn one_request_with_as_many_filters_as_fit_in_a_packet_holds_nobody_up() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let vitals = Vitals::of(&broker);
        let filters: Vec<String> = (0..IN_ONE_PACKET)
            .map(|number| format!("{number:x}"))
            .collect();
        let mut bomber = Client::v5(broker.address(), "bomber");
        for round in 0..2 {
            bomber.send(&subscribe(1, &filters));
            serve(&broker);
            vitals.hold(BOUND, "one SUBSCRIBE of 2 MB");
            let answer = bomber.expect(SUBACK);
            let granted = &answer.body[answer.body.len() - filters.len()..];
            assert!(granted.iter().all(|reason| *reason == 0));
            if round == 0 {
                bomber.send(&unsubscribe(2, &filters));
                serve(&broker);
                bomber.expect(UNSUBACK);
            }
        }
        // And all at once, at the session's end.
        drop(bomber);
        for _ in 0..4 {
            serve(&broker);
        }
        // What the shard's allocator keeps for the next is not given back.
        vitals.recover(BOUND, "one SUBSCRIBE of 2 MB");
        broker.stop();
    }
}

#[test]
fn more_filters_in_one_request_than_a_client_may_have_are_refused_at_no_cost() {
    let broker = Broker::start(2, &["--max-subscriptions", "10"]);
    let vitals = Vitals::of(&broker);
    let filters: Vec<String> = (0..IN_ONE_PACKET)
        .map(|number| format!("{number:x}"))
        .collect();
    let request = subscribe(1, &filters);
    let mut bomber = Client::v5(broker.address(), "bomber");
    for _ in 0..3 {
        bomber.send(&request);
        serve(&broker);
        let answer = bomber.expect(SUBACK);
        let reasons = &answer.body[answer.body.len() - filters.len()..];
        let granted = reasons.iter().filter(|reason| **reason == 0).count();
        assert_eq!(granted, 10);
        assert_eq!(reasons.last(), Some(&0x97));
    }
    vitals.hold(24 << 20, "300,000 filters, refused");
    broker.stop();
}

#[test]
fn thousands_of_clients_lost_at_once_with_wills_for_many_hold_nobody_up() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let address = broker.address();
        let mut mourners: Vec<Client> = (0..50)
            .map(|number| {
                let mut mourner = Client::v5(address, &format!("mourner-{number}"));
                mourner.subscribe("wills/#", 0);
                mourner
            })
            .collect();
        let doomed: Vec<Client> = (0..DOOMED)
            .map(|number| {
                let mut client = Client::open(address, 5);
                client.send(&connect_with_will(&format!("doomed-{number}"), "wills/x"));
                client.expect(CONNACK);
                client
            })
            .collect();
        drop(doomed);
        for _ in 0..4 {
            serve(&broker);
        }
        for mourner in &mut mourners {
            for _ in 0..DOOMED {
                assert_eq!(
                    mourner.message().payload,
                    b"gone",
                    "every will is published"
                );
            }
        }
        broker.stop();
    }
}
