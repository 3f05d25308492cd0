//! One hashed password as mosquitto's password_file has it.
//!
//! Owns the four formats: `$6$` and `$7$` of mosquitto 1 and 2, `$argon2id$` of
//! mosquitto 2.1, and SCRAM-SHA-256 keys as PostgreSQL writes them. Pure
//! calculation that takes up to some ten milliseconds and 46 MiB: it runs on
//! workers and in `ringmq passwd`, never on a shard. Comparisons take the same time
//! whatever differs.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha512};

use super::scram_keys::{self, ScramKeys};
use crate::hooks::secrets::{equal, random};

/// Bytes of a SHA-512 digest.
const SHA512_BYTES: usize = 64;

/// Bytes of a new salt; mosquitto 2.0 takes 12 or 64 bytes only for `$6$` and `$7$`.
const SALT_BYTES: usize = 12;

/// Bytes of a new argon2id salt and hash, as RFC 9106 recommends.
const ARGON2_SALT_BYTES: usize = 16;
const ARGON2_HASH_BYTES: usize = 32;

/// mosquitto 2.1 (and OWASP): 46 MiB, one pass, one lane.
const ARGON2_KIBIBYTES: u32 = 47_104;
const ARGON2_PASSES: u32 = 1;
const ARGON2_LANES: u32 = 1;

/// The most that a hash in a file may cost: beyond, one login would hold a worker for
/// seconds or take gigabytes.
const MOST_ARGON2_KIBIBYTES: u32 = 1 << 20;
const MOST_ARGON2_PASSES: u32 = 64;
const MOST_ITERATIONS: u32 = 10_000_000;

/// Iterations of a new `$7$` hash, as mosquitto 2.1 has it. A broker that reads the
/// file may well calculate on its only thread, so more must be asked for.
pub const DEFAULT_ITERATIONS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// How a password is to be hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `$argon2id$`: mosquitto from 2.1 on.
    Argon2id,
    /// `$7$`: mosquitto from 2.0 on; with this many iterations.
    Sha512Pbkdf2(NonZeroU32),
    /// `$6$`: every mosquitto. One round of SHA-512: quickly guessed when stolen.
    Sha512,
    /// Keys for SCRAM-SHA-256; with this many iterations.
    ScramSha256(NonZeroU32),
}

/// A hashed password.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// SHA-512 of password and salt.
    Sha512 {
        /// What follows the password.
        salt: Box<[u8]>,
        /// The digest.
        hash: [u8; SHA512_BYTES],
    },
    /// PBKDF2 with HMAC-SHA-512.
    Sha512Pbkdf2 {
        /// Rounds.
        iterations: NonZeroU32,
        /// Of any length.
        salt: Box<[u8]>,
        /// The derived key.
        hash: [u8; SHA512_BYTES],
    },
    /// argon2id, version 1.3.
    Argon2id {
        /// Memory, passes, lanes.
        costs: Params,
        /// At least 8 bytes.
        salt: Box<[u8]>,
        /// At least 4 bytes.
        hash: Box<[u8]>,
    },
    /// What SCRAM-SHA-256 keeps; it can judge a password, too.
    Scram(ScramKeys),
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha512 { .. } => "$6$..",
            Self::Sha512Pbkdf2 { .. } => "$7$..",
            Self::Argon2id { .. } => "$argon2id$..",
            Self::Scram(_) => "SCRAM-SHA-256$..",
        })
    }
}

