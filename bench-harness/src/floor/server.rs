//! HOT PATH: the floor's loop: one read per readable socket, one send per run and
//! subscriber.
//!
//! Owns the listener and all connections, on the calling thread.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use super::audience::Audience;
use super::runs::{Run, acknowledge_run, next_run};
use crate::encode::acknowledge;
use crate::fault::Fault;
use crate::poller::{Interest, Poller};

/// The listener's name among the poller's tokens; connections count from 0 and
/// their numbers are not used again: a floor serves one run.
const LISTENER: u32 = u32::MAX;

/// Receive buffer, the same as the generator's.
const RECEIVE_BYTES: usize = 512 * 1024;

/// Bytes that may wait for one connection; one that falls further behind is
/// closed, so that nothing is ever lost silently.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// A client.
struct Client {
    stream: TcpStream,
    v5: bool,
    /// The beginning of a packet that is not whole yet.
    tail: Vec<u8>,
    /// What a full socket did not take, in pieces of at most one run.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
}

/// The server.
pub struct Floor {
    listener: TcpListener,
    messages_per_send: usize,
    poller: Poller,
    /// By token; `None`: gone.
    clients: Vec<Option<Client>>,
    audience: Audience,
    /// The receivers of the run at hand, kept for its capacity.
    receivers: Vec<u32>,
    buffer: Vec<u8>,
}

impl Floor {
    /// A server on a bound listener, with at most `messages_per_send` messages in
    /// one send.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new(listener: TcpListener, messages_per_send: usize) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.add(listener.as_fd(), LISTENER, Interest::Read)?;
        Ok(Self {
            listener,
            messages_per_send,
            poller,
            clients: Vec::new(),
            audience: Audience::default(),
            receivers: Vec::new(),
            buffer: vec![0; RECEIVE_BYTES],
        })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the machine fails.
    pub fn run(mut self) -> io::Result<Infallible> {
        loop {
            let count = self.poller.wait(1_000_000_000)?;
            for index in 0..count {
                let event = self.poller.event(index);
                if event.token == LISTENER {
                    self.accept()?;
                    continue;
                }
                let mut served = Ok(());
                if event.writable && self.is_waiting(event.token) {
                    served = self.flush(event.token);
                }
                if served.is_ok() && event.readable {
                    served = self.receive(event.token);
                }
                if served.is_err() {
                    self.drop_client(event.token);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let token = u32::try_from(self.clients.len()).expect("bounded by descriptors");
            self.poller.add(stream.as_fd(), token, Interest::Read)?;
            let client = Client {
                stream,
                v5: false,
                tail: Vec::new(),
                waiting: VecDeque::new(),
                waiting_bytes: 0,
            };
            self.clients.push(Some(client));
        }
    }

    fn is_waiting(&self, token: u32) -> bool {
        self.clients[token as usize]
            .as_ref()
            .is_some_and(|client| !client.waiting.is_empty())
    }

    fn receive(&mut self, token: u32) -> Result<(), Fault> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.receive_into(token, &mut buffer);
        self.buffer = buffer;
        outcome
    }

    fn receive_into(&mut self, token: u32, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(client) = &mut self.clients[token as usize] else {
            return Ok(());
        };
        let kept = client.tail.len();
        if buffer.len() < kept + RECEIVE_BYTES {
            buffer.resize(kept + RECEIVE_BYTES, 0);
        }
        buffer[..kept].copy_from_slice(&client.tail);
        let count = match (&client.stream).read(&mut buffer[kept..]) {
            Ok(0) => return Err(Fault::Closed),
            Ok(count) => kept + count,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(Fault::Io(error.kind())),
        };
        let mut rest = &buffer[..count];
        let mut answers = Vec::new();
        while let Some(run) = next_run(rest, self.messages_per_send)? {
            let size = match run {
                Run::Publish { topic, bytes, .. } => {
                    self.relay(topic, bytes);
                    acknowledge_run(bytes, &mut answers);
                    bytes.len()
                }
                Run::Other { first, body, size } => {
                    self.answer(token, first, body, &mut answers)?;
                    size
                }
            };
            rest = &rest[size..];
        }
        if !answers.is_empty() {
            self.send(token, &answers)?;
        }
        if let Some(client) = &mut self.clients[token as usize] {
            client.tail.clear();
            client.tail.extend_from_slice(rest);
        }
        Ok(())
    }

    #[inline]
    fn relay(&mut self, topic: &[u8], bytes: &[u8]) {
        let mut receivers = std::mem::take(&mut self.receivers);
        self.audience.find(topic, &mut receivers);
        for &token in &receivers {
            // A receiver that is gone is not the sender's fault; its own event
            // says so next.
            let _ = self.send(token, bytes);
        }
        self.receivers = receivers;
    }

    fn answer(
        &mut self,
        token: u32,
        first: u8,
        body: &[u8],
        answers: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Some(client) = &mut self.clients[token as usize] else {
            return Ok(());
        };
        let id = || {
            let id = body.first_chunk::<2>().ok_or(Fault::Malformed)?;
            Ok(u16::from_be_bytes(*id))
        };
        match first >> 4 {
            1 => {
                client.v5 = body.get(6) == Some(&5);
                let connack: &[u8] = if client.v5 {
                    &[0x20, 3, 0, 0, 0]
                } else {
                    &[0x20, 2, 0, 0]
                };
                answers.extend_from_slice(connack);
            }
            8 => {
                let v5 = client.v5;
                let suback = self.subscribe(token, body, v5).ok_or(Fault::Malformed)?;
                answers.extend_from_slice(&suback);
            }
            // PUBREC and PUBREL; what PUBACK and PUBCOMP end needs no answer.
            5 => answers.extend_from_slice(&acknowledge(0x62, id()?)),
            6 => answers.extend_from_slice(&acknowledge(0x70, id()?)),
            4 | 7 => {}
            12 => answers.extend_from_slice(&[0xd0, 0]),
            14 => return Err(Fault::Closed),
            _ => return Err(Fault::Unexpected(first)),
        }
        Ok(())
    }

    /// Takes the filters of a SUBSCRIBE; returns the SUBACK.
    fn subscribe(&mut self, token: u32, body: &[u8], v5: bool) -> Option<Vec<u8>> {
        let (id, mut rest) = body.split_first_chunk::<2>()?;
        let mut answer = id.to_vec();
        if v5 {
            // The harness subscribes without properties, or with few.
            let skipped = usize::from(*rest.first()?);
            rest = rest.get(1 + skipped..)?;
            answer.push(0);
        }
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (filter, after) = after.split_at_checked(length)?;
            let (options, after) = after.split_first()?;
            self.audience.add(filter, token);
            answer.push(options & 3);
            rest = after;
        }
        let length = u8::try_from(answer.len()).ok().filter(|&at| at < 128)?;
        let mut suback = vec![0x90, length];
        suback.append(&mut answer);
        Some(suback)
    }

