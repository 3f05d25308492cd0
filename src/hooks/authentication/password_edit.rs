//! A password_file with one user more, less, or with another password.
//!
//! Owns nothing: text in, text out. Pure, for `ringmq passwd`. Comments and the lines
//! of other users come through byte for byte; what is no line of such a file stops
//! the edit before anything is written.

use super::password_file::entry;
use super::password_hash::PasswordHash;
use crate::hooks::line_error::{LineError, lines, written_lines};

/// Sets the hash of `user`: in its own line, or in a new one at the end. Also says
/// whether the user was there already.
pub fn set(file: &[u8], user: &str, hash: &PasswordHash) -> Result<(String, bool), LineError> {
    let mut found = false;
    let mut text = rewrite(file, |name, _| {
        if name != user {
            return Ok(Some(None));
        }
        // A second line of the same user would be refused by whoever reads the file.
        let first = !std::mem::replace(&mut found, true);
        Ok(first.then(|| Some(hash.to_string())))
    })?;
    if !found {
        text.push_str(&format!("{user}:{hash}\n"));
    }
    Ok((text, found))
}

/// Removes `user`; `None` when there is no such user.
pub fn remove(file: &[u8], user: &str) -> Result<Option<String>, LineError> {
    let mut found = false;
    let text = rewrite(file, |name, _| {
        found |= name == user;
        Ok((name != user).then_some(None))
    })?;
    Ok(found.then_some(text))
}

/// Hashes every password that is still plain text, with `hash`. Also says how many
/// there were.
pub fn upgrade<E: std::fmt::Display>(
    file: &[u8],
    mut hash: impl FnMut(&str) -> Result<PasswordHash, E>,
) -> Result<(String, usize), LineError> {
    let mut hashed = 0;
    let text = rewrite(file, |_, password| {
        if PasswordHash::parse(password).is_ok() {
            return Ok(Some(None));
        }
        hashed += 1;
        let hash = hash(password).map_err(|error| error.to_string())?;
        Ok(Some(Some(hash.to_string())))
    })?;
    Ok((text, hashed))
}

/// Passes over all lines. `change` gets a user and what stands behind the colon and
/// answers: no line (`None`), the same (`Some(None)`), or another hash.
fn rewrite(
    file: &[u8],
    mut change: impl FnMut(&str, &str) -> Result<Option<Option<String>>, String>,
) -> Result<String, LineError> {
    let mut text = String::with_capacity(file.len());
    if file.is_empty() {
        return Ok(text);
    }
    for (line, written) in lines(file).zip(written_lines(file)) {
        let (number, line) = line?;
        let kept = match entry(number, line)? {
            None => Some(None),
            Some((_, "")) => return Err(LineError::new(number, "the password is empty")),
            Some((name, password)) => match change(name, password) {
                Ok(Some(Some(hash))) => Some(Some(format!("{name}:{hash}"))),
                Ok(kept) => kept.map(|_| None),
                Err(what) => return Err(LineError::new(number, what)),
            },
        };
        if let Some(changed) = kept {
            text.push_str(changed.as_deref().unwrap_or(line));
            if written.ends_with(b"\r") {
                text.push('\r');
            }
            text.push('\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::hooks::authentication::password_file::PasswordFile;
    use crate::hooks::authentication::password_hash::Scheme;

    fn hash(password: &str) -> PasswordHash {
        PasswordHash::create(Scheme::Sha512, password.as_bytes()).expect("random bytes")
    }

    #[test]
    fn a_user_is_added_changed_and_removed_and_nobody_else_is_touched() {
        let (file, found) = set(b"", "alice", &hash("one")).expect("an empty file");
        assert!(!found);
        let file = format!("# staff\n{file}");
        let (file, found) = set(file.as_bytes(), "bob", &hash("two")).expect("well-formed");
        assert!(!found);
        let (changed, found) = set(file.as_bytes(), "alice", &hash("new")).expect("well-formed");
        assert!(found);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (before, after) = (lines(&file), lines(&changed));
        assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
        let users = PasswordFile::parse(changed.as_bytes()).expect("well-formed");
        assert!(users.verify("alice", b"new") && users.verify("bob", b"two"));

        let removed = remove(changed.as_bytes(), "alice").expect("well-formed");
        assert_eq!(removed, Some(format!("{}\n{}\n", after[0], after[2])));
        assert_eq!(remove(changed.as_bytes(), "eve"), Ok(None));
    }

    #[test]
    fn a_plain_file_is_hashed_once() {
        let plain = b"# old\nalice:se:cret\nbob: $tiff \n";
        let hash = |password: &str| Ok::<_, Infallible>(hash(password));
        let (file, hashed) = upgrade(plain, hash).expect("well-formed");
        assert_eq!(hashed, 2);
        let users = PasswordFile::parse(file.as_bytes()).expect("well-formed");
        assert!(users.verify("alice", b"se:cret") && users.verify("bob", b"$tiff"));
        assert_eq!(upgrade(file.as_bytes(), hash), Ok((file, 0)));
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        let comment = "# from elsewhere\r\r\n";
        let (file, _) = set(comment.as_bytes(), "bob", &hash("two")).expect("well-formed");
        assert!(file.starts_with(comment), "{file:?}");
        let lines = format!("bob:{}\r\n", hash("old"));
        let (file, found) = set(lines.as_bytes(), "bob", &hash("new")).expect("well-formed");
        assert!(found && file.ends_with("\r\n"));
        let users = PasswordFile::parse(file.as_bytes()).expect("well-formed");
        assert!(users.verify("bob", b"new"));
    }

    #[test]
    fn a_corrupt_file_is_left_alone() {
        let error = set(b"alice:x\nrubbish\n", "bob", &hash("two"));
        assert_eq!(error.expect_err("line 2").line, 2);
        assert_eq!(remove(b"alice:\n", "alice").expect_err("no hash").line, 1);
    }
}
