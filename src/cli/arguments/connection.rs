//! What `pub` and `sub` have in common: where to connect, as whom, with which will.
//!
//! Owns the checked settings of one client. Runs on the main thread before
//! anything starts; never opens a socket.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::property::{Properties, PropertyValues};
use super::raw::RawConnection;
use super::transport::Layers;
use super::url::Url;
use crate::cli::failure::Failure;
use crate::protocol::{
    Connect, Disconnect, ProtocolVersion, PublishProperties, QoS, ReasonCode, TopicName, Will,
};
use crate::transport::client::Connector;

/// Seconds between packets where `-k` says nothing, as mosquitto's clients have it.
const KEEP_ALIVE: u16 = 60;
/// The shortest keep alive that mosquitto's clients accept, but for 0.
const KEEP_ALIVE_MIN: u16 = 5;
/// Messages under way where `-M` says nothing, as libmosquitto has it.
const MAX_INFLIGHT: u16 = 20;
/// A session that never expires.
const NEVER: u32 = u32::MAX;

/// A client's settings, checked.
#[derive(Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Instead of host and port.
    pub(crate) unix: Option<PathBuf>,
    /// TLS and WebSocket.
    pub(crate) connector: Connector,
    /// The address to connect from.
    pub(crate) bind: Option<String>,
    pub(crate) version: ProtocolVersion,
    pub(crate) client_id: String,
    pub(crate) max_inflight: u16,
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
    pub(crate) properties: Properties,
    clean_start: bool,
    keep_alive: u16,
    username: Option<String>,
    password: Option<String>,
    will: Option<WillSettings>,
}

#[derive(Debug)]
struct WillSettings {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
}

impl ConnectionSettings {
    /// Checks the options, and gives back the topic of `-L` if there is one.
    pub(super) fn check(
        raw: RawConnection,
        properties: &[Vec<String>],
    ) -> Result<(Self, Option<String>), Failure> {
        let url = raw.url.as_deref().map(Url::parse).transpose()?;
        // mosquitto makes a client with properties an MQTT 5 client.
        let wanted = raw.protocol_version.as_deref();
        let version = if properties.is_empty() {
            check_version(wanted)?
        } else {
            check_version(wanted)?;
            ProtocolVersion::V5
        };
        let mut properties = Properties::check(properties)?;
        let session_expiry = raw
            .session_expiry
            .as_deref()
            .map(check_expiry)
            .transpose()?;
        if let Some(seconds) = session_expiry {
            properties.connect.session_expiry_interval = Some(seconds);
        } else if raw.disable_clean_session {
            properties
                .connect
                .session_expiry_interval
                .get_or_insert(NEVER);
        }
        let will = check_will(&raw, &properties.will)?;
        let username = raw
            .username
            .or_else(|| url.as_ref()?.username.map(str::to_owned));
        let password = raw
            .password
            .or_else(|| url.as_ref()?.password.map(str::to_owned));
        if version != ProtocolVersion::V5 && password.is_some() && username.is_none() {
            // [MQTT-3.1.2-22] of 3.1.1; 5.0 allows it.
            return Err(Failure::usage("Problem setting username and/or password."));
        }
        let client_id = check_client_id(raw.id, raw.id_prefix, version)?;
        check_persistent(
            raw.disable_clean_session,
            properties.connect.session_expiry_interval,
            version,
            &client_id,
        )?;
        let port = raw.port.as_deref().or_else(|| url.as_ref()?.port);
        let port = port.map(check_port).transpose()?;
        let host = raw.host.or_else(|| Some(url.as_ref()?.host.to_owned()));
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let layers = Layers::new(raw.transport, url.as_ref().map(|url| url.scheme), port);
        let port = port.unwrap_or_else(|| layers.default_port());
        let (connector, unix) = layers.check(&host, port, version)?;
        let settings = Self {
            host,
            port,
            unix,
            connector,
            bind: raw.bind,
            version,
            client_id,
            max_inflight: raw
                .max_inflight
                .as_deref()
                .map_or(Ok(MAX_INFLIGHT), check_inflight)?,
            debug: raw.debug,
            quiet: raw.quiet,
            properties,
            clean_start: !raw.disable_clean_session,
            keep_alive: raw
                .keepalive
                .as_deref()
                .map_or(Ok(KEEP_ALIVE), check_keep_alive)?,
            username,
            password,
            will,
        };
        Ok((settings, url.map(|url| url.topic.to_owned())))
    }

