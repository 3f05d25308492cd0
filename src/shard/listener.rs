//! Accepting connections: listening sockets of the shard's own, and shared ones.
//!
//! Owns the shard's listening sockets and the decision when to stop and start
//! accepting. Lives on its shard; a Unix domain socket or an inherited one is the
//! same descriptor on all shards, of which the kernel wakes one per connection. Never spins on an error: without descriptors
//! or memory it pauses, with one log line per episode. Read next: `turn`.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{debug, warn};

use super::ring::{Completion, Operation, Ring};
use crate::engine::ConnectionBudget;
use crate::ids::{ConnectionId, ShardId};
use crate::time::Timestamp;
use crate::transport::Acceptor;

/// First pause after the machine ran out of descriptors or memory, doubled
/// while it lasts: long enough not to spin, short enough not to be noticed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses of any shard that follow each other within this time are one episode,
/// which is logged once: at the edge of the limit every connection that ends
/// lets one in and the next one pauses again.
const EPISODE_GAP: Duration = Duration::from_secs(10);

/// Connections that wait for accept in the kernel, cut by net.core.somaxconn.
/// Beyond it the kernel drops SYNs and the clients try again.
pub(crate) const BACKLOG: i32 = 4096;

/// The episode of shortage under way, shared by all shards.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// Milliseconds of the latest pause, plus one; zero before the first.
    latest: AtomicU64,
}

impl Shortage {
    /// Notes a pause; true when it begins an episode.
    fn begins(&self, now: Timestamp) -> bool {
        let now = now.as_millis() + 1;
        let before = self.latest.swap(now, Ordering::Relaxed);
        before == 0 || Duration::from_millis(now.saturating_sub(before)) > EPISODE_GAP
    }
}

/// A bound socket, and what becomes of those who come through it.
pub(crate) struct Door {
    pub(crate) socket: Arc<OwnedFd>,
    /// What lies between its connections' bytes and MQTT; `None`: nothing.
    pub(crate) acceptor: Option<Arc<Acceptor>>,
    /// Where its connections count.
    pub(crate) connections: Arc<ConnectionBudget>,
}

/// One listening socket.
struct Listener {
    door: Door,
    /// An accept is in the kernel.
    armed: bool,
    /// Accepting goes on at this instant.
    paused: Option<Timestamp>,
    /// The length of the next pause; `SHORTEST_PAUSE` after a success.
    pause: Duration,
}

/// What an accept completion means for the turn.
pub(crate) enum Accepted {
    /// A connection of this listener.
    Connection { socket: OwnedFd, listener: u16 },
    /// Nothing to do.
    Nothing,
}

/// All listening sockets of one shard.
pub(crate) struct Listeners {
    shard: ShardId,
    shortage: Arc<Shortage>,
    /// `None`: closed.
    all: Vec<Option<Listener>>,
    /// Cancelled; each is closed by its last completion.
    stopping: bool,
    /// How often accepting was paused.
    pauses: u64,
    /// Connections closed over the limit, and those not yet told in the log.
    over_limit: u64,
    untold: u64,
    told_at: Option<Timestamp>,
}

impl Listeners {
    pub(crate) fn new(shard: ShardId, shortage: Arc<Shortage>) -> Self {
        Self {
            shard,
            shortage,
            all: Vec::new(),
            stopping: false,
            pauses: 0,
            over_limit: 0,
            untold: 0,
            told_at: None,
        }
    }

    /// Takes over bound sockets and starts to accept on them. They are numbered
    /// in this order, the same on every shard.
    pub(crate) fn open(&mut self, doors: Vec<Door>, ring: &mut Ring) -> std::io::Result<()> {
        for door in doors {
            socket2::SockRef::from(&door.socket).listen(BACKLOG)?;
            let pause = SHORTEST_PAUSE;
            self.all.push(Some(Listener {
                door,
                armed: false,
                paused: None,
                pause,
            }));
        }
        self.rearm(Timestamp::ZERO, ring);
        Ok(())
    }

