//! How an embedder describes one listener.
//!
//! Owns raw settings until `config` checks them. Lives on the embedder's thread.
//! Never checks anything itself, never opens a file or a socket.

use std::fmt::{self, Debug};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::Quotas;
use crate::hooks::Hook;

/// What is spoken between the socket and MQTT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ListenerKind {
    /// Plain TCP.
    Tcp,
    /// TLS 1.2 or 1.3.
    Tls,
    /// WebSocket (RFC 6455).
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
    /// A Unix domain socket.
    Unix,
}

impl ListenerKind {
    /// As the options and the announcements call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
            Self::Unix => "unix",
        }
    }

    /// The port where an address has none; 0 for a Unix domain socket.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 1883,
            Self::Tls => 8883,
            Self::WebSocket => 8083,
            Self::SecureWebSocket => 8084,
            Self::Unix => 0,
        }
    }

    /// What it is called where the socket turns out to be a Unix domain socket:
    /// plain MQTT on one is "unix", wherever the socket came from.
    pub(super) fn on_unix_socket(self) -> Self {
        if self == Self::Tcp { Self::Unix } else { self }
    }

    /// Whether certificates are needed.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    /// Whether clients begin with an HTTP request.
    #[must_use]
    pub fn has_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }
}

impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What of a client's certificate is taken for its user name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CertificateName {
    /// The common name of its subject.
    CommonName,
    /// Its whole subject, as RFC 4514 writes it.
    Subject,
    /// Its first subject alternative name (DNS name, e-mail address or URI).
    AlternativeName,
}

/// Where a listener listens.
#[derive(Debug)]
pub(super) enum Place {
    /// To be resolved; the kind's default port where there is none.
    Named(String),
    /// Resolved by the embedder, or why not.
    Addresses(String, Result<Vec<SocketAddr>, String>),
    /// A Unix domain socket to be made.
    Path(PathBuf),
    /// A socket that is bound already, and may listen already.
    Inherited(Vec<OwnedFd>),
}

/// The settings of a Unix domain socket's file.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketFile {
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<String>,
}

/// The settings of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    /// Certificate chains and their keys.
    pub(super) certificates: Vec<(PathBuf, PathBuf)>,
    pub(super) client_authorities: Option<PathBuf>,
    pub(super) revocations: Vec<PathBuf>,
    pub(super) require_client_certificate: bool,
    pub(super) user_name: Option<CertificateName>,
}

/// The settings of WebSocket.
#[derive(Clone, Debug, Default)]
pub(super) struct WebSocketRules {
    /// `None`: any path.
    pub(super) path: Option<String>,
    /// Empty: any origin.
    pub(super) origins: Vec<String>,
    pub(super) page: bool,
}

/// One listener of a broker that is to be started.
///
/// ```
/// use ringmq::broker::{Broker, Listener};
///
/// let broker = Broker::builder()
///     .listener(Listener::tcp("127.0.0.1:0").max_connections(100))
///     .start()?;
/// # broker.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a listener does nothing until a builder takes it"]
pub struct Listener {
    pub(super) kind: ListenerKind,
    pub(super) place: Place,
    pub(super) allow_anonymous: Option<bool>,
    pub(super) max_connections: Option<u32>,
    pub(super) quotas: Option<Quotas>,
    pub(super) proxy_protocol: bool,
    pub(super) trusted: Vec<String>,
    pub(super) tls: TlsFiles,
    pub(super) websocket: WebSocketRules,
    pub(super) file: SocketFile,
    pub(super) hooks: Vec<Arc<dyn Hook>>,
}

impl Listener {
    /// Listens at `address`, such as `127.0.0.1:1883`, `[::]:8883` or a host name,
    /// with which all its addresses are meant. Without a port it is the kind's usual
    /// one: 1883, 8883 (TLS), 8083 (WebSocket), 8084 (secure WebSocket); port 0 lets
    /// the system choose. For a Unix domain socket it is the path.
    pub fn new(kind: ListenerKind, address: impl Into<String>) -> Self {
        let address = address.into();
        let place = match kind {
            ListenerKind::Unix => Place::Path(address.into()),
            ListenerKind::Tcp
            | ListenerKind::Tls
            | ListenerKind::WebSocket
            | ListenerKind::SecureWebSocket => Place::Named(address),
        };
        Self::at(kind, place)
    }

    /// Plain TCP, see [`Listener::new`].
    pub fn tcp(address: impl Into<String>) -> Self {
        Self::new(ListenerKind::Tcp, address)
    }

    /// TLS, see [`Listener::new`]; needs a [`Listener::certificate`].
    pub fn tls(address: impl Into<String>) -> Self {
        Self::new(ListenerKind::Tls, address)
    }

    /// WebSocket, see [`Listener::new`].
    pub fn websocket(address: impl Into<String>) -> Self {
        Self::new(ListenerKind::WebSocket, address)
    }

    /// WebSocket over TLS, see [`Listener::new`]; needs a [`Listener::certificate`].
    pub fn secure_websocket(address: impl Into<String>) -> Self {
        Self::new(ListenerKind::SecureWebSocket, address)
    }

