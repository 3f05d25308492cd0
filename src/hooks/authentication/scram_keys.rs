//! What a server keeps of a password for SCRAM-SHA-256.
//!
//! Owns salt, iterations, StoredKey and ServerKey (RFC 5802, section 3; SHA-256 by
//! RFC 7677) and their form in a file, which is PostgreSQL's. Pure calculation;
//! making keys costs milliseconds, checking a proof microseconds.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::password_hash::iterations_from;
use crate::hooks::secrets::{DIGEST_BYTES, Digest256, equal, hmac};

/// The method's name, as clients send it and files begin with.
pub(super) const NAME: &str = "SCRAM-SHA-256";

/// What keys in a file start with.
pub(super) const PREFIX: &str = "SCRAM-SHA-256$";

/// The longest salt; it travels to the client.
const MOST_SALT_BYTES: usize = 128;

/// A user's keys.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Box<[u8]>,
    pub(super) stored_key: Digest256,
    pub(super) server_key: Digest256,
}

impl ScramKeys {
    /// Calculates the keys of `password`, prepared by SASLprep where it is such text.
    pub(super) fn create(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted_password(password, salt, iterations);
        Self {
            iterations,
            salt: salt.into(),
            stored_key: Sha256::digest(hmac(&salted, &[b"Client Key"])).into(),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// Reads `iterations:salt$stored:server`, salt and keys in base64.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "the keys are not SCRAM-SHA-256$iterations:salt$stored:server".to_owned();
        let (costs, keys) = text.split_once('$').ok_or_else(wrong)?;
        let (iterations, salt) = costs.split_once(':').ok_or_else(wrong)?;
        let (stored, server) = keys.split_once(':').ok_or_else(wrong)?;
        let decode = |text: &str| STANDARD.decode(text).ok();
        let key = |text: &str, what: &str| {
            decode(text)
                .and_then(|bytes| Digest256::try_from(bytes).ok())
                .ok_or_else(|| format!("the {what} key is not base64 of {DIGEST_BYTES} bytes"))
        };
        Ok(Self {
            iterations: iterations_from(iterations)?,
            salt: decode(salt)
                .filter(|salt| (1..=MOST_SALT_BYTES).contains(&salt.len()))
                .ok_or_else(|| format!("the salt is not base64 of 1 to {MOST_SALT_BYTES} bytes"))?
                .into(),
            stored_key: key(stored, "stored")?,
            server_key: key(server, "server")?,
        })
    }

    /// Whether they are the keys of this password.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let keys = Self::create(password, &self.salt, self.iterations);
        equal(&keys.stored_key, &self.stored_key)
    }
}

impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|part| STANDARD.encode(part));
        write!(f, "{PREFIX}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(..)")
    }
}

/// Hi(Normalize(password), salt, iterations) of RFC 5802, section 2.2.
pub(super) fn salted_password(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Digest256 {
    let prepared = std::str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok());
    let password = prepared.as_deref().map_or(password, str::as_bytes);
    pbkdf2::pbkdf2_hmac_array::<Sha256, DIGEST_BYTES>(password, salt, iterations.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterations(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("a test's number")
    }

    /// RFC 7677, section 3: password `pencil`, 4096 iterations; the server key proves
    /// itself in `scram::tests`, the stored key here by what it accepts.
    #[test]
    fn keys_accept_their_password_alone() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let keys = ScramKeys::create(b"pencil", &salt, iterations(4096));
        assert!(keys.verify(b"pencil"));
        assert!(!keys.verify(b"Pencil") && !keys.verify(b""));
        let text = keys.to_string();
        assert!(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
        let read = ScramKeys::parse(text.strip_prefix(PREFIX).expect("the prefix"));
        assert_eq!(read, Ok(keys));
    }

    /// RFC 4013, section 3: non-ASCII spaces become spaces, soft hyphens vanish.
    #[test]
    fn passwords_that_look_the_same_are_the_same() {
        let keys = ScramKeys::create("I\u{AD}X".as_bytes(), b"salt", iterations(2));
        assert!(keys.verify(b"IX"));
        let keys = ScramKeys::create(b"\xff\xfe", b"salt", iterations(2));
        assert!(keys.verify(b"\xff\xfe") && !keys.verify(b""));
    }
}
