//! Whom a server of `https://` has to be certified by, and how the broker proves itself.
//!
//! Owns nothing; reads the files that the settings name, at the start and at each
//! reload. What is wrong with them is said with their names. Never asks anybody.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::settings::HttpSettings;
use crate::hooks::HookError;

/// How the server is to be spoken with. The name in the URL is always compared with
/// those in its certificate.
pub(super) fn tls(settings: &HttpSettings) -> Result<TlsConfig, HookError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let own = own_certificate(settings, &provider)?;
    Ok(TlsConfig::builder()
        .root_certs(authorities(settings)?)
        .client_cert(own)
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

fn authorities(settings: &HttpSettings) -> Result<RootCerts, HookError> {
    let found = if let Some(path) = &settings.authorities {
        let found = certificates(path)?;
        for der in &found {
            let understood = RootCertStore::empty().add(der.clone());
            understood.map_err(|error| wrong(path, &error))?;
        }
        found
    } else {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            let what = "this system has no certificate authorities; name a file with \
                        --auth-http-cafile";
            return Err(HookError(what.to_owned()));
        }
        found
    };
    Ok(owned(&found).into())
}

/// The broker's own certificate, if it is to show one.
fn own_certificate(
    settings: &HttpSettings,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<ClientCert>, HookError> {
    let Some((chain_file, key_file)) = &settings.certificate else {
        return Ok(None);
    };
    let chain = certificates(chain_file)?;
    let pem = std::fs::read(key_file).map_err(|error| wrong(key_file, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| wrong(key_file, &"holds no private key in PEM"))?;
    // Looked at here, where there is somebody to tell: the client takes it on trust.
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(RootCertStore::empty()))
        .and_then(|config| config.with_client_auth_cert(chain.clone(), key))
        .map_err(|error| {
            let names = format!("{} with {}", chain_file.display(), key_file.display());
            HookError(format!("{names}: {error}"))
        })?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| wrong(key_file, &error))?;
    Ok(Some(ClientCert::new_with_certs(&owned(&chain), key)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HookError> {
    let pem = std::fs::read(path).map_err(|error| wrong(path, &error))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong(path, &error))?;
    if found.is_empty() {
        return Err(wrong(path, &"holds no certificate in PEM"));
    }
    Ok(found)
}

fn owned(certificates: &[CertificateDer<'_>]) -> Vec<Certificate<'static>> {
    let owned = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
    certificates.iter().map(owned).collect()
}

fn wrong(path: &Path, what: &dyn Display) -> HookError {
    HookError(format!("{}: {what}", path.display()))
}
