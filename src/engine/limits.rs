//! Every bound of the broker, in one place: its unit, its default, its reason, and
//! what happens when it is reached.
//!
//! Owns the numbers and the count of connections of the process, the one thing
//! here that shards share. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::quotas::ListenerQuotas;
use crate::session::handshake::Offer;
use crate::session::outbound::QueueBounds;

/// Packets of one connection that are handled before another gets its turn; the
/// rest waits in its assembly buffer and the connection goes to the ready list.
pub const PACKETS_PER_VISIT: usize = 256;

/// Deliveries caused by one connection before another gets its turn; filters that
/// match and have to be merged count as much, since one hostile client can have a
/// million. One publisher's burst to a thousand subscribers still leaves in one flush.
pub const DELIVERIES_PER_VISIT: usize = 32_768;

/// Deliveries (counted as above) that fresh input causes, and again those of all that
/// is left over (other shards' items, chores, packets), before the shard's outputs are
/// carried out; the rest waits in its connections and lanes, which pauses those that it
/// comes from.
pub const DELIVERIES_PER_PASS: usize = 65_536;

/// Bytes of an out-buffer from which the shard flushes before it handles more: sends
/// of this size cost the kernel no more per byte than larger ones, and the bytes are
/// still in the cache.
pub const FLUSH_FROM: usize = 8 << 10;

/// Bytes of a payload from which out-buffers refer to a kept message and do not copy.
pub const REFER_FROM: usize = 32 << 10;

/// What a filter counts in those budgets beside its bytes, in deliveries, when it is
/// subscribed to or given up: it is entered in three tables.
pub const FILTER_WORK: usize = 16;

/// What a timer counts, or a session that is over.
pub const SESSION_WORK: usize = 16;

/// Shared subscriptions of one client; a further one is refused with 0x97. All its
/// groups are told at once when it comes and when it goes.
pub const SHARED_SUBSCRIPTIONS_MAX: usize = 10_000;

/// Wildcard shapes (which levels of a filter are wildcards) on one shard; a filter of a
/// further one is refused with 0x97. No topic matches more filters than there are
/// shapes, and one publication is matched in one go.
pub const WILDCARD_SHAPES_MAX: usize = 65_536;

/// Bytes of the filters of one client; a further one is refused with 0x97.
pub const SUBSCRIPTION_BYTES_MAX: usize = 64 << 20;

/// Connections on the ready list that are visited before the shard looks at fresh
/// input and flushes.
pub const READY_VISITS_PER_TURN: usize = 16;

/// Work steps (topics looked at) of a retained replay per visit.
pub const RETAINED_STEPS_PER_VISIT: usize = 4_096;

/// Bytes on the way to one other shard in one rank before the causes of more have
/// to wait: reading from the publishers concerned pauses.
pub const LANE_CREDIT: u64 = 4 << 20;

/// Messages without a connection to pause (wills, messages given back) that wait
/// for room towards other shards; further ones are dropped and counted.
pub const INTERNAL_QUEUE_MAX: usize = 65_536;
/// Bytes of those messages; as above.
pub const INTERNAL_QUEUE_BYTES_MAX: usize = 256 << 20;

/// Bytes of an assembly buffer that the shard's total does not count, so that a
/// shard full of half packets still serves clients with small ones.
pub const ASSEMBLY_FREE: usize = 16 << 10;

/// Bytes of a message that an empty out-buffer takes even when the shard's total is
/// reached, so that those who never read do not silence the others.
pub const OUTBOX_FREE: usize = 16 << 10;

/// Bytes of a packet before its sender is authenticated (mosquitto's figure): a
/// larger one closes the connection, unanswered.
pub const CONNECT_PACKET_SIZE_MAX: u32 = 100_000;

/// Answers owed to one client before reading from it pauses.
pub const OWED_ANSWERS_MAX: usize = 4_096;

/// Questions to hooks that one shard may have open; what would ask one more is
/// refused with 0x89 (CONNECT) or 0x97.
pub const QUESTIONS_MAX: usize = 16_384;

/// Bytes of CONNECT packets that one shard keeps aside while AUTH packets follow
/// them; a further one is refused with 0x89.
pub const CANDIDATES_BYTES_MAX: usize = 64 << 20;

/// Unacknowledged messages towards one client at most, whatever is configured and
/// whatever it asks for: an acknowledgement is searched among them.
pub const SEND_WINDOW_MAX: u16 = 4_096;

/// Out-buffers of a shard that are kept for reuse, and the bytes of one at most.
pub const SPARE_BUFFERS_MAX: usize = 4_096;
/// A larger out-buffer goes back to the allocator.
pub const SPARE_BUFFER_BYTES_MAX: usize = 64 << 10;

