//! Batches from other shards come in, and what they set free goes on.
//!
//! Owns the rule that keeps two shards with full lanes moving: whatever comes in is
//! taken at once; only items whose effects need credit elsewhere wait, and those
//! beyond what a pass may do, and then the later ones of the same lane and rank
//! behind them. An item that waits returns no credit, so its sender slows down. Pure.
//!
//! HOT PATH: one call per batch, one step per publication.

use std::rc::Rc;

use super::Engine;
use super::burst::Burst;
use super::limits::FILTER_WORK;
use super::peer::{Lane, PeerBatch, PeerItem, measure};
use super::planted::{Fault as Planted, is_planted};
use super::publication::Publication;
use crate::ids::{ConnectionId, ShardId};
use crate::session::answers::Waits;
use crate::time::Timestamp;

impl Engine {
    /// A batch from another shard.
    pub fn handle_peer(&mut self, from: ShardId, batch: PeerBatch, now: Timestamp) {
        let PeerBatch { items, receipt } = batch;
        // Items first: what the receipt accepts (a Leave, say) came after what the same
        // batch brings, and the answer to it must not overtake that [MQTT-3.10.4-2].
        let mut burst = Burst::default();
        for item in items {
            let queues = !matches!(item, PeerItem::GroupDelivery(_));
            if queues && (self.lanes[from.index()].has_deferred() || !self.may_handle(&item)) {
                self.lanes[from.index()].defer(item);
            } else {
                self.handle_item(from, item, &mut burst, now);
            }
        }
        self.deliver_burst(&mut burst, now);
        if self.lanes[from.index()].learn(receipt) {
            self.on_progress(from, now);
        }
        self.pump_internal(now);
    }

    /// Goes on with items that had to wait, while the budget lasts.
    pub(super) fn handle_left_items(&mut self, now: Timestamp) {
        // Another lane comes first each time, so that none takes the whole budget for good.
        self.first_lane = (self.first_lane + 1) % self.lanes.len();
        for place in 0..self.lanes.len() {
            let peer = self.lanes[(self.first_lane + place) % self.lanes.len()].peer();
            self.retry_deferred(peer, now);
        }
    }

    /// Whether items wait that the next pass could handle. Whoever waits for credit is
    /// retried when it comes.
    pub(super) fn has_left_items(&self) -> bool {
        !self.has_budget() && self.lanes.iter().any(Lane::has_deferred)
    }

    /// Whether an item finds budget in this pass, and its effects credit towards
    /// third shards.
    fn may_handle(&self, item: &PeerItem) -> bool {
        self.has_budget() && self.may_send_on(item)
    }

    fn may_send_on(&self, item: &PeerItem) -> bool {
        if is_planted(Planted::FullLaneBlocks) && !self.lanes.iter().all(|lane| lane.has_credit(0))
        {
            return false;
        }
        match item {
            PeerItem::Publish { .. } | PeerItem::GiveBack { .. } => self.groups_may_send(),
            PeerItem::Join { .. }
            | PeerItem::Leave { .. }
            | PeerItem::Presence { .. }
            | PeerItem::GroupDelivery(_) => true,
        }
    }

    fn handle_item(
        &mut self,
        from: ShardId,
        item: PeerItem,
        burst: &mut Burst<'_>,
        now: Timestamp,
    ) {
        let (rank, cost) = measure(&item);
        let mut waits = Waits::new();
        if !matches!(item, PeerItem::Publish { .. }) {
            self.deliver_burst(burst, now);
        }
        match item {
            PeerItem::Publish { message, stamp } => {
                let message = Rc::new(message);
                if let Some(stamp) = stamp
                    && !is_planted(Planted::RetainHereAlone)
                {
                    // Stored and delivered in one step: a new subscriber sees the
                    // retained or the live message, never neither and never both.
                    self.retained.store(Rc::clone(&message), stamp);
                    self.plan_sweep(now);
                }
                if message.is_expired(now) && !is_planted(Planted::ForgetExpiryBetweenShards) {
                    self.drop_expired(message.topic());
                } else {
                    if !self.groups.is_empty() {
                        let publication = Publication::of(&message);
                        self.work += self.publish_to_groups(&publication, &mut waits, now);
                    }
                    self.work += self.gather_message(burst, message, None, now);
                }
            }
            PeerItem::Join {
                group,
                session,
                options,
                subscription_id,
            } => {
                self.work += FILTER_WORK + group.len();
                self.join_group(&group, from, session, options, subscription_id);
            }
            PeerItem::Leave { group, session } => {
                self.work += FILTER_WORK + group.len();
                self.leave_group(&group, from, session);
            }
            PeerItem::Presence { session, online } => {
                self.work += 1 + self.set_presence(from, session, online);
            }
            PeerItem::GiveBack {
                group,
                message,
                from: session,
                round,
            } => {
                let (message, from) = (Rc::new(message), (from, session));
                let wait = self.choose_again(&group, &message, from, round, now);
                waits.extend(wait);
                self.work += FILTER_WORK;
            }
            PeerItem::GroupDelivery(delivery) => {
                self.work += 1;
                self.on_group_delivery(delivery, now);
            }
        }
        self.lanes[from.index()].handled(rank, cost, waits);
    }

    /// A message has expired on its way between shards: nobody is sent it
    /// [MQTT-3.3.2-5].
    fn drop_expired(&mut self, topic: &str) {
        let deliveries = self.subscriptions.matches(topic, None).entries().len();
        self.clients.stats.dropped_expired += deliveries as u64;
    }

    /// Another shard has accepted more, or returned credit.
    fn on_progress(&mut self, from: ShardId, now: Timestamp) {
        while let Some(session) = self.lanes[from.index()].next_reached() {
            self.settle_answers(session);
        }
        self.close_open_items();
        for peer in self.peers() {
            self.retry_deferred(peer, now);
        }
        self.release_held();
    }

    /// Closes items whose effects third shards (or the sender itself, as the home of
    /// a chosen member) have accepted by now.
    fn close_open_items(&mut self) {
        if !self.lanes.iter().any(Lane::has_open) {
            return;
        }
        let accepted: Vec<_> = self.lanes.iter().map(Lane::accepted).collect();
        for lane in &mut self.lanes {
            lane.close_open(|wait| {
                accepted[wait.shard.index()][usize::from(wait.rank)] >= wait.sequence
            });
        }
    }

    fn retry_deferred(&mut self, from: ShardId, now: Timestamp) {
        if !self.lanes[from.index()].has_deferred() {
            return;
        }
        let mut burst = Burst::default();
        while let Some(item) = self.lanes[from.index()].next_deferred() {
            if !self.may_handle(&item) {
                self.lanes[from.index()].defer_again(item);
                break;
            }
            self.handle_item(from, item, &mut burst, now);
        }
        self.deliver_burst(&mut burst, now);
    }

    /// Remembers a connection whose next packet waits for other shards.
    pub(super) fn hold_by_lane(&mut self, id: ConnectionId) {
        self.hold(id, |held| held.by_lane = true);
        self.held_by_lane.push(id);
    }

    /// Lets the connections that wait for other shards try again.
    fn release_held(&mut self) {
        for id in std::mem::take(&mut self.held_by_lane) {
            if let Some(connection) = self.clients.open_connection(id) {
                connection.held.by_lane = false;
                self.make_ready(id);
            }
        }
    }
}
