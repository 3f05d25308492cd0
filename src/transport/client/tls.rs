//! The TLS side of a client: whom it believes, what it shows.
//!
//! Owns rustls' client configuration. Pure: files come as [`Document`]s. Sessions
//! are resumed between the connections that share it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::transport::tls::{
    Document, ServerCertificate, TlsError, certificates, private_key, unusable_certificate,
};

/// How a client speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsClientSettings {
    /// Certificates of the authorities that are believed, in PEM.
    pub authorities: Vec<Document>,
    /// What the client shows when it is asked, in PEM.
    pub certificate: Option<ServerCertificate>,
    /// Do not compare the server's name with its certificate. Somebody has to vouch
    /// for the certificate all the same.
    pub any_name: bool,
    /// Protocols to offer (RFC 7301).
    pub alpn: Vec<Vec<u8>>,
    /// The name or address that the server's certificate must be for, and that the
    /// server is asked for.
    pub server_name: String,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

impl TlsClient {
    /// Checks the settings.
    ///
    /// # Errors
    /// The file that is wrong, and why.
    pub fn new(settings: &TlsClientSettings) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let unusable = |error: &dyn std::fmt::Display| TlsError::new("TLS", error.to_string());
        let mut roots = RootCertStore::empty();
        for document in &settings.authorities {
            // A system's bundle may hold what rustls does not understand.
            let (added, _) = roots.add_parsable_certificates(certificates(document)?);
            if added == 0 {
                return Err(TlsError::new(
                    &document.name,
                    "holds no usable CA certificate",
                ));
            }
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable(&error))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = if settings.any_name {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName(verifier)))
        } else {
            builder.with_webpki_verifier(verifier)
        };
        let mut config = match &settings.certificate {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(certificates(&own.chain)?, private_key(&own.key)?)
                .map_err(|error| TlsError::new(&own.chain.name, unusable_certificate(&error)))?,
        };
        config.alpn_protocols.clone_from(&settings.alpn);
        let server_name = ServerName::try_from(settings.server_name.clone())
            .map_err(|_| TlsError::new(&settings.server_name, "is no host name and no address"))?;
        Ok(Self {
            config: Arc::new(config),
            server_name,
        })
    }

    /// A new connection.
    pub(super) fn connect(&self) -> Result<UnbufferedClientConnection, Error> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.server_name.clone())
    }
}

/// Believes a certificate that an authority vouches for, whatever name it is for.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is what is looked at last.
        match self
            .0
            .verify_server_cert(certificate, intermediates, server_name, ocsp_response, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
