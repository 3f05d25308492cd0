//! Start and stop of all shards together.
//!
//! Owns the order of events and the barriers between them. Runs on the thread
//! that starts or stops the broker. A start that fails leaves nothing behind; a
//! stop always ends, within its timeout and a little.
//!
//! Start: checks; bind every shard's sockets; build every shard (executor and
//! ring, where memory may be short); every shard sleeps once;
//! only then listen. Stop: no more connections; no more reading; drain the mesh;
//! goodbye, flush and close; end. Between two phases all shards have answered.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::bind::{Bound, bind};
use super::config::Config;
use super::doors::{self, Certificates};
use super::error::{StartError, StopError};
use super::handle::{BrokerHandle, ShardHandle, Shards};
use super::placement::{available_cores, core_of};
use super::preflight;
use super::remote::Remote;
use super::workers::{self, Link, Links};
use crate::engine::{ConnectionBudget, EngineConfig, ListenerPolicy, ListenerQuotas};
use crate::hooks::Chain;
use crate::ids::ShardId;
use crate::routing::InterestTable;
use crate::shard::{
    self, Assignment, Census, Clock, Command, Door, Doorbell, LOCKED_BYTES, Milestones, Shortage,
};
use crate::transport::Acceptor;

/// How long the shards may take to get ready once they are built; they wait for
/// nothing but each other.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a phase that waits for no client may take.
const PHASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks whether everything is drained: at first as long as a hop
/// takes, later longer, because a look costs every shard a walk over its clients.
const CENSUS_PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// What is left of the stop's time for the goodbye, however long draining took.
const LEAST_FLUSH: Duration = Duration::from_millis(500);

/// Starts a broker.
pub(crate) fn start(config: Config) -> Result<BrokerHandle, StartError> {
    let cores = available_cores().map_err(|source| StartError::System {
        what: "find out the usable cores",
        source,
    })?;
    let count = config.shards.unwrap_or(cores.len()).min(super::MAX_SHARDS);
    preflight::check_io_uring()?;
    preflight::check_locked_memory(count)?;
    let places = config.doors.iter().map(|door| door.bindings.len()).sum();
    let max_connections = preflight::check_descriptors(config.max_connections, count, places)?;
    let connections = ConnectionBudget::new(max_connections as usize);
    let (rules, certificates) = rules(&config, &connections)?;
    let policies = rules.iter().map(|rule| rule.policy.clone()).collect();
    let stop_timeout = config.stop_timeout;
    let engines = engine_configs(&config, policies, count);
    let chain = Arc::clone(&config.chain);
    let workers = config
        .workers
        .unwrap_or_else(workers::default_threads)
        .max(1);
    let Bound {
        sockets,
        addresses,
        paths,
    } = bind(config.doors, count)?;
    let (mut shards, remote) = launch(engines, &cores, &chain, workers)?;
    if let Err(error) = listen(&shards, doors_of(sockets, &rules, count)) {
        let _ = stop(std::mem::take(&mut shards), Duration::ZERO);
        return Err(error);
    }
    for address in &addresses {
        info!(%address, shards = count, "listening");
    }
    Ok(BrokerHandle {
        shards,
        remote,
        chain,
        addresses,
        connections,
        stop_timeout,
        paths,
        certificates,
    })
}

/// What holds for those who come through one place.
struct Rule {
    policy: ListenerPolicy,
    acceptor: Option<Arc<Acceptor>>,
    connections: Arc<ConnectionBudget>,
}

/// One rule per place, in the order of the places; and the certificates that can be
/// read again. All places of a listener share its bound of connections.
fn rules(
    config: &Config,
    connections: &Arc<ConnectionBudget>,
) -> Result<(Vec<Rule>, Vec<Certificates>), StartError> {
    let (mut rules, mut reloadable) = (Vec::new(), Vec::new());
    for door in &config.doors {
        let own = door.listener.max_connections.map_or_else(
            || Arc::clone(connections),
            |most| ConnectionBudget::within(connections, most as usize),
        );
        let quotas = door.listener.quotas.unwrap_or(config.quotas);
        let quotas = Arc::new(ListenerQuotas::new(quotas));
        let (acceptor, certificates) = doors::acceptor(door, &config.limits)?;
        reloadable.extend(certificates);
        rules.extend(door.bindings.iter().map(|binding| Rule {
            policy: ListenerPolicy {
                quotas: Arc::clone(&quotas),
                ..door.policy(binding, config.allow_anonymous)
            },
            acceptor: acceptor.clone(),
            connections: Arc::clone(&own),
        }));
    }
    Ok((rules, reloadable))
}

