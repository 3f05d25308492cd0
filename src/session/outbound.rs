//! Messages towards the client: the window in flight and the queue behind it.
//!
//! Owns the order of QoS 1 and 2 deliveries, their packet identifiers and their
//! acknowledgement state (MQTT 5.0, sections 4.3, 4.4, 4.6 and 4.9). Lives on the
//! home shard. Pure; it never encodes and never sends: the engine asks what may go.
//!
//! HOT PATH: `start` and `acknowledge` run once per QoS 1/2 delivery.

use std::collections::VecDeque;

use super::packet_ids::{Mark, PacketIds};
use super::pending::Pending;
use crate::protocol::{PacketId, QoS};
use crate::time::Timestamp;

/// Where a delivery in flight stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// PUBLISH with QoS 1 sent, PUBACK awaited.
    AwaitPubAck,
    /// PUBLISH with QoS 2 sent, PUBREC awaited.
    AwaitPubRec,
    /// PUBREL sent, PUBCOMP awaited.
    AwaitPubComp,
}

/// A delivery that has a packet identifier.
#[derive(Debug)]
pub struct Inflight {
    /// The identifier it keeps until it is complete.
    pub packet_id: PacketId,
    /// Which answer is awaited.
    pub phase: Phase,
    /// Whether it went out on the present connection.
    sent: bool,
    given: Mark,
    /// The delivery itself.
    pub pending: Pending,
}

/// What the engine has to send next for a resumed session.
#[derive(Debug)]
pub enum Resend<'a> {
    /// This PUBLISH again, with DUP [MQTT-3.3.1-1].
    Publish(&'a Inflight),
    /// This PUBREL again.
    Release(PacketId),
}

/// What an acknowledgement by the client meant.
#[derive(Debug)]
pub enum Acknowledged {
    /// The delivery is complete.
    Complete(Pending),
    /// PUBREL is to be sent [MQTT-4.3.3-4].
    Release,
    /// No such packet identifier is in flight, or not in this phase.
    Unknown,
}

/// Bounds of a session's queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// Messages; zero for no bound on their number.
    pub messages: usize,
    /// Bytes, as [`Pending::cost`] counts them; zero for no bound on them.
    pub bytes: usize,
}

/// Everything on its way to one client.
///
/// Invariants: `in_window` counts the inflight entries that are `sent`, `unsent`
/// the others; entries are in the order their messages were first sent, which is the order
/// they are resent in [MQTT-4.6.0-1].
#[derive(Debug, Default)]
pub struct Outbound {
    inflight: VecDeque<Inflight>,
    queue: VecDeque<Pending>,
    queued_bytes: usize,
    ids: PacketIds,
    in_window: u16,
    unsent: u16,
    /// No entry before this one is unsent, so that sending a large window again
    /// does not search it again and again.
    unsent_from: usize,
    window: u16,
}

impl Outbound {
    /// A connection with this send window (the client's receive maximum, or our
    /// own bound) carries the session: nothing has been sent on it yet.
    pub fn attach(&mut self, window: u16) {
        self.window = window;
        self.detach();
    }

    /// The connection is gone: whatever is in flight will have to be sent again.
    pub fn detach(&mut self) {
        self.unsent += self.in_window;
        self.in_window = 0;
        self.unsent_from = 0;
        for entry in &mut self.inflight {
            entry.sent = false;
        }
    }

    /// Whether the window has room for one more PUBLISH [MQTT-4.9.0-2].
    #[must_use]
    pub fn window_open(&self) -> bool {
        self.in_window < self.window
    }

    /// Whether a fresh message may overtake nothing and be sent at once.
    #[must_use]
    pub fn may_start(&self) -> bool {
        self.window_open() && self.queue.is_empty() && self.unsent == 0
    }

    /// The same for so many at once.
    #[must_use]
    pub fn may_start_all(&self, deliveries: usize) -> bool {
        deliveries == 0
            || (self.may_start() && usize::from(self.window - self.in_window) >= deliveries)
    }

    /// Takes a delivery into flight; the caller sends it.
    ///
    /// `None` hands the delivery back to nobody: all identifiers are in use, which
    /// the window (at most 65,535) and `may_start` rule out.
    pub fn start(&mut self, pending: Pending) -> Option<PacketId> {
        let inflight = &self.inflight;
        // Only once in 65,535 messages anything in flight is worth looking at.
        let search = inflight
            .front()
            .is_some_and(|oldest| self.ids.comes_round_to(oldest.given));
        let packet_id = self
            .ids
            .allocate(|id| search && inflight.iter().any(|entry| entry.packet_id == id))?;
        let phase = match pending.qos {
            QoS::ExactlyOnce => Phase::AwaitPubRec,
            QoS::AtLeastOnce | QoS::AtMostOnce => Phase::AwaitPubAck,
        };
        self.inflight.push_back(Inflight {
            packet_id,
            phase,
            sent: true,
            given: self.ids.mark(),
            pending,
        });
        self.in_window += 1;
        Some(packet_id)
    }

