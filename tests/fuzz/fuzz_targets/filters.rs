//! libFuzzer's way into `filters`: topic filters against the naive matcher.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::filters::run(data));
