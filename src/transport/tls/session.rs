//! HOT PATH: one TLS connection, bytes in, bytes out, either side.
//!
//! Owns rustls' state machine and the bytes of a record that is not whole yet.
//! Pure: its unbuffered interface touches no socket and no clock but for
//! certificates' dates. Idle it holds no buffer at all. A handshake's arithmetic
//! happens within one [`Session::receive`].

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

use crate::transport::TransportError;

/// Payload of a record at most (RFC 8446, section 5.1).
const RECORD_PAYLOAD: usize = 1 << 14;
/// What a record adds to its payload at most: head, explicit nonce, type, tag.
const RECORD_OVERHEAD: usize = 5 + 8 + 1 + 16;
/// Content type, version and length of a record.
const RECORD_HEAD: usize = 5;
/// Bytes held for a handshake message that spans records; rustls refuses messages
/// above 64 KiB itself.
const MAX_HELD: usize = 128 * 1024;

/// Either side of rustls' unbuffered connection.
pub(in crate::transport) trait Machine {
    /// The marker type of the side.
    type Data;
    /// The facts of the connection.
    fn common(&self) -> &CommonState;
    /// rustls' step.
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Machine for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn common(&self) -> &CommonState {
        self
    }

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Machine for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn common(&self) -> &CommonState {
        self
    }

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// Who gets what a connection brings.
pub(in crate::transport) trait Inner {
    /// Once, before any bytes: the handshake is over.
    fn established(&mut self, facts: &CommonState) -> Result<(), TransportError>;
    /// The plain bytes of a record.
    fn bytes(&mut self, plain: &[u8]) -> Result<(), TransportError>;
}

/// A connection.
pub(in crate::transport) struct Session<M> {
    machine: M,
    /// Received and not consumed: part of a record, or of a handshake message.
    held: Vec<u8>,
    /// Handshake records and alerts that the peer is owed.
    output: Vec<u8>,
    /// The end of the handshake was told.
    established: bool,
    /// The peer's `close_notify` came.
    ended: bool,
    /// Ours is written, or nothing can be written any more.
    closed: bool,
}

impl<M> std::fmt::Debug for Session<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("held", &self.held.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<M: Machine> Session<M> {
    pub(in crate::transport) const fn new(machine: M) -> Self {
        Self {
            machine,
            held: Vec::new(),
            output: Vec::new(),
            established: false,
            ended: false,
            closed: false,
        }
    }

    /// The facts of the connection.
    pub(in crate::transport) fn common(&self) -> &CommonState {
        self.machine.common()
    }

    /// Whether keys are still to be agreed upon.
    pub(in crate::transport) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Takes bytes of the connection; hands over what its records hold.
    ///
    /// # Errors
    /// The connection is of no more use; an alert that tells the peer why waits in
    /// the output.
    pub(in crate::transport) fn receive(
        &mut self,
        mut input: &mut [u8],
        inner: &mut impl Inner,
    ) -> Result<(), TransportError> {
        // Where bytes are held, first as few as complete the record, so that those
        // behind it need not be copied; all of them once that was not enough.
        while !self.held.is_empty() && !input.is_empty() && !self.ended {
            let missing = missing(&self.held).unwrap_or(input.len());
            let (part, rest) = input.split_at_mut(missing.min(input.len()));
            input = rest;
            self.held.extend_from_slice(part);
            if self.held.len() > MAX_HELD {
                return Err(Error::General("a handshake message is too large".into()).into());
            }
            let mut held = std::mem::take(&mut self.held);
            let used = self.consume(&mut held, inner)?;
            held.drain(..used);
            if !held.is_empty() {
                self.held = held;
            }
        }
        if !input.is_empty() && !self.ended {
            let used = self.consume(input, inner)?;
            self.held.extend_from_slice(&input[used..]);
        }
        if self.ended {
            return Err(TransportError::Ended);
        }
        Ok(())
    }

    /// Lets rustls work on `buffer`: how many of its bytes are done with.
    fn consume(
        &mut self,
        buffer: &mut [u8],
        inner: &mut impl Inner,
    ) -> Result<usize, TransportError> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } = self.machine.process(&mut buffer[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) if self.established => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        used += record.discard;
                        inner.bytes(record.payload)?;
                    }
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    // Behind the peer's last handshake message in one step; the
                    // facts come first, and are not to be had meanwhile.
                    let mut records = Vec::new();
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        used += record.discard;
                        records.push(record.payload.to_vec());
                    }
                    self.establish(inner)?;
                    records.iter().try_for_each(|plain| inner.bytes(plain))?;
                }
                Ok(ConnectionState::EncodeTlsData(encode)) => push_record(encode, &mut self.output),
                Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(
                    ConnectionState::BlockedHandshake
                    | ConnectionState::WriteTraffic(_)
                    | ConnectionState::Closed,
                ) => {
                    self.establish(inner)?;
                    return Ok(used);
                }
                // Early data is never offered.
                Ok(_) => return Err(TransportError::NotOpen),
                Err(error) => {
                    self.alert();
                    return Err(error.into());
                }
            }
        }
    }

    fn establish(&mut self, inner: &mut impl Inner) -> Result<(), TransportError> {
        if !self.established && !self.machine.common().is_handshaking() {
            self.established = true;
            inner.established(self.machine.common())?;
        }
        Ok(())
    }

    /// After an error: moves the alert that rustls has for the peer to the output.
    ///
    /// Only what is already written is asked for: rustls must neither look at
    /// the offending bytes again (it asserts that there is one fatal alert) nor be
    /// asked later without the bytes before them.
    fn alert(&mut self) {
        self.closed = true;
        while self.machine.common().wants_write() {
            match self.machine.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(encode)) => push_record(encode, &mut self.output),
                _ => return,
            }
        }
    }

    /// Starts a client's handshake.
    pub(in crate::transport) fn start(
        &mut self,
        inner: &mut impl Inner,
    ) -> Result<(), TransportError> {
        self.consume(&mut [], inner).map(|_| ())
    }

    /// Appends what the peer is owed.
    pub(in crate::transport) fn take_output(&mut self, wire: &mut Vec<u8>) {
        if !self.output.is_empty() {
            wire.append(&mut self.output);
            self.output = Vec::new();
        }
    }

    /// Whether the peer is owed anything.
    pub(in crate::transport) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Appends `plain` in records.
    ///
    /// # Errors
    /// The handshake is not over, the connection was closed, or its keys are used up.
    pub(in crate::transport) fn send(
        &mut self,
        plain: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<(), TransportError> {
        if self.closed {
            return Err(TransportError::NotOpen);
        }
        self.take_output(wire);
        let records = plain.len() / RECORD_PAYLOAD + 1;
        let estimate = plain.len() + records * RECORD_OVERHEAD;
        self.write(wire, estimate, |traffic, space| {
            traffic.encrypt(plain, space)
        })
    }

    /// Appends `close_notify`, once, if the handshake went that far.
    pub(in crate::transport) fn close(&mut self, wire: &mut Vec<u8>) {
        self.take_output(wire);
        if !self.closed {
            let _ = self.write(wire, 2 + RECORD_OVERHEAD, |traffic, space| {
                traffic.queue_close_notify(space)
            });
            self.closed = true;
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else the state is, it is not the one to write in"
    )]
    fn write(
        &mut self,
        wire: &mut Vec<u8>,
        estimate: usize,
        mut encrypt: impl FnMut(
            &mut WriteTraffic<'_, M::Data>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), TransportError> {
        let Self { machine, held, .. } = self;
        loop {
            // `held` and no empty slice: rustls remembers how far into it it has read.
            match machine.process(held).state? {
                ConnectionState::EncodeTlsData(encode) => push_record(encode, wire),
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::PeerClosed => self.ended = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    return fill(wire, estimate, |space| encrypt(&mut traffic, space));
                }
                _ => return Err(TransportError::NotOpen),
            }
        }
    }
}

