//! What a string on the wire may hold.
//!
//! HOT PATH: the topic of every PUBLISH passes here.
//! Owns nothing. Pure; lives on any core. Never repairs a string: it is borrowed
//! as it is or refused. Control characters and non-characters are accepted, as
//! the specification leaves to the receiver.

use crate::protocol::DecodeError;

/// The bytes as a string: well-formed, without surrogates [MQTT-1.5.4-1] and
/// without U+0000 [MQTT-1.5.4-2].
#[inline]
pub fn decode(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::IllFormedUtf8)?;
    match memchr::memchr(0, bytes) {
        None => Ok(text),
        Some(_) => Err(DecodeError::NulInString),
    }
}

/// As [`decode`], and without wildcards [MQTT-3.3.2-2]. May be empty.
#[inline]
pub fn decode_topic_name(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::IllFormedUtf8)?;
    match memchr::memchr3(b'+', b'#', 0, bytes) {
        None => Ok(text),
        Some(at) if bytes[at] == 0 => Err(DecodeError::NulInString),
        Some(_) => Err(DecodeError::WildcardInTopicName),
    }
}
