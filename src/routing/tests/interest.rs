//! The interest table: it may name a shard too many, never one too few.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use proptest::prelude::*;

use super::{allocations, any_filter, any_topic, cases, filter, hasher};
use crate::ids::ShardId;
use crate::routing::{Interest, InterestTable};

fn halves(table: &Arc<InterestTable>, shards: u16) -> Vec<Interest> {
    (0..shards)
        .map(|shard| Interest::new(Arc::clone(table), ShardId(shard)))
        .collect()
}

fn shards_for(interest: &Interest, topic: &str) -> Vec<u16> {
    let mut shards = vec![];
    interest.interested(topic, |shard| shards.push(shard.0));
    shards
}

#[derive(Clone, Debug)]
enum Operation {
    Add(u16, String),
    Remove(prop::sample::Index),
    Publish(u16, String),
}

/// Nine levels, any of which can be `+`, make more shapes than there are places.
fn many_shapes() -> impl Strategy<Value = String> {
    (1..=9_usize, any::<u16>(), any::<bool>()).prop_map(|(levels, plus, multi)| {
        let levels = (0..levels).map(|level| if plus >> level & 1 == 1 { "+" } else { "a" });
        let levels: Vec<_> = levels.chain(multi.then_some("#")).collect();
        levels.join("/")
    })
}

fn deep() -> impl Strategy<Value = String> {
    (30..60_usize, 0..60_usize).prop_map(|(levels, plus)| {
        let levels = (0..levels).map(|level| if level == plus { "+" } else { "a" });
        levels.chain(["#"]).collect::<Vec<_>>().join("/")
    })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let filters = prop_oneof![any_filter(5), many_shapes(), deep()];
    let many_a = (1..60_usize).prop_map(|levels| vec!["a"; levels].join("/"));
    let topics = prop_oneof![3 => any_topic(5), 2 => many_a];
    prop_oneof![
        5 => (any::<u16>(), filters).prop_map(|(shard, filter)| Operation::Add(shard, filter)),
        2 => any::<prop::sample::Index>().prop_map(Operation::Remove),
        4 => (any::<u16>(), topics).prop_map(|(shard, topic)| Operation::Publish(shard, topic)),
    ]
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn no_shard_with_a_matching_filter_is_missed(
        shards in prop::sample::select(vec![1_u16, 2, 4, 64, 65, 130]),
        operations in prop::collection::vec(any_operation(), 0..400),
    ) {
        // Few slots, so that filters share them.
        let table = Arc::new(InterestTable::with_slot_bits(shards, hasher(), 7));
        let mut halves = halves(&table, shards);
        let mut added: Vec<(u16, String)> = vec![];
        for operation in operations {
            match operation {
                Operation::Add(shard, text) => {
                    let shard = shard % shards;
                    halves[usize::from(shard)].add(filter(&text));
                    added.push((shard, text));
                }
                Operation::Remove(_) if added.is_empty() => {}
                Operation::Remove(which) => {
                    let (shard, text) = added.swap_remove(which.index(added.len()));
                    halves[usize::from(shard)].remove(filter(&text));
                }
                Operation::Publish(shard, topic) => {
                    let publisher = shard % shards;
                    let found = shards_for(&halves[usize::from(publisher)], &topic);
                    prop_assert!(!found.contains(&publisher), "a shard is not a peer of itself");
                    prop_assert!(found.is_sorted_by(|a, b| a < b), "each shard once");
                    for (shard, text) in &added {
                        if *shard != publisher && filter(text).matches(&topic) {
                            prop_assert!(found.contains(shard), "{} on {} for {}", text, shard, topic);
                        }
                    }
                }
            }
        }
        for (shard, text) in added {
            halves[usize::from(shard)].remove(filter(&text));
        }
        prop_assert!(table.is_blank(), "what was added and removed leaves no trace");
    }
}

#[test]
fn another_topic_is_rarely_a_useless_hop() {
    let table = Arc::new(InterestTable::new(2, hasher()));
    let mut halves = halves(&table, 2);
    for i in 0..10_000 {
        halves[0].add(filter(&format!("device/{i}/command")));
        halves[0].add(filter(&format!("device/{i}/config/#")));
    }
    let useless = (0..10_000)
        .filter(|i| !shards_for(&halves[1], &format!("sensor/{i}/value")).is_empty())
        .count();
    // 20,000 of 262,144 slots, looked at for the exact topic and for one shape: about 15 %.
    assert!(useless < 2_000, "{useless} of 10,000");
}

