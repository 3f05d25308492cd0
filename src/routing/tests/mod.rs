//! Promises of the routing layer, kept against naive oracles.
//!
//! Owns the strategies for topics and filters that the modules below share: few
//! short levels, so that filters overlap, and everything that is special about a
//! first level. proptest prints the seed of a failure.

mod allocations;
mod interest;
mod measurements;
mod retained;
mod shared;
mod subscribers;
mod subscriptions;

use ahash::RandomState;
use proptest::prelude::*;

use crate::protocol::{QoS, RetainHandling, SubscriptionOptions, TopicFilter};

/// A fixed key: the same run each time.
fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

/// So many random cases; a failure prints its seed and leaves no file beside the sources.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // Interpreted, each takes a thousand times as long.
        cases: if cfg!(miri) { 2 } else { cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("a test writes well-formed filters")
}

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    }
}

fn any_options() -> impl Strategy<Value = SubscriptionOptions> {
    let qos = prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ];
    (qos, prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |(qos, no_local, retain_as_published)| SubscriptionOptions {
            no_local,
            retain_as_published,
            ..options(qos)
        },
    )
}

fn any_topic(max_levels: usize) -> impl Strategy<Value = String> {
    let level = prop_oneof![
        8 => Just("a"),
        6 => Just("b"),
        2 => Just("ab"),
        2 => Just("!"),
        1 => Just("\u{1}"),
        1 => Just(""),
        1 => Just("$s"),
        1 => Just("%"),
    ];
    prop::collection::vec(level, 1..=max_levels)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a topic is not empty", |topic| !topic.is_empty())
}

fn any_filter(max_levels: usize) -> impl Strategy<Value = String> {
    (
        any_topic(max_levels),
        any::<u16>(),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(topic, plus, multi, all)| {
            if all {
                return "#".to_owned();
            }
            let levels = topic.split('/').enumerate();
            let mut levels: Vec<&str> = levels
                .map(|(i, level)| if plus >> i & 3 == 3 { "+" } else { level })
                .collect();
            if multi {
                levels.push("#");
            }
            levels.join("/")
        })
}
