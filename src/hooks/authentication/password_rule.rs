//! The rule of a password_file: user name and password of CONNECT.
//!
//! Owns the file's current content and a memory of passwords that were right. Lives on
//! every shard, where it recognises what it has seen, and on workers, where it hashes.
//! Who is not in the file is left to later rules, after the same work; with none, the
//! answer is the same as for a wrong password.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;

use super::password_file::PasswordFile;
use crate::hooks::rule_file::RuleFile;
use crate::hooks::secrets::{Digest256, hmac, random};
use crate::hooks::{Commit, Credentials, Hook, HookError, Phases, Question, Reply, Verdict};
use crate::protocol::ReasonCode;

/// Passwords remembered as right: what lets a fleet come back after an outage without
/// hashing every password again. An entry takes about 100 bytes.
const REMEMBERED: usize = 65_536;

/// Judges CONNECT by a password_file.
pub struct PasswordRule {
    file: RuleFile<PasswordFile>,
    /// Digests of user and password that were right, and in which generation.
    right: Cache<Digest256, u64>,
    /// Keys the digests, drawn at start: they say nothing outside this process.
    key: Digest256,
    /// Counts the reloads.
    generation: AtomicU64,
}

impl PasswordRule {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, HookError> {
        let key = random().map_err(|error| HookError(format!("no random bytes: {error}")))?;
        Ok(Self {
            file: RuleFile::open(path, true, PasswordFile::parse)?,
            right: Cache::new(REMEMBERED),
            key,
            generation: AtomicU64::new(0),
        })
    }

    fn digest(&self, user: &str, password: &[u8]) -> Digest256 {
        let length = user.len().to_le_bytes();
        hmac(&self.key, &[&length, user.as_bytes(), password])
    }

    /// Takes milliseconds.
    fn judge(&self, attempt: &Credentials) -> Verdict {
        let Some(user) = attempt.user_name() else {
            return Verdict::Next;
        };
        let password = attempt
            .password()
            .map_or(&b""[..], |known| known.as_bytes());
        // Before the look at the file: what a reload overtakes is not remembered.
        let generation = self.generation.load(Ordering::Acquire);
        let users = self.file.current();
        if users.verify(user, password) && attempt.password().is_some() {
            self.right.insert(self.digest(user, password), generation);
            return Verdict::Allow;
        }
        if users.has(user) {
            Verdict::Deny(ReasonCode::BadUserNameOrPassword)
        } else {
            Verdict::Next
        }
    }
}

impl Hook for PasswordRule {
    fn name(&self) -> &'static str {
        "password file"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        let (Some(user), password) = (attempt.user_name(), attempt.password()) else {
            return Verdict::Next;
        };
        let known = password.and_then(|it| self.right.get(&self.digest(user, it.as_bytes())));
        if known == Some(self.generation.load(Ordering::Acquire)) {
            return Verdict::Allow;
        }
        Verdict::Ask
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let verdict = if let Question::Authenticate(attempt) = &question {
            self.judge(attempt)
        } else {
            Verdict::Next
        };
        reply.answer(verdict);
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        let commit = self.file.prepare()?;
        Ok(Box::new(move || {
            commit();
            self.generation.fetch_add(1, Ordering::Release);
            self.right.clear();
        }))
    }
}
