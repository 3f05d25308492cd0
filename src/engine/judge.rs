//! May a connected client do what it asks for? And what hooks make of its messages.
//!
//! Owns the questions to the chain of hooks after CONNECT, and what a refusal means
//! in each version. Pure.
//!
//! HOT PATH where rules are installed: one call per PUBLISH, one per delivery that is
//! judged; what was decided before is recalled, not asked again.

use std::borrow::Cow;
use std::sync::Arc;

use super::Engine;
use super::clients::Clients;
use super::decisions::{Access, Decision};
use super::deliver::Terms;
use super::input::Flow;
use super::planted::{Fault as Planted, is_planted};
use super::publication::Publication;
use super::publish::Publisher;
use super::questions::Inquest;
use crate::hooks::{
    Client, DeliverRequest, DropReason, Outgoing, Phases, PublishRequest, Question, Ruling,
    Subject, SubscribeRequest, Treatment,
};
use crate::ids::ConnectionId;
use crate::protocol::{PacketType, ProtocolVersion, Publish, ReasonCode, SubscriptionRequest};
use crate::session::answers::Waits;
use crate::session::will::Will;
use crate::time::Timestamp;

/// What a PUBLISH may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// It goes on.
    Go,
    /// It is answered with this and dropped.
    Denied(ReasonCode),
    /// A question is under way: the packet waits.
    Wait,
}

impl Engine {
    /// Whether a client may publish there.
    pub(super) fn judge_publish(
        &mut self,
        id: ConnectionId,
        slot: u32,
        request: &PublishRequest<'_>,
        now: Timestamp,
    ) -> Judgement {
        if !self.chain.phases().any_of(Phases::AUTHORIZE_PUBLISH) {
            return Judgement::Go;
        }
        let answered = self.questions.take_answered(id);
        let generation = self.chain.generation();
        let access = Access::Publish(request.qos, request.retain);
        let Some(profile) = self.clients.profiles.get_mut(slot) else {
            return Judgement::Go;
        };
        let listener = profile.client.listener();
        let asked = self.chain.phases_of(listener);
        if !asked.any_of(Phases::AUTHORIZE_PUBLISH) {
            return Judgement::Go;
        }
        let known = profile
            .decisions
            .recall(generation, access, request.topic, now);
        if answered.is_none()
            && let Some(decision) = known
        {
            return judgement(decision);
        }
        let client = &profile.client;
        let inquest = answered.as_ref().map(|answered| answered.inquest);
        let is_memorable = answered.as_ref().is_none_or(|it| it.is_of(generation));
        let answered = super::admission::verdict_of(answered);
        let busy = ReasonCode::QuotaExceeded;
        let (ruling, place) = self.chain.resume(
            listener,
            Phases::AUTHORIZE_PUBLISH,
            answered,
            busy,
            |hook| hook.authorize_publish(client, request),
        );
        let decision = match ruling {
            Ruling::Ask(place) => {
                let subject = Subject::Hook(place, Question::publish(client, request));
                return match self.ask(id, (place, subject), inquest, busy, now) {
                    Ok(()) => Judgement::Wait,
                    Err(reason) => Judgement::Denied(reason),
                };
            }
            Ruling::Undecided | Ruling::Allow { .. } => Decision::Allow,
            Ruling::Deny(reason) => Decision::Deny(reason),
        };
        if is_memorable {
            let memory = self.chain.memory(listener, place);
            let (topic, decisions) = (request.topic, &mut profile.decisions);
            decisions.remember(generation, access, topic, decision, memory, now);
        }
        judgement(decision)
    }

    /// Authorizes a PUBLISH where rules are installed; tells what becomes of it where
    /// it does not simply go on.
    pub(super) fn judge_packet(
        &mut self,
        from: Publisher,
        topic: &str,
        publish: &Publish<'_>,
        now: Timestamp,
    ) -> Option<Flow> {
        // Whatever hooks make of the message, it finds room: they see it once.
        if !self.may_publish_anywhere() {
            self.clients.stats.paused_publishers += 1;
            self.hold_by_lane(from.id);
            return Some(Flow::Wait);
        }
        let request = PublishRequest::new(topic, publish.qos, publish.retain, false);
        match self.judge_publish(from.id, from.slot, &request, now) {
            Judgement::Go => None,
            Judgement::Wait => Some(Flow::Wait),
            Judgement::Denied(reason) => {
                self.drop_denied(from.slot, topic);
                Some(self.refuse_publish(from, publish, reason))
            }
        }
    }

