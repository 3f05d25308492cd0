//! What may be typed, and what is said about the rest.

use std::ffi::OsString;
use std::time::Duration;

use super::*;
use crate::cli::failure::{CLIENT_USAGE, SERVE_USAGE};
use crate::protocol::{ProtocolVersion, QoS, ReasonCode};

fn parse_words(words: &[&str]) -> Result<Command, Rejected> {
    let words = std::iter::once("ringmq").chain(words.iter().copied());
    parse(words.map(OsString::from).collect())
}

fn publish(words: &str) -> PublishSettings {
    let words: Vec<_> = std::iter::once("pub")
        .chain(words.split_whitespace())
        .collect();
    match parse_words(&words) {
        Ok(Command::Publish(settings)) => *settings,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn subscribe(words: &str) -> SubscribeSettings {
    let words: Vec<_> = std::iter::once("sub")
        .chain(words.split_whitespace())
        .collect();
    match parse_words(&words) {
        Ok(Command::Subscribe(settings)) => *settings,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn serve(words: &str) -> ServeSettings {
    let words: Vec<_> = words.split_whitespace().collect();
    match parse_words(&words) {
        Ok(Command::Serve(settings)) => *settings,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn failure(words: &str) -> Failure {
    let words: Vec<_> = words.split_whitespace().collect();
    match parse_words(&words) {
        Err(Rejected::Wrong(failure)) => failure,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn without_a_command_the_broker_is_meant() {
    for words in ["", "serve"] {
        let settings = serve(words);
        assert!(settings.listeners.is_empty());
        assert_eq!((settings.shards, settings.max_connections), (None, None));
        assert!(!settings.allow_anonymous);
        assert_eq!(settings.limits, crate::broker::Limits::default());
    }
    for words in [
        "--tcp 127.0.0.1:0 --tcp [::1]:7",
        "serve --tcp 127.0.0.1:0 --tcp [::1]:7",
    ] {
        let listeners = serve(words).listeners;
        let addresses: Vec<_> = listeners.iter().map(|own| own.address.as_str()).collect();
        assert_eq!(addresses, ["127.0.0.1:0", "[::1]:7"]);
    }
}

#[test]
fn every_bound_of_an_operator_has_an_option() {
    let settings = serve(
        "--shards 4 --max-connections 7 --max-packet-size 2M --max-inflight 0 \
         --max-queued-messages 5 --max-queued-bytes 1k --session-expiry-max never \
         --connect-timeout 3 --max-keepalive 60 --max-topic-alias 9 --retained-messages-max 11 \
         --retained-bytes-max 1G --receive-maximum 65535",
    );
    let limits = settings.limits;
    assert_eq!(
        (settings.shards, settings.max_connections),
        (Some(4), Some(7))
    );
    assert_eq!((limits.max_packet_size, limits.max_inflight), (2 << 20, 0));
    assert_eq!(
        (limits.max_queued_messages, limits.max_queued_bytes),
        (5, 1024)
    );
    assert_eq!(
        (limits.session_expiry_max, limits.connect_timeout),
        (u32::MAX, 3)
    );
    assert_eq!((limits.max_keep_alive, limits.max_topic_alias), (60, 9));
    assert_eq!(
        (limits.max_retained_messages, limits.max_retained_bytes),
        (11, 1 << 30)
    );
    assert_eq!(limits.receive_maximum, 65_535);
}

#[test]
fn a_wrong_broker_option_is_one_line_with_the_valid_choices() {
    for (words, parts) in [
        ("--shards 0", &["--shards", "from 1", "'0'"][..]),
        (
            "--max-inflight 65536",
            &["--max-inflight", "0 to 65535", "'65536'"],
        ),
        (
            "--max-packet-size 1",
            &["--max-packet-size", "64 to", "'1'"],
        ),
        (
            "--receive-maximum never",
            &["--receive-maximum", "1 to 65535"],
        ),
        (
            "--max-queued-bytes 99999999999999999999G",
            &["--max-queued-bytes", "from 0"],
        ),
        ("serve --log =x=", &["--log", "info"]),
        ("--bogus", &["--bogus"]),
        ("serve --tcp", &["--tcp"]),
    ] {
        let failure = failure(words);
        assert_eq!(failure.code, SERVE_USAGE, "{words}");
        assert_eq!(
            failure.message.lines().count(),
            1,
            "{words}: {}",
            failure.message
        );
        for part in parts {
            assert!(
                failure.message.contains(part),
                "{words}: {}",
                failure.message
            );
        }
    }
}

#[test]
fn a_publication_has_mosquittos_defaults() {
    let settings = publish("-t a/b -m hello");
    assert_eq!(settings.topic, "a/b");
    assert_eq!(settings.payload, Payload::Bytes(b"hello".to_vec()));
    assert_eq!((settings.qos, settings.retain), (QoS::AtMostOnce, false));
    assert_eq!(
        (settings.repeat, settings.repeat_delay),
        (1, Duration::ZERO)
    );
    let connection = &settings.connection;
    assert_eq!(
        (connection.host.as_str(), connection.port),
        ("localhost", 1883)
    );
    let connect = connection.connect();
    assert_eq!(connect.version, ProtocolVersion::V3_1_1);
    assert_eq!(
        (connect.client_id, connect.keep_alive, connect.clean_start),
        ("", 60, true)
    );
    assert_eq!(connect.will, None);
}

#[test]
fn a_publication_takes_every_option() {
    let settings = publish(
        "-h host -p 7 -u me -P secret -i id -k 5 -q 2 -r -t t -m x -c -x ∞ -V mqttv5 -M 100 \
         --repeat 3 --repeat-delay 0.5 --will-topic w --will-payload gone --will-qos 1 \
         --will-retain -D will will-delay-interval 9 -d --quiet --nodelay",
    );
    assert_eq!((settings.qos, settings.retain), (QoS::ExactlyOnce, true));
    assert_eq!(
        (settings.repeat, settings.repeat_delay),
        (3, Duration::from_millis(500))
    );
    let connection = &settings.connection;
    assert!(connection.debug && connection.quiet);
    assert_eq!((connection.host.as_str(), connection.port), ("host", 7));
    assert_eq!(connection.max_inflight, 100);
    let connect = connection.connect();
    assert_eq!(
        (connect.client_id, connect.keep_alive, connect.clean_start),
        ("id", 5, false)
    );
    assert_eq!(
        (connect.username, connect.password),
        (Some("me"), Some(&b"secret"[..]))
    );
    assert_eq!(connect.properties.session_expiry_interval, Some(u32::MAX));
    let will = connect.will.expect("a will");
    assert_eq!(
        (will.topic, will.payload, will.qos),
        ("w", &b"gone"[..], QoS::AtLeastOnce)
    );
    assert_eq!((will.retain, will.delay_interval), (true, Some(9)));
}

#[test]
fn a_value_may_look_like_an_option_and_the_last_one_counts() {
    let settings = publish("-t a -m -5 -q 1 -t --topic -q 2");
    assert_eq!(settings.payload, Payload::Bytes(b"-5".to_vec()));
    assert_eq!(
        (settings.topic.as_str(), settings.qos),
        ("--topic", QoS::ExactlyOnce)
    );
}

#[test]
fn properties_go_to_their_packets_and_make_the_client_speak_version_5() {
    let settings = publish(
        "-t a -m x -D publish user-property a b -D PUBLISH user-property a c -D publish \
         content-type text -D connect receive-maximum 7 -D disconnect session-expiry-interval 3",
    );
    let connection = &settings.connection;
    assert_eq!(connection.version, ProtocolVersion::V5);
    let publish = connection.properties.publish.publish_properties();
    assert_eq!(
        publish.user_properties.iter().collect::<Vec<_>>(),
        [("a", "b"), ("a", "c")]
    );
    assert_eq!(publish.content_type, Some("text"));
    let receive_maximum = connection.connect().properties.receive_maximum;
    assert_eq!(receive_maximum.map(std::num::NonZeroU16::get), Some(7));
    let disconnect = connection.disconnect(ReasonCode::DisconnectWithWill);
    assert_eq!(disconnect.session_expiry_interval, Some(3));
    assert_eq!(disconnect.reason, ReasonCode::DisconnectWithWill);
}

#[test]
fn a_url_says_everything_and_options_override_it() {
    let settings = publish("-L mqtt://me:secret@host:7/a/b -m x");
    assert_eq!(settings.topic, "a/b");
    assert_eq!(
        (settings.connection.host.as_str(), settings.connection.port),
        ("host", 7)
    );
    assert_eq!(settings.connection.connect().username, Some("me"));
    let settings = publish("-L mqtt://host:7/a/b -m x -p 8 -t c");
    assert_eq!(
        (settings.topic.as_str(), settings.connection.port),
        ("c", 8)
    );
}

#[test]
fn a_subscription_takes_every_option() {
    let settings = subscribe(
        "-t a/# -t b -T a/x -U c -q 1 -v -N -C 5 -W 9 -E -R --remove-retained --no-local -V 5 \
         --retain-as-published --retain-handling 2 --random-filter 50 -i id -c",
    );
    assert_eq!(settings.filters, ["a/#", "b"]);
    assert_eq!(
        (settings.filter_out.len(), settings.unsubscribe.len()),
        (1, 1)
    );
    assert_eq!(settings.options.to_byte(), 0b10_1101);
    assert!(matches!(settings.output, Output::TopicAndPayload));
    assert_eq!(
        (settings.count, settings.timeout),
        (Some(5), Some(Duration::from_secs(9)))
    );
    assert_eq!(settings.retained, Retained::Without);
    assert_eq!((settings.end_of_line, settings.chance), (false, 5_000));
    assert!(settings.exit_after_subscribe && settings.remove_retained);
    let connect = settings.connection.connect();
    assert_eq!(connect.properties.session_expiry_interval, Some(u32::MAX));
}

#[test]
fn wrong_client_options_say_what_mosquittos_clients_say() {
    for (words, part) in [
        ("pub -m x", "Both topic and message must be supplied."),
        ("pub -t a", "Both topic and message must be supplied."),
        (
            "pub -t a -m x -n",
            "Only one type of message can be sent at once.",
        ),
        (
            "pub -t a/+ -m x",
            "Invalid publish topic 'a/+', does it contain '+' or '#'?",
        ),
        ("pub -t a -m x -q 3", "Invalid QoS given: 3"),
        ("pub -t a -m x -p 0", "Invalid port given: 0"),
        (
            "pub -t a -m x -V 4",
            "Invalid protocol version argument given",
        ),
        ("pub -t a -m x -k 4", "Invalid keepalive given"),
        (
            "pub -t a -m x -c",
            "You must provide a client id if you are using the -c option.",
        ),
        (
            "pub -t a -m x -V 5 -x -1",
            "using an infinite session expiry interval.",
        ),
        (
            "pub -t a -m x -x -2",
            "session-expiry-interval out of range.",
        ),
        (
            "pub -t a -m x -P pw",
            "Problem setting username and/or password.",
        ),
        (
            "pub -t a -m x -i a -I b",
            "-i and -I argument cannot be used together.",
        ),
        ("pub -t a -m x --repeat 0", "--repeat argument must be >0."),
        (
            "pub -t a -m x --repeat-delay -1",
            "--repeat-delay argument must be >=0.0.",
        ),
        (
            "pub -t a -m x --will-payload x",
            "Will payload given, but no will topic given.",
        ),
        (
            "pub -t a -m x --will-topic w --will-qos 3",
            "Invalid will QoS 3",
        ),
        (
            "pub -t a -m x -D bogus a b",
            "Invalid command given in --property argument.",
        ),
        (
            "pub -t a -m x -D publish a b",
            "Invalid property name given in --property argument.",
        ),
        (
            "pub -t a -m x -D publish receive-maximum 1",
            "not allowed for PUBLISH",
        ),
        (
            "pub -t a -m x -D publish topic-alias 0",
            "out of range for property topic-alias",
        ),
        ("sub", "You must specify a topic to subscribe to."),
        ("sub -t a/#/b", "Invalid subscription topic 'a/#/b'"),
        (
            "sub -t a -R --retained-only",
            "Combining '-R' and '--retained-only' makes no sense.",
        ),
        ("sub -t a -C 0", "Invalid message count \"0\"."),
        ("sub -t a -W 0", "Invalid timeout \"0\"."),
        ("sub -t a -F %k", "Invalid format specifier 'k'."),
        ("sub -m x", "-m"),
    ] {
        let failure = failure(words);
        assert_eq!(failure.code, CLIENT_USAGE, "{words}");
        assert!(
            failure.message.contains(part),
            "{words}: {}",
            failure.message
        );
        let command = &words[..3];
        let hint = format!("\n\nUse 'ringmq {command} --help' to see usage.");
        assert!(
            failure.message.starts_with("Error: "),
            "{words}: {}",
            failure.message
        );
        assert!(
            failure.message.ends_with(&hint),
            "{words}: {}",
            failure.message
        );
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (words, part) in [
        ("--help", "--tcp <ADDR>"),
        ("serve --help", "--retained-bytes-max"),
        ("pub --help", "--repeat-delay"),
        ("sub --help", "--retained-only"),
        ("--version", "ringmq"),
    ] {
        let words: Vec<_> = words.split_whitespace().collect();
        match parse_words(&words) {
            Err(Rejected::Asked(text)) => assert!(text.contains(part), "{words:?}: {text}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

#[test]
fn ports_follow_the_transport() {
    // The system's authorities are not there on every machine.
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (words, port) in [
        ("", 1883),
        ("--ws", 8083),
        ("-L mqtt://h/t", 1883),
        ("-L ws://h/t", 8083),
        ("-L ws://h:9/t", 9),
        ("--unix /tmp/socket", 1883),
    ] {
        let words = format!("-t t -m m {words}");
        assert_eq!(publish(&words).connection.port, port, "{words}");
    }
    for words in [
        "--tls",
        "-p 8883",
        "-L mqtts://h/t",
        "-L wss://h/t",
        "--insecure",
    ] {
        // TLS is meant: the file is looked into, and holds no certificate.
        let failure = failure(&format!("pub -t t -m m {words} --cafile {authority}"));
        assert!(
            failure.message.contains("holds no certificate"),
            "{}",
            failure.message
        );
    }
    for (words, part) in [
        ("--cafile /nowhere", "/nowhere: No such file"),
        ("--cert /nowhere", "Both certfile and keyfile"),
        ("--ws-path /mqtt", "--ws-path needs --ws"),
        ("--ws --ws-path mqtt", "must begin with /"),
        ("-L http://h/t", "wss://"),
    ] {
        let failure = failure(&format!("pub -t t -m m {words}"));
        assert!(
            failure.message.contains(part),
            "{words}: {}",
            failure.message
        );
    }
}
