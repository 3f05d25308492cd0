//! AUTH: the steps of enhanced authentication after CONNECT, and re-authentication.
//!
//! Owns the order of packets (MQTT 5.0, section 4.12); what a method means is its
//! hook's business. Pure.

use std::sync::Arc;

use super::Engine;
use super::admission::{Admission, Check, no_step};
use super::input::{Fault, Flow};
use super::questions::Answered;
use crate::hooks::{Answer, Credentials, Exchange, Grant, Step, Subject};
use crate::ids::ConnectionId;
use crate::protocol::{Auth, Connect, Frame, PacketType, ProtocolVersion, ReasonCode};
use crate::time::Timestamp;

impl Engine {
    /// AUTH before CONNACK: the client answers a challenge.
    pub(super) fn on_auth_while_connecting(
        &mut self,
        id: ConnectionId,
        auth: &Auth<'_>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        let Some(mut candidate) = self.candidates.take(id) else {
            return Err(ReasonCode::ProtocolError); // [MQTT-3.1.0-1]
        };
        let Some(kept) = candidate.connect.take() else {
            return Err(ReasonCode::ProtocolError);
        };
        let fits = auth.reason == ReasonCode::ContinueAuthentication
            && auth.authentication_method == candidate.credentials.method();
        let client_id: Box<str> = candidate.credentials.client_id().into();
        if !fits {
            // [MQTT-4.12.0-2], [MQTT-4.12.0-5]
            let reason = ReasonCode::ProtocolError;
            self.refuse(id, ProtocolVersion::V5, &client_id, reason);
            return Ok(Flow::Stop);
        }
        let outcome = if candidate.check == Check::Will {
            None
        } else {
            self.exchange_step(id, &mut candidate, auth.authentication_data, now)
        };
        match outcome {
            Some(Admission::Refused(reason)) => {
                self.tell_refused(&candidate.credentials, reason);
                self.refuse(id, ProtocolVersion::V5, &client_id, reason);
                return Ok(Flow::Stop);
            }
            Some(waiting) => {
                candidate.connect = Some(kept);
                self.candidates.put(id, candidate);
                let challenged = matches!(waiting, Admission::Challenged);
                return Ok(if challenged {
                    Flow::Continue
                } else {
                    Flow::Wait
                });
            }
            None => self.candidates.put(id, candidate),
        }
        let (first_byte, body) = kept;
        let frame = Frame {
            first_byte,
            body: &body,
        };
        let flow = match Connect::decode(frame) {
            Ok(connect) => self.on_connect(id, frame, &connect, now),
            Err(error) => return Err(error.reason()),
        };
        if flow == Flow::Wait
            && let Some(mut candidate) = self.candidates.take(id)
        {
            candidate.connect = Some((first_byte, body));
            self.candidates.put(id, candidate);
        }
        Ok(flow)
    }

    /// AUTH of a connected client: it authenticates itself again.
    pub(super) fn on_auth(
        &mut self,
        id: ConnectionId,
        slot: u32,
        auth: &Auth<'_>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        let Some(profile) = self.clients.profiles.get_mut(slot) else {
            // AUTH belongs to a method that CONNECT named.
            return Err(ReasonCode::ProtocolError);
        };
        if profile.method.is_none() || auth.authentication_method != profile.method.as_deref() {
            return Err(ReasonCode::ProtocolError); // [MQTT-4.12.1-1]
        }
        let method: Box<str> = profile.method.as_deref().unwrap_or_default().into();
        let under_way = profile.exchange.take();
        let client = Arc::clone(&profile.client);
        let answered = self.questions.take_answered(id);
        let identity = client.identity().cloned().map(Arc::new);
        let attempt = Arc::new(Credentials::again(&client, &method, identity));
        let data = auth.authentication_data;
        let (exchange, step) = match (answered, auth.reason, under_way) {
            (
                Some(Answered {
                    answer: Answer::Step(exchange, step),
                    ..
                }),
                ..,
            ) => (exchange.0, step),
            (Some(answered), ..) => return Err(no_step(&answered.answer)),
            (None, ReasonCode::ReAuthenticate, None) => {
                let Some(mut exchange) = self.chain.exchange(&attempt, &method) else {
                    return Err(ReasonCode::BadAuthenticationMethod);
                };
                let step = self.chain.step(&mut *exchange, data);
                (exchange, step)
            }
            (None, ReasonCode::ContinueAuthentication, Some(mut exchange)) => {
                let step = self.chain.step(&mut *exchange, data);
                (exchange, step)
            }
            (None, ..) => return Err(ReasonCode::ProtocolError),
        };
        self.renewal_step(id, slot, &attempt, exchange, step, data, now)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step, told apart from its packet"
    )]
    fn renewal_step(
        &mut self,
        id: ConnectionId,
        slot: u32,
        attempt: &Arc<Credentials>,
        exchange: Box<dyn Exchange>,
        step: Step,
        data: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        let method = attempt.method().unwrap_or_default();
        match step {
            Step::Continue(challenge) => {
                if let Some(profile) = self.clients.profiles.get_mut(slot) {
                    profile.exchange = Some(exchange);
                }
                let reason = ReasonCode::ContinueAuthentication;
                if self.send_auth(id, reason, method, Some(&challenge)) {
                    Ok(Flow::Continue)
                } else {
                    Err(ReasonCode::PacketTooLarge)
                }
            }
            Step::Done(data, grant) => {
                self.renew(id, slot, grant, now)?;
                if self.send_auth(id, ReasonCode::Success, method, data.as_deref()) {
                    Ok(Flow::Continue)
                } else {
                    Err(ReasonCode::PacketTooLarge)
                }
            }
            // [MQTT-4.12.1-2]
            Step::Deny(reason) if reason.is_legal_in(PacketType::Disconnect) => Err(reason),
            Step::Deny(_) => Err(ReasonCode::NotAuthorized),
            Step::Ask => {
                let subject = Subject::Exchange {
                    credentials: Arc::clone(attempt),
                    exchange,
                    data: data.map(Box::from),
                };
                let busy = ReasonCode::ServerBusy;
                self.ask(id, (0, subject), None, busy, now)
                    .map(|_| Flow::Wait)
            }
        }
    }

    /// The client has proved itself again: a new term begins, and what was decided
    /// about it before is forgotten. As somebody who would have to subscribe anew it can
    /// not go on.
    fn renew(
        &mut self,
        id: ConnectionId,
        slot: u32,
        grant: Grant,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(profile) = self.clients.profiles.get(slot) else {
            return Ok(());
        };
        let lasts = grant.lasts;
        let renewed = Arc::new(profile.client.renewed(grant));
        if self.has_to_subscribe_anew(slot, &renewed) {
            return Err(ReasonCode::NotAuthorized); // [MQTT-4.12.1-2]
        }
        self.judge_anew(slot, &renewed);
        let Some(profile) = self.clients.profiles.get_mut(slot) else {
            return Ok(());
        };
        profile.expires_at = lasts.map(|lasts| now.plus(lasts));
        profile.client = renewed;
        profile.decisions = super::decisions::Decisions::default();
        if let Some(at) = profile.expires_at {
            self.arm_connection(id, at, now);
        }
        Ok(())
    }
}
