//! Which shard a client or a shared subscription lives on.
//!
//! Owns the keyed hash of this start of the process, the same on every shard: a
//! fresh key each time, so that nobody can aim at one shard. Pure.

use std::hash::Hash;

use ahash::RandomState;

use crate::ids::ShardId;

/// Finds homes.
#[derive(Clone, Debug)]
pub struct Homes {
    hasher: RandomState,
    shards: u16,
}

impl Homes {
    /// Homes among `shards` shards under this process's key.
    #[must_use]
    pub fn new(seed: [u64; 4], shards: u16) -> Self {
        Self {
            hasher: RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]),
            shards,
        }
    }

    /// The shard that a client's session lives on.
    #[must_use]
    pub fn of_client(&self, client_id: &str) -> ShardId {
        self.of(("client", client_id))
    }

    /// The shard that a shared subscription (`$share/group/filter`) lives on.
    #[must_use]
    pub fn of_group(&self, name: &str) -> ShardId {
        self.of(("group", name))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below u16::MAX"
    )]
    fn of(&self, key: impl Hash) -> ShardId {
        ShardId((self.hasher.hash_one(key) % u64::from(self.shards)) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_somebodys_home_and_the_key_decides_whose() {
        let homes = Homes::new([1, 2, 3, 4], 4);
        let others = Homes::new([5, 6, 7, 8], 4);
        let names: Vec<String> = (0..200).map(|n| format!("client-{n}")).collect();
        for shard in 0..4 {
            assert!(
                names
                    .iter()
                    .any(|name| homes.of_client(name) == ShardId(shard))
            );
        }
        assert!(
            names
                .iter()
                .any(|name| homes.of_client(name) != others.of_client(name))
        );
        assert_eq!(homes.of_client("a"), homes.clone().of_client("a"));
    }
}
