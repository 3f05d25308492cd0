//! The opening handshake, the server's side (RFC 6455, section 4.2).
//!
//! Owns the head of the one HTTP request of a connection, at most [`MAX_REQUEST`]
//! bytes, and its judgement. Pure. The grammar is the crate `httparse`'s. It never
//! sees a second request: everything but the upgrade ends the connection.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::WebSocketSettings;
use super::answer::{Refusal, push_page, push_refusal, push_upgrade};
use crate::peer::Peer;
use crate::transport::TransportError;
use crate::transport::trusted::TrustedPeers;

/// Bytes of a request's head at most; browsers with cookies stay below 4 KiB. What
/// exceeds it is answered with 431.
pub const MAX_REQUEST: usize = 8 * 1024;

/// Fields of a request at most; browsers send about 20.
const MAX_FIELDS: usize = 64;

const END: &[u8] = b"\r\n\r\n";

/// The subprotocols of MQTT [MQTT-6.0.0-3], as registered with IANA.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Reads a request that may come in pieces.
#[derive(Debug, Default)]
pub(super) struct RequestReader {
    /// Invariant: `len() < MAX_REQUEST`, and no end of a head is in it.
    held: Vec<u8>,
}

/// What an accepted request says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Accepted {
    /// The client's address, where a trusted proxy forwarded the request.
    pub(super) forwarded: Option<SocketAddr>,
}

impl RequestReader {
    /// Takes bytes; `Some` once the request is whole and accepted, with how many
    /// of `input` belong to it. The answer is appended to `output`.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        settings: &WebSocketSettings,
        peer: Peer,
        output: &mut Vec<u8>,
    ) -> Result<Option<(usize, Accepted)>, TransportError> {
        match self.take(input, settings, peer, output) {
            Err(TransportError::Refused(refusal)) => {
                push_refusal(refusal, output);
                Err(refusal.into())
            }
            other => other,
        }
    }

    fn take(
        &mut self,
        input: &[u8],
        settings: &WebSocketSettings,
        peer: Peer,
        output: &mut Vec<u8>,
    ) -> Result<Option<(usize, Accepted)>, TransportError> {
        let before = self.held.len();
        // The end may straddle what came before.
        let from = before.saturating_sub(END.len() - 1);
        let room = MAX_REQUEST - before;
        self.held.extend_from_slice(&input[..input.len().min(room)]);
        looks_like_http(&self.held)?;
        let Some(end) = memchr::memmem::find(&self.held[from..], END) else {
            if self.held.len() >= MAX_REQUEST {
                return Err(Refusal::TooLarge.into());
            }
            return Ok(None);
        };
        let len = from + end + END.len();
        let head = std::mem::take(&mut self.held);
        let accepted = judge(&head[..len], settings, peer, output)?;
        Ok(Some((len - before, accepted)))
    }
}

/// Refuses what cannot become a request, so that a client of another protocol is
/// told at once instead of at the deadline.
fn looks_like_http(held: &[u8]) -> Result<(), Refusal> {
    let method = held.split(|byte| *byte == b' ').next().unwrap_or_default();
    let token = |byte: &u8| byte.is_ascii_graphic();
    if method.len() > 16 || !method.iter().all(token) {
        return Err(Refusal::Malformed);
    }
    Ok(())
}

