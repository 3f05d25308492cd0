//! libFuzzer's way into `proxy_header`: a PROXY header and what follows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::openings::proxy_header(data));
