//! What rules do with secrets: draw them, key digests with them, compare them.
//!
//! Owns nothing. Pure but for the system's random bytes. Comparisons take a time that
//! depends on the length alone.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of a SHA-256 digest.
pub(super) const DIGEST_BYTES: usize = 32;

/// A SHA-256 digest or key.
pub(super) type Digest256 = [u8; DIGEST_BYTES];

/// Random bytes from the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Whether both are the same.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// HMAC-SHA-256 over the parts as one text.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Digest256 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
