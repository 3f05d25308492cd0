//! PUBLISH: a message from a client goes to everybody who wants it, on every shard.
//!
//! Owns the order of it: what the packet may say, admission, retained store, this
//! shard's subscribers, its groups, other shards, answer. Pure.
//!
//! HOT PATH: one call per PUBLISH. A QoS 0 message that stays on this shard is
//! matched and copied into out-buffers straight from the receive buffer.

use std::rc::Rc;

use smallvec::SmallVec;

use super::Engine;
use super::burst::Burst;
use super::input::{Fault, Flow, Visit};
use super::peer::{PeerItem, RANK_GROUP, RANK_PUBLISH};
use super::planted::{Fault as Planted, is_planted};
use super::publication::Publication;
use crate::hooks::Phases;
use crate::ids::{ConnectionId, ShardId};
use crate::message::Message;
use crate::protocol::{PacketId, ProtocolVersion, Publish, QoS, ReasonCode};
use crate::routing::Stamp;
use crate::session::answers::{Answer, Waits};
use crate::session::inbound::Receipt;
use crate::time::Timestamp;

/// The phases that look at a PUBLISH before it goes out.
const JUDGING: Phases = Phases::AUTHORIZE_PUBLISH.with(Phases::PUBLISH);

/// Shards that a publication goes to.
pub(super) type Targets = SmallVec<[ShardId; 16]>;

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publisher {
    pub(super) id: ConnectionId,
    /// Its session.
    pub(super) slot: u32,
}

