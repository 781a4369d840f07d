//! Event streams (WHATWG HTML §9.2).

#![no_main]
#![allow(dead_code, reason = "each target uses one entry of the file")]

#[path = "../../crates/hallpass-mcp/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::events(data));
