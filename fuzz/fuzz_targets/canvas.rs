//! `fuzz::canvas` under the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::canvas::check(data));
