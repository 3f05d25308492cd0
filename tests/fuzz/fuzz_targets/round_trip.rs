//! libFuzzer's way into `round_trip`: what was read is written and read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::round_trip::run(data));
