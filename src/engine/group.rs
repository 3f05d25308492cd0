//! Shared subscriptions: the group on its home shard, its members on theirs.
//!
//! Owns the way of a group's message: chosen here, delivered on the member's shard,
//! given back when the member's session ends (MQTT 5.0, section 4.8.2). Pure.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use super::Engine;
use super::deliver::Terms;
use super::limits::{FILTER_WORK, INTERNAL_QUEUE_BYTES_MAX, INTERNAL_QUEUE_MAX, SESSION_WORK};
use super::peer::{GroupDelivery, PeerItem, RANK_PUBLISH};
use super::publication::Publication;
use crate::ids::{SessionId, ShardId};
use crate::message::Message;
use crate::protocol::{SubscriptionOptions, TopicFilter};
use crate::routing::Member;
use crate::session::answers::{Wait, Waits, wait_also};
use crate::session::pending::Pending;
use crate::session::will::Will;
use crate::time::Timestamp;

/// Work that no connection stands behind, waiting for room towards other shards.
#[derive(Debug)]
pub(super) enum Deferred {
    /// A will, or a message of the process itself.
    Own(Rc<Message>),
    /// A message for another member of its group.
    GiveBack {
        group: Arc<str>,
        message: Rc<Message>,
        from: SessionId,
    },
}

impl Deferred {
    fn len(&self) -> usize {
        match self {
            Self::Own(message) | Self::GiveBack { message, .. } => message.len(),
        }
    }
}

impl Engine {
    /// Gives a publication to one member of each group here that its topic matches.
    /// Returns the number of groups.
    pub(super) fn publish_to_groups(
        &mut self,
        publication: &Publication<'_>,
        waits: &mut Waits,
        now: Timestamp,
    ) -> usize {
        let mut chosen = 0;
        let Self {
            groups,
            clients,
            lanes,
            shard,
            ..
        } = self;
        groups.choose(publication.topic, |choice| {
            chosen += 1;
            let group: Arc<str> = format_group(choice.group, choice.filter);
            let delivery = delivery_to(choice.member, group, publication.keep());
            if choice.member.shard == *shard {
                deliver_to_member(clients, &delivery, publication.keep(), now);
            } else {
                let lane = &mut lanes[choice.member.shard.index()];
                wait_also(waits, lane.push(PeerItem::GroupDelivery(delivery)));
            }
        });
        chosen
    }

    /// A group on another shard chose a session of this one.
    pub(super) fn on_group_delivery(&mut self, delivery: GroupDelivery, now: Timestamp) {
        if delivery.message.is_expired(now) {
            self.clients.stats.dropped_expired += 1;
        } else if self.clients.sessions.slot_of(delivery.session).is_some() {
            let message = Rc::new(delivery.message.clone());
            deliver_to_member(&mut self.clients, &delivery, &message, now);
        } else {
            // The session ended while the message was under way.
            let message = Rc::new(delivery.message);
            self.defer(Deferred::GiveBack {
                group: delivery.group,
                message,
                from: delivery.session,
            });
        }
    }

    /// A member's session has ended with this delivery open.
    pub(super) fn give_back(&mut self, pending: Pending, from: SessionId, now: Timestamp) {
        if let Some(group) = pending.group
            && !pending.message.is_expired(now)
        {
            self.defer(Deferred::GiveBack {
                group,
                message: pending.message,
                from,
            });
        }
    }

    /// Publishes the will of a session, if it still may: at once, or behind those that
    /// wait for room.
    pub(super) fn publish_will(&mut self, slot: u32, will: Will, now: Timestamp) {
        let Some(will) = self.judge_will(slot, will) else {
            return;
        };
        let message = will.publish(now);
        let undone = if self.internal.is_empty() {
            self.publish_message(message, now)
        } else {
            Some(message)
        };
        if let Some(message) = undone {
            self.defer(Deferred::Own(message));
        }
    }

    /// Whether wills may be added: half of the queue is kept for what is given back,
    /// which, unlike a will, has no place else to wait.
    pub(super) fn has_room_for_wills(&self) -> bool {
        self.internal.len() < INTERNAL_QUEUE_MAX / 2
            && self.internal_bytes <= INTERNAL_QUEUE_BYTES_MAX / 2
    }

    /// Puts work behind what waits already; false, and counted, without room.
    pub(super) fn defer(&mut self, work: Deferred) -> bool {
        let bytes = self.internal_bytes + work.len();
        if self.internal.len() < INTERNAL_QUEUE_MAX && bytes <= INTERNAL_QUEUE_BYTES_MAX {
            self.internal_bytes = bytes;
            self.internal.push_back(work);
            return true;
        }
        self.clients.stats.dropped_internal_full += 1;
        false
    }

    /// Does deferred work as far as the lanes have credit, and the pass budget.
    pub(super) fn pump_internal(&mut self, now: Timestamp) {
        while self.has_budget()
            && let Some(work) = self.internal.pop_front()
        {
            self.internal_bytes -= work.len();
            let undone = match work {
                Deferred::Own(message) => self.publish_message(message, now).map(Deferred::Own),
                Deferred::GiveBack {
                    group,
                    message,
                    from,
                } => self
                    .hand_back(&group, message, from, now)
                    .map(|message| Deferred::GiveBack {
                        group,
                        message,
                        from,
                    }),
            };
            if let Some(work) = undone {
                self.internal_bytes += work.len();
                self.internal.push_front(work);
                return;
            }
        }
    }

