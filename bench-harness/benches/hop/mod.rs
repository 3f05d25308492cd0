//! The way between two shards: the broker's own lane, flag and mesh, compiled here
//! once more as they are, because they are no part of its interface.
//!
//! Owns the stand-ins for what their sources name: a doorbell on which a thread
//! sleeps as a shard does, in the kernel on its eventfd, and the hand-off, which no
//! benchmark makes.

#[path = "../../../src/shard/lane.rs"]
#[allow(unused_imports, reason = "its own tests do not run here")]
pub mod lane;
#[path = "../../../src/shard/mesh.rs"]
#[expect(dead_code, reason = "a benchmark does not count what is under way")]
pub mod mesh;
#[path = "../../../src/shard/parked.rs"]
mod parked;

/// What wakes a shard.
pub mod doorbell {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::FromRawFd as _;

    use super::parked::{Parked, Place};

    /// The broker's doorbell without glommio: its owner reads the eventfd itself.
    pub struct Doorbell {
        eventfd: File,
        parked: Parked,
    }

    impl Doorbell {
        /// A doorbell that has not rung.
        pub fn new() -> Self {
            // SAFETY: eventfd takes no pointers; the result is checked below.
            let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
            assert!(descriptor >= 0, "a descriptor is free");
            Self {
                // SAFETY: the descriptor was just created and nobody else owns it.
                eventfd: unsafe { File::from_raw_fd(descriptor) },
                parked: Parked::default(),
            }
        }

        /// Wakes the owner, or keeps it from sleeping once.
        pub fn ring(&self) {
            (&self.eventfd)
                .write_all(&1_u64.to_ne_bytes())
                .expect("the counter does not overflow");
        }

        pub(crate) fn ring_if_parked(&self) {
            if self.parked.take().is_some() {
                self.ring();
            }
        }

        /// The owner is about to sleep, and looks into its lanes once more.
        pub fn park(&self) {
            self.parked.set(Place::Glommio);
        }

        /// The owner is awake.
        pub fn unpark(&self) {
            self.parked.clear();
        }

        /// Sleeps until it rings.
        pub fn sleep(&self) {
            let mut count = [0; 8];
            (&self.eventfd)
                .read_exact(&mut count)
                .expect("reading an eventfd does not fail");
        }
    }
}

/// Connections do not move in these benchmarks.
mod handoff {
    /// Never made.
    pub struct Handoff;
}
