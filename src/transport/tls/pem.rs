//! PEM documents and what must be in them, with errors that name the file.
//!
//! Owns nothing. Pure: the bytes were read by somebody else, who gives the name of
//! the file along. The grammar is `rustls-pki-types`'.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{CertificateError, Error};

/// A file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// How the operator knows it: its path.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Never the bytes: they may be a private key.
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Document").field(&self.name).finish()
    }
}

/// A TLS setting is unusable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct TlsError {
    /// The file.
    pub name: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl TlsError {
    pub(in crate::transport) fn new(name: &str, reason: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }
}

/// What rustls has against a certificate, in words that help.
pub(in crate::transport) fn unusable(error: &Error) -> String {
    // The commonest one: `openssl x509 -req` without extensions makes version 1.
    if matches!(error, Error::InvalidCertificate(CertificateError::Other(_)))
        && error.to_string().contains("UnsupportedCertVersion")
    {
        return "the certificate is of X.509 version 1; make one of version 3 \
                (openssl x509 -req with -extfile, subjectAltName in it)"
            .to_owned();
    }
    error.to_string()
}

fn broken(document: &Document, error: &pem::Error) -> TlsError {
    TlsError::new(&document.name, format!("malformed PEM: {error}"))
}

fn every<T: PemObject>(document: &Document, nothing: &str) -> Result<Vec<T>, TlsError> {
    let found: Vec<T> = T::pem_slice_iter(&document.bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| broken(document, &error))?;
    if found.is_empty() {
        return Err(TlsError::new(&document.name, nothing));
    }
    Ok(found)
}

/// All certificates, at least one.
pub(in crate::transport) fn certificates(
    document: &Document,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    every(
        document,
        "holds no certificate; it must begin with -----BEGIN CERTIFICATE-----",
    )
}

/// All revocation lists, at least one.
pub(super) fn revocation_lists(
    document: &Document,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    every(
        document,
        "holds no revocation list; it must begin with -----BEGIN X509 CRL-----",
    )
}

/// The first private key.
pub(in crate::transport) fn private_key(
    document: &Document,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&document.bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let encrypted = b"ENCRYPTED PRIVATE KEY";
            let reason = if memchr::memmem::find(&document.bytes, encrypted).is_some() {
                "the private key is encrypted; store it without passphrase \
                 (openssl pkey -in KEY -out PLAIN)"
            } else {
                "holds no private key; it must begin with -----BEGIN PRIVATE KEY-----, \
                 -----BEGIN RSA PRIVATE KEY----- or -----BEGIN EC PRIVATE KEY-----"
            };
            Err(TlsError::new(&document.name, reason))
        }
        Err(error) => Err(broken(document, &error)),
    }
}
