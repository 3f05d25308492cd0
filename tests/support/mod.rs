//! What the integration tests share: a broker process to talk to, bytes to say, and a client that
//! waits with deadlines.
//!
//! Owns nothing of the broker: not one line here uses the crate's own protocol code, so that an error in
//! that code cannot hide behind itself. Never sleeps to wait for something: reads poll with a
//! deadline, and "nothing arrives" is proved by a barrier (see [`client::Client::expect_nothing`]).
//! Used with `#[path = "../support/mod.rs"] mod support;`. Read `broker.rs`, then `client.rs`.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of what is shared here"
)]
#![allow(
    unused_imports,
    reason = "each test binary uses its own part of what is shared here"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a packet that is not the one waited for fails the test, whatever it is"
)]

pub mod authority;
pub mod broker;
pub mod client;
pub mod scram;
pub mod stream;
pub mod wire;
