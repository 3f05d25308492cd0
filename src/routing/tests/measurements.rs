//! Bytes per subscription and nanoseconds per match, as numbers for documents.
//!
//! `cargo test --release --lib routing::tests::measurements -- --ignored --nocapture --test-threads 1`
//! prints them. The byte bounds are promises and are kept by the ordinary tests too.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::{allocations, filter, hasher, options};
use crate::ids::ShardId;
use crate::message::Message;
use crate::protocol::QoS;
use crate::routing::{Interest, InterestTable, Retained, Stamp, Subscriptions};
use crate::time::Timestamp;

const FILTERS: u32 = 100_000;

fn insert(index: &mut Subscriptions, text: &str, session: u32) {
    index.insert(filter(text), session, options(QoS::AtMostOnce), None);
}

/// Live bytes per item that `work` leaves behind in what it returns.
fn bytes_per<T>(items: u32, work: impl FnOnce() -> T) -> (T, f64) {
    let before = allocations::live_bytes();
    let kept = work();
    let bytes = allocations::live_bytes() - before;
    (kept, bytes as f64 / f64::from(items))
}

fn of_exact_filters() -> (Subscriptions, f64) {
    bytes_per(FILTERS, || {
        let mut index = Subscriptions::new(hasher());
        for i in 0..FILTERS {
            insert(&mut index, &format!("site/{}/device/{i}/state", i % 100), i);
        }
        index
    })
}

fn of_wildcard_filters() -> (Subscriptions, f64) {
    bytes_per(FILTERS, || {
        let mut index = Subscriptions::new(hasher());
        for i in 0..FILTERS {
            insert(&mut index, &format!("site/{}/device/{i}/+/#", i % 100), i);
        }
        index
    })
}

fn of_subscribers() -> (Subscriptions, f64) {
    bytes_per(FILTERS, || {
        let mut index = Subscriptions::new(hasher());
        for session in 0..FILTERS {
            insert(&mut index, "a/+", session);
        }
        index
    })
}

#[test]
fn a_filter_stays_below_500_bytes_and_a_subscriber_below_24() {
    let (_, exact) = of_exact_filters();
    let (_, wildcard) = of_wildcard_filters();
    let (_, subscriber) = of_subscribers();
    println!(
        "bytes per exact filter {exact:.0}, wildcard filter {wildcard:.0}, further subscriber {subscriber:.1}"
    );
    assert!(exact < 500.0 && wildcard < 500.0 && subscriber < 24.0);
}

#[test]
fn leaving_gives_the_memory_back() {
    let before = allocations::live_bytes();
    let (mut index, _) = of_subscribers();
    let full = allocations::live_bytes() - before;
    for session in 0..FILTERS - 10 {
        index.remove(filter("a/+"), session);
    }
    let left = allocations::live_bytes() - before;
    assert!(left * 20 < full, "{left} of {full} bytes are left");
}

/// Prints the mean time of one `work`, the best of five rounds.
fn time(what: &str, rounds: u32, mut work: impl FnMut(u32)) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for i in 0..rounds {
            work(i);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
    println!("{what:<64} {best:>12.1} ns");
}

