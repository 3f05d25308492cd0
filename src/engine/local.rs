//! The process that embeds the broker publishes, subscribes, looks and disconnects.
//!
//! Owns the inboxes of its subscriptions. Pure: an inbox is somebody else's queue that
//! takes a message or does not, at once. A local subscription is a session without a
//! connection, whose name no client can have [MQTT-1.5.4-2].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::Engine;
use super::clients::Clients;
use super::group::Deferred;
use super::publication::Publication;
use super::replay::Replay;
use crate::hooks::Parting;
use crate::ids::SessionId;
use crate::message::Message;
use crate::peer::Peer;
use crate::protocol::{
    ProtocolVersion, QoS, ReasonCode, RetainHandling, SubscriptionOptions, SubscriptionRequest,
    TopicFilter,
};
use crate::session::answers::Waits;
use crate::session::{NEVER_EXPIRES, Session};
use crate::time::Timestamp;

/// Where a local subscription's messages go. Must not wait.
pub trait Inbox: Send {
    /// Offers a message; `retain` and `qos` are those of the delivery.
    fn offer(&mut self, message: &Message, qos: QoS, retain: bool) -> Offered;
}

/// What became of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offered {
    /// It is in.
    Taken,
    /// There is no room; the message is dropped, and counted on both sides.
    Full,
    /// Nobody listens any more: the subscription ends.
    Gone,
}

/// All inboxes of a shard, by session slot.
#[derive(Default)]
pub struct Inboxes {
    by_slot: BTreeMap<u32, Box<dyn Inbox>>,
    /// Sessions whose inbox has gone.
    gone: Vec<u32>,
    /// Sessions that are still owed retained messages, in turn.
    replaying: VecDeque<u32>,
    opened: u64,
}

impl fmt::Debug for Inboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_slot.keys()).finish()
    }
}

/// A client as the embedding process sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClientReport {
    /// Its client identifier.
    pub client_id: String,
    /// The user name it goes by, where rules are installed.
    pub user_name: Option<String>,
    /// Where it is connected from; `None` while only its session is here.
    pub peer: Option<Peer>,
    /// The protocol it speaks, while it is connected.
    pub version: Option<ProtocolVersion>,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for it.
    pub queued: usize,
}

impl Engine {
    /// Publishes a message of the embedding process, past all hooks. False when too
    /// much waits for room towards other shards already; then nothing was done.
    pub fn handle_publication(&mut self, message: Message, now: Timestamp) -> bool {
        if self.stopping || !self.defer(Deferred::Own(Rc::new(message))) {
            return false;
        }
        self.pump_internal(now);
        true
    }

