//! TLS 1.2 and 1.3 by rustls, as bytes in, bytes out.
//!
//! Owns the mapping of files and settings to rustls' configuration, and the driving
//! of its state machine. Pure. Read next: `server` for what is configured,
//! `session` for what happens on a connection.

mod identity;
mod pem;
mod server;
mod session;

pub use identity::UserNameFrom;
pub use pem::{Document, TlsError};
pub use server::{ClientCertificates, ServerCertificate, TlsServer, TlsSettings};

pub(super) use identity::identity;
pub(super) use pem::{certificates, private_key, unusable as unusable_certificate};
pub(super) use session::{Inner, Session};
