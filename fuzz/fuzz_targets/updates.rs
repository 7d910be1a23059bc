//! `fuzz::updates` under the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::updates::check(data));
