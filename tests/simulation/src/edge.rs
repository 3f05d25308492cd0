//! The broker's edge: what arrives at an engine and what leaves it is written into
//! the history here, and what a single packet can show to be wrong is noticed.
//!
//! Owns the decoding of the broker's bytes. Never changes what happens.

use ringmq::ids::ConnectionId;
use ringmq::protocol::{Packet, PacketId, Publish, ReasonCode, Split, split};

use crate::history::{Delivery, End, MessageId, Subscription, When};
use crate::stream::{Place, Received, Request, Sent};
use crate::world::World;

impl World {
    /// Bytes of a client were handed to an engine: which packets are whole now?
    pub fn note_arrivals(&mut self, stream: usize) {
        while let Some(&(end, _)) = self.streams[stream].sent.front()
            && end <= self.streams[stream].delivered
        {
            if let Some((_, sent)) = self.streams[stream].sent.pop_front() {
                self.note_arrival(stream, &sent);
            }
        }
    }

    /// A shard has nothing left over: whoever it reads from, it has handled everything
    /// that arrived from him.
    pub fn note_handled(&mut self, shard: usize) {
        let when = self.history.when(self.now);
        for stream in self.streams_at(shard) {
            let reads = match self.streams[stream].place {
                Place::Shard(_, id) => self.engines[shard].wants_read(id),
                Place::Moving | Place::Gone => false,
            };
            if !reads {
                continue;
            }
            for message in std::mem::take(&mut self.streams[stream].unhandled) {
                self.history.messages[message as usize]
                    .handled
                    .get_or_insert(when);
            }
        }
    }

    fn note_arrival(&mut self, stream: usize, sent: &Sent) {
        let when = self.history.when(self.now);
        self.trace.line(self.now, || {
            format!("    edge {stream} <- {sent:?} @{}", when.step)
        });
        self.history.links[stream].heard = self.now;
        match sent {
            Sent::Connect => {
                self.history.links[stream].arrived = Some(when);
                self.note_home(stream);
            }
            Sent::Publish { packet_id, message } => {
                let record = &mut self.history.messages[*message as usize];
                record.arrived.get_or_insert(when);
                record.arrivals += 1;
                record.arrived_on.push(stream);
                self.streams[stream].unhandled.push(*message);
                self.streams[stream]
                    .arrived_ids
                    .insert(*packet_id, *message);
            }
            Sent::Subscribe { packet_id, entries } => {
                for &entry in entries {
                    let (client, filter) = {
                        let new = &self.history.subscriptions[entry];
                        (new.client, new.filter.clone())
                    };
                    let mut is_new = true;
                    let mut is_late = false;
                    for (place, other) in self.history.subscriptions.iter_mut().enumerate() {
                        let same = other.client == client && other.filter == filter;
                        if same && other.requested.is_some() {
                            is_new = false;
                            // A later connection may have been faster.
                            is_late |= place > entry;
                            other.ending.get_or_insert(when);
                        }
                    }
                    let new = &mut self.history.subscriptions[entry];
                    (new.requested, new.is_new) = (Some(when), is_new);
                    new.ending = is_late.then_some(when);
                }
                self.streams[stream].requests.insert(
                    *packet_id,
                    Request {
                        entries: entries.clone(),
                        subscribing: true,
                        arrived: when,
                    },
                );
            }
            Sent::Unsubscribe { packet_id, entries } => {
                for &entry in entries {
                    let (client, filter) = {
                        let new = &self.history.subscriptions[entry];
                        (new.client, new.filter.clone())
                    };
                    for earlier in &mut self.history.subscriptions {
                        if earlier.client == client
                            && earlier.filter == filter
                            && earlier.requested.is_some()
                        {
                            earlier.ending.get_or_insert(when);
                            earlier.left = true;
                        }
                    }
                }
                self.streams[stream].requests.insert(
                    *packet_id,
                    Request {
                        entries: entries.clone(),
                        subscribing: false,
                        arrived: when,
                    },
                );
            }
            Sent::Completes(packet_id) => {
                self.streams[stream].window.remove(packet_id);
            }
            Sent::Ping => self.streams[stream].pings += 1,
            Sent::Disconnect(reason, expiry) => {
                let link = &mut self.history.links[stream];
                link.goodbye = Some(*reason);
                if let Some(expiry) = *expiry {
                    link.expiry = expiry;
                }
            }
            Sent::Other => {}
        }
    }

