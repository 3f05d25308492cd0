//! What failed attempts to log in cost.
//!
//! Owns counts of failures per address, per user and per both, in tables of fixed size
//! that all shards share without a lock; and the thread that lets attempts wait. It is
//! the first hook of the chain wherever clients are authenticated. An attempt from
//! where too many have failed is held up before anybody looks at its password, the
//! longer the more have failed, and never refused for that: nobody is locked out. A
//! user who has logged in from an address before is slowed down by failures under that
//! name from that address alone, whatever others do elsewhere.
//!
//! Two keys in one place of a table share their delay; the tables are keyed anew at
//! each start.

use std::cmp::Ordering as Order;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hooks::{Client, Credentials, Hook, Phases, Question, Reply, Verdict};
use crate::peer::Peer;
use crate::protocol::ReasonCode;

/// Places of each table: 64 KiB.
const PLACES: usize = 8_192;

/// Failures of one user from one address that cost nothing: people mistype.
const FREE_OF_PAIR: u64 = 5;

/// Failures of one address under any name that cost nothing: many clients may share it.
const FREE_OF_ADDRESS: u64 = 20;

/// Failures of one name from anywhere that cost nothing.
const FREE_OF_USER: u64 = 100;

/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// How often it doubles at most: to 8 seconds, below the deadline of a question.
const DOUBLINGS_MAX: u64 = 5;

/// After so many seconds without a failure, half of them are forgotten.
const HALF_LIFE: u64 = 30;

/// A login is remembered for so many seconds.
const TRUST: u64 = 24 * 3600;

/// Attempts that may be held up at once; a further one that would have to wait is
/// refused with 0x9F.
const WAITING_MAX: usize = 4_096;

/// How often those who have gone while they were held up make room for others.
const SWEEP: Duration = Duration::from_millis(100);

/// A table of counts, each with the second of its last change.
struct Table(Box<[AtomicU64]>);

impl Table {
    fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder below PLACES")]
        let index = (hash % PLACES as u64) as usize;
        &self.0[index]
    }

    fn count(&self, hash: u64, second: u64) -> u64 {
        decayed(self.place(hash).load(Ordering::Relaxed), second)
    }

    fn add(&self, hash: u64, second: u64) {
        // Relaxed: the counts order nothing else.
        let _ = self
            .place(hash)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |cell| {
                let count = (decayed(cell, second) + 1).min(u64::from(u32::MAX));
                Some(second << 32 | count)
            });
    }

    fn set(&self, hash: u64, second: u64, count: u64) {
        self.place(hash)
            .store(second << 32 | count, Ordering::Relaxed);
    }

    /// Whether something was set within so many seconds.
    fn is_recent(&self, hash: u64, second: u64, within: u64) -> bool {
        let cell = self.place(hash).load(Ordering::Relaxed);
        cell != 0 && second.saturating_sub(cell >> 32) <= within
    }
}

fn decayed(cell: u64, second: u64) -> u64 {
    let halvings = second.saturating_sub(cell >> 32) / HALF_LIFE;
    (cell & u64::from(u32::MAX))
        .checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX))
        .unwrap_or(0)
}

/// The hook; see the module.
pub(crate) struct Throttle {
    origin: Instant,
    key: RandomState,
    pairs: Table,
    addresses: Table,
    users: Table,
    trusted: Table,
    waiting: Arc<AtomicUsize>,
    delays: flume::Sender<Delayed>,
}

/// Whom an attempt is counted against.
struct Keys {
    pair: u64,
    address: u64,
    user: u64,
}

