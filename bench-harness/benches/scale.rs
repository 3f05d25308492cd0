//! How the engines' cost grows with the number of shards: 1 to 64 real engines and
//! their real lanes, one after the other on one thread.
//!
//! `cargo bench -p ringmq-bench --bench scale`. Prints CPU time of the thread, so that a
//! busy machine disturbs it little. What it can not see: the kernel, and cache lines that
//! travel between cores; everything is in one core's caches. Owns no assertion about speed.

#[expect(dead_code, reason = "one thread waits for nothing")]
mod hop;
mod shard;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use hop::doorbell::Doorbell;
use hop::mesh::{LaneItem, Mesh, meshes};
use ringmq::ids::{ConnectionId, ShardId};
use ringmq::protocol::ProtocolVersion;
// What the shard's sources name as `crate::engine` and `crate::ids`.
use ringmq::{engine, ids};
use ringmq_bench::encode::PublishTemplate;
use ringmq_bench::process::own_cpu;
use shard::Shards;

const COUNTS: [u16; 6] = [1, 2, 4, 16, 32, 64];

/// Messages of one publisher in one turn of a busy shard.
const BURST: u16 = 16;

/// Messages that a shard handles in one turn: 500 us at some 2 us each with the kernel.
const MESSAGES_PER_TURN: usize = 250;

/// CPU time of the rounds that are measured, in all.
const ENOUGH: u64 = 300_000_000;

/// Nanoseconds of the phases of a turn, over all shards and rounds.
#[derive(Clone, Copy, Default)]
struct Times {
    /// Publishers' packets come in.
    publish: u64,
    /// Batches go into the lanes.
    send: u64,
    /// Batches come out of the lanes and are handled.
    handle: u64,
    /// Out-buffers are emptied.
    flush: u64,
    /// Receipts go into the lanes.
    accept: u64,
    /// Publishers' shards take the receipts.
    settle: u64,
    rounds: u64,
}

/// A broker without a kernel.
struct Broker {
    shards: Shards,
    meshes: Vec<Mesh>,
    /// Which shard a publisher is at, and what it sends in a turn.
    publishers: Vec<(usize, ConnectionId, Vec<u8>)>,
}

