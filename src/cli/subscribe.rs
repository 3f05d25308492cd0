//! `ringmq sub`: subscribe and print.
//!
//! Owns what has been counted and what is still to be cleared. One thread prints,
//! listens and pings (`link.rs`); what a turn brought is flushed before the next
//! one waits. Lives on the main thread.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;

use super::arguments::{CHANCE_ALL, Output, Retained, SubscribeSettings};
use super::console::{Console, refusal_code};
use super::failure::{CLIENT_USAGE, Failure, NOT_STARTED, TIMED_OUT};
use super::link::{Link, Lost, RECONNECT_DELAY, is_connected};
use super::signals::Signals;
use super::wall_clock::WallTime;
use crate::client::{Event, Message, SendError, Session};
use crate::protocol::{Publish, QoS, ReasonCode, SubscriptionRequest, TopicFilter};
use crate::time::Timestamp;

/// Retained messages seen and not yet cleared; more of them end the command,
/// because the server is not to be told to wait.
const REMOVALS_MAX: usize = 1_000_000;

/// Subscribes as the settings say; returns when they or a signal say so.
pub(crate) fn run(settings: &SubscribeSettings) -> Result<(), Failure> {
    let connection = &settings.connection;
    let console = Console::new(
        connection.debug,
        connection.quiet,
        connection.version,
        &connection.client_id,
    );
    let signals = Signals::catch()
        .map_err(|error| Failure::new(NOT_STARTED, format_args!("Error: {error}")))?;
    let mut link = Link::open(connection)?;
    let mut subscriber = Subscriber {
        settings,
        console,
        received: 0,
        removals: VecDeque::new(),
        random: RandomState::new().build_hasher().finish() | 1,
        line: Vec::new(),
        end: None,
    };
    subscriber.console.trace(format_args!("sending CONNECT"));
    let result = subscriber.run(&mut link, &signals);
    // Messages already printed are out; a closed standard output has no reader.
    let _ = subscriber.console.flush();
    // What could not be said in parting changes nothing about what was printed.
    let _ = link.close();
    result
}

/// Why the command ends, once it is known to.
#[derive(Debug)]
enum End {
    /// With success, and after what is to be cleared is cleared.
    Done,
    /// By a signal: with success and the will.
    Stopped,
    /// `-W`.
    TimedOut,
    Failed(Failure),
}

struct Subscriber<'s> {
    settings: &'s SubscribeSettings,
    console: Console,
    /// Messages counted for `-C`.
    received: u64,
    /// Topics of retained messages to be cleared.
    removals: VecDeque<String>,
    /// State of `--random-filter`, never zero.
    random: u64,
    /// One message as printed, kept for its memory.
    line: Vec<u8>,
    end: Option<End>,
}

