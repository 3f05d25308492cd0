//! The checked configuration of a broker.
//!
//! Owns the rules between settings; made once by the builder, then never
//! changed. Lives on the starting thread. Looks at nothing but names and the
//! addresses of sockets that it was given: the machine is `preflight`'s.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::error::ConfigError;
use super::listener::{CertificateName, Listener, ListenerKind, Place};
use crate::engine::{Limits, ListenerPolicy, Quotas};
use crate::hooks::{Chain, Phases};

/// Shards of one broker at most. Lanes grow with the square; at this number
/// they are 65,280, and no machine that this was measured on has more cores.
pub const MAX_SHARDS: usize = 256;

/// Listeners at most; each costs one descriptor per shard.
const MAX_LISTENERS: usize = 1024;

const _: () = assert!(MAX_SHARDS <= u16::MAX as usize);
const _: () = assert!(MAX_LISTENERS <= u16::MAX as usize);

/// Settings that fit together.
#[derive(Debug)]
pub(crate) struct Config {
    /// Never empty.
    pub(crate) doors: Vec<Door>,
    /// `None`: one per core that the process may use.
    pub(crate) shards: Option<usize>,
    /// `None`: as many as the descriptor limit allows.
    pub(crate) max_connections: Option<u32>,
    pub(crate) limits: Limits,
    /// Where a listener does not say otherwise.
    pub(crate) quotas: Quotas,
    /// How long a stop may take to drain and flush.
    pub(crate) stop_timeout: Duration,
    /// Where a listener does not say otherwise.
    pub(crate) allow_anonymous: bool,
    /// Threads for hooks that take their time; `None`: as many as there are cores, few.
    pub(crate) workers: Option<usize>,
    pub(crate) chain: Arc<Chain>,
}

/// A listener with all its places.
#[derive(Debug)]
pub(crate) struct Door {
    /// The settings; its place has moved to `bindings`.
    pub(crate) listener: Listener,
    /// Never empty; no address or path twice in a broker unless its port is 0.
    pub(crate) bindings: Vec<Binding>,
}

/// One place to listen at.
#[derive(Debug)]
pub(crate) enum Binding {
    Address(SocketAddr),
    Path(PathBuf),
    /// Somebody else's socket of TCP at this address.
    Inherited(OwnedFd, SocketAddr),
    /// Somebody else's Unix domain socket, and its path if it has one.
    InheritedUnix(OwnedFd, Option<PathBuf>),
}

impl Binding {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) | Self::Inherited(_, address) => Some(*address),
            Self::Path(_) | Self::InheritedUnix(..) => None,
        }
    }

    /// As error messages and announcements name it.
    pub(crate) fn name(&self, kind: ListenerKind) -> String {
        match self {
            Self::Address(address) | Self::Inherited(_, address) => format!("{kind} {address}"),
            Self::Path(path) | Self::InheritedUnix(_, Some(path)) => {
                format!("{} {}", kind.on_unix_socket(), path.display())
            }
            Self::InheritedUnix(_, None) => format!("{} (without a name)", kind.on_unix_socket()),
        }
    }
}

impl Door {
    /// Resolves the places of a listener and checks its settings.
    pub(crate) fn check(mut listener: Listener) -> Result<Self, ConfigError> {
        let kind = listener.kind;
        let place = std::mem::replace(&mut listener.place, Place::Inherited(Vec::new()));
        let bindings = match place {
            Place::Named(text) => {
                let addresses = address::resolve(&text, kind.default_port());
                addressed(kind, text, addresses)?
            }
            Place::Addresses(text, addresses) => addressed(kind, text, addresses)?,
            Place::Path(path) => vec![Binding::Path(path)],
            Place::Inherited(sockets) => sockets
                .into_iter()
                .map(|socket| inherited(kind, socket))
                .collect::<Result<_, _>>()?,
        };
        if bindings.is_empty() {
            return Err(ConfigError::NothingInherited(kind));
        }
        let door = Self { listener, bindings };
        door.check_settings()
            .map_err(|what| ConfigError::Listener {
                listener: door.name(),
                what,
            })?;
        Ok(door)
    }

