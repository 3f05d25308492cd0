//! Very many of something at once hold nobody up: filters in one request, what an
//! ended session leaves behind, clients lost in one moment.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use std::time::Duration;

use super::sessions::distant_group;
use super::world::{Client, KEPT, PLAIN, Seen, Wish, World};
use super::{SHARD_COUNTS, clients_on_two_shards};
use crate::engine::Limits;
use crate::engine::limits::{
    SHARED_SUBSCRIPTIONS_MAX, SUBSCRIPTION_BYTES_MAX, WILDCARD_SHAPES_MAX,
};
use crate::protocol::{
    Packet, PacketId, QoS, Subscribe, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    Unsubscribe, UserProperties,
};

const QUOTA_EXCEEDED: u8 = 0x97;

fn request(filter: &str) -> SubscriptionRequest<'_> {
    SubscriptionRequest {
        filter: parse(filter),
        options: SubscriptionOptions::with_qos(QoS::AtLeastOnce),
    }
}

fn parse(filter: &str) -> TopicFilter<'_> {
    TopicFilter::parse(filter).expect("a valid filter")
}

fn subscribe_all(world: &mut World, client: Client, filters: &[String]) {
    let subscribe = Subscribe {
        packet_id: PacketId::new(7).expect("not zero"),
        subscription_id: None,
        user_properties: UserProperties::default(),
        filters: filters.iter().map(|filter| request(filter)).collect(),
    };
    world.send(client, &Packet::Subscribe(subscribe));
}

fn unsubscribe_all(world: &mut World, client: Client, filters: &[String]) {
    let unsubscribe = Unsubscribe {
        packet_id: PacketId::new(8).expect("not zero"),
        user_properties: UserProperties::default(),
        filters: filters.iter().map(|filter| parse(filter)).collect(),
    };
    world.send(client, &Packet::Unsubscribe(unsubscribe));
}

fn subscriptions(world: &World) -> u64 {
    world.engines.iter().map(|e| e.stats().subscriptions).sum()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t/{number}/+")).collect()
}

#[test]
fn a_request_with_very_many_filters_is_handled_bit_by_bit_and_answered_once() {
    for shards in SHARD_COUNTS {
        let mut world = World::new(shards, Limits::default());
        let (bomber, other) = (world.connect("b", PLAIN), world.connect("o", PLAIN));
        world.seen(bomber);
        world.seen(other);
        let count = 30_000;
        let filters = numbered(count);
        subscribe_all(&mut world, bomber, &filters);
        let at_once = subscriptions(&world);
        assert!((1..3_000).contains(&at_once), "{at_once} in one visit");
        assert_eq!(world.seen(bomber), [], "not answered yet");
        // Others are served meanwhile, and what was subscribed to already counts.
        world.publish(other, "t/0/x", "early", QoS::AtLeastOnce, 1);
        for _ in 0..4 {
            world.turn();
            world.carry();
        }
        assert_eq!(super::acknowledged(&world.seen(other), "PUBACK"), 1);
        assert!(subscriptions(&world) < 30_000);
        assert_eq!(world.payloads(bomber), ["early"]);
        world.settle();
        assert!(world.seen(bomber) == [Seen::SubAck(7, vec![1; count])]);
        assert_eq!(subscriptions(&world), 30_000);
        world.publish(other, "t/29999/x", "late", QoS::AtMostOnce, 0);
        world.settle();
        assert_eq!(world.payloads(bomber), ["late"]);
        unsubscribe_all(&mut world, bomber, &filters);
        let left = subscriptions(&world);
        assert!((27_000..30_000).contains(&left), "{left} after one visit");
        assert_eq!(world.seen(bomber), [], "not answered yet");
        world.settle();
        assert!(world.seen(bomber) == [Seen::UnsubAck(8, vec![0; count])]);
        assert_eq!(subscriptions(&world), 0);
    }
}

#[test]
fn packets_behind_a_long_request_wait_for_their_turn() {
    let limits = Limits {
        deliveries_per_visit: 1,
        ..Limits::default()
    };
    for shards in SHARD_COUNTS {
        let mut world = World::new(shards, limits.clone());
        let client = world.connect("client", PLAIN);
        world.seen(client);
        let filters = numbered(50);
        subscribe_all(&mut world, client, &filters);
        unsubscribe_all(&mut world, client, &filters[..49]);
        world.send(client, &Packet::PingReq);
        world.publish(client, "t/48/x", "nobody", QoS::AtMostOnce, 0);
        world.publish(client, "t/49/x", "kept", QoS::AtMostOnce, 0);
        world.settle();
        let seen = world.seen(client);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert_eq!(seen[0], Seen::SubAck(7, vec![1; 50]));
        assert_eq!(seen[1], Seen::UnsubAck(8, vec![0; 49]));
        assert!(matches!(&seen[3], Seen::Publish { payload, .. } if payload == "kept"));
    }
}