    /// Subscribes the embedding process; retained messages are offered from now on, as
    /// many in a pass as its budget allows.
    ///
    /// # Errors
    /// The reason, as SUBACK has it, why the filter is refused.
    pub fn handle_local_subscribe(
        &mut self,
        filter: TopicFilter<'_>,
        qos: QoS,
        retained: bool,
        inbox: Box<dyn Inbox>,
        now: Timestamp,
    ) -> Result<SessionId, ReasonCode> {
        if self.stopping {
            return Err(ReasonCode::ServerShuttingDown);
        }
        let inboxes = &mut self.clients.inboxes;
        inboxes.opened += 1;
        // No client can send U+0000.
        let name = format!("\0{}", inboxes.opened);
        let mut session = Session::new(&name);
        session.expiry_interval = NEVER_EXPIRES;
        let slot = self.clients.sessions.insert(session);
        self.clients.inboxes.by_slot.insert(slot, inbox);
        let options = SubscriptionOptions {
            qos,
            no_local: false,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        let request = SubscriptionRequest { filter, options };
        let mut nobody_waits = Waits::new();
        let reason = self.add_subscription(slot, &request, None, &mut nobody_waits);
        if reason.is_error() {
            self.end_session(slot, now);
            return Err(reason);
        }
        if retained && filter.share().is_none() {
            self.begin_replay(slot, Replay::new(filter, qos, None, self.retained.cursor()));
            self.clients.inboxes.replaying.push_back(slot);
            self.pump_local_replays(now);
        }
        self.clients
            .sessions
            .id_of(slot)
            .ok_or(ReasonCode::UnspecifiedError)
    }

    /// A local subscription is given up.
    pub fn handle_local_unsubscribe(&mut self, session: SessionId, now: Timestamp) {
        if let Some(slot) = self.clients.sessions.slot_of(session)
            && self.clients.inboxes.by_slot.contains_key(&slot)
        {
            self.end_session(slot, now);
        }
    }

    /// Ends the subscriptions whose inbox has gone.
    pub(super) fn end_gone_inboxes(&mut self, now: Timestamp) {
        if self.clients.inboxes.gone.is_empty() {
            return;
        }
        for slot in std::mem::take(&mut self.clients.inboxes.gone) {
            if self.clients.inboxes.by_slot.contains_key(&slot) {
                self.end_session(slot, now);
            }
        }
    }

    /// Offers retained messages to local subscriptions, while the budget lasts.
    pub(super) fn pump_local_replays(&mut self, now: Timestamp) {
        while self.has_budget()
            && let Some(slot) = self.clients.inboxes.replaying.pop_front()
        {
            let most = self.limits.retained_steps_per_visit;
            let mut steps = most;
            let mut owed = true;
            while steps > 0 && owed {
                self.replay_one(slot, &mut steps, now);
                let gone = self.clients.inboxes.gone.contains(&slot);
                owed = !gone && self.replays.contains_key(&slot);
            }
            self.work += most - steps;
            if owed {
                self.clients.inboxes.replaying.push_back(slot);
            }
        }
    }

    /// Whether the next pass has something to do for local subscriptions: more to offer,
    /// or one to end.
    pub(super) fn has_inbox_work(&self) -> bool {
        let inboxes = &self.clients.inboxes;
        !inboxes.replaying.is_empty() || !inboxes.gone.is_empty()
    }

    /// Ends a client's connection on behalf of the embedding process. Its will is
    /// published; its session goes on as was agreed. False when it is not connected
    /// here.
    pub fn handle_disconnect_client(
        &mut self,
        client_id: &str,
        reason: ReasonCode,
        now: Timestamp,
    ) -> bool {
        let Some(slot) = self.clients.sessions.find(client_id) else {
            return false;
        };
        let connection = self.clients.sessions.at(slot).and_then(|s| s.connection);
        let Some(id) = connection else { return false };
        self.log_parting(id, slot, Parting::Administrative(reason));
        self.send_disconnect(id, reason);
        self.part(id, slot, now);
        true
    }

    /// Reports on up to `most` clients from this session slot on, and the slot to go on
    /// from, if there are more.
    #[must_use]
    pub fn client_reports(&self, from: u32, most: usize) -> (Vec<ClientReport>, Option<u32>) {
        let mut reports = Vec::new();
        for (slot, session) in self.clients.sessions.from_slot(from) {
            if self.clients.inboxes.by_slot.contains_key(&slot) {
                continue;
            }
            if reports.len() == most {
                return (reports, Some(slot));
            }
            let connection = session
                .connection
                .and_then(|id| self.clients.connections.get(id.slot, id.generation));
            let profile = self.clients.profiles.get(slot);
            reports.push(ClientReport {
                client_id: (*session.client_id).into(),
                user_name: profile.and_then(|p| p.client.user_name().map(String::from)),
                peer: connection.map(|connection| connection.origin.peer),
                version: connection.map(|connection| connection.version),
                subscriptions: session.subscriptions.len(),
                queued: session.outbound.queued(),
            });
        }
        (reports, None)
    }
}

impl Clients {
    /// Offers a message to a session without a connection, if it is a local one.
    pub(super) fn offer_locally(
        &mut self,
        publication: &Publication<'_>,
        slot: u32,
        qos: QoS,
        retain: bool,
    ) -> bool {
        if self.inboxes.by_slot.is_empty() {
            return false;
        }
        self.offer(slot, publication.keep(), qos, retain).is_some()
    }

    fn offer(&mut self, slot: u32, message: &Message, qos: QoS, retain: bool) -> Option<Offered> {
        let inbox = self.inboxes.by_slot.get_mut(&slot)?;
        let offered = inbox.offer(message, qos, retain);
        match offered {
            Offered::Taken => self.stats.publishes_sent += 1,
            Offered::Full => self.stats.dropped_queue_full += 1,
            Offered::Gone => self.inboxes.gone.push(slot),
        }
        Some(offered)
    }

    /// The session is over.
    pub(super) fn drop_inbox(&mut self, slot: u32) {
        self.inboxes.by_slot.remove(&slot);
        // The next session in this slot is another one.
        self.inboxes.gone.retain(|gone| *gone != slot);
        self.inboxes
            .replaying
            .retain(|replaying| *replaying != slot);
    }
}
