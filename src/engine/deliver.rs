//! A message reaches one client: into its out-buffer, into flight, or into its queue.
//!
//! Owns nothing: these are the clients' methods for it. Pure.
//!
//! HOT PATH: `deliver` runs once per delivery; it appends bytes to one buffer and
//! allocates nothing for QoS 0. A large payload that is kept anyway is referred to.

use std::rc::Rc;
use std::sync::Arc;

use super::clients::Clients;
use super::outbox::Large;
use super::planted::{Fault as Planted, is_planted};
use super::publication::{Head, Publication};
use crate::hooks::{DropReason, Phases};
use crate::ids::ConnectionId;
use crate::protocol::{Acknowledge, Packet, PacketId, Patch, QoS, ReasonCode, ReasonProperties};
use crate::session::outbound::{Outbound, Resend};
use crate::session::pending::{Pending, SubscriptionIdList};
use crate::session::topic_alias::AliasUse;
use crate::time::Timestamp;

/// Under which terms a message goes to a session.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Slot of the session.
    pub session: u32,
    /// The subscription's maximum QoS.
    pub qos: QoS,
    /// Whether the client sees RETAIN as it was published; otherwise it is not set.
    pub retain_as_published: bool,
    /// Identifiers of the subscriptions that matched.
    pub subscription_ids: &'a [u32],
    /// The shared subscription that chose this session.
    pub group: Option<&'a Arc<str>>,
}

impl Terms<'_> {
    /// RETAIN as the client sees it.
    pub(super) fn retains(&self, publication: &Publication<'_>) -> bool {
        self.retain_as_published && publication.retain
    }
}

impl Clients {
    /// Delivers a publication to one session, if that may have it.
    pub fn deliver(&mut self, publication: &Publication<'_>, terms: &Terms<'_>, now: Timestamp) {
        if self.may_deliver(publication, terms, now) {
            self.deliver_allowed(publication, terms, now);
        } else {
            self.count_denied_delivery(terms.session, publication.topic);
        }
    }

    /// Delivers a publication that was judged already.
    pub(super) fn deliver_allowed(
        &mut self,
        publication: &Publication<'_>,
        terms: &Terms<'_>,
        now: Timestamp,
    ) {
        let qos = terms.qos.min(publication.qos);
        let Some(session) = self.sessions.at(terms.session) else {
            return;
        };
        let connection = session.connection;
        let idle = session.outbound.may_start();
        if connection.is_none()
            && self.offer_locally(publication, terms.session, qos, terms.retains(publication))
        {
            return;
        }
        if qos == QoS::AtMostOnce {
            // Nothing of QoS 0 is kept for a client that is away, as in mosquitto.
            if let Some(connection) = connection {
                self.deliver_at_most_once(connection, publication, terms, now);
            }
            return;
        }
        let bytes = publication.bytes();
        let room = connection.filter(|id| idle && self.has_room_or_starves(*id, bytes));
        let pending = Pending {
            message: Rc::clone(publication.keep()),
            qos,
            retain: terms.retains(publication),
            subscription_ids: SubscriptionIdList::from_slice(terms.subscription_ids),
            group: terms.group.cloned(),
        };
        match room {
            Some(id) => self.start(terms.session, id, pending, publication, now),
            None => self.enqueue(terms.session, pending, now),
        }
    }

    fn deliver_at_most_once(
        &mut self,
        id: ConnectionId,
        publication: &Publication<'_>,
        terms: &Terms<'_>,
        now: Timestamp,
    ) {
        let Some(connection) = self.connections.get(id.slot, id.generation) else {
            return;
        };
        if !self.has_room(connection, publication.bytes()) {
            self.stats.dropped_outbox_full += 1;
            let reason = DropReason::OutboxFull;
            self.tell_session_dropped(terms.session, publication.topic, reason);
            return;
        }
        let head = Head {
            qos: QoS::AtMostOnce,
            dup: false,
            retain: terms.retains(publication),
            subscription_ids: terms.subscription_ids,
            alias: AliasUse::None,
        };
        self.append(id, publication, head, None, now);
    }

