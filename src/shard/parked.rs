//! HOT PATH: whether a shard sleeps, as its peers see it.
//!
//! Owns one flag per shard, which its peers look at after every batch. Lock-free.
//! Never wakes anyone itself: that is the doorbell's part. Apart from it, so that
//! every interleaving can be tried (`tests/loom`).

use std::sync::atomic::{AtomicBool, Ordering, fence};

/// The shard sleeps or is about to: peers must ring.
#[derive(Debug, Default)]
pub(crate) struct Parked(AtomicBool);

impl Parked {
    /// The shard is about to sleep: afterwards it must look into its lanes once
    /// more.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake.
    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether the caller has to ring; called after something was put into one of
    /// the shard's lanes, or taken out of one that it wants to fill. Of several
    /// callers one is told to.
    pub(crate) fn take(&self) -> bool {
        // We filled a lane and then look at the flag; the shard sets the flag
        // and then looks into its lanes. With a full barrier between, one of the
        // two sees the other.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
