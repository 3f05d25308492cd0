//! One run: engines, streams, mesh, clients and clock, moved by a queue of events.
//!
//! Owns all of it on one thread. Time jumps from event to event; nothing sleeps,
//! and nothing but the plan's seed decides what happens next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ahash::RandomState;
use ringmq::engine::home::Homes;
use ringmq::engine::{Arrival, ConnectionBudget, Engine, EngineConfig, Limits, PeerBatch, Stats};
use ringmq::hooks::Chain;
use ringmq::ids::{ConnectionId, ShardId};
use ringmq::routing::InterestTable;
use ringmq::time::Timestamp;

use crate::client::Client;
use crate::history::{History, When};
use crate::plan::{Feature, Plan};
use crate::questions::Asked;
use crate::random::Random;
use crate::rules::Rules;
use crate::stream::Stream;
use crate::trace::Trace;

/// The key of homes in every run.
pub const PLACEMENT: [u64; 4] = [11, 12, 13, 14];

/// Something that happens at a planned moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// A client does something.
    Act(usize),
    /// Bytes reach the broker.
    Up(usize),
    /// Bytes reach a client.
    Down(usize),
    /// A shard takes a turn.
    Turn(usize),
    /// Something from one shard reaches another.
    Mesh(usize, usize),
    /// A client sends an acknowledgement that it owes.
    Acknowledge(usize),
    /// A closing connection has had its time.
    Linger(usize),
    /// A client pings, if it is still on this connection.
    Ping(usize, usize),
    /// The answer to a question arrives.
    Answer(usize),
    /// The rules change.
    Reload,
    /// A shard hears that they did.
    Reloaded(usize),
}

/// What travels between two shards.
#[derive(Debug)]
pub enum Carried {
    /// A batch of the engine.
    Batch(PeerBatch),
    /// A connection that goes home.
    Handoff(usize, Arrival),
}

/// A property does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which one: the name of its file.
    pub property: &'static str,
    /// What was seen.
    pub what: String,
}

/// A lane between two shards.
#[derive(Debug, Default)]
pub struct Way {
    /// What is under way, by time of arrival.
    pub items: VecDeque<(u64, Carried)>,
    /// Nothing overtakes what arrives then.
    pub last: u64,
}

/// Everything of one run.
pub struct World {
    /// What was decided beforehand.
    pub plan: Plan,
    /// The broker's limits.
    pub limits: Arc<Limits>,
    /// Decides what clients do.
    pub random: Random,
    /// Decides what network and mesh do, apart from it: the same clients can meet
    /// another weather.
    pub weather: Random,
    /// Decides what hooks' answers do on their way, apart from both.
    pub answers: Random,
    /// Milliseconds.
    pub now: u64,
    /// The shards.
    pub engines: Vec<Engine>,
    /// When each shard's next turn is planned.
    pub turns: Vec<Option<u64>>,
    /// From each shard to each other.
    pub ways: BTreeMap<(usize, usize), Way>,
    /// What hooks decide by.
    pub rules: Arc<Rules>,
    /// The hooks.
    pub chain: Arc<Chain>,
    /// All questions ever.
    pub questions: Vec<Asked>,
    /// Which shard is whose home.
    pub homes: Homes,
    /// When the rules changed.
    pub reloads: Vec<When>,
    /// All connections ever.
    pub streams: Vec<Stream>,
    /// Who is where.
    pub places: BTreeMap<(usize, ConnectionId), usize>,
    /// All clients.
    pub clients: Vec<Client>,
    /// What was seen.
    pub history: History,
    /// What happened.
    pub trace: Trace,
    /// The first property that did not hold.
    pub violation: Option<Violation>,
    /// Shards and connections of theirs that another has superseded.
    pub superseded: Vec<(usize, usize)>,
    /// No faults any more.
    pub healed: bool,
    /// Whoever connects now does so to forget its session.
    pub parting: bool,
    /// The broker stops.
    pub stopping: bool,
    /// What clients received, kept where runs are to be compared.
    pub heard: Option<Vec<String>>,
    /// Actions left.
    pub actions: u32,
    /// Events so far.
    pub events: u64,
    /// The process's count of connections.
    pub budget: Arc<ConnectionBudget>,
    queue: BTreeSet<(u64, u64, Event)>,
    planned: u64,
}