    /// Lets publish hooks have an authorized message; tells what becomes of its packet
    /// where they stop it.
    pub(super) fn treat_packet<'p>(
        &mut self,
        from: Publisher,
        topic: &'p str,
        publish: &Publish<'p>,
    ) -> Result<Outgoing<'p>, Flow> {
        let properties = match publish.properties.pass_through() {
            Some(whole) => Cow::Borrowed(whole),
            None => {
                let mut picked = Vec::new();
                publish.properties.write_pass_through(&mut picked);
                Cow::Owned(picked)
            }
        };
        let mut message = Outgoing::new(
            topic,
            properties,
            publish.payload,
            publish.qos,
            publish.retain,
            publish.properties.message_expiry_interval,
        );
        match self.treat(from.slot, &mut message) {
            Ok(()) => Ok(message),
            Err(Treatment::Refuse(reason)) => Err(self.refuse_publish(from, publish, reason)),
            Err(_) => Err(self.refuse_publish(from, publish, ReasonCode::Success)),
        }
    }

    /// Answers a PUBLISH that goes nowhere: 5.0 tells why, 3.x can not and tells that
    /// all is well [MQTT-3.3.5-2].
    fn refuse_publish(
        &mut self,
        from: Publisher,
        publish: &Publish<'_>,
        reason: ReasonCode,
    ) -> Flow {
        self.clients.stats.publishes_received += 1;
        let told = if self.version_of(from.id) == ProtocolVersion::V5
            && !is_planted(Planted::DenyInSilence)
        {
            told_publisher(reason)
        } else {
            ReasonCode::Success
        };
        if let Some(packet_id) = publish.packet_id {
            self.owe_acknowledgement(from.slot, packet_id, publish.qos, told, Waits::new());
        }
        Flow::Continue
    }

    /// What is decided about one filter of a SUBSCRIBE; `None` while a question about it
    /// is under way.
    pub(super) fn judge_filter(
        &mut self,
        id: ConnectionId,
        slot: u32,
        request: &SubscriptionRequest<'_>,
        inquest: &mut Option<Inquest>,
        now: Timestamp,
    ) -> Option<Decision> {
        if !self.chain.phases().any_of(Phases::AUTHORIZE_SUBSCRIBE) {
            return Some(Decision::Allow);
        }
        let answered = self.questions.take_answered(id);
        if let Some(answered) = &answered {
            *inquest = Some(answered.inquest);
        }
        let answered = super::admission::verdict_of(answered);
        let Some(profile) = self.clients.profiles.get(slot) else {
            return Some(Decision::Allow);
        };
        let client = Arc::clone(&profile.client);
        let busy = ReasonCode::QuotaExceeded;
        let wanted = SubscribeRequest::new(request.filter, request.options.qos);
        let phase = Phases::AUTHORIZE_SUBSCRIBE;
        let listener = client.listener();
        let (ruling, _) = self.chain.resume(listener, phase, answered, busy, |hook| {
            hook.authorize_subscribe(&client, &wanted)
        });
        Some(match ruling {
            Ruling::Allow { filtered: true, .. } => Decision::AllowFiltered,
            Ruling::Undecided | Ruling::Allow { .. } => Decision::Allow,
            Ruling::Deny(reason) if reason.is_legal_in(PacketType::SubAck) => {
                Decision::Deny(reason)
            }
            Ruling::Deny(_) => Decision::Deny(ReasonCode::NotAuthorized),
            Ruling::Ask(place) => {
                let subject = Subject::Hook(place, Question::subscribe(&client, &wanted));
                match self.ask(id, (place, subject), *inquest, busy, now) {
                    Ok(()) => return None,
                    Err(reason) => Decision::Deny(reason),
                }
            }
        })
    }

    /// Lets hooks alter a message; tells why it goes no further, if so.
    pub(super) fn treat(&mut self, slot: u32, message: &mut Outgoing<'_>) -> Result<(), Treatment> {
        let Some(profile) = self.clients.profiles.get(slot) else {
            return Ok(());
        };
        let client = Arc::clone(&profile.client);
        let treatment = self.chain.treat(&client, message);
        if treatment == Treatment::Next {
            return Ok(());
        }
        self.clients.stats.dropped_by_hook += 1;
        self.clients
            .tell_dropped(&client, message.topic(), DropReason::Treated);
        Err(treatment)
    }

    /// Counts and tells of a message that its publisher may not publish.
    pub(super) fn drop_denied(&mut self, slot: u32, topic: &str) {
        self.clients.stats.denied_publishes += 1;
        if let Some(profile) = self.clients.profiles.get(slot) {
            let client = Arc::clone(&profile.client);
            self.clients
                .tell_dropped(&client, topic, DropReason::PublishDenied);
        }
    }

    /// A will is due: it is authorized once more and treated like any message. A rule
    /// that needs time has decided at CONNECT, and that stands.
    pub(super) fn judge_will(&mut self, slot: u32, will: Will) -> Option<Will> {
        let phases = Phases::AUTHORIZE_PUBLISH | Phases::PUBLISH;
        if !self.chain.phases().any_of(phases) {
            return Some(will);
        }
        let Some(profile) = self.clients.profiles.get(slot) else {
            return Some(will);
        };
        let client = Arc::clone(&profile.client);
        let message = will.message();
        let request = PublishRequest::new(message.topic(), message.qos, message.retain, true);
        let phase = Phases::AUTHORIZE_PUBLISH;
        let (ruling, _) = self.chain.rule(client.listener(), phase, |hook| {
            hook.authorize_publish(&client, &request)
        });
        if matches!(ruling, Ruling::Deny(_)) {
            self.drop_denied(slot, will.topic());
            return None;
        }
        if !self.chain.phases().any_of(Phases::PUBLISH) {
            return Some(will);
        }
        let mut outgoing = Outgoing::of(message, will.expiry_interval());
        self.treat(slot, &mut outgoing).ok()?;
        let altered = crate::message::Message::new(
            outgoing.topic(),
            outgoing.raw_properties(),
            outgoing.payload(),
            outgoing.qos(),
            outgoing.retain(),
            None,
        );
        let expiry = outgoing.expiry();
        Some(will.altered(altered, expiry))
    }

    /// Whether a client may not have the subscriptions of this session: they were granted
    /// to another one, and some rule for this one can say no only when it subscribes.
    pub(super) fn has_to_subscribe_anew(&self, slot: u32, client: &Client) -> bool {
        let before = self.clients.profiles.get(slot);
        self.chain.grants_for_good(client.listener())
            && before.is_some_and(|before| !before.client.is_same_as(client))
    }

    /// The client of a session is another one to the rules, by its listener or by its
    /// name: what was granted before is looked at again with each delivery.
    pub(super) fn judge_anew(&mut self, slot: u32, client: &Client) {
        let before = self.clients.profiles.get(slot);
        if self.clients.judges_deliveries
            && before.is_some_and(|before| !before.client.is_judged_like(client))
        {
            self.clients.profiles.filter(slot);
        }
    }

    /// The rules have changed: what was decided by the old ones is forgotten, and
    /// deliveries of subscriptions that they granted are judged from now on.
    pub fn handle_reload(&mut self) {
        if self.clients.judges_deliveries {
            let chain = &self.chain;
            self.clients.profiles.filter_where(|client| {
                let phases = chain.phases_of(client.listener());
                phases.any_of(Phases::DELIVER | Phases::DELIVER_FILTERED)
            });
        }
    }
}