impl PasswordHash {
    /// Reads what stands behind the user name and its colon. The error says what is
    /// wrong, for somebody who sees the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("$6$") {
            let [salt, hash] = parts(rest, "$6$salt$hash")?;
            return Ok(Self::Sha512 {
                salt: decode(salt, "salt")?,
                hash: digest(hash)?,
            });
        }
        if let Some(rest) = text.strip_prefix("$7$") {
            let [iterations, salt, hash] = parts(rest, "$7$iterations$salt$hash")?;
            return Ok(Self::Sha512Pbkdf2 {
                iterations: iterations_from(iterations)?,
                salt: decode(salt, "salt")?,
                hash: digest(hash)?,
            });
        }
        if let Some(rest) = text.strip_prefix("$argon2id$") {
            return parse_argon2id(rest);
        }
        if let Some(rest) = text.strip_prefix(scram_keys::PREFIX) {
            return ScramKeys::parse(rest).map(Self::Scram);
        }
        Err(if text.starts_with('$') {
            let known = "$6$, $7$, $argon2id$ and SCRAM-SHA-256$";
            format!("unknown kind of password hash; known are {known}")
        } else {
            "the password is not hashed; `ringmq passwd -U FILE` hashes a whole file".to_owned()
        })
    }

    /// Hashes `password` with a fresh salt. Fails where the system has no random
    /// bytes.
    pub fn create(scheme: Scheme, password: &[u8]) -> Result<Self, getrandom::Error> {
        Ok(match scheme {
            Scheme::Sha512 => {
                let salt = random::<SALT_BYTES>()?;
                let hash = sha512(password, &salt);
                let salt = salt.into();
                Self::Sha512 { salt, hash }
            }
            Scheme::Sha512Pbkdf2(iterations) => {
                let salt = random::<SALT_BYTES>()?;
                let hash = sha512_pbkdf2(password, &salt, iterations);
                let salt = salt.into();
                Self::Sha512Pbkdf2 {
                    iterations,
                    salt,
                    hash,
                }
            }
            Scheme::Argon2id => {
                let salt = random::<ARGON2_SALT_BYTES>()?;
                let costs = Params::new(ARGON2_KIBIBYTES, ARGON2_PASSES, ARGON2_LANES, None)
                    .expect("constants within argon2's bounds");
                let hash = argon2id(&costs, password, &salt, ARGON2_HASH_BYTES);
                let salt = salt.into();
                Self::Argon2id { costs, salt, hash }
            }
            Scheme::ScramSha256(iterations) => {
                Self::Scram(ScramKeys::create(password, &random::<16>()?, iterations))
            }
        })
    }

    /// Whether it was made of this password. Does the same work either way.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Sha512 { salt, hash } => equal(&sha512(password, salt), hash),
            Self::Sha512Pbkdf2 {
                iterations,
                salt,
                hash,
            } => equal(&sha512_pbkdf2(password, salt, *iterations), hash),
            Self::Argon2id { costs, salt, hash } => {
                equal(&argon2id(costs, password, salt, hash.len()), hash)
            }
            Self::Scram(keys) => keys.verify(password),
        }
    }
}

/// As the file has it; [`PasswordHash::parse`] reads it again.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha512 { salt, hash } => {
                write!(f, "$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
            }
            Self::Sha512Pbkdf2 {
                iterations,
                salt,
                hash,
            } => {
                let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
                write!(f, "$7${iterations}${salt}${hash}")
            }
            Self::Argon2id { costs, salt, hash } => {
                let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
                let (m, t, p) = (costs.m_cost(), costs.t_cost(), costs.p_cost());
                write!(f, "$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
            }
            Self::Scram(keys) => keys.fmt(f),
        }
    }
}

fn sha512(password: &[u8], salt: &[u8]) -> [u8; SHA512_BYTES] {
    Sha512::new()
        .chain_update(password)
        .chain_update(salt)
        .finalize()
        .into()
}

fn sha512_pbkdf2(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> [u8; SHA512_BYTES] {
    pbkdf2::pbkdf2_hmac_array::<Sha512, SHA512_BYTES>(password, salt, iterations.get())
}

fn argon2id(costs: &Params, password: &[u8], salt: &[u8], bytes: usize) -> Box<[u8]> {
    let mut hash = vec![0; bytes].into_boxed_slice();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, costs.clone())
        .hash_password_into(password, salt, &mut hash)
        .expect("lengths were checked when the hash was read or made");
    hash
}

/// `v=19$m=47104,t=1,p=1$salt$hash`
fn parse_argon2id(text: &str) -> Result<PasswordHash, String> {
    let [version, costs, salt, hash] = parts(
        text,
        "$argon2id$v=19$m=KIBIBYTES,t=PASSES,p=LANES$salt$hash",
    )?;
    if version != "v=19" {
        return Err(format!("argon2 of version {version}; only v=19 is known"));
    }
    let mut numbers = costs.split(',');
    let mut number = |name: &str, most: u32| {
        let text = numbers.next().and_then(|cost| cost.strip_prefix(name));
        text.and_then(|digits| digits.parse().ok())
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| format!("argon2 costs `{costs}`: {name} takes 1 to {most}"))
    };
    let kibibytes = number("m=", MOST_ARGON2_KIBIBYTES)?;
    let passes = number("t=", MOST_ARGON2_PASSES)?;
    let lanes = number("p=", 255)?;
    let decode = |text: &str, what: &str, least: usize| {
        STANDARD_NO_PAD
            .decode(text)
            .ok()
            .filter(|bytes| (least..=1024).contains(&bytes.len()))
            .map(Vec::into_boxed_slice)
            .ok_or_else(|| format!("the {what} is not base64 of {least} bytes or more"))
    };
    Ok(PasswordHash::Argon2id {
        costs: Params::new(kibibytes, passes, lanes, None)
            .map_err(|error| format!("argon2 costs `{costs}`: {error}"))?,
        salt: decode(salt, "salt", argon2::MIN_SALT_LEN)?,
        hash: decode(hash, "hash", Params::MIN_OUTPUT_LEN)?,
    })
}

/// Exactly `N` parts between dollar signs.
fn parts<'a, const N: usize>(text: &'a str, shape: &str) -> Result<[&'a str; N], String> {
    let all: Vec<&str> = text.split('$').collect();
    <[&str; N]>::try_from(all).map_err(|_| format!("the hash is not of the form {shape}"))
}

