//! Tests of the transports as a whole: layers stacked, peers of foreign make,
//! bytes cut anywhere.

mod authority;
mod client;
mod far_end;
mod hostile;
mod proxy;
mod tls;
mod websocket;
