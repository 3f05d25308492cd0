//! Certificate files: read at the start and again at every reload.
//!
//! Owns their paths. Runs on the thread that starts or reloads the broker. A file
//! that is wrong stops a start and leaves a reload without effect. Never looks into
//! a certificate: that is `transport::tls`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::config::Door;
use super::error::ConfigError;
use super::listener::{CertificateName, ListenerKind, TlsFiles};
use crate::transport::Acceptor;
use crate::transport::tls::{
    ClientCertificates, Document, ServerCertificate, TlsServer, TlsSettings, UserNameFrom,
};

/// The certificates of one listener, for when they are read again.
#[derive(Debug)]
pub(crate) struct Certificates {
    listener: String,
    kind: ListenerKind,
    files: TlsFiles,
    acceptor: Arc<Acceptor>,
}

impl Certificates {
    /// Those of a door whose connections go through this acceptor.
    pub(crate) fn new(door: &Door, acceptor: &Arc<Acceptor>) -> Self {
        Self {
            listener: door.name(),
            kind: door.listener.kind,
            files: door.listener.tls.clone(),
            acceptor: Arc::clone(acceptor),
        }
    }
}

/// What a listener's files say; or what is wrong with which one.
pub(crate) fn server(files: &TlsFiles, kind: ListenerKind) -> Result<TlsServer, String> {
    TlsServer::new(settings(files, kind)?).map_err(|error| error.to_string())
}

/// Reads the files of all listeners again and puts them in the place of the earlier
/// ones, for connections from now on: how many listeners. All or none.
pub(crate) fn reload(all: &[Certificates]) -> Result<usize, ConfigError> {
    let mut fresh = Vec::with_capacity(all.len());
    for own in all {
        let wrong = |what| ConfigError::Listener {
            listener: own.listener.clone(),
            what,
        };
        let settings = settings(&own.files, own.kind).map_err(wrong)?;
        let server = match own.acceptor.tls() {
            Some(earlier) => earlier.renewed(settings),
            None => TlsServer::new(settings),
        };
        fresh.push(server.map_err(|error| wrong(error.to_string()))?);
    }
    for (own, server) in all.iter().zip(fresh) {
        own.acceptor.replace_tls(server);
    }
    Ok(all.len())
}

fn settings(files: &TlsFiles, kind: ListenerKind) -> Result<TlsSettings, String> {
    let mut certificates = Vec::with_capacity(files.certificates.len());
    for (chain, key) in &files.certificates {
        certificates.push(ServerCertificate {
            chain: read(chain)?,
            key: read(key)?,
        });
    }
    let authorities = files.client_authorities.iter().map(read);
    let revoked = files.revocations.iter().map(read);
    let alpn: &[u8] = if kind.has_websocket() {
        b"http/1.1"
    } else {
        b"mqtt"
    };
    Ok(TlsSettings {
        certificates,
        clients: ClientCertificates {
            authorities: authorities.collect::<Result<_, _>>()?,
            revoked: revoked.collect::<Result<_, _>>()?,
            required: files.require_client_certificate,
            user_name: match files.user_name {
                None => UserNameFrom::Connect,
                Some(CertificateName::CommonName) => UserNameFrom::CommonName,
                Some(CertificateName::Subject) => UserNameFrom::Subject,
                Some(CertificateName::AlternativeName) => UserNameFrom::AlternativeName,
            },
        },
        alpn: vec![alpn.to_vec()],
        only_tls13: false,
    })
}

fn read(path: impl AsRef<Path>) -> Result<Document, String> {
    let path = path.as_ref();
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Document {
        name: path.display().to_string(),
        bytes,
    })
}