    /// What becomes of those who come through a listener.
    pub(crate) fn door(&self, listener: u16) -> Option<&Door> {
        let listener = self.all.get(usize::from(listener))?.as_ref()?;
        Some(&listener.door)
    }

    /// Takes an accept's completion.
    pub(crate) fn handle(&mut self, completion: Completion, now: Timestamp) -> Accepted {
        let index = completion.connection().slot as usize;
        let socket = Ring::accepted(completion);
        let Some(place) = self.all.get_mut(index) else {
            return Accepted::Nothing;
        };
        let Some(listener) = place else {
            return Accepted::Nothing;
        };
        listener.armed = completion.more();
        if self.stopping {
            // A connection that won the race against the cancel is dropped.
            if !listener.armed {
                *place = None;
            }
            return Accepted::Nothing;
        }
        if let Some(socket) = socket {
            listener.pause = SHORTEST_PAUSE;
            let listener = u16::try_from(index).expect("listeners are few");
            return Accepted::Connection { socket, listener };
        }
        match -completion.result {
            // The connection was gone before it was accepted, or a signal came.
            libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::EPROTO | libc::ECANCELED => {}
            errno => self.pause(index, errno, now),
        }
        Accepted::Nothing
    }

    /// EMFILE and its kin return at once, again and again: wait instead.
    fn pause(&mut self, index: usize, errno: i32, now: Timestamp) {
        let Some(listener) = &mut self.all[index] else {
            return;
        };
        if self.shortage.begins(now) {
            let error = std::io::Error::from_raw_os_error(errno);
            warn!(shard = %self.shard, %error, "accepting pauses until the machine has room again");
        }
        self.pauses += 1;
        listener.paused = Some(now.plus(listener.pause));
        listener.pause = (listener.pause * 2).min(LONGEST_PAUSE);
    }

    /// Counts a connection that was closed because there are enough.
    pub(crate) fn count_over_limit(&mut self, now: Timestamp) {
        self.over_limit += 1;
        self.untold += 1;
        let due = self
            .told_at
            .is_none_or(|at| now.since(at) >= Duration::from_secs(1));
        if due {
            let closed = std::mem::take(&mut self.untold);
            self.told_at = Some(now);
            warn!(shard = %self.shard, closed, "connections closed at once: max connections reached");
        }
    }

    /// Starts accepting where it is not under way and not paused.
    pub(crate) fn rearm(&mut self, now: Timestamp, ring: &mut Ring) {
        if self.stopping {
            return;
        }
        for (index, place) in (0u32..).zip(&mut self.all) {
            let Some(listener) = place else { continue };
            if listener.armed || listener.paused.is_some_and(|until| until > now) {
                continue;
            }
            listener.paused = None;
            listener.armed = true;
            ring.arm_accept(index, &listener.door.socket);
        }
    }

    /// When the earliest pause ends.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        if self.stopping {
            return None;
        }
        self.all
            .iter()
            .flatten()
            .filter_map(|listener| listener.paused)
            .min()
    }

    /// Cancels accepting; each socket is closed once the kernel let go of it.
    pub(crate) fn stop(&mut self, ring: &mut Ring) {
        self.stopping = true;
        for (slot, place) in (0u32..).zip(&mut self.all) {
            let Some(listener) = place else { continue };
            debug!(shard = %self.shard, listener = slot, "accepting stops");
            if listener.armed {
                ring.cancel(
                    Operation::Accept,
                    ConnectionId {
                        slot,
                        generation: 0,
                    },
                );
            } else {
                *place = None;
            }
        }
    }

    /// Whether every listening socket is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.all.iter().all(Option::is_none)
    }

    /// How often accepting was paused, and how many connections were closed
    /// because there were enough.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.pauses, self.over_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_of_shortage_is_told_once_whichever_shards_it_meets() {
        let shortage = Shortage::default();
        let at = Timestamp::from_millis;
        assert!(shortage.begins(at(0)));
        for pause in 1..50 {
            assert!(!shortage.begins(at(pause * 1000)), "{pause}");
        }
        assert!(shortage.begins(at(49_000 + 10_001)));
    }
}
