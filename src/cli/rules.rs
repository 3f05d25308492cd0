//! The rules of `ringmq serve`, opened and in their order.
//!
//! Owns the order: tokens know themselves by their shape and cost others nothing, the
//! password file comes before whoever must be asked over the network, and the ACL file
//! before it likewise. What several listeners have in common is opened once. Lives on
//! the main thread.

use std::path::PathBuf;
use std::sync::Arc;

use super::arguments::RulesSettings;
use super::failure::Failure;
use crate::hooks::authentication::{PasswordRule, ScramRule};
use crate::hooks::authorization::AclRule;
use crate::hooks::http::{HttpRule, HttpSettings};
use crate::hooks::token::{ClaimNames, TokenKeyFile, TokenRule};
use crate::hooks::{Hook, HookError};

/// All rules opened so far.
#[derive(Default)]
pub(crate) struct Rules {
    tokens: Opened<(Vec<TokenKeyFile>, ClaimNames)>,
    scram: Opened<PathBuf>,
    passwords: Opened<PathBuf>,
    /// And whether other rules come behind it.
    acl: Opened<(PathBuf, bool)>,
    http: Opened<HttpSettings>,
}

impl Rules {
    /// The rules of one listener, from files that are read now if they are new.
    pub(crate) fn open(&mut self, settings: &RulesSettings) -> Result<Vec<Arc<dyn Hook>>, Failure> {
        self.open_all(settings).map_err(Failure::configuration)
    }

    fn open_all(&mut self, settings: &RulesSettings) -> Result<Vec<Arc<dyn Hook>>, HookError> {
        let mut hooks = Vec::new();
        if !settings.token_keys.is_empty() {
            let key = (settings.token_keys.clone(), settings.claims.clone());
            hooks.push(
                self.tokens
                    .get(key, |(files, names)| TokenRule::open(files, names.clone()))?,
            );
        }
        if let Some(file) = &settings.scram_file {
            let open = |file: &PathBuf| ScramRule::open(file);
            hooks.push(self.scram.get(file.clone(), open)?);
        }
        if let Some(file) = &settings.password_file {
            let open = |file: &PathBuf| PasswordRule::open(file);
            hooks.push(self.passwords.get(file.clone(), open)?);
        }
        if let Some(file) = &settings.acl_file {
            let asked = settings.http.as_ref().map(|http| http.questions);
            let others = asked.is_some_and(|asked| asked.publish || asked.subscribe);
            hooks.push(self.acl.get((file.clone(), others), |(file, others)| {
                let rule = AclRule::open(file)?;
                Ok(if *others { rule.before_others() } else { rule })
            })?);
        }
        if let Some(http) = &settings.http {
            hooks.push(self.http.get(http.clone(), HttpRule::open)?);
        }
        Ok(hooks)
    }
}

/// Rules of one kind, by what they were opened with.
struct Opened<K>(Vec<(K, Arc<dyn Hook>)>);

impl<K> Default for Opened<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Opened<K> {
    fn get<H: Hook>(
        &mut self,
        key: K,
        open: impl FnOnce(&K) -> Result<H, HookError>,
    ) -> Result<Arc<dyn Hook>, HookError> {
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(known));
        }
        let hook: Arc<dyn Hook> = Arc::new(open(&key)?);
        self.0.push((key, Arc::clone(&hook)));
        Ok(hook)
    }
}
