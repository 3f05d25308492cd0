//! What must always hold, one file per property; the numbers are those of the
//! checklist that the broker was designed by.
//!
//! | file | property |
//! | --- | --- |
//! | `delivered` | 1, 3: what was acknowledged arrives; after SUBACK everything does |
//! | `once` | 1: exactly once is once, DUP tells the truth, nobody gets copies |
//! | `order` | 2: order per publisher, topic, QoS and subscription |
//! | `wanted` | 3: nothing that was not subscribed to, on no other terms |
//! | `sessions` | 4: one live connection per client; Session Present tells the truth |
//! | `retained` | 5: retained or live, never neither, never both |
//! | `replicas` | 5: when all is quiet every shard answers alike |
//! | `bounds` | 7: queues keep to their bounds, everything open is answered, nothing stays |
//! | `wills` | 8: a will exactly when it is due |
//! | `shared` | 1 for shared groups: one member gets it, and somebody does |
//! | `permitted` | what hooks refuse does not happen, what they allow does; nobody else waits |
//! | `content` | what single packets must look like |
//!
//! Property 6 needs a store and has no file yet; 9 compares runs, see `alike`.
//! Never looks into an engine but for its counters, which are the named policies
//! that allow a loss.

mod bounds;
mod content;
mod delivered;
mod once;
mod order;
mod permitted;
mod replicas;
mod retained;
mod sessions;
mod shared;
mod wanted;
mod wills;

pub use permitted::Permission;

use crate::world::World;

impl World {
    /// Checks what can be judged once all is quiet.
    pub fn check_all(&mut self) {
        let checks: [fn(&mut Self); 9] = [
            Self::check_permitted,
            Self::check_wanted,
            Self::check_once,
            Self::check_order,
            Self::check_delivered,
            Self::check_shared,
            Self::check_retained,
            Self::check_wills,
            Self::check_answered,
        ];
        for check in checks {
            if self.violation.is_none() {
                check(self);
            }
        }
    }
}
