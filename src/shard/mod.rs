//! The home of glommio: drives one engine on one core.
//!
//! Owns a shard's thread from its executor to its last descriptor. Everything
//! in here lives on that one core, except the doorbell, which any thread may
//! ring, and the lanes of the mesh. Never knows that it is in a process with
//! listeners to bind, signals or arguments: that is `broker`.
//!
//! | file | what |
//! | --- | --- |
//! | `turn` `flush` `close` `stop` | the turn: inputs, sends, ends, commands |
//! | `ring` `buffer_pool` `connection` | the network ring, its buffers, its sockets |
//! | `wrap` `unwrap` `goodbye` | transports between socket and MQTT: TLS, WebSocket, PROXY |
//! | `listener` `origin` | accepting, and pausing when the machine is full; who came |
//! | `mesh` `lane` `handoff` | what crosses between shards |
//! | `doorbell` `parked` `timer` `clock` | what wakes the turn, and time |
//! | `command` `request` | what other threads ask |

mod buffer_pool;
mod clock;
mod close;
mod command;
mod connection;
mod doorbell;
mod flush;
mod goodbye;
mod handoff;
mod lane;
mod listener;
mod mesh;
mod origin;
mod parked;
mod request;
mod ring;
mod stop;
mod timer;
mod turn;
mod unwrap;
mod vigil;
mod wrap;

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glommio::timer::Timer;
use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement};

pub(crate) use clock::Clock;
pub use command::ShardReport;
pub(crate) use command::{Census, Command, Request};
pub(crate) use doorbell::Doorbell;
pub(crate) use listener::{Door, Shortage};
pub(crate) use mesh::{Mesh, meshes};
pub use turn::Counters;

use buffer_pool::MAX_BUFFERS;
use doorbell::Wakeup;
use ring::Ring;
use turn::{Parts, Turn};

use crate::engine::{Engine, EngineConfig};
use crate::hooks::Inquiry;
use crate::ids::ShardId;

/// Entries of each of glommio's rings. Sockets do not go through them, so the
/// smallest usual depth does; deeper rings are locked memory.
const GLOMMIO_DEPTH: usize = 128;

/// glommio's registered I/O memory, in each of its three rings; its minimum.
const GLOMMIO_MEMORY: usize = 64 * 1024;

/// How often glommio looks up from a busy run queue: practically never. Every
/// task of a shard gives way by itself within the turn's budget. When the timer
/// fires just before the run queue is looked at, glommio 0.9 takes the queue for
/// empty and parks with runnable tasks (`run_task_queues` answers that nothing
/// ran); with 1 ms and more shards than cores one start in a hundred hung.
const PREEMPT: Duration = Duration::from_secs(3600);

/// How long a shard waits for locked memory that an earlier process is giving
/// back: the kernel does so after the process has ended.
const MEMORY_PATIENCE: Duration = Duration::from_secs(1);

/// Descriptors of a shard besides listeners and connections: five rings, the
/// doorbell's two eventfds and a copy, and glommio's eventfds.
pub(crate) const OWN_DESCRIPTORS: u64 = 13;

/// Memory of one shard that counts against RLIMIT_MEMLOCK, which the kernel
/// keeps per user: rings (entries of 64 bytes, completions of 16, an index of 4,
/// a page for heads) and registered memory.
pub(crate) const LOCKED_BYTES: u64 = {
    const fn pages(bytes: usize) -> usize {
        bytes.div_ceil(4096) * 4096
    }
    const fn ring(entries: usize, completions: usize) -> usize {
        pages(entries * 64) + pages(completions * 16 + entries * 4 + 512)
    }
    let glommio = 3 * (ring(GLOMMIO_DEPTH, 2 * GLOMMIO_DEPTH) + GLOMMIO_MEMORY);
    let network = ring(ring::SUBMISSIONS as usize, ring::COMPLETIONS as usize);
    (glommio + network + pages(MAX_BUFFERS as usize * 16)) as u64
};

/// Sixteen shards fit into the 8 MiB that Linux grants by default.
const _: () = assert!(16 * LOCKED_BYTES < 8 << 20);

