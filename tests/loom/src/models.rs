//! The models: what is promised across threads, tried in every order that loom finds.
//!
//! Owns the bounds of the search. A model that ends in a deadlock is a lost wake-up;
//! loom finds those, data races in a lane's slots, and every failed assertion.

use loom::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use loom::model::Builder;
use loom::thread;
use model_std::real;

use crate::engine::PeerBatch;
use crate::ids::ShardId;
use crate::protocol::TopicFilter;
use crate::routing::three_parts;
use crate::shard::any_lane::lane;
use crate::shard::doorbell::Doorbell;
use crate::shard::mesh::{LaneItem, Mesh, meshes};
use crate::shard::parked::Place;

/// Counts outside of the model: not one of loom's.
type Runs = real::Arc<real::AtomicU64>;

/// Tries a model with at most so many switches that no thread asked for: errors need
/// few, and each one more multiplies the time.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    let runs = Runs::default();
    let count = Runs::clone(&runs);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} orders", runs.load(Ordering::Relaxed));
}

/// Items come out of a lane once each, whole and in order; a full lane gives back.
pub fn a_lane_hands_over_each_item_once_and_in_order() {
    explore(3, || {
        let (mut sender, mut receiver) = lane::<Box<u32>>(2);
        let sending = thread::spawn(move || {
            let mut refused = 0;
            for number in 0..4 {
                if sender.push(Box::new(number)).is_err() {
                    refused += 1;
                }
            }
            refused
        });
        let mut last = None;
        let mut received = 0;
        for _ in 0..4 {
            if let Some(item) = receiver.pop() {
                assert!(last < Some(*item), "{last:?} before {item}");
                last = Some(*item);
                received += 1;
            }
        }
        let refused = sending.join().expect("the sender does not panic");
        while receiver.pop().is_some() {
            received += 1;
        }
        assert_eq!(received + refused, 4);
        assert!(refused <= 2, "two have room from the start");
    });
}

/// What is left in a lane is dropped once, whichever half goes last; loom counts leaks.
pub fn a_lane_drops_what_nobody_received() {
    explore(9, || {
        let (mut sender, mut receiver) = lane::<Arc<u32>>(2);
        let sending = thread::spawn(move || {
            for number in 0..2 {
                assert!(sender.push(Arc::new(number)).is_ok());
            }
        });
        drop(receiver.pop());
        drop(receiver);
        sending.join().expect("the sender does not panic");
    });
}

/// A sender that found its lane full hears of room, or sees it.
pub fn a_full_lane_tells_its_sender_of_room() {
    explore(9, || {
        let (mut sender, mut receiver) = lane::<u32>(2);
        assert!(sender.push(0).is_ok() && sender.push(1).is_ok());
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.pop(), Some(0));
            receiver.take_wants_room()
        });
        sender.want_room();
        let sees = sender.has_room();
        let hears = receiving.join().expect("the receiver does not panic");
        assert!(sees || hears, "the sender would wait for ever");
    });
}

/// The part of a turn that has to do with other shards: takes what came, sends on
/// what can be sent, waits for no time in the ring, and sleeps when there is nothing. Ends
/// when `done` says so.
fn turns(mesh: &mut Mesh, doorbell: &Doorbell, mut done: impl FnMut(&mut Mesh) -> bool) {
    loop {
        doorbell.unpark();
        let is_done = done(mesh);
        mesh.wake_peers();
        if is_done {
            return;
        }
        doorbell.park(Place::Ring);
        doorbell.unpark();
        if !mesh.is_idle() {
            continue;
        }
        doorbell.park(Place::Glommio);
        if mesh.is_idle() {
            doorbell.sleep();
        }
    }
}

/// Takes everything that has come; the batches of a peer are numbered.
fn take(mesh: &mut Mesh, next: &mut u64) {
    while let Some((_, item)) = mesh.next() {
        let LaneItem::Batch(PeerBatch(number)) = item else {
            panic!("no connection was sent");
        };
        assert_eq!(number, *next, "out of order");
        *next += 1;
    }
}

fn send(mesh: &mut Mesh, to: u16, numbers: core::ops::Range<u64>) {
    for number in numbers {
        mesh.send(ShardId(to), LaneItem::Batch(PeerBatch(number)));
    }
}

