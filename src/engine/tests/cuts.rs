//! However the bytes of clients are cut, and however little is done at a time, the
//! same comes out; and when all is done, nothing is left on any account.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use proptest::prelude::*;

use super::world::{Client, KEPT, Seen, Wish, World};
use crate::engine::Limits;
use crate::peer::{Identity, Peer};
use crate::protocol::{
    Connect, ConnectProperties, Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS,
    ReasonCode, ReasonProperties, RetainHandling, Subscribe, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, Unsubscribe, UserProperties,
};

/// One packet of a client.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        topic: usize,
        qos: u8,
        length: usize,
        retain: bool,
    },
    Release(u16),
    Subscribe {
        filter: usize,
        qos: u8,
    },
    Unsubscribe {
        filter: usize,
    },
    Ping,
}

const TOPICS: [&str; 4] = ["a", "a/b", "topic/of/more/levels", "$own"];
const FILTERS: [&str; 5] = ["#", "a/+", "a", "topic/#", "$share/g/a/#"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TOPICS.len(), 0..3u8, 0..400usize, any::<bool>())
            .prop_map(|(topic, qos, length, retain)| Step::Publish { topic, qos, length, retain }),
        2 => (1..20u16).prop_map(Step::Release),
        2 => (0..FILTERS.len(), 0..3u8).prop_map(|(filter, qos)| Step::Subscribe { filter, qos }),
        1 => (0..FILTERS.len()).prop_map(|filter| Step::Unsubscribe { filter }),
        1 => Just(Step::Ping),
    ]
}

fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut next_id = 0;
    for step in steps {
        let payload;
        let packet = match *step {
            Step::Publish {
                topic,
                qos,
                length,
                retain,
            } => {
                let qos = QoS::try_from(qos).expect("0 to 2");
                next_id += 1;
                payload = format!("{next_id} {}", "x".repeat(length));
                let packet_id = PacketId::new(next_id).filter(|_| qos > QoS::AtMostOnce);
                Packet::Publish(Publish {
                    dup: false,
                    qos,
                    retain,
                    topic: TOPICS[topic],
                    packet_id,
                    properties: PublishProperties::default(),
                    payload: payload.as_bytes(),
                })
            }
            Step::Release(id) => Packet::PubRel(crate::protocol::Acknowledge {
                packet_id: PacketId::new(id).expect("not zero"),
                reason: ReasonCode::Success,
                properties: ReasonProperties::default(),
            }),
            Step::Subscribe { filter, qos } => Packet::Subscribe(Subscribe {
                packet_id: PacketId::new(1).expect("not zero"),
                subscription_id: None,
                user_properties: UserProperties::default(),
                filters: [SubscriptionRequest {
                    filter: TopicFilter::parse(FILTERS[filter]).expect("valid"),
                    options: SubscriptionOptions {
                        qos: QoS::try_from(qos).expect("0 to 2"),
                        no_local: false,
                        retain_as_published: true,
                        retain_handling: RetainHandling::SendAtSubscribe,
                    },
                }]
                .into_iter()
                .collect(),
            }),
            Step::Unsubscribe { filter } => Packet::Unsubscribe(Unsubscribe {
                packet_id: PacketId::new(2).expect("not zero"),
                user_properties: UserProperties::default(),
                filters: [TopicFilter::parse(FILTERS[filter]).expect("valid")]
                    .into_iter()
                    .collect(),
            }),
            Step::Ping => Packet::PingReq,
        };
        packet
            .encode(KEPT.version, &mut bytes)
            .expect("a valid packet");
    }
    bytes
}

/// The totals of each shard are the sums of what they count.
pub(super) fn assert_accounts(world: &World) {
    for engine in &world.engines {
        let clients = &engine.clients;
        let queued: usize = clients
            .sessions
            .iter()
            .map(|s| s.outbound.queued_bytes())
            .sum();
        assert_eq!(clients.queued_total, queued, "queues");
        let connections = || clients.connections.iter().map(|(_, _, c)| c);
        let charged: usize = connections().map(|c| c.outbox.charged).sum();
        assert_eq!(clients.outbox_total, charged, "out-buffers");
        assert!(connections().all(|c| c.outbox.len() <= c.outbox.charged));
        let assembly: usize = connections()
            .filter_map(|c| c.assembly.as_ref())
            .map(|assembly| assembly.footprint())
            .sum();
        assert_eq!(clients.assembly_total, assembly, "assembly buffers");
    }
}

/// Everything that a client with this life sees.
fn live(world: &mut World, bytes: &[u8], cuts: &[usize]) -> (Client, Vec<Seen>) {
    live_as(KEPT, world, bytes, cuts)
}

fn live_as(wish: Wish<'_>, world: &mut World, bytes: &[u8], cuts: &[usize]) -> (Client, Vec<Seen>) {
    let client = world.connect("client", wish);
    let mut seen = world.seen(client);
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (part, after) = rest.split_at(cut.min(rest.len()));
        world.send_bytes(client, part);
        assert_accounts(world);
        rest = after;
    }
    world.settle();
    assert_accounts(world);
    seen.extend(world.seen(client));
    (client, seen)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_same_comes_out_however_the_bytes_are_cut(
        steps in prop::collection::vec(step(), 1..60),
        cuts in prop::collection::vec(1..300usize, 0..80),
        packets_per_visit in 1..5usize,
    ) {
        let bytes = encode(&steps);
        let limits = || Limits { max_inflight: 0, ..Limits::default() };
        let (_, whole) = live(&mut World::new(1, limits()), &bytes, &[]);
        let mut world = World::new(1, limits());
        world.engines[0].packets_per_visit = packets_per_visit;
        let (_, cut) = live(&mut world, &bytes, &cuts);
        let (whole, cut) = (by_order(whole), by_order(cut));
        prop_assert_eq!(whole.answers, cut.answers);
        // Messages through the shared subscription stand beside the others: no order
        // holds between the two [MQTT-4.6.0-6].
        if steps.iter().any(|step| matches!(step, Step::Subscribe { filter, .. } if FILTERS[*filter].starts_with('$'))) {
            prop_assert_eq!(payloads(&whole.messages), payloads(&cut.messages));
        } else {
            prop_assert_eq!(whole.messages, cut.messages);
        }
    }

}

