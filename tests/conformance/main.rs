//! The specifications of MQTT 5.0 and 3.1.1 as promises that the real broker has to keep.
//!
//! Owns nothing but the list of modules: `v5/` speaks with the statement numbers of version 5.0, `v3/`
//! with those of 3.1.1 (and the little that 3.1 says). One file per chapter, one function per
//! promise, each run against a broker with one shard and one with four. A statement's number stands above
//! the function that proves it; `coverage.rs` fails when a statement stands nowhere. Written from the
//! specifications alone: nothing here looks at how the broker does it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a packet that is not the one waited for fails the test, whatever it is"
)]

#[path = "../support/mod.rs"]
mod support;

/// Makes two tests of every promise: one shard, four shards.
macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn one_shard() {
                    crate::support::broker::hold(1, super::$name);
                }

                #[test]
                fn four_shards() {
                    crate::support::broker::hold(4, super::$name);
                }
            }
        )+
    };
}

/// The same with a broker of its own for each, started with these options.
macro_rules! promises_with {
    ($options:expr; $($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn one_shard() {
                    crate::support::broker::hold_with(1, &$options, super::$name);
                }

                #[test]
                fn four_shards() {
                    crate::support::broker::hold_with(4, &$options, super::$name);
                }
            }
        )+
    };
}

mod coverage;
mod v3;
mod v5;
