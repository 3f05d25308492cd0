//! The bytes' way between a session and its server: the socket, and TLS and
//! WebSocket on it where the settings say so.
//!
//! Owns the socket and what of the transport's bytes is not written yet. Lives on the
//! main thread; never blocks and never reads a packet.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd};

use socket2::Socket;

use super::arguments::ConnectionSettings;
use super::dial::dial;
use super::failure::{Failure, NOT_STARTED};
use super::link::Lost;
use crate::client::Input;
use crate::transport::TransportError;
use crate::transport::client::ClientTransport;

/// What one frame carries at most, in bytes: the first of many messages is not to
/// wait for the last one's encryption.
const FRAME_MAX: usize = 64 * 1024;

/// What is read from the socket at once where a transport works on it.
const READ_SIZE: usize = 16 * 1024;

/// A connection to the server.
pub(crate) struct Wire {
    socket: Socket,
    transport: Option<Box<ClientTransport>>,
    /// The transport's bytes for the socket, and how many of them are written.
    output: Vec<u8>,
    written: usize,
}

impl Wire {
    /// Connects; a transport's handshake goes on as bytes are written and read.
    pub(crate) fn open(settings: &ConnectionSettings) -> Result<Self, Failure> {
        let socket = dial(settings)?;
        let connector = &settings.connector;
        let transport = if connector.is_plain() {
            None
        } else {
            let opened = connector.open(entropy());
            let opened = opened.map_err(|error| Failure::new(NOT_STARTED, error))?;
            Some(Box::new(opened))
        };
        Ok(Self {
            socket,
            transport,
            output: Vec::new(),
            written: 0,
        })
    }

    /// The socket, to wait for.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether everything that was accepted is with the kernel.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// Whether room in the socket would be of use to a session that has output.
    pub(crate) fn wants_room(&self, session_has_output: bool) -> bool {
        !self.output.is_empty() || (session_has_output && self.is_established())
    }

    fn is_established(&self) -> bool {
        let transport = self.transport.as_ref();
        transport.is_none_or(|transport| transport.is_established())
    }

    /// Writes what the socket takes; how many bytes of `plain` are accepted. They need
    /// not be offered again, but may still be on their way out.
    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<usize, Lost> {
        let Some(transport) = &mut self.transport else {
            return write_some(&mut self.socket, plain);
        };
        let mut accepted = 0;
        loop {
            if self.output.is_empty() {
                transport.take_output(&mut self.output);
                let rest = &plain[accepted..];
                if transport.is_established() && !rest.is_empty() {
                    let part = &rest[..rest.len().min(FRAME_MAX)];
                    transport.send(part, &mut self.output).map_err(lost)?;
                    accepted += part.len();
                }
                if self.output.is_empty() {
                    return Ok(accepted);
                }
            }
            let size = write_some(&mut self.socket, &self.output[self.written..])?;
            self.written += size;
            if self.written == self.output.len() {
                self.output.clear();
                self.written = 0;
            } else if size == 0 {
                return Ok(accepted);
            }
        }
    }

    /// Reads what the socket has, once. `wanted` is as for [`Input::space`].
    pub(crate) fn read(&mut self, input: &mut Input, wanted: Option<usize>) -> Result<(), Lost> {
        let Some(transport) = &mut self.transport else {
            let size = read_some(&mut self.socket, input.space(wanted))?;
            input.commit(size);
            return Ok(());
        };
        let mut bytes = [0; READ_SIZE];
        let size = read_some(&mut self.socket, &mut bytes)?;
        let received = transport.receive(&mut bytes[..size], &mut |plain| {
            input.space(Some(input.bytes().len() + plain.len()))[..plain.len()]
                .copy_from_slice(plain);
            input.commit(plain.len());
        });
        if let Err(error) = received {
            // The server is told why, as far as it still listens.
            let _ = self.write(&[]);
            return Err(lost(error));
        }
        Ok(())
    }

    /// Queues the transport's farewell.
    pub(crate) fn close(&mut self) {
        if let Some(transport) = &mut self.transport {
            transport.close(&mut self.output);
        }
    }

    /// Ends our side; false where the connection is gone.
    pub(crate) fn shut_down(&self) -> bool {
        self.socket.shutdown(Shutdown::Write).is_ok()
    }
}

/// 0: the socket takes nothing at the moment.
fn write_some(socket: &mut Socket, bytes: &[u8]) -> Result<usize, Lost> {
    if bytes.is_empty() {
        return Ok(0);
    }
    loop {
        match socket.write(bytes) {
            Ok(0) => return Err(Lost::EndOfStream),
            Ok(size) => return Ok(size),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Lost::Io(error)),
        }
    }
}

/// 0: nothing is there yet.
fn read_some(socket: &mut Socket, space: &mut [u8]) -> Result<usize, Lost> {
    match socket.read(space) {
        Ok(0) => Err(Lost::EndOfStream),
        Ok(size) => Ok(size),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        Err(error) => Err(Lost::Io(error)),
    }
}

fn lost(error: TransportError) -> Lost {
    if error.is_orderly() {
        Lost::EndOfStream
    } else {
        Lost::Transport(error)
    }
}

/// Nobody foresees it: each hasher has a random key.
fn entropy() -> [u8; 16] {
    let half = || RandomState::new().build_hasher().finish().to_ne_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half());
    bytes[8..].copy_from_slice(&half());
    bytes
}
