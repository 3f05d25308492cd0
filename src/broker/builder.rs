//! How an embedder says what it wants.
//!
//! Owns raw settings until [`Builder::start`] checks them. Lives on the
//! embedder's thread. Never checks anything itself; see `config`.

use std::fmt::{self, Debug, Formatter};
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Door};
use super::error::StartError;
use super::handle::BrokerHandle;
use super::lifecycle;
use super::listener::Listener;
use super::workers::throttle::Throttle;
use crate::engine::{Limits, Quotas};
use crate::hooks::{Chain, Hook, Phases};

/// Where a broker listens when it is not told otherwise.
const DEFAULT_LISTENER: &str = "127.0.0.1:1883";

/// How long a stop may take to drain and flush when it is not told otherwise.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// An MQTT broker; the way in is [`Broker::builder`].
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Settings with their defaults: loopback only, one shard per core.
    pub fn builder() -> Builder {
        Builder {
            listeners: Vec::new(),
            shards: None,
            allow_anonymous: false,
            max_connections: None,
            limits: Limits::default(),
            quotas: Quotas::default(),
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            hooks: Vec::new(),
            workers: None,
            login_delays: true,
        }
    }
}

/// Settings of a broker that is to be started.
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    listeners: Vec<Listener>,
    shards: Option<usize>,
    allow_anonymous: bool,
    max_connections: Option<u32>,
    limits: Limits,
    quotas: Quotas,
    stop_timeout: Duration,
    pub(super) hooks: Vec<Arc<dyn Hook>>,
    pub(super) workers: Option<usize>,
    pub(super) login_delays: bool,
}

impl Builder {
    /// Listens on one more TCP address; without any listener, on 127.0.0.1:1883. Port
    /// 0 lets the system choose one. A name listens on all its addresses.
    pub fn tcp(self, address: impl ToSocketAddrs + Debug) -> Self {
        self.listener(Listener::resolved(address))
    }

    /// One more listener.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// How many shards to run; the default is one per core that the process may
    /// use. More shards than cores share the cores.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Lets clients in without credentials on addresses that are not loopback, where
    /// a listener does not say otherwise.
    pub fn allow_anonymous(mut self, allow: bool) -> Self {
        self.allow_anonymous = allow;
        self
    }

    /// Connections at most; further ones are closed at once. The default is what
    /// the descriptor limit allows.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// All other limits at once.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What clients may ask for in a time, where their listener does not say otherwise.
    /// Each listener counts for itself.
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// How long a stop may take to drain and flush; the default is 5 seconds.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Starts the broker; returns when every shard accepts connections.
    ///
    /// # Errors
    /// When the settings are wrong or the machine does not allow them; the error
    /// says in one line what to do.
    pub fn start(self) -> Result<BrokerHandle, StartError> {
        let mut listeners = self.listeners;
        if listeners.is_empty() {
            listeners.push(Listener::tcp(DEFAULT_LISTENER));
        }
        let doors = listeners
            .into_iter()
            .map(Door::check)
            .collect::<Result<Vec<_>, _>>()?;
        let chain = chain(&doors, &self.hooks, self.login_delays)?;
        let config = Config {
            doors,
            shards: self.shards,
            max_connections: self.max_connections,
            limits: self.limits,
            quotas: self.quotas,
            stop_timeout: self.stop_timeout,
            allow_anonymous: self.allow_anonymous,
            workers: self.workers,
            chain,
        };
        lifecycle::start(config.check()?)
    }
}

/// The chain of all hooks, by place to listen at. Where clients are authenticated,
/// failures to log in cost time before anybody looks at the next attempt.
fn chain(
    doors: &[Door],
    general: &[Arc<dyn Hook>],
    login_delays: bool,
) -> Result<Arc<Chain>, StartError> {
    let authenticates = |hook: &Arc<dyn Hook>| {
        let phases = hook.phases();
        phases.any_of(Phases::AUTHENTICATE | Phases::EXCHANGE)
    };
    let mut throttle: Option<Arc<dyn Hook>> = None;
    let mut own = Vec::new();
    for door in doors {
        let mut hooks = door.listener.hooks.clone();
        if login_delays && hooks.iter().chain(general).any(authenticates) {
            let throttle = match &throttle {
                Some(known) => known,
                None => throttle.insert(Arc::new(start_throttle()?)),
            };
            hooks.insert(0, Arc::clone(throttle));
        }
        own.extend(std::iter::repeat_n(hooks, door.bindings.len()));
    }
    Ok(Arc::new(Chain::of_listeners(&own, general)))
}

fn start_throttle() -> Result<Throttle, StartError> {
    Throttle::start().map_err(|source| StartError::System {
        what: "start a thread",
        source,
    })
}

impl Debug for Builder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listeners", &self.listeners)
            .field("shards", &self.shards)
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}
