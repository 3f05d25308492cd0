//! The shapes that scenarios have: which settings mean something, what they are
//! by default, and how they scale.
//!
//! Pure.

use serde::{Deserialize, Serialize};

use super::Settings;

/// What a scenario does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Every subscriber gets every publisher's messages.
    FanOut,
    /// Few subscribers get many publishers' messages through one wildcard.
    FanIn,
    /// Publisher n speaks to subscriber n alone.
    Pairs,
    /// Each message goes to one member of a group.
    Shared,
    /// Few wildcards of many match.
    Wildcard,
    /// Several of the above at once.
    Mixed,
    /// Newcomers get what was retained.
    RetainedReplay,
    /// Clients connect.
    Connect,
    /// Clients are connected and do nothing.
    Idle,
}

/// Settings of all shapes in which messages flow.
const FLOW: [&str; 10] = [
    "qos",
    "payload",
    "retain",
    "window",
    "rate",
    "seconds",
    "warmup",
    "inflight",
    "quiet",
    "tolerate-loss",
];

impl Shape {
    /// As files name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::FanIn => "fan-in",
            Self::Pairs => "pairs",
            Self::Shared => "shared",
            Self::Wildcard => "wildcard",
            Self::Mixed => "mixed",
            Self::RetainedReplay => "retained-replay",
            Self::Connect => "connect",
            Self::Idle => "idle",
        }
    }

    /// Whether a setting means something here.
    #[must_use]
    pub fn knows(self, key: &str) -> bool {
        let flow = !matches!(self, Self::RetainedReplay | Self::Connect | Self::Idle);
        let own: &[&str] = match self {
            Self::FanOut => &["publishers", "subscribers", "stalled"],
            Self::FanIn | Self::Shared => &["publishers", "subscribers"],
            Self::Pairs => &["pairs"],
            Self::Wildcard => &["publishers", "subscribers", "filters"],
            Self::Mixed => &[],
            Self::RetainedReplay => &["topics", "subscribers", "qos", "payload", "quiet"],
            Self::Connect => &["connections", "rate", "concurrent"],
            Self::Idle => &["connections", "subscribe", "keep-alive", "settle"],
        };
        own.contains(&key) || (flow && FLOW.contains(&key))
    }

    /// What is not set otherwise.
    #[must_use]
    pub fn defaults(self) -> Settings {
        let flow = Settings {
            qos: Some(0),
            payload: Some(64),
            window: Some(64),
            seconds: Some(5),
            warmup: Some(1),
            inflight: Some(1000),
            quiet: Some(2),
            ..Settings::default()
        };
        let clients = |publishers, subscribers| Settings {
            publishers: Some(publishers),
            subscribers: Some(subscribers),
            ..flow.clone()
        };
        match self {
            Self::FanOut => clients(1, 500),
            Self::FanIn => clients(500, 1),
            Self::Shared => clients(500, 10),
            Self::Pairs => Settings {
                pairs: Some(500),
                ..flow
            },
            Self::Wildcard => Settings {
                filters: Some(100_000),
                ..clients(10, 3)
            },
            Self::Mixed => flow,
            Self::RetainedReplay => Settings {
                topics: Some(100_000),
                subscribers: Some(3),
                qos: Some(0),
                payload: Some(64),
                quiet: Some(5),
                ..Settings::default()
            },
            Self::Connect => Settings {
                connections: Some(10_000),
                concurrent: Some(crate::engine::CONCURRENT_HANDSHAKES),
                ..Settings::default()
            },
            Self::Idle => Settings {
                connections: Some(10_000),
                subscribe: Some(false),
                keep_alive: Some(0),
                settle: Some(2),
                ..Settings::default()
            },
        }
    }

    /// Multiplies what makes a scenario large: clients, filters, topics and the
    /// rate. A fan-out keeps its publishers and its rate in, since its deliveries
    /// already scale with the subscribers. A storm of connections keeps its rate:
    /// that is how hard it blows, and the connections are how long; scaling both
    /// would leave a breeze that lasts as long as the whole.
    #[must_use]
    pub fn scale(self, settings: &Settings, factor: f64) -> Settings {
        let mut scaled = settings.clone();
        let clients = |count: &mut Option<u32>| *count = count.map(|count| times(count, factor));
        if self != Self::FanOut {
            clients(&mut scaled.publishers);
        }
        if !matches!(self, Self::FanOut | Self::Connect) {
            scaled.rate = scaled.rate.map(|rate| {
                let rate = u32::try_from(rate).unwrap_or(u32::MAX);
                u64::from(times(rate, factor))
            });
        }
        clients(&mut scaled.subscribers);
        clients(&mut scaled.pairs);
        clients(&mut scaled.filters);
        clients(&mut scaled.topics);
        clients(&mut scaled.connections);
        scaled
    }
}

/// At least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the factor is positive, and a float's cast stops at the bounds"
)]
fn times(count: u32, factor: f64) -> u32 {
    ((f64::from(count) * factor).round() as u32).max(1)
}
