//! Comparing brokers: all in one session, in turn, each pinned the same way.
//!
//! A shared machine drifts by 10-20 % over minutes, so figures of different
//! sessions do not compare. Here every round runs every broker once, freshly
//! started, in another order each time, and ratios are taken within a round:
//! noise hits all alike. Read next: `session` (the rounds), `entry` and `peer`
//! (what takes part), `launch` (a broker's process), `ratios` and `table` (what
//! is said in the end).

pub mod command;
pub mod entry;
pub mod generator;
pub mod launch;
pub mod peer;
pub mod ratios;
pub mod session;
pub mod table;
pub mod words;