impl Throttle {
    /// A throttle with its thread, which ends with it.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let (delays, arriving) = flume::bounded(WAITING_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        thread::Builder::new()
            .name("login-delays".into())
            .spawn(move || hold_up(&arriving, &count))?;
        Ok(Self {
            origin: Instant::now(),
            key: RandomState::new(),
            pairs: Table::new(),
            addresses: Table::new(),
            users: Table::new(),
            trusted: Table::new(),
            waiting,
            delays,
        })
    }

    /// Seconds since the start, never zero.
    fn second(&self) -> u64 {
        self.origin.elapsed().as_secs() + 1
    }

    fn keys(&self, user: Option<&str>, peer: Peer) -> Keys {
        let address = match peer {
            Peer::Internet(address) => match address.ip().to_canonical() {
                IpAddr::V4(address) => u64::from(address.to_bits()),
                // Whoever has one address of a /64 has all of them.
                IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
            },
            Peer::Unix(process) => u64::from(process.user),
        };
        Keys {
            pair: self.key.hash_one((0, user, address)),
            address: self.key.hash_one((1, address)),
            user: self.key.hash_one((2, user)),
        }
    }

    fn delay(&self, keys: &Keys, second: u64) -> Duration {
        let pair = self.pairs.count(keys.pair, second);
        let mut steps = pair.saturating_sub(FREE_OF_PAIR);
        if !self.trusted.is_recent(keys.pair, second, TRUST) {
            let address = self.addresses.count(keys.address, second);
            steps = steps.max(address.saturating_sub(FREE_OF_ADDRESS));
            let user = self.users.count(keys.user, second);
            steps = steps.max(user.saturating_sub(FREE_OF_USER).min(2));
        }
        match steps.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_DELAY * (1 << doublings.min(DOUBLINGS_MAX)),
        }
    }

    fn logged_in(&self, client: &Client) {
        let keys = self.keys(client.user_name(), client.peer());
        let second = self.second();
        self.trusted.set(keys.pair, second, 1);
        self.pairs.set(keys.pair, second, 0);
    }
}

impl Hook for Throttle {
    fn name(&self) -> &'static str {
        "login delays"
    }

    fn phases(&self) -> Phases {
        Phases::CONNECT | Phases::REFUSED | Phases::SESSIONS
    }

    fn connect(&self, attempt: &Credentials) -> Verdict {
        let keys = self.keys(attempt.user_name(), attempt.peer());
        if self.delay(&keys, self.second()).is_zero() {
            Verdict::Next
        } else {
            Verdict::Ask
        }
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let Question::Connect(attempt) = question else {
            return;
        };
        let keys = self.keys(attempt.user_name(), attempt.peer());
        let until = Instant::now() + self.delay(&keys, self.second());
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            match self.delays.try_send(Delayed { until, reply }) {
                Ok(()) => return,
                Err(full) => full
                    .into_inner()
                    .reply
                    .answer(Verdict::Deny(ReasonCode::ConnectionRateExceeded)),
            }
        } else {
            reply.answer(Verdict::Deny(ReasonCode::ConnectionRateExceeded));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn refused(&self, attempt: &Credentials, reason: ReasonCode) {
        let guessed = matches!(
            reason,
            ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized
        );
        if guessed && !attempt.is_anonymous() {
            let keys = self.keys(attempt.user_name(), attempt.peer());
            let second = self.second();
            self.pairs.add(keys.pair, second);
            self.addresses.add(keys.address, second);
            self.users.add(keys.user, second);
        }
    }

    fn session_opened(&self, client: &Client) {
        self.logged_in(client);
    }

    fn session_resumed(&self, client: &Client) {
        self.logged_in(client);
    }
}

/// An attempt that is held up.
struct Delayed {
    until: Instant,
    reply: Reply,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    /// The earliest is the greatest, so that the heap hands it out first.
    fn cmp(&self, other: &Self) -> Order {
        other.until.cmp(&self.until)
    }
}

