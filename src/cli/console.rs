//! What `pub` and `sub` print: messages and packets on standard output, errors on
//! standard error, worded as mosquitto's clients word them.
//!
//! Owns the buffer in front of standard output; the driver flushes it before it
//! waits. Lives on the main thread.

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use crate::client::{Event, Message};
use crate::protocol::{
    AcknowledgeKind, ConnAck, PacketId, ProtocolVersion, Publish, QoS, ReasonCode,
};

/// Where a client command prints.
pub(crate) struct Console {
    output: BufWriter<StdoutLock<'static>>,
    /// `-d`: every packet is printed.
    debug: bool,
    /// `--quiet`: errors are not.
    quiet: bool,
    version: ProtocolVersion,
    /// The client id, as far as it is known.
    name: String,
}

impl Console {
    pub(crate) fn new(debug: bool, quiet: bool, version: ProtocolVersion, client_id: &str) -> Self {
        let name = if client_id.is_empty() {
            "(null)"
        } else {
            client_id
        };
        Self {
            output: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
            debug,
            quiet,
            version,
            name: name.to_owned(),
        }
    }

    /// Bytes for standard output.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// A line for standard error.
    pub(crate) fn complain(&self, line: impl fmt::Display) {
        if !self.quiet {
            // A closed standard error has no reader to miss it.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A line about a packet.
    pub(crate) fn trace(&mut self, line: fmt::Arguments<'_>) {
        if self.debug {
            // A closed standard output shows itself where messages are printed.
            let _ = writeln!(self.output, "Client {} {line}", self.name);
        }
    }

    pub(crate) fn trace_publish(&mut self, publish: &Publish<'_>, packet_id: Option<PacketId>) {
        if self.debug {
            self.trace_message("sending", publish, publish.topic, packet_id);
        }
    }

    fn trace_message(
        &mut self,
        verb: &str,
        publish: &Publish<'_>,
        topic: &str,
        packet_id: Option<PacketId>,
    ) {
        self.trace(format_args!(
            "{verb} PUBLISH (d{}, q{}, r{}, m{}, '{}', ... ({} bytes))",
            u8::from(publish.dup),
            publish.qos as u8,
            u8::from(publish.retain),
            packet_id.map_or(0, PacketId::get),
            if topic.is_empty() { "(null)" } else { topic },
            publish.payload.len(),
        ));
    }

    /// What the session received, and what it answered by itself.
    pub(crate) fn trace_event(&mut self, event: &Event<'_>) {
        if let Event::Connected(connack) = event
            && let Some(name) = connack.properties.assigned_client_identifier
        {
            name.clone_into(&mut self.name);
        }
        if !self.debug {
            return;
        }
        match event {
            Event::Connected(connack) | Event::Refused(connack) => {
                let code = refusal_code(self.version, connack.reason);
                self.trace(format_args!("received CONNACK ({code})"));
            }
            Event::Message(message) => self.trace_received(message),
            Event::Received(acknowledge) => {
                let id = acknowledge.packet_id.get();
                self.trace(format_args!("received PUBREC (Mid: {id})"));
                self.trace(format_args!("sending PUBREL (m{id})"));
            }
            Event::Published { kind, acknowledge } => {
                let (id, code) = (acknowledge.packet_id.get(), acknowledge.reason.as_u8());
                match kind {
                    AcknowledgeKind::PubAck => {
                        self.trace(format_args!("received PUBACK (Mid: {id}, RC:{code})"));
                    }
                    AcknowledgeKind::PubComp => {
                        self.trace(format_args!("received PUBCOMP (Mid: {id}, RC:{code})"));
                    }
                    AcknowledgeKind::PubRec | AcknowledgeKind::PubRel => {
                        self.trace(format_args!("received PUBREC (Mid: {id})"));
                    }
                }
            }
            Event::Released(release) => {
                let id = release.packet_id.get();
                self.trace(format_args!("received PUBREL (Mid: {id})"));
                self.trace(format_args!("sending PUBCOMP (m{id})"));
            }
            Event::Subscribed(suback) => {
                self.trace(format_args!("received SUBACK"));
                let granted: Vec<_> = suback.reasons.iter().map(u8::to_string).collect();
                let (id, granted) = (suback.packet_id.get(), granted.join(", "));
                let _ = writeln!(self.output, "Subscribed (mid: {id}): {granted}");
            }
            Event::Unsubscribed(_) => self.trace(format_args!("received UNSUBACK")),
            Event::Pong => self.trace(format_args!("received PINGRESP")),
            Event::Authentication(_) => self.trace(format_args!("received AUTH")),
            Event::Disconnected(disconnect) => {
                let code = disconnect.reason.as_u8();
                self.trace(format_args!("received DISCONNECT ({code})"));
            }
        }
    }

    fn trace_received(&mut self, message: &Message<'_>) {
        let publish = &message.publish;
        self.trace_message("received", publish, &message.topic, publish.packet_id);
        let id = publish.packet_id.map_or(0, PacketId::get);
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.trace(format_args!("sending PUBACK (m{id}, rc0)")),
            QoS::ExactlyOnce => self.trace(format_args!("sending PUBREC (m{id}, rc0)")),
        }
    }

    /// The connection is refused.
    pub(crate) fn complain_refused(&self, connack: &ConnAck<'_>) {
        self.complain(format_args!(
            "Connection error: {}",
            refusal_text(self.version, connack.reason)
        ));
        if let Some(text) = connack.properties.reason_string {
            self.complain(text);
        }
    }

    /// A message is refused.
    pub(crate) fn complain_unpublished(
        &self,
        packet_id: PacketId,
        reason: ReasonCode,
        reason_string: Option<&str>,
    ) {
        self.complain(format_args!(
            "Warning: Publish {} failed: {}.",
            packet_id.get(),
            capitalized(reason.name())
        ));
        if let Some(text) = reason_string {
            self.complain(text);
        }
    }
}

/// A reason for the reader: "Not authorized".
pub(crate) fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The number that CONNACK carries, which is the exit code too.
pub(crate) fn refusal_code(version: ProtocolVersion, reason: ReasonCode) -> u8 {
    if version == ProtocolVersion::V5 {
        return reason.as_u8();
    }
    const CODES: [(ReasonCode, u8); 5] = [
        (ReasonCode::Success, 0),
        (ReasonCode::UnsupportedProtocolVersion, 1),
        (ReasonCode::ClientIdentifierNotValid, 2),
        (ReasonCode::BadUserNameOrPassword, 4),
        (ReasonCode::NotAuthorized, 5),
    ];
    // 3, the server is unavailable, is the one left of the older codes.
    CODES
        .iter()
        .find(|(known, _)| *known == reason)
        .map_or(3, |(_, code)| *code)
}

fn refusal_text(version: ProtocolVersion, reason: ReasonCode) -> String {
    if version == ProtocolVersion::V5 {
        let name = capitalized(reason.name());
        return if reason == ReasonCode::UnsupportedProtocolVersion {
            format!("{name}. Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.")
        } else {
            name
        };
    }
    let text = match refusal_code(version, reason) {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        4 => "bad user name or password",
        5 => "not authorised",
        _ => "broker unavailable",
    };
    format!("Connection Refused: {text}.")
}
