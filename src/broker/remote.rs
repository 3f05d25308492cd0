//! Publishing, subscribing, looking and disconnecting from within the process.
//!
//! Owns the way to every shard. May be cloned and used from any thread or any runtime's
//! tasks; the methods that wait do so for one turn of a shard. Never keeps the broker alive: after a stop everything here
//! answers that it has stopped.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::{DisconnectError, PublishError, SubscribeError};
use super::publication::Publication;
use super::subscriber::{Queue, Subscriber, Subscription};
use super::workers::Links;
use crate::engine::ClientReport;
use crate::protocol::{ReasonCode, TopicFilter};
use crate::shard::{Clock, Command, Request};

/// How long a shard may take to answer between two turns.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients that a shard reports in one go, so that its turn stays short.
const CLIENTS_PER_LOOK: usize = 1_024;

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
    pub(super) fn send(&self, shard: usize, request: Request) -> bool {
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
