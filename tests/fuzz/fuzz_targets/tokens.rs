//! libFuzzer's way into `tokens`: key files, claims and whole tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::tokens::run(data));
