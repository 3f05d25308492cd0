//! SUBSCRIBE and UNSUBSCRIBE, for ordinary and shared subscriptions.
//!
//! Owns the order of it: index and interest first, then the answer, then what is
//! retained; a shared subscription's answer waits for its group's home. Pure.
//!
//! A packet may hold hundreds of thousands of filters. It is handled as the sequence
//! of requests that it means [MQTT-3.8.4-5], as many in one visit as the visit's
//! budget allows; meanwhile it stays in the connection's input.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::Engine;
use super::decisions::Decision;
use super::dispatch::fault;
use super::input::{Fault, Flow, Visit};
use super::limits::{
    FILTER_WORK, SHARED_SUBSCRIPTIONS_MAX, SUBSCRIPTION_BYTES_MAX, WILDCARD_SHAPES_MAX,
};
use super::peer::{PeerItem, RANK_PUBLISH};
use super::planted::{Fault as Planted, is_planted};
use super::questions::Inquest;
use super::replay::Replay;
use crate::hooks::{Client, Hook, Phases};
use crate::ids::{ConnectionId, SessionId};
use crate::protocol::{
    DecodeError, Frame, Packet, PacketId, ProtocolVersion, QoS, ReasonCode, ReasonProperties,
    RetainHandling, SubAck, Subscribe, SubscriptionRequest, TopicFilter, UnsubAck, Unsubscribe,
};
use crate::session::answers::{Answer, Waits, wait_also};
use crate::time::Timestamp;

/// Bytes of a request that are decoded at the cost of one delivery.
const BYTES_DECODED_PER_DELIVERY: usize = 64;

/// How far a SUBSCRIBE or UNSUBSCRIBE has come.
#[derive(Debug)]
pub struct Progress {
    packet_id: PacketId,
    subscription_id: Option<NonZeroU32>,
    /// Bytes of the packet's body that are handled.
    handled: usize,
    /// One for each filter that is handled.
    reasons: Vec<u8>,
    /// What the answer waits for.
    waits: Waits,
    /// Of the questions about it, once one was answered.
    inquest: Option<Inquest>,
}

impl Engine {
    /// A SUBSCRIBE packet, from its beginning or from where the last visit left it.
    pub(super) fn on_subscribe(
        &mut self,
        id: ConnectionId,
        slot: u32,
        (version, frame): (ProtocolVersion, Frame<'_>),
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        if let Some(mut progress) = self.take_progress(id) {
            let mut rest = Subscribe::requests_from(version, frame.body, progress.handled);
            if is_planted(Planted::SkipFilterOnResume)
                && let Some(Ok(skipped)) = rest.next()
            {
                progress.reasons.push(skipped.options.qos as u8);
                progress.handled += skipped.encoded_len();
            }
            return self.go_on_subscribing((id, slot), rest, progress, visit, now);
        }
        let subscribe = Subscribe::decode(version, frame).map_err(fault)?;
        visit.spend(frame.body.len() / BYTES_DECODED_PER_DELIVERY);
        let requests = subscribe.filters.iter();
        let bytes: usize = requests.map(SubscriptionRequest::encoded_len).sum();
        let progress = Progress {
            packet_id: subscribe.packet_id,
            subscription_id: subscribe.subscription_id,
            handled: frame.body.len() - bytes,
            reasons: Vec::with_capacity(subscribe.filters.len()),
            waits: Waits::new(),
            inquest: None,
        };
        let requests = subscribe.filters.into_iter().map(Ok);
        self.go_on_subscribing((id, slot), requests, progress, visit, now)
    }

    fn go_on_subscribing<'f>(
        &mut self,
        (id, slot): (ConnectionId, u32),
        requests: impl Iterator<Item = Result<SubscriptionRequest<'f>, DecodeError>>,
        mut progress: Progress,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        for request in requests {
            let request = request.map_err(fault)?;
            if let Some(flow) = self.must_wait(id, request.filter, visit) {
                return Ok(self.keep_progress(id, progress, flow));
            }
            let subscription_id = progress.subscription_id;
            let judged = self.judge_filter(id, slot, &request, &mut progress.inquest, now);
            let Some(decision) = judged else {
                return Ok(self.keep_progress(id, progress, Flow::Wait));
            };
            let reason = if let Decision::Deny(reason) = decision {
                self.clients.stats.denied_subscribes += 1;
                reason
            } else {
                if decision == Decision::AllowFiltered {
                    self.clients.profiles.filter(slot);
                }
                let waits = &mut progress.waits;
                let reason = self.add_subscription(slot, &request, subscription_id, waits);
                self.clients.stats.refused_subscribes += u64::from(reason.is_error());
                reason
            };
            if !reason.is_error() {
                self.tell_subscriber(slot, |hook, client| {
                    hook.subscribed(client, request.filter.as_str(), request.options.qos);
                });
            }
            progress.reasons.push(reason as u8);
            progress.handled += request.encoded_len();
            visit.spend(FILTER_WORK + request.filter.as_str().len());
        }
        let suback = SubAck {
            packet_id: progress.packet_id,
            properties: ReasonProperties::default(),
            reasons: &progress.reasons,
        };
        self.owe_request(id, slot, progress.waits, &Packet::SubAck(suback));
        self.pump_session(id, slot, now);
        Ok(Flow::Continue)
    }

