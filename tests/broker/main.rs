//! The broker as a process: start-up, limits, pressure and shutdown, seen from outside.
//!
//! Every test starts a broker of its own with the options that the promise needs.
//! What MQTT itself demands is in `tests/conformance`; what foreign clients make of
//! it, in `tests/interop`.

mod bombs;
mod commands;
mod hostile;
mod limits;
mod load;
mod pressure;
mod process;
mod retained;
mod shutdown;
mod startup;
mod storms;
mod unprivileged;
mod vitals;
mod wait;
mod wire;
