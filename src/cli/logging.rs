//! Where log lines go: standard error, filtered by `--log`.
//!
//! Owns the process's one subscriber. Set up once before the broker starts; the
//! client commands log nothing.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Installs the subscriber; false where the process has one already.
pub(crate) fn start(filter: EnvFilter) -> bool {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .is_ok()
}