pub(super) fn iterations_from(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .ok()
        .filter(|number: &NonZeroU32| number.get() <= MOST_ITERATIONS)
        .ok_or_else(|| format!("`{text}` is no number of iterations from 1 to {MOST_ITERATIONS}"))
}

fn decode(text: &str, what: &str) -> Result<Box<[u8]>, String> {
    let bytes = STANDARD.decode(text);
    bytes
        .map(Vec::into_boxed_slice)
        .map_err(|_| format!("the {what} is not base64"))
}

fn digest(text: &str) -> Result<[u8; SHA512_BYTES], String> {
    let bytes = decode(text, "hash")?;
    let length = bytes.len();
    <[u8; SHA512_BYTES]>::try_from(Vec::from(bytes))
        .map_err(|_| format!("the hash has {length} bytes instead of {SHA512_BYTES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by mosquitto_passwd 2.0.11; the last is a test vector of the reference implementation of argon2.
    const KNOWN: &[(&str, &str)] = &[
        ("password", SHA512_OF_PASSWORD),
        ("password", PBKDF2_OF_PASSWORD),
        (
            "password",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
    ];
    const SHA512_OF_PASSWORD: &str = "$6$hodYNxgTP3Gm/NLa$0DmzWFP9gs7MlliVPp+gJCrzh8gKK0dZwJJDPDXA2+Z7HCCwaa8BMteWN/9eypttnrH1N0bxG5j7MipzYBFJEg==";
    const PBKDF2_OF_PASSWORD: &str = "$7$101$ezfxsOplt7MIhDjL$+rT28b1/RIay8bG+WSuAnKZ0oeDMdbQkwVHQy9P6wHFAuvU4lFkaqAOGoccLxcIVAqNeo0fI1WMHZJ1PsdBPIg==";

    #[test]
    fn what_other_tools_made_is_accepted_and_written_back_alike() {
        for (password, text) in KNOWN {
            let hash = PasswordHash::parse(text).expect(text);
            assert!(hash.verify(password.as_bytes()), "{text}");
            for other in ["", "passwor", "password ", "Password"] {
                assert!(!hash.verify(other.as_bytes()), "{text}: {other}");
            }
            assert_eq!(hash.to_string(), *text);
        }
    }

    #[test]
    fn every_scheme_accepts_its_own_password_alone_and_survives_the_file() {
        let few = NonZeroU32::new(10).expect("not zero");
        for scheme in [
            Scheme::Argon2id,
            Scheme::Sha512Pbkdf2(few),
            Scheme::Sha512,
            Scheme::ScramSha256(few),
        ] {
            let hash = PasswordHash::create(scheme, b"pa:ss\xff").expect("random bytes");
            let again = PasswordHash::create(scheme, b"pa:ss\xff").expect("random bytes");
            assert_ne!(hash, again, "{scheme:?}: the salt is fresh");
            let read = PasswordHash::parse(&hash.to_string()).expect("what was written is read");
            assert_eq!(read, hash, "{scheme:?}");
            assert!(
                read.verify(b"pa:ss\xff") && !read.verify(b"pa:ss"),
                "{scheme:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_hash_is_said() {
        for (text, said) in [
            ("secret", "ringmq passwd -U"),
            ("", "not hashed"),
            ("$5$ab$cd", "known are"),
            ("$6$c2FsdA==", "$6$salt$hash"),
            ("$6$c2FsdA==$c2FsdA==", "4 bytes instead of 64"),
            ("$6$?$c2FsdA==", "salt is not base64"),
            ("$7$c2FsdA==$c2FsdA==", "$7$iterations$salt$hash"),
            ("$7$0$c2FsdA==$c2FsdA==", "iterations from 1"),
            ("$7$99999999$c2FsdA==$c2FsdA==", "iterations from 1"),
            ("$argon2id$v=16$m=8,t=1,p=1$YWFhYWFhYWE$YWFhYQ", "v=19"),
            (
                "$argon2id$v=19$m=9999999,t=1,p=1$YWFhYWFhYWE$YWFhYQ",
                "m= takes 1 to 1048576",
            ),
            (
                "$argon2id$v=19$m=1,t=1,p=1$YWFhYWFhYWE$YWFhYQ",
                "argon2 costs",
            ),
            ("$argon2id$v=19$t=1,m=8,p=1$YWFhYWFhYWE$YWFhYQ", "m= takes"),
            (
                "$argon2id$v=19$m=8,t=1,p=1$YWE$YWFhYQ",
                "salt is not base64 of 8",
            ),
            (
                "SCRAM-SHA-256$x",
                "SCRAM-SHA-256$iterations:salt$stored:server",
            ),
        ] {
            let error = PasswordHash::parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_hash_is_not_shown() {
        let hash = PasswordHash::parse(SHA512_OF_PASSWORD).expect("known");
        assert_eq!(format!("{hash:?}"), "$6$..");
    }
}