impl Clients {
    /// Whether deliveries to a session have to be judged one by one.
    pub(super) fn judges_deliveries_to(&self, slot: u32) -> bool {
        self.judges_deliveries && (self.profiles.is_filtered(slot) || self.judges_all_to(slot))
    }

    /// The same whatever was granted: a hook of its client's listener wants to see each.
    fn judges_all_to(&self, slot: u32) -> bool {
        self.chain.phases().any_of(Phases::DELIVER)
            && self.profiles.get(slot).is_some_and(|profile| {
                let phases = self.chain.phases_of(profile.client.listener());
                phases.any_of(Phases::DELIVER)
            })
    }

    /// Whether a message that waited, in the queue or to be sent again, may still go to its
    /// session: since it was let through, the rules may have changed, or the client.
    pub(super) fn may_still_deliver(
        &mut self,
        publication: &Publication<'_>,
        terms: &Terms<'_>,
        now: Timestamp,
    ) -> bool {
        !self.judges_deliveries
            || !self.profiles.is_filtered(terms.session)
            || self.judge_delivery(publication, terms, now)
    }

    /// Whether a message may go to a session.
    #[inline]
    pub(super) fn may_deliver(
        &mut self,
        publication: &Publication<'_>,
        terms: &Terms<'_>,
        now: Timestamp,
    ) -> bool {
        !self.judges_deliveries_to(terms.session) || self.judge_delivery(publication, terms, now)
    }

