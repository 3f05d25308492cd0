//! Commands of other threads, above all the phases of a stop.
//!
//! The commanded half of [`Turn`], on its shard. The order of the phases and the
//! barrier between them belong to `broker::lifecycle`; a shard only carries out
//! one phase and answers when it is through. Never on the path of a message.

use std::time::Duration;

use tracing::debug;

use super::close::LINGER;
use super::command::{Census, Command, ShardReport};
use super::turn::Turn;
use crate::engine::StopPhase;
use crate::time::Timestamp;

/// The phases under way on this shard.
#[derive(Default)]
pub(super) struct Stopping {
    /// Who waits for the listening sockets to be closed.
    accepting: Option<flume::Sender<()>>,
    /// Who waits for the clients to be gone, and until when.
    disconnecting: Option<(Timestamp, flume::Sender<usize>)>,
    /// How long connections may take to drain, once the stop says it.
    linger: Option<Duration>,
    /// The shard ends with this turn.
    pub(super) exit: bool,
}

impl Stopping {
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.disconnecting.as_ref().map(|(until, _)| *until)
    }

    /// How long a closing connection may drain.
    pub(super) fn linger(&self) -> Duration {
        self.linger.unwrap_or(LINGER)
    }
}

impl Turn {
    /// Takes all commands that are waiting.
    pub(super) fn take_commands(&mut self, now: Timestamp) {
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command, now);
        }
    }

    /// Answers are sent without looking whether the asker still waits.
    fn obey(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Listen { doors, reply } => {
                let _ = reply.send(self.listeners.open(doors, &mut self.ring));
            }
            Command::StopAccepting { reply } => {
                self.listeners.stop(&mut self.ring);
                self.stopping.accepting = Some(reply);
            }
            Command::StopReading { reply } => {
                self.engine.handle_stop(StopPhase::StopReading, now);
                let _ = reply.send(());
            }
            Command::Census { reply } => {
                let (sent, received) = self.mesh.counts();
                let quiet = self.engine.is_quiet() && self.mesh.is_idle();
                let _ = reply.send(Census {
                    quiet,
                    sent,
                    received,
                });
            }
            Command::Disconnect { within, reply } => {
                self.stopping.linger = Some(within);
                self.stopping.disconnecting = Some((now.plus(within), reply));
                self.engine.handle_stop(StopPhase::Disconnect, now);
            }
            Command::Report { reply } => {
                let _ = reply.send(ShardReport {
                    shard: self.shard,
                    sockets: self.table.len(),
                    driver: self.counters(),
                    engine: self.engine.stats(),
                });
            }
            Command::Verdict { ticket, answer } => self.engine.handle_verdict(ticket, answer, now),
            Command::Reloaded { reply } => {
                self.engine.handle_reload();
                let _ = reply.send(());
            }
            Command::Request(request) => self.oblige(request, now),
            Command::Exit => self.stopping.exit = true,
        }
    }

    /// Answers the phases that are through.
    pub(super) fn go_on_stopping(&mut self, now: Timestamp) {
        if self.listeners.is_closed()
            && let Some(reply) = self.stopping.accepting.take()
        {
            debug!(shard = %self.shard, "accepting stopped");
            let _ = reply.send(());
        }
        let Some((until, _)) = &self.stopping.disconnecting else {
            return;
        };
        let late = *until <= now;
        if (late || self.table.len() == 0)
            && let Some((_, reply)) = self.stopping.disconnecting.take()
        {
            let _ = reply.send(self.cut_all());
        }
    }
}
