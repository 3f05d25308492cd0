//! Why a transport ended or could not be set up.
//!
//! Owns the words that an operator reads in the log. Tells apart the orderly end,
//! the peer's fault and our limits; pure, raised by the layers of `transport`.

#[cfg(feature = "websocket")]
use super::client::AnswerError;
use super::proxy_protocol::ProxyError;
#[cfg(feature = "websocket")]
use super::websocket::{Refusal, Violation};

/// The connection is of no more use: send what [`super::Transport::take_output`]
/// still yields, then close it.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The peer said goodbye in the transport's own words (a close frame, TLS's
    /// `close_notify`).
    #[error("the peer closed the connection")]
    Ended,
    /// Only trusted proxies may connect.
    #[error("the peer is not on the list of trusted proxies")]
    Untrusted,
    /// The PROXY header is missing or wrong.
    #[error("PROXY header: {0}")]
    Proxy(#[from] ProxyError),
    /// The TLS handshake or a record failed.
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The client's certificate does not hold what the listener takes for the user name.
    #[error("the client certificate names no user")]
    Nameless,
    /// Something is to be sent before the handshake is over, or after the end.
    #[error("nothing can be sent in this state of the connection")]
    NotOpen,
    /// The HTTP request was answered with an error.
    #[cfg(feature = "websocket")]
    #[error("WebSocket handshake: {0}")]
    Refused(#[from] Refusal),
    /// An HTTP request was answered with a page.
    #[cfg(feature = "websocket")]
    #[error("the page was served")]
    PageServed,
    /// A server did not upgrade our connection.
    #[cfg(feature = "websocket")]
    #[error("WebSocket handshake: {0}")]
    Answer(#[from] AnswerError),
    /// The peer breaks RFC 6455.
    #[cfg(feature = "websocket")]
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Violation),
}

impl TransportError {
    /// Whether nothing went wrong: the peer is done.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        #[cfg(feature = "websocket")]
        if matches!(self, Self::PageServed) {
            return true;
        }
        matches!(self, Self::Ended)
    }
}