    /// As error messages name it: by its first place.
    pub(crate) fn name(&self) -> String {
        let first = self.bindings.first();
        first.map_or_else(String::new, |binding| binding.name(self.listener.kind))
    }

    /// Settings that belong to another kind of listener, or lack another one.
    fn check_settings(&self) -> Result<(), String> {
        let Listener {
            kind,
            tls,
            websocket,
            file,
            trusted,
            ..
        } = &self.listener;
        if self.listener.max_connections == Some(0) {
            return Err("max connections is 0; choose at least 1".into());
        }
        let proxied = self.listener.proxy_protocol && !kind.has_tls();
        if proxied && !matches!(tls.user_name, None | Some(CertificateName::CommonName)) {
            return Err(
                "a proxy tells of a client's certificate the common name alone; \
                        take --use-identity-as-username"
                    .into(),
            );
        }
        let given = !tls.certificates.is_empty()
            || tls.client_authorities.is_some()
            || !tls.revocations.is_empty()
            || tls.require_client_certificate
            || tls.user_name.is_some() && !proxied;
        match (kind.has_tls(), given) {
            (false, true) => {
                return Err("certificates belong to tls and wss listeners \
                            (and their common names to those with --proxy-protocol)"
                    .into());
            }
            (true, _) if tls.certificates.is_empty() => {
                return Err("it has no certificate; give --cert FILE and --key FILE, \
                            both PEM (self-signed ones are described in README.md)"
                    .into());
            }
            _ => {}
        }
        if kind.has_tls() && tls.client_authorities.is_none() {
            if tls.require_client_certificate || tls.user_name.is_some() {
                return Err(
                    "client certificates cannot be checked without the authorities \
                            that issue them; give --cafile FILE"
                        .into(),
                );
            }
            if !tls.revocations.is_empty() {
                return Err(
                    "a revocation list needs the authorities of the certificates; \
                            give --cafile FILE"
                        .into(),
                );
            }
        }
        let given = websocket.path.is_some() || !websocket.origins.is_empty() || websocket.page;
        if given && !kind.has_websocket() {
            return Err("path, origin and page belong to ws and wss listeners".into());
        }
        if let Some(path) = websocket
            .path
            .as_ref()
            .filter(|path| !path.starts_with('/'))
        {
            return Err(format!("the path begins with a slash: /mqtt, not {path:?}"));
        }
        if (file.mode.is_some() || file.owner.is_some()) && *kind != ListenerKind::Unix {
            return Err("mode and owner belong to unix listeners".into());
        }
        let only_local = *kind == ListenerKind::Unix;
        if self.listener.proxy_protocol && trusted.is_empty() && !only_local {
            return Err("the PROXY protocol needs to know whom to believe; \
                        give --proxy-trusted with the proxies' address or network"
                .into());
        }
        if !trusted.is_empty() && !self.listener.proxy_protocol && !kind.has_websocket() {
            return Err("trusted proxies have nothing to tell here; \
                        add --proxy-protocol if they speak it"
                .into());
        }
        Ok(())
    }

    /// The rules of the engine for those who come through this listener.
    pub(crate) fn policy(&self, binding: &Binding, allow_anonymous: bool) -> ListenerPolicy {
        let Listener { kind, tls, .. } = &self.listener;
        let said = self.listener.allow_anonymous;
        // The holder of a certificate is let in, whether or not it names a user.
        let implied = allow_anonymous || tls.require_client_certificate;
        ListenerPolicy {
            name: binding.name(*kind).into(),
            allow_anonymous: said.or(implied.then_some(true)),
            quotas: Arc::default(),
        }
    }
}

