//! Who may do what, and who wants to know: the seam between a broker and its rules.
//!
//! Owns the trait that rules implement and the values that they see. A [`Hook`] has
//! named phases, each with a default that has no opinion; [`Hook::phases`] says which
//! it takes part in, so that an unused phase costs one test. Phases run on the shard
//! where the client lives and must not wait: what takes long answers
//! [`Verdict::Ask`] and is asked again as a [`Question`] on a worker thread, while
//! the shard reads nothing from that one client. Never imports the layers that call
//! it; never waits, locks or panics on their behalf.
//!
//! | file | what |
//! | --- | --- |
//! | `phases` | the mask |
//! | `verdict` | what a rule answers |
//! | `client` `credentials` | whom it judges |
//! | `request` `outgoing` | what it judges, and may alter |
//! | `event` | what it is told |
//! | `question` `exchange` | answers that take time or several steps |
//! | `chain` | several hooks in their order |
//! | `authentication` `authorization` | the rules that come with the broker |
//! | `http` | rules that a third party makes, asked over the network |
//! | `token` | rules that a client brings along, signed |
//! | `secrets` | keyed digests and comparisons |
//! | `rule_file` `line_error` | their files, and what is wrong with them |
//!
//! An authenticator that asks somebody else, who may take his time:
//!
//! ```
//! use ringmq::broker::Broker;
//! use ringmq::hooks::{Credentials, Grant, Hook, Phases, Question, Reply, Verdict};
//! use ringmq::protocol::ReasonCode;
//!
//! struct Directory;
//!
//! impl Hook for Directory {
//!     fn phases(&self) -> Phases {
//!         Phases::AUTHENTICATE
//!     }
//!
//!     // On the shard: what can be decided at once.
//!     fn authenticate(&self, attempt: &Credentials) -> Verdict {
//!         match attempt.user_name() {
//!             None => Verdict::Next, // the listener's policy decides
//!             Some("guest") => Verdict::Allow,
//!             Some(_) => Verdict::Ask,
//!         }
//!     }
//!
//!     // On a worker thread: what takes time. A thread pool or a runtime of your own
//!     // may have the reply, too.
//!     fn resolve(&self, question: Question, reply: Reply) {
//!         let Question::Authenticate(attempt) = question else { return };
//!         let known = attempt.password().is_some_and(|p| p.equals(b"looked up"));
//!         reply.answer(if known {
//!             let user_name = Some("looked-up".into());
//!             Verdict::Grant(Box::new(Grant { user_name, ..Grant::default() }))
//!         } else {
//!             Verdict::Deny(ReasonCode::BadUserNameOrPassword)
//!         });
//!     }
//! }
//!
//! let broker = Broker::builder().tcp("127.0.0.1:0").shards(1).hook(Directory).start()?;
//! # broker.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "auth")]
pub mod authentication;
#[cfg(feature = "auth")]
pub mod authorization;
mod chain;
mod client;
mod credentials;
mod event;
mod exchange;
#[cfg(feature = "auth-http")]
pub mod http;
#[cfg(feature = "auth")]
pub mod line_error;
mod outgoing;
mod phases;
mod question;
mod request;
#[cfg(feature = "auth")]
mod rule_file;
#[cfg(feature = "auth")]
mod secrets;
#[cfg(feature = "auth-jwt")]
pub mod token;
mod verdict;

use std::time::Duration;

pub use chain::{Chain, Ruling};
pub use client::Client;
pub use credentials::{Credentials, Password};
pub use event::{DropReason, Parting};
pub use exchange::{Exchange, Step};
pub use outgoing::Outgoing;
pub use phases::Phases;
pub use question::{
    Answer, Awaited, ExchangeBox, Inquiry, Patience, Question, Reply, Subject, Ticket,
};
pub use request::{DeliverRequest, PublishRequest, SubscribeRequest};
pub use verdict::{Grant, Treatment, Verdict};

use crate::protocol::{QoS, ReasonCode};

/// Puts what [`Hook::prepare_reload`] has read into use; cannot fail.
pub type Commit<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Why a hook could not be set up or reloaded: one line for the operator, with file
/// and line number where there are such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError(pub String);

impl std::fmt::Display for HookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HookError {}

