//! HOT PATH: drives all connections of a run on one thread.
//!
//! Owns the poller, the connections and the one receive buffer. A turn waits
//! once, reads each readable socket once, hands whole packets to the scenario's
//! [`Handler`] and sends each connection's bytes with one write. It never judges
//! what a message means.

use std::collections::VecDeque;
use std::io;

use ringmq::protocol::Frame;

use crate::clock::Clock;
use crate::connection::{Connection, Stage, source_address};
use crate::encode::DISCONNECT;
use crate::fault::Fault;
use crate::handshake::{Handshake, Step};
use crate::layers::{Layers, RAW_BYTES};
use crate::parse::{Packet, next_packet};
use crate::plan::Target;
use crate::poller::{Event, Interest, Poller};

/// Receive buffer: one read empties a usual socket buffer.
const RECEIVE_BYTES: usize = 512 * 1024;

/// Handshakes under way at once, below every broker's listen backlog.
pub const CONCURRENT_HANDSHAKES: u32 = 100;

/// A scenario's side of the engine.
pub trait Handler {
    /// `connection` begins to connect.
    fn started(&mut self, _connection: u32, _now: u64) {}

    /// The handshake of `connection` is over.
    fn ready(&mut self, connection: u32, receive_maximum: u16, now: u64);

    /// Takes packets from the front of `bytes` and says how many bytes they
    /// were; answers go to `out`.
    ///
    /// # Errors
    /// What the broker did wrong; the connection is given up.
    fn receive(
        &mut self,
        connection: u32,
        bytes: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault>;

    /// What `connection` had to send was held up and is sent now.
    fn flushed(&mut self, connection: u32);

    /// The next connection that may have something to send of its own.
    fn next_sender(&mut self, now: u64) -> Option<u32>;

    /// Appends what `connection` has to send now.
    fn fill(&mut self, connection: u32, now: u64, out: &mut Vec<u8>);

    /// When the engine must look for senders again, whatever arrives.
    fn next_due(&self) -> Option<u64>;
}

/// All connections of a run.
#[derive(Debug)]
pub struct Engine {
    target: Target,
    clock: Clock,
    poller: Poller,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// What a socket of TLS or WebSocket is read into.
    raw: Vec<u8>,
    waiting: VecDeque<Handshake>,
    handshakes: usize,
    concurrent: usize,
    ready: usize,
    lost: Vec<(u32, Fault)>,
}

impl Engine {
    /// An engine without connections, for packets of at most `max_packet` bytes.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new(target: &Target, clock: Clock, max_packet: usize) -> io::Result<Self> {
        let raw = target.connector.as_ref().map_or(0, |_| RAW_BYTES);
        Ok(Self {
            target: target.clone(),
            clock,
            poller: Poller::new()?,
            connections: Vec::new(),
            buffer: vec![0; RECEIVE_BYTES.max(max_packet * 2)],
            raw: vec![0; raw],
            waiting: VecDeque::new(),
            handshakes: 0,
            concurrent: CONCURRENT_HANDSHAKES as usize,
            ready: 0,
            lost: Vec::new(),
        })
    }

    /// Orders a connection and tells its number. They are numbered 0, 1, ... in
    /// the order of this call; few are opened at a time.
    pub fn order(&mut self, handshake: Handshake) -> u32 {
        self.waiting.push_back(handshake);
        let number = self.connections.len() + self.waiting.len() - 1;
        u32::try_from(number).expect("bounded by descriptors")
    }

    /// Changes how many handshakes may be under way at once.
    pub fn allow_handshakes(&mut self, concurrent: u32) {
        self.concurrent = concurrent as usize;
    }

