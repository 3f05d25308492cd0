//! How many filters can match one topic at most.
//!
//! Owns the count of wildcard shapes among the filters of one index. Lives on one
//! shard, pure. The shape of a filter is which of its levels are wildcards, and how
//! many levels it has. A topic and a shape leave only one filter that matches (its other
//! levels are the topic's own), so there are never more matches than shapes. Brokers in
//! use have a handful; only who means harm has more than a few hundred.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;

use crate::protocol::TopicFilter;

/// The wildcard shapes in use.
pub(super) struct Shapes {
    hasher: RandomState,
    /// By hash: two shapes that share one are counted as one, which no one can bring
    /// about on purpose. Never zero.
    filters: HashMap<u64, u32, RandomState>,
}

impl Shapes {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            filters: HashMap::with_hasher(hasher.clone()),
            hasher,
        }
    }

    /// A filter with wildcards comes into the index.
    pub(super) fn add(&mut self, filter: TopicFilter<'_>) {
        *self.filters.entry(self.shape(filter)).or_insert(0) += 1;
    }

    /// A filter with wildcards has left the index.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>) {
        let shape = self.shape(filter);
        if let Entry::Occupied(mut filters) = self.filters.entry(shape) {
            *filters.get_mut() -= 1;
            if *filters.get() == 0 {
                filters.remove();
            }
        } else {
            debug_assert!(false, "a filter leaves once, after it came");
        }
    }

    /// Whether a filter with wildcards may come, where there may be `most` shapes.
    pub(super) fn has_room_for(&self, filter: TopicFilter<'_>, most: usize) -> bool {
        self.filters.len() < most || self.filters.contains_key(&self.shape(filter))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.filters.len()
    }

    fn shape(&self, filter: TopicFilter<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let mut levels = 0_usize;
        for (place, level) in filter.as_str().split('/').enumerate() {
            levels = place;
            match level {
                "+" => place.hash(&mut hasher),
                "#" => (usize::MAX, place).hash(&mut hasher),
                _ => {}
            }
        }
        levels.hash(&mut hasher);
        hasher.finish()
    }
}