fn addressed(
    kind: ListenerKind,
    text: String,
    addresses: Result<Vec<SocketAddr>, String>,
) -> Result<Vec<Binding>, ConfigError> {
    let addresses = addresses.map_err(|reason| ConfigError::Address { kind, text, reason })?;
    Ok(addresses.into_iter().map(Binding::Address).collect())
}

/// What kind of socket was handed over.
fn inherited(kind: ListenerKind, socket: OwnedFd) -> Result<Binding, ConfigError> {
    let refuse = |what: String| ConfigError::Inherited { kind, what };
    let reference = socket2::SockRef::from(&socket);
    if !reference
        .r#type()
        .is_ok_and(|kind| kind == socket2::Type::STREAM)
    {
        return Err(refuse("it is no stream socket".into()));
    }
    let local = reference
        .local_addr()
        .map_err(|error| refuse(format!("its address is unknown: {error}")))?;
    match local.as_socket() {
        Some(address) => Ok(Binding::Inherited(socket, address)),
        None if local.is_unix() => {
            let path = local.as_pathname().map(PathBuf::from);
            Ok(Binding::InheritedUnix(socket, path))
        }
        None => Err(refuse(
            "it is neither of TCP nor a Unix domain socket".into(),
        )),
    }
}

impl Config {
    /// Checks what can be checked without asking the machine.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        if let Some(given) = self.shards
            && !(1..=MAX_SHARDS).contains(&given)
        {
            return Err(ConfigError::Shards { given });
        }
        let listeners = self.doors.iter().map(|door| door.bindings.len()).sum();
        if listeners > MAX_LISTENERS {
            return Err(ConfigError::Listeners {
                given: listeners,
                most: MAX_LISTENERS,
            });
        }
        if self.max_connections == Some(0) {
            return Err(ConfigError::NoConnections);
        }
        let (mut addresses, mut paths) = (HashSet::new(), HashSet::new());
        let mut places = 0..u16::MAX;
        for door in &self.doors {
            for (binding, place) in door.bindings.iter().zip(&mut places) {
                let fresh = match binding {
                    Binding::Address(address) => address.port() == 0 || addresses.insert(*address),
                    Binding::Path(path) => paths.insert(path),
                    Binding::Inherited(..) | Binding::InheritedUnix(..) => true,
                };
                let name = || binding.name(door.listener.kind);
                if !fresh {
                    return Err(ConfigError::Duplicate(name()));
                }
                let checked = self
                    .chain
                    .phases_of(place)
                    .any_of(Phases::AUTHENTICATE | Phases::EXCHANGE);
                let open = !checked
                    && door
                        .policy(binding, self.allow_anonymous)
                        .allow_anonymous
                        .is_none();
                let local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
                if open && binding.address().is_some_and(|address| !local(address)) {
                    return Err(ConfigError::Exposed(name()));
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_of(listeners: impl IntoIterator<Item = Listener>) -> Config {
        let check = |listener| Door::check(listener).expect("a listener of a test");
        Config {
            doors: listeners.into_iter().map(check).collect(),
            shards: None,
            max_connections: None,
            limits: Limits::default(),
            quotas: Quotas::default(),
            chain: Arc::default(),
            workers: None,
            stop_timeout: Duration::from_secs(5),
            allow_anonymous: false,
        }
    }

    fn config(tcp: &[&str]) -> Config {
        config_of(tcp.iter().map(|address| Listener::tcp(*address)))
    }

    fn refusal(listener: Listener) -> String {
        let refused = Door::check(listener).expect_err("these settings do not fit");
        refused.to_string()
    }

    #[test]
    fn anonymous_access_from_other_machines_must_be_asked_for() {
        for exposed in ["0.0.0.0:1883", "[::]:1883", "192.0.2.1:1883"] {
            let refused = config(&[exposed]).check();
            assert!(matches!(refused, Err(ConfigError::Exposed(_))), "{exposed}");
            assert!(
                Config {
                    allow_anonymous: true,
                    ..config(&[exposed])
                }
                .check()
                .is_ok(),
                "{exposed}"
            );
            let own = |allow| config_of([Listener::tcp(exposed).allow_anonymous(allow)]);
            assert!(own(true).check().is_ok(), "{exposed}");
            assert!(own(false).check().is_ok(), "{exposed}");
        }
        for loopback in ["127.0.0.1:1883", "127.9.9.9:1883", "[::1]:1883"] {
            assert!(config(&[loopback]).check().is_ok(), "{loopback}");
        }
        let certified = Listener::tls("0.0.0.0")
            .certificate("c", "k")
            .client_authorities("a")
            .require_client_certificate();
        assert!(config_of([certified]).check().is_ok());
        assert!(config_of([Listener::unix("/tmp/x")]).check().is_ok());
    }

    #[test]
    fn port_zero_may_be_given_twice_and_others_may_not() {
        assert!(config(&["127.0.0.1:0", "127.0.0.1:0"]).check().is_ok());
        for twice in [
            config(&["127.0.0.1:7", "127.0.0.1:7"]),
            config_of([
                Listener::tcp("127.0.0.1:7"),
                Listener::websocket("127.0.0.1:7"),
            ]),
            config_of([Listener::unix("/tmp/x"), Listener::unix("/tmp/x")]),
        ] {
            assert!(matches!(twice.check(), Err(ConfigError::Duplicate(_))));
        }
    }

    #[test]
    fn shards_are_counted_from_one_to_the_limit() {
        for (given, good) in [
            (0, false),
            (1, true),
            (MAX_SHARDS, true),
            (MAX_SHARDS + 1, false),
        ] {
            let config = Config {
                shards: Some(given),
                ..config(&["127.0.0.1:1"])
            };
            assert_eq!(config.check().is_ok(), good, "{given}");
        }
    }

    #[test]
    fn settings_of_another_kind_are_refused_with_the_listener_and_the_way_out() {
        let local = "127.0.0.1:1";
        for (listener, words) in [
            (Listener::tls(local), ["tls 127.0.0.1:1", "--cert"]),
            (
                Listener::tcp(local).certificate("c", "k"),
                ["tcp 127.0.0.1:1", "tls and wss"],
            ),
            (
                Listener::tls(local)
                    .certificate("c", "k")
                    .require_client_certificate(),
                ["tls 127.0.0.1:1", "--cafile"],
            ),
            (
                Listener::tls(local).certificate("c", "k").revocations("r"),
                ["tls 127.0.0.1:1", "--cafile"],
            ),
            (
                Listener::tcp(local).websocket_path("/mqtt"),
                ["tcp 127.0.0.1:1", "ws and wss"],
            ),
            (
                Listener::websocket(local).websocket_path("mqtt"),
                ["ws 127.0.0.1:1", "/mqtt"],
            ),
            (
                Listener::tcp(local).user_name_from_certificate(CertificateName::CommonName),
                ["tcp 127.0.0.1:1", "--proxy-protocol"],
            ),
            (
                Listener::tcp(local)
                    .proxy_protocol()
                    .trusted_proxy("10.0.0.0/8")
                    .user_name_from_certificate(CertificateName::Subject),
                ["tcp 127.0.0.1:1", "--use-identity-as-username"],
            ),
            (
                Listener::websocket(local).unix_mode(0o600),
                ["ws 127.0.0.1:1", "unix"],
            ),
            (
                Listener::tcp(local).proxy_protocol(),
                ["tcp 127.0.0.1:1", "--proxy-trusted"],
            ),
            (
                Listener::tcp(local).trusted_proxy("10.0.0.0/8"),
                ["tcp 127.0.0.1:1", "--proxy-protocol"],
            ),
            (
                Listener::unix("/tmp/x").max_connections(0),
                ["unix /tmp/x", "at least 1"],
            ),
        ] {
            let refusal = refusal(listener);
            for word in words {
                assert!(refusal.contains(word), "{word:?} is missing: {refusal}");
            }
        }
    }
}
