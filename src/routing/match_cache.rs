//! HOT PATH: merged fan-out lists kept for the next publish.
//!
//! Owns copies of merge results, bounded in number and bytes. Lives on one
//! shard, holds that shard's own matches only. Pure. Never answers with
//! anything that has changed since.
//!
//! The key is not the topic but the *state of the filters* that matched it: each
//! filter carries a stamp, new at every change and never used twice, and the
//! stamps of the matched filters are the key. So 100,000 topics that match the
//! same filters share one list, a subscription elsewhere in the index spoils
//! nothing, and a list that is out of date is simply never asked for again.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::subscribers::Match;

/// Names one state of one filter; never used twice on a shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct FilterStamp(u64);

impl FilterStamp {
    /// The next stamp of a shard's one sequence.
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Most lists kept: beyond some thousand, finding one costs a cache miss as building a short one does.
const MAX_LISTS: usize = 4096;

/// Most bytes kept on a shard: a dozen lists of 100,000 sessions.
const MAX_BYTES: usize = 16 << 20;

/// A list larger than this would push out everything else: it is built each time.
const MAX_LIST_BYTES: usize = MAX_BYTES / 4;

const _: () = assert!(
    MAX_LIST_BYTES * 2 <= MAX_BYTES,
    "there is always room for a second list"
);

/// Where a list lies in the cache: the hash of its stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(u64);

struct List {
    stamps: Box<[FilterStamp]>,
    entries: Box<[Match]>,
    ids: Box<[u32]>,
    /// Asked for since it was last considered for removal.
    used: bool,
}

impl List {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.stamps)
            + size_of_val(&*self.entries)
            + size_of_val(&*self.ids)
    }
}

/// Merge results by the state of the filters they came from.
pub(super) struct MatchCache {
    hasher: RandomState,
    lists: HashMap<u64, List, RandomState>,
    /// The keys of `lists`, each once, in the order in which they are considered for removal.
    order: VecDeque<u64>,
    bytes: usize,
}

impl MatchCache {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            lists: HashMap::with_hasher(hasher.clone()),
            hasher,
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The key of the list for these filters.
    pub(super) fn key(&self, stamps: &[FilterStamp]) -> Key {
        Key(self.hasher.hash_one(stamps))
    }

    /// Whether the list for these filters is here; marks it as used.
    pub(super) fn touch(&mut self, key: Key, stamps: &[FilterStamp]) -> bool {
        match self.lists.get_mut(&key.0) {
            Some(list) if *list.stamps == *stamps => {
                list.used = true;
                true
            }
            _ => false,
        }
    }

    /// Entries and identifier lists of a list that [`touch`](Self::touch) has just found.
    pub(super) fn get(&self, key: Key) -> (&[Match], &[u32]) {
        self.lists
            .get(&key.0)
            .map_or((&[], &[]), |list| (&list.entries, &list.ids))
    }

    /// Keeps a copy of a list, if it is not too large, at the cost of others.
    pub(super) fn keep(&mut self, key: Key, stamps: &[FilterStamp], result: (&[Match], &[u32])) {
        let (entries, ids) = result;
        if size_of_val(entries) + size_of_val(ids) + size_of_val(stamps) > MAX_LIST_BYTES {
            return;
        }
        let list = List {
            stamps: stamps.into(),
            entries: entries.into(),
            ids: ids.into(),
            used: false,
        };
        self.bytes += list.bytes();
        match self.lists.insert(key.0, list) {
            // Two states with one hash: the newer one stays.
            Some(other) => self.bytes -= other.bytes(),
            None => self.order.push_back(key.0),
        }
        self.make_room();
    }

    /// Drops lists until the bounds hold, sparing once those used since last time.
    fn make_room(&mut self) {
        while self.bytes > MAX_BYTES || self.lists.len() > MAX_LISTS {
            let Some(key) = self.order.pop_front() else {
                return;
            };
            match self.lists.get_mut(&key) {
                Some(list) if list.used => {
                    list.used = false;
                    self.order.push_back(key);
                }
                Some(list) => {
                    self.bytes -= list.bytes();
                    self.lists.remove(&key);
                }
                None => debug_assert!(false, "the order names only lists that are here"),
            }
        }
    }

    /// Lists and bytes kept.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.lists.len(), self.bytes)
    }
}
