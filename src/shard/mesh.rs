//! HOT PATH: the lanes between shards.
//!
//! Owns one glommio shared channel per ordered pair of shards, with a receiving
//! and a sending task at its ends. Each half lives on its own shard. A lane is
//! first in, first out and never drops: where the channel is full, items wait in
//! a backlog whose length the engine's credits bound. Never waits in the turn,
//! and never abandons a channel's future (each abandoned poll would leave a
//! waker behind): the two tasks do nothing but send or receive.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use glommio::channels::shared_channel::{
    ConnectedSender, SharedReceiver, SharedSender, new_bounded,
};
use glommio::task::JoinHandle;
use glommio::{GlommioError, ResourceType, spawn_local};

use super::doorbell::Wakeup;
use super::handoff::Handoff;
use crate::engine::PeerBatch;
use crate::ids::ShardId;

/// Items a lane's channel holds. A turn sends a peer one batch, so this covers
/// many turns of a receiver that is busy; beyond it the backlog takes over.
const LANE_ITEMS: usize = 256;

/// What crosses between shards.
pub(crate) enum LaneItem {
    /// Everything a turn has for a peer.
    Batch(PeerBatch),
    /// A connection whose home is the receiver.
    Handoff(Box<Handoff>),
}

/// One shard's ends of all lanes, not yet connected, to be sent to its thread.
pub(crate) struct LaneEnds {
    senders: Vec<Option<SharedSender<LaneItem>>>,
    receivers: Vec<Option<SharedReceiver<LaneItem>>>,
}

/// Makes the lanes of a whole broker: one set of ends per shard.
pub(crate) fn lanes(shards: usize) -> Vec<LaneEnds> {
    let mut ends: Vec<LaneEnds> = (0..shards)
        .map(|_| LaneEnds {
            senders: Vec::with_capacity(shards),
            receivers: Vec::new(),
        })
        .collect();
    for from in 0..shards {
        for to in 0..shards {
            // A shard has no lane to itself.
            let pair = (from != to).then(|| new_bounded(LANE_ITEMS));
            let (sender, receiver) = pair.unzip();
            ends[from].senders.push(sender);
            ends[to].receivers.push(receiver);
        }
    }
    ends
}

/// The sending half of a lane.
#[derive(Default)]
struct Lane {
    channel: OnceCell<ConnectedSender<LaneItem>>,
    /// Items that the channel had no room for, in order.
    backlog: RefCell<VecDeque<LaneItem>>,
    /// The sending task holds one more item, older than the backlog.
    sending: Cell<bool>,
    /// The sending task, while the backlog is empty.
    idle: RefCell<Option<Waker>>,
    closing: Cell<bool>,
}

impl Lane {
    fn send(&self, item: LaneItem) {
        let item = match self.channel.get() {
            Some(channel) if !self.sending.get() && self.backlog.borrow().is_empty() => {
                match channel.try_send(item) {
                    Err(GlommioError::WouldBlock(ResourceType::Channel(item))) => item,
                    // Sent; or the peer is gone, which it only is at the very
                    // end of a stop, when nothing is open any more.
                    _ => return,
                }
            }
            _ => item,
        };
        self.backlog.borrow_mut().push_back(item);
        if let Some(task) = self.idle.borrow_mut().take() {
            task.wake();
        }
    }

