//! CONNECT: a connection gets its session, here or on its home shard.
//!
//! Owns the order of it (MQTT 5.0, section 3.1.4): home, terms, takeover, session,
//! CONNACK, and what the session was owed. Pure.

use std::sync::Arc;

use tracing::{debug, info};

use super::Engine;
use super::admission::{Admission, Admitted, refusal};
use super::connection::Stage;
use super::input::Flow;
use super::planted::{Fault as Planted, is_planted};
use super::profiles::Profile;
use crate::hooks::{Client, Parting, Phases};
use crate::ids::ConnectionId;
use crate::protocol::{
    ConnAck, ConnAckProperties, Connect, DecodeError, Disconnect, Frame, Packet, ProtocolVersion,
    ReasonCode, ReasonProperties,
};
use crate::session::Session;
use crate::session::handshake::{self, Agreement, Offer};
use crate::session::topic_alias::{InboundAliases, OutboundAliases};
use crate::session::will::Will;
use crate::time::Timestamp;

impl Engine {
    /// A well-formed CONNECT as the first packet.
    pub(super) fn on_connect(
        &mut self,
        id: ConnectionId,
        frame: Frame<'_>,
        connect: &Connect<'_>,
        now: Timestamp,
    ) -> Flow {
        if self.connects_too_fast(id, now) {
            self.clients.stats.refused_over_rate += 1;
            let reason = ReasonCode::ConnectionRateExceeded;
            self.refuse(id, connect.version, connect.client_id, reason);
            return Flow::Stop;
        }
        if !connect.client_id.is_empty() {
            let home = self.homes.of_client(connect.client_id);
            if home != self.shard {
                return Flow::Leave(home);
            }
        }
        if let (Some(maximum), Some(connection)) = (
            connect.properties.maximum_packet_size,
            self.clients.open_connection(id),
        ) {
            connection.maximum_packet_size = maximum.get();
        }
        let offer = Offer {
            enhanced_authentication: self.offers_exchange(id),
            ..self.offer_to(id)
        };
        let terms = match handshake::agree(connect, &offer) {
            // Not "shutting down", which is no reason code of CONNACK.
            Ok(_) if self.stopping => Err(ReasonCode::ServerUnavailable),
            Ok(_) if !self.may_publish_will(connect) => Err(ReasonCode::TopicNameInvalid),
            agreed => agreed,
        };
        let mut terms = match terms {
            Ok(terms) => terms,
            Err(reason) => {
                self.refuse(id, connect.version, connect.client_id, reason);
                return Flow::Stop;
            }
        };
        terms.send_window += u16::from(is_planted(Planted::WindowOffByOne));
        let assigned = self.assigned_client_id(id, connect);
        let client_id = assigned.as_deref().unwrap_or(connect.client_id);
        let admitted = match self.admit_client(id, connect, client_id, frame, now) {
            Admission::Admitted(admitted) => admitted,
            Admission::Refused(reason) => {
                self.refuse(id, connect.version, client_id, reason);
                return Flow::Stop;
            }
            Admission::Waiting => return Flow::Wait,
            Admission::Challenged => return Flow::Continue,
        };
        let told = assigned
            .as_deref()
            .filter(|_| connect.version == ProtocolVersion::V5);
        let data = admitted.as_ref().and_then(|admitted| admitted.data.clone());
        let mut connack = handshake::accept(connect, &terms, &offer, true, told);
        connack.properties.authentication_method = connect.properties.authentication_method;
        connack.properties.authentication_data = data.as_deref();
        let refused = if !connack_fits(&connack, &terms) {
            Some(ReasonCode::PacketTooLarge)
        } else if self.came_too_late(client_id, admitted.as_deref()) {
            // The client has connected anew while this CONNECT waited for its verdict.
            Some(ReasonCode::ServerBusy)
        } else if self.reconnects_too_fast(id, connect, now) {
            self.clients.stats.refused_over_rate += 1;
            Some(ReasonCode::ConnectionRateExceeded)
        } else {
            None
        };
        if let Some(reason) = refused {
            self.refuse(id, connect.version, client_id, reason);
            return Flow::Stop;
        }
        let client = admitted.as_ref().map(|admitted| &*admitted.client);
        let (session, present) = self.open_session(client_id, terms.clean_start, client, now);
        self.attach(id, session, connect, &terms, now);
        self.meter(id);
        connack.session_present = present;
        self.clients.send(id, &Packet::ConnAck(connack));
        self.log_arrival(id, client_id, connect, present);
        if let Some(admitted) = admitted {
            self.introduce(id, session, *admitted, present, now);
        }
        self.announce_presence(session, true);
        self.pump_session(id, session, now);
        Flow::Continue
    }

    /// One line per client that is connected.
    fn log_arrival(
        &mut self,
        id: ConnectionId,
        client_id: &str,
        connect: &Connect<'_>,
        session_present: bool,
    ) {
        if let Some(connection) = self.clients.connections.get(id.slot, id.generation) {
            let listener = usize::from(connection.origin.listener);
            info!(
                client_id,
                peer = %connection.origin.peer,
                listener = self.clients.listeners.get(listener).map(|policy| &*policy.name),
                certificate = connection.identity.as_ref().and_then(|i| i.subject.as_deref()),
                version = ?connect.version,
                session_present,
                keep_alive = connection.keep_alive.0,
                "connected"
            );
        }
    }

