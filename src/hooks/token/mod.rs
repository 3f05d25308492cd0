//! Tokens (JWT, RFC 7519) as passwords: who a client is and what it may do, signed by
//! somebody else.
//!
//! Owns the keys, read from files. Checking a signature takes up to some hundred
//! microseconds and runs on workers; what the token permits is judged on the shard.
//! Never fetches a key over the network.
//!
//! | file | what |
//! | --- | --- |
//! | `keys` | PEM, secret and JWKS files |
//! | `verifier` | signatures, by `ring` |
//! | `claims` | user name, expiry, rights |
//! | `rule` | the hook |

mod claims;
mod keys;
mod rule;
#[cfg(test)]
mod tests;
mod verifier;

pub use claims::{ClaimNames, TokenRights};
pub use keys::{Algorithm, TokenKeys};
pub use rule::{TokenKeyFile, TokenRule};
