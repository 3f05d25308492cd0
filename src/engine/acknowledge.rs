//! PUBACK, PUBREC, PUBREL, PUBCOMP: in both directions.
//!
//! Owns nothing; the session knows where each delivery stands. Pure.
//!
//! HOT PATH: one call per QoS 1/2 delivery; many acknowledgements of one visit
//! refill the window in one go.

use super::Engine;
use super::limits::OWED_ANSWERS_MAX;
use super::planted::{Fault as Planted, is_planted};
use crate::ids::ConnectionId;
use crate::protocol::{
    Acknowledge, Packet, PacketId, ProtocolVersion, ReasonCode, ReasonProperties,
};
use crate::session::answers::{Answer, Waits};
use crate::session::outbound::{Acknowledged, Phase};
use crate::time::Timestamp;

impl Engine {
    /// The client answered a PUBLISH or PUBREL of ours.
    pub(super) fn on_acknowledged(
        &mut self,
        id: ConnectionId,
        slot: u32,
        ack: &Acknowledge<'_>,
        awaited: Phase,
        now: Timestamp,
    ) {
        let packet_id = ack.packet_id;
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        match session
            .outbound
            .acknowledge(packet_id, awaited, ack.reason.is_error())
        {
            Acknowledged::Complete(_) => self.pump_session(id, slot, now),
            Acknowledged::Release => {
                self.clients
                    .send_release(id, packet_id, ReasonCode::Success);
            }
            Acknowledged::Unknown if awaited == Phase::AwaitPubRec && !ack.reason.is_error() => {
                // PUBREL is repeated; an unknown identifier is released as well, so
                // that the client's side of it can end (MQTT 5.0, section 3.6.2.1).
                let known = session.outbound.awaits_completion(packet_id);
                let reason = if known {
                    ReasonCode::Success
                } else {
                    ReasonCode::PacketIdentifierNotFound
                };
                self.clients.send_release(id, packet_id, reason);
            }
            Acknowledged::Unknown => {}
        }
    }

    /// The client released a QoS 2 message of its own [MQTT-4.3.3-11].
    pub(super) fn on_release(&mut self, id: ConnectionId, slot: u32, packet_id: PacketId) {
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        let reason = if session.inbound.release(packet_id) {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let properties = ReasonProperties::default();
        self.clients.send(
            id,
            &Packet::PubComp(Acknowledge {
                packet_id,
                reason,
                properties,
            }),
        );
    }

    /// Owes an answer to the client; it leaves once its waits are reached, and never
    /// before an earlier one.
    pub(super) fn owe(&mut self, slot: u32, waits: Waits, answer: Answer) {
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        if is_planted(Planted::ForgetAnswer) && waits.len() > 1 {
            return;
        }
        let early = is_planted(Planted::AcknowledgeEarly);
        if early || waits.is_empty() && session.answers.is_empty() {
            self.send_answer(slot, answer);
            return;
        }
        for wait in &waits {
            self.lanes[wait.shard.index()].await_for(wait, slot);
        }
        session.answers.push(waits, answer);
    }

    /// Whether as many answers are owed to a session as may be.
    pub(super) fn owes_too_much(&self, slot: u32) -> bool {
        let session = self.clients.sessions.at(slot);
        session.is_some_and(|session| session.answers.len() >= OWED_ANSWERS_MAX)
    }

    /// Sends what is owed to a session as far as its waits are reached.
    pub(super) fn settle_answers(&mut self, slot: u32) {
        loop {
            let Some(session) = self.clients.sessions.at_mut(slot) else {
                return;
            };
            let lanes = &self.lanes;
            let reached = session
                .answers
                .next(|wait| lanes[wait.shard.index()].has_accepted(wait));
            match reached {
                Some(answer) => self.send_answer(slot, answer),
                None => return,
            }
        }
    }

    fn send_answer(&mut self, slot: u32, answer: Answer) {
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        match &answer {
            Answer::PubAck(..) => session.inbound.close(),
            Answer::PubRec(packet_id, reason) if reason.is_error() => {
                session.inbound.release(*packet_id);
            }
            Answer::PubRec(packet_id, _) => session.inbound.answered(*packet_id),
            Answer::Request(_) => {}
        }
        let Some(id) = session.connection else { return };
        let properties = ReasonProperties::default();
        match answer {
            Answer::PubAck(packet_id, reason) => {
                let ack = Acknowledge {
                    packet_id,
                    reason,
                    properties,
                };
                self.clients.send(id, &Packet::PubAck(ack));
            }
            Answer::PubRec(packet_id, reason) => {
                let ack = Acknowledge {
                    packet_id,
                    reason,
                    properties,
                };
                self.clients.send(id, &Packet::PubRec(ack));
            }
            Answer::Request(bytes) => self.clients.send_encoded(id, &bytes),
        }
    }

    /// Sends a session what it is owed: resends, its queue, retained messages.
    pub(super) fn pump_session(&mut self, id: ConnectionId, slot: u32, now: Timestamp) {
        let all_has_gone = self.clients.pump(slot, now);
        self.hand_on_declined(now);
        if all_has_gone && self.pump_replays(id, slot, now) {
            self.make_ready(id);
        }
    }

    /// The protocol version of a connection.
    pub(super) fn version_of(&self, id: ConnectionId) -> ProtocolVersion {
        self.clients
            .connections
            .get(id.slot, id.generation)
            .map_or(ProtocolVersion::V5, |connection| connection.version)
    }
}
