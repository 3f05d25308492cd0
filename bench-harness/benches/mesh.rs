//! What the way between two shards costs: the lane, the mesh of lanes, and a hop
//! from one engine through it to another.
//!
//! `cargo bench -p ringmq-bench --bench mesh`. The sources are the shard's own
//! (`hop` says how they get here); the CPU time is that of one of the two threads,
//! where there are two.

mod cpu_time;
mod hop;
mod shard;

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hop::doorbell::Doorbell;
use hop::lane::lane;
use hop::mesh::{LaneItem, Mesh, meshes};
use ringmq::engine::PeerBatch;
use ringmq::ids::ShardId;
use ringmq::protocol::ProtocolVersion;
// What the shard's sources name as `crate::engine` and `crate::ids`.
use ringmq::{engine, ids};
use ringmq_bench::encode::PublishTemplate;
use shard::Shards;

const TOPIC: &str = "bench/hop/0";

/// Messages of one turn of a busy shard.
const BURST: u16 = 16;

const EAST: ShardId = ShardId(0);
const WEST: ShardId = ShardId(1);

/// Two engines, a publisher at one and a subscriber at the other.
struct Pair {
    shards: Shards,
    publisher: ringmq::ids::ConnectionId,
    burst: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let mut shards = Shards::new(2);
        let publisher = shards.connect(EAST.index());
        let subscriber = shards.connect(WEST.index());
        shards.subscribe(WEST.index(), subscriber, TOPIC, 0);
        let template = PublishTemplate::new(ProtocolVersion::V3_1_1, TOPIC, 0, false, 64);
        let mut burst = Vec::new();
        for id in 1..=BURST {
            template.append(id, &mut burst);
        }
        Self {
            shards,
            publisher,
            burst,
        }
    }

    /// What the publisher's shard has for the other one after a turn.
    fn batch(&mut self) -> PeerBatch {
        let burst = black_box(&self.burst);
        self.shards.receive(EAST.index(), self.publisher, burst);
        let (to, batch) = self.shards.next_batch(EAST.index()).expect("one is due");
        assert_eq!(to, WEST);
        batch
    }

    /// The subscriber's shard handles a batch; its receipt, where one is due.
    fn handle(&mut self, batch: PeerBatch) -> Option<PeerBatch> {
        self.shards.hand(EAST, WEST, batch);
        self.shards.drain(WEST.index(), |_, pending| {
            black_box(pending);
        });
        let receipt = self.shards.next_batch(WEST.index());
        receipt.map(|(_, receipt)| receipt)
    }

    /// The publisher's shard handles the receipt.
    fn settle(&mut self, receipt: Option<PeerBatch>) {
        if let Some(receipt) = receipt {
            self.shards.hand(WEST, EAST, receipt);
        }
        self.shards.drain(EAST.index(), |_, _| {});
    }
}

fn two_shards() -> ([Arc<Doorbell>; 2], [Mesh; 2]) {
    let doorbells = [Arc::new(Doorbell::new()), Arc::new(Doorbell::new())];
    let meshes = <[Mesh; 2]>::try_from(meshes(&doorbells));
    let Ok(meshes) = meshes else {
        unreachable!("one mesh per doorbell");
    };
    (doorbells, meshes)
}

/// Sends what one shard has for another as a turn does.
fn send(mesh: &mut Mesh, to: ShardId, batch: PeerBatch) {
    mesh.send(to, LaneItem::Batch(batch));
    mesh.wake_peers();
}

fn receive(mesh: &mut Mesh) -> Option<PeerBatch> {
    match mesh.next()? {
        (_, LaneItem::Batch(batch)) => Some(batch),
        (_, LaneItem::Handoff(_)) => unreachable!("nobody sends one"),
    }
}

/// Both halves on one core: instructions, no cache line that travels.
fn lanes(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("a batch through a lane, one core");
    group.throughput(Throughput::Elements(1));
    let (mut sender, mut receiver) = lane(256);
    let mut item = Some(LaneItem::Batch(Pair::new().batch()));
    group.bench_function("the lane alone", |bencher| {
        bencher.iter(|| {
            let given = item.take().expect("it came back");
            assert!(sender.push(given).is_ok(), "the lane is empty");
            if receiver.take_wants_room() {
                unreachable!("it was never full");
            }
            item = receiver.pop();
        });
    });
    let (_doorbells, [mut east, mut west]) = two_shards();
    let mut batch = Some(Pair::new().batch());
    group.bench_function("the mesh, to a shard that is awake", |bencher| {
        bencher.iter(|| {
            send(&mut east, WEST, batch.take().expect("it came back"));
            batch = receive(&mut west);
            // The look that finds nothing ends a turn's receiving.
            assert!(west.is_idle(), "one batch was sent");
        });
    });
    group.finish();
}

/// How a thread waits for its lanes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Looks again and again, as a busy shard comes round again and again.
    Awake,
    /// Sleeps on its eventfd, as an idle shard does.
    Asleep,
}

/// Waits until something arrives; `None` when it is told to stop.
fn wait(mesh: &mut Mesh, bell: &Doorbell, waits: Waits, stop: &AtomicBool) -> Option<PeerBatch> {
    /// Looks before another thread may have the core, on machines with too few.
    const LOOKS: u32 = 10_000;
    let mut looks = 0;
    loop {
        if let Some(batch) = receive(mesh) {
            return Some(batch);
        }
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        if waits == Waits::Asleep {
            bell.park();
            if mesh.is_idle() && !stop.load(Ordering::Relaxed) {
                bell.sleep();
            }
            bell.unpark();
        } else if looks < LOOKS {
            looks += 1;
            spin_loop();
        } else {
            looks = 0;
            thread::yield_now();
        }
    }
}

/// Two threads: a batch goes to the other one, and comes back.
fn there_and_back(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("a batch there and back, two threads");
    for (name, waits) in [("both awake", Waits::Awake), ("both asleep", Waits::Asleep)] {
        let ([east_bell, west_bell], [mut east, mut west]) = two_shards();
        let stop = Arc::new(AtomicBool::new(false));
        let echo = {
            let (bell, stop) = (Arc::clone(&west_bell), Arc::clone(&stop));
            thread::spawn(move || {
                while let Some(batch) = wait(&mut west, &bell, waits, &stop) {
                    send(&mut west, EAST, batch);
                }
            })
        };
        let mut batch = Some(Pair::new().batch());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                send(&mut east, WEST, batch.take().expect("it came back"));
                batch = wait(&mut east, &east_bell, waits, &stop);
            });
        });
        stop.store(true, Ordering::Relaxed);
        west_bell.ring();
        echo.join().expect("the other thread ends");
    }
    group.finish();
}

/// The whole hop of 16 messages: engine, mesh, engine, and the receipt back.
fn hops(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("16 messages to a subscriber of another shard");
    group.throughput(Throughput::Elements(u64::from(BURST)));
    let mut pair = Pair::new();
    group.bench_function("handed over without a lane", |bencher| {
        bencher.iter(|| {
            let batch = pair.batch();
            let receipt = pair.handle(batch);
            pair.settle(receipt);
        });
    });
    let (_doorbells, [mut east, mut west]) = two_shards();
    group.bench_function("through the mesh", |bencher| {
        bencher.iter(|| {
            send(&mut east, WEST, pair.batch());
            let batch = receive(&mut west).expect("it was sent");
            if let Some(receipt) = pair.handle(batch) {
                send(&mut west, EAST, receipt);
            }
            pair.settle(receive(&mut east));
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = lanes, there_and_back, hops);
criterion_main!(benches);
