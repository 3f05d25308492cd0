//! HOT PATH: whether and where a shard waits, as its peers see it.
//!
//! Owns one mark per shard, which its peers look at after every batch. Lock-free.
//! Never wakes anyone itself: that is the doorbell's part. Apart from it, so that
//! every interleaving can be tried (`tests/loom`).

use std::sync::atomic::{AtomicU8, Ordering, fence};

/// Where a shard waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// For a moment, in its network ring.
    Ring,
    /// In glommio, until something wakes it.
    Glommio,
}

/// The shard waits or is about to: peers must ring.
#[derive(Debug, Default)]
pub(crate) struct Parked(AtomicU8);

const AWAKE: u8 = 0;
const IN_RING: u8 = 1;
const IN_GLOMMIO: u8 = 2;

impl Parked {
    /// The shard is about to wait: afterwards it must look into its lanes once
    /// more.
    pub(crate) fn set(&self, place: Place) {
        let mark = match place {
            Place::Ring => IN_RING,
            Place::Glommio => IN_GLOMMIO,
        };
        self.0.store(mark, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake.
    pub(crate) fn clear(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Where the caller has to ring, if anywhere; called after something was put into
    /// one of the shard's lanes, or taken out of one that it wants to fill. Of several
    /// callers one is told.
    pub(crate) fn take(&self) -> Option<Place> {
        // We filled a lane and then look at the mark; the shard sets the mark
        // and then looks into its lanes. With a full barrier between, one of the
        // two sees the other. A mark that is taken was set last: a shard that has
        // gone on from one place to the other looked into its lanes in between.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == AWAKE {
            return None;
        }
        match self.0.swap(AWAKE, Ordering::Relaxed) {
            IN_RING => Some(Place::Ring),
            IN_GLOMMIO => Some(Place::Glommio),
            _ => None,
        }
    }
}