/// How long a hook may take to answer ([`Limits::verdict_timeout`]).
const VERDICT_TIMEOUT: Duration = Duration::from_secs(10);

/// Configurable bounds; the defaults are mosquitto's where it has the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Seconds between accept and a complete CONNECT; then the connection is closed.
    pub connect_timeout: u32,
    /// Bytes of a packet from a client; a larger one is answered with 0x95.
    pub max_packet_size: u32,
    /// Unacknowledged QoS 1/2 messages towards one client; more wait in its queue.
    /// Zero leaves it to the client's receive maximum. [`SEND_WINDOW_MAX`] at most.
    pub max_inflight: u16,
    /// Unacknowledged QoS 1/2 messages from one client (5.0: 0x93 when exceeded).
    pub receive_maximum: u16,
    /// QoS 1/2 messages that wait for one client; zero for no bound on the number.
    /// Further ones are dropped and counted.
    pub max_queued_messages: usize,
    /// Bytes of the messages that wait for one client; zero for no bound on them.
    pub max_queued_bytes: usize,
    /// Bytes in one connection's out-buffer above which QoS 0 is dropped and QoS
    /// 1/2 is queued. Answers may take as many again; then reading from the
    /// connection pauses.
    pub max_outbox_bytes: usize,
    /// Seconds a session may outlive its connection; `u32::MAX` for ever. A longer
    /// wish is cut, and CONNACK says so.
    pub session_expiry_max: u32,
    /// Seconds of keep alive a 5.0 client may ask for; zero for no bound.
    pub max_keep_alive: u16,
    /// Topic aliases a client may set (0x94 above), and that the broker sets.
    pub max_topic_alias: u16,
    /// Subscriptions of one client; a further one is refused with 0x97.
    pub max_subscriptions: usize,
    /// Levels of a topic name or filter; more are refused with 0x90 or 0x8F.
    pub max_topic_levels: usize,
    /// Bytes of a topic name or filter; more are refused as above.
    pub max_topic_bytes: usize,
    /// Retained messages; a further topic is refused with 0x97.
    pub max_retained_messages: usize,
    /// Bytes of retained messages; as above.
    pub max_retained_bytes: usize,
    /// Bytes of half-received packets on one shard; a connection that asks for more
    /// than its share ([`ASSEMBLY_FREE`]) is closed with 0x97.
    pub shard_assembly_bytes: usize,
    /// Bytes in all out-buffers of one shard; above it each acts as if it were full,
    /// but for small messages ([`OUTBOX_FREE`]) to those that hold nothing.
    pub shard_outbox_bytes: usize,
    /// Bytes of all messages waiting in sessions of one shard; further ones are
    /// dropped and counted.
    pub shard_queued_bytes: usize,
    /// Bytes on the way to one other shard in one rank ([`LANE_CREDIT`]).
    pub lane_credit: u64,
    /// Bytes of a payload that is sent from where it is kept ([`REFER_FROM`]).
    pub refer_from: usize,
    /// Packets of one connection per visit ([`PACKETS_PER_VISIT`]).
    pub packets_per_visit: usize,
    /// How long a hook may take to answer a question; then the answer is no. All
    /// questions about one packet share the time.
    pub verdict_timeout: Duration,
    /// Deliveries caused by one connection per visit ([`DELIVERIES_PER_VISIT`]).
    pub deliveries_per_visit: usize,
    /// Deliveries per pass ([`DELIVERIES_PER_PASS`]).
    pub deliveries_per_pass: usize,
    /// Topics that a retained replay looks at per visit
    /// ([`RETAINED_STEPS_PER_VISIT`]).
    pub retained_steps_per_visit: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: 10,
            max_packet_size: 2_000_000,
            max_inflight: 20,
            receive_maximum: 1_024,
            max_queued_messages: 1_000,
            max_queued_bytes: 64 << 20,
            max_outbox_bytes: 1 << 20,
            session_expiry_max: u32::MAX,
            max_keep_alive: 0,
            max_topic_alias: 10,
            max_subscriptions: 1_000_000,
            max_topic_levels: 128,
            max_topic_bytes: 65_535,
            max_retained_messages: 1_000_000,
            max_retained_bytes: 1 << 30,
            shard_assembly_bytes: 256 << 20,
            shard_outbox_bytes: 512 << 20,
            shard_queued_bytes: 1 << 30,
            lane_credit: LANE_CREDIT,
            refer_from: REFER_FROM,
            packets_per_visit: PACKETS_PER_VISIT,
            verdict_timeout: VERDICT_TIMEOUT,
            deliveries_per_visit: DELIVERIES_PER_VISIT,
            deliveries_per_pass: DELIVERIES_PER_PASS,
            retained_steps_per_visit: RETAINED_STEPS_PER_VISIT,
        }
    }
}

