//! Files of rules as anybody may have written them: they are read, or refused with the
//! number of a line; and what `ringmq passwd` makes of them reads back.
//!
//! Owns the users that are set and removed. Pure.

use ringmq::hooks::authentication::password_edit;
use ringmq::hooks::authentication::password_file::PasswordFile;
use ringmq::hooks::authentication::password_hash::PasswordHash;
use ringmq::hooks::authorization::acl_rules::{AclRules, Coverage};
use ringmq::hooks::line_error::LineError;

use super::input::Input;
use super::naive;

/// Users that `ringmq passwd` would take.
const USERS: [&str; 8] = [
    "a",
    "bob",
    "é",
    "a b",
    "$6$",
    "x#",
    "a\u{2028}b",
    "a\u{a0}b",
];

const TOPICS: [&str; 8] = ["a", "a/b", "a/b/c", "b", "/", "a/", "$SYS/a", "a/a"];
const FILTERS: [&str; 9] = [
    "#", "+", "a/#", "a/+", "+/b", "a/b", "+/+/c", "$SYS/#", "+/#",
];

/// A hash of the password `secret`, as mosquitto_passwd writes it, and one for SCRAM.
const HASHES: [&str; 2] = [
    "$6$c2FsdA==$E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/Zpe9zMVvLix4S2FiQSJ99RIkNvhHomNO9uLw==",
    "SCRAM-SHA-256$1:c2FsdA==$wN56iZgRmJc8bLR+mwOwuVJuCvu3CIrVguKdgdp7J6s=:ywJYVz0nm/y3tcyI3qXB89hBjaX1PJEJLUzrN3+/5aM=",
];

/// A password_file, its users' SCRAM keys, and every edit of it.
pub fn password_file(data: &[u8]) {
    let mut input = Input::new(data);
    let (Some(user), Some(hash)) = (input.below(USERS.len()), input.below(HASHES.len())) else {
        return;
    };
    let (user, file) = (USERS[user], input.rest());
    let hash = PasswordHash::parse(HASHES[hash]).expect("well-formed");
    let before = PasswordFile::parse(file);
    check_line(file, before.as_ref().err());
    let set = password_edit::set(file, user, &hash);
    check_line(file, set.as_ref().err());
    if let (Ok(before), Ok((text, found))) = (&before, &set) {
        let after = PasswordFile::parse(text.as_bytes()).expect("what is written reads back");
        assert_eq!(after.len(), before.len() + usize::from(!found));
        assert_eq!(
            after.scram_keys(user).map(|keys| keys.to_string()),
            Some(hash.to_string()).filter(|text| text.starts_with("SCRAM")),
        );
        let again = password_edit::set(text.as_bytes(), user, &hash);
        assert_eq!(again.as_ref(), Ok(&(text.clone(), true)), "nothing to do");
    }
    let removed = password_edit::remove(file, user);
    check_line(file, removed.as_ref().err());
    match (before, removed) {
        (Ok(before), Ok(Some(text))) => {
            let after = PasswordFile::parse(text.as_bytes()).expect("what is written reads back");
            assert_eq!(after.len() + 1, before.len());
        }
        (Ok(_), Ok(None)) => assert!(set.is_ok_and(|(_, found)| !found)),
        (Ok(_), Err(error)) => panic!("a good file is not edited: {error}"),
        (Err(_), _) => {}
    }
    let upgraded = password_edit::upgrade(file, |_| Ok::<_, String>(hash.clone()));
    check_line(file, upgraded.as_ref().err());
    if let Ok((text, _)) = upgraded {
        let again = password_edit::upgrade(text.as_bytes(), |_| -> Result<_, String> {
            panic!("everything is hashed")
        });
        assert_eq!(again, Ok((text, 0)));
    }
}

/// An acl_file, and what it says of a few topics, one by one and together.
pub fn acl_file(file: &[u8]) {
    let rules = AclRules::parse(file);
    check_line(file, rules.as_ref().err());
    let Ok(rules) = rules else { return };
    for name in [None, Some("a"), Some("a/b"), Some("+")] {
        for topic in TOPICS {
            let reads = rules.may_read("a", name, topic);
            assert_eq!(reads, rules.read("a", name, topic) == Some(true));
            let writes = rules.may_write("a", name, topic);
            assert_eq!(writes, rules.write("a", name, topic) == Some(true));
        }
        for filter in FILTERS {
            let coverage = rules.coverage("a", name, filter);
            for topic in TOPICS.iter().filter(|topic| naive::matches(filter, topic)) {
                let reads = rules.read("a", name, topic);
                match coverage {
                    Coverage::Whole => assert_eq!(reads, Some(true), "{topic} of {filter}"),
                    Coverage::Nothing => assert_ne!(reads, Some(true), "{topic} of {filter}"),
                    Coverage::Part => {}
                }
                let denied = reads == Some(false);
                assert!(!denied || rules.denies_some("a", name, filter));
            }
        }
    }
}

/// An error names a line that there is.
pub(super) fn check_line(file: &[u8], error: Option<&LineError>) {
    let lines = 1 + file.iter().filter(|&&byte| byte == b'\n').count();
    if let Some(LineError { line, what }) = error {
        assert!((1..=lines).contains(line), "line {line} of {lines}: {what}");
        assert!(!what.is_empty());
    }
}