#[test]
#[ignore = "prints times, which mean something in release only"]
fn time_of_matches() {
    let topics: Vec<_> = (0..1000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761) % FILTERS)
        .map(|i| format!("site/{}/device/{i}/state", i % 100))
        .collect();
    let topic = |i: u32| topics[i as usize % topics.len()].as_str();
    let matching = |index: &mut Subscriptions, i| {
        black_box(index.matches(topic(i), None).entries().len());
    };
    let (mut exact, _) = of_exact_filters();
    time("match, 100,000 exact filters", 100_000, |i| {
        matching(&mut exact, i)
    });
    let (mut wildcard, _) = of_wildcard_filters();
    time("match, 100,000 wildcard filters", 100_000, |i| {
        matching(&mut wildcard, i)
    });
    insert(&mut exact, "#", 7);
    time(
        "match, 100,000 exact filters and one #: 2 merged",
        100_000,
        |i| matching(&mut exact, i),
    );
    for session in 0..10_000 {
        insert(&mut exact, "#", session);
    }
    time(
        "match, one of 100,000 and # of 10,000, merged each time",
        2_000,
        |i| matching(&mut exact, i),
    );
    let one = |index: &mut Subscriptions| {
        black_box(index.matches(&topics[0], None).entries().len());
    };
    time("the same topic again: kept", 100_000, |_| one(&mut exact));
    let (mut fan, _) = of_subscribers();
    time("match, one filter of 100,000 subscribers", 100_000, |_| {
        black_box(fan.matches("a/b", None).entries().len());
    });
    time(
        "subscribe and unsubscribe beside 100,000 subscribers",
        100_000,
        |i| {
            insert(&mut fan, "a/+", FILTERS + i % 7);
            fan.remove(filter("a/+"), FILTERS + i % 7);
        },
    );
    time(
        "subscribe and unsubscribe one of 100,000 wildcard filters",
        100_000,
        |i| {
            let text = format!("site/{}/device/x{}/+/#", i % 100, i % 1000);
            insert(&mut wildcard, &text, i);
            wildcard.remove(filter(&text), i);
        },
    );
}

#[test]
#[ignore = "prints times, which mean something in release only"]
fn time_of_interest() {
    let table = Arc::new(InterestTable::new(4, hasher()));
    let mut there = Interest::new(Arc::clone(&table), ShardId(1));
    let here = Interest::new(table, ShardId(0));
    let ask = |what: &str| {
        time(what, 100_000, |i| {
            here.interested(TOPICS[i as usize % TOPICS.len()], |shard| {
                black_box(shard);
            });
        });
    };
    ask("interest, nothing registered");
    for text in ["#", "site/+/device/+/state", "site/7/#", "+/+/device/#"] {
        there.add(filter(text));
    }
    ask("interest, 4 shapes");
    for shape in 0..200_u32 {
        let levels = (0..8).map(|level| if shape >> level & 1 == 1 { "+" } else { "site" });
        there.add(filter(&levels.collect::<Vec<_>>().join("/")));
    }
    ask("interest, 64 shapes and prefixes");
}

const TOPICS: [&str; 3] = [
    "site/7/device/8/state",
    "site/8/device/9/state",
    "a/b/c/d/e/f/g/h",
];

#[test]
#[ignore = "prints times, which mean something in release only"]
fn time_of_retained() {
    let messages: Vec<_> = (0..FILTERS)
        .map(|i| format!("site/{}/device/{i}/state", i % 100))
        .map(|topic| {
            Rc::new(Message::new(
                &topic,
                b"",
                b"payload",
                QoS::AtMostOnce,
                true,
                None,
            ))
        })
        .collect();
    let stamp = |sequence| Stamp {
        millis: 0,
        shard: ShardId(0),
        sequence,
    };
    let (mut retained, bytes) = bytes_per(FILTERS, || {
        let mut retained = Retained::new(hasher());
        for message in &messages {
            retained.store(Rc::clone(message), stamp(0));
        }
        retained
    });
    println!("bytes per retained message beside the message itself: {bytes:.0}");
    let mut sequence = 0;
    time("retained: replace one of 100,000", FILTERS, |i| {
        sequence += 1;
        let message = &messages[i.wrapping_mul(2_654_435_761) as usize % messages.len()];
        black_box(retained.store(Rc::clone(message), stamp(sequence)));
    });
    for text in ["#", "site/+/device/+/state"] {
        let mut cursor = retained.cursor();
        time(
            &format!("retained: next of {text} over 100,000"),
            FILTERS / 5,
            |_| {
                let mut steps = usize::MAX;
                black_box(retained.next(filter(text), &mut cursor, Timestamp::ZERO, &mut steps));
            },
        );
    }
}
