//! WebSocket on the server's side (RFC 6455): one HTTP request, then frames.
//!
//! Owns a connection's handshake, frames and answers (pong, close). Pure: bytes in,
//! bytes out. No extension is ever agreed upon, so a message is its frames'
//! payload. Read next: `handshake`, `frame`.

mod answer;
mod frame;
mod handshake;
mod mask;

pub use answer::{Page, Refusal};
pub use frame::{Decoder, MAX_CONTROL, Piece, Role, Violation, push_close, push_data, push_pong};
pub use handshake::MAX_REQUEST;

use std::net::SocketAddr;

use super::TransportError;
use super::close::CloseReason;
use super::trusted::TrustedPeers;
use crate::peer::Peer;
use handshake::RequestReader;

pub(super) use answer::accept_value;

/// How a listener speaks WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebSocketSettings {
    /// The only path that is upgraded, `/mqtt`; `None`: any.
    pub path: Option<String>,
    /// Origins whose pages may connect, `https://example.com`; empty: all. Clients
    /// that send no origin are no browsers and may always.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub forwarders: TrustedPeers,
    /// Payload bytes of one frame at most. Costs no memory: payload passes through.
    pub max_frame: u32,
    /// What a browser is shown at `/`.
    pub page: Option<Page>,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            path: None,
            origins: Vec::new(),
            forwarders: TrustedPeers::default(),
            max_frame: DEFAULT_MAX_FRAME,
            page: None,
        }
    }
}

/// Payload bytes of a frame at most: several packets of the default size.
pub const DEFAULT_MAX_FRAME: u32 = 16 << 20;

/// The handshake of a connection.
#[derive(Debug, Default)]
pub(super) struct Handshake(RequestReader);

impl Handshake {
    /// Takes bytes; once the request is accepted: the frames that follow, how many
    /// bytes belong to the request, and the address that it was forwarded for.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        settings: &WebSocketSettings,
        peer: Peer,
        output: &mut Vec<u8>,
    ) -> Result<Option<(usize, Frames, Option<SocketAddr>)>, TransportError> {
        let found = self.0.read(input, settings, peer, output)?;
        Ok(found.map(|(used, accepted)| {
            let frames = Frames::new(Role::Server, settings.max_frame);
            (used, frames, accepted.forwarded)
        }))
    }
}

/// No answer to a ping waits.
const NO_PONG: u32 = u32::MAX;

/// The frames of a connection, both directions.
#[derive(Debug)]
pub(super) struct Frames {
    decoder: Decoder,
    /// Where the newest answer to a ping starts in the output that is not taken
    /// yet; a newer ping replaces it (section 5.5.3), so that a peer that pings and
    /// never reads fills no memory.
    /// [`NO_PONG`] where there is none.
    pong_at: u32,
    /// Our close frame is sent; nothing may follow.
    closed: bool,
}

impl Frames {
    pub(super) const fn new(role: Role, max_frame: u32) -> Self {
        Self {
            decoder: Decoder::new(role, max_frame),
            pong_at: NO_PONG,
            closed: false,
        }
    }

    /// Takes bytes, unmasks them in place; answers go to `output`. `masks` yields
    /// the masks of a client's frames.
    pub(super) fn receive(
        &mut self,
        input: &mut [u8],
        output: &mut Vec<u8>,
        masks: &mut impl FnMut() -> Option<[u8; 4]>,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        let Self {
            decoder,
            pong_at,
            closed,
        } = self;
        let result = decoder.receive(input, &mut |piece| match piece {
            Piece::Data(bytes) => {
                deliver(bytes);
                Ok(())
            }
            Piece::Ping(payload) if !*closed => {
                if *pong_at != NO_PONG {
                    output.truncate(*pong_at as usize);
                }
                *pong_at = u32::try_from(output.len()).unwrap_or(NO_PONG);
                push_pong(payload, masks(), output);
                Ok(())
            }
            Piece::Ping(_) => Ok(()),
            Piece::Close(code) => {
                if !*closed {
                    *closed = true;
                    push_close(code, masks(), output);
                }
                Err(TransportError::Ended)
            }
        });
        if let Err(TransportError::WebSocket(violation)) = &result {
            self.close(violation.reason(), masks(), output);
        }
        result
    }

    /// Appends a message in one frame.
    pub(super) fn send(
        &self,
        plain: &[u8],
        mask: Option<[u8; 4]>,
        wire: &mut Vec<u8>,
    ) -> Result<(), TransportError> {
        if self.closed {
            return Err(TransportError::NotOpen);
        }
        push_data(plain, mask, wire);
        Ok(())
    }

    /// Appends our close frame, once.
    pub(super) fn close(&mut self, reason: CloseReason, mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
        if !self.closed {
            self.closed = true;
            push_close(Some(reason.code()), mask, wire);
        }
    }

    /// The output was taken.
    pub(super) fn taken(&mut self) {
        self.pong_at = NO_PONG;
    }
}
