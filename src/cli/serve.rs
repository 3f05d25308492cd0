//! `ringmq serve`: the broker until a signal stops it.
//!
//! Owns the broker's handle. Lives on the main thread, which only waits; the
//! shards run on threads of their own.

use std::fmt::Display;
use std::io::{self, Write};

use super::arguments::{ListenerSettings, ServeSettings};
use super::failure::{Failure, NOT_STARTED};
use super::logging;
use super::rules::Rules;
use super::signals::{Request, Signals};
use super::systemd::{self, Inherited};
use crate::broker::{Broker, BrokerHandle, Listener, StartError};

/// Runs the broker that the settings describe.
pub(crate) fn run(settings: ServeSettings) -> Result<(), Failure> {
    logging::start(settings.log);
    // Before the start: a signal that comes during it is not to be lost.
    let signals = Signals::catch()
        .and_then(Signals::with_reload)
        .map_err(not_started)?;
    let mut builder = Broker::builder()
        .allow_anonymous(settings.allow_anonymous)
        .limits(settings.limits);
    for listener in listeners(settings.listeners, settings.unnamed)? {
        builder = builder.listener(listener);
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
            not_started(error)
        }
    })?;
    announce(broker.addresses());
    systemd::tell_ready();
    while signals.wait().map_err(not_started)? == Request::Reload {
        reload(&broker);
    }
    systemd::tell_stopping();
    broker.shutdown().map_err(not_started)
}

fn not_started(error: impl Display) -> Failure {
    Failure::new(NOT_STARTED, format_args!("ringmq: {error}"))
}

/// The listeners that the settings describe, with the sockets of the socket unit and
/// with their rules.
fn listeners(
    mut settings: Vec<ListenerSettings>,
    unnamed: ListenerSettings,
) -> Result<Vec<Listener>, Failure> {
    let mut inherited = Inherited::take_over().map_err(not_started)?;
    if settings.is_empty() {
        // A socket unit alone says where to listen.
        settings.push(if inherited.names().is_empty() {
            unnamed
        } else {
            unnamed.at("systemd")
        });
    }
    // Names first: the others take what is left.
    let by_name = |settings: &ListenerSettings| settings.address == "systemd";
    settings.sort_by_key(by_name);
    let mut rules = Rules::default();
    let listeners = settings
        .into_iter()
        .map(|settings| settings.listener(&mut inherited, &mut rules))
        .collect::<Result<_, _>>()?;
    match inherited.names()[..] {
        [] => Ok(listeners),
        [ref name, ..] => Err(Failure::configuration(format_args!(
            "systemd passed the socket '{name}' and no listener takes it; \
             write for example --tcp systemd:{name} or --tls systemd"
        ))),
    }
}

/// One line per listener, such as `listening tcp 127.0.0.1:1883`, for tools that start the broker on port 0. Whoever
/// closed standard output does not want to know.
fn announce(addresses: &[impl Display]) {
    let mut output = io::stdout().lock();
    for address in addresses {
        let _ = writeln!(output, "listening {address}");
    }
    let _ = output.flush();
}

/// SIGHUP: everything that can be read again without a restart. What is wrong keeps
/// its earlier state and is told in the log.
fn reload(broker: &BrokerHandle) {
    match broker.reload_certificates() {
        Ok(0) => {}
        Ok(listeners) => tracing::info!(listeners, "certificates reloaded"),
        Err(error) => tracing::error!(%error, "certificates not reloaded, the earlier ones stay"),
    }
    match broker.reload() {
        Ok(()) => tracing::info!("rules reloaded"),
        Err(error) => tracing::error!(%error, "rules not reloaded, the earlier ones stay"),
    }
}