    /// Tells hooks of a session's subscriptions.
    fn tell_subscriber(&self, slot: u32, tell: impl Fn(&dyn Hook, &Client)) {
        if self.chain.phases().any_of(Phases::SUBSCRIPTIONS)
            && let Some(profile) = self.clients.profiles.get(slot)
        {
            let client = &*profile.client;
            self.chain
                .tell(client.listener(), Phases::SUBSCRIPTIONS, |hook| {
                    tell(hook, client);
                });
        }
    }

    /// Whether a request has to wait before this filter: the visit's budget is used
    /// up, the broker is stopping, or the lane to the home of a group has no credit.
    /// In the latter cases the connection is held.
    fn must_wait(
        &mut self,
        id: ConnectionId,
        filter: TopicFilter<'_>,
        visit: &Visit,
    ) -> Option<Flow> {
        if visit.is_spent() {
            return Some(Flow::Unfinished);
        }
        if self.stopping {
            self.hold(id, |held| held.by_stop = true);
            return Some(Flow::Wait);
        }
        if filter.share().is_some() {
            let home = self.homes.of_group(filter.as_str());
            if home != self.shard && !self.lanes[home.index()].has_credit(RANK_PUBLISH) {
                self.hold_by_lane(id);
                return Some(Flow::Wait);
            }
        }
        None
    }

    fn take_progress(&mut self, id: ConnectionId) -> Option<Progress> {
        let connection = self.clients.open_connection(id)?;
        connection.request.take().map(|progress| *progress)
    }

    fn keep_progress(&mut self, id: ConnectionId, progress: Progress, flow: Flow) -> Flow {
        if let Some(connection) = self.clients.open_connection(id) {
            connection.request = Some(Box::new(progress));
        }
        flow
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
        let names = &session.subscriptions;
        let shared = filter.share().is_some();
        if is_new
            && (names.len() >= maximum
                || names.bytes() + filter.as_str().len() > SUBSCRIPTION_BYTES_MAX
                || shared && names.shared_len() >= SHARED_SUBSCRIPTIONS_MAX
                || !shared && !self.subscriptions.has_room_for(filter, WILDCARD_SHAPES_MAX))
        {
            return ReasonCode::QuotaExceeded;
        }
        session.subscriptions.insert(filter.as_str());
        if shared {
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
            wait_also(waits, self.lanes[home.index()].push(item));
        }
    }

