//! Packets to the server that the application asks for.
//!
//! Owns nothing; the sending methods of [`Session`]. Each checks what the server
//! allows before anything is queued: a packet is queued whole or not at all. Pure.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use super::outbound::Entry;
use super::session::{Session, Status};
use crate::protocol::{
    Auth, Disconnect, EncodeError, Packet, PacketId, ProtocolVersion, Publish, QoS, Subscribe,
    SubscriptionRequest, TopicFilter, Unsubscribe, UserProperties,
};

/// Why a packet was not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The server has not accepted the connection yet, or it is over.
    NotConnected,
    /// As many messages are under way as may be; wait for one to be done with.
    WindowFull,
    /// All packet identifiers are in use.
    NoPacketId,
    /// The server accepts no packet of that size.
    PacketTooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Bytes the server accepts.
        maximum: u32,
    },
    /// The server accepts no QoS above this one.
    QoSNotSupported(QoS),
    /// The server keeps no retained messages.
    RetainNotSupported,
    /// The server does not accept that topic alias, or it was never set.
    TopicAlias,
    /// The packet cannot be encoded.
    Encode(EncodeError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("there is no connection"),
            Self::WindowFull => f.write_str("too many messages wait for their acknowledgement"),
            Self::NoPacketId => f.write_str("all packet identifiers are in use"),
            Self::PacketTooLarge { size, maximum } => {
                write!(
                    f,
                    "the packet has {size} bytes, the server accepts {maximum}"
                )
            }
            Self::QoSNotSupported(maximum) => {
                write!(f, "the server accepts no QoS above {}", *maximum as u8)
            }
            Self::RetainNotSupported => f.write_str("the server keeps no retained messages"),
            Self::TopicAlias => f.write_str("the server does not accept this topic alias"),
            Self::Encode(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for SendError {}

impl Session {
    /// Queues a PUBLISH; the packet id of QoS 1 and 2 is the session's to choose.
    ///
    /// The topic is the caller's to check: no wildcards, and empty only with an
    /// alias that an earlier message set.
    ///
    /// # Errors
    /// When the server does not allow it, or the window is full.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Option<PacketId>, SendError> {
        self.check_connected()?;
        if publish.qos > self.server.maximum_qos {
            // [MQTT-3.2.2-11]
            return Err(SendError::QoSNotSupported(self.server.maximum_qos));
        }
        if publish.retain && !self.server.retain_available {
            // [MQTT-3.2.2-14]
            return Err(SendError::RetainNotSupported);
        }
        if publish.qos == QoS::AtMostOnce {
            let packet = Publish {
                packet_id: None,
                ..*publish
            };
            self.encode_publish(&packet)?;
            return Ok(None);
        }
        if self.outbound.quota() == 0 {
            return Err(SendError::WindowFull);
        }
        let packet_id = self.outbound.next_id().ok_or(SendError::NoPacketId)?;
        let packet = Publish {
            packet_id: Some(packet_id),
            ..*publish
        };
        let start = self.output.len();
        self.encode_publish(&packet)?;
        let copy = if self.options.resend {
            self.copy_to_keep(&packet, start)
        } else {
            Vec::new()
        };
        self.outbound.push(Entry::Publish {
            packet: copy,
            sent: true,
        });
        Ok(Some(packet_id))
    }

    /// Queues a SUBSCRIBE. Identifier and user properties are MQTT 5's.
    ///
    /// # Errors
    /// When there is no connection or the packet cannot be sent.
    pub fn subscribe(
        &mut self,
        filters: &[SubscriptionRequest<'_>],
        subscription_id: Option<NonZeroU32>,
        user_properties: UserProperties<'_>,
    ) -> Result<PacketId, SendError> {
        self.check_connected()?;
        let packet_id = self.outbound.next_id().ok_or(SendError::NoPacketId)?;
        let filters = filters.iter().copied().collect();
        self.encode(&Packet::Subscribe(Subscribe {
            packet_id,
            subscription_id,
            user_properties,
            filters,
        }))?;
        self.outbound.push(Entry::Subscribe);
        Ok(packet_id)
    }

    /// Queues an UNSUBSCRIBE. User properties are MQTT 5's.
    ///
    /// # Errors
    /// When there is no connection or the packet cannot be sent.
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        user_properties: UserProperties<'_>,
    ) -> Result<PacketId, SendError> {
        self.check_connected()?;
        let packet_id = self.outbound.next_id().ok_or(SendError::NoPacketId)?;
        let filters = filters.iter().copied().collect();
        self.encode(&Packet::Unsubscribe(Unsubscribe {
            packet_id,
            user_properties,
            filters,
        }))?;
        self.outbound.push(Entry::Unsubscribe);
        Ok(packet_id)
    }

    /// Queues an AUTH of an enhanced authentication (MQTT 5).
    ///
    /// # Errors
    /// When the session is over or the packet cannot be sent.
    pub fn authenticate(&mut self, auth: &Auth<'_>) -> Result<(), SendError> {
        if !matches!(self.status, Status::Connecting | Status::Connected) {
            return Err(SendError::NotConnected);
        }
        self.encode(&Packet::Auth(*auth))
    }

    /// Queues a DISCONNECT, after which nothing more may be sent or is received
    /// [MQTT-3.14.4-2]. Before 5.0 its reason and properties are not sent.
    ///
    /// # Errors
    /// When there is no connection or the packet cannot be sent.
    pub fn disconnect(&mut self, disconnect: &Disconnect<'_>) -> Result<(), SendError> {
        self.check_connected()?;
        self.encode(&Packet::Disconnect(*disconnect))?;
        self.status = Status::Leaving;
        Ok(())
    }

    fn check_connected(&self) -> Result<(), SendError> {
        if self.status == Status::Connected {
            Ok(())
        } else {
            Err(SendError::NotConnected)
        }
    }

    fn encode_publish(&mut self, publish: &Publish<'_>) -> Result<(), SendError> {
        let alias = match publish.properties.topic_alias {
            Some(alias) if self.version == ProtocolVersion::V5 => Some(alias),
            _ => None,
        };
        if let Some(alias) = alias {
            // [MQTT-3.2.2-17], and an alias alone must be known [MQTT-3.3.2-8].
            let known = !publish.topic.is_empty() || self.aliases.get(alias).is_some();
            if !known || !self.aliases.allows(alias) {
                return Err(SendError::TopicAlias);
            }
        }
        let start = self.output.len();
        publish
            .encode(self.version, &mut self.output)
            .map_err(SendError::Encode)?;
        self.check_size(start)?;
        if let (Some(alias), false) = (alias, publish.topic.is_empty()) {
            self.aliases.set(alias, publish.topic);
        }
        Ok(())
    }

    fn encode(&mut self, packet: &Packet<'_>) -> Result<(), SendError> {
        let start = self.output.len();
        packet
            .encode(self.version, &mut self.output)
            .map_err(SendError::Encode)?;
        self.check_size(start)
    }

    /// Takes the packet that starts at `start` back if it is too large
    /// [MQTT-3.2.2-15].
    fn check_size(&mut self, start: usize) -> Result<(), SendError> {
        let size = self.output.len() - start;
        let maximum = self.server.maximum_packet_size;
        if size > maximum as usize {
            self.output.truncate(start);
            return Err(SendError::PacketTooLarge { size, maximum });
        }
        Ok(())
    }

    /// The packet as it can be sent again on another connection, where no alias
    /// of this one is known.
    fn copy_to_keep(&self, publish: &Publish<'_>, start: usize) -> Vec<u8> {
        let alias = publish.properties.topic_alias;
        let Some(alias) = alias.filter(|_| self.version == ProtocolVersion::V5) else {
            return self.output[start..].to_vec();
        };
        let mut whole = *publish;
        whole.properties.topic_alias = None;
        if let (true, Some(topic)) = (whole.topic.is_empty(), self.aliases.get(alias)) {
            whole.topic = topic;
        }
        let mut copy = Vec::new();
        let encoded = whole.encode(self.version, &mut copy);
        debug_assert!(encoded.is_ok());
        copy
    }
}
