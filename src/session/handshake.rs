//! What CONNECT asks for, what the broker offers, and what both agree on.
//!
//! Owns nothing. Pure: one function from a packet and an offer to an agreement or
//! a refusal, and the CONNACK that tells the client about it (MQTT 5.0, 3.1, 3.2).

use std::num::{NonZeroU16, NonZeroU32};

use super::NEVER_EXPIRES;
use super::keep_alive::KeepAlive;
use crate::protocol::{ConnAck, ConnAckProperties, Connect, ProtocolVersion, ReasonCode};

/// What the broker is willing to grant.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Unacknowledged messages towards a client, at least one.
    pub send_window_max: u16,
    /// Unacknowledged messages from a client.
    pub receive_maximum: u16,
    /// Bytes of a packet from a client.
    pub maximum_packet_size: u32,
    /// Topic aliases a client may set.
    pub inbound_alias_maximum: u16,
    /// Topic aliases the broker sets at most.
    pub outbound_alias_maximum: u16,
    /// Seconds that a session may outlive its connection; `u32::MAX` for ever.
    pub session_expiry_max: u32,
    /// Seconds of keep alive a client may ask for; zero for no bound.
    pub keep_alive_max: u16,
    /// Whether any authentication method may be known.
    pub enhanced_authentication: bool,
}

/// The terms of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// The protocol both speak.
    pub version: ProtocolVersion,
    /// Whether an existing session is discarded [MQTT-3.1.2-4].
    pub clean_start: bool,
    /// Seconds that the session outlives the connection.
    pub session_expiry_interval: u32,
    /// When silence counts as absence.
    pub keep_alive: KeepAlive,
    /// Unacknowledged PUBLISH packets the broker may have in flight.
    pub send_window: u16,
    /// Unacknowledged PUBLISH packets the client may have in flight; zero: no bound.
    pub receive_maximum: u16,
    /// Bytes of a packet the client accepts [MQTT-3.1.2-24].
    pub maximum_packet_size: u32,
    /// Aliases the broker may set [MQTT-3.1.2-26].
    pub outbound_alias_maximum: u16,
}

/// Finds the terms, or the reason to refuse.
///
/// # Errors
/// The reason code for CONNACK.
pub fn agree(connect: &Connect<'_>, offer: &Offer) -> Result<Agreement, ReasonCode> {
    let properties = &connect.properties;
    if connect.client_id.is_empty() && !may_be_assigned_an_identifier(connect) {
        return Err(ReasonCode::ClientIdentifierNotValid);
    }
    if properties.authentication_method.is_some() && !offer.enhanced_authentication {
        // No method is known [MQTT-4.12.0-1].
        return Err(ReasonCode::BadAuthenticationMethod);
    }
    let version_5 = connect.version == ProtocolVersion::V5;
    let requested_expiry = if version_5 {
        properties.session_expiry_interval.unwrap_or(0)
    } else if connect.clean_start {
        0
    } else {
        NEVER_EXPIRES
    };
    let client_window = properties.receive_maximum.map_or(u16::MAX, NonZeroU16::get);
    let send_window = offer.send_window_max.min(client_window);
    let exceeds = offer.keep_alive_max > 0
        && (connect.keep_alive == 0 || connect.keep_alive > offer.keep_alive_max);
    // A 3.x client can not be told another keep alive, so its own stands.
    let keep_alive = if version_5 && exceeds {
        offer.keep_alive_max
    } else {
        connect.keep_alive
    };
    Ok(Agreement {
        version: connect.version,
        clean_start: connect.clean_start,
        session_expiry_interval: requested_expiry.min(offer.session_expiry_max),
        keep_alive: KeepAlive(keep_alive),
        send_window,
        receive_maximum: if version_5 { offer.receive_maximum } else { 0 },
        maximum_packet_size: properties
            .maximum_packet_size
            .map_or(u32::MAX, NonZeroU32::get),
        outbound_alias_maximum: properties
            .topic_alias_maximum
            .unwrap_or(0)
            .min(offer.outbound_alias_maximum),
    })
}

/// An empty client identifier is replaced in 5.0 [MQTT-3.1.3-6], and in 3.1.1 only
/// with a clean session [MQTT-3.1.3-7 of 3.1.1]; 3.1 has no such thing.
fn may_be_assigned_an_identifier(connect: &Connect<'_>) -> bool {
    match connect.version {
        ProtocolVersion::V5 => true,
        ProtocolVersion::V3_1_1 => connect.clean_start,
        ProtocolVersion::V3_1 => false,
    }
}

