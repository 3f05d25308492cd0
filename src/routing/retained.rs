//! The retained messages: every shard has all of them, in an index of its own.
//!
//! Owns a handle to each message (bytes are shared with the other shards) and its
//! stamp, sorted by topic in level order (see `retained_scan`). Lives on one
//! shard, pure: time arrives as an argument. All replicas converge, whatever the
//! order in which publishes of different shards arrive: the greatest stamp wins.
//! Never refuses a message by itself: the publishing shard asks
//! [`Retained::has_room`], and the replicas obey.
//!
//! A sorted list and not a trie: a cursor is then a key, and keys stay where they
//! are while others come and go; and a topic of 128 levels costs one entry and
//! not 128 nodes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::rc::Rc;

use ahash::RandomState;

use super::retained_scan::{Verdict, judge, level_order};
use super::tombstones::Tombstones;
use crate::ids::ShardId;
use crate::message::Message;
use crate::protocol::TopicFilter;
use crate::time::Timestamp;

/// When and where a message was retained; of two for one topic the greater wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stamp {
    /// Milliseconds of the process's clock, never smaller than in the shard's stamp before.
    pub millis: u64,
    /// The publishing shard, which decides between equal times.
    pub shard: ShardId,
    /// Counts the stamps of the publishing shard.
    pub sequence: u64,
}

/// What became of a message given to [`Retained::store`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// It is the first of its topic.
    Added,
    /// It took the place of an older one [MQTT-3.3.1-5].
    Replaced,
    /// Its payload is empty, and what was retained for the topic is gone [MQTT-3.3.1-6].
    Deleted,
    /// A newer one (or a newer deletion) was here already; nothing changed.
    Stale,
}

struct Entry {
    message: Rc<Message>,
    stamp: Stamp,
    /// Place in the order in which this shard stored things.
    order: u64,
}

/// All retained messages, as one shard knows them.
pub struct Retained {
    /// By topic in level order.
    entries: BTreeMap<Box<[u8]>, Entry>,
    /// Sum of the messages' lengths.
    bytes: usize,
    tombstones: Tombstones,
    /// Counts what was stored here.
    stored: u64,
    /// Where the next sweep goes on.
    swept_to: Vec<u8>,
    /// Buffer for the key of a message.
    key: Vec<u8>,
}

