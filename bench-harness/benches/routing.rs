//! What it costs to find out who gets a message: subscriptions of one shard at
//! several sizes, and the interest of other shards.
//!
//! `cargo bench -p ringmq-bench --bench routing`; the largest index takes some
//! 400 MB and is left out when benchmarks are only tried (`cargo test --benches`).

mod cpu_time;

use std::hint::black_box;
use std::sync::Arc;

use ahash::RandomState;
use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringmq::ids::ShardId;
use ringmq::protocol::{QoS, RetainHandling, SubscriptionOptions, TopicFilter};
use ringmq::routing::{Interest, InterestTable, Subscriptions};

const SIZES: [u32; 3] = [10, 10_000, 1_000_000];

/// What a trial run may set up in a moment.
const TRIAL_SIZE: u32 = 10_000;

/// Topics that are looked up in turn: more than the match cache would profit
/// from with one, fewer than would empty every cache of the CPU.
const TOPICS: u32 = 1_000;

fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

fn sizes() -> impl Iterator<Item = u32> {
    // `cargo bench` says so, `cargo test` says nothing.
    let trial = !std::env::args().any(|argument| argument == "--bench");
    SIZES
        .into_iter()
        .filter(move |size| !trial || *size <= TRIAL_SIZE)
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("the benchmark's filters are valid")
}

/// An index with one subscription per session, written by `text`.
fn index(size: u32, text: impl Fn(u32) -> String) -> Subscriptions {
    let options = SubscriptionOptions {
        qos: QoS::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    let mut subscriptions = Subscriptions::new(hasher());
    for number in 0..size {
        subscriptions.insert(filter(&text(number)), number, options, None);
    }
    subscriptions
}

/// A way to write the n-th filter, and a topic that it matches.
type Written = (&'static str, fn(u32) -> String);

fn subscription_match(criterion: &mut Criterion<CpuTime>) {
    let kinds: [Written; 3] = [
        ("exact", |number| {
            format!("site/{}/device/{number}", number % 100)
        }),
        ("plus", |number| format!("site/+/device/{number}")),
        ("hash", |number| {
            format!("site/{}/device/{number}/#", number % 100)
        }),
    ];
    let mut group = criterion.benchmark_group("subscription match");
    group.throughput(Throughput::Elements(1));
    for size in sizes() {
        for (kind, text) in kinds {
            let mut subscriptions = index(size, text);
            // Spread over the whole index.
            let step = (size / TOPICS).max(1);
            let topics: Vec<String> = (0..size.min(TOPICS))
                .map(|at| at * step)
                .map(|number| format!("site/{}/device/{number}", number % 100))
                .collect();
            let mut next = 0;
            group.bench_function(format!("{kind}, {size} filters"), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % topics.len();
                    let matches = subscriptions.matches(black_box(&topics[next]), None);
                    assert_eq!(matches.entries().len(), 1);
                });
            });
        }
    }
    group.finish();
}

fn insert(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("subscribe");
    group.throughput(Throughput::Elements(u64::from(TRIAL_SIZE)));
    group.sample_size(10);
    group.bench_function("10000 exact filters", |bencher| {
        bencher.iter_batched(
            || (),
            |()| index(TRIAL_SIZE, |number| format!("site/{number}")),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn interest(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("interest of other shards");
    group.throughput(Throughput::Elements(1));
    for shards in [2, 16, 64] {
        let table = Arc::new(InterestTable::new(shards, hasher()));
        let own = Interest::new(Arc::clone(&table), ShardId(0));
        let mut other = Interest::new(table, ShardId(1));
        for number in 0..TOPICS {
            other.add(filter(&format!("site/{number}/exact")));
        }
        other.add(filter("site/+/wildcard"));
        other.add(filter("other/#"));
        for (kind, wanted) in [("exact", true), ("wildcard", true), ("nobody", false)] {
            let topics: Vec<String> = (0..TOPICS)
                .map(|number| format!("site/{number}/{kind}"))
                .collect();
            let mut next = 0;
            let mut found = 0_usize;
            group.bench_function(format!("{kind}, {shards} shards"), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % topics.len();
                    own.interested(black_box(&topics[next]), |_| found += 1);
                });
            });
            // A filter that shares a slot makes a topic that nobody wants cost a
            // hop now and then; a topic that is wanted is never missed.
            assert!(found > 0 || !wanted);
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = subscription_match, insert, interest);
criterion_main!(benches);
