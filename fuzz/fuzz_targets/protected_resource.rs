//! A protected resource's metadata (RFC 9728 §2).

#![no_main]
#![allow(dead_code, reason = "each target uses one entry of the file")]

#[path = "../../crates/hallpass-discovery/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::protected_resource(data));
