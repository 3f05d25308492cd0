//! The JSON of question and answer.
//!
//! Owns their shape, which README documents. Pure. An answer with members that are not
//! known is understood; one without `result` is none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::hooks::{Credentials, Question};
use crate::peer::Peer;
use crate::protocol::ProtocolVersion;

/// What is asked.
#[derive(Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Asked<'a> {
    Connect(Connect<'a>),
    Publish {
        client_id: &'a str,
        user_name: Option<&'a str>,
        peer: String,
        listener: u16,
        topic: &'a str,
        qos: u8,
        retain: bool,
        will: bool,
    },
    Subscribe {
        client_id: &'a str,
        user_name: Option<&'a str>,
        peer: String,
        listener: u16,
        filter: &'a str,
        qos: u8,
    },
}

#[derive(Serialize)]
struct Connect<'a> {
    client_id: &'a str,
    user_name: Option<&'a str>,
    /// Where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    /// Where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<String>,
    peer: String,
    listener: u16,
    protocol: &'static str,
    clean_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
}

/// The question as a request's body.
pub(super) fn body(question: &Question) -> Option<Vec<u8>> {
    let asked = match question {
        Question::Authenticate(attempt) => Asked::Connect(connect(attempt)),
        Question::Publish {
            client,
            topic,
            qos,
            retain,
            will,
        } => Asked::Publish {
            client_id: client.client_id(),
            user_name: client.user_name(),
            peer: host(client.peer()),
            listener: client.listener(),
            topic,
            qos: *qos as u8,
            retain: *retain,
            will: *will,
        },
        Question::Subscribe {
            client,
            filter,
            qos,
        } => Asked::Subscribe {
            client_id: client.client_id(),
            user_name: client.user_name(),
            peer: host(client.peer()),
            listener: client.listener(),
            filter,
            qos: *qos as u8,
        },
        Question::Connect(_) => return None,
    };
    serde_json::to_vec(&asked).ok()
}

fn connect(attempt: &Credentials) -> Connect<'_> {
    let bytes = attempt.password().map(|known| known.as_bytes());
    let text = bytes.map(std::str::from_utf8);
    Connect {
        client_id: attempt.client_id(),
        user_name: attempt.user_name(),
        password: text.and_then(Result::ok),
        password_base64: bytes
            .filter(|_| text.is_some_and(|text| text.is_err()))
            .map(|bytes| STANDARD.encode(bytes)),
        peer: host(attempt.peer()),
        listener: attempt.listener(),
        protocol: match attempt.version() {
            ProtocolVersion::V3_1 => "3.1",
            ProtocolVersion::V3_1_1 => "3.1.1",
            ProtocolVersion::V5 => "5.0",
        },
        clean_start: attempt.clean_start(),
        certificate: attempt
            .identity()
            .and_then(|known| known.subject.as_deref()),
    }
}

/// Without the port, which is another one each time.
fn host(peer: Peer) -> String {
    match peer {
        Peer::Internet(address) => address.ip().to_canonical().to_string(),
        Peer::Unix(process) => format!("unix:uid={}", process.user),
    }
}

/// What is answered.
#[derive(Clone, Deserialize, PartialEq, Eq, Debug)]
pub(super) struct Answered {
    pub(super) result: Outcome,
    /// With `allow` for a connect: the name to go by.
    #[serde(default)]
    pub(super) user_name: Option<String>,
    /// With `allow` for a connect: seconds until the client has to connect again.
    #[serde(default)]
    pub(super) expires_in: Option<u64>,
}

/// The answer in one word.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Allow,
    Deny,
    /// No opinion: later rules, or the default, which is no.
    Ignore,
}
