//! `fuzz::rdp_channels` under the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rdp_channels::check(data));
