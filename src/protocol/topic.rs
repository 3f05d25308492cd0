//! Topic names and topic filters, checked once and trusted afterwards.
//!
//! Owns nothing: both borrow their text. Pure; lives on any core. Never an index:
//! [`TopicFilter::matches`] compares one filter with one topic, plainly, and is
//! what the indexes in `routing` are tested against.

use core::fmt;

use crate::protocol::DecodeError;

/// The longest topic in bytes: strings carry a two-byte length.
pub const MAX_LEN: usize = 65_535;

/// What a shared subscription's filter starts with [MQTT-4.8.2-1].
const SHARE_PREFIX: &str = "$share/";

/// Why a text is no topic name or no topic filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty [MQTT-4.7.3-1].
    Empty,
    /// The text is longer than 65,535 bytes [MQTT-4.7.3-3].
    TooLong,
    /// The text holds U+0000 [MQTT-4.7.3-2].
    Nul,
    /// A topic name holds `+` or `#` [MQTT-3.3.2-2].
    WildcardInName,
    /// `#` is not alone in the last level [MQTT-4.7.1-1].
    MisplacedHash,
    /// `+` is not alone in its level [MQTT-4.7.1-2].
    MisplacedPlus,
    /// The share name is empty or has a wildcard, or no filter of its own follows.
    InvalidShare,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the topic is empty",
            Self::TooLong => "the topic is longer than 65,535 bytes",
            Self::Nul => "the topic holds the null character",
            Self::WildcardInName => "a topic name may not hold + or #",
            Self::MisplacedHash => "# must be the whole last level",
            Self::MisplacedPlus => "+ must be a whole level",
            Self::InvalidShare => "a shared subscription is written $share/group/filter",
        })
    }
}

impl core::error::Error for TopicError {}

impl From<TopicError> for DecodeError {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Nul => Self::NulInString,
            TopicError::WildcardInName => Self::WildcardInTopicName,
            TopicError::Empty
            | TopicError::TooLong
            | TopicError::MisplacedHash
            | TopicError::MisplacedPlus
            | TopicError::InvalidShare => Self::InvalidTopicFilter,
        }
    }
}

fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=MAX_LEN => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// The topic that a message is published to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks that `text` can be a topic name.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        match memchr::memchr3(b'+', b'#', 0, text.as_bytes()) {
            None => Ok(Self(text)),
            Some(at) if text.as_bytes()[at] == 0 => Err(TopicError::Nul),
            Some(_) => Err(TopicError::WildcardInName),
        }
    }

    /// The topic name as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels between the slashes, at least one, possibly empty ones.
    pub fn levels(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split('/')
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a subscription asks for, possibly shared (`$share/group/filter`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicFilter<'a>(&'a str);

/// The two parts of a shared subscription's filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Share<'a> {
    /// The name of the group: not empty, without `/`, `+` and `#`.
    pub group: &'a str,
    /// The filter that the group shares; never itself a shared one.
    pub filter: TopicFilter<'a>,
}

impl<'a> TopicFilter<'a> {
    /// Checks that `text` can be a topic filter. `$share` alone is an ordinary
    /// one-level filter; with a slash behind it it opens a shared one, and a
    /// share of a share is refused.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        if let Some(shared) = text.strip_prefix(SHARE_PREFIX) {
            // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
            let (group, filter) = shared.split_once('/').ok_or(TopicError::InvalidShare)?;
            let named = !group.is_empty() && !group.contains(['+', '#']);
            if !named || filter.is_empty() || filter.starts_with(SHARE_PREFIX) {
                return Err(TopicError::InvalidShare);
            }
            if memchr::memchr(0, group.as_bytes()).is_some() {
                return Err(TopicError::Nul);
            }
            check_levels(filter)?;
        } else {
            check_levels(text)?;
        }
        Ok(Self(text))
    }

    /// The whole filter as text, `$share/group/` included.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Group and filter of a shared subscription.
    #[must_use]
    pub fn share(self) -> Option<Share<'a>> {
        let (group, filter) = self.0.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        Some(Share {
            group,
            filter: TopicFilter(filter),
        })
    }

    /// The filter that topics are compared with: without `$share/group/`.
    #[must_use]
    pub fn bare(self) -> Self {
        self.share().map_or(self, |share| share.filter)
    }

    /// Whether it may match more than one topic.
    #[must_use]
    pub fn is_wildcard(self) -> bool {
        memchr::memchr2(b'+', b'#', self.0.as_bytes()).is_some()
    }

    /// The levels of the whole text, at least one, possibly empty ones; take
    /// those of [`Self::bare`] to match with.
    pub fn levels(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split('/')
    }

    /// Whether a message published to `topic` is for this filter.
    #[must_use]
    pub fn matches(self, topic: &str) -> bool {
        let filter = self.bare();
        // A leading wildcard does not see what starts with $ [MQTT-4.7.2-1].
        if topic.starts_with('$') && filter.0.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in filter.levels() {
            // # stands for its parent too.
            if level == "#" {
                return true;
            }
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Wildcards stand alone in their level, `#` in the last one, and nothing is NUL.
fn check_levels(filter: &str) -> Result<(), TopicError> {
    let bytes = filter.as_bytes();
    for at in memchr::memchr3_iter(b'+', b'#', 0, bytes) {
        let opens_level = at == 0 || bytes[at - 1] == b'/';
        let last = at + 1 == bytes.len();
        match bytes[at] {
            0 => return Err(TopicError::Nul),
            b'#' if !(opens_level && last) => return Err(TopicError::MisplacedHash),
            b'+' if !(opens_level && (last || bytes[at + 1] == b'/')) => {
                return Err(TopicError::MisplacedPlus);
            }
            _ => {}
        }
    }
    Ok(())
}
