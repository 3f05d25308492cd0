//! HOT PATH: the layers of one accepted connection: PROXY header, TLS, WebSocket.
//!
//! Owns what lies between a socket and the engine. Pure: bytes in, bytes out; it
//! travels with its connection from shard to shard. What only the beginning needs
//! is dropped once the connection is established.

use std::mem;
use std::net::SocketAddr;

use super::close::CloseReason;
use super::error::TransportError;
use super::proxy_protocol::{HeaderReader, Proxied};
#[cfg(feature = "tls")]
use super::tls::{Session, UserNameFrom, identity};
#[cfg(feature = "websocket")]
use super::websocket::{Frames, Handshake, WebSocketSettings};
use crate::peer::Identity;
#[cfg(feature = "websocket")]
use crate::peer::Peer;

/// What a transport found out about the client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Established {
    /// The client's own address, where a trusted proxy told it; port 0 where the
    /// proxy did not tell the port.
    pub peer: Option<SocketAddr>,
    /// What the client's verified certificate says, to us or to a trusted proxy.
    pub identity: Option<Box<Identity>>,
}

/// What a transport takes from the wire, in this order.
#[derive(PartialEq, Eq, Debug)]
pub enum Incoming<'a> {
    /// Once, before any bytes: every handshake is over.
    Established(Established),
    /// Bytes of MQTT, never empty; packets may be cut anywhere.
    Bytes(&'a [u8]),
}

/// What is needed until a connection is established.
#[derive(Debug)]
pub(super) struct Opening {
    /// The socket's.
    #[cfg(feature = "websocket")]
    pub(super) peer: Peer,
    /// The PROXY header that is still to come.
    pub(super) proxy: Option<HeaderReader>,
    pub(super) proxied: Proxied,
    /// Whether the common name in the header is the user name.
    pub(super) names_user: bool,
    #[cfg(feature = "tls")]
    pub(super) user_name_from: UserNameFrom,
    /// The WebSocket handshake that is still to come.
    #[cfg(feature = "websocket")]
    pub(super) upgrade: Option<(std::sync::Arc<WebSocketSettings>, Handshake)>,
}

/// The transport of one connection.
///
/// [`Self::receive`] whatever the socket yields, [`Self::send`] what the engine has
/// for the client, and [`Self::take_output`] after both, as soon as the last of it is
/// written: what the transport itself owes the peer. After an error: take the output,
/// write it, close.
#[derive(Debug)]
pub struct Transport {
    opening: Option<Box<Opening>>,
    #[cfg(feature = "tls")]
    tls: Option<Box<Session<rustls::server::UnbufferedServerConnection>>>,
    /// Once the handshake is over.
    #[cfg(feature = "websocket")]
    frames: Option<Frames>,
    /// Plain bytes that the peer is owed: the handshake's answer, pongs.
    output: Vec<u8>,
    /// Nothing that arrives counts any more.
    over: bool,
}

#[cfg(all(feature = "tls", feature = "websocket"))]
const _: () = assert!(size_of::<Transport>() <= 96);

const _: () = {
    const fn send<T: Send>() {}
    send::<Transport>();
};

impl Transport {
    pub(super) fn new(
        opening: Opening,
        #[cfg(feature = "tls")] tls: Option<Session<rustls::server::UnbufferedServerConnection>>,
    ) -> Self {
        Self {
            opening: Some(Box::new(opening)),
            #[cfg(feature = "tls")]
            tls: tls.map(Box::new),
            #[cfg(feature = "websocket")]
            frames: None,
            output: Vec::new(),
            over: false,
        }
    }

    /// Takes bytes of the socket, decrypts and unmasks them, some of it in place, and
    /// hands over what they mean. After an error or the peer's goodbye everything
    /// is ignored.
    ///
    /// # Errors
    /// The connection is of no more use, [`TransportError::is_orderly`] tells whether
    /// something went wrong. What the peer is owed (an alert, a close frame, an HTTP
    /// error) waits in the output.
    pub fn receive(
        &mut self,
        input: &mut [u8],
        deliver: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), TransportError> {
        if self.over {
            return Ok(());
        }
        let result = self.outermost(input, deliver);
        self.over = result.is_err();
        result
    }

    /// The PROXY header, then TLS.
    fn outermost(
        &mut self,
        mut input: &mut [u8],
        deliver: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), TransportError> {
        if let Some(opening) = &mut self.opening
            && let Some(reader) = &mut opening.proxy
        {
            let Some((used, mut proxied)) = reader.read(input)? else {
                return Ok(());
            };
            if opening.names_user
                && let Some(identity) = &mut proxied.identity
            {
                let name = identity.common_name.clone();
                identity.user_name = Some(name.ok_or(TransportError::Nameless)?);
            }
            opening.proxied = proxied;
            opening.proxy = None;
            input = &mut input[used..];
        }
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

    /// The WebSocket handshake, then frames or MQTT itself.
    fn innermost(
        &mut self,
        input: &mut [u8],
        deliver: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), TransportError> {
        #[cfg(feature = "websocket")]
        let input = match self.upgrade(input)? {
            Some(used) => &mut input[used..],
            None => return Ok(()),
        };
        self.establish(deliver);
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            return frames.receive(input, &mut self.output, &mut || None, &mut |bytes| {
                deliver(Incoming::Bytes(bytes));
            });
        }
        if !input.is_empty() {
            deliver(Incoming::Bytes(input));
        }
        Ok(())
    }