#[test]
fn a_request_for_very_many_groups_keeps_to_the_credit_of_their_lanes() {
    let credit = 2_000;
    let limits = Limits {
        lane_credit: credit,
        ..Limits::default()
    };
    let mut world = World::new(2, limits);
    let client = world.connect("client", PLAIN);
    let group = distant_group(&world, client);
    world.seen(client);
    let engine = &world.engines[world.shard_of(client)];
    let filters: Vec<String> = (0..)
        .map(|number| format!("{group}/{number}"))
        .filter(|filter| engine.homes.of_group(filter) != engine.shard)
        .take(1_000)
        .collect();
    subscribe_all(&mut world, client, &filters);
    let shard = world.shard_of(client);
    let (_, batch) = world.engines[shard].next_peer_batch().expect("requests");
    let most = usize::try_from(credit).expect("small") / 64 + 1;
    assert!(batch.items.len() <= most, "{}", batch.items.len());
    let (from, now) = (world.engines[shard].shard, world.now);
    world.engines[1 - shard].handle_peer(from, batch, now);
    world.settle();
    assert_eq!(world.seen(client), [Seen::SubAck(7, vec![1; 1_000])]);
}

#[test]
fn the_subscriptions_of_an_ended_session_go_bit_by_bit_and_are_nobody_elses() {
    for shards in SHARD_COUNTS {
        let mut world = World::new(shards, Limits::default());
        let bomber = world.connect("b", PLAIN);
        let publisher = world.connect("p", PLAIN);
        let filters = numbered(30_000);
        subscribe_all(&mut world, bomber, &filters);
        world.settle();
        world.cut(bomber);
        let left = subscriptions(&world);
        assert!((25_000..30_000).contains(&left), "{left} left at once");
        let sessions: u64 = world.engines.iter().map(|e| e.stats().sessions).sum();
        assert_eq!(sessions, 1, "the session is over");
        // Whoever comes now gets nothing that the ended session wanted.
        let strangers: Vec<Client> = (0..4)
            .map(|number| world.begin_connect(&format!("stranger-{number}"), PLAIN))
            .collect();
        let again = world.begin_connect("b", PLAIN);
        world.publish(publisher, "t/29999/x", "for nobody", QoS::AtLeastOnce, 1);
        world.publish(publisher, "t/0/x", "for nobody", QoS::AtLeastOnce, 2);
        for _ in 0..3 {
            world.turn();
            world.carry();
        }
        assert!(subscriptions(&world) > 0, "still at it");
        world.settle();
        for client in strangers.into_iter().chain([again]) {
            let seen = world.seen(client);
            assert!(
                matches!(&seen[..], [Seen::ConnAck { present: false, .. }]),
                "{seen:?}"
            );
        }
        assert_eq!(super::acknowledged(&world.seen(publisher), "PUBACK"), 2);
        assert_eq!(subscriptions(&world), 0);
    }
}

/// Clients that leave a will when they are lost.
fn doomed(world: &mut World, count: usize) -> Vec<Client> {
    let ids: Vec<String> = (0..count)
        .map(|number| format!("doomed-{number}"))
        .collect();
    ids.iter()
        .map(|id| {
            let wish = Wish {
                will: Some(("wills/x", id, 0)),
                ..KEPT
            };
            world.begin_connect(id, wish)
        })
        .collect()
}

#[test]
fn clients_lost_all_at_once_have_all_their_wills_published_but_not_all_at_once() {
    let limits = Limits {
        deliveries_per_pass: 1_000,
        max_queued_messages: 0,
        ..Limits::default()
    };
    for shards in SHARD_COUNTS {
        let mut world = World::new(shards, limits.clone());
        let mourners: Vec<Client> = (0..20)
            .map(|number| {
                let client = world.connect(&format!("mourner-{number}"), PLAIN);
                world.subscribe(client, "wills/+", QoS::AtMostOnce);
                client
            })
            .collect();
        let doomed = doomed(&mut world, 400);
        world.settle();
        for &client in &mourners {
            world.seen(client);
        }
        for client in doomed {
            world.cut(client);
        }
        let sent = |world: &World| -> u64 {
            let stats = world.engines.iter().map(|e| e.stats().publishes_sent);
            stats.sum()
        };
        let at_once = sent(&world);
        let most = u64::from(shards) * 1_100;
        assert!((1..=most).contains(&at_once), "{at_once} at once");
        world.turn();
        assert!(sent(&world) <= at_once + most);
        world.settle();
        for client in mourners {
            let mut heard = world.payloads(client);
            heard.sort();
            heard.dedup();
            assert_eq!(heard.len(), 400, "every will, once");
        }
        assert_eq!(sent(&world), 400 * 20);
    }
}

