//! What the protocol layer promises, as tables and as properties.
//!
//! Owns nothing. Never sleeps, never needs a socket; random cases print the input
//! that fails, and proptest shrinks it.

mod delivery;
