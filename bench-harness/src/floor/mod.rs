//! The floor: what the bare kernel costs.
//!
//! A server that looks like an MQTT broker to the generator and does nothing
//! that a broker is for: it answers each packet by itself, without any state, and
//! relays the bytes of each PUBLISH, unaltered, packet identifier included, to
//! those who subscribed, with at most so many messages per send. One thread,
//! epoll and one plain `send` per subscriber; no message is copied unless a
//! socket is full. What a broker costs above it is the broker's own.
//!
//! No sessions, no authentication, no retained messages, one bound per
//! connection. Read next: `server` (the loop), `runs` (what one send carries),
//! `audience` (who gets it).

mod audience;
mod runs;
mod server;

pub use server::Floor;

use crate::settings::Shape;

/// Whether a scenario asks for nothing but what the floor does: no shared groups,
/// no retained messages, no wildcard before a filter's end.
#[must_use]
pub fn serves(shape: Shape) -> bool {
    match shape {
        Shape::FanOut | Shape::FanIn | Shape::Pairs | Shape::Connect | Shape::Idle => true,
        Shape::Shared | Shape::Wildcard | Shape::Mixed | Shape::RetainedReplay => false,
    }
}
