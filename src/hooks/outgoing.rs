//! A message that is about to be published, as publish hooks see and alter it.
//!
//! Owns what was altered; the rest is borrowed from the receive buffer. Pure. What a
//! hook sets is checked here, so that nothing leaves that a client could not have
//! sent.

use std::borrow::Cow;

use crate::message::Message;
use crate::protocol::property::RawProperties;
use crate::protocol::{
    EncodeError, PropertyId, PublishProperties, QoS, TopicError, TopicName, UserProperties,
    UserPropertiesBuf,
};

/// A publication before it goes out.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    topic: Cow<'a, str>,
    /// Encoded properties that pass through to subscribers.
    properties: Cow<'a, [u8]>,
    payload: Cow<'a, [u8]>,
    qos: QoS,
    retain: bool,
    expiry: Option<u32>,
}

impl<'a> Outgoing<'a> {
    /// A message as its publisher wrote it. `properties` are the encoded ones that
    /// pass through, `expiry` is the message expiry interval in seconds.
    #[must_use]
    pub fn new(
        topic: &'a str,
        properties: impl Into<Cow<'a, [u8]>>,
        payload: &'a [u8],
        qos: QoS,
        retain: bool,
        expiry: Option<u32>,
    ) -> Self {
        Self {
            topic: Cow::Borrowed(topic),
            properties: properties.into(),
            payload: Cow::Borrowed(payload),
            qos,
            retain,
            expiry,
        }
    }

    /// A message that is kept already, such as a will.
    #[must_use]
    pub fn of(message: &'a Message, expiry: Option<u32>) -> Self {
        Self::new(
            message.topic(),
            message.properties(),
            message.payload(),
            message.qos,
            message.retain,
            expiry,
        )
    }

    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The application's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The QoS it is published at.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether it is to be retained.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Seconds after which it is worth nothing.
    #[must_use]
    pub fn expiry(&self) -> Option<u32> {
        self.expiry
    }

    /// The encoded properties that pass through.
    #[must_use]
    pub fn raw_properties(&self) -> &[u8] {
        &self.properties
    }

    /// Topic, encoded properties and payload where they are still the publisher's own
    /// bytes.
    pub(crate) fn as_written(&self) -> Option<(&'a str, &'a [u8], &'a [u8])> {
        match (&self.topic, &self.properties, &self.payload) {
            (Cow::Borrowed(topic), Cow::Borrowed(properties), Cow::Borrowed(payload)) => {
                Some((topic, properties, payload))
            }
            _ => None,
        }
    }

    /// Its user properties, in their order.
    #[must_use]
    pub fn user_properties(&self) -> UserProperties<'_> {
        UserProperties::of_checked(&self.properties)
    }

    /// Publishes it elsewhere. What the client may publish was judged before; the
    /// hook answers for the new topic.
    ///
    /// # Errors
    /// When that is no topic name; the message stays as it was.
    pub fn set_topic(&mut self, topic: impl Into<String>) -> Result<(), TopicError> {
        let topic = topic.into();
        TopicName::parse(&topic)?;
        self.topic = Cow::Owned(topic);
        Ok(())
    }

    /// Replaces the application's bytes.
    pub fn set_payload(&mut self, payload: impl Into<Vec<u8>>) {
        self.payload = Cow::Owned(payload.into());
    }

    /// Publishes it at another QoS; how the publisher is answered stays as it is.
    pub fn set_qos(&mut self, qos: QoS) {
        self.qos = qos;
    }

    /// Has it retained, or not.
    pub fn set_retain(&mut self, retain: bool) {
        self.retain = retain;
    }

    /// Sets after how many seconds it is worth nothing; `None` for never.
    pub fn set_expiry(&mut self, seconds: Option<u32>) {
        self.expiry = seconds;
    }

    /// Adds a user property behind the others.
    ///
    /// # Errors
    /// When name or value is longer than 65,535 bytes; the message stays as it was.
    pub fn add_user_property(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        let mut added = UserPropertiesBuf::new();
        added.push(name, value)?;
        let addition = PublishProperties {
            user_properties: added.as_view(),
            ..PublishProperties::default()
        };
        addition.write_pass_through(self.properties.to_mut());
        Ok(())
    }

    /// Takes all user properties out.
    pub fn clear_user_properties(&mut self) {
        let mut kept = Vec::new();
        for property in RawProperties::new(&self.properties) {
            if property.id != PropertyId::USER_PROPERTY {
                kept.extend_from_slice(property.bytes);
            }
        }
        self.properties = Cow::Owned(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_properties_are_added_behind_the_others_and_taken_out_alone() {
        let content_type = [3, 0, 1, b'x'];
        let mut message =
            Outgoing::new("t", &content_type[..], b"p", QoS::AtLeastOnce, false, None);
        message.add_user_property("a", "1").expect("short");
        message.add_user_property("b", "2").expect("short");
        let all: Vec<_> = message.user_properties().iter().collect();
        assert_eq!(all, [("a", "1"), ("b", "2")]);
        message.clear_user_properties();
        assert_eq!(message.raw_properties(), content_type);
    }

    #[test]
    fn no_topic_is_set_that_a_client_could_not_publish_to() {
        let mut message = Outgoing::new("t", &[][..], b"", QoS::AtMostOnce, false, None);
        for wrong in ["", "a/+", "#", "nul\0"] {
            assert!(message.set_topic(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(message.topic(), "t");
        message.set_topic("elsewhere").expect("a topic name");
        assert_eq!(message.topic(), "elsewhere");
    }
}
