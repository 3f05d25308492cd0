//! Who may do what, and who wants to know: placeholder of the seam.
//!
//! Owns the rules' readers only.
#[cfg(feature = "auth")]
pub mod authentication;
#[cfg(feature = "auth")]
pub mod authorization;
#[cfg(feature = "auth")]
pub mod line_error;
