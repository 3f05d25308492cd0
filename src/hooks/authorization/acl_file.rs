//! mosquitto's acl_file, line by line.
//!
//! Owns the grammar; `acl_rules` owns what the lines mean. Pure, read once and at
//! reloads. Stricter than mosquitto in one point: `%c` and `%u` must be whole levels,
//! as its manual has it (2.0 replaces them anywhere, 2.1 only there, so that the same
//! line would mean two things).

use super::acl_rules::{Access, AclRules, Level, Rule};
use crate::hooks::line_error::{LineError, lines};
use crate::protocol::TopicFilter;

impl AclRules {
    /// Reads a file's content. Rules before the first `user` are for clients without
    /// a user name; `#` begins a comment.
    pub fn parse(file: &[u8]) -> Result<Self, LineError> {
        let mut rules = Self::default();
        let mut user: Option<&str> = None;
        for line in lines(file) {
            let (number, line) = line?;
            let wrong = |what: String| LineError::new(number, what);
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (word, rest) = first_word(line);
            match word {
                "user" if rest.is_empty() => return Err(wrong("the user name is missing".into())),
                "user" => user = Some(rest),
                "topic" => rules.add(user, rule(rest, false).map_err(wrong)?),
                "pattern" => rules.add_pattern(rule(rest, true).map_err(wrong)?),
                other => {
                    let known = "`user`, `topic` or `pattern`";
                    return Err(wrong(format!(
                        "a line begins with {known}, not with `{other}`"
                    )));
                }
            }
        }
        Ok(rules)
    }

    /// A `pattern` line without the word, for rights that stand elsewhere.
    #[cfg(feature = "auth-jwt")]
    pub(in crate::hooks) fn add_pattern_text(
        &mut self,
        access: Access,
        filter: &str,
    ) -> Result<(), String> {
        let levels = levels(filter, true)?;
        self.add_pattern(Rule { access, levels });
        Ok(())
    }
}

/// The word up to the first blanks, and what follows them.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once([' ', '\t'])
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// `[read|write|readwrite|deny] FILTER`. A filter with blanks in it needs the word, so
/// that a forgotten one is noticed.
fn rule(text: &str, pattern: bool) -> Result<Rule, String> {
    let (word, rest) = first_word(text);
    let (access, filter) = match (word, rest) {
        ("", _) => return Err("the topic filter is missing".into()),
        (filter, "") => (Access::ReadWrite, filter),
        ("read", filter) => (Access::Read, filter),
        ("write", filter) => (Access::Write, filter),
        ("readwrite", filter) => (Access::ReadWrite, filter),
        ("deny", filter) => (Access::Deny, filter),
        (other, _) => {
            let known = "read, write, readwrite and deny";
            return Err(format!("`{other}` is no kind of access; there are {known}"));
        }
    };
    let levels = levels(filter, pattern)?;
    Ok(Rule { access, levels })
}

fn levels(filter: &str, pattern: bool) -> Result<Box<[Level]>, String> {
    TopicFilter::parse(filter).map_err(|error| format!("`{filter}`: {error}"))?;
    filter.split('/').map(|text| level(text, pattern)).collect()
}

fn level(text: &str, pattern: bool) -> Result<Level, String> {
    match text {
        "+" => Ok(Level::Any),
        "#" => Ok(Level::Rest),
        "%c" if pattern => Ok(Level::ClientId),
        "%u" if pattern => Ok(Level::UserName),
        other if pattern && (other.contains("%c") || other.contains("%u")) => Err(format!(
            "`{other}`: %c and %u stand for whole levels of a topic, with nothing beside them"
        )),
        other => Ok(Level::Text(other.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_line_and_the_choices() {
        for (file, said) in [
            ("topic", "line 1: the topic filter is missing"),
            ("\n#\npattern ", "line 3: the topic filter is missing"),
            ("user", "line 1: the user name is missing"),
            ("user \n", "line 1: the user name is missing"),
            (
                "topic reed a/b",
                "line 1: `reed` is no kind of access; there are read, write,",
            ),
            (
                "topic a/b#",
                "line 1: `a/b#`: # must be the whole last level",
            ),
            ("topic read a/+b", "line 1: `a/+b`: + must be a whole level"),
            (
                "topics a",
                "line 1: a line begins with `user`, `topic` or `pattern`, not with",
            ),
            (" user a\nallow b", "line 2: a line begins with"),
            (
                "pattern a/x-%c",
                "line 1: `x-%c`: %c and %u stand for whole levels",
            ),
        ] {
            let error = AclRules::parse(file.as_bytes()).expect_err(said);
            assert!(error.to_string().starts_with(said), "{error}");
        }
        assert_eq!(
            AclRules::parse(b"topic a\n\xff").expect_err("no text").line,
            2
        );
    }

    #[test]
    fn blanks_comments_and_line_ends_do_not_matter() {
        let rules = AclRules::parse(b"# mine\r\n\r\nuser  al ice \r\ntopic   read  a b/c \r\n");
        let rules = rules.expect("well-formed");
        assert!(rules.may_read("c", Some("al ice"), "a b/c"));
        assert!(!rules.may_read("c", None, "a b/c"));
    }
}
