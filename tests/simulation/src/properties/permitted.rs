//! What hooks refuse does not happen, what they allow does, and each client is told
//! what its version can say of it [MQTT-3.3.5-2, MQTT-3.2.2-8, MQTT-3.9.3-2]; of
//! several CONNECTs for one client the newest wins; and whoever is not read from
//! waits for an answer.
//!
//! Allowances: where the rules changed while a packet was under way, either set of
//! them counts; where an answer was late, never came, or broke down, the answer is no,
//! for whatever of its kind waited then.

use ringmq::protocol::{PacketType, ProtocolVersion, ReasonCode};

use crate::client::Role;
use crate::history::{MessageId, When};
use crate::plan::Feature;
use crate::rules::{Opinion, Wish};
use crate::stream::Place;
use crate::world::World;

/// What rules say of something that took its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Yes.
    Granted,
    /// Yes or no, in which case for one of these reasons.
    Open(Vec<ReasonCode>),
    /// No, for one of these reasons.
    Refused(Vec<ReasonCode>),
}

/// The reasons told where a question found no answer.
const UNANSWERED: [ReasonCode; 4] = [
    ReasonCode::NotAuthorized,
    ReasonCode::ImplementationSpecific,
    ReasonCode::QuotaExceeded,
    ReasonCode::ServerBusy,
];

impl World {
    /// The generations of the rules that were in force from `from` to `to`.
    fn generations(&self, from: When, to: When) -> impl Iterator<Item = u64> + use<> {
        let before = |moment: When| self.reloads.iter().filter(|&&at| at <= moment).count() as u64;
        before(from)..=before(to)
    }

    /// What the rules say of a client's wish.
    fn permission(&self, client: usize, wish: &Wish, from: When, to: When) -> Permission {
        let name = &self.clients[client].name;
        let (mut yes, mut reasons) = (false, Vec::new());
        for generation in self.generations(from, to) {
            match self.rules.opinion(name, wish, generation) {
                Opinion::Deny(reason) => reasons.push(reason),
                Opinion::Panic => reasons.push(ReasonCode::ImplementationSpecific),
                Opinion::None | Opinion::Allow | Opinion::AllowFiltered => yes = true,
            }
        }
        if self.was_let_down(client, wish, from, to) {
            reasons.extend(UNANSWERED);
        }
        match (yes, reasons.is_empty()) {
            (true, true) => Permission::Granted,
            (true, false) => Permission::Open(reasons),
            (false, _) => Permission::Refused(reasons),
        }
    }

    /// Whether a message may be published, judged from its arrival on.
    pub fn may_publish(&self, message: MessageId, to: When) -> Permission {
        let record = &self.history.messages[message as usize];
        if !self.has(Feature::JudgePublishes) {
            return Permission::Granted;
        }
        let (from, wish) = if record.is_will {
            (self.history.links[record.stream].arrived, Wish::Will)
        } else {
            (record.arrived, Wish::Publish(record.topic.clone()))
        };
        self.permission(record.publisher, &wish, from.unwrap_or_default(), to)
    }

    /// Whether a message was certainly published: its publisher was told so, or
    /// nothing speaks against it.
    pub fn was_published(&self, message: MessageId, until: When) -> bool {
        let record = &self.history.messages[message as usize];
        let is_told = self.clients[record.publisher].version == ProtocolVersion::V5;
        (is_told && record.acked.is_some())
            || self.may_publish(message, until) == Permission::Granted
    }

    /// Whether a subscription may be made.
    pub fn may_subscribe(&self, entry: usize, to: When) -> Permission {
        let subscription = &self.history.subscriptions[entry];
        if !self.has(Feature::JudgeSubscribes) {
            return Permission::Granted;
        }
        let wish = Wish::Subscribe(subscription.filter.clone());
        let from = subscription.requested.unwrap_or_default();
        self.permission(subscription.client, &wish, from, to)
    }

    /// Whether a client may receive what was published to a topic.
    pub fn may_receive(&self, client: usize, topic: &str, from: When, to: When) -> Permission {
        if !self.has(Feature::JudgeDeliveries) {
            return Permission::Granted;
        }
        let wish = Wish::Deliver(topic.to_owned());
        self.permission(client, &wish, from, to)
    }

