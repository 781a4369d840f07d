//! The inputs that fuzzing kept, without the fuzzer: `fuzz/README.md` says where they come from.

use std::{fs, path::Path};

use crate::fuzzed;

/// Runs an entry over the inputs of its name, and over each of them cut short.
fn check(name: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut inputs = 0;
    for file in fs::read_dir(folder.join(name)).unwrap() {
        let input = fs::read(file.unwrap().path()).unwrap();
        entry(&input);
        for cut in (0..input.len()).step_by(1 + input.len() / 16) {
            entry(&input[..cut]);
        }
        inputs += 1;
    }
    assert!(inputs >= 7, "{inputs} inputs of {name}");
}

#[test]
fn challenge_corpus_holds() {
    check("challenge", fuzzed::challenge);
}

#[test]
fn protected_resource_corpus_holds() {
    check("protected_resource", fuzzed::protected_resource);
}

#[test]
fn authorization_server_corpus_holds() {
    check("authorization_server", fuzzed::authorization_server);
}
