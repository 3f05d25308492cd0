//! Who may do what, seen from outside: files, tokens, challenges and a third party against the
//! real broker, and mosquitto as the oracle of its own file formats.
//!
//! Every promise starts brokers of its own. What mosquitto's programs are needed for is skipped
//! loudly where they are missing, and fails where `RINGMQ_REQUIRE_INTEROP=1` says that they must be
//! there. Shares no code with the broker.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a packet that is not the one waited for fails the test, whatever it is"
)]

mod acl;
mod files;
mod foreign;
mod hammer;
mod http;
mod https;
mod listeners;
mod matrix;
mod mosquitto;
mod oracle;
mod passwords;
#[path = "../broker/process.rs"]
mod process;
mod reload;
mod scram;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
#[path = "../broker/wait.rs"]
mod wait;
