//! Event streams (WHATWG HTML §9.2).

#![no_main]

#[path = "../../crates/hallpass-mcp/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::events(data));