    /// Decodes what an engine has put into out-buffers, after every single input, so
    /// that the order of departures is that of their causes.
    pub fn tap_all(&mut self, shard: usize) {
        for stream in self.streams_at(shard) {
            self.tap(stream);
        }
    }

    /// The streams of a shard. Where several CONNECTs of a client may be answered at
    /// once, those that came first go first.
    pub fn streams_at(&self, shard: usize) -> Vec<usize> {
        let first = ConnectionId {
            slot: 0,
            generation: 0,
        };
        let places = self.places.range((shard, first)..);
        let here = places.take_while(|((at, _), _)| *at == shard);
        let mut streams: Vec<usize> = here.map(|(_, &stream)| stream).collect();
        if self.plan.has_hooks() {
            let links = &self.history.links;
            // A stream is there a moment before its link is.
            streams.sort_by_key(|&stream| links.get(stream).map(|link| link.came_home));
        }
        streams
    }

    /// Decodes what an engine has put into an out-buffer since the last look.
    pub fn tap(&mut self, stream: usize) {
        let Place::Shard(shard, id) = self.streams[stream].place else {
            return;
        };
        let Some(outbox) = self.engines[shard].outbox(id) else {
            return;
        };
        let state = &self.streams[stream];
        let known = usize::try_from(state.tapped - state.flushed).expect("small");
        let owed: Vec<u8> = outbox.pieces().flatten().copied().collect();
        let fresh = owed[known..].to_vec();
        let length = outbox.len();
        if fresh.is_empty() {
            return;
        }
        self.check_outbox(stream, length);
        self.trace.mix(self.now);
        self.trace.mix_bytes(&fresh);
        let version = self.history.links[stream].version;
        let mut rest = &fresh[..];
        while !rest.is_empty() {
            let Ok(Split::Complete { frame, size }) = split(rest, u32::MAX) else {
                self.violate("content", || format!("half a packet to stream {stream}"));
                return;
            };
            self.streams[stream].tapped += size as u64;
            match Packet::decode(version, frame) {
                Ok(packet) => {
                    self.trace.line(self.now, || {
                        format!("    edge {stream} -> {}", brief(&packet))
                    });
                    let received = self.note_departure(stream, &packet, size);
                    let end = self.streams[stream].tapped;
                    self.streams[stream].coming.push_back((end, received));
                }
                Err(error) => {
                    self.violate("content", || {
                        format!("stream {stream} is sent what can not be read: {error:?}")
                    });
                    return;
                }
            }
            rest = &rest[size..];
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else comes from a broker is wrong"
    )]
    fn note_departure(&mut self, stream: usize, packet: &Packet<'_>, size: usize) -> Received {
        if size > self.history.links[stream].maximum_packet as usize {
            self.violate("bounds", || {
                format!("stream {stream}: a packet of {size} bytes, more than its maximum")
            });
        }
        match packet {
            Packet::ConnAck(connack) if connack.reason.is_error() => {
                self.check_refusal(stream, connack.reason);
                Received::Refused
            }
            Packet::ConnAck(connack) => {
                self.note_accepted(stream, connack.session_present);
                Received::ConnAck {
                    present: connack.session_present,
                    receive_maximum: connack
                        .properties
                        .receive_maximum
                        .map_or(u16::MAX, std::num::NonZeroU16::get),
                    alias_maximum: connack.properties.topic_alias_maximum.unwrap_or(0),
                }
            }
            Packet::Publish(publish) => self.note_delivery(stream, publish),
            Packet::PubAck(ack) => {
                let success = self.note_acknowledged(stream, ack.packet_id.get(), ack.reason);
                Received::PubAck(ack.packet_id.get(), success)
            }
            Packet::PubRec(ack) => {
                let success = self.note_acknowledged(stream, ack.packet_id.get(), ack.reason);
                Received::PubRec(ack.packet_id.get(), success)
            }
            Packet::PubRel(ack) => Received::PubRel(ack.packet_id.get()),
            Packet::PubComp(ack) => Received::PubComp(ack.packet_id.get()),
            Packet::SubAck(ack) => self.note_request(stream, ack.packet_id, true, ack.reasons),
            Packet::UnsubAck(ack) => self.note_request(stream, ack.packet_id, false, &[]),
            Packet::PingResp => {
                self.streams[stream].pings = self.streams[stream].pings.saturating_sub(1);
                Received::Pong
            }
            Packet::Disconnect(disconnect) => {
                self.history.links[stream].dismissed = Some(disconnect.reason as u8);
                Received::Disconnect
            }
            other => {
                self.violate("content", || format!("stream {stream} is sent {other:?}"));
                Received::Pong
            }
        }
    }