    /// An UNSUBSCRIBE packet, from its beginning or from where the last visit left it.
    pub(super) fn on_unsubscribe(
        &mut self,
        id: ConnectionId,
        slot: u32,
        (version, frame): (ProtocolVersion, Frame<'_>),
        visit: &mut Visit,
    ) -> Result<Flow, Fault> {
        if let Some(progress) = self.take_progress(id) {
            let rest = Unsubscribe::filters_from(frame.body, progress.handled);
            return self.go_on_unsubscribing((id, slot), rest, progress, visit);
        }
        let unsubscribe = Unsubscribe::decode(version, frame).map_err(fault)?;
        visit.spend(frame.body.len() / BYTES_DECODED_PER_DELIVERY);
        let bytes: usize = unsubscribe.filters.iter().map(encoded_len).sum();
        let progress = Progress {
            packet_id: unsubscribe.packet_id,
            subscription_id: None,
            handled: frame.body.len() - bytes,
            reasons: Vec::with_capacity(unsubscribe.filters.len()),
            waits: Waits::new(),
            inquest: None,
        };
        let filters = unsubscribe.filters.into_iter().map(Ok);
        self.go_on_unsubscribing((id, slot), filters, progress, visit)
    }

    fn go_on_unsubscribing<'f>(
        &mut self,
        (id, slot): (ConnectionId, u32),
        filters: impl Iterator<Item = Result<TopicFilter<'f>, DecodeError>>,
        mut progress: Progress,
        visit: &mut Visit,
    ) -> Result<Flow, Fault> {
        for filter in filters {
            let filter = filter.map_err(fault)?;
            if let Some(flow) = self.must_wait(id, filter, visit) {
                return Ok(self.keep_progress(id, progress, flow));
            }
            let reason = self.end_subscription(slot, filter, &mut progress.waits);
            if reason == ReasonCode::Success {
                self.tell_subscriber(slot, |hook, client| {
                    hook.unsubscribed(client, filter.as_str());
                });
            }
            progress.reasons.push(reason as u8);
            progress.handled += encoded_len(&filter);
            visit.spend(FILTER_WORK + filter.as_str().len());
        }
        let unsuback = UnsubAck {
            packet_id: progress.packet_id,
            properties: ReasonProperties::default(),
            reasons: &progress.reasons,
        };
        self.owe_request(id, slot, progress.waits, &Packet::UnsubAck(unsuback));
        Ok(Flow::Continue)
    }

    /// One filter of an UNSUBSCRIBE.
    fn end_subscription(
        &mut self,
        slot: u32,
        filter: TopicFilter<'_>,
        waits: &mut Waits,
    ) -> ReasonCode {
        let (Some(id), Some(session)) = (
            self.clients.sessions.id_of(slot),
            self.clients.sessions.at_mut(slot),
        ) else {
            return ReasonCode::UnspecifiedError;
        };
        let known = session.subscriptions.remove(filter.as_str());
        let planted = is_planted(Planted::ForgetUnsubscribe);
        // One that is not known any more may still be on its way out of its group, and
        // nothing of it may come after this answer, either [MQTT-3.10.4-2].
        if filter.share().is_some() && !planted {
            self.part_from_group(filter.as_str(), id, waits);
        } else if known && !planted {
            self.remove_from_index(slot, filter);
        }
        if known {
            ReasonCode::Success
        } else {
            ReasonCode::NoSubscriptionExisted
        }
    }

    /// A session leaves a group, wherever that lives.
    fn part_from_group(&mut self, group: &str, session: SessionId, waits: &mut Waits) {
        let home = self.homes.of_group(group);
        if home == self.shard {
            self.leave_group(group, home, session);
        } else {
            let group = Arc::from(group);
            let item = PeerItem::Leave { group, session };
            wait_also(waits, self.lanes[home.index()].push(item));
        }
    }

    /// Takes an ordinary subscription out of everything but its session.
    pub(super) fn remove_from_index(&mut self, slot: u32, filter: TopicFilter<'_>) {
        self.cancel_replay(slot, filter.as_str());
        let removed = self.subscriptions.remove(filter, slot);
        if removed.is_some_and(|removed| removed.last_of_filter)
            && !is_planted(Planted::ForgetInterest)
        {
            self.interest.remove(filter);
        }
    }

    /// Takes a session out of its groups, at its end: they choose among sessions that
    /// exist. Its other subscriptions are a chore.
    pub(super) fn leave_groups(&mut self, slot: u32) {
        let (Some(id), Some(session)) = (
            self.clients.sessions.id_of(slot),
            self.clients.sessions.at_mut(slot),
        ) else {
            return;
        };
        let mut nobody_waits = Waits::new();
        let names = std::mem::take(&mut session.subscriptions);
        for name in names.shared() {
            self.work += FILTER_WORK + name.len();
            self.part_from_group(name, id, &mut nobody_waits);
        }
        if let Some(session) = self.clients.sessions.at_mut(slot) {
            session.subscriptions = names;
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

/// Bytes that a filter takes in an UNSUBSCRIBE.
fn encoded_len(filter: &TopicFilter<'_>) -> usize {
    size_of::<u16>() + filter.as_str().len()
}
