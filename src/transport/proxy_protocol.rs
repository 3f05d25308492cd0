//! The PROXY protocol's header, versions 1 and 2: who really connects.
//!
//! Owns the bytes of a header that arrives in pieces, at most [`MAX_HEADER`] of
//! them. Pure: bytes in, facts out. The grammar is the crate `proxy-header`'s; who
//! may send a header at all is decided before (`trusted`), and a listener that
//! expects one never goes without (PROXY protocol, section 2: no guessing).

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader, Tlv};

use crate::peer::Identity;

/// Bytes of a header with all its extensions. HAProxy's and AWS's stay below 600;
/// the format itself would go to 64 KiB.
pub const MAX_HEADER: usize = 4096;

/// Bytes of a header of version 1 (section 2.1), its line end included.
const V1_MOST: usize = 107;

/// Version 2: the signature, command, family and length.
const V2_HEAD: usize = 16;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_SIGNATURE: &[u8] = b"PROXY ";

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyError {
    /// The connection starts with something else.
    #[error("the connection does not start with one")]
    Missing,
    /// It breaks the grammar.
    #[error("malformed")]
    Malformed,
    /// It is longer than [`MAX_HEADER`].
    #[error("longer than {MAX_HEADER} bytes")]
    TooLong,
}

/// What a header says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proxied {
    /// The client's address; `None` for the proxy's own connections (health
    /// checks) and for clients without one.
    pub peer: Option<SocketAddr>,
    /// Of the client certificate that the proxy has verified: its common name.
    pub identity: Option<Identity>,
}

/// Reads a header that may come in pieces.
#[derive(Debug, Default)]
pub struct HeaderReader {
    /// Invariant: `len() <= MAX_HEADER`, and no whole header is in it.
    held: Vec<u8>,
}

impl HeaderReader {
    /// Takes bytes of the start of a connection. `Some` once the header is whole,
    /// with the number of bytes of `input` that belong to it.
    ///
    /// # Errors
    /// The peer sent something else; it cannot be spoken to.
    pub fn read(&mut self, input: &[u8]) -> Result<Option<(usize, Proxied)>, ProxyError> {
        if self.held.is_empty() {
            return Ok(match parse(input)? {
                Some(found) => Some(found),
                None => {
                    self.held.extend_from_slice(input);
                    None
                }
            });
        }
        let before = self.held.len();
        let room = MAX_HEADER - before;
        self.held.extend_from_slice(&input[..input.len().min(room)]);
        let found = parse(&self.held)?;
        Ok(found.map(|(len, proxied)| (len - before, proxied)))
    }
}

/// The header at the start of `bytes`, if it is whole. What cannot become one any
/// more is an error at once, so that nobody waits for the rest of it.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Proxied)>, ProxyError> {
    let starts = |signature: &[u8]| {
        let len = bytes.len().min(signature.len());
        bytes[..len] == signature[..len]
    };
    if !starts(V1_SIGNATURE) && !starts(V2_SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let mut most = MAX_HEADER;
    if starts(V2_SIGNATURE) {
        if bytes.len() >= V2_HEAD {
            most = V2_HEAD + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
        }
        if most > MAX_HEADER {
            return Err(ProxyError::TooLong);
        }
    } else {
        // A longer line is none, whether its end has come already or not.
        most = V1_MOST;
    }
    match ProxyHeader::parse(&bytes[..bytes.len().min(most)], ParseConfig::default()) {
        Ok((header, len)) => Ok(Some((len, proxied(&header)?))),
        Err(Error::BufferTooShort) if bytes.len() < most => Ok(None),
        Err(_) => Err(ProxyError::Malformed),
    }
}

fn proxied(header: &ProxyHeader<'_>) -> Result<Proxied, ProxyError> {
    let peer = match header.proxied_address() {
        Some(address) if address.protocol == Protocol::Datagram => {
            return Err(ProxyError::Malformed);
        }
        Some(address) => Some(address.source),
        None => None,
    };
    let mut identity: Option<Identity> = None;
    for extension in header.tlvs() {
        let extension = extension.map_err(|_| ProxyError::Malformed)?;
        if let Tlv::Ssl(ssl) = extension {
            // Section 2.2.5: zero means that a certificate was presented and
            // verified; without one the flags say so.
            let verified = ssl.verify() == 0 && (ssl.client_cert_conn() || ssl.client_cert_sess());
            let name = ssl.cn().filter(|name| !name.is_empty());
            identity = verified.then(|| Identity {
                common_name: name.map(Into::into),
                ..Identity::default()
            });
        }
    }
    Ok(Proxied { peer, identity })
}
