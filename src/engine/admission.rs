//! A client is let in or refused, before anything of its session is touched.
//!
//! Owns the candidates: connections whose CONNECT is being judged. The order of it:
//! connect phase, authentication (or the exchange of its method), the will's topic.
//! Pure; who asks for time leaves the packet unhandled until the answer comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::decisions::Decisions;
use super::limits::CANDIDATES_BYTES_MAX;
use super::questions::{Answered, Inquest};
use crate::hooks::{
    Answer, Client, Credentials, Exchange, Grant, Phases, PublishRequest, Question, Ruling, Step,
    Subject,
};
use crate::ids::ConnectionId;
use crate::protocol::{Auth, Connect, Frame, Packet, ProtocolVersion, ReasonCode};
use crate::time::Timestamp;

/// What is judged next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Check {
    Connect,
    Authenticate,
    Will,
}

/// A connection that has sent CONNECT and is not let in yet.
pub(super) struct Candidate {
    /// The place of its CONNECT among those that came to this shard.
    order: u64,
    pub(super) credentials: Arc<Credentials>,
    pub(super) check: Check,
    grant: Grant,
    decisions: Decisions,
    /// Of the questions about its CONNECT, once one was answered.
    inquest: Option<Inquest>,
    /// The client, once it is known who it is.
    client: Option<Arc<Client>>,
    /// The exchange under way.
    pub(super) exchange: Option<Box<dyn Exchange>>,
    /// What the exchange says at last.
    data: Option<Vec<u8>>,
    /// CONNECT itself, while AUTH packets follow it.
    pub(super) connect: Option<(u8, Box<[u8]>)>,
}

/// A client that may come in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) client: Arc<Client>,
    pub(super) order: u64,
    pub(super) lasts: Option<Duration>,
    pub(super) method: Option<Box<str>>,
    /// For CONNACK.
    pub(super) data: Option<Vec<u8>>,
    pub(super) decisions: Decisions,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Admission {
    /// In; `None` where there are no rules at all.
    Admitted(Option<Box<Admitted>>),
    /// Out.
    Refused(ReasonCode),
    /// A question is under way; CONNECT stays unhandled.
    Waiting,
    /// The client was sent a challenge; CONNECT is kept aside.
    Challenged,
}

/// All candidates of a shard.
#[derive(Default)]
pub(super) struct Candidates {
    waiting: BTreeMap<ConnectionId, Candidate>,
    /// Bytes of CONNECT packets kept aside.
    bytes: usize,
    seen: u64,
}

impl Candidates {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Candidate> {
        self.waiting.get(&id)
    }

    pub(super) fn take(&mut self, id: ConnectionId) -> Option<Candidate> {
        let candidate = self.waiting.remove(&id)?;
        self.bytes -= candidate.kept_bytes();
        Some(candidate)
    }

    pub(super) fn put(&mut self, id: ConnectionId, candidate: Candidate) {
        self.bytes += candidate.kept_bytes();
        self.waiting.insert(id, candidate);
    }
}

impl Candidate {
    fn kept_bytes(&self) -> usize {
        self.connect.as_ref().map_or(0, |(_, body)| body.len())
    }
}

impl Engine {
    /// Judges a CONNECT that has come to its home.
    pub(super) fn admit_client(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        client_id: &str,
        frame: Frame<'_>,
        now: Timestamp,
    ) -> Admission {
        let Some(connection) = self.clients.open_connection(id) else {
            return Admission::Refused(ReasonCode::UnspecifiedError);
        };
        let origin = connection.origin;
        let policy = self.clients.listeners.get(usize::from(origin.listener));
        let anonymous = policy.and_then(|policy| policy.allow_anonymous);
        if self.chain.is_empty() && anonymous != Some(false) {
            return Admission::Admitted(None);
        }
        let mut candidate = if let Some(known) = self.candidates.take(id) {
            known
        } else {
            self.candidates.seen += 1;
            let connection = self.clients.open_connection(id);
            let identity = connection.and_then(|known| known.identity.as_deref().cloned());
            let identity = identity.map(Arc::new);
            let (peer, listener) = (origin.peer, origin.listener);
            Candidate {
                order: self.candidates.seen,
                credentials: Arc::new(Credentials::new(
                    connect, client_id, peer, listener, identity,
                )),
                check: Check::Connect,
                grant: Grant::default(),
                decisions: Decisions::default(),
                inquest: None,
                client: None,
                exchange: None,
                data: None,
                connect: None,
            }
        };
        let outcome = self.examine(id, &mut candidate, connect, anonymous, now);
        match outcome {
            Admission::Waiting => self.candidates.put(id, candidate),
            Admission::Challenged if candidate.connect.is_none() => {
                if self.candidates.bytes + frame.body.len() > CANDIDATES_BYTES_MAX {
                    return Admission::Refused(ReasonCode::ServerBusy);
                }
                candidate.connect = Some((frame.first_byte, frame.body.into()));
                self.candidates.put(id, candidate);
            }
            Admission::Challenged => self.candidates.put(id, candidate),
            Admission::Admitted(_) => {
                let client = candidate.client.unwrap_or_else(|| {
                    Arc::new(Client::new(&candidate.credentials, candidate.grant.clone()))
                });
                return Admission::Admitted(Some(Box::new(Admitted {
                    client,
                    order: candidate.order,
                    lasts: candidate.grant.lasts,
                    method: candidate.credentials.method().map(Box::from),
                    data: candidate.data,
                    decisions: candidate.decisions,
                })));
            }
            Admission::Refused(reason) => self.tell_refused(&candidate.credentials, reason),
        }
        outcome
    }

