//! The users of a password_file, as mosquitto has it: `name:hash` per line.
//!
//! Owns names and hashes, read once and then only looked at; a reload reads a new
//! one. Pure. Whether a name is known shows neither in the answer nor in the time it
//! takes. Judging a password takes milliseconds: on a worker, never on a shard.

use std::num::NonZeroU32;

use ahash::RandomState;
use hashbrown::HashMap;

use super::password_hash::PasswordHash;
use super::scram_keys::ScramKeys;
use crate::hooks::line_error::{LineError, lines};

/// The longest user name: an MQTT string.
const MOST_NAME_BYTES: usize = 65_535;

/// What SCRAM uses when a file names no number (RFC 7677, section 4: at least 4096).
pub const SCRAM_ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");

/// All users of a file.
#[derive(Debug, Default)]
pub struct PasswordFile {
    /// In the file's order.
    hashes: Vec<PasswordHash>,
    /// Places in `hashes`, by name. The hasher's keys are drawn per file.
    places: HashMap<Box<str>, usize, RandomState>,
}

/// The parts of a line; `None` where it is blank or a comment.
pub(super) fn entry(number: usize, line: &str) -> Result<Option<(&str, &str)>, LineError> {
    if line.starts_with('#') || line.trim().is_empty() {
        return Ok(None);
    }
    let (name, hash) = line
        .split_once(':')
        .ok_or_else(|| LineError::new(number, "is not of the form user:hash"))?;
    let name = name.trim();
    if name.is_empty() {
        return Err(LineError::new(number, "the user name is empty"));
    }
    if name.len() > MOST_NAME_BYTES {
        return Err(LineError::new(
            number,
            "the user name is longer than 65,535 bytes",
        ));
    }
    Ok(Some((name, hash.trim())))
}

impl PasswordFile {
    /// Reads a file's content; `#` begins a comment, blank lines are passed over.
    pub fn parse(file: &[u8]) -> Result<Self, LineError> {
        let mut users = Self::default();
        for line in lines(file) {
            let (number, line) = line?;
            let Some((name, hash)) = entry(number, line)? else {
                continue;
            };
            let hash = PasswordHash::parse(hash)
                .map_err(|what| LineError::new(number, format_args!("user `{name}`: {what}")))?;
            let place = users.hashes.len();
            if users.places.insert(name.into(), place).is_some() {
                let what = format_args!("user `{name}` is there already, further up");
                return Err(LineError::new(number, what));
            }
            users.hashes.push(hash);
        }
        Ok(users)
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is no user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether this is the user's password. An unknown name costs what one of the
    /// known ones costs, the same one each time.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        let known = self.places.get(name).copied();
        let Some(hash) = self.hashes.get(known.unwrap_or_else(|| self.decoy(name))) else {
            return false;
        };
        let right = hash.verify(password);
        right & known.is_some()
    }

    /// The user's keys for SCRAM, where the file has such.
    #[must_use]
    pub fn scram_keys(&self, name: &str) -> Option<ScramKeys> {
        match &self.hashes[*self.places.get(name)?] {
            PasswordHash::Scram(keys) => Some(keys.clone()),
            PasswordHash::Sha512 { .. }
            | PasswordHash::Sha512Pbkdf2 { .. }
            | PasswordHash::Argon2id { .. } => None,
        }
    }

    /// Whether there is such a user. Not for answers that a client sees soon.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The keys of the first user that has some; `None`: nobody has.
    pub(super) fn first_scram_keys(&self) -> Option<&ScramKeys> {
        self.hashes.iter().find_map(|hash| match hash {
            PasswordHash::Scram(keys) => Some(keys),
            PasswordHash::Sha512 { .. }
            | PasswordHash::Sha512Pbkdf2 { .. }
            | PasswordHash::Argon2id { .. } => None,
        })
    }

    fn decoy(&self, name: &str) -> usize {
        let drawn = self.places.hasher().hash_one(name);
        // Of no user when there is none.
        usize::try_from(drawn % (self.hashes.len() as u64).max(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::hooks::authentication::password_hash::Scheme;

    fn line(name: &str, scheme: Scheme, password: &str) -> String {
        let hash = PasswordHash::create(scheme, password.as_bytes()).expect("random bytes");
        format!("{name}:{hash}\n")
    }

    fn iterations(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("a test's number")
    }

    #[test]
    fn users_of_every_format_live_in_one_file() {
        let file = format!(
            "# users\n\n{}{}\r\n{}{}",
            line("alice", Scheme::Sha512, "a"),
            line(" bob ", Scheme::Sha512Pbkdf2(iterations(5)), "b").trim_end(),
            line("carol", Scheme::Argon2id, "c"),
            line("dave", Scheme::ScramSha256(iterations(7)), "d"),
        );
        let users = PasswordFile::parse(file.as_bytes()).expect("well-formed");
        assert_eq!(users.len(), 4);
        for (name, password) in [("alice", "a"), ("bob", "b"), ("carol", "c"), ("dave", "d")] {
            assert!(users.verify(name, password.as_bytes()), "{name}");
            assert!(!users.verify(name, b"x"), "{name}");
        }
        for unknown in ["", "eve", "Alice", "alice "] {
            assert!(!users.verify(unknown, b"a"), "{unknown}");
        }
        assert!(users.scram_keys("dave").is_some() && users.scram_keys("alice").is_none());
        let first = users.first_scram_keys().map(|keys| keys.iterations);
        assert_eq!(first, Some(iterations(7)));
    }

    #[test]
    fn an_error_says_its_line() {
        let good = line("alice", Scheme::Sha512, "a");
        for (file, said) in [
            (format!("{good}bob"), "line 2: is not of the form user:hash"),
            (
                format!("\n#\n{good}{good}"),
                "line 4: user `alice` is there already, further up",
            ),
            (":$6$ab$cd".to_owned(), "line 1: the user name is empty"),
            (
                format!("{good}bob:secret\n"),
                "line 2: user `bob`: the password is not hashed",
            ),
        ] {
            let error = PasswordFile::parse(file.as_bytes()).expect_err(said);
            assert!(error.to_string().starts_with(said), "{error}");
        }
        let error = PasswordFile::parse(b"# ok\n\xff:x\n").expect_err("no text");
        assert_eq!(error.to_string(), "line 2: is not UTF-8 text");
        assert!(PasswordFile::parse(b"").expect("empty is fine").is_empty());
        assert!(!PasswordFile::default().verify("x", b""));
    }

    /// The cheapest of several runs each, in turn, so that a busy machine does not decide.
    #[test]
    fn time_does_not_tell_whether_a_user_exists() {
        let file = line("alice", Scheme::Sha512Pbkdf2(iterations(2000)), "secret");
        let users = PasswordFile::parse(file.as_bytes()).expect("well-formed");
        let attempts = [
            ("alice", "wrong!"),
            ("alice", "secreT"),
            ("mallory", "wrong!"),
        ];
        let mut cheapest = [Duration::MAX; 3];
        for _ in 0..20 {
            for (cheapest, (name, password)) in cheapest.iter_mut().zip(attempts) {
                let start = Instant::now();
                assert!(!users.verify(name, password.as_bytes()));
                *cheapest = start.elapsed().min(*cheapest);
            }
        }
        // Without the work for unknown names the ratio is beyond a thousand.
        let (least, most) = (cheapest.iter().min(), cheapest.iter().max());
        let ratio =
            most.map_or(0.0, Duration::as_secs_f64) / least.map_or(1.0, Duration::as_secs_f64);
        assert!(ratio < 5.0, "{cheapest:?}");
    }
}