    fn judge_delivery(
        &mut self,
        publication: &Publication<'_>,
        terms: &Terms<'_>,
        now: Timestamp,
    ) -> bool {
        let all = self.judges_all_to(terms.session);
        let phases = if all {
            Phases::DELIVER | Phases::DELIVER_FILTERED
        } else {
            Phases::DELIVER_FILTERED
        };
        let Some(profile) = self.profiles.get_mut(terms.session) else {
            return true;
        };
        let topic = publication.topic;
        let qos = terms.qos.min(publication.qos);
        let retain = terms.retains(publication);
        let access = Access::Deliver(qos, retain);
        let generation = self.chain.generation();
        let decision = profile
            .decisions
            .recall(generation, access, topic, now)
            .unwrap_or_else(|| {
                let request = DeliverRequest::new(topic, qos, retain);
                let client = &profile.client;
                let (ruling, place) = self.chain.rule(client.listener(), phases, |hook| {
                    hook.deliver(client, &request)
                });
                let decision = match ruling {
                    Ruling::Undecided | Ruling::Allow { .. } => Decision::Allow,
                    Ruling::Deny(reason) => Decision::Deny(reason),
                    Ruling::Ask(_) => Decision::Deny(ReasonCode::NotAuthorized),
                };
                let memory = self.chain.memory(client.listener(), place);
                let decisions = &mut profile.decisions;
                decisions.remember(generation, access, topic, decision, memory, now);
                decision
            });
        !matches!(decision, Decision::Deny(_))
    }

    /// Counts and tells of a message that a session may not have.
    pub(super) fn count_denied_delivery(&mut self, slot: u32, topic: &str) {
        self.stats.denied_deliveries += 1;
        self.tell_session_dropped(slot, topic, DropReason::DeliverDenied);
    }

    /// Tells hooks of a message that was dropped.
    pub(super) fn tell_dropped(&self, client: &Client, topic: &str, reason: DropReason) {
        self.chain.tell(client.listener(), Phases::DROPPED, |hook| {
            hook.dropped(client, topic, reason);
        });
    }

    /// The same, where a session's drop is told only if anybody listens.
    pub(super) fn tell_session_dropped(&self, slot: u32, topic: &str, reason: DropReason) {
        if self.chain.phases().any_of(Phases::DROPPED)
            && let Some(profile) = self.profiles.get(slot)
        {
            self.tell_dropped(&profile.client, topic, reason);
        }
    }
}

fn judgement(decision: Decision) -> Judgement {
    match decision {
        Decision::Allow | Decision::AllowFiltered => Judgement::Go,
        Decision::Deny(reason) => Judgement::Denied(told_publisher(reason)),
    }
}

/// A reason that PUBACK and PUBREC can carry [MQTT-3.4.2-1].
fn told_publisher(reason: ReasonCode) -> ReasonCode {
    if reason.is_legal_in(PacketType::PubAck) {
        reason
    } else {
        ReasonCode::NotAuthorized
    }
}
