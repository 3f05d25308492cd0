//! `ringmq serve`: the broker until a signal stops it.
//!
//! Owns the broker's handle. Lives on the main thread, which only waits; the
//! shards run on threads of their own.

use std::io::{self, Write};

use super::arguments::ServeSettings;
use super::failure::{Failure, NOT_STARTED};
use super::logging;
use super::signals::StopSignals;
use crate::broker::{Broker, StartError};

/// Runs the broker that the settings describe.
pub(crate) fn run(settings: ServeSettings) -> Result<(), Failure> {
    let not_started =
        |error: &dyn std::fmt::Display| Failure::new(NOT_STARTED, format_args!("ringmq: {error}"));
    logging::start(settings.log);
    // Before the start: a signal that comes during it is not to be lost.
    let signals = StopSignals::catch().map_err(|error| not_started(&error))?;
    let mut builder = Broker::builder()
        .allow_anonymous(settings.allow_anonymous)
        .limits(settings.limits);
    for address in &settings.addresses {
        builder = builder.tcp(address.as_str());
    }
    if let Some(shards) = settings.shards {
        builder = builder.shards(shards);
    }
    if let Some(connections) = settings.max_connections {
        builder = builder.max_connections(connections);
    }
    let broker = builder.start().map_err(|error| {
        if let StartError::Config(error) = error {
            Failure::configuration(error)
        } else {
            not_started(&error)
        }
    })?;
    announce(broker.addresses());
    signals.wait().map_err(|error| not_started(&error))?;
    broker.shutdown().map_err(|error| not_started(&error))
}

/// One line per listener, such as `listening tcp 127.0.0.1:1883`, for tools that start the broker on port 0. Whoever
/// closed standard output does not want to know.
fn announce(addresses: &[impl std::fmt::Display]) {
    let mut output = io::stdout().lock();
    for address in addresses {
        let _ = writeln!(output, "listening {address}");
    }
    let _ = output.flush();
}