    /// Counts and tells of a client that is not let in.
    pub(super) fn tell_refused(&mut self, attempt: &Credentials, reason: ReasonCode) {
        self.clients.stats.denied_connects += 1;
        self.chain
            .tell(attempt.listener(), Phases::REFUSED, |hook| {
                hook.refused(attempt, reason);
            });
    }

    /// One check after the other, from where the candidate has come to.
    fn examine(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        connect: &Connect<'_>,
        anonymous: Option<bool>,
        now: Timestamp,
    ) -> Admission {
        loop {
            let stopped = match candidate.check {
                Check::Connect => self.check_connect(id, candidate, now),
                Check::Authenticate => {
                    self.check_credentials(id, candidate, connect, anonymous, now)
                }
                Check::Will => {
                    return self
                        .check_will(id, candidate, connect, now)
                        .unwrap_or(Admission::Admitted(None));
                }
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
        }
    }

    fn check_connect(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        now: Timestamp,
    ) -> Option<Admission> {
        let answered = self.take_answer(id, candidate);
        let attempt = &candidate.credentials;
        let (ruling, _) = self.chain.resume(
            attempt.listener(),
            Phases::CONNECT,
            verdict_of(answered),
            ReasonCode::ServerBusy,
            |hook| hook.connect(attempt),
        );
        match ruling {
            Ruling::Undecided | Ruling::Allow { .. } => candidate.check = Check::Authenticate,
            Ruling::Deny(reason) => return Some(Admission::Refused(reason)),
            Ruling::Ask(place) => {
                let question = Question::Connect(Arc::clone(attempt));
                return Some(self.ask_about_client(id, candidate, place, question, now));
            }
        }
        None
    }

    fn check_credentials(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        connect: &Connect<'_>,
        anonymous: Option<bool>,
        now: Timestamp,
    ) -> Option<Admission> {
        if candidate.credentials.method().is_some() {
            let data = connect.properties.authentication_data;
            return self.exchange_step(id, candidate, data, now);
        }
        if candidate.credentials.is_certified() {
            candidate.check = Check::Will;
            return None;
        }
        let answered = self.take_answer(id, candidate);
        let attempt = &candidate.credentials;
        let (ruling, _) = self.chain.resume(
            attempt.listener(),
            Phases::AUTHENTICATE,
            verdict_of(answered),
            ReasonCode::ServerBusy,
            |hook| hook.authenticate(attempt),
        );
        match ruling {
            Ruling::Allow { grant, .. } => {
                candidate.grant = grant.map_or_else(Grant::default, |g| *g)
            }
            Ruling::Undecided => {
                let checked = self
                    .chain
                    .phases_of(attempt.listener())
                    .any_of(Phases::AUTHENTICATE | Phases::EXCHANGE);
                if let Some(reason) = default_refusal(attempt, anonymous, checked) {
                    return Some(Admission::Refused(reason));
                }
            }
            Ruling::Deny(reason) => return Some(Admission::Refused(reason)),
            Ruling::Ask(place) => {
                let question = Question::Authenticate(Arc::clone(attempt));
                return Some(self.ask_about_client(id, candidate, place, question, now));
            }
        }
        candidate.check = Check::Will;
        None
    }

    /// The next step of enhanced authentication; `None` when it is done.
    pub(super) fn exchange_step(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        data: Option<&[u8]>,
        now: Timestamp,
    ) -> Option<Admission> {
        let attempt = Arc::clone(&candidate.credentials);
        let method = attempt.method()?;
        let (exchange, step) = match self.take_answer(id, candidate) {
            Some(Answered {
                answer: Answer::Step(exchange, step),
                ..
            }) => (exchange.0, step),
            Some(answered) => return Some(Admission::Refused(no_step(&answered.answer))),
            None => {
                let begun = candidate.exchange.take();
                let Some(mut exchange) = begun.or_else(|| self.chain.exchange(&attempt, method))
                else {
                    // [MQTT-4.12.0-1]
                    return Some(Admission::Refused(ReasonCode::BadAuthenticationMethod));
                };
                let step = self.chain.step(&mut *exchange, data);
                (exchange, step)
            }
        };
        match step {
            Step::Continue(challenge) => {
                candidate.exchange = Some(exchange);
                let reason = ReasonCode::ContinueAuthentication; // [MQTT-4.12.0-2]
                Some(if self.send_auth(id, reason, method, Some(&challenge)) {
                    Admission::Challenged
                } else {
                    Admission::Refused(ReasonCode::PacketTooLarge)
                })
            }
            Step::Done(data, grant) => {
                candidate.data = data;
                candidate.grant = grant;
                candidate.check = Check::Will;
                None
            }
            Step::Deny(reason) => Some(Admission::Refused(refusal(reason))),
            Step::Ask => {
                let subject = Subject::Exchange {
                    credentials: attempt,
                    exchange,
                    data: data.map(Box::from),
                };
                Some(self.wait_for_answer(id, candidate, (0, subject), now))
            }
        }
    }

    /// A will that may not be published is refused with its CONNECT, as by mosquitto.
    fn check_will(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        connect: &Connect<'_>,
        now: Timestamp,
    ) -> Option<Admission> {
        let will = connect.will.as_ref()?;
        if !self.chain.phases().any_of(Phases::AUTHORIZE_PUBLISH) {
            return None;
        }
        let answered = self.take_answer(id, candidate);
        let (credentials, grant) = (&candidate.credentials, &candidate.grant);
        let client = candidate
            .client
            .get_or_insert_with(|| Arc::new(Client::new(credentials, grant.clone())));
        let request = PublishRequest::new(will.topic, will.qos, will.retain, true);
        let (ruling, _) = self.chain.resume(
            client.listener(),
            Phases::AUTHORIZE_PUBLISH,
            verdict_of(answered),
            ReasonCode::ServerBusy,
            |hook| hook.authorize_publish(client, &request),
        );
        match ruling {
            Ruling::Undecided | Ruling::Allow { .. } => None,
            Ruling::Deny(reason) => Some(Admission::Refused(reason)),
            Ruling::Ask(place) => {
                let question = Question::publish(client, &request);
                Some(self.ask_about_client(id, candidate, place, question, now))
            }
        }
    }

    /// The answer that a CONNECT has waited for.
    fn take_answer(&mut self, id: ConnectionId, candidate: &mut Candidate) -> Option<Answered> {
        let answered = self.questions.take_answered(id)?;
        candidate.inquest = Some(answered.inquest);
        Some(answered)
    }

    fn ask_about_client(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        place: usize,
        question: Question,
        now: Timestamp,
    ) -> Admission {
        let subject = Subject::Hook(place, question);
        self.wait_for_answer(id, candidate, (place, subject), now)
    }

    fn wait_for_answer(
        &mut self,
        id: ConnectionId,
        candidate: &mut Candidate,
        question: (usize, Subject),
        now: Timestamp,
    ) -> Admission {
        match self.ask(id, question, candidate.inquest, ReasonCode::ServerBusy, now) {
            Ok(()) => Admission::Waiting,
            Err(reason) => Admission::Refused(reason),
        }
    }

    /// Sends AUTH, with neither reason string nor user properties [MQTT-3.15.2-2]; false
    /// when it is larger than the client accepts [MQTT-3.1.2-24].
    pub(super) fn send_auth(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        method: &str,
        data: Option<&[u8]>,
    ) -> bool {
        let auth = Auth {
            reason,
            authentication_method: Some(method),
            authentication_data: data,
            ..Auth::default()
        };
        let mut encoded = Vec::new();
        let encodes = Packet::Auth(auth).encode(ProtocolVersion::V5, &mut encoded);
        let connection = self.clients.open_connection(id);
        let maximum = connection.map_or(0, |connection| connection.maximum_packet_size as usize);
        let fits = encodes.is_ok() && encoded.len() <= maximum;
        if fits {
            self.clients.send_encoded(id, &encoded);
        }
        fits
    }
}

/// What an exchange's failure to answer means.
pub(super) fn no_step(answer: &Answer) -> ReasonCode {
    match answer {
        Answer::Busy => ReasonCode::ServerBusy,
        Answer::Panicked | Answer::Step(..) => ReasonCode::ImplementationSpecific,
        Answer::Verdict(_) => ReasonCode::NotAuthorized,
    }
}

/// A reason that CONNACK can carry [MQTT-3.2.2-8].
pub(super) fn refusal(reason: ReasonCode) -> ReasonCode {
    let legal = reason.is_error() && reason.is_legal_in(crate::protocol::PacketType::ConnAck);
    if legal {
        reason
    } else {
        ReasonCode::NotAuthorized
    }
}

/// What an answered question says to a chain of hooks.
pub(super) fn verdict_of(answered: Option<Answered>) -> Option<(usize, Answer)> {
    answered.map(|answered| (answered.place, answered.answer))
}

/// Nobody had an opinion: why the client is refused, if it is. `checked` tells whether
/// anybody authenticates the clients of their listener at all.
fn default_refusal(
    attempt: &Credentials,
    anonymous: Option<bool>,
    checked: bool,
) -> Option<ReasonCode> {
    if attempt.is_anonymous() {
        let let_in = anonymous.unwrap_or(!checked);
        return (!let_in).then_some(ReasonCode::NotAuthorized);
    }
    if !checked && anonymous != Some(false) {
        return None;
    }
    // 3.x knows 4 for what is malformed and 5 for what is wrong, as mosquitto says.
    Some(match attempt.version() {
        ProtocolVersion::V5 => ReasonCode::BadUserNameOrPassword,
        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => ReasonCode::NotAuthorized,
    })
}
