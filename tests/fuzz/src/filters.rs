//! Topic names and filters: what is one, and which matches which, in every place
//! that decides it: the filter itself, the index, the groups, the interest table.
//!
//! Owns one interest table per thread, blank between two runs. Pure.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;

use ahash::RandomState;
use ringmq::ids::{SessionId, ShardId};
use ringmq::protocol::{
    QoS, RetainHandling, SubscriptionOptions, TopicError, TopicFilter, TopicName,
};
use ringmq::routing::{Interest, InterestTable, Member, SharedGroups, Subscriptions};

use super::naive;

/// Filters looked at; more say nothing new and cost time.
const FILTERS: usize = 24;

thread_local! {
    /// Making one is a thousand times dearer than a run.
    static TABLE: RefCell<Arc<InterestTable>> = RefCell::new(new_table());
}

/// A fixed key: the same run each time.
pub fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

fn new_table() -> Arc<InterestTable> {
    Arc::new(InterestTable::new(2, hasher()))
}

/// The table of this thread.
pub fn table() -> Arc<InterestTable> {
    TABLE.with_borrow(Arc::clone)
}

/// The next run gets another table, because this one's will not be left blank.
pub fn spoil_table() {
    TABLE.replace(new_table());
}

/// Options that ask for nothing but a QoS.
pub fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    }
}

/// A member of a group, by number.
pub fn member(number: u32, online: bool) -> Member {
    Member {
        shard: ShardId(0),
        session: SessionId {
            slot: number,
            generation: 0,
        },
        options: options(QoS::AtLeastOnce),
        subscription_id: NonZeroU32::new(number),
        online,
    }
}

/// The first line is a topic, the others are filters; 0xFF ends a line.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == 0xFF);
    let topic = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let texts: Vec<_> = lines.take(FILTERS).map(String::from_utf8_lossy).collect();

    let name = TopicName::parse(&topic);
    assert_eq!(name.is_ok(), naive::is_name(&topic), "{topic:?}: {name:?}");
    if let Ok(name) = name {
        assert_eq!(name.as_str(), topic);
        assert!(name.levels().eq(topic.split('/')));
    }

    let mut filters = Vec::new();
    for text in &texts {
        match TopicFilter::parse(text) {
            Ok(filter) => {
                assert!(naive::is_filter(text), "no filter: {text:?}");
                filters.push(filter);
            }
            Err(error) => {
                assert!(!naive::is_filter(text), "{text:?} is refused: {error}");
                assert_eq!(error == TopicError::Empty, text.is_empty());
            }
        }
    }
    if name.is_ok() {
        everywhere(&topic, &filters);
    }
}

/// The filter behind the name of a group, and whether there is one.
fn bare<'a>(filter: &TopicFilter<'a>) -> (Option<&'a str>, TopicFilter<'a>) {
    match filter.share() {
        Some(share) => {
            let written = format!("$share/{}/{}", share.group, share.filter.as_str());
            assert_eq!(written, filter.as_str());
            (Some(share.group), share.filter)
        }
        None => (None, *filter),
    }
}

fn everywhere(topic: &str, filters: &[TopicFilter<'_>]) {
    let mut index = Subscriptions::new(hasher());
    let mut groups = SharedGroups::new(hasher());
    let table = table();
    let asking = Interest::new(Arc::clone(&table), ShardId(0));
    let mut wanting = Interest::new(table, ShardId(1));
    let interested = |interest: &Interest| {
        let mut found = false;
        interest.interested(topic, |shard| found |= shard == ShardId(1));
        found
    };
    let mut direct: Vec<u32> = Vec::new();
    let mut by_group: Vec<String> = Vec::new();
    let mut any = false;
    for (number, filter) in (0..).zip(filters) {
        let (group, inner) = bare(filter);
        assert_eq!(inner.is_wildcard(), inner.as_str().contains(['+', '#']));
        let matches = naive::matches(inner.as_str(), topic);
        assert_eq!(inner.matches(topic), matches, "{inner} against {topic:?}");
        wanting.add(inner);
        any |= matches;
        assert!(!any || interested(&asking), "{topic:?} misses {inner}");
        match group {
            Some(group) => {
                groups.join(group, inner, member(number, true));
                let name = format!("{group}/{}", inner.as_str());
                if matches && !by_group.contains(&name) {
                    by_group.push(name);
                }
            }
            None => {
                index.insert(inner, number, options(QoS::AtMostOnce), None);
                if matches {
                    direct.push(number);
                }
            }
        }
    }
    let found = index.matches(topic, None);
    let mut found: Vec<u32> = found.entries().iter().map(|entry| entry.session).collect();
    found.sort_unstable();
    assert_eq!(found, direct, "{topic:?}");
    let mut chosen = Vec::new();
    groups.choose(topic, |choice| {
        chosen.push(format!("{}/{}", choice.group, choice.filter));
    });
    chosen.sort();
    by_group.sort();
    assert_eq!(chosen, by_group, "{topic:?}");

    for (number, filter) in (0..).zip(filters) {
        let (group, inner) = bare(filter);
        wanting.remove(inner);
        match group {
            Some(group) => {
                let session = member(number, true).session;
                assert!(groups.leave(group, inner, ShardId(0), session).is_some());
            }
            None => assert!(index.remove(inner, number).is_some()),
        }
    }
    assert!(index.is_empty() && index.filters() == 0 && groups.is_empty());
    assert!(!interested(&asking), "{topic:?} finds what is gone");
}
