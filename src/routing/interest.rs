//! HOT PATH: which other shards may want a topic; asked once per publish.
//!
//! Owns the one table that all shards share, and each shard's half that writes
//! into it. Lock-free: read by every shard, bit `s` written by shard `s` alone.
//! Pure otherwise. Never misses a shard that has a matching filter; now and then
//! names one that has none, which costs a useless hop and no wrong delivery,
//! since the receiving shard matches against its own index.
//!
//! A slot of the table is a mask of shards. A filter without wildcards belongs to
//! the slot of its hash, so a publish looks at the slot of its topic. A wildcard
//! filter belongs to the slot of its *shape and literal levels* (see `shape`), so
//! a publish looks at one slot per shape in use. At most [`SHAPES`] shapes are in
//! use at a time; a filter of a further shape registers as the literal levels
//! before its first wildcard, with anything behind, cut to [`PREFIXES`] - 1 levels.
//!
//! Filters come and go: a shard counts its own filters per slot, shape and
//! prefix, and touches the shared words only when a count leaves or reaches zero.
//! All of it is sequentially consistent, shape before slot before the return of
//! [`Interest::add`], so a publish that starts after a SUBACK sees the filter.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::SeqCst};

use ahash::RandomState;
use smallvec::SmallVec;

use super::shape::{HashedTopic, Shape};
use crate::ids::ShardId;
use crate::protocol::TopicFilter;

/// Most shapes that all shards together can have in the table at a time.
const SHAPES: usize = 64;

/// How many lengths a prefix can have that stands in for a shape without a place.
const PREFIXES: usize = 16;

/// Slots for up to four shards, as a power of two: 2 MiB. With F filters on the other
/// shards, about F / 262,144 useless hops per publish.
const SLOT_BITS: u32 = 18;

/// Slots for many shards, as a power of two: 32 MiB for 64. They serve more clients with
/// more filters; a useless hop costs more than the publish itself.
const SLOT_BITS_MAX: u32 = 22;

/// One user (a shard) of a shape, in the bits that the shape leaves free.
const ONE_USER: u64 = 1 << Shape::BITS;

const MASK_BITS: usize = u64::BITS as usize;

/// What all shards know of each other's filters.
pub struct InterestTable {
    shards: u16,
    /// Words of one slot: a bit per shard.
    words: usize,
    slot_bits: u32,
    hasher: RandomState,
    /// `words` per slot; nothing at all with one shard.
    slots: Box<[AtomicU64]>,
    /// Zero: free. Otherwise a shape and, above it, how many shards use it here.
    shapes: [AtomicU64; SHAPES],
    /// All places of `shapes` from here on have never been used.
    shapes_end: AtomicUsize,
    /// How many shards use a prefix of each length.
    prefixes: [AtomicU16; PREFIXES],
}

impl InterestTable {
    /// An empty table for so many shards; `hasher` is keyed, since clients choose topics.
    #[must_use]
    pub fn new(shards: u16, hasher: RandomState) -> Self {
        let more = (shards / 4).checked_ilog2().unwrap_or(0);
        let slot_bits = SLOT_BITS_MAX.min(SLOT_BITS + more);
        Self::with_slot_bits(shards, hasher, slot_bits)
    }

    /// A table of another size than usual: `2^slot_bits` slots.
    pub(super) fn with_slot_bits(shards: u16, hasher: RandomState, slot_bits: u32) -> Self {
        let words = usize::from(shards).div_ceil(MASK_BITS);
        let slots = if shards > 1 { words << slot_bits } else { 0 };
        Self {
            shards,
            words,
            slot_bits,
            hasher,
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            shapes: std::array::from_fn(|_| AtomicU64::new(0)),
            shapes_end: AtomicUsize::new(0),
            prefixes: std::array::from_fn(|_| AtomicU16::new(0)),
        }
    }

    /// Whether no shard has anything registered.
    #[cfg(test)]
    pub(super) fn is_blank(&self) -> bool {
        let words = self.slots.iter().chain(&self.shapes);
        words.map(|word| word.load(SeqCst)).all(|word| word == 0)
            && self.prefixes.iter().all(|shards| shards.load(SeqCst) == 0)
    }

    /// Slot of the filters that are this very topic.
    fn exact_slot(&self, topic: &str) -> u32 {
        self.slot(self.hasher.hash_one(topic))
    }

