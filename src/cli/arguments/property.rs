//! `-D PACKET NAME VALUE`: MQTT 5 properties by their names.
//!
//! Owns the table of which property may stand in which packet. Runs on the main
//! thread before anything starts; never sends anything.

use std::num::{NonZeroU16, NonZeroU32};

use crate::cli::failure::Failure;
use crate::protocol::{
    ConnectProperties, Disconnect, PublishProperties, ReasonProperties, UserPropertiesBuf,
};

/// The values given for one packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct PropertyValues {
    authentication_data: Option<Vec<u8>>,
    authentication_method: Option<String>,
    content_type: Option<String>,
    correlation_data: Option<Vec<u8>>,
    maximum_packet_size: Option<NonZeroU32>,
    message_expiry_interval: Option<u32>,
    payload_format_utf8: Option<bool>,
    receive_maximum: Option<NonZeroU16>,
    request_problem_information: Option<bool>,
    request_response_information: Option<bool>,
    response_topic: Option<String>,
    pub(crate) session_expiry_interval: Option<u32>,
    pub(crate) subscription_id: Option<NonZeroU32>,
    pub(crate) topic_alias: Option<NonZeroU16>,
    topic_alias_maximum: Option<u16>,
    pub(crate) will_delay_interval: Option<u32>,
    pub(crate) user_properties: UserPropertiesBuf,
}

/// The values of all packets that take some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    pub(crate) connect: PropertyValues,
    pub(crate) publish: PropertyValues,
    pub(crate) subscribe: PropertyValues,
    pub(crate) unsubscribe: PropertyValues,
    pub(crate) disconnect: PropertyValues,
    pub(crate) will: PropertyValues,
}

/// Property names and the packets that take them.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("authentication-data", &["connect"]),
    ("authentication-method", &["connect"]),
    ("content-type", &["publish", "will"]),
    ("correlation-data", &["publish", "will"]),
    ("maximum-packet-size", &["connect"]),
    ("message-expiry-interval", &["publish", "will"]),
    ("payload-format-indicator", &["publish", "will"]),
    ("receive-maximum", &["connect"]),
    ("request-problem-information", &["connect"]),
    ("request-response-information", &["connect"]),
    ("response-topic", &["publish", "will"]),
    ("session-expiry-interval", &["connect", "disconnect"]),
    ("subscription-identifier", &["subscribe"]),
    ("topic-alias", &["publish"]),
    ("topic-alias-maximum", &["connect"]),
    (
        "user-property",
        &[
            "connect",
            "publish",
            "subscribe",
            "unsubscribe",
            "disconnect",
            "will",
        ],
    ),
    ("will-delay-interval", &["will"]),
];

impl Properties {
    /// Checks all `-D` options, each a list of three or four words.
    pub(super) fn check(options: &[Vec<String>]) -> Result<Self, Failure> {
        let mut properties = Self::default();
        for words in options {
            properties.add(words)?;
        }
        Ok(properties)
    }

    fn add(&mut self, words: &[String]) -> Result<(), Failure> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (packet, name, values) = match words.as_slice() {
            [packet, name, values @ ..] if !values.is_empty() => {
                (packet.to_ascii_lowercase(), *name, values)
            }
            _ => {
                return Err(Failure::usage(
                    "--property argument given but not enough arguments specified.",
                ));
            }
        };
        let target = match packet.as_str() {
            "connect" => &mut self.connect,
            "publish" => &mut self.publish,
            "subscribe" => &mut self.subscribe,
            "unsubscribe" => &mut self.unsubscribe,
            "disconnect" => &mut self.disconnect,
            "will" => &mut self.will,
            _ => {
                return Err(Failure::usage(
                    "Invalid command given in --property argument.",
                ));
            }
        };
        let Some((_, packets)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            return Err(Failure::usage(
                "Invalid property name given in --property argument.",
            ));
        };
        if !packets.contains(&packet.as_str()) {
            return Err(Failure::usage(format_args!(
                "{name} property not allowed for {} in --property argument.",
                packet.to_ascii_uppercase()
            )));
        }
        target.set(name, values)
    }
}