    /// Whether a delivery of this cost may be queued.
    #[must_use]
    pub fn has_room(&self, cost: usize, bounds: QueueBounds) -> bool {
        (bounds.messages == 0 || self.queue.len() < bounds.messages)
            && (bounds.bytes == 0 || self.queued_bytes + cost <= bounds.bytes)
    }

    /// Puts a delivery behind the others, or hands it back when a bound is reached.
    ///
    /// # Errors
    /// The delivery itself, when the queue is full: the caller counts it as dropped.
    pub fn enqueue(&mut self, pending: Pending, bounds: QueueBounds) -> Result<(), Pending> {
        if !self.has_room(pending.cost(), bounds) {
            return Err(pending);
        }
        self.queued_bytes += pending.cost();
        self.queue.push_back(pending);
        Ok(())
    }

    /// Drops what has expired at the front of the queue, to make room; how many there
    /// were. The front only, so that a full queue costs each message one look.
    pub fn drop_expired(&mut self, now: Timestamp) -> u64 {
        let mut expired = 0;
        while let Some(pending) = self.queue.front()
            && pending.message.is_expired(now)
        {
            self.queued_bytes -= pending.cost();
            self.queue.pop_front();
            expired += 1;
        }
        expired
    }

    /// The next queued delivery if the window allows one, without those that
    /// have expired, which are counted in `expired` [MQTT-3.3.2-5].
    pub fn next_queued(&mut self, now: Timestamp, expired: &mut u64) -> Option<Pending> {
        if !self.window_open() || self.unsent > 0 {
            return None;
        }
        *expired += self.drop_expired(now);
        let pending = self.queue.pop_front()?;
        self.queued_bytes -= pending.cost();
        Some(pending)
    }

