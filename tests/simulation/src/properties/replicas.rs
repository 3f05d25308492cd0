//! Property 5, the second half: when all is quiet every shard answers a subscription
//! to everything alike, with what is known to be retained among it.
//!
//! Allowances: what expires may do so between two answers.

use std::collections::BTreeSet;

use ringmq::protocol::{ProtocolVersion, QoS};

use crate::client::{Client, Role};
use crate::history::MessageId;
use crate::world::World;

impl World {
    /// Asks every shard what is retained.
    pub fn check_replicas(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.parting = true;
        let mut probes = Vec::new();
        for shard in 0..self.engines.len() {
            let name = (0..)
                .map(|number| format!("probe-{number}"))
                .find(|name| self.homes.of_client(name).index() == shard)
                .expect("every shard is somebody's home");
            let probe = self.clients.len();
            self.clients
                .push(Client::new(name, Role::Probe, ProtocolVersion::V5));
            self.history.incarnations.push(0);
            self.history.live.push(None);
            self.connect(probe);
            probes.push(probe);
        }
        self.pass(2_000);
        for &probe in &probes {
            self.subscribe_to(probe, "#", QoS::AtLeastOnce);
            self.subscribe_to(probe, "$own/#", QoS::AtLeastOnce);
        }
        self.pass(20_000);
        let answers: Vec<BTreeSet<MessageId>> =
            probes.iter().map(|&probe| self.answer_to(probe)).collect();
        for (shard, answer) in answers.iter().enumerate() {
            let missing = self
                .last_retained()
                .into_values()
                .find(|message| !answer.contains(message));
            if let Some(message) = missing
                && self.stats().dropped_retained_full == 0
            {
                self.violate("replicas", || {
                    format!("shard {shard} does not know that message {message} is retained")
                });
            }
            if *answer != answers[0] {
                let difference: Vec<_> = answer.symmetric_difference(&answers[0]).collect();
                self.violate("replicas", || {
                    format!("shards 0 and {shard} do not agree on {difference:?}")
                });
            }
        }
    }

    fn answer_to(&self, probe: usize) -> BTreeSet<MessageId> {
        self.history
            .deliveries
            .iter()
            .filter(|delivery| delivery.client == probe && delivery.retain)
            .filter_map(|delivery| delivery.message)
            .filter(|&message| self.history.messages[message as usize].expiry.is_none())
            .collect()
    }
}
