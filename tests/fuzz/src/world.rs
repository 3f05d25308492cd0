//! One or two engines with their streams, lanes and clock, driven as a shard drives
//! them, one small step at a time.
//!
//! Owns the streams and what is under way between the engines. Keeps to the driver's
//! side of the contract (a receive is armed or it is not, lanes are first in first
//! out, a close flushes what the client takes) and checks the engine's: out-buffers
//! stay within their bound, everything comes to rest. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ringmq::engine::{
    ConnectionBudget, Engine, EngineConfig, Limits, LostCause, Origin, PeerBatch, StopPhase,
};
use ringmq::ids::{ConnectionId, ShardId};
use ringmq::protocol::ProtocolVersion;
use ringmq::routing::InterestTable;
use ringmq::time::Timestamp;

use super::filters::{hasher, spoil_table, table};
use super::judge::Judge;

/// Rounds after which engines that still have something to say never will be done.
const ROUNDS: usize = 20_000;

/// What crosses between two engines.
enum Item {
    Batch(PeerBatch),
    /// A stream, and what the engine gave with it.
    Handoff(usize, Box<ringmq::engine::Arrival>),
}

/// A client's connection.
struct Stream {
    /// Where it is served; `None` while it is handed over, and after its end.
    place: Option<(usize, ConnectionId)>,
    version: ProtocolVersion,
    judge: Judge,
    /// The engine would take bytes now.
    armed: bool,
    /// Bytes that the client sent and nobody has received.
    waiting: VecDeque<u8>,
    /// Bytes that the client has sent in all.
    sent: usize,
    /// The client takes what it is sent.
    reads: bool,
    /// The client has gone.
    lost: bool,
    /// The engine has closed it.
    closed: bool,
}

/// All of it.
pub struct World {
    engines: Vec<Engine>,
    limits: Arc<Limits>,
    now: Timestamp,
    budget: Arc<ConnectionBudget>,
    streams: Vec<Stream>,
    by_place: BTreeMap<(usize, ConnectionId), usize>,
    lanes: BTreeMap<(usize, usize), VecDeque<Item>>,
}