/// Each shard's doors, from each place's sockets.
fn doors_of(sockets: Vec<Vec<Arc<OwnedFd>>>, rules: &[Rule], shards: usize) -> Vec<Vec<Door>> {
    let mut doors: Vec<Vec<Door>> = (0..shards).map(|_| Vec::new()).collect();
    for (sockets, rule) in sockets.into_iter().zip(rules) {
        for (doors, socket) in doors.iter_mut().zip(sockets) {
            doors.push(Door {
                socket,
                acceptor: rule.acceptor.clone(),
                connections: Arc::clone(&rule.connections),
            });
        }
    }
    doors
}

/// Starts all shards; they listen to nothing yet.
fn launch(
    engines: Vec<EngineConfig>,
    cores: &[usize],
    chain: &Arc<Chain>,
    workers: usize,
) -> Result<(Shards, Remote), StartError> {
    let count = engines.len();
    let clock = Clock::start();
    let shortage = Arc::new(Shortage::default());
    let (built, outcomes) = flume::bounded(count);
    let (go, gate) = flume::bounded(count);
    let (ready, readiness) = flume::bounded(count);
    let mut shards = Shards::default();
    let doorbells = (0..count)
        .map(|_| Doorbell::new().map(Arc::new))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|source| StartError::System {
            what: "make an eventfd",
            source,
        })?;
    let (questions, inquiries) = flume::bounded(workers::QUEUE_MAX);
    let mut links = Vec::new();
    let parts = engines
        .into_iter()
        .zip(shard::meshes(&doorbells))
        .zip(doorbells);
    for ((engine, mesh), doorbell) in parts {
        let shard = engine.shard;
        let system = |source| StartError::Shard { shard, source };
        let (commands, inbox) = flume::unbounded();
        let assignment = Assignment {
            shard,
            core: core_of(shard.index(), cores),
            clock,
            mesh,
            engine,
            shortage: Arc::clone(&shortage),
            commands: inbox,
            questions: questions.clone(),
            doorbell: Arc::clone(&doorbell),
        };
        links.push(Link {
            commands: commands.clone(),
            doorbell: Arc::clone(&doorbell),
        });
        let milestones = Milestones {
            built: built.clone(),
            go: gate.clone(),
            ready: ready.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("shard-{shard}"))
            .spawn(move || shard::run(assignment, milestones))
            .map_err(system)?;
        shards.0.push(ShardHandle {
            commands,
            doorbell,
            thread,
        });
    }
    drop((built, ready, questions));
    let failure = outcomes
        .iter()
        .take(count)
        .find_map(|(shard, outcome)| outcome.err().map(|source| explain(shard, source)));
    if let Some(failure) = failure {
        // Without the gate, shards that were built end again.
        drop((go, gate));
        shards
            .0
            .into_iter()
            .for_each(|shard| drop(shard.thread.join()));
        return Err(failure);
    }
    for _ in 0..count {
        let _ = go.send(());
    }
    let deadline = Instant::now() + READY_TIMEOUT;
    for _ in 0..count {
        readiness
            .recv_deadline(deadline)
            .map_err(|_| StartError::System {
                what: "start all shards in time",
                source: io::ErrorKind::TimedOut.into(),
            })?;
    }
    let links: Links = links.into();
    if !chain.is_empty()
        && let Err(source) = workers::start(chain, workers, &inquiries, &links)
    {
        let _ = stop(shards, Duration::ZERO);
        return Err(StartError::System {
            what: "start a worker thread",
            source,
        });
    }
    Ok((shards, Remote::new(links, clock)))
}

/// One engine's configuration per shard, with fresh seeds that nobody outside
/// can guess.
fn engine_configs(
    config: &Config,
    listeners: Arc<[ListenerPolicy]>,
    count: usize,
) -> Vec<EngineConfig> {
    let limits = Arc::new(config.limits.clone());
    let random = |n: u64| RandomState::new().hash_one(n);
    let placement_seed = [random(0), random(1), random(2), random(3)];
    let interest_key = ahash::RandomState::with_seeds(random(4), random(5), random(6), random(7));
    let shards = u16::try_from(count).expect("at most MAX_SHARDS");
    let interest = Arc::new(InterestTable::new(shards, interest_key));
    (0..count)
        .map(|shard| EngineConfig {
            shard: ShardId(u16::try_from(shard).expect("at most MAX_SHARDS")),
            shards,
            limits: Arc::clone(&limits),
            listeners: Arc::clone(&listeners),
            hooks: Arc::clone(&config.chain),
            placement_seed,
            random_seed: random(shard as u64),
            interest: Arc::clone(&interest),
        })
        .collect()
}

