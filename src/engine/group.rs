//! Shared subscriptions: the group on its home shard, its members on theirs.
//!
//! Owns the way of a group's message: chosen here, delivered on the member's shard,
//! given back when the member may not have it or its session ends (MQTT 5.0, section
//! 4.8.2). Only a message that nobody may have is dropped for that. Pure.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use super::Engine;
use super::clients::Clients;
use super::deliver::Terms;
use super::limits::{FILTER_WORK, INTERNAL_QUEUE_BYTES_MAX, INTERNAL_QUEUE_MAX, SESSION_WORK};
use super::peer::{GroupDelivery, Lane, PeerItem, RANK_PUBLISH};
use super::publication::Publication;
use crate::ids::{SessionId, ShardId};
use crate::message::Message;
use crate::protocol::{SubscriptionOptions, TopicFilter};
use crate::routing::{GroupChoice, Member, Round};
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
        /// Where that one could not have it: how far the message has come.
        round: Option<Round>,
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
    /// Returns the number of members that were tried.
    pub(super) fn publish_to_groups(
        &mut self,
        publication: &Publication<'_>,
        waits: &mut Waits,
        now: Timestamp,
    ) -> usize {
        let mut tried = 0;
        let Self {
            groups,
            clients,
            lanes,
            shard,
            ..
        } = self;
        groups.choose(publication.topic, |choice| {
            let group: Arc<str> = format_group(choice.group, choice.filter);
            let given = give(
                clients,
                lanes,
                *shard,
                choice,
                &group,
                publication.keep(),
                now,
            );
            tried += given.tried;
            if let Some(wait) = given.wait {
                wait_also(waits, wait);
            }
        });
        tried
    }

    /// A group on another shard chose a session of this one.
    pub(super) fn on_group_delivery(&mut self, delivery: GroupDelivery, now: Timestamp) {
        if delivery.message.is_expired(now) {
            self.clients.stats.dropped_expired += 1;
            return;
        }
        let message = Rc::new(delivery.message.clone());
        match self.clients.deliver_to_member(&delivery, &message, now) {
            Given::Taken => {}
            Given::Refused(slot) if delivery.is_last => {
                self.clients.count_denied_delivery(slot, message.topic());
            }
            // Or the session ended while the message was under way.
            Given::Refused(_) | Given::Gone => {
                self.defer(Deferred::GiveBack {
                    group: delivery.group,
                    message,
                    from: delivery.session,
                    round: Some(delivery.round),
                });
            }
        }
    }

    /// A member's session has ended with this delivery open, or may not have it any more.
    pub(super) fn give_back(&mut self, pending: Pending, from: SessionId, now: Timestamp) {
        if let Some(group) = pending.group
            && !pending.message.is_expired(now)
        {
            self.defer(Deferred::GiveBack {
                group,
                message: pending.message,
                from,
                round: None,
            });
        }
    }

    /// Gives to other members what sessions may not have any more.
    pub(super) fn hand_on_declined(&mut self, now: Timestamp) {
        if self.clients.declined.is_empty() {
            return;
        }
        for (from, pending) in std::mem::take(&mut self.clients.declined) {
            self.give_back(pending, from, now);
        }
        self.pump_internal(now);
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
                    round,
                } => self
                    .hand_back(&group, message, from, round, now)
                    .map(|message| Deferred::GiveBack {
                        group,
                        message,
                        from,
                        round,
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
        round: Option<Round>,
        now: Timestamp,
    ) -> Option<Rc<Message>> {
        self.work += FILTER_WORK;
        let home = self.homes.of_group(group);
        if home == self.shard {
            if !self.groups_may_send() {
                return Some(message);
            }
            self.choose_again(group, &message, (self.shard, from), round, now);
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
            round,
        });
        None
    }

    /// Another member of a group that lives here gets a message that was given back: the
    /// next one in its round, or whose turn it is. Tells what its delivery waits for.
    pub(super) fn choose_again(
        &mut self,
        group: &Arc<str>,
        message: &Rc<Message>,
        from: (ShardId, SessionId),
        round: Option<Round>,
        now: Timestamp,
    ) -> Option<Wait> {
        if message.is_expired(now) {
            self.clients.stats.dropped_expired += 1;
            return None;
        }
        let share = TopicFilter::parse(group)
            .ok()
            .and_then(|filter| filter.share())?;
        let (name, filter) = (share.group, share.filter);
        let choice = match round {
            Some(round) => self.groups.next_in(name, filter, round, from),
            None => self.groups.choose_in(name, filter, Some(from)),
        };
        let Some(choice) = choice else {
            self.clients.stats.dropped_no_member += 1;
            return None;
        };
        let (clients, lanes) = (&mut self.clients, &mut self.lanes);
        let given = give(clients, lanes, self.shard, choice, group, message, now);
        self.work += given.tried;
        given.wait
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

fn delivery_to(choice: &GroupChoice<'_>, group: &Arc<str>, message: &Message) -> GroupDelivery {
    let member = choice.member;
    GroupDelivery {
        group: Arc::clone(group),
        session: member.session,
        message: message.clone(),
        qos: member.options.qos,
        retain: message.retain && member.options.retain_as_published,
        subscription_id: member.subscription_id,
        round: choice.round,
        is_last: choice.is_last(),
    }
}

/// What a message cost that was given to a group, and what it waits for.
struct Passed {
    /// Members that were tried here.
    tried: usize,
    /// The shard whose member has it now.
    wait: Option<Wait>,
}

/// Gives a message to the chosen member, or to the next one that may have it. Whether
/// one of another shard may is known there.
fn give(
    clients: &mut Clients,
    lanes: &mut [Lane],
    shard: ShardId,
    mut choice: GroupChoice<'_>,
    group: &Arc<str>,
    message: &Rc<Message>,
    now: Timestamp,
) -> Passed {
    let mut tried = 0;
    loop {
        tried += 1;
        let delivery = delivery_to(&choice, group, message);
        if choice.member.shard != shard {
            let lane = &mut lanes[choice.member.shard.index()];
            let wait = Some(lane.push(PeerItem::GroupDelivery(delivery)));
            return Passed { tried, wait };
        }
        let given = clients.deliver_to_member(&delivery, message, now);
        if let Given::Taken = given {
            return Passed { tried, wait: None };
        }
        if let Some(next) = choice.next() {
            choice = next;
            continue;
        }
        if let Given::Refused(slot) = given {
            clients.count_denied_delivery(slot, message.topic());
        } else {
            clients.stats.dropped_no_member += 1;
        }
        return Passed { tried, wait: None };
    }
}

/// What became of a message at its member.
enum Given {
    /// It has it, or its own bounds have dropped and counted it.
    Taken,
    /// The rules do not let this session have it.
    Refused(u32),
    /// There is no such session.
    Gone,
}

impl Clients {
    fn deliver_to_member(
        &mut self,
        delivery: &GroupDelivery,
        message: &Rc<Message>,
        now: Timestamp,
    ) -> Given {
        let Some(session) = self.sessions.slot_of(delivery.session) else {
            return Given::Gone;
        };
        let publication = Publication::of(message);
        let subscription_id = delivery.subscription_id.map(NonZeroU32::get);
        let terms = Terms {
            session,
            qos: delivery.qos,
            retain_as_published: delivery.retain,
            subscription_ids: subscription_id.as_slice(),
            group: Some(&delivery.group),
        };
        if !self.may_deliver(&publication, &terms, now) {
            return Given::Refused(session);
        }
        self.deliver_allowed(&publication, &terms, now);
        Given::Taken
    }
}
