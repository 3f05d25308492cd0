//! What the WebSocket listener says in HTTP: the upgrade, the page, and errors that
//! tell a person what to do.
//!
//! Owns the texts of the answers. Pure: appends bytes. Every answer but the upgrade
//! ends the connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Why a request is not upgraded; its answer's status and what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Not HTTP/1.1.
    #[error("malformed request")]
    Malformed,
    /// Its head exceeds [`super::MAX_REQUEST`] bytes or has too many fields.
    #[error("request head too large")]
    TooLarge,
    /// No GET.
    #[error("method is not GET")]
    Method,
    /// Another path than the configured one.
    #[error("unknown path")]
    Path,
    /// Its origin is not on the list.
    #[error("origin not allowed")]
    Origin,
    /// No request for an upgrade to WebSocket.
    #[error("not a WebSocket request")]
    NoUpgrade,
    /// Another version of WebSocket than 13.
    #[error("unsupported WebSocket version")]
    Version,
    /// `Sec-WebSocket-Key` is missing or no 16 bytes.
    #[error("missing or malformed Sec-WebSocket-Key")]
    Key,
    /// It asks for subprotocols and MQTT is not among them.
    #[error("no MQTT subprotocol offered")]
    Subprotocol,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Key | Self::Subprotocol => 400,
            Self::Origin => 403,
            Self::Path => 404,
            Self::Method => 405,
            Self::NoUpgrade | Self::Version => 426,
            Self::TooLarge => 431,
        }
    }

    const fn line(self) -> &'static str {
        match self.status() {
            403 => "403 Forbidden",
            404 => "404 Not Found",
            405 => "405 Method Not Allowed\r\nAllow: GET",
            // RFC 6455, section 4.4, and RFC 9110, section 15.5.22.
            426 => "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
            431 => "431 Request Header Fields Too Large",
            _ => "400 Bad Request",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "This is no well-formed HTTP/1.1 request.\n",
            Self::TooLarge => "The head of the request is too large.\n",
            Self::Method => "WebSocket connections begin with GET.\n",
            Self::Path => "There is nothing here; MQTT is usually at /mqtt.\n",
            Self::Origin => "Pages of this origin may not connect to this broker.\n",
            Self::NoUpgrade => {
                "This is an MQTT broker: connect with WebSocket, subprotocol mqtt.\n"
            }
            Self::Version => "Only version 13 of WebSocket (RFC 6455) is spoken here.\n",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64.\n",
            Self::Subprotocol => "The subprotocols spoken here are mqtt and mqttv3.1.\n",
        }
    }
}

/// A static page for people whose browser meets the broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// As the `Content-Type` field says it, `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// The page.
    pub body: &'static [u8],
    /// As the `Content-Security-Policy` field says it: what the page may load.
    pub policy: &'static str,
}

fn push_texts(texts: &[&str], wire: &mut Vec<u8>) {
    for text in texts {
        wire.extend_from_slice(text.as_bytes());
    }
}

/// Appends the answer of a refusal.
pub(super) fn push_refusal(refusal: Refusal, wire: &mut Vec<u8>) {
    let text = refusal.text();
    push_texts(
        &[
            "HTTP/1.1 ",
            refusal.line(),
            "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
            &text.len().to_string(),
            "\r\nConnection: close\r\n\r\n",
            text,
        ],
        wire,
    );
}

/// Appends a page; for HEAD without its body (RFC 9110, section 9.3.2).
pub(super) fn push_page(page: &Page, with_body: bool, wire: &mut Vec<u8>) {
    push_texts(
        &[
            "HTTP/1.1 200 OK\r\nContent-Type: ",
            page.content_type,
            "\r\nContent-Length: ",
            &page.body.len().to_string(),
            "\r\nContent-Security-Policy: ",
            page.policy,
            "\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\
             \r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n",
        ],
        wire,
    );
    if with_body {
        wire.extend_from_slice(page.body);
    }
}

/// What `Sec-WebSocket-Accept` says to a key (RFC 6455, section 4.2.2).
pub(in crate::transport) fn accept_value(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Appends the upgrade.
pub(super) fn push_upgrade(key: &[u8], subprotocol: Option<&str>, wire: &mut Vec<u8>) {
    push_texts(
        &[
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\
             \r\nSec-WebSocket-Accept: ",
            &accept_value(key),
            "\r\n",
        ],
        wire,
    );
    if let Some(subprotocol) = subprotocol {
        push_texts(&["Sec-WebSocket-Protocol: ", subprotocol, "\r\n"], wire);
    }
    wire.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_the_one_of_the_rfc() {
        // Section 1.3.
        let value = accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
