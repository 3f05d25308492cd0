//! The retained store against a sorted map, and its cursor while the store changes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::{any_filter, any_topic, cases, filter, hasher};
use crate::ids::ShardId;
use crate::message::Message;
use crate::protocol::QoS;
use crate::routing::{Retained, Stamp, Stored};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn message(topic: &str, payload: &str, expires_at: Option<Timestamp>) -> Rc<Message> {
    let payload = payload.as_bytes();
    Rc::new(Message::new(
        topic,
        b"",
        payload,
        QoS::AtMostOnce,
        true,
        expires_at,
    ))
}

fn stamp(sequence: u64) -> Stamp {
    Stamp {
        millis: 1_000_000,
        shard: ShardId(0),
        sequence,
    }
}

/// Everything that matches, asked for with so many steps at a time.
fn all(retained: &Retained, text: &str, budget: usize) -> Vec<Rc<Message>> {
    let mut cursor = retained.cursor();
    let mut found = vec![];
    while !cursor.is_done() {
        let mut steps = budget;
        while let Some(message) = retained.next(filter(text), &mut cursor, NOW, &mut steps) {
            found.push(Rc::clone(message));
        }
    }
    found
}

#[derive(Clone, Debug)]
enum Operation {
    /// Topic, stamp, payload (0: empty), and whether it has expired already.
    Store(String, u64, u8, bool),
    Sweep(usize),
    /// Pulls from a cursor over the filter with so many steps.
    Pull(usize),
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (any_topic(4), 0..60_u64, 0..4_u8, prop::bool::weighted(0.1))
            .prop_map(|(topic, stamp, payload, expired)| Operation::Store(topic, stamp, payload, expired)),
        1 => (0..5_usize).prop_map(Operation::Sweep),
        3 => (0..6_usize).prop_map(Operation::Pull),
    ]
}

/// The oracle: the greatest stamp each topic has seen, and what it brought.
#[derive(Default)]
struct Naive(BTreeMap<String, (u64, Option<Rc<Message>>)>);

impl Naive {
    /// The message that a subscriber would get.
    fn get(&self, topic: &str) -> Option<&Rc<Message>> {
        self.0
            .get(topic)?
            .1
            .as_ref()
            .filter(|message| !message.is_expired(NOW))
    }

    fn matching(&self, text: &str) -> BTreeSet<String> {
        let topics = self.0.keys().filter(|topic| self.get(topic).is_some());
        topics
            .filter(|topic| filter(text).matches(topic))
            .cloned()
            .collect()
    }

