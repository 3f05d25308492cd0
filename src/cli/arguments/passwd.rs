//! `ringmq passwd`: the checked settings.
//!
//! Owns the options, which are mosquitto_passwd's. Runs on the main thread; never
//! opens the file.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::limits::number;
use crate::cli::failure::Failure;
use crate::hooks::authentication::password_file::SCRAM_ITERATIONS;
use crate::hooks::authentication::password_hash::{DEFAULT_ITERATIONS, Scheme};

/// Bytes of a user name or password at most: MQTT's strings.
const MOST_BYTES: usize = 65_535;

#[derive(Args, Debug)]
pub(super) struct RawPasswd {
    /// Take the password from the command line, where other users of the machine may see it
    #[arg(short = 'b')]
    batch: bool,
    /// Create the file anew
    #[arg(short = 'c', conflicts_with_all = ["delete", "upgrade"])]
    create: bool,
    /// Delete the user
    #[arg(short = 'D', conflicts_with_all = ["batch", "upgrade"])]
    delete: bool,
    /// Hash the passwords of a file that has them in plain text
    #[arg(short = 'U', conflicts_with = "batch")]
    upgrade: bool,
    /// How to hash: argon2id (mosquitto from 2.1 on reads it), sha512-pbkdf2 (from 2.0
    /// on), sha512 (every one), scram-sha-256 (ringmq, and not a password file's format
    /// elsewhere)
    #[arg(short = 'H', value_name = "HASH", default_value = "argon2id")]
    hash: String,
    /// Iterations of sha512-pbkdf2 [default: 1000] and scram-sha-256 [default: 4096]
    #[arg(short = 'I', value_name = "N")]
    iterations: Option<String>,
    /// The password file
    file: PathBuf,
    /// The user's name
    user: Option<String>,
    /// The user's password, with -b
    password: Option<String>,
}

/// Settings of `ringmq passwd`.
#[derive(Debug)]
pub(crate) struct PasswdSettings {
    pub(crate) file: PathBuf,
    pub(crate) scheme: Scheme,
    pub(crate) task: Task,
}

/// What to do with the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Task {
    /// Add the user or change the password; `None`: it is to be asked for.
    Set {
        user: String,
        password: Option<String>,
        create: bool,
    },
    Delete(String),
    Upgrade,
}

impl PasswdSettings {
    pub(super) fn check(raw: RawPasswd) -> Result<Self, Failure> {
        let scheme = scheme(&raw)?;
        let task = match (raw.upgrade, raw.user, raw.password) {
            (true, None, _) => Task::Upgrade,
            (true, Some(_), _) => return Err(Failure::usage("-U takes no user name")),
            (false, None, _) => return Err(Failure::usage("the user name is missing")),
            (false, Some(user), password) => {
                let user = check_user(user)?;
                match (raw.delete, raw.batch, password) {
                    (true, _, None) => Task::Delete(user),
                    (_, true, None) => {
                        return Err(Failure::usage("-b needs the password behind the user name"));
                    }
                    (_, false, Some(_)) => {
                        return Err(Failure::usage(
                            "a password on the command line can be seen by other users; -b allows it",
                        ));
                    }
                    (_, _, Some(long)) if long.len() > MOST_BYTES => {
                        return Err(Failure::usage("the password is longer than 65,535 bytes"));
                    }
                    (_, _, password) => Task::Set {
                        user,
                        password,
                        create: raw.create,
                    },
                }
            }
        };
        Ok(Self {
            file: raw.file,
            scheme,
            task,
        })
    }
}

fn scheme(raw: &RawPasswd) -> Result<Scheme, Failure> {
    let iterations = raw
        .iterations
        .as_deref()
        .map(|text| number::<u32>("-I", text, &(1..=10_000_000)))
        .transpose()
        .map_err(|failure| Failure::usage(failure.message.trim_start_matches("ringmq: ")))?
        .and_then(NonZeroU32::new);
    match (&*raw.hash, iterations) {
        ("sha512-pbkdf2", number) => Ok(Scheme::Sha512Pbkdf2(number.unwrap_or(DEFAULT_ITERATIONS))),
        ("scram-sha-256", number) => Ok(Scheme::ScramSha256(number.unwrap_or(SCRAM_ITERATIONS))),
        ("argon2id" | "sha512", Some(_)) => {
            Err(Failure::usage("-I is for sha512-pbkdf2 and scram-sha-256"))
        }
        ("argon2id", None) => Ok(Scheme::Argon2id),
        ("sha512", None) => Ok(Scheme::Sha512),
        (other, _) => Err(Failure::usage(format_args!(
            "-H takes argon2id, sha512-pbkdf2, sha512 or scram-sha-256, not '{other}'"
        ))),
    }
}

fn check_user(user: String) -> Result<String, Failure> {
    let wrong = |what: &str| Err(Failure::usage(format_args!("the user name {what}")));
    match &user {
        empty if empty.trim().is_empty() => wrong("is empty"),
        long if long.len() > MOST_BYTES => wrong("is longer than 65,535 bytes"),
        colon if colon.contains(':') => wrong("must not contain ':'"),
        control if control.contains(char::is_control) => {
            wrong("must not contain control characters")
        }
        blank if blank.trim() != *blank => wrong("must not begin or end with blanks"),
        comment if comment.starts_with('#') => wrong("must not begin with '#'"),
        _ => Ok(user),
    }
}
