//! Property 4: at most one live connection per client identifier in the whole
//! broker; and Session Present tells the truth: a session is there exactly as long
//! as was agreed [MQTT-3.2.2-2, MQTT-3.1.2-23], and nobody who keeps to the protocol
//! is thrown out.
//!
//! Allowances: both a takeover's ends show within one turn of one shard; a session
//! that expires may stay one tick of the timers (a quarter of a second) longer.

use crate::history::End;
use crate::plan::Feature;
use crate::world::World;

/// Milliseconds that a timer may be late, a late turn included.
const TICK: u64 = 300;

impl World {
    /// At the end of a turn: whoever was superseded in it must have been closed.
    pub fn check_one_connection_each(&mut self, shard: usize) {
        let (here, elsewhere) = std::mem::take(&mut self.superseded)
            .into_iter()
            .partition(|&(at, _)| at == shard);
        self.superseded = elsewhere;
        let here: Vec<(usize, usize)> = here;
        for (_, earlier) in here {
            if self.history.links[earlier].ended.is_none() {
                self.violate("sessions", || {
                    format!("stream {earlier} lives on beside the one that took it over")
                });
            }
        }
    }

    /// CONNACK leaves: is the session that it speaks of there?
    pub fn check_session_present(&mut self, stream: usize, present: bool) {
        let link = &self.history.links[stream];
        let (client, now) = (link.client, self.now);
        let arrived = link.arrived.map_or(now, |when| when.at);
        let expected = match self.history.live[client] {
            _ if link.clean_start => Some(false), // [MQTT-3.1.2-4]
            None => Some(false),
            Some(earlier) => {
                let earlier = &self.history.links[earlier];
                // One of the hooks judges filters and no deliveries.
                let is_anothers = self.has(Feature::JudgeSubscribes) && earlier.user != link.user;
                let lasts = u64::from(earlier.expiry) * 1_000;
                match earlier.ended {
                    _ if earlier.expiry == 0 || is_anothers => Some(false),
                    _ if earlier.expiry == u32::MAX => Some(true),
                    None => Some(true),
                    Some((ended, _)) if now < ended.at + lasts => Some(true),
                    Some((ended, _)) if arrived > ended.at + lasts + TICK => Some(false),
                    Some(_) => None,
                }
            }
        };
        if expected.is_some_and(|expected| expected != present) {
            self.violate("sessions", || {
                format!("stream {stream} (client {client}): session present is {present}")
            });
        }
    }

    /// The broker may throw a client out for its silence alone.
    pub fn check_fault(&mut self, stream: usize, end: End) {
        let link = &self.history.links[stream];
        let silent =
            link.keep_alive > 0 && self.now + 1 >= link.heard + u64::from(link.keep_alive) * 1_500;
        let never_came = link.accepted.is_none();
        if end == End::Fault && !silent && !never_came && !self.stopping {
            let reason = link.dismissed;
            self.violate("sessions", || {
                format!("stream {stream} is thrown out, {reason:02x?}")
            });
        }
    }
}
