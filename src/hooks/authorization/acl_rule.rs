//! The rule of an acl_file: who may publish and read what.
//!
//! Owns the file's current content. Lives on every shard and answers at once; the
//! engine remembers its answers per session and topic until the next reload.

use std::path::Path;

use super::acl_rules::{AclRules, Coverage};
use crate::hooks::rule_file::RuleFile;
use crate::hooks::{
    Client, Commit, DeliverRequest, Hook, HookError, Phases, PublishRequest, SubscribeRequest,
    Verdict,
};
use crate::protocol::ReasonCode;

/// Judges publications, subscriptions and deliveries by an acl_file.
pub struct AclRule {
    file: RuleFile<AclRules>,
    last: bool,
}

impl AclRule {
    /// Reads the file. What no line speaks of is denied.
    pub fn open(path: &Path) -> Result<Self, HookError> {
        Ok(Self {
            file: RuleFile::open(path, false, AclRules::parse)?,
            last: true,
        })
    }

    /// Leaves what no line speaks of to later rules. A filter that the file grants in
    /// part is then theirs to judge, unless it reaches into what the file denies.
    #[must_use]
    pub fn before_others(self) -> Self {
        Self {
            last: false,
            ..self
        }
    }

    fn verdict(&self, judged: Option<bool>) -> Verdict {
        match judged {
            Some(true) => Verdict::Allow,
            None if !self.last => Verdict::Next,
            Some(false) | None => Verdict::Deny(ReasonCode::NotAuthorized),
        }
    }
}

impl Hook for AclRule {
    fn name(&self) -> &'static str {
        "ACL file"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHORIZE_PUBLISH | Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED
    }

    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        let rules = self.file.look();
        self.verdict(rules.write(client.client_id(), client.user_name(), request.topic))
    }

    fn authorize_subscribe(&self, client: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        let (id, user) = (client.client_id(), client.user_name());
        let filter = request.matched().as_str();
        let rules = self.file.look();
        match rules.coverage(id, user, filter) {
            Coverage::Whole => Verdict::Allow,
            Coverage::Part if self.last => Verdict::AllowFiltered,
            Coverage::Part | Coverage::Nothing => {
                let denied = self.last || rules.denies_some(id, user, filter);
                self.verdict(denied.then_some(false))
            }
        }
    }

    fn deliver(&self, client: &Client, request: &DeliverRequest<'_>) -> Verdict {
        let rules = self.file.look();
        self.verdict(rules.read(client.client_id(), client.user_name(), request.topic))
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        self.file.prepare()
    }
}
