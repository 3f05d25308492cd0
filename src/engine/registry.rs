//! The sessions at home on this shard, by slot and by client identifier.
//!
//! Owns the sessions. Pure. The identifier is stored once, in its session; the
//! index holds slots.

use ahash::RandomState;
use hashbrown::HashTable;

use super::slots::Slots;
use crate::ids::SessionId;
use crate::session::Session;

/// Sessions and the index of their client identifiers.
#[derive(Debug)]
pub struct Registry {
    sessions: Slots<Session>,
    by_client: HashTable<u32>,
    hasher: RandomState,
}

impl Registry {
    /// No sessions yet; the seeds key the index, because clients choose identifiers.
    #[must_use]
    pub fn new(seeds: [u64; 4]) -> Self {
        Self {
            sessions: Slots::default(),
            by_client: HashTable::new(),
            hasher: RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3]),
        }
    }

    /// The session of this client.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<u32> {
        let sessions = &self.sessions;
        self.by_client
            .find(self.hasher.hash_one(client_id), |&slot| {
                sessions
                    .at(slot)
                    .is_some_and(|session| &*session.client_id == client_id)
            })
            .copied()
    }

    /// Adds a session whose client has none.
    pub fn insert(&mut self, session: Session) -> u32 {
        debug_assert!(
            self.find(&session.client_id).is_none(),
            "one session per client"
        );
        let hash = self.hasher.hash_one(&*session.client_id);
        let (slot, _) = self.sessions.insert(session);
        let (sessions, hasher) = (&self.sessions, &self.hasher);
        self.by_client.insert_unique(hash, slot, |&slot| {
            sessions
                .at(slot)
                .map_or(0, |session| hasher.hash_one(&*session.client_id))
        });
        slot
    }

    /// Takes a session out. Its slot stays empty until [`Registry::free`]: the index
    /// of subscriptions may still name it.
    pub fn end(&mut self, slot: u32) -> Option<Session> {
        let hash = self.hasher.hash_one(&*self.sessions.at(slot)?.client_id);
        if let Ok(entry) = self.by_client.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        self.sessions.vacate(slot)
    }

    /// Nothing names the slot of an ended session any more.
    pub fn free(&mut self, slot: u32) {
        self.sessions.free(slot);
    }

    /// The session in this slot.
    #[must_use]
    pub fn at(&self, slot: u32) -> Option<&Session> {
        self.sessions.at(slot)
    }

    /// The session in this slot.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.sessions.at_mut(slot)
    }

    /// The slot of this very session, if it still exists.
    #[must_use]
    pub fn slot_of(&self, id: SessionId) -> Option<u32> {
        self.sessions.get(id.slot, id.generation).map(|_| id.slot)
    }

    /// The whole name of the session in this slot.
    #[must_use]
    pub fn id_of(&self, slot: u32) -> Option<SessionId> {
        let generation = self.sessions.generation(slot)?;
        self.sessions
            .at(slot)
            .map(|_| SessionId { slot, generation })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The sessions from a slot on, in the order of their slots.
    pub fn from_slot(&self, first: u32) -> impl Iterator<Item = (u32, &Session)> {
        self.sessions.from_slot(first)
    }

    /// All sessions.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().map(|(_, _, session)| session)
    }
}
