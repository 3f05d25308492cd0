//! Checked settings of a run: who connects, subscribes and publishes what.
//!
//! Pure. Built from the command line by [`arguments`](crate::arguments), or by a
//! test.

use std::net::SocketAddr;

use crate::encode::Version;

/// How a publisher is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Closed loop: so many messages per publisher may be on their way.
    Window(u32),
    /// Open loop: so many messages per second, over all publishers.
    Rate(u64),
}

/// Who the broker is and how to speak to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The broker's address.
    pub address: SocketAddr,
    /// The version to speak.
    pub version: Version,
    /// The broker's process, if its costs are to be told.
    pub pid: Option<u32>,
}

/// A run that publishes and receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrafficPlan {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The broker.
    pub target: Target,
    /// The version to speak (the target's).
    pub version: Version,
    /// Quality of service of publications and subscriptions.
    pub qos: u8,
    /// Payload bytes, at least [`STAMP_BYTES`](crate::stamp::STAMP_BYTES).
    pub payload: usize,
    /// How publishers are held back.
    pub pace: Pace,
    /// Nanoseconds before measuring begins.
    pub warmup: u64,
    /// Nanoseconds of measuring.
    pub duration: u64,
    /// Unacknowledged publications per publisher (QoS 1 and 2).
    pub in_flight: u16,
    /// Nanoseconds without any arrival after which what is missing is lost.
    pub quiet: u64,
    /// Whether lost messages are merely told.
    pub tolerate_loss: bool,
    /// Who takes part.
    pub topology: Topology,
}

/// Publishers, subscribers and what connects them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// One topic per publisher.
    pub topics: Vec<String>,
    /// The subscribers.
    pub subscribers: Vec<Reader>,
    /// Subscribers of each publisher.
    pub audience: u32,
}

/// A subscriber and the consecutive publishers that it hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// Its topic filters.
    pub filters: Vec<String>,
    /// The first publisher.
    pub first_publisher: u32,
    /// How many.
    pub publishers: u32,
}

impl Topology {
    /// Every subscriber subscribes to every publisher's topic.
    #[must_use]
    pub fn fan_out(publishers: u32, subscribers: u32) -> Self {
        let topics: Vec<String> = (0..publishers)
            .map(|number| format!("bench/fan-out/{number}"))
            .collect();
        let reader = Reader {
            filters: topics.clone(),
            first_publisher: 0,
            publishers,
        };
        Self {
            topics,
            subscribers: vec![reader; subscribers as usize],
            audience: subscribers,
        }
    }

    /// Every subscriber hears all publishers through one wildcard.
    #[must_use]
    pub fn fan_in(publishers: u32, subscribers: u32) -> Self {
        let reader = Reader {
            filters: vec!["bench/fan-in/+".to_owned()],
            first_publisher: 0,
            publishers,
        };
        Self {
            topics: (0..publishers)
                .map(|number| format!("bench/fan-in/{number}"))
                .collect(),
            subscribers: vec![reader; subscribers as usize],
            audience: subscribers,
        }
    }

    /// Publisher n speaks to subscriber n alone.
    #[must_use]
    pub fn pairs(pairs: u32) -> Self {
        let topics: Vec<String> = (0..pairs)
            .map(|number| format!("bench/pairs/{number}"))
            .collect();
        let subscribers = (0..).zip(&topics).map(|(number, topic)| Reader {
            filters: vec![topic.clone()],
            first_publisher: number,
            publishers: 1,
        });
        Self {
            subscribers: subscribers.collect(),
            topics,
            audience: 1,
        }
    }
}

/// A run that only connects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionPlan {
    /// The broker.
    pub target: Target,
    /// How many connections.
    pub connections: u32,
    /// Whether each one subscribes to a topic of its own.
    pub subscribe: bool,
    /// Nanoseconds to let the broker settle before memory is read.
    pub settle: u64,
}
