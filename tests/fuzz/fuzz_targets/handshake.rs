//! libFuzzer's way into `handshake`: a request for WebSocket and what follows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::openings::handshake(data));
