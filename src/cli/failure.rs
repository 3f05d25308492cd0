//! How a command ends when it does not end well.
//!
//! Owns the exit codes. Lives on the main thread; never prints by itself.

use std::fmt;
use std::process::ExitCode;

/// Wrong arguments of `ringmq pub` and `ringmq sub`, as mosquitto's clients have it.
pub(crate) const CLIENT_USAGE: u8 = 1;
/// A configuration that the broker refuses.
pub(crate) const SERVE_USAGE: u8 = 2;
/// A broker that could not start, or a server that could not be reached.
pub(crate) const NOT_STARTED: u8 = 1;
/// libmosquitto's number for a connection that broke off.
pub(crate) const CONNECTION_LOST: u8 = 7;
/// libmosquitto's number for a broken protocol.
pub(crate) const PROTOCOL: u8 = 2;
/// libmosquitto's number for a failure of TLS.
pub(crate) const TLS: u8 = 8;
/// `ringmq sub -W`: the time is over.
pub(crate) const TIMED_OUT: u8 = 27;

/// The end of a command: what to say, and the exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// Empty: there is nothing to say.
    pub(crate) message: String,
    pub(crate) code: u8,
    /// Whether the message is about the arguments, which `--quiet` does not hide.
    pub(crate) usage: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code,
            usage: false,
        }
    }

    /// Wrong arguments of a client command.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            message: format!("Error: {message}"),
            code: CLIENT_USAGE,
            usage: true,
        }
    }

    /// Wrong arguments of the broker.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self {
            message: format!("ringmq: {message}"),
            code: SERVE_USAGE,
            usage: true,
        }
    }

    /// The same about one listener.
    pub(crate) fn of(self, listener: &str) -> Self {
        let what = self.message.trim_start_matches("ringmq: ");
        Self {
            message: format!("ringmq: {listener}: {what}"),
            ..self
        }
    }

    /// An end without words.
    pub(crate) const fn silent(code: u8) -> Self {
        Self {
            message: String::new(),
            code,
            usage: false,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}
