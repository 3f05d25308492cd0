//! What the engine costs without the kernel: one message into a thousand
//! out-buffers, with rules and without, a message to another shard, the timer wheel.
//!
//! `cargo bench -p ringmq-bench --bench engine`. The lane itself, on which a batch
//! crosses, is in the benchmark `mesh`.

mod cpu_time;
mod shard;

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringmq::engine::timers::{Timer, Timers};
use ringmq::hooks::authorization::AclRule;
use ringmq::hooks::{Chain, Client, Hook, Outgoing, Phases, Treatment};
use ringmq::ids::{ConnectionId, SessionId, ShardId};
use ringmq::protocol::ProtocolVersion;
use ringmq::time::Timestamp;
use ringmq_bench::encode::{PublishTemplate, acknowledge};
use shard::Shards;

const TOPIC: &str = "bench/fan-out/0";
const SUBSCRIBERS: u32 = 1_000;

/// What a turn of a busy shard finds in its receive buffer.
const BURST: u32 = 16;

/// A burst of messages as a publisher sends them.
fn burst(qos: u8) -> Vec<u8> {
    let template = PublishTemplate::new(ProtocolVersion::V3_1_1, TOPIC, qos, false, 64);
    let mut bytes = Vec::new();
    for id in 1..=BURST {
        template.append(u16::try_from(id).expect("a burst is small"), &mut bytes);
    }
    bytes
}

fn fan_out(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("fan-out of 16 messages into 1000 out-buffers");
    group.throughput(Throughput::Elements(u64::from(SUBSCRIBERS * BURST)));
    for qos in [0, 1] {
        let mut shards = Shards::new(1);
        for _ in 0..SUBSCRIBERS {
            let id = shards.connect(0);
            shards.subscribe(0, id, TOPIC, qos);
        }
        let publisher = shards.connect(0);
        let bytes = burst(qos);
        let mut acknowledgements: Vec<(ConnectionId, Vec<u8>)> = Vec::new();
        group.bench_function(format!("QoS {qos}"), |bencher| {
            bencher.iter(|| {
                shards.receive(0, publisher, black_box(&bytes));
                shards.drain(0, |id, pending| {
                    if qos > 0 && id != publisher {
                        acknowledgements.push((id, acknowledge_all(pending)));
                    }
                });
                for (id, bytes) in acknowledgements.drain(..) {
                    shards.receive(0, id, &bytes);
                }
            });
        });
    }
    group.finish();
}

/// PUBACK for each PUBLISH of an out-buffer.
fn acknowledge_all(mut pending: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    while let [_, length, rest @ ..] = pending {
        let at = 2 + TOPIC.len();
        let id = u16::from_be_bytes([rest[at], rest[at + 1]]);
        answers.extend_from_slice(&acknowledge(0x40, id));
        pending = &rest[usize::from(*length)..];
    }
    answers
}

/// Carries what one shard has for the others to them; how many batches.
fn carry(shards: &mut Shards, from: usize) -> usize {
    let origin = ShardId(u16::try_from(from).expect("few shards"));
    let mut count = 0;
    while let Some((to, batch)) = shards.next_batch(from) {
        shards.hand(origin, to, batch);
        count += 1;
    }
    count
}

fn hop(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("16 messages to one subscriber");
    group.throughput(Throughput::Elements(u64::from(BURST)));
    for (name, home) in [("same shard", 0), ("other shard", 1)] {
        for qos in [0, 1] {
            let mut shards = Shards::new(2);
            let publisher = shards.connect(0);
            let subscriber = shards.connect(home);
            shards.subscribe(home, subscriber, TOPIC, qos);
            let bytes = burst(qos);
            group.bench_function(format!("{name}, QoS {qos}"), |bencher| {
                bencher.iter(|| {
                    shards.receive(0, publisher, black_box(&bytes));
                    if home != 0 {
                        assert_eq!(carry(&mut shards, 0), 1, "one batch for all messages");
                    }
                    let mut answers = Vec::new();
                    shards.drain(home, |id, pending| {
                        if qos > 0 && id == subscriber {
                            answers = acknowledge_all(pending);
                        }
                    });
                    shards.receive(home, subscriber, &answers);
                    if home != 0 {
                        // The acceptance goes back.
                        carry(&mut shards, home);
                        shards.drain(0, |_, _| {});
                    }
                });
            });
        }
    }
    group.finish();
}