impl Broker {
    fn new(count: u16) -> Self {
        let bells: Vec<_> = (0..count).map(|_| Arc::new(Doorbell::new())).collect();
        Self {
            shards: Shards::new(count),
            meshes: meshes(&bells),
            publishers: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.meshes.len()
    }

    fn subscribe(&mut self, shard: usize, topic: &str) {
        let id = self.shards.connect(shard);
        self.shards.subscribe(shard, id, topic, 0);
    }

    fn publish(&mut self, shard: usize, topic: &str, messages: u16) {
        let id = self.shards.connect(shard);
        let template = PublishTemplate::new(ProtocolVersion::V3_1_1, topic, 0, false, 64);
        let mut bytes = Vec::new();
        for packet_id in 1..=messages {
            template.append(packet_id, &mut bytes);
        }
        self.publishers.push((shard, id, bytes));
    }

    /// These shards send what they have; how many batches.
    fn send(&mut self, shards: Range<usize>) -> usize {
        let mut batches = 0;
        for from in shards {
            while let Some((to, batch)) = self.shards.next_batch(from) {
                self.meshes[from].send(to, LaneItem::Batch(batch));
                batches += 1;
            }
            self.meshes[from].wake_peers();
        }
        batches
    }

    fn handle(&mut self, shards: Range<usize>) {
        for to in shards {
            while let Some((from, item)) = self.meshes[to].next() {
                let LaneItem::Batch(batch) = item else {
                    unreachable!("nobody moves");
                };
                self.shards.hand(from, ShardId(index(to)), batch);
            }
        }
    }

    fn flush(&mut self) {
        for shard in 0..self.count() {
            self.shards.drain(shard, |_, pending| {
                black_box(pending);
            });
        }
    }

    /// One turn of every shard; only those in `publishing` have publishers.
    fn turn(&mut self, publishing: Range<usize>, times: &mut Times) {
        let start = now();
        for (shard, id, bytes) in &self.publishers {
            self.shards.receive(*shard, *id, black_box(bytes));
        }
        for shard in publishing.clone() {
            self.shards.go_on(shard);
        }
        let published = now();
        self.send(publishing.clone());
        let sent = now();
        self.handle(0..self.count());
        let handled = now();
        self.flush();
        let flushed = now();
        self.send(0..self.count());
        let accepted = now();
        self.handle(publishing);
        let settled = now();
        // Nothing may be left for the next round.
        while self.send(0..self.count()) > 0 {
            self.handle(0..self.count());
        }
        times.publish += published - start;
        times.send += sent - published;
        times.handle += handled - sent;
        times.flush += flushed - handled;
        times.accept += accepted - flushed;
        times.settle += settled - accepted;
        times.rounds += 1;
    }

    /// Turns until that has taken long enough to be measured.
    fn measure(&mut self, publishing: Range<usize>) -> Times {
        for _ in 0..3 {
            self.turn(publishing.clone(), &mut Times::default());
        }
        let mut times = Times::default();
        let start = now();
        while now() - start < ENOUGH {
            self.turn(publishing.clone(), &mut times);
        }
        times
    }
}

fn now() -> u64 {
    own_cpu().expect("the thread has a clock")
}

fn index(shard: usize) -> u16 {
    u16::try_from(shard).expect("few shards")
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn each(nanoseconds: u64, count: u64) -> f64 {
    nanoseconds as f64 / count.max(1) as f64
}

/// One publisher to subscribers on all shards.
fn fan_out(subscribers: usize) {
    println!("\n## 1 -> {subscribers}, {BURST} messages per turn, ns\n");
    println!("| shards | per message at its shard | per hop (message and shard) | per delivery |");
    println!("|---:|---:|---:|---:|");
    for count in COUNTS {
        let shards = usize::from(count);
        let run = |subscribers: usize| {
            let mut broker = Broker::new(count);
            for number in 0..subscribers {
                broker.subscribe(number % shards, "t/0");
            }
            broker.publish(0, "t/0", BURST);
            let times = broker.measure(0..1);
            (times, times.rounds * u64::from(BURST))
        };
        // What a hop costs is seen where each brings one delivery.
        let (few, messages) = run(shards);
        let hops = messages * (u64::from(count) - 1);
        let (many, all) = run(subscribers);
        let others = few.flush / u64::from(count) * (u64::from(count) - 1);
        let handling = few.handle + others + few.accept;
        let total = |times: Times| times.publish + times.send + times.handle + times.flush;
        let beyond = each(total(many), all) - each(total(few), messages);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per_delivery = beyond / (subscribers - shards).max(1) as f64;
        let hop = match hops {
            0 => "-".to_owned(),
            hops => format!("{:.0}", each(handling, hops)),
        };
        println!(
            "| {count} | {:.0} | {hop} | {per_delivery:.1} |",
            each(few.publish + few.send + few.settle, messages),
        );
    }
}

/// As many pairs per shard as a turn has messages for, each at two shards by chance.
fn pairs() {
    println!("\n## Pairs, {MESSAGES_PER_TURN} messages per shard and turn, ns per message\n");
    println!("| shards | publish | send | handle | flush | receipts | all |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for count in COUNTS {
        let shards = usize::from(count);
        let mut broker = Broker::new(count);
        for pair in 0..MESSAGES_PER_TURN * shards {
            let topic = format!("pairs/{pair}");
            // Every shard has as many for each other one.
            broker.subscribe(pair / MESSAGES_PER_TURN, &topic);
            broker.publish(pair % shards, &topic, 1);
        }
        let times = broker.measure(0..shards);
        let messages = times.rounds * (MESSAGES_PER_TURN * shards) as u64;
        let parts = [
            times.publish,
            times.send,
            times.handle,
            times.flush,
            times.accept + times.settle,
        ];
        let cells = parts.map(|part| format!("{:.0}", each(part, messages)));
        let all = each(parts.iter().sum(), messages);
        println!("| {count} | {} | {all:.0} |", cells.join(" | "));
    }
}

/// Publishers on all shards, one subscriber.
fn fan_in() {
    println!("\n## Fan-in to one subscriber, 4 publishers per shard, ns per message\n");
    println!("| shards | at the publishers' shards | at the subscriber's shard |");
    println!("|---:|---:|---:|");
    for count in COUNTS {
        let shards = usize::from(count);
        let mut broker = Broker::new(count);
        broker.subscribe(0, "in/#");
        for number in 0..4 * shards {
            broker.publish(number % shards, &format!("in/{number}"), BURST);
        }
        let times = broker.measure(0..shards);
        let messages = times.rounds * (4 * shards) as u64 * u64::from(BURST);
        println!(
            "| {count} | {:.0} | {:.0} |",
            each(times.publish + times.send + times.settle, messages),
            each(times.handle + times.flush + times.accept, messages),
        );
    }
}

/// What a pass of a shard costs that has nothing to say and hears nothing.
fn idle_lanes() {
    const PASSES: u64 = 20_000;
    println!("\n## A look at lanes on which nothing is, ns per pass of one shard\n");
    println!("| shards | receive, send and wake |");
    println!("|---:|---:|");
    for count in COUNTS {
        let mut broker = Broker::new(count);
        let start = now();
        for _ in 0..PASSES {
            let mesh = &mut broker.meshes[0];
            assert!(mesh.next().is_none(), "nothing was sent");
            assert!(broker.shards.next_batch(0).is_none(), "as above");
            broker.meshes[0].wake_peers();
            broker.meshes[0].wake_peers();
        }
        println!("| {count} | {:.0} |", each(now() - start, PASSES));
    }
}

/// Hops to shards that have no subscriber, by the filters that they have instead.
fn useless_hops() {
    const TOPICS: usize = 2_000;
    println!("\n## Useless hops per message, by filters without a wildcard on all shards\n");
    println!("| shards | 16,000 | 100,000 | 1,000,000 |");
    println!("|---:|---:|---:|---:|");
    for count in [2, 16, 64] {
        let mut cells = Vec::new();
        let mut broker = Broker::new(count);
        let mut filters = 0;
        for total in [16_000, 100_000, 1_000_000] {
            for shard in 0..usize::from(count) {
                let id = broker.shards.connect(shard);
                let share = (total - filters) / usize::from(count);
                let topics: Vec<_> = (0..share)
                    .map(|number| format!("held/{filters}/{shard}/{number}"))
                    .collect();
                broker.shards.subscribe_all(shard, id, &topics, 0);
            }
            filters = total;
            let publisher = broker.shards.connect(0);
            let mut hops = 0;
            for topic in 0..TOPICS {
                let topic = format!("free/{topic}");
                let template = PublishTemplate::new(ProtocolVersion::V3_1_1, &topic, 0, false, 16);
                let mut bytes = Vec::new();
                template.append(1, &mut bytes);
                broker.shards.receive(0, publisher, &bytes);
                // Receipts apart, each batch is one hop.
                let mut to = BTreeSet::new();
                while let Some((shard, batch)) = broker.shards.next_batch(0) {
                    to.insert(shard.index());
                    broker.meshes[0].send(shard, LaneItem::Batch(batch));
                }
                hops += to.len() as u64;
                let all = 0..usize::from(count);
                broker.handle(all.clone());
                while broker.send(all.clone()) > 0 {
                    broker.handle(all.clone());
                }
            }
            cells.push(format!("{:.3}", each(hops, TOPICS as u64)));
        }
        println!("| {count} | {} |", cells.join(" | "));
    }
}

fn main() {
    println!("lane: {} bytes of items", 256 * size_of::<LaneItem>());
    fan_out(1_000);
    fan_out(10_000);
    pairs();
    fan_in();
    idle_lanes();
    useless_hops();
}
