//! HOT PATH: the lanes between shards, and who wakes whom.
//!
//! Owns one lane per ordered pair of shards; each half lives on its own shard,
//! in the turn, which looks into all lanes itself. A lane is first in, first out
//! and never drops: where it is full, items wait in a backlog whose length the
//! engine's credits bound. Never blocks; a peer that sleeps is woken once per
//! turn by its doorbell, however much was sent to it.
//!
//! glommio's shared channels are not used. They have no receive that does not
//! wait, and their notifications reach an executor as a request to preempt: one
//! that arrives just before the run queue is looked at makes glommio 0.9 park
//! with runnable tasks (`run_task_queues` then answers that nothing ran), so
//! that a shard slept although its turn was due.

use std::collections::VecDeque;
use std::sync::Arc;

use super::doorbell::Doorbell;
use super::handoff::Handoff;
use super::lane::{LaneReceiver, LaneSender, lane};
use crate::engine::PeerBatch;
use crate::ids::ShardId;

/// Items a lane holds. A turn sends a peer one batch, so this covers many turns
/// of a receiver that is busy; beyond it the backlog takes over.
const LANE_ITEMS: usize = 256;

/// Items taken from one lane before the next one is looked at.
const ITEMS_PER_VISIT: usize = 16;

/// What crosses between shards.
pub(crate) enum LaneItem {
    /// Everything a turn has for a peer.
    Batch(PeerBatch),
    /// A connection whose home is the receiver.
    Handoff(Box<Handoff>),
}

/// A lane to a peer.
struct Outgoing {
    lane: LaneSender<LaneItem>,
    /// Items that the lane had no room for, in order.
    backlog: VecDeque<LaneItem>,
    peer: Arc<Doorbell>,
    /// Something was sent since the peer was last woken.
    touched: bool,
}

impl Outgoing {
    fn send(&mut self, item: LaneItem) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(item);
        } else if let Err(item) = self.lane.push(item) {
            self.backlog.push_back(item);
        }
        self.touched = true;
    }

    fn drain_backlog(&mut self) {
        while let Some(item) = self.backlog.pop_front() {
            if let Err(item) = self.lane.push(item) {
                self.backlog.push_front(item);
                self.lane.want_room();
                if !self.lane.has_room() {
                    break;
                }
            }
            self.touched = true;
        }
    }
}

/// A lane from a peer.
struct Incoming {
    from: ShardId,
    lane: LaneReceiver<LaneItem>,
    peer: Arc<Doorbell>,
}

/// A shard's half of the mesh.
pub(crate) struct Mesh {
    /// By shard; none to itself.
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<Incoming>,
    /// The incoming lane to be looked at next, and how many items were taken
    /// from it in a row.
    next: usize,
    taken: usize,
    sent: u64,
    received: u64,
}

/// Makes the lanes of a whole broker: one half per shard, in order.
pub(crate) fn meshes(doorbells: &[Arc<Doorbell>]) -> Vec<Mesh> {
    let new = |_| Mesh {
        outgoing: Vec::with_capacity(doorbells.len()),
        incoming: Vec::with_capacity(doorbells.len()),
        next: 0,
        taken: 0,
        sent: 0,
        received: 0,
    };
    let mut meshes: Vec<Mesh> = doorbells.iter().map(new).collect();
    for (from, own) in (0u16..).zip(doorbells) {
        for (to, peer) in doorbells.iter().enumerate() {
            if usize::from(from) == to {
                meshes[to].outgoing.push(None);
                continue;
            }
            let (sender, receiver) = lane(LANE_ITEMS);
            let backlog = VecDeque::new();
            let outgoing = Outgoing {
                lane: sender,
                backlog,
                peer: Arc::clone(peer),
                touched: false,
            };
            meshes[usize::from(from)].outgoing.push(Some(outgoing));
            let incoming = Incoming {
                from: ShardId(from),
                lane: receiver,
                peer: Arc::clone(own),
            };
            meshes[to].incoming.push(incoming);
        }
    }
    meshes
}

impl Mesh {
    /// Sends an item after all earlier ones to this peer. Never waits; the peer
    /// hears of it with [`Self::wake_peers`].
    pub(crate) fn send(&mut self, to: ShardId, item: LaneItem) {
        debug_assert!(
            self.outgoing[to.index()].is_some(),
            "no shard sends to itself"
        );
        if let Some(outgoing) = &mut self.outgoing[to.index()] {
            self.sent += 1;
            outgoing.send(item);
        }
    }

    /// The next item that arrived, from one lane after the other.
    pub(crate) fn next(&mut self) -> Option<(ShardId, LaneItem)> {
        let lanes = self.incoming.len();
        for _ in 0..=lanes {
            let incoming = self.incoming.get_mut(self.next)?;
            if self.taken < ITEMS_PER_VISIT
                && let Some(item) = incoming.lane.pop()
            {
                self.taken += 1;
                self.received += 1;
                return Some((incoming.from, item));
            }
            if self.taken > 0 && incoming.lane.take_wants_room() {
                incoming.peer.ring_if_parked();
            }
            self.taken = 0;
            self.next = (self.next + 1) % lanes;
        }
        None
    }

    /// Moves backlogs on and wakes the peers that something was sent to.
    pub(crate) fn wake_peers(&mut self) {
        for outgoing in self.outgoing.iter_mut().flatten() {
            if !outgoing.backlog.is_empty() {
                outgoing.drain_backlog();
            }
            if std::mem::take(&mut outgoing.touched) {
                outgoing.peer.ring_if_parked();
            }
        }
    }

    /// Whether there is nothing to receive and nothing that could be sent on.
    pub(crate) fn is_idle(&mut self) -> bool {
        let stuck =
            |outgoing: &mut Outgoing| outgoing.backlog.is_empty() || !outgoing.lane.has_room();
        self.incoming
            .iter_mut()
            .all(|incoming| incoming.lane.is_empty())
            && self.outgoing.iter_mut().flatten().all(stuck)
    }

    /// Items sent and taken so far. What all shards sent minus what all took is
    /// what is under way.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sent, self.received)
    }
}