    /// Takes bytes of the WebSocket handshake, where there is one: how many, once it
    /// is over.
    #[cfg(feature = "websocket")]
    fn upgrade(&mut self, input: &[u8]) -> Result<Option<usize>, TransportError> {
        let Some(opening) = &mut self.opening else {
            return Ok(Some(0));
        };
        let peer = opening.proxied.peer.map_or(opening.peer, Peer::from);
        let Some((settings, handshake)) = &mut opening.upgrade else {
            return Ok(Some(0));
        };
        let found = handshake.receive(input, settings, peer, &mut self.output)?;
        let Some((used, frames, forwarded)) = found else {
            return Ok(None);
        };
        opening.upgrade = None;
        opening.proxied.peer = forwarded.or(opening.proxied.peer);
        self.frames = Some(frames);
        Ok(Some(used))
    }

    /// Tells once that all handshakes are over.
    fn establish(&mut self, deliver: &mut dyn FnMut(Incoming<'_>)) {
        if let Some(opening) = self.opening.take() {
            let Proxied { peer, identity } = opening.proxied;
            deliver(Incoming::Established(Established {
                peer,
                identity: identity.map(Box::new),
            }));
        }
    }

    /// Appends what carries the bytes `plain` of MQTT: one WebSocket frame for all of
    /// them, then TLS records. What the transport owes the peer comes before.
    ///
    /// # Errors
    /// The connection is not established, or closed.
    pub fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TransportError> {
        if self.opening.is_some() {
            return Err(TransportError::NotOpen);
        }
        self.take_output(wire);
        #[cfg(feature = "websocket")]
        if let Some(frames) = &self.frames {
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut self.tls {
                let mut framed = Vec::new();
                frames.send(plain, None, &mut framed)?;
                return tls.send(&framed, wire);
            }
            return frames.send(plain, None, wire);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.send(plain, wire);
        }
        wire.extend_from_slice(plain);
        Ok(())
    }

    /// Appends what the transport owes the peer: handshakes, pongs, a close frame, an
    /// alert, an HTTP answer. Bounded for as long as it is not taken.
    pub fn take_output(&mut self, wire: &mut Vec<u8>) {
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            frames.taken();
        }
        let output = mem::take(&mut self.output);
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.take_output(wire);
            if !output.is_empty() {
                // Where nothing can be sent any more nobody misses it.
                let _ = tls.send(&output, wire);
            }
            return;
        }
        wire.extend_from_slice(&output);
    }

    /// Whether [`Self::take_output`] would append anything.
    #[must_use]
    pub fn has_output(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(|tls| tls.has_output()) {
            return true;
        }
        !self.output.is_empty()
    }

    /// Ends our side in order: what is owed, the close frame with its code,
    /// `close_notify`. Nothing can be sent afterwards; what arrives is still handed
    /// over. Before the connection is established there is nothing to be said.
    pub fn close(&mut self, reason: CloseReason, wire: &mut Vec<u8>) {
        #[cfg(feature = "websocket")]
        if let Some(frames) = &mut self.frames {
            frames.close(reason, None, &mut self.output);
        }
        #[cfg(not(feature = "websocket"))]
        let _ = reason;
        self.take_output(wire);
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.close(wire);
        }
    }

    /// Whether the next [`Self::receive`] may cost a TLS handshake's arithmetic.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            return true;
        }
        false
    }

    /// Whether [`Incoming::Established`] was delivered.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        self.opening.is_none()
    }

    /// Whether there is nothing left to do: the PROXY header is read and no further
    /// layer exists. The transport may be dropped.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        #[cfg(feature = "websocket")]
        if self.frames.is_some() {
            return false;
        }
        self.opening.is_none() && !self.over
    }
}

/// What TLS protects.
#[cfg(feature = "tls")]
struct Inside<'t, 'd> {
    transport: &'t mut Transport,
    deliver: &'d mut dyn FnMut(Incoming<'_>),
}

#[cfg(feature = "tls")]
impl super::tls::Inner for Inside<'_, '_> {
    fn established(&mut self, facts: &rustls::CommonState) -> Result<(), TransportError> {
        let Some(opening) = &mut self.transport.opening else {
            return Ok(());
        };
        let certificate = facts.peer_certificates().and_then(<[_]>::first);
        if let Some(certificate) = certificate {
            let identity = identity(certificate, opening.user_name_from);
            opening.proxied.identity = Some(identity.ok_or(TransportError::Nameless)?);
        }
        // Establishes, unless WebSocket's handshake is still to come.
        #[cfg(feature = "websocket")]
        if opening.upgrade.is_some() {
            return Ok(());
        }
        self.transport.establish(self.deliver);
        Ok(())
    }

    fn bytes(&mut self, plain: &[u8]) -> Result<(), TransportError> {
        #[cfg(feature = "websocket")]
        if self.transport.frames.is_some() || self.transport.opening.is_some() {
            // Frames are unmasked in place, and rustls lends its records only.
            let mut plain = plain.to_vec();
            return self.transport.innermost(&mut plain, self.deliver);
        }
        (self.deliver)(Incoming::Bytes(plain));
        Ok(())
    }
}
