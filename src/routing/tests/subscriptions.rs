//! The subscription index against a list that is searched from end to end.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::{allocations, any_filter, any_options, any_topic, cases, filter, hasher, options};
use crate::protocol::{QoS, SubscriptionOptions};
use crate::routing::{Inserted, Removed, Subscriptions};

type Subscription = (SubscriptionOptions, Option<NonZeroU32>);

/// The oracle: every subscription, by filter and session.
#[derive(Default)]
struct Naive(BTreeMap<(String, u32), Subscription>);

/// QoS, retain as published, sorted identifiers.
type Answer = BTreeMap<u32, (QoS, bool, Vec<u32>)>;

impl Naive {
    fn has_filter(&self, text: &str) -> bool {
        self.0.keys().any(|(filter, _)| filter == text)
    }

    fn matches(&self, topic: &str, publisher: Option<u32>) -> Answer {
        let mut answer = Answer::new();
        for ((text, session), (options, id)) in &self.0 {
            if !filter(text).matches(topic) || options.no_local && publisher == Some(*session) {
                continue;
            }
            let (qos, retain, ids) = answer
                .entry(*session)
                .or_insert((options.qos, false, vec![]));
            *qos = (*qos).max(options.qos);
            *retain |= options.retain_as_published;
            ids.extend(id.map(NonZeroU32::get));
            ids.sort_unstable();
        }
        answer
    }
}

/// What a caller delivers, given the index's answer.
fn delivered(index: &mut Subscriptions, topic: &str, publisher: Option<u32>) -> Answer {
    let matches = index.matches(topic, publisher);
    let mut answer = Answer::new();
    for entry in matches.entries() {
        if entry.no_local && publisher == Some(entry.session) {
            continue;
        }
        let mut ids = matches.subscription_ids(entry).to_vec();
        ids.sort_unstable();
        let earlier = answer.insert(entry.session, (entry.qos, entry.retain_as_published, ids));
        assert_eq!(earlier, None, "one entry per session");
    }
    answer
}

#[derive(Clone, Debug)]
enum Operation {
    Subscribe(String, u32, SubscriptionOptions, Option<NonZeroU32>),
    Unsubscribe(prop::sample::Index),
    UnsubscribeAny(String, u32),
    Match(String, Option<u32>),
}

fn any_operation(
    filters: impl Strategy<Value = String> + Clone + 'static,
    sessions: u32,
) -> impl Strategy<Value = Operation> {
    let id = prop::option::of(
        (1..=268_435_455_u32).prop_map(|id| NonZeroU32::MIN.saturating_add(id - 1)),
    );
    prop_oneof![
        6 => (filters.clone(), 0..sessions, any_options(), id)
            .prop_map(|(filter, session, options, id)| Operation::Subscribe(filter, session, options, id)),
        3 => any::<prop::sample::Index>().prop_map(Operation::Unsubscribe),
        1 => (filters, 0..sessions).prop_map(|(filter, session)| Operation::UnsubscribeAny(filter, session)),
        4 => (any_topic(4), prop::option::of(0..sessions))
            .prop_map(|(topic, publisher)| Operation::Match(topic, publisher)),
    ]
}

fn agree(operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let (mut index, mut naive) = (Subscriptions::new(hasher()), Naive::default());
    for operation in operations {
        match operation {
            Operation::Subscribe(text, session, options, id) => {
                let first_of_filter = !naive.has_filter(&text);
                let inserted = index.insert(filter(&text), session, options, id);
                let new_subscription = naive.0.insert((text, session), (options, id)).is_none();
                prop_assert_eq!(
                    inserted,
                    Inserted {
                        new_subscription,
                        first_of_filter
                    }
                );
            }
            Operation::Unsubscribe(which) if !naive.0.is_empty() => {
                let (text, session) = (*which.get(&naive.0.keys().collect::<Vec<_>>())).clone();
                unsubscribe(&mut index, &mut naive, text, session)?;
            }
            Operation::Unsubscribe(_) => {}
            Operation::UnsubscribeAny(text, session) => {
                unsubscribe(&mut index, &mut naive, text, session)?;
            }
            Operation::Match(topic, publisher) => {
                let expected = naive.matches(&topic, publisher);
                // Twice: built, then remembered.
                prop_assert_eq!(delivered(&mut index, &topic, publisher), expected.clone());
                prop_assert_eq!(delivered(&mut index, &topic, publisher), expected);
            }
        }
        prop_assert_eq!(index.len(), naive.0.len());
    }
    while let Some(((text, session), _)) = naive.0.pop_first() {
        prop_assert!(index.remove(filter(&text), session).is_some());
    }
    prop_assert!(index.is_empty());
    prop_assert_eq!(index.filters(), 0);
    prop_assert_eq!(index.index_sizes(), [0; 4], "nothing is left behind");
    prop_assert_eq!(index.shapes(), 0);
    Ok(())
}

fn unsubscribe(
    index: &mut Subscriptions,
    naive: &mut Naive,
    text: String,
    session: u32,
) -> Result<(), TestCaseError> {
    let removed = index.remove(filter(&text), session);
    let expected = naive.0.remove(&(text.clone(), session));
    let expected = expected.map(|_| Removed {
        last_of_filter: !naive.has_filter(&text),
    });
    prop_assert_eq!(removed, expected);
    Ok(())
}