    /// Whether a connection may be let in.
    fn may_connect(&self, stream: usize, to: When) -> Permission {
        let link = &self.history.links[stream];
        let from = link.arrived.unwrap_or_default();
        let mut wishes = Vec::new();
        if let Some(user) = link.user.clone() {
            wishes.extend([Wish::Connect(user.clone()), Wish::Authenticate(user)]);
        }
        if link.will.is_some() && self.has(Feature::JudgePublishes) {
            wishes.push(Wish::Will);
        }
        let mut sum = Permission::Granted;
        for wish in wishes {
            let mut next = self.permission(link.client, &wish, from, to);
            if matches!(&wish, Wish::Authenticate(user) if user.starts_with("stranger")) {
                // Nobody knows him, and somebody knows others.
                let mut reasons = vec![stranger(link.version)];
                if let Permission::Open(more) = next {
                    reasons.extend(more);
                }
                next = Permission::Refused(reasons);
            }
            sum = match (sum, next) {
                (Permission::Open(mut reasons), Permission::Refused(more)) => {
                    reasons.extend(more);
                    Permission::Refused(reasons)
                }
                (Permission::Open(mut reasons), Permission::Open(more)) => {
                    reasons.extend(more);
                    Permission::Open(reasons)
                }
                (Permission::Granted, next) => next,
                // What is asked first decides.
                (sum, _) => sum,
            };
        }
        sum
    }

    /// CONNACK says no.
    pub fn check_refusal(&mut self, stream: usize, reason: ReasonCode) {
        let when = self.history.when(self.now);
        let version = self.history.links[stream].version;
        let mut reasons = match self.may_connect(stream, when) {
            Permission::Granted => Vec::new(),
            Permission::Open(reasons) | Permission::Refused(reasons) => reasons,
        };
        let busy = told_in_connack(version, ReasonCode::ServerBusy);
        // Whether a later one was let in shows when that one's CONNACK leaves.
        let is_expected = reasons
            .iter()
            .any(|&why| told_in_connack(version, why) == busy);
        self.history.links[stream].overtaken = reason == busy && !is_expected && !self.stopping;
        if self.plan.has_hooks() {
            reasons.push(ReasonCode::ServerBusy);
        }
        if self.stopping {
            reasons.push(ReasonCode::ServerUnavailable);
        }
        if !reasons
            .iter()
            .any(|&why| told_in_connack(version, why) == reason)
        {
            self.violate("permitted", || {
                format!("stream {stream} is refused with {reason:?}; expected of {reasons:?}")
            });
        }
        self.history.links[stream].refused = true;
    }

    /// CONNACK says yes.
    pub fn check_admission(&mut self, stream: usize) {
        let when = self.history.when(self.now);
        if let Permission::Refused(reasons) = self.may_connect(stream, when) {
            self.violate("permitted", || {
                format!("stream {stream} is let in in spite of {reasons:?}")
            });
        }
        if self.stopping {
            self.violate("permitted", || {
                format!("stream {stream} is let in during the stop")
            });
        }
        let client = self.history.links[stream].client;
        let live = self.history.live[client];
        // Where visits are cut short, packets are not handled in the order they came in.
        let in_order = !self.has(Feature::SmallBudgets) && !self.has(Feature::SmallVisits);
        if let Some(live) = live
            && in_order
            && self.history.links[live].ended.is_none()
            && self.history.links[live].goodbye.is_none()
            && self.history.links[live].came_home > self.history.links[stream].came_home
        {
            self.violate("permitted", || {
                format!("stream {stream} takes stream {live} over, which came later")
            });
        }
    }

    /// Whether a CONNECT of the same client that came later was let in.
    fn is_overtaken(&self, stream: usize) -> bool {
        let link = &self.history.links[stream];
        let in_order = !self.has(Feature::SmallBudgets) && !self.has(Feature::SmallVisits);
        self.history.links.iter().any(|other| {
            let later = other.came_home > link.came_home || !in_order;
            other.client == link.client && other.accepted.is_some() && later
        })
    }

    /// PUBACK or PUBREC leaves.
    pub fn check_acknowledgement(&mut self, stream: usize, message: MessageId, told: ReasonCode) {
        let version = self.history.links[stream].version;
        if !self.has(Feature::JudgePublishes) || version != ProtocolVersion::V5 {
            return;
        }
        let when = self.history.when(self.now);
        let permission = self.may_publish(message, when);
        self.check_told(
            "message",
            message as usize,
            PacketType::PubAck,
            &permission,
            told,
        );
    }

    /// SUBACK leaves: what it says of one filter.
    pub fn check_subscribed(&mut self, stream: usize, entry: usize, told: u8) {
        let version = self.history.links[stream].version;
        let when = self.history.when(self.now);
        let permission = self.may_subscribe(entry, when);
        let subscription = &self.history.subscriptions[entry];
        let granted = told < 0x80;
        if granted && told != subscription.qos as u8 {
            self.violate("permitted", || {
                format!("subscription {entry} got QoS {told}")
            });
        }
        let told = match ReasonCode::try_from(told) {
            _ if granted => ReasonCode::Success,
            // Before 5.0 there is one number for all reasons.
            Ok(ReasonCode::UnspecifiedError) if version != ProtocolVersion::V5 => match &permission
            {
                Permission::Open(reasons) | Permission::Refused(reasons) => {
                    told_in(PacketType::SubAck, reasons[0])
                }
                Permission::Granted => ReasonCode::UnspecifiedError,
            },
            Ok(reason) => reason,
            Err(_) => ReasonCode::UnspecifiedError,
        };
        self.check_told("subscription", entry, PacketType::SubAck, &permission, told);
    }

