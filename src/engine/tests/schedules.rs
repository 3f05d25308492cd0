//! Whatever comes in whatever order, what was acknowledged arrives, nothing arrives
//! twice, and when all is quiet nobody waits for anything.
//!
//! Owns nothing; the worlds are those of `world`. Pure: nothing here sleeps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::{Client, KEPT, PLAIN, Seen, Wish, World};
use crate::engine::limits::LANE_CREDIT;
use crate::engine::{Engine, Limits};
use crate::protocol::{Packet, QoS, ReasonCode};

/// One event; clients are numbered.
#[derive(Clone, Debug)]
enum Event {
    Connect {
        client: usize,
        clean: bool,
        will: bool,
    },
    Cut(usize),
    Publish {
        client: usize,
        topic: usize,
        qos: u8,
        retain: bool,
    },
    Subscribe {
        client: usize,
        filter: usize,
        qos: u8,
    },
    Unsubscribe {
        client: usize,
        filter: usize,
    },
    Answer(usize),
    Turn,
    Carry,
    Pass(u32),
}

const CLIENTS: usize = 3;
const TOPICS: [&str; 3] = ["a", "a/b", "c"];
const FILTERS: [&str; 5] = ["#", "a/+", "$share/g/a", "$share/h/#", "$share/g/c"];

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    prop_oneof![
        3 => (client.clone(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(client, clean, will)| Event::Connect { client, clean, will }),
        2 => client.clone().prop_map(Event::Cut),
        8 => (client.clone(), 0..TOPICS.len(), 0..3u8, prop::bool::weighted(0.2))
            .prop_map(|(client, topic, qos, retain)| Event::Publish { client, topic, qos, retain }),
        4 => (client.clone(), 0..FILTERS.len(), 0..3u8)
            .prop_map(|(client, filter, qos)| Event::Subscribe { client, filter, qos }),
        2 => (client.clone(), 0..FILTERS.len())
            .prop_map(|(client, filter)| Event::Unsubscribe { client, filter }),
        4 => client.prop_map(Event::Answer),
        4 => Just(Event::Turn),
        4 => Just(Event::Carry),
        1 => (0..2_000u32).prop_map(Event::Pass),
    ]
}

/// A client as it sees itself.
#[derive(Default)]
struct Life {
    connection: Option<Client>,
    next_id: u16,
    /// Payloads published and not yet acknowledged on this connection.
    open: BTreeMap<u16, String>,
}

struct Play {
    world: World,
    lives: Vec<Life>,
    watcher: Client,
    watched: Vec<String>,
    acknowledged: BTreeSet<String>,
}

impl Play {
    fn new(shards: u16, credit: u64) -> Self {
        let limits = Limits {
            max_inflight: 3,
            ..Limits::default()
        };
        let mut world = World::new(shards, limits);
        for engine in &mut world.engines {
            engine
                .lanes
                .iter_mut()
                .for_each(|lane| lane.credit = credit);
        }
        let watcher = world.connect("watcher", PLAIN);
        world.subscribe(watcher, "#", QoS::ExactlyOnce);
        world.settle();
        Self {
            world,
            lives: (0..CLIENTS).map(|_| Life::default()).collect(),
            watcher,
            watched: Vec::new(),
            acknowledged: BTreeSet::new(),
        }
    }

    fn connect(&mut self, client: usize, wish: Wish<'_>) {
        let name = format!("client-{client}");
        let connection = self.world.begin_connect(&name, wish);
        self.world.turn();
        self.lives[client].connection = Some(connection);
        self.lives[client].open.clear();
    }

