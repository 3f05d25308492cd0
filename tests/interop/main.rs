//! Foreign clients against the real broker: paho, mosquitto's tools, rumqttc and MQTT.js, and
//! browsers.
//!
//! One test per client, protocol version and number of shards; each runs every
//! scenario of its client and names the ones that failed. A client that is not
//! installed is skipped loudly, or fails where `RINGMQ_REQUIRE_INTEROP=1` says that
//! everything must be there (as `tests/run` does). Shares no code with the broker.

#[path = "../support/authority.rs"]
mod authority;
mod broker;
mod browser;
mod foreign;
mod mosquitto;
#[path = "../broker/process.rs"]
mod process;
mod rumqttc_scenarios;
mod rumqttc_v4;
mod rumqttc_v5;
#[path = "../broker/wait.rs"]
mod wait;

/// Each `version => run(version, shards)` with one shard and with four.
macro_rules! with_one_and_four_shards {
    ($($name:ident: $run:expr, $version:expr;)*) => {
        $(mod $name {
            #[test]
            fn with_1_shard() {
                $run($version, 1);
            }

            #[test]
            fn with_4_shards() {
                $run($version, 4);
            }
        })*
    };
}

with_one_and_four_shards! {
    paho_3_1: crate::foreign::paho, "3.1";
    paho_3_1_1: crate::foreign::paho, "3.1.1";
    paho_5_0: crate::foreign::paho, "5.0";
    mqttjs_3_1: crate::foreign::mqttjs, "3.1";
    mqttjs_3_1_1: crate::foreign::mqttjs, "3.1.1";
    mqttjs_5_0: crate::foreign::mqttjs, "5.0";
    mosquitto_3_1: crate::mosquitto::run, "3.1";
    mosquitto_3_1_1: crate::mosquitto::run, "3.1.1";
    mosquitto_5_0: crate::mosquitto::run, "5.0";
    rumqttc_3_1_1: crate::rumqttc_v4::run, "3.1.1";
    rumqttc_5_0: crate::rumqttc_v5::run, "5.0";
}

/// Each `run(version, transport, shards)`; with several shards connections move house, and with
/// them what lies between the socket and MQTT.
macro_rules! over_transports {
    ($($name:ident: $run:expr, $version:expr, $transport:expr;)*) => {
        $(#[test]
        fn $name() {
            $run($version, $transport, 3);
        })*
    };
}

over_transports! {
    paho_over_tls: crate::foreign::paho_over, "5.0", "tls";
    paho_over_ws: crate::foreign::paho_over, "3.1", "ws";
    paho_over_wss: crate::foreign::paho_over, "3.1.1", "wss";
    paho_over_unix: crate::foreign::paho_over, "5.0", "unix";
    mqttjs_over_tls: crate::foreign::mqttjs_over, "3.1.1", "tls";
    mqttjs_over_ws: crate::foreign::mqttjs_over, "5.0", "ws";
    mqttjs_over_wss: crate::foreign::mqttjs_over, "5.0", "wss";
    mosquitto_over_tls: crate::mosquitto::run_over, "5.0", "tls";
    mosquitto_over_unix: crate::mosquitto::run_over, "3.1.1", "unix";
}

#[test]
fn chromium() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    browser::run("chrome", "RINGMQ_CHROMIUM", &names);
}

#[test]
fn firefox() {
    browser::run("firefox", "RINGMQ_FIREFOX", &["firefox-esr", "firefox"]);
}
