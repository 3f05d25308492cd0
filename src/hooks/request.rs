//! What a client wants, for a rule to judge.
//!
//! Owns nothing: views of the packet at hand. Pure.

use crate::protocol::{QoS, Share, TopicFilter};

/// A client wants to publish, or leaves a will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PublishRequest<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// The QoS of the message.
    pub qos: QoS,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Whether it is the client's will.
    pub will: bool,
}

impl<'a> PublishRequest<'a> {
    /// A request to publish there.
    #[must_use]
    pub const fn new(topic: &'a str, qos: QoS, retain: bool, will: bool) -> Self {
        Self {
            topic,
            qos,
            retain,
            will,
        }
    }
}

/// A client wants to subscribe to one filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SubscribeRequest<'a> {
    /// The filter as the client wrote it, `$share/group/` included.
    pub filter: TopicFilter<'a>,
    /// The QoS that the client asks for.
    pub qos: QoS,
}

impl<'a> SubscribeRequest<'a> {
    /// A request for this filter.
    #[must_use]
    pub const fn new(filter: TopicFilter<'a>, qos: QoS) -> Self {
        Self { filter, qos }
    }

    /// The filter that topics are matched with: what a shared subscription shares.
    #[must_use]
    pub fn matched(&self) -> TopicFilter<'a> {
        self.filter
            .share()
            .map_or(self.filter, |Share { filter, .. }| filter)
    }
}

/// A message is about to go to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeliverRequest<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// The QoS of the delivery.
    pub qos: QoS,
    /// RETAIN as the client will see it.
    pub retain: bool,
}

impl<'a> DeliverRequest<'a> {
    /// A delivery of that topic.
    #[must_use]
    pub const fn new(topic: &'a str, qos: QoS, retain: bool) -> Self {
        Self { topic, qos, retain }
    }
}
