//! rumqttc's 5.0 half as the scenarios need it, and what only 5.0 has.
//!
//! Owns the thread that drives each connection and turns its packets into events.
//! The common scenarios are in `rumqttc_scenarios.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{Client, Connection, MqttOptions, RecvTimeoutError};

use crate::rumqttc_scenarios::{self, Event, Half, Inbox, Message, Options, Stage};

const LARGEST: u32 = 4 << 20;
/// How often a connection that is to be broken off looks whether the time has come.
const LOOK: Duration = Duration::from_millis(100);
/// A session that is kept outlives the test.
const SESSION_EXPIRY: u32 = 300;

pub fn run(_version: &str, shards: usize) {
    rumqttc_scenarios::run::<Client>(
        shards,
        &[
            ("properties", properties),
            ("shared_subscription", shared_subscription),
        ],
    );
}

fn properties(stage: &Stage) {
    let (publisher, mut subscriber) = (stage.client::<Client>("p"), stage.client::<Client>("s"));
    let topic = stage.topic("properties");
    subscriber.subscribe(&topic, 0);
    let pairs = [("z", "1"), ("a", "2"), ("z", "3"), ("\u{fc}", "")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let properties = PublishProperties {
        user_properties: pairs.to_vec(),
        content_type: Some("text/plain".to_owned()),
        response_topic: Some(stage.topic("answer")),
        ..PublishProperties::default()
    };
    publisher
        .half
        .publish_with_properties(&topic, QoS::AtMostOnce, false, "hello", properties)
        .expect("the connection is driven");
    let message = subscriber.next();
    assert_eq!(message.user_properties, pairs);
    assert_eq!(message.payload, b"hello");
}

fn shared_subscription(stage: &Stage) {
    let mut publisher = stage.client::<Client>("p");
    let topic = stage.topic("shared");
    let mut members = ["a", "b", "c"].map(|name| stage.client::<Client>(name));
    for member in &mut members {
        member.subscribe(&format!("$share/group/{topic}"), 1);
    }
    for number in 0..90 {
        publisher.publish(&topic, &[number], 1, false);
    }
    let mut heard: Vec<u8> = Vec::new();
    for member in &mut members {
        heard.extend((0..30).map(|_| member.next().payload[0]));
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..90).collect::<Vec<u8>>(), "each message once");
}

fn qos(number: u8) -> QoS {
    rumqttc::v5::mqttbytes::qos(number).expect("0, 1 or 2")
}

impl Half for Client {
    fn open(address: SocketAddr, options: Options<'_>, stop: Arc<AtomicBool>) -> (Self, Inbox) {
        let mut settings = MqttOptions::new(options.id, address.ip().to_string(), address.port());
        settings.set_clean_start(options.clean);
        settings.set_session_expiry_interval((!options.clean).then_some(SESSION_EXPIRY));
        settings.set_max_packet_size(Some(LARGEST));
        settings.set_outgoing_inflight_upper_limit(20);
        if let Some((topic, payload, number)) = options.will {
            settings.set_last_will(LastWill::new(topic, payload, qos(number), false, None));
        }
        let (client, connection) = Client::new(settings, 100);
        let (sender, events) = channel();
        let patience = options.will.map(|_| LOOK);
        std::thread::spawn(move || {
            let why = drive(connection, &sender, &stop, patience);
            // The scenario may be over and the inbox gone.
            let _ = sender.send(Event::Ended(why));
        });
        (client, Inbox::new(events))
    }

    fn subscribe(&self, filter: &str, number: u8) {
        Client::subscribe(self, filter, qos(number)).expect("the connection is driven");
    }

    fn unsubscribe(&self, filter: &str) {
        Client::unsubscribe(self, filter).expect("the connection is driven");
    }

    fn publish(&self, topic: &str, payload: &[u8], number: u8, retain: bool) {
        Client::publish(self, topic, qos(number), retain, payload.to_vec())
            .expect("the connection is driven");
    }

    fn disconnect(&self) {
        Client::disconnect(self).expect("the connection is driven");
    }

    fn is_takeover(text: &str) -> bool {
        // rumqttc 0.25 does not understand a DISCONNECT that leaves its property length out,
        // as it may, and takes the end of the connection for the reason.
        text.contains("SessionTakenOver") || text.contains("closed by peer")
    }
}

/// Reports packets until the connection ends or is to be broken off; says how it ended.
fn drive(
    mut connection: Connection,
    events: &Sender<Event>,
    stop: &AtomicBool,
    patience: Option<Duration>,
) -> String {
    while !stop.load(Ordering::SeqCst) {
        let next = match patience {
            Some(patience) => connection.recv_timeout(patience),
            None => connection
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        };
        let packet = match next {
            Ok(Ok(rumqttc::v5::Event::Incoming(packet))) => packet,
            Ok(Ok(rumqttc::v5::Event::Outgoing(_))) | Err(RecvTimeoutError::Timeout) => continue,
            Ok(Err(error)) => return error.to_string(),
            Err(RecvTimeoutError::Disconnected) => return "no more requests".to_owned(),
        };
        if let Some(event) = translate(packet)
            && events.send(event).is_err()
        {
            return "nobody listens".to_owned();
        }
    }
    "broken off".to_owned()
}

fn translate(packet: Packet) -> Option<Event> {
    let event = match packet {
        Packet::ConnAck(ack) => Event::Connected {
            session_present: ack.session_present,
        },
        Packet::Publish(publish) => Event::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            user_properties: publish.properties.unwrap_or_default().user_properties,
        }),
        Packet::PubAck(_) | Packet::PubComp(_) => Event::Acknowledged,
        Packet::SubAck(ack) => Event::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| {
                    if let SubscribeReasonCode::Success(granted) = code {
                        Some(*granted as u8)
                    } else {
                        None
                    }
                })
                .collect(),
        ),
        Packet::UnsubAck(_) => Event::Unsubscribed,
        Packet::Auth(_)
        | Packet::Connect(..)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq(_)
        | Packet::PingResp(_)
        | Packet::Disconnect(_) => return None,
    };
    Some(event)
}
