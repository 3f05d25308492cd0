//! The TLS side of a listener: certificates, client certificates, resumption.
//!
//! Owns rustls' server configuration, shared by all shards. Pure: files come as
//! [`Document`]s. Nothing in it changes; a reload makes another one and connections
//! keep theirs. Session tickets are encrypted with keys of this process, so that
//! any shard resumes what another began and no shard stores sessions.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
    UnbufferedServerConnection, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::identity::{UserNameFrom, host_names};
use super::pem::{Document, TlsError, certificates, private_key, revocation_lists, unusable};
use super::session::Session;

/// Tickets that a TLS 1.3 client gets for its next connections. One is enough for
/// a client with one connection; more are bytes in every handshake.
const TICKETS: usize = 1;

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerCertificate {
    /// The certificate, then those that lead to the authority, in PEM.
    pub chain: Document,
    /// Its private key in PEM.
    pub key: Document,
}

/// What clients must show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientCertificates {
    /// Certificates of the authorities that are believed, in PEM; empty: clients
    /// are not asked.
    pub authorities: Vec<Document>,
    /// Lists of what those authorities have revoked, in PEM. With any list at all
    /// an authority without one is not believed. Expired lists still count.
    pub revoked: Vec<Document>,
    /// Without certificate: no connection.
    pub required: bool,
    /// What of the certificate is the user name.
    pub user_name: UserNameFrom,
}

/// How a listener speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// At least one; chosen by the server name that the client asks for, the first
    /// one for all others.
    pub certificates: Vec<ServerCertificate>,
    /// What clients must show.
    pub clients: ClientCertificates,
    /// Protocols that are agreed upon with clients that offer any (RFC 7301); such a
    /// client without one of them is refused. Empty: whatever is offered is ignored.
    pub alpn: Vec<Vec<u8>>,
    /// Refuse TLS 1.2.
    pub only_tls13: bool,
}

/// A checked configuration.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    ticketer: Arc<dyn ProducesTickets>,
    settings: Arc<TlsSettings>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsServer").field(&self.settings).finish()
    }
}

impl TlsServer {
    /// Checks the settings.
    ///
    /// # Errors
    /// The file that is wrong, and why.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let ticketer = Ticketer::new().map_err(|error| {
            TlsError::new("TLS", format!("no randomness for session tickets: {error}"))
        })?;
        Self::with_ticketer(settings, ticketer)
    }

    /// The same with other files. Clients resume their sessions, unless who may
    /// connect has changed: then everybody shows a certificate again.
    ///
    /// # Errors
    /// The file that is wrong, and why; this one goes on as it is.
    pub fn renewed(&self, settings: TlsSettings) -> Result<Self, TlsError> {
        if settings.clients == self.settings.clients {
            Self::with_ticketer(settings, Arc::clone(&self.ticketer))
        } else {
            Self::new(settings)
        }
    }

    fn with_ticketer(
        settings: TlsSettings,
        ticketer: Arc<dyn ProducesTickets>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let resolver = Certificates::new(&settings.certificates, &provider)?;
        let versions: &[_] = if settings.only_tls13 {
            &[&rustls::version::TLS13]
        } else {
            rustls::ALL_VERSIONS
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::new("TLS", error.to_string()))?;
        let builder = match verifier(&settings.clients, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols.clone_from(&settings.alpn);
        config.ticketer = Arc::clone(&ticketer);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        Ok(Self {
            config: Arc::new(config),
            ticketer,
            settings: Arc::new(settings),
        })
    }

    /// What of a client certificate is the user name.
    pub(in crate::transport) fn user_name_from(&self) -> UserNameFrom {
        self.settings.clients.user_name
    }

    /// A new connection.
    pub(in crate::transport) fn accept(
        &self,
    ) -> Result<Session<UnbufferedServerConnection>, Error> {
        UnbufferedServerConnection::new(Arc::clone(&self.config)).map(Session::new)
    }
}

fn verifier(
    clients: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>, TlsError> {
    let Some(first) = clients.authorities.first() else {
        return if clients.required {
            let reason = "client certificates are required, but no CA file says whose";
            Err(TlsError::new("TLS", reason))
        } else {
            Ok(None)
        };
    };
    let mut roots = RootCertStore::empty();
    for document in &clients.authorities {
        for certificate in certificates(document)? {
            roots.add(certificate).map_err(|error| {
                TlsError::new(
                    &document.name,
                    format!("no usable CA certificate: {}", unusable(&error)),
                )
            })?;
        }
    }
    let mut lists = Vec::new();
    for document in &clients.revoked {
        lists.extend(revocation_lists(document)?);
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(lists)
            .only_check_end_entity_revocation();
    let builder = if clients.required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    let name = clients.revoked.first().unwrap_or(first);
    let verifier = builder
        .build()
        .map_err(|error| TlsError::new(&name.name, error.to_string()))?;
    Ok(Some(verifier))
}

/// A listener's certificates by the names that they are for.
#[derive(Debug)]
struct Certificates {
    /// For clients that ask for no name or for an unknown one.
    first: Vec<Arc<CertifiedKey>>,
    /// Several of one name: of different kinds of keys.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    fn new(settings: &[ServerCertificate], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut first = Vec::new();
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for certificate in settings {
            let key = Arc::new(certified_key(certificate, provider)?);
            let names = key.cert.first().map(host_names).unwrap_or_default();
            for name in names {
                by_name.entry(name).or_default().push(Arc::clone(&key));
            }
            first.push(key);
        }
        if first.is_empty() {
            return Err(TlsError::new(
                "TLS",
                "a TLS listener needs a certificate and its key",
            ));
        }
        Ok(Self { first, by_name })
    }

    fn of_name(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let name = name.to_ascii_lowercase();
        let found = self.by_name.get(&name).or_else(|| {
            // RFC 6125, section 6.4.3: the whole first label.
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        });
        found.map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.of_name(name));
        let usable = |key: &&Arc<CertifiedKey>| {
            let scheme = key.key.choose_scheme(hello.signature_schemes());
            scheme.is_some()
        };
        let candidates = named.unwrap_or(&self.first);
        candidates
            .iter()
            .find(usable)
            .or(candidates.first())
            .cloned()
    }
}

fn certified_key(
    certificate: &ServerCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&certificate.chain)?;
    let key: PrivateKeyDer<'static> = private_key(&certificate.key)?;
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| {
            TlsError::new(
                &certificate.key.name,
                format!("no usable private key: {error}"),
            )
        })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::new(
            &certificate.key.name,
            format!(
                "is not the key of the certificate in {}",
                certificate.chain.name
            ),
        )),
        Err(error) => Err(TlsError::new(
            &certificate.chain.name,
            format!("no usable certificate: {}", unusable(&error)),
        )),
    }
}