    /// The CONNECT that the settings make.
    pub(crate) fn connect(&self) -> Connect<'_> {
        let will = self.will.as_ref().map(|will| Will {
            qos: will.qos,
            retain: will.retain,
            topic: &will.topic,
            payload: &will.payload,
            delay_interval: self.properties.will.will_delay_interval,
            properties: self.will_properties(),
        });
        Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties: self.properties.connect.connect_properties(),
            client_id: &self.client_id,
            will,
            username: self.username.as_deref(),
            password: self.password.as_deref().map(str::as_bytes),
        }
    }

    /// The DISCONNECT that the settings make, for this reason.
    pub(crate) fn disconnect(&self, reason: ReasonCode) -> Disconnect<'_> {
        Disconnect {
            reason,
            ..self.properties.disconnect.disconnect()
        }
    }

    fn will_properties(&self) -> PublishProperties<'_> {
        self.properties.will.publish_properties()
    }
}

fn check_version(text: Option<&str>) -> Result<ProtocolVersion, Failure> {
    match text {
        None | Some("mqttv311" | "311") => Ok(ProtocolVersion::V3_1_1),
        Some("mqttv31" | "31") => Ok(ProtocolVersion::V3_1),
        Some("mqttv5" | "5") => Ok(ProtocolVersion::V5),
        Some(_) => Err(Failure::usage(
            "Invalid protocol version argument given, valid are mqttv5, mqttv311 and mqttv31.",
        )),
    }
}

fn check_port(text: &str) -> Result<u16, Failure> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Failure::usage(format_args!("Invalid port given: {text}"))),
    }
}

fn check_keep_alive(text: &str) -> Result<u16, Failure> {
    match text.parse() {
        Ok(seconds) if seconds == 0 || seconds >= KEEP_ALIVE_MIN => Ok(seconds),
        _ => Err(Failure::usage(
            "Invalid keepalive given, it must be 0, or between 5 and 65535 inclusive.",
        )),
    }
}

fn check_inflight(text: &str) -> Result<u16, Failure> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Failure::usage(
            "Maximum inflight messages must be between 1 and 65535.",
        )),
    }
}

fn check_expiry(text: &str) -> Result<u32, Failure> {
    match text {
        "-1" | "∞" => Ok(NEVER),
        _ => text
            .parse()
            .map_err(|_| Failure::usage("session-expiry-interval out of range.")),
    }
}

/// QoS 0, 1 or 2; `what` starts the complaint about anything else.
pub(super) fn check_qos(text: Option<&str>, what: &str) -> Result<QoS, Failure> {
    match text {
        None | Some("0") => Ok(QoS::AtMostOnce),
        Some("1") => Ok(QoS::AtLeastOnce),
        Some("2") => Ok(QoS::ExactlyOnce),
        Some(text) => Err(Failure::usage(format_args!("Invalid {what}{text}"))),
    }
}

fn check_will(
    raw: &RawConnection,
    properties: &PropertyValues,
) -> Result<Option<WillSettings>, Failure> {
    let qos = check_qos(raw.will_qos.as_deref(), "will QoS ")?;
    let missing = |what: &str| {
        Err(Failure::usage(format_args!(
            "Will {what} given, but no will topic given."
        )))
    };
    let Some(topic) = &raw.will_topic else {
        if raw.will_payload.is_some() {
            return missing("payload");
        }
        if raw.will_retain {
            return missing("retain");
        }
        if properties.any() {
            return missing("properties");
        }
        return Ok(None);
    };
    if TopicName::parse(topic).is_err() {
        return Err(Failure::usage(format_args!(
            "Invalid will topic '{topic}', does it contain '+' or '#'?"
        )));
    }
    let payload = raw
        .will_payload
        .clone()
        .map(OsString::into_vec)
        .unwrap_or_default();
    if payload.len() > usize::from(u16::MAX) {
        return Err(Failure::usage(
            "The will payload is longer than 65535 bytes.",
        ));
    }
    Ok(Some(WillSettings {
        topic: topic.clone(),
        payload,
        qos,
        retain: raw.will_retain,
    }))
}

fn check_client_id(
    id: Option<String>,
    prefix: Option<String>,
    version: ProtocolVersion,
) -> Result<String, Failure> {
    match (id, prefix) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "-i and -I argument cannot be used together.",
        )),
        (Some(id), None) => Ok(id),
        (None, Some(prefix)) => Ok(format!("{prefix}{}", std::process::id())),
        // MQTT 3.1 has no empty client ids.
        (None, None) if version == ProtocolVersion::V3_1 => {
            let random = RandomState::new().build_hasher().finish();
            Ok(format!("ringmq-{random:016x}"))
        }
        (None, None) => Ok(String::new()),
    }
}

/// A session that outlives the connection needs a name to come back to.
fn check_persistent(
    keep: bool,
    session_expiry: Option<u32>,
    version: ProtocolVersion,
    client_id: &str,
) -> Result<(), Failure> {
    if !client_id.is_empty() {
        return Ok(());
    }
    if version == ProtocolVersion::V5 {
        if session_expiry == Some(NEVER) {
            return Err(Failure::usage(
                "You must provide a client id if you are using an infinite session expiry interval.",
            ));
        }
    } else if keep {
        return Err(Failure::usage(
            "You must provide a client id if you are using the -c option.",
        ));
    }
    Ok(())
}