    /// Whether every ordered connection is ready or lost.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.waiting.is_empty() && self.handshakes == 0
    }

    /// Connections whose handshake succeeded, including those lost since.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// The connections given up, and why.
    #[must_use]
    pub fn lost(&self) -> &[(u32, Fault)] {
        &self.lost
    }

    /// The clock that stamps everything.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Sends what may be sent, waits for events until the instant `until` at the
    /// latest, and serves them.
    ///
    /// # Errors
    /// When the machine fails: no more descriptors or ports.
    pub fn turn<H: Handler>(&mut self, handler: &mut H, until: u64) -> io::Result<()> {
        self.open_waiting(handler)?;
        self.send(handler)?;
        let wake = handler.next_due().map_or(until, |due| due.min(until));
        let timeout = wake.saturating_sub(self.clock.now());
        let count = self.poller.wait(timeout)?;
        for index in 0..count {
            let event = self.poller.event(index);
            self.serve(event, handler)?;
        }
        Ok(())
    }

    /// Never looks again at what comes on a connection: the kernel's buffers fill, and
    /// then the broker's.
    ///
    /// # Errors
    /// When the machine fails.
    pub fn stop_reading(&mut self, number: u32) -> io::Result<()> {
        self.poller.remove(self.connections[number as usize].fd())
    }

    /// Says goodbye on every connection, after the last words that `last` finds
    /// for it, and closes it.
    pub fn close(mut self, last: impl Fn(u32) -> Vec<u8>) {
        for (number, connection) in (0..).zip(&mut self.connections) {
            if matches!(connection.stage, Stage::Ready) && !connection.has_output() {
                connection.out = last(number);
                connection.out.extend_from_slice(&DISCONNECT);
                // A peer that does not take so little gets no goodbye.
                let _ = connection.flush();
                connection.close_layers();
            }
        }
    }

    fn open_waiting<H: Handler>(&mut self, handler: &mut H) -> io::Result<()> {
        while self.handshakes < self.concurrent
            && let Some(handshake) = self.waiting.pop_front()
        {
            let token = u32::try_from(self.connections.len()).expect("bounded by descriptors");
            handler.started(token, self.clock.now());
            let address = self.target.address;
            let source = source_address(address, token);
            let layers = self.target.connector.as_deref().map(Layers::open);
            let connection = Connection::open(address, source, layers.transpose()?, handshake)?;
            self.poller
                .add(connection.fd(), token, Interest::ReadWrite)?;
            self.connections.push(connection);
            self.handshakes += 1;
        }
        Ok(())
    }

    #[inline]
    fn send<H: Handler>(&mut self, handler: &mut H) -> io::Result<()> {
        // What becomes due while others are served waits for the next turn, so
        // that reading is not put off for ever.
        let turn = self.clock.now();
        while let Some(token) = handler.next_sender(turn) {
            let now = self.clock.now();
            let connection = &mut self.connections[token as usize];
            if matches!(connection.stage, Stage::Ready) {
                handler.fill(token, now, &mut connection.out);
                let flushed = connection.flush();
                self.settle(token, flushed)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn serve<H: Handler>(&mut self, event: Event, handler: &mut H) -> io::Result<()> {
        let connection = &mut self.connections[event.token as usize];
        let was_held_up = event.writable && connection.watches_writes;
        let outcome = match &connection.stage {
            Stage::Ready if event.readable => self.receive(event.token, handler),
            Stage::Ready => connection.flush(),
            Stage::Connecting(_) if event.writable => self.connected(event.token),
            Stage::Handshaking(_) => self.shake_hands(event, handler),
            Stage::Connecting(_) | Stage::Lost(_) => Ok(()),
        };
        self.settle(event.token, outcome)?;
        if was_held_up && !self.connections[event.token as usize].has_output() {
            handler.flushed(event.token);
        }
        Ok(())
    }

    #[inline]
    fn receive<H: Handler>(&mut self, token: u32, handler: &mut H) -> Result<(), Fault> {
        let connection = &mut self.connections[token as usize];
        let Some(count) = connection.receive(&mut self.buffer, &mut self.raw)? else {
            return connection.flush();
        };
        let bytes = &self.buffer[..count];
        let now = self.clock.now();
        let taken = handler.receive(token, bytes, now, &mut connection.out)?;
        connection.tail.clear();
        connection.tail.extend_from_slice(&bytes[taken..]);
        connection.flush()
    }

    fn connected(&mut self, token: u32) -> Result<(), Fault> {
        let connection = &mut self.connections[token as usize];
        connection.finish_connect()?;
        if let Stage::Connecting(mut handshake) =
            std::mem::replace(&mut connection.stage, Stage::Ready)
        {
            connection.out.append(&mut handshake.connect);
            connection.stage = Stage::Handshaking(handshake);
        }
        connection.flush()
    }

    fn shake_hands<H: Handler>(&mut self, event: Event, handler: &mut H) -> Result<(), Fault> {
        let connection = &mut self.connections[event.token as usize];
        if event.readable
            && let Some(count) = connection.receive(&mut self.buffer, &mut self.raw)?
        {
            let mut bytes = &self.buffer[..count];
            while let Stage::Handshaking(handshake) = &mut connection.stage
                && let Some((packet, size)) =
                    next_packet(bytes, handshake.version.has_properties())?
            {
                bytes = &bytes[size..];
                let Packet::Other { first, body } = packet else {
                    return Err(Fault::Unexpected(0x30));
                };
                let frame = Frame {
                    first_byte: first,
                    body,
                };
                match handshake.handle(frame)? {
                    Step::Wait => {}
                    Step::Send(subscribe) => connection.out.extend_from_slice(&subscribe),
                    Step::Ready => {
                        let receive_maximum = handshake.receive_maximum();
                        connection.stage = Stage::Ready;
                        self.handshakes -= 1;
                        self.ready += 1;
                        handler.ready(event.token, receive_maximum, self.clock.now());
                    }
                }
            }
            if matches!(connection.stage, Stage::Ready) && !bytes.is_empty() {
                let now = self.clock.now();
                let taken = handler.receive(event.token, bytes, now, &mut connection.out)?;
                bytes = &bytes[taken..];
            }
            connection.tail.clear();
            connection.tail.extend_from_slice(bytes);
        }
        connection.flush()
    }

    /// After a connection was served: watches its writes while it has output,
    /// or gives it up.
    #[inline]
    fn settle(&mut self, token: u32, outcome: Result<(), Fault>) -> io::Result<()> {
        let connection = &mut self.connections[token as usize];
        if let Err(fault) = outcome {
            if matches!(
                connection.stage,
                Stage::Connecting(_) | Stage::Handshaking(_)
            ) {
                self.handshakes -= 1;
            }
            return self.give_up(token, fault);
        }
        let connecting = matches!(connection.stage, Stage::Connecting(_));
        let wants_writes = connecting || connection.has_output();
        if wants_writes != connection.watches_writes {
            connection.watches_writes = wants_writes;
            let interest = if wants_writes {
                Interest::ReadWrite
            } else {
                Interest::Read
            };
            self.poller.modify(connection.fd(), token, interest)?;
        }
        Ok(())
    }

    #[cold]
    fn give_up(&mut self, token: u32, fault: Fault) -> io::Result<()> {
        let connection = &mut self.connections[token as usize];
        connection.stage = Stage::Lost(fault.clone());
        connection.out = Vec::new();
        self.lost.push((token, fault));
        self.poller.remove(connection.fd())
    }
}
