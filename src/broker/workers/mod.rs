//! Threads for what a shard must not do: wait for a hook's answer.
//!
//! Owns the threads and the queue before them. A question comes from a shard through a
//! bounded channel (full: the shard is told so and refuses), its answer goes back as a
//! command that rings the shard's doorbell. A hook that never returns keeps one thread
//! for itself, not its client: the engine has a deadline. Never on a shard's core by
//! choice; the system places these threads.

pub(crate) mod throttle;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::hooks::{Answer, Chain, ExchangeBox, Inquiry, Reply, Subject, Ticket, Verdict};
use crate::protocol::ReasonCode;
use crate::shard::{Command, Doorbell};

/// Questions that may wait for a thread; a further one is refused with 0x89 or 0x97.
/// At 10 ms of hashing each and four threads this is ten seconds of work, as long as
/// anybody waits for an answer.
pub(crate) const QUEUE_MAX: usize = 4_096;

/// Threads when the embedder does not say: enough to hash on, few beside the shards.
const THREADS_MAX: usize = 4;

/// The way back to one shard.
pub(crate) struct Link {
    pub(crate) commands: flume::Sender<Command>,
    pub(crate) doorbell: Arc<Doorbell>,
}

/// The ways back to all shards, by their numbers.
pub(crate) type Links = Arc<[Link]>;

fn send(links: &Links, ticket: Ticket, answer: Answer) {
    if let Some(link) = links.get(ticket.shard.index()) {
        let verdict = Command::Verdict { ticket, answer };
        // A shard that has ended waits for nothing.
        if link.commands.send(verdict).is_ok() {
            link.doorbell.ring();
        }
    }
}

/// How many threads there are by default.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))
}

/// Starts the threads; they end when the last shard has.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn start(
    chain: &Arc<Chain>,
    threads: usize,
    inquiries: &flume::Receiver<Inquiry>,
    links: &Links,
) -> io::Result<()> {
    for number in 0..threads {
        let (chain, inquiries, links) = (Arc::clone(chain), inquiries.clone(), Arc::clone(links));
        // Nobody joins them: a hook that hangs must not hold up the stop.
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                for inquiry in &inquiries {
                    work(&chain, &links, inquiry);
                }
            })?;
    }
    Ok(())
}

/// Finds one answer.
fn work(chain: &Chain, links: &Links, inquiry: Inquiry) {
    let Inquiry {
        ticket,
        subject,
        awaited,
    } = inquiry;
    if !awaited.by_anybody() {
        // Its client is gone, or was refused already: the next one is served sooner.
        let nobody = Answer::Verdict(Verdict::Deny(ReasonCode::NotAuthorized));
        send(links, ticket, nobody);
        return;
    }
    match subject {
        Subject::Hook(place, question) => {
            let back = Arc::clone(links);
            let reply = Reply::new(move |verdict| {
                let answer = match verdict {
                    Some(verdict) => Answer::Verdict(verdict),
                    None if thread::panicking() => Answer::Panicked,
                    None => Answer::Verdict(Verdict::Deny(ReasonCode::NotAuthorized)),
                };
                send(&back, ticket, answer);
            })
            .while_awaited(awaited);
            let Some(hook) = chain.hook(place) else {
                return;
            };
            if catch_unwind(AssertUnwindSafe(|| hook.resolve(question, reply))).is_err() {
                chain.count_panic(hook.name());
            }
        }
        Subject::Exchange {
            mut exchange, data, ..
        } => {
            let step = catch_unwind(AssertUnwindSafe(|| exchange.resolve(data.as_deref())));
            let answer = match step {
                Ok(step) => Answer::Step(ExchangeBox(exchange), step),
                Err(_) => {
                    chain.count_panic("an exchange");
                    Answer::Panicked
                }
            };
            send(links, ticket, answer);
        }
    }
}
