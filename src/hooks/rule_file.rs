//! A file of rules that is read at start and again at every reload.
//!
//! Owns its path and what was read last; shards and workers look at the current
//! content without a lock. Reads on the thread that starts or reloads, never on a
//! shard. A file that cannot be used leaves the old content in place.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::line_error::LineError;
use super::{Commit, HookError};

/// The largest file; a million users in argon2id take 150 MB.
const MOST_BYTES: u64 = 256 << 20;

/// Makes something of a file's content.
type Parse<T> = fn(&[u8]) -> Result<T, LineError>;

/// What a file says at present.
pub(super) struct RuleFile<T> {
    path: PathBuf,
    secret: bool,
    parse: Parse<T>,
    current: ArcSwap<T>,
}

impl<T: Send + Sync> RuleFile<T> {
    /// Reads the file for the first time. A `secret` one should not be readable by
    /// everybody.
    pub(super) fn open(path: &Path, secret: bool, parse: Parse<T>) -> Result<Self, HookError> {
        let content = load(path, secret, parse)?;
        Ok(Self {
            path: path.to_owned(),
            secret,
            parse,
            current: ArcSwap::from_pointee(content),
        })
    }

    /// What it says.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The same without counting references, for a quick look.
    pub(super) fn look(&self) -> arc_swap::Guard<Arc<T>> {
        self.current.load()
    }

    /// Reads it again, without using it yet.
    pub(super) fn prepare(&self) -> Result<Commit<'_>, HookError> {
        let content = Arc::new(load(&self.path, self.secret, self.parse)?);
        Ok(Box::new(move || self.current.store(content)))
    }
}

fn load<T>(path: &Path, secret: bool, parse: Parse<T>) -> Result<T, HookError> {
    let shown = path.display();
    let wrong = |what: &dyn std::fmt::Display| HookError(format!("{shown}: {what}"));
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let metadata = file.metadata().map_err(|error| wrong(&error))?;
    if !metadata.is_file() {
        return Err(wrong(&"is not a file"));
    }
    if secret && metadata.permissions().mode() & 0o007 != 0 {
        tracing::warn!("{shown} is open to every user of this machine; chmod o-rwx closes it");
    }
    let mut content = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|error| wrong(&error))?;
    if content.len() as u64 > MOST_BYTES {
        return Err(wrong(&format_args!("is larger than {MOST_BYTES} bytes")));
    }
    parse(&content).map_err(|LineError { line, what }| HookError(format!("{shown}:{line}: {what}")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of its own below the system's temporary directory, gone when dropped.
    pub(in crate::hooks) struct Scratch(pub(in crate::hooks) PathBuf);

    impl Scratch {
        pub(in crate::hooks) fn new(name: &str, content: &[u8]) -> Self {
            let unique = format!("ringmq-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(unique);
            std::fs::write(&path, content).expect("a writable temporary directory");
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn number(content: &[u8]) -> Result<u32, LineError> {
        let text = std::str::from_utf8(content).unwrap_or_default();
        text.parse().map_err(|_| LineError::new(1, "is no number"))
    }

    #[test]
    fn a_broken_file_keeps_the_old_content_and_says_where() {
        let file = Scratch::new("rule-file", b"1");
        let rules = RuleFile::open(&file.0, true, number).expect("a number");
        std::fs::write(&file.0, "x").expect("writable");
        let error = rules.prepare().err().expect("no number");
        assert_eq!(error.0, format!("{}:1: is no number", file.0.display()));
        assert_eq!(*rules.current(), 1);

        std::fs::write(&file.0, "2").expect("writable");
        let commit = rules.prepare().expect("a number");
        assert_eq!(**rules.look(), 1, "read, but not in use");
        commit();
        assert_eq!(**rules.look(), 2);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let missing = Path::new("/nonexistent/users");
        let error = RuleFile::open(missing, false, number)
            .err()
            .expect("missing");
        assert!(
            error.0.starts_with("/nonexistent/users: No such file"),
            "{error}"
        );
        let error = RuleFile::open(Path::new("/"), false, number)
            .err()
            .expect("a directory");
        assert_eq!(error.0, "/: is not a file");
    }
}
