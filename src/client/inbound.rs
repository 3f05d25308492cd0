//! What the server has begun and not finished: QoS 2 messages, topic aliases.
//!
//! Owns the packet identifiers of incoming QoS 2 messages, at most as many as
//! the announced receive maximum, across reconnections. Pure.

use alloc::collections::BTreeSet;

use super::event::Topic;
use super::session::Violation;
use super::topic_alias::TopicAliases;
use crate::protocol::{PacketId, Publish};

/// The receiving half of a session.
#[derive(Debug)]
pub(super) struct Inbound {
    /// QoS 2 messages that the application has and the server has not released.
    received: BTreeSet<u16>,
    receive_maximum: u16,
    alias_maximum: u16,
    aliases: TopicAliases,
}

impl Inbound {
    pub(super) const fn new(receive_maximum: u16, alias_maximum: u16) -> Self {
        Self {
            received: BTreeSet::new(),
            receive_maximum,
            alias_maximum,
            aliases: TopicAliases::new(alias_maximum),
        }
    }

    /// A new connection: aliases are gone, and so is an unknown session.
    pub(super) fn restart(&mut self, session_present: bool) {
        self.aliases = TopicAliases::new(self.alias_maximum);
        if !session_present {
            self.received.clear();
        }
    }

    /// The topic of a PUBLISH, by name or by alias.
    pub(super) fn topic<'b>(&mut self, publish: &Publish<'b>) -> Result<Topic<'b>, Violation> {
        let Some(alias) = publish.properties.topic_alias else {
            return Ok(Topic::Named(publish.topic));
        };
        if publish.topic.is_empty() {
            let known = self.aliases.get(alias).ok_or(Violation::TopicAlias)?;
            return Ok(Topic::Aliased(known.clone()));
        }
        if !self.aliases.set(alias, publish.topic) {
            return Err(Violation::TopicAlias);
        }
        Ok(Topic::Named(publish.topic))
    }

    /// Notes a QoS 2 message; false where it is known already [MQTT-4.3.3-10].
    pub(super) fn receive(&mut self, id: PacketId) -> Result<bool, Violation> {
        let new = self.received.insert(id.get());
        if self.received.len() > usize::from(self.receive_maximum) {
            // [MQTT-3.3.4-7] is the server's to keep.
            return Err(Violation::ReceiveMaximum);
        }
        Ok(new)
    }

    /// The server releases a QoS 2 message; false where none was known.
    pub(super) fn release(&mut self, id: PacketId) -> bool {
        self.received.remove(&id.get())
    }
}
