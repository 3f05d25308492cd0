//! User properties: names and values that mean nothing to MQTT.
//!
//! Owns: [`UserPropertiesBuf`] the bytes it builds; [`UserProperties`] borrows.
//! Pure; lives on any core. Never reorders or merges them [MQTT-3.3.2-18].

use alloc::vec::Vec;
use core::fmt;

use crate::protocol::EncodeError;
use crate::protocol::property::{PropertyId, RawProperties};
use crate::protocol::wire::{Reader, Writer};

/// The user properties of a packet, in their order.
///
/// A view of encoded properties: other ones that lie between are passed over.
#[derive(Clone, Copy, Default)]
pub struct UserProperties<'a> {
    block: &'a [u8],
}

impl<'a> UserProperties<'a> {
    /// No user properties.
    pub const EMPTY: Self = Self { block: &[] };

    /// The user properties in encoded properties that a decoder has accepted.
    /// (In others, iteration ends at the first that is malformed.)
    #[must_use]
    pub const fn of_checked(block: &'a [u8]) -> Self {
        Self { block }
    }

    /// Name and value of each.
    #[must_use]
    pub const fn iter(&self) -> UserPropertiesIter<'a> {
        UserPropertiesIter {
            raw: RawProperties::new(self.block),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Decoders and builders hand out blocks that start with one, if any.
        self.block.is_empty() || self.iter().next().is_none()
    }

    /// Appends them to a property block.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        for property in RawProperties::new(self.block) {
            if property.id == PropertyId::USER_PROPERTY {
                writer.raw(property.bytes);
            }
        }
    }
}

impl PartialEq for UserProperties<'_> {
    /// The same names and values in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

impl fmt::Debug for UserProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for UserProperties<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = UserPropertiesIter<'a>;

    fn into_iter(self) -> UserPropertiesIter<'a> {
        self.iter()
    }
}

/// Iterates over [`UserProperties`].
#[derive(Clone, Debug)]
pub struct UserPropertiesIter<'a> {
    raw: RawProperties<'a>,
}

impl<'a> Iterator for UserPropertiesIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let property = self
            .raw
            .find(|property| property.id == PropertyId::USER_PROPERTY)?;
        let mut reader = Reader::new(property.value);
        Some((reader.string().ok()?, reader.string().ok()?))
    }
}

/// Builds user properties for a packet of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPropertiesBuf {
    block: Vec<u8>,
}

impl UserPropertiesBuf {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { block: Vec::new() }
    }

    /// Adds one behind the others; the list stays as it was when that fails.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        let before = self.block.len();
        let mut writer = Writer::new(&mut self.block);
        writer.u8(PropertyId::USER_PROPERTY.get());
        let written = writer.string(name).and_then(|()| writer.string(value));
        if written.is_err() {
            self.block.truncate(before);
        }
        written
    }

    /// The list as packets take it.
    #[must_use]
    pub fn as_view(&self) -> UserProperties<'_> {
        UserProperties::of_checked(&self.block)
    }
}
