//! When to send a PINGREQ, and when a silent server counts as gone.
//!
//! Owns the instants of the last traffic of one connection. Pure: every instant
//! is handed in.

use core::time::Duration;

use crate::time::Timestamp;

/// The keep-alive clock of one connection.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// Zero: no pings at all.
    interval: Duration,
    last_sent: Timestamp,
    last_received: Timestamp,
    /// When the PINGREQ left that has no answer yet.
    ping: Option<Timestamp>,
}

/// What the clock asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// A PINGREQ [MQTT-3.1.2-20].
    Ping,
    /// An answer that did not come.
    Answer,
}

impl KeepAlive {
    /// A clock that starts now.
    pub(super) const fn new(seconds: u16, now: Timestamp) -> Self {
        Self {
            interval: Duration::from_secs(seconds as u64),
            last_sent: now,
            last_received: now,
            ping: None,
        }
    }

    /// The server wants another interval [MQTT-3.1.2-21].
    pub(super) const fn set_interval(&mut self, seconds: u16) {
        self.interval = Duration::from_secs(seconds as u64);
    }

    /// Bytes have left.
    pub(super) const fn sent(&mut self, now: Timestamp) {
        self.last_sent = now;
    }

    /// Bytes have come.
    pub(super) const fn received(&mut self, now: Timestamp) {
        self.last_received = now;
    }

    /// The PINGRESP has come.
    pub(super) const fn answered(&mut self) {
        self.ping = None;
    }

    /// A PINGREQ is on its way.
    pub(super) const fn pinged(&mut self, now: Timestamp) {
        self.ping = Some(now);
        self.last_sent = now;
    }

    /// When to ask [`KeepAlive::due`] again. A connection that only receives or
    /// only sends is pinged too: the other direction may be dead.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.interval.is_zero() {
            return None;
        }
        let from = match self.ping {
            // A server with a long backlog answers late; while it talks it lives.
            Some(ping) => ping.max(self.last_received),
            None => self.last_sent.min(self.last_received),
        };
        Some(from.plus(self.interval))
    }

    /// What is to be done now.
    pub(super) fn due(&self, now: Timestamp) -> Due {
        match (self.deadline(), self.ping) {
            (Some(deadline), None) if deadline <= now => Due::Ping,
            (Some(deadline), Some(_)) if deadline <= now => Due::Answer,
            _ => Due::Nothing,
        }
    }
}