    fn store(
        &mut self,
        retained: &mut Retained,
        operation: (String, u64, u8, bool),
    ) -> Result<(), TestCaseError> {
        let (topic, sequence, payload, expired) = operation;
        let text = if payload == 0 {
            String::new()
        } else {
            format!("{payload} at {sequence}")
        };
        let message = message(&topic, &text, expired.then_some(NOW));
        let stored = retained.store(Rc::clone(&message), stamp(sequence));
        let before = self.0.get(&topic);
        let expected = match before {
            Some((latest, _)) if *latest >= sequence => Stored::Stale,
            _ if payload == 0 => Stored::Deleted,
            Some((_, Some(_))) => Stored::Replaced,
            _ => Stored::Added,
        };
        // A tombstone does not refuse its own stamp, and an expired entry may be swept or not.
        let uncertain = before.is_some_and(|(latest, message)| {
            *latest == sequence && message.as_ref().is_none_or(|m| m.is_expired(NOW))
                || message.as_ref().is_some_and(|m| m.is_expired(NOW))
        });
        prop_assert!(
            uncertain || stored == expected,
            "{stored:?} is not {expected:?}"
        );
        if stored != Stored::Stale {
            self.0
                .insert(topic, (sequence, (payload > 0).then_some(message)));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_cursor_sees_what_stays_and_sees_it_once(
        text in any_filter(4),
        operations in prop::collection::vec(any_operation(), 0..250),
    ) {
        let (mut retained, mut naive) = (Retained::new(hasher()), Naive::default());
        let mut cursor = retained.cursor();
        let (mut returned, mut staying) = (BTreeSet::new(), naive.matching(&text));
        let mut later = BTreeSet::new();
        for operation in operations {
            match operation {
                Operation::Store(topic, stamp, payload, expired) => {
                    let before = naive.get(&topic).cloned();
                    naive.store(&mut retained, (topic.clone(), stamp, payload, expired))?;
                    let present = naive.matching(&text);
                    staying.retain(|topic| present.contains(topic));
                    let replaced = match (before, naive.get(&topic)) {
                        (Some(before), Some(after)) => !Rc::ptr_eq(&before, after),
                        _ => true,
                    };
                    if replaced {
                        // Its subscriber got the new one live.
                        staying.remove(&topic);
                        later.insert(topic);
                    }
                }
                Operation::Sweep(budget) => retained.sweep(NOW, budget),
                Operation::Pull(mut steps) => {
                    while let Some(message) = retained.next(filter(&text), &mut cursor, NOW, &mut steps) {
                        prop_assert!(filter(&text).matches(message.topic()));
                        prop_assert_eq!(Some(message), naive.get(message.topic()), "the latest one");
                        prop_assert!(!later.contains(message.topic()), "it was sent live");
                        prop_assert!(returned.insert(message.topic().to_owned()), "never twice");
                    }
                }
            }
            if cursor.is_done() {
                prop_assert!(staying.is_subset(&returned), "{:?} of {:?}", returned, staying);
                later.clear();
                (cursor, returned, staying) = (retained.cursor(), BTreeSet::new(), naive.matching(&text));
            }
        }
        let found: BTreeSet<_> = all(&retained, &text, 1).iter().map(|m| m.topic().to_owned()).collect();
        prop_assert_eq!(found, naive.matching(&text));
        for _ in 0..=retained.len() {
            retained.sweep(NOW, 2);
        }
        let left: Vec<_> = all(&retained, "#", 9).into_iter().chain(all(&retained, "$s/#", 9)).collect();
        prop_assert_eq!(left.iter().map(|message| message.len()).sum::<usize>(), retained.bytes());
        prop_assert_eq!(left.len(), retained.len());
    }

    #[test]
    fn replicas_converge_whatever_the_order_of_arrival(
        publishes in prop::collection::vec((any_topic(2), 0..3_u16, 0..3_u8), 0..60),
        seed in any::<u64>(),
    ) {
        // Each shard's publishes stay in order; the lanes are drained in two different ways.
        let replica = |mut random: u64| {
            let mut lanes: Vec<Vec<(Stamp, Rc<Message>)>> = vec![vec![]; 3];
            for (i, (topic, shard, payload)) in publishes.iter().enumerate() {
                let stamp = Stamp { millis: i as u64 / 4, shard: ShardId(*shard), sequence: i as u64 };
                let payload = if *payload == 0 { String::new() } else { i.to_string() };
                lanes[usize::from(*shard)].push((stamp, message(topic, &payload, None)));
            }
            let mut lanes: Vec<_> = lanes.into_iter().map(Vec::into_iter).collect();
            let mut retained = Retained::new(hasher());
            while lanes.iter().any(|lane| lane.len() > 0) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if let Some((stamp, message)) = lanes[(random >> 33) as usize % 3].next() {
                    retained.store(message, stamp);
                }
            }
            all(&retained, "#", 7)
        };
        prop_assert_eq!(replica(seed), replica(!seed));
    }
}

fn filled(topics: impl Iterator<Item = String>) -> Retained {
    let mut retained = Retained::new(hasher());
    for (i, topic) in topics.enumerate() {
        retained.store(message(&topic, "x", None), stamp(i as u64));
    }
    retained
}

/// How many matches, and how many topics were looked at for them.
fn cost(retained: &Retained, text: &str) -> (usize, usize) {
    let (mut cursor, mut steps, mut found) = (retained.cursor(), usize::MAX, 0);
    while retained
        .next(filter(text), &mut cursor, NOW, &mut steps)
        .is_some()
    {
        found += 1;
    }
    assert!(cursor.is_done());
    (found, usize::MAX - steps)
}

#[test]
fn a_wildcard_does_not_look_at_what_a_literal_level_rules_out() {
    let devices = (0..100).flat_map(|d| (0..1000).map(move |s| format!("site/{d}/sensor/{s}")));
    let retained = filled(devices.chain((0..100).map(|d| format!("site/{d}/state"))));
    let (found, steps) = cost(&retained, "site/+/state");
    assert_eq!(found, 100);
    assert!(steps <= 400, "{steps} steps");
    let (found, steps) = cost(&retained, "site/7/sensor/#");
    assert_eq!(found, 1000);
    assert!(steps <= 1010, "{steps} steps");
    let (found, steps) = cost(&retained, "site/+/sensor/500");
    assert_eq!(found, 100);
    assert!(steps <= 500, "{steps} steps");
    assert_eq!(cost(&retained, "other/#").0, 0);
    assert!(cost(&retained, "other/#").1 <= 2);
    assert_eq!(cost(&retained, "site/7/sensor/500").0, 1);
    assert!(cost(&retained, "site/7/sensor/500").1 <= 2);
    assert_eq!(cost(&retained, "#").0, 100_100);
}

#[test]
fn a_hostile_filter_costs_a_step_or_two_per_topic() {
    let retained =
        filled((0..500_usize).map(|i| vec!["a"; i % 100 + 1].join("/") + &format!("/{i}")));
    let text = vec!["+"; 100].join("/") + "/x";
    let (found, steps) = cost(&retained, &text);
    assert_eq!(found, 0);
    assert!(steps <= 1_000, "{steps} steps");
}

#[test]
fn a_deletion_outlives_an_older_publish_that_comes_late() {
    let mut retained = Retained::new(hasher());
    assert_eq!(
        retained.store(message("t", "", None), stamp(5)),
        Stored::Deleted
    );
    assert_eq!(
        retained.store(message("t", "old", None), stamp(4)),
        Stored::Stale
    );
    assert_eq!(
        retained.store(message("t", "new", None), stamp(6)),
        Stored::Added
    );
    assert_eq!(
        retained.store(message("t", "", None), stamp(5)),
        Stored::Stale
    );
    assert_eq!(retained.len(), 1);
}

#[test]
fn deletions_are_forgotten_by_number_and_age() {
    let mut retained = Retained::new(hasher());
    for i in 0..70_000 {
        retained.store(message(&format!("t/{i}"), "", None), stamp(i));
    }
    assert_eq!(retained.tombstones(), 65_536);
    retained.sweep(NOW, usize::MAX);
    assert_eq!(retained.tombstones(), 65_536);
    retained.sweep(NOW.plus_seconds(31), 1000);
    assert_eq!(retained.tombstones(), 64_536);
    retained.sweep(NOW.plus_seconds(31), usize::MAX);
    assert_eq!(retained.tombstones(), 0);
}

#[test]
fn room_is_judged_by_what_would_be_there_afterwards() {
    let mut retained = Retained::new(hasher());
    retained.store(message("a", "12345", None), stamp(1));
    assert_eq!(retained.bytes(), 6);
    assert!(
        retained.has_room("a", 10, 1, 10),
        "it takes the place of what is there"
    );
    assert!(!retained.has_room("a", 11, 1, 10));
    assert!(!retained.has_room("b", 1, 1, 10));
    assert!(retained.has_room("b", 4, 2, 10));
    assert!(!retained.has_room("b", 5, 2, 10));
    assert!(!retained.has_room("b", usize::MAX, 2, 10));
}
