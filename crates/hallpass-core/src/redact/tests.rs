use super::*;

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    assert_eq!(redact_text(text).as_deref(), expected);
}

#[test]
fn ordinary_words_of_an_error_stay() {
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
fn possible_secret_is_redacted() {
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
fn control_characters_and_markup_are_redacted() {
    check("line\r\nSet-Cookie: x", Some("line … x"));
    check("\u{1b}[31mred", None);
    check("<script>alert(1)</script> denied", Some("… denied"));
    check("\u{202e}desrever txt", Some("… txt"));
    check("", None);
    check("   ", None);
}

#[test]
fn redacted_text_has_a_limit() {
    let shown = redact_text(&"word ".repeat(10_000)).unwrap();
    assert!(shown.chars().count() <= MAX_SHOWN + 2, "{}", shown.len());
    assert!(shown.ends_with(" …"), "{shown}");
}