    /// A CONNECT is whole: is it at its client's home?
    pub fn note_home(&mut self, stream: usize) {
        let when = self.history.when(self.now);
        let name = &self.clients[self.streams[stream].client].name;
        let home = self.homes.of_client(name).index();
        if matches!(self.streams[stream].place, Place::Shard(shard, _) if shard == home) {
            self.history.links[stream].came_home.get_or_insert(when);
        }
    }

    fn note_accepted(&mut self, stream: usize, present: bool) {
        let when = self.history.when(self.now);
        self.check_admission(stream);
        self.check_session_present(stream, present);
        let client = self.history.links[stream].client;
        if !present {
            self.history.incarnations[client] += 1;
        }
        let incarnation = self.history.incarnations[client];
        let link = &mut self.history.links[stream];
        link.accepted = Some(when);
        link.present = present;
        link.incarnation = Some(incarnation);
        let earlier = self.history.live[client].replace(stream);
        if let (Some(earlier), Place::Shard(shard, _)) = (earlier, self.streams[stream].place) {
            self.superseded.push((shard, earlier));
        }
    }

    fn note_acknowledged(&mut self, stream: usize, packet_id: u16, reason: ReasonCode) -> bool {
        let when = self.history.when(self.now);
        let success = !reason.is_error();
        if let Some(&message) = self.streams[stream].arrived_ids.get(&packet_id) {
            self.check_acknowledgement(stream, message, reason);
            let record = &mut self.history.messages[message as usize];
            if success {
                record.acked.get_or_insert(when);
            } else {
                record.refused = true;
            }
        }
        success
    }

    fn note_request(
        &mut self,
        stream: usize,
        packet_id: PacketId,
        subscribing: bool,
        reasons: &[u8],
    ) -> Received {
        let when = self.history.when(self.now);
        let packet_id = packet_id.get();
        let Some(request) = self.streams[stream].requests.remove(&packet_id) else {
            self.violate("content", || {
                format!("stream {stream}: an answer to no request, {packet_id}")
            });
            return Received::Granted(packet_id);
        };
        let fits = !subscribing || reasons.len() == request.entries.len();
        if request.subscribing != subscribing || !fits {
            self.violate("content", || {
                format!("stream {stream}: request {packet_id} is answered by another's answer")
            });
            return Received::Granted(packet_id);
        }
        for (place, &entry) in request.entries.iter().enumerate() {
            if subscribing {
                self.check_subscribed(stream, entry, reasons[place]);
                if reasons[place] >= 0x80 {
                    self.note_refused(entry, request.arrived);
                    continue;
                }
            }
            let (client, filter) = {
                let subscription = &self.history.subscriptions[entry];
                (subscription.client, subscription.filter.clone())
            };
            for (place, other) in self.history.subscriptions.iter_mut().enumerate() {
                // What another connection asked for may come first or last.
                let accepted = self.history.links[other.stream].accepted;
                let same = other.client == client
                    && other.filter == filter
                    && !(subscribing && place == entry)
                    && accepted.is_some()
                    && accepted <= self.history.links[stream].accepted;
                if same && other.ending.is_some_and(|ending| ending <= request.arrived) {
                    other.ended.get_or_insert(when);
                }
            }
            if subscribing {
                self.history.subscriptions[entry].granted = Some(when);
            }
        }
        Received::Granted(packet_id)
    }

