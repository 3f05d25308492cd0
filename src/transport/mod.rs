//! What lies between a socket and MQTT: the PROXY header, TLS, WebSocket.
//!
//! Owns a connection's transport layers as bytes in, bytes out. Pure: no socket, no
//! file, no thread; it lives wherever its connection lives and travels with it.
//! It never reads a packet of MQTT. Every buffer is bounded, every byte is a
//! stranger's. Plain TCP has no transport at all.
//!
//! Start reading at [`Acceptor`] (a listener) and [`Transport`] (a connection).

mod acceptor;
#[cfg_attr(
    not(feature = "websocket"),
    allow(dead_code, unused_mut, reason = "masks and handshakes are WebSocket's")
)]
pub mod client;
mod close;
mod connection;
mod error;
pub mod proxy_protocol;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;
mod trusted;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use acceptor::Acceptor;
pub use close::CloseReason;
pub use connection::{Established, Incoming, Transport};
pub use error::TransportError;
pub use trusted::{Trusted, TrustedError, TrustedPeers};
