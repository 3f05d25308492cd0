//! HOT PATH: one shard's slice of the subscriptions, asked once per publish.
//!
//! Owns, for every filter, the sessions of this shard that subscribed to it
//! (shared subscriptions are in `shared`). Lives on one shard, pure: knows
//! session slots, nothing of sessions. Never looks at permissions or QoS
//! windows, never holds anything of other shards.
//!
//! A match goes: which filters (`filter_index`); none or one is answered from
//! the filter's own list without copying; several are merged (`merge`), and long
//! results are kept (`match_cache`). Nothing is allocated once the buffers have
//! grown and the list is known.

use std::num::NonZeroU32;

use ahash::RandomState;

use super::filter_index::{FilterId, FilterIndex};
use super::match_cache::{FilterStamp, MatchCache};
use super::merge::{self, Merge};
use super::overlap::Shapes;
use super::subscribers::{Match, Subscribers};
use crate::protocol::{SubscriptionOptions, TopicFilter};

/// Merging fewer entries than this costs less than keeping and finding the result.
const KEPT_FROM: usize = 64;

/// What [`Subscriptions::insert`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inserted {
    /// The session had no subscription with this filter; otherwise it was replaced [MQTT-3.8.4-3].
    pub new_subscription: bool,
    /// No session of this shard had one.
    pub first_of_filter: bool,
}

/// What [`Subscriptions::remove`] took out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removed {
    /// No session of this shard has a subscription with this filter any more.
    pub last_of_filter: bool,
}

/// The sessions that want a message; borrowed from the index.
#[derive(Clone, Copy, Debug)]
pub struct Matches<'a> {
    entries: &'a [Match],
    id_lists: &'a [u32],
    work: usize,
}

impl<'a> Matches<'a> {
    /// One entry per session.
    ///
    /// An entry with `no_local` whose session is the publisher is to be passed over.
    #[must_use]
    pub fn entries(&self) -> &'a [Match] {
        self.entries
    }

    /// What it takes to find this answer and to deliver by it: entries, or all filters
    /// that matched and their subscribers where those had to be merged.
    #[must_use]
    pub fn work(&self) -> usize {
        self.work
    }

    /// The identifiers of all subscriptions behind an entry of this very answer [MQTT-3.3.4-3].
    #[must_use]
    pub fn subscription_ids<'m>(&self, entry: &'m Match) -> &'m [u32]
    where
        'a: 'm,
    {
        merge::identifiers(entry, self.id_lists)
    }
}

#[derive(Default)]
struct Filter {
    subscribers: Subscribers,
    /// Invariant: differs from every stamp that any filter ever had before.
    stamp: FilterStamp,
}

/// The subscriptions of one shard's sessions.
pub struct Subscriptions {
    index: FilterIndex,
    shapes: Shapes,
    /// Indexed by [`FilterId`]; those in `free` are empty.
    filters: Vec<Filter>,
    free: Vec<FilterId>,
    subscriptions: usize,
    last_stamp: FilterStamp,
    merge: Merge,
    cache: MatchCache,
    /// Buffer of a match: the stamps of the filters that matched.
    stamps: Vec<FilterStamp>,
}