impl Subscriber<'_> {
    fn run(&mut self, link: &mut Link<'_>, signals: &Signals) -> Result<(), Failure> {
        let deadline = self
            .settings
            .timeout
            .map(|timeout| link.now().plus(timeout));
        loop {
            self.remove_retained(&mut link.session);
            if let Some(result) = self.finish(link) {
                return result;
            }
            if self.console.flush().is_err() {
                self.end = Some(End::Done);
                self.removals.clear();
                continue;
            }
            if let Err(lost) = self.turn(link, signals, deadline) {
                self.recover(link, signals, deadline, &lost);
            }
        }
    }

    fn turn(
        &mut self,
        link: &mut Link<'_>,
        signals: &Signals,
        deadline: Option<Timestamp>,
    ) -> Result<(), Lost> {
        let turn = link.turn(Some(signals.descriptor()), deadline)?;
        if turn.pinged {
            self.console.trace(format_args!("sending PINGREQ"));
        }
        if turn.watched {
            self.end = Some(End::Stopped);
        } else if deadline.is_some_and(|deadline| deadline <= link.now()) {
            self.end = Some(End::TimedOut);
        }
        // What follows in the buffer is not even acknowledged: a persistent session
        // gets it next time.
        link.events(|session, event| {
            self.handle(session, &event);
            match &self.end {
                None => true,
                Some(End::Done) => !self.is_settled(session),
                Some(End::Stopped | End::TimedOut | End::Failed(_)) => false,
            }
        })
    }

    fn handle(&mut self, session: &mut Session, event: &Event<'_>) {
        self.console.trace_event(event);
        match event {
            Event::Connected(_) => {
                if let Err(error) = self.subscribe(session) {
                    self.fail(CLIENT_USAGE, format_args!("Error: {error}."));
                }
            }
            Event::Refused(connack) => {
                self.console.complain_refused(connack);
                let version = self.settings.connection.version;
                let code = refusal_code(version, connack.reason);
                self.end = Some(End::Failed(Failure::silent(code)));
            }
            Event::Subscribed(suback) => {
                if suback.reasons().all(ReasonCode::is_error) {
                    self.console
                        .complain("All subscription requests were denied.");
                    self.end.get_or_insert(End::Done);
                } else if self.settings.exit_after_subscribe {
                    self.end.get_or_insert(End::Done);
                }
            }
            Event::Message(message) => {
                if self.end.is_none() {
                    self.receive(message);
                }
            }
            Event::Received(_)
            | Event::Published { .. }
            | Event::Released(_)
            | Event::Unsubscribed(_)
            | Event::Pong
            | Event::Authentication(_)
            | Event::Disconnected(_) => {}
        }
    }

    fn subscribe(&mut self, session: &mut Session) -> Result<(), SendError> {
        let settings = self.settings;
        let properties = &settings.connection.properties;
        // The arguments were checked to be filters; none is left out here.
        let filters: Vec<_> = settings
            .filters
            .iter()
            .filter_map(|text| TopicFilter::parse(text).ok())
            .collect();
        let requests: Vec<_> = filters
            .iter()
            .map(|&filter| SubscriptionRequest {
                filter,
                options: settings.options,
            })
            .collect();
        let packet_id = session.subscribe(
            &requests,
            properties.subscribe.subscription_id,
            properties.subscribe.user_properties.as_view(),
        )?;
        for filter in &filters {
            self.console.trace(format_args!(
                "sending SUBSCRIBE (Mid: {}, Topic: {}, QoS: {}, Options: 0x{:02x})",
                packet_id.get(),
                filter.as_str(),
                settings.options.qos as u8,
                settings.options.to_byte() & !0x03,
            ));
        }
        for filter in settings
            .unsubscribe
            .iter()
            .filter_map(|text| TopicFilter::parse(text).ok())
        {
            let user_properties = properties.unsubscribe.user_properties.as_view();
            let packet_id = session.unsubscribe(&[filter], user_properties)?;
            self.console.trace(format_args!(
                "sending UNSUBSCRIBE (Mid: {}, Topic: {})",
                packet_id.get(),
                filter.as_str(),
            ));
        }
        Ok(())
    }

    fn receive(&mut self, message: &Message<'_>) {
        let retain = message.publish.retain;
        if self.settings.retained == Retained::Only && !retain {
            self.end = Some(End::Done);
            return;
        }
        // As mosquitto_sub: -T spares a message from clearing, -R does not.
        let filtered = self.settings.filter_out.iter().any(|filter| {
            TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(&message.topic))
        });
        if filtered {
            return;
        }
        if self.settings.remove_retained && retain {
            self.removals.push_back((*message.topic).to_owned());
            if self.removals.len() > REMOVALS_MAX {
                self.fail(
                    CLIENT_USAGE,
                    "Error: too many retained messages to clear at once.",
                );
                return;
            }
        }
        if self.settings.retained == Retained::Without && retain {
            return;
        }
        if self.print(message).is_err() {
            // Nobody reads any more.
            self.removals.clear();
            self.end = Some(End::Done);
            return;
        }
        self.received += 1;
        if self.settings.count == Some(self.received) {
            self.end = Some(End::Done);
        }
    }

    fn print(&mut self, message: &Message<'_>) -> io::Result<()> {
        if self.settings.chance < CHANCE_ALL && self.draw() >= self.settings.chance {
            return Ok(());
        }
        let payload = message.publish.payload;
        self.line.clear();
        match &self.settings.output {
            Output::Formatted(format) => {
                if let Err(complaint) = format.append(message, &WallTime::now(), &mut self.line) {
                    self.console.complain(complaint);
                }
            }
            Output::TopicAndPayload => {
                self.line.extend_from_slice(message.topic.as_bytes());
                self.line.push(b' ');
                let shown = if payload.is_empty() {
                    b"(null)"
                } else {
                    payload
                };
                self.line.extend_from_slice(shown);
            }
            Output::Payload if payload.is_empty() => return Ok(()),
            Output::Payload => self.line.extend_from_slice(payload),
        }
        if self.settings.end_of_line {
            self.line.push(b'\n');
        }
        self.console.print(&self.line)
    }

    /// A number below [`CHANCE_ALL`] (xorshift: good enough for a sample).
    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from((self.random >> 11) % u64::from(CHANCE_ALL)).unwrap_or(0)
    }

    /// Sends empty retained messages, as far as the window allows.
    fn remove_retained(&mut self, session: &mut Session) {
        while let Some(topic) = self.removals.front() {
            let publish = Publish {
                qos: QoS::AtLeastOnce,
                retain: true,
                topic,
                ..Publish::default()
            };
            match session.publish(&publish) {
                Ok(packet_id) => self.console.trace_publish(&publish, packet_id),
                Err(SendError::WindowFull | SendError::NoPacketId | SendError::NotConnected) => {
                    return;
                }
                Err(error) => {
                    self.removals.clear();
                    return self.fail(CLIENT_USAGE, format_args!("Error: {error}."));
                }
            }
            self.removals.pop_front();
        }
    }

    /// Leaves, once there is a reason to and nothing is left to do for it.
    fn finish(&mut self, link: &mut Link<'_>) -> Option<Result<(), Failure>> {
        let (reason, result) = match self.end.as_ref()? {
            End::Done if is_connected(&link.session) && !self.is_settled(&link.session) => {
                return None;
            }
            End::Done => (ReasonCode::NORMAL_DISCONNECTION, Ok(())),
            // Whoever set a will wants to hear of an end that was not planned.
            End::Stopped => (ReasonCode::DisconnectWithWill, Ok(())),
            End::TimedOut => (
                ReasonCode::DisconnectWithWill,
                Err(Failure::new(TIMED_OUT, "Timed out")),
            ),
            End::Failed(failure) => (ReasonCode::NORMAL_DISCONNECTION, Err(failure.clone())),
        };
        if is_connected(&link.session) {
            let farewell = self.settings.connection.disconnect(reason);
            if link.session.disconnect(&farewell).is_ok() {
                self.console.trace(format_args!("sending DISCONNECT"));
            }
        }
        Some(result)
    }

    /// Whether nothing is left to be cleared or answered.
    fn is_settled(&self, session: &Session) -> bool {
        self.removals.is_empty() && session.is_settled()
    }

    fn fail(&mut self, code: u8, message: impl std::fmt::Display) {
        self.end = Some(End::Failed(Failure::new(code, message)));
    }

    /// Connects again after a pause, for as long as it takes.
    fn recover(
        &mut self,
        link: &mut Link<'_>,
        signals: &Signals,
        deadline: Option<Timestamp>,
        lost: &Lost,
    ) {
        link.drop_connection();
        if self.end.is_some() {
            // It was to end anyway.
            self.removals.clear();
            return;
        }
        if !lost.is_passing() {
            self.end = Some(End::Failed(lost.failure()));
            return;
        }
        loop {
            let again = link.now().plus(RECONNECT_DELAY);
            let until = deadline.map_or(again, |deadline| deadline.min(again));
            // Without a connection a turn only waits.
            let signalled = link
                .turn(Some(signals.descriptor()), Some(until))
                .is_ok_and(|turn| turn.watched);
            if signalled {
                self.end = Some(End::Stopped);
                return;
            }
            if deadline.is_some_and(|deadline| deadline <= link.now()) {
                self.end = Some(End::TimedOut);
                return;
            }
            if link.now() >= again && link.reopen().is_ok() {
                self.console.trace(format_args!("sending CONNECT"));
                return;
            }
        }
    }
}
