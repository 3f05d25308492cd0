//! The drive of the engines: what `shard/turn.rs` does with rings and sockets, done
//! with the world's streams and lanes.
//!
//! Owns the order of a turn (the engine's contract) and of the mesh. Never looks at
//! packets: the edge does, on the way.

use ringmq::engine::LostCause;
use ringmq::ids::{ConnectionId, ShardId};
use ringmq::time::Timestamp;

use crate::history::End;
use crate::plan::Feature;
use crate::stream::{Finish, Place};
use crate::world::{Carried, Event, World};

/// Milliseconds that a closing connection may take for its last bytes.
const LINGER: u64 = 1_000;

/// No batch between two shards arrives twice within one event; this many
/// milliseconds at most stops a lane.
pub const MESH_STALL: u64 = 2_000;

impl World {
    /// A shard received an input: it will take a turn.
    pub fn poke(&mut self, shard: usize) {
        let delay = if self.has(Feature::LazyTurns) && !self.healed {
            self.weather.below(6)
        } else {
            0
        };
        self.plan_turn(shard, self.now + delay);
    }

    fn plan_turn(&mut self, shard: usize, at: u64) {
        if self.turns[shard].is_none_or(|planned| at < planned) {
            self.turns[shard] = Some(at);
            self.plan_in(at.saturating_sub(self.now), Event::Turn(shard));
        }
    }

    /// Inputs that time brings, then outputs, in the order of the contract.
    pub fn turn(&mut self, shard: usize) {
        if self.turns[shard].is_none_or(|planned| planned > self.now) {
            return;
        }
        self.turns[shard] = None;
        let now = self.timestamp();
        if self.engines[shard]
            .next_deadline()
            .is_some_and(|at| at <= now)
        {
            self.engines[shard].handle_timeout(now);
            self.tap_all(shard);
        }
        let more = self.engines[shard].handle_ready(now);
        self.tap_all(shard);
        if !more {
            self.note_handled(shard);
        }
        while let Some((to, batch)) = self.engines[shard].next_peer_batch() {
            self.send_over(shard, to.index(), Carried::Batch(batch));
        }
        while let Some(id) = self.engines[shard].next_dirty() {
            if let Some(&stream) = self.places.get(&(shard, id)) {
                self.flush(stream);
            }
        }
        self.take_questions(shard);
        while let Some((id, to, arrival)) = self.engines[shard].next_handoff() {
            let stream = self
                .places
                .remove(&(shard, id))
                .expect("a known connection");
            self.engines[shard].release(id);
            self.streams[stream].place = Place::Moving;
            self.send_over(shard, to.index(), Carried::Handoff(stream, arrival));
        }
        while let Some(id) = self.engines[shard].next_close() {
            self.begin_close(shard, id);
        }
        while let Some(id) = self.engines[shard].next_resumed() {
            self.arm(shard, id);
        }
        self.check_one_connection_each(shard);
        if !more {
            self.check_only_askers_wait(shard);
        }
        if more {
            self.plan_turn(shard, self.now + 1);
        }
        if let Some(at) = self.engines[shard].next_deadline() {
            self.plan_turn(shard, at.as_millis().max(self.now + 1));
        }
    }

    /// A receive is armed where the engine wants one.
    pub fn arm(&mut self, shard: usize, id: ConnectionId) {
        if let Some(&stream) = self.places.get(&(shard, id))
            && self.engines[shard].wants_read(id)
        {
            self.streams[stream].armed = true;
            self.plan_up(stream);
        }
    }

    fn begin_close(&mut self, shard: usize, id: ConnectionId) {
        let Some(&stream) = self.places.get(&(shard, id)) else {
            self.engines[shard].release(id);
            return;
        };
        self.tap(stream);
        self.note_end(stream, None);
        self.streams[stream].armed = false;
        self.streams[stream].linger = Some(self.now + LINGER);
        self.flush(stream);
        if matches!(self.streams[stream].place, Place::Shard(..)) {
            self.plan_in(LINGER, Event::Linger(stream));
        }
    }

    /// A closing connection has had its time.
    pub fn end_linger(&mut self, stream: usize) {
        if self.streams[stream].linger.is_some() {
            self.close(stream);
        }
    }

    /// The descriptor is gone.
    pub fn close(&mut self, stream: usize) {
        if let Place::Shard(shard, id) = self.streams[stream].place {
            self.engines[shard].release(id);
            self.places.remove(&(shard, id));
        }
        let state = &mut self.streams[stream];
        state.place = Place::Gone;
        state.shut = true;
        state.linger = None;
        state.up.clear();
        self.plan_down(stream);
    }

    /// The broker notices that the client is gone.
    pub fn lose(&mut self, stream: usize, finish: Finish) {
        let Place::Shard(shard, id) = self.streams[stream].place else {
            return;
        };
        let cause = match finish {
            Finish::Closed => LostCause::EndOfStream,
            Finish::Reset => LostCause::Io(104),
        };
        self.tap(stream);
        self.note_end(stream, Some(End::Lost));
        let now = self.timestamp();
        self.engines[shard].handle_lost(id, cause, now);
        self.tap_all(shard);
        self.poke(shard);
    }

    fn send_over(&mut self, from: usize, to: usize, what: Carried) {
        let mut delay = self.weather.below(self.plan.mesh_delay() + 1);
        if self.storms(Feature::MeshStalls, 3) {
            delay += self.weather.below(MESH_STALL);
        }
        let at = self.now + delay;
        let way = self.ways.entry((from, to)).or_default();
        way.last = way.last.max(at);
        let delay = way.last - self.now;
        way.items.push_back((way.last, what));
        self.plan_in(delay, Event::Mesh(from, to));
    }

    /// The next thing on its way from one shard to another arrives.
    pub fn carry(&mut self, from: usize, to: usize) {
        let Some((_, what)) = self
            .ways
            .get_mut(&(from, to))
            .and_then(|way| way.items.pop_front())
        else {
            return;
        };
        let now = self.timestamp();
        match what {
            Carried::Batch(batch) => {
                self.trace.mix(0x6d65_7368);
                let from = ShardId(u16::try_from(from).expect("few shards"));
                self.engines[to].handle_peer(from, batch, now);
                self.tap_all(to);
            }
            Carried::Handoff(stream, arrival) => self.adopt(to, stream, arrival, now),
        }
        self.poke(to);
    }

    fn adopt(
        &mut self,
        shard: usize,
        stream: usize,
        arrival: ringmq::engine::Arrival,
        now: Timestamp,
    ) {
        let id = self.engines[shard].handle_adopted(arrival, now);
        self.trace
            .line(self.now, || format!("stream {stream} is at shard {shard}"));
        self.streams[stream].place = Place::Shard(shard, id);
        self.places.insert((shard, id), stream);
        self.note_home(stream);
        self.tap_all(shard);
        self.arm(shard, id);
    }
}
