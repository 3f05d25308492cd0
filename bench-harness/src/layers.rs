//! TLS and WebSocket on a connection of the generator: what lies between its socket
//! and MQTT, where anything does.
//!
//! Owns the wire's bytes; the layers themselves are the broker's own client side
//! (`ringmq::transport::client`). A plain connection has none of this.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use ringmq::protocol::ProtocolVersion;
use ringmq::transport::TransportError;
use ringmq::transport::client::{
    ClientTransport, Connector, TlsClient, TlsClientSettings, WebSocketClient,
};
use ringmq::transport::tls::Document;

use crate::fault::{Fault, is_transient};

/// Bytes of MQTT in one WebSocket frame: what no broker finds too large.
const FRAME_BYTES: usize = 64 * 1024;

/// Bytes of a broker's frame at most. It is not kept, so this protects nothing.
const MAX_FRAME: u32 = 1 << 30;

/// Bytes read from a socket at once. What they carry, a held back TLS record and
/// the start of a packet fit into the engine's buffer together.
pub const RAW_BYTES: usize = 128 * 1024;

/// Where a distribution keeps the authorities that it trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What is asked for between socket and MQTT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted<'a> {
    /// The broker's host and port, as they are given.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The version of MQTT, which has its own subprotocol for 3.1.
    pub version: ProtocolVersion,
    /// TLS, if any.
    pub tls: Option<WantedTls<'a>>,
    /// The WebSocket path, if any.
    pub path: Option<&'a str>,
}

/// Whom TLS believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WantedTls<'a> {
    /// A PEM file with authorities; otherwise the system's.
    pub authorities: Option<&'a Path>,
    /// The certificate may be for another host.
    pub any_name: bool,
}

/// What it takes to speak so; `None` for plain TCP.
///
/// # Errors
/// What is wrong, for people.
pub fn connector(wanted: &Wanted<'_>) -> Result<Option<Connector>, String> {
    if wanted.tls.is_none() && wanted.path.is_none() {
        return Ok(None);
    }
    let tls = wanted.tls.map(|tls| {
        let path = tls.authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| format!("--cafile {name}: {error}"))?;
        let settings = TlsClientSettings {
            authorities: vec![Document { name, bytes }],
            any_name: tls.any_name,
            server_name: wanted.host.to_owned(),
            ..TlsClientSettings::default()
        };
        TlsClient::new(&settings).map_err(|error| format!("--tls: {error}"))
    });
    let websocket = wanted.path.map(|path| WebSocketClient {
        authority: format!("{}:{}", wanted.host, wanted.port),
        path: path.to_owned(),
        subprotocol: match wanted.version {
            ProtocolVersion::V3_1 => "mqttv3.1",
            ProtocolVersion::V3_1_1 | ProtocolVersion::V5 => "mqtt",
        },
        fields: Vec::new(),
        max_frame: MAX_FRAME,
    });
    Ok(Some(Connector {
        tls: tls.transpose()?,
        websocket,
    }))
}

/// The words for a connector's layers, as URLs have them: `mqtts`, `ws`, `wss`.
#[must_use]
pub fn scheme(connector: &Connector) -> &'static str {
    match (&connector.tls, &connector.websocket) {
        (None, None) => "mqtt",
        (Some(_), None) => "mqtts",
        (None, Some(_)) => "ws",
        (Some(_), Some(_)) => "wss",
    }
}

/// The layers of one connection.
#[derive(Debug)]
pub struct Layers {
    transport: ClientTransport,
    /// Bytes for the socket; those before `sent` are sent.
    wire: Vec<u8>,
    sent: usize,
}

impl Layers {
    /// The layers of a new connection.
    ///
    /// # Errors
    /// When there is no randomness, or TLS cannot begin.
    pub fn open(connector: &Connector) -> io::Result<Self> {
        let mut entropy = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut entropy)?;
        Ok(Self {
            transport: connector.open(entropy).map_err(io::Error::other)?,
            wire: Vec::new(),
            sent: 0,
        })
    }

    /// Whether there are bytes that the socket could take, where `has_plain` of MQTT
    /// wait.
    #[must_use]
    pub fn has_output(&self, has_plain: bool) -> bool {
        !self.wire.is_empty() || (has_plain && self.transport.is_established())
    }

    /// Reads once from the socket, by way of `raw`, and puts what it carries of MQTT
    /// behind the first `kept` bytes of `buffer`; how many it holds then, or `None`
    /// where nothing was added.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn receive(
        &mut self,
        mut socket: impl Read,
        raw: &mut [u8],
        buffer: &mut [u8],
        kept: usize,
    ) -> Result<Option<usize>, Fault> {
        let count = match socket.read(raw) {
            Ok(0) => return Err(Fault::Closed),
            Ok(count) => count,
            Err(error) if is_transient(&error) => return Ok(None),
            Err(error) => return Err(Fault::Io(error.kind())),
        };
        let mut filled = kept;
        let mut fits = true;
        let received = self
            .transport
            .receive(&mut raw[..count], &mut |bytes| match buffer
                .get_mut(filled..filled + bytes.len())
            {
                Some(place) => {
                    place.copy_from_slice(bytes);
                    filled += bytes.len();
                }
                None => fits = false,
            });
        match received {
            Err(error) => Err(fault(&error)),
            Ok(()) if !fits => Err(Fault::TooLarge),
            Ok(()) => Ok((filled > kept).then_some(filled)),
        }
    }

    /// Sends what the socket takes: what the layers owe, and the bytes `plain` of
    /// MQTT once the handshakes are over. Those stay where they are while older ones
    /// are on their way.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn flush(&mut self, mut socket: impl Write, plain: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            while self.sent < self.wire.len() {
                match socket.write(&self.wire[self.sent..]) {
                    Ok(count) => self.sent += count,
                    Err(error) if is_transient(&error) => return Ok(()),
                    Err(error) => return Err(Fault::Io(error.kind())),
                }
            }
            self.wire.clear();
            self.sent = 0;
            self.transport.take_output(&mut self.wire);
            if self.transport.is_established() {
                for frame in plain.chunks(FRAME_BYTES) {
                    let sent = self.transport.send(frame, &mut self.wire);
                    sent.map_err(|error| fault(&error))?;
                }
                plain.clear();
            }
            if self.wire.is_empty() {
                return Ok(());
            }
        }
    }

    /// Says goodbye in the layers' own words, as far as the socket takes them.
    pub fn close(&mut self, socket: impl Write) {
        self.transport.close(&mut self.wire);
        // A peer that does not take so little gets no goodbye.
        let _ = self.flush(socket, &mut Vec::new());
    }
}

fn fault(error: &TransportError) -> Fault {
    if error.is_orderly() {
        Fault::Closed
    } else {
        Fault::Transport(error.to_string().into())
    }
}