fn few_filters() -> impl Strategy<Value = String> + Clone {
    prop::sample::select(vec!["#", "a/#", "a/b", "+/b", "a/+", "$s/#", "+", "a"])
        .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_filters_match_what_the_naive_search_finds(
        operations in prop::collection::vec(any_operation(any_filter(4).boxed(), 6), 0..150),
    ) {
        agree(operations)?;
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn long_lists_that_overlap_match_what_the_naive_search_finds(
        operations in prop::collection::vec(any_operation(few_filters().boxed(), 90), 0..900),
    ) {
        agree(operations)?;
    }
}

/// Subscribes `sessions` sessions to each of `filters`.
fn subscribed(filters: &[&str], sessions: u32) -> Subscriptions {
    let mut index = Subscriptions::new(hasher());
    for text in filters {
        for session in 0..sessions {
            index.insert(filter(text), session, options(QoS::AtMostOnce), None);
        }
    }
    index
}

#[test]
fn a_wildcard_first_level_does_not_match_dollar_topics() {
    // [MQTT-4.7.2-1]
    let mut index = subscribed(&["#", "+/x", "+/#", "$SYS/x"], 1);
    assert_eq!(delivered(&mut index, "$SYS/x", None).len(), 1);
    assert!(delivered(&mut index, "$SYS/y", None).is_empty());
    assert_eq!(delivered(&mut index, "SYS/x", None).len(), 1);
}

#[test]
fn every_identifier_of_overlapping_subscriptions_is_there() {
    // [MQTT-3.3.4-4]
    let mut index = Subscriptions::new(hasher());
    let mut expected = vec![];
    for i in 0..1 << 10 {
        let levels = (0..10).map(|level| if i >> level & 1 == 0 { "+" } else { "a" });
        let text = levels.collect::<Vec<_>>().join("/");
        let id = NonZeroU32::MIN.saturating_add(i % 700);
        expected.push(id.get());
        index.insert(filter(&text), 5, options(QoS::AtLeastOnce), Some(id));
    }
    expected.sort_unstable();
    let answer = delivered(&mut index, "a/a/a/a/a/a/a/a/a/a", None);
    assert_eq!(
        answer,
        Answer::from([(5, (QoS::AtLeastOnce, false, expected))])
    );
}

#[test]
fn hostile_shapes_cost_no_more_than_the_nodes_they_made() {
    let mut index = Subscriptions::new(hasher());
    let depth = 120;
    let mut session = 0;
    for length in 1..=depth {
        let plus = vec!["+"; length].join("/");
        for text in [
            format!("{plus}/#"),
            format!("{plus}/a"),
            format!("a/{plus}"),
            plus.clone(),
        ] {
            index.insert(filter(&text), session, options(QoS::AtMostOnce), None);
            session += 1;
        }
    }
    let [_, nodes, ..] = index.index_sizes();
    assert!(nodes <= 4 * depth + 4, "{nodes} nodes");
    // A walk that tried every way through the tree would not end in our lifetime.
    let topic = vec!["a"; depth].join("/");
    let matched = delivered(&mut index, &topic, None).len();
    // Every `+/../#`; the one `+/../a`, `a/+/..` and `+/..` of the topic's length.
    assert_eq!(matched, depth + 3);
}

#[test]
fn a_match_allocates_nothing_once_warm() {
    let mut index = subscribed(&["a/b", "a/+", "#", "x/+/#"], 500);
    for topic in ["a/b", "x/y/z", "a/c", "nothing"] {
        index.matches(topic, Some(3));
        let calls = allocations::calls_of(|| {
            for _ in 0..100 {
                assert!(!index.matches(topic, Some(3)).entries().is_empty());
            }
        });
        assert_eq!(calls, 0, "{topic}");
    }
}

#[test]
fn a_change_elsewhere_spoils_no_kept_list() {
    let mut index = subscribed(&["a/+", "#"], 500);
    index.matches("a/1", None);
    let kept = index.cache_sizes();
    assert_eq!(kept.0, 1);
    index.insert(filter("elsewhere"), 1, options(QoS::AtMostOnce), None);
    // Another topic, the same filters: the same list.
    assert_eq!(index.matches("a/2", None).entries().len(), 500);
    assert_eq!(index.cache_sizes(), kept);
    index.insert(filter("#"), 1000, options(QoS::AtMostOnce), None);
    assert_eq!(index.matches("a/2", None).entries().len(), 501);
}

#[test]
fn kept_lists_stay_within_their_bounds() {
    let mut index = subscribed(&["a/+", "#"], 10_000);
    for change in 0..2_000 {
        let qos = if change % 2 == 0 {
            QoS::AtMostOnce
        } else {
            QoS::AtLeastOnce
        };
        index.insert(filter("#"), change % 10_000, options(qos), None);
        assert_eq!(index.matches("a/1", None).entries().len(), 10_000);
        let (lists, bytes) = index.cache_sizes();
        assert!(
            lists <= 4096 && bytes <= 16 << 20,
            "{lists} lists, {bytes} bytes"
        );
    }
}

#[test]
fn no_topic_matches_more_wildcard_filters_than_there_are_shapes() {
    let mut index = Subscriptions::new(hasher());
    let mut shapes = Vec::new();
    // Many filters of few shapes, which nothing keeps from being many.
    for number in 0..100 {
        for text in [
            format!("{number}/+"),
            format!("+/{number}"),
            format!("{number}/#"),
        ] {
            assert!(index.has_room_for(filter(&text), 3));
            index.insert(filter(&text), 1, options(QoS::AtMostOnce), None);
            shapes.push(text);
        }
    }
    assert_eq!(index.shapes(), 3);
    for other in ["+", "#", "+/+", "+/#", "a/+/b", "a/b/+", "a/b/#"] {
        assert!(!index.has_room_for(filter(other), 3), "{other}");
    }
    assert!(index.has_room_for(filter("exact/topic"), 3));
    assert!(delivered(&mut index, "7/8", None).len() <= 3);
    for text in shapes.iter().filter(|text| text.ends_with('#')) {
        index.remove(filter(text), 1);
    }
    assert_eq!(index.shapes(), 2);
    assert!(index.has_room_for(filter("+"), 3));
}
