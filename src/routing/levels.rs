//! Interned topic levels: each distinct level of a wildcard filter has one number.
//!
//! Owns the text of the levels and how many trie edges carry each. Lives on one
//! shard, pure. A topic's level is hashed once here, and the walk of the
//! wildcard trie then compares numbers. Never holds a level that no edge uses.

use std::collections::HashMap;

use ahash::RandomState;

/// The number of a level; only levels that occur in a wildcard filter have one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct LevelId(u32);

struct Level {
    id: LevelId,
    /// Invariant: `> 0`, or the level would not be here.
    edges: u32,
}

/// The table of all levels in use.
pub(super) struct Levels {
    by_text: HashMap<Box<str>, Level, RandomState>,
    /// Numbers given back, used again before `unused`.
    free: Vec<LevelId>,
    unused: u32,
}

impl Levels {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            by_text: HashMap::with_hasher(hasher),
            free: Vec::new(),
            unused: 0,
        }
    }

    /// The number of a level that some filter uses.
    pub(super) fn find(&self, text: &str) -> Option<LevelId> {
        self.by_text.get(text).map(|level| level.id)
    }

    /// Counts one more edge with this level.
    pub(super) fn acquire(&mut self, text: &str) -> LevelId {
        if let Some(level) = self.by_text.get_mut(text) {
            level.edges += 1;
            return level.id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.unused += 1;
            LevelId(self.unused - 1)
        });
        self.by_text.insert(text.into(), Level { id, edges: 1 });
        id
    }

    /// Counts one edge less; the last one frees text and number.
    pub(super) fn release(&mut self, text: &str) {
        let Some(level) = self.by_text.get_mut(text) else {
            debug_assert!(false, "released a level that no edge holds");
            return;
        };
        level.edges -= 1;
        if level.edges == 0 {
            self.free.push(level.id);
            self.by_text.remove(text);
        }
    }

    /// How many distinct levels are in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }
}
