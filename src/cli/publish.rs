//! `ringmq pub`: publish and leave.
//!
//! Owns the payload, or the lines of standard input not yet published. One thread
//! streams, listens and pings (`link.rs`). Never reads more lines than the window
//! and the output take.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};

use super::arguments::{Payload, PublishSettings};
use super::console::{Console, refusal_code};
use super::failure::{CLIENT_USAGE, Failure, NOT_STARTED};
use super::lines::Lines;
use super::link::{Link, Lost, RECONNECT_DELAY, is_connected};
use crate::client::{Event, SendError, Session};
use crate::protocol::{Publish, ReasonCode};
use crate::time::Timestamp;

/// Publishes what the settings say; returns when the server has it.
pub(crate) fn run(settings: &PublishSettings) -> Result<(), Failure> {
    let source = Source::open(settings)?;
    let connection = &settings.connection;
    let console = Console::new(
        connection.debug,
        connection.quiet,
        connection.version,
        &connection.client_id,
    );
    let mut publisher = Publisher {
        settings,
        source,
        console,
        alias_is_set: false,
        refused: None,
    };
    let mut link = Link::open(connection)?;
    publisher.console.trace(format_args!("sending CONNECT"));
    let result = publisher.run(&mut link);
    if is_connected(&link.session) && publisher.leave(&mut link).is_ok() {
        publisher.console.trace(format_args!("sending DISCONNECT"));
    }
    // The text is complete even where standard output is closed.
    let _ = publisher.console.flush();
    let closed = link.close();
    result.and_then(|()| closed.map_err(|lost| lost.failure()))
}

/// What remains to be published.
enum Source {
    /// The same payload, some times more.
    Repeated {
        payload: Vec<u8>,
        left: u64,
        due: Timestamp,
    },
    /// Lines as they come in.
    Streamed { lines: Lines, input: File },
}

impl Source {
    fn open(settings: &PublishSettings) -> Result<Self, Failure> {
        let payload = match &settings.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::File(path) => std::fs::read(path).map_err(|_| {
                Failure::new(
                    CLIENT_USAGE,
                    format_args!("Error: Unable to open file \"{}\".", path.display()),
                )
            })?,
            Payload::Input => {
                let mut bytes = Vec::new();
                let read = io::stdin().lock().read_to_end(&mut bytes);
                read.map_err(|error| {
                    Failure::new(NOT_STARTED, format_args!("Error reading stdin: {error}"))
                })?;
                bytes
            }
            Payload::Lines => {
                let input = io::stdin().as_fd().try_clone_to_owned();
                let input = input.map_err(|error| {
                    Failure::new(NOT_STARTED, format_args!("Error reading stdin: {error}"))
                })?;
                return Ok(Self::Streamed {
                    lines: Lines::new(),
                    input: input.into(),
                });
            }
        };
        Ok(Self::Repeated {
            payload,
            left: settings.repeat,
            due: Timestamp::ZERO,
        })
    }

    const fn is_streamed(&self) -> bool {
        matches!(self, Self::Streamed { .. })
    }

    fn is_exhausted(&self) -> bool {
        match self {
            Self::Repeated { left, .. } => *left == 0,
            Self::Streamed { lines, .. } => lines.is_exhausted(),
        }
    }

    /// When the next message is due, where that is in the future.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Repeated { left, due, .. } if *left > 0 && *due > now => Some(*due),
            Self::Repeated { .. } | Self::Streamed { .. } => None,
        }
    }

    /// The input, while lines are wanted from it.
    fn wanted(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Streamed { lines, input } if lines.wants_more() => Some(input.as_fd()),
            Self::Repeated { .. } | Self::Streamed { .. } => None,
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        let Self::Streamed { lines, input } = self else {
            return Ok(());
        };
        match input.read(lines.space()) {
            Ok(size) => lines
                .commit(size)
                .map_err(|error| Failure::new(CLIENT_USAGE, error)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(())
            }
            Err(error) => Err(Failure::new(
                CLIENT_USAGE,
                format_args!("Error reading stdin: {error}"),
            )),
        }
    }
}

struct Publisher<'s> {
    settings: &'s PublishSettings,
    source: Source,
    console: Console,
    /// Whether the topic alias of the settings stands for the topic already.
    alias_is_set: bool,
    refused: Option<u8>,
}

