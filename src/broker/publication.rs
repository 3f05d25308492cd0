//! A message that the embedding process publishes itself.
//!
//! Owns its parts until it is published. Used on any thread; asks no shard for anything.

use std::time::Duration;

use super::error::PublishError;
use crate::message::Message;
use crate::protocol::{PublishProperties, QoS, TopicName, UserPropertiesBuf};
use crate::shard::Clock;

/// A message that the process publishes itself.
#[derive(Clone, Debug)]
#[must_use = "a publication goes nowhere until it is published"]
pub struct Publication {
    pub(super) topic: String,
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

    pub(super) fn message(&self, clock: Clock) -> Result<Message, PublishError> {
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
