//! Version 5.0, with its own statement numbers. One file per chapter; owns only the list of them.

mod acknowledge;
mod auth;
mod authorization;
mod connack;
mod connect;
mod disconnect;
mod enhanced_auth;
mod flow_control;
mod keep_alive;
mod limits;
mod malformed;
mod message_expiry;
mod ordering;
mod packet_size;
mod ping;
mod properties;
mod publish;
mod retained;
mod sessions;
mod shared;
mod subscribe;
mod topic_alias;
mod topics;
mod unsubscribe;
mod wills;
