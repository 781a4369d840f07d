//! The inputs that fuzzing kept, without the fuzzer: `fuzz/README.md` says where they come from.

use std::path::Path;

use hallpass_testkit::check_corpus;

use crate::fuzzed;

fn check(name: &str, entry: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    check_corpus(&corpus.join(name), entry);
}

#[test]
fn export_corpus_holds() {
    check("export", fuzzed::export);
}
