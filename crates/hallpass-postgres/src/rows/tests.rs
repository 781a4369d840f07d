use super::*;

#[test]
fn name_with_nul_and_backslash_survives_a_column_of_text() {
    for name in ["", "a", "a\0b", r"a\0b", r"\\", "\0\\\0", "ä\n\u{202e}"] {
        let column = to_column(name);
        assert!(!column.contains('\0'), "{column:?}");
        assert_eq!(from_column(&column), name);
    }
    assert_ne!(to_column("a\0"), to_column(r"a\0"));
}

#[test]
fn binding_differs_for_another_key_and_another_generation() {
    let bindings = [
        binding(&[1; 32], 1),
        binding(&[1; 32], 2),
        binding(&[2; 32], 1),
    ];
    assert!(bindings[0] != bindings[1] && bindings[0] != bindings[2]);
    assert_ne!(
        attempt_id("https://a", Generation::new(1)),
        attempt_id("https://a", Generation::new(2))
    );
}
