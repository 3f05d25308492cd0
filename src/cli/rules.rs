//! The rules of `ringmq serve`, opened and in their order.
//!
//! Owns the order: tokens know themselves by their shape and cost others nothing, the
//! password file comes before whoever must be asked over the network, and the ACL file
//! before it likewise. Lives on the main thread.

use std::sync::Arc;

use super::arguments::RulesSettings;
use super::failure::Failure;
use crate::hooks::authentication::{PasswordRule, ScramRule};
use crate::hooks::authorization::AclRule;
use crate::hooks::http::HttpRule;
use crate::hooks::token::TokenRule;
use crate::hooks::{Hook, HookError};

/// Reads all files.
pub(crate) fn open(settings: &RulesSettings) -> Result<Vec<Arc<dyn Hook>>, Failure> {
    open_all(settings).map_err(Failure::configuration)
}

fn open_all(settings: &RulesSettings) -> Result<Vec<Arc<dyn Hook>>, HookError> {
    let mut hooks: Vec<Arc<dyn Hook>> = Vec::new();
    if !settings.token_keys.is_empty() {
        let rule = TokenRule::open(&settings.token_keys, settings.claims.clone())?;
        hooks.push(Arc::new(rule));
    }
    if let Some(file) = &settings.scram_file {
        hooks.push(Arc::new(ScramRule::open(file)?));
    }
    if let Some(file) = &settings.password_file {
        hooks.push(Arc::new(PasswordRule::open(file)?));
    }
    if let Some(file) = &settings.acl_file {
        let rule = AclRule::open(file)?;
        let asked = settings.http.as_ref().map(|http| http.questions);
        let others = asked.is_some_and(|asked| asked.publish || asked.subscribe);
        hooks.push(Arc::new(if others { rule.before_others() } else { rule }));
    }
    if let Some(http) = &settings.http {
        hooks.push(Arc::new(HttpRule::open(http)?));
    }
    Ok(hooks)
}
