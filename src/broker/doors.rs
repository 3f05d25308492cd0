//! What lies behind each listener between its sockets and MQTT.
//!
//! Owns nothing; makes the acceptors that shards share. Runs on the starting thread.
//! Never binds a socket.

use std::sync::Arc;

#[cfg(feature = "tls")]
use super::certificates;
#[cfg(feature = "tls")]
pub(crate) use super::certificates::Certificates;
use super::config::Door;
use super::error::ConfigError;
use super::listener::{Listener, ListenerKind};
use crate::engine::Limits;
#[cfg(feature = "websocket")]
use crate::transport::websocket::{DEFAULT_MAX_FRAME, WebSocketSettings};
use crate::transport::{Acceptor, Trusted, TrustedPeers};

/// Without TLS nobody has any.
#[cfg(not(feature = "tls"))]
#[derive(Debug)]
pub(crate) enum Certificates {}

/// What connections of a listener go through; `None`: nothing but the socket.
pub(crate) fn acceptor(
    door: &Door,
    limits: &Limits,
) -> Result<(Option<Arc<Acceptor>>, Option<Certificates>), ConfigError> {
    let listener = &door.listener;
    let wrong = |what| ConfigError::Listener {
        listener: door.name(),
        what,
    };
    let trusted = trusted(listener).map_err(wrong)?;
    let mut acceptor = Acceptor::plain();
    if listener.proxy_protocol {
        acceptor = acceptor.with_proxy_protocol(trusted.clone());
        // A certificate shown to us says more than one shown to the proxy.
        if listener.tls.user_name.is_some() && !listener.kind.has_tls() {
            acceptor = acceptor.with_user_name_from_proxy();
        }
    }
    if listener.kind.has_tls() {
        acceptor = with_tls(acceptor, listener).map_err(wrong)?;
    }
    if listener.kind.has_websocket() {
        acceptor = with_websocket(acceptor, listener, trusted, limits).map_err(wrong)?;
    }
    if acceptor.is_plain() {
        return Ok((None, None));
    }
    let acceptor = Arc::new(acceptor);
    #[cfg(feature = "tls")]
    let certificates = listener
        .kind
        .has_tls()
        .then(|| Certificates::new(door, &acceptor));
    #[cfg(not(feature = "tls"))]
    let certificates = None;
    Ok((Some(acceptor), certificates))
}

/// Reads all certificates again, see `certificates`.
pub(crate) fn reload(all: &[Certificates]) -> Result<usize, ConfigError> {
    #[cfg(feature = "tls")]
    return certificates::reload(all);
    #[cfg(not(feature = "tls"))]
    Ok(all.len())
}

fn trusted(listener: &Listener) -> Result<TrustedPeers, String> {
    let mut trusted = listener
        .trusted
        .iter()
        .map(|text| text.parse::<Trusted>().map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    // Whoever may connect to the file may speak for others.
    if listener.kind == ListenerKind::Unix {
        trusted.push(Trusted::Unix);
    }
    Ok(trusted.into_iter().collect())
}

#[cfg(feature = "tls")]
fn with_tls(acceptor: Acceptor, listener: &Listener) -> Result<Acceptor, String> {
    let server = certificates::server(&listener.tls, listener.kind)?;
    Ok(acceptor.with_tls(server))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Acceptor, _: &Listener) -> Result<Acceptor, String> {
    Err("this build has no TLS; enable the cargo feature tls".into())
}

#[cfg(feature = "websocket")]
fn with_websocket(
    acceptor: Acceptor,
    listener: &Listener,
    forwarders: TrustedPeers,
    limits: &Limits,
) -> Result<Acceptor, String> {
    let rules = &listener.websocket;
    Ok(acceptor.with_websocket(WebSocketSettings {
        path: rules.path.clone(),
        origins: rules.origins.clone(),
        forwarders,
        // The payload passes through, so that only nonsense is to be refused.
        max_frame: DEFAULT_MAX_FRAME.max(limits.max_packet_size.saturating_add(5)),
        page: rules.page.then_some(super::page::PAGE),
    }))
}

#[cfg(not(feature = "websocket"))]
fn with_websocket(
    _: Acceptor,
    _: &Listener,
    _: TrustedPeers,
    _: &Limits,
) -> Result<Acceptor, String> {
    Err("this build has no WebSocket; enable the cargo feature websocket".into())
}
