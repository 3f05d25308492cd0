//! Which topic an alias stands for, in one direction of one connection.
//!
//! Owns the topic names set so far, at most as many as were announced. An alias
//! lives as long as its connection [MQTT-3.3.2-7]. Pure.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU16;

/// The aliases of one direction.
#[derive(Debug, Default)]
pub(super) struct TopicAliases {
    /// `topics[alias - 1]`; invariant: `topics.len() <= maximum`.
    topics: Vec<Option<Arc<str>>>,
    maximum: u16,
}

impl TopicAliases {
    /// No alias set, `maximum` allowed.
    pub(super) const fn new(maximum: u16) -> Self {
        Self {
            topics: Vec::new(),
            maximum,
        }
    }

    /// Whether the receiver accepts this alias at all [MQTT-3.3.2-9].
    pub(super) const fn allows(&self, alias: NonZeroU16) -> bool {
        alias.get() <= self.maximum
    }

    /// Lets `alias` stand for `topic` from now on; false where it is not allowed.
    pub(super) fn set(&mut self, alias: NonZeroU16, topic: &str) -> bool {
        if !self.allows(alias) {
            return false;
        }
        let place = usize::from(alias.get()) - 1;
        if self.topics.len() <= place {
            self.topics.resize(place + 1, None);
        }
        if self.topics[place].as_deref() != Some(topic) {
            self.topics[place] = Some(topic.into());
        }
        true
    }

    /// The topic that `alias` stands for, if it was set.
    pub(super) fn get(&self, alias: NonZeroU16) -> Option<&Arc<str>> {
        self.topics.get(usize::from(alias.get()) - 1)?.as_ref()
    }
}