fn judge(
    head: &[u8],
    settings: &WebSocketSettings,
    peer: Peer,
    output: &mut Vec<u8>,
) -> Result<Accepted, TransportError> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut fields);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge.into()),
        Ok(Status::Partial) | Err(_) => return Err(Refusal::Malformed.into()),
    }
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let fields = Fields(request.headers);
    if request.version != Some(1) || fields.all("host").count() != 1 {
        return Err(Refusal::Malformed.into());
    }
    let upgrades = fields.lists("upgrade", "websocket") && fields.lists("connection", "upgrade");
    if !upgrades {
        if let Some(page) = &settings.page
            && path == "/"
            && matches!(method, "GET" | "HEAD")
        {
            push_page(page, method == "GET", output);
            return Err(TransportError::PageServed);
        }
        return Err(not_upgraded(method, path, settings).into());
    }
    if method != "GET" {
        return Err(Refusal::Method.into());
    }
    if settings.path.as_ref().is_some_and(|wanted| wanted != path) {
        return Err(Refusal::Path.into());
    }
    check_origin(&fields, settings)?;
    if fields.one("sec-websocket-version")? != Some(b"13") {
        return Err(Refusal::Version.into());
    }
    let key = fields.one("sec-websocket-key")?.ok_or(Refusal::Key)?;
    if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
        return Err(Refusal::Key.into());
    }
    let subprotocol = subprotocol(&fields)?;
    let body = fields.one("content-length")?.is_some_and(|len| len != b"0");
    if body || fields.one("transfer-encoding")?.is_some() {
        return Err(Refusal::Malformed.into());
    }
    push_upgrade(key, subprotocol, output);
    Ok(Accepted {
        forwarded: forwarded(&fields, peer, &settings.forwarders),
    })
}

/// What an ordinary request is told.
fn not_upgraded(method: &str, path: &str, settings: &WebSocketSettings) -> Refusal {
    if !matches!(method, "GET" | "HEAD") {
        return Refusal::Method;
    }
    match &settings.path {
        Some(wanted) if wanted != path => Refusal::Path,
        // A browser's other requests beside the page.
        None if settings.page.is_some() && path != "/mqtt" => Refusal::Path,
        _ => Refusal::NoUpgrade,
    }
}

/// A page of a foreign origin may not use its visitor's access to the network
/// (RFC 6455, section 10.2). Clients that are no browsers send no origin.
fn check_origin(fields: &Fields<'_>, settings: &WebSocketSettings) -> Result<(), Refusal> {
    if settings.origins.is_empty() {
        return Ok(());
    }
    let Some(origin) = fields.one("origin")? else {
        return Ok(());
    };
    let allowed = |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(origin);
    if settings.origins.iter().any(allowed) {
        Ok(())
    } else {
        Err(Refusal::Origin)
    }
}

/// The first of the client's subprotocols that is spoken here. Some clients offer
/// none, though they must [MQTT-6.0.0-3]; they are let in without.
fn subprotocol(fields: &Fields<'_>) -> Result<Option<&'static str>, Refusal> {
    let mut offered = false;
    for offer in fields.items("sec-websocket-protocol") {
        offered = true;
        let spoken = SUBPROTOCOLS.into_iter().find(|own| own.as_bytes() == offer);
        if spoken.is_some() {
            return Ok(spoken);
        }
    }
    if offered {
        Err(Refusal::Subprotocol)
    } else {
        Ok(None)
    }
}

/// The client's address according to `X-Forwarded-For`, to which each proxy appends
/// the address that it saw: going backwards, the first one that is no trusted proxy.
fn forwarded(fields: &Fields<'_>, peer: Peer, trusted: &TrustedPeers) -> Option<SocketAddr> {
    if !trusted.contains(peer) {
        return None;
    }
    let hops: Vec<&[u8]> = fields.items("x-forwarded-for").collect();
    let mut found = None;
    for hop in hops.iter().rev() {
        let Some(address) = address(hop) else { break };
        found = Some(address);
        if !trusted.contains_address(address.ip()) {
            break;
        }
    }
    found
}

/// An address, which some proxies write with its port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, 0)),
        Err(_) => text.parse().ok(),
    }
}

/// The fields of a request's head.
struct Fields<'a>(&'a [Header<'a>]);

impl<'a> Fields<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// The value of a field that may come once.
    fn one(&self, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::Malformed),
        }
    }

    /// The members of a comma-separated list, over all fields of the name (RFC
    /// 9110, section 5.6.1).
    fn items(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|item| !item.is_empty())
    }

    fn lists(&self, name: &'static str, wanted: &str) -> bool {
        self.items(name)
            .any(|item| item.eq_ignore_ascii_case(wanted.as_bytes()))
    }
}
