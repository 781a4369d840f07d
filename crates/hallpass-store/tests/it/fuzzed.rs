//! What has to hold for whatever bytes an export of a store holds: the entry of the fuzz target in `fuzz/`,
//! which includes this file. `corpus.rs` runs it over the inputs that were kept.

use hallpass_core::record::document::{CredentialDocument, DocumentError};
use hallpass_seal::{Binding, KeyId, SealingKey};

const BINDING: &Binding = b"hallpass: an export of a store 1";
/// What stands for a secret in an input.
const SECRET: &str = "canary";

/// An export: sealed bytes that no key opens but their own, and what its own key shows. A document that
/// is read is written as it was read, and an error shows nothing of it.
pub(crate) fn export(data: &[u8]) {
    let key = SealingKey::from_bytes([7; 32]);
    let _ = hallpass_seal::key_id(data);
    assert!(hallpass_seal::open(&key, BINDING, data).is_err());

    let id = KeyId::from_bytes([9; 16]);
    let sealed = hallpass_seal::seal(id, &key, BINDING, data).unwrap();
    let plain = hallpass_seal::open(&key, BINDING, &sealed).unwrap();
    assert_eq!(plain.as_slice(), data);
    for line in plain.split(|byte| *byte == b'\n') {
        document(line);
    }
}

fn document(line: &[u8]) {
    match CredentialDocument::decode(line) {
        Ok(document) => {
            let written = document.encode();
            let again = CredentialDocument::decode(&written).unwrap();
            assert_eq!(again, document);
            assert_eq!(*again.encode(), *written);
            for record in document.to_records() {
                assert_eq!(record.key, *document.key());
            }
        }
        Err(error) => {
            assert!(!matches!(error, DocumentError::Newer { version } if version < 2));
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(!text.contains(char::is_control), "{text:?}");
                assert!(!text.contains(SECRET), "{text}");
            }
        }
    }
}
