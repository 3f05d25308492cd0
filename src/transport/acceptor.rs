//! What a listener speaks below MQTT, and the beginning of its connections.
//!
//! Owns a listener's transport settings; one value per listener, shared by all
//! shards. Pure. Only the TLS configuration ever changes, by [`Acceptor::replace_tls`]
//! from any thread, without a lock; connections keep the one that they began with.

#[cfg(any(feature = "tls", feature = "websocket"))]
use std::sync::Arc;

#[cfg(feature = "tls")]
use arc_swap::ArcSwapOption;

use super::connection::{Opening, Transport};
use super::error::TransportError;
use super::proxy_protocol::HeaderReader;
#[cfg(feature = "tls")]
use super::tls::TlsServer;
use super::trusted::TrustedPeers;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketSettings;
use crate::peer::Peer;

/// The layers of a listener between socket and MQTT, from outside inwards.
#[derive(Debug, Default)]
pub struct Acceptor {
    proxies: Option<TrustedPeers>,
    names_user: bool,
    #[cfg(feature = "tls")]
    tls: ArcSwapOption<TlsServer>,
    #[cfg(feature = "websocket")]
    websocket: Option<Arc<WebSocketSettings>>,
}

impl Acceptor {
    /// No layer at all: MQTT on the socket.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Every connection begins with a PROXY header, and only these peers may connect.
    #[must_use]
    pub fn with_proxy_protocol(mut self, trusted: TrustedPeers) -> Self {
        self.proxies = Some(trusted);
        self
    }

    /// The common name of the certificate that a proxy has seen is the user name.
    #[must_use]
    pub fn with_user_name_from_proxy(mut self) -> Self {
        self.names_user = true;
        self
    }

    /// TLS, behind the PROXY header if there is one.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, tls: TlsServer) -> Self {
        self.tls.store(Some(Arc::new(tls)));
        self
    }

    /// WebSocket, inside TLS if there is any.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn with_websocket(mut self, settings: WebSocketSettings) -> Self {
        self.websocket = Some(Arc::new(settings));
        self
    }

    /// Whether there is no layer: connections need no [`Transport`].
    #[must_use]
    pub fn is_plain(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls().is_some() {
            return false;
        }
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return false;
        }
        self.proxies.is_none()
    }

    /// The TLS configuration of new connections.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<Arc<TlsServer>> {
        self.tls.load_full()
    }

    /// New connections use this configuration from now on.
    #[cfg(feature = "tls")]
    pub fn replace_tls(&self, tls: TlsServer) {
        self.tls.store(Some(Arc::new(tls)));
    }

    /// A new connection.
    ///
    /// # Errors
    /// The peer is no trusted proxy, though the listener is for proxies only; or
    /// rustls has no use for its configuration.
    pub fn accept(&self, peer: Peer) -> Result<Transport, TransportError> {
        let trusted = self.proxies.as_ref();
        if trusted.is_some_and(|trusted| !trusted.contains(peer)) {
            return Err(TransportError::Untrusted);
        }
        #[cfg(feature = "tls")]
        let tls = self.tls.load();
        Ok(Transport::new(
            Opening {
                #[cfg(feature = "websocket")]
                peer,
                proxy: trusted.map(|_| HeaderReader::default()),
                proxied: Default::default(),
                names_user: self.names_user,
                #[cfg(feature = "tls")]
                user_name_from: tls
                    .as_ref()
                    .map(|tls| tls.user_name_from())
                    .unwrap_or_default(),
                #[cfg(feature = "websocket")]
                upgrade: self
                    .websocket
                    .as_ref()
                    .map(|settings| (Arc::clone(settings), Default::default())),
            },
            #[cfg(feature = "tls")]
            tls.as_ref().map(|tls| tls.accept()).transpose()?,
        ))
    }
}
