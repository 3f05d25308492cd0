//! What hooks know of this shard's clients, by session slot.
//!
//! Owns a profile per session, and which sessions' deliveries are judged one by one.
//! Pure. Without hooks it holds nothing and costs nothing; it is kept beside the
//! sessions, because a session knows of no rules.
//!
//! `is_filtered` runs once per delivery where some are judged, and looks at one bit.

use std::sync::Arc;

use super::decisions::Decisions;
use crate::hooks::{Client, Exchange};
use crate::time::Timestamp;

/// What is known of one session's client.
pub struct Profile {
    /// As hooks see it.
    pub client: Arc<Client>,
    /// The place of its CONNECT among all that came to this shard.
    pub order: u64,
    /// What it was allowed and refused before.
    pub decisions: Decisions,
    /// When its permission to be here ends.
    pub expires_at: Option<Timestamp>,
    /// The method it authenticated with (MQTT 5.0, section 4.12).
    pub method: Option<Box<str>>,
    /// A re-authentication under way.
    pub exchange: Option<Box<dyn Exchange>>,
}

/// The profiles of all sessions.
#[derive(Default)]
pub struct Profiles {
    by_slot: Vec<Option<Box<Profile>>>,
    /// A bit per session whose deliveries are judged.
    filtered: Vec<u64>,
}

impl Profiles {
    /// The profile of a session, if hooks are installed.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&Profile> {
        self.by_slot.get(slot as usize)?.as_deref()
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Profile> {
        self.by_slot.get_mut(slot as usize)?.as_deref_mut()
    }

    /// A client is connected with the session in this slot.
    pub fn set(&mut self, slot: u32, profile: Profile) {
        let index = slot as usize;
        if self.by_slot.len() <= index {
            self.by_slot.resize_with(index + 1, || None);
        }
        self.by_slot[index] = Some(Box::new(profile));
    }

    /// The session is over.
    pub fn remove(&mut self, slot: u32) -> Option<Box<Profile>> {
        self.unfilter(slot);
        self.by_slot.get_mut(slot as usize)?.take()
    }

    /// Has all further deliveries to this session judged.
    pub fn filter(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.filtered.len() <= word {
            self.filtered.resize(word + 1, 0);
        }
        self.filtered[word] |= 1 << (slot % 64);
    }

    fn unfilter(&mut self, slot: u32) {
        if let Some(word) = self.filtered.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Has the deliveries to all sessions of such clients judged: the rules have changed
    /// since their subscriptions were granted.
    pub fn filter_where(&mut self, concerns: impl Fn(&Client) -> bool) {
        for slot in 0..u32::try_from(self.by_slot.len()).unwrap_or(u32::MAX) {
            if self
                .get(slot)
                .is_some_and(|profile| concerns(&profile.client))
            {
                self.filter(slot);
            }
        }
    }

    /// Whether deliveries to this session are judged.
    #[must_use]
    pub fn is_filtered(&self, slot: u32) -> bool {
        self.filtered
            .get(slot as usize / 64)
            .is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }
}

impl std::fmt::Debug for Profiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clients = self.by_slot.iter().flatten().map(|profile| &profile.client);
        f.debug_list().entries(clients).finish()
    }
}