/// Sees every message and lets it pass.
struct Onlooker;

impl Hook for Onlooker {
    fn phases(&self) -> Phases {
        Phases::PUBLISH
    }

    fn publish(&self, _: &Client, _: &mut Outgoing<'_>) -> Treatment {
        Treatment::Next
    }
}

/// No rules; an acl_file of a thousand users; that and a hook that sees every message.
fn chains() -> [(&'static str, Arc<Chain>); 3] {
    let mut text = String::from("topic readwrite bench/#\npattern readwrite clients/%c/#\n");
    for user in 0..1_000 {
        text.push_str(&format!("user {user}\ntopic readwrite home/{user}/#\n"));
    }
    let path = std::env::temp_dir().join(format!("ringmq-bench-{}.acl", std::process::id()));
    std::fs::write(&path, text).expect("the file can be written");
    let acl = || Arc::new(AclRule::open(&path).expect("the file is well formed"));
    let chains = [
        ("none", Chain::default()),
        ("acl", Chain::new([acl() as Arc<dyn Hook>])),
        (
            "acl and hook",
            Chain::new([acl() as Arc<dyn Hook>, Arc::new(Onlooker)]),
        ),
    ];
    std::fs::remove_file(&path).expect("it was written");
    chains.map(|(name, chain)| (name, Arc::new(chain)))
}

/// What rules cost: deliveries are judged once per subscription, publications each.
fn rules(criterion: &mut Criterion<CpuTime>) {
    for (kind, subscribers) in [("fan-out to 1000", SUBSCRIBERS), ("to one subscriber", 1)] {
        let mut group = criterion.benchmark_group(format!("16 messages under rules, {kind}"));
        group.throughput(Throughput::Elements(u64::from(subscribers * BURST)));
        for (name, chain) in chains() {
            let mut shards = Shards::with_hooks(1, chain);
            for _ in 0..subscribers {
                let id = shards.connect(0);
                shards.subscribe(0, id, TOPIC, 0);
            }
            let publisher = shards.connect(0);
            let bytes = burst(0);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    shards.receive(0, publisher, black_box(&bytes));
                    let mut taken = 0;
                    shards.drain(0, |_, pending| taken += pending.len());
                    assert!(taken > 64, "nobody is refused");
                });
            });
        }
        group.finish();
    }
}

fn timers(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("timer wheel");
    group.throughput(Throughput::Elements(u64::from(SUBSCRIBERS)));
    let timer = |slot| {
        let generation = 0;
        Timer::Session(SessionId { slot, generation })
    };
    group.bench_function("arm 1000", |bencher| {
        bencher.iter_batched(
            Timers::default,
            |mut timers| {
                for slot in 0..SUBSCRIBERS {
                    let at = Timestamp::from_millis(1_000 + u64::from(slot) * 90);
                    timers.arm(at, Timestamp::ZERO, timer(slot));
                }
                timers
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("arm and fire 1000 within 90 s", |bencher| {
        let mut fired = VecDeque::new();
        bencher.iter_batched(
            Timers::default,
            |mut timers| {
                for slot in 0..SUBSCRIBERS {
                    let at = Timestamp::from_millis(1_000 + u64::from(slot) * 90);
                    timers.arm(at, Timestamp::ZERO, timer(slot));
                }
                while let Some(next) = timers.next() {
                    timers.fire(next, &mut fired);
                }
                assert_eq!(fired.len(), SUBSCRIBERS as usize);
                fired.clear();
                timers
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = fan_out, rules, hop, timers);
criterion_main!(benches);
