//! Whether a broker is well: it lives, serves a fresh client at once, and holds no
//! more memory than it may.
//!
//! Owns the measure that was taken before the trouble. Knows nothing of the trouble.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::process::Broker;
use crate::wait::{self, PATIENCE};
use crate::wire::{Client, publish};

/// How long a fresh client may wait for its own message, whatever goes on.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A broker and the memory that it had in good times.
pub struct Vitals<'a> {
    broker: &'a Broker,
    before: u64,
}

impl<'a> Vitals<'a> {
    /// Measures a broker in good times.
    pub fn of(broker: &'a Broker) -> Self {
        serve(broker);
        Self {
            broker,
            before: broker.resident(),
        }
    }

    /// In the midst of trouble: a fresh client is served, and no more than `bound`
    /// bytes were taken for whatever goes on.
    pub fn hold(&self, bound: u64, trouble: &str) {
        serve(self.broker);
        let grown = self.grown();
        println!("{trouble}: {grown} of {bound} bytes");
        assert!(grown <= bound, "{grown} bytes more for {trouble}");
    }

    /// The trouble is over: all but `rest` bytes are given back, or can be used again.
    pub fn recover(&self, rest: u64, trouble: &str) {
        serve(self.broker);
        let what = format!("all but {rest} bytes back after {trouble}");
        wait::for_some(&what, PATIENCE, || (self.grown() <= rest).then_some(()));
        println!("after {trouble}: {} of {rest} bytes", self.grown());
    }

    fn grown(&self) -> u64 {
        self.broker.resident().saturating_sub(self.before)
    }
}

/// A fresh client connects, subscribes, publishes and hears itself, within a second.
pub fn serve(broker: &Broker) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = format!("fresh-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let topic = format!("vitals/{id}");
    let started = Instant::now();
    let mut client = Client::v5(broker.address(), &id);
    client.subscribe(&topic, 0);
    client.send(&publish(5, &topic, b"well", 0, false, 0));
    assert_eq!(client.message().payload, b"well");
    let time = started.elapsed();
    client.disconnect();
    println!("a fresh client is served within {time:?}");
    assert!(time <= AT_ONCE, "a fresh client waits for {time:?}");
}