/// What a shard is built from, on its way to its thread.
pub(crate) struct Assignment {
    pub(crate) shard: ShardId,
    pub(crate) core: usize,
    pub(crate) clock: Clock,
    pub(crate) mesh: Mesh,
    pub(crate) engine: EngineConfig,
    pub(crate) shortage: Arc<Shortage>,
    pub(crate) commands: flume::Receiver<Command>,
    /// Where questions to slow hooks go.
    pub(crate) questions: flume::Sender<Inquiry>,
    pub(crate) doorbell: Arc<Doorbell>,
}

/// How a shard's thread and the starting one wait for each other.
pub(crate) struct Milestones {
    /// The executor and the ring exist, or why not.
    pub(crate) built: flume::Sender<(ShardId, Result<(), io::Error>)>,
    /// All shards were built; closed without a message: give up.
    pub(crate) go: flume::Receiver<()>,
    /// The shard has slept once and takes commands.
    pub(crate) ready: flume::Sender<()>,
}

/// The body of a shard's thread.
pub(crate) fn run(assignment: Assignment, milestones: Milestones) {
    let shard = assignment.shard;
    let _loud = AbortOnPanic(shard);
    let (executor, ring) = match build(assignment.core, &assignment.doorbell) {
        Ok(parts) => parts,
        Err(error) => {
            let _ = milestones.built.send((shard, Err(error)));
            return;
        }
    };
    let _ = milestones.built.send((shard, Ok(())));
    drop(milestones.built);
    if milestones.go.recv().is_ok() {
        executor.run(Box::pin(drive(assignment, ring, milestones.ready)));
    }
}

/// Makes the executor and the ring, waiting a little for locked memory.
fn build(core: usize, doorbell: &Doorbell) -> io::Result<(LocalExecutor, Ring)> {
    let executor = with_patience(|| executor(core))?;
    let ring = with_patience(|| Ring::new(doorbell.in_glommio()))?;
    Ok((executor, ring))
}

fn with_patience<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let deadline = Instant::now() + MEMORY_PATIENCE;
    loop {
        let outcome = attempt();
        let short = |error: &io::Error| error.raw_os_error() == Some(libc::ENOMEM);
        if !outcome.as_ref().is_err_and(short) || Instant::now() >= deadline {
            return outcome;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn executor(core: usize) -> io::Result<LocalExecutor> {
    LocalExecutorBuilder::new(Placement::Fixed(core))
        .io_memory(GLOMMIO_MEMORY)
        .ring_depth(GLOMMIO_DEPTH)
        .preempt_timer(PREEMPT)
        .spin_before_park(Duration::ZERO)
        // Not on the shard's own core, which is where glommio would put it.
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(|error: GlommioError<()>| match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(error.to_string()),
        })
}

/// The root task: tells that it is ready, turns, cleans up.
async fn drive(assignment: Assignment, mut ring: Ring, ready: flume::Sender<()>) {
    let shard = assignment.shard;
    let wakeup = Rc::new(Wakeup::default());
    let listening = doorbell::listen(Arc::clone(&assignment.doorbell), Rc::clone(&wakeup));
    let listening = glommio::spawn_local(listening).detach();
    ring.arm_doorbell(assignment.doorbell.in_ring());
    // An executor's first sleep registers it for membarrier, which takes tens
    // of milliseconds while other threads run: have that behind us.
    Timer::new(Duration::from_millis(1)).await;
    let mut turn = Box::new(Turn::new(Parts {
        shard,
        wire_bound: assignment.engine.limits.shard_outbox_bytes,
        engine: Engine::new(assignment.engine),
        ring,
        mesh: assignment.mesh,
        commands: assignment.commands,
        questions: assignment.questions,
        shortage: assignment.shortage,
        clock: assignment.clock,
        wakeup,
        doorbell: assignment.doorbell,
    }));
    let _ = ready.send(());
    drop(ready);
    poll_fn(|context| {
        let _loud = AbortOnPanic(shard);
        turn.poll(context)
    })
    .await;
    turn.end();
    // glommio does not drop tasks that are pending when the root task ends.
    listening.await;
}

/// A panic on a shard ends the process: its clients would hang otherwise, and
/// the other shards would wait for it. Aborting where it happens keeps
/// destructors from running over what the panic left behind.
struct AbortOnPanic(ShardId);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(shard = %self.0, "a shard panicked; the process ends");
            eprintln!("shard {} panicked; the process ends", self.0);
            std::process::abort();
        }
    }
}
