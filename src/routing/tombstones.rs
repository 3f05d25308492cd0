//! What was deleted lately, so that an older publish that arrives late stays dead.
//!
//! Owns, per deleted topic, its hash and the stamp of the deletion; bounded in
//! number and age. Lives on one shard, pure. Topics reach a shard over one lane
//! per publishing shard, so a publish can arrive after a newer deletion from
//! elsewhere; it is late by what the lanes hold, not by minutes. Never holds the
//! topic itself: two topics of one 64-bit keyed hash would only cost the older
//! of two publishes within [`AGE_MILLIS`].

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::retained::Stamp;
use crate::time::Timestamp;

/// Most tombstones on a shard, about 5 MiB; the oldest gives way.
const MAX_TOMBSTONES: usize = 65_536;

/// How long a tombstone stands: far longer than a lane between shards delays anything.
const AGE_MILLIS: u64 = 30_000;

/// The latest deletions.
pub(super) struct Tombstones {
    hasher: RandomState,
    by_topic: HashMap<u64, Stamp, RandomState>,
    /// In order of arrival; a topic deleted twice is here twice.
    order: VecDeque<(u64, Stamp)>,
}

impl Tombstones {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            by_topic: HashMap::with_hasher(hasher.clone()),
            hasher,
            order: VecDeque::new(),
        }
    }

    /// Whether the topic (in level order) was deleted after `stamp`.
    pub(super) fn is_deleted_after(&self, key: &[u8], stamp: Stamp) -> bool {
        !self.by_topic.is_empty()
            && self
                .by_topic
                .get(&self.hasher.hash_one(key))
                .is_some_and(|at| *at > stamp)
    }

    /// Remembers that the topic was deleted.
    pub(super) fn add(&mut self, key: &[u8], stamp: Stamp) {
        let topic = self.hasher.hash_one(key);
        let latest = self.by_topic.entry(topic).or_insert(stamp);
        *latest = stamp.max(*latest);
        self.order.push_back((topic, stamp));
        if self.order.len() > MAX_TOMBSTONES {
            self.drop_oldest();
        }
    }

    /// Forgets what is too old to matter, at most `budget` of it.
    pub(super) fn sweep(&mut self, now: Timestamp, budget: usize) {
        for _ in 0..budget {
            match self.order.front() {
                Some((_, stamp)) if stamp.millis.saturating_add(AGE_MILLIS) < now.as_millis() => {
                    self.drop_oldest();
                }
                _ => return,
            }
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((topic, stamp)) = self.order.pop_front()
            && self.by_topic.get(&topic) == Some(&stamp)
        {
            self.by_topic.remove(&topic);
        }
    }

    /// How many deletions are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
