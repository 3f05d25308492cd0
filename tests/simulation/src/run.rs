//! One run from its first connection to its last timer.
//!
//! Owns the phases: everybody acts; faults end and everybody comes back; all is
//! quiet, and the properties are checked; everybody leaves, and nothing may be left,
//! or the broker stops.

use ringmq::engine::StopPhase;
use ringmq::protocol::ReasonCode;

use crate::client::Phase;
use crate::plan::{Feature, Plan};
use crate::world::{Event, Violation, World};

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The same for every run of the same plan.
    pub trace_hash: u64,
    /// The property that did not hold, if any.
    pub violation: Option<Violation>,
    /// Events that happened.
    pub events: u64,
    /// Milliseconds that passed for all clients together.
    pub client_millis: u64,
    /// Messages published.
    pub messages: usize,
    /// Deliveries.
    pub deliveries: usize,
    /// What happened, if it was asked for.
    pub lines: Vec<String>,
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    go(World::new(plan, false))
}

/// Runs a plan and keeps a trace to read.
#[must_use]
pub fn run_readable(plan: &Plan) -> Outcome {
    go(World::new(plan, true))
}

fn go(mut world: World) -> Outcome {
    world.open_up();
    world.act_out();
    world.heal();
    world.check_all();
    world.check_replicas();
    // The hours in which everybody has left do not count.
    let millis = (world.now - 1_000) * world.clients.len() as u64;
    if world.has(Feature::Stop) && world.violation.is_none() {
        world.stop();
    } else {
        world.part();
    }
    Outcome {
        trace_hash: world.trace.hash(),
        violation: world.violation,
        events: world.events,
        client_millis: millis,
        messages: world.history.messages.len(),
        deliveries: world.history.deliveries.len(),
        lines: world.trace.lines().to_vec(),
    }
}

impl World {
    /// The watcher is there before anything happens.
    fn open_up(&mut self) {
        self.connect(0);
        self.run(|world| {
            let first = world.history.subscriptions.first();
            first.is_some_and(|watching| watching.granted.is_some())
        });
        self.pass(1_000);
        self.plan_reloads();
        for client in 1..self.clients.len() {
            let delay = self.random.below(300);
            self.plan_in(delay, Event::Act(client));
        }
    }

    /// The broker stops while clients are in the middle of things.
    fn stop(&mut self) {
        for client in 1..self.clients.len() {
            if self.random.percent(30) {
                self.connect(client);
            }
            for _ in 0..self.random.below(6) {
                self.do_something(client);
            }
        }
        let moment = self.answers.below(60);
        self.pass(moment);
        self.stopping = true;
        for phase in [StopPhase::StopReading, StopPhase::Disconnect] {
            let now = self.timestamp();
            for shard in 0..self.engines.len() {
                self.engines[shard].handle_stop(phase, now);
                self.tap_all(shard);
                self.poke(shard);
            }
            let patience = self.answers.below(2_000);
            self.pass(patience);
        }
        self.pass(20_000);
        self.check_stopped();
    }

    fn act_out(&mut self) {
        self.run(|world| world.actions == 0);
        let pause = self.random.below(5_000);
        self.pass(pause);
    }

    /// Faults end; everybody comes back and everything under way arrives.
    fn heal(&mut self) {
        self.healed = true;
        self.trace
            .line(self.now, || "healed: faults end here".to_owned());
        for stream in 0..self.streams.len() {
            self.streams[stream].stalled_until = 0;
            self.plan_down(stream);
        }
        self.pass(5_000);
        for _ in 0..4 {
            for client in 0..self.clients.len() {
                if self.clients[client].phase == Phase::Offline {
                    self.connect(client);
                }
            }
            self.pass(5_000);
        }
        self.pass(20_000);
    }

    /// Everybody leaves for good, and time passes.
    fn part(&mut self) {
        self.parting = true;
        for client in 0..self.clients.len() {
            let version_5 = self.clients[client].version == ringmq::protocol::ProtocolVersion::V5;
            let lasts = self.clients[client]
                .stream
                .is_some_and(|stream| self.history.links[stream].expiry > 0);
            if !version_5 && lasts {
                self.connect(client);
            }
        }
        self.pass(5_000);
        for client in 0..self.clients.len() {
            self.disconnect(client, ReasonCode::Success, self.forgetting(client));
        }
        // No timer is armed for longer than an hour.
        self.pass(3_700_000);
        self.check_nothing_left();
    }

    fn forgetting(&self, client: usize) -> Option<u32> {
        let version_5 = self.clients[client].version == ringmq::protocol::ProtocolVersion::V5;
        version_5.then_some(0)
    }
}
