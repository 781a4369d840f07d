use super::*;

const PLAIN: &[u8] = b"canary-4711";

fn sealed(key: u8, binding: u8) -> Vec<u8> {
    let key = SealingKey::from_bytes([key; 32]);
    seal(KeyId::from_bytes([9; 16]), &key, &[binding; 32], PLAIN).unwrap()
}

fn opened(key: u8, binding: u8, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    open(&SealingKey::from_bytes([key; 32]), &[binding; 32], bytes)
}

#[test]
fn sealed_bytes_open_with_their_key_and_binding_only() {
    let bytes = sealed(1, 2);
    assert_eq!(opened(1, 2, &bytes).unwrap().as_slice(), PLAIN);
    assert_eq!(key_id(&bytes), Ok(KeyId::from_bytes([9; 16])));
    assert_eq!(opened(7, 2, &bytes), Err(OpenError::Altered));
    assert_eq!(opened(1, 3, &bytes), Err(OpenError::Misplaced));
    let mut moved = bytes;
    moved[25..57].fill(3);
    assert_eq!(opened(1, 3, &moved), Err(OpenError::Altered));
}

#[test]
fn changed_bit_is_refused() {
    let bytes = sealed(1, 2);
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(opened(1, 2, &changed).is_err(), "byte {position}");
    }
}

#[test]
fn truncated_bytes_are_refused() {
    let bytes = sealed(1, 2);
    for end in 0..bytes.len() {
        let error = opened(1, 2, &bytes[..end]).unwrap_err();
        assert!(
            matches!(error, OpenError::Torn | OpenError::Altered),
            "{end}: {error:?}"
        );
    }
}

#[test]
fn newer_version_is_recognized_by_nine_bytes() {
    assert_eq!(
        opened(1, 2, b"hallpass\x02of another shape"),
        Err(OpenError::Newer { version: 2 })
    );
    for foreign in [&b"# my notes\n"[..], b"hallpass\0of another shape"] {
        assert_eq!(opened(1, 2, foreign), Err(OpenError::Foreign));
    }
}

#[test]
fn sealed_bytes_hide_the_text_and_differ_each_time() {
    let bytes = sealed(1, 2);
    assert!(!bytes.windows(PLAIN.len()).any(|window| window == PLAIN));
    assert_ne!(bytes, sealed(1, 2));
}
