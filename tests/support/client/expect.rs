//! Waiting for one packet: the one that must come next, or the answer that must come before long.
//!
//! Owns no state; every method here reads through `Client` and fails the test with what came instead.

use std::time::{Duration, Instant};

use super::super::wire::{Ack, ConnAck, Packet, Publish, SubAck};
use super::{Client, Ended, PATIENCE};

impl Client {
    pub fn expect_connack(&mut self) -> ConnAck {
        match self.next() {
            Packet::ConnAck(connack) => connack,
            other => panic!("CONNACK wanted, got {other:?}"),
        }
    }

    pub fn expect_suback(&mut self) -> SubAck {
        match self.answer() {
            Packet::SubAck(suback) => suback,
            other => panic!("SUBACK wanted, got {other:?}"),
        }
    }

    pub fn expect_unsuback(&mut self) -> SubAck {
        match self.answer() {
            Packet::UnsubAck(unsuback) => unsuback,
            other => panic!("UNSUBACK wanted, got {other:?}"),
        }
    }

    pub fn expect_puback(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubAck(ack) if ack.id == id => ack,
            other => panic!("PUBACK {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubrec(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubRec(ack) if ack.id == id => ack,
            other => panic!("PUBREC {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubrel(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubRel(ack) if ack.id == id => ack,
            other => panic!("PUBREL {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubcomp(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubComp(ack) if ack.id == id => ack,
            other => panic!("PUBCOMP {id} wanted, got {other:?}"),
        }
    }

    /// The next packet, which must be a PUBLISH; not acknowledged.
    pub fn expect_publish(&mut self) -> Publish {
        self.expect_publish_within(PATIENCE)
    }

    pub fn expect_publish_within(&mut self, patience: Duration) -> Publish {
        match self.next_within(patience) {
            Ok(Packet::Publish(publish)) => publish,
            other => panic!("PUBLISH wanted, got {other:?}"),
        }
    }

    /// The broker closes the connection, with nothing before it but what was set aside.
    pub fn expect_end(&mut self) {
        self.expect_end_within(PATIENCE);
    }

    pub fn expect_end_within(&mut self, patience: Duration) {
        match self.read(Instant::now() + patience) {
            Err(Ended::Closed) => {}
            other => panic!("the end of the connection wanted, got {other:?}"),
        }
    }

    /// The broker gives up on this connection: in version 5 it says DISCONNECT with one of these
    /// reasons, before that it just closes. Messages on their way before that are skipped.
    pub fn expect_error(&mut self, reasons: &[u8]) {
        self.expect_error_within(PATIENCE, reasons);
    }

    pub fn expect_error_within(&mut self, patience: Duration, reasons: &[u8]) {
        let deadline = Instant::now() + patience;
        loop {
            match self.read(deadline) {
                Ok(Packet::Publish(publish)) => self.set_aside.push_back(publish),
                Ok(Packet::Disconnect(disconnect)) => {
                    assert!(
                        reasons.contains(&disconnect.reason),
                        "one of {reasons:02x?} wanted, got {disconnect:?}"
                    );
                    let left = deadline.saturating_duration_since(Instant::now());
                    return self.expect_end_within(left);
                }
                Err(Ended::Closed) if self.may_be_silent => return,
                other => panic!("DISCONNECT {reasons:02x?} wanted, got {other:?}"),
            }
        }
    }

    /// Everything until the broker closes, as bytes: for answers whose form is the broker's choice.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.fill(deadline) {
                Ok(()) => {}
                Err(Ended::Closed) => return std::mem::take(&mut self.bytes),
                Err(Ended::TimedOut) => panic!("the connection stays open: {:02x?}", self.bytes),
            }
        }
    }

    /// The broker refuses a CONNECT: it may say so with one of these codes, and must close.
    pub fn expect_refusal(&mut self, codes: &[u8]) {
        match self.next_within(PATIENCE) {
            Err(Ended::Closed) => {}
            Ok(Packet::ConnAck(answer)) => {
                assert!(
                    codes.contains(&answer.code),
                    "one of {codes:02x?} wanted, got {answer:?}"
                );
                self.expect_end();
            }
            other => panic!("a refusal {codes:02x?} wanted, got {other:?}"),
        }
    }
}
