//! Engines in memory, driven as their shards drive them, without a socket.
//!
//! Every out-buffer is emptied at once, as if the kernel took everything.

use std::sync::Arc;

use ahash::RandomState;
use ringmq::engine::{ConnectionBudget, Engine, EngineConfig, Limits, Origin, PeerBatch};
use ringmq::hooks::Chain;
use ringmq::ids::{ConnectionId, ShardId};
use ringmq::protocol::ProtocolVersion;
use ringmq::routing::InterestTable;
use ringmq::time::Timestamp;
use ringmq_bench::encode;

/// The instant at which everything happens.
const NOW: Timestamp = Timestamp::ZERO;

/// The engines of one broker.
pub struct Shards {
    engines: Vec<Engine>,
    connections: Arc<ConnectionBudget>,
    clients: u32,
}

impl Shards {
    /// A broker without clients.
    pub fn new(count: u16) -> Self {
        Self::with_hooks(count, Arc::default())
    }

    /// The same with rules and observers.
    pub fn with_hooks(count: u16, hooks: Arc<Chain>) -> Self {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let interest = Arc::new(InterestTable::new(count, hasher));
        // Nothing may be held back: that is not what is measured.
        let mut limits = Limits::default();
        limits.max_inflight = 0;
        limits.max_queued_messages = 0;
        let limits = Arc::new(limits);
        let engine = |shard| {
            Engine::new(EngineConfig {
                shard: ShardId(shard),
                shards: count,
                limits: Arc::clone(&limits),
                listeners: Arc::from([]),
                hooks: Arc::clone(&hooks),
                placement_seed: [1, 2, 3, 4],
                random_seed: u64::from(shard),
                interest: Arc::clone(&interest),
            })
        };
        Self {
            engines: (0..count).map(engine).collect(),
            connections: ConnectionBudget::new(1_000_000),
            clients: 0,
        }
    }

    /// A client whose home is this shard.
    pub fn connect(&mut self, shard: usize) -> ConnectionId {
        loop {
            self.clients += 1;
            let client_id = format!("client-{}", self.clients);
            let permit = ConnectionBudget::try_acquire(&self.connections).expect("room");
            let peer = ([127, 0, 0, 1], 1).into();
            let origin = Origin { peer, listener: 0 };
            let engine = &mut self.engines[shard];
            let id = engine
                .handle_accepted(origin, permit, NOW)
                .expect("nobody stops it");
            engine.handle_bytes(
                id,
                &encode::connect(ProtocolVersion::V3_1_1, &client_id, 60),
                NOW,
            );
            let Some((leaving, _, _)) = engine.next_handoff() else {
                self.drain(shard, |_, _| {});
                return id;
            };
            engine.release(leaving);
        }
    }

    /// Subscribes a client.
    pub fn subscribe(&mut self, shard: usize, id: ConnectionId, filter: &str, qos: u8) {
        self.subscribe_all(shard, id, &[filter.to_owned()], qos);
    }

    /// Subscribes a client to many filters.
    pub fn subscribe_all(&mut self, shard: usize, id: ConnectionId, filters: &[String], qos: u8) {
        let (bytes, _) = encode::subscribe(ProtocolVersion::V3_1_1, filters, qos);
        self.receive(shard, id, &bytes);
        self.go_on(shard);
        self.drain(shard, |_, _| {});
    }

    /// Bytes of a client arrive.
    pub fn receive(&mut self, shard: usize, id: ConnectionId, bytes: &[u8]) {
        self.engines[shard].handle_bytes(id, bytes, NOW);
    }

    /// Goes on with what was left over, until nothing is.
    pub fn go_on(&mut self, shard: usize) {
        while self.engines[shard].handle_ready(NOW) {}
    }

    /// Takes what is in the out-buffers of a shard.
    pub fn drain(&mut self, shard: usize, mut taken: impl FnMut(ConnectionId, &[u8])) {
        let engine = &mut self.engines[shard];
        while let Some(id) = engine.next_dirty() {
            let outbox = engine.outbox(id).expect("a dirty connection exists");
            while !outbox.is_empty() {
                let pending = outbox.pending();
                taken(id, pending);
                let all = pending.len();
                outbox.advance(all);
            }
            engine.handle_flushed(id, NOW);
        }
    }

    /// What one shard has for another, and for which.
    pub fn next_batch(&mut self, from: usize) -> Option<(ShardId, PeerBatch)> {
        self.engines[from].next_peer_batch()
    }

    /// A batch arrives.
    pub fn hand(&mut self, from: ShardId, to: ShardId, batch: PeerBatch) {
        let engine = &mut self.engines[to.index()];
        engine.handle_peer(from, batch, NOW);
        engine.handle_ready(NOW);
    }
}
