//! libFuzzer's way into `decode`: arbitrary bytes as packets of every version.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::decode::run(data));
