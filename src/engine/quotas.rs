//! How much one client, and all clients of one listener, may ask for in a time.
//!
//! Owns the meters. Pure; a listener's meters are shared by all shards, without a lock.
//! Too many connections are refused with 0x9F; who publishes too fast is not read from
//! until it is his turn again, or is disconnected with 0x96, as the operator wants.
//!
//! HOT PATH where quotas are set: one look per PUBLISH.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;

use super::Engine;
use super::input::{Fault, Flow};
use super::limits::{Limits, send_window};
use super::timers::Timer;
use crate::ids::ConnectionId;
use crate::protocol::{Connect, Frame, ReasonCode};
use crate::session::handshake::Offer;
use crate::session::outbound::QueueBounds;
use crate::time::Timestamp;

/// Places for the connect rates of clients on one shard; two in one place share it.
const CONNECT_PLACES: usize = 4_096;

/// What happens to a client that publishes faster than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OverRate {
    /// Nothing is read from it until it may go on; nothing is lost.
    #[default]
    Pause,
    /// It is disconnected, in 5.0 with 0x96.
    Disconnect,
}

/// Bounds on what is asked for in a time, where `None` is no bound, and on one client's
/// share, where `None` is what [`Limits`] say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Quotas {
    /// CONNECT packets per second through this listener; a further one gets 0x9F.
    pub connects: Option<u64>,
    /// Connections of one client identifier per minute, of those that were let in; a
    /// further one gets 0x9F.
    pub client_connects: Option<u64>,
    /// PUBLISH packets per second through this listener.
    pub messages: Option<u64>,
    /// Their bytes per second.
    pub bytes: Option<u64>,
    /// PUBLISH packets per second of one client.
    pub client_messages: Option<u64>,
    /// Their bytes per second.
    pub client_bytes: Option<u64>,
    /// Subscriptions of one client; a further one gets 0x97.
    pub client_subscriptions: Option<usize>,
    /// Unacknowledged QoS 1/2 messages from one client (0x93 when exceeded).
    pub receive_maximum: Option<u16>,
    /// Unacknowledged QoS 1/2 messages towards one client; 0: as many as it accepts.
    pub max_inflight: Option<u16>,
    /// QoS 1/2 messages waiting for one client; 0: no bound on their number. What is
    /// beyond is dropped and counted.
    pub max_queued_messages: Option<usize>,
    /// Their bytes; 0: no bound but the shard's.
    pub max_queued_bytes: Option<usize>,
    /// What happens to who publishes too fast.
    pub over_rate: OverRate,
}

/// A rate: so much in a period, all of it at once if nothing was asked for before
/// (a leaky bucket as a single instant: when it will have run empty).
#[derive(Debug)]
struct Meter {
    amount: u64,
    /// Nanoseconds.
    period: u64,
    /// Nanoseconds since the origin of time.
    empty_at: AtomicU64,
}

fn nanoseconds(time: Timestamp) -> u64 {
    time.as_millis().saturating_mul(1_000_000)
}

impl Meter {
    fn new(amount: u64, period: Duration) -> Self {
        Self {
            amount: amount.max(1),
            period: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX),
            empty_at: AtomicU64::new(0),
        }
    }

    /// When something may be asked for, if not now.
    fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        // Relaxed: the meter orders nothing else.
        let full_until = self.empty_at.load(Ordering::Relaxed);
        let opens = full_until.saturating_sub(self.period);
        (opens > nanoseconds(now)).then(|| Timestamp::from_millis(opens.div_ceil(1_000_000)))
    }

    fn spend(&self, cost: u64, now: Timestamp) {
        let time = u128::from(cost) * u128::from(self.period) / u128::from(self.amount);
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        let _ = self
            .empty_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                Some(empty_at.max(nanoseconds(now)).saturating_add(time))
            });
    }

    /// Asks for one, at once or not at all.
    fn take(&self, now: Timestamp) -> bool {
        let free = self.opens_at(now).is_none();
        if free {
            self.spend(1, now);
        }
        free
    }
}

/// Messages and bytes in a second.
#[derive(Debug, Default)]
pub struct PublishMeter {
    messages: Option<Meter>,
    bytes: Option<Meter>,
}

