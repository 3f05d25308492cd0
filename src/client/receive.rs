//! Packets from the server, and what the session does about each.
//!
//! Owns nothing; the receiving methods of [`Session`]. Pure.

use super::event::{Event, Message, Progress};
use super::outbound::Entry;
use super::session::{ServerLimits, Session, SessionError, Status, Violation};
use super::topic_alias::TopicAliases;
use crate::protocol::{
    Acknowledge, AcknowledgeKind, ConnAck, Packet, PacketId, ProtocolVersion, Publish, QoS,
    ReasonCode, Split, split,
};
use crate::time::Timestamp;

impl Session {
    /// Takes the first packet of `bytes`. Call it until it consumes nothing.
    ///
    /// Acknowledgements are queued at once. Once the session is over, all bytes
    /// are consumed and mean nothing.
    ///
    /// # Errors
    /// When the server breaks the protocol. The session is then over; the output
    /// may hold a last DISCONNECT.
    pub fn handle<'b>(
        &mut self,
        bytes: &'b [u8],
        now: Timestamp,
    ) -> Result<Progress<'b>, SessionError> {
        if !matches!(self.status, Status::Connecting | Status::Connected) {
            return Ok(Progress {
                consumed: bytes.len(),
                wanted: None,
                event: None,
            });
        }
        let packet = match split(bytes, self.maximum_packet_size) {
            Ok(Split::Incomplete { size }) => {
                return Ok(Progress {
                    consumed: 0,
                    wanted: size,
                    event: None,
                });
            }
            Ok(Split::Complete { frame, size }) => {
                Packet::decode(self.version, frame).map(|packet| (packet, size))
            }
            Err(error) => Err(error),
        };
        let (packet, consumed) =
            packet.map_err(|error| self.fail(SessionError::Malformed(error)))?;
        self.keep_alive.received(now);
        let event = self
            .react(packet)
            .map_err(|broken| self.fail(SessionError::Violation(broken)))?;
        Ok(Progress {
            consumed,
            wanted: None,
            event,
        })
    }

    fn react<'b>(&mut self, packet: Packet<'b>) -> Result<Option<Event<'b>>, Violation> {
        let packet_type = packet.packet_type();
        match (self.status, packet) {
            (Status::Connecting, Packet::ConnAck(connack)) => self.connected(connack).map(Some),
            (_, Packet::Auth(auth)) => Ok(Some(Event::Authentication(auth))),
            (Status::Connected, Packet::Publish(publish)) => self.published(publish),
            (Status::Connected, Packet::PubAck(acknowledge)) => {
                Ok(self.done(AcknowledgeKind::PubAck, acknowledge))
            }
            (Status::Connected, Packet::PubRec(acknowledge)) => Ok(self.received(acknowledge)),
            (Status::Connected, Packet::PubRel(acknowledge)) => Ok(self.released(acknowledge)),
            (Status::Connected, Packet::PubComp(acknowledge)) => {
                Ok(self.done(AcknowledgeKind::PubComp, acknowledge))
            }
            (Status::Connected, Packet::SubAck(answer)) => {
                let known = self.answered(answer.packet_id, |e| matches!(e, Entry::Subscribe));
                Ok(known.then_some(Event::Subscribed(answer)))
            }
            (Status::Connected, Packet::UnsubAck(answer)) => {
                let known = self.answered(answer.packet_id, |e| matches!(e, Entry::Unsubscribe));
                Ok(known.then_some(Event::Unsubscribed(answer)))
            }
            (Status::Connected, Packet::PingResp) => {
                self.keep_alive.answered();
                Ok(Some(Event::Pong))
            }
            (Status::Connected, Packet::Disconnect(disconnect))
                if self.version == ProtocolVersion::V5 =>
            {
                self.status = Status::Closed;
                Ok(Some(Event::Disconnected(disconnect)))
            }
            _ => Err(Violation::Unexpected(packet_type)),
        }
    }

    fn connected<'b>(&mut self, connack: ConnAck<'b>) -> Result<Event<'b>, Violation> {
        if connack.reason.is_error() {
            self.status = Status::Closed;
            return Ok(Event::Refused(connack));
        }
        if self.clean_start && connack.session_present {
            // [MQTT-3.2.2-4]
            return Err(Violation::SessionPresent);
        }
        let properties = &connack.properties;
        self.server = ServerLimits {
            maximum_packet_size: properties.maximum_packet_size.map_or(
                ServerLimits::DEFAULT.maximum_packet_size,
                core::num::NonZeroU32::get,
            ),
            maximum_qos: properties.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available.unwrap_or(true),
        };
        self.aliases = TopicAliases::new(properties.topic_alias_maximum.unwrap_or(0));
        if let Some(seconds) = properties.server_keep_alive {
            // [MQTT-3.2.2-21]
            self.keep_alive.set_interval(seconds);
        }
        let receive_maximum = properties
            .receive_maximum
            .map_or(u16::MAX, core::num::NonZeroU16::get);
        self.outbound
            .set_window(self.options.max_inflight.min(receive_maximum));
        self.status = Status::Connected;
        // A CONNACK of 3.1 cannot say it: who did not ask for a clean start has a
        // session there.
        let session_present =
            connack.session_present || (self.version == ProtocolVersion::V3_1 && !self.clean_start);
        self.inbound.restart(session_present);
        self.outbound.restart(session_present);
        for packet_id in self.outbound.releases() {
            // [MQTT-4.4.0-1]
            let release = Packet::PubRel(Acknowledge::new(packet_id, ReasonCode::Success));
            let encoded = release.encode(self.version, &mut self.output);
            debug_assert!(encoded.is_ok());
        }
        self.outbound.resend(&mut self.output);
        Ok(Event::Connected(connack))
    }

    fn published<'b>(&mut self, publish: Publish<'b>) -> Result<Option<Event<'b>>, Violation> {
        let topic = self.inbound.topic(&publish)?;
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                // [MQTT-4.3.2-4]
                self.queue(&Packet::PubAck(Acknowledge::new(
                    packet_id,
                    ReasonCode::Success,
                )));
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                // [MQTT-4.3.3-8]
                self.queue(&Packet::PubRec(Acknowledge::new(
                    packet_id,
                    ReasonCode::Success,
                )));
                if !self.inbound.receive(packet_id)? {
                    return Ok(None);
                }
            }
            (QoS::AtMostOnce, _) | (_, None) => {}
        }
        Ok(Some(Event::Message(Message { topic, publish })))
    }

    /// PUBREC: the server has a QoS 2 message, or refuses it.
    fn received<'b>(&mut self, received: Acknowledge<'b>) -> Option<Event<'b>> {
        let packet_id = received.packet_id;
        let state = match self.outbound.get(packet_id) {
            Some(Entry::Publish { sent: true, .. }) => Some(true),
            Some(Entry::Release) => Some(false),
            Some(_) | None => None,
        };
        let Some(first) = state else {
            if !received.reason.is_error() {
                let unknown = Acknowledge::new(packet_id, ReasonCode::PacketIdentifierNotFound);
                self.queue(&Packet::PubRel(unknown));
            }
            return None;
        };
        if received.reason.is_error() {
            self.outbound.free(packet_id);
            self.outbound.resend(&mut self.output);
            let kind = AcknowledgeKind::PubRec;
            return Some(Event::Published {
                kind,
                acknowledge: received,
            });
        }
        if first {
            // [MQTT-4.3.3-4]: the message itself is never sent again.
            self.outbound.release(packet_id);
        }
        self.queue(&Packet::PubRel(Acknowledge::new(
            packet_id,
            ReasonCode::Success,
        )));
        first.then_some(Event::Received(received))
    }

    /// PUBREL: the server releases an incoming QoS 2 message.
    fn released<'b>(&mut self, release: Acknowledge<'b>) -> Option<Event<'b>> {
        let known = self.inbound.release(release.packet_id);
        let reason = if known {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        // [MQTT-4.3.3-11]
        self.queue(&Packet::PubComp(Acknowledge::new(
            release.packet_id,
            reason,
        )));
        known.then_some(Event::Released(release))
    }

    /// PUBACK or PUBCOMP: a message is done with. One for an identifier that is
    /// not in that state is late news from before a reconnection, and ignored.
    fn done<'b>(
        &mut self,
        kind: AcknowledgeKind,
        acknowledge: Acknowledge<'b>,
    ) -> Option<Event<'b>> {
        let known = self.answered(acknowledge.packet_id, |entry| match entry {
            Entry::Publish { sent, .. } => *sent && kind == AcknowledgeKind::PubAck,
            Entry::Release => kind == AcknowledgeKind::PubComp,
            Entry::Free | Entry::Subscribe | Entry::Unsubscribe => false,
        });
        if known {
            self.outbound.resend(&mut self.output);
        }
        known.then_some(Event::Published { kind, acknowledge })
    }

    fn answered(&mut self, packet_id: PacketId, expected: impl Fn(&Entry) -> bool) -> bool {
        let known = self.outbound.get(packet_id).is_some_and(expected);
        if known {
            self.outbound.free(packet_id);
        }
        known
    }
}
