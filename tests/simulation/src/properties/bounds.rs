//! Property 7: no queue exceeds its bound, everything open is answered, and no
//! timer, connection, session or subscription is left behind once everybody left.
//!
//! Allowances: an out-buffer may exceed its bound by one packet of each kind that is
//! appended before the bound is looked at again, and by answers, which are bounded by
//! what they answer.

use crate::client::Phase;
use crate::world::World;

/// Bytes by which an out-buffer may exceed its bound.
const OUTBOX_SLACK: usize = 64 << 10;

impl World {
    /// An out-buffer keeps to its bound.
    pub fn check_outbox(&mut self, stream: usize, length: usize) {
        let bound = self.limits.max_outbox_bytes + OUTBOX_SLACK;
        if length > bound {
            self.violate("bounds", || {
                format!("stream {stream}: {length} bytes in its out-buffer")
            });
        }
    }

    /// No more PUBLISH packets are open than the client allows [MQTT-3.3.4-9], and
    /// none with an identifier that is in use.
    pub fn check_window(&mut self, stream: usize, packet_id: u16) {
        if packet_id == 0 {
            return;
        }
        let window = usize::from(self.history.links[stream].window);
        let is_new = self.streams[stream].window.insert(packet_id);
        let open = self.streams[stream].window.len();
        if !is_new {
            self.violate("bounds", || {
                format!("stream {stream}: packet identifier {packet_id} is in use")
            });
        } else if open > window {
            self.violate("bounds", || {
                format!("stream {stream}: {open} messages open, {window} allowed")
            });
        }
    }

    /// Everything open is answered once all is quiet.
    pub fn check_answered(&mut self) {
        for client in 0..self.clients.len() {
            let state = &self.clients[client];
            let open = !state.outgoing.is_empty() || !state.requests.is_empty();
            let stream = state.stream;
            let waiting = stream.is_some_and(|stream| {
                let state = &self.streams[stream];
                state.pings > 0 || !state.window.is_empty() || !state.armed
            });
            if state.phase != Phase::Connected || open || waiting {
                let what = waits(self, client);
                self.violate("bounds", || {
                    format!("client {client} waits for ever for {what}")
                });
            }
        }
        for shard in 0..self.engines.len() {
            if !self.engines[shard].is_quiet() {
                self.violate("bounds", || format!("shard {shard} is not quiet"));
            }
        }
    }

    /// Everybody has left and time has passed: nothing is left.
    pub fn check_nothing_left(&mut self) {
        for shard in 0..self.engines.len() {
            let stats = self.engines[shard].stats();
            let left = [
                ("connections", stats.connections),
                ("sessions", stats.sessions),
                ("subscriptions", stats.subscriptions),
            ];
            for (what, count) in left {
                if count > 0 {
                    self.violate("bounds", || format!("shard {shard}: {count} {what} left"));
                }
            }
            if stats.retained_messages == 0 && self.engines[shard].next_deadline().is_some() {
                self.violate("bounds", || format!("shard {shard}: a timer left"));
            }
        }
        self.check_nobody_waits();
        let places = self.budget.in_use();
        if places > 0 {
            self.violate("bounds", || format!("{places} permits of connections left"));
        }
    }

    /// Every question has ended: answered, too late, or nobody there any more.
    fn check_nobody_waits(&mut self) {
        self.answer_the_rest();
        for shard in 0..self.engines.len() {
            let open = self.engines[shard].open_questions();
            if open > 0 {
                self.violate("bounds", || format!("shard {shard}: {open} questions left"));
            }
        }
    }

    /// The broker has stopped: no connection and no question is left.
    pub fn check_stopped(&mut self) {
        self.check_nobody_waits();
        let connections = self.stats().connections;
        if connections > 0 || self.budget.in_use() > 0 {
            self.violate("bounds", || {
                format!("{connections} connections outlive the broker")
            });
        }
    }
}

fn waits(world: &World, client: usize) -> String {
    let state = &world.clients[client];
    let stream = state.stream.map(|stream| &world.streams[stream]);
    format!(
        "outgoing {:?}, requests {:?}, pings {:?}, window {:?}, unread {:?}",
        state.outgoing,
        state.requests,
        stream.map(|stream| stream.pings),
        stream.map(|stream| stream.window.clone()),
        stream.map(|stream| stream.up.len()),
    )
}
