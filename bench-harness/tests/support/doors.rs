//! TLS and WebSocket in front of the scripted broker, by other people's code: rustls'
//! own server and tungstenite.
//!
//! Owns a listener and a thread per connection that carries bytes both ways, a few at
//! a time, so that packets straddle records and frames.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// Bytes in one record or frame: packets of the tests are longer and shorter.
const PIECE: usize = 61;

/// What a broker is behind.
#[derive(Clone)]
pub struct Doors {
    /// TLS with this server's side.
    pub tls: Option<Arc<ServerConfig>>,
    /// WebSocket at `/mqtt`.
    pub websocket: bool,
}

/// An authority's certificate in PEM, and a server's side that it vouches for, for
/// this name.
pub fn certificate(name: &str) -> (String, Arc<ServerConfig>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("there is randomness");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("it is complete");
    let key = KeyPair::generate().expect("there is randomness");
    let params = CertificateParams::new([name.to_owned()]).expect("it is a name");
    let own = params.signed_by(&key, &authority).expect("it is complete");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .expect("key and certificate belong together");
    (authority.pem(), Arc::new(config))
}

/// Puts doors in front of a broker; the address outside.
pub fn before(broker: SocketAddr, doors: Doors) -> SocketAddr {
    before_at(0, broker, doors)
}

/// The same on this port.
pub fn before_at(port: u16, broker: SocketAddr, doors: Doors) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for outside in listener.incoming() {
            let outside = outside.expect("the listener works");
            let doors = doors.clone();
            thread::spawn(move || {
                // The end of a connection is the end of its thread.
                let _ = open(outside, broker, doors);
            });
        }
    });
    address
}

fn open(outside: TcpStream, broker: SocketAddr, doors: Doors) -> io::Result<()> {
    outside.set_nodelay(true)?;
    let Some(config) = doors.tls else {
        return open_inner(outside, broker, doors.websocket, |socket| socket);
    };
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut outside = StreamOwned::new(connection, outside);
    outside.flush()?;
    while outside.conn.is_handshaking() {
        outside.conn.complete_io(&mut outside.sock)?;
    }
    open_inner(outside, broker, doors.websocket, |stream| &mut stream.sock)
}

fn open_inner<S: Read + Write>(
    mut outside: S,
    broker: SocketAddr,
    websocket: bool,
    socket: fn(&mut S) -> &mut TcpStream,
) -> io::Result<()> {
    let inside = TcpStream::connect(broker)?;
    inside.set_nodelay(true)?;
    inside.set_nonblocking(true)?;
    if websocket {
        let mut outside = tungstenite::accept_hdr(outside, judge)
            .map_err(|error| io::Error::other(error.to_string()))?;
        socket(outside.get_mut()).set_nonblocking(true)?;
        carry(inside, &mut outside)
    } else {
        socket(&mut outside).set_nonblocking(true)?;
        carry(inside, &mut Plain(outside))
    }
}

/// The upgrade is for `/mqtt` and speaks `mqtt`.
#[expect(clippy::result_large_err, reason = "tungstenite asks for this type")]
fn judge(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get("Sec-WebSocket-Protocol");
    if request.uri().path() != "/mqtt" || offered.is_none_or(|offered| offered != "mqtt") {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = tungstenite::http::StatusCode::NOT_FOUND;
        return Err(refusal);
    }
    let chosen = HeaderValue::from_static("mqtt");
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", chosen);
    Ok(response)
}

/// The outer side of a door: pieces of MQTT, never waiting for any.
trait Door {
    fn take(&mut self) -> io::Result<Vec<u8>>;
    fn give(&mut self, piece: &[u8]) -> io::Result<()>;
}

struct Plain<S>(S);

impl<S: Read + Write> Door for Plain<S> {
    fn take(&mut self) -> io::Result<Vec<u8>> {
        read(&mut self.0)
    }

    fn give(&mut self, piece: &[u8]) -> io::Result<()> {
        write(&mut self.0, piece)
    }
}

impl<S: Read + Write> Door for WebSocket<S> {
    fn take(&mut self) -> io::Result<Vec<u8>> {
        match WebSocket::read(self) {
            Ok(Message::Binary(bytes)) => Ok(bytes.to_vec()),
            Ok(_) => Ok(Vec::new()),
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                Ok(Vec::new())
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn give(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut result = self.send(Message::Binary(piece.to_vec().into()));
        while let Err(tungstenite::Error::Io(error)) = &result
            && error.kind() == ErrorKind::WouldBlock
        {
            nap();
            result = self.flush();
        }
        result.map_err(|error| io::Error::other(error.to_string()))
    }
}

fn carry(mut inside: TcpStream, outside: &mut impl Door) -> io::Result<()> {
    loop {
        let out = read(&mut inside)?;
        for piece in out.chunks(PIECE) {
            outside.give(piece)?;
        }
        let back = outside.take()?;
        write(&mut inside, &back)?;
        if out.is_empty() && back.is_empty() {
            nap();
        }
    }
}

/// What is there, and nothing where that is nothing.
fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = [0; 16 * 1024];
    match stream.read(&mut bytes) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(bytes[..count].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write(stream: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => nap(),
            Err(error) => return Err(error),
        }
    }
    while let Err(error) = stream.flush() {
        if error.kind() != ErrorKind::WouldBlock {
            return Err(error);
        }
        nap();
    }
    Ok(())
}

/// Between two looks at sockets that have nothing.
fn nap() {
    thread::sleep(Duration::from_micros(50));
}