    /// A Unix domain socket. A socket file that is there already is replaced if
    /// nobody answers on it; at the stop the file is removed.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::at(ListenerKind::Unix, Place::Path(path.as_ref().to_owned()))
    }

    /// Sockets that somebody else has bound, systemd for instance; stream sockets of
    /// TCP, or Unix domain sockets, whose files stay when the broker stops.
    pub fn inherited(kind: ListenerKind, sockets: Vec<OwnedFd>) -> Self {
        Self::at(kind, Place::Inherited(sockets))
    }

    pub(super) fn resolved(address: impl ToSocketAddrs + Debug) -> Self {
        let text = format!("{address:?}").trim_matches('"').to_owned();
        let addresses = address
            .to_socket_addrs()
            .map(Iterator::collect)
            .map_err(|error| error.to_string());
        Self::at(ListenerKind::Tcp, Place::Addresses(text, addresses))
    }

    fn at(kind: ListenerKind, place: Place) -> Self {
        Self {
            kind,
            place,
            allow_anonymous: None,
            max_connections: None,
            quotas: None,
            proxy_protocol: false,
            trusted: Vec::new(),
            tls: TlsFiles::default(),
            websocket: WebSocketRules::default(),
            file: SocketFile::default(),
            hooks: Vec::new(),
        }
    }

    /// Lets clients in without credentials, or not. Without a word they are let in
    /// on loopback addresses and Unix domain sockets, as long as nothing checks
    /// credentials, and nowhere else unless
    /// [`Builder::allow_anonymous`](super::Builder::allow_anonymous) says so.
    pub fn allow_anonymous(mut self, allow: bool) -> Self {
        self.allow_anonymous = Some(allow);
        self
    }

    /// Connections through this listener at most, within those of the broker.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// What clients of this listener may ask for in a time, in place of
    /// [`Builder::quotas`](super::Builder::quotas).
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = Some(quotas);
        self
    }

    /// Adds a hook for the clients of this listener alone, behind those that it has; all
    /// of them are asked before those of the [`Builder`](super::Builder::hook). What a
    /// client may do is decided by the rules of the listener that it came through, for as
    /// long as it is connected and for what it leaves behind: its session, its will.
    ///
    /// ```
    /// use ringmq::broker::{Broker, Listener};
    /// use ringmq::hooks::authentication::PasswordRule;
    /// # std::fs::write("listener-users", "")?;
    ///
    /// let staff = PasswordRule::open("listener-users".as_ref())?;
    /// let broker = Broker::builder()
    ///     .listener(Listener::tcp("127.0.0.1:0").hook(staff))
    ///     .listener(Listener::tcp("127.0.0.1:0").allow_anonymous(true))
    ///     .start()?;
    /// # broker.shutdown()?;
    /// # std::fs::remove_file("listener-users")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hook(self, hook: impl Hook) -> Self {
        self.shared_hook(Arc::new(hook))
    }

    /// Adds a hook that others hold, too: the embedder, or further listeners, which then
    /// share what it remembers and are asked once to reload it.
    pub fn shared_hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Every connection begins with a PROXY protocol header, version 1 or 2, that
    /// names the client; connections that do not come from a
    /// [`Listener::trusted_proxy`] are closed at once. On a Unix domain socket
    /// everyone who may connect is trusted.
    pub fn proxy_protocol(mut self) -> Self {
        self.proxy_protocol = true;
        self
    }

    /// A proxy that tells the truth about its clients: an address or a network such
    /// as `10.0.0.0/8`. On WebSocket listeners its `X-Forwarded-For` counts, too.
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Self {
        self.trusted.push(network.into());
        self
    }

    /// A certificate chain and its key, both PEM. Of several the one that fits the
    /// name that a client asks for (SNI) is shown, else the first.
    pub fn certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.certificates.push((chain.into(), key.into()));
        self
    }

    /// Certificate authorities (PEM) that vouch for clients. A client that shows a
    /// certificate must have it from one of them.
    pub fn client_authorities(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.client_authorities = Some(file.into());
        self
    }

    /// Revoked client certificates (a CRL, PEM); may be repeated.
    pub fn revocations(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.revocations.push(file.into());
        self
    }

    /// Only clients with a certificate are let in.
    pub fn require_client_certificate(mut self) -> Self {
        self.tls.require_client_certificate = true;
        self
    }

    /// The certificate names the user, whatever CONNECT says. On a listener with a
    /// [`Listener::proxy_protocol`] and without TLS it is the common name that the proxy
    /// tells.
    pub fn user_name_from_certificate(mut self, name: CertificateName) -> Self {
        self.tls.user_name = Some(name);
        self
    }

    /// The path that WebSocket clients must ask for; without it any will do.
    pub fn websocket_path(mut self, path: impl Into<String>) -> Self {
        self.websocket.path = Some(path.into());
        self
    }

    /// An origin (`https://example.org`) whose pages may connect; may be repeated.
    /// Without any, all may. Clients that are no browsers name none and are let in.
    pub fn websocket_origin(mut self, origin: impl Into<String>) -> Self {
        self.websocket.origins.push(origin.into());
        self
    }

    /// Serves a small page at `/` with which a person tries the broker.
    pub fn websocket_page(mut self) -> Self {
        self.websocket.page = true;
        self
    }

    /// The permissions of the socket's file, such as `0o660`; else the umask decides.
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.file.mode = Some(mode);
        self
    }

    /// The owner of the socket's file: `user`, `user:group` or `:group`, by name or
    /// number.
    pub fn unix_owner(mut self, owner: impl Into<String>) -> Self {
        self.file.owner = Some(owner.into());
        self
    }
}

impl Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("kind", &self.kind)
            .field("place", &self.place)
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}