/// The CONNACK that accepts a connection and names what differs from its wishes.
#[must_use]
pub fn accept<'a>(
    connect: &Connect<'_>,
    terms: &Agreement,
    offer: &Offer,
    session_present: bool,
    assigned_client_identifier: Option<&'a str>,
) -> ConnAck<'a> {
    let asked_expiry = connect.properties.session_expiry_interval.unwrap_or(0);
    let expiry = terms.session_expiry_interval;
    let keep_alive = terms.keep_alive.0;
    let properties = ConnAckProperties {
        session_expiry_interval: (expiry != asked_expiry).then_some(expiry),
        receive_maximum: NonZeroU16::new(offer.receive_maximum)
            .filter(|maximum| maximum.get() < u16::MAX),
        maximum_packet_size: NonZeroU32::new(offer.maximum_packet_size),
        assigned_client_identifier,
        topic_alias_maximum: (offer.inbound_alias_maximum > 0)
            .then_some(offer.inbound_alias_maximum),
        server_keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
        ..ConnAckProperties::default()
    };
    ConnAck {
        session_present,
        reason: ReasonCode::Success,
        properties,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ConnectProperties;

    const OFFER: Offer = Offer {
        send_window_max: 20,
        receive_maximum: 100,
        maximum_packet_size: 2_000_000,
        inbound_alias_maximum: 10,
        outbound_alias_maximum: 10,
        session_expiry_max: 3600,
        keep_alive_max: 60,
        enhanced_authentication: false,
    };

    fn connect(version: ProtocolVersion, clean_start: bool, client_id: &str) -> Connect<'_> {
        Connect {
            version,
            clean_start,
            keep_alive: 30,
            properties: ConnectProperties::default(),
            client_id,
            will: None,
            username: None,
            password: None,
        }
    }

    #[test]
    fn an_empty_client_identifier_is_accepted_where_the_version_allows_it() {
        use ProtocolVersion::{V3_1, V3_1_1, V5};
        for (version, clean, accepted) in [
            (V5, false, true),
            (V5, true, true),
            (V3_1_1, true, true),
            (V3_1_1, false, false),
            (V3_1, true, false),
        ] {
            let agreed = agree(&connect(version, clean, ""), &OFFER);
            assert_eq!(agreed.is_ok(), accepted, "{version:?} clean {clean}");
        }
    }

    #[test]
    fn wishes_beyond_the_offer_are_cut_and_named_in_connack() {
        let mut wish = connect(ProtocolVersion::V5, false, "c");
        wish.keep_alive = 0;
        wish.properties.session_expiry_interval = Some(NEVER_EXPIRES);
        wish.properties.receive_maximum = NonZeroU16::new(5);
        let terms = agree(&wish, &OFFER).expect("acceptable");
        assert_eq!(terms.session_expiry_interval, 3600);
        assert_eq!(terms.send_window, 5);
        let connack = accept(&wish, &terms, &OFFER, true, None);
        assert_eq!(connack.properties.session_expiry_interval, Some(3600));
        assert_eq!(
            connack.properties.server_keep_alive,
            Some(60),
            "[MQTT-3.2.2-21]"
        );
        assert!(connack.session_present);
    }

    #[test]
    fn a_3x_session_that_is_not_clean_lives_as_long_as_the_offer_allows() {
        let kept = agree(&connect(ProtocolVersion::V3_1_1, false, "c"), &OFFER).expect("fine");
        assert_eq!(kept.session_expiry_interval, 3600);
        let clean = agree(&connect(ProtocolVersion::V3_1_1, true, "c"), &OFFER).expect("fine");
        assert_eq!(clean.session_expiry_interval, 0);
    }

    #[test]
    fn an_unknown_authentication_method_is_refused() {
        let mut wish = connect(ProtocolVersion::V5, true, "c");
        wish.properties.authentication_method = Some("KERBEROS");
        let refusal = agree(&wish, &OFFER).expect_err("unknown method");
        assert_eq!(
            refusal,
            ReasonCode::BadAuthenticationMethod,
            "[MQTT-4.12.0-1]"
        );
    }
}