    fn slot(&self, hash: u64) -> u32 {
        (hash >> 32) as u32 >> (u32::BITS - self.slot_bits)
    }

    fn word(&self, slot: u32, shard: ShardId) -> &AtomicU64 {
        &self.slots[slot as usize * self.words + shard.index() / MASK_BITS]
    }

    /// Becomes a user of a place with this shape; `None` when all places are taken.
    fn acquire_shape(&self, shape: Shape) -> Option<usize> {
        loop {
            let mut free = None;
            for (place, word) in self.shapes.iter().enumerate() {
                let found = word.load(SeqCst);
                if found == 0 {
                    free = free.or(Some(place));
                } else if Shape::from_bits(found) == shape
                    && word
                        .compare_exchange(found, found + ONE_USER, SeqCst, SeqCst)
                        .is_ok()
                {
                    return Some(place);
                }
            }
            // Two shards may enter one shape in two places: each is right, neither harms.
            let place = free?;
            let entered = shape.bits() | ONE_USER;
            if self.shapes[place]
                .compare_exchange(0, entered, SeqCst, SeqCst)
                .is_ok()
            {
                self.shapes_end.fetch_max(place + 1, SeqCst);
                return Some(place);
            }
        }
    }

    /// Ceases to be a user of a place; the last one frees it.
    fn release_shape(&self, place: usize) {
        let released = self.shapes[place].fetch_update(SeqCst, SeqCst, |word| {
            debug_assert!(word >= ONE_USER, "released a shape that nobody uses");
            let left = word.saturating_sub(ONE_USER);
            Some(if left < ONE_USER { 0 } else { left })
        });
        debug_assert!(released.is_ok());
    }

    /// Every slot that a filter matching `topic` can belong to.
    fn slots_of(&self, topic: &str) -> SmallVec<[u32; 1 + SHAPES + PREFIXES]> {
        let mut slots = SmallVec::new();
        slots.push(self.exact_slot(topic));
        // Not needed where nobody has a wildcard.
        let mut hashed = None;
        let mut look_at = |shape: Shape| {
            let hashed = hashed.get_or_insert_with(|| HashedTopic::new(topic, &self.hasher));
            if shape.may_match(hashed) {
                slots.push(self.slot(shape.project(hashed)));
            }
        };
        for word in &self.shapes[..self.shapes_end.load(SeqCst)] {
            let word = word.load(SeqCst);
            if word != 0 {
                look_at(Shape::from_bits(word));
            }
        }
        for (levels, shards) in self.prefixes.iter().enumerate() {
            if shards.load(SeqCst) > 0 {
                look_at(Shape::prefix(levels));
            }
        }
        slots
    }
}

/// This shard's use of a shape, the same for all its filters of that shape at a time.
struct ShapeUse {
    /// Invariant: `> 0`, or the use would not be here.
    filters: u32,
    /// Where the shape is in the table; `None`: its filters registered as prefixes.
    place: Option<usize>,
}

/// One shard's half: registers its filters, and answers for its publishers.
pub struct Interest {
    table: Arc<InterestTable>,
    shard: ShardId,
    /// How many filters of this shard belong to a slot; never zero.
    slots: HashMap<u32, u32, RandomState>,
    shapes: HashMap<Shape, ShapeUse, RandomState>,
    /// How many filters of this shard registered as a prefix of each length.
    prefixes: [u32; PREFIXES],
}

impl Interest {
    /// The half of `shard`, which must be one of the table's and have no other half.
    #[must_use]
    pub fn new(table: Arc<InterestTable>, shard: ShardId) -> Self {
        debug_assert!(shard.0 < table.shards);
        let hasher = table.hasher.clone();
        Self {
            table,
            shard,
            slots: HashMap::with_hasher(hasher.clone()),
            shapes: HashMap::with_hasher(hasher),
            prefixes: [0; PREFIXES],
        }
    }

    /// Registers a filter, once more if it already is.
    ///
    /// When this returns, no publish on any shard that starts later can miss it.
    /// Of a shared subscription it is the filter behind the group's name.
    pub fn add(&mut self, filter: TopicFilter<'_>) {
        debug_assert!(
            filter.share().is_none(),
            "topics are compared with the bare filter"
        );
        if self.table.slots.is_empty() {
            return;
        }
        let slot = if filter.is_wildcard() {
            self.enter_wildcard(filter.as_str())
        } else {
            self.table.exact_slot(filter.as_str())
        };
        let filters = self.slots.entry(slot).or_insert(0);
        *filters += 1;
        if *filters == 1 {
            self.table
                .word(slot, self.shard)
                .fetch_or(self.bit(), SeqCst);
        }
    }

