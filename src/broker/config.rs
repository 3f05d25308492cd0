//! The checked configuration of a broker.
//!
//! Owns the rules between settings; made once by the builder, then never
//! changed. Lives on the starting thread. Never looks at the machine: that is
//! `preflight`.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::ConfigError;
use crate::engine::Limits;

/// Shards of one broker at most. Lanes grow with the square; at this number
/// they are 65,280, and no machine that this was measured on has more cores.
pub const MAX_SHARDS: usize = 256;

/// Listeners at most; each costs one descriptor per shard.
const MAX_LISTENERS: usize = 1024;

const _: () = assert!(MAX_SHARDS <= u16::MAX as usize);
const _: () = assert!(MAX_LISTENERS <= u16::MAX as usize);

/// Settings that fit together.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Never empty, no address twice unless its port is 0.
    pub(crate) tcp: Vec<SocketAddr>,
    /// `None`: one per core that the process may use.
    pub(crate) shards: Option<usize>,
    /// `None`: as many as the descriptor limit allows.
    pub(crate) max_connections: Option<u32>,
    pub(crate) limits: Limits,
    /// How long a stop may take to drain and flush.
    pub(crate) stop_timeout: Duration,
}

impl Config {
    /// Checks what can be checked without asking the machine.
    pub(crate) fn check(self, allow_anonymous: bool) -> Result<Self, ConfigError> {
        if let Some(given) = self.shards
            && !(1..=MAX_SHARDS).contains(&given)
        {
            return Err(ConfigError::Shards { given });
        }
        if self.tcp.len() > MAX_LISTENERS {
            return Err(ConfigError::Listeners {
                given: self.tcp.len(),
                most: MAX_LISTENERS,
            });
        }
        if self.max_connections == Some(0) {
            return Err(ConfigError::NoConnections);
        }
        for (index, address) in self.tcp.iter().enumerate() {
            if address.port() != 0 && self.tcp[..index].contains(address) {
                return Err(ConfigError::Duplicate(*address));
            }
            if !allow_anonymous && !address.ip().to_canonical().is_loopback() {
                return Err(ConfigError::Exposed(*address));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(tcp: &[&str]) -> Config {
        let parse = |text: &&str| text.parse().expect("a test's address");
        Config {
            tcp: tcp.iter().map(parse).collect(),
            shards: None,
            max_connections: None,
            limits: Limits::default(),
            stop_timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn anonymous_access_from_other_machines_must_be_asked_for() {
        for exposed in ["0.0.0.0:1883", "[::]:1883", "192.0.2.1:1883"] {
            let refused = config(&[exposed]).check(false);
            assert!(matches!(refused, Err(ConfigError::Exposed(_))), "{exposed}");
            assert!(config(&[exposed]).check(true).is_ok(), "{exposed}");
        }
        for loopback in ["127.0.0.1:1883", "127.9.9.9:1883", "[::1]:1883"] {
            assert!(config(&[loopback]).check(false).is_ok(), "{loopback}");
        }
    }

    #[test]
    fn port_zero_may_be_given_twice_and_others_may_not() {
        assert!(config(&["127.0.0.1:0", "127.0.0.1:0"]).check(false).is_ok());
        let twice = config(&["127.0.0.1:7", "127.0.0.1:7"]).check(false);
        assert!(matches!(twice, Err(ConfigError::Duplicate(_))));
    }

    #[test]
    fn shards_are_counted_from_one_to_the_limit() {
        for (given, good) in [
            (0, false),
            (1, true),
            (MAX_SHARDS, true),
            (MAX_SHARDS + 1, false),
        ] {
            let config = Config {
                shards: Some(given),
                ..config(&["127.0.0.1:1"])
            };
            assert_eq!(config.check(false).is_ok(), good, "{given}");
        }
    }
}
