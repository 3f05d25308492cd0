//! The time of day, as `sub -F` prints it.
//!
//! Owns nothing. Beside `poll.rs` the one file here that calls into the C library:
//! time zones and strftime(3) live there. Never used by the broker.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that one formatted time may take, as in mosquitto's client.
const TIME_BYTES_MAX: usize = 100;

/// One instant, broken down in the local time zone.
pub(crate) struct WallTime {
    fields: libc::tm,
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl WallTime {
    /// Now.
    pub(crate) fn now() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::at(
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            now.subsec_nanos(),
        )
    }

    fn at(seconds: i64, nanoseconds: u32) -> Self {
        let mut fields = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are valid for the call; `tm` is plain integers and
        // a pointer that may be null, so zeroed is a valid value even where the
        // call fails and leaves it alone.
        let fields = unsafe {
            libc::localtime_r(&raw const seconds, fields.as_mut_ptr());
            fields.assume_init()
        };
        Self {
            fields,
            seconds,
            nanoseconds,
        }
    }

    /// Appends what strftime(3) makes of `format`; nothing where that is too long.
    pub(crate) fn append(&self, format: &str, output: &mut Vec<u8>) {
        let Ok(format) = CString::new(format) else {
            return;
        };
        let mut text = [0_u8; TIME_BYTES_MAX];
        // SAFETY: the buffer is as long as said, the format ends with a NUL, and
        // `fields` was filled by localtime_r (its zone name is static storage).
        let size = unsafe {
            libc::strftime(
                text.as_mut_ptr().cast::<c_char>(),
                text.len(),
                format.as_ptr(),
                &raw const self.fields,
            )
        };
        output.extend_from_slice(&text[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strftime_sees_the_instant() {
        let time = WallTime::at(1_588_799_520, 5);
        let mut text = Vec::new();
        time.append("%s", &mut text);
        assert_eq!(text, b"1588799520");
        assert_eq!((time.seconds, time.nanoseconds), (1_588_799_520, 5));
    }
}
