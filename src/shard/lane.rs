//! HOT PATH: a lane: a bounded queue from one shard to one other, lock-free.
//!
//! Owns the items under way. Its two halves live on two shards and share no
//! cache line that both write, but for the flag of a full lane. One of the files
//! with `unsafe`: each slot belongs to one half at a time. Never blocks, never
//! wakes anyone: that is the business of `mesh`.
//!
//! Slots form a ring. `tail` counts the items pushed, `head` those popped, both
//! wrapping; invariant: `0 <= tail - head <= capacity`. Slots from `head` up to
//! `tail` are filled and the receiver's, the others are the sender's.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// Keeps what two cores write apart; two lines, because they are fetched in
/// pairs.
#[repr(align(128))]
#[derive(Default)]
struct Apart<T>(T);

struct Ring<T> {
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    /// Written by the sender.
    tail: Apart<AtomicUsize>,
    /// Written by the receiver.
    head: Apart<AtomicUsize>,
    /// The sender found the lane full and wants to hear when it is not.
    wants_room: Apart<AtomicBool>,
}

// SAFETY: items are handed from one thread to another, which `T: Send` allows;
// each slot is accessed by one half at a time, as the counters say.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: see above; the halves share the ring but never a slot.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    fn slot(&self, count: usize) -> *mut MaybeUninit<T> {
        // The capacity is a power of two.
        self.slots[count & (self.slots.len() - 1)].get()
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Both halves are gone, so nothing changes any more.
        let mut head = self.head.0.load(Ordering::Relaxed);
        let tail = self.tail.0.load(Ordering::Relaxed);
        while head != tail {
            // SAFETY: slots from head to tail are filled, and nobody else is left
            // to touch them.
            unsafe { (*self.slot(head)).assume_init_drop() };
            head = head.wrapping_add(1);
        }
    }
}

/// The sending half.
pub(crate) struct LaneSender<T> {
    ring: Arc<Ring<T>>,
    tail: usize,
    /// The head as it was last seen; the real one is the same or further.
    head: usize,
}

/// The receiving half.
pub(crate) struct LaneReceiver<T> {
    ring: Arc<Ring<T>>,
    head: usize,
    /// The tail as it was last seen; the real one is the same or further.
    tail: usize,
}

/// A lane for `capacity` items, a power of two.
pub(crate) fn lane<T: Send>(capacity: usize) -> (LaneSender<T>, LaneReceiver<T>) {
    assert!(capacity.is_power_of_two(), "slots are found by masking");
    let slots = (0..capacity)
        .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
        .collect();
    let ring = Ring {
        slots,
        tail: Apart::default(),
        head: Apart::default(),
        wants_room: Apart::default(),
    };
    let ring = Arc::new(ring);
    let sender = LaneSender {
        ring: Arc::clone(&ring),
        tail: 0,
        head: 0,
    };
    (
        sender,
        LaneReceiver {
            ring,
            head: 0,
            tail: 0,
        },
    )
}

impl<T> LaneSender<T> {
    /// Whether another item fits.
    pub(crate) fn has_room(&mut self) -> bool {
        let capacity = self.ring.slots.len();
        if self.tail.wrapping_sub(self.head) == capacity {
            self.head = self.ring.head.0.load(Ordering::Acquire);
        }
        self.tail.wrapping_sub(self.head) < capacity
    }

    /// Sends an item, or gives it back when the lane is full.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if !self.has_room() {
            return Err(item);
        }
        // SAFETY: there is room, so the slot at `tail` is the sender's and
        // empty; the receiver looks at it only after the store below.
        unsafe { (*self.ring.slot(self.tail)).write(item) };
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Asks to hear of room. Room that came before is seen by asking
    /// [`Self::has_room`] once more afterwards.
    pub(crate) fn want_room(&mut self) {
        self.ring.wants_room.0.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

impl<T> LaneReceiver<T> {
    /// Whether nothing is there to receive.
    pub(crate) fn is_empty(&mut self) -> bool {
        if self.head == self.tail {
            self.tail = self.ring.tail.0.load(Ordering::Acquire);
        }
        self.head == self.tail
    }

    /// The oldest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: the lane is not empty, so the slot at `head` is filled and the
        // receiver's; the store below gives it back, so it is read once.
        let item = unsafe { (*self.ring.slot(self.head)).assume_init_read() };
        self.head = self.head.wrapping_add(1);
        self.ring.head.0.store(self.head, Ordering::Release);
        Some(item)
    }

    /// Whether the sender wants to hear that there is room again; asked once
    /// after popping.
    pub(crate) fn take_wants_room(&mut self) -> bool {
        // The sender sets the flag and then looks for room; we made room and
        // then look at the flag. With a full barrier between, one sees the other.
        fence(Ordering::SeqCst);
        let wanted = &self.ring.wants_room.0;
        wanted.load(Ordering::Relaxed) && wanted.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::thread;

    use super::*;

    #[test]
    fn items_come_out_in_order_and_a_full_lane_gives_them_back() {
        let (mut sender, mut receiver) = lane(4);
        for round in 0..10 {
            assert!(receiver.is_empty());
            for item in 0..4 {
                assert_eq!(sender.push(round * 4 + item), Ok(()));
            }
            assert_eq!(sender.push(99), Err(99));
            sender.want_room();
            for item in 0..4 {
                assert_eq!(receiver.pop(), Some(round * 4 + item));
            }
            assert_eq!(receiver.pop(), None);
            assert!(receiver.take_wants_room());
            assert!(!receiver.take_wants_room());
        }
    }

    #[test]
    fn what_was_not_received_is_dropped_once() {
        #[derive(Clone)]
        struct Counted(Arc<()>);
        let item = Counted(Arc::new(()));
        let (mut sender, mut receiver) = lane(8);
        for _ in 0..5 {
            assert!(sender.push(item.clone()).is_ok());
        }
        drop(receiver.pop());
        drop((sender, receiver));
        assert_eq!(Arc::strong_count(&item.0), 1);
        // Also while a half stays behind.
        let (sender, receiver) = lane::<Counted>(2);
        drop(sender);
        drop(receiver);
        let _ = Rc::new(item);
    }

    #[test]
    fn two_threads_exchange_every_item_in_order() {
        // Miri takes its time.
        const ITEMS: u64 = if cfg!(miri) { 500 } else { 200_000 };
        let (mut sender, mut receiver) = lane::<Box<u64>>(16);
        let sending = thread::spawn(move || {
            for number in 0..ITEMS {
                let mut item = Box::new(number);
                while let Err(back) = sender.push(item) {
                    item = back;
                    thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < ITEMS {
            match receiver.pop() {
                Some(item) => {
                    assert_eq!(*item, expected);
                    expected += 1;
                }
                None => thread::yield_now(),
            }
        }
        sending.join().expect("the sender sends all");
    }
}
