//! What simulated clients do of their own accord.
//!
//! Owns the mix of actions. Every message gets a number, which is its payload's
//! beginning, so that each delivery can be told to be of one message.

use std::num::{NonZeroU16, NonZeroU32};

use ringmq::protocol::{
    Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, RetainHandling,
    Subscribe, SubscriptionOptions, SubscriptionRequest, TopicFilter, Unsubscribe, UserProperties,
};

use crate::client::{Outgoing, Phase, Role};
use crate::history::{History, MessageId, Publication, Subscription};
use crate::plan::Feature;
use crate::stream::{Finish, Sent};
use crate::topics;
use crate::world::{Event, World};

/// The payload of a message: its number, then bytes that the number determines.
#[must_use]
pub fn payload(history: &History, message: MessageId) -> Vec<u8> {
    let record = &history.messages[message as usize];
    if record.is_empty {
        return Vec::new();
    }
    let mut bytes = message.to_be_bytes().to_vec();
    let fill = message.to_be_bytes()[3];
    bytes.resize(record.payload_len.max(4), fill);
    bytes
}

impl World {
    /// A client does something, and plans when it will again.
    pub fn act(&mut self, client: usize) {
        if self.healed || self.actions == 0 {
            return;
        }
        self.actions -= 1;
        let phase = self.clients[client].phase;
        match phase {
            Phase::Offline => self.connect(client),
            Phase::Connecting if self.strikes(Feature::Takeover, 10) => self.connect(client),
            Phase::Connecting => {}
            Phase::Connected => {
                let burst = if self.has(Feature::Bursts) && self.random.percent(30) {
                    self.random.between(2, 12)
                } else {
                    1
                };
                for _ in 0..burst {
                    self.do_something(client);
                }
                self.misbehave(client);
            }
        }
        let pause = match self.random.below(20) {
            0 => self.random.between(1_000, 12_000),
            1..8 => self.random.below(10),
            _ => self.random.below(400),
        };
        self.plan_in(pause, Event::Act(client));
    }

    /// Something that a client does on its connection.
    pub fn do_something(&mut self, client: usize) {
        if self.clients[client].stream.is_none() {
            return;
        }
        match self.random.below(100) {
            0..60 => self.publish(client),
            60..85 => self.subscribe(client),
            85..93 if self.has(Feature::Unsubscribe) => self.unsubscribe(client),
            93..96 => self.send(client, &Packet::PingReq, Sent::Ping),
            _ => self.publish(client),
        }
    }

    /// What networks and people do to connections.
    pub fn misbehave(&mut self, client: usize) {
        let Some(stream) = self.clients[client].stream else {
            return;
        };
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        if self.strikes(Feature::SlowReaders, 5) {
            let pause = self.random.below(5_000);
            self.streams[stream].unread_until = self.now + pause;
        }
        if self.strikes(Feature::Takeover, 6) {
            self.connect(client);
        } else if self.strikes(Feature::Losses, 6) {
            self.leave(client, stream, Some(Finish::Closed));
        } else if self.strikes(Feature::Resets, 4) {
            self.leave(client, stream, Some(Finish::Reset));
        } else if self.strikes(Feature::Vanish, 3) {
            self.streams[stream].unread_until = u64::MAX;
            self.leave(client, stream, None);
        } else if self.random.percent(3) {
            let with_will = version_5 && self.random.percent(30);
            let reason = if with_will {
                ReasonCode::DisconnectWithWill
            } else {
                ReasonCode::Success
            };
            self.disconnect(client, reason, None);
        }
    }

    /// A client has been accepted: some subscribe first of all.
    pub fn after_connect(&mut self, client: usize) {
        match self.clients[client].role {
            Role::Watcher => {
                if self
                    .history
                    .subscriptions
                    .iter()
                    .all(|s| s.client != client)
                {
                    self.subscribe_to(client, "w/#", QoS::ExactlyOnce);
                }
            }
            Role::Worker(group) => {
                let qos = self.worker_qos();
                let known = self
                    .history
                    .subscriptions
                    .iter()
                    .any(|s| s.client == client && s.ending.is_none());
                let present = self.clients[client]
                    .stream
                    .is_some_and(|stream| self.history.links[stream].present);
                let has_one = known && present;
                if !self.healed && !has_one {
                    self.subscribe_to(client, group, qos);
                }
            }
            Role::Ordinary | Role::Probe => {}
        }
    }