#[test]
fn a_client_that_comes_back_before_its_will_had_its_turn_does_not_undo_it() {
    let limits = Limits {
        deliveries_per_pass: 1,
        ..Limits::default()
    };
    for shards in SHARD_COUNTS {
        let mut world = World::new(shards, limits.clone());
        let mourner = world.connect("mourner", PLAIN);
        world.subscribe(mourner, "wills/+", QoS::AtMostOnce);
        let clients = doomed(&mut world, 30);
        world.settle();
        world.seen(mourner);
        for &client in &clients {
            world.cut(client);
        }
        let again = doomed(&mut world, 30);
        world.settle();
        let mut heard = world.payloads(mourner);
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 30, "[MQTT-3.1.2-8]");
        for client in again {
            let seen = world.seen(client);
            assert!(matches!(&seen[..], [Seen::ConnAck { present: true, .. }]));
        }
    }
}

#[test]
fn clients_silent_all_at_once_are_closed_pass_by_pass() {
    let limits = Limits {
        deliveries_per_pass: 1_000,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    for number in 0..500 {
        let wish = Wish {
            keep_alive: 10,
            ..PLAIN
        };
        world.connect(&format!("silent-{number}"), wish);
    }
    let mut passes = 0;
    world.now = world.now.plus_seconds(20);
    world.engines[0].handle_timeout(world.now);
    while world.engines[0].handle_ready(world.now) {
        passes += 1;
    }
    assert!(passes >= 10, "{passes} passes");
    world.settle();
    assert_eq!(world.engines[0].stats().connections, 0);
    assert_eq!(world.engines[0].stats().sessions, 0);
}

#[test]
fn filters_of_ever_more_shapes_are_refused_and_others_are_not() {
    let mut world = World::new(1, Limits::default());
    let client = world.connect("client", PLAIN);
    world.seen(client);
    let filters: Vec<String> = (1..=WILDCARD_SHAPES_MAX + 1)
        .map(|number| {
            let level = |at: usize| if number >> at & 1 == 1 { "+" } else { "a" };
            (0..17).map(level).collect::<Vec<_>>().join("/")
        })
        .collect();
    let mut reasons = Vec::new();
    for part in filters.chunks(40_000) {
        subscribe_all(&mut world, client, part);
        world.settle();
        for seen in world.seen(client) {
            match seen {
                Seen::SubAck(_, more) => reasons.extend(more),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(reasons.pop(), Some(QUOTA_EXCEEDED));
    assert!(reasons.iter().all(|&reason| reason == 1));
    // Of the shapes that there are, and without wildcards, there may be more.
    let others = [filters[0].replace('a', "b"), "exact".to_owned()];
    subscribe_all(&mut world, client, &others);
    world.settle();
    assert_eq!(world.seen(client), [Seen::SubAck(7, vec![1; 2])]);
    // The last one of its shape makes room for another.
    unsubscribe_all(&mut world, client, &[filters[9].clone()]);
    subscribe_all(&mut world, client, &filters[WILDCARD_SHAPES_MAX..]);
    world.settle();
    assert_eq!(world.seen(client)[1], Seen::SubAck(7, vec![1]));
}

#[test]
fn shared_subscriptions_and_bytes_of_filters_have_a_bound_per_client() {
    let mut world = World::new(2, Limits::default());
    let (client, _) = clients_on_two_shards(&mut world);
    world.seen(client);
    let groups: Vec<String> = (0..=SHARED_SUBSCRIPTIONS_MAX)
        .map(|number| format!("$share/g/{number}"))
        .collect();
    subscribe_all(&mut world, client, &groups);
    world.settle();
    let seen = world.seen(client);
    let [Seen::SubAck(_, reasons)] = &seen[..] else {
        panic!("{} packets", seen.len());
    };
    assert_eq!(reasons.last(), Some(&QUOTA_EXCEEDED));
    let granted = reasons.iter().filter(|&&reason| reason == 1).count();
    assert_eq!(granted, SHARED_SUBSCRIPTIONS_MAX);
    // Giving one up makes room for another, and an existing one may be changed.
    unsubscribe_all(&mut world, client, &groups[..1]);
    subscribe_all(&mut world, client, &groups[1..]);
    world.settle();
    let seen = world.seen(client);
    assert!(seen[1] == Seen::SubAck(7, vec![1; SHARED_SUBSCRIPTIONS_MAX]));

    let length = 65_000;
    let most = (SUBSCRIPTION_BYTES_MAX - 10 * SHARED_SUBSCRIPTIONS_MAX) / length;
    let mut granted = 0;
    for number in 0..=SUBSCRIPTION_BYTES_MAX / length {
        let filter = format!("{number:0length$}");
        subscribe_all(&mut world, client, &[filter]);
        world.settle();
        match &world.seen(client)[..] {
            [Seen::SubAck(_, reasons)] if reasons == &[1] => granted += 1,
            seen => assert_eq!(seen, [Seen::SubAck(7, vec![QUOTA_EXCEEDED])]),
        }
    }
    assert!((most - 3..=most + 3).contains(&granted), "{granted}");
}

/// The longest time that one engine needs at once, until all is quiet.
fn longest(world: &mut World, what: &str, begin: impl FnOnce(&mut World)) {
    let started = on_cpu();
    begin(world);
    let (mut most, mut passes) = (on_cpu() - started, 0);
    loop {
        let step = on_cpu();
        let more = world.turn();
        most = most.max(on_cpu() - step);
        passes += 1;
        if !more {
            break;
        }
    }
    let all = on_cpu() - started;
    println!("{what}: {passes} passes, the longest {most:?}, in all {all:?}");
}

/// What this thread has had of a processor so far, whatever else the machine does.
fn on_cpu() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = statistics.split(' ').next().expect("a number");
    Duration::from_nanos(nanos.parse().expect("a number"))
}

/// `cargo test --release --lib the_longest_pass -- --ignored --nocapture`
#[test]
#[ignore = "prints times, which mean something in release only"]
fn the_longest_pass_of_a_shard_in_trouble() {
    let mut world = World::new(1, Limits::default());
    let publisher = world.connect("p", PLAIN);
    let filters: Vec<String> = (0..240_000).map(|number| format!("{number:x}")).collect();
    let bomber = world.connect("b", KEPT);
    longest(&mut world, "SUBSCRIBE, 240,000 filters", |world| {
        subscribe_all(world, bomber, &filters);
    });
    longest(&mut world, "the same again", |world| {
        subscribe_all(world, bomber, &filters);
    });
    longest(&mut world, "UNSUBSCRIBE, 240,000 filters", |world| {
        unsubscribe_all(world, bomber, &filters);
    });
    subscribe_all(&mut world, bomber, &filters);
    world.settle();
    longest(&mut world, "the session ends", |world| {
        world.begin_connect("b", PLAIN);
    });
    let levels = 17;
    let overlapping: Vec<String> = (0..1 << levels)
        .map(|number| {
            let level = |at: usize| if number >> at & 1 == 1 { "+" } else { "a" };
            (0..levels).map(level).collect::<Vec<_>>().join("/")
        })
        .collect();
    let bomber = world.connect("o", PLAIN);
    // Half of them are of one shape too many.
    for part in overlapping.chunks(40_000) {
        subscribe_all(&mut world, bomber, part);
        world.settle();
    }
    let topic = vec!["a"; levels].join("/");
    for _ in 0..3 {
        longest(&mut world, "one publish into 65,536 filters", |world| {
            world.publish(publisher, &topic, "x", QoS::AtMostOnce, 0);
        });
    }
    longest(&mut world, "their session ends", |world| world.cut(bomber));
    for number in 0..50 {
        let mourner = world.connect(&format!("mourner-{number}"), PLAIN);
        world.subscribe(mourner, "wills/+", QoS::AtMostOnce);
    }
    let doomed = doomed(&mut world, 900);
    world.settle();
    longest(&mut world, "900 wills for 50 each", |world| {
        doomed.into_iter().for_each(|client| world.cut(client));
    });
    let groups: Vec<String> = (0..SHARED_SUBSCRIPTIONS_MAX)
        .map(|number| format!("$share/{number}/t"))
        .collect();
    let member = world.connect("m", KEPT);
    longest(&mut world, "10,000 groups", |world| {
        subscribe_all(world, member, &groups)
    });
    longest(&mut world, "one publish into 10,000 groups", |world| {
        world.publish(publisher, "t", "x", QoS::AtMostOnce, 0);
    });
    longest(&mut world, "their member goes", |world| world.cut(member));
    longest(&mut world, "and ends", |world| {
        world.begin_connect("m", PLAIN);
    });
}
