//! Whole exchanges: publish, subscribe, receive, with every answer that belongs to them.
//!
//! Owns no state. What is sent here is right; what a test wants wrong it sends itself.

use super::super::wire::outgoing::{
    ack, ack_with_reason, disconnect, pingreq, subscribe, unsubscribe,
};
use super::super::wire::{Packet, Properties, Publish, SubAck, first_byte, property};
use super::Client;

impl Client {
    /// Takes the next message and acknowledges it as its QoS asks for.
    pub fn receive(&mut self) -> Publish {
        let publish = self.expect_publish();
        self.acknowledge(&publish);
        publish
    }

    /// The messages that came while the test waited for something else; not acknowledged.
    pub fn take_set_aside(&mut self) -> Vec<Publish> {
        self.set_aside.drain(..).collect()
    }

    /// Takes the next message and compares its payload.
    pub fn expect_message(&mut self, payload: &str) -> Publish {
        let publish = self.receive();
        assert_eq!(publish.text(), payload, "another message: {publish:?}");
        publish
    }

    /// The next message, and a PUBREL for `id` before or after it, which is answered.
    pub fn expect_publish_and_pubrel(&mut self, id: u16) -> Publish {
        self.expect_pubrel(id);
        self.pubcomp(id);
        self.expect_publish()
    }

    pub fn acknowledge(&mut self, publish: &Publish) {
        match (publish.qos, publish.id) {
            (1, Some(id)) => self.puback(id),
            (2, Some(id)) => {
                self.pubrec(id);
                self.expect_pubrel(id);
                self.pubcomp(id);
            }
            _ => {}
        }
    }

    pub fn puback(&mut self, id: u16) {
        self.held.remove(&id);
        self.send(ack(first_byte::PUBACK, id));
    }

    pub fn pubrec(&mut self, id: u16) {
        self.send(ack(first_byte::PUBREC, id));
    }

    pub fn pubcomp(&mut self, id: u16) {
        self.held.remove(&id);
        self.send(ack(first_byte::PUBCOMP, id));
    }

    /// PUBACK or PUBREC with an error: ends the flow of that message.
    pub fn refuse(&mut self, first_byte: u8, id: u16, reason: u8) {
        self.held.remove(&id);
        self.send(ack_with_reason(first_byte, id, reason));
    }

    pub fn pubrel(&mut self, id: u16) {
        self.send(ack(first_byte::PUBREL, id));
    }

    pub fn send_publish(&mut self, publish: &Publish) {
        let bytes = publish.encode(self.version);
        self.send(bytes);
    }

    /// Publishes and waits until the broker has taken it.
    pub fn publish(&mut self, topic: &str, payload: &str, qos: u8) {
        self.publish_with(Publish::new(topic, payload).qos(qos));
    }

    pub fn publish_with(&mut self, mut publish: Publish) {
        if publish.qos > 0 && publish.id.is_none() {
            publish.id = Some(self.fresh_id());
        }
        self.send_publish(&publish);
        if let Some(id) = publish.id {
            let reason = if publish.qos == 1 {
                self.expect_puback(id).reason
            } else {
                let reason = self.expect_pubrec(id).reason;
                if reason < 0x80 {
                    self.pubrel(id);
                    self.expect_pubcomp(id);
                }
                reason
            };
            assert!(reason < 0x80, "refused with {reason:#04x}: {publish:?}");
        }
    }

    /// Subscribes and insists on the QoS.
    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        let answer = self.subscribe_with(&[(filter, qos)], &Properties::new());
        assert_eq!(answer.reasons, [qos], "not granted: {filter}");
    }

    /// Subscribes with options and, optionally, a subscription identifier.
    pub fn subscribe_options(&mut self, filter: &str, options: u8, identifier: Option<u32>) {
        let mut properties = Properties::new();
        if let Some(identifier) = identifier {
            properties = properties.varint(property::SUBSCRIPTION_ID, identifier);
        }
        let answer = self.subscribe_with(&[(filter, options)], &properties);
        assert_eq!(answer.reasons, [options & 3], "not granted: {filter}");
    }

    pub fn subscribe_with(&mut self, filters: &[(&str, u8)], properties: &Properties) -> SubAck {
        let id = self.fresh_id();
        self.send(subscribe(self.version, id, filters, properties));
        let answer = self.expect_suback();
        assert_eq!(answer.id, id, "a SUBACK for another SUBSCRIBE");
        answer
    }

    pub fn unsubscribe(&mut self, filters: &[&str]) -> SubAck {
        let id = self.fresh_id();
        self.send(unsubscribe(self.version, id, filters, &Properties::new()));
        let answer = self.expect_unsuback();
        assert_eq!(answer.id, id, "an UNSUBACK for another UNSUBSCRIBE");
        answer
    }

    /// Asks for a sign of life and waits for it.
    pub fn ping(&mut self) {
        self.send(pingreq());
        match self.answer() {
            Packet::PingResp => {}
            other => panic!("PINGRESP wanted, got {other:?}"),
        }
    }

    /// Proves that nothing is on its way: what was queued for this client before the PINGREQ
    /// comes before the PINGRESP. Have a publish acknowledged first: a PUBACK says that the message
    /// has been queued for everyone who is to get it.
    pub fn expect_nothing(&mut self) {
        self.ping();
        assert!(
            self.set_aside.is_empty(),
            "nothing wanted, got {:?}",
            self.set_aside
        );
    }

    /// Says goodbye; the will is dropped.
    pub fn disconnect(mut self) {
        self.send(disconnect());
        self.expect_end();
    }

    /// Ends the connection without a word, and waits until the broker has noticed.
    pub fn vanish(mut self) {
        // The broker may have been first.
        let _ = self.stream.end_writing();
        self.read_to_end();
    }
}