    fn publish(&mut self, client: usize) {
        let retain = self.has(Feature::Retained) && self.random.percent(35);
        let mut qos = self.choose_qos();
        if self.clients[client].outgoing.len()
            >= usize::from(self.clients[client].receive_maximum.min(40))
        {
            qos = QoS::AtMostOnce;
        }
        let topic = topics::topic(&mut self.random, client, retain);
        let is_empty = retain && self.random.percent(15);
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        let expires = version_5 && self.has(Feature::MessageExpiry) && self.random.percent(40);
        let expiry = if expires {
            Some(u32::try_from(self.random.between(1, 6)).expect("small"))
        } else {
            None
        };
        let payload_len = if self.has(Feature::BigPayloads) && self.random.percent(40) {
            self.random.index(4_000)
        } else {
            self.random.index(30)
        };
        let content_type = version_5 && self.random.percent(20);
        let message = u32::try_from(self.history.messages.len()).expect("few");
        self.history.messages.push(Publication {
            publisher: client,
            topic,
            qos,
            retain,
            is_empty,
            payload_len: payload_len.max(4),
            expiry,
            content_type,
            is_will: false,
            sent: 0,
            stream: 0,
            arrived: None,
            handled: None,
            arrivals: 0,
            arrived_on: Vec::new(),
            acked: None,
            refused: false,
        });
        let packet_id = if qos == QoS::AtMostOnce {
            0
        } else {
            let packet_id = self.clients[client].fresh_id();
            self.clients[client].outgoing.push_back(Outgoing {
                packet_id,
                message,
                released: false,
            });
            packet_id
        };
        self.send_publish(client, message, packet_id, false);
    }

    /// Writes a PUBLISH, for the first time or again.
    pub fn send_publish(&mut self, client: usize, message: MessageId, packet_id: u16, dup: bool) {
        let Some(stream) = self.clients[client].stream else {
            return;
        };
        let record = self.history.messages[message as usize].clone();
        let bytes = payload(&self.history, message);
        let (with_topic, alias) = self.choose_alias(client, &record.topic);
        let publish = Publish {
            dup,
            qos: record.qos,
            retain: record.retain,
            topic: if with_topic { &record.topic } else { "" },
            packet_id: PacketId::new(packet_id),
            properties: PublishProperties {
                message_expiry_interval: record.expiry,
                topic_alias: alias.and_then(NonZeroU16::new),
                content_type: record.content_type.then_some(record.topic.as_str()),
                ..PublishProperties::default()
            },
            payload: &bytes,
        };
        let sent = Sent::Publish { packet_id, message };
        self.send(client, &Packet::Publish(publish), sent);
        let record = &mut self.history.messages[message as usize];
        record.sent += 1;
        record.stream = stream;
    }

    /// Whether the topic is written, and under which alias.
    fn choose_alias(&mut self, client: usize, topic: &str) -> (bool, Option<u16>) {
        let maximum = self.clients[client].alias_maximum;
        if maximum == 0 || !self.has(Feature::AliasIn) || self.random.percent(40) {
            return (true, None);
        }
        let aliases = &mut self.clients[client].aliases;
        if let Some((&alias, _)) = aliases.iter().find(|(_, known)| *known == topic) {
            return (false, Some(alias));
        }
        let alias = u16::try_from(self.random.between(1, u64::from(maximum))).expect("small");
        self.clients[client].aliases.insert(alias, topic.to_owned());
        (true, Some(alias))
    }

    fn subscribe(&mut self, client: usize) {
        let filter = match self.clients[client].role {
            Role::Watcher | Role::Probe => return,
            Role::Worker(group) => group.to_owned(),
            Role::Ordinary => topics::filter(&mut self.random, &self.plan),
        };
        let known = self
            .history
            .subscriptions
            .iter()
            .any(|s| s.client == client && s.filter == filter && s.ending.is_none());
        if known && !self.has(Feature::Resubscribe) {
            return;
        }
        if self.clients[client].role == Role::Ordinary && self.strikes(Feature::LongRequests, 40) {
            self.subscribe_to_several(client, filter);
            return;
        }
        let worker = filter.starts_with("$share/");
        if worker && self.random.percent(80) {
            return;
        }
        let qos = if worker {
            self.worker_qos()
        } else {
            self.choose_qos()
        };
        self.subscribe_to(client, &filter, qos);
    }

    /// Groups are of interest for what has to be acknowledged.
    fn worker_qos(&mut self) -> QoS {
        let qos = self.choose_qos();
        if self.has(Feature::AtLeastOnce) && self.random.percent(90) {
            return qos.max(QoS::AtLeastOnce);
        }
        qos
    }

    fn subscribe_to_several(&mut self, client: usize, first: String) {
        let mut filters = vec![first];
        for _ in 0..self.random.between(1, 8) {
            let filter = topics::filter(&mut self.random, &self.plan);
            let known = self
                .history
                .subscriptions
                .iter()
                .any(|s| s.client == client && s.filter == filter && s.ending.is_none());
            if !filters.contains(&filter) && (!known || self.has(Feature::Resubscribe)) {
                filters.push(filter);
            }
        }
        let wishes: Vec<_> = filters
            .into_iter()
            .map(|filter| (filter, self.choose_qos()))
            .collect();
        self.subscribe_to_all(client, &wishes);
    }

