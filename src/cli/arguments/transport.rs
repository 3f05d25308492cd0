//! How a client reaches its server: Unix socket, TLS, WebSocket, and the ports.
//!
//! Owns the rules about the options; reads the files of certificates, which must be
//! there before anything starts. Runs on the main thread; never opens a socket.

use std::fs;
use std::path::{Path, PathBuf};

use super::raw::RawTransport;
use super::url::Scheme;
use crate::cli::failure::Failure;
use crate::protocol::ProtocolVersion;
use crate::transport::client::{Connector, TlsClient, TlsClientSettings, WebSocketClient};
use crate::transport::tls::{Document, ServerCertificate};
use crate::transport::websocket::DEFAULT_MAX_FRAME;

/// Where a server listens when nothing says otherwise.
const PORT: u16 = 1883;
const PORT_TLS: u16 = 8883;
const PORT_WEBSOCKET: u16 = 8083;
const PORT_WEBSOCKET_TLS: u16 = 8084;

/// Where systems keep the authorities that they trust, unless `SSL_CERT_FILE` says it.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The layers that the options ask for.
#[derive(Debug)]
pub(super) struct Layers {
    raw: RawTransport,
    tls: bool,
    websocket: bool,
}

impl Layers {
    /// What the options, the scheme of `-L` and the port mean together.
    pub(super) fn new(raw: RawTransport, scheme: Option<Scheme>, port: Option<u16>) -> Self {
        let (url_tls, url_websocket) = match scheme {
            None | Some(Scheme::Mqtt) => (false, false),
            Some(Scheme::Mqtts) => (true, false),
            Some(Scheme::Ws) => (false, true),
            Some(Scheme::Wss) => (true, true),
        };
        let asked = raw.tls
            || raw.insecure
            || raw.tls_use_os_certs
            || [&raw.cafile, &raw.capath, &raw.cert, &raw.key]
                .iter()
                .any(|file| file.is_some())
            || raw.tls_alpn.is_some();
        // mosquitto's clients mean TLS by its port, too.
        let by_port = raw.unix.is_none() && port == Some(PORT_TLS);
        Self {
            tls: url_tls || asked || by_port,
            websocket: url_websocket || raw.ws,
            raw,
        }
    }

    /// The port of a server that listens where such servers do.
    pub(super) fn default_port(&self) -> u16 {
        match (self.tls, self.websocket) {
            (false, false) => PORT,
            (true, false) => PORT_TLS,
            (false, true) => PORT_WEBSOCKET,
            (true, true) => PORT_WEBSOCKET_TLS,
        }
    }

    /// Checks everything and reads the files: the transport, and the Unix socket.
    pub(super) fn check(
        self,
        host: &str,
        port: u16,
        version: ProtocolVersion,
    ) -> Result<(Connector, Option<PathBuf>), Failure> {
        let websocket = if self.websocket {
            Some(check_websocket(
                self.raw.ws_path.as_deref(),
                host,
                port,
                version,
            )?)
        } else if self.raw.ws_path.is_some() {
            return Err(Failure::usage("--ws-path needs --ws or -L ws://."));
        } else {
            None
        };
        let tls = if self.tls {
            Some(check_tls(&self.raw, host, self.websocket)?)
        } else {
            None
        };
        Ok((Connector { tls, websocket }, self.raw.unix))
    }
}

fn check_websocket(
    path: Option<&str>,
    host: &str,
    port: u16,
    version: ProtocolVersion,
) -> Result<WebSocketClient, Failure> {
    let path = path.unwrap_or("/mqtt");
    if !path.starts_with('/') || path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Failure::usage(format_args!(
            "Invalid WebSocket path '{path}', it must begin with / and hold no spaces."
        )));
    }
    if host.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Failure::usage(format_args!("Invalid host '{host}'.")));
    }
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    Ok(WebSocketClient {
        authority,
        path: path.to_owned(),
        subprotocol: if version == ProtocolVersion::V3_1 {
            "mqttv3.1"
        } else {
            "mqtt"
        },
        fields: Vec::new(),
        max_frame: DEFAULT_MAX_FRAME,
    })
}

fn check_tls(raw: &RawTransport, host: &str, websocket: bool) -> Result<TlsClient, Failure> {
    let certificate = match (&raw.cert, &raw.key) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(ServerCertificate {
            chain: document(chain)?,
            key: document(key)?,
        }),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Failure::usage(
                "Both certfile and keyfile must be provided if one of them is set.",
            ));
        }
    };
    // Behind a proxy for HTTP only HTTP is spoken.
    let alpn = match (&raw.tls_alpn, websocket) {
        (Some(protocol), _) => vec![protocol.clone().into_bytes()],
        (None, true) => vec![b"http/1.1".to_vec()],
        (None, false) => Vec::new(),
    };
    let settings = TlsClientSettings {
        authorities: authorities(raw)?,
        certificate,
        any_name: raw.insecure,
        alpn,
        server_name: host.to_owned(),
    };
    TlsClient::new(&settings).map_err(|error| Failure::usage(format_args!("{error}")))
}

fn authorities(raw: &RawTransport) -> Result<Vec<Document>, Failure> {
    let mut found = Vec::new();
    if let Some(path) = &raw.cafile {
        found.push(document(path)?);
    }
    if let Some(path) = &raw.capath {
        found.extend(directory(path)?);
    }
    if found.is_empty() || raw.tls_use_os_certs {
        let told = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let usual = SYSTEM_AUTHORITIES.iter().map(PathBuf::from);
        let system = told.into_iter().chain(usual).find(|path| path.exists());
        let Some(system) = system else {
            return Err(Failure::usage(
                "This system has no file of trusted authorities; name one with --cafile.",
            ));
        };
        found.push(document(&system)?);
    }
    Ok(found)
}

fn document(path: &Path) -> Result<Document, Failure> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok(Document {
        name: path.display().to_string(),
        bytes,
    })
}

/// Every file of a directory that holds certificates.
fn directory(path: &Path) -> Result<Vec<Document>, Failure> {
    let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(path, &error))?.path();
        if !file.is_file() {
            continue;
        }
        let document = document(&file)?;
        if memchr::memmem::find(&document.bytes, b"-----BEGIN CERTIFICATE-----").is_some() {
            found.push(document);
        }
    }
    if found.is_empty() {
        let path = path.display();
        return Err(Failure::usage(format_args!(
            "{path}: holds no certificates."
        )));
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let reason = crate::cli::dial::plain(error);
    Failure::usage(format_args!("{}: {reason}", path.display()))
}