    /// The identifier that a client without one gets: the same for each look at its
    /// CONNECT.
    fn assigned_client_id(&mut self, id: ConnectionId, connect: &Connect<'_>) -> Option<String> {
        if !connect.client_id.is_empty() {
            return None;
        }
        let known = self.candidates.get(id);
        let known = known.map(|candidate| candidate.credentials.client_id().to_owned());
        known.or_else(|| Some(self.assign_client_id()))
    }

    /// Whether a later CONNECT of the same client was let in already.
    fn came_too_late(&self, client_id: &str, admitted: Option<&Admitted>) -> bool {
        let session = self.clients.sessions.find(client_id);
        let known = session.and_then(|slot| self.clients.profiles.get(slot));
        match (known, admitted) {
            (Some(known), Some(admitted)) => {
                known.order > admitted.order && !is_planted(Planted::AcceptLateConnect)
            }
            _ => false,
        }
    }

    /// From now on hooks know the client of this session.
    fn introduce(
        &mut self,
        id: ConnectionId,
        slot: u32,
        admitted: Admitted,
        resumed: bool,
        now: Timestamp,
    ) {
        if self.chain.is_empty() {
            return;
        }
        let client = Arc::clone(&admitted.client);
        if resumed {
            self.judge_anew(slot, &client);
        }
        let expires_at = admitted.lasts.map(|lasts| now.plus(lasts));
        let profile = Profile {
            client: admitted.client,
            order: admitted.order,
            decisions: admitted.decisions,
            expires_at,
            method: admitted.method,
            exchange: None,
        };
        self.clients.profiles.set(slot, profile);
        if let Some(at) = expires_at {
            self.arm_connection(id, at, now);
        }
        self.chain
            .tell(client.listener(), Phases::SESSIONS, |hook| {
                if resumed {
                    hook.session_resumed(&client);
                } else {
                    hook.session_opened(&client);
                }
            });
    }

    /// Whether anybody conducts enhanced authentication for the listener of a connection.
    fn offers_exchange(&mut self, id: ConnectionId) -> bool {
        let connection = self.clients.open_connection(id);
        let listener = connection.map(|connection| connection.origin.listener);
        listener.is_some_and(|listener| {
            let phases = self.chain.phases_of(listener);
            phases.any_of(Phases::EXCHANGE)
        })
    }

    fn may_publish_will(&self, connect: &Connect<'_>) -> bool {
        connect
            .will
            .as_ref()
            .is_none_or(|will| self.topic_within_limits(will.topic))
    }

    fn attach(
        &mut self,
        id: ConnectionId,
        slot: u32,
        connect: &Connect<'_>,
        terms: &Agreement,
        now: Timestamp,
    ) {
        let will = connect.will.as_ref().map(|will| Box::new(Will::new(will)));
        let connection = self.clients.open_connection(id);
        let listener = connection.map_or(u16::MAX, |connection| connection.origin.listener);
        if let Some(session) = self.clients.sessions.at_mut(slot) {
            session.attach(id, terms, will);
            session.listener = listener;
        }
        let max_topic_alias = self.limits.max_topic_alias;
        if let Some(connection) = self.clients.open_connection(id) {
            connection.stage = Stage::Serving(slot);
            connection.version = terms.version;
            connection.keep_alive = terms.keep_alive;
            connection.last_seen = now;
            connection.maximum_packet_size = terms.maximum_packet_size;
            connection.input_bound = self.limits.max_packet_size;
            connection.outbound_aliases = (terms.outbound_alias_maximum > 0)
                .then(|| Box::new(OutboundAliases::new(terms.outbound_alias_maximum)));
            connection.inbound_aliases = (terms.version == ProtocolVersion::V5
                && max_topic_alias > 0)
                .then(Box::<InboundAliases>::default);
            if let Some(deadline) = terms.keep_alive.deadline(now) {
                self.arm_connection(id, deadline, now);
            }
        }
    }

    /// Finds or makes the session; tells whether it was there [MQTT-3.2.2-2]. One whose
    /// subscriptions the rules can not judge for this client is not his: it ends.
    fn open_session(
        &mut self,
        client_id: &str,
        clean_start: bool,
        client: Option<&Client>,
        now: Timestamp,
    ) -> (u32, bool) {
        if let Some(slot) = self.clients.sessions.find(client_id) {
            // What was due by now has happened before, though nobody had time for it.
            self.settle_absence(slot, now);
        }
        if let Some(slot) = self.clients.sessions.find(client_id) {
            let kept = self
                .clients
                .sessions
                .at(slot)
                .is_some_and(|session| session.expiry_interval > 0 && !clean_start)
                && !client.is_some_and(|client| self.has_to_subscribe_anew(slot, client));
            self.take_over(slot, kept, now);
            if kept {
                return (slot, true);
            }
            self.end_session(slot, now); // [MQTT-3.1.2-4]
        }
        (self.clients.sessions.insert(Session::new(client_id)), false)
    }

