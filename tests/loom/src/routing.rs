//! The interest table with few slots, so that a model has little to look at.
//!
//! Owns the size. Everything else is the broker's own source.

#[path = "../../../src/routing/interest.rs"]
#[allow(dead_code, reason = "a broker's table is larger")]
mod interest;
#[path = "../../../src/routing/shape.rs"]
mod shape;

use std::sync::Arc;

use ahash::RandomState;

pub use interest::Interest;

use crate::ids::ShardId;

/// The parts of three shards.
pub fn three_parts() -> [Interest; 3] {
    let hasher = RandomState::with_seeds(1, 2, 3, 4);
    let table = Arc::new(interest::InterestTable::with_slot_bits(3, hasher, 1));
    [0, 1, 2].map(|shard| Interest::new(Arc::clone(&table), ShardId(shard)))
}
