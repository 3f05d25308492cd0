//! Deterministic simulation of a whole broker: one to eight real engines, a simulated
//! network, mesh and clock, clients that do what a seed says, and a checker.
//!
//! Owns one thread and no socket. `run` takes a [`Plan`] (which a seed determines) and
//! returns what was seen; the same plan always gives the same trace. Everything else
//! here is a part of that: `world` moves time, `shards` and `network` carry, `client`,
//! `connect` and `workload` act, `rules` and `questions` are the hooks, `edge` observes, `history` remembers, `properties`
//! judge. `alike` compares one shard with many, `campaign` runs many seeds, `shrink` makes a failing plan smaller.

pub mod alike;
pub mod campaign;
pub mod plan;
pub mod random;
pub mod run;
pub mod shrink;

mod client;
mod connect;
mod edge;
mod history;
mod network;
mod properties;
mod questions;
mod rules;
mod shards;
mod stream;
mod topics;
mod trace;
mod workload;
mod world;

pub use plan::Plan;
pub use run::{Outcome, run, run_readable};
pub use world::Violation;
