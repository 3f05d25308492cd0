//! Both ends of a local subscription: the wishes, the inbox on its shard, and what the
//! embedding process receives from it.
//!
//! Owns the bounded queue between the two. Its sending end lives on a shard and never
//! waits, its receiving end is used from any thread or any runtime's tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::remote::Remote;
use crate::engine::{Inbox, Offered};
use crate::ids::SessionId;
use crate::message::Message;
use crate::protocol::QoS;
use crate::shard::Request;

/// How a local subscription wants its messages.
#[derive(Clone, Copy, Debug)]
#[must_use = "these are only wishes"]
pub struct Subscription {
    pub(super) qos: QoS,
    pub(super) capacity: usize,
    pub(super) retained: bool,
    pub(super) when_full: WhenFull,
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

    /// Whether retained messages come first; they do by default. Of many thousands the
    /// later ones come between those that are published meanwhile, and what there is no
    /// room for is missed.
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
    pub(super) messages: flume::Receiver<Received>,
    pub(super) missed: Arc<AtomicU64>,
    pub(super) remote: Remote,
    pub(super) shard: usize,
    pub(super) session: SessionId,
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
pub(super) struct Queue {
    pub(super) messages: flume::Sender<Received>,
    pub(super) missed: Arc<AtomicU64>,
    pub(super) when_full: WhenFull,
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
