//! `ringmq serve`: the checked settings of the broker.
//!
//! Owns the rule that nobody is let in from outside unasked. Runs on the main
//! thread before anything starts; never binds an address.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::limits::number;
use super::raw::RawServe;
use crate::broker::Limits;
use crate::cli::failure::Failure;

/// Where a broker without any configuration listens.
const DEFAULT_ADDRESS: &str = "127.0.0.1:1883";

/// More shards than any machine has cores; each costs memory and kernel objects.
const SHARDS_MAX: u64 = 1_024;

/// Settings of `ringmq serve`.
#[derive(Debug)]
pub(crate) struct ServeSettings {
    /// At least one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// None: the cores that this process may use.
    pub(crate) shards: Option<usize>,
    pub(crate) allow_anonymous: bool,
    /// None: as many as the limit of descriptors allows.
    pub(crate) max_connections: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) log: EnvFilter,
}

impl ServeSettings {
    pub(super) fn check(raw: RawServe) -> Result<Self, Failure> {
        let texts = if raw.tcp.is_empty() {
            vec![DEFAULT_ADDRESS.to_owned()]
        } else {
            raw.tcp
        };
        let addresses = texts
            .iter()
            .map(|text| check_address(text, raw.allow_anonymous))
            .collect::<Result<_, _>>()?;
        let shards = raw.shards.as_deref();
        Ok(Self {
            addresses,
            shards: shards
                .map(|text| number("--shards", text, &(1..=SHARDS_MAX)))
                .transpose()?,
            allow_anonymous: raw.allow_anonymous,
            max_connections: raw
                .max_connections
                .as_deref()
                .map(|text| number("--max-connections", text, &(1..=u64::from(u32::MAX))))
                .transpose()?,
            limits: raw.limits.check()?,
            log: check_log(&raw.log)?,
        })
    }
}

fn check_address(text: &str, allow_anonymous: bool) -> Result<SocketAddr, Failure> {
    let literal = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = literal.parse().map_err(|_| {
        Failure::configuration(format_args!(
            "--tcp takes ADDR:PORT, such as 127.0.0.1:1883, 0.0.0.0:1883 or [::]:1883, not '{text}'"
        ))
    })?;
    if !address.ip().to_canonical().is_loopback() && !allow_anonymous {
        return Err(Failure::configuration(format_args!(
            "--tcp {address} is not a loopback address: give --allow-anonymous to let anybody in, \
             or listen on 127.0.0.1 or [::1]"
        )));
    }
    Ok(address)
}

fn check_log(text: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::builder().parse(text).map_err(|error| {
        Failure::configuration(format_args!(
            "--log takes a filter such as off, error, warn, info, debug, trace or ringmq=debug, \
             not '{text}': {error}"
        ))
    })
}
