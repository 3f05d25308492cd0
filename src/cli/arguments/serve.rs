//! `ringmq serve`: the settings of the broker.
//!
//! Owns what only the command line knows: numbers as text, the log filter. Rules
//! between settings are the broker's own (`broker::Builder::start`). Runs on the
//! main thread before anything starts; never binds an address.

use tracing_subscriber::EnvFilter;

use super::limits::{ANY, number};
use super::listeners::ListenerSettings;
use super::raw::RawServe;
use super::rules::RulesSettings;
use crate::broker::{Limits, Quotas};
use crate::cli::failure::Failure;

/// Settings of `ringmq serve`.
#[derive(Debug)]
pub(crate) struct ServeSettings {
    /// None at all: the broker's default.
    pub(crate) listeners: Vec<ListenerSettings>,
    /// None: the cores that this process may use.
    pub(crate) shards: Option<usize>,
    pub(crate) allow_anonymous: bool,
    /// None: as many as descriptors allow.
    pub(crate) max_connections: Option<u32>,
    pub(crate) rules: RulesSettings,
    pub(crate) limits: Limits,
    pub(crate) quotas: Quotas,
    pub(crate) log: EnvFilter,
}

impl ServeSettings {
    pub(super) fn check(raw: RawServe) -> Result<Self, Failure> {
        let shards = raw.shards.as_deref();
        let connections = raw.max_connections.as_deref();
        Ok(Self {
            listeners: raw.listeners.check()?,
            shards: shards
                .map(|text| number("--shards", text, &(1..=ANY)))
                .transpose()?,
            allow_anonymous: raw.allow_anonymous,
            max_connections: connections
                .map(|text| number("--max-connections", text, &(1..=u64::from(u32::MAX))))
                .transpose()?,
            rules: raw.rules.check()?,
            limits: raw.limits.check()?,
            quotas: raw.quotas.check()?,
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
