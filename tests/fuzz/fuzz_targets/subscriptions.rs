//! libFuzzer's way into `subscriptions`: the indexes of subscriptions against a list.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::subscriptions::run(data));
