//! One whole packet is handed to its verb, if it may come now.
//!
//! Owns which packet is allowed when: CONNECT first and once, AUTH while connecting,
//! never what only a server sends; and what holds every packet alike (no room for its
//! answer, too much owed). Pure. Read next: the file named after the packet.
//!
//! HOT PATH: once per packet, in place.

use super::Engine;
use super::burst::Burst;
use super::connection::Stage;
use super::input::{Fault, Flow, Visit};
use crate::ids::ConnectionId;
use crate::protocol::{
    Acknowledge, Auth, Connect, DecodeError, Frame, Packet, PacketType, Publish, ReasonCode,
};
use crate::session::outbound::Phase;
use crate::time::Timestamp;

impl Engine {
    /// One whole packet.
    pub(super) fn packet<'a>(
        &mut self,
        id: ConnectionId,
        frame: Frame<'a>,
        burst: &mut Burst<'a>,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.clients.open_connection(id) else {
            return Ok(Flow::Stop);
        };
        let version = connection.version;
        let stage = connection.stage;
        let metered = connection.meter.is_some();
        // A peer that reads none of its answers is not read from either.
        let room = self.clients.connections.get(id.slot, id.generation);
        if stage != Stage::AwaitingConnect
            && !room.is_some_and(|c| self.clients.has_room_for_answers(c))
        {
            self.hold(id, |held| held.by_outbox = true);
            return Ok(Flow::Wait);
        }
        if let Stage::Serving(session) = stage
            && self.owes_too_much(session)
        {
            self.hold_by_lane(id);
            return Ok(Flow::Wait);
        }
        let packet_type = frame.packet_type().map_err(fault)?;
        if packet_type != PacketType::Publish {
            self.deliver_burst(burst, now);
        }
        match (stage, packet_type) {
            (Stage::Closing, _) => Ok(Flow::Stop),
            (Stage::AwaitingConnect, PacketType::Connect) => self.first_packet(id, frame, now),
            (Stage::AwaitingConnect, PacketType::Auth) => {
                let auth = Auth::decode(version, frame).map_err(fault)?;
                self.on_auth_while_connecting(id, &auth, now)
            }
            // The first packet must be CONNECT [MQTT-3.1.0-1], and there is only one
            // [MQTT-3.1.0-2].
            (Stage::AwaitingConnect, _) | (Stage::Serving(_), PacketType::Connect) => {
                Err(ReasonCode::ProtocolError)
            }
            (Stage::Serving(session), PacketType::Publish) => {
                let publish = Publish::decode(version, frame).map_err(fault)?;
                if metered && let Some(flow) = self.publishes_too_fast(id, now)? {
                    return Ok(flow);
                }
                let flow = self.on_publish(id, session, &publish, burst, visit, now)?;
                if metered && flow == Flow::Continue {
                    self.count_publish(id, frame, now);
                }
                Ok(flow)
            }
            (Stage::Serving(session), PacketType::Subscribe) => {
                self.on_subscribe(id, session, (version, frame), visit, now)
            }
            (Stage::Serving(session), PacketType::Unsubscribe) => {
                self.on_unsubscribe(id, session, (version, frame), visit)
            }
            (Stage::Serving(session), _) => {
                let packet = Packet::decode(version, frame).map_err(fault)?;
                self.other_packet(id, session, &packet, now)
            }
        }
    }

    fn first_packet(
        &mut self,
        id: ConnectionId,
        frame: Frame<'_>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        match Connect::decode(frame) {
            Ok(connect) => Ok(self.on_connect(id, frame, &connect, now)),
            Err(error) => {
                self.refuse_malformed_connect(id, frame, error);
                Ok(Flow::Stop)
            }
        }
    }

    fn other_packet(
        &mut self,
        id: ConnectionId,
        session: u32,
        packet: &Packet<'_>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        match packet {
            Packet::PubAck(ack) => self.on_acknowledged(id, session, ack, Phase::AwaitPubAck, now),
            Packet::PubRec(ack) => self.on_acknowledged(id, session, ack, Phase::AwaitPubRec, now),
            Packet::PubComp(ack) => self.on_acknowledged(id, session, ack, Phase::AwaitPubComp, now),
            Packet::PubRel(Acknowledge { packet_id, .. }) => self.on_release(id, session, *packet_id),
            Packet::PingReq => self.clients.send(id, &Packet::PingResp), // [MQTT-3.12.4-1]
            Packet::Disconnect(disconnect) => {
                return self
                    .on_disconnect(id, session, disconnect, now)
                    .map(|()| Flow::Stop);
            }
            Packet::Auth(auth) => return self.on_auth(id, session, auth, now),
            // Requests are decoded as far as they are handled, not here.
            Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            // What only a server sends is a protocol error when a client sends it.
            | Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Publish(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => return Err(ReasonCode::ProtocolError),
        }
        Ok(Flow::Continue)
    }
}

pub(super) fn fault(error: DecodeError) -> Fault {
    error.reason()
}