#[test]
fn a_shape_without_a_place_stands_for_its_literal_beginning() {
    let table = Arc::new(InterestTable::new(2, hasher()));
    let mut halves = halves(&table, 2);
    for shape in 1..=64_u32 {
        let levels = (0..7).map(|level| if shape >> level & 1 == 1 { "+" } else { "x" });
        halves[0].add(filter(&levels.collect::<Vec<_>>().join("/")));
    }
    halves[0].add(filter("p/q/+/+/+"));
    assert_eq!(shards_for(&halves[1], "p/q/r/s/t"), [0]);
    assert_eq!(
        shards_for(&halves[1], "p/q"),
        [0],
        "a false positive of the prefix"
    );
    assert!(shards_for(&halves[1], "p/r/r/s/t").is_empty());
    // The first 64 shapes go; their places serve others.
    for shape in 1..=64_u32 {
        let levels = (0..7).map(|level| if shape >> level & 1 == 1 { "+" } else { "x" });
        halves[0].remove(filter(&levels.collect::<Vec<_>>().join("/")));
    }
    halves[0].remove(filter("p/q/+/+/+"));
    halves[0].add(filter("p/q/+/+/+"));
    assert_eq!(shards_for(&halves[1], "p/q/r/s/t"), [0]);
    assert!(shards_for(&halves[1], "p/q").is_empty());
}

#[test]
fn asking_allocates_nothing() {
    let table = Arc::new(InterestTable::new(4, hasher()));
    let mut halves = halves(&table, 4);
    for text in ["a/b", "#", "+/b/#", "a/+"] {
        halves[1].add(filter(text));
    }
    let deep = vec!["a"; 100].join("/");
    let calls = allocations::calls_of(|| {
        halves[0].interested("a/b", |_| {});
        halves[0].interested(&deep, |_| {});
    });
    assert_eq!(calls, 0);
}

/// A random sequence of its own for every thread, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn a_filter_that_was_there_all_along_is_seen_by_every_thread() {
    const SHARDS: u16 = 4;
    const ROUNDS: usize = 20_000;
    let filters: Vec<String> = (0..160_u32)
        .map(|i| {
            let levels = (0..7).map(|level| if i >> level & 1 == 1 { "+" } else { "a" });
            levels
                .chain((i >= 128).then_some("#"))
                .collect::<Vec<_>>()
                .join("/")
        })
        .collect();
    let topics = [
        "a/a/a/a/a/a/a",
        "a/b/a/b/a/b/a",
        "b/b/b/b/b/b/b",
        "a/a/a/a/a/a/a/c",
    ];
    // Odd: the filter is registered, from after `add` to before `remove`.
    let epochs: Vec<AtomicU64> = (0..usize::from(SHARDS) * filters.len())
        .map(|_| AtomicU64::new(0))
        .collect();
    let table = Arc::new(InterestTable::with_slot_bits(SHARDS, hasher(), 10));
    let run = |shard: u16| {
        let mut interest = Interest::new(Arc::clone(&table), ShardId(shard));
        let mut random = Random(0x1234_5678_9abc + u64::from(shard));
        let epoch = |shard: u16, of: usize| &epochs[usize::from(shard) * filters.len() + of];
        let mut checked = 0_u64;
        for _ in 0..ROUNDS {
            let mine = random.below(filters.len());
            let own = epoch(shard, mine);
            if own.load(SeqCst) % 2 == 0 {
                interest.add(filter(&filters[mine]));
                own.fetch_add(1, SeqCst);
            } else {
                own.fetch_add(1, SeqCst);
                interest.remove(filter(&filters[mine]));
            }
            let (peer, of) = (
                u16::try_from(random.below(SHARDS.into())).expect("a shard"),
                random.below(filters.len()),
            );
            let topic = topics[random.below(topics.len())];
            let before = epoch(peer, of).load(SeqCst);
            let found = shards_for(&interest, topic);
            let throughout = before % 2 == 1 && epoch(peer, of).load(SeqCst) == before;
            if throughout && peer != shard && filter(&filters[of]).matches(topic) {
                checked += 1;
                assert!(
                    found.contains(&peer),
                    "{} of shard {peer} for {topic}",
                    filters[of]
                );
            }
        }
        for (of, text) in filters.iter().enumerate() {
            if epoch(shard, of).load(SeqCst) % 2 == 1 {
                epoch(shard, of).fetch_add(1, SeqCst);
                interest.remove(filter(text));
            }
        }
        checked
    };
    let checked = thread::scope(|scope| {
        let threads: Vec<_> = (0..SHARDS)
            .map(|shard| scope.spawn(move || run(shard)))
            .collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .map(|result| result.expect("no thread missed a filter"))
            .sum::<u64>()
    });
    assert!(
        checked > 100,
        "only {checked} publishes met a filter that stayed"
    );
    assert!(table.is_blank());
}

#[test]
fn one_shard_has_nobody_to_ask() {
    let table = Arc::new(InterestTable::new(1, hasher()));
    let mut interest = Interest::new(table, ShardId(0));
    interest.add(filter("#"));
    assert!(shards_for(&interest, "a").is_empty());
    interest.remove(filter("#"));
}

#[test]
fn filters_on_many_shards_are_all_named() {
    let table = Arc::new(InterestTable::with_slot_bits(300, hasher(), 6));
    let mut halves = halves(&table, 300);
    let mut expected = BTreeMap::new();
    for shard in (0..300).step_by(7) {
        halves[usize::from(shard)].add(filter("a/+"));
        expected.insert(shard, ());
    }
    expected.remove(&14);
    assert_eq!(
        shards_for(&halves[14], "a/b"),
        expected.into_keys().collect::<Vec<_>>()
    );
}
