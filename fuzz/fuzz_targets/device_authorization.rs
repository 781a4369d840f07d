//! Answers of the device authorization endpoint (RFC 8628 §3.2).

#![no_main]
#![allow(dead_code, reason = "each target uses one entry of the file")]

#[path = "../../crates/hallpass-oauth/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::device_authorization(data));