impl PublishMeter {
    fn new(messages: Option<u64>, bytes: Option<u64>) -> Option<Self> {
        let second = Duration::from_secs(1);
        let meter = |amount: Option<u64>| amount.map(|amount| Meter::new(amount, second));
        (messages.is_some() || bytes.is_some()).then(|| Self {
            messages: meter(messages),
            bytes: meter(bytes),
        })
    }

    fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let meters = [&self.messages, &self.bytes].into_iter().flatten();
        meters.filter_map(|meter| meter.opens_at(now)).max()
    }

    fn spend(&self, bytes: u64, now: Timestamp) {
        if let Some(messages) = &self.messages {
            messages.spend(1, now);
        }
        if let Some(meter) = &self.bytes {
            meter.spend(bytes, now);
        }
    }
}

/// The quotas of one listener, with the meters that all of its clients share.
#[derive(Debug, Default)]
pub struct ListenerQuotas {
    /// The bounds.
    pub quotas: Quotas,
    connects: Option<Meter>,
    publishes: Option<PublishMeter>,
}

impl ListenerQuotas {
    /// The bounds of the queue of a client that came through this listener.
    #[must_use]
    pub fn queue(&self, limits: &Limits) -> QueueBounds {
        let general = limits.queue();
        QueueBounds {
            messages: self.quotas.max_queued_messages.unwrap_or(general.messages),
            bytes: self.quotas.max_queued_bytes.unwrap_or(general.bytes),
        }
    }

    /// Fresh meters for these bounds.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        let second = Duration::from_secs(1);
        Self {
            quotas,
            connects: quotas.connects.map(|amount| Meter::new(amount, second)),
            publishes: PublishMeter::new(quotas.messages, quotas.bytes),
        }
    }
}

/// What one connection's PUBLISH packets are counted on.
#[derive(Debug)]
pub struct ConnectionMeter {
    own: PublishMeter,
    listener: Arc<ListenerQuotas>,
}

impl ConnectionMeter {
    fn new(listener: &Arc<ListenerQuotas>) -> Option<Box<Self>> {
        let quotas = &listener.quotas;
        let own = PublishMeter::new(quotas.client_messages, quotas.client_bytes);
        (own.is_some() || listener.publishes.is_some()).then(|| {
            Box::new(Self {
                own: own.unwrap_or_default(),
                listener: Arc::clone(listener),
            })
        })
    }

    fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let shared = self.listener.publishes.as_ref();
        let shared = shared.and_then(|meter| meter.opens_at(now));
        self.own.opens_at(now).max(shared)
    }

    /// Counts a PUBLISH of so many bytes.
    pub fn spend(&self, bytes: u64, now: Timestamp) {
        self.own.spend(bytes, now);
        if let Some(shared) = &self.listener.publishes {
            shared.spend(bytes, now);
        }
    }
}

/// How often clients connect, by a hash of their identifiers; nothing until a quota
/// asks for it.
#[derive(Debug, Default)]
pub(super) struct ConnectRates {
    meters: Vec<Meter>,
}

impl ConnectRates {
    fn take(
        &mut self,
        client_id: impl Hash,
        random: &RandomState,
        per_minute: u64,
        now: Timestamp,
    ) -> bool {
        if self.meters.is_empty() {
            let minute = Duration::from_secs(60);
            let meter = || Meter::new(per_minute, minute);
            self.meters.resize_with(CONNECT_PLACES, meter);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a remainder of a few thousand"
        )]
        let place = (random.hash_one(client_id) % CONNECT_PLACES as u64) as usize;
        let meter = &mut self.meters[place];
        // Listeners may differ; the latest speaks.
        meter.amount = per_minute.max(1);
        meter.take(now)
    }
}

impl Engine {
    /// The quotas of the listener that a connection came through.
    fn quotas_of(&mut self, id: ConnectionId) -> Option<Arc<ListenerQuotas>> {
        let listener = self.clients.open_connection(id)?.origin.listener;
        let policy = self.clients.listeners.get(usize::from(listener))?;
        Some(Arc::clone(&policy.quotas))
    }

    /// Whether a CONNECT finds its listener's rate exceeded; counted once, on the shard
    /// that accepted the connection.
    pub(super) fn connects_too_fast(&mut self, id: ConnectionId, now: Timestamp) -> bool {
        let Some(connection) = self.clients.open_connection(id) else {
            return false;
        };
        if std::mem::replace(&mut connection.rate_checked, true) {
            return false;
        }
        let quotas = self.quotas_of(id);
        quotas.is_some_and(|quotas| {
            let meter = quotas.connects.as_ref();
            meter.is_some_and(|meter| !meter.take(now))
        })
    }