impl Subscriptions {
    /// No subscriptions; `hasher` is keyed, since clients choose filters and topics.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        Self {
            index: FilterIndex::new(hasher.clone()),
            shapes: Shapes::new(hasher.clone()),
            filters: Vec::new(),
            free: Vec::new(),
            subscriptions: 0,
            last_stamp: FilterStamp::default(),
            merge: Merge::new(),
            cache: MatchCache::new(hasher),
            stamps: Vec::new(),
        }
    }

    /// Adds a session's subscription or replaces the one with the same filter.
    pub fn insert(
        &mut self,
        filter: TopicFilter<'_>,
        session: u32,
        options: SubscriptionOptions,
        subscription_id: Option<NonZeroU32>,
    ) -> Inserted {
        let known = self.index.find(filter);
        let id = known.unwrap_or_else(|| self.add_filter(filter));
        let new_subscription = self.filters[id.index()].subscribers.set(Match {
            session,
            subscription_ids: subscription_id.map_or(0, NonZeroU32::get),
            qos: options.qos,
            retain_as_published: options.retain_as_published,
            no_local: options.no_local,
        });
        self.stamp(id);
        self.subscriptions += usize::from(new_subscription);
        Inserted {
            new_subscription,
            first_of_filter: known.is_none(),
        }
    }

    /// Takes a session's subscription out; `None` when there was none.
    pub fn remove(&mut self, filter: TopicFilter<'_>, session: u32) -> Option<Removed> {
        let id = self.index.find(filter)?;
        if !self.filters[id.index()].subscribers.remove(session) {
            return None;
        }
        self.subscriptions -= 1;
        self.stamp(id);
        let last_of_filter = self.filters[id.index()].subscribers.is_empty();
        if last_of_filter {
            self.index.remove(filter);
            if filter.is_wildcard() {
                self.shapes.remove(filter);
            }
            self.filters[id.index()].subscribers = Subscribers::default();
            self.free.push(id);
        }
        Some(Removed { last_of_filter })
    }

    /// The sessions that want a message with this topic.
    ///
    /// `publisher` is the slot of the session that published it, if that is one
    /// of this shard: its subscriptions with `no_local` do not count.
    pub fn matches(&mut self, topic: &str, publisher: Option<u32>) -> Matches<'_> {
        let matched = self.index.matched(topic);
        let filters = matched.iter().map(|id| &self.filters[id.index()]);
        let subscribers: usize = filters.clone().map(|f| f.subscribers.entries().len()).sum();
        let (work, (entries, id_lists)) = match matched {
            [] => (0, (&[][..], &[][..])),
            [only] => {
                let entries = self.filters[only.index()].subscribers.entries();
                (subscribers, (entries, &[][..]))
            }
            several => {
                let merged = merged(
                    filters,
                    subscribers,
                    publisher,
                    &mut self.merge,
                    &mut self.cache,
                    &mut self.stamps,
                );
                (several.len() + subscribers, merged)
            }
        };
        Matches {
            entries,
            id_lists,
            work,
        }
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscriptions == 0
    }

    /// How many distinct filters they have.
    #[must_use]
    pub fn filters(&self) -> usize {
        self.filters.len() - self.free.len()
    }

    fn add_filter(&mut self, filter: TopicFilter<'_>) -> FilterId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.filters.push(Filter::default());
            FilterId::from_index(self.filters.len() - 1)
        });
        self.index.insert(filter, id);
        if filter.is_wildcard() {
            self.shapes.add(filter);
        }
        id
    }

    /// Whether a subscription to this filter may be added where no topic is to match
    /// more than `most` filters with wildcards.
    #[must_use]
    pub fn has_room_for(&self, filter: TopicFilter<'_>, most: usize) -> bool {
        !filter.is_wildcard() || self.shapes.has_room_for(filter, most)
    }

    /// Notes that a filter's list is no longer what it was.
    fn stamp(&mut self, id: FilterId) {
        self.last_stamp = self.last_stamp.next();
        self.filters[id.index()].stamp = self.last_stamp;
    }

    /// Exact filters, and nodes, edges and levels of the others: for tests that watch for leaks.
    #[cfg(test)]
    pub(super) fn index_sizes(&self) -> [usize; 4] {
        self.index.sizes()
    }

    /// Wildcard shapes in use: the same.
    #[cfg(test)]
    pub(super) fn shapes(&self) -> usize {
        self.shapes.len()
    }

    /// Lists kept and their bytes.
    #[cfg(test)]
    pub(super) fn cache_sizes(&self) -> (usize, usize) {
        self.cache.sizes()
    }
}

/// The answer where several filters matched, with so many subscribers in all.
fn merged<'a, 'f>(
    filters: impl Iterator<Item = &'f Filter> + Clone,
    subscribers: usize,
    publisher: Option<u32>,
    merge: &'a mut Merge,
    cache: &'a mut MatchCache,
    stamps: &mut Vec<FilterStamp>,
) -> (&'a [Match], &'a [u32]) {
    let lists = filters.clone().map(|filter| filter.subscribers.entries());
    let publisher = publisher.filter(|slot| {
        filters
            .clone()
            .any(|filter| filter.subscribers.is_no_local(*slot))
    });
    // An answer that leaves out something of the publisher's is good for no other publisher.
    if publisher.is_some() || subscribers < KEPT_FROM {
        merge.run(lists, publisher);
        return merge.result();
    }
    stamps.clear();
    stamps.extend(filters.map(|filter| filter.stamp));
    let key = cache.key(stamps);
    if cache.touch(key, stamps) {
        return cache.get(key);
    }
    merge.run(lists, None);
    cache.keep(key, stamps, merge.result());
    merge.result()
}
