//! `std` as the broker's lock-free sources see it in a model: loom's atomics and
//! cells, everything else as it is.
//!
//! Owns the two types that loom has otherwise. Holds no more than those sources
//! name.

pub use std::{array, collections, mem};

/// What a model uses without loom's knowledge.
pub mod real {
    pub use std::sync::Arc;
    pub use std::sync::atomic::AtomicU64;
}

/// Cells whose every access loom checks against all others.
pub mod cell {
    use loom::cell::UnsafeCell as Checked;

    /// loom's cell with the way to its content that std's has.
    pub struct UnsafeCell<T>(Checked<T>);

    impl<T> UnsafeCell<T> {
        /// A cell with this content.
        pub fn new(content: T) -> Self {
            Self(Checked::new(content))
        }

        /// The content; counts as a write at this moment, whatever is done with it.
        /// The sources use the pointer at once, so no access escapes.
        pub fn get(&self) -> *mut T {
            self.0.with_mut(|content| content)
        }
    }
}

/// What threads share.
pub mod sync {
    pub use loom::sync::Arc;

    /// Atomics in loom's hands.
    pub mod atomic {
        pub use loom::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering, fence};

        // A swap writes right behind what it reads, so a store that comes after the
        // one comes after the other. loom does not know: of a swap and a later store
        // by another thread it lets a third party see the swap last. Where all
        // parties swap, it knows; and where nobody releases anything with the
        // flag, as in the sources here, a swap is no more than a store.
        macro_rules! swapping {
            ($name:ident, $value:ty) => {
                /// Its stores are swaps.
                #[derive(Debug, Default)]
                pub struct $name(loom::sync::atomic::$name);

                impl $name {
                    /// Reads.
                    pub fn load(&self, order: Ordering) -> $value {
                        self.0.load(order)
                    }

                    /// Writes.
                    pub fn store(&self, value: $value, order: Ordering) {
                        assert_eq!(order, Ordering::Relaxed, "see above");
                        self.0.swap(value, order);
                    }

                    /// Reads and writes.
                    pub fn swap(&self, value: $value, order: Ordering) -> $value {
                        assert_eq!(order, Ordering::Relaxed, "see above");
                        self.0.swap(value, order)
                    }
                }
            };
        }

        swapping!(AtomicBool, bool);
        swapping!(AtomicU8, u8);
    }
}
