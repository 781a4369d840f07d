//! Exports of a store, and the documents in them.

#![no_main]

#[path = "../../crates/hallpass-store/tests/it/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::export(data));
