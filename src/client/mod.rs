//! A sans-IO MQTT client for 3.1, 3.1.1 and 5.0: bytes and instants in, events
//! and bytes out.
//!
//! Owns one connection's protocol state ([`Session`]) and nothing else. Pure and
//! `no_std` + alloc: it never opens a socket, reads a clock, starts a thread or
//! logs, so that a command line, a load generator and a test can each drive it
//! in the way that suits them. It never imports a layer of the broker but
//! [`crate::protocol`] and the shared instants.
//!
//! The driver's loop:
//!
//! 1. [`Session::new`], connect a socket, then repeat:
//! 2. write [`Session::output`], tell [`Session::handle_sent`] how much went out;
//! 3. read into an [`Input`] and give its bytes to [`Session::handle`], one
//!    packet per call, until nothing is consumed any more; act on the events;
//! 4. queue packets with [`Session::publish`] and its siblings;
//! 5. wait no longer than [`Session::next_deadline`], then call
//!    [`Session::handle_timeout`].
//!
//! After a lost connection [`Session::reconnect`] starts over on a new socket and
//! sends again what the server has not acknowledged.

mod event;
mod inbound;
mod input;
mod keep_alive;
mod outbound;
mod receive;
mod send;
mod session;
#[cfg(test)]
mod tests;
mod topic_alias;

pub use event::{Event, Message, Progress, Topic};
pub use input::Input;
pub use send::SendError;
pub use session::{Options, Session, SessionError, Status, Violation};