/// What a client sees, in its two orders: an answer and a message have none between
/// them.
struct Orders {
    answers: Vec<Seen>,
    messages: Vec<Seen>,
}

fn by_order(seen: Vec<Seen>) -> Orders {
    let (messages, answers) = seen
        .into_iter()
        .partition(|seen| matches!(seen, Seen::Publish { .. }));
    Orders { answers, messages }
}

fn payloads(messages: &[Seen]) -> Vec<&str> {
    let mut payloads: Vec<&str> = Vec::new();
    for seen in messages {
        if let Seen::Publish { payload, .. } = seen {
            payloads.push(payload);
        }
    }
    payloads.sort_unstable();
    payloads
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn no_bytes_bring_the_broker_down_or_out_of_balance(
        steps in prop::collection::vec(step(), 1..20),
        cuts in prop::collection::vec(1..300usize, 0..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        old in any::<bool>(),
    ) {
        let mut bytes = encode(&steps);
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let version = if old { ProtocolVersion::V3_1_1 } else { ProtocolVersion::V5 };
        let mut world = World::new(1, Limits::default());
        live_as(Wish { version, ..KEPT }, &mut world, &bytes, &cuts);
        let fresh = world.open(0, version);
        world.send_bytes(fresh, &bytes);
        world.settle();
        assert_accounts(&world);
    }

    #[test]
    fn nothing_is_left_on_any_account_whatever_a_client_did_and_however_it_went(
        steps in prop::collection::vec(step(), 1..60),
        cuts in prop::collection::vec(1..300usize, 0..80),
        shards in 1..4u16,
        reads in any::<bool>(),
        away in any::<bool>(),
    ) {
        let limits = Limits {
            max_inflight: 3,
            max_outbox_bytes: 500,
            max_packet_size: 500,
            max_queued_messages: 10,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        let other = world.connect("other", Wish { clean: true, ..KEPT });
        world.subscribe(other, "#", QoS::ExactlyOnce);
        world.settle();
        world.set_reading(other, reads);
        let (client, _) = live(&mut world, &encode(&steps), &cuts);
        if away {
            world.lose(client);
            assert_accounts(&world);
        }
        // Both come again without their sessions, and leave for good.
        for id in ["client", "other"] {
            let again = world.connect(id, Wish { clean: true, expiry: None, ..KEPT });
            assert_accounts(&world);
            world.lose(again);
        }
        for engine in &world.engines {
            let clients = &engine.clients;
            let left = (clients.queued_total, clients.outbox_total, clients.assembly_total);
            prop_assert_eq!(left, (0, 0, 0));
            prop_assert!(clients.sessions.is_empty() && clients.connections.is_empty());
            prop_assert!(engine.replays.is_empty() && engine.held_by_lane.is_empty());
            prop_assert!(engine.is_quiet());
            let stats = engine.stats();
            prop_assert_eq!(stats.subscriptions, 0);
        }
    }
}

#[test]
fn a_connect_that_comes_in_parts_with_packets_behind_it_moves_home_whole() {
    let mut bytes = Vec::new();
    let connect = Connect {
        version: KEPT.version,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id: "traveller",
        will: None,
        username: None,
        password: None,
    };
    Packet::Connect(connect)
        .encode(KEPT.version, &mut bytes)
        .expect("a valid packet");
    bytes.extend_from_slice(&encode(&[
        Step::Subscribe { filter: 1, qos: 1 },
        Step::Ping,
    ]));
    let mut world = World::new(2, Limits::default());
    // In one receive, cut by a transport, or in two.
    for (shard, at_once) in [(0, false), (0, true), (1, false), (1, true)] {
        for at in 0..=bytes.len() {
            let client = world.open(shard, KEPT.version);
            let (first, second) = bytes.split_at(at);
            world.send_bytes(client, first);
            if !at_once {
                world.settle();
            }
            world.send_bytes(client, second);
            world.settle();
            let seen = world.seen(client);
            assert!(
                matches!(
                    &seen[..],
                    [Seen::ConnAck { .. }, Seen::SubAck(..), Seen::Other(_)]
                ),
                "cut at {at}: {seen:?}"
            );
            world.disconnect(client);
            assert_accounts(&world);
        }
    }
}

#[test]
fn who_a_peer_is_moves_home_with_it() {
    let mut world = World::new(2, Limits::default());
    for shard in 0..2 {
        let client = world.open(shard, KEPT.version);
        let peer = Peer::from(([192, 0, 2, 1], 7));
        let identity = Identity {
            common_name: Some("sensor".into()),
            ..Identity::default()
        };
        world.establish(client, peer, identity.clone());
        world.greet(client, "traveller", KEPT);
        world.settle();
        let connection = world.connection_of(client);
        assert_eq!(connection.origin.peer, peer);
        assert_eq!(connection.identity.as_deref(), Some(&identity));
        world.disconnect(client);
    }
}
