//! What a rule could not answer at once, on its way to a worker and back.
//!
//! Owns copies of what is asked about, since the packet's buffer does not wait. An
//! [`Inquiry`] leaves the engine, an [`Answer`] comes back with the same [`Ticket`].
//! Pure: how both travel is the business of shard and broker.

use std::fmt;
use std::sync::{Arc, Weak};

use super::{Client, Credentials, Exchange, PublishRequest, Step, SubscribeRequest, Verdict};
use crate::ids::{ConnectionId, ShardId};
use crate::protocol::{QoS, TopicFilter};

/// Which question an answer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The shard that asks.
    pub shard: ShardId,
    /// The connection that waits.
    pub connection: ConnectionId,
    /// Tells this question from earlier ones of the connection.
    pub number: u64,
}

/// A question to a hook.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Question {
    /// [`Hook::connect`](super::Hook::connect) asked for time.
    Connect(Arc<Credentials>),
    /// [`Hook::authenticate`](super::Hook::authenticate) did.
    Authenticate(Arc<Credentials>),
    /// [`Hook::authorize_publish`](super::Hook::authorize_publish) did.
    Publish {
        /// Who wants to publish.
        client: Arc<Client>,
        /// The topic name.
        topic: Box<str>,
        /// The QoS of the message.
        qos: QoS,
        /// Whether it is to be retained.
        retain: bool,
        /// Whether it is the client's will.
        will: bool,
    },
    /// [`Hook::authorize_subscribe`](super::Hook::authorize_subscribe) did.
    Subscribe {
        /// Who wants to subscribe.
        client: Arc<Client>,
        /// The whole filter.
        filter: Box<str>,
        /// The QoS asked for.
        qos: QoS,
    },
}

impl Question {
    /// The question whether this client may publish there.
    #[must_use]
    pub fn publish(client: &Arc<Client>, request: &PublishRequest<'_>) -> Self {
        Self::Publish {
            client: Arc::clone(client),
            topic: request.topic.into(),
            qos: request.qos,
            retain: request.retain,
            will: request.will,
        }
    }

    /// The question whether this client may subscribe to that.
    #[must_use]
    pub fn subscribe(client: &Arc<Client>, request: &SubscribeRequest<'_>) -> Self {
        Self::Subscribe {
            client: Arc::clone(client),
            filter: request.filter.as_str().into(),
            qos: request.qos,
        }
    }

    /// What is asked for, where it is a publication.
    #[must_use]
    pub fn publish_request(&self) -> Option<PublishRequest<'_>> {
        match self {
            Self::Publish {
                topic,
                qos,
                retain,
                will,
                ..
            } => Some(PublishRequest::new(topic, *qos, *retain, *will)),
            Self::Connect(_) | Self::Authenticate(_) | Self::Subscribe { .. } => None,
        }
    }

    /// What is asked for, where it is a subscription.
    #[must_use]
    pub fn subscribe_request(&self) -> Option<SubscribeRequest<'_>> {
        match self {
            Self::Subscribe { filter, qos, .. } => TopicFilter::parse(filter)
                .ok()
                .map(|filter| SubscribeRequest::new(filter, *qos)),
            Self::Connect(_) | Self::Authenticate(_) | Self::Publish { .. } => None,
        }
    }
}

/// What a worker is to find out.
pub enum Subject {
    /// The answer of the hook with this place in the chain.
    Hook(usize, Question),
    /// The next step of an exchange.
    Exchange {
        /// Who is being authenticated.
        credentials: Arc<Credentials>,
        /// The exchange, to come back with the answer.
        exchange: Box<dyn Exchange>,
        /// The client's word.
        data: Option<Box<[u8]>>,
    },
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(index, question) => {
                f.debug_tuple("Hook").field(index).field(question).finish()
            }
            Self::Exchange { credentials, .. } => {
                f.debug_tuple("Exchange").field(credentials).finish()
            }
        }
    }
}

/// Kept by whoever waits for an answer, for as long as that is.
#[derive(Debug, Default)]
pub struct Patience(Arc<()>);

impl Patience {
    /// What the question takes along.
    #[must_use]
    pub fn awaited(&self) -> Awaited {
        Awaited(Arc::downgrade(&self.0))
    }
}

/// Tells on any thread whether an answer is still waited for.
#[derive(Clone, Debug)]
pub struct Awaited(Weak<()>);

impl Awaited {
    /// Whether anybody waits: the client is there, and its deadline has not come.
    #[must_use]
    pub fn by_anybody(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A question on its way to a worker.
#[derive(Debug)]
pub struct Inquiry {
    /// Where the answer goes.
    pub ticket: Ticket,
    /// What it is about.
    pub subject: Subject,
    /// Whether it is still worth an answer.
    pub awaited: Awaited,
}

/// What comes back.
#[derive(Debug)]
pub enum Answer {
    /// The hook's verdict; [`Verdict::Ask`] is none and denies.
    Verdict(Verdict),
    /// The exchange with what it does next; [`Step::Ask`] denies.
    Step(ExchangeBox, Step),
    /// The workers have more to do than they may have waiting.
    Busy,
    /// The hook panicked.
    Panicked,
}

/// An exchange on its way back.
pub struct ExchangeBox(pub Box<dyn Exchange>);

impl fmt::Debug for ExchangeBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// Takes a hook's answer to where it is waited for. Dropping it denies.
pub struct Reply {
    send: Option<Box<dyn FnOnce(Option<Verdict>) + Send>>,
    awaited: Option<Awaited>,
}

impl Reply {
    /// A reply that `send` carries away, once; `None` when it was dropped unanswered.
    #[must_use]
    pub fn new(send: impl FnOnce(Option<Verdict>) + Send + 'static) -> Self {
        Self {
            send: Some(Box::new(send)),
            awaited: None,
        }
    }

    /// The same, for a question that may lose its asker.
    #[must_use]
    pub fn while_awaited(mut self, awaited: Awaited) -> Self {
        self.awaited = Some(awaited);
        self
    }

    /// Whether anybody still waits: otherwise the client is gone or was refused for the
    /// time that it took, and the work can be saved.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.awaited.as_ref().is_none_or(Awaited::by_anybody)
    }

    /// Answers. Where nobody waits any more it changes nothing.
    pub fn answer(mut self, verdict: Verdict) {
        if let Some(send) = self.send.take() {
            send(Some(verdict));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(send) = self.send.take() {
            send(None);
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_reply_is_sent_once_and_tells_when_it_was_dropped() {
        let (sender, received) = channel();
        let reply = |sender: std::sync::mpsc::Sender<_>| {
            Reply::new(move |verdict| sender.send(verdict).expect("somebody waits"))
        };
        reply(sender.clone()).answer(Verdict::Allow);
        drop(reply(sender));
        assert!(matches!(received.recv(), Ok(Some(Verdict::Allow))));
        assert!(matches!(received.recv(), Ok(None)));
        assert!(received.recv().is_err());
    }

    #[test]
    fn a_reply_knows_whether_anybody_waits_for_it() {
        let patience = Patience::default();
        let reply = Reply::new(|_| ()).while_awaited(patience.awaited());
        assert!(reply.is_awaited() && Reply::new(|_| ()).is_awaited());
        drop(patience);
        assert!(!reply.is_awaited());
    }
}
