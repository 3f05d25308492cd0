//! One shard's whole mind: sessions, routing, timers, and what goes to other shards.
//!
//! Owns everything that a shard knows. Lives on one shard's thread and is driven by
//! it (or by a simulation). Pure and synchronous: every input carries `now`, none
//! blocks, and the same inputs with the same seeds give the same outputs.
//!
//! **Inputs** are the `handle_*` methods. **Outputs** are drained after a batch of
//! inputs, in this order: [`Engine::next_peer_batch`], [`Engine::next_dirty`] (and
//! [`Engine::outbox`]), [`Engine::next_question`], [`Engine::next_handoff`],
//! [`Engine::next_close`], [`Engine::next_resumed`], [`Engine::next_deadline`]. There is no output per packet:
//! the engine appends encoded bytes to the connection's out-buffer and lists it once.
//!
//! Each verb of the protocol has a file: `connect`, `publish`, `acknowledge`,
//! `subscribe`, `disconnect`. `clients` and `deliver` reach this shard's clients,
//! `peer` and `mesh` other shards; `admission`, `authentication`, `judge` and
//! `questions` put to the hooks what they are to decide.

pub mod assembly;
pub mod chores;
pub mod clients;
pub mod connection;
pub mod decisions;
pub mod deliver;
pub mod home;
pub mod limits;
pub mod local;
pub mod outbox;
pub mod peer;
pub mod profiles;
pub mod publication;
pub mod quotas;
pub mod registry;
pub mod replay;
pub mod slots;
pub mod stats;
pub mod subscribe;
pub mod timers;

mod acknowledge;
mod admission;
mod authentication;
mod burst;
mod connect;
mod disconnect;
mod dispatch;
mod group;
mod input;
mod judge;
mod mesh;
mod output;
#[cfg(not(feature = "planted-faults"))]
mod planted;
#[cfg(feature = "planted-faults")]
pub mod planted;
mod publish;
mod questions;
mod stop;
mod wake;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ahash::RandomState;

pub use connection::Origin;
pub use disconnect::LostCause;
pub use input::{Arrival, Refused};
pub use limits::{ConnectionBudget, ConnectionPermit, Limits, ListenerPolicy};
pub use local::{ClientReport, Inbox, Offered};
pub use outbox::Outbox;
pub use peer::PeerBatch;
pub use quotas::{ListenerQuotas, OverRate, Quotas};
pub use stats::Stats;
pub use stop::StopPhase;

use crate::hooks::Chain;
use crate::ids::{ConnectionId, ShardId};
use crate::routing::{Interest, InterestTable, Retained, SharedGroups, Subscriptions};
use crate::time::Timestamp;
use admission::Candidates;
use burst::Runs;
use chores::Chores;
use clients::Clients;
use group::Deferred;
use home::Homes;
use peer::Lane;
use questions::Questions;
use quotas::ConnectRates;
use replay::Replays;
use timers::Timers;

/// What an engine is made of.
#[derive(Clone)]
pub struct EngineConfig {
    /// Which shard this is.
    pub shard: ShardId,
    /// How many there are.
    pub shards: u16,
    /// The bounds, the same on every shard.
    pub limits: Arc<Limits>,
    /// The rules of each listener, by [`Origin::listener`].
    pub listeners: Arc<[ListenerPolicy]>,
    /// The hooks, the same on every shard.
    pub hooks: Arc<Chain>,
    /// The key of homes, the same on every shard.
    pub placement_seed: [u64; 4],
    /// This shard's own seed for hash tables and identifiers.
    pub random_seed: u64,
    /// Which shard wants which topics.
    pub interest: Arc<InterestTable>,
}