    #[inline]
    fn send(&mut self, token: u32, bytes: &[u8]) -> Result<(), Fault> {
        let Some(client) = &mut self.clients[token as usize] else {
            return Ok(());
        };
        let mut sent = 0;
        if client.waiting.is_empty() {
            match (&client.stream).write(bytes) {
                Ok(count) => sent = count,
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(Fault::Io(error.kind())),
            }
        }
        if sent < bytes.len() {
            self.keep(token, &bytes[sent..])?;
        }
        Ok(())
    }

    #[cold]
    fn keep(&mut self, token: u32, bytes: &[u8]) -> Result<(), Fault> {
        let Some(client) = &mut self.clients[token as usize] else {
            return Ok(());
        };
        client.waiting_bytes += bytes.len();
        if client.waiting_bytes > WAITING_BYTES_MAX {
            self.drop_client(token);
            return Err(Fault::TooLarge);
        }
        if client.waiting.is_empty() {
            self.poller
                .modify(client.stream.as_fd(), token, Interest::ReadWrite)
                .map_err(|error| Fault::Io(error.kind()))?;
        }
        client.waiting.push_back(bytes.to_vec());
        Ok(())
    }

    fn flush(&mut self, token: u32) -> Result<(), Fault> {
        let Some(client) = &mut self.clients[token as usize] else {
            return Ok(());
        };
        while let Some(piece) = client.waiting.front_mut() {
            match (&client.stream).write(piece) {
                Ok(count) => {
                    client.waiting_bytes -= count;
                    if count < piece.len() {
                        piece.drain(..count);
                        return Ok(());
                    }
                    client.waiting.pop_front();
                }
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(Fault::Io(error.kind())),
            }
        }
        self.poller
            .modify(client.stream.as_fd(), token, Interest::Read)
            .map_err(|error| Fault::Io(error.kind()))
    }

    fn drop_client(&mut self, token: u32) {
        // Closing the descriptor takes it out of the poller.
        self.clients[token as usize] = None;
        self.audience.remove(token);
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
