//! The opening handshake, the client's side (RFC 6455, section 4.1).
//!
//! Owns the request, the head of the answer, at most [`MAX_ANSWER`] bytes, and its
//! judgement. Pure; the grammar is the crate `httparse`'s.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Response, Status};

use crate::transport::TransportError;
use crate::transport::websocket::{Frames, Role, accept_value};

/// Bytes of the answer's head at most.
const MAX_ANSWER: usize = 16 * 1024;

/// Fields of an answer at most.
const MAX_FIELDS: usize = 64;

const END: &[u8] = b"\r\n\r\n";

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebSocketClient {
    /// The server as its name and port stand in a URL, `example.com:8083`.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// The subprotocol: `mqtt`, or `mqttv3.1` for MQTT 3.1.
    pub subprotocol: &'static str,
    /// Further fields of the request, names and values.
    pub fields: Vec<(String, String)>,
    /// Payload bytes of a server's frame at most.
    pub max_frame: u32,
}

/// The server does not speak WebSocket with us.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerError {
    /// No HTTP/1.1, or too much of it.
    #[error("the server's answer is no HTTP/1.1")]
    Malformed,
    /// The request was answered with something else than an upgrade.
    #[error("the server refused the upgrade: HTTP {status} {reason}")]
    Refused {
        /// The status code.
        status: u16,
        /// The phrase beside it.
        reason: String,
    },
    /// The upgrade lacks what proves that the server means WebSocket.
    #[error("the server's upgrade is not WebSocket's")]
    NoWebSocket,
    /// The server chose a subprotocol that was not offered.
    #[error("the server does not speak the subprotocol")]
    Subprotocol,
}

impl WebSocketClient {
    /// Appends the request.
    pub(super) fn begin(&self, entropy: [u8; 16], output: &mut Vec<u8>) -> Box<Upgrade> {
        let key = STANDARD.encode(entropy);
        let mut push = |texts: &[&str]| {
            for text in texts {
                output.extend_from_slice(text.as_bytes());
            }
        };
        push(&["GET ", &self.path, " HTTP/1.1\r\nHost: ", &self.authority]);
        push(&[
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            &key,
        ]);
        push(&[
            "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ",
            self.subprotocol,
        ]);
        for (name, value) in &self.fields {
            push(&["\r\n", name, ": ", value]);
        }
        push(&["\r\n\r\n"]);
        Box::new(Upgrade {
            held: Vec::new(),
            accept: accept_value(key.as_bytes()),
            subprotocol: self.subprotocol,
            max_frame: self.max_frame,
        })
    }
}

/// An upgrade that was asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    held: Vec<u8>,
    accept: String,
    subprotocol: &'static str,
    max_frame: u32,
}

impl Upgrade {
    /// Takes bytes; once the answer is whole: how many of `input` belong to it, and
    /// the frames that follow.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Option<(usize, Frames)>, TransportError> {
        let before = self.held.len();
        let from = before.saturating_sub(END.len() - 1);
        let room = MAX_ANSWER - before;
        self.held.extend_from_slice(&input[..input.len().min(room)]);
        let Some(end) = memchr::memmem::find(&self.held[from..], END) else {
            if self.held.len() >= MAX_ANSWER {
                return Err(AnswerError::Malformed.into());
            }
            return Ok(None);
        };
        let len = from + end + END.len();
        self.judge(&self.held[..len])?;
        Ok(Some((
            len - before,
            Frames::new(Role::Client, self.max_frame),
        )))
    }

    fn judge(&self, head: &[u8]) -> Result<(), AnswerError> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut answer = Response::new(&mut fields);
        match answer.parse(head) {
            Ok(Status::Complete(_)) => {}
            Ok(Status::Partial) | Err(_) => return Err(AnswerError::Malformed),
        }
        let status = answer.code.unwrap_or_default();
        if status != 101 {
            return Err(AnswerError::Refused {
                status,
                reason: answer.reason.unwrap_or_default().to_owned(),
            });
        }
        let field = |name: &str| {
            let mut fields = answer.headers.iter();
            let found = fields.find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| field.value.trim_ascii())
        };
        let says = |name: &str, wanted: &str| {
            let value = field(name).unwrap_or_default();
            let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            words.any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        if !says("upgrade", "websocket")
            || !says("connection", "upgrade")
            || field("sec-websocket-accept") != Some(self.accept.as_bytes())
            || field("sec-websocket-extensions").is_some()
        {
            return Err(AnswerError::NoWebSocket);
        }
        match field("sec-websocket-protocol") {
            None => Ok(()),
            Some(chosen) if chosen == self.subprotocol.as_bytes() => Ok(()),
            Some(_) => Err(AnswerError::Subprotocol),
        }
    }
}