impl World {
    /// A broker without clients, under this plan.
    #[must_use]
    pub fn new(plan: &Plan, readable: bool) -> Self {
        let hasher = RandomState::with_seeds(21, 22, 23, 24);
        let interest = Arc::new(InterestTable::new(plan.shards, hasher));
        let limits = Arc::new(plan.limits());
        let rules = Arc::new(Rules::new(plan));
        let chain = Arc::new(Chain::new(rules.hooks()));
        let engines = (0..plan.shards).map(|shard| {
            Engine::new(EngineConfig {
                shard: ShardId(shard),
                shards: plan.shards,
                limits: Arc::clone(&limits),
                listeners: Arc::from([]),
                hooks: Arc::clone(&chain),
                placement_seed: PLACEMENT,
                random_seed: u64::from(shard) + 1,
                interest: Arc::clone(&interest),
            })
        });
        let mut world = Self {
            engines: engines.collect(),
            turns: vec![None; usize::from(plan.shards)],
            ways: BTreeMap::new(),
            rules,
            chain,
            questions: Vec::new(),
            homes: Homes::new(PLACEMENT, plan.shards),
            reloads: Vec::new(),
            streams: Vec::new(),
            places: BTreeMap::new(),
            clients: Vec::new(),
            history: History::new(0),
            trace: Trace::new(readable),
            violation: None,
            superseded: Vec::new(),
            healed: false,
            parting: false,
            stopping: false,
            heard: None,
            actions: plan.actions,
            events: 0,
            budget: ConnectionBudget::new(100_000),
            queue: BTreeSet::new(),
            planned: 0,
            random: Random::new(plan.seed),
            weather: Random::new(plan.seed ^ 0x7765_6174),
            answers: Random::new(plan.seed ^ 0x616e_7377_6572),
            now: 1_000,
            limits,
            plan: plan.clone(),
        };
        world.clients = Client::all(plan);
        world.history = History::new(world.clients.len());
        world
    }

    /// The present instant as the engines know it.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Whether a fault or feature happens at all now.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.plan.has(feature)
    }

    /// Whether a fault happens now: faults end when the run is healed.
    pub fn strikes(&mut self, fault: Feature, percent: u64) -> bool {
        self.plan.has(fault) && !self.healed && self.random.percent(percent)
    }

    /// The same for what the network does of itself.
    pub fn storms(&mut self, fault: Feature, percent: u64) -> bool {
        self.plan.has(fault) && !self.healed && self.weather.percent(percent)
    }

    /// Plans an event in so many milliseconds.
    pub fn plan_in(&mut self, delay: u64, event: Event) {
        self.planned += 1;
        self.queue.insert((self.now + delay, self.planned, event));
    }

    /// Remembers the first property that does not hold.
    pub fn violate(&mut self, property: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.trace
                .line(self.now, || format!("VIOLATION {property}: {what}"));
            self.violation = Some(Violation { property, what });
        }
    }

    /// Lets events happen until `until` says so, none is left, or a property fails.
    /// Tells whether it ended because none was left.
    pub fn run(&mut self, until: impl Fn(&Self) -> bool) -> bool {
        while self.violation.is_none() && !until(self) {
            let Some((at, _, event)) = self.queue.pop_first() else {
                return true;
            };
            self.now = self.now.max(at);
            self.events += 1;
            if self.events > 2_000_000 {
                self.violate("bounds", || "two million events and no end".to_owned());
            }
            self.happen(event);
        }
        false
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        self.run(|world| world.queue.first().is_none_or(|&(at, _, _)| at > end));
        if self.violation.is_none() {
            self.now = end;
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(client) => self.act(client),
            Event::Up(stream) => self.deliver_up(stream),
            Event::Down(stream) => self.deliver_down(stream),
            Event::Turn(shard) => self.turn(shard),
            Event::Mesh(from, to) => self.carry(from, to),
            Event::Acknowledge(client) => self.acknowledge_next(client),
            Event::Linger(stream) => self.end_linger(stream),
            Event::Ping(client, stream) => self.ping(client, stream),
            Event::Answer(question) => self.answer(question),
            Event::Reload => self.reload(),
            Event::Reloaded(shard) => self.hear_of_reload(shard),
        }
    }

    /// The counters of all shards together.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for engine in &self.engines {
            sum.add(&engine.stats());
        }
        sum
    }
}
