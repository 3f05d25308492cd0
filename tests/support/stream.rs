//! A stream of bytes to a broker, over whichever transport the test wants.
//!
//! Owns the socket and what lies on it: TLS by rustls, WebSocket by tungstenite, both driven by
//! a blocking socket with time-outs. Knows nothing of MQTT. A frame is a message of whatever is
//! written at once; a broker that sends anything but binary frames fails the test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// How a client reaches a broker.
#[derive(Clone, Debug)]
pub enum Way {
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ClientConfig>),
    WebSocket(SocketAddr),
    SecureWebSocket(SocketAddr, Arc<ClientConfig>),
    Unix(PathBuf),
}

/// What a transport lies on.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Socket {
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tcp(connected(address)?))
    }

    /// TLS; the handshake happens with the first read or write.
    pub fn tls(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(session, connected(address)?);
        Ok(Self::Tls(Box::new(stream)))
    }

    pub fn set_read_timeout(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(patience),
            Self::Unix(stream) => stream.set_read_timeout(patience),
            Self::Tls(stream) => stream.sock.set_read_timeout(patience),
        }
    }
}

fn connected(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Bytes of MQTT in both directions.
#[derive(Debug)]
pub enum Stream {
    Direct(Socket),
    Framed {
        frames: Box<WebSocket<Socket>>,
        /// Of the last frame, what was not read yet.
        rest: Vec<u8>,
    },
}

impl Stream {
    pub fn open(way: &Way) -> io::Result<Self> {
        match way {
            Way::Tcp(address) => Ok(Self::Direct(Socket::tcp(*address)?)),
            Way::Unix(path) => Ok(Self::Direct(Socket::Unix(UnixStream::connect(path)?))),
            Way::Tls(address, config) => {
                Ok(Self::Direct(Socket::tls(*address, config, "localhost")?))
            }
            Way::WebSocket(address) => {
                Self::upgrade(Socket::tcp(*address)?, &format!("ws://{address}/mqtt"), &[])
            }
            Way::SecureWebSocket(address, config) => Self::upgrade(
                Socket::tls(*address, config, "localhost")?,
                &format!("wss://{address}/mqtt"),
                &[],
            ),
        }
    }

    /// Asks for WebSocket with further header fields.
    pub fn upgrade(socket: Socket, url: &str, fields: &[(&'static str, &str)]) -> io::Result<Self> {
        socket.set_read_timeout(Some(super::client::PATIENCE))?;
        let mut request = url.into_client_request().map_err(io::Error::other)?;
        let mut add = |name, value: &str| -> io::Result<()> {
            let value = value.parse().map_err(io::Error::other)?;
            request.headers_mut().insert(name, value);
            Ok(())
        };
        add("sec-websocket-protocol", "mqtt")?;
        for (name, value) in fields {
            add(name, value)?;
        }
        let (frames, answer) = tungstenite::client(request, socket)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let spoken = answer.headers().get("sec-websocket-protocol");
        assert_eq!(
            spoken.map(|value| value.as_bytes()),
            Some(&b"mqtt"[..]),
            "the subprotocol is echoed [MQTT-6.0.0-4]"
        );
        Ok(Self::Framed {
            frames: Box::new(frames),
            rest: Vec::new(),
        })
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Direct(socket) => socket.write_all(bytes),
            Self::Framed { frames, .. } => frames
                .send(Message::Binary(bytes.to_vec().into()))
                .map_err(wire_error),
        }
    }

    /// Says that nothing more follows, in the words of whatever lies on the socket.
    pub fn say_goodbye(&mut self) {
        let socket = match self {
            Self::Direct(socket) => socket,
            Self::Framed { frames, .. } => {
                // Where the peer has gone already nobody misses it.
                let _ = frames.close(None).and_then(|()| frames.flush());
                frames.get_mut()
            }
        };
        if let Socket::Tls(stream) = socket {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    /// Ends our side of the socket without a word in whatever lies on it.
    pub fn end_writing(&mut self) -> io::Result<()> {
        let socket = match self {
            Self::Direct(socket) => socket,
            Self::Framed { frames, .. } => frames.get_mut(),
        };
        match socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            Socket::Tls(stream) => stream.sock.shutdown(Shutdown::Write),
        }
    }

    /// Reads what there is; an error of kind `WouldBlock` or `TimedOut` when nothing came.
    pub fn read_within(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        match self {
            Self::Direct(socket) => {
                socket.set_read_timeout(Some(patience))?;
                socket.read(buffer)
            }
            Self::Framed { frames, rest } => {
                frames.get_ref().set_read_timeout(Some(patience))?;
                while rest.is_empty() {
                    match frames.read() {
                        Ok(Message::Binary(bytes)) => rest.extend_from_slice(&bytes),
                        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                        Ok(Message::Text(text)) => {
                            panic!("MQTT in a text frame [MQTT-6.0.0-1]: {text}")
                        }
                        Ok(Message::Close(_)) => return Ok(0),
                        Err(error) => return end_of_frames(error),
                    }
                }
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                rest.drain(..count);
                Ok(count)
            }
        }
    }
}

fn end_of_frames(error: tungstenite::Error) -> io::Result<usize> {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Ok(0),
        other => Err(wire_error(other)),
    }
}

fn wire_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::new(ErrorKind::InvalidData, other.to_string()),
    }
}
