//! HOT PATH: walks the packets in a receive buffer.
//!
//! Pure; borrows, copies nothing. It looks only at what the generator counts: it
//! trusts the topic to be well formed and skips properties unread, because its
//! purpose is to keep up with a broker, not to judge its grammar. Bytes that
//! cannot be walked are [`Fault::Malformed`].

use crate::fault::Fault;

/// One whole packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// A PUBLISH.
    Publish(Publish<'a>),
    /// Anything else.
    Other {
        /// Type and flags.
        first: u8,
        /// What follows the fixed header.
        body: &'a [u8],
    },
}

/// A PUBLISH, as far as the generator looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// 0, 1 or 2.
    pub qos: u8,
    /// 0 where the quality of service is 0.
    pub packet_id: u16,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// The first packet of `bytes` and its size; `None` where it is not whole yet.
///
/// # Errors
/// [`Fault::Malformed`] where the bytes are not MQTT.
#[inline]
pub fn next_packet(bytes: &[u8], v5: bool) -> Result<Option<(Packet<'_>, usize)>, Fault> {
    let [first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let Some((length, length_bytes)) = variable_byte_integer(rest)? else {
        return Ok(None);
    };
    let Some(body) = rest.get(length_bytes..length_bytes + length) else {
        return Ok(None);
    };
    let size = 1 + length_bytes + length;
    let packet = if first >> 4 == 3 {
        Packet::Publish(publish(*first, body, v5).ok_or(Fault::Malformed)?)
    } else {
        Packet::Other {
            first: *first,
            body,
        }
    };
    Ok(Some((packet, size)))
}

#[inline]
fn publish(first: u8, body: &[u8], v5: bool) -> Option<Publish<'_>> {
    let qos = (first >> 1) & 3;
    let (topic_length, rest) = body.split_first_chunk::<2>()?;
    let mut rest = rest.get(usize::from(u16::from_be_bytes(*topic_length))..)?;
    let mut packet_id = 0;
    if qos > 0 {
        let (id, after) = rest.split_first_chunk::<2>()?;
        packet_id = u16::from_be_bytes(*id);
        rest = after;
    }
    if v5 {
        let (length, length_bytes) = variable_byte_integer(rest).ok()??;
        rest = rest.get(length_bytes + length..)?;
    }
    Some(Publish {
        qos,
        packet_id,
        payload: rest,
    })
}

/// The value and its size in bytes; `None` where it is not whole yet.
///
/// # Errors
/// [`Fault::Malformed`] where it is longer than four bytes.
#[inline]
pub fn variable_byte_integer(bytes: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(Fault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_only_when_it_is_whole() {
        let bytes = [0x32, 7, 0, 1, b't', 0, 9, b'h', b'i', 0xd0, 0];
        for end in 0..9 {
            assert_eq!(next_packet(&bytes[..end], false), Ok(None));
        }
        let publish = Publish {
            qos: 1,
            packet_id: 9,
            payload: b"hi",
        };
        assert_eq!(
            next_packet(&bytes, false),
            Ok(Some((Packet::Publish(publish), 9)))
        );
        let pingresp = Packet::Other {
            first: 0xd0,
            body: &[],
        };
        assert_eq!(next_packet(&bytes[9..], false), Ok(Some((pingresp, 2))));
    }

    #[test]
    fn properties_of_version_5_are_skipped() {
        let bytes = [0x30, 9, 0, 1, b't', 3, 0x23, 0, 1, b'h', b'i'];
        let publish = Publish {
            qos: 0,
            packet_id: 0,
            payload: b"hi",
        };
        assert_eq!(
            next_packet(&bytes, true),
            Ok(Some((Packet::Publish(publish), 11)))
        );
    }

    #[test]
    fn bytes_that_cannot_be_walked_are_malformed() {
        assert_eq!(
            next_packet(&[0x30, 0xff, 0xff, 0xff, 0xff], false),
            Err(Fault::Malformed)
        );
        assert_eq!(next_packet(&[0x30, 2, 0, 5], false), Err(Fault::Malformed));
    }
}