impl Publisher<'_> {
    fn run(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        loop {
            self.publish(link)?;
            if self.is_done(link) {
                return Ok(());
            }
            let result = self.turn(link);
            if let Some(code) = self.refused {
                self.console.complain("Error: The connection was refused.");
                return Err(Failure::silent(code));
            }
            if let Err(lost) = result? {
                self.recover(link, &lost)?;
            }
        }
    }

    fn turn(&mut self, link: &mut Link<'_>) -> Result<Result<(), Lost>, Failure> {
        // Nothing is read ahead of the window: what was not read is not lost.
        let open = is_connected(&link.session) && link.has_room();
        let watched = if open { self.source.wanted() } else { None };
        let until = if open {
            self.source.due(link.now())
        } else {
            None
        };
        let turn = match link.turn(watched, until) {
            Ok(turn) => turn,
            Err(lost) => return Ok(Err(lost)),
        };
        if turn.pinged {
            self.console.trace(format_args!("sending PINGREQ"));
        }
        if turn.watched {
            self.source.read()?;
        }
        Ok(link.events(|_, event| self.handle(&event)))
    }

    fn handle(&mut self, event: &Event<'_>) -> bool {
        self.console.trace_event(event);
        match event {
            Event::Connected(_) => self.alias_is_set = false,
            Event::Refused(connack) => {
                self.console.complain_refused(connack);
                let version = self.settings.connection.version;
                self.refused = Some(refusal_code(version, connack.reason));
                return false;
            }
            Event::Published { acknowledge, .. } if acknowledge.reason.is_error() => {
                self.console.complain_unpublished(
                    acknowledge.packet_id,
                    acknowledge.reason,
                    acknowledge.properties.reason_string,
                );
            }
            Event::Message(_)
            | Event::Received(_)
            | Event::Published { .. }
            | Event::Released(_)
            | Event::Subscribed(_)
            | Event::Unsubscribed(_)
            | Event::Pong
            | Event::Authentication(_)
            | Event::Disconnected(_) => {}
        }
        true
    }

    /// Publishes whatever may be published now.
    fn publish(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        while is_connected(&link.session) && link.has_room() {
            let now = link.now();
            let session = &mut link.session;
            let sent = match &self.source {
                Source::Repeated { left: 0, .. } => return Ok(()),
                Source::Repeated { due, .. } if *due > now => return Ok(()),
                Source::Repeated { payload, .. } => {
                    self.settings
                        .send(session, payload, self.alias_is_set, &mut self.console)
                }
                Source::Streamed { lines, .. } => match lines.next() {
                    None => return Ok(()),
                    Some(line) => {
                        self.settings
                            .send(session, line, self.alias_is_set, &mut self.console)
                    }
                },
            };
            match sent {
                Ok(()) => self.alias_is_set = true,
                Err(SendError::WindowFull | SendError::NoPacketId) => return Ok(()),
                Err(error) => {
                    return Err(Failure::new(CLIENT_USAGE, format_args!("Error: {error}.")));
                }
            }
            match &mut self.source {
                Source::Repeated { left, due, .. } => {
                    *left -= 1;
                    *due = now.plus(self.settings.repeat_delay);
                }
                Source::Streamed { lines, .. } => lines.advance(),
            }
        }
        Ok(())
    }

    fn is_done(&self, link: &Link<'_>) -> bool {
        is_connected(&link.session) && self.source.is_exhausted() && link.session.is_settled()
    }

    fn leave(&self, link: &mut Link<'_>) -> Result<(), SendError> {
        let connection = &self.settings.connection;
        let farewell = connection.disconnect(ReasonCode::NORMAL_DISCONNECTION);
        link.session.disconnect(&farewell)
    }

    /// A stream of lines outlives its connection; a single message does not.
    fn recover(&mut self, link: &mut Link<'_>, lost: &Lost) -> Result<(), Failure> {
        if !self.source.is_streamed() || !lost.is_passing() {
            return Err(lost.failure());
        }
        loop {
            link.drop_connection();
            std::thread::sleep(RECONNECT_DELAY);
            if link.reopen().is_ok() {
                self.console.trace(format_args!("sending CONNECT"));
                return Ok(());
            }
        }
    }
}

impl PublishSettings {
    /// Queues one message; an alias that is set stands for the topic.
    fn send(
        &self,
        session: &mut Session,
        payload: &[u8],
        alias_is_set: bool,
        console: &mut Console,
    ) -> Result<(), SendError> {
        let properties = self.connection.properties.publish.publish_properties();
        let aliased = alias_is_set && properties.topic_alias.is_some();
        let publish = Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: if aliased { "" } else { &self.topic },
            packet_id: None,
            properties,
            payload,
        };
        let packet_id = session.publish(&publish)?;
        console.trace_publish(&publish, packet_id);
        Ok(())
    }
}