    /// Sends SUBSCRIBE with one filter and options as the run has them.
    pub fn subscribe_to(&mut self, client: usize, filter: &str, qos: QoS) {
        self.subscribe_to_all(client, &[(filter.to_owned(), qos)]);
    }

    fn subscribe_to_all(&mut self, client: usize, wishes: &[(String, QoS)]) {
        if self.clients[client].stream.is_none() {
            return;
        }
        let mut entries = Vec::new();
        let mut identifier = None;
        let mut requests = Vec::new();
        for (filter, qos) in wishes {
            let options = self.note_wish(client, filter, *qos, &mut identifier);
            let entry = self.history.subscriptions.len() - 1;
            entries.push(entry);
            let filter = TopicFilter::parse(filter).expect("a valid filter");
            requests.push(SubscriptionRequest { filter, options });
        }
        let packet_id = self.clients[client].fresh_id();
        let subscribe = Subscribe {
            packet_id: PacketId::new(packet_id).expect("not zero"),
            subscription_id: identifier.flatten().and_then(NonZeroU32::new),
            user_properties: UserProperties::default(),
            filters: requests.into_iter().collect(),
        };
        self.clients[client].requests.insert(packet_id);
        self.send(
            client,
            &Packet::Subscribe(subscribe),
            Sent::Subscribe { packet_id, entries },
        );
    }

    /// Notes one filter of a SUBSCRIBE and decides its options; the packet's identifier
    /// is decided with the first.
    fn note_wish(
        &mut self,
        client: usize,
        filter: &str,
        qos: QoS,
        identifier: &mut Option<Option<u32>>,
    ) -> SubscriptionOptions {
        let stream = self.clients[client].stream.unwrap_or_default();
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        let plain = matches!(self.clients[client].role, Role::Watcher | Role::Probe)
            || !version_5
            || !self.has(Feature::SubscriptionOptions);
        let no_local = !plain && !filter.starts_with('$') && self.random.percent(25);
        let retain_as_published = !plain && self.random.percent(30);
        let handling = if plain { 0 } else { self.random.below(3) };
        let identifier = *identifier.get_or_insert_with(|| {
            (!plain && self.random.percent(50))
                .then(|| u32::try_from(self.random.between(1, 300)).expect("small"))
        });
        self.history.subscriptions.push(Subscription {
            client,
            stream,
            filter: filter.to_owned(),
            qos,
            no_local,
            retain_as_published,
            retain_handling: u8::try_from(handling).expect("small"),
            identifier,
            is_new: false,
            requested: None,
            granted: None,
            ending: None,
            left: false,
            ended: None,
            refused: false,
        });
        SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling: match handling {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                _ => RetainHandling::DoNotSend,
            },
        }
    }

    fn unsubscribe(&mut self, client: usize) {
        let rarely = match self.clients[client].role {
            Role::Watcher | Role::Probe => return,
            Role::Worker(_) => self.random.percent(80),
            Role::Ordinary => false,
        };
        if rarely {
            return;
        }
        let entries: Vec<usize> = (0..self.history.subscriptions.len())
            .filter(|&entry| {
                let subscription = &self.history.subscriptions[entry];
                subscription.client == client && subscription.ending.is_none()
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let mut chosen = vec![*self.random.pick(&entries)];
        if self.strikes(Feature::LongRequests, 40) {
            for _ in 0..self.random.between(1, 4) {
                let entry = *self.random.pick(&entries);
                let filter = |entry: usize| &self.history.subscriptions[entry].filter;
                if chosen.iter().all(|&other| filter(other) != filter(entry)) {
                    chosen.push(entry);
                }
            }
        }
        let filters: Vec<String> = chosen
            .iter()
            .map(|&entry| self.history.subscriptions[entry].filter.clone())
            .collect();
        let packet_id = self.clients[client].fresh_id();
        let parsed = filters.iter().map(|filter| TopicFilter::parse(filter));
        let unsubscribe = Unsubscribe {
            packet_id: PacketId::new(packet_id).expect("not zero"),
            user_properties: UserProperties::default(),
            filters: parsed
                .map(|filter| filter.expect("a valid filter"))
                .collect(),
        };
        self.clients[client].requests.insert(packet_id);
        let entries = chosen;
        self.send(
            client,
            &Packet::Unsubscribe(unsubscribe),
            Sent::Unsubscribe { packet_id, entries },
        );
    }
}