impl Limits {
    /// What a client may be granted.
    #[must_use]
    pub fn offer(&self) -> Offer {
        Offer {
            send_window_max: send_window(self.max_inflight),
            receive_maximum: self.receive_maximum,
            maximum_packet_size: self.max_packet_size,
            inbound_alias_maximum: self.max_topic_alias,
            outbound_alias_maximum: self.max_topic_alias,
            session_expiry_max: self.session_expiry_max,
            keep_alive_max: self.max_keep_alive,
            enhanced_authentication: false,
        }
    }

    /// The bounds of one session's queue.
    #[must_use]
    pub fn queue(&self) -> QueueBounds {
        QueueBounds {
            messages: self.max_queued_messages,
            bytes: self.max_queued_bytes,
        }
    }
}

/// Unacknowledged messages towards a client where so many are asked for; 0: as many as
/// it accepts.
pub(super) fn send_window(asked: u16) -> u16 {
    match asked {
        0 => SEND_WINDOW_MAX,
        asked => asked.min(SEND_WINDOW_MAX),
    }
}

/// What one listener asks of those who come through it.
#[derive(Clone, Debug)]
pub struct ListenerPolicy {
    /// As the log names it, for example `tls 127.0.0.1:8883`.
    pub name: Box<str>,
    /// Whether clients without credentials are let in. `None`: the operator has not
    /// said; they are where nothing checks credentials.
    pub allow_anonymous: Option<bool>,
    /// What its clients may ask for in a time.
    pub quotas: Arc<ListenerQuotas>,
}

/// Counts the connections of the process against `--max-connections`, by default
/// what the limit of descriptors allows; a further one is closed at once. A listener
/// with a bound of its own has a budget within that of the process.
#[derive(Debug)]
pub struct ConnectionBudget {
    max: usize,
    in_use: AtomicUsize,
    within: Option<Arc<ConnectionBudget>>,
}

impl ConnectionBudget {
    /// A budget of `max` connections.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            in_use: AtomicUsize::new(0),
            within: None,
        })
    }

    /// A budget of `max` connections, each of which counts in another one, too.
    #[must_use]
    pub fn within(outer: &Arc<Self>, max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            in_use: AtomicUsize::new(0),
            within: Some(Arc::clone(outer)),
        })
    }

    /// A place for one more connection, if there is one.
    #[must_use]
    pub fn try_acquire(self: &Arc<Self>) -> Option<ConnectionPermit> {
        self.count_one().then(|| ConnectionPermit {
            budget: Arc::clone(self),
        })
    }

    /// Counts a connection in and in every budget around; false, and nothing is
    /// counted, where one of them is used up.
    fn count_one(&self) -> bool {
        // Relaxed: the count orders nothing else.
        let counted = self
            .in_use
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < self.max).then_some(used + 1)
            })
            .is_ok();
        let within = counted && self.within.as_ref().is_none_or(|outer| outer.count_one());
        if counted && !within {
            self.in_use.fetch_sub(1, Ordering::Relaxed);
        }
        within
    }

    fn discount_one(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
        if let Some(outer) = &self.within {
            outer.discount_one();
        }
    }

    /// Connections that hold a place now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }
}

/// One connection's place in the count; given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    budget: Arc<ConnectionBudget>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.budget.discount_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_gives_its_place_back() {
        let budget = ConnectionBudget::new(1);
        let permit = budget.try_acquire().expect("room for one");
        assert!(budget.try_acquire().is_none());
        drop(permit);
        assert_eq!(budget.in_use(), 0);
        assert!(budget.try_acquire().is_some());
    }

    #[test]
    fn a_budget_within_another_counts_in_both() {
        let all = ConnectionBudget::new(2);
        let few = ConnectionBudget::within(&all, 1);
        let permit = few.try_acquire().expect("room for one");
        assert!(few.try_acquire().is_none());
        assert_eq!((all.in_use(), few.in_use()), (1, 1));
        let _other = all.try_acquire().expect("room for two in all");
        drop(permit);
        let _again = all.try_acquire().expect("it was given back to both");
        assert!(few.try_acquire().is_none(), "all is full");
        assert_eq!((all.in_use(), few.in_use()), (2, 0));
    }
}
