//! Reading and writing the fields that packets are made of.
//!
//! HOT PATH: the reader serves every PUBLISH.
//! Owns nothing: [`Reader`] borrows the bytes, [`Writer`] appends to its caller's
//! buffer. Pure; lives on any core. Never reads past the end (a field that is not
//! there is [`DecodeError::Truncated`]) and never leaves half a packet behind.

use alloc::vec::Vec;

use crate::protocol::{DecodeError, EncodeError, PacketId, PropertyId, utf8, varint};

/// Takes fields off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are left.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Everything that is left.
    #[must_use]
    #[inline]
    pub const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// Refuses bytes after the last field.
    #[inline]
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, the higher one first.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, the highest one first.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable byte integer.
    #[inline]
    pub fn varint(&mut self) -> Result<u32, DecodeError> {
        let (value, len) = varint::decode(self.bytes)?.ok_or(DecodeError::Truncated)?;
        self.bytes = &self.bytes[len..];
        Ok(value)
    }

    /// Binary data behind its two-byte length.
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A string behind its two-byte length.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        utf8::decode(self.binary()?)
    }

    /// A string without wildcards behind its two-byte length; may be empty.
    #[inline]
    pub fn topic_name(&mut self) -> Result<&'a str, DecodeError> {
        utf8::decode_topic_name(self.binary()?)
    }

    /// A packet identifier, never zero [MQTT-2.2.1-3].
    #[inline]
    pub fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::ZeroPacketId)
    }

    /// The bytes of a property block, whose length stands before it.
    #[inline]
    pub fn property_block(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.varint()?;
        self.take(len as usize)
    }
}

/// Appends fields to a buffer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Writes behind what `out` already holds.
    #[must_use]
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Two bytes, the higher one first.
    pub fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Four bytes, the highest one first.
    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A variable byte integer.
    pub fn varint(&mut self, value: u32) -> Result<(), EncodeError> {
        if value > varint::MAX {
            return Err(EncodeError::IntegerTooLarge);
        }
        varint::write(value, self.out);
        Ok(())
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Binary data behind its two-byte length.
    pub fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.u16(u16::try_from(bytes.len()).map_err(|_| EncodeError::FieldTooLong)?);
        self.raw(bytes);
        Ok(())
    }

    /// A string behind its two-byte length; without U+0000 [MQTT-1.5.4-2].
    pub fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(EncodeError::NulInString);
        }
        self.binary(text.as_bytes())
    }

    /// A packet identifier.
    pub fn packet_id(&mut self, id: PacketId) {
        self.u16(id.get());
    }

    /// A section behind its length as a variable byte integer.
    ///
    /// `expected` is a guess at the section's length: a right guess saves moving
    /// the section when its length needs more than one byte, a wrong one costs
    /// that move and nothing else.
    pub fn section(
        &mut self,
        expected: usize,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        let guess = u32::try_from(expected).map_or(varint::MAX_LEN, varint::len);
        self.out.resize(start + guess, 0);
        let body = start + guess;
        fill(&mut Writer { out: self.out })?;
        let length = u32::try_from(self.out.len() - body)
            .ok()
            .filter(|&length| length <= varint::MAX)
            .ok_or(EncodeError::PacketTooLarge)?;
        let prefix = varint::encode(length);
        let prefix = &prefix[..varint::len(length)];
        if prefix.len() == guess {
            self.out[start..body].copy_from_slice(prefix);
        } else {
            self.out.splice(start..body, prefix.iter().copied());
        }
        Ok(())
    }

    /// A property block behind its length.
    pub fn properties(
        &mut self,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.section(0, fill)
    }

    /// A property of one byte, if it is there.
    pub fn property_u8(&mut self, id: PropertyId, value: Option<u8>) {
        if let Some(value) = value {
            self.u8(id.get());
            self.u8(value);
        }
    }

    /// A property that is 0 or 1, if it is there.
    pub fn property_bool(&mut self, id: PropertyId, value: Option<bool>) {
        self.property_u8(id, value.map(u8::from));
    }

    /// A property of two bytes, if it is there.
    pub fn property_u16(&mut self, id: PropertyId, value: Option<u16>) {
        if let Some(value) = value {
            self.u8(id.get());
            self.u16(value);
        }
    }

    /// A property of four bytes, if it is there.
    pub fn property_u32(&mut self, id: PropertyId, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(id.get());
            self.u32(value);
        }
    }

    /// A string property, if it is there.
    pub fn property_string(
        &mut self,
        id: PropertyId,
        value: Option<&str>,
    ) -> Result<(), EncodeError> {
        let Some(value) = value else { return Ok(()) };
        self.u8(id.get());
        self.string(value)
    }

    /// A binary property, if it is there.
    pub fn property_binary(
        &mut self,
        id: PropertyId,
        value: Option<&[u8]>,
    ) -> Result<(), EncodeError> {
        let Some(value) = value else { return Ok(()) };
        self.u8(id.get());
        self.binary(value)
    }
}

/// Appends a packet; `out` is as it was before when that fails.
///
/// `expected` is a guess at the length of the body, see [`Writer::section`].
pub fn write_packet(
    out: &mut Vec<u8>,
    first_byte: u8,
    expected: usize,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.reserve(1 + varint::MAX_LEN + expected);
    out.push(first_byte);
    let written = Writer::new(out).section(expected, body);
    if written.is_err() {
        out.truncate(start);
    }
    written
}