    /// Takes a delivery into flight and sends it.
    fn start(
        &mut self,
        slot: u32,
        id: ConnectionId,
        pending: Pending,
        publication: &Publication<'_>,
        now: Timestamp,
    ) {
        let ids = pending.subscription_ids.clone();
        let head = Head {
            qos: pending.qos,
            dup: false,
            retain: pending.retain,
            subscription_ids: &ids,
            alias: AliasUse::None,
        };
        let Some(session) = self.sessions.at_mut(slot) else {
            return;
        };
        let Some(packet_id) = session.outbound.start(pending) else {
            return;
        };
        if !self.append(id, publication, head, Some(packet_id), now)
            && let Some(session) = self.sessions.at_mut(slot)
        {
            session.outbound.abandon(packet_id);
        }
    }

    /// Encodes a PUBLISH into the out-buffer; false (and counted) when it is larger
    /// than the client accepts [MQTT-3.1.2-25].
    fn append(
        &mut self,
        id: ConnectionId,
        publication: &Publication<'_>,
        mut head: Head<'_>,
        packet_id: Option<PacketId>,
        now: Timestamp,
    ) -> bool {
        let refer_from = self.limits.refer_from;
        let sent = self.write(id, |connection, out| {
            let (version, maximum) = (connection.version, connection.maximum_packet_size);
            // Most clients have no bound, and then nothing is measured.
            let fits = |head: &Head<'_>| {
                maximum == u32::MAX
                    || publication.delivery(head, now).encoded_len(version) <= maximum as usize
            };
            head.alias = connection.choose_alias(publication.topic);
            if !fits(&head) {
                // Setting an alias may be what does not fit.
                head.alias = AliasUse::None;
                if !fits(&head) {
                    return false;
                }
            }
            if let AliasUse::Set(_) = head.alias {
                connection.learn_alias(publication.topic);
            }
            let start = out.len();
            let delivery = publication.delivery(&head, now);
            let patch = match publication.kept() {
                // A payload that is the smaller part of its message would keep bytes that
                // nobody counts.
                Some(message) if delivery.payload.len() >= refer_from.max(message.len() / 2) => {
                    let patch = delivery.encode_head(version, 0, out);
                    let payload = Large::Payload(Rc::clone(message));
                    connection.outbox.refer(out.len(), payload);
                    patch
                }
                _ => delivery.encode(version, out),
            };
            fill_in(&mut out[start..], patch, packet_id, head.alias);
            true
        });
        match sent {
            Some(true) => self.stats.publishes_sent += 1,
            Some(false) => {
                self.stats.dropped_too_large += 1;
                let connection = self.connections.get(id.slot, id.generation);
                if let Some(slot) = connection.and_then(|connection| connection.session()) {
                    self.tell_session_dropped(slot, publication.topic, DropReason::TooLarge);
                }
            }
            None => {}
        }
        sent == Some(true)
    }

    /// Puts a delivery into its session's queue, or drops and counts it.
    fn enqueue(&mut self, slot: u32, pending: Pending, now: Timestamp) {
        let most = self.limits.shard_queued_bytes;
        let Some(session) = self.sessions.at_mut(slot) else {
            return;
        };
        let bounds = match self.listeners.get(usize::from(session.listener)) {
            Some(policy) => policy.quotas.queue(&self.limits),
            None => self.limits.queue(),
        };
        let cost = pending.cost();
        let others = self.queued_total - session.outbound.queued_bytes();
        let has_room = |outbound: &Outbound| {
            others + outbound.queued_bytes() + cost <= most && outbound.has_room(cost, bounds)
        };
        if !has_room(&session.outbound) {
            self.stats.dropped_expired += session.outbound.drop_expired(now);
        }
        let tells = self.chain.phases().any_of(Phases::DROPPED);
        let message = tells.then(|| Rc::clone(&pending.message));
        let full =
            !has_room(&session.outbound) || session.outbound.enqueue(pending, bounds).is_err();
        self.queued_total = others + session.outbound.queued_bytes();
        if full {
            self.stats.dropped_queue_full += 1;
            if let Some(message) = message {
                self.tell_session_dropped(slot, message.topic(), DropReason::QueueFull);
            }
        }
    }

    /// Sends what the window and the out-buffer allow: first again what an earlier
    /// connection left open, then what is queued. True when all has gone.
    pub fn pump(&mut self, slot: u32, now: Timestamp) -> bool {
        loop {
            let Some(session) = self.sessions.at_mut(slot) else {
                return true;
            };
            let Some(id) = session.connection else {
                return true;
            };
            if session.outbound.is_empty() {
                return true;
            }
            let bytes = session.outbound.next_len();
            if !self.has_room_or_starves(id, bytes) {
                return false;
            }
            if !self.resend_next(slot, id, now) && !self.start_next(slot, id, now) {
                return self
                    .sessions
                    .at(slot)
                    .is_none_or(|s| s.outbound.queued() == 0);
            }
        }
    }

    fn resend_next(&mut self, slot: u32, id: ConnectionId, now: Timestamp) -> bool {
        let Some(session) = self.sessions.at_mut(slot) else {
            return false;
        };
        match session.outbound.next_resend() {
            None => false,
            Some(Resend::Release(packet_id)) => {
                self.send_release(id, packet_id, ReasonCode::Success);
                true
            }
            Some(Resend::Publish(entry)) => {
                let (packet_id, pending) = (entry.packet_id, entry.pending.clone());
                if !self.may_still_have(slot, &pending, now) {
                    self.withdraw(slot, id, packet_id, pending);
                    return true;
                }
                let head = Head {
                    qos: pending.qos,
                    dup: !is_planted(Planted::ResendWithoutDup), // [MQTT-3.3.1-1]
                    retain: pending.retain,
                    subscription_ids: &pending.subscription_ids,
                    alias: AliasUse::None,
                };
                let publication = Publication::of(&pending.message);
                if !self.append(id, &publication, head, Some(packet_id), now)
                    && let Some(session) = self.sessions.at_mut(slot)
                {
                    session.outbound.abandon(packet_id);
                }
                true
            }
        }
    }

    fn start_next(&mut self, slot: u32, id: ConnectionId, now: Timestamp) -> bool {
        let Some(session) = self.sessions.at_mut(slot) else {
            return false;
        };
        let before = session.outbound.queued_bytes();
        let next = session
            .outbound
            .next_queued(expiry_clock(now), &mut self.stats.dropped_expired);
        self.queued_total -= before - session.outbound.queued_bytes();
        let Some(pending) = next else { return false };
        if self.may_still_have(slot, &pending, now) {
            let message = Rc::clone(&pending.message);
            self.start(slot, id, pending, &Publication::of(&message), now);
        } else {
            self.decline(slot, pending);
        }
        true
    }

    /// A session may not have a message that waited for it; another member of its group
    /// may.
    fn decline(&mut self, slot: u32, pending: Pending) {
        match self.sessions.id_of(slot) {
            Some(id) if pending.group.is_some() => self.declined.push((id, pending)),
            _ => self.count_denied_delivery(slot, pending.message.topic()),
        }
    }

    fn may_still_have(&mut self, slot: u32, pending: &Pending, now: Timestamp) -> bool {
        let terms = Terms {
            session: slot,
            qos: pending.qos,
            retain_as_published: pending.retain,
            subscription_ids: &[],
            group: None,
        };
        self.may_still_deliver(&Publication::of(&pending.message), &terms, now)
    }

    /// A message that was sent before may not be sent again. Of QoS 2 the client may hold
    /// it already: its identifier is released, so that both sides are done with it.
    /// Nor is it given to another of its group then [MQTT-4.8.2-4].
    fn withdraw(&mut self, slot: u32, id: ConnectionId, packet_id: PacketId, pending: Pending) {
        let Some(session) = self.sessions.at_mut(slot) else {
            return;
        };
        if session.outbound.release(packet_id) {
            self.count_denied_delivery(slot, pending.message.topic());
            self.send_release(id, packet_id, ReasonCode::Success);
        } else {
            session.outbound.abandon(packet_id);
            self.decline(slot, pending);
        }
    }

    /// Sends PUBREL.
    pub fn send_release(&mut self, id: ConnectionId, packet_id: PacketId, reason: ReasonCode) {
        let properties = ReasonProperties::default();
        self.send(
            id,
            &Packet::PubRel(Acknowledge {
                packet_id,
                reason,
                properties,
            }),
        );
    }
}

/// The instant that decides whether a queued message has expired.
fn expiry_clock(now: Timestamp) -> Timestamp {
    if is_planted(Planted::ForgetExpiry) {
        return Timestamp::ZERO;
    }
    now
}

/// Writes into a copied shape what is this delivery's own.
fn fill_in(packet: &mut [u8], patch: Patch, packet_id: Option<PacketId>, alias: AliasUse) {
    let mut put = |offset: u32, value: u16| {
        let offset = offset as usize;
        packet[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
    };
    if let Some(packet_id) = packet_id {
        put(patch.packet_id, packet_id.get());
    }
    match alias {
        AliasUse::None => {}
        AliasUse::Set(number) | AliasUse::Use(number) => put(patch.topic_alias, number),
    }
}