    /// Whether a client that would be let in has connected too often of late.
    pub(super) fn reconnects_too_fast(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        now: Timestamp,
    ) -> bool {
        let per_minute = self
            .quotas_of(id)
            .and_then(|listener| listener.quotas.client_connects);
        // Without an identifier of its own a client is another one each time.
        !connect.client_id.is_empty()
            && per_minute.is_some_and(|per_minute| {
                let rates = &mut self.connect_rates;
                !rates.take(connect.client_id, &self.random, per_minute, now)
            })
    }

    /// What a client of this connection's listener may be granted.
    pub(super) fn offer_to(&mut self, id: ConnectionId) -> Offer {
        let mut offer = self.limits.offer();
        if let Some(listener) = self.quotas_of(id) {
            let quotas = &listener.quotas;
            offer.receive_maximum = quotas
                .receive_maximum
                .unwrap_or(offer.receive_maximum)
                .max(1);
            if let Some(most) = quotas.max_inflight {
                offer.send_window_max = send_window(most);
            }
        }
        offer
    }

    /// Subscriptions that the client of this session may have.
    pub(super) fn subscriptions_of(&self, slot: u32) -> usize {
        let session = self.clients.sessions.at(slot);
        let policy =
            session.and_then(|session| self.clients.listeners.get(usize::from(session.listener)));
        let quota = policy.and_then(|policy| policy.quotas.quotas.client_subscriptions);
        quota.unwrap_or(self.limits.max_subscriptions)
    }

    /// A client is connected: its PUBLISH packets are counted from now on, if any bound
    /// says so.
    pub(super) fn meter(&mut self, id: ConnectionId) {
        let meter = self
            .quotas_of(id)
            .and_then(|listener| ConnectionMeter::new(&listener));
        if let Some(connection) = self.clients.open_connection(id) {
            connection.meter = meter;
        }
    }

    /// Whether the next PUBLISH of a metered connection has to wait for its turn.
    pub(super) fn publishes_too_fast(
        &mut self,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Flow>, Fault> {
        let connection = self.clients.open_connection(id);
        let meter = connection.and_then(|connection| connection.meter.as_ref());
        let Some(meter) = meter else { return Ok(None) };
        let Some(opens_at) = meter.opens_at(now) else {
            return Ok(None);
        };
        if meter.listener.quotas.over_rate == OverRate::Disconnect {
            return Err(ReasonCode::MessageRateTooHigh);
        }
        self.clients.stats.paused_over_rate += 1;
        self.hold(id, |held| held.by_rate = true);
        self.timers.arm(opens_at, now, Timer::Rate(id));
        Ok(Some(Flow::Wait))
    }

    /// Counts a PUBLISH that was handled.
    pub(super) fn count_publish(&mut self, id: ConnectionId, frame: Frame<'_>, now: Timestamp) {
        let connection = self.clients.open_connection(id);
        if let Some(meter) = connection.and_then(|connection| connection.meter.as_ref()) {
            meter.spend(frame.body.len() as u64, now);
        }
    }

    /// A connection's turn has come.
    pub(super) fn rate_timer(&mut self, id: ConnectionId) {
        if let Some(connection) = self.clients.open_connection(id)
            && std::mem::take(&mut connection.held.by_rate)
        {
            self.make_ready(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_meter_lets_through_its_amount_at_once_and_its_rate_for_ever() {
        let meter = Meter::new(10, Duration::from_secs(1));
        let passed = |millis: u64| (0..100).filter(|_| meter.take(at(millis))).count();
        // One more: it is full only once something is above the brim.
        assert_eq!(passed(0), 11);
        assert_eq!(passed(0), 0);
        assert_eq!(passed(500), 5);
        assert_eq!(
            (1..=100).map(|n| passed(500 + n * 1_000)).sum::<usize>(),
            1_000
        );
    }

    #[test]
    fn one_large_message_is_let_through_and_paid_for_afterwards() {
        let meter = Meter::new(1_000, Duration::from_secs(1));
        assert_eq!(meter.opens_at(at(0)), None);
        meter.spend(5_000, at(0));
        assert_eq!(meter.opens_at(at(0)), Some(at(4_000)));
        assert_eq!(meter.opens_at(at(4_000)), None);
    }
}
