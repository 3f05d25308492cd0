//! A third party decides: each question is a POST with JSON, the answer is JSON.
//!
//! Owns the threads that wait for answers, and a bounded memory of them. Nothing here
//! runs on a shard but the decision to ask. It fails closed: no answer, a late one and
//! one that cannot be understood refuse.
//!
//! | file | what |
//! | --- | --- |
//! | `settings` | whom to ask, about what, how long to wait |
//! | `message` | the JSON of both directions |
//! | `caller` | one request, with retries |
//! | `tls` | authorities, and the broker's own certificate |
//! | `rule` | the hook, its threads and its memory |

mod caller;
mod message;
mod rule;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

pub use rule::HttpRule;
pub use settings::{HttpQuestions, HttpSettings};
