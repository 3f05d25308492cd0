//! `ringmq serve`: the settings of the broker.
//!
//! Owns what only the command line knows: numbers as text, the log filter. Rules
//! between settings are the broker's own (`broker::Builder::start`). Runs on the
//! main thread before anything starts; never binds an address.

use tracing_subscriber::EnvFilter;

use super::limits::{ANY, number};
use super::listeners::ListenerSettings;
use super::raw::RawServe;
use crate::broker::Limits;
use crate::cli::failure::Failure;

/// Settings of `ringmq serve`.
#[derive(Debug)]
pub(crate) struct ServeSettings {
    /// As named, perhaps none.
    pub(crate) listeners: Vec<ListenerSettings>,
    /// The one where none is named.
    pub(crate) unnamed: ListenerSettings,
    /// None: the cores that this process may use.
    pub(crate) shards: Option<usize>,
    pub(crate) allow_anonymous: bool,
    /// None: as many as descriptors allow.
    pub(crate) max_connections: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) log: EnvFilter,
}

impl ServeSettings {
    pub(super) fn check(raw: RawServe) -> Result<Self, Failure> {
        let shards = raw.shards.as_deref();
        let connections = raw.max_connections.as_deref();
        let mut limits = Limits::default();
        raw.limits.apply(&mut limits)?;
        raw.shared.apply(&mut limits)?;
        let (listeners, unnamed) = raw.listeners.check(&raw.shared)?;
        Ok(Self {
            listeners,
            unnamed,
            shards: shards
                .map(|text| number("--shards", text, &(1..=ANY)))
                .transpose()?,
            allow_anonymous: raw.allow_anonymous,
            max_connections: connections
                .map(|text| number("--max-connections", text, &(1..=u64::from(u32::MAX))))
                .transpose()?,
            limits,
            log: check_log(&raw.log)?,
        })
    }
}

fn check_log(text: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::builder().parse(text).map_err(|error| {
        Failure::configuration(format_args!(
            "--log takes a filter such as off, error, warn, info, debug, trace or ringmq=debug, \
             not '{text}': {error}"
        ))
    })
}
