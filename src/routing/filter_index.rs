//! HOT PATH: which filters match a topic; asked once per publish.
//!
//! Owns the text of all filters of one index and the number each was given by
//! its owner. Lives on one shard, pure. A filter without wildcards is one entry
//! of a hash map; the others form a trie. Knows nothing of who subscribed.

use std::collections::HashMap;

use ahash::RandomState;

use super::wildcards::Wildcards;
use crate::protocol::TopicFilter;

/// The number of a filter: a place in its owner's table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct FilterId(u32);

impl FilterId {
    /// No filter; a table never grows this far.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn from_index(index: usize) -> Self {
        let id = u32::try_from(index).expect("2^32 filters do not fit in memory");
        debug_assert!(id != u32::MAX);
        Self(id)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// A set of filters that can be asked which of them match a topic.
pub(super) struct FilterIndex {
    exact: HashMap<Box<str>, FilterId, RandomState>,
    wildcards: Wildcards,
    /// The answer to the last question.
    matched: Vec<FilterId>,
}

impl FilterIndex {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            exact: HashMap::with_hasher(hasher.clone()),
            wildcards: Wildcards::new(hasher),
            matched: Vec::new(),
        }
    }

    /// Every filter that matches `topic`, each once, the exact one first.
    pub(super) fn matched(&mut self, topic: &str) -> &[FilterId] {
        self.matched.clear();
        self.matched.extend(self.exact.get(topic));
        self.wildcards.collect(topic, &mut self.matched);
        &self.matched
    }

    /// The number that `filter` was inserted with.
    pub(super) fn find(&self, filter: TopicFilter<'_>) -> Option<FilterId> {
        if filter.is_wildcard() {
            self.wildcards.find(filter.as_str())
        } else {
            self.exact.get(filter.as_str()).copied()
        }
    }

    /// Adds `filter`, which must not be here yet.
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, id: FilterId) {
        debug_assert!(
            filter.share().is_none(),
            "an index holds what topics are compared with"
        );
        if filter.is_wildcard() {
            self.wildcards.insert(filter.as_str(), id);
        } else {
            let earlier = self.exact.insert(filter.as_str().into(), id);
            debug_assert!(earlier.is_none());
        }
    }

    /// Takes `filter` out.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>) -> Option<FilterId> {
        if filter.is_wildcard() {
            self.wildcards.remove(filter.as_str())
        } else {
            self.exact.remove(filter.as_str())
        }
    }

    /// Exact filters, then nodes, edges and levels of the wildcards.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 4] {
        let [nodes, edges, levels] = self.wildcards.sizes();
        [self.exact.len(), nodes, edges, levels]
    }
}
