//! Enhanced authentication: several steps before a client is let in.
//!
//! Owns the shape of it (MQTT 5.0, section 4.12); what the steps mean is their
//! method's business. Pure: whoever conducts an exchange keeps its state.

use super::Grant;
use crate::protocol::ReasonCode;

/// One exchange under way, from CONNECT (or a re-authentication) to its end.
pub trait Exchange: Send {
    /// The client's next word: the authentication data of CONNECT or AUTH. Runs on
    /// the shard and must not wait.
    fn step(&mut self, data: Option<&[u8]>) -> Step;

    /// The same on a worker thread, after [`Step::Ask`]; may block.
    fn resolve(&mut self, data: Option<&[u8]>) -> Step {
        let _ = data;
        Step::Deny(ReasonCode::ImplementationSpecific)
    }
}

/// What an exchange does next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// A challenge for the client, in AUTH with 0x18.
    Continue(Vec<u8>),
    /// The client has proved itself; the data goes out with CONNACK (or AUTH).
    Done(Option<Vec<u8>>, Grant),
    /// It has not.
    Deny(ReasonCode),
    /// It takes time: go on with [`Exchange::resolve`].
    Ask,
}