    /// Publishes a message of the broker's own; hands it back where a lane is full.
    fn publish_message(&mut self, message: Rc<Message>, now: Timestamp) -> Option<Rc<Message>> {
        let Some(targets) = self.admit_publication(message.topic(), message.retain) else {
            return Some(message);
        };
        let publication = Publication::of(&message);
        let mut nobody_waits = Waits::new();
        let work = self.fan_out(&publication, None, &mut nobody_waits, now);
        self.work += SESSION_WORK + work;
        let reason = self.retain_or_refuse(&publication);
        let stamp = self.keep_retained(&publication, reason, now);
        self.send_to_peers(&publication, &targets, stamp, &mut nobody_waits);
        None
    }

    /// Hands a message back to its group, wherever that lives.
    fn hand_back(
        &mut self,
        group: &Arc<str>,
        message: Rc<Message>,
        from: SessionId,
        now: Timestamp,
    ) -> Option<Rc<Message>> {
        self.work += FILTER_WORK;
        let home = self.homes.of_group(group);
        if home == self.shard {
            if !self.groups_may_send() {
                return Some(message);
            }
            self.choose_again(group, &message, (self.shard, from), now);
            return None;
        }
        let lane = &mut self.lanes[home.index()];
        if !lane.has_credit(RANK_PUBLISH) {
            return Some(message);
        }
        let (group, message) = (Arc::clone(group), Message::clone(&message));
        lane.push(PeerItem::GiveBack {
            group,
            message,
            from,
        });
        None
    }

    /// Another member of a group that lives here gets a message that was given back.
    /// Tells what its delivery waits for.
    pub(super) fn choose_again(
        &mut self,
        group: &Arc<str>,
        message: &Rc<Message>,
        from: (ShardId, SessionId),
        now: Timestamp,
    ) -> Option<Wait> {
        if message.is_expired(now) {
            self.clients.stats.dropped_expired += 1;
            return None;
        }
        let share = TopicFilter::parse(group)
            .ok()
            .and_then(|filter| filter.share())?;
        let Some(member) = self.groups.choose_in(share.group, share.filter, Some(from)) else {
            self.clients.stats.dropped_no_member += 1;
            return None;
        };
        let delivery = delivery_to(&member, Arc::clone(group), message);
        if member.shard == self.shard {
            deliver_to_member(&mut self.clients, &delivery, message, now);
            return None;
        }
        Some(self.lanes[member.shard.index()].push(PeerItem::GroupDelivery(delivery)))
    }

    /// A session of `shard` joins a group that lives here.
    pub(super) fn join_group(
        &mut self,
        group: &str,
        shard: ShardId,
        session: SessionId,
        options: SubscriptionOptions,
        subscription_id: Option<NonZeroU32>,
    ) {
        let Some(share) = TopicFilter::parse(group)
            .ok()
            .and_then(|filter| filter.share())
        else {
            return;
        };
        // Whoever subscribes is there; should it go at once, its presence follows.
        let member = Member {
            shard,
            session,
            options,
            subscription_id,
            online: true,
        };
        if self.groups.join(share.group, share.filter, member) {
            self.interest.add(share.filter);
        }
    }

    /// A session of `shard` leaves a group that lives here.
    pub(super) fn leave_group(&mut self, group: &str, shard: ShardId, session: SessionId) {
        let Some(share) = TopicFilter::parse(group)
            .ok()
            .and_then(|filter| filter.share())
        else {
            return;
        };
        if self.groups.leave(share.group, share.filter, shard, session) == Some(true) {
            self.interest.remove(share.filter);
        }
    }

    /// A session of `shard` has come or gone. Returns in how many groups.
    pub(super) fn set_presence(
        &mut self,
        shard: ShardId,
        session: SessionId,
        online: bool,
    ) -> usize {
        self.groups.set_online(shard, session, online)
    }

    /// Tells the groups of a session of this shard that it has come or gone.
    pub(super) fn announce_presence(&mut self, slot: u32, online: bool) {
        let Some(session) = self.clients.sessions.id_of(slot) else {
            return;
        };
        let Some(state) = self.clients.sessions.at(slot) else {
            return;
        };
        let mut told = vec![false; self.lanes.len()];
        let homes: Vec<ShardId> = state
            .subscriptions
            .shared()
            .map(|name| self.homes.of_group(name))
            .collect();
        for home in homes {
            if std::mem::replace(&mut told[home.index()], true) {
                continue;
            }
            if home == self.shard {
                self.set_presence(home, session, online);
            } else {
                self.lanes[home.index()].push(PeerItem::Presence { session, online });
            }
        }
    }
}

fn format_group(group: &str, filter: &str) -> Arc<str> {
    ["$share/", group, "/", filter].concat().into()
}

fn delivery_to(member: &Member, group: Arc<str>, message: &Message) -> GroupDelivery {
    GroupDelivery {
        group,
        session: member.session,
        message: message.clone(),
        qos: member.options.qos,
        retain: message.retain && member.options.retain_as_published,
        subscription_id: member.subscription_id,
    }
}

fn deliver_to_member(
    clients: &mut super::clients::Clients,
    delivery: &GroupDelivery,
    message: &Rc<Message>,
    now: Timestamp,
) {
    let Some(session) = clients.sessions.slot_of(delivery.session) else {
        return;
    };
    let subscription_id = delivery.subscription_id.map(NonZeroU32::get);
    let terms = Terms {
        session,
        qos: delivery.qos,
        retain_as_published: delivery.retain,
        subscription_ids: subscription_id.as_slice(),
        group: Some(&delivery.group),
    };
    clients.deliver(&Publication::of(message), &terms, now);
}
