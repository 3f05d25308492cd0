//! The broker's lock-free sources, compiled for loom: lanes, who wakes whom, and
//! the interest table.
//!
//! Owns nothing but stand-ins for what those sources name and no model needs: the
//! doorbell rings a loom `Notify` instead of an eventfd, and lanes are short, so
//! that they fill. What is tried is in `models`.

extern crate model_std as std;

#[path = "../../../src/ids.rs"]
pub mod ids;

pub mod models;
mod routing;
mod shard;

/// What the interest table needs of the protocol, which is the broker's own.
mod protocol {
    pub use ringmq::protocol::TopicFilter;
}

/// The engine's part of what crosses between shards.
mod engine {
    /// A batch is a number here.
    #[derive(Debug)]
    pub struct PeerBatch(pub u64);
}
