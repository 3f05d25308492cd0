//! Publishing, subscribing, looking and disconnecting from within the process.
//!
//! Owns the way to every shard, and the receiving end of local subscriptions. May be
//! cloned and used from any thread or any runtime's tasks; the methods that wait do so
//! for one turn of a shard. Never keeps the broker alive: after a stop everything here
//! answers that it has stopped.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::{DisconnectError, PublishError, SubscribeError};
use super::workers::Links;
use crate::engine::{ClientReport, Inbox, Offered};
use crate::ids::SessionId;
use crate::message::Message;
use crate::protocol::{
    PublishProperties, QoS, ReasonCode, TopicFilter, TopicName, UserPropertiesBuf,
};
use crate::shard::{Clock, Command, Request};

/// How long a shard may take to answer between two turns.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients that a shard reports in one go, so that its turn stays short.
const CLIENTS_PER_LOOK: usize = 1_024;

/// A message that the process publishes itself.
#[derive(Clone, Debug)]
#[must_use = "a publication goes nowhere until it is published"]
pub struct Publication {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    expiry: Option<Duration>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<Vec<u8>>,
    user_properties: UserPropertiesBuf,
}

impl Publication {
    /// A message at QoS 1, not retained.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            expiry: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: UserPropertiesBuf::new(),
        }
    }

    /// At another QoS: subscribers get it at this one or their own, if that is lower.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Kept for later subscribers; with an empty payload, what was kept is deleted.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Worth nothing after this time, of whole seconds.
    pub fn expires_after(mut self, time: Duration) -> Self {
        self.expiry = Some(time);
        self
    }

    /// What the payload is.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Where an answer goes, and what it carries back.
    pub fn response(mut self, topic: impl Into<String>, correlation: impl Into<Vec<u8>>) -> Self {
        self.response_topic = Some(topic.into());
        self.correlation_data = Some(correlation.into());
        self
    }

    /// One more name and value; too long ones (65,535 bytes) are left out.
    pub fn user_property(mut self, name: &str, value: &str) -> Self {
        let _ = self.user_properties.push(name, value);
        self
    }

    fn message(&self, clock: Clock) -> Result<Message, PublishError> {
        TopicName::parse(&self.topic)?;
        if let Some(response) = &self.response_topic {
            TopicName::parse(response)?;
        }
        let mut properties = Vec::new();
        PublishProperties {
            content_type: self.content_type.as_deref(),
            response_topic: self.response_topic.as_deref(),
            correlation_data: self.correlation_data.as_deref(),
            user_properties: self.user_properties.as_view(),
            ..PublishProperties::default()
        }
        .write_pass_through(&mut properties);
        let size = self.topic.len() + properties.len() + self.payload.len();
        if size > Self::BYTES_MAX {
            return Err(PublishError::TooLarge { size });
        }
        let seconds = self
            .expiry
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        Ok(Message::new(
            &self.topic,
            &properties,
            &self.payload,
            self.qos,
            self.retain,
            seconds.map(|seconds| clock.now().plus_seconds(seconds)),
        ))
    }

    /// Bytes of topic, properties and payload that fit in a packet, with room for
    /// what a delivery adds.
    pub const BYTES_MAX: usize = 268_000_000;
}

/// How a local subscription wants its messages.
#[derive(Clone, Copy, Debug)]
#[must_use = "these are only wishes"]
pub struct Subscription {
    qos: QoS,
    capacity: usize,
    retained: bool,
    when_full: WhenFull,
}

/// What happens to a message that a local subscription has no room for. Shards never
/// wait for an embedder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is dropped, and [`Subscriber::missed`] counts it.
    #[default]
    DropNewest,
    /// The subscription ends; what is in the queue can still be received.
    End,
}

impl Default for Subscription {
    fn default() -> Self {
        Self {
            qos: QoS::ExactlyOnce,
            capacity: 1_024,
            retained: true,
            when_full: WhenFull::DropNewest,
        }
    }
}

impl Subscription {
    /// The highest QoS that messages are received at; the default is 2.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Messages that may wait to be received; at least one, by default 1,024.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages.max(1);
        self
    }

    /// Whether retained messages come first; they do by default, as far as there is
    /// room at once.
    pub fn retained(mut self, wanted: bool) -> Self {
        self.retained = wanted;
        self
    }

    /// What happens when as many messages wait as may.
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }
}

