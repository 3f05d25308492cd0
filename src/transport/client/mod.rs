//! HOT PATH: the client's side of the transports, for the command line and the load
//! generator.
//!
//! Owns the layers of one connection to a server: TLS, WebSocket. Pure as the
//! server's side: bytes in, bytes out; randomness is handed in. It never opens a
//! socket and never resolves a name.

#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(feature = "tls")]
pub use tls::{TlsClient, TlsClientSettings};
#[cfg(feature = "websocket")]
pub use websocket::{AnswerError, WebSocketClient};

use std::mem;

use super::TransportError;
#[cfg(feature = "tls")]
use super::tls::{Inner, Session};
#[cfg(feature = "websocket")]
use super::websocket::Frames;

/// How a server is spoken to: the layers between socket and MQTT, from outside
/// inwards. Makes any number of connections.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    /// TLS, if any.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsClient>,
    /// WebSocket, inside TLS if there is any.
    #[cfg(feature = "websocket")]
    pub websocket: Option<WebSocketClient>,
}

impl Connector {
    /// Whether there is no layer: MQTT goes on the socket itself.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return false;
        }
        true
    }

    /// The transport of a new connection; its first bytes wait in its output.
    /// `entropy` is 16 bytes that nobody foresees, for WebSocket's key and masks.
    ///
    /// # Errors
    /// rustls has no use for its configuration.
    pub fn open(&self, entropy: [u8; 16]) -> Result<ClientTransport, TransportError> {
        let mut transport = ClientTransport {
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            upgrade: None,
            #[cfg(feature = "websocket")]
            frames: None,
            masks: Masks(u64::from_ne_bytes(
                *entropy.first_chunk().expect("16 bytes"),
            )),
            output: Vec::new(),
            over: false,
        };
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &self.websocket {
            transport.upgrade = Some(websocket.begin(entropy, &mut transport.output));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let mut session = Session::new(tls.connect()?);
            session.start(&mut Inside {
                transport: &mut transport,
                deliver: &mut |_| {},
            })?;
            transport.tls = Some(Box::new(session));
        }
        Ok(transport)
    }
}

/// The masks of a client's frames: they keep what a stranger chose from looking like
/// HTTP to an old proxy (RFC 6455, section 10.3). splitmix64 from a random start.
#[derive(Clone, Copy)]
struct Masks(u64);

/// Not for logs.
impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masks")
    }
}

#[cfg(feature = "websocket")]
impl Masks {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a mask is half of the number"
    )]
    fn next(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) as u32).to_ne_bytes()
    }
}

/// The transport of one connection to a server.
///
/// Write what [`Self::take_output`] yields and [`Self::receive`] what comes, until
/// [`Self::is_established`]; then [`Self::send`].
#[derive(Debug)]
pub struct ClientTransport {
    #[cfg(feature = "tls")]
    tls: Option<Box<Session<rustls::client::UnbufferedClientConnection>>>,
    /// The answer of the server that is still to come.
    #[cfg(feature = "websocket")]
    upgrade: Option<Box<websocket::Upgrade>>,
    #[cfg(feature = "websocket")]
    frames: Option<Frames>,
    masks: Masks,
    /// Plain bytes that the server is owed.
    output: Vec<u8>,
    over: bool,
}

impl ClientTransport {
    /// Takes bytes of the socket and hands over those of MQTT. After an error or the
    /// server's goodbye everything is ignored.
    ///
    /// # Errors
    /// The connection is of no more use; what the server is owed waits in the output.
    pub fn receive(
        &mut self,
        input: &mut [u8],
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        if self.over {
            return Ok(());
        }
        let result = self.outermost(input, deliver);
        self.over = result.is_err();
        result
    }

    fn outermost(
        &mut self,
        input: &mut [u8],
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        #[cfg(feature = "tls")]
        if let Some(mut tls) = self.tls.take() {
            let mut inside = Inside {
                transport: self,
                deliver,
            };
            let result = tls.receive(input, &mut inside);
            self.tls = Some(tls);
            return result;
        }
        self.innermost(input, deliver)
    }

    fn innermost(
        &mut self,
        input: &mut [u8],
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        #[cfg(feature = "websocket")]
        let input = match &mut self.upgrade {
            Some(upgrade) => {
                let Some((used, frames)) = upgrade.read(input)? else {
                    return Ok(());
                };
                self.frames = Some(frames);
                self.upgrade = None;
                &mut input[used..]
            }
            None => input,
        };
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            let masks = &mut self.masks;
            return frames.receive(input, &mut self.output, &mut || Some(masks.next()), deliver);
        }
        if !input.is_empty() {
            deliver(input);
        }
        Ok(())
    }

    /// Whether all handshakes are over.
    #[must_use]
    pub fn is_established(&self) -> bool {
        #[cfg(feature = "websocket")]
        if self.upgrade.is_some() {
            return false;
        }
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            return false;
        }
        true
    }

    /// Appends what carries the bytes `plain` of MQTT; what is owed comes before.
    ///
    /// # Errors
    /// The connection is not established, or closed.
    pub fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TransportError> {
        if !self.is_established() {
            return Err(TransportError::NotOpen);
        }
        self.take_output(wire);
        #[cfg(feature = "websocket")]
        if let Some(frames) = &self.frames {
            let mask = Some(self.masks.next());
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut self.tls {
                let mut framed = Vec::new();
                frames.send(plain, mask, &mut framed)?;
                return tls.send(&framed, wire);
            }
            return frames.send(plain, mask, wire);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.send(plain, wire);
        }
        wire.extend_from_slice(plain);
        Ok(())
    }

    /// Appends what the transport owes the server.
    pub fn take_output(&mut self, wire: &mut Vec<u8>) {
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            frames.taken();
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.take_output(wire);
            // The request for an upgrade waits for the keys.
            if !self.output.is_empty() && !tls.is_handshaking() {
                let _ = tls.send(&mem::take(&mut self.output), wire);
            }
            return;
        }
        wire.append(&mut mem::take(&mut self.output));
    }

    /// Ends our side in order: a close frame, `close_notify`.
    pub fn close(&mut self, wire: &mut Vec<u8>) {
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            let mask = Some(self.masks.next());
            frames.close(super::CloseReason::Normal, mask, &mut self.output);
        }
        self.take_output(wire);
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.close(wire);
        }
    }
}

/// What TLS protects.
#[cfg(feature = "tls")]
struct Inside<'t, 'd> {
    transport: &'t mut ClientTransport,
    deliver: &'d mut dyn FnMut(&[u8]),
}

#[cfg(feature = "tls")]
impl Inner for Inside<'_, '_> {
    fn established(&mut self, _: &rustls::CommonState) -> Result<(), TransportError> {
        Ok(())
    }

    fn bytes(&mut self, plain: &[u8]) -> Result<(), TransportError> {
        #[cfg(feature = "websocket")]
        if self.transport.frames.is_some() || self.transport.upgrade.is_some() {
            let mut plain = plain.to_vec();
            return self.transport.innermost(&mut plain, self.deliver);
        }
        (self.deliver)(plain);
        Ok(())
    }
}
