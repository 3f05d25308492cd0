//! What shards say to each other, and the lane between two of them.
//!
//! Owns, per other shard: what goes out with the next batch, the credit of each
//! rank, and how far each side has accepted. Pure: the shard carries batches, in
//! order and without loss.
//!
//! Ranks keep the mesh free of deadlock: handling an item may send only items of a
//! higher rank, each rank has a credit of its own, and acceptance travels in every
//! batch's receipt, which needs none. Rank 0: publications, membership, messages
//! given back. Rank 1: deliveries to the member that a group chose.
//!
//! HOT PATH: one item per publication and interested shard.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::planted::{Fault as Planted, is_planted};
use crate::ids::{SessionId, ShardId};
use crate::message::Message;
use crate::protocol::{QoS, SubscriptionOptions};
use crate::routing::{Round, Stamp};
use crate::session::answers::{Wait, Waits};

/// Ranks that carry items.
pub const RANKS: usize = 2;
/// The rank of publications, membership and messages given back.
pub const RANK_PUBLISH: u8 = 0;
/// The rank of deliveries to a chosen member of a group.
pub const RANK_GROUP: u8 = 1;

/// Bytes that an item counts beside its message.
const ITEM_OVERHEAD: u64 = 64;

/// One thing that another shard has to handle.
#[derive(Clone, Debug)]
pub enum PeerItem {
    /// A message for the receiving shard's own subscribers and groups; with a stamp
    /// it is to be retained there, too.
    Publish {
        /// The message.
        message: Message,
        /// Present for retained messages.
        stamp: Option<Stamp>,
    },
    /// A session of the sender joins a group that lives on the receiving shard.
    Join {
        /// `$share/group/filter`.
        group: Arc<str>,
        /// The session, at home on the sending shard.
        session: SessionId,
        /// Its options.
        options: SubscriptionOptions,
        /// Its subscription identifier.
        subscription_id: Option<NonZeroU32>,
    },
    /// A session of the sender leaves a group.
    Leave {
        /// `$share/group/filter`.
        group: Arc<str>,
        /// The session.
        session: SessionId,
    },
    /// A session of the sender has come or gone; its groups prefer those present.
    Presence {
        /// The session.
        session: SessionId,
        /// Whether it has a connection.
        online: bool,
    },
    /// A message that a member could not complete, for another member.
    GiveBack {
        /// `$share/group/filter`.
        group: Arc<str>,
        /// The message.
        message: Message,
        /// The member that gives it back.
        from: SessionId,
        /// Where that one could not have it: how far the message has come.
        round: Option<Round>,
    },
    /// A group chose this session of the receiving shard.
    GroupDelivery(GroupDelivery),
}

/// A message for the member that its group chose.
#[derive(Clone, Debug)]
pub struct GroupDelivery {
    /// `$share/group/filter`.
    pub group: Arc<str>,
    /// The chosen session.
    pub session: SessionId,
    /// The message.
    pub message: Message,
    /// The member's maximum QoS.
    pub qos: QoS,
    /// RETAIN as the member is to see it.
    pub retain: bool,
    /// The member's subscription identifier.
    pub subscription_id: Option<NonZeroU32>,
    /// How far the message has come among the members.
    pub round: Round,
    /// Whether there is no other member that could have it.
    pub is_last: bool,
}

impl PeerItem {
    fn rank(&self) -> u8 {
        match self {
            Self::GroupDelivery(_) => RANK_GROUP,
            Self::Publish { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Presence { .. }
            | Self::GiveBack { .. } => RANK_PUBLISH,
        }
    }

    fn cost(&self) -> u64 {
        let bytes = match self {
            Self::Publish { message, .. }
            | Self::GiveBack { message, .. }
            | Self::GroupDelivery(GroupDelivery { message, .. }) => message.len(),
            Self::Join { group, .. } | Self::Leave { group, .. } => group.len(),
            Self::Presence { .. } => 0,
        };
        bytes as u64 + ITEM_OVERHEAD
    }
}

/// How far the sender of a batch has come with what it received; cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Items whose effects are complete, per rank.
    accepted: [u64; RANKS],
    /// Bytes taken out of the lane, per rank: they are the sender's credit again.
    returned: [u64; RANKS],
}

