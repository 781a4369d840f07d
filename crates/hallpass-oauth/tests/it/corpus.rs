//! The inputs that fuzzing kept, without the fuzzer: `fuzz/README.md` says where they come from.

use std::path::Path;

use hallpass_testkit::check_corpus;

use crate::fuzzed;

fn check(name: &str, entry: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    check_corpus(&corpus.join(name), entry);
}

#[test]
fn token_response_corpus_holds() {
    check("token_response", fuzzed::token_response);
}

#[test]
fn callback_corpus_holds() {
    check("callback", fuzzed::callback);
}

#[test]
fn registration_corpus_holds() {
    check("registration", fuzzed::registration);
}

#[test]
fn device_authorization_corpus_holds() {
    check("device_authorization", fuzzed::device_authorization);
}