    /// The client has come back while its earlier connection is still there: that
    /// one is told and closed [MQTT-3.1.4-3].
    fn take_over(&mut self, slot: u32, session_goes_on: bool, now: Timestamp) {
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        let Some(earlier) = session.forget_connection() else {
            return;
        };
        // The will of the earlier connection is due, unless its delay gives the
        // client the time that it has just used [MQTT-3.1.3-9].
        let will = session.will.take();
        self.log_parting(earlier, slot, Parting::TakenOver);
        self.send_disconnect(earlier, ReasonCode::SessionTakenOver);
        if is_planted(Planted::LoseInflightOnTakeover)
            && let Some(session) = self.clients.sessions.at_mut(slot)
        {
            session.outbound.surrender().for_each(drop);
        }
        if !is_planted(Planted::KeepBothConnections) {
            self.clients.close(earlier);
        }
        self.pause_replays(slot);
        self.settle_answers(slot);
        if let Some(will) = will
            && (is_planted(Planted::WillOnTakeover)
                || !(session_goes_on && will.delay_interval > 0))
        {
            self.publish_will(slot, *will, now);
        }
    }

    /// Refuses a connection with CONNACK and closes it [MQTT-3.1.4-2].
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        version: ProtocolVersion,
        client_id: &str,
        reason: ReasonCode,
    ) {
        let reason = refusal(reason);
        if let Some(connection) = self.clients.open_connection(id) {
            connection.version = version;
            connection.parting = Some(reason);
            info!(client_id, peer = %connection.origin.peer, ?reason, "connection refused");
        }
        let properties = ConnAckProperties::default();
        let connack = ConnAck {
            session_present: false,
            reason,
            properties,
        };
        self.clients.send(id, &Packet::ConnAck(connack));
        self.clients.close(id);
    }

    /// CONNECT could not be decoded. Who asked for a protocol that is not spoken here
    /// is told so in the nearest one [MQTT-3.1.2-2]; other 5.0 clients get the reason.
    pub(super) fn refuse_malformed_connect(
        &mut self,
        id: ConnectionId,
        frame: Frame<'_>,
        error: DecodeError,
    ) {
        let reason = error.reason();
        match requested_level(frame) {
            Some(5..) => self.refuse(id, ProtocolVersion::V5, "", reason),
            Some(_) if reason == ReasonCode::UnsupportedProtocolVersion => {
                self.refuse(id, ProtocolVersion::V3_1_1, "", reason);
            }
            _ => {
                debug!(%error, "not an MQTT CONNECT");
                self.clients.close(id);
            }
        }
    }

    /// DISCONNECT, to a client whose protocol knows it from the server.
    pub(super) fn send_disconnect(&mut self, id: ConnectionId, reason: ReasonCode) {
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        connection.parting = Some(reason);
        if connection.version == ProtocolVersion::V5 && connection.session().is_some() {
            // Spelled out where it fits [MQTT-3.14.2-3]; some clients look at the code
            // only when properties follow it.
            let spelled = Disconnect {
                reason,
                properties: ReasonProperties {
                    reason_string: Some(reason.name()),
                    ..ReasonProperties::default()
                },
                ..Disconnect::default()
            };
            let mut encoded = Vec::new();
            let fits = spelled.encode(ProtocolVersion::V5, &mut encoded).is_ok()
                && encoded.len() <= connection.maximum_packet_size as usize;
            let packet = if fits {
                spelled
            } else {
                Disconnect {
                    reason,
                    ..Disconnect::default()
                }
            };
            self.clients.send(id, &Packet::Disconnect(packet));
        }
    }

    /// An identifier that nobody uses and whose home is this shard, so that the
    /// connection need not move.
    fn assign_client_id(&mut self) -> String {
        loop {
            self.assigned += 1;
            let high = self.random.hash_one(("identifier", self.assigned));
            let low = self.random.hash_one((self.assigned, "identifier"));
            let candidate = format!("auto-{high:016x}{low:016x}");
            let is_home = self.homes.of_client(&candidate) == self.shard;
            if is_home && self.clients.sessions.find(&candidate).is_none() {
                return candidate;
            }
        }
    }
}

/// Whether the client accepts a packet as large as its CONNACK [MQTT-3.1.2-24].
fn connack_fits(connack: &ConnAck<'_>, terms: &Agreement) -> bool {
    let mut encoded = Vec::new();
    terms.maximum_packet_size == u32::MAX
        || (Packet::ConnAck(*connack)
            .encode(terms.version, &mut encoded)
            .is_ok()
            && encoded.len() <= terms.maximum_packet_size as usize)
}

/// The protocol level that a CONNECT asks for, wherever its name ends.
fn requested_level(frame: Frame<'_>) -> Option<u8> {
    let name_len = u16::from_be_bytes([*frame.body.first()?, *frame.body.get(1)?]);
    let name = frame.body.get(2..2 + usize::from(name_len))?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return None;
    }
    frame.body.get(2 + usize::from(name_len)).copied()
}
