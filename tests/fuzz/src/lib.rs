//! What the fuzzers try, one module per target: each has a `run` that takes any
//! bytes and panics when a promise is broken.
//!
//! Owns the targets and the little that they share. Shared between the fuzzers
//! (`fuzz_targets`) and the replay of their corpora (`tests/fuzz_corpus.rs`).
//! Pure but for one file that `tokens` needs: no I/O, no clock, and the same bytes make
//! the same run.

pub mod cuts;
pub mod decode;
pub mod filters;
pub mod frames;
pub mod input;
pub mod judge;
pub mod naive;
pub mod openings;
pub mod packets;
pub mod retained;
pub mod round_trip;
pub mod rule_files;
pub mod stream;
pub mod subscriptions;
pub mod tokens;
pub mod world;