/// Lets attempts wait their time, until the throttle is gone.
fn hold_up(arriving: &flume::Receiver<Delayed>, waiting: &AtomicUsize) {
    let mut held: BinaryHeap<Delayed> = BinaryHeap::new();
    let mut next_sweep = Instant::now();
    loop {
        let next = match held.peek() {
            None => arriving
                .recv()
                .map_err(|_| flume::RecvTimeoutError::Disconnected),
            Some(first) => arriving.recv_deadline(first.until),
        };
        match next {
            Ok(delayed) => held.push(delayed),
            Err(flume::RecvTimeoutError::Timeout) => {}
            // Those who still wait are refused: their replies are dropped.
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        if next_sweep <= now {
            let before = held.len();
            held.retain(|delayed| delayed.reply.is_awaited());
            waiting.fetch_sub(before - held.len(), Ordering::Relaxed);
            next_sweep = now + SWEEP;
        }
        while held.peek().is_some_and(|first| first.until <= now) {
            if let Some(due) = held.pop() {
                waiting.fetch_sub(1, Ordering::Relaxed);
                due.reply.answer(Verdict::Next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::Patience;

    fn throttle() -> Throttle {
        Throttle::start().expect("a thread")
    }

    fn peer(last: u8) -> Peer {
        Peer::from(([192, 0, 2, last], 1))
    }

    fn fail(throttle: &Throttle, user: &str, from: Peer, times: u64) {
        let keys = throttle.keys(Some(user), from);
        for _ in 0..times {
            throttle.pairs.add(keys.pair, 1);
            throttle.addresses.add(keys.address, 1);
            throttle.users.add(keys.user, 1);
        }
    }

    fn delay(throttle: &Throttle, user: &str, from: Peer, second: u64) -> Duration {
        throttle.delay(&throttle.keys(Some(user), from), second)
    }

    #[test]
    fn guessing_gets_slower_and_is_forgiven_in_time() {
        let throttle = throttle();
        fail(&throttle, "user", peer(1), FREE_OF_PAIR);
        assert_eq!(delay(&throttle, "user", peer(1), 1), Duration::ZERO);
        fail(&throttle, "user", peer(1), 1);
        assert_eq!(delay(&throttle, "user", peer(1), 1), FIRST_DELAY);
        fail(&throttle, "user", peer(1), 50);
        assert_eq!(delay(&throttle, "user", peer(1), 1), Duration::from_secs(8));
        assert_eq!(
            delay(&throttle, "user", peer(1), 1 + 10 * HALF_LIFE),
            Duration::ZERO
        );
    }

    #[test]
    fn who_guesses_many_names_from_one_address_is_slowed_under_each_of_them() {
        let throttle = throttle();
        for number in 0..FREE_OF_ADDRESS + 3 {
            fail(&throttle, &format!("user-{number}"), peer(1), 1);
        }
        assert!(delay(&throttle, "another", peer(1), 1) > Duration::ZERO);
        assert_eq!(delay(&throttle, "another", peer(2), 1), Duration::ZERO);
    }

    #[test]
    fn guessers_elsewhere_do_not_hold_up_who_has_logged_in_before() {
        let throttle = throttle();
        let home = throttle.keys(Some("user"), peer(1));
        throttle.trusted.set(home.pair, 1, 1);
        for last in 2..=250 {
            fail(&throttle, "user", peer(last), 2);
        }
        assert_eq!(delay(&throttle, "user", peer(1), 1), Duration::ZERO);
        let stranger = delay(&throttle, "user", peer(251), 1);
        assert_eq!(stranger, FIRST_DELAY * 2, "slower, and let in all the same");
    }

    #[test]
    fn who_leaves_while_held_up_makes_room_for_others() {
        let (delays, arriving) = flume::unbounded();
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        thread::spawn(move || hold_up(&arriving, &count));
        let hold = |patience: &Patience| {
            waiting.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + Duration::from_secs(3600);
            let reply = Reply::new(|_| ()).while_awaited(patience.awaited());
            delays.send(Delayed { until, reply }).expect("it runs");
        };
        let (gone, there) = (Patience::default(), Patience::default());
        (0..100).for_each(|_| hold(&gone));
        drop(gone);
        let (started, mut next) = (Instant::now(), Duration::ZERO);
        // Further attempts arrive now and then; only they are held in the end.
        let mut arrived = 0;
        while waiting.load(Ordering::Relaxed) != arrived || arrived == 0 {
            if started.elapsed() >= next {
                hold(&there);
                arrived += 1;
                next += SWEEP / 4;
            }
            assert!(started.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
    }
}
