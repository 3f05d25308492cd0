//! A connection's way from CONNECT to the last SUBACK.
//!
//! Pure: packets in, bytes to send out. What follows it belongs to the scenario.

use crate::encode::Version;
use crate::fault::Fault;
use crate::parse::variable_byte_integer;

/// What a connection says before it takes part in a run.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The version spoken.
    pub version: Version,
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
    pub fn new(version: Version, qos: u8, connect: Vec<u8>, subscribe: (Vec<u8>, u16)) -> Self {
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
    pub fn handle(&mut self, first: u8, body: &[u8]) -> Result<Step, Fault> {
        match (first >> 4, self.connected) {
            (2, false) => self.handle_connack(body),
            (9, true) => self.handle_suback(body),
            _ => Err(Fault::Unexpected(first)),
        }
    }

    fn handle_connack(&mut self, body: &[u8]) -> Result<Step, Fault> {
        let [_, code, properties @ ..] = body else {
            return Err(Fault::Malformed);
        };
        if *code != 0 {
            return Err(Fault::Refused(*code));
        }
        self.connected = true;
        if self.version.is_v5() {
            self.receive_maximum = receive_maximum(properties).ok_or(Fault::Malformed)?;
        }
        if self.subacks == 0 {
            Ok(Step::Ready)
        } else {
            Ok(Step::Send(std::mem::take(&mut self.subscribe)))
        }
    }

    fn handle_suback(&mut self, body: &[u8]) -> Result<Step, Fault> {
        let mut codes = body.get(2..).ok_or(Fault::Malformed)?;
        if self.version.is_v5() {
            let (length, length_bytes) = variable_byte_integer(codes)?.ok_or(Fault::Malformed)?;
            codes = codes.get(length_bytes + length..).ok_or(Fault::Malformed)?;
        }
        if let Some(code) = codes.iter().find(|code| **code != self.qos) {
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

/// Finds Receive Maximum in CONNACK's property block; 65,535 where it is absent.
fn receive_maximum(block: &[u8]) -> Option<u16> {
    const RECEIVE_MAXIMUM: u8 = 0x21;
    let (length, length_bytes) = variable_byte_integer(block).ok()??;
    let mut rest = block.get(length_bytes..length_bytes + length)?;
    while let [id, value @ ..] = rest {
        if *id == RECEIVE_MAXIMUM {
            return value.first_chunk::<2>().map(|v| u16::from_be_bytes(*v));
        }
        rest = value.get(property_size(*id, value)?..)?;
    }
    Some(u16::MAX)
}

/// The size of a CONNACK property's value.
fn property_size(id: u8, value: &[u8]) -> Option<usize> {
    let string = |at: usize| {
        let length = value.get(at..)?.first_chunk::<2>()?;
        Some(2 + usize::from(u16::from_be_bytes(*length)))
    };
    match id {
        0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Some(1),
        0x13 | 0x22 => Some(2),
        0x11 | 0x27 => Some(4),
        0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => string(0),
        0x26 => Some(string(0)? + string(string(0)?)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(version: Version, subacks: u16) -> Handshake {
        Handshake::new(version, 1, vec![1], (vec![2], subacks))
    }

    #[test]
    fn it_is_ready_after_the_last_suback() {
        let mut handshake = handshake(Version::V311, 2);
        assert_eq!(handshake.handle(0x20, &[0, 0]), Ok(Step::Send(vec![2])));
        assert_eq!(handshake.handle(0x90, &[0, 1, 1, 1]), Ok(Step::Wait));
        assert_eq!(handshake.handle(0x90, &[0, 2, 1]), Ok(Step::Ready));
    }

    #[test]
    fn refusals_are_told() {
        let refused = handshake(Version::V311, 0).handle(0x20, &[0, 5]);
        assert_eq!(refused, Err(Fault::Refused(5)));
        let mut handshake = handshake(Version::V311, 1);
        assert_eq!(handshake.handle(0x20, &[0, 0]), Ok(Step::Send(vec![2])));
        let lower = handshake.handle(0x90, &[0, 1, 0]);
        assert_eq!(lower, Err(Fault::SubscriptionRefused(0)));
    }

    #[test]
    fn receive_maximum_is_found_behind_other_properties() {
        let mut handshake = handshake(Version::V5, 0);
        let connack = [
            0, 0, 17, 0x26, 0, 1, b'a', 0, 2, b'b', b'c', 0x22, 0, 9, 0x24, 1, 0x21, 0, 20, 0,
        ];
        assert_eq!(
            handshake.handle(0x20, &connack[..19]),
            Err(Fault::Malformed)
        );
        let mut right = connack;
        right[2] = 16;
        assert_eq!(handshake_of(&right[..19]).receive_maximum(), 20);
        assert_eq!(handshake_of(&[0, 0, 0]).receive_maximum(), u16::MAX);
    }

    fn handshake_of(connack: &[u8]) -> Handshake {
        let mut handshake = handshake(Version::V5, 0);
        assert_eq!(handshake.handle(0x20, connack), Ok(Step::Ready));
        handshake
    }
}