impl World {
    /// Engines without clients.
    pub fn new(shards: u16, limits: Limits) -> Self {
        // A world that ends leaves its table blank, so that the next may have it.
        let interest = match shards {
            2 => table(),
            _ => Arc::new(InterestTable::new(shards, hasher())),
        };
        let limits = Arc::new(limits);
        let engines = (0..shards).map(|shard| {
            Engine::new(EngineConfig {
                shard: ShardId(shard),
                shards,
                limits: Arc::clone(&limits),
                listeners: Arc::from([]),
                hooks: Arc::default(),
                placement_seed: [1, 2, 3, 4],
                random_seed: u64::from(shard),
                interest: Arc::clone(&interest),
            })
        });
        Self {
            engines: engines.collect(),
            limits,
            now: Timestamp::from_millis(1_000),
            budget: ConnectionBudget::new(1_000),
            streams: Vec::new(),
            by_place: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// How many engines there are.
    pub fn shards(&self) -> usize {
        self.engines.len()
    }

    /// A stream to this engine on which nothing was said; `None` while it stops.
    pub fn open(&mut self, shard: usize, version: ProtocolVersion, maximum: u32) -> Option<usize> {
        let origin = Origin {
            peer: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let permit = self.budget.try_acquire()?;
        let accepted = self.engines[shard].handle_accepted(origin, permit, self.now);
        let id = accepted.ok()?;
        let stream = self.streams.len();
        self.streams.push(Stream {
            place: Some((shard, id)),
            version,
            judge: Judge::new(version, maximum),
            armed: true,
            waiting: VecDeque::new(),
            sent: 0,
            reads: true,
            lost: false,
            closed: false,
        });
        self.by_place.insert((shard, id), stream);
        Some(stream)
    }

    /// The version of a stream.
    pub fn version(&self, stream: usize) -> ProtocolVersion {
        self.streams[stream].version
    }

    /// What a stream's client has heard.
    pub fn judge(&mut self, stream: usize) -> &mut Judge {
        &mut self.streams[stream].judge
    }

    /// Whether the client can still say something that counts.
    pub fn is_open(&self, stream: usize) -> bool {
        !self.streams[stream].lost && !self.streams[stream].closed
    }

    /// The client sends bytes; they are received as one piece, once a receive is armed.
    pub fn send(&mut self, stream: usize, bytes: &[u8]) {
        if self.is_open(stream) && !bytes.is_empty() {
            self.streams[stream].sent += bytes.len();
            self.streams[stream].waiting.extend(bytes);
            self.receive(stream);
        }
    }

    /// A receive that is armed brings what waits.
    fn receive(&mut self, stream: usize) -> bool {
        let it = &mut self.streams[stream];
        let Some((shard, id)) = it.place else {
            return false;
        };
        if !it.armed || it.waiting.is_empty() || it.lost {
            return false;
        }
        let bytes: Vec<u8> = it.waiting.drain(..).collect();
        self.engines[shard].handle_bytes(id, &bytes, self.now);
        it.armed = self.engines[shard].wants_read(id);
        self.check_bound(stream);
        true
    }

    /// The client goes without a word.
    pub fn lose(&mut self, stream: usize) {
        let it = &mut self.streams[stream];
        if it.lost || it.closed {
            return;
        }
        it.lost = true;
        it.waiting.clear();
        if let Some((shard, id)) = it.place {
            self.engines[shard].handle_lost(id, LostCause::EndOfStream, self.now);
        }
    }

    /// The client stops taking what it is sent, or takes it again.
    pub fn set_reading(&mut self, stream: usize, reads: bool) {
        self.streams[stream].reads = reads;
        if reads {
            self.flush(stream, usize::MAX);
        }
    }

    /// The client takes so many bytes, whether it reads by itself or not.
    pub fn flush(&mut self, stream: usize, bytes: usize) -> bool {
        let it = &mut self.streams[stream];
        let Some((shard, id)) = it.place else {
            return false;
        };
        let Some(outbox) = self.engines[shard].outbox(id) else {
            return false;
        };
        let mut left = outbox.len().min(bytes);
        if left == 0 {
            return false;
        }
        while left > 0 {
            let pending = outbox.pending();
            let taken = pending.len().min(left);
            if !it.lost {
                it.judge.hear(&pending[..taken]);
            }
            outbox.advance(taken);
            left -= taken;
        }
        if outbox.is_empty() {
            self.engines[shard].handle_flushed(id, self.now);
        }
        true
    }

    /// Work left over is gone on with.
    pub fn go_on(&mut self, shard: usize) -> bool {
        self.engines[shard].handle_ready(self.now)
    }

    /// The engine enters a phase of its stop.
    pub fn stop(&mut self, phase: StopPhase) {
        for engine in &mut self.engines {
            engine.handle_stop(phase, self.now);
        }
    }

    /// One engine's outputs are carried out, in the order that it asks for.
    pub fn carry_out(&mut self, shard: usize) -> bool {
        let mut moved = false;
        while let Some((to, batch)) = self.engines[shard].next_peer_batch() {
            let lane = self.lanes.entry((shard, to.index())).or_default();
            lane.push_back(Item::Batch(batch));
            moved = true;
        }
        while let Some(id) = self.engines[shard].next_dirty() {
            if let Some(&stream) = self.by_place.get(&(shard, id)) {
                self.check_bound(stream);
                if self.streams[stream].reads {
                    moved |= self.flush(stream, usize::MAX);
                }
            }
        }
        while let Some((id, to, arrival)) = self.engines[shard].next_handoff() {
            let stream = self
                .by_place
                .remove(&(shard, id))
                .expect("a known connection");
            self.streams[stream].place = None;
            self.streams[stream].armed = false;
            self.engines[shard].release(id);
            let lane = self.lanes.entry((shard, to.index())).or_default();
            lane.push_back(Item::Handoff(stream, Box::new(arrival)));
            moved = true;
        }
        while let Some(id) = self.engines[shard].next_close() {
            let stream = *self.by_place.get(&(shard, id)).expect("a known connection");
            let reads = self.streams[stream].reads;
            if reads {
                self.flush(stream, usize::MAX);
            }
            self.engines[shard].release(id);
            self.by_place.remove(&(shard, id));
            let it = &mut self.streams[stream];
            it.place = None;
            it.closed = true;
            it.judge.end(reads && !it.lost);
            moved = true;
        }
        while let Some(id) = self.engines[shard].next_resumed() {
            if let Some(&stream) = self.by_place.get(&(shard, id)) {
                self.streams[stream].armed |= self.engines[shard].wants_read(id);
            }
        }
        for stream in 0..self.streams.len() {
            if self.streams[stream]
                .place
                .is_some_and(|(at, _)| at == shard)
            {
                moved |= self.receive(stream);
            }
        }
        moved
    }

    /// The oldest item of a lane arrives.
    pub fn carry(&mut self, from: usize, to: usize) -> bool {
        let Some(item) = self
            .lanes
            .get_mut(&(from, to))
            .and_then(VecDeque::pop_front)
        else {
            return false;
        };
        match item {
            Item::Batch(batch) => {
                let from = ShardId(u16::try_from(from).expect("few engines"));
                self.engines[to].handle_peer(from, batch, self.now);
            }
            Item::Handoff(stream, arrival) => {
                let id = self.engines[to].handle_adopted(*arrival, self.now);
                self.by_place.insert((to, id), stream);
                let it = &mut self.streams[stream];
                it.place = Some((to, id));
                it.armed = self.engines[to].wants_read(id);
                if it.lost {
                    self.engines[to].handle_lost(id, LostCause::EndOfStream, self.now);
                }
            }
        }
        true
    }

    /// Everything moves until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for shard in 0..self.engines.len() {
                moved |= self.go_on(shard);
                moved |= self.carry_out(shard);
                for from in 0..self.engines.len() {
                    while self.carry(from, shard) {
                        moved = true;
                    }
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the engines never come to rest");
    }

    /// Time passes, and what is due happens.
    pub fn pass(&mut self, seconds: u32) {
        let end = self.now.plus_seconds(seconds);
        for _ in 0..ROUNDS {
            let due = self.engines.iter().filter_map(Engine::next_deadline).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            for engine in &mut self.engines {
                if engine.next_deadline().is_some_and(|at| at <= self.now) {
                    engine.handle_timeout(self.now);
                }
            }
            self.settle();
        }
        panic!("time never passes");
    }

    /// An out-buffer takes what its bound allows, and answers to what its client said.
    fn check_bound(&mut self, stream: usize) {
        let it = &self.streams[stream];
        let Some((shard, id)) = it.place else { return };
        let packet = self.limits.max_packet_size as usize;
        let bound = self.limits.max_outbox_bytes + 2 * packet + 4 * it.sent + 128;
        if let Some(outbox) = self.engines[shard].outbox(id) {
            let len = outbox.len();
            assert!(
                len <= bound,
                "{len} bytes in an out-buffer bound to {bound}"
            );
        }
    }

    /// No connection is left, nor its place in the count.
    fn check_closed(&self) {
        assert!(self.by_place.is_empty(), "connections that never close");
        let in_use = self.budget.in_use();
        assert_eq!(in_use, 0, "a connection's place is not given back");
    }

    /// Nobody is left: nothing may be left of anybody.
    fn check_empty(&self) {
        self.check_closed();
        for engine in &self.engines {
            let stats = engine.stats();
            let left = (stats.connections, stats.sessions, stats.subscriptions);
            assert_eq!(left, (0, 0, 0), "connections, sessions, subscriptions");
            assert!(engine.is_quiet(), "something is still open");
        }
    }

    /// The broker ends, whatever its clients do; sessions end with the process.
    pub fn shut_down(&mut self) {
        spoil_table();
        self.stop(StopPhase::Disconnect);
        self.settle();
        self.check_closed();
    }

    /// All clients go, and their sessions with them.
    pub fn empty(&mut self) {
        for stream in 0..self.streams.len() {
            self.lose(stream);
        }
        self.settle();
        self.pass(1_000);
        self.settle();
        self.check_empty();
    }
}
