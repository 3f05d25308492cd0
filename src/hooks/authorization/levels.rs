//! Which topics a rule's filter stands for.
//!
//! Owns nothing: compares levels with a topic, or with what a client subscribes to.
//! Pure, no allocation. Only a rule that begins with `$` speaks of topics that do; no
//! client identifier or user name, whatever it contains, widens a rule.

/// One level of a rule's filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Level {
    Text(Box<str>),
    /// `+`
    Any,
    /// `#`, always the last one
    Rest,
    /// `%c`
    ClientId,
    /// `%u`
    UserName,
}

/// Who a rule's placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) client_id: &'a str,
    pub(super) user_name: Option<&'a str>,
}

/// A level with the placeholders replaced.
enum Seen<'a> {
    Text(&'a str),
    Any,
    Rest,
    /// A placeholder for what can be no level: it matches nothing.
    Nothing,
}

/// Whether `name` can stand for a level: as an empty one, or as several, it would
/// reach what the rule's author did not write down.
fn as_level(name: Option<&str>) -> Seen<'_> {
    match name {
        Some(name) if !name.is_empty() && !name.contains(['+', '#', '/', '\0']) => Seen::Text(name),
        Some(_) | None => Seen::Nothing,
    }
}

impl Level {
    fn seen<'a>(&'a self, who: Who<'a>) -> Seen<'a> {
        match self {
            Self::Text(text) => Seen::Text(text),
            Self::Any => Seen::Any,
            Self::Rest => Seen::Rest,
            Self::ClientId => as_level(Some(who.client_id)),
            Self::UserName => as_level(who.user_name),
        }
    }

    fn is_reserved(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with('$'))
    }
}

/// Whether the rule speaks of this topic.
pub(super) fn matches(rule: &[Level], topic: &str, who: Who<'_>) -> bool {
    if topic.starts_with('$') && !rule.first().is_some_and(Level::is_reserved) {
        return false;
    }
    let mut names = topic.split('/');
    for level in rule {
        let name = match level.seen(who) {
            Seen::Rest => return true,
            Seen::Nothing => return false,
            Seen::Any => None,
            Seen::Text(text) => Some(text),
        };
        match names.next() {
            Some(found) if name.is_none_or(|name| name == found) => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether the rule and the filter have nothing to do with each other because only
/// one of them speaks of topics that begin with `$`.
fn apart(rule: &[Level], filter: &str) -> bool {
    filter.starts_with('$') != rule.first().is_some_and(Level::is_reserved)
}

/// Whether the rule speaks of every topic that the filter matches.
pub(super) fn covers(rule: &[Level], filter: &str, who: Who<'_>) -> bool {
    if apart(rule, filter) {
        return false;
    }
    let mut wanted = filter.split('/');
    for level in rule {
        let text = match level.seen(who) {
            Seen::Rest => return true,
            Seen::Nothing => return false,
            Seen::Any => None,
            Seen::Text(text) => Some(text),
        };
        match (text, wanted.next()) {
            (_, None | Some("#")) => return false,
            (Some(text), Some(name)) if text != name => return false,
            _ => {}
        }
    }
    wanted.next().is_none()
}

/// Whether there is a topic that the filter matches and the rule speaks of.
pub(super) fn overlaps(rule: &[Level], filter: &str, who: Who<'_>) -> bool {
    if apart(rule, filter) {
        return false;
    }
    let impossible = |level: &Level| matches!(level.seen(who), Seen::Nothing);
    if rule.iter().any(impossible) {
        return false;
    }
    let mut wanted = filter.split('/');
    for level in rule {
        let text = match level.seen(who) {
            Seen::Rest => return true,
            Seen::Nothing => return false,
            Seen::Any => None,
            Seen::Text(text) => Some(text),
        };
        match (text, wanted.next()) {
            (_, Some("#")) => return true,
            (_, None) => return false,
            (Some(text), Some(name)) if name != "+" && text != name => return false,
            _ => {}
        }
    }
    matches!(wanted.next(), None | Some("#"))
}