fn explain(shard: ShardId, source: io::Error) -> StartError {
    if source.raw_os_error() == Some(libc::ENOMEM) {
        StartError::LockedMemoryTaken {
            shard,
            need_kib: LOCKED_BYTES.div_ceil(1024),
        }
    } else {
        StartError::Shard { shard, source }
    }
}

/// Lets every shard accept connections.
fn listen(shards: &Shards, doors: Vec<Vec<Door>>) -> Result<(), StartError> {
    let (reply, answers) = flume::bounded(shards.0.len());
    for (shard, doors) in shards.0.iter().zip(doors) {
        shard.send(Command::Listen {
            doors,
            reply: reply.clone(),
        });
    }
    drop(reply);
    let deadline = Instant::now() + READY_TIMEOUT;
    for _ in &shards.0 {
        let answer = answers.recv_deadline(deadline);
        answer
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| StartError::System {
                what: "listen",
                source,
            })?;
    }
    Ok(())
}

/// Stops all shards, in phases; draining and flushing take at most `timeout`.
pub(crate) fn stop(shards: Shards, timeout: Duration) -> Result<(), StopError> {
    let started = Instant::now();
    let outcome =
        quiesce(&shards, started + timeout).and_then(|()| disconnect(&shards, started + timeout));
    for shard in &shards.0 {
        shard.send(Command::Exit);
    }
    // A shard that answers nothing would not end, either.
    if !matches!(outcome, Err(StopError::Unresponsive { .. })) {
        for shard in shards.0 {
            // A panic has ended the process before this.
            let _ = shard.thread.join();
        }
    }
    info!(seconds = started.elapsed().as_secs_f32(), "stopped");
    outcome
}

/// No more inputs; what is under way between the shards is finished.
fn quiesce(shards: &Shards, deadline: Instant) -> Result<(), StopError> {
    let soon = || Instant::now() + PHASE_TIMEOUT;
    shards.ask("closing its listeners", soon(), |reply| {
        Command::StopAccepting { reply }
    })?;
    shards.ask("it stopped reading", soon(), |reply| Command::StopReading {
        reply,
    })?;
    let mut before = None;
    let mut pause = CENSUS_PAUSE.0;
    loop {
        let census = shards.ask("draining", soon(), |reply| Command::Census { reply })?;
        if is_drained(&census, &mut before) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            debug!("draining took too long; going on");
            return Ok(());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(CENSUS_PAUSE.1);
    }
}

/// Whether nothing is under way. The shards are asked one after the other, so
/// one round may miss an item that crosses behind its back; when two rounds in
/// a row count the same, all sent is received and all are quiet, there was none.
fn is_drained(census: &[Census], before: &mut Option<(u64, u64)>) -> bool {
    let sent = census.iter().map(|shard| shard.sent).sum();
    let received = census.iter().map(|shard| shard.received).sum();
    let quiet = census.iter().all(|shard| shard.quiet);
    let same = before.replace((sent, received)) == Some((sent, received));
    quiet && same && sent == received
}

/// Goodbye to all clients, flush, close.
fn disconnect(shards: &Shards, deadline: Instant) -> Result<(), StopError> {
    let within = deadline
        .saturating_duration_since(Instant::now())
        .max(LEAST_FLUSH);
    let patience = Instant::now() + within + PHASE_TIMEOUT;
    let question = |reply| Command::Disconnect { within, reply };
    let cut: usize = shards
        .ask("saying goodbye", patience, question)?
        .into_iter()
        .sum();
    if cut > 0 {
        warn!(
            connections = cut,
            "cut before everything was flushed to them"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mesh_is_drained_only_when_two_rounds_agree() {
        let shard = |quiet, sent, received| Census {
            quiet,
            sent,
            received,
        };
        let mut before = None;
        let calm = [shard(true, 3, 1), shard(true, 1, 3)];
        assert!(!is_drained(&calm, &mut before), "one round is not enough");
        assert!(is_drained(&calm, &mut before));
        let under_way = [shard(true, 4, 1), shard(true, 1, 3)];
        assert!(!is_drained(&under_way, &mut before));
        assert!(
            !is_drained(&under_way, &mut before),
            "an item is on its way"
        );
        let busy = [shard(false, 4, 1), shard(true, 1, 4)];
        assert!(!is_drained(&busy, &mut before));
        assert!(!is_drained(&busy, &mut before), "a shard is not quiet");
    }
}
