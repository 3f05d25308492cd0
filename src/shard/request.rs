//! What the embedding process asks of this shard's engine.
//!
//! Owns nothing: the embedder's half of [`Turn`]'s commands, on its shard. Never waits
//! for the asker, who may have gone away.

use super::command::Request;
use super::turn::Turn;
use crate::protocol::{ReasonCode, TopicFilter};
use crate::time::Timestamp;

impl Turn {
    /// Does what was asked, and answers.
    pub(super) fn oblige(&mut self, request: Request, now: Timestamp) {
        match request {
            Request::Publish { message, reply } => {
                let _ = reply.send(self.engine.handle_publication(message, now));
            }
            Request::Subscribe {
                filter,
                qos,
                retained,
                inbox,
                reply,
            } => {
                let outcome = match TopicFilter::parse(&filter) {
                    Ok(filter) => self
                        .engine
                        .handle_local_subscribe(filter, qos, retained, inbox, now),
                    Err(_) => Err(ReasonCode::TopicFilterInvalid),
                };
                if let Err(flume::SendError(Ok(session))) = reply.send(outcome) {
                    self.engine.handle_local_unsubscribe(session, now);
                }
            }
            Request::Unsubscribe { session } => {
                self.engine.handle_local_unsubscribe(session, now);
            }
            Request::Clients { from, most, reply } => {
                let _ = reply.send(self.engine.client_reports(from, most));
            }
            Request::DisconnectClient {
                client_id,
                reason,
                reply,
            } => {
                let _ = reply.send(
                    self.engine
                        .handle_disconnect_client(&client_id, reason, now),
                );
            }
        }
    }

    /// Takes the engine's questions to the workers; who finds no room there is told
    /// so at once.
    pub(super) fn ask_workers(&mut self, now: Timestamp) {
        while let Some(inquiry) = self.engine.next_question() {
            self.watch(inquiry.ticket.connection);
            if let Err(refused) = self.questions.try_send(inquiry) {
                let ticket = refused.into_inner().ticket;
                self.engine
                    .handle_verdict(ticket, crate::hooks::Answer::Busy, now);
                self.fed = true;
            }
        }
    }
}
