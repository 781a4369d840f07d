//! Answers of the token endpoint (RFC 6749 §5).

#![no_main]
#![allow(dead_code, reason = "each target uses one entry of the file")]

#[path = "../../crates/hallpass-oauth/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::token_response(data));