/// What one shard sends another at the end of a turn.
#[derive(Clone, Debug)]
pub struct PeerBatch {
    pub(super) items: Vec<PeerItem>,
    pub(super) receipt: Receipt,
}

/// Items of a rank that were received and whose effects wait for a third shard.
#[derive(Debug)]
struct Open {
    sequence: u64,
    waits: Waits,
}

/// Both directions between this shard and another.
#[derive(Debug)]
pub struct Lane {
    peer: ShardId,
    /// Bytes that may be on the way to it in each rank.
    pub(super) credit: u64,
    outgoing: Vec<PeerItem>,
    sent: [u64; RANKS],
    sent_bytes: [u64; RANKS],
    /// What the other side has told.
    theirs: Receipt,
    received: [u64; RANKS],
    returned: [u64; RANKS],
    open: VecDeque<Open>,
    /// Items that wait for credit towards third shards; later ones queue behind.
    deferred: VecDeque<PeerItem>,
    /// What this side has told.
    told: Receipt,
    /// Sessions whose next answer may wait for this lane, per rank.
    waiting: [VecDeque<(u64, u32)>; RANKS],
}

impl Lane {
    /// A lane to `peer` on which nothing has been said.
    #[must_use]
    pub fn new(peer: ShardId, credit: u64) -> Self {
        Self {
            peer,
            credit,
            outgoing: Vec::new(),
            sent: [0; RANKS],
            sent_bytes: [0; RANKS],
            theirs: Receipt::default(),
            received: [0; RANKS],
            returned: [0; RANKS],
            open: VecDeque::new(),
            deferred: VecDeque::new(),
            told: Receipt::default(),
            waiting: [VecDeque::new(), VecDeque::new()],
        }
    }

    /// The other shard.
    #[must_use]
    pub fn peer(&self) -> ShardId {
        self.peer
    }

    /// Whether another item of this rank may be sent. The one that uses the credit
    /// up may exceed it, by at most one packet.
    #[must_use]
    pub fn has_credit(&self, rank: u8) -> bool {
        let rank = usize::from(rank);
        self.sent_bytes[rank] - self.theirs.returned[rank] < self.credit
    }

    /// Sends an item with the next batch; tells what its acceptance is.
    pub fn push(&mut self, item: PeerItem) -> Wait {
        let rank = item.rank();
        let index = usize::from(rank);
        self.sent[index] += 1;
        self.sent_bytes[index] += item.cost();
        self.outgoing.push(item);
        Wait {
            shard: self.peer,
            rank,
            sequence: self.sent[index],
        }
    }

    /// How many items the other side has accepted, per rank.
    #[must_use]
    pub fn accepted(&self) -> [u64; RANKS] {
        self.theirs.accepted
    }

    /// Whether the other side has accepted as far as this.
    #[must_use]
    pub fn has_accepted(&self, wait: &Wait) -> bool {
        self.theirs.accepted[usize::from(wait.rank)] >= wait.sequence
    }

    /// Remembers that a session waits for this.
    pub fn await_for(&mut self, wait: &Wait, session: u32) {
        self.waiting[usize::from(wait.rank)].push_back((wait.sequence, session));
    }

    /// Takes in what the other side tells; true when there is news.
    pub fn learn(&mut self, receipt: Receipt) -> bool {
        let news = self.theirs != receipt;
        self.theirs = receipt;
        news
    }

    /// The next session whose wait has been reached.
    pub fn next_reached(&mut self) -> Option<u32> {
        for (rank, waiting) in self.waiting.iter_mut().enumerate() {
            if let Some(&(sequence, session)) = waiting.front()
                && sequence <= self.theirs.accepted[rank]
            {
                waiting.pop_front();
                return Some(session);
            }
        }
        None
    }

    /// An item has been handled; `waits` is what its effects still wait for.
    pub fn handled(&mut self, item_rank: u8, item_cost: u64, waits: Waits) {
        let rank = usize::from(item_rank);
        self.received[rank] += 1;
        self.returned[rank] += item_cost;
        if !waits.is_empty() {
            debug_assert_eq!(item_rank, RANK_PUBLISH, "rank 1 causes nothing elsewhere");
            self.open.push_back(Open {
                sequence: self.received[rank],
                waits,
            });
        }
    }