impl PropertyValues {
    fn set(&mut self, name: &str, values: &[&str]) -> Result<(), Failure> {
        let value = match (name, values) {
            ("user-property", [name, value]) => {
                return self
                    .user_properties
                    .push(name, value)
                    .map_err(|_| too_long(name));
            }
            ("user-property", _) => {
                return Err(Failure::usage(
                    "--property argument given but not enough arguments specified.",
                ));
            }
            (_, [value]) => *value,
            (name, _) => {
                return Err(Failure::usage(format_args!(
                    "{name} property takes one value."
                )));
            }
        };
        match name {
            "authentication-data" => self.authentication_data = Some(text(name, value)?.into()),
            "authentication-method" => self.authentication_method = Some(text(name, value)?),
            "content-type" => self.content_type = Some(text(name, value)?),
            "correlation-data" => self.correlation_data = Some(text(name, value)?.into()),
            "maximum-packet-size" => self.maximum_packet_size = Some(number(name, value)?),
            "message-expiry-interval" => self.message_expiry_interval = Some(number(name, value)?),
            "payload-format-indicator" => self.payload_format_utf8 = Some(flag(name, value)?),
            "receive-maximum" => self.receive_maximum = Some(number(name, value)?),
            "request-problem-information" => {
                self.request_problem_information = Some(flag(name, value)?);
            }
            "request-response-information" => {
                self.request_response_information = Some(flag(name, value)?);
            }
            "response-topic" => self.response_topic = Some(text(name, value)?),
            "session-expiry-interval" => self.session_expiry_interval = Some(number(name, value)?),
            "subscription-identifier" => {
                let id: NonZeroU32 = number(name, value)?;
                if id.get() > SUBSCRIPTION_ID_MAX {
                    return Err(too_large(name));
                }
                self.subscription_id = Some(id);
            }
            "topic-alias" => self.topic_alias = Some(number(name, value)?),
            "topic-alias-maximum" => self.topic_alias_maximum = Some(number(name, value)?),
            "will-delay-interval" => self.will_delay_interval = Some(number(name, value)?),
            _ => {
                return Err(Failure::usage(
                    "Invalid property name given in --property argument.",
                ));
            }
        }
        Ok(())
    }

    /// Whether anything was given at all.
    pub(super) fn any(&self) -> bool {
        self.publish_properties() != PublishProperties::default()
            || self.subscription_id.is_some()
            || self.will_delay_interval.is_some()
            || !self.user_properties.as_view().is_empty()
    }

    /// The values as CONNECT carries them.
    pub(crate) fn connect_properties(&self) -> ConnectProperties<'_> {
        ConnectProperties {
            session_expiry_interval: self.session_expiry_interval,
            receive_maximum: self.receive_maximum,
            maximum_packet_size: self.maximum_packet_size,
            topic_alias_maximum: self.topic_alias_maximum,
            request_response_information: self.request_response_information,
            request_problem_information: self.request_problem_information,
            user_properties: self.user_properties.as_view(),
            authentication_method: self.authentication_method.as_deref(),
            authentication_data: self.authentication_data.as_deref(),
        }
    }

    /// The values as PUBLISH and the will carry them.
    pub(crate) fn publish_properties(&self) -> PublishProperties<'_> {
        PublishProperties {
            payload_format_utf8: self.payload_format_utf8,
            message_expiry_interval: self.message_expiry_interval,
            topic_alias: self.topic_alias,
            response_topic: self.response_topic.as_deref(),
            correlation_data: self.correlation_data.as_deref(),
            content_type: self.content_type.as_deref(),
            user_properties: self.user_properties.as_view(),
            ..PublishProperties::default()
        }
    }

    /// The values as DISCONNECT carries them.
    pub(crate) fn disconnect(&self) -> Disconnect<'_> {
        Disconnect {
            session_expiry_interval: self.session_expiry_interval,
            properties: ReasonProperties {
                user_properties: self.user_properties.as_view(),
                ..ReasonProperties::default()
            },
            ..Disconnect::default()
        }
    }
}

/// A subscription identifier is a variable byte integer.
const SUBSCRIPTION_ID_MAX: u32 = 268_435_455;

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|_| too_large(name))
}

fn flag(name: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(too_large(name)),
    }
}

fn text(name: &str, value: &str) -> Result<String, Failure> {
    if value.len() > usize::from(u16::MAX) {
        return Err(too_long(name));
    }
    Ok(value.to_owned())
}

fn too_large(name: &str) -> Failure {
    Failure::usage(format_args!(
        "Property value out of range for property {name}."
    ))
}

fn too_long(name: &str) -> Failure {
    Failure::usage(format_args!("Property value too long for property {name}."))
}
