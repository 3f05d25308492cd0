//! `ringmq pub`: the checked settings.
//!
//! Owns what to publish and how often. Runs on the main thread before anything
//! starts; never reads the payload itself.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::connection::{ConnectionSettings, check_qos};
use super::raw::RawPublish;
use crate::cli::failure::Failure;
use crate::protocol::{QoS, TopicName};

/// Settings of `ringmq pub`.
#[derive(Debug)]
pub(crate) struct PublishSettings {
    pub(crate) connection: ConnectionSettings,
    pub(crate) topic: String,
    pub(crate) payload: Payload,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// How often to publish the payload, at least once.
    pub(crate) repeat: u64,
    pub(crate) repeat_delay: Duration,
}

/// Where the payload comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Payload {
    Bytes(Vec<u8>),
    File(PathBuf),
    /// The whole standard input.
    Input,
    /// A message per line of the standard input.
    Lines,
}

impl PublishSettings {
    pub(super) fn check(raw: RawPublish, properties: &[Vec<String>]) -> Result<Self, Failure> {
        let payloads = [
            raw.message
                .map(|message| Payload::Bytes(OsString::into_vec(message))),
            raw.file.map(|path| Payload::File(path.into())),
            raw.stdin_file.then_some(Payload::Input),
            raw.stdin_line.then_some(Payload::Lines),
            raw.null_message.then_some(Payload::Bytes(Vec::new())),
        ];
        let mut payloads = payloads.into_iter().flatten();
        let payload = payloads.next();
        if payloads.next().is_some() {
            return Err(Failure::usage(
                "Only one type of message can be sent at once.",
            ));
        }
        let (connection, url_topic) = ConnectionSettings::check(raw.connection, properties)?;
        let (Some(topic), Some(payload)) = (raw.topic.or(url_topic), payload) else {
            return Err(Failure::usage("Both topic and message must be supplied."));
        };
        if TopicName::parse(&topic).is_err() {
            return Err(Failure::usage(format_args!(
                "Invalid publish topic '{topic}', does it contain '+' or '#'?"
            )));
        }
        Ok(Self {
            connection,
            topic,
            payload,
            qos: check_qos(raw.qos.as_deref(), "QoS given: ")?,
            retain: raw.retain,
            repeat: raw.repeat.as_deref().map_or(Ok(1), check_repeat)?,
            repeat_delay: raw
                .repeat_delay
                .as_deref()
                .map_or(Ok(Duration::ZERO), check_delay)?,
        })
    }
}

fn check_repeat(text: &str) -> Result<u64, Failure> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Failure::usage("--repeat argument must be >0.")),
    }
}

fn check_delay(text: &str) -> Result<Duration, Failure> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Failure::usage("--repeat-delay argument must be >=0.0."))
}
