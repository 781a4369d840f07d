use super::*;

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    assert_eq!(description(text).as_deref(), expected);
}

#[test]
fn words_pass() {
    check("Token has expired.", Some("Token has expired."));
    check(
        "The refresh_token doesn't exist (or was used)!",
        Some("The refresh_token doesn't exist (or was used)!"),
    );
    check("wait 30 seconds", Some("wait 30 seconds"));
    check(
        "AADSTS9010010: The resource",
        Some("AADSTS9010010: The resource"),
    );
    check("Ungültige Anfrage", Some("Ungültige Anfrage"));
}

#[test]
fn what_may_be_a_secret_does_not() {
    check("token canary-4711 is unknown", Some("token … is unknown"));
    check(
        "token 'eyJhbGciOi.eyJz.c2ln' is unknown",
        Some("token … is unknown"),
    );
    check(
        "code SplxlOBeZQQYbYS6WxSbIA unknown",
        Some("code … unknown"),
    );
    check("code aGVsbG8 unknown", Some("code … unknown"));
    check(
        "code abcdefghijklmnopqrstuvwxyz unknown",
        Some("code … unknown"),
    );
    check("code ABCDEFGHIJ unknown", Some("code … unknown"));
    check("pin 1234567 unknown", Some("pin … unknown"));
    check("a1 b2 c3", None);
    check("see https://as.example/?token=x", Some("see …"));
}

#[test]
fn control_characters_and_markup_do_not() {
    check("line\r\nSet-Cookie: x", Some("line … x"));
    check("\u{1b}[31mred", None);
    check("<script>alert(1)</script> denied", Some("… denied"));
    check("\u{202e}desrever txt", Some("… txt"));
    check("", None);
    check("   ", None);
}

#[test]
fn it_is_bounded() {
    let shown = description(&"word ".repeat(10_000)).unwrap();
    assert!(shown.chars().count() <= MOST + 2, "{}", shown.len());
    assert!(shown.ends_with(" …"), "{shown}");
}

#[test]
fn codes() {
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