    /// Takes back one [`add`](Self::add) of the same filter.
    pub fn remove(&mut self, filter: TopicFilter<'_>) {
        if self.table.slots.is_empty() {
            return;
        }
        let registration = if filter.is_wildcard() {
            self.wildcard_registration(filter.as_str())
        } else {
            Registration {
                slot: self.table.exact_slot(filter.as_str()),
                prefix: None,
            }
        };
        let Entry::Occupied(mut filters) = self.slots.entry(registration.slot) else {
            debug_assert!(false, "removed a filter that was never added");
            return;
        };
        *filters.get_mut() -= 1;
        if *filters.get() == 0 {
            filters.remove();
            self.table
                .word(registration.slot, self.shard)
                .fetch_and(!self.bit(), SeqCst);
        }
        if filter.is_wildcard() {
            self.leave_wildcard(filter.as_str(), registration.prefix);
        }
    }

    /// Calls `f` with every other shard that may have a filter matching `topic`.
    pub fn interested(&self, topic: &str, mut f: impl FnMut(ShardId)) {
        let table = &*self.table;
        if table.slots.is_empty() {
            return;
        }
        let slots = table.slots_of(topic);
        for word in 0..table.words {
            let mut shards = 0;
            for slot in &slots {
                shards |= table.slots[*slot as usize * table.words + word].load(SeqCst);
            }
            if word == self.shard.index() / MASK_BITS {
                shards &= !self.bit();
            }
            while shards != 0 {
                let shard = word * MASK_BITS + shards.trailing_zeros() as usize;
                shards &= shards - 1;
                f(ShardId(
                    u16::try_from(shard).expect("bits are set for existing shards only"),
                ));
            }
        }
    }

    fn bit(&self) -> u64 {
        1 << (self.shard.index() % MASK_BITS)
    }

    /// Counts a wildcard filter in, makes its shape known, and says which slot it belongs to.
    fn enter_wildcard(&mut self, filter: &str) -> u32 {
        if let Some(shape) = Shape::of(filter) {
            let table = &self.table;
            self.shapes
                .entry(shape)
                .or_insert_with(|| ShapeUse {
                    filters: 0,
                    place: table.acquire_shape(shape),
                })
                .filters += 1;
        }
        let registration = self.wildcard_registration(filter);
        if let Some(levels) = registration.prefix {
            self.prefixes[levels] += 1;
            if self.prefixes[levels] == 1 {
                self.table.prefixes[levels].fetch_add(1, SeqCst);
            }
        }
        registration.slot
    }

    /// Counts a wildcard filter out.
    fn leave_wildcard(&mut self, filter: &str, prefix: Option<usize>) {
        if let Some(levels) = prefix {
            self.prefixes[levels] -= 1;
            if self.prefixes[levels] == 0 {
                self.table.prefixes[levels].fetch_sub(1, SeqCst);
            }
        }
        let Some(shape) = Shape::of(filter) else {
            return;
        };
        let Entry::Occupied(mut found) = self.shapes.entry(shape) else {
            return;
        };
        found.get_mut().filters -= 1;
        if found.get().filters == 0
            && let Some(place) = found.remove().place
        {
            self.table.release_shape(place);
        }
    }

    /// Where a wildcard filter that is counted in belongs.
    fn wildcard_registration(&self, filter: &str) -> Registration {
        let shape = Shape::of(filter).filter(|shape| {
            self.shapes
                .get(shape)
                .is_some_and(|found| found.place.is_some())
        });
        let literals = filter
            .split('/')
            .take_while(|level| !matches!(*level, "+" | "#"))
            .count();
        let prefix = literals.min(PREFIXES - 1);
        let hashed = HashedTopic::new(filter, &self.table.hasher);
        let hash = shape.unwrap_or(Shape::prefix(prefix)).project(&hashed);
        Registration {
            slot: self.table.slot(hash),
            prefix: if shape.is_none() { Some(prefix) } else { None },
        }
    }
}

/// How a filter is entered in the table.
struct Registration {
    slot: u32,
    /// The length of the prefix that stands for it; `None`: its shape is known.
    prefix: Option<usize>,
}
