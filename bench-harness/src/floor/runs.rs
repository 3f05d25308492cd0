//! HOT PATH: cuts received bytes into what one send may carry.
//!
//! Pure; borrows, copies nothing: messages that came in one receive lie side by
//! side, and so does what is sent of them.

use crate::encode::acknowledge;
use crate::fault::Fault;
use crate::parse::variable_byte_integer;

/// What is read next from a connection's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run<'a> {
    /// Neighbouring PUBLISH packets of one topic, at most so many as allowed.
    Publish {
        /// Their topic.
        topic: &'a [u8],
        /// The packets themselves.
        bytes: &'a [u8],
        /// How many they are.
        messages: usize,
    },
    /// Any other packet.
    Other {
        /// Type and flags.
        first: u8,
        /// What follows the fixed header.
        body: &'a [u8],
        /// The whole packet's size.
        size: usize,
    },
}

/// One whole packet.
struct Whole<'a> {
    first: u8,
    body: &'a [u8],
    size: usize,
}

/// The run at the front of `bytes`; `None` where no packet is whole.
///
/// # Errors
/// [`Fault::Malformed`] where the bytes are not MQTT.
#[inline]
pub fn next_run(bytes: &[u8], most: usize) -> Result<Option<Run<'_>>, Fault> {
    let Some(packet) = whole(bytes)? else {
        return Ok(None);
    };
    if packet.first >> 4 != 3 {
        return Ok(Some(Run::Other {
            first: packet.first,
            body: packet.body,
            size: packet.size,
        }));
    }
    let topic = topic(packet.body)?;
    let mut end = packet.size;
    let mut messages = 1;
    while messages < most
        && let Some(next) = whole(&bytes[end..])?
        && next.first >> 4 == 3
        && self::topic(next.body)? == topic
    {
        end += next.size;
        messages += 1;
    }
    Ok(Some(Run::Publish {
        topic,
        bytes: &bytes[..end],
        messages,
    }))
}

/// Appends PUBACK or PUBREC for every packet of a run that asks for it.
pub fn acknowledge_run(run: &[u8], answers: &mut Vec<u8>) {
    let mut rest = run;
    while let Ok(Some(packet)) = whole(rest) {
        let kind = match (packet.first >> 1) & 3 {
            1 => 0x40,
            2 => 0x50,
            _ => return,
        };
        if let Ok(topic) = topic(packet.body)
            && let Some(id) = packet.body[2 + topic.len()..].first_chunk::<2>()
        {
            answers.extend_from_slice(&acknowledge(kind, u16::from_be_bytes(*id)));
        }
        rest = &rest[packet.size..];
    }
}

#[inline]
fn whole(bytes: &[u8]) -> Result<Option<Whole<'_>>, Fault> {
    let [first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let Some((length, length_bytes)) = variable_byte_integer(rest)? else {
        return Ok(None);
    };
    let body = rest.get(length_bytes..length_bytes + length);
    Ok(body.map(|body| Whole {
        first: *first,
        body,
        size: 1 + length_bytes + length,
    }))
}

#[inline]
fn topic(body: &[u8]) -> Result<&[u8], Fault> {
    let (length, rest) = body.split_first_chunk::<2>().ok_or(Fault::Malformed)?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
        .ok_or(Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = &[0x30, 4, 0, 1, b'a', 1];
    const B: &[u8] = &[0x30, 4, 0, 1, b'b', 2];
    const PING: &[u8] = &[0xc0, 0];

    fn sizes(bytes: &[u8], most: usize) -> Vec<usize> {
        let mut rest = bytes;
        let mut sizes = Vec::new();
        while let Some(run) = next_run(rest, most).expect("it is well formed") {
            let size = match run {
                Run::Publish {
                    bytes, messages, ..
                } => {
                    sizes.push(messages);
                    bytes.len()
                }
                Run::Other { size, .. } => size,
            };
            rest = &rest[size..];
        }
        sizes
    }

    #[test]
    fn a_run_never_holds_more_messages_than_allowed() {
        let many = A.repeat(33);
        assert_eq!(sizes(&many, 1), [1; 33]);
        assert_eq!(sizes(&many, 16), [16, 16, 1]);
        assert_eq!(sizes(&many, 64), [33]);
    }

    #[test]
    fn a_run_ends_where_the_topic_changes_or_another_packet_comes() {
        assert_eq!(sizes(&[A, A, B, A].concat(), 64), [2, 1, 1]);
        assert_eq!(sizes(&[A, PING, A, A].concat(), 64), [1, 2]);
    }

    #[test]
    fn half_a_packet_waits() {
        let bytes = [A, A].concat();
        assert_eq!(sizes(&bytes[..bytes.len() - 1], 64), [1]);
        assert_eq!(next_run(&A[..3], 64), Ok(None));
    }

    #[test]
    fn each_quality_of_service_is_acknowledged_in_its_way() {
        let answers = |first: u8| {
            let packet = [first, 6, 0, 1, b'a', 0, 9, 1];
            let mut answers = Vec::new();
            acknowledge_run(&packet.repeat(2), &mut answers);
            answers
        };
        assert!(answers(0x30).is_empty());
        assert_eq!(answers(0x32), [0x40, 2, 0, 9, 0x40, 2, 0, 9]);
        assert_eq!(answers(0x34), [0x50, 2, 0, 9, 0x50, 2, 0, 9]);
    }
}