    /// What a resumed session has to send again next, in the original order
    /// [MQTT-4.4.0-1], each once per connection. PUBREL does not wait for the
    /// window [MQTT-4.9.0-3].
    pub fn next_resend(&mut self) -> Option<Resend<'_>> {
        if self.unsent == 0 {
            return None;
        }
        let open = self.window_open();
        let next = self
            .inflight
            .range(self.unsent_from..)
            .position(|entry| !entry.sent && (open || entry.phase == Phase::AwaitPubComp))?
            + self.unsent_from;
        if open {
            self.unsent_from = next + 1;
        }
        let entry = &mut self.inflight[next];
        entry.sent = true;
        self.in_window += 1;
        self.unsent -= 1;
        Some(match entry.phase {
            Phase::AwaitPubComp => Resend::Release(entry.packet_id),
            Phase::AwaitPubAck | Phase::AwaitPubRec => Resend::Publish(entry),
        })
    }

    /// The client has answered `packet_id`; `awaited` is what its answer answers.
    /// `refused` tells a reason code of 0x80 and above, which ends the delivery.
    pub fn acknowledge(
        &mut self,
        packet_id: PacketId,
        awaited: Phase,
        refused: bool,
    ) -> Acknowledged {
        let found = self
            .inflight
            .iter()
            .position(|entry| entry.packet_id == packet_id);
        let Some(index) = found
            .filter(|&index| self.inflight[index].phase == awaited && self.inflight[index].sent)
        else {
            return Acknowledged::Unknown;
        };
        if awaited == Phase::AwaitPubRec && !refused {
            self.inflight[index].phase = Phase::AwaitPubComp;
            return Acknowledged::Release;
        }
        self.in_window -= 1;
        self.remove(index).map_or(Acknowledged::Unknown, |entry| {
            Acknowledged::Complete(entry.pending)
        })
    }

    /// Whether a PUBREL is outstanding for this identifier (a PUBREC that comes
    /// again is answered again).
    #[must_use]
    pub fn awaits_completion(&self, packet_id: PacketId) -> bool {
        self.inflight
            .iter()
            .any(|entry| entry.packet_id == packet_id && entry.phase == Phase::AwaitPubComp)
    }

    /// Ends a QoS 2 delivery of which the client may hold the message: PUBREL is to be
    /// sent, and its answer awaited. False where it is none.
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        let mut entries = self.inflight.iter_mut();
        let found =
            entries.find(|entry| entry.packet_id == packet_id && entry.phase == Phase::AwaitPubRec);
        found
            .map(|entry| entry.phase = Phase::AwaitPubComp)
            .is_some()
    }

    /// Gives up the delivery of a message in flight that can not be sent.
    pub fn abandon(&mut self, packet_id: PacketId) -> Option<Pending> {
        let index = self
            .inflight
            .iter()
            .position(|entry| entry.packet_id == packet_id)?;
        let entry = self.remove(index)?;
        let counter = if entry.sent {
            &mut self.in_window
        } else {
            &mut self.unsent
        };
        *counter -= 1;
        Some(entry.pending)
    }

    fn remove(&mut self, index: usize) -> Option<Inflight> {
        if index < self.unsent_from {
            self.unsent_from -= 1;
        }
        self.inflight.remove(index)
    }

    /// Bytes of the message that is sent next, again or for the first time.
    #[must_use]
    pub fn next_len(&self) -> usize {
        let again = || self.inflight.range(self.unsent_from..);
        // A large window is searched only for what is known to be there.
        let next = if self.unsent > 0 {
            again()
                .find(|entry| !entry.sent)
                .map(|entry| &entry.pending)
        } else {
            self.queue.front()
        };
        next.map_or(0, |pending| pending.message.len())
    }

    /// Deliveries waiting for the window.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the deliveries waiting for the window.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether anything waits to be sent, for the first time or again.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent > 0 || !self.queue.is_empty()
    }

    /// Whether anything is in flight or queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inflight.is_empty() && self.queue.is_empty()
    }

    /// Takes out, at the session's end, the deliveries of shared subscriptions that
    /// another member of the group is to get: QoS 1 not acknowledged, and whatever
    /// was never sent. QoS 2 once sent is never given to another [MQTT-4.8.2-4].
    pub fn surrender(&mut self) -> impl Iterator<Item = Pending> + '_ {
        self.queued_bytes = 0;
        self.in_window = 0;
        self.unsent = 0;
        self.unsent_from = 0;
        self.inflight
            .drain(..)
            .filter(|entry| entry.phase == Phase::AwaitPubAck)
            .map(|entry| entry.pending)
            .chain(self.queue.drain(..))
            .filter(|pending| pending.group.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use smallvec::SmallVec;

    use super::*;
    use crate::message::Message;

    const BOUNDS: QueueBounds = QueueBounds {
        messages: 2,
        bytes: 1 << 20,
    };

    fn pending(payload: &str, qos: QoS) -> Pending {
        let message = Message::new("t", &[], payload.as_bytes(), qos, false, None);
        Pending {
            message: Rc::new(message),
            qos,
            retain: false,
            subscription_ids: SmallVec::new(),
            group: None,
        }
    }

    fn outbound(window: u16) -> Outbound {
        let mut outbound = Outbound::default();
        outbound.attach(window);
        outbound
    }

    fn id(value: u16) -> PacketId {
        PacketId::new(value).expect("not zero")
    }

    #[test]
    fn the_window_closes_at_the_clients_receive_maximum_and_reopens_with_an_acknowledgement() {
        let mut outbound = outbound(2);
        let first = outbound
            .start(pending("a", QoS::AtLeastOnce))
            .expect("room");
        outbound
            .start(pending("b", QoS::AtLeastOnce))
            .expect("room");
        assert!(!outbound.may_start(), "[MQTT-4.9.0-2]");
        let answer = outbound.acknowledge(first, Phase::AwaitPubAck, false);
        assert!(matches!(answer, Acknowledged::Complete(_)));
        assert!(outbound.may_start());
    }

    #[test]
    fn a_fresh_message_never_overtakes_the_queue() {
        let mut outbound = outbound(1);
        outbound
            .enqueue(pending("a", QoS::AtLeastOnce), BOUNDS)
            .expect("room");
        assert!(!outbound.may_start());
    }

    #[test]
    fn the_queue_hands_back_what_its_bound_refuses() {
        let mut outbound = outbound(1);
        for payload in ["a", "b"] {
            outbound
                .enqueue(pending(payload, QoS::AtLeastOnce), BOUNDS)
                .expect("room");
        }
        let refused = outbound.enqueue(pending("c", QoS::AtLeastOnce), BOUNDS);
        assert_eq!(refused.expect_err("full").message.payload(), b"c");
        let mut expired = 0;
        assert!(
            outbound
                .next_queued(Timestamp::ZERO, &mut expired)
                .is_some()
        );
        outbound
            .enqueue(pending("c", QoS::AtLeastOnce), BOUNDS)
            .expect("room again");
    }

    #[test]
    fn a_bound_of_zero_is_none_and_what_has_expired_makes_room() {
        let none = QueueBounds {
            messages: 0,
            bytes: 0,
        };
        let at = Timestamp::from_millis(5);
        let mut brief = pending("brief", QoS::AtLeastOnce);
        let expiring = Message::new("t", &[], b"brief", QoS::AtLeastOnce, false, Some(at));
        brief.message = Rc::new(expiring);
        let mut outbound = outbound(1);
        for _ in 0..2 {
            outbound.enqueue(brief.clone(), none).expect("no bound");
        }
        assert!(!outbound.has_room(1, BOUNDS), "two messages");
        assert_eq!(outbound.drop_expired(Timestamp::ZERO), 0);
        assert_eq!(outbound.drop_expired(at), 2);
        assert_eq!((outbound.queued(), outbound.queued_bytes()), (0, 0));
    }

    #[test]
    fn a_resumed_session_sends_again_in_order_with_the_same_identifiers_and_within_the_new_window()
    {
        let mut outbound = outbound(10);
        for payload in ["a", "b", "c"] {
            outbound
                .start(pending(payload, QoS::ExactlyOnce))
                .expect("room");
        }
        let answer = outbound.acknowledge(id(1), Phase::AwaitPubRec, false);
        assert!(matches!(answer, Acknowledged::Release));
        outbound.detach();
        outbound.attach(2);
        assert!(matches!(outbound.next_resend(), Some(Resend::Release(p)) if p == id(1)));
        assert!(matches!(outbound.next_resend(), Some(Resend::Publish(e)) if e.packet_id == id(2)));
        assert!(outbound.next_resend().is_none(), "the new window is two");
        assert!(
            !outbound.may_start(),
            "a fresh message would overtake the third"
        );
        outbound.acknowledge(id(1), Phase::AwaitPubComp, false);
        assert!(matches!(outbound.next_resend(), Some(Resend::Publish(e)) if e.packet_id == id(3)));
        assert!(outbound.next_resend().is_none());
    }

    #[test]
    fn an_identifier_that_stays_in_use_is_passed_over_each_time_round() {
        let mut outbound = outbound(4);
        let stuck = outbound.start(pending("stuck", QoS::AtLeastOnce));
        assert_eq!(stuck, Some(id(1)));
        let mut last = 1;
        for _ in 0..3 * usize::from(u16::MAX) {
            let next = outbound
                .start(pending("x", QoS::AtLeastOnce))
                .expect("free");
            let expected = if last == u16::MAX { 2 } else { last + 1 };
            assert_eq!(next, id(expected), "[MQTT-2.2.1-4]");
            outbound.acknowledge(next, Phase::AwaitPubAck, false);
            last = next.get();
        }
    }

    #[test]
    fn a_large_window_is_sent_again_in_order_whatever_is_acknowledged_meanwhile() {
        let mut outbound = outbound(100);
        for _ in 0..100 {
            outbound
                .start(pending("x", QoS::AtLeastOnce))
                .expect("free");
        }
        outbound.detach();
        outbound.attach(10);
        let mut sent: Vec<PacketId> = Vec::new();
        let mut acknowledged = 0;
        loop {
            while let Some(Resend::Publish(entry)) = outbound.next_resend() {
                sent.push(entry.packet_id);
            }
            if acknowledged == 100 {
                break;
            }
            // In pairs, the later one first.
            let pair = [sent[acknowledged + 1], sent[acknowledged]];
            for id in pair {
                let outcome = outbound.acknowledge(id, Phase::AwaitPubAck, false);
                assert!(matches!(outcome, Acknowledged::Complete(_)));
            }
            acknowledged += 2;
        }
        assert!(sent.into_iter().eq((1..=100).map(id)), "[MQTT-4.4.0-1]");
        assert!(outbound.is_empty() && outbound.may_start());
    }

    #[test]
    fn an_acknowledgement_of_the_wrong_kind_changes_nothing() {
        let mut outbound = outbound(10);
        outbound
            .start(pending("a", QoS::ExactlyOnce))
            .expect("room");
        let answer = outbound.acknowledge(id(1), Phase::AwaitPubAck, false);
        assert!(matches!(answer, Acknowledged::Unknown));
        let answer = outbound.acknowledge(id(7), Phase::AwaitPubRec, false);
        assert!(matches!(answer, Acknowledged::Unknown));
    }

    #[test]
    fn only_unsent_messages_and_unacknowledged_qos_1_of_a_group_are_surrendered() {
        let group: Option<std::sync::Arc<str>> = Some("$share/g/t".into());
        let mut outbound = outbound(10);
        outbound.start(Pending {
            group: group.clone(),
            ..pending("one", QoS::AtLeastOnce)
        });
        outbound.start(Pending {
            group: group.clone(),
            ..pending("two", QoS::ExactlyOnce)
        });
        outbound.start(pending("own", QoS::AtLeastOnce));
        let queued = Pending {
            group,
            ..pending("queued", QoS::ExactlyOnce)
        };
        outbound.enqueue(queued, BOUNDS).expect("room");
        let payloads: Vec<_> = outbound
            .surrender()
            .map(|p| p.message.payload().to_vec())
            .collect();
        assert_eq!(payloads, [b"one".to_vec(), b"queued".to_vec()]);
    }
}