/// One shard of the broker.
pub struct Engine {
    shard: ShardId,
    homes: Homes,
    limits: Arc<Limits>,
    chain: Arc<Chain>,
    /// Connections whose CONNECT is being judged.
    candidates: Candidates,
    questions: Questions,
    /// How often clients connect.
    connect_rates: ConnectRates,
    clients: Clients,
    subscriptions: Subscriptions,
    groups: SharedGroups,
    interest: Interest,
    retained: Retained,
    /// One per shard, this one's own unused.
    lanes: Vec<Lane>,
    timers: Timers,
    /// Retained messages that sessions' new subscriptions are still owed, by slot.
    replays: BTreeMap<u32, Replays>,
    /// Connections that leave for their home shard.
    handoffs: VecDeque<(ConnectionId, ShardId, Vec<u8>)>,
    /// Connections that wait for a lane's credit or for owed answers.
    held_by_lane: Vec<ConnectionId>,
    /// Publications without a connection that could be paused.
    internal: VecDeque<Deferred>,
    /// Bytes of their messages.
    internal_bytes: usize,
    /// Packets of one connection before another gets its turn; tests make it small.
    packets_per_visit: usize,
    stopping: bool,
    /// What was done since this pass began, in deliveries.
    work: usize,
    /// Which kind of work left over came first in this pass.
    first_kind: usize,
    /// What no packet and no item stands behind.
    chores: Chores,
    /// The lane whose items left over came first in this pass.
    first_lane: usize,
    /// The lane whose batch is asked for next.
    batch_lane: usize,
    /// Encoded packets of the publications at hand.
    runs: Runs,
    /// Whether a sweep of the retained store is planned.
    sweeping: bool,
    /// Counts retained publications, for their stamps.
    stamps: u64,
    random: RandomState,
    /// Client identifiers assigned so far.
    assigned: u64,
}

impl Engine {
    /// A shard without clients.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let EngineConfig {
            shard,
            shards,
            limits,
            listeners,
            hooks: chain,
            placement_seed,
            random_seed,
            interest,
        } = config;
        let random = RandomState::with_seeds(random_seed, !random_seed, 0x0053_6861_7264, 0x4964);
        let seeds = std::array::from_fn(|index| random.hash_one(index));
        let lane = |peer| Lane::new(ShardId(peer), limits.lane_credit);
        let lanes = (0..shards).map(lane).collect();
        Self {
            shard,
            homes: Homes::new(placement_seed, shards),
            clients: Clients::new(Arc::clone(&limits), listeners, Arc::clone(&chain), seeds),
            packets_per_visit: limits.packets_per_visit,
            limits,
            chain,
            candidates: Candidates::default(),
            questions: Questions::default(),
            connect_rates: ConnectRates::default(),
            subscriptions: Subscriptions::new(random.clone()),
            groups: SharedGroups::new(random.clone()),
            interest: Interest::new(interest, shard),
            retained: Retained::new(random.clone()),
            lanes,
            timers: Timers::default(),
            replays: BTreeMap::new(),
            handoffs: VecDeque::new(),
            held_by_lane: Vec::new(),
            internal: VecDeque::new(),
            internal_bytes: 0,
            stopping: false,
            work: 0,
            first_kind: 0,
            chores: Chores::default(),
            first_lane: 0,
            batch_lane: 0,
            runs: Runs::default(),
            sweeping: false,
            stamps: 0,
            random,
            assigned: 0,
        }
    }

    /// What this shard has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.clients.stats;
        stats.connections = self.clients.connections.len() as u64;
        stats.sessions = self.clients.sessions.len() as u64;
        stats.subscriptions = self.subscriptions.len() as u64;
        stats.retained_messages = self.retained.len() as u64;
        stats
    }

    fn has_peers(&self) -> bool {
        self.lanes.len() > 1
    }

    fn arm_connection(&mut self, id: ConnectionId, at: Timestamp, now: Timestamp) {
        let timer = timers::Timer::Connection(id);
        if let Some(connection) = self.clients.connections.get_mut(id.slot, id.generation)
            && connection.timer_at.is_none_or(|armed| at < armed)
        {
            connection.timer_at = Some(self.timers.arm(at, now, timer));
        }
    }
}
