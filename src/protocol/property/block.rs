//! Reading the property block of a packet, once and in order.
//!
//! HOT PATH: serves every PUBLISH with properties.
//! Owns nothing: borrows the block. Pure; lives on any core. Never collects what
//! it reads: a packet's decoder keeps single values, and remembers where user
//! properties and subscription identifiers lie.

use core::num::{NonZeroU16, NonZeroU32};

use crate::protocol::DecodeError;
use crate::protocol::property::{PropertyId, PropertyKind, SubscriptionIds, UserProperties};
use crate::protocol::wire::Reader;

/// A stretch of the block, from its first property of a kind to its last one.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Invariant: `start <= end`, and both only come from positions in the block.
    fn extend(&mut self, start: usize, end: usize) {
        if self.end == 0 {
            self.start = start;
        }
        self.end = end;
    }
}

/// Hands out the properties of a block one by one, typed by its caller.
///
/// After [`Self::next_id`] the caller reads the value with the method that fits,
/// or refuses the packet.
#[derive(Clone, Debug)]
pub struct PropertyReader<'a> {
    block: &'a [u8],
    reader: Reader<'a>,
    /// Where the property at hand starts.
    current: usize,
    /// Bit n: property n has been seen.
    seen: u64,
    user: Span,
    subscription_ids: Span,
}

impl<'a> PropertyReader<'a> {
    /// Reads the properties in `block`.
    #[must_use]
    pub const fn new(block: &'a [u8]) -> Self {
        let nothing = Span { start: 0, end: 0 };
        Self {
            block,
            reader: Reader::new(block),
            current: 0,
            seen: 0,
            user: nothing,
            subscription_ids: nothing,
        }
    }

    fn position(&self) -> usize {
        self.block.len() - self.reader.len()
    }

    /// The next property's identifier; `None` at the end.
    ///
    /// Refuses undefined ones, and a second one of those that may stand once. A
    /// user property may stand again, and so may a subscription identifier: a
    /// packet that takes one only sees to that itself.
    #[inline]
    pub fn next_id(&mut self) -> Result<Option<PropertyId>, DecodeError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        self.current = self.position();
        let id = u8::try_from(self.reader.varint()?)
            .ok()
            .and_then(PropertyId::new)
            .ok_or(DecodeError::UnknownProperty)?;
        let bit = 1u64 << id.get();
        let repeatable =
            id == PropertyId::USER_PROPERTY || id == PropertyId::SUBSCRIPTION_IDENTIFIER;
        if self.seen & bit != 0 && !repeatable {
            return Err(DecodeError::DuplicateProperty);
        }
        self.seen |= bit;
        Ok(Some(id))
    }

    /// A value of 0 or 1.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::InvalidPropertyValue),
        }
    }

    /// A value of one byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.reader.u8()
    }

    /// A value of two bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.reader.u16()
    }

    /// A value of two bytes that may not be zero.
    pub fn non_zero_u16(&mut self) -> Result<NonZeroU16, DecodeError> {
        NonZeroU16::new(self.reader.u16()?).ok_or(DecodeError::InvalidPropertyValue)
    }

    /// A value of four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.reader.u32()
    }

    /// A value of four bytes that may not be zero.
    pub fn non_zero_u32(&mut self) -> Result<NonZeroU32, DecodeError> {
        NonZeroU32::new(self.reader.u32()?).ok_or(DecodeError::InvalidPropertyValue)
    }

    /// A string.
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        self.reader.string()
    }

    /// A string that is a topic name, or empty.
    pub fn topic_name(&mut self) -> Result<&'a str, DecodeError> {
        self.reader.topic_name()
    }

    /// Binary data.
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        self.reader.binary()
    }

    /// A user property: checked, and found again by [`Self::user_properties`].
    pub fn user_property(&mut self) -> Result<(), DecodeError> {
        self.reader.string()?;
        self.reader.string()?;
        self.user.extend(self.current, self.position());
        Ok(())
    }

    /// A subscription identifier, never zero; also found again by
    /// [`Self::subscription_ids`].
    pub fn subscription_id(&mut self) -> Result<NonZeroU32, DecodeError> {
        let id = NonZeroU32::new(self.reader.varint()?).ok_or(DecodeError::InvalidPropertyValue)?;
        self.subscription_ids.extend(self.current, self.position());
        Ok(id)
    }

    /// The user properties read so far.
    #[must_use]
    pub fn user_properties(&self) -> UserProperties<'a> {
        UserProperties::of_checked(&self.block[self.user.start..self.user.end])
    }

    /// The subscription identifiers read so far.
    #[must_use]
    pub fn subscription_ids(&self) -> SubscriptionIds<'a> {
        let span = self.subscription_ids;
        SubscriptionIds::of_checked(&self.block[span.start..span.end])
    }
}

/// One property as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawProperty<'a> {
    /// Which one.
    pub id: PropertyId,
    /// The value's bytes, length prefixes included.
    pub value: &'a [u8],
    /// Identifier and value.
    pub bytes: &'a [u8],
}

/// Walks over the properties of a block without looking into them; ends early
/// where the block is malformed.
#[derive(Clone, Debug)]
pub struct RawProperties<'a> {
    rest: &'a [u8],
}

impl<'a> RawProperties<'a> {
    /// Walks over `block`.
    #[must_use]
    pub const fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }
}

impl<'a> Iterator for RawProperties<'a> {
    type Item = RawProperty<'a>;

    fn next(&mut self) -> Option<RawProperty<'a>> {
        let bytes = self.rest;
        self.rest = &[];
        let id = PropertyId::new(*bytes.first()?)?;
        let mut reader = Reader::new(&bytes[1..]);
        match id.kind() {
            PropertyKind::Byte => reader.take(1).map(drop),
            PropertyKind::TwoBytes => reader.take(2).map(drop),
            PropertyKind::FourBytes => reader.take(4).map(drop),
            PropertyKind::VariableInteger => reader.varint().map(drop),
            PropertyKind::LengthPrefixed => reader.binary().map(drop),
            PropertyKind::StringPair => reader.binary().and_then(|_| reader.binary()).map(drop),
        }
        .ok()?;
        let (bytes, rest) = bytes.split_at(bytes.len() - reader.len());
        self.rest = rest;
        Some(RawProperty {
            id,
            value: &bytes[1..],
            bytes,
        })
    }
}