    /// A subscription is refused: what there was of the same filter goes on, where
    /// nothing else has come meanwhile.
    fn note_refused(&mut self, entry: usize, arrived: When) {
        let refused = &mut self.history.subscriptions[entry];
        (refused.refused, refused.ending) = (true, Some(arrived));
        let (client, filter) = (refused.client, refused.filter.clone());
        let same = |other: &Subscription| other.client == client && other.filter == filter;
        let subscriptions = &mut self.history.subscriptions;
        let mut own = subscriptions.iter().filter(|other| same(other));
        if own.any(|other| other.requested > Some(arrived)) {
            return;
        }
        for other in subscriptions.iter_mut().filter(|other| same(other)) {
            if !other.refused && !other.left && other.ending == Some(arrived) {
                other.ending = None;
            }
        }
    }

    fn note_delivery(&mut self, stream: usize, publish: &Publish<'_>) -> Received {
        let left = self.history.when(self.now);
        let message = message_of(publish.payload);
        let packet_id = publish.packet_id.map_or(0, PacketId::get);
        let link = &self.history.links[stream];
        let (client, incarnation) = (link.client, link.incarnation.unwrap_or(0));
        self.check_content(stream, publish, message, left);
        self.check_window(stream, packet_id);
        self.history.deliveries.push(Delivery {
            message,
            stream,
            client,
            incarnation,
            qos: publish.qos,
            dup: publish.dup,
            retain: publish.retain,
            packet_id,
            identifiers: publish.properties.subscription_ids.into_iter().collect(),
            left,
        });
        Received::Publish {
            packet_id,
            message,
            qos: publish.qos as u8,
            retain: publish.retain,
        }
    }

    /// The broker has ended a connection; why, as far as can be told.
    pub fn note_end(&mut self, stream: usize, known: Option<End>) {
        if self.history.links[stream].ended.is_some() {
            return;
        }
        let when = self.history.when(self.now);
        let link = &self.history.links[stream];
        let replaced = self.history.live[link.client].is_some_and(|live| live != stream);
        let end = known.unwrap_or(match (link.dismissed, link.goodbye) {
            (Some(0x8E), _) => End::TakenOver,
            (Some(_), _) => End::Fault,
            (None, Some(_)) if replaced => End::Unclear,
            (None, Some(0)) => End::Normal,
            (None, Some(_)) => End::WithWill,
            (None, None) if replaced => End::TakenOver,
            (None, None) => End::Fault,
        });
        self.trace.line(self.now, || {
            format!("    edge {stream} ended: {end:?} @{}", when.step)
        });
        self.history.links[stream].ended = Some((when, end));
        self.check_fault(stream, end);
    }
}

/// The number in a payload.
fn message_of(payload: &[u8]) -> Option<MessageId> {
    let number = payload.get(..4)?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

/// A packet on one line.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others are short as they are"
)]
pub fn brief(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => format!(
            "PUBLISH {:?} on {:?} QoS {} dup {} retain {} id {:?} ids {:?} expiry {:?}",
            message_of(publish.payload),
            publish.topic,
            publish.qos as u8,
            publish.dup,
            publish.retain,
            publish.packet_id.map(PacketId::get),
            publish
                .properties
                .subscription_ids
                .into_iter()
                .collect::<Vec<_>>(),
            publish.properties.message_expiry_interval,
        ),
        Packet::PubAck(ack) => format!("PUBACK {}", ack.packet_id.get()),
        Packet::PubRec(ack) => format!("PUBREC {}", ack.packet_id.get()),
        Packet::PubRel(ack) => format!("PUBREL {}", ack.packet_id.get()),
        Packet::PubComp(ack) => format!("PUBCOMP {}", ack.packet_id.get()),
        other => format!("{other:?}"),
    }
}
