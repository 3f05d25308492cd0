//! Topic aliases of one connection, in both directions (MQTT 5.0, section 3.3.2.3.4).
//!
//! Owns the mappings, which end with the connection [MQTT-3.3.2-7]. Pure.
//!
//! HOT PATH: asked once per PUBLISH of a connection that uses aliases.

use std::num::NonZeroU16;

/// A topic shorter than this many bytes is cheaper written out than aliased: the
/// alias property itself takes three bytes on every packet.
const WORTH_ALIASING: usize = 4;

/// Aliases that the client set.
#[derive(Debug)]
pub struct InboundAliases {
    topics: Vec<Option<Box<str>>>,
}

impl InboundAliases {
    /// Room for aliases 1..=`maximum`, filled as they come.
    #[must_use]
    pub fn new() -> Self {
        Self { topics: Vec::new() }
    }

    /// Maps `alias` to `topic`. The caller has checked it against the maximum.
    pub fn set(&mut self, alias: NonZeroU16, topic: &str) {
        let index = usize::from(alias.get()) - 1;
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        if self.topics[index].as_deref() != Some(topic) {
            self.topics[index] = Some(topic.into());
        }
    }

    /// The topic of an alias, if the client has set it on this connection.
    #[must_use]
    pub fn get(&self, alias: NonZeroU16) -> Option<&str> {
        self.topics.get(usize::from(alias.get()) - 1)?.as_deref()
    }
}

impl Default for InboundAliases {
    fn default() -> Self {
        Self::new()
    }
}

/// How the topic of one delivery is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AliasUse {
    /// The topic alone.
    None,
    /// Topic and alias: the client learns the mapping.
    Set(u16),
    /// The alias alone.
    Use(u16),
}

/// Aliases that the broker set: the first topics get them and keep them, because
/// a subscriber with more topics than aliases gains little from evictions.
#[derive(Debug)]
pub struct OutboundAliases {
    topics: Vec<Box<str>>,
    maximum: u16,
}

impl OutboundAliases {
    /// May give out aliases 1..=`maximum` [MQTT-3.1.2-26].
    #[must_use]
    pub fn new(maximum: u16) -> Self {
        Self {
            topics: Vec::new(),
            maximum,
        }
    }

    /// How to write `topic` on the next packet. Where that sets an alias, `learn`
    /// has to follow once the packet is really sent.
    #[must_use]
    pub fn choose(&self, topic: &str) -> AliasUse {
        if topic.len() < WORTH_ALIASING {
            return AliasUse::None;
        }
        if let Some(index) = self.topics.iter().position(|known| &**known == topic) {
            return u16::try_from(index + 1).map_or(AliasUse::None, AliasUse::Use);
        }
        match u16::try_from(self.topics.len() + 1) {
            Ok(alias) if alias <= self.maximum => AliasUse::Set(alias),
            _ => AliasUse::None,
        }
    }

    /// A packet that sets the next alias to `topic` is on its way.
    pub fn learn(&mut self, topic: &str) {
        self.topics.push(topic.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_set_once_and_used_afterwards_up_to_the_maximum() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.choose("long/topic"), AliasUse::Set(1));
        assert_eq!(aliases.choose("long/topic"), AliasUse::Set(1), "not sent");
        aliases.learn("long/topic");
        assert_eq!(aliases.choose("long/topic"), AliasUse::Use(1));
        assert_eq!(
            aliases.choose("other/topic"),
            AliasUse::None,
            "[MQTT-3.1.2-26]"
        );
        assert_eq!(
            aliases.choose("t"),
            AliasUse::None,
            "costs more than it saves"
        );
    }

    #[test]
    fn a_client_may_remap_an_alias() {
        let one = NonZeroU16::MIN;
        let mut aliases = InboundAliases::new();
        assert_eq!(aliases.get(one), None);
        aliases.set(one, "a");
        aliases.set(one, "b");
        assert_eq!(aliases.get(one), Some("b"));
    }
}
