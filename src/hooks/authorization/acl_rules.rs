//! What the lines of an acl_file mean, as mosquitto 2 has it.
//!
//! Owns the rules, by user. Pure; lives on every shard, read only. In this order: what
//! the client's own `topic` lines deny, what they allow, what `pattern` lines deny,
//! what they allow; whatever none of them says is denied. Exact topics are looked up;
//! only lines with wildcards are gone through one by one.
//!
//! mosquitto grants every subscription and looks at reads when it delivers. So does
//! this, where a filter reaches further than the rules; a filter that lies wholly
//! within them is not looked at again, and one that they never let through is refused.

use ahash::RandomState;
use hashbrown::HashMap;

pub(super) use super::levels::Level;
use super::levels::{Who, covers, matches, overlaps};

/// What a rule permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::hooks) enum Access {
    Read,
    Write,
    ReadWrite,
    Deny,
}

/// What a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Read,
    Write,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) access: Access,
    pub(super) levels: Box<[Level]>,
}

/// How much of a filter a client may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage {
    /// Every topic that it matches.
    Whole,
    /// Some, or the rules are too involved to tell: look at each delivery.
    Part,
    /// None.
    Nothing,
}

/// The rules of a file.
#[derive(Debug, Default)]
pub struct AclRules {
    anonymous: RuleSet,
    users: HashMap<Box<str>, RuleSet, RandomState>,
    patterns: RuleSet,
}

impl AclRules {
    /// A `topic` line.
    pub(super) fn add(&mut self, user: Option<&str>, rule: Rule) {
        match user {
            None => self.anonymous.add(rule),
            Some(name) => self.users.entry_ref(name).or_default().add(rule),
        }
    }

    /// A `pattern` line.
    pub(super) fn add_pattern(&mut self, rule: Rule) {
        self.patterns.add(rule);
    }

    /// Whether the client may publish there.
    #[must_use]
    pub fn may_write(&self, client_id: &str, user_name: Option<&str>, topic: &str) -> bool {
        self.write(client_id, user_name, topic) == Some(true)
    }

    /// Whether the client may have a message of this topic.
    #[must_use]
    pub fn may_read(&self, client_id: &str, user_name: Option<&str>, topic: &str) -> bool {
        self.read(client_id, user_name, topic) == Some(true)
    }

    /// The same as [`Self::may_read`]; `None` where no line speaks of it.
    #[must_use]
    pub fn read(&self, client_id: &str, user_name: Option<&str>, topic: &str) -> Option<bool> {
        self.judge(client_id, user_name, topic, Wish::Read)
    }

    /// The same as [`Self::may_write`]; `None` where no line speaks of it.
    #[must_use]
    pub fn write(&self, client_id: &str, user_name: Option<&str>, topic: &str) -> Option<bool> {
        self.judge(client_id, user_name, topic, Wish::Write)
    }

    fn judge(&self, client_id: &str, user: Option<&str>, topic: &str, wish: Wish) -> Option<bool> {
        let who = Who {
            client_id,
            user_name: user,
        };
        let own = self.own(user).and_then(|own| own.judge(topic, wish, who));
        own.or_else(|| self.patterns(who)?.judge(topic, wish, who))
    }

    /// How much of a filter, without `$share/group/`, the client may read.
    #[must_use]
    pub fn coverage(&self, client_id: &str, user_name: Option<&str>, filter: &str) -> Coverage {
        let who = Who {
            client_id,
            user_name,
        };
        let (own, patterns) = (self.own(user_name), self.patterns(who));
        let sets = [own, patterns];
        let mut whole = Coverage::Whole;
        let mut some = false;
        for set in sets.into_iter().flatten() {
            if set.denies_all(filter, who) {
                break;
            }
            if set.denies_some(filter, who) {
                whole = Coverage::Part;
            }
            if set.allows_all(filter, who) {
                return whole;
            }
            some |= set.allows_some(filter, who);
        }
        if some {
            Coverage::Part
        } else {
            Coverage::Nothing
        }
    }

    /// Whether a line denies a topic that the filter matches.
    #[must_use]
    pub fn denies_some(&self, client_id: &str, user_name: Option<&str>, filter: &str) -> bool {
        let who = Who {
            client_id,
            user_name,
        };
        let mut sets = [self.own(user_name), self.patterns(who)]
            .into_iter()
            .flatten();
        sets.any(|set| set.denies_some(filter, who))
    }

