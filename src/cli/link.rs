//! A client session on a connection: the driver of `pub` and `sub`.
//!
//! Owns the connection, the bytes not yet parsed and the clock; the rules of MQTT are
//! [`Session`]'s, the socket and the transport on it are [`Wire`]'s. One thread does everything: each [`Link::turn`] writes what is
//! queued, waits for the socket, a further descriptor or a deadline, and reads.
//! Lives on the main thread; never blocks anywhere but in poll(2).

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::arguments::ConnectionSettings;
use super::dial::plain;
use super::failure::{CONNECTION_LOST, Failure, PROTOCOL, TLS};
use super::poll::{Watch, wait};
use super::wire::Wire;
use crate::client::{Event, Input, Options, Session, SessionError, Status};
use crate::protocol::ReasonCode;
use crate::time::Timestamp;
use crate::transport::TransportError;

/// Between attempts to reach a server again, as libmosquitto has it.
pub(crate) const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Bytes waiting to be written above which nothing more is read or published:
/// a server that does not read is not to fill this process's memory.
pub(crate) const OUTPUT_MAX: usize = 1 << 20;

/// How long a farewell may take: the last bytes out, the server's close in.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A session and its connection.
pub(crate) struct Link<'s> {
    settings: &'s ConnectionSettings,
    pub(crate) session: Session,
    wire: Option<Wire>,
    input: Input,
    /// Size of the incomplete packet at the start of the input, where known.
    wanted: Option<usize>,
    origin: Instant,
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The machine says so.
    Io(io::Error),
    /// The server closed it.
    EndOfStream,
    /// TLS or WebSocket failed.
    Transport(TransportError),
    /// The session says so.
    Session(SessionError),
    /// The server said goodbye, with its reason.
    Disconnected(ReasonCode),
}

impl Lost {
    /// The end of a command that does not try again.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Io(_) | Self::EndOfStream => Failure::new(CONNECTION_LOST, self),
            Self::Session(SessionError::ConnectTimeout | SessionError::KeepAliveTimeout) => {
                Failure::new(CONNECTION_LOST, self)
            }
            Self::Session(SessionError::Malformed(_) | SessionError::Violation(_)) => {
                Failure::new(PROTOCOL, self)
            }
            Self::Transport(TransportError::Tls(_)) => Failure::new(TLS, self),
            Self::Transport(_) => Failure::new(PROTOCOL, self),
            Self::Disconnected(reason) => Failure::new(reason.as_u8(), self),
        }
    }

    /// Whether another attempt may do better. Not where the server breaks the
    /// protocol or does not want this client: both would happen again; and where
    /// another client took the session over, the two would take turns for ever.
    pub(crate) const fn is_passing(&self) -> bool {
        match self {
            Self::Io(_) | Self::EndOfStream => true,
            Self::Transport(_) => false,
            Self::Session(error) => !matches!(
                error,
                SessionError::Malformed(_) | SessionError::Violation(_)
            ),
            Self::Disconnected(reason) => matches!(
                reason,
                ReasonCode::Success
                    | ReasonCode::UnspecifiedError
                    | ReasonCode::ImplementationSpecific
                    | ReasonCode::ServerBusy
                    | ReasonCode::ServerShuttingDown
                    | ReasonCode::KeepAliveTimeout
                    | ReasonCode::ReceiveMaximumExceeded
                    | ReasonCode::MessageRateTooHigh
                    | ReasonCode::QuotaExceeded
                    | ReasonCode::AdministrativeAction
                    | ReasonCode::ConnectionRateExceeded
                    | ReasonCode::MaximumConnectTime
            ),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "Error: The connection was lost: {}", plain(error)),
            Self::EndOfStream => f.write_str("Error: The connection was lost."),
            Self::Transport(error) => write!(f, "Error: {error}."),
            Self::Session(error) => write!(f, "Error: {error}."),
            Self::Disconnected(reason) => {
                write!(
                    f,
                    "Error: The server ended the connection: {}.",
                    reason.name()
                )
            }
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a turn ended with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// The further descriptor has something to read.
    pub(crate) watched: bool,
    /// A PINGREQ is queued.
    pub(crate) pinged: bool,
}

impl<'s> Link<'s> {
    /// Connects, and queues the CONNECT.
    pub(crate) fn open(settings: &'s ConnectionSettings) -> Result<Self, Failure> {
        let wire = Wire::open(settings)?;
        let options = Options {
            max_inflight: settings.max_inflight,
            ..Options::default()
        };
        let session = Session::new(&settings.connect(), options, Timestamp::ZERO)
            .map_err(|error| Failure::usage(format_args!("{error}")))?;
        Ok(Self {
            settings,
            session,
            wire: Some(wire),
            input: Input::new(),
            wanted: None,
            origin: Instant::now(),
        })
    }

