//! What a client may do: the topics that it may publish to and read.
//!
//! Owns mosquitto's acl_file and the rules that tokens carry. Pure; decisions are
//! made on the shard, without waiting. Never asks who a client is, see
//! `authentication`.
//!
//! | file | what |
//! | --- | --- |
//! | `acl_file` | the grammar |
//! | `acl_rules` | what the lines mean, for one topic and for a whole filter |
//! | `acl_rule` | the hook that judges by them |
//! | `levels` | which topics a filter with `%c` and `%u` stands for |

mod acl_file;
mod acl_rule;
pub mod acl_rules;
mod levels;
#[cfg(test)]
mod tests;

pub use acl_rule::AclRule;
