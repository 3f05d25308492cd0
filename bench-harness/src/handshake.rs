//! A connection's way from CONNECT to the last SUBACK.
//!
//! Pure: packets in, bytes to send out. What follows it belongs to the scenario.

use ringmq::protocol::{ConnAck, Frame, ProtocolVersion, ReasonCode, SubAck};

use crate::fault::Fault;

/// What a connection says before it takes part in a run.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The version spoken.
    pub version: ProtocolVersion,
    /// The quality of service that every subscription must be granted.
    pub qos: u8,
    /// The CONNECT packet.
    pub connect: Vec<u8>,
    /// SUBSCRIBE packets to send once connected; may be empty.
    pub subscribe: Vec<u8>,
    /// How many SUBACKs answer them.
    pub subacks: u16,
    connected: bool,
    receive_maximum: u16,
}

/// What to do after a packet.
#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing; more packets must come.
    Wait,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Done.
    Ready,
}

impl Handshake {
    /// A handshake that has not begun; `subscribe` is what
    /// [`encode::subscribe`](crate::encode::subscribe) returned.
    #[must_use]
    pub fn new(
        version: ProtocolVersion,
        qos: u8,
        connect: Vec<u8>,
        subscribe: (Vec<u8>, u16),
    ) -> Self {
        Self {
            version,
            qos,
            connect,
            subscribe: subscribe.0,
            subacks: subscribe.1,
            connected: false,
            receive_maximum: u16::MAX,
        }
    }

    /// How many unacknowledged publications the broker takes.
    #[must_use]
    pub fn receive_maximum(&self) -> u16 {
        self.receive_maximum
    }

    /// Takes one packet from the broker.
    ///
    /// # Errors
    /// What the broker did wrong.
    pub fn handle(&mut self, frame: Frame<'_>) -> Result<Step, Fault> {
        match (frame.first_byte >> 4, self.connected) {
            (2, false) => self.handle_connack(frame),
            (9, true) => self.handle_suback(frame),
            _ => Err(Fault::Unexpected(frame.first_byte)),
        }
    }

    fn handle_connack(&mut self, frame: Frame<'_>) -> Result<Step, Fault> {
        let connack = ConnAck::decode(self.version, frame).map_err(|_| Fault::Malformed)?;
        if connack.reason != ReasonCode::Success {
            return Err(Fault::Refused(connack.reason as u8));
        }
        self.connected = true;
        if let Some(limit) = connack.properties.receive_maximum {
            self.receive_maximum = limit.get();
        }
        if self.subacks == 0 {
            Ok(Step::Ready)
        } else {
            Ok(Step::Send(std::mem::take(&mut self.subscribe)))
        }
    }

    fn handle_suback(&mut self, frame: Frame<'_>) -> Result<Step, Fault> {
        let suback = SubAck::decode(self.version, frame).map_err(|_| Fault::Malformed)?;
        if let Some(code) = suback.reasons.iter().find(|code| **code != self.qos) {
            return Err(Fault::SubscriptionRefused(*code));
        }
        self.subacks = self.subacks.checked_sub(1).ok_or(Fault::Unexpected(0x90))?;
        Ok(if self.subacks == 0 {
            Step::Ready
        } else {
            Step::Wait
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(version: ProtocolVersion, subacks: u16) -> Handshake {
        Handshake::new(version, 1, vec![1], (vec![2], subacks))
    }

    fn frame(first_byte: u8, body: &[u8]) -> Frame<'_> {
        Frame { first_byte, body }
    }

    #[test]
    fn it_is_ready_after_the_last_suback() {
        let mut handshake = handshake(ProtocolVersion::V3_1_1, 2);
        let subscribe = Ok(Step::Send(vec![2]));
        assert_eq!(handshake.handle(frame(0x20, &[0, 0])), subscribe);
        let suback = handshake.handle(frame(0x90, &[0, 1, 1, 1]));
        assert_eq!(suback, Ok(Step::Wait));
        let suback = handshake.handle(frame(0x90, &[0, 2, 1]));
        assert_eq!(suback, Ok(Step::Ready));
    }

    #[test]
    fn refusals_are_told_by_the_reason_of_mqtt_5() {
        let refused = handshake(ProtocolVersion::V3_1_1, 0).handle(frame(0x20, &[0, 5]));
        assert_eq!(refused, Err(Fault::Refused(0x87)));
        let mut handshake = handshake(ProtocolVersion::V3_1_1, 1);
        let subscribe = Ok(Step::Send(vec![2]));
        assert_eq!(handshake.handle(frame(0x20, &[0, 0])), subscribe);
        let lower = handshake.handle(frame(0x90, &[0, 1, 0]));
        assert_eq!(lower, Err(Fault::SubscriptionRefused(0)));
    }

    #[test]
    fn receive_maximum_is_obeyed() {
        let of = |connack: &[u8]| {
            let mut handshake = handshake(ProtocolVersion::V5, 0);
            assert_eq!(handshake.handle(frame(0x20, connack)), Ok(Step::Ready));
            handshake.receive_maximum()
        };
        assert_eq!(of(&[0, 0, 6, 0x22, 0, 9, 0x21, 0, 20]), 20);
        assert_eq!(of(&[0, 0, 0]), u16::MAX);
    }
}
