//! libFuzzer's way into `retained`: the retained store and its cursors against a map.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::retained::run(data));