    fn check_told(
        &mut self,
        what: &str,
        number: usize,
        packet: PacketType,
        permission: &Permission,
        told: ReasonCode,
    ) {
        let no = told.is_error();
        let is_right = match permission {
            Permission::Granted => !no,
            Permission::Open(_) if !no => true,
            Permission::Open(reasons) | Permission::Refused(reasons) => {
                reasons.iter().any(|&why| told_in(packet, why) == told)
            }
        };
        if !is_right {
            self.violate("permitted", || {
                format!("{what} {number} is answered with {told:?}; it is {permission:?}")
            });
        }
    }

    /// Nothing that was refused was delivered.
    pub fn check_permitted(&mut self) {
        if !self.plan.has_hooks() {
            return;
        }
        let overtaken = |stream: &usize| self.history.links[*stream].overtaken;
        let mut streams = (0..self.history.links.len()).filter(overtaken);
        if let Some(stream) = streams.find(|&stream| !self.is_overtaken(stream)) {
            self.violate("permitted", || {
                format!("stream {stream} is refused as if a later one had been let in")
            });
            return;
        }
        let wrong = self.history.deliveries.iter().find_map(|delivery| {
            let message = delivery.message?;
            let record = &self.history.messages[message as usize];
            let from = if record.is_will {
                self.history.links[record.stream].arrived
            } else {
                record.arrived
            };
            let from = from.unwrap_or_default();
            let publish = self.may_publish(message, delivery.left);
            let receive = self.may_receive(delivery.client, &record.topic, from, delivery.left);
            let refused = |permission: &Permission| matches!(permission, Permission::Refused(_));
            let left = delivery.left.step;
            if refused(&publish) {
                return Some(format!("{message} @{left} was not to be published"));
            }
            refused(&receive)
                .then(|| format!("{message} @{left} was not for client {}", delivery.client))
        });
        if let Some(what) = wrong {
            self.violate("permitted", || format!("message {what}"));
        }
    }

    /// At the end of a turn with nothing left over: who is not read from has a question
    /// open. Nobody else waits for anybody's answer.
    pub fn check_only_askers_wait(&mut self, shard: usize) {
        let other_reasons = [
            Feature::SmallOutboxes,
            Feature::SmallLanes,
            Feature::SlowReaders,
            Feature::Vanish,
            Feature::MeshStalls,
        ];
        if self.stopping || !self.plan.has_hooks() || other_reasons.iter().any(|&f| self.has(f)) {
            return;
        }
        for stream in self.streams_at(shard) {
            let Place::Shard(_, id) = self.streams[stream].place else {
                continue;
            };
            let client = self.streams[stream].client;
            let open = self.history.is_open(stream) && self.streams[stream].linger.is_none();
            if open && !self.engines[shard].wants_read(id) && !self.may_wait(client) {
                self.violate("permitted", || {
                    format!("stream {stream} of client {client} waits and nobody was asked")
                });
            }
        }
    }

    /// The user name that a client gives: some are let in, others are not.
    pub fn choose_user(&mut self, client: usize) -> Option<String> {
        if !self.has(Feature::JudgeConnects) {
            return None;
        }
        let looks_on = matches!(self.clients[client].role, Role::Watcher | Role::Probe);
        let kind = match self.random.below(100) {
            _ if self.healed || self.parting || looks_on => "good",
            0..8 => "banned",
            8..16 => "intruder",
            16..24 => "stranger",
            24..28 if self.has(Feature::BrokenHooks) => "crash",
            _ => "good",
        };
        Some(format!("{kind}-{}", self.random.below(6)))
    }
}

/// How an unknown name is refused: before 5.0 as one that is not authorized.
fn stranger(version: ProtocolVersion) -> ReasonCode {
    match version {
        ProtocolVersion::V5 => ReasonCode::BadUserNameOrPassword,
        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => ReasonCode::NotAuthorized,
    }
}

/// A reason as an answer to a packet can say it.
fn told_in(packet: PacketType, reason: ReasonCode) -> ReasonCode {
    if reason.is_legal_in(packet) {
        reason
    } else {
        ReasonCode::NotAuthorized
    }
}

/// A reason as CONNACK can say it.
fn told_in_connack(version: ProtocolVersion, reason: ReasonCode) -> ReasonCode {
    let reason = told_in(PacketType::ConnAck, reason);
    match (version, reason) {
        (ProtocolVersion::V5, reason) => reason,
        (_, ReasonCode::BadUserNameOrPassword) => ReasonCode::BadUserNameOrPassword,
        (_, ReasonCode::NotAuthorized | ReasonCode::Banned) => ReasonCode::NotAuthorized,
        _ => ReasonCode::ServerUnavailable,
    }
}
