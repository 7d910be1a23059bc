//! `fuzz::grammars` under the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::grammars::check(data));
