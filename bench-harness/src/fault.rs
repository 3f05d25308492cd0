//! What a broker, or the way to it, did wrong on one connection.
//!
//! Pure data. Owns no connection; the engine stores one when it gives a
//! connection up.

use std::fmt;
use std::io;

/// Why a connection was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The TCP connection could not be made.
    Connect(io::ErrorKind),
    /// CONNACK carried this reason, as MQTT 5.0 numbers it.
    Refused(u8),
    /// SUBACK carried this code, or a lower quality of service than asked for.
    SubscriptionRefused(u8),
    /// The bytes are not MQTT.
    Malformed,
    /// A packet is larger than the receive buffer, which holds any packet that
    /// the generator itself has sent.
    TooLarge,
    /// A packet with this first byte has no business here.
    Unexpected(u8),
    /// The broker closed the connection.
    Closed,
    /// The connection broke.
    Io(io::ErrorKind),
    /// TLS or WebSocket failed, with the reason.
    Transport(Box<str>),
}

/// Whether the same call may succeed later; the poller says when.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(out, "could not connect: {kind}"),
            Self::Refused(code) => write!(out, "CONNECT refused with reason {code:#04x}"),
            Self::SubscriptionRefused(code) => {
                write!(out, "SUBSCRIBE answered with code {code:#04x}")
            }
            Self::Malformed => out.write_str("the broker sent a malformed packet"),
            Self::TooLarge => out.write_str("the broker sent a packet larger than any we publish"),
            Self::Unexpected(first) => {
                write!(
                    out,
                    "the broker sent an unexpected packet (first byte {first:#04x})"
                )
            }
            Self::Closed => out.write_str("the broker closed the connection"),
            Self::Io(kind) => write!(out, "the connection broke: {kind}"),
            Self::Transport(why) => out.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}
