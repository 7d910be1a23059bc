//! `fuzz::recording` under the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::recording::check(data));