impl Engine {
    /// A PUBLISH packet of a connected client.
    pub(super) fn on_publish<'a>(
        &mut self,
        id: ConnectionId,
        slot: u32,
        publish: &Publish<'a>,
        burst: &mut Burst<'a>,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        if !publish.properties.subscription_ids.is_empty() {
            return Err(ReasonCode::ProtocolError); // [MQTT-3.3.4-6]
        }
        let from = Publisher { id, slot };
        let Some(alias) = publish.properties.topic_alias else {
            return self.publish_to(publish.topic, from, publish, burst, visit, now);
        };
        if alias.get() > self.limits.max_topic_alias {
            return Err(ReasonCode::TopicAliasInvalid); // [MQTT-3.3.2-9]
        }
        let Some(connection) = self.clients.open_connection(id) else {
            return Ok(Flow::Stop);
        };
        // Taken out, so that the topic is borrowed from it and not copied.
        let mut aliases = connection.inbound_aliases.take().unwrap_or_default();
        if !publish.topic.is_empty() {
            aliases.set(alias, publish.topic);
        }
        let outcome = match aliases.get(alias) {
            Some(topic) => {
                self.deliver_burst(burst, now);
                let mut alone = Burst::default();
                let outcome = self.publish_to(topic, from, publish, &mut alone, visit, now);
                self.deliver_burst(&mut alone, now);
                outcome
            }
            None => Err(ReasonCode::ProtocolError),
        };
        if let Some(connection) = self.clients.open_connection(id) {
            connection.inbound_aliases = Some(aliases);
        }
        outcome
    }

    fn publish_to<'a>(
        &mut self,
        topic: &'a str,
        from: Publisher,
        publish: &Publish<'a>,
        burst: &mut Burst<'a>,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        if !self.topic_within_limits(topic) {
            return Err(ReasonCode::TopicNameInvalid);
        }
        if let Some(flow) = self.settle_repeated(from.slot, publish)? {
            return Ok(flow);
        }
        if self.stopping {
            self.hold(from.id, |held| held.by_stop = true);
            return Ok(Flow::Wait);
        }
        if self.chain.phases().any_of(JUDGING) {
            if let Some(flow) = self.judge_packet(from, topic, publish, now) {
                return Ok(flow);
            }
            if self.chain.phases().any_of(Phases::PUBLISH) {
                return Ok(self.publish_treated(topic, from, publish, burst, visit, now));
            }
        }
        let Some(targets) = self.admit_publication(topic, publish.retain) else {
            self.clients.stats.paused_publishers += 1;
            self.hold_by_lane(from.id);
            return Ok(Flow::Wait);
        };
        self.clients.stats.publishes_received += 1;
        let expires_at = publish
            .properties
            .message_expiry_interval
            .map(|s| now.plus_seconds(s));
        let reply = (publish.packet_id, publish.qos);
        if let Some(properties) = publish.properties.pass_through() {
            let publication = publication(topic, properties, publish, expires_at);
            if self.accept(&publication, from, reply, &targets, visit, now) {
                visit.spend(self.gather(burst, publication, from.slot, now));
            }
        } else {
            let mut properties = Vec::new();
            publish.properties.write_pass_through(&mut properties);
            self.deliver_burst(burst, now);
            let mut alone = Burst::default();
            let publication = publication(topic, &properties, publish, expires_at);
            if self.accept(&publication, from, reply, &targets, visit, now) {
                visit.spend(self.gather(&mut alone, publication, from.slot, now));
            }
            self.deliver_burst(&mut alone, now);
        }
        Ok(Flow::Continue)
    }

    /// A message that hooks may alter. One that they have altered is a message of its own
    /// from then on.
    fn publish_treated<'a>(
        &mut self,
        topic: &'a str,
        from: Publisher,
        publish: &Publish<'a>,
        burst: &mut Burst<'a>,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Flow {
        let message = match self.treat_packet(from, topic, publish) {
            Ok(message) => message,
            Err(flow) => return flow,
        };
        let expires_at = message.expiry().map(|seconds| now.plus_seconds(seconds));
        let Some(targets) = self.admit_publication(message.topic(), message.retain()) else {
            debug_assert!(false, "every lane had credit before hooks saw the message");
            self.hold_by_lane(from.id);
            return Flow::Wait;
        };
        self.clients.stats.publishes_received += 1;
        let reply = (publish.packet_id, publish.qos);
        let (qos, retain) = (message.qos(), message.retain());
        if let Some((topic, properties, payload)) = message.as_written() {
            let same = Publication::new(topic, properties, payload, qos, retain, expires_at);
            if self.accept(&same, from, reply, &targets, visit, now) {
                visit.spend(self.gather(burst, same, from.slot, now));
            }
        } else {
            let altered = Rc::new(Message::new(
                message.topic(),
                message.raw_properties(),
                message.payload(),
                qos,
                retain,
                expires_at,
            ));
            let publication = Publication::of(&altered);
            if self.accept(&publication, from, reply, &targets, visit, now) {
                visit.spend(self.gather_message(burst, altered, Some(from.slot), now));
            }
        }
        Flow::Continue
    }

    /// A publication is taken on: stored, sent on, and answered. True when this shard's
    /// subscribers are to have it, too.
    fn accept(
        &mut self,
        publication: &Publication<'_>,
        from: Publisher,
        (packet_id, qos): (Option<PacketId>, QoS),
        targets: &[ShardId],
        visit: &mut Visit,
        now: Timestamp,
    ) -> bool {
        let retained = self.retain_or_refuse(publication);
        // Who can not be told of a refusal gets his message delivered, though not
        // retained: an acknowledgement is always a positive one [MQTT-3.3.5-2].
        let told = qos > QoS::AtMostOnce && self.version_of(from.id) == ProtocolVersion::V5;
        let reason = if told { retained } else { ReasonCode::Success };
        let mut waits = Waits::new();
        if !reason.is_error() {
            let stamp = self.keep_retained(publication, retained, now);
            self.send_to_peers(publication, targets, stamp, &mut waits);
            if !self.groups.is_empty() {
                visit.spend(self.publish_to_groups(publication, &mut waits, now));
            }
        }
        if let Some(packet_id) = packet_id {
            self.owe_acknowledgement(from.slot, packet_id, qos, reason, waits);
        }
        !reason.is_error()
    }

    /// Whether a topic name or filter stays within our bounds.
    pub(super) fn topic_within_limits(&self, topic: &str) -> bool {
        topic.len() <= self.limits.max_topic_bytes
            // A topic without room for that many separators needs no count.
            && (topic.len() < self.limits.max_topic_levels
                || memchr::memchr_iter(b'/', topic.as_bytes()).count()
                    < self.limits.max_topic_levels)
    }

    /// A QoS 2 packet identifier that is open already is answered, not published
    /// again [MQTT-4.3.3-10]; more than the receive maximum is a fault [MQTT-3.3.4-9].
    fn settle_repeated(&mut self, slot: u32, publish: &Publish<'_>) -> Result<Option<Flow>, Fault> {
        let Some(packet_id) = publish.packet_id else {
            return Ok(None);
        };
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return Ok(Some(Flow::Stop));
        };
        if publish.qos == QoS::ExactlyOnce && !is_planted(Planted::PublishTwice) {
            match session.inbound.peek(packet_id) {
                Receipt::New => {}
                Receipt::Open => return Ok(Some(Flow::Continue)),
                Receipt::Answered => {
                    let answer = Answer::PubRec(packet_id, ReasonCode::Success);
                    self.owe(slot, Waits::new(), answer);
                    return Ok(Some(Flow::Continue));
                }
            }
        }
        if session.inbound.is_exhausted() {
            return Err(ReasonCode::ReceiveMaximumExceeded);
        }
        Ok(None)
    }

    /// The other shards a publication goes to, if every lane concerned has credit.
    /// Groups that live here may send on to any shard, so that all are concerned.
    pub(super) fn admit_publication(&self, topic: &str, retain: bool) -> Option<Targets> {
        let mut targets = Targets::new();
        if !self.has_peers() {
            return Some(targets);
        }
        if retain {
            targets.extend(self.peers());
        } else {
            self.interest.interested(topic, |shard| targets.push(shard));
        }
        let admitted = targets
            .iter()
            .all(|shard| self.lanes[shard.index()].has_credit(RANK_PUBLISH))
            && self.groups_may_send();
        admitted.then_some(targets)
    }

    /// Whether a group that lives here may choose a member on any shard.
    pub(super) fn groups_may_send(&self) -> bool {
        self.groups.is_empty()
            || self
                .peers()
                .all(|shard| self.lanes[shard.index()].has_credit(RANK_GROUP))
    }

    /// Whether a message finds room whatever its topic.
    pub(super) fn may_publish_anywhere(&self) -> bool {
        self.peers()
            .all(|shard| self.lanes[shard.index()].has_credit(RANK_PUBLISH))
            && self.groups_may_send()
    }

    /// All shards but this one.
    pub(super) fn peers(&self) -> impl Iterator<Item = ShardId> + use<> {
        let (own, count) = (self.shard, self.lanes.len());
        (0..u16::try_from(count).unwrap_or(u16::MAX))
            .map(ShardId)
            .filter(move |&s| s != own)
    }

    /// Whether a message to be retained finds room; the shard that publishes it
    /// decides for all, so that they stay alike.
    pub(super) fn retain_or_refuse(&mut self, publication: &Publication<'_>) -> ReasonCode {
        if !publication.retain || publication.payload.is_empty() {
            return ReasonCode::Success;
        }
        let bytes =
            publication.topic.len() + publication.properties.len() + publication.payload.len();
        let (messages, total) = (
            self.limits.max_retained_messages,
            self.limits.max_retained_bytes,
        );
        if self
            .retained
            .has_room(publication.topic, bytes, messages, total)
        {
            return ReasonCode::Success;
        }
        self.clients.stats.dropped_retained_full += 1;
        ReasonCode::QuotaExceeded
    }

    /// Stores a retained message here; its stamp makes every other shard decide alike.
    pub(super) fn keep_retained(
        &mut self,
        publication: &Publication<'_>,
        reason: ReasonCode,
        now: Timestamp,
    ) -> Option<Stamp> {
        if !publication.retain || reason.is_error() {
            return None;
        }
        self.stamps += 1;
        let stamp = Stamp {
            millis: now.as_millis(),
            shard: self.shard,
            sequence: self.stamps,
        };
        self.retained.store(Rc::clone(publication.keep()), stamp);
        self.plan_sweep(now);
        Some(stamp)
    }

    /// Delivers to this shard's subscribers and to the groups that live here.
    /// Returns the work that it was, in deliveries.
    pub(super) fn fan_out(
        &mut self,
        publication: &Publication<'_>,
        publisher: Option<u32>,
        waits: &mut Waits,
        now: Timestamp,
    ) -> usize {
        let work = self.deliver_here(std::slice::from_ref(publication), publisher, now);
        if self.groups.is_empty() {
            work
        } else {
            work + self.publish_to_groups(publication, waits, now)
        }
    }

    /// Sends a message once to each shard that wants it.
    pub(super) fn send_to_peers(
        &mut self,
        publication: &Publication<'_>,
        targets: &[ShardId],
        stamp: Option<Stamp>,
        waits: &mut Waits,
    ) {
        for shard in targets {
            if is_planted(Planted::SkipLastShard) && Some(shard) == targets.last() {
                continue;
            }
            let message = Message::clone(publication.keep());
            waits.push(self.lanes[shard.index()].push(PeerItem::Publish { message, stamp }));
        }
    }

    /// PUBACK or PUBREC, once every shard concerned has the message.
    pub(super) fn owe_acknowledgement(
        &mut self,
        slot: u32,
        packet_id: PacketId,
        qos: QoS,
        reason: ReasonCode,
        waits: Waits,
    ) {
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        let answer = if qos == QoS::ExactlyOnce {
            session.inbound.store(packet_id);
            Answer::PubRec(packet_id, reason)
        } else {
            session.inbound.open();
            Answer::PubAck(packet_id, reason)
        };
        self.owe(slot, waits, answer);
    }
}

/// What a PUBLISH says, with the topic that its alias may stand for.
fn publication<'p>(
    topic: &'p str,
    properties: &'p [u8],
    publish: &Publish<'p>,
    expires_at: Option<Timestamp>,
) -> Publication<'p> {
    Publication::new(
        topic,
        properties,
        publish.payload,
        publish.qos,
        publish.retain,
        expires_at,
    )
}
