//! The simulated network: bytes move in both directions, in pieces, late, or never.
//!
//! Owns when how much moves. A client's bytes are delivered only into a receive
//! that the broker has armed; the broker's bytes only into room in its socket.

use ringmq::engine::Origin;

use crate::plan::Feature;
use crate::stream::{Finish, Place, Sent, Stream};
use crate::world::{Event, World};

/// A receive buffer of the broker.
const BUFFER: usize = 16 << 10;

impl World {
    /// A client opens a connection, accepted by any shard.
    pub fn open_stream(&mut self, client: usize) -> usize {
        let capacity = if self.has(Feature::SmallOutboxes) {
            100
        } else {
            64 << 10
        };
        let stream = self.streams.len();
        self.streams.push(Stream::new(client, capacity));
        let shard = self.weather.index(self.engines.len());
        let permit = self.budget.try_acquire().expect("room");
        let origin = Origin {
            peer: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let now = self.timestamp();
        let id = self.engines[shard]
            .handle_accepted(origin, permit, now)
            .expect("running");
        self.streams[stream].place = Place::Shard(shard, id);
        self.places.insert((shard, id), stream);
        self.arm(shard, id);
        self.poke(shard);
        stream
    }

    /// A client writes a packet.
    pub fn write(&mut self, stream: usize, bytes: &[u8], sent: Sent) {
        let state = &mut self.streams[stream];
        if state.finish.is_some() {
            return;
        }
        state.up.extend(bytes);
        state.written += bytes.len() as u64;
        state.sent.push_back((state.written, sent));
        self.plan_up(stream);
    }

    /// A client ends its side.
    pub fn finish(&mut self, stream: usize, finish: Finish) {
        let state = &mut self.streams[stream];
        if state.finish.is_none() {
            state.finish = Some(finish);
        }
        if finish == Finish::Reset {
            state.finish = Some(finish);
            state.up.clear();
            state.coming.clear();
        }
        self.plan_up(stream);
    }

    /// Plans the next delivery to the broker, if there is anything to deliver.
    pub fn plan_up(&mut self, stream: usize) {
        let state = &self.streams[stream];
        let anything = !state.up.is_empty() || state.finish.is_some();
        if state.up_planned || !state.armed || !anything {
            return;
        }
        self.streams[stream].up_planned = true;
        let wait = self.streams[stream].stalled_until.saturating_sub(self.now);
        let delay = wait.max(self.weather.below(8));
        self.plan_in(delay, Event::Up(stream));
    }

    /// Bytes reach the broker's armed receive.
    pub fn deliver_up(&mut self, stream: usize) {
        self.streams[stream].up_planned = false;
        let Place::Shard(shard, id) = self.streams[stream].place else {
            return;
        };
        if !self.streams[stream].armed || self.streams[stream].linger.is_some() {
            return;
        }
        if self.streams[stream].stalled_until > self.now {
            self.plan_up(stream);
            return;
        }
        let waiting = self.streams[stream].up.len().min(BUFFER);
        if waiting == 0 {
            if let Some(finish) = self.streams[stream].finish {
                self.streams[stream].armed = false;
                self.lose(stream, finish);
            }
            return;
        }
        let count = if self.has(Feature::Cuts) && self.weather.percent(60) {
            1 + self.weather.index(waiting.min(40))
        } else {
            waiting
        };
        if self.streams[stream].client > 0 && self.storms(Feature::Stalls, 3) {
            let stall = self.weather.below(4_000);
            self.streams[stream].stalled_until = self.now + stall;
        }
        let bytes: Vec<u8> = self.streams[stream].up.drain(..count).collect();
        self.streams[stream].delivered += count as u64;
        self.trace.mix(self.now);
        self.trace.mix_bytes(&bytes);
        self.note_arrivals(stream);
        let now = self.timestamp();
        self.engines[shard].handle_bytes(id, &bytes, now);
        self.streams[stream].armed = self.engines[shard].wants_read(id);
        self.tap_all(shard);
        self.plan_up(stream);
        self.poke(shard);
    }

    /// Moves what an out-buffer holds into its socket, as far as there is room.
    pub fn flush(&mut self, stream: usize) {
        while let Place::Shard(shard, id) = self.streams[stream].place {
            self.tap(stream);
            let broken = self.streams[stream].finish == Some(Finish::Reset);
            let closing = self.streams[stream].linger.is_some();
            if broken && !closing {
                self.lose(stream, Finish::Reset);
                return;
            }
            let room = usize::try_from(self.streams[stream].room()).expect("small");
            let Some(outbox) = self.engines[shard].outbox(id) else {
                return;
            };
            let pending = outbox.pending().len();
            if closing && (pending == 0 || broken) {
                self.close(stream);
                return;
            }
            let moved = pending.min(room);
            if moved == 0 {
                return;
            }
            outbox.advance(moved);
            let is_empty = outbox.is_empty();
            self.streams[stream].flushed += moved as u64;
            self.plan_down(stream);
            if is_empty {
                let now = self.timestamp();
                self.engines[shard].handle_flushed(id, now);
                self.poke(shard);
            }
        }
    }

    /// Plans the next delivery to the client, if there is anything to deliver.
    pub fn plan_down(&mut self, stream: usize) {
        let state = &self.streams[stream];
        if state.down_planned || (state.flushed == state.read && !state.shut) {
            return;
        }
        self.streams[stream].down_planned = true;
        let wait = self.streams[stream].unread_until.saturating_sub(self.now);
        let delay = wait.max(self.weather.below(8));
        self.plan_in(delay, Event::Down(stream));
    }

    /// Bytes reach the client; the broker's socket has room again.
    pub fn deliver_down(&mut self, stream: usize) {
        self.streams[stream].down_planned = false;
        if self.streams[stream].unread_until > self.now && !self.healed {
            self.plan_down(stream);
            return;
        }
        let state = &mut self.streams[stream];
        let waiting = state.flushed - state.read;
        let count = if waiting > 1 && self.plan.has(Feature::Cuts) && self.weather.percent(50) {
            1 + self.weather.below(waiting)
        } else {
            waiting
        };
        state.read += count.min(waiting);
        while let Some(&(end, _)) = self.streams[stream].coming.front()
            && end <= self.streams[stream].read
        {
            let next = self.streams[stream].coming.pop_front();
            if let Some((_, packet)) = next {
                self.receive(stream, &packet);
            }
        }
        self.flush(stream);
        if self.streams[stream].shut && self.streams[stream].flushed == self.streams[stream].read {
            self.end_of_stream(stream);
        } else {
            self.plan_down(stream);
        }
    }
}
