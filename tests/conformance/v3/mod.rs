//! Version 3.1.1, with its own statement numbers, and in `mqisdp.rs` what 3.1 asks for. Owns only the
//! list of the chapters.

mod authorization;
mod connect;
mod mqisdp;
mod ordering;
mod ping;
mod publish;
mod retained;
mod sessions;
mod subscribe;
mod topics;
mod unsubscribe;
mod wills;