    /// Closes what third shards have accepted meanwhile.
    pub fn close_open(&mut self, reached: impl Fn(&Wait) -> bool) {
        while self
            .open
            .front()
            .is_some_and(|open| open.waits.iter().all(&reached))
        {
            self.open.pop_front();
        }
    }

    /// Whether effects of received items wait for third shards.
    #[must_use]
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Puts an item behind those that wait for credit.
    pub fn defer(&mut self, item: PeerItem) {
        self.deferred.push_back(item);
    }

    /// Puts an item back in front of those that wait for credit.
    pub fn defer_again(&mut self, item: PeerItem) {
        self.deferred.push_front(item);
    }

    /// Whether items wait for credit, so that a new one has to queue behind.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// The first item that waits for credit.
    pub fn next_deferred(&mut self) -> Option<PeerItem> {
        self.deferred.pop_front()
    }

    fn receipt(&self) -> Receipt {
        let done = self
            .open
            .front()
            .map_or(self.received[0], |open| open.sequence - 1);
        Receipt {
            accepted: [done, self.received[1]],
            returned: self.returned,
        }
    }

    /// What is to be sent now, if anything: items, or news of acceptance.
    pub fn take_batch(&mut self) -> Option<PeerBatch> {
        let receipt = self.receipt();
        if self.outgoing.is_empty() && receipt == self.told {
            return None;
        }
        self.told = receipt;
        if is_planted(Planted::ReorderMesh) {
            self.outgoing.reverse();
        }
        Some(PeerBatch {
            items: std::mem::take(&mut self.outgoing),
            receipt,
        })
    }

    /// Whether everything sent was accepted and everything received handled.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.outgoing.is_empty()
            && self.deferred.is_empty()
            && self.open.is_empty()
            && self.sent == self.theirs.accepted
            && self.receipt() == self.told
    }
}

/// Rank and cost of an item, which outlive its handling.
pub fn measure(item: &PeerItem) -> (u8, u64) {
    (item.rank(), item.cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(payload: usize) -> PeerItem {
        let message = Message::new("t", &[], &vec![0; payload], QoS::AtLeastOnce, false, None);
        PeerItem::Publish {
            message,
            stamp: None,
        }
    }

    fn wait(shard: u16, sequence: u64) -> Waits {
        Waits::from_iter([Wait {
            shard: ShardId(shard),
            rank: RANK_GROUP,
            sequence,
        }])
    }

    #[test]
    fn credit_runs_out_and_comes_back_with_the_receipt() {
        let mut a = Lane::new(ShardId(1), 1_000);
        let mut b = Lane::new(ShardId(0), 1_000);
        let size = 1_000;
        let accepted = a.push(publish(size));
        assert!(!a.has_credit(RANK_PUBLISH), "used up");
        assert!(a.has_credit(RANK_GROUP), "each rank has its own");
        for item in a.take_batch().expect("an item").items {
            let (rank, cost) = measure(&item);
            b.handled(rank, cost, Waits::new());
        }
        assert!(!a.has_accepted(&accepted));
        assert!(a.learn(b.take_batch().expect("a receipt").receipt));
        assert!(a.has_credit(RANK_PUBLISH) && a.has_accepted(&accepted));
        assert!(a.is_quiet() && b.is_quiet());
    }

    #[test]
    fn acceptance_is_held_back_by_the_first_item_whose_effects_are_open() {
        let mut lane = Lane::new(ShardId(0), 1_000);
        lane.handled(RANK_PUBLISH, 1, Waits::new());
        lane.handled(RANK_PUBLISH, 1, wait(2, 9));
        lane.handled(RANK_PUBLISH, 1, Waits::new());
        assert_eq!(lane.receipt().accepted[0], 1);
        assert_eq!(lane.receipt().returned[0], 3, "credit does not wait");
        lane.close_open(|wait| wait.sequence <= 9);
        assert_eq!(lane.receipt().accepted[0], 3);
    }
}
