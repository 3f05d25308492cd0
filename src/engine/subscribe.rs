//! SUBSCRIBE and UNSUBSCRIBE, for ordinary and shared subscriptions.
//!
//! Owns the order of it: index and interest first, then the answer, then what is
//! retained; a shared subscription's answer waits for its group's home. Pure.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::Engine;
use super::decisions::Decision;
use super::input::{Fault, Flow};
use super::peer::{PeerItem, RANK_PUBLISH};
use super::planted::{Fault as Planted, is_planted};
use super::replay::Replay;
use crate::hooks::{Client, Hook, Phases};
use crate::ids::{ConnectionId, SessionId};
use crate::protocol::{
    Packet, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck, Subscribe,
    SubscriptionRequest, TopicFilter, UnsubAck, Unsubscribe,
};
use crate::session::answers::{Answer, Waits};
use crate::time::Timestamp;

impl Engine {
    /// A SUBSCRIBE packet.
    pub(super) fn on_subscribe(
        &mut self,
        id: ConnectionId,
        slot: u32,
        subscribe: &Subscribe<'_>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        if self.must_wait(id, subscribe.filters.iter().map(|request| request.filter)) {
            return Ok(Flow::Wait);
        }
        let invalid = |request: &SubscriptionRequest<'_>| {
            request.options.no_local && request.filter.share().is_some()
        };
        if subscribe.filters.iter().any(invalid) {
            return Err(ReasonCode::ProtocolError); // [MQTT-3.8.3-4]
        }
        let mut decided = Vec::new();
        if self.chain.phases().any_of(Phases::AUTHORIZE_SUBSCRIBE) {
            let Some(all) = self.judge_subscribe(id, slot, &subscribe.filters, now) else {
                return Ok(Flow::Wait);
            };
            decided = all;
        }
        let mut waits = Waits::new();
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        for (place, request) in subscribe.filters.iter().enumerate() {
            let reason = match decided.get(place) {
                Some(Decision::Deny(reason)) => {
                    self.clients.stats.denied_subscribes += 1;
                    *reason
                }
                decision => {
                    if decision == Some(&Decision::AllowFiltered) {
                        self.clients.profiles.filter(slot);
                    }
                    self.add_subscription(slot, request, subscribe.subscription_id, &mut waits)
                }
            };
            if !reason.is_error() {
                let granted = request.options.qos;
                self.tell_subscriber(slot, |hook, client| {
                    hook.subscribed(client, request.filter.as_str(), granted);
                });
            }
            reasons.push(reason as u8);
        }
        let suback = SubAck {
            packet_id: subscribe.packet_id,
            properties: ReasonProperties::default(),
            reasons: &reasons,
        };
        self.owe_request(id, slot, waits, &Packet::SubAck(suback));
        self.pump_session(id, slot, now);
        Ok(Flow::Continue)
    }

    /// Tells hooks of a session's subscriptions.
    fn tell_subscriber(&self, slot: u32, tell: impl Fn(&dyn Hook, &Client)) {
        if self.chain.phases().any_of(Phases::SUBSCRIPTIONS)
            && let Some(profile) = self.clients.profiles.get(slot)
        {
            self.chain
                .tell(Phases::SUBSCRIPTIONS, |hook| tell(hook, &profile.client));
        }
    }

    /// Whether a request has to wait: the broker is stopping, or the lane to the home
    /// of a group has no credit. The connection is held, then.
    fn must_wait<'f>(
        &mut self,
        id: ConnectionId,
        mut filters: impl Iterator<Item = TopicFilter<'f>>,
    ) -> bool {
        if self.stopping {
            self.hold(id, |held| held.by_stop = true);
            return true;
        }
        let blocked = filters.any(|filter| {
            filter.share().is_some() && {
                let home = self.homes.of_group(filter.as_str());
                home != self.shard && !self.lanes[home.index()].has_credit(RANK_PUBLISH)
            }
        });
        if blocked {
            self.hold_by_lane(id);
        }
        blocked
    }

    /// One filter of a SUBSCRIBE: the granted QoS, or why not [MQTT-3.9.3-2].
    pub(super) fn add_subscription(
        &mut self,
        slot: u32,
        request: &SubscriptionRequest<'_>,
        subscription_id: Option<NonZeroU32>,
        waits: &mut Waits,
    ) -> ReasonCode {
        let SubscriptionRequest { filter, options } = *request;
        let maximum = self.subscriptions_of(slot);
        if !self.topic_within_limits(filter.as_str()) {
            return ReasonCode::TopicFilterInvalid;
        }
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return ReasonCode::UnspecifiedError;
        };
        let is_new = !session.subscriptions.contains(filter.as_str());
        if is_new && session.subscriptions.len() >= maximum {
            return ReasonCode::QuotaExceeded;
        }
        session.subscriptions.insert(filter.as_str());
        if filter.share().is_some() {
            self.join(slot, request, subscription_id, waits);
        } else {
            let added = self
                .subscriptions
                .insert(filter, slot, options, subscription_id);
            if added.first_of_filter && !is_planted(Planted::ForgetInterest) {
                self.interest.add(filter);
            }
            let replays = match options.retain_handling {
                RetainHandling::SendAtSubscribe => true,
                RetainHandling::SendIfNew => is_new, // [MQTT-3.3.1-10]
                RetainHandling::DoNotSend => false,
            };
            if replays && !is_planted(Planted::ReplayNever) {
                let cursor = self.retained.cursor();
                let identifier = subscription_id.map(NonZeroU32::get);
                self.begin_replay(slot, Replay::new(filter, options.qos, identifier, cursor));
            }
        }
        match options.qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
            QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
        }
    }

    fn join(
        &mut self,
        slot: u32,
        request: &SubscriptionRequest<'_>,
        subscription_id: Option<NonZeroU32>,
        waits: &mut Waits,
    ) {
        let Some(session) = self.clients.sessions.id_of(slot) else {
            return;
        };
        let group = request.filter.as_str();
        let options = request.options;
        let home = self.homes.of_group(group);
        if home == self.shard {
            self.join_group(group, home, session, options, subscription_id);
        } else {
            let group = Arc::from(group);
            let item = PeerItem::Join {
                group,
                session,
                options,
                subscription_id,
            };
            waits.push(self.lanes[home.index()].push(item));
        }
    }

    /// An UNSUBSCRIBE packet.
    pub(super) fn on_unsubscribe(
        &mut self,
        id: ConnectionId,
        slot: u32,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<Flow, Fault> {
        if self.must_wait(id, unsubscribe.filters.iter().copied()) {
            return Ok(Flow::Wait);
        }
        let Some(session) = self.clients.sessions.id_of(slot) else {
            return Ok(Flow::Stop);
        };
        let mut waits = Waits::new();
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            let known = self
                .clients
                .sessions
                .at_mut(slot)
                .is_some_and(|session| session.subscriptions.remove(filter.as_str()));
            // One that is not known any more may still be on its way out of its group,
            // and nothing of it may come after this answer, either [MQTT-3.10.4-2].
            let leaves = known || filter.share().is_some();
            if leaves && !is_planted(Planted::ForgetUnsubscribe) {
                self.remove_subscription(session, *filter, &mut waits);
            }
            let reason = if known {
                self.tell_subscriber(slot, |hook, client| {
                    hook.unsubscribed(client, filter.as_str());
                });
                ReasonCode::Success
            } else {
                ReasonCode::NoSubscriptionExisted
            };
            reasons.push(reason as u8);
        }
        let unsuback = UnsubAck {
            packet_id: unsubscribe.packet_id,
            properties: ReasonProperties::default(),
            reasons: &reasons,
        };
        self.owe_request(id, slot, waits, &Packet::UnsubAck(unsuback));
        Ok(Flow::Continue)
    }

    fn remove_subscription(
        &mut self,
        session: SessionId,
        filter: TopicFilter<'_>,
        waits: &mut Waits,
    ) {
        if filter.share().is_some() {
            let home = self.homes.of_group(filter.as_str());
            if home == self.shard {
                self.leave_group(filter.as_str(), home, session);
            } else {
                let group = Arc::from(filter.as_str());
                let item = PeerItem::Leave { group, session };
                waits.push(self.lanes[home.index()].push(item));
            }
            return;
        }
        self.cancel_replay(session.slot, filter.as_str());
        let removed = self.subscriptions.remove(filter, session.slot);
        if removed.is_some_and(|removed| removed.last_of_filter)
            && !is_planted(Planted::ForgetInterest)
        {
            self.interest.remove(filter);
        }
    }

    /// Takes all subscriptions of a session out, at its end.
    pub(super) fn drop_subscriptions(&mut self, slot: u32) {
        let Some(id) = self.clients.sessions.id_of(slot) else {
            return;
        };
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        let names = std::mem::take(&mut session.subscriptions);
        let mut nobody_waits = Waits::new();
        for name in names.iter() {
            if let Ok(filter) = TopicFilter::parse(name) {
                self.remove_subscription(id, filter, &mut nobody_waits);
            }
        }
    }

    /// Owes an answer that has to be encoded for this connection's protocol.
    fn owe_request(&mut self, id: ConnectionId, slot: u32, waits: Waits, packet: &Packet<'_>) {
        let mut encoded = Vec::new();
        let outcome = packet.encode(self.version_of(id), &mut encoded);
        debug_assert!(
            outcome.is_ok(),
            "as many reasons as filters fit in a packet"
        );
        self.owe(slot, waits, Answer::Request(encoded.into()));
    }
}