fn two_shards() -> ([Arc<Doorbell>; 2], [Mesh; 2]) {
    let doorbells = [Arc::new(Doorbell::new()), Arc::new(Doorbell::new())];
    let meshes = meshes(&doorbells);
    let Ok(meshes) = <[Mesh; 2]>::try_from(meshes) else {
        panic!("one mesh per doorbell");
    };
    (doorbells, meshes)
}

/// A shard that sleeps, or is about to, hears of what it is sent.
pub fn no_wake_up_is_lost() {
    explore(3, || {
        let ([_, bell], [mut east, mut west]) = two_shards();
        let receiving = thread::spawn(move || {
            let mut next = 0;
            turns(&mut west, &bell, |mesh| {
                take(mesh, &mut next);
                next == 2
            });
        });
        // Two turns, one item each.
        for number in 0..2 {
            send(&mut east, 1, number..number + 1);
            east.wake_peers();
        }
        receiving.join().expect("the receiver gets all");
    });
}

/// A sender with a backlog sleeps and is woken when its lane has room again.
pub fn a_backlog_moves_on_while_its_sender_sleeps() {
    explore(2, || {
        let ([east_bell, west_bell], [mut east, mut west]) = two_shards();
        let receiving = thread::spawn(move || {
            let mut next = 0;
            turns(&mut west, &west_bell, |mesh| {
                take(mesh, &mut next);
                if next == 3 {
                    send(mesh, 0, 0..1);
                }
                next == 3
            });
        });
        send(&mut east, 1, 0..3);
        // It hears that all has come.
        let mut next = 0;
        turns(&mut east, &east_bell, |mesh| {
            take(mesh, &mut next);
            next == 1
        });
        receiving.join().expect("the receiver gets all");
    });
}

/// Sends three items and, once as many have come, a last one; ends when the peer's
/// last one has come, so that nobody leaves early.
fn exchange(mesh: &mut Mesh, bell: &Doorbell, peer: u16) {
    send(mesh, peer, 0..3);
    let (mut next, mut answered) = (0, false);
    turns(mesh, bell, |mesh| {
        take(mesh, &mut next);
        if next >= 3 && !answered {
            answered = true;
            send(mesh, peer, 3..4);
        }
        next == 4
    });
}

/// Two shards that have more for each other than fits both come to their end.
pub fn shards_that_fill_each_others_lanes_make_progress() {
    explore(1, || {
        let ([east_bell, west_bell], [mut east, mut west]) = two_shards();
        let going = thread::spawn(move || exchange(&mut west, &west_bell, 0));
        exchange(&mut east, &east_bell, 1);
        going.join().expect("both get all");
    });
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("well-formed")
}

/// A publish that begins after SUBACK reaches the subscriber's shard, while this one's
/// other filters and another shard's come and go.
fn a_publish_after_suback_finds(text: &'static str, topic: &'static str, other: &'static str) {
    explore(3, move || {
        let [publishing, mut subscribing, mut disturbing] = three_parts();
        let finds = |shard| {
            let mut found = false;
            publishing.interested(topic, |other| found |= other == ShardId(shard));
            found
        };
        let acknowledged = Arc::new(AtomicBool::new(false));
        let suback = Arc::clone(&acknowledged);
        disturbing.add(filter(other));
        let disturbance = thread::spawn(move || {
            disturbing.remove(filter(other));
            disturbing
        });
        let subscriber = thread::spawn(move || {
            subscribing.add(filter(text));
            suback.store(true, Ordering::Release);
            for passing in [other, text] {
                subscribing.add(filter(passing));
                subscribing.remove(filter(passing));
            }
            subscribing
        });
        if acknowledged.load(Ordering::Acquire) {
            assert!(finds(1), "{topic} misses {text}");
        }
        let mut subscribing = subscriber.join().expect("it does not panic");
        let _disturbing = disturbance.join().expect("it does not panic");
        assert!(finds(1), "{topic} misses {text}");
        subscribing.remove(filter(text));
        assert!(!finds(1) && !finds(2), "something is left behind");
    });
}

/// A filter without wildcards.
pub fn interest_in_a_topic_is_seen_after_suback() {
    a_publish_after_suback_finds("a/b", "a/b", "a/c");
}

/// Two shards enter and leave the same shape at the same time.
pub fn interest_in_a_shape_that_another_shard_leaves_is_seen_after_suback() {
    a_publish_after_suback_finds("a/+", "a/b", "c/+");
}

/// Two shards enter and leave different shapes at the same time.
pub fn interest_in_a_new_shape_is_seen_after_suback() {
    a_publish_after_suback_finds("a/#", "a/b", "c/+");
}