impl Retained {
    /// Nothing retained; `hasher` is keyed, since clients choose topics.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            tombstones: Tombstones::new(hasher),
            stored: 0,
            swept_to: Vec::new(),
            key: Vec::new(),
        }
    }

    /// Retains a message, or deletes what its topic has if its payload is empty.
    pub fn store(&mut self, message: Rc<Message>, stamp: Stamp) -> Stored {
        level_order(message.topic(), &mut self.key);
        if self.tombstones.is_deleted_after(&self.key, stamp) {
            return Stored::Stale;
        }
        let existing = self.entries.get_mut(&*self.key);
        if existing.as_ref().is_some_and(|entry| entry.stamp >= stamp) {
            return Stored::Stale;
        }
        if message.payload().is_empty() {
            if let Some(entry) = self.entries.remove(&*self.key) {
                self.bytes -= entry.message.len();
            }
            self.tombstones.add(&self.key, stamp);
            return Stored::Deleted;
        }
        self.bytes += message.len();
        self.stored += 1;
        let fresh = Entry {
            message,
            stamp,
            order: self.stored,
        };
        if let Some(entry) = existing {
            self.bytes -= entry.message.len();
            *entry = fresh;
            Stored::Replaced
        } else {
            self.entries.insert(self.key.as_slice().into(), fresh);
            Stored::Added
        }
    }

    /// Whether a message of so many bytes for this topic keeps within the limits.
    #[must_use]
    pub fn has_room(
        &self,
        topic: &str,
        bytes: usize,
        max_messages: usize,
        max_bytes: usize,
    ) -> bool {
        let mut key = Vec::new();
        level_order(topic, &mut key);
        let (messages, freed) = match self.entries.get(&*key) {
            Some(entry) => (self.len(), entry.message.len()),
            None => (self.len() + 1, 0),
        };
        messages <= max_messages && (self.bytes - freed).saturating_add(bytes) <= max_bytes
    }

    /// A cursor for a subscription that begins now. It passes over what is stored
    /// later: the subscriber gets that live, and must not get it twice.
    #[must_use]
    pub const fn cursor(&self) -> RetainedCursor {
        RetainedCursor {
            at: Vec::new(),
            passed: false,
            done: false,
            as_of: self.stored,
        }
    }

    /// The next message that matches `filter`, in level order of the topics.
    ///
    /// The filter must be the same for the whole life of the cursor, and the store
    /// may change between two calls: a message that stays is never passed over, no
    /// topic comes twice, and nothing that was stored after the cursor was made.
    /// Each topic looked at costs one of `steps`; with none left the answer is
    /// `None` while the cursor is not [done](RetainedCursor::is_done).
    pub fn next(
        &self,
        filter: TopicFilter<'_>,
        cursor: &mut RetainedCursor,
        now: Timestamp,
        steps: &mut usize,
    ) -> Option<&Rc<Message>> {
        let filter = filter.as_str();
        while *steps > 0 && !cursor.done {
            *steps -= 1;
            if cursor.at.is_empty() {
                level_order(literal_beginning(filter), &mut cursor.at);
            }
            let from = &cursor.at[..];
            let from = if cursor.passed {
                Excluded(from)
            } else {
                Included(from)
            };
            let Some((key, entry)) = self.entries.range::<[u8], _>((from, Unbounded)).next() else {
                cursor.done = true;
                return None;
            };
            match judge(filter, key) {
                Verdict::Match => {
                    cursor.pass(key);
                    if entry.order <= cursor.as_of && !entry.message.is_expired(now) {
                        return Some(&entry.message);
                    }
                }
                Verdict::Seek(bound) => {
                    cursor.pass(key);
                    cursor.passed = false;
                    bound.apply(filter, &mut cursor.at);
                }
                Verdict::Done => cursor.done = true,
            }
        }
        None
    }

    /// Drops messages that have expired and deletions that are forgotten, looking at most at `budget` of each.
    ///
    /// Each call goes on where the one before stopped.
    pub fn sweep(&mut self, now: Timestamp, budget: usize) {
        self.tombstones.sweep(now, budget);
        let mut rest = self
            .entries
            .range::<[u8], _>((Excluded(&self.swept_to[..]), Unbounded));
        let mut expired = Vec::new();
        let mut last = None;
        for (key, entry) in rest.by_ref().take(budget) {
            if entry.message.is_expired(now) {
                expired.push(key.clone());
            }
            last = Some(key);
        }
        let at_end = rest.next().is_none();
        if let Some(key) = last {
            self.swept_to.clear();
            self.swept_to.extend_from_slice(key);
        }
        if at_end {
            self.swept_to.clear();
        }
        for key in expired {
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.message.len();
                // An older publish that arrives late must not rise in its place.
                self.tombstones.add(&key, entry.stamp);
            }
        }
    }

    /// How many messages are retained, expired ones included until they are swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of topics, properties and payloads of what is retained.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many deletions are remembered.
    #[cfg(test)]
    pub(super) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }
}

/// How far the answer to one subscription has come.
#[derive(Clone, Debug)]
pub struct RetainedCursor {
    /// A bound in level order: everything before it is dealt with. Empty only before the first step
    /// and for filters that start with a wildcard.
    at: Vec<u8>,
    /// Whether a topic that equals `at` is dealt with too.
    passed: bool,
    done: bool,
    /// The last message stored before the cursor was made.
    as_of: u64,
}

impl RetainedCursor {
    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    fn pass(&mut self, key: &[u8]) {
        self.at.clear();
        self.at.extend_from_slice(key);
        self.passed = true;
    }
}

/// The levels before the first wildcard; no topic before them can match.
fn literal_beginning(filter: &str) -> &str {
    let literal = &filter[..filter.find(['+', '#']).unwrap_or(filter.len())];
    // `a/#` matches `a`, which comes before `a/`.
    literal.strip_suffix('/').unwrap_or(literal)
}
