use super::*;

const PLAIN: &[u8] = b"canary-4711";

fn sealed(key: u8, binding: u8) -> Vec<u8> {
    let key = SealingKey::from_bytes([key; 32]);
    seal(KeyId::from_bytes([9; 16]), &key, &[binding; 32], PLAIN).unwrap()
}

fn opened(key: u8, binding: u8, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
    open(&SealingKey::from_bytes([key; 32]), &[binding; 32], bytes)
}

#[test]
fn what_is_sealed_opens_with_its_key_in_its_place_and_nowhere_else() {
    let bytes = sealed(1, 2);
    assert_eq!(opened(1, 2, &bytes).unwrap().as_slice(), PLAIN);
    assert_eq!(key_id(&bytes), Ok(KeyId::from_bytes([9; 16])));
    assert_eq!(opened(7, 2, &bytes), Err(Unsealable::Altered));
    assert_eq!(opened(1, 3, &bytes), Err(Unsealable::Misplaced));
    let mut moved = bytes;
    moved[25..57].fill(3);
    assert_eq!(opened(1, 3, &moved), Err(Unsealable::Altered));
}

#[test]
fn no_bit_can_be_changed() {
    let bytes = sealed(1, 2);
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(opened(1, 2, &changed).is_err(), "byte {position}");
    }
}

#[test]
fn no_part_of_it_passes_for_the_whole() {
    let bytes = sealed(1, 2);
    for end in 0..bytes.len() {
        let error = opened(1, 2, &bytes[..end]).unwrap_err();
        assert!(
            matches!(error, Unsealable::Torn | Unsealable::Altered),
            "{end}: {error:?}"
        );
    }
}

#[test]
fn a_newer_version_is_known_by_its_first_nine_bytes() {
    assert_eq!(
        opened(1, 2, b"hallpass\x02of another shape"),
        Err(Unsealable::Newer { version: 2 })
    );
    for foreign in [&b"# my notes\n"[..], b"hallpass\0of another shape"] {
        assert_eq!(opened(1, 2, foreign), Err(Unsealable::Foreign));
    }
}

#[test]
fn the_plain_text_is_not_in_it_and_no_two_sealings_are_alike() {
    let bytes = sealed(1, 2);
    assert!(!bytes.windows(PLAIN.len()).any(|window| window == PLAIN));
    assert_ne!(bytes, sealed(1, 2));
}
