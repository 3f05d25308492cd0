//! HOT PATH: the shapes of wildcard filters and the hashes of what they leave literal.
//!
//! Owns nothing; pure arithmetic. A shape says which levels of a filter are `+`
//! and whether `#` follows; filters of one shape differ in their literal levels
//! only, so for a given topic at most one filter of each shape can match.

use ahash::RandomState;
use smallvec::SmallVec;

/// Shapes are told apart down to this level; it is what fits in one word with a counter.
pub(super) const MAX_LEVELS: usize = 40;

const LEVELS_SHIFT: u32 = 40;
const MULTI: u64 = 1 << 46;
const PREFIX: u64 = 1 << 47;
const PLUS_MASK: u64 = (1 << MAX_LEVELS) - 1;

const _: () = assert!(MAX_LEVELS < 1 << 6, "the number of levels has six bits");

/// Bits 0-39: which levels are `+`; 40-45: how many levels; 46: `#` follows;
/// 47: a prefix that stands for other shapes. The rest is zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Shape(u64);

impl Shape {
    /// How many low bits of a word a shape takes.
    pub(super) const BITS: u32 = 48;

    /// The shape of a filter with wildcards, unless it has too many levels.
    pub(super) fn of(filter: &str) -> Option<Self> {
        let (mut plus, mut levels, mut multi) = (0, 0, 0);
        for level in filter.split('/') {
            if level == "#" {
                multi = MULTI;
            } else if levels == MAX_LEVELS {
                return None;
            } else {
                plus |= u64::from(level == "+") << levels;
                levels += 1;
            }
        }
        Some(Self(plus | (levels as u64) << LEVELS_SHIFT | multi))
    }

    /// The shape "so many literal levels, then anything".
    pub(super) const fn prefix(levels: usize) -> Self {
        Self((levels as u64) << LEVELS_SHIFT | MULTI | PREFIX)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }

    const fn levels(self) -> usize {
        (self.0 >> LEVELS_SHIFT) as usize & 0x3f
    }

    /// Whether some filter of this shape may match such a topic.
    pub(super) fn may_match(self, topic: &HashedTopic) -> bool {
        let (own, of_topic) = (self.levels(), topic.levels);
        let deep_enough = if self.0 & MULTI == 0 {
            own == of_topic
        } else {
            own <= of_topic
        };
        let starts_wild = own == 0 || self.0 & 1 == 1;
        // [MQTT-4.7.2-1]: a wildcard in the first level matches no topic that starts with `$`.
        deep_enough && !(starts_wild && topic.is_reserved)
    }

    /// The hash of shape and literal levels: equal for a filter and the topics it matches.
    ///
    /// The topic must have as many levels as the shape, or more.
    pub(super) fn project(self, topic: &HashedTopic) -> u64 {
        let mut literals = !self.0 & PLUS_MASK & ((1 << self.levels()) - 1);
        let mut hash = fold(self.0, 0x9E37_79B9_7F4A_7C15);
        while literals != 0 {
            hash = fold(
                hash ^ topic.hashes[literals.trailing_zeros() as usize],
                0xA24B_AED4_963E_E407,
            );
            literals &= literals - 1;
        }
        hash
    }
}

/// The level hashes are keyed, so nobody outside can steer what comes out here.
fn fold(hash: u64, odd: u64) -> u64 {
    let product = u128::from(hash) * u128::from(odd);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    {
        (product >> 64) as u64 ^ product as u64
    }
}

/// A topic (or a filter), level by level as hashes.
pub(super) struct HashedTopic {
    /// All levels, also those without a hash.
    levels: usize,
    hashes: SmallVec<[u64; MAX_LEVELS]>,
    /// Starts with `$`.
    is_reserved: bool,
}

impl HashedTopic {
    pub(super) fn new(topic: &str, hasher: &RandomState) -> Self {
        let mut levels = 0;
        let mut hashes = SmallVec::new();
        for level in topic.split('/') {
            levels += 1;
            if levels <= MAX_LEVELS {
                hashes.push(hasher.hash_one(level));
            }
        }
        Self {
            levels,
            hashes,
            is_reserved: topic.starts_with('$'),
        }
    }
}
