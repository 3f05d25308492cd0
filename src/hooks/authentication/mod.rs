//! Is a client who it says it is: passwords, tokens, challenges.
//!
//! Owns what is known of users, read from files that mosquitto and PostgreSQL could
//! have written. The readers and calculations are pure; what takes milliseconds runs
//! on worker threads, never on a shard. Never decides what a client may do, see
//! `authorization`.
//!
//! | file | what |
//! | --- | --- |
//! | `password_hash` | one hashed password, in four formats |
//! | `password_file` | all users of a file |
//! | `password_edit` | such a file with one user more or less |
//! | `password_rule` | the hook that judges CONNECT by such a file |
//! | `scram_keys` `scram_message` `scram` | SCRAM-SHA-256 (RFC 7677), the server's side |
//! | `scram_rule` | the hook that conducts it |

pub mod password_edit;
pub mod password_file;
pub mod password_hash;
mod password_rule;
pub mod scram;
mod scram_keys;
mod scram_message;
mod scram_rule;

pub use password_rule::PasswordRule;
pub use scram_rule::ScramRule;