    /// Connects again, and queues the CONNECT again.
    pub(crate) fn reopen(&mut self) -> Result<(), Failure> {
        self.wire = None;
        self.session.handle_closed();
        self.wire = Some(Wire::open(self.settings)?);
        self.input.clear();
        self.wanted = None;
        self.session.reconnect(self.now());
        Ok(())
    }

    /// The session's clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO.plus(self.origin.elapsed())
    }

    /// Whether the output has room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.session.output().len() < OUTPUT_MAX
    }

    /// Drops the connection; turns only wait until [`Link::reopen`].
    pub(crate) fn drop_connection(&mut self) {
        self.wire = None;
        self.session.handle_closed();
    }

    /// Writes, waits and reads, once each. Returns when the socket or `watched`
    /// is ready, at `until`, or when the session wants to be looked after.
    pub(crate) fn turn(
        &mut self,
        watched: Option<BorrowedFd<'_>>,
        until: Option<Timestamp>,
    ) -> Result<Turn, Lost> {
        self.write()?;
        let deadline = match self.wire {
            Some(_) => [self.session.next_deadline(), until]
                .into_iter()
                .flatten()
                .min(),
            None => until,
        };
        let timeout = deadline.map(|deadline| deadline.since(self.now()));
        let mut watches = Vec::with_capacity(2);
        let has_room = self.has_room();
        let has_output = !self.session.output().is_empty();
        if let Some(wire) = &self.wire {
            watches.push(Watch {
                descriptor: wire.descriptor(),
                read: has_room,
                write: wire.wants_room(has_output),
            });
        }
        let own = watches.len();
        watches.extend(watched.map(|descriptor| Watch {
            descriptor,
            read: true,
            write: false,
        }));
        wait(&mut watches, timeout)?;
        let turn_watched = watches.get(own).is_some_and(|watch| watch.read);
        let (read, write) = watches
            .first()
            .filter(|_| own > 0)
            .map_or((false, false), |w| (w.read, w.write));
        drop(watches);
        if write {
            self.write()?;
        }
        if read {
            self.read()?;
        }
        let pinged = match self.wire {
            Some(_) => self
                .session
                .handle_timeout(self.now())
                .map_err(Lost::Session)?,
            None => false,
        };
        Ok(Turn {
            watched: turn_watched,
            pinged,
        })
    }

    /// Hands over the events of the bytes received, until `act` returns false.
    pub(crate) fn events(
        &mut self,
        mut act: impl FnMut(&mut Session, Event<'_>) -> bool,
    ) -> Result<(), Lost> {
        let now = self.now();
        loop {
            let progress = self
                .session
                .handle(self.input.bytes(), now)
                .map_err(Lost::Session)?;
            if progress.consumed == 0 {
                self.wanted = progress.wanted;
                return Ok(());
            }
            let reason = match &progress.event {
                Some(Event::Disconnected(disconnect)) => Some(disconnect.reason),
                _ => None,
            };
            let more = progress
                .event
                .is_none_or(|event| act(&mut self.session, event));
            self.input.consume(progress.consumed);
            if let Some(reason) = reason {
                return Err(Lost::Disconnected(reason));
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Says goodbye: everything queued goes out, and the server closes. Closing
    /// first could lose what is still on its way: a reset overtakes data.
    ///
    /// An error means that not everything went out.
    pub(crate) fn close(mut self) -> Result<(), Lost> {
        let deadline = self.now().plus(CLOSE_TIMEOUT);
        self.drain(deadline)?;
        if let Some(wire) = &mut self.wire {
            wire.close();
        }
        self.drain(deadline)?;
        let mut open = self.wire.as_ref().is_some_and(Wire::shut_down);
        while open && self.now() < deadline {
            open = self.turn(None, Some(deadline)).is_ok();
            self.input.clear();
        }
        Ok(())
    }

    /// Writes until nothing is left.
    fn drain(&mut self, deadline: Timestamp) -> Result<(), Lost> {
        loop {
            self.write()?;
            let flushed = self.wire.as_ref().is_none_or(Wire::is_flushed);
            if flushed && self.session.output().is_empty() {
                return Ok(());
            }
            if self.now() >= deadline {
                return Err(Lost::Io(ErrorKind::TimedOut.into()));
            }
            self.turn(None, Some(deadline))?;
            self.input.clear();
        }
    }

    fn write(&mut self) -> Result<(), Lost> {
        let Some(wire) = &mut self.wire else {
            return Ok(());
        };
        loop {
            let size = wire.write(self.session.output())?;
            if size == 0 {
                return Ok(());
            }
            let now = Timestamp::ZERO.plus(self.origin.elapsed());
            self.session.handle_sent(size, now);
        }
    }

    fn read(&mut self) -> Result<(), Lost> {
        match &mut self.wire {
            Some(wire) => wire.read(&mut self.input, self.wanted),
            None => Ok(()),
        }
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.session.handle_closed();
    }
}

/// Whether the session can be used.
pub(crate) const fn is_connected(session: &Session) -> bool {
    matches!(session.status(), Status::Connected)
}
