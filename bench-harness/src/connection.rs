//! One client connection of the generator: its socket and the bytes under way.
//!
//! Owned by the engine. Knows nothing of scenarios. An idle connection holds no
//! buffer: whole packets are read in the engine's buffer, and only the start of
//! a packet that is still coming is kept here.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::fault::{Fault, is_transient};
use crate::handshake::Handshake;
use crate::layers::Layers;

/// Connections made from one loopback address before the next one is taken. The
/// kernel's usual range has 28,232 ports; the rest is left to others.
pub const CONNECTIONS_PER_ADDRESS: u32 = 20_000;

/// A non-blocking connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The beginning of a packet that is not whole yet.
    pub tail: Vec<u8>,
    /// Bytes to send; those before `sent` are sent.
    pub out: Vec<u8>,
    sent: usize,
    /// TLS and WebSocket, where they are spoken.
    layers: Option<Box<Layers>>,
    /// Whether the poller reports room to write.
    pub watches_writes: bool,
    /// Where the connection stands.
    pub stage: Stage,
}

/// Where a connection stands.
#[derive(Debug)]
pub enum Stage {
    /// TCP connect is under way.
    Connecting(Box<Handshake>),
    /// CONNECT is sent.
    Handshaking(Box<Handshake>),
    /// Takes part in the run.
    Ready,
    /// Given up.
    Lost(Fault),
}

/// The local address of the connection with this number: `None` is the kernel's
/// choice; towards a loopback broker 127.0.0.1, 127.0.0.2, ...
#[must_use]
pub fn source_address(target: SocketAddr, number: u32) -> Option<IpAddr> {
    match target.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let base = u32::from(Ipv4Addr::LOCALHOST);
            let address = base + number / CONNECTIONS_PER_ADDRESS;
            Some(IpAddr::V4(Ipv4Addr::from(address)))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    /// When the process is out of descriptors or ports.
    pub fn open(
        target: SocketAddr,
        source: Option<IpAddr>,
        layers: Option<Layers>,
        handshake: Handshake,
    ) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            stream: socket.into(),
            tail: Vec::new(),
            out: Vec::new(),
            sent: 0,
            layers: layers.map(Box::new),
            watches_writes: true,
            stage: Stage::Connecting(Box::new(handshake)),
        })
    }

    /// The socket, for the poller.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the TCP connection stands, once it is writable.
    ///
    /// # Errors
    /// Why it does not.
    pub fn finish_connect(&self) -> Result<(), Fault> {
        match self.stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(Fault::Connect(error.kind())),
        }
    }

    /// Whether bytes wait to be sent and only the socket holds them up.
    #[must_use]
    pub fn has_output(&self) -> bool {
        match &self.layers {
            None => !self.out.is_empty(),
            Some(layers) => layers.has_output(!self.out.is_empty()),
        }
    }

    /// Reads behind the kept tail, which is put in front; returns how many bytes
    /// of `buffer` are filled, or `None` where nothing has arrived. `raw` is where
    /// TLS and WebSocket read.
    ///
    /// # Errors
    /// When the connection is over.
    #[inline]
    pub fn receive(&mut self, buffer: &mut [u8], raw: &mut [u8]) -> Result<Option<usize>, Fault> {
        let kept = self.tail.len();
        if kept >= buffer.len() {
            return Err(Fault::TooLarge);
        }
        buffer[..kept].copy_from_slice(&self.tail);
        if let Some(layers) = &mut self.layers {
            return layers.receive(&self.stream, raw, buffer, kept);
        }
        match (&self.stream).read(&mut buffer[kept..]) {
            Ok(0) => Err(Fault::Closed),
            Ok(count) => Ok(Some(kept + count)),
            Err(error) if is_transient(&error) => Ok(None),
            Err(error) => Err(Fault::Io(error.kind())),
        }
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// When the connection is over.
    #[inline]
    pub fn flush(&mut self) -> Result<(), Fault> {
        if let Some(layers) = &mut self.layers {
            return layers.flush(&self.stream, &mut self.out);
        }
        while self.sent < self.out.len() {
            match (&self.stream).write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if is_transient(&error) => {
                    // The sent part is dropped now, so that a buffer that is
                    // never quite empty does not grow for ever.
                    self.out.drain(..self.sent);
                    self.sent = 0;
                    return Ok(());
                }
                Err(error) => return Err(Fault::Io(error.kind())),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Says goodbye in the words of TLS and WebSocket, after everything else.
    pub fn close_layers(&mut self) {
        if let Some(layers) = &mut self.layers {
            layers.close(&self.stream);
        }
    }
}
