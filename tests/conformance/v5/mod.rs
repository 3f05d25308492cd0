//! Version 5.0, with its own statement numbers. One file per chapter; owns only the list of them.

mod acknowledge;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod ping;
mod publish;
mod subscribe;
mod unsubscribe;