/// A set of rules or an observer, shared by all shards.
///
/// Several hooks form a chain: those of the listener that a client came through, then
/// those of the broker. In the phases that return a [`Verdict`] the first that allows or
/// denies decides; where nobody does, clients without credentials are treated as their
/// listener says, others are refused if any of these hooks authenticates, and
/// publications, subscriptions and deliveries are allowed.
///
/// A phase that panics counts as denied with 0x83, and is counted; the shard goes on.
pub trait Hook: Send + Sync + 'static {
    /// As the log and error messages call it.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// The phases it takes part in; asked once, when the broker is built.
    fn phases(&self) -> Phases;

    /// How long its permissions and refusals to publish, subscribe and receive may be
    /// remembered per session and topic: [`Duration::MAX`] until a reload, zero not
    /// at all. Asked once, when the broker is built.
    fn memory(&self) -> Duration {
        Duration::MAX
    }

    /// A CONNECT has come to the shard where its client lives; nothing about it has
    /// been proved. Allowing it spares it the other hooks of this phase,
    /// authentication follows.
    fn connect(&self, attempt: &Credentials) -> Verdict {
        let _ = attempt;
        Verdict::Next
    }

    /// Is the client who it says it is? Runs before the session is touched or an
    /// earlier connection taken over. Not asked about clients whose certificate is
    /// their user name, nor about those with an authentication method.
    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        let _ = attempt;
        Verdict::Next
    }

    /// Enhanced authentication (MQTT 5.0, section 4.12), at CONNECT and again when
    /// the client re-authenticates: an exchange of this method begins, if the hook
    /// offers the method. The first that does conducts it.
    fn exchange(&self, attempt: &Credentials, method: &str) -> Option<Box<dyn Exchange>> {
        let _ = (attempt, method);
        None
    }

    /// May the client publish there? Asked about wills, too, when they are left and
    /// again when they are published.
    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        let _ = (client, request);
        Verdict::Next
    }

    /// May the client subscribe to that filter?
    fn authorize_subscribe(&self, client: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        let _ = (client, request);
        Verdict::Next
    }

    /// An authorized message is about to be published; it may be altered, dropped or
    /// refused. All hooks of this phase see it, each what the one before has left.
    fn publish(&self, client: &Client, message: &mut Outgoing<'_>) -> Treatment {
        let _ = (client, message);
        Treatment::Next
    }

    /// May this message go to this client? With [`Phases::DELIVER`] asked about every
    /// delivery (live, retained, shared), with [`Phases::DELIVER_FILTERED`] only about
    /// those to clients one of whose subscriptions was granted with
    /// [`Verdict::AllowFiltered`], or before a reload. [`Verdict::Ask`] is no answer
    /// here and denies. What is denied is not sent and counted; a message of a shared
    /// group goes to another member that may have it, if there is one.
    fn deliver(&self, client: &Client, request: &DeliverRequest<'_>) -> Verdict {
        let _ = (client, request);
        Verdict::Next
    }

    /// A client was not let in, by a rule or by its listener's policy.
    fn refused(&self, attempt: &Credentials, reason: ReasonCode) {
        let _ = (attempt, reason);
    }

    /// A subscription was made, or made anew with other options.
    fn subscribed(&self, client: &Client, filter: &str, granted: QoS) {
        let _ = (client, filter, granted);
    }

    /// The client gave up a subscription; those that end with their session are not
    /// told one by one.
    fn unsubscribed(&self, client: &Client, filter: &str) {
        let _ = (client, filter);
    }

    /// The client is connected with a new session.
    fn session_opened(&self, client: &Client) {
        let _ = client;
    }

    /// The client is connected and goes on with the session that it had.
    fn session_resumed(&self, client: &Client) {
        let _ = client;
    }

    /// The session is over and forgotten.
    fn session_ended(&self, client: &Client) {
        let _ = client;
    }

    /// The connection has ended; the session may go on.
    fn disconnected(&self, client: &Client, parting: Parting) {
        let _ = (client, parting);
    }

    /// A message was dropped: on its way to this client, or from it.
    fn dropped(&self, client: &Client, topic: &str, reason: DropReason) {
        let _ = (client, topic, reason);
    }

    /// On a worker thread: the answer to what a phase could not decide at once. It may
    /// block, or move the reply elsewhere and answer later. A reply that is dropped
    /// denies, and so does one that comes after the deadline. [`Reply::is_awaited`] tells
    /// whether the work is still worth doing; who keeps replies does well to look.
    fn resolve(&self, question: Question, reply: Reply) {
        drop(question);
        reply.answer(Verdict::Deny(ReasonCode::ImplementationSpecific));
    }

    /// Reads again what it was configured with, without using it yet. When every hook
    /// has succeeded, all are committed together; where one fails, none is, and its
    /// error is told. Runs on the thread that reloads, never on a shard.
    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        Ok(Box::new(|| ()))
    }
}
