//! Names of the things a broker holds: shards, connections, sessions.
//!
//! Owns nothing; plain newtypes that every layer shares. Pure: no I/O, no clock.
//! A slot names a place in a shard's table, and its generation tells a later
//! tenant of the same place from an earlier one.

use core::fmt;

/// A shard of this process, numbered from zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard's place in a table with one entry per shard.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A connection on its shard; never valid on another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId {
    /// Place in the shard's connection table.
    pub slot: u32,
    /// Tells this tenant of the slot from earlier ones.
    pub generation: u32,
}

/// A session on its home shard; with a [`ShardId`] it is unique in the broker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId {
    /// Place in the shard's session table.
    pub slot: u32,
    /// Tells this tenant of the slot from earlier ones.
    pub generation: u32,
}
