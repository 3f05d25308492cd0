//! Subscription identifiers of a PUBLISH.
//!
//! Owns: [`SubscriptionIdsBuf`] the bytes it builds; [`SubscriptionIds`] borrows.
//! Pure; lives on any core. Never holds a zero: that is no identifier.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use crate::protocol::EncodeError;
use crate::protocol::property::{PropertyId, RawProperties};
use crate::protocol::wire::{Reader, Writer};

/// The subscription identifiers of a packet, in their order.
///
/// A view of encoded properties: other ones that lie between are passed over.
#[derive(Clone, Copy, Default)]
pub struct SubscriptionIds<'a> {
    block: &'a [u8],
}

impl<'a> SubscriptionIds<'a> {
    /// No identifiers.
    pub const EMPTY: Self = Self { block: &[] };

    /// The identifiers in encoded properties that a decoder has accepted. (In
    /// others, iteration ends at the first that is malformed.)
    #[must_use]
    pub const fn of_checked(block: &'a [u8]) -> Self {
        Self { block }
    }

    /// Each identifier.
    #[must_use]
    pub const fn iter(&self) -> SubscriptionIdsIter<'a> {
        SubscriptionIdsIter {
            raw: RawProperties::new(self.block),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.is_empty() || self.iter().next().is_none()
    }

    /// Appends them to a property block.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        for property in RawProperties::new(self.block) {
            if property.id == PropertyId::SUBSCRIPTION_IDENTIFIER {
                writer.raw(property.bytes);
            }
        }
    }
}

impl PartialEq for SubscriptionIds<'_> {
    /// The same identifiers in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscriptionIds<'_> {}

impl fmt::Debug for SubscriptionIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for SubscriptionIds<'a> {
    type Item = u32;
    type IntoIter = SubscriptionIdsIter<'a>;

    fn into_iter(self) -> SubscriptionIdsIter<'a> {
        self.iter()
    }
}

/// Iterates over [`SubscriptionIds`].
#[derive(Clone, Debug)]
pub struct SubscriptionIdsIter<'a> {
    raw: RawProperties<'a>,
}

impl Iterator for SubscriptionIdsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let property = self
            .raw
            .find(|property| property.id == PropertyId::SUBSCRIPTION_IDENTIFIER)?;
        Reader::new(property.value).varint().ok()
    }
}

/// Builds subscription identifiers for a PUBLISH of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionIdsBuf {
    block: Vec<u8>,
}

impl SubscriptionIdsBuf {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { block: Vec::new() }
    }

    /// Adds one behind the others; the list stays as it was when that fails.
    pub fn push(&mut self, id: NonZeroU32) -> Result<(), EncodeError> {
        let before = self.block.len();
        let mut writer = Writer::new(&mut self.block);
        writer.u8(PropertyId::SUBSCRIPTION_IDENTIFIER.get());
        let written = writer.varint(id.get());
        if written.is_err() {
            self.block.truncate(before);
        }
        written
    }

    /// The list as packets take it.
    #[must_use]
    pub fn as_view(&self) -> SubscriptionIds<'_> {
        SubscriptionIds::of_checked(&self.block)
    }
}