/// Grows `wire` by what `encrypt` writes into the space it is given.
fn fill(
    wire: &mut Vec<u8>,
    estimate: usize,
    mut encrypt: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), TransportError> {
    let start = wire.len();
    let mut size = estimate;
    loop {
        wire.resize(start + size, 0);
        let result = encrypt(&mut wire[start..]);
        wire.truncate(start + result.as_ref().map_or(0, |written| *written));
        match result {
            Ok(_) => return Ok(()),
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > size =>
            {
                size = required_size;
            }
            Err(_) => return Err(TransportError::NotOpen),
        }
    }
}

fn push_record<D>(mut encode: EncodeTlsData<'_, D>, wire: &mut Vec<u8>) {
    let Err(EncodeError::InsufficientSize(error)) = encode.encode(&mut []) else {
        return;
    };
    let start = wire.len();
    wire.resize(start + error.required_size, 0);
    let written = encode.encode(&mut wire[start..]).unwrap_or_default();
    wire.truncate(start + written);
}

/// How many bytes the record in `held` lacks: up to its head, then up to its end;
/// `None` where a whole record is there, which then belongs to a longer message.
fn missing(held: &[u8]) -> Option<usize> {
    let Some(head) = held.first_chunk::<RECORD_HEAD>() else {
        return Some(RECORD_HEAD - held.len());
    };
    let size = RECORD_HEAD + usize::from(u16::from_be_bytes([head[3], head[4]]));
    size.checked_sub(held.len()).filter(|missing| *missing > 0)
}