    fn own(&self, user: Option<&str>) -> Option<&RuleSet> {
        match user {
            None => Some(&self.anonymous),
            Some(name) => self.users.get(name),
        }
    }

    /// mosquitto keeps all patterns from clients whose names hold wildcards.
    fn patterns(&self, who: Who<'_>) -> Option<&RuleSet> {
        let harmless = |name: &str| !name.contains(['+', '#']);
        let shown = harmless(who.client_id) && who.user_name.is_none_or(harmless);
        shown.then_some(&self.patterns)
    }
}

/// What the exact topics of a set permit.
#[derive(Clone, Copy, Debug, Default)]
struct Rights {
    denied: bool,
    read: bool,
    write: bool,
}

/// Lines that hold for the same clients.
#[derive(Debug, Default)]
struct RuleSet {
    exact: HashMap<Box<str>, Rights, RandomState>,
    denied: Vec<Box<[Level]>>,
    allowed: Vec<Rule>,
}

impl RuleSet {
    fn add(&mut self, rule: Rule) {
        let text = |level: &Level| match level {
            Level::Text(text) => Some(str::to_owned(text)),
            Level::Any | Level::Rest | Level::ClientId | Level::UserName => None,
        };
        if let Some(texts) = rule.levels.iter().map(text).collect::<Option<Vec<_>>>() {
            let rights = self.exact.entry(texts.join("/").into()).or_default();
            rights.denied |= rule.access == Access::Deny;
            rights.read |= rule.access.permits(Wish::Read);
            rights.write |= rule.access.permits(Wish::Write);
        } else if rule.access == Access::Deny {
            self.denied.push(rule.levels);
        } else {
            self.allowed.push(rule);
        }
    }

    /// `None` where no line speaks of it.
    fn judge(&self, topic: &str, wish: Wish, who: Who<'_>) -> Option<bool> {
        let rights = self.exact.get(topic).copied().unwrap_or_default();
        if rights.denied || self.denied.iter().any(|rule| matches(rule, topic, who)) {
            return Some(false);
        }
        let allowed = rights.permits(wish)
            || self
                .allowed
                .iter()
                .any(|rule| rule.access.permits(wish) && matches(&rule.levels, topic, who));
        allowed.then_some(true)
    }

    fn denies_all(&self, filter: &str, who: Who<'_>) -> bool {
        self.exact.get(filter).is_some_and(|rights| rights.denied)
            || self.denied.iter().any(|rule| covers(rule, filter, who))
    }

    fn denies_some(&self, filter: &str, who: Who<'_>) -> bool {
        self.any_exact(filter, |rights| rights.denied)
            || self.denied.iter().any(|rule| overlaps(rule, filter, who))
    }

    fn allows_all(&self, filter: &str, who: Who<'_>) -> bool {
        self.exact.get(filter).is_some_and(|rights| rights.read)
            || self.readable().any(|rule| covers(rule, filter, who))
    }

    fn allows_some(&self, filter: &str, who: Who<'_>) -> bool {
        self.any_exact(filter, |rights| rights.read)
            || self.readable().any(|rule| overlaps(rule, filter, who))
    }

    fn readable(&self) -> impl Iterator<Item = &[Level]> {
        let readable = |rule: &&Rule| rule.access.permits(Wish::Read);
        self.allowed
            .iter()
            .filter(readable)
            .map(|rule| &*rule.levels)
    }

    /// Whether one of the exact topics that the filter matches is such a one.
    fn any_exact(&self, filter: &str, such: impl Fn(&Rights) -> bool) -> bool {
        if !filter.contains(['+', '#']) {
            return self.exact.get(filter).is_some_and(such);
        }
        let filter = crate::protocol::TopicFilter::parse(filter);
        let mut rights = self.exact.iter();
        // No filter at all: rather look at each delivery than too rarely.
        rights.any(|(topic, rights)| such(rights) && filter.is_ok_and(|it| it.matches(topic)))
    }
}

impl Access {
    fn permits(self, wish: Wish) -> bool {
        match self {
            Self::ReadWrite => true,
            Self::Read => wish == Wish::Read,
            Self::Write => wish == Wish::Write,
            Self::Deny => false,
        }
    }
}

impl Rights {
    fn permits(self, wish: Wish) -> bool {
        match wish {
            Wish::Read => self.read,
            Wish::Write => self.write,
        }
    }
}