    fn happen(&mut self, event: &Event) {
        let world = &mut self.world;
        let connection = |lives: &[Life], client: usize| lives[client].connection;
        match *event {
            Event::Connect {
                client,
                clean,
                will,
            } => {
                let will = will.then_some(("will", "gone", 7));
                self.connect(
                    client,
                    Wish {
                        clean,
                        will,
                        ..KEPT
                    },
                );
            }
            Event::Cut(client) => {
                if let Some(connection) = self.lives[client].connection.take() {
                    world.cut(connection);
                }
            }
            Event::Publish {
                client,
                topic,
                qos,
                retain,
            } => {
                let qos = QoS::try_from(qos).expect("0 to 2");
                let life = &mut self.lives[client];
                let Some(connection) = life.connection else {
                    return;
                };
                life.next_id += 1;
                let payload = format!("{client}-{}", life.next_id);
                let id = if qos == QoS::AtMostOnce {
                    0
                } else {
                    life.next_id
                };
                world.publish_with(connection, TOPICS[topic], &payload, qos, id, retain);
                if id > 0 {
                    life.open.insert(id, payload);
                }
            }
            Event::Subscribe {
                client,
                filter,
                qos,
            } => {
                let qos = QoS::try_from(qos).expect("0 to 2");
                if let Some(connection) = connection(&self.lives, client) {
                    world.subscribe(connection, FILTERS[filter], qos);
                }
            }
            Event::Unsubscribe { client, filter } => {
                if let Some(connection) = connection(&self.lives, client) {
                    world.unsubscribe(connection, FILTERS[filter]);
                }
            }
            Event::Answer(client) => {
                self.answer(client);
            }
            Event::Turn => {
                world.turn();
                self.watch();
            }
            Event::Carry => {
                world.carry();
            }
            Event::Pass(seconds) => world.pass(seconds),
        }
    }

    /// A client answers whatever it has received; false when that was nothing.
    fn answer(&mut self, client: usize) -> bool {
        let life = &mut self.lives[client];
        let Some(connection) = life.connection else {
            return false;
        };
        let seen = self.world.seen(connection);
        for seen in &seen {
            if let Seen::Ack("PUBACK" | "PUBREC", id, ReasonCode::Success) = seen {
                self.acknowledged.extend(life.open.remove(id));
            }
            answer_to(&mut self.world, connection, seen);
        }
        !seen.is_empty()
    }

    /// The watcher takes and answers everything at once.
    fn watch(&mut self) -> bool {
        let seen = self.world.seen(self.watcher);
        for seen in &seen {
            answer_to(&mut self.world, self.watcher, seen);
            if let Seen::Publish { payload, qos, .. } = seen
                && *qos > 0
                && payload != "gone"
            {
                self.watched.push(payload.clone());
            }
        }
        !seen.is_empty()
    }

    /// Everybody is there and answers until nothing moves.
    fn come_to_rest(&mut self) {
        for client in 0..CLIENTS {
            self.answer(client);
            self.connect(client, KEPT);
        }
        loop {
            self.world.settle();
            let mut moved = self.watch();
            for client in 0..CLIENTS {
                moved |= self.answer(client);
            }
            if !moved {
                return;
            }
        }
    }
}

fn answer_to(world: &mut World, connection: Client, seen: &Seen) {
    match seen {
        Seen::Publish { qos: 1, id, .. } => world.acknowledge(connection, Packet::PubAck, *id),
        Seen::Publish { qos: 2, id, .. } => world.acknowledge(connection, Packet::PubRec, *id),
        Seen::Ack("PUBREC", id, ReasonCode::Success) => {
            world.acknowledge(connection, Packet::PubRel, *id);
        }
        Seen::Ack("PUBREL", id, _) => world.acknowledge(connection, Packet::PubComp, *id),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn what_was_acknowledged_arrives_once_and_in_the_end_nobody_waits(
        events in prop::collection::vec(event(), 1..200),
        shards in 1..4u16,
        credit in prop_oneof![1..300u64, Just(LANE_CREDIT)],
    ) {
        let mut play = Play::new(shards, credit);
        for event in &events {
            play.happen(event);
        }
        play.come_to_rest();
        let once: BTreeSet<String> = play.watched.iter().cloned().collect();
        prop_assert_eq!(once.len(), play.watched.len(), "nothing twice: {:?}", play.watched);
        let lost: Vec<_> = play.acknowledged.difference(&once).collect();
        prop_assert!(lost.is_empty(), "acknowledged and lost: {:?}", lost);
        for engine in &play.world.engines {
            prop_assert!(engine.is_quiet() && engine.internal.is_empty());
            prop_assert!(engine.held_by_lane.is_empty() && engine.replays.is_empty());
            for session in engine.clients.sessions.iter() {
                prop_assert!(session.answers.is_empty(), "{}", session.client_id);
                prop_assert!(session.outbound.is_empty(), "{}", session.client_id);
            }
        }
        let stats = |get: fn(&Engine) -> u64| play.world.engines.iter().map(get).sum::<u64>();
        prop_assert_eq!(stats(|e| e.stats().dropped_queue_full), 0);
        prop_assert_eq!(stats(|e| e.stats().sessions), 1 + CLIENTS as u64);
        super::cuts::assert_accounts(&play.world);
    }
}