    /// The next item of the backlog, or `None` once the lane is closing.
    async fn next(&self) -> Option<LaneItem> {
        poll_fn(|context| {
            let item = self.backlog.borrow_mut().pop_front();
            if item.is_some() || self.closing.get() {
                return Poll::Ready(item);
            }
            *self.idle.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn close(&self) {
        self.closing.set(true);
        if let Some(task) = self.idle.borrow_mut().take() {
            task.wake();
        }
    }
}

/// What arrived from all peers, in order of arrival, and who waits for it.
pub(crate) struct Inbox {
    items: RefCell<VecDeque<(ShardId, LaneItem)>>,
    wakeup: Rc<Wakeup>,
    /// The turn is over: what still arrives is dropped.
    closed: Cell<bool>,
}

impl Inbox {
    fn push(&self, from: ShardId, item: LaneItem) {
        if !self.closed.get() {
            self.items.borrow_mut().push_back((from, item));
            self.wakeup.wake();
        }
    }
}

/// Counts the lane ends that are still connecting.
#[derive(Default)]
struct Connecting {
    open: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Connecting {
    fn connected(&self) {
        self.open.set(self.open.get() - 1);
        if let Some(task) = self.waiting.borrow_mut().take() {
            task.wake();
        }
    }

    async fn all(&self) {
        poll_fn(|context| {
            if self.open.get() == 0 {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A shard's half of the mesh.
pub(crate) struct Mesh {
    lanes: Vec<Rc<Lane>>,
    inbox: Rc<Inbox>,
    sent: u64,
    received: u64,
}

impl Mesh {
    /// Starts the tasks of all lanes and waits until every peer did the same.
    /// The tasks end after [`Self::close`] was called on every shard.
    pub(crate) async fn connect(ends: LaneEnds, wakeup: Rc<Wakeup>) -> (Self, Vec<JoinHandle<()>>) {
        let inbox = Rc::new(Inbox {
            items: RefCell::default(),
            wakeup,
            closed: Cell::new(false),
        });
        let connecting = Rc::new(Connecting::default());
        let mut tasks = Vec::new();
        let mut lanes = Vec::new();
        for end in ends.senders {
            let lane = Rc::new(Lane::default());
            if let Some(end) = end {
                connecting.open.set(connecting.open.get() + 1);
                let task = send(end, Rc::clone(&lane), Rc::clone(&connecting));
                tasks.push(spawn_local(task).detach());
            }
            lanes.push(lane);
        }
        for (from, end) in (0u16..).map(ShardId).zip(ends.receivers) {
            if let Some(end) = end {
                connecting.open.set(connecting.open.get() + 1);
                let task = receive(from, end, Rc::clone(&inbox), Rc::clone(&connecting));
                tasks.push(spawn_local(task).detach());
            }
        }
        connecting.all().await;
        (
            Self {
                lanes,
                inbox,
                sent: 0,
                received: 0,
            },
            tasks,
        )
    }

    /// Sends an item after all earlier ones to this peer. Never waits.
    pub(crate) fn send(&mut self, to: ShardId, item: LaneItem) {
        self.sent += 1;
        self.lanes[to.index()].send(item);
    }

    /// The next item that arrived.
    pub(crate) fn next(&mut self) -> Option<(ShardId, LaneItem)> {
        let item = self.inbox.items.borrow_mut().pop_front();
        self.received += u64::from(item.is_some());
        item
    }

    /// Whether nothing has arrived that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.inbox.items.borrow().is_empty()
    }

    /// Items sent and taken so far. What all shards sent minus what all took is
    /// what is under way.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sent, self.received)
    }

    /// Ends the sending tasks; the receiving ones end when the peers did the
    /// same, and drop what they still receive.
    pub(crate) fn close(self) {
        self.inbox.closed.set(true);
        self.inbox.items.borrow_mut().clear();
        for lane in &self.lanes {
            lane.close();
        }
    }
}

async fn send(end: SharedSender<LaneItem>, lane: Rc<Lane>, connecting: Rc<Connecting>) {
    let channel = end.connect().await;
    let channel = lane.channel.get_or_init(|| channel);
    connecting.connected();
    while let Some(item) = lane.next().await {
        lane.sending.set(true);
        // An error says that the peer is gone: see `Lane::send`.
        let _ = channel.send(item).await;
        lane.sending.set(false);
    }
}

async fn receive(
    from: ShardId,
    end: SharedReceiver<LaneItem>,
    inbox: Rc<Inbox>,
    connecting: Rc<Connecting>,
) {
    let channel = end.connect().await;
    connecting.connected();
    while let Some(item) = channel.recv().await {
        inbox.push(from, item);
    }
}
