//! The other end of a transport: rustls' own buffered client, and what the transport
//! delivered to a stand-in for the engine.
//!
//! Owns no socket: bytes are carried by hand, cut as the test wants.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::transport::tls::{Document, ServerCertificate};
use crate::transport::{Established, Incoming, Transport, TransportError};

/// What came out of a transport.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    pub(super) established: Option<Established>,
    pub(super) bytes: Vec<u8>,
}

impl Delivered {
    pub(super) fn take(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Established(established) => {
                assert_eq!(self.established, None, "established twice");
                assert_eq!(self.bytes, [0_u8; 0], "bytes before the facts");
                self.established = Some(established);
            }
            Incoming::Bytes(bytes) => {
                assert!(!bytes.is_empty(), "nothing delivered as something");
                assert!(self.established.is_some(), "bytes before the facts");
                self.bytes.extend_from_slice(bytes);
            }
        }
    }
}

/// Gives `input` to the transport in pieces of the size that `cut` says.
pub(super) fn feed(
    transport: &mut Transport,
    delivered: &mut Delivered,
    input: &[u8],
    mut cut: impl FnMut() -> usize,
) -> Result<(), TransportError> {
    let mut input = input.to_vec();
    let mut rest = &mut input[..];
    while !rest.is_empty() {
        let len = cut().clamp(1, rest.len());
        let (piece, next) = rest.split_at_mut(len);
        rest = next;
        transport.receive(piece, &mut |incoming| delivered.take(incoming))?;
    }
    Ok(())
}

/// rustls' own client configuration.
pub(super) fn client_config(
    authority: &Document,
    own: Option<&ServerCertificate>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = rustls::pki_types::CertificateDer::from_pem_slice(&authority.bytes).expect("PEM");
    roots.add(root).expect("a CA certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = rustls::pki_types::CertificateDer::pem_slice_iter(&own.chain.bytes);
            let chain = chain.collect::<Result<_, _>>().expect("PEM");
            let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(&own.key.bytes);
            let key = key.expect("PEM");
            builder
                .with_client_auth_cert(chain, key)
                .expect("a matching pair")
        }
    }
}

pub(super) fn connect(config: &Arc<ClientConfig>, server: &str) -> ClientConnection {
    let server = ServerName::try_from(server.to_owned()).expect("a name");
    ClientConnection::new(Arc::clone(config), server).expect("a valid configuration")
}

/// A connection under test and its foreign client.
pub(super) struct Pair {
    pub(super) transport: Transport,
    pub(super) delivered: Delivered,
    pub(super) client: ClientConnection,
    /// What the client received.
    pub(super) received: Vec<u8>,
}

/// Which side gave up, and why.
#[derive(Debug)]
pub(super) enum Failed {
    Server(TransportError),
    Client(rustls::Error),
}

impl Pair {
    pub(super) fn new(transport: Transport, client: ClientConnection) -> Self {
        Self {
            transport,
            delivered: Delivered::default(),
            client,
            received: Vec::new(),
        }
    }

    /// Carries bytes until nobody has any; pieces to the server as `cut` says. Both
    /// sides hear of an error before it is returned.
    pub(super) fn settle(&mut self, mut cut: impl FnMut() -> usize) -> Result<(), Failed> {
        let mut failed = None;
        loop {
            let mut wire = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).expect("memory");
            }
            let fed = feed(&mut self.transport, &mut self.delivered, &wire, &mut cut);
            failed = failed.or(fed.err().map(Failed::Server));
            let mut answer = Vec::new();
            self.transport.take_output(&mut answer);
            if wire.is_empty() && answer.is_empty() {
                return failed.map_or(Ok(()), Err);
            }
            if let Err(error) = self.give(&answer) {
                return Err(failed.unwrap_or(Failed::Client(error)));
            }
        }
    }

    /// Gives wire bytes to the client.
    pub(super) fn give(&mut self, mut wire: &[u8]) -> Result<(), rustls::Error> {
        while !wire.is_empty() {
            self.client.read_tls(&mut wire).expect("memory");
            let state = self.client.process_new_packets()?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.client
                .reader()
                .read_exact(&mut plain)
                .expect("counted before");
            self.received.extend_from_slice(&plain);
        }
        Ok(())
    }

    /// The client sends.
    pub(super) fn client_sends(&mut self, plain: &[u8]) {
        self.client.writer().write_all(plain).expect("memory");
    }

    /// The server sends, and the client receives it.
    pub(super) fn server_sends(&mut self, plain: &[u8]) {
        let mut wire = Vec::new();
        self.transport.send(plain, &mut wire).expect("open");
        self.give(&wire).expect("valid records");
    }
}
