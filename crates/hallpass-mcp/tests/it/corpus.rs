//! The inputs that fuzzing kept, without the fuzzer: `fuzz/README.md` says where they come from.

use std::path::Path;

use hallpass_testkit::check_corpus;

use crate::fuzzed;

fn check(name: &str, entry: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    check_corpus(&corpus.join(name), entry);
}

#[test]
fn kept_event_streams_hold_the_invariants() {
    check("events", fuzzed::events);
}

#[test]
fn json_rpc_corpus_holds() {
    check("json_rpc", fuzzed::json_rpc);
}

#[test]
fn http_sse_corpus_holds() {
    check("http_sse", fuzzed::http_sse);
}
