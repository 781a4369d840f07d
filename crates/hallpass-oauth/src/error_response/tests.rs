use super::*;

#[test]
fn only_codes_of_plain_words_are_accepted() {
    let code = |text: &str| error_code(text).is_some();
    for text in [
        "invalid_grant",
        "unapproved_software_statement",
        "insufficient_user_authentication",
        "authorization_pending",
        "INVALID_GRANT",
    ] {
        assert!(code(text), "{text}");
    }
    for text in [
        "",
        "_",
        "invalid_",
        "canary-4711",
        "aGVsbG",
        "abcdefghijklmnopqrstuvwxyz",
        "word_word_word_word_word_word_word_word_word",
        "\u{1b}",
        "a b",
    ] {
        assert!(!code(text), "{text}");
    }
}
