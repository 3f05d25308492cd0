//! A message on its way to one client, waiting or in flight.
//!
//! Owns a counted reference to the message (counted on this shard alone) and the
//! terms of this delivery. Pure.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::message::Message;
use crate::protocol::QoS;

/// Subscription identifiers of a delivery; rarely more than one.
pub type SubscriptionIdList = SmallVec<[u32; 2]>;

/// One delivery: a message and the terms it goes to one client under.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What is delivered.
    pub message: Rc<Message>,
    /// At which QoS, never above the message's own.
    pub qos: QoS,
    /// The RETAIN flag the client sees.
    pub retain: bool,
    /// Identifiers of the subscriptions that matched [MQTT-3.3.4-3].
    pub subscription_ids: SubscriptionIdList,
    /// The shared subscription (`$share/group/filter`) that chose this client.
    pub group: Option<Arc<str>>,
}

impl Pending {
    /// Bytes that a queue counts for this delivery.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.message.len() + size_of::<Self>()
    }
}
