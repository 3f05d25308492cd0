//! libFuzzer's way into `stream`: arbitrary bytes into one or two engines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::stream::run(data));
