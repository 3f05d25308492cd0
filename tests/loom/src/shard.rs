//! The mesh of two shards over lanes of two items, with doorbells that a model
//! can hear.
//!
//! Owns the stand-ins for lane length, doorbell and hand-off. Lane, flag and mesh
//! are the broker's own sources.

#[path = "../../../src/shard/lane.rs"]
pub mod any_lane;
#[path = "../../../src/shard/mesh.rs"]
#[allow(dead_code, reason = "models look at less than a broker does")]
pub mod mesh;
#[path = "../../../src/shard/parked.rs"]
pub(crate) mod parked;

/// Lanes of two items, whatever the mesh asks for.
mod lane {
    pub(crate) use super::any_lane::{LaneReceiver, LaneSender};

    pub(crate) fn lane<T: Send>(_capacity: usize) -> (LaneSender<T>, LaneReceiver<T>) {
        super::any_lane::lane(2)
    }
}

/// A doorbell whose shard sleeps in the model.
pub mod doorbell {
    use loom::sync::Notify;

    use super::parked::{Parked, Place};

    /// The broker's doorbell, with a `Notify` in the place of the eventfd that wakes
    /// from glommio: both keep a ring that came before the sleep. The one of the network
    /// ring is heard by nobody, as if every wait there had just ended.
    pub struct Doorbell {
        bell: Notify,
        parked: Parked,
    }

    impl Doorbell {
        pub(crate) fn new() -> Self {
            Self {
                bell: Notify::new(),
                parked: Parked::default(),
            }
        }

        pub(crate) fn ring_if_parked(&self) {
            if self.parked.take() == Some(Place::Glommio) {
                self.bell.notify();
            }
        }

        pub(crate) fn park(&self, place: Place) {
            self.parked.set(place);
        }

        pub(crate) fn unpark(&self) {
            self.parked.clear();
        }

        /// What glommio does when nothing is left to run.
        pub(crate) fn sleep(&self) {
            self.bell.wait();
        }
    }
}

/// Connections do not move in these models.
mod handoff {
    /// Never made.
    pub struct Handoff;
}
