//! rumqttc's 3.1.1 half as the scenarios need it.
//!
//! Owns the thread that drives each connection and turns its packets into events.
//! Scenarios are in `rumqttc_scenarios.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rumqttc::{
    Client, Connection, Incoming, LastWill, MqttOptions, QoS, RecvTimeoutError, SubscribeReasonCode,
};

use crate::rumqttc_scenarios::{self, Event, Half, Inbox, Message, Options};

const LARGEST: usize = 4 << 20;
/// How often a connection that is to be broken off looks whether the time has come.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(_version: &str, shards: usize) {
    rumqttc_scenarios::run::<Client>(shards, &[]);
}

fn qos(number: u8) -> QoS {
    rumqttc::qos(number).expect("0, 1 or 2")
}

impl Half for Client {
    fn open(address: SocketAddr, options: Options<'_>, stop: Arc<AtomicBool>) -> (Self, Inbox) {
        let mut settings = MqttOptions::new(options.id, address.ip().to_string(), address.port());
        settings.set_clean_session(options.clean);
        settings.set_max_packet_size(LARGEST, LARGEST);
        settings.set_inflight(20);
        if let Some((topic, payload, number)) = options.will {
            settings.set_last_will(LastWill::new(topic, payload, qos(number), false));
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
        Client::publish(self, topic, qos(number), retain, payload)
            .expect("the connection is driven");
    }

    fn disconnect(&self) {
        Client::disconnect(self).expect("the connection is driven");
    }

    fn is_takeover(_text: &str) -> bool {
        true
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
            Ok(Ok(rumqttc::Event::Incoming(packet))) => packet,
            Ok(Ok(rumqttc::Event::Outgoing(_))) | Err(RecvTimeoutError::Timeout) => continue,
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

fn translate(packet: Incoming) -> Option<Event> {
    let event = match packet {
        Incoming::ConnAck(ack) => Event::Connected {
            session_present: ack.session_present,
        },
        Incoming::Publish(publish) => Event::Message(Message {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            user_properties: Vec::new(),
        }),
        Incoming::PubAck(_) | Incoming::PubComp(_) => Event::Acknowledged,
        Incoming::SubAck(ack) => Event::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| match code {
                    SubscribeReasonCode::Success(granted) => Some(*granted as u8),
                    SubscribeReasonCode::Failure => None,
                })
                .collect(),
        ),
        Incoming::UnsubAck(_) => Event::Unsubscribed,
        Incoming::Connect(_)
        | Incoming::PubRec(_)
        | Incoming::PubRel(_)
        | Incoming::Subscribe(_)
        | Incoming::Unsubscribe(_)
        | Incoming::PingReq
        | Incoming::PingResp
        | Incoming::Disconnect => return None,
    };
    Some(event)
}