/// A message that came to the process itself. Its bytes are shared with the broker's
/// other receivers, not copied.
#[derive(Clone, Debug)]
pub struct Received {
    message: Message,
    qos: QoS,
    retain: bool,
}

impl Received {
    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The application's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// Encoded MQTT 5.0 properties that pass through from the publisher.
    #[must_use]
    pub fn raw_properties(&self) -> &[u8] {
        self.message.properties()
    }

    /// The QoS of the delivery.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether it was retained, or is to be.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }
}

/// Nothing more will be received: the subscription has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the subscription has ended")]
pub struct Ended;

/// The receiving end of a local subscription. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscriber {
    messages: flume::Receiver<Received>,
    missed: Arc<AtomicU64>,
    remote: Remote,
    shard: usize,
    session: SessionId,
}

impl Subscriber {
    /// The next message, as soon as there is one.
    ///
    /// # Errors
    /// When the subscription or the broker has ended and nothing is left.
    pub fn recv(&self) -> Result<Received, Ended> {
        self.messages.recv().map_err(|_| Ended)
    }

    /// The next message, if there is one within this time.
    ///
    /// # Errors
    /// As with [`Subscriber::recv`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Received>, Ended> {
        match self.messages.recv_timeout(timeout) {
            Ok(received) => Ok(Some(received)),
            Err(flume::RecvTimeoutError::Timeout) => Ok(None),
            Err(flume::RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// As with [`Subscriber::recv`].
    pub fn try_recv(&self) -> Result<Option<Received>, Ended> {
        match self.messages.try_recv() {
            Ok(received) => Ok(Some(received)),
            Err(flume::TryRecvError::Empty) => Ok(None),
            Err(flume::TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// The next message, in any async runtime.
    ///
    /// # Errors
    /// As with [`Subscriber::recv`].
    pub async fn recv_async(&self) -> Result<Received, Ended> {
        self.messages.recv_async().await.map_err(|_| Ended)
    }

    /// Messages that were dropped because there was no room for them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let session = self.session;
        self.remote
            .send(self.shard, Request::Unsubscribe { session });
    }
}

/// A shard's end of a local subscription.
struct Queue {
    messages: flume::Sender<Received>,
    missed: Arc<AtomicU64>,
    when_full: WhenFull,
}

impl Inbox for Queue {
    fn offer(&mut self, message: &Message, qos: QoS, retain: bool) -> Offered {
        let message = message.clone();
        let received = Received {
            message,
            qos,
            retain,
        };
        match self.messages.try_send(received) {
            Ok(()) => Offered::Taken,
            Err(flume::TrySendError::Disconnected(_)) => Offered::Gone,
            Err(flume::TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                match self.when_full {
                    WhenFull::DropNewest => Offered::Full,
                    WhenFull::End => Offered::Gone,
                }
            }
        }
    }
}

/// What a running broker can be asked for from any thread.
///
/// ```
/// use ringmq::broker::{Broker, Publication, Subscription};
///
/// let broker = Broker::builder().tcp("127.0.0.1:0").start()?;
/// let remote = broker.remote();
/// let temperatures = remote.subscribe("+/temperature", Subscription::default())?;
/// remote.publish(&Publication::new("kitchen/temperature", "21.5"))?;
///
/// let received = temperatures.recv()?;
/// assert_eq!(received.topic(), "kitchen/temperature");
/// assert_eq!(received.payload(), b"21.5");
/// # broker.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    links: Links,
    clock: Clock,
    /// Which shard a topic's messages enter at.
    key: RandomState,
    /// The shard of the next local subscription.
    next: Arc<AtomicU64>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("shards", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl Remote {
    pub(crate) fn new(links: Links, clock: Clock) -> Self {
        Self {
            links,
            clock,
            key: RandomState::new(),
            next: Arc::default(),
        }
    }

    /// False where the shard has ended.
    fn send(&self, shard: usize, request: Request) -> bool {
        let link = &self.links[shard];
        let sent = link.commands.send(Command::Request(request)).is_ok();
        if sent {
            link.doorbell.ring();
        }
        sent
    }

    fn publish_request(
        &self,
        publication: &Publication,
    ) -> Result<flume::Receiver<bool>, PublishError> {
        let message = publication.message(self.clock)?;
        let hash = self.key.hash_one(&publication.topic);
        // One topic, one shard: its messages keep their order.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a few")]
        let shard = (hash % self.links.len() as u64) as usize;
        let (reply, answer) = flume::bounded(1);
        if self.send(shard, Request::Publish { message, reply }) {
            Ok(answer)
        } else {
            Err(PublishError::Stopped)
        }
    }

    /// Publishes a message, past all hooks; returns when a shard has taken it on.
    /// Messages of one topic keep the order in which this is called.
    ///
    /// # Errors
    /// When it cannot be published, when too much waits already, or the broker has
    /// stopped.
    pub fn publish(&self, publication: &Publication) -> Result<(), PublishError> {
        let answer = self.publish_request(publication)?;
        let taken = answer
            .recv_timeout(ANSWER_TIMEOUT)
            .map_err(|_| PublishError::Stopped)?;
        taken.then_some(()).ok_or(PublishError::Busy)
    }

    /// The same in any async runtime.
    ///
    /// # Errors
    /// As with [`Remote::publish`].
    pub async fn publish_async(&self, publication: &Publication) -> Result<(), PublishError> {
        let answer = self.publish_request(publication)?;
        let taken = answer
            .recv_async()
            .await
            .map_err(|_| PublishError::Stopped)?;
        taken.then_some(()).ok_or(PublishError::Busy)
    }

    /// Subscribes the process itself, past all hooks. What anybody publishes after this
    /// has returned arrives, as far as there is room for it.
    ///
    /// # Errors
    /// When that is no topic filter, or the broker has stopped.
    pub fn subscribe(
        &self,
        filter: &str,
        wishes: Subscription,
    ) -> Result<Subscriber, SubscribeError> {
        TopicFilter::parse(filter)?;
        let (messages, receiver) = flume::bounded(wishes.capacity);
        let missed = Arc::new(AtomicU64::new(0));
        let inbox = Queue {
            messages,
            missed: Arc::clone(&missed),
            when_full: wishes.when_full,
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a few")]
        let shard = (turn % self.links.len() as u64) as usize;
        let (reply, answer) = flume::bounded(1);
        let request = Request::Subscribe {
            filter: filter.into(),
            qos: wishes.qos,
            retained: wishes.retained,
            inbox: Box::new(inbox),
            reply,
        };
        if !self.send(shard, request) {
            return Err(SubscribeError::Stopped);
        }
        let session = answer
            .recv_timeout(ANSWER_TIMEOUT)
            .map_err(|_| SubscribeError::Stopped)?
            .map_err(SubscribeError::Refused)?;
        Ok(Subscriber {
            messages: receiver,
            missed,
            remote: self.clone(),
            shard,
            session,
        })
    }

    /// All clients that are connected or have a session, in no order. Each shard is
    /// looked at in several goes, so that who comes or goes meanwhile may be missed.
    #[must_use]
    pub fn clients(&self) -> Vec<ClientReport> {
        let mut clients = Vec::new();
        for shard in 0..self.links.len() {
            let mut next = Some(0);
            while let Some(from) = next {
                let (reply, answer) = flume::bounded(1);
                let most = CLIENTS_PER_LOOK;
                self.send(shard, Request::Clients { from, most, reply });
                let Ok((found, more)) = answer.recv_timeout(ANSWER_TIMEOUT) else {
                    break;
                };
                clients.extend(found);
                next = more;
            }
        }
        clients
    }

    /// Ends the connection of a client, for a reason that DISCONNECT can carry (a 5.0
    /// client is told). Its will is published; its session goes on as was agreed.
    /// False when no such client is connected.
    ///
    /// # Errors
    /// When the reason is none of DISCONNECT, or the broker has stopped.
    pub fn disconnect(&self, client_id: &str, reason: ReasonCode) -> Result<bool, DisconnectError> {
        if !reason.is_legal_in(crate::protocol::PacketType::Disconnect) {
            return Err(DisconnectError::Reason(reason));
        }
        let (reply, answers) = flume::bounded(self.links.len());
        // Where a client lives only the shards know.
        for shard in 0..self.links.len() {
            let request = Request::DisconnectClient {
                client_id: client_id.into(),
                reason,
                reply: reply.clone(),
            };
            if !self.send(shard, request) {
                return Err(DisconnectError::Stopped);
            }
        }
        drop(reply);
        let mut found = false;
        for _ in 0..self.links.len() {
            found |= answers
                .recv_timeout(ANSWER_TIMEOUT)
                .map_err(|_| DisconnectError::Stopped)?;
        }
        Ok(found)
    }
}
