//! Who gets a message: subscriptions, shared groups, interest of other shards, retained messages.
//!
//! Owns no session and no socket: it knows topics, filters and the ids in
//! [`crate::ids`], nothing of clients, permissions or QoS windows. Every part
//! lives on one shard and is used by that shard alone, except for
//! [`InterestTable`], which all shards read. Pure: no I/O, no clock, no async;
//! randomness arrives as keyed hashers, because hostile clients choose topics.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `subscriptions` | which sessions of this shard want a topic |
//! | `subscribers` | the dense list of the sessions behind one filter |
//! | `filter_index`, `wildcards`, `levels` | which filters match a topic |
//! | `merge`, `match_cache` | one entry per session where filters overlap |
//! | `shared` | which member of each shared group gets a message |
//! | `interest`, `shape` | which other shards may want a topic |
//! | `retained`, `retained_scan`, `tombstones` | which retained messages a filter matches |

mod filter_index;
mod interest;
mod levels;
mod match_cache;
mod merge;
mod overlap;
mod retained;
mod retained_scan;
mod shape;
mod shared;
mod subscribers;
mod subscriptions;
mod tombstones;
mod wildcards;

pub use interest::{Interest, InterestTable};
pub use retained::{Retained, RetainedCursor, Stamp, Stored};
pub use shared::{GroupChoice, Member, Round, SharedGroups};
pub use subscribers::Match;
pub use subscriptions::{Inserted, Matches, Removed, Subscriptions};

#[cfg(test)]
mod tests;
