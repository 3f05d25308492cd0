//! The clients of a replay: one retains, newcomers get what is retained, and at
//! the end it is taken away.
//!
//! Pure: the engine's [`Handler`]. Judges every message that a newcomer gets; the
//! scenario orders the phases.

use hdrhistogram::Histogram;

use crate::encode::acknowledge;
use crate::engine::Handler;
use crate::fault::Fault;
use crate::latency;
use crate::parse::{Packet, Publish, next_packet};
use crate::plan::ReplayPlan;
use crate::retained::{Fate, Remover, Retainer};
use crate::stamp::Stamp;

/// Everything that takes part.
#[derive(Debug)]
pub struct Replay {
    v5: bool,
    qos: u8,
    payload: usize,
    /// The client that retains.
    pub retainer: Retainer,
    /// It, once it is to take everything away again.
    pub remover: Option<Remover>,
    /// The connection of the client that retains, and later takes away.
    owner: u32,
    /// The newcomer whose turn it is.
    connection: u32,
    /// Its SUBSCRIBE, until it is sent.
    subscribe: Option<Vec<u8>>,
    since: u64,
    last: u64,
    seen: Vec<bool>,
    got: u32,
    /// Messages that came again.
    pub duplicated: u64,
    /// Messages that were never sent so, were refused, or came to somebody else.
    pub stray: u64,
    /// From SUBSCRIBE to each message, microseconds.
    pub latency: Histogram<u64>,
    wake: Option<u32>,
    /// Removals are not acknowledged: nothing but the next turn asks for more.
    again: Option<u64>,
}

impl Replay {
    /// Nobody is connected; `owner` is the number of the connection that retains.
    #[must_use]
    pub fn new(plan: &ReplayPlan, owner: u32) -> Self {
        let version = plan.target.version;
        Self {
            v5: version.has_properties(),
            qos: plan.qos,
            payload: plan.payload,
            retainer: Retainer::new(version, &plan.root, plan.topics, plan.payload),
            remover: None,
            owner,
            connection: owner,
            subscribe: None,
            since: 0,
            last: 0,
            seen: vec![false; plan.topics as usize],
            got: 0,
            duplicated: 0,
            stray: 0,
            latency: latency::histogram(),
            wake: None,
            again: None,
        }
    }

    /// The client that retains may begin.
    pub fn begin_to_retain(&mut self) {
        self.wake = Some(self.owner);
    }

    /// What was retained is taken away over this connection from now on.
    pub fn begin_to_remove(&mut self, owner: u32) {
        self.owner = owner;
        self.remover = Some(Remover::of(&self.retainer));
        self.wake = Some(owner);
    }

    /// It is this newcomer's turn.
    pub fn begin_to_listen(&mut self, connection: u32, subscribe: Vec<u8>) {
        self.connection = connection;
        self.subscribe = Some(subscribe);
        self.seen.fill(false);
        self.got = 0;
        self.wake = Some(connection);
    }

    /// Acknowledged messages that the newcomer has got.
    #[must_use]
    pub fn got(&self) -> u32 {
        self.got
    }

    /// Microseconds from SUBSCRIBE to the newcomer's last message.
    #[must_use]
    pub fn span(&self) -> u64 {
        (self.last - self.since) / 1000
    }

    /// Counts and times a message; `None` where it is not one of ours.
    fn judge(&mut self, connection: u32, publish: Publish<'_>, now: u64) -> Option<()> {
        let stamp = Stamp::read(publish.payload)?;
        // A retained message is delivered with the lower of the two qualities.
        if publish.qos != self.qos.min(1) || publish.payload.len() != self.payload {
            return None;
        }
        match self.retainer.fate(stamp.sequence)? {
            Fate::Retained => {}
            // The broker owes nothing, and may give it all the same.
            Fate::Unanswered => return Some(()),
            Fate::Refused | Fate::Unsent => return None,
        }
        let seen = self.seen.get_mut(usize::try_from(stamp.sequence).ok()?)?;
        if connection != self.connection {
            return None;
        }
        if std::mem::replace(seen, true) {
            self.duplicated += 1;
            return Some(());
        }
        self.got += 1;
        self.last = now;
        let micros = now.saturating_sub(self.since) / 1000;
        self.latency.saturating_record(micros);
        Some(())
    }
}

impl Handler for Replay {
    fn ready(&mut self, connection: u32, receive_maximum: u16, _now: u64) {
        if connection == self.owner {
            self.retainer.limit_in_flight(receive_maximum);
        }
    }

    fn receive(
        &mut self,
        connection: u32,
        bytes: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if connection == self.owner {
            self.wake = Some(connection);
            return match &mut self.remover {
                Some(remover) => remover.receive(bytes),
                None => self.retainer.receive(bytes),
            };
        }
        let mut taken = 0;
        while let Some((packet, size)) = next_packet(&bytes[taken..], self.v5)? {
            taken += size;
            match packet {
                Packet::Publish(publish) => {
                    if publish.qos > 0 {
                        out.extend_from_slice(&acknowledge(0x40, publish.packet_id));
                    }
                    if self.judge(connection, publish, now).is_none() {
                        self.stray += 1;
                    }
                }
                Packet::Other { first: 0x90, body } => {
                    let code = body.last().copied().ok_or(Fault::Malformed)?;
                    if code != self.qos {
                        return Err(Fault::SubscriptionRefused(code));
                    }
                }
                Packet::Other { first, .. } => return Err(Fault::Unexpected(first)),
            }
        }
        Ok(taken)
    }

    fn flushed(&mut self, connection: u32) {
        self.wake = Some(connection);
    }

    fn next_sender(&mut self, now: u64) -> Option<u32> {
        if self.again.is_some_and(|at| at < now) {
            self.again = None;
            return Some(self.owner);
        }
        self.wake.take()
    }

    fn fill(&mut self, connection: u32, now: u64, out: &mut Vec<u8>) {
        if connection == self.owner {
            let before = out.len();
            match &mut self.remover {
                Some(remover) => remover.fill(out),
                None => self.retainer.fill(now, out),
            }
            if out.len() != before {
                self.again = Some(now);
            }
        } else if let Some(subscribe) = self.subscribe.take() {
            out.extend(subscribe);
            self.since = now;
            self.last = now;
        }
    }

    fn next_due(&self) -> Option<u64> {
        self.again
    }
}
