//! What a token says: a user name, an end, and rights.
//!
//! Owns how claims are read. Pure. A claim that cannot be understood spoils the whole
//! token: rights that were meant to be narrow must not become wide by a typing error.

use serde_json::{Map, Value};

use crate::hooks::authorization::acl_rules::{Access, AclRules};

/// The names of the claims that count.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClaimNames {
    /// The user name's; a token without it is refused.
    pub user_name: String,
    /// The rights'; a token without it leaves them to other rules.
    pub rights: String,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be, or contain.
    pub audience: Option<String>,
    /// Seconds by which clocks may differ.
    pub leeway: u64,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            user_name: "sub".into(),
            rights: "acl".into(),
            issuer: None,
            audience: None,
            leeway: 60,
        }
    }
}

/// The rights of a token: what is not in it is denied.
#[derive(Debug)]
pub struct TokenRights(pub(super) AclRules);

/// The words of a rights claim and what they are in an acl_file.
const WORDS: &[(&[&str], Access)] = &[
    (&["publish", "pub"], Access::Write),
    (&["subscribe", "sub"], Access::Read),
    (&["all"], Access::ReadWrite),
    (&["deny"], Access::Deny),
];

/// The user name of a token.
pub(super) fn user_name(claims: &Map<String, Value>, names: &ClaimNames) -> Option<Box<str>> {
    let name = claims.get(&names.user_name)?.as_str()?;
    // What MQTT could not carry as a user name, no other rule has reckoned with.
    let fits = !name.is_empty() && name.len() <= 65_535 && !name.contains('\0');
    fits.then(|| name.into())
}

/// The rights of a token, `None` where it has none of its own:
/// `{"publish": ["a/%c/#"], "subscribe": ["b/+"], "all": [..], "deny": [..]}`.
pub(super) fn rights(
    claims: &Map<String, Value>,
    names: &ClaimNames,
) -> Result<Option<TokenRights>, String> {
    let Some(claim) = claims.get(&names.rights) else {
        return Ok(None);
    };
    let wrong = |what: &str| format!("claim `{}`: {what}", names.rights);
    let claim = claim.as_object().ok_or_else(|| wrong("is no object"))?;
    let mut rules = AclRules::default();
    for (word, filters) in claim {
        let known = WORDS.iter().find(|(words, _)| words.contains(&&**word));
        let Some((_, access)) = known else {
            return Err(wrong(
                "has other members than publish, subscribe, all and deny",
            ));
        };
        let filters = filters
            .as_array()
            .ok_or_else(|| wrong("a member is no array"))?;
        for filter in filters {
            let filter = filter
                .as_str()
                .ok_or_else(|| wrong("a filter is no text"))?;
            rules
                .add_pattern_text(*access, filter)
                .map_err(|what| wrong(&what))?;
        }
    }
    Ok(Some(TokenRights(rules)))
}
